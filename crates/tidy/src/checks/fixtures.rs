//! A fixture that nothing names proves nothing.

use crate::finding::Finding;
use crate::tree::{Tree, in_fixtures};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let readers: Vec<&str> =
        tree.texts().filter(|(path, _)| !in_fixtures(path)).map(|(_, text)| text).collect();
    tree.paths()
        .filter(|path| is_fixture(path))
        .filter(|path| !readers.iter().any(|text| names(text, path)))
        .map(|path| {
            Finding::new(
                path,
                1,
                "is named by no test, source file or page",
                "use it in a test or delete it",
            )
        })
        .collect()
}

/// A README there explains the others.
fn is_fixture(path: &str) -> bool {
    let inside = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    let top = inside.map_or(path, |(_, rest)| rest);
    top.starts_with("fixtures/") && !path.ends_with("/README.md")
}

/// Whether the text names the file, or the folder below `fixtures` whose files are all read.
fn names(text: &str, path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = folder.find("fixtures/").and_then(|start| folder.get(start..));
    text.contains(file) || folder.is_some_and(|folder| text.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_fixtures_that_nothing_names() {
        assert_eq!(
            found(
                check,
                &[
                    ("fixtures/used.jsonl", "{}"),
                    ("fixtures/lost.jsonl", "{}"),
                    ("fixtures/README.md", "lost.jsonl is about something\n"),
                    ("crates/a/fixtures/used.json", "{}"),
                    ("crates/a/fixtures/lost.json", "{}"),
                    ("crates/a/fixtures/versions/1.json", "{}"),
                    ("crates/a/tests/it/main.rs", "\"../fixtures/used.json\"\n"),
                    ("crates/a/src/store.rs", "read_dir(\"fixtures/versions\")\n"),
                    ("README.md", "cdc-replayer fixtures/used.jsonl\n"),
                ],
            ),
            [
                "crates/a/fixtures/lost.json:1  is named by no test, source file or page  use it in \
                 a test or delete it",
                "fixtures/lost.jsonl:1  is named by no test, source file or page  use it in a test \
                 or delete it",
            ]
        );
    }
}
