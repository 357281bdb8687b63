//! Traffic goes on while both sides are compared.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cdc_postgres::{Difference, TableReport, Verdict};

use super::{Sides, filled, key};

/// How long a change is on its way.
const LATENCY: &str = "0.15";

/// A statement for the source that changes rows, and the same for the mirror.
fn changes(round: u32) -> [String; 2] {
    ["orders", "orders_current"].map(|table| {
        // Three hot rows change every time; others are changed once, deleted, and inserted.
        let row = 100 + round;
        let extra = if table == "orders" { "" } else { ", cdc_generation, cdc_offset" };
        let values = if table == "orders" { "" } else { ", 0, 0" };
        format!(
            "BEGIN; UPDATE {table} SET amount = {round}, status = 'round {round}' WHERE order_id < 4;
             UPDATE {table} SET status = 'once' WHERE order_id = {row};
             DELETE FROM {table} WHERE order_id = {row} + 2000;
             INSERT INTO {table} (order_id, customer_id{extra}) VALUES ({row} + 100000, 1{values});
             COMMIT;"
        )
    })
}

/// Changes the source all the time, and the mirror a little later, until told to stop.
fn traffic(sides: &Sides, first_round: u32, is_over: &AtomicBool) {
    for round in first_round.. {
        let [source, mirror] = changes(round);
        sides.source(&source);
        sides.warehouse.sql(&format!("SELECT pg_sleep({LATENCY}); {mirror}"));
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn verify_under_traffic(sides: &Sides, first_round: u32) -> TableReport {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| traffic(sides, first_round, &is_over));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(async {
            // So that some changes are made before, between and after.
            tokio::time::sleep(Duration::from_millis(300)).await;
            sides.verify().await
        });
        is_over.store(true, Ordering::Relaxed);
        traffic.join().unwrap();
        report
    })
}

#[test]
fn changes_under_way_are_no_differences() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut sides = runtime.block_on(filled(5_000));
    sides.options.patience = Duration::from_secs(6);
    let mut read_again = 0;
    for run in 0..3 {
        let report = verify_under_traffic(&sides, 1 + run * 1_000);
        assert_eq!(report.verdict, Verdict::Equal, "{report:?}");
        assert_eq!(report.differences(), 0);
        assert!(report.moving <= 3, "only the hot rows: {report:?}");
        read_again += report.read_again;
    }
    assert!(read_again > 0, "no change was met under way: the test has shown nothing");
}

#[test]
fn a_lasting_difference_is_found_among_changes_under_way() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut sides = runtime.block_on(filled(5_000));
    sides.options.patience = Duration::from_secs(6);
    sides.warehouse.sql("UPDATE orders_current SET customer_id = 99 WHERE order_id = 50");
    // A hot row that the warehouse does not follow: its status is never one that the source had.
    sides.warehouse.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN NEW.status := ''stuck''; NEW.amount := -1; RETURN NEW; END';
         CREATE TRIGGER keep BEFORE UPDATE ON orders_current FOR EACH ROW WHEN (OLD.order_id = 2)
         EXECUTE FUNCTION keep();
         UPDATE orders_current SET status = 'any' WHERE order_id = 2",
    );
    let report = verify_under_traffic(&sides, 1);
    assert_eq!(report.verdict, Verdict::Differs, "{report:?}");
    let wrong = Difference::Columns(vec!["customer_id".to_owned()]);
    assert!(report.listed.contains(&key(50, wrong)), "{report:?}");
    let stuck = report.listed.iter().find(|found| found.key[0].1 == "2");
    let stuck = stuck.map(|found| &found.difference);
    let expected = Difference::Columns(vec!["amount".to_owned(), "status".to_owned()]);
    assert_eq!(stuck, Some(&expected), "{report:?}");
    assert_eq!(report.differences(), 2);
}
