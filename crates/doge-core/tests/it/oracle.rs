//! The expression language against CEL: every operator and function over every pair of types.
//!
//! The oracle is the `cel` crate. Each case is evaluated four ways: ours and CEL's, over variables and
//! (where the values can be written) over literals, so that folding is held to the same truth as
//! evaluation. Compared are values, and value against error; CEL knows no static types, so that where
//! ours refuses an expression CEL must fail on it.
//!
//! What differs on purpose is [`DIFFERENCES`]. Each entry stands in the reference page, and one that
//! no case needs any more fails the test.

use cel::{Context, Program, Value as Cel};
use doge_core::diag::Diagnostics;
use doge_core::expr::check::check;
use doge_core::expr::eval::{Scope, eval};
use doge_core::expr::func::{parse_duration, parse_timestamp};
use doge_core::expr::names::{Env, Place};
use doge_core::expr::parse::parse;
use doge_core::expr::typed::TExpr;
use doge_core::source::Span;
use doge_core::spec::ExprSource;
use doge_core::value::{Base, Ty, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

mod whole;

const NAMES: [&str; 3] = ["a", "b", "c"];
const TYPES: [Base; 6] =
    [Base::Int, Base::Double, Base::Bool, Base::String, Base::Timestamp, Base::Duration];

/// Interesting values of a type, as they are written in both languages.
fn literals(base: Base) -> &'static [&'static str] {
    match base {
        Base::Int => &[
            "0",
            "1",
            "-1",
            "7",
            "-2",
            "3",
            "100",
            "9223372036854775807",
            "-9223372036854775808",
            "4611686018427387904",
            "1644549708",
            "253402300800",
        ],
        Base::Double => &[
            "0.0",
            "-0.0",
            "1.0",
            "-1.0",
            "2.5",
            "-2.5",
            "7.0",
            "0.1",
            "1e300",
            "-1e300",
            "9223372036854775808.0",
            "-9223372036854775808.0",
            "1e-320",
            "double('NaN')",
            "double('inf')",
        ],
        Base::Bool => &["true", "false"],
        Base::String => &[
            "''",
            "'a'",
            "'A'",
            "'ab'",
            "'b'",
            "'zażółć'",
            "'12'",
            "'-7'",
            "'+3'",
            "' 1'",
            "'2.5'",
            "'1e3'",
            "'true'",
            "'True'",
            "'tRUE'",
            "'f'",
            "'2022-02-11T03:21:48Z'",
            "'2022-02-11T03:21:48.5+01:00'",
            "'2022-02-11'",
            "'1h30m'",
            "'1.5s'",
            "'-250ms'",
            "'x'",
            "'UTC'",
            "'Europe/Warsaw'",
            "'+05:45'",
            "'[a-b]+'",
            "'('",
            "'^a'",
            "'\\n\"'",
            "'9223372036854775808'",
        ],
        Base::Timestamp => &[
            "timestamp('2022-02-11T03:21:48Z')",
            "timestamp('1970-01-01T00:00:00Z')",
            "timestamp('1969-12-31T23:59:59.500Z')",
            "timestamp('0001-01-01T00:00:00Z')",
            "timestamp('9999-12-31T23:59:59.999Z')",
            "timestamp('2024-02-29T12:00:00.123Z')",
            "timestamp('1900-03-01T00:00:00Z')",
            "timestamp('2021-07-04T22:30:00Z')",
        ],
        Base::Duration => &[
            "duration('0s')",
            "duration('90s')",
            "duration('-90s')",
            "duration('1.5s')",
            "duration('1ms')",
            "duration('-1h30m')",
            "duration('87600h')",
            "duration('2562047h')",
        ],
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Value(Value),
    /// Evaluation failed (ours at run time or as a constant; CEL's in any way).
    Error,
    /// Ours refuses the expression by its types.
    Refused,
}

/// What ours makes of `text` over these variables: a typed tree, or why not.
fn typed(text: &str, variables: &[(&str, Base)]) -> Result<TExpr, Outcome> {
    let attributes: Vec<(String, Ty)> =
        variables.iter().map(|(n, t)| ((*n).to_owned(), Ty::of(*t))).collect();
    let env = Env { place: Place::Event, ..Env::attribute("user", &[], &attributes, &["test"]) };
    let source =
        ExprSource { text: text.to_owned(), span: Span::new(0, text.len()), offsets: Vec::new() };
    let mut diags = Diagnostics::default();
    match parse(&source, &mut diags).and_then(|ast| check(&ast, &env, None, &mut diags)) {
        Some(e) => Ok(e),
        // E05 are judged constants: the value is an error.
        None if diags.0.iter().all(|d| d.code.starts_with("E05")) => Err(Outcome::Error),
        None => Err(Outcome::Refused),
    }
}

fn ours(typed: &Result<TExpr, Outcome>, values: &[Value]) -> Outcome {
    match typed {
        Ok(e) => eval(e, &mut Scope { attrs: values, ..Scope::default() })
            .map_or(Outcome::Error, Outcome::Value),
        Err(outcome) => outcome.clone(),
    }
}

fn cel_value(text: &str) -> Cel {
    thread_local!(static KNOWN: RefCell<BTreeMap<String, Cel>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        let make = || Program::compile(text).expect(text).execute(&Context::default()).expect(text);
        known.entry(text.to_owned()).or_insert_with(make).clone()
    })
}

/// What CEL makes of a compiled expression.
fn theirs(program: &Program, variables: &[(&str, Cel)]) -> Outcome {
    thread_local!(static STANDARD: Context<'static, 'static> = Context::default());
    STANDARD.with(|standard| {
        let mut context = standard.new_inner_scope();
        for (name, value) in variables {
            context.add_variable_from_value((*name).to_owned(), value.clone());
        }
        match program.execute(&context) {
            Ok(v) => convert(&v).map_or(Outcome::Error, Outcome::Value),
            Err(_) => Outcome::Error,
        }
    })
}

fn convert(v: &Cel) -> Option<Value> {
    Some(match v {
        Cel::Int(v) => Value::Int(*v),
        Cel::Float(v) => Value::Double(*v),
        Cel::Bool(v) => Value::Bool(*v),
        Cel::String(v) => Value::String(v.to_string()),
        Cel::Timestamp(v) => Value::Timestamp(v.timestamp_millis()),
        Cel::Duration(v) => Value::Duration(v.num_milliseconds()),
        Cel::Null => Value::Null,
        _ => return None,
    })
}

/// Equal to the bit, all NaNs being one.
fn same(a: &Outcome, b: &Outcome) -> bool {
    match (a, b) {
        (Outcome::Value(Value::Double(a)), Outcome::Value(Value::Double(b))) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Outcome::Refused, Outcome::Error) => true,
        _ => a == b,
    }
}

/// A case: what was written, the types and texts of its values, and what came of it.
struct Case<'a> {
    template: &'a str,
    types: &'a [Base],
    values: &'a [&'a str],
    literal: bool,
    ours: &'a Outcome,
    cel: &'a Outcome,
}

/// A deliberate difference from CEL.
struct Difference {
    /// The name of its row in the reference page.
    name: &'static str,
    /// Whether a case differs by it.
    applies: fn(&Case) -> bool,
}

fn is_double(o: &Outcome) -> bool {
    matches!(o, Outcome::Value(Value::Double(_)))
}

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "An int literal is a double where a double is needed",
        applies: |c| c.literal && c.types.contains(&Base::Int) && c.types.contains(&Base::Double)
            && matches!(c.ours, Outcome::Value(_))
            && (*c.cel == Outcome::Error
                // The branch or element itself.
                || (is_double(c.ours) && matches!(c.cel, Outcome::Value(Value::Int(_))))),
    },
    Difference {
        name: "Comparison takes two values of one type",
        applies: |c| *c.ours == Outcome::Refused && matches!(c.cel, Outcome::Value(Value::Bool(_)))
            && c.types.len() == 2 && c.types[0] != c.types[1]
            && (c.template.contains(" in [") || c.template.contains("==") || COMPARISONS.iter().any(|op| c.template == format!("a {op} b"))),
    },
    Difference {
        name: "Order with NaN is false",
        applies: |c| *c.ours == Outcome::Value(Value::Bool(false)) && *c.cel == Outcome::Error && c.types == [Base::Double; 2]
            && COMPARISONS[2..].iter().any(|op| c.template == format!("a {op} b")) && c.values.contains(&"double('NaN')"),
    },
    Difference {
        name: "Conditions are bool, also where they are not reached",
        applies: |c| *c.ours == Outcome::Refused && matches!(c.cel, Outcome::Value(_))
            && ["a && b", "a || b"].contains(&c.template) && c.types != [Base::Bool; 2],
    },
    Difference {
        name: "The branches of a ternary and the values of a list have one type",
        applies: |c| *c.ours == Outcome::Refused
            && ["a ? b : c", "[b, c][a]"].contains(&c.template) && c.types[1] != c.types[2],
    },
    Difference {
        name: "An index is an int",
        applies: |c| *c.ours == Outcome::Refused && c.template == "[b][a]" && c.types[0] == Base::Double,
    },
    Difference {
        name: "`&&`, `||`, `exists` and `all` go from left to right, and an error ends them",
        applies: |c| *c.ours == Outcome::Error && matches!(c.cel, Outcome::Value(Value::Bool(_)))
            && ["&&", "||", ".exists(", ".all("].iter().any(|s| c.template.contains(s)),
    },
    Difference {
        name: "An index evaluates only the value it takes",
        applies: |c| *c.cel == Outcome::Error && matches!(c.ours, Outcome::Value(_)) && c.template == "[a, 10 / b][c]",
    },
    Difference {
        name: "A filtered list has no index",
        applies: |c| *c.ours == Outcome::Refused && c.template.starts_with("[a, b].map(x, x > b, x)["),
    },
    Difference {
        name: "Durations are 64 bits of milliseconds",
        // CEL's are 64 bits of nanoseconds.
        applies: |c| *c.cel == Outcome::Error
            && matches!(c.ours, Outcome::Value(Value::Duration(d)) if d.unsigned_abs() > i64::MAX as u64 / 1_000_000),
    },
    Difference {
        name: "`string` of a double always has `.` or an exponent",
        applies: |c| c.template.contains("string(") && c.types.contains(&Base::Double)
            && read_back(c, |s| s.parse().ok().map(Value::Double)),
    },
    Difference {
        name: "`string` of a timestamp always has milliseconds",
        applies: |c| c.template.contains("string(") && c.types.contains(&Base::Timestamp)
            && read_back(c, |s| parse_timestamp(s).ok().map(Value::Timestamp)),
    },
    Difference {
        name: "`string` of a duration has no or three decimals",
        applies: |c| c.template.contains("string(") && c.types.contains(&Base::Duration)
            && read_back(c, |s| parse_duration(s).ok().map(Value::Duration)),
    },
];

/// Whether both made text that means the same.
fn read_back(c: &Case, read: fn(&str) -> Option<Value>) -> bool {
    match (c.ours, c.cel) {
        (Outcome::Value(Value::String(a)), Outcome::Value(Value::String(b))) => {
            let (a, b) = (read(a), read(b));
            a.is_some() && a == b
        }
        _ => false,
    }
}

/// Whether each of these is used; each stands in the reference page.
fn all_used(used: &BTreeMap<&'static str, usize>, names: &[&str]) {
    let page = include_str!("../../../../docs/reference/expressions.md");
    for d in DIFFERENCES {
        assert!(page.contains(d.name), "the reference page does not say: {}", d.name);
    }
    let found: Vec<&str> = used.keys().copied().collect();
    let mut wanted: Vec<&str> = DIFFERENCES
        .iter()
        .map(|d| d.name)
        .filter(|n| names.iter().any(|w| n.contains(w)))
        .collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "differences that this test uses");
}

#[derive(Default)]
struct Tally {
    cases: usize,
    values: usize,
    used: BTreeMap<&'static str, usize>,
    wrong: BTreeMap<String, (usize, String)>,
}

impl Tally {
    fn hold(&mut self, case: &Case) {
        self.cases += 1;
        if matches!(case.ours, Outcome::Value(_)) {
            self.values += 1;
        }
        if same(case.ours, case.cel) {
            return;
        }
        match DIFFERENCES.iter().find(|d| (d.applies)(case)) {
            Some(d) => *self.used.entry(d.name).or_default() += 1,
            None => {
                let kind = |o: &Outcome| match o {
                    Outcome::Value(_) => "a value",
                    Outcome::Error => "an error",
                    Outcome::Refused => "refused",
                };
                let how = if case.literal { "literals" } else { "variables" };
                let class = format!(
                    "{} over {:?}, {how}: ours {}, CEL {}",
                    case.template,
                    case.types,
                    kind(case.ours),
                    kind(case.cel)
                );
                let example =
                    format!("{:?}: ours {:?}, CEL {:?}", case.values, case.ours, case.cel);
                self.wrong.entry(class).or_insert((0, example)).0 += 1;
            }
        }
    }

    /// A template over `a`, `b`, `c` with all values of the types.
    fn over(&mut self, template: &str, types: &[Base], limit: usize) {
        let program = Program::compile(template).unwrap_or_else(|e| panic!("{template}: {e}"));
        let named: Vec<(&str, Base)> = NAMES.into_iter().zip(types.iter().copied()).collect();
        let ours_typed = typed(template, &named);
        let lists: Vec<&[&str]> =
            types.iter().map(|t| &literals(*t)[..literals(*t).len().min(limit)]).collect();
        let total: usize = lists.iter().map(|l| l.len()).product();
        for i in 0..total {
            let mut k = i;
            let mut values = Vec::new();
            for list in &lists {
                values.push(list[k % list.len()]);
                k /= list.len();
            }
            let known: Vec<Cel> = values.iter().map(|text| cel_value(text)).collect();
            let plain: Vec<Value> = known.iter().map(|v| convert(v).unwrap()).collect();
            let variables: Vec<(&str, Cel)> = NAMES.into_iter().zip(known).collect();
            let (mine, cel) = (ours(&ours_typed, &plain), theirs(&program, &variables));
            self.hold(&Case {
                template,
                types,
                values: &values,
                literal: false,
                ours: &mine,
                cel: &cel,
            });
            // The same with what is written in place of the names; parsing is slow, so not all.
            if i % 3 != 0 {
                continue;
            }
            let text: String = template
                .split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map(|word| {
                    let (name, rest) = word.split_at(
                        word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                            .unwrap_or(word.len()),
                    );
                    match NAMES.iter().position(|n| *n == name) {
                        Some(i) if i < values.len() => format!("({}){rest}", values[i]),
                        _ => word.to_owned(),
                    }
                })
                .collect();
            let cel = match Program::compile(&text) {
                Ok(program) => theirs(&program, &[]),
                Err(e) => panic!("{text}: {e}"),
            };
            let mine = ours(&typed(&text, &[]), &[]);
            self.hold(&Case {
                template,
                types,
                values: &values,
                literal: true,
                ours: &mine,
                cel: &cel,
            });
        }
    }

    fn end(self, least_cases: usize, least_values: usize) -> BTreeMap<&'static str, usize> {
        let wrong: Vec<String> = self
            .wrong
            .iter()
            .map(|(class, (n, example))| format!("{n} x {class}; {example}"))
            .collect();
        assert!(wrong.is_empty(), "of {} cases\n{}", self.cases, wrong.join("\n"));
        assert!(
            self.cases >= least_cases && self.values >= least_values,
            "{} cases, {} values",
            self.cases,
            self.values
        );
        self.used
    }
}

fn pairs() -> impl Iterator<Item = [Base; 2]> {
    TYPES.into_iter().flat_map(|a| TYPES.into_iter().map(move |b| [a, b]))
}

#[test]
fn operators_over_every_pair_of_types() {
    let mut tally = Tally::default();
    for op in ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||"] {
        for types in pairs() {
            let limit = if types[0] == types[1] { 15 } else { 4 };
            tally.over(&format!("a {op} b"), &types, limit);
        }
    }
    for types in pairs() {
        let limit = if types[0] == types[1] { 12 } else { 3 };
        tally.over("a in [b]", &types, limit);
        tally.over("a in [b, b, a]", &types, limit);
        tally.over("[a, a].exists(x, x == b)", &types, limit);
    }
    for base in TYPES {
        tally.over("-a", &[base], 99);
        tally.over("!a", &[base], 99);
    }
    for [a, b] in pairs() {
        let limit = if a == b { 5 } else { 2 };
        tally.over("a ? b : c", &[Base::Bool, a, b], limit);
        tally.over("[b, c][a]", &[Base::Int, a, b], limit);
        tally.over("a ? b : b", &[a, b], 2);
        tally.over("[b][a]", &[a, b], 2);
    }
    let used = tally.end(20_000, 8_000);
    all_used(
        &used,
        &[
            "An int literal",
            "Comparison takes",
            "Conditions are",
            "The branches",
            "An index is",
            "Order with",
            "Durations are",
        ],
    );
}

#[test]
fn functions_over_every_type() {
    let mut tally = Tally::default();
    for base in TYPES {
        for f in ["int", "double", "string", "bool", "timestamp", "duration", "size"] {
            tally.over(&format!("{f}(a)"), &[base], 99);
        }
        tally.over("a.size()", &[base], 99);
    }
    let getters = [
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ];
    for getter in getters {
        for base in TYPES {
            tally.over(&format!("a.{getter}()"), &[base], 99);
        }
        for types in pairs() {
            let limit = if types == [Base::Timestamp, Base::String] { 99 } else { 2 };
            tally.over(&format!("a.{getter}(b)"), &types, limit);
        }
    }
    for types in pairs() {
        let limit = if types == [Base::String; 2] { 99 } else { 3 };
        for f in ["contains", "startsWith", "endsWith", "matches"] {
            tally.over(&format!("a.{f}(b)"), &types, limit);
        }
        tally.over("matches(a, b)", &types, limit);
    }
    all_used(&tally.end(15_000, 2_500), &["`string` of"]);
}

#[test]
fn lists_and_macros_over_every_type() {
    let mut tally = Tally::default();
    for base in TYPES {
        for op in ["==", "!=", "<", ">="] {
            for f in ["exists", "all", "exists_one"] {
                tally.over(&format!("[a, b, c].{f}(x, x {op} a)"), &[base; 3], 3);
                tally.over(
                    &format!("[a, b, c].filter(x, x {op} b).{f}(y, y {op} c)"),
                    &[base; 3],
                    3,
                );
            }
            tally.over(&format!("size([a, b, c].filter(x, x {op} b))"), &[base; 3], 3);
            tally.over(&format!("[a, b].filter(x, x {op} b).size()"), &[base; 2], 4);
            tally.over(&format!("a in [b, c].filter(x, x {op} c)"), &[base; 3], 3);
            tally.over(&format!("[a, b].map(x, x {op} b)[0]"), &[base; 2], 4);
            tally.over(
                &format!("[a, b].exists(x, [a, c].exists(y, x {op} y && y {op} c))"),
                &[base; 3],
                3,
            );
        }
        tally.over("size([a, b])", &[base; 2], 4);
        tally.over("[a, b, c][1]", &[base; 3], 3);
        tally.over("{'x': a, 'y': b}['y']", &[base; 2], 4);
        tally.over("[a, b].map(x, string(x))[1]", &[base; 2], 4);
        tally.over("[a, b].map(x, x > b, x)[0] == a", &[base; 2], 4);
    }
    tally.over("[a, b].map(x, 10 / x)[0]", &[Base::Int; 2], 6);
    tally.over("[a, b].exists(x, 10 / x > c)", &[Base::Int; 3], 5);
    tally.over("[a, b].all(x, 10 / x > c)", &[Base::Int; 3], 5);
    tally.over("[a, b].exists_one(x, 10 / x > c)", &[Base::Int; 3], 5);
    tally.over("size([a, b].filter(x, 10 / x > c))", &[Base::Int; 3], 5);
    tally.over("c in [10 / a, b]", &[Base::Int; 3], 5);
    tally.over("[a, 10 / b][c]", &[Base::Int; 3], 5);
    tally.over("size([10 / a, b])", &[Base::Int; 2], 6);
    tally.over("a / b == c && c > a / b", &[Base::Int; 3], 5);
    tally.over("c > a / b || a == c", &[Base::Int; 3], 5);
    tally.over("c == a ? a / b : b", &[Base::Int; 3], 5);
    all_used(
        &tally.end(10_000, 8_000),
        &["left to right", "evaluates only", "A filtered", "`string` of"],
    );
}
