//! A shadow takes the place of its live table at one position of the log, or not at all.

use std::time::{Duration, Instant};

use cdc_config::Secret;
use cdc_core::{Classify as _, ErrorClass, Halt, NextOffset, Partition};
use cdc_postgres::{
    Mode, PipelineName, PostgresError, PostgresSettings, Shadow, TableSettings, TargetName,
};
use cdc_stack::postgres::Cluster;

use crate::mirror::{HARD, SOFT};
use crate::support::{Lane, Op, Warehouse, order, table};

const ROWS: &str =
    "SELECT order_id, amount, status, seen IS NOT NULL, note FROM orders_current ORDER BY order_id";

fn at(raw: i64) -> NextOffset {
    NextOffset::try_new(raw).unwrap()
}

fn partition() -> Partition {
    Partition::new("shop.public.orders", 0, 3).unwrap()
}

/// A mirror with a column that the server fills, and one with a constant default.
async fn written(mode: Mode) -> (Warehouse, TableSettings, Lane) {
    let settings = table(0, "orders_current", mode);
    let warehouse = Warehouse::initialised(std::slice::from_ref(&settings)).await;
    warehouse.sql(
        "ALTER TABLE orders_current ADD seen timestamptz NOT NULL DEFAULT clock_timestamp(), \
         ADD note text DEFAULT 'none (yet)', ADD cdc_deleted boolean NOT NULL DEFAULT false",
    );
    let mut lane = warehouse.lane(vec![settings.clone()]).await;
    lane.write(&ops()).await;
    (warehouse, settings, lane)
}

fn ops() -> Vec<Op> {
    vec![
        Op::Insert(order(1, 100, "pending")),
        Op::Insert(order(2, 200, "pending")),
        Op::Insert(order(3, 300, "pending")),
        Op::Delete(order(2, 200, "pending")),
    ]
}

/// A shadow that is to be read from where the lane began.
async fn begun(warehouse: &Warehouse, live: &TableSettings) -> Shadow {
    let mut shadow = Shadow::open(&warehouse.settings(), live).await.unwrap();
    assert!(!shadow.is_begun("100").await.unwrap());
    shadow.begin("100", &[(partition(), at(100))]).await.unwrap();
    assert!(shadow.is_begun("100").await.unwrap());
    shadow
}

/// Reads the same changes into a shadow, as its run.
async fn read(warehouse: &Warehouse, live: &TableSettings, ops: &[Op]) {
    read_with(warehouse, warehouse.settings(), live, ops).await;
}

/// The same, with settings of its own.
async fn read_with(
    warehouse: &Warehouse,
    settings: PostgresSettings,
    live: &TableSettings,
    ops: &[Op],
) {
    let run = warehouse
        .sql("SELECT DISTINCT pipeline FROM cdc.checkpoint WHERE pipeline LIKE '% rebuild %'");
    let pipeline = PipelineName::parse(&run).unwrap();
    let settings = PostgresSettings { pipeline, ..settings };
    let target = TargetName::parse("orders_current_shadow").unwrap();
    let mut lane = Lane::open(settings, vec![TableSettings { target, ..live.clone() }]).await;
    lane.write(ops).await;
}

#[track_caller]
fn refused(error: &PostgresError, words: &[&str]) {
    let text = format!("{error} {}", error.hint().unwrap_or_default());
    for word in words {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[tokio::test]
async fn a_shadow_that_is_behind_is_neither_compared_nor_exchanged() {
    let (warehouse, live, _lane) = written(HARD).await;
    let before = warehouse.sql(ROWS);
    let mut shadow = begun(&warehouse, &live).await;
    read(&warehouse, &live, &ops()[..2]).await;
    let words = ["shop.public.orders/0/3 up to 102", "stands at 104", "nothing was changed"];
    let halted = shadow.halt().await.unwrap();
    assert_eq!((halted.reach()[0].reached, halted.reach()[0].applied), (at(102), at(104)));
    refused(&halted.compare(5, Instant::now()).await.unwrap_err(), &words);
    let halted = shadow.halt().await.unwrap();
    refused(&halted.exchange(0).await.unwrap_err(), &words);
    assert_eq!(warehouse.sql(ROWS), before);
    assert_eq!(shadow.reach().await.unwrap()[0].behind(), 2, "the shadow is still there");
}

#[tokio::test]
async fn writers_wait_while_they_are_halted_and_readers_do_not() {
    let (warehouse, live, mut lane) = written(HARD).await;
    let mut shadow = begun(&warehouse, &live).await;
    let halted = shadow.halt().await.unwrap();
    let writing = tokio::spawn(async move {
        lane.write(&[Op::Insert(order(4, 400, "pending"))]).await;
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!writing.is_finished());
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_current"), "2", "readers go on");
    drop(halted);
    writing.await.unwrap();
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_current"), "3");
}

#[tokio::test]
async fn what_the_server_fills_stays_with_rows_that_are_right_and_is_given_to_those_that_come() {
    for mode in [HARD, SOFT] {
        let (warehouse, live, mut lane) = written(mode).await;
        let before = warehouse.sql(ROWS);
        let seen = warehouse.sql("SELECT seen FROM orders_current WHERE order_id = 3");
        let mut shadow = begun(&warehouse, &live).await;
        read(&warehouse, &live, &ops()).await;
        warehouse.sql("DELETE FROM orders_current WHERE order_id = 1");
        warehouse.sql("UPDATE orders_current SET status = 'wrong' WHERE order_id = 3");
        let diff = shadow.halt().await.unwrap().compare(5, Instant::now()).await.unwrap();
        let counts = (diff.only_live, diff.only_shadow, diff.differing, diff.doubled);
        assert_eq!(counts, (0, 1, 1, 0), "{diff:?}");
        assert_eq!(diff.columns, [("status".to_owned(), 1)]);
        assert_eq!(diff.left_out, ["seen"]);
        let done = shadow.halt().await.unwrap().exchange(0).await.unwrap();
        assert_eq!((done.removed, done.changed, done.added, done.letters), (0, 1, 1, 0));
        assert_eq!(warehouse.sql(ROWS), before);
        assert_eq!(warehouse.sql("SELECT seen FROM orders_current WHERE order_id = 3"), seen);
        lane.write(&[Op::Update(None, order(3, 333, "shipped"))]).await;
        assert_eq!(warehouse.sql("SELECT amount FROM orders_current WHERE order_id = 3"), "3.33");
    }
}

#[tokio::test]
async fn rows_that_were_there_before_the_pipeline_are_left_alone() {
    let (warehouse, live, _lane) = written(HARD).await;
    warehouse.sql(
        "ALTER TABLE orders_current ALTER cdc_offset DROP NOT NULL, ALTER cdc_generation DROP NOT NULL;
         INSERT INTO orders_current (order_id, customer_id) VALUES (99, 1)",
    );
    let before = warehouse.sql(ROWS);
    let mut shadow = begun(&warehouse, &live).await;
    read(&warehouse, &live, &ops()).await;
    let done = shadow.halt().await.unwrap().exchange(0).await.unwrap();
    assert_eq!((done.removed, done.changed, done.added), (0, 0, 0));
    assert_eq!(warehouse.sql(ROWS), before);
}

#[tokio::test]
async fn a_shadow_that_somebody_dropped_by_hand_is_begun_again() {
    let (warehouse, live, _lane) = written(HARD).await;
    let before = warehouse.sql(ROWS);
    drop(begun(&warehouse, &live).await);
    read(&warehouse, &live, &ops()).await;
    warehouse.sql("DROP TABLE orders_current_shadow");
    let mut shadow = begun(&warehouse, &live).await;
    assert_eq!(shadow.reach().await.unwrap()[0].reached, at(100), "nothing is taken for read");
    read(&warehouse, &live, &ops()).await;
    shadow.halt().await.unwrap().exchange(0).await.unwrap();
    assert_eq!(warehouse.sql(ROWS), before);
}

#[tokio::test]
async fn beginnings_from_which_a_table_would_not_come_out_whole_are_refused() {
    let (warehouse, live, mut lane) = written(HARD).await;
    let other = Partition::new("shop.public.orders", 0, 1).unwrap();
    let later = Partition::new("shop.public.orders", 1, 3).unwrap();
    let mut shadow = Shadow::open(&warehouse.settings(), &live).await.unwrap();
    for (starts, words) in [
        (vec![(other, at(0))], ["orders/0/3 would be left out", "up to 104", "every partition"]),
        (vec![(partition(), at(105))], ["read from 105", "up to 104 only", "begin at 104"]),
        (vec![(later, at(0))], ["generation 1", "cannot be rebuilt", "start over"]),
    ] {
        refused(&shadow.begin("x", &starts).await.unwrap_err(), &words);
    }
    shadow.begin("100", &[(partition(), at(100))]).await.unwrap();
    let error = shadow.is_begun("beginning").await.unwrap_err();
    refused(&error, &["begun with --from 100", "cdc-replayer discard"]);
    refused(
        &Shadow::open(&warehouse.settings(), &live).await.unwrap_err(),
        &["another process is at work on the shadow of public.orders_current"],
    );
    // Without any row it is hardly what somebody wanted.
    let truncated = "DELETE FROM orders_current_shadow; UPDATE cdc.checkpoint SET next_offset = 104 \
                     WHERE pipeline LIKE '% rebuild %'";
    warehouse.sql(truncated);
    let error = shadow.halt().await.unwrap().exchange(0).await.unwrap_err();
    refused(&error, &["orders_current_shadow is empty", "TRUNCATE"]);
    warehouse.sql("ALTER TABLE orders_current ADD more int");
    refused(&shadow.halt().await.unwrap_err(), &["have changed", ": more"]);
    shadow.discard().await.unwrap();
    lane.write(&[Op::Insert(order(4, 400, "pending"))]).await;
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.checkpoint"), "1");
}

#[tokio::test]
async fn every_right_that_a_rebuild_lacks_is_named_before_it_begins_and_comes_with_its_grant() {
    let (warehouse, live, lane) = written(HARD).await;
    drop(lane);
    let (role, database) = (format!("rebuilder_{}", warehouse.database), &warehouse.database);
    warehouse.sql(&format!(
        "ALTER TABLE orders_current ADD number bigserial;
         CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA cdc TO {role}; GRANT SELECT ON cdc.schema_version TO {role}"
    ));
    let mut settings = warehouse.settings();
    settings.url = Secret::new(Cluster::shared().url_for(&role, database));
    let mut shadow = Shadow::open(&settings, &live).await.unwrap();
    let error = shadow.require_rights().await.unwrap_err();
    let words = [
        "may not create public.orders_current_shadow",
        "may not DELETE on public.orders_current",
        "may not DELETE on cdc.checkpoint",
        "temporary tables",
        "may not take numbers from public.orders_current_number_seq",
        "GRANT USAGE, CREATE ON SCHEMA public",
    ];
    refused(&error, &words);
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment), "{error}");
    error.hint().unwrap().lines().for_each(|grant| drop(warehouse.sql(grant)));
    shadow.require_rights().await.unwrap();
    // They are all that is needed, up to the end.
    assert!(!shadow.is_begun("100").await.unwrap());
    shadow.begin("100", &[(partition(), at(100))]).await.unwrap();
    read_with(&warehouse, settings.clone(), &live, &ops()).await;
    warehouse.sql("DELETE FROM orders_current WHERE order_id = 1");
    warehouse.sql("UPDATE orders_current SET status = 'wrong' WHERE order_id = 3");
    shadow.analyze().await.unwrap();
    let done = shadow.halt().await.unwrap().exchange(0).await.unwrap();
    assert_eq!((done.removed, done.changed, done.added), (0, 1, 1));
    drop(shadow);

    drop(begun(&warehouse, &live).await);
    let mut shadow = Shadow::open(&settings, &live).await.unwrap();
    let error = shadow.require_rights().await.unwrap_err();
    refused(&error, &["public.orders_current_shadow belongs to postgres", "GRANT postgres TO"]);
}
