//! What the server knows of a shadow, of its live table, and of the pipeline's progress.

use cdc_core::{NextOffset, Partition};
use sqlx::Row as _;

use crate::error::{PostgresError, from_driver};
use crate::ident::QualifiedName;
use crate::session::Session;
use crate::settings::PipelineName;

/// Something that has the name of a shadow.
#[derive(Debug)]
pub(super) struct Found {
    /// Its comment; empty without one.
    pub(super) comment: String,
}

const FIND: &str = "
SELECT coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2";

/// Columns that the server may fill with something else each time: identities, and defaults that call
/// anything. What stands in quotes within a default calls nothing.
const SERVER_FILLED: &str = "
SELECT a.attname::text
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
 WHERE a.attrelid = $1::text::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = ''
   AND (a.attidentity <> ''
        OR pg_catalog.regexp_replace(pg_catalog.pg_get_expr(d.adbin, d.adrelid), $q$'[^']*'$q$, '', 'g')
           ~* '[(]|current_|localtime|session_user')
 ORDER BY a.attnum";

const APPLIED: &str = "
SELECT topic, generation, partition, next_offset
  FROM cdc.checkpoint
 WHERE pipeline = $1
 ORDER BY topic, generation, partition";

/// What stands under a name.
pub(super) async fn find(
    session: &mut Session,
    name: &QualifiedName,
) -> Result<Option<Found>, PostgresError> {
    let comment: Option<String> = sqlx::query_scalar(FIND)
        .bind(name.schema.as_str())
        .bind(name.name.as_str())
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver("reading the catalog", error))?;
    Ok(comment.map(|comment| Found { comment }))
}

/// The columns of a table that the server may fill by itself, and not always alike.
pub(super) async fn server_filled(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<Vec<String>, PostgresError> {
    sqlx::query_scalar(SERVER_FILLED)
        .bind(table.to_string())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading the catalog", error))
}

/// How far a pipeline has applied its partitions, of all generations.
pub(super) async fn applied(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<Vec<(Partition, Option<NextOffset>)>, PostgresError> {
    let failed = |error| from_driver("reading the checkpoint", error);
    let rows = sqlx::query(APPLIED)
        .bind(pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(failed)?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in &rows {
        let partition = crate::letters::partition(row).map_err(failed)?;
        let next: Option<i64> = row.try_get("next_offset").map_err(failed)?;
        applied.push((partition, next.and_then(|raw| NextOffset::try_new(raw).ok())));
    }
    Ok(applied)
}
