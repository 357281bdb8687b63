//! Putting letters aside: a decision of a person, with its reason. Their bytes stay.

use super::{LetterFilter, LetterState, MATCHES, bound, failed};
use crate::chain;
use crate::error::{PostgresError, from_driver};
use crate::settings::PostgresSettings;
use crate::sql::begin;
use crate::state;

/// Locked in the order in which everybody locks letters.
const LOCK: &str = "
WITH chosen AS MATERIALIZED (
    SELECT l.id
      FROM cdc.dead_letter AS l
     WHERE ";

const DISCARD: &str = r#"
     ORDER BY l.topic, l.generation, l.partition, l."offset"
       FOR UPDATE)
UPDATE cdc.dead_letter AS held
   SET state = 'discarded', resolution = $12, resolved_by = session_user,
       resolved_at = clock_timestamp()
  FROM chosen
 WHERE held.id = chosen.id
RETURNING held.id"#;

const COUNT: &str = "SELECT count(*) FROM cdc.dead_letter AS l WHERE ";

/// Marks open letters as discarded, for this reason, and gives their number. Only counts them without a
/// reason. What waits behind a letter can be retried then: the first of it is the next to be waited for. A letter that is being retried is waited for, and left alone if it is open no longer.
///
/// The books stay as they are: they say that a record was kept as a dead letter, which it still is.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn discard_letters(
    settings: &PostgresSettings,
    filter: &LetterFilter,
    reason: Option<&str>,
) -> Result<u64, PostgresError> {
    let filter = LetterFilter { state: Some(LetterState::Open), ..filter.clone() };
    let mut session = state::open(settings).await?;
    let Some(reason) = reason else {
        let statement = [COUNT, MATCHES].concat();
        let query = bound(sqlx::query(&statement), &settings.pipeline, &filter);
        let row = query.fetch_one(session.driver()).await.map_err(failed)?;
        let count: i64 = sqlx::Row::try_get(&row, 0).map_err(failed)?;
        return Ok(u64::try_from(count).unwrap_or(0));
    };
    let doing = "discarding dead letters";
    session.execute(doing, &begin(settings.lock_timeout)).await?;
    let statement = [LOCK, MATCHES, DISCARD].concat();
    let query = bound(sqlx::query(&statement), &settings.pipeline, &filter);
    let done = query.bind(reason.to_owned()).fetch_all(session.driver()).await;
    let failed = |error| from_driver(doing, error);
    let rows = done.map_err(failed)?;
    let ids = rows.iter().map(|row| sqlx::Row::try_get(row, 0));
    let done: Vec<i64> = ids.collect::<Result<_, _>>().map_err(failed)?;
    chain::relink(&mut session, &done).await?;
    session.execute(doing, "COMMIT").await?;
    Ok(u64::try_from(done.len()).unwrap_or(u64::MAX))
}
