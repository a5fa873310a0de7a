//! From a random call with evaluated arguments to its value, and the judgement of constant ones.
//! The laws themselves are [`crate::dist`]'s; this is where the language meets them.

use super::func::EvalError;
use super::typed::Draw;
use crate::dist::{
    ArgError, Call, Chance, Choice, Exponential, Lognormal, Normal, Pareto, Poisson, UniformDouble,
    UniformInt, Uuid, Weighted, Zipf,
};
use crate::value::Value;

/// The value of a random call whose arguments are all evaluated: all but `choice` and `weighted`.
///
/// # Errors
/// Arguments outside the function's domain.
pub fn draw_value(draw: Draw, call: Call, args: &[Value]) -> Result<Value, EvalError> {
    use Value::{Bool, Double, Int, String};
    Ok(match (draw, args) {
        (Draw::UniformInt, [Int(a), Int(b)]) => Int(UniformInt::new(*a, *b)?.sample(call)),
        (Draw::UniformDouble, [Double(a), Double(b)]) => {
            Double(UniformDouble::new(*a, *b)?.sample(call))
        }
        (Draw::Chance, [Double(p)]) => Bool(Chance::new(*p)?.sample(call)),
        (Draw::Normal, [Double(a), Double(b)]) => Double(Normal::new(*a, *b)?.sample(call)),
        (Draw::Lognormal, [Double(a), Double(b)]) => Double(Lognormal::new(*a, *b)?.sample(call)),
        (Draw::Exponential, [Double(a)]) => Double(Exponential::new(*a)?.sample(call)),
        (Draw::Pareto, [Double(a), Double(b)]) => Double(Pareto::new(*a, *b)?.sample(call)),
        (Draw::Poisson, [Double(a)]) => Int(Poisson::new(*a)?.sample(call)),
        (Draw::Zipf, [Int(n), Double(s)]) => Int(Zipf::new(*n, *s)?.sample(call)),
        (Draw::Uuid, []) => String(Uuid.sample(call).iter().map(|b| char::from(*b)).collect()),
        _ => return Err(EvalError::Untyped),
    })
}

/// Which of `n` values `choice` takes.
///
/// # Errors
/// No value to choose from.
pub fn choice_index(call: Call, n: usize) -> Result<usize, EvalError> {
    Ok(Choice::new(n)?.sample(call))
}

/// Which value `weighted` takes, by their weights.
///
/// # Errors
/// A weight that is negative or not finite; all of them 0.
pub fn weighted_index(call: Call, weights: &[f64]) -> Result<usize, EvalError> {
    Ok(Weighted::sample_once(weights, call)?)
}

/// Judges the constant arguments of a call, `None` standing for one that is not constant: an error
/// here is one for every value of the others.
pub(super) fn judge(draw: Draw, args: &[Option<&Value>]) -> Result<(), ArgError> {
    if args.iter().all(Option::is_none) {
        return Ok(());
    }
    // What is not known is taken as 1, which no rule refuses by itself.
    let double = |i: usize| match args.get(i) {
        Some(Some(Value::Double(v))) => *v,
        _ => 1.0,
    };
    let int = |i: usize| match args.get(i) {
        Some(Some(Value::Int(v))) => *v,
        _ => 1,
    };
    let known = args.iter().all(Option::is_some);
    match draw {
        Draw::UniformInt if known => UniformInt::new(int(0), int(1)).map(drop),
        Draw::UniformDouble if known => UniformDouble::new(double(0), double(1)).map(drop),
        Draw::Chance => Chance::new(double(0)).map(drop),
        Draw::Normal => Normal::new(double(0), double(1)).map(drop),
        Draw::Lognormal => Lognormal::new(double(0), double(1)).map(drop),
        Draw::Exponential => Exponential::new(double(0)).map(drop),
        Draw::Pareto => Pareto::new(double(0), double(1)).map(drop),
        Draw::Poisson => Poisson::new(double(0)).map(drop),
        Draw::Zipf => Zipf::new(int(0), double(1)).map(drop),
        Draw::Weighted if known => {
            Weighted::new(&(0..args.len()).map(double).collect::<Vec<_>>()).map(drop)
        }
        _ => Ok(()),
    }
}
