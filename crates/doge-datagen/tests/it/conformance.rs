//! The rules of [`Sink`](doge_datagen::sink::Sink), each executed against every kind that can be made.
//!
//! A new kind is found through `KINDS`; it needs a line in [`cases`] and a reader in `support`, and the
//! suite fails until it has both. `stdout` cannot be opened twice in one process: its rules are tested
//! through the command.

use super::servers::{mariadb, psql, server, unique};
use super::support::*;
use doge_datagen::format::{Format, TextFormat};
use doge_datagen::sink::{
    Chunk, IfExists, KINDS, Make, Mark, Opening, Past, Payload, Sink, SinkKind, Takes,
};
use std::path::PathBuf;
use tempfile::TempDir;

/// A kind in one format, with a folder of its own.
struct Case {
    kind: &'static SinkKind,
    format: TextFormat,
    /// What a file holds, and its name.
    file: (Format, &'static str),
    folder: TempDir,
    /// The address of a server.
    url: String,
    table: String,
}

impl Drop for Case {
    fn drop(&mut self) {
        let table = &self.table;
        let sql = format!(
            "drop table if exists {table}; delete from _doge_notes where place = '{table}'"
        );
        // Without a note there may be no table of notes.
        match self.kind.name {
            "postgres" => drop(psql(&self.url, &sql)),
            "mysql" => drop(mariadb(&self.url, &sql)),
            _ => {}
        }
    }
}

impl Case {
    /// What people are told about the place.
    fn place(&self) -> String {
        if self.url.is_empty() {
            self.path().to_str().unwrap().to_owned()
        } else {
            format!("table {}", self.table)
        }
    }

    fn exists(&self) -> bool {
        if self.is_parts() {
            return !parts_of(&self.path()).is_empty();
        }
        if self.url.is_empty() { self.path().exists() } else { self.read().is_some() }
    }

    fn has_note(&self) -> bool {
        let sql = format!("select 'noted' from _doge_notes where place = '{}'", self.table);
        match self.kind.name {
            "postgres" => psql(&self.url, &sql).is_ok_and(|out| !out.is_empty()),
            "mysql" => mariadb(&self.url, &sql).is_ok_and(|out| !out.is_empty()),
            _ => false,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("new folder").join(match (self.kind.name, self.format) {
            ("sqlite", _) => "out.db",
            _ => self.file.1,
        })
    }

    /// Whether it is a file that cannot be added to.
    fn is_closed(&self) -> bool {
        self.kind.name == "file" && (self.file.0.text().is_none() || self.is_parts())
    }

    fn is_parts(&self) -> bool {
        self.file.1.contains("{part}")
    }

    /// `append`, or what comes next to it.
    fn append(&self) -> IfExists {
        if self.is_closed() { IfExists::Replace } else { IfExists::Append }
    }

    fn chunk(&self, from: u64, to: u64) -> Chunk {
        let made = chunk(self.kind, &layout(), self.format, from, to);
        if self.kind.name == "file" && self.file.0.text().is_none() {
            return Chunk { payload: Payload::Batch(batch(&layout(), from, to)), ..made };
        }
        made
    }

    fn sink(&self, if_exists: IfExists) -> Box<dyn Sink> {
        let path = self.path().to_str().unwrap().replace("{part}", "\u{1}");
        let texts = [
            ("path", path.as_str()),
            ("table", &self.table),
            ("url", &self.url),
            ("part.events", "20"),
        ];
        make(self.kind, &texts, if_exists, self.file.0, &mut Shared::new())
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
        let mut last = None;
        for start in (from..to).step_by(10) {
            let end = (start + 10).min(to);
            sink.write(&self.chunk(start, end)).unwrap();
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
        let sql = format!("select n from {} order by n", self.table);
        let out = match self.kind.name {
            "file" => return read_files(&self.path(), self.file.0),
            "postgres" => psql(&self.url, &sql),
            "mysql" => mariadb(&self.url, &sql),
            _ => return read_back(self.kind.name, &self.path(), self.format),
        };
        match out {
            Ok(out) => Some(out.lines().map(|l| l.parse().expect("a number")).collect()),
            Err(e) if e.contains("exist") => None,
            Err(e) => panic!("{e}"),
        }
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
            .filter(|p| !(self.is_parts() && (is_part_of(p, &own) || p.ends_with("_doge.json"))))
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }
}

/// Files of every form that this build can write.
const FILES: &[(Format, &str)] = &[
    (Format::Jsonl, "out.jsonl"),
    (Format::Csv, "out.csv"),
    (Format::Jsonl, "out-{part}.jsonl"),
    (Format::Csv, "out-{part}.csv"),
    #[cfg(feature = "compression")]
    (Format::Jsonl, "out.jsonl.gz"),
    #[cfg(feature = "compression")]
    (Format::Csv, "out.csv.zst"),
    #[cfg(feature = "compression")]
    (Format::Csv, "{part}/out.csv.gz"),
    #[cfg(feature = "parquet")]
    (Format::Parquet, "out.parquet"),
    #[cfg(feature = "parquet")]
    (Format::Arrow, "out.arrow"),
    #[cfg(feature = "parquet")]
    (Format::Parquet, "out-{part}.parquet"),
    #[cfg(feature = "parquet")]
    (Format::Arrow, "out-{part}.arrow"),
    #[cfg(feature = "avro")]
    (Format::Avro, "out.avro"),
    #[cfg(feature = "avro")]
    (Format::Avro, "out-{part}.avro"),
];

/// Every kind that keeps something, in every format.
fn cases() -> Vec<Case> {
    let mut out = Vec::new();
    for kind in KINDS.iter().copied().filter(|k| matches!(k.make, Make::Now(_))) {
        let files: &[(Format, &'static str)] = match kind.name {
            // Nothing to read back; see the module's head.
            "stdout" | "null" => continue,
            // Keeps nothing that could be opened again: `http` has its rules.
            "http" => continue,
            "file" => FILES,
            "sqlite" | "postgres" | "mysql" => &[(Format::Jsonl, "")],
            // Against a broker, in `tests/kafka`.
            "kafka" => continue,
            other => panic!("the kind {other} has no line in the conformance suite: add one here"),
        };
        let url = match kind.name {
            "postgres" => server("DOGE_TEST_POSTGRES"),
            "mysql" => server("DOGE_TEST_MYSQL"),
            _ => Some(String::new()),
        };
        let Some(url) = url else { continue };
        for file in files {
            let table = if url.is_empty() { "trx".into() } else { unique("conformance") };
            let folder = tempfile::tempdir().unwrap();
            let format = file.0.text().unwrap_or(TextFormat::Jsonl);
            out.push(Case { kind, format, file: *file, folder, url: url.clone(), table });
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
        if case.file.1 == "out.csv" {
            assert_eq!(std::fs::read_to_string(case.path()).unwrap(), HEADER);
        }
    }
}

#[test]
fn existing_events_are_an_error_and_stay() {
    for case in cases() {
        case.whole(IfExists::Error, 0, 5);
        let error = case.sink(IfExists::Error).open(&opening(case.format)).unwrap_err();
        assert!(error.message.contains(&case.place()), "names the place: {error}");
        assert!(error.help.join(" ").contains("if_exists: replace"), "says the way out: {error:?}");
        assert_eq!(case.read(), Some((0..5).collect()), "{}", case.kind.name);
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn an_empty_output_does_not_exist() {
    for case in cases() {
        // Not so where even an empty file has a header or a frame.
        if case.file.1.ends_with(".jsonl") || case.kind.name == "sqlite" {
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
        sink.write(&case.chunk(10, 20)).unwrap();
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
    for case in cases().into_iter().filter(|c| !c.is_closed()) {
        case.whole(IfExists::Append, 0, 5);
        case.whole(IfExists::Append, 5, 25);
        assert_eq!(case.read(), Some((0..25).collect()), "{}", case.kind.name);
        assert_eq!(case.litter(), Vec::<String>::new());
    }
}

#[test]
fn open_and_abort_change_nothing() {
    for case in cases() {
        for if_exists in [IfExists::Error, IfExists::Replace, case.append()] {
            let mut sink = case.sink(if_exists);
            sink.open(&opening(case.format)).unwrap();
            let said = sink.abort();
            assert!(said.contains(&case.place()), "names the place: {said}");
            assert!(
                !case.exists() && !case.has_note(),
                "{}: what was not there is not there",
                case.kind.name
            );
            assert_eq!(case.litter(), Vec::<String>::new(), "{}", case.kind.name);
        }
        case.whole(IfExists::Replace, 0, 5);
        for if_exists in [IfExists::Replace, case.append()] {
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
        sink.write(&case.chunk(1_500, 1_510)).unwrap();
        let said = sink.abort();
        let mut part = case.path().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let (kept, place) = match committed {
            Some(last) => (last + 1, case.place()),
            None => (1_510, part.to_str().unwrap().to_owned()),
        };
        let number = doge_datagen::sink::events(kept);
        assert!(said.contains(&number) && said.contains(&place), "{said}, want {number}");
        let left = match (committed, case.kind.name) {
            (Some(_), _) => case.read(),
            (None, "file") => read_files(&part, case.file.0),
            (None, kind) => read_back(kind, &part, case.format),
        };
        assert_eq!(left, Some((0..kept).collect()), "{}", case.kind.name);
        assert_eq!(case.exists(), committed.is_some(), "only the whole has its name");
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
        let mut sink = case.sink(case.append());
        sink.open(&opening(case.format)).unwrap();
        sink.write(&case.chunk(5, 9)).unwrap();
        drop(sink);
        let left = case.read().unwrap();
        assert!(left == (0..5).collect::<Vec<_>>() || left == (0..9).collect::<Vec<_>>());
        // A file that was begun anew stays as `.part`, as after any abort.
        if !case.is_closed() || case.is_parts() {
            assert_eq!(case.litter(), Vec::<String>::new());
        }
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

/// Opens a sink that resumes; what it returns.
fn resumed(case: &Case, sink: &mut dyn Sink) -> Option<Past> {
    sink.open(&Opening { resume: true, ..opening(case.format) }).unwrap()
}

fn after(n: u64) -> Option<Mark> {
    Some(Mark::Position(position(n)))
}

fn resumable_cases() -> impl Iterator<Item = Case> {
    // A file keeps a note only where it is written in parts.
    cases().into_iter().filter(|c| c.kind.resumable)
}

#[test]
fn a_run_that_was_cut_off_goes_on_where_it_was() {
    for case in resumable_cases() {
        let name = case.kind.name;
        // Without a note a run that resumes is a fresh one, and obeys `if_exists`.
        let mut first = case.sink(IfExists::Error);
        assert_eq!(resumed(&case, &mut *first), None, "{name}");
        case.chunks(&mut *first, 0, 20);
        first.write(&chunk(case.kind, &layout(), case.format, 20, 30)).unwrap();
        drop(first);
        assert_eq!(case.read(), Some((0..20).collect()), "{name}");
        // What is there is ours: `if_exists` has nothing to say.
        for (n, if_exists) in
            [IfExists::Error, IfExists::Replace, IfExists::Append].into_iter().enumerate()
        {
            let from = 20 + 10 * n as u64;
            let mut next = case.sink(if_exists);
            let past = resumed(&case, &mut *next);
            assert_eq!(past.and_then(|p| p.mark), after(from - 1), "{name}");
            case.chunks(&mut *next, from, from + 10);
            let said = next.abort();
            assert!(said.contains("earlier runs") && said.contains("10 events"), "{said}");
        }
        // The end, after which nothing is left to do.
        let mut last = case.sink(IfExists::Error);
        resumed(&case, &mut *last);
        last.finish().unwrap();
        let mut again = case.sink(IfExists::Error);
        let past = resumed(&case, &mut *again).unwrap();
        assert_eq!((past.mark, past.complete_ms), (after(49), Some(0)), "{name}");
        again.finish().unwrap();
        assert_eq!(case.read(), Some((0..50).collect()), "{name}");
        // A longer run goes on.
        let mut longer = case.sink(IfExists::Error);
        let opening = Opening { resume: true, span_ms: (0, 5_000), ..opening(case.format) };
        assert_eq!(longer.open(&opening).unwrap().unwrap().mark, after(49));
        case.chunks(&mut *longer, 50, 60);
        longer.finish().unwrap();
        let mut again = case.sink(IfExists::Error);
        assert_eq!(resumed(&case, &mut *again).unwrap().complete_ms, Some(5_000), "{name}");
        drop(again);
        assert_eq!(case.read(), Some((0..60).collect()), "{name}");
        // Without `resume` all this is old.
        let error = case.sink(IfExists::Error).open(&super::support::opening(case.format));
        assert!(error.unwrap_err().message.contains("already"), "{name}");
        case.whole(IfExists::Replace, 3, 5);
        assert_eq!(case.read(), Some(vec![3, 4]), "{name}");
    }
}

#[test]
fn a_note_of_another_run_is_refused_and_stays() {
    for case in resumable_cases() {
        case.whole(IfExists::Error, 0, 5);
        let mut other = case.sink(IfExists::Replace);
        let opening = Opening { resume: true, stream: stream(7), ..opening(case.format) };
        let error = other.open(&opening).unwrap_err();
        assert!(error.message.contains("begun by another run: "), "{error}");
        assert!(error.message.contains("seed: 7 (there: 0)"), "{error}");
        assert!(error.message.contains(&case.place()) && error.help.len() == 2, "{error:?}");
        drop(other);
        let mut ours = case.sink(IfExists::Error);
        assert_eq!(resumed(&case, &mut *ours).unwrap().mark, after(4), "{}", case.kind.name);
        drop(ours);
        assert_eq!(case.read(), Some((0..5).collect()), "{}", case.kind.name);
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
