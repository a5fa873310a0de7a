//! `cargo xtask services`: real servers for tests and for trying out, as plain processes on loopback.
//!
//! ```text
//! cargo xtask services up     [kafka] [registry] [postgres] [mariadb]   start; none named = all
//! cargo xtask services env    [NAME...]   what to `eval`: where they are
//! cargo xtask services status [NAME...]
//! cargo xtask services kill   NAME...     as a crash would; `up` brings the same data back
//! cargo xtask services down   [NAME...]   stop and delete the data; downloads stay
//! ```
//!
//! The state lies in `target/services` (`DOGE_SERVICES_DIR`), downloads in a folder of the account
//! (`DOGE_SERVICES_CACHE`), so that several checkouts share them. `up` does only what is missing. A server
//! counts as running by its pid, the start time of that process, and a mark that it was ready; what an
//! interrupted `up` left is ended or made anew by the next one, and nothing else is ever ended. A port
//! that is taken is passed over for the next one up, so look at `env`.
//!
//! `env` tells, for servers that run:
//!
//! - `DOGE_TEST_KAFKA` (no sign-in), `_SASL`, `_TLS`, `_SASL_TLS`: `HOST:PORT`; `_CA`: the file of the
//!   authority; `_USER`, `_PASSWORD` (PLAIN, SCRAM-SHA-256 and -512), `_LIMITED_USER` (same password, may
//!   do nothing)
//! - `DOGE_TEST_REGISTRY`, `_TLS`: the URL for clients of Confluent's registry; `_CA`
//! - `DOGE_TEST_POSTGRES` (trusts), `_SCRAM`, `_TLS` (refuses without TLS), `_LIMITED` (may make
//!   nothing): URLs; `_CA`. The server also answers on 127.0.0.2, which its certificate does not name.
//! - `DOGE_TEST_MYSQL`, `_TLS` (refuses without TLS), `_LIMITED` (may only read): URLs; `_CA`
//! - `DOGE_TEST_OTHER_CA`: an authority that signed nothing here
//! - `DOGE_TEST_XTASK`: this program, for tests that end a server and start it again:
//!   `$DOGE_TEST_XTASK services kill kafka`; `DOGE_SERVICES_DIR`: this set of servers
//!
//! Not here: containers (`compose.yaml`), and servers of more than one node. It needs Linux: `/proc` says
//! which process is which.

mod install;
mod kafka;
mod mariadb;
mod place;
mod postgres;
mod process;
mod registry;
mod tls;

use install::Need;
use place::{Home, Lock, State};
use process::{Launch, Process};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tls::Tls;

/// The account that may do everything, the database and its password. They guard nothing.
const USER: &str = "doge";
const PASSWORD: &str = "such-secret";
/// The account that may do next to nothing.
const LIMITED: &str = "doge_limited";

/// How long a server may take to become ready.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often a server that ends while it starts is started.
const ATTEMPTS: u32 = 3;

const MAVEN: Need = Need { package: "maven", is_there: || install::program("mvn").is_some() };

/// What a server has to work with.
struct Place {
    home: Home,
    tls: Tls,
    /// Downloads.
    cache: PathBuf,
}

/// A kind of server.
trait Service: Sync {
    fn name(&self) -> &'static str;

    /// The names of its ports, and the numbers that it has if they are free.
    fn ports(&self) -> &'static [(&'static str, u16)];

    /// What it needs of the system.
    fn needs(&self) -> &'static [Need];

    /// What downloading it needs of the system.
    fn needs_of_downloads(&self) -> &'static [Need] {
        &[MAVEN]
    }

    fn has_downloads(&self, _cache: &Path) -> bool {
        true
    }

    fn provide(&self, _cache: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Fills the folder of its data, which is there and empty.
    fn create(&self, _place: &Place, _into: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Whether its data is there.
    fn is_whole(&self, data: &Path) -> bool {
        data.is_dir()
    }

    fn launch(&self, place: &Place) -> Result<Launch, String>;

    fn is_ready(&self, place: &Place) -> bool;

    /// What remains to be done each time it has become ready.
    fn settle(&self, _place: &Place) -> Result<(), String> {
        Ok(())
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    /// Removes what it has outside the folder of its data.
    fn remove(&self, _data: &Path) {}

    fn variables(&self, place: &Place) -> Vec<(&'static str, String)>;
}

/// All servers.
const SERVICES: [&dyn Service; 4] =
    [&kafka::Kafka, &registry::Registry, &postgres::Postgres, &mariadb::MariaDb];

const USAGE: &str =
    "write `cargo xtask services up|env|status|kill|down [kafka] [registry] [postgres] [mariadb]`";

/// Runs `cargo xtask services`.
///
/// # Errors
/// An unknown word; a server that does not start, with the end of its log; a missing package, with the
/// command that installs it.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (verb, names) = arguments.split_first().ok_or(USAGE)?;
    let named: Vec<&dyn Service> = names.iter().map(|n| named(n)).collect::<Result<_, _>>()?;
    let all = named.is_empty();
    let services = if all { SERVICES.to_vec() } else { named };
    match verb.as_str() {
        "up" => {
            let problems = Set::find()?.up(&services)?;
            let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
            if texts.is_empty() { Ok(()) } else { Err(texts.join("\nerror: ")) }
        }
        "env" => {
            let lines = Set::find()?.environment(&services, all)?;
            lines.iter().for_each(|(name, value)| println!("export {name}={}", quoted(value)));
            Ok(())
        }
        "status" => {
            let set = Set::find()?;
            services.iter().for_each(|s| println!("{}", set.status(*s)));
            Ok(())
        }
        "kill" if all => Err("say which one: `cargo xtask services kill kafka`".into()),
        "kill" => Set::find()?.kill(&services),
        "down" => Set::find()?.down(&services),
        other => Err(format!("`services` cannot `{other}`; {USAGE}")),
    }
}

fn named(name: &str) -> Result<&'static dyn Service, String> {
    let found = SERVICES.into_iter().find(|s| s.name() == name);
    found.ok_or_else(|| {
        let names = SERVICES.map(Service::name).join(", ");
        format!("there is no server `{name}`; there are {names}")
    })
}

/// A value as a shell reads it back.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:.@_-,+=%".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Why a server was not started.
struct Problem {
    service: &'static str,
    why: String,
    /// The system lacks a package, and this program may not install it.
    is_missing: bool,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.service, self.why)
    }
}

fn problem(service: &dyn Service, why: String) -> Problem {
    Problem { service: service.name(), why, is_missing: false }
}

/// Servers for the project's own tests.
pub struct ForTests {
    set: Set,
    /// Those that were not there before, and those that were stopped and had data.
    started: Vec<(&'static dyn Service, bool)>,
    /// Where they are.
    pub variables: Vec<(&'static str, String)>,
    /// What is not there, in a line each, and whether that is only for want of a package.
    pub without: Vec<(String, bool)>,
}

impl ForTests {
    /// Those that run, and with `start` all others that can be started.
    ///
    /// # Errors
    /// There is no place for their state.
    pub fn get(start: bool) -> Result<Self, String> {
        let set = Set::find()?;
        let has_data = |s: &dyn Service| s.is_whole(&set.place(s).home.data());
        let stopped: Vec<(&dyn Service, bool)> = SERVICES
            .into_iter()
            .filter(|s| !set.is_running(*s))
            .map(|s| (s, has_data(s)))
            .collect();
        let mut without = Vec::new();
        if start {
            let problems = set.up(&SERVICES)?;
            without.extend(problems.iter().map(|p| (p.to_string(), p.is_missing)));
        } else if !stopped.is_empty() {
            let names: Vec<&str> = stopped.iter().map(|(s, _)| s.name()).collect();
            let text = format!("{}: `cargo xtask services up` starts them", names.join(", "));
            without.push((text, true));
        }
        let started = stopped.into_iter().filter(|(s, _)| set.is_running(*s)).collect();
        let variables = set.environment(&SERVICES, true).unwrap_or_default();
        Ok(Self { set, started, variables, without })
    }

    /// Takes down what [`ForTests::get`] started; data that was there before stays.
    ///
    /// # Errors
    /// What cannot be deleted.
    pub fn give_back(self) -> Result<(), String> {
        let (had, had_not): (Vec<_>, Vec<_>) = self.started.into_iter().partition(|(_, had)| *had);
        let had: Vec<&dyn Service> = had.into_iter().map(|(s, _)| s).collect();
        let had_not: Vec<&dyn Service> = had_not.into_iter().map(|(s, _)| s).collect();
        let ours = self.set.state.lock()?;
        self.set.stop(&had);
        drop(ours);
        if had_not.is_empty() { Ok(()) } else { self.set.down(&had_not) }
    }
}

/// One set of servers: those whose state is in one folder.
pub struct Set {
    state: State,
    cache: PathBuf,
}

impl Set {
    /// The set that the environment names.
    ///
    /// # Errors
    /// There is no folder for it.
    pub fn find() -> Result<Self, String> {
        if !Path::new("/proc/self/stat").is_file() {
            return Err("the servers need Linux (/proc); elsewhere use compose.yaml".into());
        }
        Ok(Self { state: State::find()?, cache: place::cache()? })
    }

    fn place(&self, service: &dyn Service) -> Place {
        Place {
            home: self.state.home(service.name()),
            tls: Tls::of(&self.state),
            cache: self.cache.clone(),
        }
    }

    fn is_running(&self, service: &dyn Service) -> bool {
        self.place(service).home.running().is_some()
    }

    /// Whether a server that runs answers; `None` if it does not run, or ends while it is asked, as one
    /// does that was killed a moment ago.
    fn answers(&self, service: &dyn Service) -> Option<bool> {
        let place = self.place(service);
        let process = place.home.running()?;
        let answers = process::until(Duration::from_secs(10), || {
            !process.is_alive() || service.is_ready(&place)
        });
        process.is_alive().then_some(answers)
    }

    /// Starts what does not run; what could not be started, and why.
    fn up(&self, services: &[&dyn Service]) -> Result<Vec<Problem>, String> {
        let _ours = self.state.lock()?;
        let mut failed = Vec::new();
        let mut stopped = Vec::new();
        for service in services.iter().copied() {
            match self.answers(service) {
                Some(true) => println!("{}", self.status(service)),
                Some(false) => {
                    let name = service.name();
                    let why = format!(
                        "it runs and does not answer: `cargo xtask services kill {name}`, then `up`"
                    );
                    failed.push(problem(service, why));
                }
                None => stopped.push(service),
            }
        }
        if stopped.is_empty() {
            return Ok(failed);
        }
        // One at a time for all sets: they share downloads, and free ports are the same for all.
        let of_all = Lock::take(&self.cache)?;
        install::sweep(&self.cache, &of_all);
        let missing = |service: &dyn Service| {
            let downloads: &[Need] =
                if service.has_downloads(&self.cache) { &[] } else { service.needs_of_downloads() };
            install::missing(&[service.needs(), downloads])
        };
        let packages: BTreeSet<&str> = stopped.iter().flat_map(|s| missing(*s)).collect();
        let advice = install::install(&packages.into_iter().collect::<Vec<_>>()).err();
        let mut ready = Vec::new();
        let mut chosen = BTreeSet::new();
        // What others of this set have or had is theirs.
        let others = SERVICES.iter().filter(|o| stopped.iter().all(|s| s.name() != o.name()));
        others.for_each(|o| chosen.extend(self.place(*o).home.ports().into_values()));
        for service in stopped {
            let packages = missing(service);
            if !packages.is_empty() {
                let why = advice.clone().unwrap_or_default();
                let own = install::advice(&packages);
                // The installer's words, where they say more.
                let text = if why.lines().count() > 1 { format!("{own}\n{why}") } else { own };
                failed.push(Problem { is_missing: true, ..problem(service, text) });
                continue;
            }
            let place = self.place(service);
            let prepared = fs::create_dir_all(&place.home.folder)
                .map_err(|e| format!("{}: {e}", place.home.folder.display()))
                .and_then(|()| place.tls.make())
                .and_then(|()| {
                    // Half made or half started, by an `up` that was interrupted.
                    place.home.end_maker();
                    if let Some(process) = place.home.process() {
                        process.stop(service.stop_signal());
                    }
                    place.home.choose_ports(service.ports(), &mut chosen)
                });
            match prepared {
                Ok(()) => ready.push((service, place)),
                Err(e) => failed.push(problem(service, e)),
            }
        }
        // Downloads come one after the other: two Mavens at once would write to the same repository.
        ready.retain(|(service, place)| match service.provide(&place.cache) {
            Ok(()) => true,
            Err(e) => {
                failed.push(problem(*service, e));
                false
            }
        });
        let chosen = Mutex::new(chosen);
        std::thread::scope(|scope| {
            let starts: Vec<_> = ready
                .iter()
                .map(|(service, place)| {
                    (*service, scope.spawn(|| bring_up(*service, place, &chosen)))
                })
                .collect();
            for (service, start) in starts {
                match start.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(e)) => failed.push(problem(service, e)),
                    Err(_) => failed.push(problem(service, "its start broke off".into())),
                }
            }
        });
        Ok(failed)
    }

    /// The variables of what runs.
    fn environment(
        &self,
        services: &[&dyn Service],
        any: bool,
    ) -> Result<Vec<(&'static str, String)>, String> {
        let mut lines = Vec::new();
        for service in services {
            if self.is_running(*service) {
                lines.extend(service.variables(&self.place(*service)));
            } else if !any {
                let name = service.name();
                return Err(format!("{name} does not run: `cargo xtask services up {name}`"));
            }
        }
        if lines.is_empty() {
            return Err("no server runs: `cargo xtask services up`".into());
        }
        let text = |p: PathBuf| p.to_string_lossy().into_owned();
        lines.push(("DOGE_TEST_OTHER_CA", text(Tls::of(&self.state).other_ca())));
        if let Ok(program) = std::env::current_exe() {
            lines.push(("DOGE_TEST_XTASK", text(program)));
        }
        lines.push(("DOGE_SERVICES_DIR", text(self.state.folder.clone())));
        Ok(lines)
    }

    fn status(&self, service: &dyn Service) -> String {
        let home = self.place(service).home;
        let name = service.name();
        if let Some(process) = home.running() {
            let ports = home.ports();
            // In the order in which the server lists them.
            let ports =
                service.ports().iter().filter_map(|(n, _)| Some(format!("{n} {}", ports.get(*n)?)));
            let ports = ports.collect::<Vec<_>>().join(", ");
            return format!("{name:8} runs       pid {}; ports: {ports}", process.pid);
        }
        if let Some(process) = home.process() {
            return format!(
                "{name:8} starts     pid {}; if nothing starts it: `up` again",
                process.pid
            );
        }
        if service.is_whole(&home.data()) {
            return format!("{name:8} stopped    its data is there");
        }
        format!("{name:8} not there")
    }

    fn kill(&self, services: &[&dyn Service]) -> Result<(), String> {
        let _ours = self.state.lock()?;
        for service in services {
            match self.place(*service).home.process() {
                Some(process) => process.kill(),
                None => return Err(format!("{} does not run", service.name())),
            }
        }
        Ok(())
    }

    /// Stops them, all at once. Only under the lock.
    fn stop(&self, services: &[&dyn Service]) {
        std::thread::scope(|scope| {
            for service in services {
                scope.spawn(|| {
                    let home = self.place(*service).home;
                    home.end_maker();
                    if let Some(process) = home.process() {
                        process.stop(service.stop_signal());
                    }
                });
            }
        });
    }

    /// Stops them and deletes what they hold.
    fn down(&self, services: &[&dyn Service]) -> Result<(), String> {
        if !self.state.folder.is_dir() {
            return Ok(());
        }
        let _ours = self.state.lock()?;
        self.stop(services);
        for service in services {
            let home = self.place(*service).home;
            clear(*service, &home);
            if home.folder.is_dir() {
                fs::remove_dir_all(&home.folder)
                    .map_err(|e| format!("{}: {e}", home.folder.display()))?;
            }
        }
        if SERVICES.iter().all(|s| !self.state.home(s.name()).folder.is_dir()) {
            Tls::of(&self.state).remove();
        }
        Ok(())
    }
}

/// Deletes data, whole or half made.
fn clear(service: &dyn Service, home: &Home) {
    for folder in fs::read_dir(&home.folder).into_iter().flatten().flatten() {
        if folder.file_name().to_string_lossy().starts_with("data") {
            service.remove(&folder.path());
            let _ = fs::remove_dir_all(folder.path()).or_else(|_| fs::remove_file(folder.path()));
        }
    }
}

/// Makes the data if it is not there, starts the server and waits until it is ready.
fn bring_up(
    service: &dyn Service,
    place: &Place,
    chosen: &Mutex<BTreeSet<u16>>,
) -> Result<(), String> {
    let begun = Instant::now();
    let home = &place.home;
    let data = home.data();
    if !service.is_whole(&data) {
        clear(service, home);
        // A name of its own: what an interrupted run started may still write to its folder.
        let part = home.file(&format!("data.part-{}", std::process::id()));
        fs::create_dir_all(&part).map_err(|e| format!("{}: {e}", part.display()))?;
        service.create(place, &part)?;
        fs::rename(&part, &data).map_err(|e| format!("{}: {e}", data.display()))?;
    }
    let _ = fs::remove_file(home.file("ready"));
    // PostgreSQL does not start beside the pid of one that was killed.
    if let Some(last) = Process::read(&home.pid_file()) {
        process::until(Duration::from_secs(5), || last.is_gone());
    }
    let mut attempt = 1;
    let process = loop {
        match start_and_wait(service, place) {
            Ok(process) => break process,
            // What a killed server started may need a moment to notice, and until then it is in the way;
            // or somebody else was faster to take a port.
            Err(Failure::Ended(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(Failure::Ended(why) | Failure::Other(why)) => return Err(why),
        }
        std::thread::sleep(Duration::from_secs(1));
        let mut chosen = chosen.lock().unwrap_or_else(PoisonError::into_inner);
        // Its own are not taken by itself.
        home.ports().values().for_each(|p| _ = chosen.remove(p));
        home.choose_ports(service.ports(), &mut chosen)?;
    };
    service.settle(place)?;
    home.write("ready", &process.mark())?;
    println!("{:8} ready after {:.1} s", service.name(), begun.elapsed().as_secs_f64());
    Ok(())
}

/// Why a server is not ready.
enum Failure {
    /// It ended by itself.
    Ended(String),
    Other(String),
}

fn start_and_wait(service: &dyn Service, place: &Place) -> Result<Process, Failure> {
    let home = &place.home;
    let launch = service.launch(place).map_err(Failure::Other)?;
    let process = process::start(&launch, &home.pid_file(), &home.log()).map_err(Failure::Other)?;
    let ports = home.ports();
    let is_ready = || service.is_ready(place) && ports.values().all(|p| process.listens(*p));
    let is_over = || !process.is_alive() || is_ready();
    let in_time = process::until(PATIENCE, is_over);
    if !process.is_alive() {
        let end = process::tail(&home.log());
        return Err(Failure::Ended(format!("it ended while it started:\n{end}")));
    }
    if !in_time {
        process.kill();
        let end = process::tail(&home.log());
        return Err(Failure::Other(format!("not ready after {} s:\n{end}", PATIENCE.as_secs())));
    }
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::place::State;
    use super::{SERVICES, Service, Set, quoted};
    use std::collections::BTreeSet;

    #[test]
    fn values_for_the_shell() {
        assert_eq!(quoted("postgres://a:b@127.0.0.1:1/c"), "postgres://a:b@127.0.0.1:1/c");
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
        assert_eq!(quoted("a;b"), "'a;b'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn no_two_servers_want_the_same() {
        let set = Set { state: State { folder: "/nowhere".into() }, cache: "/nowhere".into() };
        let mut ports = BTreeSet::new();
        let mut variables = BTreeSet::new();
        for service in SERVICES {
            assert!(service.ports().iter().all(|(_, p)| ports.insert(*p)), "{}", service.name());
            for (name, value) in service.variables(&set.place(service)) {
                assert!(name.starts_with("DOGE_TEST_") && variables.insert(name), "{name}");
                assert!(!value.is_empty(), "{name}");
            }
        }
        let names = SERVICES.map(Service::name);
        assert_eq!(names, ["kafka", "registry", "postgres", "mariadb"]);
    }

    #[test]
    fn a_set_that_was_never_started() {
        let set = Set { state: State { folder: "/nowhere".into() }, cache: "/nowhere".into() };
        assert!(set.environment(&SERVICES, true).is_err_and(|e| e.contains("services up")));
        assert!(set.environment(&SERVICES[..1], false).is_err_and(|e| e.contains("up kafka")));
        assert!(set.status(SERVICES[0]).ends_with("not there"));
        assert_eq!(set.down(&SERVICES), Ok(()));
    }
}
