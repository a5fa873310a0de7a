//! What is there before the first row: table, columns, rights, notes.

use super::encode::{Described, Target, own, target};
use super::{MySql, quoted};
use crate::sink::SinkError;
use crate::sink::sql::{Found, NOTES, Trouble, wrong_columns};
use mysql::Error;
use mysql::prelude::Queryable;

/// Name, description, NOT NULL, whether it needs no value, whether it is computed.
struct Column {
    name: String,
    described: Described,
    not_null: bool,
    filled: bool,
    computed: bool,
}

impl MySql {
    /// From where a connection came, where this user may know.
    pub(super) fn host_of(&mut self, connection: u64) -> Result<String, Trouble> {
        let sql = "SELECT user, host FROM information_schema.processlist WHERE id = ?";
        let row: Option<(String, String)> =
            self.with("lock", |c| c.exec_first(sql, (connection,)))?;
        Ok(row.map_or(String::new(), |(user, host)| format!(" of {user} from {host}")))
    }

    /// Whether this user may run a statement, which is only prepared: `Some` is the server's own answer.
    fn denied(&mut self, sql: &str) -> Result<Option<String>, Trouble> {
        self.with("open", |conn| match conn.prep(sql) {
            Ok(statement) => conn.close(statement).map(|()| None),
            Err(Error::MySqlError(e)) if matches!(e.code, 1044 | 1142 | 1143 | 1227) => {
                Ok(Some(e.message))
            }
            // What cannot be prepared cannot be asked about.
            Err(Error::MySqlError(e)) if e.code == 1295 => Ok(None),
            Err(e) => Err(e),
        })
    }

    pub(super) fn look_at(&mut self, replace: bool) -> Result<Found, Trouble> {
        self.missing = None;
        let (schema, table) = (self.schema.clone(), self.table.clone());
        let name = self.name(&table);
        if self.local {
            let on: Option<bool> =
                self.with("open", |c| c.query_first("SELECT @@GLOBAL.local_infile"))?;
            self.local = on == Some(true);
        }
        let read_only: Option<bool> =
            self.with("open", |c| c.query_first("SELECT @@GLOBAL.read_only"))?;
        if read_only == Some(true) {
            let probe = self.denied(&format!("CREATE TABLE {name} (x INT)"))?;
            if let Some(why) = probe {
                return Err(SinkError::new(format!("cannot write to {}: {why}", self.place))
                    .help("name the host of the primary server in `url`")
                    .into());
            }
        }
        let sql = "SELECT t.table_type, coalesce(t.engine, ''), coalesce(e.transactions, 'NO') FROM \
                   information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine \
                   WHERE t.table_schema = ? AND t.table_name = ?";
        let there: Option<(String, String, String)> =
            self.with("open", |c| c.exec_first(sql, (&schema, &table)))?;
        let mut found = Found::default();
        let mut denied = Vec::new();
        let mut columns = Ok(());
        match there {
            None if !self.create => {
                return Err(SinkError::new(format!("there is no {}", self.place))
                    .help("make the table, or write `create: true` to have it made")
                    .into());
            }
            None => {
                let columns: Vec<String> = self
                    .columns
                    .iter()
                    .map(|(name, ty)| format!("{} {}", quoted(name), own(*ty).1))
                    .collect();
                let sql = format!(
                    "CREATE TABLE {name} ({}) ENGINE = InnoDB CHARACTER SET utf8mb4",
                    columns.join(", ")
                );
                denied.push(self.denied(&sql)?);
                self.missing = Some(sql);
            }
            Some((kind, ..)) if kind != "BASE TABLE" => {
                let kind = kind.to_lowercase();
                return Err(SinkError::new(format!(
                    "cannot write to {}: it is a {kind}",
                    self.place
                ))
                .help("name a table, or another name for a new one")
                .into());
            }
            Some((_, engine, transactions)) => {
                if transactions != "YES" {
                    return Err(SinkError::new(format!(
                        "cannot write to {}: its engine {engine} has no transactions",
                        self.place
                    ))
                    .help(format!("change it: `ALTER TABLE {name} ENGINE = InnoDB`"))
                    .into());
                }
                found.table = true;
                columns = self.check_columns()?;
                denied.push(self.denied(&format!("SELECT 1 FROM {name}"))?);
                denied.push(self.denied(&format!("INSERT INTO {name} () VALUES ()"))?);
                if replace {
                    denied.push(self.denied(&format!("DELETE FROM {name}"))?);
                }
            }
        }
        let notes = self.name(NOTES);
        let has_notes = self.has_notes()?;
        if has_notes {
            denied.push(self.denied(&format!("SELECT place, note FROM {notes}"))?);
            denied
                .push(self.denied(&format!("REPLACE INTO {notes} (place, note) VALUES ('', '')"))?);
        } else {
            denied.push(self.denied(&format!("CREATE TABLE {notes} (place INT)"))?);
        }
        let mut denied: Vec<String> = denied.into_iter().flatten().collect();
        if !denied.is_empty() {
            if let Err(e) = columns {
                denied.push(e.message);
            }
            return Err(SinkError::new(format!("cannot write to {}: {}", self.place, denied.join("; ")))
                .help(format!(
                    "let an administrator run: GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON {}.* TO {}",
                    quoted(&schema),
                    quoted(self.opts.get_user().unwrap_or_default())
                ))
                .into());
        }
        columns?;
        if found.table {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
            found.rows = self.with("open", |c| c.query_first(sql))?.unwrap_or(false);
        }
        if has_notes {
            for (place, note) in self.notes()? {
                if place == self.key {
                    found.note = Some(note);
                } else {
                    found.others.push(note);
                }
            }
        }
        Ok(found)
    }

    fn found_columns(&mut self) -> Result<Vec<Column>, Trouble> {
        let sql = "SELECT column_name AS name, data_type AS kind, column_type AS full, is_nullable AS nullable, \
                   column_default IS NOT NULL AS has_default, extra AS extra, \
                   character_maximum_length AS characters, character_octet_length AS bytes, \
                   numeric_precision AS digits, numeric_scale AS scale, datetime_precision AS fraction, \
                   character_set_name AS set_name FROM information_schema.columns \
                   WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
        let (schema, table) = (self.schema.clone(), self.table.clone());
        let rows: Vec<mysql::Row> =
            self.with("read the columns of", |c| c.exec(sql, (&schema, &table)))?;
        let text = |row: &mysql::Row, at: usize| {
            row.get_opt::<Option<String>, _>(at).and_then(Result::ok).flatten()
        };
        let number = |row: &mysql::Row, at: usize| {
            row.get_opt::<Option<u64>, _>(at).and_then(Result::ok).flatten()
        };
        let column = |row: &mysql::Row| {
            let extra = text(row, 5).unwrap_or_default().to_uppercase();
            let not_null = text(row, 3).is_some_and(|n| n == "NO");
            let default = number(row, 4) == Some(1);
            Column {
                name: text(row, 0).unwrap_or_default(),
                described: Described {
                    kind: text(row, 1).unwrap_or_default().to_lowercase(),
                    full: text(row, 2).unwrap_or_default().to_lowercase(),
                    characters: number(row, 6),
                    bytes: number(row, 7),
                    precision: number(row, 8),
                    scale: number(row, 9),
                    fraction: number(row, 10),
                    set: text(row, 11),
                },
                not_null,
                filled: !not_null || default || extra.contains("AUTO_INCREMENT"),
                computed: extra.contains("GENERATED") && !extra.contains("DEFAULT_GENERATED"),
            }
        };
        Ok(rows.iter().map(column).collect())
    }

    /// Compares the table's columns with the event's fields and takes over how each keeps its values. The
    /// inner error is all that differs.
    fn check_columns(&mut self) -> Result<Result<(), SinkError>, Trouble> {
        let found = self.found_columns()?;
        let mut wrong = Vec::new();
        let mut targets: Vec<(String, Target)> = Vec::new();
        for (name, ty) in &self.columns {
            let wanted = own(*ty).1;
            let Some(column) = found.iter().find(|c| c.name.eq_ignore_ascii_case(name)) else {
                wrong.push(format!("column {name} ({wanted}) is missing"));
                continue;
            };
            match target(ty.base, &column.described) {
                _ if column.computed => wrong.push(format!("column {name} is computed")),
                None => {
                    let set = match &column.described.set {
                        Some(set) if set != "utf8mb4" => format!(" of {set}"),
                        _ => String::new(),
                    };
                    wrong.push(format!(
                        "column {name} is {}{set}, the field is {ty} and needs {wanted}",
                        column.described.full
                    ));
                }
                Some(_) if ty.nullable && column.not_null => {
                    wrong.push(format!("column {name} is NOT NULL, the field can be null"));
                }
                Some(target) => targets.push((name.clone(), target)),
            }
        }
        for column in &found {
            let ours = self.columns.iter().any(|(name, _)| column.name.eq_ignore_ascii_case(name));
            if !ours && !column.filled && !column.computed {
                wrong.push(format!(
                    "column {} is NOT NULL without a default, and no field fills it",
                    column.name
                ));
            }
        }
        self.targets = targets;
        Ok(wrong_columns(&self.place, &wrong))
    }
}
