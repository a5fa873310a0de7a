//! From tokens to a syntax tree: a Pratt parser with recovery.
//!
//! It reports several problems of one expression where it can go on sensibly, and bounds the height
//! of the tree, so that whatever walks it may recurse. Names and types are not its affair.

mod bracket;

use super::ast::{Ast, Binary, Kind, Name, Node, Unary};
use super::lex::{MAX_LEN, Tok, Token, lex};
use crate::diag::{Diagnostic, Diagnostics};
use crate::spec::ExprSource;
use std::ops::Range;

/// How deep expressions may nest; chains such as `a + b + c` count each operator.
pub const MAX_DEPTH: u16 = 200;

/// Words that CEL reserves; none can be a name.
pub const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Parses an expression. Problems go to `diags`; `None` where there was an error.
///
/// ```
/// use doge_core::{diag::Diagnostics, expr::parse::parse, source::Span, spec::ExprSource};
/// let text = "balance + 1".to_owned();
/// let source = ExprSource { span: Span::new(0, text.len()), text, offsets: vec![] };
/// assert!(parse(&source, &mut Diagnostics::default()).is_some());
/// ```
pub fn parse(source: &ExprSource, diags: &mut Diagnostics) -> Option<Ast> {
    let before = diags.0.len();
    let root = parse_root(source, diags);
    (diags.0.len() == before).then(|| Ast { root, source: source.clone() })
}

fn parse_root(source: &ExprSource, diags: &mut Diagnostics) -> Node {
    let len = source.text.len();
    let nothing = Node { kind: Kind::Error, start: 0, end: len as u32, height: 1 };
    if len > MAX_LEN {
        diags.push(
            Diagnostic::error(
                "E0321",
                source.place(0..64.min(len)),
                format!("an expression of {len} bytes is too long"),
            )
            .note(format!("the limit is {MAX_LEN} bytes")),
        );
        return nothing;
    }
    if source.text.trim().is_empty() {
        diags.push(
            Diagnostic::error("E0322", source.span, "the expression is empty")
                .help("write a value; empty text is `\"''\"`"),
        );
        return nothing;
    }
    let before = diags.0.len();
    let tokens = lex(source, diags);
    let unclosed = diags.0[before..].iter().any(|d| d.code == "E0304");
    let mut parser = Parser { source, diags, tokens, at: 0, depth: 0, dead: false, unclosed };
    let root = parser.expr();
    parser.trailing();
    root
}

struct Parser<'a> {
    source: &'a ExprSource,
    diags: &'a mut Diagnostics,
    tokens: Vec<Token>,
    at: usize,
    depth: u16,
    /// Set when the rest makes no sense any more: nothing further is reported.
    dead: bool,
    /// A quote is never closed: what seems to be missing may stand inside the text.
    unclosed: bool,
}

impl Parser<'_> {
    fn peek(&self) -> &Tok {
        &self.tokens[self.at].kind
    }

    fn peek_at(&self, ahead: usize) -> &Tok {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].kind
    }

    fn range(&self) -> Range<usize> {
        self.tokens[self.at].start..self.tokens[self.at].end
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn ident(&self) -> Option<&str> {
        match self.peek() {
            Tok::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn error(
        &mut self,
        code: &'static str,
        range: Range<usize>,
        message: impl Into<String>,
        help: &str,
    ) {
        if self.dead {
            return;
        }
        let d = Diagnostic::error(code, self.source.place(range), message);
        self.diags.push(if help.is_empty() { d } else { d.help(help) });
    }

    /// Gives up on the rest of the text.
    fn give_up(&mut self) {
        self.dead = true;
        self.at = self.tokens.len() - 1;
    }

    /// How the present token is called in a message.
    fn found(&self) -> String {
        match self.peek() {
            Tok::End => "the end".to_owned(),
            _ => format!("`{}`", &self.source.text[self.range()]),
        }
    }

    fn node(&mut self, kind: Kind, start: u32, end: u32) -> Node {
        let below = match &kind {
            Kind::Member(a, _) | Kind::Unary(_, a) => a.height,
            Kind::Index(a, b) | Kind::Binary(_, a, b) => a.height.max(b.height),
            Kind::Ternary(c, a, b) => c.height.max(a.height).max(b.height),
            Kind::Call { target, args, .. } => {
                args.iter().chain(target.as_deref()).map(|n| n.height).max().unwrap_or(0)
            }
            Kind::List(items) => items.iter().map(|n| n.height).max().unwrap_or(0),
            Kind::Map(items) => {
                items.iter().map(|(k, v)| k.height.max(v.height)).max().unwrap_or(0)
            }
            _ => 0,
        };
        if below >= MAX_DEPTH {
            self.too_deep(start as usize..end as usize);
            return Node { kind: Kind::Error, start, end, height: 1 };
        }
        Node { kind, start, end, height: below + 1 }
    }

    fn too_deep(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(range.start + 1);
        if !self.dead {
            self.diags.push(
                Diagnostic::error(
                    "E0320",
                    self.source.place(range),
                    "the expression is nested too deeply",
                )
                .note(format!("the limit is {MAX_DEPTH} levels; each operator of a chain counts"))
                .help("name a part with `let`"),
            );
        }
        self.give_up();
    }

    /// A whole expression: the ternary, which binds weakest and to the right.
    fn expr(&mut self) -> Node {
        if self.depth >= MAX_DEPTH {
            self.too_deep(self.range());
            let at = self.range().start as u32;
            return Node { kind: Kind::Error, start: at, end: at, height: 1 };
        }
        self.depth += 1;
        let condition = self.binary(0);
        let node = if *self.peek() == Tok::Question {
            let question = self.next();
            self.ternary(condition, question)
        } else {
            condition
        };
        self.depth -= 1;
        node
    }

    fn ternary(&mut self, condition: Node, question: Token) -> Node {
        if matches!(self.peek(), Tok::Op(_) | Tok::Dot | Tok::Question)
            && self.range().start == question.end
        {
            let text = &self.source.text[question.start..self.range().end];
            let message = format!("`{text}` is not an operator");
            self.error(
                "E0317",
                question.start..self.range().end,
                message,
                "write `coalesce(x, y)` for a value instead of null",
            );
            self.give_up();
        }
        let yes = self.expr();
        if *self.peek() != Tok::Colon {
            let found = self.found();
            if !self.dead {
                self.diags.push(
                    Diagnostic::error(
                        "E0310",
                        self.source.place(question.start..question.end),
                        format!("`?` needs a `:` and a second value, but there is {found}"),
                    )
                    .help("write `condition ? value : other_value`"),
                );
            }
            self.give_up();
            return condition;
        }
        self.next();
        let no = self.expr();
        let (start, end) = (condition.start, no.end);
        self.node(Kind::Ternary(Box::new(condition), Box::new(yes), Box::new(no)), start, end)
    }

    /// Binary operators that bind stronger than `min`.
    fn binary(&mut self, min: u8) -> Node {
        let mut left = self.unary();
        loop {
            let Some((op, tokens, negate)) = self.operator() else {
                return left;
            };
            if op.power() <= min {
                return left;
            }
            let op_range = self.range().start..self.tokens[self.at + tokens - 1].end;
            self.wrong_operator(op_range.clone(), negate);
            for _ in 0..tokens {
                self.next();
            }
            if self.missing_operand(op, &op_range, &left) {
                return left;
            }
            let right = self.binary(op.power());
            self.date(op, &left, &right);
            let (start, end) = (left.start, right.end);
            left = self.node(Kind::Binary(op, Box::new(left), Box::new(right)), start, end);
        }
    }

    /// The operator at this place, how many tokens it has, and whether it is `not in` or `is not`.
    fn operator(&self) -> Option<(Binary, usize, bool)> {
        let word = |ahead: usize, text: &str| matches!(self.peek_at(ahead), Tok::Ident(w) if w.eq_ignore_ascii_case(text));
        match self.peek() {
            Tok::Op(op) => Some((*op, 1, false)),
            Tok::Ident(name) => match name.as_str() {
                "in" => Some((Binary::In, 1, false)),
                "and" | "AND" | "And" => Some((Binary::And, 1, false)),
                "or" | "OR" | "Or" => Some((Binary::Or, 1, false)),
                "IN" => Some((Binary::In, 1, false)),
                "not" | "NOT" if word(1, "in") => Some((Binary::In, 2, true)),
                "is" | "IS" if word(1, "not") => Some((Binary::Ne, 2, false)),
                "is" | "IS" | "eq" => Some((Binary::Eq, 1, false)),
                "mod" | "MOD" => Some((Binary::Rem, 1, false)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reports an operator that is a word (all but `in`).
    fn wrong_operator(&mut self, range: Range<usize>, negate: bool) {
        let text = self.source.text[range.clone()].to_owned();
        if !text.as_bytes()[0].is_ascii_alphabetic() || text == "in" {
            return;
        }
        let lower = text.to_ascii_lowercase();
        let help = match lower.split_whitespace().next().unwrap_or("") {
            "and" => "write `&&`",
            "or" => "write `||`",
            "in" => "write `in`",
            "not" if negate => "write `!(x in [...])`",
            "is" if lower.contains("not") => "write `!=`",
            "mod" => "write `%`",
            _ => "write `==`",
        };
        self.error("E0308", range, format!("`{text}` is not an operator"), help);
    }

    /// Reports an operator behind which no value stands; whether that was so.
    fn missing_operand(&mut self, op: Binary, range: &Range<usize>, left: &Node) -> bool {
        let ends = match self.peek() {
            Tok::End | Tok::Close(_) | Tok::Comma | Tok::Colon | Tok::Question => true,
            Tok::Op(Binary::Eq) if !matches!(op, Binary::Eq | Binary::Ne) => {
                let both = range.start..self.range().end;
                let text = self.source.text[both.clone()].to_owned();
                // The lexer has reported the `=` already; this says it better.
                self.diags.0.pop_if(|d| d.code == "E0307");
                self.error(
                    "E0307",
                    both,
                    format!("`{text}` is not an operator"),
                    "a value is given under `set`: `balance: balance + 1`",
                );
                self.give_up();
                return true;
            }
            _ => false,
        };
        if ends {
            let number = matches!(left.kind, Kind::Int(_) | Kind::Double(_));
            if op == Binary::Rem && number {
                let written = self.source.text[left.start as usize..range.end].to_owned();
                self.error(
                    "E0312",
                    left.start as usize..range.end,
                    format!("`{written}` is not a number in an expression; `%` is the remainder"),
                    "write a share as a number: 5% is `0.05`; in `probability` the `%` stands behind digits only",
                );
            } else {
                let found = self.found();
                self.error(
                    "E0302",
                    range.clone(),
                    format!("a value is missing after `{}`: there is {found}", op.text()),
                    "write what stands on its right, or remove it",
                );
            }
            if matches!(self.peek(), Tok::Colon | Tok::Question) {
                self.give_up();
            }
        }
        ends
    }

    /// `2022-02-11` is a subtraction that nobody means.
    fn date(&mut self, op: Binary, left: &Node, right: &Node) {
        let (Binary::Sub, Kind::Binary(Binary::Sub, ..), Kind::Int(_)) =
            (op, &left.kind, &right.kind)
        else {
            return;
        };
        let range = left.start as usize..right.end as usize;
        let text = &self.source.text[range.clone()];
        let shape: String =
            text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape == "0000-00-00" {
            let help = format!("write `timestamp('{text}T00:00:00Z')`");
            self.error("E0319", range, format!("`{text}` is a subtraction, not a date"), &help);
            if matches!(self.peek(), Tok::Ident(_) | Tok::Bad) {
                self.give_up();
            }
        }
    }

    fn unary(&mut self) -> Node {
        let token = self.tokens[self.at].clone();
        let op = match &token.kind {
            Tok::Op(Binary::Sub) => Unary::Neg,
            Tok::Not => Unary::Not,
            Tok::Ident(w) if (w == "not" || w == "NOT") && self.starts_value(1) => {
                self.error(
                    "E0308",
                    token.start..token.end,
                    format!("`{w}` is not an operator"),
                    "write `!x`",
                );
                Unary::Not
            }
            Tok::Op(Binary::Add) => {
                self.next();
                self.error(
                    "E0302",
                    token.start..token.end,
                    "`+` needs a value on its left",
                    "leave the sign out",
                );
                return self.unary_checked(token.start);
            }
            _ => return self.postfix(),
        };
        self.next();
        let literal = match (op, self.peek()) {
            // The sign belongs to a literal unless a member follows: there is no int 9223372036854775808.
            (Unary::Neg, Tok::Int(v)) => {
                Some((Kind::Int((*v as i64).wrapping_neg()), *v <= 1 << 63))
            }
            (Unary::Neg, Tok::Double(v)) => Some((Kind::Double(-v), true)),
            _ => None,
        };
        if let Some((kind, fits)) = literal
            && !matches!(self.peek_at(1), Tok::Dot | Tok::Open(b'['))
        {
            let number = self.next();
            if !fits {
                self.too_big(token.start..number.end);
            }
            return self.node(kind, token.start as u32, number.end as u32);
        }
        let operand = self.unary_checked(token.end);
        let end = operand.end;
        self.node(Kind::Unary(op, Box::new(operand)), token.start as u32, end)
    }

    /// A unary operand, counted as a level: `!!!!...` recurses.
    fn unary_checked(&mut self, at: usize) -> Node {
        if self.depth >= MAX_DEPTH {
            self.too_deep(at..at + 1);
            return Node { kind: Kind::Error, start: at as u32, end: at as u32, height: 1 };
        }
        self.depth += 1;
        let node = self.unary();
        self.depth -= 1;
        node
    }

    fn too_big(&mut self, range: Range<usize>) {
        self.error(
            "E0314",
            range,
            "this int is beyond 64 bits",
            "ints are from -9223372036854775808 to 9223372036854775807; with `.0` it is a double",
        );
    }

    fn starts_value(&self, ahead: usize) -> bool {
        match self.peek_at(ahead) {
            Tok::Ident(w) => !matches!(w.as_str(), "in" | "and" | "or" | "is"),
            Tok::Int(_) | Tok::Double(_) | Tok::Str(_) | Tok::Open(_) | Tok::Not | Tok::Bad => true,
            _ => false,
        }
    }

    /// A value with what follows it: `.name`, `.name(...)`, `(...)`, `[...]`.
    fn postfix(&mut self) -> Node {
        let mut node = self.primary();
        loop {
            match self.peek() {
                Tok::Dot => {
                    self.next();
                    let token = self.tokens[self.at].clone();
                    let Tok::Ident(text) = token.kind else {
                        let found = self.found();
                        self.error(
                            "E0302",
                            self.range(),
                            format!("a name is missing after `.`: there is {found}"),
                            "",
                        );
                        self.give_up();
                        return node;
                    };
                    self.next();
                    let name = Name { text, start: token.start as u32, end: token.end as u32 };
                    let start = node.start;
                    node = if *self.peek() == Tok::Open(b'(') {
                        let open = self.next();
                        let (args, end) = self.list(b')', &open);
                        self.node(
                            Kind::Call { target: Some(Box::new(node)), name, args },
                            start,
                            end,
                        )
                    } else {
                        self.node(Kind::Member(Box::new(node), name), start, token.end as u32)
                    };
                }
                Tok::Open(b'(') if matches!(node.kind, Kind::Ident(_)) => {
                    let open = self.next();
                    let (args, end) = self.list(b')', &open);
                    let Kind::Ident(text) = node.kind else {
                        return node;
                    };
                    let name = Name { text, start: node.start, end: node.end };
                    let start = name.start;
                    node = self.node(Kind::Call { target: None, name, args }, start, end);
                }
                Tok::Open(b'[') => {
                    let open = self.next();
                    let index = self.expr();
                    let end = self.close(b']', &open);
                    let start = node.start;
                    node = self.node(Kind::Index(Box::new(node), Box::new(index)), start, end);
                }
                _ => return node,
            }
        }
    }

    fn primary(&mut self) -> Node {
        let token = self.next();
        let (start, end) = (token.start as u32, token.end as u32);
        let kind = match token.kind {
            Tok::Int(v) => match i64::try_from(v) {
                Ok(v) => Kind::Int(v),
                Err(_) => {
                    self.too_big(token.start..token.end);
                    Kind::Error
                }
            },
            Tok::Double(v) => Kind::Double(v),
            Tok::Str(text) => Kind::String(text),
            Tok::Ident(name) => return self.word(name, token.start..token.end),
            Tok::Bad => Kind::Error,
            Tok::Open(b'(') => {
                let inner = self.expr();
                if *self.peek() == Tok::Comma {
                    self.error(
                        "E0323",
                        token.start..token.end,
                        "a list is written in square brackets",
                        "write `[a, b]`; as in `x in ['a', 'b']`",
                    );
                    self.next();
                    let (_, end) = self.list(b')', &Token { kind: Tok::Open(b'('), ..token });
                    return Node { kind: Kind::Error, start, end, height: 1 };
                }
                let end = self.close(b')', &Token { kind: Tok::Open(b'('), ..token });
                // Parentheses leave no node, but the place includes them.
                return Node { start, end, ..inner };
            }
            Tok::Open(b'[') => {
                let (items, end) = self.list(b']', &Token { kind: Tok::Open(b'['), ..token });
                return self.node(Kind::List(items), start, end);
            }
            Tok::Open(_) => {
                return self.map(&Token { kind: Tok::Open(b'{'), ..token });
            }
            Tok::Close(c) => {
                self.error(
                    "E0306",
                    token.start..token.end,
                    format!("`{}` closes nothing", char::from(c)),
                    "remove it, or open it before",
                );
                self.give_up();
                Kind::Error
            }
            kind => {
                let end = kind == Tok::End;
                let found = if end {
                    "the end".to_owned()
                } else {
                    format!("`{}`", &self.source.text[token.start..token.end])
                };
                let (code, help) = match kind {
                    Tok::Dot => ("E0302", "a name stands before the dot"),
                    _ => ("E0302", ""),
                };
                self.error(
                    code,
                    token.start..token.end,
                    format!("a value is missing: there is {found}"),
                    help,
                );
                self.give_up();
                Kind::Error
            }
        };
        self.node(kind, start, end)
    }

    fn word(&mut self, name: String, range: Range<usize>) -> Node {
        let (start, end) = (range.start as u32, range.end as u32);
        let kind = match name.as_str() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            "if" | "case" | "CASE" | "IF"
                if *self.peek() != Tok::End && (name == "if" || self.starts_value(0)) =>
            {
                self.error(
                    "E0309",
                    range,
                    format!("`{name}` is not part of the language"),
                    "write `condition ? value : other_value`",
                );
                self.give_up();
                Kind::Error
            }
            _ if RESERVED.contains(&name.as_str()) => {
                self.error("E0318", range, format!("`{name}` is a reserved word"), "");
                self.give_up();
                Kind::Error
            }
            _ => Kind::Ident(name),
        };
        self.node(kind, start, end)
    }
}
