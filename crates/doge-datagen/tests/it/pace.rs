//! A pace changes when events leave, and nothing else. That they leave in time is tested through the
//! command, whose output can be watched.

use super::bytes::{bytes, models};
use doge_datagen::run::run;
use doge_datagen::spec::{Pace, Progress, RunSpec};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn the_same_bytes_at_any_pace() {
    for (name, spec) in models() {
        let whole = bytes(&spec, false);
        for threads in [1, 2] {
            for (pace, most) in [
                (Pace::Realtime, None),
                (Pace::Times(1e9), None),
                (Pace::PerSecond(1_000_000), None),
                (Pace::PerSecond(1_000_000), Some(7)),
            ] {
                let paced = RunSpec {
                    pace: Some(pace),
                    threads: Some(threads),
                    max_events: most,
                    ..spec.clone()
                };
                let got = bytes(&paced, false);
                match most {
                    None => assert!(got == whole, "{name} at {pace} on {threads} threads"),
                    Some(_) => assert!(whole.starts_with(&got), "{name}: the first {most:?}"),
                }
            }
        }
    }
}

fn banking() -> RunSpec {
    models().into_iter().find(|m| m.0 == "banking").expect("the example").1
}

#[test]
fn a_multiple_of_the_streams_own_time() {
    // 1,000 minutes in half a second.
    let spec = RunSpec { pace: Some(Pace::Times(120_000.0)), ..banking() };
    let whole = bytes(&banking(), false);
    let begun = Instant::now();
    assert!(bytes(&spec, false) == whole);
    let took = begun.elapsed();
    // Its last event is near the end; the last tenth of a second is generated ahead.
    assert!(took > Duration::from_millis(350) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_rate() {
    let spec = RunSpec { pace: Some(Pace::PerSecond(100)), ..banking() };
    let begun = Instant::now();
    let report =
        run(&RunSpec { to: vec![doge_datagen::destination::from_text("null").unwrap()], ..spec })
            .unwrap();
    let took = begun.elapsed();
    assert_eq!(report.total_events(), 40);
    assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(3), "{took:?}");
    let pace = report.pace.expect("it had a pace");
    assert_eq!(pace.pace, "100/s");
    assert!(pace.lag < Duration::from_secs(2), "{pace:?}");
}

#[test]
fn a_long_wait_is_ended_at_once() {
    let cancel = Arc::new(AtomicBool::new(false));
    let progress = Arc::new(Progress::default());
    let spec = RunSpec {
        pace: Some(Pace::Times(1e-6)),
        cancel: Some(cancel.clone()),
        progress: Some(progress.clone()),
        to: vec![doge_datagen::destination::from_text("null").unwrap()],
        ..banking()
    };
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let error = run(&spec).unwrap_err();
    assert!(stopper.join().unwrap().elapsed() < Duration::from_secs(1));
    assert_eq!(error.exit_code(), 130);
    let report = error.report().expect("it was begun");
    assert_eq!(report.total_events(), 0, "nothing was due: {report:?}");
    assert_eq!(progress.snapshot().lag_ms, Some(0), "waiting is not being late");
}
