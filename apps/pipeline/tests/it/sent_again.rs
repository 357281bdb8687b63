//! A connector that crashes sends again what it has sent already, at new offsets.

use std::sync::mpsc;
use std::thread;

use cdc_stack::connect::{Connect, ConnectOptions};
use cdc_workload::{Oracle, Workload, WorkloadOptions};

use crate::rig::topic::records_in;
use crate::rig::{
    Deployment, HistoryCounts, Mode, Running, Source, Warehouse, assert_history, assert_mirror,
    assert_no_dead_letters, stack, until,
};

const KILLS: usize = 4;

/// Where the worker keeps its offsets.
const OFFSETS: &str = "sent-again-offsets";

/// Transactions of 20 changes for each permit.
const CHUNK_TRANSACTIONS: usize = 200;

/// A worker beside the one that all tests share, with a memory of its own. It keeps its offsets rarely,
/// so that what it sends again is a lot.
fn worker() -> Connect {
    let settings = [
        ("group.id", "sent-again"),
        ("config.storage.topic", "sent-again-configs"),
        ("offset.storage.topic", OFFSETS),
        ("status.storage.topic", "sent-again-statuses"),
        ("offset.flush.interval.ms", "4000"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = ConnectOptions { heap_mib: 512, settings, ..ConnectOptions::default() };
    Connect::start(stack().broker(), &options).expect("a worker")
}

#[test]
fn f36_f101_a_connector_killed_again_and_again_has_each_change_stored_once() {
    let worker = worker();
    let source = Source::fresh("sentagain");
    let topic = source.capture_on(&worker);
    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("sentagain_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    let mut running = [&history, &mirror].map(Deployment::start);

    let (permit, permits) = mpsc::channel();
    let oracle = thread::scope(|scope| {
        let loader = scope.spawn(|| load(&source, &{ permits }));
        for _ in 0..KILLS {
            let before = topic.records();
            permit.send(()).expect("the load goes on");
            until("the connector sends", || topic.records() > before + 500);
            // Without any offset it would begin again with a snapshot, and send no delete that it missed.
            until("the worker keeps an offset", || records_in(topic.brokers(), OFFSETS) > 0);
            worker.kill();
            worker.restart().expect("a worker that comes back");
            source.wait_captured(&worker);
        }
        permit.send(()).expect("the load goes on");
        drop(permit);
        loader.join().expect("a load without an error")
    });
    let counts = oracle.counts();
    for (deployment, running) in [&history, &mirror].into_iter().zip(&mut running) {
        let target = deployment.mode.target();
        let rows = source.run("select count(*), sum(amount) from orders");
        let current = if deployment.mode == Mode::History { "orders_latest" } else { target };
        until("everything has arrived", || {
            running.assert_running();
            deployment.warehouse.ask(&format!("select count(*), sum(amount) from {current}"))
                == rows
        });
    }
    for (deployment, running) in [&history, &mirror].into_iter().zip(running) {
        Running::terminate(running).expect_code(0);
        deployment.run_until_caught_up();
        assert_no_dead_letters(deployment);
    }
    assert!(topic.records() > counts.records(), "nothing was sent again: the test shows nothing");
    assert_history(&source, &history, HistoryCounts::of(counts));
    assert_mirror(&source, &mirror);
}

fn load(source: &Source, permits: &mpsc::Receiver<()>) -> Oracle {
    let options =
        WorkloadOptions { seed: 11, changes_per_transaction: 20, ..WorkloadOptions::default() };
    let mut workload = Workload::new(options);
    let mut oracle = Oracle::default();
    for () in permits {
        source.load(&mut oracle, workload.by_ref().take(CHUNK_TRANSACTIONS));
    }
    oracle
}
