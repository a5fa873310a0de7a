//! The clock: start, tick and number of ticks, all within the years 1..9999.

use crate::diag::{Diagnostic, Diagnostics};
use crate::expr::func::{TextBuf, timestamp_text};
use crate::model::Clock;
use crate::source::Span;
use crate::spec::literal::{MAX_INSTANT_MS, MIN_INSTANT_MS};
use crate::spec::{Length, Spec};

/// The clock, or `None` where it has an error.
pub(super) fn clock(spec: &Spec, diags: &mut Diagnostics) -> Option<Clock> {
    let Some(clock) = &spec.clock else {
        let at = Span::new(spec.span.start as usize, spec.span.start as usize + 1);
        let d = Diagnostic::error("E0205", at, "the model has no `clock`");
        diags.push(d.help("write `clock: { start: 2022-02-11T03:21:48Z, tick: 1m, ticks: 1000 }`"));
        return None;
    };
    let (Some(start), Some(tick), Some(length)) = (&clock.start_ms, &clock.tick_ms, &clock.length)
    else {
        if !clock.broken {
            let mut missing = |there: bool, message: &str, help: &str| {
                if !there {
                    diags.push(Diagnostic::error("E0205", clock.span, message).help(help));
                }
            };
            missing(
                clock.start_ms.is_some(),
                "the clock has no `start`",
                "write when the run begins: `start: 2022-02-11T03:21:48Z`",
            );
            missing(
                clock.tick_ms.is_some(),
                "the clock has no `tick`",
                "write how often transitions are tried: `tick: 1m`",
            );
            missing(
                clock.length.is_some(),
                "the clock has no length",
                "write one of `ticks: 1000`, `duration: 7d`, `end: 2022-03-01T00:00:00Z`",
            );
        }
        return None;
    };
    let (start_ms, tick_ms) = (start.value, tick.value);
    let written = spec.source.text.get(start.span.start as usize..start.span.end as usize);
    if (1_000_000_000..10_000_000_000).contains(&start_ms)
        && let Some(text) = written.filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
    {
        let seen = timestamp_text(start_ms, &mut TextBuf::new()).to_owned();
        let d = Diagnostic::warning(
            "W0607",
            start.span,
            "`start` looks like seconds, but is milliseconds",
        );
        let d = d.note(format!("`{text}` milliseconds since 1970 are {seen}"));
        diags.push(d.help(format!("write `{text}000` if seconds were meant")));
    }
    let late = |at: Span| {
        let most = (MAX_INSTANT_MS + 1 - start_ms) / tick_ms;
        Diagnostic::error("E0602", at, "the run goes beyond the year 9999")
            .help(format!("from this `start` and with this `tick` a run has at most {most} ticks"))
    };
    if !(MIN_INSTANT_MS..=MAX_INSTANT_MS).contains(&start_ms) {
        diags.push(Diagnostic::error(
            "E0602",
            start.span,
            "`start` is outside the years 1 to 9999",
        ));
        return None;
    }
    let ticks = match length.value {
        Length::Ticks(n) => n,
        Length::Duration(ms) => (ms as u64).div_ceil(tick_ms as u64),
        Length::End(end) => {
            if end <= start_ms {
                let when = if end == start_ms { "when" } else { "before" };
                let message = format!("the run ends {when} it begins");
                let mut d = Diagnostic::error("E0601", length.span, message);
                // Such as `--end 2022`: a year, or seconds.
                if (0..10_000_000_000).contains(&end) {
                    let text = timestamp_text(end, &mut TextBuf::new()).to_owned();
                    d = d.note(format!("an integer is milliseconds since 1970: `{end}` is {text}"));
                }
                let d = if start.span == Span::COMMAND_LINE {
                    d
                } else {
                    d.related(start.span, "it begins here")
                };
                diags.push(d.note("`end` is exclusive").help("write an `end` after `start`"));
                return None;
            }
            ((end - start_ms) as u64).div_ceil(tick_ms as u64)
        }
    };
    if ticks == 0 || matches!(length.value, Length::Duration(ms) if ms < 0) {
        let d = Diagnostic::error("E0601", length.span, "the run holds no tick");
        diags.push(d.help("make it longer: at least one tick, or `1ms`"));
        return None;
    }
    // The last tick must be an instant, and so must what is counted in it.
    let fits = i64::try_from(ticks)
        .ok()
        .and_then(|n| (n - 1).checked_mul(tick_ms))
        .and_then(|ms| ms.checked_add(start_ms))
        .is_some_and(|last| last <= MAX_INSTANT_MS);
    if !fits {
        diags.push(late(length.span));
        return None;
    }
    Some(Clock { start_ms, tick_ms, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(clock: &str) -> Result<u64, String> {
        let text =
            format!("clock: {clock}\nsubjects: {{user: {{count: 1, states: {{s: {{}}}}}}}}\n");
        let spec = crate::spec::parse(&text, "m").map_err(|d| d.0[0].message.clone())?.0;
        let mut diags = Diagnostics::default();
        super::clock(&spec, &mut diags).map(|c| c.ticks).ok_or_else(|| diags.0[0].message.clone())
    }

    #[test]
    fn rounds_up_to_whole_ticks() {
        assert_eq!(ticks("{start: 0, tick: 1s, ticks: 7}"), Ok(7));
        assert_eq!(ticks("{start: 0, tick: 1s, duration: 3s}"), Ok(3));
        assert_eq!(ticks("{start: 0, tick: 1s, duration: 3001ms}"), Ok(4));
        assert_eq!(ticks("{start: 0, tick: 1s, end: 1}"), Ok(1));
        assert_eq!(ticks("{start: 0, tick: 1h, duration: 1ms}"), Ok(1));
    }

    #[test]
    fn stays_within_the_years() {
        let start = "9999-12-31T23:59:59Z";
        assert_eq!(ticks(&format!("{{start: {start}, tick: 1s, ticks: 1}}")), Ok(1));
        assert_eq!(
            ticks(&format!("{{start: {start}, tick: 1s, ticks: 2}}")),
            Err("the run goes beyond the year 9999".into())
        );
        assert!(ticks("{start: 0, tick: 1s, ticks: 9223372036854775807}").is_err());
        assert!(ticks("{start: 5, tick: 1s, end: 5}").is_err());
    }

    #[test]
    fn refuses_an_empty_run_from_the_command_line() {
        let text = "clock: {start: 0, tick: 1s, ticks: 5}\nsubjects: {user: {count: 1, states: {s: {}}}}\n";
        let mut spec = crate::spec::parse(text, "m").unwrap().0;
        for length in [Length::Ticks(0), Length::Duration(0), Length::Duration(-1), Length::End(0)]
        {
            spec.apply(&crate::spec::Overrides { length: Some(length), ..Default::default() })
                .unwrap();
            let mut diags = Diagnostics::default();
            assert_eq!(super::clock(&spec, &mut diags), None);
            assert_eq!((diags.0.len(), diags.0[0].span), (1, None));
        }
    }
}
