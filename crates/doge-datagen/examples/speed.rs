//! temp
use doge_core::engine::*;
use std::sync::Arc;
use std::time::Instant;

pub fn bank(count: u64, ticks: u64) -> doge_core::model::Model {
    let text =
        std::fs::read_to_string(std::env::var("MODEL").unwrap_or("bench/models/bank.yaml".into()))
            .unwrap();
    let (mut spec, _) = doge_core::spec::parse(&text, "bank.yaml").unwrap();
    spec.apply(&doge_core::spec::Overrides {
        counts: vec![(None, count)],
        length: Some(doge_core::spec::Length::Ticks(ticks)),
        ..Default::default()
    })
    .unwrap();
    doge_core::compile::compile(&spec).unwrap().0
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
    while let Some(mut win) = engine.next_window() {
        let limit = engine.limit(1);
        let cells = engine.groups(&win, 1);
        let mut r = vec![];
        for c in cells {
            r.push(w.simulate(&program, &win, limit, c));
        }
        engine.settle(&mut win, &r, std::slice::from_mut(&mut w));
        events = w.captured(&program).sum();
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
