//! Reading again.

use cdc_core::ResumePoint;

use super::SourceUnderTest;
use super::reader::{Log, at};
use crate::conformance::{Finding, ensure};

/// Enough records for several batches of any source.
const MANY: usize = 3_000;

pub(super) async fn a_rewind_delivers_again_under_a_newer_number<U: SourceUnderTest>(
    u: &U,
) -> Finding {
    let mut log = Log::create(u, 1).await;
    log.fill_all(40).await;
    let only = log.partition(0);
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    reader.until_all(std::slice::from_ref(&only), 0).await?;
    for (point, first) in [(at(25), 25), (at(3), 3), (ResumePoint::Beginning, 0), (at(40), 40)] {
        reader.rewind(vec![(only.clone(), point)]).await?;
        reader.until_all(std::slice::from_ref(&only), first).await?;
        reader.settle().await?;
        ensure(reader.has_all_from(&only, first), || {
            "after the rewind something was delivered twice".to_owned()
        })?;
    }
    reader.log.fill_all(9).await;
    reader.until_all(&[only], 40).await
}

pub(super) async fn older_numbers_can_be_told_apart<U: SourceUnderTest>(u: &U) -> Finding {
    let mut log = Log::create(u, 1).await;
    log.fill_all(MANY).await;
    let only = log.partition(0);
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    for first in [2, 1, 4] {
        reader.until("something is delivered", |reader| reader.read_count(&only) > 0).await?;
        reader.rewind(vec![(only.clone(), at(first))]).await?;
        reader.until("some of it again", |reader| reader.read_count(&only) > 0).await?;
    }
    reader.until_all(&[only], 4).await
}

pub(super) async fn a_rewind_leaves_other_partitions_alone<U: SourceUnderTest>(u: &U) -> Finding {
    let log = Log::of_two(u, 60).await;
    let (again, other) = (log.partition(0), log.partition(1));
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    reader.until("something is delivered", |reader| reader.read_count(&again) > 0).await?;
    reader.rewind(vec![(again.clone(), at(1))]).await?;
    reader.until_all(std::slice::from_ref(&again), 1).await?;
    reader.until_all(std::slice::from_ref(&other), 0).await?;
    reader.settle().await?;
    ensure(reader.has_all_from(&other, 0), || "the other partition was delivered twice".to_owned())
}
