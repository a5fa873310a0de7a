//! Where events are emitted: their expressions are checked once for each transition that emits them,
//! and their types must agree over all of these.

use super::events::{Emission, Events, Part};
use super::population::with_article;
use super::{Compiler, Scope, list};
use crate::diag::{Diagnostic, shown};
use crate::expr::names::{Env, Place};
use crate::expr::typed::{Op, TExpr, TKind};
use crate::model::{Emit, Event, Leaf, Population};
use crate::source::Span;
use crate::spec::TransitionSpec;
use crate::value::{Base, Ty};
use std::collections::{BTreeMap, BTreeSet};

impl Compiler<'_> {
    /// The emit list of a transition at (population, state, transition).
    pub(super) fn emitted(
        &mut self,
        spec: &TransitionSpec,
        place: (usize, usize, usize),
        events: &mut Events,
        lets: Vec<(String, Ty)>,
        broken_lets: BTreeSet<String>,
        attributes: &super::population::Attributes,
    ) -> Vec<Emit> {
        if spec.emit.is_empty() {
            return Vec::new();
        }
        let params = std::mem::take(&mut self.params);
        let population = &self.spec.subjects[place.0];
        let from = population.states[place.1].name.value.as_str();
        let env = Env {
            place: Place::Event,
            population: &population.name.value,
            params: &params,
            attributes: &attributes.types,
            lets: &lets,
            trigger: &spec.trigger.value,
            from,
            to: spec.to.as_ref().map_or(from, |t| &t.value),
            hidden: &[],
            path: &[],
        };
        let broken = [&attributes.broken, &broken_lets];
        let mut earlier: BTreeMap<usize, usize> = BTreeMap::new();
        let mut out = Vec::with_capacity(spec.emit.len());
        for name in &spec.emit {
            let Some(&event) = events.index.get(&name.value) else {
                self.unknown_event(&name.value, name.span);
                continue;
            };
            let k = earlier.entry(event).or_insert(0);
            let occurrence = k.to_string();
            *k += 1;
            let outer = std::mem::take(self.diags);
            let emit = self.emission(event, &occurrence, events, env, &broken);
            let problems = std::mem::replace(self.diags, outer).0;
            let types = emit.as_ref().map(|e| types(e).collect());
            events.emissions.push(Emission {
                event,
                population: place.0,
                span: name.span,
                types,
                problems,
            });
            out.extend(emit);
        }
        self.params = params;
        out
    }

    fn unknown_event(&mut self, name: &str, span: Span) {
        let spec = self.spec;
        let d = Diagnostic::error("E0630", span, format!("there is no event `{}`", shown(name)));
        let mut d = self.suggest(d, name, spec.events.iter().map(|e| e.name.value.as_str()));
        if d.help.is_empty() {
            d = match spec.events.is_empty() {
                true => d.help(format!(
                    "define it: `events: {{ {}: {{ fields: {{ user_id: id }} }} }}`",
                    shown(name)
                )),
                false => d.help(format!(
                    "define it under `events`; there are {}",
                    list(spec.events.iter().map(|e| &e.name), 10)
                )),
            };
        }
        self.diags.push(d);
    }

    /// An event's expressions checked for one place that emits it.
    fn emission(
        &mut self,
        event: usize,
        occurrence: &str,
        events: &Events,
        env: Env,
        broken: &[&BTreeSet<String>],
    ) -> Option<Emit> {
        let info = &events.list[event];
        let name = self.spec.events[event].name.value.as_str();
        let mut check = |part: &Part, kind: Kind| {
            let mut path = vec![name, occurrence];
            path.extend(part.path.iter().map(String::as_str));
            let scope = Scope { env: Env { path: &path, ..env }, broken };
            let ast = part.ast.as_ref()?;
            match kind {
                Kind::Any => self.check(ast, &scope, None),
                Kind::Guard => self.guard(ast, part.source, &scope),
                Kind::Time => self.check(ast, &scope, Some(Ty::of(Base::Timestamp))),
            }
        };
        let when = info.when.as_ref().map(|p| check(p, Kind::Guard));
        let key = info.key.as_ref().map(|p| check(p, Kind::Any));
        let timestamp = info.timestamp.as_ref().map(|p| check(p, Kind::Time));
        let headers: Vec<_> = info.headers.iter().map(|p| check(p, Kind::Any)).collect();
        let fields: Vec<_> = info.leaves.iter().map(|p| check(p, Kind::Any)).collect();
        Some(Emit {
            event,
            when: optional(when)?,
            key: match key {
                Some(key) => key?,
                None => default_key(self.spec.events[event].name.span),
            },
            timestamp: optional(timestamp)?,
            headers: headers.into_iter().collect::<Option<_>>()?,
            fields: fields.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Reports what emitters found, brings their types together, and makes the events of the model.
    pub(super) fn emits(
        &mut self,
        events: Events,
        mut populations: Vec<Option<Population>>,
    ) -> Option<(Vec<Event>, Vec<Option<Population>>)> {
        let mut by_event: Vec<Vec<Emission>> = events.list.iter().map(|_| Vec::new()).collect();
        events.emissions.into_iter().for_each(|e| by_event[e.event].push(e));
        let mut out = Vec::with_capacity(events.list.len());
        for ((info, mut emissions), spec) in
            events.list.into_iter().zip(by_event).zip(&self.spec.events)
        {
            let name = spec.name.value.clone();
            let files = spec.schema.iter();
            let schema: Vec<_> = files.map(|(k, v)| (k.value.clone(), v.value.clone())).collect();
            self.problems(&name, &mut emissions);
            let sharing: BTreeSet<usize> = emissions.iter().map(|e| e.population).collect();
            if info.key_is_id && sharing.len() > 1 {
                let mut names = sharing.iter().map(|p| &self.spec.subjects[*p].name);
                let list = list(&mut names, 5);
                let place = info.key.as_ref().map_or(spec.name.span, |k| k.source);
                let d = Diagnostic::warning(
                    "W0604",
                    place,
                    format!("several populations emit `{}` with the same keys", shown(&name)),
                );
                self.diags.push(d.note(format!("ids begin at 0 in each of {list}")).help(
                    "if the key must tell them apart, write `key: population + '/' + string(id)`",
                ));
            }
            if emissions.is_empty() {
                out.push(Event {
                    name,
                    fields: Vec::new(),
                    leaves: Vec::new(),
                    headers: Vec::new(),
                    key: Ty::of(Base::String),
                    schema: schema.clone(),
                    emitted: false,
                });
                continue;
            }
            let Some(all) = self.agree(&name, &emissions, &info.leaves, spec) else {
                // The shape is not known; there was an error.
                out.push(Event {
                    name,
                    fields: Vec::new(),
                    leaves: Vec::new(),
                    headers: Vec::new(),
                    key: Ty::of(Base::String),
                    schema: schema.clone(),
                    emitted: true,
                });
                continue;
            };
            let headers = spec.headers.len();
            out.push(Event {
                name,
                fields: info.fields,
                leaves: info
                    .columns
                    .into_iter()
                    .zip(&all[1 + headers..])
                    .map(|(column, ty)| Leaf { column, ty: *ty })
                    .collect(),
                headers: spec
                    .headers
                    .iter()
                    .zip(&all[1..])
                    .map(|((n, _), ty)| (n.value.clone(), *ty))
                    .collect(),
                key: all[0],
                schema,
                emitted: true,
            });
        }
        if self.diags.has_errors() {
            return None;
        }
        let transitions = populations
            .iter_mut()
            .flatten()
            .flat_map(|p| &mut p.states)
            .flat_map(|s| &mut s.transitions);
        for emit in transitions.flat_map(|t| &mut t.emits) {
            let event = &out[emit.event];
            widen(&mut emit.key, event.key);
            emit.headers.iter_mut().zip(&event.headers).for_each(|(e, (_, ty))| widen(e, *ty));
            emit.fields.iter_mut().zip(&event.leaves).for_each(|(e, leaf)| widen(e, leaf.ty));
        }
        Some((out, populations))
    }

    /// Problems that every emitter has are the event's; others belong to the place that emits.
    fn problems(&mut self, event: &str, emissions: &mut [Emission]) {
        let Some(first) = emissions.first() else {
            return;
        };
        if emissions.iter().all(|e| e.problems == first.problems) {
            let at = first.span;
            for d in std::mem::take(&mut emissions[0].problems) {
                self.diags.push(d.related(at, "emitted here"));
            }
            return;
        }
        for emission in emissions {
            for d in std::mem::take(&mut emission.problems) {
                let mut moved = Diagnostic::error(
                    "E0631",
                    emission.span,
                    format!("`{}` cannot be emitted here: {}", shown(event), d.message),
                );
                if let Some(place) = d.span {
                    moved = moved.related(
                        place,
                        if d.label.is_empty() { "read here".to_owned() } else { d.label },
                    );
                }
                moved.notes = d.notes;
                let unknown = matches!(d.code, "E0401" | "E0402");
                moved.help = if unknown {
                    vec!["give this transition such a `let` too, or emit another event".to_owned()]
                } else {
                    d.help
                };
                self.diags
                    .push(moved.note("an event is checked for each transition that emits it"));
            }
        }
    }

    /// The types of key, headers and leaves over all emitters: one base, null where one may be null.
    fn agree(
        &mut self,
        event: &str,
        emissions: &[Emission],
        leaves: &[Part],
        spec: &crate::spec::EventSpec,
    ) -> Option<Vec<Ty>> {
        let mut known = emissions.iter().filter_map(|e| Some((e.span, e.types.as_ref()?)));
        let (first, types) = known.next()?;
        let mut all = types.clone();
        let mut reported = vec![false; all.len()];
        for (span, types) in known {
            for (i, ty) in types.iter().enumerate() {
                if ty.base == all[i].base {
                    all[i].nullable |= ty.nullable;
                } else if !reported[i] {
                    reported[i] = true;
                    let headers = spec.headers.len();
                    let (what, place) = match i {
                        0 => ("the key".to_owned(), spec.key.as_ref().map(|k| k.span)),
                        i if i <= headers => (
                            format!("the header `{}`", spec.headers[i - 1].0.value),
                            Some(spec.headers[i - 1].1.span),
                        ),
                        i => {
                            let leaf = &leaves[i - 1 - headers];
                            (format!("`{}`", shown(&leaf.path[1..].join("."))), Some(leaf.source))
                        }
                    };
                    let here = with_article(Ty::of(ty.base));
                    let d = Diagnostic::error(
                        "E0632",
                        span,
                        format!(
                            "{what} of `{}` has another type here than elsewhere",
                            shown(event)
                        ),
                    )
                    .label(format!("{here} here"))
                    .related(first, format!("{} here", with_article(Ty::of(all[i].base))));
                    let d = match place {
                        Some(place) => d.related(place, "its value"),
                        None => d,
                    };
                    self.diags.push(d.help(
                        "convert it, such as with `double(x)` or `string(x)`, or use two events",
                    ));
                }
            }
        }
        Some(all)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Any,
    Guard,
    Time,
}

/// Nothing to check is fine; something that failed is not.
fn optional(checked: Option<Option<TExpr>>) -> Option<Option<TExpr>> {
    match checked {
        Some(None) => None,
        Some(expr) => Some(expr),
        None => Some(None),
    }
}

/// Types in the order of [`Compiler::agree`].
fn types(emit: &Emit) -> impl Iterator<Item = Ty> + '_ {
    std::iter::once(&emit.key).chain(&emit.headers).chain(&emit.fields).map(|e| e.ty)
}

/// `string(id)`.
fn default_key(span: Span) -> TExpr {
    let id = TExpr { kind: TKind::Id, ty: Ty::of(Base::Int), span };
    TExpr { kind: TKind::Op(Op::IntToString, vec![id]), ty: Ty::of(Base::String), span }
}

fn widen(expr: &mut TExpr, ty: Ty) {
    if ty.nullable && !expr.ty.nullable {
        let span = expr.span;
        let inner = std::mem::replace(expr, TExpr { kind: TKind::Id, ty, span });
        expr.kind = TKind::Widen(Box::new(inner));
    }
}
