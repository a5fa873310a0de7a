//! `null`: takes events and drops them. For measuring, and for runs whose report is what is wanted.

use super::{
    Chunk, Finished, Identity, Made, Make, Opening, Sink, SinkError, SinkKind, Takes, text,
};
use doge_core::batch::Position;

/// `null`
pub static KIND: SinkKind = SinkKind {
    name: "null",
    summary: "takes events and drops them",
    keys: &[],
    takes: Takes::Records,
    keeps: false,
    resumable: false,
    make: Make::Now(|_, _| {
        Ok(Made {
            sink: Box::new(Null { events: 0 }),
            place: "null".into(),
            identity: Identity::None,
        })
    }),
};

struct Null {
    events: u64,
}

impl Sink for Null {
    fn open(&mut self, _: &Opening) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        self.events += chunk.events;
        Ok(())
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        Ok(Finished {
            place: "null".into(),
            bytes: None,
        })
    }

    fn abort(&mut self) -> String {
        format!("null dropped the first {}", text::events(self.events))
    }
}
