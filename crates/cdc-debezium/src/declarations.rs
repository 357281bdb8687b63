//! What configuration says about tables because their messages do not: column types, and whether old
//! rows are whole.

use cdc_core::{SemanticType, SourceTable};
use debezium_envelope::Declarations;

use crate::{AdapterError, BeforeImages};

/// What the columns of one source table mean and how its old rows are taken, as configuration says it.
///
/// The same JSON number may be a count, a date or microseconds, so types are declared and never
/// guessed. A message with a schema block overrules its declarations, except
/// where the block says too little; see [`Declarations`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDeclarations {
    table: SourceTable,
    columns: Vec<(String, SemanticType)>,
    before: BeforeImages,
}

impl TableDeclarations {
    /// A table without declared columns.
    pub fn new(table: SourceTable) -> Self {
        Self { table, columns: Vec::new(), before: BeforeImages::default() }
    }

    /// Says how the rows before deletes are taken; [`BeforeImages::Auto`] when nobody does. Of
    /// several declarations of one table the last one counts.
    pub fn take_before(&mut self, images: BeforeImages) -> &mut Self {
        self.before = images;
        self
    }

    /// Declares a column by the text of its type, such as `decimal(10,2)` or `timestamp(micros)`.
    ///
    /// ```
    /// use cdc_core::SourceTable;
    /// use cdc_debezium::TableDeclarations;
    ///
    /// let mut orders = TableDeclarations::new(SourceTable::new("public", "orders"));
    /// orders.declare("amount", "decimal(10,2)")?.declare("created_at", "timestamp(micros)")?;
    /// assert!(orders.declare("updated_at", "timestamp").is_err());
    /// # Ok::<(), cdc_debezium::AdapterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A text that is no type, or a column that is declared already; neither changes anything.
    pub fn declare(&mut self, column: &str, semantic: &str) -> Result<&mut Self, AdapterError> {
        let place = || (self.table.to_string(), column.to_owned());
        let semantic = SemanticType::parse(semantic).map_err(|source| {
            let (table, column) = place();
            AdapterError::InvalidType { table, column, source }
        })?;
        if self.columns.iter().any(|(declared, _)| declared == column) {
            let (table, column) = place();
            return Err(AdapterError::DuplicateColumn { table, column });
        }
        self.columns.push((column.to_owned(), semantic));
        Ok(self)
    }

    /// The source table.
    pub fn table(&self) -> &SourceTable {
        &self.table
    }

    /// How the rows before deletes are taken.
    pub fn before(&self) -> BeforeImages {
        self.before
    }

    /// The declared columns in the order of their declaration.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &SemanticType)> {
        self.columns.iter().map(|(column, semantic)| (column.as_str(), semantic))
    }
}

/// All tables' declarations under the names that the envelope decoder looks for.
pub(crate) fn merged(tables: impl IntoIterator<Item = TableDeclarations>) -> Declarations {
    let mut declarations = Declarations::none();
    for TableDeclarations { table, columns, .. } in tables {
        let table = table.to_string();
        for (column, semantic) in columns {
            declarations.declare(&table, &column, semantic);
        }
    }
    declarations
}
