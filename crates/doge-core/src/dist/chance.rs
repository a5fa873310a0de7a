//! The Bernoulli distribution.

use super::{ArgError, Call};

/// `chance(p)`: true with probability `p`.
///
/// The map is `w < floor(p * 2^64)` of word 0, and always true for `p = 1`: exact to 2^-64.
///
/// ```
/// use doge_core::{dist::{Call, Chance}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Chance::new(1.0)?.sample(call));
/// assert!(!Chance::new(0.0)?.sample(call));
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    below: u64,
    always: bool,
    p: f64,
}

impl Chance {
    /// # Errors
    /// `p` outside 0..1, or not a number.
    pub fn new(p: f64) -> Result<Self, ArgError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(ArgError::doubles(
                "chance",
                &[p],
                "the probability must be from 0 to 1",
            ));
        }
        // The product is exact; for p = 1 the conversion saturates, hence `always`.
        Ok(Chance {
            below: (p * 18_446_744_073_709_551_616.0) as u64,
            always: p == 1.0,
            p,
        })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> bool {
        self.of_word(call.word(0))
    }

    /// The value of word 0 of the call.
    #[inline]
    pub const fn of_word(&self, w: u64) -> bool {
        (w < self.below) | self.always
    }

    /// `p`, true counting as 1.
    pub fn mean(&self) -> f64 {
        self.p
    }

    /// `p * (1 - p)`.
    pub fn variance(&self) -> f64 {
        self.p * (1.0 - self.p)
    }

    /// The probability of a value of at most `x`, true counting as 1.
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            0.0
        } else if x < 1.0 {
            1.0 - self.p
        } else {
            1.0
        }
    }
}
