//! Schemas of the user's own (`.avsc`), checked against an event's fields by name and type.
//!
//! What a schema may say is what holds every value exactly: a value is never rounded or cut. Where only
//! some values fit (an `int`, an `enum`), the others are errors of the run.

use super::{AvroSchema, Item, Outside};
use crate::format::fetch::zigzag;
use crate::format::schema::Problem;
use apache_avro::schema::{Name, RecordSchema, Schema, UuidSchema};
use doge_core::diag::{nearest, shown};
use doge_core::model::{Event, Field, Leaf};
use doge_core::value::Base;
use std::collections::BTreeMap;

impl AvroSchema {
    /// A schema as the text of an `.avsc` file, for the values of an event.
    ///
    /// # Errors
    /// All that is wrong with it, a sentence each: it is no schema, a field is missing on either side, a
    /// type cannot hold the field's.
    pub fn external(text: &str, event: &Event) -> Result<AvroSchema, Vec<Problem>> {
        let schema = Schema::parse_str(text).map_err(|e| vec![Problem::new(reason(&e))])?;
        let Schema::Record(record) = &schema else {
            let message = format!("it is {}, and an event is a record", article(&schema));
            return Err(vec![Problem::new(message)]);
        };
        let mut check = Check {
            leaves: &event.leaves,
            names: BTreeMap::new(),
            items: Vec::new(),
            problems: Vec::new(),
        };
        check.collect(&schema, 0);
        check.record(record, &event.fields, "", 0);
        if !check.problems.is_empty() {
            return Err(check.problems);
        }
        Ok(AvroSchema {
            text: text.trim().to_owned(),
            name: record.name.fullname(None),
            items: check.items,
        })
    }
}

/// What a library says, and what it was told by those below it.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = format!("it is no Avro schema: {error}");
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text
}

/// Records in records, at most.
const DEPTH: usize = 64;

struct Check<'a> {
    leaves: &'a [Leaf],
    /// Types by name, for references.
    names: BTreeMap<String, Schema>,
    items: Vec<Item>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    /// Finds the named types.
    fn collect(&mut self, schema: &Schema, depth: usize) {
        if depth > DEPTH {
            return;
        }
        let mut name = |name: &Name| self.names.insert(name.fullname(None), schema.clone());
        match schema {
            Schema::Record(record) => {
                name(&record.name);
                record.fields.iter().for_each(|field| self.collect(&field.schema, depth + 1));
            }
            Schema::Enum(e) => {
                name(&e.name);
            }
            Schema::Fixed(f) => {
                name(&f.name);
            }
            Schema::Union(union) => {
                union.variants().iter().for_each(|schema| self.collect(schema, depth + 1));
            }
            Schema::Array(array) => self.collect(&array.items, depth + 1),
            Schema::Map(map) => self.collect(&map.types, depth + 1),
            _ => {}
        }
    }

    /// A reference's type, or the type itself.
    fn resolve(&self, schema: &Schema) -> Schema {
        match schema {
            Schema::Ref { name } => {
                self.names.get(&name.fullname(None)).cloned().unwrap_or(Schema::Null)
            }
            other => other.clone(),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match self.items.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Item::Bytes(open)) => open.extend_from_slice(bytes),
            _ => self.items.push(Item::Bytes(bytes.to_vec())),
        }
    }

    fn record(&mut self, record: &RecordSchema, fields: &[Field], path: &str, depth: usize) {
        let name_of = |field: &Field| match field {
            Field::Leaf(name, _) | Field::Record(name, _) => name.clone(),
        };
        for outside in &record.fields {
            let full = format!("{path}{}", outside.name);
            let Some(field) = fields.iter().find(|field| name_of(field) == outside.name) else {
                let default = outside.default.as_ref();
                match default.map(|json| self.default(json, &outside.schema, 0)) {
                    Some(Some(bytes)) => self.bytes(&bytes),
                    Some(None) => self.problems.push(Problem::new(format!(
                        "the default of `{}` does not fit its type",
                        shown(&full)
                    ))),
                    None => self.problems.push(
                        Problem::new(format!(
                            "it has a field `{}` without a default, and the event has none of that name",
                            shown(&full)
                        ))
                        .help("add it to `fields`, or give it a default in the schema"),
                    ),
                }
                continue;
            };
            let schema = self.resolve(&outside.schema);
            match field {
                Field::Leaf(_, leaf) => self.leaf(&schema, *leaf, &full),
                Field::Record(_, inner) => {
                    let (branch, schema) = match &schema {
                        Schema::Union(union) => {
                            let all: Vec<_> =
                                union.variants().iter().map(|v| self.resolve(v)).collect();
                            let found = all.iter().position(|v| matches!(v, Schema::Record(_)));
                            match found {
                                Some(n) => (varint(n as i64), all[n].clone()),
                                None => (Vec::new(), schema.clone()),
                            }
                        }
                        _ => (Vec::new(), schema.clone()),
                    };
                    match &schema {
                        Schema::Record(record) if depth < DEPTH => {
                            self.bytes(&branch);
                            self.record(record, inner, &format!("{full}."), depth + 1);
                        }
                        other => self.problems.push(Problem::new(format!(
                            "`{}` is a nested record, not {}",
                            shown(&full),
                            article(other)
                        ))),
                    }
                }
            }
        }
        for field in fields {
            let name = name_of(field);
            if record.fields.iter().any(|f| f.name == name) {
                continue;
            }
            let names = record.fields.iter().map(|f| f.name.as_str());
            let way = match nearest(&name, names) {
                Some(near) => format!("did you mean `{}`?", shown(near)),
                None => "take it out of `fields`, or add it to the schema".to_owned(),
            };
            let message = format!("it has no field `{path}{name}`");
            self.problems.push(Problem::new(message).help(way));
        }
    }

    fn leaf(&mut self, schema: &Schema, leaf: usize, path: &str) {
        let ty = self.leaves[leaf].ty;
        let mut null = None;
        let mut found = None;
        match schema {
            Schema::Union(union) => {
                for (n, branch) in union.variants().iter().enumerate() {
                    let branch = self.resolve(branch);
                    match fits(&branch, ty.base) {
                        _ if matches!(branch, Schema::Null) => null = Some(varint(n as i64)),
                        Ok(outside) if found.is_none() => {
                            found = Some((outside, varint(n as i64)));
                        }
                        _ => {}
                    }
                }
            }
            other => {
                if let Ok(outside) = fits(other, ty.base) {
                    found = Some((outside, Vec::new()));
                }
            }
        }
        let Some((outside, value)) = found else {
            let way = match fits(schema, ty.base) {
                Err(way) => way,
                Ok(_) => expected(ty.base),
            };
            let a = if ty.base == Base::Int { "an" } else { "a" };
            let outside = article(schema);
            self.problems.push(
                Problem::new(format!(
                    "`{}` is {a} {} in the model and {outside} in the schema",
                    shown(path),
                    ty.base
                ))
                .help(way),
            );
            return;
        };
        if ty.nullable && null.is_none() {
            self.problems.push(
                Problem::new(format!(
                    "`{}` may be null, and the schema's {} may not",
                    shown(path),
                    kind(schema)
                ))
                .help("write `[\"null\", ...]` in the schema, or `coalesce(...)` in the model"),
            );
            return;
        }
        self.items.push(Item::Leaf { leaf, outside, null, value });
    }

    /// The bytes of a default; `None` where it does not fit.
    fn default(&self, json: &serde_json::Value, schema: &Schema, depth: usize) -> Option<Vec<u8>> {
        use serde_json::Value as J;
        if depth > DEPTH {
            return None;
        }
        let sized = |text: &[u8]| [&varint(text.len() as i64), text].concat();
        let schema = self.resolve(schema);
        match (&schema, json) {
            (Schema::Null, J::Null) => Some(Vec::new()),
            (Schema::Boolean, J::Bool(v)) => Some(vec![u8::from(*v)]),
            (Schema::Int | Schema::Date | Schema::TimeMillis, J::Number(v)) => {
                Some(varint(i64::from(i32::try_from(v.as_i64()?).ok()?)))
            }
            (
                Schema::Long
                | Schema::TimeMicros
                | Schema::TimestampMillis
                | Schema::TimestampMicros
                | Schema::TimestampNanos
                | Schema::LocalTimestampMillis
                | Schema::LocalTimestampMicros
                | Schema::LocalTimestampNanos,
                J::Number(v),
            ) => Some(varint(v.as_i64()?)),
            (Schema::Float, J::Number(v)) => Some((v.as_f64()? as f32).to_le_bytes().to_vec()),
            (Schema::Double, J::Number(v)) => Some(v.as_f64()?.to_le_bytes().to_vec()),
            (Schema::String | Schema::Uuid(UuidSchema::String), J::String(v)) => {
                Some(sized(v.as_bytes()))
            }
            // Bytes stand as the characters of their numbers.
            (Schema::Bytes, J::String(v)) => {
                let bytes: Option<Vec<u8>> = v.chars().map(|c| u8::try_from(c).ok()).collect();
                Some(sized(&bytes?))
            }
            (Schema::Enum(e), J::String(v)) => {
                Some(varint(e.symbols.iter().position(|symbol| symbol == v)? as i64))
            }
            (Schema::Array(array), J::Array(list)) => self.blocks(
                list.iter().map(|item| self.default(item, &array.items, depth + 1)),
                list.len(),
            ),
            (Schema::Map(map), J::Object(entries)) => self.blocks(
                entries.iter().map(|(key, item)| {
                    let item = self.default(item, &map.types, depth + 1)?;
                    Some([sized(key.as_bytes()), item].concat())
                }),
                entries.len(),
            ),
            (Schema::Record(record), J::Object(entries)) => {
                let mut out = Vec::new();
                for field in &record.fields {
                    let json = entries.get(&field.name).or(field.default.as_ref())?;
                    out.extend(self.default(json, &field.schema, depth + 1)?);
                }
                Some(out)
            }
            (Schema::Union(union), json) => {
                // The first that it fits: by the specification the first of all.
                union.variants().iter().enumerate().find_map(|(n, branch)| {
                    let value = self.default(json, branch, depth + 1)?;
                    Some([varint(n as i64), value].concat())
                })
            }
            _ => None,
        }
    }

    /// The items of an array or a map: one block and its end.
    fn blocks(&self, items: impl Iterator<Item = Option<Vec<u8>>>, len: usize) -> Option<Vec<u8>> {
        let mut out = if len > 0 { varint(len as i64) } else { Vec::new() };
        for item in items {
            out.extend(item?);
        }
        out.push(0);
        Some(out)
    }
}

fn varint(v: i64) -> Vec<u8> {
    let mut page = [0; 24];
    let end = crate::format::fetch::varint(&mut page, 0, zigzag(v));
    page[..end].to_vec()
}

/// How a type holds the values of another, or what to write instead.
fn fits(schema: &Schema, base: Base) -> Result<Outside, String> {
    Ok(match (base, schema) {
        (Base::Int, Schema::Long) => Outside::Long,
        (Base::Int, Schema::Int) => Outside::Int,
        (Base::Int, Schema::Float | Schema::Double) => {
            return Err("make it a long, or write `double(...)` in the model".into());
        }
        (Base::Double, Schema::Double) => Outside::Double,
        (Base::Double, Schema::Float) => {
            return Err("its 32 bits would round the values; make it a double".into());
        }
        (Base::Double, Schema::Int | Schema::Long) => {
            return Err("make it a double, or write `int(...)` in the model".into());
        }
        (Base::Bool, Schema::Boolean) => Outside::Boolean,
        (Base::String, Schema::String | Schema::Uuid(UuidSchema::String)) => Outside::String,
        (Base::String, Schema::Enum(e)) => Outside::Enum(e.symbols.clone()),
        (Base::Timestamp, Schema::TimestampMillis | Schema::Long) => Outside::Long,
        (Base::Timestamp, Schema::TimestampMicros) => Outside::Micros,
        (Base::Duration, Schema::String) => Outside::Duration,
        (Base::Int | Base::Double | Base::Bool | Base::Timestamp, Schema::String) => {
            return Err(format!("{}, or write `string(...)` in the model", expected(base)));
        }
        _ => return Err(expected(base)),
    })
}

fn expected(base: Base) -> String {
    let name = match base {
        Base::Int => "a long",
        Base::Double => "a double",
        Base::Bool => "a boolean",
        Base::String | Base::Duration => "a string",
        Base::Timestamp => "a long with the logical type timestamp-millis",
    };
    format!("make it {name}")
}

/// The name of a type.
fn kind(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int => "int",
        Schema::Long => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes => "bytes",
        Schema::String => "string",
        Schema::Array(_) => "array",
        Schema::Map(_) => "map",
        Schema::Union(_) => "union",
        Schema::Record(_) => "record",
        Schema::Enum(_) => "enum",
        Schema::Fixed(_) => "fixed",
        Schema::Decimal(_) | Schema::BigDecimal => "decimal",
        Schema::Uuid(_) => "uuid",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        Schema::Ref { .. } => "reference",
    }
}

/// A type with its article; of a union what is in it.
fn article(schema: &Schema) -> String {
    match schema {
        Schema::Null | Schema::Bytes => kind(schema).into(),
        Schema::Union(union) => {
            let names: Vec<_> = union.variants().iter().map(kind).collect();
            format!("a union of {}", names.join(", "))
        }
        Schema::Int | Schema::Array(_) | Schema::Enum(_) => format!("an {}", kind(schema)),
        _ => format!("a {}", kind(schema)),
    }
}
