//! What all files need of the operating system: whole writes, locks that die with their process,
//! renames that last.

use crate::sink::SinkError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Whether a path names a device or an open file of a process, which is never replaced by a rename.
pub fn is_device_path(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

/// Writes all of `bytes`; where that fails, how much was written.
pub fn write_whole(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, std::io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return Err((done, ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // A terminal or pipe that another program has made non-blocking.
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(e) => return Err((done, e)),
        }
    }
    Ok(())
}

/// A file whose lock goes when it is dropped. Closing it is not enough: a child process that another
/// thread is just starting holds a copy of it for a moment.
pub struct Unlocked(pub File);

impl std::ops::Deref for Unlocked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Opens a file for writing, made where it is missing, and locks it. What the file is for is called
/// `place` in errors.
pub fn locked(path: &Path, read: bool, wait: Duration, place: &str) -> Result<Unlocked, SinkError> {
    // Another run may rename or remove the file between our opening and locking it: then we hold the
    // lock of what is now another file, and look again.
    let started = Instant::now();
    let mut renamed = 0;
    while renamed < 10 || started.elapsed() < wait {
        let file = OpenOptions::new()
            .read(read)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| SinkError::io("write", &path.display().to_string(), &e))?;
        match file.try_lock() {
            Ok(()) if same_file(&file, path) => return Ok(Unlocked(file)),
            Ok(()) => renamed += 1,
            Err(TryLockError::WouldBlock) if started.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(SinkError::new(format!(
                    "cannot write {place}: another run is writing it"
                ))
                .help("wait until that run has ended, or write to another path"));
            }
            // A file system without locks.
            Err(TryLockError::Error(_)) => return Ok(Unlocked(file)),
        }
    }
    Err(SinkError::new(format!("cannot write {place}: other runs keep renaming it")))
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Makes the folders above a file.
pub fn make_folders(path: &Path) -> Result<(), SinkError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|e| {
                let in_the_way = folder.ancestors().find(|f| f.exists() && !f.is_dir());
                match in_the_way {
                    Some(file) => SinkError::new(format!(
                        "cannot make the folder {}: {} is a file",
                        folder.display(),
                        file.display()
                    ))
                    .help("choose a path whose folders are folders"),
                    None => SinkError::io("make the folder", &folder.display().to_string(), &e),
                }
            })
        }
        _ => Ok(()),
    }
}

/// `NAME.part`, where a file is made before it gets its name.
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Makes a rename durable. Best effort: not every file system lets a folder be synced.
pub fn sync_folder(file: &Path) {
    let folder = match file.parent() {
        Some(f) if !f.as_os_str().is_empty() => f,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
