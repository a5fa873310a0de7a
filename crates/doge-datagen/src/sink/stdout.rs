//! `stdout`: text to standard output, as it comes. Nothing can be taken back.

use super::file::{whole_events, write_whole};
use super::{
    Chunk, Finished, Identity, Key, KeyValue, Made, Make, Opening, Past, Payload, Sink, SinkError,
    SinkKind, Takes, text,
};
use crate::format::{Format, TextFormat};
use doge_core::batch::Position;
use std::io::Write;

/// `stdout`
pub static KIND: SinkKind = SinkKind {
    name: "stdout",
    summary: "text to standard output",
    keys: &[Key::optional("format", KeyValue::Format(&[Format::Jsonl, Format::Csv]))
        .doc("What is written. Default: `jsonl`.")],
    takes: Takes::Text,
    keeps: false,
    resumable: false,
    make: Make::Now(|_, context| {
        let format = context.format.text().unwrap_or(TextFormat::Jsonl);
        let sink = Stdout { format, events: 0, bytes: 0 };
        Ok(Made { sink: Box::new(sink), place: NAME.into(), identity: Identity::Stdout })
    }),
};

const NAME: &str = "standard output";

struct Stdout {
    format: TextFormat,
    events: u64,
    bytes: u64,
}

impl Stdout {
    fn put(&mut self, bytes: &[u8], events: u64) -> Result<(), SinkError> {
        // Chunks end with a line end, so that the standard library's line buffer keeps nothing.
        let mut out = std::io::stdout().lock();
        let result = write_whole(&mut out, bytes);
        let result = result.and_then(|()| out.flush().map_err(|e| (bytes.len(), e)));
        match result {
            Ok(()) => {
                self.events += events;
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err((written, error)) => {
                self.events += whole_events(&bytes[..written], self.format, u64::MAX).1;
                Err(SinkError::io("write to", NAME, &error))
            }
        }
    }
}

impl Sink for Stdout {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.put(&opening.header, 0)?;
        Ok(None)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        match &chunk.payload {
            Payload::Bytes(bytes) => self.put(bytes, chunk.events),
            _ => Err(SinkError::new("standard output takes text, not records")),
        }
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        std::io::stdout().flush().map_err(|e| SinkError::io("write to", NAME, &e))?;
        Ok(Finished { place: NAME.into(), bytes: Some(self.bytes) })
    }

    fn abort(&mut self) -> String {
        format!("the first {} went to standard output", text::events(self.events))
    }
}
