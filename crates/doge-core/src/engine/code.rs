//! The bytecode that expressions become: register instructions on one flat array of words.
//!
//! Attributes *are* the first registers, so that a guard or an assignment works on the subject's row
//! without a copy; then come `id`, `seq` and `timestamp`, `let`s and temporaries. A nullable value
//! takes two registers, the second is 1 where it is null. Doubles are their bits, a string is a
//! handle (see [`super::text`]).
//!
//! Operand pairs that are frequent in real models have an instruction of their own (`AddUniform`,
//! `GuardInt`); everything rare goes through [`Ins::Op`], which calls the functions that the
//! expression language itself defines.

use crate::dist::{
    Chance, Choice, Exponential, Lognormal, Normal, Pareto, Poisson, UniformDouble, UniformInt,
    Weighted, Zipf,
};
use crate::expr::func::{Part, Zone};
use crate::expr::typed::{Draw, Op};
use crate::source::Span;

/// A register.
pub type R = u16;

/// A comparison of ints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the six comparisons")]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Cmp {
    /// Whether `a` and `b` compare so.
    #[inline(always)]
    pub fn holds(self, a: i64, b: i64) -> bool {
        match self {
            Cmp::Eq => a == b,
            Cmp::Ne => a != b,
            Cmp::Lt => a < b,
            Cmp::Le => a <= b,
            Cmp::Gt => a > b,
            Cmp::Ge => a >= b,
        }
    }

    /// The comparison that an operator on words is.
    pub fn of(op: Op) -> Option<Cmp> {
        Some(match op {
            Op::EqInt => Cmp::Eq,
            Op::NeInt => Cmp::Ne,
            Op::LtInt => Cmp::Lt,
            Op::LeInt => Cmp::Le,
            Op::GtInt => Cmp::Gt,
            Op::GeInt => Cmp::Ge,
            _ => return None,
        })
    }
}

/// One instruction; 16 bytes. `d` is written, `a`, `b` and `c` are read.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "operands are explained at the enum")]
pub enum Ins {
    /// The end of an attempt's or a computation's code.
    End,
    /// `d = k`.
    Const {
        d: R,
        k: u64,
    },
    /// `d = a`.
    Mov {
        d: R,
        a: R,
    },
    /// Goes on at `to`.
    Jump {
        to: u32,
    },
    /// Goes on at `to` where `c` is true.
    JumpIf {
        c: R,
        to: u32,
    },
    /// Goes on at `to` where `c` is false.
    JumpUnless {
        c: R,
        to: u32,
    },
    /// Goes on at `base + c`; `c` outside `0..n` is an error.
    JumpTable {
        c: R,
        n: u32,
        base: u32,
    },
    /// `d = tables[base + c]`; `c` is known to be in range.
    Table {
        d: R,
        c: R,
        base: u32,
    },
    /// The attempt is blocked where `c` is false.
    Guard {
        c: R,
    },
    /// The attempt is blocked unless `a` and `b` compare so.
    GuardInt {
        cmp: Cmp,
        a: R,
        b: R,
    },
    /// `d = a + b`, checked.
    AddInt {
        d: R,
        a: R,
        b: R,
    },
    /// `d = a - b`, checked.
    SubInt {
        d: R,
        a: R,
        b: R,
    },
    /// `d = a + k`, checked.
    AddImm {
        d: R,
        a: R,
        k: i64,
    },
    /// `d = a + draw`, checked.
    AddUniform {
        d: R,
        a: R,
        i: u32,
    },
    /// `d` = whether `a` and `b` compare so.
    CmpInt {
        cmp: Cmp,
        d: R,
        a: R,
        b: R,
    },
    /// `d = a + b` of doubles, and so on.
    AddDouble {
        d: R,
        a: R,
        b: R,
    },
    SubDouble {
        d: R,
        a: R,
        b: R,
    },
    MulDouble {
        d: R,
        a: R,
        b: R,
    },
    /// `d` = a uniform int with constant ends.
    Uniform {
        d: R,
        i: u32,
    },
    /// `d` = a draw with constant arguments.
    Sample {
        d: R,
        i: u32,
    },
    /// `d` = a draw with arguments in the registers from `a` on.
    SampleArgs {
        d: R,
        a: R,
        n: u16,
        i: u32,
    },
    /// `d = op(a, b)`.
    Op {
        op: Op,
        d: R,
        a: R,
        b: R,
    },
    /// `d` = a part of the timestamp `a` in the constant zone `i`.
    Zoned {
        part: Part,
        d: R,
        a: R,
        i: u32,
    },
    /// `d` = whether the text `a` matches the constant pattern `i`.
    MatchesConst {
        d: R,
        a: R,
        i: u32,
    },
    /// `d` = the event's id as text, for emit site `site`.
    EventId {
        d: R,
        site: u32,
    },
    /// Moves the string in `d` to where it outlives the visit.
    Keep {
        d: R,
    },
    /// Fails where the double in `a` is not finite.
    Finite {
        a: R,
    },
    /// Counts an event of a site that not every attempt captures.
    Count {
        site: u32,
    },
    /// Captures an event of a site whose slots are these registers; `last`: and ends.
    Emit0 {
        site: u32,
        last: bool,
    },
    Emit1 {
        site: u32,
        a: R,
        last: bool,
    },
    Emit2 {
        site: u32,
        a: R,
        b: R,
        last: bool,
    },
    Emit3 {
        site: u32,
        a: R,
        b: R,
        c: R,
        last: bool,
    },
    /// Captures an event of a site, slots as its list of registers says.
    Emit {
        site: u32,
    },
}

/// A draw with constant arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the distributions by name")]
pub enum Sampler {
    UniformInt(UniformInt),
    UniformDouble(UniformDouble),
    Chance(Chance),
    Normal(Normal),
    Lognormal(Lognormal),
    Exponential(Exponential),
    Pareto(Pareto),
    Poisson(Poisson),
    Zipf(Zipf),
    Choice(Choice),
    Weighted(Weighted),
    Uuid,
}

/// Code of a population and what its instructions refer to.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Instructions.
    pub ins: Vec<Ins>,
    /// Uniform ints with constant ends, with their sites.
    pub uniforms: Vec<(UniformInt, u64)>,
    /// Other draws with constant arguments, with their sites.
    pub samplers: Vec<(Sampler, u64)>,
    /// Draws whose arguments are in registers, with their sites.
    pub draws: Vec<(Draw, u64)>,
    /// Constants of [`Ins::Table`].
    pub tables: Vec<u64>,
    /// Constant zones.
    pub zones: Vec<Zone>,
    /// Constant patterns.
    pub patterns: Vec<regex::Regex>,
    /// What can fail: address, place in the source, place in the emit list (or none), ascending.
    pub places: Vec<Place>,
}

/// Where an instruction that can fail comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Address of the instruction.
    pub pc: u32,
    /// Its expression.
    pub span: Span,
    /// The place in the emit list of the event that it belongs to.
    pub pos: Option<u32>,
}

impl Code {
    /// The place of the instruction at `pc`.
    pub fn place(&self, pc: usize) -> Option<Place> {
        let i = self.places.binary_search_by_key(&(pc as u32), |p| p.pc).ok()?;
        Some(self.places[i])
    }
}
