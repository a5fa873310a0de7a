//! Formats: pure functions from a slice of the ordered events to bytes. Any worker may call them.

pub mod avro;
mod digits;
mod fetch;
mod message;
mod pen;
mod plan;
pub mod protobuf;
mod record;
pub mod schema;
mod text;

pub use message::{Message, MessageEncoder, Messages, MessagesMade};
pub use record::{KeyFormat, MessageSpec, SchemaIds, ValueFormat};
pub use text::{Encoded, EncoderState, TextEncoder};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
    /// Parquet.
    Parquet,
    /// Avro object container.
    Avro,
    /// Arrow IPC file.
    Arrow,
}

impl Format {
    /// Its name in models.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Avro => "avro",
            Format::Arrow => "arrow",
        }
    }

    /// As text, where it is text.
    pub fn text(self) -> Option<TextFormat> {
        match self {
            Format::Jsonl => Some(TextFormat::Jsonl),
            Format::Csv => Some(TextFormat::Csv),
            _ => None,
        }
    }
}

impl From<TextFormat> for Format {
    fn from(format: TextFormat) -> Format {
        match format {
            TextFormat::Jsonl => Format::Jsonl,
            TextFormat::Csv => Format::Csv,
        }
    }
}

/// Bytes being made: memory that is larger than what it holds, so that pieces of a fixed size can be
/// copied past the end. Dereferences to what it holds.
#[derive(Clone, Debug, Default)]
pub struct TextBlock {
    /// Initialised memory, of which the first `len` bytes count.
    bytes: Vec<u8>,
    len: usize,
}

impl TextBlock {
    /// Drops the contents, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = self.len + bytes.len();
        if self.bytes.len() < end {
            self.grow(bytes.len());
        }
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Memory with room for `more` bytes behind what it holds, and where those begin.
    #[inline]
    pub(crate) fn room(&mut self, more: usize) -> (usize, &mut [u8]) {
        if self.bytes.len() < self.len + more {
            self.grow(more);
        }
        (self.len, &mut self.bytes)
    }

    /// What was written into [`TextBlock::room`] counts, up to `end`.
    #[inline]
    pub(crate) fn set_len(&mut self, end: usize) {
        self.len = end.min(self.bytes.len());
    }

    /// Drops what is behind the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `more` bytes, which are not yet counted, and at least a whole block.
    #[cold]
    fn grow(&mut self, more: usize) {
        let least = self.len + more;
        let size = if least <= pen::FULL { pen::FULL } else { least.next_power_of_two() };
        self.bytes.resize(size.max(self.bytes.len()), 0);
    }
}

impl From<Vec<u8>> for TextBlock {
    fn from(bytes: Vec<u8>) -> Self {
        TextBlock { len: bytes.len(), bytes }
    }
}

impl std::ops::Deref for TextBlock {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
