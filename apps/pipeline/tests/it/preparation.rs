//! `init`: state tables and the tables of the orders.

use cdc_workload::{Oracle, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse};

/// Everything that the database has, in words.
const OBJECTS: &str = "\
    select n.nspname, c.relname, c.relkind, c.oid, a.attname, format_type(a.atttypid, a.atttypmod)
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid
     where n.nspname in ('cdc', 'public')
     order by 1, 2, a.attnum";

/// What the earlier pipeline left behind, as its own files create it, with two versions of an order.
const SEED: &str = "\
    CREATE TABLE orders_fact ( \
        id SERIAL PRIMARY KEY, order_id INT NOT NULL, customer_id INT, product_name VARCHAR(255), \
        amount DECIMAL(10,2), status VARCHAR(50), created_at TIMESTAMP, updated_at TIMESTAMP, \
        cdc_timestamp TIMESTAMP, processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, \
        operation_type VARCHAR(10)); \
    CREATE INDEX idx_orders_fact_order_id ON orders_fact(order_id); \
    CREATE INDEX orders_fact_customer_id ON orders_fact(customer_id); \
    CREATE VIEW orders_latest AS \
        SELECT DISTINCT ON (order_id) order_id, customer_id, product_name, amount, status, \
               created_at, updated_at, processed_at \
          FROM orders_fact ORDER BY order_id, processed_at DESC; \
    CREATE VIEW sales_dashboard AS \
        SELECT status, COUNT(*) AS order_count, SUM(amount) AS total_revenue, \
               AVG(amount) AS avg_order_value, MAX(updated_at) AS last_updated \
          FROM orders_latest GROUP BY status; \
    INSERT INTO orders_fact (order_id, customer_id, product_name, amount, status, operation_type, \
                             processed_at) \
    VALUES (1, 7, 'Widget A', 10.50, 'pending', 'c', '2024-01-01 10:00:00'), \
           (1, 7, 'Widget A', 10.50, 'shipped', 'u', '2024-01-01 10:00:05')";

#[test]
fn init_creates_what_is_missing_and_a_second_time_nothing() {
    let topic = Topic::shared("twice.public.orders", 1);
    let deployment = Deployment::new("twice", Mode::History, &topic, Warehouse::shared("twice"));
    let first = deployment.init().expect_code(0);
    assert!(first.stdout.contains("created public.orders_fact"), "{}", first.stdout);
    let created = deployment.warehouse.ask(OBJECTS);
    for name in ["checkpoint", "dead_letter", "orders_fact", "orders_latest", "sales_dashboard"] {
        assert!(created.contains(name), "{name} is missing in:\n{created}");
    }
    deployment.warehouse.ask(
        "insert into cdc.checkpoint (pipeline, topic, generation, partition, next_offset) \
         values ('other', 't', 0, 0, 5)",
    );
    let second = deployment.init().expect_code(0);
    assert!(!second.stdout.contains("created"), "{}", second.stdout);
    assert_eq!(deployment.warehouse.ask(OBJECTS), created);
    assert_eq!(deployment.warehouse.ask("select next_offset from cdc.checkpoint"), "5");
}

#[test]
fn the_printed_sql_prepares_a_warehouse_as_well_and_may_be_run_again() {
    let topic = Topic::shared("printed.public.orders", 1);
    let transactions: Vec<_> = Workload::new(WorkloadOptions::default()).take(100).collect();
    topic.publish(&letters(&mut envelopes(), &transactions));
    let oracle = Oracle::of(&transactions);
    for mode in Mode::BOTH {
        let name = format!("printed_{}", mode.word());
        let deployment = Deployment::new(&name, mode, &topic, Warehouse::shared(&name));
        let sql = deployment.execute(&["init", "--print-sql"]).expect_code(0).stdout;
        let nothing =
            deployment.warehouse.ask("select count(*) from pg_namespace where nspname = 'cdc'");
        assert_eq!(nothing, "0", "printing changes nothing");
        deployment.warehouse.ask(&sql);
        deployment.warehouse.ask(&sql);
        let summary = deployment.run_until_caught_up();
        assert_eq!(summary["records"], oracle.counts().records(), "{summary}");
    }
}

#[test]
fn an_earlier_systems_table_is_refused_and_adopted_only_when_asked_to() {
    let topic = Topic::shared("adopted.public.orders", 1);
    let transactions: Vec<_> = Workload::new(WorkloadOptions::default()).take(100).collect();
    topic.publish(&letters(&mut envelopes(), &transactions));
    let oracle = Oracle::of(&transactions);
    let deployment =
        Deployment::new("adopted", Mode::History, &topic, Warehouse::shared("adopted"));
    let warehouse = &deployment.warehouse;
    warehouse.ask(SEED);
    let objects = warehouse.ask(OBJECTS);
    let rows = |table: &str| warehouse.ask(&format!("select * from {table} order by 1"));
    let (versions, dashboard) = (rows("orders_fact"), rows("sales_dashboard"));

    deployment.init().expect_code(2).expect_words(&["public.orders_fact belongs", "--adopt`"]);
    assert_eq!(warehouse.ask(OBJECTS), objects, "a refusal changes nothing");
    assert_eq!(rows("orders_fact"), versions);

    let adopted = deployment.execute(&["init", "--adopt"]).expect_code(0).stdout;
    for step in ["renamed public.orders_fact to orders_fact_seed", "created public.orders_fact"] {
        assert!(adopted.lines().any(|line| line == step), "{step} is missing in:\n{adopted}");
    }
    assert_eq!(rows("orders_fact_seed"), versions);
    assert_eq!(rows("sales_dashboard_seed"), dashboard);
    assert_eq!(warehouse.count("select count(*) from orders_fact"), 0);

    let objects = warehouse.ask(OBJECTS);
    for again in [&["init", "--adopt"][..], &["init"]] {
        let again = deployment.execute(again).expect_code(0).stdout;
        assert_eq!(again.trim_end(), "nothing to do: everything is there");
        assert_eq!(warehouse.ask(OBJECTS), objects);
    }
    let summary = deployment.run_until_caught_up();
    assert_eq!(summary["records"], oracle.counts().records(), "{summary}");
    assert_eq!(rows("orders_fact_seed"), versions, "the pipeline leaves them alone");
}
