//! Runs a model: the only place that opens sinks.

use crate::error::{Cause, Error, Stopped};
use crate::report::{Outcome, OutputReport, RunReport};
use crate::sink::Opening;
use crate::spec::{RunSpec, prepare};

/// Runs a model.
///
/// # Errors
/// See [`Error`].
pub fn run(spec: &RunSpec) -> Result<RunReport, Error> {
    let prepared = prepare(spec)?;
    let mut outputs = prepared.outputs(spec)?;
    let mut errors = Vec::new();
    for output in &mut outputs {
        if let Err(e) = output.sink.open(&Opening::default()) {
            errors.push(e);
        }
    }
    let mut report = RunReport { model: prepared.model.name.clone(), seed: prepared.model.seed, ..RunReport::default() };
    if errors.is_empty() {
        for output in &mut outputs {
            match output.sink.finish() {
                Ok(done) => report.outputs.push(OutputReport {
                    destination: output.name.clone(),
                    place: done.place,
                    events: 0,
                    bytes: done.bytes,
                    safe: None,
                }),
                Err(e) => errors.push(e),
            }
        }
    }
    if errors.is_empty() {
        return Ok(report);
    }
    report.outcome = Outcome::Failed;
    report.error = Some(errors[0].message.clone());
    let safe = outputs.iter_mut().map(|o| o.sink.abort()).collect();
    Err(Error::Stopped(Box::new(Stopped { cause: Cause::Open(errors), safe, report })))
}
