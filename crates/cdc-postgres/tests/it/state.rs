//! State tables of every version that ever was are brought up to the present one, with what they hold.

use cdc_core::Classify as _;
use cdc_core::{Sink as _, Writer as _};
use cdc_postgres::{Adopt, Mode, PostgresError, PostgresSink, init, read_ledger};
use cdc_stack::postgres::Cluster;

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, table};

const VERSION_1: &str = include_str!("state/version_1.sql");
const VERSION_2: &str = include_str!("state/version_2.sql");
const VERSION_3: &str = include_str!("state/version_3.sql");
const VERSION_4: &str = include_str!("state/version_4.sql");
const ORDERS_FACT: &str = include_str!("../../../../warehouse-schema/orders_fact.sql");
const ORDERS_CURRENT: &str = include_str!("../../../../warehouse-schema/orders_current.sql");

#[tokio::test]
async fn a_warehouse_of_version_1_keeps_what_it_holds_and_goes_on() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::empty();
    warehouse.sql(ORDERS_FACT);
    warehouse.sql(VERSION_1);
    let held =
        "SELECT (SELECT count(*) FROM cdc.dead_letter), (SELECT count(*) FROM cdc.table_event),
                       (SELECT string_agg(format('%s:%s:%s', partition, next_offset, epoch), ',')
                          FROM cdc.checkpoint)";
    let before = warehouse.sql(held);
    let error =
        PostgresSink::new(warehouse.settings(), tables.clone()).open_lane().await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 1, expected: 5 }), "{error}");
    assert_eq!(error.hint().unwrap(), "run `cdc-pipeline init`");
    let report = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(report.steps, ["brought the state tables from version 1 to version 5"]);
    assert_eq!(warehouse.sql(held), before);
    // A program of version 1 that still runs can apply nothing any more.
    let old = "SELECT cdc.advance('orders', ARRAY['shop.public.orders'], ARRAY[0], ARRAY[3],
                                  ARRAY[100]::int8[], ARRAY[101]::int8[], ARRAY[4]::int8[])";
    Cluster::shared().psql(&warehouse.database, old).unwrap_err();
    let mut lane = warehouse.lane(tables.clone()).await;
    assert_eq!(lane.next, 100);
    lane.write(&[Op::Insert(order(1, 100, "goes on"))]).await;
    let books = read_ledger(&warehouse.settings()).await.unwrap();
    assert_eq!(books.mismatches, []);
    assert_eq!(books.logs[0].range, Some((100, 101)));
    let again = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(again.steps, Vec::<String>::new());
}

#[tokio::test]
async fn a_warehouse_of_version_2_keeps_what_it_holds_and_goes_on() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::empty();
    warehouse.sql(ORDERS_FACT);
    warehouse.sql(VERSION_2);
    let error =
        PostgresSink::new(warehouse.settings(), tables.clone()).open_lane().await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 2, expected: 5 }), "{error}");
    let held = "SELECT (SELECT count(*) FROM cdc.ledger), (SELECT count(*) FROM cdc.table_event),
                       (SELECT string_agg(format('%s:%s', \"offset\", state), ',')
                          FROM cdc.dead_letter)";
    let before = warehouse.sql(held);
    let report = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(report.steps, ["brought the state tables from version 2 to version 5"]);
    assert_eq!(warehouse.sql(held), before);
    let unwatched = "SELECT attempts, deleted_in IS NULL FROM cdc.dead_letter";
    assert_eq!(warehouse.sql(unwatched), "0|t", "nobody knows what was deleted before");
    // A program of version 2 that still runs can apply nothing any more.
    let old =
        "SELECT cdc.advance_and_book('orders', ARRAY['shop.public.orders'], ARRAY[0], ARRAY[3],
                   ARRAY[100]::int8[], ARRAY[101]::int8[], ARRAY[4]::int8[], ARRAY[NULL]::text[],
                   ARRAY[1]::int8[], ARRAY[1]::int8[], ARRAY[0]::int8[], ARRAY[0]::int8[],
                   ARRAY['{}']::jsonb[], ARRAY[0]::int8[])";
    Cluster::shared().psql(&warehouse.database, old).unwrap_err();
    let mut lane = warehouse.lane(tables.clone()).await;
    assert_eq!(lane.next, 100);
    lane.write(&[Op::Insert(order(1, 100, "goes on"))]).await;
    let books = read_ledger(&warehouse.settings()).await.unwrap();
    assert_eq!((&*books.mismatches, books.decisions.len()), ([].as_slice(), 1));
    assert_eq!(books.logs[0].range, Some((42, 101)));
    let again = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(again.steps, Vec::<String>::new());
}

#[tokio::test]
async fn a_warehouse_of_version_3_keeps_its_letters_as_they_were_and_goes_on() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::empty();
    warehouse.sql(VERSION_3);
    warehouse.sql(ORDERS_CURRENT);
    let error =
        PostgresSink::new(warehouse.settings(), tables.clone()).open_lane().await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 3, expected: 5 }), "{error}");
    let report = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(report.steps[0], "brought the state tables from version 3 to version 5");
    let letters =
        "SELECT string_agg(format('%s:%s:%s:%s', \"offset\", state, holds, blocked_by), ','
                                     ORDER BY \"offset\") FROM cdc.dead_letter";
    assert_eq!(warehouse.sql(letters), "42:open:f:,43:retried:f:");
    let mut lane = warehouse.lane(tables.clone()).await;
    assert_eq!(lane.next, 100);
    // Its key has gone on while the letter was open, so nothing starts to wait for it now.
    assert_eq!(lane.write(&[Op::Insert(order(1, 100, "goes on"))]).await, []);
    assert_eq!(warehouse.sql("SELECT status FROM orders_current"), "goes on");
    warehouse.sql("ALTER TABLE orders_current ADD CONSTRAINT cheap CHECK (amount < 500)");
    let mut lane = warehouse.lane(tables.clone()).await;
    for op in [order(2, 50_000, "dear"), order(2, 1, "waits")] {
        assert_eq!(lane.write(&[Op::Update(None, op)]).await.len(), 1);
    }
    assert_eq!(read_ledger(&warehouse.settings()).await.unwrap().mismatches, []);
    let again = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(again.steps, Vec::<String>::new());
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.dead_letter WHERE holds"), "2");
}

#[tokio::test]
async fn a_warehouse_of_version_4_knows_its_logs_and_goes_on() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::empty();
    warehouse.sql(ORDERS_FACT);
    warehouse.sql(VERSION_4);
    let error =
        PostgresSink::new(warehouse.settings(), tables.clone()).open_lane().await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 4, expected: 5 }), "{error}");
    let held = "SELECT (SELECT string_agg(format('%s:%s:%s', \"offset\", masked, withheld), ',')
                          FROM cdc.dead_letter),
                       (SELECT string_agg(format('%s:%s', first_offset, last_digest), ',')
                          FROM cdc.ledger)";
    let before = warehouse.sql(held);
    let report = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(report.steps, ["brought the state tables from version 4 to version 5"]);
    assert_eq!(warehouse.sql(held), before);
    // A program of version 4 that still runs can apply nothing any more.
    let old =
        "SELECT cdc.advance_and_book('orders', ARRAY['shop.public.orders'], ARRAY[0], ARRAY[3],
                   ARRAY[100]::int8[], ARRAY[101]::int8[], ARRAY[4]::int8[], ARRAY[NULL]::text[],
                   ARRAY[100]::int8[], ARRAY[7]::int8[], ARRAY[1]::int8[], ARRAY[1]::int8[],
                   ARRAY[0]::int8[], ARRAY[0]::int8[], ARRAY['{}']::jsonb[], ARRAY[0]::int8[])";
    Cluster::shared().psql(&warehouse.database, old).unwrap_err();
    let mut lane = warehouse.lane(tables.clone()).await;
    assert_eq!(lane.next, 100);
    let held = lane.writer.witnesses(std::slice::from_ref(&lane.partition)).await.unwrap();
    let [known] = held[&lane.partition].as_slice() else { panic!("{held:?}") };
    assert_eq!((known.offset().get(), known.place()), (98, None));
    lane.write(&[Op::Insert(order(1, 100, "goes on"))]).await;
    let books = read_ledger(&warehouse.settings()).await.unwrap();
    assert_eq!(books.mismatches, []);
    assert_eq!(books.logs[0].range, Some((42, 101)));
    let again = init(&warehouse.settings(), &tables, Adopt::No).await.unwrap();
    assert_eq!(again.steps, Vec::<String>::new());
}

#[tokio::test]
async fn a_warehouse_of_a_later_version_is_left_alone() {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql("INSERT INTO cdc.schema_version (version) VALUES (999)");
    let error = init(&warehouse.settings(), &[], Adopt::No).await.unwrap_err();
    assert!(matches!(error, PostgresError::StateVersion { found: 999, .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "use a newer version of this program");
}
