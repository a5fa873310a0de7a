//! Subjects and how they run: the loop over those that are due in a window.
//!
//! A subject is an instant (when its next attempt is) and a row of words (attempt number and state,
//! then its stored attributes). A [`Cell`] is a range of subjects of one population; cells are what
//! workers share out. A [`Worker`] takes its cells through a window and leaves records in one bucket
//! for each tick (or few ticks), so that they come out in order without a sort.

use super::buckets::{Buckets, Out};
use super::code::R;
use super::memory::Words;
use super::prefetch::prefetch;
use super::program::{PopulationProgram, Program, StateKind};
use super::text::{Heap, Scratch};
use super::vm::{Frame, Large, Registers, Small, Strings};
use super::walk::{ANY, Failed, Reach, STATE_BITS, Walk, factor, likely, make, sum};
use super::{Failure, Window};
use crate::batch::LOCAL_BITS;
use crate::log::ln_unit;

/// The tick of a next attempt, in a narrow or a wide form.
trait Tick: Copy {
    /// No attempt before the run's end.
    const NEVER: Self;
    /// From a tick below the run's length.
    fn of(tick: u64) -> Self;
    /// As a number; `NEVER` is beyond every tick of a run.
    fn get(self) -> u64;
}

impl Tick for u32 {
    const NEVER: u32 = u32::MAX;
    #[inline(always)]
    fn of(tick: u64) -> u32 {
        tick as u32
    }
    #[inline(always)]
    fn get(self) -> u64 {
        u64::from(self)
    }
}

impl Tick for u64 {
    const NEVER: u64 = u64::MAX;
    #[inline(always)]
    fn of(tick: u64) -> u64 {
        tick
    }
    #[inline(always)]
    fn get(self) -> u64 {
        self
    }
}

#[derive(Debug)]
enum Next {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

/// A range of subjects of one population.
#[derive(Debug)]
pub struct Cell {
    /// Index of the population.
    pub population: usize,
    /// First local id.
    pub first: u64,
    /// Number of subjects.
    pub len: usize,
    next: Next,
    /// Rows of `1 + row_words` words.
    rows: Words,
    /// Whether rows were made at creation; else each is zero until its subject's first attempt.
    made: bool,
    heap: Heap,
}

impl Cell {
    /// Subjects `first..first + len` (local ids), not yet created.
    pub fn new(population: usize, first: u64, len: usize) -> Cell {
        Cell {
            population,
            first,
            len,
            next: Next::Narrow(Vec::new()),
            rows: Words::default(),
            made: false,
            heap: Heap::default(),
        }
    }

    /// Whether its subjects have not been created.
    pub fn is_new(&self) -> bool {
        self.len > 0 && matches!(&self.next, Next::Narrow(next) if next.is_empty())
    }

    /// The earliest next attempt, `None` where there is none before the run's end.
    pub fn earliest(&self) -> Option<u64> {
        match &self.next {
            Next::Narrow(next) => {
                next.iter().min().filter(|t| **t != u32::MAX).map(|t| u64::from(*t))
            }
            Next::Wide(next) => next.iter().min().filter(|t| **t != u64::MAX).copied(),
        }
    }
}

/// What a worker needs for itself.
#[derive(Debug)]
pub struct Worker {
    small: Option<Box<Small>>,
    large: Large,
    scratch: Scratch,
    /// Records by population and bucket.
    pub buckets: Vec<Buckets>,
    /// By emit site: events captured where not every attempt that was made captures one, else events
    /// that failed attempts did not come to.
    counts: Vec<u64>,
    /// Records of ticks beyond the end of the last window, by population: tick and words of each.
    later: Vec<Vec<(u64, Vec<u64>)>>,
    /// Attempts by population and (flat) transition, over the whole run.
    pub attempts: Vec<Vec<u64>>,
    /// Those of them that were blocked.
    pub blocked: Vec<Vec<u64>>,
    /// The first failure in event order so far.
    pub failure: Option<Box<Failure>>,
}

impl Worker {
    /// A worker for a program.
    pub fn new(program: &Program) -> Worker {
        let most = program.populations.iter().map(|p| p.registers).max().unwrap_or(0);
        let zeros = |p: &PopulationProgram| vec![0; p.transitions.len()];
        Worker {
            small: None,
            large: Large(if most > 256 { vec![0; most] } else { Vec::new() }),
            scratch: Scratch::default(),
            buckets: program.populations.iter().map(|_| Buckets::default()).collect(),
            counts: vec![0; program.layout.sites.len()],
            later: program.populations.iter().map(|_| Vec::new()).collect(),
            attempts: program.populations.iter().map(zeros).collect(),
            blocked: program.populations.iter().map(zeros).collect(),
            failure: None,
        }
    }

    /// Creates the subjects of cells: draws their first waits and, where that can fail, checks their
    /// initial values.
    pub fn create(&mut self, program: &Program, cells: &mut [Cell]) {
        for cell in cells {
            let stride = 1 + program.populations[cell.population].row_words;
            cell.rows = Words::zeroed(cell.len * stride);
            // One tick is left over so that a narrow NEVER is beyond every tick.
            let p = &program.populations[cell.population];
            let narrow = program.ticks < u64::from(u32::MAX);
            cell.next = if p.registers <= 256 {
                let mut regs = self.small.take().unwrap_or_default();
                let next = match narrow {
                    true => Next::Narrow(self.populate::<Small, u32>(&mut regs, program, cell)),
                    false => Next::Wide(self.populate::<Small, u64>(&mut regs, program, cell)),
                };
                self.small = Some(regs);
                next
            } else {
                let mut regs = std::mem::replace(&mut self.large, Large(Vec::new()));
                let next = match narrow {
                    true => Next::Narrow(self.populate::<Large, u32>(&mut regs, program, cell)),
                    false => Next::Wide(self.populate::<Large, u64>(&mut regs, program, cell)),
                };
                self.large = regs;
                next
            };
        }
    }

    /// First waits of a cell's subjects and, where they are needed now or most of them soon, their rows.
    fn populate<G: Registers, T: Tick>(
        &mut self,
        regs: &mut G,
        program: &Program,
        cell: &mut Cell,
    ) -> Vec<T> {
        let p = &program.populations[cell.population];
        let ids = program.layout.ids[cell.population];
        let initial = &p.states[p.initial as usize];
        let ticks = program.ticks as f64;
        let wait = |w: u64, inv: f64| {
            let g = ln_unit(w) * inv;
            if g < ticks { T::of(g as u64) } else { T::NEVER }
        };
        // Rows made here, one after the other, are cheaper than rows made when their subject comes up.
        let soon = initial.kind == StateKind::Literal && likely(initial.inv) * ticks > 0.5;
        cell.made = soon || p.create_fails || matches!(initial.kind, StateKind::Dynamic { .. });
        if !cell.made {
            let keys = (0..cell.len as u64).map(|i| p.scope.subject(ids.id(cell.first + i)));
            return keys
                .map(|key| wait(key.step(0).word(initial.wait_site), initial.inv))
                .collect();
        }
        let mut next = Vec::with_capacity(cell.len);
        let mut failures = Vec::new();
        let stride = 1 + p.row_words;
        let mut frame = Frame {
            code: &p.code,
            captures: &program.captures,
            layout: &program.layout,
            strings: Strings {
                constants: &program.layout.constants,
                heap: &mut cell.heap,
                scratch: &mut self.scratch,
            },
            key: p.scope.subject(0).step(0),
            head: 0,
            second: 0,
            counts: &mut [],
        };
        for (i, row) in cell.rows.chunks_exact_mut(stride).enumerate() {
            let id = ids.id(cell.first + i as u64);
            let step = p.scope.subject(id).step(0);
            frame.key = step;
            if p.texts {
                frame.strings.scratch.rewind(0);
            }
            regs.set(p.id, id);
            let factor = make(regs, &mut frame, p).and_then(|()| match initial.kind {
                StateKind::Dynamic { pc, base } => {
                    sum(regs, &mut frame, initial, pc, base).map(factor)
                }
                _ => Ok(initial.inv),
            });
            row[0] = u64::from(p.initial);
            for (r, w) in row[1..].iter_mut().enumerate() {
                *w = regs.get(r as R);
            }
            next.push(match factor {
                Ok(inv) => wait(step.word(initial.wait_site), inv),
                Err(stop) => {
                    failures.push((id, stop));
                    T::NEVER
                }
            });
        }
        for (id, stop) in failures {
            let failed = Failed {
                population: cell.population,
                id,
                tick: None,
                seq: 0,
                transition: None,
                in_probability: None,
                stop,
                attributes: Vec::new(),
            };
            self.fail(program, failed);
        }
        next
    }

    /// Takes the subjects of cells through a window, with about `limit` attempts at most: where there
    /// would be more, the window ends earlier for the subjects that follow. Returns the tick up to
    /// which all were taken; records beyond it are put off by [`Worker::put_off`].
    pub fn simulate(
        &mut self,
        program: &Program,
        window: &Window,
        limit: u64,
        cells: &mut [Cell],
    ) -> u64 {
        let used = window.buckets();
        for buckets in &mut self.buckets {
            // Four words are a record of two values. Without a limit, buckets find out by themselves.
            let records = if limit < 1 << 22 { limit as usize } else { 1 << 14 };
            buckets.clear(used, records * 4);
        }
        self.take_up(window);
        // Less than 2^40, so that adding an attempt number cannot overflow.
        let limit = limit.clamp(1, 1 << 40);
        let mut reach =
            Reach { to: window.to, left: limit, refill: (limit / 8).max(256).min(limit) };
        for cell in cells {
            let p = &program.populations[cell.population];
            if p.registers <= 256 {
                let mut regs = self.small.take().unwrap_or_default();
                match p.row_words {
                    0 => self.cell::<Small, 0>(&mut regs, program, window, &mut reach, cell),
                    1 => self.cell::<Small, 1>(&mut regs, program, window, &mut reach, cell),
                    2 => self.cell::<Small, 2>(&mut regs, program, window, &mut reach, cell),
                    3 => self.cell::<Small, 3>(&mut regs, program, window, &mut reach, cell),
                    4 => self.cell::<Small, 4>(&mut regs, program, window, &mut reach, cell),
                    _ => self.cell::<Small, ANY>(&mut regs, program, window, &mut reach, cell),
                }
                self.small = Some(regs);
            } else {
                let mut regs = std::mem::replace(&mut self.large, Large(Vec::new()));
                self.cell::<Large, ANY>(&mut regs, program, window, &mut reach, cell);
                self.large = regs;
            }
            if cell.heap.wants_collection() {
                collect(p, cell);
            }
        }
        reach.to
    }

    /// Puts records that were put off and lie in a window into its buckets. They come from subjects
    /// that were ahead, and so stand before those that the window adds in the same tick.
    fn take_up(&mut self, window: &Window) {
        for (later, buckets) in self.later.iter_mut().zip(&mut self.buckets) {
            let mut sheet = buckets.open();
            later.retain(|(tick, words)| {
                if *tick >= window.to {
                    return true;
                }
                let offset = tick - window.from;
                let bucket = (offset >> window.shift) as usize;
                let within = offset & ((1 << window.shift) - 1);
                let local = words[1] & ((1 << LOCAL_BITS) - 1);
                let mut record = sheet.record();
                record.extend_from_slice(&[words[0], within << LOCAL_BITS | local]);
                record.extend_from_slice(&words[2..]);
                sheet.put_any(bucket, &record);
                sheet.put_back(record);
                false
            });
        }
    }

    /// Takes records from tick `to` on out of a window's buckets; they come in a later window.
    pub fn put_off(&mut self, program: &Program, window: &Window, to: u64) {
        let first = ((to - window.from) >> window.shift) as usize;
        for (later, buckets) in self.later.iter_mut().zip(&mut self.buckets) {
            for b in first..window.buckets() {
                let words = buckets.take(b);
                let mut sheet = buckets.open();
                let start = window.from + ((b as u64) << window.shift);
                let mut rest = words.as_slice();
                while !rest.is_empty() {
                    let (record, after) = rest.split_at(program.layout.record_len(rest));
                    let tick = start + (record[1] >> LOCAL_BITS);
                    if tick >= to {
                        later.push((tick, record.to_vec()));
                    } else {
                        sheet.put_any(b, record);
                    }
                    rest = after;
                }
            }
        }
    }

    /// Events captured so far, by emit site.
    pub fn captured<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = u64> + 'a {
        self.counts.iter().zip(&program.captures).map(|(count, capture)| {
            let (p, t) = (capture.population, capture.transition);
            match capture.always {
                true => self.attempts[p][t] - self.blocked[p][t] - count,
                false => *count,
            }
        })
    }

    /// Whether records were put off.
    pub fn has_later(&self) -> bool {
        self.later.iter().any(|l| !l.is_empty())
    }

    /// Calls `see` with every record that was put off.
    pub fn later(&self) -> impl Iterator<Item = &[u64]> {
        self.later.iter().flatten().map(|(_, words)| words.as_slice())
    }

    fn cell<G: Registers, const W: usize>(
        &mut self,
        regs: &mut G,
        program: &Program,
        window: &Window,
        reach: &mut Reach,
        cell: &mut Cell,
    ) {
        match std::mem::replace(&mut cell.next, Next::Narrow(Vec::new())) {
            Next::Narrow(mut next) => {
                self.subjects::<G, u32, W>(regs, program, window, reach, cell, &mut next);
                cell.next = Next::Narrow(next);
            }
            Next::Wide(mut next) => {
                self.subjects::<G, u64, W>(regs, program, window, reach, cell, &mut next);
                cell.next = Next::Wide(next);
            }
        }
    }

    fn subjects<G: Registers, T: Tick, const W: usize>(
        &mut self,
        regs: &mut G,
        program: &Program,
        window: &Window,
        reach: &mut Reach,
        cell: &mut Cell,
        next: &mut [T],
    ) {
        /// Subjects looked through at a time, so that the list of those due stays in cache.
        const CHUNK: usize = 1024;
        /// How many subjects ahead rows are asked for: about as long as memory takes.
        const AHEAD: usize = 8;
        let p = &program.populations[cell.population];
        let stride = 1 + if W == ANY { p.row_words } else { W };
        let mut due = [0u32; CHUNK];
        let mut failures = Vec::new();
        let mut walk = Walk {
            population: cell.population,
            p,
            ids: program.layout.ids[cell.population],
            from: window.from,
            made: cell.made,
            reach: *reach,
            shift: window.shift,
            mask: (1 << window.shift) - 1,
            start_ms: program.start_ms,
            tick_ms: program.tick_ms,
            ticks: program.ticks,
            sheet: self.buckets[cell.population].open(),
            attempts: &mut self.attempts[cell.population],
            blocked: &mut self.blocked[cell.population],
            frame: Frame {
                code: &p.code,
                captures: &program.captures,
                layout: &program.layout,
                strings: Strings {
                    constants: &program.layout.constants,
                    heap: &mut cell.heap,
                    scratch: &mut self.scratch,
                },
                key: p.scope.subject(0).step(0),
                head: 0,
                second: 0,
                counts: &mut self.counts,
            },
        };
        for (chunk, next) in next.chunks_mut(CHUNK).enumerate() {
            let rows = &mut cell.rows[chunk * CHUNK * stride..];
            let first = cell.first + (chunk * CHUNK) as u64;
            let mut n = 0;
            let to = walk.reach.to;
            for (i, t) in next.iter().enumerate() {
                // The mask does nothing but spare a check.
                due[n & (CHUNK - 1)] = i as u32;
                n += usize::from(t.get() < to);
            }
            for k in 0..n {
                let at = due[k] as usize;
                if k + AHEAD < n {
                    prefetch(rows, due[k + AHEAD] as usize * stride);
                }
                let row = &mut rows[at * stride..(at + 1) * stride];
                let local = first + at as u64;
                if next[at].get() >= walk.reach.to {
                    continue;
                }
                next[at] = match walk.subject::<G, W>(regs, local, row, next[at].get()) {
                    Ok(tick) if tick < walk.ticks => T::of(tick),
                    Ok(_) => T::NEVER,
                    Err(failed) => {
                        failures.push(failed);
                        T::NEVER
                    }
                };
            }
        }
        *reach = walk.reach;
        for failed in failures {
            self.fail(program, *failed);
        }
    }

    /// Keeps the first failure in event order.
    fn fail(&mut self, program: &Program, failed: Failed) {
        let Failed { population, id, tick, seq, transition, in_probability, stop, attributes } =
            failed;
        let place = program.populations[population].code.place(stop.pc);
        if let (Some(transition), None) = (transition, in_probability) {
            let first = place.and_then(|p| p.pos).unwrap_or(0);
            for (i, capture) in program.captures.iter().enumerate() {
                let here = (capture.population, capture.transition) == (population, transition);
                if capture.always && here && program.layout.sites[i].pos >= first {
                    self.counts[i] += 1;
                }
            }
        }
        let failure = Failure {
            tick,
            population,
            id,
            seq,
            // After the attempt's events, at one of them, or before all of them.
            pos: if in_probability.is_some() {
                u32::MAX
            } else {
                place.and_then(|p| p.pos).unwrap_or(0)
            },
            transition,
            in_probability,
            span: place.map(|p| p.span),
            error: stop.error,
            attributes,
        };
        if self.failure.as_ref().is_none_or(|first| failure.order() < first.order()) {
            self.failure = Some(Box::new(failure));
        }
    }
}

/// Drops what no row of the cell refers to from its heap.
fn collect(p: &PopulationProgram, cell: &mut Cell) {
    let old = cell.heap.take();
    let made = cell.made;
    for row in cell.rows.chunks_mut(1 + p.row_words).filter(|row| made || row[0] >> STATE_BITS > 0)
    {
        for i in &p.row_strings {
            row[1 + i] = cell.heap.moved(&old, row[1 + i]);
        }
    }
}
