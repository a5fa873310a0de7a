//! Pages of the reference that are made from what the program knows: the keys of destinations.
//!
//! `UPDATE_PAGES=1 cargo test -p doge-datagen --features full pages` writes them anew.

use doge_datagen::sink::{KINDS, Key, KeyValue, SinkKind, Takes};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "# The keys of every destination

This page is made from the program by a test. What the keys mean together stands in [Destinations](sinks.md).
A group in braces is written as one: `registry.url` is `registry: { url: ... }`.
";

/// What a key takes, in a word or two.
fn takes(value: KeyValue) -> String {
    let list =
        |words: &[&str]| words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    match value {
        KeyValue::Template => "text".into(),
        KeyValue::Format(formats) => list(&formats.iter().map(|f| f.name()).collect::<Vec<_>>()),
        KeyValue::Choice(words) => list(words),
        KeyValue::Bool => "`true`, `false`".into(),
        KeyValue::Count => "a whole number".into(),
        KeyValue::Map => "names with texts".into(),
        KeyValue::Group(_) => "a group".into(),
        KeyValue::Any => "anything".into(),
    }
}

fn rows(keys: &[Key], prefix: &str, out: &mut String) {
    for key in keys.iter().filter(|k| k.later.is_none()) {
        let must = if key.required { "required" } else { "" };
        let name = format!("{prefix}{}", key.name);
        assert!(
            !key.doc.is_empty(),
            "the key {name} says nothing of itself: give it a `.doc(...)`"
        );
        let _ = writeln!(out, "| `{name}` | {} | {must} | {} |", takes(key.value), key.doc);
        if let KeyValue::Group(inside) = key.value {
            rows(inside, &format!("{name}."), out);
        }
    }
}

fn page() -> String {
    let mut out = HEAD.to_owned();
    for kind in KINDS.iter().copied() {
        let SinkKind { name, summary, keys, .. } = kind;
        let _ = writeln!(out, "\n## `{name}`\n");
        let what = match kind.takes {
            Takes::Text => "takes text",
            Takes::Records | Takes::Messages => "takes any events",
            Takes::Table => "takes one event; `{event}` makes one of it for each",
            Takes::ByFormat => "takes text, or one event in a format of columns",
            Takes::Nothing => "takes nothing",
        };
        let resumes = match (kind.resumable, kind.takes) {
            (true, _) => "can go on where a run stopped",
            (false, Takes::ByFormat) => "can go on where a run stopped if its path has `{part}`",
            (false, _) => "begins anew when a run is resumed",
        };
        let _ = writeln!(out, "{}; {what}; {resumes}.", capital(summary));
        if keys.is_empty() {
            let _ = writeln!(out, "\nIt has no keys.");
            continue;
        }
        let _ = writeln!(out, "\n| key | takes | | |\n|---|---|---|---|");
        rows(keys, "", &mut out);
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

#[test]
#[cfg_attr(
    not(all(
        feature = "sqlite",
        feature = "compression",
        feature = "parquet",
        feature = "avro",
        feature = "protobuf",
        feature = "postgres",
        feature = "mysql",
        feature = "http",
        feature = "registry",
        feature = "kafka"
    )),
    ignore = "it speaks of every destination: needs --features full"
)]
fn keys_of_destinations() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/destination-keys.md");
    let page = page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "{} is not what the program says: run\n  UPDATE_PAGES=1 cargo test -p doge-datagen --features full pages",
        path.display()
    );
}
