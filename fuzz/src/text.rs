//! Model files from bytes.

use doge_core::compile::{Loaded, load};
use doge_core::diag::Diagnostics;
use doge_core::source::Source;
use doge_core::spec::Overrides;
use std::sync::Arc;

/// Renders problems with and without colours and holds what must be true of every text.
pub fn shown(source: &Source, diags: &Diagnostics) -> String {
    let plain = diags.render(source, false);
    diags.render(source, true);
    assert!(plain.len() < 200_000, "{} bytes of text", plain.len());
    let visible = |c: char| c == '\n' || !c.is_control();
    assert!(plain.chars().all(visible), "a control character reaches the terminal:\n{plain}");
    for d in &diags.0 {
        assert!(!d.message.is_empty() && !d.message.ends_with('.'), "{}: {}", d.code, d.message);
        let Some(span) = d.span else { continue };
        assert!(
            span.start <= span.end && span.end as usize <= source.text.len() + 1,
            "{}: {span:?}",
            d.code
        );
    }
    plain
}

/// Reads and compiles a file; `Err` is the text of its problems.
pub fn compiled(bytes: &[u8], overrides: &Overrides) -> Result<Loaded, String> {
    let source = Arc::new(Source::from_bytes("fuzz.yaml", bytes));
    match load(&source, overrides) {
        Ok(loaded) => {
            shown(&source, &loaded.warnings);
            assert!(!loaded.warnings.has_errors(), "errors among warnings");
            Ok(loaded)
        }
        Err(diags) => {
            assert!(diags.has_errors(), "refused without an error");
            Err(shown(&source, &diags))
        }
    }
}
