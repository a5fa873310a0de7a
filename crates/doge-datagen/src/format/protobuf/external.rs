//! Schemas of the user's own (`.proto`), checked against an event's fields by name and type.
//!
//! What a schema may say is what holds every value exactly: a value is never rounded or cut. Where only
//! some values fit (an `int32`, an `enum`), the others are errors of the run.

use super::{Item, Outside, ProtobufSchema};
use crate::format::schema::{Problem, read};
use doge_core::diag::{nearest, shown};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::Base;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::path::Path;

impl ProtobufSchema {
    /// The schema of a `.proto` file, for the values of an event. Other files that it imports lie beside
    /// it. The message is the file's only one, or the one with the event's name, letter case and `_`
    /// aside.
    ///
    /// # Errors
    /// All that is wrong with it, a sentence each: it is no schema, a field is missing on either side, a
    /// type cannot hold the field's.
    pub fn external(file: &Path, event: &Event) -> Result<ProtobufSchema, Vec<Problem>> {
        let text = read(file)?;
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = file.file_name().unwrap_or_default();
        let broken = |e: protox::Error| {
            let mut text = e.to_string();
            let mut source = std::error::Error::source(&e);
            while let Some(inner) = source {
                let more = inner.to_string();
                if !text.contains(&more) {
                    text.push_str(": ");
                    text.push_str(&more);
                }
                source = inner.source();
            }
            vec![Problem::new(format!("it is no Protobuf schema: {text}"))]
        };
        let mut compiler = protox::Compiler::new([folder]).map_err(broken)?;
        compiler.include_imports(true).open_file(name).map_err(broken)?;
        let pool = compiler.descriptor_pool();
        let name = name.to_string_lossy();
        let messages: Vec<_> =
            pool.get_file_by_name(&name).map(|f| f.messages().collect()).unwrap_or_default();
        let message = choose(&messages, event)?;
        let mut check = Check { leaves: &event.leaves, items: Vec::new(), problems: Vec::new() };
        check.message(&message, &event.fields, "", 0);
        if !check.problems.is_empty() {
            return Err(check.problems);
        }
        let path = message.path();
        Ok(ProtobufSchema {
            text,
            name: message.full_name().to_owned(),
            // Field 4 of a file, and then field 3 of a message, hold messages: every second number.
            path: path.iter().skip(1).step_by(2).map(|n| *n as u32).collect(),
            items: check.items,
        })
    }
}

/// The message of the event.
fn choose(
    messages: &[MessageDescriptor],
    event: &Event,
) -> Result<MessageDescriptor, Vec<Problem>> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(&event.name);
    match messages {
        [] => Err(vec![Problem::new("it has no message")]),
        [only] => Ok(only.clone()),
        all => all.iter().find(|m| plain(m.name()) == wanted).cloned().ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|m| m.name().to_owned()).collect();
            vec![
                Problem::new(format!(
                    "it has the messages {}, and none is named as the event",
                    names.join(", ")
                ))
                .help(format!("name one `{}`", event.name)),
            ]
        }),
    }
}

/// Messages in messages, at most.
const DEPTH: usize = 64;

struct Check<'a> {
    leaves: &'a [Leaf],
    items: Vec<Item>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn message(&mut self, message: &MessageDescriptor, fields: &[Field], path: &str, depth: usize) {
        for field in fields {
            let (Field::Leaf(name, _) | Field::Record(name, _)) = field;
            let full = format!("{path}{name}");
            let Some(outside) = message.get_field_by_name(name) else {
                let all: Vec<_> = message.fields().map(|f| f.name().to_owned()).collect();
                let way = match nearest(name, all.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{}`?", shown(near)),
                    None => "take it out of `fields`, or add it to the schema".to_owned(),
                };
                self.problems.push(Problem::new(format!("it has no field `{full}`")).help(way));
                continue;
            };
            if outside.is_list() || outside.is_map() {
                self.problems.push(Problem::new(format!(
                    "`{full}` is one value in the model and {} in the schema",
                    if outside.is_map() { "a map" } else { "repeated" }
                )));
                continue;
            }
            if let Some(oneof) = outside.containing_oneof().filter(|o| !o.is_synthetic()) {
                self.problems.push(
                    Problem::new(format!(
                        "`{full}` belongs to the oneof `{}`, of which a message has one at most",
                        oneof.name()
                    ))
                    .help("take it out of the oneof"),
                );
                continue;
            }
            match field {
                Field::Leaf(_, leaf) => self.leaf(&outside, *leaf, &full),
                Field::Record(_, inner) => match outside.kind() {
                    Kind::Message(message) if depth < DEPTH && !outside.is_group() => {
                        self.items.push(Item::Open(outside.number()));
                        self.message(&message, inner, &format!("{full}."), depth + 1);
                        self.items.push(Item::Close);
                    }
                    other => self.problems.push(Problem::new(format!(
                        "`{full}` is a nested record in the model and {} in the schema",
                        name_of(&other)
                    ))),
                },
            }
        }
        for outside in message.fields().filter(FieldDescriptor::is_required) {
            let of = |field: &Field| {
                let (Field::Leaf(name, _) | Field::Record(name, _)) = field;
                name == outside.name()
            };
            if !fields.iter().any(of) {
                self.problems.push(
                    Problem::new(format!(
                        "it has a required field `{path}{}`, and the event has none of that name",
                        outside.name()
                    ))
                    .help("add it to `fields`, or make it optional in the schema"),
                );
            }
        }
    }

    fn leaf(&mut self, outside: &FieldDescriptor, leaf: usize, path: &str) {
        let ty = self.leaves[leaf].ty;
        let form = match fits(&outside.kind(), ty.base) {
            Ok(form) => form,
            Err(way) => {
                let a = if ty.base == Base::Int { "an" } else { "a" };
                self.problems.push(
                    Problem::new(format!(
                        "`{path}` is {a} {} in the model and {} in the schema",
                        ty.base,
                        name_of(&outside.kind())
                    ))
                    .help(way),
                );
                return;
            }
        };
        if ty.nullable && (!outside.supports_presence() || outside.is_required()) {
            self.problems.push(
                Problem::new(format!("`{path}` may be null, and the schema cannot leave it out"))
                    .help(
                        "make it `optional` in the schema, or write `coalesce(...)` in the model",
                    ),
            );
            return;
        }
        self.items.push(Item::Leaf {
            leaf,
            number: outside.number(),
            outside: form,
            implicit: !outside.supports_presence(),
        });
    }
}

/// How a type holds the values of another, or what to write instead.
fn fits(kind: &Kind, base: Base) -> Result<Outside, String> {
    Ok(match (base, kind) {
        (Base::Int | Base::Timestamp, Kind::Int64) => Outside::Int64,
        (Base::Int | Base::Timestamp, Kind::Sint64) => Outside::Sint64,
        (Base::Int | Base::Timestamp, Kind::Sfixed64) => Outside::Sfixed64,
        (Base::Int | Base::Timestamp, Kind::Uint64) => Outside::Uint64,
        (Base::Int, Kind::Int32) => Outside::Int32,
        (Base::Int, Kind::Sint32) => Outside::Sint32,
        (Base::Int, Kind::Uint32) => Outside::Uint32,
        (Base::Double, Kind::Double) => Outside::Double,
        (Base::Double, Kind::Float) => {
            return Err("its 32 bits would round the values; make it a double".into());
        }
        (Base::Bool, Kind::Bool) => Outside::Bool,
        (Base::String, Kind::String) => Outside::String,
        (Base::String, Kind::Enum(e)) => {
            Outside::Enum(e.values().map(|v| (v.name().to_owned(), v.number())).collect())
        }
        (Base::Timestamp, Kind::Message(m)) if m.full_name() == "google.protobuf.Timestamp" => {
            Outside::Timestamp
        }
        (Base::Duration, Kind::Message(m)) if m.full_name() == "google.protobuf.Duration" => {
            Outside::Duration
        }
        (Base::Duration, Kind::String) => Outside::DurationText,
        _ => return Err(format!("make it {}", super::derived(base).0)),
    })
}

/// The name of a type.
fn name_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => format!("the message {}", message.full_name()),
        Kind::Enum(e) => format!("the enum {}", e.full_name()),
        Kind::Double => "double".into(),
        Kind::Float => "float".into(),
        Kind::Int32 => "int32".into(),
        Kind::Int64 => "int64".into(),
        Kind::Uint32 => "uint32".into(),
        Kind::Uint64 => "uint64".into(),
        Kind::Sint32 => "sint32".into(),
        Kind::Sint64 => "sint64".into(),
        Kind::Fixed32 => "fixed32".into(),
        Kind::Fixed64 => "fixed64".into(),
        Kind::Sfixed32 => "sfixed32".into(),
        Kind::Sfixed64 => "sfixed64".into(),
        Kind::Bool => "bool".into(),
        Kind::String => "string".into(),
        Kind::Bytes => "bytes".into(),
    }
}
