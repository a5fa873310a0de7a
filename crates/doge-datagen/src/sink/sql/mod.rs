//! What destinations in databases share: the life of a table that is filled in transactions, with the
//! note of how far it is in the same database, and the way on after a server that went away.
//!
//! A [`Driver`] speaks with one kind of database; [`TableSink`] does everything that is the same for all.
//! The rows of the open transaction are kept, encoded, until it is committed, so that they can be sent
//! again over a new connection. Whether a commit that was interrupted was made is read off the note, which
//! changes with it.
//!
//! Not here: SQL, types of columns, and `sqlite`, which has no server to lose and one transaction for all
//! tables; it shares names, notes and columns' mismatches.

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod name;
mod notes;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod table;

#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) use name::{Url, place_url, table_parts};
pub(super) use notes::{FORM, NOTES, key, of_the_same_run, past_of};
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) use table::{Driver, Found, TableSink, Trouble};

use super::SinkError;

/// Says what is wrong with a table that was found, all of it.
pub(super) fn wrong_columns(place: &str, wrong: &[String]) -> Result<(), SinkError> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(SinkError::new(format!("{place} has other columns than its event: {}", wrong.join("; ")))
        .help("write to another table, change this one, or drop it to have it made"))
}

/// Says that a table has rows that a run must not touch.
pub(super) fn has_rows(place: &str) -> SinkError {
    SinkError::new(format!("{place} has rows already")).help(
        "write `if_exists: replace` (or `--if-exists replace`) to delete them with the first commit, or \
         `append` to keep them",
    )
}

/// What a run that ended early has left in a table.
pub(super) fn left(place: &str, committed: u64, resumed: bool, had_rows: bool) -> String {
    let events = super::text::events(committed);
    match (committed, resumed, had_rows) {
        (0, false, _) => format!("{place} is as it was"),
        (0, true, _) => format!("{place} holds what earlier runs have committed"),
        (_, true, _) => {
            format!(
                "{place} holds what earlier runs have committed and the first {events} of this one"
            )
        }
        (_, false, true) => {
            format!("{place} holds its old rows and the first {events} of this run")
        }
        (_, false, false) => format!("{place} holds the first {events}"),
    }
}

/// The error of a value that a column cannot hold: `why` is a sentence without its point.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn refused(
    place: &str,
    event: &doge_core::batch::EventRef<'_>,
    field: &str,
    why: &str,
) -> SinkError {
    use doge_core::batch::{Cell, Column};
    use doge_core::value::{Base, Ty, ValueRef};
    let (column, mut text) =
        (Column { cell: Cell::EventId, ty: Ty::of(Base::String) }, String::new());
    let id = match event.value(&column, &mut text) {
        ValueRef::String(id) => id.to_owned(),
        _ => String::new(),
    };
    let at = super::timestamp(event.time_ms);
    SinkError::new(format!("{place} cannot hold field {field} of event {id} at {at}: {why}"))
        .help("change the field's expression, or the column's type")
}

/// How long a server that went away is waited for.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn patience(settings: &super::Settings) -> std::time::Duration {
    // Not a key of the language: tests are in a hurry.
    match settings.text("patience_ms").parse() {
        Ok(ms) => std::time::Duration::from_millis(ms),
        Err(_) => std::time::Duration::from_secs(60),
    }
}

/// Refuses an event whose fields no table could have as columns.
///
/// # Errors
/// A sentence for people.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn check_columns(
    event: &str,
    columns: &[(String, doge_core::value::Ty)],
    most: usize,
    most_of_name: usize,
    len: fn(&str) -> usize,
) -> Result<(), String> {
    if columns.is_empty() {
        return Err(format!("event {event} has no fields, and a table needs a column"));
    }
    if columns.len() > most {
        return Err(format!(
            "event {event} has {} fields, and a table holds {most} columns",
            columns.len()
        ));
    }
    columns.iter().try_for_each(|(name, _)| name::check_length(name, most_of_name, len))
}
