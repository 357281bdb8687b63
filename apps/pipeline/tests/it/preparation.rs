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
