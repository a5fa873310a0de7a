//! Avro object container files (Avro 1.12, "Object Container Files").
//!
//! A block ends with the event that fills 64 KiB, so that the bytes are a function of the events alone.
//! The sync marker, which the specification wants random, is made of the stream's identity and the
//! schema: the same for the same stream, another one for another, and no text that an event could hold
//! by chance.

use super::body::{Body, Events, Put};
use crate::format::TextBlock;
use crate::format::avro::{AvroEncoder, AvroSchema};
use crate::format::schema;
use crate::sink::{Opening, SinkError};
use doge_core::model::Event;
use std::path::Path;

/// Bytes of data that end a block.
const BLOCK_BYTES: usize = 64 << 10;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Null,
    /// `deflate`: as gzip does, at its usual level, without its frame.
    #[cfg(feature = "compression")]
    Deflate,
    /// `zstandard`, at its usual level.
    #[cfg(feature = "compression")]
    Zstandard,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            #[cfg(feature = "compression")]
            Codec::Deflate => "deflate",
            #[cfg(feature = "compression")]
            Codec::Zstandard => "zstandard",
        }
    }

    fn compress(self, bytes: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        match self {
            Codec::Null => Ok(None),
            #[cfg(feature = "compression")]
            Codec::Deflate => {
                use std::io::Write;
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(bytes)?;
                encoder.finish().map(Some)
            }
            #[cfg(feature = "compression")]
            Codec::Zstandard => zstd::bulk::compress(bytes, 3).map(Some),
        }
    }
}

/// Container files of one event.
pub struct Container {
    codec: Codec,
    /// Index of the event in the model.
    event: usize,
    schema: AvroSchema,
    /// Made with the first events, which bring what their words mean.
    encoder: Option<AvroEncoder>,
    sync: [u8; 16],
    block: TextBlock,
    /// Events in the block.
    events: u64,
}

impl Container {
    /// A body for files of this event, which has this index in the model. A schema of its own is in
    /// `folder`.
    ///
    /// # Errors
    /// Avro cannot hold such an event.
    pub fn new(
        codec: Codec,
        index: usize,
        event: &Event,
        folder: &Path,
    ) -> Result<Container, String> {
        let schema = schema::avro(event, folder).map_err(|problems| {
            format!("{}\nchange the model, or write to `.jsonl`", problems.join("; "))
        })?;
        Ok(Container {
            codec,
            event: index,
            schema,
            encoder: None,
            sync: [0; 16],
            block: TextBlock::default(),
            events: 0,
        })
    }

    /// Hands out the block.
    fn flush(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        if self.events == 0 {
            return Ok(());
        }
        let packed = self.codec.compress(&self.block);
        let packed = packed.map_err(|e| SinkError::new(format!("cannot compress: {e}")))?;
        let data = packed.as_deref().unwrap_or(&self.block);
        let mut out = Vec::with_capacity(data.len() + 40);
        long(self.events as i64, &mut out);
        bytes(data, &mut out);
        out.extend_from_slice(&self.sync);
        put(&out, self.events)?;
        self.block.clear();
        self.events = 0;
        Ok(())
    }
}

impl Body for Container {
    fn open(&mut self, opening: &Opening) {
        // FNV-1a, 128 bits.
        let hash = |h: u128, b: u8| {
            (h ^ u128::from(b)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        };
        let text = opening.stream.short();
        let text = text.bytes().chain(self.schema.text.bytes());
        let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        self.sync = text.fold(start, hash).to_be_bytes();
    }

    fn begin(&mut self, _: bool, put: &mut Put<'_>) -> Result<(), SinkError> {
        self.block.clear();
        self.events = 0;
        let mut out = b"Obj\x01".to_vec();
        // A map of two entries, then its end.
        long(2, &mut out);
        bytes(b"avro.codec", &mut out);
        bytes(self.codec.name().as_bytes(), &mut out);
        bytes(b"avro.schema", &mut out);
        bytes(self.schema.text.as_bytes(), &mut out);
        long(0, &mut out);
        out.extend_from_slice(&self.sync);
        put(&out, 0)
    }

    fn take(&mut self, events: Events<'_>, put: &mut Put<'_>) -> Result<(), SinkError> {
        let Events::Records(batch) = events else {
            return Err(SinkError::new("an Avro file takes records, not text"));
        };
        let encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => {
                let schema = |event: usize| (event == self.event).then_some(&self.schema);
                AvroEncoder::values(&batch.layout, schema)
                    .map_err(|problems| SinkError::new(problems.join("; ")))?
            }
        };
        let mut done = Ok(());
        for event in batch.events() {
            done = encoder
                .record(event.time_ms, event.record(), &mut self.block)
                .map_err(SinkError::new);
            self.events += u64::from(done.is_ok());
            if done.is_ok() && self.block.len() >= BLOCK_BYTES {
                done = self.flush(put);
            }
            if done.is_err() {
                break;
            }
        }
        self.encoder = Some(encoder);
        done
    }

    fn end(&mut self, put: &mut Put<'_>) -> Result<(), SinkError> {
        self.flush(put)
    }

    fn check_old(&self, _: &mut std::fs::File, place: &str) -> Result<(), SinkError> {
        Err(SinkError::new(format!("cannot append to {place}: it is written anew")))
    }
}

/// Appends an Avro long: zigzag, then seven bits a byte, the lowest first.
fn long(value: i64, out: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Appends Avro bytes.
fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}
