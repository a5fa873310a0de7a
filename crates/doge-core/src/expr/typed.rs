//! The typed tree: what the checker makes of an expression, and the only form in which expressions
//! leave this module. Every operation is monomorphic; overloads, coercions of literals, `params`,
//! `trigger`, `from`, `to`, `population`, macros and list literals are resolved and gone.

use crate::source::Span;
use crate::value::{Ty, Value};

/// A typed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct TExpr {
    /// What it is.
    pub kind: TKind,
    /// Its type.
    pub ty: Ty,
    /// Where it stands in the source.
    pub span: Span,
}

/// What a [`TExpr`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum TKind {
    /// A constant (also `trigger`, `from`, `to`, `population`, `params.x`). [`Value::Null`] where the
    /// type is nullable.
    Const(Value),
    /// An attribute's present value, by index in the population.
    Attr(usize),
    /// `old.attribute`: its value before the transition.
    Old(usize),
    /// A `let` of the transition, by index.
    Let(usize),
    /// `id`, int.
    Id,
    /// `seq`, int.
    Seq,
    /// `timestamp`, the order time.
    Time,
    /// `event_id`, string `population/id/seq/pos`.
    EventId,
    /// An operation on its evaluated arguments, left to right.
    Op(Op, Vec<TExpr>),
    /// `a && b`: `b` is not evaluated where `a` is false.
    And(Box<TExpr>, Box<TExpr>),
    /// `a || b`: `b` is not evaluated where `a` is true.
    Or(Box<TExpr>, Box<TExpr>),
    /// `c ? a : b`, only the branch taken is evaluated.
    If(Box<TExpr>, Box<TExpr>, Box<TExpr>),
    /// `x == null`.
    IsNull(Box<TExpr>),
    /// `coalesce(x, y)`: `x` where it is not null, else `y` (then evaluated).
    Coalesce(Box<TExpr>, Box<TExpr>),
    /// A value of type `T` where a `T?` is needed.
    Widen(Box<TExpr>),
    /// One of the values by index (int, from 0); any other index is a run error. Only the one taken
    /// is evaluated.
    Select(Box<TExpr>, Vec<TExpr>),
    /// The value of the expression with a name for it: `Local(slot)` in `body` reads `value`
    /// evaluated once. Made by macros over list literals and `in`.
    Bind {
        /// Slot number, unique within the whole expression.
        slot: usize,
        /// What it holds.
        value: Box<TExpr>,
        /// Where it is read.
        body: Box<TExpr>,
    },
    /// Reads a [`TKind::Bind`].
    Local(usize),
    /// A random call.
    Draw {
        /// Which function.
        draw: Draw,
        /// Its draw site: the hash of its path of names and its ordinal.
        site: u64,
        /// Its arguments.
        args: Vec<TExpr>,
    },
}

/// Random functions. Arguments that the table calls double have been converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Draw {
    /// `uniform(a, b)` of two ints, both ends included: int.
    UniformInt,
    /// `uniform(a, b)` of two doubles in `[a, b)`: double.
    UniformDouble,
    /// `chance(p)`, p in 0..1: bool.
    Chance,
    /// `normal(mean, sd)`: double.
    Normal,
    /// `lognormal(median, sigma)`: double.
    Lognormal,
    /// `exponential(mean)`: double.
    Exponential,
    /// `pareto(min, alpha)`: double.
    Pareto,
    /// `poisson(mean)`: int.
    Poisson,
    /// `zipf(n, s)`: int and double to int in 1..n.
    Zipf,
    /// `choice([...])`: the arguments are the values, one type; only the one taken is evaluated.
    Choice,
    /// `weighted(...)`: the arguments are weight 0, value 0, weight 1, value 1, ...; weights are
    /// doubles; only the value taken is evaluated.
    Weighted,
    /// `uuid()`: string, version 4.
    Uuid,
}

/// Strict operations: all arguments are evaluated first, none is null.
///
/// Ints overflow to a run error; `/` and `%` of ints truncate toward zero and fail on 0. Timestamps
/// outside the years 1..9999 are a run error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is its operator and the types of its arguments")]
#[rustfmt::skip]
pub enum Op {
    NegInt, NegDouble, Not,
    AddInt, SubInt, MulInt, DivInt, ModInt,
    AddDouble, SubDouble, MulDouble, DivDouble,
    Concat,
    // timestamp + duration (in this order of arguments), timestamp - duration, timestamp - timestamp
    AddTimestampDuration, SubTimestampDuration, SubTimestamp,
    AddDuration, SubDuration,
    // Eq..Ge on words: int, bool, timestamp, duration
    EqInt, NeInt, LtInt, LeInt, GtInt, GeInt,
    EqDouble, NeDouble, LtDouble, LeDouble, GtDouble, GeDouble,
    EqString, NeString, LtString, LeString, GtString, GeString,
    // conversions
    IntToDouble, DoubleToInt, StringToInt, StringToDouble, StringToBool, TimestampToInt, IntToTimestamp,
    StringToTimestamp, StringToDuration,
    IntToString, DoubleToString, BoolToString, TimestampToString, DurationToString,
    // strings; Size counts code points; Matches takes (text, pattern)
    Size, Contains, StartsWith, EndsWith, Matches,
    // numbers; MinInt etc. also serve timestamps and durations
    MinInt, MaxInt, MinDouble, MaxDouble, MinString, MaxString,
    Floor, Ceil, Round, RoundDigits, AbsInt, AbsDouble, UnixMs,
    // parts of a timestamp in a zone: (timestamp, zone string); the plain form has zone "UTC"
    FullYear, Month, Date, DayOfMonth, DayOfWeek, DayOfYear, Hours, Minutes, Seconds, Milliseconds,
    // parts of a duration
    DurationHours, DurationMinutes, DurationSeconds, DurationMilliseconds,
}
