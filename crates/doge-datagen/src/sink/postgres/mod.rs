//! `postgres`: rows in tables of a PostgreSQL database, by binary COPY.
//!
//! Every table has a connection of its own, and a session's advisory lock that keeps two runs apart. A
//! commit is one transaction: the rows and the note. `tokio-postgres` is used directly, and not the
//! blocking `postgres` over it: that one hands COPY's data on in pieces of 4 KB, each through the runtime.

mod address;
mod encode;
mod look;

use super::sql::{self, Driver, Found, NOTES, TableSink, Trouble};
use super::{Context, Identity, Key, KeyValue, Made, Make, Settings, SinkError, SinkKind, Takes};
use address::Address;
use bytes::Bytes;
use doge_core::batch::EventBatch;
use doge_core::value::Ty;
use encode::Target;
use futures_util::SinkExt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink};

/// `postgres`
pub static KIND: SinkKind = SinkKind {
    name: "postgres",
    summary: "rows in tables of a PostgreSQL database",
    keys: &[
        Key::required("url", KeyValue::Template).doc(
            "The database: `postgres://USER@HOST:PORT/DATABASE`, with `?sslmode=` disable, prefer (the \
             default), require, verify-ca or verify-full. The password may stand in it, in `PGPASSWORD` or in \
             a `.pgpass` file.",
        ),
        Key::required("table", KeyValue::Template)
            .doc("The table, most often `\"{event}\"`; may be `SCHEMA.TABLE`. A table holds one event."),
        Key::optional("create", KeyValue::Bool)
            .doc("Whether to make a table that is missing; by default `true`."),
        Key::optional(
            "tls",
            KeyValue::Group(&[Key::optional("ca", KeyValue::Template).doc(
                "A file with the certificate of the authority that signed the server's, in PEM; by default \
                 the public authorities.",
            )]),
        )
        .doc("TLS that verifies the server's certificate and name, unless `sslmode` says less."),
    ],
    takes: Takes::Table,
    keeps: true,
    resumable: true,
    make: Make::Now(make),
};

/// Bytes of a name; longer ones are cut by the server.
const NAME_BYTES: usize = 63;
/// Columns of a table.
const COLUMNS: usize = 1600;
/// Begins a transaction in which tables are made or dropped: one at a time in a database, as two runs may
/// want to make the same, and one may drop the empty notes that another one has just seen.
const OPENING: &str = "BEGIN; SELECT pg_advisory_xact_lock(7236822)";
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(5);

fn make(settings: &Settings, context: &mut Context<'_>) -> Result<Made, String> {
    let address = Address::of(settings)?;
    let (schema, table) = sql::table_parts(settings.text("table"), NAME_BYTES, str::len)?;
    let Some(event) = context.event else {
        return Err("a table holds one event".into());
    };
    let columns: Vec<_> = event.leaves.iter().map(|l| (l.column.clone(), l.ty)).collect();
    sql::check_columns(&event.name, &columns, COLUMNS, NAME_BYTES, str::len)?;
    let shown = settings.text("table");
    let identity = Identity::Named(format!("postgres:{}/{shown}", address.shown));
    let driver = Postgres {
        place: format!("{} table {shown}", address.shown),
        key: sql::key(&table, context.shard),
        targets: columns.iter().map(|(name, ty)| (name.clone(), encode::own(*ty).0)).collect(),
        address,
        schema,
        table,
        columns,
        create: settings.flag("create", true),
        link: None,
        copy: None,
        pid: 0,
        made: Vec::new(),
        missing: None,
    };
    let place = driver.place.clone();
    let sink = TableSink::new(driver, context.if_exists, settings.wait(), sql::patience(settings));
    Ok(Made { sink: Box::new(sink), place, identity })
}

/// A connection with what drives it.
struct Link {
    client: Client,
    /// Drops last: the connection lives in it.
    runtime: Runtime,
}

impl Link {
    /// Waits for an answer.
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

struct Postgres {
    address: Address,
    place: String,
    /// The schema as it was given, then as it was found.
    schema: Option<String>,
    table: String,
    columns: Vec<(String, Ty)>,
    targets: Vec<(String, Target)>,
    key: String,
    create: bool,
    link: Option<Link>,
    copy: Option<Pin<Box<CopyInSink<Bytes>>>>,
    /// The server's process of the last connection.
    pid: i32,
    /// What `make_ready` has made, to be taken back: names as SQL has them.
    made: Vec<String>,
    /// SQL that makes the table, where `look` found it missing.
    missing: Option<String>,
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Postgres {
    fn link(&self) -> Result<&Link, Trouble> {
        self.link.as_ref().ok_or_else(|| {
            Trouble::Away(SinkError::new(format!("{}: the connection is closed", self.place)))
        })
    }

    /// The table as SQL has it, with its schema where that is known.
    fn name(&self, table: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(table),
        }
    }

    /// Runs statements that return nothing.
    fn run(&self, verb: &str, sql: &str) -> Result<(), Trouble> {
        let link = self.link()?;
        link.wait(link.client.batch_execute(sql)).map_err(|e| self.trouble(verb, &e))
    }

    /// What an error means for its user.
    fn trouble(&self, verb: &str, error: &tokio_postgres::Error) -> Trouble {
        trouble(verb, &self.place, self.address.user(), error)
    }

    /// The number of the table's lock.
    fn lock_number(&self) -> i64 {
        // FNV-1a, 64 bits.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        let schema = self.schema.as_deref().unwrap_or_default();
        let text = format!("doge\0{schema}\0{}", self.key);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, hash) as i64
    }

    /// Takes the table's lock.
    fn lock(&mut self, wait: Duration) -> Result<(), Trouble> {
        let begun = Instant::now();
        let number = self.lock_number();
        let before = self.pid;
        let link = self.link()?;
        let fail = |e: tokio_postgres::Error| self.trouble("lock", &e);
        let mine =
            link.wait(link.client.query_one("SELECT pg_backend_pid()", &[])).map_err(fail)?;
        loop {
            let sql = "SELECT pg_try_advisory_lock($1)";
            let row = link.wait(link.client.query_one(sql, &[&number])).map_err(fail)?;
            if row.get::<_, bool>(0) {
                self.pid = mine.get(0);
                return Ok(());
            }
            let sql = "SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), '') \
                       FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
                       WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                       AND l.classid = $1 AND l.objid = $2";
            let parts = [(number >> 32) as u32, number as u32];
            let holder =
                link.wait(link.client.query_opt(sql, &[&parts[0], &parts[1]])).map_err(fail)?;
            // It may have let go meanwhile.
            let (pid, name, host): (i32, String, String) = match holder {
                Some(row) => (row.get(0), row.get(1), row.get(2)),
                None => (0, String::new(), String::new()),
            };
            if pid != 0 && pid == before && name == self.address.application() {
                // This run's own session, which the server has not missed yet.
                let end = "SELECT pg_terminate_backend($1)";
                link.wait(link.client.query_one(end, &[&pid])).map_err(fail)?;
            } else if begun.elapsed() >= wait {
                let from = if host.is_empty() { String::new() } else { format!(" from {host}") };
                let e =
                    format!("another run writes to {}: session {pid} \"{name}\"{from}", self.place);
                return Err(Trouble::Held(
                    SinkError::new(e).help("let it end, or end it, and run again"),
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The note under the table's key and those of its other shards. The table of notes exists.
    fn notes(&self) -> Result<Vec<(String, String)>, Trouble> {
        let link = self.link()?;
        let sql = format!(
            "SELECT place, coalesce(note, '') FROM {} WHERE place = $1 OR starts_with(place, $2)",
            self.name(NOTES)
        );
        let family = format!("{}#", self.table);
        let rows = link.wait(link.client.query(&sql, &[&self.key, &family]));
        let rows = rows.map_err(|e| self.trouble("read the notes of", &e))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn put_note(&self, note: &str) -> Result<(), Trouble> {
        let link = self.link()?;
        let sql = format!(
            "INSERT INTO {} (place, note) VALUES ($1, $2) ON CONFLICT (place) DO UPDATE SET note = excluded.note",
            self.name(NOTES)
        );
        let done = link.wait(link.client.execute(&sql, &[&self.key, &note]));
        done.map(drop).map_err(|e| self.trouble("write the note of", &e))
    }
}

impl Driver for Postgres {
    type Rows = Bytes;

    fn place(&self) -> &str {
        &self.place
    }

    fn connect(&mut self, wait: Duration) -> Result<(), Trouble> {
        self.copy = None;
        self.link = None;
        let (config, tls) = self.address.connector()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|e| SinkError::io("make a thread for", &self.place, &e))?;
        let connected = runtime.block_on(async {
            let (client, connection) = config.connect(tls).await?;
            tokio::spawn(connection);
            Ok(client)
        });
        let client = connected.map_err(|e| self.trouble("connect to", &e))?;
        self.link = Some(Link { client, runtime });
        // What a database's owner may have set for everybody must not end a long transaction, and a commit
        // has to be durable.
        self.run(
            "set up",
            "SET client_min_messages = warning; SET statement_timeout = 0; \
             SET idle_in_transaction_session_timeout = 0; SET DateStyle = ISO; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'",
        )?;
        if self.schema.is_none() {
            self.schema = self.found_schema()?;
        }
        self.lock(wait)
    }

    fn look(&mut self, replace: bool) -> Result<Found, Trouble> {
        self.look_at(replace)
    }

    fn make_ready(&mut self, note: &str) -> Result<(), Trouble> {
        self.run("open", OPENING)?;
        if let Some(sql) = self.missing.take() {
            self.run("make", &sql)?;
            self.made.push(self.name(&self.table));
        }
        if self.relation(NOTES)?.is_none() {
            let notes = self.name(NOTES);
            let sql = format!("CREATE TABLE {notes} (place text PRIMARY KEY, note text)");
            self.run("make the notes of", &sql)?;
            self.made.push(notes);
        }
        self.put_note(note)?;
        self.run("open", "COMMIT")
    }

    fn undo(&mut self, old: Option<&str>) -> Result<(), Trouble> {
        self.run("undo", OPENING)?;
        match old {
            Some(note) => self.put_note(note)?,
            None => {
                let link = self.link()?;
                let sql = format!("DELETE FROM {} WHERE place = $1", self.name(NOTES));
                link.wait(link.client.execute(&sql, &[&self.key]))
                    .map_err(|e| self.trouble("undo", &e))?;
            }
        }
        for name in std::mem::take(&mut self.made) {
            // Not if somebody has put something in meanwhile.
            let link = self.link()?;
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
            let row = link
                .wait(link.client.query_one(&sql, &[]))
                .map_err(|e| self.trouble("undo", &e))?;
            if !row.get::<_, bool>(0) {
                self.run("undo", &format!("DROP TABLE {name}"))?;
            }
        }
        self.run("undo", "COMMIT")
    }

    fn note(&mut self) -> Result<Option<String>, Trouble> {
        let notes = self.notes()?;
        Ok(notes.into_iter().find(|(place, _)| *place == self.key).map(|(_, note)| note))
    }

    fn encode(&mut self, batch: &EventBatch) -> Result<(Bytes, usize), SinkError> {
        let mut out = Vec::with_capacity(1 << 18);
        encode::rows(batch, &self.targets, &self.place, &mut out)?;
        let len = out.len();
        Ok((Bytes::from(out), len))
    }

    fn begin(&mut self, delete: bool) -> Result<(), Trouble> {
        self.run("write to", "BEGIN")?;
        if delete {
            self.run("delete the old rows of", &format!("DELETE FROM {}", self.name(&self.table)))?;
        }
        Ok(())
    }

    fn send(&mut self, rows: &Bytes) -> Result<(), Trouble> {
        if self.copy.is_none() {
            let columns: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
            let sql = format!(
                "COPY {} ({}) FROM STDIN (FORMAT binary)",
                self.name(&self.table),
                columns.join(", ")
            );
            let link = self.link()?;
            let copy = link.wait(async {
                let mut copy = Box::pin(link.client.copy_in(&sql).await?);
                copy.feed(Bytes::from_static(encode::HEAD)).await?;
                Ok(copy)
            });
            self.copy = Some(copy.map_err(|e| self.trouble("write to", &e))?);
        }
        let link = self.link.as_ref();
        let (Some(link), Some(copy)) = (link, &mut self.copy) else { return Ok(()) };
        let sent = link.wait(copy.feed(rows.clone()));
        sent.map_err(|e| trouble("write to", &self.place, self.address.user(), &e))
    }

    fn commit(&mut self, note: &str) -> Result<(), Trouble> {
        if let Some(mut copy) = self.copy.take() {
            let link = self.link()?;
            let done = link.wait(async {
                copy.feed(Bytes::from_static(encode::TAIL)).await?;
                copy.as_mut().finish().await
            });
            done.map_err(|e| self.trouble("write to", &e))?;
        }
        self.put_note(note)?;
        self.run("commit to", "COMMIT")
    }

    fn rollback(&mut self) -> Result<(), Trouble> {
        self.copy = None;
        let link = self.link()?;
        let done = link.wait(async {
            tokio::time::timeout(CLOSING, link.client.batch_execute("ROLLBACK")).await
        });
        match done {
            Ok(done) => done.map_err(|e| self.trouble("roll back", &e)),
            Err(_) => Err(Trouble::Away(SinkError::new("the server does not answer"))),
        }
    }

    fn close(&mut self) {
        self.copy = None;
        if let Some(Link { client, runtime }) = self.link.take() {
            // The client says good-bye, so that the lock is free when this returns.
            runtime.block_on(async {
                let unlock = client.batch_execute("SELECT pg_advisory_unlock_all()");
                let _ = tokio::time::timeout(CLOSING, unlock).await;
            });
            drop(client);
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }
}

/// What an error means for its user.
fn trouble(verb: &str, place: &str, user: &str, error: &tokio_postgres::Error) -> Trouble {
    use std::error::Error;
    let Some(db) = error.as_db_error() else {
        let mut why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let e = |why: &str| SinkError::new(format!("cannot {verb} {place}: {why}"));
        let io = error.source().and_then(|s| s.downcast_ref::<std::io::Error>());
        if let Some(tls) =
            io.and_then(|e| e.get_ref()).and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            return Trouble::Final(
                e(&format!("its certificate is not believed: {tls}"))
                    .help("name the authority that signed it: `tls: { ca: FILE }`")
                    .help("or connect by a name that stands in it"),
            );
        }
        if let Some(io) = io {
            why = super::io_reason(io);
        } else if error.to_string().contains("TLS") && why.contains("not support") {
            return Trouble::Final(
                e("the server does not offer TLS")
                    .help("turn it on there, or write `?sslmode=prefer`"),
            );
        } else if !error.is_closed()
            && !error.to_string().contains("connect")
            && !error.to_string().contains("communicating")
        {
            return Trouble::Final(match why.as_str() {
                "password missing" => e("the server wants a password and there is none").help(
                    "set PGPASSWORD, or write a line into `~/.pgpass` (readable by you alone)",
                ),
                _ => e(&why),
            });
        }
        return Trouble::Away(
            e(&why).help("look whether the server runs, and at the host and port in `url`"),
        );
    };
    let message = db.message();
    let e = SinkError::new(format!("cannot {verb} {place}: {message}"));
    let with_detail = |mut e: SinkError| {
        if let Some(detail) = db.detail() {
            e.message.push_str(&format!(" ({detail})"));
        }
        e
    };
    let code = db.code();
    let class = &code.code()[..2.min(code.code().len())];
    match code {
        &SqlState::ADMIN_SHUTDOWN
        | &SqlState::CRASH_SHUTDOWN
        | &SqlState::CANNOT_CONNECT_NOW
        | &SqlState::TOO_MANY_CONNECTIONS
        | &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED => {
            Trouble::Away(e.help("run again when the server is ready"))
        }
        _ if class == "08" => Trouble::Away(e.help("look whether the server runs")),
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Trouble::Final(e.help(format!(
                "look at the user ({user}) and the password: in `url`, PGPASSWORD or `~/.pgpass`"
            )))
        }
        &SqlState::INVALID_CATALOG_NAME => Trouble::Final(
            e.help("make it (`createdb NAME`), or name another one at the end of `url`"),
        ),
        &SqlState::INSUFFICIENT_PRIVILEGE => Trouble::Final(
            e.help(format!("let the owner grant it to {user}, or take another user")),
        ),
        &SqlState::DISK_FULL => {
            Trouble::Final(e.help("free some space on the server, and go on with `--resume`"))
        }
        &SqlState::UNIQUE_VIOLATION
        | &SqlState::CHECK_VIOLATION
        | &SqlState::FOREIGN_KEY_VIOLATION
        | &SqlState::NOT_NULL_VIOLATION
        | &SqlState::EXCLUSION_VIOLATION => Trouble::Final(
            with_detail(e).help("drop the constraint, or write to a table without it"),
        ),
        _ => Trouble::Final(with_detail(e)),
    }
}
