//! Text that names a folder of somebody's machine works on that machine alone.

use crate::finding::{Finding, numbered};
use crate::tree::Tree;

/// Spelled without their first slash, so that this file passes its own check.
const FOLDERS: [&str; 4] = ["work/", "root/", "home/", "Users/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts()
        .flat_map(|(path, text)| numbered(text).map(move |(line, words)| (path, line, words)))
        .filter_map(|(path, line, words)| {
            let folder = FOLDERS.into_iter().find(|folder| has_path(words, folder))?;
            Some(Finding::new(
                path,
                line,
                format!("names a path under `/{folder}`"),
                "name it from the repository's root, or by a variable",
            ))
        })
        .collect()
}

/// Where Homebrew installs itself on every Linux machine: a public address in a private street.
const PUBLIC: &str = "home/linuxbrew/";

/// Whether the line has the folder at the start of a path, not in the middle of one.
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        if line.get(at..).is_some_and(|path| path.starts_with(PUBLIC)) {
            return false;
        }
        line.get(..at).and_then(|before| before.strip_suffix('/')).is_some_and(|before| {
            before.chars().next_back().is_none_or(|last| {
                !last.is_alphanumeric() && !matches!(last, '/' | '.' | '_' | '-' | '~' | '}' | '*')
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::found;

    #[test]
    fn reports_paths_of_a_machine() {
        let text = FOLDERS.map(|folder| format!("see \"/{folder}me/x\"\n")).concat();
        let lines = found(check, &[("a.md", &text)]);
        assert_eq!(lines.len(), FOLDERS.len());
        assert_eq!(
            lines.first().map(String::as_str),
            Some(concat!(
                "a.md:1  names a path under `/",
                "work/`  name it from the repository's root, or \
                     by a variable"
            ))
        );
    }

    #[test]
    fn leaves_public_folders_and_the_middle_of_a_path_alone() {
        let public = format!("\"/{PUBLIC}opt\"\n");
        assert_eq!(found(check, &[("a.md", &public)]), Vec::<String>::new());
        let text =
            FOLDERS.map(|folder| format!("src/{folder} {{}}/{folder} ~/{folder} {folder}\n"));
        assert_eq!(found(check, &[("a.md", &text.concat())]), Vec::<String>::new());
    }
}
