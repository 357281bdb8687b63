//! What the cases are written with: a lane that plays the engine, and the outcome it must have.

use std::sync::Arc;

use cdc_core::{
    ByteBudget, Checkpoint, CheckpointDelta, Classify, DeadLetter, Decoded, Decoder, ErrorClass,
    NextOffset, Offset, PLACE_HEADER, Partition, Record, RecordBatch, RecordBatchBuilder,
    RecordParts, RecordRef, Rejection, ResumePoint, Sink, SkipReason, Staged, Stager, Tally, Value,
    WriteBatch, Writer,
};

use super::{Durable, SinkUnderTest, TOPIC};
use crate::conformance::{Finding, chain, ensure};
use crate::{StoredDeadLetter, StoredRow, TextDecoder};

/// Far more than any case needs.
const BUDGET_BYTES: usize = 1 << 28;

pub(super) fn partition(number: i32) -> Partition {
    Partition::new(TOPIC, 0, number).expect("the suite's own names are well formed")
}

pub(super) fn next(raw: i64) -> NextOffset {
    NextOffset::try_new(raw).expect("the suite's own positions are not negative")
}

pub(super) fn at(raw: i64) -> ResumePoint {
    ResumePoint::At(next(raw))
}

/// Records at consecutive offsets from `from` on; the range ends behind the last one.
pub(super) fn records(partition: &Partition, from: i64, values: &[&str]) -> Arc<RecordBatch> {
    records_until(partition, from, values, from)
}

/// Records at consecutive offsets; the range ends at `until` if that is further.
pub(super) fn records_until(
    partition: &Partition,
    from: i64,
    values: &[&str],
    until: i64,
) -> Arc<RecordBatch> {
    let mut builder = RecordBatchBuilder::new(partition.clone(), 1, next(from));
    for (offset, value) in (from..).zip(values) {
        let headers = [("origin", Some(b"conformance".as_slice())), ("null", None)];
        push(&mut builder, offset, value, &headers);
    }
    builder.cover_until(next(until));
    finish(builder)
}

/// Records at consecutive offsets, of which each stands at its own place: the given one and its offset.
pub(super) fn placed_records(
    partition: &Partition,
    from: i64,
    values: &[&str],
    place: &str,
) -> Arc<RecordBatch> {
    let builder = RecordBatchBuilder::new(partition.clone(), 1, next(from));
    let mut builder = builder.with_places();
    for (offset, value) in (from..).zip(values) {
        let place = format!("{place}{offset}");
        push(&mut builder, offset, value, &[(PLACE_HEADER, Some(place.as_bytes()))]);
    }
    finish(builder)
}

fn push(
    builder: &mut RecordBatchBuilder,
    offset: i64,
    value: &str,
    headers: &[(&str, Option<&[u8]>)],
) {
    let tombstone = value.is_empty();
    builder.push(&RecordParts {
        offset: Offset::try_new(offset).expect("the suite's own offsets are not negative"),
        timestamp_ms: Some(1_700_000_000_000),
        key: Some(b"the key's bytes"),
        value: (!tombstone).then_some(value.as_bytes()),
        headers,
    });
}

fn finish(builder: RecordBatchBuilder) -> Arc<RecordBatch> {
    Arc::new(builder.finish(ByteBudget::new(BUDGET_BYTES).charge(0)))
}

/// A sink on a fresh place.
pub(super) struct Trial<'u, U: SinkUnderTest> {
    under_test: &'u U,
    sink: U::Sink,
    place: U::Place,
}

pub(super) type SinkLane<U> = Lane<<U as SinkUnderTest>::Sink>;
pub(super) type Batch<S> = WriteBatch<<S as Sink>::Body>;

impl<'u, U: SinkUnderTest> Trial<'u, U> {
    pub(super) async fn open(under_test: &'u U) -> Self {
        let (sink, place) = under_test.open().await;
        Self { under_test, sink, place }
    }

    /// A lane that owns nothing yet.
    pub(super) async fn lane(&self) -> Result<SinkLane<U>, String> {
        let (stager, writer) =
            self.sink.open_lane().await.map_err(|error| failed("open a lane", &error))?;
        let budget = ByteBudget::new(BUDGET_BYTES);
        Ok(Lane { decoder: TextDecoder::default(), stager, writer, budget })
    }

    /// A lane that owns these partitions, all of them new.
    pub(super) async fn owner(&self, partitions: &[Partition]) -> Result<SinkLane<U>, String> {
        let mut lane = self.lane().await?;
        lane.acquire(partitions).await?;
        Ok(lane)
    }

    pub(super) async fn break_sessions(&self) {
        self.under_test.break_sessions(&self.place).await;
    }

    pub(super) async fn durable(&self) -> Durable {
        self.under_test.durable(&self.place).await
    }

    /// Exactly this is durable.
    pub(super) async fn holds(&self, when: &str, wanted: &Wanted) -> Finding {
        let durable = self.durable().await;
        let sorted = |rows: &[StoredRow]| {
            let mut rows = rows.to_vec();
            rows.sort();
            rows
        };
        let (found, rows) = (sorted(&durable.rows), sorted(&wanted.rows));
        ensure(found == rows, || format!("{when}: {}", difference("rows", &rows, &found)))?;
        let found: Vec<_> = durable.checkpoint.iter().collect();
        let checkpoint: Vec<_> = wanted.checkpoint.iter().collect();
        ensure(found == checkpoint, || {
            format!(
                "{when}: expected progress {:?}, found {:?}",
                wanted.checkpoint.to_string(),
                durable.checkpoint.to_string()
            )
        })?;
        let (mut found, mut letters) = (durable.dead_letters, wanted.dead_letters.clone());
        found.sort();
        letters.sort();
        ensure(found == letters, || {
            format!("{when}: {}", difference("dead letters", &letters, &found))
        })
    }
}

/// How two lists differ, without printing thousands of rows.
fn difference<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &[T], found: &[T]) -> String {
    let missing = wanted.iter().find(|item| !found.contains(item));
    let surplus = found.iter().find(|item| !wanted.contains(item));
    format!(
        "expected {} {what}, found {}; first missing: {missing:?}; first too much: {surplus:?}",
        wanted.len(),
        found.len()
    )
}

/// What must be durable.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) rows: Vec<StoredRow>,
    checkpoint: Checkpoint,
    dead_letters: Vec<StoredDeadLetter>,
}

impl Wanted {
    /// Adds everything that a batch makes durable.
    pub(super) fn with<B: cdc_core::Body>(mut self, batch: &WriteBatch<B>) -> Self {
        for (index, records) in (0..).zip(batch.records()) {
            for (record, found) in (0..).zip(records.iter()) {
                let at = RecordRef { batch: index, record };
                if !batch.dead_letters().iter().any(|letter| letter.at == at) {
                    self.rows.extend(row_of(&found));
                }
            }
        }
        for letter in batch.dead_letters() {
            let record = batch.record(letter.at).expect("the suite rejects records of the batch");
            self.dead_letters.push(StoredDeadLetter::of(&record, &letter.rejection));
        }
        for (partition, range) in batch.delta().ranges() {
            self.checkpoint.restore(partition.clone(), range.until());
        }
        self
    }
}

fn row_of(record: &Record<'_>) -> Option<StoredRow> {
    let mut decoder = TextDecoder::default();
    let Ok(Decoded::Change(event)) = decoder.decode(*record) else { return None };
    let row = event.change.row()?;
    let Value::Int64(key) = row.get(0) else { return None };
    let text = if let Value::Text(text) = row.get(1) { Some(text.to_owned()) } else { None };
    Some(StoredRow {
        tx_id: None,
        partition: record.partition.clone(),
        offset: record.offset,
        operation: event.change.operation().code().to_owned(),
        key,
        text,
    })
}

pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> String {
    format!("cannot {what}: {}", chain(error))
}

/// Both halves of a lane, driven as the engine does.
pub(super) struct Lane<S: Sink> {
    pub(super) decoder: TextDecoder,
    pub(super) stager: S::Stager,
    pub(super) writer: S::Writer,
    budget: ByteBudget,
}

/// Where a record ended when it was staged.
enum Placed {
    Row,
    Skipped(SkipReason),
    Rejected(Box<Rejection>),
}

impl<S: Sink> Lane<S> {
    /// Acquires and gives back where the partitions stand, in the order asked for.
    pub(super) async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<ResumePoint>, String> {
        let answer = self.writer.acquire(partitions).await;
        let points = answer.map_err(|error| failed("acquire", &error))?;
        ensure(points.len() == partitions.len(), || {
            format!("asked for {} partitions, was told of {}", partitions.len(), points.len())
        })?;
        let point_of = |partition: &Partition| {
            let found = points.iter().find(|(held, _)| held == partition);
            found.map(|(_, point)| *point).ok_or_else(|| format!("{partition} has no resume point"))
        };
        partitions.iter().map(point_of).collect()
    }

    /// A batch of these records.
    pub(super) async fn stage(&mut self, logs: &[Arc<RecordBatch>]) -> Result<Batch<S>, String> {
        self.stage_into(S::Body::default(), logs, &[]).await
    }

    /// A batch of these records in a given body, with some of them left out as dead letters.
    pub(super) async fn stage_into(
        &mut self,
        mut body: S::Body,
        logs: &[Arc<RecordBatch>],
        excluded: &[DeadLetter],
    ) -> Result<Batch<S>, String> {
        let (mut delta, mut tallies) = (CheckpointDelta::default(), Vec::new());
        let mut dead_letters = Vec::new();
        for (batch, records) in (0..).zip(logs) {
            let joined = delta.extend(records.partition(), records.range());
            joined.expect("the suite's own records join without a gap");
            let mut tally = Tally::default();
            for (index, record) in (0..).zip(records.iter()) {
                let at = RecordRef { batch, record: index };
                tally.read = tally.read.saturating_add(1);
                let placed = match excluded.iter().find(|letter| letter.at == at) {
                    Some(letter) => Placed::Rejected(letter.rejection.clone()),
                    None => self.place(&mut body, at, record).await?,
                };
                match placed {
                    Placed::Row => tally.staged = tally.staged.saturating_add(1),
                    Placed::Skipped(reason) => tally.skip(reason),
                    Placed::Rejected(rejection) => dead_letters.push(DeadLetter { at, rejection }),
                }
            }
            tallies.push(tally);
        }
        let lease = self.budget.charge(0);
        Ok(WriteBatch::new(logs.to_vec(), body, delta, dead_letters, tallies, lease))
    }

    /// Stages one record, planning if needed.
    async fn place(
        &mut self,
        body: &mut S::Body,
        at: RecordRef,
        record: Record<'_>,
    ) -> Result<Placed, String> {
        let event = match self.decoder.decode(record) {
            Ok(Decoded::Change(event)) => event,
            Ok(Decoded::Skip(reason)) => return Ok(Placed::Skipped(reason)),
            Err(rejection) => return Ok(Placed::Rejected(rejection)),
        };
        for _ in 0..2 {
            match self.stager.stage(body, at, &event) {
                Staged::Row => return Ok(Placed::Row),
                Staged::Rejected(rejection) => return Ok(Placed::Rejected(rejection)),
                Staged::NeedsPlan => {
                    let shape = event.change.shape().expect("the suite changes rows only");
                    let plan = self.writer.plan(event.table, shape).await;
                    let plan = plan.map_err(|error| failed("plan", &error))?;
                    self.stager.adopt(event.table, Arc::clone(shape), plan);
                }
            }
        }
        Err("a plan was adopted, and the stager asks for it again".to_owned())
    }

    /// The batch must be applied.
    pub(super) async fn apply(&mut self, batch: &Batch<S>) -> Finding {
        apply_with(&mut self.writer, batch).await
    }

    /// The batch must be refused; gives back the class.
    pub(super) async fn refused(
        &mut self,
        why: &str,
        batch: &Batch<S>,
    ) -> Result<ErrorClass, String> {
        refused_by(&mut self.writer, why, batch).await
    }

    /// The batch must be refused because of its position: acquire and compare comes next.
    pub(super) async fn fenced(&mut self, why: &str, batch: &Batch<S>) -> Finding {
        fenced_by(&mut self.writer, why, batch).await
    }
}

/// [`Lane::apply`] with any of the lane's writers.
pub(super) async fn apply_with<W: Writer>(writer: &mut W, batch: &WriteBatch<W::Body>) -> Finding {
    let outcome = writer.apply(batch).await;
    outcome.map_err(|error| failed(&format!("apply {}", batch.delta()), &error))
}

/// [`Lane::refused`] by any of the lane's writers.
pub(super) async fn refused_by<W: Writer>(
    writer: &mut W,
    why: &str,
    batch: &WriteBatch<W::Body>,
) -> Result<ErrorClass, String> {
    match writer.apply(batch).await {
        Ok(()) => Err(format!("applied {}, although {why}", batch.delta())),
        Err(error) => Ok(error.class()),
    }
}

/// [`Lane::fenced`] by any of the lane's writers.
pub(super) async fn fenced_by<W: Writer>(
    writer: &mut W,
    why: &str,
    batch: &WriteBatch<W::Body>,
) -> Finding {
    let class = refused_by(writer, why, batch).await?;
    ensure(class == ErrorClass::Indeterminate, || {
        format!("{why}: expected an indeterminate refusal, found {class:?}")
    })
}
