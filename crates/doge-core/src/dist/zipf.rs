//! The Zipf distribution.

use super::{ArgError, Call, special, unit};

/// `zipf(n, s)`: a rank in `1..=n` with probability proportional to `1 / rank^s`; `n` up to 10^15,
/// `s` from 0 (all equal) to 100.
///
/// The map is rejection-inversion (Hörmann, Derflinger, "Rejection-inversion to generate variates
/// from monotone discrete distributions", ACM TOMACS 6, 1996): trial `t` takes word `t`, and fewer
/// than 1.2 trials are needed on average, whatever `n`.
///
/// ```
/// use doge_core::{dist::{Call, Zipf}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!((1..=1000).contains(&Zipf::new(1000, 1.1)?.sample(call)));
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zipf {
    n: f64,
    s: f64,
    /// `H(1.5) - 1` and `H(n + 0.5)`, the ends of the range to invert.
    h_first: f64,
    h_last: f64,
    /// Where the rounding distance is at most this, a rank is accepted at once.
    near: f64,
}

impl Zipf {
    /// # Errors
    /// `n` outside 1..10^15; `s` outside 0..100, or not a number.
    pub fn new(n: i64, s: f64) -> Result<Self, ArgError> {
        let error = |rule| {
            Err(ArgError::new(
                "zipf",
                &[n.to_string(), super::number(s)],
                rule,
            ))
        };
        if !(1..=1_000_000_000_000_000).contains(&n) {
            return error("the number of ranks must be from 1 to 10^15");
        }
        if !(0.0..=100.0).contains(&s) {
            return error("the exponent must be from 0 to 100");
        }
        let n = n as f64;
        Ok(Zipf {
            n,
            s,
            h_first: special::power_integral(1.5, s) - 1.0,
            h_last: special::power_integral(n + 0.5, s),
            near: 2.0 - inverse_integral(special::power_integral(2.5, s) - power(2.0, s), s),
        })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> i64 {
        let mut trial = 0;
        loop {
            let u = self.h_last + unit(call.word(trial)) * (self.h_first - self.h_last);
            trial += 1;
            let x = inverse_integral(u, self.s);
            let k = (x + 0.5).floor().clamp(1.0, self.n);
            if k - x <= self.near
                || u >= special::power_integral(k + 0.5, self.s) - power(k, self.s)
            {
                return k as i64;
            }
        }
    }

    /// `H(n, s - 1) / H(n, s)`, `H(n, s)` being the sum of `1 / k^s` up to `n`.
    pub fn mean(&self) -> f64 {
        special::power_sum(self.n, self.s - 1.0) / special::power_sum(self.n, self.s)
    }

    /// `H(n, s - 2) / H(n, s) - mean^2`.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        special::power_sum(self.n, self.s - 2.0) / special::power_sum(self.n, self.s) - mean * mean
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        let k = x.floor().clamp(0.0, self.n);
        special::power_sum(k, self.s) / special::power_sum(self.n, self.s)
    }
}

/// `x^-s`.
fn power(x: f64, s: f64) -> f64 {
    libm::exp(-s * libm::log(x))
}

/// The inverse of [`special::power_integral`] in `x`.
fn inverse_integral(h: f64, s: f64) -> f64 {
    // Rounding may carry the product below -1, where there is no logarithm.
    let t = (h * (1.0 - s)).max(-1.0);
    libm::exp(h * special::log1p_over(t))
}
