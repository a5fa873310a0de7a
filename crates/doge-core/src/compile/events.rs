//! Events: their shape, which is the same for all emitters, and their parsed expressions.

use super::{Compiler, names};
use crate::diag::{Diagnostic, shown};
use crate::expr::ast::Ast;
use crate::model::Field;
use crate::source::{Span, Spanned};
use crate::spec::{ExprSource, FieldSpec, FieldValueSpec};
use crate::value::Ty;
use std::collections::BTreeMap;

/// Names of events kept for the language.
const RESERVED: &[&str] = &["truth", "labels"];

/// All events, and what was found at each place that emits one.
pub(super) struct Events {
    pub index: BTreeMap<String, usize>,
    pub list: Vec<EventInfo>,
    pub emissions: Vec<Emission>,
}

/// An expression of an event: its place among the draws, its name, its source and syntax.
pub(super) struct Part {
    /// Names after event and occurrence: `["fields", "home", "city"]`.
    pub path: Vec<String>,
    pub source: Span,
    /// `None` where it has a syntax error, which was reported.
    pub ast: Option<Ast>,
}

/// An event before it is known who emits it.
pub(super) struct EventInfo {
    pub when: Option<Part>,
    /// `None`: `string(id)`.
    pub key: Option<Part>,
    pub timestamp: Option<Part>,
    pub headers: Vec<Part>,
    pub leaves: Vec<Part>,
    pub columns: Vec<String>,
    pub fields: Vec<Field>,
    /// The key is the same for the same `id` of two populations.
    pub key_is_id: bool,
}

/// What was found where a transition emits an event.
pub(super) struct Emission {
    pub event: usize,
    pub population: usize,
    /// The place in the emit list.
    pub span: Span,
    /// Types of key, headers and leaves; `None` where one has an error.
    pub types: Option<Vec<Ty>>,
    /// Problems of the event's expressions in this transition.
    pub problems: Vec<Diagnostic>,
}

impl Compiler<'_> {
    pub(super) fn events(&mut self) -> Events {
        let spec = self.spec;
        let mut out = Events { index: BTreeMap::new(), list: Vec::new(), emissions: Vec::new() };
        let mut folded: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
        for event in &spec.events {
            let name = event.name.value.as_str();
            if RESERVED.contains(&name) {
                let d = Diagnostic::error(
                    "E0603",
                    event.name.span,
                    format!("an event cannot be called `{name}`"),
                );
                self.diags.push(
                    d.note(format!("`{name}` is kept for a later version of the language"))
                        .help("give it another name"),
                );
            }
            if let Some(first) = folded.insert(name.to_lowercase(), &event.name) {
                let d = Diagnostic::error(
                    "E0620",
                    event.name.span,
                    format!(
                        "the events `{}` and `{}` differ only by case",
                        shown(&first.value),
                        shown(name)
                    ),
                )
                .related(first.span, "the other one");
                self.diags.push(
                    d.note("events become files and tables, whose names may ignore case")
                        .help("rename one of them"),
                );
            }
            let part = |c: &mut Self, path: &[&str], source: &ExprSource| Part {
                path: path.iter().map(|p| (*p).to_owned()).collect(),
                source: source.span,
                ast: c.parse(source),
            };
            let when = event.when.as_ref().map(|e| part(self, &["when"], e));
            let key = event.key.as_ref().map(|e| part(self, &["key"], e));
            let timestamp = event.timestamp.as_ref().map(|e| part(self, &["timestamp"], e));
            let headers =
                event.headers.iter().map(|(n, e)| part(self, &["headers", &n.value], e)).collect();
            let mut info = EventInfo {
                key_is_id: is_id(key.as_ref()),
                when,
                key,
                timestamp,
                headers,
                leaves: Vec::new(),
                columns: Vec::new(),
                fields: Vec::new(),
            };
            let mut columns = BTreeMap::new();
            info.fields =
                self.fields(&event.fields, &mut vec!["fields".to_owned()], &mut info, &mut columns);
            out.index.insert(name.to_owned(), out.list.len());
            out.list.push(info);
        }
        out
    }

    fn fields(
        &mut self,
        specs: &[FieldSpec],
        path: &mut Vec<String>,
        info: &mut EventInfo,
        columns: &mut BTreeMap<String, (String, Span)>,
    ) -> Vec<Field> {
        let mut out = Vec::with_capacity(specs.len());
        for spec in specs {
            let name = &spec.name.value;
            path.push(name.clone());
            match &spec.value {
                FieldValueSpec::Record(inner) => {
                    out.push(Field::Record(name.clone(), self.fields(inner, path, info, columns)))
                }
                FieldValueSpec::Expr(source) => {
                    let column = path[1..].join("_");
                    if let Some((other, span)) =
                        columns.insert(column.to_lowercase(), (path[1..].join("."), spec.name.span))
                    {
                        let mine = path[1..].join(".");
                        let d = Diagnostic::error(
                            "E0621",
                            spec.name.span,
                            format!(
                                "the fields `{}` and `{}` make the same column",
                                shown(&other),
                                shown(&mine)
                            ),
                        )
                        .label(format!("column `{}`", shown(&column)))
                        .related(span, "the other one");
                        self.diags.push(d.note("columns are the names of nested fields joined by `_`, and letter case does not tell them apart").help("rename one of them"));
                    }
                    out.push(Field::Leaf(name.clone(), info.leaves.len()));
                    info.columns.push(column);
                    info.leaves.push(Part {
                        path: path.clone(),
                        source: source.span,
                        ast: self.parse(source),
                    });
                }
            }
            path.pop();
        }
        out
    }
}

/// Whether a key tells subjects of one population apart, but not of two.
fn is_id(key: Option<&Part>) -> bool {
    let Some(ast) = key.map(|k| k.ast.as_ref()) else {
        return true;
    };
    let (mut id, mut more) = (false, false);
    if let Some(ast) = ast {
        names::mentioned(&ast.root, &mut |name| match name {
            "id" => id = true,
            _ => more = true,
        });
    }
    id && !more
}
