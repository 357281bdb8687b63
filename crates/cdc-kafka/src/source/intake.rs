//! From the library's messages to record batches: which partitions are read, how far, and the one
//! batch that is being filled.
//!
//! The invariant kept here: batches of a partition join without a gap, because each starts at the
//! position where the last one ended, and a record before that position is never taken.

use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    BudgetLease, ByteBudget, NextOffset, Offset, Partition, RecordBatchBuilder, RecordParts,
    SourceEvent, Witness,
};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::context::RawPartition;
use super::outbox::Outbox;
use super::replaced::Replaced;

/// A batch is handed over at this size even while more is waiting, so that decoding starts early.
pub(super) const BATCH_BYTES_MAX: usize = 512 * 1024;

/// From where a partition is read, and when it counts as caught up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Where the log begins at this moment.
    pub(super) low: NextOffset,
    /// The position of the first record to take.
    pub(super) from: NextOffset,
    /// Where the log ends at this moment.
    pub(super) goal: NextOffset,
}

/// A partition that is being read.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) partition: Partition,
    pub(super) assignment: u64,
    /// The position up to which everything is in a batch.
    pub(super) next: NextOffset,
    /// Where the log ended when last reported.
    pub(super) end: Option<NextOffset>,
    /// Where the log ended when reading began, until that much was delivered.
    goal: Option<NextOffset>,
    /// The last record that was handed over.
    pub(super) witness: Option<Witness>,
    /// The size of the last batch, which the next one is likely to have too.
    usual_bytes: usize,
}

impl Slot {
    pub(super) fn new(
        partition: Partition,
        assignment: u64,
        Reach { from, goal, .. }: Reach,
    ) -> Self {
        let (next, goal) = (from, Some(goal));
        Self { partition, assignment, next, end: None, goal, witness: None, usual_bytes: 0 }
    }

    /// Whether nobody has been told yet that as much was delivered as the log held when reading began.
    pub(super) fn awaits_goal(&self) -> bool {
        self.goal.is_some()
    }

    /// Forgets a goal that lies at this position or before it.
    #[cfg(test)]
    pub(super) fn forget_goal_at(&mut self, position: NextOffset) {
        self.goal = self.goal.filter(|goal| *goal > position);
    }

    fn is(&self, topic: &str, number: i32) -> bool {
        self.partition.number().get() == number && self.partition.topic().as_str() == topic
    }
}

#[derive(Debug)]
struct Open {
    slot: usize,
    builder: RecordBatchBuilder,
    lease: BudgetLease,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There is room for more.
    More,
    /// A batch was handed over: budget must be granted before the next poll.
    HandedOver,
}

#[derive(Debug)]
pub(super) struct Intake {
    budget: ByteBudget,
    batch_bytes: usize,
    slots: Vec<Slot>,
    /// The slot of the last message: messages come in runs of one partition.
    current: usize,
    open: Option<Open>,
    grant: Option<BudgetLease>,
    /// Reused from message to message; see [`recycle`].
    headers: Vec<(&'static str, Option<&'static [u8]>)>,
    /// Messages taken, for the stall watchdog.
    messages: u64,
    /// Topics of which nothing is handed over any more.
    replaced: Arc<Replaced>,
}

impl Intake {
    pub(super) fn new(budget: ByteBudget, replaced: Arc<Replaced>) -> Self {
        // A quarter, so that with a tiny budget one batch can be read while another is applied.
        let batch_bytes = (budget.limit() / 4).clamp(1, BATCH_BYTES_MAX);
        Self {
            budget,
            batch_bytes,
            slots: Vec::new(),
            current: 0,
            open: None,
            grant: None,
            headers: Vec::new(),
            messages: 0,
            replaced,
        }
    }

    /// Makes sure that a batch may be filled, waiting up to `patience` for the budget.
    pub(super) fn granted(&mut self, patience: Duration) -> bool {
        let held = match &self.open {
            Some(open) => open.lease.bytes() > 0,
            None => self.grant.is_some(),
        };
        if held {
            return true;
        }
        let Some(lease) = self.budget.try_charge(self.batch_bytes, patience) else { return false };
        match &mut self.open {
            Some(open) => open.lease = lease,
            None => self.grant = Some(lease),
        }
        true
    }

    /// Whether records wait to be handed over.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Copies a message into the open batch, which is handed over first if it is another
    /// partition's, and afterwards if it is full.
    pub(super) fn take(&mut self, message: &BorrowedMessage<'_>, outbox: &mut Outbox) -> Taken {
        let Some(slot) = self.find(message.topic(), message.partition()) else {
            return Taken::More;
        };
        let Ok(offset) = Offset::try_new(message.offset()) else { return Taken::More };
        let handed_over = match &self.open {
            Some(open) if open.slot != slot => self.hand_over(outbox),
            Some(_) | None => Taken::More,
        };
        let Some(held) = self.slots.get_mut(slot) else { return handed_over };
        if offset.position() < held.next {
            // The library repeats records only after a reconnect; they are in a batch already.
            return handed_over;
        }
        let open = self.open.get_or_insert_with(|| Open {
            slot,
            builder: RecordBatchBuilder::new(held.partition.clone(), held.assignment, held.next)
                .with_capacity(held.usual_bytes),
            lease: self.grant.take().unwrap_or_else(|| self.budget.charge(0)),
        });
        let mut headers = recycle(std::mem::take(&mut self.headers));
        if let Some(sent) = message.headers() {
            headers.extend(sent.iter().map(|header| (header.key, header.value)));
        }
        open.builder.push(&RecordParts {
            offset,
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            value: message.payload(),
            headers: &headers,
        });
        self.headers = recycle(headers);
        held.next = offset.next();
        self.messages = self.messages.saturating_add(1);
        // A log that is written to all the time may never be seen at its end.
        if let Some(goal) = held.goal
            && held.next >= goal
        {
            held.goal = None;
            let partition = held.partition.clone();
            self.hand_over(outbox);
            outbox.push(Ok(SourceEvent::CaughtUp(partition)));
            return Taken::HandedOver;
        }
        if open.builder.bytes() >= self.batch_bytes {
            return self.hand_over(outbox);
        }
        handed_over
    }

    /// Hands the open batch over, if there is one.
    pub(super) fn hand_over(&mut self, outbox: &mut Outbox) -> Taken {
        let Some(open) = self.open.take() else { return Taken::More };
        let slot = self.slots.get(open.slot);
        if slot.is_some_and(|slot| self.replaced.contains(slot.partition.topic().as_str())) {
            return Taken::HandedOver;
        }
        let usual_bytes = open.builder.bytes().min(BATCH_BYTES_MAX);
        let batch = open.builder.finish(open.lease);
        if let Some(slot) = self.slots.get_mut(open.slot) {
            slot.usual_bytes = usual_bytes;
            let last = batch.last_before(batch.range().until());
            if let Some(last) = &last {
                slot.witness = Some(Witness::of(last));
            }
        }
        outbox.push(Ok(SourceEvent::Records(batch)));
        Taken::HandedOver
    }

    /// The end of a partition was reached at a position: covers what lies between the last record
    /// and it (markers of transactions, compacted records) and says so.
    pub(super) fn reach_end(&mut self, slot: usize, position: NextOffset, outbox: &mut Outbox) {
        if self.open.as_ref().is_some_and(|open| open.slot != slot) {
            self.hand_over(outbox);
        }
        let Some(held) = self.slots.get_mut(slot) else { return };
        if position > held.next {
            let open = self.open.get_or_insert_with(|| Open {
                slot,
                builder: RecordBatchBuilder::new(
                    held.partition.clone(),
                    held.assignment,
                    held.next,
                ),
                lease: self.grant.take().unwrap_or_else(|| self.budget.charge(0)),
            });
            open.builder.cover_until(position);
            held.next = position;
        }
        held.goal = None;
        let partition = held.partition.clone();
        self.hand_over(outbox);
        outbox.push(Ok(SourceEvent::CaughtUp(partition)));
    }

    /// Starts to read a partition, or reads it again from another position under another number.
    /// What is open of it is dropped.
    pub(super) fn start(&mut self, partition: Partition, assignment: u64, reach: Reach) {
        let found = self.slots.iter().position(|slot| slot.partition == partition);
        if self.open.as_ref().is_some_and(|open| Some(open.slot) == found) {
            self.open = None;
        }
        match found.and_then(|index| self.slots.get_mut(index)) {
            Some(slot) => {
                (slot.assignment, slot.next, slot.goal) =
                    (assignment, reach.from, Some(reach.goal));
            }
            None => self.slots.push(Slot::new(partition, assignment, reach)),
        }
    }

    /// Stops reading a partition. Call [`hand_over`](Self::hand_over) first: slots move.
    pub(super) fn stop(&mut self, partition: &Partition) {
        self.slots.retain(|slot| slot.partition != *partition);
    }

    /// What is read of a topic.
    pub(super) fn of_topic(&self, topic: &str) -> Vec<Partition> {
        let slots = self.slots.iter().map(|slot| &slot.partition);
        slots.filter(|partition| partition.topic().as_str() == topic).cloned().collect()
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether some log holds records beyond what was delivered.
    pub(super) fn awaits(&self) -> bool {
        self.slots.iter().any(|slot| slot.end.is_some_and(|end| end > slot.next))
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Notes where a log ends now. The partition, when that is news.
    pub(super) fn note_end(&mut self, raw: &RawPartition, end: NextOffset) -> Option<Partition> {
        let slot = self.slots.iter_mut().find(|slot| slot.is(&raw.0, raw.1))?;
        // Logs do not shrink, but statistics lag behind what the broker was asked.
        if slot.end.is_some_and(|known| end <= known) {
            return None;
        }
        slot.end = Some(end);
        Some(slot.partition.clone())
    }

    fn find(&mut self, topic: &str, number: i32) -> Option<usize> {
        if self.slots.get(self.current).is_none_or(|slot| !slot.is(topic, number)) {
            self.current = self.slots.iter().position(|slot| slot.is(topic, number))?;
        }
        Some(self.current)
    }
}

/// Gives an emptied list another lifetime and keeps its memory: collecting a `Vec`'s own iterator
/// reuses its allocation.
fn recycle<'to>(mut headers: Vec<(&str, Option<&[u8]>)>) -> Vec<(&'to str, Option<&'to [u8]>)> {
    headers.clear();
    headers.into_iter().map(|_| ("", None)).collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn recycling_headers_keeps_their_memory() {
        let mut headers = Vec::with_capacity(8);
        headers.push(("name", None));
        let before = headers.as_ptr();
        let after: Vec<(&'static str, Option<&'static [u8]>)> = recycle(headers);
        assert_eq!((after.capacity(), after.as_ptr()), (8, before));
    }

    #[test]
    fn the_end_of_a_log_covers_what_no_record_stands_for_and_is_reported_after_it() {
        let (sender, mut events) = mpsc::channel(8);
        let mut outbox = Outbox::new(sender);
        let mut intake = Intake::new(ByteBudget::new(1 << 20), Arc::default());
        let partition = Partition::new("t", 0, 0).unwrap();
        let [low, from, goal] = [0, 3, 5].map(|raw| NextOffset::try_new(raw).unwrap());
        intake.start(partition.clone(), 7, Reach { low, from, goal });
        assert!(intake.granted(Duration::ZERO));
        intake.reach_end(0, NextOffset::try_new(5).unwrap(), &mut outbox);
        let Ok(Ok(SourceEvent::Records(batch))) = events.try_recv() else { panic!("no batch") };
        assert_eq!((batch.range().to_string().as_str(), batch.len()), ("[3, 5)", 0));
        assert_eq!(batch.assignment(), 7);
        assert!(matches!(events.try_recv(), Ok(Ok(SourceEvent::CaughtUp(p))) if p == partition));
        assert!(intake.granted(Duration::ZERO));
        intake.reach_end(0, NextOffset::try_new(5).unwrap(), &mut outbox);
        assert!(matches!(events.try_recv(), Ok(Ok(SourceEvent::CaughtUp(_)))));
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn a_spent_budget_grants_nothing() {
        let budget = ByteBudget::new(100);
        let mut intake = Intake::new(budget.clone(), Arc::default());
        let rest = budget.charge(100);
        assert!(!intake.granted(Duration::ZERO));
        drop(rest);
        assert!(intake.granted(Duration::ZERO));
    }
}
