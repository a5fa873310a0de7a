//! The loop of a run: window after window, simulated by all threads, then encoded by all threads, then
//! handed to the writers in order.

use super::lanes::{Filler, Lanes, Parcel};
use super::line;
use super::pace::{Pacer, Way};
use crate::destination::{Output, OutputKind};
use crate::report::RunReport;
use crate::sink::Meter;
use crate::sink::SinkError;
use crate::spec::{Counts, Progress, RunSpec};
use doge_core::batch::{Layout, Run, SITE_BITS};
use doge_core::engine::{Cell, Engine, Failure, Ordered, Program, Window, Worker};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A window that takes longer makes the next ones shorter, so that Ctrl-C answers.
const LONGEST_WINDOW: Duration = Duration::from_millis(250);
/// What is generated is given to the sinks at least so often, however little it is.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Tasks for each thread that a window's encoding is cut into.
const TASKS: usize = 8;

/// How the loop ended.
pub enum End {
    /// All events were handed to the writers.
    Done,
    /// The cancel flag was set.
    Cancelled,
    /// An expression failed; all events before it were handed to the writers.
    Failed(Box<Failure>),
}

/// The loop and what it works with.
pub struct Pump {
    engine: Engine,
    program: Arc<Program>,
    workers: Vec<Worker>,
    fillers: Vec<Filler>,
    ordered: Vec<Ordered>,
    lanes: Lanes,
    cancel: Arc<AtomicBool>,
    progress: Option<Arc<Progress>>,
    max_events: Option<u64>,
    /// Events by site that were captured and not handed on, as the run was cut.
    dropped: Vec<u64>,
    /// Where the run was cut: one past the tick of its last event.
    ended: Option<u64>,
    flushed: Instant,
    pacer: Option<Pacer>,
    /// Outputs that only count: their meters, the events that they take, how many there were.
    counting: Vec<(Arc<Meter>, Vec<bool>, u64)>,
}

impl Pump {
    /// A loop at its start.
    pub fn new(
        engine: Engine,
        threads: usize,
        lanes: Lanes,
        outputs: &[Output],
        spec: &RunSpec,
    ) -> Pump {
        let program = engine.program().clone();
        let counting = outputs.iter().filter(|o| o.kind == OutputKind::Nothing);
        Pump {
            pacer: Pacer::of(spec, program.start_ms, program.layout.sites.len()),
            counting: counting.map(|o| (o.meter.clone(), o.events.clone(), 0)).collect(),
            workers: (0..threads).map(|_| Worker::new(&program)).collect(),
            fillers: (0..threads).map(|_| Filler::new(&lanes)).collect(),
            ordered: (0..threads).map(|_| Ordered::default()).collect(),
            dropped: vec![0; program.layout.sites.len()],
            ended: None,
            engine,
            program,
            lanes,
            cancel: spec.cancel.clone().unwrap_or_default(),
            progress: spec.progress.clone(),
            max_events: spec.max_events,
            flushed: Instant::now(),
        }
    }

    /// Runs to the end, or to the first reason to stop. What was handed to the writers is then on its
    /// way; [`Pump::close`] waits for it.
    pub fn run(&mut self) -> End {
        let program = self.program.clone();
        let at = |tick: u64| program.start_ms + tick as i64 * program.tick_ms;
        if let Some(progress) = &self.progress {
            progress.begin(at(0), at(program.ticks), self.max_events);
        }
        let end = self.windows(&program);
        let (lanes, layout) = (&self.lanes, &program.layout);
        self.fillers[0].flush(lanes, layout, &mut |lane, chunk| lanes.deliver(lane, chunk));
        self.show();
        end
    }

    /// Tells those who watch how far the run is.
    fn show(&mut self) {
        let Some(progress) = self.progress.clone() else { return };
        let now = self.program.start_ms + self.engine.at() as i64 * self.program.tick_ms;
        let events = self.events();
        progress.set(events.iter().sum(), now);
        for (meter, taken, before) in &mut self.counting {
            let all: u64 = events.iter().zip(&*taken).filter(|(_, t)| **t).map(|(n, _)| n).sum();
            meter.wrote(all.saturating_sub(*before), now);
            *before = all;
        }
        let layout = &self.program.layout;
        let named = layout.events.iter().zip(&events).zip(&layout.selected).filter(|(_, s)| **s);
        let total = |of: fn(&Worker) -> &Vec<Vec<u64>>| {
            self.workers.iter().flat_map(|w| of(w).iter().flatten()).sum()
        };
        progress.count(Counts {
            events: named.map(|((e, n), _)| (e.name.clone(), *n)).collect(),
            attempts: total(|w| &w.attempts),
            blocked: total(|w| &w.blocked),
        });
    }

    fn windows(&mut self, program: &Arc<Program>) -> End {
        each(self.engine.all(self.workers.len()), &mut self.workers, |worker, cells| {
            worker.create(program, cells)
        });
        if let Some(failure) = self.failure() {
            return End::Failed(failure);
        }
        if self.max_events == Some(0) {
            return End::Done;
        }
        let mut attempts = 0;
        self.show();
        while let Some(mut window) = self.next_window(program) {
            if self.cancel.load(Ordering::Relaxed) {
                return End::Cancelled;
            }
            if self.lanes.failed() {
                return End::Done;
            }
            if let Some(pacer) = &mut self.pacer {
                let at_ms = program.start_ms + window.from as i64 * program.tick_ms;
                let (lanes, layout) = (&self.lanes, &program.layout);
                let mut way = Way { filler: &mut self.fillers[0], lanes, layout };
                if !pacer.before(at_ms, &mut way) {
                    return self.told();
                }
            }
            let begun = Instant::now();
            let limit = self.engine.limit(self.workers.len());
            let reached = each(
                self.engine.groups(&window, self.workers.len()),
                &mut self.workers,
                |worker, cells| worker.simulate(program, &window, limit, cells),
            );
            self.engine.settle(&mut window, &reached, &mut self.workers);
            let failed = self
                .workers
                .iter()
                .any(|w| w.failure.as_ref().is_some_and(|f| f.is_within(&window)));
            let enough =
                self.max_events.is_some_and(|most| self.events().iter().sum::<u64>() >= most);
            if failed || enough {
                let failure = self.failure();
                let cut = self.cut(program, &window, failure.as_deref());
                if self.hold(program, &window) {
                    return self.told();
                }
                if cut {
                    return match failure {
                        Some(failure) if failure.is_within(&window) && !self.is_full() => {
                            End::Failed(failure)
                        }
                        _ => End::Done,
                    };
                }
            } else if self.pacer.is_some() || !self.lanes.only_count() {
                self.encode(program, &window);
                if self.hold(program, &window) {
                    return self.told();
                }
            }
            let sum: u64 = self.workers.iter().flat_map(|w| w.attempts.iter().flatten()).sum();
            self.engine.done(&window, sum - attempts);
            attempts = sum;
            let waited = self.pacer.as_mut().is_some_and(|p| p.after(&window));
            if !waited && begun.elapsed() > LONGEST_WINDOW {
                self.engine.shorten();
            }
            self.show();
        }
        End::Done
    }

    /// The next window; at a pace none that is far ahead.
    fn next_window(&mut self, program: &Program) -> Option<Window> {
        let Some(pacer) = &self.pacer else { return self.engine.next_window() };
        let at_ms = program.start_ms + self.engine.at() as i64 * program.tick_ms;
        let most = pacer.most_ticks(at_ms, program.tick_ms, &self.lanes, &self.fillers[0]);
        self.engine.next_window_within(most)
    }

    /// The end of a run that stopped while events waited.
    fn told(&self) -> End {
        if self.cancel.load(Ordering::Relaxed) { End::Cancelled } else { End::Done }
    }

    /// Whether the run stopped while events of this window waited: those did not leave.
    fn hold(&mut self, program: &Program, window: &Window) -> bool {
        let Some(pacer) = self.pacer.as_ref().filter(|p| p.stopped) else { return false };
        self.dropped.iter_mut().zip(&pacer.held).for_each(|(sum, n)| *sum += n);
        if self.ended.is_none() {
            for record in self.workers.iter().flat_map(|w| w.later()) {
                self.dropped[(record[0] & ((1 << SITE_BITS) - 1)) as usize] += 1;
            }
        }
        let tick = |ms: i64| (ms - program.start_ms) as u64 / program.tick_ms as u64 + 1;
        self.ended = Some(pacer.last_ms.map_or(0, tick).max(window.from));
        true
    }

    /// The first failure of all workers in event order.
    fn failure(&self) -> Option<Box<Failure>> {
        let all = self.workers.iter().filter_map(|w| w.failure.as_ref());
        all.min_by(|a, b| a.order().cmp(&b.order())).cloned()
    }

    /// Encodes a window with all threads and hands the chunks on in order.
    fn encode(&mut self, program: &Arc<Program>, window: &Window) {
        let layout = &program.layout;
        let lanes = &self.lanes;
        let workers: Vec<&Worker> = self.workers.iter().collect();
        let buckets = window.buckets();
        // Earlier runs have written all of it.
        let end_ms = program.start_ms + window.to as i64 * program.tick_ms;
        if lanes.all_done_before_ms().is_some_and(|ms| end_ms <= ms) {
            if let Some(pacer) = &mut self.pacer {
                pacer.passed(end_ms);
            }
            return;
        }
        let due = self.pacer.as_mut().is_none_or(|p| p.is_due(end_ms));
        if let Some(pacer) = self.pacer.as_mut().filter(|_| !due) {
            let (filler, ordered) = (&mut self.fillers[0], &mut self.ordered[0]);
            let mut way = Way { filler, lanes, layout };
            for bucket in 0..buckets {
                ordered
                    .runs(program, window, &workers, bucket, &mut |run| pacer.take(run, &mut way));
            }
            // Another filler may go on with the next window.
            if workers.len() > 1 || self.flushed.elapsed() > FLUSH_EVERY {
                self.fillers[0].flush(lanes, layout, &mut |lane, chunk| lanes.deliver(lane, chunk));
                self.flushed = Instant::now();
            }
            if !self.fillers[0].counts() {
                self.fillers.iter_mut().for_each(Filler::counted);
            }
            return;
        }
        if workers.len() == 1 || self.fillers[0].counts() {
            let (filler, ordered) = (&mut self.fillers[0], &mut self.ordered[0]);
            let mut out = |lane, chunk| lanes.deliver(lane, chunk);
            for bucket in 0..buckets {
                ordered.runs(program, window, &workers, bucket, &mut |run| {
                    filler.take(lanes, layout, run, &mut out)
                });
            }
            // Chunks stay in order only if no other filler goes on before this one is empty.
            if workers.len() > 1 || self.flushed.elapsed() > FLUSH_EVERY {
                filler.flush(lanes, layout, &mut out);
                self.flushed = Instant::now();
            }
            if !self.fillers[0].counts() {
                self.fillers.iter_mut().for_each(Filler::counted);
            }
            return;
        }
        let tasks = (workers.len() * TASKS).min(buckets);
        let next = AtomicUsize::new(0);
        let turn = Mutex::new(Turn { next: 0, waiting: BTreeMap::new() });
        let threads = self.fillers.iter_mut().zip(&mut self.ordered);
        let work = |filler: &mut Filler, ordered: &mut Ordered| {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    return;
                }
                let mut chunks = Vec::new();
                let mut out = |lane, chunk| chunks.push((lane, chunk));
                for bucket in task * buckets / tasks..(task + 1) * buckets / tasks {
                    ordered.runs(program, window, &workers, bucket, &mut |run| {
                        filler.take(lanes, layout, run, &mut out)
                    });
                }
                filler.flush(lanes, layout, &mut out);
                let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                turn.waiting.insert(task, chunks);
                while let Some(chunks) = turn.take() {
                    chunks.into_iter().for_each(|(lane, chunk)| lanes.deliver(lane, chunk));
                }
            }
        };
        std::thread::scope(|scope| {
            let mut threads = threads;
            let first = threads.next();
            for (filler, ordered) in threads {
                let work = &work;
                scope.spawn(move || work(filler, ordered));
            }
            if let Some((filler, ordered)) = first {
                work(filler, ordered);
            }
        });
    }

    /// Hands on the events of a window that come before a failure and before the last event wanted.
    /// True where there was something to cut.
    fn cut(&mut self, program: &Arc<Program>, window: &Window, failure: Option<&Failure>) -> bool {
        let layout = &program.layout;
        let lanes = &self.lanes;
        let captured: u64 = self.workers.iter().flat_map(|w| w.captured(program)).sum();
        let mut here = vec![0u64; layout.sites.len()];
        let workers: Vec<&Worker> = self.workers.iter().collect();
        let (filler, ordered) = (&mut self.fillers[0], &mut self.ordered[0]);
        // Events captured in this window or put off beyond it.
        let mut in_window = 0;
        for bucket in 0..window.buckets() {
            ordered.runs(program, window, &workers, bucket, &mut |run| {
                in_window += run.events(layout).count() as u64
            });
        }
        let later: u64 = workers.iter().map(|w| w.later().count() as u64).sum();
        let mut left =
            self.max_events.map_or(u64::MAX, |most| most - (captured - in_window - later));
        let mut cut = false;
        let mut last_ms = program.start_ms + window.from as i64 * program.tick_ms;
        let mut kept = Vec::new();
        for bucket in 0..window.buckets() {
            ordered.runs(program, window, &workers, bucket, &mut |run| {
                kept.clear();
                for event in run.events(layout) {
                    let before = failure.is_none_or(|f| f.is_after(program, &event.position()));
                    if before && left > 0 {
                        last_ms = run.time_ms;
                        left -= 1;
                        kept.extend_from_slice(event.record());
                    } else {
                        cut = true;
                        here[event.site_index()] += 1;
                    }
                }
                let kept = Run { time_ms: run.time_ms, words: &kept };
                match &mut self.pacer {
                    Some(pacer) => pacer.take(kept, &mut Way { filler, lanes, layout }),
                    None => filler
                        .take(lanes, layout, kept, &mut |lane, chunk| lanes.deliver(lane, chunk)),
                }
            });
        }
        cut |= left == 0 || failure.is_some_and(|f| f.is_within(window));
        if cut {
            for record in workers.iter().flat_map(|w| w.later()) {
                here[(record[0] & ((1 << SITE_BITS) - 1)) as usize] += 1;
            }
            self.dropped = here;
            self.ended = Some((last_ms - program.start_ms) as u64 / program.tick_ms as u64 + 1);
        }
        cut
    }

    /// Whether as many events as wanted were handed on.
    fn is_full(&self) -> bool {
        self.max_events.is_some_and(|most| self.events().iter().sum::<u64>() >= most)
    }

    /// Events handed on, by event of the model (those put off beyond the present window included).
    fn events(&self) -> Vec<u64> {
        let layout: &Layout = &self.program.layout;
        let mut events = vec![0; layout.events.len()];
        for worker in &self.workers {
            layout
                .sites
                .iter()
                .zip(worker.captured(&self.program))
                .for_each(|(site, n)| events[site.event] += n);
        }
        layout.sites.iter().zip(&self.dropped).for_each(|(site, n)| events[site.event] -= n);
        events
    }

    /// Fills in what was done.
    pub fn report(&self, outputs: &[Output], report: &mut RunReport) {
        let layout = &self.program.layout;
        let events = self.events();
        let named = layout
            .events
            .iter()
            .zip(&events)
            .zip(&layout.selected)
            .filter(|(_, selected)| **selected);
        report.events = named.map(|((e, n), _)| (e.name.clone(), *n)).collect();
        report.outputs = outputs
            .iter()
            .map(|o| {
                line(
                    o,
                    o.events.iter().zip(&events).filter(|(taken, _)| **taken).map(|(_, n)| n).sum(),
                )
            })
            .collect();
        let zero = |n: usize| vec![0u64; n];
        let total = |of: fn(&Worker) -> &Vec<Vec<u64>>| {
            let mut sums: Vec<Vec<u64>> =
                self.program.populations.iter().map(|p| zero(p.transitions.len())).collect();
            for worker in &self.workers {
                for (sum, n) in sums.iter_mut().flatten().zip(of(worker).iter().flatten()) {
                    *sum += n;
                }
            }
            sums
        };
        report.set_transitions(layout, &total(|w| &w.attempts), &total(|w| &w.blocked));
        // A run that was cut ends with the tick of its last event.
        report.ticks = self.ended.unwrap_or(self.engine.at());
        report.end_ms = self.program.start_ms + report.ticks as i64 * self.program.tick_ms;
        report.cut = self.ended.is_some();
        report.pace = self.pacer.as_ref().map(Pacer::report);
    }

    /// Waits for the writers and gives the outputs their sinks back; the first error of a sink. Where the
    /// run `stopped` early, what can be resumed is made final.
    pub fn close(self, outputs: &mut [Output], stopped: bool) -> Option<SinkError> {
        self.lanes.close(outputs, stopped)
    }
}

/// Chunks of tasks that are done, until it is their turn.
struct Turn {
    next: usize,
    waiting: BTreeMap<usize, Vec<(usize, Parcel)>>,
}

impl Turn {
    fn take(&mut self) -> Option<Vec<(usize, Parcel)>> {
        let chunks = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(chunks)
    }
}

/// Calls `work` for each group of cells with its worker, one on each thread; results in order.
fn each<T: Send>(
    groups: Vec<&mut [Cell]>,
    workers: &mut [Worker],
    work: impl Fn(&mut Worker, &mut [Cell]) -> T + Sync,
) -> Vec<T> {
    let mut pairs = workers.iter_mut().zip(groups);
    let Some((first, cells)) = pairs.next() else { return Vec::new() };
    if pairs.len() == 0 {
        return vec![work(first, cells)];
    }
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = pairs.map(|(w, c)| scope.spawn(move || work(w, c))).collect();
        let mut results = vec![work(first, cells)];
        for thread in threads {
            results.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}
