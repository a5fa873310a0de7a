//! Small texts that sinks share: counts, reasons of the operating system, values as tables hold them.

use std::fmt::Write;

/// `1 event`, `1,024 events`.
pub fn events(n: u64) -> String {
    format!("{} event{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A number with commas between thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The reason of an error of the operating system, without its number, in lower case.
pub fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !text.starts_with("I/O") => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// A timestamp as `2022-02-11T03:21:48.000Z`. The calendar is Howard Hinnant's `civil_from_days`
/// ("chrono-compatible low-level date algorithms").
pub fn timestamp(ms: i64, out: &mut String) {
    out.clear();
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    if !(0..10_000).contains(&year) {
        // Not reachable from a checked model; still the right digits.
        let _ = write!(out, "{year:04}-{month:02}-{day:02}T00:00:00.000Z");
        return;
    }
    let mut digits = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, n: usize, mut v: i64| {
        for i in (at..at + n).rev() {
            digits[i] = b'0' + (v % 10) as u8;
            v /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, ms / 3_600_000);
    put(14, 2, ms / 60_000 % 60);
    put(17, 2, ms / 1000 % 60);
    put(20, 3, ms % 1000);
    out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// A duration as `90s` or `1.500s`.
pub fn duration(ms: i64, out: &mut String) {
    out.clear();
    let sign = if ms < 0 { "-" } else { "" };
    let (s, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let _ = if rest == 0 {
        write!(out, "{sign}{s}s")
    } else {
        write!(out, "{sign}{s}.{rest:03}s")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_the_page_says() {
        let mut t = String::new();
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_644_549_708_000, "2022-02-11T03:21:48.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            timestamp(ms, &mut t);
            assert_eq!(t, text);
        }
        for (ms, text) in [
            (90_000, "90s"),
            (1_500, "1.500s"),
            (-1_500, "-1.500s"),
            (0, "0s"),
            (-5, "-0.005s"),
        ] {
            duration(ms, &mut t);
            assert_eq!(t, text);
        }
        assert_eq!(
            (events(1), events(1024), events(1_000_000)),
            (
                "1 event".into(),
                "1,024 events".into(),
                "1,000,000 events".into()
            )
        );
    }
}
