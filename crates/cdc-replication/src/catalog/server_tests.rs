//! The statement against a real server.

use cdc_core::SourceTable;
use cdc_stack::postgres::Cluster;

use super::sql::{names_statement, statement};
use super::{CatalogError, Identity, TableCatalog, TableKind, read};

struct Source(String);

impl Source {
    fn with(sql: &str) -> Self {
        let database = Cluster::shared().fresh_database("catalog").unwrap();
        Cluster::shared().psql(&database, sql).unwrap();
        Self(database)
    }

    fn ask(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.0, sql).unwrap()
    }

    fn load(&self, tables: &[SourceTable]) -> Result<Vec<TableCatalog>, CatalogError> {
        read(&self.ask(&statement(tables)), tables)
    }

    fn one(&self, name: &str) -> TableCatalog {
        self.load(&[SourceTable::new("public", name)]).unwrap().remove(0)
    }
}

#[test]
fn columns_types_and_keys_are_those_of_the_table() {
    let source = Source::with(
        "CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN price AS numeric(12, 3);
         CREATE DOMAIN net AS price;
         CREATE TABLE \"Odd \"\"Name'\\\" (
             gone int, \"B\" varchar(10) NOT NULL, a int, p net, m mood[], r pair, t timestamp(3)[],
             g int GENERATED ALWAYS AS (a * 2) STORED, n numeric(10, 2), l pg_lsn, bits varbit(7),
             PRIMARY KEY (\"B\", a) INCLUDE (n));
         ALTER TABLE \"Odd \"\"Name'\\\" DROP COLUMN gone;",
    );
    let found = source.one("Odd \"Name'\\");
    let columns: Vec<String> = found
        .columns
        .iter()
        .map(|column| {
            let semantic = column.semantic.as_ref().map(ToString::to_string);
            let semantic = semantic.as_deref().unwrap_or("-");
            let not_null = if column.not_null { "!" } else { "" };
            format!("{} {} {} {semantic}{not_null}", column.attnum, column.name, column.sql_type)
        })
        .collect();
    assert_eq!(
        columns,
        [
            "2 B character varying(10) text!",
            "3 a integer int32!",
            "4 p net decimal(12,3)",
            "5 m mood[] array(enum)",
            "6 r pair -",
            "7 t timestamp(3) without time zone[] array(timestamp(millis))",
            "9 n numeric(10,2) decimal(10,2)",
            "10 l pg_lsn -",
            "11 bits bit varying(7) varbits(7)",
        ]
    );
    assert_eq!(found.primary_key, ["B", "a"]);
    assert_eq!((found.kind, found.identity.clone()), (TableKind::Plain, Identity::Default));
    let oid = source.ask("SELECT oid FROM pg_class WHERE relname LIKE 'Odd%' AND relkind = 'r'");
    assert_eq!(found.oid.to_string(), oid);
    assert_eq!(found.identity_finding(), None);
}

#[test]
fn tables_come_in_the_order_asked_for_and_missing_ones_are_named() {
    let source = Source::with(
        "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE payments (id int);
         CREATE VIEW seen AS SELECT 1; CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
         INSERT INTO orders SELECT generate_series(1, 5000); ANALYZE orders;",
    );
    let table = |name: &str| SourceTable::new("public", name);
    let found = source.load(&[table("payments"), table("orders")]).unwrap();
    let names: Vec<&str> = found.iter().map(|found| found.table.name()).collect();
    assert_eq!(names, ["payments", "orders"]);
    assert_eq!(found[1].estimated_rows, 5_000);
    assert_eq!(source.load(&[]), Ok(Vec::new()));
    let names = source.ask(names_statement());
    for (asked, message) in [
        ("order", "the source has no table public.order; did you mean public.orders?"),
        ("seen", "the source has no table public.seen"),
    ] {
        let error = source.load(&[table("orders"), table(asked)]).unwrap_err().with_near(&names);
        assert_eq!(error.to_string(), message);
    }
    let error = source.load(&[table("quick")]).unwrap_err();
    assert_eq!(error.hint(), r#"run on the source: ALTER TABLE "public"."quick" SET LOGGED"#);
}

#[test]
fn a_table_whose_updates_the_source_will_refuse_is_a_finding() {
    let source = Source::with(
        "CREATE TABLE plain (a int); CREATE TABLE whole (a int);
         ALTER TABLE whole REPLICA IDENTITY FULL;
         CREATE TABLE chosen (a int NOT NULL, b int NOT NULL);
         CREATE UNIQUE INDEX chosen_index ON chosen (b, a);
         ALTER TABLE chosen REPLICA IDENTITY USING INDEX chosen_index;
         CREATE TABLE silent (a int PRIMARY KEY); ALTER TABLE silent REPLICA IDENTITY NOTHING;
         CREATE PUBLICATION p FOR ALL TABLES;",
    );
    for (name, identity, key) in [
        ("whole", Identity::Full, &[][..]),
        ("chosen", Identity::Index(vec!["b".to_owned(), "a".to_owned()]), &["b", "a"]),
    ] {
        let found = source.one(name);
        assert_eq!((&found.identity, found.key()), (&identity, key_of(key).as_slice()));
        assert_eq!(found.identity_finding(), None);
        source.ask(
            &format!("INSERT INTO {name} VALUES (1); UPDATE {name} SET a = 2")
                .replace("INTO chosen VALUES (1)", "INTO chosen VALUES (1, 1)"),
        );
    }
    for name in ["plain", "silent"] {
        let finding = source.one(name).identity_finding().unwrap();
        assert!(finding.message.contains("refuses every update"), "{}", finding.message);
        source.ask(&format!("INSERT INTO {name} VALUES (1)"));
        let update = format!("UPDATE {name} SET a = 2");
        // The server does what the finding says, and what it names as the remedy helps.
        assert!(Cluster::shared().psql(&source.0, &update).is_err());
        source.ask(finding.fix.split_once("source: ").unwrap().1);
        source.ask(&update);
    }
}

fn key_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_partitioned_table_counts_and_judges_its_partitions() {
    let source = Source::with(
        "CREATE TABLE parts (id int, at int NOT NULL) PARTITION BY RANGE (at);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (at);
         CREATE TABLE parts_3 PARTITION OF parts_2 FOR VALUES FROM (10) TO (20);
         ALTER TABLE parts_1 REPLICA IDENTITY FULL;
         INSERT INTO parts SELECT n, n % 20 FROM generate_series(1, 2000) n; ANALYZE;
         CREATE TABLE keyed (id int, at int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
         CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES FROM (0) TO (10);",
    );
    let found = source.one("parts");
    assert_eq!((found.kind, found.estimated_rows), (TableKind::Partitioned, 2_000));
    assert_eq!(found.without_identity, [SourceTable::new("public", "parts_3")]);
    let finding = found.identity_finding().unwrap();
    assert_eq!(
        finding.fix,
        r#"add a primary key, or run on the source: ALTER TABLE "public"."parts_3" REPLICA IDENTITY FULL"#
    );
    let keyed = source.one("keyed");
    assert_eq!((keyed.key(), keyed.identity_finding()), (key_of(&["at", "id"]).as_slice(), None));
}
