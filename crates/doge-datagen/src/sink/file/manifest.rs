//! `_doge.json`: the manifest of parts.
//!
//! One for a folder, however many outputs write parts into it. By the name of an output's parts with
//! `{part}` in the number's place it holds the [`Note`] and the parts:
//!
//! ```json
//! {
//!   "doge": 1,
//!   "outputs": {
//!     "trx-{part}.jsonl": {
//!       "note": { "after": { "events": 1000000 }, "...": "..." },
//!       "parts": [ { "name": "trx-000000.jsonl", "events": 1000000, "bytes": 96124345 } ]
//!     }
//!   }
//! }
//! ```
//!
//! It changes by the rename of a whole new one. Who changes it holds the lock of `_doge.json.part`, so
//! that outputs, and runs of other shards, that share the folder take turns.

use super::disk::{locked, sync_folder, unfinished, write_whole};
use crate::sink::{Note, SinkError};
use serde_json::{Map, Value as Json, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, from the manifest's folder on.
    pub name: String,
    /// Its events.
    pub events: u64,
    /// Its length.
    pub bytes: u64,
}

/// What a manifest says of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stream, and how far it is.
    pub note: Note,
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// The manifest of a folder.
#[derive(Clone, Debug)]
pub struct Manifest {
    path: PathBuf,
    wait: Duration,
}

impl Manifest {
    /// The manifest of a folder; waits so long for others that change it.
    pub fn of(folder: &Path, wait: Duration) -> Manifest {
        Manifest { path: folder.join("_doge.json"), wait }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn bad(&self, what: &str) -> SinkError {
        SinkError::new(format!("cannot read {}: {what}", self.place()))
            .help("it was changed by hand, or is of a later version; write to another folder")
    }

    /// The outputs, by name; none where there is no manifest.
    fn outputs(&self) -> Result<Map<String, Json>, SinkError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Map::new()),
            Err(e) => return Err(SinkError::io("read", &self.place(), &e)),
        };
        let mut json: Json = serde_json::from_str(&text).map_err(|e| self.bad(&e.to_string()))?;
        match (json["doge"] == json!(1), json.get_mut("outputs").map(Json::take)) {
            (true, Some(Json::Object(outputs))) => Ok(outputs),
            _ => Err(self.bad("it is not a manifest of this version")),
        }
    }

    /// What it says of an output.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, output: &str) -> Result<Option<Entry>, SinkError> {
        let outputs = self.outputs()?;
        let Some(entry) = outputs.get(output) else { return Ok(None) };
        let note = Note::from_json(&entry["note"].to_string()).map_err(|e| self.bad(&e))?;
        let part = |json: &Json| {
            Some(Part {
                name: json["name"].as_str()?.to_owned(),
                events: json["events"].as_u64()?,
                bytes: json["bytes"].as_u64()?,
            })
        };
        let parts = entry["parts"].as_array().and_then(|p| p.iter().map(part).collect());
        let parts = parts.ok_or_else(|| self.bad("its list of parts is not one"))?;
        Ok(Some(Entry { note, parts }))
    }

    /// Changes what it says of an output; `None` forgets it. Durable when it returns.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn change(&self, output: &str, entry: Option<&Entry>) -> Result<(), SinkError> {
        let fresh = unfinished(&self.path);
        let place = fresh.display().to_string();
        let fail = |e: &std::io::Error| SinkError::io("write", &place, e);
        let file = locked(&fresh, false, self.wait, &self.place())?;
        let mut outputs = self.outputs()?;
        match entry {
            Some(entry) => {
                let note: Json = serde_json::from_str(&entry.note.to_json()).unwrap_or_default();
                let part =
                    |p: &Part| json!({ "name": p.name, "events": p.events, "bytes": p.bytes });
                let parts: Vec<Json> = entry.parts.iter().map(part).collect();
                outputs.insert(output.to_owned(), json!({ "note": note, "parts": parts }));
            }
            None => {
                outputs.remove(output);
            }
        }
        if outputs.is_empty() {
            match std::fs::remove_file(&self.path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(SinkError::io("remove", &self.place(), &e));
                }
                _ => {}
            }
            let _ = std::fs::remove_file(&fresh);
            sync_folder(&self.path);
            return Ok(());
        }
        let text = format!("{:#}\n", json!({ "doge": 1, "outputs": outputs }));
        file.set_len(0).map_err(|e| fail(&e))?;
        write_whole(&mut &file.0, text.as_bytes()).map_err(|(_, e)| fail(&e))?;
        file.sync_all().map_err(|e| fail(&e))?;
        std::fs::rename(&fresh, &self.path)
            .map_err(|e| SinkError::io(&format!("rename {place} to"), &self.place(), &e))?;
        sync_folder(&self.path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Mark, Past, Stream};

    fn entry(events: u64) -> Entry {
        let mut note = Note::fresh(&Stream::named("x"), "jsonl");
        note.past = Past { mark: Some(Mark::Events(events)), complete_ms: Some(7) };
        Entry { note, parts: vec![Part { name: "a-000000.jsonl".into(), events, bytes: 3 }] }
    }

    #[test]
    fn outputs_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::of(folder.path(), Duration::from_secs(10));
        assert_eq!(manifest.read("a"), Ok(None));
        std::thread::scope(|s| {
            for i in 0..4 {
                let manifest = &manifest;
                s.spawn(move || {
                    for n in 0..20 {
                        manifest.change(&format!("o{i}"), Some(&entry(n))).unwrap();
                    }
                });
            }
        });
        for i in 0..4 {
            assert_eq!(manifest.read(&format!("o{i}")), Ok(Some(entry(19))));
            manifest.change(&format!("o{i}"), None).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the last takes it along");
    }

    #[test]
    fn what_is_no_manifest_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::of(folder.path(), Duration::ZERO);
        for bad in
            ["", "{", "[]", "{\"doge\":2,\"outputs\":{}}", "{\"doge\":1,\"outputs\":{\"a\":{}}}"]
        {
            std::fs::write(folder.path().join("_doge.json"), bad).unwrap();
            let error = manifest.read("a").unwrap_err();
            assert!(error.message.contains("_doge.json") && !error.help.is_empty(), "{error}");
        }
    }
}
