//! A population: attributes in order, states, transitions.

use super::events::Events;
use super::{Compiler, Scope, list, names};
use crate::diag::{Diagnostic, shown};
use crate::draw;
use crate::expr::ast::Ast;
use crate::expr::names::{Env, Hidden, Place};
use crate::expr::typed::{Op, TExpr, TKind};
use crate::model::{Attribute, Let, PERCENT_100, Population, Probability, State, Transition};
use crate::source::{Span, Spanned};
use crate::spec::{ExprSource, PopulationSpec, ProbabilitySpec, StateSpec, TransitionSpec};
use crate::value::{Base, Ty, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The attributes of a population as expressions see them.
#[derive(Default)]
pub(super) struct Attributes {
    /// Names and types; those in `broken` have no meaningful type.
    pub types: Vec<(String, Ty)>,
    pub broken: BTreeSet<String>,
    index: BTreeMap<String, usize>,
}

/// The `let`s of a transition (`None` where one has an error), their types, and those with an error.
type Lets = (Option<Vec<Let>>, Vec<(String, Ty)>, BTreeSet<String>);

impl Compiler<'_> {
    /// A population, or `None` where it has an error. Its emissions are collected in `events`.
    pub(super) fn population(
        &mut self,
        number: usize,
        spec: &PopulationSpec,
        events: &mut Events,
    ) -> Option<Population> {
        let name = &spec.name.value;
        if spec.count.is_none() {
            let d = Diagnostic::error(
                "E0205",
                spec.name.span,
                format!("the population `{}` has no `count`", shown(name)),
            );
            self.diags.push(d.help("write how many subjects there are: `count: 10`"));
        }
        let (attributes, inits) = self.attributes(spec);
        let states: BTreeMap<&str, usize> =
            spec.states.iter().enumerate().map(|(i, s)| (s.name.value.as_str(), i)).collect();
        let initial = match &spec.initial {
            None => Some(0),
            Some(initial) => {
                let index = states.get(initial.value.as_str()).copied();
                if index.is_none() {
                    let d = Diagnostic::error(
                        "E0605",
                        initial.span,
                        format!("`{}` has no state `{}`", shown(name), shown(&initial.value)),
                    );
                    let d = self.suggest(
                        d,
                        &initial.value,
                        spec.states.iter().map(|s| s.name.value.as_str()),
                    );
                    self.diags.push(no_help(d, || {
                        format!("its states are {}", list(spec.states.iter().map(|s| &s.name), 10))
                    }));
                }
                index
            }
        };
        let mut out = Vec::with_capacity(spec.states.len());
        let mut whole = true;
        for (from, state) in spec.states.iter().enumerate() {
            let transitions: Vec<Option<Transition>> = state
                .transitions
                .iter()
                .enumerate()
                .map(|(i, t)| {
                    let place = (number, from, i);
                    self.transition(spec, state, place, t, &attributes, &states, events)
                })
                .collect();
            self.sum(state, &transitions);
            let wait_site = draw::site(&[&state.name.value, "#wait"]);
            let choice_site = draw::site(&[&state.name.value, "#choice"]);
            match transitions.into_iter().collect::<Option<Vec<_>>>() {
                Some(transitions) => out.push(State {
                    name: state.name.value.clone(),
                    transitions,
                    wait_site,
                    choice_site,
                }),
                None => whole = false,
            }
        }
        let attributes = inits.into_iter().collect::<Option<Vec<_>>>();
        if !whole || spec.states.is_empty() {
            return None;
        }
        Some(Population {
            name: name.clone(),
            count: spec.count.as_ref()?.value,
            attributes: attributes?,
            states: out,
            initial: initial?,
        })
    }

    fn attributes(&mut self, spec: &PopulationSpec) -> (Attributes, Vec<Option<Attribute>>) {
        let mut out = Attributes::default();
        // `balance-total` was reported as no name; in expressions it is a difference of two.
        let dashed = spec.attributes.iter().filter(|(n, _)| n.value.contains('-'));
        out.broken.extend(dashed.flat_map(|(n, _)| n.value.split('-')).map(str::to_owned));
        let mut inits = Vec::with_capacity(spec.attributes.len());
        let asts: Vec<Option<Ast>> = spec.attributes.iter().map(|(_, e)| self.parse(e)).collect();
        // What stands below is hidden; a slice of it from the attribute on is what it cannot see.
        let below =
            |n: &str| format!("`{}` stands below; an attribute sees only those above it", shown(n));
        let mut hidden: Vec<Hidden> = spec
            .attributes
            .iter()
            .map(|(n, _)| Hidden {
                name: n.value.clone(),
                reason: below(&n.value),
                help: format!("move `{}` above this attribute", shown(&n.value)),
            })
            .collect();
        for (i, (name, _)) in spec.attributes.iter().enumerate() {
            let text = name.value.as_str();
            if let Some(why) = names::reserved(text) {
                let d = Diagnostic::error(
                    "E0603",
                    name.span,
                    format!("an attribute cannot be called `{}`", shown(text)),
                );
                self.diags.push(d.note(why).help("give it another name"));
            }
            hidden[i].reason =
                format!("`{}` has no value yet: this is its initial value", shown(text));
            hidden[i].help =
                "write the value with which it begins; transitions change it under `set`"
                    .to_owned();
            if let Some(ast) = &asts[i] {
                for j in cyclic(&spec.attributes, &asts, ast, i) {
                    let (other, text) = (shown(&hidden[j].name), shown(text));
                    hidden[j].reason = format!("`{other}` is itself computed from `{text}`");
                    hidden[j].help = format!(
                        "give one of them a value that does not read the other, such as `{text}: 0`"
                    );
                }
            }
            let path = ["attributes", text];
            let mut env = Env::attribute(&spec.name.value, &[], &out.types, &path);
            let params = std::mem::take(&mut self.params);
            env.params = &params;
            env.hidden = &hidden[i..];
            let scope = Scope { env, broken: &[&out.broken] };
            let init = asts[i].as_ref().and_then(|ast| self.check(ast, &scope, None));
            self.params = params;
            if init.is_none() {
                out.broken.insert(name.value.clone());
            }
            let ty = init.as_ref().map_or(Ty::of(Base::Int), |e| e.ty);
            out.index.insert(name.value.clone(), i);
            out.types.push((name.value.clone(), ty));
            inits.push(init.map(|init| Attribute { name: name.value.clone(), ty, init }));
        }
        (out, inits)
    }

    #[allow(clippy::too_many_arguments, reason = "what a transition is checked against")]
    fn transition(
        &mut self,
        population: &PopulationSpec,
        state: &StateSpec,
        place: (usize, usize, usize),
        spec: &TransitionSpec,
        attributes: &Attributes,
        states: &BTreeMap<&str, usize>,
        events: &mut Events,
    ) -> Option<Transition> {
        let trigger = spec.trigger.value.as_str();
        if trigger == "created" {
            let d = Diagnostic::error(
                "E0603",
                spec.trigger.span,
                "a transition cannot be called `created`",
            );
            self.diags.push(
                d.note("`created` is kept for a later version of the language")
                    .help("give it another name"),
            );
        }
        let to = match &spec.to {
            None => Some(place.1),
            Some(to) => {
                let index = states.get(to.value.as_str()).copied();
                if index.is_none() {
                    let d = Diagnostic::error(
                        "E0606",
                        to.span,
                        format!(
                            "`{}` has no state `{}`",
                            shown(&population.name.value),
                            shown(&to.value)
                        ),
                    );
                    let d = self.suggest(
                        d,
                        &to.value,
                        population.states.iter().map(|s| s.name.value.as_str()),
                    );
                    self.diags.push(no_help(d, || {
                        format!(
                            "its states are {}",
                            list(population.states.iter().map(|s| &s.name), 10)
                        )
                    }));
                }
                index
            }
        };
        let params = std::mem::take(&mut self.params);
        let from = state.name.value.as_str();
        let env = Env {
            place: Place::Let,
            population: &population.name.value,
            params: &params,
            attributes: &attributes.types,
            lets: &[],
            trigger,
            from,
            to: spec.to.as_ref().map_or(from, |t| &t.value),
            hidden: &[],
            path: &[],
        };
        let probability = self.probability(spec, env, attributes);
        let (lets, let_types, broken_lets) = self.lets(spec, env, attributes);
        let broken = [&attributes.broken, &broken_lets];
        let when_path = [from, trigger, "when"];
        let when = spec.when.as_ref().map(|source| {
            let env = Env { place: Place::When, lets: &let_types, path: &when_path, ..env };
            self.when(source, &Scope { env, broken: &broken })
        });
        let set = self.set(
            spec,
            population,
            attributes,
            Env { place: Place::Set, lets: &let_types, ..env },
            &broken,
        );
        self.params = params;
        let emits = self.emitted(spec, place, events, let_types, broken_lets, attributes);
        let span = spec.when.as_ref().map_or(spec.trigger.span, |w| w.span);
        Some(Transition {
            trigger: trigger.to_owned(),
            to: to?,
            probability: probability?,
            lets: lets?,
            when: match when {
                Some(when) => Some(when?),
                None => None,
            },
            set: set?,
            emits,
            span,
        })
    }

    /// A guard: a bool. `code` and wording are shared with an event's `when`.
    pub(super) fn when(&mut self, source: &ExprSource, scope: &Scope) -> Option<TExpr> {
        let ast = self.parse(source)?;
        self.guard(&ast, source.span, scope)
    }

    pub(super) fn guard(&mut self, ast: &Ast, span: Span, scope: &Scope) -> Option<TExpr> {
        let expr = self.check(ast, scope, None)?;
        if expr.ty == Ty::of(Base::Bool) {
            return Some(expr);
        }
        let text = shown(ast.source.text.trim());
        let d = Diagnostic::error(
            "E0607",
            span,
            format!("`when` must be a bool, but this is {}", with_article(expr.ty)),
        );
        self.diags.push(match (expr.ty.base, expr.ty.nullable) {
            (Base::Bool, true) => d.help(format!("say what null means: `coalesce({text}, false)`")),
            (_, true) => d.help(format!("compare it: `{text} != null`")),
            (Base::Int, _) => d.help(format!("compare it: `{text} > 0`")),
            (Base::Double, _) => d.help(format!("compare it: `{text} > 0.0`")),
            (Base::String, _) => d.help(format!("compare it: `{text} != ''`")),
            _ => d.help("compare it with something"),
        });
        None
    }

    fn probability(
        &mut self,
        spec: &TransitionSpec,
        env: Env,
        attributes: &Attributes,
    ) -> Option<Probability> {
        match &spec.probability.as_ref()?.value {
            ProbabilitySpec::Literal(units) => Some(Probability::Literal(*units)),
            ProbabilitySpec::Expr(source) => {
                let ast = self.parse(source)?;
                let hidden: Vec<Hidden> = spec
                    .lets
                    .iter()
                    .map(|(n, _)| Hidden {
                        name: n.value.clone(),
                        reason: format!(
                            "`{}` is a `let`: it exists only once the transition is attempted",
                            shown(&n.value)
                        ),
                        help: "a probability reads `id`, attributes and `params`".to_owned(),
                    })
                    .collect();
                let env = Env {
                    params: env.params,
                    hidden: &hidden,
                    ..Env::probability(env.population, &[], env.attributes)
                };
                let expr = self.check(&ast, &Scope { env, broken: &[&attributes.broken] }, None)?;
                let expr = match (expr.ty.base, expr.ty.nullable) {
                    (Base::Double, false) => expr,
                    (Base::Int, false) => to_double(expr),
                    _ => {
                        let d = Diagnostic::error(
                            "E0608",
                            source.span,
                            format!(
                                "`probability` is a number in percent, but this is {}",
                                with_article(expr.ty)
                            ),
                        );
                        self.diags.push(d.help("write an int or a double, such as `5 + 2 * params.boost`, or a literal, such as `5%`"));
                        return None;
                    }
                };
                Some(Probability::Expr(expr))
            }
        }
    }

    fn lets(&mut self, spec: &TransitionSpec, env: Env, attributes: &Attributes) -> Lets {
        let (mut out, mut types, mut broken) = (Vec::new(), Vec::new(), BTreeSet::new());
        let below =
            |n: &str| format!("`{}` stands below; a `let` sees only those above it", shown(n));
        let mut hidden: Vec<Hidden> = spec
            .lets
            .iter()
            .map(|(n, _)| Hidden {
                name: n.value.clone(),
                reason: below(&n.value),
                help: format!("move `{}` above this `let`", shown(&n.value)),
            })
            .collect();
        for (i, (name, source)) in spec.lets.iter().enumerate() {
            let text = name.value.as_str();
            hidden[i].reason =
                format!("`{}` has no value yet: this is its definition", shown(text));
            hidden[i].help =
                "a `let` is not changed; give the new value a name of its own".to_owned();
            if let Some(why) = names::reserved(text) {
                let d = Diagnostic::error(
                    "E0603",
                    name.span,
                    format!("a `let` cannot be called `{}`", shown(text)),
                );
                self.diags.push(d.note(why).help("give it another name"));
            } else if attributes.index.contains_key(text) {
                let d = Diagnostic::error(
                    "E0604",
                    name.span,
                    format!("`{}` is an attribute already", shown(text)),
                );
                self.diags.push(
                    d.note("a `let` lives for one transition; it cannot hide an attribute")
                        .help("give the `let` another name, or change the attribute under `set`"),
                );
            }
            let path = [env.from, env.trigger, "let", text];
            let ast = self.parse(source);
            let expr = ast.and_then(|ast| {
                let env = Env { lets: &types, hidden: &hidden[i..], path: &path, ..env };
                self.check(&ast, &Scope { env, broken: &[&attributes.broken, &broken] }, None)
            });
            if expr.is_none() {
                broken.insert(name.value.clone());
            }
            types.push((name.value.clone(), expr.as_ref().map_or(Ty::of(Base::Int), |e| e.ty)));
            out.push(expr.map(|expr| Let { name: name.value.clone(), ty: expr.ty, expr }));
        }
        (out.into_iter().collect(), types, broken)
    }

    fn set(
        &mut self,
        spec: &TransitionSpec,
        population: &PopulationSpec,
        attributes: &Attributes,
        env: Env,
        broken: &[&BTreeSet<String>],
    ) -> Option<Vec<(usize, TExpr)>> {
        let mut out = Vec::with_capacity(spec.set.len());
        for (name, source) in &spec.set {
            let text = name.value.as_str();
            let path = [env.from, env.trigger, "set", text];
            let index = attributes.index.get(text).copied();
            if index.is_none() {
                self.unknown_attribute(name, spec, population);
            }
            let known = index.filter(|_| !attributes.broken.contains(text));
            let expected = known.map(|i| attributes.types[i].1);
            let expr = self.parse(source).and_then(|ast| {
                let scope = Scope { env: Env { path: &path, ..env }, broken };
                self.check(&ast, &scope, expected)
            });
            out.push(index.zip(expr));
        }
        out.into_iter().collect()
    }

    fn unknown_attribute(
        &mut self,
        name: &Spanned<String>,
        spec: &TransitionSpec,
        population: &PopulationSpec,
    ) {
        let text = name.value.as_str();
        let d = Diagnostic::error(
            "E0609",
            name.span,
            format!("`{}` has no attribute `{}`", shown(&population.name.value), shown(text)),
        );
        if names::reserved(text).is_some() {
            let d =
                Diagnostic::error("E0609", name.span, format!("`{}` cannot be set", shown(text)));
            self.diags.push(match text {
                "state" | "to" | "from" => {
                    d.help("a transition leads to another state by `to: STATE`")
                }
                _ => d.note("`set` changes the attributes of the population, nothing else"),
            });
            return;
        }
        let d = if spec.lets.iter().any(|(n, _)| n.value == text) {
            d.note("`set` changes attributes; a `let` has its value for this transition only")
        } else {
            self.suggest(d, text, population.attributes.iter().map(|(n, _)| n.value.as_str()))
        };
        self.diags.push(no_help(d, || {
            format!("declare it with its initial value: `attributes: {{ {}: 0 }}`", shown(text))
        }));
    }

    /// Checks that the constants of a state are at most 100 percent together.
    fn sum(&mut self, state: &StateSpec, transitions: &[Option<Transition>]) {
        let mut units: u128 = 0;
        let mut percent = 0.0;
        for (spec, transition) in state.transitions.iter().zip(transitions) {
            let Some(place) = &spec.probability else {
                continue;
            };
            match &place.value {
                ProbabilitySpec::Literal(u) => {
                    units += u128::from(*u);
                    percent += *u as f64 / 1e12;
                }
                ProbabilitySpec::Expr(_) => {
                    let Some(Probability::Expr(expr)) = transition.as_ref().map(|t| &t.probability)
                    else {
                        continue;
                    };
                    let Some(value) = constant(expr) else {
                        continue;
                    };
                    if !(0.0..=100.0 + 1e-9).contains(&value) {
                        let d = Diagnostic::error(
                            "E0611",
                            place.span,
                            format!("this probability is {value} percent"),
                        );
                        self.diags.push(d.help("a probability is between 0 and 100 percent"));
                        return;
                    }
                    if value == 0.0 {
                        let d = Diagnostic::warning(
                            "W0606",
                            place.span,
                            "this probability is 0: it is never tried",
                        );
                        self.diags.push(
                            d.note("`/` of two ints is cut to a whole number, and the value is in percent")
                                .help("write a literal, such as `0.5%`, or doubles: `1.0 / 2.0`"),
                        );
                    }
                    percent += value;
                }
            }
            let exact = units > u128::from(PERCENT_100);
            if exact || percent > 100.0 + 1e-9 {
                let sum = if exact { decimal(units) } else { format!("{percent}") };
                let message = format!(
                    "the probabilities of the state `{}` sum to more than 100%",
                    shown(&state.name.value)
                );
                let d = Diagnostic::error("E0610", place.span, message)
                    .label(format!("with this one the sum is {sum}%"));
                self.diags.push(d.note("in a tick at most one transition of a state is attempted").help("lower them until they sum to at most 100%; what is left is the probability of staying"));
                return;
            }
        }
    }
}

/// Adds a way out where there is none yet.
fn no_help(d: Diagnostic, help: impl FnOnce() -> String) -> Diagnostic {
    if d.help.is_empty() { d.help(help()) } else { d }
}

/// Attributes from `i` on that `ast`, the initial value of `i`, reads and that in turn need `i`.
fn cyclic(
    attributes: &[(Spanned<String>, ExprSource)],
    asts: &[Option<Ast>],
    ast: &Ast,
    i: usize,
) -> Vec<usize> {
    let mut forward = Vec::new();
    let later = |f: &mut dyn FnMut(usize), ast: &Ast| {
        names::mentioned(&ast.root, &mut |name| {
            // Only a reference to something not above is an error, and then the search may cost.
            if let Some(j) = attributes[i..].iter().position(|(n, _)| n.value == name) {
                f(i + j);
            }
        });
    };
    // Most attributes mention nothing of what follows; this look costs their own size only.
    let mut any = false;
    names::mentioned(&ast.root, &mut |_| any = true);
    if !any || attributes.len() - i > 300 {
        return forward;
    }
    later(&mut |j| forward.push(j), ast);
    forward.retain(|j| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*j]);
        while let Some(k) = open.pop() {
            if k == i {
                return *j != i;
            }
            if seen.insert(k)
                && let Some(Some(ast)) = asts.get(k)
            {
                later(&mut |next| open.push(next), ast);
            }
        }
        false
    });
    forward
}

/// "a double", "an int".
pub(super) fn with_article(ty: Ty) -> String {
    let article = if ty.base == Base::Int { "an" } else { "a" };
    format!("{article} {ty}")
}

fn to_double(expr: TExpr) -> TExpr {
    let span = expr.span;
    let kind = match expr.kind {
        TKind::Const(Value::Int(v)) => TKind::Const(Value::Double(v as f64)),
        _ => TKind::Op(Op::IntToDouble, vec![expr]),
    };
    TExpr { kind, ty: Ty::of(Base::Double), span }
}

/// The value of a probability that depends on parameters only, and so is known now.
fn constant(expr: &TExpr) -> Option<f64> {
    match &expr.kind {
        TKind::Const(Value::Double(v)) => Some(*v),
        _ => None,
    }
}

/// Units of 1e-12 percent as a decimal number.
fn decimal(units: u128) -> String {
    let (whole, rest) = (units / 1_000_000_000_000, units % 1_000_000_000_000);
    let text = format!("{whole}.{rest:012}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn sums_are_exact_decimals() {
        assert_eq!(super::decimal(100_010_000_000_000), "100.01");
        assert_eq!(super::decimal(100_000_000_000_001), "100.000000000001");
        assert_eq!(super::decimal(200_000_000_000_000), "200");
    }
}
