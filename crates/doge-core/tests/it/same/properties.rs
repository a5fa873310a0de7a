//! The properties.

use super::drive::{How, all_ids, program, run};
use super::models::{self, Size, Tape};
use super::{compiled, compiled_with, try_compiled, whole};
use crate::reference::{self, Outcome, Part, Seen};
use doge_core::batch::IdMap;
use doge_core::draw::ScopeKey;
use doge_core::engine::Tuning;
use doge_core::model::{Model, PERCENT_100, Probability};
use doge_core::spec::{Length, Overrides};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::RefCell;

/// Runs a property on so many tapes, always the same ones. `DOGE_CASES=20` runs twenty times as many.
fn for_all(
    seed: u8,
    cases: u32,
    longest: usize,
    property: impl Fn(&[u16]) -> Result<(), TestCaseError>,
) {
    let factor = std::env::var("DOGE_CASES").ok().and_then(|f| f.parse::<u32>().ok()).unwrap_or(1);
    let mut config =
        Config { cases: cases * factor, failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_MAX_SHRINK_ITERS").is_none() {
        config.max_shrink_iters = 4096;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let tapes = vec(any::<u16>(), longest / 8..longest);
    if let Err(e) = TestRunner::new_with_rng(config, rng).run(&tapes, |tape| property(&tape)) {
        panic!("{e}");
    }
}

const SMALL: Size = Size { populations: 3, subjects: 9, ticks: 120, risky: false };
const RISKY: Size = Size { risky: true, ..SMALL };

/// Tunings that cut time, subjects and memory in every way, by the tape.
fn tuning(tape: &mut Tape<'_>) -> Tuning {
    let window_ticks =
        [None, Some(1), Some(2), Some(3), Some(7), Some(64), Some(300), Some(1000)][tape.pick(8)];
    let cell = [None, Some(1), Some(2), Some(5), Some(100)][tape.pick(5)];
    let limit = [None, Some(1), Some(2), Some(7), Some(40)][tape.pick(5)];
    let buffer_bytes = [1 << 20, 1, 64, 1000, 20_000][tape.pick(5)];
    let threads = 1 + tape.pick(4);
    Tuning { buffer_bytes, threads, window_ticks, cell, limit }
}

fn how(tape: &mut Tape<'_>) -> How {
    match tape.pick(8) {
        0 => How::Advance(u64::MAX / 2),
        1 => How::Advance(1),
        2 => How::Advance(13),
        n => How::Workers(n - 2),
    }
}

/// The first difference of two outcomes, for people.
fn same(what: &str, text: &str, want: &Outcome, got: &Outcome) -> Result<(), TestCaseError> {
    if want == got {
        return Ok(());
    }
    let at = want.events.iter().zip(&got.events).position(|(a, b)| a != b);
    let at = at.unwrap_or(want.events.len().min(got.events.len()));
    Err(TestCaseError::fail(format!(
        "{what}: {} events wanted, {} given; the first to differ is number {at}:\nwanted {:?}\n given {:?}\n\
         failure wanted {:?}\n         given {:?}\nattempts wanted {:?} given {:?}, blocked wanted {:?} given {:?}\n{text}",
        want.events.len(),
        got.events.len(),
        want.events.get(at),
        got.events.get(at),
        want.failure,
        got.failure,
        want.attempts,
        got.attempts,
        want.blocked,
        got.blocked,
    )))
}

fn all_events(model: &Model) -> Vec<bool> {
    model.events.iter().map(|e| e.emitted).collect()
}

/// A made model. Constants that fail are found when it is read; such a case is no case.
fn made(text: &str, size: Size) -> Result<Option<Model>, TestCaseError> {
    match try_compiled(text, &Overrides::default()) {
        Ok(model) => Ok(Some(model)),
        Err(_) if size.risky => Ok(None),
        Err(problems) => Err(TestCaseError::fail(format!("{problems}\n{text}"))),
    }
}

/// Four ways of driving one model, which is to give `want`.
fn driven(
    tape: &mut Tape<'_>,
    text: &str,
    model: &Model,
    want: &Outcome,
) -> Result<(), TestCaseError> {
    let program = program(model, all_ids(model), all_events(model));
    for _ in 0..4 {
        let (tuning, how) = (tuning(tape), how(tape));
        same(&format!("{tuning:?} {how:?}"), text, want, &run(&program, tuning, how))?;
    }
    Ok(())
}

/// Windows, cells, memory, limits and workers leave no trace.
#[test]
fn however_it_is_driven() {
    let tally = RefCell::new(Tally::default());
    for_all(1, 500, 1200, |numbers| {
        let tape = &mut Tape::new(numbers);
        // How it is driven comes first, so that shrinking the model does not change it.
        let mut how = Tape::new(&numbers[..numbers.len().min(12)]);
        let text = models::model(tape, SMALL);
        let Some(model) = made(&text, SMALL)? else { return Ok(()) };
        let want = whole(&model);
        tally.borrow_mut().add(&model, &want);
        driven(&mut how, &text, &model, &want)
    });
    tally.borrow().check();
}

/// What the cases had in them, so that a change of the generator cannot make them empty unseen.
#[derive(Default, Debug)]
struct Tally {
    models: usize,
    failed: usize,
    silent: usize,
    events: usize,
    attempts: u64,
    blocked: u64,
    dynamic: usize,
    nullable: usize,
    suppressed: usize,
}

impl Tally {
    fn add(&mut self, model: &Model, outcome: &Outcome) {
        self.models += 1;
        self.failed += usize::from(outcome.failure.is_some());
        self.silent += usize::from(outcome.events.is_empty());
        self.events += outcome.events.len();
        self.attempts += outcome.attempts.iter().flatten().sum::<u64>();
        self.blocked += outcome.blocked.iter().flatten().sum::<u64>();
        let transitions =
            || model.populations.iter().flat_map(|p| &p.states).flat_map(|s| &s.transitions);
        self.dynamic +=
            usize::from(transitions().any(|t| matches!(t.probability, Probability::Expr(_))));
        let attributes = model.populations.iter().flat_map(|p| &p.attributes);
        self.nullable += usize::from(attributes.clone().any(|a| a.ty.nullable));
        self.suppressed +=
            usize::from(transitions().flat_map(|t| &t.emits).any(|e| e.when.is_some()));
    }

    fn check(&self) {
        let least = self.models / 10;
        let enough = self.silent < self.models / 3
            && self.events > 100 * self.models
            && self.blocked * 100 > self.attempts
            && self.dynamic > least
            && self.nullable > least
            && self.suppressed > least;
        assert!(enough, "{self:?}");
    }
}

/// The first failure in event order ends a run, and all events before it are there.
#[test]
fn failures_too() {
    let tally = RefCell::new(Tally::default());
    for_all(2, 500, 1200, |numbers| {
        let mut how = Tape::new(&numbers[..numbers.len().min(12)]);
        let text = models::model(&mut Tape::new(numbers), RISKY);
        let Some(model) = made(&text, RISKY)? else { return Ok(()) };
        let want = whole(&model);
        tally.borrow_mut().add(&model, &want);
        driven(&mut how, &text, &model, &want)
    });
    let tally = tally.borrow();
    assert!(tally.failed > 40, "{tally:?}");
}

/// Shards merged by the order are the whole; blocks of ids go round.
#[test]
fn shards_merge_to_the_whole() {
    for_all(3, 60, 1000, |numbers| {
        let mut tape = Tape::new(numbers);
        let shards = 1 + tape.pick(5) as u64;
        let text = models::model(
            &mut tape,
            Size { populations: 2, subjects: 300, ticks: 12, risky: false },
        );
        let model = compiled(&text);
        let want = whole(&model);
        let mut events: Vec<Seen> = Vec::new();
        for k in 0..shards {
            let ids =
                model.populations.iter().map(|p| IdMap::shard(0, p.count, k, shards)).collect();
            let part =
                run(&program(&model, ids, all_events(&model)), tuning(&mut tape), how(&mut tape));
            for e in &part.events {
                assert_eq!(e.position.id / 64 % shards, k, "block of subject {}", e.position.id);
            }
            events.extend(part.events);
        }
        events.sort_by_key(|e| e.position);
        let got = Outcome { events, ..want.clone() };
        same(&format!("{shards} shards"), &text, &want, &got)
    });
}

/// A range of ids, also within a shard, gives exactly what the whole gives for these subjects.
#[test]
fn subjects_can_be_generated_alone() {
    for_all(4, 120, 1000, |numbers| {
        let mut tape = Tape::new(numbers);
        let (from, len) = (tape.pick(200) as u64, tape.pick(150) as u64);
        let (shard, shards) = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)][tape.pick(5)];
        let text = models::model(
            &mut tape,
            Size { populations: 2, subjects: 300, ticks: 10, risky: false },
        );
        let model = compiled(&text);
        let end = |count: u64| count.min(from + len);
        let ids = model
            .populations
            .iter()
            .map(|p| IdMap::shard(from.min(p.count), end(p.count), shard, shards));
        let program = program(&model, ids.collect(), all_events(&model));
        let taken =
            |_: usize, id: u64| (from..from + len).contains(&id) && id / 64 % shards == shard;
        let want = reference::run(&model, &Part { events: &all_events(&model), subjects: &taken });
        let what = format!("{from}..{} of shard {shard}/{shards}", from + len);
        same(&what, &text, &want, &run(&program, tuning(&mut tape), how(&mut tape)))
    });
}

/// Events chosen for a run are those of the whole, filtered. (Failures apart: what is not chosen
/// cannot fail.)
#[test]
fn selected_events_are_the_whole_filtered() {
    for_all(5, 200, 1200, |numbers| {
        let mut tape = Tape::new(numbers);
        let text = models::model(&mut tape, SMALL);
        let model = compiled(&text);
        let chosen: Vec<bool> =
            model.events.iter().map(|e| e.emitted && tape.pick(3) == 1).collect();
        let mut want = whole(&model);
        let is_chosen =
            |e: &Seen| model.events.iter().zip(&chosen).any(|(m, c)| *c && m.name == e.event);
        want.events.retain(is_chosen);
        let program = program(&model, all_ids(&model), chosen.clone());
        same("chosen", &text, &want, &run(&program, tuning(&mut tape), how(&mut tape)))
    });
}

/// The same with models that fail: what is not chosen and what nobody reads is not evaluated.
#[test]
fn selected_events_of_failing_models() {
    for_all(6, 300, 1200, |numbers| {
        let mut tape = Tape::new(numbers);
        let text = models::model(&mut tape, RISKY);
        let Some(model) = made(&text, RISKY)? else { return Ok(()) };
        let chosen: Vec<bool> =
            model.events.iter().map(|e| e.emitted && tape.pick(2) == 1).collect();
        let want = reference::run(&model, &Part { events: &chosen, subjects: &|_, _| true });
        let program = program(&model, all_ids(&model), chosen.clone());
        same("chosen", &text, &want, &run(&program, tuning(&mut tape), how(&mut tape)))
    });
}

/// A longer run begins with the shorter one; more subjects change nothing for those there were.
#[test]
fn longer_and_larger_runs_begin_with_the_others() {
    for_all(7, 150, 1200, |numbers| {
        let mut tape = Tape::new(numbers);
        let text = models::model(&mut tape, SMALL);
        let model = compiled(&text);
        let short = whole(&model);
        let length = Some(Length::Ticks(model.clock.ticks * 2 + 5));
        let counts =
            model.populations.iter().map(|p| (Some(p.name.clone()), p.count + 70)).collect();
        let longer = compiled_with(&text, &Overrides { length, counts, ..Overrides::default() });
        let program = program(&longer, all_ids(&longer), all_events(&longer));
        let mut long = run(&program, tuning(&mut tape), how(&mut tape));
        let end = model.clock.start_ms + model.clock.ticks as i64 * model.clock.tick_ms;
        let was =
            |e: &Seen| e.position.id < model.populations[e.position.population as usize].count;
        long.events.retain(|e| e.position.time_ms < end && was(e));
        same("prefix", &text, &short, &Outcome { events: long.events, ..short.clone() })
    });
}

/// Ticks are held in 32 bits where the run is short enough and in 64 where not.
#[test]
fn wide_ticks_are_narrow_ticks() {
    for_all(8, 150, 1200, |numbers| {
        let mut tape = Tape::new(numbers);
        let text = models::model(&mut tape, SMALL);
        let short = compiled(&text);
        if short.clock.tick_ms > 250 {
            return Ok(()); // So many ticks would leave the years.
        }
        let want = whole(&short);
        let length = Some(Length::Ticks(u64::from(u32::MAX) + tape.pick(3) as u64 - 1));
        let long = compiled_with(&text, &Overrides { length, ..Overrides::default() });
        let program = program(&long, all_ids(&long), all_events(&long));
        let got = super::drive::until(&program, tuning(&mut tape), short.clock.ticks);
        same("wide", &text, &want, &Outcome { events: got, ..want.clone() })
    });
}

/// Waits of billions of ticks: windows go where something happens.
#[test]
fn sparse_and_long() {
    let text = "clock: { start: 0, tick: 1s, ticks: 10000000000 }\nsubjects:\n  u:\n    count: 300\n    attributes: { n: 0 }\n    \
        states:\n      a:\n        transitions:\n          \
        t: { to: b, probability: 0.00000001%, set: { n: n + 1 }, emit: e }\n          \
        z: { probability: 0.000000001%, set: { n: n + 10 }, emit: e }\n      \
        b: { transitions: { r: { to: a, probability: 0.5%, emit: e } } }\nevents: { e: { fields: { id: id, n: n } } }\n";
    let model = compiled(text);
    let want = whole(&model);
    assert!(want.events.len() > 300, "{}", want.events.len());
    let program = program(&model, all_ids(&model), all_events(&model));
    for tuning in [
        Tuning::default(),
        Tuning { limit: Some(3), cell: Some(7), ..Tuning::default() },
        Tuning { buffer_bytes: 100, ..Tuning::default() },
    ] {
        for how in [How::Workers(1), How::Workers(3), How::Advance(2_500_000_001)] {
            same(&format!("{tuning:?} {how:?}"), text, &want, &run(&program, tuning, how)).unwrap();
        }
    }
}

/// A state with `n` transitions of the given probabilities, an attribute for each.
fn wide_model(n: usize, probability: impl Fn(usize) -> String) -> String {
    let mut text = String::from(
        "clock: { start: 0, tick: 1s, ticks: 60 }\nsubjects:\n  u:\n    count: 70\n    attributes:\n",
    );
    (0..n).for_each(|i| text.push_str(&format!("      a{i}: \"uniform(0, {i})\"\n")));
    text.push_str("    states:\n      s:\n        transitions:\n");
    for i in 0..n {
        let set = format!("a{i}: a{} + 1, a{}: a{i} % 100", (i + 1) % n, (i * 7 + 3) % n);
        let set = if (i * 7 + 3) % n == i { format!("a{i}: a{i} + 1") } else { set };
        text.push_str(&format!("          t{i}:\n            probability: {}\n            set: {{ {set} }}\n            emit: e\n", probability(i)));
    }
    text.push_str("events:\n  e:\n    fields:\n      trigger: trigger\n");
    (0..n).for_each(|i| text.push_str(&format!("      f{i}: a{i} - old.a{}\n", (i * 3 + 1) % n)));
    text
}

/// Every number of transitions, literal and not: the choice has a form of its own for few.
#[test]
fn one_to_twenty_transitions() {
    for n in 1..=20 {
        let literal = wide_model(n, |i| format!("{}.5%", [4, 0, 1][i % 3]));
        let expression = wide_model(n, |i| format!("\"double(id % 7) * {} / 10.0\"", i % 3));
        for text in [literal, expression] {
            let model = compiled(&text);
            let program = program(&model, all_ids(&model), all_events(&model));
            let tuning = Tuning { window_ticks: Some(9), ..Tuning::default() };
            same(
                &format!("{n} transitions"),
                &text,
                &whole(&model),
                &run(&program, tuning, How::Workers(1)),
            )
            .unwrap();
        }
    }
}

/// More than 256 registers take another path.
#[test]
fn three_hundred_attributes() {
    let text = wide_model(300, |i| format!("0.{}%", 1 + i % 4));
    let model = compiled(&text);
    let want = whole(&model);
    assert!(want.events.len() > 100);
    let program = program(&model, all_ids(&model), all_events(&model));
    assert!(program.populations[0].registers > 256);
    for how in [How::Workers(1), How::Workers(4), How::Advance(7)] {
        same(
            &format!("{how:?}"),
            &text,
            &want,
            &run(&program, Tuning { cell: Some(9), ..Tuning::default() }, how),
        )
        .unwrap();
    }
}

/// The models under `testdata/models`, and the banking model, in many ways.
#[test]
fn the_bank_of_models() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths: Vec<_> = std::fs::read_dir(root.join("testdata/models"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.push(root.join("examples/banking/model.yaml"));
    paths.sort();
    assert!(paths.len() > 12);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let model = compiled(&text);
        let want = whole(&model);
        assert_eq!(want.failure, None, "{}", path.display());
        let program = program(&model, all_ids(&model), all_events(&model));
        for (tuning, how) in [
            (Tuning::default(), How::Workers(1)),
            (Tuning { window_ticks: Some(1), cell: Some(3), ..Tuning::default() }, How::Workers(2)),
            (Tuning { window_ticks: Some(300), ..Tuning::default() }, How::Workers(3)),
            (Tuning { limit: Some(5), cell: Some(4), ..Tuning::default() }, How::Workers(2)),
            (Tuning { buffer_bytes: 1, cell: Some(4), ..Tuning::default() }, How::Advance(37)),
        ] {
            let what = format!("{} {tuning:?} {how:?}", path.display());
            same(&what, "", &want, &run(&program, tuning, how)).unwrap();
        }
    }
}

/// A constant that is no finite number stops the run where an event would show it, not before.
#[test]
fn infinite_constants_stop_the_run() {
    for (init, field) in
        [("1.0", "x / 0.0"), ("1.0 / 0.0", "x"), ("1.0", "1.0 / 0.0"), ("1.0 / 0.0", "old.x")]
    {
        let text = format!(
            "clock: {{ start: 0, tick: 1s, ticks: 90 }}\nsubjects:\n  u:\n    count: 3\n    attributes: {{ x: {init} }}\n    \
             states: {{ s: {{ transitions: {{ t: {{ probability: 10%, emit: [plain, shown] }} }} }} }}\n\
             events:\n  plain: {{ fields: {{ id: id }} }}\n  shown: {{ fields: {{ x: \"{field}\" }} }}\n"
        );
        let model = compiled(&text);
        let want = whole(&model);
        assert!(want.failure.is_some() && want.events.len() == 1, "{text}");
        let program = program(&model, all_ids(&model), all_events(&model));
        same("infinite", &text, &want, &run(&program, Tuning::default(), How::Workers(1))).unwrap();
    }
}

/// Texts that change often leave garbage, which is collected without a trace.
#[test]
fn texts_that_change_often() {
    let text = "clock: { start: 0, tick: 1s, ticks: 500 }\nsubjects:\n  u:\n    count: 60\n    \
        attributes: { a: \"''\", b: \"'b'\", c: nullable(string), n: 0 }\n    states:\n      s:\n        transitions:\n          \
        t: { probability: 60%, set: { a: \"size(a) > 90 ? string(n) : a + uuid()\", b: a, c: \"n % 5 == 0 ? null : b\", n: n + 1 }, emit: e }\n          \
        u: { probability: 10%, set: { c: \"coalesce(c, '') + '.'\" }, emit: e }\n\
        events: { e: { fields: { a: a, b: b, c: c, was: old.a } } }\n";
    let model = compiled(text);
    let want = whole(&model);
    let program = program(&model, all_ids(&model), all_events(&model));
    for (window_ticks, how) in
        [(Some(5), How::Workers(1)), (Some(60), How::Workers(2)), (None, How::Advance(17))]
    {
        let tuning = Tuning { window_ticks, ..Tuning::default() };
        same(&format!("{how:?}"), text, &want, &run(&program, tuning, how)).unwrap();
    }
}

/// A word that falls exactly on the border between two transitions takes the second, and one below it
/// takes the first; in each of the forms that a choice has.
#[test]
fn choices_at_the_border() {
    let scope = ScopeKey::population(0, "u");
    let site = doge_core::draw::site(&["s", "#choice"]);
    let border = |units: u64| (u128::from(units) << 64).div_ceil(u128::from(PERCENT_100)) as u64;
    let mut found = [0; 2];
    // About one word of 184,467 stands on a border or before one.
    for id in 0..1_500_000u64 {
        let w = scope.subject(id).step(1).word(site);
        let below = ((u128::from(w) * u128::from(PERCENT_100)) >> 64) as u64;
        let (units, chosen) = match w {
            _ if border(below) == w && below > 0 => (below, 1),
            _ if w.checked_add(1) == Some(border(below + 1)) && below + 1 < PERCENT_100 => {
                (below + 1, 0)
            }
            _ => continue,
        };
        found[chosen] += 1;
        // In two transitions, and in seven of which the border is the third.
        for parts in [vec![units, PERCENT_100 - units], seven(units)] {
            let transitions: String = parts
                .iter()
                .enumerate()
                .map(|(i, u)| {
                    format!(
                        "t{i}: {{ probability: {}.{:012}%, emit: e }}, ",
                        u / 1_000_000_000_000,
                        u % 1_000_000_000_000
                    )
                })
                .collect();
            let text = format!(
                "clock: {{ start: 0, tick: 1s, ticks: 1 }}\nsubjects: {{ u: {{ count: {}, states: {{ s: {{ transitions: {{ {transitions} }} }} }} }} }}\n\
                 events: {{ e: {{ fields: {{ id: id }} }} }}\n",
                id + 1
            );
            let model = compiled(&text);
            let program = program(&model, vec![IdMap::range(id, id + 1)], all_events(&model));
            let got = run(&program, Tuning::default(), How::Workers(1));
            let last = if parts.len() == 2 { 0 } else { 2 };
            assert_eq!(
                got.events[0].trigger,
                format!("t{}", last + chosen),
                "subject {id}, word {w}\n{text}"
            );
            let taken = |_: usize, i: u64| i == id;
            let want =
                reference::run(&model, &Part { events: &all_events(&model), subjects: &taken });
            same("border", &text, &want, &got).unwrap();
        }
    }
    assert!(found[0] > 1 && found[1] > 1, "{found:?}");
}

/// Seven parts of 100 percent, the first three of which are `units` together.
fn seven(units: u64) -> Vec<u64> {
    let rest = PERCENT_100 - units;
    vec![units / 2, 0, units - units / 2, rest / 4, rest / 4, rest / 4, rest - rest / 4 * 3]
}

/// Ticks that are cut by subject and windows that end early, in every mixture: few bytes make ticks too
/// large, few attempts make windows end early, and workers are ahead of one another. Subjects are slow first
/// and quick later, so that a window that is planned long is followed by ticks that are cut.
#[test]
fn cut_ticks_and_early_ends() {
    let text = "clock: { start: 0, tick: 1s, ticks: 90 }\nsubjects:\n  u:\n    count: 17\n    attributes: { n: 0 }\n    states:\n      \
         s: { transitions: { t: { to: r, probability: 6%, set: { n: n + 1 }, emit: [e, e] } } }\n      \
         r: { transitions: { t: { to: s, probability: 10%, emit: e }, u: { probability: 85%, emit: e } } }\n  \
         v:\n    count: 6\n    states: { s: { transitions: { t: { probability: 5%, emit: e } } } }\n\
         events: { e: { fields: { id: id } } }\n";
    let model = compiled(text);
    let want = whole(&model);
    let program = program(&model, all_ids(&model), all_events(&model));
    for limit in [None, Some(1), Some(2), Some(3), Some(5), Some(9), Some(30)] {
        for (cell, buffer_bytes) in [
            (1, 1),
            (2, 1),
            (3, 1),
            (1, 100),
            (2, 300),
            (3, 700),
            (2, 1_300),
            (3, 2_000),
            (1, 9_000),
        ] {
            let tuning =
                Tuning { limit, threads: 2, cell: Some(cell), buffer_bytes, window_ticks: None };
            for how in [
                How::Workers(1),
                How::Workers(2),
                How::Workers(3),
                How::Workers(5),
                How::Advance(3),
            ] {
                same(&format!("{tuning:?} {how:?}"), text, &want, &run(&program, tuning, how))
                    .unwrap();
            }
        }
    }
}
