//! Stopping while a batch cannot be applied: within the drain limit, beyond it, and at once.

use std::time::{Duration, Instant};

use cdc_stack::postgres::{Cluster, ClusterOptions, StopMode};
use cdc_workload::{EnvelopeWriter, Oracle, Workload, WorkloadOptions};
use rustix::process::Signal;

use crate::rig::topic::{envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Topic, Warehouse, assert_no_dead_letters, until,
};

/// Transactions of ten changes that are published at a time.
const STEP: usize = 100;

/// An end that waits for nothing but the drain limit, with room for a busy machine. It is far below
/// the 30 s that draining may take unless configured.
const PROMPT: Duration = Duration::from_secs(15);

/// The configured drain limit.
const LIMIT: Duration = Duration::from_secs(1);

/// A pipeline from a topic that is filled step by step.
struct Load {
    topic: Topic,
    workload: Workload,
    writer: EnvelopeWriter,
    oracle: Oracle,
}

impl Load {
    fn new(name: &str) -> Self {
        let options = WorkloadOptions { changes_per_transaction: 10, ..WorkloadOptions::default() };
        Self {
            topic: Topic::shared(&format!("{name}.public.orders"), 1),
            workload: Workload::new(options),
            writer: envelopes(),
            oracle: Oracle::default(),
        }
    }

    /// Publishes the next step and gives the number of its records.
    fn publish(&mut self) -> u64 {
        let before = self.records();
        let transactions: Vec<_> = self.workload.by_ref().take(STEP).collect();
        for transaction in &transactions {
            self.oracle.apply(transaction);
        }
        self.topic.publish(&letters(&mut self.writer, &transactions));
        self.records() - before
    }

    fn records(&self) -> u64 {
        self.oracle.counts().records()
    }

    /// Runs the pipeline to the end of the topic; then everything must be there exactly once.
    fn finish(&self, deployment: &Deployment<'_>) {
        let applied = deployment.applied();
        let summary = deployment.run_until_caught_up();
        assert_eq!(summary["records"], self.records() - applied, "{summary}");
        assert_no_dead_letters(deployment);
        let (rows, shown) = match deployment.mode {
            Mode::History => (HistoryCounts::of(self.oracle.counts()).rows(), "orders_latest"),
            Mode::Mirror => (self.living(), "orders_current"),
        };
        let warehouse = &deployment.warehouse;
        let target = deployment.mode.target();
        assert_eq!(warehouse.count(&format!("select count(*) from {target}")), rows);
        assert_eq!(warehouse.count(&format!("select count(*) from {shown}")), self.living());
        let cents = format!("select (sum(amount) * 100)::bigint from {shown}");
        assert_eq!(warehouse.ask(&cents), self.oracle.amount_cents().to_string());
    }

    fn living(&self) -> u64 {
        u64::try_from(self.oracle.rows().len()).expect("few rows")
    }
}

fn deploy(name: &str, mode: Mode, load: &Load) -> Deployment<'static> {
    let warehouse = Warehouse::shared(name);
    Deployment::new(name, mode, &load.topic, warehouse).with_instance_id()
}

/// Stops a pipeline that waits for a table longer than it may. What is left stands in its log.
fn exceeds_the_drain_limit(mode: Mode) {
    let name = format!("undrained_{}", mode.word());
    let mut load = Load::new(&name);
    let mut deployment = deploy(&name, mode, &load);
    deployment.pipeline.push_str("drain_limit = \"1s\"\n");
    let deployment = deployment.initialised();
    let applied = load.publish();
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, applied);

    let held = deployment.warehouse.hold(mode.target());
    let left = load.publish();
    held.wait_until_wanted();
    until("progress that tells how far behind it is", || {
        running.assert_running();
        running.log().contains(&format!("\"lag_records\":{left},"))
    });
    let asked = Instant::now();
    let ended = running.terminate().expect_code(5);
    let elapsed = asked.elapsed();
    assert!((LIMIT..PROMPT).contains(&elapsed), "{elapsed:?}");
    ended.expect_words(&[
        "did not finish within the drain limit of 1 s",
        &format!("failed: {applied} records"),
        &format!("; {left} more in the log, to be read at the next start"),
        "hint: start again: the warehouse knows where to resume, nothing is lost or doubled",
    ]);
    assert_eq!(deployment.applied(), applied, "nothing was applied behind the lock");
    drop(held);
    load.finish(&deployment);
}

/// Signals a pipeline twice while it waits for a table.
fn ends_at_the_second_signal(name: &str, mode: Mode, signals: [Signal; 2]) {
    let mut load = Load::new(name);
    let deployment = deploy(name, mode, &load).initialised();
    let applied = load.publish();
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, applied);

    let held = deployment.warehouse.hold(mode.target());
    load.publish();
    held.wait_until_wanted();
    let [first, second] = signals;
    running.ask(first);
    let asked = Instant::now();
    running.insist(second).expect_code(130);
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
    assert_eq!(deployment.applied(), applied, "nothing was applied behind the lock");
    drop(held);
    load.finish(&deployment);
}

#[test]
fn f42_a_start_that_waits_for_a_broker_ends_when_it_is_asked_to() {
    let load = Load::new("waiting");
    let mut deployment = deploy("waiting", Mode::History, &load);
    deployment.brokers = "127.0.0.1:1".to_owned();
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = deployment.start();
        until("word that it waits", || running.log().contains("waiting for Kafka"));
        let began = Instant::now();
        running.ask(signal);
        running.wait().expect_code(0);
        assert!(began.elapsed() < PROMPT, "it waited for the broker all the same");
    }
}

#[test]
fn f05_f56_a_history_that_cannot_drain_in_time_says_what_is_left_and_the_next_run_brings_it() {
    exceeds_the_drain_limit(Mode::History);
}

#[test]
fn f05_f56_a_mirror_that_cannot_drain_in_time_says_what_is_left_and_the_next_run_brings_it() {
    exceeds_the_drain_limit(Mode::Mirror);
}

#[test]
fn f05_a_drain_that_is_unblocked_in_time_applies_everything() {
    let mut load = Load::new("unblocked");
    let deployment = deploy("unblocked", Mode::History, &load).initialised();
    let records = load.publish();
    let held = deployment.warehouse.hold(Mode::History.target());
    let mut running = deployment.start();
    held.wait_until_wanted();
    running.ask(Signal::TERM);
    drop(held);
    running.wait().expect_code(0).expect_words(&["stopped: "]);
    assert!(deployment.applied() > 0, "what was in flight has been applied");
    assert!(deployment.applied() <= records);
    load.finish(&deployment);
}

#[test]
fn f06_a_pipeline_whose_warehouse_is_down_ends_within_its_limit_and_the_next_run_brings_the_rest() {
    let cluster = Cluster::start(ClusterOptions::default()).expect("a warehouse cluster");
    let mut load = Load::new("down");
    let warehouse = Warehouse::on(&cluster, "down");
    let mut deployment = Deployment::new("down", Mode::History, &load.topic, warehouse);
    deployment.pipeline.push_str("drain_limit = \"1s\"\n");
    let deployment = deployment.with_instance_id().initialised();
    let applied = load.publish();
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, applied);
    cluster.kill();
    load.publish();
    until("word that the session is lost", || {
        running.assert_running();
        running.log().contains("warehouse")
    });
    let asked = Instant::now();
    running.terminate().expect_code(5).expect_words(&["did not finish within the drain limit"]);
    let elapsed = asked.elapsed();
    assert!((LIMIT..PROMPT).contains(&elapsed), "{elapsed:?}");
    cluster.restart(StopMode::Fast).expect("a warehouse that comes back");
    assert_eq!(deployment.applied(), applied);
    load.finish(&deployment);
}

#[test]
fn a_second_sigterm_ends_at_once_and_the_next_run_brings_everything() {
    ends_at_the_second_signal("twice_term", Mode::History, [Signal::TERM, Signal::TERM]);
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_the_next_run_brings_everything() {
    ends_at_the_second_signal("twice_int", Mode::Mirror, [Signal::INT, Signal::INT]);
}

#[test]
fn a_sigterm_after_a_ctrl_c_ends_at_once_and_the_next_run_brings_everything() {
    ends_at_the_second_signal("twice_mixed", Mode::History, [Signal::INT, Signal::TERM]);
}
