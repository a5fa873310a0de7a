//! Small texts that sinks share: counts, reasons of the operating system.

use doge_core::expr::func::{self, TextBuf};

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

/// A timestamp as `2022-02-11T03:21:48.000Z`.
pub fn timestamp(ms: i64) -> String {
    func::timestamp_text(ms, &mut TextBuf::new()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!(
            (events(1), events(1024), events(1_000_000)),
            ("1 event".into(), "1,024 events".into(), "1,000,000 events".into())
        );
    }
}
