//! The catalogue as a page for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cdc_stack::machine::Machine;

use super::{Catalogue, Mode, Outcomes, Test};

const INTRODUCTION: &str = "\
# Failure modes

What can go wrong, what is expected then, and the tests that prove it: their names begin with the ids of the
modes. They run on real PostgreSQL and Kafka wherever the mode is about them, with waits scaled to seconds.
This page is written by `just failure-modes`, from `docs/failure-modes.toml`, the tests that there are and
what became of them; `just failure-modes cdc-kafka` runs those of one package. Many faults at once, drawn by
seed, are another page: [chaos.md](chaos.md).
";

/// The page, with what became of the tests on this machine.
pub fn page(catalogue: &Catalogue, outcomes: &Outcomes) -> String {
    let mut page = INTRODUCTION.to_owned();
    write_summary(&mut page, catalogue, outcomes);
    page.push_str("\n## Proven by tests\n\n");
    page.push_str("| id | what happens | what is expected | tests | result |\n");
    page.push_str("|---|---|---|---|---|\n");
    for mode in catalogue.modes.iter().filter(|mode| mode.none.is_none()) {
        let Mode { id, what, expected, .. } = mode;
        let tests: Vec<&Test> = catalogue.proofs(mode).collect();
        let names: Vec<String> =
            tests.iter().map(|test| format!("{} `{}`", test.target.package, test.name)).collect();
        let (names, result) = (names.join("<br>"), result(&tests, outcomes));
        push(&mut page, format_args!("| {id} | {what} | {expected} | {names} | {result} |\n"));
    }
    page.push_str("\n## Made by no test\n\n");
    page.push_str("| id | what happens | what is expected | why |\n|---|---|---|---|\n");
    for Mode { id, what, expected, none } in &catalogue.modes {
        if let Some(none) = none {
            push(&mut page, format_args!("| {id} | {what} | {expected} | {none} |\n"));
        }
    }
    page
}

fn write_summary(page: &mut String, catalogue: &Catalogue, outcomes: &Outcomes) {
    let proven = catalogue.modes.iter().filter(|mode| mode.none.is_none()).count();
    let known = || catalogue.tests.iter().filter_map(|test| outcomes.of(test));
    let passed = known().filter(|outcome| outcome.has_passed).count();
    let (all, tests) = (catalogue.modes.len(), catalogue.tests.len());
    push(
        page,
        format_args!(
            "\n{proven} of {all} failure modes are proven by {tests} tests, of which {passed} passed.\n"
        ),
    );
    let of: BTreeSet<String> = known()
        .map(|outcome| {
            let day = outcome.began.split('T').next().unwrap_or_default();
            format!("{}, {day}", outcome.commit)
        })
        .collect();
    let of = of.into_iter().collect::<Vec<_>>().join("; ");
    let Machine { processor, cores, memory_mib, kernel } = Machine::here();
    push(
        page,
        format_args!(
            "\n| | |\n|---|---|\n| tests of | {of} |\n| machine | {processor}, {cores} cores, \
             {memory_mib} MiB |\n| kernel | {kernel} |\n"
        ),
    );
}

fn result(tests: &[&Test], outcomes: &Outcomes) -> String {
    let mut words = Vec::new();
    for test in tests {
        match outcomes.of(test) {
            Some(outcome) if outcome.has_passed => {}
            Some(_) => words.push(format!("FAILED: `{}`", test.name)),
            None => words.push(format!("NOT RUN: `{}`", test.name)),
        }
    }
    if words.is_empty() { "passed".to_owned() } else { words.join("<br>") }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String does not fail.
    page.write_fmt(text).ok();
}
