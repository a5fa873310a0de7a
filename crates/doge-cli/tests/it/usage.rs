//! Wrong commands: exit code 2, what is wrong and what to write instead, and nothing on standard output.

use super::*;

#[test]
fn wrong_values() {
    let folder = shop();
    for (args, words) in [
        (&["--seed", "-1"][..], "the seed `-1` is negative"),
        (&["--seed", "1e3"], "write it in digits: `1000`"),
        (&["--param", "gain"], "write NAME=VALUE"),
        (&["--count", "=5"], "POPULATION=N"),
        (&["--count", "1_000"], "write the digits alone: `1000`"),
        (&["--ticks", "10", "--duration", "5m"], "cannot be used with"),
        (&["--duration", "90"], "write the unit: `90s`"),
        (&["--start", "2022-02-11"], "2022-02-11T00:00:00Z"),
        (&["--threads", "0"], "above 0"),
        (&["--subjects", "5..5"], "is empty; its end is excluded"),
        (&["--subjects", "5..=9"], "write 5..10"),
        (&["--shard", "9/8"], "K from 1 to N"),
        (&["--memory", "1"], "the unit is missing"),
        (&["--memory", "1MiB"], "at least 16MiB"),
        (&["--to", "jsnol:x"], "did you mean jsonl:x?"),
        (&["--to", "kafka:x"], "kafka takes more than a word"),
        (&["--to", "csv:{evnt}.csv"], "did you mean `{event}`?"),
        (&["--if-exists", "overwrite"], "invalid value 'overwrite'"),
        (&["--report", "-"], "write the name of a file"),
        (&["--pace", "fast"], "write realtime, 60x"),
        (&["--pace", "10/min"], "write 10/s"),
        (&["--pace", "0x"], "write 1x"),
        (&["--evnts", "x"], "--events"),
        (&["--param", "gian=3"], "did you mean `gain`?"),
        (&["--param", "gain=3.5"], "not a whole number"),
        (&["--count", "usr=3"], "did you mean `user`?"),
        (&["--events", "bougt"], "did you mean `bought`?"),
        (&["--subjects", "99..101"], "user has 100 subjects"),
        (&["--subjects", "usr:5"], "did you mean user?"),
        (&["--to", "csv:all.csv"], "CSV holds one event, and 2 would go there: bought, seen"),
        (&["--to", "jsonl:a", "--to", "csv:a", "--events", "seen"], "two outputs would write to a"),
        (
            &["--shard", "1/2", "--to", "jsonl:a", "--if-exists", "replace"],
            "write `{shard}` in the path",
        ),
    ] {
        let done = call(folder.path(), &[&["run", "m.yaml"], args].concat());
        assert_eq!(done.code, 2, "{args:?}\n{}", done.stderr);
        assert!(done.stderr.contains(words), "{args:?}: want {words}\n{}", done.stderr);
        assert_eq!(done.stdout, "", "{args:?}");
        assert!(!done.stderr.contains('\x1b'), "no colours where nobody sees them");
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["m.yaml"], "nothing was opened");
}

#[test]
fn models_that_cannot_be_read() {
    let folder = shop();
    std::fs::write(folder.path().join("binary.yaml"), b"\x00\xff\xfe").unwrap();
    for (model, words) in [
        ("none.yaml", "cannot read the model none.yaml: no such file or directory"),
        (".", "cannot read the model .: it is a folder"),
        ("binary.yaml", "UTF-8"),
    ] {
        for command in ["run", "check"] {
            let done = call(folder.path(), &[command, model]);
            assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{}", done.stderr);
            assert!(done.stderr.contains(words), "{}", done.stderr);
        }
    }
}

#[test]
fn help_fits_a_screen() {
    let folder = shop();
    for (args, most) in [(&["-h"][..], 20), (&["run", "-h"], 50), (&["check", "-h"], 25)] {
        let done = call(folder.path(), args);
        assert_eq!(done.code, 0);
        assert!(done.stdout.lines().count() <= most, "{} lines", done.stdout.lines().count());
        assert!(done.stdout.lines().all(|l| l.chars().count() <= 100), "{}", done.stdout);
        assert_eq!(done.stderr, "");
    }
    let version = call(folder.path(), &["--version"]);
    assert_eq!(version.stdout, format!("doge {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn words_of_other_tools_get_a_hint() {
    let folder = shop();
    for (arguments, hint) in [
        (&["model.yaml"][..], "doge run model.yaml"),
        (&["run", "m.yaml", "--output", "x"], "--to jsonl:PATH"),
        (&["run", "m.yaml", "--format", "csv"], "--to stdout:csv"),
        (&["run", "m.yaml", "-n", "5"], "--count N"),
        (&["run", "m.yaml", "--dry-run"], "doge check MODEL"),
    ] {
        let done = call(folder.path(), arguments);
        assert_eq!(done.code, 2, "{}", done.stderr);
        let last = done.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("  help: ") && last.contains(hint), "{}", done.stderr);
    }
}

#[test]
fn a_probability_that_fails_at_creation_shows_its_place() {
    let folder = shop();
    let path = folder.path().join("m.yaml");
    let text = std::fs::read_to_string(&path).expect("a model");
    std::fs::write(&path, text.replace("probability: 10%", "probability: 90 - id * 2"))
        .expect("a file");
    let done = call(folder.path(), &["run", "m.yaml", "--to", "null"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let words = [
        "a probability of state in, evaluated at creation, user 46",
        "m.yaml:14:26",
        "clamp(x, 0.0, 100.0)",
    ];
    words.iter().for_each(|w| assert!(done.stderr.contains(w), "{w}: {}", done.stderr));
}
