//! Letters of a batch take their places in chains.

use std::collections::BTreeMap;

use cdc_core::{DeadLetter, Record, TableId, TopicName, WriteBatch};

use super::warehouse::First;
use super::{Asked, Besides, Heads, changed, first, gate, place_of};
use crate::body::PostgresBody;
use crate::checkpoint::generation;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;
use crate::tables::Tables;

/// Changes of one key that may wait. A person has to look at a key long before.
const OF_KEY_MAX: i64 = 10_000;
/// Changes of one table that may wait.
const OF_TABLE_MAX: i64 = 100_000;

/// How often the first letters of keys may turn out to be settled by somebody else while they are being
/// locked. Each time somebody else got on.
const LOCK_ROUNDS: u32 = 20;

const DOING: &str = "blocking changes behind dead letters";

/// In the order in which a retry locks the letters of a log.
const LOCK: &str = r#"
SELECT letter.id
  FROM cdc.dead_letter AS letter
 WHERE letter.id = ANY ($1) AND letter.state = 'open'
 ORDER BY letter.topic, letter.generation, letter.partition, letter."offset"
   FOR SHARE"#;

const LINK: &str = r#"
UPDATE cdc.dead_letter AS letter
   SET blocked_by = link.head
  FROM unnest($2::text[], $3::int4[], $4::int4[], $5::int8[], $6::int8[])
       AS link (topic, generation, partition, "offset", head)
 WHERE letter.pipeline = $1 AND letter.topic = link.topic AND letter.generation = link.generation
   AND letter.partition = link.partition AND letter."offset" = link."offset"
   AND letter.state = 'open'"#;

const OF_KEY: &str = "
SELECT head.id, waiting.letters
  FROM unnest($1::int8[]) AS head (id)
 CROSS JOIN LATERAL (
       SELECT count(*) AS letters
         FROM (SELECT FROM cdc.dead_letter AS letter
                WHERE letter.blocked_by = head.id AND letter.state = 'open'
                LIMIT $2 + 1) AS counted) AS waiting
 ORDER BY waiting.letters DESC
 LIMIT 1";

const OF_TABLE: &str = "
SELECT count(*)
  FROM (SELECT FROM cdc.dead_letter AS letter
         WHERE letter.pipeline = $1 AND letter.target_table = $2 AND letter.state = 'open'
           AND letter.blocked_by IS NOT NULL
         LIMIT $3 + 1) AS counted";

/// Letters of one key and table, in the order of the log.
#[derive(Debug)]
struct Group<'b> {
    table: Option<TableId>,
    letters: Vec<(&'b DeadLetter, Record<'b>)>,
}

/// Letters that wait, and for whom: the parameters of one statement, column by column.
#[derive(Debug, Default)]
struct Links {
    topics: Vec<String>,
    generations: Vec<i32>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    heads: Vec<i64>,
    tables: Vec<TableId>,
}

/// Says of the letters of a batch what they are blocked by; the caller owns the transaction and has stored
/// them.
///
/// # Errors
///
/// [`PostgresError::Chained`] when the batch has to be staged again, because something in it waits for
/// nothing; [`PostgresError::ChainTooLong`].
pub(crate) async fn link(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    heads: &Heads,
    batch: &WriteBatch<PostgresBody>,
) -> Result<(), PostgresError> {
    let groups = groups(heads, batch);
    if groups.is_empty() {
        return Ok(());
    }
    if batch.dead_letters().iter().any(|letter| letter.rejection.is_behind()) {
        gate(session, pipeline).await?;
    }
    let mut asked = Asked::of(heads.masks());
    for group in &groups {
        if let Some((_, record)) = group.letters.first() {
            asked.push(tables, group.table, record);
        }
    }
    let found = locked(session, pipeline, &asked).await?;
    let mut links = Links::default();
    let mut is_stale = false;
    for (group, head) in groups.iter().zip(&found) {
        is_stale |= !group.take_places(heads, *head, &mut links);
    }
    if is_stale {
        return Err(changed());
    }
    if links.heads.is_empty() {
        return Ok(());
    }
    links.store(session, pipeline).await?;
    links.require_room(session, (pipeline, tables)).await
}

fn groups<'b>(heads: &Heads, batch: &'b WriteBatch<PostgresBody>) -> Vec<Group<'b>> {
    let mut groups: BTreeMap<(&TopicName, &[u8], Option<TableId>), Group<'b>> = BTreeMap::new();
    for letter in batch.dead_letters() {
        let table = letter.rejection.table;
        let Some(record) = batch.record(letter.at) else { continue };
        let Some(key) = record.key.filter(|_| heads.concerns(table)) else { continue };
        let group = groups
            .entry((record.partition.topic(), key, table))
            .or_insert_with(|| Group { table, letters: Vec::new() });
        group.letters.push((letter, record));
    }
    groups.into_values().collect()
}

/// The first letters of keys, which stay open until the transaction ends.
async fn locked(
    session: &mut Session,
    pipeline: &PipelineName,
    asked: &Asked<'_>,
) -> Result<Vec<Option<First>>, PostgresError> {
    for _ in 0..LOCK_ROUNDS {
        let found = first(session, pipeline, asked, &Besides::default()).await?;
        let ids: Vec<i64> = found.iter().flatten().map(|letter| letter.id).collect();
        let open: Vec<i64> = sqlx::query_scalar(LOCK)
            .bind(&ids)
            .fetch_all(session.driver())
            .await
            .map_err(|error| from_driver(DOING, error))?;
        // One letter may be the first of a key in several tables.
        if ids.iter().all(|id| open.contains(id)) {
            return Ok(found);
        }
    }
    Err(changed())
}

impl Group<'_> {
    /// Whether all that waits has something to wait for. Where it has not, memory is put right.
    fn take_places(&self, heads: &Heads, head: Option<First>, links: &mut Links) -> bool {
        let mut is_right = true;
        for (letter, record) in &self.letters {
            let place = place_of(record);
            match head {
                Some(head) if head.place < place => links.push(self.table, record, head.id),
                // It is the first of its key itself.
                Some(head) if head.place == place && !letter.rejection.is_behind() => {}
                Some(_) | None if letter.rejection.is_behind() => is_right = false,
                // Its letter is not open: somebody has discarded it before it was read again.
                Some(_) | None => heads.settle(record),
            }
        }
        if !is_right && let Some((_, record)) = self.letters.first() {
            // What is rejected again will say so again.
            let is_own = |place| self.letters.iter().any(|(_, record)| place_of(record) == place);
            let place = head.map(|head| head.place).filter(|place| !is_own(*place));
            heads.learn(record, self.table, place);
        } else if let (Some(head), Some((_, record))) = (head, self.letters.first()) {
            // It may have been forgotten since it was staged.
            heads.reject_at(record, self.table, head.place);
        }
        is_right
    }
}

impl Links {
    fn push(&mut self, table: Option<TableId>, record: &Record<'_>, head: i64) {
        self.topics.push(record.partition.topic().to_string());
        self.generations.push(generation(record.partition));
        self.partitions.push(record.partition.number().get());
        self.offsets.push(record.offset.get());
        self.heads.push(head);
        self.tables.extend(table);
    }

    async fn store(
        &self,
        session: &mut Session,
        pipeline: &PipelineName,
    ) -> Result<(), PostgresError> {
        sqlx::query(LINK)
            .bind(pipeline.as_str())
            .bind(&self.topics)
            .bind(&self.generations)
            .bind(&self.partitions)
            .bind(&self.offsets)
            .bind(&self.heads)
            .execute(session.driver())
            .await
            .map_err(|error| from_driver(DOING, error))?;
        Ok(())
    }

    /// Refuses chains that nobody can have meant to let grow so long.
    async fn require_room(
        &self,
        session: &mut Session,
        (pipeline, tables): (&PipelineName, &Tables),
    ) -> Result<(), PostgresError> {
        let mut heads = self.heads.clone();
        heads.sort_unstable();
        heads.dedup();
        let failed = |error| from_driver("counting blocked changes", error);
        let longest: Option<(i64, i64)> = sqlx::query_as(OF_KEY)
            .bind(&heads)
            .bind(OF_KEY_MAX)
            .fetch_optional(session.driver())
            .await
            .map_err(failed)?;
        let mut ids = self.tables.clone();
        ids.sort_unstable();
        ids.dedup();
        let name = |table: &TableId| tables.get(*table).map(|table| table.target.to_string());
        let names: Vec<String> = ids.iter().filter_map(name).collect();
        if let Some((letter, _)) = longest.filter(|(_, waiting)| *waiting > OF_KEY_MAX) {
            let table = names.join(", ");
            let (letter, max) = (Some(letter), OF_KEY_MAX);
            return Err(PostgresError::ChainTooLong { table, letter, max });
        }
        for table in names {
            let waiting: i64 = sqlx::query_scalar(OF_TABLE)
                .bind(pipeline.as_str())
                .bind(&table)
                .bind(OF_TABLE_MAX)
                .fetch_one(session.driver())
                .await
                .map_err(failed)?;
            if waiting > OF_TABLE_MAX {
                let max = OF_TABLE_MAX;
                return Err(PostgresError::ChainTooLong { table, letter: None, max });
            }
        }
        Ok(())
    }
}
