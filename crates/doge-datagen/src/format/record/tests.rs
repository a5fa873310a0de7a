//! Messages against what JSON lines and the values themselves say.

use super::*;
use doge_core::batch::EventBatch;
use doge_core::engine::{Engine, Program, Selection, Tuning, Worker};

pub(in crate::format) const MODEL: &str = r#"
doge: 1
name: m
seed: 7
clock: { start: 2022-02-11T03:21:48.250Z, tick: 1s, ticks: 40 }
subjects:
  u:
    count: 70
    attributes:
      balance: uniform(0, 999)
      rate: uniform(-1.5, 1.5)
      tag: choice(['', 'a', "q\"\\\n\u0001", '🦊 zażółć', 'a text that is longer than a group of thirty-two bytes, much'])
      last: nullable(timestamp)
      small: uniform(-70, 70)
    states:
      on:
        transitions:
          t:
            probability: 60%
            set: { last: timestamp, tag: "tag.size() > 100 ? '' : tag + 'x'", balance: balance * 3 - 1 }
            emit: [whole, plain]
          s:
            probability: 30%
            set: { last: null }
            emit: [whole]
events:
  whole:
    key: "small > 0 ? string(small) : null"
    timestamp: timestamp - duration('1s')
    headers: { tag: tag, at: last, n: balance, trigger: trigger }
    fields:
      user: { id: id, text: string(id), tag: tag }
      at: { on: timestamp, last: last, ms: unix_ms(timestamp) }
      trigger: trigger
      seq: seq
      which: event_id
      balance: balance
      rate: rate
      rich: balance > 500
      wait: duration('90s')
      since: timestamp - timestamp
      none: "small < 0 ? small : null"
      maybe: "small < 0 ? tag : null"
      number: string(balance)
  plain:
    key: balance
    fields: { user_id: id, balance: balance, rate: rate }
"#;

/// All events of a model in one batch.
pub(in crate::format) fn events(model: &str) -> EventBatch {
    let (spec, _) = doge_core::spec::parse(model, "m.yaml").expect("a good model");
    let (model, _) = doge_core::compile::compile(&spec).unwrap_or_else(|d| {
        panic!("{:?}", d.0.iter().map(|d| (&d.message, &d.help)).collect::<Vec<_>>())
    });
    let program = Arc::new(Program::new(&model, &Selection::all(&model)).expect("it compiles"));
    let mut engine = Engine::new(program.clone(), Tuning::default());
    let mut worker = Worker::new(&program);
    let mut batch = EventBatch::new(program.layout.clone());
    while engine.advance(&mut worker, 1 << 20, &mut batch).expect("no failure") {}
    batch
}

/// How the events of a batch become messages.
pub(in crate::format) fn spec(
    batch: &EventBatch,
    value: ValueFormat,
    key: KeyFormat,
) -> MessageSpec {
    let events: Vec<_> = batch.layout.events.iter().enumerate().collect();
    MessageSpec::new(value, key, "", &events, Path::new("")).expect("names")
}

/// All messages of a batch, at most `most` of a run at a time.
pub(in crate::format) fn messages(
    batch: &EventBatch,
    spec: &MessageSpec,
    events: &[bool],
    most: usize,
) -> Messages {
    let encoder = spec.encoder(&batch.layout, events).expect("an encoder");
    let mut state = encoder.state();
    let mut out = Messages::default();
    for mut run in batch.runs() {
        while !run.words.is_empty() {
            let made = encoder.encode(&mut *state, &batch.layout, run, &mut out, most);
            assert_eq!(made.error, None);
            run.words = made.rest;
        }
    }
    out
}

#[test]
fn values_are_json_lines_without_their_ends() {
    let batch = events(MODEL);
    for marks in [[true, true], [true, false], [false, true]] {
        let lines =
            TextEncoder::new(batch.layout.clone(), super::super::TextFormat::Jsonl, &marks, false);
        let (mut state, mut block) = (EncoderState::default(), TextBlock::default());
        batch.runs().for_each(|run| {
            lines.encode(&mut state, run, &mut block, usize::MAX);
        });
        for most in [1, 3, usize::MAX] {
            let made =
                messages(&batch, &spec(&batch, ValueFormat::Json, KeyFormat::String), &marks, most);
            let mut again = Vec::new();
            for message in &made.list {
                again.extend_from_slice(made.parts(message).1);
                again.push(b'\n');
            }
            assert!(made.list.len() > 1000);
            assert_eq!(std::str::from_utf8(&again), std::str::from_utf8(&block));
        }
    }
}

#[test]
fn key_headers_time_and_subject_are_the_records() {
    let batch = events(MODEL);
    let json = messages(
        &batch,
        &spec(&batch, ValueFormat::Json, KeyFormat::Json),
        &[true, true],
        usize::MAX,
    );
    let text = messages(
        &batch,
        &spec(&batch, ValueFormat::Json, KeyFormat::String),
        &[true, true],
        usize::MAX,
    );
    assert_eq!((json.list.len(), text.list.len()), (batch.len() as usize, batch.len() as usize));
    let (mut nulls, mut buffer) = (0, String::new());
    for ((event, text_message), json_message) in batch.events().zip(&text.list).zip(&json.list) {
        let site = event.site();
        let (key, _, headers) = text.parts(text_message);
        let plain = |column: &Column, buffer: &mut String| {
            use doge_core::expr::func::{TextBuf, double_text, duration_text, timestamp_text};
            use doge_core::value::ValueRef as V;
            let mut text = TextBuf::new();
            match event.value(column, buffer) {
                V::Null => None,
                V::Int(v) => Some(v.to_string()),
                V::String(v) => Some(v.to_owned()),
                V::Bool(v) => Some(v.to_string()),
                V::Double(v) => Some(double_text(v, &mut text).to_owned()),
                V::Timestamp(v) => Some(timestamp_text(v, &mut text).to_owned()),
                V::Duration(v) => Some(duration_text(v, &mut text).to_owned()),
            }
        };
        let wanted = plain(&site.key, &mut buffer);
        assert_eq!(key, wanted.as_deref().map(str::as_bytes));
        let json_key = json.parts(json_message).0;
        let quoted = wanted
            .as_ref()
            .map(|key| if site.event == 0 { format!("\"{key}\"") } else { key.clone() });
        assert_eq!(json_key, quoted.as_deref().map(str::as_bytes));
        nulls += usize::from(key.is_none());
        let wanted: Vec<_> = site.headers.iter().map(|h| plain(h, &mut buffer)).collect();
        assert_eq!(
            headers.map(|h| h.map(<[u8]>::to_vec)).collect::<Vec<_>>(),
            wanted.into_iter().map(|h| h.map(String::into_bytes)).collect::<Vec<_>>()
        );
        assert_eq!(text_message.event as usize, site.event);
        let time = if site.event == 0 { event.time_ms - 1000 } else { event.time_ms };
        assert_eq!((text_message.time_ms, text_message.subject), (time, (0, event.id())));
    }
    assert!(nulls > 100);
}
