//! The choice by weight.

use super::{ArgError, Call};

/// `weighted({value: weight, ...})`: an index with probability proportional to its weight.
///
/// With running sums `c` of the weights as doubles in source order, `w` being word 0, the map is the
/// first index with `w < floor(c / total * 2^64)`, else the last whose weight is above 0. A weight of
/// 0 is never chosen.
///
/// ```
/// use doge_core::{dist::{Call, Weighted}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let plan = Weighted::new(&[70.0, 0.0, 30.0])?;
/// assert_ne!(plan.sample(call), 1);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    weights: Box<[f64]>,
    /// Thresholds of the indexes before the last with a weight above 0.
    below: Box<[u64]>,
}

impl Weighted {
    /// # Errors
    /// No weight; one that is negative or not finite; all 0; a sum beyond the doubles.
    pub fn new(weights: &[f64]) -> Result<Self, ArgError> {
        let (last, total) = check(weights)?;
        let below = running(weights)
            .take(last)
            .map(|sum| threshold(sum, total))
            .collect();
        Ok(Weighted {
            weights: weights.into(),
            below,
        })
    }

    /// One index.
    #[inline]
    pub fn sample(&self, call: Call) -> usize {
        let w = call.word(0);
        // For a handful counting is faster than halving: it does not branch on what is random.
        if self.below.len() <= 16 {
            self.below.iter().filter(|t| **t <= w).count()
        } else {
            self.below.partition_point(|t| *t <= w)
        }
    }

    /// What `Weighted::new(weights)?.sample(call)` gives, without keeping anything: for weights that
    /// are computed anew for each draw.
    ///
    /// # Errors
    /// Those of [`Weighted::new`].
    pub fn sample_once(weights: &[f64], call: Call) -> Result<usize, ArgError> {
        let (last, total) = check(weights)?;
        let w = call.word(0);
        Ok(running(weights)
            .take(last)
            .position(|sum| w < threshold(sum, total))
            .unwrap_or(last))
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
        let total: f64 = self.weights.iter().sum();
        self.weights
            .iter()
            .enumerate()
            .map(|(i, w)| w / total * f(i as f64))
            .sum()
    }
}

/// The index of the last weight above 0, and the sum of all.
fn check(weights: &[f64]) -> Result<(usize, f64), ArgError> {
    let error = |rule| Err(ArgError::doubles("weighted", weights, rule));
    if weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
        return error("weights must be finite numbers and not negative");
    }
    let Some(last) = weights.iter().rposition(|w| *w > 0.0) else {
        return error("at least one weight must be above 0");
    };
    let total = running(weights).last().unwrap_or(0.0);
    if !total.is_finite() {
        return error("the weights must sum to a finite number");
    }
    Ok((last, total))
}

/// Sums in source order, as doubles.
fn running(weights: &[f64]) -> impl Iterator<Item = f64> {
    weights.iter().scan(0.0, |sum, w| {
        *sum += w;
        Some(*sum)
    })
}

/// `floor(sum / total * 2^64)`, at most `2^64 - 1`.
fn threshold(sum: f64, total: f64) -> u64 {
    (sum / total * 18_446_744_073_709_551_616.0) as u64
}
