//! Columns against the plain way to read a batch, value by value.

use super::*;
use crate::batch::{EventRef, IdMap, TextBuffer};
use crate::engine::{Engine, Program, Selection, Tuning, Worker};
use crate::value::ValueRef;

/// Every type, null or not, from every kind of place, differing between emitters; several events,
/// two populations.
const MODEL: &str = r#"
seed: 7
clock: { start: 2022-02-11T03:21:48Z, tick: 1m, ticks: 700 }
subjects:
  a:
    count: 9
    attributes:
      name: "'n' + string(id)"
      other: "''"
      rate: 0.5 * double(id)
      seen: nullable(timestamp)
      gone: nullable(string)
      n: 3
    states:
      s:
        transitions:
          one:
            probability: 40%
            set:
              name: "name.size() < 40 ? name + choice(['a', 'bé', '']) : 'x'"
              other: "string(uniform(0, 1000000)) + 'ü'"
              rate: rate * 1.5
              seen: "chance(0.5) ? timestamp : null"
              gone: "chance(0.5) ? 'gone ' + string(n) : null"
              n: n + uniform(-5, 5)
            emit: [e, f]
          two: { probability: 30%, emit: [f, e] }
          three: { probability: 10%, emit: e }
  b:
    count: 100
    attributes:
      name: "'fixed'"
      other: "'o'"
      rate: 1.25
      seen: nullable(timestamp)
      gone: nullable(string)
      n: id * 2
    states:
      s:
        transitions:
          four: { probability: 2%, emit: e }
events:
  e:
    timestamp: timestamp + duration('90s')
    fields:
      id: id
      who: { text: string(id), unique: event_id }
      names: { first: name, second: other }
      seen: seen
      gone: gone
      rate: rate
      high: rate > 3.0
      when: timestamp
      ms: unix_ms(timestamp)
      late: seen == null
      lasts: duration('1500ms')
      trigger: trigger
      n: n
      n_text: string(n)
      seq: seq
  f:
    fields: { id: id, trigger: trigger, n: n }
"#;

/// A value of a column.
fn value(field: &ColumnData, row: usize) -> ValueRef<'_> {
    if field.validity.as_ref().is_some_and(|v| !v[row]) {
        return ValueRef::Null;
    }
    match &field.values {
        Values::Int(v) => ValueRef::Int(v[row]),
        Values::Double(v) => ValueRef::Double(v[row]),
        Values::Bool(v) => ValueRef::Bool(v[row]),
        Values::String(v) => ValueRef::String(v.get(row).unwrap()),
        Values::Timestamp(v) => ValueRef::Timestamp(v[row]),
        Values::Duration(v) => ValueRef::Duration(v[row]),
    }
}

fn rows(field: &ColumnData) -> usize {
    let rows = match &field.values {
        Values::Int(v) | Values::Timestamp(v) | Values::Duration(v) => v.len(),
        Values::Double(v) => v.len(),
        Values::Bool(v) => v.len(),
        Values::String(v) => v.len(),
    };
    assert!(field.validity.as_ref().is_none_or(|v| v.len() == rows));
    rows
}

/// The rows of `columns` from `first` on are the events of one kind of a batch; returns how many.
fn compare(batch: &EventBatch, event: usize, columns: &Columns, first: usize) -> usize {
    let events: Vec<EventRef<'_>> = batch.events().filter(|e| e.site().event == event).collect();
    for (k, e) in events.iter().enumerate() {
        let (row, at) = (first + k, e.position());
        assert_eq!(
            (columns.order_time_ms[row], columns.population[row], columns.id[row], columns.seq[row], columns.pos[row]),
            (at.time_ms, at.population, at.id, at.seq, at.pos)
        );
        let mut text = TextBuffer::new();
        assert_eq!(ValueRef::Timestamp(columns.record_time_ms[row]), e.value(&e.site().time, &mut text));
        for (column, field) in e.site().fields.iter().zip(&columns.fields) {
            assert_eq!(value(field, row), e.value(column, &mut text));
        }
    }
    events.len()
}

/// Batches of a run of the model above, each of some ticks.
fn batches(text: &str, step: u64, subjects: impl Fn(u64) -> IdMap) -> Vec<EventBatch> {
    let (spec, _) = crate::spec::parse(text, "m.yaml").map_err(|e| format!("{e:?}")).unwrap();
    let (model, _) = crate::compile::compile(&spec).map_err(|e| format!("{e:?}")).unwrap();
    let mut selection = Selection::all(&model);
    selection.subjects = model.populations.iter().map(|p| subjects(p.count)).collect();
    let program = Arc::new(Program::new(&model, &selection).unwrap());
    let mut engine = Engine::new(program.clone(), Tuning::default());
    let mut worker = Worker::new(&program);
    let mut batches = Vec::new();
    let mut more = true;
    while more {
        let mut batch = EventBatch::new(program.layout.clone());
        more = engine.advance(&mut worker, engine.at() + step, &mut batch).unwrap();
        batches.push(batch);
    }
    batches
}

#[test]
fn columns_are_the_events_value_by_value() {
    for step in [700, 1, 97] {
        let batches = batches(MODEL, step, |count| IdMap::range(0, count));
        for event in 0..2 {
            let mut reader = ColumnReader::new(&batches[0].layout, event);
            let mut columns = reader.columns();
            let mut first = 0;
            for batch in &batches {
                reader.append(batch, &mut columns);
                first += compare(batch, event, &columns, first);
            }
            assert!(first > 2 * CHUNK, "{first} events are too few to fill chunks");
            assert_eq!(columns.len(), first);
            assert!(columns.fields.iter().all(|f| rows(f) == first));
            assert_eq!((columns.population.len(), columns.record_time_ms.len()), (first, first));
        }
    }
}

#[test]
fn ids_of_a_shard_are_those_of_the_population() {
    let batches = batches(MODEL, 700, |count| IdMap::shard(3, count, 1, 2));
    let columns = batches[0].columns(0);
    assert!(!columns.is_empty() && columns.id.iter().all(|id| (64..100).contains(id)));
    assert_eq!(compare(&batches[0], 0, &columns, 0), columns.len());
}

#[test]
fn cleared_columns_are_like_new() {
    let batches = batches(MODEL, 350, |count| IdMap::range(0, count));
    let mut reader = ColumnReader::new(&batches[0].layout, 0);
    let mut columns = reader.columns();
    reader.append(&batches[0], &mut columns);
    columns.clear();
    assert!(columns.is_empty() && columns.fields.iter().all(|f| rows(f) == 0));
    reader.append(&batches[1], &mut columns);
    assert_eq!(columns, batches[1].columns(0));
}

#[test]
fn a_batch_without_events_makes_no_row() {
    let batches = batches(MODEL, 700, |count| IdMap::range(0, count));
    let empty = EventBatch::new(batches[0].layout.clone());
    assert_eq!(empty.columns(1), ColumnReader::new(&empty.layout, 1).columns());
}
