//! Bodies: how consecutive events become the bytes of a file.
//!
//! A body makes one file after the other. What it makes is a function of the events alone: not of the
//! pieces in which they come. It knows nothing of disks; whoever owns it writes what it hands out.

use crate::format::TextFormat;
use crate::sink::{Chunk, Opening, Payload, SinkError};
use doge_core::batch::EventBatch;

/// Takes bytes, with the number of events that are readable with them and were not before.
pub type Put<'a> = dyn FnMut(&[u8], u64) -> Result<(), SinkError> + 'a;

/// Some whole events, in order.
#[derive(Clone, Copy)]
pub enum Events<'a> {
    /// Encoded, with their number.
    Text(&'a [u8], u64),
    /// As records.
    Records(&'a EventBatch),
}

impl<'a> Events<'a> {
    /// Those of a chunk; `place` is told if they are in a shape that no file takes.
    pub fn of(chunk: &'a Chunk, place: &str) -> Result<Events<'a>, SinkError> {
        match &chunk.payload {
            Payload::Bytes(bytes) => Ok(Events::Text(bytes, chunk.events)),
            Payload::Batch(batch) => Ok(Events::Records(batch)),
            Payload::Messages(_) => Err(SinkError::new(format!("{place} takes no messages"))),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Events::Text(_, events) => *events,
            Events::Records(batch) => batch.len(),
        }
    }
}

/// Makes the bytes of files.
pub trait Body: Send {
    /// Is told about the stream, once, before the first file.
    fn open(&mut self, opening: &Opening) {
        let _ = opening;
    }

    /// A file begins. `fresh`: it is empty; else events are added behind what is there.
    fn begin(&mut self, fresh: bool, put: &mut Put<'_>) -> Result<(), SinkError>;

    /// Takes events.
    fn take(&mut self, events: Events<'_>, put: &mut Put<'_>) -> Result<(), SinkError>;

    /// The file ends: hands out what is left.
    fn end(&mut self, put: &mut Put<'_>) -> Result<(), SinkError>;

    /// The text format whose events go out as they came in, so that any whole line can be kept; `None`
    /// where only whole pieces, as they were handed out, can be read.
    fn plain(&self) -> Option<TextFormat> {
        None
    }

    /// Whether a file without its end can be read up to the last event that was handed out.
    fn readable_early(&self) -> bool {
        true
    }

    /// Whether events can be added to the file `bytes`; the way out if not.
    fn check_old(&self, old: &mut std::fs::File, place: &str) -> Result<(), SinkError>;
}

/// Bytes and number of the whole events at the start of `bytes`, which begin with an event, up to
/// `most` events.
pub fn whole_events(bytes: &[u8], format: TextFormat, most: u64) -> (usize, u64) {
    let (mut end, mut events, mut quoted) = (0, 0, false);
    for (i, b) in bytes.iter().enumerate() {
        match b {
            // A doubled quote inside quotes closes and opens again.
            b'"' if format == TextFormat::Csv => quoted = !quoted,
            b'\n' if !quoted => {
                (end, events) = (i + 1, events + 1);
                if events == most {
                    break;
                }
            }
            _ => {}
        }
    }
    (end, events)
}

/// Bytes and number of the events at the start of `bytes`, which begin with an event, up to the first
/// one that ends at `least` bytes or later.
#[cfg(feature = "compression")]
pub fn events_over(bytes: &[u8], format: TextFormat, least: usize) -> (usize, u64) {
    let (mut end, mut events, mut quoted) = (0, 0, false);
    for (i, b) in bytes.iter().enumerate() {
        match b {
            b'"' if format == TextFormat::Csv => quoted = !quoted,
            b'\n' if !quoted => {
                (end, events) = (i + 1, events + 1);
                if end >= least {
                    break;
                }
            }
            _ => {}
        }
    }
    (end, events)
}

/// Calls `f` with the events of a batch in pieces: of `first` events, then of what `f` returns, and so
/// on; the last may be smaller.
pub fn pieces<E>(
    batch: &EventBatch,
    first: u64,
    mut f: impl FnMut(&EventBatch) -> Result<u64, E>,
) -> Result<(), E> {
    let mut left = batch.len();
    if left <= first {
        return f(batch).map(|_| ());
    }
    let mut piece = EventBatch::new(batch.layout.clone());
    let mut size = first;
    for event in batch.events() {
        piece.push(event.time_ms, event.record());
        left -= 1;
        if piece.len() == size || left == 0 {
            size = f(&piece)?;
            piece.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_events() {
        let csv = b"1,\"a\nb\"\n2,\"\"\"\n\"\n3,x\n4,\"half\n";
        assert_eq!(whole_events(csv, TextFormat::Csv, u64::MAX), (20, 3));
        assert_eq!(whole_events(csv, TextFormat::Csv, 2), (16, 2));
        let json = b"{\"a\":\"\\\"\"}\n{}\n{";
        assert_eq!(whole_events(json, TextFormat::Jsonl, u64::MAX), (14, 2));
    }

    #[cfg(feature = "compression")]
    #[test]
    fn the_first_end_behind_some_bytes() {
        let csv = b"1,\"a\nb\"\n2,\"\"\"\n\"\n3,x\n4,\"half\n";
        assert_eq!(events_over(csv, TextFormat::Csv, 1), (8, 1));
        assert_eq!(events_over(csv, TextFormat::Csv, 9), (16, 2));
        let json = b"{\"a\":\"\\\"\"}\n{}\n{";
        assert_eq!(events_over(json, TextFormat::Jsonl, 11), (11, 1));
        assert_eq!(events_over(json, TextFormat::Jsonl, 12), (14, 2));
    }
}
