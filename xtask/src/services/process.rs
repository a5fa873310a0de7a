//! Server processes: started in a session of their own, known again by pid and start time, ended.
//!
//! Not here: which servers there are, and what they are told. Everything goes through the shell's tools
//! and `/proc`, because the project's own code has no `unsafe` and these chores have no dependencies.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What the starter does before it becomes the server. It closes what it inherited beyond the three
/// standard streams: a lock of a caller must not stay held as long as the server lives. It writes its own
/// line of `/proc`, which stays true after `exec`, so that there is no server without a pid file.
const STARTER: &str = r#"
for f in /proc/$$/fd/*; do n=${f##*/}; if ((n > 2)); then eval "exec $n>&-"; fi; done
read -r line < /proc/$$/stat && printf '%s\n' "$line" > "$0.part" && mv "$0.part" "$0" && exec "$@"
"#;

/// A server as it is to be started.
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    /// Its working folder.
    pub folder: PathBuf,
}

/// A process: its pid alone may belong to another one by now, its start time says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// In ticks of the kernel's clock since the machine started.
    start: u64,
}

/// What `/proc/PID/stat` tells.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    process: Process,
    parent: u32,
    session: u32,
    /// Whether it ended, and only its parent has not noticed.
    is_dead: bool,
}

impl Stat {
    /// Reads a line of `/proc/PID/stat`. The second field is the program's name in brackets, in which any
    /// character may stand, so counting begins after the last bracket.
    fn parse(line: &str) -> Option<Self> {
        let (pid, _) = line.split_once(' ')?;
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5): the state is field 3, the parent 4, the session 6, the start time 22.
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        let start = fields.get(22 - 3)?.parse().ok()?;
        let is_dead = matches!(*fields.first()?, "Z" | "X" | "x");
        let process = Process { pid: pid.parse().ok()?, start };
        Some(Self { process, parent: number(4)?, session: number(6)?, is_dead })
    }

    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

impl Process {
    /// The process that a pid file names, alive or not.
    pub fn read(file: &Path) -> Option<Self> {
        Some(Stat::parse(&fs::read_to_string(file).ok()?)?.process)
    }

    /// Whether exactly this process is there.
    pub fn is_alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|s| s.process == self && !s.is_dead)
    }

    /// Whether it left nothing behind: one that ended still holds its pid until its parent has noticed.
    pub fn is_gone(self) -> bool {
        Stat::of(self.pid).is_none_or(|s| s.process != self)
    }

    /// Whether it is the one that listens on a port: another set may have been faster, and answers there.
    pub fn listens(self, port: u16) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return false };
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let sockets: BTreeSet<String> =
            tables.into_iter().flatten().flat_map(|t| listeners(&t, port)).collect();
        let targets = files.flatten().filter_map(|f| fs::read_link(f.path()).ok());
        targets.into_iter().any(|t| t.to_str().is_some_and(|t| sockets.contains(t)))
    }

    /// What a ready mark holds.
    pub fn mark(self) -> String {
        format!("{} {}\n", self.pid, self.start)
    }

    /// Ends what is left of the session that it began, also where it is over itself. A session's number
    /// is not given to a new process as long as somebody is in it.
    pub fn end_session(self) {
        let is_in = |s: &Stat| s.session == self.pid && s.process.start >= self.start && !s.is_dead;
        let members: Vec<Self> = all().into_iter().filter(is_in).map(|s| s.process).collect();
        if !members.is_empty() {
            send("KILL", &members);
            until(Duration::from_secs(10), || !members.iter().any(|p| p.is_alive()));
        }
    }

    /// It and what it started, as far down as it goes.
    fn family(self) -> Vec<Self> {
        let stats = all();
        let mut found = vec![self];
        let mut known = BTreeSet::from([self.pid]);
        let mut at = 0;
        while let Some(parent) = found.get(at).copied() {
            for child in stats.iter().filter(|s| s.parent == parent.pid && !s.is_dead) {
                if known.insert(child.process.pid) {
                    found.push(child.process);
                }
            }
            at += 1;
        }
        found
    }

    /// Asks it to end with a signal, and insists where it has not after a while.
    pub fn stop(self, signal: &str) {
        let family = self.family();
        if self.is_alive() {
            send(signal, &[self]);
        }
        if !until(Duration::from_secs(20), || !family.iter().any(|p| p.is_alive())) {
            self.kill();
        }
    }

    /// Ends it and its children at once, as a crash of the machine would.
    pub fn kill(self) {
        if !self.is_alive() {
            return;
        }
        let family = self.family();
        send("KILL", &family);
        until(Duration::from_secs(10), || !family.iter().any(|p| p.is_alive()));
    }
}

/// The sockets of a table of `/proc/net` that listen on a port, as the links in `/proc/PID/fd` name them.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let ending = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&ending) && *fields.get(3)? == LISTEN;
        is_it.then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
    };
    table.lines().filter_map(socket).collect()
}

/// All processes.
fn all() -> Vec<Stat> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|e| e.file_name().to_str().and_then(|n| n.parse().ok()))
        .filter_map(Stat::of)
        .collect()
}

/// Sends a signal. A process that ended meanwhile is no error.
fn send(signal: &str, to: &[Process]) {
    let pids = to.iter().map(|p| p.pid.to_string());
    // The shell's own `kill`: the program of that name is missing on small machines.
    let _ = Command::new("bash")
        .args(["-c", r#"kill -s "$0" "$@""#, signal])
        .args(pids)
        .stderr(Stdio::null())
        .status();
}

/// Waits until something holds; whether it does in time.
pub fn until(most: Duration, holds: impl Fn() -> bool) -> bool {
    let end = Instant::now() + most;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK);
    }
}

/// Starts a server that outlives this program; what it prints goes to `log`.
///
/// # Errors
/// It cannot be started.
pub fn start(launch: &Launch, pid_file: &Path, log: &Path) -> Result<Process, String> {
    let _ = fs::remove_file(pid_file);
    let _ = fs::rename(log, log.with_extension("old.log"));
    let output = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let errors = output.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
    let mut child = Command::new("setsid")
        .args(["bash", "-c", STARTER])
        .arg(pid_file)
        .args(&launch.command)
        .envs(launch.environment.iter().map(|(k, v)| (*k, v.as_str())))
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|e| format!("cannot run setsid: {e}; install util-linux"))?;
    loop {
        if let Some(process) = Process::read(pid_file) {
            return Ok(process);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended at once ({status}):\n{}", tail(log)));
        }
        sleep(LOOK);
    }
}

/// Runs a program that makes data to its end, in a session that `pid_file` names: where this program is
/// killed meanwhile, the next one ends it ([`Process::end_session`]).
///
/// # Errors
/// What the program printed.
pub fn run_noted(
    words: &[String],
    folder: &Path,
    input: &str,
    pid_file: &Path,
) -> Result<(), String> {
    let name = words.first().map_or("", String::as_str);
    let broken = |e: std::io::Error| format!("cannot run {name}: {e}");
    let mut command = Command::new("setsid");
    command.args(["bash", "-c", STARTER]).arg(pid_file).args(words).current_dir(folder);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(broken)?;
    if let Some(mut to_it) = child.stdin.take() {
        // One that ended before it read everything says why itself.
        let _ = to_it.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(broken)?;
    let _ = fs::remove_file(pid_file);
    judge(name, &output).map(|_| ())
}

/// Runs a program to its end; its output is shown only if it fails.
///
/// # Errors
/// What the program printed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {name}: {e}"))?;
    judge(&name, &output)
}

/// What a program printed, or that it failed.
fn judge(name: &str, output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let all = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    Err(format!("{name} failed ({}):\n{}", output.status, last_lines(&all)))
}

/// The end of a log file.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    format!("{}\n(all of it: {})", last_lines(&String::from_utf8_lossy(&text)), log.display())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..]
        .iter()
        .map(|l| format!("  {l}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Process, Stat, listeners};

    #[test]
    fn the_line_of_a_process() {
        let rest = "1 10 11 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 2 3";
        let stat = |name: &str, state: &str| Stat::parse(&format!("42 ({name}) {state} {rest}"));
        let process = Process { pid: 42, start: 987_654 };
        let alive = Some(Stat { process, parent: 1, session: 11, is_dead: false });
        assert_eq!(stat("java", "S"), alive);
        assert_eq!(stat("a) R 7 (b", "S"), alive, "a name with brackets");
        assert!(stat("java", "Z").is_some_and(|s| s.is_dead));
        assert_eq!(Stat::parse("42 (java) S 1 10"), None, "cut off");
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn who_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:3C48 00000000:0000 0A 00000000:00000000 00:00000000 00000000   103        0 31415 1\n\
             1: 0100007F:3C48 0100007F:8000 01 00000000:00000000 00:00000000 00000000   103        0 31416 1\n\
             2: 0100007F:3C49 00000000:0000 0A 00000000:00000000 00:00000000 00000000   103        0 31417 1\n";
        assert_eq!(listeners(table, 15432), ["socket:[31415]"], "not the connection to it");
        assert!(listeners(table, 80).is_empty());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let Some(me) = Stat::of(std::process::id()) else { return };
        assert!(me.process.listens(port));
        drop(listener);
        assert!(!me.process.listens(port));
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let Some(me) = Stat::of(std::process::id()) else { return };
        assert!(me.process.is_alive());
        let other = Process { start: me.process.start + 1, ..me.process };
        assert!(!other.is_alive());
        assert_eq!(other.mark(), format!("{} {}\n", other.pid, other.start));
    }
}
