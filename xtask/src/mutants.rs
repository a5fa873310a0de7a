//! `cargo xtask mutants`: plants one error at a time in a copy of the core and sees whether a test goes
//! red. `testdata/mutations/list.txt` holds the errors, `testdata/mutations/TABLE.md` what came of them.
//!
//! The copy lies under `target/mutants` with a target folder of its own, so that for each error only the
//! core is compiled anew. An error whose text is no longer in the source is reported like one that
//! survived: the list follows the code.

use crate::root;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIST: &str = "testdata/mutations/list.txt";
const TABLE: &str = "testdata/mutations/TABLE.md";
/// What the copy needs.
const PARTS: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "crates", "xtask", "testdata", "examples", "docs"];
/// A test run that takes longer does not end.
const LONGEST: Duration = Duration::from_secs(400);
/// Parts of test names, in two rounds: the quick ones, and all that know the law where those are green.
/// Tests of the front end are left out for time.
const ROUNDS: [&[&str]; 2] = [
    &[
        "law::vectors",
        "whole::",
        "bank_of_models",
        "choices_at",
        "constants_stop",
        "often",
        "sparse",
        "cut_ticks",
        "twenty",
        "shards",
    ],
    &["law::", "same::", "whole::"],
];
const SKIPPED: [&str; 2] = ["oracle::", "diagnostics::"];

/// An error to plant.
struct Mutation {
    name: String,
    file: String,
    what: String,
    old: String,
    new: String,
}

/// What came of it.
enum Outcome {
    Caught(Vec<String>),
    DoesNotEnd,
    DoesNotCompile,
    Survived,
    NotFound(usize),
}

/// Runs the chore; `arguments` name mutations, none: all.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let text = read(&root().join(LIST))?;
    let all = parse(&text)?;
    if let Some(name) = arguments.iter().find(|a| !all.iter().any(|m| m.name == **a)) {
        return Err(format!("{LIST} has no mutation `{name}`"));
    }
    let tree = root().join("target/mutants/tree");
    let _ = fs::remove_dir_all(&tree);
    for part in PARTS {
        copy(&root().join(part), &tree.join(part))?;
    }
    println!("without an error ...");
    match test(&tree, ROUNDS[1])? {
        Outcome::Survived => {}
        Outcome::Caught(tests) => {
            return Err(format!("the tests are red without an error: {}", tests.join(", ")));
        }
        _ => return Err("the tests cannot be run without an error".into()),
    }
    let kept = read(&root().join(TABLE)).unwrap_or_default();
    let mut rows = Vec::new();
    let mut bad = 0;
    for m in all.iter().filter(|m| arguments.is_empty() || arguments.contains(&m.name)) {
        let begun = Instant::now();
        let path = tree.join(&m.file);
        let source = read(&path)?;
        let outcome = match plant(&source, &m.old, &m.new) {
            Err(places) => Outcome::NotFound(places),
            Ok(planted) => {
                write(&path, &planted)?;
                let mut outcome = test(&tree, ROUNDS[0])?;
                if let Outcome::Survived = outcome {
                    outcome = test(&tree, ROUNDS[1])?;
                }
                write(&path, &source)?;
                outcome
            }
        };
        let (good, verdict) = describe(&outcome);
        bad += usize::from(!good);
        println!("{}: {verdict} ({} s)", m.name, begun.elapsed().as_secs());
        rows.push(format!("| `{}` | `{}` | {} | {verdict} |\n", m.name, short(&m.file), m.what));
        // After each, since it takes long.
        write(&root().join(TABLE), &table(&all, &rows, &kept))?;
    }
    if bad == 0 { Ok(()) } else { Err(format!("{bad} errors were not caught")) }
}

fn short(file: &str) -> &str {
    file.trim_start_matches("crates/doge-core/src/")
}

/// The table, in the order of the list; errors that were not tried now keep their rows.
fn table(all: &[Mutation], tried: &[String], kept: &str) -> String {
    let row = |m: &Mutation| {
        let head = format!("| `{}` |", m.name);
        let now = tried.iter().map(|r| r.trim_end()).find(|r| r.starts_with(&head));
        let before = kept.lines().find(|r| r.starts_with(&head));
        now.or(before).map_or(
            format!("{head} `{}` | {} | NOT TRIED |", short(&m.file), m.what),
            str::to_owned,
        )
    };
    let rows: Vec<String> = all.iter().map(row).collect();
    let bad = |r: &&String| {
        ["SURVIVED |", "TIMES |", "COMPILE |", "TRIED |"].iter().any(|e| r.ends_with(e))
    };
    format!(
        "# Mutations\n\nErrors planted in the core one at a time, and the tests that went red. Made by\n\
         `cargo xtask mutants` from `list.txt`; `cargo xtask mutants NAME` tries one anew.\n\n\
         {} errors, {} caught.\n\n| error | file | what is wrong | caught by |\n|---|---|---|---|\n{}\n",
        rows.len(),
        rows.len() - rows.iter().filter(bad).count(),
        rows.join("\n")
    )
}

/// Whether it is as it should be, and what the table says.
fn describe(outcome: &Outcome) -> (bool, String) {
    match outcome {
        Outcome::Caught(tests) => {
            let named: Vec<String> = tests.iter().take(3).map(|t| format!("`{t}`")).collect();
            let more = tests.len().saturating_sub(3);
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            (true, named.join(", ") + &and)
        }
        Outcome::DoesNotEnd => (true, "the tests do not end".into()),
        Outcome::DoesNotCompile => (false, "DOES NOT COMPILE".into()),
        Outcome::Survived => (false, "SURVIVED".into()),
        Outcome::NotFound(n) => (false, format!("TEXT FOUND {n} TIMES")),
    }
}

/// Entries of the list: `## name`, `file:`, `what:`, then the old text between `<<<<` and `====`, the new
/// one between `====` and `>>>>`.
fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let mut all: Vec<Mutation> = Vec::new();
    let mut into = 0;
    for (i, line) in text.lines().enumerate() {
        let wrong = |what: &str| Err(format!("{LIST}:{}: {what}", i + 1));
        if let Some(name) = line.strip_prefix("## ") {
            if all.iter().any(|m| m.name == name) {
                return wrong("a name that stands twice");
            }
            let empty = String::new;
            all.push(Mutation {
                name: name.into(),
                file: empty(),
                what: empty(),
                old: empty(),
                new: empty(),
            });
            continue;
        }
        let Some(m) = all.last_mut() else { continue };
        match (line, into) {
            ("<<<<", 0) => into = 1,
            ("====", 1) => into = 2,
            (">>>>", 2) => into = 0,
            (_, 1) => m.old += &format!("{line}\n"),
            (_, 2) => m.new += &format!("{line}\n"),
            ("", _) => {}
            _ => match line.split_once(": ") {
                Some(("file", file)) => m.file = file.into(),
                Some(("what", what)) => m.what = what.into(),
                _ => return wrong("neither `file:` nor `what:` nor a text"),
            },
        }
    }
    if into > 0
        || all.iter().any(|m| m.file.is_empty() || m.what.is_empty() || m.old.trim().is_empty())
    {
        return Err(format!("{LIST}: an entry is not whole"));
    }
    Ok(all)
}

/// Replaces the one place of `old`, whatever its white space; how many places there are where not one.
fn plant(source: &str, old: &str, new: &str) -> Result<String, usize> {
    let dense: Vec<(usize, u8)> =
        source.bytes().enumerate().filter(|(_, b)| !b.is_ascii_whitespace()).collect();
    let wanted: Vec<u8> = old.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let places: Vec<usize> = (0..dense.len().saturating_sub(wanted.len() - 1))
        .filter(|at| dense[*at..at + wanted.len()].iter().zip(&wanted).all(|((_, a), b)| a == b))
        .collect();
    let [place] = places[..] else { return Err(places.len()) };
    let (from, to) = (dense[place].0, dense[place + wanted.len() - 1].0 + 1);
    Ok(format!("{}{}{}", &source[..from], new.trim(), &source[to..]))
}

/// Runs the tests of the core in the copy.
fn test(tree: &Path, tests: &[&str]) -> Result<Outcome, String> {
    let log = tree.join("../log.txt");
    let out = fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let err = out.try_clone().map_err(|e| e.to_string())?;
    let cargo = std::env::var_os("MUTANTS_CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["test", "-p", "doge-core", "--test", "it", "--"])
        .args(tests)
        .args(SKIPPED.iter().flat_map(|s| ["--skip", s]))
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", tree.join("../target"))
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("RUSTFLAGS")
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err))
        .process_group(0);
    let mut child = command.spawn().map_err(|e| format!("cargo: {e}"))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if begun.elapsed() > LONGEST {
            // The whole group: the test binary is cargo's child.
            let _ = Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status();
            let _ = child.wait();
            return Ok(Outcome::DoesNotEnd);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let text = String::from_utf8_lossy(&fs::read(&log).map_err(|e| e.to_string())?).into_owned();
    if status.success() {
        return Ok(Outcome::Survived);
    }
    let failed =
        |line: &str| line.strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::to_owned);
    let mut tests: Vec<String> = text.lines().filter_map(failed).collect();
    // What holds the engine to the page comes before what holds it to a second engine.
    tests.sort_by_key(|t| (t.starts_with("same::"), t.clone()));
    match tests.is_empty() {
        true if text.contains("could not compile") => Ok(Outcome::DoesNotCompile),
        true => Ok(Outcome::Caught(vec!["the test binary ends early".into()])),
        false => Ok(Outcome::Caught(tests)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let fail = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    if !from.is_dir() {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|e| fail(folder, e))?;
        }
        return fs::copy(from, to).map(drop).map_err(|e| fail(from, e));
    }
    let entries: Vec<PathBuf> = fs::read_dir(from)
        .map_err(|e| fail(from, e))?
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    for path in entries {
        if let Some(name) = path.file_name().filter(|n| *n != "target") {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
