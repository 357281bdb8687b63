//! Snapshots that are taken again: by a connector that was killed in the middle of its first one, and by
//! one that was made anew. What was deleted meanwhile is in neither, and nothing in the log says so.

use cdc_stack::connect::{Connect, ConnectOptions};

use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Warehouse, assert_books_balance, assert_history,
    assert_mirror, assert_no_dead_letters, stack, until,
};

const ROWS: u64 = 40_000;

/// The orders, as they are before any snapshot.
const ORDERS: &str = "\
    insert into orders (order_id, customer_id, product_name, amount, status) \
    select id, id % 100, 'Laptop', 10.25 + id, 'pending' from generate_series(1, 40000) as id";

/// What happens while no connector looks: of the rows that were read already, some are gone and some
/// are others, and of those that were not.
const MEANWHILE: &str = "\
    delete from orders where order_id % 10 = 0; \
    update orders set status = 'shipped' where order_id % 10 = 1; \
    insert into orders (order_id, customer_id, product_name, amount, status) \
    values (50001, 1, 'Late', 1.00, 'pending')";

/// The same once more.
const LATER: &str = "delete from orders where order_id % 10 = 2; \
                     update orders set status = 'paid' where order_id % 10 = 3";

const STREAMED: &str = "\
    insert into orders (order_id, customer_id, product_name, amount, status) \
    values (60001, 1, 'Streamed', 1.00, 'pending'); \
    update orders set status = 'streamed' where order_id = 4; \
    delete from orders where order_id = 5";

/// Two changes, and a delete with its tombstone.
const STREAMED_RECORDS: u64 = 4;

/// Begin, end and note of each snapshot.
const SNAPSHOTS: &str = "\
    select kind, note from cdc.table_event where kind <> 'truncate' order by \"offset\", kind";

fn worker() -> Connect {
    let settings = [
        ("group.id", "snapshots"),
        ("config.storage.topic", "snapshots-configs"),
        ("offset.storage.topic", "snapshots-offsets"),
        ("status.storage.topic", "snapshots-statuses"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = ConnectOptions { heap_mib: 512, settings, ..ConnectOptions::default() };
    Connect::start(stack().broker(), &options).expect("a worker")
}

fn rows(source: &Source) -> u64 {
    source.run("select count(*) from orders").parse().expect("a number")
}

#[test]
fn f98_f100_snapshots_taken_again_leave_the_mirror_equal_and_the_history_told_apart() {
    let worker = worker();
    let source = Source::fresh("snapshots");
    source.run(ORDERS);
    // Small batches, so that the snapshot takes long enough to be killed in its middle.
    let slow = [("max.batch.size", "20"), ("max.queue.size", "40")];
    let topic = source.capture_on_with(&worker, "initial", &slow);
    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("snapshots_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    until("the snapshot has begun", || topic.records() > 500);
    worker.kill();
    for deployment in [&history, &mirror] {
        deployment.run_until_caught_up();
        let shown = "select count(*) from cdc.table_event where kind = 'snapshot_end'";
        assert_eq!(deployment.warehouse.count(shown), 0);
    }
    let first = topic.records();
    assert!(first < ROWS, "the snapshot was complete: the test shows nothing");

    source.run(MEANWHILE);
    let mut running = [&history, &mirror].map(Deployment::start);
    worker.restart().expect("a worker that comes back");
    source.wait_captured(&worker);
    let second = rows(&source);
    topic.wait_for(first + second);
    for (deployment, running) in [&history, &mirror].into_iter().zip(&mut running) {
        deployment.wait_applied(running, first + second);
    }
    let read = HistoryCounts { read: first + second, ..HistoryCounts::default() };
    assert_mirror(&source, &mirror);
    assert_history(&source, &history, read);

    // The connector is made anew, and its place in the source's log is lost.
    worker.delete_connector("snapshots").expect("a connector that goes");
    let slots =
        "select count(*) from pg_replication_slots where slot_name = 'snapshots' and active";
    until("the slot is free", || source.run(slots) == "0");
    source.run("select pg_drop_replication_slot('snapshots')");
    source.run(LATER);
    source.put_on(&worker, "always", &[]);
    let third = rows(&source);
    topic.wait_for(first + second + third);
    source.run(STREAMED);
    let records = first + second + third + STREAMED_RECORDS;
    topic.wait_for(records);
    for (deployment, running) in [&history, &mirror].into_iter().zip(&mut running) {
        deployment.wait_applied(running, records);
    }
    for running in running {
        running.terminate().expect_code(0);
    }
    for deployment in [&history, &mirror] {
        assert_no_dead_letters(deployment);
        assert_books_balance(deployment, records);
    }
    let counts = HistoryCounts { read: first + second + third, created: 1, updated: 1, deleted: 1 };
    assert_mirror(&source, &mirror);
    assert_history(&source, &history, counts);
    let waves = "select count(*) from orders_fact where cdc_wave is not null \
                 group by cdc_wave order by min(cdc_offset)";
    assert_eq!(history.warehouse.ask(waves), format!("{first}\n{second}\n{third}"));
    let known = "snapshot_begin|\nsnapshot_begin|\nsnapshot_end|\nsnapshot_begin|\nsnapshot_end|";
    assert_eq!(history.warehouse.ask(SNAPSHOTS), known);
    let empty = known.replacen("snapshot_begin|", "snapshot_begin|nothing_before", 1);
    assert_eq!(mirror.warehouse.ask(SNAPSHOTS), empty);
}
