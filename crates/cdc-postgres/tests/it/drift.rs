//! A target that changes under a running pipeline never takes a value that is not the source's.

use cdc_core::{Classify as _, ErrorClass};
use cdc_postgres::Mode;

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, table};

#[tokio::test]
async fn f65_a_column_that_would_round_has_its_table_planned_again_before_anything_is_committed() {
    for (target, mode) in [("orders_fact", Mode::History), ("orders_current", HARD)] {
        let tables = vec![table(0, target, mode)];
        let warehouse = Warehouse::initialised(&tables).await;
        let mut lane = warehouse.lane(tables).await;
        lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
        warehouse.sql(&format!(
            "DROP VIEW IF EXISTS sales_dashboard, orders_latest, orders_changes;
             ALTER TABLE {target} ALTER amount TYPE numeric(10,1)"
        ));
        let ops = [Op::Insert(order(2, 123, "b"))];
        let error = lane.try_write(&ops).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Outdated, "{error}");
        assert!(error.hint().unwrap().starts_with("look at the target"), "{error}");
        assert_eq!(warehouse.sql(&format!("SELECT count(*) FROM {target}")), "1");
        assert_eq!(warehouse.sql("SELECT next_offset FROM cdc.checkpoint"), "101");
        // With its type back, the rows fit again.
        warehouse.sql(&format!("ALTER TABLE {target} ALTER amount TYPE numeric(10,2)"));
        lane.write(&ops).await;
        assert_eq!(warehouse.sql(&format!("SELECT sum(amount) FROM {target}")), "2.23");
    }
}

#[tokio::test]
async fn columns_that_are_added_to_the_target_disturb_nothing() {
    for (target, mode) in [("orders_fact", Mode::History), ("orders_current", HARD)] {
        let tables = vec![table(0, target, mode)];
        let warehouse = Warehouse::initialised(&tables).await;
        let mut lane = warehouse.lane(tables).await;
        lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
        warehouse.sql(&format!(
            "ALTER TABLE {target} ADD note text, ADD seen boolean NOT NULL DEFAULT false"
        ));
        lane.write(&[Op::Update(None, order(1, 200, "b")), Op::Delete(order(9, 1, "x"))]).await;
        assert!(warehouse.sql(&format!("SELECT max(amount) FROM {target}")).starts_with("2.00"));
    }
}
