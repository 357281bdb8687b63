//! What this member owns, and the answers that the group waits for.
//!
//! Partitions arrive and leave in two steps each: the library announces, the engine acquires or
//! drains, and only then the library is told. An announced arrival is answered at once with an
//! empty list, because the library holds back *all* partitions until it is answered, and acquiring
//! may take a while; the arrived partitions are added when their token returns. A departure is
//! answered when its token returns, so that nobody else starts before this member has finished;
//! until then the library delivers nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use cdc_core::{
    Assignment, Inquiry, NextOffset, Partition, PartitionNumber, ResumePoint, Revocation,
    SourceEvent, TopicName, Witnesses,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::Numbers;
use super::context::{Context, RawPartition, Rebalance};
use super::ends::watermarks;
use super::intake::{Intake, Reach};
use super::logging::Occasionally;
use super::outbox::Outbox;
use super::position::{Watermarks, start_position};
use crate::continuity::{Question, examine};
use crate::{KafkaError, KafkaSettings};

/// How long a failed look at the log waits for the next try.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How many records a log is known by at most.
const WITNESSES_MAX: usize = 32;

/// How long the group may take to say where its own offsets stand.
const COMMITTED_PATIENCE: Duration = Duration::from_millis(500);

/// How long a local seek may take; it needs no broker.
const SEEK_PATIENCE: Duration = Duration::from_secs(1);

/// Partitions to be read from given points, as soon as the broker says that the log holds them.
#[derive(Debug)]
struct Start {
    number: u64,
    points: Vec<(Partition, ResumePoint)>,
    not_before: Instant,
}

#[derive(Debug)]
pub(super) struct Group {
    settings: KafkaSettings,
    numbers: Numbers,
    /// What the group gave to this member and has not been given back.
    owned: BTreeSet<Partition>,
    /// What the library has been told to read; a part of `owned`.
    assigned: BTreeSet<Partition>,
    starts: VecDeque<Start>,
    /// What owned partitions are known by.
    recalled: Witnesses,
    /// Departures whose tokens have not returned.
    leaving: u64,
    /// The token at whose return a stalled consumer is replaced.
    rebuild: Option<u64>,
    warnings: Occasionally,
}

impl Group {
    pub(super) fn new(settings: KafkaSettings, numbers: Numbers) -> Self {
        Self {
            settings,
            numbers,
            owned: BTreeSet::new(),
            assigned: BTreeSet::new(),
            starts: VecDeque::new(),
            recalled: Witnesses::new(),
            leaving: 0,
            rebuild: None,
            warnings: Occasionally::every(Duration::from_secs(10)),
        }
    }

    pub(super) fn owns(&self, partition: &Partition) -> bool {
        self.owned.contains(partition)
    }

    pub(super) fn is_rebuild(&self, number: u64) -> bool {
        self.rebuild == Some(number)
    }

    /// Whether everything is being given back so that the consumer can be replaced.
    pub(super) fn awaits_rebuild(&self) -> bool {
        self.rebuild.is_some()
    }

    /// Another consumer has taken the place of the one before.
    pub(super) fn rebuilt(&mut self) {
        self.rebuild = None;
        self.leaving = 0;
    }

    /// Announces a change to the engine.
    pub(super) fn note(
        &mut self,
        rebalance: Rebalance,
        consumer: &BaseConsumer<Context>,
        outbox: &mut Outbox,
    ) {
        match rebalance {
            Rebalance::Assigned(raw) => {
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    outbox.push(Err(KafkaError::client("answer an assignment")(error)));
                }
                let partitions = self.named(&raw);
                tracing::info!(partitions = ?texts(&partitions), "partitions assigned");
                if partitions.is_empty() {
                    return;
                }
                self.owned.extend(partitions.iter().cloned());
                let assignment = Assignment::new(partitions, self.numbers.next());
                outbox.push(Ok(SourceEvent::Assigned(assignment)));
            }
            Rebalance::Revoked { partitions, lost } => {
                let partitions = self.named(&partitions);
                tracing::info!(partitions = ?texts(&partitions), lost, "partitions revoked");
                self.leaving = self.leaving.saturating_add(1);
                if partitions.is_empty() {
                    self.answer_departure(consumer, &TopicPartitionList::new());
                    return;
                }
                let revocation = Revocation::new(partitions, self.numbers.next());
                outbox.push(Ok(SourceEvent::Revoked(revocation)));
            }
        }
    }

    /// Announces that everything leaves, so that the consumer can be replaced.
    pub(super) fn revoke_all(&mut self, outbox: &mut Outbox) {
        if self.rebuild.is_some() {
            return;
        }
        let number = self.numbers.next();
        self.rebuild = Some(number);
        let partitions = self.owned.iter().cloned().collect();
        outbox.push(Ok(SourceEvent::Revoked(Revocation::new(partitions, number))));
    }

    pub(super) fn recall(&mut self, witnesses: Witnesses) {
        self.recalled.extend(witnesses);
    }

    /// Starts what is being read once more from where it stands: the broker has said that some position
    /// is not in its log, or that a topic is another one. What is open must have been handed over.
    pub(super) fn look_again(&mut self, intake: &Intake) {
        for slot in intake.slots() {
            let starts = self.starts.iter().flat_map(|start| &start.points);
            if starts.into_iter().any(|(partition, _)| *partition == slot.partition) {
                continue;
            }
            let known_by = self.recalled.entry(slot.partition.clone()).or_default();
            if let Some(witness) = &slot.witness
                && known_by.first() != Some(witness)
            {
                known_by.insert(0, witness.clone());
                known_by.truncate(WITNESSES_MAX);
            }
            let points = vec![(slot.partition.clone(), ResumePoint::At(slot.next))];
            self.resume(slot.assignment, points);
        }
    }

    pub(super) fn resume(&mut self, number: u64, points: Vec<(Partition, ResumePoint)>) {
        self.starts.push_back(Start { number, points, not_before: Instant::now() });
    }

    pub(super) fn rewind(&mut self, number: u64, points: Vec<(Partition, ResumePoint)>) {
        // A start that has not happened is overtaken: its point is older than this one.
        for start in &mut self.starts {
            start.points.retain(|(held, _)| points.iter().all(|(partition, _)| partition != held));
        }
        self.resume(number, points);
    }

    /// Gives partitions away. What is open must have been handed over.
    pub(super) fn relinquish(
        &mut self,
        consumer: &BaseConsumer<Context>,
        partitions: &[Partition],
        intake: &mut Intake,
    ) {
        let read: Vec<&Partition> =
            partitions.iter().filter(|partition| self.assigned.contains(*partition)).collect();
        // The library refuses a list with a partition that it was never told to read.
        let list = list_of(read.into_iter());
        for partition in partitions {
            intake.stop(partition);
            self.owned.remove(partition);
            self.assigned.remove(partition);
            self.recalled.remove(partition);
        }
        for start in &mut self.starts {
            start.points.retain(|(partition, _)| !partitions.contains(partition));
        }
        self.answer_departure(consumer, &list);
    }

    /// Gives the library the answer it may still be waiting for; without it closing would hang.
    pub(super) fn answer_before_closing(&mut self, consumer: &BaseConsumer<Context>) {
        while let Some(rebalance) = consumer.context().take_rebalance() {
            if let Rebalance::Revoked { .. } = rebalance {
                self.leaving = self.leaving.saturating_add(1);
            }
        }
        if self.leaving > 0 {
            let list = list_of(self.assigned.iter());
            self.answer_departure(consumer, &list);
        }
    }

    fn answer_departure(&mut self, consumer: &BaseConsumer<Context>, list: &TopicPartitionList) {
        self.leaving = self.leaving.saturating_sub(1);
        if let Err(error) = consumer.incremental_unassign(list) {
            tracing::warn!(error = %error, "giving partitions back failed");
        }
    }

    /// Starts what is due: asks what the log holds, then tells the library where to read.
    pub(super) fn proceed(
        &mut self,
        consumer: &BaseConsumer<Context>,
        intake: &mut Intake,
        outbox: &mut Outbox,
    ) {
        let due = self.starts.front().is_some_and(|start| start.not_before <= Instant::now());
        let Some(start) = self.starts.pop_front_if(|_| due) else { return };
        let mut begin = BTreeMap::new();
        let mut later = Vec::new();
        for (partition, point) in start.points {
            if !self.owned.contains(&partition) {
                continue;
            }
            // After the first failure the rest would most likely fail too, at two seconds each.
            let held = if later.is_empty() { watermarks(consumer, &partition).ok() } else { None };
            let reach = |held: Watermarks| {
                let from = start_position(&partition, point, held)?;
                Ok(Reach { low: held.low, from, goal: held.high })
            };
            match held.map(reach) {
                Some(Ok(reach)) => {
                    if point == ResumePoint::Beginning {
                        self.recalled.remove(&partition);
                    }
                    begin.insert(partition, reach);
                }
                Some(Err(error)) => outbox.push(Err(error)),
                None => later.push((partition, point)),
            }
        }
        let again = |(partition, reach): (_, Reach)| (partition, ResumePoint::At(reach.from));
        later.extend(self.set_aside_unknown(&mut begin, outbox).into_iter().map(again));
        let failed = self.begin(start.number, begin, consumer, intake);
        later.extend(failed.into_iter().map(again));
        if later.is_empty() {
            return;
        }
        if let Some(suppressed) = self.warnings.pass(Instant::now()) {
            let partitions = later.len();
            tracing::warn!(partitions, suppressed, "cannot start to read partitions yet: retrying");
        }
        let not_before = Instant::now() + RETRY_AFTER;
        self.starts.push_back(Start { number: start.number, points: later, not_before });
    }

    /// Takes out what must not be read because its log is not the one that was read. Returns what the
    /// broker did not say enough of.
    fn set_aside_unknown(
        &self,
        begin: &mut BTreeMap<Partition, Reach>,
        outbox: &mut Outbox,
    ) -> BTreeMap<Partition, Reach> {
        let question = |(partition, reach): (&Partition, &Reach)| {
            let known_by = self.recalled.get(partition).filter(|known_by| !known_by.is_empty())?;
            let inquiry = Inquiry::new(known_by, reach.low);
            Some(Question { partition: partition.clone(), resume: reach.from, inquiry })
        };
        let questions: Vec<_> = begin.iter().filter_map(question).collect();
        let asked: Vec<_> = questions.iter().map(|question| question.partition.clone()).collect();
        match examine(&self.settings, questions) {
            Ok(answers) => {
                for (partition, answer) in answers {
                    if let Err(error) = answer {
                        begin.remove(&partition);
                        outbox.push(Err(error));
                    }
                }
                BTreeMap::new()
            }
            Err(error) => {
                tracing::debug!(error = %error, "no answer whether topics are those that were read");
                asked.iter().filter_map(|partition| begin.remove_entry(partition)).collect()
            }
        }
    }

    /// Tells the library where to read. Returns what it did not take.
    fn begin(
        &mut self,
        number: u64,
        begin: BTreeMap<Partition, Reach>,
        consumer: &BaseConsumer<Context>,
        intake: &mut Intake,
    ) -> BTreeMap<Partition, Reach> {
        let (seek, assign): (BTreeMap<_, _>, BTreeMap<_, _>) =
            begin.into_iter().partition(|(partition, _)| self.assigned.contains(partition));
        let mut failed = BTreeMap::new();
        for (partition, reach) in seek {
            let (topic, raw) = (partition.topic().as_str(), partition.number().get());
            // Seeking bars what was fetched before, from the moment of the call.
            match consumer.seek(topic, raw, Offset::Offset(reach.from.get()), SEEK_PATIENCE) {
                Ok(()) => intake.start(partition, number, reach),
                Err(error) => {
                    tracing::debug!(partition = %partition, error = %error, "seeking failed");
                    failed.insert(partition, reach);
                }
            }
        }
        if assign.is_empty() {
            return failed;
        }
        self.warn_of_moved_offsets(consumer, &assign);
        let list = list_at(assign.iter().map(|(partition, reach)| (partition, reach.from)));
        match consumer.incremental_assign(&list) {
            Ok(()) => {
                for (partition, reach) in assign {
                    self.assigned.insert(partition.clone());
                    intake.start(partition, number, reach);
                }
            }
            Err(error) => {
                tracing::debug!(error = %error, "assigning failed");
                failed.extend(assign);
            }
        }
        failed
    }

    /// Says so when somebody has moved the group's own offsets forward in the hope that it is followed.
    /// Behind is where they stand after every crash.
    fn warn_of_moved_offsets(
        &self,
        consumer: &BaseConsumer<Context>,
        begin: &BTreeMap<Partition, Reach>,
    ) {
        let known = |partition: &&Partition| self.recalled.contains_key(*partition);
        let asked = list_of(begin.keys().filter(known));
        if asked.count() == 0 {
            return;
        }
        // Nothing rests on it, so that no answer is as good as any.
        let Ok(committed) = consumer.committed_offsets(asked, COMMITTED_PATIENCE) else { return };
        for (partition, reach) in begin {
            let (topic, number) = (partition.topic().as_str(), partition.number().get());
            let held = committed.find_partition(topic, number).map(|held| held.offset());
            if let Some(Offset::Offset(group)) = held
                && group > reach.from.get()
            {
                tracing::warn!(
                    %partition,
                    group,
                    "the group's offset stands beyond {}, where reading goes on: it is not followed, \
                     because progress is kept with the data; `cdc-pipeline ledger` shows it",
                    reach.from
                );
            }
        }
    }

    fn named(&self, raw: &[RawPartition]) -> Vec<Partition> {
        let mut partitions: Vec<Partition> = raw
            .iter()
            .filter_map(|(topic, number)| {
                let topic = TopicName::parse(topic).ok()?;
                let number = PartitionNumber::try_new(*number).ok()?;
                let generation = self.settings.generation(&topic);
                Some(Partition::from_parts(topic, generation, number))
            })
            .collect();
        partitions.sort();
        partitions
    }
}

fn texts(partitions: &[Partition]) -> Vec<String> {
    partitions.iter().map(ToString::to_string).collect()
}

pub(super) fn list_of<'p>(partitions: impl Iterator<Item = &'p Partition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(partition.topic().as_str(), partition.number().get());
    }
    list
}

pub(super) fn list_at<'p>(
    positions: impl Iterator<Item = (&'p Partition, NextOffset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, next) in positions {
        let (topic, number) = (partition.topic().as_str(), partition.number().get());
        let offset = Offset::Offset(next.get());
        if let Err(error) = list.add_partition_offset(topic, number, offset) {
            // Only negative positions are refused, and a `NextOffset` is never one.
            tracing::error!(partition = %partition, error = %error, "a position was refused");
        }
    }
    list
}
