//! Partitions that come and go while records flow.

use cdc_engine::StopWhen;
use cdc_testkit::Fault;

use crate::rig::{Rig, eventually, partition};

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_partition_is_applied_and_released_before_it_is_given_back() {
    let rig = Rig::filled(2, 100);
    let running = rig.open(2, StopWhen::Asked).await;
    eventually("all rows arrive", || rig.warehouse.rows().len() == 100).await;
    rig.log.revoke(vec![partition(1)]);
    eventually("the partition is given back", || !rig.log.relinquished().is_empty()).await;
    assert_eq!(rig.warehouse.released(), [partition(1)]);
    for key in 100..140 {
        rig.log.append(&partition(0), Some(&format!("c {key} row")));
    }
    eventually("the other goes on", || rig.warehouse.rows().len() == 140).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(140);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_comes_back_resumes_where_the_sink_stands() {
    let rig = Rig::filled(2, 200);
    let running = rig.open(1, StopWhen::Asked).await;
    for round in 1..=5 {
        rig.log.revoke(vec![partition(1)]);
        eventually("it is given back", || rig.log.relinquished().len() == round).await;
        rig.log.assign(vec![partition(1)]);
    }
    eventually("all rows arrive", || rig.warehouse.rows().len() >= 200).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_given_back_at_once_to_an_owner_that_was_overtaken_is_read() {
    let rig = Rig::filled(1, 100);
    rig.script([Fault::Overtaken]);
    rig.warehouse.hold_applies();
    let running = rig.open(2, StopWhen::Asked).await;
    eventually("a batch is being applied", || rig.warehouse.applying() == 1).await;
    rig.log.revoke(vec![partition(0)]);
    rig.log.assign(vec![partition(0)]);
    // The other lane is idle, so this one is given up at once, after what came before it was heard.
    rig.log.revoke(vec![partition(1)]);
    eventually("all was heard", || rig.log.relinquished().contains(&partition(1))).await;
    rig.warehouse.let_applies_go();
    eventually("all rows arrive", || rig.warehouse.rows().len() == 100).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_overtaken_while_another_still_acquires_reads_what_it_has_just_acquired() {
    // Of two lanes, the first has the partitions 0 and 2.
    let rig = Rig::filled(3, 30);
    let running = rig.open(2, StopWhen::Asked).await;
    eventually("all rows arrive", || rig.warehouse.rows().len() == 30).await;
    rig.log.revoke(vec![partition(1), partition(2)]);
    eventually("they are given back", || rig.log.relinquished().len() == 2).await;

    rig.warehouse.hold_acquiring(partition(1));
    let before = rig.warehouse.acquisitions(&partition(2));
    rig.log.assign(vec![partition(1), partition(2)]);
    eventually("one is acquired", || rig.warehouse.acquisitions(&partition(2)) > before).await;
    rig.script([Fault::Overtaken]);
    let together = ["c 30 row", "c 31 row"].map(str::to_owned);
    rig.log.append_together(&partition(0), &together);
    eventually("the lane begins anew", || rig.log.rewinds() == 1).await;
    rig.warehouse.let_acquiring_go();

    rig.log.append(&partition(1), Some("c 32 row"));
    rig.log.append(&partition(2), Some("c 33 row"));
    eventually("all rows arrive", || rig.warehouse.rows().len() == 34).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(34);
}
