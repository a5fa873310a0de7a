//! What a message costs: the events of a model as JSON, Avro and Protobuf, on one thread, without a
//! destination. Generating them is not counted.
//!
//! ```text
//! cargo run --release -p doge-datagen --example messages -- MODEL [ROUNDS]
//! ```

use doge_core::batch::EventBatch;
use doge_core::diag::Diagnostics;
use doge_core::engine::{Engine, Program, Selection, Tuning, Worker};
use doge_datagen::format::{KeyFormat, MessageSpec, Messages, ValueFormat};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Events that are measured.
const EVENTS: u64 = 1 << 18;
/// Messages that are made at a time, as in a run.
const MOST: usize = 4096;

/// What is wrong with a model, shortly; `doge check` says it with lines and help.
fn problems(found: Diagnostics) -> String {
    let messages: Vec<String> = found.0.into_iter().map(|d| d.message).collect();
    messages.join("; ")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: messages MODEL [ROUNDS]")?;
    let rounds: u32 = arguments.get(1).map(|text| text.parse()).transpose()?.unwrap_or(9);
    let text = std::fs::read_to_string(path)?;
    let (spec, _) = doge_core::spec::parse(&text, path).map_err(problems)?;
    let (model, _) = doge_core::compile::compile(&spec).map_err(problems)?;
    let program = Arc::new(Program::new(&model, &Selection::all(&model))?);
    let mut engine = Engine::new(program.clone(), Tuning::default());
    let mut worker = Worker::new(&program);
    let mut batch = EventBatch::new(program.layout.clone());
    // One tick after the other, so that a dense model ends early.
    while batch.len() < EVENTS
        && engine
            .advance(&mut worker, engine.at() + 1, &mut batch)
            .map_err(|f| format!("subject {} failed: {}", f.id, f.error))?
    {}
    let layout = &program.layout;
    let marks = vec![true; layout.events.len()];
    let events: Vec<_> = layout.events.iter().enumerate().filter(|(_, e)| e.emitted).collect();
    for value in [ValueFormat::Json, ValueFormat::Avro, ValueFormat::Protobuf] {
        let spec = MessageSpec::new(value, KeyFormat::String, "", &events, Path::new(""));
        let encoder = spec.map_err(|all| all.join("; "))?.encoder(layout, &marks);
        let encoder = encoder.map_err(|all| all.join("; "))?;
        let (mut state, mut out) = (encoder.state(), Messages::default());
        let (mut best, mut bytes) = (f64::MAX, 0);
        for _ in 0..rounds {
            bytes = 0;
            let begun = Instant::now();
            for mut run in batch.runs() {
                while !run.words.is_empty() {
                    let left = MOST - out.list.len();
                    let made = encoder.encode(&mut *state, layout, run, &mut out, left);
                    if let Some(error) = made.error {
                        return Err(error.into());
                    }
                    run.words = made.rest;
                    if out.list.len() == MOST {
                        bytes += out.bytes.len();
                        out.clear();
                    }
                }
            }
            bytes += out.bytes.len();
            out.clear();
            best = best.min(begun.elapsed().as_secs_f64());
        }
        println!(
            "{:9} {:6.1} ns and {:.1} bytes an event ({} events, best of {rounds})",
            value.name(),
            best * 1e9 / batch.len() as f64,
            bytes as f64 / batch.len() as f64,
            batch.len()
        );
    }
    Ok(())
}
