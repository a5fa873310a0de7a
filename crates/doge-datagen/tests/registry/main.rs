//! Messages with a real schema registry: what Confluent's deserialisers for Python read of them, and what
//! the registry refuses.
//!
//! The registry is that of `cargo xtask services`; without its variable nothing is run, and each test
//! says so. `DOGE_TEST_SERVERS=required` makes that a failure.

use doge_core::batch::EventBatch;
use doge_core::engine::{Engine, Program, Selection, Tuning, Worker};
use doge_datagen::format::schema::{Language, SchemaText};
use doge_datagen::format::{KeyFormat, MessageSpec, Messages, SchemaIds, ValueFormat};
use doge_datagen::registry::{Registry, RegistryConfig, SubjectNaming};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const MODEL: &str = r#"
seed: 7
clock: { start: 2022-02-11T03:21:48.250Z, tick: 1s, ticks: 20 }
subjects:
  u:
    count: 20
    attributes:
      balance: uniform(-99999, 99999999)
      rate: normal(0, 1)
      tag: choice(['', 'a', "q\"\\\n", '🦊 zażółć', 'a text that is longer than a group of thirty-two bytes, much'])
      last: nullable(timestamp)
    states:
      on:
        transitions:
          t: { probability: 40%, set: { last: timestamp, tag: tag + 'x', balance: balance * 3 - 1 }, emit: whole }
          s: { probability: 30%, set: { last: null }, emit: whole }
events:
  whole:
    key: id
    fields:
      user: { id: id, text: string(id), more: { tag: tag, again: tag + tag + tag } }
      at: timestamp
      last: last
      trigger: trigger
      which: event_id
      balance: balance
      rate: rate
      rich: balance > 500
      wait: duration('1500ms')
"#;

/// A variable that tells where a server is.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// The address of a registry, where there is one.
fn server(name: &str) -> Option<String> {
    let found = variable(name);
    if found.is_none() {
        let say = "not run: no registry. Start one: `cargo xtask services up registry`, then `eval \"$(cargo xtask services env)\"`";
        assert_ne!(variable("DOGE_TEST_SERVERS").as_deref(), Some("required"), "{say}");
        println!("{say}");
    }
    found
}

fn registry(url: &str, register: bool) -> Registry {
    let patience = Some(Duration::from_secs(2));
    let config = RegistryConfig { url: url.into(), register, patience, ..Default::default() };
    Registry::new(&config).expect("an address")
}

/// A topic that no other test has; its subjects go with it.
struct Topic {
    name: String,
    url: String,
}

impl Topic {
    fn new(url: &str) -> Topic {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Topic { name: format!("registry-{}-{n}", std::process::id()), url: url.to_owned() }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        for ending in ["value", "key", "json-value", "protobuf-value"] {
            let url = format!("{}/subjects/{}-{ending}", self.url, self.name);
            // One that is not there is as good.
            let _ = ureq::delete(&url).call();
        }
    }
}

fn events() -> EventBatch {
    let (spec, _) = doge_core::spec::parse(MODEL, "m.yaml").expect("a good model");
    let (model, _) = doge_core::compile::compile(&spec).expect("a good model");
    let program = Arc::new(Program::new(&model, &Selection::all(&model)).expect("it compiles"));
    let mut engine = Engine::new(program.clone(), Tuning::default());
    let mut worker = Worker::new(&program);
    let mut batch = EventBatch::new(program.layout.clone());
    while engine.advance(&mut worker, 1 << 20, &mut batch).expect("no failure") {}
    batch
}

fn spec(batch: &EventBatch, value: ValueFormat, key: KeyFormat) -> MessageSpec {
    let events: Vec<_> = batch.layout.events.iter().enumerate().collect();
    MessageSpec::new(value, key, "of.tests", &events, Path::new("")).expect("names")
}

fn messages(batch: &EventBatch, spec: &MessageSpec) -> Messages {
    let encoder = spec.encoder(&batch.layout, &[true]).expect("an encoder");
    let mut state = encoder.state();
    let mut out = Messages::default();
    for run in batch.runs() {
        let made = encoder.encode(&mut *state, &batch.layout, run, &mut out, usize::MAX);
        assert!(made.rest.is_empty() && made.error.is_none());
    }
    out
}

/// Python with Confluent's client; made once, in the folder of what is built.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry-reader");
        let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
        if !ready.exists() {
            let ran = |command: &mut Command| {
                let out = command.output().expect("python3 can be started");
                assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            };
            ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
            let client = "confluent-kafka[avro,json,protobuf,schemaregistry]>=2.6";
            ran(Command::new(&python).args(["-m", "pip", "install", "-q", client]));
            std::fs::write(ready, "").expect("the folder can be written");
        }
        python
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A file's descriptor with those it imports, as protoc would write them.
fn descriptors(text: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("event.proto"), text).expect("a file");
    let mut compiler = protox::Compiler::new([folder.path()]).expect("a folder");
    compiler.include_imports(true).open_file("event.proto").expect("a schema");
    compiler.encode_file_descriptor_set()
}

#[test]
fn confluents_deserialisers_read_what_is_written() {
    let Some(url) = server("DOGE_TEST_REGISTRY") else { return };
    let registry = registry(&url, true);
    let topic = Topic::new(&url);
    let batch = events();
    let with_ids = |format: ValueFormat, name: &str| {
        let mut spec = spec(&batch, format, KeyFormat::Avro);
        let naming = SubjectNaming::Topic;
        let schema = spec.value_schema(0).expect("a schema");
        let value = registry.id(&naming.value(name, schema.record), schema).expect("registered");
        let key = spec.key_schema(0).expect("a schema");
        let key = registry.id(&naming.key(&topic.name), key).expect("registered");
        spec.set_ids(0, SchemaIds { value: Some(value), key: Some(key) });
        spec
    };
    let avro_spec = with_ids(ValueFormat::Avro, &topic.name);
    let proto_spec = with_ids(ValueFormat::Protobuf, &format!("{}-protobuf", topic.name));
    let json_spec = with_ids(ValueFormat::Json, &format!("{}-json", topic.name));
    let (avro, proto) = (messages(&batch, &avro_spec), messages(&batch, &proto_spec));
    let json = messages(&batch, &json_spec);
    let mut lines = String::new();
    for (n, event) in batch.events().enumerate() {
        let value = |messages: &Messages| messages.parts(&messages.list[n]).1.to_vec();
        let line = serde_json::json!({
            "topic": topic.name,
            "id": event.id(),
            "avro": hex(&value(&avro)),
            "protobuf": hex(&value(&proto)),
            "json": hex(&value(&json)),
            "plain": String::from_utf8_lossy(&value(&json)[5..]),
            "key": hex(avro.parts(&avro.list[n]).0.expect("a key")),
        });
        lines.push_str(&format!("{line}\n"));
    }
    let proto_schema = proto_spec.value_schema(0).expect("a schema");
    // The number that messages begin with is that of the schema.
    let first = proto.parts(&proto.list[0]).1;
    let number = u32::from_be_bytes(first[1..5].try_into().expect("four bytes"));
    let answer = ureq::get(format!("{url}/schemas/ids/{number}")).call().expect("an answer");
    let text = answer.into_body().read_to_string().expect("text");
    assert!(text.contains("message whole_user_more"), "{text}");
    let mut child = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registry/read.py"))
        .args([&url, &hex(&descriptors(proto_schema.text)), proto_schema.record])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python can be started");
    // One that went away early says why.
    let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(batch.len() > 200);
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), batch.len().to_string());
}

#[test]
fn schemas_are_found_again_and_refused_with_the_registrys_own_words() {
    let Some(url) = server("DOGE_TEST_REGISTRY") else { return };
    let topic = Topic::new(&url);
    let subject = format!("{}-value", topic.name);
    let (writes, looks) = (registry(&url, true), registry(&url, false));
    let schema = |text| SchemaText { language: Language::Avro, text, record: "r" };
    let first = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"long"}]}"#;
    let other = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"string"}]}"#;
    let wider = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","long"],"default":null}]}"#;

    let error = looks.id(&subject, schema(first)).expect_err("not there yet");
    assert!(error.message.contains(&format!("has no subject {subject}")), "{error}");
    assert!(error.help[0].contains("register: true"));

    let id = writes.id(&subject, schema(first)).expect("registered");
    assert_eq!(writes.id(&subject, schema(first)), Ok(id));
    assert_eq!(looks.id(&subject, schema(first)), Ok(id));

    let error = writes.id(&subject, schema(other)).expect_err("not compatible");
    assert!(error.message.contains("not compatible with an earlier version; it says: "), "{error}");
    let error = looks.id(&subject, schema(wider)).expect_err("not there yet");
    let wanted = format!("does not have this schema under the subject {subject}");
    assert!(error.message.contains(&wanted), "{error}");
    assert_ne!(writes.id(&subject, schema(wider)), Ok(id));

    let error = writes.id(&subject, schema("{\"type\":\"nonsense\"}")).expect_err("no schema");
    assert!(error.message.contains("does not take the AVRO schema"), "{error}");
}

#[test]
fn a_wrong_path_is_told_from_a_missing_schema() {
    let Some(url) = server("DOGE_TEST_REGISTRY") else { return };
    let root = url.split("/apis").next().expect("an address");
    for url in [root.to_owned(), format!("{url}/v9")] {
        let schema = SchemaText { language: Language::Avro, text: "\"string\"", record: "string" };
        let error = registry(&url, true).id("s", schema).expect_err("no registry there");
        assert!(error.message.starts_with(&url), "{error}");
        assert!(error.message.ends_with(": no registry has its interface there"), "{error}");
    }
}

#[test]
fn tls_needs_the_certificate_that_signed() {
    let Some(url) = server("DOGE_TEST_REGISTRY_TLS") else { return };
    let schema = SchemaText { language: Language::Avro, text: "\"long\"", record: "long" };
    let ca = variable("DOGE_TEST_REGISTRY_CA").expect("the certificate of the registry");
    let topic = Topic::new(&variable("DOGE_TEST_REGISTRY").expect("the same one"));
    let config = RegistryConfig { url: url.clone(), register: true, ..Default::default() };
    let subject = format!("{}-key", topic.name);
    let trusted =
        Registry::new(&RegistryConfig { ca: Some(ca.into()), ..config.clone() }).expect("a file");
    trusted.id(&subject, schema).expect("registered");
    let others = variable("DOGE_TEST_OTHER_CA").expect("a certificate of somebody else's");
    for ca in [None, Some(others.into())] {
        let registry = Registry::new(&RegistryConfig { ca, ..config.clone() }).expect("a file");
        let error = registry.id(&subject, schema).expect_err("not trusted");
        assert!(error.message.contains("its certificate or its TLS is not accepted"), "{error}");
        assert!(error.help[0].contains("`ca: FILE.pem`"));
    }
}
