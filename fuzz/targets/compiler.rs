//! Any bytes through parser, compiler and planner: no panic, problems that can be shown, and what
//! compiles can be planned.

#![no_main]

use doge_core::engine::{Program, Selection};
use doge_core::spec::Overrides;
use doge_fuzz::text::compiled;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Tables are as large as there are subjects; nothing is simulated here.
    if let Ok(loaded) = compiled(bytes, &Overrides::default()) {
        let all = Selection::all(&loaded.model);
        if let Err(why) = Program::new(&loaded.model, &all) {
            assert!(why.contains("more than") || why.contains("too"), "{why}");
        }
        let none = Selection { events: vec![false; loaded.model.events.len()], ..all };
        assert!(Program::new(&loaded.model, &none).is_ok());
    }
});
