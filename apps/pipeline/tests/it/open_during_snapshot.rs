//! A transaction that is open while the connector reads its snapshot: its changes lie before the
//! snapshot in the source's log, and after it in the topic. Positions of the source would take them
//! for older than the rows that they replace.

use std::sync::Arc;
use std::thread;

use cdc_stack::connector::SchemaBlock;

use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Warehouse, assert_history, assert_mirror,
    assert_no_dead_letters, until,
};

const ROWS: u64 = 3;

/// Three orders, and what the connector would otherwise make itself: a new slot waits for the end of
/// every open transaction, so it must be there before.
const BEFORE: &str = "\
    insert into orders (order_id, customer_id, product_name, amount, status) \
    select id, 7, 'Laptop', 10.25 * id, 'pending' from generate_series(1, 3) as id; \
    create table gate (opened boolean); \
    create publication midway for table orders; \
    select from pg_create_logical_replication_slot('midway', 'pgoutput')";

/// An update that is committed once the gate is open. A loop that nobody lets go on ends by itself.
const TRANSACTION: &str = "\
    begin; \
    update orders set status = 'shipped', amount = 99.99 where order_id = 1; \
    do $$ begin \
        for attempt in 1 .. 4000 loop \
            exit when exists (select from gate); \
            perform pg_sleep(0.05); \
        end loop; \
        if not exists (select from gate) then raise 'the gate has stayed shut'; end if; \
    end $$; \
    commit";

/// How many transactions have an uncommitted update.
const OPEN: &str = "\
    select count(*) from pg_locks where relation = 'orders'::regclass \
    and mode = 'RowExclusiveLock' and granted";

/// The versions of the updated order as they came, each with whether its position in the source's
/// log is below that of the version before.
const VERSIONS: &str = "\
    select operation_type, status, source_lsn < lag(source_lsn) over versions from orders_fact \
    where order_id = 1 window versions as (order by cdc_generation, cdc_offset, cdc_ordinal) \
    order by cdc_generation, cdc_offset, cdc_ordinal";

#[test]
fn an_update_that_was_open_during_the_snapshot_wins_although_its_position_is_lower() {
    let source = Arc::new(Source::fresh("midway"));
    source.run(BEFORE);
    let session = thread::spawn({
        let source = Arc::clone(&source);
        move || source.run(TRANSACTION)
    });
    until("an open update", || source.run(OPEN) == "1");
    // The snapshot's position is that up to which the log is written, and nobody else would write what
    // has not been committed.
    source.run("checkpoint");
    let topic = source.capture(SchemaBlock::Off, 1);
    topic.wait_for(ROWS);
    assert_eq!(source.run(OPEN), "1", "the transaction outlasts the snapshot");
    source.run("insert into gate values (true)");
    session.join().expect("a committed update");
    topic.wait_for(ROWS + 1);

    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("midway_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    for deployment in [&history, &mirror] {
        deployment.run_until_caught_up();
        assert_no_dead_letters(deployment);
    }
    assert_eq!(history.warehouse.ask(VERSIONS), "r|pending|\nu|shipped|t");
    let counts = HistoryCounts { read: ROWS, updated: 1, ..HistoryCounts::default() };
    assert_history(&source, &history, counts);
    assert_mirror(&source, &mirror);
    let updated = |table| format!("select status, amount from {table} where order_id = 1");
    assert_eq!(history.warehouse.ask(&updated("orders_latest")), "shipped|99.99");
    assert_eq!(mirror.warehouse.ask(&updated("orders_current")), "shipped|99.99");
}
