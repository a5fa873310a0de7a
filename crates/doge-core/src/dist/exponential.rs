//! The exponential distribution.

use super::{ArgError, Call, FINITE};
use crate::log::ln_unit;

/// `exponential(mean)`: density `exp(-x / mean) / mean` for `x >= 0`.
///
/// The map is `mean * -L`, `L = ln((w + 1) / 2^64)` of word 0 by [`ln_unit`]: at most 44.4 means. A
/// mean of 0 gives 0. A value is infinite where 44.4 means are beyond the doubles.
///
/// ```
/// use doge_core::{dist::{Call, Exponential}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Exponential::new(3.0)?.sample(call) >= 0.0);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    mean: f64,
}

impl Exponential {
    /// # Errors
    /// A mean that is not finite or below 0.
    pub fn new(mean: f64) -> Result<Self, ArgError> {
        if !mean.is_finite() {
            return Err(ArgError::doubles("exponential", &[mean], FINITE));
        }
        if mean < 0.0 {
            return Err(ArgError::doubles(
                "exponential",
                &[mean],
                "the mean must not be negative",
            ));
        }
        Ok(Exponential { mean })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> f64 {
        // 0 - L, not -L: never a negative zero.
        self.mean * (0.0 - ln_unit(call.word(0)))
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// `mean^2`.
    pub fn variance(&self) -> f64 {
        self.mean * self.mean
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            0.0
        } else if self.mean == 0.0 {
            1.0
        } else {
            -libm::expm1(-x / self.mean)
        }
    }
}
