//! What is not an expression, and what is said of it.

use super::*;
use crate::expr::parse::MAX_DEPTH;

#[test]
fn precedence_and_association() {
    is("1 + 2 * 3", "7");
    is("(1 + 2) * 3", "9");
    is("10 - 3 - 2", "5");
    is("7 / 2 * 2", "6");
    is("-2 - -3", "1");
    is("- 2 * 3", "-6");
    is("!false && false", "false");
    is("true || false && false", "true");
    is("1 < 2 == true", "true");
    is("true ? 1 : false ? 2 : 3", "1");
    is("false ? 1 : true ? 2 : 3", "2");
    is("1 + 1 in [2]", "true");
    is("!(2 in [1])", "true");
    is("-balance + 1", "-99");
    is("--balance", "100");
    is("!!paid", "true");
    is("-9223372036854775808", "-9223372036854775808");
    is("- 9223372036854775808", "-9223372036854775808");
    is("0xff + 0XA", "265");
    is("-0x8000000000000000", "-9223372036854775808");
    is(".5 + 1e1", "10.5");
    is("007", "7");
}

#[test]
fn text_literals() {
    is(r#""a\"b""#, "'a\"b'");
    is(r"'\x41\u0042\U00000043\104\n'", r"'ABCD\n'");
    is(r"r'\d' + R'\n'", r"'\\d\\n'");
    is("'''it's ''' + \"\"\"a\nb\"\"\"", "\"it's a\\nb\"");
    is(r"'\a\b\f\v\r\t\\\'\`\?'", "\"\u{7}\u{8}\u{c}\u{b}\\r\\t\\\\'`?\"");
    is("'zażółć'.size()", "6");
}

#[test]
fn what_people_write() {
    wrong("balance = 1", &["E0307"], "write `==`");
    wrong("balance === 1", &["E0307"], "write `==`");
    wrong("balance !== 1", &["E0307"], "write `!=`");
    wrong("balance <> 1", &["E0307"], "write `!=`");
    wrong("balance => 1", &["E0307"], "write `>=`");
    wrong("balance += 1", &["E0307"], "under `set`");
    wrong("paid and paid", &["E0308"], "write `&&`");
    wrong("paid or paid", &["E0308"], "write `||`");
    wrong("not paid", &["E0308"], "write `!x`");
    wrong("paid & paid | paid", &["E0308", "E0308"], "write `||`");
    wrong("balance not in [1]", &["E0308"], "write `!(x in [...])`");
    wrong("score is null", &["E0308"], "write `==`");
    wrong("score is not null", &["E0308"], "write `!=`");
    wrong("score == None", &["E0313"], "write `null`");
    wrong("paid == True", &["E0313"], "write `true`");
    wrong("score != NULL", &["E0313"], "write `null`");
    wrong("'abc", &["E0304"], "close it with '");
    wrong("plan == \"x", &["E0304"], "never closed");
    wrong("(balance + 1", &["E0305"], "`(` is never closed");
    wrong("[1, 2", &["E0305"], "`[` is never closed");
    wrong("min(1, 2", &["E0305"], "`(` is never closed");
    wrong("(balance]", &["E0306"], "`(` is closed by `]`");
    wrong("balance)", &["E0306"], "closes nothing");
    wrong(")", &["E0306"], "closes nothing");
    wrong("plan == ‘free’", &["E0311"], "write straight quotes: 'free'");
    wrong("plan == “free”", &["E0311"], "write straight quotes: 'free'");
    wrong("5%", &["E0312"], "5% is `0.05`");
    wrong("balance > 10s", &["E0312"], "duration('10s')");
    wrong("1h30m", &["E0312"], "duration('1h30m')");
    wrong("1_000", &["E0315"], "write `1000`");
    wrong("5.", &["E0315"], "write `5.0`");
    wrong("0x", &["E0315"], "hexadecimal");
    wrong("5u", &["E0317"], "write `5`");
    wrong("3x", &["E0312"], "3 * x");
    wrong("9223372036854775808", &["E0314"], "beyond 64 bits");
    wrong("-9223372036854775809", &["E0314"], "beyond 64 bits");
    wrong("99999999999999999999999", &["E0314"], "beyond 64 bits");
    wrong("1e999", &["E0314"], "beyond a double");
    wrong("if balance > 1 then 2 else 3", &["E0309"], "condition ? value");
    wrong("1 if paid else 2", &["E0309"], "condition ? value");
    wrong("paid ? 1", &["E0310"], "`?` needs a `:`");
    wrong("paid ? 1 :", &["E0302"], "a value is missing");
    wrong("score ?? 1", &["E0317"], "coalesce");
    wrong("2022-02-11", &["E0319"], "timestamp('2022-02-11T00:00:00Z')");
    wrong("balance ** 2", &["E0317"], "x * x");
    wrong("balance // 2", &["E0317"], "comments");
    wrong("balance in (1, 2)", &["E0323"], "[a, b]");
    wrong("", &["E0322"], "empty");
    wrong("  ", &["E0322"], "empty");
    wrong("+", &["E0302", "E0302"], "a value is missing");
    wrong("1 +", &["E0302"], "after `+`");
    wrong("1 2", &["E0303"], "an operator is missing before `2`");
    wrong("'a' 'b'", &["E0303"], "joined with `+`");
    wrong("plan free", &["E0303"], "text is quoted");
    wrong("min(1,, 2)", &["E0302"], "before this comma");
    wrong("balance.", &["E0302"], "after `.`");
    wrong("b'abc'", &["E0317"], "bytes");
    wrong(r"'\q'", &["E0316"], "not an escape");
    wrong(r"'\ud800'", &["E0316"], "not a character");
    wrong("$balance", &["E0301"], "bare");
    wrong("balance − 1", &["E0301"], "type `-`");
    wrong("balance ≥ 1", &["E0301"], "type `>=`");
    wrong("zażółć", &["E0301"], "cannot stand in a name");
    wrong("for", &["E0318"], "reserved");
    wrong("'a\nb'", &["E0304"], "not closed on its line");
    wrong("{'a' 1}", &["E0302"], "`:` is missing");
}

#[test]
fn several_problems_are_reported_at_once() {
    wrong("balance = 1 and plan = 'x' or nope", &["E0307", "E0307", "E0308", "E0308"], "");
    wrong("nope + nape + balance", &["E0401", "E0401"], "");
    wrong("min(nope, 1) > max(plan, 2) && chance(7)", &["E0401", "E0406", "E0502"], "");
}

#[test]
fn hostile_input_ends_in_a_diagnostic() {
    let deep = usize::from(MAX_DEPTH) * 40;
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("!", ""),
        ("{", "}"),
        ("min(1, ", ")"),
        ("a[", "]"),
        ("1 ? ", ""),
    ] {
        wrong(&format!("{}1{}", open.repeat(deep), close.repeat(deep)), &["E0320"], "");
    }
    for tail in [" + 1", " && true", ".a", "[0]", " ? 1 : 1", ".f()", " == 1"] {
        wrong(&format!("1{}", tail.repeat(deep)), &["E0320"], "");
    }
    wrong(&"(".repeat(60_000), &["E0320"], "");
    wrong(&"1".repeat(70_000), &["E0321"], "too long");
    let wide = format!("[{}]", vec!["1"; 5000].join(","));
    is(&format!("5 in {wide}"), "false");
    wrong(&format!("{wide}.all(x, {wide}.all(y, x == y))"), &["E0422"], "");
    let nested = format!("{}1{}", "(".repeat(150), ")".repeat(150));
    is(&nested, "1");
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "balance",
        "price",
        "paid",
        "plan",
        "since",
        "stay",
        "score",
        "last_login",
        "payment",
        "id",
        "old",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "&&",
        "||",
        "!",
        "in",
        "null",
        "true",
        "1",
        "0",
        "2.5",
        "'a'",
        "''",
        "uniform",
        "choice",
        "weighted",
        "min",
        "size",
        "exists",
        "map",
        "filter",
        "x",
        "coalesce",
        "round",
        "timestamp",
        "duration",
        "string",
        "int",
        "matches",
        "getHours",
        "'Z'",
        "=",
        "and",
        "not",
        "9223372036854775807",
        "\n",
    ]);
    let strategy = prop_oneof![
        prop::collection::vec(words, 0..24).prop_map(|w| w.join(" ")),
        ".{0,40}",
        "[-+*/0-9a-z().,?:'\" ]{0,30}"
    ];
    proptest!(ProptestConfig::with_cases(3000), |(text in strategy)| {
        let (e, _) = typed_at(&text, Place::Event, None);
        if let Some(e) = e {
            let (attrs, lets) = (values(), [Value::Int(7)]);
            let mut scope = Scope { attrs: &attrs, old: &attrs, lets: &lets, ..Scope::default() };
            let out = eval(&e, &mut scope);
            prop_assert!(out != Err(EvalError::Untyped), "{text}");
            if let Ok(v) = out {
                prop_assert!(has_type(&v, e.ty), "{text}: {v:?} is no {}", e.ty);
            }
        }
    });
}

fn has_type(v: &Value, ty: Ty) -> bool {
    match v {
        Value::Int(_) => ty.base == Base::Int,
        Value::Double(_) => ty.base == Base::Double,
        Value::Bool(_) => ty.base == Base::Bool,
        Value::String(_) => ty.base == Base::String,
        Value::Timestamp(_) => ty.base == Base::Timestamp,
        Value::Duration(_) => ty.base == Base::Duration,
        Value::Null => ty.nullable,
    }
}
