//! `sqlite`: rows in tables of an SQLite file.
//!
//! SQLite has one writer, so that all tables of one file share one connection and one transaction: a
//! commit of any of them makes final what all of them were given so far, and writes the notes of all of
//! them, each with what its table was given. `open` makes tables and the note "nothing yet" in a
//! transaction of their own, as a run that is killed before its first commit must find them; where nothing
//! else is committed, `abort` takes them back. The next transaction begins at once and holds the file's
//! write lock; with `replace` the old rows are deleted in it.
//!
//! The journal stays the file's own. For a new file that is SQLite's rollback journal, which a bulk
//! insert hardly uses (only pages that existed before are journalled), while a write-ahead log would
//! write every page twice; see `examples/sqlite_rows.rs` for the measurement.

use super::{
    Chunk, Context, Finished, Identity, IfExists, Key, KeyValue, Made, Make, Mark, Note, Opening,
    Past, Payload, Settings, Sink, SinkError, SinkKind, Takes, sql, text,
};
use doge_core::batch::{Cell, EventBatch, Position};
use doge_core::expr::func::{self, TextBuf};
use doge_core::model::Event;
use doge_core::value::{Base, Ty, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `sqlite`
pub static KIND: SinkKind = SinkKind {
    name: "sqlite",
    summary: "rows in tables of an SQLite file",
    keys: &[
        Key::required("path", KeyValue::Template)
            .doc("The database file, relative to the working directory; made if it is missing."),
        Key::required("table", KeyValue::Template)
            .doc("The table, most often `\"{event}\"`; a table holds one event."),
        Key::optional("create", KeyValue::Bool)
            .doc("Whether to make a table that is missing; by default `true`."),
    ],
    takes: Takes::Table,
    keeps: true,
    resumable: true,
    make: Make::Now(make),
};

fn make(settings: &Settings, context: &mut Context<'_>) -> Result<Made, String> {
    let path = PathBuf::from(settings.text("path"));
    let table = settings.text("table").to_owned();
    if path.as_os_str().is_empty() {
        return Err("the path is empty".into());
    }
    if table.is_empty() || table.contains('\0') {
        return Err("the table's name is empty".into());
    }
    if table.eq_ignore_ascii_case(sql::NOTES) {
        return Err(format!("the table {table} is where the notes of runs are kept"));
    }
    if table.to_ascii_lowercase().starts_with("sqlite_") {
        return Err(format!(
            "the table's name {table} begins with sqlite_, which SQLite keeps for itself"
        ));
    }
    let Some(event) = context.event else {
        return Err("a table holds one event".into());
    };
    if event.leaves.is_empty() {
        return Err(format!("event {} has no fields, and a table needs a column", event.name));
    }
    let identity = match Identity::file(&path) {
        Identity::File(file, _) => Identity::File(file, Some(table.to_ascii_lowercase())),
        _ => {
            return Err(format!("{} is a device, not an SQLite file", path.display()));
        }
    };
    let Identity::File(absolute, _) = &identity else { unreachable!("just made") };
    let busy = settings.wait();
    let shared = context
        .shared
        .entry(format!("sqlite:{}", absolute.display()))
        .or_insert_with(|| Arc::new(Mutex::new(Database::new(path.clone(), busy))))
        .clone()
        .downcast::<Mutex<Database>>()
        .map_err(|_| "the file is in use by another kind of destination".to_owned())?;
    let place = format!("{} table {table}", path.display());
    let sink =
        Table::new(shared, table, event, context, settings.flag("create", true), place.clone());
    Ok(Made { sink: Box::new(sink), place, identity })
}

/// A database file: one connection, one transaction, several tables.
struct Database {
    path: PathBuf,
    busy: Duration,
    connection: Option<Connection>,
    /// Why it could not be opened; all its tables say the same.
    failed: Option<(String, Vec<String>)>,
    /// The file was made by this run.
    made: bool,
    in_transaction: bool,
    /// Tables that were opened and neither finished nor aborted.
    users: usize,
    /// Transactions committed with rows.
    commits: u64,
    /// Notes that the open transaction has changed, by their key.
    notes: BTreeMap<String, String>,
    /// The table of notes was made by this run.
    made_notes: bool,
}

impl Database {
    fn new(path: PathBuf, busy: Duration) -> Self {
        Database {
            path,
            busy,
            connection: None,
            failed: None,
            made: false,
            in_transaction: false,
            users: 0,
            commits: 0,
            notes: BTreeMap::new(),
            made_notes: false,
        }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The connection, inside a transaction.
    fn ready(&mut self) -> Result<&Connection, SinkError> {
        self.check()?;
        if self.connection.is_none() {
            match self.connect() {
                Ok(connection) => self.connection = Some(connection),
                Err(e) => {
                    self.failed = Some((e.message.clone(), e.help.clone()));
                    self.remove_if_made(false);
                    return Err(e);
                }
            }
        }
        self.begin()?;
        self.connection
            .as_ref()
            .ok_or_else(|| SinkError::new(format!("{} is closed", self.path.display())))
    }

    fn connect(&mut self) -> Result<Connection, SinkError> {
        let place = self.place();
        match std::fs::metadata(&self.path) {
            Ok(m) if m.is_dir() => {
                return Err(SinkError::new(format!("cannot open {place}: it is a folder"))
                    .help(format!("name a file in it: {}", self.path.join("NAME.db").display())));
            }
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                if let Some(folder) = self.path.parent().filter(|f| !f.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder).map_err(|e| {
                        SinkError::io("make the folder", &folder.display().to_string(), &e)
                    })?;
                }
                self.made = true;
            }
            Err(e) => return Err(SinkError::io("open", &place, &e)),
        }
        // No URI flag: a path is a path.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .map_err(|e| explain("open", &place, &e))?;
        let fail = |e: rusqlite::Error| explain("open", &place, &e);
        connection.busy_timeout(self.busy).map_err(fail)?;
        if connection.is_readonly("main").map_err(fail)? {
            return Err(read_only(&place));
        }
        // Reads the file's head: here a file that is no database is found.
        connection
            .query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0))
            .map_err(fail)?;
        connection
            .execute_batch("PRAGMA cache_size = -16384; PRAGMA cell_size_check = OFF")
            .map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(connection)
    }

    fn begin(&mut self) -> Result<(), SinkError> {
        if !self.in_transaction
            && let Some(c) = &self.connection
        {
            c.execute_batch("BEGIN IMMEDIATE")
                .map_err(|e| explain("write to", &self.place(), &e))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// The error of a database that has failed before.
    fn check(&self) -> Result<(), SinkError> {
        match &self.failed {
            Some((message, help)) => {
                Err(SinkError { message: message.clone(), help: help.clone(), closed_pipe: false })
            }
            None => Ok(()),
        }
    }

    /// Commits the rows and notes of all tables.
    fn commit(&mut self) -> Result<(), SinkError> {
        self.check()?;
        if self.in_transaction {
            let done = self.put_notes().and_then(|()| self.run("commit to", "COMMIT"));
            if let Err(e) = done {
                self.rollback();
                self.failed = Some((e.message.clone(), e.help.clone()));
                return Err(e);
            }
            self.notes.clear();
            self.in_transaction = false;
            self.commits += 1;
        }
        Ok(())
    }

    fn run(&self, verb: &str, sql: &str) -> Result<(), SinkError> {
        match &self.connection {
            Some(c) => c.execute_batch(sql).map_err(|e| explain(verb, &self.place(), &e)),
            None => Err(SinkError::new(format!("{} is closed", self.place()))),
        }
    }

    fn put_notes(&self) -> Result<(), SinkError> {
        self.notes.iter().try_for_each(|(key, note)| self.put_note(key, Some(note)))
    }

    /// Writes a note, or removes it.
    fn put_note(&self, key: &str, note: Option<&str>) -> Result<(), SinkError> {
        let Some(c) = &self.connection else { return Ok(()) };
        let done = match note {
            Some(note) => c.execute(
                &format!("INSERT OR REPLACE INTO {} (place, note) VALUES (?1, ?2)", sql::NOTES),
                [key, note],
            ),
            None => c.execute(&format!("DELETE FROM {} WHERE place = ?1", sql::NOTES), [key]),
        };
        done.map(drop).map_err(|e| explain("write the notes of", &self.place(), &e))
    }

    /// The notes of a table: that under `key`, and those of its other shards. Makes their table if there is none.
    fn notes(
        &mut self,
        table: &str,
        key: &str,
    ) -> Result<(Option<String>, Vec<String>), SinkError> {
        let (mut mine, mut others) = (None, Vec::new());
        let place = self.place();
        let fail = |e: rusqlite::Error| explain("read the notes of", &place, &e);
        let Some(c) = &self.connection else { return Ok((mine, others)) };
        let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        if !c.query_row(there, [sql::NOTES], |row| row.get::<_, bool>(0)).map_err(fail)? {
            let make = format!("CREATE TABLE {} (place TEXT PRIMARY KEY, note TEXT)", sql::NOTES);
            c.execute_batch(&make).map_err(|e| explain("make the notes of", &place, &e))?;
            self.made_notes = true;
            return Ok((mine, others));
        }
        let mut select =
            c.prepare(&format!("SELECT place, note FROM {}", sql::NOTES)).map_err(fail)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        let family = format!("{table}#");
        for row in rows {
            let (place, note): (String, String) = row.map_err(fail)?;
            if place == key {
                mine = Some(note);
            } else if place.starts_with(&family) {
                others.push(note);
            }
        }
        Ok((mine, others))
    }

    fn rollback(&mut self) {
        self.notes.clear();
        if self.in_transaction {
            self.in_transaction = false;
            // A full disk has rolled back by itself already, and then this fails.
            if let Some(c) = &self.connection {
                let _ = c.execute_batch("ROLLBACK");
            }
        }
    }

    /// One table less; the last one closes the file.
    fn leave(&mut self) {
        self.users = self.users.saturating_sub(1);
        if self.users == 0 {
            self.rollback();
            let empty = self.made && self.is_empty();
            self.connection = None;
            self.remove_if_made(empty);
        }
    }

    /// Takes back what opening made: tables without a row, and notes.
    fn undo(&mut self, undo: &Undo, key: &str) -> Result<(), SinkError> {
        self.begin()?;
        self.put_note(key, undo.note.as_deref())?;
        if let Some(table) = &undo.table {
            self.drop_if_empty(table)?;
        }
        if self.made_notes && self.users == 1 {
            self.drop_if_empty(sql::NOTES)?;
        }
        self.in_transaction = false;
        self.run("undo the opening of", "COMMIT")
    }

    fn drop_if_empty(&self, table: &str) -> Result<(), SinkError> {
        let Some(c) = &self.connection else { return Ok(()) };
        let name = quoted(table);
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
        let has_row: bool = c
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|e| explain("undo the opening of", &self.place(), &e))?;
        match has_row {
            true => Ok(()),
            false => self.run("undo the opening of", &format!("DROP TABLE {name}")),
        }
    }

    /// Whether the database has no table.
    fn is_empty(&self) -> bool {
        let count = |c: &Connection| {
            c.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        };
        self.connection.as_ref().is_none_or(|c| count(c).is_ok_and(|n| n == 0))
    }

    /// Removes a file that this run made and that holds nothing. The connection is closed.
    fn remove_if_made(&self, empty: bool) {
        if self.made && (empty || std::fs::metadata(&self.path).is_ok_and(|m| m.len() == 0)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What an error of SQLite means for its user.
fn explain(verb: &str, place: &str, error: &rusqlite::Error) -> SinkError {
    let (code, text) = match error {
        rusqlite::Error::SqliteFailure(e, text) => (Some(e.code), text.clone()),
        other => (None, Some(other.to_string())),
    };
    let text = text.unwrap_or_default();
    let e = |reason: &str| SinkError::new(format!("cannot {verb} {place}: {reason}"));
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            e("another process has locked it")
                .help("close the program that writes to it, and run again")
        }
        Some(ErrorCode::ReadOnly) => read_only(place),
        Some(ErrorCode::NotADatabase) => {
            e("it is not an SQLite file").help("write to another path")
        }
        Some(ErrorCode::DatabaseCorrupt) => e("the file is damaged")
            .help("write to another path, or repair it: `sqlite3 FILE .recover`"),
        Some(ErrorCode::DiskFull) => {
            e("no space left on device").help("free some space, or write to another disk")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            e("permission denied, or its folder cannot be written")
                .help("SQLite makes a journal beside the file: the folder must be writable too")
        }
        Some(ErrorCode::SystemIoFailure) => e(&format!("{text}; the disk may be full or gone"))
            .help("free some space, or write to another disk"),
        _ => e(&text),
    }
}

fn read_only(place: &str) -> SinkError {
    SinkError::new(format!("cannot write to {place}: it is read-only"))
        .help("change the rights of the file and its folder, or write to another path")
}

/// One table of a database.
struct Table {
    database: Arc<Mutex<Database>>,
    place: String,
    name: String,
    columns: Vec<(String, Ty)>,
    if_exists: IfExists,
    shard: (u64, u64),
    create: bool,
    insert: String,
    open: bool,
    /// The key of its note.
    key: String,
    note: Note,
    end_ms: i64,
    undo: Undo,
    resumed: bool,
    /// The old rows are to be deleted with the first commit.
    delete: bool,
    /// Rows that were there and stay (`append`).
    had_rows: bool,
    written: u64,
    committed: u64,
    /// Rows up to here, and how many transactions had been committed when they were written.
    pending_at: u64,
    scratch: String,
}

/// What `open` did, to be taken back.
#[derive(Default)]
struct Undo {
    /// The table that was made.
    table: Option<String>,
    /// The note that was there.
    note: Option<String>,
}

impl Table {
    fn new(
        database: Arc<Mutex<Database>>,
        name: String,
        event: &Event,
        context: &Context<'_>,
        create: bool,
        place: String,
    ) -> Self {
        let columns: Vec<_> = event.leaves.iter().map(|l| (l.column.clone(), l.ty)).collect();
        let names: Vec<_> = columns.iter().map(|c| quoted(&c.0)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let insert =
            format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(&name), names.join(", "));
        Table {
            database,
            place,
            // Names of tables differ beyond letter case.
            key: sql::key(&name.to_ascii_lowercase(), context.shard),
            name,
            columns,
            if_exists: context.if_exists,
            shard: context.shard,
            create,
            insert,
            open: false,
            note: Note::fresh(&Default::default(), sql::FORM),
            end_ms: 0,
            undo: Undo::default(),
            resumed: false,
            delete: false,
            had_rows: false,
            written: 0,
            committed: 0,
            pending_at: 0,
            scratch: String::new(),
        }
    }

    /// Checks the table, or makes it, and reads and writes its note: how far it is. Changes are for the open
    /// transaction, which is to be committed.
    fn prepare(
        &mut self,
        database: &mut Database,
        opening: &Opening,
    ) -> Result<Option<Past>, SinkError> {
        database.ready()?;
        let (note, others) = database.notes(&self.name.to_ascii_lowercase(), &self.key)?;
        let has_row = self.prepare_table(database.ready()?)?;
        let past = match &note {
            // A note about rows that somebody dropped with their table says nothing.
            Some(text) if opening.resume && self.undo.table.is_none() => {
                Some(sql::past_of(text, &self.place, &opening.stream)?)
            }
            _ => None,
        };
        // A note that says "nothing yet" speaks of no row: those that are there are old.
        self.resumed = past.is_some_and(|p| p.mark.is_some() || p.complete_ms.is_some());
        if has_row && !self.resumed {
            let ours = self.shard.1 > 1
                && sql::of_the_same_run(others.iter().map(String::as_str), &opening.stream);
            match self.if_exists {
                IfExists::Error if !ours => return Err(sql::has_rows(&self.place)),
                IfExists::Replace => self.delete = true,
                _ => self.had_rows = true,
            }
        }
        self.note = Note::fresh(&opening.stream, sql::FORM);
        self.note.past = past.unwrap_or(self.note.past);
        self.undo.note = note;
        database.put_note(&self.key, Some(&self.note.to_json()))?;
        Ok(past)
    }

    /// Checks the table, or makes it. Whether it has a row.
    fn prepare_table(&mut self, connection: &Connection) -> Result<bool, SinkError> {
        let place = self.place.clone();
        let fail = |e: rusqlite::Error| explain("open", &place, &e);
        let found = connection
            .query_row(
                "SELECT type, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
                [&self.name],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)),
            )
            .map(Some)
            .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(e) })
            .map_err(fail)?;
        let Some((kind, strict)) = found else {
            if !self.create {
                return Err(SinkError::new(format!("there is no {place}"))
                    .help("make the table, or write `create: true` to have it made"));
            }
            let columns: Vec<_> = self
                .columns
                .iter()
                .map(|(name, ty)| format!("{} {}", quoted(name), sql_type(*ty)))
                .collect();
            let sql = format!("CREATE TABLE {} ({})", quoted(&self.name), columns.join(", "));
            connection.execute_batch(&sql).map_err(|e| explain("make", &place, &e))?;
            self.undo.table = Some(self.name.clone());
            return Ok(false);
        };
        if kind != "table" {
            return Err(SinkError::new(format!("cannot write to {place}: it is a {kind}"))
                .help("name a table, or another name for a new one"));
        }
        self.check_columns(connection, strict)?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(&self.name));
        connection.query_row(&sql, [], |row| row.get(0)).map_err(fail)
    }

    /// Compares the table's columns with the event's fields; all differences make one error.
    fn check_columns(&self, connection: &Connection, strict: bool) -> Result<(), SinkError> {
        struct Found {
            name: String,
            declared: String,
            not_null: bool,
            default: Option<String>,
            key: i64,
            hidden: i64,
        }
        let fail = |e: rusqlite::Error| explain("read the columns of", &self.place, &e);
        let mut statement = connection
            .prepare("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)")
            .map_err(fail)?;
        let found: Vec<Found> = statement
            .query_map([&self.name], |row| {
                Ok(Found {
                    name: row.get(0)?,
                    declared: row.get(1)?,
                    not_null: row.get(2)?,
                    default: row.get(3)?,
                    key: row.get(4)?,
                    hidden: row.get(5)?,
                })
            })
            .and_then(Iterator::collect)
            .map_err(fail)?;
        let mut wrong = Vec::new();
        for (name, ty) in &self.columns {
            match found.iter().find(|f| f.name.eq_ignore_ascii_case(name)) {
                None => wrong.push(format!("column {name} ({}) is missing", sql_type(*ty))),
                Some(f) if f.hidden != 0 => wrong.push(format!("column {name} is computed")),
                Some(f) if !holds(&f.declared, strict, ty.base) => wrong.push(format!(
                    "column {name} is {}, the field is {ty} and needs {}",
                    if f.declared.is_empty() { "untyped" } else { &f.declared },
                    sql_type(*ty)
                )),
                Some(f) if f.not_null && ty.nullable => {
                    wrong.push(format!("column {name} is NOT NULL, the field can be null"));
                }
                Some(_) => {}
            }
        }
        for f in &found {
            let ours = self.columns.iter().any(|c| c.0.eq_ignore_ascii_case(&f.name));
            let row_id = f.key > 0 && f.declared.eq_ignore_ascii_case("integer");
            if !ours && f.hidden == 0 && f.not_null && f.default.is_none() && !row_id {
                wrong.push(format!(
                    "column {} is NOT NULL without a default, and no field fills it",
                    f.name
                ));
            }
        }
        sql::wrong_columns(&self.place, &wrong)
    }

    fn delete_old(&mut self, connection: &Connection) -> Result<(), SinkError> {
        if self.delete {
            connection
                .execute_batch(&format!("DELETE FROM {}", quoted(&self.name)))
                .map_err(|e| explain("delete the old rows of", &self.place, &e))?;
            self.delete = false;
        }
        Ok(())
    }

    fn insert(&mut self, connection: &Connection, batch: &EventBatch) -> Result<(), SinkError> {
        let fail = |e: rusqlite::Error| explain("write to", &self.place, &e);
        let mut statement = connection.prepare_cached(&self.insert).map_err(fail)?;
        let text = &mut self.scratch;
        let mut made = TextBuf::new();
        let mut last = (usize::MAX, 0);
        for event in batch.events() {
            let site = event.site();
            let (same_site, same_time) = (event.site_index() == last.0, event.time_ms == last.1);
            last = (event.site_index(), event.time_ms);
            for (i, column) in site.fields.iter().enumerate() {
                // Bindings stay from row to row, and what stays the same is bound already.
                let bound = match column.cell {
                    Cell::Const(_) => same_site,
                    Cell::Time => same_site && same_time,
                    _ => false,
                };
                if bound {
                    continue;
                }
                let bound = match event.value(column, text) {
                    ValueRef::Int(v) => statement.raw_bind_parameter(i + 1, v),
                    ValueRef::Double(v) => statement.raw_bind_parameter(i + 1, v),
                    ValueRef::Bool(v) => statement.raw_bind_parameter(i + 1, v),
                    ValueRef::String(v) => statement.raw_bind_parameter(i + 1, v),
                    ValueRef::Null => statement.raw_bind_parameter(i + 1, rusqlite::types::Null),
                    ValueRef::Timestamp(v) => {
                        statement.raw_bind_parameter(i + 1, func::timestamp_text(v, &mut made))
                    }
                    ValueRef::Duration(v) => {
                        statement.raw_bind_parameter(i + 1, func::duration_text(v, &mut made))
                    }
                };
                bound.map_err(fail)?;
            }
            statement.raw_execute().map_err(fail)?;
        }
        Ok(())
    }

    /// Takes over what commits of the other tables have made final.
    fn settle(&mut self, database: &Database) {
        if database.commits > self.pending_at {
            self.committed = self.written;
            self.pending_at = database.commits;
        }
    }
}

/// The database, also after a thread that held it has died.
fn lock(database: &Mutex<Database>) -> MutexGuard<'_, Database> {
    database.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Table {
    fn open(&mut self, opening: &Opening) -> Result<Option<Past>, SinkError> {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        self.end_ms = opening.span_ms.1;
        let made_notes = database.made_notes;
        let result = self.prepare(&mut database, opening).and_then(|past| {
            database.put_notes()?;
            database.run("open", "COMMIT")?;
            database.in_transaction = false;
            database.begin()?;
            Ok(past)
        });
        if result.is_ok() {
            self.open = true;
            database.users += 1;
            self.pending_at = database.commits;
        } else {
            database.rollback();
            database.made_notes = made_notes;
            if database.users == 0 {
                // No other table needs the connection: let go of the lock.
                database.connection = None;
                database.remove_if_made(false);
            } else if database.failed.is_none() {
                database.begin()?;
            }
        }
        result
    }

    fn write(&mut self, chunk: &Chunk) -> Result<(), SinkError> {
        let Payload::Batch(batch) = &chunk.payload else {
            return Err(SinkError::new(format!("{} takes records, not text", self.place)));
        };
        let shared = self.database.clone();
        let mut database = lock(&shared);
        self.settle(&database);
        let connection = database.ready()?;
        let done = self.delete_old(connection).and_then(|()| self.insert(connection, batch));
        if let Err(e) = done {
            // Half a chunk may be in the transaction, and no other table shall commit it.
            database.rollback();
            database.failed = Some((e.message.clone(), e.help.clone()));
            return Err(e);
        }
        self.written += chunk.events;
        self.note.past.mark = Some(Mark::Position(chunk.last));
        database.notes.insert(self.key.clone(), self.note.to_json());
        Ok(())
    }

    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError> {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        database.commit()?;
        self.settle(&database);
        self.committed = self.written;
        Ok(Some(upto))
    }

    fn finish(&mut self) -> Result<Finished, SinkError> {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        self.settle(&database);
        let connection = database.ready()?;
        self.delete_old(connection)?;
        let past = &mut self.note.past;
        past.complete_ms = past.complete_ms.max(Some(self.end_ms));
        database.notes.insert(self.key.clone(), self.note.to_json());
        database.commit()?;
        self.settle(&database);
        self.committed = self.written;
        self.open = false;
        database.leave();
        Ok(Finished { place: self.place.clone(), bytes: None })
    }

    fn abort(&mut self) -> String {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        if self.open {
            self.settle(&database);
            database.rollback();
            if database.commits == 0 && !self.resumed {
                // Where this fails an empty table and a note that says so stay.
                let _ = database.undo(&self.undo, &self.key);
                database.rollback();
            }
            self.open = false;
            database.leave();
        } else if self.committed == 0 && self.note.past.complete_ms.is_none() {
            return format!("{} was not touched", self.place);
        } else {
            return format!("{} is complete: {}", self.place, text::events(self.committed));
        }
        sql::left(&self.place, self.committed, self.resumed, self.had_rows)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.open {
            self.abort();
        }
    }
}

/// An identifier as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The type of a column.
fn sql_type(ty: Ty) -> &'static str {
    match ty.base {
        Base::Int | Base::Bool => "INTEGER",
        Base::Double => "REAL",
        Base::String | Base::Timestamp | Base::Duration => "TEXT",
    }
}

/// Whether a column of a declared type keeps values of a base type as they are. The rules of affinity
/// are those of SQLite's "Datatypes In SQLite", section 3.1.
fn holds(declared: &str, strict: bool, base: Base) -> bool {
    let d = declared.to_ascii_uppercase();
    if strict {
        return match base {
            Base::Int | Base::Bool => matches!(d.as_str(), "INT" | "INTEGER" | "ANY"),
            Base::Double => matches!(d.as_str(), "REAL" | "ANY"),
            _ => matches!(d.as_str(), "TEXT" | "ANY"),
        };
    }
    let any = |words: &[&str]| words.iter().any(|w| d.contains(w));
    if any(&["INT"]) {
        matches!(base, Base::Int | Base::Bool)
    } else if any(&["CHAR", "CLOB", "TEXT"]) {
        matches!(base, Base::String | Base::Timestamp | Base::Duration)
    } else if d.is_empty() || any(&["BLOB"]) {
        true
    } else if any(&["REAL", "FLOA", "DOUB"]) {
        base == Base::Double
    } else {
        // NUMERIC: whole doubles and text that looks like a number would change.
        matches!(base, Base::Int | Base::Bool)
    }
}
