//! The plan's bytes against `prost-reflect`, which reads them by the schema's text.

use super::*;
use crate::format::TextBlock;
use crate::format::record::tests::{MODEL, events};
use doge_core::batch::{EventBatch, EventRef};
use doge_core::value::ValueRef as V;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value as P};

/// The message that a schema's text describes.
pub(super) fn descriptor(schema: &ProtobufSchema) -> MessageDescriptor {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("event.proto");
    std::fs::write(&file, &schema.text).expect("a file");
    let mut compiler = protox::Compiler::new([folder.path()]).expect("a folder");
    compiler.include_imports(true);
    compiler.open_file("event.proto").unwrap_or_else(|e| panic!("{e:?}\n{}", schema.text));
    compiler.descriptor_pool().get_message_by_name(&schema.name).expect("the message")
}

/// Compares a message with an event, field by field.
fn compare(read: &DynamicMessage, event: &EventRef<'_>, spec: &Event, fields: &[Field]) {
    let mut buffer = String::new();
    for field in fields {
        match field {
            Field::Record(name, inner) => {
                let nested = read.get_field_by_name(name).expect("the field").into_owned();
                compare(nested.as_message().expect("a message"), event, spec, inner);
            }
            Field::Leaf(name, leaf) => {
                let wanted = event.value(&event.site().fields[*leaf], &mut buffer);
                let field = read.descriptor().get_field_by_name(name).expect("the field");
                let is_null = wanted == V::Null;
                if spec.leaves[*leaf].ty.nullable {
                    assert_eq!(read.has_field(&field), !is_null, "{name}");
                }
                let found = read.get_field(&field);
                let parts = |message: &P| {
                    let message = message.as_message().expect("a message");
                    let part = |name| message.get_field_by_name(name).expect("a part").into_owned();
                    let nanos = part("nanos").as_i32().expect("an int32");
                    (part("seconds").as_i64().expect("an int64"), nanos)
                };
                match wanted {
                    V::Null => {}
                    V::Int(v) => assert_eq!(*found, P::I64(v), "{name}"),
                    V::Double(v) => assert_eq!(*found, P::F64(v), "{name}"),
                    V::Bool(v) => assert_eq!(*found, P::Bool(v), "{name}"),
                    V::String(v) => assert_eq!(*found, P::String(v.to_owned()), "{name}"),
                    V::Timestamp(v) => {
                        let (seconds, nanos) = parts(&found);
                        assert!((0..1_000_000_000).contains(&nanos));
                        assert_eq!(seconds * 1000 + i64::from(nanos / 1_000_000), v, "{name}");
                    }
                    V::Duration(v) => {
                        let (seconds, nanos) = parts(&found);
                        assert!(seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0));
                        assert_eq!(seconds * 1000 + i64::from(nanos / 1_000_000), v, "{name}");
                    }
                }
            }
        }
    }
}

/// Encodes all events and reads them again.
pub(super) fn check(batch: &EventBatch) {
    let layout = &batch.layout;
    let schemas: Vec<_> =
        layout.events.iter().map(|e| ProtobufSchema::of_event(e, "a.b").expect("names")).collect();
    let parsed: Vec<_> = schemas.iter().map(descriptor).collect();
    let encoder = ProtobufEncoder::values(layout, |event| schemas.get(event)).expect("constants");
    let mut block = TextBlock::default();
    for event in batch.events() {
        let site = event.site();
        block.clear();
        encoder.record(event.time_ms, event.record(), &mut block).expect("a message");
        let read = DynamicMessage::decode(parsed[site.event].clone(), &block[..]);
        let read = read.expect("a message");
        assert_eq!(read.unknown_fields().count(), 0);
        let spec = &layout.events[site.event];
        compare(&read, &event, spec, &spec.fields);
    }
}

#[test]
fn messages_are_what_the_schema_says() {
    let batch = events(MODEL);
    assert!(batch.len() > 2000);
    check(&batch);
}

/// A schema file for the event `plain` of the model, whose fields are user_id, balance and rate.
fn own(text: &str) -> Result<ProtobufSchema, Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.proto");
    std::fs::write(&file, text).expect("a file");
    ProtobufSchema::external(&file, &events(MODEL).layout.events[1])
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn a_schema_of_ones_own_is_filled_by_name() {
    let batch = events(MODEL);
    let schema = own("syntax = \"proto2\"; package x.y; message Other { optional int32 n = 1; }
        message Plain { required double rate = 300; optional sint64 balance = 2; optional sfixed64 user_id = 7; repeated string more = 9; }")
    .expect("it fits");
    assert_eq!((schema.name.as_str(), schema.message_index()), ("x.y.Plain", vec![2, 2]));
    let parsed = descriptor(&schema);
    let encoder = ProtobufEncoder::values(&batch.layout, |event| (event == 1).then_some(&schema))
        .expect("fits");
    let mut block = TextBlock::default();
    let mut buffer = String::new();
    let mut seen = 0;
    for event in batch.events().filter(|event| event.site().event == 1) {
        block.clear();
        encoder.record(event.time_ms, event.record(), &mut block).expect("a message");
        let read = DynamicMessage::decode(parsed.clone(), &block[..]).expect("a message");
        for (n, name) in ["user_id", "balance", "rate"].into_iter().enumerate() {
            let wanted = match event.value(&event.site().fields[n], &mut buffer) {
                V::Int(v) => P::I64(v),
                V::Double(v) => P::F64(v),
                other => panic!("{other:?}"),
            };
            assert!(read.has_field_by_name(name));
            assert_eq!(*read.get_field_by_name(name).expect("the field"), wanted);
        }
        seen += 1;
    }
    assert!(seen > 1000);
}

#[test]
fn all_mismatches_are_told_at_once() {
    let problems = own(
        "syntax = \"proto3\"; message M { string balance = 1; oneof o { int64 user_id = 2; } }",
    )
    .expect_err("nothing fits");
    assert_eq!(
        problems,
        [
            "`user_id` belongs to the oneof `o`, of which a message has one at most (take it out of the oneof)",
            "`balance` is an int in the model and string in the schema (make it int64)",
            "it has no field `rate` (take it out of `fields`, or add it to the schema)",
        ]
    );
    let two = "syntax = \"proto3\"; message A { } message B { }";
    for (text, wanted) in [("nonsense", "no Protobuf schema"), (two, "the messages A, B")] {
        assert!(own(text).expect_err("none")[0].contains(wanted));
    }
}
