//! Looks at the books of a pipeline: what they say, and whether they balance.

use std::collections::BTreeMap;

use cdc_core::Partition;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::decision::{self, Decision};
use crate::error::{PostgresError, from_driver};
use crate::ledger;
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::state;

mod watch;

pub use watch::watch_ledger;

const DOING: &str = "reading the ledger";

const SUMS: &str = "
WITH sums AS (
    SELECT topic, generation, partition, count(*) AS entries, min(first_offset) AS first_offset,
           max(until_offset) AS until_offset, sum(read)::int8 AS read, sum(written)::int8 AS written,
           sum(folded)::int8 AS folded, sum(skipped)::int8 AS skipped,
           sum(dead_lettered)::int8 AS dead_lettered,
           sum(until_offset - first_offset) FILTER (WHERE decision IS NOT NULL)::int8 AS passed_over
      FROM cdc.ledger
     WHERE pipeline = $1 AND run = 0
     GROUP BY topic, generation, partition
), stands AS (
    SELECT topic, generation, partition, next_offset FROM cdc.checkpoint WHERE pipeline = $1)
SELECT topic, generation, partition, coalesce(entries, 0) AS entries, first_offset, until_offset,
       coalesce(read, 0) AS read, coalesce(written, 0) AS written, coalesce(folded, 0) AS folded,
       coalesce(skipped, 0) AS skipped, coalesce(dead_lettered, 0) AS dead_lettered,
       coalesce(passed_over, 0) AS passed_over, next_offset
  FROM sums FULL JOIN stands USING (topic, generation, partition)
 ORDER BY topic, generation, partition";

const REASONS: &str = "
SELECT topic, generation, partition, reason.key AS reason, sum(reason.value::int8)::int8 AS records
  FROM cdc.ledger CROSS JOIN LATERAL jsonb_each_text(skipped_by) AS reason
 WHERE pipeline = $1 AND run = 0
 GROUP BY topic, generation, partition, reason.key";

const MISMATCHES: &str = "
SELECT topic, generation, partition, place, problem, expected, found FROM cdc.check_ledger($1)";

/// What the books of a pipeline say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// Each log, in order.
    pub logs: Vec<LogBooks>,
    /// Where they do not balance.
    pub mismatches: Vec<Mismatch>,
    /// What an operator decided about the pipeline, in order.
    pub decisions: Vec<Decision>,
}

/// What the books say of one log: the sums of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBooks {
    /// The log.
    pub partition: Partition,
    /// How many entries there are.
    pub entries: u64,
    /// Where the oldest entry begins and the newest ends; `None` without entries.
    pub range: Option<(i64, i64)>,
    /// Records read.
    pub read: u64,
    /// Of those, written.
    pub written: u64,
    /// Of those, replaced by a later change of their key.
    pub folded: u64,
    /// Of those, skipped.
    pub skipped: u64,
    /// Skipped records by reason.
    pub skipped_by: BTreeMap<String, u64>,
    /// Of those read, kept as dead letters.
    pub dead_lettered: u64,
    /// Offsets that were passed over unread by an operator's decision, because the log had lost them.
    pub passed_over: u64,
    /// Where the checkpoint stands, if anything has been applied.
    pub checkpoint: Option<i64>,
}

/// What does not balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MismatchKind {
    /// Offsets are in no entry.
    Hole,
    /// Offsets are in two entries.
    Overlap,
    /// An entry does not account for all records that it read.
    Sum,
    /// An entry does not name a reason for each record that it skipped.
    Reasons,
    /// The checkpoint does not stand where the newest entry ends.
    Head,
}

impl MismatchKind {
    /// The word that it is reported under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::Overlap => "overlap",
            Self::Sum => "sum",
            Self::Reasons => "reasons",
            Self::Head => "head",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Hole, Self::Overlap, Self::Sum, Self::Reasons, Self::Head];
        all.into_iter().find(|kind| kind.name() == word)
    }
}

/// A place where the books do not balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The log.
    pub partition: Partition,
    /// The offset at which.
    pub place: i64,
    /// What it is.
    pub kind: MismatchKind,
    /// The same in words.
    pub message: String,
    /// What to do next.
    pub fix: String,
}

/// Reads the books of a pipeline in one snapshot, so that a pipeline which runs meanwhile does not
/// matter.
///
/// # Errors
///
/// When the warehouse cannot be reached or has no such books.
pub async fn read_ledger(settings: &PostgresSettings) -> Result<Books, PostgresError> {
    let mut session = state::open(settings).await?;
    let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.execute(DOING, begin).await?;
    let pipeline = &settings.pipeline;
    let mut books = Books::default();
    for row in rows(&mut session, SUMS, pipeline).await? {
        books.logs.extend(log(&row).map_err(|error| from_driver(DOING, error))?);
    }
    for row in rows(&mut session, REASONS, pipeline).await? {
        reason(&row, &mut books.logs).map_err(|error| from_driver(DOING, error))?;
    }
    for row in rows(&mut session, MISMATCHES, pipeline).await? {
        let found = mismatch(&row, pipeline).map_err(|error| from_driver(DOING, error))?;
        books.mismatches.extend(found);
    }
    books.decisions = decision::read(&mut session, pipeline).await?;
    session.execute(DOING, "COMMIT").await?;
    Ok(books)
}

async fn rows(
    session: &mut Session,
    query: &'static str,
    pipeline: &PipelineName,
) -> Result<Vec<PgRow>, PostgresError> {
    sqlx::query(query)
        .bind(pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))
}

/// The log of a row; `None` for one that nobody of ours can have written.
fn partition(row: &PgRow) -> Result<Option<Partition>, sqlx::Error> {
    let topic: String = row.try_get("topic")?;
    let generation: i32 = row.try_get("generation")?;
    let number: i32 = row.try_get("partition")?;
    let Ok(generation) = u32::try_from(generation) else { return Ok(None) };
    Ok(Partition::new(&topic, generation, number).ok())
}

fn count(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    let count: i64 = row.try_get(column)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn log(row: &PgRow) -> Result<Option<LogBooks>, sqlx::Error> {
    let Some(partition) = partition(row)? else { return Ok(None) };
    let first: Option<i64> = row.try_get("first_offset")?;
    let until: Option<i64> = row.try_get("until_offset")?;
    Ok(Some(LogBooks {
        partition,
        entries: count(row, "entries")?,
        range: first.zip(until),
        read: count(row, "read")?,
        written: count(row, "written")?,
        folded: count(row, "folded")?,
        skipped: count(row, "skipped")?,
        skipped_by: BTreeMap::new(),
        dead_lettered: count(row, "dead_lettered")?,
        passed_over: count(row, "passed_over")?,
        checkpoint: row.try_get("next_offset")?,
    }))
}

fn reason(row: &PgRow, logs: &mut [LogBooks]) -> Result<(), sqlx::Error> {
    let Some(partition) = partition(row)? else { return Ok(()) };
    if let Some(log) = logs.iter_mut().find(|log| log.partition == partition) {
        log.skipped_by.insert(row.try_get("reason")?, count(row, "records")?);
    }
    Ok(())
}

fn mismatch(row: &PgRow, pipeline: &PipelineName) -> Result<Option<Mismatch>, sqlx::Error> {
    let word: String = row.try_get("problem")?;
    let (Some(partition), Some(kind)) = (partition(row)?, MismatchKind::parse(&word)) else {
        return Ok(None);
    };
    let place: i64 = row.try_get("place")?;
    let expected: i64 = row.try_get("expected")?;
    let found: Option<i64> = row.try_get("found")?;
    let number = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
    let message = match kind {
        MismatchKind::Hole => format!("the offsets from {expected} up to {number} are in no entry"),
        MismatchKind::Overlap => {
            format!(
                "the entry of offset {place} begins before {expected}, where an earlier one ends"
            )
        }
        MismatchKind::Sum => {
            format!("the entry of offset {place} accounts for {number} of {expected} records")
        }
        MismatchKind::Reasons => format!(
            "the entry of offset {place} has reasons for {number} of {expected} skipped records"
        ),
        MismatchKind::Head => match found {
            Some(found) => {
                format!("the checkpoint stands at {found}, while the ledger ends at {expected}")
            }
            None => format!("the checkpoint is gone, while the ledger ends at {expected}"),
        },
    };
    let fix = match kind {
        MismatchKind::Hole => {
            "look whether the targets hold the changes of these offsets; if not, start over, or put \
             the checkpoint back to where the hole begins and let new books begin there"
                .to_owned()
        }
        MismatchKind::Overlap => {
            "look in the histories for changes whose offset is there twice, and remove the later ones"
                .to_owned()
        }
        MismatchKind::Sum | MismatchKind::Reasons => {
            "find out who changed the entry: the pipeline writes no such entry".to_owned()
        }
        MismatchKind::Head => ledger::hint(pipeline, &partition, expected),
    };
    Ok(Some(Mismatch { partition, place, kind, message, fix }))
}
