//! Apache Kafka: one node that is broker and controller, with a listener for each way to connect.
//!
//! Settings beyond what one node needs stay as Kafka has them, so that tests meet what production has:
//! the limit for times in the future above all. Two differ: the past is kept for ever, because generated
//! data lies in the past, and topics are made only on demand, so that a wrong name is noticed.

use super::install::{self, Need};
use super::process::{Launch, run_noted};
use super::{LIMITED, PASSWORD, Place, Service, USER};
use std::fs;
use std::net::TcpStream;
use std::path::Path;

pub struct Kafka;

const NEEDS: &[Need] = &[
    Need {
        package: "default-jre-headless",
        is_there: || install::java_version().is_some_and(|v| v >= 17),
    },
    Need { package: "openssl", is_there: || install::program("openssl").is_some() },
];

const LOGGING: &str = "\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
";

/// Sixteen bytes in base64url. Kafka makes a random one; nothing asks for that here.
const CLUSTER: &str = "ZG9nZS1kYXRhZ2VuLTAwMQ";

impl Service for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn ports(&self) -> &'static [(&'static str, u16)] {
        &[
            ("plain", 19092),
            ("sasl", 19093),
            ("tls", 19094),
            ("sasl_tls", 19095),
            ("control", 19096),
        ]
    }

    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn has_downloads(&self, cache: &Path) -> bool {
        install::kafka_jars(cache).is_dir()
    }

    fn provide(&self, cache: &Path) -> Result<(), String> {
        install::provide_kafka(cache)
    }

    fn create(&self, place: &Place, into: &Path) -> Result<(), String> {
        place.home.write("log4j2.properties", LOGGING)?;
        // Named like the folder, so that what an interrupted run started reads its own.
        let file = into.with_extension(format!("{}.properties", std::process::id()));
        fs::write(&file, settings(place, into)).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = java(place, "kafka.tools.StorageTool");
        command.extend(["format", "-t", CLUSTER, "--standalone", "-c"].map(str::to_owned));
        command.push(file.to_string_lossy().into_owned());
        for user in [USER, LIMITED] {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let account = format!("{mechanism}=[name={user},password={PASSWORD}]");
                command.extend(["--add-scram".to_owned(), account]);
            }
        }
        run_noted(&command, into, "", &place.home.maker_file())
    }

    fn launch(&self, place: &Place) -> Result<Launch, String> {
        let data = place.home.data();
        let settings = place.home.write("server.properties", &settings(place, &data))?;
        place.home.write("log4j2.properties", LOGGING)?;
        let mut command = java(place, "kafka.Kafka");
        command.push(settings.to_string_lossy().into_owned());
        Ok(Launch { command, environment: Vec::new(), folder: data })
    }

    /// Kafka writes this line after all listeners are open.
    fn is_ready(&self, place: &Place) -> bool {
        fs::read_to_string(place.home.log()).is_ok_and(|log| log.contains("Kafka Server started"))
            && TcpStream::connect(("127.0.0.1", place.home.port("plain"))).is_ok()
    }

    fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        let at = |host: &str, port: &str| format!("{host}:{}", place.home.port(port));
        vec![
            ("DOGE_TEST_KAFKA", at("127.0.0.1", "plain")),
            ("DOGE_TEST_KAFKA_SASL", at("127.0.0.1", "sasl")),
            ("DOGE_TEST_KAFKA_TLS", at("localhost", "tls")),
            ("DOGE_TEST_KAFKA_SASL_TLS", at("localhost", "sasl_tls")),
            ("DOGE_TEST_KAFKA_CA", place.tls.ca().to_string_lossy().into_owned()),
            ("DOGE_TEST_KAFKA_USER", USER.into()),
            ("DOGE_TEST_KAFKA_LIMITED_USER", LIMITED.into()),
            ("DOGE_TEST_KAFKA_PASSWORD", PASSWORD.into()),
        ]
    }
}

/// The beginning of a command that runs a class of Kafka's.
fn java(place: &Place, class: &str) -> Vec<String> {
    let logging =
        format!("-Dlog4j2.configurationFile={}", place.home.file("log4j2.properties").display());
    let jars = format!("{}/*", install::kafka_jars(&place.cache).display());
    let words = ["java", "-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", &logging, "-cp", &jars, class];
    words.map(str::to_owned).to_vec()
}

fn settings(place: &Place, data: &Path) -> String {
    let port = |name: &str| place.home.port(name);
    let control = port("control");
    let mut listeners = Vec::new();
    let mut advertised = Vec::new();
    // A client goes on with the name that it is told, so TLS has the name that the certificate shows
    // first.
    for (name, host) in [
        ("plain", "127.0.0.1"),
        ("sasl", "127.0.0.1"),
        ("tls", "localhost"),
        ("sasl_tls", "localhost"),
    ] {
        let label = name.to_uppercase();
        listeners.push(format!("{label}://127.0.0.1:{}", port(name)));
        advertised.push(format!("{label}://{host}:{}", port(name)));
    }
    listeners.push(format!("CONTROL://127.0.0.1:{control}"));
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        "node.id=1".into(),
        format!("log.dirs={}", data.display()),
        format!("listeners={}", listeners.join(",")),
        format!("advertised.listeners={}", advertised.join(",")),
        "listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASL_TLS:SASL_SSL,CONTROL:PLAINTEXT".into(),
        "inter.broker.listener.name=PLAIN".into(),
        "controller.listener.names=CONTROL".into(),
        format!("controller.quorum.bootstrap.servers=127.0.0.1:{control}"),
        "ssl.keystore.type=PEM".into(),
        format!("ssl.keystore.location={}", place.tls.bundle().display()),
        // Who is not super may do nothing until somebody lets them: for tests of missing rights.
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".into(),
        format!("super.users=User:ANONYMOUS;User:{USER}"),
        "log.retention.ms=-1".into(),
        "auto.create.topics.enable=false".into(),
        "message.max.bytes=10485760".into(),
        "group.initial.rebalance.delay.ms=0".into(),
        // A killed broker is let in again when the session that it had is over; the usual 9 s are long.
        "broker.session.timeout.ms=3000".into(),
        "broker.heartbeat.interval.ms=500".into(),
    ];
    // There is one node, and one partition is made faster than fifty.
    for (prefix, factor) in [
        ("offsets.topic", "replication.factor"),
        ("transaction.state.log", "replication.factor"),
        ("share.coordinator.state.topic", "replication.factor"),
    ] {
        lines.push(format!("{prefix}.{factor}=1"));
        lines.push(format!("{prefix}.num.partitions=1"));
    }
    lines.push("transaction.state.log.min.isr=1".into());
    lines.push("share.coordinator.state.topic.min.isr=1".into());
    let package = "org.apache.kafka.common.security";
    for listener in ["sasl", "sasl_tls"] {
        let of = format!("listener.name.{listener}");
        lines.push(format!("{of}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"));
        lines.push(format!(
            "{of}.plain.sasl.jaas.config={package}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\" user_{LIMITED}=\"{PASSWORD}\";"
        ));
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            lines.push(format!(
                "{of}.{mechanism}.sasl.jaas.config={package}.scram.ScramLoginModule required;"
            ));
        }
    }
    lines.join("\n") + "\n"
}
