//! A model, bounded and run in three ways: no panic, and the same events and failure each time.
//!
//! An input whose first byte is at least 128 is a tape from which a model is made; any other is the
//! text of a model, so that seeds are plain files.

#![no_main]

use doge_core::compile::load;
use doge_core::engine::{Program, Selection, Tuning};
use doge_core::source::Source;
use doge_core::spec::{Length, Overrides};
use doge_fuzz::drive::{advance, workers};
use doge_fuzz::made;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Subjects of a population, at most.
const MOST_SUBJECTS: u64 = 70;
/// Ticks of a run, at most.
const MOST_TICKS: u64 = 300;

fuzz_target!(|bytes: &[u8]| {
    let made = bytes.first().is_some_and(|b| *b >= 128);
    let text = match made {
        true => made::model(&bytes[1..]),
        false => String::from_utf8_lossy(bytes).into_owned(),
    };
    let source = Arc::new(Source::new("fuzz.yaml", text));
    let Ok(loaded) = load(&source, &Overrides::default()).map_err(|diags| {
        assert!(
            !made,
            "a made model does not compile:\n{}\n{}",
            source.text,
            diags.render(&source, false)
        );
    }) else {
        return;
    };
    let mut overrides = Overrides::default();
    if loaded.model.clock.ticks > MOST_TICKS {
        overrides.length = Some(Length::Ticks(MOST_TICKS));
    }
    for p in &loaded.model.populations {
        if p.count > MOST_SUBJECTS {
            overrides.counts.push((Some(p.name.clone()), MOST_SUBJECTS));
        }
    }
    if loaded.model.populations.len() > 4 {
        return;
    }
    let Ok(loaded) = load(&source, &overrides) else { panic!("smaller, it does not compile") };
    let Ok(program) = Program::new(&loaded.model, &Selection::all(&loaded.model)) else { return };
    let program = Arc::new(program);
    let whole = advance(&program, Tuning::default(), u64::MAX);
    // How it is cut follows from the input, so that a finding is repeated by its file.
    let n = u64::from(bytes.iter().fold(0u8, |a, b| a.wrapping_mul(31).wrapping_add(*b)));
    let small =
        Tuning { window_ticks: Some(1 + n % 13), cell: Some(1 + n % 7), ..Tuning::default() };
    assert_eq!(advance(&program, small, 1 + n % 29), whole, "by windows of {small:?}");
    let tight = Tuning { buffer_bytes: 64 << (n % 8), cell: Some(1 + n % 11), ..Tuning::default() };
    assert_eq!(workers(&program, tight, 1 + n as usize % 4), whole, "by workers with {tight:?}");
});
