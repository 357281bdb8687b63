//! What Cargo says about our packages: their folders, the roots of their targets and the arrows
//! between them.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::error::TidyError;

/// Whether a dependency is part of what is built for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A normal or build dependency.
    Normal,
    /// Needed by tests, examples and benches alone.
    Dev,
}

/// One of our packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the workspace's root, with `/`.
    pub(crate) folder: String,
    /// The root files of its targets, from the workspace's root.
    pub(crate) roots: BTreeSet<String>,
    /// Its dependencies among our packages.
    pub(crate) needs: BTreeSet<(Kind, String)>,
}

/// Our packages.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    packages: Vec<Package>,
}

impl Workspace {
    /// Asks Cargo about the workspace of the current folder.
    pub(crate) fn load() -> Result<Self, TidyError> {
        // Inside `cargo run` this is the very Cargo that builds us.
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .map_err(|source| TidyError::StartCargo { source })?;
        if !output.status.success() {
            let report = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(TidyError::CargoFailed { report });
        }
        Self::parse(&output.stdout).map_err(|source| TidyError::Metadata { source })
    }

    #[cfg(test)]
    pub(crate) fn of(root: impl Into<PathBuf>, packages: Vec<Package>) -> Self {
        Self { root: root.into(), packages }
    }

    fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let metadata: Metadata = serde_json::from_slice(json)?;
        let root = metadata.workspace_root;
        let mut packages: Vec<Package> =
            metadata.packages.into_iter().map(|described| described.package(&root)).collect();
        packages.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(Self { root, packages })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Ordered by name.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    /// Set for the packages of this repository alone: everything else comes from a registry.
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

impl Described {
    fn package(self, root: &Path) -> Package {
        let kind = |dependency: &Dependency| match dependency.kind.as_deref() {
            Some("dev") => Kind::Dev,
            _ => Kind::Normal,
        };
        Package {
            folder: self
                .manifest_path
                .parent()
                .map(|path| relative(path, root))
                .unwrap_or_default(),
            roots: self.targets.iter().map(|target| relative(&target.src_path, root)).collect(),
            needs: self
                .dependencies
                .iter()
                .filter(|dependency| dependency.path.is_some())
                .map(|dependency| (kind(dependency), dependency.name.clone()))
                .collect(),
            name: self.name,
        }
    }
}

/// The path from the root, or the whole path of what lies elsewhere.
fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_dependencies_of_this_repository_and_their_kind() {
        let json = br#"{
            "workspace_root": "/r", "version": 1,
            "packages": [{
                "name": "low", "manifest_path": "/r/crates/low/Cargo.toml",
                "targets": [{"src_path": "/r/crates/low/src/lib.rs"}],
                "dependencies": [
                    {"name": "serde", "kind": null, "path": null},
                    {"name": "base", "kind": null, "path": "/r/crates/base"},
                    {"name": "gen", "kind": "build", "path": "/r/crates/gen"},
                    {"name": "kit", "kind": "dev", "path": "/r/crates/kit"}
                ]
            }]
        }"#;
        let workspace = Workspace::parse(json).unwrap();
        assert_eq!(workspace.root(), Path::new("/r"));
        assert_eq!(
            workspace.packages(),
            [Package {
                name: "low".to_owned(),
                folder: "crates/low".to_owned(),
                roots: BTreeSet::from(["crates/low/src/lib.rs".to_owned()]),
                needs: BTreeSet::from([
                    (Kind::Normal, "base".to_owned()),
                    (Kind::Normal, "gen".to_owned()),
                    (Kind::Dev, "kit".to_owned()),
                ]),
            }]
        );
    }
}
