//! Notes in Kafka: records of a compacted topic of their own, one key for each topic and stream.
//!
//! A note is sent in the same transaction as the messages that it speaks of. It must never be read while
//! a newer one is hidden behind somebody's open transaction, since what it speaks of would be sent
//! again: a reader waits until everything in the topic is decided.

use super::connect::{Link, code_of, said};
use super::topics::{self, QUESTION};
use crate::sink::{Note, SinkError, Stream};
use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where notes are.
pub const TOPIC: &str = "_doge_notes";
/// How long other runs' commits may keep a reader waiting. A run that was killed in the middle of one
/// and is not resumed holds it until its transaction times out.
const DECISION: Duration = Duration::from_secs(30);

/// What is kept for a topic and a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The topic that it speaks of.
    pub topic: String,
    /// How far the stream is there.
    pub note: Result<Note, String>,
    /// The number of partitions among which its messages are divided.
    pub partitions: u32,
    /// Records below these offsets, by partition, are old: to be deleted with the first commit.
    pub delete: Vec<(i32, i64)>,
}

/// The key of a note.
pub fn key(topic: &str, stream: &Stream) -> String {
    format!("{topic}/{}", stream.short())
}

/// `0:17 1:4`
pub fn offsets_text(offsets: &[(i32, i64)]) -> String {
    let parts: Vec<String> = offsets.iter().map(|(p, o)| format!("{p}:{o}")).collect();
    parts.join(" ")
}

fn offsets_of(text: &str) -> Vec<(i32, i64)> {
    let one = |part: &str| {
        let (partition, offset) = part.split_once(':')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    };
    text.split(' ').filter_map(one).collect()
}

/// Makes the topic of notes, where it is missing.
///
/// # Errors
/// It cannot be made, or forgets what is in it.
pub fn ensure(link: &Link, replication: Option<u64>) -> Result<(), SinkError> {
    if topics::partitions(link, TOPIC)?.is_some() {
        // Where its settings may not be read, they are taken to be right.
        let asked = link
            .ask(link.admin.describe_configs(&[ResourceSpecifier::Topic(TOPIC)], &link.options()));
        let policy = asked.ok().and_then(|mut all| all.pop()?.ok());
        let policy = policy.and_then(|c| c.get("cleanup.policy")?.value.clone());
        return match policy {
            Some(p) if !p.contains("compact") => Err(SinkError::new(format!(
                "the topic {TOPIC} keeps the notes that make runs resumable, and its cleanup.policy is {p}: they \
                 would be deleted"
            ))
            .help(format!(
                "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {TOPIC} \
                 --add-config cleanup.policy=compact",
                link.brokers
            ))),
            _ => Ok(()),
        };
    }
    let replicas = replication.and_then(|n| i32::try_from(n).ok()).unwrap_or(-1);
    let new =
        NewTopic::new(TOPIC, 1, TopicReplication::Fixed(replicas)).set("cleanup.policy", "compact");
    let made = link.ask(link.admin.create_topics([&new], &link.options()));
    let failed = match made {
        Ok(results) => {
            results.into_iter().find_map(Result::err).map(|(_, code)| KafkaError::AdminOp(code))
        }
        Err(e) => Some(e),
    };
    match failed {
        None => topics::wait_for(link, TOPIC),
        Some(e) if code_of(&e) == Some(RDKafkaErrorCode::TopicAlreadyExists) => topics::wait_for(link, TOPIC),
        Some(e) => Err(SinkError::new(format!(
            "cannot make the topic {TOPIC} for the notes that make runs resumable: {}",
            said(&e)
        ))
        .help(format!(
            "have it made: kafka-topics.sh --bootstrap-server {} --create --topic {TOPIC} --partitions 1 \
             --replication-factor {} --config cleanup.policy=compact",
            link.brokers,
            replication.unwrap_or(3)
        ))),
    }
}

/// All notes, by key. Where `decided`, waits until no open transaction may hold back a newer one.
///
/// # Errors
/// The topic cannot be read.
pub fn read(link: &Link, decided: bool) -> Result<BTreeMap<String, Kept>, SinkError> {
    let mut all = BTreeMap::new();
    if topics::partitions(link, TOPIC)?.is_none() {
        return Ok(all);
    }
    let cannot = |e: &KafkaError| {
        SinkError::new(format!("cannot read the topic {TOPIC}: {}", said(e)))
            .help("give the user the right to read and to write it: it keeps the notes that make runs resumable")
    };
    let ends = |client: Result<(i64, i64), KafkaError>| client.map_err(|e| cannot(&e));
    let (low, end) = ends(link.admin.inner().fetch_watermarks(TOPIC, 0, QUESTION))?;
    let deadline = Instant::now() + DECISION;
    let (_, mut readable) = ends(link.consumer.client().fetch_watermarks(TOPIC, 0, QUESTION))?;
    while decided && readable < end {
        if Instant::now() >= deadline {
            return Err(SinkError::new(format!(
                "a run that was killed holds an open transaction in {TOPIC}, so that it is not known how far this \
                 one is"
            ))
            .help("resume that run, or wait some minutes until Kafka ends its transaction, and try again"));
        }
        std::thread::sleep(Duration::from_millis(50));
        readable = ends(link.consumer.client().fetch_watermarks(TOPIC, 0, QUESTION))?.1;
    }
    if low >= readable {
        return Ok(all);
    }
    let mut list = TopicPartitionList::new();
    let from = list.add_partition_offset(TOPIC, 0, Offset::Offset(low));
    from.and_then(|()| link.consumer.assign(&list)).map_err(|e| cannot(&e))?;
    let result = collect(link, &mut all, &cannot);
    let _ = link.consumer.unassign();
    result.map(|()| all)
}

fn collect(
    link: &Link,
    all: &mut BTreeMap<String, Kept>,
    cannot: &dyn Fn(&KafkaError) -> SinkError,
) -> Result<(), SinkError> {
    let deadline = Instant::now() + QUESTION * 3;
    loop {
        match link.consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let Some(Ok(key)) = message.key().map(std::str::from_utf8) else { continue };
                let Some(body) = message.payload() else {
                    all.remove(key);
                    continue;
                };
                let header = |name: &str| {
                    let headers = message.headers()?;
                    let found = headers.iter().find(|h| h.key == name)?;
                    std::str::from_utf8(found.value?).ok()
                };
                let note = std::str::from_utf8(body)
                    .map_err(|_| {
                        "the note of an earlier run cannot be read: it is not UTF-8".to_owned()
                    })
                    .and_then(Note::from_json);
                let kept = Kept {
                    topic: header("topic").unwrap_or_default().to_owned(),
                    note,
                    partitions: header("partitions").and_then(|t| t.parse().ok()).unwrap_or(0),
                    delete: offsets_of(header("delete").unwrap_or_default()),
                };
                all.insert(key.to_owned(), kept);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(e))
                if code_of(&e) == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
                    || Instant::now() >= deadline =>
            {
                return Err(cannot(&e));
            }
            // Such as a group that may not be used: nothing here needs it.
            Some(Err(_)) => {}
            None if Instant::now() >= deadline => {
                let slow = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                return Err(cannot(&slow));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_they_are_written() {
        let offsets = vec![(0, 17), (11, i64::MAX)];
        assert_eq!(offsets_of(&offsets_text(&offsets)), offsets);
        assert_eq!(offsets_of(""), vec![]);
    }
}
