//! The state tables: their SQL, and whether the warehouse has them.
//!
//! The SQL stands in files of its own so that people can read it and run it by hand. Every file may
//! be run again; the version says which have been.

use crate::error::{PostgresError, from_driver};
use crate::reach::reach;
use crate::session::{Session, within};
use crate::settings::PostgresSettings;

/// The version that this program reads and writes.
pub(crate) const VERSION: i32 = 5;

/// The SQL of all versions, in order.
pub(crate) const FILES: &[&str] = &[
    include_str!("../../../warehouse-schema/state/001_state.sql"),
    include_str!("../../../warehouse-schema/state/002_advance.sql"),
    include_str!("../../../warehouse-schema/state/003_require_types.sql"),
    include_str!("../../../warehouse-schema/state/004_ledger.sql"),
    include_str!("../../../warehouse-schema/state/005_decision.sql"),
    include_str!("../../../warehouse-schema/state/006_topics.sql"),
    include_str!("../../../warehouse-schema/state/007_continuity.sql"),
    include_str!("../../../warehouse-schema/state/008_dead_letters.sql"),
    include_str!("../../../warehouse-schema/state/009_blocked.sql"),
    include_str!("../../../warehouse-schema/state/010_waves.sql"),
    include_str!("../../../warehouse-schema/state/011_masked_letters.sql"),
    include_str!("../../../warehouse-schema/state/012_places.sql"),
];

/// Everything that `init` runs for the state, as one text.
pub(crate) fn sql() -> String {
    format!(
        "{}\nINSERT INTO cdc.schema_version (version) VALUES ({VERSION}) ON CONFLICT DO NOTHING;\n",
        FILES.join("\n")
    )
}

/// The version that the warehouse has; zero without any.
pub(crate) async fn version(session: &mut Session) -> Result<i32, PostgresError> {
    let doing = "reading the version of the state tables";
    let present: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
                          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = 'cdc' AND c.relname = 'schema_version')",
    )
    .fetch_one(session.driver())
    .await
    .map_err(|error| from_driver(doing, error))?;
    if !present {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM cdc.schema_version")
        .fetch_one(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))
}

/// Opens the first session of a command, on a warehouse that has our state tables.
pub(crate) async fn open(settings: &PostgresSettings) -> Result<Session, PostgresError> {
    let mut session = reach(settings).await?;
    let doing = "reading the version of the state tables";
    within(settings.start_timeout(), doing, require(&mut session)).await?;
    Ok(session)
}

/// Refuses any version but ours.
pub(crate) async fn require(session: &mut Session) -> Result<(), PostgresError> {
    let found = version(session).await?;
    if found == VERSION {
        return Ok(());
    }
    Err(PostgresError::StateVersion { found, expected: VERSION })
}
