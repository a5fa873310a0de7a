//! Notes in a table beside the rows they speak of.

use crate::sink::{Note, Past, SinkError, Stream};

/// The table of notes: `place` is a table's name (with the shard, where there are several), `note` the text
/// of a [`Note`].
pub const NOTES: &str = "_doge_notes";

/// The form of rows: there is one.
pub const FORM: &str = "rows";

/// Under which name a table's note is kept.
pub fn key(table: &str, shard: (u64, u64)) -> String {
    match shard {
        (_, 1) => table.to_owned(),
        (k, n) => format!("{table}#{k}/{n}"),
    }
}

/// What a note that was found means for a run that resumes.
///
/// # Errors
/// It cannot be read, or is of another stream.
pub fn past_of(text: &str, place: &str, stream: &Stream) -> Result<Past, SinkError> {
    let note = Note::from_json(text).map_err(|e| {
        SinkError::new(format!("{place}: {e}"))
            .help("begin anew: leave `--resume` out and write `--if-exists replace`")
    })?;
    note.resume(place, stream, FORM)
}

/// Whether one of the notes of other shards is of the same run: what those have written is not content
/// that was there before.
pub fn of_the_same_run<'a>(notes: impl IntoIterator<Item = &'a str>, stream: &Stream) -> bool {
    notes.into_iter().any(|text| {
        Note::from_json(text).is_ok_and(|note| {
            let differences = note.stream.differences(stream);
            // A shard's subjects are its own.
            differences.iter().all(|(name, ..)| matches!(*name, "shard" | "subjects"))
        })
    })
}
