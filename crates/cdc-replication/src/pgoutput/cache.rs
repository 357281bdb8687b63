//! The tables that the server has described on a connection.

use std::collections::BTreeMap;

use super::{PgOutputError, Relation, ReplicaIdentity};

/// A table as the server described it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRelation {
    /// The schema; empty for `pg_catalog`.
    pub schema: String,
    /// The name within the schema.
    pub name: String,
    /// Which columns of an old row come.
    pub identity: ReplicaIdentity,
    /// The columns in the order in which rows have them.
    pub columns: Vec<CachedColumn>,
}

/// A column of a table as the server described it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedColumn {
    /// The name.
    pub name: String,
    /// Whether it is one that identifies a row.
    pub is_key: bool,
    /// The number of its type.
    pub type_oid: u32,
    /// What the type is restricted to; -1 for nothing.
    pub type_modifier: i32,
}

/// The tables that the server has described on a connection, by their numbers.
///
/// The server describes a table before its first row and again when it has changed, and never otherwise:
/// none may be forgotten as long as the connection lives. So the cache has a bound, beyond which it refuses
/// instead of forgetting. A relation takes at most a few hundred kilobytes (PostgreSQL has at most 1,600
/// columns with names of 63 bytes), usually less than two.
#[derive(Debug, Clone)]
pub struct RelationCache {
    relations: BTreeMap<u32, CachedRelation>,
    relations_max: usize,
}

/// Far more tables than publications have, and with usual ones less than 20 MB.
const RELATIONS_MAX: usize = 10_000;

impl Default for RelationCache {
    fn default() -> Self {
        Self::new(RELATIONS_MAX)
    }
}

impl RelationCache {
    /// An empty cache for at most so many tables.
    pub fn new(relations_max: usize) -> Self {
        Self { relations: BTreeMap::new(), relations_max }
    }

    /// Keeps what a message says of a table, in the place of what an earlier one said.
    ///
    /// # Errors
    ///
    /// A table more than the cache keeps.
    pub fn insert(&mut self, relation: &Relation<'_>) -> Result<(), PgOutputError> {
        let is_known = self.relations.contains_key(&relation.oid);
        if !is_known && self.relations.len() >= self.relations_max {
            return Err(PgOutputError::TooManyRelations { relations_max: self.relations_max });
        }
        let columns = relation.columns().map(|column| CachedColumn {
            name: column.name.to_owned(),
            is_key: column.is_key,
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
        });
        let cached = CachedRelation {
            schema: relation.schema.to_owned(),
            name: relation.name.to_owned(),
            identity: relation.identity,
            columns: columns.collect(),
        };
        self.relations.insert(relation.oid, cached);
        Ok(())
    }

    /// Forgets all: on a new connection the server describes every table again.
    pub fn clear(&mut self) {
        self.relations.clear();
    }

    /// The table with this number.
    pub fn get(&self, oid: u32) -> Option<&CachedRelation> {
        self.relations.get(&oid)
    }

    /// How many tables are known.
    pub fn len(&self) -> usize {
        self.relations.len()
    }

    /// Whether no table is known.
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}
