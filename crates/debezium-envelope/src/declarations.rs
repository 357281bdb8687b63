//! Column types given from outside, for messages that do not carry them.

use std::collections::BTreeMap;

use crate::row::SemanticType;

/// What the columns of tables mean when their messages have no schema block.
///
/// A schema block overrules them except where it says too little: for columns that it calls mere
/// strings, such as bytes in `binary.handling.mode=hex` and decimals in `decimal.handling.mode=string`,
/// for bit strings that may be of varying length, and for types whose name this crate does not know.
/// The block names its table only in the name of the row's schema, as in `dbserver1.public.orders.Value`;
/// where a transform has changed that name, declarations for `*` still count.
///
/// Tables are named `schema.table`, as in `public.orders`; for sources without schemas
/// `database.table`. The table `*` stands for every table that has no own declaration of the column.
/// Columns that nobody declared are [`SemanticType::SelfEvident`].
///
/// ```
/// use debezium_envelope::{Declarations, SemanticType};
///
/// let mut declarations = Declarations::none();
/// declarations.declare("public.orders", "amount", SemanticType::parse("decimal(10,2)")?);
/// assert_eq!(
///     declarations.get("public.orders", "amount"),
///     Some(&SemanticType::Decimal { precision: Some(10), scale: 2 }),
/// );
/// # Ok::<(), debezium_envelope::ParseSemanticTypeError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declarations {
    tables: BTreeMap<String, BTreeMap<String, SemanticType>>,
}

/// The table name that stands for all tables.
const ANY_TABLE: &str = "*";

impl Declarations {
    /// No declarations: right for messages with a schema block.
    pub fn none() -> Self {
        Self::default()
    }

    /// States what a column means; a later statement about the same column replaces it.
    pub fn declare(&mut self, table: &str, column: &str, semantic: SemanticType) -> &mut Self {
        self.tables.entry(table.to_owned()).or_default().insert(column.to_owned(), semantic);
        self
    }

    /// The declared meaning of a column.
    pub fn get(&self, table: &str, column: &str) -> Option<&SemanticType> {
        let of = |table: &str| self.tables.get(table)?.get(column);
        of(table).or_else(|| of(ANY_TABLE))
    }

    /// What is declared about a column of rows that a schema of this name describes.
    pub(crate) fn of_schema(&self, schema: &str, column: &str) -> Option<&SemanticType> {
        let suffixes = [".Value", ".Key", ".Envelope"];
        let topic =
            suffixes.iter().find_map(|suffix| schema.strip_suffix(suffix)).unwrap_or(schema);
        let is_topic_of = |table: &str| {
            let prefix = topic.strip_suffix(table);
            prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        };
        let named = self.tables.iter().filter(|(table, _)| is_topic_of(table));
        let named = named.max_by_key(|(table, _)| table.len());
        let declared = named.and_then(|(_, columns)| columns.get(column));
        declared.or_else(|| self.tables.get(ANY_TABLE)?.get(column))
    }

    /// The only table that is declared, if there is exactly one.
    pub(crate) fn only_table(&self) -> Option<&str> {
        let mut tables = self.tables.keys();
        let first = tables.next()?;
        tables.next().is_none().then_some(first)
    }
}
