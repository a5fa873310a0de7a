//! Destinations that the language knows and this build cannot write to. Their keys are checked as
//! known; using one is an error that says today's way.

use super::{Key, Make, SinkKind, Takes};

const TABLE_WAY: &str =
    "write to an SQLite file today: `sqlite: { path: out/NAME.db, table: \"{event}\" }`";
const FILE_WAY: &str = "write to a file today: `file: { path: \"out/{event}.jsonl\" }`";

const fn later(
    name: &'static str,
    summary: &'static str,
    takes: Takes,
    keys: &'static [Key],
    way: &'static str,
) -> SinkKind {
    SinkKind {
        name,
        summary,
        keys,
        takes,
        keeps: true,
        resumable: true,
        make: Make::Later("is not supported yet", way),
    }
}

macro_rules! keys {
    ($($name:literal),*) => { &[$(Key { name: $name, value: super::KeyValue::Any, required: false, later: None, doc: "" }),*] };
}

/// `sqlite`, in a build without its feature
#[cfg(not(feature = "sqlite"))]
pub static SQLITE: SinkKind = SinkKind {
    make: Make::Later("is not in this build", "build with `--features sqlite`"),
    ..later(
        "sqlite",
        "tables of an SQLite file",
        Takes::Table,
        keys!["path", "table", "create"],
        FILE_WAY,
    )
};

/// `postgres`
pub static POSTGRES: SinkKind = later(
    "postgres",
    "tables of a Postgres database",
    Takes::Table,
    keys!["url", "table", "create", "tls"],
    TABLE_WAY,
);

/// `mysql`
pub static MYSQL: SinkKind = later(
    "mysql",
    "tables of a MySQL database",
    Takes::Table,
    keys!["url", "table", "create", "tls"],
    TABLE_WAY,
);

/// `kafka`, in a build without its feature
#[cfg(not(feature = "kafka"))]
pub static KAFKA: SinkKind = SinkKind {
    make: Make::Later("is not in this build", "build with `--features kafka`"),
    ..later(
        "kafka",
        "messages in topics of a Kafka cluster",
        Takes::Messages,
        keys![
            "brokers",
            "topic",
            "format",
            "key_format",
            "registry",
            "create",
            "tls",
            "sasl",
            "transactions",
            "config"
        ],
        FILE_WAY,
    )
};

/// `http`
pub static HTTP: SinkKind = later(
    "http",
    "requests to a web server",
    Takes::Text,
    keys!["url", "method", "headers", "format", "batch"],
    FILE_WAY,
);
