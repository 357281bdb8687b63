//! How many partitions the topics of a pipeline have, written down when it begins to follow them.
//!
//! A key lives in one partition as long as their number stays. When it grows, the newest change of a key
//! may stand in another partition than the one before, at a lower offset: a mirror would keep the older
//! row, and nothing would look wrong. So a pipeline with progress refuses any other number, until an
//! operator has decided on it: then the topic is followed in a new generation.

use std::collections::BTreeMap;

use cdc_core::{Generation, Partition, TopicName};
use tokio::time::Instant;

use crate::checkpoint::Parameters;
use crate::error::{PostgresError, from_driver};
use crate::reach::is_to_look_again;
use crate::registry::forget_progress;
use crate::session::{Session, within};
use crate::settings::{PipelineName, PostgresSettings};
use crate::state;

/// A topic and how many partitions it has.
pub(crate) type Topics = [(TopicName, usize)];

const DOING: &str = "comparing the topics with those that the pipeline follows";

/// The topics of which another number is known, and the pipeline has applied a part.
const CHANGED: &str = "
SELECT wanted.topic, wanted.partitions, held.partitions
  FROM unnest($2::text[], $3::int4[]) AS wanted (topic, partitions)
 CROSS JOIN LATERAL (
       SELECT known.generation, known.partitions
         FROM cdc.topic AS known
        WHERE (known.pipeline, known.topic) = ($1, wanted.topic)
        ORDER BY known.generation DESC
        LIMIT 1) AS held
 WHERE held.partitions <> wanted.partitions
   AND EXISTS (SELECT FROM cdc.checkpoint AS applied
                WHERE (applied.pipeline, applied.topic, applied.generation)
                    = ($1, wanted.topic, held.generation)
                  AND applied.next_offset IS NOT NULL)
 ORDER BY wanted.topic
 LIMIT 1";

const FOLLOW: &str = "
INSERT INTO cdc.topic AS held (pipeline, topic, generation, partitions)
SELECT $1, wanted.topic,
       coalesce((SELECT max(known.generation) FROM cdc.topic AS known
                  WHERE (known.pipeline, known.topic) = ($1, wanted.topic)), 0),
       wanted.partitions
  FROM unnest($2::text[], $3::int4[]) AS wanted (topic, partitions)
    ON CONFLICT (pipeline, topic, generation)
    DO UPDATE SET partitions = excluded.partitions, since = excluded.since
 WHERE held.partitions <> excluded.partitions";

const GENERATIONS: &str = "
SELECT topic, max(generation) FROM cdc.topic WHERE pipeline = $1 GROUP BY topic";

/// The first partition of a generation that was followed before.
const SUPERSEDED: &str = "
SELECT wanted.topic, wanted.generation, known.generation
  FROM unnest($2::text[], $3::int4[], $4::int4[]) AS wanted (topic, generation, partition)
  JOIN cdc.topic AS known ON (known.pipeline, known.topic) = ($1, wanted.topic)
 WHERE known.generation > wanted.generation
 ORDER BY wanted.topic, known.generation DESC
 LIMIT 1";

/// The first partition beyond those that its topic had.
const BEYOND: &str = "
SELECT wanted.topic, wanted.partition + 1, held.partitions
  FROM unnest($2::text[], $3::int4[], $4::int4[]) AS wanted (topic, generation, partition)
  JOIN cdc.topic AS held
    ON (held.pipeline, held.topic, held.generation) = ($1, wanted.topic, wanted.generation)
 WHERE wanted.partition >= held.partitions
 ORDER BY 1, 2
 LIMIT 1";

/// The generation in which a pipeline follows each of its topics; those that are missing, in the first.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn generations(
    settings: &PostgresSettings,
) -> Result<BTreeMap<TopicName, Generation>, PostgresError> {
    let deadline = Instant::now() + settings.connect_patience;
    loop {
        match read_generations(settings).await {
            Err(error) if is_to_look_again(&error, deadline).await => {}
            read => return read,
        }
    }
}

async fn read_generations(
    settings: &PostgresSettings,
) -> Result<BTreeMap<TopicName, Generation>, PostgresError> {
    let mut session = state::open(settings).await?;
    let doing = "reading the generations of the topics";
    let read =
        sqlx::query_as(GENERATIONS).bind(settings.pipeline.as_str()).fetch_all(session.driver());
    let read = async { read.await.map_err(|error| from_driver(doing, error)) };
    let rows: Vec<(String, i32)> = within(settings.start_timeout(), doing, read).await?;
    let known = rows.into_iter().filter_map(|(topic, generation)| {
        let generation = Generation::new(u32::try_from(generation).ok()?);
        Some((TopicName::parse(&topic).ok()?, generation))
    });
    Ok(known.collect())
}

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

/// Refuses partitions that came while the pipeline was running, and those of a generation that an
/// operator's decision has ended.
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
    if let Some(change) = beyond {
        return Err(refusal(pipeline, &change));
    }
    let superseded: Option<(String, i32, i32)> = sqlx::query_as(SUPERSEDED)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    let Some((topic, old, new)) = superseded else { return Ok(()) };
    let message = format!(
        "the topic {topic} is followed in generation {new} by now, as cdc.decision says, and this \
         process was started with generation {old}"
    );
    Err(PostgresError::Occupied { message, fix: "start `cdc-pipeline run` again".to_owned() })
}

fn refusal(pipeline: &PipelineName, (topic, found, known): &Change) -> PostgresError {
    let message = format!(
        "the topic {topic} has {found} partitions, or more, and had {known} when the pipeline \
         {pipeline} began to follow it: the changes of a key may now stand in two of them, and no \
         order is left between these"
    );
    let fix = format!(
        "if the connector was paused and everything before was applied when they were added: \
         `cdc-pipeline accept-partitions --topic {topic} --reason \"…\"`, which looks whether that is \
         so\n\
         if the topic was created again: `cdc-pipeline accept-incarnation --topic {topic} --reason \
         \"…\"`\n\
         otherwise let the pipeline start over with the new partitions while it is stopped, as \
         \"Starting over\" in the README says: {}\n\
         or give it another `name` and `group`, and new targets",
        forget_progress(pipeline),
    );
    PostgresError::Occupied { message, fix }
}
