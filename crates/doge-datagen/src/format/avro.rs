//! Avro: schemas and data.
//!
//! A record in Avro is its values one after the other, so that a schema is a flat list of items: the
//! leaves of an event's fields, and between them bytes that never differ (the branch of a union, the
//! value of a field that the event does not have). From that list and from an emit site's columns a plan
//! is made, which writes a record without looking at a schema.
//!
//! [`AvroSchema::of_event`] derives a schema from the fields; `external` reads one of the user's own.
//!
//! Not here: container files, the numbers of schemas in a registry.

#[cfg(feature = "avro")]
mod external;
mod plan;

pub use plan::AvroEncoder;

use doge_core::model::{Event, Field};
use doge_core::value::{Base, Ty};
use std::collections::BTreeSet;

/// A schema, and how the values of an event fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroSchema {
    /// The schema as JSON, on one line; the same text for the same fields.
    pub text: String,
    /// The full name of a record; the type of a primitive schema.
    pub name: String,
    items: Vec<Item>,
}

/// A piece of a datum.
#[cfg_attr(not(feature = "avro"), expect(dead_code, reason = "for schemas of one's own"))]
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A leaf of the event's fields.
    Leaf {
        /// Its index.
        leaf: usize,
        /// Its type outside.
        outside: Outside,
        /// Where null is a value: the branch of null.
        null: Option<Vec<u8>>,
        /// The branch of a value; empty where there is no union.
        value: Vec<u8>,
    },
}

/// The types that values may have outside.
#[cfg_attr(not(feature = "avro"), expect(dead_code, reason = "for schemas of one's own"))]
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outside {
    /// 64 bits: ints, and milliseconds of timestamps.
    Long,
    /// 32 bits; a value beyond them is an error of the run.
    Int,
    /// Microseconds of a timestamp.
    Micros,
    Double,
    Boolean,
    String,
    /// The text of a duration.
    Duration,
    /// A text that is one of these; another one is an error of the run.
    Enum(Vec<String>),
}

impl Outside {
    /// What a type becomes where nobody says otherwise.
    fn of(base: Base) -> Outside {
        match base {
            Base::Int | Base::Timestamp => Outside::Long,
            Base::Double => Outside::Double,
            Base::Bool => Outside::Boolean,
            Base::String => Outside::String,
            Base::Duration => Outside::Duration,
        }
    }
}

/// The schema of a type that is not null, as JSON.
fn primitive(base: Base) -> &'static str {
    match base {
        Base::Int => "\"long\"",
        Base::Double => "\"double\"",
        Base::Bool => "\"boolean\"",
        Base::String | Base::Duration => "\"string\"",
        Base::Timestamp => r#"{"type":"long","logicalType":"timestamp-millis"}"#,
    }
}

/// Whether Avro takes it as a name.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl AvroSchema {
    /// The schema of an event's value: a record with the event's name, its fields in their order. An int
    /// is a `long`, a timestamp a `long` of `timestamp-millis`, a duration a `string`; what may be null is
    /// a union with null, null first and the default. A nested record is named by its path:
    /// `trx_user` for the field `user` of `trx`.
    ///
    /// `namespace` may be empty.
    ///
    /// # Errors
    /// A sentence for each name that Avro does not allow.
    ///
    /// ```
    /// use doge_core::model::{Event, Field, Leaf};
    /// use doge_core::value::{Base, Ty};
    /// use doge_datagen::format::avro::AvroSchema;
    /// let event = Event {
    ///     name: "trx".into(),
    ///     fields: vec![Field::Leaf("amount".into(), 0)],
    ///     leaves: vec![Leaf { column: "amount".into(), ty: Ty::nullable(Base::Int) }],
    ///     headers: Vec::new(),
    ///     key: Ty::of(Base::String),
    ///     schema: Vec::new(),
    ///     emitted: true,
    /// };
    /// let schema = AvroSchema::of_event(&event, "bank").unwrap();
    /// assert_eq!(schema.name, "bank.trx");
    /// assert_eq!(schema.text, r#"{"type":"record","name":"trx","namespace":"bank","fields":[{"name":"amount","type":["null","long"],"default":null}]}"#);
    /// ```
    pub fn of_event(event: &Event, namespace: &str) -> Result<AvroSchema, Vec<String>> {
        let mut make = Make {
            event,
            names: BTreeSet::new(),
            text: String::new(),
            items: Vec::new(),
            problems: Vec::new(),
        };
        if !namespace.is_empty() && !namespace.split('.').all(is_name) {
            make.problems.push(format!(
                "the namespace {namespace} is none in Avro: write names of letters, digits and `_` with dots between them"
            ));
        }
        make.record(&event.name, namespace, &event.fields);
        if !make.problems.is_empty() {
            return Err(make.problems);
        }
        let name = match namespace {
            "" => event.name.clone(),
            namespace => format!("{namespace}.{}", event.name),
        };
        Ok(AvroSchema { text: make.text, name, items: make.items })
    }

    /// The primitive schema of an event's key. A key that is null is no key, so null is not part of it.
    pub fn of_key(key: Ty) -> AvroSchema {
        AvroSchema {
            text: primitive(key.base).into(),
            name: primitive(key.base).trim_matches('"').into(),
            items: vec![Item::Leaf {
                leaf: 0,
                outside: Outside::of(key.base),
                null: None,
                value: Vec::new(),
            }],
        }
    }
}

/// A schema being derived.
struct Make<'a> {
    event: &'a Event,
    /// Names of records so far.
    names: BTreeSet<String>,
    text: String,
    items: Vec<Item>,
    problems: Vec<String>,
}

impl Make<'_> {
    fn record(&mut self, name: &str, namespace: &str, fields: &[Field]) {
        // Paths may run together: `a_b` of `c`, `a` of `b_c`.
        let mut unique = name.to_owned();
        let mut number = 2;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        self.check(name);
        self.text.push_str(&format!(r#"{{"type":"record","name":"{unique}","#));
        if !namespace.is_empty() {
            self.text.push_str(&format!(r#""namespace":"{namespace}","#));
        }
        self.text.push_str(r#""fields":["#);
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            match field {
                Field::Leaf(name, leaf) => {
                    self.check(name);
                    let ty = self.event.leaves[*leaf].ty;
                    let plain = primitive(ty.base);
                    self.text.push_str(&match ty.nullable {
                        true => {
                            format!(r#"{{"name":"{name}","type":["null",{plain}],"default":null}}"#)
                        }
                        false => format!(r#"{{"name":"{name}","type":{plain}}}"#),
                    });
                    self.items.push(Item::Leaf {
                        leaf: *leaf,
                        outside: Outside::of(ty.base),
                        // The numbers of branches are zigzag, too.
                        null: ty.nullable.then(|| vec![0]),
                        value: if ty.nullable { vec![2] } else { Vec::new() },
                    });
                }
                Field::Record(inner, fields) => {
                    self.check(inner);
                    self.text.push_str(&format!(r#"{{"name":"{inner}","type":"#));
                    self.record(&format!("{name}_{inner}"), "", fields);
                    self.text.push('}');
                }
            }
        }
        self.text.push_str("]}");
    }

    fn check(&mut self, name: &str) {
        if !is_name(name) {
            self.problems.push(format!(
                "Avro does not allow the name {name} (event {}): rename it to letters, digits and `_`, no digit first",
                self.event.name
            ));
        }
    }
}

#[cfg(all(test, feature = "avro"))]
mod tests;
