//! Every Rust file is compiled by somebody: a file outside all targets only looks like code.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Tree;
use crate::workspace::Workspace;

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let reached = reached(tree, workspace);
    let elsewhere = own_workspaces(tree);
    let is_orphan = |path: &str| {
        let is_elsewhere = elsewhere.iter().any(|folder| path.starts_with(folder.as_str()));
        !reached.contains(path) && !is_elsewhere
    };
    let orphans = tree.rust().filter(|(path, _)| is_orphan(path)).map(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        Finding::new(
            path,
            1,
            "is not part of any target",
            format!("declare it with `mod {name};` or delete it"),
        )
    });
    let old_style = tree.rust().filter_map(|(path, _)| {
        let folder = path.strip_suffix("/mod.rs")?;
        Some(Finding::new(path, 1, "is a `mod.rs`", format!("move it to {folder}.rs")))
    });
    orphans.chain(old_style).collect()
}

/// Folders whose packages are built apart from this workspace, such as fuzz targets, which need
/// another compiler. Each ends with a slash.
fn own_workspaces(tree: &Tree) -> Vec<String> {
    let manifests = tree.texts().filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        text.lines().any(|line| line.trim() == "[workspace]").then(|| format!("{folder}/"))
    });
    manifests.collect()
}

/// All files that the targets reach through `mod`.
fn reached(tree: &Tree, workspace: &Workspace) -> BTreeSet<String> {
    let roots = workspace.packages().iter().flat_map(|package| package.roots.iter().cloned());
    let mut open: Vec<(String, Owner)> = roots.map(|root| (root, Owner::Root)).collect();
    let mut reached = BTreeSet::new();
    while let Some((path, owner)) = open.pop() {
        // A `path` attribute can make a circle.
        if !reached.insert(path.clone()) {
            continue;
        }
        let text = tree.text(&path).unwrap_or_default();
        for declared in declarations(text) {
            for candidate in declared.files(&path, owner) {
                if tree.contains(&candidate) {
                    let owner = match declared {
                        Declared::At { .. } => Owner::Root,
                        Declared::Named { .. } => Owner::Module,
                    };
                    open.push((candidate, owner));
                }
            }
        }
    }
    reached
}

/// Where the modules of a file lie.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// Beside it: a target's root, or a file that a `path` attribute names.
    Root,
    /// In the folder of its name.
    Module,
}

/// One `mod name;`.
#[derive(Debug, PartialEq, Eq)]
enum Declared<'t> {
    Named { name: &'t str },
    At { path: &'t str },
}

impl Declared<'_> {
    /// The files that it can mean, in `file`.
    fn files(&self, file: &str, owner: Owner) -> Vec<String> {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        match (self, owner) {
            (Self::At { path }, _) => vec![join(folder, path)],
            (Self::Named { name }, Owner::Module) if !file.ends_with("/mod.rs") => {
                let own = file.trim_end_matches(".rs");
                vec![join(own, &format!("{name}.rs")), join(own, &format!("{name}/mod.rs"))]
            }
            (Self::Named { name }, _) => {
                vec![join(folder, &format!("{name}.rs")), join(folder, &format!("{name}/mod.rs"))]
            }
        }
    }
}

/// The modules that a text declares in files of their own.
fn declarations(text: &str) -> Vec<Declared<'_>> {
    let mut declared = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split_once('"').map(|(path, _)| path);
        } else if let Some(name) = module_name(line) {
            declared
                .push(path.take().map_or(Declared::Named { name }, |path| Declared::At { path }));
        } else if !line.starts_with('#') && !line.starts_with("//") {
            path = None;
        }
    }
    declared
}

/// The name in `mod name;`, with any visibility.
fn module_name(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let (name, _) = line.strip_prefix("mod ")?.split_once(';')?;
    let name = name.trim().trim_start_matches("r#");
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// Joins a relative path to a folder, resolving `.` and `..`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{Scratch, shown, workspace};
    use crate::workspace::Package;

    fn package(roots: &[&str]) -> Workspace {
        workspace(vec![Package {
            name: "a".to_owned(),
            folder: "a".to_owned(),
            roots: roots.iter().map(|&root| root.to_owned()).collect(),
            needs: BTreeSet::new(),
        }])
    }

    #[test]
    fn reports_files_that_no_target_reaches() {
        let scratch = Scratch::new(&[
            ("a/src/lib.rs", "//! a\nmod one;\npub(crate) mod two; // why\n// mod lost;\n"),
            ("a/src/one.rs", "//! one\n#[cfg(test)]\nmod tests;\n"),
            ("a/src/one/tests.rs", "//! tests\n"),
            ("a/src/two.rs", "//! two\nmod inline {\n}\n"),
            ("a/src/two/inline.rs", "//! declared inline, so this is not it\n"),
            ("a/src/lost.rs", "//! lost\nmod child;\n"),
            ("a/src/lost/child.rs", "//! child of nobody\n"),
            ("a/tests/it/main.rs", "//! it\nmod case;\n"),
            ("a/tests/it/case.rs", "//! case\n"),
            ("a/fixtures/sample.rs", "fn main() {}\n"),
            ("a/fuzz/Cargo.toml", "[workspace]\n"),
            ("a/fuzz/apart.rs", "//! built apart\n"),
        ]);
        let findings = check(&scratch.tree(), &package(&["a/src/lib.rs", "a/tests/it/main.rs"]));
        assert_eq!(
            shown(&findings),
            [
                "a/src/lost.rs:1  is not part of any target  declare it with `mod lost;` or delete \
                 it",
                "a/src/lost/child.rs:1  is not part of any target  declare it with `mod child;` or \
                 delete it",
                "a/src/two/inline.rs:1  is not part of any target  declare it with `mod inline;` or \
                 delete it",
            ]
        );
    }

    #[test]
    fn follows_path_attributes_even_in_a_circle() {
        let scratch = Scratch::new(&[
            ("a/src/lib.rs", "//! a\n#[path = \"../shared/x.rs\"]\nmod x;\n"),
            ("a/shared/x.rs", "//! x\nmod y;\n#[path = \"x.rs\"]\nmod again;\n"),
            ("a/shared/y.rs", "//! y\n"),
        ]);
        assert_eq!(check(&scratch.tree(), &package(&["a/src/lib.rs"])), []);
    }

    #[test]
    fn reports_mod_rs_without_calling_its_modules_orphans() {
        let scratch = Scratch::new(&[
            ("a/src/lib.rs", "//! a\nmod one;\n"),
            ("a/src/one/mod.rs", "//! one\nmod two;\n"),
            ("a/src/one/two.rs", "//! two\n"),
        ]);
        assert_eq!(
            shown(&check(&scratch.tree(), &package(&["a/src/lib.rs"]))),
            ["a/src/one/mod.rs:1  is a `mod.rs`  move it to a/src/one.rs"]
        );
    }

    #[test]
    fn reads_declarations_alone() {
        let names = ["mod a;", "pub mod b;", "pub(in crate::x) mod c;", "mod r#d;"];
        assert_eq!(names.map(module_name), [Some("a"), Some("b"), Some("c"), Some("d")]);
        let others = ["mod a {", "// mod a;", "model a;", "mod $name;", "let pub_mod = 1;"];
        assert_eq!(others.map(module_name), [None; 5]);
    }
}
