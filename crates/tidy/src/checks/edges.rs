//! The arrows in the architecture page are the dependencies between our crates, both ways.
//!
//! They stand in one block fenced as `edges`, a line for each package: `a -> b c` for what it is
//! built from, `a ..> d` for what only its tests, examples and benches need.

use std::collections::BTreeMap;

use crate::finding::{Finding, numbered};
use crate::tree::Tree;
use crate::workspace::{Kind, Package, Workspace};

const PAGE: &str = "docs/architecture.md";
const FENCE: &str = "```edges";

/// One arrow between two packages.
type Arrow = (String, Kind, String);

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let Some(drawing) = tree.text(PAGE).and_then(Drawing::read) else {
        return vec![Finding::new(
            PAGE,
            1,
            "has no block of arrows between our crates",
            format!("add a block fenced as {FENCE} with a line for each package"),
        )];
    };
    let mut findings = drawing.unreadable.clone();
    for package in workspace.packages() {
        findings.extend(undrawn(package, &drawing, tree));
        if !drawing.packages.contains_key(&package.name) {
            findings.push(Finding::new(
                PAGE,
                drawing.line,
                format!("has no line for `{}`", package.name),
                format!("add the line `{} ->` with what it is built from", package.name),
            ));
        }
    }
    for ((from, kind, to), line) in &drawing.arrows {
        let real = find(workspace, from).is_some_and(|p| p.needs.contains(&(*kind, to.clone())));
        if !real {
            findings.push(Finding::new(
                PAGE,
                *line,
                format!("draws `{from} {} {to}`, which is not a dependency", sign(*kind)),
                "remove the arrow",
            ));
        }
    }
    for (name, line) in &drawing.packages {
        if find(workspace, name).is_none() {
            findings.push(Finding::new(
                PAGE,
                *line,
                format!("has a line for `{name}`, which is not a package of ours"),
                "remove the line",
            ));
        }
    }
    findings
}

/// The dependencies of a package that the page does not show.
fn undrawn(package: &Package, drawing: &Drawing, tree: &Tree) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    package
        .needs
        .iter()
        .filter(|(kind, to)| {
            !drawing.arrows.contains_key(&(package.name.clone(), *kind, to.clone()))
        })
        .map(|(kind, to)| {
            let text = tree.text(&manifest).unwrap_or_default();
            Finding::new(
                manifest.clone(),
                line_of(text, *kind, to),
                format!("`{} {} {to}` is not drawn in {PAGE}", package.name, sign(*kind)),
                "remove the dependency, or draw the arrow if the design has changed",
            )
        })
        .collect()
}

/// The line that names the dependency in the section of its kind.
fn line_of(manifest: &str, kind: Kind, dependency: &str) -> usize {
    let mut section = "";
    numbered(manifest)
        .find(|(_, line)| {
            if line.starts_with('[') {
                section = line;
            }
            let of_kind = section.contains("dev-dependencies") == (kind == Kind::Dev);
            let rest = line.strip_prefix(dependency);
            of_kind && rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        })
        .map_or(1, |(line, _)| line)
}

fn find<'w>(workspace: &'w Workspace, name: &str) -> Option<&'w Package> {
    workspace.packages().iter().find(|package| package.name == name)
}

fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::Normal => "->",
        Kind::Dev => "..>",
    }
}

/// What the page shows.
#[derive(Debug, Default)]
struct Drawing {
    /// Of the fence.
    line: usize,
    /// By package: its first line.
    packages: BTreeMap<String, usize>,
    arrows: BTreeMap<Arrow, usize>,
    unreadable: Vec<Finding>,
}

impl Drawing {
    /// `None` if the page has no such block.
    fn read(page: &str) -> Option<Self> {
        let mut lines = numbered(page).skip_while(|(_, line)| line.trim_end() != FENCE);
        let mut drawing = Self { line: lines.next()?.0, ..Self::default() };
        for (number, line) in lines.take_while(|(_, line)| !line.starts_with("```")) {
            drawing.read_line(number, line);
        }
        Some(drawing)
    }

    fn read_line(&mut self, number: usize, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let mut words = line.split_whitespace();
        let from = words.next().unwrap_or_default();
        let kind = match words.next() {
            Some("->") => Kind::Normal,
            Some("..>") => Kind::Dev,
            _ => {
                self.unreadable.push(Finding::new(
                    PAGE,
                    number,
                    "is not a line of arrows",
                    "write `package -> package package` or `package ..> package`",
                ));
                return;
            }
        };
        self.packages.entry(from.to_owned()).or_insert(number);
        for to in words {
            self.arrows.entry((from.to_owned(), kind, to.to_owned())).or_insert(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scratch::{Scratch, shown, workspace};

    fn package(name: &str, needs: &[(Kind, &str)]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            roots: BTreeSet::new(),
            needs: needs.iter().map(|&(kind, to)| (kind, to.to_owned())).collect(),
        }
    }

    fn three() -> Workspace {
        workspace(vec![
            package("base", &[]),
            package("kit", &[(Kind::Normal, "base")]),
            package("top", &[(Kind::Normal, "base"), (Kind::Dev, "kit")]),
        ])
    }

    fn findings(page: &str) -> Vec<String> {
        let manifest = "[package]\nname = \"top\"\n[dependencies]\nbase.workspace = true\n\
                        [dev-dependencies]\nbase-extra = \"1\"\nkit.workspace = true\n";
        let scratch = Scratch::new(&[(PAGE, page), ("crates/top/Cargo.toml", manifest)]);
        shown(&check(&scratch.tree(), &three()))
    }

    #[test]
    fn accepts_a_drawing_that_is_true() {
        let page =
            "# A\n\n```edges\nbase ->\nkit -> base\n\ntop -> base\ntop ..> kit\n```\nb -> c\n";
        assert_eq!(findings(page), Vec::<String>::new());
    }

    #[test]
    fn reports_dependencies_that_are_not_drawn() {
        assert_eq!(
            findings("```edges\nbase ->\nkit -> base\ntop -> kit\n```\n"),
            [
                "crates/top/Cargo.toml:4  `top -> base` is not drawn in docs/architecture.md  remove \
                 the dependency, or draw the arrow if the design has changed",
                "crates/top/Cargo.toml:7  `top ..> kit` is not drawn in docs/architecture.md  remove \
                 the dependency, or draw the arrow if the design has changed",
                "docs/architecture.md:4  draws `top -> kit`, which is not a dependency  remove the \
                 arrow",
            ]
        );
    }

    #[test]
    fn reports_lines_that_are_missing_strange_or_about_nobody() {
        assert_eq!(
            findings("```edges\nkit -> base\ntop -> base\ntop ..> kit\nhm\ngone ->\n```\n"),
            [
                "docs/architecture.md:5  is not a line of arrows  write `package -> package package` \
                 or `package ..> package`",
                "docs/architecture.md:1  has no line for `base`  add the line `base ->` with what it \
                 is built from",
                "docs/architecture.md:6  has a line for `gone`, which is not a package of ours  \
                 remove the line",
            ]
        );
    }

    #[test]
    fn asks_for_the_block_when_there_is_none() {
        assert_eq!(
            findings("# A\n"),
            ["docs/architecture.md:1  has no block of arrows between our crates  add a block \
                 fenced as ```edges with a line for each package"]
        );
    }
}
