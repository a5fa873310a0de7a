//! The pure core of doge-datagen: from the text of a behaviour model to batches of events.
//!
//! ```text
//! text --parse--> Spec --compile--> Model --plan--> Program --engine--> EventBatch
//! ```
//!
//! Nothing in this crate does I/O, reads a clock or the environment, or makes a thread. What it
//! computes is a function of (model, seed, subject) alone.

pub mod batch;
pub mod columns;
pub mod compile;
pub mod diag;
pub mod dist;
pub mod draw;
pub mod engine;
pub mod expr;
pub mod log;
pub mod model;
pub mod source;
pub mod spec;
pub mod value;
