//! Watches over the books of a running pipeline, over a connection of its own.
//!
//! A log that nothing comes from is not written to, so nothing else would notice that its checkpoint
//! has been moved. Old entries are removed here as well, off the path of the data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cdc_core::Partition;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::error::{PostgresError, from_driver};
use crate::ledger::{self, Head};
use crate::session::Session;
use crate::settings::PostgresSettings;

/// How often the heads of the logs are looked at: a mismatch is known within 10 s.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The longest that one look may take; then the session is given up.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// How often a mismatch is reported that stays.
const REPEAT_EVERY: Duration = Duration::from_mins(1);
/// How often old entries are removed.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// Entries of one log that one statement removes at most: some tens of milliseconds.
const PRUNE_ROWS: i32 = 5_000;
/// Statements that remove entries between two looks: what is left is removed after the next.
const PRUNES_MAX: u32 = 20;

/// Watches over the books of a pipeline until it is dropped, and calls `alarm` for each log whose
/// checkpoint and ledger disagree: within 10 s, and every minute while they do. Removes entries older
/// than `ledger_retention`. A warehouse that cannot be reached is waited for.
///
/// Dropping the future loses nothing.
pub async fn watch_ledger(
    settings: PostgresSettings,
    mut alarm: impl FnMut(&PostgresError) + Send,
) {
    let settings = PostgresSettings { connect_patience: Duration::ZERO, ..settings };
    let mut watch = Watch::default();
    let mut session: Option<Session> = None;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let look = async {
            let mut open = match session.take() {
                Some(open) => open,
                None => Session::connect(&settings).await?,
            };
            for error in watch.look(&mut open, &settings).await? {
                alarm(&error);
            }
            watch.prune(&mut open, &settings).await?;
            Ok::<Session, PostgresError>(open)
        };
        match timeout(LOOK_MAX, look).await {
            Ok(Ok(open)) => session = Some(open),
            // Whoever writes meets the same, and says so.
            Ok(Err(error)) => tracing::debug!(error = %error, "the books were not looked at"),
            Err(_) => tracing::debug!("the books were not looked at in time"),
        }
    }
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct Watch {
    /// Logs that had a checkpoint with something applied, and where.
    seen: BTreeMap<Partition, i64>,
    /// When a mismatch was last reported.
    reported: BTreeMap<Partition, Instant>,
    pruned: Option<Instant>,
}

impl Watch {
    /// Mismatches to report.
    async fn look(
        &mut self,
        session: &mut Session,
        settings: &PostgresSettings,
    ) -> Result<Vec<PostgresError>, PostgresError> {
        let mut heads = ledger::heads(session, &settings.pipeline).await?;
        let present: BTreeSet<Partition> =
            heads.iter().map(|head| head.partition.clone()).collect();
        let gone = self.seen.iter().filter(|(partition, _)| !present.contains(*partition));
        heads.extend(gone.map(|(partition, ledger)| Head {
            partition: partition.clone(),
            checkpoint: None,
            ledger: Some(*ledger),
        }));
        let now = Instant::now();
        let mut errors = Vec::new();
        for head in heads {
            let Some(error) = head.mismatch(&settings.pipeline) else {
                self.reported.remove(&head.partition);
                if let Some(ledger) = head.ledger {
                    self.seen.insert(head.partition, ledger);
                }
                continue;
            };
            let reported = self.reported.get(&head.partition);
            if reported.is_none_or(|at| now.duration_since(*at) >= REPEAT_EVERY) {
                self.reported.insert(head.partition, now);
                errors.push(error);
            }
        }
        Ok(errors)
    }

    /// Removes old entries when it is time to.
    async fn prune(
        &mut self,
        session: &mut Session,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        let recently = |at: Instant| at.elapsed() < PRUNE_EVERY;
        if settings.ledger_retention.is_zero() || self.pruned.is_some_and(recently) {
            return Ok(());
        }
        for _ in 0..PRUNES_MAX {
            let removed: i64 =
                sqlx::query_scalar("SELECT cdc.prune_ledger($1, make_interval(secs => $2), $3)")
                    .bind(settings.pipeline.as_str())
                    .bind(settings.ledger_retention.as_secs_f64())
                    .bind(PRUNE_ROWS)
                    .fetch_one(session.driver())
                    .await
                    .map_err(|error| from_driver("removing old entries of the ledger", error))?;
            if removed == 0 {
                self.pruned = Some(Instant::now());
                break;
            }
            tracing::debug!(removed, "removed old entries of the ledger");
        }
        Ok(())
    }
}
