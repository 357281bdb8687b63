//! Column names and types of rows that look alike.

use std::fmt;
use std::sync::Arc;

/// The unit in which a temporal column counts on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second, PostgreSQL's own resolution.
    Micros,
    /// Thousand-millionths of a second.
    Nanos,
}

/// What a column means, whatever its bytes look like.
///
/// A message with a schema block says it; for a message without one it is declared from outside,
/// because the same JSON number may be a count, a date or microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SemanticType {
    /// `boolean`.
    Boolean,
    /// A 16-bit signed integer.
    Int16,
    /// A 32-bit signed integer.
    Int32,
    /// A 64-bit signed integer.
    Int64,
    /// A 32-bit IEEE number, including NaN and the infinities.
    Float32,
    /// A 64-bit IEEE number, including NaN and the infinities.
    Float64,
    /// Text without further meaning.
    Text,
    /// Bytes, whatever text form they travelled in.
    Bytes,
    /// A decimal whose scale is part of the type (`numeric(p,s)`, `money`).
    Decimal {
        /// Most digits in total, when the producer said so.
        precision: Option<u32>,
        /// Digits after the decimal point; negative for multiples of a power of ten.
        scale: i32,
    },
    /// A decimal that carries its own scale (`numeric` without precision), or decimal text.
    VariableDecimal,
    /// A calendar day.
    Date,
    /// A time of day, `00:00:00` to `24:00:00` inclusive.
    Time(TimeUnit),
    /// A date and time without a zone.
    Timestamp(TimeUnit),
    /// An instant, always kept in UTC.
    ZonedTimestamp,
    /// A UUID.
    Uuid,
    /// A JSON document as text, unchanged.
    Json,
    /// A label out of a closed set.
    Enum {
        /// The labels, in the order in which the source declares them; empty when unknown.
        allowed: Vec<String>,
    },
    /// No schema block and no declaration: booleans, integers, floats and text are taken for what
    /// their JSON token says, and nothing that could mean two things is accepted by a sink.
    SelfEvident,
    /// A type that this version does not decode; sinks refuse it by this name.
    Unsupported {
        /// The semantic or wire type's name as the producer gave it.
        name: String,
    },
}

impl fmt::Display for SemanticType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |unit: &TimeUnit| match unit {
            TimeUnit::Millis => "millis",
            TimeUnit::Micros => "micros",
            TimeUnit::Nanos => "nanos",
        };
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int16 => f.write_str("int16"),
            Self::Int32 => f.write_str("int32"),
            Self::Int64 => f.write_str("int64"),
            Self::Float32 => f.write_str("float32"),
            Self::Float64 => f.write_str("float64"),
            Self::Text => f.write_str("text"),
            Self::Bytes => f.write_str("bytes"),
            Self::Decimal { precision: Some(precision), scale } => {
                write!(f, "decimal({precision},{scale})")
            }
            Self::Decimal { precision: None, scale } => write!(f, "decimal(*,{scale})"),
            Self::VariableDecimal => f.write_str("decimal"),
            Self::Date => f.write_str("date"),
            Self::Time(u) => write!(f, "time({})", unit(u)),
            Self::Timestamp(u) => write!(f, "timestamp({})", unit(u)),
            Self::ZonedTimestamp => f.write_str("timestamptz"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::Enum { .. } => f.write_str("enum"),
            Self::SelfEvident => f.write_str("undeclared"),
            Self::Unsupported { name } => write!(f, "unsupported type {name}"),
        }
    }
}

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
