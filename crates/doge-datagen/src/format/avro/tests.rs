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

/// The schema of the event `plain` of the model, whose fields are user_id, balance and rate.
fn own(fields: &str) -> Result<AvroSchema, Vec<String>> {
    let batch = events(MODEL);
    let text = format!(r#"{{"type":"record","name":"Own","namespace":"x.y","fields":[{fields}]}}"#);
    AvroSchema::external(&text, &batch.layout.events[1])
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn a_schema_of_ones_own_is_filled_by_name_in_its_order_with_its_defaults() {
    let batch = events(MODEL);
    let schema = own(r#"
        {"name":"rate","type":["string","double","null"]},
        {"name":"tags","type":{"type":"array","items":"string"},"default":["a","ż"]},
        {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]},"default":"B"},
        {"name":"balance","type":"long"},
        {"name":"note","type":["null","K"],"default":null},
        {"name":"user_id","type":"int"}"#)
    .expect("it fits");
    assert_eq!(schema.name, "x.y.Own");
    let parsed = Schema::parse_str(&schema.text).expect("a schema");
    let encoder =
        AvroEncoder::values(&batch.layout, |event| (event == 1).then_some(&schema)).expect("fits");
    let mut block = TextBlock::default();
    let mut buffer = String::new();
    let mut seen = 0;
    for event in batch.events().filter(|event| event.site().event == 1) {
        block.clear();
        encoder.record(event.time_ms, event.record(), &mut block).expect("a datum");
        let mut bytes = Cursor::new(&block[..]);
        let read = GenericDatumReader::builder(&parsed).build().expect("a reader");
        let read = read.read_value(&mut bytes).expect("a datum");
        assert_eq!(bytes.position(), block.len() as u64);
        let mut field = |n: usize| event.value(&event.site().fields[n], &mut buffer).to_owned();
        let doge_core::value::Value::Double(rate) = field(2) else { panic!("a double") };
        let doge_core::value::Value::Int(balance) = field(1) else { panic!("an int") };
        let text = |text: &str| A::String(text.into());
        let wanted = [
            ("rate", A::Union(1, Box::new(A::Double(rate)))),
            ("tags", A::Array(vec![text("a"), text("ż")])),
            ("kind", A::Enum(1, "B".into())),
            ("balance", A::Long(balance)),
            ("note", A::Union(0, Box::new(A::Null))),
            ("user_id", A::Int(event.id() as i32)),
        ];
        assert_eq!(read, A::Record(wanted.map(|(name, value)| (name.to_owned(), value)).into()));
        seen += 1;
    }
    assert!(seen > 1000);
}

#[test]
fn a_value_that_an_int_cannot_hold_ends_with_its_field() {
    let batch = events(MODEL);
    let schema = own(r#"{"name":"user_id","type":"int"},{"name":"balance","type":"int"},{"name":"rate","type":"double"}"#)
        .expect("it fits by type");
    let encoder =
        AvroEncoder::values(&batch.layout, |event| (event == 1).then_some(&schema)).expect("fits");
    let mut block = TextBlock::default();
    // Balances are tripled again and again.
    let error = batch
        .events()
        .find_map(|event| encoder.record(event.time_ms, event.record(), &mut block).err())
        .expect("a large one");
    assert!(error.starts_with("balance: "), "{error}");
    assert!(error.ends_with(" does not fit the schema's int of 32 bits; make it a long"));
}

#[test]
fn all_mismatches_are_told_at_once() {
    let problems = own(r#"
        {"name":"balance","type":"string"},
        {"name":"rates","type":"double"},
        {"name":"user_id","type":["null","float"]}"#)
    .expect_err("nothing fits");
    assert_eq!(
        problems,
        [
            "`balance` is an int in the model and a string in the schema (make it a long, or write `string(...)` in the model)",
            "it has a field `rates` without a default, and the event has none of that name (add it to `fields`, or give it a default in the schema)",
            "`user_id` is an int in the model and a union of null, float in the schema (make it a long)",
            "it has no field `rate` (did you mean `rates`?)",
        ]
    );
    let wrong = own(r#"{"name":"count","type":"int","default":"x"}"#).expect_err("no int");
    assert!(wrong[0].contains("`count`"), "{}", wrong[0]);
    for (text, wanted) in [("", "no Avro schema"), ("\"long\"", "it is a long")] {
        let event = &events(MODEL).layout.events[1];
        let all = AvroSchema::external(text, event).expect_err("no record");
        assert!(all[0].message.contains(wanted), "{}", all[0]);
    }
}
