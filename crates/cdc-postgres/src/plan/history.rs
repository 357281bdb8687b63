//! The plan of a history: one row per change, with its place in the log.

use std::collections::BTreeMap;

use cdc_core::{RowShape, TableId};

use super::{Cell, cells, field_count, fix, guard, quoted, refuse_unfilled, travels_as_text};
use crate::catalog::{ColumnChecks, TargetColumn, TargetTable};
use crate::error::Refusal;
use crate::pair::{CellEncoder, ColumnEncoder};
use crate::settings::TableSettings;
use crate::sql;

/// A column that says where a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// One letter for what happened.
    OperationType,
    /// When the capture saw the change.
    CdcTimestamp,
    /// The topic's generation.
    Generation,
    /// The partition's number.
    Partition,
    /// The record's offset.
    Offset,
    /// The place among the changes of the record.
    Ordinal,
    /// The source's log position.
    SourceLsn,
    /// The source's transaction.
    SourceTxId,
    /// Which columns the source did not send.
    Unavailable,
    /// Which snapshot read the row.
    Wave,
}

impl Lineage {
    /// What its field is in a column of this type.
    fn form(self, type_oid: Option<u32>) -> ColumnEncoder {
        ColumnEncoder::One(match self {
            Self::OperationType => CellEncoder::Text { chars_max: None },
            Self::CdcTimestamp if type_oid == Some(TIMESTAMPTZ) => {
                CellEncoder::Timestamptz { step: 1 }
            }
            Self::CdcTimestamp => CellEncoder::Timestamp { step: 1 },
            Self::Generation | Self::Partition | Self::Ordinal => CellEncoder::Int4,
            Self::Offset | Self::SourceTxId | Self::Wave => CellEncoder::Int8,
            Self::SourceLsn => CellEncoder::PgLsn,
            Self::Unavailable => {
                let element = CellEncoder::Text { chars_max: None };
                return ColumnEncoder::Array { element, element_oid: TEXT };
            }
        })
    }
}

/// Whether a history can do without a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// Names, types and needs of the lineage columns, in the order in which they are written.
pub(crate) const LINEAGE: &[(&str, &str, Need)] = &[
    ("cdc_generation", "integer", Need::Required),
    ("cdc_partition", "integer", Need::Required),
    ("cdc_offset", "bigint", Need::Required),
    ("cdc_ordinal", "integer", Need::Required),
    ("source_lsn", "pg_lsn", Need::Optional),
    ("source_tx_id", "bigint", Need::Optional),
    ("unavailable", "text[]", Need::Optional),
    ("cdc_wave", "bigint", Need::Optional),
];

/// Lineage, and the columns of the contract that every history table may have.
const COLUMNS: &[(Lineage, &str, &[u32])] = &[
    (Lineage::OperationType, "operation_type", &[TEXT, VARCHAR]),
    (Lineage::CdcTimestamp, "cdc_timestamp", &[TIMESTAMP, TIMESTAMPTZ]),
    (Lineage::Generation, "cdc_generation", &[INT4]),
    (Lineage::Partition, "cdc_partition", &[INT4]),
    (Lineage::Offset, "cdc_offset", &[INT8]),
    (Lineage::Ordinal, "cdc_ordinal", &[INT4]),
    (Lineage::SourceLsn, "source_lsn", &[PG_LSN]),
    (Lineage::SourceTxId, "source_tx_id", &[INT8]),
    (Lineage::Unavailable, "unavailable", &[TEXT_ARRAY]),
    (Lineage::Wave, "cdc_wave", &[INT8]),
];

// Type numbers are fixed in PostgreSQL's catalog.
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const TEXT_ARRAY: u32 = 1009;
const VARCHAR: u32 = 1043;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const PG_LSN: u32 = 3220;

/// How to write the changes of one shape.
#[derive(Debug)]
pub(crate) struct HistoryPlan {
    /// The table.
    pub(crate) table: TableId,
    /// The target for messages.
    pub(crate) target: String,
    /// The target's own name, as errors of COPY give it.
    pub(crate) relation: String,
    /// The target as statements name it.
    pub(crate) relation_sql: String,
    /// The columns that are written, in order, as statements name them: cells, then lineage.
    pub(crate) columns: Vec<String>,
    /// The target's other columns, which the server fills.
    pub(crate) unwritten: Vec<String>,
    /// Which column a CHECK constraint is about.
    pub(crate) checks: ColumnChecks,
    /// The columns of the source.
    pub(crate) cells: Vec<Cell>,
    /// What follows them.
    pub(crate) lineage: Vec<Lineage>,
    /// How many fields a row has.
    pub(crate) fields: i16,
    /// The statement.
    pub(crate) copy: sql::Copy,
    /// Raises when a column has changed its type since.
    pub(crate) guard: String,
    /// Unique indexes, that of the primary key included, and whether the server alone fills their columns.
    indexes: BTreeMap<String, Filled>,
}

/// Whether the pipeline fills a history's column of this name itself.
pub(super) fn is_own(name: &str) -> bool {
    COLUMNS.iter().any(|(_, own, _)| *own == name)
}

/// Who fills the columns of a unique index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The server alone: when the index refuses a row, its sequence lags behind, and the row is fine.
    ByServer,
    /// The pipeline, or both: the row is refused.
    ByPipeline,
}

impl HistoryPlan {
    /// Who fills the columns of a unique index; `None` when the target had none of this name.
    pub(crate) fn filled(&self, index: &str) -> Option<Filled> {
        self.indexes.get(index).copied()
    }
}

pub(super) fn plan(
    settings: &TableSettings,
    shape: &RowShape,
    table: &TargetTable,
    refusals: &mut Vec<Refusal>,
) -> Option<HistoryPlan> {
    let reserved: Vec<&str> = COLUMNS.iter().map(|(_, name, _)| *name).collect();
    let cells = cells(shape, table, &reserved, refusals);
    let filled = |name: &str| is_own(name) || shape.index_of(name).is_some();
    refuse_unfilled(table, filled, refusals);
    let mut lineage = Vec::new();
    let mut fields: Vec<ColumnEncoder> = cells.iter().map(|cell| cell.encoder).collect();
    let mut columns: Vec<String> = cells.iter().map(|cell| quoted(&cell.name)).collect();
    for (kind, name, types) in COLUMNS {
        if present(table, name, types, refusals) {
            lineage.push(*kind);
            fields.push(kind.form(table.column(name).map(|column| column.type_oid)));
            columns.push(quoted(name));
        }
    }
    if !refusals.is_empty() {
        return None;
    }
    let others = table.columns.iter().map(|column| quoted(&column.name));
    let unwritten = others.filter(|column| !columns.contains(column)).collect();
    let by = |columns: &[String]| {
        let is_any = columns.iter().any(|column| filled(column));
        if is_any { Filled::ByPipeline } else { Filled::ByServer }
    };
    let indexes = table.index_columns.iter();
    Some(HistoryPlan {
        table: settings.id,
        target: settings.target.to_string(),
        relation: table.name.name.as_str().to_owned(),
        relation_sql: table.name.to_string(),
        unwritten,
        checks: table.checks.clone(),
        fields: field_count(columns.len()),
        copy: sql::copy(
            &table.name.to_string(),
            &columns,
            travels_as_text(&cells).then_some(fields),
        ),
        columns,
        guard: guard(table, &cells),
        cells,
        lineage,
        indexes: indexes.map(|(name, columns)| (name.clone(), by(columns))).collect(),
    })
}

/// Whether the target has the column. A required one that is missing, and any of another type, is
/// refused.
fn present(table: &TargetTable, name: &str, types: &[u32], refusals: &mut Vec<Refusal>) -> bool {
    let found = table.column(name);
    let fits = |column: &TargetColumn| types.contains(&column.type_oid) && !column.generated;
    let listed = LINEAGE.iter().find(|(listed, _, _)| *listed == name);
    let (kind, need) = match (listed, name) {
        (Some((_, kind, need)), _) => (*kind, *need),
        (None, "cdc_timestamp") => ("timestamp", Need::Optional),
        (None, _) => ("text", Need::Optional),
    };
    match found {
        Some(column) if fits(column) => return true,
        None if need == Need::Optional => return false,
        Some(_) | None => {}
    }
    refusals.push(fix::own_column(table, name, kind, found));
    false
}
