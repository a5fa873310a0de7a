//! The choice among the transitions of a state.

use super::{ArgError, Call, scale};
use crate::model::PERCENT_100;

/// Which transition an attempt is of: an index with probability proportional to its units.
///
/// The map is the first index whose running sum `c` of units satisfies `c * 2^64 > w * sum`, `w` being
/// word 0: exact in integers. It is computed as `c > floor(w * sum / 2^64)`, which is the same, since
/// `c` is whole.
///
/// ```
/// use doge_core::{dist::{Call, Thresholds}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let exits = Thresholds::new(&[70_000_000_000_000, 0, 30_000_000_000_000])?;
/// assert_ne!(exits.sample(call), 1);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    sums: Box<[u64]>,
    total: u64,
}

impl Thresholds {
    /// From probabilities in units of 10^-12 percent, in file order.
    ///
    /// # Errors
    /// A sum above [`PERCENT_100`].
    pub fn new(units: &[u64]) -> Result<Self, ArgError> {
        let mut total = 0_u64;
        let mut sums = Vec::with_capacity(units.len());
        for u in units {
            total = total.saturating_add(*u);
            sums.push(total);
        }
        if total > PERCENT_100 {
            return Err(ArgError::percents(units.iter().map(|u| *u as f64 / 1e12)));
        }
        Ok(Thresholds { sums: sums.into(), total })
    }

    /// One index; any where all units are 0 and no attempt is ever made.
    #[inline]
    pub fn sample(&self, call: Call) -> usize {
        self.of_word(call.word(0))
    }

    /// The index that the word `w` stands for.
    #[inline]
    pub fn of_word(&self, w: u64) -> usize {
        let at = scale(w, self.total);
        // Counting does not branch on what is random. All are at most `at` only where all are 0.
        let index = self.sums.iter().filter(|c| **c <= at).count();
        index.min(self.sums.len().saturating_sub(1))
    }

    /// The choice where a probability is an expression: with running sums in doubles, in the order
    /// given, the first index whose sum exceeds `(w / 2^64) * total`, else the last above 0; 0 where
    /// none is. Values are percents that are not negative.
    #[inline]
    pub fn sample_doubles(percents: &[f64], call: Call) -> usize {
        let total: f64 = percents.iter().fold(0.0, |sum, p| sum + p);
        let at = call.word(0) as f64 * (1.0 / 18_446_744_073_709_551_616.0) * total;
        let mut sum = 0.0;
        for (i, p) in percents.iter().enumerate() {
            sum += p;
            if sum > at {
                return i;
            }
        }
        percents.iter().rposition(|p| *p > 0.0).unwrap_or(0)
    }

    /// The sum of all, in units of 10^-12 percent.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The mean of the index.
    pub fn mean(&self) -> f64 {
        self.moment(|i| i)
    }

    /// The variance of the index.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.moment(|i| (i - mean) * (i - mean))
    }

    /// The probability of an index of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        self.moment(|i| f64::from(u8::from(i <= x)))
    }

    fn moment(&self, f: impl Fn(f64) -> f64) -> f64 {
        let before = std::iter::once(0).chain(self.sums.iter().copied());
        let parts =
            self.sums.iter().zip(before).map(|(c, before)| (c - before) as f64 / self.total as f64);
        parts.enumerate().map(|(i, part)| part * f(i as f64)).sum()
    }
}
