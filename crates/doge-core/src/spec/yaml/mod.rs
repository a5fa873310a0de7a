//! YAML text to a tree of [`Node`]s with the place of every key and value.
//!
//! A parser of our own for the part of YAML 1.2 that models are written in: block and flow mappings
//! and lists, plain, quoted and block scalars, comments. It exists because models hold *expressions*,
//! and YAML bends those silently: it is here that `!paid && x` (a tag), `'a' + b`, `x ? 1 : 2`, a
//! comma inside `{ }` and their like are recognised and shown as they must be quoted. It goes on after
//! a problem, so that all are reported at once, and it knows where each byte of a quoted scalar stood.
//!
//! Deliberately not here: tags, anchors, aliases, merge keys, complex keys, directives, several
//! documents (each is refused by name), YAML's own numbers and nulls, and plain scalars over several
//! lines inside `{ }` (there a missing comma is what was meant). The tests compare it with
//! `saphyr-parser` on everything that it accepts.

mod block;
mod flow;
mod scalar;

use super::{ExprSource, Node, NodeKind};
use crate::diag::{Diagnostic, Diagnostics};
use crate::source::{Source, Span};
use std::collections::BTreeMap;

/// Levels of nesting that are followed; models need about ten.
const MAX_DEPTH: usize = 64;
/// Longer values are not repeated in a message.
const MAX_QUOTED: usize = 200;
/// Larger texts are refused: places are 32-bit offsets.
const MAX_BYTES: usize = 1 << 28;

/// A parsed file.
pub(crate) struct Tree {
    /// The document.
    pub root: Node,
    /// By first byte of a scalar that is quoted, a block or over several lines: the place of each
    /// byte of its text, and of its end.
    offsets: BTreeMap<u32, Vec<u32>>,
    /// Lines were skipped: keys may be missing from the tree.
    pub lossy: bool,
}

impl Tree {
    /// A scalar as expression source.
    pub fn expr(&self, node: &Node) -> Option<ExprSource> {
        let text = node.as_text()?.to_owned();
        let offsets = self.offsets.get(&node.span.start).cloned().unwrap_or_default();
        Some(ExprSource { text, span: node.span, offsets })
    }
}

/// Why parsing does not go on here.
enum Halt {
    /// Nothing after this place can be read.
    Fatal,
    /// The value is broken and reported; the parser stands where it can go on.
    Resume,
}

type R<T> = Result<T, Halt>;

/// Parses a file. Without a tree, the reason was reported.
pub(crate) fn parse(source: &Source, diags: &mut Diagnostics) -> Option<Tree> {
    let text = source.text.as_str();
    if text.len() > MAX_BYTES {
        diags.push(Diagnostic::general("E0127", "the model is larger than 256 MiB"));
        return None;
    }
    if let Some(at) = source.not_utf8 {
        let at = at as usize;
        let d = Diagnostic::error("E0107", Span::new(at, at + 3), "the file is not UTF-8 text");
        // A byte order mark of UTF-16 is no UTF-8, and every other byte is then zero.
        let utf16 = at == 0 && text.contains('\0');
        let what = if utf16 {
            "it seems to be UTF-16: save it as UTF-8"
        } else {
            "is this the right file? Save models as UTF-8 text"
        };
        diags.push(d.label("no character begins with this byte").help(what));
        return None;
    }
    if let Some(d) = binary(text) {
        diags.push(d);
        return None;
    }
    let mut parser = Parser {
        text,
        b: text.as_bytes(),
        pos: 0,
        line_start: 0,
        depth: 0,
        offsets: BTreeMap::new(),
        lossy: false,
        comma_missing: false,
        diags,
    };
    let root = parser.document().ok().flatten()?;
    Some(Tree { root, offsets: parser.offsets, lossy: parser.lossy })
}

/// The problem with a text that is not text.
fn binary(text: &str) -> Option<Diagnostic> {
    if let Some(i) = text.find('\0') {
        let d = Diagnostic::error(
            "E0107",
            Span::new(i, i + 1),
            "the file is not text: it holds a zero byte",
        );
        return Some(d.help("is this the right file? Models are UTF-8 text"));
    }
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let next_is_line = matches!(chars.peek(), Some((_, '\n')));
        let fine = c == '\t'
            || c == '\n'
            || (c == '\r' && (next_is_line || chars.peek().is_none()))
            || !c.is_control();
        if fine || c == '\u{85}' {
            continue;
        }
        let span = Span::new(i, i + c.len_utf8());
        let d = match c {
            '\r' => Diagnostic::error("E0107", span, "a carriage return stands alone")
                .help("end lines with LF or CR LF"),
            _ => Diagnostic::error("E0107", span, "the file holds a control character").help(
                "remove it; inside double quotes it can be written as an escape, such as `\\x1b`",
            ),
        };
        return Some(d);
    }
    None
}

struct Parser<'a> {
    text: &'a str,
    b: &'a [u8],
    pos: usize,
    /// First byte of the line that `pos` is in.
    line_start: usize,
    depth: usize,
    offsets: BTreeMap<u32, Vec<u32>>,
    lossy: bool,
    /// The last value of a collection was cut off where a comma is missing, which was reported.
    comma_missing: bool,
    diags: &'a mut Diagnostics,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> R<Option<Node>> {
        let mut started = false;
        loop {
            self.skip(false)?;
            if self.col() == 0 && self.peek() == Some(b'%') && !started {
                let end = self.line_end();
                self.diags.push(
                    Diagnostic::error(
                        "E0121",
                        Span::new(self.pos, end),
                        "YAML directives are not supported",
                    )
                    .help("remove this line"),
                );
                self.pos = end;
            } else if !started && self.marker() == Some(b'-') {
                started = true;
                self.pos += 3;
            } else {
                break;
            }
        }
        if self.peek().is_none() {
            let d = Diagnostic::error("E0100", Span::new(0, 0), "the model is empty");
            self.diags.push(d.help("a model needs at least `clock`, `subjects` and `events`"));
            return Ok(None);
        }
        let node = match self.block_node(-1) {
            Ok(node) => node,
            Err(Halt::Resume) => Node { kind: NodeKind::Invalid, span: Span::new(0, 0) },
            Err(Halt::Fatal) => return Err(Halt::Fatal),
        };
        self.skip(false)?;
        if self.pos < self.b.len() {
            let span = Span::new(self.pos, self.trimmed_end(self.line_end()));
            let d = Diagnostic::error(
                "E0111",
                span,
                "this line does not belong to what stands above it",
            );
            self.diags.push(d.help("every top-level key begins in the first column of its line"));
        }
        Ok(Some(node))
    }

    fn peek(&self) -> Option<u8> {
        self.b.get(self.pos).copied()
    }

    fn at(&self, offset: usize) -> Option<u8> {
        self.b.get(self.pos + offset).copied()
    }

    fn col(&self) -> usize {
        self.pos - self.line_start
    }

    /// The end of the line that `pos` is in, without its line end.
    fn line_end(&self) -> usize {
        let rest = &self.b[self.pos..];
        let end = self.pos + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        if end > self.pos && self.b[end - 1] == b'\r' { end - 1 } else { end }
    }

    /// `end` without the white space before it.
    fn trimmed_end(&self, end: usize) -> usize {
        self.pos + self.text[self.pos..end].trim_end_matches([' ', '\t', '\r']).len()
    }

    /// Whether a line ends (or the file) at byte `i`.
    fn is_break(&self, i: usize) -> bool {
        match self.b.get(i) {
            None | Some(b'\n') => true,
            Some(b'\r') => matches!(self.b.get(i + 1), None | Some(b'\n')),
            _ => false,
        }
    }

    fn is_blank_or_break(&self, i: usize) -> bool {
        matches!(self.b.get(i), Some(b' ' | b'\t')) || self.is_break(i)
    }

    /// `-` or `.` where a document marker (`---`, `...`) stands here.
    fn marker(&self) -> Option<u8> {
        let c = self.peek()?;
        let marker = self.col() == 0
            && (c == b'-' || c == b'.')
            && self.at(1) == Some(c)
            && self.at(2) == Some(c)
            && self.is_blank_or_break(self.pos + 3);
        marker.then_some(c)
    }

    /// Whether the line that begins at byte `line` is a document marker.
    fn is_marker(&self, line: usize) -> bool {
        let marker = |m: &[u8]| self.b[line..].starts_with(m) && self.is_blank_or_break(line + 3);
        line <= self.b.len() && (marker(b"---") || marker(b"..."))
    }

    /// Moves over white space, comments and line ends; says whether a line ended. A second document
    /// is reported and becomes the end of the text.
    fn skip(&mut self, flow: bool) -> R<bool> {
        let mut crossed = false;
        loop {
            match self.peek() {
                Some(b'\n') => {
                    self.pos += 1;
                    self.line_start = self.pos;
                    crossed = true;
                    self.check_marker();
                }
                Some(b'\r') if self.is_break(self.pos) => self.pos += 1,
                Some(b' ') => self.pos += 1,
                Some(b'\t') if flow => self.pos += 1,
                Some(b'\t') => {
                    let indentation = self.b[self.line_start..self.pos].iter().all(|b| *b == b' ');
                    let run =
                        self.b[self.pos..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
                    let next = self.pos + run;
                    if indentation && !self.is_break(next) && self.b[next] != b'#' {
                        return self.tab();
                    }
                    self.pos = next;
                }
                Some(b'#')
                    if self.pos == 0 || matches!(self.b[self.pos - 1], b' ' | b'\t' | b'\n') =>
                {
                    self.pos = self.line_end()
                }
                _ => return Ok(crossed),
            }
        }
    }

    fn tab(&mut self) -> R<bool> {
        let rest = &self.b[self.pos..];
        let end = self.pos + rest.iter().position(|b| *b != b'\t').unwrap_or(rest.len());
        let more = self.text[end..]
            .lines()
            .skip(1)
            .filter(|l| l.trim_start_matches(' ').starts_with('\t') && !l.trim().is_empty())
            .count();
        let mut d =
            Diagnostic::error("E0105", Span::new(self.pos, end), "a tab in the indentation")
                .note("YAML indents with spaces only; the file is not read beyond this line");
        if more > 0 {
            let lines = if more == 1 { "line below begins" } else { "lines below begin" };
            d = d.note(format!("{more} {lines} with a tab too"));
        }
        self.diags.push(d.help("replace each tab at the beginning of a line by two spaces"));
        Err(Halt::Fatal)
    }

    fn check_marker(&mut self) {
        let Some(kind) = self.marker() else { return };
        let mut rest = self.text[self.pos + 3..].lines();
        let more = |l: &str| {
            !l.trim().is_empty() && !l.trim_start().starts_with('#') && l.trim_end() != "..."
        };
        if kind == b'-' && !self.text[..self.pos].lines().any(|l| more(l) && !l.starts_with('%')) {
            return;
        }
        if kind == b'-' || rest.any(more) {
            let d = Diagnostic::error(
                "E0109",
                Span::new(self.pos, self.pos + 3),
                "a second document begins here",
            )
            .note("a file holds one model; what follows this line is not read");
            self.diags
                .push(d.help("remove the line, or put the second model into a file of its own"));
        }
        self.b = &self.b[..self.pos];
        self.text = &self.text[..self.pos];
    }

    /// Moves to the first line after this one that is not indented deeper than `parent`.
    fn recover(&mut self, parent: isize) -> Halt {
        self.lossy = true;
        loop {
            let rest = &self.b[self.pos..];
            match rest.iter().position(|b| *b == b'\n') {
                Some(n) => self.pos += n + 1,
                None => {
                    self.pos = self.b.len();
                    return Halt::Resume;
                }
            }
            self.line_start = self.pos;
            let line = &self.text[self.pos..self.line_end()];
            let content = line.trim_start_matches([' ', '\t']);
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            // A closing bracket in the column of its key ends what is given up here.
            if (line.len() - content.len()) as isize <= parent && !content.starts_with([']', '}']) {
                // A line end before this place, so that `skip` reports that one was crossed.
                self.pos -= 1;
                self.line_start =
                    self.b[..self.pos].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
                return Halt::Resume;
            }
        }
    }

    /// A nesting level down.
    fn enter(&mut self) -> R<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let d = Diagnostic::error(
                "E0108",
                Span::new(self.pos, self.pos + 1),
                format!("nested deeper than {MAX_DEPTH} levels"),
            );
            self.diags.push(d.note("the file is not read beyond this place"));
            return Err(Halt::Fatal);
        }
        Ok(())
    }

    fn invalid(&self, start: usize) -> Node {
        Node { kind: NodeKind::Invalid, span: Span::new(start, self.pos.max(start)) }
    }

    fn scalar(&self, start: usize, end: usize) -> Node {
        let kind = NodeKind::Scalar { text: self.text[start..end].to_owned(), quoted: false };
        Node { kind, span: Span::new(start, end) }
    }
}

/// A text as it is written in quotes, so that YAML leaves it alone.
pub(crate) fn quote(text: &str) -> String {
    if !text.contains(['"', '\\']) {
        format!("\"{text}\"")
    } else if !text.contains('\'') {
        format!("'{text}'")
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// How a line is written with its value in quotes.
pub(crate) fn quoted_line(key: Option<&str>, text: &str) -> String {
    if text.len() > MAX_QUOTED || text.contains('\n') {
        return "quote the whole value".to_owned();
    }
    match key {
        Some(key) => format!("quote the whole value: `{key}: {}`", quote(text)),
        None => format!("quote the whole value: `{}`", quote(text)),
    }
}

/// Whether a text has an open bracket or quote: it goes on behind where YAML ended it. An apostrophe
/// within a word (`user's`) opens nothing.
pub(crate) fn is_open(text: &str) -> bool {
    let (mut depth, mut quote, mut before) = (0i32, None, ' ');
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        before = c;
    }
    quote.is_some() || depth > 0
}

#[cfg(test)]
mod tests;
