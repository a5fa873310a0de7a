//! Whole numbers to decimal text without a branch for most of them.
//!
//! Eight digits are made in parallel in one word ("SWAR"); the quotients by 100 and by 10 are
//! multiplications by rounded-up reciprocals, exact in their ranges.

use super::pen::Pen;

/// Bytes of a number at most, with what is written beyond its end.
pub const ROOM: usize = 32;

/// Eight decimal digits of `v < 10^8`, the first in the lowest byte, as numbers 0..9.
#[inline(always)]
fn eight(v: u64) -> u64 {
    let x = (v / 10_000) | (v % 10_000) << 32;
    let hundreds = ((x * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let y = hundreds | (x - hundreds * 100) << 16;
    let tens = ((y * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (y - tens * 10) << 8
}

const ASCII: u64 = 0x3030_3030_3030_3030;

/// Writes `v`.
#[inline(always)]
pub fn unsigned(pen: &mut impl Pen, v: u64) {
    if v < 100_000_000 {
        let digits = eight(v);
        let zeros = (digits.trailing_zeros() / 8).min(7);
        pen.word((digits | ASCII) >> (zeros * 8), 8 - zeros as usize);
    } else {
        long(pen, v);
    }
}

#[inline(never)]
fn long(pen: &mut impl Pen, v: u64) {
    unsigned(pen, v / 100_000_000);
    pen.word(eight(v % 100_000_000) | ASCII, 8);
}

/// Writes `v`.
#[inline(always)]
pub fn signed(pen: &mut impl Pen, v: i64) {
    pen.word(u64::from(b'-'), usize::from(v < 0));
    unsigned(pen, v.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_standard_library_writes() {
        let mut out = [0; 64];
        let mut check = |v: i64| {
            let mut pen = super::super::pen::Slice::new(&mut out, 3);
            signed(&mut pen, v);
            let end = pen.at();
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
