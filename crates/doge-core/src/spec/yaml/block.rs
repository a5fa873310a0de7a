//! Block style: what indentation holds together.

use super::{Halt, Parser, R, quoted_line};
use crate::diag::{Diagnostic, shown};
use crate::source::{Span, Spanned};
use crate::spec::{Node, NodeKind};
use std::collections::BTreeMap;

impl Parser<'_> {
    /// A value that begins on a line of its own, indented deeper than `parent`.
    pub(super) fn block_node(&mut self, parent: isize) -> R<Node> {
        self.enter()?;
        let column = self.col();
        let node = if self.at_dash() {
            self.block_sequence(column)
        } else if self.peek() == Some(b'?') && self.is_blank_or_break(self.pos + 1) {
            Err(self.complex_key(parent))
        } else if self.is_mapping() {
            self.block_mapping(column)
        } else {
            self.inline_value(parent, None)
        };
        self.depth -= 1;
        node
    }

    fn complex_key(&mut self, parent: isize) -> Halt {
        let span = Span::new(self.pos, self.trimmed_end(self.line_end()));
        let d = Diagnostic::error("E0124", span, "a key that is not a name")
            .note("keys are plain names");
        self.diags.push(d.help("write `name: value`"));
        self.recover(parent)
    }

    fn at_dash(&self) -> bool {
        self.peek() == Some(b'-') && self.is_blank_or_break(self.pos + 1)
    }

    /// Where the `:` stands, if the line begins with `key:`.
    fn key_end(&self) -> Option<usize> {
        let mut i = self.pos;
        let first = self.peek()?;
        if self.at_dash() {
            return None;
        }
        if first == b'"' || first == b'\'' {
            i += 1;
            while !self.is_break(i) {
                match self.b[i] {
                    b'\\' if first == b'"' => i += 1,
                    c if c == first && first == b'\'' && self.b.get(i + 1) == Some(&first) => {
                        i += 1
                    }
                    c if c == first => {
                        i += 1;
                        while self.b.get(i) == Some(&b' ') {
                            i += 1;
                        }
                        return (self.b.get(i) == Some(&b':') && self.is_blank_or_break(i + 1))
                            .then_some(i);
                    }
                    _ => {}
                }
                i += 1;
            }
            return None;
        }
        if matches!(
            first,
            b'[' | b'{' | b']' | b'}' | b',' | b'#' | b'|' | b'>' | b'@' | b'`' | b'%'
        ) {
            return None;
        }
        while !self.is_break(i) {
            match self.b[i] {
                b':' if self.is_blank_or_break(i + 1) => return Some(i),
                b'#' if i > self.pos && matches!(self.b[i - 1], b' ' | b'\t') => return None,
                _ => i += 1,
            }
        }
        None
    }

    /// Whether what looks like a key is the beginning of `x ? 1 : 2`.
    fn is_ternary(&self) -> bool {
        self.key_end().is_some_and(|end| self.text[self.pos..end].contains(" ? "))
    }

    /// Whether keys begin here: on this line, or on the next one if this one lacks its colon.
    fn is_mapping(&mut self) -> bool {
        if self.key_end().is_some() {
            return !self.is_ternary();
        }
        if matches!(
            self.peek(),
            Some(b'"' | b'\'' | b'[' | b'{' | b'|' | b'>' | b'&' | b'*' | b'!')
        ) {
            return false;
        }
        let (here, column) = ((self.pos, self.line_start), self.col());
        let mut next = false;
        self.pos = self.line_end();
        while self.pos < self.b.len() {
            self.pos += if self.b[self.pos] == b'\r' { 2 } else { 1 };
            if self.pos >= self.b.len() {
                break;
            }
            self.line_start = self.pos;
            self.pos += self.b[self.pos..].iter().take_while(|b| **b == b' ').count();
            if !self.is_break(self.pos) && self.peek() != Some(b'#') {
                next = self.col() == column && self.key_end().is_some();
                break;
            }
        }
        (self.pos, self.line_start) = here;
        next
    }

    fn block_sequence(&mut self, column: usize) -> R<Node> {
        let start = self.pos;
        let mut items = Vec::new();
        let mut end;
        loop {
            let dash = self.pos;
            self.pos += 1;
            let crossed = self.skip(false)?;
            if !crossed
                && self.b[dash..self.pos].contains(&b'\t')
                && (self.at_dash() || self.is_mapping())
            {
                self.pos = dash + 1;
                self.tab()?;
            }
            let item = if self.pos >= self.b.len() || (crossed && self.col() <= column) {
                let d = Diagnostic::error(
                    "E0110",
                    Span::new(dash, dash + 1),
                    "a list item without a value",
                );
                self.diags.push(d.help("write the value behind the `-`, or remove the line"));
                self.invalid(dash)
            } else {
                let at = self.pos;
                match self.block_node(column as isize) {
                    Err(Halt::Resume) => self.invalid(at),
                    other => other?,
                }
            };
            end = item.span.end as usize;
            items.push(item);
            self.neighbours(column, Span::new(dash, dash + 1))?;
            if self.pos >= self.b.len() || self.col() < column || !self.at_dash() {
                break;
            }
        }
        Ok(Node { kind: NodeKind::Sequence(items), span: Span::new(start, end) })
    }

    fn block_mapping(&mut self, column: usize) -> R<Node> {
        let start = self.pos;
        let mut entries: Vec<(Spanned<String>, Node)> = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut end = start;
        loop {
            match self.block_entry(column, &mut seen) {
                Ok(Some((key, value))) => {
                    end = value.span.end.max(key.span.end) as usize;
                    entries.push((key, value));
                }
                Ok(None) | Err(Halt::Resume) => {}
                Err(Halt::Fatal) => return Err(Halt::Fatal),
            }
            let neighbour = entries.last().map_or(Span::new(start, start + 1), |(k, _)| k.span);
            let before = self.diags.0.len();
            self.neighbours(column, neighbour)?;
            // A value with deeper lines below it was reported; that it is a single value follows.
            let deeper = self.diags.0[before..].iter().any(|d| d.code == "E0112");
            if let Some((_, value)) = entries.last_mut().filter(|_| deeper)
                && matches!(value.kind, NodeKind::Scalar { .. })
            {
                value.kind = NodeKind::Invalid;
            }
            if self.pos >= self.b.len() || self.col() < column {
                break;
            }
        }
        Ok(Node { kind: NodeKind::Mapping(entries), span: Span::new(start, end) })
    }

    /// Moves to the next line of the level at `column` (or of one above it), reporting lines between.
    fn neighbours(&mut self, column: usize, neighbour: Span) -> R<()> {
        loop {
            self.skip(false)?;
            if self.pos >= self.b.len() || self.col() <= column {
                return Ok(());
            }
            let span = Span::new(self.pos, self.trimmed_end(self.line_end()));
            let spaces = |n: usize| format!("{n} space{}", if n == 1 { "" } else { "s" });
            let d = Diagnostic::error(
                "E0112",
                span,
                "the indentation of this line fits nothing above it",
            )
            .label(format!("indented by {}", spaces(self.col())))
            .related(neighbour, format!("its neighbour is indented by {}", spaces(column)));
            self.diags.push(d.help("indent keys of one level alike; a key that has a value on its line has nothing below it"));
            self.recover(column as isize);
        }
    }

    fn block_entry(
        &mut self,
        column: usize,
        seen: &mut BTreeMap<String, Span>,
    ) -> R<Option<(Spanned<String>, Node)>> {
        let parent = column as isize;
        if self.peek() == Some(b'?') && self.is_blank_or_break(self.pos + 1) {
            return Err(self.complex_key(parent));
        }
        let Some(colon) = self.key_end().filter(|colon| *colon > self.pos) else {
            return Err(self.no_key(parent));
        };
        let key = self.block_key(colon, parent)?;
        self.pos = colon + 1;
        if key.value == "<<" {
            let d = Diagnostic::error("E0104", key.span, "merge keys are not supported")
                .help("write the keys out");
            self.diags.push(d);
            return Err(self.recover(parent));
        }
        let crossed = self.skip(false)?;
        let at = self.pos;
        let eof = self.pos >= self.b.len();
        let value = if eof
            || (crossed && (self.col() < column || (self.col() == column && !self.at_dash())))
        {
            self.empty_value(&key);
            self.invalid(key.span.end as usize)
        } else {
            let value = if !crossed {
                self.inline_value(parent, Some(&key.value))
            } else if self.col() == column {
                self.enter()?;
                let list = self.block_sequence(column);
                self.depth -= 1;
                list
            } else {
                self.block_value(parent, &key)
            };
            match value {
                Err(Halt::Resume) => self.invalid(at),
                other => other?,
            }
        };
        if let Some(first) = seen.get(&key.value) {
            self.diags.push(duplicate(&key, *first));
            return Ok(None);
        }
        seen.insert(key.value.clone(), key.span);
        Ok(Some((key, value)))
    }

    /// A value below its key; if it is a scalar, problems show it with the key.
    fn block_value(&mut self, parent: isize, key: &Spanned<String>) -> R<Node> {
        if self.at_dash() || self.is_mapping() || self.peek() == Some(b'?') {
            return self.block_node(parent);
        }
        self.inline_value(parent, Some(&key.value))
    }

    pub(super) fn empty_value(&mut self, key: &Spanned<String>) {
        let d =
            Diagnostic::error("E0110", key.span, format!("`{}` has no value", shown(&key.value)));
        self.diags.push(
            d.help("write a value behind the colon or deeper lines below it, or remove the key"),
        );
    }

    fn block_key(&mut self, colon: usize, parent: isize) -> R<Spanned<String>> {
        let start = self.pos;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                let node = self.quoted(quote, parent, None)?;
                Ok(Spanned::new(node.as_text().unwrap_or_default().to_owned(), node.span))
            }
            Some(sign @ (b'&' | b'*' | b'!')) => {
                let word = self.word_end();
                let (code, what) = match sign {
                    b'&' => ("E0102", "anchors are not supported"),
                    b'*' => ("E0103", "aliases are not supported"),
                    _ => ("E0101", "tags are not supported"),
                };
                let d = Diagnostic::error(code, Span::new(start, word.min(colon)), what);
                self.diags.push(d.help("write the name of the key itself"));
                Err(self.recover(parent))
            }
            _ => {
                let end = self.trimmed_end(colon);
                Ok(Spanned::new(self.text[start..end].to_owned(), Span::new(start, end)))
            }
        }
    }

    pub(super) fn word_end(&self) -> usize {
        let mut i = self.pos;
        while !self.is_blank_or_break(i) {
            i += 1;
        }
        i
    }

    /// A line among keys that has none.
    fn no_key(&mut self, parent: isize) -> Halt {
        let start = self.pos;
        let end = self.trimmed_end(self.line_end());
        let text = &self.text[start..end];
        let d = Diagnostic::error("E0111", Span::new(start, end), "expected `key: value`");
        let word = |s: &str| {
            !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        let d = if self.at_dash() {
            d.label("a list item")
                .help("a level holds either keys or list items; check the indentation")
        } else if let Some((key, value)) = text.split_once(':').filter(|(k, _)| word(k)) {
            d.help(format!("put a space behind the colon: `{key}: {}`", shown(value.trim())))
        } else if let Some((key, value)) = text.split_once('=').filter(|(k, _)| word(k.trim())) {
            d.help(format!("write `{}: {}`", key.trim(), shown(value.trim())))
        } else if word(text) {
            d.help(format!("write `{}: ` and its value", shown(text)))
        } else if let Some((key, value)) = text.split_once(' ').filter(|(k, _)| word(k)) {
            d.help(format!("put a colon behind the key: `{key}: {}`", shown(value.trim())))
        } else {
            d
        };
        self.diags.push(d);
        self.recover(parent)
    }

    /// A value on the line of its key or item, or a scalar on its own line.
    pub(super) fn inline_value(&mut self, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let Some(c) = self.peek() else {
            return Ok(self.invalid(start));
        };
        match c {
            b'"' | b'\'' => {
                let node = self.quoted(c, parent, key)?;
                if self.rest_is_blank() {
                    return Ok(node);
                }
                self.after_quote(node, parent, key)
            }
            b'[' | b'{' => {
                let node = self.flow_collection(parent)?;
                if self.rest_is_blank() {
                    return Ok(node);
                }
                if self.peek() == Some(b':') {
                    self.pos = start;
                    return Err(self.complex_key(parent));
                }
                let close = self.b[self.pos - 1] as char;
                let span = Span::new(self.pos, self.trimmed_end(self.line_end()));
                let text = self.text[start..span.end as usize].to_owned();
                let d =
                    Diagnostic::error("E0115", span, format!("text after the closing `{close}`"));
                let d = if text.contains('\n') { d } else { d.help(quoted_line(key, &text)) };
                self.diags.push(d);
                Err(self.recover(parent))
            }
            b'|' | b'>' => self.block_scalar(parent, key),
            b'&' | b'*' | b'!' => self.node_property(c, parent, key),
            b'@' | b'`' | b'%' | b',' | b']' | b'}' | b'#' => self.reserved(parent, key),
            b'?' | b':' if self.is_blank_or_break(self.pos + 1) => self.reserved(parent, key),
            b'-' if self.is_blank_or_break(self.pos + 1) => {
                let end = self.trimmed_end(self.line_end());
                let text = self.text[start..end].to_owned();
                let d = Diagnostic::error(
                    "E0120",
                    Span::new(start, start + 1),
                    "a list item on the line of its key",
                );
                let d = d.help("put each `- item` on its own line, or write the list as `[a, b]`");
                let number =
                    text[1..].trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '(');
                self.diags.push(if number {
                    d.help(format!("if it is an expression, {}", quoted_line(key, &text)))
                } else {
                    d
                });
                Err(self.recover(parent))
            }
            _ => self.plain(parent, key),
        }
    }

    /// Whether only white space and a comment are left in the line.
    fn rest_is_blank(&self) -> bool {
        let rest = &self.text[self.pos..self.line_end()];
        let content = rest.trim_start_matches([' ', '\t']);
        content.is_empty() || (content.starts_with('#') && content.len() < rest.len())
    }

    fn after_quote(&mut self, node: Node, parent: isize, key: Option<&str>) -> R<Node> {
        let start = node.span.start as usize;
        if self.text[start..self.pos].contains('\n') {
            // It was meant to end earlier, and ended at the next quote.
            return Err(self.unclosed_quote(start, parent));
        }
        let gap = self.text[self.pos..].len()
            - self.text[self.pos..].trim_start_matches([' ', '\t']).len();
        let end = self.comment_free_end();
        let text = self.text[start..end].to_owned();
        let span = Span::new(self.pos + gap, end);
        let d = Diagnostic::error("E0114", span, "text after the closing quote");
        // `''free''`: quotes doubled by somebody who was told to write two kinds.
        let mark = &text[..1];
        if let Some(inner) = text.strip_prefix(mark).and_then(|t| t.strip_prefix(mark)) {
            let inner = inner.trim_end_matches(['"', '\'']);
            let key = key.map_or(String::new(), |k| format!("{k}: "));
            self.diags.push(d.help(format!("text is written `{key}\"'{}'\"`", shown(inner))));
            self.pos = end;
            return Ok(self.invalid(start));
        }
        self.diags.push(
            d.note("a value that begins with a quote ends with it").help(quoted_line(key, &text)),
        );
        self.pos = end;
        self.offsets.remove(&(start as u32));
        Ok(self.scalar(start, end))
    }

    /// The end of what is on the line, without a comment.
    pub(super) fn comment_free_end(&self) -> usize {
        let end = self.line_end();
        let comment = self.text[self.pos..end].find(" #").map_or(end, |i| self.pos + i);
        self.trimmed_end(comment)
    }

    /// `&anchor`, `*alias`, `!tag`.
    fn node_property(&mut self, sign: u8, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let word = self.word_end();
        let end = self.comment_free_end();
        let text = self.text[start..end].to_owned();
        let span = Span::new(start, word);
        let remove = |d: Diagnostic| d.help("write the value itself");
        match sign {
            b'*' => {
                let d = Diagnostic::error("E0103", span, "aliases are not supported");
                self.diags.push(remove(d));
                return Err(self.recover(parent));
            }
            b'!' if !text.starts_with("!!") && !text.starts_with("!<") => {
                let d = Diagnostic::error(
                    "E0101",
                    span,
                    "unquoted text that begins with `!` is a YAML tag",
                );
                self.diags.push(d.help(quoted_line(key, &text)));
                self.pos = end;
                return Ok(self.scalar(start, end));
            }
            b'!' => self.diags.push(
                Diagnostic::error("E0101", span, "tags are not supported").help("remove the tag"),
            ),
            _ => self.diags.push(
                Diagnostic::error("E0102", span, "anchors are not supported")
                    .help("remove the anchor, and write the value out wherever it is needed"),
            ),
        }
        self.pos = word;
        let mut crossed = self.skip(false)?;
        // More of them on the line are the same mistake, and must not cost a call each.
        while !crossed {
            let rest = &self.b[self.pos..];
            if ![&b"&"[..], b"!!", b"!<"].iter().any(|sign| rest.starts_with(sign)) {
                break;
            }
            self.pos = self.word_end();
            crossed = self.skip(false)?;
        }
        if !crossed && self.pos < self.b.len() {
            return self.inline_value(parent, key);
        }
        if self.pos >= self.b.len() || self.col() as isize <= parent {
            return Ok(Node { kind: NodeKind::Invalid, span });
        }
        self.block_node(parent)
    }

    fn reserved(&mut self, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let c = self.b[start] as char;
        let end = self.comment_free_end();
        let text = self.text[start..end].to_owned();
        let d = Diagnostic::error(
            "E0118",
            Span::new(start, start + 1),
            format!("unquoted text cannot begin with `{c}`"),
        );
        let d = match c {
            ']' | '}' => d.help(format!("no bracket is open that this `{c}` could close")),
            _ => d.help(reserved_help(c, key, &text)),
        };
        self.diags.push(d);
        Err(self.recover(parent))
    }
}

/// What to write instead of unquoted text that begins with a sign YAML keeps for itself.
pub(super) fn reserved_help(sign: char, key: Option<&str>, text: &str) -> String {
    let rest = text.get(1..).unwrap_or_default().trim();
    let number = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match sign {
        '%' if number => format!("write `{rest}%`"),
        '>' if key == Some("when") => format!("write what is compared: `when: x {}`", shown(text)),
        _ => quoted_line(key, text),
    }
}

pub(super) fn duplicate(key: &Spanned<String>, first: Span) -> Diagnostic {
    Diagnostic::error(
        "E0106",
        key.span,
        format!("the key `{}` stands here twice", shown(&key.value)),
    )
    .related(first, "first here")
    .help("remove one of them, or give it another name")
}
