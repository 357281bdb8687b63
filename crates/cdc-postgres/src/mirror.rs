//! Rows of a mirror: those that the batch inserts straight into the target, everything else through
//! staging tables and a merge.

use std::collections::{BTreeMap, BTreeSet};

use cdc_core::{DeadLetter, ErrorClass, Poison, RecordRef, Stage, TableId};

use crate::blame::{Copied, is_about_a_row};
use crate::body::MirrorStep;
use crate::error::{PostgresError, from_driver};
use crate::fold::{Fold, Rows, unavailable};
use crate::plan::MirrorPlan;
use crate::session::Session;
use crate::settings::{Deletes, Mode, TableSettings};
use crate::sql::{Copy, MirrorStatements, Staging, truncate};

/// Below this many rows a merge costs no more than the savepoint around a direct COPY.
const DIRECT_ROWS_MIN: usize = 256;

/// After the target refused rows that were inserted directly, most often because they were there
/// already, this many batches of the table go by merge before inserting is tried again.
const MERGES_AFTER_REFUSAL: u32 = 64;

/// What the mirrors of one writer remember.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    /// Which tables go by merge for how many more batches.
    batches_left: BTreeMap<TableId, u32>,
    /// Staging tables that hold rows in the present transaction, by name.
    filled: BTreeSet<String>,
}

impl Merging {
    /// Staging tables empty themselves at the end of a transaction.
    pub(crate) fn begin_transaction(&mut self) {
        self.filled.clear();
    }

    /// Whether to insert directly, counting the batch.
    fn may_insert(&mut self, table: TableId) -> bool {
        match self.batches_left.get_mut(&table) {
            None | Some(0) => true,
            Some(left) => {
                *left = left.saturating_sub(1);
                false
            }
        }
    }

    fn begin(&mut self, table: TableId) {
        self.batches_left.insert(table, MERGES_AFTER_REFUSAL);
    }
}

/// Creates the staging tables that a step needs; before the transaction.
pub(crate) async fn ensure(session: &mut Session, step: &MirrorStep) -> Result<(), PostgresError> {
    let fold = &step.fold;
    let Some(plan) = fold.plan() else { return Ok(()) };
    let MirrorStatements { rows, deletes, partials, .. } = &plan.statements;
    let needed = [
        (rows, fold.rows(Rows::All).next().is_some()),
        (deletes, fold.deletes().next().is_some()),
        (partials, fold.partials().next().is_some()),
    ];
    for (staging, _) in needed.iter().filter(|(_, needed)| *needed) {
        session.ensure(staging).await?;
    }
    Ok(())
}

/// The rows of a step are in the staging tables, or already in the target.
#[derive(Debug)]
#[must_use = "what is staged has to be merged"]
pub(crate) struct StagedRows {
    /// Those in the staging table.
    which: Rows,
}

/// Brings the rows of a step to the server without looking at rows that another session may be
/// about to change; the caller owns the transaction and has [made sure](ensure) of the tables.
///
/// New rows go straight into the target. Where the other session has just inserted the same key, the
/// server lets this one wait for it. Where the other is only about to, *it* will wait for this one,
/// whose turn comes later: the limit on waiting for locks ends that, and this batch is abandoned.
pub(crate) async fn stage(
    session: &mut Session,
    step: &MirrorStep,
    merging: &mut Merging,
) -> Result<StagedRows, PostgresError> {
    let Some(plan) = step.fold.plan() else { return Ok(StagedRows { which: Rows::All }) };
    let work = Work { plan, fold: &step.fold };
    let mut which = Rows::All;
    let direct = step.fold.rows(Rows::New).nth(DIRECT_ROWS_MIN.saturating_sub(1)).is_some();
    if direct && merging.may_insert(plan.table) {
        match work.insert(session).await? {
            Inserted::All => which = Rows::Known,
            Inserted::Nothing => merging.begin(plan.table),
        }
    }
    work.stage(session, which, merging).await?;
    Ok(StagedRows { which })
}

/// Merges what is [staged](stage) into the target.
pub(crate) async fn merge(
    session: &mut Session,
    step: &MirrorStep,
    staged: StagedRows,
) -> Result<(), PostgresError> {
    let Some(plan) = step.fold.plan() else { return Ok(()) };
    Work { plan, fold: &step.fold }.merge(session, staged.which).await
}

/// Applies a step from its beginning to its end.
pub(crate) async fn apply(
    session: &mut Session,
    settings: &TableSettings,
    step: &MirrorStep,
    merging: &mut Merging,
) -> Result<(), PostgresError> {
    if let Some((generation, offset)) = step.truncate {
        let deletes = match settings.mode {
            Mode::Mirror { deletes, .. } => deletes,
            Mode::History => Deletes::Hard,
        };
        let doing = format!("emptying {}", settings.target);
        let statement = truncate(&settings.target.0.to_string(), deletes, generation, offset);
        session.execute(&doing, &statement).await?;
    }
    let staged = stage(session, step, merging).await?;
    merge(session, step, staged).await
}

/// The offsets of changes of a merged step that the target shows newer versions of; none of the offsets
/// that were merged with it is one.
pub(crate) async fn newer(
    session: &mut Session,
    step: &MirrorStep,
    merged: &[i64],
) -> Result<Vec<i64>, PostgresError> {
    let fold = &step.fold;
    let Some(plan) = fold.plan() else { return Ok(Vec::new()) };
    let doing = format!("comparing with {}", plan.target);
    let staged = [
        fold.rows(Rows::All).next().is_some(),
        fold.deletes().next().is_some(),
        fold.partials().next().is_some(),
    ];
    let mut offsets = Vec::new();
    for (statement, _) in plan.statements.newer.iter().zip(staged).filter(|(_, staged)| *staged) {
        let found: Vec<i64> = sqlx::query_scalar(statement)
            .persistent(false)
            .bind(merged)
            .fetch_all(session.driver())
            .await
            .map_err(|error| from_driver(&*doing, error))?;
        offsets.extend(found);
    }
    Ok(offsets)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inserted {
    All,
    /// The target refused some row; nothing has been written.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Work<'w> {
    plan: &'w MirrorPlan,
    fold: &'w Fold,
}

impl Work<'_> {
    /// Copies the rows that should be new straight into the target, behind a savepoint.
    ///
    /// A refusal here does not say that a row is at fault: it may be there already, or collide with
    /// or refer to one that has not been merged yet. Merging everything in order decides that.
    async fn insert(self, session: &mut Session) -> Result<Inserted, PostgresError> {
        let doing = format!("copying into {}", self.plan.target);
        session.execute(&doing, "SAVEPOINT cdc_direct").await?;
        let rows = self.fold.rows(Rows::New);
        match self.copy(session, &self.plan.statements.copy_direct, rows).await {
            Ok(()) => {
                session.execute(&doing, "RELEASE SAVEPOINT cdc_direct").await?;
                Ok(Inserted::All)
            }
            Err(error) if is_about_a_row(&error) => {
                let undo = "ROLLBACK TO SAVEPOINT cdc_direct; RELEASE SAVEPOINT cdc_direct";
                session.execute(&doing, undo).await?;
                Ok(Inserted::Nothing)
            }
            Err(error) => Err(from_driver(doing, error)),
        }
    }

    /// Fills the staging tables. No key is both whole and partial.
    async fn stage(
        self,
        session: &mut Session,
        which: Rows,
        merging: &mut Merging,
    ) -> Result<(), PostgresError> {
        let Self { plan, fold } = self;
        let MirrorStatements { rows, deletes, partials, .. } = &plan.statements;
        let doing = format!("staging rows of {}", plan.target);
        if fold.deletes().next().is_some() {
            self.clear(session, deletes, merging).await?;
            self.copy(session, &deletes.copy, fold.deletes()).await.map_err(|error| {
                self.blame(&doing, &deletes.name, error, |row| record(fold.deletes(), row))
            })?;
        }
        if fold.rows(which).next().is_some() {
            self.clear(session, rows, merging).await?;
            self.copy(session, &rows.copy, fold.rows(which)).await.map_err(|error| {
                self.blame(&doing, &rows.name, error, |row| record(fold.rows(which), row))
            })?;
        }
        if fold.partials().next().is_some() {
            self.clear(session, partials, merging).await?;
            self.copy_partials(session).await.map_err(|error| {
                self.blame(&doing, &partials.name, error, |row| partial(fold, row))
            })?;
        }
        Ok(())
    }

    /// Merges what is staged: deletes first, then whole rows, then partial ones.
    async fn merge(self, session: &mut Session, which: Rows) -> Result<(), PostgresError> {
        let Self { plan, fold } = self;
        if fold.deletes().next().is_some() {
            self.run(session, "deleting from", &plan.statements.delete).await?;
        }
        if fold.rows(which).next().is_some() {
            self.run(session, "merging into", &plan.statements.merge).await?;
        }
        if fold.partials().next().is_some() {
            self.update(session).await?;
        }
        Ok(())
    }

    /// Makes sure that nothing of an earlier step of this transaction is in a staging table.
    async fn clear(
        self,
        session: &mut Session,
        staging: &Staging,
        merging: &mut Merging,
    ) -> Result<(), PostgresError> {
        if merging.filled.insert(staging.name.clone()) {
            return Ok(());
        }
        self.run(session, "staging again for", &staging.clear).await
    }

    /// Rows with unavailable values change what is there; one whose row is not there cannot be
    /// written at all.
    async fn update(self, session: &mut Session) -> Result<(), PostgresError> {
        let Self { plan, fold } = self;
        let doing = format!("updating {}", plan.target);
        let missing: Option<i32> = sqlx::query_scalar(&plan.statements.missing)
            .persistent(false)
            .fetch_optional(session.driver())
            .await
            .map_err(|error| from_driver(&*doing, error))?;
        if let Some(line) = missing {
            let rejection = unavailable(plan, Stage::Apply, None);
            let message = rejection.message.clone();
            let at = usize::try_from(line).ok().and_then(|row| partial(fold, row));
            let poison = match at {
                Some(at) => Poison::Record(Box::new(DeadLetter { at, rejection })),
                None => Poison::Unknown(rejection),
            };
            let class = ErrorClass::Poison(poison);
            return Err(PostgresError::Row { doing, message, class });
        }
        self.run(session, "updating", &plan.statements.update).await
    }

    async fn copy<'f>(
        self,
        session: &mut Session,
        statement: &Copy,
        images: impl Iterator<Item = (RecordRef, &'f [u8])> + Send,
    ) -> Result<(), sqlx::Error> {
        let mut stream = session.copy_rows(statement).await?;
        for (_, image) in images {
            stream.push(image).await?;
        }
        stream.finish().await
    }

    /// A partial row is a whole row, then the map of what it lacks, then its number.
    async fn copy_partials(self, session: &mut Session) -> Result<(), sqlx::Error> {
        let fields = self.plan.fields.saturating_add(2).to_be_bytes();
        let mut row = Vec::new();
        let mut stream = session.copy_rows(&self.plan.statements.partials.copy).await?;
        for (line, (_, image, map)) in (0_i32..).zip(self.fold.partials()) {
            row.clear();
            row.extend_from_slice(&fields);
            row.extend_from_slice(image.get(fields.len()..).unwrap_or_default());
            let length = i32::try_from(map.len()).expect("a map has one bit per column");
            row.extend_from_slice(&length.to_be_bytes());
            row.extend_from_slice(map);
            row.extend_from_slice(&4_i32.to_be_bytes());
            row.extend_from_slice(&line.to_be_bytes());
            stream.push(&row).await?;
        }
        stream.finish().await
    }

    /// A statement over what is staged: which row it fails on is not known.
    async fn run(
        self,
        session: &mut Session,
        verb: &str,
        statement: &str,
    ) -> Result<(), PostgresError> {
        let result = session.run(statement).await;
        result.map_err(|error| {
            let doing = format!("{verb} {}", self.plan.target);
            self.blame(&doing, &self.plan.relation, error, |_| None)
        })
    }

    fn blame(
        self,
        doing: &str,
        relation: &str,
        error: sqlx::Error,
        record: impl FnOnce(usize) -> Option<RecordRef>,
    ) -> PostgresError {
        let MirrorPlan { table, checks, .. } = self.plan;
        Copied { doing, relation, table: *table, checks }.error(error, record)
    }
}

fn record<'f>(
    mut images: impl Iterator<Item = (RecordRef, &'f [u8])>,
    row: usize,
) -> Option<RecordRef> {
    images.nth(row).map(|(at, _)| at)
}

fn partial(fold: &Fold, row: usize) -> Option<RecordRef> {
    fold.partials().nth(row).map(|(at, _, _)| at)
}
