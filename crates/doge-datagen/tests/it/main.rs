//! One binary for all integration tests: linking is the slow part.

mod bytes;
mod conformance;
mod destinations;
mod failures;
mod pages;
#[cfg(feature = "http")]
mod http;
mod pace;
mod replay;
mod servers;
mod support;
