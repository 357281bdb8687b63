//! The source's suite on the in-memory source and on broken ones.

use std::time::Duration;

use cdc_core::ByteBudget;
use cdc_testkit::broken::{BrokenSource, SourceDefect};
use cdc_testkit::conformance::source::{self, CASES};
use cdc_testkit::{LogWriter, MemorySource};

use crate::ends::MemorySources;

#[tokio::test]
async fn the_in_memory_source_passes_every_case() {
    let sources = MemorySources { start: MemorySource::new, patience: Duration::from_secs(30) };
    for case in CASES {
        println!("source: {case}");
        source::run(&sources, case).await.unwrap();
    }
    assert_eq!(source::run_all(&sources).await, []);
}

#[tokio::test]
async fn every_broken_source_is_caught_by_the_case_named_for_it() {
    for defect in SourceDefect::ALL {
        let start = |log: LogWriter, budget: ByteBudget| BrokenSource::new(log, budget, defect);
        // Some defects are that something never comes, so this is how long the test takes.
        let sources = MemorySources { start, patience: Duration::from_millis(300) };
        let violation =
            source::run(&sources, defect.case()).await.expect_err(&format!("{defect:?}"));
        println!("{defect:?} is caught: {violation}");
        assert_eq!(violation.case, defect.case());
    }
}

#[test]
fn every_case_of_the_source_catches_some_defect() {
    for case in CASES {
        assert!(SourceDefect::ALL.iter().any(|defect| defect.case() == *case), "{case} is idle");
    }
}
