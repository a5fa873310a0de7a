//! What is there before the first row: table, columns, rights, notes.

use super::encode::{Target, own, target};
use super::{Postgres, quoted};
use crate::sink::SinkError;
use crate::sink::sql::{Found, NOTES, Trouble, wrong_columns};
use doge_core::value::Ty;

/// By column, its name and how it keeps values.
type Targets = Vec<(String, Target)>;

impl Postgres {
    /// The schema that a table without one lies in or would be made in.
    pub(super) fn found_schema(&self) -> Result<Option<String>, Trouble> {
        let link = self.link()?;
        let sql = "SELECT coalesce((SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n \
                   ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)), current_schema()::text)";
        let row = link.wait(link.client.query_one(sql, &[&quoted(&self.table)]));
        let schema: Option<String> = row.map_err(|e| self.trouble("open", &e))?.get(0);
        match schema {
            Some(schema) => Ok(Some(schema)),
            None => Err(SinkError::new(format!("{}: no schema is chosen", self.place))
                .help("name it: `table: SCHEMA.TABLE`")
                .into()),
        }
    }

    /// The OID and kind of a relation of the table's schema.
    pub(super) fn relation(&self, name: &str) -> Result<Option<(u32, String)>, Trouble> {
        let link = self.link()?;
        let sql = "SELECT c.oid, c.relkind::text FROM pg_class c JOIN pg_namespace n \
                   ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
        let row = link.wait(link.client.query_opt(sql, &[&self.schema, &name]));
        let row = row.map_err(|e| self.trouble("open", &e))?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    pub(super) fn look_at(&mut self, replace: bool) -> Result<Found, Trouble> {
        self.missing = None;
        let fail = |e: tokio_postgres::Error| self.trouble("open", &e);
        let link = self.link()?;
        let schema = self.schema.clone().unwrap_or_default();
        let sql = "SELECT current_setting('transaction_read_only') = 'on', current_user::text, \
                   (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), \
                   (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1)";
        let row = link.wait(link.client.query_one(sql, &[&schema])).map_err(fail)?;
        let (read_only, user): (bool, String) = (row.get(0), row.get(1));
        let (may_create, may_use): (Option<bool>, Option<bool>) = (row.get(2), row.get(3));
        if read_only {
            return Err(SinkError::new(format!("cannot write to {}: it is read-only", self.place))
                .help("name the host of the primary server in `url`")
                .into());
        }
        let (Some(may_create), Some(may_use)) = (may_create, may_use) else {
            return Err(SinkError::new(format!("{}: there is no schema {schema}", self.place))
                .help(format!("make it: `CREATE SCHEMA {}`", quoted(&schema)))
                .into());
        };
        let mut wrong = Vec::new();
        let mut help = Vec::new();
        let role = quoted(&user);
        let mut lacks = |right: &str, on: &str| {
            wrong.push(format!("user {user} lacks {right} on {on}"));
            help.push(format!("let the owner run: GRANT {right} ON {on} TO {role}"));
        };
        if !may_use {
            lacks("USAGE", &format!("SCHEMA {}", quoted(&schema)));
        }
        let name = self.name(&self.table);
        let notes = self.name(NOTES);
        let mut found = Found::default();
        let mut missing = None;
        let mut makes = false;
        let mut columns = Ok(());
        let mut targets = Vec::new();
        let mut readable = false;
        match self.relation(&self.table)? {
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
                let sql = format!("CREATE TABLE {name} ({})", columns.join(", "));
                missing = Some(sql);
                makes = true;
            }
            Some((_, kind)) if kind != "r" && kind != "p" => {
                let kind = match kind.as_str() {
                    "v" => "a view",
                    "m" => "a materialized view",
                    "f" => "a foreign table",
                    "S" => "a sequence",
                    "i" | "I" => "an index",
                    _ => "no table",
                };
                return Err(SinkError::new(format!(
                    "cannot write to {}: it is {kind}",
                    self.place
                ))
                .help("name a table, or another name for a new one")
                .into());
            }
            Some((oid, _)) => {
                found.table = true;
                (targets, columns) = self.check_columns(oid)?;
                let rights: &[&str] =
                    if replace { &["SELECT", "INSERT", "DELETE"] } else { &["SELECT", "INSERT"] };
                let held = self.rights(oid, rights)?;
                readable = held[0];
                for (right, _) in rights.iter().zip(held).filter(|(_, held)| !held) {
                    lacks(right, &name);
                }
            }
        }
        match self.relation(NOTES)? {
            None => makes = true,
            Some((oid, _)) => {
                let rights = ["SELECT", "INSERT", "UPDATE", "DELETE"];
                let held = self.rights(oid, &rights)?;
                for (right, _) in rights.iter().zip(&held).filter(|(_, held)| !**held) {
                    lacks(right, &notes);
                }
                if held[0] && may_use {
                    for (place, note) in self.notes()? {
                        if place == self.key {
                            found.note = Some(note);
                        } else {
                            found.others.push(note);
                        }
                    }
                }
            }
        }
        if makes && !may_create {
            lacks("CREATE", &format!("SCHEMA {}", quoted(&schema)));
        }
        if !wrong.is_empty() {
            if let Err(e) = columns {
                wrong.push(e.message);
            }
            let mut e =
                SinkError::new(format!("cannot write to {}: {}", self.place, wrong.join("; ")));
            e.help = help;
            return Err(e.into());
        }
        columns?;
        if found.table && readable {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {name})");
            found.rows = link.wait(link.client.query_one(&sql, &[])).map_err(fail)?.get(0);
        }
        self.missing = missing;
        if found.table {
            self.targets = targets;
        }
        Ok(found)
    }

    /// Which of these rights the user has.
    fn rights(&self, oid: u32, rights: &[&str]) -> Result<Vec<bool>, Trouble> {
        let link = self.link()?;
        let sql = "SELECT has_table_privilege($1::oid, $2::text)";
        let ask = |right: &&str| {
            let row = link.wait(link.client.query_one(sql, &[&oid, right]));
            row.map(|row| row.get(0)).map_err(|e| self.trouble("open", &e))
        };
        rights.iter().map(ask).collect()
    }

    /// Compares the table's columns with the event's fields: how each keeps its values, and all that differs
    /// as one error.
    fn check_columns(&self, oid: u32) -> Result<(Targets, Result<(), SinkError>), Trouble> {
        let link = self.link()?;
        let sql = "SELECT attname::text, atttypid, atttypmod, format_type(atttypid, atttypmod), attnotnull, \
                   atthasdef OR attidentity <> '', attgenerated <> '' FROM pg_attribute \
                   WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows = link.wait(link.client.query(sql, &[&oid]));
        let rows = rows.map_err(|e| self.trouble("read the columns of", &e))?;
        let named = |row: &tokio_postgres::Row, name: &str| row.get::<_, &str>(0) == name;
        let mut wrong = Vec::new();
        let mut targets = Vec::new();
        for (name, ty) in &self.columns {
            let Ty { base, nullable } = *ty;
            let wanted = own(*ty).1;
            let Some(row) = rows.iter().find(|r| named(r, name)) else {
                let mut names = rows.iter().map(|r| r.get::<_, &str>(0));
                let like = names.find(|n| n.eq_ignore_ascii_case(name));
                let like = like.map_or(String::new(), |n| format!(", and {n} is another one"));
                wrong.push(format!("column {name} ({wanted}) is missing{like}"));
                continue;
            };
            match target(base, row.get(1), row.get(2)) {
                _ if row.get::<_, bool>(6) => wrong.push(format!("column {name} is computed")),
                None => wrong.push(format!(
                    "column {name} is {}, the field is {ty} and needs {wanted}",
                    row.get::<_, &str>(3)
                )),
                Some(_) if nullable && row.get::<_, bool>(4) => {
                    wrong.push(format!("column {name} is NOT NULL, the field can be null"));
                }
                Some(target) => targets.push((name.clone(), target)),
            }
        }
        for row in &rows {
            let ours = self.columns.iter().any(|(name, _)| named(row, name));
            if !ours && row.get(4) && !row.get::<_, bool>(5) && !row.get::<_, bool>(6) {
                let name: &str = row.get(0);
                wrong.push(format!(
                    "column {name} is NOT NULL without a default, and no field fills it"
                ));
            }
        }
        Ok((targets, wrong_columns(&self.place, &wrong)))
    }
}
