//! A table that joins a pipeline under way would miss what came before: it is refused everywhere.

use cdc_core::{Classify as _, ErrorClass, Halt, Sink as _};
use cdc_postgres::{
    Adopt, Finding, Mode, PipelineName, PostgresError, PostgresSettings, PostgresSink, Severity,
    TableSettings, check, init,
};

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, table};

fn history() -> TableSettings {
    table(0, "orders_fact", Mode::History)
}

fn mirror() -> TableSettings {
    table(1, "orders_current", HARD)
}

/// A pipeline that has applied something to its history. The mirror exists and is empty.
async fn under_way() -> Warehouse {
    let warehouse = Warehouse::initialised(&[history()]).await;
    let mut other = warehouse.settings();
    other.pipeline = PipelineName::parse("other").unwrap();
    init(&other, &[mirror()], Adopt::No).await.unwrap();
    write_once(&warehouse, vec![history()]).await;
    warehouse
}

async fn write_once(warehouse: &Warehouse, tables: Vec<TableSettings>) {
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
}

async fn found(settings: &PostgresSettings, tables: &[TableSettings]) -> Vec<Finding> {
    check(settings, tables, &[]).await.findings
}

/// Neither `init` nor a check nor a run has anything against the tables.
async fn assert_admitted(settings: &PostgresSettings, tables: &[TableSettings]) {
    assert_eq!(found(settings, tables).await, []);
    init(settings, tables, Adopt::No).await.unwrap();
    PostgresSink::new(settings.clone(), tables.to_vec()).open_lane().await.unwrap();
}

/// All three refuse the tables, and for the same reason.
async fn assert_refused(settings: &PostgresSettings, tables: &[TableSettings]) -> Finding {
    let mut findings = found(settings, tables).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings.remove(0);
    assert_eq!(finding.id, "table_new_to_pipeline");
    assert_eq!(finding.severity, Severity::Error(Halt::Configuration));
    let lane = PostgresSink::new(settings.clone(), tables.to_vec()).open_lane().await;
    for error in [init(settings, tables, Adopt::No).await.unwrap_err(), lane.unwrap_err()] {
        assert!(matches!(error, PostgresError::Occupied { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration));
        assert_eq!(
            (error.to_string(), error.hint()),
            (finding.message.clone(), Some(finding.fix.clone()))
        );
    }
    finding
}

#[tokio::test]
async fn a_table_that_is_new_to_a_pipeline_with_progress_is_refused() {
    let warehouse = under_way().await;
    let finding = assert_refused(&warehouse.settings(), &[mirror()]).await;
    insta::assert_snapshot!(format!("{}\n{}", finding.message, finding.fix));
    assert_refused(&warehouse.settings(), &[history(), mirror()]).await;
    assert_admitted(&warehouse.settings(), &[history()]).await;
}

#[tokio::test]
async fn the_same_table_is_fine_in_a_pipeline_of_its_own() {
    let warehouse = under_way().await;
    let mut settings = warehouse.settings();
    settings.pipeline = PipelineName::parse("other").unwrap();
    assert_admitted(&settings, &[mirror()]).await;
}

#[tokio::test]
async fn the_same_target_from_another_source_is_another_table() {
    let warehouse = under_way().await;
    let mut renamed = history();
    renamed.source = cdc_core::SourceTable::new("public", "it's_new");
    let finding = assert_refused(&warehouse.settings(), &[renamed.clone()]).await;
    let (_, statement) = finding.fix.rsplit_once("yet: ").unwrap();
    warehouse.sql(statement);
    assert_admitted(&warehouse.settings(), &[renamed]).await;
}

#[tokio::test]
async fn starting_over_admits_every_table_that_is_configured_then() {
    let warehouse = under_way().await;
    warehouse.sql("DELETE FROM cdc.checkpoint WHERE pipeline = 'orders'");
    assert_admitted(&warehouse.settings(), &[history(), mirror()]).await;
    write_once(&warehouse, vec![history(), mirror()]).await;
    assert_admitted(&warehouse.settings(), &[history(), mirror()]).await;
    // Without the mirror, a second time: what was followed once is not followed for ever.
    warehouse.sql("DELETE FROM cdc.checkpoint WHERE pipeline = 'orders'");
    write_once(&warehouse, vec![history()]).await;
    assert_refused(&warehouse.settings(), &[history(), mirror()]).await;
}

#[tokio::test]
async fn a_table_that_a_run_left_out_has_missed_something() {
    let warehouse = Warehouse::initialised(&[history(), mirror()]).await;
    write_once(&warehouse, vec![history(), mirror()]).await;
    assert_admitted(&warehouse.settings(), &[history()]).await;
    assert_refused(&warehouse.settings(), &[history(), mirror()]).await;
}

#[tokio::test]
async fn a_table_made_by_hand_needs_no_init_of_its_own() {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql(
        "CREATE TABLE by_hand (order_id integer PRIMARY KEY, customer_id integer,
             product_name text, amount numeric(10,2), status text, created_at timestamp,
             updated_at timestamp, cdc_generation integer, cdc_offset bigint)",
    );
    let tables = [table(0, "by_hand", HARD)];
    assert_eq!(found(&warehouse.settings(), &tables).await, []);
    write_once(&warehouse, tables.to_vec()).await;
    assert_eq!(warehouse.sql("SELECT count(*) FROM by_hand"), "1");
    assert_admitted(&warehouse.settings(), &tables).await;
}
