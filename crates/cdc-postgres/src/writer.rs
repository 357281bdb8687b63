//! The half of a lane that owns a connection. A lane has two, which take batches in turn: one brings
//! the rows of its batch into an open transaction while the other completes the one in front.
//!
//! One batch is one transaction: rows, dead letters and table events, and last, in one message with
//! COMMIT, the compare-and-set of progress and the ledger's entries. It comes last so that a writer
//! which froze in the middle holds no lock that its successor needs, and with COMMIT so that it cannot
//! freeze in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cdc_core::{
    Body as _, CheckpointDelta, Found, Partition, ResumePoint, RowShape, SourceMarks,
    SourcePosition, TableId, Witnesses, WriteBatch, Writer,
};
use tokio::time::{Instant, timeout};

use crate::body::PostgresBody;
use crate::chain::{self, Heads};
use crate::checkpoint::{self, Epochs};
use crate::dead_letter::Earlier;
use crate::error::{PostgresError, from_driver};
use crate::last_message::LastMessage;
use crate::mirror::{Merging, StagedRows};
use crate::owner::OwnerName;
use crate::parked::{self, ParkedKeys};
use crate::plan::{PostgresPlan, plan};
use crate::reach::is_to_look_again;
use crate::session::{Session, within};
use crate::settings::PostgresSettings;
use crate::tables::Tables;
use crate::wave::OpenWaves;
use crate::{
    catalog, continuity, dead_letter, fencing, history, ledger, mirror, source_marks, sql,
    table_event, wave,
};

/// How long a prepared batch waits for a lock at most. The holder may be the lane's other session,
/// whose turn comes after this one: the server cannot see such a deadlock, so giving way early ends
/// it. What is applied with nothing prepared beside it waits for as long as the settings say.
const PREPARED_LOCK_WAIT: Duration = Duration::from_secs(1);

/// How long the server may take to roll back, which costs it nothing: beyond that it has frozen, and
/// the session is given up.
const ROLL_BACK_WAIT: Duration = Duration::from_secs(5);

/// Applies batches; see [`Writer`].
#[derive(Debug)]
pub struct PostgresWriter {
    settings: Arc<PostgresSettings>,
    tables: Arc<Tables>,
    shared: Arc<Shared>,
    /// Which of the lane's writers it is.
    place: usize,
    /// `None` after the session was lost.
    session: Option<Session>,
    /// The batch whose rows are in the session's open transaction.
    prepared: Option<Prepared>,
    merging: Merging,
}

/// What the writers of a lane have in common.
#[derive(Debug)]
struct Shared {
    owner: OwnerName,
    writers: AtomicUsize,
    /// The server processes of the sessions that are open, by writer. A session is in it before it
    /// has the owner's name, so that nobody of ours ends it.
    sessions: Mutex<BTreeMap<usize, i32>>,
    /// Under which epochs partitions are owned. Locked for moments, never across an exchange.
    epochs: Mutex<Epochs>,
    plans_made: AtomicU64,
    /// The keys of open dead letters that let later changes pass. Locked for moments, like the epochs.
    parked: Mutex<ParkedKeys>,
    /// The keys of those that hold them back.
    heads: Arc<Heads>,
    /// Snapshots that have not ended. Locked for moments, like the epochs.
    waves: Mutex<OpenWaves>,
}

impl Shared {
    fn waves(&self) -> MutexGuard<'_, OpenWaves> {
        // Whoever panicked with the lock has changed whole entries only.
        self.waves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parked(&self) -> MutexGuard<'_, ParkedKeys> {
        // Whoever panicked with the lock has added whole keys only.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epochs(&self) -> MutexGuard<'_, Epochs> {
        // Whoever panicked with the lock has changed whole entries only.
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<usize, i32>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a session the one of a writer of this lane.
    async fn adopt(&self, place: usize, mut session: Session) -> Result<Session, PostgresError> {
        let process = session.process().await?;
        self.sessions().insert(place, process);
        session.belong_to(&self.owner).await?;
        Ok(session)
    }

    /// Ends sessions of this lane that nobody uses any more: the server may not have noticed yet that
    /// they were lost, and then holds their locks.
    async fn end_lost(&self, session: &mut Session) -> Result<(), PostgresError> {
        let spared: Vec<i32> = self.sessions().values().copied().collect();
        fencing::end_sessions(session, &[self.owner.to_string()], &spared).await
    }

    fn disown(&self, partitions: &[Partition]) -> Vec<(Partition, i64)> {
        self.waves().leave(partitions);
        let mut epochs = self.epochs();
        partitions.iter().filter_map(|partition| epochs.remove_entry(partition)).collect()
    }
}

/// A batch of which the server has the rows, but not the step of progress.
#[derive(Debug)]
struct Prepared {
    delta: CheckpointDelta,
    /// The mirrors that only need merging.
    mirrors: BTreeMap<TableId, StagedRows>,
}

impl PostgresWriter {
    /// The first writer of a lane.
    pub(crate) async fn first(
        settings: Arc<PostgresSettings>,
        (tables, heads): (Arc<Tables>, Arc<Heads>),
        owner: OwnerName,
        session: Session,
    ) -> Result<Self, PostgresError> {
        let shared = Arc::new(Shared {
            owner,
            writers: AtomicUsize::new(0),
            sessions: Mutex::default(),
            epochs: Mutex::default(),
            plans_made: AtomicU64::new(0),
            parked: Mutex::default(),
            heads,
            waves: Mutex::default(),
        });
        Self::sharing(settings, tables, shared, session).await
    }

    async fn sharing(
        settings: Arc<PostgresSettings>,
        tables: Arc<Tables>,
        shared: Arc<Shared>,
        session: Session,
    ) -> Result<Self, PostgresError> {
        let place = shared.writers.fetch_add(1, Ordering::Relaxed);
        let limit = settings.start_timeout();
        let adopted = within(limit, "opening a session", shared.adopt(place, session)).await?;
        let session = Some(adopted);
        let merging = Merging::default();
        Ok(Self { settings, tables, shared, place, session, prepared: None, merging })
    }

    /// The session, opened again when it was lost.
    async fn session(&mut self) -> Result<&mut Session, PostgresError> {
        if self.session.is_none() {
            let session = Session::connect(&self.settings).await?;
            let mut session = self.shared.adopt(self.place, session).await?;
            self.shared.end_lost(&mut session).await?;
            self.session = Some(session);
        }
        Ok(self.session.as_mut().expect("a session was opened just now"))
    }

    /// Gives the session up. The server rolls its transaction back.
    fn drop_session(&mut self) {
        self.session = None;
        self.prepared = None;
        self.shared.sessions().remove(&self.place);
    }

    /// Runs one exchange with the server within the limit, and clears up after its failure.
    async fn bounded<T>(
        &mut self,
        doing: &str,
        exchange: impl AsyncFnOnce(&mut Self) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit = self.settings.apply_timeout;
        let result = within(limit, doing, exchange(self)).await;
        if result.as_ref().is_err_and(PostgresError::ends_session) {
            self.drop_session();
        }
        result
    }

    /// Begins the batch's transaction and brings its rows.
    async fn bring(
        &mut self,
        batch: &WriteBatch<PostgresBody>,
        lock_wait: Duration,
    ) -> Result<Prepared, PostgresError> {
        let Self { session, merging, .. } = self;
        let no_session = || PostgresError::NoSession { doing: "bringing a batch".to_owned() };
        let session = session.as_mut().ok_or_else(no_session)?;
        let body = batch.body();
        for (_, step) in body.mirror_steps() {
            mirror::ensure(session, step).await?;
        }
        session.execute("beginning a transaction", &sql::begin(lock_wait)).await?;
        merging.begin_transaction();
        for rows in body.histories() {
            history::apply(session, rows).await?;
        }
        let mut mirrors = BTreeMap::new();
        for (table, step) in body.mirror_steps().filter(|(table, _)| body.is_one_step(*table)) {
            mirrors.insert(table, mirror::stage(session, step, merging).await?);
        }
        Ok(Prepared { delta: batch.delta().clone(), mirrors })
    }

    /// Completes the batch's transaction.
    async fn complete(
        &mut self,
        batch: &WriteBatch<PostgresBody>,
        mut prepared: Prepared,
    ) -> Result<(), PostgresError> {
        let Self { settings, tables, session, shared, merging, .. } = self;
        let no_session = || PostgresError::NoSession { doing: "applying a batch".to_owned() };
        let session = session.as_mut().ok_or_else(no_session)?;
        let body = batch.body();
        let last = LastMessage::of(batch, &settings.pipeline, &shared.epochs())?;
        let kept = (&settings.pipeline, &settings.letter_masks);
        let whose = (&settings.pipeline, &**tables);
        dead_letter::insert(session, kept, tables, batch, Earlier::Opens).await?;
        chain::link(session, whose, &shared.heads, batch).await?;
        chain::require_turn(session, whose, &shared.heads, batch).await?;
        let affected = shared.parked().affected(batch, (tables, &settings.letter_masks));
        parked::note(session, kept, batch, affected).await?;
        parked::note_truncates(session, whose, batch).await?;
        for (table, step) in body.mirror_steps() {
            let settings = tables.require(table)?;
            match prepared.mirrors.remove(&table) {
                Some(staged) => mirror::merge(session, step, staged).await?,
                None => mirror::apply(session, settings, step, merging).await?,
            }
        }
        table_event::insert(session, &settings.pipeline, tables, batch).await?;
        let mut open = shared.waves().clone();
        let parts = (body.waves(), body.streamed());
        let sweeps = wave::follow(session, whose, parts, &mut open).await?;
        *shared.waves() = open;
        for sweep in &sweeps {
            wave::sweep(session, whose, sweep).await?;
        }
        last.send(session).await?;
        shared.heads.trim();
        Ok(())
    }

    /// Rolls an open transaction back, or gives the session up.
    async fn roll_back(&mut self) {
        self.prepared = None;
        let Some(session) = &mut self.session else { return };
        let wait = ROLL_BACK_WAIT.min(self.settings.apply_timeout);
        if !matches!(timeout(wait, session.roll_back()).await, Ok(Ok(()))) {
            self.drop_session();
        }
    }

    /// How long a prepared batch waits for a lock; zero in the settings means no limit.
    fn prepared_lock_wait(&self) -> Duration {
        let set = self.settings.lock_timeout;
        if set.is_zero() { PREPARED_LOCK_WAIT } else { set.min(PREPARED_LOCK_WAIT) }
    }
}

/// Whether there is nothing to tell the server.
pub(crate) fn is_nothing(batch: &WriteBatch<PostgresBody>) -> bool {
    batch.delta().is_empty() && batch.body().bytes() == 0 && batch.dead_letters().is_empty()
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
                let (shared, tables) = (Arc::clone(&writer.shared), Arc::clone(&writer.tables));
                let known: BTreeSet<Partition> = shared.epochs().keys().cloned().collect();
                let session = writer.session().await?;
                let acquired =
                    checkpoint::acquire(session, &settings, &shared.owner, partitions).await?;
                ledger::join(session, &settings.pipeline, &acquired, &known).await?;
                let kept = (&settings.pipeline, &settings.letter_masks);
                let keys = parked::load(session, kept, partitions).await?;
                {
                    let mut parked = shared.parked();
                    for (partition, key) in &keys {
                        parked.insert(partition, key);
                    }
                }
                let whose = (&settings.pipeline, &*tables);
                chain::remember(session, whose, &shared.heads, partitions).await?;
                let open = wave::open_in(session, whose, partitions).await?;
                shared.waves().extend(open);
                Ok(acquired)
            })
            .await?;
        let mut points = Vec::with_capacity(held.len());
        for (partition, epoch, point) in held {
            self.shared.epochs().insert(partition.clone(), epoch);
            points.push((partition, point));
        }
        Ok(points)
    }

    async fn marks(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, SourceMarks)>, PostgresError> {
        self.bounded("reading how far the source was followed", async |writer: &mut Self| {
            let settings = Arc::clone(&writer.settings);
            let session = writer.session().await?;
            source_marks::load(session, &settings.pipeline, partitions).await
        })
        .await
    }

    async fn witnesses(&mut self, partitions: &[Partition]) -> Result<Witnesses, PostgresError> {
        self.bounded("reading by which records logs are known", async |writer: &mut Self| {
            let settings = Arc::clone(&writer.settings);
            let session = writer.session().await?;
            continuity::load(session, &settings.pipeline, partitions).await
        })
        .await
    }

    async fn find(
        &mut self,
        table: TableId,
        partition: &Partition,
        from: SourcePosition,
    ) -> Result<Option<Found>, PostgresError> {
        let tables = Arc::clone(&self.tables);
        let settings = tables.require(table)?;
        self.bounded("looking for a transaction of the source", async |writer: &mut Self| {
            let session = writer.session().await?;
            source_marks::find(session, settings, partition, (from, None)).await
        })
        .await
    }

    async fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> Result<PostgresPlan, PostgresError> {
        let tables = Arc::clone(&self.tables);
        let settings = tables.require(table)?;
        let target = self
            .bounded("reading the catalog", async |writer: &mut Self| {
                let session = writer.session().await?;
                catalog::load(session.driver(), &settings.target.0)
                    .await
                    .map_err(|error| from_driver("reading the catalog", error))
            })
            .await?;
        let number = self.shared.plans_made.fetch_add(1, Ordering::Relaxed);
        plan(settings, shape, target.as_ref(), number).map(PostgresPlan)
    }

    async fn second(&mut self) -> Result<Option<Self>, PostgresError> {
        let deadline = Instant::now() + self.settings.connect_patience;
        loop {
            let session = Session::connect(&self.settings).await?;
            let (settings, tables) = (Arc::clone(&self.settings), Arc::clone(&self.tables));
            let opened = Self::sharing(settings, tables, Arc::clone(&self.shared), session).await;
            match opened {
                Err(error) if is_to_look_again(&error, deadline).await => {}
                opened => return opened.map(Some),
            }
        }
    }

    async fn prepare(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        if is_nothing(batch) {
            return Ok(());
        }
        self.abandon().await;
        let lock_wait = self.prepared_lock_wait();
        let result = self
            .bounded("preparing a batch", async |writer: &mut Self| {
                writer.session().await?;
                writer.bring(batch, lock_wait).await
            })
            .await;
        match result {
            Ok(prepared) => {
                self.prepared = Some(prepared);
                Ok(())
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    async fn abandon(&mut self) {
        if self.prepared.is_some() {
            self.roll_back().await;
        }
    }

    async fn apply(&mut self, batch: &WriteBatch<PostgresBody>) -> Result<(), PostgresError> {
        if is_nothing(batch) {
            return Ok(());
        }
        let prepared = self.prepared.take();
        let lock_wait = self.settings.lock_timeout;
        let result = self
            .bounded("applying a batch", async |writer: &mut Self| {
                let prepared = match prepared {
                    Some(prepared) if prepared.delta == *batch.delta() => prepared,
                    Some(_) => {
                        writer.roll_back().await;
                        writer.bring(batch, lock_wait).await?
                    }
                    None => writer.bring(batch, lock_wait).await?,
                };
                writer.complete(batch, prepared).await
            })
            .await;
        if result.is_err() {
            // What the server refused is known, whether or not the session outlives the answer.
            self.roll_back().await;
        }
        result
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), PostgresError> {
        let held = self.shared.disown(partitions);
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
