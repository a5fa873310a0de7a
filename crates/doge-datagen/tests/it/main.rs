//! One binary for all integration tests: linking is the slow part.

mod conformance;
mod destinations;
mod failures;
mod support;
