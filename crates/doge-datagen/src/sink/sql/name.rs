//! Names of tables and places, and addresses without their secrets.

/// `table` or `schema.table`, cut at the point; each part at most `most` long by `len`, as a longer name
/// would be cut or refused by the server.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn table_parts(
    text: &str,
    most: usize,
    len: fn(&str) -> usize,
) -> Result<(Option<String>, String), String> {
    let parts: Vec<&str> = text.split('.').collect();
    for part in &parts {
        if part.trim().is_empty() {
            return Err(format!("the table's name `{text}` has an empty part"));
        }
        if part.contains('\0') {
            return Err("the table's name contains a NUL".into());
        }
        check_length(part, most, len)?;
    }
    match parts.as_slice() {
        [table] => Ok((None, (*table).to_owned())),
        [schema, table] => Ok((Some((*schema).to_owned()), (*table).to_owned())),
        _ => Err(format!("the table's name `{text}` has more than one point: write SCHEMA.TABLE")),
    }
}

/// Refuses a name that the server would cut.
///
/// # Errors
/// It is longer.
pub fn check_length(name: &str, most: usize, len: fn(&str) -> usize) -> Result<(), String> {
    if len(name) > most {
        return Err(format!(
            "the name `{name}` is longer than the {most} that the database allows"
        ));
    }
    Ok(())
}

/// An address `SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE][?NAME=VALUE&...]`, taken apart without
/// judging it.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Everything before the `?`.
    pub main: String,
    /// Names and values behind it, as written.
    pub options: Vec<(String, String)>,
}

impl Url {
    /// Takes an address apart.
    ///
    /// # Errors
    /// It begins with none of `schemes`. The message does not show it: it may hold a password.
    pub fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Url, String> {
        let (main, query) = text.split_once('?').unwrap_or((text, ""));
        if !schemes.iter().any(|s| main.strip_prefix(s).is_some_and(|r| r.starts_with("://"))) {
            return Err(format!("`url` is not an address: write {example}"));
        }
        let pair = |p: &str| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (name.to_owned(), value.to_owned())
        };
        let options = query.split('&').filter(|p| !p.is_empty()).map(pair).collect();
        Ok(Url { main: main.to_owned(), options })
    }

    /// Takes an option out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(n, _)| n == name)?;
        Some(percent_decoded(&self.options.remove(at).1))
    }

    /// The whole address again.
    pub fn text(&self) -> String {
        let options: Vec<String> = self.options.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if options.is_empty() {
            self.main.clone()
        } else {
            format!("{}?{}", self.main, options.join("&"))
        }
    }
}

/// `%41` as `A`; what is no such code stays.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match code.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `HOST:PORT/DATABASE`: what people see of an address.
pub fn place_url(hosts: &[(String, u16)], database: &str) -> String {
    let bracket = |h: &str| if h.contains(':') { format!("[{h}]") } else { h.to_owned() };
    let hosts: Vec<String> = hosts.iter().map(|(h, p)| format!("{}:{p}", bracket(h))).collect();
    format!("{}/{database}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_at_most_a_schema() {
        let parts = |t: &str| table_parts(t, 8, str::len);
        assert_eq!(parts("trx"), Ok((None, "trx".into())));
        assert_eq!(parts("bank.trx"), Ok((Some("bank".into()), "trx".into())));
        for bad in ["", ".", "a.", ".b", "a.b.c", "a\0b", "ninechars", "x.ninechars"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_are_taken_out_of_an_address() {
        let mut url = Url::parse(
            "postgres://u:p@h/d?sslmode=require&a=b%20c&sslrootcert=%2Fx",
            &["postgres"],
            "",
        )
        .unwrap();
        assert_eq!(url.take("sslmode").as_deref(), Some("require"));
        assert_eq!(url.take("sslmode"), None);
        assert_eq!(url.take("sslrootcert").as_deref(), Some("/x"));
        assert_eq!(url.text(), "postgres://u:p@h/d?a=b%20c");
        let error = Url::parse("host=h password=secret", &["postgres"], "E").err().unwrap();
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
        assert_eq!(place_url(&[("::1".into(), 1), ("h".into(), 2)], "d"), "[::1]:1,h:2/d");
    }
}
