//! Same model, same events: whatever the engine is told of windows, cells, workers, memory, shards,
//! subsets, selections and lengths leaves no trace, and what comes out is what the plain engine of
//! [`crate::reference`] gives.
//!
//! The models are made up ([`models`]), from fixed seeds; a failing one is shrunk and printed.

pub mod drive;
mod models;
mod properties;

use crate::reference::{self, Outcome, Part};
use doge_core::compile::load;
use doge_core::model::Model;
use doge_core::source::Source;
use doge_core::spec::Overrides;
use std::sync::Arc;

/// A model from its text.
pub fn compiled(text: &str) -> Model {
    compiled_with(text, &Overrides::default())
}

/// A model from its text, with parts replaced.
pub fn compiled_with(text: &str, overrides: &Overrides) -> Model {
    try_compiled(text, overrides)
        .unwrap_or_else(|problems| panic!("the model does not compile:\n{problems}\n{text}"))
}

/// The same, or what is wrong with it.
pub fn try_compiled(text: &str, overrides: &Overrides) -> Result<Model, String> {
    let source = Arc::new(Source::new("made.yaml", text));
    match load(&source, overrides) {
        Ok(loaded) => Ok(loaded.model),
        Err(diags) => Err(diags.render(&source, false)),
    }
}

/// What the plain engine gives for the whole of a model.
pub fn whole(model: &Model) -> Outcome {
    let events: Vec<bool> = model.events.iter().map(|e| e.emitted).collect();
    reference::run(model, &Part { events: &events, subjects: &|_, _| true })
}
