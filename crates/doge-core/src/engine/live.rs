//! What is worth computing: attributes and `let`s that something reads.
//!
//! Those that nobody reads do not exist: they take no memory, are not evaluated and cannot fail.
//! Readers are guards, probabilities and the events that a run selects; and, transitively, what is
//! assigned to an attribute that is read.

use crate::expr::typed::{TExpr, TKind};
use crate::model::{Population, Probability, Transition};

/// Calls `see` on every node of an expression.
pub fn visit<'e>(expr: &'e TExpr, see: &mut impl FnMut(&'e TExpr)) {
    see(expr);
    match &expr.kind {
        TKind::Const(_)
        | TKind::Attr(_)
        | TKind::Old(_)
        | TKind::Let(_)
        | TKind::Id
        | TKind::Seq
        | TKind::Time
        | TKind::EventId
        | TKind::Local(_) => {}
        TKind::Op(_, args) | TKind::Draw { args, .. } => args.iter().for_each(|a| visit(a, see)),
        TKind::And(a, b) | TKind::Or(a, b) | TKind::Coalesce(a, b) => {
            visit(a, see);
            visit(b, see);
        }
        TKind::If(c, a, b) => [c, a, b].into_iter().for_each(|e| visit(e, see)),
        TKind::IsNull(a) | TKind::Widen(a) => visit(a, see),
        TKind::Select(i, items) => {
            visit(i, see);
            items.iter().for_each(|a| visit(a, see));
        }
        TKind::Bind { value, body, .. } => {
            visit(value, see);
            visit(body, see);
        }
    }
}

/// The expressions of a transition's selected events, with their place in the emit list.
pub fn emitted<'m>(transition: &'m Transition, events: &[bool]) -> Vec<&'m TExpr> {
    let selected = transition.emits.iter().filter(|e| events[e.event]);
    selected
        .flat_map(|e| {
            e.when.iter().chain(&e.fields).chain([&e.key]).chain(&e.timestamp).chain(&e.headers)
        })
        .collect()
}

/// Which attributes and `let`s of a population live.
#[derive(Debug, Clone)]
pub struct Live {
    /// By attribute.
    pub attributes: Vec<bool>,
    /// By transition (states in order, flat) and `let`.
    pub lets: Vec<Vec<bool>>,
}

impl Live {
    /// The least fixed point of the rule in the module's head.
    pub fn of(population: &Population, events: &[bool]) -> Live {
        let transitions: Vec<&Transition> =
            population.states.iter().flat_map(|s| &s.transitions).collect();
        let mut live = Live {
            attributes: vec![false; population.attributes.len()],
            lets: transitions.iter().map(|t| vec![false; t.lets.len()]).collect(),
        };
        for (i, t) in transitions.iter().enumerate() {
            if let Probability::Expr(e) = &t.probability {
                live.read(e, i);
            }
            t.when.iter().chain(emitted(t, events)).for_each(|e| {
                live.read(e, i);
            });
        }
        loop {
            let before = live.clone();
            for (i, t) in transitions.iter().enumerate() {
                for (k, l) in t.lets.iter().enumerate().rev() {
                    if live.lets[i][k] {
                        live.read(&l.expr, i);
                    }
                }
                for (a, e) in &t.set {
                    if live.attributes[*a] {
                        live.read(e, i);
                    }
                }
            }
            for (k, a) in population.attributes.iter().enumerate().rev() {
                if live.attributes[k] {
                    live.read(&a.init, 0);
                }
            }
            if live.attributes == before.attributes && live.lets == before.lets {
                return live;
            }
        }
    }

    fn read(&mut self, expr: &TExpr, transition: usize) {
        visit(expr, &mut |e| match e.kind {
            TKind::Attr(i) | TKind::Old(i) => self.attributes[i] = true,
            TKind::Let(i) => self.lets[transition][i] = true,
            _ => {}
        });
    }
}
