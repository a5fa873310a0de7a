//! The lognormal distribution.

use super::{ArgError, Call, FINITE, normal, special};

/// `lognormal(median, sigma)`: the logarithm is normal with mean `ln(median)` and standard deviation
/// `sigma`; density `exp(-ln(x / median)^2 / (2 sigma^2)) / (x sigma sqrt(2 pi))`.
///
/// The map is `median * exp(sigma * z)` with the `z` of [`Normal`](super::Normal). A value is
/// infinite where `sigma * z` is above about 709 (`sigma` above 77), or the product is beyond the
/// doubles.
///
/// ```
/// use doge_core::{dist::{Call, Lognormal}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Lognormal::new(40.0, 0.6)?.sample(call) > 0.0);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lognormal {
    median: f64,
    sigma: f64,
}

impl Lognormal {
    /// # Errors
    /// An argument that is not finite; `median` not above 0; `sigma` below 0.
    pub fn new(median: f64, sigma: f64) -> Result<Self, ArgError> {
        let error = |rule| Err(ArgError::doubles("lognormal", &[median, sigma], rule));
        if !(median.is_finite() && sigma.is_finite()) {
            return error(FINITE);
        }
        if median <= 0.0 {
            return error("the median must be above 0");
        }
        if sigma < 0.0 {
            return error("sigma must not be negative");
        }
        Ok(Lognormal { median, sigma })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> f64 {
        self.median * libm::exp(self.sigma * normal::standard(call.word(0)))
    }

    /// `median * exp(sigma^2 / 2)`.
    pub fn mean(&self) -> f64 {
        self.median * libm::exp(self.sigma * self.sigma / 2.0)
    }

    /// `mean^2 * (exp(sigma^2) - 1)`.
    pub fn variance(&self) -> f64 {
        self.mean() * self.mean() * libm::expm1(self.sigma * self.sigma)
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if x <= 0.0 {
            0.0
        } else if self.sigma == 0.0 {
            f64::from(u8::from(x >= self.median))
        } else {
            special::normal_cdf(libm::log(x / self.median) / self.sigma)
        }
    }
}
