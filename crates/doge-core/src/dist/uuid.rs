//! Random UUIDs.

use super::Call;

/// `uuid()`: a version 4 UUID (RFC 9562, section 5.4) as 36 bytes of lower-case text.
///
/// Words 0 and 1 are its bits from the most significant on, with the version (4) and the variant
/// (binary 10) put over theirs: 122 random bits.
///
/// ```
/// use doge_core::{dist::{Call, Uuid}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let text = Uuid.sample(call);
/// assert_eq!((text[8], text[14]), (b'-', b'4'));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uuid;

impl Uuid {
    /// One value; ASCII.
    #[inline]
    pub fn sample(&self, call: Call) -> [u8; 36] {
        let high = call.word(0) & !0xf000 | 0x4000;
        let low = call.word(1) & !(0b11 << 62) | 0b10 << 62;
        text(high, low)
    }
}

/// The text of a UUID by its two halves.
fn text(high: u64, low: u64) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    /// Where each byte's two digits stand.
    const AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let mut text = [b'-'; 36];
    for (byte, at) in bytes.into_iter().zip(AT) {
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
}
