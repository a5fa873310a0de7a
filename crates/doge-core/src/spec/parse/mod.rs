//! From the tree of a file to a [`Spec`]: which keys there are, and which literals they hold.
//!
//! Names and expressions are only collected here; `compile` gives them meaning. A key that is there
//! but wrong leaves a stand-in behind (an empty expression, a count of 1), so that `compile` can go on
//! and all problems are reported at once without any that only follows from another.

mod clock;
mod events;
mod keys;
mod subjects;

use super::literal::{self, LiteralError};
use super::yaml::{self, Tree, is_open};
use super::{Entries, ExprSource, Keys, Node, NodeKind, ParamSpec, Spec, known_entries};
use crate::diag::{Diagnostic, Diagnostics, shown};
use crate::source::{Source, Span, Spanned};
use crate::value::Value;
use std::sync::Arc;

/// Names are at most so long.
const MAX_NAME: usize = 63;

/// Reads the text of a model file; `name` is what messages call the file.
///
/// ```
/// use doge_core::{source::Source, spec};
/// let text = "clock: {start: 2022-02-11T03:21:48Z, tick: 1m, ticks: 10}\nsubject: {}\n";
/// let problems = spec::parse(text, "m.yaml").unwrap_err();
/// assert!(problems.render(&Source::new("m.yaml", text), false).contains("did you mean `subjects`?"));
/// ```
///
/// # Errors
/// All problems of the text, where one of them is an error; else warnings come with the spec. What
/// the names and expressions mean is not looked at; [`crate::compile::load`] does both.
pub fn parse(text: &str, name: &str) -> Result<(Spec, Diagnostics), Diagnostics> {
    finish(parse_lossy(&Arc::new(Source::new(name, text))))
}

/// Reads a model file whose bytes may be anything.
///
/// # Errors
/// As [`parse`]; also where the bytes are not UTF-8. They can be shown over [`Source::from_bytes`].
pub fn parse_bytes(bytes: &[u8], name: &str) -> Result<(Spec, Diagnostics), Diagnostics> {
    finish(parse_lossy(&Arc::new(Source::from_bytes(name, bytes))))
}

fn finish(parsed: Parsed) -> Result<(Spec, Diagnostics), Diagnostics> {
    match parsed.spec {
        Some(spec) if !parsed.diags.has_errors() => Ok((spec, parsed.diags)),
        _ => Err(parsed.diags),
    }
}

/// What could be read of a file.
pub(crate) struct Parsed {
    /// The spec, with stand-ins where something was wrong.
    pub spec: Option<Spec>,
    /// Parts of the file are missing from the spec, so that names may be missing in it.
    pub incomplete: bool,
    /// All problems.
    pub diags: Diagnostics,
}

/// Reads a file as far as it can be read.
pub(crate) fn parse_lossy(source: &Arc<Source>) -> Parsed {
    let mut diags = Diagnostics::default();
    let Some(tree) = yaml::parse(source, &mut diags) else {
        return Parsed { spec: None, incomplete: true, diags };
    };
    let incomplete = tree.lossy;
    let mut reader = Reader { source, tree: &tree, diags, incomplete };
    let spec = reader.model();
    Parsed { spec, incomplete: reader.incomplete, diags: reader.diags }
}

/// Whether a list is one of conditions, all of which are to hold.
fn are_conditions(items: &[Node]) -> bool {
    let compares = |n: &Node| match &n.kind {
        NodeKind::Scalar { text, .. } => text.contains(['<', '>', '=']),
        _ => false,
    };
    !items.is_empty() && items.iter().all(compares)
}

/// Reads the parts of a tree; the methods of one part are in its file.
struct Reader<'a> {
    source: &'a Arc<Source>,
    tree: &'a Tree,
    diags: Diagnostics,
    incomplete: bool,
}

impl<'a> Reader<'a> {
    fn model(&mut self) -> Option<Spec> {
        let root = &self.tree.root;
        let entries = self.mapping(
            root,
            "a model",
            "`clock:`, `subjects:` and `events:`, each in the first column",
        )?;
        let stem = self.source.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut spec = Spec {
            source: self.source.clone(),
            name: match stem.split('.').next() {
                Some(name) if !name.is_empty() && !name.starts_with('<') => name.to_owned(),
                _ => "model".to_owned(),
            },
            seed: 0,
            params: Vec::new(),
            clock: None,
            subjects: Vec::new(),
            events: Vec::new(),
            sinks: None,
            span: root.span,
        };
        let known = self.keys(entries, &keys::TOP);
        for (key, node) in &known.entries {
            match key.value.as_str() {
                "doge" => self.version(node),
                "name" => {
                    if let Some(text) = self.text(node, "`name`", "name: banking") {
                        spec.name = text.value;
                    }
                }
                "seed" => {
                    spec.seed = self
                        .literal(node, "`seed`", "42", "E0213", literal::seed)
                        .unwrap_or_default()
                }
                "params" => spec.params = self.params(node),
                "clock" => spec.clock = Some(self.clock(key, node)),
                "subjects" => spec.subjects = self.subjects(key, node),
                "events" => spec.events = self.events(node),
                "sinks" => spec.sinks = Some(Spanned::new((*node).clone(), key.span)),
                _ => {}
            }
        }
        if !known.has("subjects") && known.all_known && !self.incomplete {
            let span = Span::new(root.span.start as usize, root.span.start as usize);
            let d = Diagnostic::error(
                "E0205",
                self.first_key(root, span),
                "the model has no `subjects`",
            );
            self.diags.push(
                d.help("write who acts: `subjects: { user: { count: 10, states: { ... } } }`"),
            );
            self.incomplete = true;
        }
        Some(spec)
    }

    /// The place to show for what a mapping lacks: its first key.
    fn first_key(&self, node: &Node, default: Span) -> Span {
        node.as_mapping().and_then(|e| e.first()).map_or(default, |(k, _)| k.span)
    }

    fn version(&mut self, node: &Node) {
        if node.is_invalid() || node.as_text() == Some("1") {
            return;
        }
        let d = Diagnostic::error(
            "E0206",
            node.span,
            "this version of the model language is not known",
        );
        self.diags.push(
            d.note("`doge` names the version of the language and its law")
                .help("write `doge: 1`, or leave it out"),
        );
    }

    /// The known entries of a level; others are reported.
    fn keys<'n>(&mut self, entries: &'n Entries, keys: &Keys) -> Level<'n> {
        let before = self.diags.0.len();
        let known = known_entries(entries, keys, "E0201", "E0202", &mut self.diags);
        for d in self.diags.0.iter_mut().skip(before).filter(|d| d.code == "E0201") {
            if let Some((key, node)) = entries.iter().find(|(k, _)| Some(k.span) == d.span)
                && let Some(help) = level_forgotten(&key.value, node, keys)
            {
                d.notes.clear();
                d.help = vec![help];
            }
        }
        let all_known = self.diags.0.len() == before;
        let ignored = |k: &str| super::is_ignored(k) || keys.known.contains(&k);
        if entries.iter().any(|(k, v)| !ignored(&k.value) && v.as_text().is_none()) {
            self.incomplete = true;
        }
        Level { entries: known, all_known }
    }

    /// The entries of a mapping; anything else is reported, with how it is written.
    fn mapping<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> Option<&'n Entries> {
        if let Some(entries) = node.as_mapping() {
            return Some(entries);
        }
        self.incomplete = true;
        if !node.is_invalid() {
            let message = format!("{what} is a mapping, but this is {}", node.describe());
            self.diags.push(
                Diagnostic::error("E0204", first_line(node.span, self.source), message)
                    .help(format!("write {example}")),
            );
        }
        None
    }

    /// A mapping whose keys are names of the user's; those that are no names are reported.
    fn named<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        kind: &str,
        example: &str,
    ) -> Vec<(Spanned<String>, &'n Node)> {
        let Some(entries) = self.mapping(node, what, example) else {
            return Vec::new();
        };
        let mut out = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if !key.value.starts_with("x-") {
                self.name(key, kind);
                out.push((key.clone(), value));
            }
        }
        out
    }

    /// Reports a name that is none.
    fn name(&mut self, name: &Spanned<String>, kind: &str) {
        let text = name.value.as_str();
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let d = if text.len() > MAX_NAME {
            Diagnostic::error(
                "E0203",
                name.span,
                format!("the name of {kind} is longer than {MAX_NAME} bytes"),
            )
        } else if begins && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return;
        } else {
            Diagnostic::error("E0203", name.span, format!("`{}` is not a name", shown(text)))
        };
        let d = d.note("names are letters a-z, digits and `_`, do not begin with a digit, and have at most 63 characters");
        let mut fixed: String =
            text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if fixed.starts_with(|c: char| c.is_ascii_digit()) {
            fixed.insert(0, '_');
        }
        let usable = text.is_ascii() && fixed.len() <= MAX_NAME && fixed.bytes().any(|b| b != b'_');
        self.diags.push(if usable { d.help(format!("write `{fixed}`")) } else { d });
    }

    /// A scalar as text.
    fn text(&mut self, node: &Node, what: &str, example: &str) -> Option<Spanned<String>> {
        match &node.kind {
            NodeKind::Scalar { text, .. } if !text.is_empty() => {
                Some(Spanned::new(text.clone(), node.span))
            }
            NodeKind::Invalid => None,
            _ => {
                let found = if node.as_text().is_some() { "empty" } else { node.describe() };
                let d = Diagnostic::error(
                    "E0204",
                    first_line(node.span, self.source),
                    format!("{what} is a single value, but this is {found}"),
                );
                self.diags.push(d.help(format!("write `{example}`")));
                None
            }
        }
    }

    /// A literal; what is wrong with it is reported.
    fn literal<T>(
        &mut self,
        node: &Node,
        what: &str,
        example: &str,
        code: &'static str,
        read: impl Fn(&str) -> Result<T, LiteralError>,
    ) -> Option<T> {
        let key = what.trim_matches('`');
        let text = self.text(node, what, &format!("{key}: {example}"))?;
        match read(&text.value) {
            Ok(value) => Some(value),
            Err(e) => {
                self.diags.push(
                    Diagnostic::error(code, first_line(node.span, self.source), e.message)
                        .help(e.help),
                );
                None
            }
        }
    }

    fn params(&mut self, node: &Node) -> Vec<ParamSpec> {
        let entries = self.named(node, "`params`", "a parameter", "`params: { name: value }`");
        let mut out = Vec::with_capacity(entries.len());
        for (name, node) in entries {
            let value = match &node.kind {
                NodeKind::Scalar { text, quoted: true } => Ok(Value::String(text.clone())),
                NodeKind::Scalar { text, quoted: false } => param_literal(text),
                NodeKind::Invalid => Ok(Value::Null),
                _ => Err((
                    format!("a parameter is a single value, but this is {}", node.describe()),
                    "write a number, `true`, `false` or text".into(),
                )),
            };
            let value = value.unwrap_or_else(|(message, help)| {
                self.diags.push(
                    Diagnostic::error("E0218", first_line(node.span, self.source), message)
                        .help(help),
                );
                Value::Null
            });
            out.push(ParamSpec { name, value: Spanned::new(value, node.span) });
        }
        out
    }

    /// The source of an expression. Where the node is none that is reported, and the source is empty.
    fn expr(&mut self, node: &Node, key: &str) -> ExprSource {
        let hole = ExprSource { text: String::new(), span: node.span, offsets: Vec::new() };
        let Some(source) = self.tree.expr(node) else {
            if !node.is_invalid() {
                let d = Diagnostic::error(
                    "E0210",
                    first_line(node.span, self.source),
                    format!("expected an expression, found {}", node.describe()),
                );
                self.diags.push(match &node.kind {
                    NodeKind::Sequence(items) if are_conditions(items) => {
                        d.help("conditions are joined with `&&`: `balance > 0 && plan == 'free'`")
                    }
                    NodeKind::Sequence(_) => {
                        d.help("lists are only arguments: `choice([1, 2, 3])`, `x in [1, 2, 3]`")
                    }
                    NodeKind::Mapping(entries) => match entries.as_slice() {
                        [(name, _)] => d.help(format!(
                            "a function is called with brackets: `{}(...)`",
                            shown(&name.value)
                        )),
                        _ => d.help("write one expression, such as `balance + 10`"),
                    },
                    _ => d,
                });
            }
            return hole;
        };
        let text = source.text.trim();
        let d = if text.is_empty() {
            Diagnostic::error("E0211", node.span, "an empty expression")
                .help("write an expression; empty text is `\"''\"`")
        } else if is_date(text) {
            let instant =
                if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
            Diagnostic::error(
                "E0212",
                first_line(node.span, self.source),
                "a date in an expression reads as a subtraction",
            )
            .help(format!("write `{key}: timestamp('{}')`", shown(&instant)))
        } else if node.as_plain().is_some() && self.is_cut_by_comment(node, text) {
            let start = node.span.end as usize;
            let line = self.source.text[start..].lines().next().unwrap_or_default();
            let at = start + line.find('#').unwrap_or(0);
            Diagnostic::error(
                "E0126",
                Span::new(at, at + 1),
                "` #` begins a comment in unquoted text",
            )
            .help(yaml::quoted_line(Some(key), &format!("{text}{}", line.trim_end())))
        } else {
            return source;
        };
        self.diags.push(d);
        hole
    }

    /// Whether an unfinished expression is followed by a comment.
    fn is_cut_by_comment(&self, node: &Node, text: &str) -> bool {
        let rest = self.source.text[node.span.end as usize..].lines().next().unwrap_or_default();
        let comment = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
        comment
            && (is_open(text)
                || text.ends_with([
                    '+', '-', '*', '/', '%', '<', '>', '=', '&', '|', '?', ':', ',', '!',
                ]))
    }

    fn exprs(
        &mut self,
        node: &Node,
        what: &str,
        kind: &str,
        example: &str,
    ) -> Vec<(Spanned<String>, ExprSource)> {
        let entries = self.named(node, what, kind, example);
        entries
            .into_iter()
            .map(|(name, node)| {
                let e = self.expr(node, &name.value);
                (name, e)
            })
            .collect()
    }

    /// Reports a key that is not there, unless it may stand in a line that could not be read.
    fn missing(&mut self, span: Span, message: String, help: &str) {
        if self.incomplete {
            return;
        }
        self.diags.push(Diagnostic::error("E0205", span, message).help(help));
    }
}

/// The known entries of one level.
struct Level<'n> {
    entries: Vec<(&'n Spanned<String>, &'n Node)>,
    /// No key was reported; a missing one is not just misspelt.
    all_known: bool,
}

impl Level<'_> {
    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _)| k.value == key)
    }
}

/// Help for what stands one level too high: a state beside `states` and the like.
fn level_forgotten(name: &str, node: &Node, keys: &Keys) -> Option<String> {
    let (level, has): (&str, &[&str]) = match keys.what {
        "a model" => ("subjects", &["states", "count", "attributes"]),
        "a population" => ("states", &["transitions"]),
        "a state" => ("transitions", &["probability", "to", "emit"]),
        "an event" => ("fields", &[]),
        _ => return None,
    };
    let name = shown(name);
    if level == "fields" {
        let simple = keys.instead.iter().all(|(k, _)| *k != name);
        let free = crate::diag::nearest(&name, keys.known.iter().copied()).is_none();
        let expression = node.as_text().filter(|t| !t.contains('\n') && t.len() < 60)?;
        return (simple && free).then(|| {
            format!("a field stands under `fields`: `fields: {{ {name}: {} }}`", shown(expression))
        });
    }
    let inner = node.as_mapping()?;
    let meant = inner.iter().any(|(k, _)| has.contains(&k.value.as_str()));
    meant.then(|| format!("`{name}` belongs one level deeper: `{level}: {{ {name}: ... }}`"))
}

/// The part of a span on its first line.
fn first_line(span: Span, source: &Source) -> Span {
    let text = source.text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    Span::new(span.start as usize, span.start as usize + first.trim_end().len())
}

/// `2022-02-11`, with or without a time.
fn is_date(text: &str) -> bool {
    let b = text.as_bytes();
    let digit = |i: usize| b.get(i).is_some_and(u8::is_ascii_digit);
    let date = [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(digit) && b[4] == b'-' && b[7] == b'-';
    date && (b.len() == 10 || (matches!(b[10], b'T' | b't' | b' ') && digit(11)))
}

/// An unquoted parameter: a number, a bool, or text that is no word YAML has used for either.
fn param_literal(text: &str) -> Result<Value, (String, String)> {
    let quoted = || format!("`{}` for text", yaml::quote(text));
    let numeric = text.strip_prefix(['-', '+']).unwrap_or(text);
    if numeric.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = numeric.bytes().all(|b| b.is_ascii_digit());
        return if digits {
            literal::int(text)
                .map(Value::Int)
                .map_err(|e| (e.message, format!("{}; write {}", e.help, quoted())))
        } else {
            match literal::double(text) {
                Ok(x) => Ok(Value::Double(x)),
                Err(e) => {
                    Err((e.message, format!("write a number, or `{}` for text", yaml::quote(text))))
                }
            }
        };
    }
    match text {
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => Err((
            format!("`{text}` is neither a bool nor quoted text"),
            format!("write `true`, or {}", quoted()),
        )),
        "no" | "off" | "false" => Err((
            format!("`{text}` is neither a bool nor quoted text"),
            format!("write `false`, or {}", quoted()),
        )),
        "null" | "~" | "none" | "nil" | ".nan" | ".inf" | "-.inf" => Err((
            format!("a parameter cannot be `{text}`"),
            "write a number, `true`, `false` or text".into(),
        )),
        _ if numeric.starts_with('.') && literal::double(text).is_ok() => {
            Err((format!("`{text}` is not written plainly"), format!("write `0{numeric}`")))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}
