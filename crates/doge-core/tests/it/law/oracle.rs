//! Accuracy against exact values: what `testdata/vectors/oracle.py` computes with mpmath.

use doge_core::dist::*;
use doge_core::log::ln_unit;

use super::vectors::{double, rows, vectors, word};

/// Asserts a relative error of at most `bound`; below 1 in size, an absolute one where `floor` is 1.
fn near(got: f64, want: f64, bound: f64, floor: f64, what: &dyn std::fmt::Display) {
    assert!((got - want).abs() <= bound * want.abs().max(floor), "{got} is not {want}: {what}");
}

#[test]
fn the_logarithm_keeps_its_bound() {
    // The reference is rounded to a double: that is 2^-53 of it.
    const BOUND: f64 = (1.0 / (1_u64 << 50) as f64) + (1.0 / (1_u64 << 53) as f64);
    let file = vectors!("oracle.json");
    for row in rows(&file, "ln_unit") {
        near(ln_unit(word(&row[0])), double(&row[1]), BOUND, 1.0, row);
    }
}

#[test]
fn the_logarithm_is_relatively_exact_near_0() {
    // What small waits of rare transitions hang on: -ln(1 - x) = x + x^2/2 + x^3/3 + ...
    for k in 1..1000_u64 {
        let x = (k * k * k * 7_919) as f64 / 18_446_744_073_709_551_616.0;
        let want = -(x + x * x / 2.0 + x * x * x / 3.0);
        near(ln_unit((k * k * k * 7_919).wrapping_neg() - 1), want, 4e-16, 0.0, &k);
    }
}

#[test]
fn the_normal_quantile_is_exact_in_both_tails() {
    let file = vectors!("oracle.json");
    let standard = Normal::new(0.0, 1.0).unwrap();
    for row in rows(&file, "normal_quantile") {
        let w = word(&row[0]);
        near(standard.of_word(w), double(&row[1]), 2e-15, 0.0, row);
        assert_eq!(standard.of_word(w), -standard.of_word(!w), "{row}");
    }
}

#[test]
fn distribution_functions() {
    let file = vectors!("oracle.json");
    let standard = Normal::new(0.0, 1.0).unwrap();
    for row in file["normal_cdf"].as_array().unwrap() {
        near(standard.cdf(double(&row[0])), double(&row[1]), 1e-13, 0.0, row);
    }
    for row in rows(&file, "poisson_cdf") {
        let law = Poisson::new(double(&row[0])).unwrap();
        near(law.cdf(row[1].as_f64().unwrap()), double(&row[2]), 1e-12, 0.01, row);
    }
    for row in rows(&file, "zipf_cdf") {
        let law = Zipf::new(row[0].as_i64().unwrap(), double(&row[1])).unwrap();
        near(law.cdf(row[2].as_f64().unwrap()), double(&row[3]), 1e-12, 0.0, row);
    }
}

#[test]
fn the_wait_uses_the_exact_inverse() {
    // At the median word the wait is ln(1/2) / ln(1 - p), which shows `inv` to its last digits.
    let file = vectors!("oracle.json");
    for row in file["geometric_inverse"].as_array().unwrap() {
        let (p, inv) = (double(&row[0]), double(&row[1]));
        let wait = Geometric::new(p).unwrap().of_word((1 << 63) - 1);
        assert!(
            (wait as f64 - (-std::f64::consts::LN_2 * inv).floor()).abs()
                <= 1.0 + 4e-16 * wait as f64,
            "{row}"
        );
    }
}
