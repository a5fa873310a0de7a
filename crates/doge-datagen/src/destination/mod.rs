//! Destinations: from what a model's `sinks` (or `--to`) says to outputs that can be opened.
//!
//! Two stages. [`check()`] and [`from_text`] make [`DestinationSpec`]s: checked by themselves, everything
//! still as written, nothing filled in. [`resolve()`] makes [`Output`]s of them for one run: holes filled
//! from the environment, one output per file, table or stream, sinks made and not opened.
//!
//! Not here: writing (sinks), deciding when to commit (`run`).

mod check;
mod resolve;
mod template;
mod to;

pub(crate) use check::unknown_event;
pub use check::{check, events_of, warn_unset};
pub use resolve::{Request, resolve};
pub use template::{PART, Template, TemplateError};
pub use to::{default_destination, from_text};

use crate::format::{Format, TextFormat};
use crate::sink::{IfExists, Meter, Sink, SinkKind};
use doge_core::diag::Diagnostic;
use doge_core::source::{Span, Spanned};
use std::sync::Arc;
use std::time::Duration;

/// Codes of the problems that this module reports.
pub mod code {
    /// `sinks`, or one of them, has another shape.
    pub const SHAPE: &str = "E0701";
    /// Unknown key.
    pub const UNKNOWN_KEY: &str = "E0702";
    /// No destination, or several, in one sink.
    pub const ONE_DESTINATION: &str = "E0703";
    /// A key that must be given is missing.
    pub const MISSING_KEY: &str = "E0704";
    /// A key's value is not what the key takes.
    pub const VALUE: &str = "E0705";
    /// Unknown event, or one that stands twice.
    pub const EVENT: &str = "E0706";
    /// A placeholder or variable that is not understood.
    pub const TEMPLATE: &str = "E0707";
    /// The format is not known.
    pub const FORMAT: &str = "E0708";
    /// Several events in CSV or in a table.
    pub const MIXED: &str = "E0709";
    /// `envelope` where it means nothing.
    pub const ENVELOPE: &str = "E0710";
    /// Two outputs in one place.
    pub const SAME_PLACE: &str = "E0711";
    /// Shards that would replace each other.
    pub const SHARD: &str = "E0712";
    /// A variable of the environment is not set.
    pub const UNSET: &str = "E0713";
    /// A sink cannot be made from this.
    pub const MAKE: &str = "E0714";
    /// `--to` is not understood.
    pub const TO: &str = "E0715";
    /// Known, but not supported yet.
    pub const LATER: &str = "E0799";
    /// Warning: a variable of the environment is not set now.
    pub const WARN_UNSET: &str = "W0701";
}

/// How often what is written becomes final, in sinks that can. Both are upper limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// After so many events.
    pub events: u64,
    /// After so much time.
    pub every: Duration,
}

impl Default for Commit {
    fn default() -> Self {
        Commit { events: 100_000, every: Duration::from_secs(5) }
    }
}

/// A destination as written, checked by itself.
#[derive(Clone)]
pub struct DestinationSpec {
    /// The sink's name in the model, or the text of `--to`.
    pub name: String,
    /// Where the name stands in the model; `None` for `--to` and the default.
    pub span: Option<Span>,
    /// Its kind.
    pub kind: &'static SinkKind,
    /// Its texts, by key (`GROUP.KEY` inside a group), with their places.
    pub texts: Vec<(String, Template, Option<Span>)>,
    /// Its flags, by key; `GROUP.` says that a group was given.
    pub flags: Vec<(String, bool)>,
    /// Its numbers, by key.
    pub numbers: Vec<(String, u64)>,
    /// The format of a file, where it was given.
    pub format: Option<Format>,
    /// The events that go there; `None`: all.
    pub events: Option<Vec<Spanned<String>>>,
    /// What to do with what is there.
    pub if_exists: IfExists,
    /// `envelope`, where it was given.
    pub envelope: Option<Spanned<bool>>,
    /// `commit`.
    pub commit: Commit,
}

impl DestinationSpec {
    /// Whether one of its texts has `{event}`.
    pub fn per_event(&self) -> bool {
        self.texts.iter().any(|(_, t, _)| t.has_event())
    }

    /// Whether a run to it can go on where it stopped, each event being there exactly once.
    pub fn resumable(&self) -> bool {
        let parts = self.texts.iter().any(|(_, t, _)| t.has_part());
        // Kafka without transactions keeps a note, and may have what came after it twice.
        self.kind.resumable || (self.kind.takes == crate::sink::Takes::ByFormat && parts)
    }

    /// A problem of this destination, at its place in the model or with its name in the message.
    pub(crate) fn problem(
        &self,
        code: &'static str,
        span: Option<Span>,
        message: impl AsRef<str>,
    ) -> Diagnostic {
        match span.or(self.span) {
            Some(span) => Diagnostic::error(code, span, message.as_ref()),
            None => Diagnostic::general(code, format!("--to {}: {}", self.name, message.as_ref())),
        }
    }
}

/// What an output takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Encoded text.
    Text {
        /// The format.
        format: TextFormat,
        /// Whether each event is wrapped with its name, key and time.
        envelope: bool,
    },
    /// Records: [`Payload::Batch`](crate::sink::Payload::Batch).
    Records,
    /// Messages: [`Payload::Messages`](crate::sink::Payload::Messages).
    Messages,
    /// Nothing: the events are counted.
    Nothing,
}

/// One file, table or stream of a run, ready to be opened.
pub struct Output {
    /// The destination it belongs to: the sink's name in the model, or the text of `--to`.
    pub name: String,
    /// What people call the place: `out/trx.jsonl`, `out/bank.db table trx`, `standard output`.
    pub place: String,
    /// Which events of the model go there.
    pub events: Vec<bool>,
    /// What the sink takes.
    pub kind: OutputKind,
    /// How often to commit.
    pub commit: Commit,
    /// Whether a run can go on where it stopped.
    pub resumable: bool,
    /// What the sink counts.
    pub meter: Arc<Meter>,
    /// Whether it is standard output, so that nothing else may be printed there.
    pub is_stdout: bool,
    /// The sink.
    pub sink: Box<dyn Sink>,
}

/// The format that a path's ending names, and the compression that it names behind that.
pub(crate) fn format_of_path(path: &str) -> Option<(Format, &'static str)> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let (stem, ending) = name.rsplit_once('.')?;
    let compression = match ending.to_ascii_lowercase().as_str() {
        "gz" => "gzip",
        "zst" => "zstd",
        ending => return Some((format_of_ending(ending)?, "none")),
    };
    let (_, ending) = stem.rsplit_once('.')?;
    Some((format_of_ending(&ending.to_ascii_lowercase())?, compression))
}

fn format_of_ending(ending: &str) -> Option<Format> {
    Some(match ending {
        "jsonl" | "ndjson" => Format::Jsonl,
        "csv" => Format::Csv,
        "parquet" => Format::Parquet,
        "avro" => Format::Avro,
        "arrow" | "feather" => Format::Arrow,
        _ => return None,
    })
}
