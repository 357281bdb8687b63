//! The files that are or could be committed, read once for all checks.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::TidyError;

/// Larger files are data: no check reads them as text.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// Every file by its path from the root, with `/`; the text of those that are text.
#[derive(Debug)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads what Git tracks or would track; everything but build output where Git knows nothing.
    ///
    /// A file that Git lists and that is not there is skipped: its deletion is not committed yet.
    pub(crate) fn read(root: &Path) -> Result<Self, TidyError> {
        let listed = match listed_by_git(root) {
            Some(paths) if !paths.is_empty() => paths,
            _ => walked(root)?,
        };
        let mut files = BTreeMap::new();
        for path in listed {
            let full = root.join(&path);
            match content_of(&full) {
                Ok(Content::Text(text)) => drop(files.insert(path, Some(text))),
                Ok(Content::Data) => drop(files.insert(path, None)),
                Ok(Content::Absent) => {}
                Err(source) => return Err(TidyError::Read { path: full, source }),
            }
        }
        Ok(Self { files })
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// All paths, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Path and text of all text files, in order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Path and text of all Rust files, in order.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| is_rust(path))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }
}

/// Whether this is code of ours, and not a sample that some test reads.
fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs") && !in_fixtures(path)
}

/// Whether a folder called `fixtures` is on the way to the file. (`tests/it/fixtures.rs` is not one.)
pub(crate) fn in_fixtures(path: &str) -> bool {
    path.starts_with("fixtures/") || path.contains("/fixtures/")
}

/// What lies at a path.
enum Content {
    Text(String),
    /// Too large for text, or not UTF-8.
    Data,
    /// Nothing, or something that is not a file: a link, a submodule.
    Absent,
}

fn content_of(path: &Path) -> io::Result<Content> {
    let read = || -> io::Result<Content> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Ok(Content::Absent);
        }
        if metadata.len() > TEXT_BYTES_MAX {
            return Ok(Content::Data);
        }
        Ok(String::from_utf8(fs::read(path)?).map_or(Content::Data, Content::Text))
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::Absent),
        result => result,
    }
}

/// `None` when Git is not installed or the folder is not in a repository that it trusts.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.split_terminator('\0').map(str::to_owned).collect::<Vec<String>>())
}

/// Every file below the root, outside `.git` and `target`.
fn walked(root: &Path) -> Result<Vec<String>, TidyError> {
    let failed = |path: &Path, source| TidyError::Read { path: path.to_path_buf(), source };
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let full = root.join(&folder);
        for entry in fs::read_dir(&full).map_err(|source| failed(&full, source))? {
            let entry = entry.map_err(|source| failed(&full, source))?;
            let kind = entry.file_type().map_err(|source| failed(&entry.path(), source))?;
            // A name that is not UTF-8 is reported by whoever tries to commit it to this layout.
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if kind.is_dir() && name != ".git" && name != "target" {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn walks_past_build_output_where_git_knows_nothing() {
        let scratch = Scratch::new(&[
            ("a/b.rs", "// b\n"),
            ("target/debug/x.rs", "// x\n"),
            ("README.md", "# r\n"),
        ]);
        let tree = scratch.tree();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["README.md", "a/b.rs"]);
        assert_eq!(tree.text("a/b.rs"), Some("// b\n"));
    }

    #[test]
    fn leaves_out_what_git_ignores_and_takes_what_is_not_added_yet() {
        let scratch =
            Scratch::new(&[(".gitignore", "*.log\n"), ("new.rs", "// n\n"), ("x.log", "l\n")]);
        let status =
            Command::new("git").arg("init").arg("-q").current_dir(scratch.root()).status().unwrap();
        assert!(status.success());
        assert_eq!(scratch.tree().paths().collect::<Vec<_>>(), [".gitignore", "new.rs"]);
    }

    #[test]
    fn keeps_binary_files_without_text() {
        let scratch = Scratch::new(&[]);
        fs::write(scratch.root().join("logo"), [0xff, 0xfe, 0x00]).unwrap();
        let tree = scratch.tree();
        assert!(tree.contains("logo"));
        assert_eq!(tree.texts().count(), 0);
    }
}
