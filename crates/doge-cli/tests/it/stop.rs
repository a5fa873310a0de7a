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
        self.signal("-INT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status();
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

/// Waits for something, for half a minute.
fn wait_for(what: &str, there: impl Fn() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn sigterm_stops_as_ctrl_c_does() {
    let folder = shop();
    let mut run = Long::start(folder.path(), &["--to", "jsonl:a.jsonl", "--report", "r.json"]);
    let part = folder.path().join("a.jsonl.part");
    wait_for("the first event", || std::fs::metadata(&part).is_ok_and(|m| m.len() > 0));
    run.signal("-TERM");
    let (code, stderr) = run.end();
    assert_eq!(code, Some(143), "{stderr}");
    assert!(stderr.contains("error: stopped by SIGTERM"), "{stderr}");
    assert!(std::fs::read_to_string(&part).unwrap().ends_with("}\n"), "whole events");
    assert!(!stderr.contains("--resume"), "a file begins anew: {stderr}");
    let report = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert!(report.contains("\"error\": \"stopped by SIGTERM\""), "{report}");
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    for (second, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = shop();
        let pipe = folder.path().join("pipe.jsonl");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo is part of coreutils").success());
        // A reader that reads a little and then nothing, so that the run cannot end in order.
        let open = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::File::open(pipe).unwrap()
        });
        let mut run = Long::start(folder.path(), &["--to", "jsonl:pipe.jsonl"]);
        let mut reader = open.join().unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        run.interrupt();
        std::thread::sleep(Duration::from_millis(500));
        assert!(run.0.try_wait().unwrap().is_none(), "it waits for its reader");
        run.signal(second);
        let begun = Instant::now();
        let (got, stderr) = run.end();
        assert_eq!(got, Some(code), "{stderr}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert!(stderr.contains("press Ctrl-C again"), "{stderr}");
    }
}

#[test]
fn the_command_that_resumes_is_said_and_does() {
    let resumable = doge_datagen::sink::KINDS.iter().any(|k| k.name == "sqlite" && k.resumable);
    let folder = shop();
    // Slow enough to be stopped in the middle, and over soon when it goes on.
    let args = ["run", "m.yaml", "--to", "sqlite:a b.db", "--param", "gain=3", "--ticks", "3000"];
    let child = doge(folder.path())
        .args(args)
        .args(["--pace", "20000/s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut run = Long(child.expect("doge can be started"));
    std::thread::sleep(Duration::from_millis(1_500));
    run.interrupt();
    let (code, stderr) = run.end();
    assert_eq!(code, Some(130), "{stderr}");
    let command =
        stderr.lines().find_map(|l| l.split_once("go on where it stopped: ")).map(|l| l.1);
    assert_eq!(command.is_some(), resumable, "{stderr}");
    let Some(command) = command else { return };
    assert!(command.ends_with("--pace 20000/s --resume"), "{command}");
    let again = Command::new("sh").args(["-c", command]).current_dir(folder.path()).output();
    let again: Done = again.expect("sh can be started").into();
    assert_eq!(again.code, 0, "{}", again.stderr);
    let whole = call(folder.path(), &[&args[..], &["--to", "jsonl:{event}.jsonl"]].concat());
    assert_eq!(whole.code, 1, "the table is there: {}", whole.stderr);
    let args =
        ["run", "m.yaml", "--to", "jsonl:{event}.jsonl", "--param", "gain=3", "--ticks", "3000"];
    assert_eq!(call(folder.path(), &args).code, 0);
    let program = "import sqlite3; c = sqlite3.connect('a b.db')\n\
        for t in ['bought', 'seen']: print(c.execute('select count(*) from ' + t).fetchone()[0])";
    let counts = Command::new("python3").args(["-c", program]).current_dir(folder.path()).output();
    let counts: Done = counts.expect("python3 can be started").into();
    let lines =
        |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap().lines().count();
    assert_eq!(counts.stdout, format!("{}\n{}\n", lines("bought.jsonl"), lines("seen.jsonl")));
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

#[test]
fn a_json_object_a_line() {
    let folder = shop();
    let mut run = Long::start(
        folder.path(),
        &["--progress", "always", "--log-format", "json", "--to", "null", "--to", "sqlite:a.db"],
    );
    std::thread::sleep(Duration::from_millis(4_500));
    run.interrupt();
    let (code, text) = run.end();
    assert_eq!(code, Some(130));
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    let of = |kind: &str| lines.iter().filter(|l| l["kind"] == kind).collect::<Vec<_>>();
    let progress = of("progress");
    assert!(progress.len() >= 2, "{text}");
    assert_eq!(progress[0]["sinks"].as_array().unwrap().len(), 3, "null and two tables");
    assert!(progress[1]["sinks"][0]["events"].as_u64().unwrap() > 0, "{text}");
    assert_eq!(of("stopping").len(), 1);
    assert_eq!(of("problem")[0]["message"], "stopped by Ctrl-C");
    let summary = &of("summary")[0];
    assert_eq!(summary["report"]["outcome"], "cancelled");
    assert_eq!(summary["safe"].as_array().unwrap().len(), 3);
    assert!(lines.iter().all(|l| l["time"].is_string() && l["level"].is_string()), "{text}");
    // A model that is wrong, and a run that is not.
    std::fs::write(folder.path().join("w.yaml"), SHOP.replace("10%", "200%")).unwrap();
    let done = call(folder.path(), &["run", "w.yaml", "--log-format", "json"]);
    let first: serde_json::Value =
        serde_json::from_str(done.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["level"], &first["place"]["line"]),
        (&"error".into(), &14.into()),
        "{first}"
    );
    let done = call(folder.path(), &["run", "m.yaml", "--log-format", "json", "--to", "null"]);
    let last: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!((last["report"]["outcome"].as_str(), done.stdout.as_str()), (Some("done"), ""));
}
