//! Writes a page of letters and marks them, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cdc_core::{
    Classify as _, DeadLetter, ErrorClass, Partition, Poison, Record, RecordRef, Rejection,
    ResumePoint, RowShape, Stage, TableId, WriteBatch, Writer,
};

use super::marks::{self, HeldLetters, Place};
use super::passed::Passed;
use super::{Moot, Retried, RetryMode};
use crate::body::{MirrorStep, PostgresBody};
use crate::chain::{self, Asked, Besides, Heads, place_of};
use crate::error::{PostgresError, from_driver};
use crate::fold::Rows;
use crate::letters::LetterState;
use crate::mirror::Merging;
use crate::parked::{self, ParkedKeys};
use crate::plan::{PostgresPlan, plan};
use crate::session::{Session, within};
use crate::settings::{PostgresSettings, TableSettings};
use crate::tables::Tables;
use crate::{catalog, history, mirror, sql, table_event};

/// The reasons of letters that are not written although nothing is wrong with them.
const RESOLVED: &str = "resolved_meanwhile";
const SUPERSEDED: &str = "superseded";

/// Applies pages of letters; see [`Writer`].
#[derive(Debug)]
pub struct RetryWriter {
    settings: Arc<PostgresSettings>,
    tables: Arc<Tables>,
    mode: RetryMode,
    retried: Retried,
    moot: Moot,
    /// The keys of letters that are not applied.
    heads: Arc<Heads>,
    /// In a dry run how far it has come.
    passed: Passed,
    /// `None` after the session was lost.
    session: Option<Session>,
    merging: Merging,
    plans_made: u64,
}

/// The letters that a batch stands for.
struct Letters<'b> {
    partition: &'b Partition,
    /// Their offsets, in order.
    offsets: Vec<i64>,
    /// Those that were refused on their way.
    refused: Vec<(i64, &'b Rejection)>,
}

/// What became of the letters of a batch.
#[derive(Debug, Default)]
struct Fates {
    present: BTreeSet<i64>,
    superseded: BTreeSet<i64>,
    resolved: BTreeSet<i64>,
}

impl RetryWriter {
    pub(super) fn new(
        session: Session,
        (settings, tables, heads): (Arc<PostgresSettings>, Arc<Tables>, Arc<Heads>),
        (mode, retried): (RetryMode, Retried),
        moot: Moot,
    ) -> Self {
        let (merging, plans_made, passed) = (Merging::default(), 0, Passed::default());
        let session = Some(session);
        Self { settings, tables, mode, retried, moot, heads, passed, session, merging, plans_made }
    }

    fn settings_of(&self, table: TableId) -> Result<&TableSettings, PostgresError> {
        self.tables.require(table)
    }

    /// Applies a batch up to its last statement.
    async fn write(
        &mut self,
        session: &mut Session,
        batch: &WriteBatch<PostgresBody>,
        letters: &Letters<'_>,
    ) -> Result<Fates, PostgresError> {
        let (settings, tables) = (Arc::clone(&self.settings), Arc::clone(&self.tables));
        let place = Place { pipeline: &settings.pipeline, partition: letters.partition };
        for (_, step) in batch.body().mirror_steps() {
            mirror::ensure(session, step).await?;
        }
        let begin = sql::begin(settings.lock_timeout);
        session.execute("beginning a transaction", &begin).await?;
        self.merging.begin_transaction();
        let held = marks::lock(session, place, &letters.offsets).await?;
        self.require_writable(batch, &held)?;
        self.require_turn(session, batch, &held).await?;
        let mut fates = Fates::default();
        let is_held = |offset: &&i64| !held.contains_key(*offset);
        fates.resolved.extend(letters.offsets.iter().filter(is_held));
        self.write_histories(session, batch, letters, &mut fates).await?;
        let affected = ParkedKeys::unknown().affected(batch, (&tables, &settings.letter_masks));
        let kept = (&settings.pipeline, &settings.letter_masks);
        parked::note(session, kept, batch, affected).await?;
        for (table, step) in batch.body().mirror_steps() {
            let settings = tables.require(table)?;
            mirror::apply(session, settings, step, &mut self.merging).await?;
            let newer = mirror::newer(session, step, &letters.offsets).await?;
            self.require_whole(batch, settings, (&newer, &held))?;
            fates.superseded.extend(newer);
        }
        table_event::insert(session, &settings.pipeline, &tables, batch).await?;
        let open = self.mark(session, place, (batch, letters), &mut fates).await?;
        let done = || held.iter().filter(|(offset, _)| !open.contains(offset));
        chain::relink(session, &done().map(|(_, held)| held.id).collect::<Vec<_>>()).await?;
        if self.mode == RetryMode::DryRun {
            self.passed.go_on(&tables, batch, &keyed(batch), done());
        }
        Ok(fates)
    }

    /// Refuses to write what is staged of letters that wait for others: their batch is staged again, and
    /// with them is left out whatever comes later of their keys. Letters of the batch itself are written in
    /// their order.
    async fn require_turn(
        &self,
        session: &mut Session,
        batch: &WriteBatch<PostgresBody>,
        held: &HeldLetters,
    ) -> Result<(), PostgresError> {
        let mut asked = Asked::of(&self.settings.letter_masks);
        let mut besides: Vec<i64> = held.values().map(|held| held.id).collect();
        let records = keyed(batch);
        for (table, record) in &records {
            let passed = self.passed.place(*table, record);
            asked.push_behind(&self.tables, Some(*table), record, passed);
            besides.extend(self.passed.others(*table, record));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let besides = Besides(besides);
        let found = chain::first(session, &self.settings.pipeline, &asked, &besides).await?;
        let mut is_early = false;
        for ((table, record), letter) in records.iter().zip(found) {
            if let Some(letter) = letter.filter(|letter| letter.place < place_of(record)) {
                self.heads.learn(record, Some(*table), Some(letter.place));
                is_early = true;
            }
        }
        if is_early { Err(PostgresError::Chained) } else { Ok(()) }
    }

    /// Refuses to write what is staged of letters that are open no longer, or whose rows were deleted
    /// since: their batch is staged again without them.
    fn require_writable(
        &self,
        batch: &WriteBatch<PostgresBody>,
        held: &HeldLetters,
    ) -> Result<(), PostgresError> {
        let mut objections = Vec::new();
        let mut object = |at: RecordRef, rejection: Rejection| objections.push((at, rejection));
        let offset = |at: RecordRef| batch.record(at).map(|record| record.offset.get());
        let is_open = |at: RecordRef| offset(at).is_some_and(|offset| held.contains_key(&offset));
        let histories = batch.body().histories().flat_map(|rows| &rows.records);
        for at in histories.filter(|at| !is_open(**at)) {
            object(*at, resolved());
        }
        for (table, step) in batch.body().mirror_steps() {
            let target = self.settings_of(table)?.target.to_string();
            let gone = step.fold.deletes().map(|(at, _)| at).filter(|at| !is_open(*at));
            gone.for_each(|at| object(at, resolved()));
            for at in rows_of(step) {
                let known = offset(at).and_then(|offset| held.get(&offset));
                let objection = match known.map(|held| &held.deleted_in) {
                    None => Some(resolved()),
                    Some(None) => Some(unwatched()),
                    Some(Some(targets)) if targets.contains(&target) => Some(superseded()),
                    Some(Some(_)) => None,
                };
                if let Some(rejection) = objection {
                    object(at, rejection.in_table(table));
                }
            }
        }
        self.object(batch, objections)
    }

    /// Refuses a batch because of these letters, which are left out when it is staged again.
    fn object(
        &self,
        batch: &WriteBatch<PostgresBody>,
        objections: Vec<(RecordRef, Rejection)>,
    ) -> Result<(), PostgresError> {
        let mut moot = self.moot.lock();
        for (at, rejection) in &objections {
            if let Some(record) = batch.record(*at) {
                let place = (record.partition.clone(), record.offset);
                moot.insert(place, rejection.clone());
            }
        }
        drop(moot);
        let Some((at, rejection)) = objections.into_iter().next() else { return Ok(()) };
        let message = rejection.message.clone();
        let letter = DeadLetter { at, rejection: Box::new(rejection) };
        let class = ErrorClass::Poison(Poison::Record(Box::new(letter)));
        Err(PostgresError::Row { doing: "retrying letters".to_owned(), message, class })
    }

    /// Refuses letters whose row is newer and may lack a value that only they have.
    fn require_whole(
        &self,
        batch: &WriteBatch<PostgresBody>,
        table: &TableSettings,
        (newer, held): (&[i64], &HeldLetters),
    ) -> Result<(), PostgresError> {
        let target = table.target.to_string();
        let is_overlaid = |offset: i64| {
            let known = held.get(&offset);
            newer.contains(&offset) && known.is_some_and(|held| held.overlaid_in.contains(&target))
        };
        let refs = batch.body().mirror_steps().filter(|(id, _)| *id == table.id);
        let refs = refs
            .flat_map(|(_, step)| rows_of(step))
            .filter(|at| batch.record(*at).is_some_and(|record| is_overlaid(record.offset.get())));
        self.object(batch, refs.map(|at| (at, overlaid().in_table(table.id))).collect())
    }

    /// Writes the rows that histories lack.
    async fn write_histories(
        &self,
        session: &mut Session,
        batch: &WriteBatch<PostgresBody>,
        letters: &Letters<'_>,
        fates: &mut Fates,
    ) -> Result<(), PostgresError> {
        let tables: BTreeSet<TableId> =
            batch.body().histories().map(|rows| rows.plan.table).collect();
        for table in tables {
            let settings = self.settings_of(table)?;
            let partition = letters.partition;
            history::lock(session, &settings.target.to_string(), partition).await?;
            let present = history::present(session, settings, partition, &letters.offsets).await?;
            let is_present = |at: RecordRef| {
                batch.record(at).is_some_and(|record| present.contains(&record.offset.get()))
            };
            for rows in batch.body().histories().filter(|rows| rows.plan.table == table) {
                history::apply_without(session, rows, is_present).await?;
                let found = rows.records.iter().filter(|at| is_present(**at));
                let found = found.filter_map(|at| batch.record(*at));
                fates.present.extend(found.map(|record| record.offset.get()));
            }
        }
        Ok(())
    }

    /// Marks every letter of the batch that is still open, and gives those that stay so.
    async fn mark(
        &self,
        session: &mut Session,
        place: Place<'_>,
        (batch, letters): (&WriteBatch<PostgresBody>, &Letters<'_>),
        fates: &mut Fates,
    ) -> Result<BTreeSet<i64>, PostgresError> {
        let Fates { present, superseded, resolved } = fates;
        supersede_earlier(batch, letters, superseded);
        let by_reason = |reason| {
            let refused = letters.refused.iter();
            refused.filter(move |(_, rejection)| rejection.reason == reason).map(|(at, _)| *at)
        };
        superseded.extend(by_reason(SUPERSEDED));
        resolved.extend(by_reason(RESOLVED));
        superseded.retain(|offset| !resolved.contains(offset));
        let failures: Vec<(i64, &Rejection)> = letters.failures(resolved).collect();
        marks::fail(session, place, &self.tables, &failures).await?;
        let is_failed = |offset: &i64| failures.iter().any(|(failed, _)| failed == offset);
        superseded.retain(|offset| !is_failed(offset));
        let list = |offsets: &BTreeSet<i64>| offsets.iter().copied().collect::<Vec<i64>>();
        let newer = (LetterState::Superseded, "a mirror has a newer version of its row");
        marks::resolve(session, place, &list(superseded), newer).await?;
        let there = (LetterState::Retried, "its row was there already");
        marks::resolve(session, place, &list(present), there).await?;
        let others = letters.offsets.iter().copied().filter(|offset| {
            !present.contains(offset)
                && !superseded.contains(offset)
                && !resolved.contains(offset)
                && !is_failed(offset)
        });
        let others: Vec<i64> = others.collect();
        let again = (LetterState::Retried, "its record was applied again");
        marks::resolve(session, place, &others, again).await?;
        Ok(failures.iter().map(|(offset, _)| *offset).collect())
    }

    /// Ends the transaction as the mode says.
    async fn end(
        &self,
        session: &mut Session,
        batch: &WriteBatch<PostgresBody>,
    ) -> Result<(), PostgresError> {
        let end = match self.mode {
            RetryMode::Commit => "COMMIT",
            RetryMode::DryRun => "ROLLBACK",
        };
        let last = [batch.body().guards(), vec![end]].concat().join("; ");
        session.execute("ending a transaction of a retry", &last).await
    }

    fn count(&self, batch: &WriteBatch<PostgresBody>, letters: &Letters<'_>, fates: &Fates) {
        let Fates { present, superseded, resolved } = fates;
        let count = |set: &BTreeSet<i64>| u64::try_from(set.len()).unwrap_or(u64::MAX);
        let mut report = self.retried.lock();
        let before = report.failed();
        letters.failures(resolved).for_each(|(_, rejection)| report.fail(rejection));
        let failed = report.failed().saturating_sub(before);
        let mut skipped = 0_u64;
        for (reason, records) in batch.tally().skipped() {
            skipped = skipped.saturating_add(records);
            let held = report.skipped.entry(reason.name().to_owned()).or_default();
            *held = held.saturating_add(records);
        }
        let elsewhere = [count(present), count(superseded), count(resolved), failed, skipped];
        let letters = u64::try_from(letters.offsets.len()).unwrap_or(u64::MAX);
        let written = elsewhere.iter().fold(letters, |left, more| left.saturating_sub(*more));
        report.written = report.written.saturating_add(written);
        report.present = report.present.saturating_add(count(present));
        report.superseded = report.superseded.saturating_add(count(superseded));
        report.resolved = report.resolved.saturating_add(count(resolved));
    }
}

impl<'b> Letters<'b> {
    /// The letters of a batch; `None` when it stands for none. A page has one log.
    fn of(batch: &'b WriteBatch<PostgresBody>) -> Option<Self> {
        let (partition, range) = batch.delta().ranges().next()?;
        let is_meant = |offset: i64| range.from().get() <= offset && offset < range.until().get();
        let records = batch.records().iter().flat_map(|records| records.iter());
        let offsets = records.map(|record| record.offset.get()).filter(|offset| is_meant(*offset));
        let refused = batch.dead_letters().iter().filter_map(|letter| {
            let record = batch.record(letter.at)?;
            Some((record.offset.get(), &*letter.rejection))
        });
        Some(Self { partition, offsets: offsets.collect(), refused: refused.collect() })
    }

    /// Those that failed again.
    fn failures(&self, resolved: &BTreeSet<i64>) -> impl Iterator<Item = (i64, &'b Rejection)> {
        self.refused
            .iter()
            .copied()
            .filter(move |(offset, rejection)| !is_settled(rejection) && !resolved.contains(offset))
    }
}

/// What a letter replaces in its batch is as superseded as the letter.
fn supersede_earlier(
    batch: &WriteBatch<PostgresBody>,
    letters: &Letters<'_>,
    superseded: &mut BTreeSet<i64>,
) {
    if superseded.is_empty() {
        return;
    }
    let mut last: BTreeMap<&[u8], i64> = BTreeMap::new();
    let records = || batch.records().iter().flat_map(|records| records.iter());
    for record in records().filter(|record| superseded.contains(&record.offset.get())) {
        if let Some(key) = record.key {
            last.insert(key, record.offset.get());
        }
    }
    for record in records() {
        let newer = record.key.and_then(|key| last.get(key));
        let offset = record.offset.get();
        if newer.is_some_and(|newer| offset < *newer) && letters.offsets.contains(&offset) {
            superseded.insert(offset);
        }
    }
}

/// The records with a key that are written to mirrors, with their tables: of each key the last one.
fn keyed(batch: &WriteBatch<PostgresBody>) -> Vec<(TableId, Record<'_>)> {
    let mut records = Vec::new();
    for (table, step) in batch.body().mirror_steps() {
        let written = rows_of(step).chain(step.fold.deletes().map(|(at, _)| at));
        let written = written.filter_map(|at| batch.record(at));
        records.extend(written.filter(|it| it.key.is_some()).map(|record| (table, record)));
    }
    records
}

fn rows_of(step: &MirrorStep) -> impl Iterator<Item = RecordRef> {
    let whole = step.fold.rows(Rows::All).map(|(at, _)| at);
    whole.chain(step.fold.partials().map(|(at, _, _)| at))
}

/// Whether a letter that was left out is open no longer, or will not be.
pub(super) fn is_settled(rejection: &Rejection) -> bool {
    [SUPERSEDED, RESOLVED].contains(&&*rejection.reason)
}

fn resolved() -> Rejection {
    Rejection::new(Stage::Apply, RESOLVED, "somebody else has retried or discarded the letter")
}

fn superseded() -> Rejection {
    Rejection::new(Stage::Apply, SUPERSEDED, "its row was deleted by a later record")
}

fn overlaid() -> Rejection {
    let message = "its row is newer, and a later record changed it without values that may be the \
                   letter's";
    Rejection::new(Stage::Apply, "partly_superseded", message).with_hint(
        "compare with `cdc-pipeline verify`; change the row in the source where it differs; then \
         discard the letter",
    )
}

fn unwatched() -> Rejection {
    let message = "the letter was kept by an earlier version, or its key is masked by a key that the rules \
                   do not have, so that nobody knows whether its row was deleted since";
    Rejection::new(Stage::Apply, "unwatched", message)
        .with_hint("compare with `cdc-pipeline verify`, then discard the letter")
}

impl Writer for RetryWriter {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, PostgresError> {
        let from_the_first = |partition: &Partition| (partition.clone(), ResumePoint::Beginning);
        Ok(partitions.iter().map(from_the_first).collect())
    }

    async fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> Result<PostgresPlan, PostgresError> {
        let tables = Arc::clone(&self.tables);
        let settings = tables.require(table)?;
        let no_session = || PostgresError::NoSession { doing: "planning".to_owned() };
        let session = self.session.as_mut().ok_or_else(no_session)?;
        let target = catalog::load(session.driver(), &settings.target.0).await;
        let failed = |error| from_driver("reading the catalog", error).interrupted();
        let number = self.plans_made;
        self.plans_made = number.saturating_add(1);
        plan(settings, shape, target.map_err(failed)?.as_ref(), number).map(PostgresPlan)
    }

    async fn apply(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        let Some(letters) = Letters::of(batch) else { return Ok(()) };
        let doing = "retrying letters";
        let no_session = || PostgresError::NoSession { doing: doing.to_owned() }.interrupted();
        // It comes back only when it is known to be between two transactions.
        let mut session = self.session.take().ok_or_else(no_session)?;
        let limit = self.settings.apply_timeout;
        let written = within(limit, doing, async {
            let fates = self.write(&mut session, batch, &letters).await?;
            self.end(&mut session, batch).await?;
            Ok(fates)
        });
        match written.await {
            Ok(fates) => {
                self.session = Some(session);
                self.count(batch, &letters, &fates);
                Ok(())
            }
            Err(error) if error.class() == ErrorClass::Indeterminate => Err(error.interrupted()),
            Err(error) => {
                if session.roll_back().await.is_ok() {
                    self.session = Some(session);
                }
                Err(error)
            }
        }
    }

    async fn release(&mut self, _partitions: &[Partition]) -> Result<(), PostgresError> {
        Ok(())
    }
}
