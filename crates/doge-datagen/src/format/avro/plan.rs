//! The plan by which the records of an emit site become Avro data.

use super::{AvroSchema, Item, Outside};
use crate::format::TextBlock;
use crate::format::fetch::{Fetch, Nullness, Text, View, Word, sized, varint, zigzag};
use crate::format::pen::Page;
use doge_core::batch::{Column, Layout, SITE_BITS, Site};
use doge_core::expr::func::{TextBuf, duration_text};
use doge_core::value::Value;
use std::sync::Arc;

/// Writes the values (or the keys) of an output's events as Avro data; immutable, shared by the
/// workers.
///
/// ```text
/// let encoder = AvroEncoder::values(layout, |event| schemas[event].as_ref())?;
/// encoder.record(run.time_ms, event.record(), &mut block)?; // appends one datum
/// ```
#[derive(Debug)]
pub struct AvroEncoder {
    layout: Arc<Layout>,
    /// By emit site; `None` where the event has no schema.
    plans: Vec<Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    steps: Vec<Step>,
    /// Bytes of a datum at most, without the record's own texts, with what is written beyond its end.
    most: usize,
}

/// Bytes that never differ, then a value.
#[derive(Debug)]
struct Step {
    bytes: Vec<u8>,
    piece: Piece,
}

#[derive(Debug)]
enum Piece {
    End,
    /// Where the value is null, the branch of null, and the next `skip` steps are passed over.
    OrNull {
        null: Nullness,
        bytes: Vec<u8>,
        skip: usize,
    },
    Long(Word),
    /// With the leaf, for an error.
    Int(Word, usize),
    Micros(Word),
    Double(Word),
    Boolean(Word),
    Duration(Word),
    Text(Text),
    Enum(Text, Vec<String>, usize),
}

/// Bytes of a varint at most.
const VARINT: usize = 10;
/// What is written beyond the end of a piece.
const BEYOND: usize = 40;

impl AvroEncoder {
    /// An encoder for the values of the events to which `schema` gives one.
    ///
    /// # Errors
    /// A sentence for each constant that its type outside cannot hold.
    pub fn values<'s>(
        layout: &Arc<Layout>,
        schema: impl Fn(usize) -> Option<&'s AvroSchema>,
    ) -> Result<AvroEncoder, Vec<String>> {
        Self::of(layout, schema, |site| &site.fields)
    }

    /// An encoder for the keys of the events to which `schema` gives one. It must not be asked for a key
    /// that is null.
    ///
    /// # Errors
    /// As [`AvroEncoder::values`].
    pub fn keys<'s>(
        layout: &Arc<Layout>,
        schema: impl Fn(usize) -> Option<&'s AvroSchema>,
    ) -> Result<AvroEncoder, Vec<String>> {
        Self::of(layout, schema, |site| std::slice::from_ref(&site.key))
    }

    fn of<'s>(
        layout: &Arc<Layout>,
        schema: impl Fn(usize) -> Option<&'s AvroSchema>,
        columns: impl Fn(&Site) -> &[Column],
    ) -> Result<AvroEncoder, Vec<String>> {
        let mut problems: Vec<String> = Vec::new();
        let plan = |site: &Site| {
            let schema = schema(site.event)?;
            let plan = Plan::new(layout, site, schema, columns(site));
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
        Ok(AvroEncoder { layout: layout.clone(), plans })
    }

    /// Appends the datum of the one record that `words` begin with, which happened at `time_ms`
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
        let end = plan.write(&record, page, at)?;
        out.set_len(end);
        Ok(())
    }
}

impl Plan {
    fn new(
        layout: &Layout,
        site: &Site,
        schema: &AvroSchema,
        columns: &[Column],
    ) -> Result<Plan, String> {
        let mut steps = Vec::new();
        let mut open = Vec::new();
        for item in &schema.items {
            let (leaf, outside, null, value) = match item {
                Item::Bytes(bytes) => {
                    open.extend_from_slice(bytes);
                    continue;
                }
                Item::Leaf { leaf, outside, null, value } => (*leaf, outside, null, value),
            };
            let column = &columns[leaf];
            let nullness = Nullness::of(column);
            match (nullness, null) {
                (Nullness::Always, null) => {
                    open.extend_from_slice(null.as_deref().unwrap_or_default());
                    continue;
                }
                (Nullness::Word(_), Some(bytes)) => steps.push(Step {
                    bytes: std::mem::take(&mut open),
                    piece: Piece::OrNull { null: nullness, bytes: bytes.clone(), skip: 1 },
                }),
                _ => {}
            }
            open.extend_from_slice(value);
            let piece = match (Fetch::of(layout, site, column), outside) {
                (Fetch::Const(constant), _) => {
                    let name = || layout.events[site.event].leaves.get(leaf);
                    write_constant(&constant, outside, &mut open).map_err(|why| {
                        format!("{}: {why}", name().map_or("key", |leaf| &leaf.column))
                    })?;
                    continue;
                }
                (Fetch::Text(text), Outside::Enum(symbols)) => {
                    Piece::Enum(text, symbols.clone(), leaf)
                }
                (Fetch::Text(text), _) => Piece::Text(text),
                (Fetch::Word(word), Outside::Int) => Piece::Int(word, leaf),
                (Fetch::Word(word), Outside::Micros) => Piece::Micros(word),
                (Fetch::Word(word), Outside::Double) => Piece::Double(word),
                (Fetch::Word(word), Outside::Boolean) => Piece::Boolean(word),
                (Fetch::Word(word), Outside::Duration) => Piece::Duration(word),
                (Fetch::Word(word), _) => Piece::Long(word),
            };
            steps.push(Step { bytes: std::mem::take(&mut open), piece });
        }
        steps.push(Step { bytes: open, piece: Piece::End });
        let room = |step: &Step| {
            step.bytes.len()
                + match &step.piece {
                    Piece::Text(text) => text.most() + VARINT,
                    Piece::OrNull { bytes, .. } => bytes.len(),
                    _ => BEYOND,
                }
        };
        let most = steps.iter().map(room).sum::<usize>() + BEYOND;
        Ok(Plan { steps, most })
    }

    /// Writes a record at `at`; where it ends.
    #[inline]
    fn write(&self, record: &View<'_>, page: &mut [u8], mut at: usize) -> Result<usize, String> {
        let mut steps = self.steps.iter();
        while let Some(step) = steps.next() {
            if !step.bytes.is_empty() {
                at = page.bytes(at, &step.bytes);
            }
            match &step.piece {
                Piece::End => break,
                Piece::OrNull { null, bytes, skip } => {
                    if null.is_null(record.words) {
                        at = page.bytes(at, bytes);
                        steps = steps.as_slice().get(*skip..).unwrap_or_default().iter();
                    }
                }
                Piece::Long(word) => at = varint(page, at, zigzag(word.get(record) as i64)),
                Piece::Int(word, leaf) => {
                    let value = word.get(record) as i64;
                    check_int(value).map_err(|why| field(record, *leaf, why))?;
                    at = varint(page, at, zigzag(value));
                }
                // Within the years 1..9999 there is room for them.
                Piece::Micros(word) => {
                    at = varint(page, at, zigzag(word.get(record) as i64 * 1000));
                }
                Piece::Double(word) => {
                    page.word(at, word.get(record));
                    at += 8;
                }
                Piece::Boolean(word) => {
                    page[at] = u8::from(word.get(record) != 0);
                    at += 1;
                }
                Piece::Duration(word) => {
                    let mut buffer = TextBuf::new();
                    let text = duration_text(word.get(record) as i64, &mut buffer);
                    at = varint(page, at, zigzag(text.len() as i64));
                    at = page.bytes(at, text.as_bytes());
                }
                Piece::Text(text) => at = sized(text, |n| zigzag(n as i64), record, page, at),
                Piece::Enum(text, symbols, leaf) => {
                    // Of a symbol's length at most; a longer text is none.
                    let end = match text {
                        Text::Slot(slot) => symbol(record.slot_text(*slot), symbols),
                        made => {
                            let mut bytes = vec![0; made.most()];
                            let end = made.write(record, &mut bytes, 0);
                            symbol(&bytes[..end], symbols)
                        }
                    };
                    let n = end.map_err(|why| field(record, *leaf, why))?;
                    at = varint(page, at, zigzag(n as i64));
                }
            }
        }
        Ok(at)
    }
}

/// An error of a field's value.
#[cold]
fn field(record: &View<'_>, leaf: usize, why: String) -> String {
    let event = &record.layout.events[record.site.event];
    format!("{}: {why}", event.leaves.get(leaf).map_or("key", |leaf| &leaf.column))
}

#[inline]
fn check_int(value: i64) -> Result<(), String> {
    if i32::try_from(value).is_ok() {
        return Ok(());
    }
    Err(format!("{value} does not fit the schema's int of 32 bits; make it a long"))
}

/// The number of a symbol.
fn symbol(text: &[u8], symbols: &[String]) -> Result<usize, String> {
    symbols.iter().position(|symbol| symbol.as_bytes() == text).ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        let text = doge_core::diag::shown(&text);
        format!("'{text}' is none of the symbols of the schema's enum: {}", symbols.join(", "))
    })
}

/// Appends a constant.
fn write_constant(value: &Value, outside: &Outside, out: &mut Vec<u8>) -> Result<(), String> {
    let mut long = |v: i64| {
        let mut page = [0; 24];
        let end = varint(&mut page, 0, zigzag(v));
        out.extend_from_slice(&page[..end]);
    };
    match (value, outside) {
        (Value::Int(v), Outside::Int) => {
            check_int(*v)?;
            long(*v);
        }
        (Value::Timestamp(v), Outside::Micros) => long(*v * 1000),
        (Value::Int(v) | Value::Timestamp(v), _) => long(*v),
        (Value::String(text), Outside::Enum(symbols)) => {
            long(symbol(text.as_bytes(), symbols)? as i64);
        }
        (Value::String(text), _) => {
            long(text.len() as i64);
            out.extend_from_slice(text.as_bytes());
        }
        (Value::Duration(v), _) => {
            let mut buffer = TextBuf::new();
            let text = duration_text(*v, &mut buffer);
            long(text.len() as i64);
            out.extend_from_slice(text.as_bytes());
        }
        (Value::Double(v), _) => out.extend_from_slice(&v.to_le_bytes()),
        (Value::Bool(v), _) => out.push(u8::from(*v)),
        (Value::Null, _) => {}
    }
    Ok(())
}
