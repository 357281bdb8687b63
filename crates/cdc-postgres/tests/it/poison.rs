//! A row that the server refuses is named, and its neighbours are written.

use std::sync::Arc;

use cdc_core::{Classify as _, DeadLetter, ErrorClass, Halt, Poison};
use cdc_postgres::{Mode, PostgresError, TableSettings};

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, order, table};

async fn targets() -> (Warehouse, [Vec<TableSettings>; 2]) {
    let tables =
        [vec![table(0, "orders_fact", Mode::History)], vec![table(0, "orders_current", HARD)]];
    let warehouse = Warehouse::initialised(&tables.concat()).await;
    (warehouse, tables)
}

/// Seven good rows around the bad one.
fn around(bad: Op) -> Vec<Op> {
    let good = |id| Op::Update(None, order(id, 100, "good"));
    vec![good(1), good(2), good(3), bad, good(5), good(6), good(7)]
}

fn letter(error: &PostgresError) -> DeadLetter {
    let class = error.class();
    let ErrorClass::Poison(Poison::Record(letter)) = class else { panic!("{class:?}: {error}") };
    *letter
}

/// Writes a bad row among good ones and gives what became of it.
async fn refused(lane: &mut Lane, bad: Op) -> DeadLetter {
    let ops = around(bad);
    let error = lane.try_write(&ops).await.unwrap_err();
    let found = letter(&error);
    assert_eq!(found.at.record, 3, "{found:?}");
    let letters = lane.write(&ops).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0], found);
    letters.into_iter().next().unwrap()
}

async fn refused_everywhere(ddl: &str, bad: Op) -> Vec<DeadLetter> {
    let (warehouse, tables) = targets().await;
    let mut found = Vec::new();
    for tables in tables {
        let target = tables[0].target.to_string();
        warehouse.sql(&ddl.replace("TARGET", &target));
        warehouse.sql("DELETE FROM cdc.checkpoint");
        let mut lane = warehouse.lane(tables).await;
        found.push(refused(&mut lane, bad.clone()).await);
        let rows = warehouse.sql(&format!("SELECT count(*), min(status) FROM {target}"));
        assert_eq!(rows, "6|good");
        warehouse.sql("DELETE FROM cdc.dead_letter");
    }
    found
}

#[tokio::test]
async fn a_check_constraint_names_the_record_in_both_modes() {
    let ddl = "ALTER TABLE TARGET ADD CONSTRAINT cheap CHECK (amount < 500)";
    for letter in refused_everywhere(ddl, Op::Update(None, order(4, 50_000, "bad"))).await {
        assert_eq!(letter.rejection.reason, "check");
        assert_eq!(letter.rejection.column.as_deref(), Some("amount"));
        assert_eq!(letter.rejection.sqlstate.as_deref(), Some("23514"));
        assert!(letter.rejection.message.contains("cheap"), "{}", letter.rejection.message);
        assert!(!letter.rejection.message.contains("50000"), "{}", letter.rejection.message);
    }
}

#[tokio::test]
async fn a_missing_value_names_record_and_column_in_both_modes() {
    let ddl = "ALTER TABLE TARGET ALTER product_name SET NOT NULL";
    let mut bad = order(4, 100, "bad");
    bad[2] = crate::support::Cell::Null;
    for letter in refused_everywhere(ddl, Op::Update(None, bad)).await {
        assert_eq!(letter.rejection.reason, "not_null");
        assert_eq!(letter.rejection.column.as_deref(), Some("product_name"));
    }
}

#[tokio::test]
async fn a_column_that_became_shorter_names_record_and_column_in_both_modes() {
    let (warehouse, tables) = targets().await;
    let ops = around(Op::Update(None, order(4, 100, "too long")));
    for tables in tables {
        let target = tables[0].target.to_string();
        warehouse.sql("DELETE FROM cdc.checkpoint");
        if tables[0].mode == Mode::History {
            warehouse.sql("DROP VIEW sales_dashboard, orders_latest, orders_changes");
        }
        let mut lane = warehouse.lane(tables).await;
        // The column shrinks after the rows have been encoded.
        let records = Arc::new(lane.records(&ops));
        let batch = lane.stage(&ops, &records, &[]).await;
        warehouse.sql(&format!("ALTER TABLE {target} ALTER status TYPE varchar(5)"));
        let error = lane.apply(batch).await.unwrap_err();
        let letter = letter(&error);
        assert_eq!(letter.at.record, 3, "{letter:?}");
        assert_eq!(letter.rejection.reason, "too_long");
        assert_eq!(letter.rejection.column.as_deref(), Some("status"));
    }
}

#[tokio::test]
async fn the_message_of_an_error_never_repeats_a_value() {
    let (warehouse, [history, _]) = targets().await;
    warehouse.sql("CREATE UNIQUE INDEX one_status ON orders_fact (status) WHERE status <> 'good'");
    let mut lane = warehouse.lane(history).await;
    lane.write(&[Op::Insert(order(1, 1, "secret"))]).await;
    let error = lane.try_write(&around(Op::Update(None, order(4, 1, "secret")))).await.unwrap_err();
    assert_eq!(letter(&error).at.record, 3);
    assert_eq!(letter(&error).rejection.reason, "unique");
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn what_the_merge_refuses_is_some_record_of_the_batch() {
    let (warehouse, [_, mirror]) = targets().await;
    warehouse.sql(
        "CREATE FUNCTION public.no_four() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.order_id = 4 THEN
                 RAISE EXCEPTION 'not four' USING ERRCODE = 'check_violation', CONSTRAINT = 'four';
             END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER no_four BEFORE INSERT ON orders_current FOR EACH ROW
             EXECUTE FUNCTION public.no_four()",
    );
    let mut lane = warehouse.lane(mirror).await;
    let error = lane.try_write(&around(Op::Update(None, order(4, 1, "x")))).await.unwrap_err();
    let class = error.class();
    let ErrorClass::Poison(Poison::Unknown(rejection)) = class else { panic!("{class:?}") };
    assert_eq!(rejection.reason, "check");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_current"), "0");
}

#[tokio::test]
async fn a_unique_index_that_came_later_is_named_and_refuses_rows_once_it_is_known() {
    let (warehouse, [history, _]) = targets().await;
    let mut lane = warehouse.lane(history.clone()).await;
    lane.write(&[Op::Insert(order(1, 1, "x"))]).await;
    warehouse.sql("CREATE UNIQUE INDEX one_each ON orders_fact (order_id)");
    let ops = [Op::Update(None, order(1, 2, "y")), Op::Insert(order(2, 2, "y"))];
    let error = lane.try_write(&ops).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Outdated, "its table is planned again: {error}");
    assert!(error.to_string().contains("unique_index_added"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("one_each") && !hint.contains("setval"), "{hint}");
    drop(lane);
    let mut lane = warehouse.lane(history).await;
    let letters = lane.write(&ops).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].rejection.reason, "unique");
    assert!(letters[0].rejection.message.contains("one_each"), "{letters:?}");
    assert_eq!(warehouse.sql("SELECT string_agg(order_id::text, ',') FROM orders_fact"), "1,2");

    warehouse.sql("SELECT setval('orders_fact_id_seq', 1, false)");
    let error = lane.try_write(&[Op::Insert(order(3, 1, "x"))]).await.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(error.to_string().contains("sequence_behind") && hint.contains("setval"), "{hint}");
}

#[tokio::test]
async fn a_duplicate_in_a_table_that_a_trigger_writes_is_no_matter_of_a_sequence() {
    let (warehouse, [history, _]) = targets().await;
    warehouse.sql(
        "CREATE TABLE seen (order_id integer PRIMARY KEY);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO seen VALUES (NEW.order_id); RETURN NEW; END $$;
         CREATE TRIGGER see BEFORE INSERT ON orders_fact FOR EACH ROW EXECUTE FUNCTION see()",
    );
    let mut lane = warehouse.lane(history).await;
    let letters =
        lane.write(&[Op::Insert(order(1, 1, "x")), Op::Update(None, order(1, 2, "y"))]).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].rejection.message.contains("seen_pkey"), "{letters:?}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "1");
}

#[tokio::test]
async fn a_sequence_that_lags_behind_is_known_by_the_index_of_a_partition_as_well() {
    let (warehouse, [history, _]) = targets().await;
    warehouse.sql(
        "DROP VIEW sales_dashboard, orders_latest, orders_changes; DROP TABLE orders_fact;
         CREATE TABLE orders_fact (id bigint GENERATED BY DEFAULT AS IDENTITY, order_id integer,
             customer_id integer, product_name text, amount numeric(10,2), status text,
             created_at timestamp, updated_at timestamp, cdc_generation integer,
             cdc_partition integer, cdc_offset bigint, cdc_ordinal integer, PRIMARY KEY (id))
             PARTITION BY HASH (id);
         CREATE TABLE fact_0 PARTITION OF orders_fact FOR VALUES WITH (modulus 1, remainder 0)",
    );
    let mut lane = warehouse.lane(history).await;
    lane.write(&[Op::Insert(order(1, 1, "x"))]).await;
    warehouse.sql("SELECT setval('orders_fact_id_seq', 1, false)");
    let error = lane.try_write(&[Op::Insert(order(2, 1, "x"))]).await.unwrap_err();
    assert!(error.hint().unwrap().contains("fact_0_pkey"), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment), "{error}");
}

#[tokio::test]
async fn a_deferred_constraint_that_fails_at_commit_is_poison_and_nothing_is_written() {
    let (warehouse, [_, mirror]) = targets().await;
    warehouse.sql(
        "CREATE TABLE customers (customer_id integer PRIMARY KEY);
         ALTER TABLE orders_current ADD FOREIGN KEY (customer_id) REFERENCES customers
             DEFERRABLE INITIALLY DEFERRED",
    );
    let mut lane = warehouse.lane(mirror).await;
    let ops = [Op::Insert(order(1, 1, "orphan"))];
    let error = lane.try_write(&ops).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Poison(Poison::Unknown(_))), "{error}");
    let state =
        "SELECT (SELECT count(*) FROM orders_current), (SELECT next_offset FROM cdc.checkpoint)";
    assert_eq!(warehouse.sql(state), "0|");
    warehouse.sql("INSERT INTO customers VALUES (7)");
    lane.write(&ops).await;
    assert_eq!(warehouse.sql(state), "1|101");
}

#[tokio::test]
async fn f64_f70_f109_faults_of_the_surroundings_are_never_blamed_on_a_row() {
    let (warehouse, [history, _]) = targets().await;
    let mut lane = warehouse.lane(history.clone()).await;
    lane.write(&[Op::Insert(order(1, 1, "x"))]).await;
    let ops = [Op::Insert(order(2, 1, "x"))];
    let breaks = [
        (
            "SELECT setval('orders_fact_id_seq', 1, false)",
            "SELECT setval('orders_fact_id_seq', 50)",
        ),
        ("ALTER TABLE orders_fact RENAME TO gone", "ALTER TABLE gone RENAME TO orders_fact"),
        (
            "ALTER TABLE orders_fact RENAME status TO state",
            "ALTER TABLE orders_fact RENAME state TO status",
        ),
        (
            "ALTER FUNCTION cdc.advance_and_book RENAME TO advance_no_more",
            "ALTER FUNCTION cdc.advance_no_more RENAME TO advance_and_book",
        ),
    ];
    for (break_it, mend_it) in breaks {
        warehouse.sql(break_it);
        let error = lane.try_write(&ops).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment), "{break_it}: {error}");
        assert!(error.hint().is_some(), "{break_it}");
        warehouse.sql(mend_it);
    }
    warehouse.sql(
        "DROP VIEW sales_dashboard, orders_latest, orders_changes; DROP TABLE orders_fact;
         CREATE TABLE orders_fact (order_id integer, customer_id integer, product_name text,
             amount numeric(10,2), status text, created_at timestamp, updated_at timestamp,
             cdc_generation integer, cdc_partition integer, cdc_offset bigint, cdc_ordinal integer)
             PARTITION BY RANGE (order_id)",
    );
    let mut lane = warehouse.lane(history).await;
    let error = lane.try_write(&ops).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment), "{error}");
    assert!(error.hint().unwrap().contains("partition"), "{error}");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.dead_letter"), "0");
}
