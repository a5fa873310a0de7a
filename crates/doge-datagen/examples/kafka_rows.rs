//! Messages a second into a topic: a run against a loop that sends the same messages and does nothing
//! else, with the same settings and transactions of the same size.
//!
//! The loop's messages are those that the run has sent, read back into memory first. Both take turns,
//! into new topics; the medians are compared. The broker takes part of the machine in both.
//!
//! ```text
//! eval "$(cargo xtask services env)"
//! cargo run --release -p doge-datagen --features kafka --example kafka_rows -- [events] [rounds]
//! ```

use doge_datagen::run::run;
use doge_datagen::spec::{ModelText, RunSpec};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Messages of one transaction: the default of `commit`.
const COMMIT: usize = 100_000;
const PARTITIONS: i32 = 4;

struct Sent {
    key: Vec<u8>,
    value: Vec<u8>,
    time_ms: i64,
    partition: i32,
}

fn model(brokers: &str, topic: &str, ticks: u64) -> RunSpec {
    let text = format!(
        "clock: {{ start: 2022-02-11T00:00:00Z, tick: 1s, ticks: {ticks} }}
subjects:
  user:
    count: 10000
    attributes: {{ balance: 'uniform(0, 999)' }}
    states:
      a: {{ transitions: {{ pay: {{ probability: 10%, set: {{ balance: balance + 1 }}, emit: trx }} }} }}
events:
  trx:
    key: string(id)
    fields: {{ user_id: string(id), event: trigger, amount: balance, at: timestamp, n: seq }}
sinks:
  out:
    kafka:
      brokers: {brokers}
      topic: {topic}
      create: {{ partitions: {PARTITIONS}, replication: 1 }}
"
    );
    RunSpec { model: ModelText { name: "m.yaml".into(), text }, ..RunSpec::default() }
}

fn whole(brokers: &str, topic: &str, ticks: u64) -> (u64, f64) {
    let begun = Instant::now();
    match run(&model(brokers, topic, ticks)) {
        Ok(report) => {
            (report.outputs.iter().map(|o| o.events).sum(), begun.elapsed().as_secs_f64())
        }
        Err(e) => {
            eprintln!("{}", e.render(false));
            std::process::exit(1)
        }
    }
}

/// The messages of a topic, in an order that keeps that of each partition.
fn read(brokers: &str, topic: &str, many: u64) -> Result<Vec<Sent>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "kafka_rows")
        .create()?;
    let mut list = TopicPartitionList::new();
    for p in 0..PARTITIONS {
        list.add_partition_offset(topic, p, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut out = Vec::new();
    while (out.len() as u64) < many {
        let Some(message) = consumer.poll(Duration::from_secs(20)) else { break };
        let message = message?;
        out.push(Sent {
            key: message.key().unwrap_or_default().to_vec(),
            value: message.payload().unwrap_or_default().to_vec(),
            time_ms: message.timestamp().to_millis().unwrap_or(0),
            partition: message.partition(),
        });
    }
    Ok(out)
}

/// The loop, with nothing in it but what is needed.
fn bare(brokers: &str, topic: &str, messages: &[Sent]) -> Result<f64, KafkaError> {
    let begun = Instant::now();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", topic)
        .set("delivery.report.only.error", "true")
        .set("queue.buffering.max.kbytes", "65536")
        .set("queue.buffering.max.messages", "1000000")
        .create()?;
    producer.init_transactions(Duration::from_secs(20))?;
    let headers = OwnedHeaders::new().insert(Header { key: "event", value: Some("trx") });
    for part in messages.chunks(COMMIT) {
        producer.begin_transaction()?;
        for m in part {
            let mut record = BaseRecord::to(topic)
                .key(&m.key)
                .payload(&m.value)
                .partition(m.partition)
                .timestamp(m.time_ms)
                .headers(headers.clone());
            while let Err((e, again)) = producer.send(record) {
                if e.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(e);
                }
                record = again;
                std::thread::sleep(Duration::from_micros(500));
                producer.poll(Duration::ZERO);
            }
        }
        while producer.in_flight_count() > 0 {
            std::thread::sleep(Duration::from_micros(500));
            producer.poll(Duration::ZERO);
        }
        producer.commit_transaction(Duration::from_secs(60))?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() -> Result<(), KafkaError> {
    let mut args = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (events, rounds) = (args.next().unwrap_or(1_000_000), args.next().unwrap_or(5));
    let Ok(brokers) = std::env::var("DOGE_TEST_KAFKA") else {
        eprintln!(
            "no Kafka: `cargo xtask services up kafka`, then `eval \"$(cargo xtask services env)\"`"
        );
        std::process::exit(1)
    };
    let name = |what: &str, n: u64| format!("rows-{}-{what}-{n}", std::process::id());
    // The first one makes the topic of notes, too, and is not counted.
    let first = name("first", 0);
    let ticks = events / 1000;
    let (many, _) = whole(&brokers, &first, ticks);
    let messages = read(&brokers, &first, many)?;
    let size: usize = messages.iter().map(|m| m.key.len() + m.value.len()).sum();
    println!("{many} messages of {} bytes, transactions of {COMMIT}", size / messages.len().max(1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for n in 0..rounds {
        // The loop's topic is made by a run without ticks, as the other one is.
        let topic = name("bare", n);
        whole(&brokers, &topic, 1);
        theirs.push(messages.len() as f64 / bare(&brokers, &topic, &messages)?);
        let (many, seconds) = whole(&brokers, &name("run", n), ticks);
        ours.push(many as f64 / seconds);
        println!("loop {:9.0} messages/s, run {:9.0}", theirs[n as usize], ours[n as usize]);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("median: loop {theirs:.0}, run {ours:.0} messages/s: {:.2}", ours / theirs);
    Ok(())
}
