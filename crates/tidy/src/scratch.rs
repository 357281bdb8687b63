//! A small repository in a temporary folder, for the tests of the checks.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::exceptions::Exceptions;
use crate::finding::Finding;
use crate::tree::Tree;
use crate::workspace::{Package, Workspace};

#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Writes the files, given by path and text.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (path, text) in files {
            let full = folder.path().join(path);
            fs::create_dir_all(full.parent().expect("a file lies in a folder")).expect("folder");
            fs::write(full, text).expect("a temporary file can be written");
        }
        Self { folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::read(self.root()).expect("the folder can be read")
    }
}

/// What a check that needs files alone finds in these.
pub(crate) fn found(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    shown(&check(&Scratch::new(files).tree()))
}

/// The report's lines.
pub(crate) fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// A workspace of these packages.
pub(crate) fn workspace(packages: Vec<Package>) -> Workspace {
    Workspace::of("/nowhere", packages)
}

/// The list of exceptions in this text.
pub(crate) fn exceptions(text: &str) -> Exceptions {
    Exceptions::parse(text).expect("the test's exceptions can be read")
}
