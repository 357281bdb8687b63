//! The top level is the table of contents: what a reader expects there and nothing else.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Tree;

const ALLOWED: [&str; 21] = [
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "apps",
    "benches",
    "clippy.toml",
    "crates",
    "debezium",
    "deny.toml",
    "docker",
    "docs",
    "fixtures",
    "justfile",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "warehouse-schema",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let entries: BTreeSet<&str> =
        tree.paths().map(|path| path.split_once('/').map_or(path, |(first, _)| first)).collect();
    entries
        .into_iter()
        .filter(|entry| !ALLOWED.contains(entry))
        .map(|entry| {
            Finding::new(
                entry,
                1,
                "does not belong to the top level",
                "move it into the folder that it is about",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_each_stray_entry_once() {
        assert_eq!(
            found(
                check,
                &[
                    ("Cargo.toml", ""),
                    ("crates/a/src/lib.rs", ""),
                    ("scripts/a.sh", ""),
                    ("scripts/b.sh", ""),
                    ("notes.txt", ""),
                ],
            ),
            [
                "notes.txt:1  does not belong to the top level  move it into the folder that it is \
                 about",
                "scripts:1  does not belong to the top level  move it into the folder that it is \
                 about",
            ]
        );
    }
}
