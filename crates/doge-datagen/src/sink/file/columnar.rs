//! Parquet files and Arrow IPC files.
//!
//! Events become Arrow record batches (*blocks*), and these go to the writer of the format. Where a
//! block and a row group end is a function of the events alone:
//!
//! - a block ends at 65,536 rows, fewer where there are many columns, or with the event whose record
//!   fills 16 MiB;
//! - a row group (Parquet) ends with the block that reaches 1,048,576 rows or 128 MiB of Arrow memory.
//!
//! A row group is encoded while its blocks come, and stays in memory, compressed, until it is whole.
//!
//! Types: see "What a value looks like outside" in the reference. Parquet has no duration: there a
//! duration is a 64-bit integer of milliseconds, and the Arrow schema in the file's metadata tells those
//! who read it (pyarrow, polars) that it is one.

use super::body::{Body, Events, Put, pieces};
use crate::sink::SinkError;
use arrow_array::{
    ArrayRef, BooleanArray, DurationMillisecondArray, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use doge_core::columns::{ColumnData, ColumnReader, Columns, Strings, Values};
use doge_core::model::{self, Event};
use doge_core::value::Base;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// Rows of a block at most.
const BLOCK_ROWS: u64 = 1 << 16;
/// Values of a block at most.
const BLOCK_VALUES: u64 = 1 << 20;
/// Bytes of records that end a block.
const BLOCK_BYTES: u64 = 16 << 20;
/// Rows that end a row group.
const GROUP_ROWS: u64 = 1 << 20;
/// Bytes of Arrow memory that end a row group.
const GROUP_BYTES: u64 = 128 << 20;

/// A columnar format.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Parquet, compressed inside.
    Parquet(Compression),
    /// An Arrow IPC file, also called Feather.
    Arrow,
}

/// The writer of a file. Writes to memory that is emptied after each call.
enum Writer {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<FileWriter<Vec<u8>>>),
}

/// Files of one event.
pub struct Columnar {
    kind: Kind,
    /// Index of the event in the model.
    event: usize,
    fields: Vec<model::Field>,
    schema: SchemaRef,
    /// Made with the first events, which bring what their words mean.
    reader: Option<ColumnReader>,
    columns: Columns,
    writer: Option<Writer>,
    block_rows: u64,
    /// Whether records can be of any length.
    texts: bool,
    /// Bytes of the records in the block.
    block_bytes: u64,
    group_rows: u64,
    group_bytes: u64,
    events: u64,
}

impl Columnar {
    /// A body for files of this event, which has this index in the model.
    ///
    /// # Errors
    /// The format cannot hold such an event.
    pub fn new(kind: Kind, index: usize, event: &Event) -> Result<Columnar, String> {
        if matches!(kind, Kind::Parquet(_)) && has_empty(&event.fields) {
            return Err(format!(
                "Parquet has no record without fields, and the event `{}` has one\n\
                 give it a field, or write to `.jsonl`",
                event.name
            ));
        }
        let leaves = event.leaves.len().max(1) as u64;
        Ok(Columnar {
            kind,
            event: index,
            fields: event.fields.clone(),
            schema: Arc::new(Schema::new(fields_of(event, &event.fields))),
            reader: None,
            columns: Columns::default(),
            writer: None,
            block_rows: 1 << (BLOCK_VALUES / leaves).clamp(1 << 10, BLOCK_ROWS).ilog2(),
            texts: event.leaves.iter().any(|l| l.ty.base == Base::String),
            block_bytes: 0,
            group_rows: 0,
            group_bytes: 0,
            events: 0,
        })
    }

    /// Rows that the block may still take.
    fn room(&self) -> u64 {
        self.block_rows - self.columns.len() as u64
    }

    /// Hands the block to the writer.
    fn block(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        let rows = self.columns.len();
        if rows == 0 {
            return Ok(());
        }
        let mut bytes = 0;
        let mut arrays = Vec::with_capacity(self.columns.fields.len());
        for data in &mut self.columns.fields {
            arrays.push(array(data, &mut bytes)?);
        }
        self.columns.clear();
        self.block_bytes = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = nest(&self.fields, self.schema.fields(), &arrays);
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|e| failed(&e))?;
        self.group_rows += rows as u64;
        self.group_bytes += bytes;
        self.events += rows as u64;
        match &mut self.writer {
            Some(Writer::Parquet(writer)) => {
                writer.write(&batch).map_err(|e| failed(&e))?;
                if self.group_rows >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
                    writer.flush().map_err(|e| failed(&e))?;
                    (self.group_rows, self.group_bytes) = (0, 0);
                }
            }
            Some(Writer::Arrow(writer)) => {
                writer.write(&batch).map_err(|e| failed(&e))?;
            }
            None => return Err(SinkError::new("a file takes events that was not begun")),
        }
        self.hand_out(0, put)
    }

    /// Hands out what the writer has made.
    fn hand_out(&mut self, events: u64, put: &mut Put<'_>) -> Result<(), SinkError> {
        let made = match &mut self.writer {
            Some(Writer::Parquet(writer)) => {
                writer.sync().map_err(|e| failed(&e))?;
                writer.inner_mut()
            }
            Some(Writer::Arrow(writer)) => writer.get_mut(),
            None => return Ok(()),
        };
        let done = if made.is_empty() && events == 0 { Ok(()) } else { put(made, events) };
        made.clear();
        done
    }
}

fn failed(e: &dyn std::error::Error) -> SinkError {
    SinkError::new(format!("cannot encode events: {e}"))
}

impl Body for Columnar {
    fn begin(&mut self, _: bool, put: &mut Put<'_>) -> Result<(), SinkError> {
        self.columns.clear();
        (self.block_bytes, self.group_rows, self.group_bytes, self.events) = (0, 0, 0, 0);
        self.writer = Some(match self.kind {
            Kind::Parquet(compression) => {
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_row_count(None)
                    .build();
                let writer =
                    ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|e| failed(&e))?))
            }
            Kind::Arrow => {
                let writer = FileWriter::try_new(Vec::new(), &self.schema);
                Writer::Arrow(Box::new(writer.map_err(|e| failed(&e))?))
            }
        });
        self.hand_out(0, put)
    }

    fn take(&mut self, events: Events<'_>, put: &mut Put<'_>) -> Result<(), SinkError> {
        let Events::Records(batch) = events else {
            return Err(SinkError::new("a columnar file takes records, not text"));
        };
        if self.reader.is_none() {
            let reader = ColumnReader::new(&batch.layout, self.event);
            self.columns = reader.columns();
            self.reader = Some(reader);
        }
        // How many events of the batch the open block takes is only known from their bytes.
        let mut ends = Vec::new();
        let (mut rows, mut bytes) = (0, self.block_bytes);
        let mut room = self.room();
        let all: u64 = batch.runs().map(|run| 8 * run.words.len() as u64).sum();
        let fits = batch.len() <= room && bytes + all < BLOCK_BYTES;
        if self.texts && !fits {
            for event in batch.events() {
                rows += 1;
                bytes += 8 * event.record().len() as u64;
                if rows == room || bytes >= BLOCK_BYTES {
                    ends.push(rows);
                    (rows, bytes, room) = (0, 0, self.block_rows);
                }
            }
        }
        let mut ends = ends.into_iter();
        let first = if self.texts { ends.next().unwrap_or(u64::MAX) } else { room };
        pieces(batch, first, |piece| {
            if let Some(reader) = &mut self.reader {
                reader.append(piece, &mut self.columns);
            }
            if self.texts {
                self.block_bytes += piece.runs().map(|r| 8 * r.words.len() as u64).sum::<u64>();
            }
            if self.room() == 0 || self.block_bytes >= BLOCK_BYTES {
                self.block(put)?;
            }
            Ok(if self.texts { ends.next().unwrap_or(u64::MAX) } else { self.room() })
        })
    }

    fn end(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        self.block(put)?;
        match &mut self.writer {
            Some(Writer::Parquet(writer)) => {
                writer.finish().map_err(|e| failed(&e))?;
            }
            Some(Writer::Arrow(writer)) => writer.finish().map_err(|e| failed(&e))?,
            None => {}
        }
        self.hand_out(self.events, put)?;
        self.writer = None;
        Ok(())
    }

    fn readable_early(&self) -> bool {
        false
    }

    fn check_old(&self, _: &mut std::fs::File, place: &str) -> Result<(), SinkError> {
        Err(SinkError::new(format!("cannot append to {place}: such a file is closed by its end")))
    }
}

fn has_empty(fields: &[model::Field]) -> bool {
    let inside = |f: &model::Field| match f {
        model::Field::Leaf(..) => false,
        model::Field::Record(_, fields) => has_empty(fields),
    };
    fields.is_empty() || fields.iter().any(inside)
}

fn fields_of(event: &Event, fields: &[model::Field]) -> Vec<FieldRef> {
    let one = |field: &model::Field| match field {
        model::Field::Leaf(name, leaf) => {
            let ty = event.leaves[*leaf].ty;
            let data = match ty.base {
                Base::Int => DataType::Int64,
                Base::Double => DataType::Float64,
                Base::Bool => DataType::Boolean,
                Base::String => DataType::Utf8,
                Base::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                Base::Duration => DataType::Duration(TimeUnit::Millisecond),
            };
            Arc::new(Field::new(name, data, ty.nullable))
        }
        model::Field::Record(name, fields) => {
            Arc::new(Field::new_struct(name, fields_of(event, fields), false))
        }
    };
    fields.iter().map(one).collect()
}

/// The leaves in the records that they belong to.
fn nest(fields: &[model::Field], schema: &[FieldRef], leaves: &[ArrayRef]) -> Vec<ArrayRef> {
    let one = |(field, described): (&model::Field, &FieldRef)| match (field, described.data_type())
    {
        (model::Field::Record(_, inner), DataType::Struct(described)) => {
            let rows = leaves.first().map_or(0, arrow_array::Array::len);
            let children = nest(inner, described, leaves);
            let record = if children.is_empty() {
                StructArray::new_empty_fields(rows, None)
            } else {
                StructArray::new(described.clone(), children, None)
            };
            Arc::new(record) as ArrayRef
        }
        (model::Field::Leaf(_, leaf), _) => leaves[*leaf].clone(),
        // The schema was made of the same fields.
        (model::Field::Record(..), _) => Arc::new(StructArray::new_empty_fields(0, None)),
    };
    fields.iter().zip(schema).map(one).collect()
}

/// The values of a column, moved out of it; their memory is counted in `bytes`.
fn array(data: &mut ColumnData, bytes: &mut u64) -> Result<ArrayRef, SinkError> {
    let nulls = match &mut data.validity {
        Some(validity) => {
            let nulls = NullBuffer::from(validity.as_slice());
            validity.clear();
            Some(nulls)
        }
        None => None,
    };
    let mut words = |values: &mut Vec<i64>| {
        *bytes += 8 * values.len() as u64;
        ScalarBuffer::from(std::mem::take(values))
    };
    Ok(match &mut data.values {
        Values::Int(v) => Arc::new(Int64Array::new(words(v), nulls)),
        Values::Timestamp(v) => {
            Arc::new(TimestampMillisecondArray::new(words(v), nulls).with_timezone("UTC"))
        }
        Values::Duration(v) => Arc::new(DurationMillisecondArray::new(words(v), nulls)),
        Values::Double(v) => {
            *bytes += 8 * v.len() as u64;
            Arc::new(Float64Array::new(ScalarBuffer::from(std::mem::take(v)), nulls))
        }
        Values::Bool(v) => {
            *bytes += v.len() as u64 / 8;
            let array = BooleanArray::new(v.as_slice().into(), nulls);
            v.clear();
            Arc::new(array)
        }
        Values::String(v) => {
            *bytes += 4 * v.len() as u64 + v.bytes.len() as u64;
            Arc::new(strings(std::mem::take(v), nulls)?)
        }
    })
}

fn strings(texts: Strings, nulls: Option<NullBuffer>) -> Result<StringArray, SinkError> {
    if i32::try_from(texts.bytes.len()).is_err() {
        return Err(SinkError::new("a text is longer than 2 GiB, which no column can hold"));
    }
    let offsets: Vec<i32> = texts.offsets.iter().map(|o| *o as i32).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, texts.bytes.into(), nulls).map_err(|e| failed(&e))
}
