//! Lists, maps and macros. There are no list values: a list literal lives only while it is checked,
//! and what is asked of it (`in`, `size`, an index, a macro) is unrolled into plain operations.
//!
//! Under a macro, `in` and `size` a list is evaluated whole and once, as in CEL: each element that is
//! more than a name or a constant gets a [`TKind::Bind`].

use super::operator::compare;
use super::{Checker, MAX_SLOTS, Out, Val, constant, to_double};
use crate::expr::ast::{Binary, Kind, Name, Node};
use crate::expr::typed::{Op, TExpr, TKind};
use crate::value::{Base, Ty, Value};
use std::ops::Range;

/// The macros over lists.
pub(super) const MACROS: [&str; 5] = ["exists", "all", "exists_one", "filter", "map"];

/// A list while it is checked.
pub(super) struct List {
    items: Vec<Item>,
    /// The elements' type; none where it is empty.
    ty: Option<Ty>,
    /// All elements are int literals.
    flex: bool,
    /// What must be evaluated before, with its slot, in order.
    binds: Vec<(usize, TExpr)>,
    range: Range<usize>,
}

/// The values of a list, their type, whether all are int literals, and what is evaluated before.
pub(super) type Plain = (Vec<TExpr>, Option<Ty>, bool, Vec<(usize, TExpr)>);

/// An element, and the condition under which `filter` keeps it.
struct Item {
    guard: Option<TExpr>,
    value: TExpr,
}

impl Checker<'_> {
    pub(super) fn list(&mut self, nodes: &[Node], range: Range<usize>) -> Option<List> {
        let mut outs = Vec::with_capacity(nodes.len());
        let mut failed = false;
        for node in nodes {
            match self.out(node) {
                Some(out) => outs.push((out, node.range())),
                None => failed = true,
            }
        }
        if failed {
            return None;
        }
        if outs.is_empty() {
            return Some(List {
                items: Vec::new(),
                ty: None,
                flex: false,
                binds: Vec::new(),
                range,
            });
        }
        let (values, ty, flex) = self.unify(outs, "E0411", "the values of a list")?;
        let items = values.into_iter().map(|value| Item { guard: None, value }).collect();
        Some(List { items, ty: Some(ty), flex, binds: Vec::new(), range })
    }

    /// A node that must be a list.
    fn list_of(&mut self, node: &Node, what: &str) -> Option<List> {
        match self.out(node)? {
            Out::List(list) => Some(list),
            Out::Val(v) => {
                let help = match v.e.ty.base {
                    Base::String if what == "`in`" => {
                        format!("a part of a text is found by `{}.contains(...)`", self.text(node))
                    }
                    Base::String if what == "an index" => {
                        let text = self.text(node);
                        format!(
                            "a text is tested by `{text}.startsWith('a')`, `{text}.matches('^.b')`"
                        )
                    }
                    _ => "write the values: `[1, 2, 3]`".to_owned(),
                };
                self.error(
                    "E0415",
                    node.range(),
                    format!("{what} needs a list literal, but this is {}", v.e.ty),
                    help,
                )
            }
            Out::Map => self.not_a_value(node),
            Out::Null => self.error("E0413", node.range(), "null is not a list", ""),
        }
    }

    /// The literal elements of a list that is chosen from; with what must be evaluated before.
    pub(super) fn plain_list(&mut self, node: &Node, what: &str) -> Option<Plain> {
        let list = self.list_of(node, what)?;
        if list.items.iter().any(|i| i.guard.is_some()) {
            return self.error(
                "E0415",
                node.range(),
                format!("{what} cannot take a filtered list"),
                "write the values: `[1, 2, 3]`",
            );
        }
        let values = list.items.into_iter().map(|i| i.value).collect();
        Some((values, list.ty, list.flex, list.binds))
    }

    /// Puts the evaluation of `binds` around `body`.
    pub(super) fn around(
        &mut self,
        binds: Vec<(usize, TExpr)>,
        body: TExpr,
        range: &Range<usize>,
    ) -> Option<TExpr> {
        binds.into_iter().rev().try_fold(body, |body, (slot, value)| {
            let ty = body.ty;
            self.make(
                TKind::Bind { slot, value: Box::new(value), body: Box::new(body) },
                ty,
                range.clone(),
            )
        })
    }

    /// Gives a name to what is computed, so that it is evaluated once.
    fn bind(&mut self, e: TExpr, binds: &mut Vec<(usize, TExpr)>) -> Option<TExpr> {
        let simple = match &e.kind {
            TKind::Widen(inner) => is_name(inner),
            _ => is_name(&e),
        };
        if simple {
            return Some(e);
        }
        if self.slots >= MAX_SLOTS {
            let d = self.problem(
                "E0422",
                self.root.clone(),
                "too many computed list elements in one expression",
            );
            self.diags.push(
                d.note(format!("the limit is {MAX_SLOTS}; names and constants do not count")),
            );
            return None;
        }
        let slot = self.slots;
        self.slots += 1;
        let local = TExpr { kind: TKind::Local(slot), ty: e.ty, span: e.span };
        binds.push((slot, e));
        Some(local)
    }

    /// Names for all computed elements.
    fn bind_all(&mut self, list: &mut List) -> Option<()> {
        let mut binds = std::mem::take(&mut list.binds);
        for item in &mut list.items {
            let value = item.value.clone();
            item.value = self.bind(value, &mut binds)?;
        }
        list.binds = binds;
        Some(())
    }

    /// A balanced tree of `&&` or `||`, evaluated left to right; none of no terms.
    fn tree(&mut self, op: Binary, mut terms: Vec<TExpr>, range: &Range<usize>) -> Option<TExpr> {
        match terms.len() {
            0 => self.constant(Value::Bool(op == Binary::And), Base::Bool, range.clone()),
            1 => terms.pop(),
            n => {
                let right = terms.split_off(n / 2);
                let left = self.tree(op, terms, range)?;
                let right = self.tree(op, right, range)?;
                self.join(op, left, right, range.clone())
            }
        }
    }

    /// How many of the terms are true.
    fn count(&mut self, mut terms: Vec<TExpr>, range: &Range<usize>) -> Option<TExpr> {
        match terms.len() {
            0 => self.constant(Value::Int(0), Base::Int, range.clone()),
            1 => {
                let one = self.constant(Value::Int(1), Base::Int, range.clone())?;
                let zero = self.constant(Value::Int(0), Base::Int, range.clone())?;
                let term = terms.pop()?;
                match constant(&term) {
                    Some(v) => Some(if *v == Value::Bool(true) { one } else { zero }),
                    None => self.make(
                        TKind::If(Box::new(term), Box::new(one), Box::new(zero)),
                        Ty::of(Base::Int),
                        range.clone(),
                    ),
                }
            }
            n => {
                let right = terms.split_off(n / 2);
                let left = self.count(terms, range)?;
                let right = self.count(right, range)?;
                self.op(Op::AddInt, vec![left, right], Base::Int, range.clone())
            }
        }
    }

    fn guarded(&mut self, guard: Option<TExpr>, e: TExpr, range: &Range<usize>) -> Option<TExpr> {
        match guard {
            Some(guard) => self.join(Binary::And, guard, e, range.clone()),
            None => Some(e),
        }
    }

    /// `x in [...]`.
    pub(super) fn contained(&mut self, a: &Node, b: &Node, range: Range<usize>) -> Option<TExpr> {
        let value = self.value(a);
        if let Kind::Map(_) = b.kind {
            return self.error(
                "E0415",
                b.range(),
                "`in` needs a list",
                "write the keys as a list: `x in ['a', 'b']`",
            );
        }
        let list = self.list_of(b, "`in`");
        let (value, mut list) = (value?, list?);
        let Some(ty) = list.ty else {
            let mut binds = Vec::new();
            self.bind(value.e, &mut binds)?;
            let no = self.constant(Value::Bool(false), Base::Bool, range.clone())?;
            return self.around(binds, no, &range);
        };
        if ty.nullable {
            return self.error(
                "E0412",
                b.range(),
                "a list that is searched cannot hold null",
                "test `x == null` by itself",
            );
        }
        let mut x = value.e;
        match (x.ty.base, ty.base) {
            (Base::Double, Base::Int) if list.flex => {
                list.items.iter_mut().for_each(|i| i.value = to_double(i.value.clone()));
            }
            (Base::Int, Base::Double) if value.flex => x = to_double(x),
            (l, r) if l != r => {
                let help = match (l, r) {
                    (Base::Int, Base::Double) => format!("write `double({}) in ...`", self.text(a)),
                    (Base::String, _) | (_, Base::String) => {
                        "text is quoted, numbers are not".to_owned()
                    }
                    _ => String::new(),
                };
                return self.error(
                    "E0407",
                    range,
                    format!("`in` looks for {l} in a list of {r}"),
                    help,
                );
            }
            _ => {}
        }
        let mut binds = Vec::new();
        let x = self.bind(x, &mut binds)?;
        binds.append(&mut list.binds);
        list.binds = binds;
        self.bind_all(&mut list)?;
        let op = compare(Binary::Eq, x.ty.base)?;
        let mut terms = Vec::with_capacity(list.items.len());
        for item in list.items {
            let equal = self.op(op, vec![x.clone(), item.value], Base::Bool, range.clone())?;
            terms.push(self.guarded(item.guard, equal, &range)?);
        }
        let found = self.tree(Binary::Or, terms, &range)?;
        self.around(list.binds, found, &range)
    }

    /// `size([...])`.
    pub(super) fn list_size(&mut self, mut list: List, range: Range<usize>) -> Option<Val> {
        self.bind_all(&mut list)?;
        let n = list.items.len() as i64;
        let guards: Vec<TExpr> = list.items.iter().filter_map(|i| i.guard.clone()).collect();
        let free = self.constant(Value::Int(n - guards.len() as i64), Base::Int, range.clone())?;
        let size = if guards.is_empty() {
            free
        } else {
            let kept = self.count(guards, &range)?;
            self.op(Op::AddInt, vec![free, kept], Base::Int, range.clone())?
        };
        Some(Val { e: self.around(list.binds, size, &range)?, flex: false })
    }

    /// `[...][i]` and `{...}[k]`.
    pub(super) fn index(
        &mut self,
        target: &Node,
        index: &Node,
        range: Range<usize>,
    ) -> Option<Val> {
        if let Kind::Map(entries) = &target.kind {
            return self.map_index(entries, index, range);
        }
        let list = self.plain_list(target, "an index");
        let i = self.value(index);
        let ((items, ty, flex, binds), i) = (list?, i?);
        if i.e.ty.base != Base::Int {
            let help = if i.e.ty.base == Base::Double {
                format!("write `int({})`", self.text(index))
            } else {
                String::new()
            };
            return self.error(
                "E0407",
                index.range(),
                format!("an index is an int, but this is {}", i.e.ty),
                help,
            );
        }
        let Some(ty) = ty else {
            return self.error(
                "E0507",
                target.range(),
                "an empty list has no values",
                "write the values: `[1, 2, 3]`",
            );
        };
        let e = match constant(&i.e) {
            Some(Value::Int(at)) => match usize::try_from(*at).ok().and_then(|at| items.get(at)) {
                Some(item) => item.clone(),
                None => {
                    let error = crate::expr::func::EvalError::Index(*at, items.len());
                    let d = self.problem("E0507", index.range(), error.to_string());
                    self.judged.push(d);
                    self.make(TKind::Select(Box::new(i.e), items), ty, range.clone())?
                }
            },
            _ => self.make(TKind::Select(Box::new(i.e), items), ty, range.clone())?,
        };
        Some(Val { e: self.around(binds, e, &range)?, flex })
    }

    fn map_index(
        &mut self,
        entries: &[(Node, Node)],
        index: &Node,
        range: Range<usize>,
    ) -> Option<Val> {
        let outs = entries
            .iter()
            .map(|(_, v)| Some((self.out(v)?, v.range())))
            .collect::<Option<Vec<_>>>();
        let keys = entries.iter().map(|(k, _)| self.value(k)).collect::<Option<Vec<_>>>();
        let wanted = self.value(index);
        let (outs, keys, wanted) = (outs?, keys?, wanted?);
        let Some(key) = constant(&wanted.e).cloned() else {
            return self.error(
                "E0415",
                index.range(),
                "a map's index must be constant",
                "choose with `x == 'a' ? 1 : 2`",
            );
        };
        if outs.is_empty() {
            return self.error("E0507", range, "an empty map has no values", "");
        }
        for (i, (k, (node, _))) in keys.iter().zip(entries).enumerate() {
            if constant(&k.e).is_none() {
                return self.error("E0415", node.range(), "a map's keys must be constant", "");
            }
            if k.e.ty != wanted.e.ty {
                return self.error(
                    "E0407",
                    node.range(),
                    format!("the key is {}, but the index is {}", k.e.ty, wanted.e.ty),
                    "",
                );
            }
            if keys[..i].iter().any(|other| constant(&other.e) == constant(&k.e)) {
                return self.error(
                    "E0507",
                    node.range(),
                    "this key stands in the map twice",
                    "remove one",
                );
            }
        }
        let (values, ty, flex) = self.unify(outs, "E0411", "the values of a map")?;
        match keys.iter().position(|k| constant(&k.e) == Some(&key)) {
            Some(i) => Some(Val { e: values.into_iter().nth(i)?, flex }),
            None => {
                let d = self.problem(
                    "E0507",
                    index.range(),
                    format!("the map has no key `{}`", self.text(index)),
                );
                self.judged.push(d.help("its keys are those before each `:`"));
                Some(Val { e: TExpr { ty, ..values.into_iter().next()? }, flex })
            }
        }
    }

    /// `list.exists(x, p)` and the other macros.
    pub(super) fn list_macro(
        &mut self,
        node: &Node,
        target: &Node,
        name: &Name,
        args: &[Node],
    ) -> Option<Out> {
        let range = node.range();
        let wanted = format!("`{}`", name.text);
        let list = self.list_of(target, &wanted);
        let three = name.text == "map" && args.len() == 3;
        let (Some(Node { kind: Kind::Ident(var), .. }), true) =
            (args.first(), three || args.len() == 2)
        else {
            let usage = if name.text == "map" {
                "[1, 2].map(x, x * 10)".to_owned()
            } else {
                format!("[1, 2].{}(x, x > 1)", name.text)
            };
            return self.error(
                "E0423",
                range,
                format!("{wanted} takes a name and an expression"),
                format!("write `{usage}`"),
            );
        };
        let mut list = list?;
        self.bind_all(&mut list)?;
        if three {
            self.filter(&mut list, var, &args[1])?;
        }
        let body = args.last()?;
        match name.text.as_str() {
            "filter" => {
                self.filter(&mut list, var, body)?;
                Some(Out::List(list))
            }
            "map" => self.map(list, var, body, range).map(Out::List),
            _ => self
                .quantifier(list, &name.text, var, body, range)
                .map(|e| Out::Val(Val { e, flex: false })),
        }
    }

    /// The body with `value` for the variable.
    fn body<T>(
        &mut self,
        var: &str,
        value: TExpr,
        check: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.locals.push((var.to_owned(), value));
        let outer = std::mem::replace(&mut self.in_macro, true);
        let out = check(self);
        self.in_macro = outer;
        self.locals.pop();
        out
    }

    fn filter(&mut self, list: &mut List, var: &str, body: &Node) -> Option<()> {
        let items = std::mem::take(&mut list.items);
        for item in items {
            let keep = self
                .body(var, item.value.clone(), |c| c.condition(body, "the condition of a macro"))?;
            let guard = self.guarded(item.guard, keep, &list.range.clone())?;
            match constant(&guard) {
                Some(Value::Bool(false)) => continue,
                Some(_) => list.items.push(Item { guard: None, ..item }),
                None => {
                    // CEL evaluates every condition of a filter, whatever is asked of the result.
                    let mut binds = std::mem::take(&mut list.binds);
                    let guard = self.bind(guard, &mut binds)?;
                    list.binds = binds;
                    list.items.push(Item { guard: Some(guard), ..item });
                }
            }
        }
        Some(())
    }

    fn map(&mut self, list: List, var: &str, body: &Node, range: Range<usize>) -> Option<List> {
        let mut outs = Vec::with_capacity(list.items.len());
        let mut guards = Vec::with_capacity(list.items.len());
        for item in list.items {
            let v = self.body(var, item.value, |c| c.any_value(body))?;
            // Where an element is left out its value must not be computed: it stands behind the guard.
            if item.guard.is_some() && !is_name(&v.e) {
                return self.error(
                    "E0415",
                    range,
                    "a filtered list cannot be mapped",
                    "put the condition into what is asked of the list: `exists(x, p && q)`",
                );
            }
            outs.push((Out::Val(Val { flex: false, ..v }), body.range()));
            guards.push(item.guard);
        }
        if outs.is_empty() {
            return Some(List {
                items: Vec::new(),
                ty: None,
                flex: false,
                binds: list.binds,
                range,
            });
        }
        let (values, ty, _) = self.unify(outs, "E0411", "the values of a list")?;
        let items =
            values.into_iter().zip(guards).map(|(value, guard)| Item { guard, value }).collect();
        let mut list = List { items, ty: Some(ty), flex: false, binds: list.binds, range };
        self.bind_all(&mut list)?;
        Some(list)
    }

    fn quantifier(
        &mut self,
        list: List,
        name: &str,
        var: &str,
        body: &Node,
        range: Range<usize>,
    ) -> Option<TExpr> {
        let mut terms = Vec::with_capacity(list.items.len());
        for item in list.items {
            let holds =
                self.body(var, item.value, |c| c.condition(body, "the condition of a macro"))?;
            let term = if name == "all" {
                match item.guard {
                    Some(guard) => {
                        let out = self.op(Op::Not, vec![guard], Base::Bool, range.clone())?;
                        self.join(Binary::Or, out, holds, range.clone())?
                    }
                    None => holds,
                }
            } else {
                self.guarded(item.guard, holds, &range)?
            };
            let decides = match name {
                "exists" => constant(&term) == Some(&Value::Bool(true)),
                "all" => constant(&term) == Some(&Value::Bool(false)),
                _ => false,
            };
            terms.push(term);
            if decides {
                break;
            }
        }
        let e = match name {
            "exists" => self.tree(Binary::Or, terms, &range)?,
            "all" => self.tree(Binary::And, terms, &range)?,
            _ => {
                let n = self.count(terms, &range)?;
                let one = self.constant(Value::Int(1), Base::Int, range.clone())?;
                self.op(Op::EqInt, vec![n, one], Base::Bool, range.clone())?
            }
        };
        self.around(list.binds, e, &range)
    }
}

/// Whether reading it again costs nothing and cannot fail.
fn is_name(e: &TExpr) -> bool {
    matches!(
        e.kind,
        TKind::Const(_)
            | TKind::Attr(_)
            | TKind::Old(_)
            | TKind::Let(_)
            | TKind::Id
            | TKind::Seq
            | TKind::Time
            | TKind::EventId
            | TKind::Local(_)
    )
}
