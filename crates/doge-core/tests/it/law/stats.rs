//! p-values of the tests used here. Sources: Numerical Recipes, 3rd edition, 6.2 and 14.3.

use std::f64::consts::FRAC_1_SQRT_2;

/// `P(|Z| >= |z|)` of a standard normal Z.
pub fn normal_p(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The regularised upper incomplete gamma function.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-16 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut h = d;
    for i in 1..10_000 {
        let an = -f64::from(i) * (f64::from(i) - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * h
}

/// Pearson's chi-square test of counts against expectations (each at least about 10).
pub fn chi2_p(counts: &[u64], expected: &[f64]) -> f64 {
    assert_eq!(counts.len(), expected.len());
    let terms = counts.iter().zip(expected).map(|(o, e)| (*o as f64 - e) * (*o as f64 - e) / e);
    gamma_q((counts.len() as f64 - 1.0) / 2.0, terms.sum::<f64>() / 2.0)
}

/// Pearson's chi-square test of counts that are all equally likely.
pub fn uniform_p(counts: &[u64]) -> f64 {
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    chi2_p(counts, &vec![mean; counts.len()])
}

/// The Kolmogorov-Smirnov test of a continuous distribution function, by Stephens' approximation.
/// Sorts the sample.
pub fn ks_p(sample: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = sample.iter().enumerate().fold(0.0_f64, |d, (i, x)| {
        let f = cdf(*x);
        d.max(f - i as f64 / n).max((i + 1) as f64 / n - f)
    });
    let lambda = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * distance;
    if lambda < 0.3 {
        return 1.0;
    }
    let term = |k: i32| libm::exp(-2.0 * f64::from(k * k) * lambda * lambda);
    (1..=20).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum::<f64>() * 2.0
}

/// The smaller tail of a Poisson distribution at `k`, doubled.
pub fn poisson_p(k: u64, mean: f64) -> f64 {
    let at_most = gamma_q(k as f64 + 1.0, mean);
    let at_least = if k == 0 { 1.0 } else { 1.0 - gamma_q(k as f64, mean) };
    (2.0 * at_most.min(at_least)).min(1.0)
}

#[test]
fn p_values_agree_with_tables() {
    let near = |got: f64, want: f64| assert!((got - want).abs() < 2e-4, "{got} {want}");
    near(normal_p(1.959964), 0.05);
    near(gamma_q(5.0, 18.307 / 2.0), 0.05); // chi-square, 10 degrees
    near(gamma_q(0.5, 6.635 / 2.0), 0.01); // 1 degree
    near(gamma_q(50.0, 124.342 / 2.0), 0.05); // 100 degrees
    near(poisson_p(0, 3.0), 2.0 * 0.049787);
    // The sample (i + 1/2) / n of the uniform distribution has the distance 1 / (2n).
    let mut even: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
    near(ks_p(&mut even, |x| x), 1.0);
    // A distance of 1.36 / sqrt(n) is the 5% point.
    let mut shifted: Vec<f64> = (0..10_000).map(|i| (f64::from(i) + 0.5) / 10_000.0).collect();
    let p = ks_p(&mut shifted, |x| (x + 0.01355).min(1.0));
    assert!((p - 0.05).abs() < 0.003, "{p}");
}
