//! Where records of a window wait, by bucket, until they are read in order.
//!
//! All buckets of a worker grow in one block of memory, chunk by chunk: nothing is copied when a
//! bucket grows, memory is what records need and half a chunk for each bucket, and large pages spare
//! most of the misses that hundreds of lists growing in turn would bring. Where the block is full,
//! what follows goes to a list of each bucket's own, and the next window gets a larger block.

use super::memory::Words;
use super::prefetch::prefetch_line;

/// Words of a chunk at most, with its header: what is read in one go should be long.
const CHUNK: usize = 2048;
/// Words of a chunk at least.
const LEAST: usize = 64;
/// Words before a chunk's records: where the next chunk is, how many words of records this one has.
const HEADER: usize = 2;
/// In place of a next chunk, where there is none.
const NONE: u64 = u64::MAX;

/// Records of a window by bucket.
#[derive(Debug, Default)]
pub struct Buckets {
    words: Words,
    cursors: Vec<Cursor>,
    rest: Rest,
}

/// What is not the block itself.
#[derive(Debug, Default)]
struct Rest {
    /// Words of the block in use.
    used: usize,
    /// Words of a chunk.
    chunk: usize,
    /// First and last chunk of each bucket.
    chunks: Vec<(u64, u64)>,
    /// Records that found no place in the block, by bucket.
    over: Vec<Vec<u64>>,
    /// Words in `over`.
    spilled: usize,
    /// A record of any size, while it is made.
    record: Vec<u64>,
}

/// Where a bucket's next record goes, and where its chunk ends.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    at: usize,
    end: usize,
}

/// Buckets open for writing.
#[derive(Debug)]
pub struct Sheet<'a> {
    words: &'a mut [u64],
    cursors: &'a mut [Cursor],
    rest: &'a mut Rest,
}

impl Buckets {
    /// Makes `buckets` empty buckets, with room for about `words` words at first.
    pub fn clear(&mut self, buckets: usize, words: usize) {
        let rest = &mut self.rest;
        rest.chunk = (words / buckets.max(1) / 4).clamp(LEAST, CHUNK);
        let chunks = words + buckets * rest.chunk;
        if rest.spilled > 0 || self.words.len() < chunks {
            let want = chunks.max(rest.used + 2 * rest.spilled);
            self.words = Words::default();
            self.words = Words::zeroed(want);
        }
        rest.used = 0;
        rest.spilled = 0;
        self.cursors.clear();
        self.cursors.resize(buckets, Cursor { at: 0, end: 0 });
        rest.chunks.clear();
        rest.chunks.resize(buckets, (NONE, NONE));
        rest.over.iter_mut().for_each(Vec::clear);
        rest.over.resize_with(buckets.max(rest.over.len()), Vec::new);
    }

    /// To write.
    pub fn open(&mut self) -> Sheet<'_> {
        Sheet { words: &mut self.words, cursors: &mut self.cursors, rest: &mut self.rest }
    }

    /// The records of a bucket in pieces, each of whole records.
    pub fn pieces(&self, bucket: usize) -> Pieces<'_> {
        let rest = &self.rest;
        let (first, last) = rest.chunks.get(bucket).copied().unwrap_or((NONE, NONE));
        let open = self.cursors.get(bucket).map_or(0, |c| c.at);
        let over = rest.over.get(bucket).map_or(&[][..], Vec::as_slice);
        Pieces { words: &self.words, next: first, last, open, over }
    }

    /// Takes all records out of a bucket.
    pub fn take(&mut self, bucket: usize) -> Vec<u64> {
        let records = self.pieces(bucket).flatten().copied().collect();
        let rest = &mut self.rest;
        self.cursors[bucket] = Cursor { at: 0, end: 0 };
        rest.chunks[bucket] = (NONE, NONE);
        rest.over[bucket].clear();
        records
    }
}

/// Where code that runs leaves records.
pub trait Out {
    /// Appends a record to a bucket.
    fn put<const N: usize>(&mut self, bucket: usize, record: [u64; N]);
    /// Appends a record of any size.
    fn put_any(&mut self, bucket: usize, record: &[u64]);
    /// An empty list to make a record in; give it back by [`Out::put_back`].
    fn record(&mut self) -> Vec<u64>;
    /// Keeps a list's memory for the next record.
    fn put_back(&mut self, record: Vec<u64>);
}

/// For code that has no records: only attempts emit.
pub struct Nowhere;

impl Out for Nowhere {
    #[inline(always)]
    fn put<const N: usize>(&mut self, _: usize, _: [u64; N]) {}
    #[inline(always)]
    fn put_any(&mut self, _: usize, _: &[u64]) {}
    #[inline(always)]
    fn record(&mut self) -> Vec<u64> {
        Vec::new()
    }
    #[inline(always)]
    fn put_back(&mut self, _: Vec<u64>) {}
}

impl Out for Sheet<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bucket: usize, record: [u64; N]) {
        let cursor = &mut self.cursors[bucket];
        let at = cursor.at;
        if at + N <= cursor.end
            && let Some(place) = self.words.get_mut(at..at + N)
        {
            place.copy_from_slice(&record);
            cursor.at = at + N;
        } else {
            // By value: told its address, a compiler would make every record in memory first.
            self.put_slow_array(bucket, record);
        }
    }

    fn put_any(&mut self, bucket: usize, record: &[u64]) {
        let cursor = &mut self.cursors[bucket];
        let (at, end) = (cursor.at, cursor.at + record.len());
        if end <= cursor.end {
            self.words[at..end].copy_from_slice(record);
            cursor.at = end;
        } else {
            self.put_slow(bucket, record);
        }
    }

    fn record(&mut self) -> Vec<u64> {
        let mut record = std::mem::take(&mut self.rest.record);
        record.clear();
        record
    }

    fn put_back(&mut self, record: Vec<u64>) {
        self.rest.record = record;
    }
}

impl Sheet<'_> {
    /// Asks for the memory behind where the bucket's next record goes.
    #[inline(always)]
    pub fn prefetch(&self, bucket: usize) {
        prefetch_line(self.words, self.cursors[bucket].at);
    }

    #[cold]
    #[inline(never)]
    fn put_slow_array<const N: usize>(&mut self, bucket: usize, record: [u64; N]) {
        self.put_slow(bucket, &record);
    }

    /// The record begins a chunk, or goes to the bucket's own list.
    #[cold]
    #[inline(never)]
    fn put_slow(&mut self, bucket: usize, record: &[u64]) {
        let Sheet { words, cursors, rest } = self;
        let start = rest.used;
        // Buckets fill about as fast as each other. Their first chunks end at different places, or all
        // would write to the same sets of the first-level cache at once.
        let chunk = if rest.chunks[bucket].1 == NONE {
            rest.chunk - bucket * 40 % rest.chunk
        } else {
            rest.chunk
        };
        let end = start + chunk.max(HEADER + record.len());
        // Once a record is in the list, all that follow are, so that they stay in order.
        if end > words.len() || !rest.over[bucket].is_empty() {
            rest.over[bucket].extend_from_slice(record);
            rest.spilled += record.len();
            // Full for good: a smaller record must not slip in before those in the list.
            cursors[bucket].end = 0;
            return;
        }
        rest.used = end;
        let at = start + HEADER;
        words[start] = NONE;
        words[at..at + record.len()].copy_from_slice(record);
        let (first, last) = &mut rest.chunks[bucket];
        match *last {
            NONE => *first = start as u64,
            before => {
                let before = before as usize;
                words[before] = start as u64;
                words[before + 1] = (cursors[bucket].at - before - HEADER) as u64;
            }
        }
        *last = start as u64;
        cursors[bucket] = Cursor { at: at + record.len(), end };
    }
}

/// See [`Buckets::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    words: &'a [u64],
    next: u64,
    last: u64,
    /// Where the last chunk's records end.
    open: usize,
    over: &'a [u64],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u64];

    fn next(&mut self) -> Option<&'a [u64]> {
        if self.next == NONE {
            let over = std::mem::take(&mut self.over);
            return (!over.is_empty()).then_some(over);
        }
        let start = self.next as usize;
        let from = start + HEADER;
        if self.next == self.last {
            self.next = NONE;
            Some(&self.words[from..self.open])
        } else {
            self.next = self.words[start];
            Some(&self.words[from..from + self.words[start + 1] as usize])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(buckets: &Buckets, bucket: usize) -> Vec<u64> {
        buckets.pieces(bucket).flatten().copied().collect()
    }

    #[test]
    fn keeps_what_was_put_in_order_whether_or_not_the_block_holds_it() {
        let mut buckets = Buckets::default();
        for round in 0..4 {
            buckets.clear(3, 1000);
            let mut expected = vec![Vec::new(); 3];
            let mut sheet = buckets.open();
            for i in 0..2_000_u64 {
                let bucket = (i * i % 3) as usize;
                let size = if i % 97 == 0 { 600 } else { 1 + (i % 5) as usize };
                let record: Vec<u64> = (0..size as u64).map(|k| i * 1000 + k).collect();
                match *record {
                    [a, b] => sheet.put(bucket, [a, b]),
                    [a, b, c, d] => sheet.put(bucket, [a, b, c, d]),
                    _ => sheet.put_any(bucket, &record),
                }
                expected[bucket].extend(record);
            }
            for (bucket, expected) in expected.iter().enumerate() {
                assert_eq!(&all(&buckets, bucket), expected, "bucket {bucket} in round {round}");
            }
            let spilled = buckets.rest.spilled;
            assert_eq!(spilled > 0, round == 0, "{spilled} words spilled in round {round}");
        }
        assert_eq!(buckets.take(2).len(), 0);
        let before = all(&buckets, 0);
        assert_eq!(buckets.take(0), before);
        assert!(all(&buckets, 0).is_empty());
        buckets.open().put(0, [7, 8]);
        assert_eq!(all(&buckets, 0), [7, 8]);
    }

    #[test]
    fn empty_buckets_have_no_pieces() {
        let mut buckets = Buckets::default();
        assert_eq!(buckets.pieces(5).count(), 0);
        buckets.clear(2, 0);
        assert_eq!(buckets.pieces(0).count() + buckets.pieces(1).count(), 0);
    }
}
