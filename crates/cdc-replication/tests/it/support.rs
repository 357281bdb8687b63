//! A source database, and a sink in memory that keeps what a real one keeps: positions, witnesses, rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_config::Secret;
use cdc_core::{
    Body, ByteBudget, Change, CheckpointDelta, Classify as _, Decoded, Decoder as _, Generation,
    NextOffset, Operation, Partition, RecordBatch, ResumePoint, Row, Source as _, SourceEvent,
    SourceTable, TableId, Tally, Value, Witness, WriteBatch, with_causes,
};
use cdc_replication::{
    PublicationName, ReplicationDecoder, ReplicationError, ReplicationSettings, ReplicationSource,
    SlotName,
};
use cdc_stack::postgres::Cluster;

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A database of the test's own, and the names that a pipeline has in it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) cluster: &'static Cluster,
    pub(crate) database: String,
    pub(crate) slot: String,
}

impl Origin {
    /// A database with these tables in it.
    pub(crate) fn with(sql: &str) -> Self {
        Self::on(Cluster::shared(), sql)
    }

    pub(crate) fn on(cluster: &'static Cluster, sql: &str) -> Self {
        let database = cluster.fresh_database("origin").unwrap();
        let slot = format!("slot_{database}");
        let origin = Self { cluster, database, slot };
        origin.sql(sql);
        origin
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.cluster.psql(&self.database, sql).unwrap()
    }

    pub(crate) fn settings(&self) -> ReplicationSettings {
        let url = Secret::new(self.cluster.url(&self.database));
        let slot = SlotName::parse(&self.slot).unwrap();
        let publication = PublicationName::parse("orders").unwrap();
        ReplicationSettings {
            heartbeat: Duration::from_millis(200),
            ..ReplicationSettings::new(url, slot, publication)
        }
    }

    pub(crate) fn drop_slot(&self) {
        self.sql(&format!("SELECT pg_drop_replication_slot('{}')", self.slot));
    }

    /// What the slot keeps, as text.
    pub(crate) fn confirmed(&self) -> String {
        self.sql(&format!(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{}'",
            self.slot
        ))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // Slots are few, and one that is left keeps log for all tests.
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
              WHERE slot_name = '{}' AND NOT active",
            self.slot
        );
        self.cluster.psql(&self.database, &sql).ok();
    }
}

/// A change as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) table: usize,
    pub(crate) op: Operation,
    pub(crate) tx_id: Option<i64>,
    /// `column=value` of the row that describes the change.
    pub(crate) row: String,
    pub(crate) before: Option<String>,
}

impl Seen {
    /// `c(id=1 name=x)`
    pub(crate) fn text(&self) -> String {
        format!("{}({})", self.op.code(), self.row)
    }
}

/// What survives the process of a pipeline.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) next: BTreeMap<Partition, NextOffset>,
    witness: BTreeMap<Partition, Witness>,
    pub(crate) changes: Vec<Seen>,
    pub(crate) control: usize,
}

impl Kept {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.changes.iter().map(Seen::text).collect()
    }

    /// How many changes of one kind there are.
    pub(crate) fn count(&self, op: Operation) -> usize {
        self.changes.iter().filter(|change| change.op == op).count()
    }
}

/// Rows are kept by the test itself.
#[derive(Debug, Default)]
struct NoBody;

impl Body for NoBody {
    fn bytes(&self) -> usize {
        0
    }

    fn folded(&self, _batch: u32) -> u64 {
        0
    }

    fn clear(&mut self) {}
}

/// A running source with its sink.
pub(crate) struct Reading {
    pub(crate) source: ReplicationSource,
    decoder: ReplicationDecoder,
    assignment: u64,
    partitions: Vec<Partition>,
    caught_up: Vec<Partition>,
}

impl Reading {
    /// Starts a source on tables that has come to the end of what was there.
    pub(crate) async fn streaming(origin: &Origin, tables: &[&str], kept: &mut Kept) -> Self {
        let mut reading = Self::start(origin.settings(), tables, kept).await.unwrap();
        reading.until_caught_up(kept).await.unwrap();
        reading
    }

    /// Starts a source on tables, resumed where the sink stands.
    pub(crate) async fn start(
        settings: ReplicationSettings,
        tables: &[&str],
        kept: &Kept,
    ) -> Result<Self, ReplicationError> {
        Self::with_budget(settings, tables, kept, 8 << 20).await
    }

    /// The same with this many bytes under way.
    pub(crate) async fn with_budget(
        settings: ReplicationSettings,
        tables: &[&str],
        kept: &Kept,
        budget: usize,
    ) -> Result<Self, ReplicationError> {
        let tables: Vec<_> = tables.iter().map(|name| SourceTable::parse(name).unwrap()).collect();
        let numbered = tables.iter().cloned().zip((0..).map(TableId::new));
        let decoder = ReplicationDecoder::new(numbered).unwrap();
        let budget = ByteBudget::new(budget);
        let mut source = ReplicationSource::start(settings, tables, Generation::new(0), budget)?;
        let event = tokio::time::timeout(PATIENCE, source.poll()).await.unwrap()?;
        let SourceEvent::Assigned(assignment) = event else {
            panic!("expected an assignment first, got {event:?}")
        };
        let point = |partition: &Partition| {
            let at = kept.next.get(partition).copied();
            (partition.clone(), at.map_or(ResumePoint::Beginning, ResumePoint::At))
        };
        let points: Vec<_> = assignment.partitions().iter().map(point).collect();
        let witnesses = kept
            .witness
            .iter()
            .map(|(partition, witness)| (partition.clone(), vec![witness.clone()]));
        source.recall(witnesses.collect()).await?;
        let number = assignment.number();
        let partitions = assignment.partitions().to_vec();
        source.resume(assignment, points).await?;
        Ok(Self { source, decoder, assignment: number, partitions, caught_up: Vec::new() })
    }

    /// Reads and keeps until enough was seen. Every batch is durable at once.
    pub(crate) async fn until(
        &mut self,
        kept: &mut Kept,
        enough: impl Fn(&Kept) -> bool,
    ) -> Result<(), ReplicationError> {
        let deadline = Instant::now() + PATIENCE;
        while !enough(kept) {
            let left = deadline.saturating_duration_since(Instant::now());
            let polled = tokio::time::timeout(left, self.source.poll()).await;
            let event = polled.unwrap_or_else(|_| {
                panic!("nothing more came; so far {} changes: {:?}", kept.changes.len(), tail(kept))
            })?;
            self.take(kept, event).await;
        }
        Ok(())
    }

    /// Reads until everything has come that was there when reading began. Call it once, and first.
    pub(crate) async fn until_caught_up(
        &mut self,
        kept: &mut Kept,
    ) -> Result<(), ReplicationError> {
        let deadline = Instant::now() + PATIENCE;
        // Each partition says so for itself, those of snapshots that were complete before as well.
        while !self.partitions.iter().all(|partition| self.caught_up.contains(partition)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = tokio::time::timeout(left, self.source.poll()).await;
            let event = event.unwrap_or_else(|_| panic!("not caught up: {:?}", tail(kept)))?;
            self.take(kept, event).await;
        }
        Ok(())
    }

    /// The error that ends the source.
    pub(crate) async fn error(&mut self, kept: &mut Kept) -> ReplicationError {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.source.poll()).await.expect("an error") {
                Ok(event) => self.take(kept, event).await,
                Err(error) => return error,
            }
        }
    }

    async fn take(&mut self, kept: &mut Kept, event: SourceEvent) {
        match event {
            SourceEvent::Records(batch) => {
                assert_eq!(batch.assignment(), self.assignment);
                self.keep(kept, batch).await;
            }
            SourceEvent::CaughtUp(partition) => self.caught_up.push(partition),
            SourceEvent::LogEnd(..) => {}
            SourceEvent::Assigned(_) | SourceEvent::Revoked(_) | SourceEvent::End => {
                panic!("unexpected {event:?}")
            }
        }
    }

    async fn keep(&mut self, kept: &mut Kept, batch: RecordBatch) {
        let partition = batch.partition().clone();
        if let Some(next) = kept.next.get(&partition) {
            assert_eq!(batch.range().from(), *next, "batches of {partition} join");
        }
        for record in batch.iter() {
            match self.decoder.decode(record) {
                Ok(Decoded::Change(event)) => kept.changes.push(Seen {
                    table: event.table.index(),
                    op: event.change.operation(),
                    tx_id: event.origin.tx_id,
                    row: event.change.row().map_or_else(String::new, text),
                    before: match event.change {
                        Change::Update { before, .. } => before.map(text),
                        Change::Insert { .. }
                        | Change::Snapshot { .. }
                        | Change::Delete { .. }
                        | Change::Truncate => None,
                    },
                }),
                Ok(Decoded::Skip(_)) => kept.control += 1,
                Err(rejection) => panic!("rejected: {rejection:?}"),
            }
        }
        kept.next.insert(partition.clone(), batch.range().until());
        let last = batch.last_before(batch.range().until());
        if let Some(last) = last.as_ref().map(Witness::of) {
            kept.witness.insert(partition.clone(), last);
        }
        let read = u64::try_from(batch.len()).unwrap();
        let mut tally = Tally::default();
        (tally.read, tally.staged) = (read, read);
        let delta = CheckpointDelta::single(partition, batch.range());
        let lease = ByteBudget::new(1).charge(0);
        let batch =
            WriteBatch::new(vec![Arc::new(batch)], NoBody, delta, Vec::new(), vec![tally], lease);
        let (receipt, _) = batch.finish();
        self.source.acknowledge(&receipt).await.unwrap();
    }

    /// Ends the source in an orderly way.
    pub(crate) async fn close(self) {
        self.source.close().await;
    }
}

fn tail(kept: &Kept) -> Vec<String> {
    let texts = kept.texts();
    texts[texts.len().saturating_sub(5)..].to_vec()
}

/// A row as `column=value …`.
pub(crate) fn text(row: Row<'_>) -> String {
    let mut out = String::new();
    for (column, value) in row.shape().columns().iter().zip(row.values()) {
        let gap = if out.is_empty() { "" } else { " " };
        write!(out, "{gap}{}=", column.name).unwrap();
        match value {
            Value::Null => out.push_str("NULL"),
            Value::Unavailable => out.push('?'),
            Value::Int16(number) => write!(out, "{number}").unwrap(),
            Value::Int32(number) => write!(out, "{number}").unwrap(),
            Value::Int64(number) => write!(out, "{number}").unwrap(),
            Value::Text(text) => out.push_str(text),
            Value::Bool(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal(_)
            | Value::Bytes(_)
            | Value::Bits(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::ZonedTime(_)
            | Value::Timestamp(_)
            | Value::Instant(_)
            | Value::Interval(_)
            | Value::Uuid(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::SparseVector(_)
            | Value::Point(_)
            | Value::Geometry(_) => write!(out, "{value:?}").unwrap(),
        }
    }
    out
}

/// What an error says, with its causes and its hint.
pub(crate) fn words(error: &ReplicationError) -> String {
    format!("{}; {}", with_causes(error), error.hint().unwrap_or_default())
}

/// Settings with small pieces.
pub(crate) fn in_pieces(settings: ReplicationSettings, rows: u32) -> ReplicationSettings {
    ReplicationSettings { chunk_rows: NonZeroU32::new(rows).unwrap(), ..settings }
}
