//! `cargo xtask fuzz`: builds the fuzz targets with libFuzzer's flags on the stable compiler and runs
//! each for a while.
//!
//! The corpus grows in `fuzz/target/corpus` and is not kept; the seeds are the models and the wrong
//! models of the repository and `fuzz/seeds`. Where there is no C++ compiler (libFuzzer is C++), nothing
//! is run, and that is said.

use crate::{cargo, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for each target.
const SECONDS: u64 = 30;

/// What libFuzzer needs of the compiler: coverage counters, the table of places, and comparisons.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// A target: its name, the longest input, its dictionary, and its folders of seeds.
struct Target {
    name: &'static str,
    longest: u32,
    dictionary: &'static str,
    seeds: &'static [&'static str],
}

const MODELS: &[&str] = &["testdata/models", "testdata/diagnostics", "examples/banking"];

const TARGETS: &[Target] = &[
    Target { name: "parser", longest: 65_536, dictionary: "model", seeds: MODELS },
    Target { name: "compiler", longest: 4096, dictionary: "model", seeds: MODELS },
    Target { name: "expression", longest: 600, dictionary: "expression", seeds: &[] },
    Target {
        name: "engine",
        longest: 4096,
        dictionary: "model",
        seeds: &["testdata/models", "examples/banking"],
    },
];

/// How it ended.
pub enum Ran {
    /// Nothing was found.
    Clean,
    /// It could not be tried here, and why.
    Skipped(String),
}

/// Runs `cargo xtask fuzz [TARGET] [--seconds N]`.
///
/// # Errors
/// A target that found something, with the file that shows it; a build that failed.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut seconds = SECONDS;
    let mut only = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seconds" => {
                let value = rest.next().ok_or("--seconds needs a number")?;
                seconds =
                    value.parse().map_err(|_| format!("`{value}` is no number of seconds"))?;
            }
            name if TARGETS.iter().any(|t| t.name == name) => only = Some(name.to_owned()),
            other => {
                let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
                return Err(format!(
                    "`{other}` is neither --seconds nor a target: {}",
                    names.join(", ")
                ));
            }
        }
    }
    match all(seconds, only.as_deref())? {
        Ran::Clean => Ok(()),
        Ran::Skipped(why) => {
            println!("\nSKIPPED, nothing was fuzzed: {why}");
            Ok(())
        }
    }
}

/// Builds and runs the targets (or one), each for so many seconds.
///
/// # Errors
/// As [`run`].
pub fn all(seconds: u64, only: Option<&str>) -> Result<Ran, String> {
    if let Err(why) = compiler() {
        return Ok(Ran::Skipped(why));
    }
    let folder = root().join("fuzz");
    let host = host()?;
    let mut build = cargo();
    build.current_dir(&folder).env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // The target is named so that the flags do not reach build scripts.
    build.args(["build", "--release", "--locked", "--target", &host]);
    match build.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return Err("the fuzz targets do not build".into()),
        Err(e) => return Err(format!("cannot run cargo: {e}")),
    }
    let built = folder.join("target").join(&host).join("release");
    let mut found = Vec::new();
    for target in TARGETS.iter().filter(|t| only.is_none_or(|name| name == t.name)) {
        println!("\n--- {} for {seconds} s", target.name);
        match one(target, seconds, &folder, &built) {
            Ok(line) => println!("{line}"),
            Err(why) => {
                println!("{why}");
                found.push(target.name);
            }
        }
    }
    if found.is_empty() { Ok(Ran::Clean) } else { Err(format!("findings in {}", found.join(", "))) }
}

/// Runs a target; its last lines, or what it found.
fn one(target: &Target, seconds: u64, folder: &Path, built: &Path) -> Result<String, String> {
    let dir = |kind: &str| folder.join("target").join(kind).join(target.name);
    let io = |e: std::io::Error| format!("cannot prepare the run: {e}");
    for kind in ["corpus", "artifacts", "seeds"] {
        std::fs::create_dir_all(dir(kind)).map_err(io)?;
    }
    seeds(target.name, folder, &dir("seeds")).map_err(io)?;
    let mut command = Command::new(built.join(target.name));
    command.current_dir(folder).arg(dir("corpus")).arg(dir("seeds"));
    command.args(target.seeds.iter().map(|s| root().join(s)));
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", target.longest),
        format!("-dict=dictionaries/{}.dict", target.dictionary),
        format!("-artifact_prefix={}/", dir("artifacts").display()),
        "-timeout=10".into(),
        "-rss_limit_mb=2048".into(),
        "-print_final_stats=1".into(),
    ]);
    let output = command.stdout(Stdio::null()).output().map_err(io)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = |n: usize| {
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    };
    if output.status.success() {
        let told = text.lines().filter(|l| l.starts_with("stat::") || l.starts_with("Done "));
        return Ok(told.collect::<Vec<_>>().join("\n"));
    }
    let panicked = text.find("panicked at").unwrap_or(text.len());
    let panic: String = text[panicked..].lines().take(30).map(|l| format!("{l}\n")).collect();
    Err(format!(
        "{panic}{}\nto see it again: fuzz/target/{}/release/{} FILE",
        last(6),
        host().unwrap_or_default(),
        target.name
    ))
}

/// Writes the seeds that are no files of the repository: expressions, each behind the byte that says
/// where it stands, and tapes from which models are made.
fn seeds(name: &str, folder: &Path, into: &Path) -> std::io::Result<()> {
    match name {
        "expression" => {
            let text = std::fs::read_to_string(folder.join("seeds/expressions.txt"))?;
            for (i, line) in text.lines().enumerate() {
                let bytes = [&[i as u8 % 20], line.as_bytes()].concat();
                std::fs::write(into.join(i.to_string()), bytes)?;
            }
        }
        "engine" => {
            let mut x = 1u64;
            for i in 0..64 {
                let mut byte = || {
                    // Knuth's MMIX generator: any bytes do, as long as they are the same each time.
                    x = x
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (x >> 56) as u8
                };
                let first = byte() | 128;
                let tape: Vec<u8> =
                    std::iter::once(first).chain((0..40 + i * 8).map(|_| byte())).collect();
                std::fs::write(into.join(i.to_string()), tape)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether there is a C++ compiler, which libFuzzer needs.
fn compiler() -> Result<(), String> {
    let named = std::env::var("CXX").ok();
    let names: Vec<&str> = named.as_deref().into_iter().chain(["c++", "g++", "clang++"]).collect();
    let works = |name: &&str| {
        let quiet = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|s| s.success())
    };
    if !cfg!(target_os = "linux") {
        return Err("the flags for libFuzzer were only tried on Linux".into());
    }
    match names.iter().any(works) {
        true => Ok(()),
        false => Err("libFuzzer is C++, and there is no c++, g++ or clang++ here (on Debian: apt install g++)".into()),
    }
}

/// The triple of this machine, as rustc says it.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").map_or(PathBuf::from("rustc"), PathBuf::from);
    let output = Command::new(rustc).arg("-vV").current_dir(root()).output();
    let text = output.map_err(|e| format!("cannot run rustc: {e}"))?.stdout;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|l| l.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc does not say its host".into())
}
