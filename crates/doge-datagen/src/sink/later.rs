//! Destinations that the language knows and this build cannot write to. Their keys are checked as
//! known; using one is an error that says today's way.

use super::{Key, Make, SinkKind, Takes};

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

/// `postgres`, in a build without its feature
#[cfg(not(feature = "postgres"))]
pub static POSTGRES: SinkKind = SinkKind {
    make: Make::Later("is not in this build", "build with `--features postgres`"),
    ..later(
        "postgres",
        "rows in tables of a PostgreSQL database",
        Takes::Table,
        keys!["url", "table", "create", "tls"],
        FILE_WAY,
    )
};

/// `mysql`, in a build without its feature
#[cfg(not(feature = "mysql"))]
pub static MYSQL: SinkKind = SinkKind {
    make: Make::Later("is not in this build", "build with `--features mysql`"),
    ..later(
        "mysql",
        "rows in tables of a MySQL or MariaDB database",
        Takes::Table,
        keys!["url", "table", "create", "tls"],
        FILE_WAY,
    )
};

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

/// `http`, in a build without its feature
#[cfg(not(feature = "http"))]
pub static HTTP: SinkKind = SinkKind {
    make: Make::Later("is not in this build", "build with `--features http`"),
    keeps: false,
    resumable: false,
    ..later(
        "http",
        "requests to a web server, each with a batch of events",
        Takes::Text,
        keys!["url", "method", "headers", "format", "batch"],
        FILE_WAY,
    )
};
