//! Capture files.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cdc_workload::capture::CaptureReader;
use cdc_workload::{
    EnvelopeOptions, EnvelopeWriter, Hostility, Workload, WorkloadOptions, partition_of,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::program::{program, refusal, run, summary, text, utf8};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn the_file_holds_the_messages_of_the_workload() {
    let folder = folder();
    let path = folder.path().join("orders.jsonl");
    let arguments = [
        "file",
        utf8(&path),
        "--seed",
        "9",
        "--count",
        "500",
        "--per-transaction",
        "7",
        "--hostile",
    ];
    let summary = summary(&arguments);
    assert_eq!((&summary["changes"], &summary["ended_by"]), (&500.into(), &"count".into()));

    let options = WorkloadOptions {
        seed: 9,
        changes_per_transaction: 7,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let mut envelopes =
        EnvelopeWriter::new(&EnvelopeOptions { seed: 9, ..EnvelopeOptions::default() });
    let mut capture = CaptureReader::open(&path).expect("a capture");
    let mut workload = Workload::new(options);
    let mut offset = 0;
    // 500 changes are 71 transactions of seven and one of three.
    for changes in [7].repeat(71).into_iter().chain([3]) {
        let transaction = workload.transaction(changes).expect("endless");
        envelopes
            .write(&transaction, |expected| {
                let found = capture.read()?.expect("a record");
                assert_eq!((found.topic, found.partition), ("dbserver1.public.orders", 0));
                assert_eq!(found.offset, offset);
                assert_eq!((found.key, found.value), (Some(expected.key), expected.value));
                assert_eq!(found.timestamp_millis, expected.timestamp_millis);
                offset += 1;
                Ok::<(), cdc_workload::WorkloadError>(())
            })
            .expect("the capture is read");
    }
    assert_eq!(capture.read().expect("the end"), None);
    assert_eq!(summary["records"], offset);
    assert_eq!(summary["rows"], workload.live().len());
}

#[test]
fn equal_arguments_give_equal_bytes_and_a_capture_may_be_replaced() {
    let folder = folder();
    let path = folder.path().join("orders.jsonl");
    let make = |seed: &str| {
        summary(&["file", utf8(&path), "--count", "100", "--seed", seed, "--schema-block"]);
        fs::read_to_string(&path).expect("a file")
    };
    let first = make("1");
    assert_eq!(first, make("1"));
    assert_ne!(first, make("2"));
    assert!(first.contains(r#""value":"{\"schema\":{\"type\":\"struct\""#));
}

#[test]
fn options_reach_the_messages() {
    let folder = folder();
    let path = folder.path().join("orders.jsonl");
    let mut arguments = vec!["file", utf8(&path), "--count", "300", "--partitions", "3"];
    arguments.extend(["--topic", "shop.public.orders", "--first-key", "1000"]);
    arguments.extend(["--mix", "1:0:0", "--preload", "50", "--start", "2030-05-06T07:08:09Z"]);
    let summary = summary(&arguments);
    assert_eq!((&summary["rows"], &summary["inserts"]), (&350.into(), &350.into()));
    let mut capture = CaptureReader::open(&path).expect("a capture");
    let mut ends = [0; 3];
    while let Some(record) = capture.read().expect("a record") {
        let key = text(record.key.expect("a key"));
        assert!(&*key >= "{\"order_id\":1000}", "{key}");
        assert_eq!(u32::try_from(record.partition), Ok(partition_of(key.as_bytes(), 3)));
        let end = &mut ends[usize::try_from(record.partition).expect("a partition")];
        assert_eq!(record.offset, *end);
        *end += 1;
        let value = text(record.value.expect("an insert"));
        assert!(value.contains("\"name\":\"shop\""), "{value}");
        assert!(record.timestamp_millis > 1_904_281_689_000, "{}", record.timestamp_millis);
    }
    assert!(ends.iter().all(|end| *end > 50), "{ends:?}");
}

#[test]
fn a_file_that_is_no_capture_is_not_touched() {
    let folder = folder();
    let path = folder.path().join("thesis.txt");
    fs::write(&path, "years of work").expect("a file");
    let (code, message) = refusal(&["file", utf8(&path)]);
    assert_eq!(code, Some(2));
    assert!(message.contains("is not a capture"), "{message}");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "years of work");
}

#[test]
fn a_file_that_cannot_be_written_is_a_fault_of_the_environment() {
    let folder = folder();
    let path = folder.path().join("missing").join("orders.jsonl");
    let (code, message) = refusal(&["file", utf8(&path)]);
    assert_eq!(code, Some(4));
    assert!(message.contains("cannot create the capture file"), "{message}");
    assert!(message.contains("No such file"), "{message}");

    let (code, message) = refusal(&["file", "/dev/full", "--quiet"]);
    assert_eq!(code, Some(4));
    assert!(message.contains("No space left"), "{message}");
}

#[test]
fn an_endless_run_ends_in_order_at_a_signal() {
    let folder = folder();
    let path = folder.path().join("orders.jsonl");
    let mut child = program()
        .args(["file", utf8(&path), "--count", "0", "--rate", "2000", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Its first line of progress says that it is under way, one second after its start.
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    assert!(line.contains("changes"), "{line}");

    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not zero");
    kill_process(pid, Signal::TERM).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{:?}", output.status);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(summary["ended_by"], "signal");
    let rate = summary["changes_per_second"].as_u64().expect("a number");
    assert!((1..=2_200).contains(&rate), "{rate}");

    let mut capture = CaptureReader::open(&path).expect("a capture");
    let mut records = 0_u64;
    while capture.read().expect("no line is cut short").is_some() {
        records += 1;
    }
    assert_eq!(summary["records"], records);
}

#[test]
fn without_json_the_summary_is_a_sentence() {
    let folder = folder();
    let path = folder.path().join("orders.jsonl");
    let output = run(&["file", utf8(&path), "--count", "60"]);
    let sentence = text(&output.stdout);
    assert!(sentence.starts_with("60 changes in "), "{sentence}");
    assert!(sentence.contains("inserts"), "{sentence}");
}
