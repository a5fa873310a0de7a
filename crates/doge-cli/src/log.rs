//! Words on standard error: for people as text, for machines as one JSON object a line.
//!
//! Every line of JSON has `time` (wall clock), `level` (`info`, `warning`, `error`) and `kind`
//! (`problem`, `stopping`, `progress`, `summary`, `metrics`); what else it has depends on the kind.

use crate::{counts, print_summary, words};
use doge_datagen::core::diag::{Diagnostic, Diagnostics, Severity};
use doge_datagen::core::source::Source;
use doge_datagen::error::{Cause, Error};
use doge_datagen::report::RunReport;
use doge_datagen::sink::SinkError;
use doge_datagen::spec::instant_text;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// How words are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// As text, with colours or not.
    Text { color: bool },
    /// As JSON.
    Json,
}

/// One line of JSON.
pub fn line(level: &str, kind: &str, rest: Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let mut all = json!({ "time": instant_text(now), "level": level, "kind": kind });
    if let (Some(all), Value::Object(rest)) = (all.as_object_mut(), rest) {
        all.extend(rest);
    }
    words(&format!("{all}\n"));
}

impl Log {
    /// Warnings of the model.
    pub fn warnings(self, list: &Diagnostics, source: &Source) {
        match self {
            Log::Text { color } => words(&list.render(source, color)),
            Log::Json => list.0.iter().for_each(|d| problem(d, Some(source))),
        }
    }

    /// The run was told to stop.
    pub fn stopping(self) {
        match self {
            Log::Text { .. } => words("\nstopping; press Ctrl-C again to end at once\n"),
            Log::Json => line("info", "stopping", json!({ "message": "stopping" })),
        }
    }

    /// The metrics are served.
    pub fn serving(self, address: &str) {
        match self {
            Log::Text { .. } => words(&format!("metrics at http://{address}/metrics\n")),
            Log::Json => line("info", "metrics", json!({ "address": address })),
        }
    }

    /// What the run did.
    pub fn summary(self, report: &RunReport) {
        match self {
            Log::Text { .. } => print_summary(report),
            Log::Json => {
                let report: Value = serde_json::from_str(&report.to_json()).unwrap_or_default();
                line("info", "summary", json!({ "report": report }));
            }
        }
    }

    /// A problem in one sentence, with its way out.
    pub fn plain(self, message: &str, help: &str) {
        match self {
            Log::Text { .. } if help.is_empty() => words(&format!("error: {message}\n")),
            Log::Text { .. } => words(&format!("error: {message}\n  help: {help}\n")),
            Log::Json => line("error", "problem", json!({ "message": message, "help": [help] })),
        }
    }

    /// Why a run did not begin or did not end well.
    pub fn error(self, error: &Error) {
        match (self, error) {
            (Log::Text { color }, _) => {
                words(&error.render(color));
                if let Error::Model { diagnostics, .. } = error {
                    words(&format!("{}\n", counts(diagnostics)));
                }
            }
            (Log::Json, Error::Model { source, diagnostics }) => {
                diagnostics.0.iter().for_each(|d| problem(d, Some(source)));
            }
            (Log::Json, Error::Usage(diagnostics)) => {
                diagnostics.0.iter().for_each(|d| problem(d, None));
            }
            (Log::Json, Error::Read { .. }) => {
                line("error", "problem", json!({ "message": error.to_string() }));
            }
            (Log::Json, Error::Stopped(stopped)) => {
                let sink = |e: &SinkError| json!({ "message": e.message, "help": e.help });
                let mut problems: Vec<Value> = match &stopped.cause {
                    Cause::Open(errors) => errors.iter().map(sink).collect(),
                    Cause::Sink(e) => vec![sink(e)],
                    Cause::Expression(e) => vec![json!({
                        "message": e.message, "excerpt": e.excerpt, "notes": e.notes, "help": e.help,
                    })],
                    Cause::Cancelled => vec![json!({ "message": error.to_string() })],
                    Cause::ClosedPipe => Vec::new(),
                };
                // Tables of one database say the same.
                problems.dedup();
                problems.into_iter().for_each(|p| line("error", "problem", p));
                let report: Value =
                    serde_json::from_str(&stopped.report.to_json()).unwrap_or_default();
                let rest = json!({
                    "report": report, "safe": stopped.safe, "notes": stopped.notes, "help": stopped.help,
                });
                line("info", "summary", rest);
            }
        }
    }
}

fn problem(d: &Diagnostic, source: Option<&Source>) {
    let level = if d.severity == Severity::Error { "error" } else { "warning" };
    let mut rest =
        json!({ "code": d.code, "message": d.message, "notes": d.notes, "help": d.help });
    if let (Some(source), Some(span)) = (source, d.span) {
        let (line, column) = source.line_col(span.start);
        rest["place"] = json!({ "file": source.name, "line": line, "column": column });
    }
    line(level, "problem", rest);
}
