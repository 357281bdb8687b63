//! A warehouse that is away while its source goes on.

use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, StopMode};

use super::Busy;
use crate::rig::{Deployment, Mode, until};

const ORDERS: u32 = 1_000;

/// More than is kept for a slot that has caught up.
const KEPT_BYTES: u64 = 2_000_000;

/// What the newest line of progress says by this name.
fn newest(log: &str, field: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains("progress") && line.contains(field))?;
    let (_, rest) = line.split_once(&format!("{field}="))?;
    rest.split(' ').next().map(|value| value.trim_matches('"').to_owned())
}

#[test]
fn f78_what_the_source_keeps_for_a_warehouse_that_is_away_is_said_and_then_caught_up() {
    let options = ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).expect("a warehouse cluster");
    let busy = Busy::on(Cluster::shared(), "native_away", ORDERS);
    let deployment: Deployment<'_> = busy.deployment("native_away", Mode::Mirror, &cluster);
    let mut running = deployment.start();
    let caught_up = || {
        let sum = "select count(*), sum(amount) from ";
        let theirs = busy.source.run(&format!("{sum} orders"));
        deployment.warehouse.try_ask(&format!("{sum} orders_current")) == Ok(theirs)
    };
    until("the first rows", caught_up);
    cluster.stop();
    let mut number = 0;
    let kept = |log: &str| newest(log, "retained_bytes")?.parse::<u64>().ok();
    until("word of the log that the source keeps", || {
        running.assert_running();
        number += 1;
        assert!(busy.change(number), "the source refused");
        let log = running.log();
        let is_said = newest(&log, "wal_status").is_some_and(|status| status == "reserved");
        is_said && kept(&log).is_some_and(|bytes| bytes > KEPT_BYTES)
    });
    cluster.restart(StopMode::Fast).expect("a warehouse that comes back");
    until("the rest", || {
        running.assert_running();
        caught_up()
    });
    running.terminate().expect_code(0);
    busy.assert_arrived(&deployment);
}
