//! Literals from text: whole numbers, durations, instants and percentages.
//!
//! The same functions serve the model, the command line and the tree of the sinks, so that `90s` is
//! 90 seconds everywhere. An error says what was wrong and what to write instead; it has no place,
//! since the text may come from anywhere.

use crate::diag::shown;

/// Milliseconds of the first instant that timestamps reach: 0001-01-01T00:00:00Z.
pub const MIN_INSTANT_MS: i64 = -62_135_596_800_000;
/// Milliseconds of the last instant that timestamps reach: 9999-12-31T23:59:59.999Z.
pub const MAX_INSTANT_MS: i64 = 253_402_300_799_999;

/// Why a text is not the literal that it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct LiteralError {
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

fn error<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, LiteralError> {
    Err(LiteralError { message: message.into(), help: help.into() })
}

const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in milliseconds: whole numbers with the units `d`, `h`, `m`, `s`, `ms`, each at most
/// once and the largest first, as in `250ms`, `90s`, `1h30m`, `7d`. Never negative.
///
/// ```
/// use doge_core::spec::literal::duration;
/// assert_eq!(duration("1h30m"), Ok(5_400_000));
/// assert_eq!(duration("90").unwrap_err().help, "write the unit: `90s`, `90ms`, `90m`");
/// ```
///
/// # Errors
/// Where the text is no duration, or longer than 64 bits of milliseconds.
pub fn duration(text: &str) -> Result<i64, LiteralError> {
    const FORM: &str = "durations look like `250ms`, `90s`, `1h30m`, `7d`";
    let bad = || error(format!("`{}` is not a duration", shown(text)), FORM);
    let bytes = text.as_bytes();
    if !text.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        return error(
            format!("the duration `{}` has no unit", shown(text)),
            if text.len() > 12 {
                FORM.to_string()
            } else {
                format!("write the unit: `{text}s`, `{text}ms`, `{text}m`")
            },
        );
    }
    if text.starts_with('-') {
        return error(format!("the duration `{}` is negative", shown(text)), FORM);
    }
    let (mut total, mut i, mut last) = (0i64, 0, None);
    while i < bytes.len() {
        let digits = i;
        while i < bytes.len() && bytes[i].is_ascii_digit() {
            i += 1;
        }
        let number = &text[digits..i];
        let unit_at = i;
        while i < bytes.len() && bytes[i].is_ascii_alphabetic() {
            i += 1;
        }
        let unit = &text[unit_at..i];
        if unit.is_empty() || number.is_empty() {
            if bytes.get(i) == Some(&b'.') {
                return error(
                    format!("the duration `{}` has a decimal point", shown(text)),
                    "write whole numbers: `1s500ms` for 1.5 s, `1h30m` for 1.5 h",
                );
            }
            if text.contains(' ') {
                let joined = text.replace(' ', "");
                let help = match duration(&joined) {
                    Ok(_) => format!("write `{}`", shown(&joined)),
                    Err(e) => e.help,
                };
                return error(format!("the duration `{}` has a space in it", shown(text)), help);
            }
            return bad();
        }
        let Some(rank) = UNITS.iter().position(|(u, _)| *u == unit) else {
            return unknown_unit(text, number, unit);
        };
        if last.is_some_and(|l| l >= rank) {
            return error(
                format!("the units of `{}` are out of order", shown(text)),
                "write each unit once, the largest first: `1d12h`, `1h30m`",
            );
        }
        last = Some(rank);
        let part = number.parse::<i64>().ok().and_then(|n| n.checked_mul(UNITS[rank].1));
        let Some(sum) = part.and_then(|p| p.checked_add(total)) else {
            return error(
                format!("the duration `{}` is too long", shown(text)),
                "durations are 64-bit integers of milliseconds",
            );
        };
        total = sum;
    }
    if last.is_none() { bad() } else { Ok(total) }
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> Result<i64, LiteralError> {
    const KNOWN: &str = "the units are `d`, `h`, `m`, `s`, `ms`";
    let number_value = number.parse::<i64>().ok();
    let help = match unit.to_ascii_lowercase().as_str() {
        "us" | "ns" | "micros" | "nanos" => {
            "times are whole milliseconds: the smallest unit is `ms`".into()
        }
        "w" | "wk" | "week" | "weeks" => match number_value.and_then(|n| n.checked_mul(7)) {
            Some(n) => format!("write `{n}d`"),
            None => KNOWN.into(),
        },
        "y" | "yr" | "year" | "years" | "mo" | "month" | "months" => {
            format!("{KNOWN}; a month or a year has no fixed length, so write days: `30d`, `365d`")
        }
        "sec" | "secs" | "second" | "seconds" => format!("write `{number}s`"),
        "min" | "mins" | "minute" | "minutes" => format!("write `{number}m`"),
        "hr" | "hrs" | "hour" | "hours" => format!("write `{number}h`"),
        "day" | "days" => format!("write `{number}d`"),
        "msec" | "millis" | "milliseconds" | "millisecond" => format!("write `{number}ms`"),
        lower @ ("d" | "h" | "m" | "s" | "ms") => {
            format!("units are lower case: `{number}{lower}`")
        }
        _ => KNOWN.into(),
    };
    error(format!("`{}` in the duration `{}` is not a unit", shown(unit), shown(text)), help)
}

/// An instant in milliseconds since the epoch: RFC 3339 with a zone (`2022-02-11T03:21:48Z`,
/// `...+01:00`, at most three decimals of a second), or integer milliseconds. Within the years 1..9999.
///
/// # Errors
/// Where the text is no such instant.
pub fn instant(text: &str) -> Result<i64, LiteralError> {
    const FORM: &str = "instants look like `2022-02-11T03:21:48Z`, or are integer milliseconds since 1970-01-01T00:00:00Z";
    let range = |ms: i64| {
        if (MIN_INSTANT_MS..=MAX_INSTANT_MS).contains(&ms) {
            Ok(ms)
        } else {
            error(format!("the instant `{}` is outside the years 1 to 9999", shown(text)), FORM)
        }
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().map_or_else(|_| range(i64::MAX), range);
    }
    let b = text.as_bytes();
    let shape = |from: usize, pattern: &str| {
        pattern.bytes().enumerate().all(|(i, p)| {
            b.get(from + i).is_some_and(|c| if p == b'0' { c.is_ascii_digit() } else { *c == p })
        })
    };
    if !shape(0, "0000-00-00") {
        return error(format!("`{}` is not an instant", shown(text)), FORM);
    }
    let date = &text[..10];
    if b.len() == 10 {
        return error(
            format!("the instant `{text}` has no time and no zone"),
            format!("write `{date}T00:00:00Z` for midnight UTC"),
        );
    }
    if !matches!(b[10], b'T' | b't' | b' ') || !shape(11, "00:00") {
        return error(format!("`{}` is not an instant", shown(text)), FORM);
    }
    if !shape(16, ":00") {
        let rest = if b.len() == 16 { "Z" } else { &text[16..] };
        return error(
            format!("the instant `{}` has no seconds", shown(text)),
            format!("write `{date}T{}:00{}`", &text[11..16], shown(rest)),
        );
    }
    let mut i = 19;
    let mut millis = 0;
    if b.get(i) == Some(&b'.') {
        let from = i + 1;
        i = from;
        while b.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        let decimals = &text[from..i];
        if decimals.is_empty() {
            return error(format!("`{}` is not an instant", shown(text)), FORM);
        }
        if decimals.len() > 3 && decimals[3..].bytes().any(|d| d != b'0') {
            return error(
                format!("the instant `{}` is finer than a millisecond", shown(text)),
                "timestamps are whole milliseconds: write at most three decimals",
            );
        }
        millis =
            decimals.bytes().chain(*b"000").take(3).fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    }
    let zone = &text[i..];
    let offset_min = match zone {
        "Z" | "z" => 0,
        "" => {
            return error(
                format!("the instant `{}` has no zone", shown(text)),
                format!("write `{date}T{}Z` for UTC, or the offset: `+01:00`", &text[11..i]),
            );
        }
        _ if zone.len() == 6 && (shape(i, "+00:00") || shape(i, "-00:00")) => {
            let (h, m) = (number(&zone[1..3]), number(&zone[4..6]));
            if h > 23 || m > 59 {
                return error(format!("`{}` has no valid offset", shown(text)), FORM);
            }
            (h * 60 + m) * if zone.starts_with('-') { -1 } else { 1 }
        }
        _ => {
            return error(
                format!("the zone `{}` of the instant is not understood", shown(zone.trim())),
                "end it with `Z` for UTC or with an offset like `+01:00`",
            );
        }
    };
    if b[10] == b' ' {
        return error(
            format!("the instant `{}` has a space in it", shown(text)),
            format!("write `T` between date and time: `{date}T{}`", shown(&text[11..])),
        );
    }
    let (year, month, day) = (number(&text[..4]), number(&text[5..7]), number(&text[8..10]));
    let (hour, minute, second) =
        (number(&text[11..13]), number(&text[14..16]), number(&text[17..19]));
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return error(
            format!("there is no day `{date}`"),
            "dates are year-month-day: `2022-02-11` is February 11th",
        );
    }
    if hour > 23 || minute > 59 || second > 59 {
        return error(
            format!("there is no time `{}`", &text[11..19]),
            "times go from `00:00:00` to `23:59:59`",
        );
    }
    if year == 0 {
        return range(i64::MIN);
    }
    let days = days_from_civil(year, month, day);
    range(((days * 24 + hour) * 60 + minute - offset_min) * 60_000 + second * 1000 + millis)
}

fn number(digits: &str) -> i64 {
    digits.bytes().fold(0, |n, d| n * 10 + i64::from(d - b'0'))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A signed 64-bit whole number.
///
/// # Errors
/// Where the text is none, or does not fit.
pub fn int(text: &str) -> Result<i64, LiteralError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    whole(text, digits)?;
    text.parse().or_else(|_| {
        error(
            format!("`{}` does not fit 64 bits", shown(text)),
            format!("ints go from {} to {}", i64::MIN, i64::MAX),
        )
    })
}

/// A count: a whole number from 0 to 2^63 - 1.
///
/// # Errors
/// Where the text is none.
pub fn count(text: &str) -> Result<u64, LiteralError> {
    if text.starts_with('-') && text[1..].bytes().all(|b| b.is_ascii_digit()) && text.len() > 1 {
        return error(format!("`{}` is negative", shown(text)), "write a whole number from 0 up");
    }
    whole(text, text)?;
    text.parse::<i64>().map(|n| n as u64).or_else(|_| {
        error(
            format!("`{}` does not fit 63 bits", shown(text)),
            format!("the largest number here is {}", i64::MAX),
        )
    })
}

/// A seed: a whole number from 0 to 2^64 - 1.
///
/// # Errors
/// Where the text is none.
pub fn seed(text: &str) -> Result<u64, LiteralError> {
    if text.starts_with('-') {
        return error(
            format!("the seed `{}` is negative", shown(text)),
            "write a whole number from 0 up",
        );
    }
    whole(text, text)?;
    text.parse().or_else(|_| {
        error(
            format!("the seed `{}` does not fit 64 bits", shown(text)),
            format!("the largest seed is {}", u64::MAX),
        )
    })
}

fn whole(text: &str, digits: &str) -> Result<(), LiteralError> {
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    let bare: String = digits.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'')).collect();
    let help = if !bare.is_empty() && bare.len() < 20 && bare.bytes().all(|b| b.is_ascii_digit()) {
        format!("write the digits alone: `{bare}`")
    } else {
        suffixed(&bare).map_or_else(
            || "write it in digits, such as `1000`".into(),
            |n| format!("write it in digits: `{n}`"),
        )
    };
    error(format!("`{}` is not a whole number", shown(text)), help)
}

/// `10k`, `1M`, `1e6`, `10.0` as a number.
fn suffixed(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    for (suffix, factor) in [("k", 1_000i64), ("m", 1_000_000), ("g", 1_000_000_000)] {
        if let Some(n) = lower.strip_suffix(suffix).and_then(|n| n.parse::<i64>().ok()) {
            return n.checked_mul(factor);
        }
    }
    let x: f64 = lower.parse().ok()?;
    (x.is_finite() && (0.0..9e15).contains(&x) && x == x.trunc()).then_some(x as i64)
}

/// A double as a literal: digits, optionally a sign, a decimal point and an exponent.
///
/// # Errors
/// Where the text is none, or beyond the range of doubles.
pub fn double(text: &str) -> Result<f64, LiteralError> {
    let known = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(x) if known && x.is_finite() => Ok(x),
        Ok(_) if known => error(
            format!("`{}` is beyond the range of doubles", shown(text)),
            "the largest is about 1.8e308",
        ),
        _ => error(
            format!("`{}` is not a number", shown(text)),
            "write it in digits, such as `12` or `0.5`",
        ),
    }
}

/// A percentage with its sign (`0.5%`) in units of 1e-12 percent: 100% is 10^14. `None` where the text
/// has not the form of one and may be an expression.
///
/// # Errors
/// Where it has the form but is not valid: a space before the sign, more than 12 decimals, over 100.
pub fn percent(text: &str) -> Option<Result<u64, LiteralError>> {
    let number = text.strip_suffix('%')?;
    let bare = number.trim_end();
    let (digits, decimals) = bare.split_once('.').unwrap_or((bare, ""));
    let (sign, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (&digits[..1], rest),
        None => ("", digits),
    };
    let numeric = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !numeric(digits) || !numeric(decimals) || (digits.is_empty() && decimals.is_empty()) {
        let point = bare.replacen(',', ".", 1);
        if bare.contains(',') && point.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Some(error(
                format!("`{}` has a decimal comma", shown(text)),
                format!("write `{point}%`"),
            ));
        }
        return Some(error(
            format!("`{}` is not a percentage", shown(text)),
            "write digits and the sign, such as `0.5%`; an expression has no `%`: its value is in percent",
        ));
    }
    if sign == "-" {
        return Some(error(
            format!("the probability `{}` is negative", shown(text)),
            "write a value from `0%` to `100%`",
        ));
    }
    let whole = if digits.is_empty() { "0" } else { digits };
    if bare.len() != number.len()
        || sign == "+"
        || digits.is_empty()
        || (decimals.is_empty() && bare.ends_with('.'))
    {
        let point = if decimals.is_empty() { "" } else { "." };
        let what = if bare.len() != number.len() {
            "has a space before its `%`"
        } else {
            "is not written plainly"
        };
        return Some(error(
            format!("the probability `{}` {what}", shown(text)),
            format!("write `{}`", shown(&format!("{whole}{point}{decimals}%"))),
        ));
    }
    if decimals.len() > 12 {
        return Some(error(
            format!("the probability `{}` has more than 12 decimals", shown(text)),
            "write at most 12 decimals; a finer one can be an expression in percent, without the sign",
        ));
    }
    let units =
        whole.parse::<u64>().ok().and_then(|w| w.checked_mul(1_000_000_000_000)).and_then(|w| {
            let fraction = decimals.bytes().chain(std::iter::repeat(b'0')).take(12);
            w.checked_add(fraction.fold(0, |n, d| n * 10 + u64::from(d - b'0')))
        });
    Some(match units {
        Some(u) if u <= crate::model::PERCENT_100 => Ok(u),
        _ => error(
            format!("the probability `{}` is over 100%", shown(text)),
            "write a value from `0%` to `100%`",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ok = [
            ("250ms", 250),
            ("1s", 1000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ];
        for (text, ms) in ok {
            assert_eq!(duration(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "1x",
            "1.5s",
            "30m1h",
            "1s1s",
            "-1s",
            "1 s",
            "99999999999999999999d",
            "1S",
            "１s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants() {
        assert_eq!(instant("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(instant("2022-02-11T03:21:48Z"), Ok(1_644_549_708_000));
        assert_eq!(instant("2022-02-11T04:21:48.250+01:00"), Ok(1_644_549_708_250));
        assert_eq!(instant("2022-02-11T03:21:48.250000Z"), Ok(1_644_549_708_250));
        assert_eq!(instant("0001-01-01T00:00:00Z"), Ok(MIN_INSTANT_MS));
        assert_eq!(instant("9999-12-31T23:59:59.999Z"), Ok(MAX_INSTANT_MS));
        assert_eq!(instant("-5"), Ok(-5));
        assert_eq!(instant("2024-02-29T00:00:00Z"), Ok(1_709_164_800_000));
        for text in [
            "",
            "now",
            "2022-02-11",
            "2022-02-11T03:21Z",
            "2022-02-11T03:21:48",
            "2022-02-30T00:00:00Z",
            "2022-13-01T00:00:00Z",
            "2022-02-11 03:21:48Z",
            "2022-02-11T03:21:48.0001Z",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00Z",
            "99999999999999999999",
            "2022-02-11T25:00:00Z",
            "2022-02-11T03:21:48 UTC",
            "2022-02-11ü",
            "2022-02-11T03:21:48.",
            "2022-02-11T03:21:48+ab:cd",
            "2022-02-11T03:21é48Z",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(count("1000000"), Ok(1_000_000));
        assert_eq!(count("1_000_000").unwrap_err().help, "write the digits alone: `1000000`");
        assert_eq!(count("10k").unwrap_err().help, "write it in digits: `10000`");
        assert_eq!(count("1e6").unwrap_err().help, "write it in digits: `1000000`");
        assert!(
            count("9223372036854775808").is_err() && count("-1").is_err() && count("").is_err()
        );
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(int("-9223372036854775808"), Ok(i64::MIN));
        assert!(int("9223372036854775808").is_err() && int("- 1").is_err());
        assert!(double("inf").is_err() && double("1e999").is_err() && double("1.5") == Ok(1.5));
    }

    #[test]
    fn percentages() {
        let ok = |t: &str| percent(t).and_then(Result::ok);
        assert_eq!(ok("0.01%"), Some(10_000_000_000));
        assert_eq!(ok("100%"), Some(crate::model::PERCENT_100));
        assert_eq!(ok("0.000000000001%"), Some(1));
        assert_eq!(percent("a * 2"), None);
        for text in [
            "5 %",
            "%",
            ".5%",
            "5.%",
            "-1%",
            "+1%",
            "100.000000000001%",
            "0.0000000000001%",
            "a%",
            "99999999999999999999%",
        ] {
            assert!(percent(text).is_some_and(|r| r.is_err()), "{text}");
        }
    }
}
