//! Following the stream of the slot.
//!
//! One loop hears the server, the engine and the clock. What is in the connection's buffer already is
//! taken without a wait, and the batch is handed over when the buffer is empty: small batches when caught
//! up, full ones when behind. While the budget is spent the server is not read, but it is told that we live.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdc_core::{NextOffset, SourceEvent};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::known::{KnownRelation, Overlap};
use super::outbox::{BUDGET_ASKED_EVERY, Open};
use super::place::{StreamPlace, TablePlace};
use super::status::Phase;
use super::transaction::{Arrived, HEARTBEAT_PREFIX, Transactions};
use super::worker::{Flow, Worker};
use crate::ReplicationError;
use crate::catalog;
use crate::frame::RelationDescription;
use crate::lsn::Lsn;
use crate::pgoutput::{Message, Parser, ProtocolVersion, Relation};
use crate::slot;
use crate::sql::quoted;
use crate::wire::{Client, Purpose, Replication, ServerMessage};

/// How often the slot is told what is durable.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// How often the slot's health is looked at.
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// Less than this of idle log is not worth a heartbeat; the server's own housekeeping writes some.
const HEARTBEAT_BYTES: u64 = 64 * 1024;

/// How long a slot that another session holds is waited for: the server notices that our former
/// connection is gone only after `wal_sender_timeout`, which is 60 s by default.
const TAKEN_PATIENCE: Duration = Duration::from_secs(90);

/// The stream of one connection.
#[derive(Debug)]
struct Stream {
    replication: Replication,
    parser: Parser,
    transactions: Transactions,
    open: Option<Open>,
    /// Positions that were handed over, with the commit that may be acknowledged once they are durable.
    handed_over: VecDeque<(NextOffset, Lsn)>,
    acknowledged: Lsn,
    told: Option<(Lsn, Instant)>,
    /// The end of the server's log when reading began, until it was reached.
    goal: Option<Lsn>,
    wal_end: Lsn,
    /// Whether records were handed over since the engine was last told that it has caught up.
    is_ahead: bool,
}

/// What stopped taking messages from the buffer.
enum Stopped {
    /// The buffer is empty.
    Empty,
    /// The budget is spent, or the engine has not taken what was handed over.
    Spent,
    /// This relation has to be looked up before anything else is taken.
    Unknown(Box<Described>),
}

/// A relation as the stream describes it.
#[derive(Debug, Clone)]
struct Described {
    oid: u32,
    schema: String,
    table: String,
    identity: crate::pgoutput::ReplicaIdentity,
    /// Names with the types and their modifiers.
    columns: Vec<(String, u32, i32)>,
}

impl Described {
    fn of(relation: &Relation<'_>) -> Self {
        let columns = relation
            .columns()
            .map(|column| (column.name.to_owned(), column.type_oid, column.type_modifier));
        Self {
            oid: relation.oid,
            schema: relation.schema.to_owned(),
            table: relation.name.to_owned(),
            identity: relation.identity,
            columns: columns.collect(),
        }
    }
}

impl Worker {
    /// Follows the stream until something else is to be done.
    pub(super) async fn stream(&mut self) -> Result<Flow, ReplicationError> {
        let mut stream = self.open_stream().await?;
        self.status.set_phase(Phase::Streaming);
        let flow = self.follow(&mut stream).await.map_err(|error| self.explained(error));
        // What is durable by now may be told; a server that is gone does not hear it, and loses nothing.
        self.tell_slot(&mut stream, true).await.ok();
        stream.replication.finish().await;
        flow
    }

    /// Says what a person has to know about an answer of the server that means something here.
    fn explained(&self, error: ReplicationError) -> ReplicationError {
        match error.sqlstate() {
            // The output plugin looks the publication up as it was when a change was made.
            Some("42704") => self.publication_is_younger(&error),
            Some(_) | None => error,
        }
    }

    async fn follow(&mut self, stream: &mut Stream) -> Result<Flow, ReplicationError> {
        let mut ticks = interval(STATUS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health = interval(HEALTH_EVERY);
        let mut heartbeat = interval(self.settings.heartbeat);
        heartbeat.reset();
        let mut is_spent = false;
        loop {
            let silent = stream.replication.silent_for();
            tokio::select! {
                heard = stream.replication.fill(), if !is_spent => heard?,
                () = tokio::time::sleep(BUDGET_ASKED_EVERY), if is_spent => {}
                command = self.commands.recv() => {
                    if let Some(flow) = self.hear(command) {
                        return Ok(flow);
                    }
                }
                () = self.acknowledged.changed() => {}
                _ = ticks.tick() => {
                    // A connection that nobody reads is silent for another reason.
                    if !is_spent && silent > self.settings.silence_limit {
                        return Err(self.silent(silent));
                    }
                    self.tell_slot(stream, true).await?;
                }
                _ = health.tick() => self.look_after_slot().await?,
                _ = heartbeat.tick() => self.beat(stream).await?,
            }
            is_spent = self.take_buffered(stream).await?;
            self.tell_slot(stream, false).await?;
        }
    }

    /// Takes what the buffer holds. Whether the budget stopped it.
    async fn take_buffered(&mut self, stream: &mut Stream) -> Result<bool, ReplicationError> {
        loop {
            match self.take_some(stream).await? {
                Stopped::Unknown(described) => {
                    let known = self.look_up(&described).await?;
                    stream.transactions.describe(described.oid, known);
                }
                Stopped::Spent => return Ok(true),
                Stopped::Empty => {
                    self.hand_over(stream).await?;
                    self.say_caught_up(stream).await?;
                    return Ok(false);
                }
            }
        }
    }

    async fn take_some(&mut self, stream: &mut Stream) -> Result<Stopped, ReplicationError> {
        loop {
            if !self.outbox.has_room() {
                return Ok(Stopped::Spent);
            }
            if stream.open.is_none() {
                let Some(open) = self.outbox.try_open(&self.stream_partition) else {
                    return Ok(Stopped::Spent);
                };
                stream.open = Some(open);
            }
            let Some(open) = &mut stream.open else { return Ok(Stopped::Spent) };
            let Some(message) = stream.replication.try_next()? else { return Ok(Stopped::Empty) };
            match message {
                ServerMessage::Keepalive { wal_end, wants_reply } => {
                    stream.wal_end = stream.wal_end.max(wal_end);
                    self.status.see_end(wal_end);
                    if wants_reply {
                        stream.told = None;
                    }
                }
                ServerMessage::Data { start, wal_end, payload } => {
                    self.status.see_end(wal_end);
                    let message = stream.parser.parse(payload)?;
                    if let Message::Relation(relation) = &message {
                        return Ok(Stopped::Unknown(Box::new(Described::of(relation))));
                    }
                    let arrived = Arrived { message, lsn: start, at_ms: now_ms() };
                    stream.transactions.take(&arrived, open)?;
                    if open.bytes() >= self.outbox.batch_bytes() {
                        self.hand_over(stream).await?;
                    }
                }
            }
        }
    }

    /// Hands the open batch over, if it has records.
    async fn hand_over(&mut self, stream: &mut Stream) -> Result<(), ReplicationError> {
        let Some(open) = stream.open.take().filter(|open| !open.is_empty()) else {
            return Ok(());
        };
        let until = open.until();
        self.outbox.hand_over(open).await?;
        stream.handed_over.push_back((until, stream.transactions.newest()));
        stream.is_ahead = true;
        self.status.set_delivered(stream.transactions.newest());
        self.outbox.say(SourceEvent::LogEnd(self.stream_partition.clone(), until)).await
    }

    /// Says that everything was delivered, when the server has said so.
    async fn say_caught_up(&mut self, stream: &mut Stream) -> Result<(), ReplicationError> {
        let has_reached = stream.goal.is_some_and(|goal| stream.wal_end >= goal);
        let is_at_end = stream.goal.is_none()
            && stream.is_ahead
            && stream.wal_end > stream.transactions.newest();
        if (has_reached || is_at_end) && !stream.transactions.is_inside() {
            stream.goal = None;
            stream.is_ahead = false;
            self.outbox.say(SourceEvent::CaughtUp(self.stream_partition.clone())).await?;
        }
        Ok(())
    }

    /// Tells the slot what is durable, when it has changed or the time has come.
    async fn tell_slot(
        &mut self,
        stream: &mut Stream,
        is_due: bool,
    ) -> Result<(), ReplicationError> {
        if let Some(durable) = self.acknowledged.of(&self.stream_partition) {
            while let Some((until, commit)) = stream.handed_over.front().copied()
                && until <= durable
            {
                stream.acknowledged = stream.acknowledged.max(commit);
                stream.handed_over.pop_front();
            }
        }
        let is_news = match stream.told {
            None => true,
            Some((told, at)) => {
                is_due || (stream.acknowledged > told && at.elapsed() > STATUS_EVERY / 5)
            }
        };
        if !is_news {
            return Ok(());
        }
        let wants_reply = is_due
            && (stream.goal.is_some()
                || stream.is_ahead
                || stream.replication.silent_for() > self.settings.silence_limit / 3);
        stream.replication.send_status(stream.acknowledged, wants_reply).await?;
        stream.told = Some((stream.acknowledged, Instant::now()));
        self.status.set_acknowledged(stream.acknowledged);
        Ok(())
    }

    /// Writes a message of ours into the source's log, if the slot holds much of it back for nothing.
    async fn beat(&mut self, stream: &Stream) -> Result<(), ReplicationError> {
        let idle = stream.wal_end.get().saturating_sub(stream.transactions.newest().get());
        if idle < HEARTBEAT_BYTES || stream.transactions.is_inside() {
            return Ok(());
        }
        let sql =
            format!("SELECT pg_catalog.pg_logical_emit_message(false, '{HEARTBEAT_PREFIX}', '')");
        self.sql().await?.query(&sql).await.map(|_| ())
    }

    /// Looks whether the slot is still there and whole.
    async fn look_after_slot(&mut self) -> Result<(), ReplicationError> {
        let name = self.settings.slot.clone();
        let found = slot::look(self.sql().await?, &name).await;
        let state = match found {
            Ok(state) => state,
            Err(error) if error.is_passing() => {
                self.forget_sql();
                tracing::warn!(%error, "the state of the slot cannot be read at the moment");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.note_slot(state.as_ref())
    }

    fn silent(&self, silent: Duration) -> ReplicationError {
        let limit_s = self.settings.silence_limit.as_secs();
        tracing::warn!(limit_s, "the source is silent: connecting again");
        let cause = format!("not one byte came for {} s", silent.as_secs());
        ReplicationError::lost("following the stream", cause)
    }

    async fn open_stream(&mut self) -> Result<Stream, ReplicationError> {
        let deadline = Instant::now() + TAKEN_PATIENCE;
        loop {
            match self.try_open_stream().await {
                Err(error) if error.sqlstate() == Some("55006") && Instant::now() < deadline => {
                    tracing::info!(slot = %self.settings.slot, "another session still has the slot: waiting for it");
                    tokio::time::sleep(STATUS_EVERY).await;
                }
                other => return other,
            }
        }
    }

    async fn try_open_stream(&mut self) -> Result<Stream, ReplicationError> {
        let mut client = Client::connect(&self.settings, Purpose::Replication).await?;
        let identity = slot::identify(&mut client).await?;
        self.must_be_the_same(&identity)?;
        let resume = self.resume_place()?;
        let name = self.settings.slot.clone();
        let state = slot::look(self.sql().await?, &name).await?;
        self.note_slot(state.as_ref())?;
        let Some(state) = state else { return Err(self.slot_is_gone()) };
        let confirmed = state.confirmed_flush.unwrap_or_else(|| Lsn::new(0));
        let known = match resume {
            Some(place) => place.commit,
            None => self.slot_began_at()?.unwrap_or(confirmed),
        };
        if confirmed > known {
            return Err(self.slot_was_moved(confirmed, known));
        }
        // Only what is on the source's disk is ever streamed.
        if known > identity.flushed {
            return Err(self.source_went_back(identity.flushed, known));
        }
        // The commands of replication know no other form of a text.
        let publication = quoted(self.settings.publication.as_str()).replace('\'', "''");
        let command = format!(
            "START_REPLICATION SLOT {name} LOGICAL {known} \
             (proto_version '1', publication_names '{publication}', messages 'true')"
        );
        let replication = client.start_replication(&command).await?;
        Ok(Stream {
            replication,
            parser: Parser::new(ProtocolVersion::V1),
            transactions: Transactions::new(self.incarnation(), resume),
            open: None,
            handed_over: VecDeque::new(),
            acknowledged: confirmed,
            told: None,
            goal: Some(identity.flushed),
            wal_end: Lsn::new(0),
            is_ahead: false,
        })
    }

    /// Where the last record of the stream stands, when there is one.
    fn resume_place(&self) -> Result<Option<StreamPlace>, ReplicationError> {
        let standing = self.outbox.standing(&self.stream_partition);
        let Some(standing) = standing.filter(|standing| standing.next.get() > super::STREAM_BEGIN)
        else {
            return Ok(None);
        };
        let place = standing.place.as_deref().and_then(StreamPlace::parse);
        place.map(Some).ok_or_else(|| self.no_way_back())
    }

    /// What a relation of the stream is among the configured tables.
    async fn look_up(
        &mut self,
        described: &Described,
    ) -> Result<Option<KnownRelation>, ReplicationError> {
        let position = self.known.iter().position(|known| {
            let table = &known.catalog.table;
            table.schema() == described.schema && table.name() == described.table
        });
        let Some(position) = position else { return Ok(None) };
        let types: Vec<_> =
            described.columns.iter().map(|(_, oid, typmod)| (*oid, *typmod)).collect();
        let kinds = catalog::kinds(self.sql().await?, &types).await?;
        let Some(known) = self.known.get(position) else { return Ok(None) };
        let key = known.catalog.key();
        let columns = described.columns.iter().zip(kinds).map(|((name, ..), kind)| {
            crate::frame::DescribedColumn {
                name: name.clone(),
                semantic: kind.semantic,
                sql_type: kind.sql_type,
                is_key: key.contains(name),
            }
        });
        let description = RelationDescription {
            schema: described.schema.clone(),
            table: described.table.clone(),
            database: self.database.clone(),
            slot: self.settings.slot.as_str().to_owned(),
            identity: described.identity,
            columns: columns.collect(),
        };
        let bytes = description.to_bytes();
        let place = self.outbox.standing(&known.partition).and_then(|standing| standing.place);
        let place = place.as_deref().and_then(TablePlace::parse);
        let overlap = place.and_then(|place| Overlap::of(place, &known.catalog));
        Ok(Some(KnownRelation { description, bytes, overlap }))
    }
}

/// Milliseconds since 1970 by the clock of this machine.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
