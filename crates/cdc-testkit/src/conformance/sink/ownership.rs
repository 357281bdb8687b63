//! Who may move a partition, and what a lost session means.

use cdc_core::{Classify, ErrorClass, Partition, ResumePoint, Writer};

use super::SinkUnderTest;
use super::lane::{Trial, Wanted, at, failed, partition, records};
use crate::conformance::{Finding, ensure};

fn told(when: &str, found: &[ResumePoint], right: &[ResumePoint]) -> Finding {
    ensure(found == right, || {
        format!("{when}: expected to resume at {right:?}, was told {found:?}")
    })
}

pub(super) async fn acquire_answers_where_partitions_stand<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let (left, right) = (partition(0), partition(1));
    let both = [right.clone(), left.clone()];
    let mut lane = trial.lane().await?;
    let new = [ResumePoint::Beginning; 2];
    told("new partitions", &lane.acquire(&both).await?, &new)?;
    told("new partitions again", &lane.acquire(&both).await?, &new)?;
    let batch = lane.stage(&[records(&left, 40, &["c 1 one", "c 2 two"])]).await?;
    lane.apply(&batch).await?;
    let stands = [ResumePoint::Beginning, at(42)];
    told("the same lane", &lane.acquire(&both).await?, &stands)?;
    let mut other = trial.lane().await?;
    told("another lane", &other.acquire(&both).await?, &stands)?;
    let last = [partition(2), left];
    told("with another partition", &other.acquire(&last).await?, &stands)?;
    trial.holds("after acquiring", &Wanted::default().with(&batch)).await
}

pub(super) async fn refuses_a_batch_of_an_older_owner<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = [partition(0)];
    let [only] = &log;
    let mut old = trial.owner(&log).await?;
    let first = old.stage(&[records(only, 0, &["c 1 one"])]).await?;
    old.apply(&first).await?;
    let late = old.stage(&[records(only, 1, &["c 2 of the old owner"])]).await?;
    let mut new = trial.lane().await?;
    told("the new owner", &new.acquire(&log).await?, &[at(1)])?;
    old.fenced("another lane has acquired the partition", &late).await?;
    let wanted = Wanted::default().with(&first);
    trial.holds("after the old owner's batch", &wanted).await?;
    let batch = new.stage(&[records(only, 1, &["c 2 of the new owner"])]).await?;
    new.apply(&batch).await?;
    trial.holds("after the new owner's batch", &wanted.with(&batch)).await
}

pub(super) async fn refuses_a_batch_of_a_partition_it_does_not_own<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let (ours, foreign) = (partition(0), partition(1));
    let mut lane = trial.owner(std::slice::from_ref(&ours)).await?;
    let batch =
        lane.stage(&[records(&ours, 0, &["c 1 one"]), records(&foreign, 0, &["c 2 two"])]).await?;
    let class = lane.refused("it never acquired one of the partitions", &batch).await?;
    ensure(!matches!(class, ErrorClass::Transient | ErrorClass::Poison(_)), || {
        format!("a partition that is not owned is neither the data's fault nor a wait: {class:?}")
    })?;
    trial.holds("after the refusal", &Wanted::default()).await
}

pub(super) async fn releases_cleanly<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = [partition(0)];
    let [only] = &log;
    let mut first = trial.owner(&log).await?;
    let batch = first.stage(&[records(only, 0, &["c 1 one"])]).await?;
    first.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    first.writer.release(&log).await.map_err(|error| failed("release", &error))?;
    trial.holds("after the release", &wanted).await?;
    let late = first.stage(&[records(only, 1, &["c 2 late"])]).await?;
    first.refused("it released the partition", &late).await?;
    trial.holds("after a batch behind the release", &wanted).await?;
    let mut second = trial.lane().await?;
    told("the next owner", &second.acquire(&log).await?, &[at(1)])?;
    let batch = second.stage(&[records(only, 1, &["c 2 two"])]).await?;
    second.apply(&batch).await?;
    let wanted = wanted.with(&batch);
    second.writer.release(&log).await.map_err(|error| failed("release", &error))?;
    told("the first owner again", &first.acquire(&log).await?, &[at(2)])?;
    let batch = first.stage(&[records(only, 2, &["c 3 three"])]).await?;
    first.apply(&batch).await?;
    trial.holds("after both owned it", &wanted.with(&batch)).await
}

pub(super) async fn a_release_leaves_other_partitions_alone<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let logs: Vec<Partition> = (0..2).map(partition).collect();
    let (gone, kept) = (partition(0), partition(1));
    let mut lane = trial.owner(&logs).await?;
    let batch =
        lane.stage(&[records(&gone, 0, &["c 1 one"]), records(&kept, 0, &["c 2 two"])]).await?;
    lane.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    let released = lane.writer.release(std::slice::from_ref(&gone)).await;
    released.map_err(|error| failed("release", &error))?;
    let more = lane.stage(&[records(&kept, 1, &["c 3 three"])]).await?;
    lane.apply(&more).await?;
    trial.holds("after a batch of the partition that stayed", &wanted.with(&more)).await
}

pub(super) async fn after_a_lost_session_nothing_is_applied_before_acquire<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let log = [partition(0)];
    let [only] = &log;
    let mut lane = trial.owner(&log).await?;
    let first = lane.stage(&[records(only, 0, &["c 1 one"])]).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    let second = lane.stage(&[records(only, 1, &["c 2 two", "c 3 three"])]).await?;
    trial.break_sessions().await;
    lane.fenced("its session was lost", &second).await?;
    trial.holds("after the lost session", &wanted).await?;
    match lane.writer.apply(&second).await {
        Ok(()) => return Err("applied without having acquired after a lost session".to_owned()),
        Err(error) => ensure(!matches!(error.class(), ErrorClass::Poison(_)), || {
            format!("a lost session is blamed on the data: {error}")
        })?,
    }
    trial.holds("after applying without a session", &wanted).await?;
    told("after the lost session", &lane.acquire(&log).await?, &[at(1)])?;
    lane.apply(&second).await?;
    trial.holds("after acquiring and applying again", &wanted.with(&second)).await
}
