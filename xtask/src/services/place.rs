//! Where things lie: the state of the servers, which `down` deletes, and downloads, which it keeps; and
//! which ports the servers have.

use super::process::{Process, until};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of one set of servers.
pub struct State {
    pub folder: PathBuf,
}

impl State {
    /// `DOGE_SERVICES_DIR`, or `services` in the workspace's target folder.
    pub fn find() -> Result<Self, String> {
        let folder = match std::env::var_os("DOGE_SERVICES_DIR") {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| crate::root().join("target"), |d| crate::root().join(d))
                .join("services"),
        };
        let folder = std::path::absolute(folder).map_err(|e| e.to_string())?;
        Ok(Self { folder })
    }

    /// Keeps other runs of this chore off this set, until it is dropped.
    pub fn lock(&self) -> Result<Lock, String> {
        Lock::take(&self.folder)
    }

    pub fn home(&self, service: &str) -> Home {
        Home { folder: self.folder.join(service) }
    }
}

/// The folder for downloads, which all sets of a person share: `DOGE_SERVICES_CACHE`, or
/// `doge-datagen-services` in the cache folder of the account.
pub fn cache() -> Result<PathBuf, String> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let of_account = || {
        let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        base.map(|b| b.join("doge-datagen-services"))
    };
    variable("DOGE_SERVICES_CACHE")
        .or_else(of_account)
        .ok_or_else(|| "there is no HOME: set DOGE_SERVICES_CACHE to a folder for downloads".into())
        .and_then(|p| std::path::absolute(p).map_err(|e| e.to_string()))
}

/// A lock on a folder. Its file descriptor is closed in every program that is started meanwhile.
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    pub fn take(folder: &Path) -> Result<Self, String> {
        let path = folder.join("lock");
        let broken = |e: std::io::Error| format!("{}: {e}", path.display());
        fs::create_dir_all(folder).map_err(broken)?;
        let file = File::create(&path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another `cargo xtask services` ({})", path.display());
                file.lock().map_err(broken)?;
            }
            Err(TryLockError::Error(e)) => return Err(broken(e)),
        }
        Ok(Self(file))
    }
}

/// The folder of one server.
pub struct Home {
    pub folder: PathBuf,
}

impl Home {
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.file("server.log")
    }

    pub fn pid_file(&self) -> PathBuf {
        self.file("pid")
    }

    /// Names the program that makes the data, while it does.
    pub fn maker_file(&self) -> PathBuf {
        self.file("maker.pid")
    }

    /// Ends the program that made data for an `up` that was interrupted.
    pub fn end_maker(&self) {
        if let Some(maker) = Process::read(&self.maker_file()) {
            maker.end_session();
            let _ = fs::remove_file(self.maker_file());
        }
    }

    /// What the server writes. It is there only once it is whole.
    pub fn data(&self) -> PathBuf {
        self.file("data")
    }

    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.file(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// The server's process, ready or not.
    pub fn process(&self) -> Option<Process> {
        Process::read(&self.pid_file()).filter(|p| p.is_alive())
    }

    /// The server's process, if it became ready.
    pub fn running(&self) -> Option<Process> {
        let mark = fs::read_to_string(self.file("ready")).ok()?;
        self.process().filter(|p| p.mark() == mark)
    }

    pub fn port(&self, name: &str) -> u16 {
        self.ports().get(name).copied().unwrap_or(0)
    }

    /// The ports that it has, or had when it ran last.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        read_ports(&fs::read_to_string(self.file("ports")).unwrap_or_default())
    }

    /// Chooses ports: those of the last time, else the usual ones, else the next that are free.
    pub fn choose_ports(
        &self,
        usual: &[(&str, u16)],
        not: &mut BTreeSet<u16>,
    ) -> Result<(), String> {
        let last = self.ports();
        // What a killed server held is free a moment later.
        until(Duration::from_secs(2), || last.values().all(|p| is_free(*p)));
        let wanted: Vec<(&str, u16)> =
            usual.iter().map(|(n, p)| (*n, last.get(*n).copied().unwrap_or(*p))).collect();
        let chosen = next_free(&wanted, not, is_free)
            .ok_or_else(|| "there is no free port on 127.0.0.1".to_owned())?;
        let lines: String = chosen.iter().map(|(n, p)| format!("{n} {p}\n")).collect();
        self.write("ports", &lines).map(|_| ())
    }
}

fn read_ports(text: &str) -> BTreeMap<String, u16> {
    let pair = |line: &str| {
        let (name, port) = line.split_once(' ')?;
        Some((name.to_owned(), port.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Whether a server could listen there.
fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Each wanted port, or the next one up that is free and not in `not`, which gets them.
fn next_free<'n>(
    wanted: &[(&'n str, u16)],
    not: &mut BTreeSet<u16>,
    is_free: impl Fn(u16) -> bool,
) -> Option<Vec<(&'n str, u16)>> {
    let choose = |(name, port): &(&'n str, u16)| {
        let port = (*port..u16::MAX).find(|p| !not.contains(p) && is_free(*p))?;
        not.insert(port);
        Some((*name, port))
    };
    wanted.iter().map(choose).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_free, next_free, read_ports};
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::TcpListener;

    #[test]
    fn ports_move_up_where_taken() {
        let mut not = BTreeSet::from([101]);
        let chosen = next_free(&[("a", 100), ("b", 101), ("c", 200)], &mut not, |p| p != 100);
        assert_eq!(chosen, Some(vec![("a", 102), ("b", 103), ("c", 200)]));
        assert_eq!(not, BTreeSet::from([101, 102, 103, 200]));
        assert_eq!(next_free(&[("a", 65_000)], &mut not, |_| false), None);
    }

    #[test]
    fn a_port_with_a_listener_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
    }

    #[test]
    fn ports_are_read_back() {
        let ports = BTreeMap::from([("plain".to_owned(), 1), ("tls".to_owned(), 2)]);
        assert_eq!(read_ports("plain 1\ntls 2\nbroken\n"), ports);
    }
}
