//! A schema registry with Confluent's interface: schemas get their numbers.
//!
//! Two questions are asked, both before the first event: register this schema under that subject
//! (`register: true`), or which number has it there (`register: false`). Whoever reads a message finds
//! the schema by its number.
//!
//! Deliberately not here: compatibility levels, deleting, reading schemas (the registry's owner does
//! that), the bytes that a number becomes (messages).

use crate::format::schema::{Language, SchemaText};
use crate::sink::SinkError;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How subjects are named, as in Confluent's serialisers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectNaming {
    /// `TOPIC-value`, `TOPIC-key`
    #[default]
    Topic,
    /// The full name of the record. Keys are no records: theirs stay `TOPIC-key`.
    Record,
    /// `TOPIC-RECORD`. Keys as with `Record`.
    TopicRecord,
}

impl SubjectNaming {
    /// The words for it in models, in the order of the variants.
    pub const WORDS: &'static [&'static str] = &["topic", "record", "topic_record"];

    /// The naming with this word; that by topic for any other.
    pub fn of_word(word: &str) -> SubjectNaming {
        match word {
            "record" => SubjectNaming::Record,
            "topic_record" => SubjectNaming::TopicRecord,
            _ => SubjectNaming::Topic,
        }
    }

    /// The subject of a topic's values of a record.
    pub fn value(self, topic: &str, record: &str) -> String {
        match self {
            SubjectNaming::Topic => format!("{topic}-value"),
            SubjectNaming::Record => record.to_owned(),
            SubjectNaming::TopicRecord => format!("{topic}-{record}"),
        }
    }

    /// The subject of a topic's keys.
    pub fn key(self, topic: &str) -> String {
        format!("{topic}-key")
    }
}

/// Where a registry is and how it is spoken to.
#[derive(Clone, Default)]
pub struct RegistryConfig {
    /// The address; a path is kept (`http://HOST:8080/apis/ccompat/v7`). It may hold `USER:PASSWORD@`.
    pub url: String,
    /// The user of basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A file of certificates (PEM) that are trusted instead of the public ones.
    pub ca: Option<PathBuf>,
    /// Register schemas that are not there yet; else they must be there.
    pub register: bool,
    /// How long to go on trying while the registry is away or busy; `None`: 10 seconds.
    pub patience: Option<Duration>,
}

/// A registry.
pub struct Registry {
    agent: ureq::Agent,
    /// The address without user and without `/` at its end.
    url: String,
    user: Option<String>,
    authorization: Option<String>,
    /// What must never be shown.
    secret: String,
    register: bool,
    patience: Duration,
}

/// One request takes at most so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const MOST_ANSWER: u64 = 1 << 20;
/// Characters of an answer that are shown.
const SHOWN: usize = 1_000;

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What became of a request.
enum Answer {
    /// A number.
    Id(u32),
    /// Worth another try; the last word if there is none.
    Later(SinkError),
    /// Final.
    No(SinkError),
}

impl Registry {
    /// A registry; opens nothing but the file of certificates.
    ///
    /// # Errors
    /// The address is none, or the certificates cannot be read.
    pub fn new(config: &RegistryConfig) -> Result<Registry, SinkError> {
        let (scheme, rest) = match config.url.trim().split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) if !rest.is_empty() => (scheme, rest),
            _ => {
                return Err(SinkError::new("the registry's `url` is no address")
                    .help("write `url: http://HOST:8081`, with the path where its interface begins, if there is one"));
            }
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (named, host) = match authority.rsplit_once('@') {
            Some((named, host)) => (Some(named), host),
            None => (None, authority),
        };
        let (mut user, mut password) = (config.user.clone(), config.password.clone());
        if let Some(named) = named {
            let (u, p) = named.split_once(':').unwrap_or((named, ""));
            user = user.or_else(|| Some(decoded(u)));
            password = password.or_else(|| (!p.is_empty()).then(|| decoded(p)));
        }
        let url = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        if host.is_empty() || path.contains(['?', '#']) {
            return Err(SinkError::new(format!("{url} is no address of a registry"))
                .help("write `url: http://HOST:8081`, with the path where its interface begins, if there is one"));
        }
        let secret = password.clone().unwrap_or_default();
        let authorization = user
            .as_ref()
            .map(|user| format!("Basic {}", base64(format!("{user}:{secret}").as_bytes())));
        let mut tls = TlsConfig::builder();
        if let Some(ca) = &config.ca {
            let place = ca.display().to_string();
            let pem = std::fs::read(ca).map_err(|e| SinkError::io("read", &place, &e))?;
            let certificates: Vec<_> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(SinkError::new(format!("{place} holds no certificate"))
                    .help("name a PEM file: `-----BEGIN CERTIFICATE-----`"));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("doge/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Registry {
            agent,
            url,
            user,
            authorization,
            secret,
            register: config.register,
            patience: config.patience.unwrap_or(Duration::from_secs(10)),
        })
    }

    /// The address, for people; without user and password.
    pub fn place(&self) -> &str {
        &self.url
    }

    /// The number of a schema under a subject: registers it where that is wished, else looks it up by its
    /// content. Registering what is there already is no change.
    ///
    /// # Errors
    /// The registry cannot be reached or refuses; its own answer is shown.
    pub fn id(&self, subject: &str, schema: SchemaText<'_>) -> Result<u32, SinkError> {
        let mut body = serde_json::Map::new();
        body.insert("schema".into(), schema.text.into());
        if schema.language != Language::Avro {
            body.insert("schemaType".into(), schema.language.name().into());
        }
        let body = Value::Object(body).to_string();
        let ending = if self.register { "/versions" } else { "" };
        let url = format!("{}/subjects/{}{ending}", self.url, encoded(subject));
        let begun = std::time::Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            match self.ask(&url, &body, subject, schema.language) {
                Answer::Id(id) => return Ok(id),
                Answer::No(error) => return Err(error),
                Answer::Later(error) if begun.elapsed() + pause > self.patience => {
                    return Err(error);
                }
                Answer::Later(_) => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Asks once.
    fn ask(&self, url: &str, body: &str, subject: &str, language: Language) -> Answer {
        let mut request = self
            .agent
            .post(url)
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return self.unreachable(&error),
        };
        let status = response.status().as_u16();
        let answer = response.body_mut().with_config().limit(MOST_ANSWER).lossy_utf8(true);
        let text = match answer.read_to_string() {
            Ok(text) => text,
            Err(error) => return self.unreachable(&error),
        };
        let json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return match json.get("id").and_then(Value::as_u64).and_then(|id| id.try_into().ok()) {
                Some(id) => Answer::Id(id),
                None => Answer::No(self.no_registry(&format!(
                    "answers {status}, and not with the number of a schema"
                ))),
            };
        }
        let said = self.said(&json, &text);
        let code = json.get("error_code").and_then(Value::as_u64).unwrap_or(0);
        let error = match status {
            401 | 403 => {
                let who = match &self.user {
                    Some(user) => format!("the user {user}"),
                    None => "requests without a user".to_owned(),
                };
                let what = if status == 401 { "does not know" } else { "does not allow this to" };
                SinkError::new(format!("the registry {} {what} {who}{said}", self.url)).help(
                    "write its `user`, and the `password` as a variable of the environment: `password: \"${REGISTRY_PASSWORD}\"`",
                )
            }
            404 if (40_401..40_500).contains(&code) => {
                let what = match code {
                    40_401 => format!("has no subject {subject}"),
                    _ => format!("does not have this schema under the subject {subject}"),
                };
                SinkError::new(format!("the registry {} {what}{said}", self.url)).help(
                    "write `register: true` to have it registered, or register it there first",
                )
            }
            404 | 405 => self.no_registry(&format!("answers {status} to {}", self.path_of(url))),
            409 => SinkError::new(format!(
                "the registry {} refuses the schema for the subject {subject}, as it is not compatible with an earlier version{said}",
                self.url
            ))
            .help("write to another topic, change the fields in a compatible way (a new field that may be null), or change the subject's compatibility level"),
            422 => SinkError::new(format!(
                "the registry {} does not take the {} schema for the subject {subject}{said}",
                self.url,
                language.name()
            )),
            300..=399 => self.no_registry(&format!("answers with a redirection ({status})")),
            429 | 500..=599 => {
                return Answer::Later(
                    SinkError::new(format!("the registry {} answers {status}{said}", self.url))
                        .help("look into its log, and try again"),
                );
            }
            _ => SinkError::new(format!("the registry {} answers {status}{said}", self.url)),
        };
        Answer::No(error)
    }

    fn path_of<'u>(&self, url: &'u str) -> &'u str {
        url.strip_prefix(&self.url).unwrap_or(url)
    }

    fn no_registry(&self, what: &str) -> SinkError {
        SinkError::new(format!("{} {what}: no registry has its interface there", self.url)).help(
            "the `url` ends where the interface begins: `http://HOST:8081` (Confluent), `http://HOST:8080/apis/ccompat/v7` (Apicurio)",
        )
    }

    /// What the registry says, for people: behind a message.
    fn said(&self, json: &Value, text: &str) -> String {
        let message = json.get("message").and_then(Value::as_str).unwrap_or(text).trim();
        if message.is_empty() {
            return String::new();
        }
        let mut shown: String =
            message.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if message.chars().count() > SHOWN {
            shown.push_str(" ...");
        }
        // Nobody should say it again, but who knows.
        if !self.secret.is_empty() {
            shown = shown.replace(&self.secret, "***");
        }
        format!("; it says: {shown}")
    }

    /// A request that got no answer.
    fn unreachable(&self, error: &ureq::Error) -> Answer {
        let url = &self.url;
        let cannot = |why: &str| SinkError::new(format!("cannot reach the registry {url}: {why}"));
        let tls = |why: &str| {
            cannot(why).help(
                "name the certificate that signed the registry's: `ca: FILE.pem`; the host in `url` must be one that its certificate names",
            )
        };
        match error {
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                Answer::No(tls(&format!("its certificate or its TLS is not accepted ({e})")))
            }
            ureq::Error::Rustls(e) => {
                Answer::No(tls(&format!("its certificate or its TLS is not accepted ({e})")))
            }
            ureq::Error::Tls(why) => Answer::No(tls(why)),
            ureq::Error::HostNotFound => {
                Answer::Later(cannot("its host is not known").help("check the host in `url`"))
            }
            ureq::Error::Timeout(_) => Answer::Later(
                cannot(&format!("no answer within {} s", TIMEOUT.as_secs()))
                    .help("check `url`, and that the registry runs"),
            ),
            ureq::Error::Io(e) => Answer::Later(
                cannot(&crate::sink::io_reason(e)).help("check `url`, and that the registry runs"),
            ),
            ureq::Error::Protocol(e) => Answer::No(
                cannot(&format!("its answer is no HTTP ({e})"))
                    .help("check the port in `url`, and whether it is `https`"),
            ),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                Answer::No(SinkError::new(format!("{url} is no address of a registry")))
            }
            other => Answer::No(cannot(&other.to_string())),
        }
    }
}

/// A text as a part of a path.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// What `%xx` in a text stands for; a `%` that does not begin such a group is one.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((b, after)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        match after {
            [high, low, behind @ ..] if *b == b'%' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = behind;
                    continue;
                }
                _ => out.push(*b),
            },
            _ => out.push(*b),
        }
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            out.push(match i <= group.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]),
                false => '=',
            });
        }
    }
    out
}

#[cfg(test)]
mod tests;
