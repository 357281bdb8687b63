//! Column names and types of rows that look alike.

use std::fmt;
use std::sync::Arc;

use super::semantic_type::SemanticType;

/// One column of a shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// The name as it stands in the message.
    pub name: Arc<str>,
    /// What its values mean.
    pub semantic: SemanticType,
}

impl Column {
    /// A column from its name and meaning.
    pub fn new(name: impl Into<Arc<str>>, semantic: SemanticType) -> Self {
        Self { name: name.into(), semantic }
    }
}

/// The columns of rows that look alike, in message order.
///
/// Shapes are compared by value: two messages with equal columns have equal shapes, whichever
/// decoder made them. They are shared through [`Arc`], so that the usual comparison is one of
/// pointers.
///
/// ```
/// use debezium_envelope::{Column, RowShape, SemanticType};
///
/// let shape = RowShape::new(vec![
///     Column::new("order_id", SemanticType::Int32),
///     Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
/// ]);
/// assert_eq!(shape.index_of("amount"), Some(1));
/// assert_eq!(shape.to_string(), "(order_id int32, amount decimal(10,2))");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowShape {
    columns: Vec<Column>,
}

impl RowShape {
    /// A shape with these columns, in this order.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    /// The columns in message order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many columns a row of this shape has.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether a row of this shape has no column at all.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The position of the column with exactly this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }
}

impl fmt::Display for RowShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{} {}", column.name, column.semantic)?;
        }
        f.write_str(")")
    }
}
