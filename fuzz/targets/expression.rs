//! Any text as an expression at any place of a small model: no panic, problems only at the expression,
//! and the bytecode gives what the tree walker gives, values and failures alike.

#![no_main]

use doge_core::compile::load;
use doge_core::engine::{Program, Selection, Tuning};
use doge_core::source::Source;
use doge_core::spec::Overrides;
use doge_fuzz::drive::{advance, workers};
use doge_fuzz::text::shown;
use doge_fuzz::walk::{Place, model, quoted, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(expr) = std::str::from_utf8(rest) else { return };
    let place = Place::of(*first);
    let source = Arc::new(Source::new("fuzz.yaml", model(expr, place)));
    let loaded = match load(&source, &Overrides::default()) {
        Ok(loaded) => loaded,
        Err(diags) => {
            shown(&source, &diags);
            let scalar = quoted(expr);
            let begin = source.text.find(&place.line(&scalar)).expect("the expression")
                + place.line("").len();
            let end = begin + scalar.len();
            for d in &diags.0 {
                let span = d.span.expect("a place");
                // An event's problem may be told at the `emit` that shows it.
                let there = span.start as usize >= begin && span.end as usize <= end;
                let related = d
                    .related
                    .iter()
                    .any(|(s, _)| s.start as usize >= begin && s.end as usize <= end);
                assert!(
                    there || related,
                    "{}: {} at {span:?}, not in {begin}..{end}",
                    d.code,
                    d.message
                );
            }
            return;
        }
    };
    let all = Selection::all(&loaded.model);
    let program = Arc::new(Program::new(&loaded.model, &all).expect("a small program"));
    let got = advance(&program, Tuning::default(), u64::MAX);
    if place == Place::Probability {
        let tuning = Tuning { window_ticks: Some(1), cell: Some(1), ..Tuning::default() };
        assert_eq!(workers(&program, tuning, 2), got);
    } else {
        assert_eq!(got, walk(&loaded.model));
    }
});
