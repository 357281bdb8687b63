//! What can be wrong with the tables and types that the adapter is built from.

use cdc_core::{Classify, ErrorClass, Halt};
use debezium_envelope::ParseSemanticTypeError;

/// A configuration that the adapter cannot be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A source table stands for two configured tables.
    #[error("mapped the source table {table} twice")]
    DuplicateTable {
        /// The source table.
        table: String,
    },
    /// A column's declared type is none.
    #[error("declared the column {column} of {table}")]
    InvalidType {
        /// The source table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong with the type.
        #[source]
        source: ParseSemanticTypeError,
    },
    /// A column has two declared types.
    #[error("declared the column {column} of {table} twice")]
    DuplicateColumn {
        /// The source table.
        table: String,
        /// The column.
        column: String,
    },
}

impl Classify for AdapterError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Fatal(Halt::Configuration)
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DuplicateTable { .. } => {
                "keep one [[table]] block for each source table".to_owned()
            }
            Self::InvalidType { .. } => {
                "write a type such as \"int64\", \"decimal(10,2)\" or \"timestamp(micros)\""
                    .to_owned()
            }
            Self::DuplicateColumn { .. } => "keep one type for each column".to_owned(),
        })
    }
}
