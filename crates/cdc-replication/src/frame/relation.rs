//! What a frame says of its table.

use std::borrow::Cow;

use cdc_core::SemanticType;
use serde::{Deserialize, Serialize};

use crate::pgoutput::ReplicaIdentity;

/// A table as it was when its change was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationDescription {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) database: String,
    pub(crate) slot: String,
    pub(crate) identity: ReplicaIdentity,
    /// The columns in the order in which rows have them.
    pub(crate) columns: Vec<DescribedColumn>,
}

/// A column as it was when the change was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescribedColumn {
    pub(crate) name: String,
    /// What its values mean; without it the column is left out of rows.
    pub(crate) semantic: Option<SemanticType>,
    /// PostgreSQL's own name for its type.
    pub(crate) sql_type: String,
    /// Whether it is part of the key: the primary key, or without one what identifies a row.
    pub(crate) is_key: bool,
}

/// Bytes that describe no table. What stands in them is not repeated: it may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RelationError {
    /// It is no JSON text, or has other members.
    #[error("expected a table described in JSON at byte {position}")]
    Json {
        /// Where it stops being one.
        position: usize,
    },
    /// A name has a character that no name in PostgreSQL has.
    #[error("expected names without zero bytes in the description of a table")]
    Name,
    /// The type of a column is none that this version knows.
    #[error("expected a known type of column {column}, counted from 1")]
    Type {
        /// Which column.
        column: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationText<'t> {
    #[serde(borrow)]
    schema: Cow<'t, str>,
    #[serde(borrow)]
    table: Cow<'t, str>,
    #[serde(borrow)]
    database: Cow<'t, str>,
    #[serde(borrow)]
    slot: Cow<'t, str>,
    identity: IdentityText,
    #[serde(borrow)]
    columns: Vec<ColumnText<'t>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum IdentityText {
    Default,
    Nothing,
    Full,
    Index,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnText<'t> {
    #[serde(borrow)]
    name: Cow<'t, str>,
    #[serde(rename = "type")]
    semantic: Option<String>,
    key: bool,
    #[serde(borrow)]
    sql_type: Cow<'t, str>,
}

impl RelationDescription {
    /// One line of JSON, with its end. The same description is the same bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let column = |column: &DescribedColumn| ColumnText {
            name: Cow::Owned(column.name.clone()),
            semantic: column.semantic.as_ref().and_then(text_of),
            key: column.is_key,
            sql_type: Cow::Owned(column.sql_type.clone()),
        };
        let text = RelationText {
            schema: Cow::Borrowed(&self.schema),
            table: Cow::Borrowed(&self.table),
            database: Cow::Borrowed(&self.database),
            slot: Cow::Borrowed(&self.slot),
            identity: match self.identity {
                ReplicaIdentity::Default => IdentityText::Default,
                ReplicaIdentity::Nothing => IdentityText::Nothing,
                ReplicaIdentity::Full => IdentityText::Full,
                ReplicaIdentity::Index => IdentityText::Index,
            },
            columns: self.columns.iter().map(column).collect(),
        };
        let mut bytes = serde_json::to_vec(&text).expect("text and booleans are JSON values");
        bytes.push(b'\n');
        bytes
    }

    /// The description that [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// Other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, RelationError> {
        let text: RelationText<'_> = serde_json::from_slice(bytes)
            // The text is one line, so its column is the byte, counted from 1.
            .map_err(|error| RelationError::Json { position: error.column().saturating_sub(1) })?;
        let mut columns = Vec::with_capacity(text.columns.len());
        for (index, column) in text.columns.into_iter().enumerate() {
            let semantic = column.semantic.as_deref().map(SemanticType::parse).transpose();
            columns.push(DescribedColumn {
                name: column.name.into_owned(),
                semantic: semantic
                    .map_err(|_| RelationError::Type { column: index.saturating_add(1) })?,
                sql_type: column.sql_type.into_owned(),
                is_key: column.key,
            });
        }
        let relation = Self {
            schema: text.schema.into_owned(),
            table: text.table.into_owned(),
            database: text.database.into_owned(),
            slot: text.slot.into_owned(),
            identity: match text.identity {
                IdentityText::Default => ReplicaIdentity::Default,
                IdentityText::Nothing => ReplicaIdentity::Nothing,
                IdentityText::Full => ReplicaIdentity::Full,
                IdentityText::Index => ReplicaIdentity::Index,
            },
            columns,
        };
        if relation.names().any(|name| name.contains('\0')) {
            return Err(RelationError::Name);
        }
        Ok(relation)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.schema, &self.table, &self.database, &self.slot]
            .into_iter()
            .chain(self.columns.iter().map(|column| &column.name))
            .map(String::as_str)
    }
}

/// The type's text form, when it has one that reads back: the others say that nobody knows.
fn text_of(semantic: &SemanticType) -> Option<String> {
    let text = semantic.to_string();
    SemanticType::parse(&text).is_ok().then_some(text)
}
