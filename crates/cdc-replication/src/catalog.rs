//! What the source's catalog says about the configured tables.

use std::collections::BTreeMap;

use cdc_core::{CatalogKind, CatalogType, ConnectorModes, Halt, SemanticType, SourceTable};

use crate::ReplicationError;
use crate::wire::{Client, TextRow};

/// A table of the source.
#[derive(Debug, Clone)]
pub(crate) struct TableCatalog {
    pub(crate) oid: u32,
    pub(crate) table: SourceTable,
    pub(crate) primary_key: Vec<String>,
    pub(crate) columns: Vec<CatalogColumn>,
    pub(crate) estimated_rows: u64,
}

/// A column that the server puts into its log.
#[derive(Debug, Clone)]
pub(crate) struct CatalogColumn {
    pub(crate) name: String,
    pub(crate) semantic: Option<SemanticType>,
    pub(crate) sql_type: String,
}

/// What a type means.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) semantic: Option<SemanticType>,
    pub(crate) sql_type: String,
}

/// A name as SQL writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Reads what the catalog says about tables.
pub(crate) async fn load(
    client: &mut Client,
    tables: &[SourceTable],
) -> Result<Vec<TableCatalog>, ReplicationError> {
    let mut loaded = Vec::new();
    for table in tables {
        loaded.push(load_one(client, table).await?);
    }
    Ok(loaded)
}

async fn load_one(
    client: &mut Client,
    table: &SourceTable,
) -> Result<TableCatalog, ReplicationError> {
    let rows = client
        .query(&format!(
            "SELECT c.oid::bigint AS oid, greatest(c.reltuples, 0)::bigint AS rows
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p')",
            literal(table.schema()),
            literal(table.name())
        ))
        .await?;
    let Some(row) = rows.first() else { return Err(missing(client, table).await?) };
    let oid: u32 = number(row, "oid")?;
    let estimated_rows = number(row, "rows")?;
    let rows = client
        .query(&format!(
            "SELECT a.attname AS name, a.atttypid::bigint AS type, a.atttypmod AS typmod,
                    EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = a.attrelid
                             AND x.indisprimary AND a.attnum = ANY (x.indkey)) AS is_key
               FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum"
        ))
        .await?;
    let mut types = Vec::new();
    for row in &rows {
        types.push((number(row, "type")?, number(row, "typmod")?));
    }
    let kinds = kinds(client, &types).await?;
    let name = |row: &TextRow| row.named("name").unwrap_or_default().to_owned();
    let columns = rows.iter().zip(kinds).map(|(row, kind)| CatalogColumn {
        name: name(row),
        semantic: kind.semantic,
        sql_type: kind.sql_type,
    });
    let key = rows.iter().filter(|row| row.named("is_key") == Some("t"));
    Ok(TableCatalog {
        oid,
        table: table.clone(),
        primary_key: key.map(name).collect(),
        columns: columns.collect(),
        estimated_rows,
    })
}

async fn missing(
    client: &mut Client,
    table: &SourceTable,
) -> Result<ReplicationError, ReplicationError> {
    let rows = client
        .query(&format!(
            "SELECT n.nspname || '.' || c.relname AS name
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
              ORDER BY n.nspname <> {}, abs(length(c.relname) - {}) LIMIT 3",
            literal(table.schema()),
            table.name().len()
        ))
        .await?;
    let near: Vec<_> = rows.iter().filter_map(|row| row.named("name")).collect();
    Ok(ReplicationError::Setup {
        halt: Halt::Configuration,
        message: format!("the source has no table {table}"),
        fix: format!("correct `source` in its [[table]]; there are {}", near.join(", ")),
    })
}

fn number<T: std::str::FromStr>(row: &TextRow, column: &str) -> Result<T, ReplicationError> {
    let parsed = row.named(column).and_then(|text| text.parse().ok());
    let expected = format!("a number as {column}");
    let other = || ReplicationError::malformed("reading the catalog", &expected, "something else");
    parsed.ok_or_else(other)
}

#[derive(Debug)]
struct TypeRow {
    name: String,
    form: String,
    inner: u32,
    inner_typmod: i32,
}

/// What types mean, each with its modifier.
pub(crate) async fn kinds(
    client: &mut Client,
    types: &[(u32, i32)],
) -> Result<Vec<Kind>, ReplicationError> {
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<_> = types.iter().map(|(oid, _)| oid.to_string()).collect();
    let rows = client
        .query(&format!(
            "WITH RECURSIVE needed (oid) AS (
                 SELECT pg_catalog.unnest('{{{}}}'::oid[])
                  UNION
                 SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
                   FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid
                  WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0))
             SELECT t.oid::bigint AS oid, t.typname AS name,
                    CASE WHEN t.typtype = 'd' THEN 'domain'
                         WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN 'array'
                         WHEN t.typtype = 'e' THEN 'enum'
                         WHEN t.typtype IN ('b', 'r') THEN 'named'
                         ELSE 'other' END AS form,
                    CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END::bigint AS inner,
                    t.typtypmod AS inner_typmod
               FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid",
            list.join(",")
        ))
        .await?;
    let mut known = BTreeMap::new();
    for row in &rows {
        let text = |column: &str| row.named(column).unwrap_or_default().to_owned();
        let (inner, inner_typmod) = (number(row, "inner")?, number(row, "inner_typmod")?);
        let row_of = TypeRow { name: text("name"), form: text("form"), inner, inner_typmod };
        known.insert(number::<u32>(row, "oid")?, row_of);
    }
    let shown: Vec<_> = types
        .iter()
        .map(|(oid, typmod)| format!("pg_catalog.format_type({oid}, {typmod})"))
        .collect();
    let rows = client.query(&format!("SELECT {}", shown.join(", "))).await?;
    let names = rows.first();
    let kind = |(index, (oid, typmod)): (usize, &(u32, i32))| Kind {
        semantic: semantic(&known, *oid, *typmod, 32),
        sql_type: names.and_then(|row| row.get(index)).unwrap_or_default().to_owned(),
    };
    Ok(types.iter().enumerate().map(kind).collect())
}

fn semantic(
    known: &BTreeMap<u32, TypeRow>,
    oid: u32,
    typmod: i32,
    levels: u32,
) -> Option<SemanticType> {
    let mut found = None;
    borrowed(known, (oid, typmod), levels, &mut |kind| {
        found = SemanticType::of_catalog(kind, &ConnectorModes::default());
    });
    found
}

fn borrowed(
    known: &BTreeMap<u32, TypeRow>,
    (oid, typmod): (u32, i32),
    levels: u32,
    look: &mut dyn FnMut(&CatalogType<'_>),
) {
    let (Some(row), Some(deeper)) = (known.get(&oid), levels.checked_sub(1)) else { return };
    let name = &*row.name;
    match &*row.form {
        "domain" => borrowed(known, (row.inner, row.inner_typmod), deeper, &mut |base| {
            look(&CatalogType { name, typmod, kind: CatalogKind::Domain(base) });
        }),
        "array" => borrowed(known, (row.inner, typmod), deeper, &mut |element| {
            look(&CatalogType { name, typmod, kind: CatalogKind::Array(element) });
        }),
        "enum" => look(&CatalogType { name, typmod, kind: CatalogKind::Enum }),
        "named" => look(&CatalogType { name, typmod, kind: CatalogKind::Named }),
        _ => look(&CatalogType { name, typmod, kind: CatalogKind::Other }),
    }
}
