//! Functions of mathematics that the distributions share, on `libm`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The standard normal's distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// `ln(1 + x) / x`.
pub fn log1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::log1p(x) / x } else { 1.0 - x / 2.0 }
}

/// `(exp(x) - 1) / x`.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::expm1(x) / x } else { 1.0 + x / 2.0 }
}

/// The integral of `t^-s` over `t` from 1 to `x`: `(x^(1-s) - 1) / (1 - s)`, and `ln(x)` for `s = 1`.
pub fn power_integral(x: f64, s: f64) -> f64 {
    let ln = libm::log(x);
    expm1_over((1.0 - s) * ln) * ln
}

/// The sum of `k^-s` over `k` from 1 to `n`, to about 10^-14 of it: term by term up to 100, from there
/// on by the Euler-Maclaurin formula. `s` from -2.
pub fn power_sum(n: f64, s: f64) -> f64 {
    let power = |x: f64| libm::exp(-s * libm::log(x));
    let head = n.min(100.0);
    let mut sum = 0.0;
    let mut k = head;
    while k >= 1.0 {
        sum += power(k);
        k -= 1.0;
    }
    if n > head {
        let (a, b) = (head, n);
        let first = |x: f64| -s * power(x) / x;
        let third = |x: f64| -s * (s + 1.0) * (s + 2.0) * power(x) / (x * x * x);
        sum += power_integral(b, s) - power_integral(a, s);
        sum += (power(b) - power(a)) / 2.0 + (first(b) - first(a)) / 12.0;
        sum -= (third(b) - third(a)) / 720.0;
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

/// `ln(n!) - ln(sqrt(2 pi n) (n / e)^n)` for n from 1 to 15.
#[rustfmt::skip]
const STIRLING: [f64; 15] = [
    0.081_061_466_795_327_26, 0.041_340_695_955_409_3, 0.027_677_925_684_998_34, 0.020_790_672_103_765_093,
    0.016_644_691_189_821_193, 0.013_876_128_823_070_748, 0.011_896_709_945_891_77, 0.010_411_265_261_972_096,
    0.009_255_462_182_712_733, 0.008_330_563_433_362_87, 0.007_573_675_487_951_841, 0.006_942_840_107_209_53,
    0.006_408_994_188_004_207, 0.005_951_370_112_758_847_5, 0.005_554_733_551_962_801,
];

/// `ln(n!) - ln(sqrt(2 pi n) (n / e)^n)` for whole `n >= 1`: a table, from 16 on Stirling's series.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return STIRLING[n as usize - 1];
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

/// The regularised upper incomplete gamma function `Q(a, x)`, whole `a >= 1`, `x > 0`: by its series
/// where `x < a + 1`, else by its continued fraction (Lentz's method), as in "Numerical Recipes", 6.2.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    // x^a exp(-x) / a!
    let front = libm::exp(ln_poisson(a, x));
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
        if (delta - 1.0).abs() < 1e-15 || i > 1e9 {
            return front * a * h;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviance_is_smooth_where_its_formula_changes() {
        // Either side of the switch, at x = m * 1.1 / 0.9, another formula is used.
        for m in [3.0, 100.0, 1e9, 1e15] {
            let x = m * 1.1 / 0.9;
            let below = deviance(x * (1.0 - 1e-12), m);
            let above = deviance(x * (1.0 + 1e-12), m);
            assert!((below - above).abs() < 1e-10 * above, "{m}: {below} {above}");
        }
    }
}
