//! One binary for all integration tests: linking is the slow part.

mod bytes;
mod conformance;
mod destinations;
mod failures;
mod pages;
mod replay;
mod support;
