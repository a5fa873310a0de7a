//! The encoder of messages: key, headers and value of each event, each by its own encoder.
//!
//! A value is JSON, Avro or Protobuf; a key is text, JSON or Avro; a header is text. With a schema
//! registry a value (and a key that is not plain text) begins with the number of its schema, as
//! Confluent's serialisers write it: a byte 0, then four bytes, the highest first.
//!
//! Not here: how a value becomes bytes (the formats), the numbers of schemas (the registry), topics and
//! partitions (sinks).

use super::avro::AvroEncoder;
use super::fetch::Nullness;
use super::plan::{Manner, What};
use super::protobuf::ProtobufEncoder;
use super::schema::{KeySchema, SchemaText, ValueSchema};
use super::text::{EncoderState, TextEncoder};
use super::{Message, MessageEncoder, Messages, MessagesMade, TextBlock};
use doge_core::batch::{Cell, Column, LOCAL_BITS, Layout, Run, SITE_BITS, Site};
use doge_core::model::Event;
use doge_core::value::Value;
use std::any::Any;
use std::path::Path;
use std::sync::Arc;

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueFormat {
    /// A JSON object, as in JSON lines.
    #[default]
    Json,
    /// An Avro datum.
    Avro,
    /// A Protobuf message.
    Protobuf,
}

impl ValueFormat {
    /// Its name in models.
    pub fn name(self) -> &'static str {
        match self {
            ValueFormat::Json => "json",
            ValueFormat::Avro => "avro",
            ValueFormat::Protobuf => "protobuf",
        }
    }
}

/// What keys are. A key that is null is no key, in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// The key's text, as `string()` makes it.
    #[default]
    String,
    /// JSON: a string in quotes, a number, ...
    Json,
    /// An Avro datum of a primitive type.
    Avro,
}

impl KeyFormat {
    /// Its name in models.
    pub fn name(self) -> &'static str {
        match self {
            KeyFormat::String => "string",
            KeyFormat::Json => "json",
            KeyFormat::Avro => "avro",
        }
    }
}

/// The numbers under which a registry knows the schemas of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaIds {
    /// The value's; `None`: no registry.
    pub value: Option<u32>,
    /// The key's; `None`: no registry, or keys that are plain text.
    pub key: Option<u32>,
}

/// How events become messages.
///
/// ```text
/// let mut spec = MessageSpec::new(ValueFormat::Avro, KeyFormat::String, "", events, folder)?;
/// for event in indexes {                              // where there is a registry
///     let value = registry.id(subject, spec.value_schema(event)?)?;
///     spec.set_ids(event, SchemaIds { value: Some(value), key: None });
/// }
/// let encoder = spec.encoder(&layout, &marks)?;
/// ```
#[derive(Clone, Debug)]
pub struct MessageSpec {
    value: ValueFormat,
    key: KeyFormat,
    /// By index of the event in the model.
    events: Vec<Option<EventSpec>>,
}

/// What is known of an event.
#[derive(Clone, Debug)]
struct EventSpec {
    value: ValueSchema,
    key: Option<KeySchema>,
    ids: SchemaIds,
}

impl MessageSpec {
    /// The messages of these events (with their indexes in the model). Schemas are derived from the
    /// fields, or read from the files that the events name, relative to `folder`. `namespace` is that of
    /// derived schemas: Avro's namespace, Protobuf's package; empty for none.
    ///
    /// # Errors
    /// All problems, a sentence each: of files of schemas, and of names that a schema language does not
    /// allow.
    pub fn new(
        value: ValueFormat,
        key: KeyFormat,
        namespace: &str,
        events: &[(usize, &Event)],
        folder: &Path,
    ) -> Result<MessageSpec, Vec<String>> {
        let mut spec = MessageSpec { value, key, events: Vec::new() };
        let mut problems = Vec::new();
        for (index, event) in events {
            if spec.events.len() <= *index {
                spec.events.resize(index + 1, None);
            }
            match ValueSchema::of(value, event, namespace, folder) {
                Ok(value) => {
                    let ids = SchemaIds::default();
                    spec.events[*index] =
                        Some(EventSpec { value, key: KeySchema::of(key, event), ids });
                }
                Err(all) => problems.extend(all),
            }
        }
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// The schema of an event's values, for a registry; `None` for an event that goes elsewhere.
    pub fn value_schema(&self, event: usize) -> Option<SchemaText<'_>> {
        self.event(event).map(|event| event.value.text())
    }

    /// The schema of an event's keys, for a registry; `None` for keys that are plain text.
    pub fn key_schema(&self, event: usize) -> Option<SchemaText<'_>> {
        self.event(event)?.key.as_ref().map(KeySchema::text)
    }

    /// Says under which numbers a registry knows an event's schemas: messages will begin with them.
    pub fn set_ids(&mut self, event: usize, ids: SchemaIds) {
        if let Some(Some(event)) = self.events.get_mut(event) {
            event.ids = ids;
        }
    }

    fn event(&self, event: usize) -> Option<&EventSpec> {
        self.events.get(event)?.as_ref()
    }

    /// The encoder for the events marked in `events`, which are among those of [`MessageSpec::new`].
    ///
    /// # Errors
    /// What cannot be carried, by type: a sentence for each event and field.
    pub fn encoder(
        &self,
        layout: &Arc<Layout>,
        events: &[bool],
    ) -> Result<Arc<dyn MessageEncoder>, Vec<String>> {
        let marked = |event: usize| self.event(event).filter(|_| events[event]);
        let value = match self.value {
            ValueFormat::Json => Part::text(layout, Manner::Json, |site| {
                events[site.event].then_some(What::JsonValue)
            }),
            ValueFormat::Avro => {
                Part::Avro(AvroEncoder::values(layout, |event| match &marked(event)?.value {
                    ValueSchema::Avro(schema) => Some(schema),
                    _ => None,
                })?)
            }
            ValueFormat::Protobuf => Part::Protobuf(ProtobufEncoder::values(layout, |event| {
                match &marked(event)?.value {
                    ValueSchema::Protobuf(schema) => Some(schema),
                    _ => None,
                }
            })?),
        };
        let key = match self.key {
            KeyFormat::String => Part::text(layout, Manner::Plain, |site| {
                events[site.event].then_some(What::Text(&site.key))
            }),
            KeyFormat::Json => Part::text(layout, Manner::Json, |site| {
                events[site.event].then_some(What::Json(&site.key))
            }),
            KeyFormat::Avro => {
                Part::Avro(AvroEncoder::keys(layout, |event| match &marked(event)?.key {
                    Some(KeySchema::Avro(schema)) => Some(schema),
                    _ => None,
                })?)
            }
        };
        let most = layout.sites.iter().filter(|s| events[s.event]).map(|s| s.headers.len()).max();
        let headers = (0..most.unwrap_or(0)).map(|n| {
            Part::text(layout, Manner::Plain, |site| {
                let column = site.headers.get(n).filter(|_| events[site.event]);
                column.map(What::Text)
            })
        });
        let site = |site: &Site| SitePlan {
            event: site.event as u32,
            population: site.population as u32,
            value: self.event(site.event).map_or_else(Vec::new, EventSpec::before_value),
            key: prefix(self.event(site.event).and_then(|event| event.ids.key)),
            key_null: Nullness::of(&site.key),
            headers: site.headers.iter().map(Nullness::of).collect(),
            time: Time::of(&site.time),
        };
        Ok(Arc::new(Encoder {
            value,
            key,
            headers: headers.collect(),
            sites: layout.sites.iter().map(|s| events[s.event].then(|| site(s))).collect(),
        }))
    }
}

impl EventSpec {
    /// What stands before a value.
    fn before_value(&self) -> Vec<u8> {
        let mut out = prefix(self.ids.value);
        if let (false, ValueSchema::Protobuf(schema)) = (out.is_empty(), &self.value) {
            out.extend(schema.message_index());
        }
        out
    }
}

/// What stands before a datum: nothing without a registry.
fn prefix(id: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(id) = id {
        out.push(0);
        out.extend_from_slice(&id.to_be_bytes());
    }
    out
}

#[derive(Debug)]
struct Encoder {
    value: Part,
    key: Part,
    /// By number of the header in its event.
    headers: Vec<Part>,
    /// By emit site; `None` where the event goes elsewhere.
    sites: Vec<Option<SitePlan>>,
}

/// What is known of an emit site.
#[derive(Debug)]
struct SitePlan {
    event: u32,
    population: u32,
    /// What stands before the value, and before the key.
    value: Vec<u8>,
    key: Vec<u8>,
    key_null: Nullness,
    headers: Vec<Nullness>,
    time: Time,
}

/// A record's time.
#[derive(Clone, Copy, Debug)]
enum Time {
    Order,
    Always(i64),
    Word(usize),
}

impl Time {
    fn of(column: &Column) -> Time {
        match &column.cell {
            Cell::Const(Value::Timestamp(ms)) => Time::Always(*ms),
            Cell::Slot(slot) => Time::Word(2 + *slot as usize),
            _ => Time::Order,
        }
    }

    #[inline]
    fn ms(self, time_ms: i64, words: &[u64]) -> i64 {
        match self {
            Time::Order => time_ms,
            Time::Always(ms) => ms,
            Time::Word(at) => words[at] as i64,
        }
    }
}

/// What makes the bytes of a value, of a key or of a header.
#[derive(Debug)]
enum Part {
    Text(TextEncoder),
    Avro(AvroEncoder),
    Protobuf(ProtobufEncoder),
}

impl Part {
    fn text(
        layout: &Arc<Layout>,
        manner: Manner,
        what: impl for<'s> Fn(&'s Site) -> Option<What<'s>>,
    ) -> Part {
        Part::Text(TextEncoder::of(layout.clone(), manner, what))
    }

    /// Appends its bytes of one record.
    ///
    /// # Errors
    /// The field that cannot hold its value, and why.
    #[inline]
    fn record(
        &self,
        state: &mut EncoderState,
        time_ms: i64,
        words: &[u64],
        out: &mut TextBlock,
    ) -> Result<(), String> {
        match self {
            Part::Text(encoder) => {
                encoder.record(state, time_ms, words, out);
                Ok(())
            }
            Part::Avro(encoder) => encoder.record(time_ms, words, out),
            Part::Protobuf(encoder) => encoder.record(time_ms, words, out),
        }
    }
}

/// What a thread needs.
#[derive(Debug, Default)]
struct State {
    value: EncoderState,
    key: EncoderState,
    headers: Vec<EncoderState>,
}

impl MessageEncoder for Encoder {
    fn state(&self) -> Box<dyn Any + Send> {
        let headers = self.headers.iter().map(|_| EncoderState::default()).collect();
        Box::new(State { headers, ..State::default() })
    }

    fn encode<'r>(
        &self,
        state: &mut dyn Any,
        layout: &Layout,
        run: Run<'r>,
        out: &mut Messages,
        most: usize,
    ) -> MessagesMade<'r> {
        let mut made = MessagesMade { rest: run.words, ..MessagesMade::default() };
        let Some(state) = state.downcast_mut::<State>() else {
            made.error = Some("the encoder was given another encoder's state".into());
            return made;
        };
        let mut left = most;
        while left > 0
            && let [head, second, ..] = made.rest
        {
            let words = made.rest;
            let after = &words[layout.record_len(words)..];
            let Some(site) = &self.sites[(head & ((1 << SITE_BITS) - 1)) as usize] else {
                made.rest = after;
                continue;
            };
            let start = out.bytes.len();
            match self.message(site, state, run.time_ms, words, layout, out) {
                Ok(message) => out.list.push(message),
                Err(error) => {
                    let event = &layout.events[site.event as usize].name;
                    out.bytes.truncate(start);
                    made.error = Some(format!("{event}.{error}"));
                    return made;
                }
            }
            made.last = Some((*head, *second));
            made.rest = after;
            left -= 1;
        }
        made
    }
}

impl Encoder {
    /// Makes the message of one record.
    #[inline]
    fn message(
        &self,
        site: &SitePlan,
        state: &mut State,
        time_ms: i64,
        words: &[u64],
        layout: &Layout,
        out: &mut Messages,
    ) -> Result<Message, String> {
        let bytes = &mut out.bytes;
        let start = bytes.len();
        let key = if site.key_null.is_null(words) {
            None
        } else {
            bytes.push_bytes(&site.key);
            self.key.record(&mut state.key, time_ms, words, bytes)?;
            Some(start..bytes.len())
        };
        let start = bytes.len();
        bytes.push_bytes(&site.value);
        self.value.record(&mut state.value, time_ms, words, bytes)?;
        let value = start..bytes.len();
        let first_header = out.headers.len();
        for (n, null) in site.headers.iter().enumerate() {
            let start = bytes.len();
            let header = if null.is_null(words) {
                None
            } else {
                self.headers[n].record(&mut state.headers[n], time_ms, words, bytes)?;
                Some(start..bytes.len())
            };
            out.headers.push(header);
        }
        let local = words[1] & ((1 << LOCAL_BITS) - 1);
        Ok(Message {
            event: site.event,
            key,
            value,
            headers: first_header..out.headers.len(),
            time_ms: site.time.ms(time_ms, words),
            subject: (site.population, layout.ids[site.population as usize].id(local)),
        })
    }
}

#[cfg(test)]
pub(in crate::format) mod tests;
