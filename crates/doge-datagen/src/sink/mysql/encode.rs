//! Rows as LOAD DATA reads them or as values of a prepared statement, and which column holds which type of
//! the language.

use crate::sink::SinkError;
use crate::sink::sql::refused;
use doge_core::batch::EventBatch;
use doge_core::expr::func::{self, TextBuf};
use doge_core::value::{Base, Ty, ValueRef};
use mysql::Value;

/// How a column keeps a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A whole number within these bounds, in a column of this type.
    Int(i64, i64, String),
    /// DOUBLE
    Double,
    /// TINYINT(1), which BOOLEAN is.
    Bool,
    /// Text with at most so many characters and bytes, in a column of this type.
    Text(u64, u64, String),
    /// DATETIME with milliseconds, UTC.
    Time,
    /// A duration as text, in a column of this type.
    Duration,
}

/// A column as `information_schema` describes it.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// `bigint`
    pub kind: String,
    /// `bigint(20) unsigned`
    pub full: String,
    /// Most characters, and most bytes, of a text.
    pub characters: Option<u64>,
    /// Most bytes of a text.
    pub bytes: Option<u64>,
    /// Digits of a number.
    pub precision: Option<u64>,
    /// Those behind the point.
    pub scale: Option<u64>,
    /// Digits of a fraction of a second.
    pub fraction: Option<u64>,
    /// The character set of a text.
    pub set: Option<String>,
}

/// The target of a type in a column that is made for it, and the column's type.
pub fn own(ty: Ty) -> (Target, &'static str) {
    let text = |name: &str| Target::Text(u64::MAX, u64::from(u32::MAX), name.to_owned());
    match ty.base {
        Base::Int => (Target::Int(i64::MIN, i64::MAX, "bigint".into()), "BIGINT"),
        Base::Double => (Target::Double, "DOUBLE"),
        Base::Bool => (Target::Bool, "BOOLEAN"),
        Base::String => (text("longtext"), "LONGTEXT"),
        Base::Timestamp => (Target::Time, "DATETIME(3)"),
        Base::Duration => (Target::Duration, "LONGTEXT"),
    }
}

/// The target of a type in a column; `None`: it would not keep every value as it is.
pub fn target(base: Base, column: &Described) -> Option<Target> {
    let unsigned = column.full.contains("unsigned");
    let bits = match column.kind.as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        "bigint" => 64,
        _ => 0,
    };
    match base {
        Base::Int if bits > 0 => {
            let (low, high) = match (unsigned, bits) {
                (true, 64) => (0, i64::MAX),
                (true, _) => (0, (1i64 << bits) - 1),
                (false, _) => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
            };
            Some(Target::Int(low, high, column.full.clone()))
        }
        Base::Int if column.kind == "decimal" => {
            let digits = column.precision?.saturating_sub(column.scale.unwrap_or(0));
            let high = match u32::try_from(digits) {
                Ok(digits @ 0..=18) => 10i64.pow(digits) - 1,
                _ => i64::MAX,
            };
            let low = if unsigned { 0 } else { high.checked_neg().unwrap_or(i64::MIN) };
            let low = if high == i64::MAX && !unsigned { i64::MIN } else { low };
            Some(Target::Int(low, high, column.full.clone()))
        }
        Base::Bool if bits > 0 => Some(Target::Bool),
        Base::Double if column.kind == "double" && !unsigned && column.scale.is_none() => {
            Some(Target::Double)
        }
        Base::Timestamp if column.kind == "datetime" && column.fraction >= Some(3) => {
            Some(Target::Time)
        }
        Base::String | Base::Duration => {
            let known = matches!(
                column.kind.as_str(),
                "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
            );
            let most = if column.kind == "varchar" { column.characters? } else { u64::MAX };
            let full = column.full.clone();
            let duration = base == Base::Duration;
            match column.set.as_deref() {
                // The longest duration has 22 characters.
                Some(_) if known && duration && column.characters? >= 22 => Some(Target::Duration),
                Some("utf8mb4") if known && !duration => {
                    Some(Target::Text(most, column.bytes?, full))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Checks a value against its column. An error says why it cannot be held.
fn check(target: &Target, value: ValueRef<'_>) -> Result<(), String> {
    match (target, value) {
        (Target::Int(low, high, name), ValueRef::Int(v)) if v < *low || v > *high => {
            Err(format!("{v} does not fit the column's type {name}"))
        }
        (Target::Text(characters, bytes, name), ValueRef::String(v)) => {
            let len = v.len() as u64;
            let long =
                len > *bytes || (len > *characters && v.chars().count() as u64 > *characters);
            match long {
                true => Err(format!(
                    "a text of {} characters does not fit the column's type {name}",
                    v.chars().count()
                )),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Encoded rows.
pub enum Rows {
    /// As LOAD DATA reads them, and how many.
    Text(std::sync::Arc<Vec<u8>>, u64),
    /// Values, row after row, with the bytes of each row.
    Values(Vec<Value>, Vec<usize>),
}

/// Appends the rows of a batch as text: fields with a tab between them, `\N` for null, `\` before what has
/// a meaning.
///
/// # Errors
/// A value that its column cannot hold: event and field.
pub fn text(
    batch: &EventBatch,
    columns: &[(String, Target)],
    place: &str,
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let mut scratch = String::new();
    let mut made = TextBuf::new();
    for event in batch.events() {
        for (i, (column, (name, target))) in event.site().fields.iter().zip(columns).enumerate() {
            let value = event.value(column, &mut scratch);
            check(target, value).map_err(|why| refused(place, &event, name, &why))?;
            if i > 0 {
                out.push(b'\t');
            }
            match value {
                ValueRef::Null => out.extend_from_slice(b"\\N"),
                ValueRef::Int(v) => {
                    out.extend_from_slice(func::int_text(v, &mut made).as_bytes());
                }
                ValueRef::Double(v) => {
                    out.extend_from_slice(func::double_text(v, &mut made).as_bytes());
                }
                ValueRef::Bool(v) => out.push(b'0' + u8::from(v)),
                ValueRef::String(v) => escaped(v, out),
                ValueRef::Timestamp(v) => out.extend_from_slice(datetime(v, &mut made).as_bytes()),
                ValueRef::Duration(v) => {
                    out.extend_from_slice(func::duration_text(v, &mut made).as_bytes());
                }
            }
        }
        out.push(b'\n');
    }
    Ok(())
}

fn escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0 => out.extend_from_slice(b"\\0"),
            byte => out.push(byte),
        }
    }
}

/// `2022-02-11 03:21:48.000`
fn datetime(ms: i64, made: &mut TextBuf) -> String {
    func::timestamp_text(ms, made).trim_end_matches('Z').replacen('T', " ", 1)
}

/// The rows of a batch as values.
///
/// # Errors
/// As [`text`].
pub fn values(
    batch: &EventBatch,
    columns: &[(String, Target)],
    place: &str,
) -> Result<(Vec<Value>, Vec<usize>), SinkError> {
    let (mut out, mut sizes) = (Vec::new(), Vec::new());
    let mut scratch = String::new();
    let mut made = TextBuf::new();
    for event in batch.events() {
        let mut size = 0;
        for (column, (name, target)) in event.site().fields.iter().zip(columns) {
            let value = event.value(column, &mut scratch);
            check(target, value).map_err(|why| refused(place, &event, name, &why))?;
            let value = match value {
                ValueRef::Null => Value::NULL,
                ValueRef::Int(v) => Value::Int(v),
                ValueRef::Double(v) => Value::Double(v),
                ValueRef::Bool(v) => Value::Int(i64::from(v)),
                ValueRef::String(v) => Value::Bytes(v.as_bytes().to_vec()),
                ValueRef::Timestamp(v) => Value::Bytes(datetime(v, &mut made).into_bytes()),
                ValueRef::Duration(v) => {
                    Value::Bytes(func::duration_text(v, &mut made).as_bytes().to_vec())
                }
            };
            size += match &value {
                Value::Bytes(bytes) => size_of::<Value>() + bytes.len(),
                _ => size_of::<Value>(),
            };
            out.push(value);
        }
        sizes.push(size);
    }
    Ok((out, sizes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: &str, full: &str) -> Described {
        Described { kind: kind.into(), full: full.into(), ..Described::default() }
    }

    #[test]
    fn only_what_keeps_values_is_taken() {
        let int = |kind: &str, full: &str| match target(Base::Int, &column(kind, full)) {
            Some(Target::Int(low, high, _)) => (low, high),
            other => panic!("{other:?}"),
        };
        assert_eq!(int("tinyint", "tinyint(4)"), (-128, 127));
        assert_eq!(int("mediumint", "mediumint(8) unsigned"), (0, (1 << 24) - 1));
        assert_eq!(int("bigint", "bigint(20)"), (i64::MIN, i64::MAX));
        assert_eq!(int("bigint", "bigint(20) unsigned"), (0, i64::MAX));
        let decimal = |p, s| {
            let d =
                Described { precision: Some(p), scale: Some(s), ..column("decimal", "decimal") };
            target(Base::Int, &d)
        };
        assert_eq!(decimal(5, 2), Some(Target::Int(-999, 999, "decimal".into())));
        assert_eq!(decimal(30, 2), Some(Target::Int(i64::MIN, i64::MAX, "decimal".into())));
        let text = |set: &str| {
            let d = Described {
                characters: Some(20),
                bytes: Some(80),
                set: Some(set.into()),
                ..column("varchar", "varchar(20)")
            };
            (target(Base::String, &d), target(Base::Duration, &d))
        };
        assert_eq!(text("utf8mb4"), (Some(Target::Text(20, 80, "varchar(20)".into())), None));
        assert_eq!(text("latin1"), (None, None));
        assert_eq!(target(Base::Double, &column("float", "float")), None);
        assert_eq!(target(Base::Timestamp, &column("datetime", "datetime")), None);
        assert_eq!(target(Base::Bool, &column("bit", "bit(1)")), None);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let text = Target::Text(3, 12, "varchar(3)".into());
        assert!(check(&text, ValueRef::String("äöüß")).is_err());
        assert!(check(&text, ValueRef::String("äöü")).is_ok());
        let tiny = Target::Text(u64::MAX, 5, "tinytext".into());
        assert!(check(&tiny, ValueRef::String("äöü")).is_err());
        assert!(check(&Target::Int(0, 9, "x".into()), ValueRef::Int(-1)).is_err());
    }

    #[test]
    fn text_is_escaped() {
        let mut out = Vec::new();
        escaped("a\tb\nc\\d\0\r😀", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a\\tb\\nc\\\\d\\0\r😀");
        assert_eq!(datetime(1_644_549_708_000, &mut TextBuf::new()), "2022-02-11 03:21:48.000");
    }
}
