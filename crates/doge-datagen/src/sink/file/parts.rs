//! Numbered parts with a manifest: files that can be resumed.
//!
//! Each part holds exactly so many events, the last one of a complete stream may hold fewer. A part is
//! written as `NAME.part`, made durable, renamed, and then noted in the manifest; only what the manifest
//! lists counts. A run that goes on begins at the first event of the first part that is not full, so
//! every part has the bytes that it would have had without the interruption.
//!
//! While a run writes, it holds the lock of a file whose name is the path with `{part}` as it stands
//! and `.part` behind: its end removes it.

use super::body::{Body, Events, pieces, whole_events};
use super::disk::{Unlocked, locked, make_folders, sync_folder, unfinished, write_whole};
use super::manifest::{Entry, Manifest, Part};
use crate::destination::PART;
use crate::format::TextFormat;
use crate::sink::{
    Chunk, Finished, IfExists, Mark, Meter, Note, Opening, Past, Sink, SinkError, Stream, text,
};
use doge_core::batch::Position;
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Digits of a part's number.
const DIGITS: usize = 6;

/// The names of an output's parts.
struct Names {
    /// The last folder that all parts share.
    folder: PathBuf,
    /// The rest of the path, with [`PART`] where the number stands.
    rest: String,
}

impl Names {
    fn of(path: &str) -> Names {
        let hole = path.find(PART).unwrap_or(path.len());
        let cut = path[..hole].rfind(std::path::is_separator).map_or(0, |i| i + 1);
        let folder = if cut == 0 { PathBuf::from(".") } else { PathBuf::from(&path[..cut]) };
        Names { folder, rest: path[cut..].to_owned() }
    }

    /// The name of a part, from the folder on.
    fn name(&self, number: u64) -> String {
        self.rest.replace(PART, &format!("{number:0DIGITS$}"))
    }

    /// The name with `{part}` in it: how the manifest calls the output.
    fn key(&self) -> String {
        self.rest.replace(PART, "{part}")
    }

    fn path(&self, name: &str) -> PathBuf {
        if self.folder == Path::new(".") { name.into() } else { self.folder.join(name) }
    }

    fn lock(&self) -> PathBuf {
        unfinished(&self.path(&self.key().replace(std::path::is_separator, "_")))
    }

    /// Numbers of the parts that have a file, or an unfinished one, in order.
    fn found(&self) -> std::io::Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        // The number may stand in the name of a folder, and several times.
        let first = self.rest.split(std::path::is_separator).next().unwrap_or("");
        let (before, _) = first.split_once(PART).unwrap_or((first, ""));
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|n| n.strip_prefix(before)?.get(..DIGITS));
            if let Some(digits) = number
                && digits.bytes().all(|b| b.is_ascii_digit())
                && let Ok(number) = digits.parse()
            {
                let path = self.path(&self.name(number));
                if path.exists() || unfinished(&path).exists() {
                    numbers.push(number);
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

/// A part that is being written.
struct Open {
    file: Unlocked,
    unfinished: PathBuf,
    bytes: u64,
    events: u64,
}

/// The sink of an output in parts.
pub struct PartsSink {
    /// The path with `{part}`.
    place: String,
    names: Names,
    body: Box<dyn Body>,
    /// How events end, where they come as text.
    text: Option<TextFormat>,
    form: String,
    /// Events of a part.
    size: u64,
    if_exists: IfExists,
    manifest: Manifest,
    wait: Duration,
    lock: Option<Unlocked>,
    /// What the manifest says, or will with its next change.
    entry: Entry,
    /// Number of the part that is written or comes next.
    number: u64,
    open: Option<Open>,
    /// Old content that the first part takes the place of.
    old: bool,
    /// The manifest was made by this run and lists nothing yet.
    untouched: bool,
    /// Everything is there already; what comes is not needed.
    whole: bool,
    finished: bool,
    end_ms: i64,
    /// Number of events and place of the last event of chunks that are not final yet.
    ends: VecDeque<(u64, Position)>,
    /// The place of the last event that is final at the end of a chunk.
    last: Option<Position>,
    /// Events given so far, with those of earlier runs.
    given: u64,
    bytes: u64,
    meter: Arc<Meter>,
}

impl PartsSink {
    /// A sink of a path with [`PART`] in it. `form` says what must not change from run to run.
    pub fn new(
        path: &str,
        body: Box<dyn Body>,
        text: Option<TextFormat>,
        form: String,
        size: u64,
        if_exists: IfExists,
        wait: Duration,
    ) -> PartsSink {
        let names = Names::of(path);
        PartsSink {
            place: path.replace(PART, "{part}"),
            manifest: Manifest::of(&names.folder, wait),
            names,
            body,
            text,
            form,
            size,
            if_exists,
            wait,
            lock: None,
            entry: Entry { note: Note::fresh(&Stream::default(), ""), parts: Vec::new() },
            number: 0,
            open: None,
            old: false,
            untouched: false,
            whole: false,
            finished: false,
            end_ms: 0,
            ends: VecDeque::new(),
            last: None,
            given: 0,
            bytes: 0,
            meter: Arc::default(),
        }
    }

    /// The path, with `{part}` where the number stands.
    pub fn place(&self) -> String {
        self.place.clone()
    }

    /// Whether a file of a part has content.
    fn has_content(&self) -> Result<bool, SinkError> {
        let found = self.names.found().map_err(|e| self.cannot_look(&e))?;
        let len = |n: &u64| std::fs::metadata(self.names.path(&self.names.name(*n)));
        Ok(found.iter().any(|n| len(n).is_ok_and(|m| m.len() > 0)))
    }

    fn cannot_look(&self, e: &std::io::Error) -> SinkError {
        SinkError::io("look into", &self.names.folder.display().to_string(), e)
    }

    /// Looks at what is there, and writes the note of a fresh start.
    fn look(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        let found = self.manifest.read(&self.names.key())?;
        if let (true, Some(entry)) = (opening.resume, &found) {
            return self.go_on(entry.clone(), &opening.stream).map(Some);
        }
        let exists =
            found.is_some_and(|e| e.parts.iter().any(|p| p.bytes > 0)) || self.has_content()?;
        if exists && self.if_exists == IfExists::Error {
            return Err(SinkError::new(format!("{} exists already", self.place))
                .help("write `if_exists: replace` (or `--if-exists replace`) to put new parts in the place of the old, or another path")
                .help("`--resume` goes on with the run that wrote them"));
        }
        let note = Note::fresh(&opening.stream, self.form.as_str());
        self.entry = Entry { note, parts: Vec::new() };
        self.old = exists;
        if !exists {
            self.remove_unlisted()?;
            self.manifest.change(&self.names.key(), Some(&self.entry))?;
            self.untouched = true;
        }
        Ok(None)
    }

    /// Goes on from what the manifest says.
    fn go_on(&mut self, entry: Entry, stream: &Stream) -> Result<Past, SinkError> {
        let past = entry.note.resume(&self.place, stream, &self.form)?;
        let full = entry.parts.iter().take_while(|p| p.events == self.size).count();
        for (number, part) in entry.parts[..full].iter().enumerate() {
            let path = self.names.path(&self.names.name(number as u64));
            if std::fs::metadata(&path).map_or(0, |m| m.len()) != part.bytes {
                return Err(SinkError::new(format!(
                    "cannot go on with {}: {} is not as it was written",
                    self.place,
                    path.display()
                ))
                .help("put the file back")
                .help("or begin anew: leave `--resume` out and write `--if-exists replace`"));
            }
        }
        let past = Past { mark: Some(Mark::Events(full as u64 * self.size)), ..past };
        let past = if full == 0 { Past { mark: None, ..past } } else { past };
        self.whole = past.complete_ms.is_some_and(|ms| ms >= self.end_ms);
        self.number = full as u64;
        self.given = full as u64 * self.size;
        self.entry = entry;
        if !self.whole {
            self.remove_unlisted()?;
        }
        Ok(past)
    }

    /// Removes the files of parts that the manifest does not list.
    fn remove_unlisted(&self) -> Result<(), SinkError> {
        for number in self.names.found().map_err(|e| self.cannot_look(&e))? {
            let path = self.names.path(&self.names.name(number));
            let _ = std::fs::remove_file(unfinished(&path));
            if number >= self.entry.parts.len() as u64 && path.exists() {
                std::fs::remove_file(&path)
                    .map_err(|e| SinkError::io("remove", &path.display().to_string(), &e))?;
            }
        }
        Ok(())
    }

    /// Begins the next part.
    fn begin(&mut self) -> Result<(), SinkError> {
        let name = self.names.name(self.number);
        if self.number >= 10u64.pow(DIGITS as u32) {
            return Err(SinkError::new(format!(
                "cannot write {}: there are no more than {} parts",
                self.place,
                text::grouped(10u64.pow(DIGITS as u32))
            ))
            .help("make them larger: `part: { events: 10000000 }`"));
        }
        let path = self.names.path(&name);
        make_folders(&path)?;
        let unfinished = unfinished(&path);
        let place = unfinished.display().to_string();
        let fail = |e: std::io::Error| SinkError::io("write", &place, &e);
        let file = File::create(&unfinished).map_err(fail)?;
        self.open = Some(Open { file: Unlocked(file), unfinished, bytes: 0, events: 0 });
        self.with_body(|body, put| body.begin(true, put))
    }

    /// Lets the body hand out bytes, and writes them to the open part.
    fn with_body(
        &mut self,
        call: impl FnOnce(
            &mut dyn Body,
            &mut dyn FnMut(&[u8], u64) -> Result<(), SinkError>,
        ) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let PartsSink { body, open, meter, place, .. } = self;
        let Some(open) = open else {
            return Err(SinkError::new(format!("cannot write {place}: it is not open")));
        };
        call(&mut **body, &mut |bytes, _| {
            write_whole(&mut &open.file.0, bytes).map_err(|(_, e)| {
                SinkError::io("write", &open.unfinished.display().to_string(), &e)
            })?;
            open.bytes += bytes.len() as u64;
            meter.bytes(bytes.len() as u64);
            Ok(())
        })
    }

    fn put(&mut self, events: Events<'_>) -> Result<(), SinkError> {
        if self.open.is_none() {
            self.begin()?;
        }
        self.with_body(|body, put| body.take(events, put))?;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.events += events.len();
        if open.events == self.size { self.seal(None) } else { Ok(()) }
    }

    /// Events that the open part may still take.
    fn room(&self) -> u64 {
        self.size - self.open.as_ref().map_or(0, |o| o.events)
    }

    /// Ends the open part, gives it its name and notes it. `complete_ms`: the stream ends with it.
    fn seal(&mut self, complete_ms: Option<i64>) -> Result<(), SinkError> {
        self.with_body(|body, put| body.end(put))?;
        let Some(open) = self.open.take() else { return Ok(()) };
        let place = open.unfinished.display().to_string();
        open.file.sync_all().map_err(|e| SinkError::io("write", &place, &e))?;
        if self.old {
            // From here on the old parts are of no stream: a run that goes on removes what is left.
            self.entry.parts.clear();
            self.manifest.change(&self.names.key(), Some(&self.entry))?;
            for number in self.names.found().map_err(|e| self.cannot_look(&e))? {
                let path = self.names.path(&self.names.name(number));
                let _ = std::fs::remove_file(path);
            }
            self.old = false;
        }
        let name = self.names.name(self.number);
        let path = self.names.path(&name);
        std::fs::rename(&open.unfinished, &path).map_err(|e| {
            SinkError::io(&format!("rename {place} to"), &path.display().to_string(), &e)
        })?;
        sync_folder(&path);
        self.entry.parts.truncate(self.number as usize);
        self.entry.parts.push(Part { name, events: open.events, bytes: open.bytes });
        if open.events == self.size {
            self.number += 1;
        }
        self.bytes += open.bytes;
        self.note(complete_ms)
    }

    /// Writes the manifest: all full parts are final.
    fn note(&mut self, complete_ms: Option<i64>) -> Result<(), SinkError> {
        let mark = (self.number > 0).then_some(Mark::Events(self.number * self.size));
        self.entry.note.past = Past { mark, complete_ms };
        self.manifest.change(&self.names.key(), Some(&self.entry))?;
        self.untouched = false;
        Ok(())
    }

    /// Events that the manifest lists.
    fn listed(&self) -> u64 {
        self.entry.parts.iter().map(|p| p.events).sum()
    }

    fn release(&mut self) {
        if self.lock.is_some() {
            let _ = std::fs::remove_file(self.names.lock());
            self.lock = None;
        }
    }
}

impl Sink for PartsSink {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.body.open(opening);
        self.end_ms = opening.span_ms.1;
        self.meter = opening.meter.clone();
        let lock = self.names.lock();
        make_folders(&lock)?;
        self.lock = Some(locked(&lock, false, self.wait, &self.place)?);
        let opened = self.look(opening);
        if opened.is_err() {
            self.release();
        }
        opened
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        if self.whole {
            return Ok(());
        }
        self.given += chunk.events;
        self.ends.push_back((self.given, chunk.last));
        match Events::of(chunk, &self.place)? {
            Events::Records(batch) => {
                let room = self.room();
                pieces(batch, room, |piece| {
                    self.put(Events::Records(piece))?;
                    Ok(self.room())
                })
            }
            Events::Text(mut bytes, mut events) => {
                let Some(format) = self.text else { return Ok(()) };
                while events > self.room() {
                    let (len, n) = whole_events(bytes, format, self.room());
                    if n == 0 {
                        break;
                    }
                    self.put(Events::Text(&bytes[..len], n))?;
                    (bytes, events) = (&bytes[len..], events - n);
                }
                self.put(Events::Text(bytes, events))
            }
        }
    }

    fn commit(&mut self, _: Position) -> Result<Option<Position>, SinkError> {
        let done = self.number * self.size;
        let mut last = None;
        while let Some((events, place)) = self.ends.front().copied().filter(|e| e.0 <= done) {
            self.meter.committed(events, place.time_ms);
            last = Some(place);
            self.ends.pop_front();
        }
        self.last = last.or(self.last);
        Ok(self.last)
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        if !self.whole {
            if self.open.is_none() && self.number == 0 {
                // Somebody who reads the parts finds the columns, if no event.
                self.begin()?;
            }
            let end = Some(self.end_ms);
            if self.open.is_some() {
                self.seal(end)?
            } else {
                self.note(end)?
            }
            self.remove_unlisted()?;
        }
        self.finished = true;
        self.release();
        Ok(Finished { place: self.place.clone(), bytes: Some(self.bytes) })
    }

    fn abort(&mut self) -> String {
        let place = self.place();
        if self.finished {
            return format!("{place} is complete: {}", text::events(self.listed()));
        }
        if let Some(open) = self.open.take() {
            let _ = std::fs::remove_file(&open.unfinished);
        }
        if self.lock.is_none() {
            return format!("{place} was not touched");
        }
        let said = if self.untouched {
            let _ = self.manifest.change(&self.names.key(), None);
            format!("{place} was not touched")
        } else if self.old {
            format!("{place} is as it was")
        } else {
            let (events, parts) = (text::events(self.listed()), self.entry.parts.len());
            format!(
                "{place} holds the first {events}, in {parts} part{}",
                if parts == 1 { "" } else { "s" }
            )
        };
        self.release();
        said
    }
}

impl Drop for PartsSink {
    fn drop(&mut self) {
        if self.lock.is_some() {
            self.abort();
        }
    }
}
