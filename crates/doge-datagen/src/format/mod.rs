//! Formats: pure functions from a slice of the ordered events to bytes. Any worker may call them.

use doge_core::batch::{Layout, Run};
use std::sync::Arc;

pub mod text;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
}

/// Encodes events of an output as text; immutable, shared by the workers.
///
/// Private parts are the encoding plans, one per emit site.
#[derive(Debug)]
pub struct TextEncoder {
    #[allow(dead_code)]
    layout: Arc<Layout>,
}

impl TextEncoder {
    /// An encoder for the events marked in `events`. With `envelope` each event is wrapped as
    /// `{"event":...,"key":...,"timestamp":...,"value":{...}}` (JSON lines only).
    pub fn new(layout: Arc<Layout>, _format: TextFormat, _events: &[bool], _envelope: bool) -> Self {
        TextEncoder { layout }
    }

    /// What stands before the first event: the header line of CSV, empty for JSON lines.
    pub fn header(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Appends the events of `run` that belong to the output; returns how many there were.
    pub fn encode(&self, _run: Run<'_>, _out: &mut Vec<u8>) -> u64 {
        0
    }
}
