//! Whether the connector has been sent what the source has written.
//!
//! A replication session sends whole transactions in the order of their commits and says how far in the
//! source's log it is, also while nothing is to be sent. A connector that cannot keep up stops reading, and
//! the session stands still soon after. What has been sent may still be in the connector's memory for as
//! long as it takes to write it into the log; that is what `stable_for` is for.

use std::time::{Duration, Instant};

use crate::error::PostgresError;
use crate::session::Session;

use super::source;

/// Behind the last record there may be the header of a page, at most so large, which nobody sends: what
/// stays at so little for [`STILL`] is nothing. The end of a transaction is larger where changes are
/// captured, because it names the database.
const REST_BYTES: i64 = 40;

/// How long so little has to stay the same.
const STILL: Duration = Duration::from_secs(1);

/// Of several logical sessions the one that is farthest: which of them is the connector's is not known.
/// NULL without any, and to a role that may not see other sessions.
const UNSENT: &str = "
SELECT pg_wal_lsn_diff($1::pg_lsn, max(sender.sent_lsn))::int8
  FROM pg_catalog.pg_stat_replication AS sender
  JOIN pg_catalog.pg_replication_slots AS slot ON slot.active_pid = sender.pid
 WHERE slot.slot_type = 'logical' AND slot.database = current_database()";

/// A position of the source's log, and how far the sending was from it.
#[derive(Debug)]
pub(super) struct Sending {
    /// `None` on a standby, which sends nothing.
    until: Option<String>,
    last: (i64, Instant),
}

impl Sending {
    /// Remembers where the source's log ends now.
    pub(super) async fn begin(session: &mut Session) -> Result<Self, PostgresError> {
        let until = sqlx::query_scalar(
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END::text",
        )
        .fetch_one(session.driver())
        .await
        .map_err(|error| source::from_driver("reading the end of the log", error))?;
        Ok(Self { until, last: (i64::MAX, Instant::now()) })
    }

    /// How many bytes have not been sent; `None` when all have, or nobody can say.
    pub(super) async fn look(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<i64>, PostgresError> {
        let Some(until) = &self.until else { return Ok(None) };
        let unsent: Option<i64> = sqlx::query_scalar(UNSENT)
            .bind(until)
            .fetch_one(session.driver())
            .await
            .map_err(|error| source::from_driver("looking at the replication", error))?;
        let now = Instant::now();
        Ok(unsent.filter(|unsent| *unsent > 0 && !self.is_rest(*unsent, now)))
    }

    fn is_rest(&mut self, unsent: i64, now: Instant) -> bool {
        let (last, since) = self.last;
        if unsent != last {
            self.last = (unsent, now);
            return false;
        }
        unsent <= REST_BYTES && now.saturating_duration_since(since) >= STILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_as_large_as_a_header_is_nothing_once_it_stays_and_a_larger_one_is_waited_for() {
        let now = Instant::now();
        let mut sending = Sending { until: None, last: (i64::MAX, now) };
        assert!(!sending.is_rest(40, now));
        assert!(!sending.is_rest(40, now + STILL / 2));
        assert!(!sending.is_rest(24, now + STILL));
        assert!(sending.is_rest(24, now + STILL * 2));
        let mut sending = Sending { until: None, last: (i64::MAX, now) };
        assert!(!sending.is_rest(48, now));
        assert!(!sending.is_rest(48, now + STILL * 60));
    }
}
