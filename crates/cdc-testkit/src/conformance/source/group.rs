//! Partitions that leave and return.

use cdc_core::{Partition, ResumePoint};

use super::SourceUnderTest;
use super::reader::{Log, Reader, at};
use crate::conformance::{Finding, ensure};

/// Two partitions, everything read, and a revocation of one of them in hand.
async fn about_to_lose_one<U: SourceUnderTest>(u: &U) -> Result<Reader<'_, U>, String> {
    let log = Log::of_two(u, 20).await;
    let all = log.partitions.clone();
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    reader.until_all(&all, 0).await?;
    u.revoke_some(&mut reader.log.place).await;
    reader.until("a partition is revoked", |reader| !reader.leaving.is_empty()).await?;
    Ok(reader)
}

/// Hands the revocation back: the partitions that left, and those that stayed.
async fn lose_some<U: SourceUnderTest>(
    reader: &mut Reader<'_, U>,
) -> Result<(Vec<Partition>, Vec<Partition>), String> {
    let gone = reader.relinquish().await?;
    let all = reader.log.partitions.iter().cloned();
    let kept: Vec<_> = all.filter(|partition| !gone.contains(partition)).collect();
    ensure(!gone.is_empty() && !kept.is_empty(), || {
        format!("expected to lose one of two partitions, lost {}", gone.len())
    })?;
    Ok((gone, kept))
}

pub(super) async fn a_relinquished_partition_is_silent<U: SourceUnderTest>(u: &U) -> Finding {
    let mut reader = about_to_lose_one(u).await?;
    let (_, kept) = lose_some(&mut reader).await?;
    // What follows was written when the source could long know that it had to be silent.
    reader.settle().await?;
    reader.log.fill_all(8).await;
    reader.until_all(&kept, 0).await?;
    reader.settle().await
}

pub(super) async fn others_go_on_after_partitions_left<U: SourceUnderTest>(u: &U) -> Finding {
    let mut reader = about_to_lose_one(u).await?;
    let leaving: Vec<_> = reader
        .leaving
        .iter()
        .flat_map(|revocation| revocation.partitions().iter().cloned())
        .collect();
    let all = reader.log.partitions.iter().cloned();
    let kept: Vec<_> = all.filter(|partition| !leaving.contains(partition)).collect();
    for partition in &kept {
        reader.log.fill(partition, 6).await;
    }
    // A source may stand still while a revocation waits: client libraries of brokers do.
    reader.settle().await?;
    let (_, kept) = lose_some(&mut reader).await?;
    for partition in &kept {
        reader.log.fill(partition, 6).await;
    }
    reader.until_all(&kept, 0).await
}

/// Loses a partition, and has its assignment in hand again.
async fn returned<U: SourceUnderTest>(
    u: &U,
) -> Result<(Reader<'_, U>, Vec<Partition>, Vec<Partition>), String> {
    let mut reader = about_to_lose_one(u).await?;
    let (gone, kept) = lose_some(&mut reader).await?;
    reader.settle().await?;
    u.give_back(&mut reader.log.place).await;
    let count = gone.len();
    reader
        .until("the partitions are assigned again", |reader| {
            let waiting = reader.waiting.iter();
            waiting.map(|assignment| assignment.partitions().len()).sum::<usize>() >= count
        })
        .await?;
    Ok((reader, gone, kept))
}

pub(super) async fn a_partition_that_returns_resumes_where_told<U: SourceUnderTest>(
    u: &U,
) -> Finding {
    let (mut reader, gone, kept) = returned(u).await?;
    reader.log.fill_all(5).await;
    reader.resume(|_| at(7)).await?;
    reader.until_all(&gone, 7).await?;
    reader.until_all(&kept, 0).await
}

pub(super) async fn others_go_on_while_an_assignment_waits<U: SourceUnderTest>(u: &U) -> Finding {
    let (mut reader, gone, kept) = returned(u).await?;
    reader.log.fill_all(5).await;
    reader.until_all(&kept, 0).await?;
    reader.settle().await?;
    reader.resume(|_| ResumePoint::Beginning).await?;
    reader.until_all(&gone, 0).await
}
