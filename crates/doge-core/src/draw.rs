//! Keyed draws: a random word is a function of (seed, population name, subject id, step, site, word)
//! and of nothing else.
//!
//! There is no generator whose state advances. Each level of the key is mixed once, so that a
//! subject costs one mix, an attempt one 128-bit multiplication and a word another.
//!
//! The mixers are public ones: `mix64` is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast
//! splittable pseudorandom number generators", OOPSLA 2014, with Stafford's variant 13 constants);
//! `fold` is the output function of wyrand (Wang Yi, wyhash, final version 4): a 64 by 64 bit
//! multiplication whose halves are xored.
//!
//! Why a step's key has two words. A key of 64 bits would make two attempts of a big run share it
//! (10^9 attempts: with probability near 3%), and then share every draw: two equal "unique" UUIDs. So
//! the key also holds a word that is different for every step of a subject and mixes into each word
//! drawn; two attempts draw alike only if both words agree. It also ends what wyrand has by its
//! constant mask, that `s` and `s ^ mask` give the same word throughout.

/// 2^64 divided by the golden ratio, odd: the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Increment between steps of a subject and between words of a call (from wyrand).
const STEP: u64 = 0xa076_1d64_78bd_642f;
/// Xor mask of the second factor of `fold` for steps (from wyrand).
const MASK: u64 = 0xe703_7ed1_a0b4_28db;

/// SplitMix64's finaliser: a bijection on 64-bit words.
#[inline]
pub const fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// wyrand's output function of a counter value, with the mask that makes the second factor.
#[inline]
pub const fn fold(s: u64, mask: u64) -> u64 {
    let product = (s as u128) * ((s ^ mask) as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The hash of a path of names: FNV-1a (64 bit) over each component's length in bytes (4 bytes,
/// little-endian) and its bytes, then [`mix64`].
///
/// ```
/// use doge_core::draw::site;
/// assert_ne!(site(&["ab", "c"]), site(&["a", "bc"]));
/// ```
pub fn site(path: &[&str]) -> u64 {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |b: u8| h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    for name in path {
        (name.len() as u32).to_le_bytes().into_iter().for_each(&mut eat);
        name.bytes().for_each(&mut eat);
    }
    mix64(h)
}

/// The site of the random call number `ordinal` (from 0, by position in the source) of the
/// expression at `path`: the path with the ordinal, in decimal, as one more component.
pub fn call_site(path: &[&str], ordinal: u32) -> u64 {
    let text = ordinal.to_string();
    let mut whole = path.to_vec();
    whole.push(&text);
    site(&whole)
}

/// The key of a scope: a population under a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeKey(u64);

/// The key of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectKey(u64);

/// The key of one attempt (or, as step 0, of the creation) of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepKey {
    base: u64,
    mask: u64,
}

impl ScopeKey {
    /// The scope of a population's subjects.
    pub fn population(seed: u64, name: &str) -> Self {
        ScopeKey(mix64(mix64(seed.wrapping_add(GOLDEN)) ^ site(&["subjects", name])))
    }

    /// The key of subject `id`.
    #[inline]
    pub const fn subject(self, id: u64) -> SubjectKey {
        SubjectKey(mix64(self.0.wrapping_add(id.wrapping_add(1).wrapping_mul(GOLDEN))))
    }
}

impl SubjectKey {
    /// The key of the subject's attempt number `step` (from 1; 0 is its creation).
    #[inline]
    pub const fn step(self, step: u64) -> StepKey {
        StepKey {
            base: fold(self.0.wrapping_add(step.wrapping_mul(STEP)), MASK),
            mask: self.0.wrapping_add(step.wrapping_mul(GOLDEN)),
        }
    }
}

impl StepKey {
    /// Word 0 of the draw at `site`.
    #[inline]
    pub const fn word(self, site: u64) -> u64 {
        fold(self.base.wrapping_add(site), self.mask)
    }

    /// Word `n` of the draw at `site`.
    #[inline]
    pub const fn nth(self, site: u64, n: u64) -> u64 {
        fold(self.base.wrapping_add(site).wrapping_add(n.wrapping_mul(STEP)), self.mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_with_one_base_still_draw_differently() {
        // By the symmetry of `fold` these two subjects have the same base at step 1.
        let a = SubjectKey(0x0123_4567_89ab_cdef);
        let b = SubjectKey((a.0.wrapping_add(STEP) ^ MASK).wrapping_sub(STEP));
        assert_eq!(a.step(1).base, b.step(1).base);
        for path in [["a", "#wait"], ["a", "#choice"], ["b", "#wait"]] {
            assert_ne!(a.step(1).word(site(&path)), b.step(1).word(site(&path)));
        }
    }

    #[test]
    fn word_0_is_the_word() {
        let key = ScopeKey::population(1, "p").subject(2).step(3);
        assert_eq!(key.word(4), key.nth(4, 0));
    }
}
