//! What is said about records that cannot be decoded. All of it is about names and kinds.

use cdc_core::{Rejection, Stage, TableId};
use debezium_envelope::{DecodeError, SourceInfo};

/// Longest name from a record that is repeated; PostgreSQL's are at most 63 bytes.
const NAME_CHARS_MAX: usize = 64;

/// A record whose bytes are not a message. The topic's own table is named when there is one: the
/// message itself was not understood that far.
pub(crate) fn undecodable(error: &DecodeError, table: Option<TableId>) -> Box<Rejection> {
    let rejection = Rejection::new(Stage::Decode, error.code(), error.to_string());
    let rejection = Rejection {
        table,
        column: error.column().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
        ..rejection
    };
    Box::new(rejection)
}

/// A change of a table that is not configured.
pub(crate) fn unknown_table(source: &SourceInfo<'_>) -> Box<Rejection> {
    let name = source_name(source);
    let message = format!("read a change of the table {name:?}, which is not configured");
    let hint = format!(
        "add a [[table]] block with source = {name:?}, or take the table out of the connector's \
         table.include.list"
    );
    Box::new(Rejection::new(Stage::Decode, "unknown_table", message).with_hint(hint))
}

/// An object that is no Debezium message.
pub(crate) fn not_a_message(table: Option<TableId>) -> Box<Rejection> {
    let message = "read an object that is no Debezium message: it has neither op nor source";
    let hint = "remove transforms that flatten or rename from the connector, such as \
                ExtractNewRecordState";
    let rejection = Rejection::new(Stage::Decode, "not_an_envelope", message).with_hint(hint);
    Box::new(Rejection { table, ..rejection })
}

/// A change of a document, which has no columns.
pub(crate) fn document(table: Option<TableId>) -> Box<Rejection> {
    let message = "read a change of a document, expected one of a row";
    let hint = "take the topics of MongoDB out of the configuration: documents fit no table";
    let rejection = Rejection::new(Stage::Decode, "not_a_row", message).with_hint(hint);
    Box::new(Rejection { table, ..rejection })
}

/// A message of a kind that this version does not know.
pub(crate) fn unknown_message(table: Option<TableId>) -> Box<Rejection> {
    let message = "read a Debezium message of a kind that this version does not know";
    let hint = "update to a version that knows it, then retry the dead letter";
    let rejection = Rejection::new(Stage::Decode, "unknown_message", message).with_hint(hint);
    Box::new(Rejection { table, ..rejection })
}

/// The schema of a table, or what stands in its place for sources without schemas.
pub(crate) fn schema_of<'s>(source: &SourceInfo<'s>) -> &'s str {
    if source.schema.is_empty() { source.db } else { source.schema }
}

fn source_name(source: &SourceInfo<'_>) -> String {
    let short = |name: &str| name.chars().take(NAME_CHARS_MAX).collect::<String>();
    format!("{}.{}", short(schema_of(source)), short(source.table))
}
