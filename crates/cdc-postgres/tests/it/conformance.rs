//! The sink passes the suite that every sink must pass, on a table that keeps history.

use cdc_config::Secret;
use cdc_core::{Checkpoint, NextOffset, Offset, Partition, SourceTable, TableId};
use cdc_postgres::{
    Adopt, Mode, PipelineName, PostgresSettings, PostgresSink, SnapshotSweep, TableSettings,
    TargetName, init,
};
use cdc_stack::postgres::Cluster;
use cdc_testkit::conformance::sink::{self, CASES, Durable, SinkUnderTest, TOPIC};
use cdc_testkit::{StoredDeadLetter, StoredRow};

/// Two ways of refusing a row: a check while it is sent, and a constraint trigger at COMMIT. The
/// trigger says which constraint it is, as PostgreSQL's own constraints do.
const TABLE: &str = "
    CREATE TABLE changes (
        id bigserial PRIMARY KEY, key bigint, text text CHECK (text <> 'poison'),
        operation_type text, cdc_generation integer, cdc_partition integer, cdc_offset bigint,
        cdc_ordinal integer
    );
    CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.text = 'curse' THEN
                RAISE EXCEPTION 'refused' USING ERRCODE = '23514', CONSTRAINT = 'late';
            END IF;
            RETURN NEW;
        END
    $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON changes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse_late()";

// In hexadecimal form a value can be neither taken for NULL nor cut at a separator.
const ROWS: &str = "
    SELECT cdc_partition, cdc_offset, operation_type, key,
           coalesce(encode(convert_to(text, 'UTF8'), 'hex'), 'NULL')
      FROM changes ORDER BY id";

const CHECKPOINT: &str =
    "SELECT partition, next_offset FROM cdc.checkpoint WHERE next_offset IS NOT NULL";

const DEAD_LETTERS: &str = r#"
    SELECT partition, "offset", stage, reason, coalesce(encode(raw_key, 'hex'), 'NULL'),
           coalesce(encode(raw_value, 'hex'), 'NULL')
      FROM cdc.dead_letter"#;

const BREAK_SESSIONS: &str = "
    SELECT pg_terminate_backend(pid, 5000)
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend'";

/// The sink, with a database for each case.
struct Warehouses;

impl SinkUnderTest for Warehouses {
    type Sink = PostgresSink;
    type Place = String;

    async fn open(&self) -> (PostgresSink, String) {
        let cluster = Cluster::shared();
        let database = cluster.fresh_database("conformance").unwrap();
        cluster.psql(&database, TABLE).unwrap();
        let tables = vec![TableSettings {
            id: TableId::new(0),
            source: SourceTable::new("public", "changes"),
            target: TargetName::parse("changes").unwrap(),
            mode: Mode::History,
            snapshot_sweep: SnapshotSweep::Apply,
        }];
        let url = Secret::new(cluster.url(&database));
        let settings = PostgresSettings::new(url, PipelineName::parse("conformance").unwrap());
        init(&settings, &tables, Adopt::No).await.unwrap();
        (PostgresSink::new(settings, tables), database)
    }

    async fn durable(&self, database: &String) -> Durable {
        let mut checkpoint = Checkpoint::default();
        for [log, next] in select(database, CHECKPOINT) {
            checkpoint
                .restore(partition(&log), NextOffset::try_new(next.parse().unwrap()).unwrap());
        }
        let rows = select(database, ROWS).into_iter().map(stored_row).collect();
        let dead_letters = select(database, DEAD_LETTERS).into_iter().map(stored_letter).collect();
        Durable { rows, checkpoint, dead_letters }
    }

    async fn break_sessions(&self, database: &String) {
        Cluster::shared().psql(database, BREAK_SESSIONS).unwrap();
    }

    fn refused_texts(&self) -> Vec<String> {
        vec!["poison".to_owned(), "curse".to_owned()]
    }
}

/// What a query answers, as rows of so many columns.
fn select<const COLUMNS: usize>(database: &str, query: &str) -> Vec<[String; COLUMNS]> {
    let answer = Cluster::shared().psql(database, query).unwrap();
    let columns = |line: &str| -> Vec<_> { line.split('|').map(str::to_owned).collect() };
    answer.lines().map(|line| columns(line).try_into().unwrap()).collect()
}

fn stored_row([log, offset, operation, key, text]: [String; 5]) -> StoredRow {
    StoredRow {
        tx_id: None,
        partition: partition(&log),
        offset: at(&offset),
        operation,
        key: key.parse().unwrap(),
        text: bytes(&text).map(|text| String::from_utf8(text).unwrap()),
    }
}

fn stored_letter([log, offset, stage, reason, key, value]: [String; 6]) -> StoredDeadLetter {
    StoredDeadLetter {
        partition: partition(&log),
        offset: at(&offset),
        stage,
        reason,
        key: bytes(&key),
        value: bytes(&value),
    }
}

fn partition(number: &str) -> Partition {
    Partition::new(TOPIC, 0, number.parse().unwrap()).unwrap()
}

fn at(offset: &str) -> Offset {
    Offset::try_new(offset.parse().unwrap()).unwrap()
}

/// The bytes of a value in hexadecimal form.
fn bytes(value: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(value.get(at..at + 2).unwrap(), 16).unwrap();
    (value != "NULL").then(|| (0..value.len()).step_by(2).map(byte).collect())
}

#[tokio::test]
async fn the_sink_passes_every_case() {
    for case in CASES {
        println!("sink: {case}");
        sink::run(&Warehouses, case).await.unwrap();
    }
}
