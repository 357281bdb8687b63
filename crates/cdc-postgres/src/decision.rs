//! What an operator decides about logs that are not what they were, each as one statement: the decision
//! and what it changes are there together, and whoever is still writing is fenced.

use std::collections::BTreeMap;

use cdc_core::{Generation, NextOffset, OffsetRange, Partition, PartitionNumber, TopicName};
use sqlx::Row as _;

use crate::checkpoint::{Parameters, generation};
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::state;

/// The entry has no records, because nobody has read any: how many there were, nobody knows.
const ACCEPT_GAP: &str = "
WITH gone AS (
    SELECT held.topic, held.generation, held.partition, held.next_offset AS first_offset,
           log.first AS until_offset, held.epoch + 1 AS epoch
      FROM cdc.checkpoint AS held
      JOIN unnest($3::text[], $4::int4[], $5::int4[], $6::int8[])
           AS log (topic, generation, partition, first)
        ON (held.topic, held.generation, held.partition)
         = (log.topic, log.generation, log.partition)
     WHERE held.pipeline = $1 AND held.next_offset < log.first
     ORDER BY held.topic, held.generation, held.partition
       FOR UPDATE OF held
), decided AS (
    INSERT INTO cdc.decision (pipeline, kind, reason, state)
    SELECT $1, 'gap_accepted', $2,
           jsonb_agg(to_jsonb(gone) - 'epoch' ORDER BY topic, generation, partition)
      FROM gone
    HAVING count(*) > 0
    RETURNING id
), moved AS (
    UPDATE cdc.checkpoint AS held
       SET next_offset = gone.until_offset, epoch = gone.epoch, updated_at = clock_timestamp()
      FROM gone
     WHERE held.pipeline = $1
       AND (held.topic, held.generation, held.partition)
         = (gone.topic, gone.generation, gone.partition)
)
INSERT INTO cdc.ledger (pipeline, topic, generation, partition, first_offset, until_offset, epoch,
                        read, written, folded, skipped, dead_lettered, decision)
SELECT $1, gone.topic, gone.generation, gone.partition, gone.first_offset, gone.until_offset,
       gone.epoch, 0, 0, 0, 0, 0, decided.id
  FROM gone CROSS JOIN decided
RETURNING topic, generation, partition, first_offset, until_offset";

/// How far connectors have sent is known of the same partitions only. What a new incarnation holds of
/// the old one, as after it was restored from a copy, is then skipped.
const ACCEPT_INCARNATION: &str = "
WITH former AS (
    SELECT held.generation, held.partition, held.next_offset, held.source_marks
      FROM cdc.checkpoint AS held
     WHERE (held.pipeline, held.topic, held.generation) = ($1, $3, $4)
       FOR UPDATE
), known AS (
    SELECT partitions FROM cdc.topic WHERE (pipeline, topic, generation) = ($1, $3, $4)
), decided AS (
    INSERT INTO cdc.decision (pipeline, kind, reason, state)
    SELECT $1, 'incarnation_accepted', $2,
           jsonb_build_object('topic', $3, 'generation', $4 + 1, 'partitions', $5, 'before',
               jsonb_agg(jsonb_build_object('partition', partition, 'next_offset', next_offset)
                         ORDER BY partition))
      FROM former
    HAVING count(next_offset) > 0
    RETURNING id
), fenced AS (
    UPDATE cdc.checkpoint AS held SET epoch = held.epoch + 1, updated_at = clock_timestamp()
      FROM former CROSS JOIN decided
     WHERE (held.pipeline, held.topic, held.generation, held.partition)
         = ($1, $3, former.generation, former.partition)
), continued AS (
    INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, source_marks)
    SELECT $1, $3, $4 + 1, former.partition, former.source_marks
      FROM former CROSS JOIN known CROSS JOIN decided
     WHERE known.partitions = $5
)
INSERT INTO cdc.topic (pipeline, topic, generation, partitions)
SELECT $1, $3, $4 + 1, $5 FROM decided
RETURNING generation";

/// Every log goes on where it stands, in a generation in which new partitions take part: what comes
/// now is newer than everything before it, in whatever partition it stands.
const ACCEPT_PARTITIONS: &str = "
WITH former AS (
    SELECT held.generation, held.partition, held.next_offset, held.source_marks
      FROM cdc.checkpoint AS held
     WHERE (held.pipeline, held.topic, held.generation) = ($1, $3, $4)
       FOR UPDATE
), ends AS (
    SELECT * FROM unnest($6::int4[], $7::int8[]) AS ends (partition, until)
), unread AS (
    SELECT 1
      FROM ends
      LEFT JOIN former USING (partition)
     WHERE ends.until <> coalesce(former.next_offset, 0)
), decided AS (
    INSERT INTO cdc.decision (pipeline, kind, reason, state)
    SELECT $1, 'partitions_accepted', $2,
           jsonb_build_object('topic', $3, 'generation', $4 + 1, 'partitions', $5, 'before',
               jsonb_agg(jsonb_build_object('partition', partition, 'next_offset', next_offset)
                         ORDER BY partition))
      FROM former
     WHERE NOT EXISTS (SELECT FROM unread)
       AND EXISTS (SELECT FROM cdc.topic
                    WHERE (pipeline, topic, generation) = ($1, $3, $4) AND partitions < $5)
    HAVING count(next_offset) > 0
    RETURNING id
), fenced AS (
    UPDATE cdc.checkpoint AS held SET epoch = held.epoch + 1, updated_at = clock_timestamp()
      FROM former CROSS JOIN decided
     WHERE (held.pipeline, held.topic, held.generation, held.partition)
         = ($1, $3, former.generation, former.partition)
), continued AS (
    INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, next_offset, source_marks)
    SELECT $1, $3, $4 + 1, former.partition, former.next_offset, former.source_marks
      FROM former CROSS JOIN decided
)
INSERT INTO cdc.topic (pipeline, topic, generation, partitions)
SELECT $1, $3, $4 + 1, $5 FROM decided
RETURNING generation";

const DECISIONS: &str = "
SELECT id, kind, reason, decided_by, to_char(decided_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS decided_at,
       state::text AS state
  FROM cdc.decision
 WHERE pipeline = $1
 ORDER BY id";

/// What an operator decided about a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its number.
    pub id: i64,
    /// What was decided, as `cdc.decision.kind` has it.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// The role that decided.
    pub decided_by: String,
    /// When.
    pub decided_at: String,
    /// What it changed, as JSON.
    pub state: String,
}

/// Reads what was decided about a pipeline, in order.
pub(crate) async fn read(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<Vec<Decision>, PostgresError> {
    let doing = "reading what was decided";
    let rows = sqlx::query(DECISIONS)
        .bind(pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))?;
    let decision = |row: &sqlx::postgres::PgRow| -> Result<Decision, sqlx::Error> {
        Ok(Decision {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            reason: row.try_get("reason")?,
            decided_by: row.try_get("decided_by")?,
            decided_at: row.try_get("decided_at")?,
            state: row.try_get("state")?,
        })
    };
    let read: Result<Vec<_>, _> = rows.iter().map(decision).collect();
    read.map_err(|error| from_driver(doing, error))
}

const CONTINUED: &str = "
SELECT decision.state ->> 'topic', (decision.state ->> 'generation')::int4,
       (before.log ->> 'partition')::int4, coalesce((before.log ->> 'next_offset')::int8, 0)
  FROM cdc.decision AS decision
 CROSS JOIN LATERAL jsonb_array_elements(decision.state -> 'before') AS before (log)
 WHERE decision.pipeline = $1 AND decision.kind = 'partitions_accepted'";

/// The generations of topics that go on where the one before ended, because partitions were added: what
/// stands before their beginning is in the history under the number of an earlier one.
#[derive(Debug, Default)]
pub struct Continued(BTreeMap<(TopicName, Generation), BTreeMap<PartitionNumber, NextOffset>>);

impl Continued {
    /// Where the generation of a partition begins; at zero when it goes on behind no other.
    pub fn start(&self, partition: &Partition) -> NextOffset {
        let place = (partition.topic().clone(), partition.generation());
        let starts = self.0.get(&place);
        starts
            .and_then(|starts| starts.get(&partition.number()))
            .copied()
            .unwrap_or(NextOffset::ZERO)
    }

    /// Whether a generation goes on behind another. One that does not was begun with another log.
    pub fn holds(&self, topic: &TopicName, generation: Generation) -> bool {
        self.0.contains_key(&(topic.clone(), generation))
    }
}

/// Reads which generations of a pipeline's topics go on behind another, and from where.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn continued(settings: &PostgresSettings) -> Result<Continued, PostgresError> {
    let mut session = state::open(settings).await?;
    let rows: Vec<(String, i32, i32, i64)> = sqlx::query_as(CONTINUED)
        .bind(settings.pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading where generations begin", error))?;
    let mut continued = Continued::default();
    for (topic, generation, number, start) in rows {
        // What is no place was not written by this program, and no place is asked for by it.
        let (Ok(topic), Some(generation)) = (TopicName::parse(&topic), generation_of(generation))
        else {
            continue;
        };
        if let (Ok(number), Ok(start)) =
            (PartitionNumber::try_new(number), NextOffset::try_new(start))
        {
            continued.0.entry((topic, generation)).or_default().insert(number, start);
        }
    }
    Ok(continued)
}

const RECREATED: &str = "
SELECT EXISTS (SELECT FROM cdc.decision AS decision
                WHERE decision.pipeline = $1 AND decision.kind = 'incarnation_accepted'
                  AND decision.state ->> 'topic' = $2
                  AND (decision.state ->> 'generation')::int4 > $3)";

/// Whether somebody has decided, since the generation of a partition began, that its topic is another one.
pub(crate) async fn is_recreated(
    session: &mut Session,
    pipeline: &PipelineName,
    partition: &Partition,
) -> Result<bool, PostgresError> {
    sqlx::query_scalar(RECREATED)
        .bind(pipeline.as_str())
        .bind(partition.topic().as_str())
        .bind(generation(partition))
        .fetch_one(session.driver())
        .await
        .map_err(|error| from_driver("reading what became of a topic", error))
}

/// Passes over what logs had lost before it was read, and records why. The logs are given with where
/// each begins now; those whose checkpoint is not before that are left alone. Gives the ranges that were
/// passed over.
///
/// Each becomes an entry of the ledger without records. Whoever has the partitions is fenced.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn accept_gap(
    settings: &PostgresSettings,
    begins: &[(Partition, NextOffset)],
    reason: &str,
) -> Result<Vec<(Partition, OffsetRange)>, PostgresError> {
    let doing = "accepting what logs have lost";
    let mut session = state::open(settings).await?;
    let parameters = Parameters::of(begins.iter().map(|(partition, _)| partition));
    let firsts: Vec<i64> = begins.iter().map(|(_, first)| first.get()).collect();
    let rows: Vec<(String, i32, i32, i64, i64)> = sqlx::query_as(ACCEPT_GAP)
        .bind(settings.pipeline.as_str())
        .bind(reason)
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(&firsts)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))?;
    let gap = |(topic, generation, number, from, until): &(String, i32, i32, i64, i64)| {
        let partition = Partition::new(topic, u32::try_from(*generation).ok()?, *number).ok()?;
        let positions = (NextOffset::try_new(*from).ok()?, NextOffset::try_new(*until).ok()?);
        Some((partition, OffsetRange::try_new(positions.0, positions.1).ok()?))
    };
    let mut gaps: Vec<_> = rows.iter().filter_map(gap).collect();
    gaps.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(gaps)
}

/// Follows a topic that was created again from its beginning, in a new generation whose rows are newer
/// than all before, and records why. `followed` is the generation it was followed in so far. Gives the
/// new one; `None` when nothing of the topic has been applied, so that there is nothing to decide.
///
/// Whoever has the partitions is fenced, and must start again.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables, or when somebody else has decided
/// meanwhile.
pub async fn accept_incarnation(
    settings: &PostgresSettings,
    topic: (&TopicName, usize),
    followed: Generation,
    reason: &str,
) -> Result<Option<Generation>, PostgresError> {
    let (name, partitions) = topic;
    let mut session = state::open(settings).await?;
    let accepted: Option<i32> = sqlx::query_scalar(ACCEPT_INCARNATION)
        .bind(settings.pipeline.as_str())
        .bind(reason)
        .bind(name.as_str())
        .bind(i32::try_from(followed.get()).unwrap_or(i32::MAX))
        .bind(i32::try_from(partitions).unwrap_or(i32::MAX))
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver("accepting a topic that was created again", error))?;
    Ok(accepted.and_then(generation_of))
}

/// A generation as the warehouse keeps it; nothing negative is one.
fn generation_of(raw: i32) -> Option<Generation> {
    u32::try_from(raw).ok().map(Generation::new)
}

/// Follows a topic that was given more partitions, in a new generation, and records why. `ends` says
/// where every partition ends now, those that came included. Gives the new generation; `None`, with
/// nothing changed, unless there are more of them than before, everything in the old partitions is applied and the new ones are empty: only
/// then is everything that comes newer than everything before it.
///
/// # Errors
///
/// As [`accept_incarnation`].
pub async fn accept_partitions(
    settings: &PostgresSettings,
    topic: &TopicName,
    followed: Generation,
    ends: &[(PartitionNumber, NextOffset)],
    reason: &str,
) -> Result<Option<Generation>, PostgresError> {
    let mut session = state::open(settings).await?;
    let numbers: Vec<i32> = ends.iter().map(|(number, _)| number.get()).collect();
    let positions: Vec<i64> = ends.iter().map(|(_, end)| end.get()).collect();
    let accepted: Option<i32> = sqlx::query_scalar(ACCEPT_PARTITIONS)
        .bind(settings.pipeline.as_str())
        .bind(reason)
        .bind(topic.as_str())
        .bind(i32::try_from(followed.get()).unwrap_or(i32::MAX))
        .bind(i32::try_from(ends.len()).unwrap_or(i32::MAX))
        .bind(&numbers)
        .bind(&positions)
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver("accepting partitions that were added", error))?;
    Ok(accepted.and_then(generation_of))
}
