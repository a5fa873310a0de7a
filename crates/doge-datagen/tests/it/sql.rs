//! Databases of servers: what they carry and refuse, who is let in, and a server that is ended in the
//! middle. Values are read back by the databases' own clients.

use super::servers::{mariadb, psql, server, unique};
use super::support;
use doge_datagen::error::{Cause, Error};
use doge_datagen::report::RunReport;
use doge_datagen::sink::{IfExists, Mark, Opening};
use doge_datagen::spec::{ModelText, RunSpec};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A database with its client.
struct Database {
    kind: &'static str,
    url: String,
    client: fn(&str, &str) -> Result<String, String>,
    /// Tables to drop.
    tables: Vec<String>,
}

impl Database {
    /// Those whose servers run; MySQL in both ways of writing.
    fn all() -> Vec<Database> {
        let database = |kind, url, client| Database { kind, url, client, tables: Vec::new() };
        let postgres = server("DOGE_TEST_POSTGRES").map(|url| database("postgres", url, psql));
        let mysql = server("DOGE_TEST_MYSQL").map(|url| database("mysql", url, mariadb));
        postgres.into_iter().chain(mysql).collect()
    }

    fn table(&mut self) -> String {
        let table = unique("sql");
        self.tables.push(table.clone());
        table
    }

    fn ask(&self, sql: &str) -> String {
        (self.client)(&self.url, sql).unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.kind))
    }

    /// Runs a model into a table.
    fn run(&self, model: &str, table: &str, more: &str) -> Result<RunReport, Error> {
        self.run_at(&self.url, model, table, more)
    }

    fn run_at(&self, url: &str, model: &str, table: &str, more: &str) -> Result<RunReport, Error> {
        let kind = self.kind;
        // A short wait is no key of the language, and these tests want none.
        let text = format!(
            "{model}\nsinks: {{ s: {{ {kind}: {{ url: \"{url}\", table: {table} }}{more} }} }}\n"
        );
        run(text, false)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for table in &self.tables {
            let sql = format!(
                "drop table if exists {table}; delete from _doge_notes where place = '{table}'"
            );
            let _ = (self.client)(&self.url, &sql);
        }
    }
}

fn run(text: String, resume: bool) -> Result<RunReport, Error> {
    let model = ModelText { name: "m.yaml".into(), text };
    doge_datagen::run::run(&RunSpec { model, resume, ..RunSpec::default() })
}

/// The message of a run that must fail, with its ways out; without a secret.
fn fails(result: Result<RunReport, Error>) -> String {
    let text = result.map(|r| panic!("it went well: {:?}", r.outputs)).unwrap_err().render(false);
    assert!(!text.contains("such-secret"), "a password: {text}");
    text
}

/// A model whose one subject emits `e` with these fields in each of `ticks` ticks.
fn model(fields: &str, ticks: u32) -> String {
    format!(
        "clock: {{ start: 2024-05-01T00:00:00Z, tick: 1s, ticks: {ticks} }}\n\
         subjects:\n  user:\n    count: 1\n    attributes:\n      none: nullable(timestamp)\n    states:\n      \
         on: {{ transitions: {{ t: {{ probability: 100%, emit: e }} }} }}\n\
         events:\n  e:\n    fields:\n{fields}"
    )
}

const EXTREMES: &str = "      \
      high: 9223372036854775807\n      \
      low: -9223372036854775807 - 1\n      \
      huge: 1.7976931348623157e308\n      \
      tiny: 5e-324\n      \
      zero: -0.0\n      \
      third: 1.0 / 3.0\n      \
      yes: true\n      \
      empty: \"''\"\n      \
      text: '\"tab\\t back\\\\slash \\r line\\nend \\\"quote\\\" ünïcode 😀 \\\\N\"'\n      \
      first: timestamp('0001-01-01T00:00:00Z')\n      \
      last: timestamp('9999-12-31T23:59:59.999Z')\n      \
      nothing: none\n      \
      wait: duration('-1.5s')\n      \
      long: duration('876000h')\n";

#[test]
fn extremes_are_carried_exactly() {
    for mut database in Database::all() {
        for (mysql, way) in
            [("", "(by LOAD DATA LOCAL)"), ("?local_infile=false", "(by prepared inserts)")]
        {
            let table = database.table();
            let postgres = database.kind == "postgres";
            if postgres && !mysql.is_empty() {
                continue;
            }
            let url = format!("{}{mysql}", database.url);
            let report = database.run_at(&url, &model(EXTREMES, 2), &table, "").unwrap();
            assert!(postgres || report.outputs[0].place.ends_with(way), "{:?}", report.outputs);
            let text = "tab\t back\\slash \r line\nend \"quote\" ünïcode 😀 \\N";
            if postgres {
                let out = database.ask(&format!(
                    "select high, low, huge, tiny, zero, third, yes, empty = '', first, last, nothing is null, wait, \
                     long, encode(convert_to(text, 'UTF8'), 'hex') from {table}"
                ));
                let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
                let row = format!(
                    "9223372036854775807|-9223372036854775808|1.7976931348623157e+308|5e-324|-0|\
                     0.3333333333333333|t|t|0001-01-01 00:00:00+00|9999-12-31 23:59:59.999+00|t|-00:00:01.5|\
                     876000:00:00|{hex}\n"
                );
                assert_eq!(out, row.repeat(2));
                let types = database.ask(&format!(
                    "select string_agg(format_type(atttypid, atttypmod), ',' order by attnum) from pg_attribute \
                     where attrelid = '{table}'::regclass and attnum > 0"
                ));
                assert_eq!(
                    types,
                    "bigint,bigint,double precision,double precision,double precision,double precision,boolean,\
                     text,text,timestamp with time zone,timestamp with time zone,timestamp with time zone,interval,\
                     interval\n"
                );
            } else {
                let out = database.ask(&format!(
                    "select high, low, huge, tiny = 5e-324, concat(zero), third = 1e0 / 3e0, yes, empty = '', first, \
                     last, nothing is null, wait, `long`, hex(text) from {table}"
                ));
                // MariaDB has one zero; it is equal to the other.
                let hex: String = text.bytes().map(|b| format!("{b:02X}")).collect();
                let row = format!(
                    "9223372036854775807\t-9223372036854775808\t1.7976931348623157e308\t1\t0\t1\t1\t1\t\
                     0001-01-01 00:00:00.000\t9999-12-31 23:59:59.999\t1\t-1.500s\t3153600000s\t{hex}\n"
                );
                assert_eq!(out, row.repeat(2), "{way}");
            }
        }
    }
}

#[test]
fn a_megabyte_and_three_hundred_columns() {
    for mut database in Database::all() {
        let (table, wide) = (database.table(), database.table());
        let big = "ü".repeat(1 << 19);
        let text =
            format!("params: {{ big: \"{big}\" }}\n{}", model("      text: params.big\n", 3));
        database.run(&text, &table, "").unwrap();
        let md5 = database.ask(&format!("select md5(text), char_length(text) from {table}"));
        let want = format!("select md5(repeat('ü', {0})), {0}", 1 << 19);
        assert_eq!(md5, database.ask(&want).repeat(3), "{}", database.kind);

        let fields: String = (0..300).map(|i| format!("      c{i}: id + {i}\n")).collect();
        database.run(&model(&fields, 20), &wide, "").unwrap();
        let out = database.ask(&format!("select count(*), min(c0), max(c299) from {wide}"));
        assert_eq!(out.replace('\t', "|"), "20|0|299\n", "{}", database.kind);

        let fields: String = (0..1700).map(|i| format!("      c{i}: id\n")).collect();
        let said = fails(database.run(&model(&fields, 1), "never", ""));
        assert!(said.contains("event e has 1700 fields, and a table holds"), "{said}");
        assert!((database.client)(&database.url, "select 1 from never").is_err());
    }
}

#[test]
fn columns_that_can_hold_the_values_are_taken() {
    let fields = "      small: id - 5\n      mid: 70000\n      dec: -12345\n      word: \"'äöü'\"\n      at: timestamp\n      ok: true\n";
    for mut database in Database::all() {
        let table = database.table();
        let own = match database.kind {
            "postgres" => "timestamp(3), ok boolean, auto bigserial, extra text default 'x'",
            _ => {
                "datetime(6), ok tinyint(1), auto bigint auto_increment primary key, extra varchar(3) default 'x'"
            }
        };
        database.ask(&format!(
            "create table {table} (dec numeric(7,2), small smallint not null, mid int, word varchar(3), at {own})"
        ).replace("(dec ", if database.kind == "mysql" { "(`dec` " } else { "(dec " }));
        database.run(&model(fields, 2), &table, "").unwrap();
        let dec = if database.kind == "mysql" { "`dec`" } else { "dec" };
        let out = database.ask(&format!(
            "select {dec}, small, mid, word, at, auto, extra from {table} order by auto"
        ));
        let out = out.replace('\t', "|").replace(".000000", "");
        assert_eq!(
            out,
            "-12345.00|-5|70000|äöü|2024-05-01 00:00:00|1|x\n-12345.00|-5|70000|äöü|2024-05-01 00:00:01|2|x\n",
            "{}",
            database.kind
        );
        // Beyond what they hold: refused before anything is altered, event and field named.
        for (old, new, field, why) in [
            ("id - 5", "id + 40000", "small", "40000 does not fit the column's type smallint"),
            ("70000", "3000000000", "mid", "3000000000 does not fit the column's type int"),
            ("-12345", "123456", "dec", "123456"),
            ("äöü", "äöüß", "word", "a text of 4 characters does not fit"),
        ] {
            let said = fails(database.run(
                &model(&fields.replace(old, new), 2),
                &table,
                ", if_exists: append",
            ));
            let place = format!(
                "cannot hold field {field} of event user/0/1/0 at 2024-05-01T00:00:00.000Z: "
            );
            assert!(said.contains(&place) && said.contains(why), "{}: {said}", database.kind);
            assert!(said.contains("is as it was"), "{said}");
        }
        assert_eq!(database.ask(&format!("select count(*) from {table}")), "2\n");
    }
}

#[test]
fn other_columns_are_told_all_at_once() {
    let fields = "      n: id\n      d: 0.5\n      word: \"'x'\"\n      at: timestamp\n      maybe: none\n      lost: id\n";
    for mut database in Database::all() {
        let table = database.table();
        let (own, parts) = match database.kind {
            "postgres" => (
                "n text, d real, word char(5), at date, maybe timestamptz not null, more int not null",
                [
                    "column n is text, the field is int and needs bigint",
                    "column d is real, the field is double and needs double precision",
                    "column word is character(5), the field is string and needs text",
                    "column at is date, the field is timestamp and needs timestamptz",
                    "column lost (bigint) is missing",
                ],
            ),
            _ => (
                "n text, d float, word varchar(5) character set latin1, at datetime, maybe datetime(3) not null, \
                 more int not null",
                [
                    "column n is text, the field is int and needs BIGINT",
                    "column d is float, the field is double and needs DOUBLE",
                    "column word is varchar(5) of latin1, the field is string and needs LONGTEXT",
                    "column at is datetime, the field is timestamp and needs DATETIME(3)",
                    "column lost (BIGINT) is missing",
                ],
            ),
        };
        database.ask(&format!("create table {table} ({own})"));
        let said = fails(database.run(&model(fields, 1), &table, ", if_exists: replace"));
        let common = [
            "column maybe is NOT NULL, the field can be null",
            "column more is NOT NULL without a default, and no field fills it",
        ];
        for part in parts.iter().chain(&common) {
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
        let views = unique("view");
        database.ask(&format!("create view {views} as select 1 as n"));
        let said = fails(database.run(&model("      n: id\n", 1), &views, ""));
        database.ask(&format!("drop view {views}"));
        assert!(said.contains("it is a view"), "{said}");
        let said = fails(database.run(&model("      n: id\n", 1), "no_such_schema.t", ""));
        assert!(said.contains("no_such_schema"), "{said}");
        let url = &database.url;
        let text = format!(
            "{}\nsinks: {{ s: {{ {}: {{ url: \"{url}\", table: not_there, create: false }} }} }}",
            model("      n: id\n", 1),
            database.kind
        );
        assert!(fails(run(text, false)).contains("make the table, or write `create: true`"));
    }
}

#[test]
fn names_are_quoted_and_text_cannot_break_out() {
    for mut database in Database::all() {
        let fields = "      select: id\n      from: \"'); drop table x; --'\"\n";
        let table = unique("Select From");
        database.run(&model(fields, 1), &format!("\"{table}\""), "").unwrap();
        let quote = if database.kind == "postgres" { "\"" } else { "`" };
        let name = format!("{quote}{table}{quote}");
        let out = database.ask(&format!("select {quote}from{quote} from {name}"));
        assert_eq!(out, "'); drop table x; --\n".trim_start_matches('\''), "{}", database.kind);
        database.tables.push(name);
    }
}

#[test]
fn postgres_cannot_hold_a_nul() {
    let Some(mut database) = Database::all().into_iter().find(|d| d.kind == "postgres") else {
        return;
    };
    let table = database.table();
    let said = fails(database.run(
        &model("      text: '\"a\\0b\"'\n".replace("\\0", "\\u0000").as_str(), 1),
        &table,
        "",
    ));
    assert!(said.contains("cannot hold field text of event user/0/1/0"), "{said}");
    assert!(said.contains("NUL"), "{said}");
}

/// Where a run is let in and where not.
#[test]
fn who_is_let_in() {
    let small = model("      n: id\n", 1);
    for mut database in Database::all() {
        let upper = if database.kind == "postgres" { "POSTGRES" } else { "MYSQL" };
        let at = |name: &str| server(&format!("DOGE_TEST_{upper}_{name}")).unwrap();
        let other_ca = server("DOGE_TEST_OTHER_CA").unwrap();
        let (tls, limited, ca) = (at("TLS"), at("LIMITED"), at("CA"));
        let postgres = database.kind == "postgres";
        // A password, over a connection of every sort.
        let secure = if postgres { at("SCRAM") } else { database.url.clone() };
        let table = database.table();
        database.run_at(&secure, &small, &table, "").unwrap();
        let said =
            fails(database.run_at(&secure.replace("such-secret", "wrong"), &small, &table, ""));
        assert!(said.contains("password") && !said.contains("wrong@"), "{said}");
        let said = fails(database.run_at(
            &format!("{}/no_such_db", secure.rsplit_once('/').unwrap().0),
            &small,
            &table,
            "",
        ));
        let way = ["createdb", "CREATE DATABASE", "grant"].iter().any(|way| said.contains(way));
        assert!(said.contains("no_such_db") && way, "{said}");
        let port = secure.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        let said = fails(database.run_at(&secure.replace(port, "1"), &small, &table, ""));
        assert!(
            said.contains("connection refused") && said.contains("look whether the server runs"),
            "{said}"
        );
        let said = fails(database.run_at(
            &secure.replace("127.0.0.1", "no-such-host.invalid"),
            &small,
            &table,
            "",
        ));
        assert!(said.contains("no-such-host.invalid"), "{said}");
        // TLS with the server's authority, another one, none.
        let with = |url: &str, tls: &str, table: &str| {
            let kind = database.kind;
            let more = format!(
                "\nsinks: {{ s: {{ {kind}: {{ url: \"{url}\", table: {table}{tls} }} }} }}\n"
            );
            run(format!("{small}{more}"), false)
        };
        let (yes, no) = (format!(", tls: {{ ca: {ca} }}"), format!(", tls: {{ ca: {other_ca} }}"));
        let own = unique("sql");
        with(&tls, &yes, &own).unwrap();
        let said = fails(with(&tls, &no, &own));
        assert!(said.contains("certificate is not believed"), "{said}");
        let said = fails(with(&tls, ", tls: {}", &own));
        assert!(said.contains("certificate is not believed"), "{said}");
        let said = fails(with(&tls, ", tls: { ca: /no/such/file }", &own));
        assert!(said.contains("/no/such/file") && said.contains("no such file"), "{said}");
        if postgres {
            // 127.0.0.2 does not stand in the certificate.
            let two = tls.replace("localhost", "127.0.0.2");
            assert!(fails(with(&two, &yes, &own)).contains("certificate is not believed"));
            let others = unique("sql");
            with(&format!("{two}?sslmode=verify-ca"), &yes, &others).unwrap();
            with(&format!("{two}?sslmode=require"), "", &unique("sql")).unwrap();
            let said = fails(with(&format!("{tls}?sslmode=disable"), "", &own));
            assert!(said.contains("encryption") || said.contains("pg_hba"), "{said}");
            database.ask("select 1");
        }
        // One who may do next to nothing.
        let said = fails(database.run_at(&limited, &small, &unique("sql"), ""));
        let grant = if postgres { "GRANT CREATE ON SCHEMA" } else { "GRANT SELECT, INSERT" };
        assert!(said.contains(grant), "{said}");
        let said = fails(database.run_at(&limited, &small, &table, ", if_exists: replace"));
        for right in ["INSERT", "DELETE"] {
            assert!(said.contains(right), "{}: {right} is missing in: {said}", database.kind);
        }
        database.tables.push(own);
    }
}

/// A set of servers of one's own, which may be ended.
struct Own {
    folder: tempfile::TempDir,
    xtask: String,
    name: &'static str,
}

impl Own {
    fn new(name: &'static str) -> Option<Own> {
        let xtask = server("DOGE_TEST_XTASK")?;
        let own = Own { folder: tempfile::tempdir().unwrap(), xtask, name };
        own.services("up");
        Some(own)
    }

    fn services(&self, verb: &str) -> String {
        let mut command = Command::new(&self.xtask);
        command.args(["services", verb, self.name]).env("DOGE_SERVICES_DIR", self.folder.path());
        let out = command.output().expect("xtask can be started");
        assert!(out.status.success(), "{verb}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn url(&self, variable: &str) -> String {
        let env = self.services("env");
        let line = env.lines().find_map(|l| l.strip_prefix(&format!("export {variable}=")));
        line.unwrap_or_else(|| panic!("{env}")).trim_matches(['\'', '"']).to_owned()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut command = Command::new(&self.xtask);
        command.args(["services", "down", self.name]).env("DOGE_SERVICES_DIR", self.folder.path());
        let _ = command.output();
    }
}

/// Every tick one event of each of the subjects; small commits, so that many of them meet the end.
fn busy(kind: &str, url: &str, table: &str) -> String {
    format!(
        "clock: {{ start: 2024-05-01T00:00:00Z, tick: 1s, ticks: 4000 }}\n\
         subjects: {{ user: {{ count: 100, attributes: {{ n: 0 }}, states: {{ on: {{ transitions: {{ \
         t: {{ probability: 100%, set: {{ n: n + 1 }}, emit: e }} }} }} }} }} }}\n\
         events: {{ e: {{ fields: {{ user: id, n: n, at: timestamp }} }} }}\n\
         sinks: {{ s: {{ {kind}: {{ url: \"{url}\", table: {table} }}, commit: {{ events: 5000 }} }} }}\n"
    )
}

#[test]
fn a_server_that_is_ended_and_started_again_costs_nothing_but_time() {
    for (kind, service, variable, client) in [
        ("postgres", "postgres", "DOGE_TEST_POSTGRES", psql as fn(&str, &str) -> _),
        ("mysql", "mariadb", "DOGE_TEST_MYSQL", mariadb),
    ] {
        let Some(own) = Own::new(service) else { continue };
        let url = own.url(variable);
        let count = |what: &str| client(&url, &format!("select {what} from killed"));
        let done = Arc::new(AtomicBool::new(false));
        let text = busy(kind, &url, "killed");
        let running = std::thread::spawn({
            let (done, text) = (done.clone(), text.clone());
            move || {
                let result = run(text, false);
                done.store(true, Ordering::Relaxed);
                result
            }
        });
        let mut kills = 0;
        while !done.load(Ordering::Relaxed) && kills < 4 {
            // A different moment of a transaction each time.
            std::thread::sleep(Duration::from_millis(300 + 70 * kills));
            let some = count("count(*)").is_ok_and(|n| n.trim() != "0");
            if some && !done.load(Ordering::Relaxed) {
                own.services("kill");
                own.services("up");
                kills += 1;
            }
        }
        let result = running.join().unwrap();
        result.unwrap_or_else(|e| panic!("{kind}: {}", e.render(false)));
        assert!(kills > 0, "{kind}: the run was over before the server could be ended");
        let out = count("count(*), count(distinct user * 10000 + n), min(n), max(n)");
        let out = match kind {
            "postgres" => count("count(*), count(distinct \"user\" * 10000 + n), min(n), max(n)"),
            _ => out,
        };
        assert_eq!(
            out.unwrap().replace('\t', "|"),
            "400000|400000|1|4000\n",
            "{kind}, {kills} kills"
        );
        // A run that is complete has nothing left to do.
        let report = run(text, true).unwrap_or_else(|e| panic!("{}", e.render(false)));
        assert!(report.complete, "{kind}");
    }
}

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    for mut database in Database::all() {
        let table = database.table();
        let cancel = Arc::new(AtomicBool::new(false));
        let text =
            busy(database.kind, &database.url, &table).replace("ticks: 4000", "ticks: 4000000");
        let first = std::thread::spawn({
            let (text, cancel) = (text.clone(), cancel.clone());
            move || {
                let model = ModelText { name: "m.yaml".into(), text };
                doge_datagen::run::run(&RunSpec {
                    model,
                    cancel: Some(cancel),
                    ..RunSpec::default()
                })
            }
        });
        while (database.client)(&database.url, &format!("select 1 from {table} limit 1"))
            .is_ok_and(|o| o.is_empty())
            || (database.client)(&database.url, &format!("select 1 from {table}")).is_err()
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = std::time::Instant::now();
        let said = fails(run(text.clone(), true));
        assert!(begun.elapsed() >= Duration::from_secs(10), "it is waited for");
        let holder = if database.kind == "postgres" {
            format!("\"doge {}\" from 127.0.0.1", std::process::id())
        } else {
            "of doge from 127.0.0.1".to_owned()
        };
        assert!(said.contains("another run writes to") && said.contains(&holder), "{said}");
        cancel.store(true, Ordering::Relaxed);
        let Err(Error::Stopped(stopped)) = first.join().unwrap() else { panic!("it was stopped") };
        assert!(matches!(stopped.cause, Cause::Cancelled));
        // What it had written was made final, and a run that resumes goes on behind it.
        let n: u64 = database.ask(&format!("select count(*) from {table}")).trim().parse().unwrap();
        assert!(
            n > 0 && stopped.safe[0].contains(&doge_datagen::sink::events(n)),
            "{:?}",
            stopped.safe
        );
        let ticks = n / 100 + 50;
        run(text.replace("ticks: 4000000", &format!("ticks: {ticks}")), true)
            .unwrap_or_else(|e| panic!("{}", e.render(false)));
        let out = database.ask(&format!("select count(*), count(distinct n) from {table}"));
        assert_eq!(
            out.replace('\t', "|"),
            format!("{}|{ticks}\n", ticks * 100),
            "{}",
            database.kind
        );
    }
}

#[test]
fn a_connection_that_is_cut_is_made_anew() {
    let Some(mut database) = Database::all().into_iter().find(|d| d.kind == "postgres") else {
        return;
    };
    let table = database.table();
    let texts = [("url", database.url.as_str()), ("table", table.as_str())];
    let kind = support::kind("postgres");
    let format = doge_datagen::format::TextFormat::Jsonl;
    let layout = support::layout();
    let mut sink =
        support::make(kind, &texts, IfExists::Error, format, &mut support::Shared::new());
    let opening = support::opening(format);
    sink.open(&opening).unwrap();
    let cut = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like '%{table}%' and pid <> pg_backend_pid()"
    );
    for from in (0..100).step_by(10) {
        sink.write(&support::chunk(kind, &layout, format, from, from + 5)).unwrap();
        // In the middle of a COPY, which has more to send and to commit. The loss is noticed some time
        // before the commit returns, so that only the first session since the last one is surely there.
        let ended = database.ask(&cut);
        assert!(from % 20 == 10 || ended == "1\n", "{ended}");
        sink.write(&support::chunk(kind, &layout, format, from + 5, from + 10)).unwrap();
        if from % 20 == 10 {
            let last = support::position(from + 9);
            assert_eq!(sink.commit(last).unwrap(), Some(last));
        }
    }
    sink.finish().unwrap();
    assert!(opening.meter.read().retries >= 5);
    let out = database.ask(&format!("select count(*), count(distinct n), max(n) from {table}"));
    assert_eq!(out, "100|100|99\n");
}

#[test]
fn a_server_that_does_not_come_back_is_given_up() {
    for (kind, service, variable) in
        [("postgres", "postgres", "DOGE_TEST_POSTGRES"), ("mysql", "mariadb", "DOGE_TEST_MYSQL")]
    {
        let Some(own) = Own::new(service) else { continue };
        let url = own.url(variable);
        let texts = [("url", url.as_str()), ("table", "left"), ("patience_ms", "1500")];
        let (kind, format) = (support::kind(kind), doge_datagen::format::TextFormat::Jsonl);
        let layout = support::layout();
        let sink =
            || support::make(kind, &texts, IfExists::Error, format, &mut support::Shared::new());
        let chunk = |from, to| support::chunk(kind, &layout, format, from, to);
        let mut first = sink();
        first.open(&support::opening(format)).unwrap();
        first.write(&chunk(0, 10)).unwrap();
        first.commit(support::position(9)).unwrap();
        first.write(&chunk(10, 20)).unwrap();
        own.services("kill");
        let error = first.commit(support::position(19)).unwrap_err();
        assert!(error.message.contains("did not come back within 1 s"), "{error}");
        assert!(error.help[0].contains("--resume"), "{error:?}");
        assert!(first.abort().ends_with("table left holds the first 10 events"));
        own.services("up");
        let mut next = sink();
        let opening = Opening { resume: true, ..support::opening(format) };
        let past = next.open(&opening).unwrap().unwrap();
        assert_eq!(past.mark, Some(Mark::Position(support::position(9))), "{}", kind.name);
        next.write(&chunk(10, 20)).unwrap();
        next.finish().unwrap();
    }
}

#[test]
fn wrong_keys_are_told_before_anything_is_opened() {
    for (sink, message) in [
        ("postgres: { table: e }", "`postgres` needs `url`"),
        ("postgres: { url: \"postgres://h/d\" }", "`postgres` needs `table`"),
        (
            "postgres: { url: \"postgres://h/d\", table: e, tls: { cert: x } }",
            "`tls` has no key `cert`",
        ),
        ("postgres: { url: \"h/d\", table: e }", "help: write postgres://USER@HOST/DATABASE"),
        (
            "postgres: { url: \"postgres://u:such-secret@h/d?sslmode=on\", table: e }",
            "`sslmode` is none of",
        ),
        ("postgres: { url: \"postgres://h/d\", table: a.b.c }", "has more than one point"),
        ("mysql: { url: \"mysql://h\", table: e }", "no database is named"),
        (
            "mysql: { url: \"mysql://u:such-secret@h/d?nonsense=1\", table: e }",
            "an option `nonsense` that is not known",
        ),
        ("mysql: { url: \"mysql://h/d\", table: \"a.\" }", "has an empty part"),
        ("mysql: { url: \"mysql://h/d\", table: e, create: maybe }", "`create`"),
    ] {
        let model = model("      n: id\n", 1);
        let said = fails(run(format!("{model}\nsinks: {{ s: {{ {sink} }} }}\n"), false));
        assert!(said.contains(message), "{sink}: {said}");
        assert!(said.contains("help: ") || said.contains("note: "), "{sink}: {said}");
    }
}
