//! From the buckets of workers to runs of records in event order.
//!
//! Within a bucket of one tick the order is: populations, then groups of cells, each already in the
//! order of subjects. Where a bucket holds several ticks its records are put in order of their ticks
//! by a stable sort of small keys.

use super::{Program, Window, Worker};
use crate::batch::{LOCAL_BITS, Run};

/// Memory for putting buckets in order; one for each thread that does.
#[derive(Debug, Default)]
pub struct Ordered {
    /// Tick within the bucket, population and worker, first word and length of each record.
    keys: Vec<(u32, u32, usize, usize)>,
    words: Vec<u64>,
}

impl Ordered {
    /// Calls `take` with the runs of one bucket of a window, in event order. `workers` are those that
    /// simulated the window's groups, in the order of the groups. Runs of one instant may come in
    /// several pieces.
    pub fn runs(
        &mut self,
        program: &Program,
        window: &Window,
        workers: &[&Worker],
        bucket: usize,
        take: &mut dyn FnMut(Run<'_>),
    ) {
        let first = window.from + ((bucket as u64) << window.shift);
        let time = |tick: u64| program.start_ms + tick as i64 * program.tick_ms;
        let populations = program.populations.len();
        if window.shift == 0 {
            for population in 0..populations {
                for worker in workers {
                    let words = &worker.buckets[population][bucket];
                    if !words.is_empty() {
                        take(Run { time_ms: time(first), words });
                    }
                }
            }
            return;
        }
        self.keys.clear();
        for population in 0..populations {
            for (w, worker) in workers.iter().enumerate() {
                let words = &worker.buckets[population][bucket];
                let mut at = 0;
                while at < words.len() {
                    let len = program.layout.record_len(&words[at..]);
                    let source = (population * workers.len() + w) as u32;
                    self.keys.push(((words[at + 1] >> LOCAL_BITS) as u32, source, at, len));
                    at += len;
                }
            }
        }
        // Each source is already in order of subjects, so ties keep their order.
        self.keys.sort_by_key(|k| k.0);
        let mut rest = self.keys.as_slice();
        while let Some((tick, ..)) = rest.first().copied() {
            let n = rest.iter().take_while(|k| k.0 == tick).count();
            self.words.clear();
            for (_, source, at, len) in &rest[..n] {
                let (population, w) = (*source as usize / workers.len(), *source as usize % workers.len());
                self.words.extend_from_slice(&workers[w].buckets[population][bucket][*at..at + len]);
            }
            take(Run { time_ms: time(first + u64::from(tick)), words: &self.words });
            rest = &rest[n..];
        }
    }
}
