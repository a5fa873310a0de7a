//! Formats, sinks and the run: everything of doge-datagen that does I/O.

pub use doge_core as core;

pub mod destination;
pub mod error;
pub mod format;
#[cfg(feature = "registry")]
pub mod registry;
pub mod report;
pub mod run;
pub mod sink;
pub mod spec;
