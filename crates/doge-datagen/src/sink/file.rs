//! `file`: text to one file.
//!
//! The events go to `NAME.part`, which is renamed when the stream is complete, so that a file under its
//! own name is always whole. Pipes, terminals and devices are written directly. `append` writes into
//! the file itself and cuts it after its last whole event if the run fails.
//!
//! A lock on the file that is written (it dies with its process) keeps two runs apart.

use super::{
    Chunk, Finished, Identity, IfExists, Key, KeyValue, Made, Make, Opening, Past, Payload, Sink,
    SinkError, SinkKind, Takes, text,
};
use crate::format::{Format, TextFormat};
use doge_core::batch::Position;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `file`
pub static KIND: SinkKind = SinkKind {
    name: "file",
    summary: "text to a file, or a file per event",
    keys: &[
        Key::required("path", KeyValue::Template),
        Key::optional("format", KeyValue::Format(&[Format::Jsonl, Format::Csv])),
        Key::later(
            "compression",
            "write plain text, and compress it afterwards: `gzip out/NAME.jsonl`",
        ),
        Key::later("part", "write one file per event (`path: \"out/{event}.jsonl\"`)"),
    ],
    takes: Takes::ByFormat,
    keeps: true,
    resumable: false,
    make: Make::Now(|settings, context| {
        let path = PathBuf::from(settings.text("path"));
        if path.as_os_str().is_empty() {
            return Err("the path is empty".into());
        }
        let Some(format) = context.format.text() else {
            return Err(format!("`{}` is not in this build", context.format.name()));
        };
        Ok(Made {
            place: path.display().to_string(),
            identity: Identity::file(&path),
            sink: Box::new(FileSink::new(path, format, context.if_exists, settings.wait())),
        })
    }),
};

/// Whether a path names a device or an open file of a process, which is never replaced by a rename.
pub(super) fn is_device_path(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

/// Writes all of `bytes`; where that fails, how much was written.
pub(super) fn write_whole(
    out: &mut impl Write,
    bytes: &[u8],
) -> Result<(), (usize, std::io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match out.write(&bytes[done..]) {
            Ok(0) => return Err((done, ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // A terminal or pipe that another program has made non-blocking.
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(e) => return Err((done, e)),
        }
    }
    Ok(())
}

/// Bytes and number of the whole events at the start of `bytes`, which begin with an event.
pub(super) fn written_events(bytes: &[u8], format: TextFormat) -> (usize, u64) {
    let (mut end, mut events, mut quoted) = (0, 0, false);
    for (i, b) in bytes.iter().enumerate() {
        match b {
            // A doubled quote inside quotes closes and opens again.
            b'"' if format == TextFormat::Csv => quoted = !quoted,
            b'\n' if !quoted => (end, events) = (i + 1, events + 1),
            _ => {}
        }
    }
    (end, events)
}

/// A file whose lock goes when it is dropped. Closing it is not enough: a child process that another
/// thread is just starting holds a copy of it for a moment.
struct Unlocked(File);

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

/// Where the bytes go.
enum Target {
    /// `NAME.part`, to be renamed.
    Part(PathBuf),
    /// The file itself; its length before this run, `None` where this run made it.
    Append(Option<u64>),
    /// A pipe, a terminal, a device.
    Direct,
}

struct Open {
    file: Unlocked,
    target: Target,
    /// Bytes of whole events, with what was there before.
    len: u64,
}

struct FileSink {
    /// As the user wrote it.
    path: PathBuf,
    format: TextFormat,
    if_exists: IfExists,
    wait: Duration,
    open: Option<Open>,
    events: u64,
    bytes: u64,
    /// Renamed into place.
    finished: bool,
}

impl FileSink {
    fn new(path: PathBuf, format: TextFormat, if_exists: IfExists, wait: Duration) -> Self {
        FileSink { path, format, if_exists, wait, open: None, events: 0, bytes: 0, finished: false }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The file to be made: where the path is a link, what it leads to, so that the link stays.
    fn real_path(&self) -> PathBuf {
        match std::fs::symlink_metadata(&self.path) {
            Ok(m) if m.is_symlink() => {
                std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
            }
            _ => self.path.clone(),
        }
    }

    fn exists_error(&self) -> SinkError {
        SinkError::new(format!("{} exists already", self.place())).help(
            "write `if_exists: replace` (or `--if-exists replace`) to put the new events in its place, \
             `append` to add to it, or another path",
        )
    }

    /// Makes the folders above the file.
    fn make_folders(&self) -> Result<(), SinkError> {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
                .map_err(|e| {
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
                }),
            _ => Ok(()),
        }
    }

    fn open_direct(&mut self) -> Result<Open, SinkError> {
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .map_err(|e| SinkError::io("open", &self.place(), &e))?;
        Ok(Open { file: Unlocked(file), target: Target::Direct, len: 0 })
    }

    fn open_part(&mut self) -> Result<Open, SinkError> {
        let real = self.real_path();
        let mut name = real.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        if part.is_dir() {
            return Err(SinkError::new(format!("cannot write {}: it is a folder", part.display()))
                .help("remove that folder, or write to another path"));
        }
        let file = locked(&part, false, self.wait)?;
        file.set_len(0).map_err(|e| SinkError::io("write", &part.display().to_string(), &e))?;
        Ok(Open { file: Unlocked(file), target: Target::Part(part), len: 0 })
    }

    fn open_append(&mut self, header: &[u8]) -> Result<Open, SinkError> {
        let made = !self.path.exists();
        let mut file = locked(&self.path, true, self.wait)?;
        let place = self.place();
        let fail = |e| SinkError::io("read", &place, &e);
        let len = file.metadata().map_err(fail)?.len();
        if len > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).map_err(fail)?;
            file.read_exact(&mut last).map_err(fail)?;
            if last[0] != b'\n' {
                return Err(SinkError::new(format!(
                    "cannot append to {place}: its last line has no line end"
                ))
                .help("end its last line, or write `if_exists: replace`"));
            }
            let mut first = vec![0; (header.len() as u64).min(len) as usize];
            file.rewind().map_err(fail)?;
            file.read_exact(&mut first).map_err(fail)?;
            if first != header {
                return Err(SinkError::new(format!(
                    "cannot append to {place}: its columns are other ones"
                ))
                .help(format!(
                    "its first line must be {}",
                    String::from_utf8_lossy(header).trim_end()
                ))
                .help("write to another path, or `if_exists: replace`"));
            }
            file.seek(SeekFrom::End(0)).map_err(fail)?;
        }
        Ok(Open { file: Unlocked(file), target: Target::Append((!made).then_some(len)), len })
    }

    /// Writes bytes that hold `events` whole events.
    fn put(&mut self, bytes: &[u8], events: u64) -> Result<(), SinkError> {
        let Some(open) = &mut self.open else {
            return Err(SinkError::new(format!(
                "cannot write {}: it is not open",
                self.path.display()
            )));
        };
        match write_whole(&mut &open.file.0, bytes) {
            Ok(()) => {
                open.len += bytes.len() as u64;
                self.bytes += bytes.len() as u64;
                self.events += events;
                Ok(())
            }
            Err((written, error)) => {
                if events > 0 {
                    let (whole, events) = written_events(&bytes[..written], self.format);
                    open.len += whole as u64;
                    self.events += events;
                }
                let place = match &open.target {
                    Target::Part(part) => part.display().to_string(),
                    _ => self.path.display().to_string(),
                };
                Err(SinkError::io("write", &place, &error))
            }
        }
    }
}

/// Opens a file for writing, made where it is missing, and locks it.
fn locked(path: &Path, read: bool, wait: Duration) -> Result<File, SinkError> {
    let place = path.display().to_string();
    // Another run may rename the file between our opening and locking it: then we hold the lock of
    // what is now a finished file, and look again.
    let started = Instant::now();
    let mut renamed = 0;
    while renamed < 10 {
        let file = OpenOptions::new()
            .read(read)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| SinkError::io("write", &place, &e))?;
        match file.try_lock() {
            Ok(()) if same_file(&file, path) => return Ok(file),
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
            Err(TryLockError::Error(_)) => return Ok(file),
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

impl Sink for FileSink {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        let found = std::fs::metadata(&self.path);
        let open = match &found {
            Ok(m) if m.is_dir() => {
                return Err(SinkError::new(format!(
                    "cannot write {}: it is a folder",
                    self.place()
                ))
                .help(format!("name a file in it: {}", self.path.join("NAME").display())));
            }
            Ok(m) if !m.is_file() => self.open_direct()?,
            _ if is_device_path(&self.path) => self.open_direct()?,
            Ok(m) if m.len() > 0 && self.if_exists == IfExists::Error => {
                return Err(self.exists_error());
            }
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                return Err(SinkError::io("write", &self.place(), e));
            }
            _ => {
                self.make_folders()?;
                if self.if_exists == IfExists::Append {
                    self.open_append(&opening.header)?
                } else {
                    self.open_part()?
                }
            }
        };
        let fresh = open.len == 0;
        self.open = Some(open);
        if fresh {
            self.put(&opening.header, 0)?;
        }
        Ok(None)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        match &chunk.payload {
            Payload::Bytes(bytes) => self.put(bytes, chunk.events),
            Payload::Batch(_) | Payload::Messages(_) => {
                Err(SinkError::new(format!("{} takes text, not records", self.place())))
            }
        }
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        let place = self.place();
        let Some(open) = &mut self.open else {
            return Err(SinkError::new(format!("cannot finish {place}: it is not open")));
        };
        match &open.target {
            Target::Direct => {
                (&open.file.0).flush().map_err(|e| SinkError::io("write", &place, &e))?
            }
            Target::Append(_) => {
                open.file.sync_all().map_err(|e| SinkError::io("write", &place, &e))?
            }
            Target::Part(part) => {
                let part_place = part.display().to_string();
                open.file.sync_all().map_err(|e| SinkError::io("write", &part_place, &e))?;
                let real = part.with_extension("");
                // Somebody else may have made the file while this run went on.
                if self.if_exists == IfExists::Error
                    && std::fs::metadata(&real).is_ok_and(|m| m.len() > 0)
                {
                    return Err(self.exists_error());
                }
                std::fs::rename(part, &real)
                    .map_err(|e| SinkError::io(&format!("rename {part_place} to"), &place, &e))?;
                sync_folder(&real);
            }
        }
        self.finished = true;
        self.open = None;
        Ok(Finished { place, bytes: Some(self.bytes) })
    }

    fn is_instant(&self) -> bool {
        self.path == Path::new("/dev/null")
    }

    fn abort(&mut self) -> String {
        let place = self.place();
        let events = text::events(self.events);
        let Some(open) = self.open.take() else {
            return if self.finished {
                format!("{place} is complete: {events}")
            } else {
                format!("{place} was not touched")
            };
        };
        let cut = match &open.target {
            Target::Direct => return format!("the first {events} went to {place}"),
            _ => {
                let len = match open.target {
                    // Not even the header stays.
                    Target::Append(Some(before)) if self.events == 0 => before,
                    _ => open.len,
                };
                let cut = open.file.set_len(len);
                // Durable as far as this can be had now; a full disk may refuse.
                let _ = open.file.sync_all();
                cut
            }
        };
        let tail = match cut {
            Ok(()) => "",
            Err(_) => ", perhaps followed by a piece of the next one",
        };
        match &open.target {
            Target::Append(None) if self.events == 0 => {
                let _ = std::fs::remove_file(&self.path);
                format!("{place} was not touched")
            }
            Target::Append(Some(_)) if self.events == 0 => format!("{place} is as it was{tail}"),
            Target::Append(Some(1..)) => {
                format!("{place} holds what it held and the first {events} of this run{tail}")
            }
            Target::Append(_) | Target::Direct => format!("{place} holds the first {events}{tail}"),
            Target::Part(part) if self.events == 0 => {
                // Nothing worth keeping; the next run would empty it anyway.
                let _ = std::fs::remove_file(part);
                format!("{place} was not touched")
            }
            Target::Part(part) => format!("{} holds the first {events}{tail}", part.display()),
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.abort();
        }
    }
}

/// Makes a rename durable. Best effort: not every file system lets a folder be synced.
fn sync_folder(file: &Path) {
    let folder = match file.parent() {
        Some(f) if !f.as_os_str().is_empty() => f,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
