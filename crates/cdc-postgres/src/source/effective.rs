//! What the connector loses of a column before the message is written: the catalog knows what the
//! source holds, the rows or the connector's options how it is sent.

use cdc_core::{ConnectorModes, Halt, IntervalForm, SemanticType, TimeUnit};

use super::FollowedTable;
use super::catalog::{SourceCatalog, SourceColumn, SourceType};
use crate::check::{Finding, error, warning};
use crate::pair::toml_key;

/// The type under which a column arrives: as rows show it, as it is declared, or as the connector's
/// options make it. `None` when the connector leaves the column out.
pub(super) fn sent_as(
    table: &FollowedTable,
    column: &SourceColumn,
    connector: &ConnectorModes,
) -> Option<SemanticType> {
    let seen = table.seen(&column.name).filter(|seen| **seen != SemanticType::SelfEvident);
    let said = seen.or_else(|| table.declared(&column.name)).cloned();
    let sent = said.or_else(|| column.kind.sent(connector));
    if table.seen(&column.name).is_none() {
        return sent;
    }
    // It does arrive, so the connector is newer than somebody has told, or sends unknown types.
    let newest = ConnectorModes { version: NEWEST, ..*connector };
    let unknown = ConnectorModes { unknown_types: true, ..*connector };
    sent.or_else(|| column.kind.sent(&newest)).or_else(|| column.kind.sent(&unknown))
}

/// A version that knows every type that some version knows.
const NEWEST: (u16, u16) = (u16::MAX, u16::MAX);

/// Whether a span of time has lost which part of it were months and which days.
pub(super) fn is_merged_span(semantic: &SemanticType) -> bool {
    matches!(semantic, SemanticType::Interval(IntervalForm::Micros | IntervalForm::Nanos))
}

/// What is lost of each column.
pub(super) fn findings(
    table: &FollowedTable,
    found: &SourceCatalog,
    connector: &ConnectorModes,
) -> Vec<Finding> {
    let kept = found.columns.iter().filter(|column| !table.is_dropped(&column.name));
    kept.filter_map(|column| match sent_as(table, column, connector) {
        Some(sent) => lossy(table, column, &sent),
        None => Some(left_out(table, column)),
    })
    .collect()
}

fn lossy(table: &FollowedTable, column: &SourceColumn, sent: &SemanticType) -> Option<Finding> {
    let (source, name, kind) = (&table.source, &column.name, &column.type_name);
    let innermost = column.kind.innermost();
    let unit = if let SemanticType::Array { element } = sent { element } else { sent };
    match (&*innermost.name, unit) {
        ("numeric" | "money", SemanticType::Float64) => Some(warning(
            "decimal_as_float",
            format!(
                "{source}.{name} is {kind} in the source and arrives as a 64-bit float, which \
                 keeps some 15 digits and no scale"
            ),
            "set \"decimal.handling.mode\": \"string\" in the connector's configuration (or \
             \"precise\")",
        )),
        ("interval", span) if is_merged_span(span) => Some(error(
            "interval_as_number",
            Halt::Configuration,
            format!(
                "{source}.{name} is {kind} in the source and arrives as one number, in which a \
                 month is 30.4375 days and a day 24 hours: months and days cannot be told apart any \
                 more"
            ),
            format!(
                "set \"interval.handling.mode\": \"string\" in the connector's configuration, write \
                 interval_handling_mode = \"string\" into [source.postgres.connector], and where \
                 messages have no schema block into `columns` of the [[table]] of {source}\n\
                 {} = \"interval(iso)\"",
                toml_key(name)
            ),
        )),
        (
            "time" | "timestamp",
            SemanticType::Time(TimeUnit::Millis) | SemanticType::Timestamp(TimeUnit::Millis),
        ) if keeps_micros(&column.kind) => Some(warning(
            "time_as_millis",
            format!(
                "{source}.{name} is {kind} in the source and arrives in milliseconds: further \
                 digits of a second are cut off"
            ),
            "set \"time.precision.mode\": \"adaptive\" in the connector's configuration, or \
             \"microseconds\" since Debezium 3.1",
        )),
        (_, _) => None,
    }
}

/// Whether a time has more than three digits of a second. An array's modifier is its element's.
fn keeps_micros(kind: &SourceType) -> bool {
    !(0..=3).contains(&kind.innermost().typmod)
}

/// A column that is in no message.
fn left_out(table: &FollowedTable, column: &SourceColumn) -> Finding {
    let (source, name, kind) = (&table.source, &column.name, &column.type_name);
    warning(
        "column_left_out",
        format!("{source}.{name} is {kind} in the source, which the connector leaves out"),
        "set \"include.unknown.datatypes\": \"true\" in the connector's configuration and write \
         include_unknown_datatypes = true into [source.postgres.connector], if the column is wanted; \
         some types need a newer Debezium, which `version` there tells",
    )
}
