//! The engine: subjects walk their state machines, one window of time after the other.
//!
//! It is pulled and has no thread and no loop of its own. [`Engine::next_window`] plans a window;
//! workers take disjoint groups of cells through it, on as many threads as the caller likes;
//! [`order::Ordered`] reads their buckets in event order. [`Engine::advance`] does all of that on the
//! calling thread.
//!
//! Windows leave no trace in what comes out: their length follows the rate of events, since looking
//! for subjects that are due must cost little beside what they do, and records must stay in cache.

mod buckets;
mod cell;
mod code;
mod live;
mod lower;
mod memory;
mod ops;
mod order;
mod prefetch;
mod program;
mod text;
mod vm;
mod walk;

pub use cell::{Cell, Worker};
pub use lower::Place;
pub use order::Ordered;
pub use program::{Program, Selection};

use crate::batch::EventBatch;
use crate::expr::func::EvalError;
use crate::source::Span;
use std::ops::Range;
use std::sync::Arc;

/// Most buckets of a window: more fall out of the second-level cache.
const MOST_BUCKETS: u64 = 256;
/// Subjects of a cell.
const CELL: u64 = 1 << 18;
/// Cells for each thread and population, at least: threads get equal shares, of large pages.
const CELLS: u64 = 4;
/// Ticks that fit beside a local id in a record's second word, for each bucket.
const MOST_SHIFT: u32 = 24;

/// A span of ticks that is simulated at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// First tick.
    pub from: u64,
    /// One past the last tick.
    pub to: u64,
    /// A bucket holds `2^shift` ticks.
    pub shift: u32,
    /// The cells that take part; all of them, unless a single tick has too many events.
    pub cells: Range<usize>,
}

impl Window {
    fn new(from: u64, to: u64, cells: Range<usize>) -> Window {
        let mut shift = 0;
        while (to - from - 1) >> shift >= MOST_BUCKETS {
            shift += 1;
        }
        Window { from, to, shift, cells }
    }

    /// Number of buckets.
    pub fn buckets(&self) -> usize {
        (((self.to - self.from - 1) >> self.shift) + 1) as usize
    }
}

/// Why a run stops: an expression failed for a subject.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Tick of the attempt; `None` at creation.
    pub tick: Option<u64>,
    /// Index of the population.
    pub population: usize,
    /// Id of the subject.
    pub id: u64,
    /// Number of the attempt; 0 at creation.
    pub seq: u64,
    /// Events of the attempt below this place come before the failure.
    pub pos: u32,
    /// Index of the transition (states in order, flat).
    pub transition: Option<usize>,
    /// The state, by index, whose probabilities failed after the attempt; `None` where something else
    /// did.
    pub in_probability: Option<usize>,
    /// The expression.
    pub span: Option<Span>,
    /// What is wrong, with the values that went in.
    pub error: EvalError,
    /// Live attributes of the subject with their values at that moment.
    pub attributes: Vec<(String, String)>,
}

impl Failure {
    /// Its place in the order; creation comes before all ticks.
    pub fn order(&self) -> (Option<u64>, usize, u64, u64, u32) {
        (self.tick, self.population, self.id, self.seq, self.pos)
    }
}

/// How the engine plans its windows. None of it changes what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes that records of one window may take.
    pub buffer_bytes: u64,
    /// Workers that will take part, for cells that they can share evenly.
    pub threads: usize,
    /// Windows of exactly this many ticks, for tests.
    pub window_ticks: Option<u64>,
    /// Subjects of a cell, for tests.
    pub cell: Option<u64>,
    /// Attempts that a worker makes in a window before it ends it earlier, for tests.
    pub limit: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { buffer_bytes: 256 << 20, threads: 1, window_ticks: None, cell: None, limit: None }
    }
}

/// Subjects of a run and how far they are; see the module's head.
#[derive(Debug)]
pub struct Engine {
    program: Arc<Program>,
    cells: Vec<Cell>,
    subjects: u64,
    /// First tick not yet simulated.
    at: u64,
    /// Ticks of the next window.
    length: u64,
    /// Cells of the next window where a tick is cut, else 0.
    cut: usize,
    /// Attempts in the parts of a cut tick that are done.
    of_tick: u64,
    /// Attempts that a window should have.
    goal: u64,
    tuning: Tuning,
    /// Most words that one attempt records.
    words: u64,
    /// Whether workers hold records of ticks to come.
    put_off: bool,
}

impl Engine {
    /// An engine at the run's start.
    pub fn new(program: Arc<Program>, tuning: Tuning) -> Engine {
        let mut cells = Vec::new();
        let mut subjects = 0;
        let cells_wanted = tuning.threads.max(1) as u64 * CELLS;
        for (population, ids) in program.layout.ids.iter().enumerate() {
            subjects += ids.count;
            let size = tuning.cell.unwrap_or((ids.count.div_ceil(cells_wanted)).clamp(1024, CELL));
            for first in (0..ids.count).step_by(size as usize) {
                cells.push(Cell::new(population, first, size.min(ids.count - first) as usize));
            }
        }
        let words =
            program.populations.iter().map(|p| p.most_words as u64).max().unwrap_or(0).max(4);
        let fits = (tuning.buffer_bytes / (words * 8)).max(1);
        // Half of the subjects makes the search for those due cheap; a million bounds memory and time.
        let goal = (subjects / 2).clamp(1 << 14, 1 << 20).min(fits / 4).max(1);
        // Nothing is known of the rate but that all are in their first state.
        let first = |p: &program::PopulationProgram| {
            let state = &p.states[p.initial as usize];
            match state.kind {
                program::StateKind::Final => 0.0,
                program::StateKind::Literal if state.inv == 0.0 => 1.0,
                program::StateKind::Literal => -libm::expm1(1.0 / state.inv),
                program::StateKind::Dynamic { .. } => 1.0,
            }
        };
        let rate: f64 = program
            .populations
            .iter()
            .zip(&program.layout.ids)
            .map(|(p, ids)| first(p) * ids.count as f64)
            .sum();
        let mut engine = Engine {
            program,
            cells,
            subjects,
            at: 0,
            length: 1,
            cut: 0,
            of_tick: 0,
            goal,
            tuning,
            words,
            put_off: false,
        };
        // First attempts lead to more: the second window knows.
        engine.length = (engine.length_at(rate) / 2).max(1);
        engine
    }

    /// The program that it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Number of subjects.
    pub fn subjects(&self) -> u64 {
        self.subjects
    }

    /// The first tick not yet simulated.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Makes windows shorter, for callers to whom one took too long.
    pub fn shorten(&mut self) {
        self.goal = (self.goal / 2).max(1 << 12);
        self.length = (self.length / 2).max(1);
    }

    /// Plans the next window; `None` at the end of the run. [`Engine::done`] must follow.
    pub fn next_window(&mut self) -> Option<Window> {
        self.next_window_within(u64::MAX)
    }

    /// As [`Engine::next_window`], of at most `most` ticks (at least 1): for callers that do not want to be
    /// far ahead.
    pub fn next_window_within(&mut self, most: u64) -> Option<Window> {
        let ticks = self.program.ticks;
        if self.at >= ticks || self.subjects == 0 {
            return None;
        }
        if self.cut > 0 {
            let end = self.cut_end(self.cut);
            return Some(Window::new(self.at, self.at + 1, self.cut..end));
        }
        let all = 0..self.cells.len();
        if let Some(length) = self.tuning.window_ticks {
            let length = length.min(most).clamp(1, MOST_BUCKETS << MOST_SHIFT);
            return Some(Window::new(self.at, ticks.min(self.at.saturating_add(length)), all));
        }
        let length = self.length.min(most).clamp(1, MOST_BUCKETS << MOST_SHIFT);
        let to = ticks.min(self.at.saturating_add(length));
        // What was put off belongs between the subjects of a whole tick.
        if to - self.at == 1 && !self.put_off {
            let end = self.cut_end(0);
            return Some(Window::new(self.at, to, 0..end));
        }
        Some(Window::new(self.at, to, all))
    }

    /// One past the last cell, from `from` on, whose records surely fit the buffers.
    fn cut_end(&self, from: usize) -> usize {
        let mut end = from;
        let mut bytes = 0;
        while end < self.cells.len() {
            bytes += self.cells[end].len as u64 * self.words * 8;
            if end > from && bytes > self.tuning.buffer_bytes {
                break;
            }
            end += 1;
        }
        end
    }

    /// The cells of a window in `n` groups of about as many subjects, in event order.
    pub fn groups(&mut self, window: &Window, n: usize) -> Vec<&mut [Cell]> {
        let mut rest = &mut self.cells[window.cells.clone()];
        let total: u64 = rest.iter().map(|c| c.len as u64).sum();
        let mut groups = Vec::with_capacity(n);
        let mut given = 0;
        for g in 1..=n as u64 {
            let goal = total * g / n as u64;
            let mut k = 0;
            while k < rest.len() && (g == n as u64 || given + rest[k].len as u64 <= goal) {
                given += rest[k].len as u64;
                k += 1;
            }
            let (group, tail) = rest.split_at_mut(k);
            groups.push(group);
            rest = tail;
        }
        groups
    }

    /// All cells in `n` groups, to be created before the first window.
    pub fn all(&mut self, n: usize) -> Vec<&mut [Cell]> {
        let window = Window::new(0, 1, 0..self.cells.len());
        self.groups(&window, n)
    }

    /// How many attempts a worker of `n` should make in a window at most.
    pub fn limit(&self, n: usize) -> u64 {
        match (self.tuning.limit, self.tuning.window_ticks) {
            (Some(limit), _) => limit.max(1),
            (None, Some(_)) => u64::MAX,
            (None, None) => (self.goal * 2 / n as u64).max(1 << 10),
        }
    }

    /// Ticks of a window by the attempts a tick.
    fn length_at(&self, rate: f64) -> u64 {
        let length = if rate > 0.0 { (self.goal as f64 / rate) as u64 } else { u64::MAX };
        // One tick for each bucket saves sorting, and is worth somewhat more frequent searches.
        let enough = (self.subjects / 16).max(1 << 11) as f64;
        if length > MOST_BUCKETS && rate * MOST_BUCKETS as f64 >= enough {
            MOST_BUCKETS
        } else {
            length.max(1)
        }
    }

    /// All workers have simulated `window` and reached the ticks `reached`: its end becomes the
    /// earliest of them, and records beyond are put off.
    pub fn settle(&mut self, window: &mut Window, reached: &[u64], workers: &mut [Worker]) {
        let to = reached.iter().copied().min().unwrap_or(window.to).min(window.to);
        if to < window.to {
            workers.iter_mut().for_each(|w| w.put_off(&self.program, window, to));
            window.to = to;
        }
        self.put_off = workers.iter().any(Worker::has_later);
    }

    /// The window was simulated with this many attempts; adapts the next.
    pub fn done(&mut self, window: &Window, attempts: u64) {
        let attempts = attempts + std::mem::take(&mut self.of_tick);
        if window.cells.end < self.cells.len() {
            self.cut = window.cells.end;
            self.of_tick = attempts;
            return;
        }
        self.cut = 0;
        self.at = window.to;
        if self.tuning.window_ticks.is_some() {
            return;
        }
        if attempts == 0 && !self.put_off {
            // Nothing happened: go where something does.
            if let Some(earliest) = self.cells.iter().filter_map(Cell::earliest).min() {
                self.at = self.at.max(earliest);
            } else {
                self.at = self.program.ticks;
            }
        }
        let ticks = window.to - window.from;
        let rate = attempts as f64 / ticks as f64;
        self.length = self.length_at(rate).clamp(1, ticks.saturating_mul(4));
    }

    /// Simulates on this thread up to tick `until` (exclusive) and appends the events, in order, to a
    /// batch. Returns false when the run is over.
    ///
    /// # Errors
    /// The first failure in event order; all events before it are in the batch.
    pub fn advance(
        &mut self,
        worker: &mut Worker,
        until: u64,
        batch: &mut EventBatch,
    ) -> Result<bool, Box<Failure>> {
        let program = self.program.clone();
        if self.at == 0 && self.cells.iter().all(Cell::is_new) {
            self.all(1).into_iter().for_each(|cells| worker.create(&program, cells));
        }
        if let Some(failure) = worker.failure.take() {
            return Err(failure);
        }
        while self.at < until.min(program.ticks) {
            let Some(mut window) = self.next_window() else { return Ok(false) };
            window = Window::new(window.from, window.to.min(until), window.cells);
            let before: u64 = worker.attempts.iter().flatten().sum();
            let limit = self.limit(1);
            let reached =
                worker.simulate(&program, &window, limit, &mut self.cells[window.cells.clone()]);
            self.settle(&mut window, &[reached], std::slice::from_mut(worker));
            let mut ordered = Ordered::default();
            let workers = [&*worker];
            let limit = worker.failure.as_deref().filter(|f| f.is_within(&window));
            for bucket in 0..window.buckets() {
                ordered.runs(&program, &window, &workers, bucket, &mut |run| {
                    for event in run.events(&program.layout) {
                        if limit.is_none_or(|f| f.is_after(&program, &event.position())) {
                            batch.push(run.time_ms, event.record());
                        }
                    }
                });
            }
            if limit.is_some()
                && let Some(failure) = worker.failure.take()
            {
                return Err(failure);
            }
            let after: u64 = worker.attempts.iter().flatten().sum();
            self.done(&window, after - before);
        }
        Ok(self.at < program.ticks)
    }
}

impl Failure {
    /// Whether it happens before the end of a window.
    pub fn is_within(&self, window: &Window) -> bool {
        self.tick.is_none_or(|t| t < window.to)
    }

    /// Whether an event at `position` comes before the failure.
    pub fn is_after(&self, program: &Program, position: &crate::batch::Position) -> bool {
        let Some(tick) = self.tick else { return false };
        let time_ms = program.start_ms + tick as i64 * program.tick_ms;
        let here = (time_ms, self.population as u32, self.id, self.seq, self.pos);
        (position.time_ms, position.population, position.id, position.seq, position.pos) < here
    }
}
