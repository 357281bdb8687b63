//! `failure-modes`: runs the tests that prove the failure modes, and writes the page about them; see its
//! `--help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use cdc_chaos::modes::{Catalogue, Outcome, Outcomes, PAGE, Target, Test, page};
use cdc_chaos::report::now;
use cdc_stack::machine::commit;
use clap::Parser;

/// Where outcomes are kept between runs, from the root.
const KEPT: &str = "target/failure-modes.json";

/// Runs the tests whose names begin with the id of a failure mode, and writes docs/failure-modes.md.
///
/// What became of each test is kept, so that a run of some packages replaces their results alone. Exit
/// code 0 when every mode is proven by tests that have passed, or says why not; 1 otherwise.
#[derive(Debug, Parser)]
#[command(name = "failure-modes", version)]
struct Arguments {
    /// Packages whose tests are run; without any, all that have some.
    packages: Vec<String>,
    /// Ids of the modes whose tests are run, as `f45`; without any, all.
    #[arg(long, value_name = "ID", num_args = 1..)]
    only: Vec<String>,
    /// Run nothing, and write the page from what is kept.
    #[arg(long, conflicts_with_all = ["packages", "only"])]
    page: bool,
    /// Run nothing, and take what became of the tests from what `cargo test` has printed into this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["packages", "only", "page"])]
    log: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let root = root();
    let catalogue = Catalogue::read(&root)?;
    let kept = root.join(KEPT);
    let Arguments { packages, only, page: is_page_only, log } = arguments;
    if let Some(log) = log {
        let text = fs::read_to_string(log);
        let text = text.with_context(|| format!("cannot read {}", log.display()))?;
        let mut outcomes = known(&kept)?;
        outcomes.take(printed(&catalogue, &text));
        fs::write(&kept, serde_json::to_string_pretty(&outcomes)?)?;
    }
    let is_page_only = *is_page_only || log.is_some();
    let is_wanted = |target: &&&Target| packages.is_empty() || packages.contains(&target.package);
    let targets = catalogue.targets();
    for target in targets.iter().filter(is_wanted).filter(|_| !is_page_only) {
        let newer = tested(&root, target, only)?;
        // Another run may have kept something meanwhile.
        let mut outcomes = known(&kept)?;
        outcomes.take(newer);
        fs::write(&kept, serde_json::to_string_pretty(&outcomes)?)?;
    }
    let text = page(&catalogue, &known(&kept)?);
    fs::write(root.join(PAGE), &text).with_context(|| format!("cannot write {PAGE}"))?;
    let problems = catalogue.problems(&text);
    for problem in &problems {
        println!("{problem}");
    }
    let open: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("FAILED: ") || line.contains("NOT RUN: "))
        .collect();
    for line in &open {
        println!("{line}");
    }
    Ok(problems.is_empty() && open.is_empty())
}

/// What is kept of earlier runs.
fn known(kept: &Path) -> Result<Outcomes> {
    match fs::read_to_string(kept) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{KEPT} is not ours; delete it"))
        }
        Err(_) => Ok(Outcomes::default()),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a program's tests with ids and gives what became of each.
fn tested(root: &Path, target: &Target, only: &[String]) -> Result<Vec<Outcome>> {
    let (began, commit) = (now(), commit());
    // A name follows its module or begins the line; an id is never a part of another word.
    let digits: Vec<String> = (0..10).map(|digit| format!("::f{digit}")).collect();
    let filters = if only.is_empty() {
        digits
    } else {
        only.iter().map(|id| format!("{}_", id.to_lowercase())).collect()
    };
    let package = &*target.package;
    println!("{package}: running its tests");
    let output = Command::new("cargo")
        .current_dir(root)
        .args(["test", "--package", package])
        .args(target.folder.arguments())
        .arg("--")
        .args(filters)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let outcomes: Vec<Outcome> = outcomes_in(&printed)
        .filter(|(name, _)| name.starts_with('f'))
        .map(|(name, has_passed)| {
            let test = Test { target: target.clone(), name: name.to_owned() };
            Outcome { test, has_passed, commit: commit.clone(), began: began.clone() }
        })
        .filter(|outcome| !outcome.test.ids().is_empty())
        .collect();
    let passed = outcomes.iter().filter(|outcome| outcome.has_passed).count();
    println!("{package}: {passed} of {} passed", outcomes.len());
    if !output.status.success() {
        println!("{printed}");
    }
    ensure!(!outcomes.is_empty() || !only.is_empty(), "no test of {package} has run; see above");
    Ok(outcomes)
}

/// What became of tests with ids, by what a run of all tests has printed.
fn printed(catalogue: &Catalogue, text: &str) -> Vec<Outcome> {
    let (began, commit) = (now(), commit());
    let outcomes = outcomes_in(text).flat_map(|(name, has_passed)| {
        let tests = catalogue.named(name).cloned();
        let (commit, began) = (&commit, &began);
        tests.map(move |test| {
            let (commit, began) = (commit.clone(), began.clone());
            Outcome { test, has_passed, commit, began }
        })
    });
    outcomes.collect()
}

/// Function and result of each line such as `test module::name ... ok`.
fn outcomes_in(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().filter_map(|line| {
        let (path, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let name = path.rsplit("::").next()?;
        match result {
            "ok" => Some((name, true)),
            "FAILED" => Some((name, false)),
            _ => None,
        }
    })
}
