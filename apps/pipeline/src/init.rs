//! `init`: state tables and, for the orders tables, tables and views.

use crate::cli::InitArgs;
use crate::config::{Origin, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

use cdc_postgres::{Adopt, InitReport, TableSettings};
use cdc_replication::ReplicationSettings;

/// Creates what is missing, or prints the SQL that would.
pub(crate) async fn init(settings: &Settings, arguments: &InitArgs) -> Result<Exit, Failure> {
    if arguments.print_sql {
        output::line(cdc_postgres::plan_init(&targets(settings)));
        if let Origin::Replication { settings: replication, .. } = &settings.origin {
            output::line(roles(replication, settings));
        }
        return Ok(Exit::Done);
    }
    let adopt = if arguments.adopt { Adopt::Yes } else { Adopt::No };
    let report = create_with(settings, adopt).await?;
    for step in &report.steps {
        output::line(step);
    }
    if report.steps.is_empty() {
        output::line("nothing to do: everything is there");
    }
    Ok(Exit::Done)
}

/// The roles on both sides, with the least rights that will do. As comments: it is another session, on
/// another server or by another role, that runs each part.
fn roles(replication: &ReplicationSettings, settings: &Settings) -> String {
    let names: Vec<_> = settings.tables.iter().map(|table| table.settings.source.clone()).collect();
    let grants = format!(
        "CREATE ROLE \"{WRITER}\" LOGIN;\n{}",
        cdc_postgres::plan_grants(WRITER, &targets(settings))
    );
    let parts = [
        ("On the source, by a superuser:", cdc_replication::plan_source(replication, &names)),
        ("On the warehouse, for a role that only runs the pipeline:", grants),
    ];
    let mut text = String::new();
    for (heading, statements) in parts {
        text.push_str("\n-- ");
        text.push_str(heading);
        for line in statements.lines() {
            text.push_str("\n--   ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// The role that is proposed for the warehouse.
const WRITER: &str = "cdc_writer";

/// Creates what is missing; an older system's tables are refused, not moved.
pub(crate) async fn create(settings: &Settings) -> Result<(), Failure> {
    create_with(settings, Adopt::No).await.map(|_report| ())
}

async fn create_with(settings: &Settings, adopt: Adopt) -> Result<InitReport, Failure> {
    cdc_postgres::init(&settings.postgres, &targets(settings), adopt)
        .await
        .map_err(|error| Failure::end("create the tables", error))
}

fn targets(settings: &Settings) -> Vec<TableSettings> {
    settings.tables.iter().map(|table| table.settings.clone()).collect()
}
