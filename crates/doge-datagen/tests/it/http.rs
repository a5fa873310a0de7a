//! `http` against a real server, Python's, that answers as it is told and writes down what it got.

use super::support::*;
use doge_datagen::format::TextFormat;
use doge_datagen::sink::{Context, IfExists, Make, Opening, Settings, Sink, SinkError};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Each argument is an answer, in turn; the last one is repeated: `200`, `429 Retry-After=1`, `reset`
/// (before the answer, after the body was read), `slow` (200 after 0.3 s). What came is printed.
const SERVER: &str = r#"
import base64, json, socket, struct, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
answers = sys.argv[1:]
class H(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *a): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if self.headers['Content-Type'] == 'application/json':
            n = [e['n'] for e in json.loads(body)]
        else:
            n = [json.loads(l)['n'] for l in body.decode().splitlines()]
        print(json.dumps([answer, self.command, self.path, self.headers['Authorization'],
                          self.headers['X-Run'], n]), flush=True)
        if answer == 'reset':
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.connection.close(); self.close_connection = True; return
        if answer == 'slow': time.sleep(0.3); answer = '200'
        code, _, header = answer.partition(' ')
        said = ('no: ' + str(self.headers['Authorization']) + 'x' * 1000).encode() if code != '200' else b'ok'
        self.send_response(int(code))
        if header: self.send_header(*header.split('=', 1))
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    do_PUT = do_POST
HTTPServer.handle_error = lambda *a: None
s = HTTPServer(('127.0.0.1', 0), H)
print(s.server_port, flush=True)
s.serve_forever()
"#;

struct Server {
    child: Child,
    out: Option<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Server {
    fn start(answers: &[&str]) -> Server {
        let mut child = Command::new("python3")
            .args(["-c", SERVER])
            .args(answers)
            .stdout(Stdio::piped())
            .spawn()
            .expect(
                "these tests need python3: install it, for instance with `apt-get install python3`",
            );
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Server { child, out: Some(out), port: line.trim().parse().expect("a port") }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in?key=hidden", self.port)
    }

    /// All requests: answer, method, path, `Authorization`, `X-Run`, the numbers of events.
    fn requests(mut self) -> Vec<serde_json::Value> {
        self.child.kill().unwrap();
        let out = self.out.take().expect("it is read once");
        out.lines().map(|l| serde_json::from_str(&l.unwrap()).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(url: &str, more: &[(&str, &str)], batch: u64) -> Settings {
    let mut settings = Settings::default();
    settings.texts.insert("url".into(), url.into());
    settings.texts.insert("give_up_ms".into(), "1500".into());
    settings.texts.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    settings.numbers.insert("batch.events".into(), batch);
    settings
}

fn try_make(settings: &Settings) -> Result<Box<dyn Sink>, String> {
    let layout = layout();
    let Make::Now(make) = kind("http").make else { panic!("http is built in") };
    make(
        settings,
        &mut Context {
            if_exists: IfExists::Error,
            format: TextFormat::Jsonl.into(),
            event: None,
            events: &[(0, &layout.events[0])],
            shard: (1, 1),
            commit: Default::default(),
            folder: Path::new(""),
            shared: &mut Shared::new(),
        },
    )
    .map(|made| made.sink)
}

fn sink(url: &str, more: &[(&str, &str)], batch: u64) -> Box<dyn Sink> {
    try_make(&settings(url, more, batch)).unwrap()
}

fn write(sink: &mut dyn Sink, from: u64, to: u64) -> Result<(), SinkError> {
    sink.write(&chunk(kind("http"), &layout(), TextFormat::Jsonl, from, to))
}

/// The numbers of the events in requests that were taken, in order.
fn taken(requests: &[serde_json::Value]) -> Vec<u64> {
    let good = requests.iter().filter(|r| ["200", "slow"].contains(&r[0].as_str().unwrap()));
    good.flat_map(|r| r[5].as_array().unwrap().iter().map(|n| n.as_u64().unwrap())).collect()
}

#[test]
fn batches_in_order_in_both_formats() {
    for (format, method) in [("jsonl", "POST"), ("json", "PUT")] {
        let server = Server::start(&["200"]);
        let more = [("format", format), ("method", method), ("headers.X-Run", "a b")];
        let mut sink = sink(&server.url(), &more, 10);
        let opening = Opening::default();
        assert_eq!(sink.open(&opening).unwrap(), None);
        write(&mut *sink, 0, 25).unwrap();
        write(&mut *sink, 25, 27).unwrap();
        assert_eq!(sink.commit(position(26)).unwrap(), Some(position(26)));
        write(&mut *sink, 27, 30).unwrap();
        let done = sink.finish().unwrap();
        assert_eq!(done.place, format!("http://127.0.0.1:{}/in?...", server.port));
        assert!(sink.abort().contains("is complete: it took 30 events"));
        assert_eq!(opening.meter.read().retries, 0);
        let requests = server.requests();
        assert_eq!(taken(&requests), (0..30).collect::<Vec<_>>());
        let sizes: Vec<_> = requests.iter().map(|r| r[5].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [10, 10, 7, 3], "full batches; a commit sends the rest");
        for r in &requests {
            assert_eq!(
                (&r[1], &r[2], &r[4]),
                (&method.into(), &"/in?key=hidden".into(), &"a b".into())
            );
        }
    }
}

#[test]
fn at_a_pace_nothing_waits_for_a_full_batch() {
    let server = Server::start(&["200"]);
    let mut sink = sink(&server.url(), &[], 1000);
    sink.open(&Opening { paced: true, ..Opening::default() }).unwrap();
    write(&mut *sink, 0, 3).unwrap();
    write(&mut *sink, 3, 4).unwrap();
    assert_eq!(taken(&server.requests()), [0, 1, 2, 3]);
}

#[test]
fn what_passes_is_tried_again_after_the_wait_that_was_asked_for() {
    let server = Server::start(&["429 Retry-After=1", "503", "reset", "200"]);
    let mut sink = sink(&server.url(), &[("give_up_ms", "20000")], 10);
    let opening = Opening::default();
    sink.open(&opening).unwrap();
    let begun = Instant::now();
    write(&mut *sink, 0, 10).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    write(&mut *sink, 10, 20).unwrap();
    assert_eq!(opening.meter.read().retries, 3);
    let done = sink.finish().unwrap();
    assert!(done.place.ends_with("(10 events sent again, perhaps there twice)"), "{}", done.place);
    assert!(sink.abort().contains("it took 20 events"));
    let requests = server.requests();
    assert_eq!(taken(&requests), (0..20).collect::<Vec<_>>());
    assert_eq!(requests.len(), 5, "the same batch four times");
}

#[test]
fn a_slow_server_is_waited_for() {
    let server = Server::start(&["slow"]);
    let mut sink = sink(&server.url(), &[], 10);
    sink.open(&Opening::default()).unwrap();
    let begun = Instant::now();
    write(&mut *sink, 0, 30).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(taken(&server.requests()), (0..30).collect::<Vec<_>>());
}

#[test]
fn it_gives_up_after_a_limit_and_says_what_was_taken() {
    for (answer, words, unsure) in [
        ("503", "the server answers 503 Service Unavailable", true),
        ("429", "the server answers 429 Too Many Requests", false),
        ("reset", "connection reset", true),
        ("429 Retry-After=3600", "asks to wait 3600 s", false),
        ("503 Retry-After=Fri, 31 Dec 9998 23:59:59 GMT", "asks to wait", true),
    ] {
        let server = Server::start(&["200", answer]);
        let mut sink = sink(&server.url(), &[], 10);
        sink.open(&Opening::default()).unwrap();
        let begun = Instant::now();
        let error = write(&mut *sink, 0, 25).unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{answer}: {:?}", begun.elapsed());
        assert!(error.message.to_lowercase().contains(&words.to_lowercase()), "{answer}: {error}");
        assert!(!error.help.is_empty());
        let said = sink.abort();
        assert!(said.contains("took the first 10 events"), "{said}");
        assert_eq!(said.contains("may be there too"), unsure, "{answer}: {said}");
        assert_eq!(taken(&server.requests()), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_refusal_ends_the_run_with_the_servers_words() {
    for (answer, help) in [
        ("400", "the answer says what the server wants"),
        ("401", "password or token is right"),
        ("404", "the path in `url`"),
        ("413", "batch: { events: 100 }"),
        ("302 Location=http://else.where/in", "write `url: \"http://else.where/in\"`"),
    ] {
        let server = Server::start(&[answer]);
        let url = server.url().replace("//", "//me:s%40cret@");
        let mut sink = sink(&url, &[], 10);
        sink.open(&Opening::default()).unwrap();
        let error = write(&mut *sink, 0, 10).unwrap_err();
        assert!(error.message.contains(&format!("the server answers {}", &answer[..3])), "{error}");
        assert!(error.message.contains("no: Basic ***xxx"), "the answer, without secrets: {error}");
        assert!(error.message.len() < 700, "not all of it: {error}");
        assert!(error.help.iter().any(|h| h.contains(help)), "{answer}: {error:?}");
        let said = sink.abort();
        for secret in ["cret", "bWU6", "hidden"] {
            let all = format!("{} {} {said}", error.message, error.help.join(" "));
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "it is not tried again");
        assert_eq!(requests[0][3], "Basic bWU6c0BjcmV0", "me:s@cret");
    }
}

#[test]
fn a_run_that_is_to_stop_does_not_wait() {
    let server = Server::start(&["503"]);
    let mut sink = sink(&server.url(), &[("give_up_ms", "60000")], 10);
    let opening = Opening::default();
    sink.open(&opening).unwrap();
    let stop: Arc<AtomicBool> = opening.stop.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let error = write(&mut *sink, 0, 10).unwrap_err();
    assert!(stopper.join().unwrap().elapsed() < Duration::from_secs(1));
    assert!(error.message.contains("as the run is to stop"), "{error}");
}

#[test]
fn addresses_that_are_none_and_servers_that_are_away() {
    for url in [
        "example.com/in",
        "ftp://example.com/",
        "http://",
        "http://me:secret@",
        "http://me:secret@host:port/",
        "http://ho st/",
        "http://me:%zzsecret@host/",
    ] {
        let error = try_make(&settings(url, &[], 1)).err().unwrap_or_else(|| panic!("{url}"));
        assert!(!error.contains("secret"), "{error}");
    }
    for (name, value) in [("a b", "x"), ("X", "a\nsecret")] {
        let key = format!("headers.{name}");
        let error = try_make(&settings("http://h/", &[(&key, value)], 1)).err().expect(name);
        assert!(error.contains(name) && !error.contains("secret"), "{error}");
    }
    // A port that nobody listens at: one that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://me:secret@127.0.0.1:{port}/in");
    let mut away = sink(&url, &[], 1);
    let error = away.open(&Opening::default()).unwrap_err();
    assert_eq!(
        error.message,
        format!("cannot reach http://127.0.0.1:{port}/in: 127.0.0.1:{port}: connection refused")
    );
    assert!(away.abort().contains("took the first 0 events"));
}
