//! Column names and types of rows that look alike.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::buffer::RowBuffer;
use super::semantic_type::SemanticType;
use super::value::Value;

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
/// pointers. Defaults and presence of the columns are no part of it: what a row means does not depend
/// on them.
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
#[derive(Debug, Clone)]
pub struct RowShape {
    columns: Vec<Column>,
    /// A cell for each column, NULL without default; `None` when no column has one.
    defaults: Option<Arc<RowBuffer>>,
    /// For each column whether it cannot be NULL; empty when none is known to be so.
    required: Vec<bool>,
}

impl RowShape {
    /// A shape with these columns, in this order.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, defaults: None, required: Vec::new() }
    }

    /// The shape with these defaults, a cell for each column; NULL stands for none. Their texts have
    /// to be copies, not parts of a record.
    #[must_use]
    pub fn with_defaults(self, defaults: RowBuffer) -> Self {
        Self { defaults: Some(Arc::new(defaults)), ..self }
    }

    /// The shape in which these columns cannot be NULL.
    #[must_use]
    pub fn with_required(self, is_required: impl Fn(&Column) -> bool) -> Self {
        let required = self.columns.iter().map(is_required).collect();
        self.with_presence(required)
    }

    /// The same, with an answer for each column.
    pub(crate) fn with_presence(self, required: Vec<bool>) -> Self {
        let required = if required.contains(&true) { required } else { Vec::new() };
        Self { required, ..self }
    }

    /// Whether the schema block says that the column at `index` cannot be NULL, as a column with
    /// NOT NULL and one of the key; false without a schema block.
    pub fn is_required(&self, index: usize) -> bool {
        self.required.get(index).copied().unwrap_or_default()
    }

    /// What the schema block gives as the default of the column at `index`; `None` without a schema
    /// block, without a default, and for one that is no value of the column's type.
    ///
    /// A connector writes it into an old row for a column that the source did not log, and Connect's
    /// JSON converter for every NULL. It is not always the source's own default: that of a function
    /// is described as a zero.
    pub fn default_of(&self, index: usize) -> Option<Value<'_>> {
        let value = self.defaults.as_ref()?.own(index);
        (!value.is_null()).then_some(value)
    }

    /// Whether every column has the same default in both shapes, or none in both, and the same
    /// presence.
    pub(crate) fn has_details_of(&self, other: &Self) -> bool {
        self.required == other.required
            && (0..self.len().max(other.len()))
                .all(|index| self.default_of(index) == other.default_of(index))
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

impl PartialEq for RowShape {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

impl Eq for RowShape {}

impl Hash for RowShape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.columns.hash(state);
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
