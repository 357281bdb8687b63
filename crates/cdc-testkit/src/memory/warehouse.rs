//! What the in-memory sink has made durable, and the faults it is told to have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::{
    Body, Checkpoint, CheckpointDelta, NextOffset, Offset, OffsetRange, Partition, Record,
    RecordValue, Rejection, ResumePoint, SnapshotFate, SnapshotPlace, SourceMarks, Witnesses,
    WriteBatch,
};
use tokio::sync::watch;

/// How many records of a log are remembered.
const WITNESSES_MAX: usize = 4;

/// What happens at one apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing out of the ordinary.
    None,
    /// Refused for now; nothing was applied.
    Busy,
    /// Refused because a target has changed; nothing was applied.
    Outdated,
    /// Refused because the stager knows better by now; nothing was applied.
    Stale,
    /// The session is lost before anything was applied.
    LostBefore,
    /// Everything was applied, and the session is lost before the answer.
    LostReply,
    /// The session is lost before anything was applied, and somebody else takes the partitions over
    /// and applies the first row of each before giving way.
    Overtaken,
}

/// A row as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredRow {
    /// The log.
    pub partition: Partition,
    /// The record.
    pub offset: Offset,
    /// The operation's code.
    pub operation: String,
    /// The key.
    pub key: i64,
    /// The text; NULL when there was none.
    pub text: Option<String>,
    /// The source transaction, where the change said it.
    pub tx_id: Option<i64>,
}

/// A dead letter as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredDeadLetter {
    /// The log.
    pub partition: Partition,
    /// The record.
    pub offset: Offset,
    /// The name of the stage that rejected it.
    pub stage: String,
    /// The reason's code.
    pub reason: String,
    /// The record's key as it was read.
    pub key: Option<Vec<u8>>,
    /// The record's value as it was read.
    pub value: Option<Vec<u8>>,
}

impl StoredDeadLetter {
    /// What a sink has to keep of a rejected record.
    pub fn of(record: &Record<'_>, rejection: &Rejection) -> Self {
        Self {
            partition: record.partition.clone(),
            offset: record.offset,
            stage: rejection.stage.name().to_owned(),
            reason: rejection.reason.clone().into_owned(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(RecordValue::to_vec),
        }
    }
}

/// A row of a snapshot, as the sink was told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotNote {
    /// The log.
    pub partition: Partition,
    /// The record.
    pub offset: Offset,
    /// Where the source's log stood when the snapshot was taken.
    pub lsn: u64,
    /// The row's place in the snapshot.
    pub place: SnapshotPlace,
    /// What became of it.
    pub fate: SnapshotFate,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) rows: Vec<StoredRow>,
    pub(crate) snapshot_notes: Vec<SnapshotNote>,
    pub(crate) dead_letters: Vec<StoredDeadLetter>,
    pub(crate) checkpoint: Checkpoint,
    /// How far connectors have sent, as the last batch of each partition said.
    pub(crate) marks: BTreeMap<Partition, SourceMarks>,
    /// The last records of the newest batches of each partition, newest first.
    pub(crate) witnesses: Witnesses,
    /// The source transactions that have left rows of a partition behind.
    pub(crate) transactions: BTreeSet<(Partition, i64)>,
    pub(crate) epochs: BTreeMap<Partition, u64>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) applies: usize,
    pub(crate) released: Vec<Partition>,
    /// How often all sessions were cut; a session knows under which count it was opened.
    pub(crate) cuts: u64,
    /// Applies that are under way.
    pub(crate) applying: usize,
    pub(crate) prepared_behind: usize,
    pub(crate) abandoned: usize,
}

/// The shared state behind all lanes of a [`MemorySink`](crate::MemorySink). Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Warehouse {
    state: Arc<Mutex<State>>,
    /// Whether applies wait.
    held: Arc<watch::Sender<bool>>,
    /// The partition whose acquiring waits.
    unacquired: Arc<watch::Sender<Option<Partition>>>,
}

impl Warehouse {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends to the fault script.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// Faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// All stored rows in the order in which they were applied.
    pub fn rows(&self) -> Vec<StoredRow> {
        self.state().rows.clone()
    }

    /// What was noted of rows that snapshots read, in the order in which it was applied.
    pub fn snapshot_notes(&self) -> Vec<SnapshotNote> {
        self.state().snapshot_notes.clone()
    }

    /// All dead letters: log, record, reason code.
    pub fn dead_letters(&self) -> Vec<(Partition, Offset, String)> {
        let state = self.state();
        let letters = state.dead_letters.iter();
        letters
            .map(|letter| (letter.partition.clone(), letter.offset, letter.reason.clone()))
            .collect()
    }

    /// All dead letters with everything that was kept of them.
    pub fn stored_dead_letters(&self) -> Vec<StoredDeadLetter> {
        self.state().dead_letters.clone()
    }

    /// Where every partition that has progress resumes.
    pub fn checkpoint(&self) -> Checkpoint {
        self.state().checkpoint.clone()
    }

    /// Where a partition resumes.
    pub fn next(&self, partition: &Partition) -> Option<NextOffset> {
        self.state().checkpoint.next(partition)
    }

    /// How far connectors have sent into a partition.
    pub fn marks(&self, partition: &Partition) -> SourceMarks {
        self.state().marks.get(partition).cloned().unwrap_or_default()
    }

    /// How often an apply was attempted.
    pub fn applies(&self) -> usize {
        self.state().applies
    }

    /// Partitions that were given up cleanly, in order.
    pub fn released(&self) -> Vec<Partition> {
        self.state().released.clone()
    }

    /// Cuts the sessions of all lanes; each finds out at its next call.
    pub fn cut_sessions(&self) {
        let mut state = self.state();
        state.cuts = state.cuts.saturating_add(1);
    }

    /// From now on applies wait before anything comes of them, until they are let go: what a test
    /// needs to have another batch prepared meanwhile.
    pub fn hold_applies(&self) {
        self.held.send_replace(true);
    }

    /// Lets waiting applies go on, and those that come.
    pub fn let_applies_go(&self) {
        self.held.send_replace(false);
    }

    pub(crate) async fn pass(&self) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("the warehouse keeps the sender");
    }

    /// From now on whoever acquires this partition waits, until it is let go.
    pub fn hold_acquiring(&self, partition: Partition) {
        self.unacquired.send_replace(Some(partition));
    }

    /// Lets waiting acquisitions go on, and those that come.
    pub fn let_acquiring_go(&self) {
        self.unacquired.send_replace(None);
    }

    pub(crate) async fn pass_acquiring(&self, partitions: &[Partition]) {
        let mut held = self.unacquired.subscribe();
        let may_pass =
            |held: &Option<Partition>| held.as_ref().is_none_or(|held| !partitions.contains(held));
        held.wait_for(may_pass).await.expect("the warehouse keeps the sender");
    }

    /// How often a partition was acquired.
    pub fn acquisitions(&self, partition: &Partition) -> u64 {
        self.state().epochs.get(partition).copied().unwrap_or_default()
    }

    /// How many applies are under way.
    pub fn applying(&self) -> usize {
        self.state().applying
    }

    /// How often a batch was prepared, or refused to be, while another was being applied.
    pub fn prepared_behind(&self) -> usize {
        self.state().prepared_behind
    }

    /// How often a prepared batch was abandoned.
    pub fn abandoned(&self) -> usize {
        self.state().abandoned
    }

    /// Takes partitions over as another process would: from now on older owners are fenced.
    pub fn take_over(&self, partitions: &[Partition]) {
        self.state().raise_epochs(partitions);
    }
}

impl State {
    pub(crate) fn raise_epochs(
        &mut self,
        partitions: &[Partition],
    ) -> Vec<(Partition, ResumePoint)> {
        let mut points = Vec::new();
        for partition in partitions {
            let epoch = self.epochs.entry(partition.clone()).or_default();
            *epoch = epoch.saturating_add(1);
            let point =
                self.checkpoint.next(partition).map_or(ResumePoint::Beginning, ResumePoint::At);
            points.push((partition.clone(), point));
        }
        points
    }

    /// Another process takes the row's partition over and applies that one row, if it is refused by
    /// nobody, is the first record of the step, and the partition stands where the step starts.
    pub(crate) fn apply_as_another(&mut self, from: NextOffset, row: Option<&StoredRow>) {
        let takes =
            |row: &&StoredRow| row.text.as_deref() == Some("row") && row.offset.position() == from;
        let Some(row) = row.filter(takes) else { return };
        self.raise_epochs(std::slice::from_ref(&row.partition));
        let range = OffsetRange::try_new(from, row.offset.next()).expect("a row follows its start");
        if self.checkpoint.advance(&CheckpointDelta::single(row.partition.clone(), range)).is_ok() {
            self.rows.push(row.clone());
        }
    }

    /// Remembers the last record of each partition of a batch, with its place.
    pub(crate) fn remember<B: Body>(&mut self, batch: &WriteBatch<B>) {
        for (partition, _) in batch.delta().ranges() {
            if let Some(witness) = batch.witness(partition) {
                let held = self.witnesses.entry(partition.clone()).or_default();
                held.insert(0, witness);
                held.truncate(WITNESSES_MAX);
            }
        }
    }

    /// The compare-and-set: all partitions of the delta at its start and in the writer's epoch.
    pub(crate) fn advance(
        &mut self,
        delta: &CheckpointDelta,
        epochs: &BTreeMap<Partition, u64>,
    ) -> bool {
        let ours = delta.ranges().all(|(partition, _)| {
            epochs.contains_key(partition) && epochs.get(partition) == self.epochs.get(partition)
        });
        ours && self.checkpoint.advance(delta).is_ok()
    }
}
