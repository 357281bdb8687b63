//! What PostgreSQL's catalog says about a target table.
//!
//! A plan rests on the table as it *is*, not as somebody declared it: real column types, the keys
//! and triggers that decide which writer may serve it. Ordinary rights suffice, everybody may read
//! `pg_catalog`.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::ident::QualifiedName;

/// A table, view or similar as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetTable {
    /// Its schema and name.
    pub(crate) name: QualifiedName,
    /// Its columns in table order, without dropped ones.
    pub(crate) columns: Vec<TargetColumn>,
    /// The columns of its primary key in key order; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// Whether the primary key is deferrable, which `ON CONFLICT` cannot use.
    pub(crate) primary_key_deferrable: bool,
    /// Every other index that can refuse a row because of another row.
    pub(crate) unique_indexes: Vec<UniqueIndex>,
    /// The columns of all these indexes, that of the primary key and those of partitions included, by the
    /// names by which the server refuses a row.
    pub(crate) index_columns: BTreeMap<String, Vec<String>>,
    /// Foreign keys from this table and to it: either can refuse a change of one of its rows.
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints about one column.
    pub(crate) checks: ColumnChecks,
    /// What it is.
    pub(crate) kind: TableKind,
    /// Enabled row triggers, by name. They make COPY insert row by row.
    pub(crate) row_triggers: Vec<String>,
}

/// The columns of CHECK constraints that are about one column alone, by the constraint's name: the server
/// names the constraint that a row breaks, and no column.
pub(crate) type ColumnChecks = BTreeMap<String, String>;

impl TargetTable {
    /// The column with exactly this name.
    pub(crate) fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A unique index or exclusion constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UniqueIndex {
    /// Its name.
    pub(crate) name: String,
    /// Its columns, or the text of its expressions.
    pub(crate) columns: Vec<String>,
    /// Whether its check can wait until the end of the transaction.
    pub(crate) deferrable: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    /// The constraint's name.
    pub(crate) name: String,
    /// Whether its check can wait until the end of the transaction.
    pub(crate) deferrable: bool,
}

/// What a relation is, as far as writing to it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// A logged table.
    Ordinary,
    /// A partitioned table.
    Partitioned,
    /// A table that a crash of the server empties.
    Unlogged,
    /// A table of one session.
    Temporary,
    /// A table that lives on another server.
    Foreign,
    /// A view, materialised or not.
    View,
    /// A sequence, an index or a composite type.
    Other,
}

/// A column of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as the catalog keeps them")]
pub(crate) struct TargetColumn {
    /// Its name.
    pub(crate) name: String,
    /// The type whose binary form the column reads: a domain's base type, and `text` for types
    /// that share its input function, such as `citext`.
    pub(crate) type_oid: u32,
    /// The modifier of that type (length, precision), −1 for none.
    pub(crate) type_mod: i32,
    /// The type as the table declares it, such as `numeric(10,2)` or a domain's name.
    pub(crate) type_name: String,
    /// Whether NULL is accepted, by the column and by its domain.
    pub(crate) nullable: bool,
    /// Whether a row may leave it out: a default, an identity, a generation expression.
    pub(crate) has_default: bool,
    /// Whether the server alone fills it: `GENERATED ALWAYS`, also as identity.
    pub(crate) generated: bool,
    /// The labels of an enum type, in its order; `None` for any other type.
    pub(crate) labels: Option<Vec<String>>,
    /// What the elements of an array are. Modifier, labels and extension are then those of the
    /// elements.
    pub(crate) element: Option<ElementType>,
    /// The extension that brought the type and the type's name, such as `postgis.geometry`; numbers of
    /// such types differ from database to database.
    pub(crate) extension: Option<String>,
    /// The server's version as a number, such as 150018.
    pub(crate) server_version: i32,
}

impl TargetColumn {
    /// Whether values that differ in case alone are equal.
    pub(crate) fn folds_case(&self) -> bool {
        self.extension.as_deref() == Some("citext.citext")
    }
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElementType {
    /// Its own number, which every array value names.
    pub(crate) oid: u32,
    /// The type whose binary form the elements have, like a column's.
    pub(crate) base_oid: u32,
    /// The character between elements in text, an ASCII one.
    pub(crate) delimiter: u8,
}

const RELATION: &str = "
SELECT c.oid::int8 AS oid, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                AND t.tgtype & 1 = 1
              ORDER BY t.tgname) AS row_triggers,
       ARRAY(SELECT f.conname::text FROM pg_catalog.pg_constraint f
              WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid)
              ORDER BY f.conname, f.oid) AS foreign_keys,
       ARRAY(SELECT f.condeferrable FROM pg_catalog.pg_constraint f
              WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid)
              ORDER BY f.conname, f.oid) AS foreign_keys_deferrable,
       ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k
              WHERE k.contype = 'c' AND k.conrelid = c.oid
                AND pg_catalog.cardinality(k.conkey) = 1
              ORDER BY k.conname) AS checks,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_constraint k
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
              WHERE k.contype = 'c' AND k.conrelid = c.oid
                AND pg_catalog.cardinality(k.conkey) = 1
              ORDER BY k.conname) AS checked_columns
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2";

/// A domain is followed down to its base type: each step adds its NOT NULL and its default, the
/// last one before the base type has the modifier. An array is followed to its element, once. A type
/// whose binary input is the server's own `textrecv`, under whatever name, reads what `text` reads.
/// The modifier of `money`, which has none of its own, is its digits after the point by `lc_monetary`.
const COLUMNS: &str = "
SELECT a.attname::text AS name, base.oid::int8 AS type_oid, base.type_mod,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       NOT (a.attnotnull OR base.not_null) AS nullable,
       (a.atthasdef OR a.attidentity <> '' OR base.has_default) AS has_default,
       (a.attgenerated <> '' OR a.attidentity = 'a') AS generated,
       base.labels, base.element_oid::int8 AS element_oid, base.array_oid::int8 AS array_oid,
       base.extension, base.delimiter,
       pg_catalog.current_setting('server_version_num')::int4 AS server_version
  FROM pg_catalog.pg_attribute a
 CROSS JOIN LATERAL (
       WITH RECURSIVE step AS (
            SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typtypmod, t.typreceive,
                   a.atttypmod AS type_mod, t.typnotnull AS not_null,
                   t.typdefault IS NOT NULL AS has_default,
                   NULL::pg_catalog.oid AS element_oid, NULL::pg_catalog.oid AS array_oid,
                   0 AS level
              FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
             UNION ALL
            SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typtypmod, t.typreceive,
                   CASE WHEN step.typtype = 'd' THEN step.typtypmod ELSE step.type_mod END,
                   step.not_null OR (t.typnotnull AND step.element_oid IS NULL
                                     AND step.typtype = 'd'),
                   step.has_default OR (t.typdefault IS NOT NULL AND step.element_oid IS NULL
                                        AND step.typtype = 'd'),
                   CASE WHEN step.typtype = 'd' THEN step.element_oid ELSE step.typelem END,
                   CASE WHEN step.typtype = 'd' THEN step.array_oid ELSE step.oid END,
                   step.level + 1
              FROM step
              JOIN pg_catalog.pg_type t
                ON t.oid = CASE WHEN step.typtype = 'd' THEN step.typbasetype ELSE step.typelem END
             WHERE step.typtype = 'd'
                OR (step.element_oid IS NULL
                    AND step.typreceive = 'pg_catalog.array_recv'::pg_catalog.regproc))
       SELECT CASE WHEN (SELECT p.prosrc = 'textrecv' AND l.lanname = 'internal'
                           FROM pg_catalog.pg_proc p
                           JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                          WHERE p.oid = step.typreceive)
                   THEN 'pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid
                   ELSE step.oid END AS oid,
              CASE WHEN step.oid = 'pg_catalog.money'::pg_catalog.regtype
                   THEN pg_catalog.scale(1::pg_catalog.money::pg_catalog.numeric)
                   ELSE step.type_mod END AS type_mod,
              step.not_null, step.has_default, step.element_oid, step.array_oid,
              (SELECT e.typdelim::text FROM pg_catalog.pg_type e WHERE e.oid = step.element_oid)
                AS delimiter,
              (SELECT e.extname::text || '.' || step.typname::text
                 FROM pg_catalog.pg_depend d
                 JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = step.oid
                  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                  AND d.deptype = 'e') AS extension,
              CASE WHEN step.typtype = 'e'
                   THEN ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
                               WHERE e.enumtypid = step.oid ORDER BY e.enumsortorder)
                   END AS labels
         FROM step ORDER BY step.level DESC LIMIT 1) base
 WHERE a.attrelid = $1::int8::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum";

const INDEXES: &str = "
SELECT i.relname::text AS name,
       ARRAY(SELECT p.relname::text
               FROM pg_catalog.pg_partition_tree(x.indexrelid::pg_catalog.regclass) t
               JOIN pg_catalog.pg_class p ON p.oid = t.relid) AS partitions,
       x.indisprimary AS is_primary, NOT x.indimmediate AS deferrable,
       ARRAY(SELECT coalesce(a.attname::text,
                             pg_catalog.pg_get_indexdef(x.indexrelid, k.n, false))
               FROM pg_catalog.generate_series(1, x.indnkeyatts::int4) k(n)
               LEFT JOIN pg_catalog.pg_attribute a
                      ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.n - 1]
              ORDER BY k.n) AS columns
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
 WHERE x.indrelid = $1::int8::pg_catalog.oid AND x.indislive
   AND (x.indisunique OR x.indisexclusion)
 ORDER BY i.relname";

/// Reads the catalog's description of a table; `None` when nothing has this name.
///
/// Three statements, so a table that changes in between may be described half old, half new. The
/// server checks every row anyway, and its refusal leads to a new plan.
///
/// # Errors
///
/// The driver's, when the session fails.
pub(crate) async fn load(
    connection: &mut PgConnection,
    name: &QualifiedName,
) -> Result<Option<TargetTable>, sqlx::Error> {
    let found = sqlx::query(RELATION)
        .bind(name.schema.as_str())
        .bind(name.name.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(relation) = found else { return Ok(None) };
    let oid: i64 = relation.try_get("oid")?;
    let columns = sqlx::query(COLUMNS).bind(oid).fetch_all(&mut *connection).await?;
    let indexes = sqlx::query(INDEXES).bind(oid).fetch_all(&mut *connection).await?;

    let mut table = TargetTable {
        name: name.clone(),
        columns: columns.iter().map(column).collect::<Result<_, _>>()?,
        primary_key: Vec::new(),
        primary_key_deferrable: false,
        unique_indexes: Vec::new(),
        index_columns: BTreeMap::new(),
        foreign_keys: foreign_keys(&relation)?,
        checks: checks(&relation)?,
        kind: kind(relation.try_get("kind")?, relation.try_get("persistence")?),
        row_triggers: relation.try_get("row_triggers")?,
    };
    for row in &indexes {
        let deferrable = row.try_get("deferrable")?;
        let columns: Vec<String> = row.try_get("columns")?;
        let mut names: Vec<String> = row.try_get("partitions")?;
        names.push(row.try_get("name")?);
        table.index_columns.extend(names.into_iter().map(|name| (name, columns.clone())));
        if row.try_get("is_primary")? {
            table.primary_key = columns;
            table.primary_key_deferrable = deferrable;
        } else {
            let name = row.try_get("name")?;
            table.unique_indexes.push(UniqueIndex { name, columns, deferrable });
        }
    }
    Ok(Some(table))
}

/// More tables than this are not looked through for a similar name.
const TABLES_MAX: i64 = 10_000;

/// The names of all tables that could be written to, `schema.name`.
///
/// # Errors
///
/// The driver's, when the session fails.
pub(crate) async fn tables(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'
            AND n.nspname NOT IN ('information_schema', 'cdc')
          ORDER BY 1 LIMIT $1",
    )
    .bind(TABLES_MAX)
    .fetch_all(connection)
    .await
}

fn checks(row: &PgRow) -> Result<ColumnChecks, sqlx::Error> {
    let names: Vec<String> = row.try_get("checks")?;
    let columns: Vec<String> = row.try_get("checked_columns")?;
    Ok(names.into_iter().zip(columns).collect())
}

fn foreign_keys(relation: &PgRow) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let names: Vec<String> = relation.try_get("foreign_keys")?;
    let deferrable: Vec<bool> = relation.try_get("foreign_keys_deferrable")?;
    let pairs = names.into_iter().zip(deferrable);
    Ok(pairs.map(|(name, deferrable)| ForeignKey { name, deferrable }).collect())
}

fn column(row: &PgRow) -> Result<TargetColumn, sqlx::Error> {
    let number = |oid: i64| u32::try_from(oid).map_err(|error| sqlx::Error::Decode(error.into()));
    let base = number(row.try_get("type_oid")?)?;
    let array = row.try_get::<Option<i64>, _>("array_oid")?.map(number).transpose()?;
    let element = row.try_get::<Option<i64>, _>("element_oid")?.map(number).transpose()?;
    let delimiter = row.try_get::<Option<String>, _>("delimiter")?;
    let delimiter = delimiter.and_then(|text| text.bytes().next()).unwrap_or(b',');
    Ok(TargetColumn {
        name: row.try_get("name")?,
        type_oid: array.unwrap_or(base),
        type_mod: row.try_get("type_mod")?,
        type_name: row.try_get("type_name")?,
        nullable: row.try_get("nullable")?,
        has_default: row.try_get("has_default")?,
        generated: row.try_get("generated")?,
        labels: row.try_get("labels")?,
        element: element.map(|oid| ElementType { oid, base_oid: base, delimiter }),
        extension: row.try_get("extension")?,
        server_version: row.try_get("server_version")?,
    })
}

/// `relkind` and `relpersistence` as one word.
fn kind(relkind: &str, persistence: &str) -> TableKind {
    match (relkind, persistence) {
        ("r" | "p", "t") => TableKind::Temporary,
        ("r" | "p", "u") => TableKind::Unlogged,
        ("r", _) => TableKind::Ordinary,
        ("p", _) => TableKind::Partitioned,
        ("f", _) => TableKind::Foreign,
        ("v" | "m", _) => TableKind::View,
        (_, _) => TableKind::Other,
    }
}

#[cfg(test)]
mod tests;
