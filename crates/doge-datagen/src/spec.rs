//! What a run is made from: the one form into which command lines and programs put their wishes.
//!
//! [`prepare`] turns it into what can be run: the model compiled, the destinations checked, the subjects
//! chosen. Nothing is opened here.

use crate::destination::{self, DestinationSpec, Output, Request};
use crate::error::Error;
use crate::sink::IfExists;
use doge_core::batch::IdMap;
use doge_core::diag::{Diagnostic, Diagnostics, nearest, shown};
use doge_core::model::Model;
use doge_core::source::Source;
use doge_core::spec::Overrides;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Bytes that a run may use for buffers where `--memory` says nothing.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// Everything that a run depends on.
#[derive(Clone, Default)]
pub struct RunSpec {
    /// The model's text.
    pub model: ModelText,
    /// What replaces parts of the model.
    pub overrides: Overrides,
    /// Destinations instead of the model's sinks; empty: the model's, or standard output.
    pub to: Vec<DestinationSpec>,
    /// Only these events; empty: all.
    pub events: Vec<String>,
    /// Only these subjects, at most one range for each population; empty: all.
    pub subjects: Vec<SubjectRange>,
    /// Shard, from 1, and number of shards; `None` is `1/1`.
    pub shard: Option<(u64, u64)>,
    /// Only the first so many events, in order.
    pub max_events: Option<u64>,
    /// Threads that simulate; `None`: as many as there are processors.
    pub threads: Option<usize>,
    /// Bytes for buffers; `None`: [`DEFAULT_MEMORY`].
    pub memory: Option<u64>,
    /// What to do with what is there, for all destinations.
    pub if_exists: Option<IfExists>,
    /// Go on where an earlier run of the same stream stopped.
    pub resume: bool,
    /// Windows of exactly so many ticks, for tests.
    pub window_ticks: Option<u64>,
    /// Where `${NAME}` in the model's sinks comes from.
    pub environment: Environment,
    /// Is kept up to date while the run goes on.
    pub progress: Option<Arc<Progress>>,
    /// When it becomes true the run ends with [`Cause::Cancelled`](crate::error::Cause::Cancelled).
    pub cancel: Option<Arc<AtomicBool>>,
}

/// Variables for `${NAME}` in the model's sinks.
#[derive(Clone, Debug, Default)]
pub enum Environment {
    /// Those of this process.
    #[default]
    Process,
    /// These and no others.
    Fixed(BTreeMap<String, String>),
}

impl Environment {
    /// The value of a variable. One that is not UTF-8 counts as not set.
    pub fn get(&self, name: &str) -> Option<String> {
        match self {
            Environment::Process => std::env::var(name).ok(),
            Environment::Fixed(map) => map.get(name).cloned(),
        }
    }
}

/// An instant as people read it: RFC 3339, milliseconds only where there are some.
pub fn instant_text(ms: i64) -> String {
    crate::sink::timestamp(ms).replace(".000Z", "Z")
}

/// A model as text, with the name under which it is shown.
#[derive(Clone, Debug, Default)]
pub struct ModelText {
    /// A path, or `<stdin>`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Models longer than this are refused before they are read.
const MOST_TEXT: u64 = 256 << 20;

impl ModelText {
    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// [`Error::Read`] where it cannot be read or is no UTF-8 text.
    pub fn read(path: &str) -> Result<ModelText, Error> {
        let name = if path == "-" { "<stdin>" } else { path };
        let fail = |reason: String| Error::Read { name: name.to_owned(), reason };
        let mut bytes = Vec::new();
        let read = if path == "-" {
            std::io::stdin().lock().take(MOST_TEXT + 1).read_to_end(&mut bytes)
        } else {
            if Path::new(path).is_dir() {
                return Err(fail("it is a folder".into()));
            }
            std::fs::File::open(path).and_then(|f| f.take(MOST_TEXT + 1).read_to_end(&mut bytes))
        };
        read.map_err(|e| fail(crate::sink::io_reason(&e)))?;
        if bytes.len() as u64 > MOST_TEXT {
            return Err(fail("it is longer than 256 MiB".into()));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            let bytes = e.as_bytes();
            if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                return fail("it seems to be UTF-16 text; save it as UTF-8".to_owned());
            }
            let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
            fail(format!("it is not UTF-8 text (in line {line} is the first byte that is not)"))
        })?;
        Ok(ModelText { name: name.to_owned(), text })
    }
}

/// A range of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRange {
    /// The population; `None`: the only one.
    pub population: Option<String>,
    /// The ids, the end excluded.
    pub ids: Range<u64>,
}

/// How far a run is; written by the run, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    events: AtomicU64,
    start_ms: AtomicI64,
    now_ms: AtomicI64,
    end_ms: AtomicI64,
    most_events: AtomicU64,
}

/// A look at [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Events written.
    pub events: u64,
    /// The simulated instants of begin, present and end; all 0 before the run has begun.
    pub start_ms: i64,
    /// The present.
    pub now_ms: i64,
    /// The end.
    pub end_ms: i64,
    /// The number of events after which the run ends, if there is one.
    pub most_events: Option<u64>,
}

impl Progress {
    /// The run begins.
    pub fn begin(&self, start_ms: i64, end_ms: i64, most_events: Option<u64>) {
        self.start_ms.store(start_ms, Ordering::Relaxed);
        self.now_ms.store(start_ms, Ordering::Relaxed);
        self.end_ms.store(end_ms, Ordering::Relaxed);
        self.most_events.store(most_events.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// So many events are written in all, and everything before `now_ms` is simulated.
    pub fn set(&self, events: u64, now_ms: i64) {
        self.events.store(events, Ordering::Relaxed);
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How far it is.
    pub fn snapshot(&self) -> Snapshot {
        let most = self.most_events.load(Ordering::Relaxed);
        Snapshot {
            events: self.events.load(Ordering::Relaxed),
            start_ms: self.start_ms.load(Ordering::Relaxed),
            now_ms: self.now_ms.load(Ordering::Relaxed),
            end_ms: self.end_ms.load(Ordering::Relaxed),
            most_events: (most != 0 && most != u64::MAX).then_some(most),
        }
    }
}

impl Snapshot {
    /// The part that is done, from 0 to 1.
    pub fn part(&self) -> f64 {
        let time =
            (self.now_ms - self.start_ms) as f64 / ((self.end_ms - self.start_ms) as f64).max(1.0);
        let events = self.most_events.map_or(0.0, |most| self.events as f64 / most as f64);
        time.max(events).clamp(0.0, 1.0)
    }
}

/// A run that is ready: checked, nothing opened.
#[derive(Clone)]
pub struct Prepared {
    /// The model's text.
    pub source: Arc<Source>,
    /// The model, overrides applied.
    pub model: Model,
    /// What does not keep it from running.
    pub warnings: Diagnostics,
    /// Where events go.
    pub destinations: Vec<DestinationSpec>,
    /// The events chosen by `events`, of those that something emits.
    pub selected: Vec<bool>,
    /// The ids of each population.
    pub ids: Vec<IdMap>,
    /// Shard, from 1, and number of shards.
    pub shard: (u64, u64),
}

impl Prepared {
    /// Makes the outputs, in the order of the destinations. Opens nothing.
    ///
    /// # Errors
    /// [`Error::Model`] or [`Error::Usage`]: a variable is not set, two outputs share a place, and the like.
    pub fn outputs(&self, spec: &RunSpec) -> Result<Vec<Output>, Error> {
        destination::resolve(&Request {
            destinations: &self.destinations,
            model: &self.model,
            selected: Some(&self.selected),
            if_exists: spec.if_exists,
            shard: self.shard,
            resume: spec.resume,
            folder: Path::new(&spec.model.name).parent().unwrap_or(Path::new("")),
            environment: &|name| spec.environment.get(name),
        })
        .map_err(|d| failed(&self.source, d))
    }
}

/// A problem of the model where it has a place in it, else of the command.
fn failed(source: &Arc<Source>, diagnostics: Diagnostics) -> Error {
    if diagnostics.0.iter().any(|d| d.span.is_some()) {
        Error::Model { source: source.clone(), diagnostics }
    } else {
        Error::Usage(diagnostics)
    }
}

/// Reads, checks and compiles; opens nothing.
///
/// # Errors
/// [`Error::Model`] with every problem of the model, or [`Error::Usage`] with every problem of the rest.
pub fn prepare(run: &RunSpec) -> Result<Prepared, Error> {
    let source = Arc::new(Source::new(run.model.name.clone(), run.model.text.clone()));
    let mut destinations = Vec::new();
    let loaded = doge_core::compile::load_with(&source, &run.overrides, |spec, diags| {
        let mut problems = Diagnostics::default();
        destinations = match &spec.sinks {
            Some(sinks) => destination::check(sinks, &destination::events_of(spec), &mut problems),
            None => vec![destination::default_destination()],
        };
        if !run.to.is_empty() {
            // The model's own are replaced: what they cannot do yet does not matter.
            problems.0.retain(|d| d.code != destination::code::LATER);
            destinations = run.to.clone();
        }
        diags.extend(problems);
    })
    .map_err(|diagnostics| failed(&source, diagnostics))?;
    let (model, mut warnings) = (loaded.model, loaded.warnings);
    let folder = Path::new(&run.model.name).parent().unwrap_or(Path::new(""));
    crate::format::schema::check(&loaded.spec, &model, folder, &mut warnings);
    if warnings.has_errors() {
        warnings.sort();
        return Err(failed(&source, warnings));
    }
    let mut usage = Diagnostics::default();
    let selected = select_events(&model, &run.events, &mut usage);
    let shard = run.shard.unwrap_or((1, 1));
    if shard.0 == 0 || shard.0 > shard.1 {
        usage.push(
            Diagnostic::general("E0802", format!("there is no shard {}/{}", shard.0, shard.1))
                .help("shards are 1/N to N/N"),
        );
    }
    let ids = if usage.has_errors() {
        Vec::new()
    } else {
        select_ids(&model, &run.subjects, shard, &mut usage)
    };
    if usage.has_errors() {
        return Err(Error::Usage(usage));
    }
    Ok(Prepared { source, model, warnings, destinations, selected, ids, shard })
}

/// The index of a population, or of the only one.
fn population(
    names: &[String],
    name: Option<&str>,
    value: &str,
    usage: &mut Diagnostics,
) -> Option<usize> {
    let Some(name) = name else {
        if names.len() == 1 {
            return Some(0);
        }
        let forms: Vec<_> = names.iter().map(|n| format!("--subjects {n}:{value}")).collect();
        usage.push(
            Diagnostic::general(
                "E0803",
                format!("--subjects {value}: the model has {} populations", names.len()),
            )
            .help(if forms.is_empty() {
                "give the model one".into()
            } else {
                format!("write {}", forms.join(" or "))
            }),
        );
        return None;
    };
    let found = names.iter().position(|n| n == name);
    if found.is_none() {
        let e = Diagnostic::general(
            "E0803",
            format!("--subjects {name}:{value}: there is no population {}", shown(name)),
        );
        usage.push(match nearest(name, names.iter().map(String::as_str)) {
            Some(n) => e.help(format!("did you mean {n}?")),
            None => e.note(format!("the populations are {}", names.join(", "))),
        });
    }
    found
}

fn select_events(model: &Model, events: &[String], usage: &mut Diagnostics) -> Vec<bool> {
    let names = model.events.iter().map(|e| e.name.as_str());
    for name in events {
        match model.events.iter().find(|e| e.name == *name) {
            None => {
                let mut e = destination::unknown_event(name, names.clone(), None);
                e.message = format!("--events: {}", e.message);
                usage.push(e);
            }
            Some(e) if !e.emitted => usage.push(
                Diagnostic::general("E0804", format!("--events: nothing emits the event {name}"))
                    .help("leave it out, or emit it in a transition"),
            ),
            Some(_) => {}
        }
    }
    let chosen = |name: &String| events.is_empty() || events.contains(name);
    model.events.iter().map(|e| e.emitted && chosen(&e.name)).collect()
}

fn select_ids(
    model: &Model,
    ranges: &[SubjectRange],
    (shard, shards): (u64, u64),
    usage: &mut Diagnostics,
) -> Vec<IdMap> {
    let names: Vec<String> = model.populations.iter().map(|p| p.name.clone()).collect();
    let mut chosen: Vec<Option<Range<u64>>> = model
        .populations
        .iter()
        .map(|p| if ranges.is_empty() { Some(0..p.count) } else { None })
        .collect();
    for range in ranges {
        let text = match range.ids.end - range.ids.start {
            1 => range.ids.start.to_string(),
            _ => format!("{}..{}", range.ids.start, range.ids.end),
        };
        let name = range.population.as_deref();
        let Some(index) = population(&names, name, &text, usage) else {
            continue;
        };
        let count = model.populations[index].count;
        if range.ids.end > count || range.ids.is_empty() {
            usage.push(
                Diagnostic::general(
                    "E0805",
                    format!("--subjects {text}: {} has {count} subjects", names[index]),
                )
                .help(match count {
                    0 => "raise its count".to_owned(),
                    1 => "its only id is 0".to_owned(),
                    _ => format!("its ids are 0 to {}; the end of a range is excluded", count - 1),
                }),
            );
        } else if chosen[index].is_some() {
            usage.push(
                Diagnostic::general(
                    "E0805",
                    format!("--subjects stands twice for {}", names[index]),
                )
                .help("give one range for each population"),
            );
        } else {
            chosen[index] = Some(range.ids.clone());
        }
    }
    chosen
        .into_iter()
        .map(|range| {
            let range = range.unwrap_or(0..0);
            IdMap::shard(range.start, range.end, shard - 1, shards)
        })
        .collect()
}
