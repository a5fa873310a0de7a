//! The uniform distribution over ints.

use super::{ArgError, Call};

/// `uniform(a, b)` of two ints: each of `a..=b` with probability `1 / n`, `n = b - a + 1`.
///
/// The map is `a + floor(w * n / 2^64)` of word 0 (Lemire, "Fast random integer generation in an
/// interval", ACM TOMACS 29, 2019, without the rejection). A value has `2^64 / n` words, rounded
/// down or up, so that a probability is off by less than `2^-64`: relatively by less than `n / 2^64`.
/// The whole range of ints is allowed.
///
/// ```
/// use doge_core::{dist::{Call, UniformInt}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let die = UniformInt::new(1, 6)?;
/// assert!((1..=6).contains(&die.sample(call)));
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniformInt {
    low: i64,
    /// `n - 1`, so that 2^64 values fit.
    width: u64,
}

impl UniformInt {
    /// # Errors
    /// `a` above `b`.
    pub fn new(a: i64, b: i64) -> Result<Self, ArgError> {
        if a > b {
            let args = [a.to_string(), b.to_string()];
            return Err(ArgError::new(
                "uniform",
                &args,
                "the first end must not be above the second",
            ));
        }
        Ok(UniformInt {
            low: a,
            width: b.abs_diff(a),
        })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> i64 {
        let w = u128::from(call.word(0));
        // w * n without a special case for n = 2^64.
        let offset = ((w * u128::from(self.width) + w) >> 64) as u64;
        self.low.wrapping_add_unsigned(offset)
    }

    /// `(a + b) / 2`.
    pub fn mean(&self) -> f64 {
        self.low as f64 + self.width as f64 / 2.0
    }

    /// `(n^2 - 1) / 12`.
    pub fn variance(&self) -> f64 {
        let n = self.width as f64 + 1.0;
        (n * n - 1.0) / 12.0
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        ((x.floor() - self.low as f64 + 1.0) / (self.width as f64 + 1.0)).clamp(0.0, 1.0)
    }
}
