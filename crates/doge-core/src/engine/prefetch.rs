//! Hints to the processor that memory will be needed soon.
//!
//! The only unsafe code of this crate. It changes no value: on other processors it is nothing.

/// Asks for the cache line of `words[at]`; beyond the end it does nothing.
#[inline(always)]
pub fn prefetch(words: &[u64], at: usize) {
    if let Some(word) = words.get(at) {
        line(std::ptr::from_ref(word));
    }
}

/// Asks for the cache line behind the one of `words[at]`. With many lists that grow in turn the
/// processor cannot guess by itself where each goes on.
#[inline(always)]
pub fn prefetch_line(words: &[u64], at: usize) {
    /// Words of a cache line.
    const LINE: usize = 8;
    line(words.as_ptr().wrapping_add(at + LINE));
}

#[inline(always)]
fn line(word: *const u64) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[allow(unsafe_code, reason = "a prefetch reads and writes nothing, whatever the address")]
        // SAFETY: prefetching has no effect on memory and never faults; SSE is part of x86-64.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(word.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}
