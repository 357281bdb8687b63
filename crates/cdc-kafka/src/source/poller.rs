//! The poll thread's loop: serve commands and the group, and in between move messages into batches.
//!
//! Every turn is bounded in time, so that a command waits for milliseconds and the group for at
//! most a second, whatever the engine, the budget and the broker do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use cdc_core::{ByteBudget, TopicName};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};

use super::context::Context;
use super::ends;
use super::group::{Group, list_of};
use super::intake::{Intake, Taken};
use super::logging::Occasionally;
use super::outbox::{Outbox, Room};
use super::position::end_position;
use super::replaced::Replaced;
use super::watchdog::Watchdog;
use super::{Acknowledged, Command, Numbers};
use crate::preflight::is_refusal;
use crate::{KafkaError, KafkaSettings};

/// How long one poll waits for a message while nothing is going on; a command waits as long.
const IDLE_WAIT: Duration = Duration::from_millis(10);

/// How long one turn waits for the budget or the engine while intake is blocked.
const BLOCKED_WAIT: Duration = Duration::from_millis(5);

/// For how long intake just stops polling before partitions are paused: pausing throws away what
/// was fetched ahead, so doing it for every short wait would fetch the same bytes for ever.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// How often a paused consumer polls, for the group's sake.
const PAUSED_POLL_EVERY: Duration = Duration::from_millis(200);

/// How often what was acknowledged is told to the group.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How long joining the group may take before it is said what is waited for. Without a member that
/// was killed it takes less, a new group's own delay of up to three seconds aside.
const JOINING_SILENT: Duration = Duration::from_secs(2);

/// A member that is fenced twice within this time has a twin.
const FENCED_AGAIN_WITHIN: Duration = Duration::from_mins(1);

/// Why intake is blocked, and since when.
#[derive(Debug, Clone, Copy)]
struct Blocked {
    since: Instant,
    polled: Instant,
    paused: bool,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Next,
    Last,
}

pub(super) struct Poller {
    settings: KafkaSettings,
    consumer: BaseConsumer<Context>,
    commands: Receiver<Command>,
    acknowledged: Acknowledged,
    outbox: Outbox,
    intake: Intake,
    replaced: Arc<Replaced>,
    /// Replaced topics that have been reported.
    ended: BTreeSet<String>,
    group: Group,
    watchdog: Watchdog,
    warnings: Occasionally,
    blocked: Option<Blocked>,
    /// Since when the group has been asked for partitions; `None` once it has given some, and once it
    /// has been said that it is waited for.
    joining: Option<Instant>,
    committed: Instant,
    /// Whose turn it is to be asked for its end.
    asked: usize,
    /// When another member last took the instance id.
    fenced: Option<Instant>,
}

impl Poller {
    pub(super) fn new(
        settings: KafkaSettings,
        consumer: BaseConsumer<Context>,
        commands: Receiver<Command>,
        acknowledged: Acknowledged,
        outbox: Outbox,
        (budget, numbers, replaced): (ByteBudget, Numbers, Arc<Replaced>),
    ) -> Self {
        let now = Instant::now();
        Self {
            watchdog: Watchdog::new(settings.stall_after(), now),
            group: Group::new(settings.clone(), numbers),
            settings,
            consumer,
            commands,
            acknowledged,
            outbox,
            intake: Intake::new(budget, Arc::clone(&replaced)),
            replaced,
            ended: BTreeSet::new(),
            warnings: Occasionally::every(Duration::from_secs(10)),
            blocked: None,
            joining: Some(now),
            committed: now,
            asked: 0,
            fenced: None,
        }
    }

    /// Runs until the source is closed or dropped.
    pub(super) fn run(mut self) {
        while self.turn() == Turn::Next {}
        self.commit();
        self.group.answer_before_closing(&self.consumer);
        // Dropping the consumer leaves the group, which polls until its partitions are given back.
        self.consumer.context().close();
    }

    fn turn(&mut self) -> Turn {
        loop {
            match self.commands.try_recv() {
                Ok(command) => {
                    if self.obey(command) == Turn::Last {
                        return Turn::Last;
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Turn::Last,
            }
        }
        self.group.proceed(&self.consumer, &mut self.intake, &mut self.outbox);
        if self.committed.elapsed() >= COMMIT_EVERY {
            self.commit();
        }
        match self.outbox.flush() {
            Room::Gone => return Turn::Last,
            Room::Full => return self.wait_for_engine(),
            Room::Free => {}
        }
        let patience = if self.blocked.is_some() { BLOCKED_WAIT } else { Duration::ZERO };
        if !self.intake.granted(patience) {
            self.intake.hand_over(&mut self.outbox);
            self.stay_blocked();
            return Turn::Next;
        }
        self.unblock();
        self.poll_until_quiet();
        self.serve_callbacks();
        Turn::Next
    }

    fn obey(&mut self, command: Command) -> Turn {
        match command {
            Command::Recall(witnesses) => self.group.recall(witnesses),
            Command::Resume { number, points } => self.group.resume(number, points),
            Command::Rewind { number, points } => self.group.rewind(number, points),
            Command::Relinquish { number, partitions } => {
                // Last chance to show the group how far this member came.
                self.commit();
                self.intake.hand_over(&mut self.outbox);
                self.group.relinquish(&self.consumer, &partitions, &mut self.intake);
                if self.group.is_rebuild(number) {
                    return self.rebuild();
                }
            }
            Command::Close => return Turn::Last,
        }
        Turn::Next
    }

    /// Takes messages as long as one is there at once: batches of one when caught up, full ones
    /// when behind, and no timer in between.
    fn poll_until_quiet(&mut self) {
        let mut patience = if self.intake.is_open() { Duration::ZERO } else { IDLE_WAIT };
        loop {
            let Self { consumer, intake, outbox, .. } = self;
            let error = match consumer.poll(patience) {
                None => {
                    intake.hand_over(outbox);
                    return;
                }
                Some(Ok(message)) => {
                    if intake.take(&message, outbox) == Taken::HandedOver {
                        break;
                    }
                    None
                }
                Some(Err(error)) => Some(error),
            };
            if let Some(error) = error {
                self.on_error(&error);
                break;
            }
            patience = Duration::ZERO;
        }
    }

    /// The engine has not taken the last events: nothing more is polled, commands still are.
    fn wait_for_engine(&mut self) -> Turn {
        self.stay_blocked();
        match self.commands.recv_timeout(BLOCKED_WAIT) {
            Ok(command) => self.obey(command),
            Err(RecvTimeoutError::Timeout) => Turn::Next,
            Err(RecvTimeoutError::Disconnected) => Turn::Last,
        }
    }

    fn stay_blocked(&mut self) {
        let now = Instant::now();
        self.watchdog.rest(now);
        let mut blocked =
            self.blocked.unwrap_or(Blocked { since: now, polled: now, paused: false });
        if !blocked.paused && now.duration_since(blocked.since) >= PAUSE_AFTER {
            self.pause();
            blocked.paused = true;
        }
        if blocked.paused && now.duration_since(blocked.polled) >= PAUSED_POLL_EVERY {
            // One message may still slip through; it is taken and charged beyond the budget.
            self.poll_once();
            blocked.polled = now;
        }
        self.blocked = Some(blocked);
    }

    fn poll_once(&mut self) {
        let Self { consumer, intake, outbox, .. } = self;
        let error = match consumer.poll(Duration::ZERO) {
            None => None,
            Some(Ok(message)) => {
                intake.take(&message, outbox);
                None
            }
            Some(Err(error)) => Some(error),
        };
        if let Some(error) = error {
            self.on_error(&error);
        }
        self.serve_callbacks();
        // Partitions that arrived meanwhile must not run free.
        self.pause();
    }

    fn pause(&self) {
        if let Err(error) = self.consumer.pause(&self.reading()) {
            tracing::debug!(error = %error, "pausing partitions failed");
        }
    }

    fn unblock(&mut self) {
        let Some(blocked) = self.blocked.take() else { return };
        self.watchdog.rest(Instant::now());
        if blocked.paused {
            tracing::debug!(
                paused_ms = blocked.since.elapsed().as_millis(),
                "the byte budget has room again: resuming"
            );
            if let Err(error) = self.consumer.resume(&self.reading()) {
                tracing::debug!(error = %error, "resuming paused partitions failed");
            }
        }
    }

    fn reading(&self) -> TopicPartitionList {
        list_of(self.intake.slots().iter().map(|slot| &slot.partition))
    }

    fn serve_callbacks(&mut self) {
        self.announce_joining();
        self.end_replaced();
        while let Some(rebalance) = self.consumer.context().take_rebalance() {
            self.joining = None;
            self.intake.hand_over(&mut self.outbox);
            self.group.note(rebalance, &self.consumer, &mut self.outbox);
        }
        if self.outbox.flush() != Room::Free {
            // Events would pile up; the context keeps the newest statistics until there is room.
            return;
        }
        let Some(snapshot) = self.consumer.context().take_snapshot() else { return };
        ends::report(&snapshot.ends, &mut self.intake, &mut self.outbox);
        // The statistics know ends from fetches, and what is paused is not fetched: how far a sink that
        // stands still is behind would never be told.
        let is_paused = self.blocked.is_some_and(|blocked| blocked.paused);
        let doubts = self.watchdog.doubts(self.intake.messages(), Instant::now());
        if (is_paused || doubts) && snapshot.connected {
            let Self { consumer, intake, outbox, asked, .. } = self;
            ends::ask_next(consumer, asked, intake, outbox);
        }
        let waiting = self.intake.awaits() && snapshot.connected && self.blocked.is_none();
        if self.watchdog.stalled(waiting, Instant::now()) {
            self.watchdog.rest(Instant::now());
            let silent_s = self.settings.stall_after().as_secs();
            tracing::warn!(silent_s, "the consumer has stalled: building it anew");
            self.intake.hand_over(&mut self.outbox);
            self.group.revoke_all(&mut self.outbox);
        }
    }

    /// Stops reading topics that were created again. What was taken of them last may be of the new one,
    /// and was not handed over.
    fn end_replaced(&mut self) {
        for topic in self.replaced.take_news(&self.ended) {
            self.intake.hand_over(&mut self.outbox);
            for partition in self.intake.of_topic(&topic) {
                self.intake.stop(&partition);
            }
            if let Ok(topic) = TopicName::parse(&topic) {
                self.outbox.push(Err(KafkaError::Recreated { topic }));
            }
            self.ended.insert(topic);
        }
    }

    /// Says once what a start is waiting for: after a crash it is the member that crashed.
    fn announce_joining(&mut self) {
        if self.joining.is_none_or(|since| since.elapsed() < JOINING_SILENT) {
            return;
        }
        self.joining = None;
        let seconds = self.settings.session_timeout().as_secs_f64();
        let hint = if self.settings.instance_id().is_some() {
            ""
        } else {
            "; with `instance_id` a restarted process has its partitions back at once"
        };
        tracing::info!(
            "waiting for the group {} to assign partitions: a member that was killed keeps its own \
             for up to {seconds} s{hint}",
            self.settings.group()
        );
    }

    fn on_error(&mut self, error: &DriverError) {
        let reason = self.consumer.context().take_reason();
        if let DriverError::PartitionEOF(number) = error {
            if let Some(position) = end_position(&reason) {
                let Self { consumer, intake, outbox, .. } = self;
                ends::reach(consumer, (*number, position), intake, outbox);
            }
            return;
        }
        if let DriverError::MessageConsumptionFatal(code) = error {
            self.on_end(*code);
            return;
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                // It does not say of which partition: all are looked at again.
                self.intake.hand_over(&mut self.outbox);
                self.group.look_again(&self.intake);
            }
            Some(code) if is_unknown_topic(code) => {
                self.outbox.push(Err(KafkaError::TopicGone { reason }));
            }
            Some(code) if is_refusal(code) => {
                self.outbox.push(Err(KafkaError::Refused { reason }));
            }
            // Everything else the library retries by itself, for ever.
            code => {
                if let Some(suppressed) = self.warnings.pass(Instant::now()) {
                    let error = code.map(|code| code.to_string()).unwrap_or_default();
                    tracing::warn!(error, reason, suppressed, "Kafka is disturbed: retrying");
                }
            }
        }
    }

    /// The consumer is of no use any more. A member that was away for too long, and joins again while the
    /// broker does not answer in time, may be taken for a second one with its own instance id: it joins
    /// once more. When there is a second one, that is now the one which is told, and does the same; so
    /// whoever is told again soon has to go.
    fn on_end(&mut self, code: RDKafkaErrorCode) {
        if self.group.awaits_rebuild() {
            return;
        }
        let now = Instant::now();
        let is_new = self.fenced.is_none_or(|last| now.duration_since(last) > FENCED_AGAIN_WITHIN);
        if code == RDKafkaErrorCode::FencedInstanceId && is_new {
            self.fenced = Some(now);
            tracing::warn!(
                "another member took the instance id {}: joining the group once more",
                self.settings.instance_id().unwrap_or_default()
            );
            self.intake.hand_over(&mut self.outbox);
            self.group.revoke_all(&mut self.outbox);
            return;
        }
        let error = self.fatal(code);
        self.outbox.push(Err(error));
    }

    fn fatal(&self, code: RDKafkaErrorCode) -> KafkaError {
        match (code, self.settings.instance_id()) {
            (RDKafkaErrorCode::FencedInstanceId, Some(instance_id)) => KafkaError::Fenced {
                group: self.settings.group().to_owned(),
                instance_id: instance_id.to_owned(),
            },
            (code, _) => KafkaError::ConsumerFailed { source: Box::new(code) },
        }
    }

    /// Replaces a consumer that is of no use any more, after everything it read from has been given back.
    fn rebuild(&mut self) -> Turn {
        match super::connect(&self.settings, &self.replaced) {
            Ok(consumer) => {
                let stalled = std::mem::replace(&mut self.consumer, consumer);
                stalled.context().close();
                drop(stalled);
                self.group.rebuilt();
                Turn::Next
            }
            Err(error) => {
                self.outbox.push(Err(error));
                Turn::Last
            }
        }
    }

    fn commit(&mut self) {
        self.committed = Instant::now();
        let acknowledged = std::mem::take(&mut *super::lock(&self.acknowledged));
        let owned = acknowledged.iter().filter(|(partition, _)| self.group.owns(partition));
        let list = super::group::list_at(owned.map(|(partition, next)| (partition, *next)));
        if list.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.commit(&list, rdkafka::consumer::CommitMode::Async) {
            tracing::debug!(error = %error, "committing to the group failed");
        }
    }
}

fn is_unknown_topic(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::InvalidTopic
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_must_change_ends_a_source() {
        for code in [
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::OperationTimedOut,
            RDKafkaErrorCode::Resolve,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::PollExceeded,
        ] {
            assert!(!is_unknown_topic(code) && !is_refusal(code), "{code}");
        }
        assert!(is_refusal(RDKafkaErrorCode::TopicAuthorizationFailed));
        assert!(is_unknown_topic(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
}
