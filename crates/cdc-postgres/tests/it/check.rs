//! What a run would trip over is found before, with the way out.

use cdc_config::Secret;
use cdc_core::TableId;
use cdc_postgres::{Mode, PostgresSettings, Severity, SynchronousCommit, TableSettings, check};
use cdc_stack::postgres::Cluster;

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, orders_shape, table};

fn orders() -> Vec<TableSettings> {
    vec![table(0, "orders_fact", Mode::History), table(1, "orders_current", HARD)]
}

async fn found(settings: &PostgresSettings, tables: &[TableSettings]) -> String {
    let shapes: Vec<_> = (0..4).map(|index| (TableId::new(index), orders_shape())).collect();
    let findings = check(settings, tables, &shapes).await;
    let lines = findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        format!("{severity} {}: {}\n  {}", finding.id, finding.message, finding.fix)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn nothing_stands_against_a_warehouse_that_was_initialised() {
    let warehouse = Warehouse::initialised(&orders()).await;
    assert_eq!(found(&warehouse.settings(), &orders()).await, "");
}

#[tokio::test]
async fn an_empty_warehouse_lacks_state_and_tables() {
    let warehouse = Warehouse::empty();
    let tables = [orders(), vec![table(2, "elsewhere", Mode::History)]].concat();
    insta::assert_snapshot!(found(&warehouse.settings(), &tables).await);
}

#[tokio::test]
async fn what_costs_speed_or_safety_is_a_warning() {
    let warehouse = Warehouse::initialised(&orders()).await;
    warehouse.sql(
        "CREATE UNIQUE INDEX once ON orders_fact (cdc_partition, cdc_offset);
         CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER audit BEFORE INSERT ON orders_current FOR EACH ROW
             EXECUTE FUNCTION public.nothing()",
    );
    let mut settings = warehouse.settings();
    settings.synchronous_commit = SynchronousCommit::Off;
    insta::assert_snapshot!(found(&settings, &orders()).await);
}

/// Every fix is SQL that works: granted one after the other, they leave nothing to find, and the
/// role can write.
#[tokio::test]
async fn each_missing_right_comes_with_the_statement_that_grants_it() {
    let warehouse = Warehouse::initialised(&orders()).await;
    let role = format!("writer_{}", warehouse.database);
    let database = &warehouse.database;
    warehouse.sql(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    ));
    let mut settings = warehouse.settings();
    settings.url = Secret::new(Cluster::shared().url_for(&role, database));
    for _ in 0..3 {
        let findings = check(&settings, &orders(), &[]).await;
        for finding in &findings {
            if finding.id == "right_missing" {
                warehouse.sql(&finding.fix);
            }
        }
    }
    assert_eq!(found(&settings, &orders()).await, "");
    for target in orders() {
        warehouse.sql("DELETE FROM cdc.checkpoint");
        let mut lane = crate::support::Lane::open(settings.clone(), vec![target]).await;
        lane.write(&[
            Op::Insert(order(1, 100, "a")),
            Op::Update(None, order(1, 200, "b")),
            Op::Insert(order(2, 100, &"x".repeat(51))),
            Op::Truncate,
            Op::Delete(order(3, 100, "a")),
        ])
        .await;
        let partition = lane.partition.clone();
        cdc_core::Writer::release(&mut lane.writer, &[partition]).await.unwrap();
        warehouse.sql("DELETE FROM cdc.dead_letter; DELETE FROM cdc.table_event");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_finding() {
    let warehouse = Warehouse::empty();
    let mut settings = warehouse.settings();
    settings.url = Secret::new("postgres://someone:hunter2@127.0.0.1:1/nowhere");
    settings.connect_patience = std::time::Duration::ZERO;
    let found = found(&settings, &orders()).await;
    assert!(found.starts_with("error warehouse_unreachable"), "{found}");
    assert!(!found.contains("hunter2"));
}
