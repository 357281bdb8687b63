//! Which commit a package's files are of: by the work tree, or by what `git archive` wrote into a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file into which `git archive` writes the commit; see `.gitattributes`.
const ARCHIVED: &str = "commit.txt";

/// What is said when nothing tells.
const UNKNOWN: &str = "unknown";

/// A commit, and what changes when it is another one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// Its abbreviated name.
    pub(crate) name: String,
    /// Files that exist: of one that does not, cargo believes that it has changed.
    pub(crate) watched: Vec<PathBuf>,
}

/// The commit of the package in this folder, which is two folders below the root of its repository.
pub(crate) fn of(package: &Path) -> Built {
    of_work_tree(package).unwrap_or_else(|| {
        let file = package.join(ARCHIVED);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let is_name =
            |text: &&str| text.len() >= 7 && text.bytes().all(|letter| letter.is_ascii_hexdigit());
        let name = Some(text.trim()).filter(is_name).unwrap_or(UNKNOWN).to_owned();
        Built { name, watched: existing([file]) }
    })
}

/// `None` outside a work tree; a copy of the files within that of another project is outside.
fn of_work_tree(package: &Path) -> Option<Built> {
    let root = package.join("../..").canonicalize().ok()?;
    let top = PathBuf::from(git(package, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root {
        return None;
    }
    let name = git(package, &["rev-parse", "--short", "HEAD"])?;
    // A path of git's may be one from here.
    let path = |of: &str| Some(package.join(git(package, &["rev-parse", "--git-path", of])?));
    // The log of HEAD grows with each commit and each checkout, unless somebody has switched it off.
    let log = existing(path("logs/HEAD"));
    if !log.is_empty() {
        return Some(Built { name, watched: log });
    }
    let reference = git(package, &["symbolic-ref", "--quiet", "HEAD"]);
    let places = ["HEAD", "packed-refs", "refs/heads"].into_iter().chain(reference.as_deref());
    Some(Built { name, watched: existing(places.filter_map(path)) })
}

fn existing(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.exists()).collect()
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
