//! Dead letters for a person who has to decide about them: found by what is the matter with them, shown
//! without values, taken out with their bytes, put aside with a reason.

mod discard;
mod filter;
mod page;

use cdc_core::Partition;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::checkpoint::Parameters;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::state;
pub use discard::discard_letters;
pub use filter::{LetterFilter, LetterState};
pub(crate) use filter::{MATCHES, bound};
pub(crate) use page::{Page, PageOf};

const DOING: &str = "reading dead letters";

/// What letters with one cause have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterGroup {
    /// What became of them.
    pub state: String,
    /// The table in the source, when that much was known.
    pub source: Option<String>,
    /// The table in the warehouse, when that much was known.
    pub target: Option<String>,
    /// Where they were refused: decode, rule, encode or apply.
    pub stage: String,
    /// The reason, as a word.
    pub reason: String,
    /// The column at fault.
    pub column: Option<String>,
    /// The server's code.
    pub sqlstate: Option<String>,
    /// What was expected, in the words of one of them; names the rule or the constraint.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How many.
    pub letters: u64,
    /// When the first was kept, in UTC.
    pub first_at: String,
    /// When the last was kept, in UTC.
    pub last_at: String,
    /// The number of the first.
    pub first_id: i64,
    /// How many open letters wait behind these.
    pub waiting: u64,
}

/// Everything about a dead letter but its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number.
    pub id: i64,
    /// The log that its record stands in.
    pub partition: Partition,
    /// Where in the log.
    pub offset: i64,
    /// The log's time of the record, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The table in the source.
    pub source: Option<String>,
    /// The table in the warehouse.
    pub target: Option<String>,
    /// Where it was refused.
    pub stage: String,
    /// The reason, as a word.
    pub reason: String,
    /// What was expected.
    pub message: String,
    /// The column at fault.
    pub column: Option<String>,
    /// The server's code.
    pub sqlstate: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether what is stored is a copy without the values of columns that rules hash or drop.
    pub is_masked: bool,
    /// Why nothing of the value is stored, as a word.
    pub withheld: Option<String>,
    /// How many bytes the key has; `None` for a null key.
    pub key_bytes: Option<i64>,
    /// How many bytes the value has; `None` for a null value.
    pub value_bytes: Option<i64>,
    /// The names of the headers.
    pub headers: Vec<String>,
    /// What became of it.
    pub state: String,
    /// The number of the letter that has to be retried or discarded before it.
    pub blocked_by: Option<i64>,
    /// How many open letters wait behind it.
    pub waiting: u64,
    /// How often it was retried.
    pub attempts: i32,
    /// When it was kept, in UTC.
    pub created_at: String,
    /// When it was retried last.
    pub attempted_at: Option<String>,
    /// Why it is open no longer.
    pub resolution: Option<String>,
    /// Who decided that.
    pub resolved_by: Option<String>,
    /// When.
    pub resolved_at: Option<String>,
}

/// Which letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichLetter {
    /// By its number.
    Id(i64),
    /// By the place of its record.
    At(Partition, i64),
}

/// A letter's record as it was read, or the masked copy of it that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLetter {
    /// The letter's number.
    pub id: i64,
    /// The log.
    pub partition: Partition,
    /// The place in it.
    pub offset: i64,
    /// The log's time of it; of letters from before version 3 of the state tables, when they were kept.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers as they are stored.
    pub(crate) headers: String,
    /// Why nothing of the value is stored, as a word.
    pub withheld: Option<String>,
    /// What its record is known by, where the bytes are those of a masked copy.
    pub(crate) original: Option<OriginalMark>,
}

impl RawLetter {
    /// Whether the bytes are those of a copy without the values of some columns.
    pub fn is_masked(&self) -> bool {
        self.original.is_some()
    }
}

/// What is stored of a record beside its masked copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OriginalMark {
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key_bytes: Option<i64>,
    pub(crate) value_bytes: Option<i64>,
    /// Whether the stored key is a hash.
    pub(crate) is_key_hidden: bool,
    pub(crate) digest: Option<Vec<u8>>,
    /// Which key the digest was made with.
    pub(crate) hashed_by: Option<Vec<u8>>,
}

/// A time as it is shown.
macro_rules! utc {
    ($of:literal) => {
        concat!("to_char(", $of, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    };
}

/// A message of a rule or of the server names what refused the row; that of a decoder may name a place
/// in the record.
const GROUPS: &str = concat!(
    "
SELECT l.state, l.source_table, l.target_table, l.stage, l.reason, l.column_name, l.sqlstate,
       min(l.message) AS message, min(l.hint) AS hint, count(*) AS letters, min(l.id) AS first_id,
       coalesce(sum(behind.letters), 0)::int8 AS waiting,
       ",
    utc!("min(l.created_at)"),
    " AS first_at, ",
    utc!("max(l.created_at)"),
    " AS last_at
  FROM cdc.dead_letter AS l
  LEFT JOIN (SELECT b.blocked_by, count(*) AS letters
               FROM cdc.dead_letter AS b
              WHERE b.state = 'open' AND b.blocked_by IS NOT NULL
              GROUP BY b.blocked_by) AS behind ON behind.blocked_by = l.id
 WHERE "
);

const BY_CAUSE: &str = "
 GROUP BY l.state, l.source_table, l.target_table, l.stage, l.reason, l.column_name, l.sqlstate,
          CASE WHEN l.stage IN ('rule', 'apply') THEN l.message END
 ORDER BY count(*) DESC, min(l.id)";

const SHOW: &str = concat!(
    r#"
SELECT l.id, l.topic, l.generation, l.partition, l."offset", l.timestamp_ms, l.source_table,
       l.target_table, l.stage, l.reason, l.message, l.column_name, l.sqlstate, l.hint, l.state,
       l.attempts, l.resolution, l.resolved_by, l.blocked_by,
       (SELECT count(*) FROM cdc.dead_letter AS b
         WHERE b.blocked_by = l.id AND b.state = 'open') AS waiting,
       l.masked, l.withheld,
       CASE WHEN l.masked THEN l.key_bytes ELSE octet_length(l.raw_key)::int8 END AS key_bytes,
       CASE WHEN l.masked THEN l.value_bytes
            ELSE octet_length(l.raw_value)::int8 END AS value_bytes,
       ARRAY(SELECT h.value ->> 'name' FROM json_array_elements(l.raw_headers) AS h) AS headers,
       "#,
    utc!("l.created_at"),
    " AS created_at, ",
    utc!("l.attempted_at"),
    " AS attempted_at, ",
    utc!("l.resolved_at"),
    r#" AS resolved_at
  FROM cdc.dead_letter AS l
 WHERE l.pipeline = $1
   AND (l.id = $2 OR (l.topic, l.generation, l.partition, l."offset") = ($3, $4, $5, $6))"#
);

/// The letters of a pipeline by cause, those with most letters first.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn list_letters(
    settings: &PostgresSettings,
    filter: &LetterFilter,
) -> Result<Vec<LetterGroup>, PostgresError> {
    let mut session = state::open(settings).await?;
    let statement = [GROUPS, MATCHES, BY_CAUSE].concat();
    let query = bound(sqlx::query(&statement), &settings.pipeline, filter);
    let rows = query.fetch_all(session.driver()).await.map_err(failed)?;
    rows.iter().map(group).collect::<Result<_, _>>().map_err(failed)
}

/// One letter; `None` when there is no such one.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn show_letter(
    settings: &PostgresSettings,
    which: &WhichLetter,
) -> Result<Option<Letter>, PostgresError> {
    let mut session = state::open(settings).await?;
    let query = sqlx::query(SHOW).bind(settings.pipeline.as_str());
    let query = match which {
        WhichLetter::Id(id) => query
            .bind(*id)
            .bind(None::<String>)
            .bind(None::<i32>)
            .bind(None::<i32>)
            .bind(None::<i64>),
        WhichLetter::At(partition, offset) => query
            .bind(None::<i64>)
            .bind(partition.topic().as_str())
            .bind(crate::checkpoint::generation(partition))
            .bind(partition.number().get())
            .bind(*offset),
    };
    let row = query.fetch_optional(session.driver()).await.map_err(failed)?;
    row.map(|row| letter(&row)).transpose().map_err(failed)
}

/// Hands the records of letters over, in the order of their logs, and gives their number. A page of them
/// is in memory at a time.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables; and what `take` gives.
pub async fn export_letters<E: From<PostgresError>>(
    settings: &PostgresSettings,
    filter: &LetterFilter,
    mut take: impl FnMut(&RawLetter) -> Result<(), E>,
) -> Result<u64, E> {
    let mut session = state::open(settings).await?;
    let mut pages = Page::new(filter.clone());
    let mut letters = 0_u64;
    loop {
        let page = pages.next(&mut session, &settings.pipeline, PageOf::All).await?;
        if page.is_empty() {
            return Ok(letters);
        }
        for letter in &page {
            take(letter)?;
            letters = letters.saturating_add(1);
        }
    }
}

fn failed(error: sqlx::Error) -> PostgresError {
    from_driver(DOING, error)
}

fn group(row: &PgRow) -> Result<LetterGroup, sqlx::Error> {
    let letters: i64 = row.try_get("letters")?;
    Ok(LetterGroup {
        state: row.try_get("state")?,
        source: row.try_get("source_table")?,
        target: row.try_get("target_table")?,
        stage: row.try_get("stage")?,
        reason: row.try_get("reason")?,
        column: row.try_get("column_name")?,
        sqlstate: row.try_get("sqlstate")?,
        message: row.try_get("message")?,
        hint: row.try_get("hint")?,
        letters: u64::try_from(letters).unwrap_or(0),
        first_at: row.try_get("first_at")?,
        last_at: row.try_get("last_at")?,
        first_id: row.try_get("first_id")?,
        waiting: u64::try_from(row.try_get::<i64, _>("waiting")?).unwrap_or(0),
    })
}

fn letter(row: &PgRow) -> Result<Letter, sqlx::Error> {
    Ok(Letter {
        id: row.try_get("id")?,
        partition: partition(row)?,
        offset: row.try_get("offset")?,
        timestamp_ms: row.try_get("timestamp_ms")?,
        source: row.try_get("source_table")?,
        target: row.try_get("target_table")?,
        stage: row.try_get("stage")?,
        reason: row.try_get("reason")?,
        message: row.try_get("message")?,
        column: row.try_get("column_name")?,
        sqlstate: row.try_get("sqlstate")?,
        hint: row.try_get("hint")?,
        is_masked: row.try_get("masked")?,
        withheld: row.try_get("withheld")?,
        key_bytes: row.try_get("key_bytes")?,
        value_bytes: row.try_get("value_bytes")?,
        headers: row.try_get("headers")?,
        state: row.try_get("state")?,
        blocked_by: row.try_get("blocked_by")?,
        waiting: u64::try_from(row.try_get::<i64, _>("waiting")?).unwrap_or(0),
        attempts: row.try_get("attempts")?,
        created_at: row.try_get("created_at")?,
        attempted_at: row.try_get("attempted_at")?,
        resolution: row.try_get("resolution")?,
        resolved_by: row.try_get("resolved_by")?,
        resolved_at: row.try_get("resolved_at")?,
    })
}

/// Open letters with a key that have a place in these partitions, or in earlier generations of their topics:
/// one more than so many when there are more. A statement begins with what is read of each `letter` and
/// ends with what else is asked of them, and in which order.
pub(crate) async fn open_letters_of(
    session: &mut Session,
    (pipeline, partitions): (&PipelineName, &[Partition]),
    (what, which): (&str, &str),
    most: usize,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let statement = format!("{what}{OF_PARTITIONS}{which} LIMIT $5");
    let parameters = Parameters::of(partitions);
    sqlx::query(&statement)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1))
        .fetch_all(session.driver())
        .await
}

const OF_PARTITIONS: &str = "
  FROM cdc.dead_letter AS letter
 WHERE letter.pipeline = $1 AND letter.state = 'open' AND letter.raw_key IS NOT NULL
   AND EXISTS (SELECT FROM unnest($2::text[], $3::int4[], $4::int4[])
                        AS w (topic, generation, partition)
                WHERE letter.topic = w.topic
                  AND (letter.generation < w.generation
                       OR (letter.generation, letter.partition) = (w.generation, w.partition)))";

/// The log of a row with the columns `topic`, `generation` and `partition`.
pub(crate) fn partition(row: &PgRow) -> Result<Partition, sqlx::Error> {
    let generation: i32 = row.try_get("generation")?;
    let generation = u32::try_from(generation).map_err(|error| decode(error.into()))?;
    let topic: String = row.try_get("topic")?;
    Partition::new(&topic, generation, row.try_get("partition")?)
        .map_err(|error| decode(error.into()))
}

fn decode(error: crate::error::Cause) -> sqlx::Error {
    sqlx::Error::Decode(error)
}
