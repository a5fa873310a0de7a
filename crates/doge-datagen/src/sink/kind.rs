//! What a kind of destination says about itself: its keys, what it takes, how a sink is made.

use super::Sink;
use crate::format::TextFormat;
use doge_core::model::Event;
use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A kind of destination.
pub struct SinkKind {
    /// Its name, the key in the model: `file`.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Events as bytes or as records.
    pub takes: Takes,
    /// Whether `if_exists` means something here.
    pub keeps: bool,
    /// Whether a killed run can be resumed with each event there exactly once.
    pub resumable: bool,
    /// How a sink is made.
    pub make: Make,
}

/// A key of a destination.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub value: KeyValue,
    /// Whether it must be given.
    pub required: bool,
    /// Known, but not supported yet: today's way.
    pub later: Option<&'static str>,
}

impl Key {
    /// A key that must be given.
    pub const fn required(name: &'static str, value: KeyValue) -> Self {
        Key { name, value, required: true, later: None }
    }

    /// A key with a default.
    pub const fn optional(name: &'static str, value: KeyValue) -> Self {
        Key { name, value, required: false, later: None }
    }

    /// A key that is known but not supported yet.
    pub const fn later(name: &'static str, way: &'static str) -> Self {
        Key { name, value: KeyValue::Any, required: false, later: Some(way) }
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// Text in which `{event}`, `{shard}` and `${NAME}` are replaced.
    Template,
    /// The name of a text format.
    Format,
    /// `true` or `false`.
    Bool,
    /// Anything: a key of a destination that is not supported yet.
    Any,
}

/// What a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Encoded text.
    Text,
    /// Records of any events.
    Records,
    /// Records of one event: a table.
    Table,
    /// Nothing: `write` is never called.
    Nothing,
}

/// How a sink is made.
pub enum Make {
    /// By this function. It opens nothing. Its error is one sentence.
    Now(fn(&Settings, &mut Context<'_>) -> Result<Made, String>),
    /// Not in this build, or not yet: the message and the way out.
    Later(&'static str, &'static str),
}

/// A sink that was made and not opened.
pub struct Made {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// How people call the place: `out/a.jsonl`, `out/b.db table trx`.
    pub place: String,
    /// What no other output may have.
    pub identity: Identity,
}

/// What two outputs of a run may not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Any number of them is fine.
    None,
    /// Standard output.
    Stdout,
    /// A file, or one part (a table) of it.
    File(PathBuf, Option<String>),
}

impl Identity {
    /// The identity of a file. Devices (`/dev/null`) are shared freely.
    pub fn file(path: &Path) -> Self {
        if super::file::is_device_path(path) {
            return Identity::None;
        }
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Identity::File(absolute, None)
    }

    /// Whether outputs with these identities would write over each other.
    pub fn clashes(&self, other: &Identity) -> bool {
        match (self, other) {
            (Identity::Stdout, Identity::Stdout) => true,
            (Identity::File(a, x), Identity::File(b, y)) => {
                a == b && (x.is_none() || y.is_none() || x == y)
            }
            _ => false,
        }
    }
}

/// What to do with what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Refuse to run.
    #[default]
    Error,
    /// Put the new content in place of the old.
    Replace,
    /// Add to it.
    Append,
}

/// A destination's keys with their final texts.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Texts after substitution, by key.
    pub texts: BTreeMap<&'static str, String>,
    /// Flags, by key.
    pub flags: BTreeMap<&'static str, bool>,
}

impl Settings {
    /// The text of a key, empty where it is absent.
    pub fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// How long to wait for another process that writes to the same place.
    pub fn wait(&self) -> Duration {
        // Not a key of the language: tests are in a hurry.
        match self.text("busy_ms").parse() {
            Ok(ms) => Duration::from_millis(ms),
            Err(_) => Duration::from_secs(10),
        }
    }

    /// The flag of a key.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.flags.get(key).copied().unwrap_or(default)
    }
}

/// What else a sink is made from.
pub struct Context<'a> {
    /// What to do with what is there.
    pub if_exists: IfExists,
    /// The format of a sink that takes text.
    pub format: TextFormat,
    /// The event of a sink that takes one event's records.
    pub event: Option<&'a Event>,
    /// Things that outputs of one run share, such as the connection to a database, by a name that
    /// begins with the kind's.
    pub shared: &'a mut BTreeMap<String, Arc<dyn Any + Send + Sync>>,
}
