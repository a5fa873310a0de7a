//! Names: what they stand for here, and what is said of one that stands for nothing.

use super::{Checker, FUNCTIONS};
use crate::diag::nearest;
use crate::expr::ast::{Kind, Name, Node};
use crate::expr::names::Place;
use crate::expr::parse::RESERVED;
use crate::expr::typed::{TExpr, TKind};
use crate::value::{Base, Ty, Value};
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn ident(&mut self, name: &str, range: Range<usize>) -> Option<TExpr> {
        if let Some((_, e)) = self.locals.iter().rev().find(|(n, _)| n == name) {
            let e = e.clone();
            return self.make(e.kind, e.ty, range);
        }
        let env = self.env;
        let find = |list: &[(String, Ty)]| {
            list.iter().position(|(n, _)| n == name).map(|i| (i, list[i].1))
        };
        if let Some((i, ty)) = find(env.lets) {
            return self.make(TKind::Let(i), ty, range);
        }
        if let Some((i, ty)) = find(env.attributes) {
            return self.make(TKind::Attr(i), ty, range);
        }
        if env.sees(name) {
            let text = |s: &str| TKind::Const(Value::String(s.to_owned()));
            let (kind, base) = match name {
                "id" => (TKind::Id, Base::Int),
                "seq" => (TKind::Seq, Base::Int),
                "timestamp" => (TKind::Time, Base::Timestamp),
                "event_id" => (TKind::EventId, Base::String),
                "population" => (text(env.population), Base::String),
                "trigger" => (text(env.trigger), Base::String),
                "from" => (text(env.from), Base::String),
                "to" => (text(env.to), Base::String),
                "params" => {
                    let first = env.params.first().map_or("NAME", |(n, _)| n);
                    return self.error(
                        "E0418",
                        range,
                        "`params` is not a value",
                        format!("write `params.{first}`"),
                    );
                }
                _ => {
                    let first = env.attributes.first().map_or("NAME", |(n, _)| n);
                    return self.error(
                        "E0418",
                        range,
                        format!("`{name}` is not a value"),
                        format!("write `{name}.{first}`"),
                    );
                }
            };
            return self.make(kind, Ty::of(base), range);
        }
        self.unknown(name, range)
    }

    /// A name that is not visible: why, and what was probably meant.
    pub(super) fn unknown<T>(&mut self, name: &str, range: Range<usize>) -> Option<T> {
        if let Some(hidden) = self.env.hidden.iter().find(|h| h.name == name) {
            return self.error("E0402", range, hidden.reason.clone(), hidden.help.clone());
        }
        if let Some(reason) = self.env.reason(name) {
            let help = if name == "timestamp" && self.env.place == Place::Attribute {
                "an instant is written `timestamp('2022-02-11T00:00:00Z')`"
            } else {
                ""
            };
            return self.error("E0402", range, reason, help);
        }
        let word = match name {
            "None" | "NULL" | "Null" | "nil" | "NIL" | "undefined" => Some("null"),
            "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" => Some("true"),
            "False" | "FALSE" | "no" | "No" | "NO" | "off" => Some("false"),
            _ => None,
        };
        if let Some(word) = word {
            return self.error(
                "E0313",
                range,
                format!("`{name}` is not a value of the language"),
                format!("write `{word}`"),
            );
        }
        let mut d = self.problem("E0401", range.clone(), format!("there is no `{name}` here"));
        let locals = self.locals.iter().map(|(n, _)| n.as_str());
        let near = self
            .suggests
            .then(|| nearest(name, self.env.visible().chain(locals)))
            .flatten()
            .map(str::to_owned);
        if FUNCTIONS.iter().any(|f| f.name == name) && !RESERVED.contains(&name) {
            let usage = FUNCTIONS.iter().find(|f| f.name == name).map_or("", |f| f.usage);
            d = d.help(format!("it is a function: write `{usage}`"));
        } else if matches!(name, "now" | "NOW" | "today" | "current_timestamp")
            && self.env.sees("timestamp")
        {
            d = d.help("the event's time is `timestamp`");
        } else {
            let is_param = self.env.params.iter().any(|(n, _)| n == name);
            if is_param {
                d = d.help(format!("a parameter is read as `params.{name}`"));
            } else if matches!(name.to_ascii_lowercase().as_str(), "nan" | "inf" | "infinity") {
                d = d.help(format!("write `double('{}')`", &name.to_ascii_lowercase()[..3]));
            } else if let Some(near) = near {
                d = d.help(format!("the nearest name is `{near}`"));
            }
            // A bare word where YAML makes one think of text.
            if range == self.root {
                d = d.help(format!("text is written `\"'{name}'\"`"));
            } else if d.help.is_empty() || self.compared.contains(&range.start) {
                d = d.help(format!("text is written `'{name}'`"));
            }
        }
        self.diags.push(d);
        None
    }

    pub(super) fn member(
        &mut self,
        target: &Node,
        name: &Name,
        range: Range<usize>,
    ) -> Option<TExpr> {
        let env = self.env;
        if let Kind::Ident(base) = &target.kind
            && !self.locals.iter().any(|(n, _)| n == base)
            && !env.attributes.iter().chain(env.lets).any(|(n, _)| n == base)
        {
            match base.as_str() {
                "params" => return self.param(name, range),
                "old" => return self.old(name, target, range),
                "fake" => return self.not_yet(range, "fake"),
                "this" | "self" | "subject" | "user" | "attributes" | "new" => {
                    return self.bare(base, name, range);
                }
                _ if base == env.population => return self.bare(base, name, range),
                _ => {}
            }
        }
        if let Some(f) = FUNCTIONS.iter().find(|f| f.name == name.text) {
            let text = self.text(target);
            let help = if f.member {
                format!("write `{text}.{}()`", f.name)
            } else {
                format!("write `{}({text})`", f.name)
            };
            return self.error(
                "E0418",
                name.range(),
                format!("`{}` is a function", name.text),
                help,
            );
        }
        let v = self.any_value(target)?;
        let text = self.text(target);
        let message = format!("`{text}` is {} and has no part `{}`", v.e.ty, name.text);
        let getter = format!("get{}", name.text);
        let parts = [getter.as_str(), &format!("{getter}s")];
        let is_time = matches!(v.e.ty.base, Base::Timestamp | Base::Duration);
        let part =
            |f: &&super::table::Function| parts.iter().any(|p| f.name.eq_ignore_ascii_case(p));
        let help = match FUNCTIONS.iter().find(part) {
            Some(f) if is_time => format!("write `{text}.{}()`", f.name),
            _ if is_time && name.text.eq_ignore_ascii_case("year") => {
                format!("write `{text}.getFullYear()`")
            }
            _ if is_time && name.text.eq_ignore_ascii_case("day") => {
                format!("write `{text}.getDate()`")
            }
            _ if v.e.ty.base == Base::String && self.env.sees(&name.text) => {
                format!("texts are joined with `+`: `{text} + string({})`", name.text)
            }
            _ => String::new(),
        };
        self.error("E0418", name.range(), message, help)
    }

    pub(super) fn bare<T>(&mut self, base: &str, name: &Name, range: Range<usize>) -> Option<T> {
        self.error(
            "E0418",
            range,
            format!("`{base}` has no parts here"),
            format!("attributes are written bare: `{}`", name.text),
        )
    }

    pub(super) fn param(&mut self, name: &Name, range: Range<usize>) -> Option<TExpr> {
        let Some((_, value)) = self.env.params.iter().find(|(n, _)| *n == name.text) else {
            let names = self.env.params.iter().map(|(n, _)| n.as_str());
            let near = self.suggests.then(|| nearest(&name.text, names)).flatten();
            let help = match near {
                Some(near) => format!("the nearest is `params.{near}`"),
                None => format!("declare it: `params: {{ {}: 10 }}`", name.text),
            };
            return self.error(
                "E0419",
                name.range(),
                format!("there is no parameter `{}`", name.text),
                help,
            );
        };
        let base = match value {
            Value::Int(_) => Base::Int,
            Value::Double(_) => Base::Double,
            Value::Bool(_) => Base::Bool,
            Value::String(_) => Base::String,
            Value::Timestamp(_) => Base::Timestamp,
            Value::Duration(_) => Base::Duration,
            Value::Null => {
                return self.error(
                    "E0419",
                    name.range(),
                    format!("the parameter `{}` has no value", name.text),
                    "",
                );
            }
        };
        self.constant(value.clone(), base, range)
    }

    pub(super) fn old(&mut self, name: &Name, target: &Node, range: Range<usize>) -> Option<TExpr> {
        let known = self.env.attributes.iter().position(|(n, _)| *n == name.text);
        if !self.env.sees("old") {
            let reason = self.env.reason("old").unwrap_or_default();
            let help = match (known, self.env.place) {
                (Some(_), Place::Let | Place::When | Place::Set) => {
                    format!("here `{}` is the value from before: write it bare", name.text)
                }
                _ => String::new(),
            };
            return self.error("E0402", target.range(), reason, help);
        }
        match known {
            Some(i) => self.make(TKind::Old(i), self.env.attributes[i].1, range),
            None => {
                let names = self.env.attributes.iter().map(|(n, _)| n.as_str());
                let near = self.suggests.then(|| nearest(&name.text, names)).flatten();
                let help = match near {
                    Some(near) => format!("the nearest is `old.{near}`"),
                    None => "`old.` reads an attribute from before the transition".to_owned(),
                };
                self.error(
                    "E0420",
                    name.range(),
                    format!("there is no attribute `{}`", name.text),
                    help,
                )
            }
        }
    }

    pub(super) fn not_yet<T>(&mut self, range: Range<usize>, name: &str) -> Option<T> {
        let what = if name == "fake" { "`fake.*`" } else { "`pick(...)`" };
        let help =
            "list the values: `choice(['Anna', 'Jan'])` or `weighted({'Warsaw': 3, 'Gdansk': 1})`";
        self.error("E0421", range, format!("{what} is not supported yet"), help)
    }
}
