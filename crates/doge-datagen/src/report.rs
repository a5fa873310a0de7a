//! What a run did: for people as a summary, for programs as JSON.

use crate::sink::{events, grouped, timestamp};
use crate::spec::instant_text;
use doge_core::batch::Layout;
use std::fmt::Write;
use std::time::Duration;

/// The version of the law by which events are generated.
pub const LAW: u32 = 1;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// All events were written.
    #[default]
    Done,
    /// It failed.
    Failed,
    /// It was told to stop.
    Cancelled,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunReport {
    /// The model's name.
    pub model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, one sentence.
    pub error: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Shard, from 1, and number of shards.
    pub shard: (u64, u64),
    /// Threads that simulated.
    pub threads: usize,
    /// The first instant, milliseconds since the epoch.
    pub start_ms: i64,
    /// The instant up to which (exclusive) was simulated.
    pub end_ms: i64,
    /// The length of a tick in milliseconds.
    pub tick_ms: i64,
    /// Ticks simulated.
    pub ticks: u64,
    /// Subjects simulated, by population.
    pub subjects: Vec<(String, u64)>,
    /// Events generated, by type, in the model's order.
    pub events: Vec<(String, u64)>,
    /// Outputs in order.
    pub outputs: Vec<OutputReport>,
    /// Transitions in the model's order.
    pub transitions: Vec<TransitionReport>,
    /// The run ended inside what was simulated at once: attempts may count some that come after the
    /// last event.
    pub cut: bool,
    /// Everything was there already: the run had nothing to do.
    pub complete: bool,
    /// The pace, as it was asked for.
    pub pace: Option<PaceReport>,
    /// Wall time.
    pub wall: Duration,
}

/// How a run kept its pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceReport {
    /// The pace: `60x`.
    pub pace: String,
    /// How far behind it the last event left.
    pub lag: Duration,
    /// The most that an event was behind, once the run had caught up with what was past.
    pub most_lag: Duration,
}

/// What a run wrote to one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputReport {
    /// The destination: the sink's name in the model, or the text of `--to`.
    pub destination: String,
    /// Where it is.
    pub place: String,
    /// Events written.
    pub events: u64,
    /// Bytes written, where that means something.
    pub bytes: Option<u64>,
    /// After a run that stopped: what is safe.
    pub safe: Option<String>,
}

/// How often a transition was attempted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransitionReport {
    /// Its population.
    pub population: String,
    /// The state it leaves.
    pub state: String,
    /// Its name.
    pub transition: String,
    /// Attempts, blocked ones included.
    pub attempts: u64,
    /// Attempts whose `when` was false.
    pub blocked: u64,
}

impl RunReport {
    /// Events generated in all.
    pub fn total_events(&self) -> u64 {
        self.events.iter().map(|e| e.1).sum()
    }

    /// Attempts in all, blocked ones included.
    pub fn attempts(&self) -> u64 {
        self.transitions.iter().map(|t| t.attempts).sum()
    }

    /// Blocked attempts in all.
    pub fn blocked(&self) -> u64 {
        self.transitions.iter().map(|t| t.blocked).sum()
    }

    /// Events a second of wall time.
    pub fn events_per_second(&self) -> f64 {
        self.total_events() as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// Sets the transitions from counters by population and transition (states in order, flat).
    pub fn set_transitions(
        &mut self,
        layout: &Layout,
        attempts: &[Vec<u64>],
        blocked: &[Vec<u64>],
    ) {
        let count = |list: &[Vec<u64>], p: usize, t: usize| {
            list.get(p).and_then(|l| l.get(t)).copied().unwrap_or(0)
        };
        self.transitions.clear();
        for (p, states) in layout.names.iter().enumerate() {
            let all = states.iter().flat_map(|(state, list)| list.iter().map(move |t| (state, t)));
            for (t, (state, transition)) in all.enumerate() {
                self.transitions.push(TransitionReport {
                    population: layout.populations[p].clone(),
                    state: state.clone(),
                    transition: transition.clone(),
                    attempts: count(attempts, p, t),
                    blocked: count(blocked, p, t),
                });
            }
        }
    }

    /// Transitions that were blocked in over 90% of their attempts: the model probably means something
    /// else.
    pub fn mostly_blocked(&self) -> impl Iterator<Item = &TransitionReport> {
        // A handful of attempts says nothing.
        self.transitions
            .iter()
            .filter(|t| t.attempts >= 100 && t.blocked as u128 * 10 > t.attempts as u128 * 9)
    }

    /// The report as one JSON object, keys always in the same order, with a line end.
    pub fn to_json(&self) -> String {
        let mut j = Json::default();
        j.open(None, '{');
        j.text("version", env!("CARGO_PKG_VERSION"));
        j.number("law", LAW);
        j.text("model", &self.model);
        j.text(
            "outcome",
            match self.outcome {
                Outcome::Done => "done",
                Outcome::Failed => "failed",
                Outcome::Cancelled => "cancelled",
            },
        );
        match &self.error {
            Some(e) => j.text("error", e),
            None => j.raw("error", "null"),
        }
        j.number("seed", self.seed);
        j.text("shard", &format!("{}/{}", self.shard.0.max(1), self.shard.1.max(1)));
        j.number("threads", self.threads);
        j.text("start", &timestamp(self.start_ms));
        j.text("end", &timestamp(self.end_ms));
        j.number("tick_ms", self.tick_ms);
        j.number("ticks", self.ticks);
        j.open(Some("subjects"), '{');
        self.subjects.iter().for_each(|(name, n)| j.number(name, n));
        j.close('}');
        j.number("attempts", self.attempts());
        j.number("blocked", self.blocked());
        j.raw("was_complete", if self.complete { "true" } else { "false" });
        j.raw("attempts_beyond_the_last_event", if self.cut { "true" } else { "false" });
        j.number("total_events", self.total_events());
        j.raw("wall_seconds", &format!("{:.6}", self.wall.as_secs_f64()));
        j.raw("events_per_second", &format!("{:.1}", self.events_per_second()));
        match &self.pace {
            Some(p) => {
                j.text("pace", &p.pace);
                j.raw("lag_seconds", &format!("{:.3}", p.lag.as_secs_f64()));
                j.raw("most_lag_seconds", &format!("{:.3}", p.most_lag.as_secs_f64()));
            }
            None => j.raw("pace", "null"),
        }
        j.open(Some("events"), '{');
        self.events.iter().for_each(|(name, n)| j.number(name, n));
        j.close('}');
        j.open(Some("outputs"), '[');
        for o in &self.outputs {
            j.open(None, '{');
            j.text("destination", &o.destination);
            j.text("place", &o.place);
            j.number("events", o.events);
            match o.bytes {
                Some(b) => j.number("bytes", b),
                None => j.raw("bytes", "null"),
            }
            match &o.safe {
                Some(s) => j.text("safe", s),
                None => j.raw("safe", "null"),
            }
            j.close('}');
        }
        j.close(']');
        j.open(Some("transitions"), '[');
        for t in &self.transitions {
            j.open(None, '{');
            j.text("population", &t.population);
            j.text("state", &t.state);
            j.text("transition", &t.transition);
            j.number("attempts", t.attempts);
            j.number("blocked", t.blocked);
            j.close('}');
        }
        j.close(']');
        j.close('}');
        j.out.push('\n');
        j.out
    }

    /// The summary that a person wants to read after a run.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        if self.complete {
            let places: Vec<_> = self.outputs.iter().map(|o| o.place.as_str()).collect();
            let _ = writeln!(
                out,
                "{}: nothing to do, an earlier run has completed {}",
                self.model,
                places.join(", ")
            );
            return out;
        }
        let rate = grouped(self.events_per_second() as u64);
        let _ = writeln!(
            out,
            "{}: {} in {} ({rate} events/s), seed {}{}",
            self.model,
            events(self.total_events()),
            seconds(self.wall),
            self.seed,
            if self.shard.1 > 1 {
                format!(", shard {}/{}", self.shard.0, self.shard.1)
            } else {
                String::new()
            }
        );
        let subjects: Vec<_> =
            self.subjects.iter().map(|(name, n)| format!("{} {name}", grouped(*n))).collect();
        let _ = writeln!(
            out,
            "  simulated  {} to {} ({} of {})",
            instant_text(self.start_ms),
            instant_text(self.end_ms),
            plural(self.ticks, "tick"),
            span(self.tick_ms)
        );
        let _ = writeln!(
            out,
            "  subjects   {}",
            if subjects.is_empty() { "none".into() } else { subjects.join(", ") }
        );
        let _ = writeln!(
            out,
            "  attempts   {}{}, {} of them blocked",
            if self.cut { "at most " } else { "" },
            grouped(self.attempts()),
            grouped(self.blocked())
        );
        if let Some(p) = &self.pace {
            let _ = writeln!(
                out,
                "  pace       {}, {} behind at the end, {} at most",
                p.pace,
                seconds(p.lag),
                seconds(p.most_lag)
            );
        }
        if !self.events.is_empty() {
            let _ = writeln!(out, "\n  events by type");
            let rows: Vec<_> =
                self.events.iter().map(|(name, n)| (name.as_str(), grouped(*n))).collect();
            table(&mut out, &rows);
        }
        if !self.outputs.is_empty() {
            let _ = writeln!(out, "\n  written to");
            let width = self.outputs.iter().map(|o| o.place.chars().count()).max().unwrap_or(0);
            let numbers = self.outputs.iter().map(|o| grouped(o.events).len()).max().unwrap_or(0);
            for o in &self.outputs {
                let size = o.bytes.map_or_else(String::new, |b| format!("  {}", bytes(b)));
                let pad = width - o.place.chars().count();
                let _ = writeln!(
                    out,
                    "    {}{}  {:>numbers$} {}{size}",
                    o.place,
                    " ".repeat(pad),
                    grouped(o.events),
                    if o.events == 1 { "event" } else { "events" }
                );
            }
        }
        for t in self.mostly_blocked() {
            let _ = writeln!(
                out,
                "\n  warning: {}.{}.{} was blocked in {} of {} attempts",
                t.population,
                t.state,
                t.transition,
                grouped(t.blocked),
                grouped(t.attempts)
            );
        }
        out
    }
}

/// Names and numbers, the numbers right-aligned.
fn table(out: &mut String, rows: &[(&str, String)]) {
    let names = rows.iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
    let numbers = rows.iter().map(|r| r.1.len()).max().unwrap_or(0);
    for (name, n) in rows {
        let _ =
            writeln!(out, "    {name}{}  {n:>numbers$}", " ".repeat(names - name.chars().count()));
    }
}

fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A wall time: `0.42 s`, `3 min 20 s`.
fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s < 120.0 {
        format!("{s:.2} s")
    } else {
        format!("{} min {} s", s as u64 / 60, s as u64 % 60)
    }
}

/// A simulated duration as the model would write it: `1m`, `1h30m`, `250ms`.
fn span(ms: i64) -> String {
    let mut rest = ms.max(0);
    let mut out = String::new();
    for (unit, length) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        if rest >= length {
            let _ = write!(out, "{}{unit}", rest / length);
            rest %= length;
        }
    }
    if out.is_empty() { "0ms".into() } else { out }
}

/// A size: `512 B`, `1.2 MB`.
fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") }
}

/// Writes JSON with keys in the order given.
#[derive(Default)]
struct Json {
    out: String,
    depth: usize,
    first: bool,
}

impl Json {
    fn key(&mut self, key: Option<&str>) {
        if !self.out.is_empty() {
            self.out.push_str(if self.first { "\n" } else { ",\n" });
        }
        self.first = false;
        self.out.push_str(&"  ".repeat(self.depth));
        if let Some(key) = key {
            self.quote(key);
            self.out.push_str(": ");
        }
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                c if c < ' ' => {
                    let _ = write!(self.out, "\\u{:04x}", c as u32);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(Some(key));
        self.quote(value);
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        self.raw(key, &value.to_string());
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.key(Some(key));
        self.out.push_str(value);
    }

    fn open(&mut self, key: Option<&str>, bracket: char) {
        self.key(key);
        self.out.push(bracket);
        self.depth += 1;
        self.first = true;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        if !self.first {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(self.depth));
        }
        self.first = false;
        self.out.push(bracket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> RunReport {
        RunReport {
            model: "bank \"x\"".into(),
            seed: 42,
            shard: (1, 1),
            threads: 2,
            start_ms: 1_644_549_708_000,
            end_ms: 1_644_609_708_000,
            tick_ms: 60_000,
            ticks: 1000,
            subjects: vec![("user".into(), 10)],
            events: vec![("trx".into(), 1234), ("loan".into(), 1)],
            outputs: vec![
                OutputReport {
                    destination: "streams".into(),
                    place: "out/trx.jsonl".into(),
                    events: 1234,
                    bytes: Some(98_765),
                    safe: None,
                },
                OutputReport {
                    destination: "tables".into(),
                    place: "out/b.db table loan".into(),
                    events: 1,
                    bytes: None,
                    safe: None,
                },
            ],
            transitions: vec![TransitionReport {
                population: "user".into(),
                state: "offline".into(),
                transition: "spending".into(),
                attempts: 1000,
                blocked: 901,
            }],
            wall: Duration::from_millis(500),
            ..RunReport::default()
        }
    }

    #[test]
    fn summary_reads_well() {
        assert_eq!(
            report().summary(),
            "bank \"x\": 1,235 events in 0.50 s (2,470 events/s), seed 42
  simulated  2022-02-11T03:21:48Z to 2022-02-11T20:01:48Z (1,000 ticks of 1m)
  subjects   10 user
  attempts   1,000, 901 of them blocked

  events by type
    trx   1,234
    loan      1

  written to
    out/trx.jsonl        1,234 events  98.8 kB
    out/b.db table loan      1 event

  warning: user.offline.spending was blocked in 901 of 1,000 attempts
"
        );
    }

    #[test]
    fn json_has_its_keys_in_order() {
        let json = report().to_json();
        let keys = [
            "version", "law", "model", "outcome", "error", "seed", "shard", "threads", "start",
            "end",
        ];
        let at: Vec<_> = keys
            .iter()
            .map(|k| json.find(&format!("\"{k}\": ")).expect("the key is there"))
            .collect();
        assert!(at.is_sorted(), "{json}");
        assert!(json.contains("\"model\": \"bank \\\"x\\\"\","));
        assert!(
            json.contains("\"events\": {\n    \"trx\": 1234,\n    \"loan\": 1\n  },"),
            "{json}"
        );
        let empty = RunReport::default().to_json();
        assert!(
            empty.contains("\"subjects\": {},") && empty.ends_with("\"transitions\": []\n}\n"),
            "{empty}"
        );
    }
}
