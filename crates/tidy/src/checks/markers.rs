//! Notes to oneself belong in the tracker: in the tree they age unseen.

use crate::finding::{Finding, numbered};
use crate::tree::{Tree, in_fixtures};

/// Spelled in two halves, so that this file passes its own check.
const MARKERS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ours = tree.texts().filter(|(path, _)| !in_fixtures(path) && *path != "Cargo.lock");
    ours.flat_map(|(path, text)| numbered(text).map(move |(line, words)| (path, line, words)))
        .filter_map(|(path, line, words)| {
            let marker = MARKERS.into_iter().find(|marker| has_word(words, marker))?;
            Some(Finding::new(
                path,
                line,
                format!("has a {marker}"),
                "do it, or file an issue and remove the note",
            ))
        })
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|candidate| candidate == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_each_note_with_its_line() {
        let [todo, fixme] = MARKERS;
        let source = format!("//! Why.\n\n// {todo}: later\nfn f() {{}} // {fixme}\n");
        assert_eq!(
            found(check, &[("a.rs", &source), ("fixtures/a.json", todo)]),
            [
                format!("a.rs:3  has a {todo}  do it, or file an issue and remove the note"),
                format!("a.rs:4  has a {fixme}  do it, or file an issue and remove the note"),
            ]
        );
    }

    #[test]
    fn leaves_other_words_alone() {
        let [todo, ..] = MARKERS;
        let source = format!("todo!() {}S MY_{todo} {}\n", todo, todo.to_lowercase());
        assert_eq!(found(check, &[("a.rs", &source)]), Vec::<String>::new());
    }
}
