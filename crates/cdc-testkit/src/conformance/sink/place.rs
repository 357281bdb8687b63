//! Where a source stood in its own terms: kept with the batch, and given back by whoever owns the log next.

use cdc_core::{Partition, Writer};

use super::SinkUnderTest;
use super::lane::{SinkLane, Trial, failed, partition, placed_records, records};
use crate::conformance::{Finding, ensure};

/// Everything that a place may hold: quotes and backslashes, and letters beyond ASCII.
const PLACE: &str = "s/7'\\\"/größe/";

async fn newest<U: SinkUnderTest>(
    lane: &mut SinkLane<U>,
    log: &[Partition; 1],
) -> Result<Option<(i64, Option<String>)>, String> {
    let held =
        lane.writer.witnesses(log).await.map_err(|error| failed("read witnesses", &error))?;
    let newest = held.get(&log[0]).and_then(|held| held.first());
    Ok(newest.map(|witness| (witness.offset().get(), witness.place().map(str::to_owned))))
}

pub(super) async fn the_place_of_the_last_record_comes_back<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = [partition(0)];
    let [only] = &log;
    let mut lane = trial.owner(&log).await?;
    let told = |when: &str, found: Option<(i64, Option<String>)>, offset: i64| {
        let right = Some((offset, Some(format!("{PLACE}{offset}"))));
        ensure(found == right, || format!("{when}: expected {right:?}, was told {found:?}"))
    };
    let none = newest::<U>(&mut lane, &log).await?;
    ensure(none.is_none(), || format!("a new partition has no place, was told {none:?}"))?;
    for from in [0, 2] {
        let values = ["c 1 one", "c 2 two"];
        let batch = lane.stage(&[placed_records(only, from, &values, PLACE)]).await?;
        lane.apply(&batch).await?;
    }
    lane.acquire(&log).await?;
    if newest::<U>(&mut lane, &log).await?.is_none() {
        // A sink that remembers no record does not remember where it stood either, and need not.
        return Ok(());
    }
    told("the same lane", newest::<U>(&mut lane, &log).await?, 3)?;
    // Refused as a whole, because it leaves a gap; then for one of its rows; then abandoned.
    let gap = lane.stage(&[placed_records(only, 5, &["c 3 gap"], "gap ")]).await?;
    lane.fenced("it leaves out offset 4", &gap).await?;
    for text in u.refused_texts() {
        lane.acquire(&log).await?;
        let values = ["c 4 fine", &format!("c 5 {text}")];
        let refused = lane.stage(&[placed_records(only, 4, &values, "refused ")]).await?;
        lane.refused("the server refuses a row", &refused).await?;
    }
    let abandoned =
        lane.stage(&[placed_records(only, 4, &["c 6 abandoned"], "abandoned ")]).await?;
    lane.writer.prepare(&abandoned).await.map_err(|error| failed("prepare", &error))?;
    lane.writer.abandon().await;
    let mut other = trial.owner(&log).await?;
    told("after batches that were not applied", newest::<U>(&mut other, &log).await?, 3)?;
    let plain = other.stage(&[records(only, 4, &["c 7 seven"])]).await?;
    other.apply(&plain).await?;
    let found = newest::<U>(&mut other, &log).await?;
    ensure(found == Some((4, None)), || format!("a record without place has none: {found:?}"))
}
