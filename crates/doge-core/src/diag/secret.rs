//! Passwords in lines of a model that are shown: each is replaced by stars of the same length, so that marks
//! below the line stay where they are. `${NAME}` is no secret and stays.

use std::borrow::Cow;

/// The line without the passwords of addresses (`scheme://user:PASSWORD@host`) and of keys that end in
/// `password`.
pub fn masked(line: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(line);
    for (at, _) in line.match_indices("://") {
        let rest = &line[at + 3..];
        let end =
            rest.find(|c: char| c.is_whitespace() || "/\"'".contains(c)).unwrap_or(rest.len());
        let Some(host) = rest[..end].rfind('@') else { continue };
        let Some(colon) = rest[..host].find(':') else { continue };
        hide(&mut out, at + 3 + colon + 1..at + 3 + host);
    }
    for (at, key) in line.match_indices("password:") {
        let rest = &line[at + key.len()..];
        let value = rest.trim_start_matches([' ', '"', '\'']);
        let from = at + key.len() + (rest.len() - value.len());
        let end = value.find(|c: char| c.is_whitespace() || ",}\"'".contains(c));
        let end = if value.starts_with("${") { 0 } else { end.unwrap_or(value.len()) };
        hide(&mut out, from..from + end);
    }
    out
}

fn hide(line: &mut Cow<'_, str>, range: std::ops::Range<usize>) {
    if !line[range.clone()].starts_with("${") {
        let stars = "*".repeat(range.len());
        line.to_mut().replace_range(range, &stars);
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn passwords_are_stars_and_nothing_else_is() {
        for (line, want) in [
            ("url: \"postgres://u:pä@s:s@h:1/d\"", "url: \"postgres://u:*******@h:1/d\""),
            ("url: postgres://u@h:1/d # a@b", "url: postgres://u@h:1/d # a@b"),
            ("url: postgres://u:${P}@h/d", "url: postgres://u:${P}@h/d"),
            ("{ user: x, password: abc, ca: y }", "{ user: x, password: ***, ca: y }"),
            ("password: '${P}'", "password: '${P}'"),
            ("password:", "password:"),
            ("a: b", "a: b"),
        ] {
            assert_eq!(masked(line), want);
        }
    }
}
