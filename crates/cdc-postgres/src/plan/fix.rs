//! Refusals with SQL that clears them.

use cdc_core::{Column, RowShape, SemanticType};

use super::{SourceColumns, quoted};
use crate::catalog::{TargetColumn, TargetTable};
use crate::error::Refusal;
use crate::ident::Identifier;
use crate::pair::fitting;
use crate::settings::{Deletes, Mode, TableSettings};
use crate::sql::{DELETED, GENERATION, OFFSET};

pub(super) fn column_missing(table: &TargetTable, column: &Column) -> Refusal {
    let Column { name, semantic } = column;
    let quoted = Identifier::parse(name).map(|name| name.quoted());
    let fix = match (quoted, fitting(semantic)) {
        (Ok(quoted), Some(kind)) => {
            format!("ALTER TABLE {} ADD COLUMN {quoted} {kind};", table.name)
        }
        (Ok(_), None) if *semantic == SemanticType::SelfEvident => format!(
            "say what {name} holds, in `columns` of the [[table]], such as \"int64\", \"text\" or \
             \"decimal(10,2)\"; `cdc-pipeline check` then prints the statement that adds it. Or \
             leave {name} out by a rule of the kind drop"
        ),
        (Ok(_), None) => format!("leave the column {name} out by a rule of the kind drop"),
        (Err(_), _) => format!("rename the column {name} by a rule: PostgreSQL cannot name it so"),
    };
    let what = if *semantic == SemanticType::SelfEvident {
        format!("column {name}, whose type is not declared")
    } else {
        format!("column {name} for the source's {semantic}")
    };
    Refusal { message: format!("{} has no {what}", table.name.plain()), fix }
}

/// Why no column can be created for one of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// Nobody has said what it holds.
    Undeclared,
    /// It is of a type that is not written.
    Unsupported,
    /// PostgreSQL would cut or refuse its name.
    Unnameable,
    /// The pipeline fills a column of this name itself.
    Taken,
}

fn obstacle(mode: Mode, column: &Column) -> Option<Obstacle> {
    if super::is_own(mode, &column.name) {
        return Some(Obstacle::Taken);
    }
    if Identifier::parse(&column.name).is_err() {
        return Some(Obstacle::Unnameable);
    }
    if column.semantic == SemanticType::SelfEvident {
        return Some(Obstacle::Undeclared);
    }
    fitting(&column.semantic).is_none().then_some(Obstacle::Unsupported)
}

/// What has to be done about the source's columns before a table can be created for them.
fn obstacles(settings: &TableSettings, shape: &RowShape) -> Vec<String> {
    let TableSettings { source, mode, .. } = settings;
    let with = |wanted: Obstacle| -> Option<String> {
        let is_wanted = |column: &&Column| obstacle(*mode, column) == Some(wanted);
        let columns = shape.columns().iter().filter(is_wanted);
        let names: Vec<&str> = columns.map(|column| &*column.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let undeclared = with(Obstacle::Undeclared).map(|names| {
        format!(
            "say what these columns hold, in `columns` of the [[table]] of {source}, such as \
             \"int64\", \"text\" or \"decimal(10,2)\": {names}"
        )
    });
    let unsupported = with(Obstacle::Unsupported)
        .map(|names| format!("leave these columns out by a rule of the kind drop: {names}"));
    let unnameable = with(Obstacle::Unnameable).map(|names| {
        format!("rename these columns by a rule, since PostgreSQL cannot name them so: {names}")
    });
    let taken = with(Obstacle::Taken).map(|names| {
        format!(
            "rename these columns by a rule, since the pipeline fills columns so named: {names}"
        )
    });
    [undeclared, unsupported, unnameable, taken].into_iter().flatten().collect()
}

pub(super) fn table_missing(settings: &TableSettings, source: SourceColumns<'_>) -> Refusal {
    let message = format!("the warehouse has no table {}", settings.target);
    let fix = if crate::init::is_shipped(&settings.target) {
        "run `cdc-pipeline init`".to_owned()
    } else {
        creation(settings, source)
    };
    Refusal { message, fix }
}

/// The statement that creates a target, or what has to be done before there can be one.
fn creation(settings: &TableSettings, source: SourceColumns<'_>) -> String {
    if source.shape.is_empty() {
        return format!(
            "run `cdc-pipeline check` again once it can read a change of {} in the topic: it then \
             knows the columns, and prints the statement that creates the table",
            settings.source
        );
    }
    let mut first = obstacles(settings, source.shape);
    if !first.is_empty() {
        first.push("`cdc-pipeline check` then prints the statement that creates the table".into());
        return first.join("\n");
    }
    statement(settings, source)
}

fn statement(settings: &TableSettings, source: SourceColumns<'_>) -> String {
    let mut columns: Vec<String> = Vec::new();
    for column in source.shape.columns() {
        if let (Ok(name), Some(kind)) = (Identifier::parse(&column.name), fitting(&column.semantic))
        {
            columns.push(format!("{} {kind}", name.quoted()));
        }
    }
    let mut after = String::new();
    match settings.mode {
        Mode::History => {
            columns.push("operation_type text NOT NULL".to_owned());
            columns.push("cdc_timestamp timestamp".to_owned());
            let lineage = super::history::LINEAGE.iter();
            columns.extend(lineage.map(|(name, kind, _)| format!("{name} {kind}")));
        }
        Mode::Mirror { deletes, .. } => {
            columns.push(format!("{GENERATION} integer NOT NULL"));
            columns.push(format!("{OFFSET} bigint NOT NULL"));
            if deletes == Deletes::Soft {
                columns.push(format!("{DELETED} boolean NOT NULL DEFAULT false"));
            }
            match key_list(source.key) {
                Some(key) => columns.push(format!("PRIMARY KEY ({key})")),
                None => {
                    after = format!("\n{}", key_unknown(settings));
                }
            }
        }
    }
    format!("CREATE TABLE {} ({});{after}", settings.target.0, columns.join(", "))
}

/// The columns of a key as SQL; `None` when there is none to speak of.
fn key_list(key: &[String]) -> Option<String> {
    let names: Result<Vec<String>, _> =
        key.iter().map(|name| Identifier::parse(name).map(|name| name.quoted())).collect();
    names.ok().filter(|names| !names.is_empty()).map(|names| names.join(", "))
}

fn key_unknown(settings: &TableSettings) -> String {
    format!(
        "add a primary key to {} over the columns that tell the rows of {} apart: the records seen \
         so far do not name them",
        settings.target, settings.source
    )
}

/// A mirror's target without a primary key.
pub(super) fn primary_key_missing(settings: &TableSettings, key: &[String]) -> Refusal {
    let target = &settings.target.0;
    Refusal {
        message: format!(
            "{} has no primary key, and a mirror keeps one row per key",
            target.plain()
        ),
        fix: match key_list(key) {
            Some(key) => format!("ALTER TABLE {target} ADD PRIMARY KEY ({key});"),
            None => key_unknown(settings),
        },
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
