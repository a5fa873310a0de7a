//! Topics: whether there is one, what it would do to a run's records, and making it.
//!
//! A topic can spoil a run without an error: it deletes what is old, refuses what lies in the future,
//! writes its own times. What can be known of that is told here, before the first event.

use super::connect::{Link, code_of, code_text, said};
use crate::sink::{SinkError, grouped, timestamp};
use rdkafka::admin::{ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long one question may take.
pub const QUESTION: Duration = Duration::from_secs(10);
/// What the model says of a topic that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// Number of partitions; `None`: as the cluster does by default.
    pub partitions: Option<u64>,
    /// Number of replicas; `None`: as the cluster does by default.
    pub replication: Option<u64>,
    /// Settings of the topic.
    pub config: BTreeMap<String, String>,
}

/// What a topic does with records, as far as it may be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Records older than this are deleted, milliseconds; `None`: none are, or it is not known.
    pub retention_ms: Option<i64>,
    /// Records may lie so far in the future, milliseconds.
    pub future_ms: Option<i64>,
    /// Records may be so old, milliseconds.
    pub past_ms: Option<i64>,
    /// Largest batch, bytes.
    pub max_bytes: Option<u64>,
    /// Records get the time of their arrival.
    pub own_times: bool,
    /// Only the last record of each key is kept.
    pub compacted: bool,
    /// Records can be deleted.
    pub deletes: bool,
}

impl Rules {
    fn of(config: &ConfigResource) -> Rules {
        let text = |name: &str| config.get(name).and_then(|e| e.value.as_deref());
        let number = |name: &str| text(name)?.parse::<i64>().ok();
        // Some values mean "no limit".
        let span = |name: &str| number(name).filter(|n| (0..i64::MAX).contains(n));
        let policy = text("cleanup.policy").unwrap_or("delete");
        Rules {
            retention_ms: span("retention.ms").filter(|_| policy.contains("delete")),
            future_ms: span("message.timestamp.after.max.ms"),
            past_ms: span("message.timestamp.before.max.ms"),
            max_bytes: number("max.message.bytes").and_then(|n| u64::try_from(n).ok()),
            own_times: text("message.timestamp.type") == Some("LogAppendTime"),
            compacted: policy.contains("compact"),
            deletes: policy.contains("delete"),
        }
    }
}

/// The number of a topic's partitions; `None`: there is no such topic.
///
/// # Errors
/// It may not be seen.
pub fn partitions(link: &Link, topic: &str) -> Result<Option<u32>, SinkError> {
    let cannot = |reason: String| {
        SinkError::new(format!("cannot look at topic {topic} at {}: {reason}", link.brokers))
    };
    let metadata = link
        .consumer
        .client()
        .fetch_metadata(Some(topic), QUESTION)
        .map_err(|e| cannot(said(&e)).help("check that the brokers can be reached"))?;
    let found = metadata.topics().iter().find(|t| t.name() == topic);
    let code = found.and_then(|t| t.error()).map(RDKafkaErrorCode::from);
    match code {
        None => Ok(found.map(|t| t.partitions().len() as u32).filter(|n| *n > 0)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Ok(None)
        }
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            Err(rights(cannot("the user has no right to see it".into()), &link.brokers, topic))
        }
        Some(RDKafkaErrorCode::InvalidTopic) => {
            Err(cannot("this is not a name for a topic".into())
                .help("names are letters, digits, `.`, `_` and `-`, at most 249"))
        }
        // A topic that is being made has no leader for a moment.
        Some(RDKafkaErrorCode::LeaderNotAvailable) => {
            Ok(found.map(|t| t.partitions().len().max(1) as u32))
        }
        Some(code) => Err(cannot(code_text(code)).help("run again when the cluster is well")),
    }
}

/// The rights that a run needs, as ways out of `e`.
pub fn rights(e: SinkError, brokers: &str, topic: &str) -> SinkError {
    let add =
        format!("kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:NAME");
    e.help(format!(
        "give the rights: {add} --operation Read --operation Write --operation DescribeConfigs --topic {topic} --topic \
         {}",
        super::notes::TOPIC
    ))
    .help(format!(
        "and: {add} --operation Write --operation Describe --transactional-id doge- --resource-pattern-type prefixed"
    ))
}

/// What a topic does with records; nothing is known where the user may not ask.
pub fn rules(link: &Link, topic: &str) -> Rules {
    let asked =
        link.ask(link.admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &link.options()));
    let config = asked.ok().and_then(|mut all| all.pop()?.ok());
    config.as_ref().map_or_else(Rules::default, Rules::of)
}

/// What a topic would do to a run from `span_ms.0` to `span_ms.1`, all of it. What the model itself
/// says in `create` is meant.
pub fn traps(
    link: &Link,
    topic: &str,
    rules: &Rules,
    create: Option<&Create>,
    span_ms: (i64, i64),
    waits: bool,
) -> Vec<SinkError> {
    let now = now_ms();
    let means = |name: &str, value: i64| {
        create.is_some_and(|c| c.config.get(name).is_some_and(|v| *v == value.to_string()))
    };
    let alter = |setting: &str| {
        format!(
            "change the topic: kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name \
             {topic} --add-config {setting}",
            link.brokers
        )
    };
    let mut out = Vec::new();
    if let Some(ms) = rules.retention_ms
        && span_ms.0 < now.saturating_sub(ms)
        && !means("retention.ms", ms)
    {
        out.push(
            SinkError::new(format!(
                "topic {topic} deletes records older than {} (retention.ms={ms}), and the run begins at {}: Kafka \
                 would delete them as soon as they are written",
                span(ms),
                timestamp(span_ms.0)
            ))
            .help(alter("retention.ms=-1"))
            .help(format!(
                "or say that it is meant: `create: {{ config: {{ retention.ms: \"{ms}\" }} }}`"
            )),
        );
    }
    if let Some(ms) = rules.past_ms
        && span_ms.0 < now.saturating_sub(ms)
    {
        out.push(
            SinkError::new(format!(
                "topic {topic} refuses records older than {} (message.timestamp.before.max.ms={ms}), and the run \
                 begins at {}",
                span(ms),
                timestamp(span_ms.0)
            ))
            .help(alter("message.timestamp.before.max.ms=9223372036854775807")),
        );
    }
    if let Some(ms) = rules.future_ms
        && !waits
        && span_ms.1 > now.saturating_add(ms)
    {
        out.push(
            SinkError::new(format!(
                "topic {topic} refuses records more than {} ahead of now (message.timestamp.after.max.ms={ms}), and \
                 the run ends at {}",
                span(ms),
                timestamp(span_ms.1)
            ))
            .help(alter("message.timestamp.after.max.ms=9223372036854775807"))
            .help("or let the run end earlier: `--for`, or an earlier `start`"),
        );
    }
    if rules.own_times && !create.is_some_and(|c| c.config.contains_key("message.timestamp.type")) {
        out.push(
            SinkError::new(format!(
                "topic {topic} gives records the time of their arrival (message.timestamp.type=LogAppendTime), not \
                 that of their events"
            ))
            .help(alter("message.timestamp.type=CreateTime"))
            .help("or say that it is meant: `create: { config: { message.timestamp.type: LogAppendTime } }`"),
        );
    }
    out
}

/// A span for people: `7 days`, `1 hour`, `90 s`.
fn span(ms: i64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    for (unit, name) in units {
        if ms >= unit && ms % unit == 0 {
            let n = ms / unit;
            return format!(
                "{} {name}{}",
                grouped(n.unsigned_abs()),
                if n == 1 { "" } else { "s" }
            );
        }
    }
    format!("{ms} ms")
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The topic is missing, and the model does not say that it is to be made.
pub fn missing(brokers: &str, topic: &str) -> SinkError {
    SinkError::new(format!("there is no topic {topic} at {brokers}"))
        .help("have it made: write `create: { partitions: 6 }` in `kafka`")
        .help(format!(
            "or make it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions 6 --config \
             retention.ms=-1"
        ))
}

/// Makes a topic. Where the model says nothing else, it keeps records however old they are, and takes
/// those of a run that ends in the future.
///
/// # Errors
/// The cluster refuses it.
pub fn make(
    link: &Link,
    topic: &str,
    create: &Create,
    span_ms: (i64, i64),
) -> Result<(), SinkError> {
    let fixed = |n: Option<u64>| n.and_then(|n| i32::try_from(n).ok()).unwrap_or(-1);
    let mut config: BTreeMap<&str, &str> =
        create.config.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    config.entry("retention.ms").or_insert("-1");
    if span_ms.1 > now_ms() {
        config.entry("message.timestamp.after.max.ms").or_insert("9223372036854775807");
    }
    let mut new = NewTopic::new(
        topic,
        fixed(create.partitions),
        TopicReplication::Fixed(fixed(create.replication)),
    );
    for (name, value) in &config {
        new = new.set(name, value);
    }
    let made = link.ask(link.admin.create_topics([&new], &link.options()));
    let failed = match made {
        Ok(results) => results.into_iter().find_map(Result::err).map(|(_, code)| code),
        Err(e) => Some(code_of(&e).unwrap_or(RDKafkaErrorCode::Unknown)),
    };
    let way = match failed {
        // Another shard was quicker.
        None | Some(RDKafkaErrorCode::TopicAlreadyExists) => return wait_for(link, topic),
        Some(RDKafkaErrorCode::InvalidReplicationFactor) => {
            "write `replication` in `create`: at most the number of brokers"
        }
        Some(RDKafkaErrorCode::InvalidPartitions) => {
            "write another number of `partitions` in `create`"
        }
        Some(RDKafkaErrorCode::InvalidConfig) => {
            "check `config` in `create`: names and values are those of Kafka's topic settings"
        }
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => "give the user the right to make it, or have it made by somebody who has it",
        Some(_) => "check `create`, and the cluster's rules for topics",
    };
    let code = failed.map(code_text).unwrap_or_default();
    Err(SinkError::new(format!("cannot make topic {topic} at {}: {code}", link.brokers)).help(way))
}

/// Waits until all partitions of a topic that was just made have a leader.
///
/// # Errors
/// That took too long.
pub fn wait_for(link: &Link, topic: &str) -> Result<(), SinkError> {
    let deadline = Instant::now() + QUESTION;
    loop {
        let ready = link.consumer.client().fetch_metadata(Some(topic), QUESTION).is_ok_and(|m| {
            m.topics().iter().any(|t| {
                t.name() == topic
                    && t.error().is_none()
                    && !t.partitions().is_empty()
                    && t.partitions().iter().all(|p| p.error().is_none() && p.leader() >= 0)
            })
        });
        if ready {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(SinkError::new(format!("topic {topic} was made, and has no leader yet"))
                .help("run again when the cluster is well"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first and the next offset of every partition, of all records.
///
/// # Errors
/// They cannot be read.
pub fn ends(link: &Link, topic: &str, partitions: u32) -> Result<Vec<(i32, i64, i64)>, SinkError> {
    (0..partitions as i32)
        .map(|p| match link.admin.inner().fetch_watermarks(topic, p, QUESTION) {
            Ok((low, high)) => Ok((p, low, high)),
            Err(e) => Err(cannot_read(topic, &e)),
        })
        .collect()
}

fn cannot_read(topic: &str, e: &KafkaError) -> SinkError {
    SinkError::new(format!("cannot look at the records of topic {topic}: {}", said(e))).help(
        "give the user the right to read the topic, or write `if_exists: append`, which asks for nothing",
    )
}

/// Whether a topic has a record that a reader sees: offsets alone do not tell, as transactions leave
/// marks between records.
///
/// # Errors
/// It cannot be read.
pub fn has_record(link: &Link, topic: &str, ends: &[(i32, i64, i64)]) -> Result<bool, SinkError> {
    let mut open: BTreeSet<i32> = BTreeSet::new();
    let mut list = TopicPartitionList::new();
    for (p, low, high) in ends.iter().filter(|(_, low, high)| low < high) {
        let _ = high;
        list.add_partition_offset(topic, *p, Offset::Offset(*low))
            .map_err(|e| cannot_read(topic, &e))?;
        open.insert(*p);
    }
    if open.is_empty() {
        return Ok(false);
    }
    link.consumer.assign(&list).map_err(|e| cannot_read(topic, &e))?;
    let deadline = Instant::now() + QUESTION;
    let found = loop {
        match link.consumer.poll(Duration::from_millis(200)) {
            Some(Ok(_)) => break Ok(true),
            Some(Err(KafkaError::PartitionEOF(p))) => {
                open.remove(&p);
                if open.is_empty() {
                    break Ok(false);
                }
            }
            Some(Err(e)) if code_of(&e) == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                break Err(cannot_read(topic, &e));
            }
            // Something is there that takes long to read.
            Some(Err(_)) | None => {
                if Instant::now() >= deadline {
                    break Ok(true);
                }
            }
        }
    };
    let _ = link.consumer.unassign();
    found
}

/// Deletes the records below the given offsets.
///
/// # Errors
/// They stay, or some of them.
pub fn delete_below(link: &Link, topic: &str, offsets: &[(i32, i64)]) -> Result<(), SinkError> {
    let cannot = |e: &KafkaError| {
        SinkError::new(format!("cannot delete the old records of topic {topic}: {}", said(e)))
            .help("give the user the right to delete records, or write `if_exists: append`")
    };
    let mut list = TopicPartitionList::new();
    for (p, offset) in offsets {
        list.add_partition_offset(topic, *p, Offset::Offset(*offset)).map_err(|e| cannot(&e))?;
    }
    let done =
        link.ask(link.admin.delete_records(&list, &link.options())).map_err(|e| cannot(&e))?;
    for element in done.elements() {
        match element.error() {
            Ok(()) => {}
            // They are gone already.
            Err(e) if code_of(&e) == Some(RDKafkaErrorCode::OffsetOutOfRange) => {}
            Err(e) => return Err(cannot(&e)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let texts = [604_800_000, 3_600_000, 90_000, 1_500].map(span);
        assert_eq!(texts, ["7 days", "1 hour", "90 seconds", "1500 ms"]);
    }
}
