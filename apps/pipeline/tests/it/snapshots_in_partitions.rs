//! A snapshot that is taken again into a topic of several partitions: its last row stands in one of them,
//! and what it no longer shows is gone from all.

use std::thread;
use std::time::Duration;

use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Topic, Warehouse, assert_books_balance,
    assert_history, assert_mirror, assert_no_dead_letters, stack, until,
};

const ROWS: u64 = 600;

const ORDERS: &str = "\
    insert into orders (order_id, customer_id, product_name, amount, status) \
    select id, id % 100, 'Laptop', 10.25 + id, 'pending' from generate_series(1, 600) as id";

/// What happens while no connector looks.
const MEANWHILE: &str = "\
    delete from orders where order_id % 10 = 2; \
    update orders set status = 'paid' where order_id % 10 = 3";

/// One order of ten: enough for all partitions.
fn change(source: &Source, status: &str, tenth: u64) {
    source.run(&format!("update orders set status = '{status}' where order_id % 10 = {tenth}"));
}

const TENTH: u64 = ROWS / 10;

/// Longer than it takes until a process looks at what another has applied.
const LOOK: Duration = Duration::from_millis(1_100);

#[test]
fn f100_a_snapshot_taken_again_into_three_partitions_leaves_the_mirror_equal() {
    let worker = stack().connect();
    let source = Source::fresh("spread");
    source.run(ORDERS);
    let topic = Topic::shared("spread.public.orders", 3);
    source.put_on(worker, "initial", &[]);
    topic.wait_for(ROWS);
    let deployments = Mode::BOTH.map(|mode| {
        let name = format!("spread_{}", mode.word());
        let deployment = Deployment::new(&name, mode, &topic, Warehouse::shared(&name));
        deployment.without_truncates().initialised()
    });
    let mut running = [&deployments[0], &deployments[1]].map(Deployment::start);
    let mut applied = |records: u64| {
        topic.wait_for(records);
        for (deployment, running) in deployments.iter().zip(&mut running) {
            deployment.wait_applied(running, records);
        }
    };
    applied(ROWS);

    // The connector is made anew, and its place in the source's log is lost.
    worker.delete_connector("spread").expect("a connector that goes");
    let slots = "select count(*) from pg_replication_slots where slot_name = 'spread' and active";
    until("the slot is free", || source.run(slots) == "0");
    source.run("select pg_drop_replication_slot('spread')");
    source.run(MEANWHILE);
    source.put_on(worker, "always", &[]);
    let read = ROWS + ROWS - TENTH;
    applied(read);
    change(&source, "streamed", 4);
    applied(read + TENTH);
    // What one partition waits for may have been applied behind the last change of another.
    thread::sleep(LOOK);
    change(&source, "again", 5);
    let records = read + 2 * TENTH;
    applied(records);
    for running in running {
        running.terminate().expect_code(0);
    }
    let [history, mirror] = &deployments;
    let partitions = "select count(distinct cdc_partition) from orders_current";
    assert_eq!(mirror.warehouse.count(partitions), 3);
    assert_mirror(&source, mirror);
    let counts = HistoryCounts { read, updated: 2 * TENTH, ..HistoryCounts::default() };
    assert_history(&source, history, counts);
    let ends = "select string_agg(partition::text, ',' order by partition) from cdc.table_event \
                where kind = 'snapshot_end' and note is null and source_lsn = \
                (select max(source_lsn) from cdc.table_event)";
    for deployment in &deployments {
        assert_eq!(deployment.warehouse.ask(ends), "0,1,2");
        assert_no_dead_letters(deployment);
        assert_books_balance(deployment, records);
    }
}
