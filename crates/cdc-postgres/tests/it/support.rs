//! A lane driven by hand: stages changes, applies batches and does with poison what an engine does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cdc_config::Secret;
use cdc_core::{
    Body as _, ByteBudget, Change, ChangeEvent, ChangeIdentity, CheckpointDelta, Classify as _,
    Column, DeadLetter, Decimal, Emission, ErrorClass, Keyed, NextOffset, Offset, Origin,
    Partition, Poison, RecordBatch, RecordBatchBuilder, RecordParts, RecordRef, Rejection,
    ResumePoint, RowBuffer, RowShape, SemanticType, SentChange, Sink as _, SnapshotFate,
    SnapshotPlace, SnapshotRow, SourcePosition, SourceTable, Stage, Staged, Stager, TableId, Tally,
    TimeUnit, Timestamp, Value, WriteBatch, Writer,
};
use cdc_postgres::{
    Adopt, Mode, PipelineName, PostgresBody, PostgresError, PostgresPlan, PostgresSettings,
    PostgresSink, PostgresStager, PostgresWriter, SnapshotSweep, TableSettings, TargetName, init,
};
use cdc_stack::postgres::Cluster;
use sqlx::postgres::{PgConnection, PgCopyIn};
use sqlx::{Connection as _, Executor as _};

/// A database of the test's own.
pub(crate) struct Warehouse {
    pub(crate) database: String,
}

impl Warehouse {
    /// An empty database.
    pub(crate) fn empty() -> Self {
        let database = Cluster::shared().fresh_database("sink").unwrap();
        Self { database }
    }

    /// A database with the state tables, and whatever comes with the tables.
    pub(crate) async fn initialised(tables: &[TableSettings]) -> Self {
        let warehouse = Self::empty();
        init(&warehouse.settings(), tables, Adopt::No).await.unwrap();
        warehouse
    }

    pub(crate) fn settings(&self) -> PostgresSettings {
        let url = Secret::new(Cluster::shared().url(&self.database));
        PostgresSettings::new(url, PipelineName::parse("orders").unwrap())
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.database, sql).unwrap()
    }

    pub(crate) async fn lane(&self, tables: Vec<TableSettings>) -> Lane {
        Lane::open(self.settings(), tables).await
    }

    pub(crate) async fn lane_of(&self, tables: Vec<TableSettings>, of: Partition) -> Lane {
        Lane::open_for(self.settings(), tables, of).await
    }
}

/// A session of some owner whose process has frozen inside COPY: the server has rows of it, holds
/// their keys, and waits for more.
pub(crate) struct Frozen(PgCopyIn<&'static mut PgConnection>);

impl Frozen {
    /// Orders from 1 on: more than the server gathers before it writes them.
    pub(crate) const KEYS: i32 = 1_500;

    pub(crate) async fn inside_copy(warehouse: &Warehouse, owner: &str) -> Self {
        let url = Cluster::shared().url(&warehouse.database);
        let session = Box::leak(Box::new(PgConnection::connect(&url).await.unwrap()));
        session.execute(&*format!("SET application_name = '{owner}'")).await.unwrap();
        session.execute("BEGIN").await.unwrap();
        let has_mirror = "SELECT to_regclass('orders_current') IS NOT NULL";
        let (target, columns, zeros) = if warehouse.sql(has_mirror) == "t" {
            ("orders_current", "order_id, customer_id, cdc_generation, cdc_offset", "\t0\t0\t0")
        } else {
            let columns = "order_id, cdc_generation, cdc_partition, cdc_offset, cdc_ordinal";
            ("orders_fact", columns, "\t0\t0\t0\t0")
        };
        let statement = format!("COPY {target} ({columns}) FROM STDIN");
        let mut copy = session.copy_in_raw(&statement).await.unwrap();
        let rows: Vec<String> = (1..=Self::KEYS).map(|id| format!("{id}{zeros}\n")).collect();
        copy.send(rows.concat().into_bytes()).await.unwrap();
        // It has a transaction number once it has written something.
        let writing = format!(
            "SELECT count(*) FROM pg_stat_activity
              WHERE application_name = '{owner}' AND query LIKE 'COPY%' AND backend_xid IS NOT NULL"
        );
        while warehouse.sql(&writing) == "0" {}
        Self(copy)
    }

    /// What becomes of it when its process wakes up.
    pub(crate) async fn finish(self) -> Result<u64, sqlx::Error> {
        self.0.finish().await
    }
}

pub(crate) fn table(index: u32, target: &str, mode: Mode) -> TableSettings {
    TableSettings {
        id: TableId::new(index),
        source: SourceTable::new("public", "orders"),
        target: TargetName::parse(target).unwrap(),
        mode,
        snapshot_sweep: SnapshotSweep::Apply,
    }
}

/// A value that outlives its row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Unavailable,
    Int(i32),
    Text(String),
    Cents(i128),
    Micros(i64),
    Nanos(i64),
    Bytes(Vec<u8>),
}

pub(crate) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Unavailable => Value::Unavailable,
            Self::Int(number) => Value::Int32(*number),
            Self::Text(text) => Value::Text(text),
            Self::Cents(unscaled) => {
                Value::Decimal(Decimal::Small { unscaled: *unscaled, scale: 2 })
            }
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Micros(micros) => Value::Timestamp(Timestamp::Micros(*micros)),
            Self::Nanos(nanos) => Value::Timestamp(Timestamp::Nanos(*nanos)),
        }
    }
}

pub(crate) type Cells = Vec<Cell>;

/// A change that outlives its record.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Insert(Cells),
    Snapshot(Cells),
    Update(Option<Cells>, Cells),
    Delete(Cells),
    Truncate,
    /// A row of a snapshot that says which one it was.
    Wave(Wave, SnapshotPlace, Cells),
    /// The same of a row that is refused.
    Refused(Wave, SnapshotPlace, Cells),
    /// An insert that says who sent it and where it stands in the source's log.
    Streamed(Wave, Cells),
}

/// Who took a snapshot or sent a change, and where the source's log stood.
pub(crate) type Wave = (&'static str, u64);

impl Op {
    /// The key of its record: the row's first column. A truncate has none.
    fn key(&self) -> Option<Vec<u8>> {
        match self {
            Self::Insert(row)
            | Self::Snapshot(row)
            | Self::Update(_, row)
            | Self::Delete(row)
            | Self::Wave(_, _, row)
            | Self::Refused(_, _, row)
            | Self::Streamed(_, row) => Some(match row.first() {
                Some(Cell::Int(id)) => format!("key {id}").into_bytes(),
                other => format!("key {other:?}").into_bytes(),
            }),
            Self::Truncate => None,
        }
    }
}

/// What each record says, by its offset.
pub(crate) type Written = Arc<Mutex<BTreeMap<i64, Op>>>;

/// The shape of the orders table.
pub(crate) fn orders_shape() -> Arc<RowShape> {
    Arc::new(RowShape::new(vec![
        Column::new("order_id", SemanticType::Int32),
        Column::new("customer_id", SemanticType::Int32),
        Column::new("product_name", SemanticType::Text),
        Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
        Column::new("status", SemanticType::Text),
        Column::new("created_at", SemanticType::Timestamp(TimeUnit::Micros)),
        Column::new("updated_at", SemanticType::Timestamp(TimeUnit::Micros)),
    ]))
}

/// An order with little to tell apart.
pub(crate) fn order(id: i32, cents: i128, status: &str) -> Cells {
    let noon = 1_700_000_000_123_456;
    vec![
        Cell::Int(id),
        Cell::Int(7),
        text("Widget A"),
        Cell::Cents(cents),
        text(status),
        Cell::Micros(noon),
        Cell::Micros(noon),
    ]
}

/// Both halves of a lane and its place in one partition.
pub(crate) struct Lane {
    pub(crate) stager: PostgresStager,
    pub(crate) writer: PostgresWriter,
    pub(crate) partition: Partition,
    pub(crate) next: i64,
    pub(crate) shape: Arc<RowShape>,
    pub(crate) table: TableId,
    pub(crate) written: Written,
    body: PostgresBody,
}

impl Lane {
    pub(crate) async fn open(settings: PostgresSettings, tables: Vec<TableSettings>) -> Self {
        Self::open_for(settings, tables, Partition::new("shop.public.orders", 0, 3).unwrap()).await
    }

    async fn open_for(
        settings: PostgresSettings,
        tables: Vec<TableSettings>,
        partition: Partition,
    ) -> Self {
        let table = tables[0].id;
        let sink = PostgresSink::new(settings, tables);
        let (stager, mut writer) = sink.open_lane().await.unwrap();
        let points = writer.acquire(std::slice::from_ref(&partition)).await.unwrap();
        let next = match points[0].1 {
            ResumePoint::Beginning => 100,
            ResumePoint::At(next) => next.get(),
        };
        let (body, written) = (PostgresBody::default(), Written::default());
        Self { stager, writer, partition, next, shape: orders_shape(), table, written, body }
    }

    /// Takes the partition over, as after a lost session.
    pub(crate) async fn acquire(&mut self) -> ResumePoint {
        self.writer.acquire(std::slice::from_ref(&self.partition)).await.unwrap()[0].1
    }

    /// Writes changes as one batch and moves on.
    pub(crate) async fn write(&mut self, ops: &[Op]) -> Vec<DeadLetter> {
        let records = Arc::new(self.records(ops));
        self.write_excluding(ops, &records, BTreeSet::new()).await
    }

    async fn write_excluding(
        &mut self,
        ops: &[Op],
        records: &Arc<RecordBatch>,
        mut excluded: BTreeSet<u32>,
    ) -> Vec<DeadLetter> {
        let mut poisoned: Vec<DeadLetter> = Vec::new();
        loop {
            let batch = self.stage(ops, records, &poisoned).await;
            let letters = batch.dead_letters().to_vec();
            match self.apply(batch).await {
                Ok(()) => return letters,
                Err(error) => {
                    let class = error.class();
                    let letter = match class {
                        ErrorClass::Poison(Poison::Record(letter)) => letter,
                        ErrorClass::Restage => continue,
                        ErrorClass::Transient
                        | ErrorClass::Indeterminate
                        | ErrorClass::Outdated
                        | ErrorClass::Poison(_)
                        | ErrorClass::Fatal(_) => panic!("{class:?}: {error}"),
                    };
                    assert!(excluded.insert(letter.at.record), "the same record twice");
                    poisoned.push(*letter);
                }
            }
        }
    }

    /// Stages changes and applies them, whatever comes of it.
    pub(crate) async fn try_write(&mut self, ops: &[Op]) -> Result<(), PostgresError> {
        let records = Arc::new(self.records(ops));
        let batch = self.stage(ops, &records, &[]).await;
        self.apply(batch).await
    }

    pub(crate) async fn apply(
        &mut self,
        batch: WriteBatch<PostgresBody>,
    ) -> Result<(), PostgresError> {
        let until = batch.delta().range(&self.partition).unwrap().until();
        let result = self.writer.apply(&batch).await;
        let body = if result.is_ok() {
            self.next = until.get();
            batch.finish().1
        } else {
            batch.into_records().1
        };
        self.body = body;
        result
    }

    /// Stages changes and stands behind them, before they are applied.
    pub(crate) async fn staged(&mut self, ops: &[Op]) -> WriteBatch<PostgresBody> {
        let records = Arc::new(self.records(ops));
        self.next += i64::try_from(ops.len()).unwrap();
        self.stage(ops, &records, &[]).await
    }

    /// One record per change, from where the lane stands.
    pub(crate) fn records(&self, ops: &[Op]) -> RecordBatch {
        let position = |raw| NextOffset::try_new(raw).unwrap();
        let mut builder = RecordBatchBuilder::new(self.partition.clone(), 1, position(self.next));
        for (index, op) in ops.iter().enumerate() {
            let (key, value) = (op.key(), format!("raw value {index}"));
            let offset = self.next + i64::try_from(index).unwrap();
            self.written.lock().unwrap().insert(offset, op.clone());
            builder.push(&RecordParts {
                offset: Offset::try_new(offset).unwrap(),
                timestamp_ms: Some(1_700_000_000_000),
                key: key.as_deref(),
                value: Some(value.as_bytes()),
                headers: &[("trace", Some(b"\x01\xff")), ("empty", None)],
            });
        }
        builder.finish(ByteBudget::new(1 << 20).charge(0))
    }

    /// Stages the changes; those of `poisoned` are dead letters instead.
    pub(crate) async fn stage(
        &mut self,
        ops: &[Op],
        records: &Arc<RecordBatch>,
        poisoned: &[DeadLetter],
    ) -> WriteBatch<PostgresBody> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let ops: Vec<&Op> = ops.iter().collect();
        let halves = (&mut self.stager, &mut self.writer);
        stage_all(halves, (self.table, &self.shape), body, &ops, (records, poisoned)).await
    }

    pub(crate) async fn stage_one(
        &mut self,
        body: &mut PostgresBody,
        at: RecordRef,
        op: &Op,
        record: cdc_core::Record<'_>,
    ) -> Staged {
        let halves = (&mut self.stager, &mut self.writer);
        stage_one(halves, (self.table, &self.shape), body, (at, record), op).await
    }
}

/// Stages the changes of records; those of `poisoned` are dead letters instead.
pub(crate) async fn stage_all<S, W>(
    (stager, writer): (&mut S, &mut W),
    (table, shape): (TableId, &Arc<RowShape>),
    mut body: PostgresBody,
    ops: &[&Op],
    (records, poisoned): (&Arc<RecordBatch>, &[DeadLetter]),
) -> WriteBatch<PostgresBody>
where
    S: Stager<Body = PostgresBody, Plan = PostgresPlan>,
    W: Writer<Plan = PostgresPlan, Error = PostgresError>,
{
    let mut letters = Vec::new();
    let mut tally = Tally::default();
    tally.read = u64::try_from(ops.len()).unwrap();
    for (index, op) in ops.iter().enumerate() {
        let at = RecordRef { batch: 0, record: u32::try_from(index).unwrap() };
        let record = records.get(index).unwrap();
        let known = poisoned.iter().find(|letter| letter.at == at);
        let result = if let Some(letter) = known {
            Staged::Rejected(letter.rejection.clone())
        } else {
            let halves = (&mut *stager, &mut *writer);
            stage_one(halves, (table, shape), &mut body, (at, record), op).await
        };
        match result {
            Staged::Row => tally.staged += 1,
            Staged::Rejected(rejection) => {
                stager.rejected(&record, &rejection);
                letters.push(DeadLetter { at, rejection });
            }
            Staged::NeedsPlan => panic!("planned just now"),
        }
    }
    let delta = CheckpointDelta::single(records.partition().clone(), records.range());
    let lease = ByteBudget::new(1 << 20).charge(0);
    WriteBatch::new(vec![Arc::clone(records)], body, delta, letters, vec![tally], lease)
}

/// What a change says of its snapshot, or of who sent it.
fn said(op: &Op) -> (Option<SnapshotRow<'_>>, Option<Emission<'_>>) {
    let database = "shop";
    match op {
        Op::Wave((connector, lsn), place, _) | Op::Refused((connector, lsn), place, _) => {
            let (lsn, place) = (*lsn, *place);
            (Some(SnapshotRow { connector, database, lsn, tx_id: 9, place }), None)
        }
        Op::Streamed((connector, lsn), _) => {
            let (lsn, identity) = (*lsn, ChangeIdentity::new(0));
            let at = SourcePosition { lsn, tx_id: 1, committed_at_ms: 0, last_commit: None };
            let change = SentChange { at, identity, keyed: Keyed::Yes };
            (None, Some(Emission { connector, database, change }))
        }
        Op::Insert(_) | Op::Snapshot(_) | Op::Update(..) | Op::Delete(_) | Op::Truncate => {
            (None, None)
        }
    }
}

async fn stage_one<S, W>(
    (stager, writer): (&mut S, &mut W),
    (table, shape): (TableId, &Arc<RowShape>),
    body: &mut PostgresBody,
    (at, record): (RecordRef, cdc_core::Record<'_>),
    op: &Op,
) -> Staged
where
    S: Stager<Body = PostgresBody, Plan = PostgresPlan>,
    W: Writer<Plan = PostgresPlan, Error = PostgresError>,
{
    let (mut first, mut second) = (RowBuffer::new(), RowBuffer::new());
    let fill = |buffer: &mut RowBuffer, cells: &Cells| {
        for cell in cells {
            buffer.push(cell.value());
        }
    };
    match op {
        Op::Insert(row)
        | Op::Snapshot(row)
        | Op::Delete(row)
        | Op::Wave(_, _, row)
        | Op::Refused(_, _, row)
        | Op::Streamed(_, row) => fill(&mut first, row),
        Op::Update(before, after) => {
            fill(&mut first, after);
            fill(&mut second, before.as_ref().unwrap_or(&Cells::new()));
        }
        Op::Truncate => {}
    }
    let row = first.row(shape, "");
    let change = match op {
        Op::Insert(_) | Op::Streamed(..) => Change::Insert { after: row },
        Op::Snapshot(_) | Op::Wave(..) | Op::Refused(..) => Change::Snapshot { row },
        Op::Update(before, _) => {
            Change::Update { before: before.as_ref().map(|_| second.row(shape, "")), after: row }
        }
        Op::Delete(_) => Change::Delete { before: row },
        Op::Truncate => Change::Truncate,
    };
    let offset = record.offset.get();
    let origin = Origin {
        lsn: Some(0x1_0000_0000 + u64::try_from(offset).unwrap()),
        tx_id: Some(700 + offset),
        committed_at_ms: None,
        captured_at_ms: Some(1_700_000_000_123),
    };
    let (snapshot, emission) = said(op);
    let ordinal = 0;
    let event = ChangeEvent { table, change, origin, emission, snapshot, ordinal, record };
    if matches!(op, Op::Refused(..)) {
        stager.note_snapshot(body, &event, SnapshotFate::LeftOut);
        let message = "a rule refuses it";
        return Staged::Rejected(Box::new(Rejection::new(Stage::Rule, "refused", message)));
    }
    let mut result = stager.stage(body, at, &event);
    if matches!(result, Staged::NeedsPlan) {
        let plan = writer.plan(table, shape).await.unwrap();
        stager.adopt(table, Arc::clone(shape), plan);
        result = stager.stage(body, at, &event);
    }
    let fate = match result {
        Staged::Row => SnapshotFate::Staged,
        Staged::Rejected(_) | Staged::NeedsPlan => SnapshotFate::LeftOut,
    };
    stager.note_snapshot(body, &event, fate);
    result
}
