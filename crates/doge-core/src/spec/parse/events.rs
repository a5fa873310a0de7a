//! `events`.

use super::{Reader, keys};
use crate::diag::{Diagnostic, shown};
use crate::source::Spanned;
use crate::spec::{EventSpec, FieldSpec, FieldValueSpec, Node, NodeKind};

impl Reader<'_> {
    pub(super) fn events(&mut self, node: &Node) -> Vec<EventSpec> {
        let entries = self.named(
            node,
            "`events`",
            "an event",
            "each event as `name:` with `fields:` on a deeper line below it",
        );
        entries.into_iter().filter_map(|(name, node)| self.event(name, node)).collect()
    }

    fn event(&mut self, name: Spanned<String>, node: &Node) -> Option<EventSpec> {
        let entries = self.mapping(
            node,
            "an event",
            "`fields: { name: expression }` on a deeper line below its name",
        )?;
        let level = self.keys(entries, &keys::EVENT);
        let mut out = EventSpec {
            key: None,
            timestamp: None,
            when: None,
            headers: Vec::new(),
            fields: Vec::new(),
            schema: Vec::new(),
            name,
        };
        for (key, node) in &level.entries {
            match key.value.as_str() {
                "key" => out.key = Some(self.expr(node, "key")),
                "timestamp" => out.timestamp = Some(self.expr(node, "timestamp")),
                "when" => out.when = Some(self.expr(node, "when")),
                "headers" => {
                    out.headers =
                        self.exprs(node, "`headers`", "a header", "`headers: { name: expression }`")
                }
                "schema" => out.schema = self.schema(node),
                _ => out.fields = self.fields(node, "`fields`"),
            }
        }
        if !level.has("fields") && level.all_known {
            let message = format!("the event `{}` has no `fields`", shown(&out.name.value));
            self.missing(
                out.name.span,
                message,
                "write what it holds: `fields: { user_id: id, timestamp: timestamp }`",
            );
        }
        Some(out)
    }

    /// The files of an event's own schemas, by language.
    fn schema(&mut self, node: &Node) -> Vec<(Spanned<String>, Spanned<String>)> {
        let example = match node.as_text() {
            Some(path) if path.ends_with(".proto") => format!("`{{ protobuf: {} }}`", shown(path)),
            Some(path) if path.ends_with(".avsc") => format!("`{{ avro: {} }}`", shown(path)),
            _ => "`{ avro: NAME.avsc }`".to_owned(),
        };
        let Some(entries) = self.mapping(node, "`schema`", &example) else {
            return Vec::new();
        };
        let level = self.keys(entries, &keys::SCHEMA);
        let entries = level.entries.into_iter();
        entries
            .filter_map(|(key, node)| {
                let example = format!("{}: FILE", key.value);
                let path = self.text(node, &format!("`{}`", key.value), &example)?;
                Some((key.clone(), path))
            })
            .collect()
    }

    fn fields(&mut self, node: &Node, what: &str) -> Vec<FieldSpec> {
        if let Some(items) = node.as_sequence() {
            self.incomplete = true;
            let d = Diagnostic::error(
                "E0204",
                super::first_line(node.span, self.source),
                format!("{what} is a mapping, but this is a list"),
            );
            let name = items.first().and_then(Node::as_text).unwrap_or("balance");
            self.diags.push(
                d.help(format!("write each field as `name: expression`: `{0}: {0}`", shown(name))),
            );
            return Vec::new();
        }
        let entries = self.named(node, what, "a field", "`name: expression` on deeper lines");
        if entries.is_empty() && node.as_mapping().is_some() {
            self.missing(
                node.span,
                format!("{what} holds no field"),
                "write at least one: `{ user_id: id }`",
            );
        }
        let field = |(name, node): (Spanned<String>, &Node)| {
            let value = match &node.kind {
                NodeKind::Mapping(_) => FieldValueSpec::Record(self.fields(node, "a record")),
                NodeKind::Sequence(_) => {
                    let d = Diagnostic::error(
                        "E0202",
                        super::first_line(node.span, self.source),
                        "lists as fields are not supported yet",
                    );
                    self.diags.push(d.help("write a field for each value, or a nested record: `{ first: a, second: b }`"));
                    let hole = crate::spec::ExprSource {
                        text: String::new(),
                        span: node.span,
                        offsets: Vec::new(),
                    };
                    FieldValueSpec::Expr(hole)
                }
                _ => FieldValueSpec::Expr(self.expr(node, &name.value)),
            };
            FieldSpec { name, value }
        };
        entries.into_iter().map(field).collect()
    }
}
