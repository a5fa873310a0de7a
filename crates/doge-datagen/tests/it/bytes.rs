//! Bytes of whole runs: golden files, and that threads, windows, memory, shards, subsets and cuts leave
//! them as they are.
//!
//! What the core's own tests hold against a second engine event by event is here held through
//! [`doge_datagen::run::run`] to the last byte. `testdata/golden/README.md` says what the files are.

use doge_core::spec::{Length, Overrides};
use doge_datagen::destination::from_text;
use doge_datagen::error::{Cause, Error};
use doge_datagen::run::run;
use doge_datagen::spec::{ModelText, RunSpec, SubjectRange};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Lines of a golden file at most.
const LINES: u64 = 40;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All models of `testdata/models` and of `examples`, with their names.
pub fn models() -> Vec<(String, RunSpec)> {
    let mut paths: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(root().join("testdata/models")).unwrap() {
        let path = entry.unwrap().path();
        paths.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    }
    paths.push(("banking".into(), root().join("examples/banking/model.yaml")));
    paths.sort();
    assert!(paths.len() >= 13);
    let spec = |path: &Path| RunSpec {
        model: ModelText::read(path.to_str().unwrap()).unwrap(),
        threads: Some(1),
        ..RunSpec::default()
    };
    paths.into_iter().map(|(name, path)| (name, spec(&path))).collect()
}

/// The bytes that a run writes into one file, JSON lines with envelopes or CSV of one event.
pub fn bytes(spec: &RunSpec, csv: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(if csv { "out.csv" } else { "out.jsonl" });
    let mut to = from_text(path.to_str().unwrap()).unwrap();
    if !csv {
        to.envelope =
            Some(doge_core::source::Spanned::new(true, doge_core::source::Span::COMMAND_LINE));
    }
    let spec = RunSpec { to: vec![to], ..spec.clone() };
    if let Err(e) = run(&spec) {
        panic!("{}: {e}", spec.model.name);
    }
    std::fs::read(path).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').collect()
}

/// FNV-1a of 64 bits.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Compares with a committed file, or writes it under `UPDATE_EXPECT=1`.
fn golden(name: &str, got: &[u8]) -> Result<(), String> {
    let path = root().join("testdata/golden").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, got).unwrap();
        return Ok(());
    }
    let want = std::fs::read(&path).unwrap_or_default();
    if want == got {
        return Ok(());
    }
    let at = lines(&want).iter().zip(lines(got)).position(|(a, b)| *a != b);
    let at = at.unwrap_or(lines(&want).len().min(lines(got).len()));
    let show = |bytes: &[u8]| {
        String::from_utf8_lossy(lines(bytes).get(at).copied().unwrap_or_default()).into_owned()
    };
    Err(format!(
        "{name}, line {}:\n  golden {}\n  now    {}",
        at + 1,
        show(&want).trim_end(),
        show(got).trim_end()
    ))
}

/// Golden bytes of every model: its first events, and a digest of all of them. Debug and release
/// builds, and all machines, are held to the same files.
#[test]
fn golden_files() {
    let mut problems = Vec::new();
    let mut digests = String::from(
        "# model, events, bytes, FNV-1a of 64 bits: the whole run, JSON lines in envelopes\n",
    );
    for (name, spec) in models() {
        let whole = bytes(&spec, false);
        let _ = writeln!(
            digests,
            "{name} {} {} {:016x}",
            lines(&whole).len(),
            whole.len(),
            digest(&whole)
        );
        let first = bytes(&RunSpec { max_events: Some(LINES), ..spec.clone() }, false);
        assert!(whole.starts_with(&first), "{name}: --max-events is no prefix");
        problems.extend(golden(&format!("{name}.jsonl"), &first).err());
    }
    let (name, everything) = models().swap_remove(2);
    assert_eq!(name, "everything");
    let table = bytes(
        &RunSpec { events: vec!["page_view".into()], max_events: Some(LINES), ..everything },
        true,
    );
    problems.extend(golden("everything_page_view.csv", &table).err());
    problems.extend(golden("digests.txt", digests.as_bytes()).err());
    assert!(
        problems.is_empty(),
        "a breaking change, if it is meant (see testdata/golden/README.md):\n{}",
        problems.join("\n")
    );
    let kept = std::fs::read_dir(root().join("testdata/golden")).unwrap().count();
    assert_eq!(kept, models().len() + 3, "files in testdata/golden that no test reads");
}

/// A model with enough subjects for several threads (there is at least one thread for 2,048).
fn crowded(spec: &RunSpec) -> RunSpec {
    let source =
        std::sync::Arc::new(doge_core::source::Source::new("model", spec.model.text.clone()));
    let loaded = doge_core::compile::load(&source, &Overrides::default()).unwrap();
    let counts: Vec<(Option<String>, u64)> = loaded
        .model
        .populations
        .iter()
        .enumerate()
        .map(|(i, p)| (Some(p.name.clone()), [4_300, 2_099, 70][i.min(2)]))
        .collect();
    let overrides = Overrides { counts, length: Some(Length::Ticks(8)), ..Overrides::default() };
    RunSpec { overrides, ..spec.clone() }
}

/// Threads, windows and memory leave no trace, and shards are a partition of the whole.
#[test]
fn one_digest_for_each_model() {
    for (name, spec) in models() {
        let spec = crowded(&spec);
        let whole = bytes(&spec, false);
        let report = run(&RunSpec {
            to: vec![from_text("null").unwrap()],
            threads: Some(2),
            ..spec.clone()
        })
        .unwrap();
        assert_eq!(report.threads, 2, "{name} runs on one thread only");
        for (threads, window_ticks, memory) in [
            (2, None, None),
            (3, Some(1), None),
            (2, Some(3), None),
            (1, Some(1), Some(8 << 20)),
            (2, None, Some(8 << 20)),
            (5, Some(1000), None),
        ] {
            let other = bytes(
                &RunSpec { threads: Some(threads), window_ticks, memory, ..spec.clone() },
                false,
            );
            let what =
                format!("{name}: {threads} threads, windows {window_ticks:?}, memory {memory:?}");
            assert_eq!((other.len(), digest(&other)), (whole.len(), digest(&whole)), "{what}");
        }
        let mut shards = Vec::new();
        for k in 1..=3 {
            shards.push(bytes(
                &RunSpec { shard: Some((k, 3)), threads: Some(2), ..spec.clone() },
                false,
            ));
        }
        for shard in &shards {
            let mut rest = lines(&whole).into_iter();
            let in_order = lines(shard).into_iter().all(|line| rest.any(|l| l == line));
            assert!(
                in_order,
                "{name}: a shard has lines that the whole has not, or in another order"
            );
        }
        let mut parts: Vec<&[u8]> = shards.iter().flat_map(|s| lines(s)).collect();
        let mut all = lines(&whole);
        parts.sort_unstable();
        all.sort_unstable();
        assert!(parts == all, "{name}: shards are not the whole");
    }
}

/// `--max-events N` is the first N lines, on any number of threads and windows.
#[test]
fn max_events_is_a_prefix() {
    for (name, spec) in models() {
        let spec = crowded(&spec);
        let whole = bytes(&spec, false);
        let all = lines(&whole);
        for (n, threads, window_ticks) in [
            (0, 1, None),
            (1, 2, None),
            (all.len() / 2, 1, Some(1)),
            (all.len() / 3, 2, Some(3)),
            (all.len(), 2, None),
            (all.len() + 5, 1, None),
        ] {
            let max_events = Some(n as u64);
            let cut = bytes(
                &RunSpec { max_events, threads: Some(threads), window_ticks, ..spec.clone() },
                false,
            );
            let want = all[..n.min(all.len())].concat();
            assert!(
                cut == want,
                "{name}: --max-events {n} on {threads} threads gives {} lines",
                lines(&cut).len()
            );
        }
    }
}

/// A longer run begins with the shorter; subjects of a larger run are those of a smaller, and can be
/// generated alone; an event alone is the whole without the others.
#[test]
fn longer_larger_and_less() {
    for (name, spec) in models() {
        let base = crowded(&spec);
        let whole = bytes(&base, false);
        let mut longer = base.clone();
        longer.overrides.length = Some(Length::Ticks(11));
        assert!(
            bytes(&longer, false).starts_with(&whole),
            "{name}: a longer run begins differently"
        );

        let mut larger = base.clone();
        larger.overrides.counts.iter_mut().for_each(|c| c.1 += 1_000);
        larger.subjects = base
            .overrides
            .counts
            .iter()
            .map(|(p, n)| SubjectRange { population: p.clone(), ids: 0..*n })
            .collect();
        assert!(bytes(&larger, false) == whole, "{name}: more subjects change those there were");

        let event = lines(&whole).first().map(|l| {
            let text = std::str::from_utf8(l).unwrap();
            text.split('"').nth(3).unwrap().to_owned()
        });
        if let Some(event) = event {
            let head = format!("{{\"event\":\"{event}\"");
            let want: Vec<&[u8]> =
                lines(&whole).into_iter().filter(|l| l.starts_with(head.as_bytes())).collect();
            let alone =
                bytes(&RunSpec { events: vec![event.clone()], threads: Some(2), ..base }, false);
            assert!(alone == want.concat(), "{name}: {event} alone differs");
        }
    }
}

/// Few subjects fail, each in its own way; the first in event order ends the run.
const FAILING: &str = "
seed: 12
clock: { start: 0, tick: 1s, ticks: 60 }
subjects:
  user:
    count: 9000
    attributes: { n: 'uniform(1, 9000)' }
    states:
      on:
        transitions:
          go: { probability: 2%, set: { n: n - 1 }, emit: [good, bad] }
  late:
    count: 3000
    attributes: { p: 'uniform(0, 3000)' }
    states:
      on:
        transitions:
          a: { probability: 'p == 7 ? double(seven) : 1.0', set: { seven: seven + 20 }, emit: good }
events:
  good: { fields: { id: id, event: event_id } }
  bad: { fields: { id: id, share: '100 / n' } }
";

/// A run that fails has written all events before the failure and none after, whatever ran it, and says
/// the same; so does the subject alone.
#[test]
fn a_failing_run() {
    let text = FAILING.replace("attributes: { p:", "attributes: { seven: 0, p:");
    let base = RunSpec {
        model: ModelText { name: "m.yaml".into(), text },
        threads: Some(1),
        ..RunSpec::default()
    };
    let failing = |spec: &RunSpec| -> (Vec<u8>, String, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let spec = RunSpec { to: vec![from_text(path.to_str().unwrap()).unwrap()], ..spec.clone() };
        match run(&spec) {
            Err(Error::Stopped(stopped)) => match stopped.cause {
                Cause::Expression(e) => {
                    let told: u64 = stopped.report.events.iter().map(|e| e.1).sum();
                    let written = std::fs::read(path.with_extension("jsonl.part")).unwrap();
                    assert_eq!(told, lines(&written).len() as u64, "events of the report");
                    (written, e.message, e.notes)
                }
                _ => panic!("another cause"),
            },
            Err(e) => panic!("{e}"),
            Ok(_) => panic!("the run does not fail"),
        }
    };
    let (written, message, notes) = failing(&base);
    assert!(message.contains("100 / 0"), "{message}");
    assert!(lines(&written).len() > 1000, "{} lines, {notes:?}", lines(&written).len());
    for (threads, window_ticks, memory) in [
        (2, None, None),
        (3, Some(1), None),
        (2, Some(7), None),
        (4, Some(1000), None),
        (1, Some(3), Some(8 << 20)),
    ] {
        let spec = RunSpec { threads: Some(threads), window_ticks, memory, ..base.clone() };
        let got = failing(&spec);
        let what = format!("{threads} threads, windows {window_ticks:?}");
        assert_eq!((got.0.len(), digest(&got.0)), (written.len(), digest(&written)), "{what}");
        assert_eq!((&got.1, &got.2), (&message, &notes), "{what}");
    }
    // What does not fail goes on: the other event's lines begin with those written.
    let good = bytes(
        &RunSpec {
            events: vec!["good".into()],
            subjects: vec![range("user", 0..9000)],
            ..base.clone()
        },
        false,
    );
    let is_good =
        |l: &&[u8]| l.starts_with(b"{\"event\":\"good\"") && l.windows(10).any(|w| w == b"\"user/");
    let before: Vec<&[u8]> = lines(&written).into_iter().filter(is_good).collect();
    assert!(good.starts_with(&before.concat()));
    // The subject alone, as the help says.
    let id: u64 = notes[0].split([' ', ',']).nth(1).unwrap().parse().unwrap();
    let alone = failing(&RunSpec { subjects: vec![range("user", id..id + 1)], ..base });
    assert_eq!((alone.1, alone.2), (message, notes));
    let own = format!("user/{id}/");
    let want: Vec<&[u8]> = lines(&written)
        .into_iter()
        .filter(|l| {
            let line = std::str::from_utf8(l).unwrap();
            line.contains(&own)
                || line.contains("\"event\":\"bad\"")
                    && line.contains(&format!("\"value\":{{\"id\":{id},"))
        })
        .collect();
    assert_eq!(alone.0, want.concat());
}

fn range(population: &str, ids: std::ops::Range<u64>) -> SubjectRange {
    SubjectRange { population: Some(population.into()), ids }
}
