//! Crashes during a load: of the pipeline, of the warehouse, of the broker.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use cdc_stack::connector::SchemaBlock;
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_stack::postgres::{Cluster, ClusterOptions, StopMode};
use cdc_workload::{Oracle, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Moments, Running, Source, Topic, Warehouse,
    assert_books_balance, assert_history, assert_mirror, assert_no_dead_letters, until,
};

const KILLS: usize = 20;

/// Transactions of 1,000 changes that are loaded while one incarnation of the pipeline runs.
const CHUNK_TRANSACTIONS: usize = 10;

/// A load that goes on by a chunk for each permit, so that it lasts as long as the crashes do.
fn load_by_permit(source: &Source, permits: &Receiver<()>) -> Oracle {
    let options =
        WorkloadOptions { seed: 7, changes_per_transaction: 1_000, ..WorkloadOptions::default() };
    let mut workload = Workload::new(options);
    let mut oracle = Oracle::default();
    for () in permits {
        source.load(&mut oracle, workload.by_ref().take(CHUNK_TRANSACTIONS));
    }
    oracle
}

/// Starts the pipeline and kills it at a random moment, again and again. Gives what had been
/// applied at each moment.
fn kill_again_and_again(
    deployment: &Deployment<'_>,
    moments: &mut Moments,
    mut before_each: impl FnMut(),
) -> Vec<u64> {
    let mut applied = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        before_each();
        let before = deployment.applied();
        let mut running = deployment.start();
        // One in four dies while it still starts, the others soon after they began to write.
        if moments.below(4) > 0 {
            wait_for_progress(deployment, &mut running, before);
        }
        thread::sleep(Duration::from_millis(moments.below(300)));
        running.kill_9();
        applied.push(deployment.applied());
    }
    applied
}

/// Waits until something more was applied, but not for ever: the load may be at its end.
fn wait_for_progress(deployment: &Deployment<'_>, running: &mut Running, before: u64) {
    let began = Instant::now();
    while deployment.applied() == before && began.elapsed() < Duration::from_secs(5) {
        running.assert_running();
        thread::sleep(Duration::from_millis(20));
    }
}

fn assert_killed_midway(applied: &[u64], total: u64) {
    let mut midway: Vec<u64> =
        applied.iter().copied().filter(|applied| (1..total).contains(applied)).collect();
    midway.dedup();
    assert!(midway.len() >= KILLS / 4, "kills met a pipeline at work at {midway:?} only");
}

#[test]
fn f01_f02_f03_a_pipeline_killed_at_twenty_random_moments_neither_loses_nor_repeats_a_change() {
    let mut moments = Moments::seeded();
    let mut others = moments.fork();
    let source = Source::fresh("killed");
    let topic = source.capture(SchemaBlock::Off, 1);
    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("killed_{}", mode.word());
        let warehouse = Warehouse::shared(&name);
        Deployment::new(&name, mode, &topic, warehouse).with_instance_id().initialised()
    });

    let (permit, permits) = mpsc::channel();
    let (oracle, applied) = thread::scope(|scope| {
        let loader = scope.spawn(|| load_by_permit(&source, &{ permits }));
        let mirrored = scope.spawn(|| kill_again_and_again(&mirror, &mut others, || ()));
        let applied = kill_again_and_again(&history, &mut moments, || {
            permit.send(()).expect("the load goes on");
        });
        drop(permit);
        let oracle = loader.join().expect("a load without an error");
        (oracle, [applied, mirrored.join().expect("kills without an error")])
    });
    let counts = oracle.counts();
    assert_eq!(counts.operations(), 200_000);
    topic.wait_for(counts.records());
    for (deployment, applied) in [&history, &mirror].into_iter().zip(&applied) {
        assert_killed_midway(applied, counts.records());
        deployment.run_until_caught_up();
        assert_no_dead_letters(deployment);
        assert_books_balance(deployment, counts.records());
    }
    assert_history(&source, &history, HistoryCounts::of(counts));
    assert_mirror(&source, &mirror);
}

#[test]
fn f49_a_warehouse_that_crashes_three_times_during_a_load_costs_nothing() {
    let cluster = Cluster::start(ClusterOptions::default()).expect("a warehouse cluster");
    let source = Source::fresh("unsteady");
    let topic = source.capture(SchemaBlock::Off, 1);
    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("unsteady_{}", mode.word());
        let warehouse = Warehouse::on(&cluster, &name);
        Deployment::new(&name, mode, &topic, warehouse).initialised()
    });
    let mut running = [&history, &mirror].map(Deployment::start);

    let (permit, permits) = mpsc::channel();
    let oracle = thread::scope(|scope| {
        let loader = scope.spawn(|| load_by_permit(&source, &{ permits }));
        for _ in 0..3 {
            let before = [&history, &mirror].map(Deployment::applied);
            permit.send(()).expect("the load goes on");
            until("progress of both pipelines", || {
                running.iter_mut().for_each(Running::assert_running);
                let now = [&history, &mirror].map(Deployment::applied);
                now.iter().zip(&before).all(|(now, before)| now > before)
            });
            cluster.restart(StopMode::Immediate).expect("a warehouse that recovers");
        }
        permit.send(()).expect("the load goes on");
        drop(permit);
        loader.join().expect("a load without an error")
    });
    topic.wait_for(oracle.counts().records());
    for (deployment, mut running) in [&history, &mirror].into_iter().zip(running) {
        deployment.wait_applied(&mut running, oracle.counts().records());
        running.terminate().expect_code(0);
        assert_no_dead_letters(deployment);
        assert_books_balance(deployment, oracle.counts().records());
    }
    assert_history(&source, &history, HistoryCounts::of(oracle.counts()));
    assert_mirror(&source, &mirror);
}

#[test]
fn f19_a_running_pipeline_waits_while_the_broker_is_down_and_then_goes_on() {
    /// Longer than a client needs to notice, and to try again several times.
    const ABSENCE: Duration = Duration::from_secs(4);

    let options = BrokerOptions { heap_mib: 256, ..BrokerOptions::default() };
    let broker = Broker::start(&options).expect("a broker");
    let topic = Topic::on(&broker, "dbserver1.public.orders", 1);
    let warehouse = Warehouse::shared("brokerless");
    let deployment = Deployment::new("brokerless", Mode::History, &topic, warehouse).initialised();
    let mut workload = Workload::new(WorkloadOptions::default());
    let mut oracle = Oracle::default();
    let mut writer = envelopes();
    let mut publish = || {
        let transactions: Vec<_> = workload.by_ref().take(2_000).collect();
        for transaction in &transactions {
            oracle.apply(transaction);
        }
        topic.publish(&letters(&mut writer, &transactions));
        oracle.clone()
    };

    let before = publish();
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, before.counts().records());
    broker.kill();
    let began = Instant::now();
    while began.elapsed() < ABSENCE {
        running.assert_running();
        thread::sleep(Duration::from_millis(50));
    }
    broker.restart().expect("a broker that comes back");
    let after = publish();
    deployment.wait_applied(&mut running, after.counts().records());
    running.terminate().expect_code(0);
    assert_no_dead_letters(&deployment);
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, after.counts().events());
    let cents = "select (sum(amount) * 100)::bigint from orders_latest";
    assert_eq!(deployment.warehouse.ask(cents), after.amount_cents().to_string());
}
