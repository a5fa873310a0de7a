//! `sqlite`: rows in tables of an SQLite file.
//!
//! SQLite has one writer, so that all tables of one file share one connection and one transaction: a
//! commit of any of them makes final what all of them were given so far. The transaction begins at
//! `open` and holds the file's write lock from then on; making tables and (with `replace`) deleting
//! their old rows happen inside it, so that a run that fails before its first commit leaves the file as
//! it was.
//!
//! The journal stays the file's own. For a new file that is SQLite's rollback journal, which a bulk
//! insert hardly uses (only pages that existed before are journalled), while a write-ahead log would
//! write every page twice; see `examples/sqlite_rows.rs` for the measurement.

use super::{
    Chunk, Context, Finished, Identity, IfExists, Key, KeyValue, Made, Make, Opening, Past,
    Payload, Settings, Sink, SinkError, SinkKind, Takes, text,
};
use doge_core::batch::{Cell, EventBatch, Position};
use doge_core::expr::func::{self, TextBuf};
use doge_core::model::Event;
use doge_core::value::{Base, Ty, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `sqlite`
pub static KIND: SinkKind = SinkKind {
    name: "sqlite",
    summary: "rows in tables of an SQLite file",
    keys: &[
        Key::required("path", KeyValue::Template),
        Key::required("table", KeyValue::Template),
        Key::optional("create", KeyValue::Bool),
    ],
    takes: Takes::Table,
    keeps: true,
    resumable: false,
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
    let sink = Table::new(
        shared,
        table,
        event,
        context.if_exists,
        settings.flag("create", true),
        place.clone(),
    );
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
    /// Transactions committed.
    commits: u64,
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
        }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The connection, inside a transaction.
    fn ready(&mut self) -> Result<&Connection, SinkError> {
        if let Some((message, help)) = &self.failed {
            return Err(SinkError {
                message: message.clone(),
                help: help.clone(),
                closed_pipe: false,
            });
        }
        if self.connection.is_none() {
            match self.connect() {
                Ok(connection) => self.connection = Some(connection),
                Err(e) => {
                    self.failed = Some((e.message.clone(), e.help.clone()));
                    self.remove_if_made();
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

    fn commit(&mut self) -> Result<(), SinkError> {
        if let Some((message, help)) = &self.failed {
            return Err(SinkError {
                message: message.clone(),
                help: help.clone(),
                closed_pipe: false,
            });
        }
        if self.in_transaction {
            if let Some(c) = &self.connection {
                let done =
                    c.execute_batch("COMMIT").map_err(|e| explain("commit to", &self.place(), &e));
                if let Err(e) = done {
                    self.rollback();
                    self.failed = Some((e.message.clone(), e.help.clone()));
                    return Err(e);
                }
            }
            self.in_transaction = false;
            self.commits += 1;
        }
        Ok(())
    }

    fn rollback(&mut self) {
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
            self.connection = None;
            self.remove_if_made();
        }
    }

    /// Removes a file that this run made and that holds nothing.
    fn remove_if_made(&self) {
        if self.made && std::fs::metadata(&self.path).is_ok_and(|m| m.len() == 0) {
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
    create: bool,
    insert: String,
    open: bool,
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

impl Table {
    fn new(
        database: Arc<Mutex<Database>>,
        name: String,
        event: &Event,
        if_exists: IfExists,
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
            name,
            columns,
            if_exists,
            create,
            insert,
            open: false,
            delete: false,
            had_rows: false,
            written: 0,
            committed: 0,
            pending_at: 0,
            scratch: String::new(),
        }
    }

    /// Checks the table, or makes it.
    fn prepare(&mut self, connection: &Connection) -> Result<(), SinkError> {
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
            return connection.execute_batch(&sql).map_err(|e| explain("make", &place, &e));
        };
        if kind != "table" {
            return Err(SinkError::new(format!("cannot write to {place}: it is a {kind}"))
                .help("name a table, or another name for a new one"));
        }
        self.check_columns(connection, strict)?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(&self.name));
        let has_row: bool = connection.query_row(&sql, [], |row| row.get(0)).map_err(fail)?;
        match self.if_exists {
            IfExists::Error if has_row => Err(SinkError::new(format!("{place} has rows already")).help(
                "write `if_exists: replace` (or `--if-exists replace`) to delete them with the first \
                 commit, or `append` to keep them",
            )),
            IfExists::Replace => {
                self.delete = has_row;
                Ok(())
            }
            _ => {
                self.had_rows = has_row;
                Ok(())
            }
        }
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
        if wrong.is_empty() {
            return Ok(());
        }
        Err(SinkError::new(format!(
            "{} has other columns than its event: {}",
            self.place,
            wrong.join("; ")
        ))
        .help("write to another table, change this one, or drop it to have it made"))
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
    fn open(&mut self, _: &Opening) -> Result<Option<Past>, SinkError> {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        let result = database.ready().and_then(|connection| self.prepare(connection));
        if result.is_ok() {
            self.open = true;
            database.users += 1;
            self.pending_at = database.commits;
        } else if database.users == 0 && database.failed.is_none() {
            // No other table keeps the transaction: let go of the lock.
            database.rollback();
            database.connection = None;
            database.remove_if_made();
        }
        result.map(|()| None)
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
        Ok(())
    }

    fn commit(&mut self, upto: Position) -> Result<Option<Position>, SinkError> {
        let shared = self.database.clone();
        let mut database = lock(&shared);
        self.settle(&database);
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
            self.open = false;
            database.leave();
        } else if self.committed == 0 {
            return format!("{} was not touched", self.place);
        } else {
            return format!("{} is complete: {}", self.place, text::events(self.committed));
        }
        match self.committed {
            0 => format!("{} is as it was", self.place),
            n if self.had_rows => {
                format!(
                    "{} holds its old rows and the first {} of this run",
                    self.place,
                    text::events(n)
                )
            }
            n => format!("{} holds the first {}", self.place, text::events(n)),
        }
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
