//! What a server refuses, and what the operator is told to do about it.

use cdc_core::SourceTable;
use cdc_stack::postgres::{ClusterOptions, Durability};

use super::*;
use crate::publication;

fn cluster(settings: &[(&str, &str)]) -> Cluster {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let durability = Durability::Relaxed;
    Cluster::start(ClusterOptions { settings, durability, ..ClusterOptions::default() }).unwrap()
}

#[tokio::test]
async fn a_server_that_does_not_write_enough_into_its_log_is_named() {
    let cluster = cluster(&[("wal_level", "replica")]);
    let settings = settings(&cluster.url("postgres"), "level");
    let mut client = Client::connect(&settings, Purpose::Replication).await.unwrap();
    let error = slot::create(&mut client, &settings.slot).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("55000"));
    assert!(error.hint().unwrap().contains("ALTER SYSTEM SET wal_level"), "{error}");
}

#[tokio::test]
async fn slots_that_are_too_many_forbidden_or_lost_are_told_apart() {
    let cluster = cluster(&[("max_replication_slots", "1"), ("max_slot_wal_keep_size", "1MB")]);
    let own = settings(&cluster.url("postgres"), "first");
    let mut client = Client::connect(&own, Purpose::Replication).await.unwrap();
    slot::create(&mut client, &own.slot).await.unwrap();
    let error = slot::create(&mut client, &own.slot).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42710"));
    let second = SlotName::parse("second").unwrap();
    let error = slot::create(&mut client, &second).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("53400"));
    assert!(error.hint().unwrap().contains("max_replication_slots"), "{error}");

    cluster.psql("postgres", "CREATE ROLE plain LOGIN").unwrap();
    let plain = settings(&cluster.url_for("plain", "postgres"), "first");
    let error = Client::connect(&plain, Purpose::Replication).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("42501"));
    assert!(error.hint().unwrap().contains("REPLICATION"), "{error}");
    Client::connect(&plain, Purpose::Sql).await.unwrap().close().await;

    let state = slot::look(&mut client, &own.slot).await.unwrap().unwrap();
    assert!(state.safe_wal_size.unwrap() > 0, "{state:?}");
    for _ in 0..3 {
        cluster
            .psql("postgres", "CREATE TABLE x (); SELECT pg_switch_wal(); DROP TABLE x; CHECKPOINT")
            .unwrap();
    }
    let state = slot::look(&mut client, &own.slot).await.unwrap().unwrap();
    assert_eq!(state.wal_status, Some(WalStatus::Lost));
    assert!(state.is_invalid());
    let begin = start(&own.slot, Lsn::ZERO);
    let error = client.start_replication(&begin).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("55000"));
    assert!(error.hint().unwrap().contains("pg_drop_replication_slot"), "{error}");
    let mut client = Client::connect(&own, Purpose::Replication).await.unwrap();
    let error = client.query("START_REPLICATION SLOT none LOGICAL 0/0 ()").await.unwrap_err();
    assert!(error.sqlstate().is_some(), "{error}");
    let client = Client::connect(&own, Purpose::Replication).await.unwrap();
    let error = client.start_replication(&start(&second, Lsn::ZERO)).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("42704"));
    assert!(error.hint().unwrap().contains("source.postgres.slot"), "{error}");
}

#[tokio::test]
async fn a_publication_is_made_once_and_then_only_looked_at() {
    let source = Source::new("publication");
    let publication = &source.settings.publication;
    source.sql(
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE \"B c\" (id int PRIMARY KEY);
         CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF parts DEFAULT",
    );
    let tables = ["B c", "a", "parts"].map(|name| SourceTable::new("public", name));
    let mut client = source.client(Purpose::Sql).await;
    let error = publication::ensure(&mut client, publication, &tables, false).await.unwrap_err();
    assert!(error.hint().unwrap().contains("CREATE PUBLICATION \"every change\""), "{error}");
    assert_eq!(publication::look(&mut client, publication).await.unwrap(), None);
    for _ in 0..2 {
        publication::ensure(&mut client, publication, &tables, true).await.unwrap();
    }
    let state = publication::look(&mut client, publication).await.unwrap().unwrap();
    let names: Vec<SourceTable> = state.tables.into_iter().map(|found| found.table).collect();
    assert_eq!(names, tables);
    assert!(state.via_root && state.left_out.is_empty());

    source.sql(
        "ALTER PUBLICATION \"every change\" SET TABLE a (id), \"B c\" WHERE (id > 0);
         ALTER PUBLICATION \"every change\" SET (publish = 'insert')",
    );
    let error = publication::ensure(&mut client, publication, &tables, true).await.unwrap_err();
    for lack in ["does not hold public.parts", "leaves out update", "only some columns of public.a"]
    {
        assert!(error.to_string().contains(lack), "{error}");
    }
    // The way out that is printed is one.
    let fix = error.hint().unwrap();
    source.sql(fix.strip_prefix("run on the source: ").unwrap());
    publication::ensure(&mut client, publication, &tables, true).await.unwrap();

    source.sql("CREATE ROLE wire_publisher LOGIN; DROP PUBLICATION \"every change\"");
    let url = Cluster::shared().url_for("wire_publisher", &source.database);
    let mut foreign = Client::connect(&settings(&url, "p"), Purpose::Sql).await.unwrap();
    let error = publication::ensure(&mut foreign, publication, &tables, true).await.unwrap_err();
    assert!(error.hint().unwrap().contains("let the owner of the tables run"), "{error}");
}
