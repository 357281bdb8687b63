//! Probes everything that a run needs, and says for each lack how to mend it.
//!
//! Used before a run starts and by the `check` command. Only reads, except that it asks the server
//! for what the role may do.

use std::sync::Arc;

use cdc_core::{Classify as _, RowShape, TableId};
use sqlx::Row as _;

use crate::catalog::{self, TableKind, TargetTable};
use crate::error::{PostgresError, from_driver};
use crate::ident::QualifiedName;
use crate::plan::plan;
use crate::session::Session;
use crate::settings::{Mode, PostgresSettings, SynchronousCommit, TableSettings};
use crate::state;

/// What a finding means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, at a price.
    Warning,
    /// A run would halt or be refused.
    Error,
}

/// Something that a run would trip over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable name of the kind of finding.
    pub id: &'static str,
    /// What it means for a run.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What to do: SQL to paste, or a sentence that starts with a verb.
    pub fix: String,
}

fn error(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { id, severity: Severity::Error, message: message.into(), fix: fix.into() }
}

fn warning(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { id, severity: Severity::Warning, message: message.into(), fix: fix.into() }
}

/// The columns that a table's rows are expected to have, where that is known before the first row.
pub type ExpectedShapes = [(TableId, Arc<RowShape>)];

/// Probes the warehouse. An empty answer means that a run finds everything it needs.
///
/// A warehouse that cannot be reached is a finding like any other.
pub async fn check(
    settings: &PostgresSettings,
    tables: &[TableSettings],
    shapes: &ExpectedShapes,
) -> Vec<Finding> {
    let mut session = match Session::connect(settings).await {
        Ok(session) => session,
        Err(failure) => return vec![of_error("warehouse_unreachable", &failure)],
    };
    let mut findings = Vec::new();
    if let Err(failure) = probe(&mut session, settings, tables, shapes, &mut findings).await {
        findings.push(of_error("probe_failed", &failure));
    }
    findings
}

fn of_error(id: &'static str, failure: &PostgresError) -> Finding {
    let cause = std::error::Error::source(failure).map(|cause| format!(": {cause}"));
    let fix = failure.hint().unwrap_or_else(|| "look at the server and its log".to_owned());
    error(id, format!("{failure}{}", cause.unwrap_or_default()), fix)
}

async fn probe(
    session: &mut Session,
    settings: &PostgresSettings,
    tables: &[TableSettings],
    shapes: &ExpectedShapes,
    findings: &mut Vec<Finding>,
) -> Result<(), PostgresError> {
    server(session, settings, tables, findings).await?;
    pooler(session, settings, findings).await;
    let before = findings.len();
    rights(session, state_rights(), findings).await?;
    if findings.len() == before
        && let Err(failure) = state::require(session).await
    {
        findings.push(of_error("state_missing", &failure));
    }
    for table in tables {
        let target = catalog::load(session.driver(), &table.target.0)
            .await
            .map_err(|failure| from_driver("reading the catalog", failure))?;
        let Some(target) = target else {
            let shape = shape_of(shapes, table.id).cloned().unwrap_or_else(empty);
            findings.extend(refused(table, &shape, None));
            continue;
        };
        let needed: &[&str] = match table.mode {
            Mode::History => &["INSERT"],
            Mode::Mirror { .. } => &["SELECT", "INSERT", "UPDATE", "DELETE"],
        };
        let needed = needed.iter().map(|right| (*right, target.name.clone()));
        rights(session, needed, findings).await?;
        findings.extend(advice(table, &target));
        if let Some(shape) = shape_of(shapes, table.id) {
            findings.extend(refused(table, shape, Some(&target)));
        }
    }
    Ok(())
}

fn shape_of(shapes: &ExpectedShapes, table: TableId) -> Option<&Arc<RowShape>> {
    shapes.iter().find(|(id, _)| *id == table).map(|(_, shape)| shape)
}

fn empty() -> Arc<RowShape> {
    Arc::new(RowShape::new(Vec::new()))
}

/// What a plan would refuse.
fn refused(table: &TableSettings, shape: &RowShape, target: Option<&TargetTable>) -> Vec<Finding> {
    let id = if target.is_some() { "table_unsuitable" } else { "table_missing" };
    match plan(table, shape, target, 0) {
        Ok(_) => Vec::new(),
        Err(PostgresError::Refused { refusals, .. }) => {
            refusals.into_iter().map(|refusal| error(id, refusal.message, refusal.fix)).collect()
        }
        Err(other) => vec![of_error(id, &other)],
    }
}

/// What makes a suitable table slow or surprising.
fn advice(table: &TableSettings, target: &TargetTable) -> Vec<Finding> {
    let name = target.name.plain();
    let mut findings = Vec::new();
    if !target.row_triggers.is_empty() {
        let triggers = target.row_triggers.join(", ");
        findings.push(warning(
            "row_triggers",
            format!("{name} has the row triggers {triggers}: rows are written one by one"),
            format!("drop or disable {triggers} on {}", target.name),
        ));
    }
    if table.mode == Mode::History && target.kind == TableKind::Ordinary {
        for index in &target.unique_indexes {
            findings.push(warning(
                "unique_index",
                format!(
                    "{name} has the unique index {}: it makes writing about three times slower, and \
                     the checkpoint keeps rows from being written twice without it",
                    index.name
                ),
                format!("drop the index {} unless something else needs it", index.name),
            ));
        }
    }
    findings
}

async fn server(
    session: &mut Session,
    settings: &PostgresSettings,
    tables: &[TableSettings],
    findings: &mut Vec<Finding>,
) -> Result<(), PostgresError> {
    let row = sqlx::query(
        "SELECT pg_is_in_recovery() AS standby,
                current_setting('server_version_num')::int4 AS version,
                has_database_privilege(current_database(), 'TEMP') AS temp,
                quote_ident(current_database()) AS database, quote_ident(current_user) AS role",
    )
    .fetch_one(session.driver())
    .await
    .map_err(|failure| from_driver("asking the server about itself", failure))?;
    let read = || -> Result<(bool, i32, bool, String, String), sqlx::Error> {
        Ok((
            row.try_get("standby")?,
            row.try_get("version")?,
            row.try_get("temp")?,
            row.try_get("database")?,
            row.try_get("role")?,
        ))
    };
    let (standby, version, temp, database, role) =
        read().map_err(|failure| from_driver("asking the server about itself", failure))?;
    if standby {
        let fix = "name the primary in the address, or let it list both with target_session_attrs";
        findings.push(error("read_only", "the server is a standby and takes no writes", fix));
    }
    if version < VERSION_MIN {
        findings.push(error(
            "server_too_old",
            format!("the server is PostgreSQL {}, at least 13 is needed", version / 10_000),
            "upgrade the warehouse's PostgreSQL",
        ));
    }
    let mirrors = tables.iter().any(|table| matches!(table.mode, Mode::Mirror { .. }));
    if mirrors && !temp {
        findings.push(error(
            "right_missing",
            format!("the role {role} may not create temporary tables, which mirrors need"),
            format!("GRANT TEMPORARY ON DATABASE {database} TO {role};"),
        ));
    }
    if settings.synchronous_commit == SynchronousCommit::Off {
        findings.push(warning(
            "synchronous_commit_off",
            "a crash of the server takes its last moments back, data and checkpoint together",
            "set synchronous_commit = \"on\" unless the source can be read again",
        ));
    }
    Ok(())
}

/// PostgreSQL 13 is the first whose `pg_stat_activity` and temporary tables behave as we rely on.
const VERSION_MIN: i32 = 130_000;

/// Two sessions that are both open cannot share a server process, unless something in between hands
/// processes out per transaction. Session settings, staging tables and prepared statements would
/// then belong to nobody.
async fn pooler(session: &mut Session, settings: &PostgresSettings, findings: &mut Vec<Finding>) {
    let Ok(mut second) = Session::connect(settings).await else { return };
    let (Ok(first), Ok(other)) = (process(session).await, process(&mut second).await) else {
        return;
    };
    if first == other {
        findings.push(error(
            "pooling_proxy",
            "a proxy pools transactions between here and the server",
            "connect to PostgreSQL itself, or to a pool that works by session",
        ));
    }
}

async fn process(session: &mut Session) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .persistent(false)
        .fetch_one(session.driver())
        .await
}

/// What the writer does with the state tables.
const STATE_RIGHTS: &[(&str, &str)] = &[
    ("SELECT", "cdc.schema_version"),
    ("SELECT", "cdc.checkpoint"),
    ("INSERT", "cdc.checkpoint"),
    ("UPDATE", "cdc.checkpoint"),
    ("INSERT", "cdc.dead_letter"),
    ("INSERT", "cdc.table_event"),
];

/// The catalog is open to everybody, while looking a table up by name takes rights on its schema.
const RIGHT: &str = "
SELECT has_table_privilege(c.oid, $3) AND has_schema_privilege(n.oid, 'USAGE') AS granted,
       quote_ident(n.nspname) AS schema, quote_ident(current_user) AS role
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2";

/// Adds a finding for each right that the role lacks. A table that does not exist is not its matter.
async fn rights(
    session: &mut Session,
    needed: impl IntoIterator<Item = (&str, QualifiedName)>,
    findings: &mut Vec<Finding>,
) -> Result<(), PostgresError> {
    for (right, table) in needed {
        let found: Option<(bool, String, String)> = sqlx::query_as(RIGHT)
            .bind(table.schema.as_str())
            .bind(table.name.as_str())
            .bind(right)
            .fetch_optional(session.driver())
            .await
            .map_err(|failure| from_driver("asking for rights", failure))?;
        if let Some((false, schema, role)) = found {
            findings.push(error(
                "right_missing",
                format!("the role {role} may not {right} on {}", table.plain()),
                format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT {right} ON {table} TO {role};"
                ),
            ));
        }
    }
    Ok(())
}

fn state_rights() -> impl Iterator<Item = (&'static str, QualifiedName)> {
    STATE_RIGHTS.iter().map(|(right, table)| {
        (*right, QualifiedName::parse(table).expect("names of state tables are valid"))
    })
}
