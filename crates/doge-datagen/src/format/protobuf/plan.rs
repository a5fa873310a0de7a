//! The plan by which the records of an emit site become Protobuf messages.

use super::{Item, Outside, ProtobufSchema};
use crate::format::TextBlock;
use crate::format::fetch::{Fetch, Nullness, Text, View, Word, sized, varint, zigzag};
use crate::format::pen::Page;
use doge_core::batch::{Layout, SITE_BITS, Site};
use doge_core::expr::func::{TextBuf, duration_text};
use doge_core::value::{Base, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Writes the values of an output's events as Protobuf messages; immutable, shared by the workers.
#[derive(Debug)]
pub struct ProtobufEncoder {
    layout: Arc<Layout>,
    /// By emit site; `None` where the event has no schema.
    plans: Vec<Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    steps: Vec<Step>,
    /// Bytes of a message at most, without the record's own texts, with what is written beyond its end.
    most: usize,
}

#[derive(Debug)]
enum Step {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A nested message begins, behind its tag.
    Open(Tag),
    /// The innermost nested message ends.
    Close,
    /// A value; nothing where it is null.
    Value { tag: Tag, null: Nullness, implicit: bool, from: From, leaf: usize },
}

#[derive(Debug)]
enum From {
    Word(Word, Form),
    Text(Text),
    /// A text, by its number.
    Enum(Text, BTreeMap<String, i32>),
}

/// How a word is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Varint,
    Int32,
    Uint64,
    Uint32,
    Zigzag,
    Zigzag32,
    Eight,
    Bool,
    Timestamp,
    Duration,
    DurationText,
}

/// Number and wire type of a field: at most five bytes.
#[derive(Clone, Copy, Debug)]
struct Tag {
    bytes: u64,
    len: usize,
}

impl Tag {
    fn new(number: u32, wire: u64) -> Tag {
        let mut page = [0; 16];
        let len = varint(&mut page, 0, u64::from(number) << 3 | wire);
        let bytes = page.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        Tag { bytes, len }
    }

    #[inline]
    fn write(self, page: &mut [u8], at: usize) -> usize {
        page.word(at, self.bytes);
        at + self.len
    }
}

const VARINT: u64 = 0;
const EIGHT: u64 = 1;
const SIZED: u64 = 2;

impl Outside {
    fn wire(&self) -> u64 {
        match self {
            Outside::Double | Outside::Sfixed64 => EIGHT,
            Outside::String | Outside::DurationText | Outside::Timestamp | Outside::Duration => {
                SIZED
            }
            _ => VARINT,
        }
    }

    fn form(&self) -> Form {
        match self {
            Outside::Int64 | Outside::String | Outside::Enum(_) => Form::Varint,
            Outside::Int32 => Form::Int32,
            Outside::Uint64 => Form::Uint64,
            Outside::Uint32 => Form::Uint32,
            Outside::Sint64 => Form::Zigzag,
            Outside::Sint32 => Form::Zigzag32,
            Outside::Sfixed64 | Outside::Double => Form::Eight,
            Outside::Bool => Form::Bool,
            Outside::Timestamp => Form::Timestamp,
            Outside::Duration => Form::Duration,
            Outside::DurationText => Form::DurationText,
        }
    }
}

/// Bytes of any value but a text, with its tag and what is written beyond its end.
const ROOM: usize = 72;

impl ProtobufEncoder {
    /// An encoder for the values of the events to which `schema` gives one.
    ///
    /// # Errors
    /// A sentence for each constant that its type outside cannot hold.
    pub fn values<'s>(
        layout: &Arc<Layout>,
        schema: impl Fn(usize) -> Option<&'s ProtobufSchema>,
    ) -> Result<ProtobufEncoder, Vec<String>> {
        let mut problems: Vec<String> = Vec::new();
        let plan = |site: &Site| {
            let plan = Plan::new(layout, site, schema(site.event)?);
            plan.map_err(|problem| {
                let problem = format!("{}.{problem}", layout.events[site.event].name);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            })
            .ok()
        };
        let plans = layout.sites.iter().map(plan).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(ProtobufEncoder { layout: layout.clone(), plans })
    }

    /// Appends the message of the one record that `words` begin with, which happened at `time_ms`
    /// (nothing where its event has no schema).
    ///
    /// # Errors
    /// The field whose value its type outside cannot hold, and why; what was appended must be dropped.
    #[inline]
    pub fn record(&self, time_ms: i64, words: &[u64], out: &mut TextBlock) -> Result<(), String> {
        let site = (words[0] & ((1 << SITE_BITS) - 1)) as usize;
        let Some(plan) = &self.plans[site] else { return Ok(()) };
        let record = View::new(&self.layout, time_ms, words);
        let (at, page) = out.room(plan.most + record.text_bytes());
        let mut steps = plan.steps.iter();
        let end = write(&mut steps, &record, page, at)?;
        out.set_len(end);
        Ok(())
    }
}

impl Plan {
    fn new(layout: &Layout, site: &Site, schema: &ProtobufSchema) -> Result<Plan, String> {
        let mut steps: Vec<Step> = Vec::new();
        let mut most = ROOM;
        for item in &schema.items {
            let (leaf, number, outside, implicit) = match item {
                Item::Open(number) => {
                    steps.push(Step::Open(Tag::new(*number, SIZED)));
                    most += ROOM;
                    continue;
                }
                Item::Close => {
                    steps.push(Step::Close);
                    continue;
                }
                Item::Leaf { leaf, number, outside, implicit } => {
                    (*leaf, *number, outside, *implicit)
                }
            };
            let column = &site.fields[leaf];
            let null = Nullness::of(column);
            let tag = Tag::new(number, outside.wire());
            let name = &layout.events[site.event].leaves[leaf].column;
            let from = match Fetch::of(layout, site, column) {
                Fetch::Const(Value::Null) => continue,
                Fetch::Const(value) => {
                    let bytes = constant(&value, column.ty.base, outside, tag, implicit)
                        .map_err(|why| format!("{name}: {why}"))?;
                    most += bytes.len();
                    match steps.last_mut() {
                        Some(Step::Bytes(open)) => open.extend_from_slice(&bytes),
                        _ => steps.push(Step::Bytes(bytes)),
                    }
                    continue;
                }
                Fetch::Text(text) => {
                    most += text.most();
                    match outside {
                        Outside::Enum(names) => From::Enum(text, names.clone()),
                        _ => From::Text(text),
                    }
                }
                Fetch::Word(word) => From::Word(word, outside.form()),
            };
            most += ROOM;
            steps.push(Step::Value { tag, null, implicit, from, leaf });
        }
        Ok(Plan { steps, most })
    }
}

/// Writes what is left of a message at `at`; where it ends.
fn write(
    steps: &mut std::slice::Iter<'_, Step>,
    record: &View<'_>,
    page: &mut [u8],
    mut at: usize,
) -> Result<usize, String> {
    while let Some(step) = steps.next() {
        match step {
            Step::Bytes(bytes) => at = page.bytes(at, bytes),
            Step::Open(tag) => {
                // Room for a length below 128; a longer message moves.
                let start = tag.write(page, at) + 1;
                let end = write(steps, record, page, start)?;
                at = close(page, start, end);
            }
            Step::Close => return Ok(at),
            Step::Value { tag, null, implicit, from, leaf } => {
                if null.is_null(record.words) {
                    continue;
                }
                let written = match from {
                    From::Word(word, form) => {
                        let word = word.get(record);
                        if *implicit && is_zero(word, *form) {
                            continue;
                        }
                        let behind = tag.write(page, at);
                        number(word, *form, page, behind)
                    }
                    From::Text(Text::Slot(slot)) => {
                        let text = record.slot_text(*slot);
                        if *implicit && text.is_empty() {
                            continue;
                        }
                        let behind = tag.write(page, at);
                        let behind = varint(page, behind, text.len() as u64);
                        Ok(page.bytes(behind, text))
                    }
                    From::Text(made) => {
                        let behind = tag.write(page, at);
                        Ok(sized(made, |n| n as u64, record, page, behind))
                    }
                    From::Enum(text, names) => {
                        let found = match text {
                            Text::Slot(slot) => symbol(record.slot_text(*slot), names),
                            made => {
                                let mut bytes = vec![0; made.most()];
                                let end = made.write(record, &mut bytes, 0);
                                symbol(&bytes[..end], names)
                            }
                        };
                        match found {
                            Ok(0) if *implicit => continue,
                            Ok(n) => {
                                let behind = tag.write(page, at);
                                Ok(varint(page, behind, i64::from(n) as u64))
                            }
                            Err(why) => Err(why),
                        }
                    }
                };
                at = written.map_err(|why| {
                    let event = &record.layout.events[record.site.event];
                    format!("{}: {why}", event.leaves[*leaf].column)
                })?;
            }
        }
    }
    Ok(at)
}

/// Writes the length of a nested message that lies in `start..end`, into the byte before it; where it
/// ends then.
#[inline]
fn close(page: &mut [u8], start: usize, end: usize) -> usize {
    let len = end - start;
    if len < 0x80 {
        page[start - 1] = len as u8;
        return end;
    }
    let mut head = [0; 24];
    let more = varint(&mut head, 0, len as u64) - 1;
    page.copy_within(start..end, start + more);
    page[start - 1..start + more].copy_from_slice(&head[..=more]);
    end + more
}

#[inline]
fn is_zero(word: u64, form: Form) -> bool {
    match form {
        // Messages are there or not.
        Form::Timestamp | Form::Duration | Form::DurationText => false,
        // The bits, as it should be: -0.0 is not left out.
        _ => word == 0,
    }
}

/// Writes the value of a word.
#[inline]
fn number(word: u64, form: Form, page: &mut [u8], at: usize) -> Result<usize, String> {
    let v = word as i64;
    Ok(match form {
        Form::Varint => varint(page, at, word),
        Form::Zigzag => varint(page, at, zigzag(v)),
        Form::Int32 => {
            fit(i32::try_from(v).is_ok(), v, "int32")?;
            varint(page, at, word)
        }
        Form::Zigzag32 => {
            fit(i32::try_from(v).is_ok(), v, "sint32")?;
            varint(page, at, zigzag(v))
        }
        Form::Uint32 => {
            fit(u32::try_from(v).is_ok(), v, "uint32")?;
            varint(page, at, word)
        }
        Form::Uint64 => {
            fit(v >= 0, v, "uint64")?;
            varint(page, at, word)
        }
        Form::Eight => {
            page.word(at, word);
            at + 8
        }
        Form::Bool => {
            page[at] = u8::from(word != 0);
            at + 1
        }
        Form::Timestamp => seconds(page, at, v.div_euclid(1000), v.rem_euclid(1000) * 1_000_000),
        // Seconds and nanoseconds of a duration have one sign.
        Form::Duration => seconds(page, at, v / 1000, v % 1000 * 1_000_000),
        Form::DurationText => {
            let mut buffer = TextBuf::new();
            let text = duration_text(v, &mut buffer);
            let at = varint(page, at, text.len() as u64);
            page.bytes(at, text.as_bytes())
        }
    })
}

/// Writes a `Timestamp` or `Duration` with its length.
fn seconds(page: &mut [u8], at: usize, seconds: i64, nanos: i64) -> usize {
    let start = at + 1;
    let mut end = start;
    if seconds != 0 {
        page[end] = 1 << 3;
        end = varint(page, end + 1, seconds as u64);
    }
    if nanos != 0 {
        page[end] = 2 << 3;
        end = varint(page, end + 1, nanos as u64);
    }
    page[at] = (end - start) as u8;
    end
}

fn fit(fits: bool, value: i64, ty: &str) -> Result<(), String> {
    if fits {
        return Ok(());
    }
    Err(format!("{value} does not fit the schema's {ty}; make it an int64"))
}

/// The number of a name.
fn symbol(text: &[u8], names: &BTreeMap<String, i32>) -> Result<i32, String> {
    let found = std::str::from_utf8(text).ok().and_then(|text| names.get(text));
    found.copied().ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        let text = doge_core::diag::shown(&text);
        let all: Vec<_> = names.keys().map(String::as_str).collect();
        format!("'{text}' is none of the values of the schema's enum: {}", all.join(", "))
    })
}

/// The bytes of a constant, with its tag.
fn constant(
    value: &Value,
    base: Base,
    outside: &Outside,
    tag: Tag,
    implicit: bool,
) -> Result<Vec<u8>, String> {
    let text = match value {
        Value::String(text) => Some(text.as_str()),
        _ => None,
    };
    let mut page = vec![0; ROOM + text.map_or(0, str::len)];
    let behind = tag.write(&mut page, 0);
    let end = match (value, outside) {
        (Value::String(text), Outside::Enum(names)) => match symbol(text.as_bytes(), names)? {
            0 if implicit => 0,
            n => varint(&mut page, behind, i64::from(n) as u64),
        },
        (Value::String(text), _) if implicit && text.is_empty() => 0,
        (Value::String(text), _) => {
            let behind = varint(&mut page, behind, text.len() as u64);
            page.as_mut_slice().bytes(behind, text.as_bytes())
        }
        _ => {
            let word = match value {
                Value::Double(v) => v.to_bits(),
                Value::Bool(v) => u64::from(*v),
                Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => *v as u64,
                Value::String(_) | Value::Null => 0,
            };
            debug_assert!(base != Base::String);
            match implicit && is_zero(word, outside.form()) {
                true => 0,
                false => number(word, outside.form(), &mut page, behind)?,
            }
        }
    };
    page.truncate(end);
    Ok(page)
}
