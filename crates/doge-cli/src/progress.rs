//! The progress of a run on standard error: bars on a terminal, lines elsewhere.

use crate::log::{self, Log};
use doge_datagen::sink::grouped;
use doge_datagen::spec::{OutputProgress, Progress, Snapshot, instant_text};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Outputs with a line of their own: more do not fit a terminal.
const MOST_OUTPUTS: usize = 12;

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Not at all.
    Nothing,
    /// As bars that are drawn over.
    Bars,
    /// As a line from time to time.
    Lines { every: Duration, json: bool },
}

impl crate::args::When {
    /// How to show progress on a standard error that is a terminal or not.
    pub fn progress(self, terminal: bool, quiet: bool, log: Log) -> Show {
        use crate::args::When;
        let json = log == Log::Json;
        match self {
            When::Never => Show::Nothing,
            When::Auto if quiet => Show::Nothing,
            _ if terminal && !json => Show::Bars,
            When::Auto => Show::Lines { every: Duration::from_secs(10), json },
            When::Always => Show::Lines { every: Duration::from_secs(2), json },
        }
    }
}

/// Progress that is being shown.
pub struct Shown {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Shows progress until [`Shown::end`].
pub fn show(progress: Arc<Progress>, how: Show) -> Shown {
    if how == Show::Nothing {
        return Shown { thread: None };
    }
    let (stop, stopped) = channel();
    let thread = std::thread::spawn(move || {
        let start = Instant::now();
        let every = match how {
            Show::Lines { every, .. } => every,
            _ => Duration::from_millis(100),
        };
        let mut bars = (how == Show::Bars).then(Bars::new);
        // A run that is over at once shows nothing.
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let now = progress.snapshot();
            if now.end_ms == now.start_ms {
                continue;
            }
            let outputs = progress.outputs();
            let elapsed = start.elapsed();
            match (&mut bars, how) {
                (Some(bars), _) => bars.set(&now, &outputs, elapsed),
                (None, Show::Lines { json: true, .. }) => json_line(&now, &outputs, elapsed),
                (None, _) => {
                    let percent = now.part() * 100.0;
                    let text = line(&now, elapsed);
                    let tail = committed(&outputs);
                    let _ = writeln!(std::io::stderr(), "{percent:3.0}%  {text}{tail}");
                }
            }
        }
        if let Some(bars) = bars {
            bars.clear();
        }
    });
    Shown { thread: Some((stop, thread)) }
}

/// A bar for the run, and a line for each output below it.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    outputs: Vec<ProgressBar>,
}

impl Bars {
    fn new() -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let total = all.add(ProgressBar::new(1000));
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}%  {wide_msg}") {
            total.set_style(style.progress_chars("=> "));
        }
        Bars { all, total, outputs: Vec::new() }
    }

    fn set(&mut self, now: &Snapshot, outputs: &[OutputProgress], elapsed: Duration) {
        self.total.set_position((now.part() * 1000.0) as u64);
        self.total.set_message(line(now, elapsed));
        while self.outputs.len() < outputs.len().min(MOST_OUTPUTS) {
            let bar = self.all.add(ProgressBar::new(1));
            if let Ok(style) = ProgressStyle::with_template("  {wide_msg}") {
                bar.set_style(style);
            }
            self.outputs.push(bar);
        }
        let width = outputs.iter().take(MOST_OUTPUTS).map(|o| o.place.chars().count()).max();
        let hidden = outputs.len().saturating_sub(MOST_OUTPUTS);
        for (i, (bar, output)) in self.outputs.iter().zip(outputs).enumerate() {
            let mut text = output_line(now, output, width.unwrap_or(0).min(40));
            if hidden > 0 && i + 1 == MOST_OUTPUTS {
                text.push_str(&format!("  (and {hidden} more)"));
            }
            bar.set_message(text);
        }
    }

    fn clear(self) {
        self.outputs.iter().for_each(ProgressBar::finish_and_clear);
        self.total.finish_and_clear();
        let _ = self.all.clear();
    }
}

/// `out/trx.jsonl  1,234 events  1,000 committed  5 min behind`
fn output_line(now: &Snapshot, output: &OutputProgress, width: usize) -> String {
    let m = output.meter.read();
    let pad = " ".repeat(width.saturating_sub(output.place.chars().count()));
    let mut text = format!("{}{pad}  {} events", output.place, grouped(m.events));
    if let Some(lag) = m.lag_ms(now.start_ms, now.now_ms) {
        text.push_str(&format!("  {} committed", grouped(m.committed)));
        if lag > 0 {
            text.push_str(&format!("  {} behind", left(lag as f64 / 1e3)));
        }
    }
    if m.retries > 0 {
        text.push_str(&format!("  {} tried again", grouped(m.retries)));
    }
    text
}

/// Up to when everything is final, where something is.
fn committed(outputs: &[OutputProgress]) -> String {
    let readings = outputs.iter().map(|o| o.meter.read()).filter(|m| m.commits > 0);
    match readings.filter_map(|m| m.committed_ms).min() {
        Some(ms) => format!("  committed up to {}", instant_text(ms)),
        None => String::new(),
    }
}

fn json_line(now: &Snapshot, outputs: &[OutputProgress], elapsed: Duration) {
    let sinks: Vec<_> = outputs
        .iter()
        .map(|o| {
            let m = o.meter.read();
            json!({
                "sink": o.destination, "place": o.place, "events": m.events, "bytes": m.bytes,
                "committed": m.committed, "commits": m.commits, "retries": m.retries,
                "lag_ms": m.lag_ms(now.start_ms, now.now_ms),
            })
        })
        .collect();
    let rest = json!({
        "events": now.events, "part": now.part(), "now": instant_text(now.now_ms),
        "seconds": elapsed.as_secs_f64(), "pace_lag_ms": now.lag_ms, "sinks": sinks,
    });
    log::line("info", "progress", rest);
}

/// `1,234 events  567/s  2022-02-11T03:21:48Z  12 s left`
fn line(now: &Snapshot, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let rate = (now.events as f64 / seconds) as u64;
    let part = now.part();
    let rest = if part > 0.0 { left(seconds * (1.0 - part) / part) } else { "?".into() };
    let late = match now.lag_ms {
        Some(ms @ 1000..) => format!("  {} behind the pace", left(ms as f64 / 1e3)),
        _ => String::new(),
    };
    format!(
        "{} events  {}/s  {}  {rest} left{late}",
        grouped(now.events),
        grouped(rate),
        instant_text(now.now_ms)
    )
}

/// A time that a person waits: `12 s`, `3 min`, `2 h 5 min`.
fn left(seconds: f64) -> String {
    let s = seconds.ceil() as u64;
    match s {
        0..100 => format!("{s} s"),
        100..6_000 => format!("{} min", s.div_ceil(60)),
        6_000..360_000 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} days", grouped(s / 86_400)),
    }
}

impl Shown {
    /// Takes the bars away.
    pub fn end(self) {
        if let Some((stop, thread)) = self.thread {
            drop(stop);
            let _ = thread.join();
        }
    }
}
