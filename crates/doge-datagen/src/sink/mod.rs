//! Sinks: where events go.
//!
//! One [`Sink`] is one output: one file, one table, one stream. A destination of a model whose path
//! or table contains `{event}` becomes several.
//!
//! Not here: making bytes (formats), deciding which events go where (`route`), threads (`run`).

use doge_core::batch::{EventBatch, Position};

/// What a sink is given: some consecutive events of its output.
#[derive(Debug)]
pub struct Chunk {
    /// The events.
    pub payload: Payload,
    /// How many there are, at least 1.
    pub events: u64,
    /// The place of the last of them in the order.
    pub last: Position,
}

/// Events as bytes or as records, whichever the sink asked for.
#[derive(Debug)]
pub enum Payload {
    /// Whole encoded events.
    Bytes(Vec<u8>),
    /// Records; only events of this output.
    Batch(EventBatch),
}

/// The contract of a destination.
///
/// Calls come from one thread at a time, in this order:
///
/// ```text
/// open -> (write* -> commit)* -> finish          the run ended well
///      \-> ... any call failed, or Ctrl-C -> abort
/// ```
///
/// All outputs of a run are opened before the first event is generated; where one fails all others
/// are still tried, so that every problem is told at once, and then those that were opened are
/// aborted. A sink blocks for as long as it must; nothing is dropped.
pub trait Sink: Send {
    /// Makes the destination ready: connects, checks or makes tables, obeys `if_exists`. Reports all
    /// that is wrong in one error. Returns the last position that an earlier run of the same stream
    /// has committed here, `None` for a fresh start or where the sink keeps no note.
    ///
    /// # Errors
    /// The destination cannot take the events; nothing was changed.
    fn open(&mut self) -> Result<Option<Position>, SinkError>;

    /// Takes events, in order. They need not be durable when it returns.
    ///
    /// # Errors
    /// The destination is lost or refuses a value; the run ends.
    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError>;

    /// Makes everything up to the returned position final, atomically. May lag behind `upto`, which is
    /// the position of the last event written; `None`: nothing is final yet.
    ///
    /// # Errors
    /// As `write`.
    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError>;

    /// The stream is complete: commits the rest, renames, closes.
    ///
    /// # Errors
    /// As `write`; the run has failed then.
    fn finish(&mut self) -> Result<Finished, SinkError>;

    /// The run ends early: leaves what is committed, puts right what is not, and says in one sentence
    /// what is safe and where (`out/a.jsonl.part holds the first 1,024 events`).
    fn abort(&mut self) -> String;
}

/// What a sink left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where it is: a path, `path:table`, `standard output`.
    pub place: String,
    /// Bytes written, where that means something.
    pub bytes: Option<u64>,
}

/// Why a destination failed; for people. `Display` never repeats the source.
#[derive(Debug)]
pub struct SinkError {
    /// What was tried on what, and what is wrong: `cannot write out/a.jsonl: no space left on device`.
    pub message: String,
    /// The way out, as `help:` lines.
    pub help: Vec<String>,
    /// The reader of a pipe went away: not a failure.
    pub closed_pipe: bool,
}

impl std::fmt::Display for SinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {}
