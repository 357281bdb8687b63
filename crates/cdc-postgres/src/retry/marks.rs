//! What is read and written of the letters of a page, in the transaction that applies it.

use std::collections::BTreeMap;

use cdc_core::{Partition, Rejection};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::checkpoint::generation;
use crate::dead_letter::storable;
use crate::error::{PostgresError, from_driver};
use crate::letters::LetterState;
use crate::session::Session;
use crate::settings::PipelineName;
use crate::tables::Tables;

const LOCK: &str = r#"
SELECT letter.id, letter."offset", letter.target_table, letter.deleted_in, letter.overlaid_in
  FROM cdc.dead_letter AS letter
 WHERE (letter.pipeline, letter.topic, letter.generation, letter.partition) = ($1, $2, $3, $4)
   AND letter."offset" = ANY ($5) AND letter.state = 'open'
 ORDER BY letter."offset"
   FOR UPDATE"#;

const RESOLVE: &str = r#"
UPDATE cdc.dead_letter AS letter
   SET state = $6, resolution = $7, resolved_by = session_user, resolved_at = clock_timestamp(),
       attempts = letter.attempts + 1, attempted_at = clock_timestamp()
 WHERE (letter.pipeline, letter.topic, letter.generation, letter.partition) = ($1, $2, $3, $4)
   AND letter."offset" = ANY ($5)"#;

const FAIL: &str = r#"
UPDATE cdc.dead_letter AS letter
   SET stage = again.stage, reason = again.reason, message = again.message,
       column_name = again.column_name, sqlstate = again.sqlstate, hint = again.hint,
       source_table = coalesce(again.source_table, letter.source_table),
       target_table = coalesce(again.target_table, letter.target_table),
       attempts = letter.attempts + 1, attempted_at = clock_timestamp()
  FROM unnest($5::int8[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
              $11::text[], $12::text[], $13::text[])
       AS again ("offset", stage, reason, message, column_name, sqlstate, hint, source_table,
                 target_table)
 WHERE (letter.pipeline, letter.topic, letter.generation, letter.partition) = ($1, $2, $3, $4)
   AND letter."offset" = again."offset""#;

const DOING: &str = "marking letters";

/// The letters of a page: whose they are and where they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) pipeline: &'p PipelineName,
    pub(super) partition: &'p Partition,
}

/// What is known of a letter that is open.
#[derive(Debug)]
pub(super) struct Held {
    /// Its number.
    pub(super) id: i64,
    /// The table in the warehouse, when that much was known.
    pub(super) target: Option<String>,
    /// The mirrors in which its row was deleted since; `None` where nobody has watched.
    pub(super) deleted_in: Option<Vec<String>>,
    /// The mirrors in which its row was changed since without all values.
    pub(super) overlaid_in: Vec<String>,
}

/// Those that are open, by offset.
pub(super) type HeldLetters = BTreeMap<i64, Held>;

/// Locks those that are open, until the transaction ends.
pub(super) async fn lock(
    session: &mut Session,
    place: Place<'_>,
    offsets: &[i64],
) -> Result<HeldLetters, PostgresError> {
    let failed = |error| from_driver("locking letters", error);
    let rows = sqlx::query(LOCK)
        .bind(place.pipeline.as_str())
        .bind(place.partition.topic().as_str())
        .bind(generation(place.partition))
        .bind(place.partition.number().get())
        .bind(offsets)
        .fetch_all(session.driver())
        .await
        .map_err(failed)?;
    rows.iter().map(held).collect::<Result<_, _>>().map_err(failed)
}

fn held(row: &PgRow) -> Result<(i64, Held), sqlx::Error> {
    let (deleted_in, overlaid_in) = (row.try_get("deleted_in")?, row.try_get("overlaid_in")?);
    let (id, target) = (row.try_get("id")?, row.try_get("target_table")?);
    Ok((row.try_get("offset")?, Held { id, target, deleted_in, overlaid_in }))
}

/// Marks letters as done with.
pub(super) async fn resolve(
    session: &mut Session,
    place: Place<'_>,
    offsets: &[i64],
    (state, resolution): (LetterState, &str),
) -> Result<(), PostgresError> {
    if offsets.is_empty() {
        return Ok(());
    }
    sqlx::query(RESOLVE)
        .bind(place.pipeline.as_str())
        .bind(place.partition.topic().as_str())
        .bind(generation(place.partition))
        .bind(place.partition.number().get())
        .bind(offsets)
        .bind(state.name())
        .bind(resolution)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    Ok(())
}

/// Keeps letters open, with the reasons for which they failed again.
pub(super) async fn fail(
    session: &mut Session,
    place: Place<'_>,
    tables: &Tables,
    failures: &[(i64, &Rejection)],
) -> Result<(), PostgresError> {
    if failures.is_empty() {
        return Ok(());
    }
    let settings = |rejection: &Rejection| rejection.table.and_then(|table| tables.get(table));
    let of = |text: fn(&Rejection) -> Option<&str>| -> Vec<Option<String>> {
        failures.iter().map(|(_, rejection)| text(rejection).map(storable)).collect()
    };
    let named = |name: fn(&crate::settings::TableSettings) -> String| -> Vec<Option<String>> {
        failures.iter().map(|(_, rejection)| settings(rejection).map(name)).collect()
    };
    sqlx::query(FAIL)
        .bind(place.pipeline.as_str())
        .bind(place.partition.topic().as_str())
        .bind(generation(place.partition))
        .bind(place.partition.number().get())
        .bind(failures.iter().map(|(offset, _)| *offset).collect::<Vec<_>>())
        .bind(of(|rejection| Some(rejection.stage.name())))
        .bind(of(|rejection| Some(&rejection.reason)))
        .bind(of(|rejection| Some(&rejection.message)))
        .bind(of(|rejection| rejection.column.as_deref()))
        .bind(of(|rejection| rejection.sqlstate.as_deref()))
        .bind(of(|rejection| rejection.hint.as_deref()))
        .bind(named(|table| storable(&table.source.to_string())))
        .bind(named(|table| table.target.to_string()))
        .execute(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    Ok(())
}
