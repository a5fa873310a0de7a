//! Every key of the language, level by level: what is known, what is kept for later, and what people
//! write who come from elsewhere.

use crate::spec::Keys;

const TIMING: &str = "today the timing of a transition is `probability: P%`, tried in every tick";

pub(super) const TOP: Keys = Keys {
    what: "a model",
    known: &["doge", "name", "seed", "params", "clock", "subjects", "events", "sinks"],
    later: &[
        ("profiles", "today a probability is the same at all times"),
        ("delivery", "today every event arrives in order, once"),
        ("patterns", ""),
        ("expect", ""),
        ("tables", "today values come from expressions, such as `choice(['Warsaw', 'Berlin'])`"),
    ],
    instead: &[
        ("version", "write `doge: 1`"),
        ("population", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("populations", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("users", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("user", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("entities", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("agents", "populations are listed under `subjects`: `subjects: { user: ... }`"),
        ("states", "states belong to a population: `subjects: { user: { states: ... } }`"),
        (
            "attributes",
            "attributes belong to a population: `subjects: { user: { attributes: ... } }`",
        ),
        ("transitions", "transitions belong to a state of a population, under `subjects`"),
        ("count", "a count belongs to a population: `subjects: { user: { count: 10 } }`"),
        ("output", "destinations are listed under `sinks`"),
        ("outputs", "destinations are listed under `sinks`"),
        ("destinations", "destinations are listed under `sinks`"),
        ("parameters", "write `params`"),
        ("variables", "constants are `params`; what a subject remembers are its `attributes`"),
        ("constants", "write `params`"),
        ("time", "write `clock`"),
        ("start", "it belongs under `clock`: `clock: { start: ..., tick: ..., ticks: ... }`"),
        ("tick", "it belongs under `clock`: `clock: { start: ..., tick: ..., ticks: ... }`"),
        ("ticks", "it belongs under `clock`: `clock: { start: ..., tick: ..., ticks: ... }`"),
        ("duration", "it belongs under `clock`: `clock: { start: ..., tick: ..., duration: ... }`"),
        ("end", "it belongs under `clock`: `clock: { start: ..., tick: ..., end: ... }`"),
    ],
};

pub(super) const CLOCK: Keys = Keys {
    what: "`clock`",
    known: &["start", "tick", "ticks", "duration", "end"],
    later: &[
        ("warmup", "today subjects begin in their initial state at `start`"),
        ("timezone", "today `start` and `end` carry their zone: `2022-02-11T03:21:48+01:00`"),
    ],
    instead: &[
        ("step", "write `tick: 1m`"),
        ("interval", "write `tick: 1m`"),
        ("steps", "write `ticks: 1000`"),
        ("length", "write one of `ticks: N`, `duration: D`, `end: INSTANT`"),
        ("until", "write `end: INSTANT`"),
        ("stop", "write `end: INSTANT`"),
        ("to", "write `end: INSTANT`"),
        ("from", "write `start: INSTANT`"),
        ("begin", "write `start: INSTANT`"),
    ],
};

pub(super) const POPULATION: Keys = Keys {
    what: "a population",
    known: &["count", "initial", "attributes", "states"],
    later: &[
        ("arrive", "today all subjects are there from `start` on: write `count: N`"),
        ("of", "today populations are independent of each other"),
        ("max", ""),
        ("timezone", "today times are UTC"),
        (
            "transitions",
            "today transitions belong to states: `states: { online: { transitions: ... } }`",
        ),
        ("created", "today nothing is emitted when a subject is created"),
    ],
    instead: &[
        ("size", "write `count`"),
        ("number", "write `count`"),
        ("n", "write `count`"),
        ("amount", "write `count`"),
        ("initial_state", "write `initial`"),
        ("start", "write `initial`"),
        ("state", "write `initial: NAME` for the first state, `states` for the list of them"),
        ("attrs", "write `attributes`"),
        ("properties", "write `attributes`"),
        ("fields", "write `attributes`; fields belong to events"),
        ("variables", "write `attributes`"),
        ("seed", "a model has one `seed`, at its top level"),
    ],
};

pub(super) const STATE: Keys = Keys {
    what: "a state",
    known: &["transitions"],
    later: &[
        ("dwell", "today the time in a state follows from the probabilities of its transitions"),
        ("profile", "today a probability is the same at all times"),
    ],
    instead: &[
        (
            "to",
            "a transition has a name and stands under `transitions`: `transitions: { leave: { to: ..., probability: ... } }`",
        ),
        (
            "probability",
            "a transition has a name and stands under `transitions`: `transitions: { leave: { to: ..., probability: ... } }`",
        ),
        (
            "emit",
            "a transition has a name and stands under `transitions`: `transitions: { leave: { to: ..., probability: ... } }`",
        ),
        ("edges", "write `transitions`"),
        ("actions", "write `transitions`"),
        ("triggers", "write `transitions`"),
        ("on", "write `transitions`"),
        ("initial", "the population names its first state: `initial: NAME` beside `states`"),
    ],
};

pub(super) const TRANSITION: Keys = Keys {
    what: "a transition",
    known: &["to", "probability", "let", "when", "set", "emit"],
    later: &[
        ("rate", TIMING),
        ("after", TIMING),
        ("weight", TIMING),
        ("at", TIMING),
        ("when_signal", TIMING),
        ("profile", "today a probability is the same at all times"),
        ("spread", "today a transition happens in one instant"),
        ("spawn", "today all subjects are there from `start` on"),
        ("send", "today populations are independent of each other"),
        ("from", "today a transition stands under the state it leaves"),
    ],
    instead: &[
        ("chance", "write `probability: 5%`"),
        ("prob", "write `probability: 5%`"),
        ("p", "write `probability: 5%`"),
        ("guard", "write `when`"),
        ("condition", "write `when`"),
        ("if", "write `when`"),
        ("target", "write `to`"),
        ("goto", "write `to`"),
        ("next", "write `to`"),
        ("to_state", "write `to`"),
        ("event", "write `emit: NAME` or `emit: [a, b]`"),
        ("events", "write `emit: [a, b]`"),
        ("sends", "write `emit: [a, b]`"),
        ("action", "write `set: { attribute: expression }`"),
        ("actions", "write `set: { attribute: expression }`"),
        ("do", "write `set: { attribute: expression }`"),
        ("update", "write `set: { attribute: expression }`"),
        ("assign", "write `set: { attribute: expression }`"),
        ("variables", "write `let`"),
        ("vars", "write `let`"),
        ("name", "a transition's name is its key: `login: { to: ..., probability: ... }`"),
        ("trigger", "a transition's name is its key: `login: { to: ..., probability: ... }`"),
    ],
};

pub(super) const EVENT: Keys = Keys {
    what: "an event",
    known: &["key", "timestamp", "when", "headers", "fields", "schema"],
    later: &[("as", "today every event is appended"), ("row", "today every event is appended")],
    instead: &[
        ("columns", "write `fields`"),
        ("payload", "write `fields`"),
        ("value", "write `fields`"),
        ("values", "write `fields`"),
        ("data", "write `fields`"),
        ("body", "write `fields`"),
        ("schemas", "write `schema: { avro: NAME.avsc }`"),
        ("avro", "write `schema: { avro: NAME.avsc }`"),
        ("protobuf", "write `schema: { protobuf: NAME.proto }`"),
        ("ts", "write `timestamp`"),
        ("time", "write `timestamp`"),
        ("if", "write `when`"),
        ("condition", "write `when`"),
        ("topic", "where events go is said under `sinks`"),
        ("table", "where events go is said under `sinks`"),
        ("path", "where events go is said under `sinks`"),
        ("file", "where events go is said under `sinks`"),
        ("format", "where events go is said under `sinks`"),
        ("sink", "where events go is said under `sinks`"),
    ],
};

pub(super) const SCHEMA: Keys = Keys {
    what: "`schema`",
    known: &["avro", "protobuf"],
    later: &[("json", "today the JSON schema is derived from the fields")],
    instead: &[
        ("avsc", "write `avro: NAME.avsc`"),
        ("proto", "write `protobuf: NAME.proto`"),
        ("file", "the key is the language: `avro: NAME.avsc` or `protobuf: NAME.proto`"),
        ("path", "the key is the language: `avro: NAME.avsc` or `protobuf: NAME.proto`"),
        ("type", "the key is the language: `avro: NAME.avsc` or `protobuf: NAME.proto`"),
    ],
};
