//! The command `doge`: arguments in, one [`RunSpec`] out, and what people
//! see of the run. Everything else is in the library.
//!
//! Standard output carries data only; words go to standard error, and the summary goes to standard
//! output where no events do.

mod args;
mod log;
mod progress;
mod stop;
mod values;

use args::{Args, Command, LogFormat, RunArgs};
use clap::Parser;
use doge_datagen::core::diag::{Diagnostic, Diagnostics};
use doge_datagen::destination;
use doge_datagen::error::{Cause, Error};
use doge_datagen::metrics::Metrics;
use doge_datagen::report::{Outcome, RunReport};
use doge_datagen::spec::{ModelText, Progress, RunSpec, prepare};
use log::Log;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| {
        let hint = hint(&error);
        let _ = error.print();
        if let Some(hint) = hint {
            words(&format!("  help: {hint}\n"));
        }
        std::process::exit(error.exit_code());
    });
    let color = args.command.color().colors(std::io::stderr().is_terminal());
    let code = match args.command {
        Command::Run(args) => run(*args, color),
        Command::Check(args) => check(&args, color),
    };
    ExitCode::from(code)
}

/// What other tools call what is called otherwise here; the parser's own tips go by spelling.
fn hint(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    Some(match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand)?;
            let is_model =
                name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
            return is_model.then(|| format!("to run a model write `doge run {name}`"));
        }
        ErrorKind::UnknownArgument => match text(ContextKind::InvalidArg)? {
            "-o" | "--output" | "--out" | "--sink" | "--dest" | "--file" => {
                "where events go is `--to jsonl:PATH`"
            }
            "--format" | "--json" | "--csv" => {
                "the format stands in the destination: `--to csv:PATH`, `--to stdout:csv`"
            }
            "-n" | "--num" | "--users" | "--rows" | "--size" => {
                "the number of subjects is `--count N`, the most events `--max-events N`"
            }
            "--force" | "-f" | "--overwrite" => {
                "what is there is replaced by `--if-exists replace`"
            }
            "-j" | "--jobs" | "--parallel" => "the number of threads is `--threads N`",
            "-p" | "--set" | "--var" | "--parameter" => {
                "a parameter is set by `--param NAME=VALUE`"
            }
            "-s" | "--random-seed" => "the seed is `--seed N`",
            "--dry-run" | "--validate" => "a model is checked by `doge check MODEL`",
            "--continue" | "--restart" => "a run that was stopped goes on with `--resume`",
            "--rate" | "--speed" | "--realtime" | "--throttle" => {
                "when events leave is `--pace realtime`, `--pace 60x` or `--pace 1000/s`"
            }
            "-v" | "--verbose" | "--debug" => "a report of the run is written by `--report FILE`",
            _ => return None,
        }
        .to_owned(),
        _ => return None,
    })
}

/// `doge run`.
fn run(args: RunArgs, color: bool) -> u8 {
    let (report_file, quiet) = (args.report.clone(), args.quiet);
    let log = if args.log_format == LogFormat::Json { Log::Json } else { Log::Text { color } };
    let show = args.progress.progress(std::io::stderr().is_terminal(), quiet, log);
    let progress = Arc::new(Progress::default());
    let metrics = args.metrics.clone();
    let mut result = args.into_spec().and_then(|mut spec| {
        let prepared = prepare(&spec)?;
        if !quiet {
            log.warnings(&prepared.warnings, &prepared.source);
        }
        let serving = metrics.map(|address| Metrics::serve(&address, progress.clone())).transpose();
        let serving = match serving {
            Ok(serving) => serving,
            Err(e) => {
                let mut diagnostics = Diagnostics::default();
                diagnostics.push(Diagnostic::general("E0692", e.message).help(e.help));
                return Err(Error::Usage(diagnostics));
            }
        };
        if let Some(serving) = serving.as_ref().filter(|_| !quiet) {
            log.serving(serving.address());
        }
        let cancel = Arc::new(AtomicBool::new(false));
        stop::on_signals(&cancel, move || log.stopping());
        spec.cancel = Some(cancel);
        spec.progress = Some(progress.clone());
        let shown = progress::show(progress, show);
        let result = doge_datagen::run::run_prepared(&spec, &prepared);
        shown.end();
        result
    });
    let mut code = match &mut result {
        Ok(report) => {
            if !quiet {
                log.summary(report);
            }
            0
        }
        Err(error) => {
            tell_how_to_go_on(error);
            log.error(error);
            match error.exit_code() {
                130 => stop::exit_code(),
                code => code,
            }
        }
    };
    if let Some(path) = report_file
        && let Err(reason) = write_report(&path, &result)
    {
        log.plain(&format!("cannot write the report {path}: {reason}"), "");
        code = if code == 0 { 1 } else { code };
    }
    code
}

/// What told a run to stop, and the command that goes on with it.
fn tell_how_to_go_on(error: &mut Error) {
    let can_resume = error.can_resume();
    let Error::Stopped(stopped) = error else { return };
    stopped.told_by = stop::told_by();
    if matches!(stopped.cause, Cause::Cancelled) {
        stopped.report.error = Some(format!("stopped by {}", stopped.told_by));
    }
    if can_resume {
        let arguments: Vec<_> =
            std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
        stopped.help.push(format!("go on where it stopped: {}", stop::resuming(&arguments)));
    }
}

/// `doge check`.
fn check(args: &args::CheckArgs, color: bool) -> u8 {
    let result = args.spec().and_then(|spec| {
        let mut prepared = prepare(&spec)?;
        let environment = |name: &str| spec.environment.get(name);
        destination::warn_unset(&prepared.destinations, &environment, &mut prepared.warnings);
        Ok(prepared)
    });
    match result {
        Ok(prepared) => {
            words(&prepared.warnings.render(&prepared.source, color));
            let model = &prepared.model;
            let states = || model.populations.iter().flat_map(|p| &p.states);
            let transitions = states().map(|s| s.transitions.len()).sum();
            verdict(&format!(
                "{}: valid; {}, {}, {}, {}, {}; {}\n",
                prepared.source.name,
                plural(model.populations.len(), "population"),
                plural(states().count(), "state"),
                plural(transitions, "transition"),
                plural(model.events.len(), "event"),
                plural(prepared.destinations.len(), "destination"),
                plural(prepared.warnings.counts().1, "warning"),
            ));
            0
        }
        Err(error) => {
            Log::Text { color }.error(&error);
            if let Error::Model { source, diagnostics } = &error {
                verdict(&format!("{}: wrong; {}\n", source.name, counts(diagnostics)));
            }
            error.exit_code()
        }
    }
}

fn counts(diagnostics: &Diagnostics) -> String {
    let (errors, warnings) = diagnostics.counts();
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn print_summary(report: &RunReport) {
    let text = report.summary();
    // Where events went to standard output, nothing else may.
    let is_stdout = |place: &str| {
        place == "standard output"
            || ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(&place)
    };
    if report.outputs.iter().any(|o| is_stdout(&o.place)) { words(&text) } else { verdict(&text) }
}

/// Text for people. That nobody reads it is no failure.
fn words(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Text for people on standard output.
fn verdict(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Writes the report of a run, or of one that did not begin.
fn write_report(path: &str, result: &Result<RunReport, Error>) -> Result<(), String> {
    let json = match result {
        Ok(report) => report.to_json(),
        Err(error) => {
            let mut report = error.report().cloned().unwrap_or_default();
            let cancelled =
                matches!(error, Error::Stopped(s) if matches!(s.cause, Cause::Cancelled));
            report.outcome = match (cancelled, error.exit_code()) {
                (true, _) => Outcome::Cancelled,
                (_, 0) => Outcome::Done,
                _ => Outcome::Failed,
            };
            report.error.get_or_insert_with(|| error.to_string());
            report.to_json()
        }
    };
    let path = std::path::Path::new(path);
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, json))
        .map_err(|e| {
            let text = e.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        })
}

/// Reads the model, and puts the arguments around it.
fn with_model(path: &str, mut spec: RunSpec) -> Result<RunSpec, Error> {
    spec.model = ModelText::read(path)?;
    Ok(spec)
}
