//! Why a run did not begin or did not end well, so that callers can match on it.
//!
//! `Display` is one sentence; [`Error::render`] is everything a person should read.

use crate::report::RunReport;
use crate::sink::SinkError;
use doge_core::diag::Diagnostics;
use doge_core::source::Source;
use std::fmt;
use std::sync::Arc;

/// Why a run did not begin or did not end well.
#[derive(Debug)]
pub enum Error {
    /// The model could not be read as a file.
    Read {
        /// Its path.
        name: String,
        /// The operating system's reason.
        reason: String,
    },
    /// The model is wrong. Nothing was opened.
    Model {
        /// Its text.
        source: Arc<Source>,
        /// What is wrong, with warnings.
        diagnostics: Diagnostics,
    },
    /// The command (or the [`RunSpec`](crate::spec::RunSpec)) is wrong. Nothing was opened.
    Usage(Diagnostics),
    /// The run was begun and stopped.
    Stopped(Box<Stopped>),
}

/// A run that was begun and stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub cause: Cause,
    /// What is safe, one sentence for each output that was opened.
    pub safe: Vec<String>,
    /// What was done until then.
    pub report: RunReport,
    /// Whether a run that is told to resume goes on in some output where this one stopped.
    pub resumable: bool,
    /// What stopped it, where it was told to: `Ctrl-C`.
    pub told_by: &'static str,
    /// More that is to be known, as `note:` lines.
    pub notes: Vec<String>,
    /// More ways out, as `help:` lines: those of whoever made the run.
    pub help: Vec<String>,
}

/// Why a run stopped.
#[derive(Debug)]
pub enum Cause {
    /// Outputs could not be opened; all that failed. No event was generated.
    Open(Vec<SinkError>),
    /// An output failed.
    Sink(SinkError),
    /// An expression failed for a subject.
    Expression(ExpressionError),
    /// It was told to stop, as by Ctrl-C.
    Cancelled,
    /// The reader of a pipe went away. Not a failure.
    ClosedPipe,
}

/// An expression that failed.
#[derive(Debug)]
pub struct ExpressionError {
    /// What is wrong and where: transition, subject, tick, seed.
    pub message: String,
    /// The line of the model with the spot marked; empty where there is no place.
    pub excerpt: String,
    /// The values that went in, and the like.
    pub notes: Vec<String>,
    /// The command that reproduces it, and other ways out.
    pub help: Vec<String>,
}

impl Error {
    /// The exit code of the command: 0 for a closed pipe, 1 where the run failed, 2 where the model or the
    /// command is wrong, 130 after Ctrl-C.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Read { .. } | Error::Model { .. } | Error::Usage(_) => 2,
            Error::Stopped(stopped) => match stopped.cause {
                Cause::Open(_) | Cause::Sink(_) | Cause::Expression(_) => 1,
                Cause::Cancelled => 130,
                Cause::ClosedPipe => 0,
            },
        }
    }

    /// What was done before it stopped, if it had begun.
    pub fn report(&self) -> Option<&RunReport> {
        match self {
            Error::Stopped(stopped) => Some(&stopped.report),
            _ => None,
        }
    }

    /// Whether running again with `resume` goes on where this run stopped. An expression that failed fails
    /// again.
    pub fn can_resume(&self) -> bool {
        match self {
            Error::Stopped(s) => {
                s.resumable && matches!(s.cause, Cause::Sink(_) | Cause::Cancelled)
            }
            _ => false,
        }
    }

    /// All that a person should read, several lines: places, rules, ways out, what is safe.
    pub fn render(&self, color: bool) -> String {
        let mut out = String::new();
        let (red, blue, off) =
            if color { ("\x1b[1;31m", "\x1b[1;34m", "\x1b[0m") } else { ("", "", "") };
        let error = |out: &mut String, message: &str| {
            out.push_str(&format!("{red}error{off}: {message}\n"));
        };
        let line = |out: &mut String, word: &str, text: &str| {
            let text = text.replace('\n', "\n        ");
            out.push_str(&format!("  {blue}{word}{off}: {text}\n"));
        };
        match self {
            Error::Model { source, diagnostics } => {
                out.push_str(&diagnostics.render(source, color))
            }
            Error::Read { .. } => error(&mut out, &self.to_string()),
            Error::Usage(diagnostics) => {
                for d in &diagnostics.0 {
                    error(&mut out, &d.message);
                    d.notes.iter().for_each(|n| line(&mut out, "note", n));
                    d.help.iter().for_each(|h| line(&mut out, "help", h));
                }
            }
            Error::Stopped(stopped) => {
                match &stopped.cause {
                    Cause::Open(errors) => {
                        let mut seen: Vec<&str> = Vec::new();
                        for e in errors.iter() {
                            // Tables of one database say the same.
                            if !seen.contains(&e.message.as_str()) {
                                seen.push(&e.message);
                                error(&mut out, &e.message);
                                e.help.iter().for_each(|h| line(&mut out, "help", h));
                            }
                        }
                    }
                    Cause::Sink(e) => {
                        error(&mut out, &e.message);
                        e.help.iter().for_each(|h| line(&mut out, "help", h));
                    }
                    Cause::Expression(e) => {
                        error(&mut out, &e.message);
                        out.push_str(&e.excerpt);
                        e.notes.iter().for_each(|n| line(&mut out, "note", n));
                        e.help.iter().for_each(|h| line(&mut out, "help", h));
                    }
                    Cause::Cancelled => error(&mut out, &self.to_string()),
                    Cause::ClosedPipe => {}
                }
                stopped.notes.iter().for_each(|n| line(&mut out, "note", n));
                stopped.help.iter().for_each(|h| line(&mut out, "help", h));
                // Of a pipe that nobody reads there is nothing to say.
                let quiet = matches!(stopped.cause, Cause::ClosedPipe);
                let streams = |s: &&String| s.starts_with("the first ") || s.starts_with("null ");
                stopped
                    .safe
                    .iter()
                    .filter(|s| !(quiet && streams(s)))
                    .for_each(|s| line(&mut out, "safe", s));
            }
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnostics =
            |f: &mut fmt::Formatter<'_>, list: &Diagnostics, name: Option<&Source>| {
                let Some(first) = list.0.first() else {
                    return f.write_str("the model is wrong");
                };
                if let (Some(source), Some(span)) = (name, first.span) {
                    let (line, column) = source.line_col(span.start);
                    write!(f, "{}:{line}:{column}: ", source.name)?;
                }
                f.write_str(&first.message)?;
                match list.counts().0 {
                    0 | 1 => Ok(()),
                    n => write!(f, " (and {} more)", n - 1),
                }
            };
        match self {
            Error::Read { name, reason } => write!(f, "cannot read the model {name}: {reason}"),
            Error::Model { source, diagnostics: list } => diagnostics(f, list, Some(source)),
            Error::Usage(list) => diagnostics(f, list, None),
            Error::Stopped(stopped) => match &stopped.cause {
                Cause::Open(errors) => match errors.first() {
                    Some(e) => f.write_str(&e.message),
                    None => f.write_str("an output could not be opened"),
                },
                Cause::Sink(e) => f.write_str(&e.message),
                Cause::Expression(e) => f.write_str(&e.message),
                Cause::Cancelled => write!(f, "stopped by {}", stopped.told_by),
                Cause::ClosedPipe => f.write_str("the reader of the output went away"),
            },
        }
    }
}

impl std::error::Error for Error {}
