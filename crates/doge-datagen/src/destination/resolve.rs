//! From destinations to outputs: which events go where, under which name, in which form.

use super::check::routed;
use super::{DestinationSpec, Output, OutputKind, code, format_of_path};
use crate::format::{Format, TextFormat};
use crate::sink::{Context, Identity, IfExists, Make, Meter, Settings, Takes};
use doge_core::diag::{Diagnostic, Diagnostics};
use doge_core::model::Model;
use doge_core::source::Span;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What outputs are made from.
pub struct Request<'a> {
    /// The destinations of the run.
    pub destinations: &'a [DestinationSpec],
    /// The model.
    pub model: &'a Model,
    /// The events chosen by `--events`; `None`: all.
    pub selected: Option<&'a [bool]>,
    /// `--if-exists`.
    pub if_exists: Option<IfExists>,
    /// Shard, from 1, and number of shards.
    pub shard: (u64, u64),
    /// Whether the run goes on from where an earlier one stopped.
    pub resume: bool,
    /// Where relative paths of the model's own files begin.
    pub folder: &'a Path,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The events that are routed to a destination, by index.
pub(super) struct Routed {
    pub events: Vec<usize>,
}

/// One output before its sink is made.
struct Target {
    settings: Settings,
    events: Vec<usize>,
    format: Format,
    envelope: bool,
}

/// The rules that need no environment and no model, for [`check`](super::check()).
pub(super) fn check_targets(
    specs: &[DestinationSpec],
    events: &[(String, bool)],
    diags: &mut Diagnostics,
) {
    // A variable stands for itself: two paths that begin with the same one are comparable.
    let environment = |name: &str| Some(format!("${{{name}}}"));
    let mut seen: Vec<(&DestinationSpec, Settings)> = Vec::new();
    for spec in specs {
        let targets = match targets(spec, events, None, (1, 1), &environment, true) {
            Ok(targets) => targets,
            Err(problems) => {
                problems.into_iter().for_each(|p| diags.push(p));
                continue;
            }
        };
        for target in targets {
            let device = crate::sink::is_device(target.settings.text("path"));
            // Only what both have: `http` may be told the same address twice.
            let device = device || spec.kind.name == "http";
            if !device && (!target.settings.texts.is_empty() || spec.kind.name == "stdout") {
                let same = |(s, t): &&(&DestinationSpec, Settings)| {
                    s.kind.name == spec.kind.name && t.texts == target.settings.texts
                };
                if let Some((first, _)) = seen.iter().find(same) {
                    diags.push(same_place(spec, first, &place(&target.settings)));
                    break;
                }
                seen.push((spec, target.settings));
            }
        }
    }
}

fn place(settings: &Settings) -> String {
    match (settings.text("path"), settings.text("table")) {
        ("", _) if settings.get("topic").is_some() => format!("topic {}", settings.text("topic")),
        ("", _) => "standard output".into(),
        (path, "") => path.into(),
        (path, table) => format!("{path} table {table}"),
    }
}

fn same_place(spec: &DestinationSpec, first: &DestinationSpec, place: &str) -> Diagnostic {
    let e = spec.problem(code::SAME_PLACE, None, format!("two outputs would write to {place}"));
    match first.span {
        Some(span) if spec.span == first.span => e.related(span, "both of this sink"),
        Some(span) => e.related(span, "the other one"),
        None => e,
    }
    .help("give each its own path or table, or put the events into one sink")
}

/// The outputs of one destination. While `checking` a path may end in a variable that nobody knows yet.
fn targets(
    spec: &DestinationSpec,
    events: &[(String, bool)],
    selected: Option<&[bool]>,
    shard: (u64, u64),
    environment: &dyn Fn(&str) -> Option<String>,
    checking: bool,
) -> Result<Vec<Target>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let all = routed(spec, events).events;
    let chosen: Vec<usize> =
        all.iter().copied().filter(|i| selected.is_none_or(|s| s[*i])).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    // The model's sinks look the same whatever `--events` says.
    let mixed = if spec.span.is_some() { all.len() } else { chosen.len() };
    let per_event = spec.per_event();
    let groups: Vec<Vec<usize>> =
        if per_event { chosen.iter().map(|i| vec![*i]).collect() } else { vec![chosen] };
    let shard_text = format!("{:0width$}", shard.0, width = shard.1.to_string().len());
    let mut out = Vec::new();
    for group in groups {
        let mut settings = Settings::default();
        for (key, template, span) in &spec.texts {
            match template.fill(&events[group[0]].0, &shard_text, environment) {
                Ok(text) => {
                    settings.texts.insert(key.clone(), text);
                }
                Err(name) => problems.push(unset(spec, *span, &name)),
            }
        }
        settings.flags.extend(spec.flags.iter().cloned());
        settings.numbers.extend(spec.numbers.iter().cloned());
        let format = match spec.format {
            Some(f) => f,
            None if spec.kind.name != "file" => Format::Jsonl,
            None => match format_of_path(settings.text("path")) {
                Some((f, _)) => f,
                // The path is not known, or not yet.
                _ if checking || !problems.is_empty() => Format::Jsonl,
                _ => {
                    problems.push(
                        spec.problem(
                            code::FORMAT,
                            None,
                            format!(
                                "the format of {} cannot be told from its ending",
                                settings.text("path")
                            ),
                        )
                        .help("write the format beside `path`: `format: jsonl`"),
                    );
                    Format::Jsonl
                }
            },
        };
        let text = match spec.kind.takes {
            Takes::Text => true,
            Takes::ByFormat => format.text().is_some(),
            _ => false,
        };
        let csv = format == Format::Csv;
        let envelope = match &spec.envelope {
            Some(e) if e.value && (!text || csv) => {
                let what = match (csv && text, spec.kind.takes) {
                    (true, _) => "CSV",
                    (false, Takes::ByFormat) => format.name(),
                    (false, _) => spec.kind.name,
                };
                problems.push(
                    spec.problem(
                        code::ENVELOPE,
                        Some(e.span),
                        format!("`envelope` is for JSON lines, not for {what}"),
                    )
                    .help("leave it out"),
                );
                false
            }
            Some(e) => e.value,
            None => text && !csv && !per_event && mixed > 1,
        };
        let single = match spec.kind.takes {
            Takes::Table => true,
            Takes::ByFormat => format != Format::Jsonl,
            Takes::Text => csv,
            _ => false,
        };
        if single && !per_event && mixed > 1 {
            problems.push(mixing(spec, events, &all, format));
        }
        out.push(Target { settings, events: group, format, envelope });
    }
    if problems.is_empty() {
        return Ok(out);
    }
    // One message for what every event's output repeats.
    problems.dedup_by(|a, b| {
        a.code == b.code && a.span == b.span && (a.code != code::FORMAT || a.message == b.message)
    });
    Err(problems)
}

fn unset(spec: &DestinationSpec, span: Option<Span>, name: &str) -> Diagnostic {
    spec.problem(code::UNSET, span, format!("the variable {name} is not set")).help(format!(
        "set it: `export {name}=...`, or write a default in the model: `${{{name}:-DEFAULT}}`"
    ))
}

fn mixing(
    spec: &DestinationSpec,
    events: &[(String, bool)],
    all: &[usize],
    format: Format,
) -> Diagnostic {
    let names: Vec<_> = all.iter().take(4).map(|i| events[*i].0.as_str()).collect();
    let more = if all.len() > 4 { ", ..." } else { "" };
    let (what, key) = match spec.kind.takes {
        Takes::Table => ("a table holds one event".to_owned(), "table"),
        _ if format == Format::Csv => ("CSV holds one event".to_owned(), "path"),
        _ => (format!("a file of {} holds one event", format.name()), "path"),
    };
    let e = spec.problem(
        code::MIXED,
        None,
        format!("{what}, and {} would go there: {}{more}", all.len(), names.join(", ")),
    );
    if spec.span.is_some() {
        e.help(format!(
            "write `{{event}}` in `{key}` for one per event, or choose one: `events: [{}]`",
            names[0]
        ))
    } else {
        e.help(format!("write {{event}} in the path, or choose one event: --events {}", names[0]))
    }
}

/// Makes the outputs of a run. Opens nothing.
///
/// # Errors
/// Every problem of every destination: a variable that is not set, two outputs in one place, events that
/// cannot share a destination, shards that would replace each other.
pub fn resolve(request: &Request<'_>) -> Result<Vec<Output>, Diagnostics> {
    let mut diags = Diagnostics::default();
    let events: Vec<_> = request.model.events.iter().map(|e| (e.name.clone(), e.emitted)).collect();
    let mut shared = BTreeMap::new();
    let mut outputs: Vec<Output> = Vec::new();
    let mut places: Vec<(usize, Identity)> = Vec::new();
    for (index, spec) in request.destinations.iter().enumerate() {
        let Make::Now(make) = spec.kind.make else {
            if let Make::Later(what, way) = spec.kind.make {
                diags.push(
                    spec.problem(code::LATER, None, format!("`{}` {what}", spec.kind.name))
                        .help(way),
                );
            }
            continue;
        };
        let if_exists = match request.if_exists.unwrap_or(spec.if_exists) {
            _ if !spec.kind.keeps => IfExists::Error,
            // A file that cannot go on begins anew, and takes the place of what the same run had finished.
            IfExists::Error if request.resume && !spec.resumable() => IfExists::Replace,
            how => how,
        };
        let targets = match targets(
            spec,
            &events,
            request.selected,
            request.shard,
            request.environment,
            false,
        ) {
            Ok(targets) => targets,
            Err(problems) => {
                problems.into_iter().for_each(|p| diags.push(p));
                continue;
            }
        };
        let has_shard = spec.texts.iter().any(|(_, t, _)| t.has_shard());
        if request.shard.1 > 1
            && if_exists == IfExists::Replace
            && !has_shard
            && !targets.is_empty()
        {
            diags.push(
                spec.problem(
                    code::SHARD,
                    None,
                    "each shard would replace what the others have written",
                )
                .help("write `{shard}` in the path, or `if_exists: error`"),
            );
            continue;
        }
        let mut refused: Vec<String> = Vec::new();
        for target in targets {
            let all: Vec<_> =
                target.events.iter().map(|i| (*i, &request.model.events[*i])).collect();
            let text = match spec.kind.takes {
                Takes::Text => Some(target.format.text().unwrap_or(TextFormat::Jsonl)),
                Takes::ByFormat => target.format.text(),
                _ => None,
            };
            let table = spec.kind.takes == Takes::Table
                || (spec.kind.takes == Takes::ByFormat && text.is_none());
            let mut context = Context {
                if_exists,
                format: target.format,
                event: table.then(|| all[0].1),
                events: &all,
                shard: request.shard,
                commit: spec.commit,
                folder: request.folder,
                shared: &mut shared,
            };
            let made = match make(&target.settings, &mut context) {
                Ok(made) => made,
                // What is wrong with a destination is told once, not for each of its outputs.
                Err(message) if refused.contains(&message) => continue,
                Err(message) => {
                    refused.push(message.clone());
                    // A message may end with its way out.
                    let cut = [": write ", ": leave "].iter().find_map(|w| message.find(w));
                    let (what, way) = match (message.split_once('\n'), cut) {
                        (Some(parts), _) => parts,
                        (None, Some(at)) => (&message[..at], &message[at + 2..]),
                        (None, None) => (message.as_str(), "write another name"),
                    };
                    diags.push(spec.problem(code::MAKE, None, what).help(way));
                    continue;
                }
            };
            if let Some((first, _)) = places.iter().find(|(_, p)| p.clashes(&made.identity)) {
                diags.push(same_place(spec, &request.destinations[*first], &made.place));
                continue;
            }
            let is_stdout = made.identity == Identity::Stdout;
            places.push((index, made.identity));
            let mut marks = vec![false; events.len()];
            target.events.iter().for_each(|i| marks[*i] = true);
            outputs.push(Output {
                name: spec.name.clone(),
                place: made.place,
                events: marks,
                kind: match (spec.kind.takes, text) {
                    (_, Some(format)) => OutputKind::Text { format, envelope: target.envelope },
                    (Takes::Nothing, None) => OutputKind::Nothing,
                    (Takes::Messages, None) => OutputKind::Messages,
                    (_, None) => OutputKind::Records,
                },
                commit: spec.commit,
                resumable: spec.resumable(),
                meter: Arc::new(Meter::default()),
                is_stdout,
                sink: made.sink,
            });
        }
    }
    if diags.has_errors() { Err(diags) } else { Ok(outputs) }
}
