//! The plan's bytes against `apache-avro`, which reads them by the schema's text.

use super::*;
use crate::format::TextBlock;
use crate::format::record::tests::{MODEL, events};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::{Schema, types::Value as A};
use doge_core::batch::{EventBatch, EventRef};
use doge_core::expr::func::{TextBuf, duration_text};
use doge_core::value::ValueRef as V;
use std::io::Cursor;

/// What the specification says that a value is.
fn wanted(value: V<'_>, timestamp: fn(i64) -> A) -> A {
    match value {
        V::Int(v) => A::Long(v),
        V::Double(v) => A::Double(v),
        V::Bool(v) => A::Boolean(v),
        V::String(v) => A::String(v.to_owned()),
        V::Timestamp(v) => timestamp(v),
        V::Duration(v) => A::String(duration_text(v, &mut TextBuf::new()).to_owned()),
        V::Null => A::Null,
    }
}

fn value(event: &EventRef<'_>, spec: &Event, fields: &[Field]) -> A {
    let mut buffer = String::new();
    A::Record(
        fields
            .iter()
            .map(|field| match field {
                Field::Record(name, inner) => (name.clone(), value(event, spec, inner)),
                Field::Leaf(name, leaf) => {
                    let plain = event.value(&event.site().fields[*leaf], &mut buffer);
                    let plain = wanted(plain, A::TimestampMillis);
                    let value = match spec.leaves[*leaf].ty.nullable {
                        true => A::Union(u32::from(plain != A::Null), Box::new(plain)),
                        false => plain,
                    };
                    (name.clone(), value)
                }
            })
            .collect(),
    )
}

/// Encodes all events and reads them again.
fn check(batch: &EventBatch) {
    let layout = &batch.layout;
    let schemas: Vec<_> =
        layout.events.iter().map(|e| AvroSchema::of_event(e, "a.b").expect("names")).collect();
    let parsed: Vec<_> =
        schemas.iter().map(|s| Schema::parse_str(&s.text).expect("a schema")).collect();
    let encoder = AvroEncoder::values(layout, |event| schemas.get(event)).expect("constants");
    let mut block = TextBlock::default();
    for event in batch.events() {
        let site = event.site();
        block.clear();
        encoder.record(event.time_ms, event.record(), &mut block).expect("a datum");
        let mut bytes = Cursor::new(&block[..]);
        let read = GenericDatumReader::builder(&parsed[site.event]).build().expect("a reader");
        let read = read.read_value(&mut bytes).expect("a datum");
        assert_eq!(bytes.position(), block.len() as u64);
        let spec = &layout.events[site.event];
        assert_eq!(read, value(&event, spec, &spec.fields));
    }
}

#[test]
fn data_are_what_the_schema_says() {
    let batch = events(MODEL);
    assert!(batch.len() > 2000);
    check(&batch);
}
