//! Models made from a tape of numbers, as YAML text.
//!
//! Every decision takes the next number of the tape; the end of the tape, and a zero, mean the simplest
//! thing. So a case that fails shrinks to a small model by shortening its tape and lowering its numbers.
//! What is made always compiles; whether it can fail when it runs is the tape's decision, too.

use std::fmt::Write;

/// The decisions.
pub struct Tape<'a> {
    rest: std::slice::Iter<'a, u16>,
}

impl<'a> Tape<'a> {
    pub fn new(numbers: &'a [u16]) -> Self {
        Tape { rest: numbers.iter() }
    }

    /// One of `0..n`.
    pub fn pick(&mut self, n: usize) -> usize {
        self.rest.next().map_or(0, |v| usize::from(*v) % n.max(1))
    }

    fn of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.pick(options.len())]
    }

    /// True once in `n`.
    fn once_in(&mut self, n: usize) -> bool {
        self.pick(n) == n - 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    Int,
    Double,
    Bool,
    String,
    Timestamp,
    Duration,
}
use Ty::{Bool, Double, Duration, Int, Timestamp};

const TYPES: [Ty; 6] = [Int, Double, Bool, Ty::String, Timestamp, Duration];
const NAMES: [&str; 6] = ["int", "double", "bool", "string", "timestamp", "duration"];

/// A name that expressions may read.
#[derive(Clone, Debug)]
struct Name {
    text: String,
    ty: Ty,
    nullable: bool,
}

/// What an expression may read and do.
#[derive(Clone, Default)]
struct Env {
    names: Vec<Name>,
    draws: bool,
    /// Inside a transition or an event.
    clock: bool,
    /// Inside an event.
    event: bool,
    /// May fail when it runs.
    risky: bool,
}

struct Attribute {
    name: Name,
    init: String,
}

/// Models are at most about this large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub populations: usize,
    pub subjects: usize,
    pub ticks: usize,
    /// Whether expressions may fail.
    pub risky: bool,
}

/// A model as text.
pub fn model(tape: &mut Tape<'_>, size: Size) -> String {
    let mut out = format!(
        "seed: {}\nparams: {{ pi: {}, pd: {}.5, ps: 'x y', pb: true }}\n",
        tape.pick(5),
        1 + tape.pick(4),
        tape.pick(3)
    );
    let start = tape.of(&[
        "0",
        "2022-02-11T03:21:48Z",
        "1969-12-31T23:59:00.001Z",
        "2024-03-30T22:00:00+01:00",
    ]);
    let tick = tape.of(&["1m", "1ms", "250ms", "7d"]);
    // Windows of more than 256 ticks have several ticks in a bucket.
    let ticks = if size.ticks > 100 && tape.once_in(6) {
        260 + tape.pick(700)
    } else {
        1 + tape.pick(size.ticks)
    };
    let _ = writeln!(out, "clock: {{ start: {start}, tick: {tick}, ticks: {ticks} }}\nsubjects:");
    let mut events = Vec::new();
    let populations = 1 + tape.pick(size.populations);
    for p in 0..populations {
        population(tape, &mut out, p, size, &mut events);
    }
    if events.is_empty() {
        return out;
    }
    out.push_str("events:\n");
    for (name, env) in events {
        event(tape, &mut out, &name, env);
    }
    out
}

/// A double-quoted scalar.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn population(
    tape: &mut Tape<'_>,
    out: &mut String,
    p: usize,
    size: Size,
    events: &mut Vec<(String, Env)>,
) {
    let attributes = attributes(tape, size.risky);
    let count = tape.pick(size.subjects) + usize::from(p == 0);
    let _ = writeln!(out, "  p{p}:\n    count: {count}");
    let states = 1 + tape.pick(4);
    let _ = writeln!(out, "    initial: s{}", tape.pick(states));
    if !attributes.is_empty() {
        out.push_str("    attributes:\n");
        for a in &attributes {
            let _ = writeln!(out, "      {}: {}", a.name.text, quoted(&a.init));
        }
    }
    let names: Vec<Name> = attributes.into_iter().map(|a| a.name).collect();
    let seen =
        Env { names: names.clone(), draws: true, clock: true, event: false, risky: size.risky };
    // Events that any transition of the population may emit; the first may serve all populations.
    let mut own: Vec<String> = Vec::new();
    for e in 0..1 + tape.pick(3) {
        let name = format!("e{p}_{e}");
        let mut env = Env { event: true, ..seen.clone() };
        env.names
            .extend(names.iter().map(|n| Name { text: format!("old.{}", n.text), ..n.clone() }));
        own.push(name.clone());
        events.push((name, env));
    }
    if p == 0 {
        events.push(("common".into(), Env { names: Vec::new(), event: true, ..seen.clone() }));
    }
    own.push("common".into());
    out.push_str("    states:\n");
    for s in 0..states {
        let many = tape.once_in(8);
        // A first state with nothing to do would make most models empty.
        let n = if many { 4 + tape.pick(8) } else { tape.pick(4) + usize::from(s == 0) };
        if n == 0 {
            let _ = writeln!(out, "      s{s}: {{}}");
            continue;
        }
        let _ = writeln!(out, "      s{s}:\n        transitions:");
        let probabilities = probabilities(tape, n, &names, size.risky);
        for (t, probability) in probabilities.iter().enumerate() {
            let _ = writeln!(out, "          t{t}:\n            probability: {probability}");
            if tape.pick(3) > 0 {
                let _ = writeln!(out, "            to: s{}", tape.pick(states));
            }
            transition(tape, out, &names, &seen, &mut own, events, &format!("{p}_{s}_{t}"));
        }
    }
}

fn attributes(tape: &mut Tape<'_>, risky: bool) -> Vec<Attribute> {
    let mut made: Vec<Attribute> = Vec::new();
    for i in 0..tape.pick(7) {
        let k = tape.pick(6);
        let nullable = tape.once_in(4);
        let env = Env {
            names: made.iter().map(|a| a.name.clone()).collect(),
            draws: true,
            risky: risky && tape.once_in(4),
            ..Env::default()
        };
        let init = match nullable {
            true => format!("nullable({})", NAMES[k]),
            false => expr(tape, &env, TYPES[k], 3),
        };
        made.push(Attribute { name: Name { text: format!("a{i}"), ty: TYPES[k], nullable }, init });
    }
    made
}

/// Probabilities of a state: literals that sum to at most 100, or expressions that stay below.
fn probabilities(tape: &mut Tape<'_>, n: usize, names: &[Name], risky: bool) -> Vec<String> {
    let dynamic = tape.once_in(3);
    let env = Env { names: names.to_vec(), ..Env::default() };
    // In units of 1e-12 percent.
    let mut left = 100_000_000_000_000u64;
    let mut all = Vec::new();
    for i in 0..n {
        if dynamic && tape.pick(2) == 0 {
            let share = 100 / n;
            let ty = tape.of(&[Int, Double]);
            let e = expr(tape, &env, ty, 2);
            all.push(quoted(&match (ty, risky && tape.once_in(6)) {
                (_, true) => e,
                (Int, _) => format!("clamp({e}, 0, {share})"),
                _ => format!("clamp({e}, 0.0, {share}.0)"),
            }));
            continue;
        }
        let most = if dynamic { 100_000_000_000_000 / n as u64 } else { left };
        let units = match tape.pick(9) {
            0 => 5_000_000_000_000,
            1 => 30_000_000_000_000,
            2 => most,
            3 => 0,
            4 => 1,
            5 => 1_000_000_000,
            6 => most / 2,
            7 => most / (n - i) as u64,
            _ => 333_333_333_333,
        }
        .min(most);
        left -= if dynamic { 0 } else { units };
        all.push(format!("{}.{:012}%", units / 1_000_000_000_000, units % 1_000_000_000_000));
    }
    all
}

fn transition(
    tape: &mut Tape<'_>,
    out: &mut String,
    names: &[Name],
    seen: &Env,
    own: &mut [String],
    events: &mut Vec<(String, Env)>,
    place: &str,
) {
    let mut env = seen.clone();
    env.risky &= tape.once_in(3);
    let lets = tape.pick(4);
    for i in 0..lets {
        if i == 0 {
            out.push_str("            let:\n");
        }
        let k = tape.pick(6);
        let nullable = tape.once_in(6);
        let e = expr(tape, &env, TYPES[k], 3);
        let e = if nullable { format!("{} ? {e} : null", expr(tape, &env, Bool, 1)) } else { e };
        let _ = writeln!(out, "              l{i}: {}", quoted(&e));
        env.names.push(Name { text: format!("l{i}"), ty: TYPES[k], nullable });
    }
    if tape.once_in(3) {
        let _ = writeln!(out, "            when: {}", quoted(&expr(tape, &env, Bool, 3)));
    }
    let mut set: Vec<usize> = (0..names.len()).filter(|_| tape.pick(3) == 1).collect();
    if tape.pick(2) == 1 {
        set.reverse();
    }
    for (i, a) in set.into_iter().enumerate() {
        if i == 0 {
            out.push_str("            set:\n");
        }
        let _ = writeln!(
            out,
            "              {}: {}",
            names[a].text,
            quoted(&assigned(tape, &env, &names[a]))
        );
    }
    let mut emits: Vec<String> = Vec::new();
    for _ in 0..1 + tape.pick(3) {
        emits.push(own[tape.pick(own.len())].clone());
    }
    if tape.once_in(4) {
        // An event that only this transition emits may read its lets.
        let name = format!("own_{place}");
        let mut env = Env { event: true, ..env.clone() };
        env.names
            .extend(names.iter().map(|n| Name { text: format!("old.{}", n.text), ..n.clone() }));
        events.push((name.clone(), env));
        emits.insert(tape.pick(emits.len() + 1), name.clone());
        if tape.once_in(3) {
            emits.push(name);
        }
    }
    if tape.once_in(6) {
        emits.clear();
    }
    let _ = writeln!(out, "            emit: [{}]", emits.join(", "));
}

/// A value for an attribute, of a size that does not run away.
fn assigned(tape: &mut Tape<'_>, env: &Env, to: &Name) -> String {
    if to.nullable {
        match tape.pick(4) {
            0 => return "null".into(),
            1 => {
                let other =
                    env.names.iter().find(|n| n.ty == to.ty && n.nullable && n.text != to.text);
                return other.map_or(to.text.clone(), |n| n.text.clone());
            }
            2 => {
                return format!(
                    "{} ? {} : null",
                    expr(tape, env, Bool, 1),
                    bounded(tape, env, to.ty)
                );
            }
            _ => {}
        }
    }
    bounded(tape, env, to.ty)
}

fn bounded(tape: &mut Tape<'_>, env: &Env, ty: Ty) -> String {
    let e = expr(tape, env, ty, 3);
    if env.risky {
        return if ty == Ty::String { format!("size({e}) > 99 ? '' : {e}") } else { e };
    }
    match ty {
        Int if e.len() > 5 => format!("clamp({e}, -1000, 1000)"),
        Double if e.len() > 5 => format!("clamp({e}, -1e6, 1e6)"),
        Ty::String if e.len() > 10 => format!("size({e}) > 40 ? 'z' : {e}"),
        Duration if e.len() > 20 => format!("clamp({e}, duration('0s'), duration('9h'))"),
        Timestamp if e.len() > 20 => {
            format!(
                "clamp({e}, timestamp('1990-01-01T00:00:00Z'), timestamp('2090-01-01T00:00:00Z'))"
            )
        }
        _ => e,
    }
}

fn event(tape: &mut Tape<'_>, out: &mut String, name: &str, mut env: Env) {
    env.risky &= tape.once_in(3);
    let _ = writeln!(out, "  {name}:");
    if tape.once_in(4) {
        let _ = writeln!(out, "    when: {}", quoted(&expr(tape, &env, Bool, 3)));
    }
    if tape.once_in(4) {
        let ty = tape.of(&[Ty::String, Int, Bool, Double]);
        let _ = writeln!(out, "    key: {}", quoted(&field(tape, &env, ty)));
    }
    if tape.once_in(4) {
        let _ = writeln!(out, "    timestamp: {}", quoted(&expr(tape, &env, Timestamp, 2)));
    }
    if tape.once_in(5) {
        out.push_str("    headers:\n");
        for h in 0..1 + tape.pick(2) {
            let ty = tape.of(&TYPES);
            let _ = writeln!(out, "      h{h}: {}", quoted(&field(tape, &env, ty)));
        }
    }
    out.push_str("    fields:\n");
    let nested = tape.once_in(4);
    let indent = if nested { "        " } else { "      " };
    if nested {
        out.push_str("      first: { id: id }\n      part:\n");
    }
    for f in 0..1 + tape.pick(6) {
        let nullable: Vec<&Name> = env.names.iter().filter(|n| n.nullable).collect();
        let e = if !nullable.is_empty() && tape.once_in(3) {
            nullable[tape.pick(nullable.len())].text.clone()
        } else {
            let ty = tape.of(&TYPES);
            field(tape, &env, ty)
        };
        let _ = writeln!(out, "{indent}f{f}: {}", quoted(&e));
    }
}

/// A field: often just a name, as people write them.
fn field(tape: &mut Tape<'_>, env: &Env, ty: Ty) -> String {
    let e = if tape.pick(3) < 2 { expr(tape, env, ty, 0) } else { expr(tape, env, ty, 3) };
    // Draws and products may be large, and infinite ones are errors.
    if ty == Double && !env.risky { format!("clamp({e}, -1e9, 1e9)") } else { e }
}

/// An expression of a type, at most `depth` calls deep.
fn expr(tape: &mut Tape<'_>, env: &Env, ty: Ty, depth: usize) -> String {
    if depth == 0 || tape.pick(4) == 0 {
        return leaf(tape, env, ty);
    }
    let d = depth - 1;
    // The same forms for every type.
    match tape.pick(12) {
        1 => {
            let (c, a, b) =
                (expr(tape, env, Bool, d), expr(tape, env, ty, d), expr(tape, env, ty, d));
            return format!("({c} ? {a} : {b})");
        }
        2 => {
            let nullable = env
                .names
                .iter()
                .filter(|n| n.nullable && n.ty == ty)
                .map(|n| n.text.clone())
                .collect::<Vec<_>>();
            if !nullable.is_empty() {
                let (x, y) = (nullable[tape.pick(nullable.len())].clone(), expr(tape, env, ty, d));
                return format!("coalesce({x}, {y})");
            }
        }
        3 if env.draws => {
            let (a, b, c) = (leaf(tape, env, ty), expr(tape, env, ty, d), leaf(tape, env, ty));
            return format!("choice([{a}, {b}, {c}])");
        }
        4 if env.draws => {
            let (a, b) = (leaf(tape, env, ty), expr(tape, env, ty, d));
            let weights = tape.of(&["1", "2.5", "double(id) + 1.0"]);
            return format!("weighted([[{a}, {weights}], [{b}, 1]])");
        }
        5 => {
            let (a, b) = (leaf(tape, env, ty), expr(tape, env, ty, d));
            return format!("[{a}, {b}, {a}][{}]", if env.risky { "id % 4" } else { "id % 3" });
        }
        _ => {}
    }
    let int = |tape: &mut Tape<'_>| expr(tape, env, Int, d);
    match ty {
        Int => match tape.pick(13) {
            0 => format!("({} + {})", int(tape), int(tape)),
            1 => format!("({} - {})", int(tape), int(tape)),
            2 if env.risky => format!("({} * {})", int(tape), int(tape)),
            2 => format!("(clamp({}, -99, 99) * {})", int(tape), 1 + tape.pick(9)),
            3 if env.risky => format!("({} / ({} % 5))", int(tape), leaf(tape, env, Int)),
            3 => format!("({} / {})", int(tape), 1 + tape.pick(9)),
            4 => format!("({} % {})", int(tape), 1 + tape.pick(9)),
            5 => format!("{}({}, {})", tape.of(&["min", "max"]), int(tape), int(tape)),
            6 if env.draws => format!("uniform({}, {})", tape.pick(5), 5 + tape.pick(90)),
            7 if env.draws && env.risky => format!("uniform({}, {})", int(tape), int(tape)),
            7 if env.draws => {
                let a = int(tape);
                format!("({a} + uniform(-3, 3))")
            }
            8 if env.draws => tape
                .of(&[
                    "poisson(2.5)",
                    "zipf(9, 1.1)",
                    "poisson(double(id) + 0.5)",
                    "zipf(id + 1, 0.8)",
                ])
                .into(),
            9 => format!("size({})", expr(tape, env, Ty::String, d)),
            10 => {
                let parts = [
                    "getHours('Europe/Warsaw')",
                    "getDayOfWeek()",
                    "getMilliseconds()",
                    "getFullYear()",
                ];
                let part = tape.of(&parts);
                format!("{}.{part}", expr(tape, env, Timestamp, 0))
            }
            11 => format!("{}.getSeconds()", expr(tape, env, Duration, 0)),
            12 if env.risky => format!("int({})", expr(tape, env, Double, d)),
            _ => format!("(-{})", leaf(tape, env, Int)).replace("(--", "(- -"),
        },
        Double => match tape.pick(9) {
            0 => format!("({} + {})", expr(tape, env, Double, d), expr(tape, env, Double, d)),
            1 => format!("({} - {})", expr(tape, env, Double, d), expr(tape, env, Double, d)),
            2 => format!("({} * {})", expr(tape, env, Double, d), tape.of(&["0.5", "2", "1.25"])),
            3 => format!("double({})", int(tape)),
            4 if env.draws => tape
                .of(&[
                    "uniform(-1.5, 2.5)",
                    "normal(10.0, 2.0)",
                    "lognormal(20, 0.5)",
                    "exponential(3)",
                    "pareto(1, 2.5)",
                    "uniform(0, double(id) + 0.5)",
                ])
                .into(),
            5 => format!("round({}, {})", expr(tape, env, Double, d), tape.pick(3)),
            6 => format!("max({}, {})", expr(tape, env, Double, d), expr(tape, env, Double, d)),
            7 if env.risky => {
                format!("({} / {})", expr(tape, env, Double, d), expr(tape, env, Double, d))
            }
            _ => format!("floor({})", expr(tape, env, Double, d)),
        },
        Bool => match tape.pick(11) {
            0 => {
                let k = tape.of(&[Int, Double, Ty::String, Timestamp, Duration, Bool]);
                let op = tape.of(&["<", "<=", "==", "!=", ">", ">="]);
                format!("({} {op} {})", expr(tape, env, k, d), expr(tape, env, k, d))
            }
            1 => format!("({} && {})", expr(tape, env, Bool, d), expr(tape, env, Bool, d)),
            2 => format!("({} || {})", expr(tape, env, Bool, d), expr(tape, env, Bool, d)),
            3 => format!("!{}", leaf(tape, env, Bool)),
            4 if env.draws => tape.of(&["chance(0.5)", "chance(0.05)", "chance(0.95)"]).into(),
            5 => {
                let nullable: Vec<String> =
                    env.names.iter().filter(|n| n.nullable).map(|n| n.text.clone()).collect();
                match nullable.is_empty() {
                    true => "(id == 1)".into(),
                    false => format!(
                        "({} {} null)",
                        nullable[tape.pick(nullable.len())],
                        tape.of(&["==", "!="])
                    ),
                }
            }
            6 => format!("({} in [1, 2, {}])", int(tape), leaf(tape, env, Int)),
            7 => format!(
                "[{}, {}].{}(v, v > {})",
                int(tape),
                leaf(tape, env, Int),
                tape.of(&["exists", "all"]),
                leaf(tape, env, Int)
            ),
            8 => format!("{}.contains('a')", expr(tape, env, Ty::String, 0)),
            9 => format!("{}.matches('^[a-m]')", expr(tape, env, Ty::String, 0)),
            _ => format!("(id % 2 == {})", tape.pick(2)),
        },
        Ty::String => match tape.pick(6) {
            0 => {
                format!("({} + {})", expr(tape, env, Ty::String, d), expr(tape, env, Ty::String, d))
            }
            1 => format!("string({})", int(tape)),
            2 => format!("string({})", expr(tape, env, Double, d)),
            3 if env.draws => tape
                .of(&["uuid()", "choice(['red', 'ż', ''])", "weighted({'a': 1, 'bcdefghij': 2})"])
                .into(),
            4 => format!("string({})", expr(tape, env, tape_type(depth), 0)),
            _ => {
                format!("min({}, {})", expr(tape, env, Ty::String, d), leaf(tape, env, Ty::String))
            }
        },
        Timestamp => {
            format!("({} + duration('{}h'))", expr(tape, env, Timestamp, d), tape.pick(30))
        }
        Duration => match tape.pick(3) {
            0 => format!("({} + {})", expr(tape, env, Duration, d), leaf(tape, env, Duration)),
            1 => format!("({} - {})", expr(tape, env, Timestamp, d), leaf(tape, env, Timestamp)),
            _ => format!("max({}, {})", expr(tape, env, Duration, d), leaf(tape, env, Duration)),
        },
    }
}

fn tape_type(depth: usize) -> Ty {
    [Bool, Timestamp, Duration][depth % 3]
}

/// A name or a literal.
fn leaf(tape: &mut Tape<'_>, env: &Env, ty: Ty) -> String {
    let mut options: Vec<String> =
        env.names.iter().filter(|n| n.ty == ty && !n.nullable).map(|n| n.text.clone()).collect();
    let known: &[&str] = match ty {
        Int => &["id", "params.pi"],
        Double => &["params.pd"],
        Bool => &["params.pb"],
        Ty::String => &["population", "params.ps"],
        Timestamp | Duration => &[],
    };
    options.extend(known.iter().map(|s| (*s).to_owned()));
    if env.clock {
        match ty {
            Int => options.push("seq".into()),
            Ty::String => options.extend(["trigger".into(), "from".into(), "to".into()]),
            Timestamp => options.extend(["timestamp".into(), "timestamp".into()]),
            _ => {}
        }
    }
    if env.event && ty == Ty::String {
        options.push("event_id".into());
    }
    options.push(match ty {
        Int => (tape.pick(12) as i64 - 2).to_string(),
        Double => format!("{}.25", tape.pick(5)),
        Bool => tape.of(&["true", "false"]).into(),
        Ty::String => tape.of(&["''", "'a'", "'längerer Text'", "'q\"\\n'"]).into(),
        Timestamp => "timestamp('2020-05-05T00:00:00Z')".into(),
        Duration => tape.of(&["duration('90s')", "duration('1500ms')"]).into(),
    });
    let at = tape.pick(options.len());
    options.swap_remove(at)
}
