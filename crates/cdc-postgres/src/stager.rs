//! The half of a lane that encodes. It has no connection and never waits.

use std::sync::Arc;

use cdc_core::{
    ChangeEvent, Record, RecordRef, Rejection, Row, RowShape, SnapshotFate, Stage, Staged, Stager,
    TableId, Value,
};

use crate::body::{HistoryRows, PostgresBody, TableEvent};
use crate::chain::Heads;
use crate::copy::{CopyBuffer, ValueError};
use crate::masks::LetterMasks;
use crate::plan::{HistoryPlan, Lineage, PostgresPlan, TablePlan};
use crate::settings::{Mode, Truncates};
use crate::tables::Tables;

/// Encodes changes into COPY rows; see [`Stager`].
#[derive(Debug)]
pub struct PostgresStager {
    tables: Arc<Tables>,
    plans: Vec<Planned>,
    /// The keys of mirrors that have dead letters.
    heads: Arc<Heads>,
}

/// A plan and the shape it is for.
#[derive(Debug)]
struct Planned {
    table: TableId,
    shape: Arc<RowShape>,
    plan: TablePlan,
}

impl PostgresStager {
    /// For a lane of its own.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        let heads = Arc::new(Heads::new(&tables, LetterMasks::default()));
        Self::beside(tables, heads)
    }

    /// For a lane whose writer knows of dead letters, too.
    pub(crate) fn beside(tables: Arc<Tables>, heads: Arc<Heads>) -> Self {
        Self { tables, plans: Vec::new(), heads }
    }

    /// The plan for a shape. Shapes are shared, so the usual comparison is one of pointers; an equal
    /// shape from another decoder costs a comparison of columns.
    fn find(&self, table: TableId, shape: &Arc<RowShape>) -> Option<&TablePlan> {
        let same = |held: &&Planned| held.table == table && Arc::ptr_eq(&held.shape, shape);
        let equal = |held: &&Planned| held.table == table && held.shape == *shape;
        let found = self.plans.iter().find(same).or_else(|| self.plans.iter().find(equal));
        found.map(|held| &held.plan)
    }

    fn truncate(
        &self,
        body: &mut PostgresBody,
        at: RecordRef,
        event: &ChangeEvent<'_>,
    ) -> Result<(), Box<Rejection>> {
        let Some(settings) = self.tables.get(event.table) else {
            return Err(unknown_table(event.table));
        };
        let generation = generation(event.table, event)?;
        let (ordinal, origin) = (event.ordinal, event.origin);
        body.truncate(TableEvent { table: event.table, at, ordinal, origin });
        match settings.mode {
            Mode::Mirror { deletes, truncates: Truncates::Apply } => {
                body.truncate_mirror(event.table, deletes, (generation, event.record.offset.get()));
            }
            Mode::Mirror { truncates: Truncates::Ignore, .. } | Mode::History => {}
        }
        Ok(())
    }
}

impl Stager for PostgresStager {
    type Body = PostgresBody;
    type Plan = PostgresPlan;

    fn stage(&mut self, body: &mut PostgresBody, at: RecordRef, event: &ChangeEvent<'_>) -> Staged {
        let staged = match event.change.row() {
            None => self.truncate(body, at, event),
            Some(row) => match self.find(event.table, row.shape()) {
                None => return Staged::NeedsPlan,
                Some(TablePlan::History(plan)) => {
                    let rows = body.history(plan);
                    put_row(rows, event, row).map(|()| rows.records.push(at))
                }
                // Only once it has a plan: it may be staged again, and then nothing waits for one.
                Some(TablePlan::Mirror(_)) if self.heads.holds(event.table, &event.record) => {
                    Err(Box::new(Rejection::behind(event.table)))
                }
                Some(TablePlan::Mirror(plan)) => body.mirror(plan).stage(plan, at, event),
            },
        };
        match staged {
            Ok(()) => {
                body.note_streamed(event);
                Staged::Row
            }
            Err(rejection) => Staged::Rejected(rejection),
        }
    }

    fn note_snapshot(
        &mut self,
        body: &mut PostgresBody,
        event: &ChangeEvent<'_>,
        fate: SnapshotFate,
    ) {
        body.note_snapshot(event, fate);
    }

    fn rejected(&mut self, record: &Record<'_>, rejection: &Rejection) {
        self.heads.reject(record, rejection.table);
    }

    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, plan: PostgresPlan) {
        let planned = Planned { table, shape, plan: plan.0 };
        let equal = |held: &Planned| held.table == table && held.shape == planned.shape;
        match self.plans.iter().position(equal).and_then(|at| self.plans.get_mut(at)) {
            Some(held) => *held = planned,
            None => self.plans.push(planned),
        }
    }

    fn forget_plans(&mut self) {
        self.plans.clear();
    }
}

/// Encodes a row to the end of the buffer, or leaves the buffer as it was.
fn put_row(
    rows: &mut HistoryRows,
    event: &ChangeEvent<'_>,
    row: Row<'_>,
) -> Result<(), Box<Rejection>> {
    let HistoryRows { plan, buffer, .. } = rows;
    let generation = generation(plan.table, event)?;
    buffer.begin_row(plan.fields);
    let mut lacks = false;
    for cell in &plan.cells {
        let value = row.get(cell.source);
        if matches!(value, Value::Unavailable) {
            lacks = true;
            buffer.put_null();
        } else if let Err(error) = buffer.put(cell.encoder, value) {
            buffer.abort_row();
            return Err(refused(plan.table, &cell.name, &error));
        }
    }
    for column in &plan.lineage {
        let put = match column {
            Lineage::Unavailable if lacks => buffer.put_text_array(unavailable(plan, row)),
            Lineage::OperationType => buffer.put_text(event.change.operation().code()),
            Lineage::CdcTimestamp => put_time(buffer, event.origin.captured_at_ms),
            Lineage::Generation
            | Lineage::Partition
            | Lineage::Offset
            | Lineage::Ordinal
            | Lineage::SourceLsn
            | Lineage::SourceTxId
            | Lineage::Wave
            | Lineage::Unavailable => {
                put_place(buffer, *column, event, generation);
                Ok(())
            }
        };
        if let Err(error) = put {
            buffer.abort_row();
            return Err(refused(plan.table, "lineage", &error));
        }
    }
    Ok(())
}

/// Lineage that always fits.
fn put_place(buffer: &mut CopyBuffer, column: Lineage, event: &ChangeEvent<'_>, generation: i32) {
    let ordinal = i32::try_from(event.ordinal).unwrap_or(i32::MAX);
    let long = match column {
        Lineage::Generation => return buffer.put_i32(generation),
        Lineage::Partition => return buffer.put_i32(event.record.partition.number().get()),
        Lineage::Ordinal => return buffer.put_i32(ordinal),
        Lineage::Offset => Some(event.record.offset.get()),
        // PostgreSQL sends a position in its log as the 64 bits it is.
        Lineage::SourceLsn => event.origin.lsn.map(u64::cast_signed),
        Lineage::SourceTxId => event.origin.tx_id,
        Lineage::Wave => event.snapshot.map(|row| row.lsn.cast_signed()),
        Lineage::OperationType | Lineage::CdcTimestamp | Lineage::Unavailable => None,
    };
    match long {
        Some(long) => buffer.put_i64(long),
        None => buffer.put_null(),
    }
}

fn put_time(buffer: &mut CopyBuffer, millis: Option<i64>) -> Result<(), ValueError> {
    let Some(millis) = millis else {
        buffer.put_null();
        return Ok(());
    };
    // Far beyond PostgreSQL's range it is refused as such.
    buffer.put_timestamp_micros(millis.saturating_mul(1_000))
}

/// The names of the columns that the source did not send.
fn unavailable<'p>(plan: &'p HistoryPlan, row: Row<'p>) -> impl Iterator<Item = &'p str> + use<'p> {
    let lacks = move |cell: &&crate::plan::Cell| matches!(row.get(cell.source), Value::Unavailable);
    plan.cells.iter().filter(lacks).map(|cell| &*cell.name)
}

/// The topic's generation as the lineage columns hold it.
pub(crate) fn generation(table: TableId, event: &ChangeEvent<'_>) -> Result<i32, Box<Rejection>> {
    let generation = event.record.partition.generation().get();
    i32::try_from(generation).map_err(|_| {
        let message = "the topic's generation is beyond 2147483647";
        Box::new(Rejection::new(Stage::Encode, "generation", message).in_table(table))
    })
}

/// The rejection of a value that does not fit its column.
#[cold]
pub(crate) fn refused(table: TableId, column: &str, error: &ValueError) -> Box<Rejection> {
    let message = format!("column {column}: {}", error.message);
    let mut rejection =
        Rejection::new(Stage::Encode, error.reason, message).in_table(table).at_column(column);
    rejection.hint = error.hint.map(str::to_owned);
    Box::new(rejection)
}

#[cold]
fn unknown_table(table: TableId) -> Box<Rejection> {
    let message = "the change belongs to a table that is not configured";
    Box::new(Rejection::new(Stage::Encode, "unknown_table", message).in_table(table))
}
