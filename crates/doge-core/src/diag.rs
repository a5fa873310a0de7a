//! What is wrong with a model: problems with their place, rule and way out.
//!
//! All stages push into one [`Diagnostics`]; it is sorted by place before it is shown. How it looks
//! on a terminal is [`Diagnostics::render`]; nothing here prints.

mod nearest;
mod render;
mod secret;

pub use nearest::nearest;
pub use render::{MAX_SHOWN, shown};

use crate::source::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model cannot run.
    Error,
    /// The model runs, but probably not as meant.
    Warning,
}

/// One problem of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Stable code, such as `E0301`; listed in the documentation.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where. Without a place the problem is of the whole file or of the command line.
    pub span: Option<Span>,
    /// What stands at the mark in the line shown; may be empty.
    pub label: String,
    /// Other places that matter, each with its text.
    pub related: Vec<(Span, String)>,
    /// The rule, as `note:` lines.
    pub notes: Vec<String>,
    /// The way out, as `help:` lines.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place: of the command line, or of the file as a whole.
    pub fn general(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { span: None, ..Self::error(code, Span::default(), message) }
    }

    /// An error at a place; none where that is [`Span::COMMAND_LINE`].
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: (span != Span::COMMAND_LINE).then_some(span),
            label: String::new(),
            related: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Sets the text at the mark.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// Adds another place.
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Adds the rule.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a way out; a line break in it begins an indented line.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// More problems than this are not kept.
pub const MAX_KEPT: usize = 10_000;

/// All problems found so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a problem; beyond [`MAX_KEPT`] only the first error is still kept, so that a hostile file
    /// cannot fill the memory.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.len() < MAX_KEPT {
            self.0.push(diagnostic);
        } else if diagnostic.severity == Severity::Error && !self.has_errors() {
            self.0.insert(0, diagnostic);
        }
    }

    /// Adds all problems of another list.
    pub fn extend(&mut self, other: Diagnostics) {
        other.0.into_iter().for_each(|d| self.push(d));
    }

    /// How many errors and how many warnings there are.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.0.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.0.len() - errors)
    }

    /// Sorts by place (what has none comes first) and drops repetitions.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            (a.span, a.severity, a.code, &a.message).cmp(&(b.span, b.severity, b.code, &b.message))
        });
        self.0.dedup();
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
}
