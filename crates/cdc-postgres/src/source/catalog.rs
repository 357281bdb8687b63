//! What the source's catalog says about a followed table: column types as the connector sees them, and
//! the identity under which old rows are logged.

use std::collections::BTreeMap;

use cdc_core::{CatalogKind, CatalogType, ConnectorModes, SemanticType, SourceTable};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

/// A table of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceCatalog {
    /// Its columns in table order that the server puts into its log.
    pub(super) columns: Vec<SourceColumn>,
    /// What is logged of old rows.
    pub(super) identity: Identity,
    /// The columns of its primary key; empty without one.
    pub(super) primary_key: Vec<String>,
}

/// `pg_class.relreplident` with what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Whole rows.
    Full,
    /// These columns alone: the primary key's, or those of an index that was chosen.
    Columns(Vec<String>),
    /// Nothing: no key, no index, or told so.
    Nothing,
}

/// A column of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as the catalog keeps them")]
pub(super) struct SourceColumn {
    /// Its name.
    pub(super) name: String,
    /// Its type as SQL writes it, such as `numeric(10,2)`.
    pub(super) type_name: String,
    /// Its type as the connector looks at it.
    pub(super) kind: SourceType,
    /// Whether long values of it are kept out of the row, so that an update may leave them out.
    pub(super) is_long: bool,
    /// Whether it has a default.
    pub(super) has_default: bool,
}

/// A type with all that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceType {
    pub(super) name: String,
    pub(super) typmod: i32,
    pub(super) form: Form,
}

/// What kind of type it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Named,
    Enum,
    Domain(Box<SourceType>),
    Array(Box<SourceType>),
    Other,
}

impl SourceType {
    /// The type under which a connector with these options sends it; `None` when it leaves it out.
    pub(super) fn sent(&self, modes: &ConnectorModes) -> Option<SemanticType> {
        let mut sent = None;
        self.borrowed(&mut |kind| sent = SemanticType::of_catalog(kind, modes));
        sent
    }

    /// The type that domains and arrays of it come down to.
    pub(super) fn innermost(&self) -> &Self {
        match &self.form {
            Form::Domain(inner) | Form::Array(inner) => inner.innermost(),
            Form::Named | Form::Enum | Form::Other => self,
        }
    }

    /// Lends the type in the form of its parts, which live as long as the call.
    fn borrowed(&self, look: &mut dyn FnMut(&CatalogType<'_>)) {
        let name = &*self.name;
        let typmod = self.typmod;
        match &self.form {
            Form::Named => look(&CatalogType { name, typmod, kind: CatalogKind::Named }),
            Form::Enum => look(&CatalogType { name, typmod, kind: CatalogKind::Enum }),
            Form::Other => look(&CatalogType { name, typmod, kind: CatalogKind::Other }),
            Form::Domain(base) => base.borrowed(&mut |base| {
                look(&CatalogType { name, typmod, kind: CatalogKind::Domain(base) });
            }),
            Form::Array(element) => element.borrowed(&mut |element| {
                look(&CatalogType { name, typmod, kind: CatalogKind::Array(element) });
            }),
        }
    }
}

const RELATION: &str = "
SELECT c.oid::pg_catalog.int8 AS oid, c.relreplident::pg_catalog.text AS identity,
       ARRAY(SELECT a.attname::pg_catalog.text
               FROM pg_catalog.pg_index x
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
              WHERE x.indrelid = c.oid AND x.indisprimary ORDER BY a.attnum) AS primary_key,
       ARRAY(SELECT a.attname::pg_catalog.text
               FROM pg_catalog.pg_index x
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
              WHERE x.indrelid = c.oid AND x.indisreplident ORDER BY a.attnum) AS chosen
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";

/// Columns that the server generates are not in its log.
const COLUMNS: &str = "
SELECT a.attname::pg_catalog.text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name,
       a.atttypid::pg_catalog.int8 AS type_oid, a.atttypmod AS typmod,
       a.attstorage IN ('x', 'e') AS is_long, a.atthasdef AS has_default
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = $1::pg_catalog.int8::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = ''
 ORDER BY a.attnum";

/// The types of columns, and what domains and arrays among them are made of.
const TYPES: &str = "
WITH RECURSIVE needed (oid) AS (
     SELECT pg_catalog.unnest($1::pg_catalog.int8[])::pg_catalog.oid
      UNION
     SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
       FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid
      WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0))
SELECT t.oid::pg_catalog.int8 AS oid, t.typname::pg_catalog.text AS name,
       CASE WHEN t.typtype = 'd' THEN 'domain'
            WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN 'array'
            WHEN t.typtype = 'e' THEN 'enum'
            WHEN t.typtype IN ('b', 'r') THEN 'named'
            ELSE 'other' END AS form,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END::pg_catalog.int8 AS inner_oid,
       t.typtypmod AS inner_typmod
  FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid";

/// A row of `pg_type`.
struct TypeRow {
    name: String,
    form: String,
    inner: i64,
    inner_typmod: i32,
}

/// More domains over one another than this are taken for a type of unknown form.
const LEVELS_MAX: u32 = 32;

impl SourceCatalog {
    /// Reads the description of a table; `None` when the source has none of this name.
    pub(super) async fn load(
        connection: &mut PgConnection,
        table: &SourceTable,
    ) -> Result<Option<Self>, sqlx::Error> {
        let found = sqlx::query(RELATION)
            .bind(table.schema())
            .bind(table.name())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(relation) = found else { return Ok(None) };
        let oid: i64 = relation.try_get("oid")?;
        let rows = sqlx::query(COLUMNS).bind(oid).fetch_all(&mut *connection).await?;
        let oids: Vec<i64> =
            rows.iter().map(|row| row.try_get("type_oid")).collect::<Result<_, _>>()?;
        let types = sqlx::query(TYPES).bind(oids).fetch_all(&mut *connection).await?;
        let types: BTreeMap<i64, TypeRow> = types.iter().map(type_row).collect::<Result<_, _>>()?;
        let columns = rows.iter().map(|row| column(row, &types)).collect::<Result<_, _>>()?;
        let primary_key: Vec<String> = relation.try_get("primary_key")?;
        let identity = match relation.try_get::<&str, _>("identity")? {
            "f" => Identity::Full,
            "i" => Identity::Columns(relation.try_get("chosen")?),
            "d" if !primary_key.is_empty() => Identity::Columns(primary_key.clone()),
            _ => Identity::Nothing,
        };
        Ok(Some(Self { columns, identity, primary_key }))
    }

    /// The names of all columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.name)
    }
}

fn type_row(row: &PgRow) -> Result<(i64, TypeRow), sqlx::Error> {
    let found = TypeRow {
        name: row.try_get("name")?,
        form: row.try_get("form")?,
        inner: row.try_get("inner_oid")?,
        inner_typmod: row.try_get("inner_typmod")?,
    };
    Ok((row.try_get("oid")?, found))
}

fn column(row: &PgRow, types: &BTreeMap<i64, TypeRow>) -> Result<SourceColumn, sqlx::Error> {
    Ok(SourceColumn {
        name: row.try_get("name")?,
        type_name: row.try_get("type_name")?,
        kind: built(types, row.try_get("type_oid")?, row.try_get("typmod")?, LEVELS_MAX),
        is_long: row.try_get("is_long")?,
        has_default: row.try_get("has_default")?,
    })
}

/// The type of this number. A domain's modifier belongs to what it is over, an array's to its element.
fn built(types: &BTreeMap<i64, TypeRow>, oid: i64, typmod: i32, levels: u32) -> SourceType {
    let (Some(row), Some(deeper)) = (types.get(&oid), levels.checked_sub(1)) else {
        // A type that was dropped meanwhile.
        return SourceType { name: format!("type number {oid}"), typmod, form: Form::Other };
    };
    let inner = |typmod| Box::new(built(types, row.inner, typmod, deeper));
    let form = match &*row.form {
        "domain" => Form::Domain(inner(row.inner_typmod)),
        "array" => Form::Array(inner(typmod)),
        "enum" => Form::Enum,
        "named" => Form::Named,
        _ => Form::Other,
    };
    SourceType { name: row.name.clone(), typmod, form }
}
