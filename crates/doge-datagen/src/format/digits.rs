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

const ASCII: u64 = 0x3030_3030_3030_3030;

/// Writes `v` at `at` and returns where it ends.
#[inline(always)]
pub fn unsigned<P: Page + ?Sized>(page: &mut P, at: usize, v: u64) -> usize {
    if v < 100_000_000 {
        let digits = eight(v);
        // Bits of leading zeros; the last digit stays, whatever it is.
        let zeros = (digits | 1 << 63).trailing_zeros() & 56;
        page.word(at, (digits | ASCII) >> zeros);
        at + 8 - zeros as usize / 8
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
        [i64::MIN, i64::MAX, i64::MIN + 1].into_iter().for_each(&mut check);
        let mut w = 7u64;
        for _ in 0..200_000 {
            w = w.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            check((w >> (w % 61)) as i64);
        }
    }
}
