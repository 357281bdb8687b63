//! The in-memory sink with one defect.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on its own few defects; all others, new ones too, pass through"
)]

use std::sync::Arc;

use cdc_core::{
    ChangeEvent, CheckpointDelta, Partition, RecordRef, ResumePoint, RowShape, Sink, Staged,
    Stager, TableId, Witness, Witnesses, WriteBatch, Writer,
};

use super::SinkDefect;
use crate::memory::State;
use crate::{
    MemoryBody, MemoryError, MemorySink, MemoryStager, MemoryWriter, StoredDeadLetter, StoredRow,
    Warehouse,
};

/// Rows of a batch that [`SinkDefect::LosesTheRestOfLargeBatches`] still stores.
const LARGE_ROWS: usize = 1_000;

/// An in-memory sink with one defect.
#[derive(Debug, Clone)]
pub struct BrokenSink {
    inner: MemorySink,
    defect: SinkDefect,
}

impl BrokenSink {
    /// A sink on this warehouse, with a defect.
    pub fn new(warehouse: Warehouse, defect: SinkDefect) -> Self {
        Self { inner: MemorySink::new(warehouse), defect }
    }
}

impl Sink for BrokenSink {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;
    type Stager = BrokenStager;
    type Writer = BrokenWriter;

    async fn open_lane(&self) -> Result<(BrokenStager, BrokenWriter), MemoryError> {
        let (stager, writer) = self.inner.open_lane().await?;
        let defect = self.defect;
        Ok((
            BrokenStager { inner: stager, defect, last: Vec::new() },
            BrokenWriter::new(writer, defect),
        ))
    }
}

/// The staging half of a [`BrokenSink`].
#[derive(Debug)]
pub struct BrokenStager {
    inner: MemoryStager,
    defect: SinkDefect,
    /// The rows of the body that was staged into last.
    last: Vec<(RecordRef, StoredRow)>,
}

impl Stager for BrokenStager {
    type Body = MemoryBody;
    type Plan = ();

    fn stage(&mut self, body: &mut MemoryBody, at: RecordRef, event: &ChangeEvent<'_>) -> Staged {
        // A body that was cleared still has its memory; a new one has none.
        let cleared = body.rows.is_empty() && body.rows.capacity() > 0;
        if self.defect == SinkDefect::KeepsClearedRows && cleared {
            for (at, row) in std::mem::take(&mut self.last) {
                body.push(at, row);
            }
        }
        let staged = self.inner.stage(body, at, event);
        if self.defect == SinkDefect::KeepsClearedRows {
            self.last.clone_from(&body.rows);
        }
        if self.defect == SinkDefect::UnderstatesItsSize {
            body.text_bytes = 0;
        }
        staged
    }

    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, plan: ()) {
        if self.defect != SinkDefect::ForgetsPlans {
            self.inner.adopt(table, shape, plan);
        }
    }

    fn forget_plans(&mut self) {
        self.inner.forget_plans();
    }
}

/// The writing half of a [`BrokenSink`].
#[derive(Debug)]
pub struct BrokenWriter {
    inner: MemoryWriter,
    defect: SinkDefect,
    /// Rows of the batch that is prepared.
    prepared: Vec<StoredRow>,
    /// Rows that nobody asked for and that come with the next batch.
    stray: Vec<StoredRow>,
}

type Outcome = Result<(), MemoryError>;

impl BrokenWriter {
    fn new(inner: MemoryWriter, defect: SinkDefect) -> Self {
        Self { inner, defect, prepared: Vec::new(), stray: Vec::new() }
    }

    /// What the defect does before the batch is applied.
    fn before(&mut self, batch: &WriteBatch<MemoryBody>) {
        let prepared = self.inner.has_prepared(batch);
        match self.defect {
            SinkDefect::ReconnectsInSilence => self.inner.connect(),
            SinkDefect::RevivesALostPreparation if prepared => self.inner.connect(),
            _ => {}
        }
        let warehouse = self.inner.warehouse.clone();
        let mut state = warehouse.state();
        for (partition, range) in batch.delta().ranges() {
            let stands = state.checkpoint.next(partition);
            match self.defect {
                SinkDefect::AppliesAPreparationOutOfTurn
                    if prepared && stands < Some(range.from()) =>
                {
                    state.checkpoint.restore(partition.clone(), range.from());
                }
                SinkDefect::TrustsAPreparation if prepared => {
                    let epoch = state.epochs.get(partition).copied();
                    self.inner.epochs().extend(epoch.map(|epoch| (partition.clone(), epoch)));
                }
                SinkDefect::IgnoresTheEpoch => {
                    let epoch = state.epochs.get(partition).copied();
                    self.inner.epochs().extend(epoch.map(|epoch| (partition.clone(), epoch)));
                }
                SinkDefect::WritesForeignPartitions
                    if !self.inner.epochs().contains_key(partition) =>
                {
                    state.raise_epochs(std::slice::from_ref(partition));
                    let epoch = state.epochs.get(partition).copied().unwrap_or_default();
                    self.inner.epochs().insert(partition.clone(), epoch);
                }
                SinkDefect::JumpsOverGaps if stands < Some(range.from()) => {
                    state.checkpoint.restore(partition.clone(), range.from());
                }
                SinkDefect::AcceptsOverlaps if stands < Some(range.until()) => {
                    state.checkpoint.restore(partition.clone(), range.from());
                }
                _ => {}
            }
        }
    }

    /// What the defect makes of the outcome.
    fn after(&mut self, batch: &WriteBatch<MemoryBody>, outcome: Outcome) -> Outcome {
        let warehouse = self.inner.warehouse.clone();
        let mut state = warehouse.state();
        match outcome {
            Ok(()) => {
                self.spoil_stored(&mut state, batch);
                Ok(())
            }
            Err(MemoryError::Fenced) => self.after_fenced(&mut state, batch),
            Err(error @ (MemoryError::Refused(_) | MemoryError::RefusedSome(_))) => {
                drop(state);
                self.after_refused(batch, error)
            }
            Err(
                error @ (MemoryError::Busy
                | MemoryError::Lost
                | MemoryError::NoSession
                | MemoryError::Outdated
                | MemoryError::Stale
                | MemoryError::WhilePrepared),
            ) => Err(error),
        }
    }

    /// Changes what an applied batch has stored.
    fn spoil_stored(&self, state: &mut State, batch: &WriteBatch<MemoryBody>) {
        let first = state.rows.len().saturating_sub(batch.body().rows.len());
        let stored = state.rows.get_mut(first..).unwrap_or_default();
        match self.defect {
            SinkDefect::LosesTheLastRow => {
                let rest = stored.len().saturating_sub(1);
                state.rows.truncate(first.saturating_add(rest));
            }
            SinkDefect::ReordersAKey => stored.reverse(),
            SinkDefect::LosesTheRestOfLargeBatches => {
                state.rows.truncate(first.saturating_add(LARGE_ROWS));
            }
            SinkDefect::StoresNullAsEmpty => {
                for row in stored {
                    row.text.get_or_insert_default();
                }
            }
            SinkDefect::DropsDeadLetters => {
                let kept = state.dead_letters.len().saturating_sub(batch.dead_letters().len());
                state.dead_letters.truncate(kept);
            }
            SinkDefect::CountsRecordsForProgress => {
                for records in batch.records() {
                    if let Some(last) = records.iter().last() {
                        let partition = records.partition().clone();
                        state.checkpoint.restore(partition, last.offset.next());
                    }
                }
            }
            _ => {}
        }
    }

    /// A batch was refused because of its position or its owner.
    fn after_fenced(&self, state: &mut State, batch: &WriteBatch<MemoryBody>) -> Outcome {
        let rows = &batch.body().rows;
        match self.defect {
            SinkDefect::AppliesTwice => {
                state.rows.extend(rows.iter().map(|(_, row)| row.clone()));
                Ok(())
            }
            SinkDefect::AdvancesPartitionsOneByOne => {
                for (partition, range) in batch.delta().ranges() {
                    let delta = CheckpointDelta::single(partition.clone(), range);
                    if state.advance(&delta, &self.inner.epochs()) {
                        let rows = rows.iter().map(|(_, row)| row);
                        state.rows.extend(rows.filter(|row| row.partition == *partition).cloned());
                    }
                }
                Err(MemoryError::Fenced)
            }
            SinkDefect::KeepsDeadLettersOfARefusedBatch => {
                keep_dead_letters(state, batch);
                Err(MemoryError::Fenced)
            }
            SinkDefect::KeepsThePlaceOfARefusedBatch => {
                state.remember(batch);
                Err(MemoryError::Fenced)
            }
            _ => Err(MemoryError::Fenced),
        }
    }

    /// A row was refused.
    fn after_refused(&mut self, batch: &WriteBatch<MemoryBody>, error: MemoryError) -> Outcome {
        if self.defect == SinkDefect::DiesOfPoison {
            self.inner.disconnect();
        }
        let mut state = self.inner.warehouse.state();
        let refused = |row: &StoredRow| matches!(row.text.as_deref(), Some("poison" | "curse"));
        let rows = batch.body().rows.iter().map(|(_, row)| row);
        match (self.defect, error) {
            (SinkDefect::MovesTheCheckpointFirst, error) => {
                state.advance(batch.delta(), &self.inner.epochs());
                Err(error)
            }
            (SinkDefect::SwallowsAReject, _) => {
                state.advance(batch.delta(), &self.inner.epochs());
                state.rows.extend(rows.filter(|row| !refused(row)).cloned());
                Ok(())
            }
            (SinkDefect::KeepsRowsOfARefusedBatch, error) => {
                state.rows.extend(rows.take_while(|row| !refused(row)).cloned());
                Err(error)
            }
            (SinkDefect::KeepsDeadLettersOfARefusedBatch, error) => {
                keep_dead_letters(&mut state, batch);
                Err(error)
            }
            (SinkDefect::CallsPoisonTransient, _) => Err(MemoryError::Busy),
            (SinkDefect::BlamesTheWrongRecord, MemoryError::Refused(mut letter)) => {
                letter.at.record = letter.at.record.saturating_sub(1);
                Err(MemoryError::Refused(letter))
            }
            (_, error) => Err(error),
        }
    }
}

fn keep_dead_letters(state: &mut State, batch: &WriteBatch<MemoryBody>) {
    let letters = batch.dead_letters().iter();
    state.dead_letters.extend(letters.filter_map(|letter| {
        batch.record(letter.at).map(|record| StoredDeadLetter::of(&record, &letter.rejection))
    }));
}

impl Writer for BrokenWriter {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, MemoryError> {
        let mut points = self.inner.acquire(partitions).await?;
        if self.defect == SinkDefect::ForgetsWherePartitionsStand {
            for (_, point) in &mut points {
                *point = ResumePoint::Beginning;
            }
        }
        Ok(points)
    }

    async fn witnesses(&mut self, partitions: &[Partition]) -> Result<Witnesses, MemoryError> {
        let mut held = self.inner.witnesses(partitions).await?;
        if self.defect == SinkDefect::LosesPlaces {
            for witness in held.values_mut().flatten() {
                *witness = Witness::restore(witness.offset(), witness.digest());
            }
        }
        Ok(held)
    }

    async fn plan(&mut self, table: TableId, shape: &Arc<RowShape>) -> Outcome {
        self.inner.plan(table, shape).await
    }

    async fn second(&mut self) -> Result<Option<Self>, MemoryError> {
        let Some(mut inner) = self.inner.second().await? else { return Ok(None) };
        if self.defect == SinkDefect::SecondWriterOwnsNothing {
            inner.secede();
        }
        Ok(Some(Self::new(inner, self.defect)))
    }

    async fn prepare(&mut self, batch: &WriteBatch<MemoryBody>) -> Outcome {
        let rows: Vec<_> = batch.body().rows.iter().map(|(_, row)| row.clone()).collect();
        let outcome = self.inner.prepare(batch).await;
        match (self.defect, &outcome) {
            (SinkDefect::ShowsPreparedRows, Ok(())) => {
                self.inner.warehouse.state().rows.extend(rows);
            }
            (SinkDefect::KeepsRowsOfARefusedPreparation, Err(_)) => {
                let accepted = |row: &StoredRow| row.text.as_deref() != Some("poison");
                self.stray.extend(rows.into_iter().take_while(accepted));
            }
            (_, Ok(())) => self.prepared = rows,
            (_, Err(_)) => {}
        }
        outcome
    }

    async fn abandon(&mut self) {
        self.inner.abandon().await;
        let rows = std::mem::take(&mut self.prepared);
        if self.defect == SinkDefect::KeepsAbandonedRows {
            self.stray.extend(rows);
        }
    }

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Outcome {
        if self.defect == SinkDefect::IgnoresEmptyBatches && batch.body().rows.is_empty() {
            return Ok(());
        }
        let prepared = std::mem::take(&mut self.prepared);
        self.before(batch);
        let outcome = self.inner.apply(batch).await;
        let outcome = self.after(batch, outcome);
        if outcome.is_ok() {
            let mut state = self.inner.warehouse.state();
            state.rows.append(&mut self.stray);
            if self.defect == SinkDefect::AppliesThePreparedBatch && !prepared.is_empty() {
                let kept = state.rows.len().saturating_sub(batch.body().rows.len());
                state.rows.truncate(kept);
                state.rows.extend(prepared);
            }
        }
        outcome
    }

    async fn release(&mut self, partitions: &[Partition]) -> Outcome {
        let epochs = self.inner.epochs().clone();
        self.inner.release(partitions).await?;
        match self.defect {
            SinkDefect::WritesAfterRelease => *self.inner.epochs() = epochs,
            SinkDefect::ReleasesEverything => self.inner.epochs().clear(),
            _ => {}
        }
        Ok(())
    }
}
