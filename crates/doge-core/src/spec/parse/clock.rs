//! `clock`.

use super::{Reader, keys};
use crate::diag::Diagnostic;
use crate::source::Spanned;
use crate::spec::{ClockSpec, Length, Node, literal};

impl Reader<'_> {
    pub(super) fn clock(&mut self, key: &Spanned<String>, node: &Node) -> ClockSpec {
        let mut clock = ClockSpec {
            start_ms: None,
            tick_ms: None,
            length: None,
            broken: false,
            span: key.span,
        };
        let Some(entries) = self.mapping(
            node,
            "`clock`",
            "`clock: { start: 2022-02-11T03:21:48Z, tick: 1m, ticks: 1000 }`",
        ) else {
            clock.broken = true;
            return clock;
        };
        let level = self.keys(entries, &keys::CLOCK);
        clock.broken = !level.all_known;
        let mut first: Option<&Spanned<String>> = None;
        for (key, node) in &level.entries {
            let span = node.span;
            let length = match key.value.as_str() {
                "start" => {
                    let start = self.literal(
                        node,
                        "`start`",
                        "2022-02-11T03:21:48Z",
                        "E0215",
                        literal::instant,
                    );
                    clock.broken |= start.is_none();
                    clock.start_ms = start.map(|v| Spanned::new(v, span));
                    continue;
                }
                "tick" => {
                    let tick =
                        self.literal(
                            node,
                            "`tick`",
                            "1m",
                            "E0214",
                            |text| match literal::duration(text)? {
                                0 => Err(at_least("the tick is 0", "write at least `1ms`")),
                                ms => Ok(ms),
                            },
                        );
                    clock.broken |= tick.is_none();
                    clock.tick_ms = tick.map(|v| Spanned::new(v, span));
                    continue;
                }
                "ticks" => self.literal(node, "`ticks`", "1000", "E0213", |text| {
                    match literal::count(text)? {
                        0 => Err(at_least("a run of 0 ticks holds nothing", "write at least `1`")),
                        n => Ok(Length::Ticks(n)),
                    }
                }),
                "duration" => {
                    self.literal(node, "`duration`", "7d", "E0214", |text| match literal::duration(
                        text,
                    )? {
                        0 => Err(at_least(
                            "a run that lasts 0 ms holds nothing",
                            "write at least `1ms`",
                        )),
                        ms => Ok(Length::Duration(ms)),
                    })
                }
                "end" if node.as_text() == Some("never") => {
                    let d = Diagnostic::error("E0202", span, "`end: never` is not supported yet");
                    self.diags.push(d.help("write `ticks: N`, `duration: D` or `end: INSTANT`"));
                    None
                }
                _ => self
                    .literal(node, "`end`", "2022-03-01T00:00:00Z", "E0215", literal::instant)
                    .map(Length::End),
            };
            clock.broken |= length.is_none();
            if let Some(first) = first {
                let d = Diagnostic::error("E0219", key.span, "the clock has more than one length")
                    .related(first.span, "the first one");
                self.diags.push(d.help("keep one of `ticks`, `duration` and `end`"));
                continue;
            }
            first = Some(key);
            clock.length = length.map(|v| Spanned::new(v, span));
        }
        clock
    }
}

fn at_least(message: &str, help: &str) -> literal::LiteralError {
    literal::LiteralError { message: message.into(), help: help.into() }
}
