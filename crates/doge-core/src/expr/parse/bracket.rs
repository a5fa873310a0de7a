//! What stands in brackets, and what stands behind a whole expression.

use super::Parser;
use crate::diag::Diagnostic;
use crate::expr::ast::{Kind, Node};
use crate::expr::lex::{Tok, Token};

impl Parser<'_> {
    /// Values up to the closing bracket; a comma may stand before it.
    pub(super) fn list(&mut self, close: u8, open: &Token) -> (Vec<Node>, u32) {
        let mut items = Vec::new();
        while *self.peek() != Tok::Close(close) && *self.peek() != Tok::End {
            if *self.peek() == Tok::Comma {
                self.error("E0302", self.range(), "a value is missing before this comma", "");
                self.next();
                continue;
            }
            items.push(self.expr());
            if *self.peek() != Tok::Comma {
                break;
            }
            self.next();
        }
        let end = self.close(close, open);
        (items, end)
    }

    pub(super) fn map(&mut self, open: &Token) -> Node {
        let mut items = Vec::new();
        while *self.peek() != Tok::Close(b'}') && *self.peek() != Tok::End {
            let key = self.expr();
            if *self.peek() != Tok::Colon {
                let found = self.found();
                self.error(
                    "E0302",
                    self.range(),
                    format!("`:` is missing after the key: there is {found}"),
                    "write `{key: value, ...}`",
                );
                self.give_up();
                break;
            }
            self.next();
            items.push((key, self.expr()));
            if *self.peek() != Tok::Comma {
                break;
            }
            self.next();
        }
        let end = self.close(b'}', open);
        self.node(Kind::Map(items), open.start as u32, end)
    }

    /// Takes the closing bracket of `open`; gives its end.
    pub(super) fn close(&mut self, close: u8, open: &Token) -> u32 {
        if *self.peek() == Tok::Close(close) {
            return self.next().end as u32;
        }
        let at = self.range();
        let opened = &self.source.text[open.start..open.end];
        match self.peek().clone() {
            Tok::End => {
                let message = format!("`{opened}` is never closed");
                let help = format!("close it with `{}`", char::from(close));
                self.error("E0305", open.start..open.end, message, &help);
            }
            Tok::Close(c) => {
                if !self.dead {
                    let message = format!("`{opened}` is closed by `{}`", char::from(c));
                    self.diags.push(
                        Diagnostic::error("E0306", self.source.place(at.clone()), message)
                            .related(self.source.place(open.start..open.end), "opened here")
                            .help(format!("close it with `{}`", char::from(close))),
                    );
                }
            }
            _ => self.unexpected(&format!("`,` or `{}`", char::from(close))),
        }
        self.give_up();
        at.end as u32
    }

    /// What stands behind the whole expression.
    pub(super) fn trailing(&mut self) {
        match self.peek() {
            Tok::End => {}
            Tok::Close(c) => {
                let message = format!("`{}` closes nothing", char::from(*c));
                self.error("E0306", self.range(), message, "remove it, or open it before");
            }
            _ => self.unexpected("an operator"),
        }
    }

    pub(super) fn unexpected(&mut self, wanted: &str) {
        if *self.peek() == Tok::Bad || self.unclosed {
            return self.give_up();
        }
        let found = self.found();
        let before = self.at.checked_sub(1).map(|i| &self.tokens[i]);
        let number = before.filter(|t| matches!(t.kind, Tok::Int(_) | Tok::Double(_)));
        if let (Some(number), Tok::Comma, Tok::Int(_)) = (number, self.peek(), self.peek_at(1))
            && wanted == "an operator"
        {
            let (first, last) = (number.start, self.tokens[self.at + 1].end);
            let text = self.source.text[first..last].to_owned();
            let digits = last - self.range().end;
            let help = match digits {
                3 => format!("write `{}`", text.replace(',', "")),
                _ => format!("write `{}`", text.replace(',', ".")),
            };
            self.error("E0315", first..last, format!("`{text}` is not a number"), &help);
            return self.give_up();
        }
        let help = match self.peek() {
            Tok::Ident(w) if w.eq_ignore_ascii_case("percent") => "in `probability` write `5%`",
            Tok::Ident(w) if w.eq_ignore_ascii_case("between") => "write `x >= low && x <= high`",
            Tok::Ident(w) if w.eq_ignore_ascii_case("like") => "write `x.matches('^a.*b$')`",
            Tok::Ident(w) if w == "then" || w == "else" || w == "if" => {
                "write `condition ? value : other_value`"
            }
            Tok::Colon => "`:` belongs to `condition ? value : other_value`",
            Tok::Str(_) => "texts are joined with `+`",
            Tok::Comma => "a list is written in square brackets: `[a, b]`",
            Tok::Ident(_) if number.is_some() => {
                "a number has no unit; a duration is written `duration('90s')`, text `'...'`"
            }
            _ if self.ident().is_some()
                && self.at > 0
                && matches!(self.tokens[self.at - 1].kind, Tok::Ident(_)) =>
            {
                "text is quoted: `'...'`"
            }
            _ => "",
        };
        let code = if help.starts_with("write `cond") { "E0309" } else { "E0303" };
        self.error(code, self.range(), format!("{wanted} is missing before {found}"), help);
        self.give_up();
    }
}
