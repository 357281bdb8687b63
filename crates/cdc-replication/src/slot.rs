//! Replication slots: which server it is, what is known of a slot, and how one is made and dropped.

use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::ReplicationError;
use crate::lsn::Lsn;
use crate::settings::SlotName;
use crate::wire::{Client, TextRow};

const DOING: &str = "asking the source about its slots";

/// After this time the log says what making a slot waits for.
const CREATION_PATIENCE: Duration = Duration::from_secs(5);

/// The server and its history: the same log is only to be found where all of these are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemIdentity {
    /// Drawn when the cluster was initialised; its copies and restored backups have the same.
    pub(crate) system_id: u64,
    /// Rises with each promotion and each recovery to a moment.
    pub(crate) timeline: u32,
    /// How far the log is flushed.
    pub(crate) flushed: Lsn,
    pub(crate) database: String,
}

/// Whether the server still has the log that a slot needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalStatus {
    /// All of it, within `max_wal_size`.
    Reserved,
    /// All of it, beyond `max_wal_size`: it is kept for slots alone.
    Extended,
    /// Some of it is removed at the next checkpoint unless the slot moves on.
    Unreserved,
    /// Some of it is gone: the slot can never be read again.
    Lost,
}

/// What the server knows of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotState {
    /// None for a physical slot.
    pub(crate) plugin: Option<String>,
    /// None for a physical slot.
    pub(crate) database: Option<String>,
    /// The server process that reads it now.
    pub(crate) active_pid: Option<i32>,
    /// Everything committed before it is never sent again.
    pub(crate) confirmed_flush: Option<Lsn>,
    /// The oldest log that it needs.
    pub(crate) restart_lsn: Option<Lsn>,
    /// None as long as nothing is reserved.
    pub(crate) wal_status: Option<WalStatus>,
    /// How much may still be written before the slot is in danger of being lost, in bytes. None without a
    /// limit (`max_slot_wal_keep_size = -1`), and for a lost slot.
    pub(crate) safe_wal_size: Option<i64>,
    /// How much log the server keeps for it, in bytes.
    pub(crate) retained: Option<u64>,
    /// Why it can never be read again, from version 17 on; before, `wal_status` tells.
    pub(crate) invalidation: Option<String>,
}

impl SlotState {
    /// Whether it can never be read again.
    pub(crate) fn is_invalid(&self) -> bool {
        self.invalidation.is_some() || self.wal_status == Some(WalStatus::Lost)
    }
}

/// A new slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedSlot {
    /// The slot sends everything that was committed from here on.
    pub(crate) consistent_point: Lsn,
    /// The name of a snapshot that shows everything committed before. It lives as long as the session that
    /// made the slot does nothing else.
    pub(crate) snapshot: String,
}

/// Asks which server it is. On a session for replication.
pub(crate) async fn identify(client: &mut Client) -> Result<SystemIdentity, ReplicationError> {
    let rows = client.query("IDENTIFY_SYSTEM").await?;
    let row = only(&rows)?;
    Ok(SystemIdentity {
        system_id: required(row, "systemid")?,
        timeline: required(row, "timeline")?,
        flushed: required(row, "xlogpos")?,
        database: required(row, "dbname")?,
    })
}

/// Looks a slot up; none if there is no such slot.
pub(crate) async fn look(
    client: &mut Client,
    slot: &SlotName,
) -> Result<Option<SlotState>, ReplicationError> {
    let rows = client.query(&look_sql(client.server_version(), slot)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let retained = optional::<i64>(row, "retained")?;
    Ok(Some(SlotState {
        plugin: optional(row, "plugin")?,
        database: optional(row, "database")?,
        active_pid: optional(row, "active_pid")?,
        confirmed_flush: optional(row, "confirmed_flush_lsn")?,
        restart_lsn: optional(row, "restart_lsn")?,
        wal_status: optional(row, "wal_status")?,
        safe_wal_size: optional(row, "safe_wal_size")?,
        retained: retained.map(|bytes| u64::try_from(bytes).unwrap_or_default()),
        invalidation: optional(row, "invalidation")?,
    }))
}

fn look_sql(version: u32, slot: &SlotName) -> String {
    // The column came with 17. Version 16 has `conflicting`, which is true only on standbys.
    let invalidation = if version >= 170_000 { "invalidation_reason" } else { "NULL::text" };
    format!(
        "SELECT plugin, database, active_pid, confirmed_flush_lsn, restart_lsn, wal_status, safe_wal_size,
                {invalidation} AS invalidation,
                pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                     ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS retained
           FROM pg_catalog.pg_replication_slots
          WHERE slot_name = '{slot}'"
    )
}

/// Makes a slot and exports the snapshot that fits it. On a session for replication, which must then stay
/// idle for as long as the snapshot is needed.
///
/// The server waits here for every transaction that has written something to end.
pub(crate) async fn create(
    client: &mut Client,
    slot: &SlotName,
) -> Result<CreatedSlot, ReplicationError> {
    let sql = create_sql(client.server_version(), slot);
    let mut creation = pin!(client.query(&sql));
    let rows = if let Ok(rows) = timeout(CREATION_PATIENCE, creation.as_mut()).await {
        rows?
    } else {
        tracing::info!(
            %slot,
            "making the slot waits for transactions that began before it; the oldest are shown by \
             SELECT pid, xact_start FROM pg_stat_activity ORDER BY xact_start"
        );
        creation.await?
    };
    let row = only(&rows)?;
    Ok(CreatedSlot {
        consistent_point: required(row, "consistent_point")?,
        snapshot: required(row, "snapshot_name")?,
    })
}

fn create_sql(version: u32, slot: &SlotName) -> String {
    let export = if version >= 150_000 { "(SNAPSHOT 'export')" } else { "EXPORT_SNAPSHOT" };
    format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput {export}")
}

/// Drops a slot. Fine if there is no such slot; an error while somebody reads it.
#[cfg(test)]
pub(crate) async fn drop(client: &mut Client, slot: &SlotName) -> Result<(), ReplicationError> {
    let sql = format!(
        "SELECT pg_catalog.pg_drop_replication_slot(slot_name)
           FROM pg_catalog.pg_replication_slots WHERE slot_name = '{slot}'"
    );
    client.query(&sql).await.map(|_| ())
}

impl WalStatus {
    /// A number for it, from one on.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Reserved => 1,
            Self::Extended => 2,
            Self::Unreserved => 3,
            Self::Lost => 4,
        }
    }

    /// What a number stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Reserved, Self::Extended, Self::Unreserved, Self::Lost]
            .into_iter()
            .find(|status| status.code() == code)
    }
}

impl FromStr for WalStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "reserved" => Ok(Self::Reserved),
            "extended" => Ok(Self::Extended),
            "unreserved" => Ok(Self::Unreserved),
            "lost" => Ok(Self::Lost),
            _ => Err(()),
        }
    }
}

fn only(rows: &[TextRow]) -> Result<&TextRow, ReplicationError> {
    rows.first().ok_or_else(|| ReplicationError::malformed(DOING, "a row", "none"))
}

fn required<T: FromStr>(row: &TextRow, column: &str) -> Result<T, ReplicationError> {
    optional(row, column)?.ok_or_else(|| malformed(column, "NULL"))
}

fn optional<T: FromStr>(row: &TextRow, column: &str) -> Result<Option<T>, ReplicationError> {
    let parsed = row.named(column).map(str::parse::<T>).transpose();
    parsed.map_err(|_| malformed(column, row.named(column).unwrap_or_default()))
}

/// None of these columns holds anything that is secret.
fn malformed(column: &str, found: &str) -> ReplicationError {
    let expected = format!("a value of {column} that this program knows");
    ReplicationError::malformed(DOING, &expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_version_is_asked_for_what_it_lacks() {
        let slot = SlotName::parse("s_1").unwrap();
        for (version, has_reason, statement) in [
            (140_000, false, "CREATE_REPLICATION_SLOT s_1 LOGICAL pgoutput EXPORT_SNAPSHOT"),
            (150_000, false, "CREATE_REPLICATION_SLOT s_1 LOGICAL pgoutput (SNAPSHOT 'export')"),
            (160_004, false, "CREATE_REPLICATION_SLOT s_1 LOGICAL pgoutput (SNAPSHOT 'export')"),
            (170_000, true, "CREATE_REPLICATION_SLOT s_1 LOGICAL pgoutput (SNAPSHOT 'export')"),
        ] {
            let sql = look_sql(version, &slot);
            assert_eq!(sql.contains("invalidation_reason"), has_reason, "{version}");
            assert_eq!(create_sql(version, &slot), statement, "{version}");
        }
    }
}
