//! Rules for source files.

use super::{Complaint, File, is_test};

const MOST_LINES: usize = 800;

/// A long file must say so in its head.
pub fn length(files: &[File]) -> Vec<Complaint> {
    let is_reason = |l: &str| l.starts_with("//!") && l.contains("Longer than 800 lines because");
    let long = files.iter().filter(|f| f.is_rust() && f.text.lines().count() > MOST_LINES);
    long.filter(|f| !f.text.lines().take(60).any(is_reason))
        .map(|f| {
            let n = f.text.lines().count();
            format!("{}: {n} lines; split it, or write `//! Longer than 800 lines because ...` into its head", f.path)
        })
        .collect()
}

/// A module has a head.
pub fn heads(files: &[File]) -> Vec<Complaint> {
    let headless = files.iter().filter(|f| f.is_rust() && !f.text.trim_start().starts_with("//!"));
    headless.map(|f| format!("{}:1: begin with `//! What this is for`", f.path)).collect()
}

/// A file that no module names is dead: the compiler never sees it.
pub fn orphans(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.is_rust()) {
        let Some((folder, name)) = file.path.rsplit_once('/') else { continue };
        let roots = ["main.rs", "lib.rs", "build.rs"];
        if roots.contains(&name)
            || ["examples", "benches", "targets"].iter().any(|d| folder.ends_with(d))
        {
            continue;
        }
        // `a/b/mod.rs` belongs to a, `a/b.rs` to a as well.
        let (module, folder) = match name {
            "mod.rs" => match folder.rsplit_once('/') {
                Some((above, module)) => (module, above),
                None => continue,
            },
            _ => (name.trim_end_matches(".rs"), folder),
        };
        let parents = [
            format!("{folder}/mod.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
            format!("{folder}.rs"),
        ];
        let parent_of = |f: &&File| parents.contains(&f.path);
        // The list of distributions names its modules itself.
        let names = |f: &File| {
            let lines = || f.text.lines().map(str::trim);
            lines().any(|l| l.ends_with(&format!("mod {module};")))
                || lines().any(|l| l.contains(&format!(" {module}::")))
        };
        // A file beside it may name it by its path.
        let by_path = |f: &File| {
            f.path.rsplit_once('/').is_some_and(|p| p.0 == folder)
                && f.text.contains(&format!("#[path = \"{name}\"]"))
        };
        if !files.iter().filter(parent_of).any(names) && !files.iter().any(by_path) {
            complaints.push(format!(
                "{}: no module declares it: write `mod {module};`, or delete the file",
                file.path
            ));
        }
    }
    complaints
}

/// Marks of unfinished work.
pub fn leftovers(files: &[File]) -> Vec<Complaint> {
    // In pieces, so that this file does not complain of itself.
    let words = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
    ];
    each_line(
        files,
        |f| f.is_rust(),
        |line| {
            words
                .iter()
                .find(|w| line.contains(**w))
                .map(|w| format!("`{}`: finish it, or leave it out", w.trim_end_matches('(')))
        },
    )
}

/// `{:?}` shows how a value is stored, not what it means.
pub fn debug_output(files: &[File]) -> Vec<Complaint> {
    let has_debug = |line: &str| {
        let line = line.trim_start();
        let is_doc = line.starts_with("//");
        let is_check = ["assert", "debug_assert", "unreachable!", "panic!"]
            .iter()
            .any(|w| line.starts_with(w));
        !is_doc
            && !is_check
            && super::between(line, "{", '}')
                .iter()
                .any(|(_, s)| s.contains(':') && s.ends_with('?'))
    };
    product_lines(
        files,
        |_| true,
        |line| {
            has_debug(line).then(|| "`{:?}` where people may see it: write what it means".into())
        },
    )
}

/// What clippy's lists in `crates/doge-core/clippy.toml` forbid, seen without compiling: the list can be
/// switched off in a line of code, this rule wants the reason in the same breath.
pub fn core_purity(files: &[File]) -> Vec<Complaint> {
    const CALLS: &[(&str, &str)] = &[
        (".ln()", "libm::log, or crate::log"),
        (".log10()", "libm::log10"),
        (".log2()", "libm::log2"),
        (".ln_1p()", "libm::log1p"),
        (".exp()", "libm::exp"),
        (".exp_m1()", "libm::expm1"),
        (".powf(", "libm::pow"),
        (".powi(", "libm::pow, or a product"),
        (".sin()", "libm::sin"),
        (".cos()", "libm::cos"),
        (".tan()", "libm::tan"),
        (".tanh()", "libm::tanh"),
        ("std::time::", "a number that the caller gives"),
        ("std::fs::", "text that the caller gives"),
        ("std::env::", "a value that the caller gives"),
        ("std::thread", "the caller's threads"),
    ];
    let forbidden = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        CALLS
            .iter()
            .find(|(call, _)| code.contains(call))
            .map(|(call, way)| format!("`{call}`: use {way}"))
    };
    product_lines(files, |f| f.path.starts_with("crates/doge-core/"), forbidden)
}

/// Paths of a machine, and places that only its owner can reach.
pub fn machines(files: &[File]) -> Vec<Complaint> {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("../sha", "red"),
        concat!("/tmp", "/dg"),
    ];
    let here = |f: &File| f.path != "Cargo.lock";
    each_line(files, here, |line| {
        words
            .iter()
            .find(|w| line.contains(**w))
            .map(|w| format!("`{w}`: the place is of one machine"))
    })
}

/// White space that nobody sees.
pub fn blanks(files: &[File]) -> Vec<Complaint> {
    let watched = |f: &&File| {
        let endings = [".rs", ".md", ".toml", ".yaml", ".yml", ".sh", ".py", "/run"];
        endings.iter().any(|e| f.path.ends_with(e)) && !f.path.starts_with("testdata/")
    };
    let mut complaints = Vec::new();
    for file in files.iter().filter(watched) {
        for (n, line) in file.lines() {
            if line.ends_with([' ', '\t']) {
                complaints.push(format!("{}:{n}: blanks at the end of the line", file.path));
            }
            if line.starts_with('\t') && !is_test(&file.path) {
                complaints.push(format!("{}:{n}: indent with spaces", file.path));
            }
        }
        if file.text.contains('\r') {
            complaints.push(format!("{}: line ends are \\n, not \\r\\n", file.path));
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            complaints.push(format!("{}: end the last line", file.path));
        }
    }
    complaints
}

fn each_line(
    files: &[File],
    here: impl Fn(&File) -> bool,
    wrong: impl Fn(&str) -> Option<String>,
) -> Vec<Complaint> {
    let all = files.iter().filter(|f| here(f)).flat_map(|f| f.lines().map(move |(n, l)| (f, n, l)));
    all.filter_map(|(f, n, l)| Some(format!("{}:{n}: {}", f.path, wrong(l)?))).collect()
}

fn product_lines(
    files: &[File],
    here: impl Fn(&File) -> bool,
    wrong: impl Fn(&str) -> Option<String>,
) -> Vec<Complaint> {
    let files = files.iter().filter(|f| f.is_product() && here(f));
    let all = files.flat_map(|f| f.product_lines().map(move |(n, l)| (f, n, l)));
    all.filter_map(|(f, n, l)| Some(format!("{}:{n}: {}", f.path, wrong(l)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, text: &str) -> Vec<File> {
        vec![File { path: path.into(), text: text.into() }]
    }

    #[test]
    fn long_files_say_why() {
        let lines = "x\n".repeat(801);
        assert_eq!(length(&one("crates/a/src/b.rs", &lines)).len(), 1);
        let why = format!("//! Longer than 800 lines because of a table.\n{lines}");
        assert!(length(&one("crates/a/src/b.rs", &why)).is_empty());
    }

    #[test]
    fn debug_output_is_seen_in_products_only() {
        let line = "format!(\"{name:?}\")\n";
        assert_eq!(
            debug_output(&one("crates/a/src/b.rs", line)),
            ["crates/a/src/b.rs:1: `{:?}` where people may see it: write what it means"]
        );
        assert!(debug_output(&one("crates/a/tests/it/b.rs", line)).is_empty());
        assert!(
            debug_output(&one(
                "crates/a/src/b.rs",
                &format!("#[cfg(test)]\nmod tests {{ {line} }}")
            ))
            .is_empty()
        );
        assert!(
            debug_output(&one("crates/a/src/b.rs", "format!(\"{name}: {}?\", 1)\n")).is_empty()
        );
    }

    #[test]
    fn the_core_has_no_logarithm_of_the_machine() {
        let text = "//! Says `.ln()`.\nlet y = x.ln();\n";
        assert_eq!(core_purity(&one("crates/doge-core/src/a.rs", text)).len(), 1);
        assert!(core_purity(&one("crates/doge-cli/src/a.rs", text)).is_empty());
    }

    #[test]
    fn dead_files_are_found() {
        let mut files = one("crates/a/src/lib.rs", "mod b;\n");
        files.push(File { path: "crates/a/src/b.rs".into(), text: String::new() });
        files.push(File { path: "crates/a/src/c.rs".into(), text: String::new() });
        assert_eq!(orphans(&files).len(), 1);
        assert!(orphans(&files)[0].starts_with("crates/a/src/c.rs"));
    }

    #[test]
    fn leftovers_and_blanks_are_found() {
        let text = format!("let x = {}1);  \r\n\ty", concat!("dbg", "!("));
        assert_eq!(leftovers(&one("crates/a/src/b.rs", &text)).len(), 1);
        assert_eq!(blanks(&one("crates/a/src/b.rs", &text)).len(), 4);
    }
}
