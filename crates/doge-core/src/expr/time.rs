//! Timestamps and durations as 64-bit milliseconds: arithmetic, parts, text.
//!
//! UTC is plain integer arithmetic on the proleptic Gregorian calendar; only other zones ask the
//! zone data that is compiled in. No clock is read anywhere.

use super::func::{EvalError, TextBuf, TextError, text_error};

/// 0001-01-01T00:00:00.000Z.
pub const MIN_TIMESTAMP_MS: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z.
pub const MAX_TIMESTAMP_MS: i64 = 253_402_300_799_999;

const DAY_MS: i64 = 86_400_000;

fn in_range(ms: Option<i64>) -> Option<i64> {
    ms.filter(|ms| (MIN_TIMESTAMP_MS..=MAX_TIMESTAMP_MS).contains(ms))
}

/// Timestamp + duration.
///
/// # Errors
/// A result outside the years 1..9999.
#[inline]
pub fn add_timestamp(t: i64, d: i64) -> Result<i64, EvalError> {
    in_range(t.checked_add(d)).ok_or(EvalError::TimestampRange('+', t, d))
}

/// Timestamp - duration.
///
/// # Errors
/// A result outside the years 1..9999.
#[inline]
pub fn sub_timestamp_duration(t: i64, d: i64) -> Result<i64, EvalError> {
    in_range(t.checked_sub(d)).ok_or(EvalError::TimestampRange('-', t, d))
}

/// Timestamp - timestamp, a duration. Two timestamps within their range cannot overflow.
#[inline]
pub fn sub_timestamp(a: i64, b: i64) -> i64 {
    a.wrapping_sub(b)
}

/// Duration + duration.
///
/// # Errors
/// A result beyond 64 bits of milliseconds.
#[inline]
pub fn add_duration(a: i64, b: i64) -> Result<i64, EvalError> {
    a.checked_add(b).ok_or(EvalError::DurationOverflow('+', a, b))
}

/// Duration - duration.
///
/// # Errors
/// A result beyond 64 bits of milliseconds.
#[inline]
pub fn sub_duration(a: i64, b: i64) -> Result<i64, EvalError> {
    a.checked_sub(b).ok_or(EvalError::DurationOverflow('-', a, b))
}

/// `int(t)`: whole seconds since the epoch, rounded down.
#[inline]
pub fn timestamp_to_int(t: i64) -> i64 {
    t.div_euclid(1000)
}

/// `timestamp(seconds)`.
///
/// # Errors
/// Outside the years 1..9999.
#[inline]
pub fn int_to_timestamp(seconds: i64) -> Result<i64, EvalError> {
    in_range(seconds.checked_mul(1000)).ok_or(EvalError::SecondsRange(seconds))
}

/// A part of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `getFullYear()`.
    FullYear,
    /// `getMonth()`, from 0.
    Month,
    /// `getDate()`, the day of the month from 1.
    Date,
    /// `getDayOfMonth()`, from 0.
    DayOfMonth,
    /// `getDayOfWeek()`, Sunday is 0.
    DayOfWeek,
    /// `getDayOfYear()`, from 0.
    DayOfYear,
    /// `getHours()`.
    Hours,
    /// `getMinutes()`.
    Minutes,
    /// `getSeconds()`.
    Seconds,
    /// `getMilliseconds()`, 0..999.
    Milliseconds,
}

/// Year, month (from 1) and day (from 1) of a number of days since the epoch.
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms" (2013), `civil_from_days`.
#[inline]
pub fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since the epoch of a civil date; `days_from_civil` of the same source.
#[inline]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// A part of a timestamp in UTC; of a local time where `ms` has been shifted by the offset.
#[inline]
pub fn part(part: Part, ms: i64) -> i64 {
    let day = ms.div_euclid(DAY_MS);
    let of_day = ms.rem_euclid(DAY_MS);
    match part {
        Part::FullYear => civil(day).0,
        Part::Month => civil(day).1 - 1,
        Part::Date => civil(day).2,
        Part::DayOfMonth => civil(day).2 - 1,
        // 1970-01-01 was a Thursday.
        Part::DayOfWeek => (day + 4).rem_euclid(7),
        Part::DayOfYear => day - days(civil(day).0, 1, 1),
        Part::Hours => of_day / 3_600_000,
        Part::Minutes => of_day / 60_000 % 60,
        Part::Seconds => of_day / 1000 % 60,
        Part::Milliseconds => of_day % 1000,
    }
}

/// A time zone: UTC, a fixed offset, or one of the zone data.
#[derive(Clone, Debug)]
pub struct Zone(ZoneKind);

#[derive(Clone, Debug)]
enum ZoneKind {
    Fixed(i64),
    Named(jiff::tz::TimeZone),
}

impl Zone {
    /// The zone of a name (`Europe/Warsaw`, `UTC`, in any case), of an offset `+01:00`, or UTC for
    /// an empty text.
    ///
    /// # Errors
    /// Anything else.
    pub fn new(text: &str) -> Result<Zone, EvalError> {
        let error = || text_error(TextError::Zone, text);
        if text.is_empty() || text == "UTC" {
            return Ok(Zone(ZoneKind::Fixed(0)));
        }
        if let Some((hours, minutes)) = text.split_once(':') {
            let negative = hours.starts_with('-');
            let digits = hours.strip_prefix(['-', '+']).unwrap_or(hours);
            if !(1..=2).contains(&digits.len()) || minutes.len() != 2 {
                return Err(error());
            }
            let number = |t: &str| {
                t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse::<i64>().ok()).flatten()
            };
            return match (number(digits), number(minutes)) {
                (Some(h @ 0..=23), Some(m @ 0..=59)) => {
                    let ms = (h * 60 + m) * 60_000;
                    Ok(Zone(ZoneKind::Fixed(if negative { -ms } else { ms })))
                }
                _ => Err(error()),
            };
        }
        jiff::tz::TimeZoneDatabase::bundled()
            .get(text)
            .map(|z| Zone(ZoneKind::Named(z)))
            .map_err(|_| error())
    }

    /// What must be added to a timestamp to get local time, in milliseconds.
    #[inline]
    pub fn offset_ms(&self, t: i64) -> i64 {
        match &self.0 {
            ZoneKind::Fixed(ms) => *ms,
            ZoneKind::Named(zone) => {
                // The library's instants end hours before ours; the offsets there are the same.
                let (min, max) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
                let at =
                    jiff::Timestamp::from_millisecond(t).unwrap_or(if t < 0 { min } else { max });
                i64::from(zone.to_offset(at).seconds()) * 1000
            }
        }
    }

    /// A part of a timestamp in this zone.
    #[inline]
    pub fn part(&self, which: Part, t: i64) -> i64 {
        part(which, t + self.offset_ms(t))
    }
}

/// Digits at `at` as a number, `None` where one is not a digit.
fn number(bytes: &[u8], at: std::ops::Range<usize>) -> Option<i64> {
    bytes
        .get(at)?
        .iter()
        .try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// `timestamp(text)`: an RFC 3339 instant to the millisecond.
///
/// # Errors
/// Anything else: no zone, no such day, finer than a millisecond, outside the years 1..9999.
pub fn parse_timestamp(text: &str) -> Result<i64, EvalError> {
    parse_instant(text).map_err(|e| text_error(e, text))
}

fn parse_instant(text: &str) -> Result<i64, TextError> {
    let b = text.as_bytes();
    let shape = |i: usize, c: u8| b.get(i) == Some(&c);
    let date = number(b, 0..4)
        .zip(number(b, 5..7))
        .zip(number(b, 8..10))
        .filter(|_| shape(4, b'-') && shape(7, b'-'));
    let ((year, month), day) = date.ok_or(TextError::Timestamp)?;
    let t = match b.get(10) {
        None => return Err(TextError::TimestampDate),
        Some(b'T' | b't' | b' ') => 11,
        _ => return Err(TextError::Timestamp),
    };
    let time = number(b, t..t + 2).zip(number(b, t + 3..t + 5)).filter(|_| shape(t + 2, b':'));
    let (hour, minute) = time.ok_or(TextError::Timestamp)?;
    let second =
        number(b, t + 6..t + 8).filter(|_| shape(t + 5, b':')).ok_or(TextError::Timestamp)?;
    let mut at = t + 8;
    let mut ms = 0;
    let mut finer = false;
    if shape(at, b'.') {
        let from = at + 1;
        at = from;
        while b.get(at).is_some_and(u8::is_ascii_digit) {
            let digit = i64::from(b[at] - b'0');
            match at - from {
                0 => ms += digit * 100,
                1 => ms += digit * 10,
                2 => ms += digit,
                _ => finer |= digit != 0,
            }
            at += 1;
        }
        if at == from {
            return Err(TextError::Timestamp);
        }
    }
    let offset = match &b[at..] {
        [] => return Err(TextError::TimestampZone),
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let (h, m) = number(rest, 0..2).zip(number(rest, 3..5)).ok_or(TextError::Timestamp)?;
            if h > 23 || m > 59 {
                return Err(TextError::TimestampField);
            }
            (h * 60 + m) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return Err(TextError::Timestamp),
    };
    if t == 11 && b[10] == b' ' {
        return Err(TextError::Timestamp);
    }
    let days_in = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(TextError::TimestampField),
    };
    if day < 1 || day > days_in || hour > 23 || minute > 59 || second > 59 {
        return Err(TextError::TimestampField);
    }
    if finer {
        return Err(TextError::Finer);
    }
    let total =
        days(year, month, day) * DAY_MS + ((hour * 60 + minute - offset) * 60 + second) * 1000 + ms;
    in_range(Some(total)).ok_or(TextError::TimestampRange)
}

/// `duration(text)`: numbers with units `d`, `h`, `m`, `s`, `ms` (and `us`, `ns` where whole
/// milliseconds come of it), such as `1h30m`, `1.5s`, `-250ms`; or `0`.
///
/// # Errors
/// Anything else, finer than a millisecond, beyond 64 bits.
pub fn parse_duration(text: &str) -> Result<i64, EvalError> {
    parse_span(text).map_err(|e| text_error(e, text))
}

fn parse_span(text: &str) -> Result<i64, TextError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(TextError::Duration);
    }
    // Nanoseconds; 128 bits hold far more than 64 bits of milliseconds.
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, mut tail) = rest.split_at(digits);
        let mut fraction = "";
        if let Some(after) = tail.strip_prefix('.') {
            let n = after.bytes().take_while(u8::is_ascii_digit).count();
            (fraction, tail) = after.split_at(n);
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(TextError::Duration);
        }
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = tail.split_at(letters);
        let nanos: i128 = match unit {
            "d" => 86_400_000_000_000,
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            "" if next.is_empty() => return Err(TextError::DurationUnit),
            _ => return Err(TextError::Duration),
        };
        let whole = if whole.is_empty() {
            0
        } else {
            whole.parse::<i64>().map_err(|_| TextError::DurationRange)?
        };
        total += i128::from(whole) * nanos;
        let mut scale = nanos;
        for digit in fraction.bytes() {
            let digit = i128::from(digit - b'0');
            if digit != 0 && scale % 10 != 0 {
                return Err(TextError::Finer);
            }
            scale /= 10;
            total += digit * scale;
        }
        if total > i128::from(i64::MAX) * 1_000_001 {
            return Err(TextError::DurationRange);
        }
        rest = next;
    }
    if total % 1_000_000 != 0 {
        return Err(TextError::Finer);
    }
    let ms = total / 1_000_000;
    i64::try_from(if negative { -ms } else { ms }).map_err(|_| TextError::DurationRange)
}

fn two(bytes: &mut [u8], at: usize, v: i64) {
    bytes[at] = b'0' + (v / 10 % 10) as u8;
    bytes[at + 1] = b'0' + (v % 10) as u8;
}

/// `string(t)`: RFC 3339, UTC, with milliseconds (`2022-02-11T03:21:48.000Z`, 24 bytes).
#[inline]
pub fn timestamp_text(t: i64, buf: &mut TextBuf) -> &str {
    let out = &mut buf.bytes;
    out[..24].copy_from_slice(b"0000-00-00T00:00:00.000Z");
    let (year, month, day) = civil(t.div_euclid(DAY_MS));
    let of_day = t.rem_euclid(DAY_MS);
    two(out, 0, year / 100);
    two(out, 2, year % 100);
    two(out, 5, month);
    two(out, 8, day);
    two(out, 11, of_day / 3_600_000);
    two(out, 14, of_day / 60_000 % 60);
    two(out, 17, of_day / 1000 % 60);
    out[20] = b'0' + (of_day % 1000 / 100) as u8;
    two(out, 21, of_day % 100);
    std::str::from_utf8(&out[..24]).unwrap_or("")
}

/// `string(d)`: seconds with no or three decimals (`90s`, `1.500s`, `-0.250s`).
#[inline]
pub fn duration_text(d: i64, buf: &mut TextBuf) -> &str {
    let out = &mut buf.bytes;
    let size = d.unsigned_abs();
    let (mut seconds, ms) = (size / 1000, size % 1000);
    let mut at = out.len() - 1;
    out[at] = b's';
    if ms != 0 {
        at -= 4;
        out[at] = b'.';
        out[at + 1] = b'0' + (ms / 100) as u8;
        two(out, at + 2, (ms % 100) as i64);
    }
    loop {
        at -= 1;
        out[at] = b'0' + (seconds % 10) as u8;
        seconds /= 10;
        if seconds == 0 {
            break;
        }
    }
    if d < 0 {
        at -= 1;
        out[at] = b'-';
    }
    std::str::from_utf8(&out[at..]).unwrap_or("")
}
