//! Kills at one exact moment each, on the way of a batch from its rows to what its group hears of it.

use std::thread;
use std::time::Duration;

use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_workload::{Oracle, Transaction, Workload, WorkloadOptions};

use crate::rig::topic::{Letter, envelopes, letters};
use crate::rig::{
    Deployment, HistoryCounts, Mode, Running, Topic, Warehouse, assert_books_balance,
    assert_no_dead_letters, until,
};

fn traffic(transactions: usize) -> Vec<Transaction> {
    Workload::new(WorkloadOptions::default()).take(transactions).collect()
}

/// Rows, dead letters, and how far the log has been applied.
fn standing(deployment: &Deployment<'_>) -> [u64; 3] {
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    let dead = deployment.warehouse.count("select count(*) from cdc.dead_letter");
    [rows, dead, deployment.applied()]
}

/// Kills a pipeline when its batch has written to this table and waits there. Its transaction is then
/// left to itself, until the server has ended it.
fn kill_behind(table: &str, deployment: &Deployment<'static>) {
    let warehouse = &deployment.warehouse;
    warehouse.ask(&format!(
        "create table if not exists public.gate (); \
         create or replace function public.wait_at_gate() returns trigger language plpgsql as $$ \
         begin perform count(*) from public.gate; return null; end $$; \
         create trigger gate after insert on {table} for each statement \
         execute function public.wait_at_gate()"
    ));
    let held = warehouse.hold("public.gate");
    let running: Running = deployment.start();
    held.wait_until_wanted();
    running.kill_9();
    drop(held);
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() \
                    and backend_type = 'client backend' and pid <> pg_backend_pid()";
    until("the end of the killed one's sessions", || warehouse.count(sessions) == 0);
    warehouse.ask(&format!("drop trigger gate on {table}"));
}

#[test]
fn f01_f02_f04_a_pipeline_killed_before_behind_and_at_its_commit_has_all_of_a_batch_or_nothing() {
    let topic = Topic::shared("moments.public.orders", 1);
    let transactions = traffic(300);
    let oracle = Oracle::of(&transactions);
    let mut records = letters(&mut envelopes(), &transactions);
    let bad = Letter { key: b"{}".to_vec(), value: Some(b"no message".to_vec()) };
    for place in [1, records.len() / 2, records.len()] {
        records.insert(place, bad.clone());
    }
    topic.publish(&records);
    let warehouse = Warehouse::shared("moments");
    let deployment = Deployment::new("moments", Mode::History, &topic, warehouse);
    let deployment = deployment.with_instance_id().initialised();

    kill_behind("public.orders_fact", &deployment);
    assert_eq!(standing(&deployment), [0, 0, 0], "rows that were sent are gone");
    kill_behind("cdc.dead_letter", &deployment);
    let [rows, dead, applied] = standing(&deployment);
    assert!(dead == 0 && rows <= applied && applied <= 1, "{rows}, {dead}, {applied}");
    // COMMIT travels with the entry of the ledger: the server has it, nobody hears of it.
    kill_behind("cdc.ledger", &deployment);
    let [rows, dead, applied] = standing(&deployment);
    assert!(applied > 0 && rows + dead <= applied, "{rows}, {dead}, {applied}");

    let summary = deployment.run_until_caught_up();
    let all = u64::try_from(records.len()).expect("few records");
    assert_eq!(summary["records"], all - applied, "{summary}");
    let rows = HistoryCounts::of(oracle.counts()).rows();
    assert_eq!(standing(&deployment), [rows, 3, all]);
    assert_books_balance(&deployment, all);
}

#[test]
fn f02_f03_a_pipeline_killed_while_its_group_is_told_goes_on_from_the_warehouse() {
    let options = BrokerOptions { heap_mib: 256, ..BrokerOptions::default() };
    let broker = Broker::start(&options).expect("a broker");
    let topic = Topic::on(&broker, "untold.public.orders", 1);
    let transactions = traffic(2_000);
    let records = letters(&mut envelopes(), &transactions);
    topic.publish(&records);
    let warehouse = Warehouse::shared("untold");
    let deployment = Deployment::new("untold", Mode::History, &topic, warehouse);
    let deployment = deployment.with_instance_id().initialised();

    let held = deployment.warehouse.hold(Mode::History.target());
    let running = deployment.start();
    held.wait_until_wanted();
    // From here on the broker takes what it is sent, and neither does it nor answers.
    broker.freeze().expect("a broker that stands still");
    drop(held);
    until("a batch that is applied", || deployment.applied() > 0);
    // The group is told every second.
    thread::sleep(Duration::from_millis(1_500));
    running.kill_9();
    broker.thaw();

    let applied = deployment.applied();
    let summary = deployment.run_until_caught_up();
    let all = u64::try_from(records.len()).expect("few records");
    assert_eq!(summary["records"], all - applied, "{summary}");
    let rows = HistoryCounts::of(Oracle::of(&transactions).counts()).rows();
    assert_eq!(standing(&deployment), [rows, 0, all]);
    assert_no_dead_letters(&deployment);
    assert_books_balance(&deployment, all);
}
