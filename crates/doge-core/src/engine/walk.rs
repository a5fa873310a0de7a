//! One subject's way through a window: the innermost loop.
//!
//! It belongs to [`super::cell`], which finds the subjects that are due and keeps their rows.

use super::buckets::{Nowhere, Sheet};
use super::code::R;
use super::program::{NEVER, PopulationProgram, StateKind, StateProgram, wait_factor};
use super::vm::{self, Flow, Frame, Registers, Trap};
use crate::batch::{IdMap, LOCAL_BITS, SITE_BITS};
use crate::draw::StepKey;
use crate::expr::func::EvalError;
use crate::log::ln_unit;

/// Bits of a row's first word that hold the state; the rest is the number of attempts made.
pub const STATE_BITS: u32 = 20;

/// A row width known only at run time.
pub const ANY: usize = usize::MAX;

pub struct Failed {
    pub population: usize,
    pub id: u64,
    pub tick: Option<u64>,
    pub seq: u64,
    pub transition: Option<usize>,
    pub in_probability: Option<usize>,
    pub stop: Box<Trap>,
    pub attributes: Vec<(String, String)>,
}

/// How far a window goes: less far for subjects that follow once there are too many attempts.
#[derive(Clone, Copy)]
pub struct Reach {
    pub to: u64,
    pub left: u64,
    pub refill: u64,
}

impl Reach {
    /// Moves the end to the middle of the window, not before the attempt at `tick`.
    #[cold]
    fn shorten(&mut self, from: u64, tick: u64) {
        let middle = from + (self.to - from) / 2;
        self.to = self.to.min(middle.max(tick + 1));
    }
}

/// What the subjects of a cell share while they go through a window.
pub struct Walk<'a> {
    pub population: usize,
    pub p: &'a PopulationProgram,
    pub ids: IdMap,
    pub from: u64,
    /// Whether rows were made at creation.
    pub made: bool,
    pub reach: Reach,
    pub shift: u32,
    /// Ticks within a bucket.
    pub mask: u64,
    pub start_ms: i64,
    pub tick_ms: i64,
    pub ticks: u64,
    pub sheet: Sheet<'a>,
    pub attempts: &'a mut [u64],
    pub blocked: &'a mut [u64],
    pub frame: Frame<'a>,
}

impl Walk<'_> {
    /// Takes one subject, whose next attempt is at `tick`, through the window. Returns the tick of
    /// its next attempt, which is the run's length or more where there is none.
    #[inline(always)]
    pub fn subject<G: Registers, const W: usize>(
        &mut self,
        regs: &mut G,
        local: u64,
        row: &mut [u64],
        mut tick: u64,
    ) -> Result<u64, Box<Failed>> {
        let p = self.p;
        let width = if W == ANY { p.row_words } else { W };
        let id = self.ids.id(local);
        let key = p.scope.subject(id);
        let begun = row[0] >> STATE_BITS;
        let mut seq = begun;
        // Counted here once for all attempts, so that the loop need not.
        let mut most = begun + self.reach.left;
        let mut state = (row[0] & ((1 << STATE_BITS) - 1)) as usize;
        regs.set(p.id, id);
        if p.texts {
            self.frame.strings.scratch.rewind(0);
        }
        if seq == 0 && !self.made {
            state = p.initial as usize;
            self.frame.key = key.step(0);
            make(regs, &mut self.frame, p)
                .map_err(|stop| self.failed(regs, id, tick, 0, None, stop))?;
        } else {
            for (r, w) in row[1..1 + width].iter().enumerate() {
                regs.set(r as R, *w);
            }
            if let Some(pc) = p.derive {
                self.frame.key = key.step(0);
                derive(regs, &mut self.frame, pc)
                    .map_err(|stop| self.failed(regs, id, tick, 0, None, stop))?;
            }
        }
        let mark = self.frame.strings.scratch.mark();
        let mut here = &p.states[state];
        loop {
            seq += 1;
            let step = key.step(seq);
            self.frame.key = step;
            let chosen = if let StateKind::Dynamic { .. } = here.kind {
                choose_among(regs, &mut self.frame, here, step)
                    .map_err(|stop| self.failed(regs, id, tick, seq, None, stop))?
            } else {
                choose(p, here, step)
            };
            let transition = here.first as usize + chosen;
            let taken = p.transitions[transition];
            let offset = tick - self.from;
            let bucket = (offset >> self.shift) as usize;
            let within = offset & self.mask;
            if p.reads_clock {
                regs.set(p.seq, seq);
                regs.set(p.time, (self.start_ms + tick as i64 * self.tick_ms) as u64);
            }
            self.frame.head = seq << SITE_BITS;
            self.frame.second = within << LOCAL_BITS | local;
            self.attempts[transition] += 1;
            if seq >= most {
                self.reach.shorten(self.from, tick);
                most = seq + self.reach.refill;
            }
            if p.texts {
                self.frame.strings.scratch.rewind(mark);
            }
            match vm::run(regs, &mut self.frame, &mut self.sheet, bucket, taken.pc as usize) {
                Ok(Flow::Done) => {
                    self.sheet.prefetch(bucket);
                    state = taken.to as usize;
                    here = &p.states[state];
                }
                Ok(Flow::Blocked) => self.blocked[transition] += 1,
                Err(stop) => {
                    return Err(self.failed(regs, id, tick, seq, Some((transition, None)), stop));
                }
            }
            let inv = match here.kind {
                StateKind::Dynamic { pc, base } => {
                    sum(regs, &mut self.frame, here, pc, base).map(factor).map_err(|stop| {
                        self.failed(regs, id, tick, seq, Some((transition, Some(state))), stop)
                    })?
                }
                _ => here.inv,
            };
            let g = ln_unit(step.word(here.wait_site)) * inv;
            // The whole part of g is below a whole number exactly where g is. For a final state g is
            // infinite, or no number at all, which a comparison the other way round would let pass.
            #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "no number must count as never")]
            let never = !(g < (self.ticks - tick - 1) as i64 as f64);
            if never {
                tick = u64::MAX;
                break;
            }
            tick += 1 + g as i64 as u64;
            if tick >= self.reach.to {
                break;
            }
        }
        self.reach.left = most - seq;
        row[0] = seq << STATE_BITS | state as u64;
        if p.row_strings.is_empty() {
            for (r, w) in row[1..1 + width].iter_mut().enumerate() {
                *w = regs.get(r as R);
            }
        } else {
            self.store_with_strings(regs, row);
        }
        Ok(tick)
    }

    #[inline(never)]
    fn store_with_strings<G: Registers>(&mut self, regs: &G, row: &mut [u64]) {
        for (r, w) in row[1..].iter_mut().enumerate() {
            let new = regs.get(r as R);
            if *w != new && self.p.row_strings.contains(&r) {
                self.frame.strings.heap.release(*w);
            }
            *w = new;
        }
    }

    #[cold]
    #[inline(never)]
    fn failed<G: Registers>(
        &self,
        regs: &G,
        id: u64,
        tick: u64,
        seq: u64,
        transition: Option<(usize, Option<usize>)>,
        stop: Box<Trap>,
    ) -> Box<Failed> {
        Box::new(Failed {
            population: self.population,
            id,
            tick: Some(tick),
            seq,
            transition: transition.map(|t| t.0),
            in_probability: transition.and_then(|t| t.1),
            stop,
            attributes: attribute_values(self.p, regs, &self.frame),
        })
    }
}

#[inline(always)]
pub fn run<G: Registers>(regs: &mut G, frame: &mut Frame<'_>, pc: usize) -> Result<(), Box<Trap>> {
    // Only attempts emit.
    vm::run(regs, frame, &mut Nowhere, 0, pc).map(|_| ())
}

/// The probability of a try that has this factor.
pub fn likely(inv: f64) -> f64 {
    if inv == 0.0 { 1.0 } else { -libm::expm1(1.0 / inv) }
}

/// Code outside of attempts, out of line.
#[inline(never)]
fn derive<G: Registers>(regs: &mut G, frame: &mut Frame<'_>, pc: usize) -> Result<(), Box<Trap>> {
    run(regs, frame, pc)
}

/// Initial values, stored and computed.
#[inline(always)]
pub fn make<G: Registers>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    p: &PopulationProgram,
) -> Result<(), Box<Trap>> {
    derive(regs, frame, p.create)?;
    p.derive.map_or(Ok(()), |pc| derive(regs, frame, pc))
}

/// The transition, counted from the state's first, that word 0 of the choice falls on.
#[inline(always)]
fn choose(p: &PopulationProgram, state: &StateProgram, step: StepKey) -> usize {
    let w = step.word(state.choice_site);
    let n = state.thresholds as usize;
    if n <= state.few.len() {
        // The largest word is not below those that only fill up.
        return state.few.iter().map(|t| usize::from(w >= *t)).sum::<usize>().min(n);
    }
    let from = state.threshold as usize;
    p.thresholds[from..from + n].partition_point(|t| w >= *t)
}

/// The same with probabilities that are expressions: running sums in doubles, in file order.
#[inline(never)]
fn choose_among<G: Registers>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    state: &StateProgram,
    step: StepKey,
) -> Result<usize, Box<Trap>> {
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
pub fn sum<G: Registers>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    state: &StateProgram,
    pc: u32,
    base: u16,
) -> Result<f64, Box<Trap>> {
    run(regs, frame, pc as usize)?;
    let mut sum = 0.0;
    for i in 0..state.transitions {
        let percent = f64::from_bits(regs.get(base.wrapping_add(i as u16)));
        if percent.is_nan() || percent < 0.0 {
            return Err(Box::new(Trap { pc: pc as usize, error: EvalError::Probability(percent) }));
        }
        sum += percent;
    }
    if sum > 100.0 + 1e-9 {
        return Err(Box::new(Trap { pc: pc as usize, error: EvalError::ProbabilitySum(sum) }));
    }
    Ok(sum)
}

/// The factor of a wait by the sum of probabilities in percent.
pub fn factor(sum: f64) -> f64 {
    let p = sum.min(100.0) / 100.0;
    if p >= 1e-14 { wait_factor(p) } else { NEVER }
}

/// Live attributes of a subject as text, for the report of a failure.
fn attribute_values<G: Registers>(
    p: &PopulationProgram,
    regs: &G,
    frame: &Frame<'_>,
) -> Vec<(String, String)> {
    use super::lower::Place;
    let shown = |place: &Place, ty: crate::value::Ty| match place {
        Place::Register(r) => Some(super::ops::show(
            ty,
            regs.get(*r),
            ty.nullable && regs.get(r + 1) == 1,
            &frame.strings,
        )),
        _ => None,
    };
    p.attributes
        .iter()
        .filter_map(|(name, ty, place)| Some((name.clone(), shown(place, *ty)?)))
        .collect()
}
