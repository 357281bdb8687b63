//! Where logs begin and end: what the broker, the statistics and end-of-partition messages say.

use std::time::Duration;

use cdc_core::{NextOffset, Partition, SourceEvent};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as DriverError;

use super::context::{Context, RawPartition};
use super::intake::Intake;
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
    let fitting: Vec<(usize, Partition, NextOffset)> = intake
        .slots()
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.partition.number().get() == number && slot.next <= position)
        .map(|(index, slot)| (index, slot.partition.clone(), slot.next))
        .collect();
    let exact = fitting.iter().filter(|(_, _, next)| *next == position).count();
    for (index, partition, next) in &fitting {
        let sure = fitting.len() == 1 || (exact == 1 && *next == position);
        if !sure && exact == 1 {
            continue;
        }
        let at_end =
            sure || watermarks(consumer, partition).is_ok_and(|held| held.high == position);
        if at_end {
            intake.reach_end(*index, position, outbox);
        }
    }
}
