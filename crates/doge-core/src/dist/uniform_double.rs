//! The uniform distribution over doubles.

use super::{ArgError, Call, FINITE, unit};

/// `uniform(a, b)` of two doubles: uniform in `[a, b)`, density `1 / (b - a)`.
///
/// The map is `a + u * (b - a)`, `u` being the top 53 bits of word 0 over 2^53, and where that
/// rounds to `b` or above, the largest double below `b`. Equal ends give `a`. Where `b - a` is
/// beyond the doubles the map is `2 * (a/2 + u * (b/2 - a/2))`.
///
/// ```
/// use doge_core::{dist::{Call, UniformDouble}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let x = UniformDouble::new(0.5, 0.75)?.sample(call);
/// assert!((0.5..0.75).contains(&x));
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UniformDouble {
    low: f64,
    width: f64,
    /// The largest value.
    last: f64,
    /// 1, or 2 where `low` and `width` are halved.
    factor: f64,
}

impl UniformDouble {
    /// # Errors
    /// An end that is not finite; `a` above `b`.
    pub fn new(a: f64, b: f64) -> Result<Self, ArgError> {
        if !(a.is_finite() && b.is_finite()) {
            return Err(ArgError::doubles("uniform", &[a, b], FINITE));
        }
        if a > b {
            return Err(ArgError::doubles(
                "uniform",
                &[a, b],
                "the first end must not be above the second",
            ));
        }
        let last = if a < b { b.next_down() } else { a };
        let width = b - a;
        Ok(if width.is_finite() {
            UniformDouble {
                low: a,
                width,
                last,
                factor: 1.0,
            }
        } else {
            UniformDouble {
                low: a / 2.0,
                width: b / 2.0 - a / 2.0,
                last,
                factor: 2.0,
            }
        })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> f64 {
        let x = (self.low + unit(call.word(0)) * self.width) * self.factor;
        if x < self.last { x } else { self.last }
    }

    /// `(a + b) / 2`.
    pub fn mean(&self) -> f64 {
        (self.low + self.width / 2.0) * self.factor
    }

    /// `(b - a)^2 / 12`.
    pub fn variance(&self) -> f64 {
        let width = self.width * self.factor;
        width * width / 12.0
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if self.width == 0.0 {
            return f64::from(u8::from(x >= self.low));
        }
        ((x / self.factor - self.low) / self.width).clamp(0.0, 1.0)
    }
}
