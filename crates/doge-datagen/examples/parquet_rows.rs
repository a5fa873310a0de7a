//! Rows a second of a Parquet file of the `file` sink, beside `arrow`'s own writer that is fed from
//! memory with the same columns, row groups and compression.
//!
//! ```text
//! cargo run --release -p doge-datagen --features parquet --example parquet_rows -- 4000000
//! ```
//!
//! The pair is run several times in turn; the ratio is that of the best times. Both files must be equal
//! to the byte.

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field as ArrowField, Schema, TimeUnit};
use doge_core::batch::{Cell, Column, EventBatch, IdMap, Layout, Position, SITE_BITS, Site};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::{Base, Ty, Value};
use doge_datagen::format::Format;
use doge_datagen::sink::{Chunk, Context, IfExists, KINDS, Make, Opening, Payload, Settings};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const START: i64 = 1_644_549_708_000;
/// Records of a chunk, as a run makes them.
const CHUNK: u64 = 4_096;
/// Rows of the sink's blocks and row groups.
const BLOCK: u64 = 1 << 16;
const GROUP: u64 = 1 << 20;

/// A transaction: a timestamp, three ints, a double, a constant text and a text of its own.
fn layout() -> Arc<Layout> {
    let trigger = Value::String("spending".into());
    let columns = [
        ("timestamp", Base::Timestamp, Cell::Time),
        ("user_id", Base::Int, Cell::Id),
        ("amount", Base::Int, Cell::Slot(0)),
        ("balance", Base::Int, Cell::Slot(1)),
        ("score", Base::Double, Cell::Slot(2)),
        ("trigger", Base::String, Cell::Const(trigger)),
        ("note", Base::String, Cell::Slot(3)),
    ];
    let column = |c: &(&str, Base, Cell)| Column { cell: c.2.clone(), ty: Ty::of(c.1) };
    Arc::new(Layout {
        events: vec![Event {
            name: "trx".into(),
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
            slots: vec![
                Ty::of(Base::Int),
                Ty::of(Base::Int),
                Ty::of(Base::Double),
                Ty::of(Base::String),
            ],
            slot_words: 4,
            strings: vec![3],
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

/// Bits that look drawn.
fn bits(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn time(n: u64) -> i64 {
    START + (n / 10) as i64 * 1_000
}

fn id(n: u64) -> u64 {
    bits(n) % 1_000_000
}

fn amount(n: u64) -> i64 {
    10 + (bits(n) >> 20) as i64 % 90
}

fn balance(n: u64) -> i64 {
    (bits(n) >> 30) as i64 % 10_000
}

fn score(n: u64) -> f64 {
    (bits(n) >> 11) as f64 / (1u64 << 53) as f64
}

/// Twelve bytes, ever others.
fn note(n: u64) -> String {
    format!("note {:07}", bits(n) % 10_000_000)
}

fn chunks(layout: &Arc<Layout>, rows: u64) -> Vec<Chunk> {
    let one = |from: u64| {
        let to = (from + CHUNK).min(rows);
        let mut batch = EventBatch::new(layout.clone());
        for n in from..to {
            let text = note(n);
            let mut bytes = [0; 16];
            bytes[..12].copy_from_slice(text.as_bytes());
            let word = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().unwrap());
            let record = [
                1 << SITE_BITS,
                id(n),
                amount(n) as u64,
                balance(n) as u64,
                score(n).to_bits(),
                12,
                word(0),
                word(8),
            ];
            batch.push(time(n), &record);
        }
        let n = to - 1;
        let last = Position { time_ms: time(n), population: 0, id: id(n), seq: 1, pos: 0 };
        Chunk { payload: Payload::Batch(batch), events: to - from, last }
    };
    (0..rows).step_by(CHUNK as usize).map(one).collect()
}

fn batches(rows: u64) -> Vec<RecordBatch> {
    let field = |name: &str, ty| ArrowField::new(name, ty, false);
    let schema = Arc::new(Schema::new(vec![
        field("timestamp", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))),
        field("user_id", DataType::Int64),
        field("amount", DataType::Int64),
        field("balance", DataType::Int64),
        field("score", DataType::Float64),
        field("trigger", DataType::Utf8),
        field("note", DataType::Utf8),
    ]));
    let one = |from: u64| {
        let all = || from..(from + BLOCK).min(rows);
        let ints = |f: &dyn Fn(u64) -> i64| Arc::new(all().map(f).collect::<Int64Array>());
        let times = TimestampMillisecondArray::from_iter_values(all().map(time));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(times.with_timezone("UTC")),
            ints(&|n| id(n) as i64),
            ints(&amount),
            ints(&balance),
            Arc::new(all().map(score).collect::<Float64Array>()),
            Arc::new(StringArray::from_iter_values(all().map(|_| "spending"))),
            Arc::new(StringArray::from_iter_values(all().map(note))),
        ];
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    };
    (0..rows).step_by(BLOCK as usize).map(one).collect()
}

fn bare(path: &Path, batches: &[RecordBatch]) -> f64 {
    let _ = std::fs::remove_file(path);
    let start = Instant::now();
    let file = File::create(path).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP as usize))
        .build();
    let mut writer = ArrowWriter::try_new(&file, batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
    file.sync_all().unwrap();
    start.elapsed().as_secs_f64()
}

fn sink(path: &Path, layout: &Layout, chunks: &[Chunk]) -> f64 {
    let _ = std::fs::remove_file(path);
    let start = Instant::now();
    let mut settings = Settings::default();
    settings.texts.insert("path".into(), path.display().to_string());
    let kind = KINDS.iter().find(|k| k.name == "file").unwrap();
    let Make::Now(make) = kind.make else { panic!("this build has no files") };
    let mut shared = BTreeMap::new();
    let mut context = Context {
        if_exists: IfExists::Error,
        format: Format::Parquet,
        event: Some(&layout.events[0]),
        events: &[(0, &layout.events[0])],
        shard: (1, 1),
        commit: Default::default(),
        folder: Path::new(""),
        shared: &mut shared,
    };
    let mut sink = make(&settings, &mut context).unwrap().sink;
    sink.open(&Opening::default()).unwrap();
    for chunk in chunks {
        sink.write(chunk).unwrap();
    }
    sink.finish().unwrap();
    start.elapsed().as_secs_f64()
}

fn main() {
    let rows: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(4_000_000);
    let folder = tempfile::tempdir_in(".").unwrap();
    let (ours, theirs) = (folder.path().join("sink.parquet"), folder.path().join("bare.parquet"));
    let layout = layout();
    let (chunks, batches) = (chunks(&layout, rows), batches(rows));
    let (mut bare_best, mut sink_best) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        bare_best = bare_best.min(bare(&theirs, &batches));
        sink_best = sink_best.min(sink(&ours, &layout, &chunks));
    }
    let bytes = std::fs::read(&ours).unwrap();
    assert!(bytes == std::fs::read(&theirs).unwrap(), "the files differ");
    let rate = |s: f64| rows as f64 / s / 1000.0;
    println!("{rows} rows, {} MB, zstd, row groups of {GROUP}", bytes.len() / 1_000_000);
    println!("  arrow's writer, from memory {:7.0} thousand rows/s", rate(bare_best));
    println!(
        "  the sink                    {:7.0} thousand rows/s, ratio {:.2}",
        rate(sink_best),
        bare_best / sink_best
    );
}
