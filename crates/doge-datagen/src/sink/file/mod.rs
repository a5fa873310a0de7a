//! `file`: text, Parquet, Avro and Arrow, to one file or to numbered parts.
//!
//! What the bytes of a file are is the affair of a [`Body`](body::Body); when a file begins, ends and
//! gets its name is that of `single` (one file) and `parts` (many, with a manifest).

mod body;
#[cfg(feature = "parquet")]
mod columnar;
#[cfg(feature = "avro")]
mod container;
mod disk;
mod manifest;
mod parts;
mod single;
mod text;

pub(super) use body::whole_events;
pub use disk::is_device_path;
pub(super) use disk::write_whole;

use super::{Context, Identity, IfExists, Key, KeyValue, Made, Make, Settings, SinkKind, Takes};
use crate::destination::{PART, format_of_path};
use crate::format::Format;
use body::Body;
use std::path::PathBuf;

const FORMATS: &[Format] =
    &[Format::Jsonl, Format::Csv, Format::Parquet, Format::Avro, Format::Arrow];
const COMPRESSIONS: &[&str] = &["none", "gzip", "zstd", "snappy"];
/// Events of a part where the model does not say.
const PART_EVENTS: u64 = 1_000_000;

/// `file`
pub static KIND: SinkKind = SinkKind {
    name: "file",
    summary: "files of JSON lines, CSV, Parquet, Avro or Arrow; one per event, or numbered parts",
    keys: &[
        Key::required("path", KeyValue::Template).doc(
            "Where the file is, from the working directory. With `{part}` it is written as numbered \
             parts, 000000, 000001 and so on, which can be resumed.",
        ),
        Key::optional("format", KeyValue::Format(FORMATS))
            .doc("What the file holds. Default: by the path's ending."),
        Key::optional("compression", KeyValue::Choice(COMPRESSIONS)).doc(
            "How it is compressed. Default: by the path's ending (`.gz`, `.zst`), else `none`; for \
             Parquet `zstd`, inside the file. `snappy` is for Parquet; Avro takes `gzip` (its codec \
             `deflate`) and `zstd`; Arrow files are not compressed.",
        ),
        Key::optional(
            "part",
            KeyValue::Group(&[Key::optional("events", KeyValue::Count)
                .doc("Events of each part but the last. Default: 1,000,000.")]),
        )
        .doc("How a path with `{part}` is cut."),
    ],
    takes: Takes::ByFormat,
    keeps: true,
    resumable: false,
    make: Make::Now(make),
};

fn make(settings: &Settings, context: &mut Context<'_>) -> Result<Made, String> {
    let text = settings.text("path");
    if text.is_empty() {
        return Err("the path is empty".into());
    }
    let format = context.format;
    let compression = compression(format, settings.get("compression"), text)?;
    if context.if_exists == IfExists::Append {
        appendable(format, text.contains(PART))?;
    }
    let body = body(format, compression, context)?;
    let wait = settings.wait();
    if text.contains(PART) {
        let events = settings.number("part.events").unwrap_or(PART_EVENTS);
        let form = format!("{} {compression} part {events}", format.name());
        let sink =
            parts::PartsSink::new(text, body, format.text(), form, events, context.if_exists, wait);
        let place = sink.place();
        return Ok(Made { identity: Identity::file(place.as_ref()), place, sink: Box::new(sink) });
    }
    let path = PathBuf::from(text);
    Ok(Made {
        place: path.display().to_string(),
        identity: Identity::file(&path),
        sink: Box::new(single::FileSink::new(path, body, context.if_exists, wait)),
    })
}

/// How a file of this format at `path` is compressed, where `word` is what the model says of it.
///
/// # Errors
/// The format knows no such compression: what is wrong, and in further lines the ways out.
pub fn compression(format: Format, word: Option<&str>, path: &str) -> Result<&'static str, String> {
    let by_ending = format_of_path(path).map_or("none", |(_, c)| c);
    let known: &[&str] = match format {
        Format::Jsonl | Format::Csv => &["none", "gzip", "zstd"],
        Format::Parquet => &["none", "gzip", "zstd", "snappy"],
        Format::Avro => &["none", "gzip", "zstd"],
        Format::Arrow => &["none"],
    };
    if format.text().is_none() && by_ending != "none" {
        return Err(format!(
            "a file of {} is not compressed as a whole\n{}",
            format.name(),
            if format == Format::Arrow {
                "leave the second ending out".to_owned()
            } else {
                format!(
                    "leave the second ending out; inside, it is compressed as `compression` says: \
                     `compression: {by_ending}`"
                )
            }
        ));
    }
    let Some(word) = word else {
        return Ok(if format == Format::Parquet { "zstd" } else { by_ending });
    };
    if by_ending != "none" && word != by_ending {
        return Err(format!(
            "the path's ending says {by_ending}, and `compression` says {word}\n\
             change one of them"
        ));
    }
    known.iter().find(|k| **k == word).copied().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|k| format!("`{k}`")).collect();
        format!(
            "a file of {} cannot be compressed by {word}\nwrite {}",
            format.name(),
            names.join(" or ")
        )
    })
}

/// Whether events can be added to a file of this format, or to parts.
///
/// # Errors
/// They cannot: why, and in a further line the way out.
pub fn appendable(format: Format, parts: bool) -> Result<(), String> {
    let what = match format.text() {
        _ if parts => "parts are".to_owned(),
        None => format!("a file of {} is", format.name()),
        Some(_) => return Ok(()),
    };
    let resume = if parts { "; `--resume` goes on with the parts of a run" } else { "" };
    Err(format!(
        "{what} written anew, and cannot be added to\n\
         write `if_exists: replace`, or another path{resume}"
    ))
}

fn body(
    format: Format,
    compression: &'static str,
    context: &Context<'_>,
) -> Result<Box<dyn Body>, String> {
    if let Some(format) = format.text() {
        return match compression {
            "none" => Ok(Box::new(text::Plain::new(format))),
            #[cfg(feature = "compression")]
            "gzip" => Ok(Box::new(text::Compressed::new(format, text::Codec::Gzip))),
            #[cfg(feature = "compression")]
            "zstd" => Ok(Box::new(text::Compressed::new(format, text::Codec::Zstd))),
            other => Err(not_built(other, "compression")),
        };
    }
    #[cfg(feature = "parquet")]
    if let (Format::Parquet | Format::Arrow, Some((index, event))) =
        (format, context.events.first())
    {
        use parquet::basic::{Compression, GzipLevel, ZstdLevel};
        let kind = match (format, compression) {
            (Format::Arrow, _) => columnar::Kind::Arrow,
            (_, "gzip") => columnar::Kind::Parquet(Compression::GZIP(GzipLevel::default())),
            (_, "snappy") => columnar::Kind::Parquet(Compression::SNAPPY),
            (_, "none") => columnar::Kind::Parquet(Compression::UNCOMPRESSED),
            _ => columnar::Kind::Parquet(Compression::ZSTD(ZstdLevel::default())),
        };
        return Ok(Box::new(columnar::Columnar::new(kind, *index, event)?));
    }
    #[cfg(feature = "avro")]
    if let (Format::Avro, Some((index, event))) = (format, context.events.first()) {
        let codec = match compression {
            "none" => container::Codec::Null,
            #[cfg(feature = "compression")]
            "gzip" => container::Codec::Deflate,
            #[cfg(feature = "compression")]
            "zstd" => container::Codec::Zstandard,
            other => return Err(not_built(other, "compression")),
        };
        return Ok(Box::new(container::Container::new(codec, *index, event, context.folder)?));
    }
    let _ = context;
    let feature = if format == Format::Avro { "avro" } else { "parquet" };
    Err(not_built(format.name(), feature))
}

fn not_built(what: &str, feature: &str) -> String {
    format!("this build has no {what}\nbuild with `--features {feature}`, or leave it out")
}
