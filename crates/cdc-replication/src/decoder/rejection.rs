//! What is said about records that cannot be decoded. All of it is about names, types and positions.

use cdc_core::{Rejection, Stage, TableId, with_causes};

use super::relations::Compiled;
use crate::frame::{DescribedColumn, FrameError, RelationError};
use crate::text::TextError;

/// Longest name from a record that is repeated; PostgreSQL's are at most 63 bytes.
const NAME_CHARS_MAX: usize = 64;

fn short(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// A record whose bytes are no change.
pub(super) fn malformed_frame(error: &FrameError, table: Option<TableId>) -> Box<Rejection> {
    let message = format!("read a record that is no change: {}", with_causes(error));
    let rejection = Rejection::new(Stage::Decode, "malformed_frame", message);
    Box::new(Rejection { table, ..rejection })
}

/// A record that does not say what its rows look like.
pub(super) fn malformed_relation(error: &RelationError) -> Box<Rejection> {
    let message = format!("read a record that does not describe its table: {error}");
    let rejection = Rejection::new(Stage::Decode, "malformed_relation", message);
    Box::new(match error {
        RelationError::Type { .. } => rejection
            .with_hint("update to a version that knows the type, then retry the dead letter"),
        RelationError::Json { .. } | RelationError::Name => rejection,
    })
}

/// A change of a table that is not configured.
pub(super) fn unknown_table(relation: &Compiled) -> Box<Rejection> {
    let description = &relation.description;
    let name = format!("{}.{}", short(&description.schema), short(&description.table));
    let message = format!("read a change of the table {name:?}, which is not configured");
    let hint = format!(
        "add a [[table]] block with source = {name:?}, or take the table out of the publication"
    );
    Box::new(Rejection::new(Stage::Decode, "unknown_table", message).with_hint(hint))
}

/// A row that is not one of the table as it is described.
pub(super) fn column_count(relation: &Compiled, found: usize) -> Box<Rejection> {
    let expected = relation.description.columns.len();
    let message = format!("read a row of {found} columns, expected {expected} as in its table");
    let rejection = Rejection::new(Stage::Decode, "column_count", message);
    Box::new(Rejection { table: relation.table, ..rejection })
}

/// A text that is not UTF-8.
pub(super) fn not_utf8(relation: &Compiled, column: &DescribedColumn) -> Box<Rejection> {
    let name = short(&column.name);
    let message = format!("read a value of {name} that is not UTF-8");
    let rejection = at_column(relation, column, "not_utf8", message);
    let hint = "store text in the source in an encoding that can be converted to UTF-8";
    Box::new(rejection.with_hint(hint))
}

/// A value in binary form, which depends on the type's own code and version.
pub(super) fn binary_value(relation: &Compiled, column: &DescribedColumn) -> Box<Rejection> {
    let name = short(&column.name);
    let message = format!("read a value of {name} in binary form, expected its text form");
    Box::new(at_column(relation, column, "binary_value", message))
}

/// A text that is no value of the column's type.
pub(super) fn bad_value(
    relation: &Compiled,
    column: &DescribedColumn,
    error: TextError,
) -> Box<Rejection> {
    let (name, sql_type) = (short(&column.name), short(&column.sql_type));
    let message = format!("read a value of {name} {sql_type}: {}", with_causes(&error));
    Box::new(at_column(relation, column, error.code(), message))
}

fn at_column(
    relation: &Compiled,
    column: &DescribedColumn,
    reason: &'static str,
    message: String,
) -> Rejection {
    let rejection = Rejection::new(Stage::Decode, reason, message).at_column(short(&column.name));
    Rejection { table: relation.table, ..rejection }
}
