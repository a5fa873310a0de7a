//! Meaning: from a [`Spec`](crate::spec::Spec) to a [`Model`].

use crate::diag::Diagnostics;
use crate::model::Model;
use crate::spec::Spec;

/// Checks a model and resolves it. Reports every problem; opens nothing.
///
/// # Errors
/// All problems, where one of them is an error; otherwise the warnings come with the model.
pub fn compile(_spec: &Spec) -> Result<(Model, Diagnostics), Diagnostics> {
    Err(Diagnostics::default())
}
