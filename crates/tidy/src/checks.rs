//! The checks, one module each. A check knows nothing of the others and stops at nothing.

mod edges;
mod fixtures;
mod layout;
mod length;
mod markers;
mod modules;
mod opening;
mod paths;
mod readmes;

use crate::exceptions::Exceptions;
use crate::finding::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

/// What all checks find, by path and line.
pub(crate) fn all(tree: &Tree, workspace: &Workspace, exceptions: &Exceptions) -> Vec<Finding> {
    let mut findings = [
        edges::check(tree, workspace),
        fixtures::check(tree),
        layout::check(tree),
        length::check(tree, exceptions),
        markers::check(tree),
        modules::check(tree, workspace),
        opening::check(tree),
        paths::check(tree),
        readmes::check(tree),
    ]
    .concat();
    findings.sort();
    findings
}
