//! Every file opens with why it exists, so that a reader knows whether to read on.

use crate::finding::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|(_, text)| !opens_with_comment(text))
        .map(|(path, _)| {
            Finding::new(
                path,
                1,
                "does not open with a comment",
                "say in a first line, `//! …`, why the file exists",
            )
        })
        .collect()
}

/// A `///` belongs to the item below it, and an empty comment says nothing.
fn opens_with_comment(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    ["//! ", "// "]
        .iter()
        .any(|opening| first.strip_prefix(opening).is_some_and(|words| !words.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_files_that_open_with_anything_but_words() {
        let lines = found(
            check,
            &[
                ("a/doc.rs", "//! Why.\n"),
                ("a/plain.rs", "// Why.\n"),
                ("a/item.rs", "/// An item.\nstruct A;\n"),
                ("a/code.rs", "use std::io;\n"),
                ("a/blank.rs", "\n//! Late.\n"),
                ("a/mute.rs", "//! \n"),
                ("a/empty.rs", ""),
                ("a/page.md", "text"),
            ],
        );
        let paths: Vec<&str> =
            lines.iter().map(|line| line.split(':').next().unwrap_or_default()).collect();
        assert_eq!(paths, ["a/blank.rs", "a/code.rs", "a/empty.rs", "a/item.rs", "a/mute.rs"]);
        assert_eq!(
            lines.first().map(String::as_str),
            Some(
                "a/blank.rs:1  does not open with a comment  say in a first line, `//! …`, why the \
                 file exists"
            )
        );
    }
}
