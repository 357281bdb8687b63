//! What the warehouse says of chains.

use cdc_core::{Partition, Record, TableId, TopicName};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::keys::{KEYS_MAX, Place};
use crate::error::{PostgresError, from_driver};
use crate::letters::open_letters_of;
use crate::masks::LetterMasks;
use crate::session::Session;
use crate::settings::PipelineName;
use crate::tables::Tables;

const DOING: &str = "looking for dead letters of keys";

const LOAD: &str = r#"
SELECT DISTINCT ON (letter.topic, letter.raw_key, letter.target_table)
       letter.topic, letter.raw_key, letter.target_table, letter.generation, letter."offset""#;

const LOAD_ORDER: &str = r#" AND letter.holds
 ORDER BY letter.topic, letter.raw_key, letter.target_table, letter.generation, letter."offset""#;

/// A letter of no known table is one of every table; nothing but such a letter holds another one back.
const FIRST: &str = r#"
SELECT DISTINCT ON (asked.number) asked.number, head.id, head.generation, head."offset"
  FROM unnest($2::text[], $3::bytea[], $4::text[], $6::int8[], $7::int4[], $8::int8[])
       AS asked (topic, raw_key, target_table, number, generation, "offset")
 CROSS JOIN LATERAL (
       SELECT letter.id, letter.generation, letter."offset"
         FROM cdc.dead_letter AS letter
        WHERE letter.topic = asked.topic AND sha256(letter.raw_key) = sha256(asked.raw_key)
          AND letter.state = 'open' AND letter.holds AND letter.pipeline = $1
          AND (letter.target_table IS NULL OR letter.target_table = asked.target_table)
          AND letter.id <> ALL ($5)
          AND (letter.generation, letter."offset") > (asked.generation, asked."offset")
        ORDER BY letter.generation, letter."offset"
        LIMIT 1) AS head
 ORDER BY asked.number, head.generation, head."offset""#;

/// The first of what is left behind a letter takes its place.
const RELINK: &str = r#"
WITH next AS (
    SELECT DISTINCT ON (letter.blocked_by, letter.target_table)
           letter.blocked_by, letter.target_table, letter.id
      FROM cdc.dead_letter AS letter
     WHERE letter.blocked_by = ANY ($1) AND letter.state = 'open'
     ORDER BY letter.blocked_by, letter.target_table, letter.generation, letter."offset")
UPDATE cdc.dead_letter AS letter
   SET blocked_by = nullif(next.id, letter.id)
  FROM next
 WHERE letter.blocked_by = next.blocked_by AND letter.state = 'open'
   AND letter.target_table IS NOT DISTINCT FROM next.target_table"#;

/// The first letter of a key, as it is stored.
#[derive(Debug)]
pub(crate) struct Held {
    pub(super) topic: TopicName,
    pub(super) key: Vec<u8>,
    /// The table in the warehouse, when that much was known.
    pub(super) target: Option<String>,
    pub(super) place: Place,
}

/// Keys that are asked about: parameters of one statement, column by column.
#[derive(Debug)]
pub(crate) struct Asked<'m> {
    masks: &'m LetterMasks,
    /// How many questions there are. Of a key that may be stored in several forms each has the same number.
    count: usize,
    numbers: Vec<i64>,
    topics: Vec<String>,
    keys: Vec<Vec<u8>>,
    targets: Vec<Option<String>>,
    generations: Vec<i32>,
    offsets: Vec<i64>,
}

/// What every place comes behind.
const BEFORE_ALL: (i32, i64) = (-1, -1);

impl<'m> Asked<'m> {
    /// About letters whose keys are stored like this.
    pub(crate) fn of(masks: &'m LetterMasks) -> Self {
        let (numbers, topics, keys, targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (generations, offsets) = (Vec::new(), Vec::new());
        Self { masks, count: 0, numbers, topics, keys, targets, generations, offsets }
    }

    /// Asks about the key of a record, in a table or, without one, in none that is known.
    pub(crate) fn push(&mut self, tables: &Tables, table: Option<TableId>, record: &Record<'_>) {
        self.push_behind(tables, table, record, None);
    }

    /// The same, of letters behind a place alone.
    pub(crate) fn push_behind(
        &mut self,
        tables: &Tables,
        table: Option<TableId>,
        record: &Record<'_>,
        place: Option<Place>,
    ) {
        let place =
            place.and_then(|(generation, offset)| Some((generation.try_into().ok()?, offset)));
        let (generation, offset) = place.unwrap_or(BEFORE_ALL);
        let target = table.and_then(|table| tables.get(table)).map(|it| it.target.to_string());
        for form in self.masks.key_forms(record.key.unwrap_or_default()) {
            self.numbers.push(i64::try_from(self.count).unwrap_or(i64::MAX));
            self.topics.push(record.partition.topic().to_string());
            self.keys.push(form.into_owned());
            self.targets.push(target.clone());
            self.generations.push(generation);
            self.offsets.push(offset);
        }
        self.count = self.count.saturating_add(1);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Letters that are not looked at, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Besides(pub(crate) Vec<i64>);

/// The first letter of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) id: i64,
    pub(crate) place: Place,
}

/// The first letter of each key that is asked about, in the order of the questions.
pub(crate) async fn first(
    session: &mut Session,
    pipeline: &PipelineName,
    asked: &Asked<'_>,
    besides: &Besides,
) -> Result<Vec<Option<First>>, PostgresError> {
    let failed = |error| from_driver(DOING, error);
    let rows = sqlx::query(FIRST)
        .bind(pipeline.as_str())
        .bind(&asked.topics)
        .bind(&asked.keys)
        .bind(&asked.targets)
        .bind(&besides.0)
        .bind(&asked.numbers)
        .bind(&asked.generations)
        .bind(&asked.offsets)
        .fetch_all(session.driver())
        .await
        .map_err(failed)?;
    let mut found = vec![None; asked.count];
    for row in &rows {
        let read = || -> Result<(i64, First), sqlx::Error> {
            Ok((row.try_get("number")?, First { id: row.try_get("id")?, place: place(row)? }))
        };
        let (number, letter) = read().map_err(failed)?;
        let index = usize::try_from(number).ok();
        if let Some(answer) = index.and_then(|index| found.get_mut(index)) {
            *answer = Some(letter);
        }
    }
    Ok(found)
}

/// The first letters of all keys of these partitions; one more than are kept when there are more.
pub(crate) async fn load(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[Partition],
) -> Result<Vec<Held>, PostgresError> {
    let failed = |error| from_driver(DOING, error);
    let rows = open_letters_of(session, (pipeline, partitions), (LOAD, LOAD_ORDER), KEYS_MAX);
    let rows = rows.await.map_err(failed)?;
    rows.iter().map(held).collect::<Result<_, _>>().map_err(failed)
}

/// Keeps anything from being added to chains of this pipeline while somebody else has closed the gate;
/// until the transaction ends.
pub(crate) async fn gate(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<(), PostgresError> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))")
        .bind(gate_name(pipeline))
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("waiting for a retry of dead letters", error))?;
    Ok(())
}

/// Closes the gate until it is [opened](open_gate) or the session ends; whether that was possible now.
pub(crate) async fn close_gate(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<bool, PostgresError> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
        .bind(gate_name(pipeline))
        .fetch_one(session.driver())
        .await
        .map_err(|error| from_driver("holding changes back", error))
}

/// Opens the gate that this session closed.
pub(crate) async fn open_gate(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<(), PostgresError> {
    sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))")
        .bind(gate_name(pipeline))
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("holding changes back no longer", error))?;
    Ok(())
}

fn gate_name(pipeline: &PipelineName) -> String {
    format!("cdc behind {pipeline}")
}

/// Gives what waits behind letters that are open no longer the next one to wait for; the caller owns the
/// transaction.
pub(crate) async fn relink(session: &mut Session, gone: &[i64]) -> Result<(), PostgresError> {
    if gone.is_empty() {
        return Ok(());
    }
    sqlx::query(RELINK)
        .bind(gone)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("moving chains of dead letters up", error))?;
    Ok(())
}

fn place(row: &PgRow) -> Result<Place, sqlx::Error> {
    let generation: i32 = row.try_get("generation")?;
    let generation = u32::try_from(generation);
    let generation = generation.map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok((generation, row.try_get("offset")?))
}

fn held(row: &PgRow) -> Result<Held, sqlx::Error> {
    let topic: String = row.try_get("topic")?;
    let topic = TopicName::parse(&topic).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let (key, target) = (row.try_get("raw_key")?, row.try_get("target_table")?);
    Ok(Held { topic, key, target, place: place(row)? })
}
