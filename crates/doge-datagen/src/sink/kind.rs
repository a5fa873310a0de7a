//! What a kind of destination says about itself: its keys, what it takes, how a sink is made.

use super::Sink;
use crate::destination::Commit;
use crate::format::Format;
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
    /// What it means, a sentence for the reference, with its default.
    pub doc: &'static str,
}

impl Key {
    /// A key that must be given.
    pub const fn required(name: &'static str, value: KeyValue) -> Self {
        Key { name, value, required: true, later: None, doc: "" }
    }

    /// A key with a default.
    pub const fn optional(name: &'static str, value: KeyValue) -> Self {
        Key { name, value, required: false, later: None, doc: "" }
    }

    /// A key that is known but not supported yet.
    pub const fn later(name: &'static str, way: &'static str) -> Self {
        Key { name, value: KeyValue::Any, required: false, later: Some(way), doc: "" }
    }

    /// The key with what it means.
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// What a key takes.
#[derive(Clone, Copy)]
pub enum KeyValue {
    /// Text in which `{event}`, `{shard}` and `${NAME}` are replaced.
    Template,
    /// The name of a file format, one of these.
    Format(&'static [Format]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number of at least 1.
    Count,
    /// A mapping with these keys; theirs are `KEY.NAME` in [`Settings`].
    Group(&'static [Key]),
    /// A mapping of any names to texts; they are `KEY.NAME` in [`Settings`].
    Map,
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
    /// Messages: see [`Sink::messages`].
    Messages,
    /// Text or a table, as the format says.
    ByFormat,
    /// Nothing: `write` is never called.
    Nothing,
}

/// How a sink is made.
pub enum Make {
    /// By this function. It opens nothing. Its error is one sentence; a second line is the way out.
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
    /// A place of another kind, by a name that begins with the kind's: `kafka:BROKERS:TOPIC`.
    Named(String),
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
            (Identity::Named(a), Identity::Named(b)) => a == b,
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
    /// Texts and words after substitution, by key; a key of a group is `GROUP.KEY`.
    pub texts: BTreeMap<String, String>,
    /// Flags, by key.
    pub flags: BTreeMap<String, bool>,
    /// Numbers, by key.
    pub numbers: BTreeMap<String, u64>,
}

impl Settings {
    /// The text of a key, empty where it is absent.
    pub fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// The text of a key, if it is given.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// The number of a key, if it is given.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.numbers.get(key).copied()
    }

    /// Whether a group was given, with whatever in it.
    pub fn has_group(&self, group: &str) -> bool {
        self.flag(&format!("{group}."), false)
    }

    /// The names and texts of a map, in the order of names.
    pub fn map<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let inside = move |k: &'a str| k.strip_prefix(key)?.strip_prefix('.');
        self.texts.iter().filter_map(move |(k, v)| Some((inside(k)?, v.as_str())))
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
    /// The format of a file.
    pub format: Format,
    /// The event of a sink that takes one event's records.
    pub event: Option<&'a Event>,
    /// All events that go to the output, with their indexes in the model.
    pub events: &'a [(usize, &'a Event)],
    /// Shard, from 1, and number of shards.
    pub shard: (u64, u64),
    /// How often what is written is to become final.
    pub commit: Commit,
    /// Where relative paths of the model's own files (schemas) begin.
    pub folder: &'a Path,
    /// Things that outputs of one run share, such as the connection to a database, by a name that
    /// begins with the kind's.
    pub shared: &'a mut BTreeMap<String, Arc<dyn Any + Send + Sync>>,
}
