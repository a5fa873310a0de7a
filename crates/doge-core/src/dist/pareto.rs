//! The Pareto distribution.

use super::{ArgError, Call, FINITE};
use crate::log::ln_unit;

/// `pareto(min, alpha)`: density `alpha min^alpha / x^(alpha + 1)` for `x >= min`.
///
/// The map is `min * exp(-L / alpha)`, `L = ln((w + 1) / 2^64)` of word 0 by [`ln_unit`]. A value is
/// infinite where `-L / alpha` is above about 709 (`alpha` below 0.063), or the product is beyond
/// the doubles.
///
/// ```
/// use doge_core::{dist::{Call, Pareto}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Pareto::new(10.0, 1.16)?.sample(call) >= 10.0);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pareto {
    min: f64,
    alpha: f64,
}

impl Pareto {
    /// # Errors
    /// An argument that is not finite or not above 0.
    pub fn new(min: f64, alpha: f64) -> Result<Self, ArgError> {
        let error = |rule| Err(ArgError::doubles("pareto", &[min, alpha], rule));
        if !(min.is_finite() && alpha.is_finite()) {
            return error(FINITE);
        }
        if min <= 0.0 {
            return error("the minimum must be above 0");
        }
        if alpha <= 0.0 {
            return error("alpha must be above 0");
        }
        Ok(Pareto { min, alpha })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> f64 {
        self.min * libm::exp((0.0 - ln_unit(call.word(0))) / self.alpha)
    }

    /// `alpha min / (alpha - 1)`; infinite for `alpha` up to 1.
    pub fn mean(&self) -> f64 {
        if self.alpha > 1.0 {
            self.alpha * self.min / (self.alpha - 1.0)
        } else {
            f64::INFINITY
        }
    }

    /// `alpha min^2 / ((alpha - 1)^2 (alpha - 2))`; infinite for `alpha` up to 2.
    pub fn variance(&self) -> f64 {
        let a = self.alpha;
        if a > 2.0 {
            a * self.min * self.min / ((a - 1.0) * (a - 1.0) * (a - 2.0))
        } else {
            f64::INFINITY
        }
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if x < self.min {
            0.0
        } else {
            -libm::expm1(-self.alpha * libm::log(x / self.min))
        }
    }
}
