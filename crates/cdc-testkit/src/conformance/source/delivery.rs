//! What is delivered, from where, and when.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use cdc_core::{
    Body, ByteBudget, CheckpointDelta, Classify, ErrorClass, OffsetRange, Receipt, ResumePoint,
    Source, SourceEvent, WriteBatch,
};
use tokio::time::timeout;

use super::SourceUnderTest;
use super::reader::{Entry, Log, Reader, at, next};
use crate::conformance::{Finding, chain, ensure};

pub(super) async fn nothing_is_delivered_before_resume<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 20).await;
    let all = log.partitions.clone();
    let mut reader = log.reader().await?;
    reader.settle().await?;
    reader.log.fill_all(5).await;
    reader.settle().await?;
    reader.resume_from_the_beginning().await?;
    reader.until_all(&all, 0).await
}

pub(super) async fn batches_join_without_a_gap<U: SourceUnderTest>(u: &U) -> Finding {
    let mut log = Log::create(u, 3).await;
    let all = log.partitions.clone();
    log.fill_all(100).await;
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    for _ in 0..10 {
        reader.log.fill_all(13).await;
        let first = reader.log.partition(0);
        reader.log.fill(&first, 5).await;
        let read = reader.read_count(&first);
        reader.until("more is delivered", |reader| reader.read_count(&first) > read).await?;
    }
    reader.until_all(&all, 0).await?;
    reader.settle().await?;
    ensure(all.iter().all(|partition| reader.has_all_from(partition, 0)), || {
        "something was delivered twice at the end".to_owned()
    })
}

pub(super) async fn starts_exactly_at_the_resume_point<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 30).await;
    let (middle, end) = (log.partition(0), log.partition(1));
    let mut reader = log.reader().await?;
    let first = middle.clone();
    reader.resume(|partition| if *partition == first { at(17) } else { at(30) }).await?;
    reader.until_all(std::slice::from_ref(&middle), 17).await?;
    reader.settle().await?;
    ensure(reader.read_count(&end) == 0, || "read before the resume point".to_owned())?;
    reader.log.fill_all(3).await;
    reader.until_all(std::slice::from_ref(&middle), 17).await?;
    reader.until_all(std::slice::from_ref(&end), 30).await
}

pub(super) async fn the_beginning_is_where_the_log_begins<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 30).await;
    let (cut, whole) = (log.partition(0), log.partition(1));
    u.forget_before(&log.place, &cut, next(12)).await;
    let mut reader = log.reader().await?;
    reader.kept = Some(Vec::new());
    reader.resume_from_the_beginning().await?;
    reader.until_all(std::slice::from_ref(&cut), 12).await?;
    reader.until_all(std::slice::from_ref(&whole), 0).await?;
    let kept = reader.kept.take().unwrap_or_default();
    for (partition, begins) in [(cut, 12), (whole, 0)] {
        let first = kept.iter().find(|batch| *batch.partition() == partition);
        let from = first.map(|batch| batch.range().from());
        ensure(from == Some(next(begins)), || {
            format!("{partition} begins at {begins}, but the first batch starts at {from:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn a_resume_point_that_the_log_lost_is_fatal<U: SourceUnderTest>(
    u: &U,
) -> Finding {
    let mut log = Log::create(u, 1).await;
    log.fill_all(50).await;
    let only = log.partition(0);
    u.forget_before(&log.place, &only, next(41)).await;
    let mut reader = log.reader().await?;
    let Some(assignment) = reader.waiting.pop() else { return Err("nothing assigned".to_owned()) };
    let points = vec![(only, at(26))];
    let resumed = reader.source.resume(assignment, points).await;
    let error = match resumed {
        Err(error) => error,
        Ok(()) => failure(&mut reader).await?,
    };
    let text = chain(&error);
    ensure(matches!(error.class(), ErrorClass::Fatal(_)), || {
        format!("a lost resume point is fatal, not {:?}: {text}", error.class())
    })?;
    ensure(text.contains("26") && text.contains("41"), || {
        format!("expected both positions, 26 and 41, in: {text}")
    })
}

/// Polls until the source fails; any record before that is a violation.
pub(super) async fn failure<U: SourceUnderTest>(
    reader: &mut Reader<'_, U>,
) -> Result<<U::Source as Source>::Error, String> {
    let waiting = async {
        loop {
            match reader.source.poll().await {
                Err(error) => return Ok(error),
                Ok(SourceEvent::Records(batch)) => {
                    let range = batch.range();
                    return Err(format!("delivered {range}, as if nothing were missing"));
                }
                Ok(
                    SourceEvent::Assigned(_)
                    | SourceEvent::Revoked(_)
                    | SourceEvent::CaughtUp(_)
                    | SourceEvent::LogEnd(..)
                    | SourceEvent::End,
                ) => {}
            }
        }
    };
    let patience = reader.log.under_test.patience();
    timeout(patience, waiting).await.map_err(|_| "what the log lost went unnoticed".to_owned())?
}

/// Waits until all partitions are said to have caught up, which must not be too early.
async fn until_caught_up<U: SourceUnderTest>(reader: &mut Reader<'_, U>) -> Finding {
    let all = reader.log.partitions.clone();
    reader
        .until("all partitions are said to have caught up", |reader| {
            all.iter().all(|partition| reader.caught_up.contains_key(partition))
        })
        .await?;
    for partition in &all {
        let (told, written) = (reader.caught_up.get(partition), reader.log.count(partition));
        ensure(told == Some(&written), || {
            format!("{partition} was said to have caught up after {told:?} of {written} records")
        })?;
    }
    Ok(())
}

pub(super) async fn says_when_it_has_caught_up<U: SourceUnderTest>(u: &U) -> Finding {
    let mut log = Log::create(u, 3).await;
    let (some, one) = (log.partition(0), log.partition(2));
    log.fill(&some, 30).await;
    log.fill(&one, 1).await;
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    until_caught_up(&mut reader).await
}

pub(super) async fn goes_on_after_catching_up<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 3).await;
    let all = log.partitions.clone();
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    until_caught_up(&mut reader).await?;
    for _ in 0..3 {
        // Later, so that what was delivered before can have no part in it.
        reader.settle().await?;
        reader.log.fill_all(6).await;
        reader.until_all(&all, 0).await?;
        reader
            .until("it is said again that all have caught up", |reader| {
                all.iter().all(|partition| reader.caught_up.contains_key(partition))
            })
            .await?;
    }
    Ok(())
}

pub(super) async fn the_budget_bounds_what_is_delivered<U: SourceUnderTest>(u: &U) -> Finding {
    const LIMIT: usize = 128 * 1024;
    const RECORDS: usize = 800;
    let mut log = Log::create(u, 2).await;
    let all = log.partitions.clone();
    // Each begins in its own way: a beginning that records share is held once.
    let entry =
        |index| Entry { value: Some(format!("{index:x<1000}").into_bytes()), ..Entry::default() };
    for partition in &all {
        log.append(partition, (0..RECORDS).map(entry).collect()).await;
    }
    let budget = ByteBudget::new(LIMIT);
    let mut reader = log.reader_with(budget.clone()).await?;
    reader.kept = Some(Vec::new());
    reader.resume_from_the_beginning().await?;
    let mut read = 0;
    while !all.iter().all(|partition| reader.has_all_from(partition, 0)) {
        reader
            .until("more is delivered into a free budget", |reader| {
                all.iter().map(|partition| reader.read_count(partition)).sum::<usize>() > read
            })
            .await?;
        // A few times it is seen that a spent budget is respected; then memory is freed at once.
        if read < RECORDS / 2 {
            reader.settle().await?;
        }
        read = all.iter().map(|partition| reader.read_count(partition)).sum();
        let kept = reader.kept.replace(Vec::new()).unwrap_or_default();
        let held: usize = kept.iter().map(|batch| batch.len().saturating_mul(1_000)).sum();
        let spent = budget.spent();
        ensure(spent >= held, || {
            format!("{held} bytes of records are held, but only {spent} are charged")
        })?;
        ensure(held <= LIMIT.saturating_mul(2), || {
            format!("{held} bytes of records were delivered into a budget of {LIMIT}")
        })?;
    }
    reader.kept = None;
    Ok(())
}

pub(super) async fn a_dropped_poll_loses_nothing<U: SourceUnderTest>(u: &U) -> Finding {
    /// After so many dropped polls one is waited for, so that slow sources get on.
    const DROPPED: usize = 20;
    let mut log = Log::create(u, 2).await;
    let all = log.partitions.clone();
    log.fill_all(40).await;
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    let started = tokio::time::Instant::now();
    let mut round: usize = 0;
    while !all.iter().all(|partition| reader.has_all_from(partition, 0)) {
        ensure(started.elapsed() < u.patience(), || "something was lost".to_owned())?;
        round = round.saturating_add(1);
        let event = {
            let mut poll = pin!(reader.source.poll());
            poll_fn(|context| {
                Poll::Ready(match poll.as_mut().poll(context) {
                    Poll::Ready(event) => Some(event),
                    Poll::Pending => None,
                })
            })
            .await
        };
        let event = match event {
            None if round.is_multiple_of(DROPPED) => {
                timeout(u.quiet(), reader.source.poll()).await.ok()
            }
            event => event,
        };
        match event {
            Some(event) => reader.take(event.map_err(|error| chain(&error))?)?,
            None => tokio::time::sleep(u.quiet() / 100).await,
        }
        if round == DROPPED {
            reader.log.fill_all(10).await;
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct NoRows;

impl Body for NoRows {
    fn bytes(&self) -> usize {
        0
    }

    fn folded(&self, _batch: u32) -> u64 {
        0
    }

    fn clear(&mut self) {}
}

/// Proof for a source that everything up to `until` is durable.
fn receipt(partition: &cdc_core::Partition, until: cdc_core::NextOffset) -> Receipt {
    let range = OffsetRange::try_new(next(0), until).expect("nothing lies before zero");
    let delta = CheckpointDelta::single(partition.clone(), range);
    let lease = ByteBudget::new(1).charge(0);
    WriteBatch::new(Vec::new(), NoRows, delta, Vec::new(), Vec::new(), lease).finish().0
}

pub(super) async fn acknowledging_loses_nothing<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 40).await;
    let all = log.partitions.clone();
    let first = log.partition(0);
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    let mut acknowledged = 0;
    while !all.iter().all(|partition| reader.has_all_from(partition, 0)) {
        let read = reader.read_count(&first);
        if read > acknowledged {
            acknowledged = read;
            let until = reader.next_of(&first).unwrap_or(next(0));
            let answer = reader.source.acknowledge(&receipt(&first, until)).await;
            answer.map_err(|error| format!("cannot acknowledge: {}", chain(&error)))?;
        }
        let before: usize = all.iter().map(|partition| reader.read_count(partition)).sum();
        reader
            .until("more is delivered", |reader| {
                all.iter().map(|partition| reader.read_count(partition)).sum::<usize>() > before
            })
            .await?;
    }
    let until = reader.next_of(&first).unwrap_or(next(0));
    let answer = reader.source.acknowledge(&receipt(&first, until)).await;
    answer.map_err(|error| format!("cannot acknowledge: {}", chain(&error)))?;
    reader.log.fill_all(10).await;
    reader.until_all(&all, 0).await
}

pub(super) async fn closing_ends<U: SourceUnderTest>(u: &U) -> Finding {
    let ends = |what: &'static str, source: U::Source| async move {
        let closed = timeout(u.patience(), source.close()).await;
        closed.map_err(|_| format!("closing did not end {what}"))
    };
    let reader = Log::of_two(u, 20).await.reader().await?;
    ends("while an assignment waits", reader.source).await?;

    let budget = ByteBudget::new(1 << 20);
    let log = Log::of_two(u, 20).await;
    let all = log.partitions.clone();
    let mut reader = log.reader_with(budget.clone()).await?;
    reader.resume(|_| ResumePoint::Beginning).await?;
    reader.until_all(&all, 0).await?;
    u.revoke_some(&mut reader.log.place).await;
    reader.until("a partition is revoked", |reader| !reader.leaving.is_empty()).await?;
    ends("while a revocation waits", reader.source).await?;
    let spent = budget.spent();
    ensure(spent == 0, || format!("{spent} bytes are charged after closing"))
}
