//! Letters of tables whose rules mask columns: no value of these is stored anywhere, changes of a row find
//! its letter under a masked key, and a retry goes on with the record as the log has it, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{
    ByteBudget, DeadLetter, NextOffset, Offset, Partition, Record, RecordBatch, RecordBatchBuilder,
    RecordParts, RecordRef, Redact, RedactError, Redaction, Redactions, Rejection, ResumePoint,
    Source as _, SourceEvent, Stage, TableId,
};
use cdc_postgres::{
    Adopt, LetterFilter, LetterMasks, Lost, MaskedTable, Mode, Original, Originals,
    PostgresSettings, Retry, RetryMode, RetryReport, TableSettings, WhichLetter, export_letters,
    init, show_letter,
};
use serde_json::Value;

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, order, table};

const CANARY: &str = "canary-7c1e";
const TIME: i64 = 1_700_000_000_000;

/// Values are flat JSON objects here; anything else is not understood.
#[derive(Debug)]
struct Flat;

impl Redact for Flat {
    fn value(&self, value: &[u8], columns: &Redactions) -> Result<Vec<u8>, RedactError> {
        let parsed: Value = serde_json::from_slice(value).map_err(|_| RedactError::NotJson)?;
        let Value::Object(mut members) = parsed else { return Err(RedactError::UnknownShape) };
        let masked = members.iter_mut().filter(|(name, _)| columns.contains_key(*name));
        masked.for_each(|(_, value)| *value = "***".into());
        Ok(serde_json::to_vec(&members).unwrap())
    }

    fn is_free(&self, key: &[u8], columns: &Redactions) -> bool {
        self.value(key, columns).is_ok_and(|copy| copy == key)
    }
}

fn masked(settings: PostgresSettings, key: Option<&str>) -> PostgresSettings {
    let columns = Redactions::from([("email".to_owned(), Redaction::Always)]);
    let keys = key.into_iter().map(Secret::new).collect();
    let table = MaskedTable { id: TableId::new(0), columns, keys };
    PostgresSettings { letter_masks: LetterMasks::new(Arc::new(Flat), [table]), ..settings }
}

/// A record of these tests: key, value, and the value of a header with the name of a column; none when
/// it is empty.
#[derive(Debug, Clone)]
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    header: String,
}

fn sent(key: &str, value: &str) -> Sent {
    let (key, value) = (Some(key.as_bytes().to_vec()), Some(value.as_bytes().to_vec()));
    Sent { key, value, header: "trace".to_owned() }
}

fn records(lane: &Lane, all: &[Sent]) -> RecordBatch {
    let from = NextOffset::try_new(lane.next).unwrap();
    let mut builder = RecordBatchBuilder::new(lane.partition.clone(), 1, from);
    for (sent, offset) in all.iter().zip(lane.next..) {
        let headers = [("email", Some(sent.header.as_bytes())), ("empty", None)];
        builder.push(&RecordParts {
            offset: Offset::try_new(offset).unwrap(),
            timestamp_ms: Some(TIME),
            key: sent.key.as_deref(),
            value: sent.value.as_deref(),
            headers: headers.get(usize::from(sent.header.is_empty())..).unwrap_or_default(),
        });
    }
    builder.finish(ByteBudget::new(1 << 20).charge(0))
}

/// Writes a batch of records that are all refused.
async fn refuse(lane: &mut Lane, stage: Stage, all: &[Sent]) {
    let records = Arc::new(records(lane, all));
    let ops: Vec<Op> = all.iter().map(|_| Op::Truncate).collect();
    let letter = |record| {
        let rejection = Rejection::new(stage, "test", "a test").in_table(TableId::new(0));
        DeadLetter { at: RecordRef { batch: 0, record }, rejection: Box::new(rejection) }
    };
    let letters: Vec<_> = (0..u32::try_from(all.len()).unwrap()).map(letter).collect();
    let batch = lane.stage(&ops, &records, &letters).await;
    lane.apply(batch).await.unwrap();
}

async fn delete(lane: &mut Lane, id: i32, key: &str) {
    let records = Arc::new(records(lane, &[sent(key, "{}")]));
    let batch = lane.stage(&[Op::Delete(order(id, 100, "gone"))], &records, &[]).await;
    lane.apply(batch).await.unwrap();
}

/// The tables in which a text stands, as text or as hexadecimal digits of it.
fn tables_with(warehouse: &Warehouse, text: &str) -> Vec<String> {
    let digits = text.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                   WHERE schemaname IN ('cdc', 'public') ORDER BY 1";
    let holds = |table: &&str| {
        let rows = format!(
            "SELECT count(*) FROM {table} AS r
              WHERE strpos(r::text, '{text}') > 0 OR strpos(r::text, '{digits}') > 0"
        );
        warehouse.sql(&rows) != "0"
    };
    warehouse.sql(tables).lines().filter(holds).map(str::to_owned).collect()
}

/// Records that hold the canary in every way in which a letter may.
fn canaries() -> Vec<Sent> {
    let row = format!("{{\"id\":1,\"email\":\"{CANARY}\",\"status\":\"kept\"}}");
    let mut all = vec![
        sent("{\"id\":1}", &row),
        sent(&format!("{{\"email\":\"{CANARY}\"}}"), &row),
        sent(CANARY, CANARY),
        sent("{\"id\":1}", &format!("[\"{CANARY}\"]")),
        Sent { header: CANARY.to_owned(), ..sent("{\"id\":1}", "{}") },
        Sent { header: format!("{}{CANARY}", "x".repeat(40_000)), ..sent("{\"id\":1}", &row) },
        Sent { value: None, ..sent(&format!("{{\"email\":\"{CANARY}\"}}"), "") },
        Sent { key: None, ..sent("", &row) },
    ];
    all.extend((0..row.len()).map(|end| sent("{\"id\":1}", row.get(..end).unwrap())));
    all
}

#[tokio::test]
async fn no_value_of_a_masked_column_is_stored_anywhere() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    for (key, stage) in
        [(Some("secret"), Stage::Apply), (None, Stage::Rule), (Some("secret"), Stage::Decode)]
    {
        let warehouse = Warehouse::initialised(&tables).await;
        let mut lane = Lane::open(masked(warehouse.settings(), key), tables.clone()).await;
        let all = canaries();
        refuse(&mut lane, stage, &all).await;
        assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.dead_letter"), all.len().to_string());
        assert_eq!(tables_with(&warehouse, CANARY), Vec::<String>::new());
        assert_eq!(tables_with(&warehouse, "kept"), ["cdc.dead_letter"], "it finds what is there");
        let first = "SELECT convert_from(raw_key, 'UTF8'), convert_from(raw_value, 'UTF8'), masked,
                            withheld IS NULL, key_hidden, key_bytes, value_bytes,
                            octet_length(digest), raw_headers -> 1
                       FROM cdc.dead_letter WHERE \"offset\" = 100";
        let digest = key.map_or("", |_| "32");
        assert_eq!(
            warehouse.sql(first),
            format!(
                "{{\"id\":1}}|{{\"email\":\"***\",\"id\":1,\"status\":\"kept\"}}|t|t|f|8|46|{digest}|\
                 {{\"name\":\"empty\",\"value\":null}}"
            )
        );
        let withheld = "SELECT withheld, count(*), count(raw_value) FROM cdc.dead_letter
                         WHERE withheld IS NOT NULL GROUP BY 1 ORDER BY 1";
        let cut = all.len() - 8 + 1;
        assert_eq!(warehouse.sql(withheld), format!("not_json|{cut}|0\nunknown_shape|1|0"));
    }
    // The search finds it where nothing is masked.
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = Lane::open(warehouse.settings(), tables).await;
    refuse(&mut lane, Stage::Apply, &canaries()).await;
    assert_eq!(tables_with(&warehouse, CANARY), ["cdc.dead_letter"]);
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.dead_letter WHERE masked"), "0");
}

#[tokio::test]
async fn f111_later_changes_wait_behind_letters_with_masked_keys_and_after_a_restart() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let settings = || masked(warehouse.settings(), Some("secret"));
    let mut lane = Lane::open(settings(), tables.clone()).await;
    let key = |name: &str| format!("{{\"email\":\"{name}-{CANARY}\"}}");
    let letters = ["a", "b", "c"].map(|name| sent(&key(name), "{\"id\":1}"));
    refuse(&mut lane, Stage::Apply, &letters).await;
    let chains = "SELECT letter.\"offset\", head.\"offset\" FROM cdc.dead_letter AS letter
                    LEFT JOIN cdc.dead_letter AS head ON head.id = letter.blocked_by ORDER BY 1";
    delete(&mut lane, 1, &key("a")).await;
    assert_eq!(warehouse.sql(chains), "100|\n101|\n102|\n103|100");
    let mut lane = Lane::open(settings(), tables.clone()).await;
    delete(&mut lane, 2, &key("b")).await;
    delete(&mut lane, 3, &key("d")).await;
    assert_eq!(warehouse.sql(chains), "100|\n101|\n102|\n103|100\n104|101");
    // Under another key nobody finds them any more, and they say so.
    let mut lane = Lane::open(masked(warehouse.settings(), Some("another")), tables).await;
    delete(&mut lane, 4, &key("c")).await;
    let unwatched =
        "SELECT count(*), count(*) FILTER (WHERE deleted_in IS NULL) FROM cdc.dead_letter";
    assert_eq!(warehouse.sql(unwatched), "5|5");
    assert_eq!(tables_with(&warehouse, CANARY), Vec::<String>::new());
}

/// A log in memory.
#[derive(Debug, Default)]
struct Log(BTreeMap<i64, Result<Original, Lost>>);

impl Originals for Log {
    async fn read(&mut self, _: &Partition, offsets: &[Offset]) -> Vec<Result<Original, Lost>> {
        let at = |offset: &Offset| self.0.get(&offset.get()).cloned().unwrap_or(Err(Lost::Absent));
        offsets.iter().map(at).collect()
    }
}

fn original(sent: &Sent) -> Original {
    let (key, value) = (sent.key.clone(), sent.value.clone());
    Original { timestamp_ms: Some(TIME), key, value, headers: vec![("h".to_owned(), None)] }
}

/// What a retry is given to apply, and its report.
async fn delivered(
    settings: PostgresSettings,
    tables: Vec<TableSettings>,
    log: Log,
) -> (Vec<(i64, Option<Vec<u8>>)>, RetryReport) {
    let (filter, budget) = (LetterFilter::default(), ByteBudget::new(1 << 20));
    let retry = Retry::open(settings, tables, filter, RetryMode::Commit, budget).await.unwrap();
    let Retry { mut source, retried, .. } = retry.reading(log);
    let mut records = Vec::new();
    let value =
        |record: Record<'_>| (record.offset.get(), record.value.map(cdc_core::RecordValue::to_vec));
    match source.poll().await.unwrap() {
        SourceEvent::Assigned(assignment) => {
            let partitions = assignment.partitions().to_vec();
            let points = partitions.into_iter().map(|it| (it, ResumePoint::Beginning)).collect();
            source.resume(assignment, points).await.unwrap();
        }
        other @ (SourceEvent::Records(_)
        | SourceEvent::Revoked(_)
        | SourceEvent::CaughtUp(_)
        | SourceEvent::LogEnd(..)
        | SourceEvent::End) => panic!("{other:?}"),
    }
    match source.poll().await.unwrap() {
        SourceEvent::Records(batch) => records.extend(batch.iter().map(value)),
        SourceEvent::End => {}
        other @ (SourceEvent::Assigned(_)
        | SourceEvent::Revoked(_)
        | SourceEvent::CaughtUp(_)
        | SourceEvent::LogEnd(..)) => panic!("{other:?}"),
    }
    (records, retried.report())
}

#[tokio::test]
async fn a_retry_goes_on_with_the_very_record_and_leaves_a_letter_open_without_it() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let settings = || masked(warehouse.settings(), Some("secret"));
    let mut lane = Lane::open(settings(), tables.clone()).await;
    let row = |name: &str| format!("{{\"email\":\"{name}-{CANARY}\",\"id\":1}}");
    let all: Vec<Sent> = (0..8).map(|n| sent("{\"id\":1}", &row(&n.to_string()))).collect();
    refuse(&mut lane, Stage::Apply, &all).await;
    // One that is stored as it came, and so is not looked for.
    let whole = Sent { header: String::new(), ..sent("{\"id\":2}", "{\"id\":2}") };
    refuse(&mut lane, Stage::Apply, &[whole]).await;

    let mut log = Log::default();
    for (sent, offset) in all.iter().zip(100..) {
        log.0.insert(offset, Ok(original(sent)));
    }
    let stay = log.0.clone();
    let change = |held: &mut Result<Original, Lost>, change: &dyn Fn(&mut Original)| {
        change(held.as_mut().unwrap());
    };
    change(log.0.get_mut(&101).unwrap(), &|it| it.timestamp_ms = Some(TIME + 1));
    change(log.0.get_mut(&102).unwrap(), &|it| it.key = Some(b"{\"id\":9}".to_vec()));
    change(log.0.get_mut(&103).unwrap(), &|it| it.value = Some(row("X").into_bytes()));
    change(log.0.get_mut(&104).unwrap(), &|it| it.value = None);
    log.0.insert(105, Err(Lost::Removed { first: 106 }));
    log.0.insert(106, Err(Lost::Unreachable("nobody answers".to_owned())));
    log.0.remove(&107);
    let (records, report) = delivered(settings(), tables.clone(), log).await;
    let expected = [(100, all[0].value.clone()), (108, Some(b"{\"id\":2}".to_vec()))];
    assert_eq!(records, expected);
    let lost: Vec<_> = report.lost.iter().map(|it| (it.lost.code(), it.letters)).collect();
    assert_eq!(lost, [("differs", 4), ("removed", 1), ("unreachable", 1), ("absent", 1)]);
    let named: Vec<_> = report.lost[0].first.iter().map(|(_, _, offset)| *offset).collect();
    assert_eq!((named, report.lost()), (vec![101, 102, 103, 104], 7));
    let letters = "SELECT string_agg(format('%s %s %s', state, reason, attempts), ','
                                     ORDER BY \"offset\") FROM cdc.dead_letter";
    let tried = ["open test 1"; 7].join(",");
    assert_eq!(warehouse.sql(letters), format!("open test 0,{tried},open test 0"));

    // All of a page may be lost, and nobody may be there to read.
    let (records, report) = delivered(settings(), tables.clone(), Log::default()).await;
    assert_eq!((records.len(), report.lost()), (1, 8));
    // Under another key the content cannot be compared, but time, key and lengths are.
    let another = || masked(warehouse.settings(), Some("another"));
    let (records, _) = delivered(another(), tables.clone(), Log(stay.clone())).await;
    assert_eq!(records.len(), 9);
    // Then a topic that is known to be another one is not believed.
    warehouse.sql(
        "INSERT INTO cdc.decision (pipeline, kind, reason, state)
         VALUES ('orders', 'incarnation_accepted', 'a test',
                 '{\"topic\": \"shop.public.orders\", \"generation\": 1}')",
    );
    let (records, report) = delivered(another(), tables.clone(), Log(stay.clone())).await;
    assert_eq!((records.len(), report.lost[0].lost.clone()), (1, Lost::Recreated));
    let (records, _) = delivered(settings(), tables, Log(stay)).await;
    assert_eq!(records.len(), 9, "the content proves it");
}

#[tokio::test]
async fn a_masked_letter_says_so_and_is_exported_as_its_copy() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let settings = masked(warehouse.settings(), Some("secret"));
    let mut lane = Lane::open(settings.clone(), tables).await;
    let value = format!("{{\"email\":\"{CANARY}\"}}");
    refuse(&mut lane, Stage::Apply, &[sent("{\"id\":1}", &value), sent(CANARY, "{")]).await;
    let at = |offset| WhichLetter::At(lane.partition.clone(), offset);
    let letter = show_letter(&settings, &at(100)).await.unwrap().unwrap();
    assert_eq!((letter.is_masked, letter.withheld), (true, None));
    assert_eq!((letter.key_bytes, letter.value_bytes), (Some(8), Some(23)), "of the original");
    let letter = show_letter(&settings, &at(101)).await.unwrap().unwrap();
    assert_eq!(letter.withheld.as_deref(), Some("not_json"));
    let mut copies = Vec::new();
    let everything = LetterFilter::default();
    let exported = export_letters(&settings, &everything, |letter| {
        let value = letter.value.clone().map(|value| String::from_utf8(value).unwrap());
        copies.push((letter.is_masked(), value));
        Ok::<_, Box<cdc_postgres::PostgresError>>(())
    });
    assert_eq!(exported.await.unwrap(), 2);
    assert_eq!(copies, [(true, Some("{\"email\":\"***\"}".to_owned())), (true, None)]);
}

#[tokio::test]
async fn letters_of_version_3_stay_as_they_are_and_are_masked_when_they_are_refused_again() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::empty();
    for file in [
        include_str!("../../../../warehouse-schema/state/001_state.sql"),
        include_str!("../../../../warehouse-schema/state/002_advance.sql"),
        include_str!("../../../../warehouse-schema/state/003_require_types.sql"),
        include_str!("../../../../warehouse-schema/state/004_ledger.sql"),
        include_str!("../../../../warehouse-schema/state/005_decision.sql"),
        include_str!("../../../../warehouse-schema/state/006_topics.sql"),
        include_str!("../../../../warehouse-schema/state/007_continuity.sql"),
        include_str!("../../../../warehouse-schema/state/008_dead_letters.sql"),
    ] {
        warehouse.sql(file);
    }
    let row = format!("{{\"id\":1,\"email\":\"{CANARY}\"}}");
    warehouse.sql(&format!(
        "INSERT INTO cdc.schema_version VALUES (3);
         INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", stage,
                                      reason, message, raw_key, raw_value, deleted_in)
         VALUES ('orders', 'shop.public.orders', 0, 3, 100, 'apply', 'test', 'a test',
                 '{{\"id\":1}}', '{row}', '{{}}')"
    ));
    let settings = masked(warehouse.settings(), Some("secret"));
    let report = init(&settings, &tables, Adopt::No).await.unwrap();
    assert!(report.steps[0].starts_with("brought the state tables from version 3 to version "));
    let letter = "SELECT convert_from(raw_value, 'UTF8'), masked, key_bytes FROM cdc.dead_letter";
    assert_eq!(warehouse.sql(letter), format!("{row}|f|"));
    let mut lane = Lane::open(settings.clone(), tables).await;
    refuse(&mut lane, Stage::Apply, &[sent("{\"id\":1}", &row)]).await;
    assert_eq!(warehouse.sql(letter), "{\"email\":\"***\",\"id\":1}|t|8");
    assert_eq!(tables_with(&warehouse, CANARY), Vec::<String>::new());
    let again = init(&settings, &[table(0, "orders_fact", Mode::History)], Adopt::No).await;
    assert_eq!(again.unwrap().steps, Vec::<String>::new());
}
