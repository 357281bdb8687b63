//! A configured source table that the source does not have.

use cdc_config::closest;
use cdc_core::{Halt, SourceTable};
use sqlx::PgConnection;

use crate::catalog;
use crate::check::{Finding, error};

/// The finding, with the table that was probably meant.
pub(super) async fn missing(
    connection: &mut PgConnection,
    source: &SourceTable,
) -> Result<Finding, sqlx::Error> {
    let names = catalog::tables(connection).await?;
    let near = closest(&source.to_string(), names.iter().map(String::as_str));
    let (hint, fix) = match near {
        Some(near) => (
            format!("; did you mean {near}?"),
            format!("write `source = \"{near}\"` into the [[table]] of {source}"),
        ),
        None => (
            String::new(),
            format!(
                "correct `source` of the [[table]] of {source}, or the database that \
                 `source.postgres.url` names"
            ),
        ),
    };
    let message = format!("the source has no table {source}{hint}");
    Ok(error("source_table_missing", Halt::Configuration, message, fix))
}
