//! What a run changes of a model without touching its file.

use super::literal::{self, LiteralError};
use super::{ClockSpec, Length, Spec};
use crate::diag::{Diagnostic, Diagnostics, nearest, shown};
use crate::source::{Span, Spanned};
use crate::value::Value;

/// Values from the command line (or a program) that replace the model's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `seed`.
    pub seed: Option<u64>,
    /// `count`, of the population named or (`None`) of the only one.
    pub counts: Vec<(Option<String>, u64)>,
    /// The length of the run, in place of whichever the model has.
    pub length: Option<Length>,
    /// `start`, milliseconds since the epoch.
    pub start_ms: Option<i64>,
    /// Parameters by name; their text is read as the type of the model's literal.
    pub params: Vec<(String, String)>,
}

impl Spec {
    /// Applies overrides; the last of several for one thing wins. Values that come from there have
    /// the place [`Span::COMMAND_LINE`].
    ///
    /// # Errors
    /// Names that the model does not have, values of the wrong type, a count without a name where
    /// there are several populations. All are reported; then the spec is changed only in part.
    pub fn apply(&mut self, overrides: &Overrides) -> Result<(), Diagnostics> {
        let mut diags = Diagnostics::default();
        let given = Span::COMMAND_LINE;
        if let Some(seed) = overrides.seed {
            self.seed = seed;
        }
        if overrides.length.is_some() || overrides.start_ms.is_some() {
            let none = ClockSpec {
                start_ms: None,
                tick_ms: None,
                length: None,
                broken: false,
                span: given,
            };
            let clock = self.clock.get_or_insert(none);
            if let Some(length) = overrides.length {
                clock.length = Some(Spanned::new(length, given));
            }
            if let Some(start) = overrides.start_ms {
                clock.start_ms = Some(Spanned::new(start, given));
            }
        }
        for (name, count) in &overrides.counts {
            let names = || self.subjects.iter().map(|p| p.name.value.as_str());
            let index = match name {
                None if self.subjects.len() == 1 => Some(0),
                None => {
                    let list: Vec<String> =
                        names().map(|n| format!("`--count {n}={count}`")).collect();
                    let d = Diagnostic::general(
                        "E0222",
                        format!("`--count {count}` does not say of which population"),
                    );
                    diags.push(d.help(format!("write {}", list.join(", "))));
                    continue;
                }
                Some(name) => names().position(|n| n == name),
            };
            match index {
                Some(i) => self.subjects[i].count = Some(Spanned::new(*count, given)),
                None => {
                    diags.push(unknown("population", name.as_deref().unwrap_or_default(), names()))
                }
            }
        }
        for (name, text) in &overrides.params {
            let Some(param) = self.params.iter_mut().find(|p| p.name.value == *name) else {
                diags.push(unknown(
                    "parameter",
                    name,
                    self.params.iter().map(|p| p.name.value.as_str()),
                ));
                continue;
            };
            match param_value(&param.value.value, text) {
                Ok(value) => param.value = Spanned::new(value, given),
                Err(e) => {
                    let d = Diagnostic::general(
                        "E0221",
                        format!("the parameter `{}`: {}", shown(name), e.message),
                    );
                    diags.push(d.help(e.help));
                }
            }
        }
        if diags.0.is_empty() { Ok(()) } else { Err(diags) }
    }
}

fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    let d = Diagnostic::general("E0220", format!("the model has no {what} `{}`", shown(name)));
    if let Some(meant) = nearest(name, names.clone()) {
        return d.help(format!("did you mean `{meant}`?"));
    }
    let list: Vec<String> = names.take(20).map(|n| format!("`{n}`")).collect();
    if list.is_empty() { d } else { d.help(format!("it has {}", list.join(", "))) }
}

/// A text as a value of the same type as the model's.
fn param_value(model: &Value, text: &str) -> Result<Value, LiteralError> {
    match model {
        Value::Int(_) => literal::int(text).map(Value::Int),
        Value::Double(_) => literal::double(text).map(Value::Double),
        Value::Bool(_) => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(LiteralError {
                message: format!("`{}` is not a bool", shown(text)),
                help: "write `true` or `false`".into(),
            }),
        },
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        let text = "params: {n: 1, x: 1.5, b: true, city: Warsaw}\nclock: {start: 0, tick: 1s, ticks: 5}\n\
                    subjects:\n  user: {count: 1, states: {s: {}}}\n  shop: {count: 2, states: {s: {}}}\n";
        crate::spec::parse(text, "m.yaml").unwrap().0
    }

    fn param(name: &str, text: &str) -> Result<Value, String> {
        let mut spec = spec();
        let overrides =
            Overrides { params: vec![(name.into(), text.into())], ..Overrides::default() };
        match spec.apply(&overrides) {
            Ok(()) => {
                Ok(spec.params.into_iter().find(|p| p.name.value == name).unwrap().value.value)
            }
            Err(d) => Err(format!("{}; {}", d.0[0].message, d.0[0].help.join("; "))),
        }
    }

    #[test]
    fn params_keep_their_type() {
        assert_eq!(param("n", "7"), Ok(Value::Int(7)));
        assert_eq!(param("x", "7"), Ok(Value::Double(7.0)));
        assert_eq!(param("b", "false"), Ok(Value::Bool(false)));
        assert_eq!(param("city", "12"), Ok(Value::String("12".into())));
        assert!(param("n", "7.5").unwrap_err().contains("not a whole number"));
        assert!(param("b", "yes").unwrap_err().contains("write `true` or `false`"));
        assert_eq!(
            param("citi", "x").unwrap_err(),
            "the model has no parameter `citi`; did you mean `city`?"
        );
    }

    #[test]
    fn counts_need_a_name_where_there_are_several() {
        let mut s = spec();
        let with = |name: Option<&str>| Overrides {
            counts: vec![(name.map(Into::into), 9)],
            ..Overrides::default()
        };
        let d = s.apply(&with(None)).unwrap_err();
        assert_eq!(d.0[0].help, ["write `--count user=9`, `--count shop=9`"]);
        assert_eq!(d.0[0].span, None);
        assert!(s.apply(&with(Some("usr"))).is_err());
        s.apply(&with(Some("shop"))).unwrap();
        assert_eq!(s.subjects[1].count.as_ref().map(|c| c.value), Some(9));
    }

    #[test]
    fn a_length_replaces_the_other_kind() {
        let mut s = spec();
        s.apply(&Overrides {
            length: Some(Length::End(9_000)),
            start_ms: Some(-1),
            ..Overrides::default()
        })
        .unwrap();
        let clock = s.clock.unwrap();
        assert_eq!(clock.length.unwrap().value, Length::End(9_000));
        assert_eq!(clock.start_ms.unwrap().value, -1);
    }
}
