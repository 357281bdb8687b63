//! Which column of the source is compared with which of the warehouse, and a word about every other.

use crate::catalog::{TargetColumn, TargetTable};
use crate::plan;
use crate::settings::Mode;

use super::rendering::Rendering;
use super::{ColumnFate, ColumnRoute, VerifyTable, filter};

/// A column that both sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// Its name in the source.
    pub(super) source: String,
    /// Its name in the warehouse.
    pub(super) target: String,
    /// The source's type, as SQL.
    pub(super) source_type: String,
    /// The warehouse's type, as SQL.
    pub(super) target_type: String,
    /// What is compared.
    pub(super) rendering: Rendering,
    /// Whether a text, cast to the type, finds rows by the column itself.
    pub(super) castable: bool,
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairs {
    compared: Vec<Pair>,
    key: Vec<Pair>,
    /// What is not compared, and why.
    pub(super) left_out: Vec<String>,
    /// The condition of the source's rows that rules let pass, if not all do.
    pub(super) condition: Option<String>,
}

impl Pairs {
    /// All compared columns, those of the key among them, in the source's order.
    pub(super) fn compared(&self) -> &[Pair] {
        &self.compared
    }

    /// The columns of the source's primary key, in its order; empty without one.
    pub(super) fn key(&self) -> &[Pair] {
        &self.key
    }
}

/// Finds the pairs; the error says why the tables cannot be compared at all.
pub(super) fn pair(
    source: &TargetTable,
    target: &TargetTable,
    table: &VerifyTable,
) -> Result<Pairs, String> {
    let mode = table.settings.mode;
    require_own(target, mode)?;
    let (mut compared, mut left_out) = (Vec::new(), Vec::new());
    for column in &source.columns {
        match counterpart(column, target, table) {
            Ok(pair) => compared.push(pair),
            Err(reason) => left_out.push(format!("{} ({reason})", column.name)),
        }
    }
    // A counterpart whose type does not fit has been named with its column.
    let is_met = |name: &str| {
        source.columns.iter().any(|column| counterpart_name(column, table) == Some(name))
    };
    let others = target.columns.iter().map(|column| column.name.as_str());
    let only: Vec<&str> =
        others.filter(|name| !is_met(name) && !plan::is_own(mode, name)).collect();
    if !only.is_empty() {
        left_out.push(format!("{} (only in the warehouse)", only.join(", ")));
    }
    let mut key = Vec::with_capacity(source.primary_key.len());
    for name in &source.primary_key {
        let found = compared.iter().find(|pair| pair.source == *name);
        let Some(pair) = found else {
            return Err(format!(
                "the key column {name} of the source cannot be compared, so rows cannot be matched: {}",
                left_out.join(", ")
            ));
        };
        key.push(pair.clone());
    }
    if compared.is_empty() {
        return Err(format!("no column can be compared: {}", left_out.join(", ")));
    }
    let condition = filter::condition(&table.filters, source)?;
    Ok(Pairs { compared, key, left_out, condition })
}

/// The name of a column in the warehouse.
fn counterpart_name<'t>(column: &'t TargetColumn, table: &'t VerifyTable) -> Option<&'t str> {
    let route = table.routes.iter().find(|route| route.column == column.name);
    match route.map(|route| &route.fate) {
        None => Some(&column.name),
        Some(ColumnFate::Renamed(name) | ColumnFate::Hashed(name)) => Some(name),
        Some(ColumnFate::Dropped) => None,
    }
}

/// The pair of a source's column, or why there is none.
fn counterpart(
    column: &TargetColumn,
    target: &TargetTable,
    table: &VerifyTable,
) -> Result<Pair, String> {
    let Some(name) = counterpart_name(column, table) else {
        return Err("dropped by a rule".to_owned());
    };
    let is_hashed = |route: &ColumnRoute| {
        route.column == column.name && matches!(route.fate, ColumnFate::Hashed(_))
    };
    if table.routes.iter().any(is_hashed) {
        return Err("hashed by a rule".to_owned());
    }
    if plan::is_own(table.settings.mode, name) {
        return Err("the warehouse keeps its own value under this name".to_owned());
    }
    let Some(theirs) = target.column(name) else {
        return Err("only in the source".to_owned());
    };
    let Some(rendering) = Rendering::of(column, theirs) else {
        return Err(format!("{} and {} have no common form", column.type_name, theirs.type_name));
    };
    // Operators of an extension's types need not be found by their name.
    let castable =
        rendering.can_be_cast_back() && column.extension.is_none() && theirs.extension.is_none();
    Ok(Pair {
        source: column.name.clone(),
        target: theirs.name.clone(),
        source_type: column.type_name.clone(),
        target_type: theirs.type_name.clone(),
        rendering,
        castable,
    })
}

/// What a target needs for its newest rows to be found.
fn require_own(target: &TargetTable, mode: Mode) -> Result<(), String> {
    let needed: &[&str] = match mode {
        Mode::History => {
            &["operation_type", "cdc_generation", "cdc_partition", "cdc_offset", "cdc_ordinal"]
        }
        Mode::Mirror { .. } => &["cdc_generation", "cdc_offset"],
    };
    let missing: Vec<&str> =
        needed.iter().copied().filter(|name| target.column(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let name = target.name.plain();
    Err(format!("{name} has no column {}: its newest rows cannot be told", missing.join(", ")))
}
