//! Destinations that this build has not: their features were not chosen. Their keys are known, and using
//! one is an error that says how to build it in.

use super::{Key, Make, SinkKind, Takes};

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
        make: Make::Later("is not in this build", way),
    }
}

macro_rules! keys {
    ($($name:literal),*) => { &[$(Key { name: $name, value: super::KeyValue::Any, required: false, later: None, doc: "" }),*] };
}

/// `sqlite`, in a build without its feature
#[cfg(not(feature = "sqlite"))]
pub static SQLITE: SinkKind = later(
    "sqlite",
    "tables of an SQLite file",
    Takes::Table,
    keys!["path", "table", "create"],
    "build with `--features sqlite`",
);

/// `postgres`, in a build without its feature
#[cfg(not(feature = "postgres"))]
pub static POSTGRES: SinkKind = later(
    "postgres",
    "rows in tables of a PostgreSQL database",
    Takes::Table,
    keys!["url", "table", "create", "tls"],
    "build with `--features postgres`",
);

/// `mysql`, in a build without its feature
#[cfg(not(feature = "mysql"))]
pub static MYSQL: SinkKind = later(
    "mysql",
    "rows in tables of a MySQL or MariaDB database",
    Takes::Table,
    keys!["url", "table", "create", "tls"],
    "build with `--features mysql`",
);

/// `kafka`, in a build without its feature
#[cfg(not(feature = "kafka"))]
pub static KAFKA: SinkKind = later(
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
    "build with `--features kafka`",
);

/// `http`, in a build without its feature
#[cfg(not(feature = "http"))]
pub static HTTP: SinkKind = SinkKind {
    keeps: false,
    resumable: false,
    ..later(
        "http",
        "requests to a web server, each with a batch of events",
        Takes::Text,
        keys!["url", "method", "headers", "format", "batch"],
        "build with `--features http`",
    )
};
