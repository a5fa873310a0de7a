//! Rows a second of the `sqlite` sink beside a bare loop over a prepared statement in one transaction,
//! and what the journal mode is worth.
//!
//! ```text
//! cargo run --release -p doge-datagen --example sqlite_rows -- 1000000
//! ```
//!
//! Each pair is run several times in turn; the ratio is that of the best times.

use doge_core::batch::{Cell, Column, EventBatch, IdMap, Layout, Position, SITE_BITS, Site};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::{Base, Ty};
use doge_datagen::format::Format;
use doge_datagen::sink::{Chunk, Context, IfExists, KINDS, Make, Opening, Payload, Settings};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const START: i64 = 1_644_549_708_000;
const CHUNK: u64 = 16_384;

/// The `balance` event of the banking model: a timestamp and two ints.
fn layout() -> Arc<Layout> {
    let columns = [
        ("timestamp", Base::Timestamp, Cell::Time),
        ("user_id", Base::Int, Cell::Id),
        ("balance", Base::Int, Cell::Slot(0)),
    ];
    let column = |c: &(&str, Base, Cell)| Column { cell: c.2.clone(), ty: Ty::of(c.1) };
    Arc::new(Layout {
        events: vec![Event {
            name: "balance".into(),
            fields: columns.iter().enumerate().map(|(i, c)| Field::Leaf(c.0.into(), i)).collect(),
            leaves: columns.iter().map(|c| Leaf { column: c.0.into(), ty: Ty::of(c.1) }).collect(),
            headers: Vec::new(),
            key: Ty::of(Base::String),
            schema: Vec::new(),
            emitted: true,
        }],
        selected: vec![true],
        sites: vec![Site {
            event: 0,
            population: 0,
            transition: (0, 0),
            pos: 0,
            slots: vec![Ty::of(Base::Int)],
            slot_words: 1,
            strings: Vec::new(),
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

fn clean(path: &Path) {
    for end in ["", "-journal", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

/// The loop that everybody would write first, with texts that are there already: what SQLite can do.
fn bare(path: &Path, rows: u64, journal: &str, commit: u64, texts: &[String]) -> f64 {
    clean(path);
    let start = Instant::now();
    let c = Connection::open(path).unwrap();
    c.query_row(&format!("PRAGMA journal_mode = {journal}"), [], |_| Ok(())).unwrap();
    c.execute_batch(
        "CREATE TABLE balance (timestamp TEXT, user_id INTEGER, balance INTEGER); BEGIN",
    )
    .unwrap();
    {
        let mut insert = c
            .prepare("INSERT INTO balance (timestamp, user_id, balance) VALUES (?, ?, ?)")
            .unwrap();
        for n in 0..rows {
            let text = &texts[(n / 10) as usize];
            insert
                .execute(rusqlite::params![text, (n % 1_000_000) as i64, (n * 7 % 2000) as i64])
                .unwrap();
            if (n + 1) % commit == 0 {
                c.execute_batch("COMMIT; BEGIN").unwrap();
            }
        }
    }
    c.execute_batch("COMMIT").unwrap();
    drop(c);
    start.elapsed().as_secs_f64()
}

/// The sink, from batches that are made beforehand.
fn sink(path: &Path, chunks: &[Chunk], commit: u64) -> f64 {
    clean(path);
    let layout = layout();
    let start = Instant::now();
    let mut settings = Settings::default();
    settings.texts.insert("path".into(), path.display().to_string());
    settings.texts.insert("table".into(), "balance".into());
    let kind = KINDS.iter().find(|k| k.name == "sqlite").unwrap();
    let Make::Now(make) = kind.make else { panic!("this build has no sqlite") };
    let mut shared = BTreeMap::new();
    let event = Some(&layout.events[0]);
    let mut context = Context {
        if_exists: IfExists::Error,
        format: Format::Jsonl,
        events: &[],
        shard: (1, 1),
        commit: Default::default(),
        folder: std::path::Path::new(""),
        event,
        shared: &mut shared,
    };
    let mut sink = make(&settings, &mut context).unwrap().sink;
    sink.open(&Opening::default()).unwrap();
    let mut since = 0;
    for chunk in chunks {
        sink.write(chunk).unwrap();
        since += chunk.events;
        if since >= commit {
            sink.commit(chunk.last).unwrap();
            since = 0;
        }
    }
    sink.finish().unwrap();
    start.elapsed().as_secs_f64()
}

fn main() {
    let rows: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().join("rows.db");
    let layout = layout();
    // Texts of the same length as those that the sink makes.
    let texts: Vec<String> = (0..rows.div_ceil(10))
        .map(|i| {
            format!("2022-02-{:02}T{:02}:{:02}:48.000Z", i / 1440 % 28 + 1, i / 60 % 24, i % 60)
        })
        .collect();
    let chunks: Vec<Chunk> = (0..rows)
        .step_by(CHUNK as usize)
        .map(|from| {
            let to = (from + CHUNK).min(rows);
            let mut batch = EventBatch::new(layout.clone());
            for n in from..to {
                batch.push(time(n), &[1 << SITE_BITS, n % 1_000_000, n * 7 % 2000]);
            }
            let n = to - 1;
            let last =
                Position { time_ms: time(n), population: 0, id: n % 1_000_000, seq: 1, pos: 0 };
            Chunk { payload: Payload::Batch(batch), events: to - from, last }
        })
        .collect();
    let rate = |s: f64| rows as f64 / s / 1000.0;
    let (mut bare_best, mut sink_best) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        bare_best = bare_best.min(bare(&path, rows, "DELETE", u64::MAX, &texts));
        sink_best = sink_best.min(sink(&path, &chunks, u64::MAX));
    }
    println!("{rows} rows, one transaction");
    println!("  bare loop   {:7.0} thousand rows/s", rate(bare_best));
    println!(
        "  sink        {:7.0} thousand rows/s, ratio {:.2}",
        rate(sink_best),
        bare_best / sink_best
    );
    let best = |run: &mut dyn FnMut() -> f64| (0..3).map(|_| run()).fold(f64::INFINITY, f64::min);
    let s = best(&mut || sink(&path, &chunks, 100_000));
    println!("  sink, a commit per 100,000 {:7.0} thousand rows/s", rate(s));
    println!("journal modes, bare loop, a commit per 100,000 rows");
    for journal in ["DELETE", "TRUNCATE", "WAL", "MEMORY"] {
        let s = best(&mut || bare(&path, rows, journal, 100_000, &texts));
        println!("  {journal:9} {:7.0} thousand rows/s", rate(s));
    }
}
