//! One binary for all integration tests: linking is the slow part.

mod bytes;
mod conformance;
mod destinations;
mod failures;
mod files;
mod pages;
#[cfg(all(feature = "parquet", feature = "compression"))]
mod readers;
mod replay;
mod support;
