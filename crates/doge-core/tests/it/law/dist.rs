//! Every random function against its own distribution function, mean and variance.
//!
//! Power, with N = 200,000 draws a case. Continuous (Kolmogorov-Smirnov): a distribution function that is
//! off by 0.0095 somewhere is found with a probability above 99.9% (0.006 with 50%). Discrete (chi-square
//! over at most 66 cells of about equal probability): a relative error of 2.8% (root of the mean square)
//! in the cells' probabilities is found with 99.9%. Means: a shift by 0.018 standard deviations with
//! 99.9%. The cases of one function share their words, so that one unlucky stream could not hide or
//! fake an error in all functions: each case has a seed of its own.

use doge_core::dist::*;
use doge_core::model::PERCENT_100;
use proptest::prelude::*;

use super::stats::{chi2_p, ks_p, normal_p};
use super::{ALPHA, calls};

const N: u64 = 200_000;

/// All distributions over numbers, by the name in the language (`wait` and `transition` for those of
/// the law).
fn cases() -> Vec<(&'static str, String, Box<dyn Law>)> {
    let mut all: Vec<(&'static str, String, Box<dyn Law>)> = Vec::new();
    macro_rules! add {
        ($name:literal: $($law:expr),* $(,)?) => {
            $(all.push(($name, stringify!($law).to_owned(), Box::new($law.unwrap())));)*
        };
    }
    add!("uniform": UniformInt::new(0, 1), UniformInt::new(-5, 5), UniformInt::new(10, 99));
    add!("uniform": UniformInt::new(0, 1 << 40), UniformInt::new(i64::MIN, i64::MAX));
    add!("uniform": UniformDouble::new(0.0, 1.0), UniformDouble::new(-1.5, 2.5));
    add!("uniform": UniformDouble::new(-1.7e308, 1.7e308));
    add!("chance": Chance::new(0.001), Chance::new(0.3), Chance::new(0.5), Chance::new(0.99));
    add!("normal": Normal::new(0.0, 1.0), Normal::new(100.0, 15.0));
    add!("lognormal": Lognormal::new(40.0, 0.6), Lognormal::new(1e-3, 1.0));
    add!("exponential": Exponential::new(1.0), Exponential::new(90.5));
    add!("pareto": Pareto::new(10.0, 1.16), Pareto::new(1.0, 9.0));
    add!("poisson": Poisson::new(0.01), Poisson::new(1.0), Poisson::new(4.5), Poisson::new(9.999));
    add!("poisson": Poisson::new(10.0), Poisson::new(17.3), Poisson::new(100.0), Poisson::new(1e4), Poisson::new(1e6));
    add!("zipf": Zipf::new(2, 1.0), Zipf::new(10, 0.0), Zipf::new(100, 1.0), Zipf::new(1000, 1.1));
    add!("zipf": Zipf::new(1_000_000, 0.5), Zipf::new(1_000_000_000_000, 0.9), Zipf::new(1_000_000_000_000_000, 0.0), Zipf::new(1_000_000_000_000_000, 1.0), Zipf::new(1_000_000_000_000_000, 2.0));
    add!("choice": Choice::new(2), Choice::new(7), Choice::new(1000));
    add!("weighted": Weighted::new(&[1.0]), Weighted::new(&[70.0, 0.0, 30.0]), Weighted::new(&[0.1; 50]));
    add!("wait": Geometric::new(0.001), Geometric::new(0.3), Geometric::new(0.999));
    add!("transition": Thresholds::new(&[1, 2, 0, 3]), Thresholds::new(&[30_000_000_000_000, 10_000_000_000_000]));
    all
}

#[test]
fn every_random_function_has_a_case() {
    let cases = cases();
    for info in LIST {
        let name = info.call.split('(').next().unwrap();
        assert!(
            name == "uuid" || cases.iter().any(|(n, ..)| *n == name),
            "no case for {}",
            info.call
        );
    }
}

#[test]
fn samples_agree_with_cdf_mean_and_variance() {
    for (seed, (_, name, law)) in cases().into_iter().enumerate() {
        let mut sample: Vec<f64> =
            calls(1000 + seed as u64, N).map(|call| law.value(call)).collect();
        moments(&name, law.as_ref(), &sample);
        let p = if law.is_discrete() {
            cells_p(law.as_ref(), &sample)
        } else {
            ks_p(&mut sample, |x| law.cdf(x))
        };
        assert!(p > ALPHA, "{name}: p = {p}");
    }
}

/// The mean against its standard error, and the mean square distance from the true mean, where
/// there is a fourth moment to speak of.
pub fn moments(name: &str, law: &dyn Law, sample: &[f64]) {
    let (mean, variance, n) = (law.mean(), law.variance(), sample.len() as f64);
    if !(mean.is_finite() && variance.is_finite()) || variance == 0.0 {
        return;
    }
    let off = sample.iter().map(|x| x - mean).sum::<f64>() / n;
    let p = normal_p(off / (variance / n).sqrt());
    // Chebyshev's case: heavy tails make means less normal than p says.
    assert!(p > ALPHA, "{name}: the mean is off by {off} from {mean}, p = {p}");
    let squares: Vec<f64> = sample.iter().map(|x| (x - mean) * (x - mean)).collect();
    let second = squares.iter().sum::<f64>() / n;
    let fourth = squares.iter().map(|s| (s - second) * (s - second)).sum::<f64>() / n;
    // A sound sample of a thin-tailed law only: a heavy one's fourth moment is not to be had from it.
    if fourth < 30.0 * second * second && fourth > 0.0 {
        let p = normal_p((second - variance) / (fourth / n).sqrt());
        assert!(p > ALPHA, "{name}: the variance is {second}, not {variance}, p = {p}");
    }
}

/// Chi-square over cells between quantiles: 64 even ones, and a thousandth at either end.
pub fn cells_p(law: &dyn Law, sample: &[f64]) -> f64 {
    let targets = std::iter::once(0.001).chain((1..64).map(|j| f64::from(j) / 64.0)).chain([0.999]);
    let mut edges: Vec<(f64, f64)> = Vec::new();
    let (low, high) = (least(sample), greatest(sample));
    for target in targets {
        let edge = quantile(law, target, low, high);
        if edges.last().is_none_or(|(last, _)| edge > *last) && edge < high {
            edges.push((edge, law.cdf(edge)));
        }
    }
    let n = sample.len() as f64;
    let mut counts = vec![0_u64; edges.len() + 1];
    for x in sample {
        counts[edges.partition_point(|(edge, _)| edge < x)] += 1;
    }
    let mut expected = Vec::new();
    let mut before = 0.0;
    for f in edges.iter().map(|(_, f)| *f).chain([1.0]) {
        expected.push((f - before) * n);
        before = f;
    }
    // Impossible cells must be empty; rare ones join the next.
    let (mut c, mut e) = (Vec::new(), Vec::new());
    let (mut few, mut little) = (0, 0.0);
    for (count, expect) in counts.into_iter().zip(expected) {
        assert!(expect > 1e-9 || count == 0, "values without probability");
        few += count;
        little += expect;
        if little >= 10.0 {
            c.push(few);
            e.push(little);
            (few, little) = (0, 0.0);
        }
    }
    if let (Some(last), Some(last_e)) = (c.last_mut(), e.last_mut()) {
        *last += few;
        *last_e += little;
    }
    if c.len() < 2 { 1.0 } else { chi2_p(&c, &e) }
}

fn least(sample: &[f64]) -> f64 {
    sample.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(sample: &[f64]) -> f64 {
    sample.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The least whole number within the sample's range whose cdf reaches `target`.
fn quantile(law: &dyn Law, target: f64, low: f64, high: f64) -> f64 {
    let (mut low, mut high) = (low as i64, high as i64);
    while low < high {
        let middle = low.wrapping_add_unsigned(high.abs_diff(low) / 2);
        if law.cdf(middle as f64) >= target {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high as f64
}

#[test]
fn the_ends_of_every_domain() {
    let some = || calls(7, 2000);
    assert!(some().all(|c| UniformInt::new(5, 5).unwrap().sample(c) == 5));
    assert!(some().all(|c| UniformDouble::new(3.25, 3.25).unwrap().sample(c) == 3.25));
    let next = 1.0_f64.next_up();
    assert!(some().all(|c| UniformDouble::new(1.0, next).unwrap().sample(c) == 1.0));
    let wide = UniformDouble::new(-f64::MAX, f64::MAX).unwrap();
    assert!(some().all(|c| wide.sample(c).is_finite() && wide.sample(c) < f64::MAX));
    let tiny = UniformDouble::new(-0.0, f64::from_bits(1)).unwrap();
    assert!(some().all(|c| tiny.sample(c) == 0.0));
    assert!(some().all(|c| Normal::new(2.5, 0.0).unwrap().sample(c) == 2.5));
    assert!(some().all(|c| Lognormal::new(2.5, 0.0).unwrap().sample(c) == 2.5));
    assert!(some().all(|c| Exponential::new(0.0).unwrap().sample(c).to_bits() == 0));
    assert!(some().all(|c| Poisson::new(0.0).unwrap().sample(c) == 0));
    assert!(some().all(
        |c| (Poisson::new(1e15).unwrap().sample(c) - 1_000_000_000_000_000).abs() < 300_000_000
    ));
    assert!(some().all(|c| Zipf::new(1, 0.7).unwrap().sample(c) == 1));
    assert!(some().all(|c| Zipf::new(1_000_000_000_000_000, 100.0).unwrap().sample(c) == 1));
    assert!(some().all(|c| {
        (1..=1_000_000_000_000_000)
            .contains(&Zipf::new(1_000_000_000_000_000, 0.0).unwrap().sample(c))
    }));
    assert!(some().all(|c| !Chance::new(f64::MIN_POSITIVE).unwrap().sample(c)));
    assert!(some().all(|c| Chance::new(1.0).unwrap().sample(c)));
    assert!(some().all(|c| Choice::new(1).unwrap().sample(c) == 0));
    assert!(some().all(|c| Weighted::new(&[0.0, 0.0, 1e-300, 0.0]).unwrap().sample(c) == 2));
    assert!(some().all(|c| Thresholds::new(&[0, 0, 1, 0]).unwrap().sample(c) == 2));
    assert!(some().all(|c| Thresholds::new(&[0, 0]).unwrap().sample(c) < 2));
    assert!(some().all(|c| Pareto::new(3.0, f64::MAX).unwrap().sample(c) == 3.0));
}

#[test]
fn arguments_outside_a_domain_are_refused_with_the_call_and_the_rule() {
    let text = |r: Option<ArgError>| r.expect("must be refused").to_string();
    let nan = f64::NAN;
    for (got, want) in [
        (
            UniformInt::new(99, 10).err(),
            "uniform(99, 10): the first end must not be above the second",
        ),
        (
            UniformDouble::new(1.5, 1.25).err(),
            "uniform(1.5, 1.25): the first end must not be above the second",
        ),
        (
            UniformDouble::new(0.0, f64::INFINITY).err(),
            "uniform(0, inf): arguments must be finite numbers",
        ),
        (Chance::new(1.5).err(), "chance(1.5): the probability must be from 0 to 1"),
        (Chance::new(nan).err(), "chance(NaN): the probability must be from 0 to 1"),
        (
            Normal::new(0.0, -1.0).err(),
            "normal(0, -1): the standard deviation must not be negative",
        ),
        (Lognormal::new(0.0, 1.0).err(), "lognormal(0, 1): the median must be above 0"),
        (Lognormal::new(1.0, -0.5).err(), "lognormal(1, -0.5): sigma must not be negative"),
        (Exponential::new(-1e-20).err(), "exponential(-1e-20): the mean must not be negative"),
        (Pareto::new(1.0, 0.0).err(), "pareto(1, 0): alpha must be above 0"),
        (Pareto::new(0.0, 1.0).err(), "pareto(0, 1): the minimum must be above 0"),
        (Poisson::new(1e16).err(), "poisson(1e16): the mean must be from 0 to 10^15"),
        (Zipf::new(0, 1.0).err(), "zipf(0, 1): the number of ranks must be from 1 to 10^15"),
        (Zipf::new(5, -1.0).err(), "zipf(5, -1): the exponent must be from 0 to 100"),
        (Choice::new(0).err(), "choice([]): the list must hold at least one value"),
        (Weighted::new(&[]).err(), "weighted(): at least one weight must be above 0"),
        (Weighted::new(&[0.0, 0.0]).err(), "weighted(0, 0): at least one weight must be above 0"),
        (
            Weighted::new(&[1.0, -1.0]).err(),
            "weighted(1, -1): weights must be finite numbers and not negative",
        ),
        (
            Weighted::new(&[1e308, 1e308]).err(),
            "weighted(1e308, 1e308): the weights must sum to a finite number",
        ),
        (
            Geometric::from_percents(&[60.0, 50.5]).err(),
            "probability 60% + 50.5%: a state's probabilities must not be negative and must not sum to more than 100%",
        ),
    ] {
        assert_eq!(text(got), want);
    }
    assert!(Geometric::from_percents(&[nan]).is_err());
    assert!(Geometric::from_percents(&[50.0, -1e-300]).is_err());
    assert!(Geometric::from_units(PERCENT_100 + 1).is_err());
    assert!(Thresholds::new(&[PERCENT_100, 1]).is_err());
    assert!(Thresholds::new(&[u64::MAX, u64::MAX]).is_err());
}

#[test]
fn the_probability_of_a_state_is_the_nearest_double() {
    // 0.2 + 83.9 + 15.9 is 100 in units; 10% + 20% is the double 0.3, not the sum of two.
    assert_eq!(
        Geometric::from_units(200_000_000_000 + 83_900_000_000_000 + 15_900_000_000_000)
            .unwrap()
            .p(),
        1.0
    );
    assert_eq!(Geometric::from_units(30_000_000_000_000).unwrap().p(), 0.3);
    assert_eq!(Geometric::from_percents(&[0.2, 83.9, 15.9]).unwrap().p(), 1.0);
    assert_eq!(Geometric::from_percents(&[100.0 + 1e-10]).unwrap().p(), 1.0);
    assert_eq!(Geometric::from_percents(&[9.9e-13]).unwrap().p(), 0.0);
}

/// Large means are as good as normal, and the lattice of whole numbers is too fine to be seen. The
/// power is that of the continuous cases.
#[test]
fn poisson_of_large_means_is_normal() {
    for (seed, mean) in [(501, 1e9), (502, 1e12), (503, 1e15)] {
        let law = Poisson::new(mean).unwrap();
        let mut sample: Vec<f64> = calls(seed, N).map(|call| law.sample(call) as f64).collect();
        moments(&format!("poisson({mean})"), &law, &sample);
        let normal = Normal::new(mean, mean.sqrt()).unwrap();
        // Half a step, and the skewness of 1 / (6 sqrt(mean)), are both below 10^-4 here.
        let p = ks_p(&mut sample, |x| normal.cdf(x + 0.5));
        assert!(p > ALPHA, "poisson({mean}): p = {p}");
    }
}

/// Doubles of every size, and some that are likely to be in a domain.
fn any_double() -> impl Strategy<Value = f64> {
    let special =
        [0.0, -0.0, 1.0, 1e-300, 5e-324, f64::MAX, f64::MIN, f64::INFINITY, f64::NAN, 100.0, 1e15];
    prop_oneof![
        any::<f64>(),
        0.0..200.0_f64,
        0.0..1.0_f64,
        9.0..11.0_f64,
        proptest::sample::select(special.to_vec())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the arguments: they are refused, or sampling ends and stays within the support.
    #[test]
    fn sampling_ends_and_stays_in_range(a in any_double(), b in any_double(), n in any::<i64>(), small in 1_i64..5000) {
        for call in calls(9, 8) {
            if let Ok(law) = UniformDouble::new(a, b) {
                let x = law.sample(call);
                prop_assert!(a <= x && (x < b || a == b), "{x}");
            }
            if let Ok(law) = UniformInt::new(n, small) {
                prop_assert!((n..=small).contains(&law.sample(call)));
            }
            if let Ok(law) = Chance::new(a) {
                law.sample(call);
            }
            if let Ok(law) = Normal::new(a, b) {
                prop_assert!(!law.sample(call).is_nan());
            }
            if let Ok(law) = Lognormal::new(a, b) {
                prop_assert!(law.sample(call) >= 0.0);
            }
            if let Ok(law) = Exponential::new(a) {
                prop_assert!(law.sample(call) >= 0.0);
            }
            if let Ok(law) = Pareto::new(a, b) {
                prop_assert!(law.sample(call) >= a);
            }
            if let Ok(law) = Poisson::new(a) {
                prop_assert!(law.sample(call) >= 0);
            }
            for n in [n, small] {
                if let Ok(law) = Zipf::new(n, a) {
                    prop_assert!((1..=n).contains(&law.sample(call)));
                }
            }
            let weights = [a, b, 0.0];
            if let Ok(law) = Weighted::new(&weights) {
                prop_assert!(weights[law.sample(call)] > 0.0);
            }
            if let Ok(law) = Geometric::new(a) {
                let wait = law.sample(call);
                prop_assert!(wait == NEVER || wait < 1 << 53);
            }
        }
    }
}
