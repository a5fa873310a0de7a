//! A checked model: every name resolved, every expression typed. The result of `compile`.
//!
//! A model is immutable. It still holds names and typed trees; what the engine's inner loop reads is
//! made from it for one selection of events by [`crate::engine::Program`].

use crate::expr::typed::TExpr;
use crate::source::Source;
use crate::value::{Ty, Value};
use std::sync::Arc;

/// 100 percent in the units of [`Probability::Literal`].
pub const PERCENT_100: u64 = 100_000_000_000_000;

/// A checked model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// The text it came from, for run errors.
    pub source: Arc<Source>,
    /// What [`Model::digest`] returns.
    pub(crate) digest: u128,
    /// The seed of all draws.
    pub seed: u64,
    /// Parameters with their final values, in file order.
    pub params: Vec<(String, Value)>,
    /// Time.
    pub clock: Clock,
    /// Populations in file order.
    pub populations: Vec<Population>,
    /// Events in file order.
    pub events: Vec<Event>,
}

impl Model {
    /// A number that is equal for models that mean the same: it covers parameters (names and types),
    /// the tick, populations and events, their expressions as text. Not in it are sinks, descriptions,
    /// the length of the run, seed, start, counts and the values of parameters.
    pub fn digest(&self) -> u128 {
        self.digest
    }
}

/// Simulated time. Tick `k` is the instant `start_ms + k * tick_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The first instant, milliseconds since the epoch.
    pub start_ms: i64,
    /// The length of a tick in milliseconds, at least 1.
    pub tick_ms: i64,
    /// How many ticks the run has.
    pub ticks: u64,
}

/// A population of subjects that share attributes and states.
#[derive(Clone, Debug)]
pub struct Population {
    /// Its name.
    pub name: String,
    /// Its subjects have the ids `0..count`.
    pub count: u64,
    /// Attributes in file order.
    pub attributes: Vec<Attribute>,
    /// States in file order.
    pub states: Vec<State>,
    /// Index of the state in which subjects begin.
    pub initial: usize,
}

/// What a subject remembers.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Its initial value; may read `id` and the attributes before it. Type equals `ty` (wrapped in
    /// [`TKind::Widen`](crate::expr::typed::TKind::Widen) where needed).
    pub init: TExpr,
}

/// A state of a population.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Transitions out of it in file order; none: the state is final.
    pub transitions: Vec<Transition>,
    /// Draw site of the wait that follows an attempt in, or an entry into, this state.
    pub wait_site: u64,
    /// Draw site of the choice among the transitions.
    pub choice_site: u64,
}

/// How likely a transition is tried in a tick.
#[derive(Clone, Debug)]
pub enum Probability {
    /// Units of 1e-12 percent; see [`PERCENT_100`].
    Literal(u64),
    /// A double, in percent (ints are converted by [`Op::IntToDouble`](crate::expr::typed::Op)).
    Expr(TExpr),
}

/// A transition.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Its name.
    pub trigger: String,
    /// Index of the state it leads to; the state it leaves where `to` was not given.
    pub to: usize,
    /// How likely it is tried.
    pub probability: Probability,
    /// `let`s in file order; each may read those before it.
    pub lets: Vec<Let>,
    /// The guard, a bool.
    pub when: Option<TExpr>,
    /// Attribute index and new value (of the attribute's type), in file order; all read the old.
    pub set: Vec<(usize, TExpr)>,
    /// What it emits, in order; `pos` is the index here.
    pub emits: Vec<Emit>,
    /// Where `when` (or else the transition's name) stands in the source, for run errors.
    pub span: crate::source::Span,
}

/// A named value of a transition.
#[derive(Clone, Debug)]
pub struct Let {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Its value.
    pub expr: TExpr,
}

/// One event of a transition's `emit`, its expressions checked for that transition.
#[derive(Clone, Debug)]
pub struct Emit {
    /// Index of the event.
    pub event: usize,
    /// Suppresses the event where false.
    pub when: Option<TExpr>,
    /// The message key, a string... or whatever type the key expression has.
    pub key: TExpr,
    /// The record's time where it is not the event time, a timestamp.
    pub timestamp: Option<TExpr>,
    /// Header values, in the order of the event's headers.
    pub headers: Vec<TExpr>,
    /// Values of the leaves of the event's fields, depth first in file order.
    pub fields: Vec<TExpr>,
}

/// What an event looks like from outside.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its fields in file order.
    pub fields: Vec<Field>,
    /// Leaves of `fields`, depth first in file order.
    pub leaves: Vec<Leaf>,
    /// Headers in file order.
    pub headers: Vec<(String, Ty)>,
    /// Type of the key.
    pub key: Ty,
    /// Files of schemas of its own, by language (`avro`, `protobuf`), relative to the model's file.
    pub schema: Vec<(String, String)>,
    /// Whether a transition emits it. One that none emits has no types and goes nowhere.
    pub emitted: bool,
}

/// A field of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A value: its name and index in the event's leaves.
    Leaf(String, usize),
    /// A nested record.
    Record(String, Vec<Field>),
}

/// A value of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Name path joined by `_`: the column's name in tables and CSV.
    pub column: String,
    /// Its type: the widest over all emitters.
    pub ty: Ty,
}
