//! Whoever lost a partition, or doubts what happened, changes nothing.

use std::time::Duration;

use cdc_core::{Classify as _, ErrorClass, NextOffset, ResumePoint, Sink as _, Writer as _};
use cdc_postgres::{Mode, PostgresError, PostgresSink};

use crate::support::{Op, Warehouse, order, table};

fn at(position: i64) -> ResumePoint {
    ResumePoint::At(NextOffset::try_new(position).unwrap())
}

#[tokio::test]
async fn a_batch_applied_twice_changes_nothing_the_second_time() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    let ops = [Op::Insert(order(1, 100, "pending")), Op::Truncate];
    lane.write(&ops).await;
    lane.next = 100;
    let error = lane.try_write(&ops).await.unwrap_err();
    assert!(matches!(error, PostgresError::Fenced { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Indeterminate);
    let counts = "SELECT (SELECT count(*) FROM orders_fact), (SELECT count(*) FROM cdc.table_event), \
                  (SELECT next_offset FROM cdc.checkpoint)";
    assert_eq!(warehouse.sql(counts), "1|1|102");
    // The session goes on.
    assert_eq!(lane.acquire().await, at(102));
    lane.next = 102;
    lane.write(&[Op::Insert(order(2, 100, "pending"))]).await;
    assert_eq!(warehouse.sql(counts), "2|1|103");
}

#[tokio::test]
async fn a_batch_beyond_a_gap_changes_nothing() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    lane.next += 1;
    let error = lane.try_write(&[Op::Insert(order(2, 100, "pending"))]).await.unwrap_err();
    assert!(matches!(error, PostgresError::Fenced { .. }), "{error}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "1");
}

#[tokio::test]
async fn a_take_over_fences_the_writer_before() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut older = warehouse.lane(tables.clone()).await;
    older.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    let mut newer = warehouse.lane(tables).await;
    assert_eq!(newer.next, 101);
    let error = older.try_write(&[Op::Insert(order(2, 200, "older"))]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate);
    newer.write(&[Op::Insert(order(2, 200, "newer"))]).await;
    assert_eq!(warehouse.sql("SELECT string_agg(status, ',') FROM orders_fact"), "pending,newer");
    assert_eq!(warehouse.sql("SELECT epoch, owner IS NOT NULL FROM cdc.checkpoint"), "2|t");
}

#[tokio::test]
async fn release_clears_the_owner_only_where_it_still_is_ours() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut older = warehouse.lane(tables.clone()).await;
    let mut newer = warehouse.lane(tables).await;
    let owned = "SELECT owner IS NOT NULL, backend_pid IS NOT NULL, backend_start IS NOT NULL \
                   FROM cdc.checkpoint";
    let partition = older.partition.clone();
    older.writer.release(std::slice::from_ref(&partition)).await.unwrap();
    assert_eq!(warehouse.sql(owned), "t|t|t");
    newer.writer.release(std::slice::from_ref(&partition)).await.unwrap();
    assert_eq!(warehouse.sql(owned), "f|f|f");
    let error = newer.try_write(&[Op::Insert(order(1, 1, "late"))]).await.unwrap_err();
    assert!(matches!(error, PostgresError::NotAcquired { .. }), "{error}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "0");
}

#[tokio::test]
async fn a_killed_session_is_indeterminate_and_the_next_acquire_opens_another() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    let kill = "SELECT count(pg_terminate_backend(backend_pid)) FROM cdc.checkpoint";
    assert_eq!(warehouse.sql(kill), "1");
    let ops = [Op::Insert(order(2, 100, "pending"))];
    let error = lane.try_write(&ops).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    // Nothing is sent before the checkpoint has been read again.
    let error = lane.try_write(&ops).await.unwrap_err();
    assert!(matches!(error, PostgresError::NoSession { .. }), "{error}");
    assert_eq!(lane.acquire().await, at(101));
    lane.write(&ops).await;
    assert_eq!(warehouse.sql("SELECT string_agg(order_id::text, ',') FROM orders_fact"), "1,2");
}

#[tokio::test]
async fn a_session_killed_in_the_middle_of_a_batch_leaves_nothing() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    // The trigger ends the writer's own session when the second row arrives.
    warehouse.sql(
        "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
         CREATE TRIGGER die BEFORE INSERT ON orders_fact FOR EACH ROW
             WHEN (NEW.order_id = 2) EXECUTE FUNCTION public.die()",
    );
    let ops = [Op::Insert(order(1, 100, "pending")), Op::Insert(order(2, 100, "pending"))];
    let error = lane.try_write(&ops).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    assert_eq!(lane.acquire().await, ResumePoint::Beginning);
    warehouse.sql("DROP TRIGGER die ON orders_fact");
    lane.write(&ops).await;
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "2");
}

#[tokio::test]
async fn a_lock_held_by_somebody_else_is_transient() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    settings.lock_timeout = Duration::from_millis(50);
    let mut lane = crate::support::Lane::open(settings, tables).await;
    let database = warehouse.database.clone();
    let holder = tokio::task::spawn_blocking(move || {
        let sql = "BEGIN; LOCK TABLE orders_fact; SELECT pg_sleep(1); COMMIT";
        cdc_stack::postgres::Cluster::shared().psql(&database, sql).unwrap();
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'orders_fact'::regclass AND granted \
                  AND mode = 'AccessExclusiveLock'";
    while warehouse.sql(locked) == "0" {}
    let ops = [Op::Insert(order(1, 100, "pending"))];
    let error = lane.try_write(&ops).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
    holder.await.unwrap();
    lane.write(&ops).await;
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "1");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_costs_the_session() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    settings.apply_timeout = Duration::from_millis(300);
    let mut lane = crate::support::Lane::open(settings, tables).await;
    warehouse.sql(
        "CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_sleep(2); RETURN NEW; END $$;
         CREATE TRIGGER doze BEFORE INSERT ON orders_fact FOR EACH ROW EXECUTE FUNCTION public.doze()",
    );
    let error = lane.try_write(&[Op::Insert(order(1, 100, "pending"))]).await.unwrap_err();
    assert!(matches!(error, PostgresError::Silent { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Indeterminate);
    assert_eq!(lane.acquire().await, ResumePoint::Beginning);
    let rows = "SELECT count(*) FROM orders_fact";
    assert_eq!(warehouse.sql(rows), "0");
}

#[tokio::test]
async fn a_warehouse_without_state_tables_is_refused() {
    let warehouse = Warehouse::empty();
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let error = PostgresSink::new(warehouse.settings(), tables).open_lane().await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 0, .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "run `cdc-pipeline init`");
}

#[tokio::test]
async fn an_unreachable_server_is_indeterminate_and_a_missing_database_is_fatal() {
    let warehouse = Warehouse::empty();
    let mut settings = warehouse.settings();
    settings.connect_patience = Duration::from_millis(100);
    let connect = async |url: String| {
        let mut settings = settings.clone();
        settings.url = cdc_config::Secret::new(url);
        let error = PostgresSink::new(settings, Vec::new()).open_lane().await.unwrap_err();
        (error.class(), format!("{error:?}"))
    };
    let (class, text) = connect("postgres://someone:hunter2@127.0.0.1:1/nowhere".to_owned()).await;
    assert_eq!(class, ErrorClass::Indeterminate);
    assert!(!text.contains("hunter2"));
    let missing = cdc_stack::postgres::Cluster::shared().url("no_such_database");
    let (class, _) = connect(missing).await;
    assert_eq!(class, ErrorClass::Fatal(cdc_core::Halt::Environment));
    let (class, text) = connect("mysql://someone:hunter2@localhost/x".to_owned()).await;
    assert!(matches!(class, ErrorClass::Fatal(_)), "{class:?}");
    assert!(!text.contains("hunter2"));
}
