//! Values of options from their text. An error is one line: what is wrong, and what to write instead.

use doge_datagen::core::spec::literal::{self, LiteralError};
use doge_datagen::destination::{self, DestinationSpec};
use doge_datagen::spec::{Pace, SubjectRange};

fn told<T>(result: Result<T, LiteralError>) -> Result<T, String> {
    result.map_err(|e| format!("{}; {}", e.message, e.help))
}

pub fn seed(text: &str) -> Result<u64, String> {
    told(literal::seed(text))
}

pub fn count_of(text: &str) -> Result<u64, String> {
    told(literal::count(text))
}

pub fn positive(text: &str) -> Result<u64, String> {
    match count_of(text)? {
        0 => Err("write a number above 0".into()),
        n => Ok(n),
    }
}

pub fn threads(text: &str) -> Result<usize, String> {
    match positive(text)? {
        n @ ..=1024 => Ok(n as usize),
        _ => Err("write at most 1024".into()),
    }
}

pub fn instant(text: &str) -> Result<i64, String> {
    told(literal::instant(text))
}

pub fn duration(text: &str) -> Result<i64, String> {
    told(literal::duration(text))
}

/// `NAME=VALUE`.
pub fn param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, such as city=Warsaw".into()),
    }
}

/// `N` or `POPULATION=N`.
pub fn count(text: &str) -> Result<(Option<String>, u64), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("write N or POPULATION=N, such as user=1000".into()),
        Some((name, n)) => Ok((Some(name.trim().to_owned()), count_of(n)?)),
        None => Ok((None, count_of(text)?)),
    }
}

/// `4711`, `100..300`, `user:100..300`.
pub fn subjects(text: &str) -> Result<SubjectRange, String> {
    const FORM: &str = "write 4711, 100..300 (the end is excluded) or user:100..300";
    let (population, ids) = match text.split_once(':') {
        Some(("", _)) => return Err(FORM.into()),
        Some((name, ids)) => (Some(name.to_owned()), ids),
        None => (None, text),
    };
    let id = |t: &str| literal::count(t).map_err(|e| format!("{}; {FORM}", e.message));
    let ids = match ids.split_once("..") {
        Some((from, to)) if to.starts_with('=') => {
            let last = id(&to[1..])?;
            return Err(format!(
                "the end of a range is excluded; write {from}..{}",
                last.saturating_add(1)
            ));
        }
        Some((from, to)) => id(from)?..id(to)?,
        None => {
            let n = id(ids)?;
            n..n.checked_add(1).ok_or(FORM)?
        }
    };
    if ids.is_empty() {
        return Err(format!("the range {}..{} is empty; its end is excluded", ids.start, ids.end));
    }
    Ok(SubjectRange { population, ids })
}

/// `K/N`.
pub fn shard(text: &str) -> Result<(u64, u64), String> {
    const FORM: &str = "write K/N with K from 1 to N, such as 2/8";
    let (k, n) = text.split_once('/').ok_or(FORM)?;
    let (k, n) = (count_of(k)?, count_of(n)?);
    if k == 0 || k > n { Err(FORM.into()) } else { Ok((k, n)) }
}

/// `realtime`, `60x`, `1000/s`.
pub fn pace(text: &str) -> Result<Pace, String> {
    const FORM: &str =
        "write realtime, 60x (sixty times as fast) or 1000/s (at most so many a second)";
    if text == "realtime" {
        return Ok(Pace::Realtime);
    }
    if let Some(times) = text.strip_suffix('x') {
        let plain = !times.is_empty() && times.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        return match times.parse::<f64>() {
            // Beyond these a typing error is more likely.
            Ok(n) if plain && (1e-6..=1e12).contains(&n) => Ok(Pace::Times(n)),
            Ok(n) if plain && n == 0.0 => Err("at 0x nothing would ever leave; write 1x".into()),
            _ => Err(FORM.into()),
        };
    }
    match text.split_once('/') {
        Some((n, "s")) => match positive(n)? {
            n @ ..=1_000_000_000 => Ok(Pace::PerSecond(n)),
            _ => Err("at most 1000000000/s; leave --pace out for as fast as possible".into()),
        },
        Some((n, "sec" | "second")) => Err(format!("write {n}/s")),
        Some((n, "m" | "min" | "h")) => Err(format!("rates are events a second: write {n}/s")),
        _ => Err(FORM.into()),
    }
}

/// A size in bytes: `512MiB`, `1GiB`, `2GB`.
pub fn memory(text: &str) -> Result<u64, String> {
    const FORM: &str = "write a size such as 512MiB or 1GiB";
    const LEAST: u64 = 16 << 20;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| FORM.to_owned())?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "" => return Err(format!("the unit is missing; {FORM}")),
        _ => return Err(FORM.into()),
    };
    match number.checked_mul(factor) {
        Some(n @ LEAST..) => Ok(n),
        Some(_) => Err("at least 16MiB are needed".into()),
        None => Err(FORM.into()),
    }
}

/// A file for the report.
pub fn report(text: &str) -> Result<String, String> {
    match text {
        "" | "-" => Err("standard output is for events; write the name of a file".into()),
        _ => Ok(text.to_owned()),
    }
}

/// A destination.
pub fn destination(text: &str) -> Result<DestinationSpec, String> {
    destination::from_text(text).map_err(|d| {
        // The option and its value stand before this already.
        let message =
            d.message.strip_prefix(&format!("--to {text}: ")).unwrap_or(&d.message).to_owned();
        d.help.iter().fold(message, |m, h| format!("{m}; {h}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(memory("1GiB"), Ok(1 << 30));
        assert_eq!(memory("512mib"), Ok(512 << 20));
        assert_eq!(memory("2GB"), Ok(2_000_000_000));
        for text in [
            "",
            "1",
            "GiB",
            "1.5GiB",
            "1XB",
            "1MiB",
            "99999999999999999999GiB",
            "99999999TiB",
            "-1GiB",
        ] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_of_subjects() {
        let range = |t: &str| subjects(t).map(|r| (r.population, r.ids));
        assert_eq!(range("4711"), Ok((None, 4711..4712)));
        assert_eq!(range("user:100..300"), Ok((Some("user".into()), 100..300)));
        assert_eq!(
            range("100..=300").unwrap_err(),
            "the end of a range is excluded; write 100..301"
        );
        for text in
            ["", ":", "a", "5..5", "6..5", "..5", "5..", "user:", "-1", "9223372036854775808"]
        {
            assert!(subjects(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paces() {
        assert_eq!(pace("realtime"), Ok(Pace::Realtime));
        assert_eq!(pace("60x"), Ok(Pace::Times(60.0)));
        assert_eq!(pace("0.5x"), Ok(Pace::Times(0.5)));
        assert_eq!(pace("1000/s"), Ok(Pace::PerSecond(1000)));
        assert_eq!(pace("5/min").unwrap_err(), "rates are events a second: write 5/s");
        for text in ["", "x", "0x", "-1x", "infx", "nanx", "1e3x", "60", "0/s", "/s", "1/", "fast"]
        {
            assert!(pace(text).is_err(), "{text}");
        }
        for known in [Pace::Realtime, Pace::Times(1.5), Pace::PerSecond(7)] {
            assert_eq!(pace(&known.to_string()), Ok(known), "it is shown as it is written");
        }
    }

    #[test]
    fn shards() {
        assert_eq!(shard("2/8"), Ok((2, 8)));
        for text in ["", "2", "0/8", "9/8", "1/0", "a/b", "1/8/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
