//! Files of whole runs: the same bytes whatever the threads and windows; parts that are killed,
//! resumed, extended and shared; compressed files that are added to; disks that are full.

use super::support::*;
use doge_core::spec::{Length, Overrides};
use doge_datagen::error::{Cause, Error};
use doge_datagen::format::{Format, TextFormat};
use doge_datagen::run::run;
use doge_datagen::sink::{Chunk, IfExists, Opening, Payload, Sink};
use doge_datagen::spec::{ModelText, RunSpec};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Two events with fields of all types, null, nested, and text with everything that must be quoted.
const MODEL: &str = r#"
seed: 11
clock: { start: 2022-02-11T03:21:48Z, tick: 1s, ticks: 800 }
subjects:
  user:
    count: 300
    attributes:
      balance: uniform(0, 999)
      score: uniform(0.0, 1.0)
      last: nullable(timestamp)
      note: nullable(string)
      name: "'a \"b\", c ' + string(id)"
    states:
      off:
        transitions:
          spend:
            probability: 3%
            let: { amount: 'uniform(10, 99)' }
            set: { balance: balance - amount, last: timestamp, note: "amount > 50 ? 'lots\\nof \"it\", ü🙂' : null" }
            emit: [trx, click]
          on: { to: on, probability: 5%, emit: click }
      on: { transitions: { off: { to: off, probability: 50%, emit: click } } }
events:
  trx:
    fields: { id: id, at: timestamp, amount: amount, last: old.last, balance: balance, paid: 'amount < 20', score: score,
      wait: "coalesce(old.last, timestamp) - timestamp", user: { name: name, more: { note: note, seq: seq } } }
  click: { fields: { id: id, trigger: trigger, note: note } }
"#;

/// Every form of file that this build writes.
const FORMS: &[&str] = &[
    "jsonl",
    "csv",
    #[cfg(feature = "compression")]
    "jsonl.gz",
    #[cfg(feature = "compression")]
    "csv.zst",
    #[cfg(feature = "parquet")]
    "parquet",
    #[cfg(feature = "parquet")]
    "arrow",
    #[cfg(feature = "avro")]
    "avro",
];

/// A run into a folder: single files and parts of every form, in parts of `size` events.
fn into(folder: &Path, size: u64) -> RunSpec {
    let mut sinks = String::from("sinks:\n");
    for (i, form) in FORMS.iter().enumerate() {
        let folder = folder.display();
        sinks += &format!("  s{i}: {{ file: {{ path: \"{folder}/{{event}}.{form}\" }} }}\n");
        sinks += &format!(
            "  p{i}: {{ file: {{ path: \"{folder}/parts/{{event}}-{{part}}.{form}\", part: {{ events: {size} }} }} }}\n"
        );
    }
    RunSpec {
        model: ModelText { name: "m.yaml".into(), text: format!("{MODEL}{sinks}") },
        threads: Some(1),
        ..RunSpec::default()
    }
}

fn ticks(spec: RunSpec, ticks: u64) -> RunSpec {
    let overrides = Overrides { length: Some(Length::Ticks(ticks)), ..spec.overrides.clone() };
    RunSpec { overrides, ..spec }
}

fn whole(spec: &RunSpec) {
    run(spec).unwrap_or_else(|e| panic!("{e}: {:?}", source(&e)));
}

fn source(e: &Error) -> Option<&Cause> {
    match e {
        Error::Stopped(stopped) => Some(&stopped.cause),
        _ => None,
    }
}

/// All files below a folder, by path.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            out.insert(name, std::fs::read(&path).unwrap());
        }
    }
    out
}

#[track_caller]
fn same(got: &Path, want: &BTreeMap<String, Vec<u8>>) {
    let got = tree(got);
    let names = |t: &BTreeMap<String, Vec<u8>>| t.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&got), names(want));
    for (name, bytes) in &got {
        assert!(*bytes == want[name], "{name} has other bytes");
    }
}

#[test]
fn bytes_do_not_depend_on_threads_and_windows() {
    let first = tempfile::tempdir().unwrap();
    whole(&into(first.path(), 1_000));
    let want = tree(first.path());
    assert!(want.keys().filter(|n| n.contains("click-")).count() > 10, "there are parts");
    for (threads, window) in [(1, Some(1)), (2, None), (8, Some(37))] {
        let folder = tempfile::tempdir().unwrap();
        let spec = into(folder.path(), 1_000);
        whole(&RunSpec { threads: Some(threads), window_ticks: window, ..spec });
        same(folder.path(), &want);
    }
}

#[test]
fn parts_hold_the_events_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    whole(&into(folder.path(), 700));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let parts = parts_of(&folder.path().join("parts/trx-{part}.jsonl"));
    let all: Vec<u8> = parts.iter().flat_map(|p| std::fs::read(p).unwrap()).collect();
    assert!(all == read("trx.jsonl"));
    let manifest: serde_json::Value = serde_json::from_slice(&read("parts/_doge.json")).unwrap();
    let listed = manifest["outputs"]["trx-{part}.csv"]["parts"].as_array().unwrap();
    let events: Vec<u64> = listed.iter().map(|p| p["events"].as_u64().unwrap()).collect();
    assert!(events.len() > 3, "{events:?}");
    let (last, full) = events.split_last().unwrap();
    assert!(full.iter().all(|e| *e == 700) && (1..=700).contains(last), "{events:?}");
    // CSV: each part is a file by itself.
    for part in parts_of(&folder.path().join("parts/trx-{part}.csv")) {
        let program = "import csv,sys\nrows=list(csv.DictReader(open(sys.argv[1],newline='')))\n\
                       print(len(rows), all(r['user_name'].startswith('a \"b\", c ') for r in rows))";
        let out = python(program, &[part.to_str().unwrap()]);
        assert!(out.trim() == "700 True" || out.trim() == format!("{last} True"), "{out}");
    }
}

#[test]
fn a_finished_run_is_extended() {
    let want = tempfile::tempdir().unwrap();
    whole(&into(want.path(), 333));
    let folder = tempfile::tempdir().unwrap();
    let spec = RunSpec { resume: true, ..into(folder.path(), 333) };
    for length in [1, 100, 100, 333, 800] {
        let report = run(&ticks(spec.clone(), length)).unwrap_or_else(|e| panic!("{e}"));
        assert!(!report.complete, "single files begin anew");
    }
    // The note says up to when; all else is the same.
    same(folder.path(), &tree(want.path()));
    // A shorter one has nothing to do to the parts.
    let parts = tree(&folder.path().join("parts"));
    whole(&ticks(spec, 50));
    assert!(tree(&folder.path().join("parts")) == parts);
}

#[test]
fn shards_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let text = format!(
        "{MODEL}sinks: {{ s: {{ file: {{ path: \"{path}/{{event}}-{{shard}}-{{part}}.jsonl\", part: {{ events: 500 }} }} }} }}"
    );
    std::thread::scope(|s| {
        for shard in 1..=4 {
            let model = ModelText { name: "m.yaml".into(), text: text.clone() };
            s.spawn(move || {
                whole(&RunSpec { model, shard: Some((shard, 4)), ..RunSpec::default() })
            });
        }
    });
    let manifest = std::fs::read(folder.path().join("_doge.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let outputs = manifest["outputs"].as_object().unwrap();
    assert_eq!(outputs.len(), 8);
    for (name, output) in outputs {
        for part in output["parts"].as_array().unwrap() {
            let file = folder.path().join(part["name"].as_str().unwrap());
            assert_eq!(std::fs::metadata(&file).unwrap().len(), part["bytes"], "{name}");
        }
    }
    assert!(tree(folder.path()).keys().all(|n| !n.ends_with(".part")), "nothing else stays");
}

/// Kills runs at moments that nobody chose, until one is complete.
#[test]
fn killed_and_resumed_as_if_nothing_had_happened() {
    let want = tempfile::tempdir().unwrap();
    whole(&into(want.path(), 250));
    let folder = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    whole(&into(tempfile::tempdir().unwrap().path(), 250));
    let whole_ms = started.elapsed().as_millis() as u64;
    let mut kills = 0;
    for round in 0..40u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "files::child_run"])
            .env("DOGE_TEST_FOLDER", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if kills < 8 {
            std::thread::sleep(Duration::from_millis(whole_ms * (1 + round * 7 % 10) / 10));
            // On Unix this is `kill -9`.
            let _ = child.kill();
        }
        let out = child.wait_with_output().unwrap();
        if out.status.success() {
            break;
        }
        assert!(out.status.code().is_none(), "{}", String::from_utf8_lossy(&out.stderr));
        kills += 1;
    }
    eprintln!("killed {kills} times");
    same(folder.path(), &tree(want.path()));
}

#[test]
#[ignore = "run by killed_and_resumed_as_if_nothing_had_happened in a process that is killed"]
fn child_run() {
    let folder = std::env::var_os("DOGE_TEST_FOLDER").expect("run by another test");
    whole(&RunSpec { resume: true, ..into(folder.as_ref(), 250) });
}

fn parts(folder: &Path, if_exists: IfExists) -> Box<dyn Sink> {
    parts_of_size(folder, if_exists, "10")
}

fn parts_of_size(folder: &Path, if_exists: IfExists, size: &str) -> Box<dyn Sink> {
    let path = folder.join("x-\u{1}.jsonl");
    let texts = [("path", path.to_str().unwrap()), ("part.events", size)];
    make(kind("file"), &texts, if_exists, Format::Jsonl, &mut Shared::new())
}

fn text(from: u64, to: u64) -> Chunk {
    chunk(kind("file"), &layout(), TextFormat::Jsonl, from, to)
}

fn resuming(seed: u64) -> Opening {
    Opening { resume: true, stream: stream(seed), ..opening(TextFormat::Jsonl) }
}

#[test]
fn a_part_is_a_part_however_its_events_arrive() {
    for step in [1, 3, 7, 10, 25, 100] {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = parts(folder.path(), IfExists::Error);
        sink.open(&opening(TextFormat::Jsonl)).unwrap();
        for from in (0..95).step_by(step) {
            let to = (from + step as u64).min(95);
            sink.write(&text(from, to)).unwrap();
            let done = sink.commit(position(to - 1)).unwrap();
            // The last whole chunk within the parts that are whole.
            let full = to / 10 * 10;
            let step = step as u64;
            let want = if full == to { to } else { full / step * step };
            assert_eq!(done, (want > 0).then(|| position(want - 1)), "{step}: {to}");
        }
        sink.finish().unwrap();
        let files = parts_of(&folder.path().join("x-{part}.jsonl"));
        assert_eq!(files.len(), 10);
        let last = read_files(&files[9], Format::Jsonl).unwrap();
        assert_eq!(last, (90..95).collect::<Vec<_>>());
    }
}

#[test]
fn what_the_manifest_does_not_list_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = parts(folder.path(), IfExists::Error);
    sink.open(&opening(TextFormat::Jsonl)).unwrap();
    sink.write(&text(0, 25)).unwrap();
    drop(sink);
    // As if it had been killed between a rename and the manifest.
    std::fs::write(folder.path().join("x-000002.jsonl"), "half").unwrap();
    std::fs::write(folder.path().join("x-000003.jsonl.part"), "half").unwrap();
    std::fs::write(folder.path().join("x-more.jsonl"), "somebody's").unwrap();
    let mut sink = parts(folder.path(), IfExists::Error);
    let past = sink.open(&resuming(0)).unwrap().unwrap();
    assert_eq!(past.mark, Some(doge_datagen::sink::Mark::Events(20)));
    assert_eq!(parts_of(&folder.path().join("x-{part}.jsonl")).len(), 2);
    sink.write(&text(20, 31)).unwrap();
    let said = sink.abort();
    assert!(said.contains("the first 30 events, in 3 parts"), "{said}");
    let names: Vec<String> = tree(folder.path()).into_keys().collect();
    assert_eq!(
        names,
        ["_doge.json", "x-000000.jsonl", "x-000001.jsonl", "x-000002.jsonl", "x-more.jsonl"]
    );
}

#[test]
fn parts_that_cannot_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = parts(folder.path(), IfExists::Error);
    sink.open(&opening(TextFormat::Jsonl)).unwrap();
    sink.write(&text(0, 25)).unwrap();
    sink.finish().unwrap();
    let before = tree(folder.path());
    let fails = |mut sink: Box<dyn Sink>, opening: &Opening, message: &str| {
        let error = sink.open(opening).unwrap_err();
        assert!(error.message.contains(message), "got {error}, want {message}");
        assert!(!error.help.is_empty());
        drop(sink);
        assert!(tree(folder.path()) == before, "{message}: something was changed");
    };
    fails(parts(folder.path(), IfExists::Error), &opening(TextFormat::Jsonl), "exists already");
    fails(parts(folder.path(), IfExists::Error), &resuming(1), "seed: 1 (there: 0)");
    let other = parts_of_size(folder.path(), IfExists::Error, "20");
    fails(other, &resuming(0), "form: jsonl none part 20 (there: jsonl none part 10)");
    let mut first = parts(folder.path(), IfExists::Error);
    first.open(&resuming(0)).unwrap();
    let error = parts(folder.path(), IfExists::Replace).open(&resuming(0)).unwrap_err();
    assert!(error.message.contains("another run is writing it"), "{error}");
    drop(first);
    let part = folder.path().join("x-000001.jsonl");
    std::fs::write(&part, "changed").unwrap();
    let error = parts(folder.path(), IfExists::Error).open(&resuming(0)).unwrap_err();
    assert!(error.message.contains("x-000001.jsonl is not as it was written"), "{error}");
    std::fs::write(folder.path().join("_doge.json"), "{}").unwrap();
    let error = parts(folder.path(), IfExists::Replace).open(&resuming(0)).unwrap_err();
    assert!(error.message.contains("_doge.json"), "{error}");
}

#[test]
fn fewer_parts_take_the_place_of_more() {
    let folder = tempfile::tempdir().unwrap();
    for (events, parts_left) in [(95, 10), (25, 3), (0, 1)] {
        let mut sink = parts(folder.path(), IfExists::Replace);
        sink.open(&Opening { stream: stream(events), ..opening(TextFormat::Jsonl) }).unwrap();
        if events > 0 {
            sink.write(&text(0, events)).unwrap();
        }
        sink.finish().unwrap();
        assert_eq!(parts_of(&folder.path().join("x-{part}.jsonl")).len(), parts_left);
        assert_eq!(tree(folder.path()).len(), parts_left + 1);
    }
}

#[cfg(feature = "compression")]
#[test]
fn a_broken_compressed_file_is_not_added_to() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.csv.gz", "x.csv.zst"] {
        let path = folder.path().join(name);
        let texts = [("path", path.to_str().unwrap())];
        let csv = TextFormat::Csv;
        let sink = || make(kind("file"), &texts, IfExists::Append, csv, &mut Shared::new());
        let mut first = sink();
        first.open(&opening(csv)).unwrap();
        first.write(&chunk(kind("file"), &layout(), csv, 0, 100)).unwrap();
        first.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let fails = |bytes: &[u8], header: &str, message: &str| {
            std::fs::write(&path, bytes).unwrap();
            let opening = Opening { header: header.into(), ..opening(csv) };
            let error = sink().open(&opening).unwrap_err();
            assert!(error.message.contains(message), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "it was changed");
        };
        fails(&whole[..whole.len() - 3], HEADER, "it is not a whole");
        fails(b"plain,text\n", HEADER, "it is not a whole");
        fails(&whole, "a,b\n", "its columns are other ones");
        std::fs::write(&path, &whole).unwrap();
        let mut more = sink();
        more.open(&opening(csv)).unwrap();
        more.write(&chunk(kind("file"), &layout(), csv, 100, 150)).unwrap();
        more.finish().unwrap();
        assert_eq!(read_files(&path, Format::Csv), Some((0..150).collect()), "{name}");
    }
}

/// Fills files of every form until that fails, and looks at what is left.
pub fn fill_files(folder: &Path, message: &str) {
    for form in FORMS {
        for name in [format!("full.{form}"), format!("full-\u{1}.{form}")] {
            let path = folder.join(&name);
            let format = match *form {
                "parquet" => Format::Parquet,
                "arrow" => Format::Arrow,
                "avro" => Format::Avro,
                f if f.starts_with("csv") => Format::Csv,
                _ => Format::Jsonl,
            };
            let texts = [("path", path.to_str().unwrap()), ("part.events", "7000")];
            let text = format.text();
            let mut sink = make(kind("file"), &texts, IfExists::Error, format, &mut Shared::new());
            sink.open(&opening(text.unwrap_or(TextFormat::Jsonl))).unwrap();
            // A part of 7,000 events fits, not so two or three hundred of them.
            let error = (0..300).find_map(|i| {
                let (from, to) = (i * 5_000, i * 5_000 + 5_000);
                let made =
                    chunk(kind("file"), &layout(), text.unwrap_or(TextFormat::Jsonl), from, to);
                let payload = match text {
                    Some(_) => made.payload,
                    None => Payload::Batch(batch(&layout(), from, to)),
                };
                sink.write(&Chunk { payload, ..made }).err()
            });
            let parts = name.contains('\u{1}');
            let error = match error {
                Some(error) => error,
                // What a limit for each file allows for ever.
                None if parts => {
                    sink.abort();
                    clear(folder);
                    continue;
                }
                None => sink.finish().expect_err("the disk is full"),
            };
            assert!(error.message.contains(message), "{name}: {error}");
            let said = sink.abort();
            drop(sink);
            let shown = folder.join(name.replace('\u{1}', "{part}"));
            if parts {
                let left = read_files(&shown, format).unwrap_or_default();
                assert_eq!(left, (0..left.len() as u64).collect::<Vec<_>>(), "{name}");
                assert_eq!(left.len() % 7_000, 0);
                let said_so = said.contains(&doge_datagen::sink::events(left.len() as u64));
                assert!(said_so || (left.is_empty() && said.contains("not touched")), "{said}");
            } else if format.text().is_some() || format == Format::Avro {
                let part = folder.join(format!("{name}.part"));
                let left = read_files(&part, format).unwrap_or_default();
                assert_eq!(left, (0..left.len() as u64).collect::<Vec<_>>(), "{name}");
                let said_so = said.contains(&doge_datagen::sink::events(left.len() as u64));
                assert!(said_so || (left.is_empty() && said.contains("not touched")), "{said}");
            } else {
                assert!(said.contains("nothing of this run is kept"), "{said}");
                assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "{name}");
            }
            clear(folder);
        }
    }
}

fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}
