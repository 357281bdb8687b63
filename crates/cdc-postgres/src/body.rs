//! Encoded rows of one batch, table by table.
//!
//! A body is filled by the stager and read by the writer. For every row it knows the record it came
//! from, so that the line number in a server's refusal leads back to the record: 8 bytes a row.

use std::sync::Arc;

use cdc_core::{Body, ChangeEvent, Origin, RecordRef, SnapshotFate, TableId};

use crate::copy::CopyBuffer;
use crate::counts::Counts;
use crate::fold::Fold;
use crate::plan::{HistoryPlan, MirrorPlan};
use crate::settings::Deletes;
use crate::wave::{self, Streamed, WavePart};

/// Encoded rows of one batch. Opaque: made by [`PostgresStager`](crate::PostgresStager), applied by
/// [`PostgresWriter`](crate::PostgresWriter).
#[derive(Debug, Default)]
pub struct PostgresBody {
    histories: Vec<HistoryRows>,
    mirrors: Vec<MirrorRows>,
    events: Vec<TableEvent>,
    waves: Vec<WavePart>,
    streamed: Vec<Streamed>,
}

/// Rows of one history and one shape.
#[derive(Debug)]
pub(crate) struct HistoryRows {
    /// How they are written.
    pub(crate) plan: Arc<HistoryPlan>,
    /// The rows.
    pub(crate) buffer: CopyBuffer,
    /// The record of each row.
    pub(crate) records: Vec<RecordRef>,
}

/// What becomes of one mirror, in steps that are applied one after the other.
#[derive(Debug)]
pub(crate) struct MirrorRows {
    table: TableId,
    steps: Vec<MirrorStep>,
    /// How many steps are in use; the others keep their memory.
    used: usize,
    /// Changes that were replaced in folds that are gone.
    folded: Counts,
}

/// One step: perhaps empty the table, then write rows of one shape.
#[derive(Debug, Default)]
pub(crate) struct MirrorStep {
    /// The position of a truncate to be applied before the rows.
    pub(crate) truncate: Option<(i32, i64)>,
    /// The rows.
    pub(crate) fold: Fold,
}

/// A change of a whole table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableEvent {
    /// The table.
    pub(crate) table: TableId,
    /// The record that says so.
    pub(crate) at: RecordRef,
    /// Its place among the changes of that record.
    pub(crate) ordinal: u32,
    /// Where it was made.
    pub(crate) origin: Origin,
}

impl PostgresBody {
    /// Where rows of this plan go.
    pub(crate) fn history(&mut self, plan: &Arc<HistoryPlan>) -> &mut HistoryRows {
        let held = |rows: &HistoryRows| Arc::ptr_eq(&rows.plan, plan);
        let found = self.histories.iter().position(held);
        // An empty place of an older plan is taken over, so there are never more places than plans
        // in use.
        let found = found.or_else(|| {
            let outdated =
                |rows: &HistoryRows| rows.plan.table == plan.table && rows.records.is_empty();
            let place = self.histories.iter().position(outdated)?;
            self.histories.get_mut(place)?.plan = Arc::clone(plan);
            Some(place)
        });
        let place = found.unwrap_or_else(|| {
            self.histories.push(HistoryRows {
                plan: Arc::clone(plan),
                buffer: CopyBuffer::new(),
                records: Vec::new(),
            });
            self.histories.len().saturating_sub(1)
        });
        self.histories.get_mut(place).expect("the place was found or pushed just now")
    }

    /// The fold that rows of this plan go into next.
    pub(crate) fn mirror(&mut self, plan: &Arc<MirrorPlan>) -> &mut Fold {
        let rows = self.mirror_rows(plan.table);
        let step = match rows.used.checked_sub(1).and_then(|last| rows.steps.get(last)) {
            Some(step) => !step.fold.takes(plan),
            None => true,
        };
        if step {
            rows.open_step(None);
        }
        let last = rows.used.saturating_sub(1);
        let fold = &mut rows.steps.get_mut(last).expect("a step is open").fold;
        fold.begin(plan);
        fold
    }

    /// Notes that a table was truncated at a position.
    pub(crate) fn truncate(&mut self, event: TableEvent) {
        self.events.push(event);
    }

    /// Lets a mirror follow a truncate.
    pub(crate) fn truncate_mirror(&mut self, table: TableId, deletes: Deletes, at: (i32, i64)) {
        let rows = self.mirror_rows(table);
        if deletes == Deletes::Hard {
            // Nothing that came before is seen again.
            for step in rows.steps.iter().take(rows.used) {
                rows.folded.add(step.fold.changes());
            }
            rows.clear_steps();
        }
        let last = rows.used.checked_sub(1).and_then(|last| rows.steps.get_mut(last));
        match last {
            // Of truncates in a row the first empties the table.
            Some(step) if step.fold.is_empty() => {
                step.truncate.get_or_insert(at);
            }
            Some(_) | None => rows.open_step(Some(at)),
        }
    }

    /// Notes a row that a snapshot read.
    pub(crate) fn note_snapshot(&mut self, event: &ChangeEvent<'_>, fate: SnapshotFate) {
        wave::note(&mut self.waves, event, fate);
    }

    /// The snapshots that it holds rows of.
    pub(crate) fn waves(&self) -> &[WavePart] {
        &self.waves
    }

    /// Notes a change that was streamed.
    pub(crate) fn note_streamed(&mut self, event: &ChangeEvent<'_>) {
        wave::note_streamed(&mut self.streamed, event);
    }

    /// How far it holds streamed changes.
    pub(crate) fn streamed(&self) -> &[Streamed] {
        &self.streamed
    }

    fn mirror_rows(&mut self, table: TableId) -> &mut MirrorRows {
        let place = self.mirrors.iter().position(|rows| rows.table == table);
        let place = place.unwrap_or_else(|| {
            self.mirrors.push(MirrorRows {
                table,
                steps: Vec::new(),
                used: 0,
                folded: Counts::default(),
            });
            self.mirrors.len().saturating_sub(1)
        });
        self.mirrors.get_mut(place).expect("the place was found or pushed just now")
    }

    /// The histories with rows.
    pub(crate) fn histories(&self) -> impl Iterator<Item = &HistoryRows> {
        self.histories.iter().filter(|rows| !rows.records.is_empty())
    }

    /// The steps of all mirrors, each mirror's in order.
    pub(crate) fn mirror_steps(&self) -> impl Iterator<Item = (TableId, &MirrorStep)> {
        self.mirrors.iter().flat_map(|rows| rows.used().map(|step| (rows.table, step)))
    }

    /// Whether a mirror's rows can be brought to the server before it is known what the target
    /// holds: there is one step, and it does not empty the table first.
    pub(crate) fn is_one_step(&self, table: TableId) -> bool {
        let mut steps = self.mirror_steps().filter(|(held, _)| *held == table);
        let first = steps.next();
        first.is_some_and(|(_, step)| step.truncate.is_none()) && steps.next().is_none()
    }

    /// The statements that notice when a target has changed under the rows.
    pub(crate) fn guards(&self) -> Vec<&str> {
        let histories = self.histories().map(|rows| &*rows.plan.guard);
        let mirrors = self.mirror_steps().filter_map(|(_, step)| step.fold.plan());
        let mut guards: Vec<&str> = histories.chain(mirrors.map(|plan| &*plan.guard)).collect();
        guards.dedup();
        guards
    }

    /// Changes of whole tables.
    pub(crate) fn events(&self) -> &[TableEvent] {
        &self.events
    }
}

impl MirrorRows {
    fn used(&self) -> impl Iterator<Item = &MirrorStep> {
        self.steps.iter().take(self.used)
    }

    fn open_step(&mut self, truncate: Option<(i32, i64)>) {
        if self.used == self.steps.len() {
            self.steps.push(MirrorStep::default());
        }
        if let Some(step) = self.steps.get_mut(self.used) {
            step.truncate = truncate;
        }
        self.used = self.used.saturating_add(1);
    }

    fn clear_steps(&mut self) {
        for step in self.steps.iter_mut().take(self.used) {
            step.truncate = None;
            step.fold.clear();
        }
        self.used = 0;
    }
}

impl Body for PostgresBody {
    fn bytes(&self) -> usize {
        let histories = self.histories().map(|rows| {
            rows.buffer
                .len()
                .saturating_add(rows.records.len().saturating_mul(size_of::<RecordRef>()))
        });
        let mirrors = self.mirror_steps().map(|(_, step)| step.fold.bytes());
        let events = self.events.len().saturating_mul(size_of::<TableEvent>());
        let waves = self.waves.len().saturating_mul(size_of::<WavePart>());
        let rows: usize = histories.chain(mirrors).sum();
        let streamed = self.streamed.len().saturating_mul(size_of::<Streamed>());
        rows.saturating_add(events).saturating_add(waves).saturating_add(streamed)
    }

    fn folded(&self, batch: u32) -> u64 {
        let gone = self.mirrors.iter().map(|rows| rows.folded.of(batch));
        let held = self.mirror_steps().map(|(_, step)| step.fold.folded().of(batch));
        gone.chain(held).sum()
    }

    fn rows_by_table(&self, say: &mut dyn FnMut(TableId, u64)) {
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        for rows in self.histories() {
            say(rows.plan.table, count(rows.records.len()));
        }
        for (table, step) in self.mirror_steps() {
            say(table, count(step.fold.keys()));
        }
    }

    fn clear(&mut self) {
        for rows in &mut self.histories {
            rows.buffer.clear();
            rows.records.clear();
        }
        for rows in &mut self.mirrors {
            rows.clear_steps();
            rows.folded.clear();
        }
        self.events.clear();
        self.waves.clear();
        self.streamed.clear();
    }
}
