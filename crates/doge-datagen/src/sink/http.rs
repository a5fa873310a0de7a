//! `http`: batches of events to a web server.
//!
//! At least once: a batch that was not answered, or that the server could not take just now, is sent
//! again, and may be there twice. Batches are sent one after the other, so that the order is kept.
//!
//! Not here: a note of how far a run is. What a server does with a request is its own affair.

use super::{
    Chunk, Finished, Identity, Key, KeyValue, Made, Make, Meter, Opening, Past, Payload, Settings,
    Sink, SinkError, SinkKind, Takes, text,
};
use doge_core::batch::Position;
use doge_core::spec::literal;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use ureq::{Agent, Error, Proxy};

/// `http`
pub static KIND: SinkKind = SinkKind {
    name: "http",
    summary: "requests to a web server, each with a batch of events",
    keys: &[
        Key::required("url", KeyValue::Template).doc(
            "The address, `http://` or `https://`; `{event}` works in it. A user and password in it \
             (`https://USER:PASSWORD@HOST/PATH`, percent-encoded) are sent as basic authentication.",
        ),
        Key::optional("method", KeyValue::Choice(&["POST", "PUT"]))
            .doc("The method of the requests: `POST` (default) or `PUT`."),
        Key::optional("headers", KeyValue::Map)
            .doc("Headers of every request, by name; none by default but `Content-Type`."),
        Key::optional("format", KeyValue::Choice(&["jsonl", "json"])).doc(
            "What a request's body is: `jsonl` (default), an object a line, or `json`, one array.",
        ),
        Key::optional(
            "batch",
            KeyValue::Group(&[Key::optional("events", KeyValue::Count)
                .doc("The most events in a request; 1000 by default.")]),
        )
        .doc("How events are put into requests."),
    ],
    takes: Takes::Text,
    keeps: false,
    resumable: false,
    make: Make::Now(make),
};

/// How long a batch is tried, and how long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The first wait before a batch is sent again, and the longest that nobody asked for.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are shown.
const SHOWN: u64 = 500;

struct Http {
    /// Without what is secret in it.
    place: String,
    uri: Uri,
    put: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    array: bool,
    batch: u64,
    limit: Duration,
    /// Texts that no message may have.
    secrets: Vec<String>,
    agent: Agent,
    meter: Arc<Meter>,
    stop: Arc<AtomicBool>,
    paced: bool,
    /// Events that wait for their batch to be full.
    lines: Vec<u8>,
    waiting: u64,
    body: Vec<u8>,
    accepted: u64,
    bytes: u64,
    /// Whether the batch that is being sent may be there although nobody said so.
    unsure: bool,
    /// Events that were sent again while nobody knew whether they were there.
    repeated: u64,
    finished: bool,
}

fn make(settings: &Settings, _: &mut super::Context<'_>) -> Result<Made, String> {
    // The address may have a password in it: no message shows it.
    const FORM: &str = "`url` is not an address\nwrite `url: \"https://HOST/PATH\"`";
    let url = settings.text("url");
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(FORM.into());
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split('#').next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let uri: Uri = format!("{scheme}://{host}{slash}{path}").parse().map_err(|_| FORM)?;
    if uri.host().is_none_or(str::is_empty) || uri.authority().is_none() {
        return Err(FORM.into());
    }
    if host.rsplit_once(':').is_some_and(|(_, p)| !p.ends_with(']') && p.parse::<u16>().is_err()) {
        return Err(
            "the port in `url` is not a number\nwrite `url: \"http://HOST:8080/PATH\"`".into()
        );
    }
    let mut headers = Vec::new();
    let mut secrets = Vec::new();
    for (name, value) in settings.map("headers") {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            format!("`{name}` is not the name of a header\nnames are letters, digits and `-`")
        })?;
        let mut text = HeaderValue::from_str(value).map_err(|_| {
            format!("the value of the header `{name}` has characters that none may have\nleave line ends and other controls out")
        })?;
        let lower = name.to_ascii_lowercase();
        if ["auth", "cookie", "key", "token", "secret", "pass"].iter().any(|w| lower.contains(w)) {
            text.set_sensitive(true);
            secrets.push(value.to_owned());
            secrets.extend(value.split_once(' ').map(|(_, secret)| secret.to_owned()));
        }
        headers.push((header, text));
    }
    let has = |headers: &[(HeaderName, HeaderValue)], name| headers.iter().any(|h| h.0 == name);
    if let Some(user) = user {
        if has(&headers, "authorization") {
            return Err(
                "`url` has a user, and `headers` has `Authorization`\nleave one of them out".into(),
            );
        }
        let decoded = percent_decoded(user).ok_or(
            "the user and password in `url` are not percent-encoded text\nwrite `%25` for `%`, `%40` for `@`",
        )?;
        let decoded = if decoded.contains(':') { decoded } else { format!("{decoded}:") };
        let coded = base64(decoded.as_bytes());
        let mut value = HeaderValue::from_str(&format!("Basic {coded}")).map_err(|_| FORM)?;
        value.set_sensitive(true);
        headers.push((HeaderName::from_static("authorization"), value));
        secrets.push(coded);
        for text in [user, &decoded] {
            secrets.extend(text.split_once(':').map(|(_, password)| password.to_owned()));
        }
    }
    secrets.retain(|s| !s.is_empty());
    let array = settings.text("format") == "json";
    if !has(&headers, "content-type") {
        let kind = if array { "application/json" } else { "application/x-ndjson" };
        headers.push((HeaderName::from_static("content-type"), HeaderValue::from_static(kind)));
    }
    // Not a key of the language: tests are in a hurry.
    let limit = settings.text("give_up_ms").parse().map_or(LIMIT, Duration::from_millis);
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT.min(limit)))
        .timeout_send_body(Some(limit))
        .timeout_recv_response(Some(limit))
        .timeout_recv_body(Some(limit))
        .user_agent(concat!("doge/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    // What follows `?` is often a key.
    let query = if uri.query().is_some() { "?..." } else { "" };
    let place = format!("{scheme}://{host}{}{query}", uri.path());
    let sink = Http {
        place: place.clone(),
        uri,
        put: settings.text("method") == "PUT",
        headers,
        array,
        batch: settings.number("batch.events").unwrap_or(1000),
        limit,
        secrets,
        agent,
        meter: Arc::default(),
        stop: Arc::default(),
        paced: false,
        lines: Vec::new(),
        waiting: 0,
        body: Vec::new(),
        accepted: 0,
        bytes: 0,
        unsure: false,
        repeated: 0,
        finished: false,
    };
    Ok(Made { sink: Box::new(sink), place, identity: Identity::None })
}

/// What became of a request.
enum Answer {
    Taken,
    /// It may be tried again: why, and after what time at the earliest.
    Later(String, Option<Duration>),
    Refused(SinkError),
}

impl Http {
    /// Sends full batches, and with `all` what is left.
    fn send_waiting(&mut self, all: bool) -> Result<(), SinkError> {
        let mut from = 0;
        while self.waiting >= self.batch || (all && self.waiting > 0) {
            let events = self.waiting.min(self.batch);
            let rest = &self.lines[from..];
            let ends = rest.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
            let len = ends.take(events as usize).last().unwrap_or(rest.len());
            self.body.clear();
            if self.array {
                self.body.push(b'[');
                self.body
                    .extend(rest[..len - 1].iter().map(|b| if *b == b'\n' { b',' } else { *b }));
                self.body.push(b']');
            } else {
                self.body.extend_from_slice(&rest[..len]);
            }
            self.send(events)?;
            from += len;
            self.waiting -= events;
        }
        self.lines.drain(..from);
        Ok(())
    }

    /// Sends a batch until the server has taken it.
    fn send(&mut self, events: u64) -> Result<(), SinkError> {
        let begun = Instant::now();
        let mut wait = WAITS.0;
        self.unsure = false;
        let mut repeats = false;
        loop {
            let (why, asked) = match self.request() {
                Answer::Taken => break,
                Answer::Refused(e) => return Err(e),
                Answer::Later(why, asked) => (why, asked),
            };
            let pause = asked.unwrap_or(wait).max(WAITS.0);
            let name = &self.place;
            if begun.elapsed() + pause > self.limit {
                let what = match asked {
                    Some(asked) => format!("asks to wait {} s", asked.as_secs()),
                    None => format!("for {} s", self.limit.as_secs()),
                };
                return Err(SinkError::new(format!("cannot send to {name}: {why}, {what}"))
                    .help("see why the server takes nothing, and run again")
                    .help(
                        "a new run sends all events again: this server cannot tell how far one was",
                    ));
            }
            repeats |= self.unsure;
            self.meter.retried();
            let until = Instant::now() + pause;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(SinkError::new(format!(
                        "cannot send to {name}: {why}; it was not tried again, as the run is to stop"
                    )));
                }
                std::thread::sleep(left.min(Duration::from_millis(50)));
            }
            wait = (wait * 2).min(WAITS.1);
        }
        self.unsure = false;
        self.repeated += if repeats { events } else { 0 };
        self.accepted += events;
        self.bytes += self.body.len() as u64;
        self.meter.bytes(self.body.len() as u64);
        Ok(())
    }

    fn request(&mut self) -> Answer {
        let method = if self.put { "PUT" } else { "POST" };
        let mut request = Request::builder().method(method).uri(self.uri.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = match request.body(self.body.as_slice()) {
            Ok(request) => request,
            Err(_) => return Answer::Refused(self.error("the request cannot be made")),
        };
        let mut response = match self.agent.run(request) {
            Ok(response) => response,
            Err(e) => return self.unanswered(e),
        };
        let status = response.status();
        if status.is_success() {
            return Answer::Taken;
        }
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (after, location) = (header("retry-after"), header("location"));
        // A connection whose answer is not read whole is not used again.
        let said =
            response.body_mut().with_config().limit(1 << 20).lossy_utf8(true).read_to_string();
        let said = self.shown(&said.unwrap_or_default());
        let reason = status.canonical_reason().map_or_else(String::new, |r| format!(" {r}"));
        let colon = if said.is_empty() { "" } else { ": " };
        let what = format!("the server answers {}{reason}{colon}{said}", status.as_u16());
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            // A server that failed may have taken some of it before.
            self.unsure |= status.is_server_error();
            return Answer::Later(what, after.and_then(|t| retry_after(&t)));
        }
        let e = self.error(&what);
        Answer::Refused(match (status.as_u16(), location) {
            (300..=399, Some(to)) => {
                let to = to.split(['?', '#']).next().unwrap_or_default();
                e.help(format!("it is elsewhere: write `url: \"{}\"`", self.shown(to)))
            }
            (401 | 403 | 407, _) => {
                e.help("see that the user, password or token is right: in `url` or `headers`")
            }
            (404 | 410, _) => e.help("see that the path in `url` is right"),
            (405, _) => e.help("choose the other `method`: POST or PUT"),
            (413, _) => e.help("make requests smaller: `batch: { events: 100 }`"),
            (415, _) => e.help("choose the other `format`, or set `Content-Type` in `headers`"),
            _ => e.help("the answer says what the server wants; `format` is `jsonl` or `json`"),
        })
    }

    /// A request without an answer.
    fn unanswered(&mut self, error: Error) -> Answer {
        let why = match &error {
            Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                return Answer::Refused(self.tls(&e.to_string()));
            }
            Error::Tls(_) | Error::Rustls(_) | Error::TlsRequired => {
                return Answer::Refused(self.tls(&error.to_string()));
            }
            Error::Io(e) => text::io_reason(e),
            Error::Timeout(_) => "no answer in time".into(),
            Error::HostNotFound => "the host is not known".into(),
            Error::ConnectionFailed => "no connection".into(),
            other => self.shown(&other.to_string()),
        };
        // The server may have read all of it before the connection broke.
        self.unsure |= !matches!(error, Error::HostNotFound | Error::ConnectionFailed)
            && !matches!(&error, Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused);
        Answer::Later(why, None)
    }

    fn tls(&self, why: &str) -> SinkError {
        self.error(&self.shown(why))
            .help("the server's certificate must be one that browsers trust, and for this host")
    }

    fn error(&self, what: &str) -> SinkError {
        SinkError::new(format!("cannot send to {}: {what}", self.place))
    }

    /// A text of others: on one line, not too long, without secrets.
    fn shown(&self, text: &str) -> String {
        let mut text = text.trim().to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut end = line.len().min(SHOWN as usize);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line[..end].to_owned()
    }

    /// Whether anybody listens there.
    fn reach(&self) -> Result<(), SinkError> {
        let default = if self.uri.scheme_str() == Some("https") { 443 } else { 80 };
        let proxy = Proxy::try_from_env().filter(|p| !p.is_no_proxy(&self.uri));
        let (host, port, name) = match &proxy {
            Some(p) => (p.host().to_owned(), p.port(), "its proxy "),
            None => {
                let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
                (host.to_owned(), self.uri.port_u16().unwrap_or(default), "")
            }
        };
        let fail = |why: &str| {
            SinkError::new(format!("cannot reach {}: {name}{host}:{port}: {why}", self.place))
                .help("see that the server is up, and that `url` has its host and port")
        };
        let addresses =
            (host.as_str(), port).to_socket_addrs().map_err(|_| fail("the host is not known"))?;
        let mut why = "the host has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT.min(self.limit)) {
                Ok(_) => return Ok(()),
                Err(e) => why = text::io_reason(&e),
            }
        }
        Err(fail(&why))
    }
}

impl Sink for Http {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.meter = opening.meter.clone();
        self.stop = opening.stop.clone();
        self.paced = opening.paced;
        self.reach()?;
        Ok(None)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        let Payload::Bytes(bytes) = &chunk.payload else {
            return Err(SinkError::new(format!("{} takes text, not records", self.place)));
        };
        self.lines.extend_from_slice(bytes);
        self.waiting += chunk.events;
        self.send_waiting(self.paced)
    }

    /// What the server has taken is its own: as final as it can be from here.
    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError> {
        self.send_waiting(true)?;
        Ok(Some(upto))
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        self.send_waiting(true)?;
        self.finished = true;
        let place = match self.repeated {
            0 => self.place.clone(),
            n => format!("{} ({} sent again, perhaps there twice)", self.place, text::events(n)),
        };
        Ok(Finished { place, bytes: Some(self.bytes) })
    }

    fn abort(&mut self) -> String {
        let events = text::events(self.accepted);
        if self.finished {
            return format!("{} is complete: it took {events}", self.place);
        }
        let mut said = format!("{} took the first {events}", self.place);
        if self.unsure {
            said.push_str("; some of those that follow may be there too");
        }
        if self.repeated > 0 {
            said.push_str(&format!(
                "; {} of them were sent again as an answer was lost, and may be there twice",
                text::grouped(self.repeated)
            ));
        }
        said
    }
}

/// The wait that a `Retry-After` asks for: seconds, or a date (`Sun, 06 Nov 1994 08:49:37 GMT`).
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_once(", ")?.1.split(' ').collect();
    let [day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let ms = literal::instant(&format!("{year}-{month:02}-{day}T{time}Z")).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis() as i64;
    Some(Duration::from_millis(u64::try_from(ms - now).unwrap_or(0)))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                (digit(bytes.next())? * 16 + digit(bytes.next())?) as u8
            }
            b => b,
        });
    }
    String::from_utf8(out).ok()
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_rfc_4648() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
        assert_eq!(percent_decoded("a%40b:c%25").as_deref(), Some("a@b:c%"));
        assert_eq!((percent_decoded("%4"), percent_decoded("%ff")), (None, None));
    }

    #[test]
    fn both_forms_of_retry_after() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = retry_after("Fri, 31 Dec 9998 23:59:59 GMT").expect("a date");
        assert!(far > Duration::from_secs(1 << 30));
        for text in ["", "soon", "-1", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37 CET"] {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }
}
