//! How a run ends, and what it says at the end.

use cdc_workload::{Oracle, Transaction, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, HistoryCounts, Mode, Topic, Warehouse, until};

fn traffic(transactions: usize) -> (Vec<Transaction>, Oracle) {
    let options =
        WorkloadOptions { changes_per_transaction: 10, keys: 2_000, ..WorkloadOptions::default() };
    let transactions: Vec<_> = Workload::new(options).take(transactions).collect();
    let oracle = Oracle::of(&transactions);
    (transactions, oracle)
}

#[test]
fn sigterm_drains_and_the_next_run_goes_on_from_there() {
    let topic = Topic::shared("drained.public.orders", 1);
    let deployment =
        Deployment::new("drained", Mode::History, &topic, Warehouse::shared("drained"))
            .initialised();
    let (transactions, oracle) = traffic(10_000);
    topic.publish(&letters(&mut envelopes(), &transactions));

    let mut running = deployment.start();
    until("the first batch", || {
        running.assert_running();
        deployment.applied() > 0
    });
    running.terminate().expect_code(0).expect_words(&["stopped"]);
    let applied = deployment.applied();
    let warehouse = &deployment.warehouse;
    let farthest = warehouse.count("select max(cdc_offset) + 1 from orders_fact");
    assert!(farthest <= applied, "rows up to {farthest}, progress up to {applied}");
    let owned =
        "select count(*) from cdc.checkpoint where owner is not null or backend_pid is not null";
    assert_eq!(warehouse.count(owned), 0, "the partitions were given up");

    let summary = deployment.run_until_caught_up();
    assert_eq!(summary["records"], oracle.counts().records() - applied, "{summary}");
    let rows = warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, HistoryCounts::of(oracle.counts()).rows());
}

#[test]
fn the_final_object_of_a_run_until_caught_up_counts_every_record() {
    let topic = Topic::shared("counted.public.orders", 3);
    let (transactions, oracle) = traffic(1_000);
    topic.publish(&letters(&mut envelopes(), &transactions));
    let counts = oracle.counts();
    let tombstones = counts.records() - counts.events();
    for mode in Mode::BOTH {
        let name = format!("counted_{}", mode.word());
        let deployment = Deployment::new(&name, mode, &topic, Warehouse::shared(&name))
            .without_truncates()
            .initialised();
        let summary = deployment.run_until_caught_up();
        let number = |field: &str| summary[field].as_u64().expect("a number");
        assert_eq!(summary["outcome"], "caught up", "{summary}");
        assert_eq!(number("records"), counts.records(), "{summary}");
        assert_eq!(number("skipped"), tombstones, "{summary}");
        assert_eq!(number("dead_lettered"), 0, "{summary}");
        assert_eq!(number("lag_records"), 0, "{summary}");
        assert_eq!(number("rows") + number("folded"), counts.events(), "{summary}");
        let rows = deployment.warehouse.count(&format!("select count(*) from {}", mode.target()));
        match mode {
            Mode::History => {
                assert_eq!((rows, number("folded")), (counts.events(), 0), "{summary}");
            }
            Mode::Mirror => assert_eq!(rows, u64::try_from(oracle.rows().len()).expect("few rows")),
        }
        let again = deployment.run_until_caught_up();
        assert_eq!(again["records"], 0, "{again}");
    }
}

#[test]
fn a_restart_after_a_kill_says_what_it_waits_for() {
    let topic = Topic::shared("waits.public.orders", 1);
    let (transactions, _) = traffic(1);
    topic.publish(&letters(&mut envelopes(), &transactions));
    let deployment =
        Deployment::new("waits", Mode::Mirror, &topic, Warehouse::shared("waits")).initialised();
    let mut running = deployment.start();
    until("the first batch", || {
        running.assert_running();
        deployment.applied() > 0
    });
    running.kill_9();
    let mut again = deployment.start();
    until("word of what is waited for", || {
        again.assert_running();
        let log = again.log();
        log.contains("waiting for the group waits") && log.contains("for up to 10 s")
    });
    again.terminate().expect_code(0);
}

#[test]
fn an_empty_topic_is_caught_up_with_at_once() {
    let topic = Topic::shared("empty.public.orders", 2);
    let deployment = Deployment::new("empty", Mode::Mirror, &topic, Warehouse::shared("empty"))
        .without_truncates()
        .initialised();
    let summary = deployment.run_until_caught_up();
    assert_eq!(summary["records"], 0, "{summary}");
    assert_eq!(summary["outcome"], "caught up", "{summary}");
}
