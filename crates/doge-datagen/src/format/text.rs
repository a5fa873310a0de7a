//! JSON lines and CSV.
//!
//! For every emit site there is a plan: values that differ from event to event, and between them
//! fragments that do not. Names, punctuation, constants and whatever depends on the instant alone
//! are merged into fragments, which are rendered again only when the instant changes.
//!
//! ```text
//! {"timestamp":"2022-02-11T03:21:48.000Z","user":{"id":  17  ,"balance":  560  },"event":"login"}
//! '---------------- fragment 0 ------------------------'  id  '- frag. 1 -' slot '--- fragment 2 ---'
//! ```

use super::pen::{BLOCK, Block, FULL, GROUP, Page};
use super::plan::{Build, Manner, Part, Piece, Plan, What};
use super::{TextBlock, TextFormat, digits};
use doge_core::batch::{CONST_TAG, IdMap, LOCAL_BITS, Layout, Run, SITE_BITS, Site, bytes_of};
use doge_core::expr::func::{TextBuf, double_text, duration_text, int_text, timestamp_text};
use std::sync::Arc;

/// Encodes the events of one output as text; immutable, shared by the workers.
#[derive(Debug)]
pub struct TextEncoder {
    layout: Arc<Layout>,
    manner: Manner,
    header: Vec<u8>,
    /// By emit site; `None` where the event goes elsewhere.
    plans: Vec<Option<Plan>>,
    /// Constant strings as they stand in this format.
    constants: Vec<Vec<u8>>,
}

/// What an encoder needs for each thread: fragments as rendered for one instant.
#[derive(Debug, Default)]
pub struct EncoderState {
    sites: Vec<Rendered>,
    texts: Vec<Text>,
}

/// A string of the record at hand.
#[derive(Clone, Copy, Debug)]
enum Text {
    Constant(usize),
    /// First word behind the header, and bytes.
    Here(usize, usize),
}

/// A site's plan as it is for an instant, with all that a record needs.
#[derive(Debug)]
struct Rendered {
    /// Which instant; [`NO_TIME`] at first, and for sites of other outputs always.
    time_ms: i64,
    steps: Vec<Step>,
    /// Where fragments are made.
    text: Vec<u8>,
    most: usize,
    slot_words: usize,
    strings: bool,
    ids: IdMap,
    /// Words of a record all of whose values are whole numbers below 10^8 or nearly always so: it is
    /// written by `numbers`, without a choice for each value.
    plain: usize,
    /// `time_ms` where records are plain, else [`NO_TIME`].
    plain_ms: i64,
    numbers: Vec<Number>,
    /// The fragment behind the last number.
    end: Fragment,
}

/// A fragment of at most two groups, for plain records.
#[derive(Clone, Copy, Debug, Default)]
struct Fragment {
    groups: [[u8; GROUP]; 2],
    len: usize,
}

/// A fragment, then a whole number: `(record[word] & mask) + add`.
#[derive(Clone, Copy, Debug)]
struct Number {
    fragment: Fragment,
    word: usize,
    mask: u64,
    add: u64,
}

/// Bytes of a plain record at most.
const PLAIN: usize = 1 << 12;

/// No instant of a run, which lies within the years 1..9999.
const NO_TIME: i64 = i64::MIN;

/// A fragment, then a value.
#[derive(Debug)]
struct Step {
    /// The fragment's first bytes.
    group: [u8; GROUP],
    /// What does not fit there.
    more: Vec<[u8; GROUP]>,
    /// The fragment's length.
    len: usize,
    piece: Piece,
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

impl TextEncoder {
    /// An encoder for the events marked in `events`. With `envelope` each event is wrapped as
    /// `{"event":...,"key":...,"timestamp":...,"value":{...}}` (JSON lines only).
    pub fn new(layout: Arc<Layout>, format: TextFormat, events: &[bool], envelope: bool) -> Self {
        let (header, manner, what) = match format {
            TextFormat::Jsonl => (Vec::new(), Manner::Json, What::JsonLine { envelope }),
            TextFormat::Csv => (header(&layout, events), Manner::Csv, What::CsvLine),
        };
        let taken = |site: &Site| events[site.event];
        let encoder = TextEncoder::of(layout, manner, |site| taken(site).then_some(what));
        TextEncoder { header, ..encoder }
    }

    /// An encoder for what `what` says of each emit site, in the manner that all of it has.
    pub(super) fn of(
        layout: Arc<Layout>,
        manner: Manner,
        what: impl for<'s> Fn(&'s Site) -> Option<What<'s>>,
    ) -> Self {
        let plan = |site| what(site).map(|what| Build::plan(&layout, site, what));
        let plans = layout.sites.iter().map(plan).collect();
        let constants = layout.constants.iter().map(|text| {
            let mut out = Vec::new();
            manner.write(text.as_bytes(), &mut out);
            out
        });
        let constants = constants.collect();
        TextEncoder { manner, header: Vec::new(), plans, constants, layout }
    }

    /// What stands before the first event: the header line of CSV, empty for JSON lines.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Appends the events of `run` that belong to the output until `out` holds `enough` bytes.
    pub fn encode<'r>(
        &self,
        state: &mut EncoderState,
        run: Run<'r>,
        out: &mut TextBlock,
        enough: usize,
    ) -> Encoded<'r> {
        self.prepare(state);
        let mut words = run.words;
        let mut events = 0;
        let mut last = None;
        while out.len < enough && !words.is_empty() {
            let Some(block) = out.bytes.first_chunk_mut::<FULL>() else {
                out.grow(BLOCK);
                continue;
            };
            let mut at = out.len;
            // Set where a record needs more than what is left of the block.
            let mut more = 0;
            while at < enough
                && let [head, second, rest @ ..] = words
            {
                let site = (head & ((1 << SITE_BITS) - 1)) as usize;
                let rendered = &mut state.sites[site];
                if rendered.plain_ms == run.time_ms && at + PLAIN <= BLOCK {
                    let enough = enough.min(BLOCK - PLAIN + 1);
                    let done = write_plain(&state.sites, run.time_ms, words, block, at, enough);
                    events += done.events;
                    last = done.last;
                    words = done.rest;
                    at = done.at;
                    continue;
                }
                if rendered.time_ms != run.time_ms {
                    let Some(plan) = &self.plans[site] else {
                        words = &words[self.layout.record_len(words)..];
                        continue;
                    };
                    rendered.render(plan, run.time_ms);
                }
                let mut most = rendered.most;
                let after = if rendered.strings {
                    let (dynamic, after) =
                        self.texts(site, rest, rendered.slot_words, &mut state.texts);
                    most += dynamic;
                    after
                } else {
                    &rest[rendered.slot_words..]
                };
                if at + most > BLOCK {
                    more = most;
                    break;
                }
                let record = Record { head: *head, second: *second, rest, texts: &state.texts };
                at = self.write(rendered, &record, block, at);
                events += 1;
                last = Some((*head, *second));
                words = after;
            }
            out.len = at;
            if more > 0
                && let [head, second, rest @ ..] = words
            {
                let site = (head & ((1 << SITE_BITS) - 1)) as usize;
                let rendered = &state.sites[site];
                let (_, after) = self.texts(site, rest, rendered.slot_words, &mut state.texts);
                if out.bytes.len() < out.len + more {
                    out.grow(more);
                }
                let record = Record { head: *head, second: *second, rest, texts: &state.texts };
                out.len = self.write(rendered, &record, out.bytes.as_mut_slice(), out.len);
                events += 1;
                last = Some((*head, *second));
                words = after;
            }
        }
        Encoded { events, last, rest: words }
    }

    fn prepare(&self, state: &mut EncoderState) {
        if state.sites.len() < self.plans.len() {
            state.sites =
                self.plans.iter().map(|plan| Rendered::new(plan.as_ref(), &self.layout)).collect();
        }
    }

    /// Appends the one record that `words` begin with, which happened at `time_ms`; nothing where its
    /// site has no plan.
    pub(super) fn record(
        &self,
        state: &mut EncoderState,
        time_ms: i64,
        words: &[u64],
        out: &mut TextBlock,
    ) {
        self.prepare(state);
        let [head, second, rest @ ..] = words else { return };
        let site = (head & ((1 << SITE_BITS) - 1)) as usize;
        let rendered = &mut state.sites[site];
        if rendered.time_ms != time_ms {
            let Some(plan) = &self.plans[site] else { return };
            rendered.render(plan, time_ms);
        }
        let at = out.len;
        let mut most = rendered.most;
        if rendered.strings {
            most += self.texts(site, rest, rendered.slot_words, &mut state.texts).0;
        }
        if out.bytes.len() < at + most {
            out.grow(most);
        }
        let record = Record { head: *head, second: *second, rest, texts: &state.texts };
        out.len = match out.bytes.first_chunk_mut::<FULL>() {
            Some(block) if rendered.plain_ms == time_ms && at + PLAIN <= BLOCK => {
                rendered.write_plain(words, block, at)
            }
            Some(block) if at + most <= BLOCK => self.write(rendered, &record, block, at),
            _ => self.write(rendered, &record, out.bytes.as_mut_slice(), at),
        };
    }

    /// Finds the strings of a record; how many bytes they may become, and what follows the record.
    fn texts<'r>(
        &self,
        site: usize,
        rest: &'r [u64],
        slot_words: usize,
        texts: &mut Vec<Text>,
    ) -> (usize, &'r [u64]) {
        texts.clear();
        let mut at = slot_words;
        let mut most = 0;
        for slot in &self.layout.sites[site].strings {
            let w = rest[*slot as usize];
            if w & CONST_TAG != 0 {
                let constant = (w & !CONST_TAG) as usize;
                most += self.constants[constant].len();
                texts.push(Text::Constant(constant));
            } else {
                let len = w as usize;
                // Six bytes for a control character.
                most += len * 6 + 16;
                texts.push(Text::Here(at, len));
                at += len.div_ceil(8);
            }
        }
        (most, &rest[at..])
    }

    /// Writes a record at `at`; where it ends.
    #[inline(always)]
    fn write<P: Page + ?Sized>(
        &self,
        rendered: &Rendered,
        record: &Record<'_>,
        page: &mut P,
        mut at: usize,
    ) -> usize {
        let slot = |slot: u32| record.rest[slot as usize];
        let mut steps = rendered.steps.iter();
        while let Some(step) = steps.next() {
            page.group(at, &step.group);
            if step.len > GROUP {
                let mut end = at;
                for group in &step.more {
                    end += GROUP;
                    page.group(end, group);
                }
            }
            at += step.len;
            match step.piece {
                Piece::End => return at,
                Piece::Id => {
                    let local = record.second & ((1 << LOCAL_BITS) - 1);
                    at = digits::unsigned(page, at, rendered.ids.id(local));
                }
                Piece::Int(s) => at = digits::signed(page, at, slot(s) as i64),
                Piece::OrNull { slot: s, skip } => {
                    if slot(s + 1) == 1 {
                        at = page.bytes(
                            at,
                            match self.manner {
                                Manner::Json => b"null",
                                Manner::Csv | Manner::Plain => b"",
                            },
                        );
                        let passed = steps.as_slice().get(skip as usize..).unwrap_or_default();
                        steps = passed.iter();
                    }
                }
                Piece::Quote => {
                    page.word(at, u64::from(b'"'));
                    at += 1;
                }
                Piece::Text(n) => at = self.text(record, record.texts[n as usize], page, at),
                // Out of line: it would be computed ahead for every record.
                Piece::Seq => at = digits::rare(page, at, record.head >> SITE_BITS),
                Piece::Bool(s) => {
                    let (word, len) =
                        if slot(s) != 0 { (*b"true\0\0\0\0", 4) } else { (*b"false\0\0\0", 5) };
                    page.word(at, u64::from_le_bytes(word));
                    at += len;
                }
                Piece::Double(s) => {
                    at = page.bytes(
                        at,
                        double_text(f64::from_bits(slot(s)), &mut TextBuf::new()).as_bytes(),
                    );
                }
                Piece::Time(s) => {
                    at = page
                        .bytes(at, timestamp_text(slot(s) as i64, &mut TextBuf::new()).as_bytes());
                }
                Piece::Duration(s) => {
                    at = page
                        .bytes(at, duration_text(slot(s) as i64, &mut TextBuf::new()).as_bytes());
                }
            }
        }
        at
    }

    #[inline]
    fn text<P: Page + ?Sized>(
        &self,
        record: &Record<'_>,
        text: Text,
        page: &mut P,
        at: usize,
    ) -> usize {
        match text {
            Text::Constant(i) => page.bytes(at, &self.constants[i]),
            Text::Here(first, len) => {
                let words = &record.rest[first..first + len.div_ceil(8)];
                match self.manner {
                    Manner::Json => json_text(words, len, page, at),
                    Manner::Csv => csv_text(&bytes_of(words)[..len], page, at),
                    Manner::Plain => page.bytes(at, &bytes_of(words)[..len]),
                }
            }
        }
    }
}

/// A record and where its strings are.
struct Record<'r> {
    head: u64,
    second: u64,
    /// Slots, strings, and what follows the record.
    rest: &'r [u64],
    texts: &'r [Text],
}

/// Text of `len` bytes in words, as the inside of a JSON string. Most needs no escape and is copied
/// by words.
fn json_text<P: Page + ?Sized>(words: &[u64], len: usize, page: &mut P, at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |w: u64| w.wrapping_sub(ONES) & !w & HIGH;
    let special = |w: u64| {
        // Below 0x20, a quote, a backslash.
        (w.wrapping_sub(ONES * 0x20) & !w & HIGH)
            | zero_bytes(w ^ (ONES * 0x22))
            | zero_bytes(w ^ (ONES * 0x5c))
    };
    let word = |i: usize| {
        let w = u64::from_le_bytes(words[i].to_ne_bytes());
        let left = len - i * 8;
        // What lies behind the text counts as blanks.
        if left < 8 { w | (ONES * 0x20) << (left * 8) } else { w }
    };
    if (0..words.len()).fold(0, |found, i| found | special(word(i))) == 0 {
        (0..words.len()).for_each(|i| page.word(at + i * 8, word(i)));
        return at + len;
    }
    let mut escaped = Vec::with_capacity(len + 16);
    escape_json(&bytes_of(words)[..len], &mut escaped);
    page.bytes(at, &escaped)
}

/// Appends text as the inside of a JSON string: escapes `"`, `\`, `\b \f \n \r \t` and other controls
/// as `\u00xx`, nothing else.
pub(super) fn escape_json(text: &[u8], out: &mut Vec<u8>) {
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
pub(super) fn quote_csv(text: &[u8], out: &mut Vec<u8>) {
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

fn csv_text<P: Page + ?Sized>(text: &[u8], page: &mut P, at: usize) -> usize {
    if !text.is_empty() && !text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n')) {
        return page.bytes(at, text);
    }
    let mut quoted = Vec::with_capacity(text.len() + 8);
    quote_csv(text, &mut quoted);
    page.bytes(at, &quoted)
}

/// The header line of CSV: the columns of the one event.
fn header(layout: &Layout, events: &[bool]) -> Vec<u8> {
    let Some(event) = layout.events.iter().zip(events).find(|(_, taken)| **taken) else {
        return Vec::new();
    };
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

/// What [`write_plain`] did; at least one record.
struct Written<'r> {
    at: usize,
    events: u64,
    last: Option<(u64, u64)>,
    rest: &'r [u64],
}

/// Writes plain records, as long as they are, up to `enough` bytes. Of its own so that all that it
/// needs stays in registers.
#[inline(never)]
fn write_plain<'r>(
    sites: &[Rendered],
    time_ms: i64,
    mut words: &'r [u64],
    block: &mut Block,
    mut at: usize,
    enough: usize,
) -> Written<'r> {
    let mut last = words;
    let mut events = 0;
    while at < enough
        && let Some(head) = words.first()
        && let Some(rendered) = sites.get((head & ((1 << SITE_BITS) - 1)) as usize)
        && rendered.plain_ms == time_ms
        && let Some((record, after)) = words.split_at_checked(rendered.plain)
    {
        at = rendered.write_plain(record, block, at);
        events += 1;
        last = words;
        words = after;
    }
    Written { at, events, last: last.first().copied().zip(last.get(1).copied()), rest: words }
}

impl Fragment {
    fn of(step: &Step) -> Option<Fragment> {
        let groups = [step.group, step.more.first().copied().unwrap_or_default()];
        (step.more.len() <= 1).then_some(Fragment { groups, len: step.len })
    }

    #[inline(always)]
    fn write(&self, page: &mut Block, at: usize) -> usize {
        page.group(at, &self.groups[0]);
        if self.len > GROUP {
            page.group(at + GROUP, &self.groups[1]);
        }
        at + self.len
    }
}

impl Rendered {
    fn new(plan: Option<&Plan>, layout: &Layout) -> Rendered {
        Rendered {
            time_ms: NO_TIME,
            steps: Vec::new(),
            text: Vec::new(),
            most: plan.map_or(0, |p| p.most),
            slot_words: plan.map_or(0, |p| p.slot_words),
            strings: plan.is_some_and(|p| p.strings),
            ids: plan.map_or(IdMap::range(0, 0), |p| layout.ids[p.population]),
            plain: 0,
            plain_ms: NO_TIME,
            numbers: Vec::new(),
            end: Fragment::default(),
        }
    }

    /// Writes a plain record at `at`; where it ends.
    #[inline(always)]
    fn write_plain(&self, record: &[u64], page: &mut Block, mut at: usize) -> usize {
        let value = |n: &Number| (record[n.word] & n.mask).wrapping_add(n.add);
        let (pairs, rest) = self.numbers.as_chunks::<2>();
        for [a, b] in pairs {
            let (v, w) = (value(a), value(b));
            at = a.fragment.write(page, at);
            if let Some([v, w]) = digits::short([v, w]) {
                page.word(at, v.0);
                at = b.fragment.write(page, at + v.1);
                page.word(at, w.0);
                at += w.1;
            } else {
                at = digits::signed(page, at, v as i64);
                at = b.fragment.write(page, at);
                at = digits::signed(page, at, w as i64);
            }
        }
        for number in rest {
            at = number.fragment.write(page, at);
            at = digits::signed(page, at, value(number) as i64);
        }
        self.end.write(page, at)
    }

    /// Whether records of this site are plain, and what writes them then.
    fn look_for_plain(&mut self) {
        self.plain_ms = NO_TIME;
        self.numbers.clear();
        if self.most > PLAIN {
            return;
        }
        let Some((last, steps)) = self.steps.split_last() else { return };
        let Some(end) = Fragment::of(last) else { return };
        for step in steps {
            let Some(fragment) = Fragment::of(step) else { return };
            let (word, mask, add) = match step.piece {
                Piece::Int(slot) => (2 + slot as usize, u64::MAX, 0),
                Piece::Id => {
                    let Some(first) = self.ids.first() else { return };
                    (1, (1 << LOCAL_BITS) - 1, first)
                }
                _ => return,
            };
            self.numbers.push(Number { fragment, word, mask, add });
        }
        self.end = end;
        self.plain = 2 + self.slot_words;
        self.plain_ms = self.time_ms;
    }

    /// Renders the fragments for an instant; those that do not depend on it only once.
    #[inline(never)]
    fn render(&mut self, plan: &Plan, time_ms: i64) {
        let first = self.time_ms == NO_TIME;
        self.time_ms = time_ms;
        let mut text = std::mem::take(&mut self.text);
        let mut buf = TextBuf::new();
        for (i, parts) in plan.fragments.iter().enumerate() {
            if !first && parts.iter().all(|p| matches!(p, Part::Bytes(_))) {
                continue;
            }
            text.clear();
            for part in parts {
                match part {
                    Part::Bytes(b) => text.extend_from_slice(b),
                    Part::Time => {
                        text.extend_from_slice(timestamp_text(time_ms, &mut buf).as_bytes())
                    }
                    Part::TimeMs => text.extend_from_slice(int_text(time_ms, &mut buf).as_bytes()),
                }
            }
            if first {
                self.steps.push(Step {
                    group: [0; GROUP],
                    more: Vec::new(),
                    len: 0,
                    piece: plan.steps[i],
                });
            }
            let step = &mut self.steps[i];
            step.len = text.len();
            step.more.clear();
            let mut groups = text.chunks(GROUP).map(|piece| {
                let mut group = [0; GROUP];
                group[..piece.len()].copy_from_slice(piece);
                group
            });
            step.group = groups.next().unwrap_or_default();
            step.more.extend(groups);
        }
        self.text = text;
        self.look_for_plain();
    }
}
