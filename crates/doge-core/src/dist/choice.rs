//! The choice among equals.

use super::{ArgError, Call, scale};

/// `choice([...])`: an index in `0..n`, each with probability `1 / n`.
///
/// The map is `floor(w * n / 2^64)` of word 0; its bias is that of [`UniformInt`](super::UniformInt).
///
/// ```
/// use doge_core::{dist::{Call, Choice}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Choice::new(3)?.sample(call) < 3);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    n: usize,
}

impl Choice {
    /// # Errors
    /// `n = 0`.
    pub fn new(n: usize) -> Result<Self, ArgError> {
        if n == 0 {
            return Err(ArgError::new(
                "choice",
                &["[]".to_owned()],
                "the list must hold at least one value",
            ));
        }
        Ok(Choice { n })
    }

    /// One index.
    #[inline]
    pub fn sample(&self, call: Call) -> usize {
        scale(call.word(0), self.n as u64) as usize
    }

    /// The mean of the index, `(n - 1) / 2`.
    pub fn mean(&self) -> f64 {
        (self.n as f64 - 1.0) / 2.0
    }

    /// The variance of the index, `(n^2 - 1) / 12`.
    pub fn variance(&self) -> f64 {
        let n = self.n as f64;
        (n * n - 1.0) / 12.0
    }

    /// The probability of an index of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        ((x.floor() + 1.0) / self.n as f64).clamp(0.0, 1.0)
    }
}
