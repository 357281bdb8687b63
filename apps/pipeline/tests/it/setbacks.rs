//! A warehouse that goes back to an old backup, and one that is far slower than its log.

use std::thread;
use std::time::Duration;

use cdc_workload::{Oracle, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Topic, Warehouse, assert_books_balance,
    assert_no_dead_letters, until,
};

#[test]
fn f72_a_warehouse_restored_from_an_old_backup_follows_from_there_or_names_what_is_gone() {
    let topic = Topic::shared("restored.public.orders", 1);
    let transactions: Vec<_> = Workload::new(WorkloadOptions::default()).take(600).collect();
    let oracle = Oracle::of(&transactions);
    let mut writer = envelopes();
    let (before, after) = transactions.split_at(200);
    topic.publish(&letters(&mut writer, before));
    let deployments = Mode::BOTH.map(|mode| {
        let name = format!("restored_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    let restored = deployments.each_ref().map(|deployment| {
        deployment.run_until_caught_up();
        let Deployment { name, mode, warehouse, .. } = deployment;
        let [backup, older] = ["backup", "older"].map(|name| warehouse.copied(name));
        [backup, older].map(|backup| Deployment::new(name, *mode, &topic, backup))
    });
    let known = topic.records();
    topic.publish(&letters(&mut writer, after));
    for deployment in &deployments {
        deployment.run_until_caught_up();
    }

    // The group stands at the end of the log, and the warehouse is back where it was.
    for [deployment, _] in &restored {
        assert_eq!(deployment.applied(), known);
        deployment.run_until_caught_up();
        assert_no_dead_letters(deployment);
        assert_books_balance(deployment, oracle.counts().records());
        let (rows, current) = match deployment.mode {
            Mode::History => (HistoryCounts::of(oracle.counts()).rows(), "orders_latest"),
            Mode::Mirror => (u64::try_from(oracle.rows().len()).expect("few"), "orders_current"),
        };
        let target = deployment.target.as_str();
        assert_eq!(deployment.warehouse.count(&format!("select count(*) from {target}")), rows);
        let cents = format!("select (sum(amount) * 100)::bigint from {current}");
        assert_eq!(deployment.warehouse.ask(&cents), oracle.amount_cents().to_string());
    }

    topic.delete_before(known + 40);
    for [_, deployment] in &restored {
        let gone = format!("the log now begins at {}, so 40 offsets are gone", known + 40);
        let ended = deployment.execute(&["run", "--until-caught-up"]).expect_code(3);
        ended.expect_words(&[&format!("at {known}"), &gone]);
        assert_eq!(deployment.applied(), known, "nothing is passed over");
    }
}

#[test]
fn f25_f66_a_warehouse_that_stands_still_fills_no_memory_and_costs_no_partition() {
    /// The log is many times as large.
    const MEMORY_MIB: u64 = 4;

    /// Longer than a consumer may pause.
    const PAUSE: Duration = Duration::from_secs(8);

    let topic = Topic::shared("slow.public.orders", 1);
    let warehouse = Warehouse::shared("slow");
    let mut deployment = Deployment::new("slow", Mode::History, &topic, warehouse);
    deployment.pipeline = format!("memory = \"{MEMORY_MIB}MiB\"\n");
    deployment.kafka = "fetch_bytes = \"1MiB\"\nproperties = { \"session.timeout.ms\" = \"6000\", \
                        \"max.poll.interval.ms\" = \"6000\" }\n"
        .to_owned();
    let deployment = deployment.initialised();
    let options = WorkloadOptions { changes_per_transaction: 100, ..WorkloadOptions::default() };
    let mut workload = Workload::new(options);
    let mut writer = envelopes();
    let mut oracle = Oracle::default();
    let mut publish = |count: usize| {
        let transactions: Vec<_> = workload.by_ref().take(count).collect();
        for transaction in &transactions {
            oracle.apply(transaction);
        }
        let letters = letters(&mut writer, &transactions);
        topic.publish(&letters);
        let bytes = letters.iter().map(|letter| letter.value.as_ref().map_or(0, Vec::len)).sum();
        (oracle.counts(), bytes)
    };
    let (counts, _): (_, usize) = publish(100);
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, counts.records());
    let before = running.memory_peak_mib();

    let held = deployment.warehouse.hold(Mode::History.target());
    let (counts, bytes) = publish(1_500);
    held.wait_until_wanted();
    thread::sleep(PAUSE);
    running.assert_running();
    let grown = running.memory_peak_mib() - before;
    let backlog = u64::try_from(bytes >> 20).expect("a size");
    println!("it has grown by {grown} MiB for a backlog of {backlog} MiB");
    assert!(grown < backlog / 2, "{grown} MiB for a backlog of {backlog} MiB");
    until("word of the lag", || {
        running.assert_running();
        let behind = counts.records() - deployment.applied();
        running.log().contains(&format!("\"lag_records\":{behind},"))
    });
    drop(held);
    deployment.wait_applied(&mut running, counts.records());
    assert!(!running.log().contains("partition released"), "{}", running.log());
    running.terminate().expect_code(0);
    assert_no_dead_letters(&deployment);
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, HistoryCounts::of(counts).rows());
}
