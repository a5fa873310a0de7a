//! Operators: conditions, arithmetic, comparison, the ternary, and one type for several values.

use super::{Checker, Out, Val, constant, to_double};
use crate::expr::ast::{Binary, Kind, Node};
use crate::expr::typed::{Op, TExpr, TKind};
use crate::value::{Base, Ty, Value};
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn negate(&mut self, node: &Node, range: Range<usize>) -> Option<Val> {
        let v = self.value(node)?;
        let op = match v.e.ty.base {
            Base::Int => Op::NegInt,
            Base::Double => Op::NegDouble,
            base => {
                return self.error(
                    "E0407",
                    range,
                    format!("`-` takes int or double, not {base}"),
                    "",
                );
            }
        };
        let base = v.e.ty.base;
        let flex = v.flex && constant(&v.e).is_some();
        Some(Val { e: self.op(op, vec![v.e], base, range)?, flex })
    }

    pub(super) fn logic(
        &mut self,
        op: Binary,
        a: &Node,
        b: &Node,
        range: Range<usize>,
    ) -> Option<TExpr> {
        let what = format!("an operand of `{}`", op.text());
        let left = self.condition(a, &what);
        let mark = self.judged.len();
        let right = self.condition(b, &what);
        let (left, right) = (left?, right?);
        let decided = Value::Bool(op == Binary::Or);
        if constant(&left) == Some(&decided) {
            self.judged.truncate(mark);
        }
        self.join(op, left, right, range)
    }

    /// `a && b` or `a || b` of typed values; short where the left is constant.
    pub(super) fn join(
        &mut self,
        op: Binary,
        left: TExpr,
        right: TExpr,
        range: Range<usize>,
    ) -> Option<TExpr> {
        match constant(&left) {
            Some(Value::Bool(v)) => Some(if *v == (op == Binary::Or) { left } else { right }),
            _ => {
                let (left, right) = (Box::new(left), Box::new(right));
                let kind =
                    if op == Binary::Or { TKind::Or(left, right) } else { TKind::And(left, right) };
                self.make(kind, Ty::of(Base::Bool), range)
            }
        }
    }

    pub(super) fn ternary(
        &mut self,
        c: &Node,
        a: &Node,
        b: &Node,
        range: Range<usize>,
    ) -> Option<Out> {
        let condition = self.condition(c, "the condition of `?`");
        let start = self.judged.len();
        let yes = self.out(a);
        let middle = self.judged.len();
        let no = self.out(b);
        let (condition, yes, no) = (condition?, yes?, no?);
        if let (Out::Null, Out::Null) = (&yes, &no) {
            return Some(Out::Null);
        }
        let outs = vec![(yes, a.range()), (no, b.range())];
        let (mut values, ty, flex) = self.unify(outs, "E0410", "the branches of `? :`")?;
        let (no, yes) = (values.pop()?, values.pop()?);
        let e = match constant(&condition) {
            Some(Value::Bool(true)) => {
                self.judged.truncate(middle);
                yes
            }
            Some(Value::Bool(false)) => {
                self.judged.drain(start..middle);
                no
            }
            _ => {
                self.make(TKind::If(Box::new(condition), Box::new(yes), Box::new(no)), ty, range)?
            }
        };
        Some(Out::Val(Val { e, flex }))
    }

    /// Brings values to one type: int literals to double where another is double, all to nullable
    /// where one may be null.
    pub(super) fn unify(
        &mut self,
        outs: Vec<(Out, Range<usize>)>,
        code: &'static str,
        what: &str,
    ) -> Option<(Vec<TExpr>, Ty, bool)> {
        let mut nullable = false;
        let mut first: Option<(Base, bool, Range<usize>)> = None;
        for (out, range) in &outs {
            let v = match out {
                Out::Val(v) => v,
                Out::Null => {
                    nullable = true;
                    continue;
                }
                Out::List(_) | Out::Map => {
                    return self.error(
                        "E0415",
                        range.clone(),
                        "a list or map cannot be a value here",
                        "choose inside the list: `[a, c ? b : d]`",
                    );
                }
            };
            nullable |= v.e.ty.nullable;
            let base = v.e.ty.base;
            first = match first.take() {
                None => Some((base, v.flex, range.clone())),
                Some((have, flex, at)) if have == base => Some((have, flex && v.flex, at)),
                Some((Base::Int, true, _)) if base == Base::Double => {
                    Some((Base::Double, false, range.clone()))
                }
                Some((Base::Double, _, at)) if base == Base::Int && v.flex => {
                    Some((Base::Double, false, at))
                }
                Some((have, _, at)) => {
                    let text = &self.source.text[range.clone()];
                    let help = match (have, base) {
                        (Base::Double, Base::Int) => format!("write `double({text})`"),
                        (Base::Int, Base::Double) => {
                            format!("write `double({})`", &self.source.text[at.clone()])
                        }
                        (Base::String, _) => format!("write `string({text})`"),
                        (_, Base::String) => {
                            format!("write `string({})`", &self.source.text[at.clone()])
                        }
                        _ => "give all the same type".to_owned(),
                    };
                    let d = self
                        .problem(
                            code,
                            range.clone(),
                            format!("{what} must have one type, but this is {base}"),
                        )
                        .related(self.source.place(at), format!("this is {have}"));
                    self.diags.push(if help.is_empty() || help.len() > 80 {
                        d
                    } else {
                        d.help(help)
                    });
                    return None;
                }
            };
        }
        let Some((base, flex, _)) = first else {
            let range = outs.first().map_or(self.root.clone(), |(_, r)| r.clone());
            return self.error("E0413", range, "null alone has no type", "");
        };
        let ty = Ty { base, nullable };
        let mut values = Vec::with_capacity(outs.len());
        for (out, range) in outs {
            let e = match out {
                Out::Val(v) if base == Base::Double && v.e.ty.base == Base::Int => to_double(v.e),
                Out::Val(v) => v.e,
                _ => self.make(TKind::Const(Value::Null), ty, range.clone())?,
            };
            values.push(if nullable && !e.ty.nullable { self.widen(e, range)? } else { e });
        }
        Some((values, ty, flex))
    }

    pub(super) fn binary(
        &mut self,
        op: Binary,
        a: &Node,
        b: &Node,
        range: Range<usize>,
    ) -> Option<Val> {
        if matches!(op, Binary::Eq | Binary::Ne) {
            self.compared.extend([a.range().start, b.range().start]);
        }
        let (left, right) = (self.out(a), self.out(b));
        let (left, right) = match (left?, right?) {
            (Out::Null, other) => return self.is_null(op, other, b, range),
            (other, Out::Null) => return self.is_null(op, other, a, range),
            (Out::Val(l), Out::Val(r)) => (l, r),
            (Out::Val(_), _) => return self.not_a_value(b),
            _ => return self.not_a_value(a),
        };
        for (v, node) in [(&left, a), (&right, b)] {
            if v.e.ty.nullable {
                let text = self.text(node).to_owned();
                let help = format!(
                    "write `coalesce({text}, ...)` with the value to take instead of null, or test `{text} == null` first"
                );
                return self.error(
                    "E0412",
                    node.range(),
                    format!("`{text}` may be null ({})", v.e.ty),
                    help,
                );
            }
        }
        let (left, right) = match (left.e.ty.base, right.e.ty.base) {
            (Base::Int, Base::Double) if left.flex => (to_double(left.e), right.e),
            (Base::Double, Base::Int) if right.flex => (left.e, to_double(right.e)),
            _ => (left.e, right.e),
        };
        let (l, r) = (left.ty.base, right.ty.base);
        let Some((op_typed, base, swap)) = operation(op, l, r) else {
            return self.no_operation(op, a, b, l, r, range);
        };
        let args = if swap { vec![right, left] } else { vec![left, right] };
        Some(Val { e: self.op(op_typed, args, base, range)?, flex: false })
    }

    /// `x == null` and `x != null`.
    pub(super) fn is_null(
        &mut self,
        op: Binary,
        other: Out,
        node: &Node,
        range: Range<usize>,
    ) -> Option<Val> {
        if !matches!(op, Binary::Eq | Binary::Ne) {
            return self.error(
                "E0413",
                range,
                format!("`{}` cannot take null", op.text()),
                "null can only be compared with `==` and `!=`",
            );
        }
        let v = match other {
            Out::Null => {
                let v = self.constant(Value::Bool(op == Binary::Eq), Base::Bool, range)?;
                return Some(Val { e: v, flex: false });
            }
            Out::Val(v) => v,
            _ => return self.not_a_value(node),
        };
        if !v.e.ty.nullable {
            let message = format!("`{}` is {} and never null", self.text(node), v.e.ty);
            return self.error(
                "E0413",
                range,
                message,
                format!(
                    "declare the attribute as `nullable({})`, or leave the test out",
                    v.e.ty.base
                ),
            );
        }
        let known = constant(&v.e).is_some();
        let e = self.make(TKind::IsNull(Box::new(v.e)), Ty::of(Base::Bool), range.clone())?;
        let e = if known { self.fold(e, range.clone()) } else { e };
        let e = if op == Binary::Ne { self.op(Op::Not, vec![e], Base::Bool, range)? } else { e };
        Some(Val { e, flex: false })
    }

    pub(super) fn no_operation<T>(
        &mut self,
        op: Binary,
        a: &Node,
        b: &Node,
        l: Base,
        r: Base,
        range: Range<usize>,
    ) -> Option<T> {
        let (x, y) = (self.operand(a), self.operand(b));
        let (raw_x, raw_y) = (self.text(a).to_owned(), self.text(b).to_owned());
        let sign = op.text();
        let compares = compare(op, Base::Int).is_some();
        let (code, help) = match (l, r) {
            (Base::Bool, _)
                if compares
                    && let Kind::Binary(first, _, middle) = &a.kind
                    && compare(*first, Base::Int).is_some() =>
            {
                ("E0407", format!("write `{raw_x} && {} {sign} {y}`", self.operand(middle)))
            }
            (Base::Timestamp, Base::Int) if compares => (
                "E0407",
                format!(
                    "write `{x} {sign} timestamp({raw_y})` for seconds since 1970, `unix_ms({raw_x}) {sign} {y}` for milliseconds"
                ),
            ),
            (Base::Int, Base::Double) if op != Binary::Rem => {
                ("E0408", format!("write `double({raw_x}) {sign} {y}`"))
            }
            (Base::Double, Base::Int) if op != Binary::Rem => {
                ("E0408", format!("write `{x} {sign} double({raw_y})`"))
            }
            (Base::String, _) if op == Binary::Add => {
                ("E0407", format!("write `{x} + string({raw_y})`"))
            }
            (_, Base::String) if op == Binary::Add => {
                ("E0407", format!("write `string({raw_x}) + {y}`"))
            }
            (Base::Double, Base::Double) if op == Binary::Rem => {
                ("E0407", format!("write `int({raw_x}) % int({raw_y})`"))
            }
            (Base::Timestamp, Base::Int | Base::Double)
                if matches!(op, Binary::Add | Binary::Sub) =>
            {
                ("E0407", format!("a time is added as a duration: `{x} {sign} duration('1h')`"))
            }
            (Base::Timestamp, Base::Timestamp) if op == Binary::Add => {
                ("E0407", "the time between two instants is their difference: `a - b`".to_owned())
            }
            (Base::Timestamp, Base::String) if is_quoted_date(&raw_y) => {
                let date = raw_y.trim_matches(['\'', '"']);
                ("E0407", format!("write `{x} {sign} timestamp('{date}T00:00:00Z')`"))
            }
            (Base::Timestamp | Base::Duration, Base::String) => {
                ("E0407", format!("write `{x} {sign} {l}({raw_y})`"))
            }
            (Base::String, Base::Timestamp | Base::Duration) => {
                ("E0407", format!("write `{r}({raw_x}) {sign} {y}`"))
            }
            (Base::String, _) => ("E0407", format!("write `{x} {sign} string({raw_y})`")),
            (_, Base::String) => ("E0407", format!("write `string({raw_x}) {sign} {y}`")),
            _ => ("E0407", String::new()),
        };
        let takes = match op {
            Binary::Add => "two ints, doubles, texts or durations, or a timestamp and a duration",
            Binary::Sub => {
                "two ints, doubles, timestamps or durations, or a timestamp and a duration"
            }
            Binary::Mul | Binary::Div => "two ints or two doubles",
            Binary::Rem => "two ints",
            _ => "two values of one type",
        };
        self.error(
            code,
            range,
            format!("`{sign}` takes {takes}; here the left is {l}, the right {r}"),
            help,
        )
    }
}

/// Whether a string literal holds a date alone: `'2022-02-11'`.
fn is_quoted_date(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "'0000-00-00'" | "\"0000-00-00\"")
}

/// The operation of an operator on two types, its result, and whether its arguments are swapped.
fn operation(op: Binary, l: Base, r: Base) -> Option<(Op, Base, bool)> {
    use Base::{Bool, Double, Duration, Int, String, Timestamp};
    let straight = |op, base| Some((op, base, false));
    match (op, l, r) {
        (Binary::Add, Int, Int) => straight(Op::AddInt, Int),
        (Binary::Add, Double, Double) => straight(Op::AddDouble, Double),
        (Binary::Add, String, String) => straight(Op::Concat, String),
        (Binary::Add, Timestamp, Duration) => straight(Op::AddTimestampDuration, Timestamp),
        (Binary::Add, Duration, Timestamp) => Some((Op::AddTimestampDuration, Timestamp, true)),
        (Binary::Add, Duration, Duration) => straight(Op::AddDuration, Duration),
        (Binary::Sub, Int, Int) => straight(Op::SubInt, Int),
        (Binary::Sub, Double, Double) => straight(Op::SubDouble, Double),
        (Binary::Sub, Timestamp, Duration) => straight(Op::SubTimestampDuration, Timestamp),
        (Binary::Sub, Timestamp, Timestamp) => straight(Op::SubTimestamp, Duration),
        (Binary::Sub, Duration, Duration) => straight(Op::SubDuration, Duration),
        (Binary::Mul, Int, Int) => straight(Op::MulInt, Int),
        (Binary::Mul, Double, Double) => straight(Op::MulDouble, Double),
        (Binary::Div, Int, Int) => straight(Op::DivInt, Int),
        (Binary::Div, Double, Double) => straight(Op::DivDouble, Double),
        (Binary::Rem, Int, Int) => straight(Op::ModInt, Int),
        _ if l == r => straight(compare(op, l)?, Bool),
        _ => None,
    }
}

/// The comparison of two values of one type.
pub(super) fn compare(op: Binary, base: Base) -> Option<Op> {
    let ops = match op {
        Binary::Eq => [Op::EqInt, Op::EqDouble, Op::EqString],
        Binary::Ne => [Op::NeInt, Op::NeDouble, Op::NeString],
        Binary::Lt => [Op::LtInt, Op::LtDouble, Op::LtString],
        Binary::Le => [Op::LeInt, Op::LeDouble, Op::LeString],
        Binary::Gt => [Op::GtInt, Op::GtDouble, Op::GtString],
        Binary::Ge => [Op::GeInt, Op::GeDouble, Op::GeString],
        _ => return None,
    };
    Some(match base {
        Base::Double => ops[1],
        Base::String => ops[2],
        _ => ops[0],
    })
}
