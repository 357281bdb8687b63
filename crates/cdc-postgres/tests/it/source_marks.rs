//! How far a connector has sent moves with the batch that says so, and with nothing else.

use std::collections::BTreeMap;

use cdc_core::{
    ChangeIdentity, Classify as _, ErrorClass, Found, Keyed, Partition, SentChange, SourceMarks,
    SourcePosition, TableId, Writer as _,
};
use cdc_postgres::{Deletes, Mode, PostgresError, Truncates, accept_source};

use crate::support::{Lane, Op, Warehouse, order, table};

fn position(tx_id: i64, lsn: u64) -> SourcePosition {
    SourcePosition { lsn, tx_id, committed_at_ms: 1, last_commit: Some(lsn - 1) }
}

fn marks(lsn: u64) -> SourceMarks {
    let change =
        SentChange { at: position(7, lsn), identity: ChangeIdentity::new(3), keyed: Keyed::Yes };
    let mut marks = SourceMarks::default();
    marks.see("it's", "db", &change);
    marks
}

/// Writes one row with a batch that ends at these marks.
async fn write(lane: &mut Lane, lsn: u64) -> Result<(), PostgresError> {
    let ops = [Op::Insert(order(1, 100, "pending"))];
    let records = std::sync::Arc::new(lane.records(&ops));
    lane.next += 1;
    let batch = lane.stage(&ops, &records, &[]).await;
    let marks = BTreeMap::from([(lane.partition.clone(), marks(lsn))]);
    lane.writer.apply(&batch.with_marks(marks)).await
}

async fn kept(lane: &mut Lane) -> Option<SourceMarks> {
    let partition = lane.partition.clone();
    lane.writer.marks(&[partition]).await.unwrap().pop().map(|(_, marks)| marks)
}

#[tokio::test]
async fn marks_are_kept_with_their_batch_and_given_back_to_whoever_acquires() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut older = warehouse.lane(tables.clone()).await;
    assert_eq!(kept(&mut older).await, None);
    write(&mut older, 20).await.unwrap();
    let mut newer = warehouse.lane(tables).await;
    assert_eq!(kept(&mut newer).await, Some(marks(20)));
    // Who lost the partition moves nothing.
    let error = write(&mut older, 30).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "its session was ended: {error}");
    assert_eq!(kept(&mut newer).await, Some(marks(20)));
    newer.write(&[Op::Insert(order(2, 100, "pending"))]).await;
    assert_eq!(kept(&mut newer).await, Some(marks(20)), "a batch without marks leaves them");
}

#[tokio::test]
async fn a_history_tells_whether_it_has_rows_of_a_transaction() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    let stored = warehouse.sql("SELECT source_tx_id, source_lsn - '0/0' FROM orders_fact");
    let (tx_id, lsn) = stored.split_once('|').unwrap();
    let (tx_id, lsn) = (tx_id.parse().unwrap(), lsn.parse::<u64>().unwrap());
    for (from, expected) in [
        (position(tx_id, lsn), Found::Present),
        (position(tx_id, lsn - 5), Found::Present),
        // A number that was used before, long ago.
        (position(tx_id, lsn + 5), Found::Absent),
        (position(tx_id + 1, lsn), Found::Absent),
    ] {
        let found = lane.writer.find(TableId::new(0), &lane.partition, from).await.unwrap();
        assert_eq!(found, Some(expected), "{from:?}");
    }
    let elsewhere = Partition::new(lane.partition.topic().as_str(), 0, 9).unwrap();
    let found = lane.writer.find(TableId::new(0), &elsewhere, position(tx_id, lsn)).await.unwrap();
    assert_eq!(found, Some(Found::Absent), "another partition has not been followed so far");
    warehouse.sql("ALTER TABLE orders_fact DROP COLUMN source_tx_id CASCADE");
    let error =
        lane.writer.find(TableId::new(0), &lane.partition, position(tx_id, lsn)).await.unwrap_err();
    assert!(error.hint().unwrap().contains("ADD COLUMN source_tx_id"), "{error}");
}

#[tokio::test]
async fn a_mirror_does_not_tell() {
    let mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
    let tables = vec![table(0, "orders_current", mode)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    assert_eq!(
        lane.writer.find(TableId::new(0), &lane.partition, position(1, 10)).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn accepting_a_source_forgets_how_far_it_was_followed_and_says_why() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let settings = warehouse.settings();
    assert_eq!(accept_source(&settings, "nothing yet").await.unwrap(), 0);
    let mut lane = warehouse.lane(tables).await;
    write(&mut lane, 20).await.unwrap();
    assert_eq!(accept_source(&settings, "restored it's backup").await.unwrap(), 1);
    assert_eq!(kept(&mut lane).await, None);
    let decided = "SELECT kind, reason, state -> 0 -> 'source_marks' -> 'marks' -> 0 ->> 'lsn', \
                   (SELECT next_offset FROM cdc.checkpoint) FROM cdc.decision";
    assert_eq!(warehouse.sql(decided), "source_accepted|restored it's backup|20|101");
    assert_eq!(accept_source(&settings, "again").await.unwrap(), 0);
}
