//! Meaning: from a [`Spec`] to a [`Model`].
//!
//! In: names as text and expressions as source. Out: indices and typed trees. Every problem that can
//! be found without running is found here, and each is reported once: what depends on a part with an
//! error is not judged. Nothing is opened, and no sink is looked at.

mod clock;
mod digest;
mod emits;
mod events;
mod names;
mod population;
mod warnings;

use crate::diag::{Diagnostic, Diagnostics, nearest, shown};
use crate::expr::ast::Ast;
use crate::expr::names::Env;
use crate::expr::typed::TExpr;
use crate::model::Model;
use crate::source::{Source, Spanned};
use crate::spec::{ExprSource, Overrides, Spec, parse_lossy};
use crate::value::{Ty, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// After so many problems names are not compared any more: a nearest name costs a look at all of them.
const MAX_SUGGESTIONS: usize = 50;

/// A model that was read from a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the file says, with overrides applied; its `sinks` are not checked.
    pub spec: Spec,
    /// What it means.
    pub model: Model,
    /// What may not be as it was meant.
    pub warnings: Diagnostics,
}

/// Reads a model file, applies overrides and compiles it: the way from a text to a model that reports
/// the problems of all stages at once.
///
/// # Errors
/// All problems, where one of them is an error.
pub fn load(source: &Arc<Source>, overrides: &Overrides) -> Result<Loaded, Diagnostics> {
    load_with(source, overrides, |_, _| {})
}

/// As [`load`], with a look of the caller's own at the spec, whose problems join the same list: for
/// the `sinks`. It is left out where parts of the file could not be read.
///
/// # Errors
/// All problems, where one of them is an error.
pub fn load_with(
    source: &Arc<Source>,
    overrides: &Overrides,
    look: impl FnOnce(&Spec, &mut Diagnostics),
) -> Result<Loaded, Diagnostics> {
    let parsed = parse_lossy(source);
    let mut diags = parsed.diags;
    let Some(mut spec) = parsed.spec else {
        return Err(diags);
    };
    if !parsed.incomplete {
        if let Err(problems) = spec.apply(overrides) {
            diags.extend(problems);
        }
        look(&spec, &mut diags);
        if let Some(model) = compile_into(&spec, &mut diags)
            && !diags.has_errors()
        {
            diags.sort();
            return Ok(Loaded { spec, model, warnings: diags });
        }
    }
    diags.sort();
    Err(diags)
}

/// Checks a model and resolves it. Reports every problem; opens nothing.
///
/// # Errors
/// All problems, where one of them is an error; otherwise the warnings come with the model.
pub fn compile(spec: &Spec) -> Result<(Model, Diagnostics), Diagnostics> {
    let mut diags = Diagnostics::default();
    let model = compile_into(spec, &mut diags);
    diags.sort();
    match model {
        Some(model) if !diags.has_errors() => Ok((model, diags)),
        _ => Err(diags),
    }
}

/// The model, where it could be built; it is not to be run if there are errors.
fn compile_into(spec: &Spec, diags: &mut Diagnostics) -> Option<Model> {
    let params: Vec<(String, Value)> =
        spec.params.iter().map(|p| (p.name.value.clone(), p.value.value.clone())).collect();
    let clock = clock::clock(spec, diags);
    let broken_params = params.iter().any(|(_, v)| *v == Value::Null);
    let mut compiler = Compiler { spec, diags, params, broken_params, suggestions: 0 };
    let mut events = compiler.events();
    let populations: Vec<_> = spec
        .subjects
        .iter()
        .enumerate()
        .map(|(i, p)| compiler.population(i, p, &mut events))
        .collect();
    let (events, populations) = compiler.emits(events, populations)?;
    let params = std::mem::take(&mut compiler.params);
    let mut model = Model {
        name: spec.name.clone(),
        source: spec.source.clone(),
        digest: digest::digest(spec),
        seed: spec.seed,
        params,
        clock: clock?,
        populations: populations.into_iter().collect::<Option<Vec<_>>>()?,
        events,
    };
    warnings::warn(spec, &mut model, diags);
    Some(model)
}

/// What is visible and may have failed, for one expression.
struct Scope<'a> {
    env: Env<'a>,
    /// Names whose own expression has an error: what reads them is not judged.
    broken: &'a [&'a BTreeSet<String>],
}

struct Compiler<'a> {
    spec: &'a Spec,
    diags: &'a mut Diagnostics,
    params: Vec<(String, Value)>,
    /// A parameter has no value because its literal had an error.
    broken_params: bool,
    suggestions: usize,
}

impl Compiler<'_> {
    /// Parses an expression; `None` where it has an error (reported here or before).
    fn parse(&mut self, source: &ExprSource) -> Option<Ast> {
        if source.text.is_empty() { None } else { crate::expr::parse::parse(source, self.diags) }
    }

    /// Checks a parsed expression; `None` where it has an error, or reads something that has one.
    fn check(&mut self, ast: &Ast, scope: &Scope, expected: Option<Ty>) -> Option<TExpr> {
        if self.is_broken(ast, scope) {
            return None;
        }
        crate::expr::check::check(ast, &scope.env, expected, self.diags)
    }

    fn is_broken(&self, ast: &Ast, scope: &Scope) -> bool {
        if !self.broken_params && scope.broken.iter().all(|set| set.is_empty()) {
            return false;
        }
        let mut found = false;
        names::mentioned(&ast.root, &mut |name| {
            found |= scope.broken.iter().any(|set| set.contains(name))
                || (self.broken_params && name == "params");
        });
        found
    }

    /// The nearest of some names, as help.
    fn suggest<'n>(
        &mut self,
        d: Diagnostic,
        name: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        if self.suggestions >= MAX_SUGGESTIONS {
            return d;
        }
        self.suggestions += 1;
        match nearest(name, names) {
            Some(meant) => d.help(format!("did you mean `{meant}`?")),
            None => d,
        }
    }
}

/// At most `max` names as a list for a message.
fn list<'n>(names: impl Iterator<Item = &'n Spanned<String>>, max: usize) -> String {
    let mut out = String::new();
    for (i, name) in names.enumerate() {
        if i == max {
            out.push_str(", ...");
            break;
        }
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(&format!("`{}`", shown(&name.value)));
    }
    out
}
