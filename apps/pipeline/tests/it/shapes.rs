//! Both envelope shapes, as a history and as a mirror, from real tables through real Debezium.

use cdc_stack::connector::SchemaBlock;
use cdc_workload::{Hostility, Oracle, Workload, WorkloadOptions};

use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Warehouse, assert_history, assert_mirror,
    assert_no_dead_letters,
};

/// Rows that the connector finds in the table when it starts.
const SNAPSHOT_ROWS: u32 = 500;

/// Rows for the connector's snapshot, with keys apart from those of the traffic that follows.
fn load_first(source: &Source) -> Oracle {
    let options =
        WorkloadOptions { seed: 1, first_order_id: 1_000_000, ..WorkloadOptions::default() };
    let mut oracle = Oracle::default();
    source.load(&mut oracle, Workload::new(options).copy(SNAPSHOT_ROWS));
    oracle
}

/// What breaks software: small transactions, a large one, a COPY, keys that change and come back.
fn load_rest(source: &Source) -> Oracle {
    let options = WorkloadOptions {
        seed: 2,
        keys: 4_000,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let mut workload = Workload::new(options);
    let mut oracle = Oracle::default();
    source.load(&mut oracle, workload.by_ref().take(500));
    source.load(&mut oracle, workload.transaction(10_000));
    source.load(&mut oracle, workload.copy(2_000));
    source.load(&mut oracle, workload.by_ref().take(500));
    source.load(&mut oracle, workload.transaction(1_000));
    let counts = oracle.counts();
    assert!(counts.key_changes > 10 && counts.deletes > 100, "hostile enough: {counts:?}");
    oracle
}

fn arrives_exactly(name: &str, schemas: SchemaBlock) {
    let source = Source::fresh(name);
    let snapshot = load_first(&source);
    let topic = source.capture(schemas, 1);
    let read = snapshot.counts().events();
    topic.wait_for(read);
    let rest = load_rest(&source);
    topic.wait_for(read + rest.counts().records());

    let [history, mirror] = Mode::BOTH.map(|mode| {
        let name = format!("{name}_{}", mode.word());
        let warehouse = Warehouse::shared(&name);
        Deployment::new(&name, mode, &topic, warehouse).for_schemas(schemas).initialised()
    });
    for deployment in [&history, &mirror] {
        deployment.run_until_caught_up();
        assert_no_dead_letters(deployment);
    }
    assert_mirror(&source, &mirror);
    let counts = HistoryCounts { read, ..HistoryCounts::of(rest.counts()) };
    assert_history(&source, &history, counts);
}

#[test]
fn hostile_traffic_arrives_in_every_cell_when_messages_carry_their_schema() {
    arrives_exactly("shape_described", SchemaBlock::On);
}

#[test]
fn hostile_traffic_arrives_in_every_cell_when_types_are_declared() {
    arrives_exactly("shape_bare", SchemaBlock::Off);
}
