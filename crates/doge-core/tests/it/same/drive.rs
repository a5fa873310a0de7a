//! Drives the engine in every way that must leave no trace, and reads what comes out as an outsider.

use crate::reference::{Outcome, Seen};
use doge_core::batch::{Column, EventBatch, EventRef, IdMap, Layout};
use doge_core::engine::{Engine, Failure, Ordered, Program, Selection, Tuning, Worker};
use doge_core::model::Model;
use std::sync::Arc;

/// How a run is driven.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// By [`Engine::advance`], so many ticks at a time.
    Advance(u64),
    /// As threads do it: this many workers with groups of cells, and what was put off.
    Workers(usize),
}

/// The program of some subjects and events of a model.
pub fn program(model: &Model, ids: Vec<IdMap>, events: Vec<bool>) -> Arc<Program> {
    Arc::new(Program::new(model, &Selection { subjects: ids, events }).unwrap())
}

/// All subjects of a model.
pub fn all_ids(model: &Model) -> Vec<IdMap> {
    model.populations.iter().map(|p| IdMap::range(0, p.count)).collect()
}

/// Runs a program to its end or its first failure.
pub fn run(program: &Arc<Program>, tuning: Tuning, how: How) -> Outcome {
    match how {
        How::Advance(ticks) => advance(program, tuning, ticks),
        How::Workers(n) => workers(program, tuning, n),
    }
}

fn advance(program: &Arc<Program>, tuning: Tuning, ticks: u64) -> Outcome {
    let mut engine = Engine::new(program.clone(), tuning);
    let mut worker = Worker::new(program);
    let mut outcome = Outcome::default();
    let mut until = 0;
    let mut batch = EventBatch::new(program.layout.clone());
    loop {
        until += ticks.max(1);
        batch.clear();
        let more = engine.advance(&mut worker, until, &mut batch);
        assert_eq!(batch.events().count() as u64, batch.len());
        outcome.events.extend(batch.events().map(|e| seen(&e, &program.layout)));
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(failure) => return failed(outcome, &failure),
        }
    }
    counted(outcome, engine.program(), std::slice::from_ref(&worker))
}

fn workers(program: &Arc<Program>, tuning: Tuning, n: usize) -> Outcome {
    let mut engine = Engine::new(program.clone(), tuning);
    let mut workers: Vec<Worker> = (0..n).map(|_| Worker::new(program)).collect();
    for (worker, cells) in workers.iter_mut().zip(engine.all(n)) {
        worker.create(program, cells);
    }
    let mut outcome = Outcome::default();
    let first = |workers: &[Worker]| -> Option<Box<Failure>> {
        workers.iter().filter_map(|w| w.failure.clone()).min_by(|a, b| a.order().cmp(&b.order()))
    };
    if let Some(failure) = first(&workers).filter(|f| f.tick.is_none()) {
        return failed(outcome, &failure);
    }
    let mut attempts = 0;
    while let Some(mut window) = engine.next_window() {
        let limit = engine.limit(n);
        let groups = engine.groups(&window, n);
        let reached: Vec<u64> = workers
            .iter_mut()
            .zip(groups)
            .map(|(w, cells)| w.simulate(program, &window, limit, cells))
            .collect();
        engine.settle(&mut window, &reached, &mut workers);
        let failure = first(&workers).filter(|f| f.is_within(&window));
        let refs: Vec<&Worker> = workers.iter().collect();
        let mut ordered = Ordered::default();
        for bucket in 0..window.buckets() {
            ordered.runs(program, &window, &refs, bucket, &mut |run| {
                let kept = run.events(&program.layout).filter(|e| {
                    failure.as_ref().is_none_or(|f| f.is_after(program, &e.position()))
                });
                outcome.events.extend(kept.map(|e| seen(&e, &program.layout)));
            });
        }
        if let Some(failure) = failure {
            return failed(outcome, &failure);
        }
        let sum: u64 = workers.iter().flat_map(|w| w.attempts.iter().flatten()).sum();
        engine.done(&window, sum - attempts);
        attempts = sum;
    }
    assert!(workers.iter().all(|w| !w.has_later()), "records were put off beyond the end");
    counted(outcome, engine.program(), &workers)
}

fn failed(mut outcome: Outcome, failure: &Failure) -> Outcome {
    outcome.failure = Some((failure.order(), failure.error.to_string()));
    outcome
}

/// Adds the counters, which must agree with the events.
fn counted(mut outcome: Outcome, program: &Program, workers: &[Worker]) -> Outcome {
    let total = |of: fn(&Worker) -> &Vec<Vec<u64>>| {
        let mut sum = of(&workers[0]).clone();
        for w in &workers[1..] {
            sum.iter_mut().flatten().zip(of(w).iter().flatten()).for_each(|(s, n)| *s += n);
        }
        sum
    };
    outcome.attempts = total(|w| &w.attempts);
    outcome.blocked = total(|w| &w.blocked);
    let counts: u64 = workers.iter().flat_map(|w| w.captured(program)).sum();
    assert_eq!(counts, outcome.events.len() as u64, "events captured and events handed out");
    outcome
}

/// An event by its own accessors.
fn seen(event: &EventRef<'_>, layout: &Layout) -> Seen {
    let site = event.site();
    let value = |c: &Column| event.value(c, &mut String::new()).to_owned().into();
    let (state, transition) = site.transition;
    Seen {
        position: event.position(),
        event: layout.events[site.event].name.clone(),
        trigger: layout.names[site.population][state].1[transition].clone(),
        fields: site.fields.iter().map(value).collect(),
        key: value(&site.key),
        time: value(&site.time),
        headers: site.headers.iter().map(value).collect(),
    }
}

/// The events up to a tick of a run that may be much longer.
pub fn until(program: &Arc<Program>, tuning: Tuning, ticks: u64) -> Vec<Seen> {
    let mut engine = Engine::new(program.clone(), tuning);
    let mut worker = Worker::new(program);
    let mut batch = EventBatch::new(program.layout.clone());
    engine.advance(&mut worker, ticks, &mut batch).unwrap();
    batch.events().map(|e| seen(&e, &program.layout)).collect()
}
