//! A table of a database server, whichever.

use super::{FORM, has_rows, left, of_the_same_run, past_of};
use crate::sink::{
    Chunk, Finished, IfExists, Mark, Meter, Note, Opening, Past, Payload, Sink, SinkError, text,
};
use doge_core::batch::{EventBatch, Position};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of rows that are kept for sending them again; beyond that they are committed early.
const KEPT_BYTES: usize = 64 << 20;
/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What went wrong with a database.
#[derive(Debug)]
pub enum Trouble {
    /// The server or the way to it is gone, or it asks for another try: why, for people.
    Away(SinkError),
    /// Another session holds the table's lock.
    Held(SinkError),
    /// Anything that another try would not change.
    Final(SinkError),
}

impl Trouble {
    fn error(self) -> SinkError {
        match self {
            Trouble::Away(e) | Trouble::Held(e) | Trouble::Final(e) => e,
        }
    }
}

impl From<SinkError> for Trouble {
    fn from(e: SinkError) -> Self {
        Trouble::Final(e)
    }
}

/// What [`Driver::look`] has found.
#[derive(Debug, Default)]
pub struct Found {
    /// There is such a table.
    pub table: bool,
    /// It has a row.
    pub rows: bool,
    /// The note under the table's key.
    pub note: Option<String>,
    /// The notes of other shards of the table.
    pub others: Vec<String>,
}

/// A connection to a database and one table in it. After an error but for those of `look` and `encode`
/// only `connect` and `close` are called.
pub trait Driver: Send {
    /// Encoded rows.
    type Rows: Send;

    /// What people call the table: `HOST:5432/bank table trx`.
    fn place(&self) -> &str;

    /// What the way in which rows are written is called, where there are several.
    fn way(&self) -> Option<&'static str> {
        None
    }

    /// Connects anew and takes the table's lock, waiting for it at most so long.
    fn connect(&mut self, wait: Duration) -> Result<(), Trouble>;

    /// Looks at the table, its columns, rights and notes, changes nothing, and reports all that is wrong.
    fn look(&mut self, replace: bool) -> Result<Found, Trouble>;

    /// Makes the table and the table of notes where they are missing, and writes the note.
    fn make_ready(&mut self, note: &str) -> Result<(), Trouble>;

    /// Takes back what `make_ready` did: drops the tables that it made, puts the old note back.
    fn undo(&mut self, old: Option<&str>) -> Result<(), Trouble>;

    /// The note as it is now.
    fn note(&mut self) -> Result<Option<String>, Trouble>;

    /// Encodes rows; with the bytes that they take. Needs no connection, but what `look` has seen.
    fn encode(&mut self, batch: &EventBatch) -> Result<(Self::Rows, usize), SinkError>;

    /// Begins a transaction; in it deletes the table's rows where told.
    fn begin(&mut self, delete: bool) -> Result<(), Trouble>;

    /// Sends rows in the open transaction.
    fn send(&mut self, rows: &Self::Rows) -> Result<(), Trouble>;

    /// Writes the note and commits.
    fn commit(&mut self, note: &str) -> Result<(), Trouble>;

    /// Lets go of the open transaction.
    fn rollback(&mut self) -> Result<(), Trouble>;

    /// Lets go of lock and connection.
    fn close(&mut self);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    Finished,
}

/// The sink of a [`Driver`].
pub struct TableSink<D: Driver> {
    driver: D,
    if_exists: IfExists,
    wait: Duration,
    patience: Duration,
    meter: Arc<Meter>,
    end_ms: i64,
    state: State,
    note: Note,
    /// The note that is in the database.
    stored: String,
    /// The note that was there before.
    before: Option<String>,
    resumed: bool,
    had_rows: bool,
    /// The old rows are to be deleted with the first commit.
    delete: bool,
    /// Rows since the last commit, how many of these batches the open transaction has, and their bytes.
    rows: Vec<D::Rows>,
    sent: usize,
    bytes: usize,
    in_transaction: bool,
    commits: u64,
    written: u64,
    committed: u64,
    last: Option<Position>,
}

impl<D: Driver> TableSink<D> {
    /// A sink that waits for the lock at most `wait`, and for a server that went away `patience`.
    pub fn new(driver: D, if_exists: IfExists, wait: Duration, patience: Duration) -> Self {
        TableSink {
            driver,
            if_exists,
            wait,
            patience,
            meter: Arc::default(),
            end_ms: 0,
            state: State::Closed,
            note: Note::fresh(&Default::default(), FORM),
            stored: String::new(),
            before: None,
            resumed: false,
            had_rows: false,
            delete: false,
            rows: Vec::new(),
            sent: 0,
            bytes: 0,
            in_transaction: false,
            commits: 0,
            written: 0,
            committed: 0,
            last: None,
        }
    }

    fn try_open(&mut self, opening: &Opening) -> Result<Option<Past>, Trouble> {
        self.driver.connect(self.wait)?;
        let found = self.driver.look(self.if_exists == IfExists::Replace)?;
        let place = self.driver.place();
        let stream = &opening.stream;
        let past = match &found.note {
            // A note about rows that somebody dropped with their table says nothing.
            Some(text) if opening.resume && found.table => Some(past_of(text, place, stream)?),
            _ => None,
        };
        // A note that says "nothing yet" speaks of no row: those that are there are old.
        self.resumed = past.is_some_and(|p| p.mark.is_some() || p.complete_ms.is_some());
        if found.rows && !self.resumed {
            let ours = of_the_same_run(found.others.iter().map(String::as_str), stream);
            match self.if_exists {
                IfExists::Error if !ours => return Err(has_rows(place).into()),
                IfExists::Replace => self.delete = true,
                _ => self.had_rows = true,
            }
        }
        self.note = Note::fresh(stream, FORM);
        self.note.past = past.unwrap_or(self.note.past);
        self.stored = self.note.to_json();
        self.driver.make_ready(&self.stored)?;
        self.before = found.note;
        Ok(past)
    }

    /// Sends what the open transaction does not have yet, and with a note commits it. Goes on over a new
    /// connection as often as it must.
    fn drive(&mut self, note: Option<&str>) -> Result<(), SinkError> {
        loop {
            match self.step(note) {
                Ok(()) => return Ok(()),
                Err(Trouble::Away(why)) => {
                    let found = self.recover(why)?;
                    if found == self.stored {
                        continue;
                    }
                    if note == Some(&found) {
                        return Ok(()); // The commit was made, and only its answer was lost.
                    }
                    return Err(SinkError::new(format!(
                        "another run has taken {} over",
                        self.driver.place()
                    ))
                    .help("let one run at a time write to a table"));
                }
                Err(trouble) => return Err(trouble.error()),
            }
        }
    }

    fn step(&mut self, note: Option<&str>) -> Result<(), Trouble> {
        if !self.in_transaction {
            self.sent = 0;
            self.driver.begin(self.delete)?;
            self.in_transaction = true;
        }
        while let Some(rows) = self.rows.get(self.sent) {
            self.driver.send(rows)?;
            self.sent += 1;
        }
        match note {
            Some(note) => self.driver.commit(note),
            None => Ok(()),
        }
    }

    /// Connects again, with pauses that grow, and reads the note.
    fn recover(&mut self, mut why: SinkError) -> Result<String, SinkError> {
        let begun = Instant::now();
        let mut pause = PAUSES.0;
        self.in_transaction = false;
        loop {
            if begun.elapsed() + pause > self.patience {
                let place = self.driver.place();
                return Err(SinkError::new(format!(
                    "{place}: the server went away and did not come back within {} s: {}",
                    self.patience.as_secs(),
                    why.message
                ))
                .help("start the server again, and go on with the same command and `--resume`"));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
            self.meter.retried();
            let left = self.patience.saturating_sub(begun.elapsed());
            let found = self.driver.connect(left.min(self.wait)).and_then(|()| self.driver.note());
            match found {
                Ok(note) => return Ok(note.unwrap_or_default()),
                Err(Trouble::Away(e) | Trouble::Held(e)) => why = e,
                Err(Trouble::Final(e)) => return Err(e),
            }
        }
    }

    fn make_final(&mut self) -> Result<(), SinkError> {
        self.note.past.mark = self.last.map(Mark::Position).or(self.note.past.mark);
        let note = self.note.to_json();
        self.drive(Some(&note))?;
        self.stored = note;
        self.in_transaction = false;
        self.delete = false;
        self.rows.clear();
        self.sent = 0;
        self.bytes = 0;
        self.commits += 1;
        self.committed = self.written;
        Ok(())
    }

    fn end(&mut self, state: State) {
        self.driver.close();
        self.state = state;
        self.rows = Vec::new();
    }
}

impl<D: Driver> Sink for TableSink<D> {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        self.meter = opening.meter.clone();
        self.end_ms = opening.span_ms.1;
        match self.try_open(opening) {
            Ok(past) => {
                self.state = State::Open;
                Ok(past)
            }
            Err(trouble) => {
                self.driver.close();
                Err(trouble.error())
            }
        }
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        let Payload::Batch(batch) = &chunk.payload else {
            return Err(SinkError::new(format!("{} takes records", self.driver.place())));
        };
        let (rows, bytes) = self.driver.encode(batch)?;
        self.rows.push(rows);
        self.bytes += bytes;
        self.meter.bytes(bytes as u64);
        self.drive(None)?;
        self.written += chunk.events;
        self.last = Some(chunk.last);
        if self.bytes >= KEPT_BYTES { self.make_final() } else { Ok(()) }
    }

    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError> {
        if !self.rows.is_empty() {
            self.make_final()?;
        }
        Ok(Some(upto))
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        let complete = self.note.past.complete_ms.is_some_and(|ms| ms >= self.end_ms);
        if !complete || !self.rows.is_empty() || self.delete {
            self.note.past.complete_ms = Some(self.end_ms);
            self.make_final()?;
        }
        self.end(State::Finished);
        let place = self.driver.place();
        let place = match self.driver.way() {
            Some(way) => format!("{place} ({way})"),
            None => place.to_owned(),
        };
        Ok(Finished { place, bytes: None })
    }

    fn abort(&mut self) -> String {
        let place = self.driver.place().to_owned();
        match self.state {
            State::Finished => {
                return format!("{place} is complete: {}", text::events(self.committed));
            }
            State::Closed => return format!("{place} was not touched"),
            State::Open => {}
        }
        let rolled_back = if self.in_transaction { self.driver.rollback() } else { Ok(()) };
        let mut undone = true;
        if self.commits == 0 && !self.resumed {
            undone = rolled_back.and_then(|()| self.driver.undo(self.before.as_deref())).is_ok();
        }
        self.end(State::Closed);
        if undone {
            left(&place, self.committed, self.resumed, self.had_rows)
        } else {
            format!("{place} holds no event of this run")
        }
    }
}

impl<D: Driver> Drop for TableSink<D> {
    fn drop(&mut self) {
        if self.state == State::Open {
            self.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doge_core::batch::{IdMap, Layout};

    /// A database in memory that loses its connection when told to.
    #[derive(Default)]
    struct Memory {
        rows: Vec<u64>,
        open: Vec<u64>,
        stored: String,
        /// The answers of the next commits: whether it is made, and whether the connection holds.
        plan: Vec<(bool, bool)>,
        /// Connections that fail before one comes up.
        down: u32,
        rival: bool,
    }

    fn gone() -> Trouble {
        Trouble::Away(SinkError::new("it is gone"))
    }

    impl Driver for Memory {
        type Rows = Vec<u64>;

        fn place(&self) -> &str {
            "memory table x"
        }
        fn connect(&mut self, _: Duration) -> Result<(), Trouble> {
            self.open.clear();
            self.down = self.down.saturating_sub(1);
            if self.down > 0 { Err(gone()) } else { Ok(()) }
        }
        fn look(&mut self, _: bool) -> Result<Found, Trouble> {
            Ok(Found::default())
        }
        fn make_ready(&mut self, note: &str) -> Result<(), Trouble> {
            self.stored = note.to_owned();
            Ok(())
        }
        fn undo(&mut self, _: Option<&str>) -> Result<(), Trouble> {
            Ok(())
        }
        fn note(&mut self) -> Result<Option<String>, Trouble> {
            Ok(Some(if self.rival { "{}".into() } else { self.stored.clone() }))
        }
        fn encode(&mut self, batch: &EventBatch) -> Result<(Vec<u64>, usize), SinkError> {
            Ok((vec![batch.len()], 8))
        }
        fn begin(&mut self, delete: bool) -> Result<(), Trouble> {
            if delete {
                self.rows.clear();
            }
            Ok(())
        }
        fn send(&mut self, rows: &Vec<u64>) -> Result<(), Trouble> {
            self.open.extend(rows);
            Ok(())
        }
        fn commit(&mut self, note: &str) -> Result<(), Trouble> {
            let (made, holds) = self.plan.pop().unwrap_or((true, true));
            if made {
                self.rows.append(&mut self.open);
                self.stored = note.to_owned();
            }
            self.open.clear();
            if holds { Ok(()) } else { Err(gone()) }
        }
        fn rollback(&mut self) -> Result<(), Trouble> {
            self.open.clear();
            Ok(())
        }
        fn close(&mut self) {}
    }

    fn sink(plan: &[(bool, bool)], patience_ms: u64) -> TableSink<Memory> {
        let driver = Memory { plan: plan.to_vec(), ..Memory::default() };
        let patience = Duration::from_millis(patience_ms);
        let mut sink = TableSink::new(driver, IfExists::Error, Duration::ZERO, patience);
        sink.open(&Opening::default()).unwrap();
        sink
    }

    fn chunk(id: u64) -> Chunk {
        let layout = Layout {
            events: Vec::new(),
            selected: Vec::new(),
            sites: Vec::new(),
            populations: Vec::new(),
            names: Vec::new(),
            ids: vec![IdMap::range(0, 1)],
            constants: Vec::new(),
        };
        let last = Position { time_ms: 0, population: 0, id, seq: 1, pos: 0 };
        Chunk { payload: Payload::Batch(EventBatch::new(Arc::new(layout))), events: 1, last }
    }

    fn last(id: u64) -> Position {
        chunk(id).last
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_made_once() {
        // Not made, then made and its answer lost; made and lost at once.
        for plan in [[(true, false), (false, false)], [(true, true), (true, false)]] {
            let mut sink = sink(&plan, 5_000);
            sink.write(&chunk(0)).unwrap();
            sink.write(&chunk(1)).unwrap();
            assert_eq!(sink.commit(last(1)).unwrap(), Some(last(1)));
            sink.write(&chunk(2)).unwrap();
            sink.finish().unwrap();
            assert_eq!(sink.driver.rows.len(), 3, "{plan:?}");
            assert!(sink.meter.read().retries >= 1);
        }
    }

    #[test]
    fn it_gives_up_and_says_how_to_go_on() {
        let mut sink = sink(&[(false, false)], 600);
        sink.write(&chunk(0)).unwrap();
        sink.driver.plan.push((true, true));
        sink.commit(last(0)).unwrap();
        sink.write(&chunk(1)).unwrap();
        sink.driver.down = u32::MAX;
        sink.driver.plan = vec![(false, false)];
        let error = sink.commit(last(1)).unwrap_err();
        assert!(error.message.contains("did not come back within 0 s: it is gone"), "{error}");
        assert!(error.help[0].contains("--resume"), "{error:?}");
        assert_eq!(sink.abort(), "memory table x holds the first 1 event");
    }

    #[test]
    fn a_table_that_another_run_has_taken_over_is_left_alone() {
        let mut sink = sink(&[(false, false)], 5_000);
        sink.write(&chunk(0)).unwrap();
        sink.driver.rival = true;
        let error = sink.commit(last(0)).unwrap_err();
        assert!(error.message.contains("another run has taken memory table x over"), "{error}");
    }
}
