//! Plans from a catalog made by hand: order of columns, guards, indexes.

use cdc_core::{Column, SemanticType, SourceTable, TableId};

use super::*;
use crate::catalog::ColumnChecks;
use crate::ident::QualifiedName;
use crate::settings::{Deletes, SnapshotSweep, TargetName, Truncates};

const INT4: u32 = 23;
const INT8: u32 = 20;
const TEXT: u32 = 25;

fn column(name: &str, type_oid: u32, type_name: &str) -> TargetColumn {
    TargetColumn {
        name: name.to_owned(),
        type_oid,
        type_mod: -1,
        type_name: type_name.to_owned(),
        nullable: true,
        has_default: false,
        generated: false,
        labels: None,
        element: None,
        extension: None,
        server_version: 150_000,
    }
}

/// `items`: two key columns in another order than the source's, two values and both positions.
fn target() -> TargetTable {
    TargetTable {
        name: QualifiedName::parse("items").unwrap(),
        columns: vec![
            column("note", TEXT, "text"),
            column("id", INT4, "integer"),
            column("region", TEXT, "text"),
            column("count", INT8, "bigint"),
            column("cdc_generation", INT4, "integer"),
            column("cdc_partition", INT4, "integer"),
            column("cdc_offset", INT8, "bigint"),
            column("cdc_ordinal", INT4, "integer"),
        ],
        primary_key: vec!["region".to_owned(), "id".to_owned()],
        primary_key_deferrable: false,
        unique_indexes: Vec::new(),
        index_columns: std::collections::BTreeMap::new(),
        foreign_keys: Vec::new(),
        checks: ColumnChecks::new(),
        kind: TableKind::Ordinary,
        row_triggers: Vec::new(),
    }
}

pub(crate) fn shape() -> RowShape {
    RowShape::new(vec![
        Column::new("id", SemanticType::Int32),
        Column::new("region", SemanticType::Text),
        Column::new("count", SemanticType::Int64),
        Column::new("note", SemanticType::Text),
    ])
}

fn settings(mode: Mode) -> TableSettings {
    TableSettings {
        id: TableId::new(0),
        source: SourceTable::new("public", "items"),
        target: TargetName::parse("items").unwrap(),
        mode,
        snapshot_sweep: SnapshotSweep::Apply,
    }
}

/// A mirror's plan for [`shape`].
pub(crate) fn mirror_plan(deletes: Deletes) -> Arc<MirrorPlan> {
    let mut table = target();
    if deletes == Deletes::Soft {
        table.columns.push(column("cdc_deleted", 16, "boolean"));
    }
    plan_into(&table, deletes)
}

fn plan_into(table: &TargetTable, deletes: Deletes) -> Arc<MirrorPlan> {
    let mode = Mode::Mirror { deletes, truncates: Truncates::Apply };
    match plan(&settings(mode), &shape(), Some(table), 1).unwrap() {
        TablePlan::Mirror(plan) => plan,
        TablePlan::History(_) => panic!("asked for a mirror"),
    }
}

#[test]
fn a_mirrors_rows_lead_with_the_key_in_its_own_order() {
    let plan = mirror_plan(Deletes::Hard);
    let names = |cells: &[Cell]| cells.iter().map(|cell| cell.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&plan.keys), ["region", "id"]);
    assert_eq!(names(&plan.values), ["count", "note"]);
    assert!(plan.placed, "the target keeps the partition");
    assert_eq!((plan.fields, plan.delete_fields), (7, 4));
    let mut table = target();
    table.columns.retain(|column| column.name != "cdc_partition");
    let plan = plan_into(&table, Deletes::Hard);
    assert!(!plan.placed, "the target does not keep it");
    assert_eq!((plan.fields, plan.delete_fields), (6, 4));
}

#[test]
fn a_guard_names_every_column_with_its_type() {
    insta::assert_snapshot!(
        mirror_plan(Deletes::Hard).guard,
        @r#"SELECT cdc.require_types('"public"."items"'::regclass, ARRAY['id','region','count','note']::text[], ARRAY['integer','text','bigint','text']::text[])"#
    );
}

#[test]
fn a_unique_index_that_the_server_fills_is_told_from_one_over_the_rows() {
    let mut table = target();
    table.columns.push(TargetColumn { has_default: true, ..column("serial", INT8, "bigint") });
    table.primary_key = vec!["serial".to_owned()];
    let index = |name: &str, column: &str| (name.to_owned(), vec![column.to_owned()]);
    let indexes = [("by_note", "note"), ("by_serial", "serial"), ("items_pkey", "serial")];
    table.index_columns = indexes.map(|(name, column)| index(name, column)).into();
    let made = plan(&settings(Mode::History), &shape(), Some(&table), 1).unwrap();
    let TablePlan::History(made) = made else { panic!("asked for a history") };
    let filled = ["by_note", "by_serial", "items_pkey", "since"].map(|index| made.filled(index));
    let by_server = Some(Filled::ByServer);
    assert_eq!(filled, [Some(Filled::ByPipeline), by_server, by_server, None]);
}
