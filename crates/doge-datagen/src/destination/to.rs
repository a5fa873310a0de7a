//! `--to`: a destination in one word.

use super::{Commit, DestinationSpec, Template, code, format_of_path};
use crate::format::Format;
use crate::sink::{IfExists, KINDS, SinkKind};
use doge_core::diag::{Diagnostic, nearest, shown};

const FORMS: &str = "write jsonl:PATH, csv:PATH, parquet:PATH, avro:PATH, arrow:PATH, sqlite:PATH, stdout, stdout:csv or null";

/// JSON lines on standard output: where events go without `sinks` and without `--to`.
pub fn default_destination() -> DestinationSpec {
    plain("stdout", "stdout", Some(Format::Jsonl))
}

fn kind(name: &str) -> &'static SinkKind {
    KINDS.iter().copied().find(|k| k.name == name).unwrap_or(KINDS[0])
}

fn plain(text: &str, name: &str, format: Option<Format>) -> DestinationSpec {
    DestinationSpec {
        name: text.to_owned(),
        span: None,
        kind: kind(name),
        texts: Vec::new(),
        flags: Vec::new(),
        numbers: Vec::new(),
        format,
        events: None,
        if_exists: IfExists::Error,
        envelope: None,
        commit: Commit::default(),
    }
}

/// Reads the text of `--to`: `jsonl:PATH`, `csv:PATH`, `sqlite:PATH` (tables named after the events),
/// `stdout`, `stdout:csv`, `-`, `null`, or a path whose ending tells the format. `{event}` and `{shard}`
/// work in the path; the environment is the shell's affair.
///
/// # Errors
/// The text is none of these.
#[allow(clippy::result_large_err, reason = "read a few times in a run")]
pub fn from_text(text: &str) -> Result<DestinationSpec, Diagnostic> {
    let bad =
        |message: String| Diagnostic::general(code::TO, format!("--to {}: {message}", shown(text)));
    let (head, rest) = match text.split_once(':') {
        Some((head, rest)) => (head, Some(rest)),
        None => (text, None),
    };
    let template = |path: &str| {
        if path.is_empty() {
            return Err(bad("the path is missing".into())
                .help(format!("write {head}:out/{{event}}.{head}")));
        }
        Template::parse(path, false).map_err(|e| bad(e.message).help(e.help))
    };
    let file = |path: &str, format| {
        let path = template(path)?;
        Ok(DestinationSpec {
            texts: vec![("path".into(), path, None)],
            ..plain(text, "file", Some(format))
        })
    };
    let sqlite = |path: &str| {
        let spec = plain(text, "sqlite", None);
        if let crate::sink::Make::Later(what, way) = spec.kind.make {
            return Err(bad(format!("sqlite {what}")).help(way));
        }
        let table = Template::parse("{event}", false).map_err(|e| bad(e.message))?;
        Ok(DestinationSpec {
            texts: vec![("path".into(), template(path)?, None), ("table".into(), table, None)],
            ..spec
        })
    };
    match (head, rest) {
        ("", None) => Err(bad("it is empty".into()).help(FORMS)),
        ("-", None) | ("stdout", None | Some("jsonl")) => {
            Ok(plain(text, "stdout", Some(Format::Jsonl)))
        }
        ("stdout", Some("csv")) => Ok(plain(text, "stdout", Some(Format::Csv))),
        ("stdout", Some(_)) => {
            Err(bad("standard output takes jsonl and csv".into())
                .help("write stdout or stdout:csv"))
        }
        ("null", None) => Ok(plain(text, "null", None)),
        ("jsonl", Some(path)) => file(path, Format::Jsonl),
        ("csv", Some(path)) => file(path, Format::Csv),
        ("sqlite", Some(path)) => sqlite(path),
        ("parquet", Some(path)) => file(path, Format::Parquet),
        ("avro", Some(path)) => file(path, Format::Avro),
        ("arrow", Some(path)) => file(path, Format::Arrow),
        ("kafka" | "postgres" | "postgresql" | "mysql" | "http" | "https", Some(_)) => {
            Err(bad(format!("{head} takes more than a word"))
                .help("write it under `sinks` in the model"))
        }
        ("s3" | "gs" | "az" | "abfs" | "abfss", Some(_)) => {
            Err(bad(format!("{head}:// is an object store, and those are not supported"))
                .help("write to a local path, and copy the files with the store's own tool"))
        }
        ("jsonl" | "csv" | "sqlite" | "parquet" | "avro" | "arrow", None) => {
            Err(bad("the path is missing".into()).help(format!("write {head}:PATH")))
        }
        ("file", Some(path)) => Err(bad("name the format, not the kind".into())
            .help(format!("write jsonl:{path} or csv:{path}"))),
        _ => {
            let lower = text.to_ascii_lowercase();
            match format_of_path(text) {
                Some((format, _)) => return file(text, format),
                None if [".db", ".sqlite", ".sqlite3"].iter().any(|e| lower.ends_with(e)) => {
                    return sqlite(text);
                }
                None => {}
            }
            let e = bad("this is not a destination".into());
            let known = ["jsonl", "csv", "sqlite", "parquet", "avro", "arrow", "stdout", "null"];
            Err(match nearest(head, known) {
                Some(n) => e.help(format!(
                    "did you mean {n}{}?",
                    rest.map_or_else(String::new, |r| format!(":{r}"))
                )),
                None => e.help(FORMS),
            })
        }
    }
}
