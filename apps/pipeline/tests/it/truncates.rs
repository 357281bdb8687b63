//! A truncated source: what came before is no longer shown, and what comes after it is, also under
//! the same keys.

use cdc_stack::connector::SchemaBlock;
use cdc_workload::{Hostility, Oracle, Workload, WorkloadOptions};

use crate::rig::{
    Deployment, HistoryCounts, Mode, Source, Topic, Warehouse, assert_history, assert_mirror,
    assert_no_dead_letters,
};

/// Rows that the connector finds in the table when it starts.
const SNAPSHOT_ROWS: u32 = 200;

/// Keys of the snapshot, apart from those of the traffic.
const SNAPSHOT_KEYS_FROM: i32 = 1_000_000;

/// The records of one truncate.
const TRUNCATE: u64 = 1;

fn load_snapshot(source: &Source) -> Oracle {
    let options =
        WorkloadOptions { first_order_id: SNAPSHOT_KEYS_FROM, ..WorkloadOptions::default() };
    let mut oracle = Oracle::default();
    source.load(&mut oracle, Workload::new(options).copy(SNAPSHOT_ROWS));
    oracle
}

/// Traffic on an empty table. Whatever the seed, the keys are the same.
fn load(source: &Source, seed: u64, transactions: usize) -> Oracle {
    let options = WorkloadOptions {
        seed,
        keys: 1_000,
        changes_per_transaction: 5,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let mut oracle = Oracle::default();
    source.load(&mut oracle, Workload::new(options).take(transactions));
    oracle
}

/// What has happened in a source and stands in its topic.
#[derive(Debug, Default)]
struct Story {
    records: u64,
    counts: HistoryCounts,
}

impl Story {
    fn snapshot(oracle: &Oracle) -> Self {
        let read = oracle.counts().events();
        Self { records: read, counts: HistoryCounts { read, ..HistoryCounts::default() } }
    }

    fn then(self, oracle: &Oracle) -> Self {
        let counts = oracle.counts();
        Self {
            records: self.records + counts.records(),
            counts: self.counts.and(HistoryCounts::of(counts)),
        }
    }

    fn then_truncate(self) -> Self {
        Self { records: self.records + TRUNCATE, ..self }
    }
}

/// Rows, a truncate, the same keys again, two truncates in a row, and the same keys once more;
/// `step` after each.
fn truncate_again_and_again(
    source: &Source,
    snapshot: &Oracle,
    mut step: impl FnMut(&Story),
) -> Story {
    let mut story = Story::snapshot(snapshot).then(&load(source, 1, 200));
    step(&story);
    source.run("truncate public.orders");
    story = story.then_truncate();
    step(&story);
    story = story.then(&load(source, 2, 100));
    step(&story);
    source.run("truncate public.orders");
    source.run("truncate public.orders");
    story = story.then_truncate().then_truncate().then(&load(source, 3, 50));
    step(&story);
    story
}

fn deploy(name: &str, mode: Mode, topic: &Topic, schemas: SchemaBlock) -> Deployment<'static> {
    let name = format!("{name}_{}", mode.word());
    let warehouse = Warehouse::shared(&name);
    Deployment::new(&name, mode, topic, warehouse).for_schemas(schemas).initialised()
}

/// The truncates that a warehouse knows of: how many, of what, and whether each has its place in
/// the log and in the source.
fn known_truncates(deployment: &Deployment<'_>) -> String {
    deployment.warehouse.ask(
        "select kind, source_table, target_table, count(*), count(distinct \"offset\"), \
                count(source_lsn), count(source_tx_id), count(captured_at) \
           from cdc.table_event where kind = 'truncate' group by 1, 2, 3 order by 1, 2, 3",
    )
}

#[test]
fn a_truncate_in_the_middle_of_a_batch_separates_what_was_from_what_is() {
    let source = Source::fresh("truncated");
    let snapshot = load_snapshot(&source);
    let topic = source.capture(SchemaBlock::On, 1);
    topic.wait_for(snapshot.counts().events());
    let story = truncate_again_and_again(&source, &snapshot, |_| ());
    topic.wait_for(story.records);

    let [history, mirror] =
        Mode::BOTH.map(|mode| deploy("truncated", mode, &topic, SchemaBlock::On));
    for deployment in [&history, &mirror] {
        let summary = deployment.run_until_caught_up();
        assert_eq!(summary["records"], story.records, "{summary}");
        assert_no_dead_letters(deployment);
        let target = deployment.mode.target();
        let expected = format!("truncate|public.orders|{target}|3|3|3|3|3");
        assert_eq!(known_truncates(deployment), expected);
    }
    assert_mirror(&source, &mirror);
    assert_history(&source, &history, story.counts);
}

#[test]
fn a_running_pipeline_follows_every_truncate() {
    let source = Source::fresh("truncated_live");
    let snapshot = load_snapshot(&source);
    let topic = source.capture(SchemaBlock::Off, 1);
    topic.wait_for(snapshot.counts().events());
    let [history, mirror] =
        Mode::BOTH.map(|mode| deploy("truncated_live", mode, &topic, SchemaBlock::Off));
    let mut running = [&history, &mirror].map(Deployment::start);

    let story = truncate_again_and_again(&source, &snapshot, |story| {
        topic.wait_for(story.records);
        for (deployment, running) in [&history, &mirror].into_iter().zip(&mut running) {
            deployment.wait_applied(running, story.records);
        }
        assert_mirror(&source, &mirror);
        assert_history(&source, &history, story.counts);
    });
    for (deployment, running) in [&history, &mirror].into_iter().zip(running) {
        running.terminate().expect_code(0);
        assert_eq!(deployment.applied(), story.records);
        assert_no_dead_letters(deployment);
    }
}

#[test]
fn a_history_of_several_partitions_shows_only_what_came_after_a_truncate() {
    let source = Source::fresh("truncated_wide");
    let snapshot = load_snapshot(&source);
    let topic = source.capture(SchemaBlock::Off, 3);
    topic.wait_for(snapshot.counts().events());
    let story = truncate_again_and_again(&source, &snapshot, |_| ());
    topic.wait_for(story.records);
    let history = deploy("truncated_wide", Mode::History, &topic, SchemaBlock::Off);
    history.run_until_caught_up();
    assert_no_dead_letters(&history);
    assert_history(&source, &history, story.counts);
}

#[test]
fn two_tables_truncated_by_one_statement_are_both_empty_afterwards() {
    const RETURNS: &str = "create table public.returns (return_id int primary key, reason text)";
    const RETURNED: &str = "select string_agg(return_id || reason, ',' order by return_id)";

    let source = Source::fresh("truncated_both");
    source.run(RETURNS);
    let tables = ["public.orders", "public.returns"];
    let [orders, returns] = source.capture_tables(SchemaBlock::On, 1, tables);
    let load_returns = |reason: &str, rows: u64| {
        source.run(&format!(
            "insert into public.returns select number, '{reason}' from generate_series(1, {rows}) \
             as number"
        ));
    };
    let before = load(&source, 1, 50);
    load_returns("before", 5);
    source.run("truncate public.orders, public.returns");
    let after = load(&source, 2, 20);
    load_returns("after", 3);
    let story = Story::default().then(&before).then_truncate().then(&after);
    orders.wait_for(story.records);
    returns.wait_for(5 + TRUNCATE + 3);

    let warehouse = Warehouse::shared("truncated_both");
    warehouse.ask(
        "create table public.returns_current (return_id int primary key, reason text, \
         cdc_generation int not null, cdc_offset bigint not null)",
    );
    let mut deployment = Deployment::new("truncated_both", Mode::History, &orders, warehouse)
        .for_schemas(SchemaBlock::On);
    deployment.other_topics.push(returns.name().to_owned());
    deployment.table.push_str(
        "[[table]]\nsource = \"public.returns\"\ntarget = \"public.returns_current\"\n\
         mode = \"mirror\"\n",
    );
    let deployment = deployment.initialised();
    deployment.run_until_caught_up();
    assert_no_dead_letters(&deployment);
    let expected = "truncate|public.orders|public.orders_fact|1|1|1|1|1\n\
                    truncate|public.returns|public.returns_current|1|1|1|1|1";
    assert_eq!(known_truncates(&deployment), expected);
    let statements = "select count(distinct (source_lsn, source_tx_id)) from cdc.table_event";
    assert_eq!(deployment.warehouse.count(statements), 1, "both tables name the one statement");
    assert_history(&source, &deployment, story.counts);
    let mirrored = deployment.warehouse.ask(&format!("{RETURNED} from public.returns_current"));
    assert_eq!(mirrored, source.run(&format!("{RETURNED} from public.returns")));
    assert_eq!(mirrored, "1after,2after,3after");
}
