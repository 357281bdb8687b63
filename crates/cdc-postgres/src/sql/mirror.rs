//! The statements of one mirror: staging tables, delete, merge.
//!
//! Every statement that changes the target is guarded by the position stored in the row: a change
//! that is older than what the row shows does nothing. Rows that stood there before the pipeline
//! have no position and count as older. Equality passes, because several changes of one record
//! share a position; that a batch is applied once is the checkpoint's guarantee, not the guard's.

use crate::settings::Deletes;

/// The columns that a mirror adds to those of the source.
pub(crate) const GENERATION: &str = "cdc_generation";
/// Where in the log the row's newest change stands.
pub(crate) const OFFSET: &str = "cdc_offset";
/// Whether the row is deleted, with soft deletes.
pub(crate) const DELETED: &str = "cdc_deleted";

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
}

/// The statements of one mirror and one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MirrorStatements {
    /// Creates the staging tables, once per session.
    pub(crate) create: String,
    /// Empties the staging tables in the middle of a transaction.
    pub(crate) clear: String,
    /// Whole rows into staging.
    pub(crate) copy_rows: String,
    /// The same rows straight into the target.
    pub(crate) copy_direct: String,
    /// Keys to be deleted into staging.
    pub(crate) copy_deletes: String,
    /// Rows with unavailable values into staging.
    pub(crate) copy_partials: String,
    /// Deletes or flags the staged keys.
    pub(crate) delete: String,
    /// Merges the staged rows.
    pub(crate) merge: String,
    /// The first staged row with unavailable values that the target does not have.
    pub(crate) missing: String,
    /// Updates what is available of the others.
    pub(crate) update: String,
}

struct Staging {
    rows: String,
    deletes: String,
    partials: String,
}

impl MirrorStatements {
    /// The names of the staging tables, as errors of COPY name them.
    pub(crate) fn staging(number: u64) -> (String, String, String) {
        let name = |kind: &str| format!("cdc_{kind}_{number}");
        (name("rows"), name("deletes"), name("partials"))
    }

    /// Writes the statements.
    pub(crate) fn new(names: &MirrorNames<'_>) -> Self {
        let (rows, deletes, partials) = Self::staging(names.number);
        let staging = Staging {
            rows: format!("pg_temp.{rows}"),
            deletes: format!("pg_temp.{deletes}"),
            partials: format!("pg_temp.{partials}"),
        };
        let columns = names.columns();
        let positioned = [names.keys, &[GENERATION.to_owned(), OFFSET.to_owned()]].concat();
        let partial =
            [columns.as_slice(), &["cdc_unavailable".to_owned(), "cdc_line".to_owned()]].concat();
        Self {
            create: create(names, &staging, &positioned),
            clear: format!("TRUNCATE {}, {}, {}", staging.rows, staging.deletes, staging.partials),
            copy_rows: super::copy(&staging.rows, &columns),
            copy_direct: super::copy(names.target, &columns),
            copy_deletes: super::copy(&staging.deletes, &positioned),
            copy_partials: super::copy(&staging.partials, &partial),
            delete: delete(names, &staging.deletes),
            merge: merge(names, &staging.rows),
            missing: missing(names, &staging.partials),
            update: update(names, &staging.partials),
        }
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
        columns.extend([GENERATION.to_owned(), OFFSET.to_owned()]);
        if self.deletes == Deletes::Soft {
            columns.push(DELETED.to_owned());
        }
        columns
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

fn create(names: &MirrorNames<'_>, staging: &Staging, positioned: &[String]) -> String {
    let Staging { rows, deletes, partials } = staging;
    let (target, others) = (names.target, names.others);
    let (positioned, columns) = (positioned.join(", "), names.columns().join(", "));
    // Without their defaults the other columns would refuse every row. Constraints over them go
    // along.
    let drops: Vec<String> = others.iter().map(|name| format!("DROP COLUMN {name}")).collect();
    let drop = if drops.is_empty() {
        String::new()
    } else {
        format!("ALTER TABLE {rows} {};\n", drops.join(", "))
    };
    format!(
        "CREATE TEMP TABLE {rows} (LIKE {target} INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS;\n\
         {drop}\
         CREATE TEMP TABLE {deletes} ON COMMIT DELETE ROWS AS SELECT {positioned} FROM {target} WITH \
         NO DATA;\n\
         CREATE TEMP TABLE {partials} ON COMMIT DELETE ROWS AS SELECT {columns}, NULL::bytea AS \
         cdc_unavailable, NULL::int4 AS cdc_line FROM {target} WITH NO DATA"
    )
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
        });
        let MirrorStatements {
            create,
            clear,
            copy_rows,
            copy_direct,
            copy_deletes,
            copy_partials,
            delete,
            merge,
            missing,
            update,
        } = statements;
        let copies = [copy_rows, copy_direct, copy_deletes, copy_partials];
        let all =
            [vec![create, clear], copies.to_vec(), vec![delete, merge, missing, update]].concat();
        all.join(";\n\n")
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
