//! Refusals with SQL that clears them.

use cdc_core::{Column, RowShape, SemanticType, TimeUnit};

use super::quoted;
use crate::catalog::{TargetColumn, TargetTable};
use crate::error::Refusal;
use crate::ident::Identifier;
use crate::settings::{Mode, TableSettings};
use crate::sql::{DELETED, GENERATION, OFFSET};

/// The type to create a column with so that every value of this meaning fits.
fn type_for(semantic: &SemanticType) -> Option<String> {
    let name = match semantic {
        SemanticType::Boolean => "boolean",
        SemanticType::Int16 => "smallint",
        SemanticType::Int32 => "integer",
        SemanticType::Int64 => "bigint",
        SemanticType::Float32 => "real",
        SemanticType::Float64 => "double precision",
        SemanticType::Text | SemanticType::Enum { .. } => "text",
        SemanticType::Bytes => "bytea",
        SemanticType::Decimal { precision: Some(precision), scale } => {
            return Some(format!("numeric({precision},{scale})"));
        }
        SemanticType::Decimal { precision: None, .. } | SemanticType::VariableDecimal => "numeric",
        SemanticType::Date => "date",
        SemanticType::Time(TimeUnit::Millis) => "time(3)",
        SemanticType::Time(TimeUnit::Micros | TimeUnit::Nanos) => "time",
        SemanticType::Timestamp(TimeUnit::Millis) => "timestamp(3)",
        SemanticType::Timestamp(TimeUnit::Micros | TimeUnit::Nanos) => "timestamp",
        SemanticType::ZonedTimestamp => "timestamptz",
        SemanticType::Uuid => "uuid",
        SemanticType::Json => "jsonb",
        SemanticType::SelfEvident | SemanticType::Unsupported { .. } => return None,
    };
    Some(name.to_owned())
}

pub(super) fn column_missing(table: &TargetTable, column: &Column) -> Refusal {
    let Column { name, semantic } = column;
    let quoted = Identifier::parse(name).map(|name| name.quoted());
    let fix = match (quoted, type_for(semantic)) {
        (Ok(quoted), Some(kind)) => {
            format!("ALTER TABLE {} ADD COLUMN {quoted} {kind};", table.name)
        }
        (Ok(_), None) => format!("declare the type of the column {name}, or drop it by a rule"),
        (Err(_), _) => format!("rename the column {name} by a rule: PostgreSQL cannot name it so"),
    };
    Refusal {
        message: format!("{} has no column {name} for the source's {semantic}", table.name.plain()),
        fix,
    }
}

pub(super) fn table_missing(settings: &TableSettings, shape: &RowShape) -> Refusal {
    let mut columns: Vec<String> = Vec::new();
    for column in shape.columns() {
        if let Ok(name) = Identifier::parse(&column.name) {
            // What nobody declared has a type that only the reader knows.
            let kind = type_for(&column.semantic).unwrap_or_else(|| "…".to_owned());
            columns.push(format!("{} {kind}", name.quoted()));
        }
    }
    match settings.mode {
        Mode::History => {
            columns.push("operation_type text NOT NULL".to_owned());
            columns.push("cdc_timestamp timestamp".to_owned());
            let lineage = super::history::LINEAGE.iter();
            columns.extend(lineage.map(|(name, kind, _)| format!("{name} {kind}")));
        }
        Mode::Mirror { .. } => {
            columns.push(format!("{GENERATION} integer NOT NULL"));
            columns.push(format!("{OFFSET} bigint NOT NULL"));
            columns.push(format!("{DELETED} boolean NOT NULL DEFAULT false"));
            columns.push("PRIMARY KEY (…)".to_owned());
        }
    }
    let target = &settings.target.0;
    if crate::init::is_shipped(&settings.target) {
        return Refusal {
            message: format!("the warehouse has no table {}", target.plain()),
            fix: "run `cdc-pipeline init`".to_owned(),
        };
    }
    Refusal {
        message: format!("the warehouse has no table {}", target.plain()),
        fix: format!("CREATE TABLE {target} ({});", columns.join(", ")),
    }
}

pub(super) fn unfilled(table: &TargetTable, column: &TargetColumn) -> Refusal {
    let (name, kind) = (&column.name, &column.type_name);
    Refusal {
        message: format!(
            "{}.{name} ({kind}) must have a value, but the source has no such column",
            table.name.plain()
        ),
        fix: format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;", table.name, quoted(name)),
    }
}

/// A column that the pipeline fills itself is missing or has another type.
pub(super) fn own_column(
    table: &TargetTable,
    name: &str,
    kind: &str,
    found: Option<&TargetColumn>,
) -> Refusal {
    match found {
        None => Refusal {
            message: format!("{} has no column {name}", table.name.plain()),
            fix: format!("ALTER TABLE {} ADD COLUMN {name} {kind};", table.name),
        },
        Some(found) => Refusal {
            message: format!(
                "{}.{name} is {}, the pipeline writes {kind}",
                table.name.plain(),
                found.type_name
            ),
            fix: format!("ALTER TABLE {} ALTER COLUMN {name} TYPE {kind};", table.name),
        },
    }
}
