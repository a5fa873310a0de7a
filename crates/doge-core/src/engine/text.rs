//! Where strings live while subjects run.
//!
//! A string in a register is a handle of 64 bits: a constant of the layout (bit 63), a piece of the
//! cell's heap (bit 62) that outlives the visit, or a piece of the worker's scratch, which is
//! emptied before the next attempt. Offset and length share the other bits (38 and 24).

use crate::batch::CONST_TAG;
use crate::expr::func::EvalError;

/// Marks a handle into the heap.
const HEAP_TAG: u64 = 1 << 62;
const LEN_BITS: u32 = 24;
/// One more than the longest text that a handle can tell, in bytes.
const MAX_TEXT: usize = 1 << LEN_BITS;

/// Strings that outlive the visit of a subject, of one cell.
#[derive(Debug, Default)]
pub struct Heap {
    text: String,
    /// Bytes that no row refers to any more.
    garbage: usize,
}

impl Heap {
    /// Whether more than half of it is garbage, and enough to be worth a walk over the rows.
    pub fn wants_collection(&self) -> bool {
        self.text.len() > 1 << 16 && self.garbage * 2 > self.text.len()
    }

    /// Notes that nobody refers to `handle` any more.
    #[inline]
    pub fn release(&mut self, handle: u64) {
        if handle & (CONST_TAG | HEAP_TAG) == HEAP_TAG {
            self.garbage += (handle & (MAX_TEXT as u64 - 1)) as usize;
        }
    }

    /// Begins a collection: takes the old text out. Each live handle then goes through `moved`.
    pub fn take(&mut self) -> String {
        self.garbage = 0;
        std::mem::take(&mut self.text)
    }

    /// The new handle of a live one after [`Heap::take`].
    pub fn moved(&mut self, old: &str, handle: u64) -> u64 {
        if handle & (CONST_TAG | HEAP_TAG) != HEAP_TAG {
            return handle;
        }
        let (start, end) = range(handle);
        let at = self.text.len();
        self.text.push_str(&old[start..end]);
        HEAP_TAG | pack(at, end - start)
    }
}

#[inline]
fn range(handle: u64) -> (usize, usize) {
    let start = ((handle & (HEAP_TAG - 1)) >> LEN_BITS) as usize;
    (start, start + (handle & (MAX_TEXT as u64 - 1)) as usize)
}

#[inline]
fn pack(start: usize, len: usize) -> u64 {
    (start as u64) << LEN_BITS | len as u64
}

/// A worker's strings of the present visit.
#[derive(Debug, Default)]
pub struct Scratch {
    text: String,
    /// Where a text is made before it is known to fit; also for callers that need two at once.
    tmp: String,
}

/// All strings that a handle may mean.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    /// Constants of the layout.
    pub constants: &'a [String],
    /// Of the cell.
    pub heap: &'a Heap,
    /// Of the worker.
    pub scratch: &'a Scratch,
}

impl<'a> Texts<'a> {
    /// The text of a handle.
    #[inline]
    pub fn get(&self, handle: u64) -> &'a str {
        if handle & CONST_TAG != 0 {
            return &self.constants[(handle & !CONST_TAG) as usize];
        }
        let (start, end) = range(handle);
        let text = if handle & HEAP_TAG != 0 { &self.heap.text } else { &self.scratch.text };
        &text[start..end]
    }
}

impl Scratch {
    /// How much is in use; give it to [`Scratch::rewind`].
    #[inline]
    pub fn mark(&self) -> usize {
        self.text.len()
    }

    /// Drops what was made since `mark`.
    #[inline]
    pub fn rewind(&mut self, mark: usize) {
        self.text.truncate(mark);
    }

    /// A handle to a text that `make` appends.
    pub fn make(&mut self, make: impl FnOnce(&mut String)) -> Result<u64, EvalError> {
        let start = self.text.len();
        make(&mut self.text);
        self.finish(start)
    }

    fn finish(&mut self, start: usize) -> Result<u64, EvalError> {
        let len = self.text.len() - start;
        if len >= MAX_TEXT {
            self.text.truncate(start);
            return Err(EvalError::TextTooLong(len));
        }
        Ok(pack(start, len))
    }

    /// A handle to `a` followed by `b`, which may themselves lie here.
    pub fn concat(
        &mut self,
        constants: &[String],
        heap: &Heap,
        a: u64,
        b: u64,
    ) -> Result<u64, EvalError> {
        let start = self.text.len();
        for handle in [a, b] {
            if handle & (CONST_TAG | HEAP_TAG) == 0 {
                let (from, to) = range(handle);
                // Two steps, since a string cannot be extended from itself.
                let mut tmp = std::mem::take(&mut self.tmp);
                tmp.clear();
                tmp.push_str(&self.text[from..to]);
                self.text.push_str(&tmp);
                self.tmp = tmp;
            } else {
                let nothing = Scratch::default();
                self.text.push_str(Texts { constants, heap, scratch: &nothing }.get(handle));
            }
        }
        self.finish(start)
    }

    /// The handle of the same text in `heap`, where it outlives the visit.
    pub fn keep(&self, heap: &mut Heap, handle: u64) -> u64 {
        if handle & (CONST_TAG | HEAP_TAG) != 0 {
            return handle;
        }
        let (start, end) = range(handle);
        let at = heap.text.len();
        heap.text.push_str(&self.text[start..end]);
        HEAP_TAG | pack(at, end - start)
    }
}
