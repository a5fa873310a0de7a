//! temp
use doge_core::draw::{call_site, site};
use doge_core::engine::*;
use doge_core::expr::typed::*;
use doge_core::model::*;
use doge_core::source::Span;
use doge_core::value::*;
use std::sync::Arc;
use std::time::Instant;

fn e(kind: TKind, base: Base) -> TExpr {
    TExpr {
        kind,
        ty: Ty::of(base),
        span: Span::default(),
    }
}
fn int(v: i64) -> TExpr {
    e(TKind::Const(Value::Int(v)), Base::Int)
}
fn attr(i: usize) -> TExpr {
    e(TKind::Attr(i), Base::Int)
}
fn uni(a: i64, b: i64, path: &[&str]) -> TExpr {
    e(
        TKind::Draw {
            draw: Draw::UniformInt,
            site: call_site(path, 0),
            args: vec![int(a), int(b)],
        },
        Base::Int,
    )
}
fn op(o: Op, a: TExpr, b: TExpr, base: Base) -> TExpr {
    e(TKind::Op(o, vec![a, b]), base)
}
fn emit(trigger: &str) -> Emit {
    Emit {
        event: 0,
        when: None,
        key: e(
            TKind::Op(Op::IntToString, vec![e(TKind::Id, Base::Int)]),
            Base::String,
        ),
        timestamp: None,
        headers: vec![],
        fields: vec![
            e(
                TKind::Op(Op::UnixMs, vec![e(TKind::Time, Base::Timestamp)]),
                Base::Int,
            ),
            e(TKind::Id, Base::Int),
            attr(0),
            attr(1),
            e(TKind::Const(Value::String(trigger.into())), Base::String),
        ],
    }
}
pub fn bank(count: u64, ticks: u64) -> Model {
    let t = |s: &str, trigger: &str, to: usize, units: u64| Transition {
        trigger: trigger.into(),
        to,
        probability: Probability::Literal(units),
        lets: vec![],
        when: None,
        set: vec![],
        emits: vec![emit(trigger)],
        span: {
            let _ = s;
            Span::default()
        },
    };
    let pc = 1_000_000_000_000u64;
    let mut income = t("offline", "income", 0, pc / 100);
    income.set = vec![(
        0,
        op(
            Op::AddInt,
            attr(0),
            uni(500, 1999, &["offline", "income", "set", "balance"]),
            Base::Int,
        ),
    )];
    let mut spending = t("offline", "spending", 0, pc / 10);
    spending.lets = vec![Let {
        name: "payment".into(),
        ty: Ty::of(Base::Int),
        expr: uni(10, 99, &["offline", "spending", "let", "payment"]),
    }];
    let pay = || e(TKind::Let(0), Base::Int);
    spending.when = Some(op(Op::LeInt, pay(), attr(0), Base::Bool));
    spending.set = vec![(0, op(Op::SubInt, attr(0), pay(), Base::Int)), (2, pay())];
    let login = t("offline", "login", 1, pc / 10);
    let logout = t("online", "logout", 0, 70 * pc);
    let open = t("online", "open_loan_screen", 2, 30 * pc);
    let close = t("loan", "close_loan_screen", 1, 40 * pc);
    let mut take = t("loan", "take_loan", 1, 10 * pc);
    take.set = vec![
        (0, op(Op::AddInt, attr(0), int(10000), Base::Int)),
        (1, op(Op::AddInt, attr(1), int(10000), Base::Int)),
    ];
    let st = |n: &str, ts| State {
        name: n.into(),
        transitions: ts,
        wait_site: site(&[n, "#wait"]),
        choice_site: site(&[n, "#choice"]),
    };
    let f = |n: &str, i| Field::Leaf(n.into(), i);
    let leaf = |n: &str, b| Leaf {
        column: n.into(),
        ty: Ty::of(b),
    };
    Model {
        name: "bank".into(),
        seed: 42,
        params: vec![],
        clock: Clock {
            start_ms: 0,
            tick_ms: 60000,
            ticks,
        },
        populations: vec![Population {
            name: "user".into(),
            count,
            attributes: vec![
                Attribute {
                    name: "balance".into(),
                    ty: Ty::of(Base::Int),
                    init: uni(0, 999, &["attributes", "balance"]),
                },
                Attribute {
                    name: "loan".into(),
                    ty: Ty::of(Base::Int),
                    init: int(0),
                },
                Attribute {
                    name: "last".into(),
                    ty: Ty::of(Base::Int),
                    init: int(0),
                },
            ],
            states: vec![
                st("offline", vec![income, spending, login]),
                st("online", vec![logout, open]),
                st("loan", vec![close, take]),
            ],
            initial: 0,
        }],
        events: vec![Event {
            name: "click".into(),
            fields: vec![
                f("timestamp", 0),
                Field::Record(
                    "user".into(),
                    vec![f("user_id", 1), f("balance", 2), f("loan_balance", 3)],
                ),
                f("event", 4),
            ],
            leaves: vec![
                leaf("timestamp", Base::Int),
                leaf("user_user_id", Base::Int),
                leaf("user_balance", Base::Int),
                leaf("user_loan_balance", Base::Int),
                leaf("event", Base::String),
            ],
            headers: vec![],
            key: Ty::of(Base::String),
            emitted: true,
        }],
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u64 = a[1].parse().unwrap();
    let ticks: u64 = a[2].parse().unwrap();
    let model = bank(n, ticks);
    let program = Arc::new(Program::new(&model, &Selection::all(&model)).unwrap());
    let t0 = Instant::now();
    let mut engine = Engine::new(
        program.clone(),
        Tuning {
            window_ticks: a.get(3).map(|s| s.parse().unwrap()),
            ..Tuning::default()
        },
    );
    let mut w = Worker::new(&program);
    engine
        .all(1)
        .into_iter()
        .for_each(|c| w.create(&program, c));
    println!("create {:?}", t0.elapsed());
    let mut events = 0;
    let mut windows = 0;
    let mut before = 0;
    while let Some(win) = engine.next_window() {
        let cells = engine.groups(&win, 1);
        for c in cells {
            w.simulate(&program, &win, c);
        }
        events += w.events;
        windows += 1;
        let att: u64 = w.attempts.iter().flatten().sum();
        engine.done(&win, att - before);
        before = att;
    }
    let s = t0.elapsed().as_secs_f64();
    println!(
        "{events} events {before} attempts {windows} windows {s:.3}s {:.1} ns/event; {:.4} attempts/subject",
        s * 1e9 / events as f64,
        before as f64 / n as f64
    );
}
