//! The task behind the source: which phase comes next, and what the engine's commands mean for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    Assignment, Classify as _, ErrorClass, Generation, NextOffset, Partition, PartitionNumber,
    ResumePoint, SourceEvent, SourceTable, TopicName, Witness, Witnesses, with_causes,
};
use tokio::sync::mpsc;

use super::acknowledged::Acknowledged;
use super::known::KnownTable;
use super::outbox::{Outbox, Standing};
use super::place::{Incarnation, TablePlace};
use super::status::StreamStatus;
use super::{Command, Numbers, STREAM_BEGIN};
use crate::snapshot::Held;
use crate::wire::{Client, Purpose};
use crate::{ReplicationError, ReplicationSettings};

/// The first pause after a lost connection; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a phase has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It has nothing more to do.
    Done,
    /// Some partition stands elsewhere: look again what is to be done.
    Again,
    /// The engine wants no more.
    Close,
}

/// The task's state. One owner, no locks but those of what it shares.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) settings: ReplicationSettings,
    tables: Vec<SourceTable>,
    topic: TopicName,
    generation: Generation,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) outbox: Outbox,
    pub(crate) acknowledged: Arc<Acknowledged>,
    pub(crate) status: Arc<StreamStatus>,
    numbers: Numbers,
    pub(crate) stream_partition: Partition,
    /// The session for questions; made when it is needed.
    sql: Option<Client>,
    /// Which server it is, since it was asked.
    pub(crate) identity: Option<Incarnation>,
    pub(crate) database: String,
    /// The configured tables as the source has them.
    pub(crate) known: Vec<KnownTable>,
    /// What the sink remembered of the partitions when they were resumed or rewound.
    recalled: BTreeMap<Partition, Arc<str>>,
    /// The snapshot that is being read, as long as the session that holds it lives.
    pub(crate) held: Option<Held>,
}

impl Worker {
    pub(crate) fn new(
        settings: ReplicationSettings,
        (tables, generation): (Vec<SourceTable>, Generation),
        (commands, outbox): (mpsc::UnboundedReceiver<Command>, Outbox),
        (acknowledged, status, numbers): (Arc<Acknowledged>, Arc<StreamStatus>, Numbers),
    ) -> Result<Self, ReplicationError> {
        let topic = TopicName::parse(settings.slot.as_str())
            .map_err(|error| super::prepare::unusable_topic(&error))?;
        let stream_partition = partition(&topic, generation, 0)?;
        Ok(Self {
            settings,
            tables,
            topic,
            generation,
            commands,
            outbox,
            acknowledged,
            status,
            numbers,
            stream_partition,
            sql: None,
            identity: None,
            database: String::new(),
            known: Vec::new(),
            recalled: BTreeMap::new(),
            held: None,
        })
    }

    /// Runs until the engine closes the source or something is fatal.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            self.outbox.fail(error).await;
        }
        if let Some(sql) = self.sql.take() {
            sql.close().await;
        }
    }

    async fn serve(&mut self) -> Result<(), ReplicationError> {
        if self.first_look().await? == Flow::Close {
            return Ok(());
        }
        let mut partitions = vec![self.stream_partition.clone()];
        partitions.extend(self.known.iter().map(|table| table.partition.clone()));
        let number = self.numbers.next();
        self.outbox.say(SourceEvent::Assigned(Assignment::new(partitions, number))).await?;
        if self.resumed(number).await == Flow::Close {
            return Ok(());
        }
        let mut pause = PAUSE_MIN;
        loop {
            match self.phases().await {
                Ok(Flow::Close) => return Ok(()),
                Ok(Flow::Done | Flow::Again) => pause = PAUSE_MIN,
                Err(error) => {
                    if self.waited_after(error, &mut pause).await? == Flow::Close {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Connects and looks around, however long the source is away.
    async fn first_look(&mut self) -> Result<Flow, ReplicationError> {
        let mut pause = PAUSE_MIN;
        loop {
            let tables = self.tables.clone();
            match self.prepare(&tables).await {
                Ok(()) => return Ok(Flow::Done),
                Err(error) => {
                    if self.waited_after(error, &mut pause).await? == Flow::Close {
                        return Ok(Flow::Close);
                    }
                }
            }
        }
    }

    /// Waits after an error that passes by itself, twice as long each time.
    ///
    /// # Errors
    ///
    /// One that does not pass.
    async fn waited_after(
        &mut self,
        error: ReplicationError,
        pause: &mut Duration,
    ) -> Result<Flow, ReplicationError> {
        if !is_passing(&error) {
            return Err(error);
        }
        tracing::warn!(error = %with_causes(&error), "the source is away: trying again");
        self.forget_sql();
        let flow = self.paused(*pause).await;
        *pause = pause.saturating_mul(2).min(PAUSE_MAX);
        Ok(flow)
    }

    /// Waits until the engine has handed the assignment back.
    async fn resumed(&mut self, number: u64) -> Flow {
        loop {
            match self.commands.recv().await {
                Some(Command::Resume { points }) => {
                    self.stand(number, points);
                    return Flow::Done;
                }
                Some(Command::Recall(witnesses)) => self.recall(witnesses),
                Some(Command::Rewind { .. }) => {}
                Some(Command::Close) | None => return Flow::Close,
            }
        }
    }

    /// The snapshot of what it has not been read of, then the stream.
    async fn phases(&mut self) -> Result<Flow, ReplicationError> {
        match self.snapshot().await? {
            Flow::Done => {}
            other @ (Flow::Again | Flow::Close) => return Ok(other),
        }
        self.held = None;
        self.stream().await
    }

    /// Hears a command while a phase runs. What the phase has to do about it.
    pub(crate) fn hear(&mut self, command: Option<Command>) -> Option<Flow> {
        match command {
            Some(Command::Recall(witnesses)) => {
                self.recall(witnesses);
                None
            }
            Some(Command::Rewind { number, points }) => {
                self.stand(number, points);
                Some(Flow::Again)
            }
            Some(Command::Resume { .. }) => None,
            Some(Command::Close) | None => Some(Flow::Close),
        }
    }

    async fn paused(&mut self, pause: Duration) -> Flow {
        let end = tokio::time::sleep(pause);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Flow::Done,
                command = self.commands.recv() => match self.hear(command) {
                    Some(Flow::Close) => return Flow::Close,
                    Some(Flow::Done | Flow::Again) | None => {}
                }
            }
        }
    }

    fn recall(&mut self, witnesses: Witnesses) {
        for (partition, witnesses) in witnesses {
            let place = witnesses.first().and_then(Witness::place).map(Arc::from);
            match place {
                Some(place) => self.recalled.insert(partition, place),
                None => self.recalled.remove(&partition),
            };
        }
    }

    /// Lets partitions stand where the sink does.
    fn stand(&mut self, number: u64, points: Vec<(Partition, ResumePoint)>) {
        for (partition, point) in points {
            let begin = if partition == self.stream_partition { STREAM_BEGIN } else { 0 };
            let begin = NextOffset::try_new(begin).unwrap_or(NextOffset::ZERO);
            let standing = match point {
                ResumePoint::Beginning => Standing { number, next: begin, place: None },
                ResumePoint::At(next) => {
                    self.acknowledged.stands(&partition, next);
                    let place = self.recalled.get(&partition).cloned();
                    Standing { number, next, place }
                }
            };
            self.outbox.stand(&partition, standing);
        }
    }

    /// The session for questions.
    pub(crate) async fn sql(&mut self) -> Result<&mut Client, ReplicationError> {
        let client = match self.sql.take() {
            Some(client) => client,
            None => Client::connect(&self.settings, Purpose::Sql).await?,
        };
        Ok(self.sql.insert(client))
    }

    /// Gives the session for questions up, because an exchange on it has failed.
    pub(crate) fn forget_sql(&mut self) {
        self.sql = None;
    }

    /// The partition in which the snapshot of a table stands.
    pub(crate) fn partition_of(&self, oid: u32) -> Result<Partition, ReplicationError> {
        let number = i32::try_from(oid).map_err(|_| super::prepare::oid_too_large(oid))?;
        partition(&self.topic, self.generation, number)
    }

    /// Where the snapshot of a table has come, when it has begun.
    pub(crate) fn table_place(
        &self,
        table: &KnownTable,
    ) -> Result<Option<TablePlace>, ReplicationError> {
        let standing = self.outbox.standing(&table.partition);
        let Some(standing) = standing.filter(|standing| standing.next > NextOffset::ZERO) else {
            return Ok(None);
        };
        let place = standing.place.as_deref().and_then(TablePlace::parse);
        place.map(Some).ok_or_else(|| self.no_way_back())
    }
}

fn partition(
    topic: &TopicName,
    generation: Generation,
    number: i32,
) -> Result<Partition, ReplicationError> {
    let number =
        PartitionNumber::try_new(number).map_err(|error| super::prepare::unusable_topic(&error))?;
    Ok(Partition::from_parts(topic.clone(), generation, number))
}

fn is_passing(error: &ReplicationError) -> bool {
    error.is_passing() || matches!(error.class(), ErrorClass::Transient | ErrorClass::Indeterminate)
}
