//! `subjects`: populations, their attributes, states and transitions.

use super::{Reader, first_line, keys};
use crate::diag::{Diagnostic, shown};
use crate::source::Spanned;
use crate::spec::{
    Node, NodeKind, PopulationSpec, ProbabilitySpec, StateSpec, TransitionSpec, literal,
};

impl Reader<'_> {
    pub(super) fn subjects(&mut self, key: &Spanned<String>, node: &Node) -> Vec<PopulationSpec> {
        let entries = self.named(
            node,
            "`subjects`",
            "a population",
            "`subjects: { user: { count: 10, states: { ... } } }`",
        );
        if entries.is_empty() && node.as_mapping().is_some() {
            let d = Diagnostic::error("E0205", key.span, "`subjects` holds no population");
            self.diags.push(
                d.help("write who acts: `subjects: { user: { count: 10, states: { ... } } }`"),
            );
            self.incomplete = true;
        }
        entries.into_iter().filter_map(|(name, node)| self.population(name, node)).collect()
    }

    fn population(&mut self, name: Spanned<String>, node: &Node) -> Option<PopulationSpec> {
        let entries = self.mapping(
            node,
            "a population",
            "`count:` and `states:` on deeper lines below its name",
        )?;
        let level = self.keys(entries, &keys::POPULATION);
        let mut out = PopulationSpec {
            count: None,
            initial: None,
            attributes: Vec::new(),
            states: Vec::new(),
            name,
        };
        for (key, node) in &level.entries {
            match key.value.as_str() {
                "count" => {
                    let count =
                        self.literal(node, "`count`", "10", "E0213", literal::count).unwrap_or(1);
                    out.count = Some(Spanned::new(count, node.span));
                }
                "initial" => out.initial = self.text(node, "`initial`", "initial: offline"),
                "attributes" => {
                    out.attributes = self.exprs(
                        node,
                        "`attributes`",
                        "an attribute",
                        "`name: expression` on deeper lines",
                    )
                }
                _ => out.states = self.states(node),
            }
        }
        if !level.all_known && out.count.is_none() {
            out.count = Some(Spanned::new(1, out.name.span));
        }
        if !level.has("states") && level.all_known {
            let message = format!("the population `{}` has no `states`", shown(&out.name.value));
            self.missing(
                out.name.span,
                message,
                "write at least one: `states: { idle: { transitions: { ... } } }`",
            );
        }
        Some(out)
    }

    fn states(&mut self, node: &Node) -> Vec<StateSpec> {
        if let Some(items) = node.as_sequence() {
            return self.listed_states(node, items);
        }
        let entries = self.named(
            node,
            "`states`",
            "a state",
            "each state as `name:` with `transitions:` on deeper lines below it",
        );
        if entries.is_empty() && node.as_mapping().is_some() {
            self.missing(
                node.span,
                "`states` holds no state".into(),
                "write at least one: `idle: { transitions: { ... } }`",
            );
        }
        entries.into_iter().map(|(name, node)| self.state(name, node)).collect()
    }

    /// `states: [a, b]`, as other tools have it.
    fn listed_states(&mut self, node: &Node, items: &[Node]) -> Vec<StateSpec> {
        self.incomplete = true;
        let d = Diagnostic::error(
            "E0204",
            first_line(node.span, self.source),
            "`states` is a mapping, but this is a list",
        );
        let name = items.first().and_then(Node::as_text).unwrap_or("idle");
        self.diags.push(d.help(format!("write each state as `{}: {{ transitions: {{ ... }} }}`; one without transitions is `{{}}`", shown(name))));
        Vec::new()
    }

    fn state(&mut self, name: Spanned<String>, node: &Node) -> StateSpec {
        let mut out = StateSpec { name, transitions: Vec::new() };
        let Some(entries) = self.mapping(
            node,
            "a state",
            "`transitions:` on a deeper line below it, or `{}` for a state that is never left",
        ) else {
            return out;
        };
        let level = self.keys(entries, &keys::STATE);
        for (_, node) in &level.entries {
            let entries = self.named(
                node,
                "`transitions`",
                "a transition",
                "each transition as `name: { to: ..., probability: ... }`",
            );
            out.transitions
                .extend(entries.into_iter().map(|(name, node)| self.transition(name, node)));
        }
        out
    }

    fn transition(&mut self, trigger: Spanned<String>, node: &Node) -> TransitionSpec {
        let mut out = TransitionSpec {
            to: None,
            probability: None,
            lets: Vec::new(),
            when: None,
            set: Vec::new(),
            emit: Vec::new(),
            trigger,
        };
        let Some(entries) = self.mapping(node, "a transition", "`{ to: ..., probability: ... }`")
        else {
            return out;
        };
        let level = self.keys(entries, &keys::TRANSITION);
        for (key, node) in &level.entries {
            match key.value.as_str() {
                "to" => out.to = self.text(node, "`to`", "to: online"),
                "probability" => {
                    out.probability = self.probability(node).map(|p| Spanned::new(p, node.span))
                }
                "let" => {
                    out.lets = self.exprs(node, "`let`", "a `let`", "`let: { name: expression }`")
                }
                "when" => out.when = Some(self.expr(node, "when")),
                "set" => {
                    out.set = self.exprs(
                        node,
                        "`set`",
                        "an attribute",
                        "`set: { attribute: expression }`",
                    )
                }
                _ => out.emit = self.emit(node),
            }
        }
        if !level.has("probability") && level.all_known {
            let message =
                format!("the transition `{}` has no `probability`", shown(&out.trigger.value));
            self.missing(
                out.trigger.span,
                message,
                "say how likely it is in a tick: `probability: 5%`",
            );
        }
        out
    }

    fn emit(&mut self, node: &Node) -> Vec<Spanned<String>> {
        let example = "emit: [trx, balance]";
        match &node.kind {
            NodeKind::Sequence(items) => items
                .iter()
                .filter_map(|item| self.text(item, "an item of `emit`", example))
                .collect(),
            NodeKind::Scalar { text, .. } if text.contains(',') => {
                let d =
                    Diagnostic::error("E0204", node.span, "several events are written as a list");
                self.diags.push(d.help(format!("write `emit: [{}]`", shown(text))));
                Vec::new()
            }
            NodeKind::Mapping(_) => {
                let d = Diagnostic::error(
                    "E0204",
                    first_line(node.span, self.source),
                    "`emit` is a name or a list of names, but this is a mapping",
                );
                self.diags.push(d.help(format!(
                    "write `{example}`; what an event holds is said under `events`"
                )));
                Vec::new()
            }
            _ => self.text(node, "`emit`", example).into_iter().collect(),
        }
    }

    fn probability(&mut self, node: &Node) -> Option<ProbabilitySpec> {
        let Some(text) = node.as_text() else {
            self.text(node, "`probability`", "probability: 5%");
            return None;
        };
        if let Some(percent) = literal::percent(text.trim()) {
            return match percent {
                Ok(units) => Some(ProbabilitySpec::Literal(units)),
                Err(e) => {
                    self.diags.push(Diagnostic::error("E0216", node.span, e.message).help(e.help));
                    None
                }
            };
        }
        if literal::double(text).is_ok() {
            let d = Diagnostic::error(
                "E0217",
                node.span,
                format!("the probability `{}` has no `%`", shown(text)),
            );
            self.diags.push(d.help(bare_number(text)));
            return None;
        }
        let expr = self.expr(node, "probability");
        (!expr.text.is_empty()).then_some(ProbabilitySpec::Expr(expr))
    }
}

/// What a number without `%` may have meant.
fn bare_number(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = text.parse().unwrap_or(0.0);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if plain && value <= 1.0 {
        // Twice a multiplication by ten, on the text: no rounding.
        let padded = format!("{decimals:0<2}");
        let digits = format!("{whole}{}", &padded[..2]);
        let digits = digits.trim_start_matches('0');
        let whole = if digits.is_empty() { "0" } else { digits };
        let rest = padded[2..].trim_end_matches('0');
        let times_100 = if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") };
        let as_is = if text.starts_with('.') { format!("0{text}") } else { text.to_owned() };
        format!("write `{times_100}%` or `{as_is}%`")
    } else if plain && value <= 100.0 {
        format!("write `{text}%`")
    } else {
        "write digits and `%`, from `0%` to `100%`".into()
    }
}

#[cfg(test)]
mod tests {
    use super::bare_number;

    #[test]
    fn shifts_without_rounding() {
        for (text, help) in [
            ("0.5", "write `50%` or `0.5%`"),
            ("0.005", "write `0.5%` or `0.005%`"),
            ("1", "write `100%` or `1%`"),
            ("0", "write `0%` or `0%`"),
            (".25", "write `25%` or `0.25%`"),
            ("30", "write `30%`"),
            ("1e-3", "write digits and `%`, from `0%` to `100%`"),
        ] {
            assert_eq!(bare_number(text), help);
        }
    }
}
