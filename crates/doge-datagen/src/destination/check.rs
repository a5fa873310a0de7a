//! From the tree under `sinks` to destinations. Opens nothing, fills nothing in, reports every problem.

use super::resolve::{Routed, check_targets};
use super::{Commit, DestinationSpec, Template, code, format_of_path};
use crate::format::Format;
use crate::sink::{IfExists, KINDS, Key, KeyValue, Make, SinkKind, Takes, appendable, compression};
use doge_core::diag::{Diagnostic, Diagnostics, nearest, shown};
use doge_core::source::{Span, Spanned};
use doge_core::spec::node::is_ignored;
use doge_core::spec::{Node, Spec, literal};
use std::time::Duration;

const BESIDE: [&str; 4] = ["events", "if_exists", "envelope", "commit"];
const LATER: [&str; 3] = ["delivery", "arrival", "changes"];

/// The names of a model's events, and whether a transition emits them.
pub fn events_of(spec: &Spec) -> Vec<(String, bool)> {
    let emitted: std::collections::BTreeSet<&str> = spec
        .subjects
        .iter()
        .flat_map(|p| &p.states)
        .flat_map(|s| &s.transitions)
        .flat_map(|t| &t.emit)
        .map(|e| e.value.as_str())
        .collect();
    spec.events
        .iter()
        .map(|e| (e.name.value.clone(), emitted.contains(e.name.value.as_str())))
        .collect()
}

/// Checks the `sinks` of a model with the events `events` (name, and whether something emits it).
/// Problems go to `diags`; what could be read is returned.
pub fn check(
    sinks: &Spanned<Node>,
    events: &[(String, bool)],
    diags: &mut Diagnostics,
) -> Vec<DestinationSpec> {
    let node = &sinks.value;
    if node.is_invalid() {
        return Vec::new();
    }
    let Some(entries) = node.as_mapping() else {
        diags.push(
            Diagnostic::error(
                code::SHAPE,
                node.span,
                format!("`sinks` is {}, not a mapping", node.describe()),
            )
            .help("name each sink:\nsinks:\n  NAME:\n    file: { path: \"out/{event}.jsonl\" }"),
        );
        return Vec::new();
    };
    let mut out = Vec::new();
    for (name, node) in entries {
        if is_ignored(&name.value) {
            continue;
        }
        if !is_name(&name.value) {
            diags.push(
                Diagnostic::error(
                    code::SHAPE,
                    name.span,
                    format!("`{}` is not a name", shown(&name.value)),
                )
                .note(
                    "names are letters, digits and `_`, at most 63, and do not begin with a digit",
                ),
            );
        }
        if let Some(spec) = sink(name, node, events, diags) {
            out.push(spec);
        }
    }
    check_targets(&out, events, diags);
    out
}

/// Warns of variables of the environment that are not set now.
pub fn warn_unset(
    specs: &[DestinationSpec],
    environment: &dyn Fn(&str) -> Option<String>,
    diags: &mut Diagnostics,
) {
    for spec in specs {
        for (_, template, span) in &spec.texts {
            for name in template.variables().filter(|n| environment(n).is_none()) {
                let span = span.or(spec.span).unwrap_or_default();
                diags.push(
                    Diagnostic::warning(
                        code::WARN_UNSET,
                        span,
                        format!("the variable {name} is not set now"),
                    )
                    .note("running the model without it is an error")
                    .help(format!("set it, or write a default: `${{{name}:-DEFAULT}}`")),
                );
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let valid =
        |(i, b): (usize, u8)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit());
    !name.is_empty() && name.len() <= 63 && name.bytes().enumerate().all(valid)
}

fn sink(
    name: &Spanned<String>,
    node: &Node,
    events: &[(String, bool)],
    diags: &mut Diagnostics,
) -> Option<DestinationSpec> {
    if node.is_invalid() {
        return None;
    }
    let Some(entries) = node.as_mapping() else {
        let e = Diagnostic::error(
            code::SHAPE,
            node.span,
            format!("a sink is a mapping, not {}", node.describe()),
        );
        diags.push(match node.as_text().and_then(|t| KINDS.iter().find(|k| k.name == t)) {
            Some(kind) if kind.keys.is_empty() || kind.name == "stdout" => {
                e.help(format!("write `{}: {{ {}: {{}} }}`", name.value, kind.name))
            }
            _ => e.help(format!(
                "write `{}: {{ file: {{ path: \"out/{{event}}.jsonl\" }} }}`",
                name.value
            )),
        });
        return None;
    };
    let mut found: Option<(&Spanned<String>, &'static SinkKind, &Node)> = None;
    let mut several = false;
    let mut spec = DestinationSpec {
        name: name.value.clone(),
        span: Some(name.span),
        kind: KINDS[0],
        texts: Vec::new(),
        flags: Vec::new(),
        numbers: Vec::new(),
        format: None,
        events: None,
        if_exists: IfExists::Error,
        envelope: None,
        commit: Commit::default(),
    };
    let mut if_exists = None;
    for (key, value) in entries {
        if let Some(kind) = KINDS.iter().find(|k| k.name == key.value) {
            if let Some((first, ..)) = found {
                several = true;
                diags.push(
                    Diagnostic::error(
                        code::ONE_DESTINATION,
                        key.span,
                        "a sink has one destination",
                    )
                    .related(first.span, "the first one")
                    .help("make a second sink of it"),
                );
            } else {
                found = Some((key, kind, value));
            }
            continue;
        }
        if value.is_invalid() {
            continue;
        }
        match key.value.as_str() {
            "events" => spec.events = event_list(value, events, diags),
            "if_exists" => {
                if_exists = word(value, "if_exists", &IF_EXISTS, diags).map(|v| (v, key.span))
            }
            "envelope" => {
                spec.envelope = flag(value, "envelope", diags).map(|v| Spanned::new(v, key.span))
            }
            "commit" => commit(value, &mut spec.commit, diags),
            k if LATER.contains(&k) => diags.push(
                Diagnostic::error(code::LATER, key.span, format!("`{k}` is not supported yet"))
                    .help("leave it out: events are written once, in order"),
            ),
            k if is_ignored(k) => {}
            "type" => diags.push(
                Diagnostic::error(code::UNKNOWN_KEY, key.span, "a sink has no key `type`")
                    .help("the kind is the key: `file: { path: ... }`"),
            ),
            k => {
                let known = KINDS.iter().map(|k| k.name).chain(BESIDE);
                let e = Diagnostic::error(
                    code::UNKNOWN_KEY,
                    key.span,
                    format!("a sink has no key `{}`", shown(k)),
                );
                let in_kind = KINDS.iter().find(|kind| kind.keys.iter().any(|key| key.name == k));
                diags.push(match (nearest(k, known), in_kind) {
                    (Some(n), _) => e.help(format!("did you mean `{n}`?")),
                    (None, Some(kind)) => e.help(format!(
                        "it belongs inside the destination: `{}: {{ {k}: ... }}`",
                        kind.name
                    )),
                    (None, None) => e
                        .note(kinds_note())
                        .note("beside it: `events`, `if_exists`, `envelope`, `commit`"),
                });
            }
        }
    }
    let Some((key, kind, value)) = found else {
        let unknown = entries.iter().any(|(k, _)| {
            !BESIDE.contains(&k.value.as_str())
                && !LATER.contains(&k.value.as_str())
                && !is_ignored(&k.value)
        });
        // An unknown key was most likely meant as the destination, and has its own message.
        if !unknown {
            diags.push(
                Diagnostic::error(
                    code::ONE_DESTINATION,
                    name.span,
                    format!("the sink `{}` has no destination", name.value),
                )
                .note(kinds_note())
                .help("write `file: { path: \"out/{event}.jsonl\" }` in it"),
            );
        }
        return None;
    };
    spec.kind = kind;
    let valid = destination(&mut spec, key, value, diags);
    if let Make::Later(what, way) = kind.make {
        diags.push(
            Diagnostic::error(code::LATER, key.span, format!("`{}` {what}", kind.name)).help(way),
        );
        return None;
    }
    if let Some((value, span)) = if_exists {
        let parts = spec.texts.iter().any(|(_, t, _)| t.has_part());
        let format = spec.format.unwrap_or(Format::Jsonl);
        if kind.takes == Takes::ByFormat
            && value == IfExists::Append
            && let Err(message) = appendable(format, parts)
        {
            let (what, way) = message.split_once('\n').unwrap_or((&message, ""));
            diags.push(Diagnostic::error(code::VALUE, span, what).help(way));
        } else if kind.keeps {
            spec.if_exists = value;
        } else {
            diags.push(
                Diagnostic::error(
                    code::VALUE,
                    span,
                    format!("`{}` keeps nothing that could exist", kind.name),
                )
                .help("leave `if_exists` out"),
            );
        }
    }
    (valid && !several).then_some(spec)
}

fn kinds_note() -> String {
    let names: Vec<_> = KINDS.iter().map(|k| format!("`{}`", k.name)).collect();
    format!("the destinations are {}", names.join(", "))
}

/// Reads the keys of a destination. Whether it can be used.
fn destination(
    spec: &mut DestinationSpec,
    key: &Spanned<String>,
    node: &Node,
    diags: &mut Diagnostics,
) -> bool {
    let kind = spec.kind;
    let before = diags.0.len();
    let Some(entries) = node.as_mapping() else {
        if !node.is_invalid() {
            let e = Diagnostic::error(
                code::SHAPE,
                node.span,
                format!("`{}` takes a mapping, not {}", kind.name, node.describe()),
            );
            diags.push(match (node.as_text(), kind.keys.iter().find(|k| k.required)) {
                (Some(text), Some(k)) if !text.is_empty() => {
                    e.help(format!("write `{}: {{ {}: \"{}\" }}`", kind.name, k.name, shown(text)))
                }
                _ => e.help(format!("write `{}: {{ }}` with its keys", kind.name)),
            });
        }
        return false;
    };
    keys(spec, kind.name, "", kind.keys, key, entries, diags);
    if kind.takes == Takes::ByFormat && spec.format.is_none() && diags.0.len() == before {
        format_by_ending(spec, diags);
    }
    if kind.takes == Takes::ByFormat && diags.0.len() == before {
        file(spec, entries, diags);
    }
    diags.0.len() == before
}

/// What the keys of a file mean together.
fn file(spec: &DestinationSpec, entries: &[(Spanned<String>, Node)], diags: &mut Diagnostics) {
    let Some((_, path, span)) = spec.texts.iter().find(|t| t.0 == "path") else { return };
    if let Some((part, _)) = entries.iter().find(|(k, _)| k.value == "part")
        && !path.has_part()
    {
        diags.push(
            Diagnostic::error(code::VALUE, part.span, "`part` is for a path with `{part}`")
                .help("write `{part}` where the number goes: `path: \"out/{event}-{part}.jsonl\"`")
                .help("or leave `part` out"),
        );
    }
    let Some(format) = spec.format else { return };
    let filled = path.fill("event", "1", &|_| Some("x".into())).unwrap_or_default();
    let ending = if path.has_fixed_end() { filled.as_str() } else { "" };
    let word = spec.texts.iter().find(|t| t.0 == "compression");
    let text = word.and_then(|w| w.1.fill("", "", &|_| None).ok());
    if let Err(message) = compression(format, text.as_deref(), ending) {
        let (what, way) = message.split_once('\n').unwrap_or((&message, "leave it out"));
        let span = word.map_or(*span, |w| w.2).or(spec.span).unwrap_or_default();
        diags.push(Diagnostic::error(code::VALUE, span, what).help(way));
    }
}

/// Reads the keys of a destination (`prefix` is empty) or of a group in it.
fn keys(
    spec: &mut DestinationSpec,
    name: &str,
    prefix: &str,
    known: &'static [Key],
    here: &Spanned<String>,
    entries: &[(Spanned<String>, Node)],
    diags: &mut Diagnostics,
) {
    for (k, value) in entries {
        let Some(key) = known.iter().find(|known| known.name == k.value) else {
            if !is_ignored(&k.value) {
                diags.push(unknown(name, prefix.is_empty(), known, k, entries));
            }
            continue;
        };
        if value.is_invalid() {
            continue;
        }
        if let Some(way) = key.later {
            diags.push(
                Diagnostic::error(
                    code::LATER,
                    k.span,
                    format!("`{}` is not supported yet", key.name),
                )
                .help(way),
            );
            continue;
        }
        one(spec, key, &format!("{prefix}{}", key.name), k, value, diags);
    }
    for k in known.iter().filter(|k| k.required) {
        if !entries.iter().any(|(e, _)| e.value == k.name) {
            let example = match (k.name, spec.kind.takes) {
                ("table", _) => "table: \"{event}\"".to_owned(),
                ("path", Takes::Table) => "path: out/NAME.db".to_owned(),
                ("path", _) => "path: \"out/{event}.jsonl\"".to_owned(),
                ("brokers", _) => "brokers: \"HOST:9092\"".to_owned(),
                ("topic", _) => "topic: \"{event}\"".to_owned(),
                ("url", _) => format!("url: {}", url_example(spec.kind.name)),
                (other, _) => format!("{other}: ..."),
            };
            diags.push(
                Diagnostic::error(
                    code::MISSING_KEY,
                    here.span,
                    format!("`{name}` needs `{}`", k.name),
                )
                .help(format!("write `{name}: {{ {example} }}`")),
            );
        }
    }
}

fn url_example(kind: &str) -> &'static str {
    match kind {
        "postgres" => "\"postgres://USER@HOST/DATABASE\"",
        "mysql" => "\"mysql://USER@HOST/DATABASE\"",
        _ => "\"http://HOST/PATH\"",
    }
}

/// Reads the value of one key, whose full name is `path`.
fn one(
    spec: &mut DestinationSpec,
    key: &'static Key,
    path: &str,
    name: &Spanned<String>,
    value: &Node,
    diags: &mut Diagnostics,
) {
    match key.value {
        KeyValue::Any => {}
        KeyValue::Bool => {
            if let Some(v) = flag(value, key.name, diags) {
                spec.flags.push((path.to_owned(), v));
            }
        }
        KeyValue::Count => {
            let Some(t) = text(value, key.name, diags) else { return };
            match literal::count(t) {
                Ok(0) => diags.push(
                    Diagnostic::error(code::VALUE, value.span, format!("`{}` is 0", key.name))
                        .help("write a whole number of at least 1"),
                ),
                Ok(n) => spec.numbers.push((path.to_owned(), n)),
                Err(e) => {
                    diags.push(Diagnostic::error(code::VALUE, value.span, e.message).help(e.help))
                }
            }
        }
        KeyValue::Choice(words) => {
            let pairs: Vec<(&'static str, &'static str)> = words.iter().map(|w| (*w, *w)).collect();
            if let Some(w) = word(value, key.name, &pairs, diags) {
                spec.texts.push((path.to_owned(), Template::plain(w), Some(value.span)));
            }
        }
        KeyValue::Format(formats) => {
            if let Some(t) = text(value, key.name, diags) {
                match formats.iter().find(|f| f.name() == t) {
                    Some(format) => spec.format = Some(*format),
                    None => diags.push(wrong_format(spec.kind, formats, t, value.span)),
                }
            }
        }
        KeyValue::Template => {
            if let Some(t) = text(value, key.name, diags) {
                template(spec, path, t, value.span, diags);
            }
        }
        KeyValue::Group(known) => {
            let Some(entries) = value.as_mapping() else {
                diags.push(no_mapping(key, value));
                return;
            };
            spec.flags.push((format!("{path}."), true));
            keys(spec, key.name, &format!("{path}."), known, name, entries, diags);
        }
        KeyValue::Map => {
            let Some(entries) = value.as_mapping() else {
                diags.push(no_mapping(key, value));
                return;
            };
            for (k, v) in entries.iter().filter(|(_, v)| !v.is_invalid()) {
                if let Some(t) = text(v, &k.value, diags) {
                    // An empty text is a value here.
                    match Template::parse(t, true) {
                        Ok(t) => spec.texts.push((format!("{path}.{}", k.value), t, Some(v.span))),
                        Err(e) => diags.push(
                            Diagnostic::error(code::TEMPLATE, v.span, e.message).help(e.help),
                        ),
                    }
                }
            }
        }
    }
}

fn no_mapping(key: &Key, node: &Node) -> Diagnostic {
    let e = Diagnostic::error(
        code::VALUE,
        node.span,
        format!("`{}` is a mapping, not {}", key.name, node.describe()),
    );
    match key.value {
        KeyValue::Group(keys) => {
            let names: Vec<_> = keys.iter().map(|k| format!("`{}`", k.name)).collect();
            e.note(format!("its keys are {}", names.join(", ")))
        }
        _ => e.help(format!("write `{}: {{ NAME: \"VALUE\" }}`", key.name)),
    }
}

fn wrong_format(kind: &SinkKind, formats: &[Format], name: &str, span: Span) -> Diagnostic {
    let names: Vec<_> = formats.iter().map(|f| format!("`{}`", f.name())).collect();
    let e = Diagnostic::error(
        code::FORMAT,
        span,
        format!("`{}` is not a format of `{}`", shown(name), kind.name),
    )
    .note(format!("the formats are {}", names.join(", ")));
    match name {
        "json" | "ndjson" | "JSON" => e.help("write `jsonl`: one JSON object a line"),
        _ => match nearest(name, formats.iter().map(|f| f.name())) {
            Some(n) => e.help(format!("did you mean `{n}`?")),
            None => e,
        },
    }
}

fn template(
    spec: &mut DestinationSpec,
    key: &str,
    text: &str,
    span: Span,
    diags: &mut Diagnostics,
) {
    if text.is_empty() || text.contains('\0') {
        diags.push(
            Diagnostic::error(code::VALUE, span, format!("`{key}` is empty")).help("write a name"),
        );
        return;
    }
    match Template::parse(text, true) {
        Ok(t) if t.has_part() && !(spec.kind.takes == Takes::ByFormat && key == "path") => diags
            .push(
            Diagnostic::error(code::TEMPLATE, span, "`{part}` is for the path of a file").help(
                "leave it out, or write to files: `file: { path: \"out/{event}-{part}.jsonl\" }`",
            ),
        ),
        Ok(t) => {
            if key == "path"
                && let Some((scheme, _)) = text.split_once("://")
            {
                diags.push(object_store(scheme, span));
                return;
            }
            spec.texts.push((key.to_owned(), t, Some(span)));
        }
        Err(e) => diags.push(Diagnostic::error(code::TEMPLATE, span, e.message).help(e.help)),
    }
}

fn object_store(scheme: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        code::VALUE,
        span,
        format!("`{}://` is an object store, and those are not supported", shown(scheme)),
    )
    .help("write to a local path, and copy the files with the store's own tool")
}

fn format_by_ending(spec: &mut DestinationSpec, diags: &mut Diagnostics) {
    let Some((_, path, span)) = spec.texts.iter().find(|t| t.0 == "path") else {
        return;
    };
    if !path.has_fixed_end() {
        return;
    }
    let filled = path.fill("event", "1", &|_| Some(String::new())).unwrap_or_default();
    let span = span.or(spec.span).unwrap_or_default();
    match format_of_path(&filled) {
        Some((format, _)) => spec.format = Some(format),
        None => diags.push(
            Diagnostic::error(
                code::FORMAT,
                span,
                "the format cannot be told from the ending of the path",
            )
            .note(
                "`.jsonl` is JSON lines, `.csv` is CSV; then there are `.parquet`, `.avro` and `.arrow`, and \
                 `.jsonl.gz` or `.csv.zst` are compressed",
            )
            .help("write the format beside `path`: `format: jsonl`"),
        ),
    }
}

fn unknown(
    name_of: &str,
    outer: bool,
    known: &'static [Key],
    key: &Spanned<String>,
    entries: &[(Spanned<String>, Node)],
) -> Diagnostic {
    let name = key.value.as_str();
    let e = Diagnostic::error(
        code::UNKNOWN_KEY,
        key.span,
        format!("`{name_of}` has no key `{}`", shown(name)),
    );
    if outer && BESIDE.contains(&name) {
        return e.help(format!("`{name}` stands beside `{name_of}`, not in it"));
    }
    let free = known.iter().map(|k| k.name).filter(|k| !entries.iter().any(|(e, _)| e.value == *k));
    if let Some(n) = nearest(name, free) {
        return e.help(format!("did you mean `{n}`?"));
    }
    if known.is_empty() {
        return e.note(format!("`{name_of}` has no keys"));
    }
    let names: Vec<_> = known.iter().map(|k| format!("`{}`", k.name)).collect();
    e.note(format!("its keys are {}", names.join(", ")))
}

fn event_list(
    node: &Node,
    events: &[(String, bool)],
    diags: &mut Diagnostics,
) -> Option<Vec<Spanned<String>>> {
    let single = std::slice::from_ref(node);
    let items = match node.as_text() {
        Some(_) => single,
        None => match node.as_sequence() {
            Some(items) => items,
            None => {
                diags.push(
                    Diagnostic::error(
                        code::VALUE,
                        node.span,
                        format!("`events` is a list, not {}", node.describe()),
                    )
                    .help("write the names of events: `events: [NAME, NAME]`"),
                );
                return None;
            }
        },
    };
    if items.is_empty() {
        diags.push(
            Diagnostic::error(code::VALUE, node.span, "`events` names no event")
                .help("name events, or leave `events` out for all of them"),
        );
    }
    let mut out: Vec<Spanned<String>> = Vec::new();
    for item in items.iter().filter(|i| !i.is_invalid()) {
        let Some(name) = text(item, "events", diags) else {
            continue;
        };
        if let Some(first) = out.iter().find(|e| e.value == name) {
            diags.push(
                Diagnostic::error(
                    code::EVENT,
                    item.span,
                    format!("the event `{name}` stands twice"),
                )
                .related(first.span, "here first")
                .help("leave one out"),
            );
        } else if events.iter().any(|(e, _)| e == name) {
            out.push(Spanned::new(name.to_owned(), item.span));
        } else {
            diags.push(unknown_event(name, events.iter().map(|e| e.0.as_str()), Some(item.span)));
        }
    }
    Some(out)
}

/// The problem "there is no such event".
pub(crate) fn unknown_event<'a>(
    name: &str,
    events: impl Iterator<Item = &'a str> + Clone,
    span: Option<Span>,
) -> Diagnostic {
    let message = format!("there is no event `{}`", shown(name));
    let e = match span {
        Some(span) => Diagnostic::error(code::EVENT, span, message),
        None => Diagnostic::general(code::EVENT, message),
    };
    match nearest(name, events.clone()) {
        Some(n) => e.help(format!("did you mean `{n}`?")),
        None => {
            let names: Vec<_> = events.take(20).map(|n| format!("`{n}`")).collect();
            if names.is_empty() {
                e.note("the model has no events")
            } else {
                e.note(format!("its events are {}", names.join(", ")))
            }
        }
    }
}

const IF_EXISTS: [(&str, IfExists); 3] =
    [("error", IfExists::Error), ("replace", IfExists::Replace), ("append", IfExists::Append)];

fn word<T: Copy>(
    node: &Node,
    key: &str,
    words: &[(&'static str, T)],
    diags: &mut Diagnostics,
) -> Option<T> {
    let t = text(node, key, diags)?;
    if let Some((_, v)) = words.iter().find(|w| w.0 == t) {
        return Some(*v);
    }
    let names: Vec<_> = words.iter().map(|w| format!("`{}`", w.0)).collect();
    let e = Diagnostic::error(code::VALUE, node.span, format!("`{key}` cannot be `{}`", shown(t)))
        .note(format!("it is one of {}", names.join(", ")));
    let meant = match t {
        "overwrite" | "truncate" => Some("replace"),
        "fail" => Some("error"),
        _ => nearest(t, words.iter().map(|w| w.0)),
    };
    diags.push(match meant {
        Some(n) => e.help(format!("did you mean `{n}`?")),
        None => e,
    });
    None
}

fn flag(node: &Node, key: &str, diags: &mut Diagnostics) -> Option<bool> {
    let value = node.as_bool();
    if value.is_none() {
        diags.push(
            Diagnostic::error(code::VALUE, node.span, format!("`{key}` is true or false"))
                .help(format!("write `{key}: true` or `{key}: false`, without quotes")),
        );
    }
    value
}

fn text<'n>(node: &'n Node, key: &str, diags: &mut Diagnostics) -> Option<&'n str> {
    let t = node.as_text();
    if t.is_none() && !node.is_invalid() {
        diags.push(
            Diagnostic::error(
                code::VALUE,
                node.span,
                format!("`{key}` is text, not {}", node.describe()),
            )
            .help(
                // `path: {event}.jsonl` is read as a mapping.
                "put quotes around it: inside them braces and commas are plain characters",
            ),
        );
    }
    t
}

fn commit(node: &Node, commit: &mut Commit, diags: &mut Diagnostics) {
    let Some(entries) = node.as_mapping() else {
        diags.push(
            Diagnostic::error(
                code::VALUE,
                node.span,
                format!("`commit` is a mapping, not {}", node.describe()),
            )
            .help("write `commit: { events: 100000, every: 5s }`"),
        );
        return;
    };
    for (key, value) in entries {
        let Some(t) = (match key.value.as_str() {
            "events" | "every" => text(value, &key.value, diags),
            k if is_ignored(k) => None,
            k => {
                let e = Diagnostic::error(
                    code::UNKNOWN_KEY,
                    key.span,
                    format!("`commit` has no key `{}`", shown(k)),
                );
                diags.push(match nearest(k, ["events", "every"]) {
                    Some(n) => e.help(format!("did you mean `{n}`?")),
                    None => e.note("its keys are `events` and `every`"),
                });
                None
            }
        }) else {
            continue;
        };
        let done = if key.value == "events" {
            literal::count(t).map(|n| commit.events = n)
        } else {
            literal::duration(t).map(|ms| commit.every = Duration::from_millis(ms.unsigned_abs()))
        };
        if let Err(e) = done {
            diags.push(Diagnostic::error(code::VALUE, value.span, e.message).help(e.help));
        }
    }
    if commit.events == 0 || commit.every.is_zero() {
        diags.push(
            Diagnostic::error(code::VALUE, node.span, "`commit` needs limits above 0")
                .help("write `commit: { events: 100000, every: 5s }`"),
        );
        *commit = Commit::default();
    }
}

/// The number of events among `events` that a destination is routed.
pub(super) fn routed(spec: &DestinationSpec, events: &[(String, bool)]) -> Routed {
    let events = events
        .iter()
        .enumerate()
        .filter(|(_, (name, emitted))| {
            *emitted && spec.events.as_ref().is_none_or(|l| l.iter().any(|e| e.value == *name))
        })
        .map(|(i, _)| i)
        .collect();
    Routed { events }
}
