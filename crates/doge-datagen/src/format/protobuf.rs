//! Protobuf: schemas and messages.
//!
//! A schema is a flat list of items: fields with the number and the type that they have outside, and
//! where a nested message begins and ends. From that list and from an emit site's columns a plan is
//! made, which writes a record without looking at a schema.
//!
//! [`ProtobufSchema::of_event`] derives a schema from the fields; `external` reads one of the user's own.

#[cfg(feature = "protobuf")]
mod external;
mod plan;

pub use plan::ProtobufEncoder;

use doge_core::model::{Event, Field};
use doge_core::value::Base;
use std::collections::{BTreeMap, BTreeSet};

/// A schema, and how the values of an event fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtobufSchema {
    /// The schema as the text of a `.proto` file; the same text for the same fields.
    pub text: String,
    /// The full name of the message.
    pub name: String,
    /// Where the message stands in its file: numbers of messages, from 0, from outside to inside.
    pub path: Vec<u32>,
    items: Vec<Item>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// A nested message begins: its field's number.
    Open(u32),
    /// It ends.
    Close,
    /// A leaf of the event's fields.
    Leaf {
        /// Its index.
        leaf: usize,
        /// The field's number.
        number: u32,
        /// Its type outside.
        outside: Outside,
        /// Whether a zero or an empty text is left out, as its absence says the same.
        implicit: bool,
    },
}

/// The types that values may have outside.
#[cfg_attr(not(feature = "protobuf"), expect(dead_code, reason = "for schemas of one's own"))]
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outside {
    /// `int64`
    Int64,
    /// `int32`; a value beyond it is an error of the run, as in all that cannot hold every value.
    Int32,
    /// `uint64`
    Uint64,
    /// `uint32`
    Uint32,
    /// `sint64`
    Sint64,
    /// `sint32`
    Sint32,
    /// `sfixed64`
    Sfixed64,
    Double,
    Bool,
    String,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// `google.protobuf.Duration`
    Duration,
    /// The text of a duration.
    DurationText,
    /// A text that is one of these names; its number.
    Enum(BTreeMap<String, i32>),
}

/// The type of a field where nobody says otherwise: in a `.proto` file, and its form.
fn derived(base: Base) -> (&'static str, Outside) {
    match base {
        Base::Int => ("int64", Outside::Int64),
        Base::Double => ("double", Outside::Double),
        Base::Bool => ("bool", Outside::Bool),
        Base::String => ("string", Outside::String),
        Base::Timestamp => ("google.protobuf.Timestamp", Outside::Timestamp),
        Base::Duration => ("google.protobuf.Duration", Outside::Duration),
    }
}

/// Whether Protobuf takes it as a name.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The name that a field has in Protobuf's JSON form: `_` left out, the letter behind it large.
fn json_name(name: &str) -> String {
    let mut out = String::new();
    let mut large = false;
    for c in name.chars() {
        if c == '_' {
            large = true;
        } else {
            out.push(if large { c.to_ascii_uppercase() } else { c });
            large = false;
        }
    }
    out
}

/// Field numbers that Protobuf keeps for itself.
const KEPT: std::ops::RangeInclusive<u32> = 19_000..=19_999;

impl ProtobufSchema {
    /// The schema of an event's value: a proto3 message with the event's name, its fields numbered from 1
    /// in their order. An int is an `int64`, a timestamp a `google.protobuf.Timestamp`, a duration a
    /// `google.protobuf.Duration`; what may be null is `optional` and absent where it is null. A nested
    /// record is a nested message, named by its path: `trx_user` for the field `user` of `trx`.
    ///
    /// `namespace` is the package; it may be empty.
    ///
    /// # Errors
    /// A sentence for each name that Protobuf does not allow.
    pub fn of_event(event: &Event, namespace: &str) -> Result<ProtobufSchema, Vec<String>> {
        let mut make = Make { event, text: String::new(), items: Vec::new(), problems: Vec::new() };
        if !namespace.is_empty() && !namespace.split('.').all(is_name) {
            make.problems.push(format!(
                "the package {namespace} is none in Protobuf: write names of letters, digits and `_` with dots between them"
            ));
        }
        make.text.push_str("syntax = \"proto3\";\n");
        if !namespace.is_empty() {
            make.text.push_str(&format!("package {namespace};\n"));
        }
        for (base, file) in [(Base::Duration, "duration"), (Base::Timestamp, "timestamp")] {
            if event.leaves.iter().any(|leaf| leaf.ty.base == base) {
                make.text.push_str(&format!("import \"google/protobuf/{file}.proto\";\n"));
            }
        }
        make.message(&event.name, &event.fields, 0);
        if !make.problems.is_empty() {
            return Err(make.problems);
        }
        let name = match namespace {
            "" => event.name.clone(),
            namespace => format!("{namespace}.{}", event.name),
        };
        Ok(ProtobufSchema { text: make.text, name, path: vec![0], items: make.items })
    }

    /// What Confluent's serialisers write between the number of the schema and the message: which message
    /// of the file it is.
    pub fn message_index(&self) -> Vec<u8> {
        // By far the most frequent one has a form of its own.
        if self.path == [0] {
            return vec![0];
        }
        let mut page = vec![0; 16 * (self.path.len() + 1)];
        let mut at = 0;
        let numbers = std::iter::once(self.path.len() as i64);
        for number in numbers.chain(self.path.iter().map(|n| i64::from(*n))) {
            at = super::fetch::varint(&mut page, at, super::fetch::zigzag(number));
        }
        page.truncate(at);
        page
    }
}

/// A schema being derived.
struct Make<'a> {
    event: &'a Event,
    text: String,
    items: Vec<Item>,
    problems: Vec<String>,
}

impl Make<'_> {
    fn message(&mut self, name: &str, fields: &[Field], depth: usize) {
        let indent = "  ".repeat(depth);
        self.check(name);
        self.text.push_str(&format!("{indent}message {name} {{\n"));
        // Messages and fields of one message share their names.
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut in_json: BTreeMap<String, &str> = BTreeMap::new();
        for field in fields {
            let (Field::Leaf(field, _) | Field::Record(field, _)) = field;
            names.insert(field.clone());
            if let Some(other) = in_json.insert(json_name(field), field) {
                self.problems.push(format!(
                    "Protobuf cannot tell the fields {other} and {field} of {name} apart, which are both {} in its JSON form: rename one",
                    json_name(field)
                ));
            }
        }
        let number = |n: usize| {
            let number = n as u32 + 1;
            if number < *KEPT.start() { number } else { number + 1_000 }
        };
        for (n, field) in fields.iter().enumerate() {
            let number = number(n);
            match field {
                Field::Leaf(field, leaf) => {
                    self.check(field);
                    let ty = self.event.leaves[*leaf].ty;
                    let (outside_name, outside) = derived(ty.base);
                    let optional = if ty.nullable { "optional " } else { "" };
                    self.text.push_str(&format!(
                        "{indent}  {optional}{outside_name} {field} = {number};\n"
                    ));
                    self.items.push(Item::Leaf {
                        leaf: *leaf,
                        number,
                        outside,
                        implicit: !ty.nullable,
                    });
                }
                Field::Record(field, inner) => {
                    self.check(field);
                    let mut inner_name = format!("{name}_{field}");
                    while !names.insert(inner_name.clone()) {
                        inner_name.push('_');
                    }
                    self.items.push(Item::Open(number));
                    self.message(&inner_name, inner, depth + 1);
                    self.items.push(Item::Close);
                    self.text.push_str(&format!("{indent}  {inner_name} {field} = {number};\n"));
                }
            }
        }
        self.text.push_str(&format!("{indent}}}\n"));
    }

    fn check(&mut self, name: &str) {
        if !is_name(name) {
            self.problems.push(format!(
                "Protobuf does not allow the name {name} (event {}): rename it to letters, digits and `_`, no digit first",
                self.event.name
            ));
        }
    }
}

#[cfg(all(test, feature = "protobuf"))]
mod tests;
