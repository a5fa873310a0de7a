//! Writing pieces of fixed size into a block of text.
//!
//! The hot path writes words and groups of 32 bytes, more than belongs there, and then goes on where
//! the piece ends. Offsets are passed by value, so that they stay in registers. [`Block`] is an array
//! whose size the compiler knows, at offsets that a mask keeps inside, so that no write is checked;
//! a slice does the same for records of any size.

/// Bytes of a block up to which a record may reach; a power of two.
pub const BLOCK: usize = 1 << 18;
/// Bytes behind that, for what is written beyond a piece.
const SLACK: usize = 64;
/// Bytes of memory of a block.
pub const FULL: usize = BLOCK + SLACK;
/// Bytes of a group.
pub const GROUP: usize = 32;
/// The memory of a block.
pub type Block = [u8; FULL];

/// Somewhere to write text.
pub trait Page {
    /// Writes eight bytes, the lowest first.
    fn word(&mut self, at: usize, word: u64);
    /// Writes a group.
    fn group(&mut self, at: usize, group: &[u8; GROUP]);
    /// Writes bytes; returns where they end.
    fn bytes(&mut self, at: usize, bytes: &[u8]) -> usize;
}

impl Page for Block {
    #[inline(always)]
    fn word(&mut self, at: usize, word: u64) {
        let at = at & (BLOCK - 1);
        self[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    #[inline(always)]
    fn group(&mut self, at: usize, group: &[u8; GROUP]) {
        let at = at & (BLOCK - 1);
        self[at..at + GROUP].copy_from_slice(group);
    }

    #[inline(always)]
    fn bytes(&mut self, at: usize, bytes: &[u8]) -> usize {
        self[at..at + bytes.len()].copy_from_slice(bytes);
        at + bytes.len()
    }
}

impl Page for [u8] {
    fn word(&mut self, at: usize, word: u64) {
        self[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn group(&mut self, at: usize, group: &[u8; GROUP]) {
        self[at..at + GROUP].copy_from_slice(group);
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) -> usize {
        self[at..at + bytes.len()].copy_from_slice(bytes);
        at + bytes.len()
    }
}
