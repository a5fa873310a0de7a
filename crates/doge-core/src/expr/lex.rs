//! From text to tokens. Every problem is reported and a token put in its place, so that the parser
//! can go on; nothing here knows the grammar.

use super::ast::Binary;
use crate::diag::{Diagnostic, Diagnostics};
use crate::spec::ExprSource;
use std::ops::Range;

/// The longest text of one expression, in bytes.
pub const MAX_LEN: usize = 65_536;

/// A token with its bytes.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Tok,
    pub start: usize,
    pub end: usize,
}

/// What a [`Token`] is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// An int's magnitude; the sign is the parser's, because `-9223372036854775808` is an int.
    Int(u64),
    Double(f64),
    Str(String),
    Ident(String),
    Op(Binary),
    /// `!`.
    Not,
    /// `(`, `[`, `{` and their closing ones.
    Open(u8),
    Close(u8),
    Comma,
    Dot,
    Question,
    Colon,
    /// Something unreadable, already reported, standing for a value.
    Bad,
    End,
}

/// Splits the text of `source`.
pub(super) fn lex(source: &ExprSource, diags: &mut Diagnostics) -> Vec<Token> {
    let mut lexer = Lexer { text: &source.text, at: 0, source, diags, out: Vec::new() };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    source: &'a ExprSource,
    diags: &'a mut Diagnostics,
    out: Vec<Token>,
}

fn ident_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn ident_part(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

impl Lexer<'_> {
    fn error(
        &mut self,
        code: &'static str,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = help.into();
        let d = Diagnostic::error(code, self.source.place(range), message);
        self.diags.push(if help.is_empty() { d } else { d.help(help) });
    }

    fn push(&mut self, kind: Tok, start: usize) {
        self.out.push(Token { kind, start, end: self.at });
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            let start = self.at;
            let b = self.byte(0);
            match b {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b'0'..=b'9' => self.number(),
                b'.' if self.byte(1).is_ascii_digit() => self.number(),
                b'"' | b'\'' => self.string(start, false),
                b'r' | b'R' if matches!(self.byte(1), b'"' | b'\'') => {
                    self.at += 1;
                    self.string(start, true);
                }
                b'f' | b'F' if matches!(self.byte(1), b'"' | b'\'') => {
                    self.error(
                        "E0317",
                        start..start + 1,
                        "text has no placeholders here",
                        "join it: `'user-' + string(id)`",
                    );
                    self.at += 1;
                    self.string(start, false);
                }
                b'b' | b'B' if matches!(self.byte(1), b'"' | b'\'') => {
                    self.error(
                        "E0317",
                        start..start + 1,
                        "bytes are not a type here",
                        "write a string, without the `b`",
                    );
                    self.at += 1;
                    self.string(start, false);
                }
                _ if ident_start(b) => {
                    while ident_part(self.byte(0)) {
                        self.at += 1;
                    }
                    self.push(Tok::Ident(self.text[start..self.at].to_owned()), start);
                }
                _ => self.symbol(),
            }
        }
        self.at = self.text.len();
        self.push(Tok::End, self.at);
    }

    fn symbol(&mut self) {
        let start = self.at;
        let rest = &self.text[start..];
        // Longest first. The flag: how it must be written instead.
        const WRONG: &[(&str, Binary, &str)] = &[
            ("!==", Binary::Ne, "!="),
            ("===", Binary::Eq, "=="),
            ("=>", Binary::Ge, ">="),
            ("=<", Binary::Le, "<="),
            ("<>", Binary::Ne, "!="),
        ];
        for (text, op, right) in WRONG {
            if rest.starts_with(text) {
                self.at += text.len();
                self.error(
                    "E0307",
                    start..self.at,
                    format!("`{text}` is not an operator"),
                    format!("write `{right}`"),
                );
                return self.push(Tok::Op(*op), start);
            }
        }
        if self.steps(rest) {
            return;
        }
        const RIGHT: &[(&str, Tok)] = &[
            ("==", Tok::Op(Binary::Eq)),
            ("!=", Tok::Op(Binary::Ne)),
            ("<=", Tok::Op(Binary::Le)),
            (">=", Tok::Op(Binary::Ge)),
            ("&&", Tok::Op(Binary::And)),
            ("||", Tok::Op(Binary::Or)),
        ];
        for (text, tok) in RIGHT {
            if rest.starts_with(text) {
                self.at += 2;
                return self.push(tok.clone(), start);
            }
        }
        if rest.starts_with("//") {
            self.at += 2;
            self.error(
                "E0317",
                start..self.at,
                "`//` would begin a comment in CEL; an expression has no comments",
                "for a division write `/`: of two ints it truncates toward zero",
            );
            return self.push(Tok::Op(Binary::Div), start);
        }
        if rest.starts_with("**") || rest.starts_with('^') {
            self.at += if rest.starts_with('^') { 1 } else { 2 };
            self.error(
                "E0317",
                start..self.at,
                "there is no power operator",
                "write the product: `x * x`",
            );
            return self.push(Tok::Op(Binary::Mul), start);
        }
        let c = rest.chars().next().unwrap_or(' ');
        self.at += c.len_utf8();
        let tok = match c {
            '+' => Tok::Op(Binary::Add),
            '-' => Tok::Op(Binary::Sub),
            '*' => Tok::Op(Binary::Mul),
            '/' => Tok::Op(Binary::Div),
            '%' => Tok::Op(Binary::Rem),
            '<' => Tok::Op(Binary::Lt),
            '>' => Tok::Op(Binary::Gt),
            '!' => Tok::Not,
            '(' | '[' | '{' => Tok::Open(c as u8),
            ')' | ']' | '}' => Tok::Close(c as u8),
            ',' => Tok::Comma,
            '.' => Tok::Dot,
            '?' => Tok::Question,
            ':' => Tok::Colon,
            '=' => {
                self.error(
                    "E0307",
                    start..self.at,
                    "`=` does not compare",
                    "write `==` to compare; an attribute is given a value under `set`",
                );
                Tok::Op(Binary::Eq)
            }
            '&' => {
                self.error("E0308", start..self.at, "`&` is not an operator", "write `&&`");
                Tok::Op(Binary::And)
            }
            '|' => {
                self.error("E0308", start..self.at, "`|` is not an operator", "write `||`");
                Tok::Op(Binary::Or)
            }
            '‘' | '’' | '“' | '”' | '„' | '«' | '»' => {
                return self.smart_quote(start, c);
            }
            '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{200b}' | '\u{feff}' => {
                let code = c as u32;
                self.error(
                    "E0301",
                    start..self.at,
                    format!("an invisible character (U+{code:04X}) stands here"),
                    "type a plain space",
                );
                return;
            }
            '−' | '–' | '—' => {
                self.error(
                    "E0301",
                    start..self.at,
                    format!("`{c}` is not the minus sign"),
                    "type `-`",
                );
                Tok::Op(Binary::Sub)
            }
            '≤' | '≥' | '≠' | '×' | '÷' => {
                let (op, text) = match c {
                    '≤' => (Binary::Le, "<="),
                    '≥' => (Binary::Ge, ">="),
                    '≠' => (Binary::Ne, "!="),
                    '×' => (Binary::Mul, "*"),
                    _ => (Binary::Div, "/"),
                };
                self.error(
                    "E0301",
                    start..self.at,
                    format!("`{c}` is not an operator"),
                    format!("type `{text}`"),
                );
                Tok::Op(op)
            }
            '`' if let Some(len) = self.text[self.at..].find('`') => {
                let text = self.text[self.at..self.at + len].to_owned();
                self.at += len + 1;
                let help = format!("write straight quotes: {}", quote(&text));
                self.error("E0311", start..self.at, "a backtick does not quote", help);
                Tok::Str(text)
            }
            ';' => {
                let end = self.text[self.at..].trim().is_empty();
                let help = match end {
                    true => "leave it out",
                    false => {
                        "an expression is one value; each attribute has a line of its own under `set`"
                    }
                };
                self.error("E0301", start..self.at, "`;` has no meaning in an expression", help);
                self.at = self.text.len();
                return;
            }
            '$' => {
                self.error(
                    "E0301",
                    start..self.at,
                    "`$` has no meaning in an expression",
                    "names are written bare: `balance`, `params.city`",
                );
                return;
            }
            _ => {
                // One report for a run of them, so that binary rubbish does not fill the screen; a
                // letter takes the whole word along.
                let word = c.is_alphabetic();
                while let Some(c) = self.text[self.at..].chars().next()
                    && (!c.is_ascii() || (word && ident_part(c as u8)))
                {
                    self.at += c.len_utf8();
                }
                let start = match self
                    .out
                    .pop_if(|t| word && t.end == start && matches!(t.kind, Tok::Ident(_)))
                {
                    Some(begin) => begin.start,
                    None => start,
                };
                let (message, help) = if c.is_control() {
                    (format!("a control character (U+{:04X}) stands here", c as u32), "remove it")
                } else if c.is_alphabetic() {
                    (
                        format!("`{c}` cannot stand in a name"),
                        "names are of A-Z, a-z, 0-9 and `_`; text is quoted: `'...'`",
                    )
                } else {
                    (format!("`{c}` has no meaning in an expression"), "text is quoted: `'...'`")
                };
                self.error("E0301", start..self.at, message, help);
                return self.push(Tok::Bad, start);
            }
        };
        self.push(tok, start);
    }

    /// `x++`, `x--` and a leading `-= 1`, which other languages have; whether there was one. What
    /// follows is not read.
    fn steps(&mut self, rest: &str) -> bool {
        let start = self.at;
        let sign = char::from(self.byte(0));
        let step = rest.starts_with("++") || rest.trim_end() == "--";
        let assigns =
            self.out.is_empty() && self.byte(1) == b'=' && matches!(sign, '+' | '-' | '*' | '/');
        let lone = assigns && self.byte(2) != b'=';
        if !step && !lone {
            return false;
        }
        let help = match self.out.last() {
            Some(Token { kind: Tok::Ident(name), .. }) if step => {
                format!("write `{name} {sign} 1`")
            }
            _ => format!("write the new value: `balance {sign} 1`"),
        };
        let message = format!("`{}` is not an operator", &rest[..2]);
        self.error("E0307", start..start + 2, message, help);
        self.at = self.text.len();
        if self.out.is_empty() {
            self.push(Tok::Bad, start);
        }
        true
    }

    fn smart_quote(&mut self, start: usize, open: char) {
        let close = match open {
            '‘' | '’' => '’',
            '«' => '»',
            '»' => '«',
            _ => '”',
        };
        let rest = &self.text[self.at..];
        let end = rest.find(|c| c == close || (open == '„' && c == '“') || c == open);
        let inner = end.map(|e| rest[..e].to_owned());
        match inner {
            Some(text) => {
                let close = rest[text.len()..].chars().next().map_or(0, char::len_utf8);
                self.at += text.len() + close;
                let right = quote(&text);
                self.error(
                    "E0311",
                    start..self.at,
                    format!("`{open}` is a typographic quote"),
                    format!("write straight quotes: {right}"),
                );
                self.push(Tok::Str(text), start);
            }
            None => {
                self.error(
                    "E0311",
                    start..self.at,
                    format!("`{open}` is a typographic quote"),
                    "write straight quotes: `'...'`",
                );
                self.push(Tok::Bad, start);
            }
        }
    }

    fn number(&mut self) {
        let start = self.at;
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X') {
            self.at += 2;
            let digits = self.at;
            while ident_part(self.byte(0)) {
                self.at += 1;
            }
            let text = &self.text[digits..self.at];
            let bad = text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit());
            return match u64::from_str_radix(text, 16) {
                Ok(v) if !bad => self.push(Tok::Int(v), start),
                _ if bad => {
                    self.error(
                        "E0315",
                        start..self.at,
                        "not a hexadecimal number",
                        "write `0x` and digits 0-9, a-f",
                    );
                    self.push(Tok::Bad, start);
                }
                _ => self.too_big(start),
            };
        }
        let mut double = false;
        while self.byte(0).is_ascii_digit() {
            self.at += 1;
        }
        if self.byte(0) == b'.' && self.byte(1).is_ascii_digit() {
            double = true;
            self.at += 1;
            while self.byte(0).is_ascii_digit() {
                self.at += 1;
            }
        } else if self.byte(0) == b'.' && !ident_start(self.byte(1)) {
            self.at += 1;
            let text = &self.text[start..self.at];
            self.error(
                "E0315",
                start..self.at,
                format!("`{text}` is not a number"),
                format!("write `{text}0`"),
            );
            return self
                .push(Tok::Double(self.text[start..self.at - 1].parse().unwrap_or(0.0)), start);
        }
        let exponent = match (self.byte(1), self.byte(2)) {
            (b'0'..=b'9', _) => 1,
            (b'+' | b'-', b'0'..=b'9') => 2,
            _ => 0,
        };
        if matches!(self.byte(0), b'e' | b'E') && exponent > 0 {
            double = true;
            self.at += exponent;
            while self.byte(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        let end = self.at;
        if ident_part(self.byte(0)) {
            while ident_part(self.byte(0))
                || (self.byte(0) == b'.' && self.byte(1).is_ascii_digit())
            {
                self.at += 1;
            }
            self.unit(start, end);
        }
        let text = &self.text[start..end];
        if double {
            match text.parse::<f64>() {
                Ok(v) if v.is_finite() => self.push(Tok::Double(v), start),
                _ => {
                    self.error(
                        "E0314",
                        start..end,
                        "this number is beyond a double's range",
                        "the largest is about 1.8e308",
                    );
                    self.push(Tok::Bad, start);
                }
            }
        } else {
            match text.parse::<u64>() {
                Ok(v) => self.push(Tok::Int(v), start),
                Err(_) => self.too_big(start),
            }
        }
    }

    fn too_big(&mut self, start: usize) {
        self.error(
            "E0314",
            start..self.at,
            "this int is beyond 64 bits",
            "ints are from -9223372036854775808 to 9223372036854775807; with `.0` it is a double",
        );
        self.push(Tok::Bad, start);
    }

    /// A number that runs into letters: `10s`, `1_000`, `5u`, `3x`.
    fn unit(&mut self, start: usize, end: usize) {
        let whole = self.text[start..self.at].to_owned();
        let number = self.text[start..end].to_owned();
        let unit = &whole[number.len()..];
        let range = start..self.at;
        if unit.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            let plain = whole.replace('_', "");
            return self.error(
                "E0315",
                range,
                format!("`{whole}` is not a number"),
                format!("write `{plain}`"),
            );
        }
        let first = unit
            .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | 'h' | 'm' | 's'));
        if matches!(unit, "u" | "U") {
            self.error(
                "E0317",
                range,
                "unsigned ints are not a type here",
                format!("write `{number}`"),
            );
        } else if matches!(unit, "ms" | "s" | "m" | "h" | "d" | "us" | "ns")
            || (first.is_empty() && !unit.is_empty())
        {
            self.error(
                "E0312",
                range,
                format!("`{whole}` is not a number"),
                format!("a duration is written `duration('{whole}')`"),
            );
        } else if matches!(unit, "L" | "l" | "f" | "F" | "k" | "K" | "M") {
            self.error(
                "E0312",
                range,
                format!("`{whole}` is not a number"),
                "write all its digits, without a letter",
            );
        } else {
            self.error(
                "E0312",
                range,
                format!("`{whole}` is neither a number nor a name"),
                format!(
                    "names do not begin with a digit; a product is written `{number} * {unit}`"
                ),
            );
        }
    }

    fn string(&mut self, start: usize, raw: bool) {
        let quote = self.byte(0);
        let triple = self.byte(1) == quote && self.byte(2) == quote;
        let open = if triple { 3 } else { 1 };
        let open_end = self.at + open;
        self.at = open_end;
        let mut out = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                let inside = matches!(self.out.as_slice(), [.., text, word]
                    if matches!(text.kind, Tok::Str(_)) && matches!(word.kind, Tok::Ident(_)) && text.end == word.start);
                let help = match char::from(quote) {
                    q if inside => format!(
                        "a {q} inside the text is written `\\{q}`, or the text stands in other quotes"
                    ),
                    _ => closing(quote, triple),
                };
                self.error("E0304", start..open_end, "this quote is never closed", help);
                return self.push(Tok::Bad, start);
            };
            if c as u32 == u32::from(quote) {
                if !triple {
                    self.at += 1;
                    break;
                }
                if self.byte(1) == quote && self.byte(2) == quote {
                    self.at += 3;
                    break;
                }
            }
            if !triple && matches!(c, '\n' | '\r') {
                self.error(
                    "E0304",
                    start..open_end,
                    "this quote is not closed on its line",
                    "write `\\n` for a line break, or open and close the text with three quotes",
                );
                // Go on behind the text if it is closed later: one mistake, one report.
                let rest = &self.text[self.at..];
                self.at += rest.find(char::from(quote)).map_or(rest.len(), |i| i + 1);
                return self.push(Tok::Bad, start);
            }
            if c == '\\' && !raw {
                self.escape(&mut out);
            } else {
                out.push(c);
                self.at += c.len_utf8();
            }
        }
        self.push(Tok::Str(out), start);
    }

    fn escape(&mut self, out: &mut String) {
        let start = self.at;
        let c = self.text[start + 1..].chars().next();
        self.at += 1 + c.map_or(0, char::len_utf8);
        let (digits, radix, from) = match c {
            Some('n') => return out.push('\n'),
            Some('t') => return out.push('\t'),
            Some('r') => return out.push('\r'),
            Some('a') => return out.push('\u{7}'),
            Some('b') => return out.push('\u{8}'),
            Some('f') => return out.push('\u{c}'),
            Some('v') => return out.push('\u{b}'),
            Some(c @ ('\\' | '\'' | '"' | '`' | '?')) => return out.push(c),
            Some('x' | 'X') => (2, 16, self.at),
            Some('u') => (4, 16, self.at),
            Some('U') => (8, 16, self.at),
            Some('0'..='3') => (3, 8, self.at - 1),
            _ => {
                let shown = c.filter(|c| !c.is_control()).map_or(String::new(), |c| c.to_string());
                return self.error(
                    "E0316",
                    start..self.at,
                    format!("`\\{shown}` is not an escape"),
                    "a backslash is written `\\\\`, or the text raw: `r'...'`",
                );
            }
        };
        let text =
            self.text.as_bytes().get(from..from + digits).and_then(|b| std::str::from_utf8(b).ok());
        let value = text
            .filter(|t| t.chars().all(|c| c.is_digit(radix)))
            .and_then(|t| u32::from_str_radix(t, radix).ok())
            .and_then(char::from_u32);
        match value {
            Some(c) => {
                self.at = from + digits;
                out.push(c);
            }
            None => {
                let what = if radix == 8 {
                    "three octal digits up to 377"
                } else {
                    "hexadecimal digits of a character"
                };
                self.error(
                    "E0316",
                    start..self.at,
                    "this escape is not a character",
                    format!("write {digits} digits: {what}").replace("3 digits: three", "three"),
                );
            }
        }
    }
}

fn closing(quote: u8, triple: bool) -> String {
    let q = char::from(quote);
    if triple { format!("close it with {q}{q}{q}") } else { format!("close it with {q}") }
}

/// Text as a string literal, in single quotes where that is possible.
pub(super) fn quote(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    match (escaped.contains('\''), escaped.contains('"')) {
        (false, _) => format!("'{escaped}'"),
        (true, false) => format!("\"{escaped}\""),
        _ => format!("'{}'", escaped.replace('\'', "\\'")),
    }
}
