//! The half of a lane that owns the connection.
//!
//! One batch is one transaction: rows, dead letters and table events, and last, in one message with
//! COMMIT, the compare-and-set of progress. It comes last so that a writer which froze in the middle
//! holds no lock that its successor needs, and with COMMIT so that it cannot freeze in between.

use std::sync::Arc;

use cdc_core::{Body as _, Partition, ResumePoint, RowShape, TableId, WriteBatch, Writer};
use tokio::time::timeout;

use crate::body::PostgresBody;
use crate::checkpoint::{self, Epochs};
use crate::error::{PostgresError, from_driver};
use crate::mirror::Merging;
use crate::plan::{PostgresPlan, plan};
use crate::session::Session;
use crate::settings::{Deletes, Mode, PostgresSettings};
use crate::tables::Tables;
use crate::{catalog, dead_letter, history, mirror, table_event};

/// Applies batches; see [`Writer`].
#[derive(Debug)]
pub struct PostgresWriter {
    settings: Arc<PostgresSettings>,
    tables: Arc<Tables>,
    owner: String,
    /// `None` after the session was lost.
    session: Option<Session>,
    /// What is owned in this session. Forgotten with it: nothing is sent before the checkpoint has
    /// been read again.
    epochs: Epochs,
    merging: Merging,
    plans_made: u64,
}

impl PostgresWriter {
    pub(crate) fn new(
        settings: Arc<PostgresSettings>,
        tables: Arc<Tables>,
        owner: String,
        session: Session,
    ) -> Self {
        Self {
            settings,
            tables,
            owner,
            session: Some(session),
            epochs: Epochs::new(),
            merging: Merging::default(),
            plans_made: 0,
        }
    }

    /// The session, opened again when it was lost.
    async fn session(&mut self) -> Result<&mut Session, PostgresError> {
        if self.session.is_none() {
            self.epochs.clear();
            self.session = Some(Session::connect(&self.settings).await?);
        }
        Ok(self.session.as_mut().expect("a session was opened just now"))
    }

    /// Gives the session up. The server rolls its transaction back.
    fn drop_session(&mut self) {
        self.session = None;
        self.epochs.clear();
    }

    /// Runs one exchange with the server within the limit, and clears up after its failure.
    async fn bounded<T>(
        &mut self,
        doing: &str,
        exchange: impl AsyncFnOnce(&mut Self) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit = self.settings.apply_timeout;
        let result = timeout(limit, exchange(self)).await.unwrap_or_else(|_| {
            Err(PostgresError::Silent { doing: doing.to_owned(), limit_ms: limit.as_millis() })
        });
        if result.as_ref().is_err_and(PostgresError::ends_session) {
            self.drop_session();
        }
        result
    }

    async fn transaction(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        let Self { settings, tables, session, epochs, merging, .. } = self;
        let no_session = || PostgresError::NoSession { doing: "applying a batch".to_owned() };
        let session = session.as_mut().ok_or_else(no_session)?;
        let body = batch.body();
        let last = checkpoint::advance_and_commit(&settings.pipeline, batch.delta(), epochs)?;
        let last = [body.guards(), vec![&last]].concat().join("; ");
        for (_, step) in body.mirror_steps() {
            mirror::prepare(session, step).await?;
        }
        session.execute("beginning a transaction", "BEGIN").await?;
        merging.begin_transaction();
        for rows in body.histories() {
            history::apply(session, rows).await?;
        }
        for (table, step) in body.mirror_steps() {
            let unknown = || PostgresError::UnknownTable { index: table.index() };
            let table = tables.get(table).ok_or_else(unknown)?;
            let deletes = match table.mode {
                Mode::Mirror { deletes, .. } => deletes,
                Mode::History => Deletes::Hard,
            };
            mirror::apply(session, table, deletes, step, merging).await?;
        }
        dead_letter::insert(session, &settings.pipeline, tables, batch).await?;
        table_event::insert(session, &settings.pipeline, tables, batch).await?;
        let committing = format!("committing the step {}", batch.delta());
        session.run(&last).await.map_err(|error| {
            let error = from_driver(committing, error);
            if let PostgresError::Fenced { source, .. } = error {
                return PostgresError::Fenced { step: batch.delta().to_string(), source };
            }
            error
        })
    }
}

impl Writer for PostgresWriter {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, PostgresError> {
        let held = self
            .bounded("acquiring partitions", async |writer: &mut Self| {
                let settings = Arc::clone(&writer.settings);
                let owner = writer.owner.clone();
                let session = writer.session().await?;
                checkpoint::acquire(session, &settings.pipeline, &owner, partitions).await
            })
            .await?;
        let mut points = Vec::with_capacity(held.len());
        for (partition, epoch, point) in held {
            self.epochs.insert(partition.clone(), epoch);
            points.push((partition, point));
        }
        Ok(points)
    }

    async fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> Result<PostgresPlan, PostgresError> {
        let tables = Arc::clone(&self.tables);
        let unknown = PostgresError::UnknownTable { index: table.index() };
        let settings = tables.get(table).ok_or(unknown)?;
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

    async fn apply(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        let nothing = batch.delta().is_empty()
            && batch.body().bytes() == 0
            && batch.dead_letters().is_empty();
        if nothing {
            return Ok(());
        }
        let result = self
            .bounded("applying a batch", async |writer: &mut Self| writer.transaction(batch).await)
            .await;
        if result.is_err() {
            // What the server refused is known, whether or not the session outlives the answer.
            let rolled_back = match &mut self.session {
                Some(session) => session.roll_back().await,
                None => Ok(()),
            };
            if rolled_back.is_err() {
                self.drop_session();
            }
        }
        result
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), PostgresError> {
        let held: Vec<(Partition, i64)> =
            partitions.iter().filter_map(|partition| self.epochs.remove_entry(partition)).collect();
        if held.is_empty() {
            return Ok(());
        }
        self.bounded("releasing partitions", async |writer: &mut Self| {
            let settings = Arc::clone(&writer.settings);
            let session = writer.session().await?;
            checkpoint::release(session, &settings.pipeline, &held).await
        })
        .await
    }
}
