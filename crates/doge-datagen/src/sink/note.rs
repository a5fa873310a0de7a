//! Notes: how far a stream is in a destination, so that a run that was stopped can go on.
//!
//! A note is kept in the destination itself and changes with what it speaks of in one step. It holds
//! the identity of the stream, so that a run never goes on with what another one has written, and a
//! mark. As text it is one JSON object; every sink keeps the same, each in its own kind of place.

use crate::report::LAW;
use crate::sink::SinkError;
use crate::spec::Prepared;
use doge_core::batch::{IdMap, Position};
use doge_core::expr::func::{self, TextBuf};
use doge_core::value::Value;
use serde_json::{Value as Json, json};

/// What a stream is: all that its events and their order depend on, but for the length of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream(Vec<(&'static str, String)>);

impl Stream {
    /// The stream of a run.
    pub fn of(prepared: &Prepared, max_events: Option<u64>) -> Stream {
        let model = &prepared.model;
        let list =
            |items: Vec<String>| if items.is_empty() { "-".into() } else { items.join(", ") };
        let params =
            model.params.iter().map(|(name, value)| format!("{name}={}", text_of(value))).collect();
        let counts = model.populations.iter().map(|p| format!("{}={}", p.name, p.count)).collect();
        let ids = model.populations.iter().zip(&prepared.ids);
        let subjects = ids.map(|(p, ids)| format!("{}:{}", p.name, range(ids))).collect();
        let events = model.events.iter().zip(&prepared.selected).filter(|(_, s)| **s);
        Stream(vec![
            ("law", LAW.to_string()),
            ("model", format!("{:032x}", model.digest())),
            ("seed", model.seed.to_string()),
            ("params", list(params)),
            ("start", crate::sink::timestamp(model.clock.start_ms)),
            ("counts", list(counts)),
            ("subjects", list(subjects)),
            ("shard", format!("{}/{}", prepared.shard.0, prepared.shard.1)),
            ("events", list(events.map(|(e, _)| e.name.clone()).collect())),
            // A stream that was cut is complete, and yet not the whole one.
            ("max_events", max_events.map_or_else(|| "-".into(), |n| n.to_string())),
        ])
    }

    /// What differs: name, here, there.
    pub fn differences<'a>(&'a self, other: &'a Stream) -> Vec<(&'static str, &'a str, &'a str)> {
        let get = |name: &str| other.0.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v);
        let all = self.0.iter().map(|(name, value)| (*name, value.as_str(), get(name)));
        all.filter(|(_, a, b)| a != b).collect()
    }

    /// A short name that is the same for the same stream, of lower-case letters and digits.
    pub fn short(&self) -> String {
        // FNV-1a, 64 bits.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        let text = self.0.iter().flat_map(|(n, v)| n.bytes().chain(*b"=").chain(v.bytes()));
        format!("{:016x}", text.fold(0xcbf2_9ce4_8422_2325, hash))
    }
}

/// A parameter's value as text.
fn text_of(value: &Value) -> String {
    let mut buf = TextBuf::new();
    match value {
        Value::Int(v) => func::int_text(*v, &mut buf).to_owned(),
        Value::Double(v) => func::double_text(*v, &mut buf).to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::String(v) => v.clone(),
        Value::Timestamp(v) => func::timestamp_text(*v, &mut buf).to_owned(),
        Value::Duration(v) => func::duration_text(*v, &mut buf).to_owned(),
        Value::Null => "null".into(),
    }
}

fn range(ids: &IdMap) -> String {
    format!("{}+{}", ids.id(0), ids.count)
}

/// How far an output is: what an earlier run of the same stream has made final there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Everything up to and including this place.
    Position(Position),
    /// The first so many events of the output.
    Events(u64),
}

/// What an earlier run has left in a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// How far it is; `None`: nothing is final yet.
    pub mark: Option<Mark>,
    /// Where the output is complete: the instant (exclusive) up to which, milliseconds since the epoch.
    pub complete_ms: Option<i64>,
}

/// A note as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The stream.
    pub stream: Stream,
    /// What else must not change from run to run: format, compression, size of parts.
    pub form: String,
    /// How far it is.
    pub past: Past,
}

impl Note {
    /// A note that says "nothing yet".
    pub fn fresh(stream: &Stream, form: impl Into<String>) -> Note {
        let past = Past { mark: None, complete_ms: None };
        Note { stream: stream.clone(), form: form.into(), past }
    }

    /// The note as one line of JSON.
    pub fn to_json(&self) -> String {
        let mut map = serde_json::Map::new();
        map.insert("doge".into(), json!(1));
        for (name, value) in &self.stream.0 {
            map.insert((*name).into(), json!(value));
        }
        map.insert("form".into(), json!(self.form));
        match self.past.mark {
            None => map.insert("after".into(), Json::Null),
            Some(Mark::Events(n)) => map.insert("after".into(), json!({ "events": n })),
            Some(Mark::Position(p)) => {
                map.insert("after".into(), json!([p.time_ms, p.population, p.id, p.seq, p.pos]))
            }
        };
        map.insert("complete_ms".into(), json!(self.past.complete_ms));
        Json::Object(map).to_string()
    }

    /// Reads a note.
    ///
    /// # Errors
    /// What is wrong with it, for people: it was changed by hand, or made by a later version.
    pub fn from_json(text: &str) -> Result<Note, String> {
        let bad = |what: &str| format!("the note of an earlier run cannot be read: {what}");
        let json: Json = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
        if json["doge"] != json!(1) {
            return Err(bad("it is of another version"));
        }
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let stream = NAMES.iter().map(|name| text(name).map(|v| (*name, v))).collect::<Option<_>>();
        let stream =
            Stream(stream.ok_or_else(|| bad("a part of the stream's identity is missing"))?);
        let form = text("form").ok_or_else(|| bad("`form` is missing"))?;
        let after = &json["after"];
        let mark = match (after, &after["events"]) {
            (Json::Null, _) => None,
            (_, Json::Number(n)) => n.as_u64().map(Mark::Events),
            _ => serde_json::from_value::<(i64, u32, u64, u64, u32)>(after.clone()).ok().map(
                |(time_ms, population, id, seq, pos)| {
                    Mark::Position(Position { time_ms, population, id, seq, pos })
                },
            ),
        };
        if mark.is_none() && !after.is_null() {
            return Err(bad("`after` is not a position"));
        }
        let complete_ms = json["complete_ms"].as_i64();
        Ok(Note { stream, form, past: Past { mark, complete_ms } })
    }

    /// What this note, found at `place`, means for a run of `stream` in `form` that was told to resume:
    /// how far the output is.
    ///
    /// # Errors
    /// It is of another stream or form: which parts differ, and the ways out.
    pub fn resume(&self, place: &str, stream: &Stream, form: &str) -> Result<Past, SinkError> {
        let mut parts: Vec<String> = stream
            .differences(&self.stream)
            .into_iter()
            .map(|(name, here, there)| format!("{name}: {here} (there: {there})"))
            .collect();
        if form != self.form {
            parts.push(format!("form: {form} (there: {})", self.form));
        }
        if parts.is_empty() {
            return Ok(self.past);
        }
        Err(SinkError::new(format!("{place} was begun by another run: {}", parts.join("; ")))
            .help("run with what it was begun with")
            .help("or begin anew: leave `--resume` out and write `--if-exists replace`"))
    }
}

/// The parts of a stream's identity.
const NAMES: [&str; 10] = [
    "law",
    "model",
    "seed",
    "params",
    "start",
    "counts",
    "subjects",
    "shard",
    "events",
    "max_events",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: &str) -> Stream {
        Stream(
            NAMES
                .iter()
                .map(|n| (*n, if *n == "seed" { seed.into() } else { "x".into() }))
                .collect(),
        )
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let position = Position { time_ms: -5, population: 2, id: u64::MAX, seq: 7, pos: 1 };
        for mark in [None, Some(Mark::Events(12)), Some(Mark::Position(position))] {
            for complete_ms in [None, Some(-1), Some(1 << 60)] {
                let past = Past { mark, complete_ms };
                let note = Note { stream: stream("1"), form: "jsonl".into(), past };
                assert_eq!(Note::from_json(&note.to_json()), Ok(note));
            }
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let good = Note::fresh(&stream("1"), "f").to_json();
        for bad in ["", "{}", "[]", "{\"doge\":2}", &good.replace("\"seed\"", "\"seat\"")] {
            assert!(Note::from_json(bad).is_err(), "{bad}");
        }
        let mut json: Json = serde_json::from_str(&good).unwrap();
        json["after"] = json!([1, 2]);
        assert!(Note::from_json(&json.to_string()).is_err());
    }

    #[test]
    fn another_stream_is_named_part_by_part() {
        let note = Note::fresh(&stream("1"), "jsonl");
        assert_eq!(note.resume("out", &stream("1"), "jsonl"), Ok(note.past));
        let error = note.resume("out", &stream("2"), "csv").unwrap_err();
        assert_eq!(
            error.message,
            "out was begun by another run: seed: 2 (there: 1); form: csv (there: jsonl)"
        );
        assert_eq!(stream("1").short(), stream("1").short());
        assert_ne!(stream("1").short(), stream("2").short());
    }
}
