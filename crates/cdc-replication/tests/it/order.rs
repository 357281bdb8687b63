//! The stream's order and numbering: what shares a position, what is aborted, and where a stream resumes.

use cdc_core::Operation;

use crate::support::{Kept, Origin, Reading};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, name text)";
const NAMES: &[&str] = &["public.orders"];

#[tokio::test(flavor = "multi_thread")]
async fn f87_what_was_rolled_back_leaves_nothing() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql(
        "BEGIN; INSERT INTO orders VALUES (1, 'kept'); SAVEPOINT s;
         INSERT INTO orders SELECT i, 'gone' FROM generate_series(10, 2000) AS i;
         ROLLBACK TO s; INSERT INTO orders VALUES (2, 'kept'); COMMIT;
         BEGIN; INSERT INTO orders VALUES (3, 'gone'); ROLLBACK;
         INSERT INTO orders VALUES (4, 'kept');",
    );
    reading.until(&mut kept, |kept| kept.changes.len() >= 3).await.unwrap();
    reading.close().await;
    assert_eq!(kept.texts(), ["c(id=1 name=kept)", "c(id=2 name=kept)", "c(id=4 name=kept)"]);
}

/// Rows of one COPY share positions; a stream that ends behind any of them goes on with the next.
#[tokio::test(flavor = "multi_thread")]
async fn f88_rows_that_share_a_position_are_told_apart() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    Reading::streaming(&origin, NAMES, &mut kept).await.close().await;
    let rows: Vec<_> = (0..500).map(|id| format!("{id}\\tx\\n")).collect();
    let rows = rows.concat();
    origin.sql(&format!("COPY orders FROM PROGRAM 'printf \"{rows}\"'"));
    let mut seen = 0;
    while seen < 500 {
        // A budget of a few kilobytes cuts the transaction into many batches.
        let mut reading =
            Reading::with_budget(origin.settings(), NAMES, &kept, 8 << 10).await.unwrap();
        reading.until(&mut kept, |kept| kept.changes.len() > seen).await.unwrap();
        seen = kept.changes.len();
        drop(reading);
    }
    let expected: Vec<_> = (0..500).map(|id| format!("c(id={id} name=x)")).collect();
    assert_eq!(kept.texts(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn f89_transactions_back_to_back_are_resumed_between_each_two() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    Reading::streaming(&origin, NAMES, &mut kept).await.close().await;
    let inserts: Vec<_> =
        (0..40).map(|id| format!("INSERT INTO orders VALUES ({id}, 'x');")).collect();
    origin.sql(&inserts.concat());
    for stop in 1..=40 {
        let mut reading =
            Reading::with_budget(origin.settings(), NAMES, &kept, 1 << 10).await.unwrap();
        reading.until(&mut kept, |kept| kept.changes.len() >= stop).await.unwrap();
        drop(reading);
    }
    let expected: Vec<_> = (0..40).map(|id| format!("c(id={id} name=x)")).collect();
    assert_eq!(kept.texts(), expected);
}

/// A long transaction's rows stand before those of short ones that commit first.
#[tokio::test(flavor = "multi_thread")]
async fn f90_transactions_come_in_the_order_of_their_commits() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql("CREATE EXTENSION dblink");
    let address = origin.cluster.url(&origin.database);
    origin.sql(&format!(
        "BEGIN; INSERT INTO orders VALUES (1, 'long');
         SELECT dblink_exec('{address}', 'INSERT INTO orders VALUES (2, ''short'')');
         INSERT INTO orders VALUES (3, 'long');
         SELECT dblink_exec('{address}', 'UPDATE orders SET name = ''shorter'' WHERE id = 2');
         COMMIT"
    ));
    reading.until(&mut kept, |kept| kept.changes.len() >= 4).await.unwrap();
    reading.close().await;
    assert_eq!(
        kept.texts(),
        ["c(id=2 name=short)", "u(id=2 name=shorter)", "c(id=1 name=long)", "c(id=3 name=long)"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f91_an_unchanged_long_value_is_not_there() {
    let origin = Origin::with(
        "CREATE TABLE orders (id int PRIMARY KEY, name text, long text);
         ALTER TABLE orders ALTER long SET STORAGE EXTERNAL;",
    );
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql(
        "INSERT INTO orders VALUES (1, 'a', repeat('x', 9000));
         UPDATE orders SET name = 'b'; UPDATE orders SET long = 'short';",
    );
    reading.until(&mut kept, |kept| kept.changes.len() >= 3).await.unwrap();
    reading.close().await;
    let texts = kept.texts();
    assert!(texts[0].ends_with(&format!("long={})", "x".repeat(9_000))));
    assert_eq!(texts[1..], ["u(id=1 name=b long=?)", "u(id=1 name=b long=short)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f93_a_truncate_of_two_tables_is_a_change_of_each() {
    let origin = Origin::with(
        "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY);
         CREATE TABLE other (id int PRIMARY KEY);",
    );
    let mut kept = Kept::default();
    let names = &["public.orders", "public.items"];
    let mut reading = Reading::streaming(&origin, names, &mut kept).await;
    origin.sql(
        "INSERT INTO orders VALUES (1); TRUNCATE orders, items; INSERT INTO orders VALUES (2)",
    );
    reading.until(&mut kept, |kept| kept.changes.len() >= 4).await.unwrap();
    reading.close().await;
    let truncated: Vec<_> = kept
        .changes
        .iter()
        .filter(|seen| seen.op == Operation::Truncate)
        .map(|seen| seen.table)
        .collect();
    assert_eq!(truncated.len(), 2);
    assert!(truncated.contains(&0) && truncated.contains(&1));
    assert_eq!(kept.texts().last().unwrap(), "c(id=2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn f94_columns_change_within_a_transaction() {
    let origin = Origin::with(ORDERS);
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql(
        "BEGIN; INSERT INTO orders VALUES (1, 'a'); ALTER TABLE orders ADD COLUMN more bigint;
         INSERT INTO orders VALUES (2, 'b', 7); ALTER TABLE orders RENAME COLUMN name TO title;
         INSERT INTO orders VALUES (3, 'c', 8); ALTER TABLE orders ALTER more TYPE text;
         INSERT INTO orders VALUES (4, 'd', 'nine'); ALTER TABLE orders DROP COLUMN title;
         INSERT INTO orders VALUES (5, 'ten'); COMMIT;",
    );
    reading.until(&mut kept, |kept| kept.count(Operation::Insert) >= 5).await.unwrap();
    reading.close().await;
    let texts = kept.texts();
    let expected = [
        "c(id=1 name=a)",
        "c(id=2 name=b more=7)",
        "c(id=3 title=c more=8)",
        "c(id=4 title=d more=nine)",
        "c(id=5 more=ten)",
    ];
    for wanted in expected {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} in {texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f95_a_new_label_of_an_enum_is_read() {
    let origin = Origin::with(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE orders (id int PRIMARY KEY, mood mood)",
    );
    let mut kept = Kept::default();
    let mut reading = Reading::streaming(&origin, NAMES, &mut kept).await;
    origin.sql("INSERT INTO orders VALUES (1, 'sad'); ALTER TYPE mood ADD VALUE 'happy';");
    origin.sql("INSERT INTO orders VALUES (2, 'happy')");
    reading.until(&mut kept, |kept| kept.changes.len() >= 2).await.unwrap();
    reading.close().await;
    assert_eq!(kept.texts(), ["c(id=1 mood=sad)", "c(id=2 mood=happy)"]);
}
