//! From a shape and a target to what the stager does with each row.
//!
//! A plan proves that every column of the source has an exact place in the target. Whatever stands
//! against that is collected and reported together, each with SQL to paste; nothing is written
//! before all of it is cleared.

use std::sync::Arc;

use cdc_core::RowShape;

use crate::catalog::{TableKind, TargetColumn, TargetTable};
use crate::error::{PostgresError, Refusal};
use crate::ident::Identifier;
use crate::pair::{CellEncoder, ColumnEncoder, pair};
use crate::settings::{Mode, TableSettings};
use crate::sql;

mod fix;
mod history;
mod mirror;

pub(crate) use history::{Filled, HistoryPlan, Lineage};
pub(crate) use mirror::MirrorPlan;

/// How to encode rows of one shape for one table. Made by the writer, used by the stager.
#[derive(Debug, Clone)]
pub struct PostgresPlan(pub(crate) TablePlan);

#[derive(Debug, Clone)]
pub(crate) enum TablePlan {
    History(Arc<HistoryPlan>),
    Mirror(Arc<MirrorPlan>),
}

/// A column of the source with its place in the target.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Its index in the source's row.
    pub(crate) source: usize,
    /// Its name in both.
    pub(crate) name: Arc<str>,
    /// How its values become bytes.
    pub(crate) encoder: ColumnEncoder,
    /// The type of the target's column as the table declares it.
    pub(crate) declared: Arc<str>,
}

/// The columns of a source table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceColumns<'s> {
    /// Those of its rows, after the rules.
    pub(crate) shape: &'s RowShape,
    /// Those of its key, for the statements that mend a target; empty where they are not known.
    pub(crate) key: &'s [String],
}

/// Whether the pipeline fills a target's column of this name itself.
pub(crate) fn is_own(mode: Mode, name: &str) -> bool {
    match mode {
        Mode::History => history::is_own(name),
        Mode::Mirror { .. } => mirror::is_own(name),
    }
}

/// Plans one table.
///
/// `number` is the plan's own within its writer; staging tables are named after it.
pub(crate) fn plan(
    settings: &TableSettings,
    shape: &RowShape,
    table: Option<&TargetTable>,
    number: u64,
) -> Result<TablePlan, PostgresError> {
    plan_keyed(settings, SourceColumns { shape, key: &[] }, table, number)
}

/// As [`plan`]; what stands against it is explained with the source's key.
pub(crate) fn plan_keyed(
    settings: &TableSettings,
    source: SourceColumns<'_>,
    table: Option<&TargetTable>,
    number: u64,
) -> Result<TablePlan, PostgresError> {
    let shape = source.shape;
    let mut refusals = Vec::new();
    let planned = match table {
        None => {
            refusals.push(fix::table_missing(settings, source));
            None
        }
        Some(table) => {
            let writable = refuse_kind(table, &mut refusals);
            match settings.mode {
                _ if writable == Writable::Never => None,
                Mode::History => history::plan(settings, shape, table, &mut refusals)
                    .map(|plan| TablePlan::History(Arc::new(plan))),
                Mode::Mirror { deletes, .. } => {
                    let made = mirror::Making { settings, table, deletes, number };
                    made.plan(source, &mut refusals).map(|plan| TablePlan::Mirror(Arc::new(plan)))
                }
            }
        }
    };
    match planned {
        Some(plan) if refusals.is_empty() => Ok(plan),
        Some(_) | None => Err(PostgresError::Refused {
            source_table: settings.source.to_string(),
            target: settings.target.to_string(),
            refusals,
        }),
    }
}

/// Whether it makes sense to look at a target's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writable {
    Perhaps,
    Never,
}

/// What the target itself refuses, whatever is written to it.
fn refuse_kind(table: &TargetTable, refusals: &mut Vec<Refusal>) -> Writable {
    let name = table.name.plain();
    let what = match table.kind {
        TableKind::Ordinary | TableKind::Partitioned => return Writable::Perhaps,
        TableKind::Unlogged => {
            refusals.push(Refusal {
                message: format!("{name} is unlogged: a crash of the server would empty it"),
                fix: format!("ALTER TABLE {} SET LOGGED;", table.name),
            });
            return Writable::Perhaps;
        }
        TableKind::Temporary => "a temporary table",
        TableKind::Foreign => "a foreign table, which cannot join our transaction",
        TableKind::View => "a view",
        TableKind::Other => "not a table",
    };
    refusals.push(Refusal {
        message: format!("{name} is {what}"),
        fix: "choose an ordinary table as the target in the configuration".to_owned(),
    });
    Writable::Never
}

/// Pairs every column of the source with its column in the target; `reserved` are names that the
/// pipeline fills itself.
fn cells(
    shape: &RowShape,
    table: &TargetTable,
    reserved: &[&str],
    refusals: &mut Vec<Refusal>,
) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(shape.len());
    for (source, column) in shape.columns().iter().enumerate() {
        let name = &column.name;
        if reserved.contains(&&**name) {
            refusals.push(Refusal {
                message: format!("the source's column {name} has a name that the pipeline fills"),
                fix: format!("rename the column {name} by a rule"),
            });
            continue;
        }
        let Some(target) = table.column(name) else {
            refusals.push(fix::column_missing(table, column));
            continue;
        };
        match pair(&column.semantic, target) {
            Ok(encoder) => {
                let declared = target.type_name.as_str().into();
                cells.push(Cell { source, name: Arc::clone(name), encoder, declared });
            }
            Err(refusal) => {
                let message = format!("{}: {}", table.name.plain(), refusal.message);
                refusals.push(Refusal { message, fix: refusal.hint });
            }
        }
    }
    if cells.iter().any(|cell| cell.encoder.cell() == CellEncoder::TextForm) {
        as_text(table, &mut cells, refusals);
    }
    cells
}

/// COPY takes a row either in binary form or as text: one column that has only a text form has all
/// others written as text, too.
fn as_text(table: &TargetTable, cells: &mut [Cell], refusals: &mut Vec<Refusal>) {
    for cell in cells {
        let target = table.column(&cell.name);
        let element = target.and_then(|column| column.element);
        cell.encoder = cell.encoder.in_text(element.map_or(b',', |element| element.delimiter));
        if matches!(cell.encoder.cell(), CellEncoder::Money { .. }) {
            let (table, name) = (table.name.plain(), &cell.name);
            refusals.push(Refusal {
                message: format!(
                    "{table}.{name} is money, whose text form depends on the server's language, \
                     and another column has all rows travel as text"
                ),
                fix: format!("change the type of {name} to numeric"),
            });
        }
    }
}

/// Whether rows of these cells travel as text.
fn travels_as_text(cells: &[Cell]) -> bool {
    let is_text = |cell: &Cell| {
        matches!(cell.encoder, ColumnEncoder::TextOne(_) | ColumnEncoder::TextArray { .. })
    };
    cells.iter().any(is_text)
}

/// Columns that must have a value which nobody gives.
fn refuse_unfilled(
    table: &TargetTable,
    filled: impl Fn(&str) -> bool,
    refusals: &mut Vec<Refusal>,
) {
    let unfilled =
        |column: &&TargetColumn| !column.nullable && !column.has_default && !filled(&column.name);
    for column in table.columns.iter().filter(unfilled) {
        refusals.push(fix::unfilled(table, column));
    }
}

/// The statement that notices, before COMMIT, when a column no longer has the type it was encoded
/// for.
fn guard(table: &TargetTable, cells: &[Cell]) -> String {
    let columns = cells.iter().map(|cell| (&*cell.name, &*cell.declared));
    sql::require_types(&table.name.to_string(), columns)
}

/// A name from the catalog as SQL. The server keeps no name that an [`Identifier`] refuses.
fn quoted(name: &str) -> String {
    Identifier::parse(name)
        .map(|identifier| identifier.quoted())
        .expect("names in the catalog are valid names")
}

/// The number of fields of a COPY row. PostgreSQL's tables have at most 1,600 columns.
fn field_count(cells: usize) -> i16 {
    i16::try_from(cells).expect("a table has at most 1,600 columns")
}

#[cfg(test)]
pub(crate) mod tests;
