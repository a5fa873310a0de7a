//! `null`: takes events and drops them. For measuring, and for runs whose report is what is wanted.

use super::{
    Chunk, Finished, Identity, Made, Make, Opening, Past, Sink, SinkError, SinkKind, Takes,
};
use doge_core::batch::Position;

/// `null`
pub static KIND: SinkKind = SinkKind {
    name: "null",
    summary: "takes events and drops them",
    keys: &[],
    takes: Takes::Nothing,
    keeps: false,
    resumable: false,
    make: Make::Now(|_, _| {
        Ok(Made { sink: Box::new(Null), place: "null".into(), identity: Identity::None })
    }),
};

struct Null;

impl Sink for Null {
    fn open(&mut self, _: &Opening) -> Result<Option<Past>, SinkError> {
        Ok(None)
    }

    fn write(&mut self, _: &Chunk) -> Result<(), SinkError> {
        Ok(())
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        Ok(Finished { place: "null".into(), bytes: None })
    }

    fn abort(&mut self) -> String {
        "null keeps nothing".into()
    }
}
