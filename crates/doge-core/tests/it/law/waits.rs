//! The wait and the choice among transitions: their laws, and that they depend on nothing else.
//!
//! Power, with N = 200,000 draws a case: a relative error of 2.8% (root of the mean square) in the
//! probabilities of the cells, of which there are at most 66 of about equal probability, is found with a
//! probability above 99.9%. The means: a shift by 0.018 standard deviations with 99.9%.

use doge_core::dist::{Call, Geometric, NEVER, Normal, Thresholds, UniformInt};
use doge_core::draw::{ScopeKey, call_site, site};

use super::ALPHA;
use super::dist::{cells_p, moments};
use super::stats::{chi2_p, uniform_p};

const N: u64 = 200_000;
const PROBABILITIES: [f64; 14] =
    [1e-14, 1.234e-12, 1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999];

/// First waits (step 0, one a subject) and later waits (many steps of few subjects).
#[test]
fn waits_are_geometric_first_and_later() {
    for (n, p) in PROBABILITIES.into_iter().enumerate() {
        let law = Geometric::new(p).unwrap();
        let scope = ScopeKey::population(100 + n as u64, "user");
        let at = site(&["offline", "#wait"]);
        let first = |i| scope.subject(i).step(0);
        let later = |i| scope.subject(i % 10).step(1 + i / 10);
        let sample = |key: &dyn Fn(u64) -> _| -> Vec<f64> {
            (0..N).map(|i| law.sample(Call { key: key(i), site: at }) as f64).collect()
        };
        for (which, waits) in [("first", sample(&first)), ("later", sample(&later))] {
            moments(&format!("{which} wait, p = {p}"), &law, &waits);
            let value = cells_p(&law, &waits);
            assert!(value > ALPHA, "{which} wait, p = {p}: {value}");
        }
    }
}

/// No wait at all, and none that ends.
#[test]
fn certain_and_impossible() {
    let scope = ScopeKey::population(1, "user");
    for i in 0..10_000 {
        let call = Call { key: scope.subject(i).step(i % 7), site: site(&["s", "#wait"]) };
        assert_eq!(Geometric::new(1.0).unwrap().sample(call), 0);
        assert_eq!(Geometric::new(0.0).unwrap().sample(call), NEVER);
        assert_eq!(Geometric::new(9.99e-15).unwrap().sample(call), NEVER);
        assert!(Geometric::new(1e-14).unwrap().sample(call) < 1 << 53);
    }
    for w in [0, 1, u64::MAX - 1, u64::MAX] {
        assert_eq!(Geometric::new(1.0).unwrap().of_word(w), 0);
        assert_eq!(Geometric::new(0.0).unwrap().of_word(w), NEVER);
        assert!(Geometric::new(1e-14).unwrap().of_word(w) < 1 << 53);
    }
}

/// The longest of N waits is where it should be: about `ln(N) / p`. A logarithm that runs out of bits
/// in its tail would cut it.
#[test]
fn the_longest_wait_is_long_enough() {
    for (n, p) in PROBABILITIES.into_iter().enumerate().filter(|(_, p)| *p < 0.01) {
        let law = Geometric::new(p).unwrap();
        let longest = super::calls(n as u64, N).map(|call| law.sample(call)).max().unwrap() as f64;
        // P(all below x) = (1 - e^-xp)^N: 10^-6 at x = 9.6 / p, 1 - 10^-6 at x = 26.1 / p.
        assert!((9.5..26.2).contains(&(longest * p)), "p = {p}: {longest}");
    }
}

#[test]
fn transitions_are_chosen_by_their_probabilities() {
    let scope = ScopeKey::population(5, "user");
    let at = site(&["online", "#choice"]);
    for (n, units) in
        [&[1, 1][..], &[70, 30], &[1, 0, 98, 1, 0], &[5; 20], &[99_999_999_999_999, 1]]
            .iter()
            .enumerate()
    {
        let law = Thresholds::new(units).unwrap();
        let percents: Vec<f64> = units.iter().map(|u| *u as f64).collect();
        let mut counts = [vec![0_u64; units.len()], vec![0; units.len()]];
        for i in 0..N {
            let call =
                Call { key: scope.subject(i % 1000).step(n as u64 * N + i / 1000), site: at };
            counts[0][law.sample(call)] += 1;
            counts[1][Thresholds::sample_doubles(&percents, call)] += 1;
        }
        // Doubles differ from integers for a few words in 2^53 at most: not here.
        assert_eq!(counts[0], counts[1]);
        let total: u64 = units.iter().sum();
        let expected = units.iter().map(|u| *u as f64 / total as f64 * N as f64);
        let (mut c, mut e) = (Vec::new(), Vec::new());
        for (count, expected) in counts[0].iter().zip(expected) {
            if expected > 5.0 {
                c.push(*count);
                e.push(expected);
            } else {
                assert!(*count <= 1, "{units:?}: {count} where {expected} are expected");
            }
        }
        if c.len() > 1 {
            let p = chi2_p(&c, &e);
            assert!(p > ALPHA, "{units:?}: {p}");
        }
    }
}

/// Pairs of draws that a model makes side by side, in 16 x 16 cells of equal probability. Power:
/// cells off by 3.5% (root of the mean square) are found with 99.9%.
#[test]
fn draws_side_by_side_are_independent() {
    let scope = ScopeKey::population(77, "user");
    let wait = site(&["online", "#wait"]);
    let choice = site(&["online", "#choice"]);
    let price = |k| call_site(&["online", "buy", "let", "price"], k);
    let amount = call_site(&["online", "buy", "set", "amount"], 0);
    let (price0, price1) = (price(0), price(1));
    // Laws whose values tell the cell of their word.
    let (even, normal) = (UniformInt::new(0, 15).unwrap(), Normal::new(0.0, 1.0).unwrap());
    let rare = Geometric::new(1e-9).unwrap();
    let of_wait =
        |key, site| ((rare.cdf(rare.sample(Call { key, site }) as f64) * 16.0) as usize).min(15);
    let of_even = |key, site| even.sample(Call { key, site }) as usize;
    let of_normal =
        |key, site| ((normal.cdf(normal.sample(Call { key, site })) * 16.0) as usize).min(15);
    type Pair<'a> = (&'static str, Box<dyn Fn(u64) -> (usize, usize) + 'a>);
    let step = |i: u64| scope.subject(i % 500).step(i / 500 + 1);
    let after = |i: u64| scope.subject(i % 500).step(i / 500 + 2);
    let neighbour = |i: u64| scope.subject(i % 500 + 1).step(i / 500 + 1);
    let pairs: Vec<Pair<'_>> = vec![
        ("a wait and the next", Box::new(|i| (of_wait(step(i), wait), of_wait(after(i), wait)))),
        (
            "the waits of two subjects",
            Box::new(|i| (of_wait(step(i), wait), of_wait(neighbour(i), wait))),
        ),
        (
            "a wait and the choice before it",
            Box::new(|i| (of_wait(step(i), wait), of_even(step(i), choice))),
        ),
        (
            "a wait and the choice after it",
            Box::new(|i| (of_wait(step(i), wait), of_even(after(i), choice))),
        ),
        ("a choice and a let", Box::new(|i| (of_even(step(i), choice), of_even(step(i), price0)))),
        (
            "two calls of an expression",
            Box::new(|i| (of_normal(step(i), price0), of_even(step(i), price1))),
        ),
        ("a let and a set", Box::new(|i| (of_normal(step(i), price0), of_normal(step(i), amount)))),
        (
            "a let and the same in the next attempt",
            Box::new(|i| (of_even(step(i), price0), of_even(after(i), price0))),
        ),
        (
            "a let of two subjects",
            Box::new(|i| (of_even(step(i), price0), of_even(neighbour(i), price0))),
        ),
        (
            "a creation and the first attempt",
            Box::new(|i| {
                (
                    of_even(scope.subject(i).step(0), price0),
                    of_even(scope.subject(i).step(1), price0),
                )
            }),
        ),
    ];
    for (name, pair) in pairs {
        let mut counts = vec![0_u64; 256];
        for i in 0..N {
            let (a, b) = pair(i);
            counts[a << 4 | b] += 1;
        }
        let p = uniform_p(&counts);
        assert!(p > ALPHA, "{name}: {p}");
    }
}
