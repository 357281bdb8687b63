//! Declared column types against those of the source's catalog.
//!
//! A declaration that the catalog contradicts is an error when values are read by it, and a warning
//! when a schema block overrules it or when the connector may have options that nobody has told.

use std::fmt::Write as _;

use cdc_config::closest;
use cdc_core::{
    BinaryMode, ConnectorModes, DecimalMode, Halt, HstoreMode, IntervalMode, SemanticType, TimeMode,
};

use super::FollowedTable;
use super::catalog::{SourceCatalog, SourceColumn};
use super::effective::{is_merged_span, sent_as};
use crate::check::{Finding, error, warning};
use crate::pair::toml_key;

/// What is wrong with the declarations of a table.
pub(super) fn findings(
    table: &FollowedTable,
    found: &SourceCatalog,
    connector: &ConnectorModes,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, declared) in &table.declared {
        match found.columns.iter().find(|column| column.name == *name) {
            Some(column) => findings.extend(differing(table, column, declared, connector)),
            // Rows that were looked at say the same, or still have a column that is gone.
            None if !table.seen.is_empty() => {}
            None => findings.push(unknown(table, found, name)),
        }
    }
    findings.extend(missing(table, found, connector));
    findings
}

/// A declaration that is not what the connector sends.
fn differing(
    table: &FollowedTable,
    column: &SourceColumn,
    declared: &SemanticType,
    connector: &ConnectorModes,
) -> Option<Finding> {
    let sent = column.kind.sent(connector);
    if sent.as_ref().is_some_and(|sent| reads(declared, sent)) {
        return None;
    }
    let (source, name) = (&table.source, &column.name);
    let arrives = match &sent {
        Some(sent) => format!("arrives as {sent}"),
        None => "is left out by the connector".to_owned(),
    };
    let message = format!(
        "`columns` declares {name} as {declared}, but in the source {source}.{name} is {}, which \
         {arrives}",
        column.type_name
    );
    let line = sent.as_ref().map(|sent| format!("{} = \"{sent}\"", toml_key(name)));
    let correct = match line {
        Some(line) => format!("in `columns` of the [[table]] of {source} write\n{line}"),
        None => format!("remove {name} from `columns` of the [[table]] of {source}"),
    };
    if let Some(setting) = explanation(column, declared, connector) {
        let fix = format!(
            "if the connector has this option, write into [source.postgres.connector]\n{setting}\n\
             otherwise {correct}"
        );
        return Some(warning("declaration_differs", message, fix));
    }
    if table.is_described() {
        let message = format!("{message}; the schema block of the messages overrules it");
        return Some(warning("declaration_differs", message, correct));
    }
    Some(error("declaration_differs", Halt::Configuration, message, correct))
}

/// Whether a declaration reads what is sent as the same values.
fn reads(declared: &SemanticType, sent: &SemanticType) -> bool {
    use SemanticType as S;
    match (declared, sent) {
        (S::Array { element }, S::Array { element: sent }) => reads(element, sent),
        (S::Map { key, value }, S::Map { key: sent_key, value: sent }) => {
            reads(key, sent_key) && reads(value, sent)
        }
        (
            S::Decimal { precision, scale },
            S::Decimal { precision: sent_precision, scale: sent_scale },
        ) => {
            let is_wide = match (precision, sent_precision) {
                (None, _) => true,
                (Some(declared), Some(sent)) => declared >= sent,
                (Some(_), None) => false,
            };
            scale == sent_scale && is_wide
        }
        (S::VarBits { length: None }, S::VarBits { .. })
        | (S::Enum { .. }, S::Enum { .. })
        | (S::EnumSet { .. }, S::EnumSet { .. })
        | (S::Int32, S::Int16)
        | (S::Int64, S::Int16 | S::Int32)
        // The text form of these is their value.
        | (
            S::Text,
            S::Json | S::Xml | S::Ltree | S::Tsvector | S::Uuid | S::Enum { .. } | S::Circle
            | S::Line,
        ) => true,
        (declared, sent) => declared == sent,
    }
}

/// The option under which a declaration would be right, as a line to paste.
fn explanation(
    column: &SourceColumn,
    declared: &SemanticType,
    connector: &ConnectorModes,
) -> Option<String> {
    let fits =
        |modes: &ConnectorModes| column.kind.sent(modes).is_some_and(|sent| reads(declared, &sent));
    let of = |key: &str, word: &str| format!("{key} = \"{word}\"");
    let mut options: Vec<(String, ConnectorModes)> = Vec::new();
    for (word, decimal) in [
        ("precise", DecimalMode::Precise),
        ("double", DecimalMode::Double),
        ("string", DecimalMode::String),
    ] {
        options.push((of("decimal_handling_mode", word), ConnectorModes { decimal, ..*connector }));
    }
    for (word, time) in TIME_MODES {
        options.push((of("time_precision_mode", word), ConnectorModes { time, ..*connector }));
    }
    for (word, binary) in BINARY_MODES {
        let modes = ConnectorModes { binary, ..*connector };
        options.push((of("binary_handling_mode", word), modes));
        let modes = ConnectorModes { unknown_types: true, ..modes };
        let both =
            format!("include_unknown_datatypes = true\n{}", of("binary_handling_mode", word));
        options.push((both, modes));
    }
    for (word, interval) in [("numeric", IntervalMode::Numeric), ("string", IntervalMode::String)] {
        let modes = ConnectorModes { interval, ..*connector };
        options.push((of("interval_handling_mode", word), modes));
    }
    for (word, hstore) in [("json", HstoreMode::Json), ("map", HstoreMode::Map)] {
        options.push((of("hstore_handling_mode", word), ConnectorModes { hstore, ..*connector }));
    }
    for version in [(2, 4), (3, 0), (3, 1), (3, 3), (3, 7)] {
        let word = format!("{}.{}", version.0, version.1);
        options.push((of("version", &word), ConnectorModes { version, ..*connector }));
    }
    if let SemanticType::Decimal { scale, .. } = declared
        && let Ok(money_fraction_digits) = u16::try_from(*scale)
    {
        let modes = ConnectorModes { money_fraction_digits, ..*connector };
        options.push((format!("money_fraction_digits = {scale}"), modes));
    }
    options.into_iter().find(|(_, modes)| fits(modes)).map(|(setting, _)| setting)
}

const TIME_MODES: [(&str, TimeMode); 7] = [
    ("adaptive", TimeMode::Adaptive),
    ("adaptive_time_microseconds", TimeMode::AdaptiveTimeMicroseconds),
    ("connect", TimeMode::Connect),
    ("isostring", TimeMode::IsoString),
    ("microseconds", TimeMode::Microseconds),
    ("nanoseconds", TimeMode::Nanoseconds),
    ("structured", TimeMode::Structured),
];

const BINARY_MODES: [(&str, BinaryMode); 4] = [
    ("bytes", BinaryMode::Bytes),
    ("base64", BinaryMode::Base64),
    ("base64-url-safe", BinaryMode::Base64UrlSafe),
    ("hex", BinaryMode::Hex),
];

/// A declared column that the source does not have.
fn unknown(table: &FollowedTable, found: &SourceCatalog, name: &str) -> Finding {
    let source = &table.source;
    let undeclared = found.names().filter(|column| table.declared(column).is_none());
    let near = closest(name, undeclared);
    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let message = format!("`columns` declares {name}, which {source} does not have{hint}");
    let fix = match near {
        Some(near) => format!(
            "write {} instead of {} in `columns` of the [[table]] of {source}",
            toml_key(near),
            toml_key(name)
        ),
        None => format!("remove {name} from `columns` of the [[table]] of {source}"),
    };
    error("declared_column_missing", Halt::Configuration, message, fix)
}

/// Columns whose values mean nothing without a declaration. Without rows to look at nobody knows
/// whether messages have a schema block; that something is declared says that they have none.
fn missing(
    table: &FollowedTable,
    found: &SourceCatalog,
    connector: &ConnectorModes,
) -> Option<Finding> {
    let is_guess = table.seen.is_empty();
    if is_guess && table.declared.is_empty() {
        return None;
    }
    let needs_one = |column: &&SourceColumn| {
        let shown = match table.seen(&column.name) {
            Some(seen) => *seen == SemanticType::SelfEvident,
            None => is_guess,
        };
        let sent = sent_as(table, column, connector);
        shown
            && table.declared(&column.name).is_none()
            && !table.is_dropped(&column.name)
            && sent.is_some_and(|sent| !is_evident(&sent) && !is_merged_span(&sent))
    };
    let lacking: Vec<&SourceColumn> = found.columns.iter().filter(needs_one).collect();
    if lacking.is_empty() {
        return None;
    }
    let source = &table.source;
    let mut message = format!("the messages of {source} do not say what these columns hold:");
    if is_guess {
        message = format!(
            "unless the messages of {source} have a schema block, nothing says what these columns \
             hold:"
        );
    }
    let mut fix = format!("add to `columns` of the [[table]] of {source}");
    for (index, column) in lacking.into_iter().enumerate() {
        let Some(sent) = sent_as(table, column, connector) else { continue };
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        write!(message, "{comma} {} ({})", column.name, column.type_name).ok();
        write!(fix, "\n{} = \"{sent}\"", toml_key(&column.name)).ok();
    }
    Some(if is_guess {
        warning("declaration_missing", message, fix)
    } else {
        error("declaration_missing", Halt::Configuration, message, fix)
    })
}

/// Whether the JSON token of a value already says what it is.
fn is_evident(semantic: &SemanticType) -> bool {
    use SemanticType as S;
    matches!(
        semantic,
        S::Boolean
            | S::Int16
            | S::Int32
            | S::Int64
            | S::Float64
            | S::Text
            | S::Json
            | S::Uuid
            | S::Enum { .. }
    )
}
