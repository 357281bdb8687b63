//! The writer of a repair: as the pipeline's, but for rows that are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cdc_core::{
    Found, NextOffset, Partition, ResumePoint, RowShape, SourceMarks, SourcePosition, TableId,
    WriteBatch, Writer,
};

use super::{RepairMode, Shared, present};
use crate::body::PostgresBody;
use crate::checkpoint::{self, Epochs};
use crate::dead_letter::Earlier;
use crate::error::{PostgresError, from_driver};
use crate::last_message::LastMessage;
use crate::owner::OwnerName;
use crate::plan::{PostgresPlan, plan};
use crate::session::{Session, within};
use crate::writer::is_nothing;
use crate::{catalog, dead_letter, fencing, ledger, source_marks, sql, table_event, wave};

/// Applies batches of a repair. A lane has one: a second one would wait for the lock that the first holds.
#[derive(Debug)]
pub struct RepairWriter {
    shared: Arc<Shared>,
    owner: OwnerName,
    /// `None` after the session was lost.
    session: Option<Session>,
    epochs: Epochs,
    /// How far each partition has been applied by this run.
    applied: BTreeMap<Partition, NextOffset>,
    plans_made: u64,
}

impl RepairWriter {
    pub(super) async fn open(
        shared: Arc<Shared>,
        owner: OwnerName,
        session: Session,
    ) -> Result<Self, PostgresError> {
        let mut writer = Self {
            shared,
            owner,
            session: None,
            epochs: Epochs::new(),
            applied: BTreeMap::new(),
            plans_made: 0,
        };
        let limit = writer.shared.settings.start_timeout();
        within(limit, "opening a session", writer.adopt(session)).await?;
        Ok(writer)
    }

    async fn adopt(&mut self, mut session: Session) -> Result<&mut Session, PostgresError> {
        session.belong_to(&self.owner).await?;
        let process = session.process().await?;
        fencing::end_sessions(&mut session, &[self.owner.to_string()], &[process]).await?;
        // Many rows are looked for at once, by their places in one part of the history. What has just been
        // copied has no statistics, so that the planner would take it for a few rows and compare each with
        // each of the history.
        let joins = "SET enable_hashjoin = on; SET enable_nestloop = off";
        session.execute("opening a session", joins).await?;
        Ok(self.session.insert(session))
    }

    async fn session(&mut self) -> Result<&mut Session, PostgresError> {
        if let Some(session) = self.session.take() {
            return Ok(self.session.insert(session));
        }
        let session = Session::connect(&self.shared.settings).await?;
        self.adopt(session).await
    }

    /// Runs one exchange with the server within the limit, and clears up after its failure.
    async fn bounded<T>(
        &mut self,
        doing: &str,
        exchange: impl AsyncFnOnce(&mut Self) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit = self.shared.settings.apply_timeout;
        let result = within(limit, doing, exchange(self)).await;
        if result.as_ref().is_err_and(PostgresError::ends_session) {
            self.session = None;
        }
        result
    }

    async fn write(
        &mut self,
        batch: &WriteBatch<PostgresBody>,
    ) -> Result<present::Found, PostgresError> {
        let Self { session, shared, epochs, .. } = self;
        let no_session = || PostgresError::NoSession { doing: "applying a batch".to_owned() };
        let session = session.as_mut().ok_or_else(no_session)?;
        let body = batch.body();
        for rows in body.histories() {
            session.ensure(&present::staging(&rows.plan)).await?;
        }
        let begin = sql::begin(shared.settings.lock_timeout);
        session.execute("beginning a transaction", &begin).await?;
        let mut histories: Vec<_> = body.histories().collect();
        // Two repairs lock the targets in the same order.
        histories.sort_by(|left, right| left.plan.relation_sql.cmp(&right.plan.relation_sql));
        let mut found = present::Found::default();
        for rows in histories {
            let more = present::restore(session, rows, batch.delta()).await?;
            found.present = found.present.saturating_add(more.present);
            found.restored = found.restored.saturating_add(more.restored);
        }
        if shared.mode == RepairMode::Count {
            session.roll_back().await?;
            return Ok(found);
        }
        // A place that has its dead letter, or its event, keeps it.
        let kept = (&shared.pipeline, &shared.settings.letter_masks);
        dead_letter::insert(session, kept, &shared.tables, batch, Earlier::Stays).await?;
        table_event::insert(session, &shared.pipeline, &shared.tables, batch).await?;
        // A repair writes histories, from which nothing is removed.
        wave::insert(session, (&shared.pipeline, &shared.tables), body.waves()).await?;
        let last = LastMessage::of(batch, &shared.settings.pipeline, epochs)?;
        last.send(session).await?;
        Ok(found)
    }
}

impl Writer for RepairWriter {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, PostgresError> {
        if self.shared.mode == RepairMode::Count {
            // Nothing of it is stored, so an attempt that was lost is made again where it stood.
            let point = |applied: Option<&NextOffset>| {
                applied.map_or(ResumePoint::Beginning, |next| ResumePoint::At(*next))
            };
            let at = partitions.iter().map(|it| (it.clone(), point(self.applied.get(it))));
            return Ok(at.collect());
        }
        let acquired = self
            .bounded("acquiring partitions", async |writer: &mut Self| {
                let shared = Arc::clone(&writer.shared);
                let (settings, owner) = (&shared.settings, writer.owner.clone());
                let known: BTreeSet<Partition> = writer.epochs.keys().cloned().collect();
                let session = writer.session().await?;
                let acquired = checkpoint::acquire(session, settings, &owner, partitions).await?;
                ledger::join(session, &settings.pipeline, &acquired, &known).await?;
                Ok(acquired)
            })
            .await?;
        let mut points = Vec::with_capacity(acquired.len());
        for (partition, epoch, point) in acquired {
            self.epochs.insert(partition.clone(), epoch);
            if let ResumePoint::At(next) = point {
                self.applied.insert(partition.clone(), next);
            }
            points.push((partition, point));
        }
        Ok(points)
    }

    async fn marks(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, SourceMarks)>, PostgresError> {
        self.bounded("reading how far the source was followed", async |writer: &mut Self| {
            let shared = Arc::clone(&writer.shared);
            let session = writer.session().await?;
            source_marks::load(session, &shared.settings.pipeline, partitions).await
        })
        .await
    }

    async fn find(
        &mut self,
        table: TableId,
        partition: &Partition,
        from: SourcePosition,
    ) -> Result<Option<Found>, PostgresError> {
        let shared = Arc::clone(&self.shared);
        let settings = shared.tables.require(table)?;
        // The change itself and what follows it are there already: only what comes before counts.
        let before = self.applied.get(partition).copied().unwrap_or(NextOffset::ZERO);
        self.bounded("looking for a transaction of the source", async |writer: &mut Self| {
            let session = writer.session().await?;
            source_marks::find(session, settings, partition, (from, Some(before))).await
        })
        .await
    }

    async fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> Result<PostgresPlan, PostgresError> {
        let shared = Arc::clone(&self.shared);
        let settings = shared.tables.require(table)?;
        let target = self
            .bounded("reading the catalog", async |writer: &mut Self| {
                let session = writer.session().await?;
                catalog::load(session.driver(), &settings.target.0)
                    .await
                    .map_err(|error| from_driver("reading the catalog", error))
            })
            .await?;
        self.plans_made = self.plans_made.saturating_add(1);
        plan(settings, shape, target.as_ref(), self.plans_made).map(PostgresPlan)
    }

    async fn second(&mut self) -> Result<Option<Self>, PostgresError> {
        Ok(None)
    }

    async fn prepare(&mut self, _batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        Ok(())
    }

    async fn abandon(&mut self) {}

    async fn apply(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        if is_nothing(batch) {
            return Ok(());
        }
        let written = self
            .bounded("applying a batch", async |writer: &mut Self| {
                writer.session().await?;
                writer.write(batch).await
            })
            .await;
        match written {
            Ok(found) => {
                self.shared.counts.add(found.present, found.restored);
                for (partition, range) in batch.delta().ranges() {
                    self.applied.insert(partition.clone(), range.until());
                }
                Ok(())
            }
            Err(error) => {
                if let Some(session) = &mut self.session
                    && session.roll_back().await.is_err()
                {
                    self.session = None;
                }
                Err(error)
            }
        }
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), PostgresError> {
        let entries = partitions.iter().filter_map(|it| self.epochs.remove_entry(it));
        let held: Vec<(Partition, i64)> = entries.collect();
        if held.is_empty() {
            return Ok(());
        }
        self.bounded("releasing partitions", async |writer: &mut Self| {
            let shared = Arc::clone(&writer.shared);
            let session = writer.session().await?;
            checkpoint::release(session, &shared.settings.pipeline, &held).await
        })
        .await
    }
}
