//! What needs no registry, and answers of one that a listener plays: statuses that a real one does not
//! give on demand. The real one is asked in `tests/it/registry.rs`.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

const SCHEMA: SchemaText<'static> =
    SchemaText { language: Language::Json, text: "{\"type\":\"string\"}", record: "r" };

/// Serves these answers, one a connection; gives the address, and at the end what was asked.
fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream);
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = n.trim().parse().expect("a length");
                }
                if line == "\r\n" {
                    break;
                }
                request.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            request.push_str(&String::from_utf8_lossy(&body));
            asked.push(request);
            reader.get_mut().write_all(answer.as_bytes()).expect("an answer");
        }
        asked
    });
    (address, thread)
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn config(url: &str) -> RegistryConfig {
    RegistryConfig {
        url: url.to_owned(),
        user: Some("wow".into()),
        password: Some("much secret".into()),
        register: true,
        patience: Some(Duration::from_secs(5)),
        ..RegistryConfig::default()
    }
}

#[test]
fn a_busy_registry_is_asked_again_with_path_user_and_type() {
    let (url, thread) = serve(vec![
        answer("503 Service Unavailable", ""),
        answer("429 Too Many Requests", "slow"),
        answer("200 OK", "{\"id\":7}"),
    ]);
    let registry = Registry::new(&config(&format!("{url}/apis/x/"))).expect("a registry");
    assert_eq!(registry.id("a b-value", SCHEMA), Ok(7));
    let asked = thread.join().expect("the listener");
    assert_eq!(asked.len(), 3);
    assert!(asked[2].starts_with("POST /apis/x/subjects/a%20b-value/versions HTTP/1.1\r\n"));
    let low = asked[2].to_ascii_lowercase();
    assert!(low.contains("authorization: basic d293om11y2ggc2vjcmv0\r\n"), "{low}");
    assert!(asked[2].ends_with(r#"{"schema":"{\"type\":\"string\"}","schemaType":"JSON"}"#));
}

#[test]
fn refusals_are_told_without_the_password() {
    let cases = [
        (answer("401 Unauthorized", "much secret"), "does not know the user wow; it says: ***"),
        (answer("403 Forbidden", ""), "does not allow this to the user wow"),
        (
            answer("409 Conflict", r#"{"error_code":409,"message":"field x"}"#),
            "not compatible with an earlier version; it says: field x",
        ),
        (
            answer("422 X", r#"{"error_code":42201,"message":"no schema"}"#),
            "does not take the JSON schema for the subject s; it says: no schema",
        ),
        (answer("404 Not Found", "<html>"), "answers 404 to /subjects/s/versions: no registry"),
        (answer("200 OK", "<html>hello"), "not with the number of a schema: no registry"),
        (
            answer("307 X", "")
                .replace("Connection", "Location: http://127.0.0.1:1/\r\nConnection"),
            "answers with a redirection (307)",
        ),
        ("SSH-2.0-wow\r\n".to_owned(), "its answer is no HTTP"),
    ];
    for (answer, wanted) in cases {
        let (url, thread) = serve(vec![answer]);
        let registry = Registry::new(&config(&url)).expect("a registry");
        let error = registry.id("s", SCHEMA).expect_err(wanted);
        assert!(error.message.contains(wanted), "{wanted}: {error}");
        assert!(error.message.contains(&url));
        assert!(!format!("{error:?}").contains("much secret"));
        thread.join().expect("the listener");
    }
}

#[test]
fn one_that_is_away_is_waited_for_and_then_named() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let config = RegistryConfig {
        patience: Some(Duration::from_millis(250)),
        ..config(&format!("http://wow:much%20secret@{port}/x"))
    };
    let registry = Registry::new(&RegistryConfig { user: None, password: None, ..config })
        .expect("a registry");
    assert_eq!(registry.user.as_deref(), Some("wow"));
    assert_eq!(registry.secret, "much secret");
    let error = registry.id("s", SCHEMA).expect_err("nobody there");
    let wanted = format!("cannot reach the registry http://{port}/x: ");
    assert!(error.message.starts_with(&wanted), "{error}");
    assert!(!format!("{error:?} {registry:?}").contains("secret"));
}

#[test]
fn addresses_and_certificates_are_checked() {
    for url in ["", "localhost:8081", "ftp://x", "http://", "http:///x", "http://h/x?y"] {
        assert!(Registry::new(&config(url)).is_err(), "{url}");
    }
    let missing = RegistryConfig { ca: Some("/none/ca.pem".into()), ..config("https://h") };
    assert!(Registry::new(&missing).expect_err("no file").message.contains("/none/ca.pem"));
    let none = RegistryConfig { ca: Some("Cargo.toml".into()), ..config("https://h") };
    let error = Registry::new(&none).expect_err("no certificate");
    assert_eq!(error.message, "Cargo.toml holds no certificate");
}

#[test]
fn texts_are_encoded() {
    let all: Vec<_> = ["", "f", "fo", "foo", "foob", "fooba", "foobar"]
        .map(|text| base64(text.as_bytes()))
        .into();
    assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    assert_eq!(encoded("a.b-c_1~/ż"), "a.b-c_1~%2F%C5%BC");
    assert_eq!(decoded("a%2Fb%zz%C5%BC%"), "a/b%zzż%");
}

#[test]
fn subjects_are_named_as_others_name_them() {
    let names = SubjectNaming::WORDS.iter().map(|word| {
        let naming = SubjectNaming::of_word(word);
        (naming.value("t", "a.R"), naming.key("t"))
    });
    let wanted = [("t-value", "t-key"), ("a.R", "t-key"), ("t-a.R", "t-key")];
    assert!(names.eq(wanted.map(|(v, k)| (v.to_owned(), k.to_owned()))));
}
