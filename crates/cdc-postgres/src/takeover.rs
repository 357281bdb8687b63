//! Meets the table that an earlier pipeline left behind.
//!
//! It looks like ours and is not: its rows have no place in the log, deleted orders are still in it,
//! and its amounts are zero. Mixing the two would make every view wrong, so it is recognised by its
//! columns and either moved aside, whole and under another name, or left alone.

use sqlx::Row as _;

use crate::catalog;
use crate::error::{PostgresError, from_driver};
use crate::ident::{NAME_BYTES_MAX, QualifiedName};
use crate::session::Session;

/// What stands where a table is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Nothing,
    /// A table with the columns that ours has.
    Ours,
    /// The table of the earlier pipeline.
    Seed,
    /// Something else.
    Other {
        /// Columns of ours that it does not have.
        lacks: Vec<String>,
    },
}

/// The columns of the earlier pipeline's table.
const SEED: [&str; 11] = [
    "id",
    "order_id",
    "customer_id",
    "product_name",
    "amount",
    "status",
    "created_at",
    "updated_at",
    "cdc_timestamp",
    "processed_at",
    "operation_type",
];

/// What every table of ours has.
const OURS: [&str; 2] = ["cdc_generation", "cdc_offset"];

/// What moved names end in.
const SUFFIX: &str = "_seed";

/// The relations that move with the table: its sequences and indexes, and every view over it, also
/// over other views. The table is the last.
const RELATIONS: &str = "
WITH RECURSIVE moved (oid) AS (
    SELECT 'public.orders_fact'::pg_catalog.regclass::pg_catalog.oid
     UNION
    SELECT rule.ev_class
      FROM moved
      JOIN pg_catalog.pg_depend d ON d.refobjid = moved.oid
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      JOIN pg_catalog.pg_rewrite rule ON rule.oid = d.objid
), relations AS (
    SELECT oid FROM moved
     UNION
    SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN moved ON moved.oid = i.indrelid
     UNION
    SELECT d.objid
      FROM moved
      JOIN pg_catalog.pg_depend d ON d.refobjid = moved.oid AND d.deptype IN ('a', 'i')
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S')
SELECT c.relkind::text AS kind, c.relname::text AS name, n.nspname::text AS schema
  FROM relations
  JOIN pg_catalog.pg_class c ON c.oid = relations.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY c.relkind = 'r', c.relname";

/// Finds out what stands under a name.
pub(crate) async fn standing(
    session: &mut Session,
    target: &str,
) -> Result<Standing, PostgresError> {
    let name = QualifiedName::parse(target).expect("shipped names are valid");
    let found = catalog::load(session.driver(), &name)
        .await
        .map_err(|error| from_driver("reading the catalog", error))?;
    let Some(table) = found else { return Ok(Standing::Nothing) };
    let lacks: Vec<String> = OURS
        .iter()
        .filter(|name| table.column(name).is_none())
        .map(|name| (*name).to_owned())
        .collect();
    let is_seed =
        table.columns.len() == SEED.len() && SEED.iter().all(|name| table.column(name).is_some());
    Ok(match (lacks.is_empty(), is_seed) {
        (true, _) => Standing::Ours,
        (false, true) => Standing::Seed,
        (false, false) => Standing::Other { lacks },
    })
}

/// Renames the table and what hangs on it; the caller owns the transaction.
pub(crate) async fn move_aside(session: &mut Session) -> Result<Vec<String>, PostgresError> {
    let doing = "moving the earlier orders_fact aside";
    let rows = sqlx::query(RELATIONS)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))?;
    let mut steps = Vec::with_capacity(rows.len());
    for row in &rows {
        let read = || -> Result<(String, String, String), sqlx::Error> {
            Ok((row.try_get("kind")?, row.try_get("name")?, row.try_get("schema")?))
        };
        let (kind, name, schema) = read().map_err(|error| from_driver(doing, error))?;
        let word = match &*kind {
            "v" => "VIEW",
            "m" => "MATERIALIZED VIEW",
            "i" => "INDEX",
            "S" => "SEQUENCE",
            _ => "TABLE",
        };
        let moved = aside(&name);
        let parse = |name: &str| {
            let text = format!("{schema}.{name}");
            QualifiedName::parse(&text).expect("names in the catalog are valid")
        };
        let (from, to) = (parse(&name), parse(&moved));
        let statement = format!("ALTER {word} {from} RENAME TO {}", to.name.quoted());
        session.execute(doing, &statement).await?;
        steps.push(format!("renamed {} to {moved}", from.plain()));
    }
    Ok(steps)
}

/// A name with the suffix, cut so that the server keeps all of it.
fn aside(name: &str) -> String {
    let room = NAME_BYTES_MAX.saturating_sub(SUFFIX.len());
    let end = (0..=room.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    let kept = end.and_then(|end| name.get(..end)).unwrap_or(name);
    format!("{kept}{SUFFIX}")
}

/// Why the earlier table is not written to.
pub(crate) fn refusal(target: &str) -> PostgresError {
    PostgresError::Occupied {
        message: format!(
            "{target} belongs to an earlier pipeline: its rows have no place in the log, so they \
             cannot be told apart from ours"
        ),
        fix: format!(
            "run `cdc-pipeline init --adopt`: it keeps that table, its indexes and its views as \
             {target}{SUFFIX} and so on, and creates new ones that fill from the beginning of the \
             topic"
        ),
    }
}

/// Why a table of unknown make is not written to.
pub(crate) fn foreign(target: &str, lacks: &[String]) -> PostgresError {
    PostgresError::Occupied {
        message: format!("{target} exists without the columns {}", lacks.join(", ")),
        fix: format!("rename that table, or give the pipeline another target than {target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_names_keep_within_the_servers_limit() {
        assert_eq!(aside("orders_fact"), "orders_fact_seed");
        assert_eq!(aside(&"x".repeat(63)).len(), 63);
        assert_eq!(aside(&"ü".repeat(31)), format!("{}_seed", "ü".repeat(29)));
    }
}
