//! From destinations to outputs: which events go where, under which name, in which form.

use super::check::routed;
use super::{DestinationSpec, Output, OutputKind, code, format_of_path};
use crate::format::TextFormat;
use crate::sink::{Context, Identity, IfExists, Make, Settings, Takes};
use doge_core::diag::{Diagnostic, Diagnostics};
use doge_core::model::Model;
use doge_core::source::Span;
use std::collections::BTreeMap;

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
    format: TextFormat,
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
                    settings.texts.insert(key, text);
                }
                Err(name) => problems.push(unset(spec, *span, &name)),
            }
        }
        settings.flags.extend(spec.flags.iter().copied());
        let format = match spec.format {
            Some(f) => f,
            None if spec.kind.name != "file" => TextFormat::Jsonl,
            None => match format_of_path(settings.text("path")) {
                Some(Ok(f)) => f,
                // The path is not known, or not yet.
                _ if checking || !problems.is_empty() => TextFormat::Jsonl,
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
                        .help("write `format: jsonl` or `format: csv` beside `path`"),
                    );
                    TextFormat::Jsonl
                }
            },
        };
        let text = spec.kind.takes == Takes::Text;
        let envelope = match &spec.envelope {
            Some(e) if e.value && (!text || format == TextFormat::Csv) => {
                let what = if text { "CSV" } else { spec.kind.name };
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
            None => text && format == TextFormat::Jsonl && !per_event && mixed > 1,
        };
        let single = spec.kind.takes == Takes::Table || (text && format == TextFormat::Csv);
        if single && !per_event && mixed > 1 {
            problems.push(mixing(spec, events, &all));
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

fn mixing(spec: &DestinationSpec, events: &[(String, bool)], all: &[usize]) -> Diagnostic {
    let names: Vec<_> = all.iter().take(4).map(|i| events[*i].0.as_str()).collect();
    let more = if all.len() > 4 { ", ..." } else { "" };
    let (what, key) = match spec.kind.takes {
        Takes::Table => ("a table holds one event", "table"),
        _ => ("CSV holds one event", "path"),
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
        let if_exists = if spec.kind.keeps {
            request.if_exists.unwrap_or(spec.if_exists)
        } else {
            IfExists::Error
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
        for target in targets {
            let one =
                (spec.kind.takes == Takes::Table).then(|| &request.model.events[target.events[0]]);
            let mut context =
                Context { if_exists, format: target.format, event: one, shared: &mut shared };
            let made = match make(&target.settings, &mut context) {
                Ok(made) => made,
                Err(message) => {
                    diags.push(spec.problem(code::MAKE, None, message).help("write another name"));
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
                kind: match spec.kind.takes {
                    Takes::Text => {
                        OutputKind::Text { format: target.format, envelope: target.envelope }
                    }
                    Takes::Table | Takes::Records => OutputKind::Records,
                    Takes::Nothing => OutputKind::Nothing,
                },
                commit: spec.commit,
                is_stdout,
                sink: made.sink,
            });
        }
    }
    if diags.has_errors() { Err(diags) } else { Ok(outputs) }
}
