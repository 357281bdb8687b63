//! A source that went back, a slot that was lost, and tables that are read again.

use cdc_stack::postgres::Cluster;

use super::Busy;
use crate::restored_source::Restorable;
use crate::rig::{Deployment, until};

const ORDERS: u32 = 3_000;

/// Drops the slot of a pipeline that has ended, as its errors say.
fn drop_slot(busy: &Busy, deployment: &Deployment<'_>) {
    let slot = &deployment.name;
    let active = format!("select active from pg_replication_slots where slot_name = '{slot}'");
    until("a slot that nobody reads", || busy.source.run(&active) != "t");
    busy.source.run(&format!("select pg_drop_replication_slot('{slot}')"));
}

/// Runs, which must halt with these words and apply nothing.
#[track_caller]
fn assert_halts(deployment: &Deployment<'_>, words: &[&str]) {
    let before = deployment.applied();
    let ended = deployment.execute(&["run", "--until-caught-up"]).expect_code(3);
    ended.expect_words(words).expect_words(&["accept-incarnation", "pg_drop_replication_slot"]);
    assert_eq!(deployment.applied(), before, "it has gone on");
}

/// Goes on in a new generation.
fn accept(deployment: &Deployment<'_>) {
    let topic = deployment.name.clone();
    let accept = ["accept-incarnation", "--topic", &topic, "--reason", "a slot of a test"];
    deployment.execute(&accept).expect_code(0);
}

fn change(busy: &Busy, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert!(busy.change(number), "the source refused");
    }
}

#[test]
fn f100_tables_that_are_read_again_behind_a_lost_slot_are_as_the_source_has_them() {
    let busy = Busy::on(Cluster::shared(), "native_again", ORDERS);
    let deployments = busy.deployments("native_again", Cluster::shared());
    for (round, deployment) in (0_u32..).zip(&deployments) {
        deployment.run_until_caught_up();
        change(&busy, round * 10..round * 10 + 5);
        deployment.run_until_caught_up();
        busy.assert_arrived(deployment);
        for again in 0..2 {
            drop_slot(&busy, deployment);
            // What nobody streams: rows come, change and go.
            let from = 100 + round * 100 + again * 10;
            change(&busy, from..from + 5);
            assert_halts(deployment, &["is gone"]);
            accept(deployment);
            deployment.run_until_caught_up();
            busy.assert_arrived(deployment);
            change(&busy, from + 5..from + 8);
            deployment.run_until_caught_up();
            busy.assert_arrived(deployment);
        }
    }
}

#[test]
fn f82_a_source_that_was_restored_halts_until_its_tables_are_read_again() {
    let server = Restorable::start();
    let busy = Busy::on(server.server(), "native_restored", ORDERS);
    let deployments = busy.deployments("native_restored", Cluster::shared());
    for deployment in &deployments {
        deployment.run_until_caught_up();
    }
    change(&busy, 0..3);
    for deployment in &deployments {
        deployment.run_until_caught_up();
    }
    server.back_up();
    change(&busy, 3..20);
    let position = "select pg_current_wal_lsn() - '0/0'";
    let number = |text: String| text.parse::<u64>().expect("a number");
    let reached = number(busy.source.run(position));
    for deployment in &deployments {
        deployment.run_until_caught_up();
    }

    server.restore();
    assert!(number(busy.source.run(position)) < reached, "the log went on: the test shows nothing");
    for deployment in &deployments {
        assert_halts(deployment, &["the source was restored"]);
    }
    // Farther than it had been: positions alone no longer tell.
    let mut changed = 50;
    while number(busy.source.run(position)) < reached + 1_000_000 {
        change(&busy, changed..changed + 1);
        changed += 1;
    }
    for deployment in &deployments {
        assert_halts(deployment, &["the source was restored"]);
        drop_slot(&busy, deployment);
        accept(deployment);
        deployment.run_until_caught_up();
        busy.assert_arrived(deployment);
    }
}
