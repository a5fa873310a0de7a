//! The rules of a sink, as the contract at `Sink` has them, each against topics of a real broker.

use super::server::*;
use doge_core::batch::Position;
use doge_core::model::Event;
use doge_core::value::{Base, Ty};
use doge_datagen::destination::Commit;
use doge_datagen::format::{Format, Message, Messages};
use doge_datagen::sink::{
    Chunk, Context, IfExists, KINDS, Make, Mark, Payload, Settings, Sink, SinkError,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Subjects of the events.
const SUBJECTS: u64 = 7;

/// The time of event `n`.
pub fn time_of(n: u64) -> i64 {
    1_644_549_708_000 + (n / 3) as i64 * 1_000
}

fn position(n: u64) -> Position {
    Position { time_ms: time_of(n), population: 0, id: n, seq: n / 7 + 1, pos: 0 }
}

/// Events `from..to`, with keys, values of about `size` bytes and no headers of their own.
fn chunk(from: u64, to: u64, size: usize) -> Chunk {
    let mut bytes: Vec<u8> = Vec::new();
    let mut list = Vec::new();
    for n in from..to {
        let start = bytes.len();
        bytes.extend((n % SUBJECTS).to_string().bytes());
        let key = start..bytes.len();
        let fill = "x".repeat(size);
        bytes.extend(format!("{{\"n\":{n},\"fill\":\"{fill}\"}}").bytes());
        let value = key.end..bytes.len();
        let subject = (0, n % SUBJECTS);
        list.push(Message {
            event: 0,
            key: Some(key),
            value,
            headers: 0..0,
            time_ms: time_of(n),
            subject,
        });
    }
    let messages = Messages { bytes: bytes.into(), list, headers: Vec::new() };
    Chunk { payload: Payload::Messages(messages), events: to - from, last: position(to - 1) }
}

/// A destination in a topic of its own.
struct Case<'s> {
    server: &'s Server,
    name: Name<'s>,
    transactions: bool,
}

impl<'s> Case<'s> {
    fn new(server: &'s Server) -> Case<'s> {
        Case { server, name: server.name(), transactions: true }
    }

    fn try_sink(
        &self,
        if_exists: IfExists,
        more: &[(&str, &str)],
    ) -> Result<Box<dyn Sink>, String> {
        let mut settings = Settings::default();
        let texts = [("brokers", self.server.brokers.as_str()), ("topic", &self.name.name)];
        settings.texts.extend(texts.iter().chain(more).map(|(k, v)| ((*k).into(), (*v).into())));
        settings.flags.insert("create.".into(), true);
        settings.flags.insert("transactions".into(), self.transactions);
        settings.numbers.insert("create.partitions".into(), 3);
        settings.numbers.insert("create.replication".into(), 1);
        let event = Event {
            name: "trx".into(),
            fields: Vec::new(),
            leaves: Vec::new(),
            headers: Vec::new(),
            key: Ty { base: Base::String, nullable: false },
            emitted: true,
            schema: Vec::new(),
        };
        let kind = KINDS.iter().find(|k| k.name == "kafka").expect("it is built in");
        let Make::Now(make) = kind.make else { panic!("kafka cannot be made") };
        let mut context = Context {
            if_exists,
            format: Format::Jsonl,
            event: None,
            events: &[(0, &event)],
            shard: (1, 1),
            commit: Commit::default(),
            folder: Path::new(""),
            shared: &mut BTreeMap::new(),
        };
        make(&settings, &mut context).map(|made| made.sink)
    }

    fn sink(&self, if_exists: IfExists) -> Box<dyn Sink> {
        self.try_sink(if_exists, &[]).expect("it can be made")
    }

    /// A sink that is open.
    fn open(&self, if_exists: IfExists) -> Box<dyn Sink> {
        let mut sink = self.sink(if_exists);
        let past = sink.open(&opening(1, false)).unwrap_or_else(|e| panic!("{e} {:?}", e.help));
        assert_eq!(past, None);
        sink
    }

    /// Writes `from..to` in chunks of ten, committing after each, and finishes.
    fn whole(&self, if_exists: IfExists, from: u64, to: u64) -> Box<dyn Sink> {
        let mut sink = self.open(if_exists);
        chunks(&mut *sink, from, to);
        sink.finish().unwrap_or_else(|e| panic!("{e}"));
        sink
    }

    /// The numbers of the events, in their order; each partition must be in order by itself, and each
    /// subject in one partition.
    fn read(&self) -> Option<Vec<u64>> {
        let mut all = Vec::new();
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for m in self.server.read(&self.name.name)? {
            let value: serde_json::Value =
                serde_json::from_str(m["value"].as_str().unwrap()).unwrap();
            let (n, p) = (value["n"].as_u64().unwrap(), m["partition"].as_u64().unwrap());
            assert!(last.insert(p, n).is_none_or(|before| before < n), "out of order: {n} in {p}");
            assert_eq!(m["java"].as_u64(), Some(p), "not where Java puts the key: {m}");
            assert_eq!(m["time"].as_i64(), Some(time_of(n)), "{m}");
            assert_eq!(m["headers"], serde_json::json!([["event", "trx"]]), "{m}");
            all.push(n);
        }
        all.sort_unstable();
        Some(all)
    }
}

fn chunks(sink: &mut dyn Sink, from: u64, to: u64) {
    for start in (from..to).step_by(10) {
        let end = (start + 10).min(to);
        sink.write(&chunk(start, end, 10)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(sink.commit(position(end - 1)).unwrap(), Some(position(end - 1)));
    }
}

fn list(range: std::ops::Range<u64>) -> Option<Vec<u64>> {
    Some(range.collect())
}

fn helped(e: &SinkError) -> String {
    format!("{e}\n{}", e.help.join("\n"))
}

#[test]
fn all_events_in_order_and_none_where_there_are_none() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    case.whole(IfExists::Error, 0, 0);
    assert_eq!(case.read(), list(0..0), "an empty topic");
    // An empty topic does not exist.
    let mut sink = case.whole(IfExists::Error, 0, 95);
    assert_eq!(case.read(), list(0..95));
    assert!(sink.abort().contains("is complete: 95 events"));
    assert_eq!(case.read(), list(0..95));
    // Others' records are an error, and stay.
    let error = case.sink(IfExists::Error).open(&opening(1, false)).unwrap_err();
    assert!(error.message.contains(&case.name.name), "{error}");
    assert!(helped(&error).contains("if_exists: replace"), "{error:?}");
    assert_eq!(case.read(), list(0..95));
    case.whole(IfExists::Append, 95, 120);
    assert_eq!(case.read(), list(0..120));
}

#[test]
fn replace_keeps_the_old_until_its_moment() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    case.whole(IfExists::Error, 0, 5);
    let mut sink = case.open(IfExists::Replace);
    assert_eq!(case.read(), list(0..5), "open keeps the old");
    sink.write(&chunk(10, 20, 10)).unwrap();
    assert_eq!(case.read(), list(0..5), "write keeps the old");
    sink.commit(position(19)).unwrap();
    assert_eq!(case.read(), list(10..20), "commit");
    sink.finish().unwrap();
    assert_eq!(case.read(), list(10..20), "finish");
    case.whole(IfExists::Replace, 0, 0);
    assert_eq!(case.read(), list(0..0), "replaced by nothing");
}

#[test]
fn open_and_abort_change_nothing() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    for if_exists in [IfExists::Error, IfExists::Replace, IfExists::Append] {
        let mut sink = case.open(if_exists);
        let said = sink.abort();
        assert!(said.contains(&case.name.name) && said.contains("is as it was"), "{said}");
        assert_eq!(case.read(), list(0..0), "the topic was made, and is empty");
    }
    case.whole(IfExists::Replace, 0, 5);
    for if_exists in [IfExists::Replace, IfExists::Append] {
        assert!(case.open(if_exists).abort().contains("is as it was"));
        assert_eq!(case.read(), list(0..5));
    }
    // What a run had in mind that never came to its first commit is done by the one that goes on.
    drop(case.open(IfExists::Replace));
    let mut sink = case.sink(IfExists::Error);
    let past = sink.open(&opening(1, true)).unwrap().expect("there is a note");
    assert_eq!((past.mark, past.complete_ms), (None, None));
    chunks(&mut *sink, 20, 30);
    assert_eq!(case.read(), list(20..30));
}

#[test]
fn abort_leaves_whole_events_and_says_how_many() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut sink = case.open(IfExists::Error);
    chunks(&mut *sink, 0, 1_200);
    sink.write(&chunk(1_200, 1_210, 10)).unwrap();
    let said = sink.abort();
    assert!(said.contains("holds the first 1,200 events"), "{said}");
    assert_eq!(case.read(), list(0..1_200));
    // Dropped is aborted.
    let mut sink = case.open(IfExists::Replace);
    sink.write(&chunk(5, 9, 10)).unwrap();
    drop(sink);
    assert_eq!(case.read(), list(0..1_200));
}

#[test]
fn killed_and_resumed_each_event_is_there_once() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut sink = case.open(IfExists::Error);
    let mut done = 0;
    for round in 1..4_u64 {
        chunks(&mut *sink, done, round * 100);
        done = round * 100;
        // Sent, not committed; then as a process that is killed, with its transaction open.
        sink.write(&chunk(done, done + 30, 10)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::mem::forget(sink);
        sink = case.sink(IfExists::Error);
        let past = sink.open(&opening(1, true)).unwrap_or_else(|e| panic!("{}", helped(&e)));
        assert_eq!(past.and_then(|p| p.mark), Some(Mark::Position(position(done - 1))));
        assert_eq!(case.read(), list(0..done));
    }
    chunks(&mut *sink, done, 350);
    // The last ones are made final by `finish`.
    sink.write(&chunk(350, 360, 10)).unwrap();
    sink.finish().unwrap();
    assert_eq!(case.read(), list(0..360));
    let mut again = case.sink(IfExists::Error);
    let past = again.open(&opening(1, true)).unwrap().expect("there is a note");
    assert_eq!(past.mark, Some(Mark::Position(position(359))));
    assert_eq!(past.complete_ms, Some(opening(1, true).span_ms.1));
    let said = again.abort();
    assert!(said.contains("nothing was added"), "{said}");
    // A run without `--resume` sees old content.
    assert!(case.sink(IfExists::Error).open(&opening(1, false)).is_err());
    // Another stream does not go on with it.
    let error = case.sink(IfExists::Error).open(&opening(2, true)).unwrap_err();
    assert!(helped(&error).contains("seed: 2 (there: 1)"), "{}", helped(&error));
    assert_eq!(case.read(), list(0..360));
}

#[test]
fn a_topic_that_was_made_anew_knows_nothing_of_old_notes() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    case.whole(IfExists::Error, 0, 20);
    server.ask(&["clean", &case.name.name]);
    server.ask(&["make", &case.name.name, "3", "retention.ms=-1"]);
    let mut sink = case.sink(IfExists::Error);
    assert_eq!(sink.open(&opening(1, true)).unwrap(), None);
    chunks(&mut *sink, 0, 10);
    assert_eq!(case.read(), list(0..10));
}

#[test]
fn a_topic_that_grew_keeps_subjects_where_they_were() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut sink = case.open(IfExists::Error);
    chunks(&mut *sink, 0, 50);
    sink.abort();
    server.ask(&["grow", &case.name.name, "8"]);
    let mut sink = case.sink(IfExists::Error);
    sink.open(&opening(1, true)).unwrap();
    chunks(&mut *sink, 50, 100);
    sink.finish().unwrap();
    let mut place: BTreeMap<String, u64> = BTreeMap::new();
    let all = server.read(&case.name.name).unwrap();
    assert_eq!(all.len(), 100);
    for m in all {
        let (key, p) = (m["key"].as_str().unwrap().to_owned(), m["partition"].as_u64().unwrap());
        assert_eq!(*place.entry(key).or_insert(p), p);
    }
}

#[test]
fn a_second_run_of_the_stream_takes_over() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut first = case.open(IfExists::Error);
    chunks(&mut *first, 0, 10);
    first.write(&chunk(10, 20, 10)).unwrap();
    // One that may not begin disturbs nobody.
    assert!(case.sink(IfExists::Error).open(&opening(1, false)).is_err());
    assert_eq!(first.commit(position(19)).unwrap(), Some(position(19)));
    first.write(&chunk(20, 30, 10)).unwrap();
    let mut second = case.sink(IfExists::Error);
    let past = second.open(&opening(1, true)).unwrap().expect("there is a note");
    assert_eq!(past.mark, Some(Mark::Position(position(19))));
    let error = first.commit(position(29)).unwrap_err();
    assert!(error.message.contains("another run of the same stream"), "{error}");
    assert!(!error.help.is_empty());
    assert!(first.abort().contains("holds the first 20 events"));
    chunks(&mut *second, 20, 40);
    second.finish().unwrap();
    assert_eq!(case.read(), list(0..40));
}

#[test]
fn without_transactions_what_is_committed_is_there_at_least_once() {
    let Some(server) = server() else { return };
    let mut case = Case::new(&server);
    case.transactions = false;
    let mut sink = case.open(IfExists::Error);
    chunks(&mut *sink, 0, 50);
    assert_eq!(case.read(), list(0..50));
    let said = sink.abort();
    assert!(said.contains("holds the first 50 events"), "{said}");
    let mut sink = case.sink(IfExists::Error);
    let past = sink.open(&opening(1, true)).unwrap().expect("there is a note");
    assert_eq!(past.mark, Some(Mark::Position(position(49))));
    sink.write(&chunk(50, 60, 10)).unwrap();
    sink.finish().unwrap();
    assert_eq!(case.read(), list(0..60));
}

#[test]
fn a_message_that_is_too_large_is_refused_with_its_event() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    server.ask(&["make", &case.name.name, "3", "retention.ms=-1", "max.message.bytes=200000"]);
    let mut sink = case.open(IfExists::Error);
    chunks(&mut *sink, 0, 10);
    // One that just fits.
    sink.write(&chunk(10, 11, 190_000)).unwrap();
    sink.commit(position(10)).unwrap();
    let error = sink.write(&chunk(11, 12, 200_000)).unwrap_err();
    let text = helped(&error);
    assert!(text.contains("event trx makes a message of 200,0"), "{text}");
    assert!(text.contains("takes at most 200,000 (max.message.bytes)"), "{text}");
    assert!(text.contains("kafka-configs.sh"), "{text}");
    assert!(sink.abort().contains("holds the first 11 events"));
    assert_eq!(case.read(), list(0..11));
}

#[test]
fn a_time_at_or_before_1970_is_refused() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut sink = case.open(IfExists::Error);
    for time_ms in [0, -1, -62_135_596_800_000] {
        let mut chunk = chunk(0, 3, 10);
        let Payload::Messages(messages) = &mut chunk.payload else { panic!("they are messages") };
        messages.list[1].time_ms = time_ms;
        let error = sink.write(&chunk).unwrap_err();
        assert!(error.message.contains("event trx has the time"), "{error}");
        assert!(error.message.contains("1970"), "{error}");
    }
    sink.abort();
    assert_eq!(case.read(), list(0..0));
}

#[test]
fn memory_is_bounded_where_the_queue_is_short() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let more = [("config.queue.buffering.max.kbytes", "64"), ("config.linger.ms", "1")];
    let mut sink = case.try_sink(IfExists::Error, &more).unwrap();
    sink.open(&opening(1, false)).unwrap();
    for start in (0..3_000).step_by(100) {
        sink.write(&chunk(start, start + 100, 1_000)).unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(case.read(), list(0..3_000));
}

#[test]
fn abort_does_not_wait() {
    let Some(server) = server() else { return };
    let case = Case::new(&server);
    let mut sink = case.open(IfExists::Error);
    chunks(&mut *sink, 0, 10);
    for start in (10..30_000).step_by(1_000) {
        sink.write(&chunk(start, start + 1_000, 200)).unwrap();
    }
    let begun = std::time::Instant::now();
    let said = sink.abort();
    drop(sink);
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(said.contains("holds the first 10 events"), "{said}");
    assert_eq!(case.read(), list(0..10));
}
