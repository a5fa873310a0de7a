//! The examples are what their pages say: `examples/NAME/model.yaml`, run by its command, prints and
//! writes `examples/NAME/expected.txt`.
//!
//! To add one make the folder with `README.md` and `model.yaml` and run with `UPDATE_EXPECT=1`. A change of
//! an existing file means that users' events change: it belongs into the changelog.

use super::docs::{masked, root};
use super::*;
use std::fmt::Write;

/// Prints the tables of a database as JSON lines, with another program than ours.
const TABLES: &str = "
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for (table,) in db.execute(\"select name from sqlite_master where type = 'table' and substr(name, 1, 5) <> '_doge' order by name\").fetchall():
    rows = db.execute(f'select * from \"{table}\" order by rowid')
    names = [c[0] for c in rows.description]
    print(f'# {sys.argv[1]} table {table}: ' + ', '.join(names))
    for row in rows:
        print(json.dumps(row))
";

/// What a folder holds, file by file.
fn contents(folder: &Path, below: &str, out: &mut String) {
    let mut names: Vec<_> = std::fs::read_dir(folder.join(below))
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    for name in names {
        let path = format!("{below}/{name}");
        if folder.join(&path).is_dir() {
            contents(folder, &path, out);
        } else if name.ends_with(".db") {
            let python = Command::new("python3")
                .args(["-c", TABLES, &path])
                .current_dir(folder)
                .output()
                .expect("python3 can be started");
            assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
            out.push_str(&String::from_utf8_lossy(&python.stdout));
        } else {
            let text = std::fs::read_to_string(folder.join(&path)).expect("text");
            write!(out, "# {path}\n{text}").expect("memory");
        }
    }
}

#[test]
fn examples_write_what_they_say() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).expect("the folder").flatten() {
        let example = entry.path();
        let name = entry.file_name().into_string().expect("UTF-8");
        let model = example.join("model.yaml");
        assert!(
            model.is_file() && example.join("README.md").is_file(),
            "{name} has a README.md and a model.yaml"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let place = format!("examples/{name}");
        std::fs::create_dir_all(folder.path().join(&place)).expect("a folder");
        let model_path = format!("{place}/model.yaml");
        std::fs::copy(model, folder.path().join(&model_path)).expect("a copy");
        let args = ["run", model_path.as_str()];
        let done = call(folder.path(), &args);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{name}");
        let mut text = format!("$ doge {}\n{}\n", args.join(" "), masked(&done.stdout));
        contents(folder.path(), "out", &mut text);
        // It can be run again at once, and writes the same.
        let again = call(folder.path(), &args);
        let mut second = format!("$ doge {}\n{}\n", args.join(" "), masked(&again.stdout));
        contents(folder.path(), "out", &mut second);
        assert_eq!((again.code, &second), (0, &text), "{name}, run again");
        let file = example.join("expected.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &text).expect("a file");
        }
        let expected = std::fs::read_to_string(&file).expect("expected.txt");
        assert_eq!(text, expected, "{name}: refresh with UPDATE_EXPECT=1, and read what changed");
        count += 1;
    }
    assert!(count >= 1, "no example was run");
}
