//! A model's text and places in it.
//!
//! Every diagnostic points into a [`Source`]; positions are byte offsets, and are turned into lines
//! and columns only when a person reads them.

/// A half-open range of byte offsets into a [`Source`]'s text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The place of a value that is not in the file: it came from the command line. A problem there
    /// has no place.
    pub const COMMAND_LINE: Span = Span { start: u32::MAX, end: u32::MAX };

    /// The range from `start` to `end`, both byte offsets.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end.max(start) as u32 }
    }

    /// The smallest range that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A value with the place where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the source.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, written at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }
}

/// The text of a model and the name it is shown under (a path, or `<stdin>`).
#[derive(Clone, Debug)]
pub struct Source {
    /// What diagnostics call it.
    pub name: String,
    /// The text.
    pub text: String,
    lines: Vec<u32>,
    /// Where the bytes it was made from ceased to be UTF-8.
    pub(crate) not_utf8: Option<u32>,
}

impl Source {
    /// A source; a byte order mark at its start is dropped.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..3);
        }
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
            .collect();
        Source { name: name.into(), text, lines, not_utf8: None }
    }

    /// The source of a file whose bytes may be anything; what is not UTF-8 becomes U+FFFD, and the
    /// first place of it is kept.
    pub fn from_bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::new(name, text),
            Err(e) => {
                let not_utf8 = Some(e.valid_up_to() as u32);
                Source { not_utf8, ..Self::new(name, String::from_utf8_lossy(bytes)) }
            }
        }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_col(&self, offset: u32) -> (usize, usize) {
        let offset = (offset as usize).min(self.text.len());
        let line = self.lines.partition_point(|start| *start as usize <= offset) - 1;
        let start = self.lines[line] as usize;
        let end = offset;
        let col =
            String::from_utf8_lossy(&self.text.as_bytes()[start..end.max(start)]).chars().count()
                + 1;
        (line + 1, col)
    }

    /// The byte offset at which a line (from 1) begins.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.lines[line - 1] as usize
    }

    /// The text of a line (from 1), without its line end.
    pub fn line(&self, line: usize) -> &str {
        let start = self.lines[line - 1] as usize;
        let end = self.lines.get(line).map_or(self.text.len(), |e| *e as usize);
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}
