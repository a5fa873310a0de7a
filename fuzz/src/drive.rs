//! Drives the engine in ways that must leave no trace, and reads what comes out as an outsider.

use doge_core::batch::{Column, EventBatch, EventRef, Layout, Position};
use doge_core::engine::{Engine, Failure, Ordered, Program, Tuning, Worker};
use doge_core::value::Value;
use std::sync::Arc;

/// An event by its own accessors: its place, its emit site, and key, time, headers and fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its place in the order.
    pub position: Position,
    /// Index of its emit site.
    pub site: usize,
    /// Its values. Doubles by their bits, so that a NaN equals itself.
    pub values: Vec<Same>,
}

/// A value that equals another only if it is the same to the last bit.
#[derive(Clone, Debug, PartialEq)]
pub enum Same {
    /// A double.
    Bits(u64),
    /// Anything else.
    Other(Value),
}

impl From<Value> for Same {
    fn from(v: Value) -> Same {
        match v {
            Value::Double(d) => Same::Bits(d.to_bits()),
            v => Same::Other(v),
        }
    }
}

/// What a run gave: its events, and where and why it failed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Outcome {
    /// In order; where the run fails, those before the failure.
    pub events: Vec<Seen>,
    /// The first failure in event order, with its message.
    pub failure: Option<(Place, String)>,
}

/// Tick (`None`: creation), population, id, attempt, place in the emit list.
pub type Place = (Option<u64>, usize, u64, u64, u32);

/// Runs by [`Engine::advance`], so many ticks at a time.
pub fn advance(program: &Arc<Program>, tuning: Tuning, ticks: u64) -> Outcome {
    let mut engine = Engine::new(program.clone(), tuning);
    let mut worker = Worker::new(program);
    let mut outcome = Outcome::default();
    let mut batch = EventBatch::new(program.layout.clone());
    let mut until = 0u64;
    loop {
        until = until.saturating_add(ticks.max(1));
        batch.clear();
        let more = engine.advance(&mut worker, until, &mut batch);
        outcome.events.extend(batch.events().map(|e| seen(&e, &program.layout)));
        match more {
            Ok(true) => {}
            Ok(false) => return outcome,
            Err(failure) => return failed(outcome, &failure),
        }
    }
}

/// Runs as threads do it: this many workers with groups of cells.
pub fn workers(program: &Arc<Program>, tuning: Tuning, n: usize) -> Outcome {
    let mut engine = Engine::new(program.clone(), tuning);
    let mut workers: Vec<Worker> = (0..n).map(|_| Worker::new(program)).collect();
    for (worker, cells) in workers.iter_mut().zip(engine.all(n)) {
        worker.create(program, cells);
    }
    let mut outcome = Outcome::default();
    let first = |workers: &[Worker]| {
        let failures = workers.iter().filter_map(|w| w.failure.clone());
        failures.min_by(|a, b| a.order().cmp(&b.order()))
    };
    if let Some(failure) = first(&workers).filter(|f| f.tick.is_none()) {
        return failed(outcome, &failure);
    }
    let mut attempts = 0;
    while let Some(mut window) = engine.next_window() {
        let limit = engine.limit(n);
        let groups = engine.groups(&window, n);
        let work = workers.iter_mut().zip(groups);
        let reached: Vec<u64> =
            work.map(|(w, cells)| w.simulate(program, &window, limit, cells)).collect();
        engine.settle(&mut window, &reached, &mut workers);
        let failure = first(&workers).filter(|f| f.is_within(&window));
        let refs: Vec<&Worker> = workers.iter().collect();
        let mut ordered = Ordered::default();
        for bucket in 0..window.buckets() {
            ordered.runs(program, &window, &refs, bucket, &mut |run| {
                let before = |e: &EventRef| {
                    failure.as_ref().is_none_or(|f| f.is_after(program, &e.position()))
                };
                outcome.events.extend(
                    run.events(&program.layout).filter(before).map(|e| seen(&e, &program.layout)),
                );
            });
        }
        if let Some(failure) = failure {
            return failed(outcome, &failure);
        }
        let sum = workers.iter().flat_map(|w| w.attempts.iter().flatten()).sum();
        engine.done(&window, sum - attempts);
        attempts = sum;
    }
    outcome
}

fn failed(mut outcome: Outcome, failure: &Failure) -> Outcome {
    outcome.failure = Some((failure.order(), failure.error.to_string()));
    outcome
}

fn seen(event: &EventRef<'_>, layout: &Layout) -> Seen {
    let site = event.site();
    let value = |c: &Column| event.value(c, &mut String::new()).to_owned().into();
    let columns = [&site.key, &site.time].into_iter().chain(&site.headers).chain(&site.fields);
    assert!(site.event < layout.events.len());
    Seen {
        position: event.position(),
        site: event.site_index(),
        values: columns.map(value).collect(),
    }
}
