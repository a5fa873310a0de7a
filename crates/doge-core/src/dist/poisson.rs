//! The Poisson distribution.

use super::{ArgError, Call, FINITE, special, unit, unit_positive};

/// `poisson(mean)`: `P(k) = mean^k exp(-mean) / k!` for `k >= 0`; means up to 10^15.
///
/// Below a mean of 10 the map is inversion of word 0: with `u` its top 53 bits over 2^53, the first
/// `k` whose running sum of probabilities exceeds `u` (or that adds nothing to the sum any more).
/// From 10 on it is Hörmann's PTRS ("The transformed rejection method for generating Poisson random
/// variables", Insurance: Mathematics and Economics 12, 1993): trial `t` takes the words `2t` and
/// `2t + 1`, and 1.1 to 1.3 trials are needed on average. The logarithm of the probability is computed
/// by Loader's saddle-point expansion ("Fast and accurate computation of binomial probabilities",
/// 2000), which loses nothing for large means.
///
/// ```
/// use doge_core::{dist::{Call, Poisson}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// assert!(Poisson::new(2.5)?.sample(call) >= 0);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Poisson {
    mean: f64,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    /// `P(0)`.
    Inversion(f64),
    /// Hörmann's constants of the hat and the squeeze.
    Rejection {
        a: f64,
        b: f64,
        ln_inv_alpha: f64,
        v_r: f64,
    },
}

impl Poisson {
    /// # Errors
    /// A mean that is not finite, below 0 or above 10^15.
    pub fn new(mean: f64) -> Result<Self, ArgError> {
        if !mean.is_finite() {
            return Err(ArgError::doubles("poisson", &[mean], FINITE));
        }
        if !(0.0..=1e15).contains(&mean) {
            return Err(ArgError::doubles(
                "poisson",
                &[mean],
                "the mean must be from 0 to 10^15",
            ));
        }
        let method = if mean < 10.0 {
            Method::Inversion(libm::exp(-mean))
        } else {
            let b = 0.931 + 2.53 * mean.sqrt();
            Method::Rejection {
                a: -0.059 + 0.02483 * b,
                b,
                ln_inv_alpha: libm::log(1.1239 + 1.1328 / (b - 3.4)),
                v_r: 0.9277 - 3.6224 / (b - 2.0),
            }
        };
        Ok(Poisson { mean, method })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> i64 {
        match self.method {
            Method::Inversion(p0) => invert(self.mean, p0, unit(call.word(0))),
            Method::Rejection {
                a,
                b,
                ln_inv_alpha,
                v_r,
            } => {
                let mut n = 0;
                loop {
                    let u = unit(call.word(n)) - 0.5;
                    let v = unit_positive(call.word(n + 1));
                    n += 2;
                    let us = 0.5 - u.abs();
                    let k = ((2.0 * a / us + b) * u + self.mean + 0.43).floor();
                    if us >= 0.07 && v <= v_r {
                        return k as i64;
                    }
                    if k < 0.0 || (us < 0.013 && v > us) {
                        continue;
                    }
                    let ln_hat = libm::log(v) + ln_inv_alpha - libm::log(a / (us * us) + b);
                    if ln_hat <= special::ln_poisson(k, self.mean) {
                        return k as i64;
                    }
                }
            }
        }
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The mean.
    pub fn variance(&self) -> f64 {
        self.mean
    }

    /// The probability of a value of at most `x`; takes a time that grows as the mean's root.
    pub fn cdf(&self, x: f64) -> f64 {
        if x < 0.0 {
            0.0
        } else if self.mean == 0.0 {
            1.0
        } else {
            special::gamma_q(x.floor() + 1.0, self.mean)
        }
    }
}

/// The first `k` whose running sum of probabilities exceeds `u`.
fn invert(mean: f64, p0: f64, u: f64) -> i64 {
    let (mut k, mut p, mut sum) = (0_i64, p0, p0);
    while u >= sum {
        p = p * mean / (k + 1) as f64;
        // The sum of all may end just below the largest u.
        if sum + p == sum {
            break;
        }
        k += 1;
        sum += p;
    }
    k
}
