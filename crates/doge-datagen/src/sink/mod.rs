//! Sinks: where events go.
//!
//! One [`Sink`] is one output: one file, one table, one stream. A destination of a model whose path
//! or table contains `{event}` becomes several.
//!
//! A kind of sink is one file of this folder and one line in [`KINDS`]; the line gives its keys to the
//! model's reader, to `--to`, and to the conformance suite.
//!
//! Not here: making bytes (formats), deciding which events go where (`destination`), threads (`run`).

mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod kind;
#[cfg(not(all(
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql",
    feature = "kafka",
    feature = "http"
)))]
mod later;
mod meter;
#[cfg(feature = "mysql")]
mod mysql;
mod note;
mod null;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stdout;
mod text;

pub use text::{events, grouped};
pub(crate) use text::{io_reason, timestamp};

pub use kind::{Context, Identity, IfExists, Key, KeyValue, Made, Make, Settings, SinkKind, Takes};
pub use meter::{Meter, MeterReading};
pub use note::{Mark, Note, Past, Stream};

use crate::format::{MessageEncoder, Messages, TextBlock};
use doge_core::batch::{EventBatch, Layout, Position};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// All kinds of destinations, in the order in which they are listed to people.
pub static KINDS: &[&SinkKind] = &[
    &file::KIND,
    &stdout::KIND,
    &null::KIND,
    #[cfg(feature = "sqlite")]
    &sqlite::KIND,
    #[cfg(not(feature = "sqlite"))]
    &later::SQLITE,
    #[cfg(feature = "postgres")]
    &postgres::KIND,
    #[cfg(not(feature = "postgres"))]
    &later::POSTGRES,
    #[cfg(feature = "mysql")]
    &mysql::KIND,
    #[cfg(not(feature = "mysql"))]
    &later::MYSQL,
    #[cfg(feature = "kafka")]
    &kafka::KIND,
    #[cfg(not(feature = "kafka"))]
    &later::KAFKA,
    #[cfg(feature = "http")]
    &http::KIND,
    #[cfg(not(feature = "http"))]
    &later::HTTP,
];

pub(crate) use file::{appendable, compression};

/// Whether a path names a device or an open file of a process (`/dev/null`), which any number of
/// outputs may share.
pub(crate) fn is_device(path: &str) -> bool {
    file::is_device_path(std::path::Path::new(path))
}

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
    Bytes(TextBlock),
    /// Records; only events of this output.
    Batch(EventBatch),
    /// Messages, made by what [`Sink::messages`] returned.
    Messages(Messages),
}

/// What a sink is told when it is opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// What stream this is: for the note that makes a run resumable.
    pub stream: Arc<Stream>,
    /// Whether to go on from what an earlier run of the same stream has left here.
    pub resume: bool,
    /// The first and the last instant (exclusive) of the run, milliseconds since the epoch.
    pub span_ms: (i64, i64),
    /// Where the sink counts what people want to watch.
    pub meter: Arc<Meter>,
    /// Becomes true when the run is told to stop: a sink that waits for a destination that is away gives
    /// up then.
    pub stop: Arc<AtomicBool>,
    /// Whether events come at a pace: what is written should leave at once, not when a batch is full.
    pub paced: bool,
    /// What stands before the first event of a text output: the header line of CSV, else nothing. Made
    /// by the format; the sink writes it where the output is empty, and leaves it out where it appends.
    pub header: Vec<u8>,
}

/// The contract of a destination.
///
/// # Order of calls
///
/// Calls come from one thread at a time, not always the same one, in this order:
///
/// ```text
/// open -> (write* -> commit)* -> finish          the run ended well
///      \-> ... any call failed, or Ctrl-C -> (commit ->) abort
/// ```
///
/// All outputs of a run are opened before the first event is generated; where one fails all others
/// are still tried, so that every problem is told at once, and then all of them are aborted. After
/// `finish` or `abort` nothing is called any more; a sink that is dropped without either behaves as if
/// aborted.
///
/// # Rules
///
/// The conformance suite executes each of them against every sink.
///
/// - `open` MUST report all that is wrong with the destination in one error, and MUST NOT change what
///   is there when it fails. Where it succeeds and `abort` follows at once, nothing MUST be changed
///   either, but for folders it made and empty `.part` files: `abort` takes back what `open` made durable
///   (an empty table, a note), as long as nothing was committed. A process that is killed in between leaves
///   them, so that a run that resumes knows the place as its own.
/// - `open` MUST refuse what exists where `if_exists` is `error`: a file longer than 0 bytes, a table
///   with a row.
/// - With `replace` the old content MUST stay until the first commit (tables) or `finish` (files), and
///   the new one MUST take its place in one step.
/// - A kind that is `resumable` keeps a [`Note`] in the destination. `open` writes it durably ("nothing yet")
///   before the first event; `commit` and `finish` change it in one step with the events that it speaks of.
///   With `resume`, `open` returns what the note says, refuses a note of another stream with its
///   differences ([`Note::resume`]), removes what is there beyond the note, and treats a place without a note
///   as a fresh run does, by `if_exists`. Without `resume` the content under an old note is old content, by
///   `if_exists` too. `finish` notes that the output is complete, and up to when.
/// - `write` MUST take events in the order given, MUST NOT drop, repeat or alter one, and blocks for as
///   long as it must.
/// - A position that `commit` returns MUST be durable: a process that is killed afterwards leaves
///   everything up to it to whoever reads the destination. It MAY lag behind `upto`, it MUST NOT pass
///   it, and it MUST NOT go back. A sink that makes nothing final before `finish` returns `None`.
/// - `finish` without a `write` MUST leave an empty output: a file of nothing but the header, a table
///   without rows.
/// - `finish` MUST have made everything durable when it returns (fsync, COMMIT).
/// - `abort` MUST leave whole events only and MUST say in one sentence what is safe and where, with the
///   number of events. It MUST NOT fail or block for long.
/// - Error messages MUST name the destination and say what to do; they SHOULD NOT repeat what
///   `abort` will say.
/// - A reader that went away (a closed pipe) MUST be told by [`SinkError::closed_pipe`].
/// - Another process that writes to the same place SHOULD be noticed: by a lock that dies with its
///   process.
pub trait Sink: Send {
    /// Makes the destination ready: connects, checks or makes tables, obeys `if_exists`. Returns how
    /// far an earlier run of the same stream has come here, `None` for a fresh start or where the sink
    /// keeps no note. Events up to there are not given to it again.
    ///
    /// # Errors
    /// The destination cannot take the events; nothing was changed. Outputs that share one destination
    /// (tables of one database) may all return the same message: it is shown once.
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError>;

    /// Takes events, in order. They need not be durable when it returns.
    ///
    /// # Errors
    /// The destination is lost or refuses a value; the run ends.
    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError>;

    /// Makes everything up to the returned position final, atomically. May lag behind `upto`, which is
    /// the position of the last event written; `None`: nothing is final yet. Called only after a
    /// `write`, by number of events and by time as `commit` of the destination says.
    ///
    /// # Errors
    /// As `write`.
    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError>;

    /// The stream is complete: commits the rest, renames, closes.
    ///
    /// # Errors
    /// As `write`; the run has failed then, and `abort` follows.
    fn finish(&mut self) -> Result<Finished, SinkError>;

    /// The run ends early: leaves what is committed, puts right what is not, and says in one sentence
    /// what is safe and where (`out/a.jsonl.part holds the first 1,024 events`).
    fn abort(&mut self) -> String;

    /// The encoder of a sink that takes messages; asked after `open`. `events` marks the events of this
    /// output.
    ///
    /// # Errors
    /// An event cannot be carried, by type.
    fn messages(
        &mut self,
        layout: &Arc<Layout>,
        events: &[bool],
    ) -> Result<Option<Arc<dyn MessageEncoder>>, SinkError> {
        let _ = (layout, events);
        Ok(None)
    }

    /// Whether `write` never blocks and costs next to nothing, so that a thread of its own is not worth
    /// its price. Asked after `open`.
    fn is_instant(&self) -> bool {
        false
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError {
    /// What was tried on what, and what is wrong: `cannot write out/a.jsonl: no space left on device`.
    pub message: String,
    /// The way out, as `help:` lines.
    pub help: Vec<String>,
    /// The reader of a pipe went away: not a failure.
    pub closed_pipe: bool,
}

impl SinkError {
    /// An error with its message and no way out that could be named.
    pub fn new(message: impl Into<String>) -> Self {
        SinkError { message: message.into(), help: Vec::new(), closed_pipe: false }
    }

    /// Adds a way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// `cannot VERB PLACE: reason` of an error of the operating system, with the usual ways out.
    pub fn io(verb: &str, place: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let e = SinkError {
            message: format!("cannot {verb} {place}: {}", text::io_reason(error)),
            help: Vec::new(),
            closed_pipe: error.kind() == K::BrokenPipe,
        };
        match error.kind() {
            K::StorageFull | K::QuotaExceeded => {
                e.help("free some space, or write to another disk")
            }
            K::FileTooLarge => {
                e.help("raise the limit on file sizes (`ulimit -f`), or write to a file per event")
            }
            K::PermissionDenied => e.help(
                "write to a folder where you may make files, or change the rights of this one",
            ),
            K::ReadOnlyFilesystem => e.help("this file system is read-only; write to another one"),
            _ => e,
        }
    }
}

impl std::fmt::Display for SinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SinkError {}
