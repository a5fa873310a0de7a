//! Whole numbers to decimal text without a branch for most of them.
//!
//! Eight digits are made in parallel in one word ("SWAR"); the quotients by 100 and by 10 are
//! multiplications by rounded-up reciprocals, exact in their ranges.

use super::pen::Page;

/// Bytes of a number at most, with what is written beyond its end.
pub const ROOM: usize = 32;

/// Eight decimal digits of `v < 10^8`, the first in the lowest byte, as numbers 0..9.
///
/// A number `v` of two halves in base `b` becomes `high + ((v - high * b) << w)`, in three steps of
/// 4, 2 and 1 digits, each done as `(v << w) - high * ((b << w) - 1)`.
#[inline(always)]
fn eight(v: u64) -> u64 {
    // 109,951,163 / 2^40 is 1/10,000 rounded up; exact below 10^8.
    let high = (v * 109_951_163) >> 40;
    let x = (v << 32).wrapping_sub(high.wrapping_mul((10_000 << 32) - 1));
    let high = ((x * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let y = (x << 16).wrapping_sub(high.wrapping_mul((100 << 16) - 1));
    let high = ((y * 103) >> 10) & 0x000f_000f_000f_000f;
    (y << 8).wrapping_sub(high.wrapping_mul((10 << 8) - 1))
}

/// [`eight`] of two numbers below 10^8.
///
/// On x86-64 both go through the vector unit, which is idle otherwise, side by side: the same three
/// steps, with rounded-up reciprocals of 16 bits for the latter two. SSE2 is part of every x86-64.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn eight_of_two(v: [u64; 2]) -> [u64; 2] {
    #[allow(unsafe_code, reason = "vector instructions that every x86-64 has")]
    // SAFETY: the function needs SSE2 and nothing else.
    unsafe {
        eight_of_two_by_sse2(v)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn eight_of_two_by_sse2(v: [u64; 2]) -> [u64; 2] {
    use core::arch::x86_64::{
        _mm_cvtsi128_si64, _mm_mul_epu32, _mm_mulhi_epu16, _mm_mullo_epi16, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi16, _mm_set1_epi64x, _mm_slli_epi16, _mm_slli_epi32,
        _mm_slli_epi64, _mm_srli_epi16, _mm_srli_epi64, _mm_sub_epi16, _mm_sub_epi64,
        _mm_unpackhi_epi64,
    };
    let v = _mm_set_epi64x(v[1] as i64, v[0] as i64);
    let high = _mm_srli_epi64::<40>(_mm_mul_epu32(v, _mm_set1_epi64x(109_951_163)));
    let low = _mm_sub_epi64(v, _mm_mul_epu32(high, _mm_set1_epi64x(10_000)));
    let x = _mm_or_si128(high, _mm_slli_epi64::<32>(low));
    // 5,243 / 2^19 is 1/100 rounded up; exact below 10^4.
    let high = _mm_srli_epi16::<3>(_mm_mulhi_epu16(x, _mm_set1_epi16(5_243)));
    let low = _mm_sub_epi16(x, _mm_mullo_epi16(high, _mm_set1_epi16(100)));
    let y = _mm_or_si128(high, _mm_slli_epi32::<16>(low));
    // 6,554 / 2^16 is 1/10 rounded up; exact below 100.
    let high = _mm_mulhi_epu16(y, _mm_set1_epi16(6_554));
    let low = _mm_sub_epi16(y, _mm_mullo_epi16(high, _mm_set1_epi16(10)));
    let z = _mm_or_si128(high, _mm_slli_epi16::<8>(low));
    [_mm_cvtsi128_si64(z) as u64, _mm_cvtsi128_si64(_mm_unpackhi_epi64(z, z)) as u64]
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn eight_of_two(v: [u64; 2]) -> [u64; 2] {
    v.map(eight)
}

/// The text of two whole numbers of eight digits at most, if they are: bytes and how many of them.
#[inline(always)]
pub fn short(v: [u64; 2]) -> Option<[(u64, usize); 2]> {
    (v[0].max(v[1]) < 100_000_000).then(|| eight_of_two(v).map(text))
}

/// Eight digits as text without leading zeros, and its length; the last digit stays, whatever it is.
#[inline(always)]
fn text(digits: u64) -> (u64, usize) {
    let zeros = (digits | 1 << 63).trailing_zeros() & 56;
    ((digits | ASCII) >> zeros, 8 - zeros as usize / 8)
}

const ASCII: u64 = 0x3030_3030_3030_3030;

/// Writes `v` at `at` and returns where it ends.
#[inline(always)]
pub fn unsigned<P: Page + ?Sized>(page: &mut P, at: usize, v: u64) -> usize {
    if v < 100_000_000 {
        let (word, len) = text(eight(v));
        page.word(at, word);
        at + len
    } else {
        long(page, at, v)
    }
}

#[inline(never)]
fn long<P: Page + ?Sized>(page: &mut P, at: usize, v: u64) -> usize {
    let at = unsigned(page, at, v / 100_000_000);
    page.word(at, eight(v % 100_000_000) | ASCII);
    at + 8
}

/// Writes `v` at `at` and returns where it ends.
#[inline(always)]
pub fn signed<P: Page + ?Sized>(page: &mut P, at: usize, v: i64) -> usize {
    if (0..100_000_000).contains(&v) { unsigned(page, at, v as u64) } else { any(page, at, v) }
}

#[inline(never)]
fn any<P: Page + ?Sized>(page: &mut P, at: usize, v: i64) -> usize {
    page.word(at, u64::from(b'-'));
    unsigned(page, at + usize::from(v < 0), v.unsigned_abs())
}

/// As [`unsigned`], out of line.
#[inline(never)]
pub fn rare<P: Page + ?Sized>(page: &mut P, at: usize, v: u64) -> usize {
    unsigned(page, at, v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_standard_library_writes() {
        let mut out = [0u8; 64];
        let mut check = |v: i64| {
            let end = signed(out.as_mut_slice(), 3, v);
            assert_eq!(std::str::from_utf8(&out[3..end]), Ok(v.to_string().as_str()));
        };
        (0..200_000).for_each(&mut check);
        let mut power = 1i64;
        while let Some(next) = power.checked_mul(10) {
            (-2..=2).for_each(|d| check(power + d));
            (-2..=2).for_each(|d| check(-power + d));
            power = next;
        }
        (0..100_000_000).step_by(7).for_each(|v| {
            let w = (v * 31) % 100_000_000;
            assert_eq!(eight_of_two([v, w]), [eight(v), eight(w)]);
            assert_eq!(short([v, w]), Some([text(eight(v)), text(eight(w))]));
        });
        assert_eq!(eight_of_two([0, 99_999_999]), [eight(0), eight(99_999_999)]);
        assert_eq!((short([100_000_000, 0]), short([0, u64::MAX])), (None, None));
        [i64::MIN, i64::MAX, i64::MIN + 1].into_iter().for_each(&mut check);
        let mut w = 7u64;
        for _ in 0..200_000 {
            w = w.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            check((w >> (w % 61)) as i64);
        }
    }
}
