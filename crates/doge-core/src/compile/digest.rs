//! The digest of a model: whether two files mean the same events.
//!
//! FNV-1a, 128 bits, over a canonical form of the spec: every part as a length and its bytes, in file
//! order. Left out are sinks, descriptions, the length of the run, and what the notes of a run hold
//! beside the digest: seed, start, counts and the values of parameters.

use crate::spec::{ExprSource, FieldSpec, FieldValueSpec, ProbabilitySpec, Spec};
use crate::value::Value;

/// Changes whenever the same model would give other events, and with the form hashed here.
const LAW: &str = "doge law 1";

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

struct Hash(u128);

impl Hash {
    fn byte(&mut self, b: u8) {
        self.0 = (self.0 ^ u128::from(b)).wrapping_mul(PRIME);
    }

    fn number(&mut self, n: u64) {
        n.to_le_bytes().into_iter().for_each(|b| self.byte(b));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        text.bytes().for_each(|b| self.byte(b));
    }

    fn expr(&mut self, expr: Option<&ExprSource>) {
        self.byte(u8::from(expr.is_some()));
        if let Some(expr) = expr {
            self.text(expr.text.trim());
        }
    }

    fn fields(&mut self, fields: &[FieldSpec]) {
        self.number(fields.len() as u64);
        for field in fields {
            self.text(&field.name.value);
            match &field.value {
                FieldValueSpec::Expr(expr) => self.expr(Some(expr)),
                FieldValueSpec::Record(fields) => {
                    self.byte(2);
                    self.fields(fields);
                }
            }
        }
    }
}

/// The digest of what a spec means.
pub(super) fn digest(spec: &Spec) -> u128 {
    let mut h = Hash(OFFSET);
    h.text(LAW);
    h.number(spec.params.len() as u64);
    for param in &spec.params {
        h.text(&param.name.value);
        h.byte(match param.value.value {
            Value::Int(_) => 1,
            Value::Double(_) => 2,
            Value::Bool(_) => 3,
            _ => 4,
        });
    }
    let tick = spec.clock.as_ref().and_then(|c| c.tick_ms.as_ref()).map_or(0, |t| t.value);
    h.number(tick as u64);
    h.number(spec.subjects.len() as u64);
    for population in &spec.subjects {
        h.text(&population.name.value);
        let first = population.states.first().map(|s| &s.name);
        h.text(population.initial.as_ref().or(first).map_or("", |n| &n.value));
        h.number(population.attributes.len() as u64);
        for (name, expr) in &population.attributes {
            h.text(&name.value);
            h.expr(Some(expr));
        }
        h.number(population.states.len() as u64);
        for state in &population.states {
            h.text(&state.name.value);
            h.number(state.transitions.len() as u64);
            for t in &state.transitions {
                h.text(&t.trigger.value);
                h.text(t.to.as_ref().map_or("", |n| &n.value));
                match t.probability.as_ref().map(|p| &p.value) {
                    Some(ProbabilitySpec::Literal(units)) => h.number(*units),
                    Some(ProbabilitySpec::Expr(expr)) => h.expr(Some(expr)),
                    None => h.byte(0),
                }
                for list in [&t.lets, &t.set] {
                    h.number(list.len() as u64);
                    for (name, expr) in list {
                        h.text(&name.value);
                        h.expr(Some(expr));
                    }
                }
                h.expr(t.when.as_ref());
                h.number(t.emit.len() as u64);
                t.emit.iter().for_each(|e| h.text(&e.value));
            }
        }
    }
    h.number(spec.events.len() as u64);
    for event in &spec.events {
        h.text(&event.name.value);
        h.expr(event.key.as_ref());
        h.expr(event.timestamp.as_ref());
        h.expr(event.when.as_ref());
        h.number(event.headers.len() as u64);
        for (name, expr) in &event.headers {
            h.text(&name.value);
            h.expr(Some(expr));
        }
        h.fields(&event.fields);
    }
    h.0
}

#[cfg(test)]
mod tests {
    const MODEL: &str = "seed: 1\nparams: {p: 1}\nclock: {start: 0, tick: 1s, ticks: 5}\nsubjects:\n  user:\n    count: 3\n    \
                         attributes: {x: 1}\n    states: {s: {transitions: {t: {probability: 5%, emit: e}}}}\nevents: {e: {fields: {x: x}}}\n";

    fn digest(text: &str) -> u128 {
        super::digest(&crate::spec::parse(text, "m").unwrap().0)
    }

    #[test]
    fn is_pinned() {
        // A change here makes every earlier run impossible to resume: a breaking change.
        assert_eq!(format!("{:032x}", digest(MODEL)), "8e337c6ce5b200db518771c33cab4a93");
    }

    #[test]
    fn sees_meaning_only() {
        let base = digest(MODEL);
        for (from, to) in [
            ("seed: 1", "seed: 2"),
            ("ticks: 5", "duration: 9s"),
            ("start: 0", "start: 7"),
            ("count: 3", "count: 4"),
            ("{p: 1}", "{p: 2}"),
            ("events:", "x-note: 1\nevents:"),
            ("{fields:", "{description: hello, fields:"),
            ("seed: 1", "sinks: {a: {stdout: {}}}\nseed: 1"),
            ("5%", "5.0%"),
        ] {
            assert_eq!(base, digest(&MODEL.replace(from, to)), "{to}");
        }
        for (from, to) in [
            ("{p: 1}", "{p: 1.0}"),
            ("tick: 1s", "tick: 2s"),
            ("5%", "6%"),
            ("x: x", "y: x"),
            ("x: 1}", "x: 2}"),
        ] {
            assert_ne!(base, digest(&MODEL.replace(from, to)), "{to}");
        }
    }
}
