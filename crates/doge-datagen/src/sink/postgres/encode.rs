//! Rows in the binary format of COPY, and which column holds which type of the language.
//!
//! The format is that of the PostgreSQL documentation, "COPY", "Binary Format"; a value's bytes are those
//! that its type's receive function takes.

use crate::sink::SinkError;
use doge_core::batch::{EventBatch, EventRef};
use doge_core::value::{Base, Ty, ValueRef};

/// What stands before the first row: the signature, no flags, no extension.
pub const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands behind the last one.
pub const TAIL: &[u8] = b"\xff\xff";
/// 2000-01-01T00:00:00Z, where Postgres begins to count, milliseconds since the epoch.
const EPOCH_MS: i64 = 946_684_800_000;

/// How a column keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `bigint`
    Int8,
    /// `integer`
    Int4,
    /// `smallint`
    Int2,
    /// `numeric`, with at most so many digits before the point and exactly so many behind it.
    Numeric(u32, u16),
    /// `double precision`
    Float8,
    /// `boolean`
    Bool,
    /// `text` and `varchar(n)`, with the most characters.
    Text(Option<usize>),
    /// `timestamptz`, and `timestamp` in UTC.
    Time,
    /// `interval`
    Interval,
}

/// The target of a type in a column that is made for it, and the column's type.
pub fn own(ty: Ty) -> (Target, &'static str) {
    match ty.base {
        Base::Int => (Target::Int8, "bigint"),
        Base::Double => (Target::Float8, "double precision"),
        Base::Bool => (Target::Bool, "boolean"),
        Base::String => (Target::Text(None), "text"),
        Base::Timestamp => (Target::Time, "timestamptz"),
        Base::Duration => (Target::Interval, "interval"),
    }
}

/// The target of a type in a column of the type with this OID and modifier; `None`: it would not keep
/// every value as it is, or is not known to.
pub fn target(base: Base, oid: u32, modifier: i32) -> Option<Target> {
    // Fractions of a second need three digits; the modifier of an interval has its fields above them.
    let millis = modifier < 0 || modifier & 0xffff >= 3;
    Some(match (base, oid) {
        (Base::Int, 20) => Target::Int8,
        (Base::Int, 23) => Target::Int4,
        (Base::Int, 21) => Target::Int2,
        (Base::Int, 1700) if modifier < 0 => Target::Numeric(u32::MAX, 0),
        (Base::Int, 1700) => {
            let (precision, scale) = ((modifier - 4) >> 16 & 0xffff, (modifier - 4) & 0x7ff);
            // Eleven bits with a sign: a negative scale rounds before the point.
            if scale >= 1024 {
                return None;
            }
            let digits = u32::try_from((precision - scale).max(0)).unwrap_or(0);
            Target::Numeric(digits, scale as u16)
        }
        (Base::Double, 701) => Target::Float8,
        (Base::Bool, 16) => Target::Bool,
        (Base::String, 25) => Target::Text(None),
        (Base::String, 1043) => Target::Text(usize::try_from(modifier - 4).ok()),
        (Base::Timestamp, 1184 | 1114) if millis => Target::Time,
        (Base::Duration, 1186) if millis && (modifier < 0 || modifier >> 16 == 0x7fff) => {
            Target::Interval
        }
        _ => return None,
    })
}

/// Appends the rows of a batch, without head and tail. `columns` has a field's name and target.
///
/// # Errors
/// A value that its column cannot hold: event and field. What was appended is then of no use.
pub fn rows(
    batch: &EventBatch,
    columns: &[(String, Target)],
    place: &str,
    out: &mut Vec<u8>,
) -> Result<(), SinkError> {
    let fields = (columns.len() as u16).to_be_bytes();
    let mut text = String::new();
    for event in batch.events() {
        out.extend_from_slice(&fields);
        for (column, (name, target)) in event.site().fields.iter().zip(columns) {
            let value = event.value(column, &mut text);
            if let Err(why) = cell(*target, value, out) {
                return Err(refused(place, &event, name, &why));
            }
        }
    }
    Ok(())
}

/// The error of a value that a column cannot hold.
fn refused(place: &str, event: &EventRef<'_>, field: &str, why: &str) -> SinkError {
    super::super::sql::refused(place, event, field, why)
}

fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Appends a value with its length. An error says why it cannot be held.
#[inline]
fn cell(target: Target, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    match (target, value) {
        (_, ValueRef::Null) => out.extend_from_slice(&(-1i32).to_be_bytes()),
        (Target::Int8, ValueRef::Int(v)) => fixed(out, v.to_be_bytes()),
        (Target::Int4, ValueRef::Int(v)) => match i32::try_from(v) {
            Ok(v) => fixed(out, v.to_be_bytes()),
            Err(_) => return Err(format!("{v} does not fit the column's type integer")),
        },
        (Target::Int2, ValueRef::Int(v)) => match i16::try_from(v) {
            Ok(v) => fixed(out, v.to_be_bytes()),
            Err(_) => return Err(format!("{v} does not fit the column's type smallint")),
        },
        (Target::Numeric(digits, scale), ValueRef::Int(v)) => {
            if v.unsigned_abs().checked_ilog10().is_some_and(|log| log >= digits) {
                return Err(format!("{v} has more than the {digits} digits of the column"));
            }
            numeric(v, scale, out);
        }
        (Target::Float8, ValueRef::Double(v)) => fixed(out, v.to_bits().to_be_bytes()),
        (Target::Bool, ValueRef::Bool(v)) => fixed(out, [u8::from(v)]),
        (Target::Text(most), ValueRef::String(v)) => {
            if v.bytes().any(|b| b == 0) {
                return Err("the text contains a NUL, which Postgres cannot hold".into());
            }
            if let Some(most) = most
                && v.len() > most
                && v.chars().count() > most
            {
                return Err(format!(
                    "a text of {} characters does not fit varchar({most})",
                    v.chars().count()
                ));
            }
            let Ok(len) = i32::try_from(v.len()) else {
                return Err("the text is longer than 1 GB".into());
            };
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(v.as_bytes());
        }
        // Within the years 1..9999 this cannot overflow.
        (Target::Time, ValueRef::Timestamp(v)) => fixed(out, ((v - EPOCH_MS) * 1000).to_be_bytes()),
        (Target::Interval, ValueRef::Duration(v)) => {
            let Some(micros) = v.checked_mul(1000) else {
                return Err("the duration is longer than an interval holds, 292,000 years".into());
            };
            let mut bytes = [0; 16]; // Microseconds, days, months.
            bytes[..8].copy_from_slice(&micros.to_be_bytes());
            fixed(out, bytes);
        }
        // The engine gives a field what its type says.
        (_, _) => return Err("the value is of another type than its field".into()),
    }
    Ok(())
}

/// A whole number as `numeric`: digits of base 10,000 from the highest, without zeros at the end.
fn numeric(v: i64, scale: u16, out: &mut Vec<u8>) {
    let mut digits = [0u16; 5];
    let (mut rest, mut first) = (v.unsigned_abs(), 5);
    while rest > 0 {
        first -= 1;
        digits[first] = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let weight = 4 - first as i16;
    let kept = &digits[first..];
    let kept = &kept[..kept.iter().rposition(|d| *d != 0).map_or(0, |last| last + 1)];
    out.extend_from_slice(&(8 + 2 * kept.len() as i32).to_be_bytes());
    out.extend_from_slice(&(kept.len() as u16).to_be_bytes());
    out.extend_from_slice(&if v == 0 { 0 } else { weight }.to_be_bytes());
    out.extend_from_slice(&if v < 0 { 0x4000u16 } else { 0 }.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    kept.iter().for_each(|d| out.extend_from_slice(&d.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keeps_values_is_taken() {
        let numeric = |p: i32, s: i32| ((p << 16) | (s & 0x7ff)) + 4;
        assert_eq!(target(Base::Int, 1700, -1), Some(Target::Numeric(u32::MAX, 0)));
        assert_eq!(target(Base::Int, 1700, numeric(10, 2)), Some(Target::Numeric(8, 2)));
        assert_eq!(target(Base::Int, 1700, numeric(3, -2)), None);
        assert_eq!(target(Base::Int, 1700, numeric(2, 4)), Some(Target::Numeric(0, 4)));
        assert_eq!(target(Base::String, 1043, 24), Some(Target::Text(Some(20))));
        assert_eq!(target(Base::String, 1043, -1), Some(Target::Text(None)));
        assert_eq!(target(Base::Timestamp, 1114, 3), Some(Target::Time));
        assert_eq!(target(Base::Timestamp, 1184, 2), None);
        assert_eq!(target(Base::Duration, 1186, -1), Some(Target::Interval));
        assert_eq!(target(Base::Duration, 1186, (0x7fff << 16) | 3), Some(Target::Interval));
        assert_eq!(target(Base::Duration, 1186, (0x0400 << 16) | 0xffff), None);
        // A `real`, a `char(n)`, a `json`.
        for (base, oid) in [(Base::Double, 700), (Base::String, 1042), (Base::String, 114)] {
            assert_eq!(target(base, oid, -1), None);
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let no = |target, value| cell(target, value, &mut Vec::new()).is_err();
        assert!(no(Target::Int4, ValueRef::Int(1 << 31)));
        assert!(!no(Target::Int4, ValueRef::Int(-(1 << 31))));
        assert!(no(Target::Int2, ValueRef::Int(-32_769)));
        assert!(no(Target::Numeric(3, 0), ValueRef::Int(-1000)));
        assert!(!no(Target::Numeric(3, 0), ValueRef::Int(999)));
        assert!(no(Target::Numeric(0, 4), ValueRef::Int(1)));
        assert!(!no(Target::Numeric(0, 4), ValueRef::Int(0)));
        assert!(no(Target::Text(Some(2)), ValueRef::String("äöü")));
        assert!(!no(Target::Text(Some(3)), ValueRef::String("äöü")));
        assert!(no(Target::Text(None), ValueRef::String("a\0")));
        assert!(no(Target::Interval, ValueRef::Duration(i64::MAX)));
    }
}
