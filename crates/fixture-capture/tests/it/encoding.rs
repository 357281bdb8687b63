//! Every captured record, decoded and written again, is what the connector wrote, byte for byte, or
//! its difference is listed.

mod differences;
mod members;
mod written;

use std::collections::BTreeSet;

use cdc_testkit::captures::{Capture, names};

use differences::{DIFFERENCES, Difference};

/// Where a record written again is not what was captured.
#[derive(Debug)]
#[expect(dead_code, reason = "the table is for the reader of a failure")]
struct Deviation {
    release: String,
    mode: String,
    table: String,
    /// `key`, `op`, `before.c_text`, `schema.after.c_text`.
    place: String,
    /// The captured text, the written one, or why there is none.
    details: String,
}

#[test]
fn records_written_again_are_byte_equal_or_their_difference_is_listed() {
    let mut deviations = Vec::new();
    let mut equal = 0_usize;
    for (release, mode) in names() {
        let capture = Capture::open(&release, &mode);
        equal += written::again(&capture, &mut deviations);
    }
    let mut unlisted = Vec::new();
    let mut occurred = BTreeSet::new();
    for deviation in &deviations {
        match DIFFERENCES.iter().position(|listed| listed.may_be_of(deviation)) {
            Some(at) => drop(occurred.insert(at)),
            None => unlisted.push(deviation),
        }
    }
    let idle: Vec<&Difference> = (0..)
        .zip(DIFFERENCES)
        .filter(|(at, _)| !occurred.contains(at))
        .map(|(_, listed)| listed)
        .collect();
    let (count, shown) = (unlisted.len(), unlisted.iter().take(40).collect::<Vec<_>>());
    assert!(
        unlisted.is_empty() && idle.is_empty(),
        "{count} differences that are not listed: {shown:#?}\n\
         listed ones that do not occur: {idle:#?}"
    );
    // Most records have a form with and one without schema block.
    assert!(equal > 9_000, "only {equal} texts were byte-equal");
}
