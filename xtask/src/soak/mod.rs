//! `cargo xtask soak`: exactly once, as an enemy would test it.
//!
//! A run to Kafka, Postgres, SQLite and numbered parts of JSON lines and Parquet at once is ended by
//! `kill -9` at random moments and resumed, until it is complete; then everything that a read_committed
//! consumer, the databases and other people's readers show must equal an undisturbed run, in order within
//! each partition. Now and then it is not the process that is ended but a server (and started again),
//! or the disk is full, or a second process comes in between.
//!
//! ```text
//! cargo xtask soak [--kills N] [--seed S]
//! ```
//!
//! The moments are drawn from the seed, so that the same plan can be tried again; what happens at a moment
//! of course depends on the machine.

use crate::{cargo, root, services};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const MODEL: &str = include_str!("model.yaml");
const CHECK: &str = include_str!("check.py");
/// What the check reads with.
const READERS: [&str; 3] = ["confluent-kafka==2.16.1", "psycopg[binary]==3.3.9", "pyarrow==26.0.1"];
/// Kills of one stream, before it is left in peace and looked at.
const KILLS_OF_A_STREAM: u64 = 10;

/// Runs `cargo xtask soak`.
///
/// # Errors
/// An event that is lost or there twice; a run that does not resume; what could not be set up.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut kills = 10;
    let mut seed = 1;
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let number = |value: Option<&String>| {
            value.and_then(|v| v.parse().ok()).ok_or(format!("{word} needs a whole number"))
        };
        match word.as_str() {
            "--kills" => kills = number(rest.next())?,
            "--seed" => seed = number(rest.next())?,
            _ => {
                return Err(format!("`{word}` is not an option; there are --kills N and --seed S"));
            }
        }
    }
    let servers = services::ForTests::get(true)?;
    let variables = servers.variables.clone();
    let done = match servers.without.is_empty() {
        true => Soak::new(seed, variables).and_then(|soak| soak.all(kills)),
        false => Err(servers.without.iter().map(|w| w.0.as_str()).collect::<Vec<_>>().join("\n")),
    };
    servers.give_back()?;
    done
}

/// What happened, for the end.
#[derive(Default)]
struct Tally {
    streams: u64,
    kills: u64,
    servers: u64,
    disks: u64,
    rivals: u64,
    events: u64,
}

struct Soak {
    doge: PathBuf,
    python: PathBuf,
    folder: PathBuf,
    /// Where the servers are.
    variables: Vec<(&'static str, String)>,
    random: u64,
    /// How long a whole run takes, as far as is known.
    whole: Duration,
    tally: Tally,
}

impl Soak {
    fn new(seed: u64, variables: Vec<(&'static str, String)>) -> Result<Soak, String> {
        let status = cargo()
            .args(["build", "-p", "doge-cli", "--features", "full"])
            .status()
            .map_err(|e| format!("cargo: {e}"))?;
        if !status.success() {
            return Err("the program does not build".into());
        }
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from);
        let folder = target.join("soak");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let python = venv(&target.join("soak-venv"))?;
        let doge = target.join("debug").join("doge");
        let whole = Duration::from_secs(4);
        Ok(Soak { doge, python, folder, variables, random: seed, whole, tally: Tally::default() })
    }

    /// A number below `n`, by SplitMix64 (Steele, Lea and Flood 2014).
    fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn all(mut self, kills: u64) -> Result<(), String> {
        let begun = Instant::now();
        while self.tally.kills < kills {
            let left = (kills - self.tally.kills).min(KILLS_OF_A_STREAM);
            self.stream(left)?;
            let Tally { streams, kills, servers, disks, rivals, events } = self.tally;
            println!(
                "soak: {kills} kills, {servers} servers ended, {disks} full disks, {rivals} second processes; \
                 {streams} streams of {events} events in all are whole, each event once ({:.0} s)",
                begun.elapsed().as_secs_f64()
            );
        }
        Ok(())
    }

    /// One stream: ended `kills` times, then left in peace, then looked at.
    fn stream(&mut self, kills: u64) -> Result<(), String> {
        let seed = self.below(1 << 40);
        let name = format!("soak_{}_{}", std::process::id(), self.tally.streams);
        let folder = self.folder.join(&name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let model = folder.join("model.yaml");
        fs::write(&model, MODEL).map_err(|e| format!("{}: {e}", model.display()))?;
        let run = Run { soak: self, name: &name, folder: &folder, model: &model, seed };
        let expected = format!("jsonl:{}/expected/{{event}}.jsonl", folder.display());
        let status = run.doge(&["--to", &expected], None)?.wait();
        succeeded(status, "the undisturbed run")?;
        let events = count_lines(&folder.join("expected"))?;
        let mut ended = 0;
        while ended < kills {
            // Early moments more often: opening and the first commits are where much can go wrong.
            let most = self.whole.as_millis() as u64;
            let bound = self.below(most) + 1;
            let moment = Duration::from_millis(20 + self.below(bound));
            let kind = self.below(12);
            let run = Run { soak: self, name: &name, folder: &folder, model: &model, seed };
            match kind {
                // A file may not grow beyond 150 blocks of 512 bytes: the disk is full.
                0 => {
                    let status = run.doge(&["--resume"], Some(150))?.wait();
                    let code = status.map_err(|e| e.to_string())?.code();
                    if code != Some(1) && code != Some(0) {
                        return Err(format!("with a full disk the run ended with {code:?}, not 1"));
                    }
                    self.tally.disks += 1;
                }
                1 => {
                    let mut first = run.doge(&["--resume"], None)?;
                    std::thread::sleep(moment);
                    // It waits for the first, and then it finds a place that is in use or goes on.
                    let mut second = run.doge(&["--resume"], None)?;
                    std::thread::sleep(Duration::from_millis(500));
                    kill(&mut first)?;
                    kill(&mut second)?;
                    self.tally.rivals += 1;
                    self.tally.kills += 2;
                    ended += 2;
                }
                2 => {
                    let mut child = run.doge(&["--resume"], None)?;
                    std::thread::sleep(moment);
                    let server =
                        if moment.as_millis().is_multiple_of(2) { "kafka" } else { "postgres" };
                    service(&["kill", server])?;
                    service(&["up", server])?;
                    let status = child.wait().map_err(|e| e.to_string())?;
                    if !matches!(status.code(), Some(0 | 1)) {
                        return Err(format!("with {server} away the run ended with {status}"));
                    }
                    self.tally.servers += 1;
                }
                _ => {
                    let mut child = run.doge(&["--resume"], None)?;
                    let until = Instant::now() + moment;
                    while Instant::now() < until && child.try_wait().is_ok_and(|s| s.is_none()) {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    match child.try_wait().map_err(|e| e.to_string())? {
                        Some(status) => {
                            succeeded(Ok(status), "a run that was resumed")?;
                            break;
                        }
                        None => kill(&mut child)?,
                    }
                    self.tally.kills += 1;
                    ended += 1;
                }
            }
        }
        let begun = Instant::now();
        let run = Run { soak: self, name: &name, folder: &folder, model: &model, seed };
        succeeded(run.doge(&["--resume"], None)?.wait(), "the last run")?;
        let again = run.doge(&["--resume"], None)?.wait_with_output().map_err(|e| e.to_string())?;
        succeeded(Ok(again.status), "a run of what is complete")?;
        let status = Command::new(&self.python)
            .args(["-c", CHECK])
            .arg(&folder)
            .envs(self.variables.iter().map(|(n, v)| (n, v)))
            .env("SOAK_NAME", &name)
            .status();
        if !status.map_err(|e| format!("python: {e}"))?.success() {
            return Err(format!(
                "{name} (model seed {seed}) is not what an undisturbed run writes"
            ));
        }
        self.whole = begun.elapsed().clamp(Duration::from_secs(1), Duration::from_secs(10));
        self.tally.streams += 1;
        self.tally.events += events;
        let _ = fs::remove_dir_all(&folder);
        Ok(())
    }
}

/// How the program is started for a stream.
struct Run<'a> {
    soak: &'a Soak,
    name: &'a str,
    folder: &'a Path,
    model: &'a Path,
    seed: u64,
}

impl Run<'_> {
    /// Starts it; files may not grow beyond `blocks`.
    fn doge(&self, options: &[&str], blocks: Option<u32>) -> Result<Child, String> {
        let mut command = match blocks {
            None => Command::new(&self.soak.doge),
            Some(blocks) => {
                let mut sh = Command::new("sh");
                sh.args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"]);
                sh.arg(&self.soak.doge);
                sh
            }
        };
        // What a run that ends early says is kept, for those who look into a failure.
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let log = log.map_err(|e| e.to_string())?;
        command
            .arg("run")
            .arg(self.model)
            .args(["--quiet", "--seed", &self.seed.to_string()])
            .args(options)
            .envs(self.soak.variables.iter().map(|(n, v)| (n, v)))
            .env("SOAK_NAME", self.name)
            .env("SOAK_FOLDER", self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().map_err(|e| format!("{}: {e}", self.soak.doge.display()))
    }
}

fn succeeded(status: std::io::Result<ExitStatus>, what: &str) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} ended with {status}: see the log in target/soak")),
        Err(e) => Err(format!("{what}: {e}")),
    }
}

/// `kill -9`.
fn kill(child: &mut Child) -> Result<(), String> {
    // It may have ended by itself a moment ago.
    let _ = child.kill();
    child.wait().map(drop).map_err(|e| e.to_string())
}

fn service(words: &[&str]) -> Result<(), String> {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    services::run(&words)
}

fn count_lines(folder: &Path) -> Result<u64, String> {
    let mut lines = 0;
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let text = fs::read(entry.map_err(|e| e.to_string())?.path()).map_err(|e| e.to_string())?;
        lines += text.iter().filter(|b| **b == b'\n').count() as u64;
    }
    Ok(lines)
}

/// Python with what the check reads with; made once.
fn venv(folder: &Path) -> Result<PathBuf, String> {
    let python = folder.join("bin/python");
    let done = folder.join("ready");
    if fs::read_to_string(&done).is_ok_and(|t| t == READERS.join("\n")) {
        return Ok(python);
    }
    let ran = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", command.get_program().to_string_lossy())),
        Err(e) => Err(format!("{}: {e}", command.get_program().to_string_lossy())),
    };
    ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    ran(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(READERS))?;
    fs::write(&done, READERS.join("\n")).map_err(|e| format!("{}: {e}", done.display()))?;
    Ok(python)
}
