//! Crashes during snapshot and stream under load: of the pipeline, of the source.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, StopMode};

use super::Busy;
use crate::rig::{Deployment, Moments, Running, until};

const KILLS: u32 = 25;

/// So many are there before the pipelines: the snapshot outlives some of the crashes.
const ORDERS: u32 = 40_000;

const RESTARTS: u32 = 5;

/// Whether the snapshot has begun and is not at its end: nothing of the stream has come.
fn is_inside_snapshot(deployment: &Deployment<'_>) -> bool {
    let sql = "select count(*) filter (where partition = 0 and next_offset is not null) = 0 and sum(next_offset) > 0 \
               from cdc.checkpoint";
    deployment.warehouse.ask(sql) == "t"
}

/// Starts the pipeline and kills it at a random moment, again and again. How many of the moments were
/// inside the snapshot, and how many behind it.
fn kill_again_and_again(deployment: &Deployment<'_>, moments: &mut Moments) -> [u32; 2] {
    let mut met = [0, 0];
    for number in 0..KILLS {
        let before = deployment.applied();
        let mut running = deployment.start();
        // One in four dies while it still starts, the others soon after they began to write.
        if moments.below(4) > 0 {
            wait_for_progress(deployment, &mut running, before);
        }
        let span_ms = if number < KILLS / 2 { 40 } else { 300 };
        thread::sleep(Duration::from_millis(moments.below(span_ms)));
        running.kill_9();
        let is_inside = is_inside_snapshot(deployment);
        met[0] += u32::from(is_inside);
        met[1] += u32::from(!is_inside && deployment.applied() > before);
    }
    met
}

/// Waits until something more was applied, but not for ever.
fn wait_for_progress(deployment: &Deployment<'_>, running: &mut Running, before: u64) {
    let began = Instant::now();
    while deployment.applied() == before && began.elapsed() < Duration::from_secs(5) {
        running.assert_running();
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn f01_f98_a_pipeline_killed_at_twenty_five_random_moments_neither_loses_nor_repeats_a_change() {
    let mut moments = Moments::seeded();
    let mut others = moments.fork();
    let busy = Busy::on(Cluster::shared(), "native_killed", ORDERS);
    let [history, mirror] = busy.deployments("native_killed", Cluster::shared());
    let stop = AtomicBool::new(false);
    let (changed, met) = thread::scope(|scope| {
        let loader = scope.spawn(|| busy.change_until(&stop));
        let mirrored = scope.spawn(|| kill_again_and_again(&mirror, &mut others));
        let met = kill_again_and_again(&history, &mut moments);
        let met = [met, mirrored.join().expect("kills without an error")];
        stop.store(true, Ordering::Relaxed);
        (loader.join().expect("a load without an error"), met)
    });
    println!("{changed} transactions; kills in snapshot and stream: {met:?}");
    assert!(changed > 20, "{changed} transactions only");
    assert!(
        met.iter().map(|[inside, _]| inside).sum::<u32>() > 2,
        "kills met no snapshot: {met:?}"
    );
    assert!(met.iter().all(|[_, streamed]| *streamed > 2), "kills met no stream: {met:?}");
    for deployment in [&history, &mirror] {
        deployment.run_until_caught_up();
        busy.assert_arrived(deployment);
    }
}

#[test]
fn f75_a_source_that_crashes_five_times_during_snapshot_and_stream_costs_nothing() {
    let mut moments = Moments::seeded();
    let options = ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() };
    // It is stopped with the process, as the shared ones are.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(options).expect("a source")));
    let busy = Busy::on(cluster, "native_unsteady", ORDERS);
    let deployments = busy.deployments("native_unsteady", Cluster::shared());
    let mut running = deployments.each_ref().map(Deployment::start);
    let stop = AtomicBool::new(false);
    let changed = thread::scope(|scope| {
        let loader = scope.spawn(|| busy.change_until(&stop));
        for _ in 0..RESTARTS {
            let before = deployments.each_ref().map(Deployment::applied);
            until("progress of both pipelines", || {
                running.iter_mut().for_each(Running::assert_running);
                let now = deployments.each_ref().map(Deployment::applied);
                now.iter().zip(&before).all(|(now, before)| now > before)
            });
            thread::sleep(Duration::from_millis(moments.below(300)));
            cluster.restart(StopMode::Immediate).expect("a source that recovers");
        }
        stop.store(true, Ordering::Relaxed);
        loader.join().expect("a load without an error")
    });
    assert!(changed > 5, "{changed} transactions only");
    for (deployment, running) in deployments.iter().zip(running) {
        running.terminate().expect_code(0);
        deployment.run_until_caught_up();
        busy.assert_arrived(deployment);
    }
}
