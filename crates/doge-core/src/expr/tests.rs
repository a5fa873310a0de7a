//! Tests of the whole way of an expression: what it becomes, and what is said of wrong ones.

use super::eval::{Scope, eval};
use super::func::{TextBuf, double_text, duration_text, timestamp_text};
use super::names::{Env, Place};
use super::parse::parse;
use super::typed::TExpr;
use super::{check::check, func::EvalError};
use crate::diag::Diagnostics;
use crate::source::Span;
use crate::spec::ExprSource;
use crate::value::{Base, Ty, Value};

mod calls;
mod lists;
mod syntax;
mod types;

fn source(text: &str) -> ExprSource {
    ExprSource { text: text.to_owned(), span: Span::new(0, text.len()), offsets: Vec::new() }
}

fn attributes() -> Vec<(String, Ty)> {
    [
        ("balance", Ty::of(Base::Int)),
        ("price", Ty::of(Base::Double)),
        ("paid", Ty::of(Base::Bool)),
        ("plan", Ty::of(Base::String)),
        ("since", Ty::of(Base::Timestamp)),
        ("stay", Ty::of(Base::Duration)),
        ("last_login", Ty::nullable(Base::Timestamp)),
        ("score", Ty::nullable(Base::Double)),
    ]
    .map(|(n, t)| (n.to_owned(), t))
    .into()
}

/// Their values: 100, 2.5, true, 'free', 2022-02-11T03:21:48Z, 90s, null, null.
fn values() -> Vec<Value> {
    vec![
        Value::Int(100),
        Value::Double(2.5),
        Value::Bool(true),
        Value::String("free".into()),
        Value::Timestamp(1_644_549_708_000),
        Value::Duration(90_000),
        Value::Null,
        Value::Null,
    ]
}

fn typed_at(text: &str, place: Place, expected: Option<Ty>) -> (Option<TExpr>, Diagnostics) {
    let mut diags = Diagnostics::default();
    let params = [
        ("city".to_owned(), Value::String("Warsaw".into())),
        ("rate".to_owned(), Value::Double(0.5)),
    ];
    let lets = if matches!(place, Place::Attribute | Place::Probability) {
        vec![]
    } else {
        vec![("payment".to_owned(), Ty::of(Base::Int))]
    };
    let hidden = [super::names::Hidden {
        name: "below".into(),
        reason: "`below` is declared below".into(),
        help: "move it above".into(),
    }];
    let attributes = attributes();
    let env = Env {
        place,
        lets: &lets,
        trigger: "spend",
        from: "offline",
        to: "online",
        hidden: &hidden,
        ..Env::attribute("user", &params, &attributes, &["offline", "spend", "let", "payment"])
    };
    let source = source(text);
    let typed = parse(&source, &mut diags).and_then(|ast| check(&ast, &env, expected, &mut diags));
    assert_eq!(typed.is_none(), diags.has_errors(), "{text}: {diags:?}");
    (typed, diags)
}

fn typed(text: &str) -> TExpr {
    let (typed, diags) = typed_at(text, Place::Event, None);
    typed.unwrap_or_else(|| panic!("{text}: {}", shown(&diags)))
}

fn shown(diags: &Diagnostics) -> String {
    diags.0.iter().map(|d| format!("{} {} [{}]\n", d.code, d.message, d.help.join("; "))).collect()
}

fn run(text: &str) -> Result<Value, EvalError> {
    let (attrs, lets) = (values(), [Value::Int(7)]);
    let mut scope = Scope {
        id: 17,
        seq: 3,
        time_ms: 1_700_000_000_123,
        event_id: "user/17/3/0",
        attrs: &attrs,
        old: &attrs,
        lets: &lets,
        ..Scope::default()
    };
    eval(&typed(text), &mut scope)
}

/// The value of an expression, as text with its type.
fn value(text: &str) -> String {
    let mut buf = TextBuf::new();
    match run(text) {
        Ok(Value::Int(v)) => format!("{v}"),
        Ok(Value::Double(v)) => double_text(v, &mut buf).to_owned(),
        Ok(Value::Bool(v)) => format!("{v}"),
        Ok(Value::String(v)) => super::lex::quote(&v),
        Ok(Value::Timestamp(v)) => timestamp_text(v, &mut buf).to_owned(),
        Ok(Value::Duration(v)) => duration_text(v, &mut buf).to_owned(),
        Ok(Value::Null) => "null".to_owned(),
        Err(e) => format!("error: {e}"),
    }
}

#[track_caller]
fn is(text: &str, expected: &str) {
    assert_eq!(value(text), expected, "{text}");
}

/// The codes of an expression's problems, and that what is said contains `part`.
#[track_caller]
fn wrong_at(text: &str, place: Place, expected: Option<Ty>, codes: &[&str], part: &str) {
    let (_, diags) = typed_at(text, place, expected);
    let all = shown(&diags);
    assert_eq!(diags.0.iter().map(|d| d.code).collect::<Vec<_>>(), codes, "{text}: {all}");
    assert!(all.contains(part), "{text}: {part} is not in\n{all}");
    for d in &diags.0 {
        let span = d.span.expect("a place");
        assert!(span.end as usize <= text.len(), "{text}: {span:?}");
    }
}

#[track_caller]
fn wrong(text: &str, codes: &[&str], part: &str) {
    wrong_at(text, Place::Event, None, codes, part);
}
