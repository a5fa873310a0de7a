//! The servers that tests need, and other people's clients that read back what sinks wrote.
//!
//! Where they are stands in the environment, as `cargo xtask services env` prints it. Without it a test of
//! a server says what it did not run, and passes; with `DOGE_TEST_SERVERS=required` it fails.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The value of a variable that tells where a server is.
pub fn server(variable: &str) -> Option<String> {
    if let Ok(value) = std::env::var(variable) {
        return Some(value);
    }
    let way = "run `cargo xtask services up`, then `eval \"$(cargo xtask services env)\"`";
    assert!(
        std::env::var("DOGE_TEST_SERVERS").as_deref() != Ok("required"),
        "{variable} is not set: {way}"
    );
    eprintln!("NOT RUN: {variable} is not set; {way}");
    None
}

/// A name that no other test has.
pub fn unique(head: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{head}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn output(command: &mut Command, install: &str) -> Result<String, String> {
    let out = command.stdin(Stdio::null()).output();
    let out = out.unwrap_or_else(|e| panic!("a client cannot be started ({e}): install {install}"));
    if out.status.success() {
        Ok(String::from_utf8(out.stdout).expect("clients write UTF-8"))
    } else {
        Err(String::from_utf8_lossy(&out.stderr).into_owned())
    }
}

/// What psql prints for a statement: a line a row, `|` between columns.
pub fn psql(url: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new("psql");
    command.args(["-X", "-At", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]);
    output(
        command.env("PGTZ", "UTC").env("PGOPTIONS", "-c intervalstyle=postgres"),
        "postgresql-client",
    )
}

/// What the MariaDB client prints for a statement: a line a row, tabs between columns.
pub fn mariadb(url: &str, sql: &str) -> Result<String, String> {
    let rest = url.strip_prefix("mysql://").expect("an address of MySQL");
    let (user, rest) = rest.split_once('@').expect("a user");
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, database) = rest.split_once('/').expect("a database");
    let (host, port) = host.split_once(':').unwrap_or((host, "3306"));
    let mut command = Command::new("mariadb");
    command.args([
        "--no-defaults",
        "-N",
        "-B",
        "--default-character-set=utf8mb4",
        "--protocol=tcp",
    ]);
    command.args(["-h", host, "-P", port, "-u", user, "-e", sql, database]);
    output(command.env("MYSQL_PWD", password), "mariadb-client")
}
