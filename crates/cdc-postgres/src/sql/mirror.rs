//! The statements of one mirror: staging tables, delete, merge.
//!
//! Every statement that changes the target is guarded by the position stored in the row: a change
//! that is older than what the row shows does nothing. Rows that stood there before the pipeline
//! have no position and count as older. Equality passes, because several changes of one record
//! share a position; that a batch is applied once is the checkpoint's guarantee, not the guard's.

use super::Copy;
use crate::pair::{CellEncoder, ColumnEncoder};
use crate::settings::Deletes;

/// The columns that a mirror adds to those of the source.
pub(crate) const GENERATION: &str = "cdc_generation";
/// Where in the log the row's newest change stands.
pub(crate) const OFFSET: &str = "cdc_offset";
/// In which partition it stands, where the target wants to know.
pub(crate) const PARTITION: &str = "cdc_partition";
/// Whether the row is deleted, with soft deletes.
pub(crate) const DELETED: &str = "cdc_deleted";

/// The fields of a position.
const POSITION: [CellEncoder; 2] = [CellEncoder::Int4, CellEncoder::Int8];

/// What the statements are made from. Names of tables and columns are quoted.
#[derive(Debug)]
pub(crate) struct MirrorNames<'n> {
    /// Makes the names of the staging tables unique within a session.
    pub(crate) number: u64,
    /// The target.
    pub(crate) target: &'n str,
    /// Its primary key, in key order.
    pub(crate) keys: &'n [String],
    /// The other columns that the source fills.
    pub(crate) values: &'n [String],
    /// Columns of the target that the source does not fill.
    pub(crate) others: &'n [String],
    /// What becomes of deleted rows.
    pub(crate) deletes: Deletes,
    /// Whether the target keeps the partition of each row.
    pub(crate) placed: bool,
    /// How keys and values are written, when rows travel as text.
    pub(crate) text: Option<&'n [ColumnEncoder]>,
}

/// A temporary table that empties itself at the end of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staging {
    /// Its own name, as errors of COPY give it.
    pub(crate) name: String,
    /// Creates it, once per session.
    pub(crate) create: String,
    /// Empties it in the middle of a transaction.
    pub(crate) clear: String,
    /// Rows into it.
    pub(crate) copy: Copy,
}

/// The statements of one mirror and one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MirrorStatements {
    /// Takes whole rows.
    pub(crate) rows: Staging,
    /// Takes keys to be deleted.
    pub(crate) deletes: Staging,
    /// Takes rows with unavailable values.
    pub(crate) partials: Staging,
    /// Whole rows straight into the target.
    pub(crate) copy_direct: Copy,
    /// Deletes or flags the staged keys.
    pub(crate) delete: String,
    /// Merges the staged rows.
    pub(crate) merge: String,
    /// The first staged row with unavailable values that the target does not have.
    pub(crate) missing: String,
    /// Updates what is available of the others.
    pub(crate) update: String,
    /// The offsets of staged rows, deletes and partial rows of which the target shows a newer version
    /// that is not of these offsets.
    pub(crate) newer: [String; 3],
}

impl MirrorStatements {
    /// Writes the statements.
    pub(crate) fn new(names: &MirrorNames<'_>) -> Self {
        let (rows, deletes, partials) =
            (rows_table(names), deletes_table(names), partials_table(names));
        Self {
            copy_direct: super::copy(names.target, &names.columns(), names.row_fields(&[])),
            delete: delete(names, &deletes.table()),
            merge: merge(names, &rows.table()),
            missing: missing(names, &partials.table()),
            update: update(names, &partials.table()),
            newer: [&rows, &deletes, &partials].map(|staging| newer(names, &staging.table())),
            rows,
            deletes,
            partials,
        }
    }
}

impl Staging {
    fn new(
        name: String,
        create: String,
        columns: &[String],
        text: Option<Vec<ColumnEncoder>>,
    ) -> Self {
        let table = format!("pg_temp.{name}");
        let copy = super::copy(&table, columns, text);
        Self { name, create, clear: format!("TRUNCATE {table}"), copy }
    }

    fn table(&self) -> String {
        format!("pg_temp.{}", self.name)
    }
}

/// Empties the target when the source was truncated. Rows go one by one, so that readers keep their
/// snapshot and nobody waits for a lock.
pub(crate) fn truncate(target: &str, deletes: Deletes, generation: i32, offset: i64) -> String {
    match deletes {
        Deletes::Hard => format!("DELETE FROM {target}"),
        Deletes::Soft => format!(
            "UPDATE {target} SET {DELETED} = true, {GENERATION} = {generation}, \
             {OFFSET} = {offset} WHERE NOT {DELETED}"
        ),
    }
}

impl MirrorNames<'_> {
    /// All columns that a staged row has, in its order.
    fn columns(&self) -> Vec<String> {
        let mut columns = [self.keys, self.values].concat();
        columns.extend(self.placed.then(|| PARTITION.to_owned()));
        columns.extend([GENERATION.to_owned(), OFFSET.to_owned()]);
        if self.deletes == Deletes::Soft {
            columns.push(DELETED.to_owned());
        }
        columns
    }

    /// The fields of a staged row and more behind them, when rows travel as text.
    fn row_fields(&self, more: &[CellEncoder]) -> Option<Vec<ColumnEncoder>> {
        let flag = (self.deletes == Deletes::Soft).then_some(CellEncoder::Bool);
        let partition = self.placed.then_some(CellEncoder::Int4);
        let own = partition.into_iter().chain(POSITION).chain(flag).chain(more.iter().copied());
        self.text.map(|cells| cells.iter().copied().chain(own.map(ColumnEncoder::from)).collect())
    }

    /// The fields of a staged key, when rows travel as text.
    fn key_fields(&self) -> Option<Vec<ColumnEncoder>> {
        let own = POSITION.iter().copied().map(ColumnEncoder::from);
        self.text.map(|cells| cells.iter().take(self.keys.len()).copied().chain(own).collect())
    }

    fn same_key(&self) -> String {
        let pairs: Vec<String> = self.keys.iter().map(|key| format!("t.{key} = s.{key}")).collect();
        pairs.join(" AND ")
    }
}

fn not_older(newer: &str) -> String {
    format!(
        "((t.{GENERATION}, t.{OFFSET}) <= ({newer}.{GENERATION}, {newer}.{OFFSET})) IS NOT FALSE"
    )
}

/// Has the target's constraints, so that a row which breaks one is refused while its line is known.
fn rows_table(names: &MirrorNames<'_>) -> Staging {
    let name = format!("cdc_rows_{}", names.number);
    let mut create = format!(
        "CREATE TEMP TABLE {name} (LIKE {} INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS",
        names.target
    );
    // Without their defaults the other columns would refuse every row. Constraints over them go
    // along.
    let drops: Vec<String> =
        names.others.iter().map(|other| format!("DROP COLUMN {other}")).collect();
    if !drops.is_empty() {
        create = format!("{create}; ALTER TABLE pg_temp.{name} {}", drops.join(", "));
    }
    Staging::new(name, create, &names.columns(), names.row_fields(&[]))
}

fn deletes_table(names: &MirrorNames<'_>) -> Staging {
    let columns = [names.keys, &[GENERATION.to_owned(), OFFSET.to_owned()]].concat();
    let name = format!("cdc_deletes_{}", names.number);
    let create = format!(
        "CREATE TEMP TABLE {name} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        names.target
    );
    Staging::new(name, create, &columns, names.key_fields())
}

fn partials_table(names: &MirrorNames<'_>) -> Staging {
    let mut columns = names.columns();
    let name = format!("cdc_partials_{}", names.number);
    let create = format!(
        "CREATE TEMP TABLE {name} ON COMMIT DELETE ROWS AS SELECT {}, NULL::bytea AS \
         cdc_unavailable, NULL::int4 AS cdc_line FROM {} WITH NO DATA",
        columns.join(", "),
        names.target
    );
    columns.extend(["cdc_unavailable".to_owned(), "cdc_line".to_owned()]);
    Staging::new(name, create, &columns, names.row_fields(&[CellEncoder::Bytea, CellEncoder::Int4]))
}

fn delete(names: &MirrorNames<'_>, staging: &str) -> String {
    let (target, key, guard) = (names.target, names.same_key(), not_older("s"));
    match names.deletes {
        Deletes::Hard => {
            format!("DELETE FROM {target} AS t USING {staging} AS s WHERE {key} AND {guard}")
        }
        Deletes::Soft => format!(
            "UPDATE {target} AS t SET {DELETED} = true, {GENERATION} = s.{GENERATION}, \
             {OFFSET} = s.{OFFSET} FROM {staging} AS s WHERE {key} AND {guard}"
        ),
    }
}

fn merge(names: &MirrorNames<'_>, staging: &str) -> String {
    let columns = names.columns();
    let list = columns.join(", ");
    let sets: Vec<String> = columns
        .iter()
        .skip(names.keys.len())
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(
        "INSERT INTO {} AS t ({list}) SELECT {list} FROM {staging} ON CONFLICT ({}) DO UPDATE SET \
         {} WHERE {}",
        names.target,
        names.keys.join(", "),
        sets.join(", "),
        not_older("excluded")
    )
}

fn missing(names: &MirrorNames<'_>, staging: &str) -> String {
    let alive = match names.deletes {
        Deletes::Hard => String::new(),
        Deletes::Soft => format!(" AND NOT t.{DELETED}"),
    };
    format!(
        "SELECT s.cdc_line FROM {staging} AS s WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {}{alive}) \
         ORDER BY s.cdc_line LIMIT 1",
        names.target,
        names.same_key()
    )
}

fn newer(names: &MirrorNames<'_>, staging: &str) -> String {
    format!(
        "SELECT s.{OFFSET} FROM {staging} AS s JOIN {} AS t ON {} WHERE (t.{GENERATION}, t.{OFFSET}) > \
         (s.{GENERATION}, s.{OFFSET}) AND NOT (t.{GENERATION} = s.{GENERATION} AND t.{OFFSET} = ANY ($1))",
        names.target,
        names.same_key()
    )
}

/// Bit `i` of the map stands for the `i`-th value column.
fn update(names: &MirrorNames<'_>, staging: &str) -> String {
    let mut sets: Vec<String> = names
        .values
        .iter()
        .enumerate()
        .map(|(bit, column)| {
            format!(
                "{column} = CASE get_bit(s.cdc_unavailable, {bit}) WHEN 1 THEN t.{column} ELSE \
                 s.{column} END"
            )
        })
        .collect();
    let trailing = names.columns().split_off(names.keys.len() + names.values.len());
    sets.extend(trailing.iter().map(|column| format!("{column} = s.{column}")));
    format!(
        "UPDATE {} AS t SET {} FROM {staging} AS s WHERE {} AND {}",
        names.target,
        sets.join(", "),
        names.same_key(),
        not_older("s")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(deletes: Deletes) -> String {
        let statements = MirrorStatements::new(&MirrorNames {
            number: 7,
            target: r#""public"."orders""#,
            keys: &[r#""region""#.to_owned(), r#""order_id""#.to_owned()],
            values: &[r#""amount""#.to_owned(), r#""note""#.to_owned()],
            others: &[r#""loaded_at""#.to_owned()],
            deletes,
            placed: false,
            text: None,
        });
        let MirrorStatements { rows, deletes, partials, copy_direct, .. } = statements.clone();
        let staging = [rows, deletes, partials]
            .map(|staging| [staging.create, staging.clear, staging.copy.sql].join(";\n"));
        let MirrorStatements { delete, merge, missing, update, newer, .. } = statements;
        let [newer, ..] = newer;
        [staging.to_vec(), vec![copy_direct.sql, delete, merge, missing, update, newer]]
            .concat()
            .join(";\n\n")
    }

    #[test]
    fn statements_with_hard_deletes_read_as_expected() {
        insta::assert_snapshot!(statements(Deletes::Hard));
    }

    #[test]
    fn statements_with_soft_deletes_read_as_expected() {
        insta::assert_snapshot!(statements(Deletes::Soft));
    }

    #[test]
    fn a_truncate_is_as_hard_as_a_delete() {
        assert_eq!(truncate("t", Deletes::Hard, 0, 5), "DELETE FROM t");
        insta::assert_snapshot!(
            truncate("t", Deletes::Soft, 1, 5),
            @"UPDATE t SET cdc_deleted = true, cdc_generation = 1, cdc_offset = 5 WHERE NOT cdc_deleted"
        );
    }
}
