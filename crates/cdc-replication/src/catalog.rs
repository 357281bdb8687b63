//! What the source's catalog says about followed tables: their columns with what these mean, the key, and
//! what is logged of old rows.
//!
//! One statement asks for all tables and for the types of all their columns, and answers in one JSON
//! document, so that everything is of one moment (`sql.rs`).

mod asked;
mod sql;
mod types;

use cdc_config::closest;
use cdc_core::{ConnectorModes, SemanticType, SourceTable};
use serde::Deserialize;

pub(crate) use self::asked::{kinds, load};
use self::types::{TypeRow, Types};
use crate::sql::qualified;

/// A table of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableCatalog {
    /// Its number, which names its partition of the snapshot.
    pub(crate) oid: u32,
    pub(crate) table: SourceTable,
    pub(crate) kind: TableKind,
    /// What is logged of old rows.
    pub(crate) identity: Identity,
    /// The columns of its primary key in the key's order; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// The columns that the server puts into its log, in the order of the table.
    pub(crate) columns: Vec<CatalogColumn>,
    /// How many rows it has, as the server last counted or as its size suggests.
    pub(crate) estimated_rows: u64,
    /// The relations of it whose updates and deletes the source refuses once they are published: they have
    /// no identity. It stands for itself; of a partitioned table these are partitions.
    pub(crate) without_identity: Vec<SourceTable>,
}

/// What kind of relation a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// One that holds its rows itself.
    Plain,
    /// One whose rows are in partitions. They are published under its name.
    Partitioned,
}

/// `pg_class.relreplident` with what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The columns of the primary key, if there is one.
    Default,
    /// Whole rows.
    Full,
    /// The columns of an index that was chosen; none of them, when it is gone.
    Index(Vec<String>),
    /// Nothing.
    Nothing,
}

/// A column of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogColumn {
    pub(crate) name: String,
    /// Its number in the table, from 1; numbers of dropped columns are left out.
    pub(crate) attnum: i16,
    pub(crate) type_oid: u32,
    pub(crate) typmod: i32,
    /// Its type as SQL writes it, such as `numeric(10,2)`.
    pub(crate) sql_type: String,
    /// What its values mean; `None` for a type that Debezium's default options leave out.
    pub(crate) semantic: Option<SemanticType>,
    pub(crate) not_null: bool,
}

/// A table that cannot be followed, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CatalogError {
    /// There is no such relation, or it is no table.
    #[error("the source has no table {table}{}", near_miss(.near.as_deref()))]
    Missing {
        /// The name that was asked for.
        table: SourceTable,
        /// The table that was probably meant.
        near: Option<String>,
    },
    /// Its changes are not logged.
    #[error(
        "the table {table} of the source is unlogged, so that none of its changes can be followed"
    )]
    Unlogged {
        /// Its name.
        table: SourceTable,
    },
    /// The answer is not what the statement asks for.
    #[error("expected the source's catalog to answer as this version asks: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

fn near_miss(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

impl CatalogError {
    /// What to do, starting with a verb.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Missing { table, near: Some(near) } => {
                format!("write `source = \"{near}\"` into the [[table]] of {table}")
            }
            Self::Missing { table, near: None } => format!(
                "correct `source` of the [[table]] of {table}, or the database that the source's \
                 `url` names"
            ),
            Self::Unlogged { table } => {
                format!("run on the source: ALTER TABLE {} SET LOGGED", qualified(table))
            }
            Self::Answer { .. } => "report this with the version of the source".to_owned(),
        }
    }

    /// The same with the table that was probably meant, out of the answer to [`sql::names_statement`].
    pub(crate) fn with_near(self, names: &str) -> Self {
        match self {
            Self::Missing { table, near: None } => {
                let names: Vec<String> = serde_json::from_str(names).unwrap_or_default();
                let near = closest(&table.to_string(), names.iter().map(String::as_str));
                let near = near.map(str::to_owned);
                Self::Missing { table, near }
            }
            other @ (Self::Missing { .. } | Self::Unlogged { .. } | Self::Answer { .. }) => other,
        }
    }
}

impl TableCatalog {
    /// The columns that tell its rows apart: those of the primary key, without one those of its identity.
    pub(crate) fn key(&self) -> &[String] {
        match &self.identity {
            _ if !self.primary_key.is_empty() => &self.primary_key,
            Identity::Index(columns) => columns,
            Identity::Default | Identity::Full | Identity::Nothing => &[],
        }
    }

    /// What stands against updates and deletes, which the source itself will refuse, with the statements
    /// that mend it; `None` when nothing does.
    pub(crate) fn identity_finding(&self) -> Option<IdentityFinding> {
        let first = self.without_identity.first()?;
        let names: Vec<String> = self.without_identity.iter().map(ToString::to_string).collect();
        let message = if *first == self.table {
            format!(
                "the table {} has no primary key and no other replica identity: once it is published, \
                 the source refuses every update and delete of it",
                self.table
            )
        } else {
            format!(
                "partitions of {} have no replica identity: once it is published, the source refuses \
                 every update and delete in {}",
                self.table,
                names.join(", ")
            )
        };
        let statements = self
            .without_identity
            .iter()
            .map(|table| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", qualified(table)));
        let statements: Vec<String> = statements.collect();
        let fix = format!(
            "add a primary key, or run on the source: {}",
            statements.join(" ").trim_end_matches(';')
        );
        Some(IdentityFinding { message, fix })
    }

    /// The columns of types that are left out, with these types.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        let columns = self.columns.iter().filter(|column| column.semantic.is_none());
        columns.map(|column| (&*column.name, &*column.sql_type))
    }
}

/// A table whose old rows the source would not log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityFinding {
    pub(crate) message: String,
    /// What to do, starting with a verb.
    pub(crate) fix: String,
}

/// The answer to [`sql::statement`].
#[derive(Deserialize)]
struct Answer {
    tables: Vec<TableAnswer>,
    types: Vec<TypeRow>,
}

#[derive(Deserialize)]
struct TableAnswer {
    schema: String,
    name: String,
    oid: u32,
    kind: KindAnswer,
    unlogged: bool,
    identity: IdentityAnswer,
    primary_key: Vec<String>,
    chosen: Vec<String>,
    estimated_rows: f64,
    columns: Vec<ColumnAnswer>,
    without_identity: Vec<(String, String)>,
}

#[derive(Deserialize)]
enum KindAnswer {
    #[serde(rename = "r")]
    Plain,
    #[serde(rename = "p")]
    Partitioned,
}

#[derive(Deserialize)]
enum IdentityAnswer {
    #[serde(rename = "d")]
    Default,
    #[serde(rename = "f")]
    Full,
    #[serde(rename = "i")]
    Index,
    #[serde(rename = "n")]
    Nothing,
}

#[derive(Deserialize)]
struct ColumnAnswer {
    name: String,
    attnum: i16,
    type_oid: u32,
    typmod: i32,
    sql_type: String,
    not_null: bool,
}

/// The tables in the order in which they were asked for, out of the one cell that answers [`sql::statement`].
fn read(answer: &str, tables: &[SourceTable]) -> Result<Vec<TableCatalog>, CatalogError> {
    let answer: Answer = serde_json::from_str(answer)
        .map_err(|error| CatalogError::Answer { reason: error.to_string() })?;
    let types = Types::new(answer.types);
    let mut found: Vec<TableCatalog> = Vec::new();
    let mut unlogged = Vec::new();
    for table in answer.tables {
        if table.unlogged {
            unlogged.push(SourceTable::new(&*table.schema, &*table.name));
        }
        found.push(catalog_of(table, &types));
    }
    let pick = |table: &SourceTable| {
        if unlogged.contains(table) {
            return Err(CatalogError::Unlogged { table: table.clone() });
        }
        let known = found.iter().find(|known| known.table == *table).cloned();
        known.ok_or_else(|| CatalogError::Missing { table: table.clone(), near: None })
    };
    tables.iter().map(pick).collect()
}

fn catalog_of(answer: TableAnswer, types: &Types) -> TableCatalog {
    let modes = ConnectorModes::default();
    let column = |column: ColumnAnswer| CatalogColumn {
        semantic: types.semantic(column.type_oid, column.typmod, &modes),
        name: column.name,
        attnum: column.attnum,
        type_oid: column.type_oid,
        typmod: column.typmod,
        sql_type: column.sql_type,
        not_null: column.not_null,
    };
    let without_identity = answer.without_identity.into_iter();
    TableCatalog {
        oid: answer.oid,
        table: SourceTable::new(answer.schema, answer.name),
        kind: match answer.kind {
            KindAnswer::Plain => TableKind::Plain,
            KindAnswer::Partitioned => TableKind::Partitioned,
        },
        identity: match answer.identity {
            IdentityAnswer::Default => Identity::Default,
            IdentityAnswer::Full => Identity::Full,
            IdentityAnswer::Index => Identity::Index(answer.chosen),
            IdentityAnswer::Nothing => Identity::Nothing,
        },
        primary_key: answer.primary_key,
        columns: answer.columns.into_iter().map(column).collect(),
        estimated_rows: whole(answer.estimated_rows),
        without_identity: without_identity
            .map(|(schema, name)| SourceTable::new(schema, name))
            .collect(),
    }
}

/// An estimate as a count. The server keeps it as a float, whose text without a fraction it is.
fn whole(estimate: f64) -> u64 {
    format!("{:.0}", estimate.max(0.0)).parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
