//! The configured tables, by number.

use cdc_core::TableId;

use crate::error::PostgresError;
use crate::settings::TableSettings;

/// The configured tables. Usually numbered by their place; any numbers work.
#[derive(Debug)]
pub(crate) struct Tables(Vec<TableSettings>);

impl Tables {
    pub(crate) fn new(tables: Vec<TableSettings>) -> Self {
        Self(tables)
    }

    pub(crate) fn all(&self) -> &[TableSettings] {
        &self.0
    }

    pub(crate) fn get(&self, id: TableId) -> Option<&TableSettings> {
        let placed = self.0.get(id.index()).filter(|table| table.id == id);
        placed.or_else(|| self.0.iter().find(|table| table.id == id))
    }

    /// The table that is written to a target of this name.
    pub(crate) fn of_target(&self, target: &str) -> Option<TableId> {
        let found = self.0.iter().find(|table| table.target.to_string() == target);
        found.map(|table| table.id)
    }

    /// A table that has to be there.
    ///
    /// # Errors
    ///
    /// [`PostgresError::UnknownTable`].
    pub(crate) fn require(&self, id: TableId) -> Result<&TableSettings, PostgresError> {
        self.get(id).ok_or(PostgresError::UnknownTable { index: id.index() })
    }
}
