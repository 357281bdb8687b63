//! The catalog asked over a session.

use cdc_core::{Classify as _, ConnectorModes, Halt, SemanticType, SourceTable};
use serde::Deserialize;

use super::sql::{names_statement, statement, types_statement};
use super::types::{TypeRow, Types};
use super::{CatalogError, TableCatalog, read};
use crate::ReplicationError;
use crate::wire::Client;

const DOING: &str = "asking the source's catalog";

/// What a type with its modifier means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `None` for one that Debezium's default options leave out.
    pub(crate) semantic: Option<SemanticType>,
    /// As SQL writes it, such as `numeric(10,2)`.
    pub(crate) sql_type: String,
}

/// What the catalog says about tables, in the order in which they were asked for.
///
/// # Errors
///
/// A table that does not exist, with the one that was probably meant, or that cannot be followed.
pub(crate) async fn load(
    client: &mut Client,
    tables: &[SourceTable],
) -> Result<Vec<TableCatalog>, ReplicationError> {
    let answer = cell(client, &statement(tables)).await?;
    match read(&answer, tables) {
        Ok(found) => Ok(found),
        Err(error @ CatalogError::Missing { .. }) => {
            Err(refusal(&error.with_near(&cell(client, names_statement()).await?)))
        }
        Err(error) => Err(refusal(&error)),
    }
}

#[derive(Deserialize)]
struct Answer {
    types: Vec<TypeRow>,
    names: Vec<Option<String>>,
}

/// What types mean, each with its modifier. One that was dropped meanwhile means nothing.
pub(crate) async fn kinds(
    client: &mut Client,
    types: &[(u32, i32)],
) -> Result<Vec<Kind>, ReplicationError> {
    let answer = cell(client, &types_statement(types)).await?;
    let answer: Answer = serde_json::from_str(&answer)
        .map_err(|error| refusal(&CatalogError::Answer { reason: error.to_string() }))?;
    let known = Types::new(answer.types);
    let modes = ConnectorModes::default();
    let kinds = types.iter().zip(answer.names).map(|((oid, modifier), name)| Kind {
        semantic: known.semantic(*oid, *modifier, &modes),
        sql_type: name.unwrap_or_default(),
    });
    Ok(kinds.collect())
}

async fn cell(client: &mut Client, sql: &str) -> Result<String, ReplicationError> {
    let rows = client.query(sql).await?;
    let cell = rows.first().and_then(|row| row.get(0)).map(str::to_owned);
    cell.ok_or_else(|| ReplicationError::malformed(DOING, "one value", "none"))
}

fn refusal(error: &CatalogError) -> ReplicationError {
    let refusal = ReplicationError::Setup {
        halt: Halt::Configuration,
        message: error.to_string(),
        fix: error.hint(),
    };
    debug_assert!(refusal.hint().is_some(), "a refusal says what to do");
    refusal
}
