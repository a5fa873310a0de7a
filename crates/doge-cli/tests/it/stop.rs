//! Runs that are stopped from outside.

use super::*;
use std::io::Read;
use std::time::{Duration, Instant};

/// A run that would take for ever.
const LONG: [&str; 6] = [
    "--count",
    "100000",
    "--duration",
    "3650d",
    "--progress",
    "never",
];

/// Waits until something is there, at most a minute.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what} did not come"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn interrupt(child: &std::process::Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill is there");
    assert!(status.success());
}

#[test]
fn ctrl_c_keeps_whole_events() {
    let folder = shop();
    let mut child = doge(folder.path())
        .args([
            "run",
            "m.yaml",
            "--to",
            "jsonl:a.jsonl",
            "--report",
            "r.json",
        ])
        .args(LONG)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let part = folder.path().join("a.jsonl.part");
    wait_for("output", || {
        std::fs::metadata(&part).is_ok_and(|m| m.len() > 0)
    });
    let start = Instant::now();
    interrupt(&child);
    let code = child.wait().unwrap().code();
    assert!(start.elapsed() < Duration::from_secs(20), "it answers soon");
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(!folder.path().join("a.jsonl").exists());
    let text = std::fs::read_to_string(&part).unwrap();
    assert!(text.ends_with("}\n"), "whole events");
    let said = format!(
        "a.jsonl.part holds the first {}",
        doge_events(text.lines().count() as u64)
    );
    assert!(stderr.contains(&said), "want {said}\n{stderr}");
    let report = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert!(report.contains("\"outcome\": \"cancelled\""), "{report}");
}

fn doge_events(n: u64) -> String {
    doge_datagen::sink::events(n)
}

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = shop();
    for extra in [&[][..], &["--to", "stdout:csv", "--events", "seen"]] {
        let mut child = doge(folder.path())
            .args(["run", "m.yaml"])
            .args(LONG)
            .args(extra)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        // The pipe is closed now.
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
        assert_eq!(stderr, "");
    }
}

#[test]
fn progress_in_lines() {
    let folder = shop();
    let args = [
        "--progress",
        "always",
        "--count",
        "100000",
        "--duration",
        "3650d",
        "--to",
        "null",
    ];
    let mut child = doge(folder.path())
        .args(["run", "m.yaml"])
        .args(args)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut text = String::new();
    let mut some = [0; 64];
    while !text.contains('\n') {
        let n = stderr.read(&mut some).unwrap();
        assert!(n > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&some[..n]));
    }
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(5));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for words in ["%", " events  ", "/s  20", " left"] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
}
