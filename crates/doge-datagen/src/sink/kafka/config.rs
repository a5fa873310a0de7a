//! From the keys of a `kafka` destination to properties of librdkafka.
//!
//! Nothing is opened here: what a property means is asked of librdkafka itself, so that a wrong one is
//! told before anything else happens.

use crate::sink::Settings;
use doge_core::diag::nearest;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

/// Properties that the sink needs for itself, and what to write instead.
const OURS: [(&str, &str); 14] = [
    ("bootstrap.servers", "write the addresses in `brokers`"),
    ("metadata.broker.list", "write the addresses in `brokers`"),
    ("transactional.id", "it follows from the topic and the stream, so that a run can be resumed"),
    ("transaction.timeout.ms", "it follows from `commit`"),
    ("sasl.username", "write `sasl: { user: ... }`"),
    ("sasl.password", "write `sasl: { password: ... }`"),
    ("sasl.mechanism", "write `sasl: { mechanism: ... }`"),
    ("sasl.mechanisms", "write `sasl: { mechanism: ... }`"),
    ("group.id", "it is for consumers"),
    ("isolation.level", "it is for consumers"),
    ("enable.partition.eof", "it is for consumers"),
    ("partitioner", "messages go where a Java producer would put their keys"),
    ("delivery.report.only.error", "the sink needs it to be `true`"),
    ("acks", "every message is acknowledged by all replicas"),
];

/// What Java's clients call properties that librdkafka names otherwise.
const JAVA: [(&str, &str); 6] = [
    ("buffer.memory", "queue.buffering.max.kbytes"),
    ("max.request.size", "message.max.bytes"),
    ("delivery.timeout.ms", "delivery.timeout.ms"),
    ("ssl.truststore.location", "ssl.ca.location"),
    ("ssl.keystore.location", "ssl.keystore.location"),
    ("max.block.ms", "message.timeout.ms"),
];

/// Properties that people set, to find the one that was meant.
const COMMON: [&str; 24] = [
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "enable.idempotence",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.timeout.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "request.timeout.ms",
    "retry.backoff.ms",
    "security.protocol",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "ssl.endpoint.identification.algorithm",
];

/// What is common to all clients of one destination.
///
/// # Errors
/// A property that is not known, is ours, or has a value that librdkafka refuses: a sentence, and the
/// way out behind a line break.
pub fn client(settings: &Settings) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", settings.text("brokers"));
    config.set("client.id", "doge");
    // A look at a topic must not make it.
    config.set("allow.auto.create.topics", "false");
    let (tls, sasl) = (settings.has_group("tls"), settings.has_group("sasl"));
    let protocol = match (tls, sasl) {
        (false, false) => None,
        (true, false) => Some("ssl"),
        (false, true) => Some("sasl_plaintext"),
        (true, true) => Some("sasl_ssl"),
    };
    if let Some(protocol) = protocol {
        config.set("security.protocol", protocol);
    }
    if tls {
        // Without one the certificates of the system are looked for, wherever it keeps them.
        config.set("ssl.ca.location", settings.get("tls.ca").unwrap_or("probe"));
        let pair = [("certificate", "ssl.certificate.location"), ("key", "ssl.key.location")];
        for (key, property) in pair {
            if let Some(path) = settings.get(&format!("tls.{key}")) {
                config.set(property, path);
            }
        }
    }
    if sasl {
        config.set("sasl.mechanism", settings.get("sasl.mechanism").unwrap_or("PLAIN"));
        config.set("sasl.username", settings.text("sasl.user"));
        config.set("sasl.password", settings.text("sasl.password"));
    }
    for (name, value) in settings.map("config") {
        if let Some((_, instead)) = OURS.iter().find(|(ours, _)| *ours == name) {
            return Err(format!("`config` may not set {name}\n{instead}"));
        }
        config.set(name, value);
    }
    config.create_native_config().map_err(|e| refused(&e))?;
    Ok(config)
}

/// Adds what a producer needs. What the model's `config` says stays.
pub fn producer(
    base: &ClientConfig,
    defaults: &[(&str, String)],
    fixed: &[(&str, String)],
) -> ClientConfig {
    let mut config = base.clone();
    for (name, value) in defaults {
        if config.get(name).is_none() {
            config.set(*name, value);
        }
    }
    for (name, value) in fixed {
        config.set(*name, value);
    }
    config
}

/// The refusal of a property as librdkafka says it, without values that are secret.
fn refused(error: &KafkaError) -> String {
    let KafkaError::ClientConfig(_, said, name, _) = error else {
        return format!("the properties in `config` do not go together: {error}");
    };
    let secret = ["password", "secret", "pem", "jaas", "token"].iter().any(|w| name.contains(w));
    if secret {
        return format!("`config` property {name}: librdkafka refuses its value");
    }
    let said = said.trim_end_matches('.');
    let known = COMMON.iter().copied();
    let way = match JAVA.iter().find(|(java, there)| java == name && java != there) {
        Some((_, there)) => format!("librdkafka calls it `{there}`"),
        None => match nearest(name, known).filter(|n| n != name) {
            Some(n) => format!("did you mean `{n}`?"),
            None => "see librdkafka's CONFIGURATION.md for its properties".into(),
        },
    };
    format!("`config` property {name}: librdkafka says: {said}\n{way}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(texts: &[(&str, &str)], flags: &[&str]) -> Settings {
        let mut s = Settings::default();
        s.texts.insert("brokers".into(), "localhost:9092".into());
        s.texts.extend(texts.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        s.flags.extend(flags.iter().map(|f| ((*f).into(), true)));
        s
    }

    #[test]
    fn keys_become_properties() {
        let s = settings(
            &[
                ("tls.ca", "ca.pem"),
                ("sasl.user", "u"),
                ("sasl.password", "p"),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("config.linger.ms", "20"),
            ],
            &["tls.", "sasl."],
        );
        let config = client(&s).unwrap();
        for (name, value) in [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "ca.pem"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "u"),
            ("linger.ms", "20"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        assert_eq!(
            client(&settings(&[], &["tls."])).unwrap().get("ssl.ca.location"),
            Some("probe")
        );
        assert_eq!(client(&settings(&[], &[])).unwrap().get("security.protocol"), None);
    }

    #[test]
    fn wrong_properties_are_told_with_the_right_ones() {
        let said = |name: &str, value: &str| {
            client(&settings(&[(&format!("config.{name}"), value)], &[])).unwrap_err()
        };
        assert_eq!(
            said("linger.msec", "5"),
            "`config` property linger.msec: librdkafka says: No such configuration property: \
             \"linger.msec\"\ndid you mean `linger.ms`?"
        );
        assert!(said("buffer.memory", "5").ends_with("calls it `queue.buffering.max.kbytes`"));
        assert!(
            said("linger.ms", "soon").contains("Invalid value"),
            "{}",
            said("linger.ms", "soon")
        );
        assert_eq!(
            said("bootstrap.servers", "x"),
            "`config` may not set bootstrap.servers\nwrite the addresses in `brokers`"
        );
        let secret = said("ssl.key.password.x", "hunter2");
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
