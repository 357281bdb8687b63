//! The client against a real PostgreSQL.

use cdc_config::Secret;
use cdc_core::Classify as _;
use cdc_stack::postgres::Cluster;

mod doors;
mod refusals;

use super::*;
use crate::lsn::Lsn;
use crate::settings::{PublicationName, SlotName};
use crate::slot::{self, WalStatus};

/// A database of the test's own, with settings to reach it.
struct Source {
    database: String,
    settings: ReplicationSettings,
}

impl Source {
    fn new(slot: &str) -> Self {
        let database = Cluster::shared().fresh_database("wire").unwrap();
        let settings = settings(&Cluster::shared().url(&database), slot);
        Self { database, settings }
    }

    fn sql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.database, sql).unwrap()
    }

    async fn client(&self, purpose: Purpose) -> Client {
        Client::connect(&self.settings, purpose).await.unwrap()
    }
}

fn settings(url: &str, slot: &str) -> ReplicationSettings {
    let publication = PublicationName::parse("every change").unwrap();
    ReplicationSettings::new(Secret::new(url), SlotName::parse(slot).unwrap(), publication)
}

fn start(slot: &SlotName, at: Lsn) -> String {
    format!(
        "START_REPLICATION SLOT {slot} LOGICAL {at} (proto_version '1', publication_names '\"every change\"', messages 'true')"
    )
}

#[tokio::test]
async fn rows_come_as_text_by_place_and_name() {
    let source = Source::new("rows");
    let mut client = source.client(Purpose::Sql).await;
    assert!(client.server_version() >= 140_000);
    let rows = client
        .query("SELECT 1.50::numeric AS a, NULL AS b; SELECT 'ä'::text AS c, to_timestamp(0) AS at")
        .await
        .unwrap();
    assert_eq!((rows[0].named("a"), rows[0].named("b")), (Some("1.50"), None));
    assert_eq!((rows[1].get(0), rows[1].named("at")), (Some("ä"), Some("1970-01-01 00:00:00+00")));
    assert_eq!(rows.len(), 2);
    client.close().await;
}

#[tokio::test]
async fn defaults_of_role_and_database_do_not_reach_a_session() {
    let source = Source::new("pinned");
    for setting in [
        "datestyle = 'German'",
        "timezone = 'Asia/Tokyo'",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        "intervalstyle = 'iso_8601'",
        "statement_timeout = '1ms'",
        "idle_session_timeout = '1ms'",
        "default_transaction_read_only = on",
        "search_path = 'nowhere'",
    ] {
        let statement = format!("ALTER DATABASE {} SET {setting}", source.database);
        Cluster::shared().psql("postgres", &statement).unwrap();
    }
    for purpose in [Purpose::Sql, Purpose::Replication] {
        let mut client = source.client(purpose).await;
        let rows = client
            .query(
                "SELECT '2026-02-01 12:00Z'::timestamptz AS at, '\\x00'::bytea AS bytes,
                        0.1::float4 + 0.2::float4 AS float, '1 day 2 hours'::interval AS span,
                        current_setting('statement_timeout') AS limit,
                        current_setting('idle_session_timeout') AS idle,
                        current_setting('transaction_read_only') AS only,
                        current_setting('search_path') AS path,
                        current_setting('client_encoding') AS encoding,
                        current_setting('application_name') AS name",
            )
            .await
            .unwrap();
        let row = &rows[0];
        let cells: Vec<&str> = (0..10).map(|index| row.get(index).unwrap()).collect();
        let expected = [
            "2026-02-01 12:00:00+00",
            "\\x00",
            "0.3",
            "1 day 02:00:00",
            "0",
            "0",
            "off",
            "pg_catalog, public",
            "UTF8",
            "cdc-pipeline source pinned",
        ];
        assert_eq!(cells, expected, "{purpose:?}");
    }
}

#[tokio::test]
async fn an_error_keeps_what_the_server_said_and_the_session_goes_on() {
    let source = Source::new("errors");
    let mut client = source.client(Purpose::Sql).await;
    let error = client.query("SELECT 1; SELECT frm; SELECT 2").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42703"));
    assert!(error.to_string().contains("column \"frm\" does not exist"), "{error}");
    let error = client.query("SELECT 'hidden'::int").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22P02"));
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    let error = client.copy_out("COPY (SELECT 1/0) TO STDOUT").await.err();
    assert_eq!(error.unwrap().sqlstate(), Some("22012"));
    assert!(client.query("SELECT 'a\0b'").await.is_err());
    assert_eq!(client.query("SELECT 3 AS x").await.unwrap()[0].named("x"), Some("3"));
}

#[tokio::test]
async fn rows_are_copied_one_by_one_whatever_their_size() {
    let source = Source::new("copy");
    let mut client = source.client(Purpose::Sql).await;
    let sql = "COPY (SELECT i, repeat('x', CASE WHEN i = 500 THEN 3000000 ELSE 10 END)
                       FROM generate_series(1, 1000) i) TO STDOUT";
    let mut copy = client.copy_out(sql).await.unwrap();
    let mut count = 0_usize;
    while let Some(row) = copy.next().await.unwrap() {
        count += 1;
        let length = if count == 500 { 3_000_000 } else { 10 };
        let expected = format!("{count}\t{}\n", "x".repeat(length));
        assert!(row == expected.as_bytes(), "row {count}");
    }
    assert_eq!(count, 1000);
    assert!(copy.next().await.unwrap().is_none());

    // A failure in the middle comes after the rows before it, and leaves the session as it was.
    let sql = "COPY (SELECT 1 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT";
    let mut copy = client.copy_out(sql).await.unwrap();
    let error = loop {
        match copy.next().await {
            Ok(row) => assert!(row.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), Some("22012"));
    assert!(copy.next().await.unwrap().is_none());
    assert_eq!(client.query("SELECT 3 AS x").await.unwrap()[0].named("x"), Some("3"));
}

#[tokio::test]
async fn a_session_that_was_left_midway_says_so() {
    let source = Source::new("midway");
    let mut client = source.client(Purpose::Sql).await;
    let mut copy = client.copy_out("COPY (SELECT generate_series(1, 5)) TO STDOUT").await.unwrap();
    assert!(copy.next().await.unwrap().is_some());
    let error = client.query("SELECT 1").await.unwrap_err();
    assert!(matches!(error, ReplicationError::Lost { .. }), "{error}");
    let mut client = source.client(Purpose::Sql).await;
    let sleep = client.query("SELECT pg_sleep(60)");
    assert!(timeout(Duration::from_millis(50), sleep).await.is_err());
    assert!(client.query("SELECT 1").await.unwrap_err().is_passing());
}

#[tokio::test]
async fn a_slot_is_made_read_acknowledged_and_dropped() {
    let source = Source::new("whole_life");
    let slot = &source.settings.slot;
    source.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    source.sql("CREATE PUBLICATION \"every change\" FOR TABLE t");
    let mut client = source.client(Purpose::Replication).await;
    let identity = slot::identify(&mut client).await.unwrap();
    assert_eq!(identity.database, source.database);
    assert_eq!(
        identity.system_id.to_string(),
        source.sql("SELECT system_identifier FROM pg_control_system()").trim()
    );
    assert_eq!(slot::look(&mut client, slot).await.unwrap(), None);
    let created = slot::create(&mut client, slot).await.unwrap();
    source.sql("INSERT INTO t VALUES (2)");

    // The snapshot shows what was there when the slot was made, and nothing of what the slot sends.
    let mut reader = source.client(Purpose::Sql).await;
    let import = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{}'",
        created.snapshot
    );
    reader.query(&import).await.unwrap();
    let rows = reader.query("SELECT id FROM t").await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<_>>(), [Some("1")]);
    reader.query("COMMIT").await.unwrap();

    let state = slot::look(&mut reader, slot).await.unwrap().unwrap();
    assert_eq!(state.plugin.as_deref(), Some("pgoutput"));
    assert_eq!(state.database.as_deref(), Some(&*source.database));
    assert_eq!(state.confirmed_flush, Some(created.consistent_point));
    assert_eq!((state.active_pid, state.wal_status), (None, Some(WalStatus::Reserved)));
    assert!(state.retained.unwrap() > 0 && !state.is_invalid(), "{state:?}");

    let begin = start(slot, Lsn::ZERO);
    let mut stream = client.start_replication(&begin).await.unwrap();
    let mut kinds = String::new();
    let mut end = Lsn::ZERO;
    while !kinds.ends_with('C') {
        if let ServerMessage::Data { wal_end, payload, .. } = stream.next().await.unwrap() {
            kinds.push(char::from(payload[0]));
            end = wal_end;
        }
    }
    assert_eq!(kinds, "BRIC");
    let active = slot::look(&mut reader, slot).await.unwrap().unwrap();
    assert!(active.active_pid.is_some());
    let holder = source.client(Purpose::Replication).await;
    let error = holder.start_replication(&begin).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("55006"));
    assert!(error.is_passing());
    let hint = error.hint().unwrap();
    assert!(hint.contains(&active.active_pid.unwrap().to_string()), "{hint}");

    stream.send_status(end, true).await.unwrap();
    while !matches!(stream.next().await.unwrap(), ServerMessage::Keepalive { .. }) {}
    assert!(stream.silent_for() < Duration::from_secs(5));
    stream.finish().await;
    let state = slot::look(&mut reader, slot).await.unwrap().unwrap();
    assert_eq!((state.confirmed_flush, state.active_pid), (Some(end), None));
    slot::drop(&mut reader, slot).await.unwrap();
    slot::drop(&mut reader, slot).await.unwrap();
    assert_eq!(slot::look(&mut reader, slot).await.unwrap(), None);
}

#[tokio::test]
async fn waiting_for_the_stream_may_be_given_up_at_any_moment() {
    let source = Source::new("cancel");
    let slot = &source.settings.slot;
    source.sql("CREATE TABLE t (id int, filler text)");
    source.sql("CREATE PUBLICATION \"every change\" FOR TABLE t");
    let mut client = source.client(Purpose::Replication).await;
    slot::create(&mut client, slot).await.unwrap();
    source.sql(
        "INSERT INTO t SELECT i, repeat('x', CASE WHEN i % 500 = 0 THEN 300000 ELSE 50 END)
           FROM generate_series(1, 5000) i",
    );
    let mut stream = client.start_replication(&start(slot, Lsn::ZERO)).await.unwrap();
    let (mut inserts, mut given_up) = (0_u32, 0_u32);
    loop {
        // What is there already needs no waiting; of the rest, many waits are cut short.
        let message = match stream.try_next().unwrap() {
            Some(message) => Some(kind(&message)),
            None => match timeout(Duration::from_micros(20), stream.next()).await {
                Ok(message) => Some(kind(&message.unwrap())),
                Err(_) => None,
            },
        };
        match message {
            Some(b'I') => inserts += 1,
            Some(b'C') => break,
            Some(_) => {}
            None => given_up += 1,
        }
    }
    assert_eq!(inserts, 5000);
    assert!(given_up > 0);
    stream.finish().await;
}

fn kind(message: &ServerMessage<'_>) -> u8 {
    match message {
        ServerMessage::Data { payload, .. } => payload[0],
        ServerMessage::Keepalive { .. } => b'k',
    }
}
