//! After partitions were added the same offsets are followed under another number.

use crate::rig::{Rig, letters};

/// A history of which a part was written before partitions were added, and a part afterwards.
async fn widened(name: &str) -> Rig {
    let mut rig = Rig::new(name, 1).await;
    let letters = letters(2_000);
    let (before, after) = letters.split_at(letters.len() / 2);
    rig.publish(before);
    rig.run_pipeline().await;
    rig.widen(3).await;
    rig.publish(after);
    rig.run_pipeline().await;
    let parts = "select count(distinct cdc_generation) || ' ' || count(distinct cdc_partition) \
                 from orders_fact";
    assert_eq!(rig.ask(parts), "2 3");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_a_topic_with_added_partitions_leaves_out_what_was_applied_before_and_says_so()
{
    let rig = widened("added").await;
    let before = rig.digests();
    let report = rig.repair(&[]).report();
    assert_eq!(report["restored"], 0, "{report}");
    let first = rig.count("select next_offset from cdc.checkpoint where generation = 0");
    assert_eq!(report["of_earlier_generations"], first, "{report}");
    assert_eq!(rig.digests(), before);

    let lost = rig.count(
        "with gone as (delete from orders_fact where cdc_offset % 7 = 3 and cdc_generation = 1 \
         returning 1) select count(*) from gone",
    );
    assert!(lost > 10, "{lost}");
    assert_eq!(rig.repair(&[]).report()["restored"], lost);
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_generation_is_repaired_by_its_number() {
    let rig = widened("earlier").await;
    let before = rig.digests();
    let lost = rig.count(
        "with gone as (delete from orders_fact where cdc_offset % 7 = 3 and cdc_generation = 0 \
         returning 1) select count(*) from gone",
    );
    assert!(lost > 10, "{lost}");
    let report = rig.repair(&["--generation", "0"]).report();
    assert_eq!(report["restored"], lost, "{report}");
    assert_eq!(rig.digests(), before);
    assert_eq!(rig.repair(&["--generation", "0"]).report()["restored"], 0);
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_read_in_the_generation_that_is_asked_for() {
    let rig = widened("captured-earlier").await;
    let before = rig.digests();
    let file = rig.path().join("all.jsonl");
    let file = file.to_str().unwrap();
    rig.command("capture", &["--output", file]).report();
    rig.count(
        "with gone as (delete from orders_fact where cdc_offset % 5 = 2 returning 1) \
         select count(*) from gone",
    );
    rig.repair(&["--from-file", file, "--generation", "0"]).report();
    rig.repair(&["--from-file", file]).report();
    assert_eq!(rig.digests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_not_rebuilt_from_before_partitions_were_added() {
    let rig = widened("rebuilt-earlier").await;
    let (code, said) = rig.command("rebuild", &[]).failure();
    assert_eq!(code, 2, "{said}");
    for words in ["cannot be rebuilt", "is followed in generation 1", "new snapshot"] {
        assert!(said.contains(words), "{said}");
    }
}
