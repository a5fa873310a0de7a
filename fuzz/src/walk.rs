//! A small model around one expression, and what it must give by the plain tree walker.
//!
//! The model has one state and one transition that is attempted in every tick, so that no wait and no
//! choice is drawn, and the walk is a loop. The general reference engine is in the core's tests.

use crate::drive::{Outcome, Same, Seen};
use doge_core::batch::Position;
use doge_core::draw::{ScopeKey, StepKey};
use doge_core::expr::eval::{Scope, eval};
use doge_core::expr::func::EvalError;
use doge_core::expr::typed::TExpr;
use doge_core::model::Model;
use doge_core::value::Value;

/// Subjects of the model.
pub const COUNT: u64 = 3;
/// Its ticks.
pub const TICKS: u64 = 3;

/// Where the expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An attribute's initial value.
    Attribute,
    /// A `let`.
    Let,
    /// A transition's guard.
    When,
    /// The new value of an attribute, by index in [`ATTRIBUTES`].
    Set(usize),
    /// A field.
    Field,
    /// An event's guard.
    EventWhen,
    /// The message key.
    Key,
    /// The record's time.
    Time,
    /// A header.
    Header,
    /// A probability: the law is not walked, but it must not panic and not depend on windows.
    Probability,
}

/// The attributes of every model.
pub const ATTRIBUTES: [(&str, &str); 8] = [
    ("balance", "100 + id"),
    ("price", "2.5 * double(id)"),
    ("paid", "id % 2 == 0"),
    ("plan", "id == 0 ? 'free' : 'ż\\n'"),
    ("since", "timestamp('2022-02-11T03:21:48Z')"),
    ("stay", "duration('90s')"),
    ("last_login", "nullable(timestamp)"),
    ("score", "nullable(double)"),
];

impl Place {
    /// The place that a byte means.
    pub fn of(byte: u8) -> Place {
        match byte % 20 {
            0 | 10 => Place::Attribute,
            1 | 11 => Place::Let,
            2 => Place::When,
            n @ 12..20 => Place::Set(usize::from(n) - 12),
            4 => Place::EventWhen,
            5 => Place::Key,
            6 => Place::Time,
            7 => Place::Header,
            8 => Place::Probability,
            _ => Place::Field,
        }
    }
}

impl Place {
    /// The line of the model that holds the expression, without its end.
    pub fn line(self, scalar: &str) -> String {
        match self {
            Place::Attribute => format!("      x: {scalar}"),
            Place::Let => format!("              x: {scalar}"),
            Place::When => format!("            when: {scalar}"),
            Place::Set(i) => format!("              {}: {scalar}", ATTRIBUTES[i].0),
            Place::Field | Place::Header => format!("      x: {scalar}"),
            Place::EventWhen => format!("    when: {scalar}"),
            Place::Key => format!("    key: {scalar}"),
            Place::Time => format!("    timestamp: {scalar}"),
            Place::Probability => format!("            probability: {scalar}"),
        }
    }
}

/// A double-quoted YAML scalar that holds exactly this text.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", c as u32))
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The model with an expression at a place.
pub fn model(expr: &str, place: Place) -> String {
    let line = place.line(&quoted(expr)) + "\n";
    let at = |here: bool| if here { line.as_str() } else { "" };
    let is_set = matches!(place, Place::Set(_));
    let mut out = format!(
        "params: {{ rate: 0.5, city: Warsaw, n: 7, on: true }}\n\
         clock: {{ start: 2022-02-11T03:21:48Z, tick: 1m, ticks: {TICKS} }}\n\
         subjects:\n  user:\n    count: {COUNT}\n    attributes:\n"
    );
    for (name, init) in ATTRIBUTES {
        out += &format!("      {name}: {}\n", quoted(init));
    }
    out += at(place == Place::Attribute);
    out += "    states:\n      on:\n        transitions:\n          go:\n";
    out += if place == Place::Probability { &line } else { "            probability: 100%\n" };
    out += "            let:\n              payment: uniform(1, 50)\n";
    out += at(place == Place::Let);
    out += at(place == Place::When);
    out += "            set:\n";
    out += if is_set { &line } else { "              balance: balance + payment % 5\n" };
    out += "            emit: [e]\nevents:\n  e:\n";
    out += at(place == Place::EventWhen);
    out += at(place == Place::Key);
    out += at(place == Place::Time);
    if place == Place::Header {
        out += "    headers:\n";
        out += &line;
    }
    out += "    fields:\n      payment: payment\n      before: old.balance\n";
    for (name, _) in ATTRIBUTES {
        out += &format!("      {name}: {name}\n");
    }
    if matches!(place, Place::Attribute | Place::Let) {
        out += "      y: x\n      again: x\n";
    }
    out += at(place == Place::Field);
    out
}

/// What [`model`] gives, walked; not for [`Place::Probability`].
pub fn walk(model: &Model) -> Outcome {
    let mut outcome = Outcome::default();
    let population = &model.populations[0];
    let transition = &population.states[0].transitions[0];
    let emit = &transition.emits[0];
    let key = |id| ScopeKey::population(model.seed, &population.name).subject(id);
    let mut rows = Vec::new();
    for id in 0..COUNT {
        let mut row = Vec::new();
        for a in &population.attributes {
            match value(&a.init, &See { id, attrs: &row, ..See::at(key(id).step(0)) }) {
                Ok(v) => row.push(v),
                Err(e) => {
                    outcome.failure = Some(((None, 0, id, 0, 0), e.to_string()));
                    return outcome;
                }
            }
        }
        rows.push(row);
    }
    for tick in 0..TICKS {
        for id in 0..COUNT {
            let seq = tick + 1;
            let time_ms = model.clock.start_ms + tick as i64 * model.clock.tick_ms;
            let old = rows[id as usize].clone();
            let event_id = format!("{}/{id}/{seq}/0", population.name);
            let see =
                See { id, seq, time_ms, attrs: &old, old: &old, ..See::at(key(id).step(seq)) };
            let attempt = || -> Result<Option<(Vec<Value>, Vec<Same>)>, EvalError> {
                let mut lets = Vec::new();
                for l in &transition.lets {
                    lets.push(value(&l.expr, &See { lets: &lets, ..see })?);
                }
                let see = See { lets: &lets, ..see };
                if let Some(when) = &transition.when
                    && value(when, &see)? != Value::Bool(true)
                {
                    return Ok(None);
                }
                let mut new = old.clone();
                for (i, e) in &transition.set {
                    new[*i] = value(e, &see)?;
                }
                let see = See { attrs: &new, event_id: &event_id, ..see };
                let shown = |e: &TExpr| match value(e, &see)? {
                    Value::Double(d) if !d.is_finite() => Err(EvalError::NotFinite(d)),
                    v => Ok(Same::from(v)),
                };
                if let Some(when) = &emit.when
                    && value(when, &see)? != Value::Bool(true)
                {
                    return Ok(Some((new, Vec::new())));
                }
                let time = match &emit.timestamp {
                    Some(e) => shown(e)?,
                    None => Value::Timestamp(time_ms).into(),
                };
                let mut values = vec![shown(&emit.key)?, time];
                for e in emit.headers.iter().chain(&emit.fields) {
                    values.push(shown(e)?);
                }
                Ok(Some((new, values)))
            };
            match attempt() {
                Ok(None) => {}
                Ok(Some((new, values))) => {
                    rows[id as usize] = new;
                    if !values.is_empty() {
                        let position = Position { time_ms, population: 0, id, seq, pos: 0 };
                        outcome.events.push(Seen { position, site: 0, values });
                    }
                }
                Err(e) => {
                    outcome.failure = Some(((Some(tick), 0, id, seq, 0), e.to_string()));
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// What an expression sees.
#[derive(Clone, Copy)]
struct See<'a> {
    id: u64,
    seq: u64,
    time_ms: i64,
    attrs: &'a [Value],
    old: &'a [Value],
    lets: &'a [Value],
    event_id: &'a str,
    step: StepKey,
}

impl See<'_> {
    fn at(step: StepKey) -> Self {
        See { id: 0, seq: 0, time_ms: 0, attrs: &[], old: &[], lets: &[], event_id: "", step }
    }
}

fn value(e: &TExpr, see: &See) -> Result<Value, EvalError> {
    let mut scope = Scope {
        id: see.id as i64,
        seq: see.seq as i64,
        time_ms: see.time_ms,
        event_id: see.event_id,
        attrs: see.attrs,
        old: see.old,
        lets: see.lets,
        step: see.step,
        locals: Vec::new(),
    };
    let v = eval(e, &mut scope)?;
    let right = match &v {
        Value::Null => e.ty.nullable,
        v => base(v) == Some(e.ty.base),
    };
    assert!(right, "{v:?} is no {}", e.ty);
    Ok(v)
}

fn base(v: &Value) -> Option<doge_core::value::Base> {
    use doge_core::value::Base;
    Some(match v {
        Value::Int(_) => Base::Int,
        Value::Double(_) => Base::Double,
        Value::Bool(_) => Base::Bool,
        Value::String(_) => Base::String,
        Value::Timestamp(_) => Base::Timestamp,
        Value::Duration(_) => Base::Duration,
        Value::Null => return None,
    })
}
