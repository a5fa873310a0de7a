//! The rules of [`Sink`](doge_datagen::sink::Sink), each executed against every kind that can be made.
//!
//! A new kind is found through `KINDS`; it needs a line in [`cases`] and a reader in `support`, and the
//! suite fails until it has both. `stdout` cannot be opened twice in one process: its rules are tested
//! through the command.

use super::support::*;
use doge_datagen::format::TextFormat;
use doge_datagen::sink::{IfExists, KINDS, Make, Sink, SinkKind, Takes};
use std::path::PathBuf;
use tempfile::TempDir;

/// A kind in one format, with a folder of its own.
struct Case {
    kind: &'static SinkKind,
    format: TextFormat,
    folder: TempDir,
}

impl Case {
    fn path(&self) -> PathBuf {
        self.folder.path().join("new folder").join(match (self.kind.name, self.format) {
            ("sqlite", _) => "out.db",
            (_, TextFormat::Jsonl) => "out.jsonl",
            (_, TextFormat::Csv) => "out.csv",
        })
    }

    fn sink(&self, if_exists: IfExists) -> Box<dyn Sink> {
        let path = self.path();
        let texts = [("path", path.to_str().unwrap()), ("table", "trx")];
        make(self.kind, &texts, if_exists, self.format, &mut Shared::new())
    }

    /// Writes `from..to` in chunks of ten, committing after each, and finishes.
    fn whole(&self, if_exists: IfExists, from: u64, to: u64) -> Box<dyn Sink> {
        let mut sink = self.sink(if_exists);
        sink.open(&opening(self.format)).unwrap_or_else(|e| panic!("{}: {e}", self.kind.name));
        self.chunks(&mut *sink, from, to);
        sink.finish().unwrap_or_else(|e| panic!("{}: {e}", self.kind.name));
        sink
    }

    /// Writes and commits; the last position that the sink called final.
    fn chunks(&self, sink: &mut dyn Sink, from: u64, to: u64) -> Option<u64> {
        let layout = layout();
        let mut last = None;
        for start in (from..to).step_by(10) {
            let end = (start + 10).min(to);
            sink.write(&chunk(self.kind, &layout, self.format, start, end)).unwrap();
            let upto = position(end - 1);
            let done = sink.commit(upto).unwrap();
            assert!(
                done <= Some(upto),
                "{}: a commit must not pass what was written",
                self.kind.name
            );
            assert!(done.map(|p| p.id) >= last, "{}: a commit must not go back", self.kind.name);
            last = done.map(|p| p.id);
        }
        last
    }

    fn read(&self) -> Option<Vec<u64>> {
        read_back(self.kind.name, &self.path(), self.format)
    }

    /// What is left beside the destination itself.
    fn litter(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path().parent().unwrap()) else {
            return Vec::new();
        };
        let own = self.path();
        entries
            .map(|e| e.unwrap().path())
            .filter(|p| *p != own)
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }
}

/// Every kind that keeps something, in every format.
fn cases() -> Vec<Case> {
    let mut out = Vec::new();
    for kind in KINDS.iter().copied().filter(|k| matches!(k.make, Make::Now(_))) {
        let formats: &[TextFormat] = match kind.name {
            // Nothing to read back; see the module's head.
            "stdout" | "null" => continue,
            "file" => &[TextFormat::Jsonl, TextFormat::Csv],
            "sqlite" => &[TextFormat::Jsonl],
            // Against a broker, in `tests/kafka`.
            "kafka" => continue,
            other => panic!("the kind {other} has no line in the conformance suite: add one here"),
        };
        for format in formats {
            out.push(Case { kind, format: *format, folder: tempfile::tempdir().unwrap() });
        }
    }
    assert!(out.len() >= 2, "no kinds to test");
    out
}

#[test]
fn all_events_in_order_in_a_folder_that_is_made() {
    for case in cases() {
        let mut sink = case.whole(IfExists::Error, 0, 95);
        assert_eq!(case.read(), Some((0..95).collect()), "{}", case.kind.name);
        assert_eq!(case.litter(), Vec::<String>::new(), "{}: nothing else stays", case.kind.name);
        let said = sink.abort();
        assert!(said.contains("complete"), "after finish, abort says that all is there: {said}");
        assert_eq!(case.read(), Some((0..95).collect()), "{}", case.kind.name);
    }
}

#[test]
fn without_events_an_empty_output() {
    for case in cases() {
        case.whole(IfExists::Error, 0, 0);
        assert_eq!(case.read(), Some(vec![]), "{}", case.kind.name);
        if case.format == TextFormat::Csv {
            assert_eq!(std::fs::read_to_string(case.path()).unwrap(), HEADER);
        }
    }
}

#[test]
fn existing_events_are_an_error_and_stay() {
    for case in cases() {
        case.whole(IfExists::Error, 0, 5);
        let error = case.sink(IfExists::Error).open(&opening(case.format)).unwrap_err();
        assert!(error.message.contains(case.path().to_str().unwrap()), "names the place: {error}");
        assert!(error.help.join(" ").contains("if_exists: replace"), "says the way out: {error:?}");
        assert_eq!(case.read(), Some((0..5).collect()), "{}", case.kind.name);
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn an_empty_output_does_not_exist() {
    for case in cases() {
        // The header of CSV makes its file longer than nothing.
        if case.format != TextFormat::Csv {
            case.whole(IfExists::Error, 0, 0);
            case.whole(IfExists::Error, 0, 3);
            assert_eq!(case.read(), Some(vec![0, 1, 2]), "{}", case.kind.name);
        }
    }
}

#[test]
fn replace_keeps_the_old_until_its_moment() {
    for case in cases() {
        case.whole(IfExists::Error, 0, 5);
        let mut sink = case.sink(IfExists::Replace);
        sink.open(&opening(case.format)).unwrap();
        assert_eq!(case.read(), Some((0..5).collect()), "{}: open keeps the old", case.kind.name);
        let layout = layout();
        sink.write(&chunk(case.kind, &layout, case.format, 10, 20)).unwrap();
        assert_eq!(case.read(), Some((0..5).collect()), "{}: write keeps the old", case.kind.name);
        let done = sink.commit(position(19)).unwrap();
        let want = if done.is_some() { 10..20 } else { 0..5 };
        assert_eq!(case.read(), Some(want.collect()), "{}: commit", case.kind.name);
        sink.finish().unwrap();
        assert_eq!(case.read(), Some((10..20).collect()), "{}: finish", case.kind.name);
        // And without a single event.
        case.whole(IfExists::Replace, 0, 0);
        assert_eq!(case.read(), Some(vec![]), "{}: replaced by nothing", case.kind.name);
    }
}

#[test]
fn append_adds() {
    for case in cases() {
        case.whole(IfExists::Append, 0, 5);
        case.whole(IfExists::Append, 5, 25);
        assert_eq!(case.read(), Some((0..25).collect()), "{}", case.kind.name);
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn open_and_abort_change_nothing() {
    for case in cases() {
        for if_exists in [IfExists::Error, IfExists::Replace, IfExists::Append] {
            let mut sink = case.sink(if_exists);
            sink.open(&opening(case.format)).unwrap();
            let said = sink.abort();
            assert!(said.contains(case.path().to_str().unwrap()), "names the place: {said}");
            assert!(!case.path().exists(), "{}: what was not there is not there", case.kind.name);
            assert_eq!(case.litter(), Vec::<String>::new(), "{}", case.kind.name);
        }
        case.whole(IfExists::Replace, 0, 5);
        for if_exists in [IfExists::Replace, IfExists::Append] {
            let mut sink = case.sink(if_exists);
            sink.open(&opening(case.format)).unwrap();
            let said = sink.abort();
            assert!(said.contains("was not touched") || said.contains("is as it was"), "{said}");
            assert_eq!(case.read(), Some((0..5).collect()), "{}", case.kind.name);
            assert_eq!(case.litter(), Vec::<String>::new(), "{}", case.kind.name);
        }
    }
}

#[test]
fn abort_leaves_whole_events_and_says_how_many() {
    for case in cases() {
        let mut sink = case.sink(IfExists::Error);
        sink.open(&opening(case.format)).unwrap();
        let committed = case.chunks(&mut *sink, 0, 1_500);
        // Written, not committed.
        sink.write(&chunk(case.kind, &layout(), case.format, 1_500, 1_510)).unwrap();
        let said = sink.abort();
        let (kept, path) = match committed {
            Some(last) => (last + 1, case.path()),
            None => {
                let mut part = case.path().into_os_string();
                part.push(".part");
                (1_510, PathBuf::from(part))
            }
        };
        let number = doge_datagen::sink::events(kept);
        assert!(
            said.contains(&number) && said.contains(path.to_str().unwrap()),
            "{said}, want {number}"
        );
        let left = read_back(case.kind.name, &path, case.format);
        assert_eq!(left, Some((0..kept).collect()), "{}", case.kind.name);
        assert_eq!(case.path().exists(), committed.is_some(), "only the whole has its name");
        // The next run is not in the way of what is left.
        case.whole(IfExists::Replace, 0, 5);
        assert_eq!(case.read(), Some((0..5).collect()));
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn a_sink_that_is_dropped_has_aborted() {
    for case in cases() {
        case.whole(IfExists::Error, 0, 5);
        let mut sink = case.sink(IfExists::Append);
        sink.open(&opening(case.format)).unwrap();
        sink.write(&chunk(case.kind, &layout(), case.format, 5, 9)).unwrap();
        drop(sink);
        let left = case.read().unwrap();
        assert!(left == (0..5).collect::<Vec<_>>() || left == (0..9).collect::<Vec<_>>());
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn a_second_writer_is_noticed() {
    for case in cases() {
        // Also where opening changes nothing that would need a lock.
        case.whole(IfExists::Error, 0, 5);
        let mut first = case.sink(IfExists::Replace);
        first.open(&opening(case.format)).unwrap();
        let error = case.sink(IfExists::Replace).open(&opening(case.format)).unwrap_err();
        assert!(error.message.contains("another"), "{error}");
        assert!(!error.help.is_empty());
        case.chunks(&mut *first, 0, 3);
        // One that ends soon is waited for.
        let ending = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(60));
            first.finish().unwrap();
        });
        case.whole(IfExists::Replace, 10, 12);
        ending.join().unwrap();
        assert_eq!(case.read(), Some(vec![10, 11]), "{}", case.kind.name);
    }
}

#[test]
fn null_is_never_written_to() {
    // It counts as taking every event, but nothing is made for it.
    assert!(kind("null").takes == Takes::Nothing);
    let mut sink = make(kind("null"), &[], IfExists::Error, TextFormat::Jsonl, &mut Shared::new());
    assert_eq!(sink.open(&opening(TextFormat::Jsonl)).unwrap(), None);
    assert_eq!(sink.finish().unwrap().place, "null");
    assert!(sink.abort().starts_with("null "));
}
