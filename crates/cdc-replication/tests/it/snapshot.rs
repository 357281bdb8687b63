//! The snapshot: every row once, and the stream behind it without gap or overlap.

use cdc_core::Operation;

use crate::support::{Kept, Origin, Reading, in_pieces, words};

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, name text);
    CREATE TABLE notes (body text);
    ALTER TABLE notes REPLICA IDENTITY FULL;
    INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 1000) AS i;
    INSERT INTO notes SELECT 'n' || i FROM generate_series(1, 10) AS i;";

const NAMES: &[&str] = &["public.orders", "public.notes"];

fn sorted(kept: &Kept) -> Vec<String> {
    let mut texts = kept.texts();
    texts.sort_unstable();
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_once_and_the_stream_goes_on_behind_them() {
    let origin = Origin::with(TABLES);
    let mut kept = Kept::default();
    let mut reading = Reading::start(in_pieces(origin.settings(), 64), NAMES, &kept).await.unwrap();
    reading.until(&mut kept, |kept| kept.count(Operation::Snapshot) == 1_010).await.unwrap();
    origin.sql(
        "INSERT INTO orders VALUES (2000, 'new'); UPDATE orders SET name = 'x' WHERE id = 1;
         DELETE FROM orders WHERE id = 2; UPDATE orders SET id = 3000 WHERE id = 3;",
    );
    reading.until(&mut kept, |kept| kept.changes.len() >= 1_015).await.unwrap();
    reading.close().await;
    let texts = kept.texts();
    assert_eq!(
        texts[1_010..],
        [
            "c(id=2000 name=new)",
            "u(id=1 name=x)",
            "d(id=2 name=?)",
            "d(id=3 name=?)",
            "c(id=3000 name=o3)",
        ]
    );
    let mut rows: Vec<_> = texts[..1_010].to_vec();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 1_010, "every row once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_resumed_repeats_nothing_and_misses_nothing() {
    let origin = Origin::with("CREATE TABLE orders (id int PRIMARY KEY, name text)");
    let mut kept = Kept::default();
    let names = &["public.orders"];
    for round in 0..6 {
        let from = round * 10;
        origin.sql(&format!(
            "INSERT INTO orders SELECT i, 'a' FROM generate_series({from}, {from} + 9) AS i"
        ));
        let mut reading = Reading::start(origin.settings(), names, &kept).await.unwrap();
        let enough = usize::try_from(from + 10).unwrap();
        reading.until(&mut kept, |kept| kept.changes.len() >= enough).await.unwrap();
        if round % 2 == 0 {
            reading.close().await;
        }
    }
    let reading = Reading::streaming(&origin, names, &mut kept).await;
    reading.close().await;
    let expected: Vec<_> = (0..60)
        .map(|id| if id < 10 { format!("r(id={id} name=a)") } else { format!("c(id={id} name=a)") })
        .collect();
    let mut found = kept.texts();
    found[..10].sort_by_key(|text| (text.len(), text.clone()));
    assert_eq!(found, expected);
}

/// The rest of the tables is read by a newer snapshot, and what it saw is left out of the stream.
#[tokio::test(flavor = "multi_thread")]
async fn f98_a_snapshot_that_was_interrupted_goes_on_where_it_stood() {
    let origin = Origin::with(TABLES);
    let mut kept = Kept::default();
    let settings = in_pieces(origin.settings(), 50);
    for stop in [1, 120, 400, 700, 999] {
        let mut reading = Reading::start(settings.clone(), NAMES, &kept).await.unwrap();
        reading
            .until(&mut kept, |kept| {
                kept.changes.iter().filter(|seen| seen.table == 0).count() >= stop
            })
            .await
            .unwrap();
        // Dropped without a word, as by a crash.
        drop(reading);
        origin.sql(&format!(
            "UPDATE orders SET name = 'changed {stop}' WHERE id IN (5, 500, 990);
             INSERT INTO orders VALUES ({stop} + 10000, 'late');
             DELETE FROM orders WHERE id = 800 + {stop} % 7;"
        ));
    }
    let mut reading = Reading::start(settings, NAMES, &kept).await.unwrap();
    reading.until_caught_up(&mut kept).await.unwrap();
    reading.close().await;
    let orders = kept.changes.iter().filter(|seen| seen.table == 0);
    let mut rows = std::collections::BTreeMap::new();
    for seen in orders {
        let id = seen.row.split([' ', '=']).nth(1).unwrap().to_owned();
        match seen.op {
            Operation::Snapshot | Operation::Insert => {
                let former = rows.insert(id.clone(), seen.row.clone());
                assert_eq!(former, None, "{} is there already", seen.text());
            }
            Operation::Update => {
                let former = rows.insert(id.clone(), seen.row.clone());
                assert!(former.is_some(), "{} was not there", seen.text());
                assert_ne!(former.as_ref(), Some(&seen.row), "an effect that the snapshot saw");
            }
            Operation::Delete => {
                assert!(rows.remove(&id).is_some(), "{} was not there", seen.text());
            }
            Operation::Truncate => panic!("nobody truncated"),
        }
    }
    let expected = origin.sql("SELECT 'id=' || id || ' name=' || name FROM orders");
    let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
    expected.sort_unstable();
    let mut found: Vec<_> = rows.into_values().collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

/// Under updates all the while: what the snapshot holds and what the stream brings join exactly.
#[tokio::test(flavor = "multi_thread")]
async fn f99_a_snapshot_and_the_stream_do_not_overlap() {
    let origin = Origin::with(
        "CREATE TABLE orders (id int PRIMARY KEY, version int);
         INSERT INTO orders SELECT i, 0 FROM generate_series(1, 5000) AS i;",
    );
    let writer = {
        let origin = origin.clone();
        std::thread::spawn(move || {
            for version in 1..=40 {
                origin.sql(&format!(
                    "UPDATE orders SET version = {version} WHERE id % 40 = {version} - 1"
                ));
            }
            std::mem::forget(origin);
        })
    };
    let mut kept = Kept::default();
    let settings = in_pieces(origin.settings(), 100);
    let mut reading = Reading::start(settings, &["public.orders"], &kept).await.unwrap();
    reading.until(&mut kept, |kept| kept.count(Operation::Snapshot) == 5_000).await.unwrap();
    writer.join().unwrap();
    origin.sql("INSERT INTO orders VALUES (0, 0)");
    reading.until(&mut kept, |kept| kept.count(Operation::Insert) == 1).await.unwrap();
    reading.close().await;
    let updates = kept.count(Operation::Update);
    let untouched = kept
        .changes
        .iter()
        .filter(|seen| seen.op == Operation::Snapshot && seen.row.ends_with("=0"));
    assert_eq!(
        updates,
        untouched.count(),
        "each row was changed once: before or behind the snapshot"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_somebody_made_is_adopted() {
    let origin = Origin::with(TABLES);
    origin.sql(&format!(
        "CREATE PUBLICATION orders FOR TABLE orders, notes;
         SELECT pg_create_logical_replication_slot('{}', 'pgoutput');
         INSERT INTO orders VALUES (5000, 'seen by slot and snapshot')",
        origin.slot
    ));
    let mut kept = Kept::default();
    let mut reading = Reading::start(origin.settings(), NAMES, &kept).await.unwrap();
    reading.until(&mut kept, |kept| kept.changes.len() == 1_011).await.unwrap();
    origin.sql("INSERT INTO orders VALUES (5001, 'streamed')");
    reading.until(&mut kept, |kept| kept.changes.len() == 1_012).await.unwrap();
    reading.close().await;
    assert_eq!(kept.changes[1_011].text(), "c(id=5001 name=streamed)");
    assert_eq!(sorted(&kept).iter().filter(|text| text.contains("id=5000")).count(), 1);
}

/// Published without identity it would make the source refuse its own users' updates.
#[tokio::test(flavor = "multi_thread")]
async fn f92_a_table_without_identity_is_refused_with_the_statement_that_mends_it() {
    let origin = Origin::with("CREATE TABLE notes (body text)");
    let started = Reading::start(origin.settings(), &["public.notes"], &Kept::default()).await;
    let Err(error) = started else { panic!("started") };
    let words = words(&error);
    assert!(words.contains("ALTER TABLE \"public\".\"notes\" REPLICA IDENTITY FULL"), "{words}");
    assert_eq!(origin.sql("SELECT count(*) FROM pg_publication"), "0");
    origin.sql("ALTER TABLE notes REPLICA IDENTITY FULL");
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, &["public.notes"], &mut kept).await;
    origin.sql("INSERT INTO notes VALUES ('a'); UPDATE notes SET body = 'b'; DELETE FROM notes;");
    reading.until(&mut kept, |kept| kept.changes.len() == 3).await.unwrap();
    reading.close().await;
    assert_eq!(kept.texts(), ["c(body=a)", "u(body=b)", "d(body=b)"]);
    assert_eq!(kept.changes[1].before.as_deref(), Some("body=a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_does_not_exist_is_named() {
    let origin = Origin::with(TABLES);
    let started = Reading::start(origin.settings(), &["public.order"], &Kept::default()).await;
    let Err(error) = started else { panic!("started") };
    let words = words(&error);
    assert!(words.contains("public.order") && words.contains("public.orders"), "{words}");
}
