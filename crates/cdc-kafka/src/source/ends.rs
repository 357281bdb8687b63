//! Where logs begin and end: what the broker, the statistics and end-of-partition messages say.

use std::time::Duration;

use cdc_core::{NextOffset, Partition, SourceEvent};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as DriverError;

use super::context::{Context, RawPartition};
use super::intake::{Intake, Slot};
use super::outbox::Outbox;
use super::position::Watermarks;

/// The broker answers within this time, or the turn goes on without and tries again later.
const WATERMARK_PATIENCE: Duration = Duration::from_secs(2);

/// What the log of a partition holds now, for a reader of committed records.
pub(super) fn watermarks(
    consumer: &BaseConsumer<Context>,
    partition: &Partition,
) -> Result<Watermarks, DriverError> {
    let (topic, number) = (partition.topic().as_str(), partition.number().get());
    let (low, high) = consumer.fetch_watermarks(topic, number, WATERMARK_PATIENCE)?;
    let position = |raw: i64| NextOffset::try_new(raw.max(0)).unwrap_or(NextOffset::ZERO);
    Ok(Watermarks { low: position(low), high: position(high) })
}

/// Asks the broker where the log of one partition ends, of each in turn: one short question per
/// call, so that a quiet consumer with many partitions does not ask all the time.
pub(super) fn ask_next(
    consumer: &BaseConsumer<Context>,
    turn: &mut usize,
    intake: &mut Intake,
    outbox: &mut Outbox,
) {
    *turn = turn.wrapping_add(1);
    let index = turn.checked_rem(intake.slots().len());
    let Some(slot) = index.and_then(|index| intake.slots().get(index)) else { return };
    let Ok(held) = watermarks(consumer, &slot.partition) else { return };
    let raw = (slot.partition.topic().to_string(), slot.partition.number().get());
    report(&[(raw, held.high.get())], intake, outbox);
}

/// Reports where logs end now.
pub(super) fn report(ends: &[(RawPartition, i64)], intake: &mut Intake, outbox: &mut Outbox) {
    for (raw, end) in ends {
        let Ok(end) = NextOffset::try_new(*end) else { continue };
        if let Some(partition) = intake.note_end(raw, end) {
            outbox.push(Ok(SourceEvent::LogEnd(partition, end)));
        }
    }
}

/// The end of some partition with this number was reached. The library does not say of which
/// topic: when several fit, the log itself is asked.
pub(super) fn reach(
    consumer: &BaseConsumer<Context>,
    (number, position): (i32, NextOffset),
    intake: &mut Intake,
    outbox: &mut Outbox,
) {
    for Meant { slot, partition, is_sure } in meant(intake.slots(), (number, position)) {
        let at_end =
            is_sure || watermarks(consumer, &partition).is_ok_and(|held| held.high == position);
        if at_end {
            intake.reach_end(slot, position, outbox);
        }
    }
}

/// A partition that the end of a log can be about.
#[derive(Debug, PartialEq, Eq)]
struct Meant {
    slot: usize,
    partition: Partition,
    /// Whether no other partition can be meant.
    is_sure: bool,
}

/// The partitions that an end at this position can be about, and that have anything to learn from it.
///
/// Where several fit, only one that stands at the position can learn of it, and is asked, as the end may be
/// another's. Of one that stands before it nobody knows whether markers or records lie between: covering
/// them would lose those that are still to be taken. And logs that are written to in step have their ends
/// at the same positions, at every one of them: a question for each, which waits behind a fetch, would be
/// all that the thread does.
fn meant(slots: &[Slot], (number, position): (i32, NextOffset)) -> Vec<Meant> {
    let fits = |slot: &Slot| slot.partition.number().get() == number && slot.next <= position;
    let fitting = slots.iter().filter(|slot| fits(slot)).count();
    let exact = slots.iter().filter(|slot| fits(slot) && slot.next == position).count();
    let mut meant = Vec::new();
    for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| fits(slot)) {
        let is_exact = slot.next == position;
        // Saying once more that one is at its end changes nothing.
        let is_sure = fitting == 1 || (exact == 1 && is_exact && !slot.awaits_goal());
        if is_sure || (is_exact && slot.awaits_goal()) {
            meant.push(Meant { slot: index, partition: slot.partition.clone(), is_sure });
        }
    }
    meant
}

#[cfg(test)]
mod tests {
    use super::super::intake::Reach;
    use super::*;

    fn at(raw: i64) -> NextOffset {
        NextOffset::try_new(raw).unwrap()
    }

    /// Partition 0 of each topic, read from a position on, with a goal.
    fn slots(logs: &[(&str, i64, i64)]) -> Vec<Slot> {
        let slot = |(topic, from, goal): &(&str, i64, i64)| {
            let partition = Partition::new(topic, 0, 0).unwrap();
            let reach = Reach { low: at(0), from: at(*from), goal: at(*goal) };
            let mut slot = Slot::new(partition, 1, reach);
            slot.forget_goal_at(at(*from));
            slot
        };
        logs.iter().map(slot).collect()
    }

    fn meant_by(logs: &[(&str, i64, i64)], position: i64) -> Vec<(usize, bool)> {
        let found = meant(&slots(logs), (0, at(position)));
        found.into_iter().map(|meant| (meant.slot, meant.is_sure)).collect()
    }

    #[test]
    fn logs_that_end_at_the_same_position_are_not_asked_once_they_have_reached_their_goals() {
        assert_eq!(meant_by(&[("a", 9, 9), ("b", 9, 9)], 9), []);
        assert_eq!(meant_by(&[("a", 9, 12), ("b", 9, 9)], 9), [(0, false)]);
        assert_eq!(meant_by(&[("a", 9, 12), ("b", 9, 12)], 9), [(0, false), (1, false)]);
        // Neither is one that is still being read.
        assert_eq!(meant_by(&[("a", 9, 9), ("b", 9, 9), ("c", 4, 20)], 9), []);
    }

    #[test]
    fn the_only_one_that_fits_is_meant_and_of_several_none_that_may_have_records_to_take() {
        assert_eq!(meant_by(&[("a", 9, 9), ("b", 12, 12)], 9), [(0, true)]);
        assert_eq!(meant_by(&[("a", 9, 9), ("b", 4, 20)], 9), [(0, true)]);
        assert_eq!(meant_by(&[("a", 9, 12), ("b", 4, 20)], 9), [(0, false)]);
        assert_eq!(meant_by(&[("a", 8, 9), ("b", 3, 9)], 9), []);
        assert_eq!(meant_by(&[("a", 8, 9), ("b", 12, 12)], 9), [(0, true)]);
        assert_eq!(meant(&slots(&[("a", 9, 9)]), (1, at(9))), []);
    }
}
