//! What the tests of sinks share: batches made by hand, sinks made from their kind, readers of others.

use doge_core::batch::{
    CONST_TAG, Cell, Column, EventBatch, IdMap, Layout, Position, SITE_BITS, Site,
};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::{Base, Ty, Value};
use doge_datagen::format::TextFormat;
use doge_datagen::sink::{
    Chunk, Context, IfExists, KINDS, Make, Opening, Payload, Settings, Sink, SinkKind, Takes,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The header of the text output.
pub const HEADER: &str = "n,id,name,price,paid,at,wait,note\n";

/// An event with a field of every type, filled from every kind of cell.
pub fn layout() -> Arc<Layout> {
    let columns: [(&str, Base, bool, Cell); 8] = [
        ("n", Base::Int, false, Cell::Slot(0)),
        ("id", Base::String, false, Cell::IdText),
        ("name", Base::String, false, Cell::Slot(1)),
        ("price", Base::Double, false, Cell::Slot(2)),
        ("paid", Base::Bool, false, Cell::Const(Value::Bool(true))),
        ("at", Base::Timestamp, false, Cell::Time),
        ("wait", Base::Duration, false, Cell::Slot(3)),
        ("note", Base::String, true, Cell::Slot(4)),
    ];
    let ty = |base, nullable| Ty { base, nullable };
    let event = Event {
        name: "trx".into(),
        fields: columns.iter().enumerate().map(|(i, c)| Field::Leaf(c.0.into(), i)).collect(),
        leaves: columns.iter().map(|c| Leaf { column: c.0.into(), ty: ty(c.1, c.2) }).collect(),
        headers: Vec::new(),
        key: ty(Base::String, false),
        schema: Vec::new(),
        emitted: true,
    };
    let site = Site {
        event: 0,
        population: 0,
        transition: (0, 0),
        pos: 0,
        slots: vec![
            ty(Base::Int, false),
            ty(Base::String, false),
            ty(Base::Double, false),
            ty(Base::Duration, false),
            ty(Base::String, true),
        ],
        slot_words: 6,
        strings: vec![1, 4],
        fields: columns.iter().map(|c| Column { cell: c.3.clone(), ty: ty(c.1, c.2) }).collect(),
        key: Column { cell: Cell::IdText, ty: ty(Base::String, false) },
        time: Column { cell: Cell::Time, ty: ty(Base::Timestamp, false) },
        headers: Vec::new(),
    };
    Arc::new(Layout {
        events: vec![event],
        selected: vec![true],
        sites: vec![site],
        populations: vec!["user".into()],
        names: vec![vec![("s".into(), vec!["t".into()])]],
        ids: vec![IdMap::range(0, 1 << 30)],
        constants: vec!["a constant".into()],
    })
}

/// The name of event `n`: long, empty, quoted, constant and plain ones take turns.
pub fn name_of(n: u64) -> String {
    match n % 5 {
        0 => "a constant".into(),
        1 => String::new(),
        2 => format!("quote\" and, comma {n}"),
        3 => format!("line\nend and ünicode {n}"),
        _ => format!("plain {n}"),
    }
}

/// The time of event `n`.
pub fn time_of(n: u64) -> i64 {
    1_644_549_708_000 + (n / 3) as i64 * 1_000
}

/// Events `from..to`.
pub fn batch(layout: &Arc<Layout>, from: u64, to: u64) -> EventBatch {
    let mut batch = EventBatch::new(layout.clone());
    for n in from..to {
        let mut record =
            vec![(n / 7 + 1) << SITE_BITS, n, n, 0, (n as f64 * 0.25).to_bits(), n * 500];
        let mut texts: Vec<u8> = Vec::new();
        if n % 5 == 0 {
            record[3] = CONST_TAG;
        } else {
            let name = name_of(n);
            record[3] = name.len() as u64;
            texts.extend(name.as_bytes());
            texts.resize(texts.len().next_multiple_of(8), 0);
        }
        if n % 2 == 0 {
            record.extend([0, 1]);
        } else {
            record.extend([4, 0]);
            texts.extend(b"note\0\0\0\0");
        }
        record.extend(texts.chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())));
        batch.push(time_of(n), &record);
    }
    batch
}

/// The text of event `n`: made here, since making bytes is no sink's affair.
pub fn text_of(n: u64, format: TextFormat) -> String {
    match format {
        TextFormat::Jsonl => format!("{{\"n\":{n},\"name\":\"x\\ny\"}}\n"),
        TextFormat::Csv => format!("{n},\"{n}\",\"two\nlines, \"\"quoted\"\"\",0.5,true,,,\n"),
    }
}

/// The place of event `n` in the order.
pub fn position(n: u64) -> Position {
    Position { time_ms: time_of(n), population: 0, id: n, seq: n / 7 + 1, pos: 0 }
}

/// Events `from..to` as a sink of this kind takes them.
pub fn chunk(
    kind: &SinkKind,
    layout: &Arc<Layout>,
    format: TextFormat,
    from: u64,
    to: u64,
) -> Chunk {
    let payload = if matches!(kind.takes, Takes::Text | Takes::ByFormat) {
        let bytes: Vec<u8> = (from..to).flat_map(|n| text_of(n, format).into_bytes()).collect();
        Payload::Bytes(bytes.into())
    } else {
        Payload::Batch(batch(layout, from, to))
    };
    Chunk { payload, events: to - from, last: position(to - 1) }
}

/// A kind by its name.
pub fn kind(name: &str) -> &'static SinkKind {
    KINDS.iter().copied().find(|k| k.name == name).unwrap_or_else(|| panic!("no kind {name}"))
}

/// What several sinks of a run share.
pub type Shared = BTreeMap<String, Arc<dyn std::any::Any + Send + Sync>>;

/// A sink of a kind.
pub fn make(
    kind: &SinkKind,
    texts: &[(&'static str, &str)],
    if_exists: IfExists,
    format: TextFormat,
    shared: &mut Shared,
) -> Box<dyn Sink> {
    let layout = layout();
    let mut settings = Settings::default();
    // Nobody wants to wait ten seconds in a test.
    settings.texts.insert("busy_ms".into(), "300".into());
    settings.texts.extend(texts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let Make::Now(make) = kind.make else { panic!("{} cannot be made", kind.name) };
    let mut context = Context {
        if_exists,
        format: format.into(),
        event: Some(&layout.events[0]),
        events: &[(0, &layout.events[0])],
        shard: (1, 1),
        commit: Default::default(),
        folder: Path::new(""),
        shared,
    };
    make(&settings, &mut context).expect("the sink can be made").sink
}

/// What every run tells a sink of text.
pub fn opening(format: TextFormat) -> Opening {
    Opening {
        header: if format == TextFormat::Csv { HEADER.into() } else { Vec::new() },
        ..Opening::default()
    }
}

/// Runs a Python program with arguments; its output. Python reads back what sinks wrote, so that
/// not only our own code judges it.
pub fn python(program: &str, args: &[&str]) -> String {
    let out = Command::new("python3").arg("-c").arg(program).args(args).output().unwrap_or_else(|e| {
        panic!(
            "this test reads the output back with Python's csv, json and sqlite3, and python3 cannot be \
             started ({e}): install it, for instance with `apt-get install python3`"
        )
    });
    assert!(out.status.success(), "python: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("python writes UTF-8")
}

/// The numbers `n` of the events in a destination, as others read them; `None` where it does not exist.
pub fn read_back(kind: &str, path: &Path, format: TextFormat) -> Option<Vec<u64>> {
    if !path.exists() {
        return None;
    }
    let program = match (kind, format) {
        ("sqlite", _) => {
            "import sqlite3,sys\n\
             c=sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True)\n\
             if not c.execute(\"select 1 from sqlite_master where name='trx'\").fetchone(): print('none')\n\
             else:\n  for r in c.execute('select n from trx order by rowid'): print(r[0])"
        }
        ("file", TextFormat::Jsonl) => {
            "import json,sys\nfor l in open(sys.argv[1],newline='\\n'): print(json.loads(l)['n'])"
        }
        ("file", TextFormat::Csv) => {
            "import csv,sys\n\
             for r in csv.DictReader(open(sys.argv[1],newline='')): print(int(r['n']))"
        }
        _ => panic!("add a reader for the kind {kind} here: the conformance suite needs one"),
    };
    let out = python(program, &[path.to_str().expect("a path in UTF-8")]);
    if out.trim() == "none" {
        return None;
    }
    Some(out.lines().map(|l| l.parse().unwrap_or_else(|_| panic!("not a number: {l}"))).collect())
}
