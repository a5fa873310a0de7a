//! Any bytes as a model file: no panic, and problems that can be shown.

#![no_main]

use doge_core::source::Source;
use doge_core::spec::parse_bytes;
use doge_fuzz::text::shown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = Source::from_bytes("fuzz.yaml", bytes);
    match parse_bytes(bytes, "fuzz.yaml") {
        Ok((_, warnings)) => {
            assert!(!warnings.has_errors());
            shown(&source, &warnings);
        }
        Err(diags) => {
            assert!(diags.has_errors(), "refused without an error");
            shown(&source, &diags);
        }
    }
});
