//! Whoever lost a partition, or doubts what happened, changes nothing.

use std::time::{Duration, Instant};

use cdc_config::Secret;
use cdc_core::{
    Classify as _, ErrorClass, Halt, NextOffset, Partition, ResumePoint, Sink as _, Writer as _,
    with_causes,
};
use cdc_postgres::{Mode, PostgresError, PostgresSink};
use cdc_stack::postgres::Cluster;

use crate::mirror::HARD;
use crate::support::{Frozen, Lane, Op, Warehouse, order, table};

/// The owner of the only partition.
const OWNER: &str = "SELECT owner FROM cdc.checkpoint";

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
    let mut late = older.writer.second().await.unwrap().expect("a second writer");
    late.release(std::slice::from_ref(&partition)).await.unwrap();
    assert_eq!(warehouse.sql(owned), "t|t|t");
    newer.writer.release(std::slice::from_ref(&partition)).await.unwrap();
    assert_eq!(warehouse.sql(owned), "f|f|f");
    let error = newer.try_write(&[Op::Insert(order(1, 1, "late"))]).await.unwrap_err();
    assert!(matches!(error, PostgresError::NotAcquired { .. }), "{error}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "0");
}

#[tokio::test]
async fn f58_a_killed_session_is_indeterminate_and_the_next_acquire_opens_another() {
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
async fn f58_a_session_killed_in_the_middle_of_a_batch_leaves_nothing() {
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
async fn f56_a_lock_held_by_somebody_else_is_transient() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    settings.lock_timeout = Duration::from_millis(50);
    let mut lane = Lane::open(settings, tables).await;
    let database = warehouse.database.clone();
    let holder = tokio::task::spawn_blocking(move || {
        let sql = "BEGIN; LOCK TABLE orders_fact; SELECT pg_sleep(1); COMMIT";
        Cluster::shared().psql(&database, sql).unwrap();
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
async fn f09_f68_a_server_that_does_not_answer_in_time_costs_the_session() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    settings.apply_timeout = Duration::from_millis(300);
    let mut lane = Lane::open(settings, tables).await;
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
async fn a_lane_is_opened_although_the_first_session_is_never_answered() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    // The first statement that writes to the table is answered when nobody waits for it any more.
    warehouse.sql(
        "CREATE SEQUENCE public.dozed;
         GRANT ALL ON SEQUENCE public.dozed TO public;
         CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('public.dozed') = 1 THEN PERFORM pg_sleep(30); END IF; RETURN NULL; END $$;
         CREATE TRIGGER doze BEFORE INSERT ON cdc.pipeline_table FOR EACH STATEMENT
             EXECUTE FUNCTION public.doze()",
    );
    let mut settings = warehouse.settings();
    settings.apply_timeout = Duration::from_millis(300);
    let opened = tokio::time::timeout(Duration::from_secs(15), Lane::open(settings, tables));
    let mut lane = opened.await.expect("the lane waits for the session that is not answered");
    assert_eq!(warehouse.sql("SELECT last_value > 1 FROM public.dozed"), "t", "nothing dozed");
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "1");
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
        settings.url = Secret::new(url);
        let error = PostgresSink::new(settings, Vec::new()).open_lane().await.unwrap_err();
        (error.class(), format!("{error:?}"))
    };
    let (class, text) = connect("postgres://someone:hunter2@127.0.0.1:1/nowhere".to_owned()).await;
    assert_eq!(class, ErrorClass::Indeterminate);
    assert!(!text.contains("hunter2"));
    let missing = Cluster::shared().url("no_such_database");
    let (class, _) = connect(missing).await;
    assert_eq!(class, ErrorClass::Fatal(Halt::Environment));
    let (class, text) = connect("mysql://someone:hunter2@localhost/x".to_owned()).await;
    assert!(matches!(class, ErrorClass::Fatal(_)), "{class:?}");
    assert!(!text.contains("hunter2"));
}

/// As many changes of the same keys as the frozen session sends.
fn same_keys(status: &str) -> Vec<Op> {
    (1..=Frozen::KEYS).map(|id| Op::Insert(order(id, 100, status))).collect()
}

#[tokio::test]
async fn f69_a_session_frozen_inside_copy_is_taken_over_from_within_a_second_twenty_times_in_a_row()
{
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut owner = warehouse.lane(tables.clone()).await;
    for round in 0..20 {
        owner.writer.release(std::slice::from_ref(&owner.partition)).await.unwrap();
        warehouse.sql("DELETE FROM orders_current");
        let mut former = warehouse.lane(tables.clone()).await;
        former.write(&[Op::Insert(order(0, 100, "planned"))]).await;
        let frozen = Frozen::inside_copy(&warehouse, &warehouse.sql(OWNER)).await;
        let began = Instant::now();
        owner = warehouse.lane(tables.clone()).await;
        let status = format!("round {round}");
        assert_eq!(owner.write(&same_keys(&status)).await, []);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "round {round} took {took:?}");
        // Whatever wakes up now finds its sessions ended, and nothing of it is there.
        frozen.finish().await.unwrap_err();
        let error = former.try_write(&same_keys("former")).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
        let statuses =
            "SELECT status, count(*) FROM orders_current WHERE order_id > 0 GROUP BY status";
        assert_eq!(warehouse.sql(statuses), format!("{status}|{}", Frozen::KEYS));
    }
}

#[tokio::test]
async fn f10_f24_a_former_owner_with_a_living_session_changes_nothing_and_is_told_who_came() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut former = warehouse.lane(tables.clone()).await;
    former.write(&[Op::Insert(order(1, 100, "former"))]).await;
    let batch = former.staged(&[Op::Insert(order(2, 100, "zombie"))]).await;
    let mut owner = warehouse.lane(tables).await;
    // It wakes up and opens a session: that one nobody has ended.
    let mut late = former.writer.second().await.unwrap().expect("a second writer");
    late.prepare(&batch).await.unwrap();
    let error = late.apply(&batch).await.unwrap_err();
    assert!(matches!(error, PostgresError::Fenced { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Indeterminate);
    let said = with_causes(&error);
    let expected = format!("shop.public.orders/0/3 was taken over by \"{}\"", warehouse.sql(OWNER));
    assert!(said.contains(&expected), "{said}");
    owner.write(&[Op::Insert(order(2, 100, "owner"))]).await;
    assert_eq!(warehouse.sql("SELECT string_agg(status, ',') FROM orders_fact"), "former,owner");
    assert_eq!(warehouse.sql("SELECT sum(read), max(until_offset) FROM cdc.ledger"), "2|102");
}

#[tokio::test]
async fn handing_over_one_of_two_partitions_ends_nobodys_session() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut first = warehouse.lane(tables.clone()).await;
    let other = Partition::new("shop.public.orders", 0, 4).unwrap();
    first.writer.acquire(std::slice::from_ref(&other)).await.unwrap();
    let mut second = first.writer.second().await.unwrap().expect("a second writer");
    let prepared = first.staged(&[Op::Insert(order(1, 100, "kept"))]).await;
    second.prepare(&prepared).await.unwrap();
    first.writer.release(std::slice::from_ref(&other)).await.unwrap();
    let mut heir = warehouse.lane_of(tables, other.clone()).await;
    heir.write(&[Op::Insert(order(2, 100, "handed over"))]).await;
    second.apply(&prepared).await.unwrap();
    first.write(&[Op::Insert(order(3, 100, "kept"))]).await;
    assert_eq!(
        warehouse.sql("SELECT order_id, cdc_partition FROM orders_fact ORDER BY order_id"),
        "1|3\n2|4\n3|3"
    );
}

#[tokio::test]
async fn acquiring_again_ends_what_the_lane_has_lost_and_spares_its_other_session() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(0, 100, "first"))]).await;
    let mut second = lane.writer.second().await.unwrap().expect("a second writer");
    // What the lane believes to be lost lives on at the server, with its locks.
    let lost = Frozen::inside_copy(&warehouse, &warehouse.sql(OWNER)).await;
    warehouse.sql("SELECT pg_terminate_backend(backend_pid) FROM cdc.checkpoint");
    let error = lane.try_write(&same_keys("again")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    assert_eq!(lane.acquire().await, at(101));
    lost.finish().await.unwrap_err();
    let batch = lane.staged(&same_keys("again")).await;
    second.apply(&batch).await.unwrap();
    let statuses = "SELECT status, count(*) FROM orders_current GROUP BY status ORDER BY status";
    assert_eq!(warehouse.sql(statuses), format!("again|{}\nfirst|1", Frozen::KEYS));
}

#[tokio::test]
async fn a_foreign_roles_session_that_may_not_be_ended_is_named_with_the_way_out() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let lane = warehouse.lane(tables.clone()).await;
    let frozen = Frozen::inside_copy(&warehouse, &warehouse.sql(OWNER)).await;
    let role = format!("successor_{}", warehouse.database);
    warehouse.sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA cdc TO {role};
         GRANT ALL ON ALL TABLES IN SCHEMA cdc TO {role}"
    ));
    let mut settings = warehouse.settings();
    settings.url = Secret::new(Cluster::shared().url_for(&role, &warehouse.database));
    let (_stager, mut writer) = PostgresSink::new(settings, tables).open_lane().await.unwrap();
    let acquired = writer.acquire(std::slice::from_ref(&lane.partition)).await;
    let error = acquired.unwrap_err();
    assert!(matches!(error, PostgresError::ForeignSession { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment));
    let hint = error.hint().unwrap();
    assert!(hint.contains("SELECT pg_terminate_backend("), "{hint}");
    assert_eq!(warehouse.sql("SELECT epoch FROM cdc.checkpoint"), "1", "nothing was taken over");
    drop(frozen);
}

#[tokio::test]
async fn only_sessions_named_like_an_owner_are_ended() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables.clone()).await;
    warehouse.sql("UPDATE cdc.checkpoint SET owner = 'somebody'");
    let bystander = Frozen::inside_copy(&warehouse, "somebody").await;
    let mut newer = warehouse.lane(tables).await;
    newer.write(&[Op::Insert(order(1, 100, "newer"))]).await;
    bystander.finish().await.unwrap();
    lane.try_write(&[Op::Insert(order(1, 100, "older"))]).await.unwrap_err();
}

#[tokio::test]
async fn a_row_lock_on_the_checkpoint_is_waited_for_again_and_again() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    warehouse.lane(tables.clone()).await.write(&[Op::Insert(order(1, 100, "a"))]).await;
    let database = warehouse.database.clone();
    let holder = tokio::task::spawn_blocking(move || {
        let sql = "BEGIN; SELECT FROM cdc.checkpoint FOR UPDATE; SELECT pg_sleep(1); COMMIT";
        Cluster::shared().psql(&database, sql).unwrap();
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'cdc.checkpoint'::regclass \
                  AND granted AND mode = 'RowShareLock' AND pid <> pg_backend_pid()";
    while warehouse.sql(locked) == "0" {}
    let mut impatient = warehouse.settings();
    impatient.lock_timeout = Duration::from_millis(50);
    let (_stager, mut writer) =
        PostgresSink::new(impatient, tables.clone()).open_lane().await.unwrap();
    let partition = Partition::new("shop.public.orders", 0, 3).unwrap();
    let error = writer.acquire(std::slice::from_ref(&partition)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
    let patient: Lane = warehouse.lane(tables).await;
    assert_eq!(patient.next, 101);
    holder.await.unwrap();
}
