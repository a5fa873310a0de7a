//! Events of one kind as typed columns: what a columnar format or an analysis reads.
//!
//! A batch holds records, each with the words of its emit site. A [`ColumnReader`] turns the records of
//! one event into a vector for each field, in event order. What a column's values are is decided once for
//! each emit site; the loops over records only move words. They work on a few thousand records at a
//! time, so that these and what is made of them stay in the first caches.
//!
//! Deliberately not here: message keys and headers (a column is made of what `fields` says), nesting
//! (fields are leaves, depth first; [`Event::fields`](crate::model::Event::fields) has the tree), bytes of any format.

use crate::batch::{CONST_TAG, Cell, Column, EventBatch, LOCAL_BITS, Layout, SITE_BITS, Site, bytes_of};
use crate::value::{Base, Value};
use std::sync::Arc;

/// Records that are turned at a time.
const CHUNK: usize = 2048;
/// Marks a piece of text that lies in the pool of made and constant texts.
const POOL: usize = 1 << 63;

/// Texts, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    /// Where each text begins in `bytes`, then where the last one ends: one more than there are texts.
    pub offsets: Vec<usize>,
    /// UTF-8.
    pub bytes: Vec<u8>,
}

impl Strings {
    /// No text.
    pub fn new() -> Self {
        Strings { offsets: vec![0], bytes: Vec::new() }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of this number, `None` beyond the last.
    pub fn get(&self, row: usize) -> Option<&str> {
        let (from, to) = (*self.offsets.get(row)?, *self.offsets.get(row + 1)?);
        std::str::from_utf8(&self.bytes[from..to]).ok()
    }

    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.bytes.clear();
    }

    #[inline]
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len());
    }
}

impl Default for Strings {
    fn default() -> Self {
        Strings::new()
    }
}

/// The values of a column, by type. Where a value is null stands a 0, `false` or empty text.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Ints.
    Int(Vec<i64>),
    /// Doubles.
    Double(Vec<f64>),
    /// Bools.
    Bool(Vec<bool>),
    /// Texts.
    String(Strings),
    /// Milliseconds since the epoch.
    Timestamp(Vec<i64>),
    /// Milliseconds.
    Duration(Vec<i64>),
}

/// A field of an event for all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnData {
    /// Its values.
    pub values: Values,
    /// By row, whether there is a value; `None` where the type has no null.
    pub validity: Option<Vec<bool>>,
}

/// The events of one kind, column by column; rows are in event order.
///
/// ```
/// # use doge_core::{columns::Values, engine::{Engine, Program, Selection, Tuning, Worker}};
/// # let text = "clock: { start: 0, tick: 1s, ticks: 3 }
/// # subjects: { u: { count: 2, states: { on: { transitions: { t: { probability: 100%, emit: e } } } } } }
/// # events: { e: { fields: { who: id, text: trigger } } }";
/// # let (spec, _) = doge_core::spec::parse(text, "m.yaml").unwrap();
/// # let (model, _) = doge_core::compile::compile(&spec).unwrap();
/// # let program = std::sync::Arc::new(Program::new(&model, &Selection::all(&model)).unwrap());
/// # let mut engine = Engine::new(program.clone(), Tuning::default());
/// # let mut worker = Worker::new(&program);
/// # let mut batch = doge_core::batch::EventBatch::new(program.layout.clone());
/// # engine.advance(&mut worker, 3, &mut batch).unwrap();
/// let columns = batch.columns(0); // of the first event of the model
/// assert_eq!(columns.order_time_ms, [0, 0, 1000, 1000, 2000, 2000]);
/// assert_eq!(columns.fields[0].values, Values::Int(vec![0, 1, 0, 1, 0, 1]));
/// let Values::String(triggers) = &columns.fields[1].values else { panic!() };
/// assert_eq!(triggers.get(5), Some("t"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Index of the subject's population.
    pub population: Vec<u32>,
    /// Id of the subject.
    pub id: Vec<u64>,
    /// Number of the attempt, from 1.
    pub seq: Vec<u64>,
    /// Place in the emit list, from 0.
    pub pos: Vec<u32>,
    /// The attempt's instant, by which events are ordered, milliseconds since the epoch.
    pub order_time_ms: Vec<i64>,
    /// The record's time: the event's own `timestamp`, else the order time; milliseconds since the
    /// epoch.
    pub record_time_ms: Vec<i64>,
    /// The leaves of the event's fields, in the order of [`leaves`](crate::model::Event::leaves).
    pub fields: Vec<ColumnData>,
}

impl Columns {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// Drops the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.population.clear();
        self.id.clear();
        self.seq.clear();
        self.pos.clear();
        self.order_time_ms.clear();
        self.record_time_ms.clear();
        for field in &mut self.fields {
            match &mut field.values {
                Values::Int(v) | Values::Timestamp(v) | Values::Duration(v) => v.clear(),
                Values::Double(v) => v.clear(),
                Values::Bool(v) => v.clear(),
                Values::String(v) => v.clear(),
            }
            if let Some(validity) = &mut field.validity {
                validity.clear();
            }
        }
    }
}

impl EventBatch {
    /// The events of one kind (by index in the layout's events) as columns. For many batches, a
    /// [`ColumnReader`] and columns that are cleared in between save the memory.
    ///
    /// # Panics
    /// The layout has no such event.
    pub fn columns(&self, event: usize) -> Columns {
        let mut reader = ColumnReader::new(&self.layout, event);
        let mut columns = reader.columns();
        reader.append(self, &mut columns);
        columns
    }
}

/// Turns the events of one kind into columns.
#[derive(Clone, Debug)]
pub struct ColumnReader {
    layout: Arc<Layout>,
    event: usize,
    /// By emit site of the layout.
    sites: Vec<SiteInfo>,
    time: Plan,
    plans: Vec<Plan>,
    /// Whether some column is made site by site.
    by_site: bool,
    chunk: Chunk,
}

/// What is known of an emit site.
#[derive(Clone, Copy, Debug)]
struct SiteInfo {
    /// Its number among the sites of the event; [`OTHER`] for those of other events.
    local: u32,
    /// Words of its records, without text.
    words: usize,
    /// Whether its records have text.
    texts: bool,
    population: u32,
    pos: u32,
}

const OTHER: u32 = u32::MAX;

/// How a column is made.
#[derive(Clone, Debug)]
struct Plan {
    /// Index in the layout and the column there, of each site of the event.
    sites: Vec<(usize, Column)>,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    /// The subject's id, at all sites.
    Id,
    /// The order time, at all sites.
    Time,
    /// A word of the record; which one, by site.
    Word(Vec<usize>),
    /// A text for each site.
    Text(Vec<Box<[u8]>>),
    /// Site by site.
    Scatter,
}

impl Plan {
    fn new(sites: Vec<(usize, Column)>) -> Plan {
        let nullable = sites.iter().any(|(_, c)| c.ty.nullable);
        let all = |cell: &Cell| sites.iter().all(|(_, c)| c.cell == *cell);
        let words = || {
            let word = |(_, c): &(usize, Column)| match c.cell {
                Cell::Slot(slot) if c.ty.base != Base::String => Some(2 + slot as usize),
                _ => None,
            };
            sites.iter().map(word).collect::<Option<Vec<_>>>()
        };
        let texts = || {
            let text = |(_, c): &(usize, Column)| match &c.cell {
                Cell::Const(Value::String(text)) => Some(text.as_bytes().into()),
                _ => None,
            };
            sites.iter().map(text).collect::<Option<Vec<_>>>()
        };
        let how = if nullable {
            How::Scatter
        } else if all(&Cell::Id) {
            How::Id
        } else if all(&Cell::Time) || all(&Cell::TimeMs) {
            How::Time
        } else if let Some(words) = words() {
            How::Word(words)
        } else if let Some(texts) = texts() {
            How::Text(texts)
        } else {
            How::Scatter
        };
        Plan { sites, how }
    }
}

/// Some records of the event, and scratch space.
#[derive(Clone, Debug, Default)]
struct Chunk {
    /// First word of each record in the batch.
    at: Vec<usize>,
    /// Number of its site among the event's.
    site: Vec<u32>,
    /// Its order time.
    time_ms: Vec<i64>,
    /// Rows of each site, counted from the start of the chunk.
    rows: Vec<Vec<u32>>,
    texts: Texts,
}

/// Texts of one column, on their way from wherever they are.
#[derive(Clone, Debug, Default)]
struct Texts {
    /// Start and length of each row's text, in the batch's bytes or, with [`POOL`], in `pool`.
    pieces: Vec<(usize, usize)>,
    /// The layout's constants, then what is made for the column.
    pool: Vec<u8>,
    /// Start and length of each of the layout's constants.
    constants: Vec<(usize, usize)>,
}

impl Texts {
    fn new(constants: &[String]) -> Texts {
        let mut texts = Texts::default();
        for constant in constants {
            let piece = texts.add(constant.as_bytes());
            texts.constants.push(piece);
        }
        texts
    }

    fn add(&mut self, text: &[u8]) -> (usize, usize) {
        let start = self.pool.len();
        self.pool.extend_from_slice(text);
        (start | POOL, text.len())
    }

    /// Makes room for the texts of a column.
    fn begin(&mut self, rows: usize) {
        self.pool.truncate(self.constants.last().map_or(0, |(start, len)| (start & !POOL) + len));
        self.pieces.clear();
        self.pieces.resize(rows, (POOL, 0));
    }

    /// Appends the texts in the order of rows.
    fn finish(&self, words: &[u64], strings: &mut Strings) {
        let bytes = bytes_of(words);
        for (start, len) in &self.pieces {
            let from = if start & POOL == 0 { bytes } else { &self.pool };
            let start = start & !POOL;
            strings.push(&from[start..start + len]);
        }
    }
}

impl ColumnReader {
    /// A reader of the event of this index in `layout`.
    ///
    /// # Panics
    /// The layout has no such event.
    pub fn new(layout: &Arc<Layout>, event: usize) -> ColumnReader {
        let mine: Vec<usize> = (0..layout.sites.len()).filter(|i| layout.sites[*i].event == event).collect();
        let mut sites: Vec<SiteInfo> = layout
            .sites
            .iter()
            .map(|site| SiteInfo {
                local: OTHER,
                words: 2 + site.slot_words,
                texts: !site.strings.is_empty(),
                population: site.population as u32,
                pos: site.pos,
            })
            .collect();
        for (local, site) in mine.iter().enumerate() {
            sites[*site].local = local as u32;
        }
        let plan = |column: &dyn Fn(&Site) -> &Column| {
            Plan::new(mine.iter().map(|i| (*i, column(&layout.sites[*i]).clone())).collect())
        };
        let time = plan(&|site| &site.time);
        let plans: Vec<Plan> = (0..layout.events[event].leaves.len()).map(|k| plan(&|site| &site.fields[k])).collect();
        let by_site = std::iter::once(&time).chain(&plans).any(|p| matches!(p.how, How::Scatter));
        let chunk =
            Chunk { rows: vec![Vec::new(); mine.len()], texts: Texts::new(&layout.constants), ..Chunk::default() };
        ColumnReader { layout: layout.clone(), event, sites, time, plans, by_site, chunk }
    }

    /// Columns of the right types, without rows.
    pub fn columns(&self) -> Columns {
        let fields = self.layout.events[self.event].leaves.iter().map(|leaf| ColumnData {
            values: match leaf.ty.base {
                Base::Int => Values::Int(Vec::new()),
                Base::Double => Values::Double(Vec::new()),
                Base::Bool => Values::Bool(Vec::new()),
                Base::String => Values::String(Strings::new()),
                Base::Timestamp => Values::Timestamp(Vec::new()),
                Base::Duration => Values::Duration(Vec::new()),
            },
            validity: leaf.ty.nullable.then(Vec::new),
        });
        Columns { fields: fields.collect(), ..Columns::default() }
    }

    /// Appends the reader's events of a batch (of the same layout) to columns that
    /// [`ColumnReader::columns`] made. Other events are passed over.
    pub fn append(&mut self, batch: &EventBatch, columns: &mut Columns) {
        let words = batch.words.as_slice();
        for (i, (time_ms, start)) in batch.runs.iter().enumerate() {
            let end = batch.runs.get(i + 1).map_or(words.len(), |next| next.1);
            let mut at = *start;
            while at < end {
                let site = &self.sites[(words[at] & ((1 << SITE_BITS) - 1)) as usize];
                let len = if site.texts { self.layout.record_len(&words[at..]) } else { site.words };
                if site.local != OTHER {
                    self.chunk.at.push(at);
                    self.chunk.site.push(site.local);
                    self.chunk.time_ms.push(*time_ms);
                    if self.chunk.at.len() == CHUNK {
                        self.turn(words, columns);
                    }
                }
                at += len;
            }
        }
        self.turn(words, columns);
    }

    /// Appends the records of the chunk.
    fn turn(&mut self, words: &[u64], columns: &mut Columns) {
        let chunk = &mut self.chunk;
        // Every column of the key from its own loop: short and without branches.
        let local = |at: usize| words[at + 1] & ((1 << LOCAL_BITS) - 1);
        let mine = &self.time.sites;
        let info = |site: &u32| &self.sites[mine[*site as usize].0];
        let first_row = columns.id.len();
        columns.population.extend(chunk.site.iter().map(|s| info(s).population));
        columns.pos.extend(chunk.site.iter().map(|s| info(s).pos));
        columns.seq.extend(chunk.at.iter().map(|at| words[*at] >> SITE_BITS));
        let maps = &self.layout.ids;
        if let [map] = maps.as_slice() {
            let map = *map;
            columns.id.extend(chunk.at.iter().map(|at| map.id(local(*at))));
        } else {
            let rows = chunk.at.iter().zip(&chunk.site);
            columns.id.extend(rows.map(|(at, s)| maps[info(s).population as usize].id(local(*at))));
        }
        columns.order_time_ms.extend_from_slice(&chunk.time_ms);
        if self.by_site {
            chunk.rows.iter_mut().for_each(Vec::clear);
            for (row, site) in chunk.site.iter().enumerate() {
                chunk.rows[*site as usize].push(row as u32);
            }
        }
        let mut source = Source { layout: &self.layout, words, ids: &columns.id[first_row..], chunk };
        source.fixed(&self.time, &mut columns.record_time_ms, |w| w as i64);
        for (plan, field) in self.plans.iter().zip(&mut columns.fields) {
            match &mut field.values {
                Values::Int(v) | Values::Timestamp(v) | Values::Duration(v) => source.fixed(plan, v, |w| w as i64),
                Values::Double(v) => source.fixed(plan, v, f64::from_bits),
                Values::Bool(v) => source.fixed(plan, v, |w| w != 0),
                Values::String(v) => source.texts(plan, v),
            }
            if let Some(validity) = &mut field.validity {
                source.validity(plan, validity);
            }
        }
        chunk.at.clear();
        chunk.site.clear();
        chunk.time_ms.clear();
    }
}

/// Where the values of a chunk's columns come from.
struct Source<'a> {
    layout: &'a Layout,
    words: &'a [u64],
    /// Ids of the chunk's rows.
    ids: &'a [u64],
    chunk: &'a mut Chunk,
}

impl Source<'_> {
    /// Appends a column whose values are words.
    fn fixed<T: Copy + Default>(&self, plan: &Plan, out: &mut Vec<T>, of: impl Fn(u64) -> T) {
        let Chunk { at, site, time_ms, rows, .. } = &*self.chunk;
        let words = self.words;
        match &plan.how {
            How::Id => out.extend(self.ids.iter().map(|id| of(*id))),
            How::Time => out.extend(time_ms.iter().map(|t| of(*t as u64))),
            How::Word(by_site) => {
                out.extend(at.iter().zip(site).map(|(at, s)| of(words[at + by_site[*s as usize]])));
            }
            How::Text(_) | How::Scatter => {
                let first = out.len();
                out.resize(first + at.len(), T::default());
                let out = &mut out[first..];
                for ((_, column), rows) in plan.sites.iter().zip(rows) {
                    match &column.cell {
                        Cell::Const(value) => {
                            let value = of(constant(value));
                            scatter(rows, out, |_| value);
                        }
                        Cell::Id => scatter(rows, out, |row| of(self.ids[row])),
                        Cell::Time | Cell::TimeMs => scatter(rows, out, |row| of(time_ms[row] as u64)),
                        Cell::Seq => scatter(rows, out, |row| of(words[at[row]] >> SITE_BITS)),
                        Cell::Slot(slot) if column.ty.nullable => {
                            let slot = 2 + *slot as usize;
                            scatter(rows, out, |row| {
                                // What stands in the word of a null is nobody's business.
                                let null = words[at[row] + slot + 1] == 1;
                                if null { T::default() } else { of(words[at[row] + slot]) }
                            });
                        }
                        Cell::Slot(slot) => {
                            let slot = 2 + *slot as usize;
                            scatter(rows, out, |row| of(words[at[row] + slot]));
                        }
                        // Texts, which are no words.
                        Cell::IdText | Cell::EventId | Cell::SlotText(_) => {}
                    }
                }
            }
        }
    }

    /// Appends, by row, whether the column has a value.
    fn validity(&self, plan: &Plan, out: &mut Vec<bool>) {
        let Chunk { at, rows, .. } = &*self.chunk;
        let first = out.len();
        out.resize(first + at.len(), true);
        let out = &mut out[first..];
        // A column whose type has null at some site is made site by site, so `rows` is filled.
        for ((_, column), rows) in plan.sites.iter().zip(rows) {
            match column.cell {
                Cell::Const(Value::Null) => scatter(rows, out, |_| false),
                Cell::Slot(slot) if column.ty.nullable => {
                    let flag = 3 + slot as usize;
                    scatter(rows, out, |row| self.words[at[row] + flag] != 1);
                }
                _ => {}
            }
        }
    }

    /// Appends a column of texts.
    fn texts(&mut self, plan: &Plan, out: &mut Strings) {
        let Chunk { at, site, rows, texts, .. } = &mut *self.chunk;
        if let How::Text(by_site) = &plan.how {
            site.iter().for_each(|s| out.push(&by_site[*s as usize]));
            return;
        }
        texts.begin(at.len());
        for ((index, column), rows) in plan.sites.iter().zip(rows) {
            let site = &self.layout.sites[*index];
            let seq = |row: usize| self.words[at[row]] >> SITE_BITS;
            match &column.cell {
                Cell::Const(Value::String(text)) => {
                    let piece = texts.add(text.as_bytes());
                    scatter(rows, &mut texts.pieces, |_| piece);
                }
                Cell::Slot(slot) => {
                    let constants = &texts.constants;
                    scatter(rows, &mut texts.pieces, |row| {
                        let record = &self.words[at[row]..];
                        if column.ty.nullable && record[3 + *slot as usize] == 1 {
                            return (POOL, 0);
                        }
                        let word = record[2 + *slot as usize];
                        if word & CONST_TAG != 0 {
                            return constants[(word & !CONST_TAG) as usize];
                        }
                        let before = site.strings.iter().take_while(|s| *s != slot);
                        let before = before.map(|s| match record[2 + *s as usize] {
                            word if word & CONST_TAG == 0 => (word as usize).div_ceil(8),
                            _ => 0,
                        });
                        let first = at[row] + 2 + site.slot_words + before.sum::<usize>();
                        (first * 8, word as usize)
                    });
                }
                Cell::IdText => {
                    let mut digits = itoa::Buffer::new();
                    for row in rows {
                        let row = *row as usize;
                        texts.pieces[row] = texts.add(digits.format(self.ids[row]).as_bytes());
                    }
                }
                Cell::SlotText(slot) => {
                    let mut digits = itoa::Buffer::new();
                    for row in rows {
                        let row = *row as usize;
                        let value = self.words[at[row] + 2 + *slot as usize] as i64;
                        texts.pieces[row] = texts.add(digits.format(value).as_bytes());
                    }
                }
                Cell::EventId => {
                    let name = &self.layout.populations[site.population];
                    for row in rows {
                        let row = *row as usize;
                        let text = format!("{name}/{}/{}/{}", self.ids[row], seq(row), site.pos);
                        texts.pieces[row] = texts.add(text.as_bytes());
                    }
                }
                // Null is no text; the others are no texts.
                Cell::Const(_) | Cell::Id | Cell::Time | Cell::TimeMs | Cell::Seq => {}
            }
        }
        texts.finish(self.words, out);
    }
}

/// Gives each of the rows its value.
#[inline(always)]
fn scatter<T>(rows: &[u32], out: &mut [T], value: impl Fn(usize) -> T) {
    for row in rows {
        out[*row as usize] = value(*row as usize);
    }
}

/// The word of a constant that is no text.
fn constant(value: &Value) -> u64 {
    match value {
        Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => *v as u64,
        Value::Double(v) => v.to_bits(),
        Value::Bool(v) => u64::from(*v),
        Value::String(_) | Value::Null => 0,
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
