//! A repair gives a history exactly what it lacks.

use std::fs;

use crate::rig::{Rig, letters};

const NOT_JSON: &[u8] = b"not a message";

/// A history of a topic in which a connector has sent its last changes again, with a dead letter.
async fn written(name: &str, partitions: i32, changes: usize) -> Rig {
    let rig = Rig::new(name, partitions).await;
    let letters = letters(changes);
    rig.publish(&letters);
    rig.publish(&[(NOT_JSON.to_vec(), Some(NOT_JSON.to_vec()))]);
    rig.publish(letters.get(letters.len() - 50..).unwrap());
    rig.run_pipeline().await;
    assert!(rig.count("select sum((skipped_by->>'sent_again')::int) from cdc.ledger") > 0);
    assert_eq!(rig.count("select count(*) from cdc.dead_letter"), 1);
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_deleted_by_hand_come_back_and_nothing_else_changes() {
    let rig = written("restored", 2, 3_000).await;
    let before = rig.digests();
    let deleted = "delete from orders_fact where order_id % 7 = 3 or operation_type = 'd'";
    let lost =
        rig.count(&format!("with gone as ({deleted} returning 1) select count(*) from gone"));
    assert!(lost > 100, "{lost}");

    let counted = rig.repair(&["--dry-run"]).report();
    assert_eq!(
        (&counted["restored"], &counted["rejected"]),
        (&lost.into(), &1.into()),
        "{counted}"
    );
    assert_ne!(rig.digests(), before, "a dry run writes nothing");

    let report = rig.repair(&[]).report();
    assert_eq!(
        (&report["restored"], &report["outcome"]),
        (&lost.into(), &"done".into()),
        "{report}"
    );
    assert_eq!(rig.digests(), before);
    assert_eq!(rig.repair(&[]).report()["restored"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn f120_replaying_a_healthy_history_three_times_changes_nothing() {
    let rig = written("healthy", 2, 2_000).await;
    let before = rig.digests();
    for _ in 0..3 {
        let report = rig.repair(&[]).report();
        assert_eq!(report["restored"], 0, "{report}");
        assert!(report["present"].as_u64().unwrap() >= 2_000, "{report}");
    }
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_begins_among_what_was_sent_again_adds_nothing() {
    let rig = written("middle", 1, 2_000).await;
    let before = rig.digests();
    // The last 50 records are those that were sent again.
    let end = rig.count("select next_offset from cdc.checkpoint");
    let from = (end - 40).to_string();
    let report = rig.repair(&["--from", &from]).report();
    assert_eq!((&report["restored"], &report["read"]), (&0.into(), &40.into()), "{report}");
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_repairs_at_once_restore_each_row_once() {
    let rig = written("at-once", 2, 4_000).await;
    let before = rig.digests();
    let lost = rig.count(
        "with gone as (delete from orders_fact where order_id % 2 = 0 returning 1) select count(*) from gone",
    );
    let both = [rig.repair(&[]), rig.repair(&[])];
    let restored = both.map(|it| it.report()["restored"].as_u64().unwrap());
    assert_eq!(restored.iter().sum::<u64>(), lost, "{restored:?}");
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f118_a_repair_that_was_killed_goes_on_where_it_stood() {
    let rig = written("killed", 1, 6_000).await;
    let records = rig.count("select next_offset from cdc.checkpoint");
    let before = rig.digests();
    rig.ask("delete from orders_fact where order_id % 3 = 0");
    let killed = rig.repair(&["--rate", "1500"]);
    rig.until("select count(*) from cdc.checkpoint where pipeline like '% repair %' and next_offset > 1000");
    killed.kill_9();
    let report = rig.repair(&[]).report();
    assert_eq!(report["resumed"], true, "{report}");
    assert!(report["read"].as_u64().unwrap() + 1_000 <= records, "{report}");
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pipeline_has_not_applied_is_left_to_it() {
    let rig = Rig::new("beyond", 1).await;
    let letters = letters(1_000);
    let (applied, rest) = letters.split_at(600);
    rig.publish(applied);
    rig.run_pipeline().await;
    rig.publish(rest);
    let report = rig.repair(&[]).report();
    assert_eq!(report["restored"], 0, "{report}");
    assert_eq!(report["beyond_pipeline"].as_u64().unwrap(), u64::try_from(rest.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn f119_a_range_of_which_a_part_is_gone_is_refused_with_both_offsets() {
    let rig = written("gone", 1, 500).await;
    let before = rig.digests();
    rig.delete_records_before(100);

    let (code, text) = rig.repair(&["--from", "40"]).failure();
    assert_eq!(code, 3, "{text}");
    let place = format!("{}/0/0", rig.topic);
    for word in [&*place, " at 40", "begins at 100"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    assert_eq!(rig.repair(&["--from", "100"]).report()["restored"], 0);
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f117_a_repair_beside_a_running_pipeline_disturbs_nothing() {
    let rig = Rig::new("beside", 2).await;
    let letters = letters(6_000);
    let (first, second) = letters.split_at(letters.len() / 2);
    rig.publish(first);
    rig.run_pipeline().await;
    rig.ask("delete from orders_fact where order_id % 5 = 0");
    rig.publish(second);
    let repairing = rig.repair(&["--rate", "2000"]);
    rig.until("select count(*) from cdc.checkpoint where pipeline like '% repair %'");
    rig.run_pipeline().await;
    assert!(repairing.report()["restored"].as_u64().unwrap() > 100);
    let rows = rig.count("select count(*) from orders_fact");
    let places = "select count(distinct (cdc_partition, cdc_offset, cdc_ordinal)) from orders_fact";
    assert_eq!(rig.count(places), rows, "no row stands twice");
    assert_eq!(rig.count("select sum(written) from cdc.ledger"), rows, "no row is missing");
    assert_eq!(rig.ask("select * from cdc.check_ledger('beside')"), "", "the books balance");
    assert_eq!(rig.repair(&[]).report()["restored"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_from_a_capture_when_kafka_has_lost_their_records() {
    let rig = written("from-file", 2, 2_000).await;
    let before = rig.digests();
    let file = rig.path().join("all.jsonl");
    let capture = file.to_str().unwrap();
    rig.command("capture", &["--output", capture]).report();
    let lost = rig.count(
        "with gone as (delete from orders_fact where order_id % 3 = 0 returning 1) select count(*) from gone",
    );
    let end = rig.count("select next_offset from cdc.checkpoint where partition = 0");
    rig.delete_records_before(end);
    let left = rig.repair(&["--dry-run"]).report()["restored"].as_u64().unwrap();
    assert!(left < lost, "a part of the records is gone: {left} of {lost}");

    let counted = rig.repair(&["--from-file", capture, "--dry-run"]).report();
    assert_eq!(counted["restored"], lost, "{counted}");
    let report = rig.repair(&["--from-file", capture]).report();
    assert_eq!(
        (&report["restored"], &report["outcome"]),
        (&lost.into(), &"done".into()),
        "{report}"
    );
    assert_eq!(rig.digests(), before);
    let again = rig.repair(&["--from-file", capture]).report();
    assert_eq!(again["restored"], 0, "{again}");
    assert!(again["recognised"].as_u64() > Some(0), "{again}");

    rig.ask("update cdc.ledger set last_offset = null, last_digest = null");
    let said = rig.printed("repair", &["--from-file", capture]);
    assert!(said.contains("none of the capture's records is remembered any more"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_another_log_is_refused() {
    let rig = written("other-log", 1, 300).await;
    let before = rig.digests();
    let file = rig.path().join("all.jsonl");
    rig.command("capture", &["--output", file.to_str().unwrap()]).report();
    // The last record is the one by which the pipeline knows the log.
    let text = fs::read_to_string(&file).unwrap();
    let at = text.rfind("timestamp").unwrap();
    let changed = text.get(at..).unwrap().replacen("timestamp\":1", "timestamp\":2", 1);
    let other = rig.path().join("other.jsonl");
    fs::write(&other, [text.get(..at).unwrap(), &changed].concat()).unwrap();
    let (code, text) = rig.repair(&["--from-file", other.to_str().unwrap()]).failure();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("is of another log") && text.contains(&rig.topic), "{text}");
    let (code, text) = rig.repair(&["--from-file", rig.file().to_str().unwrap()]).failure();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("pipeline.toml") && text.contains("header of a capture"), "{text}");
    assert_eq!(rig.digests(), before);
}
