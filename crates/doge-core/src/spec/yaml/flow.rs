//! Flow style: `{ key: value }` and `[a, b]`.

use super::block::duplicate;
use super::{Halt, Parser, R, is_open, quoted_line};
use crate::diag::{Diagnostic, shown};
use crate::source::{Span, Spanned};
use crate::spec::{Node, NodeKind};
use std::collections::BTreeMap;

impl Parser<'_> {
    /// `[ ... ]` or `{ ... }`, standing at its opening bracket, inside a block indented by `parent`.
    pub(super) fn flow_collection(&mut self, parent: isize) -> R<Node> {
        self.enter()?;
        let open = self.pos;
        let node = if self.b[open] == b'[' {
            self.flow_sequence(parent, open)
        } else {
            self.flow_mapping(parent, open)
        };
        self.depth -= 1;
        node
    }

    fn flow_sequence(&mut self, parent: isize, open: usize) -> R<Node> {
        let mut items = Vec::new();
        self.pos += 1;
        loop {
            if self.flow_next(parent, open, b']')? {
                break;
            }
            if self.peek() == Some(b',') {
                return Err(self.lone_comma(parent));
            }
            items.push(self.flow_value(parent, None)?);
            self.flow_skip(parent, open)?;
            if self.peek() == Some(b':') {
                let d = Diagnostic::error(
                    "E0113",
                    Span::new(self.pos, self.pos + 1),
                    "a key inside `[ ]`",
                );
                self.diags.push(
                    d.note("`[ ]` holds a list")
                        .help("write a mapping in braces: `{ key: value }`"),
                );
                return Err(self.recover(parent));
            }
            self.separator(parent, open, b']')?;
        }
        Ok(Node { kind: NodeKind::Sequence(items), span: Span::new(open, self.pos) })
    }

    fn flow_mapping(&mut self, parent: isize, open: usize) -> R<Node> {
        let mut entries: Vec<(Spanned<String>, Node)> = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        self.pos += 1;
        loop {
            if self.flow_next(parent, open, b'}')? {
                break;
            }
            if self.peek() == Some(b',') {
                return Err(self.lone_comma(parent));
            }
            let key = self.flow_key(parent)?;
            self.flow_skip(parent, open)?;
            let value = match self.peek() {
                Some(b':') if self.ends_key(&key) => {
                    self.pos += 1;
                    self.flow_skip(parent, open)?;
                    if matches!(self.peek(), Some(b',' | b'}')) {
                        self.empty_value(&key);
                        self.invalid(self.pos)
                    } else {
                        self.flow_value(parent, Some(&key.value))?
                    }
                }
                Some(b',' | b'}') => {
                    let d = Diagnostic::error(
                        "E0110",
                        key.span,
                        format!("`{}` has no value", shown(&key.value)),
                    );
                    let d = match key.value.split_once(':') {
                        Some((k, v)) if !v.is_empty() => d.help(format!("put a space behind the colon: `{}: {}`", shown(k), shown(v))),
                        _ => d.help("inside `{ }` every entry is `key: value`; a comma ends an entry, so a value with a comma must be quoted"),
                    };
                    self.diags.push(d);
                    self.invalid(self.pos)
                }
                _ => return Err(self.unexpected(parent, open, "`:`")),
            };
            if let Some(first) = seen.get(&key.value) {
                self.diags.push(duplicate(&key, *first));
            } else {
                seen.insert(key.value.clone(), key.span);
                entries.push((key, value));
            }
            self.separator(parent, open, b'}')?;
        }
        Ok(Node { kind: NodeKind::Mapping(entries), span: Span::new(open, self.pos) })
    }

    /// Whether the colon here ends a key: behind plain text white space follows it.
    fn ends_key(&self, key: &Spanned<String>) -> bool {
        let quoted = matches!(self.b[key.span.start as usize], b'"' | b'\'');
        quoted
            || self.is_blank_or_break(self.pos + 1)
            || matches!(self.b.get(self.pos + 1), Some(b',' | b'[' | b']' | b'{' | b'}'))
    }

    /// Moves to the next token of a collection; an end of the text, or a line that belongs to the
    /// block around, means that its bracket was never closed.
    fn flow_skip(&mut self, parent: isize, open: usize) -> R<()> {
        let crossed = self.skip(true)?;
        let outside =
            crossed && self.col() as isize <= parent && !matches!(self.peek(), Some(b']' | b'}'));
        if self.pos >= self.b.len() || outside {
            let bracket = self.b[open] as char;
            let close = if bracket == '[' { ']' } else { '}' };
            let d = Diagnostic::error(
                "E0123",
                Span::new(open, open + 1),
                format!("this `{bracket}` is never closed"),
            );
            self.diags.push(d.help(format!("write the missing `{close}`")));
            self.lossy = true;
            if outside {
                self.pos = self.line_start - 1;
                self.line_start =
                    self.b[..self.pos].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            }
            return Err(Halt::Resume);
        }
        Ok(())
    }

    /// Moves to the next entry; true (and behind the bracket) where the collection ends.
    fn flow_next(&mut self, parent: isize, open: usize, close: u8) -> R<bool> {
        self.flow_skip(parent, open)?;
        match self.peek() {
            Some(c) if c == close => {
                self.pos += 1;
                Ok(true)
            }
            Some(b']' | b'}') => Err(self.mismatch(parent, open, close)),
            _ => Ok(false),
        }
    }

    /// Behind a value: a comma, or the end (not consumed).
    fn separator(&mut self, parent: isize, open: usize, close: u8) -> R<()> {
        if std::mem::take(&mut self.comma_missing) {
            return Ok(());
        }
        let behind = self.pos;
        self.flow_skip(parent, open)?;
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(())
            }
            Some(c) if c == close => Ok(()),
            Some(b']' | b'}') => Err(self.mismatch(parent, open, close)),
            _ if close == b'}' && self.is_key_ahead(self.pos) => {
                self.missing_comma(behind, self.pos);
                Ok(())
            }
            _ => Err(self.unexpected(
                parent,
                open,
                if close == b']' { "`,` or `]`" } else { "`,` or `}`" },
            )),
        }
    }

    /// Reports that behind byte `at` a comma is missing before the key at `key`.
    fn missing_comma(&mut self, at: usize, key: usize) {
        let rest = &self.text[key..];
        let name = &rest[..rest.find(':').unwrap_or(0)];
        let d = Diagnostic::error(
            "E0122",
            Span::new(at, at),
            format!("a comma is missing before `{}`", shown(name)),
        );
        self.diags.push(d.help("entries inside `{ }` are separated by commas"));
    }

    fn mismatch(&mut self, parent: isize, open: usize, close: u8) -> Halt {
        let (bracket, close, found) =
            (self.b[open] as char, close as char, self.b[self.pos] as char);
        let d = Diagnostic::error(
            "E0123",
            Span::new(open, open + 1),
            format!("this `{bracket}` is never closed"),
        )
        .related(Span::new(self.pos, self.pos + 1), format!("`{found}` cannot close it"));
        self.diags.push(d.help(format!("write the missing `{close}`")));
        self.recover(parent)
    }

    fn unexpected(&mut self, parent: isize, open: usize, wanted: &str) -> Halt {
        let end = self.swallow(self.pos).max(self.pos + 1);
        let end = (end..=self.b.len()).find(|i| self.text.is_char_boundary(*i)).unwrap_or(end);
        let bracket = self.b[open] as char;
        let d = Diagnostic::error("E0122", Span::new(self.pos, end), format!("expected {wanted}"))
            .related(Span::new(open, open + 1), format!("inside this `{bracket}`"));
        self.diags.push(d.help(
            "entries are separated by commas; quote a value that holds any of `, : [ ] { }`",
        ));
        self.recover(parent)
    }

    fn lone_comma(&mut self, parent: isize) -> Halt {
        let d = Diagnostic::error(
            "E0122",
            Span::new(self.pos, self.pos + 1),
            "a comma with nothing before it",
        );
        self.diags.push(d.help("remove the comma"));
        self.recover(parent)
    }

    fn flow_key(&mut self, parent: isize) -> R<Spanned<String>> {
        let start = self.pos;
        match self.b[start] {
            quote @ (b'"' | b'\'') => {
                let node = self.quoted(quote, parent, None)?;
                return Ok(Spanned::new(node.as_text().unwrap_or_default().to_owned(), node.span));
            }
            b'?' if self.is_blank_or_break(start + 1) => {}
            b'[' | b'{' | b'#' | b'|' | b'>' | b'@' | b'`' | b'%' => {}
            b'-' if self.is_blank_or_break(start + 1)
                || matches!(self.b.get(start + 1), Some(b',' | b'[' | b']' | b'{' | b'}')) => {}
            sign @ (b'&' | b'*' | b'!') => {
                let code = if sign == b'&' {
                    "E0102"
                } else if sign == b'*' {
                    "E0103"
                } else {
                    "E0101"
                };
                let what = if sign == b'&' {
                    "anchors are"
                } else if sign == b'*' {
                    "aliases are"
                } else {
                    "tags are"
                };
                let d = Diagnostic::error(
                    code,
                    Span::new(start, start + 1),
                    format!("{what} not supported"),
                );
                self.diags.push(d.help("write the name of the key itself"));
                return Err(self.recover(parent));
            }
            _ => {
                let end = self.flow_plain_end(start);
                if end > start {
                    self.pos = end;
                    let key = Spanned::new(self.text[start..end].to_owned(), Span::new(start, end));
                    if key.value == "<<" {
                        let d =
                            Diagnostic::error("E0104", key.span, "merge keys are not supported")
                                .help("write the keys out");
                        self.diags.push(d);
                        return Err(self.recover(parent));
                    }
                    return Ok(key);
                }
            }
        }
        let d = Diagnostic::error("E0124", Span::new(start, start + 1), "a key that is not a name");
        let template = start > 0 && self.b[start] == b'{' && self.b[start - 1] == b'{';
        self.diags.push(d.note("keys are plain names").help(match template {
            true => "names are written bare, without braces: `balance > 0`",
            false => "write `name: value`",
        }));
        Err(self.recover(parent))
    }

    /// The end of plain text in a flow collection, without white space behind it.
    fn flow_plain_end(&self, start: usize) -> usize {
        let mut i = start;
        while !self.is_break(i) {
            match self.b[i] {
                b',' | b'[' | b']' | b'{' | b'}' => break,
                b':' if self.is_blank_or_break(i + 1)
                    || matches!(self.b.get(i + 1), Some(b',' | b'[' | b']' | b'{' | b'}')) =>
                {
                    break;
                }
                b'#' if i > start && matches!(self.b[i - 1], b' ' | b'\t') => break,
                _ => i += 1,
            }
        }
        start + self.text[start..i].trim_end_matches([' ', '\t']).len()
    }

    /// The end of what was meant as one value: up to a comma or bracket outside of its own brackets
    /// and quotes, or the end of the line.
    fn swallow(&self, start: usize) -> usize {
        let (mut i, mut depth, mut quote, mut before) = (start, 0usize, None, 0u8);
        while !self.is_break(i) {
            let c = self.b[i];
            match quote {
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None => match c {
                    b'"' | b'\'' if !before.is_ascii_alphanumeric() => quote = Some(c),
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' if depth > 0 => depth -= 1,
                    b',' | b']' | b'}' if depth == 0 => break,
                    b'#' if before == b' ' => break,
                    _ => {}
                },
            }
            before = c;
            i += 1;
        }
        start + self.text[start..i].trim_end_matches([' ', '\t']).len()
    }

    fn flow_value(&mut self, parent: isize, key: Option<&str>) -> R<Node> {
        let start = self.pos;
        let whole = |p: &mut Self| {
            let end = p.swallow(start).max(start);
            p.pos = end;
            (p.text[start..end].to_owned(), end)
        };
        match self.b[start] {
            b'[' | b'{' => {
                let node = self.flow_collection(parent)?;
                let at = self.pos;
                let gap =
                    self.text[at..].len() - self.text[at..].trim_start_matches([' ', '\t']).len();
                let next = at + gap;
                let fine = self.is_break(next)
                    || matches!(self.b[next], b',' | b']' | b'}' | b':')
                    || (self.b[next] == b'#' && gap > 0);
                if fine || self.text[start..at].contains('\n') || self.is_key_ahead(next) {
                    return Ok(node);
                }
                let close = self.b[at - 1] as char;
                let (text, end) = whole(self);
                let d = Diagnostic::error(
                    "E0115",
                    Span::new(next, end.max(next + 1)),
                    format!("text after the closing `{close}`"),
                );
                self.diags.push(d.help(quoted_line(key, &text)));
                Ok(self.invalid(start))
            }
            quote @ (b'"' | b'\'') => {
                let node = self.quoted(quote, parent, key)?;
                let at = self.pos;
                let gap =
                    self.text[at..].len() - self.text[at..].trim_start_matches([' ', '\t']).len();
                let next = at + gap;
                if self.is_break(next)
                    || matches!(self.b[next], b',' | b']' | b'}' | b':')
                    || (self.b[next] == b'#' && gap > 0)
                {
                    return Ok(node);
                }
                if self.text[start..at].contains('\n') {
                    return Err(self.unclosed_quote(start, parent));
                }
                if self.is_key_ahead(next) {
                    return Ok(node);
                }
                let (text, end) = whole(self);
                let d = Diagnostic::error(
                    "E0114",
                    Span::new(next, end.max(next + 1)),
                    "text after the closing quote",
                );
                self.diags.push(
                    d.note("a value that begins with a quote ends with it")
                        .help(quoted_line(key, &text)),
                );
                self.offsets.remove(&(start as u32));
                Ok(self.scalar(start, end))
            }
            sign @ (b'&' | b'*' | b'!') => {
                let (text, end) = whole(self);
                let tag = sign == b'!' && !text.starts_with("!!");
                let d = match sign {
                    b'&' => Diagnostic::error(
                        "E0102",
                        Span::new(start, end),
                        "anchors are not supported",
                    )
                    .help("write the value itself"),
                    b'*' => Diagnostic::error(
                        "E0103",
                        Span::new(start, end),
                        "aliases are not supported",
                    )
                    .help("write the value itself"),
                    _ if tag => Diagnostic::error(
                        "E0101",
                        Span::new(start, end),
                        "unquoted text that begins with `!` is a YAML tag",
                    )
                    .help(quoted_line(key, &text)),
                    _ => {
                        Diagnostic::error("E0101", Span::new(start, end), "tags are not supported")
                            .help("remove the tag")
                    }
                };
                self.diags.push(d);
                Ok(if tag { self.scalar(start, end) } else { self.invalid(start) })
            }
            c @ (b'|' | b'>' | b'@' | b'`' | b'%' | b'#') => {
                let (text, _) = whole(self);
                let d = Diagnostic::error(
                    "E0118",
                    Span::new(start, start + 1),
                    format!("unquoted text cannot begin with `{}`", c as char),
                );
                self.diags.push(d.help(super::block::reserved_help(c as char, key, &text)));
                Ok(self.invalid(start))
            }
            c @ (b'-' | b'?' | b':')
                if self.is_blank_or_break(start + 1)
                    || matches!(self.b.get(start + 1), Some(b',' | b'[' | b']' | b'{' | b'}')) =>
            {
                let (text, _) = whole(self);
                let d = Diagnostic::error(
                    "E0118",
                    Span::new(start, start + 1),
                    format!("unquoted text cannot begin with `{} `", c as char),
                );
                self.diags.push(d.help(quoted_line(key, &text)));
                Ok(self.invalid(start))
            }
            _ => self.flow_plain(start, key),
        }
    }

    /// Whether `name:` begins here: then it is a comma that is missing.
    fn is_key_ahead(&self, at: usize) -> bool {
        let rest = &self.text[at..];
        let word =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        word > 0 && rest[word..].starts_with(": ")
    }

    fn flow_plain(&mut self, start: usize, key: Option<&str>) -> R<Node> {
        let end = self.flow_plain_end(start);
        let text = &self.text[start..end];
        let stop = self.text[end..].trim_start_matches([' ', '\t']).bytes().next().unwrap_or(b'\n');
        let problem = match stop {
            b'[' | b'{' => Some((
                "E0116",
                format!(
                    "unquoted text inside {} cannot hold `{}`",
                    self.brackets(key),
                    stop as char
                ),
            )),
            b',' | b']' | b'}' if is_open(text) => Some((
                "E0116",
                match stop {
                    b',' => format!("a comma ends unquoted text inside {}", self.brackets(key)),
                    _ => format!(
                        "`{}` ends unquoted text inside {}",
                        stop as char,
                        self.brackets(key)
                    ),
                },
            )),
            b':' if key.is_some() => Some(("E0113", "unquoted text cannot hold `: `".to_owned())),
            _ => None,
        };
        let Some((code, message)) = problem else {
            self.pos = end;
            return Ok(self.scalar(start, end));
        };
        let last_word = text
            .rfind([' ', '\t'])
            .filter(|_| stop == b':' && !text.contains('?') && !is_open(text));
        if let Some(space) = last_word.filter(|space| self.is_key_ahead(start + space + 1)) {
            let key_at = start + space + 1;
            let end = start + self.text[start..key_at].trim_end().len();
            self.missing_comma(end, key_at);
            self.comma_missing = true;
            self.pos = key_at;
            return Ok(self.scalar(start, end));
        }
        let stop_at =
            end + self.text[end..].len() - self.text[end..].trim_start_matches([' ', '\t']).len();
        let end = self.swallow(start);
        let whole = self.text[start..end].to_owned();
        let mut d = Diagnostic::error(code, Span::new(stop_at, stop_at + 1), message);
        if code == "E0113" && !whole.contains('?') {
            d = d.note("after an unquoted value comes a comma or the closing bracket");
        }
        self.diags.push(d.help(quoted_line(key, &whole)));
        self.pos = end;
        Ok(self.scalar(start, end))
    }

    fn brackets(&self, key: Option<&str>) -> &'static str {
        if key.is_some() { "`{ }`" } else { "`[ ]`" }
    }
}
