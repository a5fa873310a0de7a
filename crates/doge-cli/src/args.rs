//! The command line: its options, their help, and the run that they ask for.

use crate::values;
use crate::with_model;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use doge_datagen::core::spec::{Length, Overrides};
use doge_datagen::destination::DestinationSpec;
use doge_datagen::error::Error;
use doge_datagen::sink::IfExists;
use doge_datagen::spec::{Pace, RunSpec, SubjectRange};

/// Event streams with sessions, from a model of behaviour.
#[derive(Parser)]
#[command(name = "doge", version, about, arg_required_else_help = true, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run a model: write its events
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Check a model: report everything that is wrong with it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

const RUN_EXAMPLES: &str = "Examples:
  doge run bank.yaml                                  to where the model says
  doge run bank.yaml --to stdout --events trx | head  look at some events
  doge run bank.yaml --to csv:out/{event}.csv --count 1000000 --seed 7
  doge run bank.yaml --subjects 4711 --to stdout      one subject alone

Exit code: 0 done, 1 the run failed, 2 the model or the command is wrong, 130 Ctrl-C, 143 SIGTERM";

const CHECK_EXAMPLES: &str = "Examples:
  doge check bank.yaml
  generate-model | doge check -

Exit code: 0 valid, 2 wrong";

/// What replaces parts of the model.
#[derive(ClapArgs, Default)]
#[command(next_help_heading = "Instead of what the model says")]
pub struct OverrideArgs {
    /// Seed of all random draws
    #[arg(long, value_name = "N", value_parser = values::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// A parameter's value (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = values::param)]
    params: Vec<(String, String)>,
    /// Number of subjects (repeatable: user=1000)
    #[arg(long = "count", value_name = "[POPULATION=]N", value_parser = values::count)]
    counts: Vec<(Option<String>, u64)>,
    /// First instant: 2022-02-11T03:21:48Z, or milliseconds since 1970
    #[arg(long, value_name = "INSTANT", value_parser = values::instant, allow_hyphen_values = true)]
    start: Option<i64>,
    /// Length in ticks
    #[arg(long, value_name = "N", value_parser = values::count_of, group = "length")]
    ticks: Option<u64>,
    /// Length: 90s, 1h30m, 7d
    #[arg(long, value_name = "DURATION", value_parser = values::duration, group = "length")]
    duration: Option<i64>,
    /// Length: up to this instant, excluded
    #[arg(long, value_name = "INSTANT", value_parser = values::instant, group = "length", allow_hyphen_values = true)]
    end: Option<i64>,
}

impl OverrideArgs {
    fn into_overrides(self) -> Overrides {
        let ticks = self.ticks.map(Length::Ticks);
        let length = ticks.or(self.duration.map(Length::Duration)).or(self.end.map(Length::End));
        Overrides {
            seed: self.seed,
            counts: self.counts,
            length,
            start_ms: self.start,
            params: self.params,
        }
    }
}

#[derive(ClapArgs)]
pub struct RunArgs {
    /// The model, a YAML file; - is standard input
    #[arg(value_name = "MODEL")]
    model: String,
    /// Write to jsonl:PATH, csv:PATH, sqlite:PATH, stdout, stdout:csv, null (repeatable; {event} works)
    #[arg(long, value_name = "DEST", value_parser = values::destination, help_heading = "Where to")]
    to: Vec<DestinationSpec>,
    /// What to do with what is there: error, replace or append
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        help_heading = "Where to"
    )]
    if_exists: Option<IfExistsArg>,
    /// Go on where an earlier run of the same command stopped
    #[arg(long, help_heading = "Where to")]
    pub resume: bool,
    /// Write the run's report as JSON, also when it fails
    #[arg(long, value_name = "FILE", value_parser = values::report, help_heading = "Where to")]
    pub report: Option<String>,
    /// Only these events: trx,loan
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "What of it")]
    events: Vec<String>,
    /// Only these subjects: 4711, 100..300 (the end excluded), user:100..300
    #[arg(long, value_name = "IDS", value_parser = values::subjects, help_heading = "What of it")]
    subjects: Vec<SubjectRange>,
    /// Only the Kth of N parts: 2/8; all parts merged are the whole
    #[arg(long, value_name = "K/N", value_parser = values::shard, help_heading = "What of it")]
    shard: Option<(u64, u64)>,
    /// Only the first N events
    #[arg(long, value_name = "N", value_parser = values::count_of, help_heading = "What of it")]
    max_events: Option<u64>,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// When events leave: realtime, 60x (sixty times as fast), 1000/s (at most)
    #[arg(long, value_name = "PACE", value_parser = values::pace, help_heading = "How")]
    pace: Option<Pace>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = values::threads, help_heading = "How")]
    threads: Option<usize>,
    /// Memory for buffers: 512MiB, 1GiB [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = values::memory, help_heading = "How")]
    memory: Option<u64>,
    /// Windows of exactly N ticks, for tests; the events are the same
    #[arg(long, value_name = "N", value_parser = values::positive, hide_short_help = true, help_heading = "How")]
    window_ticks: Option<u64>,
    /// Serve figures for Prometheus at HOST:PORT while the run goes on
    #[arg(long, value_name = "ADDRESS", help_heading = "How")]
    pub metrics: Option<String>,
    /// Words on standard error as text, or json: an object a line
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "How"
    )]
    pub log_format: LogFormat,
    /// No summary, no progress; errors only
    #[arg(long, short, help_heading = "How")]
    pub quiet: bool,
    /// Show progress: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "How"
    )]
    pub progress: When,
    /// Use colours: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "How"
    )]
    color: When,
}

#[derive(ClapArgs)]
pub struct CheckArgs {
    /// The model, a YAML file; - is standard input
    #[arg(value_name = "MODEL")]
    model: String,
    /// A parameter's value (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = values::param)]
    params: Vec<(String, String)>,
    /// Use colours: auto, always, never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    color: When,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum IfExistsArg {
    Error,
    Replace,
    Append,
}

impl When {
    /// Whether to use colours. `NO_COLOR` and `TERM=dumb` are what other programs obey.
    pub fn colors(self, terminal: bool) -> bool {
        match self {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let no = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                terminal && !no && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
            }
        }
    }
}

impl Command {
    /// `--color` of whichever command.
    pub fn color(&self) -> When {
        match self {
            Command::Run(args) => args.color,
            Command::Check(args) => args.color,
        }
    }
}

impl RunArgs {
    /// The run that the arguments ask for.
    pub fn into_spec(self) -> Result<RunSpec, Error> {
        let spec = RunSpec {
            overrides: self.overrides.into_overrides(),
            to: self.to,
            events: self.events,
            subjects: self.subjects,
            shard: self.shard,
            max_events: self.max_events,
            threads: self.threads,
            memory: self.memory,
            if_exists: self.if_exists.map(|i| match i {
                IfExistsArg::Error => IfExists::Error,
                IfExistsArg::Replace => IfExists::Replace,
                IfExistsArg::Append => IfExists::Append,
            }),
            window_ticks: self.window_ticks,
            resume: self.resume,
            pace: self.pace,
            ..RunSpec::default()
        };
        with_model(&self.model, spec)
    }
}

impl CheckArgs {
    /// The run whose model is checked.
    pub fn spec(&self) -> Result<RunSpec, Error> {
        let overrides = Overrides { params: self.params.clone(), ..Overrides::default() };
        with_model(&self.model, RunSpec { overrides, ..RunSpec::default() })
    }
}
