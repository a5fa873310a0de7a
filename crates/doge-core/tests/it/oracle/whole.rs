//! Whole expressions, made at random, and the syntax of literals.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;

/// Well-typed expressions over the variables of [`VARIABLES`], without constants that could be judged.
fn expression(base: Base, depth: u32) -> BoxedStrategy<String> {
    let name = |names: &'static [&'static str]| {
        prop::sample::select(names).prop_map(str::to_owned).boxed()
    };
    let leaf = match base {
        Base::Int => name(&["i", "j"]),
        Base::Double => name(&["d", "e"]),
        Base::Bool => name(&["p", "q"]),
        Base::String => name(&["s", "t"]),
        Base::Timestamp => name(&["u", "v"]),
        Base::Duration => name(&["w"]),
    };
    if depth == 0 {
        return leaf;
    }
    let sub = |base: Base| expression(base, depth - 1);
    let two = |base: Base, ops: &'static [&'static str]| {
        (expression(base, depth - 1), prop::sample::select(ops), expression(base, depth - 1))
            .prop_map(|(a, op, b)| format!("({a} {op} {b})"))
            .boxed()
    };
    let either = (sub(Base::Bool), sub(base), sub(base))
        .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})"))
        .boxed();
    let picked = (sub(Base::Int), leaf.clone(), leaf.clone())
        .prop_map(|(i, a, b)| format!("[{a}, {b}][{i}]"))
        .boxed();
    let of = |f: &'static str, base: Base| {
        expression(base, depth - 1).prop_map(move |a| format!("{f}({a})")).boxed()
    };
    let member = |base: Base, f: &'static [&'static str], arg: Base| {
        (expression(base, depth - 1), prop::sample::select(f), expression(arg, depth - 1))
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})"))
            .boxed()
    };
    let getter = |base: Base, f: &'static [&'static str]| {
        (expression(base, depth - 1), prop::sample::select(f))
            .prop_map(|(a, f)| format!("{a}.{f}()"))
            .boxed()
    };
    let own = match base {
        Base::Int => prop_oneof![
            two(Base::Int, &["+", "-", "*", "/", "%"]),
            sub(Base::Int).prop_map(|a| format!("-{a}")),
            of("size", Base::String),
            of("int", Base::Double),
            of("int", Base::Timestamp),
            getter(Base::Timestamp, &["getFullYear", "getDayOfYear", "getHours", "getDayOfWeek"]),
            getter(Base::Duration, &["getHours", "getSeconds", "getMilliseconds"]),
            (sub(Base::Int), sub(Base::Int), sub(Base::Int))
                .prop_map(|(a, b, c)| format!("size([{a}, {b}].filter(x, x > {c}))")),
        ]
        .boxed(),
        Base::Double => prop_oneof![
            two(Base::Double, &["+", "-", "*", "/"]),
            sub(Base::Double).prop_map(|a| format!("-{a}")),
            of("double", Base::Int),
        ]
        .boxed(),
        Base::Bool => prop_oneof![
            two(Base::Bool, &["&&", "||", "==", "!=", "<"]),
            two(Base::Int, &["==", "!=", "<", "<=", ">", ">="]),
            two(Base::Double, &["==", "!="]),
            // Of names: what is computed may be NaN, see the differences.
            prop::sample::select(&["(d < e)", "(d <= e)", "(e > d)", "(e >= d)"][..])
                .prop_map(str::to_owned),
            two(Base::String, &["==", "!=", "<", "<=", ">", ">="]),
            two(Base::Timestamp, &["==", "<"]),
            two(Base::Duration, &["!=", ">="]),
            sub(Base::Bool).prop_map(|a| format!("!({a})")),
            member(Base::String, &["contains", "startsWith", "endsWith"], Base::String),
            (sub(Base::Int), sub(Base::Int), sub(Base::Int))
                .prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
            (
                sub(Base::String),
                sub(Base::String),
                prop::sample::select(&["exists", "all", "exists_one"][..])
            )
                .prop_map(|(a, b, f)| format!("[{a}, t, {b}].{f}(x, x.size() > i || x == {b})")),
        ]
        .boxed(),
        Base::String => prop_oneof![
            two(Base::String, &["+"]),
            of("string", Base::Int),
            of("string", Base::Bool)
        ]
        .boxed(),
        Base::Timestamp => prop_oneof![
            (sub(Base::Timestamp), prop::sample::select(&["+", "-"][..]), sub(Base::Duration))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            of("timestamp", Base::Int),
            (sub(Base::Duration), sub(Base::Timestamp)).prop_map(|(a, b)| format!("({a} + {b})")),
        ]
        .boxed(),
        Base::Duration => {
            prop_oneof![two(Base::Duration, &["+", "-"]), two(Base::Timestamp, &["-"])].boxed()
        }
    };
    prop_oneof![1 => leaf, 6 => own, 1 => either, 1 => picked].boxed()
}

const VARIABLES: [(&str, Base); 11] = [
    ("i", Base::Int),
    ("j", Base::Int),
    ("d", Base::Double),
    ("e", Base::Double),
    ("p", Base::Bool),
    ("q", Base::Bool),
    ("s", Base::String),
    ("t", Base::String),
    ("u", Base::Timestamp),
    ("v", Base::Timestamp),
    ("w", Base::Duration),
];

/// What both make of `text` with variable `n` having the `picks[n]`th literal of its type.
fn both(text: &str, picks: &[prop::sample::Index]) -> (Outcome, Outcome) {
    let known: Vec<(&str, Cel)> = VARIABLES
        .iter()
        .zip(picks)
        .map(|((name, base), pick)| {
            // Not too far from zero, so that most expressions have a value.
            let near = &literals(*base)[..literals(*base).len().min(7)];
            (*name, cel_value(near[pick.index(near.len())]))
        })
        .collect();
    let values: Vec<Value> = known.iter().map(|(_, v)| convert(v).unwrap()).collect();
    (ours(&typed(text, &VARIABLES), &values), theirs(&Program::compile(text).unwrap(), &known))
}

#[test]
fn whole_expressions() {
    let any_type = prop::sample::select(&TYPES[..]).prop_flat_map(|base| expression(base, 3));
    let picks = prop::collection::vec(any::<prop::sample::Index>(), VARIABLES.len());
    let (cases, values) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) };
    proptest!(config, |(text in any_type, picks in picks)| {
        let (ours, cel) = both(&text, &picks);
        let absorbed = ours == Outcome::Error
            && matches!(cel, Outcome::Value(_))
            && ["&&", "||", ".exists(", ".all("].iter().any(|s| text.contains(s));
        let long = cel == Outcome::Error && text.contains(" - ") && text.contains(['u', 'v']);
        prop_assert!(same(&ours, &cel) || absorbed || long, "{}: ours {:?}, CEL {:?}", text, ours, cel);
        prop_assert!(ours != Outcome::Refused, "{}", text);
        cases.set(cases.get() + 1);
        values.set(values.get() + usize::from(matches!(ours, Outcome::Value(_))));
    });
    assert!(values.get() * 2 > cases.get(), "{} of {} have a value", values.get(), cases.get());
}

/// Chains without parentheses: precedence and association are what both parsers say.
#[test]
fn chains_without_parentheses() {
    let operand = || prop::sample::select(&["i", "j", "-i", "size(s)", "-j", "int(d)"][..]);
    let sum = || {
        (
            operand(),
            prop::collection::vec(
                (prop::sample::select(&["+", "-", "*", "/", "%"][..]), operand()),
                0..6,
            ),
        )
            .prop_map(|(first, rest)| {
                rest.iter().fold(first.to_owned(), |all, (op, x)| format!("{all} {op} {x}"))
            })
    };
    let test = move || {
        (
            sum(),
            prop::sample::select(&COMPARISONS[..]),
            sum(),
            prop::sample::select(&["", " == p", " in [q, p]"][..]),
        )
            .prop_map(|(a, op, b, more)| format!("{a} {op} {b}{more}"))
    };
    let logic = move || {
        (
            test(),
            prop::collection::vec(
                (prop::sample::select(&["&&", "||", "&& !p ||"][..]), test()),
                0..4,
            ),
        )
            .prop_map(|(first, rest)| {
                rest.iter().fold(first, |all, (op, x)| format!("{all} {op} {x}"))
            })
    };
    let ternary = (logic(), logic(), logic(), sum(), sum(), sum())
        .prop_map(|(a, b, c, x, y, z)| format!("{a} ? ({b} ? {x} : {y}) : {c} ? {z} : {x}"));
    let picks = prop::collection::vec(any::<prop::sample::Index>(), VARIABLES.len());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) };
    proptest!(config, |(text in prop_oneof![sum().boxed(), logic().boxed(), ternary.boxed()], picks in picks)| {
        let (ours, cel) = both(&text, &picks);
        let absorbed = ours == Outcome::Error && (text.contains("&&") || text.contains("||"));
        prop_assert!(same(&ours, &cel) || absorbed, "{}: ours {:?}, CEL {:?}", text, ours, cel);
        prop_assert!(ours != Outcome::Refused, "{}", text);
    });
}

#[test]
fn literals_and_syntax() {
    for text in [
        "null == null",
        "null != null",
        r#"'a\n\t\\\'\"\x41\u0105\U0001F600\101'"#,
        r#""it's""#,
        r"r'\n'",
        r#"R"\d""#,
        "'''a'b\n'''",
        r#""""a"b""""#,
        r"'\u017c' + 'ż'",
        "0x7f",
        "-0x8000000000000000",
        "1e3",
        "1.5E-3",
        ".5",
        "00012",
        "true ? 1 : 2",
        r"'\a\b\f\v\r\`\?'",
        "[1, 2,][1]",
        "{'a': 1, 'b': 2,}['b']",
        "  1  +\n\t2 ",
        "1 - -1",
        "!!true",
        "-(-9223372036854775807)",
    ] {
        let cel = Program::compile(text).map_or(Outcome::Error, |p| theirs(&p, &[]));
        assert!(matches!(cel, Outcome::Value(_)), "{text}: {cel:?}");
        assert_eq!(ours(&typed(text, &[]), &[]), cel, "{text}");
    }
    // What CEL's parser refuses, ours does too.
    for text in [
        "",
        "1 +",
        "(1",
        "1)",
        "'a",
        "a b",
        "1 = 1",
        r"'\q'",
        r"'\ud800'",
        "5.",
        "1 ? 2",
        "a.",
        "[1",
        "{'a'}",
        "if",
        "9223372036854775808",
        "-9223372036854775809",
        "'a\nb'",
        "1 <> 2",
        "a &",
        "=",
        "@",
        "0x",
    ] {
        assert!(Program::compile(text).is_err(), "{text}");
        assert_eq!(typed(text, &[]), Err(Outcome::Refused), "{text}");
    }
}
