//! The documentation is run: every model in it is checked, every command in it must print what stands
//! below it.
//!
//! In any page a block of
//!
//! - `yaml` is a whole model and must be valid;
//! - `yaml,error E0217` is one that must be refused with that code (and no other);
//! - `yaml,file=NAME` is valid too, and is what later commands of the page find as NAME;
//! - `yaml,fragment` is a part of a model and only read by people: there should be few;
//! - `console` holds commands after `$ ` with what they print; those of `doge` (or of `cargo run --release --`)
//!   are run, one after the other, in a folder of the page's own that has the project's `examples`. A line
//!   `...` stands for any number of lines; times and rates are not compared.

use super::*;
use std::path::PathBuf;
use std::process::Stdio;

/// A fenced block of a page.
struct Block {
    /// Page and line, for messages.
    place: String,
    kind: String,
    text: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All pages: those at the root, and those below `docs` and `examples`.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("examples")];
    let mut read = |folder: &Path, below: Option<&mut Vec<PathBuf>>| {
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                inside.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
        if let Some(below) = below {
            below.extend(inside);
        }
    };
    read(&root(), None);
    while let Some(folder) = folders.pop() {
        read(&folder, Some(&mut folders));
    }
    found.sort();
    found
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(page).expect("a page");
    let name = page.strip_prefix(root()).unwrap_or(page).display().to_string();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(kind), false) => {
                let place = format!("{name}:{}", i + 1);
                blocks.push(Block { place, kind: kind.trim().to_owned(), text: String::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = blocks.last_mut().expect("it was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!open, "{name}: a block is not closed");
    blocks
}

/// `doge check` of a text.
fn check(text: &str) -> Done {
    let mut child = doge(&root())
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("doge can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, text.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn models_of_the_documentation() {
    let (mut valid, mut wrong, mut fragments) = (0, 0, 0);
    let mut problems = Vec::new();
    for block in pages().iter().flat_map(|p| blocks(p)) {
        let kind = block.kind.split_once(',').map_or(block.kind.as_str(), |k| k.0);
        let Block { place, text, .. } = &block;
        match block.kind.strip_prefix("yaml,").unwrap_or_default() {
            _ if kind != "yaml" => {
                if kind.starts_with("yml") {
                    problems.push(format!("{place}: write ```yaml"));
                }
            }
            "fragment" => fragments += 1,
            rest if rest.is_empty() || rest.starts_with("file=") => {
                valid += 1;
                let done = check(text);
                if done.code != 0 {
                    problems.push(format!("{place}: the model is wrong:\n{}", done.stderr));
                }
            }
            rest => {
                wrong += 1;
                let code = rest
                    .strip_prefix("error ")
                    .unwrap_or_else(|| panic!("{place}: `{rest}` is not known"));
                let done = check(text);
                let others =
                    |l: &&str| l.starts_with("error[") && !l.starts_with(&format!("error[{code}]"));
                let found = done.stderr.contains(&format!("error[{code}]"));
                if done.code != 2 || !found || done.stderr.lines().any(|l| others(&l)) {
                    problems.push(format!(
                        "{place}: this should be {code} and nothing else:\n{}",
                        done.stderr
                    ));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{valid} valid models, {wrong} wrong ones, {fragments} fragments");
    assert!(valid >= 10 && wrong >= 3, "{valid} valid, {wrong} wrong");
    assert!(fragments <= 20, "{fragments} fragments that nobody checks");
}

/// Wall times, rates and versions differ from run to run.
pub fn masked(text: &str) -> String {
    let line = |line: &str| {
        let Some((head, rest)) = line.split_once(" in ") else { return line.to_owned() };
        match rest.find("events/s)") {
            Some(end) => format!("{head} in TIME{}", &rest[end + "events/s)".len()..]),
            None => line.to_owned(),
        }
    };
    text.lines().map(|l| line(l).trim_end().to_owned() + "\n").collect()
}

/// Whether a text is as expected; `...` on a line of its own stands for any number of lines.
fn agrees(expected: &[&str], text: &[&str]) -> bool {
    match expected.split_first() {
        None => text.is_empty(),
        Some((&"...", rest)) => (0..=text.len()).any(|n| agrees(rest, &text[n..])),
        Some((first, rest)) => text.first() == Some(first) && agrees(rest, &text[1..]),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn commands_of_the_documentation() {
    let bin = Path::new(env!("CARGO_BIN_EXE_doge")).parent().expect("a folder").to_owned();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut commands = 0;
    let mut problems = Vec::new();
    for page in pages() {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&root().join("examples"), &folder.path().join("examples"));
        for block in blocks(&page) {
            if let Some(name) = block.kind.strip_prefix("yaml,file=") {
                std::fs::write(folder.path().join(name), &block.text).expect("a file");
            }
            if block.kind != "console" {
                continue;
            }
            for part in format!("\n{}", block.text).split("\n$ ").skip(1) {
                let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
                let command = command.replace("cargo run --release -- ", "doge ");
                if !command.contains("doge ") {
                    continue;
                }
                commands += 1;
                let out = Command::new("sh")
                    .args(["-c", &format!("{{ {command}\n}} 2>&1")])
                    .current_dir(folder.path())
                    .stdin(Stdio::null())
                    .env_remove("NO_COLOR")
                    .envs([("TERM", "dumb"), ("PATH", path.as_str())])
                    .output()
                    .expect("sh can be started");
                let (text, expected) =
                    (masked(&String::from_utf8_lossy(&out.stdout)), masked(expected));
                let lines = |t| -> Vec<_> { str::lines(t).filter(|l| !l.is_empty()).collect() };
                if !agrees(&lines(&expected), &lines(&text)) {
                    problems.push(format!(
                        "{}: `{command}` prints\n{text}\n--- and not\n{expected}",
                        block.place
                    ));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{commands} commands");
    assert!(commands >= 10, "{commands} commands");
}

#[test]
fn texts_agree() {
    let check = |expected: &str, text: &str| {
        let lines = |t| str::lines(t).collect::<Vec<_>>();
        agrees(&lines(expected), &lines(text))
    };
    assert!(check("a\n...\nd", "a\nb\nc\nd") && check("...", "") && check("a", "a"));
    assert!(!check("a", "b") && !check("a\n...\nd", "a\nb") && !check("", "a"));
    assert_eq!(
        masked("x: 40 events in 0.01 s (4,878 events/s), seed 42"),
        "x: 40 events in TIME, seed 42\n"
    );
}
