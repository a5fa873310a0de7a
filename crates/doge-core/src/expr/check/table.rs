//! The table of functions: names, forms, overloads and texts. One line adds an overload; what needs
//! more than a line of its own is named `Make::Special` and done in `call`.

use crate::expr::typed::{Draw, Op};
use crate::value::Base;

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// Whether `f(x)` is a form of it.
    pub global: bool,
    /// Whether `x.f()` is a form of it.
    pub member: bool,
    /// Its overloads; a member's first argument is what stands before the dot.
    pub(super) sigs: &'static [Sig],
}

/// An overload.
#[derive(Debug)]
pub(super) struct Sig {
    pub args: &'static [Base],
    pub ret: Base,
    pub make: Make,
}

/// What an overload becomes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Make {
    /// An operation on the arguments.
    Op(Op),
    /// Its argument.
    Same,
    /// An operation of two arguments, repeated over two or more.
    Fold(Op),
    /// `min(max(x, lo), hi)`, of max and min.
    Clamp(Op, Op),
    /// An operation on a timestamp and the zone UTC.
    Utc(Op),
    /// A random call; ints are converted where it wants doubles.
    Draw(Draw),
}

const I: Base = Base::Int;
const D: Base = Base::Double;
const B: Base = Base::Bool;
const S: Base = Base::String;
const T: Base = Base::Timestamp;
const U: Base = Base::Duration;

const fn sig(args: &'static [Base], ret: Base, make: Make) -> Sig {
    Sig { args, ret, make }
}

const fn op(args: &'static [Base], ret: Base, op: Op) -> Sig {
    sig(args, ret, Make::Op(op))
}

const fn global(name: &'static str, usage: &'static str, sigs: &'static [Sig]) -> Function {
    Function { name, usage, global: true, member: false, sigs }
}

const fn member(name: &'static str, usage: &'static str, sigs: &'static [Sig]) -> Function {
    Function { name, usage, global: false, member: true, sigs }
}

const fn both(name: &'static str, usage: &'static str, sigs: &'static [Sig]) -> Function {
    Function { name, usage, global: true, member: true, sigs }
}

macro_rules! getter {
    ($name:literal, $op:expr) => {
        member(
            $name,
            concat!("t.", $name, "('Europe/Warsaw')"),
            &[sig(&[T], I, Make::Utc($op)), op(&[T, S], I, $op)],
        )
    };
    ($name:literal, $op:expr, $duration:expr) => {
        member(
            $name,
            concat!("t.", $name, "('Europe/Warsaw')"),
            &[sig(&[T], I, Make::Utc($op)), op(&[T, S], I, $op), op(&[U], I, $duration)],
        )
    };
}

/// All functions, in the order of the reference. Those without overloads have rules of their own.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = &[
    // conversions
    global("int", "int(x)", &[
        sig(&[I], I, Make::Same), op(&[D], I, Op::DoubleToInt), op(&[S], I, Op::StringToInt), op(&[T], I, Op::TimestampToInt),
    ]),
    global("double", "double(x)", &[sig(&[D], D, Make::Same), op(&[I], D, Op::IntToDouble), op(&[S], D, Op::StringToDouble)]),
    global("string", "string(x)", &[
        sig(&[S], S, Make::Same), op(&[I], S, Op::IntToString), op(&[D], S, Op::DoubleToString), op(&[B], S, Op::BoolToString),
        op(&[T], S, Op::TimestampToString), op(&[U], S, Op::DurationToString),
    ]),
    global("bool", "bool(x)", &[sig(&[B], B, Make::Same), op(&[S], B, Op::StringToBool)]),
    global("timestamp", "timestamp('2022-02-11T03:21:48Z')", &[
        sig(&[T], T, Make::Same), op(&[S], T, Op::StringToTimestamp), op(&[I], T, Op::IntToTimestamp),
    ]),
    global("duration", "duration('1h30m')", &[sig(&[U], U, Make::Same), op(&[S], U, Op::StringToDuration)]),
    // text
    both("size", "size(x)", &[op(&[S], I, Op::Size)]),
    member("contains", "text.contains('part')", &[op(&[S, S], B, Op::Contains)]),
    member("startsWith", "text.startsWith('begin')", &[op(&[S, S], B, Op::StartsWith)]),
    member("endsWith", "text.endsWith('end')", &[op(&[S, S], B, Op::EndsWith)]),
    both("matches", "text.matches('^[a-z]+$')", &[op(&[S, S], B, Op::Matches)]),
    // time
    getter!("getFullYear", Op::FullYear),
    getter!("getMonth", Op::Month),
    getter!("getDate", Op::Date),
    getter!("getDayOfMonth", Op::DayOfMonth),
    getter!("getDayOfWeek", Op::DayOfWeek),
    getter!("getDayOfYear", Op::DayOfYear),
    getter!("getHours", Op::Hours, Op::DurationHours),
    getter!("getMinutes", Op::Minutes, Op::DurationMinutes),
    getter!("getSeconds", Op::Seconds, Op::DurationSeconds),
    getter!("getMilliseconds", Op::Milliseconds, Op::DurationMilliseconds),
    global("unix_ms", "unix_ms(t)", &[op(&[T], I, Op::UnixMs)]),
    // numbers and order
    global("min", "min(a, b)", &[
        sig(&[I, I], I, Make::Fold(Op::MinInt)), sig(&[D, D], D, Make::Fold(Op::MinDouble)), sig(&[S, S], S, Make::Fold(Op::MinString)),
        sig(&[T, T], T, Make::Fold(Op::MinInt)), sig(&[U, U], U, Make::Fold(Op::MinInt)),
    ]),
    global("max", "max(a, b)", &[
        sig(&[I, I], I, Make::Fold(Op::MaxInt)), sig(&[D, D], D, Make::Fold(Op::MaxDouble)), sig(&[S, S], S, Make::Fold(Op::MaxString)),
        sig(&[T, T], T, Make::Fold(Op::MaxInt)), sig(&[U, U], U, Make::Fold(Op::MaxInt)),
    ]),
    global("clamp", "clamp(x, low, high)", &[
        sig(&[I, I, I], I, Make::Clamp(Op::MaxInt, Op::MinInt)), sig(&[D, D, D], D, Make::Clamp(Op::MaxDouble, Op::MinDouble)),
        sig(&[S, S, S], S, Make::Clamp(Op::MaxString, Op::MinString)),
        sig(&[T, T, T], T, Make::Clamp(Op::MaxInt, Op::MinInt)), sig(&[U, U, U], U, Make::Clamp(Op::MaxInt, Op::MinInt)),
    ]),
    global("floor", "floor(x)", &[op(&[D], D, Op::Floor)]),
    global("ceil", "ceil(x)", &[op(&[D], D, Op::Ceil)]),
    global("round", "round(x, digits)", &[op(&[D], D, Op::Round), op(&[D, I], D, Op::RoundDigits)]),
    global("abs", "abs(x)", &[op(&[I], I, Op::AbsInt), op(&[D], D, Op::AbsDouble)]),
    // null
    global("coalesce", "coalesce(x, y)", &[]),
    global("nullable", "nullable(timestamp)", &[]),
    // random
    global("uniform", "uniform(a, b)", &[sig(&[I, I], I, Make::Draw(Draw::UniformInt)), sig(&[D, D], D, Make::Draw(Draw::UniformDouble))]),
    global("chance", "chance(p)", &[sig(&[D], B, Make::Draw(Draw::Chance))]),
    global("normal", "normal(mean, sd)", &[sig(&[D, D], D, Make::Draw(Draw::Normal))]),
    global("lognormal", "lognormal(median, sigma)", &[sig(&[D, D], D, Make::Draw(Draw::Lognormal))]),
    global("exponential", "exponential(mean)", &[sig(&[D], D, Make::Draw(Draw::Exponential))]),
    global("pareto", "pareto(min, alpha)", &[sig(&[D, D], D, Make::Draw(Draw::Pareto))]),
    global("poisson", "poisson(mean)", &[sig(&[D], I, Make::Draw(Draw::Poisson))]),
    global("zipf", "zipf(n, s)", &[sig(&[I, D], I, Make::Draw(Draw::Zipf))]),
    global("choice", "choice(['a', 'b'])", &[]),
    global("weighted", "weighted({'a': 3, 'b': 1})", &[]),
    global("uuid", "uuid()", &[sig(&[], S, Make::Draw(Draw::Uuid))]),
];

/// Whether a function draws.
pub(super) fn is_random(name: &str) -> bool {
    matches!(name, "choice" | "weighted")
        || FUNCTIONS
            .iter()
            .any(|f| f.name == name && f.sigs.iter().any(|s| matches!(s.make, Make::Draw(_))))
}

/// Why there is no function of a name that people expect, and what there is instead.
pub(super) fn not_there(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "upper" | "lower" | "toupper" | "tolower" | "touppercase" | "tolowercase"
        | "upperascii" | "lowerascii" | "capitalize" | "title" | "trim" | "strip" | "replace"
        | "split" | "substring" | "substr" | "slice" | "charat" | "indexof" | "join" | "format"
        | "padstart" | "zfill" | "reverse" => {
            "no function changes text: it can be joined with `+`, tested (`contains`, `startsWith`, `endsWith`, `matches`), measured (`size`) and chosen (`choice([...])`)"
        }
        "strftime" | "formatdate" | "date_format" | "to_char" | "isoformat" | "toisostring" => {
            "`string(t)` is the instant as RFC 3339; its parts are `t.getFullYear()`, `t.getMonth()`, `t.getDate()`, `t.getHours()`, ..."
        }
        "sqrt" | "log" | "ln" | "log10" | "sin" | "cos" | "tan" => {
            "there are `+ - * / %`, `abs`, `floor`, `ceil`, `round`, `min`, `max`, `clamp`"
        }
        "sum" | "avg" | "mean" | "first" | "last" | "sort" | "append" | "push" => {
            "there are no list values: keep a sum or a number in an attribute"
        }
        _ => return None,
    })
}

/// What people write for something that has another name here.
pub(super) fn other_name(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "len" | "length" | "count" | "strlen" => "size(x)",
        "str" | "tostring" | "to_string" | "text" => "string(x)",
        "float" | "number" | "real" => "double(x)",
        "integer" | "toint" | "trunc" => "int(x)",
        "datetime" | "date" | "to_timestamp" => "timestamp('2022-02-11T00:00:00Z')",
        "interval" | "timedelta" => "duration('1h30m')",
        "now" | "today" | "current_timestamp" => "timestamp",
        "rand" | "random" => "uniform(0.0, 1.0)",
        "randint" | "randrange" | "random_int" | "between" | "range" => "uniform(a, b)",
        "gauss" | "gaussian" => "normal(mean, sd)",
        "bernoulli" | "coin" => "chance(0.5)",
        "expovariate" | "exp" => "exponential(mean)",
        "oneof" | "one_of" | "sample" | "pick_one" => "choice(['a', 'b'])",
        "uuid4" | "guid" | "newid" => "uuid()",
        "ifnull" | "nvl" | "default" | "isnull" => "coalesce(x, y)",
        "iif" | "if" => "condition ? value : other_value",
        "ceiling" => "ceil(x)",
        "greatest" => "max(a, b)",
        "least" => "min(a, b)",
        "mod" => "a % b",
        "pow" | "power" | "square" => "x * x",
        "concat" => "a + b",
        "includes" | "has_text" => "text.contains('part')",
        "match" | "regex" | "like" => "text.matches('^[a-z]+$')",
        "gethour" | "hour" => "t.getHours()",
        "getyear" | "year" => "t.getFullYear()",
        "getday" | "day" => "t.getDate()",
        "epoch" | "unix" | "to_unix" => "unix_ms(t)",
        _ => return None,
    })
}
