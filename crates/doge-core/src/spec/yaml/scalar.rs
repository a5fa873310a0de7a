//! Scalars: plain, quoted and block, each with the place of every byte of its text.

use super::{Halt, Parser, R, quoted_line};
use crate::diag::{Diagnostic, shown};
use crate::source::Span;
use crate::spec::{Node, NodeKind};

/// A text under construction with the places of its bytes.
#[derive(Default)]
struct Buf {
    text: String,
    offsets: Vec<u32>,
}

impl Buf {
    /// A piece of the source as it stands there.
    fn raw(&mut self, source: &str, start: usize, end: usize) {
        self.text.push_str(&source[start..end]);
        self.offsets.extend(start as u32..end as u32);
    }

    /// A character that something at `at` stands for.
    fn made(&mut self, c: char, at: usize) {
        self.text.push(c);
        self.offsets.extend(std::iter::repeat_n(at as u32, c.len_utf8()));
    }

    fn made_n(&mut self, c: char, n: usize, at: usize) {
        (0..n).for_each(|_| self.made(c, at));
    }

    /// Takes white space off the end, but not below `floor` bytes.
    fn trim_end(&mut self, floor: usize) {
        let len = self.text.trim_end_matches([' ', '\t']).len().max(floor);
        self.text.truncate(len);
        self.offsets.truncate(len);
    }
}

impl Parser<'_> {
    fn finish(&mut self, mut buf: Buf, start: usize, text_end: usize, quoted: bool) -> Node {
        buf.offsets.push(text_end as u32);
        self.offsets.insert(start as u32, buf.offsets);
        Node { kind: NodeKind::Scalar { text: buf.text, quoted }, span: Span::new(start, self.pos) }
    }

    /// A quoted scalar; `pos` is at its opening quote, then behind the closing one.
    pub(super) fn quoted(&mut self, quote: u8, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let mut buf = Buf::default();
        // White space before a line end goes, unless it was escaped.
        let mut floor = 0;
        self.pos += 1;
        loop {
            let at = self.pos;
            if self.is_break(at) {
                buf.trim_end(floor);
                self.fold_lines(&mut buf, start, parent)?;
                floor = buf.text.len();
                continue;
            }
            match self.b[at] {
                c if c == quote && quote == b'\'' && self.b.get(at + 1) == Some(&b'\'') => {
                    buf.made('\'', at);
                    self.pos += 2;
                }
                c if c == quote => {
                    self.pos += 1;
                    return Ok(self.finish(buf, start, at, true));
                }
                b'\\' if quote == b'"' => {
                    if self.is_break(at + 1) {
                        self.pos += 1;
                        let before = buf.text.len();
                        self.fold_lines(&mut buf, start, parent)?;
                        // An escaped line end joins without a space; empty lines behind it count.
                        if buf.text[before..] == *" " {
                            buf.text.truncate(before);
                            buf.offsets.truncate(before);
                        }
                    } else {
                        self.escape(&mut buf, key);
                    }
                    floor = buf.text.len();
                }
                c => {
                    let n = match c {
                        ..0x80 => 1,
                        0x80..0xe0 => 2,
                        0xe0..0xf0 => 3,
                        _ => 4,
                    };
                    buf.raw(self.text, at, at + n);
                    self.pos += n;
                }
            }
        }
    }

    /// A line end inside quotes: one becomes a space, empty lines become line ends.
    fn fold_lines(&mut self, buf: &mut Buf, start: usize, parent: isize) -> R<()> {
        let at = self.pos;
        let mut breaks = 0;
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t')) {
                self.pos += 1;
            }
            if self.pos >= self.b.len() {
                return Err(self.unclosed_quote(start, parent));
            }
            if !self.is_break(self.pos) {
                break;
            }
            self.pos += if self.peek() == Some(b'\r') { 2 } else { 1 };
            if self.pos > self.b.len() {
                self.pos = self.b.len();
            }
            self.line_start = self.pos;
            breaks += 1;
        }
        if self.col() as isize <= parent || self.is_marker(self.line_start) {
            return Err(self.unclosed_quote(start, parent));
        }
        if breaks == 1 {
            buf.made(' ', at);
        } else {
            buf.made_n('\n', breaks - 1, at);
        }
        Ok(())
    }

    /// Reports the quote at `start` as never closed, and goes on behind its line.
    pub(super) fn unclosed_quote(&mut self, start: usize, parent: isize) -> Halt {
        let quote = self.b[start] as char;
        let d = Diagnostic::error(
            "E0117",
            Span::new(start, start + 1),
            format!("this `{quote}` is never closed"),
        );
        self.diags.push(d.help(format!(
            "write the missing `{quote}`; a `{quote}` inside the text is written {}",
            if quote == '"' { "`\\\"`" } else { "`''`" }
        )));
        self.pos = start;
        self.line_start = self.b[..start].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        self.recover(parent)
    }

    /// A backslash escape; YAML's are JSON's and some more.
    fn escape(&mut self, buf: &mut Buf, key: Option<&str>) {
        let at = self.pos;
        let c = self.text[at + 1..].chars().next().unwrap_or('\0');
        self.pos += 1 + c.len_utf8();
        let simple = match c {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            ' ' | '"' | '/' | '\\' => c,
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            'x' | 'u' | 'U' => {
                let n = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                return self.code_point(buf, at, n);
            }
            _ => {
                let d = Diagnostic::error(
                    "E0125",
                    Span::new(at, self.pos),
                    format!("`\\{}` is no escape of double-quoted text", shown(&c.to_string())),
                );
                let help = match key {
                    Some(_) => {
                        "write `\\\\` for a backslash, or put the value in single quotes, where a backslash is plain"
                    }
                    None => "write `\\\\` for a backslash, or use single quotes",
                };
                self.diags.push(d.help(help));
                return;
            }
        };
        buf.made(simple, at);
    }

    /// `\xNN`, `\uNNNN`, `\UNNNNNNNN`; a pair of surrogates is one character, as in JSON.
    fn code_point(&mut self, buf: &mut Buf, at: usize, digits: usize) {
        let hex = |text: &str, from: usize, n: usize| {
            text.get(from..from + n)
                .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|h| u32::from_str_radix(h, 16).ok())
        };
        let mut end = self.pos;
        let mut code = hex(self.text, self.pos, digits);
        if let Some(high) = code {
            end = self.pos + digits;
            let low = (digits == 4 && self.text[end..].starts_with("\\u"))
                .then(|| hex(self.text, end + 2, 4))
                .flatten();
            if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (high, low) {
                code = Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                end += 6;
            }
        }
        self.pos = end;
        match code.and_then(char::from_u32) {
            Some(c) => buf.made(c, at),
            None => {
                let d = Diagnostic::error(
                    "E0125",
                    Span::new(at, self.pos),
                    "this escape names no character",
                );
                self.diags.push(
                    d.help("write `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN` with hexadecimal digits"),
                );
            }
        }
    }

    /// A plain scalar in block style, over one or more lines indented deeper than `parent`.
    pub(super) fn plain(&mut self, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let Some(mut end) = self.plain_line(start) else {
            return Ok(self.colon_inside(start, key));
        };
        let mut buf: Option<Buf> = None;
        loop {
            self.pos = end;
            // A comment ends it; only a line that follows directly continues it.
            let line_end = self.line_end();
            if self.trimmed_end(line_end) > end {
                break;
            }
            let (mut i, mut breaks, mut line_start) = (line_end, 0, self.line_start);
            while i < self.b.len() && self.is_break(i) {
                i += if self.b[i] == b'\r' { 2 } else { 1 };
                i = i.min(self.b.len());
                line_start = i;
                breaks += 1;
                while self.b.get(i) == Some(&b' ') {
                    i += 1;
                }
            }
            let ends = i >= self.b.len()
                || (i - line_start) as isize <= parent
                || matches!(self.b[i], b'#' | b'\t')
                || breaks == 0
                || self.is_marker(line_start);
            if ends {
                break;
            }
            let so_far = (self.pos, self.line_start);
            (self.pos, self.line_start) = (i, line_start);
            let Some(next_end) = self.plain_line(i) else {
                let text = format!(
                    "{} {}",
                    buf.as_ref().map_or(&self.text[start..end], |b| &b.text),
                    self.text[i..self.comment_free_end()].trim()
                );
                if text.contains('?') {
                    let colon = self.text[i..].find(':').map_or(i, |n| i + n);
                    let d = Diagnostic::error(
                        "E0113",
                        Span::new(colon, colon + 1),
                        "unquoted text cannot hold `: `",
                    );
                    self.diags.push(d.help(quoted_line(key, &text)));
                    return Err(self.recover(parent));
                }
                // A key that is indented too deep: the level around reports it.
                (self.pos, self.line_start) = so_far;
                break;
            };
            let buf = buf.get_or_insert_with(|| {
                let mut buf = Buf::default();
                buf.raw(self.text, start, end);
                buf
            });
            if breaks == 1 {
                buf.made(' ', end);
            } else {
                buf.made_n('\n', breaks - 1, end);
            }
            buf.raw(self.text, i, next_end);
            end = next_end;
        }
        self.pos = end;
        Ok(match buf {
            Some(buf) => self.finish(buf, start, end, false),
            None => self.scalar(start, end),
        })
    }

    /// The end of plain text on the line that `start` is in; `None` where a `: ` stands in it.
    fn plain_line(&self, start: usize) -> Option<usize> {
        let mut i = start;
        while !self.is_break(i) {
            match self.b[i] {
                b':' if self.is_blank_or_break(i + 1) => return None,
                b'#' if i > start && matches!(self.b[i - 1], b' ' | b'\t') => break,
                _ => i += 1,
            }
        }
        Some(start + self.text[start..i].trim_end_matches([' ', '\t']).len())
    }

    /// `key: x ? 1 : 2`, `key: a: b`.
    fn colon_inside(&mut self, start: usize, key: Option<&str>) -> Node {
        let end = self.comment_free_end();
        let text = self.text[start..end].to_owned();
        let colon = (start..end)
            .find(|i| self.b[*i] == b':' && self.is_blank_or_break(i + 1))
            .unwrap_or(start);
        let mut d = Diagnostic::error(
            "E0113",
            Span::new(colon, colon + 1),
            "unquoted text cannot hold `: `",
        );
        if !text.contains('?') {
            d = d.help(
                "put a nested `key: value` on its own, deeper line, or in braces: `{ key: value }`",
            );
        }
        let expression = text.contains('?');
        self.diags.push(d.help(if expression {
            quoted_line(key, &text)
        } else {
            format!("if it is one value, {}", quoted_line(key, &text))
        }));
        self.pos = end;
        if expression { self.scalar(start, end) } else { self.invalid(start) }
    }

    /// `|` and `>`: the deeper lines below are the text.
    pub(super) fn block_scalar(&mut self, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let folded = self.b[start] == b'>';
        let (mut i, mut chomp, mut indent) = (start + 1, None, None);
        while let Some(c) = self.b.get(i).copied() {
            match c {
                b'+' | b'-' if chomp.is_none() => chomp = Some(c),
                b'1'..=b'9' if indent.is_none() => indent = Some((c - b'0') as usize),
                _ => break,
            }
            i += 1;
        }
        let rest = self.text[i..self.line_end()].trim_start_matches([' ', '\t']);
        let comment = rest.starts_with('#') && self.is_blank_or_break(i);
        if !rest.is_empty() && !comment {
            let end = self.comment_free_end();
            let text = self.text[start..end].to_owned();
            let sign = self.b[start] as char;
            let d = Diagnostic::error(
                "E0119",
                Span::new(start, start + 1),
                format!("unquoted text cannot begin with `{sign}`"),
            );
            self.diags.push(
                d.note(format!("`{sign}` alone begins a block of text on the lines below"))
                    .help(super::block::reserved_help(sign, key, &text)),
            );
            self.pos = end;
            return Ok(self.invalid(start));
        }
        self.pos = self.line_end();
        let base = parent.max(-1) + 1;
        let mut indent = indent.map(|d| base.max(1) as usize - 1 + d);
        let mut buf = Buf::default();
        let (mut pending, mut first, mut before_more) = (0usize, true, false);
        let mut end = self.pos;
        while self.pos < self.b.len() {
            let break_at = self.pos;
            let line = self.pos + if self.b[self.pos] == b'\r' { 2 } else { 1 };
            if line >= self.b.len() {
                self.pos = self.b.len();
                break;
            }
            let spaces = self.b[line..].iter().take_while(|b| **b == b' ').count();
            let blank = self.is_break(line + spaces);
            let within = indent.unwrap_or(base as usize);
            if self.is_marker(line)
                || !blank && (spaces < within || (indent.is_none() && (spaces as isize) <= parent))
            {
                break;
            }
            self.pos = line;
            self.line_start = line;
            let line_end = self.line_end();
            if blank && indent.is_none_or(|n| spaces <= n) {
                pending += 1;
            } else {
                let indent = *indent.get_or_insert(spaces);
                let more = matches!(self.b[line + indent], b' ' | b'\t');
                if first {
                    buf.made_n('\n', pending, break_at);
                } else if !folded || more || before_more {
                    buf.made_n('\n', pending + 1, break_at);
                } else if pending == 0 {
                    buf.made(' ', break_at);
                } else {
                    buf.made_n('\n', pending, break_at);
                }
                buf.raw(self.text, line + indent, line_end);
                (pending, first, before_more) = (0, false, more);
                end = line_end;
            }
            self.pos = line_end;
        }
        match chomp {
            Some(b'-') => {}
            Some(_) => buf.made_n('\n', pending + usize::from(!first), end),
            None if !first => buf.made('\n', end),
            None => {}
        }
        if first {
            let d = Diagnostic::error(
                "E0110",
                Span::new(start, start + 1),
                "a block of text without text",
            );
            self.diags
                .push(d.help("write the text on deeper lines below, or `\"\"` for empty text"));
            return Ok(self.invalid(start));
        }
        buf.offsets.push(end as u32);
        self.offsets.insert(start as u32, buf.offsets);
        Ok(Node {
            kind: NodeKind::Scalar { text: buf.text, quoted: true },
            span: Span::new(start, end),
        })
    }
}
