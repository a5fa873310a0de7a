//! What a model file says, with the place of every scalar: the result of [`parse`].
//!
//! Nothing is resolved here: names are text, expressions are source. Meaning is `compile`'s affair.
//! `sinks` stays a tree ([`Node`]) that the crate with the destinations checks.

pub mod literal;
pub mod node;
mod overrides;
mod parse;
mod yaml;

use crate::source::{Source, Span, Spanned};
use std::sync::Arc;

pub use node::{Entries, Keys, is_ignored, known_entries, unknown_key};
pub use overrides::Overrides;
pub(crate) use parse::parse_lossy;
pub use parse::{parse, parse_bytes};

/// A tree of YAML values in file order, each with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A scalar as text, whether it was quoted or a block.
    Scalar {
        /// The text after YAML's own unescaping.
        text: String,
        /// Not plain: quoted or a block scalar, so never a number, bool or null.
        quoted: bool,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in file order; keys are scalars and unique.
    Mapping(Vec<(Spanned<String>, Node)>),
    /// Could not be read; the problem was reported, and nothing more is to be said of it.
    Invalid,
}

/// The source text of one expression.
#[derive(Clone, Debug, PartialEq)]
pub struct ExprSource {
    /// The expression; empty only after an error was reported.
    pub text: String,
    /// The scalar that holds it.
    pub span: Span,
    /// For each byte of `text` (and one past its end) the offset in the source; empty where
    /// byte `i` simply stands at `span.start + i`.
    pub offsets: Vec<u32>,
}

impl ExprSource {
    /// The place in the file of a range of bytes of `text`.
    pub fn place(&self, range: std::ops::Range<usize>) -> Span {
        let at = |i: usize| match self.offsets.get(i) {
            Some(o) => *o as usize,
            None => self.span.start as usize + i,
        };
        if self.offsets.is_empty() || range.is_empty() {
            Span::new(at(range.start), at(range.end))
        } else {
            Span::new(at(range.start), at(range.end - 1) + 1)
        }
    }
}

/// A whole model file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The text it came from.
    pub source: Arc<Source>,
    /// `name`, or the file's name.
    pub name: String,
    /// `seed`; 0 where absent.
    pub seed: u64,
    /// `params` in file order.
    pub params: Vec<ParamSpec>,
    /// `clock`, where the file has it.
    pub clock: Option<ClockSpec>,
    /// `subjects` in file order.
    pub subjects: Vec<PopulationSpec>,
    /// `events` in file order.
    pub events: Vec<EventSpec>,
    /// `sinks`, unchecked; its place is that of the key.
    pub sinks: Option<Spanned<Node>>,
    /// The place of the whole document, for what is missing.
    pub span: Span,
}

/// One parameter: its literal gives the type (int, double, bool or string).
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value, after any override.
    pub value: Spanned<crate::value::Value>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// `ticks: N`.
    Ticks(u64),
    /// `duration: D`, milliseconds.
    Duration(i64),
    /// `end: INSTANT`, exclusive, milliseconds since the epoch.
    End(i64),
}

/// `clock`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockSpec {
    /// `start`, milliseconds since the epoch.
    pub start_ms: Option<Spanned<i64>>,
    /// `tick`, milliseconds.
    pub tick_ms: Option<Spanned<i64>>,
    /// Exactly one of `ticks`, `duration`, `end`.
    pub length: Option<Spanned<Length>>,
    /// A problem with it was reported; what is missing may be there, but wrong.
    pub broken: bool,
    /// The place of `clock`.
    pub span: Span,
}

/// One population.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// `count`.
    pub count: Option<Spanned<u64>>,
    /// `initial`; default the first state.
    pub initial: Option<Spanned<String>>,
    /// `attributes` in file order.
    pub attributes: Vec<(Spanned<String>, ExprSource)>,
    /// `states` in file order.
    pub states: Vec<StateSpec>,
}

/// One state.
#[derive(Clone, Debug, PartialEq)]
pub struct StateSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Its transitions in file order.
    pub transitions: Vec<TransitionSpec>,
}

/// The `probability` of a transition.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbabilitySpec {
    /// A literal `P%`, in units of 1e-12 percent (100% is 10^14).
    Literal(u64),
    /// An expression in percent.
    Expr(ExprSource),
}

/// One transition.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionSpec {
    /// Its name: the trigger.
    pub trigger: Spanned<String>,
    /// `to`; absent: the subject does not leave its state.
    pub to: Option<Spanned<String>>,
    /// `probability`; absent only after an error was reported.
    pub probability: Option<Spanned<ProbabilitySpec>>,
    /// `let` in file order.
    pub lets: Vec<(Spanned<String>, ExprSource)>,
    /// `when`.
    pub when: Option<ExprSource>,
    /// `set` in file order.
    pub set: Vec<(Spanned<String>, ExprSource)>,
    /// `emit`, a name or a list of names.
    pub emit: Vec<Spanned<String>>,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// `key`; default `string(id)`.
    pub key: Option<ExprSource>,
    /// `timestamp`; default the event time.
    pub timestamp: Option<ExprSource>,
    /// `when`.
    pub when: Option<ExprSource>,
    /// `headers` in file order.
    pub headers: Vec<(Spanned<String>, ExprSource)>,
    /// `fields` in file order.
    pub fields: Vec<FieldSpec>,
    /// `schema`: languages (`avro`, `protobuf`) and files, relative to the model's.
    pub schema: Vec<(Spanned<String>, Spanned<String>)>,
}

/// One field of an event: an expression, or a record of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// What it holds.
    pub value: FieldValueSpec,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValueSpec {
    /// A value.
    Expr(ExprSource),
    /// A nested record.
    Record(Vec<FieldSpec>),
}
