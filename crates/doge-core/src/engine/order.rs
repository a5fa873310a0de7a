//! From the buckets of workers to runs of records in event order.
//!
//! Within a bucket of one tick the order is: populations, then groups of cells, each already in the
//! order of subjects. Where a bucket holds several ticks its records are put in order of their ticks
//! by a stable sort of small keys.

use super::{Program, Window, Worker};
use crate::batch::{LOCAL_BITS, Run};

/// Bits of a key that hold a record's number; the tick within the bucket has the other 24.
const NUMBER_BITS: u32 = 40;

/// Memory for putting buckets in order; one for each thread that does.
#[derive(Debug, Default)]
pub struct Ordered {
    /// Tick within the bucket, then number, of each record: as one word, so that they sort fast.
    keys: Vec<u64>,
    /// Piece and first word of each record.
    places: Vec<(u32, u32)>,
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
                    for words in worker.buckets[population].pieces(bucket) {
                        take(Run { time_ms: time(first), words });
                    }
                }
            }
            return;
        }
        self.keys.clear();
        self.places.clear();
        let sources = (0..populations).flat_map(|p| workers.iter().map(move |w| &w.buckets[p]));
        let pieces: Vec<&[u64]> = sources.flat_map(|buckets| buckets.pieces(bucket)).collect();
        for (piece, words) in pieces.iter().enumerate() {
            let mut at = 0;
            while at < words.len() {
                let number = self.places.len() as u64;
                self.keys.push((words[at + 1] >> LOCAL_BITS) << NUMBER_BITS | number);
                self.places.push((piece as u32, at as u32));
                at += program.layout.record_len(&words[at..]);
            }
        }
        // Each source is already in order of subjects: by their numbers, ties keep their order.
        self.keys.sort_unstable();
        let mut rest = self.keys.as_slice();
        while let Some(first_key) = rest.first() {
            let tick = first_key >> NUMBER_BITS;
            let n = rest.iter().take_while(|k| **k >> NUMBER_BITS == tick).count();
            let time_ms = time(first + tick);
            let record = |key: u64| {
                let (piece, at) = self.places[(key & ((1 << NUMBER_BITS) - 1)) as usize];
                let words = &pieces[piece as usize][at as usize..];
                &words[..program.layout.record_len(words)]
            };
            if n == 1 {
                take(Run { time_ms, words: record(*first_key) });
            } else {
                self.words.clear();
                rest[..n].iter().for_each(|key| self.words.extend_from_slice(record(*key)));
                take(Run { time_ms, words: &self.words });
            }
            rest = &rest[n..];
        }
    }
}
