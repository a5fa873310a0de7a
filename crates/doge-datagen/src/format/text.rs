//! JSON lines and CSV.
//!
//! For every emit site there is a plan: pieces that differ from event to event, and between them
//! fragments that do not. Names, punctuation, constants and whatever depends on the instant alone
//! are merged into fragments, which are rendered again only when the instant changes.
//!
//! ```text
//! {"timestamp":"2022-02-11T03:21:48.000Z","user":{"id":  17  ,"balance":  560  },"event":"login"}
//! '---------------- fragment 0 ------------------------'  id  '- frag. 1 -' slot '--- fragment 2 ---'
//! ```

use super::{TextBlock, TextFormat, digits};
use doge_core::batch::{CONST_TAG, Cell, Column, LOCAL_BITS, Layout, Run, SITE_BITS, Site, bytes_of};
use doge_core::expr::func::{TextBuf, double_text, duration_text, int_text, timestamp_text};
use doge_core::model::Field;
use doge_core::value::{Base, Value};
use std::sync::Arc;

/// Fragments are copied in steps of this many bytes.
const STEP: usize = 32;

/// Encodes the events of one output as text; immutable, shared by the workers.
#[derive(Debug)]
pub struct TextEncoder {
    layout: Arc<Layout>,
    format: TextFormat,
    header: Vec<u8>,
    /// By emit site; `None` where the event goes elsewhere.
    plans: Vec<Option<Plan>>,
    /// Constant strings as they stand in this format.
    constants: Vec<Vec<u8>>,
    /// Whether every event of the run belongs to the output.
    all: bool,
}

/// How an emit site is written.
#[derive(Debug)]
struct Plan {
    pieces: Vec<Piece>,
    fragments: Vec<Vec<Part>>,
    /// Bytes of a record at most, without dynamic text.
    most: usize,
    population: usize,
    slot_words: usize,
    strings: bool,
}

/// What a fragment is made of.
#[derive(Clone, Debug)]
enum Part {
    Bytes(Vec<u8>),
    /// The order time as RFC 3339.
    Time,
    /// The order time as a number.
    TimeMs,
}

/// A piece of a record; slots are word offsets behind the record's two header words.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Fragment(u32),
    Id,
    Seq,
    Int(u32),
    Double(u32),
    Bool(u32),
    Time(u32),
    Duration(u32),
    /// The n-th string of the record.
    Text(u32),
    /// Where the slot is null, writes the format's null and passes over the next `skip` pieces.
    OrNull { slot: u32, skip: u32 },
    /// A quote of a value that may be null.
    Quote,
}

/// What an encoder needs for each thread: fragments as rendered for one instant.
#[derive(Debug, Default)]
pub struct EncoderState {
    sites: Vec<Rendered>,
    texts: Vec<(usize, usize, bool)>,
}

/// What a call of [`TextEncoder::encode`] did.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'r> {
    /// Events appended.
    pub events: u64,
    /// Header words of the last of them.
    pub last: Option<(u64, u64)>,
    /// What is left of the run.
    pub rest: &'r [u64],
}

#[derive(Debug, Default)]
struct Rendered {
    time_ms: Option<i64>,
    bytes: Vec<u8>,
    /// Start and length of each fragment in `bytes`.
    at: Vec<(u32, u32)>,
}

impl TextEncoder {
    /// An encoder for the events marked in `events`. With `envelope` each event is wrapped as
    /// `{"event":...,"key":...,"timestamp":...,"value":{...}}` (JSON lines only).
    pub fn new(layout: Arc<Layout>, format: TextFormat, events: &[bool], envelope: bool) -> Self {
        let header = match format {
            TextFormat::Jsonl => Vec::new(),
            TextFormat::Csv => header(&layout, events),
        };
        let plans = layout.sites.iter().map(|site| {
            events[site.event].then(|| {
                let mut build = Build { layout: &layout, site, format, pieces: Vec::new(), open: Vec::new(), fragments: Vec::new(), most: 0 };
                match format {
                    TextFormat::Jsonl => build.json_line(envelope),
                    TextFormat::Csv => build.csv_line(),
                }
                build.finish()
            })
        });
        let plans: Vec<Option<Plan>> = plans.collect();
        let constants = layout.constants.iter().map(|text| {
            let mut out = Vec::new();
            match format {
                TextFormat::Jsonl => escape_json(text.as_bytes(), &mut out),
                TextFormat::Csv => quote_csv(text.as_bytes(), &mut out),
            }
            out
        });
        let constants = constants.collect();
        let all = plans.iter().all(Option::is_some);
        TextEncoder { format, header, plans, constants, layout, all }
    }

    /// What stands before the first event: the header line of CSV, empty for JSON lines.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Whether every event of the run belongs to the output.
    pub fn takes_all(&self) -> bool {
        self.all
    }

    fn null(&self) -> &'static [u8] {
        match self.format {
            TextFormat::Jsonl => b"null",
            TextFormat::Csv => b"",
        }
    }

    /// Appends the events of `run` that belong to the output until `out` holds `enough` bytes.
    pub fn encode<'r>(
        &self,
        state: &mut EncoderState,
        run: Run<'r>,
        out: &mut TextBlock,
        enough: usize,
    ) -> Encoded<'r> {
        if state.sites.len() < self.plans.len() {
            state.sites.resize_with(self.plans.len(), Rendered::default);
        }
        let mut words = run.words;
        let mut events = 0;
        let mut last = None;
        while out.len < enough
            && let [head, second, rest @ ..] = words
        {
            let site = (head & ((1 << SITE_BITS) - 1)) as usize;
            let Some(plan) = &self.plans[site] else {
                words = &words[self.layout.record_len(words)..];
                continue;
            };
            events += 1;
            last = Some((*head, *second));
            let rendered = &mut state.sites[site];
            if rendered.time_ms != Some(run.time_ms) {
                rendered.render(plan, run.time_ms);
            }
            let (slots, mut after) = rest.split_at(plan.slot_words);
            if plan.strings {
                state.texts.clear();
                for slot in &self.layout.sites[site].strings {
                    let w = slots[*slot as usize];
                    if w & CONST_TAG != 0 {
                        state.texts.push(((w & !CONST_TAG) as usize, 0, true));
                    } else {
                        let taken = (w as usize).div_ceil(8);
                        state.texts.push((rest.len() - after.len(), w as usize, false));
                        after = &after[taken..];
                    }
                }
            }
            words = after;
            out.room(plan.most);
            let mut at = out.len;
            let mut k = 0;
            while let Some(piece) = plan.pieces.get(k) {
                k += 1;
                let buf = out.bytes.as_mut_slice();
                match *piece {
                    Piece::Fragment(i) => {
                        let (start, len) = rendered.at[i as usize];
                        let (start, len) = (start as usize, len as usize);
                        let mut done = 0;
                        while done < len {
                            let from: &[u8] = &rendered.bytes[start + done..start + done + STEP];
                            buf[at + done..at + done + STEP].copy_from_slice(from);
                            done += STEP;
                        }
                        at += len;
                    }
                    Piece::Id => {
                        let id = self.layout.ids[plan.population].id(second & ((1 << LOCAL_BITS) - 1));
                        at = digits::unsigned(buf, at, id);
                    }
                    Piece::Seq => at = digits::unsigned(buf, at, head >> SITE_BITS),
                    Piece::Int(slot) => at = digits::signed(buf, at, slots[slot as usize] as i64),
                    Piece::Bool(slot) => {
                        let text: &[u8] = if slots[slot as usize] != 0 { b"true" } else { b"false" };
                        at = put(buf, at, text);
                    }
                    Piece::Double(slot) => {
                        let v = f64::from_bits(slots[slot as usize]);
                        at = put(buf, at, double_text(v, &mut TextBuf::new()).as_bytes());
                    }
                    Piece::Time(slot) => {
                        let text = &mut TextBuf::new();
                        at = put(buf, at, timestamp_text(slots[slot as usize] as i64, text).as_bytes());
                    }
                    Piece::Duration(slot) => {
                        let text = &mut TextBuf::new();
                        at = put(buf, at, duration_text(slots[slot as usize] as i64, text).as_bytes());
                    }
                    Piece::Text(n) => {
                        let (start, len, constant) = state.texts[n as usize];
                        out.len = at;
                        if constant {
                            let text = &self.constants[start];
                            out.room(text.len() + plan.most);
                            at = put(&mut out.bytes, at, text);
                        } else {
                            let words = &rest[start..start + len.div_ceil(8)];
                            out.room(len * 6 + 16 + plan.most);
                            at = match self.format {
                                TextFormat::Jsonl => json_text(words, len, &mut out.bytes, at),
                                TextFormat::Csv => csv_text(&bytes_of(words)[..len], &mut out.bytes, at),
                            };
                        }
                    }
                    Piece::OrNull { slot, skip } => {
                        if slots[slot as usize + 1] == 1 {
                            at = put(buf, at, self.null());
                            k += skip as usize;
                        }
                    }
                    Piece::Quote => {
                        buf[at] = b'"';
                        at += 1;
                    }
                }
            }
            out.len = at;
        }
        Encoded { events, last, rest: words }
    }
}

#[inline(always)]
fn put(out: &mut [u8], at: usize, text: &[u8]) -> usize {
    out[at..at + text.len()].copy_from_slice(text);
    at + text.len()
}

/// Text of `len` bytes in words, as the inside of a JSON string. Most needs no escape and is copied
/// by words.
fn json_text(words: &[u64], len: usize, out: &mut [u8], at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |w: u64| w.wrapping_sub(ONES) & !w & HIGH;
    let special = |w: u64| {
        // Below 0x20, a quote, a backslash.
        (w.wrapping_sub(ONES * 0x20) & !w & HIGH) | zero_bytes(w ^ (ONES * 0x22)) | zero_bytes(w ^ (ONES * 0x5c))
    };
    let mut found = 0;
    for (i, w) in words.iter().enumerate() {
        let mut w = u64::from_le_bytes(w.to_ne_bytes());
        let left = len - i * 8;
        if left < 8 {
            // What lies behind the text counts as blanks.
            w |= (ONES * 0x20) << (left * 8);
        }
        found |= special(w);
        out[at + i * 8..at + i * 8 + 8].copy_from_slice(&w.to_le_bytes());
    }
    if found == 0 {
        return at + len;
    }
    let mut escaped = Vec::with_capacity(len + 16);
    escape_json(&bytes_of(words)[..len], &mut escaped);
    put(out, at, &escaped)
}

/// Appends text as the inside of a JSON string: escapes `"`, `\`, `\b \f \n \r \t` and other controls
/// as `\u00xx`, nothing else.
fn escape_json(text: &[u8], out: &mut Vec<u8>) {
    for b in text {
        match *b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            c if c < 0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(c >> 4)], HEX[usize::from(c & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            c => out.push(c),
        }
    }
}

/// Appends text as a CSV field: quoted where it is empty or holds a comma, a quote, CR or LF.
fn quote_csv(text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() && !text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for b in text {
        if *b == b'"' {
            out.push(b'"');
        }
        out.push(*b);
    }
    out.push(b'"');
}

fn csv_text(text: &[u8], out: &mut [u8], at: usize) -> usize {
    if !text.is_empty() && !text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n')) {
        return put(out, at, text);
    }
    let mut quoted = Vec::with_capacity(text.len() + 8);
    quote_csv(text, &mut quoted);
    put(out, at, &quoted)
}

/// The header line of CSV: the columns of the one event.
fn header(layout: &Layout, events: &[bool]) -> Vec<u8> {
    let Some(event) = layout.events.iter().zip(events).find(|(_, taken)| **taken) else { return Vec::new() };
    let mut out = Vec::new();
    for (i, leaf) in event.0.leaves.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        quote_csv(leaf.column.as_bytes(), &mut out);
    }
    out.push(b'\n');
    out
}

impl Rendered {
    /// Renders the fragments for an instant. Each starts at a fixed offset with room for a copy in
    /// steps beyond its end.
    #[inline(never)]
    fn render(&mut self, plan: &Plan, time_ms: i64) {
        self.time_ms = Some(time_ms);
        self.bytes.clear();
        self.at.clear();
        let mut buf = TextBuf::new();
        for parts in &plan.fragments {
            let start = self.bytes.len();
            for part in parts {
                match part {
                    Part::Bytes(b) => self.bytes.extend_from_slice(b),
                    Part::Time => self.bytes.extend_from_slice(timestamp_text(time_ms, &mut buf).as_bytes()),
                    Part::TimeMs => self.bytes.extend_from_slice(int_text(time_ms, &mut buf).as_bytes()),
                }
            }
            let len = self.bytes.len() - start;
            self.at.push((start as u32, len as u32));
            self.bytes.resize(start + len + STEP, 0);
        }
    }
}

/// Builds the plan of a site.
struct Build<'a> {
    layout: &'a Layout,
    site: &'a Site,
    format: TextFormat,
    pieces: Vec<Piece>,
    /// The fragment being made.
    open: Vec<Part>,
    fragments: Vec<Vec<Part>>,
    most: usize,
}

impl Build<'_> {
    fn json_line(&mut self, envelope: bool) {
        let site = self.site;
        let event = &self.layout.events[site.event];
        if envelope {
            self.bytes(b"{\"event\":");
            self.json_name(&event.name);
            self.bytes(b",\"key\":");
            self.json_value(&site.key);
            self.bytes(b",\"timestamp\":");
            self.json_value(&site.time);
            self.bytes(b",\"value\":");
        }
        let fields = event.fields.clone();
        self.json_record(&fields);
        self.bytes(if envelope { b"}\n" } else { b"\n" });
    }

    fn json_record(&mut self, fields: &[Field]) {
        self.bytes(b"{");
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.bytes(b",");
            }
            match field {
                Field::Leaf(name, leaf) => {
                    self.json_name(name);
                    self.bytes(b":");
                    let column = &self.site.fields[*leaf];
                    self.json_value(column);
                }
                Field::Record(name, fields) => {
                    self.json_name(name);
                    self.bytes(b":");
                    self.json_record(fields);
                }
            }
        }
        self.bytes(b"}");
    }

    fn json_name(&mut self, name: &str) {
        let mut out = vec![b'"'];
        escape_json(name.as_bytes(), &mut out);
        out.push(b'"');
        self.bytes(&out);
    }

    fn json_value(&mut self, column: &Column) {
        let quoted = matches!(column.ty.base, Base::String | Base::Timestamp | Base::Duration);
        if column.cell == Cell::Const(Value::Null) {
            self.bytes(b"null");
            return;
        }
        if let (Cell::Slot(slot), true) = (&column.cell, column.ty.nullable) {
            self.or_null(*slot, column.ty.base, quoted);
            return;
        }
        if quoted {
            self.bytes(b"\"");
        }
        self.value(column);
        if quoted {
            self.bytes(b"\"");
        }
    }

    /// A value that may be null, in quotes of its own where it is not.
    fn or_null(&mut self, slot: u32, base: Base, quoted: bool) {
        self.piece(Piece::OrNull { slot, skip: 0 }, 4);
        let jump = self.pieces.len() - 1;
        if quoted {
            self.piece(Piece::Quote, 1);
        }
        self.slot(slot, base);
        if quoted {
            self.piece(Piece::Quote, 1);
        }
        let passed = (self.pieces.len() - jump - 1) as u32;
        self.pieces[jump] = Piece::OrNull { slot, skip: passed };
    }

    fn csv_line(&mut self) {
        for i in 0..self.site.fields.len() {
            if i > 0 {
                self.bytes(b",");
            }
            let column = &self.site.fields[i];
            if column.cell == Cell::Const(Value::Null) {
                continue;
            }
            if let (Cell::Slot(slot), true) = (&column.cell, column.ty.nullable) {
                self.or_null(*slot, column.ty.base, false);
                continue;
            }
            self.value(column);
        }
        self.bytes(b"\n");
    }

    /// A value that is never null, without quotes around it in JSON lines.
    fn value(&mut self, column: &Column) {
        let mut buf = TextBuf::new();
        match &column.cell {
            Cell::Id | Cell::IdText => self.piece(Piece::Id, digits::ROOM),
            Cell::Seq => self.piece(Piece::Seq, digits::ROOM),
            Cell::Time => self.open.push(Part::Time),
            Cell::TimeMs => self.open.push(Part::TimeMs),
            Cell::EventId => {
                let name = self.layout.populations[self.site.population].clone();
                self.text(&format!("{name}/"));
                self.piece(Piece::Id, digits::ROOM);
                self.bytes(b"/");
                self.piece(Piece::Seq, digits::ROOM);
                self.bytes(format!("/{}", self.site.pos).as_bytes());
            }
            Cell::Slot(slot) => self.slot(*slot, column.ty.base),
            Cell::SlotText(slot) => self.piece(Piece::Int(*slot), digits::ROOM),
            Cell::Const(value) => match value {
                Value::Int(v) => self.bytes(int_text(*v, &mut buf).as_bytes()),
                Value::Double(v) => self.bytes(double_text(*v, &mut buf).as_bytes()),
                Value::Bool(v) => self.bytes(if *v { b"true" } else { b"false" }),
                Value::Timestamp(v) => self.bytes(timestamp_text(*v, &mut buf).as_bytes()),
                Value::Duration(v) => self.bytes(duration_text(*v, &mut buf).as_bytes()),
                Value::String(v) => {
                    let v = v.clone();
                    self.text(&v);
                }
                Value::Null => {}
            },
        }
    }

    /// Constant text in the manner of the format.
    fn text(&mut self, text: &str) {
        let mut out = Vec::new();
        match self.format {
            TextFormat::Jsonl => escape_json(text.as_bytes(), &mut out),
            TextFormat::Csv => quote_csv(text.as_bytes(), &mut out),
        }
        self.bytes(&out);
    }

    fn slot(&mut self, slot: u32, base: Base) {
        match base {
            Base::Int => self.piece(Piece::Int(slot), digits::ROOM),
            Base::Double => self.piece(Piece::Double(slot), 32),
            Base::Bool => self.piece(Piece::Bool(slot), 8),
            Base::Timestamp => self.piece(Piece::Time(slot), 32),
            Base::Duration => self.piece(Piece::Duration(slot), 32),
            Base::String => {
                let n = self.site.strings.iter().position(|s| *s == slot).unwrap_or(0);
                self.piece(Piece::Text(n as u32), 0);
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match self.open.last_mut() {
            Some(Part::Bytes(open)) => open.extend_from_slice(bytes),
            _ => self.open.push(Part::Bytes(bytes.to_vec())),
        }
    }

    fn piece(&mut self, piece: Piece, most: usize) {
        self.close();
        self.pieces.push(piece);
        self.most += most;
    }

    /// Ends the fragment being made.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.open);
        let len = |p: &Part| match p {
            Part::Bytes(b) => b.len(),
            Part::Time | Part::TimeMs => 24,
        };
        self.most += parts.iter().map(len).sum::<usize>();
        self.pieces.push(Piece::Fragment(self.fragments.len() as u32));
        self.fragments.push(parts);
    }

    fn finish(mut self) -> Plan {
        self.close();
        Plan {
            pieces: self.pieces,
            fragments: self.fragments,
            most: self.most + STEP + digits::ROOM,
            population: self.site.population,
            slot_words: self.site.slot_words,
            strings: !self.site.strings.is_empty(),
        }
    }
}
