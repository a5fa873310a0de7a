//! Texts with holes: `{event}`, `{shard}`, `{part}` and `${NAME}`.
//!
//! What comes from the environment is never searched for holes again.

use doge_core::diag::{nearest, shown};

/// What stands for `{part}` in a path until the number of the part is known: a character that no path
/// has.
pub const PART: char = '\u{1}';

/// A text with holes, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Event,
    Shard,
    Part,
    Variable { name: String, default: Option<String> },
}

/// Why a text is no template: the message and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

fn error(message: impl Into<String>, help: impl Into<String>) -> TemplateError {
    TemplateError { message: message.into(), help: help.into() }
}

impl Template {
    /// Reads a text. `variables`: `${NAME}` and `${NAME:-default}` come from the environment, `$${` is
    /// `${`; without it `$` is like any other character. `{{` and `}}` are braces.
    ///
    /// # Errors
    /// An unknown hole, or one that is not closed.
    pub fn parse(text: &str, variables: bool) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut hole = None;
            if variables && rest.starts_with("$${") {
                plain.push_str("${");
                rest = &rest[3..];
            } else if variables && rest.starts_with("${") {
                let Some(end) = rest.find('}') else {
                    return Err(error(
                        format!("`{}` is not closed", shown(rest)),
                        "write `${NAME}` or `${NAME:-default}`; `$${` for the characters `${`",
                    ));
                };
                hole = Some(variable(&rest[2..end])?);
                rest = &rest[end + 1..];
            } else if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push(c);
                rest = &rest[2..];
            } else if c == '{' {
                let Some(end) = rest.find('}') else {
                    return Err(error(
                        format!("the brace in `{}` is not closed", shown(rest)),
                        "write `{event}` or `{shard}`; `{{` for the character `{`",
                    ));
                };
                hole = Some(placeholder(&rest[1..end])?);
                rest = &rest[end + 1..];
            } else {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
            if let Some(piece) = hole {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(piece);
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// A text without holes.
    pub(super) fn plain(text: &str) -> Template {
        Template(vec![Piece::Text(text.to_owned())])
    }

    /// Whether it has `{event}`.
    pub fn has_event(&self) -> bool {
        self.0.contains(&Piece::Event)
    }

    /// Whether it has `{shard}`.
    pub fn has_shard(&self) -> bool {
        self.0.contains(&Piece::Shard)
    }

    /// Whether it has `{part}`.
    pub fn has_part(&self) -> bool {
        self.0.contains(&Piece::Part)
    }

    /// Whether its end is known before anything is filled in.
    pub fn has_fixed_end(&self) -> bool {
        matches!(self.0.last(), None | Some(Piece::Text(_)))
    }

    /// The variables without a default.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|p| match p {
            Piece::Variable { name, default: None } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text with its holes filled; in place of `{part}` stands [`PART`].
    ///
    /// # Errors
    /// The name of a variable that is not set and has no default.
    pub fn fill(
        &self,
        event: &str,
        shard: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(t) => out.push_str(t),
                Piece::Event => out.push_str(event),
                Piece::Shard => out.push_str(shard),
                Piece::Part => out.push(PART),
                Piece::Variable { name, default } => match (environment(name), default) {
                    (Some(v), None) => out.push_str(&v),
                    // As in a shell, `:-` stands for an empty variable too.
                    (Some(v), Some(_)) if !v.is_empty() => out.push_str(&v),
                    (_, Some(d)) => out.push_str(d),
                    (None, None) => return Err(name.clone()),
                },
            }
        }
        Ok(out)
    }
}

fn variable(inside: &str) -> Result<Piece, TemplateError> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    let valid = name
        .bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()));
    if name.is_empty() || !valid {
        return Err(error(
            format!("`${{{}}}` does not name a variable of the environment", shown(inside)),
            "write `${NAME}` or `${NAME:-default}`; `$${` for the characters `${`",
        ));
    }
    Ok(Piece::Variable { name: name.to_owned(), default })
}

fn placeholder(name: &str) -> Result<Piece, TemplateError> {
    match name {
        "event" => Ok(Piece::Event),
        "shard" => Ok(Piece::Shard),
        "part" => Ok(Piece::Part),
        _ => {
            let help = match nearest(name, ["event", "shard", "part"]) {
                Some(n) => format!("did you mean `{{{n}}}`? `{{{{` is the character `{{`"),
                None => {
                    "there are `{event}`, `{shard}` and `{part}`; `{{` is the character `{`".into()
                }
            };
            Err(error(format!("`{{{}}}` is not a placeholder", shown(name)), help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, String> {
        let t = Template::parse(text, true).map_err(|e| e.message)?;
        t.fill("trx", "02", &|n| match n {
            "A" => Some("{event}${B}".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn holes_are_filled_once() {
        for (text, want) in [
            ("out/{event}-{shard}.csv", "out/trx-02.csv"),
            ("{{event}} }}", "{event} }"),
            ("${A}/{event}", "{event}${B}/trx"),
            ("$${A}/$A/$", "${A}/$A/$"),
            ("${B:-x}/${EMPTY:-y}/${EMPTY}", "x/y/"),
            ("${B:-}", ""),
            ("ü{event}ü", "ütrxü"),
        ] {
            assert_eq!(fill(text).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(fill("${B}"), Err("B".into()));
    }

    #[test]
    fn wrong_holes() {
        for (text, message) in [
            ("{evnt}", "`{evnt}` is not a placeholder"),
            ("{event", "the brace in `{event` is not closed"),
            ("${A", "`${A` is not closed"),
            ("${1A}", "`${1A}` does not name a variable of the environment"),
            ("${}", "`${}` does not name a variable of the environment"),
            ("{}", "`{}` is not a placeholder"),
        ] {
            assert_eq!(fill(text), Err(message.into()), "{text}");
        }
        assert_eq!(fill("a{part}.csv"), Ok("a\u{1}.csv".into()));
        assert_eq!(
            Template::parse("${A}", false).map(|_| ()).unwrap_err().message,
            "`{A}` is not a placeholder"
        );
    }
}
