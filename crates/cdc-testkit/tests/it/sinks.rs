//! The sink's suite on the in-memory sink and on broken ones.

use cdc_testkit::broken::{BrokenSink, SinkDefect};
use cdc_testkit::conformance::sink::{self, CASES};
use cdc_testkit::{MemorySink, Warehouse};

use crate::alone::AloneSink;
use crate::ends::MemorySinks;

#[tokio::test]
async fn the_in_memory_sink_passes_every_case() {
    let sinks = MemorySinks(MemorySink::new);
    for case in CASES {
        println!("sink: {case}");
        sink::run(&sinks, case).await.unwrap();
    }
    assert_eq!(sink::run_all(&sinks).await, []);
}

#[tokio::test]
async fn a_sink_without_a_second_writer_passes_every_case() {
    let sinks = MemorySinks(|warehouse: Warehouse| AloneSink(MemorySink::new(warehouse)));
    assert_eq!(sink::run_all(&sinks).await, []);
}

#[tokio::test]
async fn every_broken_sink_is_caught_by_the_case_named_for_it() {
    for defect in SinkDefect::ALL {
        let sinks = MemorySinks(|warehouse: Warehouse| BrokenSink::new(warehouse, defect));
        let violation = sink::run(&sinks, defect.case()).await.expect_err(&format!("{defect:?}"));
        println!("{defect:?} is caught: {violation}");
        assert_eq!(violation.case, defect.case());
    }
}

#[test]
fn every_case_of_the_sink_catches_some_defect() {
    for case in CASES {
        assert!(SinkDefect::ALL.iter().any(|defect| defect.case() == *case), "{case} is idle");
    }
}

#[tokio::test]
async fn a_case_that_does_not_exist_is_a_violation() {
    let violation = sink::run(&MemorySinks(MemorySink::new), "no such case").await.unwrap_err();
    assert_eq!(violation.to_string(), "run: there is no case named \"no such case\"");
}
