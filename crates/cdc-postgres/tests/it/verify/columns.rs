//! Columns of other types and names: compared by value, or named as left out.

use cdc_config::Secret;
use cdc_core::{Classify as _, Halt, SourceTable};
use cdc_postgres::{
    ColumnFate, ColumnRoute, Deletes, Difference, KeyDifference, Mode, Passes, RowFilter,
    SourceSettings, Truncates, ValueTest, Verdict, Verifier,
};
use cdc_stack::postgres::Cluster;

use super::{MIRROR, Sides, filled};
use crate::support::Warehouse;

const SOURCE: &str = r#"
    CREATE EXTENSION hstore;
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE "odd ""table" (
        region char(5), "Key" numeric(8,2), small smallint, price numeric(10,2), free numeric, ratio real,
        label char(10), feeling mood, opens timetz, at timestamptz, span interval, raw bytea, doc json,
        tags text[], flag bit(1), address inet, store hstore, secret text, gone text, part text,
        PRIMARY KEY (region, "Key"));
    INSERT INTO "odd ""table" VALUES
        ('eu', 1.50, 1, 2.50, 7.1000, 0.1, 'ab', 'happy', '10:00+02', '2024-03-31 02:30+01', '1 mon 2 days',
         '\x00ff', '{"a": 1,  "a": 2}', '{"a,b",NULL,""}', B'1', '10.0.0.1', 'a=>1', 's', 'g', 'p"\,( '),
        ('us', -1, NULL, NULL, 'NaN', 'NaN', NULL, NULL, NULL, '-infinity', NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, NULL, '');
"#;

const MIRRORED: &str = r#"
    CREATE TABLE odd (
        region text, "Key" numeric(12,4), small bigint, price numeric(14,4), free numeric,
        ratio double precision, label text, feeling varchar(20), opens timetz, at timestamptz,
        span interval, raw bytea, doc jsonb, tags varchar(9)[], flag boolean, address text, store jsonb,
        secret_hash text, "the ""part" text, cdc_generation integer, cdc_offset bigint, loaded_at timestamp,
        PRIMARY KEY (region, "Key"));
    INSERT INTO odd VALUES
        ('eu   ', 1.50, 1, 2.50, 7.1, 0.1::real, 'ab        ', 'happy', '08:00+00', '2024-03-31 01:30+00',
         '1 mon 2 days', '\x00ff', '{"a": 2}', '{"a,b",NULL,""}', true, '10.0.0.1', '{"a": "1"}', '1f',
         'p"\,( '),
        ('us   ', -1, NULL, NULL, 'NaN', 'NaN', NULL, NULL, NULL, '-infinity', NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, '');
"#;

async fn odd() -> Sides {
    let warehouse = Warehouse::initialised(&[]).await;
    let mut sides = Sides::with(super::table("odd", MIRROR), warehouse);
    sides.table.settings.source = SourceTable::new("public", "odd \"table");
    let fate = |column: &str, fate| ColumnRoute { column: column.to_owned(), fate };
    sides.table.routes = vec![
        fate("part", ColumnFate::Renamed("the \"part".to_owned())),
        fate("gone", ColumnFate::Dropped),
        fate("secret", ColumnFate::Hashed("secret_hash".to_owned())),
    ];
    sides.table.partial_filters = vec!["drop(delete)".to_owned()];
    sides.source(SOURCE);
    sides.warehouse.sql(MIRRORED);
    sides
}

#[tokio::test]
async fn equal_values_of_other_types_are_equal_and_what_is_not_compared_is_named() {
    let sides = odd().await;
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Equal, "{report:?}");
    assert_eq!(report.source_rows, 2);
    assert_eq!(
        report.left_out,
        [
            "store (hstore and jsonb have no common form)",
            "secret (hashed by a rule)",
            "gone (dropped by a rule)",
            "loaded_at (only in the warehouse)",
        ]
    );
    assert_eq!(report.compared.len(), 17);
    assert!(report.notes[0].contains("drop(delete)"), "{:?}", report.notes);
}

#[tokio::test]
async fn a_change_of_any_compared_column_is_found() {
    let sides = odd().await;
    let changes = [
        ("small", "2"),
        ("price", "2.5001"),
        ("free", "7.2"),
        ("ratio", "0.1::float8"),
        ("label", "'abc'"),
        ("feeling", "'sad'"),
        ("opens", "'10:00+00'"),
        ("at", "'2024-03-31 02:30+00'"),
        ("span", "'32 days'"),
        ("raw", "'\\x00fe'"),
        ("doc", "'{\"a\": 1}'"),
        ("tags", "'{\"a,b\",\"\",\"\"}'"),
        ("flag", "false"),
        ("address", "'10.0.0.2'"),
        ("\"the \"\"part\"", "''"),
    ];
    for (column, value) in changes {
        sides.warehouse.sql(&format!(
            "CREATE TEMP TABLE kept AS SELECT * FROM odd WHERE region = 'eu   ';
             CREATE TABLE IF NOT EXISTS saved AS SELECT * FROM kept;
             UPDATE odd SET {column} = {value} WHERE region = 'eu   '"
        ));
        let name = if column.starts_with('"') { "part" } else { column };
        let key = [("region", "eu"), ("Key", "1.5")];
        let key = key.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let expected =
            KeyDifference { key, difference: Difference::Columns(vec![name.to_owned()]) };
        assert_eq!(sides.verify().await.listed, [expected], "{column}");
        sides
            .warehouse
            .sql("DELETE FROM odd WHERE region = 'eu   '; INSERT INTO odd SELECT * FROM saved");
    }
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
}

#[tokio::test]
async fn rows_that_rules_keep_out_are_left_out_in_the_source() {
    let mut sides = filled(20).await;
    sides.warehouse.sql("DELETE FROM orders_current WHERE status IS NULL OR order_id > 15");
    let filter = |name: &str, passes, column: &str, test| RowFilter {
        name: name.to_owned(),
        passes,
        column: column.to_owned(),
        tests: vec![test],
    };
    let keep = filter("keep(status)", Passes::Matching, "status", ValueTest::NotNull);
    let greater = ValueTest::Greater("15".to_owned());
    sides.table.filters = vec![keep, filter("drop(order_id)", Passes::Others, "order_id", greater)];
    let report = sides.verify().await;
    assert_eq!((&report.verdict, report.source_rows), (&Verdict::Equal, 12), "{report:?}");
    assert!(report.notes[0].contains("keep(status), drop(order_id)"), "{:?}", report.notes);

    // Read again, a row is judged by the same rules.
    sides.source("UPDATE orders SET status = NULL WHERE order_id = 3");
    let listed = sides.verify().await.listed;
    assert_eq!(listed, [super::key(3, Difference::OnlyInWarehouse)]);
}

#[tokio::test]
async fn flagged_rows_of_a_mirror_are_gone() {
    let mut sides = filled(10).await;
    sides.table.settings.mode =
        Mode::Mirror { deletes: Deletes::Soft, truncates: Truncates::Ignore };
    sides.warehouse.sql(
        "ALTER TABLE orders_current ADD cdc_deleted boolean NOT NULL DEFAULT false;
         UPDATE orders_current SET cdc_deleted = true WHERE order_id = 4",
    );
    sides.source("DELETE FROM orders WHERE order_id = 4");
    let report = sides.verify().await;
    assert_eq!((report.verdict, report.warehouse_rows), (Verdict::Equal, 9));
    assert!(report.notes.iter().any(|note| note.contains("truncated")), "{:?}", report.notes);
}

#[tokio::test]
async fn a_key_that_rules_replace_cannot_be_matched() {
    let mut sides = filled(2).await;
    let fate = ColumnFate::Hashed("order_id".to_owned());
    sides.table.routes = vec![ColumnRoute { column: "order_id".to_owned(), fate }];
    let Verdict::NotComparable(reason) = sides.verify().await.verdict else { panic!("compared") };
    assert!(reason.contains("key column order_id") && reason.contains("hashed"), "{reason}");
    sides.table.settings.source = SourceTable::new("public", "nowhere");
    let verdict = sides.verify().await.verdict;
    assert_eq!(
        verdict,
        Verdict::NotComparable("the source has no table public.nowhere".to_owned())
    );
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_a_matter_of_the_environment() {
    let sides = filled(2).await;
    let mut settings = sides.warehouse.settings();
    settings.connect_patience = std::time::Duration::ZERO;
    let source = SourceSettings::new(Secret::new("postgres://me:hunter2@127.0.0.1:1/shop"));
    let refused = Verifier::open(&settings, &source, sides.options).await.unwrap_err();
    let text = cdc_core::with_causes(&refused);
    assert!(text.contains("127.0.0.1:1/shop, which `source.postgres.url` names"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("warehouse"), "{text}");
    assert_eq!(refused.class().halt(), Halt::Environment, "{refused:?}");

    sides.source("CREATE ROLE verify_blind LOGIN");
    let url = Cluster::shared().url_for("verify_blind", &sides.source);
    let source = SourceSettings::new(Secret::new(url));
    let mut verifier = Verifier::open(&settings, &source, sides.options).await.unwrap();
    let ends = || std::future::ready(None);
    let refused = verifier.table(&sides.table, ends, |_| {}).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("42501"), "{refused:?}");
    assert!(refused.hint().unwrap().contains("grant SELECT"), "{:?}", refused.hint());
    assert_eq!(refused.class().halt(), Halt::Environment, "{refused:?}");
}
