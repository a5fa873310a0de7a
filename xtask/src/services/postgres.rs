//! PostgreSQL, with users for each way to sign in.
//!
//! It refuses to run as root: then it runs as the user `postgres`, and its files lie where that user can
//! reach them, which is not below root's home.

use super::install::{self, Need};
use super::process::{Launch, run, run_noted};
use super::{LIMITED, PASSWORD, Place, Service, USER};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Postgres;

const NEEDS: &[Need] = &[
    Need { package: "openssl", is_there: || install::program("openssl").is_some() },
    Need { package: "postgresql", is_there: || programs().is_some() },
];

/// The first line that fits is the one that counts, so the users with passwords come before the line
/// that trusts everybody. Two addresses: the certificate does not name the second one.
const WHO: &str = "\
host      all doge_scram   127.0.0.0/8 scram-sha-256
host      all doge_limited 127.0.0.0/8 scram-sha-256
hostssl   all doge_tls     127.0.0.0/8 scram-sha-256
hostnossl all doge_tls     127.0.0.0/8 reject
host      all all          127.0.0.0/8 trust
";

/// Marks a folder in the system's folder for temporary files as ours.
const PREFIX: &str = "doge-postgres-";

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn ports(&self) -> &'static [(&'static str, u16)] {
        &[("sql", 15432)]
    }

    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn create(&self, place: &Place, into: &Path) -> Result<(), String> {
        let programs = programs().ok_or("there is no PostgreSQL")?;
        let mut cluster = into.join("cluster");
        if install::is_root() {
            // `mktemp` puts letters of its own in place of the last ones.
            let name = format!("{PREFIX}XXXXXX");
            let folder = run(Command::new("mktemp").args(["-d", "-t", &name]))?;
            fs::write(into.join("elsewhere"), &folder).map_err(|e| e.to_string())?;
            run(Command::new("chown").args(["postgres:", &folder]))?;
            cluster = Path::new(&folder).join("cluster");
        }
        let at = cluster.to_string_lossy().into_owned();
        let folder = cluster.parent().unwrap_or(&cluster);
        let postgres = |words: &[&str], input: &str| {
            run_noted(&as_user(&programs, words), folder, input, &place.home.maker_file())
        };
        // The locale of C compares texts by their bytes, on every machine.
        let options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        postgres(&[&["initdb", "-D", &at, "-U", USER][..], &options].concat(), "")?;
        fs::write(cluster.join("pg_hba.conf"), WHO).map_err(|e| e.to_string())?;
        for (from, to) in [(place.tls.certificate(), "server.pem"), (place.tls.key(), "server.key")]
        {
            let to = cluster.join(to);
            fs::copy(&from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
            run(Command::new("chmod").arg("600").arg(&to))?;
            if install::is_root() {
                run(Command::new("chown").arg("postgres:").arg(&to))?;
            }
        }
        // Without a server: one that is there is complete.
        let statements = format!(
            "CREATE DATABASE {USER} OWNER {USER};\n\
             CREATE ROLE doge_scram LOGIN SUPERUSER PASSWORD '{PASSWORD}';\n\
             CREATE ROLE doge_tls LOGIN SUPERUSER PASSWORD '{PASSWORD}';\n\
             CREATE ROLE {LIMITED} LOGIN PASSWORD '{PASSWORD}';\n"
        );
        let one = ["postgres", "--single", "-c", "exit_on_error=on", "-D", &at, "postgres"];
        postgres(&one, &statements)
    }

    fn is_whole(&self, data: &Path) -> bool {
        cluster(data).join("PG_VERSION").is_file()
    }

    fn launch(&self, place: &Place) -> Result<Launch, String> {
        let programs = programs().ok_or("there is no PostgreSQL")?;
        let cluster = cluster(&place.home.data());
        // Of a server that was killed, which is gone as far as we know; its number may be another process's
        // by now, or nobody has taken note of its end yet, and then the server would not start.
        let _ = fs::remove_file(cluster.join("postmaster.pid"));
        let mut words =
            vec!["postgres".to_owned(), "-D".into(), cluster.to_string_lossy().into_owned()];
        for setting in [
            "listen_addresses=127.0.0.1,127.0.0.2".to_owned(),
            format!("port={}", place.home.port("sql")),
            "unix_socket_directories=".into(),
            "ssl=on".into(),
            "ssl_cert_file=server.pem".into(),
            "ssl_key_file=server.key".into(),
            // In the cluster's folder, so that a crash leaves nothing elsewhere.
            "dynamic_shared_memory_type=mmap".into(),
        ] {
            words.extend(["-c".to_owned(), setting]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = as_user(&programs, &words);
        Ok(Launch { command, environment: Vec::new(), folder: cluster })
    }

    fn is_ready(&self, place: &Place) -> bool {
        let Some(programs) = programs() else { return false };
        let port = place.home.port("sql").to_string();
        let options = ["-h", "127.0.0.1", "-p", &port, "-U", USER, "-d", USER];
        run(Command::new(programs.join("pg_isready")).args(options)).is_ok()
    }

    /// Fast, not smart: a smart stop waits until every client has gone.
    fn stop_signal(&self) -> &'static str {
        "INT"
    }

    fn remove(&self, data: &Path) {
        let Ok(folder) = fs::read_to_string(data.join("elsewhere")) else { return };
        let name = Path::new(&folder).file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir_all(folder);
        }
    }

    fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        let port = place.home.port("sql");
        let with =
            |user: &str, host: &str| format!("postgres://{user}:{PASSWORD}@{host}:{port}/{USER}");
        vec![
            ("DOGE_TEST_POSTGRES", format!("postgres://{USER}@127.0.0.1:{port}/{USER}")),
            ("DOGE_TEST_POSTGRES_SCRAM", with("doge_scram", "127.0.0.1")),
            ("DOGE_TEST_POSTGRES_TLS", with("doge_tls", "localhost")),
            ("DOGE_TEST_POSTGRES_LIMITED", with(LIMITED, "127.0.0.1")),
            ("DOGE_TEST_POSTGRES_CA", place.tls.ca().to_string_lossy().into_owned()),
        ]
    }
}

/// Where the files of the cluster are.
fn cluster(data: &Path) -> PathBuf {
    let elsewhere = fs::read_to_string(data.join("elsewhere"));
    elsewhere.map_or_else(|_| data.to_owned(), PathBuf::from).join("cluster")
}

/// The folder of the newest PostgreSQL: Debian does not have it on the path.
fn programs() -> Option<PathBuf> {
    let version = |p: &PathBuf| {
        p.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0)
    };
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|e| e.path())
        .filter(|p| p.join("bin/initdb").is_file())
        .max_by_key(version)
        .map(|p| p.join("bin"));
    newest.or_else(|| Some(install::program("initdb")?.parent()?.to_owned()))
}

/// A command of PostgreSQL's, as a user that it accepts.
fn as_user(programs: &Path, words: &[&str]) -> Vec<String> {
    let mut command: Vec<String> = Vec::new();
    if install::is_root() {
        let other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
        command.extend(other.map(str::to_owned));
    }
    command.push(programs.join(words[0]).to_string_lossy().into_owned());
    command.extend(words[1..].iter().map(|w| (*w).to_owned()));
    command
}
