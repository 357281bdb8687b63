//! Batches that are prepared behind the one in front, by the lane's other writer if it has one.

use cdc_core::{Classify, ErrorClass, Partition, Sink, WriteBatch, Writer};

use super::SinkUnderTest;
use super::lane::{
    Batch, Lane, SinkLane, Trial, Wanted, apply_with, failed, fenced_by, partition, records,
};
use crate::conformance::{Finding, ensure};

/// A lane with all its writers, which the engine opens before it acquires.
struct Pair<S: Sink> {
    lane: Lane<S>,
    second: Option<S::Writer>,
}

impl<S: Sink> Pair<S> {
    /// Of the lane's writers the one that prepares behind the other.
    fn standby(&mut self) -> &mut S::Writer {
        self.second.as_mut().unwrap_or(&mut self.lane.writer)
    }

    async fn prepare(&mut self, batch: &Batch<S>) -> Finding {
        prepare_with(self.standby(), batch).await
    }
}

async fn prepare_with<W: Writer>(writer: &mut W, batch: &WriteBatch<W::Body>) -> Finding {
    let outcome = writer.prepare(batch).await;
    outcome.map_err(|error| failed(&format!("prepare {}", batch.delta()), &error))
}

/// A lane that owns partition 0, with all its writers.
async fn pair<U: SinkUnderTest>(trial: &Trial<'_, U>) -> Result<Pair<U::Sink>, String> {
    let mut lane = trial.lane().await?;
    let second = lane.writer.second().await;
    let second = second.map_err(|error| failed("open a second writer", &error))?;
    lane.acquire(&log()).await?;
    Ok(Pair { lane, second })
}

fn log() -> [Partition; 1] {
    [partition(0)]
}

/// Batches of two rows each that follow one another. All are staged, and planned for, before
/// anything is prepared.
async fn batches<U: SinkUnderTest, const COUNT: usize>(
    lane: &mut SinkLane<U>,
) -> Result<[Batch<U::Sink>; COUNT], String> {
    let mut batches = Vec::with_capacity(COUNT);
    for from in (0..).step_by(2).take(COUNT) {
        let values = [format!("c {from} left"), format!("c {from} right")];
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        batches.push(lane.stage(&[records(&partition(0), from, &values)]).await?);
    }
    Ok(batches.try_into().unwrap_or_else(|_| unreachable!("as many were staged as were wanted")))
}

pub(super) async fn a_prepared_batch_is_not_visible_before_it_is_applied<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let [front] = batches::<U, 1>(&mut pair.lane).await?;
    pair.prepare(&front).await?;
    trial.holds("after preparing", &Wanted::default()).await?;
    apply_with(pair.standby(), &front).await?;
    trial.holds("after applying what was prepared", &Wanted::default().with(&front)).await
}

pub(super) async fn a_prepared_batch_is_applied_after_the_one_in_front_of_it<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let batches = batches::<U, 5>(&mut pair.lane).await?;
    let Pair { lane, second } = &mut pair;
    let mut wanted = Wanted::default();
    let Some(second) = second else {
        for batch in &batches {
            prepare_with(&mut lane.writer, batch).await?;
            lane.apply(batch).await?;
            wanted = wanted.with(batch);
        }
        return trial.holds("after one writer", &wanted).await;
    };
    let (mut active, mut standby) = (&mut lane.writer, second);
    let mut rest = batches.iter();
    let mut front = rest.next();
    if let Some(front) = front {
        prepare_with(active, front).await?;
    }
    while let Some(batch) = front {
        front = rest.next();
        if let Some(behind) = front {
            prepare_with(standby, behind).await?;
        }
        apply_with(active, batch).await?;
        wanted = wanted.with(batch);
        trial.holds("with another batch prepared behind", &wanted).await?;
        std::mem::swap(&mut active, &mut standby);
    }
    Ok(())
}

pub(super) async fn a_prepared_batch_out_of_turn_is_refused_and_changes_nothing<
    U: SinkUnderTest,
>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    // A partition without progress may begin anywhere, so something has to be there before.
    let [first, front, behind] = batches::<U, 3>(&mut pair.lane).await?;
    pair.lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    pair.prepare(&behind).await?;
    fenced_by(pair.standby(), "the batch in front of it is not applied", &behind).await?;
    trial.holds("after a batch out of turn", &wanted).await?;
    pair.lane.acquire(&log()).await?;
    pair.lane.apply(&front).await?;
    let wanted = wanted.with(&front);
    trial.holds("after the batch in front", &wanted).await?;
    pair.prepare(&behind).await?;
    apply_with(pair.standby(), &behind).await?;
    trial.holds("after the same batch in its turn", &wanted.with(&behind)).await
}

pub(super) async fn an_abandoned_batch_leaves_nothing_and_can_be_applied_afterwards<
    U: SinkUnderTest,
>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let [front, behind, last] = batches::<U, 3>(&mut pair.lane).await?;
    // Twice, because the second time everything is warm.
    for _ in 0..2 {
        pair.prepare(&behind).await?;
        pair.standby().abandon().await;
        trial.holds("after abandoning", &Wanted::default()).await?;
    }
    apply_with(pair.standby(), &front).await?;
    let wanted = Wanted::default().with(&front);
    trial.holds("after another batch of the same writer", &wanted).await?;
    pair.lane.apply(&behind).await?;
    let wanted = wanted.with(&behind);
    trial.holds("after the abandoned batch", &wanted).await?;
    pair.standby().abandon().await;
    pair.prepare(&last).await?;
    apply_with(pair.standby(), &last).await?;
    trial.holds("after abandoning nothing", &wanted.with(&last)).await
}

pub(super) async fn another_batch_than_the_prepared_one_is_applied_alone<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let [front, behind] = batches::<U, 2>(&mut pair.lane).await?;
    pair.prepare(&behind).await?;
    apply_with(pair.standby(), &front).await?;
    let wanted = Wanted::default().with(&front);
    trial.holds("after another batch than the prepared one", &wanted).await?;
    apply_with(pair.standby(), &behind).await?;
    trial.holds("after the batch that was prepared first", &wanted.with(&behind)).await
}

pub(super) async fn a_refused_preparation_leaves_nothing_and_its_writer_usable<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    for text in u.refused_texts() {
        let trial = Trial::open(u).await;
        let mut pair = pair(&trial).await?;
        let refused = format!("c 8 {text}");
        let values = ["c 7 before it", refused.as_str(), "c 9 behind it"];
        let bad = pair.lane.stage(&[records(&partition(0), 2, &values)]).await?;
        let [front, behind] = batches::<U, 2>(&mut pair.lane).await?;
        match pair.standby().prepare(&bad).await {
            // The sink finds out when the batch is applied, which other cases look at.
            Ok(()) => pair.standby().abandon().await,
            Err(error) => ensure(matches!(error.class(), ErrorClass::Poison(_)), || {
                format!("a refused row is poison, not {:?}", error.class())
            })?,
        }
        trial.holds("after a refused preparation", &Wanted::default()).await?;
        apply_with(pair.standby(), &front).await?;
        let wanted = Wanted::default().with(&front);
        trial.holds("after another batch of the same writer", &wanted).await?;
        pair.prepare(&behind).await?;
        apply_with(pair.standby(), &behind).await?;
        trial.holds("after preparing again", &wanted.with(&behind)).await?;
    }
    Ok(())
}

pub(super) async fn a_prepared_batch_of_an_older_owner_is_refused<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let [late] = batches::<U, 1>(&mut pair.lane).await?;
    pair.prepare(&late).await?;
    // What is prepared holds nothing that the next owner has to wait for.
    let mut new = trial.owner(&log()).await?;
    fenced_by(pair.standby(), "another lane has acquired the partition", &late).await?;
    trial.holds("after the old owner's batch", &Wanted::default()).await?;
    let [batch] = batches::<U, 1>(&mut new).await?;
    new.apply(&batch).await?;
    trial.holds("after the new owner's batch", &Wanted::default().with(&batch)).await
}

pub(super) async fn a_prepared_batch_of_a_lost_session_is_not_applied<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let mut pair = pair(&trial).await?;
    let [front, behind] = batches::<U, 2>(&mut pair.lane).await?;
    pair.prepare(&front).await?;
    trial.break_sessions().await;
    fenced_by(pair.standby(), "its session was lost", &front).await?;
    trial.holds("after the lost session", &Wanted::default()).await?;
    // Each writer finds out by itself, and the engine tries again.
    if let Err(error) = pair.lane.writer.acquire(&log()).await {
        ensure(error.class() == ErrorClass::Indeterminate, || failed("acquire", &error))?;
        pair.lane.acquire(&log()).await?;
    }
    pair.prepare(&front).await?;
    apply_with(pair.standby(), &front).await?;
    let wanted = Wanted::default().with(&front);
    trial.holds("after preparing and applying again", &wanted).await?;
    pair.lane.apply(&behind).await?;
    trial.holds("after the other writer's batch", &wanted.with(&behind)).await
}
