//! A producer with its transaction: sending, waiting, committing, and starting a transaction over that
//! Kafka gave up.
//!
//! The messages of the open transaction are kept, up to a limit, so that they can be sent again: brokers
//! that go down and come back sometimes end a transaction, and the events are not made twice.

use super::LIMIT;
use super::connect::{Ears, code_of, said, unreachable};
use super::notes;
use super::partition::partition;
use super::topic::Plan;
use super::topics::rights;
use crate::format::Messages;
use crate::sink::{Meter, SinkError, grouped};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one call of librdkafka may take before it is asked whether to go on.
const STEP: Duration = Duration::from_secs(1);
/// How long a run that is stopped waits for Kafka.
const HURRY: Duration = Duration::from_millis(700);
/// How often a transaction is started over before that is a failure.
const OVER_AGAIN: u32 = 5;
/// What a broker adds to a message that is alone in its batch, at most, but for its headers.
const OVERHEAD: usize = 61 + 41;

/// What went wrong.
pub enum Trouble {
    /// Kafka gave the transaction up: what was in it is to be sent again.
    GivenUp(KafkaError),
    /// The run cannot go on.
    Over(SinkError),
}

impl From<SinkError> for Trouble {
    fn from(e: SinkError) -> Trouble {
        Trouble::Over(e)
    }
}

/// A note to be sent with a commit.
pub struct Slip {
    pub key: String,
    /// `None`: the note of that key is void.
    pub body: Option<String>,
    pub delete: Vec<(i32, i64)>,
}

/// A producer.
pub struct Sender {
    plan: Arc<Plan>,
    brokers: String,
    producer: BaseProducer<Ears>,
    ears: Ears,
    /// By index of the event in the model.
    names: Vec<Option<Named>>,
    /// Number of partitions among which messages are divided.
    pub partitions: u32,
    /// The largest message that the topic takes; `None`: not known.
    pub max_bytes: Option<u64>,
    in_transaction: bool,
    /// The messages of the open transaction.
    kept: Vec<Messages>,
    kept_bytes: usize,
    kept_most: usize,
    /// More was sent in this transaction than is kept.
    too_many: bool,
    spare: Vec<Messages>,
    pub meter: Arc<Meter>,
    /// The run is to end soon.
    pub stop: Arc<AtomicBool>,
}

/// What messages of one event have in their headers.
struct Named {
    event: String,
    /// The headers that all of them have.
    base: OwnedHeaders,
    own: Vec<String>,
}

impl Sender {
    /// Makes a producer and, with transactions, shuts out others with the same id and ends what they
    /// left open.
    ///
    /// # Errors
    /// The cluster refuses it.
    pub fn new(
        plan: &Arc<Plan>,
        brokers: &str,
        id: &str,
        outputs: usize,
        meter: Arc<Meter>,
        stop: Arc<AtomicBool>,
    ) -> Result<Sender, SinkError> {
        let ears = Ears::default();
        let mut fixed = vec![
            ("delivery.report.only.error", "true".to_owned()),
            ("acks", "all".to_owned()),
            // Where the topic's limit is lower, the sink says so with the event's name.
            ("message.max.bytes", "1000000000".to_owned()),
        ];
        if plan.client.get("message.max.bytes").is_some() {
            fixed.pop();
        }
        if plan.transactions {
            fixed.push(("transactional.id", id.to_owned()));
            fixed.push(("transaction.timeout.ms", plan.timeout.as_millis().to_string()));
        }
        let defaults = [
            ("enable.idempotence", "true".to_owned()),
            ("queue.buffering.max.kbytes", (super::QUEUE_KIB / outputs).max(8 << 10).to_string()),
            ("queue.buffering.max.messages", "1000000".to_owned()),
            ("message.timeout.ms", LIMIT.as_millis().to_string()),
        ];
        let config = super::config::producer(&plan.client, &defaults, &fixed);
        let producer: BaseProducer<Ears> = config
            .create_with_context(ears.clone())
            .map_err(|e| unreachable(brokers, &said(&e)))?;
        let mut names: Vec<Option<Named>> = Vec::new();
        for (index, event, own) in &plan.events {
            if names.len() <= *index {
                names.resize_with(index + 1, || None);
            }
            let base = OwnedHeaders::new_with_capacity(1 + own.len())
                .insert(Header { key: "event", value: Some(event.as_bytes()) });
            names[*index] = Some(Named { event: event.clone(), base, own: own.clone() });
        }
        let sender = Sender {
            plan: plan.clone(),
            brokers: brokers.to_owned(),
            producer,
            ears,
            names,
            partitions: 1,
            max_bytes: None,
            in_transaction: false,
            kept: Vec::new(),
            kept_bytes: 0,
            kept_most: super::KEPT_BYTES / outputs,
            too_many: false,
            spare: Vec::new(),
            meter,
            stop,
        };
        if plan.transactions {
            let begun = sender.patiently(|p| p.init_transactions(STEP));
            begun.map_err(|t| sender.refused("begin transactions for", t))?;
        }
        Ok(sender)
    }

    /// Sends messages; they are not final yet. Bytes sent.
    ///
    /// # Errors
    /// A message cannot be carried, or Kafka is lost.
    pub fn send(&mut self, messages: &Messages) -> Result<u64, SinkError> {
        let mut sent = self.put(messages);
        if self.plan.transactions {
            self.keep(messages);
        }
        let mut again = 0;
        loop {
            match sent {
                Ok(bytes) => return Ok(bytes),
                Err(trouble) => {
                    again += 1;
                    self.start_over(trouble, again)?;
                    sent = self.replay().map(|()| messages.bytes.len() as u64);
                }
            }
        }
    }

    fn keep(&mut self, messages: &Messages) {
        self.kept_bytes += messages.bytes.len() + messages.list.len() * 128;
        if self.too_many || self.kept_bytes > self.kept_most {
            self.too_many = true;
            self.kept.clear();
            return;
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.bytes.push_bytes(&messages.bytes);
        copy.list.extend_from_slice(&messages.list);
        copy.headers.extend_from_slice(&messages.headers);
        self.kept.push(copy);
    }

    /// Sends what is kept again, in a new transaction.
    fn replay(&mut self) -> Result<(), Trouble> {
        let kept = std::mem::take(&mut self.kept);
        let result = kept.iter().try_for_each(|messages| self.put(messages).map(|_| ()));
        self.kept = kept;
        result
    }

    /// Aborts a transaction that Kafka gave up.
    fn start_over(&mut self, trouble: Trouble, again: u32) -> Result<(), SinkError> {
        let error = match trouble {
            Trouble::Over(e) => return Err(e),
            Trouble::GivenUp(e) => e,
        };
        if self.too_many || again > OVER_AGAIN || !self.plan.transactions {
            return Err(SinkError::new(format!(
                "Kafka at {} gave up a transaction of {}: {}",
                self.brokers,
                self.plan.place,
                said(&error)
            ))
            .help("look at the brokers' logs, and resume the run"));
        }
        self.meter.retried();
        self.patiently(|p| p.abort_transaction(STEP))
            .map_err(|t| self.refused("abort a transaction of", t))?;
        self.in_transaction = false;
        self.ears.forget();
        Ok(())
    }

    /// Gives messages to librdkafka; waits where its queue is full.
    fn put(&mut self, messages: &Messages) -> Result<u64, Trouble> {
        self.begin()?;
        let mut bytes = 0;
        for message in &messages.list {
            let (key, value, own) = messages.parts(message);
            let Some(named) = self.names.get(message.event as usize).and_then(Option::as_ref)
            else {
                return Err(SinkError::new(format!(
                    "{} does not take this event",
                    self.plan.place
                ))
                .into());
            };
            if message.time_ms <= 0 {
                return Err(before_1970(&named.event, message.time_ms).into());
            }
            let mut headers = named.base.clone();
            let mut size = value.len() + key.map_or(0, <[u8]>::len);
            for (name, value) in named.own.iter().zip(own) {
                size += name.len() + value.map_or(0, <[u8]>::len) + 10;
                headers = headers.insert(Header { key: name, value });
            }
            if let Some(most) = self.max_bytes
                && (size + OVERHEAD + named.event.len()) as u64 > most
                && !self.plan.compresses
            {
                return Err(too_large(&named.event, size, most, &self.plan, &self.brokers).into());
            }
            bytes += size as u64;
            let record = BaseRecord::<[u8], [u8]>::to(&self.plan.topic)
                .payload(value)
                .partition(partition(key, message.subject.1, self.partitions))
                .timestamp(message.time_ms)
                .headers(headers);
            let record = match key {
                Some(key) => record.key(key),
                None => record,
            };
            if let Err((error, record)) = self.producer.send(record) {
                self.insist(error, record)?;
            }
        }
        // Errors come through events, and librdkafka keeps its counts of them.
        self.producer.poll(Duration::ZERO);
        self.check()?;
        Ok(bytes)
    }

    /// A message that librdkafka did not take at once.
    #[cold]
    fn insist(
        &self,
        mut error: KafkaError,
        mut record: BaseRecord<'_, [u8], [u8]>,
    ) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            match code_of(&error) {
                Some(RDKafkaErrorCode::QueueFull) if self.producer.in_flight_count() > 0 => {
                    self.hurry(begun)?;
                    self.pause();
                    self.check()?;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::QueueFull) => {
                    let size =
                        record.payload.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len);
                    return Err(SinkError::new(format!(
                        "a message of {} bytes is too large for {}: librdkafka says: {}",
                        grouped(size as u64),
                        self.plan.place,
                        said(&error)
                    ))
                    .help("raise `message.max.bytes` and `queue.buffering.max.kbytes` in `config`")
                    .into());
                }
                _ => return Err(self.judge(error)),
            }
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((e, r)) => (error, record) = (e, r),
            }
        }
    }

    /// Opens a transaction, where none is open.
    fn begin(&mut self) -> Result<(), Trouble> {
        if self.plan.transactions && !self.in_transaction {
            self.patiently(BaseProducer::begin_transaction)?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Commits all that was sent, together with notes.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn commit(&mut self, slips: &[Slip]) -> Result<(), SinkError> {
        let mut done = self.try_commit(slips);
        let mut again = 0;
        while let Err(trouble) = done {
            again += 1;
            self.start_over(trouble, again)?;
            done = self.replay().and_then(|()| self.try_commit(slips));
        }
        let full = std::mem::take(&mut self.kept);
        self.spare.extend(full);
        self.kept_bytes = 0;
        self.too_many = false;
        Ok(())
    }

    fn try_commit(&mut self, slips: &[Slip]) -> Result<(), Trouble> {
        self.begin()?;
        // Without a transaction a note must not be there before what it speaks of.
        if !self.plan.transactions {
            self.drain()?;
        }
        for slip in slips {
            self.put_note(slip)?;
        }
        self.drain()?;
        if self.plan.transactions {
            self.patiently(|p| p.commit_transaction(STEP))?;
            self.in_transaction = false;
        }
        Ok(())
    }

    fn put_note(&self, slip: &Slip) -> Result<(), Trouble> {
        let partitions = self.partitions.to_string();
        let delete = notes::offsets_text(&slip.delete);
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: "topic", value: Some(self.plan.topic.as_bytes()) })
            .insert(Header { key: "partitions", value: Some(partitions.as_bytes()) })
            .insert(Header { key: "delete", value: Some(delete.as_bytes()) });
        let record = BaseRecord::<[u8], [u8]>::to(notes::TOPIC)
            .key(slip.key.as_bytes())
            .partition(0)
            .headers(headers);
        let record = match &slip.body {
            Some(body) => record.payload(body.as_bytes()),
            None => record,
        };
        match self.producer.send(record) {
            Ok(()) => Ok(()),
            Err((error, record)) => self.insist(error, record),
        }
    }

    /// Lets a moment pass and takes what was said meanwhile. A poll with a time of its own would turn in
    /// circles for the rest of its last millisecond, on a core that the broker may want.
    fn pause(&self) {
        std::thread::sleep(Duration::from_micros(500));
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until all messages are delivered.
    fn drain(&self) -> Result<(), Trouble> {
        let begun = Instant::now();
        while self.producer.in_flight_count() > 0 {
            self.pause();
            self.check()?;
            self.hurry(begun)?;
        }
        self.producer.poll(Duration::ZERO);
        self.check()
    }

    /// Gives up where the run was stopped a while ago and Kafka does not answer.
    fn hurry(&self, begun: Instant) -> Result<(), Trouble> {
        if self.stop.load(Ordering::Relaxed) && begun.elapsed() > HURRY {
            return Err(self.away("the run was stopped while it waited").into());
        }
        Ok(())
    }

    /// Looks for messages that were not delivered.
    fn check(&self) -> Result<(), Trouble> {
        match self.ears.lost() {
            None => Ok(()),
            Some((error, size)) => Err(match code_of(&error) {
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => SinkError::new(format!(
                    "{} refuses a batch with a message of {} bytes: it is larger than max.message.bytes of the topic",
                    self.plan.place,
                    grouped(size as u64)
                ))
                .help(larger(&self.plan, &self.brokers, size))
                .into(),
                Some(RDKafkaErrorCode::InvalidTimestamp) => SinkError::new(format!(
                    "{} refuses the time of an event: it lies too far in the future or the past for the topic",
                    self.plan.place
                ))
                .help(format!(
                    "change the topic: kafka-configs.sh --bootstrap-server {} --alter --entity-type topics \
                     --entity-name {} --add-config message.timestamp.after.max.ms=9223372036854775807",
                    self.brokers, self.plan.topic
                ))
                .into(),
                Some(RDKafkaErrorCode::MessageTimedOut) => self.away("messages were not taken in time").into(),
                _ => self.judge(error),
            }),
        }
    }

    /// Kafka was waited for long enough.
    fn away(&self, what: &str) -> SinkError {
        let reason = self.ears.reason().unwrap_or_else(|| what.to_owned());
        SinkError::new(format!("Kafka at {} does not answer: {reason}", self.brokers))
            .help("start the brokers, and resume the run")
    }

    /// What an error of librdkafka means.
    fn judge(&self, error: KafkaError) -> Trouble {
        use RDKafkaErrorCode as C;
        let mut code = code_of(&error);
        let mut text = said(&error);
        if let Some((fatal, reason)) = self.producer.client().fatal_error() {
            code = Some(fatal);
            text = reason;
        }
        let over = |e: SinkError| Trouble::Over(e);
        match code {
            Some(C::Fenced | C::ProducerFenced | C::InvalidProducerEpoch) => over(
                SinkError::new(format!(
                    "another run of the same stream writes to {}, and has taken over",
                    self.plan.place
                ))
                .help("let the other one go on: whatever this one had committed is passed over there if it was told \
                       to resume"),
            ),
            Some(C::TopicAuthorizationFailed) => {
                let e = format!("the user has no right to write to {} or {}", self.plan.place, notes::TOPIC);
                over(rights(SinkError::new(e), &self.brokers, &self.plan.topic))
            }
            Some(C::TransactionalIdAuthorizationFailed | C::ClusterAuthorizationFailed) => {
                let e = format!("the user has no right to write in transactions to {}", self.plan.place);
                over(
                    rights(SinkError::new(e), &self.brokers, &self.plan.topic)
                        .help("or write `transactions: false`, and have some events twice if the run is killed"),
                )
            }
            Some(C::InvalidTransactionTimeout) => over(
                SinkError::new(format!(
                    "the brokers at {} do not let a transaction last {} s",
                    self.brokers,
                    self.plan.timeout.as_secs()
                ))
                .help("raise transaction.max.timeout.ms of the brokers, or commit more often: `commit: { every: 1s }`"),
            ),
            Some(C::Fatal) => over(
                SinkError::new(format!("cannot write to {}: {text}", self.plan.place))
                    .help("look at the brokers' logs, and resume the run"),
            ),
            _ if self.plan.transactions => Trouble::GivenUp(error),
            _ => over(
                SinkError::new(format!("cannot write to {}: {text}", self.plan.place))
                    .help("look at the brokers' logs, and resume the run"),
            ),
        }
    }

    /// Calls librdkafka until it has done it, or it is clear that it will not.
    fn patiently(
        &self,
        mut call: impl FnMut(&BaseProducer<Ears>) -> KafkaResult<()>,
    ) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            let error = match call(&self.producer) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            let retriable = match &error {
                KafkaError::Transaction(e) => {
                    e.is_retriable() && !e.txn_requires_abort() && !e.is_fatal()
                }
                KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
                _ => false,
            };
            if !retriable {
                return Err(self.judge(error));
            }
            if begun.elapsed() >= LIMIT {
                return Err(self.away(&said(&error)).into());
            }
            self.hurry(begun)?;
            self.meter.retried();
            self.producer.poll(Duration::from_millis(50));
        }
    }

    /// A trouble that comes before or beside the events.
    fn refused(&self, verb: &str, trouble: Trouble) -> SinkError {
        match trouble {
            Trouble::Over(e) => e,
            Trouble::GivenUp(e) => {
                SinkError::new(format!("cannot {verb} {}: {}", self.plan.place, said(&e)))
                    .help("look at the brokers' logs, and run again")
            }
        }
    }

    /// Ends without committing what is open; does not wait for long.
    pub fn abandon(&mut self) {
        if !self.plan.transactions {
            // What was sent is on its way in any case.
            let _ = self.producer.flush(HURRY);
        } else if self.in_transaction {
            self.in_transaction = false;
            let _ = self.producer.abort_transaction(HURRY);
        }
    }
}

fn before_1970(event: &str, time_ms: i64) -> SinkError {
    SinkError::new(format!(
        "event {event} has the time {}: Kafka cannot hold a time at or before 1970-01-01T00:00:00.000Z, as 0 means \
         \"now\" there",
        crate::sink::timestamp(time_ms)
    ))
    .help("begin later (`start`), or give the event another `timestamp`")
}

/// What `open` says of a stream that begins at or before 1970.
pub fn begins_before_1970(place: &str, start_ms: i64) -> SinkError {
    SinkError::new(format!(
        "the run begins at {}, and {place} cannot hold a time at or before 1970-01-01T00:00:00.000Z, as 0 means \
         \"now\" to Kafka",
        crate::sink::timestamp(start_ms)
    ))
    .help("begin later (`start`), or give the events another `timestamp`")
}

fn larger(plan: &Plan, brokers: &str, size: usize) -> String {
    let room = (size + OVERHEAD + 1024).next_multiple_of(1 << 20);
    format!(
        "let the topic take it: kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics \
         --entity-name {} --add-config max.message.bytes={room}",
        plan.topic
    )
}

fn too_large(event: &str, size: usize, most: u64, plan: &Plan, brokers: &str) -> SinkError {
    SinkError::new(format!(
        "event {event} makes a message of {} bytes, and {} takes at most {} (max.message.bytes)",
        grouped(size as u64),
        plan.place,
        grouped(most)
    ))
    .help(larger(plan, brokers, size))
    .help("or have messages compressed: `config: { compression.type: zstd }`")
}
