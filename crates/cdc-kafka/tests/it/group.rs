//! Partitions that move between members of a group.

use std::time::{Duration, Instant};

use cdc_config::Secret;
use cdc_core::{ByteBudget, ResumePoint, Source, SourceEvent};
use tokio::time::timeout;

use crate::support::{OnRevoked, PATIENCE, Reader, Topic};

/// Polls both until a condition holds; members of one group need each other.
async fn both(
    first: &mut Reader,
    second: &mut Reader,
    what: &str,
    done: impl Fn(&Reader, &Reader) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(first, second) {
        assert!(Instant::now() < deadline, "not in time: {what}");
        first.during(Duration::from_millis(5)).await;
        second.during(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn f23_a_second_member_takes_over_some_partitions_and_the_others_keep_flowing() {
    let topic = Topic::create("share", 4);
    topic.publish(4, 0, 100);
    let mut first = Reader::start(topic.settings());
    first.until("all", |reader| reader.total() == 400).await;
    let before = first.numbers.clone();
    first.on_revoked = OnRevoked::Keep;

    let mut second = Reader::start(topic.settings());
    both(&mut first, &mut second, "a revocation", |first, _| !first.revoked.is_empty()).await;
    // Until the token returns the partitions are ours, and nobody else has them.
    second.during(Duration::from_millis(500)).await;
    assert!(second.numbers.is_empty(), "{:?}", second.numbers);
    let revocation = first.revoked.remove(0);
    let moved = revocation.partitions().to_vec();
    assert_eq!(moved.len(), 2);
    for partition in &moved {
        second.points.insert(partition.clone(), ResumePoint::At(first.next[partition]));
    }
    first.on_revoked = OnRevoked::Relinquish;
    first.relinquish(revocation).await;
    both(&mut first, &mut second, "the hand-over", |_, second| second.numbers.len() == 2).await;
    assert_eq!(second.numbers.keys().collect::<Vec<_>>(), moved.iter().collect::<Vec<_>>());
    // Those that stayed were never taken away: same numbers as before.
    for (partition, number) in &first.numbers {
        assert_eq!(before[partition], *number, "{partition}");
    }

    topic.publish(4, 100, 200);
    both(&mut first, &mut second, "the rest", |first, second| {
        first.total() + second.total() == 800
    })
    .await;
    assert_eq!((first.total(), second.total()), (400 + 200, 200));

    // The second leaves, and everything returns.
    for (partition, next) in &second.next {
        first.points.insert(partition.clone(), ResumePoint::At(*next));
    }
    second.close().await;
    first.until("all partitions again", |reader| reader.numbers.len() == 4).await;
    topic.publish(4, 200, 210);
    first.until("what came later", |reader| reader.total() == 600 + 40).await;
    first.close().await;
}

#[tokio::test]
async fn while_an_assignment_is_acquired_other_partitions_keep_flowing() {
    let topic = Topic::create("acquire", 2);
    let mut first = Reader::start(topic.settings());
    let mut second = Reader::start(topic.settings());
    both(&mut first, &mut second, "one each", |first, second| {
        first.numbers.len() == 1 && second.numbers.len() == 1
    })
    .await;
    let stays = first.numbers.keys().next().unwrap().clone();
    second.close().await;
    // The first is given the other partition, but the token is not returned.
    let assignment = loop {
        let event = timeout(PATIENCE, first.source.poll()).await.expect("an assignment in time");
        if let SourceEvent::Assigned(assignment) = event.unwrap() {
            break assignment;
        }
    };
    assert_eq!(assignment.partitions().len(), 1);
    topic.publish(2, 0, 20);
    first
        .until("what stays", |reader| {
            reader.values.get(&stays).is_some_and(|values| values.len() == 20)
        })
        .await;
    assert_eq!(first.total(), 20, "nothing is delivered before the token returns");
    let arrives = assignment.partitions()[0].clone();
    first.numbers.insert(arrives.clone(), assignment.number());
    let points = vec![(arrives, ResumePoint::Beginning)];
    first.source.resume(assignment, points).await.unwrap();
    first.until("what arrived", |reader| reader.total() == 40).await;
    first.close().await;
}

#[tokio::test]
async fn closing_with_tokens_outstanding_is_quick() {
    let topic = Topic::create("close", 4);
    let mut first = Reader::start(topic.settings());
    first.until("all", |reader| reader.caught_up.len() == 4).await;
    first.on_revoked = OnRevoked::Keep;
    let mut second = Reader::start(topic.settings());
    both(&mut first, &mut second, "a revocation", |first, _| !first.revoked.is_empty()).await;
    let started = Instant::now();
    first.close().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    second.until("all partitions", |reader| reader.numbers.len() == 4).await;
    second.close().await;
}

#[tokio::test]
async fn a_member_with_an_instance_id_returns_to_its_partitions_without_a_rebalance() {
    let topic = Topic::create("static", 2);
    let (left, right) =
        (topic.settings().with_instance_id("a"), topic.settings().with_instance_id("b"));
    let mut first = Reader::start(left);
    let mut second = Reader::start(right.clone());
    both(&mut first, &mut second, "one each", |first, second| {
        first.numbers.len() == 1 && second.numbers.len() == 1
    })
    .await;
    let held = second.numbers.keys().next().unwrap().clone();
    let revocations = first.revocations;
    second.close().await;
    let mut second = Reader::start(right);
    second.until("its partition again", |reader| reader.numbers.contains_key(&held)).await;
    first.during(Duration::from_millis(200)).await;
    assert_eq!((first.revocations, first.numbers.len()), (revocations, 1));
    second.close().await;
    first.close().await;
}

#[tokio::test]
async fn f25_a_sink_that_takes_longer_than_a_consumer_may_pause_keeps_its_partitions() {
    /// The broker's least; nobody may pause longer.
    const PAUSE_MAX: &str = "6000";

    let topic = Topic::create("slow-sink", 2);
    topic.publish(2, 0, 3_000);
    let mut settings = topic.settings();
    for name in ["session.timeout.ms", "max.poll.interval.ms"] {
        settings = settings.with_property(name, Secret::new(PAUSE_MAX)).unwrap();
    }
    // What the reader holds and does not give back is the batch that cannot be written.
    let mut reader = Reader::start_with(settings, ByteBudget::new(20_000));
    reader.kept = Some(Vec::new());
    reader.until("something", |reader| reader.total() > 0).await;
    let numbers = reader.numbers.clone();
    // Nobody asks the source for anything meanwhile.
    tokio::time::sleep(Duration::from_secs(8)).await;
    reader.kept = None;
    reader.until("everything", |reader| reader.total() == 6_000).await;
    assert_eq!((reader.revocations, &reader.numbers), (0, &numbers));
    reader.close().await;
}
