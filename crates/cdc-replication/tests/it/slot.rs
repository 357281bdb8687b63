//! The slot: what it is told, and what is said when it is not the one that was read.

use std::time::{Duration, Instant};

use cdc_core::{Classify as _, ErrorClass, Halt, Operation};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, StopMode};

use crate::support::{Kept, Origin, PATIENCE, Reading, words};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, name text)";
const NAMES: &[&str] = &["public.orders"];

fn own_cluster(settings: &[(&str, &str)]) -> &'static Cluster {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let options = ClusterOptions {
        durability: Durability::Relaxed,
        settings: settings.collect(),
        ..ClusterOptions::default()
    };
    // It ends with the process, like the shared one.
    Box::leak(Box::new(Cluster::start(options).unwrap()))
}

async fn until_true(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f75_a_source_that_restarts_is_followed_on() {
    let cluster = own_cluster(&[]);
    let origin = Origin::on(cluster, ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    for (round, mode) in
        [StopMode::Fast, StopMode::Immediate, StopMode::Immediate].iter().enumerate()
    {
        origin.sql(&format!("INSERT INTO orders VALUES ({round}, 'before')"));
        cluster.restart(*mode).unwrap();
        origin.sql(&format!("INSERT INTO orders VALUES ({round} + 100, 'after')"));
        let enough = (round + 1) * 2;
        reading.until(&mut kept, |kept| kept.changes.len() >= enough).await.unwrap();
    }
    reading.close().await;
    let expected: Vec<_> = (0..3)
        .flat_map(|id| {
            [format!("c(id={id} name=before)"), format!("c(id={} name=after)", id + 100)]
        })
        .collect();
    assert_eq!(kept.texts(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn f76_a_slot_that_was_lost_halts_with_the_way_out() {
    let cluster = own_cluster(&[
        ("max_slot_wal_keep_size", "32MB"),
        ("min_wal_size", "32MB"),
        ("max_wal_size", "48MB"),
    ]);
    let origin = Origin::on(cluster, ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql("INSERT INTO orders VALUES (1, 'x')");
    reading.until(&mut kept, |kept| kept.changes.len() == 1).await.unwrap();
    reading.close().await;
    let status = "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'";
    until_true("the slot is lost", || {
        origin.sql(
            "CREATE TABLE IF NOT EXISTS filler (body text);
             INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 20000);
             SELECT pg_switch_wal();",
        );
        origin.sql("CHECKPOINT");
        origin.sql(status) == "1"
    })
    .await;
    let started = Instant::now();
    let mut reading = Reading::start(origin.settings(), NAMES, &kept).await.unwrap();
    let error = reading.error(&mut kept).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data));
    let words = words(&error);
    assert!(words.contains(&origin.slot) && words.contains("lost"), "{words}");
    assert!(words.contains("accept-incarnation"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f77_a_slot_that_was_dropped_or_made_anew_is_not_read() {
    for is_made_anew in [false, true] {
        let origin = Origin::with(ORDERS);
        let mut kept = Kept::default();
        let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
        origin.sql("INSERT INTO orders VALUES (1, 'x')");
        reading.until(&mut kept, |kept| kept.changes.len() == 1).await.unwrap();
        reading.close().await;
        let active = "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = ";
        until_true("the slot is free", || origin.sql(&format!("{active}'{}'", origin.slot)) == "0")
            .await;
        origin.drop_slot();
        origin.sql("INSERT INTO orders VALUES (2, 'would be missing')");
        if is_made_anew {
            let slot = &origin.slot;
            origin.sql(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
        }
        let mut reading = Reading::start(origin.settings(), NAMES, &kept).await.unwrap();
        let error = reading.error(&mut kept).await;
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data), "{error}");
        let words = words(&error);
        let expected = if is_made_anew { "made it anew" } else { "is gone" };
        assert!(words.contains(&origin.slot) && words.contains(expected), "{words}");
        assert_eq!(kept.changes.len(), 1);
    }
}

/// The sink is down: nothing is acknowledged, and the slot keeps everything.
#[tokio::test(flavor = "multi_thread")]
async fn f78_the_slot_keeps_what_is_not_durable_and_says_how_much() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    let before = origin.confirmed();
    origin.sql("INSERT INTO orders SELECT i, repeat('x', 100) FROM generate_series(1, 5000) AS i");
    // Nobody polls: what was delivered waits in the channel and is durable nowhere.
    let status = reading.source.status();
    until_true("the figures show it", || {
        status.read().retained_bytes.is_some_and(|bytes| bytes > 500_000)
    })
    .await;
    assert_eq!(origin.confirmed(), before, "the slot has not moved");
    reading.until(&mut kept, |kept| kept.changes.len() == 5_000).await.unwrap();
    until_true("the slot moves once it is durable", || origin.confirmed() != before).await;
    reading.close().await;
}

/// The former session of a process that was killed may live on for a while.
#[tokio::test(flavor = "multi_thread")]
async fn f79_a_slot_that_is_still_taken_is_waited_for() {
    let origin = Origin::with(ORDERS);
    let mut first = Kept::default();
    let mut holder = Reading::streaming(&origin, NAMES, &mut first).await;
    origin.sql("INSERT INTO orders VALUES (1, 'x')");
    holder.until(&mut first, |kept| kept.changes.len() == 1).await.unwrap();
    let mut second = Reading::start(origin.settings(), NAMES, &first).await.unwrap();
    let waiting = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        holder.close().await;
    });
    origin.sql("INSERT INTO orders VALUES (2, 'y')");
    second.until(&mut first, |kept| kept.changes.len() == 2).await.unwrap();
    waiting.await.unwrap();
    second.close().await;
    assert_eq!(first.texts(), ["c(id=1 name=x)", "c(id=2 name=y)"]);
}

/// Other tables are busy, ours are idle: the slot moves all the same.
#[tokio::test(flavor = "multi_thread")]
async fn f84_a_heartbeat_moves_the_slot_while_the_tables_are_idle() {
    // Nobody else writes into its log.
    let origin = Origin::on(own_cluster(&[]), ORDERS);
    origin.sql("CREATE TABLE busy (body text)");
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    let before = origin.confirmed();
    let control = kept.control;
    origin.sql("INSERT INTO busy SELECT repeat('x', 500) FROM generate_series(1, 2000)");
    reading.until(&mut kept, |kept| kept.control > control).await.unwrap();
    let moved = format!(
        "SELECT '{before}'::pg_lsn + 500000 < confirmed_flush_lsn
        FROM pg_replication_slots WHERE slot_name = '{}'",
        origin.slot
    );
    until_true("the slot has moved over the idle log", || origin.sql(&moved) == "t").await;
    // And on an idle server nothing is written for its own sake.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let control = kept.control;
    let quiet = tokio::time::timeout(
        Duration::from_secs(1),
        reading.until(&mut kept, |kept| kept.control > control),
    );
    assert!(quiet.await.is_err(), "heartbeats on an idle server");
    reading.close().await;
    // What is resumed from a heartbeat misses nothing.
    origin.sql("INSERT INTO orders VALUES (1, 'x')");
    let mut reading = Reading::start(origin.settings(), NAMES, &kept).await.unwrap();
    reading.until(&mut kept, |kept| kept.count(Operation::Insert) == 1).await.unwrap();
    reading.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f97_a_table_that_the_publication_lacks_is_named() {
    let origin = Origin::with(ORDERS);
    origin
        .sql("CREATE TABLE items (id int PRIMARY KEY); CREATE PUBLICATION orders FOR TABLE orders");
    let started =
        Reading::start(origin.settings(), &["public.orders", "public.items"], &Kept::default())
            .await;
    let Err(error) = started else { panic!("started") };
    let words = words(&error);
    assert!(words.contains("public.items") && words.contains("ALTER PUBLICATION"), "{words}");
}

/// A table that is configured later is read from its beginning while the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn f97_a_table_that_is_added_is_read_from_its_beginning() {
    let origin = Origin::with(ORDERS);
    origin.sql("CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1), (2)");
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql("INSERT INTO orders VALUES (1, 'x')");
    reading.until(&mut kept, |kept| kept.changes.len() == 1).await.unwrap();
    reading.close().await;
    origin.sql("ALTER PUBLICATION orders ADD TABLE items");
    origin.sql("INSERT INTO items VALUES (3); INSERT INTO orders VALUES (2, 'y');");
    let names = &["public.orders", "public.items"];
    let mut reading = Reading::start(origin.settings(), names, &kept).await.unwrap();
    reading.until(&mut kept, |kept| kept.changes.len() >= 5).await.unwrap();
    origin.sql("INSERT INTO items VALUES (4)");
    reading.until(&mut kept, |kept| kept.changes.len() >= 6).await.unwrap();
    reading.close().await;
    let mut texts = kept.texts();
    assert_eq!(texts.pop().unwrap(), "c(id=4)");
    texts.sort_unstable();
    let expected = ["c(id=1 name=x)", "c(id=2 name=y)", "r(id=1)", "r(id=2)", "r(id=3)"];
    assert_eq!(texts, expected);
}
