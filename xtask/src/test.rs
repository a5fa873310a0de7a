//! `cargo xtask test`: all checks, one after the other, with one verdict at the end.
//!
//! Every check runs even where an earlier one failed, so that one run tells everything. What a check
//! prints goes straight to the terminal.

use crate::services::ForTests;
use crate::{cargo, tidy};
use std::process::Command;
use std::time::{Duration, Instant};

/// What came of a check.
enum Outcome {
    Passed,
    /// It passed, but for what could not be tried here, and why.
    Partly(String),
    Failed(String),
    /// It could not be tried here, and why.
    Skipped(String),
}

struct Check {
    name: &'static str,
    /// Left out by `--quick`.
    long: bool,
    run: fn(quick: bool) -> Outcome,
}

/// All checks, the fastest answers first.
const CHECKS: &[Check] = &[
    Check {
        name: "format",
        long: false,
        run: |_| {
            ran(cargo().args(["fmt", "--all", "--", "--check", "-l"]), "run `cargo fmt --all`")
        },
    },
    Check {
        name: "tidy",
        long: false,
        run: |_| tidy::run().map_or_else(Outcome::Failed, |()| Outcome::Passed),
    },
    Check {
        name: "clippy",
        long: false,
        run: |_| {
            let mut command = cargo();
            command.args(["clippy", "--workspace", "--all-targets"]).args(everything());
            ran(command.args(["--", "-D", "warnings"]), "see above")
        },
    },
    Check {
        name: "light",
        long: false,
        // What most people build, and what is left without any choice.
        run: |_| {
            let light = ["clippy", "-p", "doge-cli", "-p", "doge-datagen", "--", "-D", "warnings"];
            let bare = ["check", "-p", "doge-cli", "--no-default-features"];
            match ran(cargo().args(light), "the default build has warnings") {
                Outcome::Passed => ran(cargo().args(bare), "it does not build without features"),
                other => other,
            }
        },
    },
    Check {
        name: "tests",
        long: false,
        run: |quick| {
            let mut command = cargo();
            command.args(["test", "--workspace", "--no-fail-fast"]).args(everything());
            if quick {
                // Each example in the documentation of an item is a program of its own.
                command.args(["--lib", "--bins", "--tests"]);
            }
            with_servers(command, !quick)
        },
    },
    Check {
        name: "docs",
        long: true,
        run: |_| {
            let mut command = cargo();
            command.args(["doc", "--workspace", "--no-deps"]).args(everything());
            ran(command.env("RUSTDOCFLAGS", "-D warnings"), "see above")
        },
    },
    Check { name: "deny", long: true, run: |_| deny() },
    Check {
        name: "soak",
        long: true,
        run: |_| match missing_to_build() {
            Some(why) => Outcome::Skipped(why),
            None => crate::soak::run(&[]).map_or_else(Outcome::Failed, |()| Outcome::Passed),
        },
    },
    Check {
        name: "fuzz",
        long: true,
        run: |_| crate::fuzz::run(&[]).map_or_else(Outcome::Failed, |()| Outcome::Passed),
    },
];

/// Runs the checks; `--quick` leaves out the long ones.
///
/// # Errors
/// The names of the checks that failed.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let quick = match arguments {
        [] => false,
        [a] if a == "--quick" => true,
        [a, ..] => return Err(format!("`{a}` is not an option of `test`; there is only --quick")),
    };
    let begun = Instant::now();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for check in CHECKS {
        if quick && check.long {
            lines.push(line("left out", check.name, None, "by --quick"));
            continue;
        }
        println!("\n=== {} ===", check.name);
        let at = Instant::now();
        let (word, why) = match (check.run)(quick) {
            Outcome::Passed => ("passed", String::new()),
            Outcome::Partly(why) => ("passed", why),
            Outcome::Failed(why) => {
                failed.push(check.name);
                ("FAILED", why)
            }
            Outcome::Skipped(why) => ("skipped", why),
        };
        lines.push(line(word, check.name, Some(at.elapsed()), &why));
    }
    println!("\n=== all ===");
    lines.iter().for_each(|l| println!("{l}"));
    println!(
        "{} in {:.0} s",
        if failed.is_empty() { "passed" } else { "FAILED" },
        begun.elapsed().as_secs_f64()
    );
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn line(word: &str, name: &str, time: Option<Duration>, why: &str) -> String {
    let time = time.map_or_else(String::new, |t| format!("{:.1} s", t.as_secs_f64()));
    format!("{word:9} {name:8} {time:>9}  {why}").trim_end().to_owned()
}

/// The features that are checked and tested: all of them, where they can be built.
fn everything() -> Vec<&'static str> {
    match missing_to_build() {
        None => vec!["--features", "doge-datagen/full,doge-cli/full"],
        Some(why) => {
            println!("without most destinations: {why}");
            Vec::new()
        }
    }
}

/// What librdkafka and its OpenSSL are built with and is not there.
fn missing_to_build() -> Option<String> {
    let runs = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let missing: Vec<_> =
        ["make", "perl", "cc", "c++"].into_iter().filter(|name| !runs(name)).collect();
    (!missing.is_empty()).then(|| format!("building them needs {}", missing.join(", ")))
}

/// Runs a command; `way` says what to do where it fails.
fn ran(command: &mut Command, way: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(_) => Outcome::Failed(way.to_owned()),
        Err(e) => {
            Outcome::Failed(format!("cannot run {}: {e}", command.get_program().to_string_lossy()))
        }
    }
}

/// Runs the tests beside the servers that run already, or with `start` beside all that can be started,
/// which are taken down afterwards. A missing package is told; a server that is installed and does not
/// start is a failure.
fn with_servers(mut command: Command, start: bool) -> Outcome {
    let servers = match ForTests::get(start) {
        Ok(servers) => servers,
        // No servers on such a system: the tests say what they leave out.
        Err(why) => {
            let outcome = ran(&mut command, "see above");
            return if matches!(outcome, Outcome::Passed) { Outcome::Partly(why) } else { outcome };
        }
    };
    servers.without.iter().for_each(|(why, _)| println!("without {why}"));
    let outcome = ran(command.envs(servers.variables.iter().cloned()), "see above");
    let mut first_lines = servers.without.iter().filter_map(|(why, _)| why.lines().next());
    let first = first_lines.next().map(|l| format!("without {l}"));
    let all_missing = servers.without.iter().all(|(_, is_missing)| *is_missing);
    let back = servers.give_back();
    match (outcome, first, back) {
        (Outcome::Passed, _, Err(why)) => Outcome::Failed(why),
        (Outcome::Passed, Some(why), _) if all_missing => Outcome::Partly(why),
        (Outcome::Passed, Some(why), _) => Outcome::Failed(why),
        (outcome, ..) => outcome,
    }
}

/// `cargo deny`, where it is installed. Advisories need the network, and are not a property of a change.
fn deny() -> Outcome {
    let installed = cargo().args(["deny", "--version"]).output().is_ok_and(|o| o.status.success());
    if !installed {
        return Outcome::Skipped(
            "cargo-deny is not installed (cargo install cargo-deny --locked); `tidy` has looked at the licences".into(),
        );
    }
    ran(
        cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]),
        "see above and deny.toml",
    )
}
