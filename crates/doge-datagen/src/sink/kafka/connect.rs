//! A cluster as the outputs of one run see it: one connection to look at topics, make them and read
//! notes, shared by all outputs with the same brokers and credentials.
//!
//! Not here: producers, of which every output has its own.

use super::notes::TOPIC;
use super::topics::QUESTION;
use crate::sink::SinkError;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a cluster may take to answer when a run begins.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What librdkafka says while nobody asks: why it cannot connect, which messages were not delivered.
#[derive(Clone, Default)]
pub struct Ears(Arc<Heard>);

#[derive(Default)]
struct Heard {
    /// The last reasons of failed connections, newest last, each once.
    reasons: Mutex<Vec<String>>,
    /// The first message that was not delivered.
    lost: Mutex<Option<(KafkaError, usize)>>,
    has_lost: AtomicBool,
}

impl Ears {
    fn hear(&self, reason: &str) {
        let reason = tidy(reason);
        if reason.is_empty() || reason.ends_with("brokers are down") {
            return;
        }
        let mut reasons = lock(&self.0.reasons);
        reasons.retain(|r| *r != reason);
        reasons.push(reason);
        if reasons.len() > 8 {
            reasons.remove(0);
        }
    }

    /// Why the brokers cannot be reached, the most telling reason that was heard.
    pub fn reason(&self) -> Option<String> {
        let reasons = lock(&self.0.reasons);
        let telling = reasons.iter().rev().find(|r| is_final(r));
        telling.or(reasons.last()).cloned()
    }

    /// Whether trying again is of no use.
    fn is_hopeless(&self) -> bool {
        lock(&self.0.reasons).iter().any(|r| is_final(r))
    }

    /// The first message that was not delivered since the last call of [`Ears::forget`]: why, and its
    /// size.
    pub fn lost(&self) -> Option<(KafkaError, usize)> {
        if self.0.has_lost.load(Ordering::Acquire) { lock(&self.0.lost).clone() } else { None }
    }

    /// Forgets messages that were not delivered.
    pub fn forget(&self) {
        *lock(&self.0.lost) = None;
        self.0.has_lost.store(false, Ordering::Release);
    }
}

/// Reasons that time does not heal.
fn is_final(reason: &str) -> bool {
    let r = reason.to_ascii_lowercase();
    ["authentication", "certificate verify failed", "ssl handshake failed"]
        .iter()
        .any(|w| r.contains(w))
}

/// A line of librdkafka's log without the names of its threads and its stopwatch.
fn tidy(line: &str) -> String {
    let line = line.trim();
    let line = match line.strip_prefix("[thrd:").and_then(|l| l.split_once("]: ")) {
        Some((_, rest)) => rest,
        None => line,
    };
    let line = line.split(" (after ").next().unwrap_or(line);
    let line = line.split(": install/configure CA certificates").next().unwrap_or(line);
    // `host:port/bootstrap: reason` and `sasl_ssl://host:port/1: reason`
    let line = match line.split_once(": ") {
        Some((broker, rest)) if broker.contains('/') => rest,
        _ => line,
    };
    line.trim_end_matches(':').trim().to_owned()
}

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        if (level as i32) <= (RDKafkaLogLevel::Error as i32) || fac == "FAIL" {
            self.hear(message);
        }
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.hear(reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Ears {}

impl ProducerContext for Ears {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let size = message.payload_len() + message.key_len();
            lock(&self.0.lost).get_or_insert((error.clone(), size));
            self.0.has_lost.store(true, Ordering::Release);
        }
    }
}

/// What a mutex guards, also after a thread that held it has died.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cluster, and whether it can be reached.
pub struct Cluster {
    /// What people call it.
    pub brokers: String,
    config: ClientConfig,
    patience: Duration,
    link: Option<Arc<Link>>,
    /// Why it cannot be reached; all outputs say the same.
    failed: Option<SinkError>,
    /// Whether transactions that an earlier run has left open are ended.
    pub decided: bool,
}

impl Cluster {
    /// A cluster that nobody has looked at.
    pub fn new(brokers: &str, config: ClientConfig) -> Cluster {
        Cluster {
            brokers: brokers.to_owned(),
            config,
            patience: PATIENCE,
            link: None,
            failed: None,
            decided: false,
        }
    }

    /// The connection; made when it is first asked for.
    ///
    /// # Errors
    /// The cluster cannot be reached: the real reason, and what to look at.
    pub fn link(&mut self) -> Result<Arc<Link>, SinkError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        if let Some(link) = &self.link {
            return Ok(link.clone());
        }
        match Link::new(&self.brokers, &self.config, self.patience) {
            Ok(link) => Ok(self.link.insert(Arc::new(link)).clone()),
            Err(e) => {
                self.failed = Some(e.clone());
                Err(e)
            }
        }
    }
}

/// A connection to a cluster.
pub struct Link {
    /// What people call the cluster.
    pub brokers: String,
    /// Makes and changes topics; sees uncommitted records.
    pub admin: AdminClient<Ears>,
    /// Reads committed records.
    pub consumer: BaseConsumer<Ears>,
}

impl Link {
    fn new(brokers: &str, config: &ClientConfig, patience: Duration) -> Result<Link, SinkError> {
        files(config)?;
        let ears = Ears::default();
        let cannot = |e: &KafkaError| {
            let reason = match e {
                KafkaError::ClientCreation(said) => said.clone(),
                other => said(other),
            };
            unreachable(brokers, &ears.reason().unwrap_or_else(|| tidy(&reason)))
        };
        let mut reading = config.clone();
        reading
            .set("group.id", "doge")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "50")
            .set("auto.offset.reset", "error");
        let mut admin = config.clone();
        // So that the ends of partitions that it asks for are those of all records.
        admin.set("isolation.level", "read_uncommitted");
        let consumer: BaseConsumer<Ears> =
            reading.create_with_context(ears.clone()).map_err(|e| cannot(&e))?;
        // Of all clients only a producer hands on why it cannot connect.
        let probe: BaseProducer<Ears> =
            config.create_with_context(ears.clone()).map_err(|e| cannot(&e))?;
        let deadline = Instant::now() + patience;
        loop {
            let asked = Instant::now();
            let answer = probe.client().fetch_metadata(Some(TOPIC), Duration::from_millis(500));
            probe.poll(Duration::ZERO);
            match answer {
                Ok(_) => break,
                Err(e) if ears.is_hopeless() || Instant::now() >= deadline => {
                    return Err(cannot(&e));
                }
                Err(_) => {}
            }
            // An answer that came at once: not too often.
            std::thread::sleep(Duration::from_millis(50).saturating_sub(asked.elapsed()));
        }
        drop(probe);
        let admin = admin.create_with_context(ears.clone()).map_err(|e| cannot(&e))?;
        Ok(Link { brokers: brokers.to_owned(), admin, consumer })
    }

    /// Asks the cluster to do something, and waits for the answer.
    pub fn ask<T>(
        &self,
        future: impl Future<Output = Result<T, KafkaError>>,
    ) -> Result<T, KafkaError> {
        block_on(future)
    }

    /// The options of every request.
    pub fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(QUESTION)).operation_timeout(Some(QUESTION))
    }
}

/// The cluster cannot be reached.
pub fn unreachable(brokers: &str, reason: &str) -> SinkError {
    let lower = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    // What a port of another kind does to a connection differs from system to system.
    let cut = has(&["broker transport failure", "broken pipe", "connection reset", "disconnected"]);
    let reason = match cut && !lower.contains("ssl") {
        true => "the connection is cut, as by a port that speaks TLS or wants a password",
        false => reason,
    };
    let e = SinkError::new(format!("cannot reach Kafka at {brokers}: {reason}"));
    if has(&["certificate verify failed", "unable to get", "self-signed"]) {
        e.help("name the authority that signed the server's certificate: `tls: { ca: FILE }`")
            .help("and write the server's name in `brokers` as it stands in the certificate")
    } else if has(&["ssl.ca.location", "ssl.certificate", "ssl.key"]) {
        e.help("check the files in `tls`: they are PEM files")
    } else if has(&["authentication", "sasl"]) {
        e.help("check `sasl`: mechanism, user and password")
    } else if has(&["resolve"]) {
        e.help("check the host's name in `brokers`")
    } else if has(&["refused", "timed out", "unreachable"]) {
        e.help("check `brokers`, and that the server runs and can be reached from here")
    } else {
        e.help(
            "write `tls: {}` for a port with TLS, `sasl: { user: ..., password: ... }` for one that wants a \
             password, and neither for a plain one",
        )
    }
}

/// The files that a connection is made with, all that cannot be read.
fn files(config: &ClientConfig) -> Result<(), SinkError> {
    let names = ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];
    let paths = names.iter().filter_map(|n| config.get(n)).filter(|p| *p != "probe");
    let wrong: Vec<String> = paths
        .filter_map(|path| {
            // A folder of authorities is fine, too.
            let error = std::fs::metadata(path).and_then(|_| std::fs::File::open(path)).err()?;
            Some(format!("{path}: {}", crate::sink::io_reason(&error)))
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(SinkError::new(format!("cannot read {}", wrong.join("; ")))
        .help("check the files in `tls`; paths begin where the command is run"))
}

/// An error as a short text for people.
pub fn said(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(e) => e.string(),
        KafkaError::ClientCreation(text) | KafkaError::AdminOpCreation(text) => text.clone(),
        other => match code_of(other) {
            Some(code) => code_text(code),
            None => other.to_string(),
        },
    }
}

/// The code of an error, if it has one.
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// A code as a short text.
pub fn code_text(code: RDKafkaErrorCode) -> String {
    // `Unknown topic or partition (Broker: Unknown topic or partition)`: once is enough.
    let text = code.to_string();
    match text.split_once(" (") {
        Some((_, inner)) => inner.trim_end_matches(')').trim_start_matches("Broker: ").to_owned(),
        None => text,
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread: librdkafka's own threads do the work.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_without_threads() {
        let line = "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: \
                    Connection refused (after 0ms in state CONNECT)";
        assert_eq!(tidy(line), "Connect to ipv4#127.0.0.1:1 failed: Connection refused");
        let ears = Ears::default();
        ears.hear(
            "sasl_ssl://h:1/1: SASL authentication error: wrong password (after 3ms in state X)",
        );
        ears.hear(line);
        ears.hear("1/1 brokers are down");
        assert_eq!(ears.reason().as_deref(), Some("SASL authentication error: wrong password"));
        assert!(ears.is_hopeless());
    }
}
