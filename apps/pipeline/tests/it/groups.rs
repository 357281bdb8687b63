//! Several processes that share a topic's partitions.

use cdc_stack::connector::SchemaBlock;
use cdc_workload::{Hostility, Oracle, Workload, WorkloadOptions};
use rustix::process::Signal;

use crate::rig::topic::{envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Running, Source, Topic, Warehouse, assert_books_balance,
    assert_history, assert_mirror, assert_no_dead_letters, until,
};

const PARTITIONS: i32 = 4;

/// Transactions between two events of the group.
const STEP: usize = 60;

/// Two processes of one pipeline, of which one is killed and started again during a load.
fn survives(mode: Mode) {
    let name = format!("shared_{}", mode.word());
    let source = Source::fresh(&name);
    let topic = source.capture(SchemaBlock::Off, PARTITIONS);
    let mut deployment = Deployment::new(&name, mode, &topic, Warehouse::shared(&name));
    // The broker's minimum: a group waits that long for a member that was killed.
    deployment.kafka.push_str("properties = { \"session.timeout.ms\" = \"6000\" }\n");
    let deployment = deployment.without_truncates().initialised();
    let options = WorkloadOptions {
        seed: 11,
        changes_per_transaction: 200,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let mut workload = Workload::new(options);
    let mut oracle = Oracle::default();
    let mut load = || source.load(&mut oracle, workload.by_ref().take(STEP));

    let mut steady = deployment.start();
    load();
    let mut killed = deployment.start();
    wait_for_owners(&deployment, (PARTITIONS, 2), &mut [&mut steady, &mut killed]);
    load();
    killed.kill_9();
    load();
    // What the killed one owned is taken over by the other.
    wait_for_owners(&deployment, (PARTITIONS, 1), &mut [&mut steady]);
    let mut restarted = deployment.start();
    wait_for_owners(&deployment, (PARTITIONS, 2), &mut [&mut steady, &mut restarted]);
    load();

    let records = oracle.counts().records();
    topic.wait_for(records);
    deployment.wait_applied(&mut steady, records);
    for running in [steady, restarted] {
        running.terminate().expect_code(0);
    }
    assert_no_dead_letters(&deployment);
    assert_books_balance(&deployment, records);
    check(mode, &source, &topic, &deployment, &oracle);
}

fn check(mode: Mode, source: &Source, topic: &Topic, deployment: &Deployment<'_>, oracle: &Oracle) {
    match mode {
        Mode::History => {
            let partitions = "select count(distinct cdc_partition) from orders_fact";
            let partitions = deployment.warehouse.ask(partitions);
            assert_eq!(partitions, PARTITIONS.to_string(), "{}", topic.name());
            assert_history(source, deployment, HistoryCounts::of(oracle.counts()));
        }
        Mode::Mirror => assert_mirror(source, deployment),
    }
}

/// Waits until these partitions are owned by this many processes that live. A process has several
/// sessions, and any of them may have taken a partition over.
fn wait_for_owners(
    deployment: &Deployment<'_>,
    (partitions, owners): (i32, usize),
    running: &mut [&mut Running],
) {
    let sql = "select count(*) || ' by ' || count(distinct split_part(owner, ' lane ', 1)) \
               from cdc.checkpoint \
               where owner in (select application_name from pg_stat_activity)";
    let expected = format!("{partitions} by {owners}");
    until(&format!("partitions owned: {expected}"), || {
        for running in running.iter_mut() {
            running.assert_running();
        }
        deployment.warehouse.ask(sql) == expected
    });
}

#[test]
fn f11_f23_a_history_survives_that_one_of_two_processes_is_killed_and_restarted() {
    survives(Mode::History);
}

#[test]
fn f11_f23_a_mirror_survives_that_one_of_two_processes_is_killed_and_restarted() {
    survives(Mode::Mirror);
}

#[test]
fn f48_one_process_becomes_eight_and_one_again_under_load() {
    const MANY: i32 = 8;

    let topic = Topic::shared("rescaled.public.orders", MANY);
    let warehouse = Warehouse::shared("rescaled");
    let deployment = Deployment::new("rescaled", Mode::History, &topic, warehouse).initialised();
    let options = WorkloadOptions { changes_per_transaction: 20, ..WorkloadOptions::default() };
    let mut workload = Workload::new(options);
    let mut oracle = Oracle::default();
    let mut writer = envelopes();
    let mut load = || {
        let transactions: Vec<_> = workload.by_ref().take(STEP).collect();
        for transaction in &transactions {
            oracle.apply(transaction);
        }
        topic.publish(&letters(&mut writer, &transactions));
        oracle.clone()
    };

    load();
    let mut first = deployment.start();
    wait_for_owners(&deployment, (MANY, 1), &mut [&mut first]);
    let mut others: Vec<Running> = (1..MANY).map(|_| deployment.start()).collect();
    load();
    let mut all: Vec<&mut Running> = others.iter_mut().chain([&mut first]).collect();
    wait_for_owners(&deployment, (MANY, 8), &mut all);
    load();
    for running in &mut others {
        running.ask(Signal::TERM);
    }
    load();
    for running in others {
        running.wait().expect_code(0);
    }
    wait_for_owners(&deployment, (MANY, 1), &mut [&mut first]);
    let oracle = load();
    deployment.wait_applied(&mut first, oracle.counts().records());
    first.terminate().expect_code(0);
    assert_no_dead_letters(&deployment);
    assert_books_balance(&deployment, oracle.counts().records());
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, HistoryCounts::of(oracle.counts()).rows());
    let cents = deployment.warehouse.ask("select (sum(amount) * 100)::bigint from orders_latest");
    assert_eq!(cents, oracle.amount_cents().to_string());
}
