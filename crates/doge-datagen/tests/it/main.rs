//! One binary for all integration tests: linking is the slow part.

mod bytes;
mod conformance;
mod destinations;
mod failures;
mod files;
#[cfg(feature = "http")]
mod http;
mod pace;
mod pages;
#[cfg(all(feature = "parquet", feature = "compression"))]
mod readers;
mod replay;
mod servers;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod sql;
mod support;
