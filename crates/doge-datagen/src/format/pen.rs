//! Writing pieces of fixed size into a block of text.
//!
//! The hot path writes words and groups of 32 bytes, more than belongs there, and then goes on where
//! the piece ends. [`Masked`] writes into an array whose size the compiler knows, at an offset that a
//! mask keeps inside, so that no write is checked; [`Slice`] does the same for records of any size.

/// Bytes of a block up to which [`Masked`] may begin a record's last piece; a power of two.
pub const BLOCK: usize = 1 << 18;
/// Bytes behind that, for what is written beyond a piece.
const SLACK: usize = 64;
/// Bytes of memory of a block.
pub const FULL: usize = BLOCK + SLACK;
/// Bytes of a group.
pub const GROUP: usize = 32;

/// Somewhere to write text.
pub trait Pen {
    /// Writes eight bytes, the lowest first, of which `len` count.
    fn word(&mut self, word: u64, len: usize);
    /// Writes a group of which `len` bytes count.
    fn group(&mut self, group: &[u8; GROUP], len: usize);
    /// Writes bytes.
    fn bytes(&mut self, bytes: &[u8]);
    /// Where the next piece goes.
    fn at(&self) -> usize;
}

/// Writes into an array; the caller sees to it that a record ends before [`BLOCK`].
pub struct Masked<'a> {
    out: &'a mut [u8; FULL],
    at: usize,
}

impl<'a> Masked<'a> {
    /// Writes from `at` on.
    #[inline(always)]
    pub fn new(out: &'a mut [u8; FULL], at: usize) -> Self {
        Masked { out, at }
    }
}

impl Pen for Masked<'_> {
    #[inline(always)]
    fn word(&mut self, word: u64, len: usize) {
        let at = self.at & (BLOCK - 1);
        self.out[at..at + 8].copy_from_slice(&word.to_le_bytes());
        self.at += len;
    }

    #[inline(always)]
    fn group(&mut self, group: &[u8; GROUP], len: usize) {
        let at = self.at & (BLOCK - 1);
        self.out[at..at + GROUP].copy_from_slice(group);
        self.at += len;
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    #[inline(always)]
    fn at(&self) -> usize {
        self.at
    }
}

/// Writes into a slice, which must have room for [`GROUP`] bytes behind every piece.
pub struct Slice<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    /// Writes from `at` on.
    pub fn new(out: &'a mut [u8], at: usize) -> Self {
        Slice { out, at }
    }
}

impl Pen for Slice<'_> {
    fn word(&mut self, word: u64, len: usize) {
        self.out[self.at..self.at + 8].copy_from_slice(&word.to_le_bytes());
        self.at += len;
    }

    fn group(&mut self, group: &[u8; GROUP], len: usize) {
        self.out[self.at..self.at + GROUP].copy_from_slice(group);
        self.at += len;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn at(&self) -> usize {
        self.at
    }
}
