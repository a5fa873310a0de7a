//! Whole models against the law: waits, choices, guards, sojourns and numbers of attempts as they come
//! out of the engine, each against what the language page says they are, computed here.
//!
//! As in [`crate::law`] each test has one fixed seed, `ALPHA` is the chance that a sound engine had
//! failed a comparison under a seed chosen blindly, and the power stands beside each test: what it finds
//! with a probability of 99.9%. For a z-test of n values with standard deviation sd that is a shift of
//! (4.89 + 3.09) * sd / sqrt(n). The same-bytes tests hold the engine to a second one exactly; these
//! hold both to the page.

use crate::law::ALPHA;
use crate::law::stats::{chi2_p, normal_p};
use crate::reference::{Outcome, Same};
use crate::same::drive::{How, all_ids, program, run};
use crate::same::{compiled, compiled_with};
use doge_core::engine::Tuning;
use doge_core::model::{Model, PERCENT_100, Probability};
use doge_core::spec::Overrides;
use doge_core::value::Value;
use std::collections::BTreeMap;

fn simulate(model: &Model) -> Outcome {
    let events = model.events.iter().map(|e| e.emitted).collect();
    let outcome = run(&program(model, all_ids(model), events), Tuning::default(), How::Workers(1));
    assert_eq!(outcome.failure, None);
    outcome
}

/// Ticks of each subject's events, in order.
fn ticks(model: &Model, outcome: &Outcome) -> BTreeMap<(u32, u64), Vec<u64>> {
    let mut ticks: BTreeMap<(u32, u64), Vec<u64>> = BTreeMap::new();
    for e in &outcome.events {
        let tick = (e.position.time_ms - model.clock.start_ms) / model.clock.tick_ms;
        ticks.entry((e.position.population, e.position.id)).or_default().push(tick as u64);
    }
    ticks
}

/// Waits against the geometric law, in about 40 cells of equal probability (fewer where one wait alone
/// is likelier). Returns the p-value.
fn geometric(waits: &[u64], p: f64) -> f64 {
    let n = waits.len() as f64;
    // P(wait >= k)
    let beyond = |k: u64| libm::exp(k as f64 * libm::log1p(-p));
    let mut edges = vec![0u64];
    while beyond(edges[edges.len() - 1]) > 2.0 / 40.0 {
        let from = edges[edges.len() - 1];
        let width = libm::ceil(libm::log1p(-1.0 / 40.0 / beyond(from)) / libm::log1p(-p)).max(1.0);
        edges.push(from + width as u64);
    }
    let mut counts = vec![0u64; edges.len()];
    for w in waits {
        counts[edges.partition_point(|e| e <= w) - 1] += 1;
    }
    let expected: Vec<f64> = edges
        .iter()
        .enumerate()
        .map(|(i, e)| n * (beyond(*e) - edges.get(i + 1).map_or(0.0, |next| beyond(*next))))
        .collect();
    chi2_p(&counts, &expected)
}

/// Three states in a row, each left with probability p: a subject's three waits.
fn three(p: &str, count: u64, ticks: u64) -> Model {
    compiled(&format!(
        "seed: 3\nclock: {{ start: 0, tick: 1s, ticks: {ticks} }}\nsubjects:\n  u:\n    count: {count}\n    states:\n      \
         a: {{ transitions: {{ go: {{ to: b, probability: {p}%, emit: e }} }} }}\n      \
         b: {{ transitions: {{ go: {{ to: c, probability: {p}%, emit: e }} }} }}\n      \
         c: {{ transitions: {{ go: {{ to: d, probability: {p}%, emit: e }} }} }}\n      d: {{}}\n\
         events: {{ e: {{ fields: {{ id: id }} }} }}\n"
    ))
}

/// First waits are geometric from tick 0 on, later ones from the tick after the attempt on.
///
/// Power, n = 20,000 waits in up to 40 cells: a relative error of 9% (root of the mean square) in the
/// cells' probabilities. A wait that is one tick off empties or doubles a whole cell for every p here.
#[test]
fn first_and_later_waits_are_geometric() {
    for (text, p, ticks) in
        [("50", 0.5, 200), ("90", 0.9, 100), ("3", 0.03, 3_000), ("0.2", 0.002, 40_000)]
    {
        let model = three(text, 20_000, ticks);
        let outcome = simulate(&model);
        let ticks = self::ticks(&model, &outcome);
        assert_eq!(ticks.len(), 20_000);
        let mut waits: [Vec<u64>; 3] = Default::default();
        for t in ticks.values() {
            assert_eq!(t.len(), 3, "the run is long enough for all three");
            waits[0].push(t[0]);
            waits[1].push(t[1] - t[0] - 1);
            waits[2].push(t[2] - t[1] - 1);
        }
        for (i, w) in waits.iter().enumerate() {
            let value = geometric(w, p);
            assert!(value > ALPHA, "wait {i} at p = {p}: {value}");
        }
    }
}

/// In every tick those who are still there try with the same probability: tick by tick, from tick 0 on.
///
/// Power: z-tests of at least 7,000 tries with p = 0.1, a hazard off by 0.03.
#[test]
fn each_tick_is_a_try() {
    let model = three("10", 20_000, 500);
    let first: Vec<u64> = ticks(&model, &simulate(&model)).values().map(|t| t[0]).collect();
    for tick in 0..10 {
        let tried = first.iter().filter(|t| **t >= tick).count() as f64;
        let left = first.iter().filter(|t| **t == tick).count() as f64;
        let z = (left - tried * 0.1) / (tried * 0.1 * 0.9).sqrt();
        assert!(normal_p(z) > ALPHA, "tick {tick}: {left} of {tried}");
    }
}

/// Certain transitions happen in every tick, from tick 0 on; impossible ones never.
#[test]
fn certain_and_impossible() {
    let model = three("100", 50, 10);
    let ticks = ticks(&model, &simulate(&model));
    assert_eq!(ticks.len(), 50);
    assert!(ticks.values().all(|t| *t == [0, 1, 2]));
    let model = three("0", 50, 10);
    assert!(simulate(&model).events.is_empty());
}

/// Transitions are chosen by their probabilities, literal and not.
///
/// Power, n about 20,000: cells off by 3.5% (root of the mean square).
#[test]
fn transitions_are_chosen_by_their_probabilities() {
    for shares in [
        vec![("70%", 70.0), ("30%", 30.0)],
        vec![("5%", 5.0), ("0%", 0.0), ("20%", 20.0), ("25.5%", 25.5), ("1%", 1.0)],
        vec![
            ("8%", 8.0),
            ("2%", 2.0),
            ("8%", 8.0),
            ("2%", 2.0),
            ("8%", 8.0),
            ("2%", 2.0),
            ("8%", 8.0),
            ("2%", 2.0),
            ("8%", 8.0),
            ("2%", 2.0),
        ],
        vec![
            ("10.0 + 5.0", 15.0),
            ("30%", 30.0),
            ("double(id) * 0.0", 0.0),
            ("double(id) * 0.0 + 40.0", 40.0),
        ],
    ] {
        let transitions: String = shares
            .iter()
            .enumerate()
            .map(|(i, (text, _))| {
                format!("          t{i}: {{ to: done, probability: {text}, emit: e }}\n")
            })
            .collect();
        let model = compiled(&format!(
            "seed: 4\nclock: {{ start: 0, tick: 1s, ticks: 300 }}\nsubjects:\n  u:\n    count: 20000\n    states:\n      \
             on:\n        transitions:\n{transitions}      done: {{}}\nevents: {{ e: {{ fields: {{ id: id }} }} }}\n"
        ));
        let outcome = simulate(&model);
        let sum: f64 = shares.iter().map(|s| s.1).sum();
        let n: u64 = outcome.attempts[0].iter().sum();
        assert!(n > 19_990, "{n}");
        let (mut counts, mut expected) = (Vec::new(), Vec::new());
        for (count, (text, share)) in outcome.attempts[0].iter().zip(&shares) {
            match *share > 0.0 {
                true => {
                    counts.push(*count);
                    expected.push(n as f64 * share / sum);
                }
                false => assert_eq!(*count, 0, "{text}"),
            }
        }
        let p = chi2_p(&counts, &expected);
        assert!(p > ALPHA, "{shares:?}: {counts:?}: {p}");
    }
}

/// A population whose guards do not change where its subjects go, as a chain: by state the probability
/// that an attempt is made in a tick and the state after it.
struct Chain {
    initial: usize,
    moves: Vec<Vec<(f64, usize)>>,
}

impl Chain {
    fn of(model: &Model) -> Chain {
        let population = &model.populations[0];
        let share = |p: &Probability| match p {
            Probability::Literal(units) => *units as f64 / PERCENT_100 as f64,
            Probability::Expr(_) => panic!("a chain has literal probabilities"),
        };
        let moves = |s: &doge_core::model::State| {
            s.transitions.iter().map(|t| (share(&t.probability), t.to)).collect()
        };
        Chain { initial: population.initial, moves: population.states.iter().map(moves).collect() }
    }

    /// Mean and variance of the number of attempts in so many ticks, by the exact recursion backwards:
    /// with probability p an attempt is made (one more, and on from its state), else the state stays.
    fn attempts(&self, ticks: u64) -> (f64, f64) {
        let mut first = vec![0.0; self.moves.len()];
        let mut second = first.clone();
        for _ in 0..ticks {
            let (m1, m2) = (first.clone(), second.clone());
            for (s, moves) in self.moves.iter().enumerate() {
                let stay = 1.0 - moves.iter().map(|m| m.0).sum::<f64>();
                first[s] =
                    stay * m1[s] + moves.iter().map(|(p, to)| p * (1.0 + m1[*to])).sum::<f64>();
                second[s] = stay * m2[s]
                    + moves.iter().map(|(p, to)| p * (1.0 + 2.0 * m1[*to] + m2[*to])).sum::<f64>();
            }
        }
        let mean = first[self.initial];
        (mean, second[self.initial] - mean * mean)
    }

    /// The probability to be in each state after so many ticks.
    fn shares(&self, ticks: u64) -> Vec<f64> {
        let mut now = vec![0.0; self.moves.len()];
        now[self.initial] = 1.0;
        for _ in 0..ticks {
            let mut next = now.clone();
            for (s, moves) in self.moves.iter().enumerate() {
                for (p, to) in moves {
                    next[s] -= now[s] * p;
                    next[*to] += now[s] * p;
                }
            }
            now = next;
        }
        now
    }
}

/// The banking model's number of attempts: 3.9431 a subject in 1,000 ticks.
///
/// Power: z-test of n = 60,000 subjects, sd = 3.40: a mean off by 0.11 (2.8%).
#[test]
fn attempts_of_the_banking_model() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/banking/model.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let n = 60_000u32;
    let counts = vec![(None, u64::from(n))];
    let model = compiled_with(&text, &Overrides { counts, seed: Some(5), ..Overrides::default() });
    let chain = Chain::of(&model);
    let (mean, variance) = chain.attempts(model.clock.ticks);
    assert!((mean - 3.9431).abs() < 0.00005, "{mean}");
    let outcome = simulate(&model);
    let attempts: u64 = outcome.attempts[0].iter().sum();
    let z = (attempts as f64 / f64::from(n) - mean) / (variance / f64::from(n)).sqrt();
    assert!(
        normal_p(z) > ALPHA,
        "{} attempts a subject, {mean} expected, sd {}: z = {z}",
        attempts as f64 / f64::from(n),
        variance.sqrt()
    );
}

/// Shares of the states after a long time, and their limit.
///
/// Power: z-tests of n = 20,000 subjects, a share off by 0.03.
#[test]
fn shares_of_the_states() {
    let model = compiled(
        "seed: 6\nclock: { start: 0, tick: 1s, ticks: 400 }\nsubjects:\n  u:\n    count: 20000\n    states:\n      \
         a: { transitions: { ab: { to: b, probability: 2%, emit: e }, aa: { probability: 1%, emit: e } } }\n      \
         b: { transitions: { ba: { to: a, probability: 4%, emit: e }, bc: { to: c, probability: 1%, emit: e } } }\n      \
         c: { transitions: { ca: { to: a, probability: 10%, emit: e }, cc: { to: c, probability: 50%, emit: e } } }\n\
         events: { e: { fields: { to: to } } }\n",
    );
    let shares = Chain::of(&model).shares(400);
    // In the limit a : b : c = 50 : 20 : 2.
    for (share, limit) in shares.iter().zip([50.0 / 72.0, 20.0 / 72.0, 2.0 / 72.0]) {
        assert!((share - limit).abs() < 1e-6, "{shares:?}");
    }
    let outcome = simulate(&model);
    let mut last: Vec<String> = vec!["a".into(); 20_000];
    for e in outcome.events {
        let Same::Other(Value::String(to)) = &e.fields[0] else { panic!("{e:?}") };
        last[e.position.id as usize].clone_from(to);
    }
    for (state, share) in ["a", "b", "c"].iter().zip(shares) {
        let here = last.iter().filter(|s| s == state).count() as f64;
        let z = (here - 20_000.0 * share) / (20_000.0 * share * (1.0 - share)).sqrt();
        assert!(normal_p(z) > ALPHA, "{state}: {here} of 20,000, {share} expected");
    }
}

/// A blocked attempt counts, changes nothing, and its wait is drawn anew: between two attempts that are
/// made lies a geometric number of ticks with p times the guard's probability, and of blocked attempts
/// with the guard's alone.
///
/// Power as of `first_and_later_waits_are_geometric`, n = 20,000.
#[test]
fn blocked_attempts_draw_anew() {
    let model = compiled(
        "seed: 7\nclock: { start: 0, tick: 1s, ticks: 2000 }\nsubjects:\n  u:\n    count: 20000\n    attributes: { n: 0 }\n    states:\n      \
         a: { transitions: { go: { to: b, probability: 20%, when: chance(0.3), set: { n: n + 1 }, emit: e } } }\n      \
         b: { transitions: { go: { to: c, probability: 20%, when: chance(0.3), set: { n: n + 1 }, emit: e } } }\n      c: {}\n\
         events: { e: { fields: { n: n, seq: seq } } }\n",
    );
    let outcome = simulate(&model);
    let mut seen: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for e in &outcome.events {
        let at = seen.entry(e.position.id).or_default();
        assert_eq!(
            e.fields[0],
            Value::Int(at.len() as i64 + 1).into(),
            "a blocked attempt changed something"
        );
        at.push((e.position.time_ms as u64 / 1000, e.position.seq));
    }
    assert_eq!(seen.len(), 20_000);
    let pairs: Vec<_> = seen.values().map(|at| (at[0], at[1])).collect();
    for (what, waits, p) in [
        ("first ticks", pairs.iter().map(|(a, _)| a.0).collect::<Vec<_>>(), 0.06),
        ("ticks between", pairs.iter().map(|(a, b)| b.0 - a.0 - 1).collect(), 0.06),
        ("blocked before the first", pairs.iter().map(|(a, _)| a.1 - 1).collect(), 0.3),
        ("blocked between", pairs.iter().map(|(a, b)| b.1 - a.1 - 1).collect(), 0.3),
    ] {
        let value = geometric(&waits, p);
        assert!(value > ALPHA, "{what}: {value}");
    }
    let (attempts, blocked): (u64, u64) =
        (outcome.attempts[0].iter().sum(), outcome.blocked[0].iter().sum());
    assert_eq!(attempts - blocked, 40_000);
}

/// Subjects know nothing of one another: waits of neighbours, of the same id in two populations, and
/// the first and the second wait of one subject, in 8 x 8 cells.
///
/// Power, n = 20,000 pairs in 64 cells: cells off by 10% (root of the mean square).
#[test]
fn subjects_are_independent() {
    let population = |name: &str| {
        format!(
            "  {name}:\n    count: 20000\n    states:\n      \
             a: {{ transitions: {{ go: {{ to: b, probability: 0.1%, emit: e }} }} }}\n      \
             b: {{ transitions: {{ go: {{ to: c, probability: 0.1%, emit: e }} }} }}\n      c: {{}}\n"
        )
    };
    let model = compiled(&format!(
        "seed: 8\nclock: {{ start: 0, tick: 1s, ticks: 60000 }}\nsubjects:\n{}{}events: {{ e: {{ fields: {{ id: id }} }} }}\n",
        population("u"),
        population("v")
    ));
    let ticks = ticks(&model, &simulate(&model));
    let cell =
        |wait: u64| ((-libm::expm1(wait as f64 * libm::log1p(-0.001)) * 8.0) as usize).min(7);
    let first = |p, id| cell(ticks[&(p, id)][0]);
    let second = |p, id| cell(ticks[&(p, id)][1] - ticks[&(p, id)][0] - 1);
    type Pair<'a> = (&'static str, Box<dyn Fn(u64) -> (usize, usize) + 'a>);
    let pairs: [Pair<'_>; 4] = [
        ("neighbours", Box::new(|id| (first(0, id), first(0, (id + 1) % 20_000)))),
        ("64 apart", Box::new(|id| (first(0, id), first(0, (id + 64) % 20_000)))),
        ("two populations", Box::new(|id| (first(0, id), first(1, id)))),
        ("first and second wait", Box::new(|id| (first(0, id), second(0, id)))),
    ];
    for (what, pair) in pairs {
        let (mut counts, mut rows, mut columns) = ([0u64; 64], [0u64; 8], [0u64; 8]);
        for id in 0..20_000 {
            let (a, b) = pair(id);
            counts[a * 8 + b] += 1;
            rows[a] += 1;
            columns[b] += 1;
        }
        let expected: Vec<f64> =
            (0..64).map(|i| rows[i / 8] as f64 * columns[i % 8] as f64 / 20_000.0).collect();
        // Margins are estimated: chi2_p takes 63 degrees of freedom, 49 are left. It is on the safe side.
        let p = chi2_p(&counts, &expected);
        assert!(p > ALPHA, "{what}: {p}");
    }
}

/// Without `to` a subject stays where it is, also where that is not the first state, and `to` has the
/// name of that state; so it has where the state is entered again.
#[test]
fn staying_and_entering_again() {
    for to in ["", "to: second, "] {
        let model = compiled(&format!(
            "clock: {{ start: 0, tick: 1s, ticks: 50 }}\nsubjects:\n  u:\n    count: 20\n    initial: second\n    states:\n      \
             first: {{ transitions: {{ never: {{ probability: 100%, emit: e }} }} }}\n      \
             second: {{ transitions: {{ stay: {{ {to}probability: 50%, let: {{ here: to, was: from, by: trigger }}, emit: own }} }} }}\n\
             events:\n  e: {{ fields: {{ trigger: trigger }} }}\n  \
             own: {{ fields: {{ trigger: trigger, from: from, to: to, by: by, was: was, here: here }} }}\n"
        ));
        let outcome = simulate(&model);
        assert!(outcome.events.len() > 300);
        let text = |t: &str| Same::from(Value::String(t.into()));
        let want = ["stay", "second", "second", "stay", "second", "second"].map(text);
        assert!(outcome.events.iter().all(|e| e.fields == want), "{:?}", outcome.events[0]);
    }
}

#[test]
fn expressions_may_not_sum_to_more_than_100_percent() {
    // 50 and 50 percent for subject 0, 60 and 60 for subject 1.
    let model = compiled(
        "clock: { start: 0, tick: 1s, ticks: 10 }
subjects:
  user:
    count: 2
    states:
      here:
        transitions:
          left: { probability: 50 + 10 * id, emit: seen }
          right: { probability: 50 + 10 * id, emit: seen }
events:
  seen: { fields: { id: id } }
",
    );
    let events = model.events.iter().map(|e| e.emitted).collect();
    let program = program(&model, all_ids(&model), events);
    let outcome = run(&program, Tuning::default(), How::Workers(1));
    let failure = outcome.failure.map(|(_, message)| message);
    assert!(failure.as_ref().is_some_and(|m| m.contains("120")), "{failure:?}");
    assert!(outcome.events.is_empty(), "errors at creation come before all events");
}
