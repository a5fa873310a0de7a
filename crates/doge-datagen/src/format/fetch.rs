//! Where the values of records come from, decided once for each emit site: what binary formats share.

use super::digits;
use super::pen::Page;
use doge_core::batch::{
    CONST_TAG, Cell, Column, IdMap, LOCAL_BITS, Layout, SITE_BITS, Site, bytes_of,
};
use doge_core::value::{Base, Value};

/// A record with what its words mean.
#[derive(Clone, Copy, Debug)]
pub struct View<'r> {
    /// The layout.
    pub layout: &'r Layout,
    /// The record's emit site.
    pub site: &'r Site,
    /// The ids of its population.
    pub ids: &'r IdMap,
    /// Its order time, milliseconds since the epoch.
    pub time_ms: i64,
    /// The record, and perhaps what follows it.
    pub words: &'r [u64],
}

impl<'r> View<'r> {
    /// The record that `words` begin with.
    #[inline]
    pub fn new(layout: &'r Layout, time_ms: i64, words: &'r [u64]) -> View<'r> {
        let site = &layout.sites[(words[0] & ((1 << SITE_BITS) - 1)) as usize];
        View { layout, site, ids: &layout.ids[site.population], time_ms, words }
    }

    /// Bytes of all its texts.
    #[inline]
    pub fn text_bytes(&self) -> usize {
        let len = |slot: &u32| match self.words[2 + *slot as usize] {
            word if word & CONST_TAG != 0 => {
                self.layout.constants[(word & !CONST_TAG) as usize].len()
            }
            word => word as usize,
        };
        self.site.strings.iter().map(len).sum()
    }

    /// The text of a slot.
    #[inline]
    pub fn slot_text(&self, slot: u32) -> &'r [u8] {
        let word = self.words[2 + slot as usize];
        if word & CONST_TAG != 0 {
            return self.layout.constants[(word & !CONST_TAG) as usize].as_bytes();
        }
        let mut at = 2 + self.site.slot_words;
        for other in self.site.strings.iter().take_while(|other| **other != slot) {
            let word = self.words[2 + *other as usize];
            if word & CONST_TAG == 0 {
                at += (word as usize).div_ceil(8);
            }
        }
        &bytes_of(&self.words[at..])[..word as usize]
    }
}

/// Whether a column is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nullness {
    /// It never is.
    Never,
    /// It always is.
    Always,
    /// It is where this word of the record is 1.
    Word(usize),
}

impl Nullness {
    /// That of a column of a site.
    pub fn of(column: &Column) -> Nullness {
        match &column.cell {
            Cell::Const(Value::Null) => Nullness::Always,
            Cell::Slot(slot) if column.ty.nullable => Nullness::Word(3 + *slot as usize),
            _ => Nullness::Never,
        }
    }

    /// Whether it is null in this record.
    #[inline]
    pub fn is_null(self, words: &[u64]) -> bool {
        match self {
            Nullness::Never => false,
            Nullness::Always => true,
            Nullness::Word(at) => words[at] == 1,
        }
    }
}

/// Where a value that is not null comes from.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// Always this.
    Const(Value),
    /// A word.
    Word(Word),
    /// A text.
    Text(Text),
}

/// A value of one word: an int, the bits of a double, 0 or 1, milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// The subject's id.
    Id,
    /// The attempt's number.
    Seq,
    /// The order time.
    Time,
    /// This word of the record.
    At(usize),
}

/// A text.
#[derive(Clone, Debug)]
pub enum Text {
    /// That of a slot.
    Slot(u32),
    /// Decimal digits.
    Digits(Word),
    /// `population/id/seq/pos`: what stands before the id, and behind the number of the attempt.
    EventId(String, String),
}

impl Fetch {
    /// Where the values of a column of a site come from.
    pub fn of(layout: &Layout, site: &Site, column: &Column) -> Fetch {
        match &column.cell {
            Cell::Const(value) => Fetch::Const(value.clone()),
            Cell::Id => Fetch::Word(Word::Id),
            Cell::Seq => Fetch::Word(Word::Seq),
            Cell::Time | Cell::TimeMs => Fetch::Word(Word::Time),
            Cell::Slot(slot) if column.ty.base == Base::String => Fetch::Text(Text::Slot(*slot)),
            Cell::Slot(slot) => Fetch::Word(Word::At(2 + *slot as usize)),
            Cell::IdText => Fetch::Text(Text::Digits(Word::Id)),
            Cell::SlotText(slot) => Fetch::Text(Text::Digits(Word::At(2 + *slot as usize))),
            Cell::EventId => Fetch::Text(Text::EventId(
                format!("{}/", layout.populations[site.population]),
                format!("/{}", site.pos),
            )),
        }
    }
}

impl Word {
    /// The word.
    #[inline]
    pub fn get(self, record: &View<'_>) -> u64 {
        match self {
            Word::Id => record.ids.id(record.words[1] & ((1 << LOCAL_BITS) - 1)),
            Word::Seq => record.words[0] >> SITE_BITS,
            Word::Time => record.time_ms as u64,
            Word::At(at) => record.words[at],
        }
    }
}

/// Bytes of a text that is made, at most, beside an event id's constant ends.
pub const MADE: usize = 48;

impl Text {
    /// Bytes that it has at most, where it is made and not the record's own.
    pub fn most(&self) -> usize {
        match self {
            Text::Slot(_) => 0,
            Text::Digits(_) => MADE,
            Text::EventId(before, behind) => before.len() + behind.len() + MADE,
        }
    }

    /// Writes the text at `at`; where it ends.
    #[inline]
    pub fn write(&self, record: &View<'_>, page: &mut [u8], at: usize) -> usize {
        match self {
            Text::Slot(slot) => page.bytes(at, record.slot_text(*slot)),
            Text::Digits(word) => digits::signed(page, at, word.get(record) as i64),
            Text::EventId(before, behind) => {
                let at = page.bytes(at, before.as_bytes());
                let at = digits::unsigned(page, at, Word::Id.get(record));
                let at = page.bytes(at, b"/");
                let at = digits::unsigned(page, at, Word::Seq.get(record));
                page.bytes(at, behind.as_bytes())
            }
        }
    }
}

/// Writes a base-128 varint, the lowest group first; where it ends. Writes up to eight bytes beyond.
#[inline]
pub fn varint(page: &mut [u8], mut at: usize, mut v: u64) -> usize {
    if v < 0x80 {
        page[at] = v as u8;
        return at + 1;
    }
    if v < 1 << 56 {
        // Groups of seven bits are spread to bytes, in three steps.
        let x = (v & 0x0fff_ffff) | ((v & 0x00ff_ffff_f000_0000) << 4);
        let x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x0fff_c000_0fff_c000) << 2);
        let x = (x & 0x007f_007f_007f_007f) | ((x & 0x3f80_3f80_3f80_3f80) << 1);
        let bytes = (63 - v.leading_zeros() as usize) / 7 + 1;
        let more = 0x8080_8080_8080_8080 & ((1 << (8 * (bytes - 1))) - 1);
        page.word(at, x | more);
        return at + bytes;
    }
    while v >= 0x80 {
        page[at] = v as u8 | 0x80;
        v >>= 7;
        at += 1;
    }
    page[at] = v as u8;
    at + 1
}

/// Small magnitudes to small numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
#[inline]
pub fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

/// Writes a text behind the varint of its length, which `size` makes of the number of bytes; where it
/// ends.
#[inline]
pub fn sized(
    text: &Text,
    size: impl Fn(usize) -> u64,
    record: &View<'_>,
    page: &mut [u8],
    at: usize,
) -> usize {
    if let Text::Slot(slot) = text {
        let text = record.slot_text(*slot);
        let at = varint(page, at, size(text.len()));
        return page.bytes(at, text);
    }
    // Nearly always one byte.
    let end = text.write(record, page, at + 1);
    let size = size(end - at - 1);
    if size < 0x80 {
        page[at] = size as u8;
        return end;
    }
    let mut head = [0; 16];
    let len = varint(&mut head, 0, size);
    page.copy_within(at + 1..end, at + len);
    page.bytes(at, &head[..len]);
    end + len - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_what_a_loop_writes() {
        let check = |v: u64| {
            let (mut page, mut wanted, mut rest) = ([0; 32], Vec::new(), v);
            loop {
                wanted.push((rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 });
                rest >>= 7;
                if rest == 0 {
                    break;
                }
            }
            let end = varint(&mut page, 3, v);
            assert_eq!(page[3..end], wanted, "{v}");
        };
        for bit in 0..64 {
            for d in -2i64..=2 {
                check((1u64 << bit).wrapping_add_signed(d));
            }
        }
        let mut w = 7u64;
        for _ in 0..100_000 {
            w = w.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            check(w >> (w % 63));
        }
        assert_eq!([0, -1, 1, i64::MIN, i64::MAX].map(zigzag), [0, 1, 2, u64::MAX, u64::MAX - 1]);
    }
}
