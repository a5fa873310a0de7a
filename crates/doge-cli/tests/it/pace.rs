//! Events leave when they should, as seen by who reads them; and what can be watched meanwhile.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, args: &[&str]) -> Running {
    let child = doge(folder)
        .args(["run", "m.yaml"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Running(child.expect("doge can be started"))
}

/// The lines of a run with the time after its start at which each came.
fn watched(folder: &Path, args: &[&str]) -> Vec<(Duration, String)> {
    let mut run = start(folder, args);
    let begun = Instant::now();
    let out = BufReader::new(run.0.stdout.take().expect("piped"));
    out.lines().map(|l| (begun.elapsed(), l.expect("UTF-8"))).collect()
}

/// Minutes of `2022-02-11T00:MM`.
fn minute(line: &str) -> u64 {
    let at = line.split_once("\"timestamp\":\"2022-02-11T00:").expect("a time").1;
    at[..2].parse().expect("minutes")
}

#[test]
fn sixty_times_as_fast() {
    let folder = shop();
    // A minute of the stream is a second of the clock.
    let lines = watched(folder.path(), &["--pace", "60x", "--ticks", "5"]);
    assert!(lines.len() > 20);
    for (at, line) in &lines {
        let due = Duration::from_secs(minute(line));
        assert!(*at >= due, "not before its time: {at:?} {line}");
        assert!(*at < due + Duration::from_millis(1_500), "late: {at:?} {line}");
    }
    let bare = call(folder.path(), &["run", "m.yaml", "--ticks", "5", "-q"]).stdout;
    let got: String = lines.iter().map(|l| format!("{}\n", l.1)).collect();
    assert_eq!(got, bare);
}

#[test]
fn at_most_so_many_a_second() {
    let folder = shop();
    let lines = watched(folder.path(), &["--pace", "200/s", "--max-events", "500"]);
    assert_eq!(lines.len(), 500);
    let last = lines.last().expect("lines").0;
    assert!(last >= Duration::from_millis(2_450) && last < Duration::from_secs(6), "{last:?}");
    // Whatever second is looked at; a reader may see what left a little earlier.
    for (i, (from, _)) in lines.iter().enumerate() {
        let within = lines[i..].iter().take_while(|l| l.0 < *from + Duration::from_secs(1)).count();
        assert!(within <= 240, "{within} in the second after {from:?}");
    }
}

#[test]
fn in_real_time_the_past_leaves_at_once_and_the_future_waits() {
    let folder = shop();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let model = SHOP.replace("tick: 1m", "tick: 1s");
    std::fs::write(folder.path().join("m.yaml"), model).expect("a file");
    // Ten seconds lie behind, two ahead.
    let start_ms = (now.as_millis() as i64 - 10_000).to_string();
    let lines =
        watched(folder.path(), &["--pace", "realtime", "--start", &start_ms, "--ticks", "13"]);
    let early = lines.iter().filter(|l| l.0 < Duration::from_millis(700)).count();
    assert!(early > lines.len() / 2 && early < lines.len(), "{early} of {}", lines.len());
    let last = lines.last().expect("lines").0;
    assert!(last > Duration::from_millis(1_000) && last < Duration::from_secs(4), "{last:?}");
}

#[test]
fn ctrl_c_ends_a_wait_within_a_second() {
    let folder = shop();
    for pace in ["realtime", "0.001x"] {
        let args = ["--pace", pace, "--start", "2190-01-01T00:00:00Z", "--to", "jsonl:a.jsonl"];
        let mut run = start(folder.path(), &args);
        std::thread::sleep(Duration::from_millis(700));
        assert!(run.0.try_wait().expect("a child").is_none(), "it waits");
        let kill = Command::new("kill").args(["-INT", &run.0.id().to_string()]).status();
        assert!(kill.expect("kill is part of every system").success());
        let begun = Instant::now();
        let status = run.0.wait().expect("a child");
        assert_eq!(status.code(), Some(130));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[cfg(feature = "metrics")]
#[test]
fn figures_while_the_run_goes_on() {
    let folder = shop();
    let args =
        ["--pace", "100/s", "--to", "null", "--to", "sqlite:a.db", "--metrics", "127.0.0.1:0"];
    let mut run = start(folder.path(), &args);
    let mut said = String::new();
    BufReader::new(run.0.stderr.take().expect("piped")).read_line(&mut said).expect("UTF-8");
    let address = said
        .trim()
        .strip_prefix("metrics at http://")
        .and_then(|s| s.strip_suffix("/metrics"))
        .unwrap_or_else(|| panic!("{said}"))
        .to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("UTF-8");
        text
    };
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|l| l.starts_with(name) && !l.starts_with('#'));
        let line = line.unwrap_or_else(|| panic!("{name} is missing in {text}"));
        line.rsplit_once(' ').expect("a value").1.parse().expect("a number")
    };
    std::thread::sleep(Duration::from_millis(1_500));
    let first = get("/metrics");
    assert!(first.starts_with("HTTP/1.1 200 OK") && first.contains("text/plain; version=0.0.4"));
    std::thread::sleep(Duration::from_millis(1_000));
    let second = get("/metrics");
    for name in
        ["doge_events_total{event=\"seen\"}", "doge_attempts_total", "doge_sink_events_total"]
    {
        let (a, b) = (value(&first, name), value(&second, name));
        assert!(a > 0.0 && b > a, "{name}: {a} {b}");
    }
    for name in [
        "doge_build_info",
        "doge_blocked_total",
        "doge_pace_lag_seconds",
        "doge_progress_ratio",
        "doge_simulated_timestamp_seconds",
        "doge_sink_events_total{place=\"a.db table bought\",sink=\"sqlite:a.db\"}",
        "doge_sink_retries_total",
        "doge_sink_commits_total",
        "doge_sink_committed_events_total",
        "doge_sink_bytes_total",
    ] {
        value(&second, name);
    }
    assert!(value(&second, "doge_pace_lag_seconds") < 1.0);
    assert!(get("/other").starts_with("HTTP/1.1 404"));
    // A port that is taken is an error before anything is opened.
    let done =
        call(folder.path(), &["run", "m.yaml", "--to", "jsonl:b.jsonl", "--metrics", &address]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains(&format!("cannot serve metrics at {address}")), "{}", done.stderr);
    for wrong in ["9100", ":9100", "localhost", "127.0.0.1:x", "no such host:1"] {
        let done =
            call(folder.path(), &["run", "m.yaml", "--to", "jsonl:b.jsonl", "--metrics", wrong]);
        assert_eq!(done.code, 2, "{wrong}: {}", done.stderr);
        assert!(done.stderr.contains("write HOST:PORT"), "{wrong}: {}", done.stderr);
    }
    assert!(!folder.path().join("b.jsonl.part").exists());
}
