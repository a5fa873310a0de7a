//! A program: what the inner loop reads, made from a model for one selection of subjects and events.
//!
//! Input is the [`Model`] with its names and trees; output are flat tables and [`Code`]. Dead
//! attributes, `let`s and events are gone; an attribute that no transition sets is not stored but
//! computed again from its draws when its subject is visited, unless that is dear.

use super::code::{Code, R};
use super::live::Live;
use super::lower::Lower;
use crate::batch::{IdMap, Layout};
use crate::draw::ScopeKey;
use crate::model::{Model, Population, Probability};
use std::sync::Arc;

/// Which subjects and events a run generates.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Ids of each population.
    pub subjects: Vec<IdMap>,
    /// By event of the model.
    pub events: Vec<bool>,
}

impl Selection {
    /// All subjects, and all events that a transition emits.
    pub fn all(model: &Model) -> Selection {
        Selection {
            subjects: model.populations.iter().map(|p| IdMap::range(0, p.count)).collect(),
            events: model.events.iter().map(|e| e.emitted).collect(),
        }
    }
}

/// A program; see the module's head.
#[derive(Debug)]
pub struct Program {
    /// What the records mean.
    pub layout: Arc<Layout>,
    /// By population.
    pub populations: Vec<PopulationProgram>,
    /// What each emit site captures.
    pub captures: Vec<Capture>,
    /// Start of the run, milliseconds since the epoch.
    pub start_ms: i64,
    /// Length of a tick in milliseconds.
    pub tick_ms: i64,
    /// Number of ticks.
    pub ticks: u64,
}

/// What an emit site captures.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Registers of the words of its slots.
    pub registers: Vec<R>,
    /// Its population.
    pub population: usize,
    /// Its transition, states in order, flat.
    pub transition: usize,
    /// Whether every attempt that is made captures an event here.
    pub always: bool,
}

/// The program of a population.
#[derive(Debug)]
pub struct PopulationProgram {
    /// Key of its draws.
    pub scope: ScopeKey,
    /// Number of registers.
    pub registers: usize,
    /// Words of a stored row: the first registers.
    pub row_words: usize,
    /// Those of them that are string handles.
    pub row_strings: Vec<usize>,
    /// Registers of `id`, `seq` and `timestamp`.
    pub id: R,
    /// See `id`.
    pub seq: R,
    /// See `id`.
    pub time: R,
    /// Fills the row at creation.
    pub create: usize,
    /// Whether creation can fail, so that it must come before all events.
    pub create_fails: bool,
    /// Computes what is not stored, at each visit; `None` where there is nothing.
    pub derive: Option<usize>,
    /// By state.
    pub states: Vec<StateProgram>,
    /// All transitions, states in order.
    pub transitions: Vec<TransitionProgram>,
    /// Thresholds of choices; see [`thresholds`].
    pub thresholds: Vec<u64>,
    /// Index of the first state.
    pub initial: u32,
    /// Instructions and their operands.
    pub code: Code,
    /// Live attributes: name, type, register; for reports.
    pub attributes: Vec<(String, crate::value::Ty, super::lower::Place)>,
    /// Most records, and words in them without text, that one attempt can make.
    pub most_words: usize,
    /// Whether an expression makes or reads texts.
    pub texts: bool,
    /// Whether an expression reads `seq` or `timestamp` from its register.
    pub reads_clock: bool,
}

/// The program of a state.
#[derive(Clone, Copy, Debug)]
pub struct StateProgram {
    /// `1 / log1p(-p)`.
    pub inv: f64,
    /// Site of the wait.
    pub wait_site: u64,
    /// Site of the choice.
    pub choice_site: u64,
    /// First transition, flat.
    pub first: u32,
    /// The first three thresholds; the largest word where there are fewer.
    pub few: [u64; 3],
    /// First threshold.
    pub threshold: u32,
    /// Number of thresholds.
    pub thresholds: u32,
    /// Whether and how it is ever left.
    pub kind: StateKind,
    /// Number of transitions.
    pub transitions: u32,
}

/// How a state's wait is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// From constant probabilities.
    Literal,
    /// Never: no transition has a positive probability.
    Final,
    /// Probabilities come from code at `pc`, which leaves one double for each transition in the
    /// registers from `base` on.
    Dynamic {
        /// Address.
        pc: u32,
        /// First register.
        base: R,
    },
}

/// The program of a transition.
#[derive(Clone, Copy, Debug)]
pub struct TransitionProgram {
    /// Address of its code.
    pub pc: u32,
    /// State after it.
    pub to: u32,
}

/// Thresholds of a choice among literal weights: `t[i] = ceil(cum[i] * 2^64 / sum)` for all before
/// the last positive weight. The choice of word `w` is the number of thresholds that are `<= w`:
/// the first whose running sum exceeds `w / 2^64 * sum`, in exact arithmetic.
pub fn thresholds(units: &[u64]) -> Vec<u64> {
    let sum: u128 = units.iter().map(|u| u128::from(*u)).sum();
    let Some(last) = units.iter().rposition(|u| *u > 0) else { return Vec::new() };
    let mut cum = 0u128;
    units[..last]
        .iter()
        .map(|u| {
            cum += u128::from(*u);
            (cum << 64).div_ceil(sum) as u64
        })
        .collect()
}

/// The factor of a wait that never ends: the product with a logarithm is infinite, or no number.
pub const NEVER: f64 = f64::NEG_INFINITY;

/// The factor of a wait: `1 / log1p(-p)`, 0 for `p = 1` (the first try always is an attempt).
pub fn wait_factor(p: f64) -> f64 {
    if p >= 1.0 { 0.0 } else { 1.0 / libm::log1p(-p) }
}

impl Program {
    /// Makes the program.
    ///
    /// # Errors
    /// The model is too large for the tables (2^20 states or emitted events, 2^16 registers).
    pub fn new(model: &Model, selection: &Selection) -> Result<Program, String> {
        let mut layout = Layout {
            events: model.events.clone(),
            selected: selection.events.clone(),
            sites: Vec::new(),
            populations: model.populations.iter().map(|p| p.name.clone()).collect(),
            names: model
                .populations
                .iter()
                .map(|p| {
                    let triggers = |s: &crate::model::State| {
                        s.transitions.iter().map(|t| t.trigger.clone()).collect()
                    };
                    p.states.iter().map(|s| (s.name.clone(), triggers(s))).collect()
                })
                .collect(),
            ids: selection.subjects.clone(),
            constants: Vec::new(),
        };
        let mut captures = Vec::new();
        let mut populations = Vec::new();
        for (index, population) in model.populations.iter().enumerate() {
            if population.states.len() >= 1 << 20 {
                return Err(format!(
                    "population {} has more than 1,048,575 states",
                    population.name
                ));
            }
            let live = Live::of(population, &selection.events);
            let lower = Lower::new(model, index, &live, selection, &mut layout, &mut captures);
            populations.push(lower.population()?);
        }
        if layout.sites.len() >= 1 << crate::batch::SITE_BITS {
            return Err("the model emits events in more than 1,048,575 places".into());
        }
        Ok(Program {
            layout: Arc::new(layout),
            populations,
            captures,
            start_ms: model.clock.start_ms,
            tick_ms: model.clock.tick_ms,
            ticks: model.clock.ticks,
        })
    }
}

/// The literal units of a state's probabilities, where all are literals.
pub fn literals(state: &crate::model::State) -> Option<Vec<u64>> {
    let units = state.transitions.iter().map(|t| match t.probability {
        Probability::Literal(u) => Some(u),
        Probability::Expr(_) => None,
    });
    units.collect()
}

/// Whether some transition of the population assigns each attribute.
pub fn assigned(population: &Population) -> Vec<bool> {
    let mut assigned = vec![false; population.attributes.len()];
    let transitions = population.states.iter().flat_map(|s| &s.transitions);
    transitions.flat_map(|t| &t.set).for_each(|(a, _)| assigned[*a] = true);
    assigned
}

impl Program {
    /// Bytes that the state of all subjects takes, without texts that change.
    pub fn state_bytes(&self) -> u64 {
        let tick = if self.ticks < u64::from(u32::MAX) { 4 } else { 8 };
        let populations = self.populations.iter().zip(&self.layout.ids);
        populations.map(|(p, ids)| ids.count * (tick + 8 + 8 * p.row_words as u64)).sum()
    }
}
