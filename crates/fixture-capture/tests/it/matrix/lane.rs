//! The way of rows into the warehouse, as the engine drives it: plan, stage, apply.

use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{
    ByteBudget, Change, ChangeEvent, CheckpointDelta, Classify as _, ErrorClass, NextOffset,
    Offset, Origin, Partition, Poison, RecordBatch, RecordBatchBuilder, RecordParts, RecordRef,
    Rejection, RowBuffer, RowShape, Sink as _, Staged, Stager as _, TableId, Tally, WriteBatch,
    Writer as _,
};
use cdc_postgres::{
    PipelineName, PostgresBody, PostgresError, PostgresSettings, PostgresSink, PostgresStager,
    PostgresWriter, TableSettings,
};

/// Both halves of a lane and its place in the one partition.
pub(super) struct Lane {
    stager: PostgresStager,
    writer: PostgresWriter,
    partition: Partition,
    next: i64,
}

/// A row that cannot be written.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which one.
    pub(super) row: usize,
    pub(super) rejection: Rejection,
}

impl Lane {
    pub(super) async fn open(url: String, tables: Vec<TableSettings>) -> Self {
        let pipeline = PipelineName::parse("matrix").unwrap();
        let sink = PostgresSink::new(PostgresSettings::new(Secret::new(url), pipeline), tables);
        let (stager, mut writer) = sink.open_lane().await.unwrap();
        let partition = Partition::new("fixtures", 0, 1).unwrap();
        writer.acquire(std::slice::from_ref(&partition)).await.unwrap();
        Self { stager, writer, partition, next: 0 }
    }

    /// Plans a table for rows of a shape.
    pub(super) async fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> Result<(), PostgresError> {
        let plan = self.writer.plan(table, shape).await?;
        self.stager.adopt(table, Arc::clone(shape), plan);
        Ok(())
    }

    /// Writes all rows, or none and says which of them cannot be.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only rows are at fault on a server that is there"
    )]
    pub(super) async fn write(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
        rows: &[RowBuffer],
    ) -> Result<(), Fault> {
        let records = Arc::new(self.records(rows.len()));
        let mut body = PostgresBody::default();
        for (index, cells) in rows.iter().enumerate() {
            let at = RecordRef { batch: 0, record: u32::try_from(index).unwrap() };
            let event = ChangeEvent {
                table,
                change: Change::Insert { after: cells.row(shape, "") },
                emission: None,
                snapshot: None,
                origin: Origin {
                    lsn: None,
                    tx_id: None,
                    committed_at_ms: None,
                    captured_at_ms: None,
                },
                ordinal: 0,
                record: records.get(index).unwrap(),
            };
            match self.stager.stage(&mut body, at, &event) {
                Staged::Row => {}
                Staged::Rejected(rejection) => {
                    return Err(Fault { row: index, rejection: *rejection });
                }
                Staged::NeedsPlan => panic!("the table is planned before"),
            }
        }
        let count = i64::try_from(rows.len()).unwrap();
        let delta = CheckpointDelta::single(self.partition.clone(), records.range());
        let mut tally = Tally::default();
        tally.read = u64::try_from(count).unwrap();
        tally.staged = tally.read;
        let lease = ByteBudget::new(1 << 20).charge(0);
        let batch = WriteBatch::new(vec![records], body, delta, Vec::new(), vec![tally], lease);
        match self.writer.apply(&batch).await {
            Ok(()) => {
                drop(batch.finish());
                self.next += count;
                Ok(())
            }
            Err(error) => match error.class() {
                ErrorClass::Poison(Poison::Record(letter)) => {
                    let row = usize::try_from(letter.at.record).unwrap();
                    Err(Fault { row, rejection: *letter.rejection })
                }
                class => panic!("{class:?}: {}", cdc_core::with_causes(&error)),
            },
        }
    }

    fn records(&self, count: usize) -> RecordBatch {
        let first = NextOffset::try_new(self.next).unwrap();
        let mut builder = RecordBatchBuilder::new(self.partition.clone(), 0, first);
        for index in 0..count {
            builder.push(&RecordParts {
                offset: Offset::try_new(self.next + i64::try_from(index).unwrap()).unwrap(),
                timestamp_ms: None,
                key: None,
                value: None,
                headers: &[],
            });
        }
        builder.finish(ByteBudget::new(1 << 20).charge(0))
    }
}
