//! Putting letters aside: a decision of a person, with its reason. Their bytes stay.

use super::{LetterFilter, LetterState, MATCHES, bound, failed};
use crate::error::{PostgresError, from_driver};
use crate::settings::PostgresSettings;
use crate::state;

const DISCARD: &str = "
UPDATE cdc.dead_letter AS l
   SET state = 'discarded', resolution = $12, resolved_by = session_user,
       resolved_at = clock_timestamp()
 WHERE ";

const COUNT: &str = "SELECT count(*) FROM cdc.dead_letter AS l WHERE ";

/// Marks open letters as discarded, for this reason, and gives their number. Only counts them without a
/// reason. A letter that is being retried is waited for, and left alone if it is open no longer.
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
    let statement = [DISCARD, MATCHES].concat();
    let query = bound(sqlx::query(&statement), &settings.pipeline, &filter);
    let done = query.bind(reason.to_owned()).execute(session.driver()).await;
    Ok(done.map_err(|error| from_driver("discarding dead letters", error))?.rows_affected())
}
