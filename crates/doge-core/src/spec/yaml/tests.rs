//! The tree of a text; a second parser (`saphyr-parser`, a complete YAML 1.2) as oracle: whatever is
//! accepted here without a word must mean the same there. Neither can be wrong alone.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use super::parse;
use crate::diag::Diagnostics;
use crate::source::Source;
use crate::spec::{Node, NodeKind};
use proptest::prelude::*;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::fmt::Write;

/// A tree as one line: mappings in braces, lists in brackets, quoted text in quotes.
fn flat(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { text, quoted: true } => format!("{text:?}"),
        NodeKind::Scalar { text, quoted: false } => format!("`{}`", text.escape_debug()),
        NodeKind::Sequence(items) => {
            format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(k, v)| format!("{}: {}", k.value.escape_debug(), flat(v)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        NodeKind::Invalid => "invalid".into(),
    }
}

fn ours(text: &str) -> Result<String, String> {
    let source = Source::new("t", text);
    let mut diags = Diagnostics::default();
    let tree = parse(&source, &mut diags);
    match tree {
        Some(tree) if diags.0.is_empty() => Ok(flat(&tree.root)),
        _ => Err(diags.render(&source, false)),
    }
}

/// The same line from the oracle's events.
fn theirs(text: &str) -> Result<String, String> {
    let mut out = String::new();
    // For each open collection: is it a mapping, and how many nodes has it.
    let mut open: Vec<(bool, usize)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|e| e.to_string())?;
        let begins =
            matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..));
        let mut key = false;
        if begins && let Some((mapping, n)) = open.last_mut() {
            key = *mapping && *n % 2 == 0;
            out.push_str(if *mapping && *n % 2 == 1 {
                ": "
            } else if *n > 0 {
                ", "
            } else {
                ""
            });
            *n += 1;
        }
        match event {
            Event::Scalar(text, _, _, _) if key => write!(out, "{}", text.escape_debug()).unwrap(),
            Event::Scalar(text, ScalarStyle::Plain, _, _) => {
                write!(out, "`{}`", text.escape_debug()).unwrap()
            }
            Event::Scalar(text, _, _, _) => write!(out, "{:?}", text.as_ref()).unwrap(),
            Event::SequenceStart(..) => {
                out.push('[');
                open.push((false, 0));
            }
            Event::MappingStart(..) => {
                out.push('{');
                open.push((true, 0));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                out.push(if matches!(event, Event::SequenceEnd) { ']' } else { '}' });
                open.pop();
            }
            _ => {}
        }
    }
    Ok(out)
}

/// A text that is accepted, with its tree, which the oracle confirms.
fn check(text: &str, tree: &str) {
    assert_eq!(ours(text).unwrap_or_else(|e| panic!("{e}")), tree);
    assert_eq!(theirs(text).as_deref(), Ok(tree), "the oracle differs on {text:?}");
}

#[test]
fn block_style() {
    check(
        "a: 1\nb:\n  c: x y\n  d:\n    - 1\n    - e: 2\n      f: 3\n",
        "{a: `1`, b: {c: `x y`, d: [`1`, {e: `2`, f: `3`}]}}",
    );
    check("a:\n- 1\n-   - 2\n    - 3\nb: 2\n", "{a: [`1`, [`2`, `3`]], b: `2`}");
    check("a: 1 # comment\n\n  # another\nb: x#y # z\n", "{a: `1`, b: `x#y`}");
    check("\"a b\": 1\n'c': 2\nd e: 3\n", "{a b: `1`, c: `2`, d e: `3`}");
    check("a:\n  one\n  two\n\n  three\nb: x\n  y\n", "{a: `one two\\nthree`, b: `x y`}");
    check("---\na: http://x:1\n...\n", "{a: `http://x:1`}");
}

#[test]
fn flow_style() {
    check(
        "{a: 1, b: [x, 'y', \"z\"], c: {}, d: [], }",
        "{a: `1`, b: [`x`, \"y\", \"z\"], c: {}, d: []}",
    );
    check("a: { b: c d,\n  e: f }\n", "{a: {b: `c d`, e: `f`}}");
    check(
        "{\"a\":1,\"b\":[1,2],\n\t\"c\":{\"d\":null}}",
        "{a: `1`, b: [`1`, `2`], c: {d: `null`}}",
    );
    check("a: [\n  1, # one\n  2\n  ]\n", "{a: [`1`, `2`]}");
    check("{ a: x(y), b: a:b, c: -1 }", "{a: `x(y)`, b: `a:b`, c: `-1`}");
}

#[test]
fn quoted_scalars() {
    check(r#"a: "x\ty\u00e9\"\\ \x41""#, "{a: \"x\\tyé\\\"\\\\ A\"}");
    check("a: 'it''s'\n", "{a: \"it's\"}");
    check("a: \"one\n  two\n\n  three \\\n  four\"\n", "{a: \"one two\\nthree four\"}");
    check("a: 'one \n   two'\n", "{a: \"one two\"}");
    // The oracle refuses a pair of surrogates, which JSON has.
    assert_eq!(ours(r#"a: "\ud83d\ude00""#).unwrap(), "{a: \"😀\"}");
}

#[test]
fn block_scalars() {
    check("a: |\n  x\n   y\n\n  z\nb: 1\n", "{a: \"x\\n y\\n\\nz\\n\", b: `1`}");
    check("a: >\n  x\n  y\n\n  z\n   more\n  end\n", "{a: \"x y\\nz\\n more\\nend\\n\"}");
    check("a: |-\n  x\n\nb: >+\n  y\n\n", "{a: \"x\", b: \"y\\n\\n\"}");
    check("a: |2\n   x\n  y\n", "{a: \" x\\ny\\n\"}");
    check("- |\n x\n- > # c\n y\n", "[\"x\\n\", \"y\\n\"]");
}

#[test]
fn crlf_is_a_line_end() {
    check("a: 1\r\nb:\r\n  - x\r\n  - 'y\r\n    z'\r\n", "{a: `1`, b: [`x`, \"y z\"]}");
}

#[test]
fn every_byte_of_a_scalar_has_its_place() {
    let text = "a: \"x\\ty é\\n\"\nb: 'it''s'\nc: >\n  one\n  two\nd: p\n  q\ne: plain\n";
    let source = Source::new("t", text);
    let tree = parse(&source, &mut Diagnostics::default()).unwrap();
    let place = |key: &str, part: &str| {
        let node = tree.root.get(key).unwrap();
        let expr = tree.expr(node).unwrap();
        let at = expr.text.find(part).unwrap();
        let span = expr.place(at..at + part.len());
        text[span.start as usize..span.end as usize].to_owned()
    };
    assert_eq!(place("a", "y"), "y");
    assert_eq!(place("a", "é"), "é");
    assert_eq!(place("a", "\t"), "\\");
    assert_eq!(place("b", "s"), "s");
    assert_eq!(place("c", "two"), "two");
    assert_eq!(place("c", "one two"), "one\n  two");
    assert_eq!(place("d", "q"), "q");
    assert_eq!(place("e", "lain"), "lain");
    // One past the end has a place too.
    let expr = tree.expr(tree.root.get("a").unwrap()).unwrap();
    assert_eq!(&text[expr.place(expr.text.len()..expr.text.len()).start as usize..][..1], "\"");
}

/// Pieces of which random texts are made.
const PIECES: &[&str] = &[
    "a: ", "b: ", "c:\n", "- ", "x", "y z", "1", "'q'", "\"w\"", "''", "\"\\n\"", "\n", "\n  ",
    "\n    ", "\n\n", "{", "}", "[", "]", ", ", ": ", " # k", "|\n", ">-\n", "?", "!t ", "&n ",
    "*n", "---\n", "é", "'", "\"", "#", "-", "\t", "\r\n", ":",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never a panic; and what is accepted means what the oracle says it means.
    #[test]
    fn agrees_with_the_oracle(pieces in prop::collection::vec(0..PIECES.len(), 1..24)) {
        let text: String = pieces.into_iter().map(|i| PIECES[i]).chain(["\n"]).collect();
        if let Ok(tree) = ours(&text) {
            match theirs(&text) {
                Ok(other) => prop_assert_eq!(tree, other, "{:?}", text),
                Err(e) => prop_assert!(lenient(&text, &e), "{:?} is accepted as {}, the oracle says: {}", text, tree, e),
            }
        }
    }
}

/// Where this parser takes what YAML does not allow, without a second meaning.
fn lenient(_text: &str, error: &str) -> bool {
    [
        // A tab between `:` or `-` and the value; YAML allows it, the oracle does not.
        "must be followed by a valid YAML whitespace",
        "a block scalar content cannot start with a tab",
        // White space before text, where only how much of it there is breaks a rule.
        "wrongly indented line in block scalar",
        "tab cannot be used as indentation",
        // A closing bracket in the column of its key.
        "invalid indentation at",
    ]
    .iter()
    .any(|e| error.contains(e))
}

#[test]
fn agrees_on_models() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files: Vec<_> = std::fs::read_dir(root.join("testdata/models"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.push(root.join("examples/banking/model.yaml"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(ours(&text).unwrap(), theirs(&text).unwrap(), "{}", file.display());
    }
}
