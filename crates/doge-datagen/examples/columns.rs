//! Pulls the events of a model from the engine and turns them into typed columns: what a columnar
//! format, or a program that has the library in it, does. One thread, no sink.
//!
//! ```text
//! cargo run --release -p doge-datagen --example columns -- MODEL [COUNT [TICKS]]
//! ```

use doge_core::batch::EventBatch;
use doge_core::columns::{ColumnData, ColumnReader, Values};
use doge_core::diag::Diagnostics;
use doge_core::engine::{Engine, Program, Selection, Tuning, Worker};
use doge_core::spec::{Length, Overrides};
use std::sync::Arc;
use std::time::Instant;

/// Events that are asked for at a time: enough for the engine's windows, few enough for memory.
const WANTED: u64 = 1 << 18;

/// A number that depends on the last value of a column, so that no column is made for nothing.
fn glance(column: &ColumnData) -> u64 {
    match &column.values {
        Values::Int(v) | Values::Timestamp(v) | Values::Duration(v) => {
            v.last().map_or(0, |v| *v as u64)
        }
        Values::Double(v) => v.last().map_or(0, |v| v.to_bits()),
        Values::Bool(v) => v.last().map_or(0, |v| u64::from(*v)),
        Values::String(v) => v.bytes.len() as u64,
    }
}

/// What is wrong with a model, shortly; `doge check` says it with lines and help.
fn problems(found: Diagnostics) -> String {
    let messages: Vec<String> = found.0.into_iter().map(|d| d.message).collect();
    messages.join("; ")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: columns MODEL [COUNT [TICKS]]")?;
    let text = std::fs::read_to_string(path)?;
    let (mut spec, _) = doge_core::spec::parse(&text, path).map_err(problems)?;
    let number = |at: usize| arguments.get(at).map(|text| text.parse::<u64>()).transpose();
    spec.apply(&Overrides {
        counts: number(1)?.map(|count| (None, count)).into_iter().collect(),
        length: number(2)?.map(Length::Ticks),
        ..Overrides::default()
    })
    .map_err(problems)?;
    let (model, _) = doge_core::compile::compile(&spec).map_err(problems)?;
    let program = Arc::new(Program::new(&model, &Selection::all(&model))?);

    let start = Instant::now();
    let mut engine = Engine::new(program.clone(), Tuning::default());
    let mut worker = Worker::new(&program);
    let mut batch = EventBatch::new(program.layout.clone());
    let mut readers: Vec<_> = (0..model.events.len())
        .filter(|event| model.events[*event].emitted)
        .map(|event| {
            let reader = ColumnReader::new(&program.layout, event);
            let columns = reader.columns();
            (reader, columns)
        })
        .collect();
    let (mut events, mut sum, mut step, mut more) = (0, 0u64, 1u64, true);
    let mut turning = 0.0;
    while more {
        more = engine
            .advance(&mut worker, engine.at().saturating_add(step), &mut batch)
            .map_err(|f| format!("subject {} failed: {}", f.id, f.error))?;
        // As many ticks as give the events wanted, known from the last step.
        let factor = (WANTED as f64 / batch.len().max(1) as f64).clamp(0.25, 4.0);
        step = ((step as f64 * factor) as u64).max(1);
        events += batch.len();
        let begun = Instant::now();
        for (reader, columns) in &mut readers {
            columns.clear();
            reader.append(&batch, columns);
            sum = columns.fields.iter().map(glance).fold(sum, u64::wrapping_add);
        }
        turning += begun.elapsed().as_secs_f64();
        batch.clear();
    }
    let seconds = start.elapsed().as_secs_f64();
    let ns = |seconds: f64| seconds * 1e9 / events.max(1) as f64;
    println!(
        "events={events} seconds={seconds:.3} ns_per_event={:.1} of_it_columns={:.1} checksum={sum}",
        ns(seconds),
        ns(turning)
    );
    Ok(())
}
