//! Sessions that are lost at the worst moment.

use cdc_core::{Halt, NextOffset};
use cdc_engine::{Outcome, StopWhen};
use cdc_testkit::Fault;

use crate::rig::{Rig, eventually, partition};

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_applied_once_and_in_order() {
    for lanes in [1, 3] {
        let rig = Rig::filled(4, 1_000);
        let reading = rig.run_to_end(lanes).await;
        rig.assert_each_key_once(1_000);
        assert_eq!((reading.records, reading.rows, reading.dead_lettered), (1_000, 1_000, 0));
        assert_eq!(rig.warehouse.next(&partition(3)).map(NextOffset::get), Some(250));
        assert_eq!(rig.warehouse.released().len(), 4, "every partition is given up cleanly");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_not_repeated() {
    let rig = Rig::filled(2, 500);
    rig.script([Fault::LostReply]);
    rig.run_to_end(1).await;
    rig.assert_each_key_once(500);
    assert_eq!(rig.warehouse.faults_left(), 0);
    assert_eq!(rig.log.rewinds(), 0, "comparing was enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lost_before_anything_was_applied_is_repeated() {
    let rig = Rig::filled(2, 500);
    rig.script([Fault::LostBefore, Fault::Busy, Fault::LostBefore]);
    let reading = rig.run_to_end(1).await;
    rig.assert_each_key_once(500);
    assert_eq!(reading.retries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_target_is_planned_again_and_everything_goes_on() {
    let rig = Rig::filled(2, 500);
    rig.script([Fault::Outdated, Fault::Busy, Fault::None, Fault::Outdated]);
    let running = rig.open(1, StopWhen::Asked).await;
    eventually("all rows arrive", || rig.warehouse.rows().len() >= 500).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(500);
    assert!(rig.log.rewinds() > 0, "what was staged with the old plan is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_stager_knows_better_by_now_is_staged_again_where_it_stood() {
    let rig = Rig::filled(2, 500);
    rig.script([Fault::Stale, Fault::Stale, Fault::Busy, Fault::None, Fault::Stale]);
    rig.run_to_end(1).await;
    rig.assert_each_key_once(500);
    assert_eq!(rig.log.rewinds(), 0, "nothing is read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_planning_again_does_not_fit_halts() {
    let rig = Rig::filled(1, 500);
    rig.script([Fault::Outdated, Fault::Busy, Fault::Outdated]);
    let error = rig.open(1, StopWhen::Asked).await.end().await.unwrap_err();
    assert_eq!(error.halt(), Halt::Data, "{error}");
    assert!(rig.warehouse.rows().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_mix_of_faults_leaves_every_record_applied_once() {
    let kinds = [Fault::None, Fault::Busy, Fault::LostBefore, Fault::LostReply, Fault::Overtaken];
    for seed in 0..20_usize {
        let rig = Rig::filled(3, 300);
        rig.script((0..8).map(|step| kinds[(seed * 7 + step * (seed + 3)) % kinds.len()]));
        let running = rig.open(1 + seed % 3, StopWhen::Asked).await;
        eventually("all rows arrive", || rig.warehouse.rows().len() >= 300).await;
        running.stop.ask();
        running.end().await.unwrap();
        rig.assert_each_key_once(300);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_another_process_moved_is_followed() {
    let rig = Rig::filled(2, 300);
    rig.script([Fault::Overtaken]);
    let running = rig.open(1, StopWhen::Asked).await;
    eventually("all rows arrive", || rig.warehouse.rows().len() >= 300).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.assert_each_key_once(300);
    assert!(rig.log.rewinds() > 0, "what was read is void");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_writer_drops_what_it_holds_and_reads_again_from_the_sink() {
    let rig = Rig::filled(1, 100);
    let running = rig.open(1, StopWhen::Asked).await;
    eventually("the first rows arrive", || !rig.warehouse.rows().is_empty()).await;
    rig.warehouse.take_over(&[partition(0)]);
    for key in 100..200 {
        rig.log.append(&partition(0), Some(&format!("c {key} row")));
    }
    eventually("all rows arrive", || rig.warehouse.rows().len() == 200).await;
    running.stop.ask();
    assert_eq!(running.end().await.unwrap(), Outcome::Stopped);
    rig.assert_each_key_once(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_goes_on_where_the_first_was_stopped() {
    let rig = Rig::filled(2, 400);
    let running = rig.open(1, StopWhen::Asked).await;
    eventually("the first rows arrive", || !rig.warehouse.rows().is_empty()).await;
    running.stop.ask();
    running.end().await.unwrap();
    rig.log.assign((0..2).map(partition).collect());
    rig.run_to_end(1).await;
    rig.assert_each_key_once(400);
}
