//! Operations on words: the bridge from registers to the functions of the expression language.
//!
//! Everything here is out of the inner loop's line; what is frequent has an instruction of its own.

use super::text::Texts;
use super::vm::Strings;
use crate::batch::CONST_TAG;
use crate::dist::{self, Call};
use crate::expr::func::{self, EvalError, Part, TextBuf, Zone};
use crate::expr::typed::{Draw, Op};
use crate::value::{Base, Ty};

/// `d = op(a, b)`; `b` means nothing to unary ones.
///
/// # Errors
/// As the function of the language.
#[inline(never)]
pub fn apply(op: Op, a: u64, b: u64, strings: &mut Strings<'_>) -> Result<u64, EvalError> {
    let (ia, ib) = (a as i64, b as i64);
    let (fa, fb) = (f64::from_bits(a), f64::from_bits(b));
    let int = |v: i64| Ok(v as u64);
    let double = |v: f64| Ok(v.to_bits());
    let truth = |v: bool| Ok(u64::from(v));
    let texts = strings.texts();
    match op {
        Op::NegInt => func::neg_int(ia).map(|v| v as u64),
        Op::NegDouble => double(-fa),
        Op::Not => truth(a == 0),
        Op::AddInt => func::add_int(ia, ib).map(|v| v as u64),
        Op::SubInt => func::sub_int(ia, ib).map(|v| v as u64),
        Op::MulInt => func::mul_int(ia, ib).map(|v| v as u64),
        Op::DivInt => func::div_int(ia, ib).map(|v| v as u64),
        Op::ModInt => func::rem_int(ia, ib).map(|v| v as u64),
        Op::AddDouble => double(fa + fb),
        Op::SubDouble => double(fa - fb),
        Op::MulDouble => double(fa * fb),
        Op::DivDouble => double(fa / fb),
        Op::Concat => {
            func::check_concat(texts.get(a).len(), texts.get(b).len())?;
            strings.scratch.concat(strings.constants, strings.heap, a, b)
        }
        Op::AddTimestampDuration => func::add_timestamp(ia, ib).map(|v| v as u64),
        Op::SubTimestampDuration => func::sub_timestamp_duration(ia, ib).map(|v| v as u64),
        Op::SubTimestamp => int(func::sub_timestamp(ia, ib)),
        Op::AddDuration => func::add_duration(ia, ib).map(|v| v as u64),
        Op::SubDuration => func::sub_duration(ia, ib).map(|v| v as u64),
        Op::EqInt => truth(ia == ib),
        Op::NeInt => truth(ia != ib),
        Op::LtInt => truth(ia < ib),
        Op::LeInt => truth(ia <= ib),
        Op::GtInt => truth(ia > ib),
        Op::GeInt => truth(ia >= ib),
        Op::EqDouble => truth(fa == fb),
        Op::NeDouble => truth(fa != fb),
        Op::LtDouble => truth(fa < fb),
        Op::LeDouble => truth(fa <= fb),
        Op::GtDouble => truth(fa > fb),
        Op::GeDouble => truth(fa >= fb),
        Op::EqString => truth(texts.get(a) == texts.get(b)),
        Op::NeString => truth(texts.get(a) != texts.get(b)),
        Op::LtString => truth(texts.get(a) < texts.get(b)),
        Op::LeString => truth(texts.get(a) <= texts.get(b)),
        Op::GtString => truth(texts.get(a) > texts.get(b)),
        Op::GeString => truth(texts.get(a) >= texts.get(b)),
        Op::IntToDouble => double(ia as f64),
        Op::DoubleToInt => func::double_to_int(fa).map(|v| v as u64),
        Op::StringToInt => func::string_to_int(texts.get(a)).map(|v| v as u64),
        Op::StringToDouble => func::string_to_double(texts.get(a)).map(f64::to_bits),
        Op::StringToBool => func::string_to_bool(texts.get(a)).map(u64::from),
        Op::TimestampToInt => int(func::timestamp_to_int(ia)),
        Op::IntToTimestamp => func::int_to_timestamp(ia).map(|v| v as u64),
        Op::StringToTimestamp => func::parse_timestamp(texts.get(a)).map(|v| v as u64),
        Op::StringToDuration => func::parse_duration(texts.get(a)).map(|v| v as u64),
        Op::IntToString => {
            let mut buf = TextBuf::new();
            strings.scratch.make(|out| out.push_str(func::int_text(ia, &mut buf)))
        }
        Op::DoubleToString => {
            let mut buf = TextBuf::new();
            strings.scratch.make(|out| out.push_str(func::double_text(fa, &mut buf)))
        }
        Op::BoolToString => {
            strings.scratch.make(|out| out.push_str(if a != 0 { "true" } else { "false" }))
        }
        Op::TimestampToString => {
            let mut buf = TextBuf::new();
            strings.scratch.make(|out| out.push_str(func::timestamp_text(ia, &mut buf)))
        }
        Op::DurationToString => {
            let mut buf = TextBuf::new();
            strings.scratch.make(|out| out.push_str(func::duration_text(ia, &mut buf)))
        }
        Op::Size => int(func::size(texts.get(a))),
        Op::Contains => truth(texts.get(a).contains(texts.get(b))),
        Op::StartsWith => truth(texts.get(a).starts_with(texts.get(b))),
        Op::EndsWith => truth(texts.get(a).ends_with(texts.get(b))),
        Op::Matches => func::pattern(texts.get(b)).map(|p| u64::from(p.is_match(texts.get(a)))),
        Op::MinInt => int(ia.min(ib)),
        Op::MaxInt => int(ia.max(ib)),
        Op::MinDouble => double(func::min_double(fa, fb)),
        Op::MaxDouble => double(func::max_double(fa, fb)),
        Op::MinString => Ok(if texts.get(b) < texts.get(a) { b } else { a }),
        Op::MaxString => Ok(if texts.get(b) > texts.get(a) { b } else { a }),
        Op::Floor => double(func::floor(fa)),
        Op::Ceil => double(func::ceil(fa)),
        Op::Round => double(func::round(fa)),
        Op::RoundDigits => double(func::round_digits(fa, ib)),
        Op::AbsInt => func::abs_int(ia).map(|v| v as u64),
        Op::AbsDouble => double(libm::fabs(fa)),
        Op::UnixMs => int(ia),
        Op::FullYear
        | Op::Month
        | Op::Date
        | Op::DayOfMonth
        | Op::DayOfWeek
        | Op::DayOfYear
        | Op::Hours
        | Op::Minutes
        | Op::Seconds
        | Op::Milliseconds => {
            let zone = Zone::new(texts.get(b))?;
            part(op).map_or(Err(EvalError::Untyped), |p| int(zone.part(p, ia)))
        }
        Op::DurationHours => int(ia / 3_600_000),
        Op::DurationMinutes => int(ia / 60_000),
        Op::DurationSeconds => int(ia / 1000),
        Op::DurationMilliseconds => int(ia),
    }
}

/// The part of a timestamp that an operation takes.
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

/// A draw whose arguments are words: the value, or the index for `choice` and `weighted`.
///
/// # Errors
/// Arguments outside the function's domain.
#[inline(never)]
pub fn sample_args(draw: Draw, call: Call, args: &[u64]) -> Result<u64, EvalError> {
    let int = |i: usize| args.get(i).copied().unwrap_or(0) as i64;
    let double = |i: usize| f64::from_bits(args.get(i).copied().unwrap_or(0));
    Ok(match draw {
        Draw::UniformInt => dist::UniformInt::new(int(0), int(1))?.sample(call) as u64,
        Draw::UniformDouble => {
            dist::UniformDouble::new(double(0), double(1))?.sample(call).to_bits()
        }
        Draw::Chance => u64::from(dist::Chance::new(double(0))?.sample(call)),
        Draw::Normal => dist::Normal::new(double(0), double(1))?.sample(call).to_bits(),
        Draw::Lognormal => dist::Lognormal::new(double(0), double(1))?.sample(call).to_bits(),
        Draw::Exponential => dist::Exponential::new(double(0))?.sample(call).to_bits(),
        Draw::Pareto => dist::Pareto::new(double(0), double(1))?.sample(call).to_bits(),
        Draw::Poisson => dist::Poisson::new(double(0))?.sample(call) as u64,
        Draw::Zipf => dist::Zipf::new(int(0), double(1))?.sample(call) as u64,
        Draw::Choice => dist::Choice::new(args.len())?.sample(call) as u64,
        Draw::Weighted => {
            let weights: Vec<f64> = args.iter().map(|w| f64::from_bits(*w)).collect();
            dist::Weighted::sample_once(&weights, call)? as u64
        }
        Draw::Uuid => return Err(EvalError::Untyped),
    })
}

/// A value as text, for reports.
pub fn show(ty: Ty, word: u64, null: bool, strings: &Strings<'_>) -> String {
    if null {
        return "null".into();
    }
    let mut buf = TextBuf::new();
    match ty.base {
        Base::Int => func::int_text(word as i64, &mut buf).into(),
        Base::Double => func::double_text(f64::from_bits(word), &mut buf).into(),
        Base::Bool => (word != 0).to_string(),
        Base::Timestamp => func::timestamp_text(word as i64, &mut buf).into(),
        Base::Duration => func::duration_text(word as i64, &mut buf).into(),
        Base::String => {
            let texts: Texts<'_> = strings.texts();
            // A string attribute that was never made has no handle yet.
            if word == 0 && strings.scratch.mark() == 0 && word & CONST_TAG == 0 {
                return String::new();
            }
            format!("'{}'", texts.get(word))
        }
    }
}
