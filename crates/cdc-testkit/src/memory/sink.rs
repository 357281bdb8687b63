//! A sink that keeps the contract in memory and has faults when told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::{
    Body, ChangeEvent, CheckpointDelta, Classify, DeadLetter, ErrorClass, Found, Halt, Partition,
    Poison, RecordRef, Rejection, ResumePoint, RowShape, Sink, SnapshotFate, SourceMarks,
    SourcePosition, Stage, Staged, Stager, TableId, Value, Witnesses, WriteBatch, Writer,
};

use super::warehouse::{Fault, SnapshotNote, State, StoredDeadLetter, StoredRow, Warehouse};

/// A sink on a shared [`Warehouse`].
///
/// The server behind it refuses rows by their text: `poison` is refused with the record's name, as
/// soon as the row is prepared; `curse` is refused when its batch is applied, without saying which
/// record it was.
#[derive(Debug, Clone)]
pub struct MemorySink {
    warehouse: Warehouse,
}

impl MemorySink {
    /// A sink on this warehouse.
    pub fn new(warehouse: Warehouse) -> Self {
        Self { warehouse }
    }
}

impl Sink for MemorySink {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;
    type Stager = MemoryStager;
    type Writer = MemoryWriter;

    async fn open_lane(&self) -> Result<(MemoryStager, MemoryWriter), MemoryError> {
        let writer = MemoryWriter {
            warehouse: self.warehouse.clone(),
            lane: Arc::default(),
            session: Some(self.warehouse.state().cuts),
            prepared: None,
        };
        Ok((MemoryStager { planned: Vec::new() }, writer))
    }
}

/// Rows that are staged but not applied.
#[derive(Debug, Default)]
pub struct MemoryBody {
    pub(crate) rows: Vec<(RecordRef, StoredRow)>,
    pub(crate) text_bytes: usize,
    pub(crate) notes: Vec<SnapshotNote>,
}

impl MemoryBody {
    pub(crate) fn push(&mut self, at: RecordRef, row: StoredRow) {
        let text = row.text.as_ref().map_or(0, String::len);
        self.text_bytes = self.text_bytes.saturating_add(text);
        self.rows.push((at, row));
    }
}

impl Body for MemoryBody {
    fn bytes(&self) -> usize {
        let rows = self.rows.len().saturating_mul(size_of::<(RecordRef, StoredRow)>());
        let notes = self.notes.len().saturating_mul(size_of::<SnapshotNote>());
        rows.saturating_add(self.text_bytes).saturating_add(notes)
    }

    fn folded(&self, _batch: u32) -> u64 {
        0
    }

    fn rows_by_table(&self, say: &mut dyn FnMut(TableId, u64)) {
        // The one table that the decoder for tests knows.
        say(TableId::new(0), u64::try_from(self.rows.len()).unwrap_or(u64::MAX));
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.text_bytes = 0;
        self.notes.clear();
    }
}

/// Why the in-memory sink refused.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Scripted: nothing was applied, the session lives.
    #[error("busy")]
    Busy,
    /// Scripted: the session is gone.
    #[error("the session was lost")]
    Lost,
    /// Scripted: nothing was applied, and the plans are outdated.
    #[error("a target has changed")]
    Outdated,
    /// Scripted: nothing was applied, and the stager knows better by now.
    #[error("the batch is to be staged again")]
    Stale,
    /// The checkpoint does not stand where the batch starts, or not in this writer's epoch.
    #[error("another writer moved the checkpoint")]
    Fenced,
    /// A row was refused by name.
    #[error("a row was refused")]
    Refused(Box<DeadLetter>),
    /// Some row was refused.
    #[error("some row was refused")]
    RefusedSome(Box<Rejection>),
    /// A method was called out of order.
    #[error("called without a session: acquire comes first")]
    NoSession,
    /// A method that must wait was called while a batch of the lane was prepared.
    #[error("called while a batch is prepared: apply or abandon comes first")]
    WhilePrepared,
}

impl Classify for MemoryError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy => ErrorClass::Transient,
            Self::Outdated => ErrorClass::Outdated,
            Self::Stale => ErrorClass::Restage,
            Self::Lost | Self::Fenced => ErrorClass::Indeterminate,
            Self::Refused(letter) => ErrorClass::Poison(Poison::Record(letter.clone())),
            Self::RefusedSome(why) => ErrorClass::Poison(Poison::Unknown(why.clone())),
            Self::NoSession | Self::WhilePrepared => ErrorClass::Fatal(Halt::Environment),
        }
    }
}

/// The staging half.
#[derive(Debug)]
pub struct MemoryStager {
    planned: Vec<(TableId, Arc<RowShape>)>,
}

impl Stager for MemoryStager {
    type Body = MemoryBody;
    type Plan = ();

    fn stage(&mut self, body: &mut MemoryBody, at: RecordRef, event: &ChangeEvent<'_>) -> Staged {
        let Some(row) = event.change.row() else { return Staged::Row };
        if !self.planned.iter().any(|(table, shape)| *table == event.table && shape == row.shape())
        {
            return Staged::NeedsPlan;
        }
        let Value::Int64(key) = row.get(0) else {
            let why = Rejection::new(Stage::Encode, "key_missing", "expected an integer key");
            return Staged::Rejected(Box::new(why));
        };
        let text = if let Value::Text(text) = row.get(1) { Some(text.to_owned()) } else { None };
        let stored = StoredRow {
            partition: event.record.partition.clone(),
            offset: event.record.offset,
            operation: event.change.operation().code().to_owned(),
            key,
            text,
            tx_id: event.origin.tx_id,
        };
        body.push(at, stored);
        Staged::Row
    }

    fn note_snapshot(
        &mut self,
        body: &mut MemoryBody,
        event: &ChangeEvent<'_>,
        fate: SnapshotFate,
    ) {
        let Some(row) = &event.snapshot else { return };
        let (partition, offset) = (event.record.partition.clone(), event.record.offset);
        body.notes.push(SnapshotNote { partition, offset, lsn: row.lsn, place: row.place, fate });
    }

    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, (): ()) {
        self.planned.push((table, shape));
    }

    fn forget_plans(&mut self) {
        self.planned.clear();
    }
}

/// The writing half.
#[derive(Debug)]
pub struct MemoryWriter {
    pub(crate) warehouse: Warehouse,
    /// Shared by the writers of a lane.
    lane: Arc<Shared>,
    /// How often sessions had been cut when this one was opened; `None` after it was lost.
    session: Option<u64>,
    /// The batch that is prepared, in this session.
    prepared: Option<CheckpointDelta>,
}

#[derive(Debug, Default)]
struct Shared {
    epochs: Mutex<BTreeMap<Partition, u64>>,
    /// Batches that are prepared.
    prepared: AtomicUsize,
}

impl MemoryWriter {
    /// The epochs under which the lane owns partitions.
    pub(crate) fn epochs(&self) -> MutexGuard<'_, BTreeMap<Partition, u64>> {
        self.lane.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the lane: from now on it owns nothing.
    pub(crate) fn secede(&mut self) {
        self.lane = Arc::default();
    }

    /// Whether this batch is prepared.
    pub(crate) fn has_prepared(&self, batch: &WriteBatch<MemoryBody>) -> bool {
        self.prepared.as_ref() == Some(batch.delta())
    }

    /// Forgets what is prepared, and says whether there was anything.
    fn unprepare(&mut self) -> bool {
        let was_prepared = self.prepared.take().is_some();
        if was_prepared {
            self.lane.prepared.fetch_sub(1, Ordering::Relaxed);
        }
        was_prepared
    }

    fn nothing_is_prepared(&self) -> Result<(), MemoryError> {
        let prepared = self.lane.prepared.load(Ordering::Relaxed);
        if prepared == 0 { Ok(()) } else { Err(MemoryError::WhilePrepared) }
    }

    /// Opens a session if there is none that lives.
    pub(crate) fn connect(&mut self) {
        self.session = Some(self.warehouse.state().cuts);
    }

    /// Loses the session.
    pub(crate) fn disconnect(&mut self) {
        self.session = None;
    }

    fn check_session(&mut self) -> Result<(), MemoryError> {
        let session = self.session.ok_or(MemoryError::NoSession)?;
        if session == self.warehouse.state().cuts {
            return Ok(());
        }
        self.session = None;
        Err(MemoryError::Lost)
    }

    fn commit(&self, state: &mut State, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        refuse_named(batch)?;
        let mut texts = batch.body().rows.iter().map(|(_, row)| row.text.as_deref());
        if texts.any(|text| text == Some("curse")) {
            return Err(MemoryError::RefusedSome(Box::new(refusal("curse"))));
        }
        if !state.advance(batch.delta(), &self.epochs()) {
            return Err(MemoryError::Fenced);
        }
        state.rows.extend(batch.body().rows.iter().map(|(_, row)| row.clone()));
        state.snapshot_notes.extend(batch.body().notes.iter().cloned());
        let left = |(_, row): &(RecordRef, StoredRow)| Some((row.partition.clone(), row.tx_id?));
        state.transactions.extend(batch.body().rows.iter().filter_map(left));
        let marks = batch.marks().iter().map(|(at, marks)| (at.clone(), marks.clone()));
        state.marks.extend(marks);
        state.remember(batch);
        for letter in batch.dead_letters() {
            let record =
                batch.record(letter.at).expect("a dead letter names a record of its batch");
            state.dead_letters.push(StoredDeadLetter::of(&record, &letter.rejection));
        }
        Ok(())
    }
}

/// Refuses the first row that the server refuses by name.
fn refuse_named(batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
    let mut rows = batch.body().rows.iter();
    let Some((at, _)) = rows.find(|(_, row)| row.text.as_deref() == Some("poison")) else {
        return Ok(());
    };
    let rejection = Box::new(refusal("poison"));
    Err(MemoryError::Refused(Box::new(DeadLetter { at: *at, rejection })))
}

fn refusal(reason: &'static str) -> Rejection {
    Rejection::new(Stage::Apply, reason, "refused by the server")
}

/// An apply that is under way, until it is dropped.
struct Applying(Warehouse);

impl Applying {
    fn begin(warehouse: &Warehouse) -> Self {
        let mut state = warehouse.state();
        state.applying = state.applying.saturating_add(1);
        Self(warehouse.clone())
    }
}

impl Drop for Applying {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.applying = state.applying.saturating_sub(1);
    }
}

impl Writer for MemoryWriter {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, MemoryError> {
        self.nothing_is_prepared()?;
        self.warehouse.pass_acquiring(partitions).await;
        let mut state = self.warehouse.state();
        let points = state.raise_epochs(partitions);
        for partition in partitions {
            let epoch = state.epochs.get(partition).copied().unwrap_or_default();
            self.epochs().insert(partition.clone(), epoch);
        }
        self.session = Some(state.cuts);
        Ok(points)
    }

    async fn marks(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, SourceMarks)>, MemoryError> {
        self.check_session()?;
        let of = |partition: &Partition| (partition.clone(), self.warehouse.marks(partition));
        Ok(partitions.iter().map(of).collect())
    }

    async fn witnesses(&mut self, partitions: &[Partition]) -> Result<Witnesses, MemoryError> {
        self.check_session()?;
        let mut held = self.warehouse.state().witnesses.clone();
        held.retain(|partition, _| partitions.contains(partition));
        Ok(held)
    }

    async fn find(
        &mut self,
        _table: TableId,
        partition: &Partition,
        from: SourcePosition,
    ) -> Result<Option<Found>, MemoryError> {
        self.nothing_is_prepared()?;
        self.check_session()?;
        let left = (partition.clone(), from.tx_id);
        let is_present = self.warehouse.state().transactions.contains(&left);
        Ok(Some(if is_present { Found::Present } else { Found::Absent }))
    }

    async fn plan(&mut self, _table: TableId, _shape: &Arc<RowShape>) -> Result<(), MemoryError> {
        self.nothing_is_prepared()?;
        self.check_session()
    }

    async fn second(&mut self) -> Result<Option<Self>, MemoryError> {
        let (warehouse, lane) = (self.warehouse.clone(), Arc::clone(&self.lane));
        Ok(Some(Self { warehouse, lane, session: self.session, prepared: None }))
    }

    async fn prepare(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        {
            let mut state = self.warehouse.state();
            state.prepared_behind = state.prepared_behind.saturating_add(state.applying.min(1));
        }
        refuse_named(batch)?;
        self.connect();
        self.prepared = Some(batch.delta().clone());
        self.lane.prepared.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn abandon(&mut self) {
        if self.unprepare() {
            let mut state = self.warehouse.state();
            state.abandoned = state.abandoned.saturating_add(1);
        }
    }

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        self.unprepare();
        let _under_way = Applying::begin(&self.warehouse);
        self.warehouse.pass().await;
        self.check_session()?;
        let mut state = self.warehouse.state();
        state.applies = state.applies.saturating_add(1);
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.commit(&mut state, batch),
            Fault::Busy => Err(MemoryError::Busy),
            Fault::Outdated => Err(MemoryError::Outdated),
            Fault::Stale => Err(MemoryError::Stale),
            Fault::LostBefore => {
                self.session = None;
                Err(MemoryError::Lost)
            }
            Fault::LostReply => {
                self.commit(&mut state, batch)?;
                self.session = None;
                Err(MemoryError::Lost)
            }
            Fault::Overtaken => {
                for (partition, range) in batch.delta().ranges() {
                    let rows = &batch.body().rows;
                    let first =
                        rows.iter().map(|(_, row)| row).find(|row| row.partition == *partition);
                    state.apply_as_another(range.from(), first);
                }
                self.session = None;
                Err(MemoryError::Lost)
            }
        }
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), MemoryError> {
        self.nothing_is_prepared()?;
        self.check_session()?;
        for partition in partitions {
            self.epochs().remove(partition);
        }
        self.warehouse.state().released.extend_from_slice(partitions);
        Ok(())
    }
}
