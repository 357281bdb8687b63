//! Initialising creates what is missing, never mixes with what stands there, and can be repeated.

use cdc_core::Classify as _;
use cdc_postgres::{Adopt, Mode, PostgresError, TableSettings, init, plan_init};

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, table};

/// What the earlier pipeline left behind, as its own files create it.
const SEED: &str = "
CREATE TABLE orders_fact (
    id SERIAL PRIMARY KEY, order_id INT NOT NULL, customer_id INT, product_name VARCHAR(255),
    amount DECIMAL(10,2), status VARCHAR(50), created_at TIMESTAMP, updated_at TIMESTAMP,
    cdc_timestamp TIMESTAMP, processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    operation_type VARCHAR(10));
CREATE INDEX idx_orders_fact_order_id ON orders_fact(order_id);
CREATE INDEX orders_fact_customer_id ON orders_fact(customer_id);
CREATE VIEW orders_latest AS
SELECT DISTINCT ON (order_id) order_id, customer_id, product_name, amount, status, created_at,
       updated_at, processed_at
  FROM orders_fact ORDER BY order_id, processed_at DESC;
CREATE VIEW sales_dashboard AS
SELECT status, COUNT(*) AS order_count, SUM(amount) AS total_revenue, AVG(amount) AS avg_order_value,
       MAX(updated_at) AS last_updated
  FROM orders_latest GROUP BY status;
INSERT INTO orders_fact (order_id, customer_id, amount, status, operation_type)
VALUES (1, 7, 0, 'pending', 'c'), (2, 8, 0, 'shipped', 'u');";

/// Every relation with its kind, and every function of the state.
const OBJECTS: &str = "
SELECT n.nspname, c.relkind, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE n.nspname IN ('cdc', 'public') ORDER BY 1, 2, 3";

fn orders() -> Vec<TableSettings> {
    vec![table(0, "orders_fact", Mode::History), table(1, "orders_current", HARD)]
}

#[tokio::test]
async fn initialising_twice_changes_nothing_the_second_time() {
    let warehouse = Warehouse::empty();
    let report = init(&warehouse.settings(), &orders(), Adopt::No).await.unwrap();
    assert_eq!(
        report.steps,
        [
            "created version 5 of the state tables",
            "created public.orders_fact",
            "created public.orders_current"
        ]
    );
    let objects = warehouse.sql(OBJECTS);
    insta::assert_snapshot!(objects);
    let mut lane = warehouse.lane(orders()).await;
    lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
    for adopt in [Adopt::No, Adopt::Yes] {
        let report = init(&warehouse.settings(), &orders(), adopt).await.unwrap();
        assert_eq!(report.steps, Vec::<String>::new());
    }
    assert_eq!(warehouse.sql(OBJECTS), objects);
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_latest"), "1");
}

#[tokio::test]
async fn what_is_printed_is_what_is_run() {
    let (printed, run) = (Warehouse::empty(), Warehouse::empty());
    printed.sql(&plan_init(&orders()));
    init(&run.settings(), &orders(), Adopt::No).await.unwrap();
    assert_eq!(printed.sql(OBJECTS), run.sql(OBJECTS));
    printed.lane(orders()).await;
}

#[tokio::test]
async fn without_the_orders_tables_only_the_state_is_created() {
    let warehouse = Warehouse::empty();
    init(&warehouse.settings(), &[table(0, "sales.orders_fact", Mode::History)], Adopt::No)
        .await
        .unwrap();
    let public = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(warehouse.sql(public), "0");
}

#[tokio::test]
async fn the_earlier_pipelines_table_is_not_mixed_with_ours() {
    let warehouse = Warehouse::empty();
    warehouse.sql(SEED);
    let before = warehouse.sql(OBJECTS);
    let error = init(&warehouse.settings(), &orders(), Adopt::No).await.unwrap_err();
    assert!(matches!(error, PostgresError::Occupied { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--adopt"));
    assert_eq!(warehouse.sql(OBJECTS), before, "nothing was created");
}

#[tokio::test]
async fn adopting_keeps_the_earlier_table_with_its_views_under_other_names() {
    let warehouse = Warehouse::empty();
    warehouse.sql(SEED);
    let report = init(&warehouse.settings(), &orders(), Adopt::Yes).await.unwrap();
    insta::assert_snapshot!(report.steps.join("\n"));
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact_seed"), "2");
    assert_eq!(warehouse.sql("SELECT sum(order_count) FROM sales_dashboard_seed"), "2");
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_latest"), "0");
    warehouse.sql("INSERT INTO orders_fact_seed (order_id) VALUES (3)");
    assert_eq!(warehouse.sql("SELECT max(id) FROM orders_fact_seed"), "3");
    let mut lane = warehouse.lane(orders()).await;
    lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
    assert_eq!(warehouse.sql("SELECT total_revenue FROM sales_dashboard"), "1.00");
    let again = init(&warehouse.settings(), &orders(), Adopt::Yes).await.unwrap();
    assert_eq!(again.steps, Vec::<String>::new());
}

#[tokio::test]
async fn an_empty_table_behind_a_checkpoint_that_has_moved_is_refused() {
    let warehouse = Warehouse::initialised(&orders()).await;
    let mut lane = warehouse.lane(orders()).await;
    lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
    warehouse.sql("DROP TABLE orders_fact CASCADE");
    let error = init(&warehouse.settings(), &orders(), Adopt::Yes).await.unwrap_err();
    assert!(error.hint().unwrap().contains("DELETE FROM cdc.checkpoint"), "{error}");
    warehouse.sql("DELETE FROM cdc.checkpoint WHERE pipeline = 'orders'");
    init(&warehouse.settings(), &orders(), Adopt::No).await.unwrap();
}

#[tokio::test]
async fn a_table_of_another_make_is_left_alone() {
    let warehouse = Warehouse::empty();
    warehouse.sql("CREATE TABLE orders_fact (order_id integer)");
    for adopt in [Adopt::No, Adopt::Yes] {
        let error = init(&warehouse.settings(), &orders(), adopt).await.unwrap_err();
        assert!(matches!(error, PostgresError::Occupied { .. }), "{error}");
    }
}

#[tokio::test]
async fn every_column_of_the_orders_tables_and_views_says_what_it_is() {
    let tables = vec![table(0, "orders_fact", Mode::History), table(1, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let silent = "SELECT string_agg(c.relname || '.' || a.attname, ' ' ORDER BY 1) FROM pg_class c \
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') \
                  AND col_description(c.oid, a.attnum) IS NULL";
    assert_eq!(warehouse.sql(silent), "");
    let described = "SELECT count(*) > 40 FROM pg_description WHERE objsubid > 0 AND objoid IN \
                     (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)";
    assert_eq!(warehouse.sql(described), "t");
}
