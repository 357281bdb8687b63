//! A log that was replaced while nobody read it, and one that was replaced while it was read; and a source
//! that finds its way back by places.

use cdc_core::Halt;
use cdc_engine::{PipelineError, StopWhen};
use cdc_testkit::Fault;

use crate::rig::{Rig, partition};

fn append(rig: &Rig, keys: std::ops::Range<i64>) {
    for key in keys {
        rig.log.append(&partition(0), Some(&format!("c {key} row")));
    }
}

fn assert_replaced(error: &PipelineError) {
    let PipelineError::Source { source, halt, .. } = error else { panic!("{error}") };
    assert_eq!(*halt, Halt::Data);
    assert!(source.to_string().contains("was replaced"), "{source}");
}

#[tokio::test]
async fn f30_a_log_that_was_replaced_and_has_grown_past_the_checkpoint_halts() {
    let rig = Rig::filled(1, 30);
    rig.run_to_end(1).await;
    rig.log.create_again(&partition(0));
    append(&rig, 100..200);
    rig.log.assign(vec![partition(0)]);
    let error = rig.open(1, StopWhen::CaughtUp).await.end().await.unwrap_err();
    assert_replaced(&error);
    rig.assert_each_key_once(30);
}

#[tokio::test]
async fn a_rewind_into_a_log_that_was_replaced_halts() {
    let rig = Rig::filled(1, 30);
    rig.run_to_end(1).await;
    rig.log.assign(vec![partition(0)]);
    rig.warehouse.hold_applies();
    rig.script([Fault::Overtaken]);
    append(&rig, 30..40);
    let running = rig.open(1, StopWhen::Asked).await;
    crate::rig::eventually("a batch on its way", || rig.warehouse.applying() > 0).await;
    rig.log.create_again(&partition(0));
    append(&rig, 100..200);
    rig.warehouse.let_applies_go();
    assert_replaced(&running.end().await.unwrap_err());
}

#[tokio::test]
async fn a_source_that_goes_by_places_is_told_them_after_a_start_and_after_a_rewind() {
    let rig = Rig { by_places: true, ..Rig::filled(2, 30) };
    rig.run_to_end(1).await;
    let both = vec![partition(0), partition(1)];
    rig.log.assign(both.clone());
    append(&rig, 30..40);
    rig.script([Fault::LostBefore, Fault::Outdated, Fault::None, Fault::LostReply]);
    let running = rig.open(1, StopWhen::Asked).await;
    crate::rig::eventually("all rows arrive", || rig.warehouse.rows().len() >= 40).await;
    running.stop.ask();
    running.end().await.unwrap();
    assert!(rig.log.rewinds() > 0);
    rig.log.assign(both);
    append(&rig, 40..50);
    rig.run_to_end(1).await;
    rig.assert_each_key_once(50);
}

#[tokio::test]
async fn a_source_that_goes_by_places_halts_where_none_was_kept() {
    let rig = Rig::filled(1, 30);
    rig.run_to_end(1).await;
    rig.log.assign(vec![partition(0)]);
    let rig = Rig { by_places: true, ..rig };
    let error = rig.open(1, StopWhen::CaughtUp).await.end().await.unwrap_err();
    let PipelineError::Source { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("the place before it is None"), "{source}");
}
