//! From typed trees to bytecode, one population at a time.
//!
//! Registers: stored attributes, `id`, `seq`, `timestamp`, computed attributes, then whatever an
//! expression needs, given out like a stack. Not here: anything that judges a model; whatever comes
//! in has been checked.

mod expr;

use super::code::{Cmp, Code, Ins, Place as Source, R};
use super::live::{Live, visit};
use super::program::{
    Capture, NEVER, PopulationProgram, Selection, StateKind, StateProgram, TransitionProgram,
    assigned, literals, thresholds, wait_factor,
};
use crate::batch::{Cell, Column, Layout, Site};
use crate::draw::ScopeKey;
use crate::expr::typed::{Draw, Op, TExpr, TKind};
use crate::model::{Emit, Model, PERCENT_100, Population, Probability, Transition};
use crate::source::Span;
use crate::value::{Base, Ty, Value};
use std::collections::BTreeMap;

/// Where an attribute's value is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Nobody reads it.
    Dead,
    /// Always this.
    Const(Value),
    /// In this register: a word of the row where the register is below the row's width, computed at
    /// each visit otherwise.
    Register(R),
}

/// Lowers one population.
pub struct Lower<'m> {
    model: &'m Model,
    population: &'m Population,
    index: usize,
    live: &'m Live,
    events: &'m [bool],
    layout: &'m mut Layout,
    captures: &'m mut Vec<Capture>,
    code: Code,
    constants: BTreeMap<String, u64>,
    attributes: Vec<Place>,
    /// Where expressions read attributes from; differs from `attributes` while initial values are
    /// computed again.
    read: Vec<Place>,
    old: BTreeMap<usize, R>,
    lets: Vec<R>,
    locals: BTreeMap<usize, R>,
    id: R,
    seq: R,
    time: R,
    next: usize,
    most: usize,
    /// The event being lowered: site and place in the emit list.
    emitting: Option<(u32, u32)>,
    fallible: bool,
    too_large: bool,
    texts: bool,
    reads_clock: bool,
}

fn words(ty: Ty) -> usize {
    1 + usize::from(ty.nullable)
}

/// Whether computing it again at every visit is dearer than eight bytes for each subject.
fn is_dear(expr: &TExpr) -> bool {
    let mut cost = 0;
    visit(expr, &mut |e| {
        cost += match &e.kind {
            TKind::Draw {
                draw: Draw::UniformInt | Draw::UniformDouble | Draw::Chance | Draw::Choice,
                ..
            } => 2,
            TKind::Draw { .. } => 10,
            _ => 1,
        }
    });
    cost > 8
}

/// Whether an event can show a constant; a double that is not finite stops the run where it is emitted.
fn is_shown(v: &Value) -> bool {
    !matches!(v, Value::Double(d) if !d.is_finite())
}

/// Whether a value reads neither draws nor anything of the subject.
fn is_constant(expr: &TExpr) -> Option<&Value> {
    match &expr.kind {
        TKind::Const(v) => Some(v),
        TKind::Widen(inner) => is_constant(inner),
        _ => None,
    }
}

fn reads(expr: &TExpr, attribute: usize) -> bool {
    let mut found = false;
    visit(expr, &mut |e| {
        found |= matches!(e.kind, TKind::Attr(i) | TKind::Old(i) if i == attribute)
    });
    found
}

impl<'m> Lower<'m> {
    /// Begins population `index`; sites, captures and constants are added to the run's.
    pub fn new(
        model: &'m Model,
        index: usize,
        live: &'m Live,
        selection: &'m Selection,
        layout: &'m mut Layout,
        captures: &'m mut Vec<Capture>,
    ) -> Self {
        let constants =
            layout.constants.iter().enumerate().map(|(i, s)| (s.clone(), i as u64)).collect();
        let population = &model.populations[index];
        Lower {
            model,
            population,
            index,
            live,
            events: &selection.events,
            layout,
            captures,
            code: Code::default(),
            constants,
            attributes: vec![Place::Dead; population.attributes.len()],
            read: Vec::new(),
            old: BTreeMap::new(),
            lets: Vec::new(),
            locals: BTreeMap::new(),
            id: 0,
            seq: 0,
            time: 0,
            next: 0,
            most: 0,
            emitting: None,
            fallible: false,
            too_large: false,
            texts: false,
            reads_clock: false,
        }
    }

    /// Lowers it.
    ///
    /// # Errors
    /// It needs more than 2^16 registers.
    pub fn population(mut self) -> Result<PopulationProgram, String> {
        let population = self.population;
        let row_strings = self.place_attributes();
        let row_words = self.next;
        self.id = self.take(1);
        self.seq = self.take(1);
        self.time = self.take(1);
        for (i, a) in population.attributes.iter().enumerate() {
            if self.live.attributes[i] && self.attributes[i] == Place::Dead {
                self.attributes[i] = match is_constant(&a.init) {
                    Some(v) => Place::Const(v.clone()),
                    None => Place::Register(self.take(words(a.ty))),
                };
            }
        }
        let create = self.code.ins.len();
        self.fallible = false;
        self.initial_values(row_words, true);
        self.push(Ins::End);
        let derive = self.code.ins.len();
        self.initial_values(row_words, false);
        let create_fails = self.fallible;
        let derive = (self.code.ins.len() > derive).then_some(derive);
        self.push(Ins::End);
        self.read = self.attributes.clone();

        let mut program = PopulationProgram {
            scope: ScopeKey::population(self.model.seed, &population.name),
            registers: 0,
            row_words,
            row_strings,
            id: self.id,
            seq: self.seq,
            time: self.time,
            create,
            create_fails,
            derive,
            states: Vec::with_capacity(population.states.len()),
            transitions: Vec::new(),
            thresholds: Vec::new(),
            initial: population.initial as u32,
            code: Code::default(),
            attributes: Vec::new(),
            most_words: 0,
            texts: false,
            reads_clock: false,
        };
        let mut flat = 0;
        for (s, state) in population.states.iter().enumerate() {
            let first = program.transitions.len() as u32;
            let threshold = program.thresholds.len() as u32;
            let (kind, inv) = match literals(state) {
                Some(units) => {
                    let sum: u64 = units.iter().sum();
                    program.thresholds.extend(thresholds(&units));
                    // Both are exact doubles, so the quotient is the double nearest to the exact sum.
                    let p = sum as f64 / PERCENT_100 as f64;
                    if sum == 0 {
                        (StateKind::Final, NEVER)
                    } else {
                        (StateKind::Literal, wait_factor(p))
                    }
                }
                None => (self.probabilities(state), 0.0),
            };
            for (t, transition) in state.transitions.iter().enumerate() {
                let pc = self.code.ins.len() as u32;
                let words = self.transition(transition, flat, (s, t));
                program.most_words = program.most_words.max(words);
                program.transitions.push(TransitionProgram { pc, to: transition.to as u32 });
                flat += 1;
            }
            program.states.push(StateProgram {
                inv,
                wait_site: state.wait_site,
                choice_site: state.choice_site,
                first,
                few: few(&program.thresholds[threshold as usize..]),
                threshold,
                thresholds: program.thresholds.len() as u32 - threshold,
                kind,
                transitions: state.transitions.len() as u32,
            });
        }
        if self.too_large {
            return Err(format!("population {} needs more than 65,535 registers", population.name));
        }
        program.registers = self.most;
        program.texts = self.texts;
        program.reads_clock = self.reads_clock;
        let named = population.attributes.iter().zip(self.attributes);
        program.attributes = named.map(|(a, p)| (a.name.clone(), a.ty, p)).collect();
        program.code = self.code;
        Ok(program)
    }

    /// Gives stored attributes their words of the row; the others stay dead for now.
    fn place_attributes(&mut self) -> Vec<usize> {
        let population = self.population;
        let assigned = assigned(population);
        let mut strings = Vec::new();
        for (i, a) in population.attributes.iter().enumerate() {
            let text = a.ty.base == Base::String;
            let stored =
                assigned[i] || (!text && is_constant(&a.init).is_none() && is_dear(&a.init));
            if self.live.attributes[i] && stored {
                let r = self.take(words(a.ty));
                if text {
                    strings.push(r as usize);
                }
                self.attributes[i] = Place::Register(r);
            }
        }
        strings
    }

    /// Code for initial values: of the stored ones (`stored`), or of those computed at each visit.
    /// Initial values of the other kind that these read are computed into temporaries.
    fn initial_values(&mut self, row_words: usize, stored: bool) {
        let population = self.population;
        let is_target = |place: &Place| match place {
            Place::Register(r) => ((*r as usize) < row_words) == stored,
            _ => false,
        };
        let count = population.attributes.len();
        let mut needed: Vec<bool> = self.attributes.iter().map(is_target).collect();
        for i in (0..count).rev() {
            if needed[i] {
                for (k, n) in needed.iter_mut().enumerate().take(i) {
                    *n |= reads(&population.attributes[i].init, k);
                }
            }
        }
        let base = self.next;
        self.read = vec![Place::Dead; count];
        for (i, a) in population.attributes.iter().enumerate() {
            if !needed[i] {
                continue;
            }
            if let Some(v) = is_constant(&a.init)
                && !is_target(&self.attributes[i])
            {
                self.read[i] = Place::Const(v.clone());
                continue;
            }
            let target = match &self.attributes[i] {
                Place::Register(r) if is_target(&self.attributes[i]) => *r,
                _ => self.take(words(a.ty)),
            };
            self.expr(&a.init, Some(target));
            if stored && a.ty.base == Base::String && (target as usize) < row_words {
                self.push(Ins::Keep { d: target });
            }
            self.read[i] = Place::Register(target);
        }
        self.next = base;
    }

    /// Code that leaves a state's probabilities, one double each.
    fn probabilities(&mut self, state: &'m crate::model::State) -> StateKind {
        let pc = self.code.ins.len() as u32;
        let mark = self.next;
        let base = self.take(state.transitions.len());
        for (i, t) in state.transitions.iter().enumerate() {
            let d = base.wrapping_add(i as R);
            match &t.probability {
                Probability::Literal(units) => {
                    let percent = *units as f64 / (PERCENT_100 / 100) as f64;
                    self.push(Ins::Const { d, k: percent.to_bits() });
                }
                Probability::Expr(e) => {
                    self.expr(e, Some(d));
                }
            }
        }
        self.push(Ins::End);
        self.next = mark;
        StateKind::Dynamic { pc, base }
    }

    /// Code of one attempt; returns the words that its events take without text.
    fn transition(&mut self, t: &'m Transition, flat: usize, at: (usize, usize)) -> usize {
        let mark = self.next;
        self.lets.clear();
        self.old.clear();
        for (i, l) in t.lets.iter().enumerate() {
            let r = if self.live.lets[flat][i] {
                let r = self.take(words(l.ty));
                self.expr(&l.expr, Some(r));
                r
            } else {
                0
            };
            self.lets.push(r);
        }
        if let Some(when) = &t.when {
            self.guard(when);
        }
        let emits: Vec<(u32, &Emit)> = t
            .emits
            .iter()
            .enumerate()
            .filter(|(_, e)| self.events[e.event])
            .map(|(i, e)| (i as u32, e))
            .collect();
        let set: Vec<&(usize, TExpr)> =
            t.set.iter().filter(|(a, _)| self.live.attributes[*a]).collect();
        self.save_old(&emits, &set);
        self.assign(&set);
        let mut total = 0;
        for (pos, emit) in emits {
            total += self.emit(emit, pos, at, flat);
        }
        // An event that no jump passes over ends the attempt by itself.
        let conditional =
            t.emits.iter().rev().find(|e| self.events[e.event]).is_some_and(|e| e.when.is_some());
        if let (
            false,
            Some(
                Ins::Emit0 { last, .. }
                | Ins::Emit1 { last, .. }
                | Ins::Emit2 { last, .. }
                | Ins::Emit3 { last, .. },
            ),
        ) = (conditional, self.code.ins.last_mut())
        {
            *last = true;
        }
        self.push(Ins::End);
        self.next = mark;
        total
    }

    fn guard(&mut self, when: &TExpr) {
        let mark = self.next;
        if let TKind::Op(op, args) = &when.kind
            && let Some(cmp) = Cmp::of(*op)
        {
            let a = self.expr(&args[0], None);
            let b = self.expr(&args[1], None);
            self.push(Ins::GuardInt { cmp, a, b });
        } else {
            let c = self.expr(when, None);
            self.push(Ins::Guard { c });
        }
        self.next = mark;
    }

    /// Copies what events read as `old.x` and this transition assigns.
    fn save_old(&mut self, emits: &[(u32, &'m Emit)], set: &[&(usize, TExpr)]) {
        let mut wanted = Vec::new();
        for (_, e) in emits {
            let all = e
                .when
                .iter()
                .chain(&e.fields)
                .chain([&e.key])
                .chain(&e.timestamp)
                .chain(&e.headers);
            all.for_each(|e| {
                visit(e, &mut |e| {
                    if let TKind::Old(i) = e.kind {
                        wanted.push(i);
                    }
                })
            });
        }
        wanted.sort_unstable();
        wanted.dedup();
        for i in wanted {
            if let (Place::Register(r), true) = (&self.read[i], set.iter().any(|(a, _)| *a == i)) {
                let (r, n) = (*r, words(self.population.attributes[i].ty));
                let saved = self.take(n);
                self.copy(saved, r, n);
                self.old.insert(i, saved);
            }
        }
    }

    /// Assignments that all read the values from before.
    fn assign(&mut self, set: &[&(usize, TExpr)]) {
        let mut late = Vec::new();
        // In `set`, `old.x` is the value from before, which later right-hand sides still find in place.
        let old = std::mem::take(&mut self.old);
        let mark = self.next;
        for (i, (a, e)) in set.iter().enumerate() {
            let ty = self.population.attributes[*a].ty;
            let Place::Register(r) = self.attributes[*a] else { continue };
            // Nullable values take two writes, and a ternary may write before it reads.
            let simple = !ty.nullable
                && !matches!(e.kind, TKind::If(..) | TKind::Coalesce(..) | TKind::Select(..));
            let direct = simple
                && !set[i + 1..].iter().any(|(_, later)| reads(later, *a))
                && !self.writes_early(e, *a);
            if direct {
                self.expr(e, Some(r));
                self.keep(ty, r);
            } else {
                let temp = self.take(words(ty));
                self.expr(e, Some(temp));
                late.push((*a, ty, r, temp));
            }
        }
        for (_, ty, r, temp) in late {
            self.copy(r, temp, words(ty));
            self.keep(ty, r);
        }
        self.next = mark;
        self.old = old;
    }

    /// Whether lowering `e` into a register may write it before all reads of attribute `a` are done.
    /// Only trees of strict operations are known not to.
    fn writes_early(&self, e: &TExpr, a: usize) -> bool {
        let mut strict = true;
        visit(e, &mut |e| {
            strict &= !matches!(
                e.kind,
                TKind::And(..)
                    | TKind::Or(..)
                    | TKind::If(..)
                    | TKind::Coalesce(..)
                    | TKind::Select(..)
                    | TKind::Bind { .. }
                    | TKind::Draw { draw: Draw::Choice | Draw::Weighted, .. }
            );
        });
        !strict && reads(e, a)
    }

    fn keep(&mut self, ty: Ty, d: R) {
        if ty.base == Base::String {
            self.push(Ins::Keep { d });
        }
    }

    fn emit(&mut self, emit: &'m Emit, pos: u32, at: (usize, usize), flat: usize) -> usize {
        let site = self.layout.sites.len() as u32;
        self.emitting = Some((site, pos));
        let mark = self.next;
        let skip = emit.when.as_ref().map(|when| {
            let c = self.expr(when, None);
            self.push(Ins::JumpUnless { c, to: 0 });
            self.code.ins.len() - 1
        });
        let mut slots = Slots::default();
        let fields: Vec<Column> = emit.fields.iter().map(|e| self.column(e, &mut slots)).collect();
        let key = self.column(&emit.key, &mut slots);
        let time = match &emit.timestamp {
            Some(e) => self.column(e, &mut slots),
            None => Column { cell: Cell::Time, ty: Ty::of(Base::Timestamp) },
        };
        let headers: Vec<Column> =
            emit.headers.iter().map(|e| self.column(e, &mut slots)).collect();
        let strings = slots.strings.clone();
        if skip.is_some() {
            self.push(Ins::Count { site });
        }
        self.push(match (slots.registers.as_slice(), strings.is_empty()) {
            ([], _) => Ins::Emit0 { site, last: false },
            ([a], true) => Ins::Emit1 { site, a: *a, last: false },
            ([a, b], true) => Ins::Emit2 { site, a: *a, b: *b, last: false },
            ([a, b, c], true) => Ins::Emit3 { site, a: *a, b: *b, c: *c, last: false },
            _ => Ins::Emit { site },
        });
        let slot_words = slots.registers.len();
        let always = skip.is_none();
        self.captures.push(Capture {
            registers: slots.registers,
            population: self.index,
            transition: flat,
            always,
        });
        self.layout.sites.push(Site {
            event: emit.event,
            population: self.index,
            transition: at,
            pos,
            slots: slots.types,
            slot_words,
            strings,
            fields,
            key,
            time,
            headers,
        });
        if let Some(at) = skip {
            let to = self.code.ins.len() as u32;
            self.patch(at, to);
        }
        self.next = mark;
        self.emitting = None;
        2 + slot_words
    }

    /// A value of an event: a function of the record's key where it is one, else a captured slot.
    fn column(&mut self, e: &'m TExpr, slots: &mut Slots) -> Column {
        let cell = match &e.kind {
            TKind::Widen(inner) => return self.column(inner, slots),
            TKind::Const(v) if is_shown(v) => Cell::Const(v.clone()),
            TKind::Id => Cell::Id,
            TKind::Seq => Cell::Seq,
            TKind::Time => Cell::Time,
            TKind::EventId => Cell::EventId,
            TKind::Attr(i) | TKind::Old(i) if matches!(&self.read[*i], Place::Const(v) if is_shown(v)) => {
                match &self.read[*i] {
                    Place::Const(v) => Cell::Const(v.clone()),
                    _ => Cell::Id,
                }
            }
            TKind::Op(Op::UnixMs, args) if matches!(args[0].kind, TKind::Time) => Cell::TimeMs,
            TKind::Op(Op::IntToString, args) if matches!(args[0].kind, TKind::Id) => Cell::IdText,
            TKind::Op(Op::IntToString, args) => {
                let r = self.expr(&args[0], None);
                Cell::SlotText(slots.add(Ty::of(Base::Int), r))
            }
            _ => {
                let r = self.expr(e, None);
                if e.ty.base == Base::Double {
                    self.finite(e, r);
                }
                Cell::Slot(slots.add(e.ty, r))
            }
        };
        Column { cell, ty: e.ty }
    }

    fn finite(&mut self, e: &TExpr, r: R) {
        let skip = e.ty.nullable.then(|| {
            self.push(Ins::JumpIf { c: r + 1, to: 0 });
            self.code.ins.len() - 1
        });
        self.may_fail(e.span);
        self.push(Ins::Finite { a: r });
        if let Some(at) = skip {
            let to = self.code.ins.len() as u32;
            self.patch(at, to);
        }
    }

    // Registers and addresses.

    fn take(&mut self, n: usize) -> R {
        let r = self.next;
        self.next += n;
        self.most = self.most.max(self.next);
        self.too_large |= self.next > usize::from(R::MAX);
        r as R
    }

    fn want(&mut self, want: Option<R>, n: usize) -> R {
        want.unwrap_or_else(|| self.take(n))
    }

    fn found(&mut self, r: R, n: usize, want: Option<R>) -> R {
        match want {
            Some(d) if d != r => {
                self.copy(d, r, n);
                d
            }
            _ => r,
        }
    }

    fn copy(&mut self, d: R, a: R, n: usize) {
        for i in 0..n as R {
            self.push(Ins::Mov { d: d.wrapping_add(i), a: a.wrapping_add(i) });
        }
    }

    fn push(&mut self, ins: Ins) {
        self.code.ins.push(ins);
    }

    fn may_fail(&mut self, span: Span) {
        let pc = self.code.ins.len() as u32;
        self.fallible = true;
        self.code.places.push(Source { pc, span, pos: self.emitting.map(|(_, pos)| pos) });
    }

    fn jump(&mut self, ins: Ins) -> usize {
        self.push(ins);
        self.code.ins.len() - 1
    }

    fn land(&mut self, at: usize) {
        let to = self.code.ins.len() as u32;
        self.patch(at, to);
    }

    fn patch(&mut self, at: usize, target: u32) {
        if let Ins::Jump { to } | Ins::JumpIf { to, .. } | Ins::JumpUnless { to, .. } =
            &mut self.code.ins[at]
        {
            *to = target;
        }
    }
}

/// The first thresholds, filled up with the largest word.
fn few(thresholds: &[u64]) -> [u64; 3] {
    std::array::from_fn(|i| thresholds.get(i).copied().unwrap_or(u64::MAX))
}

/// Slots of an emit site while it is lowered.
#[derive(Default)]
struct Slots {
    types: Vec<Ty>,
    registers: Vec<R>,
    strings: Vec<u32>,
}

impl Slots {
    fn add(&mut self, ty: Ty, r: R) -> u32 {
        // One slot serves all columns that show the same register.
        let shown = self.registers.iter().position(|x| *x == r);
        if let Some(slot) = shown
            && !ty.nullable
        {
            return slot as u32;
        }
        let slot = self.registers.len() as u32;
        if ty.base == Base::String {
            self.strings.push(slot);
        }
        self.types.push(ty);
        self.registers.push(r);
        if ty.nullable {
            self.registers.push(r + 1);
        }
        slot
    }
}
