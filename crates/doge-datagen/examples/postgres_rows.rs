//! Rows a second of the `postgres` sink beside `psql \copy` of the same rows from a prepared file.
//!
//! ```text
//! eval "$(cargo xtask services env)"
//! cargo run --release -p doge-datagen --features postgres --example postgres_rows -- 2000000
//! ```
//!
//! `DOGE_TEST_POSTGRES` is the address. The pairs are run in turn; the ratio is that of the best times. The
//! sink commits every 100,000 rows with its note, `\copy` once.

use doge_core::batch::{Cell, Column, EventBatch, IdMap, Layout, Position, SITE_BITS, Site};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::{Base, Ty};
use doge_datagen::format::Format;
use doge_datagen::sink::{Chunk, Context, IfExists, KINDS, Make, Opening, Payload, Settings};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const START: i64 = 1_644_549_708_000;
/// As many as a run gives at once.
const CHUNK: u64 = 4096;
const COMMIT: u64 = 100_000;
const TABLE: &str = "doge_rows";

/// A transaction: a timestamp, two ints, a double and a text.
fn layout() -> Arc<Layout> {
    let columns = [
        ("timestamp", Base::Timestamp, Cell::Time),
        ("user_id", Base::Int, Cell::Id),
        ("balance", Base::Int, Cell::Slot(0)),
        ("amount", Base::Double, Cell::Slot(1)),
        ("event", Base::String, Cell::Slot(2)),
    ];
    let column = |c: &(&str, Base, Cell)| Column { cell: c.2.clone(), ty: Ty::of(c.1) };
    Arc::new(Layout {
        events: vec![Event {
            name: "trx".into(),
            fields: columns.iter().enumerate().map(|(i, c)| Field::Leaf(c.0.into(), i)).collect(),
            leaves: columns.iter().map(|c| Leaf { column: c.0.into(), ty: Ty::of(c.1) }).collect(),
            headers: Vec::new(),
            key: Ty::of(Base::String),
            emitted: true,
            schema: Vec::new(),
        }],
        selected: vec![true],
        sites: vec![Site {
            event: 0,
            population: 0,
            transition: (0, 0),
            pos: 0,
            slots: vec![Ty::of(Base::Int), Ty::of(Base::Double), Ty::of(Base::String)],
            slot_words: 3,
            strings: vec![2],
            fields: columns.iter().map(column).collect(),
            key: Column { cell: Cell::IdText, ty: Ty::of(Base::String) },
            time: Column { cell: Cell::Time, ty: Ty::of(Base::Timestamp) },
            headers: Vec::new(),
        }],
        populations: vec!["user".into()],
        names: vec![vec![("s".into(), vec!["t".into()])]],
        ids: vec![IdMap::range(0, 1 << 30)],
        constants: Vec::new(),
    })
}

fn time(n: u64) -> i64 {
    START + (n / 10) as i64 * 60_000
}

/// A chunk of rows, made when it is wanted as in a run, where it does not lie in memory either.
fn chunk(layout: &Arc<Layout>, from: u64, to: u64) -> Chunk {
    let text: [u64; 2] = [u64::from_le_bytes(*b"open_loa"), u64::from_le_bytes(*b"n_screen")];
    let mut batch = EventBatch::new(layout.clone());
    for n in from..to {
        let amount = (n % 100_000) as f64 * 0.01;
        let record =
            [1 << SITE_BITS, n % 1_000_000, n * 7 % 2000, amount.to_bits(), 16, text[0], text[1]];
        batch.push(time(n), &record);
    }
    let n = to - 1;
    let last = Position { time_ms: time(n), population: 0, id: n % 1_000_000, seq: 1, pos: 0 };
    Chunk { payload: Payload::Batch(batch), events: to - from, last }
}

fn psql(url: &str, sql: &str) {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-q", "-d", url, "-c", sql])
        .env("PGOPTIONS", "-c client_min_messages=error");
    let status = command.status();
    assert!(status.expect("psql can be started").success(), "psql: {sql}");
}

/// Fills the table through the sink.
fn sink(url: &str, rows: u64) -> f64 {
    let layout = layout();
    let mut settings = Settings::default();
    settings.texts.insert("url".into(), url.into());
    settings.texts.insert("table".into(), TABLE.into());
    let kind = KINDS.iter().find(|k| k.name == "postgres").expect("this build has postgres");
    let Make::Now(make) = kind.make else { panic!("this build has no postgres") };
    let mut context = Context {
        if_exists: IfExists::Error,
        format: Format::Jsonl,
        events: &[],
        shard: (1, 1),
        commit: Default::default(),
        folder: std::path::Path::new(""),
        event: Some(&layout.events[0]),
        shared: &mut BTreeMap::new(),
    };
    let start = Instant::now();
    let mut sink = make(&settings, &mut context).unwrap().sink;
    sink.open(&Opening::default()).unwrap();
    let mut since = 0;
    for from in (0..rows).step_by(CHUNK as usize) {
        let chunk = chunk(&layout, from, (from + CHUNK).min(rows));
        sink.write(&chunk).unwrap();
        since += chunk.events;
        if since >= COMMIT {
            sink.commit(chunk.last).unwrap();
            since = 0;
        }
    }
    sink.finish().unwrap();
    start.elapsed().as_secs_f64()
}

fn main() {
    let rows: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1_000_000);
    let url = std::env::var("DOGE_TEST_POSTGRES").expect("DOGE_TEST_POSTGRES is the address");
    let folder = tempfile::tempdir().unwrap();
    let file = |format: &str| folder.path().join(format).display().to_string();
    let formats = ["text", "binary"];
    let drop = format!("DROP TABLE IF EXISTS {TABLE}");
    psql(&url, &drop);
    sink(&url, rows);
    for format in formats {
        psql(&url, &format!("\\copy {TABLE} to '{}' (format {format})", file(format)));
    }
    let mut best = [f64::INFINITY; 3];
    let rounds = 5;
    for _ in 0..rounds {
        psql(&url, &drop);
        best[0] = best[0].min(sink(&url, rows));
        for (best, format) in best[1..].iter_mut().zip(formats) {
            psql(&url, &format!("TRUNCATE {TABLE}"));
            let start = Instant::now();
            psql(&url, &format!("\\copy {TABLE} from '{}' (format {format})", file(format)));
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    psql(&url, &format!("{drop}; DELETE FROM _doge_notes WHERE place = '{TABLE}'"));
    println!("{rows} rows, best of {rounds}");
    for (name, best) in ["sink", "\\copy, text", "\\copy, binary"].iter().zip(best) {
        println!("  {name:15} {:7.0} thousand rows/s", rows as f64 / best / 1000.0);
    }
    println!("  ratio to text {:.2}, to binary {:.2}", best[1] / best[0], best[2] / best[0]);
}
