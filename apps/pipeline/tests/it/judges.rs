//! The judges of the other tests, judged: they see every kind of damage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cdc_workload::{Mix, Oracle, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Topic, Warehouse, assert_history, assert_mirror,
};

/// What goes wrong in a warehouse, as SQL on a table or view that stands for `{}`.
const DAMAGES: [(&str, &str); 7] = [
    ("a lost row", "delete from {} where order_id = 7"),
    ("another key", "update {} set order_id = 7000 where order_id = 7"),
    ("a cent", "update {} set amount = amount + 0.01 where order_id = 7"),
    ("money moved", "update {} set amount = amount + (2 * order_id - 15) where order_id in (7, 8)"),
    ("a space", "update {} set product_name = product_name || ' ' where order_id = 7"),
    ("a NULL", "update {} set status = null where order_id = 7"),
    ("a microsecond", "update {} set created_at = created_at + '1 us' where order_id = 7"),
];

/// What goes wrong in a history alone.
const HISTORY_DAMAGES: [(&str, &str); 2] = [
    (
        "a row twice",
        "insert into {} (order_id, customer_id, product_name, amount, status, created_at, \
         updated_at, cdc_timestamp, operation_type, cdc_generation, cdc_partition, cdc_offset, \
         cdc_ordinal, source_lsn) select order_id, customer_id, product_name, amount, status, \
         created_at, updated_at, cdc_timestamp, operation_type, cdc_generation, cdc_partition, \
         cdc_offset, cdc_ordinal, source_lsn from {} where order_id = 7",
    ),
    ("a wrong operation", "update {} set operation_type = 'u' where order_id = 7"),
];

/// Puts a damage on a sound warehouse, asks the judge, and takes it back.
fn sees(deployment: &Deployment<'_>, damages: &[(&str, &str)], judge: impl Fn()) {
    judge();
    let table = &deployment.target;
    for (what, sql) in damages {
        deployment.warehouse.ask(&format!("create table sound as table {table}"));
        deployment.warehouse.ask(&sql.replace("{}", table));
        let verdict = catch_unwind(AssertUnwindSafe(&judge));
        assert!(verdict.is_err(), "{what} in {table} was not seen");
        let restore =
            format!("truncate {table}; insert into {table} table sound; drop table sound");
        deployment.warehouse.ask(&restore);
        judge();
    }
}

#[test]
fn the_judges_see_every_kind_of_damage() {
    let source = Source::fresh("judged");
    let topic = Topic::shared("judged.public.orders", 1);
    let mix = Mix::try_new(1, 0, 0).expect("a mix of inserts");
    let options = WorkloadOptions { mix, ..WorkloadOptions::default() };
    let transactions: Vec<_> = Workload::new(options).take(20).collect();
    topic.publish(&letters(&mut envelopes(), &transactions));
    let mut oracle = Oracle::default();
    source.load(&mut oracle, transactions);
    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("judged_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    history.run_until_caught_up();
    mirror.run_until_caught_up();

    sees(&mirror, &DAMAGES, || assert_mirror(&source, &mirror));
    let counts = HistoryCounts::of(oracle.counts());
    let judge = || assert_history(&source, &history, counts);
    sees(&history, &DAMAGES, judge);
    sees(&history, &HISTORY_DAMAGES, judge);
}
