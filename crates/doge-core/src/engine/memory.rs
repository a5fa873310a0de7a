//! Large blocks of words, on large pages where the system has them.
//!
//! State of millions of subjects is touched all over in every window, and records are written to
//! hundreds of places in turn. With pages of 2 MiB in place of 4 KiB the system is asked for memory 500
//! times less often, and the processor finds addresses without a search. On Linux such pages are asked
//! for; where there are none, or the block is small, memory is the ordinary one. No value depends on it.

use std::ops::{Deref, DerefMut};

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// A block of words of fixed length, all zero at first.
#[derive(Debug)]
pub struct Words(Memory);

#[derive(Debug)]
enum Memory {
    Heap(Vec<u64>),
    /// The bytes `from..to` of a mapping; they begin at a large page.
    #[cfg(target_os = "linux")]
    Mapped {
        map: memmap2::MmapMut,
        from: usize,
        to: usize,
    },
}

impl Words {
    /// `len` words of zero.
    pub fn zeroed(len: usize) -> Words {
        #[cfg(target_os = "linux")]
        if let Some(words) = Words::mapped(len) {
            return words;
        }
        Words(Memory::Heap(vec![0; len]))
    }

    #[cfg(target_os = "linux")]
    fn mapped(len: usize) -> Option<Words> {
        let bytes = len.checked_mul(8)?;
        if bytes < LARGE {
            return None;
        }
        let map = memmap2::MmapMut::map_anon(bytes.checked_add(LARGE)?).ok()?;
        let from = map.as_ptr().align_offset(LARGE);
        // Only advice: a system without such pages says no, and all is well.
        let _ = map.advise_range(memmap2::Advice::HugePage, from, bytes);
        Some(Words(Memory::Mapped { map, from, to: from + bytes }))
    }
}

impl Default for Words {
    fn default() -> Words {
        Words(Memory::Heap(Vec::new()))
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match &self.0 {
            Memory::Heap(words) => words,
            #[cfg(target_os = "linux")]
            Memory::Mapped { map, from, to } => bytemuck::cast_slice(&map[*from..*to]),
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        match &mut self.0 {
            Memory::Heap(words) => words,
            #[cfg(target_os = "linux")]
            Memory::Mapped { map, from, to } => bytemuck::cast_slice_mut(&mut map[*from..*to]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_is_written_whether_small_or_large() {
        for len in [0, 1, 1000, LARGE / 8 - 1, LARGE / 8, LARGE / 2 + 77] {
            let mut words = Words::zeroed(len);
            assert_eq!(words.len(), len);
            assert!(words.iter().all(|w| *w == 0));
            words.iter_mut().zip(7..).for_each(|(w, v)| *w = v);
            assert!(words.iter().zip(7..).all(|(w, v)| *w == v), "{len}");
        }
    }
}
