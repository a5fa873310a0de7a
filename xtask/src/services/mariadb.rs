//! MariaDB, with a user for each way to sign in.

use super::install::{self, Need};
use super::process::{Launch, run, run_noted};
use super::{LIMITED, PASSWORD, Place, Service, USER};
use std::path::Path;
use std::process::Command;

pub struct MariaDb;

const NEEDS: &[Need] = &[
    Need { package: "openssl", is_there: || install::program("openssl").is_some() },
    Need {
        package: "mariadb-server-core",
        is_there: || {
            ["mariadbd", "mariadb-install-db"].iter().all(|p| install::program(p).is_some())
        },
    },
    Need {
        // What makes the data of the server-core needs a program of this one.
        package: "mariadb-client-core",
        is_there: || ["mariadb", "my_print_defaults"].iter().all(|p| install::program(p).is_some()),
    },
];

impl Service for MariaDb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn ports(&self) -> &'static [(&'static str, u16)] {
        &[("sql", 13306)]
    }

    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn create(&self, place: &Place, into: &Path) -> Result<(), String> {
        let program = install::program("mariadb-install-db").ok_or("there is no MariaDB")?;
        let mut words = vec![program.to_string_lossy().into_owned()];
        let options =
            ["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"];
        words.extend(options.into_iter().chain(as_root()).map(str::to_owned));
        words.push(format!("--datadir={}", into.display()));
        run_noted(&words, into, "", &place.home.maker_file())
    }

    fn launch(&self, place: &Place) -> Result<Launch, String> {
        let program = install::program("mariadbd").ok_or("there is no MariaDB")?;
        let data = place.home.data();
        // Each a line. It runs before the server accepts connections, at every start.
        let statements = format!(
            "CREATE DATABASE IF NOT EXISTS {USER};\n\
             CREATE USER IF NOT EXISTS {USER} IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO {USER} WITH GRANT OPTION;\n\
             CREATE USER IF NOT EXISTS doge_tls IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;\n\
             GRANT ALL ON *.* TO doge_tls WITH GRANT OPTION;\n\
             CREATE USER IF NOT EXISTS {LIMITED} IDENTIFIED BY '{PASSWORD}';\n\
             GRANT SELECT ON {USER}.* TO {LIMITED};\n"
        );
        let statements = place.home.write("start.sql", &statements)?;
        let mut command = vec![program.to_string_lossy().into_owned(), "--no-defaults".into()];
        command.extend([
            format!("--datadir={}", data.display()),
            "--bind-address=127.0.0.1".into(),
            format!("--port={}", place.home.port("sql")),
            // Relative to the data: the path of a socket has at most 107 bytes.
            "--socket=socket".into(),
            "--pid-file=server.pid".into(),
            format!("--init-file={}", statements.display()),
            "--local-infile=1".into(),
            "--skip-name-resolve".into(),
            "--character-set-server=utf8mb4".into(),
            "--default-time-zone=+00:00".into(),
            format!("--ssl-ca={}", place.tls.ca().display()),
            format!("--ssl-cert={}", place.tls.certificate().display()),
            format!("--ssl-key={}", place.tls.key().display()),
        ]);
        command.extend(as_root().map(str::to_owned));
        Ok(Launch { command, environment: Vec::new(), folder: data })
    }

    fn is_ready(&self, place: &Place) -> bool {
        let port = place.home.port("sql").to_string();
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-P",
            &port,
            "-u",
            USER,
            "-e",
            "SELECT 1",
        ]);
        run(command.arg(USER).env("MYSQL_PWD", PASSWORD)).is_ok()
    }

    fn variables(&self, place: &Place) -> Vec<(&'static str, String)> {
        let port = place.home.port("sql");
        let with =
            |user: &str, host: &str| format!("mysql://{user}:{PASSWORD}@{host}:{port}/{USER}");
        vec![
            ("DOGE_TEST_MYSQL", with(USER, "127.0.0.1")),
            ("DOGE_TEST_MYSQL_TLS", with("doge_tls", "localhost")),
            ("DOGE_TEST_MYSQL_LIMITED", with(LIMITED, "127.0.0.1")),
            ("DOGE_TEST_MYSQL_CA", place.tls.ca().to_string_lossy().into_owned()),
        ]
    }
}

/// As root it runs only when told that this is meant.
fn as_root() -> impl Iterator<Item = &'static str> {
    install::is_root().then_some("--user=root").into_iter()
}
