//! From syntax to typed tree: names, types, overloads; constants folded and judged.
//!
//! Types are CEL's, strict, with one exception: an int *literal* is a double where a double is
//! needed. Whatever does not depend on a variable or a draw is computed here, and if that fails, it is
//! a problem of the model, not of the run. Operators are in `operator`, names in `name`, functions
//! in `call`, lists and macros in `list`, the table of functions in `table`.

mod call;
mod list;
mod name;
mod operator;
mod table;

use super::ast::{Ast, Binary, Kind, Node, Unary};
use super::eval::{Scope, eval};
use super::names::{Env, Place};
use super::typed::{Op, TExpr, TKind};
use crate::diag::{Diagnostic, Diagnostics};
use crate::spec::ExprSource;
use crate::value::{Base, Ty, Value};
use list::List;
use std::ops::Range;

pub use table::{FUNCTIONS, Function};

/// After so many problems of a file no nearest names are looked for.
const MAX_SUGGESTIONS: usize = 50;
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
        suggests: diags.0.len() < MAX_SUGGESTIONS,
        compared: Vec::new(),
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
    /// Whether nearest names are still looked for: it costs a look at all names.
    suggests: bool,
    /// Where operands of `==` and `!=` begin: an unknown name there may be meant as text.
    compared: Vec<usize>,
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
        self.diags.push(if help.is_empty() { d } else { d.help(help) });
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
                self.diags.push(d.note(format!("the limit is {MAX_NODES} operations")));
            }
            return None;
        }
        Some(TExpr { kind, ty, span: self.source.place(range) })
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
            Ok(v) => TExpr { kind: TKind::Const(v), ..e },
            Err(error) => {
                let d = self.problem("E0501", range, error.to_string());
                self.judged.push(d.note("it is constant, so that it is an error of the model"));
                e
            }
        }
    }

    /// The whole expression.
    fn whole(&mut self, node: &Node, expected: Option<Ty>) -> Option<TExpr> {
        if let Kind::Call { target: None, name, args } = &node.kind
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
            Kind::Map(_) => {
                ("map", "a map stands only in `weighted({...})` and before a constant index")
            }
            _ => (
                "list",
                "take one of its values: `choice([...])`, `[...][i]`; or test it: `x in [...]`, `size([...])`",
            ),
        };
        self.error("E0415", node.range(), format!("a {what} cannot be a value here"), help)
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
            [Node { kind: Kind::Ident(name), .. }] => type_name(name),
            _ => None,
        };
        let Some(base) = base else {
            return self.error("E0424", node.range(), "`nullable` takes the name of a type", TYPES);
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
            TKind::Const(v) => Some(TExpr { kind: TKind::Const(v), ty, ..e }),
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
}

fn never_null_help(place: Place) -> &'static str {
    match place {
        Place::Set => "declare the attribute with `nullable(...)` to set it to null",
        _ => "",
    }
}

/// The base type of that name.
fn type_name(name: &str) -> Option<Base> {
    [Base::Int, Base::Double, Base::Bool, Base::String, Base::Timestamp, Base::Duration]
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
    let ty = Ty { base: Base::Double, ..e.ty };
    let each = |items: Vec<TExpr>| items.into_iter().map(to_double).collect();
    let kind = match e.kind {
        TKind::Const(Value::Int(v)) => TKind::Const(Value::Double(v as f64)),
        TKind::If(c, a, b) => TKind::If(c, Box::new(to_double(*a)), Box::new(to_double(*b))),
        TKind::Widen(a) => TKind::Widen(Box::new(to_double(*a))),
        TKind::Select(i, items) => TKind::Select(i, each(items)),
        TKind::Draw { draw: super::typed::Draw::Choice, site, args } => {
            TKind::Draw { draw: super::typed::Draw::Choice, site, args: each(args) }
        }
        TKind::Draw { draw: super::typed::Draw::Weighted, site, args } => {
            let args = args
                .into_iter()
                .enumerate()
                .map(|(i, a)| if i % 2 == 1 { to_double(a) } else { a })
                .collect();
            TKind::Draw { draw: super::typed::Draw::Weighted, site, args }
        }
        kind => kind,
    };
    TExpr { kind, ty, ..e }
}
