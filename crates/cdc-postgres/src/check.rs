//! Probes everything that a run needs, and says for each lack how to mend it.
//!
//! Used before a run starts and by the `check` command. Only reads, except that it asks the server
//! for what the role may do.

use std::sync::Arc;
use std::time::Duration;

use cdc_config::closest;
use cdc_core::{Classify as _, ErrorClass, Halt, RowShape, TableId, with_causes};
use sqlx::Row as _;
use tokio::time::Instant;

use crate::catalog::{self, TableKind, TargetColumn, TargetTable};
use crate::error::{PostgresError, from_driver};
use crate::ident::QualifiedName;
use crate::plan::{SourceColumns, plan_keyed};
use crate::reach::{ADDRESS_SETTING, is_to_look_again, reach};
use crate::session::{Session, within};
use crate::settings::{Mode, PostgresSettings, SynchronousCommit, TableSettings};
use crate::{registry, state};

/// The longest that a probe of all tables may take: beyond that the connection carries nothing any more.
const PROBE_MAX: Duration = Duration::from_mins(2);

mod grants;
mod rehearsal;

pub use grants::plan_grants;
pub use rehearsal::Rehearsal;

/// What a finding means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It works, at a price.
    Warning,
    /// A run would halt or be refused, until this one has acted.
    Error(Halt),
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

pub(crate) fn error(
    id: &'static str,
    halt: Halt,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding { id, severity: Severity::Error(halt), message: message.into(), fix: fix.into() }
}

pub(crate) fn warning(
    id: &'static str,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding { id, severity: Severity::Warning, message: message.into(), fix: fix.into() }
}

/// What is known of a table before its first row is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTable {
    /// Which table.
    pub table: TableId,
    /// The columns of its rows, after the rules.
    pub shape: Arc<RowShape>,
    /// The columns of its key, after the rules; empty when its records have none.
    pub key: Vec<String>,
}

/// What looking at the warehouse came to.
#[derive(Debug)]
pub struct Checked {
    /// What a run would trip over. None means that a run finds everything it needs.
    pub findings: Vec<Finding>,
    /// Encodes rows of the expected tables, as far as they can be written.
    pub rehearsal: Rehearsal,
}

/// Probes the warehouse. Of several expectations of one table the first decides what is found.
///
/// A warehouse that cannot be reached is a finding like any other. A session that is lost under way is
/// not: everything is looked at again, for as long as the warehouse would be waited for.
pub async fn check(
    settings: &PostgresSettings,
    tables: &[TableSettings],
    expected: &[ExpectedTable],
) -> Checked {
    let deadline = Instant::now() + settings.connect_patience;
    loop {
        let mut probe = Probe {
            settings,
            tables,
            expected,
            findings: Vec::new(),
            rehearsal: Rehearsal::new(tables),
        };
        match reach(settings).await {
            Ok(mut session) => {
                let limit = settings.apply_timeout.min(PROBE_MAX);
                let probed = within(limit, "probing the warehouse", probe.all(&mut session)).await;
                if let Err(failure) = probed {
                    if is_to_look_again(&failure, deadline).await {
                        continue;
                    }
                    probe.findings.push(of_error("probe_failed", &failure));
                }
            }
            Err(failure) => probe.findings.push(of_error("warehouse_unreachable", &failure)),
        }
        return Checked { findings: probe.findings, rehearsal: probe.rehearsal };
    }
}

fn of_error(id: &'static str, failure: &PostgresError) -> Finding {
    let fix = failure.hint().unwrap_or_else(|| "look at the server and its log".to_owned());
    error(id, failure.class().halt(), with_causes(failure), fix)
}

/// A look under way.
struct Probe<'p> {
    settings: &'p PostgresSettings,
    tables: &'p [TableSettings],
    expected: &'p [ExpectedTable],
    findings: Vec<Finding>,
    rehearsal: Rehearsal,
}

impl Probe<'_> {
    async fn all(&mut self, session: &mut Session) -> Result<(), PostgresError> {
        server(session, self.settings, self.tables, &mut self.findings).await?;
        pooler(session, self.settings, &mut self.findings).await;
        let before = self.findings.len();
        rights(session, state_rights(), &mut self.findings).await?;
        if self.findings.len() == before {
            match state::require(session).await {
                Ok(()) => self.newcomers(session).await?,
                Err(failure) if matches!(failure.class(), ErrorClass::Fatal(_)) => {
                    self.findings.push(of_error("state_missing", &failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        for table in self.tables {
            self.table(session, table).await?;
        }
        Ok(())
    }

    async fn newcomers(&mut self, session: &mut Session) -> Result<(), PostgresError> {
        let refusals = registry::newcomers(session, &self.settings.pipeline, self.tables).await?;
        let halt = Halt::Configuration;
        let each = refusals.into_iter();
        let each = each.map(|new| error("table_new_to_pipeline", halt, new.message, new.fix));
        self.findings.extend(each);
        Ok(())
    }

    async fn table(
        &mut self,
        session: &mut Session,
        table: &TableSettings,
    ) -> Result<(), PostgresError> {
        let cannot_read = |failure| from_driver("reading the catalog", failure);
        let target = catalog::load(session.driver(), &table.target.0).await.map_err(cannot_read)?;
        let Some(target) = target else {
            let names = catalog::tables(session.driver()).await.map_err(cannot_read)?;
            self.missing(table, &names);
            return Ok(());
        };
        let needed = target_rights(table.mode);
        let needed = needed.iter().map(|right| (*right, target.name.clone()));
        rights(session, needed, &mut self.findings).await?;
        self.findings.extend(advice(table, &target));
        let expected = self.expected.iter().filter(|expected| expected.table == table.id);
        for (index, expected) in expected.enumerate() {
            match plan_keyed(table, expected.columns(), Some(&target), 0) {
                Ok(plan) => self.rehearsal.adopt(expected, plan),
                // A run may be past the rows of an older shape.
                Err(_) if index > 0 => {}
                Err(failure) => self.findings.extend(refused("table_unsuitable", failure)),
            }
        }
        Ok(())
    }

    /// A target that does not exist. `names` are the tables that do.
    fn missing(&mut self, table: &TableSettings, names: &[String]) {
        let nothing = RowShape::new(Vec::new());
        let expected = self.expected.iter().find(|expected| expected.table == table.id);
        let columns = expected
            .map_or(SourceColumns { shape: &nothing, key: &[] }, |expected| expected.columns());
        let Err(failure) = plan_keyed(table, columns, None, 0) else { return };
        let near = closest(&table.target.to_string(), names.iter().map(String::as_str));
        for mut finding in refused("table_missing", failure) {
            if let Some(near) = near {
                finding.message = format!("{}; did you mean {near}?", finding.message);
                finding.fix = format!(
                    "correct `target` of the [[table]] of {}; or, if the table is to be new:\n{}",
                    table.source, finding.fix
                );
            }
            self.findings.push(finding);
        }
    }
}

impl ExpectedTable {
    fn columns(&self) -> SourceColumns<'_> {
        SourceColumns { shape: &self.shape, key: &self.key }
    }
}

/// What a plan refused, as findings of their own.
fn refused(id: &'static str, failure: PostgresError) -> Vec<Finding> {
    let halt = failure.class().halt();
    if let PostgresError::Refused { refusals, .. } = failure {
        let each = refusals.into_iter();
        return each.map(|refusal| error(id, halt, refusal.message, refusal.fix)).collect();
    }
    vec![of_error(id, &failure)]
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
    let folded = |name: &&String| target.column(name).is_some_and(TargetColumn::folds_case);
    if matches!(table.mode, Mode::Mirror { .. })
        && let Some(key) = target.primary_key.iter().find(folded)
    {
        findings.push(warning(
            "key_by_collation",
            format!(
                "the key {key} of {name} is citext: source keys that differ in case alone would \
                 overwrite one another"
            ),
            format!("give {key} the type text, unless the source's key is citext too"),
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
                current_setting('server_version_num')::int4 AS version",
    )
    .fetch_one(session.driver())
    .await
    .map_err(|failure| from_driver("asking the server about itself", failure))?;
    let read = || -> Result<(bool, i32), sqlx::Error> {
        Ok((row.try_get("standby")?, row.try_get("version")?))
    };
    let (standby, version) =
        read().map_err(|failure| from_driver("asking the server about itself", failure))?;
    if standby {
        let message = "the server is a standby and takes no writes";
        let fix = format!("name the primary in {ADDRESS_SETTING}");
        findings.push(error("read_only", Halt::Environment, message, fix));
    }
    if version < VERSION_MIN {
        findings.push(error(
            "server_too_old",
            Halt::Environment,
            format!("the server is PostgreSQL {}, at least 13 is needed", version / 10_000),
            "upgrade the warehouse's PostgreSQL",
        ));
    }
    let mirrors = tables.iter().any(|table| matches!(table.mode, Mode::Mirror { .. }));
    let (who, severity) = if mirrors {
        ("mirrors", Severity::Error(Halt::Environment))
    } else {
        ("`cdc-pipeline dead-letters retry` and `cdc-replayer repair`", Severity::Warning)
    };
    findings.extend(temporary(session, who, severity).await?);
    if settings.synchronous_commit == SynchronousCommit::Off {
        findings.push(warning(
            "synchronous_commit_off",
            "a crash of the server takes its last moments back, data and checkpoint together",
            "set synchronous_commit = \"on\" unless the source can be read again",
        ));
    }
    Ok(())
}

/// What it means that the role may not create temporary tables, if it may not: `who` needs them.
pub(crate) async fn temporary(
    session: &mut Session,
    who: &str,
    severity: Severity,
) -> Result<Option<Finding>, PostgresError> {
    let (may, database, role): (bool, String, String) = sqlx::query_as(
        "SELECT has_database_privilege(current_database(), 'TEMP'),
                quote_ident(current_database()), quote_ident(current_user)",
    )
    .fetch_one(session.driver())
    .await
    .map_err(|failure| from_driver("asking for rights", failure))?;
    let id = "right_missing";
    let message = format!("the role {role} may not create temporary tables, which {who} need");
    let fix = format!("GRANT TEMPORARY ON DATABASE {database} TO {role};");
    Ok((!may).then_some(Finding { id, severity, message, fix }))
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
            Halt::Environment,
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
    ("SELECT", "cdc.ledger"),
    ("INSERT", "cdc.ledger"),
    ("DELETE", "cdc.ledger"),
    ("SELECT", "cdc.dead_letter"),
    ("INSERT", "cdc.dead_letter"),
    ("UPDATE", "cdc.dead_letter"),
    ("SELECT", "cdc.table_event"),
    ("INSERT", "cdc.table_event"),
    ("UPDATE", "cdc.table_event"),
    ("SELECT", "cdc.pipeline_table"),
    ("INSERT", "cdc.pipeline_table"),
    ("UPDATE", "cdc.pipeline_table"),
    ("DELETE", "cdc.pipeline_table"),
    ("SELECT", "cdc.topic"),
    ("INSERT", "cdc.topic"),
    ("UPDATE", "cdc.topic"),
];

/// The catalog is open to everybody, while looking a table up by name takes rights on its schema.
const RIGHT: &str = "
SELECT has_table_privilege(c.oid, $3) AND has_schema_privilege(n.oid, 'USAGE') AS granted,
       quote_ident(n.nspname) AS schema, quote_ident(current_user) AS role
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2";

/// Adds a finding for each right that the role lacks. A table that does not exist is not its matter.
pub(crate) async fn rights(
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
                Halt::Environment,
                format!("the role {role} may not {right} on {}", table.plain()),
                format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT {right} ON {table} TO {role};"
                ),
            ));
        }
    }
    Ok(())
}

/// What the writer does with a target.
fn target_rights(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::History => &["INSERT"],
        Mode::Mirror { .. } => &["SELECT", "INSERT", "UPDATE", "DELETE"],
    }
}

pub(crate) fn state_rights() -> impl Iterator<Item = (&'static str, QualifiedName)> {
    STATE_RIGHTS.iter().map(|(right, table)| {
        (*right, QualifiedName::parse(table).expect("names of state tables are valid"))
    })
}
