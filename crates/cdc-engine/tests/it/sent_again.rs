//! Changes that their connector sends again, at new offsets.

use cdc_core::Halt;
use cdc_engine::{Outcome, PipelineError, StopWhen};
use cdc_testkit::Fault;
use proptest::prelude::*;

use crate::rig::{Rig, partition};

/// Row `lsn` of a transaction, with its position as key.
fn row(tx_id: u64, last_commit: Option<u64>, lsn: u64, text: &str) -> String {
    let last_commit = last_commit.map(|at| at.to_string()).unwrap_or_default();
    format!("@{tx_id}/{last_commit}/{lsn} c {lsn} {text}")
}

impl Rig {
    fn send(&self, rows: &[String]) {
        self.log.append_together(&partition(0), rows);
    }

    fn positions(&self) -> Vec<i64> {
        self.warehouse.rows().iter().map(|row| row.key).collect()
    }

    fn dead(&self) -> usize {
        self.warehouse.dead_letters().len()
    }
}

fn assigned() -> Rig {
    let rig = Rig::default();
    rig.log.assign(vec![partition(0)]);
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_skipped_within_a_run_and_after_it() {
    let rig = assigned();
    let rows: Vec<_> =
        (10..40).map(|lsn| row(lsn / 10, Some(lsn / 10 * 10 - 1), lsn, "row")).collect();
    rig.send(&rows);
    rig.send(&rows[10..]);
    let reading = rig.run_to_end(1).await;
    assert_eq!(rig.positions(), (10..40).collect::<Vec<_>>());
    assert_eq!(reading.skipped, 20);
    rig.log.assign(vec![partition(0)]);
    rig.send(&rows[15..]);
    rig.send(&[row(4, Some(39), 40, "row")]);
    rig.run_to_end(1).await;
    assert_eq!(rig.positions(), (10..41).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_is_asked_about_a_transaction_whose_position_does_not_tell() {
    for (opening, expected) in [(2, vec![20, 21, 30, 31]), (3, vec![20, 21, 30, 5, 6, 31])] {
        let rig = assigned();
        rig.send(&[row(2, Some(19), 20, "row"), row(2, Some(19), 21, "row")]);
        rig.send(&[row(4, Some(29), 30, "row")]);
        // A start of the connector: its first transaction does not know the last commit. Transaction
        // 2 has been sent; 3 wrote its rows before all others and has not.
        let lsn = if opening == 2 { 20 } else { 5 };
        rig.send(&[row(opening, None, lsn, "row"), row(opening, None, lsn + 1, "row")]);
        rig.send(&[row(4, Some(29), 30, "row"), row(4, Some(29), 31, "row")]);
        rig.run_to_end(1).await;
        assert_eq!(rig.positions(), expected);
        assert_eq!(rig.dead(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_became_a_dead_letter_is_known_when_it_is_sent_again() {
    for text in ["poison", "curse"] {
        let rig = assigned();
        let mut rows: Vec<_> = (10..30).map(|lsn| row(1, Some(9), lsn, "row")).collect();
        rows[7] = row(1, Some(9), 17, text);
        rig.send(&rows);
        rig.send(&rows);
        rig.run_to_end(1).await;
        let expected: Vec<_> = (10..30).filter(|lsn| *lsn != 17).collect();
        assert_eq!((rig.positions(), rig.dead()), (expected, 1), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_a_source_that_goes_back_in_its_log_and_on_in_time_halts_the_pipeline() {
    let rig = assigned();
    rig.send(&[row(5, Some(99), 100, "row")]);
    // Transactions commit in the millisecond of their number.
    rig.send(&[row(90_000, Some(49), 50, "row")]);
    let running = rig.open(1, StopWhen::CaughtUp).await;
    let error = running.end().await.unwrap_err();
    assert!(matches!(error, PipelineError::SourceRestored { .. }), "{error}");
    assert_eq!(error.halt(), Halt::Data);
    assert!(error.hint().is_some_and(|hint| hint.starts_with("find out")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_place_in_their_source_are_never_taken_for_known() {
    let rig = assigned();
    let rows: Vec<_> = (0..5).map(|key| format!("c {key} row")).collect();
    rig.send(&rows);
    rig.send(&rows);
    rig.run_to_end(1).await;
    assert_eq!(rig.positions().len(), 10);
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Busy),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::LostReply),
    ];
    prop::collection::vec(fault, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Transactions are sent, again from anywhere, through restarts, faults and refused rows: each row
    /// is written once, or one dead letter.
    #[test]
    fn each_change_has_its_effect_once(
        transactions in prop::collection::vec(1_u64..8, 2..8),
        sendings in prop::collection::vec((0_usize..8, any::<bool>()), 1..5),
        bad in prop::collection::vec(0_u64..40, 0..3),
        faults in faults(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let rig = Rig::default();
        rig.script(faults);
        let mut all = Vec::new();
        let mut lsn = 100;
        for (place, rows) in transactions.iter().enumerate() {
            let (first, tx_id) = (lsn, u64::try_from(place).unwrap() + 1);
            let text = |step| if bad.contains(&(lsn + step - 100)) { "poison" } else { "row" };
            let rows: Vec<_> =
                (0..*rows).map(|step| row(tx_id, Some(first - 1), lsn + step, text(step))).collect();
            lsn += u64::try_from(rows.len()).unwrap() + 10;
            all.push(rows);
        }
        let mut first = 0;
        let mut expected = None;
        for (start, stops) in sendings {
            first += start % (all.len() - first);
            expected.get_or_insert(all[first..].concat());
            for rows in &all[first..] {
                rig.send(rows);
            }
            if stops {
                rig.log.assign(vec![partition(0)]);
                runtime.block_on(async {
                    let running = rig.open(1, StopWhen::CaughtUp).await;
                    assert_eq!(running.end().await.unwrap(), Outcome::CaughtUp);
                });
            }
        }
        rig.log.assign(vec![partition(0)]);
        runtime.block_on(async {
            let running = rig.open(1, StopWhen::CaughtUp).await;
            assert_eq!(running.end().await.unwrap(), Outcome::CaughtUp);
        });
        let is_good = |row: &&String| row.ends_with(" row");
        let expected = expected.unwrap_or_default();
        let good: Vec<i64> = expected
            .iter()
            .filter(is_good)
            .map(|row| row.split(' ').nth(2).unwrap().parse().unwrap())
            .collect();
        prop_assert_eq!(rig.positions(), good.clone(), "each once, in order");
        prop_assert_eq!(rig.dead(), expected.len() - good.len());
    }
}
