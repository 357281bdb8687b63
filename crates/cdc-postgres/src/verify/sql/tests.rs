//! The text of the statements, and what the columns of both sides are paired to.

use cdc_core::{SourceTable, TableId};

use super::*;
use crate::catalog::{ColumnChecks, TableKind, TargetColumn};
use crate::ident::QualifiedName;
use crate::settings::{SnapshotSweep, TableSettings, TargetName, Truncates};
use crate::verify::{
    ColumnFate, ColumnRoute, Passes, RowFilter, ValueTest, VerifyTable, columns, filter,
};

fn table(name: &str, columns: &[(&str, u32, &str)], key: &[&str]) -> TargetTable {
    let column = |(name, type_oid, type_name): &(&str, u32, &str)| TargetColumn {
        name: (*name).to_owned(),
        type_oid: *type_oid,
        type_mod: -1,
        type_name: (*type_name).to_owned(),
        nullable: true,
        has_default: false,
        generated: false,
        labels: None,
        element: None,
        extension: None,
        server_version: 150_000,
    };
    TargetTable {
        name: QualifiedName::parse(name).unwrap(),
        columns: columns.iter().map(column).collect(),
        primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
        primary_key_deferrable: false,
        unique_indexes: Vec::new(),
        index_columns: std::collections::BTreeMap::new(),
        foreign_keys: Vec::new(),
        checks: ColumnChecks::new(),
        kind: TableKind::Ordinary,
        row_triggers: Vec::new(),
    }
}

fn settings(mode: Mode) -> VerifyTable {
    let renamed = ColumnFate::Renamed("price".to_owned());
    VerifyTable {
        settings: TableSettings {
            id: TableId::new(0),
            source: SourceTable::new("public", "orders"),
            target: TargetName::parse("dwh.orders").unwrap(),
            mode,
            snapshot_sweep: SnapshotSweep::Apply,
        },
        routes: vec![ColumnRoute { column: "amount".to_owned(), fate: renamed }],
        filters: Vec::new(),
        partial_filters: Vec::new(),
    }
}

fn orders() -> TargetTable {
    table("orders", &[("id", 23, "integer"), ("amount", 1700, "numeric(10,2)")], &["id"])
}

fn both(target: &TargetTable, mode: Mode, hashing: Hashing) -> Statements {
    let table = settings(mode);
    let pairs = columns::pair(&orders(), target, &table).unwrap();
    Statements::new(&orders(), target, mode, &pairs, hashing)
}

#[test]
fn both_sides_write_the_same_of_a_renamed_column_of_another_scale() {
    let mirror = [
        ("id", 20, "bigint"),
        ("price", 1700, "numeric(14,4)"),
        ("cdc_generation", 23, "integer"),
        ("cdc_offset", 20, "bigint"),
    ];
    let target = table("dwh.orders", &mirror, &["id"]);
    let mode = Mode::Mirror { deletes: Deletes::Soft, truncates: Truncates::Apply };
    let statements = both(&target, mode, Hashing::Plain);
    assert_eq!(
        statements.source.digest,
        "SELECT bucket, count(*) AS rows, sum(hash)::text AS digest
  FROM (SELECT pg_catalog.hashtextextended(ROW(t.\"id\")::text COLLATE \"C\", 0) & $1 AS bucket, \
         pg_catalog.hashtextextended(ROW(t.\"id\", \
         pg_catalog.trim_scale(t.\"amount\"::numeric))::text COLLATE \"C\", 1) AS hash
          FROM \"public\".\"orders\" AS t) AS hashed
 GROUP BY bucket"
    );
    let theirs = statements.source.digest.replace("\"amount\"", "\"price\"").replace(
        "\"public\".\"orders\" AS t",
        "(SELECT * FROM \"dwh\".\"orders\" WHERE cdc_deleted IS NOT TRUE) AS t",
    );
    assert_eq!(statements.warehouse.digest, theirs);
    let lookup = "FROM unnest($1::text[]) AS wanted (k1) JOIN \"public\".\"orders\" AS t ON t.\"id\" = \
                  wanted.k1::integer";
    assert!(statements.source.wanted.ends_with(lookup), "{}", statements.source.wanted);
    assert!(statements.warehouse.wanted.ends_with("t.\"id\" = wanted.k1::bigint"));
}

#[test]
fn texts_of_servers_with_other_encodings_are_hashed_as_utf_8() {
    let mirror = [
        ("id", 23, "integer"),
        ("price", 1700, "numeric(10,2)"),
        ("cdc_generation", 23, "integer"),
        ("cdc_offset", 20, "bigint"),
    ];
    let target = table("dwh.orders", &mirror, &["id"]);
    let mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
    let whole = both(&target, mode, Hashing::Recoded).warehouse.whole;
    assert!(whole.contains("encode(pg_catalog.convert_to(ROW("), "{whole}");
}

#[test]
fn a_history_without_lineage_says_what_it_lacks_and_every_column_left_out_is_named() {
    let bare = [("id", 23, "integer"), ("operation_type", 25, "text")];
    let target = table("dwh.orders", &bare, &[]);
    let refusal = columns::pair(&orders(), &target, &settings(Mode::History)).unwrap_err();
    assert_eq!(
        refusal,
        "dwh.orders has no column cdc_generation, cdc_partition, cdc_offset, cdc_ordinal: its newest \
         rows cannot be told"
    );
    let mirror = [
        ("id", 23, "integer"),
        ("price", 1114, "timestamp"),
        ("loaded_at", 1114, "timestamp"),
        ("cdc_generation", 23, "integer"),
        ("cdc_offset", 20, "bigint"),
    ];
    let target = table("dwh.orders", &mirror, &["id"]);
    let mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
    let pairs = columns::pair(&orders(), &target, &settings(mode)).unwrap();
    assert_eq!(
        pairs.left_out,
        [
            "amount (numeric(10,2) and timestamp have no common form)",
            "loaded_at (only in the warehouse)"
        ]
    );
}

#[test]
fn filters_are_conditions_whose_literals_are_only_literals() {
    let filter = |passes, column: &str, tests: &[ValueTest]| RowFilter {
        name: "keep".to_owned(),
        passes,
        column: column.to_owned(),
        tests: tests.to_vec(),
    };
    let text = |text: &str| text.to_owned();
    let filters = [
        filter(
            Passes::Matching,
            "amount",
            &[ValueTest::Greater(text("1.5")), ValueTest::NotEquals(text("9' OR 1=1; --"))],
        ),
        filter(Passes::Others, "id", &[ValueTest::In(vec![text("1"), text("2")])]),
    ];
    assert_eq!(
        filter::condition(&filters, &orders()).unwrap().unwrap(),
        "(\"amount\" > '1.5'::numeric(10,2) AND \"amount\" <> '9'' OR 1=1; --'::numeric(10,2)) IS TRUE \
         AND (\"id\" = ANY (ARRAY['1'::integer, '2'::integer]::integer[])) IS NOT TRUE"
    );
    assert_eq!(filter::condition(&[], &orders()), Ok(None));
    let unknown = [filter(Passes::Others, "gone", &[ValueTest::IsNull])];
    let refusal = filter::condition(&unknown, &orders()).unwrap_err();
    assert!(refusal.contains("column gone"), "{refusal}");
}
