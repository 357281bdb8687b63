//! The rows that were there before the stream.
//!
//! # Without gap or overlap
//!
//! A slot is made together with a snapshot of the database: what the snapshot saw is read from the tables,
//! what was committed behind it comes by the stream. That snapshot lives as long as the session that made
//! the slot. When it is gone before all rows were read, the rest is read by a newer snapshot, and the
//! stream then leaves out what that one saw: the snapshot says of every transaction whether it saw it
//! ([`visibility`]), and a table is read in the order of its key, so that every row belongs to one of the
//! parts. Where only the server knows the order of keys, the table is read from its beginning again, as
//! another wave of rows.
//!
//! # Pieces
//!
//! A table is read in pieces of its key, by several sessions side by side, a table each. The key of the last
//! row travels with it as its place, so that an interruption repeats no row that is durable.

pub(crate) mod keys;
mod line;
mod reader;
pub(crate) mod visibility;

use cdc_core::{NextOffset, SourceEvent};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::keys::KeyOrder;
use self::reader::{Assignment, Reader};
use self::visibility::Snapshot;
use crate::lsn::Lsn;
use crate::source::{Command, Flow, KnownTable, Phase, TablePart, TablePlace, Worker};
use crate::wire::{Client, Purpose};
use crate::{ReplicationError, slot};

/// The longest list of running transactions that is carried with every row.
const SNAPSHOT_BYTES_MAX: usize = 400;

/// How often a snapshot with a shorter list is waited for.
const SNAPSHOT_TRIES: u32 = 100;

/// A snapshot of the database, alive as long as its session.
#[derive(Debug)]
pub(crate) struct Held {
    /// Keeps it alive, idle inside its transaction.
    _session: Client,
    /// The name under which other sessions can take it over.
    name: String,
    /// From where the slot streams.
    slot: Lsn,
    /// What it saw and until where, unless it is the one that the slot was made with.
    newer: Option<(Snapshot, Lsn)>,
}

impl Worker {
    /// Reads what has not been read of the configured tables, until all of it is durable.
    pub(crate) async fn snapshot(&mut self) -> Result<Flow, ReplicationError> {
        let mut left = Vec::new();
        for index in 0..self.known.len() {
            let Some(table) = self.known.get(index) else { continue };
            if self.table_place(table)?.is_some_and(|place| place.done) {
                self.outbox.say(SourceEvent::CaughtUp(table.partition.clone())).await?;
            } else {
                left.push(index);
            }
        }
        if left.is_empty() {
            return Ok(Flow::Done);
        }
        self.status.set_phase(Phase::Snapshot);
        let rows = left.iter().filter_map(|index| self.known.get(*index));
        self.status.estimate_rows(rows.map(|table| table.catalog.estimated_rows).sum());
        if self.held.is_none() {
            self.held = Some(self.hold().await?);
        }
        let mut assignments = Vec::new();
        for index in left {
            assignments.push(self.assignment(index)?);
        }
        tracing::info!(tables = assignments.len(), "reading the snapshot");
        let flow = self.read_tables(assignments).await;
        if flow.is_err() {
            // Its session may have gone with the others.
            self.held = None;
        }
        flow
    }

    /// Makes the slot with its snapshot, or takes a snapshot beside a slot that is there.
    async fn hold(&mut self) -> Result<Held, ReplicationError> {
        let name = self.settings.slot.clone();
        let found = slot::look(self.sql().await?, &name).await?;
        let began = self.slot_began_at()?;
        let has_streamed = self.has_streamed();
        let Some(state) = found else {
            if began.is_some() || has_streamed {
                return Err(self.slot_is_gone());
            }
            let mut client = Client::connect(&self.settings, Purpose::Replication).await?;
            let identity = slot::identify(&mut client).await?;
            self.must_be_the_same(&identity)?;
            let created = slot::create(&mut client, &name).await?;
            tracing::info!(slot = %name, at = %created.consistent_point, "made the slot");
            let slot = created.consistent_point;
            return Ok(Held { _session: client, name: created.snapshot, slot, newer: None });
        };
        self.note_slot(Some(&state))?;
        let confirmed = state.confirmed_flush.unwrap_or_else(|| Lsn::new(0));
        let slot = began.unwrap_or(confirmed);
        if confirmed > slot && !has_streamed {
            return Err(self.slot_was_moved(confirmed, slot));
        }
        let (session, name, saw, until) = self.take_snapshot().await?;
        Ok(Held { _session: session, name, slot, newer: Some((saw, until)) })
    }

    fn has_streamed(&self) -> bool {
        let standing = self.outbox.standing(&self.stream_partition);
        standing.is_some_and(|standing| standing.place.is_some())
    }

    /// Takes a snapshot that names few running transactions: it travels with every row.
    async fn take_snapshot(&self) -> Result<(Client, String, Snapshot, Lsn), ReplicationError> {
        let mut client = Client::connect(&self.settings, Purpose::Sql).await?;
        let mut tries = SNAPSHOT_TRIES;
        loop {
            client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let rows = client
                .query(
                    "SELECT pg_catalog.pg_export_snapshot() AS name, \
                     pg_catalog.pg_current_snapshot()::text AS saw, \
                     pg_catalog.pg_current_wal_insert_lsn()::text AS until",
                )
                .await?;
            let row = rows.first();
            let column = |name: &str| row.and_then(|row| row.named(name)).unwrap_or_default();
            let saw = Snapshot::parse(column("saw"));
            let until = column("until").parse::<Lsn>().ok();
            let (Some(saw), Some(until)) = (saw, until) else {
                return Err(ReplicationError::malformed(
                    "taking a snapshot",
                    "a snapshot and a position",
                    "something else",
                ));
            };
            let name = column("name").to_owned();
            if saw.to_text().len() <= SNAPSHOT_BYTES_MAX || tries == 0 {
                return Ok((client, name, saw, until));
            }
            tries = tries.saturating_sub(1);
            client.query("ROLLBACK").await?;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// What is to be read of a table.
    fn assignment(&self, index: usize) -> Result<Assignment, ReplicationError> {
        let lost = || ReplicationError::malformed("reading the snapshot", "a table", "none");
        let (Some(table), Some(held)) = (self.known.get(index), &self.held) else {
            return Err(lost());
        };
        let incarnation = self.incarnation();
        let fresh = TablePlace {
            system: incarnation.system_id,
            timeline: incarnation.timeline,
            slot: held.slot.get(),
            parts: Vec::new(),
            key: None,
            done: false,
        };
        let mut place = self.table_place(table)?.unwrap_or(fresh);
        let has_begun = place.key.is_some() || !place.parts.is_empty();
        let is_same = |part: &TablePart| {
            held.newer
                .as_ref()
                .is_some_and(|(saw, until)| part.saw == *saw && part.until == until.get())
        };
        let goes_on = place.parts.last().map_or(held.newer.is_none(), is_same);
        let may_go_on = goes_on || KeyOrder::of(&table.catalog).is_some();
        if has_begun && !may_go_on {
            tracing::warn!(table = %table.catalog.table, "its snapshot begins anew: only the source knows the order of its keys");
        }
        if !may_go_on {
            place.parts.clear();
            place.key = None;
        }
        if let Some((saw, until)) = held.newer.as_ref().filter(|_| !goes_on) {
            let after = place.key.clone();
            place.parts.push(TablePart { after, saw: saw.clone(), until: until.get() });
        }
        Ok(Assignment { table: table.clone(), place, snapshot: held.name.clone() })
    }

    async fn read_tables(
        &mut self,
        assignments: Vec<Assignment>,
    ) -> Result<Flow, ReplicationError> {
        let (stop, stopped) = watch::channel(false);
        let mut waiting = assignments.into_iter();
        let mut readers = JoinSet::new();
        let parallel = usize::try_from(self.settings.snapshot_parallel.get()).unwrap_or(1);
        loop {
            while readers.len() < parallel
                && let Some(assignment) = waiting.next()
            {
                let reader = Reader {
                    settings: self.settings.clone(),
                    database: self.database.clone(),
                    outbox: self.outbox.clone(),
                    status: std::sync::Arc::clone(&self.status),
                    stopped: stopped.clone(),
                };
                readers.spawn(reader.read(assignment));
            }
            if readers.is_empty() {
                break;
            }
            tokio::select! {
                Some(ended) = readers.join_next() => {
                    let partition = ended.unwrap_or_else(|_panicked| {
                        Err(ReplicationError::TaskEnded)
                    })?;
                    if let Some(partition) = partition {
                        self.outbox.say(SourceEvent::CaughtUp(partition)).await?;
                    }
                }
                command = self.commands.recv() => {
                    // Whoever still hands over would move what is about to be set.
                    if !matches!(command, Some(Command::Recall(_) | Command::Resume { .. })) {
                        stop.send_replace(true);
                        while readers.join_next().await.is_some() {}
                    }
                    if let Some(flow) = self.hear(command) {
                        return Ok(flow);
                    }
                }
            }
        }
        self.durable().await
    }

    /// Waits until all rows are durable: the stream must not come before them.
    async fn durable(&mut self) -> Result<Flow, ReplicationError> {
        loop {
            let is_durable = |table: &KnownTable| {
                let delivered =
                    self.outbox.standing(&table.partition).map_or(NextOffset::ZERO, |at| at.next);
                self.acknowledged.of(&table.partition).unwrap_or(NextOffset::ZERO) >= delivered
            };
            if self.known.iter().all(is_durable) {
                tracing::info!("the snapshot is complete");
                return Ok(Flow::Done);
            }
            tokio::select! {
                () = self.acknowledged.changed() => {}
                command = self.commands.recv() => if let Some(flow) = self.hear(command) {
                    return Ok(flow);
                }
            }
        }
    }
}
