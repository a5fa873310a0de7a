//! A hint to the processor that memory will be needed soon.
//!
//! The only unsafe code of this crate. It changes no value: on other processors it is nothing.

/// Asks for the cache line of `words[at]`; beyond the end it does nothing.
#[inline(always)]
pub fn prefetch(words: &[u64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(word) = words.get(at) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line: *const i8 = std::ptr::from_ref(word).cast();
        #[allow(unsafe_code, reason = "a prefetch reads and writes nothing, and the address is that of a live word")]
        // SAFETY: prefetching has no effect on memory, whatever the address; SSE is part of x86-64.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (words, at);
}
