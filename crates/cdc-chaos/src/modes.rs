//! The catalogue of failure modes: what can go wrong, what is expected then, and which tests prove it.
//!
//! A mode stands in `docs/failure-modes.toml`. A test proves it by its name, which begins with the ids of
//! its modes (`f45_…`, `f27_f28_…`), so that there is no list of tests that could become untrue. What a run
//! of them came to is kept in [`Outcomes`], and [`page()`] writes all of it for people.
//!
//! Limits: sources are read as lines, not parsed, which is enough for formatted code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

mod page;

pub use page::page;

/// Where the modes stand, from the root.
const CATALOGUE: &str = "docs/failure-modes.toml";

/// Where the page is, from the root.
pub const PAGE: &str = "docs/failure-modes.md";

/// Where packages are, from the root. A package has the name of its folder.
const PACKAGES: [&str; 2] = ["apps", "crates"];

/// Something that can go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// `F45`.
    pub id: String,
    /// What goes wrong.
    pub what: String,
    /// What the pipeline does then.
    pub expected: String,
    /// Why no test makes it.
    pub none: Option<String>,
}

/// A program of tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Its package.
    pub package: String,
    /// The folder of its sources.
    pub folder: Folder,
}

/// Where tests stand in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Folder {
    /// Beside the code of the library.
    Src,
    /// In the one program of integration tests that a package has.
    Tests,
}

impl Folder {
    const ALL: [(Self, &'static str); 2] = [(Self::Src, "src"), (Self::Tests, "tests")];

    /// The words for cargo that choose it.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Src => &["--lib"],
            Self::Tests => &["--test", "it"],
        }
    }
}

/// A test whose name carries ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Test {
    /// Where it is.
    pub target: Target,
    /// Its function.
    pub name: String,
}

impl Test {
    /// The ids that its name carries.
    pub fn ids(&self) -> BTreeSet<String> {
        ids(&self.name)
    }
}

/// What became of a test, and of what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The test.
    pub test: Test,
    /// Whether it passed.
    pub has_passed: bool,
    /// The commit of the work tree, with a `+` when files of the programs differ from it.
    pub commit: String,
    /// When its run began, UTC.
    pub began: String,
}

/// What became of all tests that were run, each the last time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcomes(pub Vec<Outcome>);

impl Outcomes {
    /// Puts newer outcomes in the place of older ones.
    pub fn take(&mut self, newer: Vec<Outcome>) {
        self.0.retain(|old| !newer.iter().any(|new| new.test == old.test));
        self.0.extend(newer);
        self.0.sort_by(|left, right| left.test.cmp(&right.test));
    }

    fn of(&self, test: &Test) -> Option<&Outcome> {
        self.0.iter().find(|outcome| outcome.test == *test)
    }
}

/// All modes, and all tests that carry ids.
#[derive(Debug, Clone)]
pub struct Catalogue {
    modes: Vec<Mode>,
    tests: BTreeSet<Test>,
}

impl Catalogue {
    /// Reads the modes and the tests of the repository with this root.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(CATALOGUE);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let modes = modes_in(&text).with_context(|| format!("in {CATALOGUE}"))?;
        let mut tests = BTreeSet::new();
        for package in packages(root)? {
            let name = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for (folder, path) in Folder::ALL {
                let target = Target { package: name.clone(), folder };
                for source in sources(package.join(path))? {
                    let text = fs::read_to_string(&source)
                        .with_context(|| format!("cannot read {}", source.display()))?;
                    let found = tests_in(&text).filter(|test| !ids(test).is_empty());
                    tests.extend(
                        found.map(|test| Test { target: target.clone(), name: test.to_owned() }),
                    );
                }
            }
        }
        Ok(Self { modes, tests })
    }

    /// The programs that have tests with ids.
    pub fn targets(&self) -> BTreeSet<&Target> {
        self.tests.iter().map(|test| &test.target).collect()
    }

    /// The tests with this name.
    pub fn named<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c Test> {
        self.tests.iter().filter(move |test| test.name == name)
    }

    /// The tests that prove a mode.
    fn proofs<'c>(&'c self, mode: &'c Mode) -> impl Iterator<Item = &'c Test> {
        self.tests.iter().filter(|test| test.ids().contains(&mode.id))
    }

    /// What does not hold between modes, tests and the page: empty when all does.
    pub fn problems(&self, page: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut count = BTreeMap::<&str, usize>::new();
        for mode in &self.modes {
            *count.entry(&mode.id).or_default() += 1;
            let id = &mode.id;
            match (self.proofs(mode).next(), &mode.none) {
                (None, None) => problems.push(format!(
                    "{id} is proven by no test: name one `{}_…`, or say why in `none`",
                    id.to_lowercase()
                )),
                (Some(test), Some(_)) => {
                    problems
                        .push(format!("{id} says why no test makes it, but {} does", test.name));
                }
                (Some(_), None) | (None, Some(_)) => {}
            }
            if !page.contains(&format!("| {id} |")) {
                problems.push(format!("{PAGE} lacks {id}: run `just failure-modes`"));
            }
        }
        let twice = count.iter().filter(|(_, count)| **count > 1);
        problems.extend(twice.map(|(id, _)| format!("{id} stands twice in {CATALOGUE}")));
        for test in &self.tests {
            let unknown = test.ids().into_iter().filter(|id| !count.contains_key(&**id));
            problems
                .extend(unknown.map(|id| format!("{} is not in {CATALOGUE}: {}", id, test.name)));
        }
        let named = page.split('`').skip(1).step_by(2).filter(|word| !ids(word).is_empty());
        let gone = named.filter(|name| !self.tests.iter().any(|test| test.name == *name));
        problems.extend(
            gone.map(|name| {
                format!("{PAGE} names {name}, which is gone: run `just failure-modes`")
            }),
        );
        problems
    }
}

/// The modes of the catalogue's text.
fn modes_in(text: &str) -> Result<Vec<Mode>> {
    let table = DeTable::parse(text)?;
    let modes = table.get_ref().get("mode").and_then(|modes| modes.get_ref().as_array());
    let modes = modes.context("expected entries of the form [[mode]]")?;
    let read = |mode: &DeValue<'_>| {
        let mode = mode.as_table().context("expected entries of the form [[mode]]")?;
        let field = |name: &str| Some(mode.get(name)?.get_ref().as_str()?.to_owned());
        let id = field("id").context("expected an id in each entry")?;
        let required = |name: &str| {
            field(name).with_context(|| format!("expected {id} to have a text for `{name}`"))
        };
        let (what, expected, none) = (required("what")?, required("expected")?, field("none"));
        Ok(Mode { id, what, expected, none })
    };
    modes.iter().map(|mode| read(mode.get_ref())).collect()
}

/// The ids that a test's name begins with.
fn ids(name: &str) -> BTreeSet<String> {
    let is_id = |word: &&str| {
        let digits = word.strip_prefix('f').unwrap_or_default();
        (2..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.split('_').take_while(is_id).map(str::to_uppercase).collect()
}

/// The functions of a source file that an attribute marks as tests.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let mut is_marked = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("#[") {
            is_marked |= line.contains("test");
            return None;
        }
        let was_marked = std::mem::take(&mut is_marked);
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        was_marked.then(|| name.split(['(', '<']).next()).flatten()
    })
}

fn packages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    for folder in PACKAGES {
        let found = entries(&root.join(folder))?.into_iter();
        packages.extend(found.filter(|path| path.join("Cargo.toml").is_file()));
    }
    Ok(packages)
}

/// The Rust files below a folder, if there is one.
fn sources(folder: PathBuf) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    folders.retain(|folder| folder.is_dir());
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let entries: std::io::Result<_> = read();
    entries.with_context(|| format!("cannot read {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_failure_mode_is_proven_by_a_test_or_says_why_not() {
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        let problems = Catalogue::read(&root()).unwrap().problems(&page);
        assert!(problems.is_empty(), "{problems:#?}");
    }

    #[test]
    fn a_name_begins_with_its_ids() {
        let of = |name| ids(name).into_iter().collect::<Vec<_>>();
        assert_eq!(of("f27_f28_a_group_of_f32"), ["F27", "F28"]);
        assert_eq!(of("f108_a_log"), ["F108"]);
        for other in ["f_108", "f1_a", "f1000_a", "failure", "a_f27_test", "f2x_a"] {
            assert_eq!(of(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn only_marked_functions_are_tests() {
        let text = "#[test]\nfn f01_a() {\n}\nfn f02_b() {}\n    #[tokio::test(flavor = \"x\")]\n    \
                    #[ignore = \"long\"]\n    async fn f03_c() {}\n#[inline]\nfn f04_d() {}\n";
        assert_eq!(tests_in(text).collect::<Vec<_>>(), ["f01_a", "f03_c"]);
    }

    #[test]
    fn an_entry_that_lacks_something_is_named() {
        let whole = "[[mode]]\nid = \"F01\"\nwhat = \"a\"\nexpected = \"b\"\nnone = \"c\"\n";
        assert_eq!(modes_in(whole).unwrap().len(), 1);
        let lacking = modes_in(&whole.replace("expected", "expcted")).unwrap_err();
        assert_eq!(lacking.to_string(), "expected F01 to have a text for `expected`");
        assert!(modes_in("mode = 1").is_err());
    }

    fn mode(id: &str, none: Option<&str>) -> Mode {
        let (what, expected) = ("it breaks".to_owned(), "it heals".to_owned());
        Mode { id: id.to_owned(), what, expected, none: none.map(str::to_owned) }
    }

    fn test(name: &str) -> Test {
        let target = Target { package: "one".to_owned(), folder: Folder::Tests };
        Test { target, name: name.to_owned() }
    }

    #[test]
    fn each_way_to_be_unproven_is_named() {
        let catalogue = Catalogue {
            modes: vec![
                mode("F01", None),
                mode("F02", None),
                mode("F03", Some("no disk")),
                mode("F04", Some("no disk")),
                mode("F04", Some("no disk")),
            ],
            tests: BTreeSet::from([test("f01_a"), test("f03_b"), test("f09_c")]),
        };
        let page = "| F01 | `f01_a` `f02_gone` |\n| F02 |\n| F03 |";
        let problems = catalogue.problems(page);
        let found: Vec<_> = problems.iter().map(|problem| problem.split(':').next()).collect();
        let expected = [
            "F02 is proven by no test",
            "F03 says why no test makes it, but f03_b does",
            "docs/failure-modes.md lacks F04",
            "docs/failure-modes.md lacks F04",
            "F04 stands twice in docs/failure-modes.toml",
            "F09 is not in docs/failure-modes.toml",
            "docs/failure-modes.md names f02_gone, which is gone",
        ];
        assert_eq!(found, expected.map(Some));
    }

    #[test]
    fn a_page_says_what_became_of_each_test() {
        let catalogue = Catalogue {
            modes: vec![mode("F01", None), mode("F02", None), mode("F03", Some("no disk"))],
            tests: BTreeSet::from([test("f01_a"), test("f01_f02_b"), test("f02_c")]),
        };
        let outcome = |name, has_passed| Outcome {
            test: test(name),
            has_passed,
            commit: "abc".to_owned(),
            began: "2026-01-31T08:00:00Z".to_owned(),
        };
        let mut outcomes = Outcomes::default();
        outcomes.take(vec![outcome("f01_a", false), outcome("f01_f02_b", true)]);
        outcomes.take(vec![outcome("f01_a", true)]);
        let written = page(&catalogue, &outcomes);
        for expected in [
            "2 of 3 failure modes are proven by 3 tests, of which 2 passed",
            "| F01 | it breaks | it heals | one `f01_a`<br>one `f01_f02_b` | passed |",
            "| F02 | it breaks | it heals | one `f01_f02_b`<br>one `f02_c` | NOT RUN: `f02_c` |",
            "| F03 | it breaks | it heals | no disk |",
            "| tests of | abc, 2026-01-31 |",
        ] {
            assert!(written.contains(expected), "{expected} is not in:\n{written}");
        }
        assert_eq!(catalogue.problems(&written), [""; 0]);
    }
}
