//! Wrong models beside the exact text they must get: `testdata/diagnostics/NAME.yaml` and `NAME.txt`.
//!
//! To add a case write the model, run with `UPDATE_EXPECT=1`, and read the text as a user would: does
//! it name the place, the rule and the way out, once? Never refresh without reading what changed.

use doge_core::compile::load;
use doge_core::diag::{Diagnostics, Severity};
use doge_core::source::Source;
use doge_core::spec::Overrides;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn problems(name: &str, bytes: &[u8]) -> (Arc<Source>, Diagnostics) {
    let source = Arc::new(Source::from_bytes(name, bytes));
    let diags = match load(&source, &Overrides::default()) {
        Ok(loaded) => loaded.warnings,
        Err(diags) => diags,
    };
    (source, diags)
}

#[test]
fn wrong_models_get_their_texts() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let dir = folder("testdata/diagnostics");
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match path.extension().and_then(|e| e.to_str()) {
            Some("yaml") => names.insert(stem),
            Some("txt") => texts.insert(stem),
            _ => panic!("{} is neither a model nor a text", path.display()),
        };
    }
    assert!(names.len() >= 80, "{} cases", names.len());
    let mut failed = Vec::new();
    for name in &names {
        let file = format!("{name}.yaml");
        let (source, diags) = problems(&file, &fs::read(dir.join(&file)).unwrap());
        let text = diags.render(&source, false);
        let warned = name.starts_with("warn");
        assert_eq!(diags.has_errors(), !warned, "{name}: {text}");
        assert!(!diags.0.is_empty(), "{name} has no problem");
        if update {
            fs::write(dir.join(format!("{name}.txt")), &text).unwrap();
        } else if fs::read_to_string(dir.join(format!("{name}.txt"))).ok().as_deref()
            != Some(text.as_str())
        {
            failed.push(format!("--- {name}\n{text}"));
        }
    }
    assert!(
        failed.is_empty(),
        "{} texts differ; these are the new ones:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(update || names == texts, "texts without a model: {:?}", texts.difference(&names));
}

#[test]
fn good_models_compile_without_a_word() {
    let dir = folder("testdata/models");
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (source, mut diags) = problems(&name, &fs::read(&path).unwrap());
        // Final states are a feature; `check` says so.
        diags.0.retain(|d| d.severity == Severity::Error || d.code != "W0602");
        assert!(diags.0.is_empty(), "{}", diags.render(&source, false));
        count += 1;
    }
    assert!(count >= 12, "{count} models");
    let bank = folder("examples/banking/model.yaml");
    let (source, diags) = problems("model.yaml", &fs::read(bank).unwrap());
    assert!(diags.0.is_empty(), "{}", diags.render(&source, false));
}

/// All codes in the source of the core, outside of tests.
fn codes_in(dir: &Path, out: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, out);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (i, _) in text.match_indices('"') {
            let Some(code) = text.get(i + 1..i + 7) else {
                continue;
            };
            let digits = code.get(1..5).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
            if digits
                && code.starts_with(['E', 'W'])
                && code.ends_with('"')
                && &code[1..5] != "0000"
            {
                out.insert(code[..5].to_owned());
            }
        }
    }
}

#[test]
fn every_code_is_documented() {
    let mut used = BTreeSet::new();
    codes_in(&folder("crates/doge-core/src"), &mut used);
    let page = fs::read_to_string(folder("docs/reference/diagnostics.md")).unwrap();
    for (code, text) in doge_core::expr::codes::CODES {
        assert!(page.contains(&format!("| `{code}` | {text} |")), "{code} is described as: {text}");
    }
    let listed: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("| `")?.get(..5)).collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(listed, sorted, "the list is in order");
    let listed: BTreeSet<String> = listed.into_iter().map(str::to_owned).collect();
    let one_sided: Vec<&String> = used.symmetric_difference(&listed).collect();
    assert_eq!(one_sided, Vec::<&String>::new(), "used but not listed, or listed but not used");
}

/// A model whose population has so many attributes.
fn attributes(n: usize, init: impl Fn(usize) -> String) -> String {
    let lines: String = (0..n).map(|i| format!("      a{i}: {}\n", init(i))).collect();
    format!(
        "clock: {{start: 0, tick: 1s, ticks: 1}}\nsubjects:\n  u:\n    count: 1\n    attributes:\n{lines}    states: {{s: {{}}}}\n"
    )
}

#[test]
fn hostile_texts_get_an_error_quickly() {
    let mb = 10 << 20;
    let cases: Vec<(&str, String)> = vec![
        ("brackets", "[".repeat(mb)),
        ("braces", "{".repeat(mb)),
        ("keys", "{a: ".repeat(mb / 4)),
        ("dashes", "- ".repeat(mb / 2)),
        ("tabs", format!("a:{}", "\t".repeat(mb))),
        ("quotes", "\"".repeat(mb)),
        ("one line", "x".repeat(mb)),
        ("no keys", "x\n".repeat(mb / 2)),
        ("tags", format!("a: [{}]", "!x, ".repeat(mb / 4))),
        ("commas", format!("[{}", ",".repeat(mb))),
        ("anchors", format!("a: {}x", "&a ".repeat(mb / 3))),
        ("known tags", format!("a: {}x", "!!a ".repeat(mb / 4))),
        ("whole tags", format!("a: {}x", "!<a> ".repeat(mb / 5))),
        ("combining marks", format!("a: e{}", "\u{301}".repeat(mb / 2))),
        ("unknown keys", (0..50_000).map(|i| format!("k{i}: 1\n")).collect()),
        ("unknown names", attributes(5_000, |i| format!("b{i}"))),
        ("cycles", attributes(5_000, |i| format!("a{} + a{}", (i + 1) % 5_000, i * 7 % 5_000))),
        ("deep lines", (0..5_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
        (
            "parentheses",
            format!(
                "clock: {{start: 0, tick: 1s, ticks: 1}}\nsubjects: {{u: {{count: 1, attributes: {{x: {} }}, states: {{s: {{}}}}}}}}",
                "(".repeat(mb / 10)
            ),
        ),
    ];
    for (name, text) in cases {
        let begun = std::time::Instant::now();
        let (source, diags) = problems("hostile.yaml", text.as_bytes());
        let text = diags.render(&source, false);
        assert!(diags.has_errors(), "{name}");
        assert!(text.len() < 100_000, "{name}: {} bytes of text", text.len());
        assert!(begun.elapsed().as_secs() < 20, "{name} took {:?}", begun.elapsed());
    }
}

#[test]
fn texts_cut_anywhere_do_not_panic() {
    for name in ["examples/banking/model.yaml", "testdata/models/everything.yaml"] {
        let text = fs::read_to_string(folder(name)).unwrap();
        let step = text.len() / 300 + 1;
        for at in (0..text.len()).step_by(step) {
            let Some((head, tail)) = text.split_at_checked(at) else {
                continue;
            };
            for middle in ["", "\"", "'", "{", "]", ": ", "\n", "\t", "#", "!", "é", "\0"] {
                let (source, diags) = problems(
                    "cut.yaml",
                    format!("{head}{middle}{}", &tail[tail.len().min(1)..]).as_bytes(),
                );
                diags.render(&source, true);
            }
            let (source, diags) = problems("cut.yaml", head.as_bytes());
            diags.render(&source, false);
        }
    }
}

#[test]
fn a_hundred_thousand_states_take_linear_time() {
    let n = 100_000;
    let head =
        "clock: {start: 0, tick: 1s, ticks: 10}\nsubjects:\n  u:\n    count: 1\n    states:\n";
    let tail = "events: {e: {fields: {id: id, at: timestamp}}}\n";
    for to in ["s", "t"] {
        let states: String = (0..n)
            .map(|i| format!("      s{i}: {{transitions: {{go: {{to: {to}{}, probability: 5%, emit: e}}}}}}\n", (i + 1) % n))
            .collect();
        let begun = std::time::Instant::now();
        let (_, diags) = problems("large.yaml", format!("{head}{states}{tail}").as_bytes());
        assert_eq!(diags.has_errors(), to == "t");
        // About a second when optimised; quadratic work would take hours.
        assert!(begun.elapsed().as_secs() < 120, "{:?}", begun.elapsed());
    }
}
