//! Subjects and how they run: the loop over those that are due in a window.
//!
//! A subject is an instant (when its next attempt is) and a row of words (attempt number and state,
//! then its stored attributes). A [`Cell`] is a range of subjects of one population; cells are what
//! workers share out. A [`Worker`] takes its cells through a window and leaves records in one bucket
//! for each tick (or few ticks), so that they come out in order without a sort.

use super::program::{PopulationProgram, Program, StateKind, StateProgram, wait_factor};
use super::text::{Heap, Scratch};
use super::vm::{self, Flow, Frame, Large, Registers, Small, Strings};
use super::{Failure, Window};
use crate::batch::{LOCAL_BITS, SITE_BITS};
use crate::draw::{StepKey, SubjectKey};
use crate::expr::func::EvalError;
use crate::log::ln_unit;

/// Bits of a row's first word that hold the state; the rest is the number of attempts made.
const STATE_BITS: u32 = 20;

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
    /// Rows of `1 + row_words` words; all zero until a subject's first attempt.
    rows: Vec<u64>,
    heap: Heap,
}

impl Cell {
    /// Subjects `first..first + len` (local ids), not yet created.
    pub fn new(population: usize, first: u64, len: usize) -> Cell {
        Cell { population, first, len, next: Next::Narrow(Vec::new()), rows: Vec::new(), heap: Heap::default() }
    }

    /// Whether its subjects have not been created.
    pub fn is_new(&self) -> bool {
        self.len > 0 && matches!(&self.next, Next::Narrow(next) if next.is_empty())
    }

    /// The earliest next attempt, `None` where there is none before the run's end.
    pub fn earliest(&self) -> Option<u64> {
        match &self.next {
            Next::Narrow(next) => next.iter().min().filter(|t| **t != u32::MAX).map(|t| u64::from(*t)),
            Next::Wide(next) => next.iter().min().filter(|t| **t != u64::MAX).copied(),
        }
    }
}

/// What a worker needs for itself.
#[derive(Debug)]
pub struct Worker {
    small: Small,
    large: Large,
    scratch: Scratch,
    due: Vec<u32>,
    /// Records by population and bucket.
    pub buckets: Vec<Vec<Vec<u64>>>,
    /// Events captured in the present window.
    pub events: u64,
    /// Attempts by population and (flat) transition, over the whole run.
    pub attempts: Vec<Vec<u64>>,
    /// Those of them that were blocked.
    pub blocked: Vec<Vec<u64>>,
    /// The first failure in event order so far.
    pub failure: Option<Box<Failure>>,
}

/// A failed instruction before it is known whose it is.
struct Stop {
    pc: usize,
    error: EvalError,
}

impl Worker {
    /// A worker for a program.
    pub fn new(program: &Program) -> Worker {
        let most = program.populations.iter().map(|p| p.registers).max().unwrap_or(0);
        let zeros = |p: &PopulationProgram| vec![0; p.transitions.len()];
        Worker {
            small: Small([0; 256]),
            large: Large(if most > 256 { vec![0; most] } else { Vec::new() }),
            scratch: Scratch::default(),
            due: Vec::new(),
            buckets: program.populations.iter().map(|_| Vec::new()).collect(),
            events: 0,
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
            cell.rows = vec![0; cell.len * stride];
            // One tick is left over so that a narrow NEVER is beyond every tick.
            if program.ticks < u64::from(u32::MAX) {
                let next = self.first_waits::<u32>(program, cell);
                cell.next = Next::Narrow(next);
            } else {
                let next = self.first_waits::<u64>(program, cell);
                cell.next = Next::Wide(next);
            }
        }
    }

    fn first_waits<T: Tick>(&mut self, program: &Program, cell: &mut Cell) -> Vec<T> {
        let p = &program.populations[cell.population];
        let ids = program.layout.ids[cell.population];
        let initial = &p.states[p.initial as usize];
        let values = p.create_fails || matches!(initial.kind, StateKind::Dynamic { .. });
        let limit = program.ticks as f64;
        let wait = |w: u64| {
            let g = ln_unit(w) * initial.inv;
            if g < limit { T::of(g as u64) } else { T::NEVER }
        };
        let keys = (0..cell.len as u64).map(|i| (i, p.scope.subject(ids.id(cell.first + i))));
        if !values {
            if initial.kind == StateKind::Final {
                return vec![T::NEVER; cell.len];
            }
            return keys.map(|(_, key)| wait(key.step(0).word(initial.wait_site))).collect();
        }
        let mut next = Vec::with_capacity(cell.len);
        for (i, key) in keys {
            let local = cell.first + i;
            let first = if p.registers <= 256 {
                let mut regs = std::mem::replace(&mut self.small, Small([0; 256]));
                let first = self.first_wait::<Small>(&mut regs, program, p, cell, key, ids.id(local));
                self.small = regs;
                first
            } else {
                let mut regs = std::mem::replace(&mut self.large, Large(Vec::new()));
                let first = self.first_wait::<Large>(&mut regs, program, p, cell, key, ids.id(local));
                self.large = regs;
                first
            };
            next.push(match first {
                Ok(Some(inv)) => {
                    let g = ln_unit(key.step(0).word(initial.wait_site)) * inv;
                    if g < limit { T::of(g as u64) } else { T::NEVER }
                }
                Ok(None) => T::NEVER,
                Err(stop) => {
                    let at = Failed { population: cell.population, id: ids.id(local), tick: None, seq: 0, transition: None };
                    self.fail(program, at, stop, &[]);
                    T::NEVER
                }
            });
        }
        next
    }

    /// Checks a subject's initial values and finds the factor of its first wait; `None` for never.
    fn first_wait<G: Registers>(
        &mut self,
        regs: &mut G,
        program: &Program,
        p: &PopulationProgram,
        cell: &mut Cell,
        key: SubjectKey,
        id: u64,
    ) -> Result<Option<f64>, Stop> {
        let mut none = Vec::new();
        let mut events = 0;
        let strings =
            Strings { constants: &program.layout.constants, heap: &mut cell.heap, scratch: &mut self.scratch };
        let mut frame = Frame {
            code: &p.code,
            captures: &program.captures,
            layout: &program.layout,
            strings,
            key: key.step(0),
            head: 0,
            second: 0,
            bucket: &mut none,
            events: &mut events,
        };
        regs.set(p.id, id);
        frame.strings.scratch.rewind(0);
        make(regs, &mut frame, p)?;
        let state = &p.states[p.initial as usize];
        let factor = match state.kind {
            StateKind::Final => Ok(None),
            StateKind::Literal => Ok(Some(state.inv)),
            StateKind::Dynamic { pc, base } => sum(regs, &mut frame, state, pc, base).map(factor),
        };
        // What was kept for this check is made again at the first attempt.
        cell.heap = Heap::default();
        factor
    }

    /// Takes the subjects of cells through a window.
    pub fn simulate(&mut self, program: &Program, window: &Window, cells: &mut [Cell]) {
        self.events = 0;
        let used = window.buckets();
        for buckets in &mut self.buckets {
            if buckets.len() < used {
                buckets.resize_with(used, Vec::new);
            }
            buckets.iter_mut().for_each(Vec::clear);
        }
        for cell in cells {
            let p = &program.populations[cell.population];
            if p.registers <= 256 {
                let mut regs = std::mem::replace(&mut self.small, Small([0; 256]));
                match p.row_words {
                    0 => self.cell::<Small, 0>(&mut regs, program, window, cell),
                    1 => self.cell::<Small, 1>(&mut regs, program, window, cell),
                    2 => self.cell::<Small, 2>(&mut regs, program, window, cell),
                    3 => self.cell::<Small, 3>(&mut regs, program, window, cell),
                    4 => self.cell::<Small, 4>(&mut regs, program, window, cell),
                    _ => self.cell::<Small, ANY>(&mut regs, program, window, cell),
                }
                self.small = regs;
            } else {
                let mut regs = std::mem::replace(&mut self.large, Large(Vec::new()));
                self.cell::<Large, ANY>(&mut regs, program, window, cell);
                self.large = regs;
            }
            if cell.heap.wants_collection() {
                collect(p, cell);
            }
        }
    }

    fn cell<G: Registers, const W: usize>(&mut self, regs: &mut G, program: &Program, window: &Window, cell: &mut Cell) {
        match std::mem::replace(&mut cell.next, Next::Narrow(Vec::new())) {
            Next::Narrow(mut next) => {
                self.subjects::<G, u32, W>(regs, program, window, cell, &mut next);
                cell.next = Next::Narrow(next);
            }
            Next::Wide(mut next) => {
                self.subjects::<G, u64, W>(regs, program, window, cell, &mut next);
                cell.next = Next::Wide(next);
            }
        }
    }

    fn subjects<G: Registers, T: Tick, const W: usize>(
        &mut self,
        regs: &mut G,
        program: &Program,
        window: &Window,
        cell: &mut Cell,
        next: &mut [T],
    ) {
        /// Subjects looked through at a time, so that the list of those due stays in cache.
        const CHUNK: usize = 1024;
        let p = &program.populations[cell.population];
        let ids = program.layout.ids[cell.population];
        let width = if W == ANY { p.row_words } else { W };
        let stride = 1 + width;
        let mut due = std::mem::take(&mut self.due);
        due.resize(CHUNK, 0);
        let mut events = 0;
        let states = p.states.as_slice();
        let transitions = p.transitions.as_slice();
        let ticks = program.ticks;
        for (chunk, next) in next.chunks_mut(CHUNK).enumerate() {
            let mut n = 0;
            for (i, t) in next.iter().enumerate() {
                due[n] = i as u32;
                n += usize::from(t.get() < window.to);
            }
            for at in &due[..n] {
                let at = *at as usize;
                let index = chunk * CHUNK + at;
                let local = cell.first + index as u64;
                let id = ids.id(local);
                let key = p.scope.subject(id);
                let row = &mut cell.rows[index * stride..(index + 1) * stride];
                let mut tick = next[at].get();
                let mut seq = row[0] >> STATE_BITS;
                let mut state = (row[0] & ((1 << STATE_BITS) - 1)) as usize;
                let mut none = Vec::new();
                let mut frame = Frame {
                    code: &p.code,
                    captures: &program.captures,
                    layout: &program.layout,
                    strings: Strings {
                        constants: &program.layout.constants,
                        heap: &mut cell.heap,
                        scratch: &mut self.scratch,
                    },
                    key: key.step(0),
                    head: 0,
                    second: 0,
                    bucket: &mut none,
                    events: &mut events,
                };
                frame.strings.scratch.rewind(0);
                regs.set(p.id, id);
                let mut stop = None;
                if seq == 0 {
                    state = p.initial as usize;
                    stop = make(regs, &mut frame, p).err();
                } else {
                    for (r, w) in row[1..].iter().enumerate().take(width) {
                        regs.set(r as u16, *w);
                    }
                    if let Some(pc) = p.derive {
                        stop = run(regs, &mut frame, pc).err();
                    }
                }
                let mark = frame.strings.scratch.mark();
                let mut transition = 0;
                let mut late = false;
                while stop.is_none() {
                    seq += 1;
                    let step = key.step(seq);
                    frame.key = step;
                    let here = &states[state];
                    let chosen = match here.kind {
                        StateKind::Literal => choose(p, here, step),
                        _ => match choose_among(regs, &mut frame, here, step) {
                            Ok(chosen) => chosen,
                            Err(e) => {
                                stop = Some(e);
                                break;
                            }
                        },
                    };
                    transition = here.first as usize + chosen;
                    let taken = transitions[transition];
                    let offset = tick - window.from;
                    let bucket = (offset >> window.shift) as usize;
                    let within = offset & ((1 << window.shift) - 1);
                    regs.set(p.seq, seq);
                    regs.set(p.time, (program.start_ms + tick as i64 * program.tick_ms) as u64);
                    frame.head = seq << SITE_BITS;
                    frame.second = within << LOCAL_BITS | local;
                    frame.bucket = &mut self.buckets[cell.population][bucket];
                    self.attempts[cell.population][transition] += 1;
                    frame.strings.scratch.rewind(mark);
                    match vm::run(regs, &mut frame, taken.pc as usize) {
                        Ok(Flow::Done) => state = taken.to as usize,
                        Ok(Flow::Blocked) => self.blocked[cell.population][transition] += 1,
                        Err(trap) => {
                            stop = Some(Stop { pc: trap.pc, error: trap.error });
                            break;
                        }
                    }
                    let here = &states[state];
                    let inv = match here.kind {
                        StateKind::Literal => here.inv,
                        StateKind::Final => {
                            tick = T::NEVER.get();
                            break;
                        }
                        StateKind::Dynamic { pc, base } => match sum(regs, &mut frame, here, pc, base) {
                            Ok(p) => match factor(p) {
                                Some(inv) => inv,
                                None => {
                                    tick = T::NEVER.get();
                                    break;
                                }
                            },
                            Err(e) => {
                                stop = Some(e);
                                late = true;
                                break;
                            }
                        },
                    };
                    let g = ln_unit(step.word(here.wait_site)) * inv;
                    // The whole part of g is below a whole number where g is.
                    if g >= (ticks - tick - 1) as f64 {
                        tick = T::NEVER.get();
                        break;
                    }
                    tick += 1 + g as u64;
                    if tick >= window.to {
                        break;
                    }
                }
                if let Some(stop) = stop {
                    let at_tick = tick;
                    next[at] = T::NEVER;
                    let values = attribute_values(p, regs, &frame);
                    let failed = Failed {
                        population: cell.population,
                        id,
                        tick: Some(at_tick),
                        seq,
                        transition: (seq > 0).then_some((transition, late)),
                    };
                    self.fail(program, failed, stop, &values);
                    continue;
                }
                next[at] = if tick >= ticks { T::NEVER } else { T::of(tick) };
                row[0] = seq << STATE_BITS | state as u64;
                for (r, w) in row[1..].iter_mut().enumerate().take(width) {
                    let new = regs.get(r as u16);
                    if !p.row_strings.is_empty() && *w != new && p.row_strings.contains(&r) {
                        frame.strings.heap.release(*w);
                    }
                    *w = new;
                }
            }
        }
        self.due = due;
        self.events += events;
    }

    /// Keeps the first failure in event order.
    fn fail(&mut self, program: &Program, at: Failed, stop: Stop, values: &[(String, String)]) {
        let p = &program.populations[at.population];
        let place = p.code.place(stop.pc);
        let late = at.transition.is_some_and(|(_, late)| late);
        let failure = Failure {
            tick: at.tick,
            population: at.population,
            id: at.id,
            seq: at.seq,
            // After the attempt's events, at one of them, or before all of them.
            pos: if late { u32::MAX } else { place.and_then(|p| p.pos).unwrap_or(0) },
            transition: at.transition.map(|(t, _)| t),
            in_probability: late,
            span: place.map(|p| p.span),
            error: stop.error,
            attributes: values.to_vec(),
        };
        if self.failure.as_ref().is_none_or(|first| failure.order() < first.order()) {
            self.failure = Some(Box::new(failure));
        }
    }
}

/// A row width known only at run time.
const ANY: usize = usize::MAX;

struct Failed {
    population: usize,
    id: u64,
    tick: Option<u64>,
    seq: u64,
    transition: Option<(usize, bool)>,
}

#[inline(always)]
fn run<G: Registers>(regs: &mut G, frame: &mut Frame<'_>, pc: usize) -> Result<(), Stop> {
    match vm::run(regs, frame, pc) {
        Ok(_) => Ok(()),
        Err(trap) => Err(Stop { pc: trap.pc, error: trap.error }),
    }
}

/// Initial values, stored and computed.
#[inline(never)]
fn make<G: Registers>(regs: &mut G, frame: &mut Frame<'_>, p: &PopulationProgram) -> Result<(), Stop> {
    run(regs, frame, p.create)?;
    p.derive.map_or(Ok(()), |pc| run(regs, frame, pc))
}

/// The transition, counted from the state's first, that word 0 of the choice falls on.
#[inline(always)]
fn choose(p: &PopulationProgram, state: &StateProgram, step: StepKey) -> usize {
    let from = state.threshold as usize;
    let thresholds = &p.thresholds[from..from + state.thresholds as usize];
    let w = step.word(state.choice_site);
    if thresholds.len() <= 8 {
        thresholds.iter().map(|t| usize::from(w >= *t)).sum()
    } else {
        thresholds.partition_point(|t| w >= *t)
    }
}

/// The same with probabilities that are expressions: running sums in doubles, in file order.
#[inline(never)]
fn choose_among<G: Registers>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    state: &StateProgram,
    step: StepKey,
) -> Result<usize, Stop> {
    let StateKind::Dynamic { pc, base } = state.kind else { return Ok(0) };
    let sum = sum(regs, frame, state, pc, base)?;
    let goal = step.word(state.choice_site) as f64 / 18_446_744_073_709_551_616.0 * sum;
    let mut running = 0.0;
    let mut last = 0;
    for i in 0..state.transitions {
        let percent = f64::from_bits(regs.get(base.wrapping_add(i as u16)));
        running += percent;
        if running > goal && percent > 0.0 {
            return Ok(i as usize);
        }
        if percent > 0.0 {
            last = i as usize;
        }
    }
    Ok(last)
}

/// The sum of a state's probabilities in percent.
#[inline(never)]
fn sum<G: Registers>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    state: &StateProgram,
    pc: u32,
    base: u16,
) -> Result<f64, Stop> {
    run(regs, frame, pc as usize)?;
    let mut sum = 0.0;
    for i in 0..state.transitions {
        let percent = f64::from_bits(regs.get(base.wrapping_add(i as u16)));
        if percent.is_nan() || percent < 0.0 {
            return Err(Stop { pc: pc as usize, error: super::ops::bad_probability(percent) });
        }
        sum += percent;
    }
    if sum > 100.0 + 1e-9 {
        return Err(Stop { pc: pc as usize, error: super::ops::bad_probability_sum(sum) });
    }
    Ok(sum)
}

/// The factor of a wait by the sum of probabilities in percent; `None` for never.
fn factor(sum: f64) -> Option<f64> {
    let p = sum.min(100.0) / 100.0;
    (p >= 1e-14).then(|| wait_factor(p))
}

/// Live attributes of a subject as text, for the report of a failure.
fn attribute_values<G: Registers>(p: &PopulationProgram, regs: &G, frame: &Frame<'_>) -> Vec<(String, String)> {
    use super::lower::Place;
    let shown = |place: &Place, ty: crate::value::Ty| match place {
        Place::Register(r) => Some(super::ops::show(ty, regs.get(*r), ty.nullable && regs.get(r + 1) == 1, &frame.strings)),
        _ => None,
    };
    p.attributes.iter().filter_map(|(name, ty, place)| Some((name.clone(), shown(place, *ty)?))).collect()
}

/// Drops what no row of the cell refers to from its heap.
fn collect(p: &PopulationProgram, cell: &mut Cell) {
    let old = cell.heap.take();
    for row in cell.rows.chunks_mut(1 + p.row_words).filter(|row| row[0] >> STATE_BITS > 0) {
        for i in &p.row_strings {
            row[1 + i] = cell.heap.moved(&old, row[1 + i]);
        }
    }
}
