//! Random functions: from the words of a draw to values. One file each.
//!
//! Every distribution has the same shape: a checked constructor that refuses parameters outside its
//! domain with an [`ArgError`], and sampling that cannot fail. What it draws is a function of its
//! parameters and its [`Call`] alone; the maps are part of the law and frozen (they stand, with test
//! vectors, in `docs/reference/law.md`). `mean`, `variance` and `cdf` are those of the ideal
//! distribution, and what the tests hold the samples against.
//!
//! Arithmetic is IEEE `+ - * /` and square root on doubles, exact integers, [`crate::log`], and
//! `libm`; nothing whose last bit differs between machines.
//!
//! Not here: parsing, types of arguments, and which value an index of [`Choice`] or [`Weighted`]
//! stands for.

use std::fmt;

use crate::draw::StepKey;

pub(crate) mod special;

/// The place of one random call: its step's key and its site. It hands out words by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The attempt (or creation) that draws.
    pub key: StepKey,
    /// The site of the call, from [`crate::draw::call_site`] (or [`crate::draw::site`] for the wait
    /// and the choice).
    pub site: u64,
}

impl Call {
    /// Word `n` of the call, from 0.
    #[inline]
    pub const fn word(self, n: u64) -> u64 {
        self.key.nth(self.site, n)
    }
}

/// 2^-53: the spacing of [`unit`].
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// The top 53 bits of a word as a double in `[0, 1)`, exact.
#[inline]
const fn unit(w: u64) -> f64 {
    (w >> 11) as f64 * UNIT
}

/// The top 53 bits of a word as a double in `(0, 1]`, exact.
#[inline]
const fn unit_positive(w: u64) -> f64 {
    ((w >> 11) + 1) as f64 * UNIT
}

/// `floor(w * n / 2^64)`: one of `0..n`, each from `2^64 / n` words, rounded down or up.
#[inline]
const fn scale(w: u64, n: u64) -> u64 {
    ((w as u128 * n as u128) >> 64) as u64
}

/// Parameters outside the domain of a random function.
///
/// ```
/// use doge_core::dist::UniformInt;
/// let e = UniformInt::new(99, 10).unwrap_err();
/// assert_eq!(e.to_string(), "uniform(99, 10): the first end must not be above the second");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgError {
    call: String,
    rule: &'static str,
}

impl ArgError {
    #[cold]
    fn new(name: &str, args: &[String], rule: &'static str) -> Self {
        ArgError { call: format!("{name}({})", args.join(", ")), rule }
    }

    /// For functions of doubles.
    #[cold]
    fn doubles(name: &str, args: &[f64], rule: &'static str) -> Self {
        Self::new(name, &args.iter().map(|x| number(*x)).collect::<Vec<_>>(), rule)
    }

    /// For the probabilities of a state, in percent.
    #[cold]
    fn percents(percents: impl Iterator<Item = f64>) -> Self {
        let list: Vec<_> = percents.map(|p| number(p) + "%").collect();
        let rule =
            "a state's probabilities must not be negative and must not sum to more than 100%";
        ArgError { call: format!("probability {}", list.join(" + ")), rule }
    }

    /// The call as it was evaluated, such as `uniform(99, 10)`.
    pub fn call(&self) -> &str {
        &self.call
    }

    /// The rule that it breaks, a sentence without a full stop.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.rule)
    }
}

impl std::error::Error for ArgError {}

/// A double for people: as short as reads back the same, whole numbers without a point.
fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 || (1e-5..1e16).contains(&size) || !x.is_finite() {
        x.to_string()
    } else {
        format!("{x:e}")
    }
}

/// The rule that every function of doubles has.
const FINITE: &str = "arguments must be finite numbers";

/// What generic tests and later theory ask of any distribution over numbers.
pub trait Law: Send + Sync {
    /// One value; whole numbers as doubles.
    fn value(&self, call: Call) -> f64;
    /// The mean of the ideal distribution; infinite or NaN where there is none.
    fn mean(&self) -> f64;
    /// The variance of the ideal distribution; infinite or NaN where there is none.
    fn variance(&self) -> f64;
    /// The probability of a value of at most `x`.
    fn cdf(&self, x: f64) -> f64;
    /// Whether its values are whole numbers.
    fn is_discrete(&self) -> bool;
}

/// What the reference and `doge list` say of a random function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its call as written in a model, such as `normal(mean, sd)`.
    pub call: &'static str,
    /// The type of its values.
    pub result: &'static str,
    /// One line.
    pub summary: &'static str,
}

/// Values of distributions over numbers; true is 1.
trait Number {
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($ty:ty)*) => { $(impl Number for $ty { fn number(self) -> f64 { self as f64 } })* };
}

numbers!(i64 u64 usize f64);

impl Number for bool {
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// The list: one line makes a distribution's module, its name here, its [`Info`] and (for those over
/// numbers) its [`Law`], which brings it into the generic tests.
macro_rules! distributions {
    ($($kind:ident $file:ident::$name:ident, $call:literal -> $result:literal, $summary:literal;)*) => {
        $(mod $file; pub use $file::$name; distributions!(@law $kind $name);)*

        /// All random functions, in the order of the reference.
        pub const LIST: &[Info] = &[$(Info { call: $call, result: $result, summary: $summary }),*];
    };
    (@law continuous $name:ident) => { distributions!(@impl $name, false); };
    (@law discrete $name:ident) => { distributions!(@impl $name, true); };
    (@law text $name:ident) => {};
    (@impl $name:ident, $discrete:literal) => {
        impl Law for $name {
            fn value(&self, call: Call) -> f64 { self.sample(call).number() }
            fn mean(&self) -> f64 { $name::mean(self) }
            fn variance(&self) -> f64 { $name::variance(self) }
            fn cdf(&self, x: f64) -> f64 { $name::cdf(self, x) }
            fn is_discrete(&self) -> bool { $discrete }
        }
    };
}

distributions! {
    discrete uniform_int::UniformInt, "uniform(a, b)" -> "int", "of two ints: one of a..b, both ends included";
    continuous uniform_double::UniformDouble, "uniform(a, b)" -> "double", "of two doubles: in [a, b)";
    discrete chance::Chance, "chance(p)" -> "bool", "true with probability p, from 0 to 1";
    continuous normal::Normal, "normal(mean, sd)" -> "double", "the bell curve";
    continuous lognormal::Lognormal, "lognormal(median, sigma)" -> "double", "median * exp(normal(0, sigma)): prices, durations";
    continuous exponential::Exponential, "exponential(mean)" -> "double", "the time between independent arrivals";
    continuous pareto::Pareto, "pareto(min, alpha)" -> "double", "a power law: few large, many small";
    discrete poisson::Poisson, "poisson(mean)" -> "int", "how many independent arrivals";
    discrete zipf::Zipf, "zipf(n, s)" -> "int", "a rank in 1..n with probability as 1 / rank^s";
    discrete choice::Choice, "choice([...])" -> "the values' type", "one of the values, all equally likely";
    discrete weighted::Weighted, "weighted({value: weight, ...})" -> "the values' type", "one of the values, by weight";
    text uuid::Uuid, "uuid()" -> "string", "a random UUID, version 4";
}

mod geometric;
mod thresholds;

pub use geometric::{Geometric, NEVER};
pub use thresholds::Thresholds;

distributions!(@law discrete Geometric);
distributions!(@law discrete Thresholds);
