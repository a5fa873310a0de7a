//! Functions: overloads, forms, values, random calls.

use super::*;
use crate::draw::call_site;
use crate::expr::check::FUNCTIONS;
use crate::expr::typed::{Draw, TKind};

#[test]
fn conversions() {
    is("int(2.9) + int(-2.9)", "0");
    is("int('-12') + int(3)", "-9");
    is("int(since)", "1644549708");
    is("int(timestamp('1969-12-31T23:59:59.5Z'))", "-1");
    is("double('1e3')", "1000.0");
    is("double(balance)", "100.0");
    is("string(price) + string(2.0) + string(1e16) + string(0.000001)", "'2.52.01e+161e-6'");
    is("string(balance) + string(paid) + string('x')", "'100truex'");
    is("string(since) + string(stay)", "'2022-02-11T03:21:48.000Z90s'");
    is("string(duration('1500ms')) + string(duration('-250ms'))", "'1.500s-0.250s'");
    is("bool('true') || bool('f')", "true");
    is("timestamp(0)", "1970-01-01T00:00:00.000Z");
    is("timestamp('2022-02-11T04:21:48.5+01:00')", "2022-02-11T03:21:48.500Z");
    is("duration('1h30m') + duration('1.5s')", "5401.500s");
    is("duration('7d')", "604800s");
    is("int(plan)", "error: 'free' is not an int of 64 bits");
    is("int(price * 1e300)", "error: int(2.5e+300): no int of 64 bits is near that");
    is("timestamp(plan)", "error: 'free' is not an instant; write it as '2022-02-11T03:21:48Z'");
    wrong("int(stay)", &["E0406"], "stay.getSeconds()");
    wrong("int(paid)", &["E0406"], "paid ? 1 : 0");
    wrong("bool(1)", &["E0406"], "1 != 0");
    wrong("duration(balance)", &["E0406"], "duration(string(balance) + 's')");
    wrong("uint(1)", &["E0403"], "not part of this language");
}

#[test]
fn text_functions() {
    is("size('zażółć') + 'ab'.size()", "8");
    is("plan.contains('re') && plan.startsWith('fr') && plan.endsWith('ee')", "true");
    is("plan.matches('^f') && matches(plan, 'e+$')", "true");
    is("plan.matches('^e')", "false");
    is("plan.matches(plan + '(')", "error: 'free(' is not a regular expression");
    wrong("plan.matches('(')", &["E0505"], "'(' is not a regular expression");
    wrong("contains(plan, 're')", &["E0404"], "write `plan.contains('re')`");
    wrong("balance.contains('1')", &["E0406"], "function of string");
    wrong("size(balance)", &["E0406"], "takes (string)");
    wrong("plan.size(1)", &["E0405"], "");
}

#[test]
fn parts_of_time() {
    let t = "timestamp('2022-02-11T03:21:48.123Z')";
    for (getter, expected) in [
        ("getFullYear", "2022"),
        ("getMonth", "1"),
        ("getDate", "11"),
        ("getDayOfMonth", "10"),
        ("getDayOfWeek", "5"),
        ("getDayOfYear", "41"),
        ("getHours", "3"),
        ("getMinutes", "21"),
        ("getSeconds", "48"),
        ("getMilliseconds", "123"),
    ] {
        is(&format!("{t}.{getter}()"), expected);
        is(&format!("{t}.{getter}('UTC')"), expected);
    }
    is("since.getHours('Europe/Warsaw')", "4");
    is("timestamp('2022-07-11T03:21:48Z').getHours('Europe/Warsaw')", "5");
    is("since.getDate('America/New_York')", "10");
    is("since.getMinutes('+05:45')", "6");
    is("since.getHours('-03:30')", "23");
    is(
        "since.getHours(plan)",
        "error: 'free' is not a time zone; write a name such as 'Europe/Warsaw', 'UTC' or an offset such as '+01:00'",
    );
    is("duration('90m').getHours() + duration('90m').getMinutes()", "91");
    is("duration('1500ms').getSeconds() + duration('1500ms').getMilliseconds()", "1501");
    is("unix_ms(since)", "1644549708000");
    wrong("since.getHours('Warsaw')", &["E0506"], "not a time zone");
    wrong("stay.getMonth()", &["E0406"], "function of timestamp");
    wrong("getHours(since)", &["E0404"], "since.getHours()");
    wrong("since.getHour()", &["E0403"], "getHours");
    wrong("since.hour()", &["E0403"], "t.getHours()");
}

#[test]
fn numbers_and_order() {
    is("min(3, 1, 2) + max(3, 1, 2)", "4");
    is("min(2.5, price, 1)", "1.0");
    is("min('b', 'a') + max('b', 'a')", "'ab'");
    is("max(stay, duration('1h'))", "3600s");
    is("clamp(balance, 0, 10) + clamp(-5, 0, 10)", "10");
    is("floor(-2.5) + ceil(2.1)", "0.0");
    is("round(2.5) + round(-3.5)", "-1.0");
    is("round(2.345, 2)", "2.35");
    is("round(price * 1.1111, 3)", "2.778");
    is("abs(-3)", "3");
    is("abs(-2.5)", "2.5");
    is("round(-0.2)", "-0.0");
    is("max(price / 0, 0.0 / (price - 2.5))", "NaN");
    is("min(0.0 / (price - 2.5), 1)", "NaN");
    wrong("round(price, 16)", &["E0504"], "from 0 to 15");
    wrong("round(price, balance)", &["E0504"], "constant");
    wrong("round(balance)", &["E0406"], "an int is whole already");
    wrong("abs(-9223372036854775808)", &["E0501"], "beyond 64 bits");
    wrong("clamp(balance, 10, 0)", &["E0502"], "above the upper");
    wrong("min(1)", &["E0405"], "takes (int, int, ...)");
    wrong("balance.round()", &["E0404"], "write `round(balance)`");
    wrong("min(plan, 1)", &["E0406"], "here it is (string, int)");
}

#[test]
fn unknown_functions_name_what_is_meant() {
    wrong("len(plan)", &["E0403"], "write `size(x)`");
    wrong("unifrom(1, 2)", &["E0403"], "write `uniform(a, b)`");
    wrong("Uniform(1, 2)", &["E0403"], "write `uniform(a, b)`");
    wrong("random()", &["E0403"], "uniform(0.0, 1.0)");
    wrong("now()", &["E0403"], "write `timestamp`");
    wrong("balance()", &["E0403"], "without parentheses");
    wrong("fake.name()", &["E0421"], "not supported yet");
    wrong("fake.name", &["E0421"], "not supported yet");
    wrong("pick(city)", &["E0421"], "weighted(");
    wrong("exists(x, true)", &["E0404"], "follows a list");
    wrong("has(old.balance)", &["E0403"], "not part");
}

#[test]
fn random_calls_are_typed_and_judged() {
    for (text, ty) in [
        ("uniform(1, 6)", Base::Int),
        ("uniform(1, 6.5)", Base::Double),
        ("uniform(price, balance)", Base::Double),
        ("chance(0.5)", Base::Bool),
        ("chance(1)", Base::Bool),
        ("normal(balance, 2)", Base::Double),
        ("lognormal(price, 1)", Base::Double),
        ("exponential(balance)", Base::Double),
        ("pareto(1, 2)", Base::Double),
        ("poisson(4)", Base::Int),
        ("zipf(10, 1)", Base::Int),
        ("choice(['a', 'b'])", Base::String),
        ("weighted({'a': 1, 'b': balance})", Base::String),
        ("weighted([[1, 0.5], [2, 3]])", Base::Int),
        ("uuid()", Base::String),
        ("price + choice([1, 2])", Base::Double),
        ("price + weighted({1: 1, 2: 1})", Base::Double),
    ] {
        assert_eq!(typed(text).ty, Ty::of(ty), "{text}");
        run(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    assert_eq!(typed("choice(['a', null])").ty, Ty::nullable(Base::String));
    wrong("uniform(99, 10)", &["E0502"], "first end must not be above");
    wrong("chance(2)", &["E0502"], "");
    wrong("chance(params.rate * 3)", &["E0502"], "");
    wrong("normal(price, -1)", &["E0502"], "");
    wrong("lognormal(0, 1)", &["E0502"], "");
    wrong("exponential(-1)", &["E0502"], "");
    wrong("pareto(1, 0)", &["E0502"], "");
    wrong("poisson(-1)", &["E0502"], "");
    wrong("zipf(0, 1)", &["E0502"], "");
    wrong("choice([])", &["E0503"], "nothing to choose from");
    wrong("choice('a', 'b')", &["E0405"], "write `choice(['a', 'b'])`");
    wrong("choice(plan)", &["E0415"], "list literal");
    wrong("weighted({'a': -1})", &["E0502"], "at least 0");
    wrong("weighted({'a': 0, 'b': 0})", &["E0503"], "");
    wrong("weighted({})", &["E0503"], "nothing to choose from");
    wrong("weighted(['a', 'b'])", &["E0405"], "values with their weights");
    wrong("uniform(1)", &["E0405"], "one is given");
    wrong("uniform('a', 'b')", &["E0406"], "takes (int, int) or (double, double)");
    wrong_at("uniform(1, 6)", Place::Probability, None, &["E0416"], "draw once into an attribute");
    wrong("[1, 2].exists(x, x > uniform(0, 1))", &["E0417"], "macro's body");
    is(
        "uniform(payment, payment - 1)",
        "error: uniform(7, 6): the first end must not be above the second",
    );
    is(
        "choice([balance / (payment - 7), 1]) == 0 ? 1 : uniform(5, 5)",
        &value("choice([balance / (payment - 7), 1]) == 0 ? 1 : 5"),
    );
}

fn sites(text: &str) -> Vec<(Draw, u64)> {
    fn walk(e: &TExpr, out: &mut Vec<(Draw, u64)>) {
        match &e.kind {
            TKind::Draw { draw, site, args } => {
                out.push((*draw, *site));
                args.iter().for_each(|a| walk(a, out));
            }
            TKind::Op(_, args) => args.iter().for_each(|a| walk(a, out)),
            TKind::If(c, a, b) => [c, a, b].into_iter().for_each(|e| walk(e, out)),
            TKind::Bind { value, body, .. } => {
                walk(value, out);
                walk(body, out);
            }
            TKind::Or(a, b) | TKind::And(a, b) => {
                walk(a, out);
                walk(b, out);
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&typed(text), &mut out);
    out
}

#[test]
fn a_call_s_site_is_its_path_and_its_place_among_all_random_calls() {
    let site = |n| call_site(&["offline", "spend", "let", "payment"], n);
    assert_eq!(sites("uniform(1, 2)"), [(Draw::UniformInt, site(0))]);
    assert_eq!(
        sites("uniform(1, uniform(3, 4)) + poisson(2.0)"),
        [(Draw::UniformInt, site(0)), (Draw::UniformInt, site(1)), (Draw::Poisson, site(2))]
    );
    // Both branches count, also where one is never taken.
    assert_eq!(sites("false ? uniform(1, 2) : poisson(2)"), [(Draw::Poisson, site(1))]);
    // A list that is searched is drawn once.
    assert_eq!(
        sites("1 in [uniform(1, 2), balance, poisson(3)]"),
        [(Draw::UniformInt, site(0)), (Draw::Poisson, site(1))]
    );
    assert_eq!(sites("[uniform(1, 2)].exists(x, x > 1 && x < 3)"), [(Draw::UniformInt, site(0))]);
}

#[test]
fn every_function_has_a_test() {
    let tests =
        concat!(include_str!("calls.rs"), include_str!("types.rs"), include_str!("lists.rs"));
    for f in FUNCTIONS {
        assert!(
            tests.contains(&format!("{}(", f.name)) || tests.contains(&format!("\"{}\"", f.name)),
            "{}",
            f.name
        );
    }
}
