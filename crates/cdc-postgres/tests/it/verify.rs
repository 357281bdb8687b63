//! Source against warehouse: what is equal, what differs, and what only moves.

use std::time::Duration;

use cdc_config::Secret;
use cdc_core::{NextOffset, PartitionNumber, SourceTable, TableId, TopicName};
use cdc_postgres::{
    Deletes, Difference, KeyDifference, LogEnd, Mode, SnapshotSweep, SourceSettings, TableReport,
    TableSettings, TargetName, Truncates, Verdict, Verifier, VerifyOptions, VerifyTable,
};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability};

use crate::support::Warehouse;

mod columns;
mod connector;
mod histories;
mod moving;
mod size;

const MIRROR: Mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };

/// As the source of all these systems declares it.
const ORDERS: &str = "CREATE TABLE public.orders (
    order_id integer PRIMARY KEY, customer_id integer NOT NULL, product_name varchar(255),
    amount numeric(10,2), status varchar(50), created_at timestamp, updated_at timestamp)";

/// A source database and a warehouse, on one server unless the source has one of its own.
struct Sides {
    own_server: Option<Cluster>,
    source: String,
    warehouse: Warehouse,
    table: VerifyTable,
    options: VerifyOptions,
}

fn table(target: &str, mode: Mode) -> TableSettings {
    TableSettings {
        id: TableId::new(0),
        source: SourceTable::new("public", "orders"),
        target: TargetName::parse(target).unwrap(),
        mode,
        snapshot_sweep: SnapshotSweep::Apply,
    }
}

impl Sides {
    /// Orders on both sides, without rows.
    async fn orders(mode: Mode) -> Self {
        let target = if mode == Mode::History { "orders_fact" } else { "orders_current" };
        let table = table(target, mode);
        let sides = Self::with(table.clone(), Warehouse::initialised(&[table]).await);
        sides.source(ORDERS);
        sides
    }

    fn with(settings: TableSettings, warehouse: Warehouse) -> Self {
        Self {
            own_server: None,
            source: Cluster::shared().fresh_database("source").unwrap(),
            warehouse,
            table: VerifyTable {
                settings,
                routes: Vec::new(),
                filters: Vec::new(),
                partial_filters: Vec::new(),
            },
            options: VerifyOptions {
                stable_for: Duration::from_millis(600),
                patience: Duration::from_secs(20),
                ..VerifyOptions::default()
            },
        }
    }

    /// The same with the source on a server of its own, which no other test has transactions on.
    fn apart(self) -> Self {
        let durability = Durability::Relaxed;
        let options = ClusterOptions { durability, ..ClusterOptions::default() };
        let server = Cluster::start(options).unwrap();
        let source = server.fresh_database("source").unwrap();
        let sides = Self { own_server: Some(server), source, ..self };
        sides.source(ORDERS);
        sides
    }

    fn source_server(&self) -> &Cluster {
        self.own_server.as_ref().unwrap_or_else(|| Cluster::shared())
    }

    fn source(&self, sql: &str) -> String {
        self.source_server().psql(&self.source, sql).unwrap()
    }

    async fn verifier(&self) -> Verifier {
        let source = SourceSettings::new(Secret::new(self.source_server().url(&self.source)));
        Verifier::open(&self.warehouse.settings(), &source, self.options).await.unwrap()
    }

    /// Compares, with a log that cannot be asked.
    async fn verify(&self) -> TableReport {
        self.verify_behind(|| None).await
    }

    /// Compares, with a log that ends there.
    async fn verify_behind(&self, ends: impl Fn() -> Option<Vec<LogEnd>> + Sync) -> TableReport {
        let mut verifier = self.verifier().await;
        let ends = || std::future::ready(ends());
        verifier.table(&self.table, ends, |_| {}).await.unwrap()
    }
}

/// Rows of numbers, and the same in a mirror.
async fn filled(rows: u32) -> Sides {
    let sides = Sides::orders(MIRROR).await;
    fill(&sides, rows);
    sides
}

fn fill(sides: &Sides, rows: u32) {
    let values = format!(
        "SELECT i, i % 7, 'Widget ''' || i || '\"', i / 100.0, CASE WHEN i % 5 > 0 THEN 'ö\\' || i END, \
         timestamp '2024-01-01' + i * interval '1.000001 s', now()::date FROM generate_series(1, {rows}) i"
    );
    sides.source(&format!("INSERT INTO orders {values}; ANALYZE orders"));
    let values = values.replace(" FROM generate", ", 0, i FROM generate");
    sides.warehouse.sql(&format!("INSERT INTO orders_current {values}"));
}

fn key(value: u32, difference: Difference) -> KeyDifference {
    KeyDifference { key: vec![("order_id".to_owned(), value.to_string())], difference }
}

#[tokio::test]
async fn equal_tables_are_equal_whatever_their_physical_order() {
    let sides = filled(2_000).await;
    sides
        .warehouse
        .sql("UPDATE orders_current SET cdc_offset = cdc_offset + 1 WHERE order_id % 3 = 0");
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Equal, "{report:?}");
    assert_eq!((report.source_rows, report.warehouse_rows), (2_000, 2_000));
    assert_eq!((report.differences(), report.read_again, report.moving), (0, 0, 0));
    assert_eq!(report.compared.len(), 7);
    assert!(report.left_out.is_empty(), "{:?}", report.left_out);
    assert!(report.source_lsn.is_some());
}

#[tokio::test]
async fn one_changed_cell_is_found_and_its_key_and_column_are_named() {
    let sides = filled(2_000).await;
    sides.warehouse.sql("UPDATE orders_current SET amount = amount + 0.01 WHERE order_id = 1234");
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Differs);
    let expected = key(1_234, Difference::Columns(vec!["amount".to_owned()]));
    assert_eq!(report.listed, [expected]);
    assert_eq!((report.differing, report.differences(), report.read_again), (1, 1, 1));
    assert_eq!(report.listed[0].to_string(), "order_id = 1234: amount");
}

#[tokio::test]
async fn an_empty_text_is_not_null_and_every_kind_of_difference_is_counted() {
    let sides = filled(500).await;
    sides.source("UPDATE orders SET status = NULL, product_name = 'x' WHERE order_id = 20");
    sides.warehouse.sql(
        "UPDATE orders_current SET status = '', product_name = 'x' WHERE order_id = 20;
         DELETE FROM orders_current WHERE order_id IN (7, 100);
         INSERT INTO orders_current (order_id, customer_id, cdc_generation, cdc_offset)
         VALUES (9001, 1, 0, 0), (9002, 1, 0, 0), (9003, 1, 0, 0)",
    );
    let mut sides = sides;
    sides.options.limit = 4;
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Differs);
    let counts = (report.only_in_source, report.only_in_warehouse, report.differing);
    assert_eq!(counts, (2, 3, 1), "{report:?}");
    let expected = [
        key(7, Difference::OnlyInSource),
        key(20, Difference::Columns(vec!["status".to_owned()])),
        key(100, Difference::OnlyInSource),
        key(9_001, Difference::OnlyInWarehouse),
    ];
    assert_eq!(report.listed, expected, "the first four, in order");
    let text = format!("{report:?}");
    assert!(!text.contains("Widget"), "values are not reported: {text}");
}

#[tokio::test]
async fn nothing_is_said_to_differ_while_the_log_has_not_been_applied() {
    let mut sides = filled(10).await;
    sides.options.patience = Duration::from_secs(2);
    sides.warehouse.sql("DELETE FROM orders_current WHERE order_id = 3");
    sides.warehouse.sql(
        "INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, next_offset)
         VALUES ('orders', 'shop.public.orders', 0, 0, 40)",
    );
    let end = |offset| LogEnd {
        topic: TopicName::parse("shop.public.orders").unwrap(),
        partition: PartitionNumber::try_new(0).unwrap(),
        end: NextOffset::try_new(offset).unwrap(),
    };
    let behind = sides.verify_behind(|| Some(vec![end(42)])).await;
    let Verdict::Unproven(reason) = &behind.verdict else { panic!("{behind:?}") };
    assert!(reason.contains("2 records of the log were not applied"), "{reason}");
    assert_eq!((behind.differences(), behind.moving), (0, 1));
    let past = sides.verify_behind(|| Some(vec![end(40)])).await;
    assert_eq!(past.verdict, Verdict::Differs);
    assert!(past.notes.is_empty(), "{:?}", past.notes);
}

#[tokio::test]
async fn dead_letters_of_the_table_are_named_beside_its_differences() {
    let sides = filled(10).await;
    sides.warehouse.sql(
        "DELETE FROM orders_current WHERE order_id = 3;
         INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", target_table,
                                      stage, reason, message)
         VALUES ('orders', 't', 0, 0, 5, 'public.orders_current', 'apply', 'r', 'm'),
                ('orders', 't', 0, 0, 6, 'public.other', 'apply', 'r', 'm')",
    );
    let notes = sides.verify().await.notes;
    assert!(notes.iter().any(|note| note.starts_with("1 records of this table are")), "{notes:?}");
}

#[tokio::test]
async fn it_cannot_write_on_either_side() {
    let sides = filled(3).await;
    sides.source(
        "CREATE FUNCTION spoil(integer) RETURNS integer LANGUAGE plpgsql AS
         'BEGIN DELETE FROM public.other; RETURN $1; END';
         CREATE TABLE other (a integer);
         CREATE VIEW spoiled AS SELECT spoil(order_id) AS order_id, customer_id FROM orders",
    );
    let mut spoiled = sides.table.clone();
    spoiled.settings.source = SourceTable::new("public", "spoiled");
    let mut verifier = sides.verifier().await;
    let refused = verifier.table(&spoiled, || std::future::ready(None), |_| {}).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("25006"), "{refused:?}");
}
