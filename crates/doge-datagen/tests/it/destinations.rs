//! From `sinks` and `--to` to outputs: what is right, and every problem with its text.

use doge_core::diag::{Diagnostics, Severity};
use doge_core::model::Model;
use doge_core::source::Source;
use doge_datagen::destination::{
    DestinationSpec, Output, OutputKind, Request, check, default_destination, events_of, from_text,
    resolve, warn_unset,
};
use doge_datagen::format::TextFormat;
use doge_datagen::sink::IfExists;

const HEAD: &str = "clock: { start: 2022-02-11T00:00:00Z, tick: 1m, ticks: 10 }
subjects:
  user:
    count: 1
    states:
      a: { transitions: { t: { probability: 1%, emit: [click, trx] } } }
events:
  click: { fields: { n: id } }
  trx: { fields: { n: id } }
  silent: { fields: { n: id } }
";

fn checked(sinks: &str) -> (Vec<DestinationSpec>, Diagnostics, String) {
    let text = format!("{HEAD}sinks:\n{sinks}");
    let (spec, mut diags) = doge_core::spec::parse(&text, "m.yaml")
        .unwrap_or_else(|d| panic!("{}", d.render(&Source::new("m.yaml", text.clone()), false)));
    let found = check(spec.sinks.as_ref().expect("there are sinks"), &events_of(&spec), &mut diags);
    (found, diags, text)
}

fn good(sinks: &str) -> Vec<DestinationSpec> {
    let (found, diags, text) = checked(sinks);
    assert!(diags.0.is_empty(), "{}", diags.render(&Source::new("m.yaml", text), false));
    found
}

fn model() -> Model {
    let (spec, _) = doge_core::spec::parse(HEAD, "m.yaml").expect("the head is right");
    doge_core::compile::compile(&spec).expect("the head is right").0
}

struct Ask<'a> {
    selected: Option<&'a [bool]>,
    if_exists: Option<IfExists>,
    shard: (u64, u64),
}

const ALL: Ask<'static> = Ask { selected: None, if_exists: None, shard: (1, 1) };

fn resolved(specs: &[DestinationSpec], ask: &Ask<'_>) -> Result<Vec<Output>, String> {
    let model = model();
    resolve(&Request {
        destinations: specs,
        model: &model,
        selected: ask.selected,
        if_exists: ask.if_exists,
        shard: ask.shard,
        resume: false,
        folder: std::path::Path::new(""),
        environment: &|name| (name == "DIR").then(|| "from{event}env".to_owned()),
    })
    .map_err(|d| {
        d.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect::<Vec<_>>().join("\n")
    })
}

/// Place, events and kind of each output, a line each.
fn shown(outputs: Result<Vec<Output>, String>) -> String {
    let outputs = match outputs {
        Ok(outputs) => outputs,
        Err(e) => return e,
    };
    let lines = outputs.iter().map(|o| {
        let events: Vec<_> = ["click", "trx", "silent"]
            .iter()
            .zip(&o.events)
            .filter(|(_, on)| **on)
            .map(|(n, _)| *n)
            .collect();
        let kind = match o.kind {
            OutputKind::Text { format: TextFormat::Jsonl, envelope: true } => "jsonl in envelopes",
            OutputKind::Text { format: TextFormat::Jsonl, envelope: false } => "jsonl",
            OutputKind::Text { format: TextFormat::Csv, .. } => "csv",
            OutputKind::Records => "records",
            OutputKind::Messages => "messages",
            OutputKind::Nothing => "nothing",
        };
        format!("{}: {} as {kind}", o.place, events.join("+"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn outputs_of_sinks() {
    let cases = [
        (
            "  s: { file: { path: \"out/{event}.jsonl\" } }",
            "out/click.jsonl: click as jsonl\nout/trx.jsonl: trx as jsonl",
        ),
        (
            "  s: { file: { path: out/all.jsonl } }",
            "out/all.jsonl: click+trx as jsonl in envelopes",
        ),
        (
            "  s: { file: { path: out/all.jsonl }, envelope: false }",
            "out/all.jsonl: click+trx as jsonl",
        ),
        ("  s: { file: { path: out/one.jsonl }, events: trx }", "out/one.jsonl: trx as jsonl"),
        (
            "  s: { file: { path: out/one.jsonl }, events: [trx], envelope: true }",
            "out/one.jsonl: trx as jsonl in envelopes",
        ),
        ("  s: { file: { path: out/x.CSV }, events: [trx, silent] }", "out/x.CSV: trx as csv"),
        ("  s: { file: { path: out/x.txt, format: csv }, events: [trx] }", "out/x.txt: trx as csv"),
        (
            "  s: { file: { path: /dev/null, format: jsonl }, events: [trx] }\n  t: { file: { path: /dev/null, format: jsonl } }",
            "/dev/null: trx as jsonl\n/dev/null: click+trx as jsonl in envelopes",
        ),
        ("  s: { stdout: {} }", "standard output: click+trx as jsonl in envelopes"),
        ("  s: { stdout: { format: csv }, events: [click] }", "standard output: click as csv"),
        (
            "  s: { null: {} }\n  t: { \"null\": {} }",
            "null: click+trx as nothing\nnull: click+trx as nothing",
        ),
        (
            "  s: { file: { path: \"${DIR}/{event}.jsonl\" } }",
            "from{event}env/click.jsonl: click as jsonl\nfrom{event}env/trx.jsonl: trx as jsonl",
        ),
        (
            "  s: { file: { path: \"${OTHER:-o}/{{x}}/$${A}.csv\" }, events: [trx] }",
            "o/{x}/${A}.csv: trx as csv",
        ),
        (
            "  s: { file: { path: \"x-${DIR}\", format: jsonl } }",
            "x-from{event}env: click+trx as jsonl in envelopes",
        ),
        (
            "  s: { sqlite: { path: b.db, table: \"{event}\" } }",
            "b.db table click: click as records\nb.db table trx: trx as records",
        ),
        (
            "  s: { sqlite: { path: \"{event}.db\", table: rows } }",
            "click.db table rows: click as records\ntrx.db table rows: trx as records",
        ),
        // Nothing emits it: no file.
        ("  s: { file: { path: x.jsonl }, events: [silent] }", ""),
        (
            "  description: x-ignored\n  x-note: 1\n  s: { file: { path: \"x-{shard}.jsonl\", format: jsonl }, description: d, commit: { events: 5, every: 1m } }",
            "x-1.jsonl: click+trx as jsonl in envelopes",
        ),
    ];
    for (sinks, want) in cases {
        assert_eq!(shown(resolved(&good(sinks), &ALL)), want, "{sinks}");
    }
}

#[test]
fn selection_of_events() {
    let only_trx = Ask { selected: Some(&[false, true, false]), ..ALL };
    let cases = [
        // The model's sinks look the same whatever is selected.
        ("  s: { file: { path: all.jsonl } }", "all.jsonl: trx as jsonl in envelopes"),
        ("  s: { file: { path: all.jsonl }, events: [click] }", ""),
        ("  s: { file: { path: \"{event}.csv\" } }", "trx.csv: trx as csv"),
    ];
    for (sinks, want) in cases {
        assert_eq!(shown(resolved(&good(sinks), &only_trx)), want, "{sinks}");
    }
    // `--to` is judged after the selection.
    for (to, want) in [
        ("jsonl:all.jsonl", "all.jsonl: trx as jsonl"),
        ("csv:all.csv", "all.csv: trx as csv"),
        ("stdout:csv", "standard output: trx as csv"),
    ] {
        assert_eq!(shown(resolved(&[from_text(to).unwrap()], &only_trx)), want, "{to}");
    }
}

#[test]
fn to() {
    for (text, want) in [
        ("jsonl:a/{event}.x", "a/click.x: click as jsonl\na/trx.x: trx as jsonl"),
        ("csv:{event}.csv", "click.csv: click as csv\ntrx.csv: trx as csv"),
        (
            "csv:one.csv",
            "E0709 --to csv:one.csv: CSV holds one event, and 2 would go there: click, trx",
        ),
        (
            "stdout:csv",
            "E0709 --to stdout:csv: CSV holds one event, and 2 would go there: click, trx",
        ),
        ("sqlite:x.db", "x.db table click: click as records\nx.db table trx: trx as records"),
        ("x.db", "x.db table click: click as records\nx.db table trx: trx as records"),
        ("-", "standard output: click+trx as jsonl in envelopes"),
        ("stdout", "standard output: click+trx as jsonl in envelopes"),
        ("null", "null: click+trx as nothing"),
        ("out/x.jsonl", "out/x.jsonl: click+trx as jsonl in envelopes"),
        ("jsonl:/dev/null", "/dev/null: click+trx as jsonl in envelopes"),
    ] {
        match from_text(text) {
            Ok(spec) => assert_eq!(shown(resolved(&[spec], &ALL)), want, "{text}"),
            Err(e) => panic!("{text}: {}", e.message),
        }
    }
}

#[test]
fn wrong_to() {
    for (text, message, help) in [
        ("", "--to : it is empty", "write jsonl:PATH"),
        ("jsonl:", "--to jsonl:: the path is missing", "jsonl:out/{event}.jsonl"),
        ("csv", "--to csv: the path is missing", "csv:PATH"),
        ("jsonl:{evnt}.jsonl", "`{evnt}` is not a placeholder", "did you mean `{event}`?"),
        ("jsnol:x", "this is not a destination", "did you mean jsonl:x?"),
        ("stdout:xml", "standard output takes jsonl and csv", "stdout:csv"),
        ("kafka:localhost", "kafka takes more than a word", "under `sinks`"),
        ("file:x", "name the format, not the kind", "jsonl:x or csv:x"),
        ("whatever", "this is not a destination", "write jsonl:PATH"),
    ] {
        let Err(e) = from_text(text) else { panic!("{text} is accepted") };
        assert!(e.message.contains(message), "{text}: {}", e.message);
        assert!(e.help.join(" ").contains(help), "{text}: {:?}", e.help);
    }
}

/// Wrong `sinks`, each with code, message and what the help or note contains.
#[test]
fn wrong_sinks() {
    let cases = [
        (
            "  s: { fil: { path: x.jsonl } }",
            "E0702 a sink has no key `fil`",
            "did you mean `file`?",
        ),
        (
            "  s: { file: { path: x.jsonl }, event: [trx] }",
            "E0702 a sink has no key `event`",
            "did you mean `events`?",
        ),
        (
            "  s: { file: { path: x.jsonl, events: [trx] } }",
            "E0702 `file` has no key `events`",
            "stands beside `file`",
        ),
        (
            "  s: { file: { path: x.jsonl }, format: csv }",
            "E0702 a sink has no key `format`",
            "inside the destination",
        ),
        ("  s: { type: file }", "E0702 a sink has no key `type`", "the kind is the key"),
        ("  s: { events: [trx] }", "E0703 the sink `s` has no destination", "file"),
        (
            "  s: { file: { path: x.jsonl }, stdout: {} }",
            "E0703 a sink has one destination",
            "second sink",
        ),
        ("  s: { file: {} }", "E0704 `file` needs `path`", "write `file: { path:"),
        ("  s: { sqlite: { path: x.db } }", "E0704 `sqlite` needs `table`", "table: \"{event}\""),
        (
            "  s: { file: x.jsonl }",
            "E0701 `file` takes a mapping, not a single value",
            "write `file: { path: \"x.jsonl\" }`",
        ),
        (
            "  s: stdout",
            "E0701 a sink is a mapping, not a single value",
            "write `s: { stdout: {} }`",
        ),
        (
            "  s: { file: { pth: x.jsonl, path: y.jsonl } }",
            "E0702 `file` has no key `pth`",
            "its keys are",
        ),
        (
            "  s: { file: { path: x.jsonl, format: json } }",
            "E0708 `json` is not a format of `file`",
            "write `jsonl`",
        ),
        (
            "  s: { file: { path: x.txt } }",
            "E0708 the format cannot be told from the ending of the path",
            "format: jsonl",
        ),
        (
            "  s: { file: { path: x.parquet } }",
            "E0709 a file of parquet holds one event, and 2 would go there: click, trx",
            "write `{event}` in `path`",
        ),
        (
            "  s: { file: { path: x.jsonl, compression: gz } }",
            "E0705 `compression` cannot be `gz`",
            "`none`, `gzip`, `zstd`, `snappy`",
        ),
        (
            "  s: { file: { path: x.jsonl, compression: snappy } }",
            "E0705 a file of jsonl cannot be compressed by snappy",
            "write `none` or `gzip` or `zstd`",
        ),
        (
            "  s: { file: { path: x.jsonl.gz, compression: zstd } }",
            "E0705 the path's ending says gzip, and `compression` says zstd",
            "change one of them",
        ),
        (
            "  s: { file: { path: \"{event}.arrow\", compression: zstd } }",
            "E0705 a file of arrow cannot be compressed by zstd",
            "write `none`",
        ),
        (
            "  s: { file: { path: \"{event}.parquet.gz\" } }",
            "E0705 a file of parquet is not compressed as a whole",
            "`compression: gzip`",
        ),
        (
            "  s: { file: { path: x.jsonl, part: { events: 5 } } }",
            "E0705 `part` is for a path with `{part}`",
            "{event}-{part}.jsonl",
        ),
        (
            "  s: { file: { path: \"{part}.jsonl\", part: { events: 0 } } }",
            "E0705 `events` is 0",
            "at least 1",
        ),
        (
            "  s: { file: { path: \"{part}.jsonl\", part: { size: 9 } } }",
            "E0702 `part` has no key `size`",
            "`events`",
        ),
        (
            "  s: { file: { path: \"{part}.jsonl\", part: 9 } }",
            "E0705 `part` is a mapping, not a single value",
            "`events`",
        ),
        (
            "  s: { file: { path: \"{part}.jsonl\" }, if_exists: append }",
            "E0705 parts are written anew, and cannot be added to",
            "--resume",
        ),
        (
            "  s: { file: { path: \"{event}.parquet\" }, if_exists: append }",
            "E0705 a file of parquet is written anew, and cannot be added to",
            "if_exists: replace",
        ),
        (
            "  s: { sqlite: { path: x.db, table: \"{event}{part}\" } }",
            "E0707 `{part}` is for the path of a file",
            "leave it out",
        ),
        (
            "  s: { file: { path: \"s3://b/{event}.parquet\" } }",
            "E0705 `s3://` is an object store, and those are not supported",
            "local path",
        ),
        (
            "  s: { stdout: {}, delivery: {} }",
            "E0799 `delivery` is not supported yet",
            "leave it out",
        ),
        (
            "  s: { stdout: {}, if_exists: replace }",
            "E0705 `stdout` keeps nothing that could exist",
            "leave `if_exists` out",
        ),
        (
            "  s: { file: { path: x.jsonl }, if_exists: overwrite }",
            "E0705 `if_exists` cannot be `overwrite`",
            "did you mean `replace`?",
        ),
        (
            "  s: { file: { path: x.jsonl }, envelope: \"yes\" }",
            "E0705 `envelope` is true or false",
            "without quotes",
        ),
        (
            "  s: { sqlite: { path: x.db, table: \"{event}\", create: 1 } }",
            "E0705 `create` is true or false",
            "create: true",
        ),
        (
            "  s: { file: { path: x.jsonl }, events: [clik] }",
            "E0706 there is no event `clik`",
            "did you mean `click`?",
        ),
        (
            "  s: { file: { path: x.jsonl }, events: [trx, trx] }",
            "E0706 the event `trx` stands twice",
            "leave one out",
        ),
        (
            "  s: { file: { path: x.jsonl }, events: [] }",
            "E0705 `events` names no event",
            "leave `events` out",
        ),
        (
            "  s: { file: { path: x.jsonl }, events: { trx: 1 } }",
            "E0705 `events` is a list, not a mapping",
            "events: [NAME",
        ),
        (
            "  s: { file: { path: \"{evnt}.jsonl\" } }",
            "E0707 `{evnt}` is not a placeholder",
            "did you mean `{event}`?",
        ),
        ("  s: { file: { path: \"${A\" } }", "E0707 `${A` is not closed", "${NAME}"),
        (
            "  s: { file: { path: x.csv } }",
            "E0709 CSV holds one event, and 2 would go there: click, trx",
            "`{event}` in `path`",
        ),
        (
            "  s: { sqlite: { path: x.db, table: t } }",
            "E0709 a table holds one event, and 2 would go there: click, trx",
            "`{event}` in `table`",
        ),
        (
            "  s: { stdout: { format: csv } }",
            "E0709 CSV holds one event, and 2 would go there: click, trx",
            "events: [click]",
        ),
        (
            "  s: { file: { path: \"{event}.csv\" }, envelope: true }",
            "E0710 `envelope` is for JSON lines, not for CSV",
            "leave it out",
        ),
        (
            "  s: { \"null\": {}, envelope: true }",
            "E0710 `envelope` is for JSON lines, not for null",
            "leave it out",
        ),
        (
            "  s: { file: { path: x.jsonl } }\n  t: { file: { path: x.jsonl } }",
            "E0711 two outputs would write to x.jsonl",
            "its own path",
        ),
        (
            "  s: { stdout: {} }\n  t: { stdout: {} }",
            "E0711 two outputs would write to standard output",
            "one sink",
        ),
        (
            "  s: { stdout: {}, commit: { events: 0 } }",
            "E0705 `commit` needs limits above 0",
            "100000",
        ),
        ("  s: { stdout: {}, commit: { every: 5 } }", "E0705 the duration `5` has no unit", "5s"),
        (
            "  s: { stdout: {}, commit: 5s }",
            "E0705 `commit` is a mapping, not a single value",
            "every: 5s",
        ),
        (
            "  s: { stdout: {}, commit: { event: 5 } }",
            "E0702 `commit` has no key `event`",
            "did you mean `events`?",
        ),
        ("  my-sink: { stdout: {} }", "E0701 `my-sink` is not a name", "letters"),
        ("  - stdout", "E0701 `sinks` is a list, not a mapping", "name each sink"),
    ];
    for (sinks, want, help) in cases {
        let (_, diags, text) = checked(sinks);
        let all: Vec<_> = diags.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        assert_eq!(all, [want], "{sinks}");
        let words = [diags.0[0].help.join(" "), diags.0[0].notes.join(" ")].join(" ");
        assert!(words.contains(help), "{sinks}: {words}");
        assert_eq!(diags.0[0].severity, Severity::Error);
        let shown = diags.render(&Source::new("m.yaml", text), false);
        assert!(shown.contains("m.yaml:1"), "the place is in `sinks`: {shown}");
    }
}

#[cfg(feature = "http")]
#[test]
fn keys_of_http() {
    good(
        "  s:\n    http:\n      url: \"http://h:80/{event}\"\n      method: PUT\n      headers: { A: b }\n      \
         format: json\n      batch: { events: 5 }\n    commit: { every: 1s }",
    );
    good("  a: { http: { url: \"http://h/\" } }\n  b: { http: { url: \"http://h/\" } }");
    for (keys, want, help) in [
        ("{}", "E0704 `http` needs `url`", "http://HOST/PATH"),
        ("{ url: x, uri: y }", "E0702 `http` has no key `uri`", "its keys are"),
        ("{ url: x, method: GET }", "E0705 `method` cannot be `GET`", "`POST`, `PUT`"),
        ("{ url: x, format: csv }", "E0705 `format` cannot be `csv`", "`jsonl`, `json`"),
        ("{ url: x, headers: a }", "E0705 `headers` is a mapping, not a single value", "NAME:"),
        ("{ url: x, batch: 5 }", "E0705 `batch` is a mapping, not a single value", "`events`"),
        ("{ url: x, batch: { events: 0 } }", "E0705 `events` is 0", "at least 1"),
        ("{ url: x, batch: { size: 9 } }", "E0702 `batch` has no key `size`", "`events`"),
        ("{ url: x }, if_exists: append", "E0705 `http` keeps nothing that could exist", "leave"),
    ] {
        let (_, diags, _) = checked(&format!("  s: {{ http: {keys} }}"));
        let all: Vec<_> = diags.0.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        assert_eq!(all, [want], "{keys}");
        let words = [diags.0[0].help.join(" "), diags.0[0].notes.join(" ")].join(" ");
        assert!(words.contains(help), "{keys}: {words}");
    }
    let wrong = good("  s: { http: { url: \"me:secret@h\" } }");
    assert_eq!(shown(resolved(&wrong, &ALL)), "E0714 `url` is not an address");
}

#[test]
fn problems_of_a_run() {
    let unset = good("  s: { file: { path: \"${NOPE}/{event}.jsonl\" } }");
    assert_eq!(shown(resolved(&unset, &ALL)), "E0713 the variable NOPE is not set");
    let mut diags = Diagnostics::default();
    warn_unset(&unset, &|_| None, &mut diags);
    assert_eq!(diags.0.len(), 1);
    assert_eq!(diags.0[0].severity, Severity::Warning);

    let to = |texts: &[&str]| texts.iter().map(|t| from_text(t).unwrap()).collect::<Vec<_>>();
    assert_eq!(
        shown(resolved(&to(&["jsonl:a.jsonl", "jsonl:./a.jsonl"]), &ALL)),
        "E0711 --to jsonl:./a.jsonl: two outputs would write to ./a.jsonl"
    );
    assert_eq!(
        shown(resolved(&to(&["jsonl:a.db", "sqlite:a.db"]), &ALL)).lines().next(),
        Some("E0711 --to sqlite:a.db: two outputs would write to a.db table click")
    );
    let shard = Ask { shard: (2, 16), if_exists: Some(IfExists::Replace), ..ALL };
    assert_eq!(
        shown(resolved(&to(&["jsonl:a.jsonl"]), &shard)),
        "E0712 --to jsonl:a.jsonl: each shard would replace what the others have written"
    );
    assert_eq!(
        shown(resolved(&to(&["jsonl:a-{shard}.jsonl"]), &shard)),
        "a-02.jsonl: click+trx as jsonl in envelopes"
    );
    // Nothing is kept by these, so there is nothing to replace.
    assert_eq!(shown(resolved(&to(&["null"]), &shard)), "null: click+trx as nothing");
    assert_eq!(
        shown(resolved(&[default_destination()], &ALL)),
        "standard output: click+trx as jsonl in envelopes"
    );
}
