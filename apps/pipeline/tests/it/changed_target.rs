//! Targets that somebody changes under a pipeline.

use cdc_workload::{Mix, Transaction, Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, assert_no_dead_letters};

/// Inserts, one in each transaction.
fn inserts(count: usize, first_order_id: i32) -> Vec<Transaction> {
    let mix = Mix::try_new(1, 0, 0).expect("a mix of inserts");
    let options = WorkloadOptions { mix, first_order_id, ..WorkloadOptions::default() };
    Workload::new(options).take(count).collect()
}

#[test]
fn f108_a_target_that_refuses_everything_halts_before_it_is_all_dead_letters() {
    let topic = Topic::shared("refusing.public.orders", 1);
    for mode in Mode::BOTH {
        let name = format!("refusing_{}", mode.word());
        let deployment =
            Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised();
        if topic.records() == 0 {
            topic.publish(&letters(&mut envelopes(), &inserts(3_000, 1)));
        }
        let warehouse = &deployment.warehouse;
        let target = mode.target();
        warehouse.ask(&format!("alter table {target} add constraint shut check (order_id < 0)"));
        deployment
            .execute(&["run", "--until-caught-up"])
            .expect_code(3)
            .expect_words(&["records were rejected", "check", "rejected_percent_max = 100"])
            .without_panic();
        let dead = warehouse.count("select count(*) from cdc.dead_letter");
        assert!((1..=200).contains(&dead), "{dead} dead letters");

        warehouse.ask(&format!("alter table {target} drop constraint shut"));
        deployment.run_until_caught_up();
        let rows = warehouse.count(&format!("select count(*) from {target}"));
        assert_eq!(rows + dead, 3_000, "nothing is lost over the halt");
        assert_eq!(warehouse.count("select count(*) from cdc.dead_letter"), dead);
    }
}

#[test]
fn f65_a_column_that_changes_its_type_under_a_running_pipeline_is_planned_again() {
    let topic = Topic::shared("retyped.public.orders", 1);
    let mut envelopes = envelopes();
    for mode in Mode::BOTH {
        let name = format!("retyped_{}", mode.word());
        let deployment =
            Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised();
        let target = mode.target();
        let mut running = deployment.start();
        let before = topic.records();
        let first = i32::try_from(before).expect("few records");
        topic.publish(&letters(&mut envelopes, &inserts(100, first + 1)));
        deployment.wait_applied(&mut running, before + 100);
        // A column that a view shows cannot change its type.
        deployment.warehouse.ask(&format!(
            "drop view if exists orders_latest, orders_changes, sales_dashboard cascade; \
             alter table {target} alter column customer_id type bigint"
        ));
        topic.publish(&letters(&mut envelopes, &inserts(100, first + 101)));
        deployment.wait_applied(&mut running, before + 200);
        running.assert_running();
        assert!(running.log().contains("planning it again"), "{}", running.log());
        let rows = deployment.warehouse.count(&format!("select count(*) from {target}"));
        assert_eq!(rows, before + 200);
        assert_no_dead_letters(&deployment);
        running.terminate().expect_code(0);
    }
}
