//! Destinations that cannot take what they are given: each with a message that says so, and with what
//! is there left as it was.

use super::support::*;
use doge_datagen::format::TextFormat;
use doge_datagen::sink::{IfExists, Sink, SinkError};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn file(path: &Path, if_exists: IfExists, format: TextFormat) -> Box<dyn Sink> {
    make(kind("file"), &[("path", path.to_str().unwrap())], if_exists, format, &mut Shared::new())
}

fn table(path: &Path, if_exists: IfExists) -> Box<dyn Sink> {
    let texts = [("path", path.to_str().unwrap()), ("table", "trx")];
    make(kind("sqlite"), &texts, if_exists, TextFormat::Jsonl, &mut Shared::new())
}

fn fails(mut sink: Box<dyn Sink>, format: TextFormat, message: &str) -> SinkError {
    let error = sink.open(&opening(format)).expect_err(message);
    assert!(error.message.contains(message), "got: {error}\nwant: {message}");
    assert!(!error.help.is_empty(), "no way out: {error}");
    assert!(!sink.abort().is_empty());
    error
}

const J: TextFormat = TextFormat::Jsonl;

#[test]
fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fails(file(folder.path(), IfExists::Replace, J), J, "it is a folder");
    fails(table(folder.path(), IfExists::Replace), J, "it is a folder");
    std::fs::create_dir(folder.path().join("x.jsonl.part")).unwrap();
    fails(file(&folder.path().join("x.jsonl"), IfExists::Replace, J), J, "it is a folder");
}

#[test]
fn a_file_where_a_folder_should_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "text").unwrap();
    let below = folder.path().join("a/b/c.jsonl");
    let error = fails(file(&below, IfExists::Error, J), J, "is a file");
    assert!(error.message.contains("/a is a file"), "{error}");
    assert!(table(&below, IfExists::Error).open(&opening(J)).is_err());
}

#[test]
fn a_full_device() {
    // /dev/full takes nothing; it is written directly, so that nothing is safe.
    let mut sink = file(Path::new("/dev/full"), IfExists::Error, J);
    sink.open(&opening(J)).unwrap();
    let error = sink.write(&chunk(kind("file"), &layout(), J, 0, 100)).unwrap_err();
    assert_eq!(error.message, "cannot write /dev/full: no space left on device");
    assert_eq!(sink.abort(), "the first 0 events went to /dev/full");
}

#[test]
fn dev_null_and_fifos_are_written_directly() {
    for _ in 0..2 {
        let mut sink = file(Path::new("/dev/null"), IfExists::Error, J);
        sink.open(&opening(J)).unwrap();
        sink.write(&chunk(kind("file"), &layout(), J, 0, 100)).unwrap();
        assert_eq!(
            sink.finish().unwrap().bytes,
            Some((0..100).map(|n| text_of(n, J).len() as u64).sum())
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("pipe.jsonl");
    assert!(
        Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is part of coreutils").success()
    );
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            // Takes the first bytes and goes away.
            let mut file = std::fs::File::open(fifo).unwrap();
            let mut some = [0; 5];
            file.read_exact(&mut some).unwrap();
            some
        }
    });
    let mut sink = file(&fifo, IfExists::Error, J);
    sink.open(&opening(J)).unwrap();
    let error = (0..10_000)
        .find_map(|i| sink.write(&chunk(kind("file"), &layout(), J, i * 100, i * 100 + 100)).err())
        .expect("the reader is gone");
    assert!(error.closed_pipe, "{error}");
    assert_eq!(&reader.join().unwrap(), b"{\"n\":");
    assert!(fifo.exists(), "a pipe is not renamed over");
}

/// A file system of 256 KiB. Where this may not be made, a limit on the size of files does the same
/// for files; for SQLite it does not, and the test says so.
struct Tiny {
    folder: tempfile::TempDir,
}

impl Tiny {
    fn mount() -> Option<Tiny> {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|s| s.success()).then_some(Tiny { folder })
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

/// Runs one of the ignored tests below in a process of its own: under a limit (a shell command that
/// comes first) or as another user.
fn in_child(test: &str, folder: &Path, shell: &str, nobody: bool) {
    // The test binary may lie where `nobody` cannot read it.
    let exe = folder.join("test-binary");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("bash");
    let script = format!("{shell} exec \"$0\" --exact --ignored --nocapture \"$1\"");
    command
        .arg("-c")
        .arg(script)
        .arg(&exe)
        .arg(format!("failures::{test}"))
        .env("DOGE_TEST_FOLDER", folder);
    if nobody {
        use std::os::unix::process::CommandExt;
        command.uid(65534).gid(65534).current_dir("/");
    }
    let out = command.output().expect("bash can be started");
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{test} in its own process:\n{text}"
    );
}

fn child_folder() -> std::path::PathBuf {
    std::env::var_os("DOGE_TEST_FOLDER").expect("run by the test of the same name").into()
}

/// Fills a file until it fails, and looks at what is left.
fn fill_file(folder: &Path, message: &str) {
    for format in [TextFormat::Jsonl, TextFormat::Csv] {
        let path = folder.join("full.txt");
        let mut sink = file(&path, IfExists::Replace, format);
        sink.open(&opening(format)).unwrap();
        let layout = layout();
        let error = (0..10_000)
            .find_map(|i| {
                sink.write(&chunk(kind("file"), &layout, format, i * 100, i * 100 + 100)).err()
            })
            .expect("the disk is full");
        assert!(
            error.message.contains(message) && error.message.contains("full.txt.part"),
            "{error}"
        );
        let said = sink.abort();
        let part = folder.join("full.txt.part");
        let left = read_back("file", &part, format).unwrap();
        assert!(left.len() > 1000);
        assert_eq!(left, (0..left.len() as u64).collect::<Vec<_>>(), "whole events only");
        let whole = std::fs::read(&part).unwrap();
        assert_eq!(whole.last(), Some(&b'\n'));
        assert!(said.contains(&doge_datagen::sink::events(left.len() as u64)), "{said}");
        std::fs::remove_file(part).unwrap();
    }
}

#[test]
fn a_full_disk() {
    match Tiny::mount() {
        Some(tiny) => {
            fill_file(tiny.folder.path(), "no space left on device");
            super::files::fill_files(tiny.folder.path(), "no space left on device");
            // A database: what is committed stays, what is not goes.
            let path = tiny.folder.path().join("full.db");
            let mut sink = table(&path, IfExists::Error);
            sink.open(&opening(J)).unwrap();
            let layout = layout();
            let (mut committed, mut error) = (0, None);
            for i in 0..10_000 {
                let done = sink
                    .write(&chunk(kind("sqlite"), &layout, J, i * 100, i * 100 + 100))
                    .and_then(|()| sink.commit(position(i * 100 + 99)));
                match done {
                    Ok(_) => committed = (i + 1) * 100,
                    Err(e) => {
                        error = Some(e);
                        break;
                    }
                }
            }
            let error = error.expect("the disk is full");
            assert!(error.message.contains("full"), "{error}");
            assert!(!error.help.is_empty());
            let said = sink.abort();
            assert!(
                committed > 0 && said.contains(&doge_datagen::sink::events(committed)),
                "{said}"
            );
            assert_eq!(read_back("sqlite", &path, J), Some((0..committed).collect()));
            assert!(!tiny.folder.path().join("full.db-journal").exists());
        }
        None => {
            eprintln!(
                "no right to mount a small file system: a limit on file sizes takes its place"
            );
            let folder = tempfile::tempdir().unwrap();
            in_child("child_file_limit", folder.path(), "trap '' XFSZ; ulimit -f 200;", false);
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files() {
    let folder = tempfile::tempdir().unwrap();
    in_child("child_file_limit", folder.path(), "trap '' XFSZ; ulimit -f 200;", false);
}

#[test]
#[ignore = "run by a_limit_on_the_size_of_files in a process with a limit"]
fn child_file_limit() {
    fill_file(&child_folder(), "file too large");
    let folder = child_folder().join("files");
    std::fs::create_dir(&folder).unwrap();
    super::files::fill_files(&folder, "file too large");
}

#[test]
fn no_permission() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Permission bits do not bind root: a process of `nobody` looks at them.
    std::fs::write(folder.path().join("mine.jsonl"), "{}\n").unwrap();
    std::fs::set_permissions(
        folder.path().join("mine.jsonl"),
        std::fs::Permissions::from_mode(0o444),
    )
    .unwrap();
    let mut sink = table(&folder.path().join("mine.db"), IfExists::Error);
    sink.open(&opening(J)).unwrap();
    sink.finish().unwrap();
    std::fs::set_permissions(folder.path().join("mine.db"), std::fs::Permissions::from_mode(0o444))
        .unwrap();
    let root = is_root();
    let me = std::fs::Permissions::from_mode(if root { 0o755 } else { 0o555 });
    if !root {
        // The binary must be there before the folder closes.
        std::fs::copy(std::env::current_exe().unwrap(), folder.path().join("test-binary")).unwrap();
    }
    std::fs::set_permissions(folder.path(), me).unwrap();
    if root {
        in_child("child_no_permission", folder.path(), "", true);
    } else {
        without_permission(folder.path());
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().expect("id is part of coreutils");
    out.stdout == b"0\n"
}

#[test]
#[ignore = "run by no_permission in a process of another user"]
fn child_no_permission() {
    assert!(!is_root(), "this must not be root");
    without_permission(&child_folder());
}

fn without_permission(folder: &Path) {
    fails(file(&folder.join("new.jsonl"), IfExists::Error, J), J, "permission denied");
    fails(file(&folder.join("sub/new.jsonl"), IfExists::Error, J), J, "permission denied");
    fails(file(&folder.join("mine.jsonl"), IfExists::Append, J), J, "permission denied");
    fails(file(&folder.join("mine.jsonl"), IfExists::Replace, J), J, "permission denied");
    fails(table(&folder.join("new.db"), IfExists::Error), J, "permission denied");
    let error = fails(table(&folder.join("mine.db"), IfExists::Error), J, "it is read-only");
    assert!(error.message.contains("mine.db"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.join("mine.jsonl")).unwrap(), "{}\n");
}

#[test]
fn a_locked_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE x (y); BEGIN EXCLUSIVE").unwrap();
    let start = std::time::Instant::now();
    fails(table(&path, IfExists::Error), J, "another process has locked it");
    assert!(start.elapsed().as_millis() >= 250, "it waits a while first");
    other.execute_batch("COMMIT").unwrap();
    let mut sink = table(&path, IfExists::Error);
    sink.open(&opening(J)).unwrap();
    sink.finish().unwrap();
}

#[test]
fn not_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let text =
        "this is not a database, it is text that is long enough to be looked at\n".repeat(20);
    std::fs::write(&path, &text).unwrap();
    fails(table(&path, IfExists::Replace), J, "it is not an SQLite file");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_table_with_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TABLE trx (n TEXT, id TEXT, name NUMERIC, price REAL, paid, \"AT\" VARCHAR(30), note TEXT NOT NULL, \
             more INTEGER NOT NULL); CREATE VIEW v AS SELECT 1 AS n",
        )
        .unwrap();
    let error = fails(table(&path, IfExists::Replace), J, "has other columns than its event");
    for part in [
        "column n is TEXT, the field is int and needs INTEGER",
        "column name is NUMERIC, the field is string and needs TEXT",
        "column wait (TEXT) is missing",
        "column note is NOT NULL, the field can be null",
        "column more is NOT NULL without a default",
    ] {
        assert!(error.message.contains(part), "{part} is missing in: {error}");
    }
    for good in ["price", "paid", "AT"] {
        assert!(!error.message.contains(&format!("column {good} ")), "{error}");
    }
    let texts = [("path", path.to_str().unwrap()), ("table", "v")];
    let view = make(kind("sqlite"), &texts, IfExists::Append, J, &mut Shared::new());
    fails(view, J, "it is a view");
}

#[test]
fn values_as_others_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.db");
    let mut sink = table(&path, IfExists::Error);
    sink.open(&opening(J)).unwrap();
    sink.write(&chunk(kind("sqlite"), &layout(), J, 0, 50)).unwrap();
    sink.finish().unwrap();
    let out = python(
        "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\n\
         for r in c.execute('select * from trx where n < 5 order by n'): print(r)\n\
         print(c.execute('select distinct typeof(n),typeof(id),typeof(name),typeof(price),typeof(paid),typeof(at),typeof(wait) from trx').fetchall())\n\
         print([r[1:3] for r in c.execute('pragma table_info(trx)')])\n\
         print(c.execute('pragma integrity_check').fetchone(), c.execute('pragma journal_mode').fetchone())",
        &[path.to_str().unwrap()],
    );
    assert_eq!(
        out,
        "(0, '0', 'a constant', 0.0, 1, '2022-02-11T03:21:48.000Z', '0s', None)\n\
         (1, '1', '', 0.25, 1, '2022-02-11T03:21:48.000Z', '0.500s', 'note')\n\
         (2, '2', 'quote\" and, comma 2', 0.5, 1, '2022-02-11T03:21:48.000Z', '1s', None)\n\
         (3, '3', 'line\\nend and ünicode 3', 0.75, 1, '2022-02-11T03:21:49.000Z', '1.500s', 'note')\n\
         (4, '4', 'plain 4', 1.0, 1, '2022-02-11T03:21:49.000Z', '2s', None)\n\
         [('integer', 'text', 'text', 'real', 'integer', 'text', 'text')]\n\
         [('n', 'INTEGER'), ('id', 'TEXT'), ('name', 'TEXT'), ('price', 'REAL'), ('paid', 'INTEGER'), ('at', 'TEXT'), ('wait', 'TEXT'), ('note', 'TEXT')]\n\
         ('ok',) ('delete',)\n"
    );
}

#[test]
fn tables_of_one_file_share_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.db");
    let mut shared = Shared::new();
    let mut sink = |name: &str, if_exists| {
        let texts = [("path", path.to_str().unwrap()), ("table", name)];
        make(kind("sqlite"), &texts, if_exists, J, &mut shared)
    };
    let (mut a, mut b) = (sink("trx", IfExists::Error), sink("odd \"name\"", IfExists::Error));
    a.open(&opening(J)).unwrap();
    b.open(&opening(J)).unwrap();
    let layout = layout();
    a.write(&chunk(kind("sqlite"), &layout, J, 0, 10)).unwrap();
    b.write(&chunk(kind("sqlite"), &layout, J, 0, 20)).unwrap();
    // What one commits is final for both.
    a.commit(position(9)).unwrap();
    a.write(&chunk(kind("sqlite"), &layout, J, 10, 15)).unwrap();
    assert!(a.abort().ends_with("table trx holds the first 10 events"));
    assert!(b.abort().ends_with("table odd \"name\" holds the first 20 events"));
    let count = python(
        "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\n\
         print(c.execute('select count(*) from trx').fetchone()[0], c.execute('select count(*) from \"odd \"\"name\"\"\"').fetchone()[0])",
        &[path.to_str().unwrap()],
    );
    assert_eq!(count, "10 20\n");
}

#[test]
fn append_looks_at_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let error = fails(
        file(&path, IfExists::Append, TextFormat::Csv),
        TextFormat::Csv,
        "its columns are other ones",
    );
    assert!(error.help[0].contains("n,id,name"));
    std::fs::write(&path, "{\"n\":0}\n{\"n\":").unwrap();
    fails(file(&path, IfExists::Append, J), J, "its last line has no line end");
    // A failed run leaves what was there and its own whole events.
    std::fs::write(&path, "{\"n\":0}\n").unwrap();
    let mut sink = file(&path, IfExists::Append, J);
    sink.open(&opening(J)).unwrap();
    sink.write(&chunk(kind("file"), &layout(), J, 1, 4)).unwrap();
    let said = sink.abort();
    assert!(said.contains("holds what it held and the first 3 events of this run"), "{said}");
    assert_eq!(read_back("file", &path, J), Some(vec![0, 1, 2, 3]));
}

#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target.jsonl"), folder.path().join("link.jsonl"));
    std::fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let mut sink = file(&link, IfExists::Error, J);
    sink.open(&opening(J)).unwrap();
    sink.write(&chunk(kind("file"), &layout(), J, 0, 3)).unwrap();
    sink.finish().unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read_back("file", &target, J), Some(vec![0, 1, 2]));
}
