//! Several processes that share a topic's partitions.

use cdc_stack::connector::SchemaBlock;
use cdc_workload::{Hostility, Oracle, Workload, WorkloadOptions};

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
    wait_for_owners(&deployment, 2, &mut [&mut steady, &mut killed]);
    load();
    killed.kill_9();
    load();
    // What the killed one owned is taken over by the other.
    wait_for_owners(&deployment, 1, &mut [&mut steady]);
    let mut restarted = deployment.start();
    wait_for_owners(&deployment, 2, &mut [&mut steady, &mut restarted]);
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

/// Waits until all partitions are owned by this many processes that live. A process has several
/// sessions, and any of them may have taken a partition over.
fn wait_for_owners(deployment: &Deployment<'_>, owners: usize, running: &mut [&mut Running]) {
    let sql = "select count(*) || ' by ' || count(distinct split_part(owner, ' lane ', 1)) \
               from cdc.checkpoint \
               where owner in (select application_name from pg_stat_activity)";
    let expected = format!("{PARTITIONS} by {owners}");
    until(&format!("partitions owned: {expected}"), || {
        for running in running.iter_mut() {
            running.assert_running();
        }
        deployment.warehouse.ask(sql) == expected
    });
}

#[test]
fn a_history_survives_that_one_of_two_processes_is_killed_and_restarted() {
    survives(Mode::History);
}

#[test]
fn a_mirror_survives_that_one_of_two_processes_is_killed_and_restarted() {
    survives(Mode::Mirror);
}
