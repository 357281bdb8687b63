//! The engine in histories by seed, judged by the oracle.
//!
//! Two processes with engines of their own share one warehouse and the same logs, while partitions
//! move between them, faults meet their batches, and they die.
//!
//! What is the same whenever a seed is run: the history, and what is durable in the end, down to the
//! order of each log's rows. What is not: how the threads interleave, so which batch a fault meets
//! and how records are cut into batches. A seed that fails may therefore pass when it is run again;
//! run it many times (`SIM_FIRST=41 SIM_SEEDS=1`). Time is real: a staging thread does not stop with
//! a paused clock, which would run ahead of it to every deadline.

mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use cdc_testkit::broken::{BrokenSink, SinkDefect};
use cdc_testkit::simulation::History;
use cdc_testkit::{MemorySink, Warehouse};

use world::{Report, World};

/// How many seeds are run, when it is not what a change has to pass.
const SEEDS: &str = "SIM_SEEDS";

/// The first of them.
const FIRST: &str = "SIM_FIRST";

/// Seeds that every change has to pass.
const SEEDS_OF_A_CHANGE: u64 = 200;

/// Histories under way at a time. They wait more than they compute.
const AT_A_TIME: usize = 12;

/// How long a history may take to finish once nothing disturbs it any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for a sink that is broken, and so may never finish.
const PATIENCE_WITH_BROKEN: Duration = Duration::from_secs(2);

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("seeds are numbers"))
}

fn run(seed: u64) -> Report {
    let warehouse = Warehouse::default();
    let sink = MemorySink::new(warehouse.clone());
    World::new(History::of(seed), warehouse, sink).run(PATIENCE)
}

/// Runs seeds side by side.
fn run_all(seeds: impl Iterator<Item = u64> + Send) -> BTreeMap<u64, Report> {
    let (seeds, reports) = (Mutex::new(seeds), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().unwrap().next() else { break };
                    let report = run(seed);
                    reports.lock().unwrap().insert(seed, report);
                }
            });
        }
    });
    reports.into_inner().unwrap()
}

/// Runs the seeds that are asked for, and says what came of them.
fn run_asked() -> BTreeMap<u64, Report> {
    let (first, count) = (setting(FIRST).unwrap_or(0), setting(SEEDS).unwrap_or(SEEDS_OF_A_CHANGE));
    if count == 1 {
        println!("{:#?}", History::of(first));
    }
    let started = Instant::now();
    let reports = run_all(first..first + count);
    let records: usize = reports.values().map(|report| report.records).sum();
    let faults: usize = reports.values().map(|report| report.faults).sum();
    let finished = reports.values().filter(|report| report.unfinished.is_empty()).count();
    println!(
        "{count} histories in {:.1?}, {finished} finished: {records} records, {faults} faults met",
        started.elapsed()
    );
    assert!(faults > 0 && finished > 0, "no fault met a batch, or nothing was finished");
    reports
}

/// Fails with what is wrong, seed by seed.
fn assert_none(reports: &BTreeMap<u64, Report>, wrong: impl Fn(&Report) -> Vec<String>) {
    let wrong = reports.iter().map(|(seed, report)| (seed, wrong(report)));
    let wrong: Vec<_> = wrong
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(seed, wrong)| format!("seed {seed}: {}", wrong.join("; ")))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), reports.len(), wrong.join("\n"));
}

#[test]
fn no_history_loses_doubles_or_reorders_an_effect() {
    assert_none(&run_asked(), |report| report.breaches.iter().map(ToString::to_string).collect());
}

#[test]
fn every_history_finishes() {
    assert_none(&run_asked(), |report| report.unfinished.clone());
}

#[test]
fn a_seed_ends_the_same_every_time() {
    let (once, again) = (run_all(0..24), run_all(0..24));
    let mut digests = Vec::new();
    for (seed, report) in once {
        let other = &again[&seed];
        if report.unfinished.is_empty() && other.unfinished.is_empty() {
            assert_eq!(report.digest, other.digest, "seed {seed}");
            digests.push(report.digest);
        }
    }
    assert!(digests.len() >= 12, "only {} seeds finished twice", digests.len());
    let compared = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), compared, "other seeds end otherwise");
}

/// Sinks that are wrong in ways that leave traces in the warehouse.
const DEFECTS: [SinkDefect; 12] = [
    SinkDefect::LosesTheLastRow,
    SinkDefect::AppliesTwice,
    SinkDefect::MovesTheCheckpointFirst,
    SinkDefect::ReordersAKey,
    SinkDefect::SwallowsAReject,
    SinkDefect::DropsDeadLetters,
    SinkDefect::KeepsDeadLettersOfARefusedBatch,
    SinkDefect::KeepsRowsOfARefusedBatch,
    SinkDefect::BlamesTheWrongRecord,
    SinkDefect::StoresNullAsEmpty,
    SinkDefect::ShowsPreparedRows,
    SinkDefect::KeepsAbandonedRows,
];

#[test]
fn every_broken_sink_is_caught_by_the_oracle() {
    let tried = AtomicU64::new(0);
    thread::scope(|scope| {
        for defect in DEFECTS {
            let tried = &tried;
            scope.spawn(move || {
                let caught = (0..40).find_map(|seed| {
                    tried.fetch_add(1, Ordering::Relaxed);
                    let warehouse = Warehouse::default();
                    let sink = BrokenSink::new(warehouse.clone(), defect);
                    let report =
                        World::new(History::of(seed), warehouse, sink).run(PATIENCE_WITH_BROKEN);
                    report.breaches.first().map(|breach| (seed, breach.to_string()))
                });
                let (seed, breach) = caught.unwrap_or_else(|| panic!("{defect:?} is not caught"));
                println!("{defect:?} is caught by seed {seed}: {breach}");
            });
        }
    });
    assert!(tried.into_inner() >= 12, "each was tried");
}
