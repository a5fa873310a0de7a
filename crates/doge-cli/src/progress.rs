//! The progress of a run on standard error: a bar on a terminal, lines elsewhere.

use doge_datagen::sink::grouped;
use doge_datagen::spec::{Progress, Snapshot, instant_text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Not at all.
    Nothing,
    /// As a bar that is drawn over.
    Bar,
    /// As a line every few seconds.
    Lines,
}

impl crate::args::When {
    /// How to show progress on a standard error that is a terminal or not.
    pub fn progress(self, terminal: bool, quiet: bool) -> Show {
        use crate::args::When;
        match self {
            When::Never => Show::Nothing,
            When::Auto if quiet || !terminal => Show::Nothing,
            _ if terminal => Show::Bar,
            _ => Show::Lines,
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
        let every =
            if how == Show::Bar { Duration::from_millis(100) } else { Duration::from_secs(2) };
        let bar = (how == Show::Bar).then(bar);
        // A run that is over at once shows nothing.
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let now = progress.snapshot();
            if now.end_ms == now.start_ms {
                continue;
            }
            let text = line(&now, start.elapsed());
            match &bar {
                Some(bar) => {
                    bar.set_position((now.part() * 1000.0) as u64);
                    bar.set_message(text);
                }
                None => {
                    let percent = now.part() * 100.0;
                    let _ = writeln!(std::io::stderr(), "{percent:3.0}%  {text}");
                }
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
    Shown { thread: Some((stop, thread)) }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}%  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// `1,234 events  567/s  2022-02-11T03:21:48Z  12 s left`
fn line(now: &Snapshot, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let rate = (now.events as f64 / seconds) as u64;
    let part = now.part();
    let left = if part > 0.0 { left(seconds * (1.0 - part) / part) } else { "?".into() };
    format!(
        "{} events  {}/s  {}  {left} left",
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
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

impl Shown {
    /// Takes the bar away.
    pub fn end(self) {
        if let Some((stop, thread)) = self.thread {
            drop(stop);
            let _ = thread.join();
        }
    }
}
