//! Events in order, as they cross from the engine to the outside.
//!
//! An [`EventBatch`] holds records of 64-bit words, in event order, and a [`Layout`] that says what
//! the words of each *emit site* (one event in one transition's emit list) mean. Values that are
//! functions of the record's key (`id`, `timestamp`, constants such as the trigger) take no word.
//!
//! ```text
//! record = | seq << 20 | site | tick offset << 40 | local id | slot 0 | slot 1 | ... | bytes of strings |
//!          '------ w0 -------''----------- w1 -------------''--- one word each --''- padded to words -'
//! ```
//!
//! A slot of a string holds its length in bytes, its text follows at the end of the record in slot
//! order; or, with bit 63 set, the index of one of the layout's constants. A nullable slot is
//! followed by a slot that is 1 where it is null. Bytes are made by formats, not here.

use crate::model::Event;
use crate::value::{Base, Ty, ValueRef};
use std::sync::Arc;

/// Bits of `w0` that hold the emit site.
pub const SITE_BITS: u32 = 20;
/// Bits of `w1` that hold the local id.
pub const LOCAL_BITS: u32 = 40;
/// Marks a string slot that names a constant of the layout.
pub const CONST_TAG: u64 = 1 << 63;

/// Where a value of an event comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Always this.
    Const(crate::value::Value),
    /// The subject's id, int.
    Id,
    /// The subject's id as text.
    IdText,
    /// The order time.
    Time,
    /// The order time as an int, milliseconds since the epoch.
    TimeMs,
    /// The attempt's number.
    Seq,
    /// `population/id/seq/pos`.
    EventId,
    /// The words from this slot on.
    Slot(u32),
    /// The int at this slot, as text.
    SlotText(u32),
}

/// A value of an event with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Where it comes from.
    pub cell: Cell,
    /// Its type at this site.
    pub ty: Ty,
}

/// One event in one transition's emit list.
#[derive(Clone, Debug)]
pub struct Site {
    /// Index of the event.
    pub event: usize,
    /// Index of the population.
    pub population: usize,
    /// State and transition, by index, for reports.
    pub transition: (usize, usize),
    /// Place in the emit list.
    pub pos: u32,
    /// Types of the slots; a nullable one takes two.
    pub slots: Vec<Ty>,
    /// Words of all slots.
    pub slot_words: usize,
    /// First words of the slots that hold strings, ascending.
    pub strings: Vec<u32>,
    /// The leaves of the event's fields.
    pub fields: Vec<Column>,
    /// The message key.
    pub key: Column,
    /// The record's time.
    pub time: Column,
    /// The headers.
    pub headers: Vec<Column>,
}

/// How a population's local ids (`0, 1, ...` of what this run generates) become ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The id of local 0 where there is one shard.
    pub first: u64,
    /// Local ids.
    pub count: u64,
    /// The number of shards; blocks of 64 ids go round.
    pub shards: u64,
    /// The first block, from 0, and its first id to be used, where there are several shards.
    pub block: u64,
    /// Ids skipped at the start of the first block.
    pub skip: u64,
}

/// Ids in a block of a shard.
pub const BLOCK: u64 = 64;

impl IdMap {
    /// All ids of `from..to`.
    pub fn range(from: u64, to: u64) -> Self {
        IdMap { first: from, count: to.saturating_sub(from), shards: 1, block: 0, skip: 0 }
    }

    /// Those of `from..to` that lie in shard `shard` (from 0) of `shards`.
    pub fn shard(from: u64, to: u64, shard: u64, shards: u64) -> Self {
        if shards == 1 {
            return Self::range(from, to);
        }
        // The first block of the shard that has an id >= from.
        let first_block = from / BLOCK;
        let block = first_block + (shard + shards - first_block % shards) % shards;
        let skip = if block == first_block { from % BLOCK } else { 0 };
        let start = block * BLOCK + skip;
        let count = if start >= to {
            0
        } else {
            let last_block = (to - 1) / BLOCK;
            let blocks = (last_block - block) / shards;
            let last = block + blocks * shards;
            let in_last = if last == last_block { (to - 1) % BLOCK + 1 } else { BLOCK };
            blocks * BLOCK + in_last - skip
        };
        IdMap { first: from, count, shards, block, skip }
    }

    /// The id of local id 0 where all ids follow on each other.
    pub fn first(&self) -> Option<u64> {
        (self.shards == 1).then_some(self.first)
    }

    /// The id of a local id.
    #[inline]
    pub fn id(&self, local: u64) -> u64 {
        if self.shards == 1 {
            self.first + local
        } else {
            let at = local + self.skip;
            (self.block + at / BLOCK * self.shards) * BLOCK + at % BLOCK
        }
    }
}

/// What the words of records mean; shared by all batches of a run.
#[derive(Debug)]
pub struct Layout {
    /// Events of the model.
    pub events: Vec<Event>,
    /// Which of them are generated in this run.
    pub selected: Vec<bool>,
    /// Emit sites.
    pub sites: Vec<Site>,
    /// Names of the populations.
    pub populations: Vec<String>,
    /// Names of each population's states with those of their transitions.
    pub names: Vec<Vec<(String, Vec<String>)>>,
    /// Local ids of each population.
    pub ids: Vec<IdMap>,
    /// Constant strings that slots refer to.
    pub constants: Vec<String>,
}

impl Layout {
    /// Words of the record that begins at `words[0]`.
    #[inline]
    pub fn record_len(&self, words: &[u64]) -> usize {
        let site = &self.sites[(words[0] & ((1 << SITE_BITS) - 1)) as usize];
        let mut len = 2 + site.slot_words;
        for slot in &site.strings {
            let w = words[2 + *slot as usize];
            if w & CONST_TAG == 0 {
                len += (w as usize).div_ceil(8);
            }
        }
        len
    }
}

/// Records of one instant and one population, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Their order time, milliseconds since the epoch.
    pub time_ms: i64,
    /// The records.
    pub words: &'a [u64],
}

/// Events in order. Owns its records; see the module's head.
#[derive(Clone, Debug)]
pub struct EventBatch {
    /// What the words mean.
    pub layout: Arc<Layout>,
    pub(crate) words: Vec<u64>,
    /// Order time and first word of each run.
    pub(crate) runs: Vec<(i64, usize)>,
    len: u64,
}

/// The full key of an event: its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Order time, milliseconds since the epoch.
    pub time_ms: i64,
    /// Index of the population.
    pub population: u32,
    /// Id of the subject.
    pub id: u64,
    /// Number of the attempt.
    pub seq: u64,
    /// Place in the emit list.
    pub pos: u32,
}

impl EventBatch {
    /// A batch without events.
    pub fn new(layout: Arc<Layout>) -> Self {
        EventBatch { layout, words: Vec::new(), runs: Vec::new(), len: 0 }
    }

    /// Number of events.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Drops the events, keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.runs.clear();
        self.len = 0;
    }

    /// Appends one record (its two header words, slots and strings) that happened at `time_ms`.
    /// Records must come in event order.
    pub fn push(&mut self, time_ms: i64, record: &[u64]) {
        if self.runs.last().is_none_or(|(t, _)| *t != time_ms) {
            self.runs.push((time_ms, self.words.len()));
        }
        self.words.extend_from_slice(record);
        self.len += 1;
    }

    /// Its runs of records with one order time, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().enumerate().map(|(i, (time_ms, start))| {
            let end = self.runs.get(i + 1).map_or(self.words.len(), |r| r.1);
            Run { time_ms: *time_ms, words: &self.words[*start..end] }
        })
    }

    /// Its events in order.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'_>> {
        self.runs().flat_map(|run| run.events(&self.layout))
    }
}

impl<'a> Run<'a> {
    /// The events of the run in order.
    pub fn events(self, layout: &'a Layout) -> impl Iterator<Item = EventRef<'a>> {
        let mut words = self.words;
        std::iter::from_fn(move || {
            if words.is_empty() {
                return None;
            }
            let len = layout.record_len(words);
            let (record, rest) = words.split_at(len);
            words = rest;
            Some(EventRef { layout, time_ms: self.time_ms, record })
        })
    }
}

/// One event of a batch. Convenient rather than fast: text formats read runs by a plan of their own.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    layout: &'a Layout,
    /// Order time, milliseconds since the epoch.
    pub time_ms: i64,
    record: &'a [u64],
}

/// Scratch space for values whose text must be made ([`Cell::IdText`], [`Cell::EventId`],
/// [`Cell::SlotText`]).
pub type TextBuffer = String;

impl<'a> EventRef<'a> {
    /// The emit site.
    #[inline]
    pub fn site(&self) -> &'a Site {
        &self.layout.sites[self.site_index()]
    }

    /// Index of the emit site in the layout.
    #[inline]
    pub fn site_index(&self) -> usize {
        (self.record[0] & ((1 << SITE_BITS) - 1)) as usize
    }

    /// The record's words.
    #[inline]
    pub fn record(&self) -> &'a [u64] {
        self.record
    }

    /// Number of the attempt, from 1.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.record[0] >> SITE_BITS
    }

    /// Id of the subject.
    #[inline]
    pub fn id(&self) -> u64 {
        let local = self.record[1] & ((1 << LOCAL_BITS) - 1);
        self.layout.ids[self.site().population].id(local)
    }

    /// The event's place in the order.
    pub fn position(&self) -> Position {
        self.layout.position(self.time_ms, self.record[0], self.record[1])
    }

    /// The value of a column of this event's site; `text` holds what must be made.
    pub fn value<'b>(&self, column: &'b Column, text: &'b mut TextBuffer) -> ValueRef<'b>
    where
        'a: 'b,
    {
        use std::fmt::Write;
        match &column.cell {
            Cell::Const(v) => v.as_ref(),
            Cell::Id => ValueRef::Int(self.id() as i64),
            Cell::Time => ValueRef::Timestamp(self.time_ms),
            Cell::TimeMs => ValueRef::Int(self.time_ms),
            Cell::Seq => ValueRef::Int(self.seq() as i64),
            Cell::IdText => {
                text.clear();
                let _ = write!(text, "{}", self.id());
                ValueRef::String(text)
            }
            Cell::EventId => {
                text.clear();
                let site = self.site();
                let name = &self.layout.populations[site.population];
                let _ = write!(text, "{name}/{}/{}/{}", self.id(), self.seq(), site.pos);
                ValueRef::String(text)
            }
            Cell::SlotText(slot) => {
                text.clear();
                let _ = write!(text, "{}", self.record[2 + *slot as usize] as i64);
                ValueRef::String(text)
            }
            Cell::Slot(slot) => self.slot(*slot, column.ty),
        }
    }

    fn slot(&self, slot: u32, ty: Ty) -> ValueRef<'a> {
        let at = 2 + slot as usize;
        let w = self.record[at];
        if ty.nullable && self.record[at + 1] == 1 {
            return ValueRef::Null;
        }
        match ty.base {
            Base::Int => ValueRef::Int(w as i64),
            Base::Double => ValueRef::Double(f64::from_bits(w)),
            Base::Bool => ValueRef::Bool(w != 0),
            Base::Timestamp => ValueRef::Timestamp(w as i64),
            Base::Duration => ValueRef::Duration(w as i64),
            Base::String => ValueRef::String(self.string(slot, w)),
        }
    }

    /// The text of the string slot whose word is `w`.
    fn string(&self, slot: u32, w: u64) -> &'a str {
        if w & CONST_TAG != 0 {
            return &self.layout.constants[(w & !CONST_TAG) as usize];
        }
        let site = self.site();
        let mut at = 2 + site.slot_words;
        for s in &site.strings {
            if *s == slot {
                break;
            }
            let w = self.record[2 + *s as usize];
            if w & CONST_TAG == 0 {
                at += (w as usize).div_ceil(8);
            }
        }
        text_of(&self.record[at..], w as usize)
    }
}

/// The first `len` bytes of words that hold text, little-endian.
#[inline]
pub fn text_of(words: &[u64], len: usize) -> &str {
    std::str::from_utf8(&bytes_of(words)[..len]).unwrap_or("")
}

/// The bytes of words that hold text.
#[inline]
pub fn bytes_of(words: &[u64]) -> &[u8] {
    bytemuck::cast_slice(words)
}

impl Site {
    /// Whether the slot that begins at this word may be null.
    pub fn is_nullable(&self, word: u32) -> bool {
        let mut at = 0;
        for ty in &self.slots {
            if at == word {
                return ty.nullable;
            }
            at += 1 + u32::from(ty.nullable);
        }
        false
    }
}

impl Layout {
    /// The place in the order of the record with these header words that happened at `time_ms`.
    pub fn position(&self, time_ms: i64, head: u64, second: u64) -> Position {
        let site = &self.sites[(head & ((1 << SITE_BITS) - 1)) as usize];
        Position {
            time_ms,
            population: site.population as u32,
            id: self.ids[site.population].id(second & ((1 << LOCAL_BITS) - 1)),
            seq: head >> SITE_BITS,
            pos: site.pos,
        }
    }
}
