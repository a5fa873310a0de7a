//! Being told to stop, and how to go on.
//!
//! The first Ctrl-C or SIGTERM asks the run to stop, which keeps what is safe; the second ends the process
//! at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
#[cfg(unix)]
use std::time::{Duration, Instant};

/// The signal that came first; 0: none.
static CAME: AtomicI32 = AtomicI32::new(0);
/// SIGTERM, on every system that has it.
const TERM: i32 = 15;

/// Sets `cancel` at the first signal, and calls `tell` then.
pub fn on_signals(cancel: &Arc<AtomicBool>, tell: impl Fn() + Send + 'static) {
    let cancel = cancel.clone();
    let first = move |signal| {
        let _ = CAME.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        let first = !cancel.swap(true, Ordering::SeqCst);
        if first {
            tell();
        }
        first
    };
    // Without a handler a signal still ends the process; that is no reason not to run.
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
        // With a handler, whatever it does, a file that may not grow further (`ulimit -f`) is an error of the
        // write, which says what is safe; without one the process would be gone.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else {
            return;
        };
        std::thread::spawn(move || {
            let mut since = None;
            for signal in signals.forever() {
                if first(signal) {
                    since = Some(Instant::now());
                // `timeout` sends its signal twice within a moment, and means it once.
                } else if since.is_none_or(|t| t.elapsed() > Duration::from_millis(100)) {
                    // At once: nothing that waits for a server is waited for.
                    signal_hook::low_level::exit(128 + signal);
                }
            }
        });
    }
    #[cfg(not(unix))]
    let _ = ctrlc::set_handler(move || {
        if !first(2) {
            std::process::exit(130);
        }
    });
}

/// What told the run to stop.
pub fn told_by() -> &'static str {
    if CAME.load(Ordering::SeqCst) == TERM { "SIGTERM" } else { "Ctrl-C" }
}

/// The exit code of a run that was told to stop: 128 and the signal's number.
pub fn exit_code() -> u8 {
    if CAME.load(Ordering::SeqCst) == TERM { 143 } else { 130 }
}

/// The command that goes on where this one stopped: the same with `--resume`, ready to be pasted into a
/// shell.
pub fn resuming(arguments: &[String]) -> String {
    let mut words: Vec<String> = arguments.iter().map(|a| quoted(a)).collect();
    if !arguments.iter().any(|a| a == "--resume") {
        // What follows `--` is no option.
        let at = arguments.iter().position(|a| a == "--").unwrap_or(words.len());
        words.insert(at, "--resume".into());
    }
    words.join(" ")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> String {
        resuming(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_that_resumes() {
        assert_eq!(of(&["doge", "run", "m.yaml"]), "doge run m.yaml --resume");
        assert_eq!(of(&["doge", "run", "m.yaml", "--resume"]), "doge run m.yaml --resume");
        assert_eq!(of(&["doge", "run", "--", "-m.yaml"]), "doge run --resume -- -m.yaml");
        assert_eq!(
            of(&[
                "doge",
                "run",
                "my model.yaml",
                "--to",
                "jsonl:{event}.jsonl",
                "--param",
                "a=it's"
            ]),
            r"doge run 'my model.yaml' --to 'jsonl:{event}.jsonl' --param 'a=it'\''s' --resume"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_every_word_back() {
        for word in
            ["", " ", "a b", "it's", "$HOME `x` \\ \"", "~", "*", "a\nb", "ü", "!x", "#", "{a,b}"]
        {
            let script = format!("printf %s {}", quoted(word));
            let out = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
            assert_eq!(String::from_utf8_lossy(&out.stdout), word, "{script}");
        }
    }
}
