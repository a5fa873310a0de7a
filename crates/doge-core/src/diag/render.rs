//! How problems look on a terminal: rustc's look, made by hand, because the texts are compared byte
//! for byte in tests and must not change with a library.
//!
//! ```text
//! error[E0301]: unknown name `balanc`
//!   --> model.yaml:12:20
//!    |
//! 12 |             when: balanc > 0
//!    |                   ^^^^^^ not an attribute of `user`
//!    |
//!    = help: did you mean `balance`?
//! ```
//!
//! Control characters are shown escaped and long lines are cut around the spot, so that a binary
//! file can neither flood nor change the terminal.

use super::secret::masked;
use super::{Diagnostic, Diagnostics, Severity};
use crate::source::{Source, Span};
use std::fmt::Write;

/// At most so many problems are shown; the rest is counted.
pub const MAX_SHOWN: usize = 100;
/// A line of the model is cut to about so many columns around the spot.
const MAX_WIDTH: usize = 110;
/// Columns kept before the spot in a line that is cut.
const LEAD: usize = 40;
/// A message, note or help is cut to about so many bytes.
const MAX_TEXT: usize = 1000;

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[1;32m";

/// A piece of the user's text as it may stand in a message: at most 60 characters, control
/// characters escaped.
///
/// ```
/// assert_eq!(doge_core::diag::shown("a\tb"), "a\\tb");
/// ```
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == 60 {
            out.push_str("...");
            break;
        }
        push_escaped(&mut out, c);
    }
    out
}

/// Appends `c`, escaped where it is not plainly visible; returns the columns it takes.
fn push_escaped(out: &mut String, c: char) -> usize {
    let invisible = c.is_control()
        || matches!(c, '\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3000}' | '\u{feff}');
    if invisible {
        let escaped: String = c.escape_default().collect();
        out.push_str(&escaped);
        escaped.len()
    } else {
        out.push(c);
        width(c)
    }
}

/// Columns of a visible character: 2 for East Asian wide ones and emoji, 0 for combining marks.
fn width(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => {
            2
        }
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

impl Diagnostics {
    /// The problems as text for a terminal, sorted by place, each followed by an empty line. With
    /// `color`, ANSI colours are added. At most [`MAX_SHOWN`] are shown.
    pub fn render(&self, source: &Source, color: bool) -> String {
        let mut sorted = self.clone();
        sorted.sort();
        let mut out = Out { text: String::new(), color };
        for diagnostic in sorted.0.iter().take(MAX_SHOWN) {
            out.diagnostic(source, diagnostic);
        }
        let hidden = sorted.0.len().saturating_sub(MAX_SHOWN);
        if hidden > 0 {
            let s = if hidden == 1 { "" } else { "s" };
            let _ = writeln!(out.text, "... and {hidden} more problem{s}");
        }
        out.text
    }
}

struct Out {
    text: String,
    color: bool,
}

/// A place to be marked in a snippet.
struct Mark<'a> {
    line: usize,
    /// Byte range within the line.
    range: (usize, usize),
    label: &'a str,
    primary: bool,
}

impl Out {
    fn paint(&mut self, style: &str, text: &str) {
        if self.color {
            self.text.push_str(style);
            self.text.push_str(text);
            self.text.push_str(RESET);
        } else {
            self.text.push_str(text);
        }
    }

    fn diagnostic(&mut self, source: &Source, d: &Diagnostic) {
        let (word, style) = match d.severity {
            Severity::Error => ("error", RED),
            Severity::Warning => ("warning", YELLOW),
        };
        self.paint(style, &format!("{word}[{}]", d.code));
        let message: String = escaped(&d.message, false);
        self.paint(BOLD, &format!(": {message}"));
        self.text.push('\n');
        let mut gutter = 2;
        if let Some(span) = d.span {
            let mut marks = vec![mark(source, span, &d.label, true)];
            marks.extend(d.related.iter().map(|(span, text)| mark(source, *span, text, false)));
            gutter = marks.iter().map(|m| m.line).max().unwrap_or(1).to_string().len().max(2);
            let (line, col) = source.line_col(span.start);
            self.text.push_str(&" ".repeat(gutter));
            self.paint(BLUE, "--> ");
            let _ = writeln!(self.text, "{}:{line}:{col}", escaped(&source.name, false));
            marks.sort_by_key(|m| (m.line, m.range, !m.primary));
            self.snippet(source, &marks, gutter, style);
        }
        let lines = d.notes.iter().map(|n| ("note", n)).chain(d.help.iter().map(|h| ("help", h)));
        for (kind, text) in lines {
            self.text.push_str(&" ".repeat(gutter + 1));
            self.paint(BLUE, "= ");
            self.paint(BOLD, kind);
            let indent = " ".repeat(gutter + 9);
            let _ = writeln!(
                self.text,
                ": {}",
                escaped(text, true).replace('\n', &format!("\n{indent}"))
            );
        }
        self.text.push('\n');
    }

    /// An empty line of the snippet, with `bar` in its gutter.
    fn bar(&mut self, gutter: usize, number: &str) {
        self.paint(BLUE, &format!("{number:>gutter$} |"));
    }

    fn snippet(&mut self, source: &Source, marks: &[Mark], gutter: usize, style: &str) {
        self.bar(gutter, "");
        self.text.push('\n');
        let mut last = None;
        for m in marks {
            if last != Some(m.line) {
                if last.is_some_and(|l: usize| l + 1 < m.line) {
                    self.text.push_str("...\n");
                }
                self.bar(gutter, &m.line.to_string());
                let first =
                    marks.iter().filter(|o| o.line == m.line).map(|o| o.range.0).min().unwrap_or(0);
                let shown = cut(&masked(source.line(m.line)), first, 0..0).text;
                if !shown.is_empty() {
                    let _ = write!(self.text, " {shown}");
                }
                self.text.push('\n');
                last = Some(m.line);
            }
            let first =
                marks.iter().filter(|o| o.line == m.line).map(|o| o.range.0).min().unwrap_or(0);
            let at = cut(&masked(source.line(m.line)), first, m.range.0..m.range.1);
            self.bar(gutter, "");
            let _ = write!(self.text, " {}", " ".repeat(at.columns.0));
            let sign = if m.primary { "^" } else { "-" };
            let color = if m.primary { style } else { GREEN };
            let mut under = sign.repeat((at.columns.1 - at.columns.0).max(1));
            if !m.label.is_empty() {
                under.push(' ');
                under.push_str(&escaped(m.label, false));
            }
            self.paint(color, &under);
            self.text.push('\n');
        }
        self.bar(gutter, "");
        self.text.push('\n');
    }
}

/// The first line of a span as a mark.
fn mark<'a>(source: &Source, span: Span, label: &'a str, primary: bool) -> Mark<'a> {
    let (line, _) = source.line_col(span.start);
    let text = source.line(line);
    let base = source.line_start(line);
    let start = (span.start as usize).saturating_sub(base).min(text.len());
    let end = (span.end as usize).saturating_sub(base).min(text.len()).max(start);
    Mark { line, range: (start, end), label, primary }
}

/// A line as shown, and the columns of a byte range in it.
struct Cut {
    text: String,
    columns: (usize, usize),
}

/// Escapes a line and cuts it around byte `spot`.
fn cut(line: &str, spot: usize, range: std::ops::Range<usize>) -> Cut {
    // In a long line begin some characters before the spot.
    let from = if line.len() > MAX_WIDTH && spot > MAX_WIDTH * 2 / 3 {
        line[..floor(line, spot)].char_indices().rev().nth(LEAD - 1).map_or(0, |(i, _)| i)
    } else {
        0
    };
    let mut text = String::from(if from > 0 { "..." } else { "" });
    let mut columns = if from > 0 { 3 } else { 0 };
    let mut at = (None, None);
    for (n, (i, c)) in line[from..].char_indices().enumerate() {
        let i = i + from;
        if i >= range.start && at.0.is_none() {
            at.0 = Some(columns);
        }
        if i >= range.end && at.1.is_none() {
            at.1 = Some(columns);
        }
        // Marks that combine take no column, but memory.
        if columns >= MAX_WIDTH || n >= 2 * MAX_WIDTH {
            let columns = (at.0.unwrap_or(columns), at.1.unwrap_or(columns));
            text.push_str("...");
            return Cut { text, columns };
        }
        columns += push_escaped(&mut text, c);
    }
    Cut { text, columns: (at.0.unwrap_or(columns), at.1.unwrap_or(columns)) }
}

/// The largest character border not above `at`.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn escaped(text: &str, keep_lines: bool) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_TEXT));
    for c in text.chars() {
        // A message may quote a name of 64 kB.
        if out.len() >= MAX_TEXT {
            out.push_str("...");
            break;
        }
        if keep_lines && c == '\n' {
            out.push(c);
        } else {
            push_escaped(&mut out, c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, d: Diagnostic, expect: &str) {
        let source = Source::new("m.yaml", text);
        assert_eq!(Diagnostics(vec![d]).render(&source, false), expect);
    }

    #[test]
    fn marks_the_spot() {
        let d = Diagnostic::error("E0000", Span::new(3, 6), "no")
            .label("here")
            .note("rule")
            .help("do\nthis");
        check(
            "a: bcd\n",
            d,
            "error[E0000]: no\n  --> m.yaml:1:4\n   |\n 1 | a: bcd\n   |    ^^^ here\n   |\n   = note: rule\n   = help: do\n           this\n\n",
        );
    }

    #[test]
    fn shows_other_places_in_order() {
        let d = Diagnostic::error("E0000", Span::new(12, 13), "twice")
            .related(Span::new(0, 1), "first");
        check(
            "a: 1\n\nb: 1\n\na: 2\n",
            d,
            "error[E0000]: twice\n  --> m.yaml:5:1\n   |\n 1 | a: 1\n   | - first\n...\n 5 | a: 2\n   | ^\n   |\n\n",
        );
    }

    #[test]
    fn escapes_and_cuts() {
        let line = format!("k: {}\x1b[0mx{}", "a".repeat(500), "b".repeat(500));
        let d = Diagnostic::error("E0000", Span::new(503, 504), "esc \x07");
        let out = Diagnostics(vec![d]).render(&Source::new("m", line), false);
        let shown = out.lines().nth(3).unwrap();
        assert!(
            shown.contains("...aaaa") && shown.contains("\\u{1b}[0mx") && shown.ends_with("..."),
            "{shown}"
        );
        assert!(out.starts_with("error[E0000]: esc \\u{7}\n"), "{out}");
        assert_eq!(out.lines().nth(4).unwrap().find('^'), shown.find("\\u{1b}"));
    }

    #[test]
    fn survives_places_anywhere() {
        let text = "ä\r\n\tb 漢字\n";
        for start in 0..=text.len() + 2 {
            for end in 0..=text.len() + 2 {
                let d = Diagnostic::error("E0000", Span::new(start, end), "m");
                let out = Diagnostics(vec![d]).render(&Source::new("m", text), true);
                assert!(out.contains('^'));
            }
        }
    }

    #[test]
    fn counts_what_it_hides() {
        let one = |i: usize| Diagnostic::error("E0000", Span::new(i, i), format!("{i}"));
        let out = Diagnostics((0..103).map(one).collect())
            .render(&Source::new("m", "x".repeat(200)), false);
        assert!(out.ends_with("... and 3 more problems\n"));
        assert_eq!(out.matches("error[E0000]").count(), 100);
    }
}
