//! A million rows.

use std::time::{Duration, Instant};

use cdc_postgres::{Adopt, Difference, Mode, Verdict, init};

use super::{filled, key};

/// Many times what it takes; a machine that does other work has to pass as well.
const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn one_changed_cell_among_a_million_rows_is_found_in_seconds() {
    let sides = filled(1_000_000).await;
    let began = Instant::now();
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
    println!("mirror of 1,000,000 rows, equal: {:?}", began.elapsed());
    sides.warehouse.sql("UPDATE orders_current SET status = 'lost' WHERE order_id = 777777");
    let began = Instant::now();
    let report = sides.verify().await;
    println!("mirror of 1,000,000 rows, one cell changed: {:?}", began.elapsed());
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert_eq!(report.listed, [key(777_777, Difference::Columns(vec!["status".to_owned()]))]);
    assert_eq!((report.differences(), report.source_rows), (1, 1_000_000));
}

#[tokio::test]
async fn a_million_versions_are_folded_in_seconds() {
    let mut sides = filled(500_000).await;
    sides.table.settings = super::table("orders_fact", Mode::History);
    let history = sides.table.settings.clone();
    init(&sides.warehouse.settings(), &[history], Adopt::No).await.unwrap();
    for version in 0..2 {
        sides.warehouse.sql(&format!(
            "INSERT INTO orders_fact (order_id, customer_id, product_name, amount, status, created_at,
                                      updated_at, operation_type, cdc_generation, cdc_partition,
                                      cdc_offset, cdc_ordinal)
             SELECT order_id, customer_id, product_name, amount + 1 - {version}, status, created_at,
                    updated_at, 'u', 0, 0, order_id * 2 + {version}, 0
               FROM orders_current"
        ));
    }
    let began = Instant::now();
    let report = sides.verify().await;
    println!("history of 1,000,000 rows, 500,000 keys: {:?}", began.elapsed());
    assert_eq!(report.verdict, Verdict::Equal, "{report:?}");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert_eq!((report.source_rows, report.warehouse_rows), (500_000, 500_000));
}

#[tokio::test]
async fn tables_that_differ_altogether_are_not_followed_row_by_row() {
    let sides = filled(150_000).await;
    sides.warehouse.sql("UPDATE orders_current SET customer_id = -1");
    let report = sides.verify().await;
    assert_eq!((report.verdict.clone(), report.complete), (Verdict::Differs, false));
    assert_eq!((report.differing, report.differences()), (100_000, 100_000));
    assert_eq!(report.listed.len(), 20);
}
