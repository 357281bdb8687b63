//! By which records logs are known again, and what an operator decides about logs that are not what they
//! were.

use std::slice;

use cdc_core::{
    Classify as _, ErrorClass, Generation, Halt, NextOffset, OffsetRange, Partition,
    PartitionNumber, ResumePoint, Sink as _, TopicName, Witness, Writer as _,
};
use cdc_postgres::{
    Deletes, Mode, PostgresSink, TableSettings, Truncates, accept_gap, accept_incarnation,
    accept_partitions, generations, read_ledger,
};

use crate::support::{Lane, Op, Warehouse, order, table};

fn history() -> Vec<TableSettings> {
    vec![table(0, "orders_fact", Mode::History)]
}

fn mirror() -> Vec<TableSettings> {
    let mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Ignore };
    vec![table(0, "orders_current", mode)]
}

fn position(raw: i64) -> NextOffset {
    NextOffset::try_new(raw).unwrap()
}

fn in_generation(lane: &Lane, generation: u32) -> Partition {
    Partition::new(lane.partition.topic().as_str(), generation, 3).unwrap()
}

async fn witnesses(lane: &mut Lane) -> Vec<Witness> {
    let held = lane.writer.witnesses(slice::from_ref(&lane.partition)).await.unwrap();
    held.get(&lane.partition).cloned().unwrap_or_default()
}

#[tokio::test]
async fn every_batch_leaves_a_record_by_which_its_log_is_known() {
    let warehouse = Warehouse::initialised(&history()).await;
    let mut lane = warehouse.lane(history()).await;
    assert_eq!(witnesses(&mut lane).await, []);
    let mut written = Vec::new();
    for id in 0..30 {
        let ops = [Op::Insert(order(2 * id, 1, "a")), Op::Insert(order(2 * id + 1, 1, "a"))];
        let last = lane.records(&ops);
        written.push(Witness::of(&last.get(1).unwrap()));
        lane.write(&ops).await;
    }
    written.reverse();
    let mut newer = warehouse.lane(history()).await;
    let held = witnesses(&mut newer).await;
    // The last before offsets 160, and those at distances of 1, 4, 16 and 64, where there are any.
    assert_eq!(held, [0, 1, 7].map(|index| written[index].clone()));
    assert_eq!(held[0].offset().next(), position(newer.next));
    // Entries of an earlier version have none, and say nothing.
    warehouse.sql("UPDATE cdc.ledger SET last_offset = NULL, last_digest = NULL");
    assert_eq!(witnesses(&mut newer).await, []);
}

#[tokio::test]
async fn f33_an_accepted_gap_is_an_entry_of_the_books_and_fences_whoever_writes() {
    let warehouse = Warehouse::initialised(&history()).await;
    let settings = warehouse.settings();
    let mut lane = warehouse.lane(history()).await;
    lane.write(&[Op::Insert(order(1, 100, "before"))]).await;
    let other = Partition::new(lane.partition.topic().as_str(), 0, 4).unwrap();
    let begins = [(lane.partition.clone(), position(150)), (other, position(10))];
    let gap = OffsetRange::try_new(position(101), position(150)).unwrap();
    let accepted = accept_gap(&settings, &begins, "it's gone").await.unwrap();
    assert_eq!(accepted, [(lane.partition.clone(), gap)]);
    let error = lane.try_write(&[Op::Insert(order(2, 100, "lost"))]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    assert_eq!(lane.acquire().await, ResumePoint::At(position(150)));
    lane.next = 150;
    lane.write(&[Op::Insert(order(3, 100, "after"))]).await;
    let books = read_ledger(&settings).await.unwrap();
    assert_eq!(books.mismatches, []);
    let log = books.logs.iter().find(|log| log.partition == lane.partition).unwrap();
    assert_eq!((log.range, log.entries), (Some((100, 151)), 3));
    assert_eq!((log.read, log.written, log.passed_over), (2, 2, 49));
    let [decision] = books.decisions.as_slice() else { panic!("{:?}", books.decisions) };
    assert_eq!((&*decision.kind, &*decision.reason), ("gap_accepted", "it's gone"));
    assert!(decision.state.contains("\"first_offset\": 101"), "{}", decision.state);
    // What stood before the gap is gone, so the log is known by what came after it.
    assert_eq!(witnesses(&mut lane).await.len(), 1);
    assert_eq!(accept_gap(&settings, &begins, "again").await.unwrap(), []);
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.decision"), "1");
}

/// A pipeline that follows one topic of so many partitions.
async fn following(
    warehouse: &Warehouse,
    tables: &[TableSettings],
    partitions: usize,
) -> TopicName {
    let topic = TopicName::parse("shop.public.orders").unwrap();
    let sink = PostgresSink::new(warehouse.settings(), tables.to_vec());
    sink.following(vec![(topic.clone(), partitions)]).open_lane().await.unwrap();
    topic
}

#[tokio::test]
async fn f29_f30_rows_of_an_accepted_incarnation_are_newer_than_all_before() {
    for (tables, current) in [(history(), "orders_latest"), (mirror(), "orders_current")] {
        let warehouse = Warehouse::initialised(&tables).await;
        let settings = warehouse.settings();
        let topic = following(&warehouse, &tables, 4).await;
        let accept = async |followed, reason| {
            accept_incarnation(&settings, (&topic, 4), Generation::new(followed), reason).await
        };
        assert_eq!(accept(0, "nothing applied").await.unwrap(), None);
        let mut lane = warehouse.lane(tables.clone()).await;
        lane.next = 900;
        lane.write(&[Op::Insert(order(1, 100, "old")), Op::Insert(order(2, 100, "old"))]).await;
        assert_eq!(accept(0, "created again").await.unwrap(), Some(Generation::new(1)));
        accept(0, "twice").await.unwrap_err();
        let known = generations(&settings).await.unwrap();
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [(topic.clone(), Generation::new(1))]);

        // A process that has not heard of it can neither write nor come back.
        lane.try_write(&[Op::Insert(order(3, 100, "lost"))]).await.unwrap_err();
        let error = lane.writer.acquire(slice::from_ref(&lane.partition)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration), "{error}");
        assert_eq!(error.hint().unwrap(), "start `cdc-pipeline run` again");

        let mut newer = warehouse.lane_of(tables.clone(), in_generation(&lane, 1)).await;
        assert_eq!(newer.acquire().await, ResumePoint::Beginning);
        newer.next = 5;
        newer.write(&[Op::Update(None, order(1, 100, "new"))]).await;
        let rows = format!("SELECT order_id, status FROM {current} ORDER BY order_id");
        assert_eq!(warehouse.sql(&rows), "1|new\n2|old");
        let books = read_ledger(&settings).await.unwrap();
        assert_eq!(books.mismatches, []);
        assert_eq!(books.decisions.len(), 1);
        assert_eq!(books.decisions[0].kind, "incarnation_accepted");
        assert!(books.decisions[0].state.contains("\"next_offset\": 902"));
    }
}

#[tokio::test]
async fn f31_added_partitions_are_accepted_only_when_everything_before_is_applied() {
    let warehouse = Warehouse::initialised(&mirror()).await;
    let settings = warehouse.settings();
    let topic = following(&warehouse, &mirror(), 4).await;
    let mut lane = warehouse.lane(mirror()).await;
    lane.write(&[Op::Insert(order(1, 100, "old"))]).await;
    let accept = async |ends: [i64; 6]| {
        let ends: Vec<_> = (0..)
            .zip(ends)
            .map(|(number, end)| (PartitionNumber::try_new(number).unwrap(), position(end)))
            .collect();
        accept_partitions(&settings, &topic, Generation::new(0), &ends, "grown").await.unwrap()
    };
    for unread in [[0, 0, 0, 102, 0, 0], [0, 0, 0, 101, 0, 1], [3, 0, 0, 101, 0, 0]] {
        assert_eq!(accept(unread).await, None, "{unread:?}");
    }
    assert_eq!(accept([0, 0, 0, 101, 0, 0]).await, Some(Generation::new(1)));
    following(&warehouse, &mirror(), 6).await;
    // The old ones go on where they stood.
    let mut same = warehouse.lane_of(mirror(), in_generation(&lane, 1)).await;
    assert_eq!(same.acquire().await, ResumePoint::At(position(101)));
    // The key has moved to a partition that begins at lower offsets.
    let moved = Partition::new(topic.as_str(), 1, 5).unwrap();
    let mut moved = warehouse.lane_of(mirror(), moved).await;
    moved.next = 0;
    moved.write(&[Op::Update(None, order(1, 100, "moved"))]).await;
    assert_eq!(warehouse.sql("SELECT status FROM orders_current"), "moved");
    let books = read_ledger(&settings).await.unwrap();
    assert_eq!(books.mismatches, []);
    assert_eq!(books.decisions[0].kind, "partitions_accepted");
}
