//! The command as its users meet it: exit codes, texts, files. One binary: linking is the slow part.

mod check;
mod docs;
mod examples;
mod pace;
mod run;
mod stop;
mod usage;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The command, in a folder, without what the tester's shell says about colours.
pub fn doge(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doge"));
    command.current_dir(folder).stdin(Stdio::null()).env_remove("NO_COLOR").env("TERM", "dumb");
    command
}

/// What a command did.
#[allow(missing_docs, reason = "its fields are what they are called")]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(out: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done {
            code: out.status.code().unwrap_or(-1),
            stdout: text(out.stdout),
            stderr: text(out.stderr),
        }
    }
}

/// Runs `doge` with arguments.
pub fn call(folder: &Path, args: &[&str]) -> Done {
    doge(folder).args(args).output().expect("doge can be started").into()
}

/// A folder with the model of a small shop in `m.yaml`.
pub fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("m.yaml"), SHOP).expect("a file");
    folder
}

/// Ten customers; each tick some buy. No sinks: standard output.
pub const SHOP: &str = "name: shop
seed: 7
params: { gain: 2 }
clock: { start: 2022-02-11T00:00:00Z, tick: 1m, ticks: 100 }
subjects:
  user:
    count: 100
    attributes:
      total: 0
    states:
      in:
        transitions:
          buy:
            probability: 10%
            set:
              total: total + params.gain
            emit: [bought, seen]
          look: { probability: 5%, emit: seen }
events:
  bought:
    fields: { at: timestamp, user: id, total: total }
  seen:
    fields: { user: id, what: trigger }
";
