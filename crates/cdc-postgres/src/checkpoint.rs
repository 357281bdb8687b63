//! Where each log stands, who owns it, and the one statement that moves it.

use std::collections::BTreeMap;
use std::time::Duration;

use cdc_core::{CheckpointDelta, NextOffset, Partition, ResumePoint, SourceMarks, Tally, Witness};
use sqlx::Row as _;
use tokio::time::Instant;

use crate::error::{PostgresError, from_driver};
use crate::owner::OwnerName;
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::sql::{self, millis};
use crate::{continuity, fencing, ledger, source_marks, topics};

/// How long one attempt to raise an epoch waits for a lock. Whoever holds it may have come after the
/// former owners were looked up, so they are looked up again.
const RAISE_LOCK_WAIT: Duration = Duration::from_millis(200);

const REGISTER: &str = "
INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition)
SELECT $1, wanted.topic, wanted.generation, wanted.partition
  FROM unnest($2::text[], $3::int4[], $4::int4[]) AS wanted (topic, generation, partition)
    ON CONFLICT DO NOTHING";

/// A plain read, which no lock of a frozen owner holds up.
const FORMER_OWNERS: &str = "
SELECT DISTINCT held.owner
  FROM cdc.checkpoint AS held
  JOIN unnest($2::text[], $3::int4[], $4::int4[]) AS w (topic, generation, partition)
    ON (held.topic, held.generation, held.partition) = (w.topic, w.generation, w.partition)
 WHERE held.pipeline = $1 AND held.owner <> $5";

/// Rows are locked in the order of their key, so that two writers never wait for each other.
const ACQUIRE: &str = "
WITH wanted AS (
    SELECT held.topic, held.generation, held.partition, held.owner
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
RETURNING held.topic, held.generation, held.partition, held.epoch, held.next_offset,
          wanted.owner AS former";

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
pub(crate) fn generation(partition: &Partition) -> i32 {
    i32::try_from(partition.generation().get()).unwrap_or(i32::MAX)
}

/// A partition, the epoch under which it is held, and where it resumes.
pub(crate) type Acquired = (Partition, i64, ResumePoint);

/// Takes partitions over: from now on only the epochs that it returns can move them, and no session
/// of whoever had them lives on.
///
/// Every statement is a transaction of its own, so that a process which freezes between two of them
/// holds no lock.
pub(crate) async fn acquire(
    session: &mut Session,
    settings: &PostgresSettings,
    owner: &OwnerName,
    partitions: &[Partition],
) -> Result<Vec<Acquired>, PostgresError> {
    topics::require_known(session, &settings.pipeline, partitions).await?;
    let parameters = Parameters::of(partitions);
    let patience = settings.lock_timeout;
    let deadline = (!patience.is_zero()).then(|| Instant::now() + patience);
    loop {
        let ended = former_owners(session, &settings.pipeline, owner, &parameters).await?;
        fencing::end_sessions(session, &ended, &[]).await?;
        let wait = |wait| format!("SET lock_timeout = {}", millis(wait));
        session.execute(ACQUIRING, &wait(RAISE_LOCK_WAIT)).await?;
        let raised = raise(session, &settings.pipeline, owner, (&parameters, partitions)).await;
        if !raised.as_ref().is_err_and(PostgresError::ends_session) {
            session.execute(ACQUIRING, &wait(patience)).await?;
        }
        match raised {
            Ok((acquired, mut formers)) => {
                // Somebody may have been quicker, only to freeze in turn.
                formers.retain(|former| former != owner.as_str() && !ended.contains(former));
                fencing::end_sessions(session, &formers, &[]).await?;
                return Ok(acquired);
            }
            Err(PostgresError::Server { sqlstate, .. })
                if sqlstate == LOCK_TIMEOUT && deadline.is_none_or(|end| Instant::now() < end) => {}
            Err(error) => return Err(error),
        }
    }
}

const ACQUIRING: &str = "acquiring partitions";

/// The code of a lock that was not granted in time.
pub(crate) const LOCK_TIMEOUT: &str = "55P03";

async fn former_owners(
    session: &mut Session,
    pipeline: &PipelineName,
    owner: &OwnerName,
    parameters: &Parameters,
) -> Result<Vec<String>, PostgresError> {
    sqlx::query_scalar(FORMER_OWNERS)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(owner.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("looking up who had the partitions", error))
}

/// Raises the epochs, and says who had the partitions until then.
async fn raise(
    session: &mut Session,
    pipeline: &PipelineName,
    owner: &OwnerName,
    (parameters, partitions): (&Parameters, &[Partition]),
) -> Result<(Vec<Acquired>, Vec<String>), PostgresError> {
    let failed = |error| from_driver(ACQUIRING, error);
    let driver = session.driver();
    sqlx::query(REGISTER)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .execute(&mut *driver)
        .await
        .map_err(failed)?;
    let rows = sqlx::query(ACQUIRE)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(owner.as_str())
        .fetch_all(&mut *driver)
        .await
        .map_err(failed)?;
    let mut held: BTreeMap<(String, i32, i32), (i64, Option<i64>)> = BTreeMap::new();
    let mut formers: Vec<String> = Vec::new();
    for row in &rows {
        let read = || -> Result<_, sqlx::Error> {
            let key =
                (row.try_get("topic")?, row.try_get("generation")?, row.try_get("partition")?);
            Ok((key, (row.try_get("epoch")?, row.try_get("next_offset")?)))
        };
        let (key, value) = read().map_err(failed)?;
        held.insert(key, value);
        formers.extend(row.try_get::<Option<String>, _>("former").map_err(failed)?);
    }
    let acquired = partitions.iter().map(|partition| {
        let number = partition.number().get();
        let key = (partition.topic().to_string(), generation(partition), number);
        let missing = || PostgresError::NotAcquired { partition: partition.clone() };
        let (epoch, next) = held.get(&key).ok_or_else(missing)?;
        let point = match next {
            None => ResumePoint::Beginning,
            Some(next) => ResumePoint::At(NextOffset::try_new(*next).map_err(|_| missing())?),
        };
        Ok((partition.clone(), *epoch, point))
    });
    Ok((acquired.collect::<Result<Vec<Acquired>, PostgresError>>()?, formers))
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

/// What the last message of a transaction says of its batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'b> {
    /// The step of progress.
    pub(crate) delta: &'b CheckpointDelta,
    /// Where the records of each range ended.
    pub(crate) tallies: &'b BTreeMap<Partition, Tally>,
    /// How far connectors have sent, where that has moved.
    pub(crate) marks: &'b BTreeMap<Partition, SourceMarks>,
    /// The last record of each range.
    pub(crate) witnesses: &'b BTreeMap<Partition, Witness>,
}

/// The last message of a transaction: the compare-and-set with the ledger's entries, then COMMIT. When
/// the first raises, the server does not execute the second.
///
/// # Errors
///
/// [`PostgresError::NotAcquired`] for a partition that is not in `epochs`.
pub(crate) fn advance_and_commit(
    pipeline: &PipelineName,
    step: Step<'_>,
    epochs: &Epochs,
) -> Result<String, PostgresError> {
    let Step { delta, tallies, marks, witnesses } = step;
    let mut held = Vec::with_capacity(delta.ranges().len());
    for (partition, _) in delta.ranges() {
        let missing = || PostgresError::NotAcquired { partition: partition.clone() };
        held.push(*epochs.get(partition).ok_or_else(missing)?);
    }
    let partitions = || delta.ranges().map(|(partition, _)| partition);
    Ok(format!(
        "SELECT cdc.advance_and_book({}, {}, {}, {}, {}, {}, {}, {}, {}, {}); COMMIT",
        sql::literal(pipeline.as_str()),
        sql::texts(partitions().map(|partition| partition.topic().as_str())),
        sql::numbers(partitions().map(generation), "int4"),
        sql::numbers(partitions().map(|partition| partition.number().get()), "int4"),
        sql::numbers(delta.ranges().map(|(_, range)| range.from().get()), "int8"),
        sql::numbers(delta.ranges().map(|(_, range)| range.until().get()), "int8"),
        sql::numbers(held, "int8"),
        source_marks::argument(delta, marks),
        continuity::arguments(delta, witnesses),
        ledger::arguments(delta, tallies),
    ))
}

#[cfg(test)]
mod tests {
    use cdc_core::{Offset, OffsetRange, SkipReason};

    use super::*;

    fn step() -> (Partition, CheckpointDelta) {
        let partition = Partition::new("its.public.orders", 2, 3).unwrap();
        let position = |raw| NextOffset::try_new(raw).unwrap();
        let range = OffsetRange::try_new(position(10), position(25)).unwrap();
        (partition.clone(), CheckpointDelta::single(partition, range))
    }

    #[test]
    fn the_last_message_names_every_partition_and_commits() {
        let (partition, delta) = step();
        let epochs = Epochs::from([(partition.clone(), 7)]);
        let pipeline = PipelineName::parse("orders").unwrap();
        let mut tally = Tally::default();
        (tally.read, tally.staged, tally.folded, tally.dead_lettered) = (9, 7, 3, 1);
        tally.skip(SkipReason::Tombstone);
        let tallies = BTreeMap::from([(partition.clone(), tally)]);
        let last = Witness::restore(Offset::try_new(23).unwrap(), u64::MAX - 4)
            .at_place(Some("s/7/1/0/2A/4".to_owned()));
        let witnesses = BTreeMap::from([(partition, last)]);
        let marks = BTreeMap::new();
        let step = Step { delta: &delta, tallies: &tallies, marks: &marks, witnesses: &witnesses };
        insta::assert_snapshot!(
            advance_and_commit(&pipeline, step, &epochs).unwrap(),
            @r#"SELECT cdc.advance_and_book('orders', ARRAY['its.public.orders']::text[], ARRAY[2]::int4[], ARRAY[3]::int4[], ARRAY[10]::int8[], ARRAY[25]::int8[], ARRAY[7]::int8[], ARRAY[NULL]::text[], ARRAY[23]::int8[], ARRAY[-5]::int8[], ARRAY['s/7/1/0/2A/4']::text[], ARRAY[9]::int8[], ARRAY[4]::int8[], ARRAY[3]::int8[], ARRAY[1]::int8[], ARRAY['{"tombstone":1}']::text[]::jsonb[], ARRAY[1]::int8[]); COMMIT"#
        );
    }

    #[test]
    fn a_partition_that_was_not_acquired_cannot_move() {
        let (_, delta) = step();
        let pipeline = PipelineName::parse("orders").unwrap();
        let (tallies, marks, witnesses) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let step = Step { delta: &delta, tallies: &tallies, marks: &marks, witnesses: &witnesses };
        let error = advance_and_commit(&pipeline, step, &Epochs::new()).unwrap_err();
        assert!(matches!(error, PostgresError::NotAcquired { .. }));
    }
}
