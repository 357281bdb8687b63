//! Where each log stands, who owns it, and the one statement that moves it.

use std::collections::BTreeMap;

use cdc_core::{CheckpointDelta, NextOffset, Partition, ResumePoint};
use sqlx::Row as _;

use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;
use crate::sql;

const REGISTER: &str = "
INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition)
SELECT $1, wanted.topic, wanted.generation, wanted.partition
  FROM unnest($2::text[], $3::int4[], $4::int4[]) AS wanted (topic, generation, partition)
    ON CONFLICT DO NOTHING";

/// Rows are locked in the order of their key, so that two writers never wait for each other.
const ACQUIRE: &str = "
WITH wanted AS (
    SELECT held.topic, held.generation, held.partition
      FROM cdc.checkpoint AS held
      JOIN unnest($2::text[], $3::int4[], $4::int4[]) AS w (topic, generation, partition)
        ON (held.topic, held.generation, held.partition) = (w.topic, w.generation, w.partition)
     WHERE held.pipeline = $1
     ORDER BY held.topic, held.generation, held.partition
       FOR UPDATE OF held)
UPDATE cdc.checkpoint AS held
   SET epoch = held.epoch + 1, owner = $5, backend_pid = pg_backend_pid(),
       backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
       updated_at = clock_timestamp()
  FROM wanted
 WHERE held.pipeline = $1
   AND (held.topic, held.generation, held.partition)
     = (wanted.topic, wanted.generation, wanted.partition)
RETURNING held.topic, held.generation, held.partition, held.epoch, held.next_offset";

const RELEASE: &str = "
UPDATE cdc.checkpoint AS held
   SET owner = NULL, backend_pid = NULL, backend_start = NULL, updated_at = clock_timestamp()
  FROM unnest($2::text[], $3::int4[], $4::int4[], $5::int8[])
       AS given (topic, generation, partition, epoch)
 WHERE held.pipeline = $1
   AND (held.topic, held.generation, held.partition, held.epoch)
     = (given.topic, given.generation, given.partition, given.epoch)";

/// The epochs under which partitions are owned.
pub(crate) type Epochs = BTreeMap<Partition, i64>;

/// The columns of the parameters of one statement, partition by partition.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) topics: Vec<String>,
    pub(crate) generations: Vec<i32>,
    pub(crate) numbers: Vec<i32>,
}

impl Parameters {
    pub(crate) fn of<'p>(partitions: impl IntoIterator<Item = &'p Partition>) -> Self {
        let mut parameters = Self::default();
        for partition in partitions {
            parameters.topics.push(partition.topic().to_string());
            parameters.generations.push(generation(partition));
            parameters.numbers.push(partition.number().get());
        }
        parameters
    }
}

/// Generations rise by hand, one at a time; the stager refuses rows of any that do not fit.
fn generation(partition: &Partition) -> i32 {
    i32::try_from(partition.generation().get()).unwrap_or(i32::MAX)
}

/// Takes partitions over: from now on only the epochs that it returns can move them.
pub(crate) async fn acquire(
    session: &mut Session,
    pipeline: &PipelineName,
    owner: &str,
    partitions: &[Partition],
) -> Result<Vec<(Partition, i64, ResumePoint)>, PostgresError> {
    let doing = "acquiring partitions";
    let parameters = Parameters::of(partitions);
    let driver = session.driver();
    sqlx::query(REGISTER)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .execute(&mut *driver)
        .await
        .map_err(|error| from_driver(doing, error))?;
    let rows = sqlx::query(ACQUIRE)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(owner)
        .fetch_all(&mut *driver)
        .await
        .map_err(|error| from_driver(doing, error))?;
    let mut held: BTreeMap<(String, i32, i32), (i64, Option<i64>)> = BTreeMap::new();
    for row in &rows {
        let read = || -> Result<_, sqlx::Error> {
            let key =
                (row.try_get("topic")?, row.try_get("generation")?, row.try_get("partition")?);
            Ok((key, (row.try_get("epoch")?, row.try_get("next_offset")?)))
        };
        let (key, value) = read().map_err(|error| from_driver(doing, error))?;
        held.insert(key, value);
    }
    partitions
        .iter()
        .map(|partition| {
            let number = partition.number().get();
            let key = (partition.topic().to_string(), generation(partition), number);
            let missing = || PostgresError::NotAcquired { partition: partition.clone() };
            let (epoch, next) = held.get(&key).ok_or_else(missing)?;
            let point = match next {
                None => ResumePoint::Beginning,
                Some(next) => ResumePoint::At(NextOffset::try_new(*next).map_err(|_| missing())?),
            };
            Ok((partition.clone(), *epoch, point))
        })
        .collect()
}

/// Gives partitions up, where they are still ours.
pub(crate) async fn release(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[(Partition, i64)],
) -> Result<(), PostgresError> {
    let parameters = Parameters::of(partitions.iter().map(|(partition, _)| partition));
    let epochs: Vec<i64> = partitions.iter().map(|(_, epoch)| *epoch).collect();
    sqlx::query(RELEASE)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(&epochs)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("releasing partitions", error))?;
    Ok(())
}

/// The last message of a transaction: the compare-and-set, then COMMIT. When the first raises, the
/// server does not execute the second.
///
/// # Errors
///
/// [`PostgresError::NotAcquired`] for a partition that is not in `epochs`.
pub(crate) fn advance_and_commit(
    pipeline: &PipelineName,
    delta: &CheckpointDelta,
    epochs: &Epochs,
) -> Result<String, PostgresError> {
    let mut held = Vec::with_capacity(delta.ranges().len());
    for (partition, _) in delta.ranges() {
        let missing = || PostgresError::NotAcquired { partition: partition.clone() };
        held.push(*epochs.get(partition).ok_or_else(missing)?);
    }
    let partitions = || delta.ranges().map(|(partition, _)| partition);
    Ok(format!(
        "SELECT cdc.advance({}, {}, {}, {}, {}, {}, {}); COMMIT",
        sql::literal(pipeline.as_str()),
        sql::texts(partitions().map(|partition| partition.topic().as_str())),
        sql::numbers(partitions().map(generation), "int4"),
        sql::numbers(partitions().map(|partition| partition.number().get()), "int4"),
        sql::numbers(delta.ranges().map(|(_, range)| range.from().get()), "int8"),
        sql::numbers(delta.ranges().map(|(_, range)| range.until().get()), "int8"),
        sql::numbers(held, "int8"),
    ))
}

#[cfg(test)]
mod tests {
    use cdc_core::OffsetRange;

    use super::*;

    fn step() -> (Partition, CheckpointDelta) {
        let partition = Partition::new("it's.public.orders", 2, 3).unwrap();
        let position = |raw| NextOffset::try_new(raw).unwrap();
        let range = OffsetRange::try_new(position(10), position(25)).unwrap();
        (partition.clone(), CheckpointDelta::single(partition, range))
    }

    #[test]
    fn the_last_message_names_every_partition_and_commits() {
        let (partition, delta) = step();
        let epochs = Epochs::from([(partition, 7)]);
        let pipeline = PipelineName::parse("orders").unwrap();
        insta::assert_snapshot!(
            advance_and_commit(&pipeline, &delta, &epochs).unwrap(),
            @"SELECT cdc.advance('orders', ARRAY['it''s.public.orders']::text[], ARRAY[2]::int4[], ARRAY[3]::int4[], ARRAY[10]::int8[], ARRAY[25]::int8[], ARRAY[7]::int8[]); COMMIT"
        );
    }

    #[test]
    fn a_partition_that_was_not_acquired_cannot_move() {
        let (_, delta) = step();
        let pipeline = PipelineName::parse("orders").unwrap();
        let error = advance_and_commit(&pipeline, &delta, &Epochs::new()).unwrap_err();
        assert!(matches!(error, PostgresError::NotAcquired { .. }));
    }
}
