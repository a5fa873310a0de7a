//! `mysql`: rows in tables of a MySQL or MariaDB database.
//!
//! Rows go by LOAD DATA LOCAL where the server allows it, else by prepared inserts of many rows; which, is
//! decided when the table is opened, and said in the summary. LOAD DATA LOCAL turns errors of values into
//! warnings; a warning ends the run here before anything is committed.
//!
//! Every table has a connection of its own, and a lock of its session (GET_LOCK) that keeps two runs apart.

mod encode;
mod look;

use super::sql::{self, Driver, Found, NOTES, TableSink, Trouble, Url};
use super::{Context, Identity, Key, KeyValue, Made, Make, Settings, SinkError, SinkKind, Takes};
use doge_core::batch::EventBatch;
use doge_core::value::Ty;
use encode::{Rows, Target};
use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, LocalInfileHandler, Opts, OptsBuilder, SslOpts};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `mysql`
pub static KIND: SinkKind = SinkKind {
    name: "mysql",
    summary: "rows in tables of a MySQL or MariaDB database",
    keys: &[
        Key::required("url", KeyValue::Template).doc(
            "The database: `mysql://USER@HOST:PORT/DATABASE`. The password may stand in it or in `MYSQL_PWD`. \
             `?local_infile=false` writes by prepared inserts where LOAD DATA LOCAL would be faster.",
        ),
        Key::required("table", KeyValue::Template)
            .doc("The table, most often `\"{event}\"`; may be `DATABASE.TABLE`. A table holds one event."),
        Key::optional("create", KeyValue::Bool)
            .doc("Whether to make a table that is missing; by default `true`."),
        Key::optional(
            "tls",
            KeyValue::Group(&[Key::optional("ca", KeyValue::Template).doc(
                "A file with the certificate of the authority that signed the server's, in PEM, beside the \
                 public authorities.",
            )]),
        )
        .doc("TLS that verifies the server's certificate and name; by default the connection is not encrypted."),
    ],
    takes: Takes::Table,
    keeps: true,
    resumable: true,
    make: Make::Now(make),
};

const EXAMPLE: &str = "mysql://USER@HOST/DATABASE";
/// Characters of a name.
const NAME_CHARACTERS: usize = 64;
/// Columns of a table of InnoDB.
const COLUMNS: usize = 1017;
/// Parameters of a statement.
const PARAMETERS: usize = 65_535;
/// Rows and bytes of an insert.
const INSERT: (usize, usize) = (512, 1 << 20);
/// The lock under which tables are made and dropped: one at a time, as two runs may want to make the same.
const OPENING: &str = "doge opening";

fn characters(text: &str) -> usize {
    text.chars().count()
}

fn make(settings: &Settings, context: &mut Context<'_>) -> Result<Made, String> {
    let mut url = Url::parse(settings.text("url"), &["mysql", "mariadb"], EXAMPLE)?;
    let local = match url.take("local_infile").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err("`local_infile` is neither true nor false: write one of them".into()),
    };
    let text = url.text();
    let text = text.replacen("mariadb://", "mysql://", 1);
    let opts = Opts::from_url(&text).map_err(|e| match e {
        mysql::UrlError::UnknownParameter(name) => {
            format!("`url` has an option `{name}` that is not known: leave it out")
        }
        mysql::UrlError::InvalidValue(name, _) => {
            format!("the value of `{name}` in `url` is not one that it takes: write another")
        }
        _ => format!("`url` cannot be read: write {EXAMPLE}"),
    })?;
    let database = opts.get_db_name().map(str::to_owned);
    let shown = sql::place_url(
        &[(opts.get_ip_or_hostname().into_owned(), opts.get_tcp_port())],
        database.as_deref().unwrap_or_default(),
    );
    let (schema, table) = sql::table_parts(settings.text("table"), NAME_CHARACTERS, characters)?;
    if schema.is_none() && database.is_none() {
        return Err(format!("no database is named: write {EXAMPLE}"));
    }
    let Some(event) = context.event else {
        return Err("a table holds one event".into());
    };
    let columns: Vec<_> = event.leaves.iter().map(|l| (l.column.clone(), l.ty)).collect();
    sql::check_columns(&event.name, &columns, COLUMNS, NAME_CHARACTERS, characters)?;
    let mut builder = OptsBuilder::from_opts(opts.clone())
        .prefer_socket(false)
        .tcp_connect_timeout(Some(Duration::from_secs(10)))
        .tcp_keepalive_time_ms(Some(30_000));
    if opts.get_pass().is_none_or(str::is_empty)
        && let Ok(password) = std::env::var("MYSQL_PWD")
    {
        builder = builder.pass(Some(password));
    }
    let ca = settings.get("tls.ca").map(PathBuf::from);
    if settings.has_group("tls") {
        builder = builder.ssl_opts(SslOpts::default().with_root_cert_path(ca.clone()));
    }
    let name = settings.text("table");
    let identity = Identity::Named(format!("mysql:{shown}/{name}"));
    let driver = MySql {
        opts: builder.into(),
        ca,
        place: format!("{shown} table {name}"),
        key: sql::key(&table, context.shard),
        schema: schema.or(database).unwrap_or_default(),
        targets: columns.iter().map(|(name, ty)| (name.clone(), encode::own(*ty).0)).collect(),
        table,
        columns,
        create: settings.flag("create", true),
        local,
        conn: None,
        made: Vec::new(),
        missing: None,
    };
    let place = driver.place.clone();
    let sink = TableSink::new(driver, context.if_exists, settings.wait(), sql::patience(settings));
    Ok(Made { sink: Box::new(sink), place, identity })
}

struct MySql {
    opts: Opts,
    ca: Option<PathBuf>,
    place: String,
    schema: String,
    table: String,
    columns: Vec<(String, Ty)>,
    targets: Vec<(String, Target)>,
    key: String,
    create: bool,
    /// Whether rows go by LOAD DATA LOCAL.
    local: bool,
    conn: Option<Conn>,
    /// What `make_ready` has made, to be taken back: names as SQL has them.
    made: Vec<String>,
    /// SQL that makes the table, where `look` found it missing.
    missing: Option<String>,
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl MySql {
    /// The connection.
    fn conn(&mut self) -> Result<&mut Conn, Trouble> {
        let closed = || SinkError::new(format!("{}: the connection is closed", self.place));
        match &mut self.conn {
            Some(conn) => Ok(conn),
            None => Err(Trouble::Away(closed())),
        }
    }

    /// Uses the connection; an error is explained.
    fn with<T>(
        &mut self,
        verb: &str,
        work: impl FnOnce(&mut Conn) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let done = work(self.conn()?);
        done.map_err(|e| trouble(verb, &self.place, self.opts.get_user().unwrap_or_default(), &e))
    }

    fn run(&mut self, verb: &str, sql: &str) -> Result<(), Trouble> {
        self.with(verb, |conn| conn.query_drop(sql))
    }

    /// A table of the database as SQL has it.
    fn name(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(table))
    }

    /// The name of the table's lock, which the whole server shares.
    fn lock_name(&self) -> String {
        // FNV-1a, 64 bits: the name may have 64 characters.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        let text = format!("{}\0{}", self.schema, self.key);
        format!("doge {:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    /// Takes a lock; the connection that holds it where it was not free in time.
    fn lock(&mut self, name: &str, wait: Duration) -> Result<Option<u64>, Trouble> {
        let begun = Instant::now();
        loop {
            let got: Option<Option<i64>> =
                self.with("lock", |c| c.exec_first("SELECT GET_LOCK(?, 0)", (name,)))?;
            if got.flatten() == Some(1) {
                return Ok(None);
            }
            if begun.elapsed() >= wait {
                let held: Option<Option<u64>> =
                    self.with("lock", |c| c.exec_first("SELECT IS_USED_LOCK(?)", (name,)))?;
                return Ok(Some(held.flatten().unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether there is a table of notes.
    fn has_notes(&mut self) -> Result<bool, Trouble> {
        let schema = self.schema.clone();
        let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";
        let found: Option<u64> = self.with("open", |c| c.exec_first(sql, (&schema, NOTES)))?;
        Ok(found.is_some_and(|n| n > 0))
    }

    /// The notes of the table: key and note.
    fn notes(&mut self) -> Result<Vec<(String, String)>, Trouble> {
        let sql = format!(
            "SELECT place, coalesce(note, '') FROM {} WHERE place = ? OR left(place, ?) = ?",
            self.name(NOTES)
        );
        let (key, family) = (self.key.clone(), format!("{}#", self.table));
        let len = characters(&family);
        self.with("read the notes of", |c| c.exec(sql, (&key, len, &family)))
    }

    fn put_note(&mut self, note: &str) -> Result<(), Trouble> {
        let sql = format!("REPLACE INTO {} (place, note) VALUES (?, ?)", self.name(NOTES));
        let key = self.key.clone();
        self.with("write the note of", |c| c.exec_drop(sql, (&key, note)))
    }

    /// Makes what is missing and writes the note.
    fn make_tables(&mut self, note: &str) -> Result<(), Trouble> {
        let held = self.lock(OPENING, Duration::from_secs(10))?;
        if held.is_some() {
            let e =
                SinkError::new(format!("cannot open {}: another run is being opened", self.place));
            return Err(Trouble::Held(e.help("run again")));
        }
        if let Some(sql) = self.missing.take() {
            self.run("make", &sql)?;
            self.made.push(self.name(&self.table));
        }
        if !self.has_notes()? {
            let notes = self.name(NOTES);
            let sql = format!(
                "CREATE TABLE {notes} (place VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
                 PRIMARY KEY, note LONGTEXT) ENGINE = InnoDB CHARACTER SET utf8mb4"
            );
            self.run("make the notes of", &sql)?;
            self.made.push(notes);
        }
        self.put_note(note)?;
        self.with("open", |c| c.exec_drop("DO RELEASE_LOCK(?)", (OPENING,)))
    }

    /// Drops the tables that were made, as far as they are empty.
    fn drop_made(&mut self) -> Result<(), Trouble> {
        for name in std::mem::take(&mut self.made) {
            // Not if somebody has put something in meanwhile.
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
            let rows: Option<bool> = self.with("undo", |c| c.query_first(sql))?;
            if rows == Some(false) {
                self.run("undo", &format!("DROP TABLE {name}"))?;
            }
        }
        Ok(())
    }

    fn load(&mut self, rows: &Arc<Vec<u8>>, count: u64) -> Result<(), Trouble> {
        let columns: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' \
             ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({})",
            self.name(&self.table),
            columns.join(", ")
        );
        let rows = rows.clone();
        let (taken, warning) = self.with("write to", |conn| {
            let send = move |_: &[u8], to: &mut mysql::LocalInfile<'_>| to.write_all(&rows);
            conn.set_local_infile_handler(Some(LocalInfileHandler::new(send)));
            let done = conn.query_drop(sql);
            conn.set_local_infile_handler(None);
            done?;
            let (taken, warnings) = (conn.affected_rows(), conn.warnings());
            let warning: Option<(String, u32, String)> = match warnings {
                0 => None,
                _ => conn.query_first("SHOW WARNINGS")?,
            };
            Ok((taken, warning))
        })?;
        if let Some((_, _, message)) = warning {
            return Err(SinkError::new(format!("cannot write to {}: {message}", self.place))
                .help("write to another table, or change this one: values must be kept as they are")
                .into());
        }
        if taken != count {
            return Err(SinkError::new(format!("{} took {taken} of {count} rows", self.place))
                .help("drop what refuses them: a unique key or a trigger")
                .into());
        }
        Ok(())
    }

    fn insert(&mut self, values: &[mysql::Value], sizes: &[usize]) -> Result<(), Trouble> {
        let width = self.columns.len();
        let columns: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let head =
            format!("INSERT INTO {} ({}) VALUES ", self.name(&self.table), columns.join(", "));
        let row = format!("({})", vec!["?"; width].join(", "));
        let most = INSERT.0.min(PARAMETERS / width).max(1);
        let mut at = 0;
        while at < sizes.len() {
            let (mut rows, mut bytes) = (0, 0);
            while rows < most && at + rows < sizes.len() && (rows == 0 || bytes < INSERT.1) {
                bytes += sizes[at + rows];
                rows += 1;
            }
            let sql = format!("{head}{}", vec![row.as_str(); rows].join(", "));
            let part = values[at * width..(at + rows) * width].to_vec();
            self.with("write to", |conn| {
                // The connection keeps the statements that it has prepared.
                let statement = conn.prep(&sql)?;
                conn.exec_drop(&statement, part)
            })?;
            at += rows;
        }
        Ok(())
    }
}

impl Driver for MySql {
    type Rows = Rows;

    fn place(&self) -> &str {
        &self.place
    }

    fn way(&self) -> Option<&'static str> {
        Some(if self.local { "by LOAD DATA LOCAL" } else { "by prepared inserts" })
    }

    fn connect(&mut self, wait: Duration) -> Result<(), Trouble> {
        self.conn = None;
        if let Some(ca) = &self.ca
            && let Err(e) = std::fs::read(ca)
        {
            let why = super::io_reason(&e);
            return Err(SinkError::new(format!("cannot read {}: {why}", ca.display()))
                .help("`tls.ca` names a file with the authority's certificate in PEM")
                .into());
        }
        let user = self.opts.get_user().unwrap_or_default();
        let conn = Conn::new(self.opts.clone());
        self.conn = Some(conn.map_err(|e| trouble("connect to", &self.place, user, &e))?);
        // Strict, so that nothing is altered silently.
        self.run(
            "set up",
            "SET SESSION time_zone = '+00:00', wait_timeout = 28800, net_read_timeout = 600, \
             sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'",
        )?;
        let name = self.lock_name();
        let Some(holder) = self.lock(&name, wait)? else { return Ok(()) };
        let from = self.host_of(holder)?;
        let e = format!("another run writes to {}: connection {holder}{from}", self.place);
        Err(Trouble::Held(SinkError::new(e).help("let it end, or end it, and run again")))
    }

    fn look(&mut self, replace: bool) -> Result<Found, Trouble> {
        self.look_at(replace)
    }

    fn make_ready(&mut self, note: &str) -> Result<(), Trouble> {
        let done = self.make_tables(note);
        if done.is_err() {
            // Here a table that is made is there at once, whatever follows.
            let _ = self.drop_made();
        }
        done
    }

    fn undo(&mut self, old: Option<&str>) -> Result<(), Trouble> {
        let _ = self.lock(OPENING, Duration::from_secs(2))?;
        match old {
            Some(note) => self.put_note(note)?,
            None => {
                let sql = format!("DELETE FROM {} WHERE place = ?", self.name(NOTES));
                let key = self.key.clone();
                self.with("undo", |c| c.exec_drop(sql, (&key,)))?;
            }
        }
        self.drop_made()
    }

    fn note(&mut self) -> Result<Option<String>, Trouble> {
        let notes = self.notes()?;
        Ok(notes.into_iter().find(|(place, _)| *place == self.key).map(|(_, note)| note))
    }

    fn encode(&mut self, batch: &EventBatch) -> Result<(Rows, usize), SinkError> {
        if self.local {
            let mut out = Vec::with_capacity(1 << 18);
            encode::text(batch, &self.targets, &self.place, &mut out)?;
            let len = out.len();
            Ok((Rows::Text(Arc::new(out), batch.len()), len))
        } else {
            let (values, sizes) = encode::values(batch, &self.targets, &self.place)?;
            let len = sizes.iter().sum();
            Ok((Rows::Values(values, sizes), len))
        }
    }

    fn begin(&mut self, delete: bool) -> Result<(), Trouble> {
        self.run("write to", "START TRANSACTION")?;
        if delete {
            let sql = format!("DELETE FROM {}", self.name(&self.table));
            self.run("delete the old rows of", &sql)?;
        }
        Ok(())
    }

    fn send(&mut self, rows: &Rows) -> Result<(), Trouble> {
        match rows {
            Rows::Text(text, count) => self.load(text, *count),
            Rows::Values(values, sizes) => self.insert(values, sizes),
        }
    }

    fn commit(&mut self, note: &str) -> Result<(), Trouble> {
        self.put_note(note)?;
        self.run("commit to", "COMMIT")
    }

    fn rollback(&mut self) -> Result<(), Trouble> {
        self.run("roll back", "ROLLBACK")
    }

    fn close(&mut self) {
        // The server lets go of the locks when it hears of it; a run that begins at once need not wait.
        if let Some(mut conn) = self.conn.take() {
            let name = self.lock_name();
            let _ = conn.exec_drop("DO RELEASE_LOCK(?)", (name,));
        }
    }
}

/// What an error means for its user.
fn trouble(verb: &str, place: &str, user: &str, error: &Error) -> Trouble {
    let e = |why: &str| SinkError::new(format!("cannot {verb} {place}: {why}"));
    let away = |why: &str| {
        Trouble::Away(
            e(why).help("look whether the server runs, and at the host and port in `url`"),
        )
    };
    let certificate = |why: &str| {
        Trouble::Final(
            e(&format!("its certificate is not believed: {why}"))
                .help("name the authority that signed it: `tls: { ca: FILE }`")
                .help("or connect by a name that stands in it"),
        )
    };
    // The client's own words around the reason say nothing.
    let text = error.to_string();
    let text = text
        .split_once('`')
        .map_or(text.as_str(), |(_, why)| why.trim_end_matches(['\'', ' ', '}']));
    match error {
        Error::IoError(_) | Error::CodecError(_) if text.contains("certificate") => {
            certificate(text)
        }
        Error::IoError(io) => away(&super::io_reason(io)),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => {
            let why = why.split(" (os error").next().unwrap_or(why);
            away(&why.to_lowercase())
        }
        Error::DriverError(DriverError::CouldNotConnect(None)) => away("no server answers"),
        Error::DriverError(DriverError::ConnectTimeout | DriverError::Timeout) => {
            away("it does not answer in time")
        }
        Error::DriverError(DriverError::TlsNotSupported) => Trouble::Final(
            e("the server does not offer TLS").help("turn it on there, or leave `tls` out"),
        ),
        Error::DriverError(DriverError::PacketOutOfSync | DriverError::UnexpectedPacket) => {
            away("the connection is broken")
        }
        Error::CodecError(_) => away(text),
        Error::TlsError(why) => certificate(&why.to_string()),
        Error::MySqlError(db) => {
            let e = e(&db.message);
            match db.code {
                // Too many connections, shutdown, lock wait timeout, deadlock, killed, gone, lost.
                1040 | 1053 | 1205 | 1213 | 1317 | 1927 | 2006 | 2013 => {
                    Trouble::Away(e.help("run again when the server is ready"))
                }
                1044 | 1142 | 1143 | 1227 | 1370 => Trouble::Final(e.help(format!(
                    "let an administrator grant it to {user}, or take another user"
                ))),
                1045 | 1698 => Trouble::Final(e.help(format!(
                    "look at the user ({user}) and the password: in `url` or MYSQL_PWD"
                ))),
                1049 => Trouble::Final(e.help(
                    "make it (`CREATE DATABASE NAME`), or name another one at the end of `url`",
                )),
                1021 | 1114 => Trouble::Final(
                    e.help("free some space on the server, and go on with `--resume`"),
                ),
                1062 | 1452 | 3819 | 4025 => {
                    Trouble::Final(e.help("drop the constraint, or write to a table without it"))
                }
                1153 => Trouble::Final(
                    e.help("raise `max_allowed_packet` of the server: a row is larger than it"),
                ),
                _ => Trouble::Final(e),
            }
        }
        other => Trouble::Final(e(&other.to_string())),
    }
}
