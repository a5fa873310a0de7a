//! What other people's packages must fulfil: a licence that asks for no more than being named, and no
//! newer Rust than the project states. `deny.toml` says the same to `cargo deny`, where that is installed.

use crate::cargo;
use crate::json::Json;

/// Licences that a dependency may have.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Everything wrong with the packages of the lock file.
pub fn problems() -> Vec<String> {
    let output = match cargo().args(["metadata", "--format-version", "1", "--locked"]).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            return vec![format!(
                "cargo metadata --locked: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )];
        }
        Err(e) => return vec![format!("cannot run cargo metadata: {e}")],
    };
    let metadata = Json::read(&String::from_utf8_lossy(&output.stdout));
    let packages = metadata.get("packages").items();
    let is_ours = |p: &&Json| p.get("source").text().is_none();
    let stated = packages
        .iter()
        .filter(is_ours)
        .filter_map(|p| p.get("rust_version").text())
        .min_by_key(|v| version(v));
    let mut problems = Vec::new();
    if packages.is_empty() || stated.is_none() {
        problems.push("cargo metadata names no package with a rust-version".to_owned());
    }
    for package in packages.iter().filter(|p| !is_ours(p)) {
        let text = |key: &str| package.get(key).text().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        if !permitted(text("license")) {
            problems.push(format!(
                "{name}: its licence is \"{}\", which is not among those of xtask/src/packages.rs",
                text("license")
            ));
        }
        if let (Some(ours), Some(theirs)) = (stated, package.get("rust_version").text())
            && version(theirs) > version(ours)
        {
            problems.push(format!("{name}: it needs Rust {theirs}, the workspace states {ours} (rust-version in Cargo.toml)"));
        }
    }
    problems
}

/// `1.89` and `1.89.0` as numbers that compare.
fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|p| p.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

/// Whether a licence expression (SPDX) can be met with [`LICENCES`]: one choice of each part.
fn permitted(expression: &str) -> bool {
    // No dependency nests deeper than one pair of brackets beside an AND.
    let part = |text: &str| {
        let text = text.trim().trim_start_matches('(').trim_end_matches(')');
        text.replace('/', " OR ").split(" OR ").any(|l| LICENCES.contains(&l.trim()))
    };
    !expression.is_empty() && expression.split(" AND ").all(part)
}

#[cfg(test)]
mod tests {
    use super::{permitted, version};

    #[test]
    fn licences() {
        let good = ["MIT", "MIT/Apache-2.0", "MIT OR GPL-3.0", "(MIT OR GPL-2.0) AND Unicode-3.0"];
        assert!(good.iter().all(|l| permitted(l)));
        let bad = ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "Custom"];
        assert!(bad.iter().all(|l| !permitted(l)), "{bad:?}");
    }

    #[test]
    fn versions() {
        assert_eq!(version("1.89"), version("1.89.0"));
        assert!(version("1.100") > version("1.89.1"));
    }
}
