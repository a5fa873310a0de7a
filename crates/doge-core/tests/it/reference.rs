//! A second engine: slow, plain, and written from the language page alone.
//!
//! It walks one subject at a time through the whole run and sorts what comes out. It knows nothing of
//! windows, cells, registers or code (`doge_core::engine` is used nowhere here), and shares with the
//! engine only what the law itself names: the draws, the logarithm, and the tree walker of
//! expressions, which the oracle test holds against CEL.

use doge_core::batch::Position;
use doge_core::draw::{ScopeKey, StepKey, SubjectKey};
use doge_core::expr::eval::{Scope, eval};
use doge_core::expr::func::EvalError;
use doge_core::expr::typed::{TExpr, TKind};
use doge_core::log::ln_unit;
use doge_core::model::{Emit, Model, PERCENT_100, Population, Probability, State, Transition};
use doge_core::value::Value;

/// An event as an outsider sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub position: Position,
    pub event: String,
    pub trigger: String,
    pub fields: Vec<Same>,
    pub key: Same,
    pub time: Same,
    pub headers: Vec<Same>,
}

/// A value that is equal to another only if it is the same to the last bit.
#[derive(Clone, Debug, PartialEq)]
pub enum Same {
    Bits(u64),
    Other(Value),
}

impl From<Value> for Same {
    fn from(v: Value) -> Same {
        match v {
            Value::Double(d) => Same::Bits(d.to_bits()),
            v => Same::Other(v),
        }
    }
}

/// Place of a failure in the order: tick (`None`: creation), population, id, attempt, and the place in
/// the emit list before which it happened.
pub type Place = (Option<u64>, usize, u64, u64, u32);

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Outcome {
    /// In order; where the run fails, those before the failure.
    pub events: Vec<Seen>,
    /// The first failure in event order, with its message.
    pub failure: Option<(Place, String)>,
    /// Attempts by population and transition (states in order); only told of runs that did not fail.
    pub attempts: Vec<Vec<u64>>,
    /// Those of them that were blocked.
    pub blocked: Vec<Vec<u64>>,
}

/// Which part of a run is wanted.
pub struct Part<'a> {
    /// By event of the model.
    pub events: &'a [bool],
    /// Whether a subject (population, id) takes part.
    pub subjects: &'a dyn Fn(usize, u64) -> bool,
}

/// Runs a model.
pub fn run(model: &Model, part: &Part<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, population) in model.populations.iter().enumerate() {
        let zeros = vec![0; population.states.iter().map(|s| s.transitions.len()).sum()];
        outcome.attempts.push(zeros.clone());
        outcome.blocked.push(zeros);
        let live = Live::of(population, part.events);
        for id in (0..population.count).filter(|id| (part.subjects)(index, *id)) {
            let mut subject = Subject {
                model,
                population,
                index,
                live: &live,
                events: part.events,
                id,
                key: ScopeKey::population(model.seed, &population.name).subject(id),
                attributes: Vec::new(),
            };
            if let Err((place, error)) = subject.live(&mut outcome)
                && outcome.failure.as_ref().is_none_or(|first| place < first.0)
            {
                outcome.failure = Some((place, error.to_string()));
            }
        }
    }
    outcome.events.sort_by_key(|e| e.position);
    if let Some(((tick, population, id, seq, pos), _)) = outcome.failure {
        let first = tick.map(|t| Position {
            time_ms: time(model, t),
            population: population as u32,
            id,
            seq,
            pos,
        });
        outcome.events.retain(|e| first.is_some_and(|first| e.position < first));
        outcome.attempts.clear();
        outcome.blocked.clear();
    }
    outcome
}

/// The instant of a tick.
fn time(model: &Model, tick: u64) -> i64 {
    model.clock.start_ms + tick as i64 * model.clock.tick_ms
}

/// A subject on its way.
struct Subject<'a> {
    model: &'a Model,
    population: &'a Population,
    index: usize,
    live: &'a Live,
    events: &'a [bool],
    id: u64,
    key: SubjectKey,
    /// Null where nobody reads it.
    attributes: Vec<Value>,
}

/// What an attempt adds to what a subject's expressions see.
struct Attempt<'a> {
    step: StepKey,
    seq: u64,
    time_ms: i64,
    old: &'a [Value],
    lets: &'a [Value],
    event_id: &'a str,
}

impl Subject<'_> {
    /// Its whole life, as the page says under "What happens, exactly".
    fn live(&mut self, outcome: &mut Outcome) -> Result<(), (Place, EvalError)> {
        let at_creation = |error| ((None, self.index, self.id, 0, 0), error);
        let step = self.key.step(0);
        let mut made = Vec::new();
        for (i, attribute) in self.population.attributes.iter().enumerate() {
            let mut scope = Scope { id: self.id as i64, attrs: &made, step, ..Scope::default() };
            let value = match self.live.attributes[i] {
                true => eval(&attribute.init, &mut scope).map_err(at_creation)?,
                false => Value::Null,
            };
            made.push(value);
        }
        let mut state = self.population.initial;
        self.attributes = made;
        // The first try is at the first tick not before creation, which is tick 0.
        let mut try_from = 0;
        let at_creation = |error| ((None, self.index, self.id, 0, 0), error);
        let mut wait = self.wait(state, step).map_err(at_creation)?;
        let mut seq = 0;
        while let Some(failed_tries) = wait {
            let tick = u64::saturating_add(try_from, failed_tries);
            if tick >= self.model.clock.ticks {
                break;
            }
            seq += 1;
            let chosen = self
                .choose(state, self.key.step(seq))
                .map_err(|error| ((Some(tick), self.index, self.id, seq, 0), error))?;
            let flat =
                self.population.states[..state].iter().map(|s| s.transitions.len()).sum::<usize>()
                    + chosen;
            outcome.attempts[self.index][flat] += 1;
            let transition = &self.population.states[state].transitions[chosen];
            if self.attempt(transition, flat, seq, tick, &mut outcome.events)? {
                state = transition.to;
            } else {
                outcome.blocked[self.index][flat] += 1;
            }
            // An attempt is over, whatever came of it: tries count anew from the next tick.
            try_from = tick + 1;
            wait = self
                .wait(state, self.key.step(seq))
                .map_err(|error| ((Some(tick), self.index, self.id, seq, u32::MAX), error))?;
        }
        Ok(())
    }

    /// One attempt; false where it is blocked.
    fn attempt(
        &mut self,
        transition: &Transition,
        flat: usize,
        seq: u64,
        tick: u64,
        events: &mut Vec<Seen>,
    ) -> Result<bool, (Place, EvalError)> {
        let place = |pos| (Some(tick), self.index, self.id, seq, pos);
        let step = self.key.step(seq);
        let time_ms = time(self.model, tick);
        let before = self.attributes.clone();
        let see = |attributes: &[Value], lets: &[Value], event_id: &str, e: &TExpr| {
            let attempt = Attempt { step, seq, time_ms, old: &before, lets, event_id };
            value(self.id, attributes, &attempt, e)
        };
        let mut lets = Vec::new();
        for (i, l) in transition.lets.iter().enumerate() {
            let value = match self.live.lets[flat][i] {
                true => see(&before, &lets, "", &l.expr).map_err(|e| (place(0), e))?,
                false => Value::Null,
            };
            lets.push(value);
        }
        if let Some(when) = &transition.when
            && see(&before, &lets, "", when).map_err(|e| (place(0), e))? != Value::Bool(true)
        {
            return Ok(false);
        }
        let mut after = before.clone();
        for (attribute, e) in transition.set.iter().filter(|(a, _)| self.live.attributes[*a]) {
            after[*attribute] = see(&before, &lets, "", e).map_err(|e| (place(0), e))?;
        }
        for (pos, emit) in transition.emits.iter().enumerate().filter(|(_, e)| self.events[e.event])
        {
            let event_id = format!("{}/{}/{seq}/{pos}", self.population.name, self.id);
            let pos = pos as u32;
            let shown = |e: &TExpr| -> Result<Same, (Place, EvalError)> {
                let v = see(&after, &lets, &event_id, e).map_err(|e| (place(pos), e))?;
                match v {
                    Value::Double(d) if !d.is_finite() => {
                        Err((place(pos), EvalError::NotFinite(d)))
                    }
                    v => Ok(v.into()),
                }
            };
            if let Some(when) = &emit.when
                && shown(when)? != Same::Other(Value::Bool(true))
            {
                continue;
            }
            let fields = emit.fields.iter().map(shown).collect::<Result<_, _>>()?;
            let key = shown(&emit.key)?;
            let time = match &emit.timestamp {
                Some(e) => shown(e)?,
                None => Value::Timestamp(time_ms).into(),
            };
            let headers = emit.headers.iter().map(shown).collect::<Result<_, _>>()?;
            let position =
                Position { time_ms, population: self.index as u32, id: self.id, seq, pos };
            let event = self.model.events[emit.event].name.clone();
            events.push(Seen {
                position,
                event,
                trigger: transition.trigger.clone(),
                fields,
                key,
                time,
                headers,
            });
        }
        self.attributes = after;
        Ok(true)
    }

    /// The probabilities of a state now, in percent.
    fn percents(&self, state: &State) -> Result<Vec<f64>, EvalError> {
        let attempt = Attempt {
            step: self.key.step(0),
            seq: 0,
            time_ms: 0,
            old: &[],
            lets: &[],
            event_id: "",
        };
        let mut percents = Vec::new();
        for t in &state.transitions {
            percents.push(match &t.probability {
                Probability::Literal(units) => *units as f64 / 1e12,
                Probability::Expr(e) => match value(self.id, &self.attributes, &attempt, e)? {
                    Value::Double(p) => p,
                    _ => return Err(EvalError::Untyped),
                },
            });
        }
        let mut sum = 0.0;
        for p in &percents {
            if p.is_nan() || *p < 0.0 {
                return Err(EvalError::Probability(*p));
            }
            sum += p;
        }
        if sum > 100.0 + 1e-9 { Err(EvalError::ProbabilitySum(sum)) } else { Ok(percents) }
    }

    /// How many tries fail before one succeeds, drawn at a step; `None` where none ever does.
    fn wait(&self, state: usize, step: StepKey) -> Result<Option<u64>, EvalError> {
        let state = &self.population.states[state];
        let p = match literals(state) {
            Some(units) => units.iter().sum::<u64>() as f64 / PERCENT_100 as f64,
            None => self.percents(state)?.iter().sum::<f64>().min(100.0) / 100.0,
        };
        if p < 1e-14 {
            return Ok(None);
        }
        if p == 1.0 {
            return Ok(Some(0));
        }
        let g = (ln_unit(step.word(state.wait_site)) * (1.0 / libm::log1p(-p))).floor();
        // Beyond every run of 64 bits of ticks there is no attempt.
        Ok((g < 9e18).then_some(g as u64))
    }

    /// Which transition is attempted.
    fn choose(&self, state: usize, step: StepKey) -> Result<usize, EvalError> {
        let state = &self.population.states[state];
        let w = step.word(state.choice_site);
        if let Some(units) = literals(state) {
            // sum so far > w / 2^64 * sum, in whole numbers.
            let sum: u128 = units.iter().map(|u| u128::from(*u)).sum();
            let mut running = 0u128;
            for (i, u) in units.iter().enumerate() {
                running += u128::from(*u);
                if running << 64 > u128::from(w) * sum {
                    return Ok(i);
                }
            }
            return Err(EvalError::Untyped);
        }
        let percents = self.percents(state)?;
        let goal = w as f64 / 18_446_744_073_709_551_616.0 * percents.iter().sum::<f64>();
        let mut running = 0.0;
        for (i, p) in percents.iter().enumerate() {
            running += p;
            if running > goal && *p > 0.0 {
                return Ok(i);
            }
        }
        percents.iter().rposition(|p| *p > 0.0).ok_or(EvalError::Untyped)
    }
}

/// The literal probabilities of a state, where all are literals.
fn literals(state: &State) -> Option<Vec<u64>> {
    let literal = |t: &Transition| match t.probability {
        Probability::Literal(units) => Some(units),
        Probability::Expr(_) => None,
    };
    state.transitions.iter().map(literal).collect()
}

fn value(
    id: u64,
    attributes: &[Value],
    attempt: &Attempt<'_>,
    e: &TExpr,
) -> Result<Value, EvalError> {
    let mut scope = Scope {
        id: id as i64,
        seq: attempt.seq as i64,
        time_ms: attempt.time_ms,
        event_id: attempt.event_id,
        attrs: attributes,
        old: attempt.old,
        lets: attempt.lets,
        step: attempt.step,
        locals: Vec::new(),
    };
    eval(e, &mut scope)
}

/// Which attributes and lets somebody reads: guards, probabilities, selected events, and whatever is
/// assigned to what is read. The others do not exist and cannot fail.
struct Live {
    attributes: Vec<bool>,
    /// By transition (states in order) and let.
    lets: Vec<Vec<bool>>,
}

impl Live {
    fn of(population: &Population, events: &[bool]) -> Live {
        let transitions: Vec<&Transition> =
            population.states.iter().flat_map(|s| &s.transitions).collect();
        let mut live = Live {
            attributes: vec![false; population.attributes.len()],
            lets: transitions.iter().map(|t| vec![false; t.lets.len()]).collect(),
        };
        // Each round finds what is read by what the last one found.
        loop {
            let mut found = 0;
            let mut mark = |live: &mut Live, t: usize, e: &TExpr| {
                for leaf in leaves(e) {
                    let flag = match leaf {
                        TKind::Attr(i) | TKind::Old(i) => &mut live.attributes[*i],
                        TKind::Let(i) => &mut live.lets[t][*i],
                        _ => continue,
                    };
                    found += usize::from(!*flag);
                    *flag = true;
                }
            };
            for (t, transition) in transitions.iter().enumerate() {
                if let Probability::Expr(e) = &transition.probability {
                    mark(&mut live, t, e);
                }
                if let Some(e) = &transition.when {
                    mark(&mut live, t, e);
                }
                for emit in transition.emits.iter().filter(|e| events[e.event]) {
                    expressions(emit).for_each(|e| mark(&mut live, t, e));
                }
                for (i, l) in transition.lets.iter().enumerate() {
                    if live.lets[t][i] {
                        mark(&mut live, t, &l.expr);
                    }
                }
                for (a, e) in &transition.set {
                    if live.attributes[*a] {
                        mark(&mut live, t, e);
                    }
                }
            }
            for (i, a) in population.attributes.iter().enumerate() {
                if live.attributes[i] {
                    mark(&mut live, 0, &a.init);
                }
            }
            if found == 0 {
                return live;
            }
        }
    }
}

fn expressions(emit: &Emit) -> impl Iterator<Item = &TExpr> {
    emit.when
        .iter()
        .chain(&emit.fields)
        .chain([&emit.key])
        .chain(&emit.timestamp)
        .chain(&emit.headers)
}

/// All leaves of an expression.
fn leaves(e: &TExpr) -> Vec<&TKind> {
    let mut todo = vec![e];
    let mut found = Vec::new();
    while let Some(e) = todo.pop() {
        match &e.kind {
            TKind::Op(_, args) | TKind::Draw { args, .. } => todo.extend(args),
            TKind::And(a, b) | TKind::Or(a, b) | TKind::Coalesce(a, b) => todo.extend([&**a, &**b]),
            TKind::If(c, a, b) => todo.extend([&**c, &**a, &**b]),
            TKind::IsNull(a) | TKind::Widen(a) => todo.push(a),
            TKind::Select(i, items) => {
                todo.push(i);
                todo.extend(items);
            }
            TKind::Bind { value, body, .. } => todo.extend([&**value, &**body]),
            leaf => found.push(leaf),
        }
    }
    found
}
