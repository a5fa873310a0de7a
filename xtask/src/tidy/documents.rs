//! Rules for documentation and test data.

use super::{Complaint, File, between, codes, line_of};
use std::collections::BTreeSet;

const INDEX: &str = "docs/README.md";
/// Where codes are documented: those of the core in `diagnostics.md`, others with what gives them.
const REFERENCE: &str = "docs/reference/";

/// `NAME.yaml` and `NAME.txt` come in pairs.
pub fn diagnostics_pairs(_: &[File]) -> Vec<Complaint> {
    // A wrong model may be no text at all, so look at the folder and not at the files that were read.
    let Ok(entries) = std::fs::read_dir(crate::root().join("testdata/diagnostics")) else {
        return Vec::new();
    };
    let names: BTreeSet<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    let other = |name: &str| match name.rsplit_once('.')? {
        (stem, "yaml") => Some(format!("{stem}.txt")),
        (stem, "txt") => Some(format!("{stem}.yaml")),
        _ => None,
    };
    let alone =
        names.iter().filter_map(|n| Some((n, other(n)?))).filter(|(_, o)| !names.contains(o));
    alone.map(|(n, o)| format!("testdata/diagnostics/{n}: {o} is missing")).collect()
}

/// Pages stand in the index; relative links lead to something that is there.
pub fn links(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let index = files.iter().find(|f| f.path == INDEX).map_or("", |f| f.text.as_str());
    let pages = files
        .iter()
        .filter(|f| f.path.starts_with("docs/") && f.path.ends_with(".md") && f.path != INDEX);
    for page in pages {
        let link = format!("({})", &page.path["docs/".len()..]);
        if !index.contains(&link) {
            complaints.push(format!("{INDEX}: a link to {} is missing", page.path));
        }
    }
    for file in files.iter().filter(|f| f.path.ends_with(".md")) {
        for (at, target) in between(&file.text, "](", ')') {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.contains(char::is_whitespace) {
                continue;
            }
            let folder = file.path.rsplit_once('/').map_or("", |p| p.0);
            if !crate::root().join(folder).join(path).exists() {
                complaints.push(format!(
                    "{}:{}: the link to {path} leads nowhere",
                    file.path,
                    line_of(&file.text, at)
                ));
            }
        }
    }
    complaints
}

/// The codes that the sources give.
fn codes_of_sources(files: &[File]) -> BTreeSet<&str> {
    let quoted = |before: u8, after: u8| before == b'"' && after == b'"';
    files.iter().filter(|f| f.is_product()).flat_map(|f| codes(f.product_text(), quoted)).collect()
}

/// Codes of the sources and codes of the reference are the same.
pub fn codes_documented(files: &[File]) -> Vec<Complaint> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let pages = files.iter().filter(|f| f.path.starts_with(REFERENCE) && f.path.ends_with(".md"));
    let documented: BTreeSet<&str> =
        pages.flat_map(|f| codes(&f.text, |before, after| !word(before) && !word(after))).collect();
    let used = codes_of_sources(files);
    let missing = used.difference(&documented).map(|c| format!("{REFERENCE}: no page has {c}"));
    let stale =
        documented.difference(&used).map(|c| format!("{REFERENCE}: nothing gives {c} any more"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn codes_are_compared_both_ways() {
        let files = [
            file("crates/a/src/b.rs", "error(\"E0101\"); error(\"W0102\"); // E0999"),
            file("docs/reference/diagnostics.md", "| `E0101` | ... |\n| E0103 |\n"),
            file("docs/guides/a.md", "E0104"),
        ];
        let expected =
            ["docs/reference/: no page has W0102", "docs/reference/: nothing gives E0103 any more"];
        assert_eq!(codes_documented(&files), expected);
    }

    #[test]
    fn pages_and_links() {
        let files = [
            file(INDEX, "[a](guides/a.md) [x](https://example.org/x) [y](#here)"),
            file("docs/guides/a.md", ""),
            file("docs/guides/b.md", "[gone](../nowhere.md)"),
        ];
        let complaints = links(&files);
        assert!(
            complaints.iter().any(|c| c == "docs/README.md: a link to docs/guides/b.md is missing")
        );
        assert!(
            complaints
                .iter()
                .any(|c| c == "docs/guides/b.md:1: the link to ../nowhere.md leads nowhere")
        );
    }
}
