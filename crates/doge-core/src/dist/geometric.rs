//! The geometric distribution: the wait of the law.

use super::{ArgError, Call};
use crate::log::ln_unit;
use crate::model::PERCENT_100;

/// What [`Geometric::sample`] gives where no try ever succeeds. Other waits are below 2^53.
pub const NEVER: u64 = u64::MAX;

/// How many tries fail before the first that succeeds, each with probability `p`:
/// `P(g) = (1 - p)^g p`.
///
/// The map is `floor(L * inv)`, `L = ln((w + 1) / 2^64)` of word 0 by [`ln_unit`] and
/// `inv = 1 / log1p(-p)`. `p = 1` gives 0; `p` below 10^-14 counts as 0 and gives [`NEVER`].
///
/// ```
/// use doge_core::{dist::{Call, Geometric, NEVER}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(0), site: 7 };
/// assert_eq!(Geometric::new(1.0)?.sample(call), 0);
/// assert_eq!(Geometric::new(0.0)?.sample(call), NEVER);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometric {
    /// Not above 0, where there is a success at all; 1 where there is none.
    inv: f64,
    p: f64,
}

impl Geometric {
    /// # Errors
    /// `p` outside 0..1, or not a number.
    pub fn new(p: f64) -> Result<Self, ArgError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(ArgError::doubles(
                "geometric",
                &[p],
                "the probability must be from 0 to 1",
            ));
        }
        Ok(if p < 1e-14 {
            Geometric { inv: 1.0, p: 0.0 }
        } else {
            Geometric { inv: 1.0 / libm::log1p(-p), p }
        })
    }

    /// The wait of a state whose transitions' probabilities are all literal: `units` is their sum in
    /// units of 10^-12 percent, and `p` the nearest double to `units / 10^14`.
    ///
    /// # Errors
    /// `units` above [`PERCENT_100`].
    pub fn from_units(units: u64) -> Result<Self, ArgError> {
        // Both are exact doubles, so that the quotient is rounded once.
        if units > PERCENT_100 {
            return Err(ArgError::percents(std::iter::once(units as f64 / 1e12)));
        }
        Self::new(units as f64 / PERCENT_100 as f64)
    }

    /// The wait of a state with an expression among its probabilities: they are in percent, in file
    /// order, and so summed; `p` is `min(sum, 100) / 100`.
    ///
    /// # Errors
    /// One that is negative or not a number; a sum above 100 + 10^-9.
    pub fn from_percents(percents: &[f64]) -> Result<Self, ArgError> {
        let sum = percents.iter().fold(0.0, |sum, p| sum + p);
        // Written so that NaN fails.
        if !(percents.iter().all(|p| *p >= 0.0) && sum <= 100.0 + 1e-9) {
            return Err(ArgError::percents(percents.iter().copied()));
        }
        Self::new(sum.min(100.0) / 100.0)
    }

    /// One wait, or [`NEVER`].
    #[inline]
    pub fn sample(&self, call: Call) -> u64 {
        self.of_word(call.word(0))
    }

    /// The wait that the word `w` stands for, or [`NEVER`].
    #[inline]
    pub fn of_word(&self, w: u64) -> u64 {
        if self.inv > 0.0 {
            NEVER
        } else {
            // Below 2^53, and so an i64, to which the conversion is shorter.
            (ln_unit(w) * self.inv) as i64 as u64
        }
    }

    /// The probability of a success in one try; 0 where it counts as 0.
    pub fn p(&self) -> f64 {
        self.p
    }

    /// `(1 - p) / p`.
    pub fn mean(&self) -> f64 {
        (1.0 - self.p) / self.p
    }

    /// `(1 - p) / p^2`.
    pub fn variance(&self) -> f64 {
        (1.0 - self.p) / (self.p * self.p)
    }

    /// The probability of a wait of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { -libm::expm1((x.floor() + 1.0) * libm::log1p(-self.p)) }
    }
}
