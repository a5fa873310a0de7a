//! Runs that are stopped from outside.

use super::*;
use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

/// A run that would take very long, and is killed whatever the test does.
struct Long(Child);

impl Long {
    fn start(folder: &Path, args: &[&str]) -> Long {
        let child = doge(folder)
            .args([
                "run",
                "m.yaml",
                "--count",
                "10000",
                "--duration",
                "36500d",
                "--memory",
                "64MiB",
            ])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Long(child.expect("doge can be started"))
    }

    /// Sends Ctrl-C.
    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(status.expect("kill is part of every system").success());
    }

    /// The exit code, within 20 seconds, and what stands on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut stderr = self.0.stderr.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        let start = Instant::now();
        let code = loop {
            match self.0.try_wait().expect("a child") {
                Some(status) => break status.code(),
                None => assert!(start.elapsed() < Duration::from_secs(20), "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        (code, reader.join().expect("a reader").expect("UTF-8"))
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_keeps_whole_events() {
    let folder = shop();
    let mut run = Long::start(
        folder.path(),
        &["--to", "jsonl:a.jsonl", "--to", "sqlite:a.db", "--report", "r.json"],
    );
    let part = folder.path().join("a.jsonl.part");
    let start = Instant::now();
    while !std::fs::metadata(&part).is_ok_and(|m| m.len() > 0) {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing is written");
        std::thread::sleep(Duration::from_millis(10));
    }
    run.interrupt();
    let (code, stderr) = run.end();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(!folder.path().join("a.jsonl").exists());
    let text = std::fs::read_to_string(&part).unwrap();
    assert!(text.ends_with("}\n"), "whole events");
    let said = format!(
        "a.jsonl.part holds the first {}",
        doge_datagen::sink::events(text.lines().count() as u64)
    );
    assert!(stderr.contains(&said), "want {said}\n{stderr}");
    assert!(stderr.contains("a.db table seen"), "{stderr}");
    assert!(!folder.path().join("a.db-journal").exists());
    let report = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert!(report.contains("\"outcome\": \"cancelled\""), "{report}");
}

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = shop();
    for to in [&[][..], &["--to", "stdout:csv", "--events", "seen"]] {
        let mut run = Long::start(folder.path(), to);
        let mut some = [0; 100];
        run.0.stdout.take().expect("piped").read_exact(&mut some).unwrap();
        // The pipe is closed now.
        assert_eq!(run.end(), (Some(0), String::new()));
    }
}

#[test]
fn progress_in_lines() {
    let folder = shop();
    let mut run = Long::start(folder.path(), &["--progress", "always", "--to", "null"]);
    std::thread::sleep(Duration::from_millis(4_500));
    run.interrupt();
    let (code, text) = run.end();
    assert_eq!(code, Some(130));
    for words in ["%", " events  ", "/s  20", " left\n"] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    assert!(!text.contains('\r'), "lines, not a bar");
}
