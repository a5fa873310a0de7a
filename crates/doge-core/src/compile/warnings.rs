//! What runs, but probably not as it was meant.

use crate::diag::{Diagnostic, Diagnostics, Severity, shown};
use crate::model::Model;
use crate::spec::Spec;

/// Warns of events that nothing emits, states that are never left or never entered, and a model in
/// which nothing is emitted at all.
pub(super) fn warn(spec: &Spec, model: &mut Model, diags: &mut Diagnostics) {
    let mut warn = |d: Diagnostic| {
        debug_assert!(d.severity == Severity::Warning);
        diags.push(d);
    };
    for (event, spec) in model.events.iter().zip(&spec.events) {
        if !event.emitted {
            let d = Diagnostic::warning(
                "W0601",
                spec.name.span,
                format!("nothing emits the event `{}`", shown(&event.name)),
            );
            warn(d.note("it is not checked, and makes no file, table or topic").help(format!(
                "write `emit: {}` in a transition, or remove it",
                shown(&event.name)
            )));
        }
    }
    for (population, spec) in model.populations.iter().zip(&spec.subjects) {
        let mut reached = vec![false; population.states.len()];
        let mut open = vec![population.initial];
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut reached[state], true) {
                open.extend(population.states[state].transitions.iter().map(|t| t.to));
            }
        }
        for ((state, spec), reached) in population.states.iter().zip(&spec.states).zip(reached) {
            let name = shown(&state.name);
            if !reached {
                let d = Diagnostic::warning(
                    "W0603",
                    spec.name.span,
                    format!("no subject ever comes into the state `{name}`"),
                );
                let initial = &population.states[population.initial].name;
                warn(
                    d.note(format!(
                        "no path of transitions leads from the initial state `{}` to it",
                        shown(initial)
                    ))
                    .help("add a transition to it, or remove it"),
                );
            } else if state.transitions.is_empty() {
                let d = Diagnostic::warning(
                    "W0602",
                    spec.name.span,
                    format!("the state `{name}` is final"),
                );
                warn(d.note("it has no transitions: a subject that comes here stays for good and emits nothing more"));
            }
        }
    }
    if !model.events.iter().any(|e| e.emitted) {
        let first = spec.subjects.first().map_or(spec.span, |p| p.name.span);
        let d = Diagnostic::warning("W0605", first, "the model emits nothing");
        warn(d.help("define events under `events`, and name them under `emit` in transitions"));
    }
}
