//! The plan of a mirror: one row per key.

use cdc_core::TableId;

use super::{
    Cell, SourceColumns, cells, field_count, fix, guard, quoted, refuse_unfilled, travels_as_text,
};
use crate::catalog::{ColumnChecks, TargetTable};
use crate::error::Refusal;
use crate::settings::{Deletes, TableSettings};
use crate::sql::{DELETED, GENERATION, MirrorNames, MirrorStatements, OFFSET, PARTITION};

const INT4: u32 = 23;
const INT8: u32 = 20;
const BOOL: u32 = 16;

/// Names in staging tables that no source column may have.
const STAGING: [&str; 2] = ["cdc_unavailable", "cdc_line"];

/// Whether the pipeline fills a mirror's column of this name itself.
pub(super) fn is_own(name: &str) -> bool {
    [GENERATION, OFFSET, PARTITION, DELETED].contains(&name) || STAGING.contains(&name)
}

/// How to write the rows of one shape.
#[derive(Debug)]
pub(crate) struct MirrorPlan {
    /// The table.
    pub(crate) table: TableId,
    /// The target for messages.
    pub(crate) target: String,
    /// The target's own name, as errors of COPY give it.
    pub(crate) relation: String,
    /// Which column a CHECK constraint is about.
    pub(crate) checks: ColumnChecks,
    /// The key's columns, in key order: they lead every row image.
    pub(crate) keys: Vec<Cell>,
    /// The other columns.
    pub(crate) values: Vec<Cell>,
    /// How many fields a whole row has.
    pub(crate) fields: i16,
    /// How many fields a deleted key has.
    pub(crate) delete_fields: i16,
    /// What becomes of deleted rows.
    pub(crate) deletes: Deletes,
    /// Whether the target keeps the partition of each row: only then the end of a snapshot in one of
    /// several partitions says which rows are gone.
    pub(crate) placed: bool,
    /// The statements.
    pub(crate) statements: MirrorStatements,
    /// Raises when a column has changed its type since.
    pub(crate) guard: String,
}

/// What a mirror's plan is made from, beside the shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'m> {
    pub(super) settings: &'m TableSettings,
    pub(super) table: &'m TargetTable,
    pub(super) deletes: Deletes,
    pub(super) number: u64,
}

impl Making<'_> {
    pub(super) fn plan(
        self,
        source: SourceColumns<'_>,
        refusals: &mut Vec<Refusal>,
    ) -> Option<MirrorPlan> {
        let Self { settings, table, deletes, .. } = self;
        let shape = source.shape;
        let mut own = vec![(GENERATION, "integer", INT4), (OFFSET, "bigint", INT8)];
        if deletes == Deletes::Soft {
            own.push((DELETED, "boolean NOT NULL DEFAULT false", BOOL));
        }
        let placed = table.column(PARTITION).is_some() && shape.index_of(PARTITION).is_none();
        if placed {
            own.push((PARTITION, "integer", INT4));
        }
        let mut reserved: Vec<&str> = own.iter().map(|(name, _, _)| *name).collect();
        reserved.extend(STAGING);
        let cells = cells(shape, table, &reserved, refusals);
        let filled = |name: &str| reserved.contains(&name) || shape.index_of(name).is_some();
        // A key that the source lacks is a refusal of its own.
        let is_key = |name: &str| table.primary_key.iter().any(|key| key == name);
        refuse_unfilled(table, |name| filled(name) || is_key(name), refusals);
        for (name, kind, type_oid) in own {
            let found = table.column(name);
            if !found.is_some_and(|column| column.type_oid == type_oid && !column.generated) {
                refusals.push(fix::own_column(table, name, kind, found));
            }
        }
        refuse_keys(settings, table, source, refusals);
        if !refusals.is_empty() {
            return None;
        }
        let keys: Vec<Cell> = table
            .primary_key
            .iter()
            .filter_map(|key| cells.iter().find(|cell| *cell.name == **key).cloned())
            .collect();
        let values: Vec<Cell> = cells.iter().filter(|cell| !is_key(&cell.name)).cloned().collect();
        let own_fields = 2 + usize::from(deletes == Deletes::Soft) + usize::from(placed);
        Some(MirrorPlan {
            guard: guard(table, &cells),
            table: settings.id,
            target: settings.target.to_string(),
            relation: table.name.name.as_str().to_owned(),
            checks: table.checks.clone(),
            fields: field_count(keys.len() + values.len() + own_fields),
            delete_fields: field_count(keys.len() + 2),
            deletes,
            placed,
            statements: self.statements((&keys, &values), placed, filled),
            keys,
            values,
        })
    }

    fn statements(
        self,
        (keys, values): (&[Cell], &[Cell]),
        placed: bool,
        filled: impl Fn(&str) -> bool,
    ) -> MirrorStatements {
        let names = |cells: &[Cell]| -> Vec<String> {
            cells.iter().map(|cell| quoted(&cell.name)).collect()
        };
        // With hard deletes a column `cdc_deleted` may still be there, from before.
        let unfilled = |name: &&str| !filled(name);
        let others = self.table.columns.iter().map(|column| &*column.name);
        let others: Vec<String> = others.filter(unfilled).map(quoted).collect();
        let encoders: Vec<_> = keys.iter().chain(values).map(|cell| cell.encoder).collect();
        MirrorStatements::new(&MirrorNames {
            number: self.number,
            target: &self.table.name.to_string(),
            keys: &names(keys),
            values: &names(values),
            others: &others,
            deletes: self.deletes,
            placed,
            text: travels_as_text(keys).then_some(&*encoders),
        })
    }
}

/// What must hold so that rows of different keys never stand in each other's way.
fn refuse_keys(
    settings: &TableSettings,
    table: &TargetTable,
    source: SourceColumns<'_>,
    refusals: &mut Vec<Refusal>,
) {
    let shape = source.shape;
    let name = table.name.plain();
    if table.primary_key.is_empty() {
        refusals.push(fix::primary_key_missing(settings, source.key));
    }
    if table.primary_key_deferrable {
        refusals.push(Refusal {
            message: format!("{name}: the primary key is deferrable, which a merge cannot use"),
            fix: format!("create the primary key of {} again, not deferrable", table.name),
        });
    }
    for key in table.primary_key.iter().filter(|key| shape.index_of(key).is_none()) {
        refusals.push(Refusal {
            message: format!("{name}: the key column {key} is not a column of the source"),
            fix: format!("choose a primary key for {} that the source has", table.name),
        });
    }
    for index in table.unique_indexes.iter().filter(|index| !index.deferrable) {
        let (index, columns) = (&index.name, index.columns.join(", "));
        refusals.push(Refusal {
            message: format!(
                "{name}: the unique index {index} on ({columns}) can refuse rows in the middle of a \
                 batch although the source holds them"
            ),
            fix: format!("drop {index}, or make it a DEFERRABLE INITIALLY DEFERRED constraint"),
        });
    }
    for key in table.foreign_keys.iter().filter(|key| !key.deferrable) {
        let key = &key.name;
        refusals.push(Refusal {
            message: format!(
                "{name}: the foreign key {key} can refuse rows, because tables arrive one by one"
            ),
            fix: format!("drop {key}, or make it DEFERRABLE INITIALLY DEFERRED"),
        });
    }
}
