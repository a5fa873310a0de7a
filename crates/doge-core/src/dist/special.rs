//! Functions of mathematics that the distributions share, on `libm`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The standard normal's distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// `ln(1 + x) / x`.
pub fn log1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        libm::log1p(x) / x
    } else {
        1.0 - x / 2.0
    }
}

/// `(exp(x) - 1) / x`.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        libm::expm1(x) / x
    } else {
        1.0 + x / 2.0
    }
}

/// The integral of `t^-s` over `t` from 1 to `x`: `(x^(1-s) - 1) / (1 - s)`, and `ln(x)` for `s = 1`.
pub fn power_integral(x: f64, s: f64) -> f64 {
    let ln = libm::log(x);
    expm1_over((1.0 - s) * ln) * ln
}

/// The sum of `k^-s` over `k` from 1 to `n`, to about 10^-14 of it: term by term up to 1000, from
/// there on by the Euler-Maclaurin formula. `s` from -2.
pub fn power_sum(n: f64, s: f64) -> f64 {
    let power = |x: f64| libm::exp(-s * libm::log(x));
    let head = n.min(1000.0);
    let mut sum = 0.0;
    let mut k = head;
    while k >= 1.0 {
        sum += power(k);
        k -= 1.0;
    }
    if n > head {
        let (a, b) = (head, n);
        let slope = |x: f64| -s * power(x) / x;
        sum += power_integral(b, s) - power_integral(a, s);
        sum += (power(b) - power(a)) / 2.0 + (slope(b) - slope(a)) / 12.0;
    }
    sum
}

/// `ln(mean^k exp(-mean) / k!)` for whole `k >= 0` and `mean > 0` (Loader 2000).
pub fn ln_poisson(k: f64, mean: f64) -> f64 {
    if k == 0.0 {
        -mean
    } else {
        -stirling_error(k) - deviance(k, mean) - 0.5 * libm::log(2.0 * PI * k)
    }
}

/// `ln(n!) - ln(sqrt(2 pi n) (n / e)^n)`.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return libm::lgamma(n + 1.0) - (n + 0.5) * libm::log(n) + n - 0.5 * libm::log(2.0 * PI);
    }
    let r = 1.0 / (n * n);
    (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r * (1.0 / 1188.0)))))
        / n
}

/// `x ln(x / m) + m - x`, without cancellation where `x` is near `m`.
fn deviance(x: f64, m: f64) -> f64 {
    let d = x - m;
    if d.abs() >= 0.1 * (x + m) {
        return x * libm::log(x / m) - d;
    }
    let v = d / (x + m);
    let mut sum = d * v;
    let mut term = 2.0 * x * v;
    let mut n = 3.0;
    loop {
        term *= v * v;
        let next = sum + term / n;
        if next == sum {
            return next;
        }
        sum = next;
        n += 2.0;
    }
}

/// The regularised upper incomplete gamma function `Q(a, x)`, `a > 0`, `x > 0`: by its series where
/// `x < a + 1`, else by its continued fraction (Lentz's method), as in "Numerical Recipes", 6.2.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    // x^a exp(-x) / Gamma(a + 1), for whole and other a alike where a is large.
    let front = if a == a.floor() {
        libm::exp(ln_poisson(a, x))
    } else {
        libm::exp(a * libm::log(x) - x - libm::lgamma(a + 1.0))
    };
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0, 1.0, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).max(0.0);
    }
    let mut b = x + 1.0 - a;
    let mut c = f64::MAX.sqrt();
    let mut d = 1.0 / b;
    let mut h = d;
    let mut i = 1.0;
    loop {
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        let delta = d * c;
        h *= delta;
        i += 1.0;
        if (delta - 1.0).abs() < 1e-15 || i > 1e7 {
            return front * a * h;
        }
    }
}
