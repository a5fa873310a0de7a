//! Runs a model: the only place that makes threads and opens sinks.

mod failure;
mod lanes;
mod pump;

use crate::destination::{Output, OutputKind};
use crate::error::{Cause, Error, Stopped};
use crate::format::TextEncoder;
use crate::report::{Outcome, OutputReport, RunReport};
use crate::sink::{Opening, Past, SinkError, Stream};
use crate::spec::{Prepared, RunSpec, prepare};
use doge_core::diag::{Diagnostic, Diagnostics};
use doge_core::engine::{Engine, Program, Selection, Tuning};
use lanes::{Feed, Lanes};
use pump::{End, Pump};
use std::sync::Arc;
use std::time::Instant;

/// Bytes that records of a window may take where `--memory` says nothing.
const BUFFER_BYTES: u64 = 256 << 20;
/// Least bytes for the same.
const LEAST_BUFFER_BYTES: u64 = 1 << 20;

/// Runs a model.
///
/// # Errors
/// See [`Error`]. Where a run was begun, outputs say what is safe.
pub fn run(spec: &RunSpec) -> Result<RunReport, Error> {
    run_prepared(spec, &prepare(spec)?)
}

/// Runs what [`prepare`] made of the same `spec`, for callers that look at it before.
///
/// # Errors
/// As [`run`].
pub fn run_prepared(spec: &RunSpec, prepared: &Prepared) -> Result<RunReport, Error> {
    let begun = Instant::now();
    let mut outputs = prepared.outputs(spec)?;
    let program = program(prepared, &outputs)?;
    let tuning = Tuning {
        buffer_bytes: buffers(spec, &program)?,
        threads: threads(spec, &program),
        window_ticks: spec.window_ticks,
        ..Tuning::default()
    };
    let mut report = begin(prepared, &program);
    report.threads = tuning.threads;
    let opened = open(spec, prepared, &program, &mut outputs);
    let (lanes, complete) = match opened {
        Ok(opened) => opened,
        Err(errors) => {
            report.outcome = Outcome::Failed;
            report.error = errors.first().map(|e| e.message.clone());
            let safe = outputs.iter_mut().map(|o| o.sink.abort()).collect();
            report.wall = begun.elapsed();
            return Err(Error::Stopped(Box::new(Stopped {
                cause: Cause::Open(errors),
                safe,
                report,
            })));
        }
    };
    if complete {
        report.complete = true;
        report.ticks = 0;
        lanes.close(&mut outputs, false);
        report.outputs = outputs.iter().map(|o| line(o, 0)).collect();
        return finish(None, &mut outputs, report, begun);
    }
    let engine = Engine::new(program.clone(), tuning);
    let mut pump = Pump::new(engine, report.threads, lanes, spec);
    let end = pump.run();
    pump.report(&outputs, &mut report);
    let stopped = !matches!(end, End::Done);
    let failed = pump.close(&mut outputs, stopped);
    let cause = match (failed, end) {
        (Some(e), _) => Some(sink_cause(e)),
        (None, End::Cancelled) => Some(Cause::Cancelled),
        (None, End::Failed(failure)) => {
            Some(Cause::Expression(failure::describe(spec, prepared, &failure)))
        }
        (None, End::Done) => None,
    };
    finish(cause, &mut outputs, report, begun)
}

/// The program for what the outputs take.
fn program(prepared: &Prepared, outputs: &[Output]) -> Result<Arc<Program>, Error> {
    let mut events = vec![false; prepared.model.events.len()];
    for output in outputs {
        for (taken, here) in events.iter_mut().zip(&output.events) {
            *taken |= here;
        }
    }
    let selection = Selection { subjects: prepared.ids.clone(), events };
    Program::new(&prepared.model, &selection).map(Arc::new).map_err(|message| {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::general("E0690", message));
        Error::Usage(diagnostics)
    })
}

/// Bytes for the records of a window: what `--memory` leaves beside the subjects.
fn buffers(spec: &RunSpec, program: &Program) -> Result<u64, Error> {
    let Some(memory) = spec.memory else { return Ok(BUFFER_BYTES) };
    let state = program.state_bytes();
    if state + LEAST_BUFFER_BYTES > memory {
        let subjects: u64 = program.layout.ids.iter().map(|i| i.count).sum();
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(
            Diagnostic::general(
                "E0691",
                format!(
                    "--memory {memory}: the state of {} subjects alone takes {} bytes",
                    crate::sink::grouped(subjects),
                    crate::sink::grouped(state)
                ),
            )
            .help(format!(
                "give it at least {} MiB",
                (state + LEAST_BUFFER_BYTES).div_ceil(1 << 20)
            ))
            .help("or split the run: `--shard 1/4`, `--shard 2/4`, ... need a quarter each"),
        );
        return Err(Error::Usage(diagnostics));
    }
    // Encoded text and what sinks have not written yet come beside the records.
    Ok(((memory - state) / 2).clamp(LEAST_BUFFER_BYTES, BUFFER_BYTES))
}

fn threads(spec: &RunSpec, program: &Program) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let subjects: u64 = program.layout.ids.iter().map(|i| i.count).sum();
    // A thread for a handful of subjects costs more than it brings, as does one without a core to run
    // on; two are always possible, so that what they do can be tried anywhere.
    let useful = usize::try_from(subjects / 2048).unwrap_or(usize::MAX).min(cores.max(2)).max(1);
    spec.threads.unwrap_or(cores).clamp(1, useful)
}

fn begin(prepared: &Prepared, program: &Program) -> RunReport {
    let model = &prepared.model;
    let clock = model.clock;
    RunReport {
        model: model.name.clone(),
        seed: model.seed,
        shard: prepared.shard,
        start_ms: clock.start_ms,
        end_ms: clock.start_ms + clock.ticks as i64 * clock.tick_ms,
        tick_ms: clock.tick_ms,
        ticks: clock.ticks,
        subjects: program
            .layout
            .populations
            .iter()
            .cloned()
            .zip(program.layout.ids.iter().map(|i| i.count))
            .collect(),
        ..RunReport::default()
    }
}

/// Opens all outputs; where some fail all others are still tried. Also whether all of them hold the
/// whole run already.
fn open(
    spec: &RunSpec,
    prepared: &Prepared,
    program: &Arc<Program>,
    outputs: &mut [Output],
) -> Result<(Lanes, bool), Vec<SinkError>> {
    let mut errors = Vec::new();
    let mut feeds = Vec::new();
    let mut pasts: Vec<Option<Past>> = Vec::new();
    let stream = Arc::new(Stream::of(prepared, spec.max_events));
    let end_ms = program.start_ms + program.ticks as i64 * program.tick_ms;
    for output in outputs.iter_mut() {
        let mut feed = Feed::of(output, &program.layout);
        let header = match &feed {
            Feed::Text(encoder) => TextEncoder::header(encoder).to_vec(),
            _ => Vec::new(),
        };
        let opening = Opening {
            header,
            stream: stream.clone(),
            resume: spec.resume,
            span_ms: (program.start_ms, end_ms),
            meter: output.meter.clone(),
            stop: spec.cancel.clone().unwrap_or_default(),
            paced: false,
        };
        let opened = output.sink.open(&opening).and_then(|past| {
            if output.kind == OutputKind::Messages
                && let Some(encoder) = output.sink.messages(&program.layout, &output.events)?
            {
                feed = Feed::Messages(encoder);
            }
            Ok(past)
        });
        match opened {
            Ok(past) => pasts.push(past),
            Err(e) => errors.push(e),
        }
        feeds.push(feed);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let is_complete =
        |past: &Option<Past>| past.and_then(|p| p.complete_ms).is_some_and(|ms| ms >= end_ms);
    let complete = !pasts.is_empty() && pasts.iter().all(is_complete);
    Ok((Lanes::new(outputs, feeds, &pasts, &program.layout), complete))
}

fn sink_cause(e: SinkError) -> Cause {
    if e.closed_pipe { Cause::ClosedPipe } else { Cause::Sink(e) }
}

/// Ends the outputs as the run ended.
fn finish(
    mut cause: Option<Cause>,
    outputs: &mut [Output],
    mut report: RunReport,
    begun: Instant,
) -> Result<RunReport, Error> {
    if cause.is_none() {
        for (output, line) in outputs.iter_mut().zip(&mut report.outputs) {
            match output.sink.finish() {
                Ok(done) => {
                    line.place = done.place;
                    line.bytes = done.bytes;
                }
                Err(e) => {
                    cause.get_or_insert(sink_cause(e));
                }
            }
        }
    }
    report.wall = begun.elapsed();
    let Some(cause) = cause else { return Ok(report) };
    report.outcome =
        if matches!(cause, Cause::Cancelled) { Outcome::Cancelled } else { Outcome::Failed };
    let safe: Vec<String> = outputs.iter_mut().map(|o| o.sink.abort()).collect();
    for (line, safe) in report.outputs.iter_mut().zip(&safe) {
        line.safe = Some(safe.clone());
    }
    report.error = Some(match &cause {
        Cause::Sink(e) => e.message.clone(),
        Cause::Expression(e) => e.message.clone(),
        Cause::Cancelled => "stopped by Ctrl-C".into(),
        Cause::ClosedPipe => "the reader of the output went away".into(),
        Cause::Open(_) => String::new(),
    });
    Err(Error::Stopped(Box::new(Stopped { cause, safe, report })))
}

/// An output's line of the report.
fn line(output: &Output, events: u64) -> OutputReport {
    OutputReport {
        destination: output.name.clone(),
        place: output.place.clone(),
        events,
        bytes: None,
        safe: None,
    }
}
