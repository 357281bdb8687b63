//! The newest records of each topic: which columns they show, and whether their values fit.

use std::sync::Arc;

use cdc_config::closest;
use cdc_core::{
    ByteBudget, Change, Classify, Decoded, Decoder, Generation, Halt, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, Row, RowShape, TableId, TopicName, with_causes,
};
use cdc_kafka::preflight::SampleRecord;
use cdc_postgres::{ExpectedTable, Finding, Rehearsal, Severity};
use cdc_rules::{BoundRules, Verdict};
use serde_json::Value;

use super::refused::Refused;
use crate::config::Table;
use crate::failure::Failure;
use crate::run;

/// Records of all topics, in the form that decoders take.
#[derive(Debug)]
pub(super) struct Samples<'s> {
    tables: &'s [Table],
    /// The records of each topic, newest first.
    topics: Vec<(&'s TopicName, Vec<RecordBatch>)>,
}

/// What the records show.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The columns of each table that has records. Of several shapes the newest comes first. Topics
    /// that hold nothing yet show nothing; what they bring later is planned when it comes.
    pub(super) expected: Vec<ExpectedTable>,
    pub(super) findings: Vec<Finding>,
    /// Which topics have changes of which tables.
    pub(super) carried: Vec<(TopicName, TableId)>,
    /// The columns of each table before the rules.
    sources: Vec<(TableId, Arc<RowShape>)>,
    /// Tables whose rules do not fit.
    unruled: Vec<TableId>,
}

impl Seen {
    /// The columns of a table's rows before the rules, the newest first.
    pub(super) fn shapes_of(&self, table: TableId) -> Vec<Arc<RowShape>> {
        let of_table = self.sources.iter().filter(|(id, _)| *id == table);
        of_table.map(|(_, shape)| Arc::clone(shape)).collect()
    }
}

impl<'s> Samples<'s> {
    pub(super) fn new(
        tables: &'s [Table],
        topics: &'s [TopicName],
        records: &[Vec<SampleRecord>],
    ) -> Self {
        let batches = |(topic, records): (&'s TopicName, &Vec<SampleRecord>)| {
            (topic, records.iter().map(|record| batch_of(topic, record)).collect())
        };
        Self { tables, topics: topics.iter().zip(records).map(batches).collect() }
    }

    /// Decodes all records.
    pub(super) fn look(&self) -> Result<Seen, Failure> {
        let mut seen = Seen::default();
        for (topic, records) in &self.topics {
            let mut decoder = run::decoder(self.tables)?;
            let mut refused = Refused::new(topic, self.tables);
            for record in records.iter().filter_map(|batch| batch.get(0)) {
                match decoder.decode(record) {
                    Ok(Decoded::Change(event)) => {
                        refused.passed();
                        let place = ((*topic).clone(), event.table);
                        if !seen.carried.contains(&place) {
                            seen.carried.push(place);
                        }
                        if let Some(row) = whole_row(&event.change) {
                            self.note(event.table, row, record.key, &mut seen);
                        }
                    }
                    Ok(Decoded::Skip(_)) => {}
                    Err(rejection) => refused.refused(record, rejection),
                }
            }
            seen.findings.extend(refused.findings());
        }
        for (index, table) in self.tables.iter().enumerate() {
            let of_table = |(id, _): &&(TableId, Arc<RowShape>)| id.index() == index;
            let shapes: Vec<_> = seen.sources.iter().filter(of_table).collect();
            let shapes: Vec<&RowShape> = shapes.into_iter().map(|(_, shape)| &**shape).collect();
            seen.findings.extend(misspelt_columns(table, &shapes));
        }
        Ok(seen)
    }

    /// Notes the columns of a row, if they are new.
    fn note(&self, id: TableId, row: Row<'_>, key: Option<&[u8]>, seen: &mut Seen) {
        let shape = row.shape();
        if seen.sources.iter().any(|(table, held)| *table == id && held == shape) {
            return;
        }
        seen.sources.push((id, Arc::clone(shape)));
        let Some(table) = self.tables.get(id.index()) else { return };
        match table.rules.bind(shape) {
            Ok(bound) => {
                let shape = Arc::clone(bound.output_shape());
                let key = key_columns(key, &shape);
                seen.expected.push(ExpectedTable { table: id, shape, key });
            }
            Err(_) if seen.unruled.contains(&id) => {}
            Err(error) => {
                seen.unruled.push(id);
                let source = &table.settings.source;
                seen.findings.push(Finding {
                    id: "rules_unfit",
                    severity: Severity::Error(Halt::Configuration),
                    message: format!(
                        "the rules of the table {source} do not fit its columns: {}",
                        with_causes(&error)
                    ),
                    fix: error.hint().unwrap_or_else(|| format!("correct the rules of {source}")),
                });
            }
        }
    }

    /// Encodes all records as a run would. Rows that a rule rejects are the rule's business.
    pub(super) fn rehearse(&self, rehearsal: &mut Rehearsal) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        let mut bound: Vec<(TableId, Arc<RowShape>, BoundRules)> = Vec::new();
        for (topic, records) in &self.topics {
            let mut decoder = run::decoder(self.tables)?;
            let mut refused = Refused::new(topic, self.tables);
            for record in records.iter().filter_map(|batch| batch.get(0)) {
                let Ok(Decoded::Change(event)) = decoder.decode(record) else { continue };
                let Some(shape) = event.change.shape() else { continue };
                let held = |entry: &(TableId, Arc<RowShape>, BoundRules)| {
                    entry.0 == event.table && entry.1 == *shape
                };
                let place = bound.iter().position(held).or_else(|| {
                    let rules = self.tables.get(event.table.index())?.rules.bind(shape).ok()?;
                    bound.push((event.table, Arc::clone(shape), rules));
                    bound.len().checked_sub(1)
                });
                let rules = place.and_then(|place| bound.get_mut(place));
                let Some((_, _, rules)) = rules else { continue };
                let Verdict::Keep(event) = rules.apply(&event) else { continue };
                match rehearsal.refuses(&event) {
                    None => refused.passed(),
                    Some(rejection) => refused.refused(record, rejection),
                }
            }
            findings.extend(refused.findings());
        }
        Ok(findings)
    }
}

/// The row that shows all columns: the key alone may stand for a deleted one.
fn whole_row<'e>(change: &Change<'e>) -> Option<Row<'e>> {
    match change {
        Change::Insert { after: row }
        | Change::Snapshot { row }
        | Change::Update { after: row, .. } => Some(*row),
        Change::Delete { .. } | Change::Truncate => None,
    }
}

/// The columns of a record's key, if rows have them all under these names.
fn key_columns(key: Option<&[u8]>, shape: &RowShape) -> Vec<String> {
    let Some(Ok(Value::Object(mut key))) = key.map(serde_json::from_slice) else {
        return Vec::new();
    };
    if key.len() == 2
        && key.contains_key("schema")
        && let Some(Value::Object(payload)) = key.remove("payload")
    {
        key = payload;
    }
    let names: Vec<String> = key.into_iter().map(|(name, _)| name).collect();
    let all_there = names.iter().all(|name| shape.index_of(name).is_some());
    if all_there { names } else { Vec::new() }
}

/// Declared columns that no row has.
fn misspelt_columns(table: &Table, shapes: &[&RowShape]) -> Vec<Finding> {
    if shapes.is_empty() {
        return Vec::new();
    }
    let known = || shapes.iter().flat_map(|shape| shape.columns());
    let declared = || table.declarations.columns().map(|(name, _)| name);
    let unknown = declared().filter(|name| known().all(|column| &*column.name != *name));
    let findings = unknown.map(|name| {
        let undeclared = known().map(|column| &*column.name);
        let undeclared = undeclared.filter(|column| declared().all(|name| name != *column));
        let near = closest(name, undeclared);
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let source = &table.settings.source;
        Finding {
            id: "declared_column_unknown",
            severity: Severity::Warning,
            message: format!("`columns` declares {name}, which rows of {source} do not have{near}"),
            fix: format!("correct the name {name} in `columns` of the [[table]] of {source}"),
        }
    });
    findings.collect()
}

/// A sampled record in the form that decoders take.
fn batch_of(topic: &TopicName, sampled: &SampleRecord) -> RecordBatch {
    let partition = Partition::from_parts(topic.clone(), Generation::default(), sampled.partition);
    let mut builder = RecordBatchBuilder::new(partition, 0, sampled.offset.position());
    builder.push(&RecordParts {
        offset: sampled.offset,
        timestamp_ms: sampled.timestamp_ms,
        key: sampled.key.as_deref(),
        value: sampled.value.as_deref(),
        headers: &[],
    });
    builder.finish(ByteBudget::new(usize::MAX).charge(0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cdc_core::{Offset, PartitionNumber};

    use super::*;
    use crate::config::Settings;

    /// A table whose amounts are declared under a wrong name.
    const CONFIGURATION: &str = r#"
        [pipeline]
        name = "orders"
        [source.kafka]
        brokers = "localhost:9092"
        topics = ["s.public.orders"]
        group = "orders"
        [sink.postgres]
        url = "postgres://localhost/analytics"
        [[table]]
        source = "public.orders"
        target = "public.elsewhere"
        mode = "mirror"
        columns = { amuont = "decimal(10,2)", day = "date" }
        "#;

    fn record(offset: i64, day: &str) -> SampleRecord {
        let value = format!(
            r#"{{"before":null,"after":{{"order_id":{offset},"amount":"BNI=","day":{day}}},
                "source":{{"version":"2.4.2.Final","connector":"postgresql","name":"s","ts_ms":1,
                "db":"shop","schema":"public","table":"orders","txId":9,"lsn":42}},
                "op":"c","ts_ms":2}}"#
        );
        SampleRecord {
            partition: PartitionNumber::try_new(0).unwrap(),
            offset: Offset::try_new(offset).unwrap(),
            timestamp_ms: None,
            key: Some(format!(r#"{{"order_id":{offset}}}"#).into_bytes()),
            value: Some(value.into_bytes()),
        }
    }

    fn look(records: Vec<SampleRecord>) -> Seen {
        look_with(CONFIGURATION, records)
    }

    fn look_with(configuration: &str, records: Vec<SampleRecord>) -> Seen {
        let settings = Settings::parse("t", configuration, Path::new(".")).unwrap();
        let records = [records];
        Samples::new(&settings.tables, settings.kafka().unwrap().topics(), &records).look().unwrap()
    }

    #[test]
    fn a_misspelt_declared_column_gets_its_near_miss() {
        let seen = look(vec![record(7, "19000")]);
        let [finding] = &*seen.findings else { panic!("{:?}", seen.findings) };
        assert_eq!(finding.id, "declared_column_unknown");
        assert!(finding.message.contains("declares amuont"), "{}", finding.message);
        assert!(finding.message.contains("did you mean amount?"), "{}", finding.message);
        let [expected] = &*seen.expected else { panic!("{:?}", seen.expected) };
        assert_eq!(expected.key, ["order_id"]);
    }

    #[test]
    fn one_bad_record_is_a_warning_and_nothing_but_bad_ones_an_error() {
        let some = look((0..12).map(|n| record(n, if n == 3 { "true" } else { "1" })).collect());
        let of = |seen: &Seen| {
            let finding = seen.findings.iter().find(|finding| finding.id == "records_refused");
            finding.cloned().expect("a finding about records")
        };
        let one = of(&some);
        assert_eq!(one.severity, Severity::Warning);
        for words in ["public.orders into public.elsewhere", "1 of the 12", "day", "offset 3"] {
            assert!(one.message.contains(words), "{words}: {}", one.message);
        }
        let all = of(&look((0..12).map(|n| record(n, "true")).collect()));
        assert_eq!(all.severity, Severity::Error(Halt::Data));
    }

    #[test]
    fn a_misspelt_source_is_an_error_also_beside_garbage() {
        let misspelt = CONFIGURATION
            .replace("public.orders\"\n        target", "public.ordrs\"\n        target");
        let mut records: Vec<_> = (0..12).map(|n| record(n, "1")).collect();
        records.push(SampleRecord { value: Some(b"garbage".to_vec()), ..record(12, "1") });
        let seen = look_with(&misspelt, records);
        let of = |id: &str| seen.findings.iter().find(|finding| finding.id == id).cloned();
        let foreign = of("topic_of_another_table").expect("a finding about the source");
        assert_eq!(foreign.severity, Severity::Error(Halt::Configuration));
        assert!(foreign.message.contains("12 of the 13"), "{}", foreign.message);
        assert_eq!(of("records_refused").map(|it| it.severity), Some(Severity::Warning));
    }

    #[test]
    fn a_key_is_known_with_and_without_its_schema() {
        let column = |name: &str| cdc_core::Column::new(name, cdc_core::SemanticType::Int64);
        let shape = RowShape::new(vec![column("id"), column("schema")]);
        let cases: [(Option<&[u8]>, &[&str]); 5] = [
            (Some(br#"{"id":1}"#), &["id"]),
            (Some(br#"{"schema":{"type":"struct"},"payload":{"id":1}}"#), &["id"]),
            (Some(br#"{"id":1,"schema":2}"#), &["id", "schema"]),
            (Some(br#"{"other":1}"#), &[]),
            (None, &[]),
        ];
        for (key, expected) in cases {
            assert_eq!(key_columns(key, &shape), expected);
        }
    }
}
