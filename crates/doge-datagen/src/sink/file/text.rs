//! Text files: as they are, or compressed.
//!
//! What is compressed is a chain of gzip members or zstd frames, each of which holds whole events:
//! every one ends with the first event that reaches [`BLOCK`] bytes of text. So the bytes do not depend
//! on how events arrive, a file that was cut between two of them is whole, and a file can be added to.
//! `gzip`, `zstd` and the readers of others take such a chain for one text (RFC 1952, 2.2; RFC 8878, 3).

#[cfg(feature = "compression")]
use super::body::events_over;
use super::body::{Body, Events, Put};
use crate::format::TextFormat;
use crate::sink::{Opening, SinkError};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of text in a member or frame. Zstd looks back half as far at its usual level; gzip 32 KiB.
#[cfg(feature = "compression")]
const BLOCK: usize = 4 << 20;

/// Text as it is.
pub struct Plain {
    format: TextFormat,
    header: Vec<u8>,
}

impl Plain {
    /// A body for text of this format.
    pub fn new(format: TextFormat) -> Plain {
        Plain { format, header: Vec::new() }
    }
}

impl Body for Plain {
    fn open(&mut self, opening: &Opening) {
        self.header.clone_from(&opening.header);
    }

    fn begin(&mut self, fresh: bool, put: &mut Put<'_>) -> Result<(), SinkError> {
        if fresh { put(&self.header, 0) } else { Ok(()) }
    }

    fn take(&mut self, events: Events<'_>, put: &mut Put<'_>) -> Result<(), SinkError> {
        match events {
            Events::Text(bytes, events) => put(bytes, events),
            Events::Records(_) => Err(no_records()),
        }
    }

    fn end(&mut self, _: &mut Put<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    fn plain(&self) -> Option<TextFormat> {
        Some(self.format)
    }

    fn check_old(&self, old: &mut File, place: &str) -> Result<(), SinkError> {
        let fail = |e| SinkError::io("read", place, &e);
        let len = old.metadata().map_err(fail)?.len();
        let mut last = [0];
        old.seek(SeekFrom::End(-1)).map_err(fail)?;
        old.read_exact(&mut last).map_err(fail)?;
        let mut first = vec![0; (self.header.len() as u64).min(len) as usize];
        old.rewind().map_err(fail)?;
        old.read_exact(&mut first).map_err(fail)?;
        check_text(place, &self.header, &first, last[0])
    }
}

fn no_records() -> SinkError {
    SinkError::new("a text file takes text, not records")
}

/// Whether text can follow on text that begins with `first` and ends with `last`.
fn check_text(place: &str, header: &[u8], first: &[u8], last: u8) -> Result<(), SinkError> {
    if last != b'\n' {
        return Err(SinkError::new(format!(
            "cannot append to {place}: its last line has no line end"
        ))
        .help("end its last line, or write `if_exists: replace`"));
    }
    if first != header {
        return Err(SinkError::new(format!(
            "cannot append to {place}: its columns are other ones"
        ))
        .help(format!("its first line must be {}", String::from_utf8_lossy(header).trim_end()))
        .help("write to another path, or `if_exists: replace`"));
    }
    Ok(())
}

/// How text is compressed.
#[cfg(feature = "compression")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Gzip, at its usual level, 6.
    Gzip,
    /// Zstd, at its usual level, 3.
    Zstd,
}

/// Compressed text.
#[cfg(feature = "compression")]
pub struct Compressed {
    format: TextFormat,
    codec: Codec,
    header: Vec<u8>,
    /// Text of the member that is being made, and its events.
    block: Vec<u8>,
    events: u64,
    /// Whether the file holds nothing yet.
    empty: bool,
}

#[cfg(feature = "compression")]
impl Compressed {
    /// A body for text of this format.
    pub fn new(format: TextFormat, codec: Codec) -> Compressed {
        let (header, block) = (Vec::new(), Vec::new());
        Compressed { format, codec, header, block, events: 0, empty: true }
    }

    fn flush(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        use std::io::Write;
        let made = match self.codec {
            Codec::Gzip => {
                let mut member =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                member.write_all(&self.block).and_then(|()| member.finish())
            }
            Codec::Zstd => zstd::bulk::compress(&self.block, 3),
        };
        let member = made.map_err(|e| SinkError::new(format!("cannot compress: {e}")))?;
        put(&member, self.events)?;
        self.block.clear();
        (self.events, self.empty) = (0, false);
        Ok(())
    }
}

#[cfg(feature = "compression")]
impl Body for Compressed {
    fn open(&mut self, opening: &Opening) {
        self.header.clone_from(&opening.header);
    }

    fn begin(&mut self, fresh: bool, _: &mut Put<'_>) -> Result<(), SinkError> {
        self.block.clear();
        (self.events, self.empty) = (0, fresh);
        if fresh {
            self.block.extend_from_slice(&self.header);
        }
        Ok(())
    }

    fn take(&mut self, events: Events<'_>, put: &mut Put<'_>) -> Result<(), SinkError> {
        let Events::Text(mut bytes, mut events) = events else { return Err(no_records()) };
        while self.block.len() + bytes.len() >= BLOCK {
            let least = BLOCK.saturating_sub(self.block.len());
            let (len, n) = events_over(bytes, self.format, least);
            self.block.extend_from_slice(&bytes[..len]);
            self.events += n;
            (bytes, events) = (&bytes[len..], events - n);
            self.flush(put)?;
        }
        self.block.extend_from_slice(bytes);
        self.events += events;
        Ok(())
    }

    fn end(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        // A file of no member at all is no gzip file.
        if self.empty || !self.block.is_empty() { self.flush(put) } else { Ok(()) }
    }

    fn check_old(&self, old: &mut File, place: &str) -> Result<(), SinkError> {
        let file = std::io::BufReader::new(old);
        let (name, mut reader): (_, Box<dyn Read + '_>) = match self.codec {
            Codec::Gzip => ("gzip", Box::new(flate2::bufread::MultiGzDecoder::new(file))),
            Codec::Zstd => match zstd::Decoder::with_buffer(file) {
                Ok(reader) => ("zstd", Box::new(reader)),
                Err(e) => return Err(SinkError::io("read", place, &e)),
            },
        };
        // All of it: behind a member that a killed run has left half, nothing could be read.
        let (mut first, mut last) = (Vec::new(), b'\n');
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    let more = (self.header.len() - first.len()).min(n);
                    first.extend_from_slice(&buffer[..more]);
                    last = buffer[n - 1];
                }
                Err(_) => {
                    return Err(SinkError::new(format!(
                        "cannot append to {place}: it is not a whole {name} file"
                    ))
                    .help("write to another path, or `if_exists: replace`"));
                }
            }
        }
        check_text(place, &self.header, &first, last)
    }
}
