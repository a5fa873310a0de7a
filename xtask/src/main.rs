//! The project's own chores: `cargo xtask test` is what the README and continuous integration run.
//!
//! A chore is a module here and a line in [`CHORES`]. Not here: anything that a user of `doge` needs.

mod fuzz;
mod json;
mod mutants;
mod packages;
mod services;
mod soak;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A chore: its name, its options, one line of help, and what it does with its arguments.
struct Chore {
    name: &'static str,
    options: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

/// All chores, in the order of the help.
const CHORES: &[Chore] = &[
    Chore {
        name: "test",
        options: "[--quick]",
        summary: "everything that must hold before a change goes in",
        run: test::run,
    },
    Chore {
        name: "mutants",
        options: "[NAME...]",
        summary: "which planted errors no test finds (long)",
        run: mutants::run,
    },
    Chore {
        name: "soak",
        options: "[--kills N] [--seed S]",
        summary: "kills runs to all servers, resumes them, and counts every event",
        run: soak::run,
    },
    Chore {
        name: "tidy",
        options: "",
        summary: "the house rules that no other tool checks",
        run: |arguments| {
            none(arguments)?;
            tidy::run()
        },
    },
    Chore {
        name: "services",
        options: "up|env|status|kill|down [NAME...]",
        summary: "real servers for tests and for trying out",
        run: services::run,
    },
    Chore {
        name: "fuzz",
        options: "[TARGET] [--seconds N]",
        summary: "fuzz targets, half a minute each",
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", help());
        return ExitCode::from(2);
    };
    let Some(chore) = CHORES.iter().find(|c| c.name == name) else {
        eprint!("error: there is no chore `{name}`\n{}", help());
        return ExitCode::from(2);
    };
    match (chore.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let line = |c: &Chore| {
        format!("  cargo xtask {:42} {}\n", format!("{} {}", c.name, c.options), c.summary)
    };
    format!("chores:\n{}", CHORES.iter().map(line).collect::<String>())
}

/// Refuses arguments where there are none to give.
fn none(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        Some(a) => Err(format!("`{a}` is not an option of this chore")),
        None => Ok(()),
    }
}

/// The root of the project.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this.
fn cargo() -> std::process::Command {
    let mut command =
        std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}
