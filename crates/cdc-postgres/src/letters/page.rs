//! Letters with their bytes, a page at a time: a topic may have left more of them than fit in memory.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{LetterFilter, MATCHES, OriginalMark, RawLetter, bound, failed, partition};
use crate::error::PostgresError;
use crate::retry::CHOSEN;
use crate::session::Session;
use crate::settings::PipelineName;

/// Letters of a page at most.
const PAGE_LETTERS: i32 = 1_000;
/// Bytes of a page at most; a single letter may pass it.
const PAGE_BYTES: i64 = 4 * 1024 * 1024;

/// Sizes first: reading a page's bytes before they are counted would take any amount of memory. Of masked
/// letters the originals count, as a retry reads them.
const SIZES: &str = r#"
SELECT l.id, l.topic, l.generation, l.partition, l."offset",
       greatest(octet_length(l.raw_key)::int8, l.key_bytes, 0)
           + greatest(octet_length(l.raw_value)::int8, l.value_bytes, 0)
           + octet_length(l.raw_headers::text)::int8 AS bytes
  FROM cdc.dead_letter AS l
 WHERE "#;

const BEHIND: &str = r#"
   AND ($12::text IS NULL
        OR (l.topic, l.generation, l.partition, l."offset") > ($12, $13::int4, $14::int4, $15::int8))
   AND (NOT $16 OR EXISTS (
        SELECT FROM cdc.checkpoint AS c
         WHERE (c.pipeline, c.topic, c.generation, c.partition)
             = (l.pipeline, l.topic, l.generation, l.partition)
           AND c.next_offset > l."offset"))
 ORDER BY l.topic, l.generation, l.partition, l."offset"
 LIMIT $17"#;

const BYTES: &str = r#"
SELECT l.id, l.topic, l.generation, l.partition, l."offset", l.raw_key, l.raw_value,
       l.raw_headers::text AS raw_headers,
       coalesce(l.timestamp_ms, floor(extract(epoch FROM l.created_at) * 1000)::int8) AS timestamp_ms,
       l.timestamp_ms AS own_timestamp_ms, l.masked, l.withheld, l.key_bytes, l.value_bytes,
       l.key_hidden, l.digest, l.hashed_by
  FROM cdc.dead_letter AS l
 WHERE l.id = ANY ($1)
 ORDER BY l.topic, l.generation, l.partition, l."offset""#;

/// Which letters a page may have, beside what the filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageOf {
    /// Any.
    All,
    /// Those that a retry has chosen behind the checkpoint: others are read again by the pipeline itself.
    /// Of one log only.
    OneLogBehindTheCheckpoint,
}

/// Where reading stands.
#[derive(Debug)]
pub(crate) struct Page {
    filter: LetterFilter,
    last: Option<(String, i32, i32, i64)>,
}

struct Size {
    id: i64,
    place: (String, i32, i32, i64),
    bytes: i64,
}

impl Page {
    /// Before the first letter.
    pub(crate) fn new(filter: LetterFilter) -> Self {
        Self { filter, last: None }
    }

    /// The next letters; none at the end.
    pub(crate) async fn next(
        &mut self,
        session: &mut Session,
        pipeline: &PipelineName,
        of: PageOf,
    ) -> Result<Vec<RawLetter>, PostgresError> {
        let chosen = match of {
            PageOf::All => "",
            PageOf::OneLogBehindTheCheckpoint => CHOSEN,
        };
        let statement = [SIZES, MATCHES, chosen, BEHIND].concat();
        let last = self.last.clone();
        let (topic, generation, partition, offset) = last.unwrap_or_default();
        let rows = bound(sqlx::query(&statement), pipeline, &self.filter)
            .bind(self.last.is_some().then_some(topic))
            .bind(generation)
            .bind(partition)
            .bind(offset)
            .bind(of == PageOf::OneLogBehindTheCheckpoint)
            .bind(PAGE_LETTERS)
            .fetch_all(session.driver())
            .await
            .map_err(failed)?;
        let sizes: Result<Vec<Size>, _> = rows.iter().map(size).collect();
        let mut ids = Vec::new();
        let mut total = 0_i64;
        for Size { id, place, bytes } in sizes.map_err(failed)? {
            let log = |place: &(String, i32, i32, i64)| (place.0.clone(), place.1, place.2);
            let is_other = self.last.as_ref().is_some_and(|last| log(last) != log(&place));
            let ends = of == PageOf::OneLogBehindTheCheckpoint && is_other;
            total = total.saturating_add(bytes);
            if !ids.is_empty() && (total > PAGE_BYTES || ends) {
                break;
            }
            ids.push(id);
            self.last = Some(place);
        }
        read(session, &ids).await
    }
}

/// The bytes of letters, in the order of their logs.
async fn read(session: &mut Session, ids: &[i64]) -> Result<Vec<RawLetter>, PostgresError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(BYTES).bind(ids).fetch_all(session.driver()).await.map_err(failed)?;
    rows.iter().map(raw).collect::<Result<_, _>>().map_err(failed)
}

fn size(row: &PgRow) -> Result<Size, sqlx::Error> {
    let place = (
        row.try_get("topic")?,
        row.try_get("generation")?,
        row.try_get("partition")?,
        row.try_get("offset")?,
    );
    Ok(Size { id: row.try_get("id")?, place, bytes: row.try_get("bytes")? })
}

/// What the record of a masked letter is known by.
fn original(row: &PgRow) -> Result<Option<OriginalMark>, sqlx::Error> {
    if !row.try_get::<bool, _>("masked")? {
        return Ok(None);
    }
    Ok(Some(OriginalMark {
        timestamp_ms: row.try_get("own_timestamp_ms")?,
        key_bytes: row.try_get("key_bytes")?,
        value_bytes: row.try_get("value_bytes")?,
        is_key_hidden: row.try_get("key_hidden")?,
        digest: row.try_get("digest")?,
        hashed_by: row.try_get("hashed_by")?,
    }))
}

fn raw(row: &PgRow) -> Result<RawLetter, sqlx::Error> {
    Ok(RawLetter {
        id: row.try_get("id")?,
        partition: partition(row)?,
        offset: row.try_get("offset")?,
        timestamp_ms: row.try_get("timestamp_ms")?,
        key: row.try_get("raw_key")?,
        value: row.try_get("raw_value")?,
        headers: row.try_get("raw_headers")?,
        withheld: row.try_get("withheld")?,
        original: original(row)?,
    })
}
