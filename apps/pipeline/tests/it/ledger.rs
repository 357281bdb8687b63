//! `ledger`: the books of a pipeline balance, and a checkpoint that somebody moves is noticed.

use std::time::{Duration, Instant};

use cdc_workload::{Oracle, Workload, WorkloadOptions};
use serde_json::Value;

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, until};

#[test]
fn the_books_balance_until_a_checkpoint_is_moved_which_a_running_pipeline_notices() {
    let topic = Topic::shared("books.public.orders", 2);
    let transactions: Vec<_> = Workload::new(WorkloadOptions::default()).take(300).collect();
    topic.publish(&letters(&mut envelopes(), &transactions));
    let records = Oracle::of(&transactions).counts().records();
    let deployment = Deployment::new("books", Mode::Mirror, &topic, Warehouse::shared("books"))
        .without_truncates()
        .initialised();
    let mut running = deployment.start();
    deployment.wait_applied(&mut running, records);
    // A pipeline that runs does not disturb whoever reads the books.
    let balanced = deployment.execute(&["ledger"]).expect_code(0);
    let verdict = format!("books balance: 2 partitions, {records} records");
    assert_eq!(balanced.stdout.lines().last(), Some(&*verdict), "{}", balanced.stdout);

    let warehouse = &deployment.warehouse;
    let head = warehouse.ask("select next_offset from cdc.checkpoint where partition = 1");
    let moved = Instant::now();
    warehouse.ask("update cdc.checkpoint set next_offset = next_offset - 1 where partition = 1");
    let alarm = "the books do not balance: the checkpoint of books.public.orders/0/1 stands at ";
    until("the alarm", || {
        running.assert_running();
        running.log().contains(alarm)
    });
    let took = moved.elapsed();
    assert!(took < Duration::from_secs(10), "the alarm took {took:?}");
    running.terminate().expect_code(0).expect_words(&["ERROR", "put the checkpoint back"]);

    let mismatch = deployment.execute(&["ledger"]).expect_code(3);
    let said = format!("mismatch [head] books.public.orders/0/1 at {head}: ");
    assert!(mismatch.stdout.contains(&said), "{}", mismatch.stdout);
    mismatch.expect_words(&["the books do not balance: 1 place, listed above"]);
    let printed = deployment.execute(&["ledger", "--json"]).expect_code(3).stdout;
    let value: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(value["balanced"], false, "{value}");
    let fix = value["mismatches"][0]["fix"].as_str().expect("a fix");
    let (_, update) = fix.split_once("put the checkpoint back: ").expect("a statement");
    let (update, _) = update.split_once("; or").expect("another way");
    warehouse.ask(update);
    deployment.execute(&["ledger"]).expect_code(0);
}
