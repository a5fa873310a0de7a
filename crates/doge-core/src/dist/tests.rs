//! Generic tests: each distribution's samples against its own `mean`, `variance` and `cdf`.

use super::*;
use crate::draw::{ScopeKey, site};

fn calls(n: u64) -> impl Iterator<Item = Call> {
    let scope = ScopeKey::population(2026, "tests");
    let site = site(&["tests", "dist"]);
    (0..n).map(move |id| Call { key: scope.subject(id).step(1), site })
}

fn all() -> Vec<(&'static str, Box<dyn Law>)> {
    let mut v: Vec<(&'static str, Box<dyn Law>)> = Vec::new();
    macro_rules! add { ($($e:expr),* $(,)?) => { $(v.push((stringify!($e), Box::new($e.unwrap())));)* } }
    add!(
        UniformInt::new(10, 99),
        UniformDouble::new(-1.0, 3.0),
        UniformDouble::new(-1.7e308, 1.7e308),
        Chance::new(0.3),
        Normal::new(100.0, 15.0),
        Lognormal::new(40.0, 0.6),
        Exponential::new(3.0),
        Pareto::new(10.0, 4.5),
        Poisson::new(0.3),
        Poisson::new(9.99),
        Poisson::new(10.0),
        Poisson::new(37.5),
        Poisson::new(1e4),
        Poisson::new(1e6),
        Zipf::new(1, 1.0),
        Zipf::new(10, 0.0),
        Zipf::new(1000, 1.0),
        Zipf::new(1000, 1.1),
        Zipf::new(1_000_000, 0.5),
        Zipf::new(1_000_000_000_000, 0.9),
        Choice::new(7),
        Weighted::new(&[1.0, 0.0, 2.5, 3.0]),
        Geometric::new(0.01),
        Geometric::new(0.999),
        Geometric::new(1e-14),
        Thresholds::new(&[1, 2, 0, 3]),
    );
    v
}

#[test]
fn quick() {
    const N: u64 = 100_000;
    for (name, law) in all() {
        let mut x: Vec<f64> = calls(N).map(|c| law.value(c)).collect();
        x.sort_by(f64::total_cmp);
        let mut d: f64 = 0.0;
        for (i, v) in x.iter().enumerate() {
            let f = law.cdf(*v);
            if law.is_discrete() {
                if x.get(i + 1).is_none_or(|next| next > v) {
                    d = d.max((f - (i + 1) as f64 / N as f64).abs());
                }
            } else {
                d = d.max((f - i as f64 / N as f64).abs()).max((f - (i + 1) as f64 / N as f64).abs());
            }
        }
        let m = x.iter().sum::<f64>() / N as f64;
        println!("{name:40} D*sqrt(n) {:.3} mean z {:.2}", d * (N as f64).sqrt(), (m - law.mean()) / (law.variance() / N as f64).sqrt());
    }
}
