//! Creates what a run needs in the warehouse, and only what is missing.

use crate::error::PostgresError;
use crate::reach::reach;
use crate::session::Session;
use crate::settings::{PostgresSettings, TableSettings, TargetName};
use crate::takeover::{self, Standing};
use crate::{registry, state};

/// Whether a table that stands in the way may be moved aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// Move it aside under another name and create ours.
    Yes,
    /// Leave everything as it is and say what stands there.
    No,
}

/// What was done, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitReport {
    /// One sentence for each thing that was created or moved; empty when all was there.
    pub steps: Vec<String>,
}

/// A table or view that comes with the program, by the name that a configured target must have.
struct Shipped {
    target: &'static str,
    files: &'static [&'static str],
}

const SHIPPED: &[Shipped] = &[
    Shipped {
        target: "public.orders_fact",
        files: &[
            include_str!("../../../warehouse-schema/orders_fact.sql"),
            include_str!("../../../warehouse-schema/orders_latest.sql"),
            include_str!("../../../warehouse-schema/sales_dashboard.sql"),
            include_str!("../../../warehouse-schema/orders_changes.sql"),
        ],
    },
    Shipped {
        target: "public.orders_current",
        files: &[include_str!("../../../warehouse-schema/orders_current.sql")],
    },
];

/// Two `init` at the same time take turns. Any number would do.
const LOCK: i64 = 0x6364_635f_696e_6974;

/// The SQL that [`init`] runs on an empty warehouse, for people who want to read it or run it
/// themselves.
pub fn plan_init(tables: &[TableSettings]) -> String {
    let mut parts = vec![state::sql()];
    for shipped in wanted(tables) {
        parts.extend(shipped.files.iter().map(|file| (*file).to_owned()));
    }
    parts.join("\n")
}

/// Whether a table comes with the program.
pub(crate) fn is_shipped(target: &TargetName) -> bool {
    SHIPPED.iter().any(|shipped| target.to_string() == shipped.target)
}

fn wanted(tables: &[TableSettings]) -> impl Iterator<Item = &'static Shipped> {
    SHIPPED
        .iter()
        .filter(|shipped| tables.iter().any(|table| table.target.to_string() == shipped.target))
}

/// Creates the state tables and, where a table is configured to go there, the tables and views that
/// come with the program. Running it again changes nothing.
///
/// # Errors
///
/// [`PostgresError::Occupied`], with nothing changed, when a table of another make stands in the
/// way, or when the pipeline has progress that does not belong to one of the tables.
pub async fn init(
    settings: &PostgresSettings,
    tables: &[TableSettings],
    adopt: Adopt,
) -> Result<InitReport, PostgresError> {
    let mut session = reach(settings).await?;
    let mut report = InitReport::default();
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({LOCK})");
    session.execute("beginning to initialise", &lock).await?;
    match state::version(&mut session).await? {
        0 => report.steps.push(format!("created version {} of the state tables", state::VERSION)),
        found if found < state::VERSION => report.steps.push(format!(
            "brought the state tables from version {found} to version {}",
            state::VERSION
        )),
        found if found > state::VERSION => state::require(&mut session).await?,
        _ours => {}
    }
    session.execute("creating the state tables", &state::sql()).await?;
    registry::admit(&mut session, &settings.pipeline, tables).await?;
    for shipped in wanted(tables) {
        let standing = takeover::standing(&mut session, shipped.target).await?;
        if standing != Standing::Ours {
            refuse_progress(&mut session, settings, shipped.target).await?;
        }
        match (standing, adopt) {
            (Standing::Ours, _) => {}
            (Standing::Nothing, _) => report.steps.push(format!("created {}", shipped.target)),
            (Standing::Seed, Adopt::No) => return Err(takeover::refusal(shipped.target)),
            (Standing::Seed, Adopt::Yes) => {
                report.steps.extend(takeover::move_aside(&mut session).await?);
                report.steps.push(format!("created {}", shipped.target));
            }
            (Standing::Other { lacks }, _) => {
                return Err(takeover::foreign(shipped.target, &lacks));
            }
        }
        for file in shipped.files {
            session.execute(&format!("creating {}", shipped.target), file).await?;
        }
    }
    session.execute("committing what was created", "COMMIT").await?;
    Ok(report)
}

/// A new, empty table behind a checkpoint that has moved would miss everything before it.
async fn refuse_progress(
    session: &mut Session,
    settings: &PostgresSettings,
    target: &str,
) -> Result<(), PostgresError> {
    let pipeline = &settings.pipeline;
    let moved = registry::moved(session, pipeline).await?;
    if moved == 0 {
        return Ok(());
    }
    let forget = registry::forget_progress(pipeline);
    Err(PostgresError::Occupied {
        message: format!(
            "{target} would be created empty, but the pipeline {pipeline} has already applied a part \
             of {moved} partitions: what came before would be missing"
        ),
        fix: format!(
            "give the pipeline another name, so that it starts from the beginning, or let this one \
             start again while it is stopped: {forget}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use cdc_core::{SourceTable, TableId};

    use super::*;
    use crate::settings::{Mode, SnapshotSweep};

    fn table(target: &str) -> TableSettings {
        TableSettings {
            id: TableId::new(0),
            source: SourceTable::new("public", "orders"),
            target: TargetName::parse(target).unwrap(),
            mode: Mode::History,
            snapshot_sweep: SnapshotSweep::Apply,
        }
    }

    #[test]
    fn only_configured_tables_are_planned() {
        let state = plan_init(&[]);
        assert!(state.contains("cdc.checkpoint") && !state.contains("orders"));
        let orders = plan_init(&[table("orders_fact")]);
        assert!(orders.contains("VIEW public.sales_dashboard"));
        assert!(!orders.contains("orders_current"));
        assert!(!plan_init(&[table("sales.orders_fact")]).contains("orders_fact ("));
    }
}
