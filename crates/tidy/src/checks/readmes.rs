//! A crate explains itself twice: in a README to those who run it, in its root to those who call it.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let crates: BTreeSet<&str> = tree
        .paths()
        .filter_map(|path| path.strip_prefix("crates/")?.split_once('/'))
        .map(|(name, _)| name)
        .collect();
    let mut findings = Vec::new();
    for name in crates {
        let readme = format!("crates/{name}/README.md");
        if tree.text(&readme).unwrap_or_default().trim().is_empty() {
            findings.push(Finding::new(
                readme,
                1,
                "is missing or empty",
                "write what the crate is, a short example, its limits",
            ));
        }
        let roots = [format!("crates/{name}/src/lib.rs"), format!("crates/{name}/src/main.rs")];
        for root in roots {
            if tree.text(&root).is_some_and(|text| !text.starts_with("//! ")) {
                findings.push(Finding::new(
                    root,
                    1,
                    "does not open with the crate's documentation",
                    "open it with `//! …`: what the crate is and what it guarantees",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_crates_that_do_not_explain_themselves() {
        assert_eq!(
            found(
                check,
                &[
                    ("crates/good/README.md", "# good\n"),
                    ("crates/good/src/lib.rs", "//! Good.\n"),
                    ("crates/mute/README.md", " \n"),
                    ("crates/mute/src/lib.rs", "// Not documentation.\n"),
                    ("crates/tool/src/main.rs", "fn main() {}\n"),
                    ("apps/thin/src/main.rs", "fn main() {}\n"),
                ],
            ),
            [
                "crates/mute/README.md:1  is missing or empty  write what the crate is, a short \
                 example, its limits",
                "crates/mute/src/lib.rs:1  does not open with the crate's documentation  open it \
                 with `//! …`: what the crate is and what it guarantees",
                "crates/tool/README.md:1  is missing or empty  write what the crate is, a short \
                 example, its limits",
                "crates/tool/src/main.rs:1  does not open with the crate's documentation  open it \
                 with `//! …`: what the crate is and what it guarantees",
            ]
        );
    }
}
