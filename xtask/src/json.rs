//! Reads JSON that cargo wrote, so that chores need no dependency.
//!
//! It trusts its input to be JSON; what is not becomes [`Json::Null`] or an early end.

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, and numbers and booleans, which nobody asks for.
    Null,
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, in order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text.
    pub fn read(text: &str) -> Json {
        Reader { bytes: text.as_bytes(), at: 0 }.value()
    }

    /// The value of a key of an object; null where there is none.
    pub fn get(&self, key: &str) -> &Json {
        let Json::Object(entries) = self else { return &Json::Null };
        entries.iter().find(|(k, _)| k == key).map_or(&Json::Null, |(_, v)| v)
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next byte that means something, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Json {
        match self.peek() {
            Some(b'"') => Json::Text(self.string()),
            Some(b'[') => {
                self.at += 1;
                let mut items = Vec::new();
                while self.peek().is_some() && !self.take(b']') {
                    items.push(self.value());
                    self.take(b',');
                }
                Json::List(items)
            }
            Some(b'{') => {
                self.at += 1;
                let mut entries = Vec::new();
                while self.peek() == Some(b'"') {
                    let key = self.string();
                    self.take(b':');
                    entries.push((key, self.value()));
                    self.take(b',');
                }
                self.take(b'}');
                Json::Object(entries)
            }
            _ => {
                let word = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
                let begin = self.at;
                while self.bytes.get(self.at).is_some_and(word) {
                    self.at += 1;
                }
                // Whatever it is, it must not be looked at for ever.
                self.at += usize::from(self.at == begin);
                Json::Null
            }
        }
    }

    fn string(&mut self) -> String {
        self.at += 1;
        let mut out = Vec::new();
        while let Some(b) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match b {
                b'"' => break,
                b'\\' => {
                    let escaped = self.bytes.get(self.at).copied().unwrap_or_default();
                    self.at += 1;
                    match escaped {
                        b'n' => out.push(b'\n'),
                        b'r' => out.push(b'\r'),
                        b't' => out.push(b'\t'),
                        // Names, versions and licences are ASCII; the rest is only passed over.
                        b'u' => self.at += 4,
                        other => out.push(other),
                    }
                }
                b => out.push(b),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn reads_what_cargo_writes() {
        let json =
            Json::read(r#"{"a": [{"name": "x\"y", "n": 1.5e3}, {}, []], "b": null, "c": "z"}"#);
        assert_eq!(json.get("a").items().len(), 3);
        assert_eq!(json.get("a").items()[0].get("name").text(), Some("x\"y"));
        assert_eq!(json.get("b"), &Json::Null);
        assert_eq!(json.get("c").text(), Some("z"));
    }

    #[test]
    fn ends_on_anything() {
        for text in ["", "{", "[", "[1,", "{\"a\"", "\"\\", "]", "{\"a\":}"] {
            Json::read(text);
        }
    }
}
