//! Apicurio registry, of which clients use the path that answers as Confluent's does.
//!
//! It keeps its schemas in a file, so that they are there again after a crash; left alone it would keep
//! them in memory.

use super::install::{self, Need};
use super::process::{Launch, run};
use super::{Place, Service};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub struct Registry;

/// Where Confluent's paths begin.
const PATH: &str = "/apis/ccompat/v7";

const NEEDS: &[Need] =
    &[Need { package: "openssl", is_there: || install::program("openssl").is_some() }];

impl Service for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn ports(&self) -> &'static [(&'static str, u16)] {
        &[("http", 18081), ("https", 18082), ("management", 18083)]
    }

    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn needs_of_downloads(&self) -> &'static [Need] {
        &[
            super::MAVEN,
            Need {
                package: "python3-pip",
                is_there: || {
                    install::java_version().is_some_and(|v| v >= 21)
                        || run(Command::new("python3").args(["-m", "pip", "--version"])).is_ok()
                },
            },
        ]
    }

    fn has_downloads(&self, cache: &Path) -> bool {
        install::has_registry(cache)
    }

    fn provide(&self, cache: &Path) -> Result<(), String> {
        install::provide_registry(cache)
    }

    fn launch(&self, place: &Place) -> Result<Launch, String> {
        let temporary = place.home.file("tmp");
        fs::create_dir_all(&temporary).map_err(|e| format!("{}: {e}", temporary.display()))?;
        let data = place.home.data();
        let port = |name: &str| place.home.port(name).to_string();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let words = [
            install::java_21(&place.cache),
            "-Xmx512m".into(),
            "-XX:+UseSerialGC".into(),
            // The folder of the system would keep a cache for ever.
            format!("-Djava.io.tmpdir={}", temporary.display()),
            "-jar".into(),
            text(&install::registry(&place.cache).join("quarkus-run.jar")),
        ];
        let environment = vec![
            ("QUARKUS_HTTP_HOST", "127.0.0.1".into()),
            ("QUARKUS_HTTP_PORT", port("http")),
            ("QUARKUS_HTTP_SSL_PORT", port("https")),
            ("QUARKUS_HTTP_SSL_CERTIFICATE_FILES", text(&place.tls.certificate())),
            ("QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES", text(&place.tls.key())),
            ("QUARKUS_MANAGEMENT_HOST", "127.0.0.1".into()),
            ("QUARKUS_MANAGEMENT_PORT", port("management")),
            (
                "APICURIO_DATASOURCE_URL",
                format!("jdbc:h2:file:{}", data.join("registry").display()),
            ),
        ];
        Ok(Launch { command: words.to_vec(), environment, folder: data })
    }

    fn is_ready(&self, place: &Place) -> bool {
        http(place.home.port("management"), "GET", "/health/ready", "").is_some()
            && http(place.home.port("http"), "GET", &format!("{PATH}/subjects"), "").is_some()
    }

    /// Confluent's registry checks changes of a schema from the start, Apicurio's does not.
    fn settle(&self, place: &Place) -> Result<(), String> {
        let level = r#"{"compatibility":"BACKWARD"}"#;
        http(place.home.port("http"), "PUT", &format!("{PATH}/config"), level)
            .map(|_| ())
            .ok_or_else(|| "the registry did not take the level of compatibility".into())
    }

    fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        vec![
            ("DOGE_TEST_REGISTRY", format!("http://127.0.0.1:{}{PATH}", place.home.port("http"))),
            (
                "DOGE_TEST_REGISTRY_TLS",
                format!("https://localhost:{}{PATH}", place.home.port("https")),
            ),
            ("DOGE_TEST_REGISTRY_CA", place.tls.ca().to_string_lossy().into_owned()),
        ]
    }
}

/// One request; the answer, if it is a good one.
fn http(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?;
    status.starts_with('2').then_some(answer)
}
