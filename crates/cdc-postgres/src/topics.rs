//! How many partitions the topics of a pipeline have, written down when it begins to follow them.
//!
//! A key lives in one partition as long as their number stays. When it grows, the newest change of a key
//! may stand in another partition than the one before, at a lower offset: a mirror would keep the older
//! row, and nothing would look wrong. So a pipeline with progress refuses any other number.

use cdc_core::{Partition, TopicName};

use crate::checkpoint::Parameters;
use crate::error::{PostgresError, from_driver};
use crate::registry::forget_progress;
use crate::session::Session;
use crate::settings::PipelineName;

/// A topic and how many partitions it has.
pub(crate) type Topics = [(TopicName, usize)];

const DOING: &str = "comparing the topics with those that the pipeline follows";

/// The topics of which another number is known, and the pipeline has applied a part.
const CHANGED: &str = "
SELECT wanted.topic, wanted.partitions, held.partitions
  FROM unnest($2::text[], $3::int4[]) AS wanted (topic, partitions)
  JOIN cdc.topic AS held
    ON (held.pipeline, held.topic, held.generation) = ($1, wanted.topic, 0)
 WHERE held.partitions <> wanted.partitions
   AND EXISTS (SELECT FROM cdc.checkpoint AS applied
                WHERE (applied.pipeline, applied.topic, applied.generation) = ($1, wanted.topic, 0)
                  AND applied.next_offset IS NOT NULL)
 ORDER BY wanted.topic
 LIMIT 1";

const FOLLOW: &str = "
INSERT INTO cdc.topic AS held (pipeline, topic, generation, partitions)
SELECT $1, wanted.topic, 0, wanted.partitions
  FROM unnest($2::text[], $3::int4[]) AS wanted (topic, partitions)
    ON CONFLICT (pipeline, topic, generation)
    DO UPDATE SET partitions = excluded.partitions, since = excluded.since
 WHERE held.partitions <> excluded.partitions";

/// The first partition beyond those that its topic had.
const BEYOND: &str = "
SELECT wanted.topic, wanted.partition + 1, held.partitions
  FROM unnest($2::text[], $3::int4[], $4::int4[]) AS wanted (topic, generation, partition)
  JOIN cdc.topic AS held
    ON (held.pipeline, held.topic, held.generation) = ($1, wanted.topic, wanted.generation)
 WHERE wanted.partition >= held.partitions
 ORDER BY 1, 2
 LIMIT 1";

/// A topic, how many partitions it has, and how many it had.
type Change = (String, i32, i32);

/// Writes the topics down.
///
/// # Errors
///
/// [`PostgresError::Occupied`] when a topic had another number of partitions and the pipeline has
/// progress in it.
pub(crate) async fn follow(
    session: &mut Session,
    pipeline: &PipelineName,
    topics: &Topics,
) -> Result<(), PostgresError> {
    let names: Vec<String> = topics.iter().map(|(name, _)| name.to_string()).collect();
    let counts: Vec<i32> =
        topics.iter().map(|(_, count)| i32::try_from(*count).unwrap_or(i32::MAX)).collect();
    let changed: Option<Change> = sqlx::query_as(CHANGED)
        .bind(pipeline.as_str())
        .bind(&names)
        .bind(&counts)
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    if let Some(change) = changed {
        return Err(refusal(pipeline, &change));
    }
    sqlx::query(FOLLOW)
        .bind(pipeline.as_str())
        .bind(&names)
        .bind(&counts)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("writing down which topics the pipeline follows", error))?;
    Ok(())
}

/// Refuses partitions that came while the pipeline was running.
pub(crate) async fn require_known(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[Partition],
) -> Result<(), PostgresError> {
    let parameters = Parameters::of(partitions);
    let beyond: Option<Change> = sqlx::query_as(BEYOND)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    beyond.map_or(Ok(()), |change| Err(refusal(pipeline, &change)))
}

fn refusal(pipeline: &PipelineName, (topic, found, known): &Change) -> PostgresError {
    let message = format!(
        "the topic {topic} has {found} partitions, or more, and had {known} when the pipeline \
         {pipeline} began to follow it: the changes of a key may now stand in two of them, and no \
         order is left between these"
    );
    let fix = format!(
        "let the pipeline start over with the new partitions while it is stopped, as \"Starting over\" \
         in the README says: {}\n\
         or give it another `name` and `group`, and new targets",
        forget_progress(pipeline),
    );
    PostgresError::Occupied { message, fix }
}
