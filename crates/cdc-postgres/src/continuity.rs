//! The records by which logs are known again: kept with every entry of the ledger, so that they move
//! with the progress that they stand for, and read when a partition is acquired.

use std::collections::BTreeMap;

use cdc_core::{
    CheckpointDelta, KnownLog, NextOffset, Offset, Partition, TopicName, Witness, Witnesses,
    WriteBatch,
};

use crate::body::PostgresBody;
use crate::checkpoint::Parameters;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::{sql, state};

/// The last record before the checkpoint, and before positions that lie four times as far back each: what
/// retention or compaction has left of the log holds one of them most likely. An entry is found by the
/// key, so that neither the number of entries nor that of older ones without a record matters.
const LOAD: &str = "
SELECT DISTINCT wanted.number, entry.last_offset, entry.last_digest, entry.last_place
  FROM unnest($2::text[], $3::int4[], $4::int4[])
       WITH ORDINALITY AS wanted (topic, generation, partition, number)
  JOIN cdc.checkpoint AS held
    ON held.pipeline = $1
   AND (held.topic, held.generation, held.partition)
     = (wanted.topic, wanted.generation, wanted.partition)
 CROSS JOIN generate_series(0, 15) AS step
 CROSS JOIN LATERAL (
       SELECT booked.last_offset, booked.last_digest, booked.last_place
         FROM cdc.ledger AS booked
        WHERE (booked.pipeline, booked.run, booked.topic, booked.generation, booked.partition)
            = (held.pipeline, 0, held.topic, held.generation, held.partition)
          AND booked.first_offset <= held.next_offset - (4::numeric ^ step)::int8
        ORDER BY booked.first_offset DESC
        LIMIT 1) AS entry
 WHERE entry.last_digest IS NOT NULL AND entry.last_offset < held.next_offset
 ORDER BY wanted.number, entry.last_offset DESC";

/// The last record of each partition of a batch.
pub(crate) fn of(batch: &WriteBatch<PostgresBody>) -> BTreeMap<Partition, Witness> {
    let last = |partition: &Partition| Some((partition.clone(), batch.witness(partition)?));
    batch.delta().ranges().filter_map(|(partition, _)| last(partition)).collect()
}

/// The arguments of `cdc.advance_and_book` that keep them, in the order of the step's ranges.
pub(crate) fn arguments(
    delta: &CheckpointDelta,
    witnesses: &BTreeMap<Partition, Witness>,
) -> String {
    let column = |of: fn(&Witness) -> i64| {
        let numbers = delta.ranges().map(|(partition, _)| {
            let number = witnesses.get(partition).map(of);
            number.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
        });
        sql::numbers(numbers, "int8")
    };
    let offsets = column(|witness| witness.offset().get());
    // The server's integers have a sign; the bits are what counts.
    let digests = column(|witness| witness.digest().cast_signed());
    let places = delta.ranges().map(|(partition, _)| witnesses.get(partition)?.place());
    format!("{offsets}, {digests}, {}", sql::optional_texts(places))
}

/// What the logs of partitions are known by, newest first.
pub(crate) async fn load(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[Partition],
) -> Result<Witnesses, PostgresError> {
    let parameters = Parameters::of(partitions);
    let rows: Vec<(i64, i64, i64, Option<String>)> = sqlx::query_as(LOAD)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading by which records logs are known", error))?;
    let mut witnesses = Witnesses::new();
    for (number, offset, digest, place) in rows {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let partition = index.and_then(|index| partitions.get(index));
        // Nobody of ours has written a negative offset.
        if let (Some(partition), Ok(offset)) = (partition, Offset::try_new(offset)) {
            let witness = Witness::restore(offset, digest.cast_unsigned()).at_place(place);
            witnesses.entry(partition.clone()).or_default().push(witness);
        }
    }
    Ok(witnesses)
}

const APPLIED: &str = "
SELECT held.generation, held.partition, held.next_offset
  FROM cdc.checkpoint AS held
 WHERE held.pipeline = $1 AND held.topic = $2 AND held.next_offset IS NOT NULL
   AND held.generation = coalesce((SELECT max(known.generation) FROM cdc.topic AS known
                                    WHERE (known.pipeline, known.topic) = ($1, $2)), 0)
 ORDER BY held.partition";

/// How far the partitions of a topic are applied, and what each is known by, newest first. Partitions of
/// which nothing is applied are left out.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn applied_logs(
    settings: &PostgresSettings,
    topic: &TopicName,
) -> Result<Vec<KnownLog>, PostgresError> {
    let mut session = state::open(settings).await?;
    let rows: Vec<(i32, i32, i64)> = sqlx::query_as(APPLIED)
        .bind(settings.pipeline.as_str())
        .bind(topic.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading how far a topic is applied", error))?;
    let log = |(generation, number, next): &(i32, i32, i64)| {
        let partition =
            Partition::new(topic.as_str(), u32::try_from(*generation).ok()?, *number).ok()?;
        Some((partition, NextOffset::try_new(*next).ok()?))
    };
    let logs: Vec<_> = rows.iter().filter_map(log).collect();
    let partitions: Vec<_> = logs.iter().map(|(partition, _)| partition.clone()).collect();
    let mut witnesses = load(&mut session, &settings.pipeline, &partitions).await?;
    let known = logs.into_iter().map(|(partition, resume)| {
        let witnesses = witnesses.remove(&partition).unwrap_or_default();
        KnownLog { partition, resume, witnesses }
    });
    Ok(known.collect())
}
