//! Expressions of a population as bytecode.

use super::{Lower, is_constant, words};
use crate::batch::CONST_TAG;
use crate::dist;
use crate::engine::code::{Cmp, Ins, R, Sampler};
use crate::engine::lower::Place;
use crate::expr::func;
use crate::expr::typed::{Draw, Op, TExpr, TKind};
use crate::value::{Base, Ty, Value};

impl Lower<'_> {
    /// Code for `e`; its value is in the register returned: `want` where given. Nullable values take
    /// the next register too.
    pub(super) fn expr(&mut self, e: &TExpr, want: Option<R>) -> R {
        let n = words(e.ty);
        self.texts |= e.ty.base == Base::String;
        match &e.kind {
            TKind::Const(v) => self.constant(v, e.ty, want),
            TKind::Attr(i) => match self.read[*i].clone() {
                Place::Register(r) => self.found(r, n, want),
                Place::Const(v) => self.constant(&v, e.ty, want),
                Place::Dead => self.want(want, n),
            },
            TKind::Old(i) => match (self.old.get(i).copied(), self.read[*i].clone()) {
                (Some(r), _) | (None, Place::Register(r)) => self.found(r, n, want),
                (None, Place::Const(v)) => self.constant(&v, e.ty, want),
                (None, Place::Dead) => self.want(want, n),
            },
            TKind::Let(i) => self.found(self.lets[*i], n, want),
            TKind::Local(slot) => self.found(self.locals[slot], n, want),
            TKind::Id => self.found(self.id, 1, want),
            TKind::Seq => {
                self.reads_clock = true;
                self.found(self.seq, 1, want)
            }
            TKind::Time => {
                self.reads_clock = true;
                self.found(self.time, 1, want)
            }
            TKind::EventId => {
                let d = self.want(want, 1);
                let site = self.emitting.map_or(0, |(site, _)| site);
                self.may_fail(e.span);
                self.push(Ins::EventId { d, site });
                d
            }
            TKind::Op(op, args) => self.op(e, *op, args, want),
            TKind::And(a, b) => self.short_circuit(a, b, want, false),
            TKind::Or(a, b) => self.short_circuit(a, b, want, true),
            TKind::If(c, a, b) => {
                let d = self.want(want, n);
                let mark = self.next;
                let c = self.expr(c, None);
                self.next = mark;
                let otherwise = self.jump(Ins::JumpUnless { c, to: 0 });
                self.expr_into(a, d);
                let end = self.jump(Ins::Jump { to: 0 });
                self.land(otherwise);
                self.expr_into(b, d);
                self.land(end);
                d
            }
            TKind::IsNull(a) => {
                let mark = self.next;
                let r = self.expr(a, None);
                self.next = mark;
                let d = self.want(want, 1);
                self.found(r + 1, 1, Some(d))
            }
            TKind::Coalesce(a, b) => {
                let d = self.want(want, n);
                let mark = self.next;
                let r = self.expr(a, None);
                self.next = mark;
                let null = self.jump(Ins::JumpIf { c: r + 1, to: 0 });
                self.push(Ins::Mov { d, a: r });
                if e.ty.nullable {
                    self.push(Ins::Const { d: d + 1, k: 0 });
                }
                let end = self.jump(Ins::Jump { to: 0 });
                self.land(null);
                self.expr_into(b, d);
                self.land(end);
                d
            }
            TKind::Widen(a) => {
                let d = self.want(want, 2);
                self.expr_into(a, d);
                self.push(Ins::Const { d: d + 1, k: 0 });
                d
            }
            TKind::Select(index, items) => {
                let d = self.want(want, n);
                let mark = self.next;
                let c = self.expr(index, None);
                self.next = mark;
                self.may_fail(index.span);
                self.branches(c, items.iter(), d);
                d
            }
            TKind::Bind { slot, value, body } => {
                let d = self.want(want, n);
                let mark = self.next;
                let r = self.take(words(value.ty));
                self.expr_into(value, r);
                self.locals.insert(*slot, r);
                self.expr_into(body, d);
                self.next = mark;
                d
            }
            TKind::Draw { draw, site, args } => self.draw(e, *draw, *site, args, want),
        }
    }

    pub(super) fn expr_into(&mut self, e: &TExpr, d: R) {
        let mark = self.next;
        self.expr(e, Some(d));
        self.next = mark;
    }

    fn op(&mut self, e: &TExpr, op: Op, args: &[TExpr], want: Option<R>) -> R {
        let d = self.want(want, 1);
        let mark = self.next;
        if op == Op::AddInt
            && let TKind::Draw { draw: Draw::UniformInt, site, args: ends } = &args[1].kind
            && let (TKind::Const(Value::Int(lo)), TKind::Const(Value::Int(hi))) =
                (&ends[0].kind, &ends[1].kind)
            && let Ok(uniform) = dist::UniformInt::new(*lo, *hi)
        {
            let a = self.expr(&args[0], None);
            self.code.uniforms.push((uniform, *site));
            self.may_fail(e.span);
            self.push(Ins::AddUniform { d, a, i: self.code.uniforms.len() as u32 - 1 });
        } else if op == Op::AddInt
            && let TKind::Const(Value::Int(k)) = args[1].kind
        {
            let a = self.expr(&args[0], None);
            self.may_fail(e.span);
            self.push(Ins::AddImm { d, a, k });
        } else if let Some(part) = crate::engine::ops::part(op)
            && let TKind::Const(Value::String(zone)) = &args[1].kind
            && let Ok(zone) = func::Zone::new(zone)
        {
            let a = self.expr(&args[0], None);
            self.code.zones.push(zone);
            self.push(Ins::Zoned { part, d, a, i: self.code.zones.len() as u32 - 1 });
        } else if op == Op::Matches
            && let TKind::Const(Value::String(pattern)) = &args[1].kind
            && let Ok(pattern) = func::pattern(pattern)
        {
            let a = self.expr(&args[0], None);
            self.code.patterns.push(pattern);
            self.push(Ins::MatchesConst { d, a, i: self.code.patterns.len() as u32 - 1 });
        } else {
            let a = self.expr(&args[0], None);
            let b = args.get(1).map_or(0, |b| self.expr(b, None));
            if !never_fails(op) {
                self.may_fail(e.span);
            }
            self.push(match (op, Cmp::of(op)) {
                (_, Some(cmp)) => Ins::CmpInt { cmp, d, a, b },
                (Op::AddInt, _) => Ins::AddInt { d, a, b },
                (Op::SubInt, _) => Ins::SubInt { d, a, b },
                (Op::AddDouble, _) => Ins::AddDouble { d, a, b },
                (Op::SubDouble, _) => Ins::SubDouble { d, a, b },
                (Op::MulDouble, _) => Ins::MulDouble { d, a, b },
                _ => Ins::Op { op, d, a, b },
            });
        }
        self.next = mark;
        d
    }

    /// `a && b` (`until` false) or `a || b` (`until` true).
    fn short_circuit(&mut self, a: &TExpr, b: &TExpr, want: Option<R>, until: bool) -> R {
        let d = self.want(want, 1);
        self.expr_into(a, d);
        let end = self.jump(if until {
            Ins::JumpIf { c: d, to: 0 }
        } else {
            Ins::JumpUnless { c: d, to: 0 }
        });
        self.expr_into(b, d);
        self.land(end);
        d
    }

    fn draw(&mut self, e: &TExpr, draw: Draw, site: u64, args: &[TExpr], want: Option<R>) -> R {
        let n = words(e.ty);
        let d = self.want(want, n);
        let mark = self.next;
        match draw {
            Draw::UniformInt | Draw::UniformDouble if sampler(draw, args).is_none() => {
                self.draw_args(e, draw, site, args, d)
            }
            Draw::UniformInt => {
                if let Some(Sampler::UniformInt(u)) = sampler(draw, args) {
                    self.code.uniforms.push((u, site));
                    self.push(Ins::Uniform { d, i: self.code.uniforms.len() as u32 - 1 });
                }
            }
            Draw::Choice | Draw::Weighted => {
                let values: Vec<&TExpr> = match draw {
                    Draw::Choice => args.iter().collect(),
                    _ => args.iter().skip(1).step_by(2).collect(),
                };
                let c = self.take(1);
                match sampler(draw, args) {
                    Some(s) => {
                        self.code.samplers.push((s, site));
                        self.push(Ins::Sample { d: c, i: self.code.samplers.len() as u32 - 1 });
                    }
                    None => {
                        let weights: Vec<&TExpr> = args.iter().step_by(2).collect();
                        self.draw_arg_list(e, draw, site, &weights, c);
                    }
                }
                self.next = mark.max(c as usize + 1);
                self.pick(c, &values, d, n);
            }
            _ => match sampler(draw, args) {
                Some(s) => {
                    self.code.samplers.push((s, site));
                    self.push(Ins::Sample { d, i: self.code.samplers.len() as u32 - 1 });
                }
                None => self.draw_args(e, draw, site, args, d),
            },
        }
        self.next = mark;
        d
    }

    fn draw_args(&mut self, e: &TExpr, draw: Draw, site: u64, args: &[TExpr], d: R) {
        let args: Vec<&TExpr> = args.iter().collect();
        self.draw_arg_list(e, draw, site, &args, d);
    }

    fn draw_arg_list(&mut self, e: &TExpr, draw: Draw, site: u64, args: &[&TExpr], d: R) {
        let a = self.take(args.len());
        for (i, arg) in args.iter().enumerate() {
            self.expr_into(arg, a.wrapping_add(i as R));
        }
        self.code.draws.push((draw, site));
        self.may_fail(e.span);
        self.push(Ins::SampleArgs {
            d,
            a,
            n: args.len() as u16,
            i: self.code.draws.len() as u32 - 1,
        });
    }

    /// `d` = the value with index `c`, which is in range: from a table where all are constants.
    fn pick(&mut self, c: R, values: &[&TExpr], d: R, n: usize) {
        let constants: Option<Vec<&Value>> = values.iter().map(|v| is_constant(v)).collect();
        match constants {
            Some(constants) if n == 1 => {
                let base = self.code.tables.len() as u32;
                for v in constants {
                    let w = self.word(v);
                    self.code.tables.push(w);
                }
                self.push(Ins::Table { d, c, base });
            }
            _ => self.branches(c, values.iter().copied(), d),
        }
    }

    /// A jump table over values that are evaluated only where taken.
    fn branches<'e>(&mut self, c: R, values: impl ExactSizeIterator<Item = &'e TExpr>, d: R) {
        let n = values.len() as u32;
        let base = self.code.ins.len() as u32 + 1;
        self.push(Ins::JumpTable { c, n, base });
        (0..n).for_each(|_| self.push(Ins::Jump { to: 0 }));
        let mut ends = Vec::new();
        for (i, v) in values.enumerate() {
            self.land(base as usize + i);
            self.expr_into(v, d);
            ends.push(self.jump(Ins::Jump { to: 0 }));
        }
        ends.into_iter().for_each(|at| self.land(at));
    }

    pub(super) fn constant(&mut self, v: &Value, ty: Ty, want: Option<R>) -> R {
        let d = self.want(want, words(ty));
        let k = self.word(v);
        self.push(Ins::Const { d, k });
        if ty.nullable {
            self.push(Ins::Const { d: d + 1, k: u64::from(*v == Value::Null) });
        }
        d
    }

    pub(super) fn word(&mut self, v: &Value) -> u64 {
        match v {
            Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => *v as u64,
            Value::Double(v) => v.to_bits(),
            Value::Bool(v) => u64::from(*v),
            Value::Null => 0,
            Value::String(s) => {
                let layout = &mut *self.layout;
                let index = *self.constants.entry(s.clone()).or_insert_with(|| {
                    layout.constants.push(s.clone());
                    layout.constants.len() as u64 - 1
                });
                CONST_TAG | index
            }
        }
    }
}

/// Operations that have a value for all arguments. (Texts may always become too long.)
fn never_fails(op: Op) -> bool {
    use Op::*;
    Cmp::of(op).is_some()
        || matches!(
            op,
            NegDouble
                | Not
                | AddDouble
                | SubDouble
                | MulDouble
                | DivDouble
                | EqDouble
                | NeDouble
                | LtDouble
                | LeDouble
                | GtDouble
                | GeDouble
                | EqString
                | NeString
                | LtString
                | LeString
                | GtString
                | GeString
                | IntToDouble
                | MinInt
                | MaxInt
                | MinDouble
                | MaxDouble
                | MinString
                | MaxString
                | Floor
                | Ceil
                | Round
                | Size
                | Contains
                | StartsWith
                | EndsWith
                | UnixMs
        )
}

/// The sampler of a draw whose arguments are constants.
fn sampler(draw: Draw, args: &[TExpr]) -> Option<Sampler> {
    let int = |i: usize| match args.get(i)?.kind {
        TKind::Const(Value::Int(v)) => Some(v),
        _ => None,
    };
    let double = |i: usize| match args.get(i)?.kind {
        TKind::Const(Value::Double(v)) => Some(v),
        _ => None,
    };
    Some(match draw {
        Draw::UniformInt => Sampler::UniformInt(dist::UniformInt::new(int(0)?, int(1)?).ok()?),
        Draw::UniformDouble => {
            Sampler::UniformDouble(dist::UniformDouble::new(double(0)?, double(1)?).ok()?)
        }
        Draw::Chance => Sampler::Chance(dist::Chance::new(double(0)?).ok()?),
        Draw::Normal => Sampler::Normal(dist::Normal::new(double(0)?, double(1)?).ok()?),
        Draw::Lognormal => Sampler::Lognormal(dist::Lognormal::new(double(0)?, double(1)?).ok()?),
        Draw::Exponential => Sampler::Exponential(dist::Exponential::new(double(0)?).ok()?),
        Draw::Pareto => Sampler::Pareto(dist::Pareto::new(double(0)?, double(1)?).ok()?),
        Draw::Poisson => Sampler::Poisson(dist::Poisson::new(double(0)?).ok()?),
        Draw::Zipf => Sampler::Zipf(dist::Zipf::new(int(0)?, double(1)?).ok()?),
        Draw::Choice => Sampler::Choice(dist::Choice::new(args.len()).ok()?),
        Draw::Weighted => {
            let weights: Option<Vec<f64>> = (0..args.len()).step_by(2).map(double).collect();
            Sampler::Weighted(dist::Weighted::new(&weights?).ok()?)
        }
        Draw::Uuid => Sampler::Uuid,
    })
}
