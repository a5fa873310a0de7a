//! Formats: pure functions from a slice of the ordered events to bytes. Any worker may call them.

mod digits;
mod text;

pub use text::{Encoded, EncoderState, TextEncoder};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
}

/// Bytes being made: a buffer that is larger than what it holds, so that pieces of a fixed size can be
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

    /// Makes room for `more` bytes, which are not yet counted.
    #[inline]
    fn room(&mut self, more: usize) {
        if self.bytes.len() - self.len < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let least = self.len + more;
        self.bytes.resize((least * 2).next_power_of_two().max(1 << 12), 0);
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
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
