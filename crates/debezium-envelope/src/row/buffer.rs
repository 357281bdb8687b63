//! Reusable cells and the view over them.

use std::ops::Range;
use std::sync::Arc;

use super::shape::RowShape;
use super::value::{Date, Time, Timestamp, Value};
use crate::decimal::Decimal;

/// Where the bytes of a cell stand. Records are limited to far less than 4 GiB, so 32 bits do.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// `None` for a range beyond 4 GiB.
    fn new(range: &Range<usize>) -> Option<Self> {
        Some(Self { start: range.start.try_into().ok()?, end: range.end.try_into().ok()? })
    }

    fn range(self) -> Range<usize> {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        place(self.start)..place(self.end)
    }
}

/// One decoded cell without a lifetime.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Null,
    Unavailable,
    Bool(bool),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    SmallDecimal {
        unscaled: i64,
        scale: i32,
    },
    /// Two's complement, big-endian, in the scratch bytes.
    WideDecimal {
        span: Span,
        scale: i32,
    },
    SpecialDecimal(Special),
    RecordText(Span),
    ScratchText(Span),
    Bytes(Span),
    Date(Date),
    Time(Time),
    Timestamp(Timestamp),
    Instant(Timestamp),
    /// Sixteen scratch bytes.
    Uuid(Span),
}

#[derive(Debug, Clone, Copy)]
enum Special {
    Nan,
    Infinity,
    NegInfinity,
}

/// The cells of one row, reused from row to row so that decoding allocates nothing after warm-up.
///
/// ```
/// use std::sync::Arc;
/// use debezium_envelope::{Column, RowBuffer, RowShape, SemanticType, Value};
///
/// let shape = Arc::new(RowShape::new(vec![
///     Column::new("id", SemanticType::Int64),
///     Column::new("name", SemanticType::Text),
/// ]));
/// let mut buffer = RowBuffer::new();
/// buffer.push(Value::Int64(7));
/// buffer.push(Value::Text("Widget A"));
/// let row = buffer.row(&shape, "");
/// assert_eq!(row.get(1), Value::Text("Widget A"));
/// ```
#[derive(Debug, Default)]
pub struct RowBuffer {
    cells: Vec<Cell>,
    text: String,
    bytes: Vec<u8>,
}

impl RowBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the cells and keeps the memory.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.text.clear();
        self.bytes.clear();
    }

    /// How many cells have been pushed since the last [`clear`](Self::clear).
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no cell has been pushed.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Makes the row `len` cells long; new cells are NULL.
    pub fn resize(&mut self, len: usize) {
        self.cells.resize(len, Cell::Null);
    }

    /// Appends a value, copying what it borrows.
    ///
    /// # Panics
    ///
    /// When the scratch space of one row passes 4 GiB; records are refused long before that.
    pub fn push(&mut self, value: Value<'_>) {
        let cell = self.cell_of(value);
        self.cells.push(cell);
    }

    /// Replaces the cell at `index`, copying what the value borrows; a no-op past the end.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn set(&mut self, index: usize, value: Value<'_>) {
        let cell = self.cell_of(value);
        self.set_cell(index, cell);
    }

    /// Replaces the cell at `index` with text that stands in the record, without copying it.
    ///
    /// `range` counts bytes of the record that the row will be viewed with. A range that does not
    /// fall on character boundaries of that record reads as empty text.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn set_record_text(&mut self, index: usize, range: &Range<usize>) {
        let span = Span::new(range).expect("records are limited to far less than 4 GiB");
        self.set_cell(index, Cell::RecordText(span));
    }

    fn set_cell(&mut self, index: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(index) {
            *slot = cell;
        }
    }

    fn cell_of(&mut self, value: Value<'_>) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Unavailable => Cell::Unavailable,
            Value::Bool(v) => Cell::Bool(v),
            Value::Int16(v) => Cell::Int16(v),
            Value::Int32(v) => Cell::Int32(v),
            Value::Int64(v) => Cell::Int64(v),
            Value::Float32(v) => Cell::Float32(v),
            Value::Float64(v) => Cell::Float64(v),
            Value::Decimal(decimal) => self.decimal_cell(decimal),
            Value::Text(text) => {
                let start = self.text.len();
                self.text.push_str(text);
                Cell::ScratchText(scratch_span(start, self.text.len()))
            }
            Value::Bytes(bytes) => Cell::Bytes(self.scratch_bytes(bytes)),
            Value::Date(v) => Cell::Date(v),
            Value::Time(v) => Cell::Time(v),
            Value::Timestamp(v) => Cell::Timestamp(v),
            Value::Instant(v) => Cell::Instant(v),
            Value::Uuid(bytes) => Cell::Uuid(self.scratch_bytes(&bytes)),
        }
    }

    fn decimal_cell(&mut self, decimal: Decimal<'_>) -> Cell {
        match decimal {
            Decimal::Small { unscaled, scale } => {
                if let Ok(unscaled) = i64::try_from(unscaled) {
                    return Cell::SmallDecimal { unscaled, scale };
                }
                let span = self.scratch_bytes(&unscaled.to_be_bytes());
                Cell::WideDecimal { span, scale }
            }
            Decimal::Wide { unscaled, scale } => {
                Cell::WideDecimal { span: self.scratch_bytes(unscaled), scale }
            }
            Decimal::NaN => Cell::SpecialDecimal(Special::Nan),
            Decimal::Infinity => Cell::SpecialDecimal(Special::Infinity),
            Decimal::NegInfinity => Cell::SpecialDecimal(Special::NegInfinity),
        }
    }

    fn scratch_bytes(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        scratch_span(start, self.bytes.len())
    }

    /// Views the cells as a row. `record` is the text that [`set_record_text`](Self::set_record_text)
    /// counted in; pass `""` when every cell was copied.
    pub fn row<'a>(&'a self, shape: &'a Arc<RowShape>, record: &'a str) -> Row<'a> {
        Row { shape, cells: self, record, projection: None }
    }

    fn value<'a>(&'a self, index: usize, record: &'a str) -> Value<'a> {
        let Some(cell) = self.cells.get(index) else { return Value::Null };
        let bytes = |span: Span| self.bytes.get(span.range()).unwrap_or_default();
        match *cell {
            Cell::Null => Value::Null,
            Cell::Unavailable => Value::Unavailable,
            Cell::Bool(v) => Value::Bool(v),
            Cell::Int16(v) => Value::Int16(v),
            Cell::Int32(v) => Value::Int32(v),
            Cell::Int64(v) => Value::Int64(v),
            Cell::Float32(v) => Value::Float32(v),
            Cell::Float64(v) => Value::Float64(v),
            Cell::SmallDecimal { unscaled, scale } => {
                Value::Decimal(Decimal::Small { unscaled: unscaled.into(), scale })
            }
            Cell::WideDecimal { span, scale } => {
                Value::Decimal(Decimal::from_connect_bytes(bytes(span), scale))
            }
            Cell::SpecialDecimal(special) => Value::Decimal(match special {
                Special::Nan => Decimal::NaN,
                Special::Infinity => Decimal::Infinity,
                Special::NegInfinity => Decimal::NegInfinity,
            }),
            Cell::RecordText(span) => Value::Text(record.get(span.range()).unwrap_or_default()),
            Cell::ScratchText(span) => Value::Text(self.text.get(span.range()).unwrap_or_default()),
            Cell::Bytes(span) => Value::Bytes(bytes(span)),
            Cell::Date(v) => Value::Date(v),
            Cell::Time(v) => Value::Time(v),
            Cell::Timestamp(v) => Value::Timestamp(v),
            Cell::Instant(v) => Value::Instant(v),
            Cell::Uuid(span) => {
                Value::Uuid(bytes(span).try_into().expect("a uuid cell spans sixteen bytes"))
            }
        }
    }
}

fn scratch_span(start: usize, end: usize) -> Span {
    Span::new(&(start..end)).expect("the scratch space of one row stays below 4 GiB")
}

/// Where an output column of a projected row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The source row's column with this index.
    Source(usize),
    /// The cell with this index in the buffer of derived values.
    Derived(usize),
}

#[derive(Debug, Clone, Copy)]
struct Projection<'a> {
    slots: &'a [Slot],
    derived: &'a RowBuffer,
}

/// A `Copy` view of one decoded row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    shape: &'a Arc<RowShape>,
    cells: &'a RowBuffer,
    record: &'a str,
    projection: Option<Projection<'a>>,
}

impl<'a> Row<'a> {
    /// Names and types of the columns.
    pub fn shape(&self) -> &'a Arc<RowShape> {
        self.shape
    }

    /// How many columns the row has.
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// Whether the row has no column.
    pub fn is_empty(&self) -> bool {
        self.shape.is_empty()
    }

    /// The value of the column at `index`; NULL past the end.
    pub fn get(&self, index: usize) -> Value<'a> {
        match self.projection {
            None => self.cells.value(index, self.record),
            Some(Projection { slots, derived }) => match slots.get(index) {
                Some(Slot::Source(source)) => self.cells.value(*source, self.record),
                Some(Slot::Derived(cell)) => derived.value(*cell, ""),
                None => Value::Null,
            },
        }
    }

    /// The value of the column with this name.
    pub fn get_by_name(&self, name: &str) -> Option<Value<'a>> {
        self.shape.index_of(name).map(|index| self.get(index))
    }

    /// All values in column order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let row = *self;
        (0..row.len()).map(move |index| row.get(index))
    }

    /// The same cells under another shape: column `i` of the result is `slots[i]`.
    ///
    /// Projecting a row that is already projected replaces its projection; indices always count
    /// the decoded columns.
    #[must_use]
    pub fn project(
        &self,
        shape: &'a Arc<RowShape>,
        slots: &'a [Slot],
        derived: &'a RowBuffer,
    ) -> Row<'a> {
        Row { shape, projection: Some(Projection { slots, derived }), ..*self }
    }
}
