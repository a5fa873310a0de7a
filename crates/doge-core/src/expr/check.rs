//! From syntax to typed tree: names, types, overloads; constants folded and judged.
//!
//! Types are CEL's, strict, with one exception: an int *literal* is a double where a double is
//! needed. Whatever does not depend on a variable or a draw is computed here, and if that fails, it is
//! a problem of the model, not of the run. Functions are in `call`, lists and macros in `list`, the
//! table of functions in `table`.

mod call;
mod list;
mod table;

use super::ast::{Ast, Binary, Kind, Name, Node, Unary};
use super::eval::{Scope, eval};
use super::names::{Env, Place, nearest};
use super::parse::RESERVED;
use super::typed::{Op, TExpr, TKind};
use crate::diag::{Diagnostic, Diagnostics};
use crate::spec::ExprSource;
use crate::value::{Base, Ty, Value};
use list::List;
use std::ops::Range;

pub use table::{FUNCTIONS, Function};

/// How many nodes a typed tree may have: macros multiply.
pub const MAX_NODES: usize = 50_000;
/// How many computed list elements one expression may have under macros and `in`.
const MAX_SLOTS: usize = 200;

/// Checks an expression. Problems go to `diags`; `None` where there was an error.
///
/// With `expected` the result has that type (literals are converted, a value is widened to a nullable
/// type); without, it has its own.
pub fn check(ast: &Ast, env: &Env, expected: Option<Ty>, diags: &mut Diagnostics) -> Option<TExpr> {
    let mut calls = Vec::new();
    random_calls(&ast.root, &mut calls);
    let mut checker = Checker {
        source: &ast.source,
        env,
        diags: Vec::new(),
        judged: Vec::new(),
        calls,
        slots: 0,
        nodes: 0,
        too_large: false,
        locals: Vec::new(),
        in_macro: false,
        root: ast.root.range(),
    };
    let typed = checker.whole(&ast.root, expected);
    let mut found = checker.diags;
    found.append(&mut checker.judged);
    let failed = !found.is_empty();
    // A macro's body is checked once for each element: one mistake, one report.
    let mut unique: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for d in found {
        if !unique.iter().any(|u| u.code == d.code && u.span == d.span) {
            unique.push(d);
        }
    }
    unique.into_iter().for_each(|d| diags.push(d));
    typed.filter(|_| !failed)
}

/// Start of each random call, by position: the index is the call's ordinal.
fn random_calls(node: &Node, out: &mut Vec<u32>) {
    match &node.kind {
        Kind::Call { target, name, args } => {
            if target.is_none() && table::is_random(&name.text) {
                out.push(name.start);
            }
            target.iter().for_each(|t| random_calls(t, out));
            args.iter().for_each(|a| random_calls(a, out));
        }
        Kind::Member(a, _) | Kind::Unary(_, a) => random_calls(a, out),
        Kind::Index(a, b) | Kind::Binary(_, a, b) => {
            random_calls(a, out);
            random_calls(b, out);
        }
        Kind::Ternary(a, b, c) => [a, b, c].into_iter().for_each(|n| random_calls(n, out)),
        Kind::List(items) => items.iter().for_each(|n| random_calls(n, out)),
        Kind::Map(items) => items.iter().for_each(|(k, v)| {
            random_calls(k, out);
            random_calls(v, out);
        }),
        _ => {}
    }
}

/// A typed value, and whether it is made of int literals only, so that it may become a double.
#[derive(Clone, Debug)]
struct Val {
    e: TExpr,
    flex: bool,
}

/// What a node can be.
enum Out {
    Val(Val),
    Null,
    List(List),
    Map,
}

struct Checker<'a> {
    source: &'a ExprSource,
    env: &'a Env<'a>,
    diags: Vec<Diagnostic>,
    /// Constants that fail: dropped where a constant condition means that they are never evaluated.
    judged: Vec<Diagnostic>,
    calls: Vec<u32>,
    slots: usize,
    nodes: usize,
    too_large: bool,
    /// Variables of macros, innermost last, with what stands for them.
    locals: Vec<(String, TExpr)>,
    in_macro: bool,
    root: Range<usize>,
}

impl<'a> Checker<'a> {
    fn problem(
        &self,
        code: &'static str,
        range: Range<usize>,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error(code, self.source.place(range), message)
    }

    fn error<T>(
        &mut self,
        code: &'static str,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        let help = help.into();
        let d = self.problem(code, range, message);
        self.diags
            .push(if help.is_empty() { d } else { d.help(help) });
        None
    }

    fn text(&self, node: &Node) -> &'a str {
        let text = self.source.text.get(node.range()).unwrap_or("");
        if text.len() > 60 { "x" } else { text }
    }

    /// The text of a node as an argument or operand, in parentheses where it is more than a name.
    fn operand(&self, node: &Node) -> String {
        let text = self.text(node);
        match node.kind {
            Kind::Binary(..) | Kind::Ternary(..) if !text.starts_with('(') => format!("({text})"),
            _ => text.to_owned(),
        }
    }

    fn make(&mut self, kind: TKind, ty: Ty, range: Range<usize>) -> Option<TExpr> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            if !self.too_large {
                self.too_large = true;
                let d = self.problem(
                    "E0422",
                    self.root.clone(),
                    "the expression grows too large when its macros are unrolled",
                );
                self.diags
                    .push(d.note(format!("the limit is {MAX_NODES} operations")));
            }
            return None;
        }
        Some(TExpr {
            kind,
            ty,
            span: self.source.place(range),
        })
    }

    fn constant(&mut self, value: Value, base: Base, range: Range<usize>) -> Option<TExpr> {
        self.make(TKind::Const(value), Ty::of(base), range)
    }

    /// An operation; computed now where its arguments are constants.
    fn op(&mut self, op: Op, args: Vec<TExpr>, base: Base, range: Range<usize>) -> Option<TExpr> {
        let known = args.iter().all(|a| constant(a).is_some());
        let e = self.make(TKind::Op(op, args), Ty::of(base), range.clone())?;
        Some(if known { self.fold(e, range) } else { e })
    }

    fn fold(&mut self, e: TExpr, range: Range<usize>) -> TExpr {
        match eval(&e, &mut Scope::default()) {
            Ok(v) => TExpr {
                kind: TKind::Const(v),
                ..e
            },
            Err(error) => {
                let d = self.problem("E0501", range, error.to_string());
                self.judged
                    .push(d.note("it is constant, so that it would fail in every run"));
                e
            }
        }
    }

    /// The whole expression.
    fn whole(&mut self, node: &Node, expected: Option<Ty>) -> Option<TExpr> {
        if let Kind::Call {
            target: None,
            name,
            args,
        } = &node.kind
            && name.text == "nullable"
        {
            return self.nullable(node, args, expected);
        }
        match self.out(node)? {
            Out::Null => match expected {
                Some(ty) if ty.nullable => self.make(TKind::Const(Value::Null), ty, node.range()),
                Some(ty) => self.error(
                    "E0414",
                    node.range(),
                    format!("null is not a {ty}"),
                    never_null_help(self.env.place),
                ),
                None => {
                    let help = match self.env.place {
                        Place::Attribute => {
                            "write `nullable(timestamp)`, or another type: it starts as null"
                        }
                        _ => "use an attribute declared with `nullable(...)`",
                    };
                    self.error("E0413", node.range(), "null alone has no type", help)
                }
            },
            Out::Val(v) => self.coerce(v, node, expected),
            Out::List(_) | Out::Map => self.not_a_value(node),
        }
    }

    fn not_a_value<T>(&mut self, node: &Node) -> Option<T> {
        let (what, help) = match node.kind {
            Kind::Map(_) => (
                "map",
                "a map stands only in `weighted({...})` and before a constant index",
            ),
            _ => (
                "list",
                "take one of its values: `choice([...])`, `[...][i]`; or test it: `x in [...]`, `size([...])`",
            ),
        };
        self.error(
            "E0415",
            node.range(),
            format!("a {what} cannot be a value here"),
            help,
        )
    }

    /// `nullable(TYPE)`, the whole of an attribute.
    fn nullable(&mut self, node: &Node, args: &[Node], expected: Option<Ty>) -> Option<TExpr> {
        const TYPES: &str =
            "write `nullable(timestamp)`; types are int, double, bool, string, timestamp, duration";
        if self.env.place != Place::Attribute {
            return self.error(
                "E0424",
                node.range(),
                "`nullable(...)` only declares an attribute",
                "write `null` to set it to null",
            );
        }
        let base = match args {
            [
                Node {
                    kind: Kind::Ident(name),
                    ..
                },
            ] => type_name(name),
            _ => None,
        };
        let Some(base) = base else {
            return self.error(
                "E0424",
                node.range(),
                "`nullable` takes the name of a type",
                TYPES,
            );
        };
        let ty = Ty::nullable(base);
        match expected {
            Some(want) if want != ty => self.error(
                "E0414",
                node.range(),
                format!("this is {ty}, but {want} is needed here"),
                "",
            ),
            _ => self.make(TKind::Const(Value::Null), ty, node.range()),
        }
    }

    /// Gives a value the expected type.
    fn coerce(&mut self, v: Val, node: &Node, expected: Option<Ty>) -> Option<TExpr> {
        let Some(want) = expected else {
            return Some(v.e);
        };
        let have = v.e.ty;
        let e = if want.base == Base::Double && have.base == Base::Int && v.flex {
            to_double(v.e)
        } else {
            v.e
        };
        if e.ty == want {
            return Some(e);
        }
        if e.ty.base == want.base && want.nullable {
            return self.widen(e, node.range());
        }
        let text = self.text(node).to_owned();
        let help = if have.base == want.base {
            format!("write `coalesce({text}, ...)` with the value to take instead of null")
        } else {
            match (have.base, want.base) {
                (Base::Int, Base::Double) => format!("write `double({text})`"),
                (Base::Double, Base::Int) => {
                    format!("write `int({text})` to cut, or `int(round({text}))`")
                }
                (Base::Int | Base::Double, Base::Bool) => format!(
                    "compare it: `{} > 0`; a probability is `chance(0.5)`",
                    self.operand(node)
                ),
                (
                    Base::String,
                    Base::Timestamp | Base::Duration | Base::Int | Base::Double | Base::Bool,
                )
                | (_, Base::String)
                | (Base::Int, Base::Timestamp)
                | (Base::Timestamp, Base::Int) => format!("write `{}({text})`", want.base),
                _ => String::new(),
            }
        };
        self.error(
            "E0414",
            node.range(),
            format!("this is {have}, but {want} is needed here"),
            help,
        )
    }

    fn widen(&mut self, e: TExpr, range: Range<usize>) -> Option<TExpr> {
        let ty = Ty::nullable(e.ty.base);
        match e.kind {
            TKind::Const(v) => Some(TExpr {
                kind: TKind::Const(v),
                ty,
                ..e
            }),
            _ => self.make(TKind::Widen(Box::new(e)), ty, range),
        }
    }

    /// A value that is not null.
    fn value(&mut self, node: &Node) -> Option<Val> {
        let v = self.any_value(node)?;
        if !v.e.ty.nullable {
            return Some(v);
        }
        let text = self.text(node).to_owned();
        self.error(
            "E0412",
            node.range(),
            format!("`{text}` may be null ({})", v.e.ty),
            format!("write `coalesce({text}, ...)` with the value to take instead of null"),
        )
    }

    /// A value, of a nullable type or not.
    fn any_value(&mut self, node: &Node) -> Option<Val> {
        match self.out(node)? {
            Out::Val(v) => Some(v),
            Out::Null => self.error(
                "E0413",
                node.range(),
                "null cannot stand here",
                "null can be compared (`x == null`), set, and be a branch of `c ? x : null`",
            ),
            Out::List(_) | Out::Map => self.not_a_value(node),
        }
    }

    fn condition(&mut self, node: &Node, what: &str) -> Option<TExpr> {
        let v = self.value(node)?;
        if v.e.ty.base == Base::Bool {
            return Some(v.e);
        }
        let help = match v.e.ty.base {
            Base::Int | Base::Double => format!("compare it: `{} > 0`", self.operand(node)),
            Base::String => format!("compare it: `{} != ''`", self.operand(node)),
            _ => String::new(),
        };
        self.error(
            "E0409",
            node.range(),
            format!("{what} must be bool, but this is {}", v.e.ty),
            help,
        )
    }

    fn out(&mut self, node: &Node) -> Option<Out> {
        let range = node.range();
        let e = match &node.kind {
            Kind::Error => return None,
            Kind::Null => return Some(Out::Null),
            Kind::Int(v) => {
                let e = self.constant(Value::Int(*v), Base::Int, range)?;
                return Some(Out::Val(Val { e, flex: true }));
            }
            Kind::Bool(v) => self.constant(Value::Bool(*v), Base::Bool, range)?,
            Kind::Double(v) => self.constant(Value::Double(*v), Base::Double, range)?,
            Kind::String(v) => self.constant(Value::String(v.clone()), Base::String, range)?,
            Kind::Ident(name) => self.ident(name, range)?,
            Kind::Member(target, name) => self.member(target, name, range)?,
            Kind::Call { target, name, args } => {
                return self.call(node, target.as_deref(), name, args);
            }
            Kind::Index(target, index) => return self.index(target, index, range).map(Out::Val),
            Kind::Unary(Unary::Not, a) => {
                let a = self.condition(a, "the operand of `!`")?;
                self.op(Op::Not, vec![a], Base::Bool, range)?
            }
            Kind::Unary(Unary::Neg, a) => return self.negate(a, range).map(Out::Val),
            Kind::Binary(op @ (Binary::And | Binary::Or), a, b) => self.logic(*op, a, b, range)?,
            Kind::Binary(Binary::In, a, b) => self.contained(a, b, range)?,
            Kind::Binary(op, a, b) => return self.binary(*op, a, b, range).map(Out::Val),
            Kind::Ternary(c, a, b) => return self.ternary(c, a, b, range),
            Kind::List(items) => return self.list(items, range).map(Out::List),
            Kind::Map(_) => return Some(Out::Map),
        };
        Some(Out::Val(Val { e, flex: false }))
    }

    fn negate(&mut self, node: &Node, range: Range<usize>) -> Option<Val> {
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
        Some(Val {
            e: self.op(op, vec![v.e], base, range)?,
            flex,
        })
    }

    fn logic(&mut self, op: Binary, a: &Node, b: &Node, range: Range<usize>) -> Option<TExpr> {
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
    fn join(
        &mut self,
        op: Binary,
        left: TExpr,
        right: TExpr,
        range: Range<usize>,
    ) -> Option<TExpr> {
        match constant(&left) {
            Some(Value::Bool(v)) => Some(if *v == (op == Binary::Or) {
                left
            } else {
                right
            }),
            _ => {
                let (left, right) = (Box::new(left), Box::new(right));
                let kind = if op == Binary::Or {
                    TKind::Or(left, right)
                } else {
                    TKind::And(left, right)
                };
                self.make(kind, Ty::of(Base::Bool), range)
            }
        }
    }

    fn ternary(&mut self, c: &Node, a: &Node, b: &Node, range: Range<usize>) -> Option<Out> {
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
            _ => self.make(
                TKind::If(Box::new(condition), Box::new(yes), Box::new(no)),
                ty,
                range,
            )?,
        };
        Some(Out::Val(Val { e, flex }))
    }

    /// Brings values to one type: int literals to double where another is double, all to nullable
    /// where one may be null.
    fn unify(
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
                        _ => String::new(),
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
            values.push(if nullable && !e.ty.nullable {
                self.widen(e, range)?
            } else {
                e
            });
        }
        Some((values, ty, flex))
    }

    fn binary(&mut self, op: Binary, a: &Node, b: &Node, range: Range<usize>) -> Option<Val> {
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
        let args = if swap {
            vec![right, left]
        } else {
            vec![left, right]
        };
        Some(Val {
            e: self.op(op_typed, args, base, range)?,
            flex: false,
        })
    }

    /// `x == null` and `x != null`.
    fn is_null(&mut self, op: Binary, other: Out, node: &Node, range: Range<usize>) -> Option<Val> {
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
        let e = self.make(
            TKind::IsNull(Box::new(v.e)),
            Ty::of(Base::Bool),
            range.clone(),
        )?;
        let e = if known {
            self.fold(e, range.clone())
        } else {
            e
        };
        let e = if op == Binary::Ne {
            self.op(Op::Not, vec![e], Base::Bool, range)?
        } else {
            e
        };
        Some(Val { e, flex: false })
    }

    fn no_operation<T>(
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
        let (code, help) = match (l, r) {
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
                (
                    "E0407",
                    format!("a time is added as a duration: `{x} {sign} duration('1h')`"),
                )
            }
            (Base::Timestamp, Base::Timestamp) if op == Binary::Add => (
                "E0407",
                "the time between two instants is their difference: `a - b`".to_owned(),
            ),
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

    fn ident(&mut self, name: &str, range: Range<usize>) -> Option<TExpr> {
        if let Some((_, e)) = self.locals.iter().rev().find(|(n, _)| n == name) {
            let e = e.clone();
            return self.make(e.kind, e.ty, range);
        }
        let env = self.env;
        let find = |list: &[(String, Ty)]| {
            list.iter()
                .position(|(n, _)| n == name)
                .map(|i| (i, list[i].1))
        };
        if let Some((i, ty)) = find(env.lets) {
            return self.make(TKind::Let(i), ty, range);
        }
        if let Some((i, ty)) = find(env.attributes) {
            return self.make(TKind::Attr(i), ty, range);
        }
        if env.sees(name) {
            let text = |s: &str| TKind::Const(Value::String(s.to_owned()));
            let (kind, base) = match name {
                "id" => (TKind::Id, Base::Int),
                "seq" => (TKind::Seq, Base::Int),
                "timestamp" => (TKind::Time, Base::Timestamp),
                "event_id" => (TKind::EventId, Base::String),
                "population" => (text(env.population), Base::String),
                "trigger" => (text(env.trigger), Base::String),
                "from" => (text(env.from), Base::String),
                "to" => (text(env.to), Base::String),
                "params" => {
                    let first = env.params.first().map_or("NAME", |(n, _)| n);
                    return self.error(
                        "E0418",
                        range,
                        "`params` is not a value",
                        format!("write `params.{first}`"),
                    );
                }
                _ => {
                    let first = env.attributes.first().map_or("NAME", |(n, _)| n);
                    return self.error(
                        "E0418",
                        range,
                        format!("`{name}` is not a value"),
                        format!("write `{name}.{first}`"),
                    );
                }
            };
            return self.make(kind, Ty::of(base), range);
        }
        self.unknown(name, range)
    }

    /// A name that is not visible: why, and what was probably meant.
    fn unknown<T>(&mut self, name: &str, range: Range<usize>) -> Option<T> {
        if let Some((_, reason)) = self.env.hidden.iter().find(|(n, _)| n == name) {
            return self.error("E0402", range, reason.clone(), "");
        }
        if let Some(reason) = self.env.reason(name) {
            let help = if name == "timestamp" && self.env.place == Place::Attribute {
                "an instant is written `timestamp('2022-02-11T00:00:00Z')`"
            } else {
                ""
            };
            return self.error("E0402", range, reason, help);
        }
        let word = match name {
            "None" | "NULL" | "Null" | "nil" | "NIL" | "undefined" => Some("null"),
            "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" => Some("true"),
            "False" | "FALSE" | "no" | "No" | "NO" | "off" => Some("false"),
            _ => None,
        };
        if let Some(word) = word {
            return self.error(
                "E0313",
                range,
                format!("`{name}` is not a value of the language"),
                format!("write `{word}`"),
            );
        }
        let mut d = self.problem("E0401", range.clone(), format!("there is no `{name}` here"));
        let locals = self.locals.iter().map(|(n, _)| n.as_str());
        let near = nearest(name, self.env.visible().chain(locals)).map(str::to_owned);
        if FUNCTIONS.iter().any(|f| f.name == name) && !RESERVED.contains(&name) {
            let usage = FUNCTIONS
                .iter()
                .find(|f| f.name == name)
                .map_or("", |f| f.usage);
            d = d.help(format!("it is a function: write `{usage}`"));
        } else if matches!(name, "now" | "NOW" | "today" | "current_timestamp")
            && self.env.sees("timestamp")
        {
            d = d.help("the event's time is `timestamp`");
        } else {
            if let Some(near) = near {
                d = d.help(format!("the nearest name is `{near}`"));
            }
            // A bare word where YAML makes one think of text.
            d = d.help(if range == self.root {
                format!("text is written `\"'{name}'\"`")
            } else {
                format!("text is written `'{name}'`")
            });
        }
        self.diags.push(d);
        None
    }

    fn member(&mut self, target: &Node, name: &Name, range: Range<usize>) -> Option<TExpr> {
        let env = self.env;
        if let Kind::Ident(base) = &target.kind
            && !self.locals.iter().any(|(n, _)| n == base)
            && !env
                .attributes
                .iter()
                .chain(env.lets)
                .any(|(n, _)| n == base)
        {
            match base.as_str() {
                "params" => return self.param(name, range),
                "old" => return self.old(name, target, range),
                "fake" => return self.not_yet(range, "fake"),
                "this" | "self" | "subject" | "user" | "attributes" | "new" => {
                    return self.bare(base, name, range);
                }
                _ if base == env.population => return self.bare(base, name, range),
                _ => {}
            }
        }
        if let Some(f) = FUNCTIONS.iter().find(|f| f.name == name.text) {
            let text = self.text(target);
            let help = if f.member {
                format!("write `{text}.{}()`", f.name)
            } else {
                format!("write `{}({text})`", f.name)
            };
            return self.error(
                "E0418",
                name.range(),
                format!("`{}` is a function", name.text),
                help,
            );
        }
        let v = self.any_value(target)?;
        let message = format!(
            "`{}` is {} and has no part `{}`",
            self.text(target),
            v.e.ty,
            name.text
        );
        self.error("E0418", name.range(), message, "")
    }

    fn bare<T>(&mut self, base: &str, name: &Name, range: Range<usize>) -> Option<T> {
        self.error(
            "E0418",
            range,
            format!("`{base}` has no parts here"),
            format!("attributes are written bare: `{}`", name.text),
        )
    }

    fn param(&mut self, name: &Name, range: Range<usize>) -> Option<TExpr> {
        let Some((_, value)) = self.env.params.iter().find(|(n, _)| *n == name.text) else {
            let near = nearest(&name.text, self.env.params.iter().map(|(n, _)| n.as_str()));
            let help = match near {
                Some(near) => format!("the nearest is `params.{near}`"),
                None => format!("declare it: `params: {{ {}: 10 }}`", name.text),
            };
            return self.error(
                "E0419",
                name.range(),
                format!("there is no parameter `{}`", name.text),
                help,
            );
        };
        let base = match value {
            Value::Int(_) => Base::Int,
            Value::Double(_) => Base::Double,
            Value::Bool(_) => Base::Bool,
            Value::String(_) => Base::String,
            Value::Timestamp(_) => Base::Timestamp,
            Value::Duration(_) => Base::Duration,
            Value::Null => {
                return self.error(
                    "E0419",
                    name.range(),
                    format!("the parameter `{}` has no value", name.text),
                    "",
                );
            }
        };
        self.constant(value.clone(), base, range)
    }

    fn old(&mut self, name: &Name, target: &Node, range: Range<usize>) -> Option<TExpr> {
        let known = self
            .env
            .attributes
            .iter()
            .position(|(n, _)| *n == name.text);
        if !self.env.sees("old") {
            let reason = self.env.reason("old").unwrap_or_default();
            let help = match (known, self.env.place) {
                (Some(_), Place::Let | Place::When | Place::Set) => format!(
                    "here `{}` is the value from before: write it bare",
                    name.text
                ),
                _ => String::new(),
            };
            return self.error("E0402", target.range(), reason, help);
        }
        match known {
            Some(i) => self.make(TKind::Old(i), self.env.attributes[i].1, range),
            None => {
                let near = nearest(
                    &name.text,
                    self.env.attributes.iter().map(|(n, _)| n.as_str()),
                );
                let help = match near {
                    Some(near) => format!("the nearest is `old.{near}`"),
                    None => "`old.` reads an attribute from before the transition".to_owned(),
                };
                self.error(
                    "E0420",
                    name.range(),
                    format!("there is no attribute `{}`", name.text),
                    help,
                )
            }
        }
    }

    fn not_yet<T>(&mut self, range: Range<usize>, name: &str) -> Option<T> {
        let what = if name == "fake" {
            "`fake.*`"
        } else {
            "`pick(...)`"
        };
        let help =
            "list the values: `choice(['Anna', 'Jan'])` or `weighted({'Warsaw': 3, 'Gdansk': 1})`";
        self.error("E0421", range, format!("{what} is not supported yet"), help)
    }
}

fn never_null_help(place: Place) -> &'static str {
    match place {
        Place::Set => "declare the attribute with `nullable(...)` to set it to null",
        _ => "",
    }
}

/// The base type of that name.
fn type_name(name: &str) -> Option<Base> {
    [
        Base::Int,
        Base::Double,
        Base::Bool,
        Base::String,
        Base::Timestamp,
        Base::Duration,
    ]
    .into_iter()
    .find(|b| b.to_string() == name)
}

fn constant(e: &TExpr) -> Option<&Value> {
    match &e.kind {
        TKind::Const(v) => Some(v),
        _ => None,
    }
}

/// A tree whose values are int literals, as doubles.
fn to_double(e: TExpr) -> TExpr {
    let ty = Ty {
        base: Base::Double,
        ..e.ty
    };
    let each = |items: Vec<TExpr>| items.into_iter().map(to_double).collect();
    let kind = match e.kind {
        TKind::Const(Value::Int(v)) => TKind::Const(Value::Double(v as f64)),
        TKind::If(c, a, b) => TKind::If(c, Box::new(to_double(*a)), Box::new(to_double(*b))),
        TKind::Widen(a) => TKind::Widen(Box::new(to_double(*a))),
        TKind::Select(i, items) => TKind::Select(i, each(items)),
        TKind::Draw {
            draw: super::typed::Draw::Choice,
            site,
            args,
        } => TKind::Draw {
            draw: super::typed::Draw::Choice,
            site,
            args: each(args),
        },
        TKind::Draw {
            draw: super::typed::Draw::Weighted,
            site,
            args,
        } => {
            let args = args
                .into_iter()
                .enumerate()
                .map(|(i, a)| if i % 2 == 1 { to_double(a) } else { a })
                .collect();
            TKind::Draw {
                draw: super::typed::Draw::Weighted,
                site,
                args,
            }
        }
        kind => kind,
    };
    TExpr { kind, ty, ..e }
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
fn compare(op: Binary, base: Base) -> Option<Op> {
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
