//! The interpreter: runs the code of one attempt, or of one creation, on the registers of a worker.
//!
//! The loop over instructions is the innermost of the project; rare operations are out of line.

use super::buckets::Out;
use super::code::{Code, Ins, R, Sampler};
use super::ops;
use super::program::Capture;
use super::text::{Heap, Scratch, Texts};
use crate::batch::{CONST_TAG, Layout, SITE_BITS};
use crate::dist::{Call, Uuid};
use crate::draw::StepKey;
use crate::expr::func::EvalError;

/// The registers. Two forms, so that programs of up to 256 registers are run without a bounds check.
pub trait Registers {
    /// The word in a register.
    fn get(&self, r: R) -> u64;
    /// Sets a register.
    fn set(&mut self, r: R, v: u64);
    /// The registers from `r` on.
    fn from(&self, r: R) -> &[u64];
}

/// Registers of a program with at most 256.
#[derive(Debug)]
pub struct Small(pub [u64; 256]);

impl Default for Small {
    fn default() -> Self {
        Small([0; 256])
    }
}

/// Registers of any program.
#[derive(Debug)]
pub struct Large(pub Vec<u64>);

impl Registers for Small {
    #[inline(always)]
    fn get(&self, r: R) -> u64 {
        self.0[usize::from(r & 255)]
    }
    #[inline(always)]
    fn set(&mut self, r: R, v: u64) {
        self.0[usize::from(r & 255)] = v;
    }
    #[inline(always)]
    fn from(&self, r: R) -> &[u64] {
        &self.0[usize::from(r & 255)..]
    }
}

impl Registers for Large {
    #[inline(always)]
    fn get(&self, r: R) -> u64 {
        self.0[usize::from(r)]
    }
    #[inline(always)]
    fn set(&mut self, r: R, v: u64) {
        self.0[usize::from(r)] = v;
    }
    #[inline(always)]
    fn from(&self, r: R) -> &[u64] {
        &self.0[usize::from(r)..]
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It was made.
    Done,
    /// Its guard was false.
    Blocked,
}

/// An instruction failed.
#[derive(Debug)]
pub struct Trap {
    /// Its address.
    pub pc: usize,
    /// Why.
    pub error: EvalError,
}

/// Texts of the worker and the cell.
pub struct Strings<'a> {
    /// Constants of the run.
    pub constants: &'a [String],
    /// Of the cell.
    pub heap: &'a mut Heap,
    /// Of the worker.
    pub scratch: &'a mut Scratch,
}

impl Strings<'_> {
    /// To read handles.
    #[inline]
    pub fn texts(&self) -> Texts<'_> {
        Texts { constants: self.constants, heap: self.heap, scratch: self.scratch }
    }
}

/// Where and when the code runs.
pub struct Frame<'a> {
    /// Code of the population.
    pub code: &'a Code,
    /// Registers of each site's slots.
    pub captures: &'a [Capture],
    /// What records mean.
    pub layout: &'a Layout,
    /// Strings.
    pub strings: Strings<'a>,
    /// Key of the step.
    pub key: StepKey,
    /// `seq << SITE_BITS`.
    pub head: u64,
    /// Second word of records.
    pub second: u64,
    /// See [`Ins::Count`].
    pub counts: &'a mut [u64],
}

/// Runs from `start` to the end; records go to a bucket of `sheet`.
///
/// # Errors
/// The first instruction that fails; events captured before it stay.
#[inline(always)]
pub fn run<G: Registers, O: Out>(
    regs: &mut G,
    frame: &mut Frame<'_>,
    sheet: &mut O,
    bucket: usize,
    start: usize,
) -> Result<Flow, Box<Trap>> {
    let code = frame.code;
    macro_rules! checked {
        ($d:expr, $fast:expr, $slow:expr) => {
            match $fast {
                Some(v) => regs.set($d, v as u64),
                None => return Err(trap(pc!(), $slow)),
            }
        };
    }
    let mut rest = code.ins[start..].iter();
    // An iterator costs one comparison an instruction; an address is made only where it is wanted.
    macro_rules! pc {
        () => {
            code.ins.len() - rest.len() - 1
        };
    }
    macro_rules! go {
        ($to:expr) => {
            rest = code.ins[$to..].iter()
        };
    }
    while let Some(ins) = rest.next() {
        match *ins {
            Ins::End => return Ok(Flow::Done),
            Ins::Const { d, k } => regs.set(d, k),
            Ins::Mov { d, a } => regs.set(d, regs.get(a)),
            Ins::Jump { to } => go!(to as usize),
            Ins::JumpIf { c, to } => {
                if regs.get(c) != 0 {
                    go!(to as usize);
                }
            }
            Ins::JumpUnless { c, to } => {
                if regs.get(c) == 0 {
                    go!(to as usize);
                }
            }
            Ins::JumpTable { c, n, base } => {
                let index = regs.get(c);
                if index >= u64::from(n) {
                    return Err(trap(pc!(), EvalError::Index(index as i64, n as usize)));
                }
                go!(base as usize + index as usize);
            }
            Ins::Table { d, c, base } => {
                regs.set(d, code.tables[base as usize + regs.get(c) as usize])
            }
            Ins::Guard { c } => {
                if regs.get(c) == 0 {
                    return Ok(Flow::Blocked);
                }
            }
            Ins::GuardInt { cmp, a, b } => {
                if !cmp.holds(regs.get(a) as i64, regs.get(b) as i64) {
                    return Ok(Flow::Blocked);
                }
            }
            Ins::AddInt { d, a, b } => {
                let (x, y) = (regs.get(a) as i64, regs.get(b) as i64);
                checked!(d, x.checked_add(y), EvalError::IntOverflow('+', x, y));
            }
            Ins::SubInt { d, a, b } => {
                let (x, y) = (regs.get(a) as i64, regs.get(b) as i64);
                checked!(d, x.checked_sub(y), EvalError::IntOverflow('-', x, y));
            }
            Ins::AddImm { d, a, k } => {
                let x = regs.get(a) as i64;
                checked!(d, x.checked_add(k), EvalError::IntOverflow('+', x, k));
            }
            Ins::AddUniform { d, a, i } => {
                let (uniform, site) = &code.uniforms[i as usize];
                let (x, y) =
                    (regs.get(a) as i64, uniform.sample(Call { key: frame.key, site: *site }));
                checked!(d, x.checked_add(y), EvalError::IntOverflow('+', x, y));
            }
            Ins::CmpInt { cmp, d, a, b } => {
                regs.set(d, u64::from(cmp.holds(regs.get(a) as i64, regs.get(b) as i64)));
            }
            Ins::AddDouble { d, a, b } => {
                regs.set(d, (f64::from_bits(regs.get(a)) + f64::from_bits(regs.get(b))).to_bits());
            }
            Ins::SubDouble { d, a, b } => {
                regs.set(d, (f64::from_bits(regs.get(a)) - f64::from_bits(regs.get(b))).to_bits());
            }
            Ins::MulDouble { d, a, b } => {
                regs.set(d, (f64::from_bits(regs.get(a)) * f64::from_bits(regs.get(b))).to_bits());
            }
            Ins::Uniform { d, i } => {
                let (uniform, site) = &code.uniforms[i as usize];
                regs.set(d, uniform.sample(Call { key: frame.key, site: *site }) as u64);
            }
            Ins::Sample { d, i } => {
                let (sampler, site) = &code.samplers[i as usize];
                let call = Call { key: frame.key, site: *site };
                regs.set(d, sample(sampler, call, &mut frame.strings));
            }
            Ins::SampleArgs { d, a, n, i } => {
                let (draw, site) = code.draws[i as usize];
                let call = Call { key: frame.key, site };
                match ops::sample_args(draw, call, &regs.from(a)[..usize::from(n)]) {
                    Ok(v) => regs.set(d, v),
                    Err(e) => return Err(trap(pc!(), e)),
                }
            }
            Ins::Op { op, d, a, b } => {
                match ops::apply(op, regs.get(a), regs.get(b), &mut frame.strings) {
                    Ok(v) => regs.set(d, v),
                    Err(e) => return Err(trap(pc!(), e)),
                }
            }
            Ins::Zoned { part, d, a, i } => {
                regs.set(d, code.zones[i as usize].part(part, regs.get(a) as i64) as u64);
            }
            Ins::MatchesConst { d, a, i } => {
                let text = frame.strings.texts().get(regs.get(a));
                regs.set(d, u64::from(code.patterns[i as usize].is_match(text)));
            }
            Ins::EventId { d, site } => {
                let layout = frame.layout;
                let site = &layout.sites[site as usize];
                let local = frame.second & ((1 << crate::batch::LOCAL_BITS) - 1);
                let id = layout.ids[site.population].id(local);
                let made = frame.strings.scratch.make(|text| {
                    use std::fmt::Write;
                    let name = &layout.populations[site.population];
                    let _ = write!(text, "{name}/{id}/{}/{}", frame.head >> SITE_BITS, site.pos);
                });
                match made {
                    Ok(v) => regs.set(d, v),
                    Err(e) => return Err(trap(pc!(), e)),
                }
            }
            Ins::Keep { d } => {
                let Strings { heap, scratch, .. } = &mut frame.strings;
                regs.set(d, scratch.keep(heap, regs.get(d)));
            }
            Ins::Finite { a } => {
                let v = f64::from_bits(regs.get(a));
                if !v.is_finite() {
                    return Err(trap(pc!(), EvalError::NotFinite(v)));
                }
            }
            Ins::Emit0 { site, last } => {
                sheet.put(bucket, [frame.head | u64::from(site), frame.second]);
                if last {
                    return Ok(Flow::Done);
                }
            }
            Ins::Emit1 { site, a, last } => {
                sheet.put(bucket, [frame.head | u64::from(site), frame.second, regs.get(a)]);
                if last {
                    return Ok(Flow::Done);
                }
            }
            Ins::Emit2 { site, a, b, last } => {
                let record = [frame.head | u64::from(site), frame.second, regs.get(a), regs.get(b)];
                sheet.put(bucket, record);
                if last {
                    return Ok(Flow::Done);
                }
            }
            Ins::Emit3 { site, a, b, c, last } => {
                let record = [
                    frame.head | u64::from(site),
                    frame.second,
                    regs.get(a),
                    regs.get(b),
                    regs.get(c),
                ];
                sheet.put(bucket, record);
                if last {
                    return Ok(Flow::Done);
                }
            }
            Ins::Count { site } => frame.counts[site as usize] += 1,
            Ins::Emit { site } => emit(regs, frame, sheet, bucket, site),
        }
    }
    Ok(Flow::Done)
}

#[cold]
#[inline(never)]
fn trap(pc: usize, error: EvalError) -> Box<Trap> {
    Box::new(Trap { pc, error })
}

/// Captures an event of any shape; see [`crate::batch`] for the record.
fn emit<G: Registers, O: Out>(
    regs: &G,
    frame: &mut Frame<'_>,
    sheet: &mut O,
    bucket: usize,
    site: u32,
) {
    let mut record = sheet.record();
    record.extend_from_slice(&[frame.head | u64::from(site), frame.second]);
    let first = record.len();
    let captures = &frame.captures[site as usize];
    record.extend(captures.registers.iter().map(|r| regs.get(*r)));
    let shape = &frame.layout.sites[site as usize];
    for slot in &shape.strings {
        let at = first + *slot as usize;
        let handle = record[at];
        // A null string's handle means nothing.
        let nullable = shape.is_nullable(*slot);
        if nullable && record[at + 1] == 1 {
            record[at] = 0;
            continue;
        }
        if handle & CONST_TAG == 0 {
            let text = frame.strings.texts().get(handle).as_bytes();
            record[at] = text.len() as u64;
            let (whole, rest) = text.as_chunks::<8>();
            record.extend(whole.iter().map(|w| u64::from_ne_bytes(*w)));
            if !rest.is_empty() {
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                record.push(u64::from_ne_bytes(last));
            }
        }
    }
    sheet.put_any(bucket, &record);
    sheet.put_back(record);
}

/// A draw with constant arguments, as a word.
#[inline(never)]
fn sample(sampler: &Sampler, call: Call, strings: &mut Strings<'_>) -> u64 {
    match sampler {
        Sampler::UniformInt(d) => d.sample(call) as u64,
        Sampler::UniformDouble(d) => d.sample(call).to_bits(),
        Sampler::Chance(d) => u64::from(d.sample(call)),
        Sampler::Normal(d) => d.sample(call).to_bits(),
        Sampler::Lognormal(d) => d.sample(call).to_bits(),
        Sampler::Exponential(d) => d.sample(call).to_bits(),
        Sampler::Pareto(d) => d.sample(call).to_bits(),
        Sampler::Poisson(d) => d.sample(call) as u64,
        Sampler::Zipf(d) => d.sample(call) as u64,
        Sampler::Choice(d) => d.sample(call) as u64,
        Sampler::Weighted(d) => d.sample(call) as u64,
        Sampler::Uuid => {
            let uuid = Uuid.sample(call);
            let made =
                strings.scratch.make(|text| text.extend(uuid.iter().map(|b| char::from(*b))));
            made.unwrap_or(CONST_TAG)
        }
    }
}
