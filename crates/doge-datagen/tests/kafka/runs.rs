//! Whole runs from a model, and everything that can be wrong before the first event.

use super::server::*;
use doge_datagen::run::run;
use doge_datagen::spec::{ModelText, RunSpec};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A model with two events whose keys, times and headers are all their own.
fn model(start: &str, ticks: u64, kafka: &str) -> String {
    format!(
        "seed: 7
clock: {{ start: {start}, tick: 1m, ticks: {ticks} }}
subjects:
  user:
    count: 40
    attributes: {{ name: \"'user-' + string(id)\" }}
    states:
      a:
        transitions:
          click: {{ probability: 20%, emit: [click, seen] }}
events:
  click:
    key: name
    timestamp: timestamp - duration('90s')
    headers: {{ source: \"'web'\", n: string(seq), none: \"seq % 2 == 0 ? 'even' : null\" }}
    fields: {{ id: id, at: timestamp, n: seq }}
  seen:
    key: \"seq % 3 == 0 ? null : string(id)\"
    fields: {{ id: id, n: seq }}
sinks:
  out:
    kafka:
{}
",
        kafka.lines().map(|l| format!("      {l}")).collect::<Vec<_>>().join("\n")
    )
}

fn spec(text: String) -> RunSpec {
    RunSpec { model: ModelText { name: "m.yaml".into(), text }, ..RunSpec::default() }
}

/// A run with these keys; its error with all its help.
fn fails(text: String) -> String {
    match run(&spec(text)) {
        Ok(_) => panic!("it went well"),
        Err(e) => e.render(false),
    }
}

const PAST: &str = "2022-02-11T00:00:00Z";

fn with(brokers: &str, topic: &str, more: &str) -> String {
    format!("brokers: \"{brokers}\"\ntopic: \"{topic}\"\n{more}")
}

const CREATE: &str = "create: { partitions: 4, replication: 1 }";

#[test]
fn keys_times_headers_and_partitions_are_the_models() {
    let Some(server) = server() else { return };
    let name = server.name();
    let topic = &name.name;
    let report = run(&spec(model(PAST, 60, &with(&server.brokers, topic, CREATE))))
        .unwrap_or_else(|e| panic!("{}", e.render(false)));
    let all = server.read(topic).expect("the topic was made");
    assert_eq!(all.len() as u64, report.outputs[0].events);
    assert!(all.len() > 500, "{}", all.len());
    let mut places: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let mut last: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let (mut clicks, mut keyless) = (0, 0);
    for m in &all {
        let value: serde_json::Value = serde_json::from_str(m["value"].as_str().unwrap()).unwrap();
        let (id, n) = (value["id"].as_u64().unwrap(), value["n"].as_u64().unwrap());
        let event = m["headers"][0][1].as_str().unwrap().to_owned();
        assert_eq!(m["headers"][0][0], "event");
        // Written by the model, not by the broker.
        assert_eq!(m["kind"], 1, "{m}");
        if event == "click" {
            clicks += 1;
            assert_eq!(m["key"], format!("user-{id}"));
            assert_eq!(m["partition"], m["java"]);
            let even = if n % 2 == 0 { serde_json::json!("even") } else { serde_json::Value::Null };
            let own = serde_json::json!([
                ["event", "click"],
                ["source", "web"],
                ["n", n.to_string()],
                ["none", even]
            ]);
            assert_eq!(m["headers"], own);
            let at: i64 = instant(value["at"].as_str().unwrap());
            assert_eq!(m["time"].as_i64(), Some(at - 90_000));
        } else {
            match m["key"].as_str() {
                Some(key) => assert_eq!(key, id.to_string()),
                None => keyless += 1,
            }
            assert_eq!(m["headers"], serde_json::json!([["event", "seen"]]));
        }
        // One subject stays in one partition, with and without a key, and its events are in order there.
        let p = m["partition"].as_u64().unwrap();
        assert_eq!(*places.entry((event.clone(), id)).or_insert(p), p, "{m}");
        assert!(last.insert((event, id), n).is_none_or(|before| before < n), "{m}");
    }
    assert!(clicks > 250 && keyless > 50, "{clicks} {keyless}");
    let used: std::collections::BTreeSet<u64> = places.values().copied().collect();
    assert_eq!(used.len(), 4, "all partitions are used");
}

/// Milliseconds of `2022-02-11T00:01:00.000Z`, within this day.
fn instant(text: &str) -> i64 {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    assert!(text.starts_with("2022-02-11T"));
    1_644_537_600_000 + ((number(11, 13) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1000
}

#[test]
fn a_topic_for_each_event_and_resuming_a_run_that_is_complete() {
    let Some(server) = server() else { return };
    let name = server.name();
    let topic = format!("{}.{{event}}", name.name);
    let text = model(PAST, 60, &with(&server.brokers, &topic, CREATE));
    let report = run(&spec(text.clone())).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let events = |e: &str| server.read(&format!("{}.{e}", name.name)).expect("the topic was made");
    assert_eq!(events("click").len() as u64, report.outputs[0].events);
    assert_eq!(events("seen").len() as u64, report.outputs[1].events);
    let mut again = spec(text.clone());
    again.resume = true;
    let report = run(&again).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert!(report.complete);
    // A longer run is the same stream, and goes on.
    let mut longer = spec(text.replace("ticks: 60", "ticks: 90"));
    longer.resume = true;
    run(&longer).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let other = server.name();
    let whole = text.replace(&name.name, &other.name).replace("ticks: 60", "ticks: 90");
    run(&spec(whole)).unwrap_or_else(|e| panic!("{}", e.render(false)));
    for event in ["click", "seen"] {
        let want = server.read(&format!("{}.{event}", other.name)).unwrap();
        assert_eq!(events(event), want, "{event}: as an undisturbed run");
    }
}

#[test]
#[cfg(all(feature = "avro", feature = "registry"))]
fn avro_with_a_registry() {
    let Some(server) = server() else { return };
    let Some(url) = variable("DOGE_TEST_REGISTRY") else { return };
    let name = server.name();
    let registry = format!("format: avro\nregistry: {{ url: \"{url}\" }}\n{CREATE}");
    let topic = format!("{}.{{event}}", name.name);
    let text = model(PAST, 30, &with(&server.brokers, &topic, &registry));
    let report = run(&spec(text)).unwrap_or_else(|e| panic!("{}", e.render(false)));
    for (event, output) in ["click", "seen"].iter().zip(&report.outputs) {
        let read = server.ask(&["avro", &format!("{}.{event}", name.name), &url]);
        let all: Vec<serde_json::Value> = serde_json::from_str(&read).unwrap();
        assert_eq!(all.len() as u64, output.events);
        assert!(all.iter().all(|v| v["id"].is_u64() && v["n"].as_u64() >= Some(1)), "{all:?}");
    }
    // A registry that is away is told before the first event.
    let other = server.name();
    let away = format!("format: avro\nregistry: {{ url: \"http://127.0.0.1:1\" }}\n{CREATE}");
    let text = fails(model(PAST, 30, &with(&server.brokers, &other.name, &away)));
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert!(server.read(&other.name).is_none(), "nothing was made");
}

#[test]
fn shards_share_a_topic() {
    let Some(server) = server() else { return };
    let (one, parts) = (server.name(), server.name());
    let text = |topic: &str| {
        model(PAST, 30, &with(&server.brokers, topic, CREATE)).replace("count: 40", "count: 400")
    };
    run(&spec(text(&one.name))).unwrap_or_else(|e| panic!("{}", e.render(false)));
    for k in 1..=3 {
        let mut shard = spec(text(&parts.name));
        shard.shard = Some((k, 3));
        run(&shard).unwrap_or_else(|e| panic!("{}", e.render(false)));
    }
    let sorted = |topic: &str| {
        let all = server.read(topic).unwrap();
        let mut all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(sorted(&parts.name), sorted(&one.name));
    let mut again = spec(text(&parts.name));
    again.shard = Some((2, 3));
    let error = run(&again).err().map(|e| e.render(false)).unwrap_or_default();
    assert!(error.contains("has records already"), "{error}");
}

#[test]
fn every_way_to_sign_in() {
    let Some(server) = server() else { return };
    let var = |name: &str| {
        variable(&format!("DOGE_TEST_KAFKA{name}")).unwrap_or_else(|| panic!("no {name}"))
    };
    let (user, password, ca) = (var("_USER"), var("_PASSWORD"), var("_CA"));
    let other_ca = variable("DOGE_TEST_OTHER_CA").expect("another authority");
    let name = server.name();
    let topic = |n: usize| format!("{}.{n}", name.name);
    let tls = |ca: &str| format!("tls: {{ ca: \"{ca}\" }}");
    let sasl = |mechanism: &str, password: &str| {
        format!("sasl: {{ mechanism: {mechanism}, user: {user}, password: {password} }}")
    };
    let good = [
        (var("_SASL"), sasl("PLAIN", &password)),
        (var("_SASL"), sasl("SCRAM-SHA-256", &password)),
        (var("_SASL"), sasl("SCRAM-SHA-512", &password)),
        (var("_TLS"), tls(&ca)),
        (var("_SASL_TLS"), format!("{}\n{}", tls(&ca), sasl("SCRAM-SHA-512", &password))),
    ];
    for (n, (brokers, keys)) in good.into_iter().enumerate() {
        let text = model(PAST, 5, &with(&brokers, &topic(n), &format!("{CREATE}\n{keys}")));
        run(&spec(text)).unwrap_or_else(|e| panic!("{keys}: {}", e.render(false)));
        assert!(!server.read(&topic(n)).unwrap().is_empty());
    }
    let bad = [
        (var("_SASL"), sasl("PLAIN", "wrong-1"), "SASL authentication error", "check `sasl`"),
        (
            var("_SASL"),
            sasl("SCRAM-SHA-512", "wrong-1"),
            "SASL authentication error",
            "check `sasl`",
        ),
        (var("_TLS"), tls(&other_ca), "certificate verify failed", "tls: { ca: FILE }"),
        (var("_TLS"), "tls: {}".into(), "certificate verify failed", "tls: { ca: FILE }"),
        (
            var("_TLS"),
            tls("no/such.pem"),
            "cannot read no/such.pem: no such file",
            "check the files in `tls`",
        ),
        (
            var("_SASL_TLS"),
            format!("{}\n{}", tls(&ca), sasl("PLAIN", "wrong-1")),
            "SASL authentication",
            "check `sasl`",
        ),
    ];
    for (brokers, keys, message, help) in bad {
        let begun = Instant::now();
        let text = fails(model(PAST, 5, &with(&brokers, &topic(99), &format!("{CREATE}\n{keys}"))));
        assert!(text.contains(message) && text.contains(help), "{keys}: {text}");
        assert!(
            !text.contains(&password) && !text.contains("wrong-1"),
            "a password is told: {text}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "{keys}: no use in waiting");
    }
    let limited = variable("DOGE_TEST_KAFKA_LIMITED_USER").expect("a user without rights");
    let keys = format!("sasl: {{ user: {limited}, password: {password} }}\n{CREATE}");
    let text = fails(model(PAST, 5, &with(&var("_SASL"), &topic(99), &keys)));
    assert!(text.contains("no right to see it") && text.contains("kafka-acls.sh"), "{text}");
    assert!(server.read(&topic(99)).is_none());
}

#[test]
fn a_broker_that_does_not_answer() {
    let Some(_) = server() else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let brokers = format!("127.0.0.1:{port}");
    let text = fails(model(PAST, 5, &with(&brokers, "t.{event}", CREATE)));
    assert!(text.contains(&format!("cannot reach Kafka at {brokers}: Connect to")), "{text}");
    assert!(text.contains("Connection refused") && text.contains("check `brokers`"), "{text}");
    assert_eq!(text.matches("cannot reach").count(), 1, "told once for both topics: {text}");
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}", begun.elapsed());
}

#[test]
fn a_topic_that_is_missing() {
    let Some(server) = server() else { return };
    let name = server.name();
    let topic = format!("{}.{{event}}", name.name);
    let text = fails(model(PAST, 5, &with(&server.brokers, &topic, "")));
    for event in ["click", "seen"] {
        assert!(
            text.contains(&format!("there is no topic {}.{event} at", name.name)),
            "all at once: {text}"
        );
    }
    assert!(
        text.contains("create: { partitions: 6 }") && text.contains("kafka-topics.sh"),
        "{text}"
    );
    assert!(server.read(&format!("{}.click", name.name)).is_none(), "looking does not make it");
    let many = "create: { partitions: 1, replication: 3 }";
    let text = fails(model(PAST, 5, &with(&server.brokers, &topic, many)));
    assert!(text.contains("cannot make topic") && text.contains("`replication`"), "{text}");
    let wrong = "create: { config: { retention: \"5\" } }";
    let text = fails(model(PAST, 5, &with(&server.brokers, &topic, wrong)));
    assert!(text.contains("check `config` in `create`"), "{text}");
}

#[test]
fn traps_are_told_before_the_first_event() {
    let Some(server) = server() else { return };
    let name = server.name();
    let topic = &name.name;
    server.ask(&[
        "make",
        topic,
        "2",
        "retention.ms=604800000",
        "message.timestamp.type=LogAppendTime",
    ]);
    let keys = with(&server.brokers, topic, "");
    let text = fails(model(PAST, 5, &keys));
    assert!(text.contains("deletes records older than 7 days (retention.ms=604800000)"), "{text}");
    assert!(text.contains("retention.ms=-1"), "{text}");
    assert!(text.contains("LogAppendTime"), "both at once: {text}");
    assert_eq!(server.read(topic), Some(Vec::new()));
    // What the model itself says is meant.
    let meant = "create: { config: { retention.ms: \"604800000\", message.timestamp.type: LogAppendTime } }";
    run(&spec(model(PAST, 5, &with(&server.brokers, topic, meant))))
        .unwrap_or_else(|e| panic!("{}", e.render(false)));

    let future = format!("{topic}.future");
    server.ask(&[
        "make",
        &future,
        "2",
        "retention.ms=-1",
        "message.timestamp.after.max.ms=3600000",
    ]);
    let text = fails(model("2999-01-01T00:00:00Z", 5, &with(&server.brokers, &future, "")));
    assert!(
        text.contains("more than 1 hour ahead of now (message.timestamp.after.max.ms=3600000)"),
        "{text}"
    );
    // One that is made takes it.
    let made = format!("{topic}.made");
    run(&spec(model("2999-01-01T00:00:00Z", 5, &with(&server.brokers, &made, CREATE))))
        .unwrap_or_else(|e| panic!("{}", e.render(false)));

    let compacted = format!("{topic}.compacted");
    server.ask(&["make", &compacted, "1", "retention.ms=-1", "cleanup.policy=compact"]);
    let text = model(PAST, 5, &with(&server.brokers, &compacted, ""))
        .replace("null : string(id)", "'-' : string(id)");
    run(&spec(text.clone())).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let mut again = spec(text);
    again.if_exists = Some(doge_datagen::sink::IfExists::Replace);
    let text = run(&again).err().map(|e| e.render(false)).unwrap_or_default();
    assert!(text.contains("is compacted"), "{text}");
}

#[test]
fn the_year_1970() {
    let Some(server) = server() else { return };
    let name = server.name();
    let text =
        fails(model("1969-12-31T23:00:00Z", 200, &with(&server.brokers, &name.name, CREATE)));
    assert!(text.contains("the run begins at 1969-12-31T23:00:00.000Z"), "{text}");
    assert!(text.contains("begin later (`start`)"), "{text}");
    // A time of its own is found when it comes: 90 s before the first minutes.
    let text = model(
        "1970-01-01T00:00:00.001Z",
        5,
        &with(&server.brokers, &format!("{}.own", name.name), CREATE),
    );
    let text = fails(text);
    assert!(text.contains("event click has the time 19"), "{text}");
}

#[test]
fn properties_that_are_wrong() {
    let keys = |config: &str| with("h:9092", "t.{event}", &format!("config: {{ {config} }}"));
    for (config, message) in [
        ("linger.msec: \"5\"", "did you mean `linger.ms`?"),
        ("linger.ms: \"soon\"", "Invalid value"),
        ("group.id: \"g\"", "`config` may not set group.id"),
        ("sasl.password: \"hidden-one\"", "write `sasl: { password: ... }`"),
    ] {
        let text = fails(model(PAST, 5, &keys(config)));
        assert!(text.contains(message), "{config}: {text}");
        assert_eq!(text.matches("error[").count(), 1, "told once: {text}");
        assert!(!text.contains("hidden-one"), "{text}");
    }
    let long = model(PAST, 5, &with("h:9092", "t", "")) + "    commit: { every: 1h }\n";
    let text = fails(long);
    assert!(
        text.contains("longer than a broker lets a transaction last") && text.contains("13m"),
        "{text}"
    );
    let text = fails(model(PAST, 5, &with("h:9092", "a topic", "")));
    assert!(text.contains("has ` ` in it"), "{text}");
}
