//! Columnar and compressed files as others read them: pyarrow, DuckDB, polars and fastavro find every
//! value exactly as the model made it. They live in an environment of Python's that the test makes once,
//! under `target`.

use super::support::*;
use doge_core::batch::{CONST_TAG, Cell, Column, EventBatch, IdMap, Layout, SITE_BITS, Site};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::{Base, Ty, Value};
use doge_datagen::format::Format;
use doge_datagen::sink::{Chunk, Context, IfExists, Make, Payload, Settings};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

const PACKAGES: [&str; 6] = [
    "pyarrow==26.0.1",
    "duckdb==2.0.1",
    "polars==2.1.0",
    "fastavro==1.13.1",
    "zstandard==0.25.0",
    "backports.zstd==1.8.0",
];

/// The Python that has the readers; `None`, with a word about it, where they cannot be had.
fn readers() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(|| {
        let target = std::env::current_exe().unwrap();
        let target = target.ancestors().find(|p| p.ends_with("deps")).unwrap();
        let folder = target.join("../../readers-venv");
        let python = folder.join("bin/python");
        let quiet = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
        };
        let imports = "import pyarrow,duckdb,polars,fastavro,zstandard,backports.zstd";
        let works = |python: &Path| quiet(Command::new(python).args(["-c", imports]));
        if !works(&python) {
            let made = quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder))
                && quiet(Command::new(&python).args(["-m", "pip", "install"]).args(PACKAGES));
            if !made || !works(&python) {
                let what = format!("cannot install {}", PACKAGES.join(", "));
                assert_ne!(std::env::var("DOGE_TEST_SERVERS").as_deref(), Ok("required"), "{what}");
                eprintln!(
                    "NOT RUN: what pyarrow, DuckDB, polars and fastavro read; {what} with \
                     `python3 -m venv` and pip (is there a network?)"
                );
                return None;
            }
        }
        Some(python)
    })
    .as_deref()
}

fn ty(base: Base, nullable: bool) -> Ty {
    Ty { base, nullable }
}

/// A row of hard values; the others are the plain ones that [`row`] makes.
#[derive(Clone, Copy)]
struct Row {
    int: Option<i64>,
    double: Option<f64>,
    bool: Option<bool>,
    text: Option<&'static str>,
    repeat: usize,
    time: Option<i64>,
    wait: Option<i64>,
}

/// The years 1 and 9999, first and last millisecond.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;

const ROWS: &[Row] = &[
    Row {
        int: Some(i64::MIN),
        double: Some(f64::MIN),
        bool: Some(true),
        text: Some(""),
        repeat: 1,
        time: Some(FIRST_MS),
        wait: Some(i64::MIN + 1),
    },
    Row {
        int: Some(i64::MAX),
        double: Some(5e-324),
        bool: Some(false),
        text: Some("🙂 ü \u{0}\n\"\\"),
        repeat: 1,
        time: Some(LAST_MS),
        wait: Some(i64::MAX),
    },
    Row { int: None, double: None, bool: None, text: None, repeat: 1, time: None, wait: None },
    Row {
        int: Some(0),
        double: Some(-0.0),
        bool: Some(true),
        text: Some("x"),
        repeat: 1 << 20,
        time: Some(0),
        wait: Some(0),
    },
    Row {
        int: Some(-1),
        double: Some(0.1),
        bool: Some(false),
        text: Some("plain"),
        repeat: 1,
        time: Some(-1),
        wait: Some(-1),
    },
];

/// Rows of the file: enough for two blocks.
const COUNT: u64 = 70_000;

/// An event with a nullable field of every type, one of them deep in records, and a key.
fn hard_layout(extra: usize) -> Arc<Layout> {
    let bases =
        [Base::Int, Base::Double, Base::Bool, Base::String, Base::Timestamp, Base::Duration];
    let names = ["i", "d", "b", "s", "t", "w"];
    let mut fields = vec![Field::Leaf("n".into(), 0)];
    let mut leaves = vec![Leaf { column: "n".into(), ty: ty(Base::Int, false) }];
    let mut columns = vec![Column { cell: Cell::Slot(0), ty: ty(Base::Int, false) }];
    let mut slots = vec![ty(Base::Int, false)];
    let mut word = 1;
    let mut strings = Vec::new();
    for (name, base) in names.iter().zip(bases) {
        let ty = ty(base, true);
        let leaf = leaves.len();
        fields.push(match *name {
            "s" => Field::Record(
                "deep".into(),
                vec![Field::Record("er".into(), vec![Field::Leaf("s".into(), leaf)])],
            ),
            name => Field::Leaf(name.into(), leaf),
        });
        let column = if *name == "s" { "deep_er_s".into() } else { (*name).to_owned() };
        leaves.push(Leaf { column, ty });
        columns.push(Column { cell: Cell::Slot(word), ty });
        if base == Base::String {
            strings.push(word);
        }
        slots.push(ty);
        word += 2;
    }
    for i in 0..extra {
        let (name, cell) = (format!("c{i}"), Cell::Const(Value::Int(i as i64)));
        fields.push(Field::Leaf(name.clone(), leaves.len()));
        leaves.push(Leaf { column: name, ty: ty(Base::Int, false) });
        columns.push(Column { cell, ty: ty(Base::Int, false) });
    }
    let event = Event {
        name: "hard".into(),
        fields,
        leaves,
        emitted: true,
        ..super::support::layout().events[0].clone()
    };
    let site = Site {
        slots,
        slot_words: word as usize,
        strings,
        fields: columns,
        ..super::support::layout().sites[0].clone()
    };
    Arc::new(Layout {
        events: vec![event],
        selected: vec![true],
        sites: vec![site],
        populations: vec!["user".into()],
        names: vec![vec![("s".into(), vec!["t".into()])]],
        ids: vec![IdMap::range(0, 1 << 30)],
        constants: vec!["plain".into()],
    })
}

fn hard_batch(layout: &Arc<Layout>, from: u64, to: u64) -> EventBatch {
    let mut batch = EventBatch::new(layout.clone());
    for n in from..to {
        let row = ROWS[if n < ROWS.len() as u64 { n as usize } else { 2 + 2 * (n % 2) as usize }];
        let mut record = vec![(n + 1) << SITE_BITS, n, n];
        let mut put =
            |word: Option<u64>| record.extend([word.unwrap_or(0), u64::from(word.is_none())]);
        put(row.int.map(|v| v as u64));
        put(row.double.map(f64::to_bits));
        put(row.bool.map(u64::from));
        let text = row.text.map(|t| t.repeat(row.repeat));
        put(text.as_ref().map(|t| if t == "plain" { CONST_TAG } else { t.len() as u64 }));
        put(row.time.map(|v| v as u64));
        put(row.wait.map(|v| v as u64));
        if let Some(text) = text.filter(|t| t != "plain") {
            let mut bytes = text.into_bytes();
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            record.extend(bytes.chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())));
        }
        batch.push(time_of(n), &record);
    }
    batch
}

/// What the file must hold, for Python: milliseconds as ints, `deep` as a record.
const EXPECT: &str = r#"
import sys, struct
path = sys.argv[1]
N = 70000
rows = [
    (-2**63, -1.7976931348623157e308, True, '', -62135596800000, -2**63 + 1),
    (2**63 - 1, 5e-324, False, '🙂 ü \x00\n"\\', 253402300799999, 2**63 - 1),
    (None, None, None, None, None, None),
    (0, -0.0, True, 'x' * 2**20, 0, 0),
    (-1, 0.1, False, 'plain', -1, -1),
]
expect = rows + [rows[2 + 2 * (n % 2)] for n in range(len(rows), N)]
bits = lambda d: None if d is None else struct.pack('d', d)
def check(who, n, i, d, b, s, t, w):
    assert list(n) == list(range(N)), who
    for k, column in enumerate([i, d, b, s, t, w]):
        column = list(column)
        assert len(column) == N, (who, k, len(column))
        for r, (got, want) in enumerate(zip(column, expect)):
            want = want[k]
            same = bits(got) == bits(want) if k == 1 else got == want and type(got) == type(want)
            assert same, (who, 'column', k, 'row', r, str(got)[:60], str(want)[:60])
    print(who, 'ok')
"#;

const PYARROW: &str = r#"
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather, pyarrow.ipc, pyarrow.compute as pc
table = pq.read_table(path) if path.endswith('.parquet') else pa.ipc.open_file(path).read_all()
schema = table.schema
assert schema.field('n').type == pa.int64() and not schema.field('n').nullable
assert schema.field('t').type == pa.timestamp('ms', 'UTC') and schema.field('t').nullable
assert schema.field('w').type == pa.duration('ms'), schema.field('w')
assert schema.field('deep').type.field('er').type.field('s').type == pa.string()
ints = lambda name: table[name].cast(pa.int64()).to_pylist()
s = pc.struct_field(table['deep'], ['er', 's']).to_pylist()
check('pyarrow', ints('n'), ints('i'), table['d'].to_pylist(), table['b'].to_pylist(), s, ints('t'), ints('w'))
"#;

const POLARS: &str = r#"
import polars as pl
frame = pl.read_parquet(path) if path.endswith('.parquet') else pl.read_ipc(path)
assert frame.schema['t'] == pl.Datetime('ms', 'UTC'), frame.schema
ints = lambda name: frame[name].cast(pl.Int64).to_list()
s = frame['deep'].struct.field('er').struct.field('s').to_list()
print('polars: a duration is', frame.schema['w'])
check('polars', ints('n'), ints('i'), frame['d'].to_list(), frame['b'].to_list(), s, ints('t'), ints('w'))
"#;

const DUCKDB: &str = r#"
import duckdb
got = duckdb.sql("select n, i, d, b, deep.er.s, epoch_ms(t), w from read_parquet('%s') order by n" % path).fetchall()
print('duckdb: a duration is', duckdb.sql("select typeof(w) from read_parquet('%s')" % path).fetchall()[0])
check('duckdb', *zip(*got))
"#;

const FASTAVRO: &str = r#"
import fastavro
def ms(text):
    if text is None: return None
    number, part = text.rstrip('s').split('.') if '.' in text else (text.rstrip('s'), '000')
    return (int(number + part))
schema = None
with open(path, 'rb') as f:
    reader = fastavro.reader(f)
    schema = reader.writer_schema
    types = {field['name']: field['type'] for field in schema['fields']}
    assert types['t'] == ['null', {'type': 'long', 'logicalType': 'timestamp-millis'}], types
with open(path, 'rb') as f:
    got = list(fastavro.reader(f))
from datetime import datetime, timedelta, timezone
epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
def instant(t): return None if t is None else (t - epoch) // timedelta(milliseconds=1)
col = lambda name: [r[name] for r in got]
s = [r['deep']['er']['s'] for r in got]
check('fastavro', col('n'), col('i'), col('d'), col('b'), s, [instant(t) for t in col('t')], [ms(w) for w in col('w')])
"#;

fn write(layout: &Arc<Layout>, path: &Path, format: Format, compression: &str, count: u64) {
    let mut settings = Settings::default();
    settings.texts.insert("path".into(), path.to_str().unwrap().into());
    if !compression.is_empty() {
        settings.texts.insert("compression".into(), compression.into());
    }
    let Make::Now(make) = kind("file").make else { panic!("file is made") };
    let mut shared = Shared::new();
    let mut context = Context {
        if_exists: IfExists::Error,
        format,
        event: Some(&layout.events[0]),
        events: &[(0, &layout.events[0])],
        shard: (1, 1),
        commit: Default::default(),
        folder: Path::new(""),
        shared: &mut shared,
    };
    let mut sink = make(&settings, &mut context).expect("it can be made").sink;
    sink.open(&opening(doge_datagen::format::TextFormat::Jsonl)).unwrap();
    for from in (0..count).step_by(4096) {
        let to = (from + 4096).min(count);
        let payload = Payload::Batch(hard_batch(layout, from, to));
        sink.write(&Chunk { payload, events: to - from, last: position(to - 1) }).unwrap();
    }
    sink.finish().unwrap();
}

fn read(python: &Path, program: &str, path: &Path) -> String {
    let program = format!("{EXPECT}{program}");
    let out = Command::new(python).arg("-c").arg(program).arg(path).output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}: {error}", path.display());
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn others_read_every_value_exactly() {
    let Some(python) = readers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = hard_layout(0);
    let files: &[(Format, &str, &[&str])] = &[
        (Format::Parquet, "", &[PYARROW, POLARS, DUCKDB]),
        (Format::Parquet, "none", &[PYARROW]),
        (Format::Parquet, "snappy", &[PYARROW, DUCKDB]),
        (Format::Parquet, "gzip", &[POLARS, DUCKDB]),
        (Format::Arrow, "", &[PYARROW, POLARS]),
        #[cfg(feature = "avro")]
        (Format::Avro, "", &[FASTAVRO]),
        #[cfg(feature = "avro")]
        (Format::Avro, "gzip", &[FASTAVRO]),
        #[cfg(feature = "avro")]
        (Format::Avro, "zstd", &[FASTAVRO]),
    ];
    for (format, compression, programs) in files {
        let path = folder.path().join(format!("{compression}.{}", format.name()));
        write(&layout, &path, *format, compression, COUNT);
        for program in *programs {
            let said = read(python, program, &path);
            eprint!("{} {compression}: {said}", format.name());
            assert!(said.trim_end().ends_with(" ok"), "{said}");
        }
    }
}

#[test]
fn three_hundred_columns() {
    let Some(python) = readers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = hard_layout(300);
    let program = "
import pyarrow as pa, pyarrow.parquet as pq
table = pq.read_table(path) if path.endswith('.parquet') else pa.ipc.open_file(path).read_all()
assert table.num_columns == 307 and table.num_rows == 9000
for i in range(300): assert set(table['c%d' % i].to_pylist()) == {i}
print('ok')";
    for format in [Format::Parquet, Format::Arrow] {
        let path = folder.path().join(format!("wide.{}", format.name()));
        write(&layout, &path, format, "", 9_000);
        assert_eq!(read(python, program, &path).trim(), "ok");
    }
}

/// Chains of gzip members and zstd frames are one text to others too.
#[test]
fn others_read_compressed_text() {
    use doge_datagen::format::TextFormat;
    let Some(python) = readers() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Some blocks of 4 MiB.
    let events = 600_000;
    let text = |n: u64| format!("{{\"n\":{n},\"name\":\"x\\ny\"}}\n");
    for ending in ["gz", "zst"] {
        let path = folder.path().join(format!("x.jsonl.{ending}"));
        let texts = [("path", path.to_str().unwrap())];
        let mut sink =
            make(kind("file"), &texts, IfExists::Error, Format::Jsonl, &mut Shared::new());
        sink.open(&opening(TextFormat::Jsonl)).unwrap();
        for from in (0..events).step_by(10_000) {
            let bytes: Vec<u8> = (from..from + 10_000).flat_map(|n| text(n).into_bytes()).collect();
            let payload = Payload::Bytes(bytes.into());
            sink.write(&Chunk { payload, events: 10_000, last: position(from + 9_999) }).unwrap();
        }
        sink.finish().unwrap();
        let program = format!(
            "
import duckdb, pyarrow.json, polars, zstandard, gzip, io
N = {events}
assert duckdb.sql(\"select count(*), sum(n) from read_json('%s')\" % path).fetchall()[0] == (N, N * (N - 1) // 2)
assert polars.read_ndjson(path)['n'].to_list() == list(range(N))
# pyarrow looks at the ending only where it opens the stream.
import pyarrow as pa
codec = 'gzip' if path.endswith('.gz') else 'zstd'
table = pa.json.read_json(pa.CompressedInputStream(open(path, 'rb'), codec))
assert table['n'].to_pylist() == list(range(N))
if codec == 'gzip': lines = gzip.open(path)
else: lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(open(path, 'rb'), read_across_frames=True))
assert sum(1 for _ in lines) == N
print('ok')"
        );
        assert_eq!(read(python, &program, &path).trim(), "ok", "{ending}");
    }
}
