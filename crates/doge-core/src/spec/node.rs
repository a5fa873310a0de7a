//! Reading a tree of YAML values: what is it, which keys has it, which of them are not known.
//!
//! Used for the model here and by the crate with the destinations for `sinks`. Problems get their
//! code from the caller.

use super::{Node, NodeKind};
use crate::diag::{Diagnostic, Diagnostics, nearest, shown};
use crate::source::Spanned;

/// The entries of a mapping, in file order.
pub type Entries = [(Spanned<String>, Node)];

impl Node {
    /// The entries, where it is a mapping.
    pub fn as_mapping(&self) -> Option<&Entries> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, where it is a list.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The text, where it is a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of an unquoted scalar: what may be a number or a bool.
    pub fn as_plain(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, quoted: false } => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`, unquoted.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_plain()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value of a key, where it is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.iter().find(|(k, _)| k.value == key).map(|(_, v)| v)
    }

    /// Whether a problem with it was reported already; nothing more is to be said of it.
    pub fn is_invalid(&self) -> bool {
        matches!(self.kind, NodeKind::Invalid)
    }

    /// What it is, for a message: "a mapping", "a list", "text".
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar { quoted: true, .. } => "quoted text",
            NodeKind::Scalar { .. } => "a single value",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
            NodeKind::Invalid => "a value with an error",
        }
    }
}

/// The keys of one level of the file.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// What has the keys: "a transition", "`clock`".
    pub what: &'static str,
    /// Keys that it has, with those allowed everywhere (`description`) left out.
    pub known: &'static [&'static str],
    /// Keys of the language that are not built yet, each with what can be done today (may be empty).
    pub later: &'static [(&'static str, &'static str)],
    /// Keys that people try, each with what to write instead.
    pub instead: &'static [(&'static str, &'static str)],
}

/// Whether a key is for the user's own notes: `description`, or one that begins with `x-`.
pub fn is_ignored(key: &str) -> bool {
    key == "description" || key.starts_with("x-")
}

/// Reports every key that a level does not have: `code` for unknown ones, `later_code` for those that
/// are not supported yet. Yields the other entries.
pub fn known_entries<'n>(
    entries: &'n Entries,
    keys: &Keys,
    code: &'static str,
    later_code: &'static str,
    diags: &mut Diagnostics,
) -> Vec<(&'n Spanned<String>, &'n Node)> {
    let mut out = Vec::with_capacity(entries.len());
    let names = entries.iter().map(|(k, _)| k.value.as_str());
    let present: Vec<&str> = names.filter(|k| keys.known.contains(k)).collect();
    for (key, node) in entries {
        let name = key.value.as_str();
        if keys.known.contains(&name) {
            out.push((key, node));
        } else if let Some((_, today)) = keys.later.iter().find(|(k, _)| *k == name) {
            let mut d =
                Diagnostic::error(later_code, key.span, format!("`{name}` is not supported yet"));
            if !today.is_empty() {
                d = d.help(*today);
            }
            diags.push(d);
        } else if !is_ignored(name) {
            diags.push(unknown_key(key, keys, &present, code));
        }
    }
    out
}

/// The problem "unknown key", with the nearest key that is not in use yet.
pub fn unknown_key(
    key: &Spanned<String>,
    keys: &Keys,
    present: &[&str],
    code: &'static str,
) -> Diagnostic {
    let name = key.value.as_str();
    let d =
        Diagnostic::error(code, key.span, format!("{} has no key `{}`", keys.what, shown(name)));
    let free = keys.known.iter().copied().filter(|k| !present.contains(k));
    let folded = name.to_ascii_lowercase();
    if let Some((_, instead)) = keys.instead.iter().find(|(k, _)| *k == folded) {
        return d.help(*instead);
    }
    if let Some(meant) = nearest(name, free) {
        return d.help(format!("did you mean `{meant}`?"));
    }
    let list: Vec<String> = keys.known.iter().map(|k| format!("`{k}`")).collect();
    d.note(format!("its keys are {}", list.join(", ")))
        .help("keys for your own notes begin with `x-`")
}
