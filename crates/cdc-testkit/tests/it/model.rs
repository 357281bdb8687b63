//! The protocol's model: what is built is sound, every mutant is caught, and the page that lists
//! them says what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use cdc_testkit::model::{Design, Finding, Partitions, Rows, VARIANTS, Variant, Verdict, explore};

/// Set to anything, it has the page written instead of compared.
const WRITE: &str = "WRITE_PROTOCOL_REPORT";

const INTRODUCTION: &str = "\
# The protocol, explored

How progress is committed, and how a partition passes from one process to another, is a model in
`crates/cdc-testkit/src/model.rs`, where it says what is modelled, what can happen and what is left
out. Every state that the model can get into is looked at. This page is written by the test that does
so (`just protocol-report`) and compared by it afterwards.

A design is *sound* when nothing bad can happen and everything can still become applied from every
state, however many crashes, freezes and takeovers led there. It is *unsafe* when the harm named can
come about, and *stuck* when a state can come about from which it does not go on by itself.

States of an unsafe design are those looked at before the first harm. Most mutants go wrong with one
partition already, so they are explored with one.

| design | partitions | states | outcome | steps |
|---|---|---|---|---|
";

const WAYS: &str = "
## The shortest ways

Partitions are 1 and 2, the workers A and B. An expelled worker goes on until it notices.
";

/// Explores all variants, as many at a time as there are processors.
fn explore_all() -> Vec<(Variant, Finding)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(variant) = VARIANTS.get(number) else { break };
                    let started = Instant::now();
                    let finding = explore(variant.design);
                    let (states, name) = (finding.states, variant.name);
                    println!("{states:>8} states in {:>7.2?}: {name}", started.elapsed());
                    found.lock().unwrap().insert(number, (*variant, finding));
                }
            });
        }
    });
    found.into_inner().unwrap().into_values().collect()
}

#[test]
fn what_is_built_is_sound_and_every_mutant_is_caught() {
    let found = explore_all();
    for (variant, finding) in &found {
        assert_eq!(
            finding.verdict,
            variant.verdict,
            "{}, after {} states, by: {}",
            variant.name,
            finding.states,
            finding.trace.join("; ")
        );
        let traced = !finding.trace.is_empty();
        assert_eq!(traced, variant.verdict != Verdict::Sound, "{}", variant.name);
    }
    let mutants = found.iter().filter(|(_, finding)| finding.verdict != Verdict::Sound).count();
    assert!(mutants >= 12, "only {mutants} mutants");
    keep(&render(&found));
}

#[test]
fn everything_that_can_happen_happens_to_what_is_built() {
    let mut happened = explore(Design::default()).happened;
    happened.insert("commit group offset"); // Left out where nobody reads it.
    let names = [
        "assign",
        "backend ends",
        "commit",
        "commit group offset",
        "commit unanswered",
        "compare and set",
        "copy",
        "crash",
        "cut",
        "end backend",
        "expel",
        "find epoch raised",
        "freeze",
        "hand over",
        "notice",
        "raise epoch",
        "read owner",
        "refuse",
        "wake",
    ];
    assert_eq!(happened.into_iter().collect::<Vec<_>>(), names);
}

#[test]
fn what_a_table_refuses_by_itself_does_no_harm() {
    let design =
        Design { rows: Rows::UniqueOffset, partitions: Partitions::First, ..Design::default() };
    assert_eq!(explore(design).verdict, Verdict::Sound);
}

fn keep(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    if env::var_os(WRITE).is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "{} is not what the model shows: run `just protocol-report` and look at the difference",
        path.display()
    );
}

fn render(found: &[(Variant, Finding)]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (variant, finding) in found {
        let partitions = match variant.design.partitions {
            Partitions::Both => 2,
            Partitions::First => 1,
        };
        let outcome = match finding.verdict {
            Verdict::Sound => "sound".to_owned(),
            Verdict::Unsafe(harm) => format!("unsafe: {}", harm.words()),
            Verdict::Stuck => format!("stuck in {} states", finding.stuck_states),
        };
        let steps = match finding.trace.len() {
            0 => String::new(),
            steps => steps.to_string(),
        };
        let (name, states) = (variant.name, finding.states);
        writeln!(page, "| {name} | {partitions} | {states} | {outcome} | {steps} |").unwrap();
    }
    page.push_str(WAYS);
    for (variant, finding) in found {
        if finding.verdict == Verdict::Sound {
            continue;
        }
        writeln!(page, "\n**{}**\n", capitalised(variant.name)).unwrap();
        for (number, step) in finding.trace.iter().enumerate() {
            writeln!(page, "{}. {step}", number + 1).unwrap();
        }
    }
    page
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
