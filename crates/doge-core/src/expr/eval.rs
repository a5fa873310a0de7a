//! A plain tree walker: slow and obviously right.
//!
//! It folds constants, is the reference that the engine's bytecode is tested against, and is what the
//! oracle test holds against CEL. It is not what runs: see [`crate::engine`].

use super::draws;
use super::func::{self, EvalError, Part, TextBuf, Zone};
use super::typed::{Draw, Op, TExpr, TKind};
use crate::dist::Call;
use crate::draw::{ScopeKey, StepKey};
use crate::value::Value;
use std::cmp::Ordering;

/// What an expression sees.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// `id`.
    pub id: i64,
    /// `seq`.
    pub seq: i64,
    /// `timestamp`, milliseconds since the epoch.
    pub time_ms: i64,
    /// `event_id`.
    pub event_id: &'a str,
    /// Attributes by index.
    pub attrs: &'a [Value],
    /// Their values before the transition.
    pub old: &'a [Value],
    /// `let`s by index.
    pub lets: &'a [Value],
    /// The key of the attempt's draws.
    pub step: StepKey,
    /// Values of [`TKind::Bind`]; empty to begin with.
    pub locals: Vec<Option<Value>>,
}

impl Default for Scope<'_> {
    /// Sees nothing: for constants.
    fn default() -> Self {
        Scope {
            id: 0,
            seq: 0,
            time_ms: 0,
            event_id: "",
            attrs: &[],
            old: &[],
            lets: &[],
            step: ScopeKey::population(0, "").subject(0).step(0),
            locals: Vec::new(),
        }
    }
}

/// The value of an expression.
///
/// # Errors
/// Overflow, division by zero, text that cannot be read, an index outside a list, parameters outside
/// a random function's domain. [`EvalError::Untyped`] only for a tree that `check` did not make.
pub fn eval(e: &TExpr, scope: &mut Scope) -> Result<Value, EvalError> {
    match &e.kind {
        TKind::Const(v) => Ok(v.clone()),
        TKind::Attr(i) => slot(scope.attrs, *i),
        TKind::Old(i) => slot(scope.old, *i),
        TKind::Let(i) => slot(scope.lets, *i),
        TKind::Id => Ok(Value::Int(scope.id)),
        TKind::Seq => Ok(Value::Int(scope.seq)),
        TKind::Time => Ok(Value::Timestamp(scope.time_ms)),
        TKind::EventId => Ok(Value::String(scope.event_id.to_owned())),
        TKind::Op(op, args) => {
            let args = args.iter().map(|a| eval(a, scope)).collect::<Result<Vec<_>, _>>()?;
            apply(*op, &args)
        }
        TKind::And(a, b) => Ok(Value::Bool(truth(a, scope)? && truth(b, scope)?)),
        TKind::Or(a, b) => Ok(Value::Bool(truth(a, scope)? || truth(b, scope)?)),
        TKind::If(c, a, b) => {
            if truth(c, scope)? {
                eval(a, scope)
            } else {
                eval(b, scope)
            }
        }
        TKind::IsNull(a) => Ok(Value::Bool(eval(a, scope)? == Value::Null)),
        TKind::Coalesce(a, b) => match eval(a, scope)? {
            Value::Null => eval(b, scope),
            v => Ok(v),
        },
        TKind::Widen(a) => eval(a, scope),
        TKind::Select(i, items) => {
            let Value::Int(i) = eval(i, scope)? else {
                return Err(EvalError::Untyped);
            };
            let item = usize::try_from(i)
                .ok()
                .and_then(|i| items.get(i))
                .ok_or(EvalError::Index(i, items.len()))?;
            eval(item, scope)
        }
        TKind::Bind { slot, value, body } => {
            let value = eval(value, scope)?;
            if scope.locals.len() <= *slot {
                scope.locals.resize(*slot + 1, None);
            }
            scope.locals[*slot] = Some(value);
            eval(body, scope)
        }
        TKind::Local(slot) => scope.locals.get(*slot).cloned().flatten().ok_or(EvalError::Untyped),
        TKind::Draw { draw, site, args } => self::draw(*draw, *site, args, scope),
    }
}

fn slot(values: &[Value], i: usize) -> Result<Value, EvalError> {
    values.get(i).cloned().ok_or(EvalError::Untyped)
}

fn truth(e: &TExpr, scope: &mut Scope) -> Result<bool, EvalError> {
    match eval(e, scope)? {
        Value::Bool(b) => Ok(b),
        _ => Err(EvalError::Untyped),
    }
}

fn draw(draw: Draw, site: u64, args: &[TExpr], scope: &mut Scope) -> Result<Value, EvalError> {
    let call = Call { key: scope.step, site };
    match draw {
        Draw::Choice => {
            let i = draws::choice_index(call, args.len())?;
            eval(&args[i], scope)
        }
        Draw::Weighted => {
            let mut weights = Vec::with_capacity(args.len() / 2);
            for weight in args.iter().step_by(2) {
                let Value::Double(w) = eval(weight, scope)? else {
                    return Err(EvalError::Untyped);
                };
                weights.push(w);
            }
            let i = draws::weighted_index(call, &weights)?;
            eval(&args[2 * i + 1], scope)
        }
        _ => {
            let args = args.iter().map(|a| eval(a, scope)).collect::<Result<Vec<_>, _>>()?;
            draws::draw_value(draw, call, &args)
        }
    }
}

/// A strict operation on its arguments.
///
/// # Errors
/// As [`eval`].
pub fn apply(op: Op, args: &[Value]) -> Result<Value, EvalError> {
    use Value::{Bool, Double, Duration, Int, String, Timestamp};
    let mut buf = TextBuf::new();
    Ok(match (op, args) {
        (Op::NegInt, [Int(a)]) => Int(func::neg_int(*a)?),
        (Op::NegDouble, [Double(a)]) => Double(-a),
        (Op::Not, [Bool(a)]) => Bool(!a),
        (Op::AddInt, [Int(a), Int(b)]) => Int(func::add_int(*a, *b)?),
        (Op::SubInt, [Int(a), Int(b)]) => Int(func::sub_int(*a, *b)?),
        (Op::MulInt, [Int(a), Int(b)]) => Int(func::mul_int(*a, *b)?),
        (Op::DivInt, [Int(a), Int(b)]) => Int(func::div_int(*a, *b)?),
        (Op::ModInt, [Int(a), Int(b)]) => Int(func::rem_int(*a, *b)?),
        (Op::AddDouble, [Double(a), Double(b)]) => Double(a + b),
        (Op::SubDouble, [Double(a), Double(b)]) => Double(a - b),
        (Op::MulDouble, [Double(a), Double(b)]) => Double(a * b),
        (Op::DivDouble, [Double(a), Double(b)]) => Double(a / b),
        (Op::Concat, [String(a), String(b)]) => {
            func::check_concat(a.len(), b.len())?;
            String([a.as_str(), b].concat())
        }
        (Op::AddTimestampDuration, [Timestamp(t), Duration(d)]) => {
            Timestamp(func::add_timestamp(*t, *d)?)
        }
        (Op::SubTimestampDuration, [Timestamp(t), Duration(d)]) => {
            Timestamp(func::sub_timestamp_duration(*t, *d)?)
        }
        (Op::SubTimestamp, [Timestamp(a), Timestamp(b)]) => Duration(func::sub_timestamp(*a, *b)),
        (Op::AddDuration, [Duration(a), Duration(b)]) => Duration(func::add_duration(*a, *b)?),
        (Op::SubDuration, [Duration(a), Duration(b)]) => Duration(func::sub_duration(*a, *b)?),
        (Op::EqDouble, [Double(a), Double(b)]) => Bool(a == b),
        (Op::NeDouble, [Double(a), Double(b)]) => Bool(a != b),
        (Op::LtDouble, [Double(a), Double(b)]) => Bool(a < b),
        (Op::LeDouble, [Double(a), Double(b)]) => Bool(a <= b),
        (Op::GtDouble, [Double(a), Double(b)]) => Bool(a > b),
        (Op::GeDouble, [Double(a), Double(b)]) => Bool(a >= b),
        (Op::EqInt | Op::EqString, [a, b]) => Bool(order(a, b)?.is_eq()),
        (Op::NeInt | Op::NeString, [a, b]) => Bool(order(a, b)?.is_ne()),
        (Op::LtInt | Op::LtString, [a, b]) => Bool(order(a, b)?.is_lt()),
        (Op::LeInt | Op::LeString, [a, b]) => Bool(order(a, b)?.is_le()),
        (Op::GtInt | Op::GtString, [a, b]) => Bool(order(a, b)?.is_gt()),
        (Op::GeInt | Op::GeString, [a, b]) => Bool(order(a, b)?.is_ge()),
        (Op::IntToDouble, [Int(a)]) => Double(*a as f64),
        (Op::DoubleToInt, [Double(a)]) => Int(func::double_to_int(*a)?),
        (Op::StringToInt, [String(a)]) => Int(func::string_to_int(a)?),
        (Op::StringToDouble, [String(a)]) => Double(func::string_to_double(a)?),
        (Op::StringToBool, [String(a)]) => Bool(func::string_to_bool(a)?),
        (Op::TimestampToInt, [Timestamp(t)]) => Int(func::timestamp_to_int(*t)),
        (Op::IntToTimestamp, [Int(s)]) => Timestamp(func::int_to_timestamp(*s)?),
        (Op::StringToTimestamp, [String(a)]) => Timestamp(func::parse_timestamp(a)?),
        (Op::StringToDuration, [String(a)]) => Duration(func::parse_duration(a)?),
        (Op::IntToString, [Int(a)]) => String(func::int_text(*a, &mut buf).to_owned()),
        (Op::DoubleToString, [Double(a)]) => String(func::double_text(*a, &mut buf).to_owned()),
        (Op::BoolToString, [Bool(a)]) => String(if *a { "true" } else { "false" }.to_owned()),
        (Op::TimestampToString, [Timestamp(t)]) => {
            String(func::timestamp_text(*t, &mut buf).to_owned())
        }
        (Op::DurationToString, [Duration(d)]) => {
            String(func::duration_text(*d, &mut buf).to_owned())
        }
        (Op::Size, [String(a)]) => Int(func::size(a)),
        (Op::Contains, [String(a), String(b)]) => Bool(a.contains(b.as_str())),
        (Op::StartsWith, [String(a), String(b)]) => Bool(a.starts_with(b.as_str())),
        (Op::EndsWith, [String(a), String(b)]) => Bool(a.ends_with(b.as_str())),
        (Op::Matches, [String(a), String(b)]) => Bool(func::pattern(b)?.is_match(a)),
        (Op::MinInt | Op::MinString, [a, b]) => if order(b, a)?.is_lt() { b } else { a }.clone(),
        (Op::MaxInt | Op::MaxString, [a, b]) => if order(b, a)?.is_gt() { b } else { a }.clone(),
        (Op::MinDouble, [Double(a), Double(b)]) => Double(func::min_double(*a, *b)),
        (Op::MaxDouble, [Double(a), Double(b)]) => Double(func::max_double(*a, *b)),
        (Op::Floor, [Double(a)]) => Double(func::floor(*a)),
        (Op::Ceil, [Double(a)]) => Double(func::ceil(*a)),
        (Op::Round, [Double(a)]) => Double(func::round(*a)),
        (Op::RoundDigits, [Double(a), Int(d)]) => Double(func::round_digits(*a, *d)),
        (Op::AbsInt, [Int(a)]) => Int(func::abs_int(*a)?),
        (Op::AbsDouble, [Double(a)]) => Double(a.abs()),
        (Op::UnixMs, [Timestamp(t)]) => Int(*t),
        (_, [Timestamp(t), String(zone)]) => match part(op) {
            Some(part) => Int(Zone::new(zone)?.part(part, *t)),
            None => return Err(EvalError::Untyped),
        },
        (Op::DurationHours, [Duration(d)]) => Int(d / 3_600_000),
        (Op::DurationMinutes, [Duration(d)]) => Int(d / 60_000),
        (Op::DurationSeconds, [Duration(d)]) => Int(d / 1000),
        (Op::DurationMilliseconds, [Duration(d)]) => Int(*d),
        _ => return Err(EvalError::Untyped),
    })
}

/// The part of a timestamp that an operation reads.
pub fn part(op: Op) -> Option<Part> {
    Some(match op {
        Op::FullYear => Part::FullYear,
        Op::Month => Part::Month,
        Op::Date => Part::Date,
        Op::DayOfMonth => Part::DayOfMonth,
        Op::DayOfWeek => Part::DayOfWeek,
        Op::DayOfYear => Part::DayOfYear,
        Op::Hours => Part::Hours,
        Op::Minutes => Part::Minutes,
        Op::Seconds => Part::Seconds,
        Op::Milliseconds => Part::Milliseconds,
        _ => return None,
    })
}

/// The order of two values of one type that is not double; text by code points.
fn order(a: &Value, b: &Value) -> Result<Ordering, EvalError> {
    match (a, b) {
        (Value::Int(a), Value::Int(b))
        | (Value::Timestamp(a), Value::Timestamp(b))
        | (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        _ => Err(EvalError::Untyped),
    }
}
