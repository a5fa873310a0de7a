//! `kafka`: messages in topics of a Kafka cluster.
//!
//! Every output (topic) has a producer of its own, with a transactional id of its own, so that outputs
//! commit when they like and no lock stands between their threads; outputs of one cluster share one
//! connection for looking at topics and for reading notes (`connect`). A transactional id is made of the
//! topic and the stream (which holds the shard): a second run of the same stream to the same topic takes
//! over, and the first one ends with an error that says so.
//!
//! - `config`: keys to properties of librdkafka
//! - `connect`: the cluster, and why it cannot be reached
//! - `topics`: looking at topics, making them, their traps
//! - `notes`: how far a stream is
//! - `topic`: the sink
//! - `send`: a producer with its transaction
//! - `partition`: which partition a key goes to
//!
//! Not here: what messages look like (formats), schemas and their registry.

mod config;
mod connect;
mod notes;
mod partition;
mod send;
mod topic;
mod topics;

use super::{Context, Identity, Key, KeyValue, Made, Make, Settings, SinkKind, Takes};
use crate::format::{KeyFormat, MessageSpec, ValueFormat};
#[cfg(feature = "registry")]
use crate::registry::{RegistryConfig, SubjectNaming};
use connect::Cluster;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use topic::{Plan, Topic};
use topics::Create;

/// `kafka`
pub static KIND: SinkKind = SinkKind {
    name: "kafka",
    summary: "messages in topics of a Kafka cluster",
    keys: &[
        Key::required("brokers", KeyValue::Template)
            .doc("Addresses of some brokers, `HOST:PORT`, with commas between them."),
        Key::required("topic", KeyValue::Template).doc(
            "The topic. `{event}` in it gives one topic for each event; one topic may take several events of one sink.",
        ),
        Key::optional("format", KeyValue::Choice(&["json", "avro", "protobuf"]))
            .doc("What values are (`json`)."),
        Key::optional("key_format", KeyValue::Choice(&["string", "json", "avro"]))
            .doc("What keys are (`string`: the key's text)."),
        Key::optional("registry", KeyValue::Group(REGISTRY)).doc(
            "A schema registry; messages then begin with the number of their schema, as Confluent's serialisers write \
             it (none).",
        ),
        Key::optional("create", KeyValue::Group(CREATE)).doc(
            "Makes the topic where it is missing; one that is there is used as it is (absent: the topic must exist). \
             A topic that is made keeps records however old they are, unless `config` says otherwise.",
        ),
        Key::optional("tls", KeyValue::Group(TLS))
            .doc("The brokers are spoken to over TLS; `tls: {}` trusts the system's authorities (no TLS)."),
        Key::optional("sasl", KeyValue::Group(SASL)).doc("Who the brokers are told we are (nobody)."),
        Key::optional("transactions", KeyValue::Bool).doc(
            "Whether messages are sent in transactions, each event exactly once for `read_committed` readers; without \
             them a run that is killed and resumed may send some twice (`true`).",
        ),
        Key::optional("config", KeyValue::Map).doc(
            "Properties of librdkafka, for instance `linger.ms`, `compression.type` (its defaults, but for those that \
             other keys and transactions need).",
        ),
    ],
    takes: Takes::Messages,
    keeps: true,
    resumable: true,
    make: Make::Now(make),
};

const REGISTRY: &[Key] = &[
    Key::required("url", KeyValue::Template).doc("Its address."),
    Key::optional("user", KeyValue::Template).doc("The user of basic authentication (none)."),
    Key::optional("password", KeyValue::Template).doc("The user's password (none)."),
    Key::optional("ca", KeyValue::Template).doc(
        "A PEM file with the authority that signed its certificate (those that are built in).",
    ),
    Key::optional("register", KeyValue::Bool).doc(
        "Whether schemas that it does not know are registered (`true`); else they must be there.",
    ),
    Key::optional("subject", KeyValue::Choice(&["topic", "record", "topic_record"]))
        .doc("What schemas are filed under (`topic`: `TOPIC-value`, `TOPIC-key`)."),
];

const CREATE: &[Key] = &[
    Key::optional("partitions", KeyValue::Count).doc("Number of partitions (the cluster's default)."),
    Key::optional("replication", KeyValue::Count)
        .doc("Number of replicas, also of the topic of notes (the cluster's default)."),
    Key::optional("config", KeyValue::Map).doc(
        "Settings of the topic; `retention.ms` is `-1`, and `message.timestamp.after.max.ms` without limit for a run \
         that ends in the future, where they are not given.",
    ),
];

const TLS: &[Key] = &[
    Key::optional("ca", KeyValue::Template)
        .doc("A PEM file with the authority that signed the brokers' certificates (the system's)."),
    Key::optional("certificate", KeyValue::Template).doc("A PEM file with our certificate (none)."),
    Key::optional("key", KeyValue::Template).doc("A PEM file with our certificate's key (none)."),
];

const SASL: &[Key] = &[
    Key::optional("mechanism", KeyValue::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]))
        .doc("How we prove it (`PLAIN`)."),
    Key::required("user", KeyValue::Template).doc("The user."),
    Key::required("password", KeyValue::Template)
        .doc("The user's password; take it from the environment: `${NAME}`."),
];

/// Memory for messages that are not delivered yet, of all outputs of a cluster, in KiB.
const QUEUE_KIB: usize = 64 << 10;
/// The same for the messages of open transactions, bytes: they are sent again where Kafka gives a
/// transaction up.
const KEPT_BYTES: usize = 96 << 20;
/// How long Kafka is waited for before a run gives up.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest that a broker lets a transaction last by default.
const LONGEST: Duration = Duration::from_secs(900);

/// What the outputs of one cluster share.
struct Shared {
    cluster: Mutex<Cluster>,
    /// All of them, with what their producers are made from.
    plans: Mutex<Vec<Arc<Plan>>>,
}

fn make(settings: &Settings, context: &mut Context<'_>) -> Result<Made, String> {
    let topic = settings.text("topic").to_owned();
    check_name(&topic)?;
    let brokers = settings.text("brokers");
    if brokers.split(',').any(|b| b.trim().is_empty()) {
        return Err("an address in `brokers` is empty\nwrite `HOST:PORT, HOST:PORT`".into());
    }
    let client = config::client(settings)?;
    let transactions = settings.flag("transactions", true);
    let every = context.commit.every;
    if transactions && every + LIMIT > LONGEST {
        return Err(format!(
            "`commit.every` is longer than a broker lets a transaction last\nwrite at most `{}m`",
            (LONGEST - LIMIT).as_secs() / 60
        ));
    }
    let value = match settings.get("format") {
        Some("avro") => ValueFormat::Avro,
        Some("protobuf") => ValueFormat::Protobuf,
        _ => ValueFormat::Json,
    };
    let keys = match settings.get("key_format") {
        Some("json") => KeyFormat::Json,
        Some("avro") => KeyFormat::Avro,
        _ => KeyFormat::String,
    };
    let messages = MessageSpec::new(value, keys, "", context.events, context.folder)
        .map_err(|all| format!("{}\nchange the schema or the event's fields", all.join("; ")))?;
    #[cfg(not(feature = "registry"))]
    if settings.has_group("registry") {
        return Err("this build has no registry\nbuild with `--features registry`".into());
    }
    #[cfg(feature = "registry")]
    let registry = settings.has_group("registry").then(|| {
        let config = RegistryConfig {
            url: settings.text("registry.url").to_owned(),
            user: settings.get("registry.user").map(str::to_owned),
            password: settings.get("registry.password").map(str::to_owned),
            ca: settings.get("registry.ca").map(Into::into),
            register: settings.flag("registry.register", true),
            patience: None,
        };
        (config, SubjectNaming::of_word(settings.text("registry.subject")))
    });
    let mut names: Vec<&str> = brokers.split(',').map(str::trim).collect();
    names.sort_unstable();
    // One connection for what is reached in one way.
    let mut way: Vec<String> =
        client.config_map().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    way.sort();
    let shared = context
        .shared
        .entry(format!("kafka:{}", way.join("\n")))
        .or_insert_with(|| {
            Arc::new(Shared {
                cluster: Mutex::new(Cluster::new(brokers, client.clone())),
                plans: Mutex::default(),
            })
        })
        .clone()
        .downcast::<Shared>()
        .map_err(|_| "the cluster is in use by another kind of destination".to_owned())?;
    let create = settings.has_group("create").then(|| Create {
        partitions: settings.number("create.partitions"),
        replication: settings.number("create.replication"),
        config: settings.map("create.config").map(|(k, v)| (k.into(), v.into())).collect(),
    });
    let compresses = ["compression.type", "compression.codec"]
        .iter()
        .any(|name| client.get(name).is_some_and(|codec| codec != "none"));
    let identity = Identity::Named(format!("kafka:{}:{topic}", names.join(",")));
    let place = format!("topic {topic} at {brokers}");
    let plan = Arc::new(Plan {
        topic,
        place: place.clone(),
        client,
        transactions,
        timeout: every + LIMIT,
        create,
        compresses,
        if_exists: context.if_exists,
        events: context
            .events
            .iter()
            .map(|(i, e)| (*i, e.name.clone(), e.headers.iter().map(|h| h.0.clone()).collect()))
            .collect(),
        form: format!("{}, keys {}", value.name(), keys.name()),
        messages,
        #[cfg(feature = "registry")]
        registry,
    });
    connect::lock(&shared.plans).push(plan.clone());
    Ok(Made { sink: Box::new(Topic::new(shared, plan)), place, identity })
}

fn check_name(topic: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(bad) = topic.chars().find(|c| !good(*c)) {
        return Err(format!(
            "the topic's name {topic} has `{bad}` in it\nnames are letters, digits, `.`, `_` and `-`"
        ));
    }
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." {
        return Err(format!(
            "the topic's name `{topic}` is not one\nnames have 1 to 249 letters, digits, `.`, `_` and `-`"
        ));
    }
    if topic == notes::TOPIC {
        return Err(format!("{topic} is the topic of notes\nwrite another name"));
    }
    Ok(())
}
