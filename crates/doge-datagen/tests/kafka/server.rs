//! The broker and the reader.

use doge_datagen::sink::{Opening, Stream};
use doge_datagen::spec::{ModelText, RunSpec, prepare};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A broker.
pub struct Server {
    /// Its plain address.
    pub brokers: String,
}

/// A variable that tells where a server is.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The broker, where there is one.
pub fn server() -> Option<Server> {
    if let Some(brokers) = variable("DOGE_TEST_KAFKA") {
        return Some(Server { brokers });
    }
    let say = "not run: no Kafka. Start one: `cargo xtask services up kafka`, then `eval \"$(cargo xtask services env)\"`";
    assert_ne!(variable("DOGE_TEST_SERVERS").as_deref(), Some("required"), "{say}");
    println!("{say}");
    None
}

/// Python with confluent-kafka; made once, in the folder of what is built.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-reader");
        let (python, ready) = (folder.join("bin/python"), folder.join("ready-2"));
        if !ready.exists() {
            let ran = |command: &mut Command| {
                let out = command.output().expect("python3 can be started");
                assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            };
            ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
            ran(Command::new(&python).args([
                "-m",
                "pip",
                "install",
                "-q",
                "confluent-kafka>=2.6",
                "fastavro",
            ]));
            std::fs::write(ready, "").expect("the folder can be written");
        }
        python
    })
}

impl Server {
    /// Asks the helper.
    pub fn ask(&self, args: &[&str]) -> String {
        let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/helper.py");
        let out = Command::new(python())
            .arg(helper)
            .arg(&self.brokers)
            .args(args)
            .output()
            .expect("python can be started");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    /// All messages of a topic, partition by partition; `None`: there is no such topic.
    pub fn read(&self, topic: &str) -> Option<Vec<serde_json::Value>> {
        let json: serde_json::Value =
            serde_json::from_str(&self.ask(&["read", topic])).expect("JSON");
        json.as_array().cloned()
    }

    /// A name that no other test has; topics that begin with it go with it.
    pub fn name(&self) -> Name<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Name { server: self, name: format!("test-{}-{n}", std::process::id()) }
    }
}

/// A name for topics.
pub struct Name<'s> {
    server: &'s Server,
    /// The name.
    pub name: String,
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.ask(&["clean", &self.name]);
        }
    }
}

/// A stream, by its seed; what a run of it tells a sink.
pub fn opening(seed: u64, resume: bool) -> Opening {
    let text = format!(
        "seed: {seed}\nclock: {{ start: 2022-02-11T00:00:00Z, tick: 1m, ticks: 10 }}\nsubjects:\n  user:\n    count: 1\n    \
         states: {{ a: {{ transitions: {{ t: {{ probability: 1%, emit: e }} }} }} }}\nevents: {{ e: {{ fields: {{ n: id }} }} }}\n"
    );
    let spec = RunSpec { model: ModelText { name: "m.yaml".into(), text }, ..RunSpec::default() };
    let prepared = prepare(&spec).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let start = super::rules::time_of(0);
    Opening {
        stream: Arc::new(Stream::of(&prepared, None)),
        resume,
        span_ms: (start, start + 86_400_000),
        ..Opening::default()
    }
}
