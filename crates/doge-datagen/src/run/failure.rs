//! What a person is told when an expression fails: where, for whom, with which values, and the command
//! that shows that one subject again.

use crate::error::ExpressionError;
use crate::spec::{Prepared, RunSpec, instant_text};
use doge_core::diag::{Diagnostic, Diagnostics};
use doge_core::engine::Failure;
use doge_core::expr::func::{EvalError, TextError};
use doge_core::model::{Population, Probability, State};
use doge_core::source::Span;
use doge_core::spec::Length;

/// Describes a failure.
pub fn describe(spec: &RunSpec, prepared: &Prepared, failure: &Failure) -> ExpressionError {
    let model = &prepared.model;
    let population = &model.populations[failure.population];
    let transitions =
        population.states.iter().flat_map(|s| s.transitions.iter().map(move |t| (s, t)));
    let attempted = failure.transition.and_then(|t| transitions.clone().nth(t));
    let place = match (attempted, failure.in_probability) {
        (Some((_, t)), Some(state)) => {
            format!(
                "a probability of state {}, evaluated after transition {}",
                population.states[state].name, t.trigger
            )
        }
        (Some((s, t)), None) => format!("transition {} of state {}", t.trigger, s.name),
        (None, _) if in_first_probability(population, failure) => {
            format!(
                "a probability of state {}, evaluated at creation",
                population.states[population.initial].name
            )
        }
        (None, _) if failure.seq == 0 => "an initial value".to_owned(),
        (None, _) => "a probability".to_owned(),
    };
    let name = &population.name;
    let message = format!("{} (in {place}, {name} {})", failure.error, failure.id);
    let span = failure.span.or_else(|| {
        // A sum belongs to no expression; the first of the state shows where to look.
        let state = match (failure.in_probability, failure.transition) {
            (Some(state), _) => state,
            (None, None) => population.initial,
            (None, Some(_)) => return None,
        };
        first_probability(&population.states[state])
    });
    let excerpt = span.map_or(String::new(), |span| {
        let mut list = Diagnostics::default();
        list.push(Diagnostic::error("E0900", span, ""));
        let shown = list.render(&prepared.source, false);
        // The message stands above already.
        let lines = shown
            .lines()
            .skip(1)
            .take_while(|l| !l.starts_with("error:") && !l.starts_with("warning:"));
        lines.filter(|l| !l.trim().is_empty()).map(|l| format!("{l}\n")).collect()
    });
    let mut notes = Vec::new();
    let when = match failure.tick {
        Some(tick) => {
            let at = model.clock.start_ms + tick as i64 * model.clock.tick_ms;
            format!("tick {tick} ({}), attempt {}", instant_text(at), failure.seq)
        }
        None => "at creation".to_owned(),
    };
    notes.push(format!("{name} {}, {when}, seed {}", failure.id, model.seed));
    if !failure.attributes.is_empty() {
        let values: Vec<String> =
            failure.attributes.iter().map(|(n, v)| format!("{n} = {v}")).collect();
        notes.push(format!("its attributes then: {}", values.join(", ")));
    }
    let help = vec![
        format!("this subject alone: {}", command(spec, prepared, failure)),
        way_out(failure).to_owned(),
    ];
    ExpressionError { message, excerpt, notes, help }
}

/// Where the first probability of a state that is an expression stands.
fn first_probability(state: &State) -> Option<Span> {
    state.transitions.iter().find_map(|t| match &t.probability {
        Probability::Expr(e) => Some(e.span),
        Probability::Literal(_) => None,
    })
}

/// Whether a failure at creation is one of the first state's probabilities.
fn in_first_probability(population: &Population, failure: &Failure) -> bool {
    let of_law = matches!(failure.error, EvalError::Probability(_) | EvalError::ProbabilitySum(_));
    let there = |span: Span| {
        population.states[population.initial].transitions.iter().any(|t| match &t.probability {
            Probability::Expr(e) => e.span.start <= span.start && span.end <= e.span.end,
            Probability::Literal(_) => false,
        })
    };
    failure.seq == 0 && (of_law || failure.span.is_some_and(there))
}

/// What can be done about a failure, by its kind.
fn way_out(failure: &Failure) -> &'static str {
    match &failure.error {
        EvalError::Text(TextError::Pattern, _) => {
            "write the pattern as a constant: then it is checked when the model is read"
        }
        EvalError::Text(TextError::Zone, _) => {
            "write the zone as a constant: then it is checked when the model is read"
        }
        EvalError::Text(..) => {
            "test the text before with `matches`, and take another value where it does not fit"
        }
        EvalError::TextTooLong(_) => {
            "keep the text short: start it anew where `size(text)` is large"
        }
        EvalError::Probability(_) => "keep it in its range with clamp(x, 0.0, 100.0)",
        EvalError::ProbabilitySum(_) => {
            "lower the probabilities of the state, or bound each with clamp(x, lowest, highest)"
        }
        _ if failure.transition.is_none() => {
            "keep the value in its range with clamp(x, lowest, highest)"
        }
        _ => {
            "guard the transition with `when`, or keep the value in its range with clamp(x, lowest, highest)"
        }
    }
}

/// The command that runs the one subject again up to the failure.
fn command(spec: &RunSpec, prepared: &Prepared, failure: &Failure) -> String {
    let name = &prepared.model.populations[failure.population].name;
    let mut out = format!(
        "doge run {} --subjects {name}:{} --to stdout",
        quoted(&spec.model.name),
        failure.id
    );
    let o = &spec.overrides;
    if let Some(seed) = o.seed {
        out.push_str(&format!(" --seed {seed}"));
    }
    for (name, value) in &o.params {
        out.push_str(&format!(" --param {}", quoted(&format!("{name}={value}"))));
    }
    for (population, count) in &o.counts {
        match population {
            Some(p) => out.push_str(&format!(" --count {p}={count}")),
            None => out.push_str(&format!(" --count {count}")),
        }
    }
    if let Some(start) = o.start_ms {
        out.push_str(&format!(" --start {}", instant_text(start)));
    }
    match o.length {
        Some(Length::Ticks(n)) => out.push_str(&format!(" --ticks {n}")),
        Some(Length::Duration(ms)) => out.push_str(&format!(" --duration {ms}ms")),
        Some(Length::End(ms)) => out.push_str(&format!(" --end {}", instant_text(ms))),
        None => {}
    }
    out
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
