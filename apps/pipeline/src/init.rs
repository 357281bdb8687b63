//! `init`: state tables and, for the orders tables, tables and views.

use crate::cli::InitArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

use cdc_postgres::{Adopt, InitReport, TableSettings};

/// Creates what is missing, or prints the SQL that would.
pub(crate) async fn init(settings: &Settings, arguments: &InitArgs) -> Result<Exit, Failure> {
    if arguments.print_sql {
        output::line(cdc_postgres::plan_init(&targets(settings)));
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
