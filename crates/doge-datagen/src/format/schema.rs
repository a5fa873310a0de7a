//! The schemas of events: derived from the fields, or read from files of the user's own.
//!
//! Deliberately not here: what a schema says (the formats), where it is registered (the registry).

use super::avro::AvroSchema;
use super::protobuf::ProtobufSchema;
use super::record::{KeyFormat, ValueFormat};
use doge_core::diag::{Diagnostic, Diagnostics, shown};
use doge_core::model::{Event, Field, Model};
use doge_core::spec::Spec;
use doge_core::value::{Base, Ty};
use std::path::Path;

/// Code of the problems that this module reports of a model.
pub const CODE: &str = "E0720";

/// A schema language, by the name that registries have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `AVRO`
    Avro,
    /// `JSON`
    Json,
    /// `PROTOBUF`
    Protobuf,
}

impl Language {
    /// The name in a registry.
    pub fn name(self) -> &'static str {
        match self {
            Language::Avro => "AVRO",
            Language::Json => "JSON",
            Language::Protobuf => "PROTOBUF",
        }
    }
}

/// A schema as a registry is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaText<'a> {
    /// Its language.
    pub language: Language,
    /// Its text.
    pub text: &'a str,
    /// The full name of the record: what subjects are named by.
    pub record: &'a str,
}

/// What is wrong with a schema of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, with the field where there is one.
    pub message: String,
    /// The way out, where one can be named.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a way out.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), help: None }
    }

    /// Adds a way out.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// The schema of a value.
#[derive(Clone, Debug)]
pub(super) enum ValueSchema {
    Avro(AvroSchema),
    Json { text: String, name: String },
    Protobuf(ProtobufSchema),
}

/// The schema of a key.
#[derive(Clone, Debug)]
pub(super) enum KeySchema {
    Avro(AvroSchema),
    Json { text: String },
}

impl ValueSchema {
    /// The schema of an event's values: the event's own for this format, else derived from its fields.
    pub fn of(
        format: ValueFormat,
        event: &Event,
        namespace: &str,
        folder: &Path,
    ) -> Result<ValueSchema, Vec<String>> {
        let file = event.schema.iter().find(|(language, _)| language == format.name());
        if let Some((language, path)) = file {
            return own(language, path, event, folder)
                .map_err(|all| all.iter().map(|problem| format!("{path}: {problem}")).collect());
        }
        match format {
            ValueFormat::Json => {
                Ok(ValueSchema::Json { text: json_schema(event), name: event.name.clone() })
            }
            ValueFormat::Avro => AvroSchema::of_event(event, namespace).map(ValueSchema::Avro),
            ValueFormat::Protobuf => {
                ProtobufSchema::of_event(event, namespace).map(ValueSchema::Protobuf)
            }
        }
    }

    pub fn text(&self) -> SchemaText<'_> {
        let (language, text, record) = match self {
            ValueSchema::Avro(schema) => (Language::Avro, &schema.text, &schema.name),
            ValueSchema::Json { text, name } => (Language::Json, text, name),
            ValueSchema::Protobuf(schema) => (Language::Protobuf, &schema.text, &schema.name),
        };
        SchemaText { language, text, record }
    }
}

impl KeySchema {
    /// The schema of an event's keys; `None` for plain text.
    pub fn of(format: KeyFormat, event: &Event) -> Option<KeySchema> {
        match format {
            KeyFormat::String => None,
            KeyFormat::Avro => Some(KeySchema::Avro(AvroSchema::of_key(event.key))),
            KeyFormat::Json => Some(KeySchema::Json {
                text: format!(
                    r#"{{"$schema":"{DRAFT}",{}}}"#,
                    json_type(Ty::of(event.key.base)).trim_matches(['{', '}'])
                ),
            }),
        }
    }

    pub fn text(&self) -> SchemaText<'_> {
        match self {
            KeySchema::Avro(schema) => {
                SchemaText { language: Language::Avro, text: &schema.text, record: &schema.name }
            }
            KeySchema::Json { text } => {
                SchemaText { language: Language::Json, text, record: "key" }
            }
        }
    }
}

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The JSON schema of an event: all fields are there, and no others.
fn json_schema(event: &Event) -> String {
    let inside = json_record(event, &event.fields);
    format!(r#"{{"$schema":"{DRAFT}","title":"{}",{inside}}}"#, event.name)
}

fn json_record(event: &Event, fields: &[Field]) -> String {
    let (mut properties, mut required) = (Vec::new(), Vec::new());
    for field in fields {
        let (name, schema) = match field {
            Field::Leaf(name, leaf) => (name, json_type(event.leaves[*leaf].ty)),
            Field::Record(name, inner) => (name, format!("{{{}}}", json_record(event, inner))),
        };
        properties.push(format!(r#""{name}":{schema}"#));
        required.push(format!(r#""{name}""#));
    }
    format!(
        r#""type":"object","properties":{{{}}},"required":[{}],"additionalProperties":false"#,
        properties.join(","),
        required.join(",")
    )
}

fn json_type(ty: Ty) -> String {
    let (name, format) = match ty.base {
        Base::Int => ("integer", ""),
        Base::Double => ("number", ""),
        Base::Bool => ("boolean", ""),
        Base::String | Base::Duration => ("string", ""),
        Base::Timestamp => ("string", r#","format":"date-time""#),
    };
    match ty.nullable {
        true => format!(r#"{{"type":["{name}","null"]{format}}}"#),
        false => format!(r#"{{"type":"{name}"{format}}}"#),
    }
}

/// Schema files longer than this are refused.
#[cfg(any(feature = "avro", feature = "protobuf"))]
const MOST: u64 = 16 << 20;

/// Reads a schema file of the user's own and checks it against an event.
fn own(
    language: &str,
    path: &str,
    event: &Event,
    folder: &Path,
) -> Result<ValueSchema, Vec<Problem>> {
    let file = folder.join(path);
    match language {
        #[cfg(feature = "avro")]
        "avro" => AvroSchema::external(&read(&file)?, event).map(ValueSchema::Avro),
        #[cfg(feature = "protobuf")]
        "protobuf" => ProtobufSchema::external(&file, event).map(ValueSchema::Protobuf),
        other => {
            let (file, name) = (file.display(), &event.name);
            let message = format!("this build cannot read {file}, the {other} schema of {name}");
            Err(vec![Problem::new(message).help(format!("build with `--features {other}`"))])
        }
    }
}

#[cfg(any(feature = "avro", feature = "protobuf"))]
pub(super) fn read(file: &Path) -> Result<String, Vec<Problem>> {
    use std::io::Read;
    let fail =
        |reason: String| vec![Problem::new(format!("cannot read {}: {reason}", file.display()))];
    if file.is_dir() {
        return Err(fail("it is a folder".into()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(MOST + 1).read_to_end(&mut bytes))
        .map_err(|e| fail(crate::sink::io_reason(&e)))?;
    if bytes.len() as u64 > MOST {
        return Err(fail("it is longer than 16 MiB".into()));
    }
    String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8 text".into()))
}

/// Reads the schema files that events name (relative to `folder`) and checks them against the fields, by
/// name and type; all problems go to `diags`.
pub fn check(spec: &Spec, model: &Model, folder: &Path, diags: &mut Diagnostics) {
    for (spec, event) in spec.events.iter().zip(&model.events) {
        if !event.emitted {
            continue;
        }
        for (language, path) in &spec.schema {
            let Err(problems) = own(&language.value, &path.value, event, folder) else { continue };
            for problem in problems {
                let name = shown(&event.name);
                let message = format!("the schema of `{name}` does not fit: {}", problem.message);
                let d = Diagnostic::error(CODE, path.span, message);
                diags.push(match problem.help {
                    Some(help) => d.help(help),
                    None => d,
                });
            }
        }
    }
}
