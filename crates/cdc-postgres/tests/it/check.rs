//! What a run would trip over is found before, with the way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cdc_config::Secret;
use cdc_core::SnapshotPlace::{First, Last};
use cdc_core::{ByteBudget, Column, Halt, RowShape, SemanticType, TableId};
use cdc_postgres::{
    ExpectedTable, Finding, LetterFilter, Mode, PostgresSettings, Retry, RetryMode, Severity,
    SynchronousCommit, TableSettings, check, generations,
};
use cdc_stack::postgres::Cluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::mirror::HARD;
use crate::support::{Op, Warehouse, order, orders_shape, table};

fn orders() -> Vec<TableSettings> {
    vec![table(0, "orders_fact", Mode::History), table(1, "orders_current", HARD)]
}

async fn found(settings: &PostgresSettings, tables: &[TableSettings]) -> String {
    let expected: Vec<_> = (0..4)
        .map(|index| ExpectedTable {
            table: TableId::new(index),
            shape: orders_shape(),
            key: vec!["order_id".to_owned()],
        })
        .collect();
    shown(&check(settings, tables, &expected).await.findings)
}

fn shown(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error(Halt::Configuration) => "error (configuration)",
            Severity::Error(Halt::Data) => "error (data)",
            Severity::Error(Halt::Environment) => "error (environment)",
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
        let findings = check(&settings, &orders(), &[]).await.findings;
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
            Op::Wave(("shop", 500), First, order(1, 100, "a")),
            Op::Update(None, order(1, 200, "b")),
            Op::Insert(order(2, 100, &"x".repeat(51))),
            Op::Wave(("shop", 500), Last, order(4, 100, "a")),
            Op::Truncate,
            Op::Delete(order(3, 100, "a")),
        ])
        .await;
        let partition = lane.partition.clone();
        cdc_core::Writer::release(&mut lane.writer, &[partition]).await.unwrap();
        warehouse.sql("DELETE FROM cdc.dead_letter; DELETE FROM cdc.table_event");
    }
}

/// A run of histories needs no temporary tables, and a retry of their dead letters does.
#[tokio::test]
async fn the_right_that_only_a_retry_needs_is_a_warning_with_the_statement_that_grants_it() {
    let histories = &orders()[..1];
    let warehouse = Warehouse::initialised(histories).await;
    let (role, database) = (format!("retrier_{}", warehouse.database), &warehouse.database);
    warehouse.sql(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
         GRANT USAGE ON SCHEMA cdc TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA cdc TO {role};
         GRANT SELECT, INSERT ON orders_fact TO {role}"
    ));
    let mut settings = warehouse.settings();
    settings.url = Secret::new(Cluster::shared().url_for(&role, database));
    let budget = || ByteBudget::new(1 << 20);
    let open = || {
        let (filter, mode) = (LetterFilter::default(), RetryMode::DryRun);
        Retry::open(settings.clone(), histories.to_vec(), filter, mode, budget())
    };
    let error = open().await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42501"), "{error}");
    let findings = check(&settings, histories, &[]).await.findings;
    let [finding] = &*findings else { panic!("{}", shown(&findings)) };
    assert_eq!((finding.id, finding.severity), ("right_missing", Severity::Warning));
    assert!(finding.message.contains("dead-letters retry"), "{}", finding.message);
    warehouse.sql(&finding.fix);
    assert_eq!(shown(&check(&settings, histories, &[]).await.findings), "");
    open().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_finding() {
    let warehouse = Warehouse::empty();
    let mut settings = warehouse.settings();
    settings.url = Secret::new("postgres://someone:hunter2@127.0.0.1:1/nowhere");
    settings.connect_patience = Duration::ZERO;
    let found = found(&settings, &orders()).await;
    assert!(found.starts_with("error (environment) warehouse_unreachable"), "{found}");
    assert!(found.contains("with 127.0.0.1:1/nowhere, which `sink.postgres.url` names"), "{found}");
    assert!(!found.contains("hunter2") && !found.contains("someone"), "{found}");
}

/// A table that nobody made, with columns of every kind that needs something done first.
#[tokio::test]
async fn a_missing_table_comes_with_its_statement_or_with_what_must_be_done_first() {
    let warehouse = Warehouse::initialised(&orders()).await;
    let tables = [
        table(0, "things", HARD),
        table(1, "things_history", Mode::History),
        table(2, "orders_facts", Mode::History),
        table(3, "unseen", Mode::History),
    ];
    let known = Column::new("id", SemanticType::Int64);
    let unknown = ["price", "note"].map(|name| Column::new(name, SemanticType::SelfEvident));
    let unwritable = Column::new("span", SemanticType::Unsupported { name: "x".into() });
    let taken = Column::new("cdc_offset", SemanticType::Int64);
    let mut obstructed = vec![known.clone(), unwritable, taken];
    obstructed.extend(unknown);
    let expected = [(0, vec![known.clone()]), (1, obstructed), (2, vec![known])];
    let expected = expected.map(|(index, columns)| ExpectedTable {
        table: TableId::new(index),
        shape: RowShape::new(columns).into(),
        key: vec!["id".to_owned()],
    });
    let findings = check(&warehouse.settings(), &tables, &expected).await.findings;
    insta::assert_snapshot!(shown(&findings));
    let statement = &findings.first().expect("a finding").fix;
    warehouse.sql(statement);
    let first = &tables[..1];
    assert_eq!(shown(&check(&warehouse.settings(), first, &expected).await.findings), "");
    warehouse.sql("ALTER TABLE things DROP CONSTRAINT things_pkey");
    let findings = check(&warehouse.settings(), first, &expected).await.findings;
    warehouse.sql(&findings.first().expect("a finding").fix);
    assert_eq!(shown(&check(&warehouse.settings(), first, &expected).await.findings), "");
}

/// A port that carries sessions to the server. The first one that says these words is broken off there.
async fn breaking_once(words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_broken = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let is_broken = Arc::clone(&is_broken);
            tokio::spawn(async move {
                let at = ("127.0.0.1", Cluster::shared().port());
                let mut server = TcpStream::connect(at).await.unwrap();
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let up = async {
                    let mut chunk = vec![0; 4096];
                    loop {
                        let read = from_client.read(&mut chunk).await.unwrap_or(0);
                        let says = chunk[..read].windows(words.len()).any(|said| said == words);
                        if read == 0 || (says && !is_broken.swap(true, Ordering::Relaxed)) {
                            break;
                        }
                        to_server.write_all(&chunk[..read]).await.unwrap();
                    }
                };
                let down = tokio::io::copy(&mut from_server, &mut to_client);
                tokio::select! { () = up => {} _ = down => {} }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_look_whose_session_is_lost_under_way_is_taken_again_while_the_server_is_waited_for() {
    let warehouse = Warehouse::initialised(&orders()).await;
    for words in [b"pg_is_in_recovery".as_slice(), b"has_table_privilege", b"schema_version"] {
        let mut settings = warehouse.settings();
        let port = breaking_once(words).await;
        let database = &warehouse.database;
        settings.url = Secret::new(format!("postgres://postgres@127.0.0.1:{port}/{database}"));
        assert_eq!(found(&settings, &orders()).await, "", "{}", words.escape_ascii());

        let port = breaking_once(words).await;
        settings.url = Secret::new(format!("postgres://postgres@127.0.0.1:{port}/{database}"));
        settings.connect_patience = Duration::ZERO;
        let found = found(&settings, &orders()).await;
        assert!(found.starts_with("error (environment) probe_failed: lost the session"), "{found}");
    }
    let mut settings = warehouse.settings();
    let port = breaking_once(b"cdc.topic").await;
    let database = &warehouse.database;
    settings.url = Secret::new(format!("postgres://postgres@127.0.0.1:{port}/{database}"));
    assert!(generations(&settings).await.unwrap().is_empty());
}
