//! Names: which are kept for the language, and which an expression mentions.

use crate::expr::ast::{Kind, Node};

/// Names that mean something in expressions, with what.
const VISIBLE: &[(&str, &str)] = &[
    ("id", "the subject's number"),
    ("population", "the name of the subject's population"),
    ("params", "the model's parameters"),
    ("trigger", "the transition's name"),
    ("from", "the state that is left"),
    ("to", "the state that is entered"),
    ("timestamp", "the event time"),
    ("seq", "the number of the attempt"),
    ("event_id", "the event's identity"),
    ("old", "the attributes before the transition"),
];

/// Names kept for what the language will have.
const LATER: &[&str] = &["parent", "signal", "pattern", "state", "op", "pos", "arrival"];

/// Why an attribute or `let` cannot have this name.
pub(super) fn reserved(name: &str) -> Option<String> {
    if let Some((_, what)) = VISIBLE.iter().find(|(n, _)| *n == name) {
        return Some(format!("in expressions `{name}` is {what}"));
    }
    if LATER.contains(&name) {
        return Some(format!("`{name}` is kept for a later version of the language"));
    }
    crate::expr::parse::RESERVED
        .contains(&name)
        .then(|| format!("`{name}` is a reserved word of the expression language"))
}

/// Calls `f` with every name that an expression reads; for `old.x` also with `x`.
pub(super) fn mentioned(node: &Node, f: &mut impl FnMut(&str)) {
    match &node.kind {
        Kind::Ident(name) => f(name),
        Kind::Member(base, name) => {
            if matches!(&base.kind, Kind::Ident(b) if b == "old") {
                f(&name.text);
            }
            mentioned(base, f);
        }
        Kind::Call { target, args, .. } => {
            target.iter().for_each(|t| mentioned(t, f));
            args.iter().for_each(|a| mentioned(a, f));
        }
        Kind::Index(a, b) | Kind::Binary(_, a, b) => {
            mentioned(a, f);
            mentioned(b, f);
        }
        Kind::Unary(_, a) => mentioned(a, f),
        Kind::Ternary(a, b, c) => {
            mentioned(a, f);
            mentioned(b, f);
            mentioned(c, f);
        }
        Kind::List(items) => items.iter().for_each(|i| mentioned(i, f)),
        Kind::Map(entries) => entries.iter().for_each(|(k, v)| {
            mentioned(k, f);
            mentioned(v, f);
        }),
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Double(_)
        | Kind::String(_)
        | Kind::Error => {}
    }
}
