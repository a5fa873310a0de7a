//! Plans: how the records of one emit site become text.
//!
//! A plan is a list of steps; each copies a fragment of fixed text and then writes one value. What
//! depends on the instant alone is part of the fragments.

use super::text::{escape_json, quote_csv};
use super::{digits, pen::GROUP};
use doge_core::batch::{Cell, Column, Layout, Site};
use doge_core::expr::func::{TextBuf, double_text, duration_text, int_text, timestamp_text};
use doge_core::model::Field;
use doge_core::value::{Base, Value};

/// How texts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As JSON.
    Json,
    /// As a field of CSV.
    Csv,
    /// As they are, like `string()` makes them.
    Plain,
}

/// What is written of a record.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A line of JSON lines, perhaps in an envelope.
    JsonLine {
        /// Whether name, key and time stand around the value.
        envelope: bool,
    },
    /// A line of CSV.
    CsvLine,
    /// The value as a JSON object, nothing behind it.
    JsonValue,
    /// One column as JSON.
    Json(&'a Column),
    /// One column as text, empty where it is null.
    Text(&'a Column),
}

impl Manner {
    /// Appends a text in this manner.
    pub fn write(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Manner::Json => escape_json(text, out),
            Manner::Csv => quote_csv(text, out),
            Manner::Plain => out.extend_from_slice(text),
        }
    }
}

impl What<'_> {
    fn manner(self) -> Manner {
        match self {
            What::JsonLine { .. } | What::JsonValue | What::Json(_) => Manner::Json,
            What::CsvLine => Manner::Csv,
            What::Text(_) => Manner::Plain,
        }
    }
}

/// How an emit site is written.
#[derive(Debug)]
pub struct Plan {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// What fragments are made of, by step.
    pub fragments: Vec<Vec<Part>>,
    /// Bytes of a record at most, without dynamic text, with what is written beyond its end.
    pub most: usize,
    /// Its population.
    pub population: usize,
    /// Words of its slots.
    pub slot_words: usize,
    /// Whether it has text of any length.
    pub strings: bool,
}

/// A step: the fragment of the same number, then a value.
pub type Step = Piece;

/// What a fragment is made of.
#[derive(Clone, Debug)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The order time as RFC 3339.
    Time,
    /// The order time as a number.
    TimeMs,
}

/// A value of a record; slots are word offsets behind the record's two header words.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// The record ends.
    End,
    /// The subject's id.
    Id,
    /// The attempt's number.
    Seq,
    /// An int.
    Int(u32),
    /// A double.
    Double(u32),
    /// A bool.
    Bool(u32),
    /// A timestamp.
    Time(u32),
    /// A duration.
    Duration(u32),
    /// The n-th string of the record.
    Text(u32),
    /// Where the slot is null, writes the format's null and passes over the next `skip` steps.
    OrNull {
        /// First of the slot's two words.
        slot: u32,
        /// Steps of the value.
        skip: u32,
    },
    /// A quote of a value that may be null.
    Quote,
}

/// Builds the plan of a site.
pub struct Build<'a> {
    layout: &'a Layout,
    site: &'a Site,
    manner: Manner,
    pieces: Vec<Piece>,
    /// The fragment being made.
    open: Vec<Part>,
    fragments: Vec<Vec<Part>>,
    most: usize,
}

impl<'a> Build<'a> {
    /// The plan of a site.
    pub fn plan(layout: &'a Layout, site: &'a Site, what: What<'_>) -> Plan {
        let mut build = Build {
            layout,
            site,
            manner: what.manner(),
            pieces: Vec::new(),
            open: Vec::new(),
            fragments: Vec::new(),
            most: 0,
        };
        match what {
            What::JsonLine { envelope } => build.json_line(envelope),
            What::CsvLine => build.csv_line(),
            What::JsonValue => build.json_event(),
            What::Json(column) => build.json_value(column),
            What::Text(column) => build.plain_value(column),
        }
        build.finish()
    }

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
        self.json_event();
        self.bytes(if envelope { b"}\n" } else { b"\n" });
    }

    fn json_event(&mut self) {
        let fields = self.layout.events[self.site.event].fields.clone();
        self.json_record(&fields);
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
            self.plain_value(&self.site.fields[i]);
        }
        self.bytes(b"\n");
    }

    /// A value that is empty where it is null.
    fn plain_value(&mut self, column: &Column) {
        if column.cell == Cell::Const(Value::Null) {
            return;
        }
        match (&column.cell, column.ty.nullable) {
            (Cell::Slot(slot), true) => self.or_null(*slot, column.ty.base, false),
            _ => self.value(column),
        }
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
        self.manner.write(text.as_bytes(), &mut out);
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

    /// A value, behind the fragment made so far.
    fn piece(&mut self, piece: Piece, most: usize) {
        let parts = std::mem::take(&mut self.open);
        let len = |p: &Part| match p {
            Part::Bytes(b) => b.len(),
            Part::Time | Part::TimeMs => 24,
        };
        self.most += parts.iter().map(len).sum::<usize>() + most;
        self.pieces.push(piece);
        self.fragments.push(parts);
    }

    fn finish(mut self) -> Plan {
        self.piece(Piece::End, 0);
        Plan {
            steps: self.pieces,
            fragments: self.fragments,
            most: self.most + GROUP + digits::ROOM,
            population: self.site.population,
            slot_words: self.site.slot_words,
            strings: !self.site.strings.is_empty(),
        }
    }
}
