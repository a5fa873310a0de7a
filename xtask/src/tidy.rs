//! The house rules as a test: what neither the compiler, rustfmt nor clippy looks at.
//!
//! A rule is a function from the project's text files to complaints, and a line in [`RULES`]. Complaints
//! name file and line and say what to do. Rules look at text, not at syntax: they are there to catch
//! slips, not to be unbeatable.

use crate::{packages, root};
use std::collections::BTreeSet;
use std::path::Path;

mod code;
mod documents;

/// A text file of the project.
struct File {
    /// Its path from the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is code that users run: not a test, a chore, an example or a benchmark.
    fn is_product(&self) -> bool {
        self.is_rust()
            && self.path.starts_with("crates/")
            && self.path.contains("/src/")
            && !is_test(&self.path)
    }

    /// The text up to a test module at the end.
    fn product_text(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// The lines of [`File::product_text`], from 1.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.product_text().lines().enumerate().map(|(i, l)| (i + 1, l))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, l)| (i + 1, l))
    }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// A place and what is wrong there.
type Complaint = String;

/// A rule: what it demands, and how it finds where that is not so.
type Rule = (&'static str, fn(&[File]) -> Vec<Complaint>);

/// All rules, in the order in which they are told.
const RULES: &[Rule] = &[
    ("a file has at most 800 lines, or says at its top why it has more", code::length),
    ("a module says at its top what it is for", code::heads),
    ("a file of a crate is a module of it", code::orphans),
    ("nothing unfinished or left over", code::leftovers),
    ("people never see debug output", code::debug_output),
    ("the core's arithmetic and order are the same everywhere", code::core_purity),
    ("nothing names a machine", code::machines),
    ("no trailing blanks, tabs or CRLF; a line end at the end", code::blanks),
    ("a wrong model has its message beside it", documents::diagnostics_pairs),
    ("every page is in the index, every link leads somewhere", documents::links),
    ("every code of a diagnostic is documented, and no other", documents::codes_documented),
    ("dependencies have a permitted licence and need no newer Rust", |_| packages::problems()),
];

/// Looks at all rules and prints what breaks them.
///
/// # Errors
/// How many complaints there are.
pub fn run() -> Result<(), String> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut count = 0;
    for (rule, find) in RULES {
        let complaints = find(&files);
        if complaints.is_empty() {
            continue;
        }
        count += complaints.len();
        println!("rule: {rule}");
        complaints.iter().for_each(|c| println!("  {c}"));
    }
    match count {
        0 => {
            println!("{} files, {} rules, nothing to say", files.len(), RULES.len());
            Ok(())
        }
        1 => Err("one complaint of tidy".into()),
        n => Err(format!("{n} complaints of tidy")),
    }
}

/// Reads the text files below a folder; what git ignores and what is no text is left out.
fn collect(root: &Path, below: &str, files: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(root.join(below)) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !["target", ".git", "out", "__pycache__"].contains(&name.as_str()) {
                collect(root, &path, files);
            }
        } else if kind.is_file()
            && name != ".git"
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            files.push(File { path, text });
        }
    }
}

/// All that lies between `open` and the next `close`, at every place.
fn between<'t>(text: &'t str, open: &str, close: char) -> Vec<(usize, &'t str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(i) = text[at..].find(open) {
        let begin = at + i + open.len();
        let Some(len) = text[begin..].find(close) else { break };
        found.push((begin, &text[begin..begin + len]));
        at = begin;
    }
    found
}

/// The line, from 1, of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The codes (`E0301`, `W0605`) of a text that satisfy `here`, which gets the bytes before and after.
fn codes(text: &str, here: impl Fn(u8, u8) -> bool) -> BTreeSet<&str> {
    let bytes = text.as_bytes();
    let is_code = |w: &[u8]| matches!(w[0], b'E' | b'W') && w[1..].iter().all(u8::is_ascii_digit);
    let around = |i: usize| bytes.get(i).copied().unwrap_or(b'\n');
    let found = bytes.windows(5).enumerate().filter(|(i, w)| {
        is_code(w) && here(if *i == 0 { b'\n' } else { around(i - 1) }, around(i + 5))
    });
    found.map(|(i, _)| &text[i..i + 5]).collect()
}
