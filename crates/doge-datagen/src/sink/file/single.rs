//! One file of one output.
//!
//! The events go to `NAME.part`, which is renamed when the stream is complete, so that a file under its
//! own name is always whole. Pipes, terminals and devices are written directly. `append` writes into
//! the file itself and cuts it after its last whole event if the run fails.
//!
//! A lock on the file that is written (it dies with its process) keeps two runs apart.

use super::body::{Body, Events, whole_events};
use super::disk::{
    Unlocked, is_device_path, locked, make_folders, sync_folder, unfinished, write_whole,
};
use crate::sink::{Chunk, Finished, IfExists, Meter, Opening, Past, Sink, SinkError, text};
use doge_core::batch::Position;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// The sink of one file.
pub struct FileSink {
    /// As the user wrote it.
    path: PathBuf,
    body: Box<dyn Body>,
    if_exists: IfExists,
    wait: Duration,
    state: State,
}

/// What is being written.
#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Events that can be read.
    events: u64,
    bytes: u64,
    /// Renamed into place.
    finished: bool,
    /// Nothing more can be written.
    broken: bool,
    meter: Arc<Meter>,
}

impl FileSink {
    /// A sink of a path.
    pub fn new(path: PathBuf, body: Box<dyn Body>, if_exists: IfExists, wait: Duration) -> Self {
        FileSink { path, body, if_exists, wait, state: State::default() }
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

    fn open_direct(&mut self) -> Result<Open, SinkError> {
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .map_err(|e| SinkError::io("open", &self.place(), &e))?;
        Ok(Open { file: Unlocked(file), target: Target::Direct, len: 0 })
    }

    fn open_part(&mut self) -> Result<Open, SinkError> {
        let part = unfinished(&self.real_path());
        if part.is_dir() {
            return Err(SinkError::new(format!("cannot write {}: it is a folder", part.display()))
                .help("remove that folder, or write to another path"));
        }
        let place = part.display().to_string();
        let file = locked(&part, false, self.wait, &place)?;
        file.set_len(0).map_err(|e| SinkError::io("write", &place, &e))?;
        Ok(Open { file, target: Target::Part(part), len: 0 })
    }

    fn open_append(&mut self) -> Result<Open, SinkError> {
        let made = !self.path.exists();
        let place = self.place();
        let mut file = locked(&self.path, true, self.wait, &place)?;
        let fail = |e| SinkError::io("read", &place, &e);
        let len = file.metadata().map_err(fail)?.len();
        if len > 0 {
            self.body.check_old(&mut file.0, &place)?;
            file.0.seek(SeekFrom::End(0)).map_err(fail)?;
        }
        Ok(Open { file, target: Target::Append((!made).then_some(len)), len })
    }

    /// Lets the body hand out bytes, and writes them.
    fn with_body(
        &mut self,
        call: impl FnOnce(
            &mut dyn Body,
            &mut dyn FnMut(&[u8], u64) -> Result<(), SinkError>,
        ) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let FileSink { path, body, state, .. } = self;
        let plain = body.plain();
        let done = call(&mut **body, &mut |bytes, events| {
            let Some(open) = &mut state.open else {
                return Err(SinkError::new(format!(
                    "cannot write {}: it is not open",
                    path.display()
                )));
            };
            match write_whole(&mut &open.file.0, bytes) {
                Ok(()) => {
                    open.len += bytes.len() as u64;
                    state.bytes += bytes.len() as u64;
                    state.events += events;
                    state.meter.bytes(bytes.len() as u64);
                    Ok(())
                }
                Err((written, error)) => {
                    if let Some(format) = plain.filter(|_| events > 0) {
                        let (whole, events) = whole_events(&bytes[..written], format, u64::MAX);
                        open.len += whole as u64;
                        state.events += events;
                    }
                    let place = match &open.target {
                        Target::Part(part) => part.display().to_string(),
                        _ => path.display().to_string(),
                    };
                    Err(SinkError::io("write", &place, &error))
                }
            }
        });
        state.broken |= done.is_err();
        done
    }
}

impl Sink for FileSink {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.body.open(opening);
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
                make_folders(&self.path)?;
                if self.if_exists == IfExists::Append {
                    self.open_append()?
                } else {
                    self.open_part()?
                }
            }
        };
        let fresh = open.len == 0;
        self.state.open = Some(open);
        self.state.meter = opening.meter.clone();
        self.with_body(|body, put| body.begin(fresh, put))?;
        Ok(None)
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        let events = Events::of(chunk, &self.path.display().to_string())?;
        self.with_body(|body, put| body.take(events, put))
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        let place = self.place();
        self.with_body(|body, put| body.end(put))?;
        let Some(open) = &mut self.state.open else {
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
        self.state.finished = true;
        self.state.open = None;
        Ok(Finished { place, bytes: Some(self.state.bytes) })
    }

    fn is_instant(&self) -> bool {
        self.path == Path::new("/dev/null") && self.body.plain().is_some()
    }

    fn abort(&mut self) -> String {
        let place = self.place();
        // What the body still holds is readable too, if it can be written.
        if self.state.open.is_some() && !self.state.broken {
            let _ = self.with_body(|body, put| body.end(put));
        }
        let unreadable = self.state.broken && !self.body.readable_early();
        let State { events: count, finished, .. } = self.state;
        let events = text::events(count);
        let Some(open) = self.state.open.take() else {
            return if finished {
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
                    Target::Append(Some(before)) if count == 0 => before,
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
            Target::Append(None) if count == 0 => {
                let _ = std::fs::remove_file(&self.path);
                format!("{place} was not touched")
            }
            Target::Append(Some(_)) if count == 0 => format!("{place} is as it was{tail}"),
            Target::Append(Some(1..)) => {
                format!("{place} holds what it held and the first {events} of this run{tail}")
            }
            Target::Append(_) | Target::Direct => format!("{place} holds the first {events}{tail}"),
            Target::Part(part) if unreadable => {
                // Without its end nobody can read it.
                let _ = std::fs::remove_file(part);
                format!("{place} was not touched, and nothing of this run is kept")
            }
            Target::Part(part) if count == 0 => {
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
        if self.state.open.is_some() {
            self.abort();
        }
    }
}
