//! A sink that keeps the contract in memory and has faults when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::{
    Body, ChangeEvent, Classify, DeadLetter, ErrorClass, Halt, Partition, Poison, RecordRef,
    Rejection, ResumePoint, RowShape, Sink, Stage, Staged, Stager, TableId, Value, WriteBatch,
    Writer,
};

use super::warehouse::{Fault, State, StoredDeadLetter, StoredRow, Warehouse};

/// A sink on a shared [`Warehouse`].
///
/// The server behind it refuses rows by their text: `poison` is refused with the record's name,
/// `curse` is refused without saying which record it was.
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
            epochs: Arc::default(),
            session: Some(self.warehouse.state().cuts),
        };
        Ok((MemoryStager { planned: Vec::new() }, writer))
    }
}

/// Rows that are staged but not applied.
#[derive(Debug, Default)]
pub struct MemoryBody {
    pub(crate) rows: Vec<(RecordRef, StoredRow)>,
    pub(crate) text_bytes: usize,
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
        rows.saturating_add(self.text_bytes)
    }

    fn folded(&self) -> u64 {
        0
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.text_bytes = 0;
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
}

impl Classify for MemoryError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy => ErrorClass::Transient,
            Self::Lost | Self::Fenced => ErrorClass::Indeterminate,
            Self::Refused(letter) => ErrorClass::Poison(Poison::Record(letter.clone())),
            Self::RefusedSome(why) => ErrorClass::Poison(Poison::Unknown(why.clone())),
            Self::NoSession => ErrorClass::Fatal(Halt::Environment),
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
        };
        body.push(at, stored);
        Staged::Row
    }

    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, (): ()) {
        self.planned.push((table, shape));
    }
}

/// The writing half.
#[derive(Debug)]
pub struct MemoryWriter {
    pub(crate) warehouse: Warehouse,
    /// Shared by the writers of a lane.
    epochs: Arc<Mutex<BTreeMap<Partition, u64>>>,
    /// How often sessions had been cut when this one was opened; `None` after it was lost.
    session: Option<u64>,
}

impl MemoryWriter {
    /// The epochs under which the lane owns partitions.
    pub(crate) fn epochs(&self) -> MutexGuard<'_, BTreeMap<Partition, u64>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
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
        for (at, row) in &batch.body().rows {
            let why = |reason| Rejection::new(Stage::Apply, reason, "refused by the server");
            match row.text.as_deref() {
                Some("poison") => {
                    let rejection = Box::new(why("poison"));
                    return Err(MemoryError::Refused(Box::new(DeadLetter { at: *at, rejection })));
                }
                Some("curse") => return Err(MemoryError::RefusedSome(Box::new(why("curse")))),
                _ => {}
            }
        }
        if !state.advance(batch.delta(), &self.epochs()) {
            return Err(MemoryError::Fenced);
        }
        state.rows.extend(batch.body().rows.iter().map(|(_, row)| row.clone()));
        for letter in batch.dead_letters() {
            let record =
                batch.record(letter.at).expect("a dead letter names a record of its batch");
            state.dead_letters.push(StoredDeadLetter::of(&record, &letter.rejection));
        }
        Ok(())
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
        let mut state = self.warehouse.state();
        let points = state.raise_epochs(partitions);
        for partition in partitions {
            let epoch = state.epochs.get(partition).copied().unwrap_or_default();
            self.epochs().insert(partition.clone(), epoch);
        }
        self.session = Some(state.cuts);
        Ok(points)
    }

    async fn plan(&mut self, _table: TableId, _shape: &Arc<RowShape>) -> Result<(), MemoryError> {
        self.check_session()
    }

    async fn second(&mut self) -> Result<Option<Self>, MemoryError> {
        let (warehouse, epochs) = (self.warehouse.clone(), Arc::clone(&self.epochs));
        Ok(Some(Self { warehouse, epochs, session: self.session }))
    }

    async fn prepare(&mut self, _batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        self.connect();
        Ok(())
    }

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        self.check_session()?;
        let mut state = self.warehouse.state();
        state.applies = state.applies.saturating_add(1);
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.commit(&mut state, batch),
            Fault::Busy => Err(MemoryError::Busy),
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
        self.check_session()?;
        for partition in partitions {
            self.epochs().remove(partition);
        }
        self.warehouse.state().released.extend_from_slice(partitions);
        Ok(())
    }
}
