//! Checks the rules of this repository that neither the compiler nor a linter knows.
//!
//! Guarantees that every check looks at the same picture of the repository and that all findings
//! come out together, in the order of paths and lines, so that one run is enough to mend them all.
//!
//! ```text
//! cargo run -p tidy
//! ```
//!
//! Vocabulary: a [`Tree`] is the files that are or could be committed; a [`Workspace`] is what Cargo
//! says about our packages; a check is a function from these to [`Finding`]s.
//!
//! Limits: Rust files are read as lines, not parsed. That is enough for formatted code.

mod checks;
mod error;
mod exceptions;
mod finding;
#[cfg(test)]
mod scratch;
mod tree;
mod workspace;

use std::process::ExitCode;

use crate::error::TidyError;
use crate::exceptions::Exceptions;
use crate::finding::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's report")]
fn main() -> ExitCode {
    match run() {
        Ok((files, findings)) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("tidy: {} in {files} files", counted(findings.len()));
            if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("tidy: {:#}", anyhow::Error::new(error));
            ExitCode::from(2)
        }
    }
}

/// The number of files looked at, and what was found in them.
fn run() -> Result<(usize, Vec<Finding>), TidyError> {
    let workspace = Workspace::load()?;
    let tree = Tree::read(workspace.root())?;
    let exceptions = Exceptions::parse(tree.text(exceptions::PATH).unwrap_or_default())?;
    Ok((tree.len(), checks::all(&tree, &workspace, &exceptions)))
}

fn counted(findings: usize) -> String {
    match findings {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}
