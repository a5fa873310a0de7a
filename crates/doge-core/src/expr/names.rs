//! What an expression can see, by the place where it stands, and why it cannot see the rest.

use crate::value::{Ty, Value};

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An attribute's initial value.
    Attribute,
    /// A `probability`.
    Probability,
    /// A `let`.
    Let,
    /// A transition's `when`.
    When,
    /// The right side of a `set`.
    Set,
    /// Anything of an event: a field, `key`, `timestamp`, a header, `when`.
    Event,
}

/// A name that exists but is not visible.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The name.
    pub name: String,
    /// Why, a sentence without a full stop, such as "`b` is declared below".
    pub reason: String,
    /// The way out.
    pub help: String,
}

/// What an expression can see.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// Where it stands: this decides about `trigger`, `from`, `to`, `timestamp`, `seq`, `old`,
    /// `event_id` and random calls.
    pub place: Place,
    /// The population's name.
    pub population: &'a str,
    /// Parameters with their values.
    pub params: &'a [(String, Value)],
    /// Visible attributes with their types, in the population's order from the first (an attribute's
    /// own expression sees those above it: a prefix).
    pub attributes: &'a [(String, Ty)],
    /// Visible `let`s with their types, in the transition's order from the first.
    pub lets: &'a [(String, Ty)],
    /// The transition's name, the state it leaves and the one it leads to.
    pub trigger: &'a str,
    /// The state it leaves.
    pub from: &'a str,
    /// The state it leads to.
    pub to: &'a str,
    /// Names that exist but are not visible here: for what only the caller knows.
    pub hidden: &'a [Hidden],
    /// The path of names of this expression's draws, see [`crate::draw::call_site`].
    pub path: &'a [&'a str],
}

impl<'a> Env<'a> {
    /// An attribute's initial value, after `attributes`, at `["attributes", name]`.
    pub fn attribute(
        population: &'a str,
        params: &'a [(String, Value)],
        attributes: &'a [(String, Ty)],
        path: &'a [&'a str],
    ) -> Self {
        Env {
            place: Place::Attribute,
            population,
            params,
            attributes,
            lets: &[],
            trigger: "",
            from: "",
            to: "",
            hidden: &[],
            path,
        }
    }

    /// A probability.
    pub fn probability(
        population: &'a str,
        params: &'a [(String, Value)],
        attributes: &'a [(String, Ty)],
    ) -> Self {
        Env { place: Place::Probability, ..Self::attribute(population, params, attributes, &[]) }
    }

    /// The names that the language itself gives to this place, with their types' names.
    pub(super) fn sees(&self, name: &str) -> bool {
        match name {
            "id" | "population" => true,
            "trigger" | "from" | "to" | "timestamp" | "seq" => {
                !matches!(self.place, Place::Attribute | Place::Probability)
            }
            "event_id" | "old" => self.place == Place::Event,
            "params" => !self.params.is_empty(),
            _ => false,
        }
    }

    /// All names that can be written here.
    pub(super) fn visible(&self) -> impl Iterator<Item = &'a str> {
        const WORDS: [&str; 8] =
            ["id", "population", "trigger", "from", "to", "timestamp", "seq", "event_id"];
        let env = *self;
        let own = self.attributes.iter().chain(self.lets).map(|(n, _)| n.as_str());
        own.chain(WORDS.into_iter().filter(move |w| env.sees(w)))
    }

    /// Why a name of the language is not visible here, `None` for other names.
    pub(super) fn reason(&self, name: &str) -> Option<String> {
        let here = match self.place {
            Place::Attribute => "an attribute's initial value",
            Place::Probability => "`probability`",
            Place::Let => "`let`",
            Place::When => "`when`",
            Place::Set => "`set`",
            Place::Event => "an event",
        };
        let what = match name {
            "trigger" | "from" | "to" | "timestamp" | "seq" => "in transitions and events",
            "event_id" => "in events",
            "old" => "in events",
            "params" => return Some("the model has no `params`".to_owned()),
            _ => return None,
        };
        Some(format!("`{name}` exists only {what}, not in {here}"))
    }
}
