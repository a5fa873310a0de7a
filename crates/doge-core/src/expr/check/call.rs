//! Calls: which overload, which form, and the rules of single functions.

use super::table::{self, FUNCTIONS, Function, Make, Sig, is_random, other_name};
use super::{Checker, Out, Val, constant, list, to_double};
use crate::diag::{Diagnostic, nearest};
use crate::draw::call_site;
use crate::expr::ast::{Kind, Name, Node};
use crate::expr::draws::judge;
use crate::expr::func::{MAX_DIGITS, Zone, pattern};
use crate::expr::names::Place;
use crate::expr::typed::{Draw, Op, TExpr, TKind};
use crate::value::{Base, Ty, Value};
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        node: &Node,
        target: Option<&Node>,
        name: &Name,
        args: &[Node],
    ) -> Option<Out> {
        if let Some(target) = target {
            if let Kind::Ident(base) = &target.kind
                && base == "fake"
            {
                return self.not_yet(node.range(), "fake");
            }
            if list::MACROS.contains(&name.text.as_str()) {
                return self.list_macro(node, target, name, args);
            }
        }
        let Some(function) = FUNCTIONS.iter().find(|f| f.name == name.text) else {
            return self.no_function(target, name, node);
        };
        match (target, function.global, function.member) {
            (Some(target), _, false) => {
                let text = self.text(target);
                let rest = args.iter().map(|a| format!(", {}", self.text(a))).collect::<String>();
                let help = match &target.kind {
                    // `math.floor(x)`: a library of another language.
                    Kind::Ident(base) if !self.stands_for_something(base) => {
                        format!("write `{}({})`", name.text, rest.trim_start_matches(", "))
                    }
                    _ => format!("write `{}({text}{rest})`", name.text),
                };
                return self.error(
                    "E0404",
                    node.range(),
                    format!("`{}` does not follow a dot", name.text),
                    help,
                );
            }
            (None, false, _) => {
                let rest: Vec<_> = args.iter().skip(1).map(|a| self.text(a)).collect();
                let first = args.first().map_or("x".to_owned(), |a| self.operand(a));
                let help = format!("write `{first}.{}({})`", name.text, rest.join(", "));
                return self.error(
                    "E0404",
                    node.range(),
                    format!("`{}` follows a dot", name.text),
                    help,
                );
            }
            _ => {}
        }
        let all: Vec<&Node> = target.into_iter().chain(args).collect();
        if is_random(function.name) && !self.may_draw(function, name) {
            return None;
        }
        match function.name {
            "nullable" => self.error(
                "E0424",
                node.range(),
                "`nullable(...)` only declares an attribute, alone",
                "write `null` for the value, or `coalesce(x, y)` to read what may be null",
            ),
            "coalesce" => self.coalesce(node, &all).map(Out::Val),
            "choice" => self.choice(node, &all).map(Out::Val),
            "weighted" => self.weighted(node, &all).map(Out::Val),
            "size" if all.len() == 1 => match self.out(all[0])? {
                Out::List(list) => self.list_size(list, node.range()).map(Out::Val),
                Out::Map => self.not_a_value(all[0]),
                Out::Null => self.error("E0413", all[0].range(), "null has no size", ""),
                Out::Val(v) => self.resolve(node, function, vec![v], &all).map(Out::Val),
            },
            _ => {
                let values: Option<Vec<Val>> =
                    all.iter().map(|a| self.any_value(a)).collect::<Vec<_>>().into_iter().collect();
                self.resolve(node, function, values?, &all).map(Out::Val)
            }
        }
    }

    fn no_function<T>(&mut self, target: Option<&Node>, name: &Name, node: &Node) -> Option<T> {
        let text = name.text.as_str();
        match text {
            "pick" => return self.not_yet(node.range(), "pick"),
            "uint" | "bytes" | "type" | "dyn" | "has" | "optional" => {
                return self.error(
                    "E0403",
                    name.range(),
                    format!("CEL's `{text}` is not part of this language"),
                    "",
                );
            }
            "if" => {
                return self.error(
                    "E0309",
                    name.range(),
                    "`if` is not a function",
                    "write `condition ? value : other_value`",
                );
            }
            _ if list::MACROS.contains(&text) => {
                return self.error(
                    "E0404",
                    name.range(),
                    format!("`{text}` follows a list"),
                    format!("write `[...].{text}(x, ...)`"),
                );
            }
            _ => {}
        }
        let known = FUNCTIONS.iter().find(|f| f.name.eq_ignore_ascii_case(text)).map(|f| f.usage);
        let near = || {
            let wanted = |f: &&Function| if target.is_some() { f.member } else { f.global };
            let near = nearest(text, FUNCTIONS.iter().filter(wanted).map(|f| f.name))
                .or_else(|| nearest(text, FUNCTIONS.iter().map(|f| f.name)))?;
            FUNCTIONS.iter().find(|f| f.name == near).map(|f| f.usage)
        };
        if let Some(why) = table::not_there(text) {
            return self.error(
                "E0403",
                name.range(),
                format!("there is no function `{text}`"),
                why,
            );
        }
        let help = match known.or_else(|| other_name(text)).or_else(near) {
            Some(usage) => format!("write `{usage}`"),
            None if self.env.visible().any(|n| n == text) => {
                format!("`{text}` is a value: write it without parentheses")
            }
            None => String::new(),
        };
        self.error("E0403", name.range(), format!("there is no function `{text}`"), help)
    }

    fn may_draw(&mut self, function: &Function, name: &Name) -> bool {
        let (code, message, help) = if self.in_macro {
            ("E0417", "a random call cannot stand in a macro's body", "draw it before, with `let`")
        } else if self.env.place == Place::Probability {
            (
                "E0416",
                "`probability` cannot draw",
                "draw once into an attribute and read that; the try itself is already random",
            )
        } else {
            return true;
        };
        let d =
            self.problem(code, name.range(), format!("{message}: `{}`", function.usage)).help(help);
        self.diags.push(d);
        false
    }

    /// The site of the random call that begins at `start`.
    fn site(&self, start: u32) -> u64 {
        let ordinal = self.calls.partition_point(|c| *c < start);
        call_site(self.env.path, ordinal as u32)
    }

    fn takes(function: &Function) -> String {
        let sigs = function.sigs.iter().map(|s| {
            let mut args: Vec<String> = s.args.iter().map(Base::to_string).collect();
            if matches!(s.make, Make::Fold(_)) {
                args.push("...".to_owned());
            }
            // What stands before the dot is not an argument to the reader.
            let skip = usize::from(function.member && !function.global);
            format!("({})", args[skip.min(args.len())..].join(", "))
        });
        let mut sigs: Vec<String> = sigs.collect();
        sigs.dedup();
        match sigs.pop() {
            Some(last) if sigs.is_empty() => last,
            Some(last) => format!("{} or {last}", sigs.join(", ")),
            None => String::new(),
        }
    }

    /// Chooses the overload and builds the call.
    fn resolve(
        &mut self,
        node: &Node,
        function: &'static Function,
        values: Vec<Val>,
        nodes: &[&Node],
    ) -> Option<Val> {
        let n = values.len();
        let fits =
            |s: &&Sig| s.args.len() == n || (matches!(s.make, Make::Fold(_)) && n >= s.args.len());
        let mut candidates = function.sigs.iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            let skip = usize::from(function.member && !function.global);
            let given = match n - skip.min(n) {
                0 => "none is given".to_owned(),
                1 => "one is given".to_owned(),
                k => format!("{k} are given"),
            };
            let message = format!("`{}` takes {}; {given}", function.name, Self::takes(function));
            return self.error(
                "E0405",
                node.range(),
                message,
                format!("write `{}`", function.usage),
            );
        }
        for (v, node) in values.iter().zip(nodes) {
            if v.e.ty.nullable {
                let text = self.text(node).to_owned();
                return self.error(
                    "E0412",
                    node.range(),
                    format!("`{text}` may be null ({})", v.e.ty),
                    format!("write `coalesce({text}, ...)` with the value to take instead of null"),
                );
            }
        }
        // Fewest conversions first; the order of the table among equals.
        let cost = |s: &Sig| {
            values.iter().enumerate().try_fold(0, |sum, (i, v)| {
                let want = s.args[i.min(s.args.len() - 1)];
                let loose = v.flex || matches!(s.make, Make::Draw(_));
                match (v.e.ty.base, want) {
                    (have, want) if have == want => Some(sum),
                    (Base::Int, Base::Double) if loose => Some(sum + 1),
                    _ => None,
                }
            })
        };
        let best = candidates.filter_map(|s| Some((cost(s)?, s))).min_by_key(|(c, _)| *c);
        let Some((_, sig)) = best else {
            return self.no_overload(node, function, &values, nodes);
        };
        let mut args = Vec::with_capacity(n);
        for (i, (v, at)) in values.into_iter().zip(nodes).enumerate() {
            let want = sig.args[i.min(sig.args.len() - 1)];
            args.push(if v.e.ty.base == want {
                v.e
            } else if v.flex {
                to_double(v.e)
            } else {
                self.op(Op::IntToDouble, vec![v.e], Base::Double, at.range())?
            });
        }
        self.build(node, function, sig, args, nodes)
    }

    fn no_overload<T>(
        &mut self,
        node: &Node,
        function: &Function,
        values: &[Val],
        nodes: &[&Node],
    ) -> Option<T> {
        let skip = usize::from(function.member && !function.global);
        if skip == 1 && !function.sigs.iter().any(|s| s.args[0] == values[0].e.ty.base) {
            let mut owners: Vec<String> =
                function.sigs.iter().map(|s| s.args[0].to_string()).collect();
            owners.dedup();
            owners.sort();
            owners.dedup();
            let message = format!(
                "`{}` is a function of {}, but this is {}",
                function.name,
                owners.join(" and "),
                values[0].e.ty
            );
            return self.error("E0406", nodes[0].range(), message, "");
        }
        let given: Vec<String> = values[skip..].iter().map(|v| v.e.ty.to_string()).collect();
        let message = format!(
            "`{}` takes {}; here it is ({})",
            function.name,
            Self::takes(function),
            given.join(", ")
        );
        // Would converting ints, or making text, do?
        let n = values.len();
        let double = function.sigs.iter().any(|s| {
            s.args.len().min(n) == s.args.len()
                && values.iter().enumerate().all(|(i, v)| {
                    let want = s.args[i.min(s.args.len() - 1)];
                    want == v.e.ty.base || (want == Base::Double && v.e.ty.base == Base::Int)
                })
        });
        let help = if double {
            let texts: Vec<String> = values
                .iter()
                .zip(nodes)
                .filter(|(v, _)| v.e.ty.base == Base::Int && !v.flex)
                .map(|(_, node)| format!("`double({})`", self.text(node)))
                .collect();
            match (function.name, values.len()) {
                ("floor" | "ceil" | "round", 1) => "an int is whole already".to_owned(),
                _ => format!("write {}", texts.join(" and ")),
            }
        } else {
            match (function.name, values.first().map(|v| v.e.ty.base)) {
                ("int", Some(Base::Duration)) => {
                    format!("write `{}.getSeconds()`", self.operand(nodes[0]))
                }
                ("int" | "double", Some(Base::Bool)) => {
                    format!("write `{} ? 1 : 0`", self.operand(nodes[0]))
                }
                ("duration", Some(Base::Int | Base::Double)) => {
                    format!("write `duration(string({}) + 's')`", self.text(nodes[0]))
                }
                ("timestamp", Some(Base::Double)) => {
                    format!("write `timestamp(int({}))`: seconds since 1970", self.text(nodes[0]))
                }
                ("bool", Some(Base::Int | Base::Double)) => {
                    format!("write `{} != 0`", self.operand(nodes[0]))
                }
                ("chance", Some(Base::Bool)) => "give it a probability from 0 to 1".to_owned(),
                _ => format!("write `{}`", function.usage),
            }
        };
        self.error("E0406", node.range(), message, help)
    }

    fn build(
        &mut self,
        node: &Node,
        function: &Function,
        sig: &Sig,
        mut args: Vec<TExpr>,
        nodes: &[&Node],
    ) -> Option<Val> {
        let range = node.range();
        let e = match sig.make {
            Make::Same => args.pop()?,
            Make::Op(op) => {
                self.judge_op(op, &args, nodes)?;
                self.op(op, args, sig.ret, range)?
            }
            Make::Fold(op) => {
                let mut args = args.into_iter();
                let first = args.next()?;
                args.try_fold(first, |a, b| self.op(op, vec![a, b], sig.ret, range.clone()))?
            }
            Make::Clamp(max, min) => {
                let (high, low, x) = (args.pop()?, args.pop()?, args.pop()?);
                if constant(&low).is_some() && constant(&high).is_some() {
                    let above =
                        self.op(max, vec![low.clone(), high.clone()], sig.ret, range.clone())?;
                    if constant(&above) != constant(&high) {
                        let d = self.problem(
                            "E0502",
                            nodes[1].range(),
                            "the lower end of `clamp` is above the upper",
                        );
                        self.judged.push(d.help("write `clamp(x, low, high)`"));
                    }
                }
                let x = self.op(max, vec![x, low], sig.ret, range.clone())?;
                self.op(min, vec![x, high], sig.ret, range)?
            }
            Make::Utc(op) => {
                let zone =
                    self.constant(Value::String("UTC".to_owned()), Base::String, range.clone())?;
                args.push(zone);
                self.op(op, args, sig.ret, range)?
            }
            Make::Draw(draw) => {
                let known: Vec<Option<&Value>> = args.iter().map(constant).collect();
                if let Err(e) = judge(draw, &known) {
                    // The place: the first argument that is constant, or the whole call.
                    let mut at = nodes
                        .iter()
                        .zip(&known)
                        .filter(|(_, k)| k.is_some())
                        .map(|(n, _)| n.range());
                    let at = match (at.next(), at.next()) {
                        (Some(one), None) => one,
                        _ => range.clone(),
                    };
                    let help = self.repaired(draw, &known, nodes);
                    let d =
                        self.problem("E0502", at, format!("`{}`: {}", function.usage, e.rule()));
                    self.judged.push(d.help(format!("write `{help}`")));
                }
                let site = self.site(node.start);
                self.make(TKind::Draw { draw, site, args }, Ty::of(sig.ret), range)?
            }
        };
        Some(Val { e, flex: false })
    }

    /// A random call like the one written, with arguments that it can have.
    fn repaired(&self, draw: Draw, known: &[Option<&Value>], nodes: &[&Node]) -> String {
        let swapped: Vec<_> = known.iter().rev().copied().collect();
        match draw {
            Draw::UniformInt | Draw::UniformDouble if judge(draw, &swapped).is_ok() => {
                return format!("uniform({}, {})", self.text(nodes[1]), self.text(nodes[0]));
            }
            // Most likely meant in percent.
            Draw::Chance => {
                if let Some(Some(Value::Double(p))) = known.first()
                    && (1.0..=100.0).contains(p)
                {
                    return format!("chance({})", p / 100.0);
                }
            }
            _ => {}
        }
        match draw {
            Draw::UniformInt => "uniform(10, 99)",
            Draw::UniformDouble => "uniform(0.5, 9.5)",
            Draw::Chance => "chance(0.5)",
            Draw::Normal => "normal(100, 15)",
            Draw::Lognormal => "lognormal(20, 0.5)",
            Draw::Exponential => "exponential(30)",
            Draw::Pareto => "pareto(10, 2.5)",
            Draw::Poisson => "poisson(4)",
            Draw::Zipf => "zipf(1000, 1.1)",
            Draw::Choice => "choice(['a', 'b'])",
            Draw::Weighted => "weighted({'a': 3, 'b': 1})",
            Draw::Uuid => "uuid()",
        }
        .to_owned()
    }

    /// Whether a name can be read here.
    fn stands_for_something(&self, name: &str) -> bool {
        self.env.visible().any(|n| n == name)
            || self.env.hidden.iter().any(|h| h.name == name)
            || self.locals.iter().any(|(n, _)| n == name)
            || self.env.reason(name).is_some()
    }

    /// Rules of constant arguments beyond what folding finds.
    fn judge_op(&mut self, op: Op, args: &[TExpr], nodes: &[&Node]) -> Option<()> {
        let text = |i: usize| match args.get(i).and_then(constant) {
            Some(Value::String(s)) => Some(s.as_str()),
            _ => None,
        };
        let (code, error): (_, Option<String>) = match op {
            Op::Matches => ("E0505", text(1).and_then(|p| pattern(p).err()).map(|e| e.to_string())),
            Op::RoundDigits => match args.get(1).and_then(constant) {
                Some(Value::Int(d)) if (0..=MAX_DIGITS).contains(d) => return Some(()),
                _ => {
                    let message = format!(
                        "the digits of `round(x, digits)` must be a constant from 0 to {MAX_DIGITS}"
                    );
                    let help = format!("write `round({}, 2)`", self.text(nodes[0]));
                    return self.error("E0504", nodes[1].range(), message, help);
                }
            },
            _ if crate::expr::eval::part(op).is_some() => {
                ("E0506", text(1).and_then(|z| Zone::new(z).err()).map(|e| e.to_string()))
            }
            _ => return Some(()),
        };
        let Some(message) = error else {
            return Some(());
        };
        let mut d = self.problem(code, nodes[1].range(), message);
        if op == Op::Matches
            && let Some(why) = text(1).and_then(why_no_pattern)
        {
            d = d.note(why);
        }
        self.diags.push(d);
        None
    }

    fn coalesce(&mut self, node: &Node, args: &[&Node]) -> Option<Val> {
        let [x, y] = args else {
            let message = format!("`coalesce` takes two values, not {}", args.len());
            return self.error(
                "E0405",
                node.range(),
                message,
                "write `coalesce(x, y)`: x where it is not null, else y",
            );
        };
        let (a, b) = (self.out(x), self.out(y));
        let (a, b) = (a?, b?);
        match (&a, &b) {
            (Out::Val(v), _) if !v.e.ty.nullable => {
                let text = self.text(x).to_owned();
                return self.error(
                    "E0413",
                    x.range(),
                    format!("`{text}` is {} and never null", v.e.ty),
                    format!("write `{text}`"),
                );
            }
            (Out::Null, _) => {
                return self.error(
                    "E0413",
                    x.range(),
                    "null is always null",
                    format!("write `{}`", self.text(y)),
                );
            }
            (_, Out::Null) => {
                return self.error(
                    "E0413",
                    y.range(),
                    "null instead of null changes nothing",
                    format!("write `{}`", self.text(x)),
                );
            }
            _ => {}
        }
        // The result is null only where both may be.
        let ends_null = matches!(&b, Out::Val(v) if v.e.ty.nullable);
        let (mut values, ty, _) = self.unify(
            vec![(a, x.range()), (b, y.range())],
            "E0410",
            "the arguments of `coalesce`",
        )?;
        let (b, a) = (values.pop()?, values.pop()?);
        let b = match b.kind {
            TKind::Widen(inner) if !ends_null => *inner,
            kind if !ends_null => TExpr { kind, ty: Ty::of(ty.base), ..b },
            kind => TExpr { kind, ..b },
        };
        let ty = Ty { base: ty.base, nullable: ends_null };
        let e = self.make(TKind::Coalesce(Box::new(a), Box::new(b)), ty, node.range())?;
        Some(Val { e, flex: false })
    }

    fn choice(&mut self, node: &Node, args: &[&Node]) -> Option<Val> {
        let [arg] = args else {
            let texts: Vec<&str> = args.iter().map(|a| self.text(a)).collect();
            return self.error(
                "E0405",
                node.range(),
                "`choice` takes one list",
                format!("write `choice([{}])`", texts.join(", ")),
            );
        };
        let (items, ty, flex, binds) = self.plain_list(arg, "`choice`")?;
        let Some(ty) = ty else {
            return self.error(
                "E0503",
                arg.range(),
                "there is nothing to choose from",
                "list the values: `choice(['a', 'b'])`",
            );
        };
        let site = self.site(node.start);
        let e =
            self.make(TKind::Draw { draw: Draw::Choice, site, args: items }, ty, node.range())?;
        Some(Val { e: self.around(binds, e, &node.range())?, flex })
    }

    fn weighted(&mut self, node: &Node, args: &[&Node]) -> Option<Val> {
        const USAGE: &str =
            "write `weighted({'a': 3, 'b': 1})` or `weighted([['a', 3], ['b', 1]])`";
        let pairs: Option<Vec<(&Node, &Node)>> = match args {
            [Node { kind: Kind::Map(entries), .. }] => {
                Some(entries.iter().map(|(v, w)| (v, w)).collect())
            }
            [Node { kind: Kind::List(items), .. }] => items
                .iter()
                .map(|i| match &i.kind {
                    Kind::List(pair) => match pair.as_slice() {
                        [v, w] => Some((v, w)),
                        _ => None,
                    },
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let Some(pairs) = pairs else {
            return self.error(
                "E0405",
                node.range(),
                "`weighted` takes values with their weights",
                USAGE,
            );
        };
        if pairs.is_empty() {
            return self.error("E0503", args[0].range(), "there is nothing to choose from", USAGE);
        }
        let mut outs = Vec::with_capacity(pairs.len());
        let mut weights = Vec::with_capacity(pairs.len());
        let mut failed = false;
        for (value, weight) in &pairs {
            match self.out(value) {
                Some(out) => outs.push((out, value.range())),
                None => failed = true,
            }
            match self.weight(weight) {
                Some(w) => weights.push(w),
                None => {
                    // Whoever swaps value and weight once does so in every pair.
                    failed = true;
                    break;
                }
            }
        }
        if failed {
            return None;
        }
        let known: Vec<Option<&Value>> = weights.iter().map(constant).collect();
        let mut found: Vec<Diagnostic> = Vec::new();
        for (k, (_, node)) in known.iter().zip(&pairs) {
            if let Some(Value::Double(w)) = k
                && (*w < 0.0 || !w.is_finite())
            {
                let d = self.problem(
                    "E0502",
                    node.range(),
                    "a weight must be a finite number of at least 0",
                );
                found.push(d.help("write 0 for a value that never comes"));
            }
        }
        if found.is_empty()
            && let Err(e) = judge(Draw::Weighted, &known)
        {
            let d = self.problem("E0503", args[0].range(), format!("`weighted`: {}", e.rule()));
            found.push(d.help(USAGE));
        }
        self.judged.append(&mut found);
        let (values, ty, flex) = self.unify(outs, "E0411", "the values of `weighted`")?;
        let args = weights.into_iter().zip(values).flat_map(|(w, v)| [w, v]).collect();
        let site = self.site(node.start);
        let e = self.make(TKind::Draw { draw: Draw::Weighted, site, args }, ty, node.range())?;
        Some(Val { e, flex })
    }

    fn weight(&mut self, node: &Node) -> Option<TExpr> {
        let v = self.value(node)?;
        match v.e.ty.base {
            Base::Double => Some(v.e),
            Base::Int => match v.e.kind {
                TKind::Const(_) => Some(to_double(v.e)),
                _ => {
                    let range: Range<usize> = node.range();
                    self.op(Op::IntToDouble, vec![v.e], Base::Double, range)
                }
            },
            base => self.error(
                "E0406",
                node.range(),
                format!("a weight is a number, but this is {base}"),
                "the value comes first, then its weight: `weighted({'a': 3, 'b': 1})`",
            ),
        }
    }
}

/// What is wrong with a regular expression, in one line.
fn why_no_pattern(text: &str) -> Option<String> {
    let error = regex::Regex::new(text).err()?.to_string();
    let (_, why) = error.rsplit_once("error: ")?;
    Some(why.trim().to_owned())
}
