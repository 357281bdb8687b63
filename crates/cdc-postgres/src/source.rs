//! The source's own catalog, compared with what the configuration says about its tables.
//!
//! A message without schema block does not say what its numbers mean, and no message says how much of
//! a deleted row is real. The source knows both. It is looked at by a check and never by a run, with
//! the rights that everybody has: only `pg_catalog` is read.

mod catalog;
mod declarations;
mod effective;
mod identity;
mod near;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use cdc_core::{Halt, RowShape, SemanticType, SourceTable, with_causes};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::timeout;

use crate::check::{Finding, error};
use crate::reach::place;
use crate::settings::Mode;
use catalog::SourceCatalog;
pub use settings::{SourceSettings, read_source_settings};

/// The setting that names the source, for messages.
const SETTING: &str = "`source.postgres.url`";

/// The longest that one statement on the catalog may run.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// How the configuration lets the rows before deletes be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldRows {
    /// By what stands in each of them.
    Auto,
    /// As they come: they are whole.
    Full,
    /// As their keys.
    Key,
}

/// What the configuration says of a source table, and what its records show.
#[derive(Debug, Clone)]
pub struct FollowedTable {
    /// The table in the source.
    pub source: SourceTable,
    /// What its target holds.
    pub mode: Mode,
    /// How the rows before deletes are taken.
    pub old_rows: OldRows,
    /// The columns with their declared types.
    pub declared: Vec<(String, SemanticType)>,
    /// Columns that rules leave out, under their names in the source.
    pub dropped: Vec<String>,
    /// The columns of its rows before the rules, the newest shape first; empty when no row was seen.
    pub seen: Vec<Arc<RowShape>>,
}

impl FollowedTable {
    fn declared(&self, column: &str) -> Option<&SemanticType> {
        let mut declared = self.declared.iter();
        declared.find(|(name, _)| name == column).map(|(_, semantic)| semantic)
    }

    /// The type under which the newest rows that have the column show it.
    fn seen(&self, column: &str) -> Option<&SemanticType> {
        let mut shapes = self.seen.iter().flat_map(|shape| shape.columns());
        shapes.find(|seen| &*seen.name == column).map(|seen| &seen.semantic)
    }

    /// Whether the rows show types that nobody declared, as only a schema block does.
    fn is_described(&self) -> bool {
        let mut columns = self.seen.iter().flat_map(|shape| shape.columns());
        columns.any(|column| {
            let declared = self.declared(&column.name);
            column.semantic != *declared.unwrap_or(&SemanticType::SelfEvident)
        })
    }

    fn is_dropped(&self, column: &str) -> bool {
        self.dropped.iter().any(|dropped| dropped == column)
    }
}

/// Compares the configuration with the source's catalog. Nothing is changed there.
///
/// A source that cannot be reached is a finding like any other.
pub async fn check_source(settings: &SourceSettings, tables: &[FollowedTable]) -> Vec<Finding> {
    match look(settings, tables).await {
        Ok(findings) => findings,
        Err(failure) => vec![failure],
    }
}

async fn look(
    settings: &SourceSettings,
    tables: &[FollowedTable],
) -> Result<Vec<Finding>, Finding> {
    let place = place(settings.url.expose());
    let unreachable = |reason: &dyn std::error::Error| unreachable(&place, &with_causes(reason));
    let options: PgConnectOptions =
        settings.url.expose().parse().map_err(|failure: sqlx::Error| unreachable(&failure))?;
    let options = options.disable_statement_logging().application_name("cdc-pipeline check");
    let attempt = timeout(settings.connect_patience, options.connect()).await;
    let mut connection = attempt
        .map_err(|elapsed| unreachable(&elapsed))?
        .map_err(|failure| unreachable(&failure))?;
    let answer = timeout(STATEMENT_MAX, findings(&mut connection, settings, tables)).await;
    let answer = answer.map_err(|elapsed| failed(&elapsed))?;
    let findings = answer.map_err(|failure| failed(&failure))?;
    // Everything has been read: a farewell that fails changes nothing.
    connection.close().await.ok();
    Ok(findings)
}

async fn findings(
    connection: &mut PgConnection,
    settings: &SourceSettings,
    tables: &[FollowedTable],
) -> Result<Vec<Finding>, sqlx::Error> {
    // A name that an operator or a function resolves must be the server's own.
    connection.execute("SET default_transaction_read_only = on; SET search_path = ''").await?;
    let mut findings = Vec::new();
    for table in tables {
        match SourceCatalog::load(connection, &table.source).await? {
            Some(found) => {
                findings.extend(declarations::findings(table, &found, &settings.connector));
                findings.extend(effective::findings(table, &found, &settings.connector));
                findings.extend(identity::findings(table, &found));
            }
            None => findings.push(near::missing(connection, &table.source).await?),
        }
    }
    Ok(findings)
}

fn unreachable(place: &str, reason: &str) -> Finding {
    error(
        "source_unreachable",
        Halt::Environment,
        format!("no session with the source at {place}, which {SETTING} names: {reason}"),
        format!(
            "start the server, correct {SETTING}, or leave [source.postgres] out: only `check` \
             reads it"
        ),
    )
}

fn failed(reason: &dyn std::error::Error) -> Finding {
    error(
        "source_probe_failed",
        Halt::Environment,
        format!("cannot read the source's catalog: {}", with_causes(reason)),
        "let the role read pg_catalog, as everybody may unless somebody has revoked it",
    )
}
