//! Models made from a tape of bytes, as YAML text. Every decision takes the next byte; the end of the
//! tape means the simplest thing. What is made always compiles; it may fail when it runs.

use std::fmt::Write;

struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    /// One of `0..n`.
    fn pick(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |b| usize::from(*b) % n)
    }

    fn of<'o>(&mut self, options: &[&'o str]) -> &'o str {
        options[self.pick(options.len())]
    }
}

/// Types, by index: int, double, bool, string, timestamp, duration.
const INITS: [&[&str]; 6] = [
    &["0", "id", "uniform(-5, 99)", "poisson(2.5)", "zipf(id + 1, 0.8)", "choice([1, id])"],
    &[
        "0.5",
        "uniform(-1.5, 2.5)",
        "normal(10.0, 2)",
        "exponential(3)",
        "pareto(1, 2.5)",
        "double(id)",
    ],
    &["true", "id % 3 == 0", "chance(0.3)"],
    &[
        "''",
        "'a'",
        "population",
        "string(id)",
        "uuid()",
        "weighted({'a': 1, 'ż': 2.5, 'longer text': 1})",
    ],
    &["timestamp('2020-05-05T00:00:00Z')", "timestamp('2024-03-30T22:00:00Z') + duration('9h')"],
    &["duration('90s')", "duration('1500ms')", "duration(string(id) + 'h')"],
];

/// Expressions over attributes `A` and `B` of the type, anywhere in a transition.
const STEPS: [&[&str]; 6] = [
    &[
        "A",
        "A + 1",
        "A - B",
        "A * 3 % 1000",
        "uniform(0, 9)",
        "A / 2",
        "A / (seq % 7)",
        "-A",
        "min(A, B)",
        "seq",
        "[A, B, 3][id % 4]",
        "timestamp.getMinutes()",
        "A * A + 1",
        "chance(0.5) ? A : B",
        "uniform(A, B)",
        "size(trigger + from + to)",
    ],
    &[
        "A",
        "A * 0.5",
        "A + B",
        "uniform(0, 1.5)",
        "lognormal(20, 0.5)",
        "A / B",
        "round(A, 2)",
        "max(A, B)",
        "double(seq)",
        "normal(A, 1.0)",
        "A * A",
        "clamp(A, -5.0, 5.0)",
    ],
    &[
        "A",
        "!A",
        "A && B",
        "A || chance(0.5)",
        "seq % 2 == 0",
        "A == B",
        "[A, B].exists(v, v)",
        "id in [1, 2, seq]",
    ],
    &[
        "A",
        "size(A) > 40 ? B : A + B",
        "trigger",
        "string(seq)",
        "uuid()",
        "choice([A, B, 'x'])",
        "A == B ? '' : 'different'",
        "string(timestamp)",
        "string(int('1' + string(seq % 3)))",
        "string(timestamp('2022-02-1' + string(seq % 12) + 'T00:00:00Z'))",
        "min(A, B)",
    ],
    &["A", "timestamp", "A + duration('1h')", "max(A, B)", "A - duration('999h')"],
    &["A", "A + B", "timestamp - timestamp", "duration('1ms')", "max(A, B)", "A + A"],
];

const PERCENTS: [&str; 8] = ["5%", "30%", "100%", "0%", "0.000000000001%", "1%", "50%", "33.333%"];

/// A model as text.
pub fn model(tape: &[u8]) -> String {
    let mut t = Tape(tape.iter());
    let mut out = format!("seed: {}\n", t.pick(4));
    let start = t.of(&["0", "2022-02-11T03:21:48Z", "1969-12-31T23:59:00.001Z"]);
    let tick = t.of(&["1m", "1ms", "250ms", "7d"]);
    let _ = writeln!(
        out,
        "clock: {{ start: {start}, tick: {tick}, ticks: {} }}\nsubjects:",
        1 + t.pick(120)
    );
    let mut events = String::new();
    for p in 0..1 + t.pick(2) {
        population(&mut t, p, &mut out, &mut events);
    }
    let _ = write!(out, "events:\n{events}");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn population(t: &mut Tape, p: usize, out: &mut String, events: &mut String) {
    let states = 1 + t.pick(4);
    let _ =
        writeln!(out, "  p{p}:\n    count: {}\n    initial: s{}", 1 + t.pick(70), t.pick(states));
    // Attribute `ai` has the type `types[i]`; 6 more is its nullable form.
    let types: Vec<usize> = (0..t.pick(7)).map(|_| [0, 1, 2, 3, 4, 5, 7, 10][t.pick(8)]).collect();
    for (i, ty) in types.iter().enumerate() {
        if i == 0 {
            out.push_str("    attributes:\n");
        }
        let init = match ty {
            10 => "nullable(timestamp)",
            7 => "nullable(double)",
            ty => t.of(INITS[*ty]),
        };
        let _ = writeln!(out, "      a{i}: {}", quoted(init));
    }
    let kinds = 1 + t.pick(3);
    out.push_str("    states:\n");
    for s in 0..states {
        let n = t.pick(4) + usize::from(s == 0);
        if n == 0 {
            let _ = writeln!(out, "      s{s}: {{}}");
            continue;
        }
        let _ = writeln!(out, "      s{s}:\n        transitions:");
        let dynamic = t.pick(3) == 2;
        for k in 0..n {
            let probability = match (dynamic, n) {
                (true, _) if t.pick(2) == 0 => format!("clamp(id + {}, 0, {})", t.pick(9), 100 / n),
                (_, 1) => t.of(&PERCENTS).to_owned(),
                _ => t.of(&["5%", "1%", "25%", "0%", "0.3%", "20.5%"]).to_owned(),
            };
            let _ =
                writeln!(out, "          t{k}:\n            probability: {}", quoted(&probability));
            if t.pick(3) > 0 {
                let _ = writeln!(out, "            to: s{}", t.pick(states));
            }
            let lets = t.pick(3);
            for i in 0..lets {
                if i == 0 {
                    out.push_str("            let:\n");
                }
                let e = expr(t, &types, 0);
                let _ = writeln!(out, "              l{i}: {}", quoted(&e));
            }
            if t.pick(3) == 2 {
                let e = if lets > 0 && t.pick(2) == 1 {
                    "l0 % 3 != 0".into()
                } else {
                    expr(t, &types, 2)
                };
                let _ = writeln!(out, "            when: {}", quoted(&e));
            }
            let mut begun = false;
            for (i, ty) in types.iter().enumerate() {
                if t.pick(3) != 1 {
                    continue;
                }
                if !begun {
                    out.push_str("            set:\n");
                    begun = true;
                }
                let null = *ty >= 6 && t.pick(3) == 0;
                let e = if null { "null".to_owned() } else { expr(t, &types, *ty % 6) };
                let _ = writeln!(out, "              a{i}: {}", quoted(&e));
            }
            let emits: Vec<String> =
                (0..t.pick(4)).map(|_| format!("e{p}_{}", t.pick(kinds))).collect();
            let _ = writeln!(out, "            emit: [{}]", emits.join(", "));
        }
    }
    for k in 0..kinds {
        let _ = writeln!(events, "  e{p}_{k}:");
        if t.pick(4) == 3 {
            let _ = writeln!(events, "    when: {}", quoted(&expr(t, &types, 2)));
        }
        if t.pick(4) == 3 {
            let ty = t.pick(4);
            let _ = writeln!(events, "    key: {}", quoted(&expr(t, &types, ty)));
        }
        if t.pick(5) == 4 {
            let _ = writeln!(events, "    timestamp: {}", quoted(&expr(t, &types, 4)));
        }
        let _ = writeln!(events, "    fields:\n      id: id\n      name: event_id");
        for i in 0..types.len() {
            let from = ["", "a", "old.a"][t.pick(3)];
            if !from.is_empty() {
                let _ = writeln!(events, "      a{i}: {from}{i}");
            }
        }
        for f in 0..t.pick(3) {
            let ty = t.pick(6);
            let _ = writeln!(events, "      f{f}: {}", quoted(&expr(t, &types, ty)));
        }
    }
}

/// An expression of a type from the table, its letters replaced by attributes or constants.
fn expr(t: &mut Tape, types: &[usize], ty: usize) -> String {
    let named = |t: &mut Tape| {
        let of_type: Vec<usize> = (0..types.len()).filter(|i| types[*i] % 6 == ty).collect();
        if of_type.is_empty() || t.pick(5) == 4 {
            return ["7", "1.25", "true", "'b\"'", "timestamp", "duration('3s')"][ty].to_owned();
        }
        let i = of_type[t.pick(of_type.len())];
        let other = ["7", "1.25", "true", "'b'", "timestamp", "duration('3s')"][ty];
        if types[i] >= 6 { format!("coalesce(a{i}, {other})") } else { format!("a{i}") }
    };
    let form = t.of(STEPS[ty]);
    let (a, b) = (named(t), named(t));
    let mut out = String::new();
    for c in form.chars() {
        match c {
            'A' => out.push_str(&a),
            'B' => out.push_str(&b),
            c => out.push(c),
        }
    }
    out
}
