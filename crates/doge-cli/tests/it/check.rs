//! `doge check`.

use super::*;

#[test]
fn a_valid_model() {
    let folder = shop();
    let done = call(folder.path(), &["check", "m.yaml"]);
    assert_eq!(
        done.stdout,
        "m.yaml: valid; 1 population, 1 state, 2 transitions, 2 events, 1 destination; 0 warnings\n"
    );
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
}

#[test]
fn from_standard_input() {
    use std::io::Write;
    let folder = shop();
    let mut child = doge(folder.path())
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(SHOP.replace("seen]", "sen]").as_bytes()).unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("<stdin>:17:28"), "{}", done.stderr);
    assert_eq!(done.stdout, "<stdin>: wrong; 1 error, 0 warnings\n");
}

#[test]
fn problems_of_all_parts_at_once() {
    let folder = shop();
    let wrong = SHOP
        .replace("probability: 10%", "probability: 110%")
        .replace("total + params", "totl + params")
        + "sinks:\n  a: { file: { pth: x.jsonl } }\n";
    std::fs::write(folder.path().join("wrong.yaml"), wrong).unwrap();
    let done = call(folder.path(), &["check", "wrong.yaml"]);
    assert_eq!(done.code, 2);
    for words in ["110%", "totl", "did you mean `path`?"] {
        assert!(done.stderr.contains(words), "{words} is missing in\n{}", done.stderr);
    }
    let run = call(folder.path(), &["run", "wrong.yaml"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert_eq!(run.stderr, done.stderr, "run says the same");
    let color = call(folder.path(), &["check", "wrong.yaml", "--color", "always"]);
    assert!(color.stderr.contains('\x1b'));
}

#[test]
fn unset_variables() {
    let folder = shop();
    let model =
        SHOP.to_owned() + "sinks:\n  a: { file: { path: \"${DOGE_TEST_UNSET}/{event}.jsonl\" } }\n";
    std::fs::write(folder.path().join("env.yaml"), model).unwrap();
    let check = call(folder.path(), &["check", "env.yaml"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    assert!(
        check.stderr.contains("the variable DOGE_TEST_UNSET is not set now"),
        "{}",
        check.stderr
    );
    assert!(check.stdout.ends_with("1 warning\n"), "{}", check.stdout);
    let run = call(folder.path(), &["run", "env.yaml"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("the variable DOGE_TEST_UNSET is not set"), "{}", run.stderr);
    // Replaced sinks are not asked for it.
    assert_eq!(call(folder.path(), &["run", "env.yaml", "--to", "null"]).code, 0);
    let set = doge(folder.path())
        .args(["run", "env.yaml", "-q"])
        .env("DOGE_TEST_UNSET", "made")
        .output()
        .unwrap();
    assert!(set.status.success());
    assert!(folder.path().join("made/seen.jsonl").exists());
}

#[test]
#[cfg(not(feature = "kafka"))]
fn destinations_of_another_build() {
    let folder = shop();
    let model = SHOP.to_owned() + "sinks:\n  a: { kafka: { brokers: x, topic: y } }\n";
    std::fs::write(folder.path().join("later.yaml"), model).unwrap();
    let check = call(folder.path(), &["check", "later.yaml"]);
    assert_eq!(check.code, 2);
    assert!(check.stderr.contains("`kafka` is not in this build"), "{}", check.stderr);
    let run = call(folder.path(), &["run", "later.yaml", "--to", "null"]);
    assert_eq!(run.code, 0, "replaced sinks do not matter\n{}", run.stderr);
}
