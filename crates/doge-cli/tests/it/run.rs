//! `doge run`, when all goes well and when it does not.

use super::*;

fn lines(folder: &Path, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn without_sinks_to_standard_output() {
    let folder = shop();
    let done = call(folder.path(), &["run", "m.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let events = done.stdout.lines().count();
    assert!(events > 1000);
    assert!(
        done.stdout.lines().all(|l| l.starts_with("{\"event\":\"") && l.ends_with("}}")),
        "envelopes"
    );
    assert!(done.stderr.starts_with("shop: "), "the summary is on standard error: {}", done.stderr);
    assert!(done.stderr.contains("seed 7"));
    assert!(done.stderr.contains("standard output"));
    let quiet = call(folder.path(), &["run", "m.yaml", "--quiet"]);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (done.stdout, ""));
}

#[test]
fn to_files_and_a_database() {
    let folder = shop();
    let args = [
        "run",
        "m.yaml",
        "--to",
        "jsonl:out/{event}.jsonl",
        "--to",
        "csv:out/{event}.csv",
        "--to",
        "sqlite:out/x.db",
    ];
    let done = call(folder.path(), &args);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["bought.csv", "bought.jsonl", "seen.csv", "seen.jsonl", "x.db"]);
    let jsonl = lines(folder.path(), "out/seen.jsonl");
    assert!(
        jsonl[0].starts_with("{\"user\":"),
        "a file for each event needs no envelope: {}",
        jsonl[0]
    );
    let csv = lines(folder.path(), "out/seen.csv");
    assert_eq!(csv[0], "user,what");
    assert_eq!(csv.len(), jsonl.len() + 1);
    for words in [
        "seen",
        "bought",
        "out/x.db table seen",
        "out/seen.jsonl",
        "100 user",
        "blocked",
        "events/s",
    ] {
        assert!(done.stdout.contains(words), "{words} is missing in the summary\n{}", done.stdout);
    }
    // Again: what is there is kept, unless it is to be replaced.
    let again = call(folder.path(), &args);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    for words in [
        "out/seen.jsonl exists already",
        "out/seen.csv exists already",
        "out/x.db table seen has rows already",
        "--if-exists replace",
    ] {
        assert!(again.stderr.contains(words), "all are told at once: {words}\n{}", again.stderr);
    }
    let replace = call(folder.path(), &[&args[..], &["--if-exists", "replace"]].concat());
    assert_eq!(replace.code, 0, "{}", replace.stderr);
    assert_eq!(
        lines(folder.path(), "out/seen.jsonl"),
        jsonl,
        "the same seed gives the same events"
    );
    let append = call(folder.path(), &[&args[..], &["--if-exists", "append"]].concat());
    assert_eq!(append.code, 0, "{}", append.stderr);
    assert_eq!(lines(folder.path(), "out/seen.csv").len(), 2 * jsonl.len() + 1, "one header");
}

#[test]
fn an_event_that_did_not_occur_gets_its_file() {
    let folder = shop();
    let args = [
        "run",
        "m.yaml",
        "-q",
        "--ticks",
        "1",
        "--count",
        "1",
        "--to",
        "csv:{event}.csv",
        "--to",
        "jsonl:{event}.jsonl",
    ];
    let done = call(folder.path(), &args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(lines(folder.path(), "bought.csv"), ["at,user,total"]);
    assert_eq!(lines(folder.path(), "bought.jsonl"), Vec::<String>::new());
}

#[test]
fn parts_of_a_run() {
    let folder = shop();
    let out = |args: &[&str]| {
        let done =
            call(folder.path(), &[&["run", "m.yaml", "-q", "--to", "stdout"], args].concat());
        assert_eq!(done.code, 0, "{args:?} {}", done.stderr);
        done.stdout
    };
    let whole = out(&[]);
    let first = out(&["--max-events", "10"]);
    assert_eq!(first.lines().count(), 10);
    assert!(whole.starts_with(&first));
    let shorter = out(&["--ticks", "50"]);
    assert!(whole.starts_with(&shorter) && shorter.len() < whole.len());
    assert_eq!(out(&["--duration", "50m"]), shorter);
    assert_eq!(out(&["--end", "2022-02-11T00:50:00Z"]), shorter);
    let one = out(&["--subjects", "17"]);
    let of_17: String =
        whole.lines().filter(|l| l.contains("\"key\":\"17\"")).map(|l| format!("{l}\n")).collect();
    assert_eq!(one, of_17);
    assert_eq!(out(&["--subjects", "user:17..18"]), one);
    let (a, b) = (out(&["--shard", "1/2"]), out(&["--shard", "2/2"]));
    assert_eq!(a.lines().count() + b.lines().count(), whole.lines().count());
    let seen = out(&["--events", "seen"]);
    assert!(seen.lines().all(|l| l.starts_with("{\"user\":")), "--to is judged after --events");
    assert_ne!(out(&["--seed", "8"]), whole);
    assert!(out(&["--param", "gain=1000"]).contains("\"total\":1000"));
    assert!(out(&["--count", "200"]).lines().count() > whole.lines().count());
    for same in [["--threads", "3"], ["--window-ticks", "1"], ["--memory", "16MiB"]] {
        assert_eq!(out(&same), whole, "{same:?}");
    }
}

#[test]
fn the_report() {
    let folder = shop();
    let args = ["run", "m.yaml", "-q", "--to", "jsonl:a.jsonl", "--report", "new/report.json"];
    assert_eq!(call(folder.path(), &args).code, 0);
    let read = |keys: &str| {
        let program = format!("import json;r=json.load(open('new/report.json'));print({keys})");
        let out = Command::new("python3")
            .args(["-c", &program])
            .current_dir(folder.path())
            .output()
            .expect("this test reads JSON with python3: install it, for instance with `apt-get install python3`");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(
        read("r['outcome'], r['error'], r['seed'], r['subjects'], r['ticks']"),
        "done None 7 {'user': 100} 100\n"
    );
    let events = lines(folder.path(), "a.jsonl").len();
    assert_eq!(
        read("r['total_events'], r['outputs'][0]['events'], r['outputs'][0]['place']"),
        format!("{events} {events} a.jsonl\n")
    );
    assert_eq!(
        read("sum(t['attempts'] for t in r['transitions']) == r['attempts'] > 1000"),
        "True\n"
    );
    // And of a run that fails, at whatever point.
    assert_eq!(call(folder.path(), &args).code, 1);
    assert_eq!(read("r['outcome'], r['error']"), "failed a.jsonl exists already\n");
    assert_eq!(call(folder.path(), &["run", "none.yaml", "--report", "new/report.json"]).code, 2);
    assert!(read("r['outcome'], r['error']").starts_with("failed cannot read the model none.yaml"));
    let done =
        call(folder.path(), &["run", "m.yaml", "-q", "--to", "null", "--report", "m.yaml/x.json"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("cannot write the report m.yaml/x.json"), "{}", done.stderr);
}

#[test]
fn an_expression_that_fails() {
    let folder = shop();
    let model = SHOP.replace("total + params.gain", "total + 9000000000000000000");
    std::fs::write(folder.path().join("over.yaml"), model).unwrap();
    let done = call(folder.path(), &["run", "over.yaml", "--to", "jsonl:a.jsonl", "--seed", "9"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    for words in [
        "over.yaml:16:",
        "9000000000000000000 + 9000000000000000000",
        "transition buy of state in",
        "seed 9",
        "tick ",
        "a.jsonl.part holds the first",
    ] {
        assert!(done.stderr.contains(words), "{words} is missing in\n{}", done.stderr);
    }
    // The command that it gives meets the same error.
    let command = done
        .stderr
        .lines()
        .find_map(|l| l.split_once("this subject alone: doge "))
        .expect("a command")
        .1;
    let args: Vec<&str> = command.split(' ').collect();
    let again = call(folder.path(), &args);
    assert_eq!(again.code, 1, "{command}");
    let note = |text: &str| text.lines().find(|l| l.contains("seed 9")).map(str::to_owned);
    assert_eq!(note(&again.stderr), note(&done.stderr));
}

#[test]
fn a_run_that_cannot_write() {
    let folder = shop();
    let full = call(folder.path(), &["run", "m.yaml", "--to", "jsonl:/dev/full"]);
    assert_eq!((full.code, full.stdout.as_str()), (1, ""));
    assert!(
        full.stderr.contains("cannot write /dev/full: no space left on device"),
        "{}",
        full.stderr
    );
    std::fs::create_dir(folder.path().join("x.jsonl")).unwrap();
    let dir =
        call(folder.path(), &["run", "m.yaml", "--to", "jsonl:x.jsonl", "--to", "jsonl:y.jsonl"]);
    assert_eq!(dir.code, 1);
    assert!(dir.stderr.contains("cannot write x.jsonl: it is a folder"), "{}", dir.stderr);
    assert!(
        !folder.path().join("y.jsonl").exists() && !folder.path().join("y.jsonl.part").exists()
    );
}

#[test]
fn warnings_are_shown() {
    let folder = shop();
    let model = SHOP.to_owned() + "  never:\n    fields: { user: id }\n";
    std::fs::write(folder.path().join("warn.yaml"), model).unwrap();
    let done = call(folder.path(), &["run", "warn.yaml", "--to", "null"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("warning") && done.stderr.contains("never"), "{}", done.stderr);
    assert_eq!(call(folder.path(), &["run", "warn.yaml", "--to", "null", "-q"]).stderr, "");
    let events = call(folder.path(), &["run", "warn.yaml", "--to", "csv:{event}.csv", "-q"]);
    assert_eq!(events.code, 0, "{}", events.stderr);
    assert!(folder.path().join("seen.csv").exists() && !folder.path().join("never.csv").exists());
}
