//! Ends sessions of whoever owned a partition before.
//!
//! A process that froze inside COPY ignores every time-out of the server, and its open transaction
//! holds the keys of the rows it has sent. Its step of progress can no longer be applied once the
//! epoch has risen; ending its sessions frees the keys as well.

use sqlx::Row as _;

use crate::error::{PostgresError, from_driver};
use crate::owner::PREFIX;
use crate::session::Session;

const DOING: &str = "ending the sessions of a former owner";

/// Whoever's role it is: the name says whose session it is, and only ours begin like that. Nothing is
/// asked here that a server hides from other roles.
const SESSIONS: &str = "
SELECT pid, usename::text AS role, application_name AS owner
  FROM pg_catalog.pg_stat_activity
 WHERE datname = current_database()
   AND application_name = ANY ($1) AND starts_with(application_name, $2)
   AND pid <> pg_backend_pid() AND pid <> ALL ($3)
 ORDER BY pid";

/// The number may belong to another session by now, so the name is asked for again.
const END: &str = "
SELECT pg_terminate_backend(pid)
  FROM pg_catalog.pg_stat_activity
 WHERE pid = $1 AND application_name = $2";

/// Ends every session of these owners in this database, but for those that are spared.
///
/// # Errors
///
/// [`PostgresError::ForeignSession`] when the role may not end one of them.
pub(crate) async fn end_sessions(
    session: &mut Session,
    owners: &[String],
    spared: &[i32],
) -> Result<(), PostgresError> {
    if owners.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(SESSIONS)
        .bind(owners)
        .bind(PREFIX)
        .bind(spared)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    for row in &rows {
        let read = || -> Result<(i32, Option<String>, String), sqlx::Error> {
            Ok((row.try_get("pid")?, row.try_get("role")?, row.try_get("owner")?))
        };
        let (pid, role, owner) = read().map_err(|error| from_driver(DOING, error))?;
        let ended = sqlx::query(END).bind(pid).bind(&owner).execute(session.driver()).await;
        match ended.map_err(|error| from_driver(DOING, error)) {
            Ok(_) => tracing::info!(pid, owner, "ended a session of a former owner"),
            Err(PostgresError::Server { sqlstate, source, .. }) if sqlstate == "42501" => {
                let role = role.unwrap_or_default();
                return Err(PostgresError::ForeignSession { pid, role, owner, source });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
