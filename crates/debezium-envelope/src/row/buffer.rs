//! Reusable cells and the view over them.

use std::ops::Range;
use std::sync::Arc;

use super::bits::Bits;
use super::list::{Array, Map, SparseVector};
use super::shape::RowShape;
use super::span::{SCRATCH_BYTES_MAX, ScratchFull, Span};
use super::spatial::{Geometry, NativeShape, Point};
use super::temporal::{Date, Interval, Time, Timestamp, ZonedTime};
use super::value::Value;
use super::view::Row;
use crate::decimal::Decimal;

/// One decoded cell without a lifetime.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
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
    Bits {
        span: Span,
        length: Option<u32>,
    },
    Date(Date),
    Time(Time),
    ZonedTime(ZonedTime),
    Timestamp(Timestamp),
    Instant(Timestamp),
    Interval(Interval),
    /// Sixteen scratch bytes.
    Uuid(Span),
    /// Elements among the items.
    Array(Span),
    /// Keys and values in turn among the items.
    Map(Span),
    /// Indices and elements in turn among the items.
    SparseVector {
        span: Span,
        dimensions: u32,
    },
    /// Twice eight scratch bytes.
    Point {
        span: Span,
        srid: Option<i32>,
    },
    Geometry {
        span: Span,
        srid: Option<i32>,
        native: Option<NativeShape>,
    },
}

/// Larger cells would cost every row memory traffic for the sake of rare types.
const _: () = assert!(size_of::<Cell>() <= 24, "a cell has at most 24 bytes");

#[derive(Debug, Clone, Copy)]
pub(super) enum Special {
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
#[derive(Debug)]
pub struct RowBuffer {
    /// The row's cells, then those of lists that are not closed yet.
    cells: Vec<Cell>,
    /// The elements of closed lists; those of one list stand together.
    items: Vec<Cell>,
    text: String,
    bytes: Vec<u8>,
    /// Most bytes of text and bytes together.
    scratch_bytes_max: usize,
    /// Whether a timestamp among the cells means what its source says it means.
    suspect: bool,
}

impl Default for RowBuffer {
    fn default() -> Self {
        Self {
            cells: Vec::new(),
            items: Vec::new(),
            text: String::new(),
            bytes: Vec::new(),
            scratch_bytes_max: SCRATCH_BYTES_MAX,
            suspect: false,
        }
    }
}

/// Why the public methods may panic where the decoder gets an error.
const FULL: &str = "the values that are copied into one row stay below 4 GiB";

const LISTS: &str = "an element takes a byte of a record, which has far less than 4 GiB";

/// Where a list of a [`RowBuffer`] began; see [`RowBuffer::open_list`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a list that is not closed leaves its elements as cells of the row"]
pub struct ListMark(usize);

impl RowBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the cells and keeps the memory.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.items.clear();
        self.text.clear();
        self.bytes.clear();
        self.suspect = false;
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
    /// When the text and the bytes of one row pass 4 GiB. The decoder has a bound of its own, which is
    /// [`Limits::scratch_bytes_max`](crate::Limits::scratch_bytes_max), and no panic.
    pub fn push(&mut self, value: Value<'_>) {
        self.append(value).expect(FULL);
    }

    /// Replaces the cell at `index`, copying what the value borrows; a no-op past the end.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn set(&mut self, index: usize, value: Value<'_>) {
        self.put(index, value).expect(FULL);
    }

    /// As [`push`](Self::push), within the bound of the scratch space.
    pub(crate) fn append(&mut self, value: Value<'_>) -> Result<(), ScratchFull> {
        let cell = self.cell_of(value)?;
        self.cells.push(cell);
        Ok(())
    }

    /// As [`set`](Self::set), within the bound of the scratch space.
    pub(crate) fn put(&mut self, index: usize, value: Value<'_>) -> Result<(), ScratchFull> {
        let cell = self.cell_of(value)?;
        self.set_cell(index, cell);
        Ok(())
    }

    /// Sets how much text and bytes together a row may copy from now on.
    pub(crate) fn bound_scratch(&mut self, bytes_max: usize) {
        self.scratch_bytes_max = bytes_max.min(SCRATCH_BYTES_MAX);
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

    /// Begins a list: the values pushed from now on are its elements, until one of the `close_`
    /// methods makes them one cell. Lists nest; the last one opened is closed first.
    pub fn open_list(&mut self) -> ListMark {
        ListMark(self.cells.len())
    }

    /// Appends the values pushed since the mark as one array.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn close_array(&mut self, list: ListMark) {
        let cell = Cell::Array(self.take_list(list).expect(LISTS));
        self.cells.push(cell);
    }

    /// Appends the values pushed since the mark, keys and values in turn, as one map. A key without
    /// a value is left out.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn close_map(&mut self, list: ListMark) {
        let cell = Cell::Map(self.take_list(list).expect(LISTS));
        self.cells.push(cell);
    }

    /// Appends the values pushed since the mark, 32-bit indices from 1 and 64-bit floats in turn, as
    /// one sparse vector. Other values are left out.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn close_sparse_vector(&mut self, list: ListMark, dimensions: u32) {
        let span = self.take_list(list).expect(LISTS);
        let cell = Cell::SparseVector { span, dimensions };
        self.cells.push(cell);
    }

    /// Moves the cells pushed since the mark to the items.
    fn take_list(&mut self, list: ListMark) -> Result<Span, ScratchFull> {
        let start = self.items.len();
        let from = list.0.min(self.cells.len());
        self.items.extend(self.cells.drain(from..));
        Span::in_scratch(start, self.items.len())
    }

    /// Puts the last cell in the place of the one at `index`: how a list that was built behind the
    /// row's cells gets to its column. The last cell is gone then, also where there is none at `index`.
    pub fn move_last_to(&mut self, index: usize) {
        if let Some(cell) = self.cells.pop() {
            self.set_cell(index, cell);
        }
    }

    /// Notes that a timestamp may have wrapped or been cut: rows without any need no search.
    pub(crate) fn note_suspect(&mut self) {
        self.suspect = true;
    }

    pub(super) fn has_suspect(&self) -> bool {
        self.suspect
    }

    /// Drops the cells pushed since the mark.
    pub(crate) fn abandon_list(&mut self, list: ListMark) {
        self.cells.truncate(list.0);
    }

    /// Appends a NULL to be replaced and returns its index.
    pub(crate) fn push_null(&mut self) -> usize {
        self.cells.push(Cell::Null);
        self.cells.len().saturating_sub(1)
    }

    /// The value of a cell that does not refer to the record.
    pub(crate) fn own(&self, index: usize) -> Value<'_> {
        self.value(index, "")
    }

    fn set_cell(&mut self, index: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(index) {
            *slot = cell;
        }
    }

    /// A cell of what the value says; without one, no part of a list is left among the cells.
    fn cell_of(&mut self, value: Value<'_>) -> Result<Cell, ScratchFull> {
        let len = self.cells.len();
        let cell = self.copy(value);
        if cell.is_err() {
            self.cells.truncate(len);
        }
        cell
    }

    fn copy(&mut self, value: Value<'_>) -> Result<Cell, ScratchFull> {
        Ok(match value {
            Value::Null => Cell::Null,
            Value::Unavailable => Cell::Unavailable,
            Value::Bool(v) => Cell::Bool(v),
            Value::Int16(v) => Cell::Int16(v),
            Value::Int32(v) => Cell::Int32(v),
            Value::Int64(v) => Cell::Int64(v),
            Value::Float32(v) => Cell::Float32(v),
            Value::Float64(v) => Cell::Float64(v),
            Value::Decimal(decimal) => self.decimal_cell(decimal)?,
            Value::Text(text) => {
                self.reserve(text.len())?;
                let start = self.text.len();
                self.text.push_str(text);
                Cell::ScratchText(Span::in_scratch(start, self.text.len())?)
            }
            Value::Bytes(bytes) => Cell::Bytes(self.scratch_bytes(bytes)?),
            Value::Bits(bits) => {
                Cell::Bits { span: self.scratch_bytes(bits.bytes())?, length: bits.length() }
            }
            Value::Date(v) => Cell::Date(v),
            Value::Time(v) => Cell::Time(v),
            Value::ZonedTime(v) => Cell::ZonedTime(v),
            Value::Timestamp(v) => Cell::Timestamp(v),
            Value::Instant(v) => Cell::Instant(v),
            Value::Interval(v) => Cell::Interval(v),
            Value::Uuid(bytes) => Cell::Uuid(self.scratch_bytes(&bytes)?),
            Value::Array(array) => {
                let list = self.open_list();
                array.iter().try_for_each(|element| self.append(element))?;
                Cell::Array(self.take_list(list)?)
            }
            Value::Map(map) => {
                let list = self.open_list();
                for (key, value) in map.iter() {
                    self.append(key)?;
                    self.append(value)?;
                }
                Cell::Map(self.take_list(list)?)
            }
            Value::SparseVector(vector) => {
                let list = self.open_list();
                for (index, element) in vector.iter() {
                    self.append(Value::Int32(index.try_into().unwrap_or(i32::MAX)))?;
                    self.append(Value::Float64(element))?;
                }
                let dimensions = vector.dimensions();
                Cell::SparseVector { span: self.take_list(list)?, dimensions }
            }
            Value::Point(Point { x, y, srid }) => {
                let span = self.scratch_bytes(&x.to_be_bytes())?;
                let end = self.scratch_bytes(&y.to_be_bytes())?;
                Cell::Point { span: span.through(end), srid }
            }
            Value::Geometry(geometry) => Cell::Geometry {
                span: self.scratch_bytes(geometry.wkb())?,
                srid: geometry.srid(),
                native: geometry.native(),
            },
        })
    }

    fn decimal_cell(&mut self, decimal: Decimal<'_>) -> Result<Cell, ScratchFull> {
        Ok(match decimal {
            Decimal::Small { unscaled, scale } => {
                if let Ok(unscaled) = i64::try_from(unscaled) {
                    return Ok(Cell::SmallDecimal { unscaled, scale });
                }
                let span = self.scratch_bytes(&unscaled.to_be_bytes())?;
                Cell::WideDecimal { span, scale }
            }
            Decimal::Wide { unscaled, scale } => {
                Cell::WideDecimal { span: self.scratch_bytes(unscaled)?, scale }
            }
            Decimal::NaN => Cell::SpecialDecimal(Special::Nan),
            Decimal::Infinity => Cell::SpecialDecimal(Special::Infinity),
            Decimal::NegInfinity => Cell::SpecialDecimal(Special::NegInfinity),
        })
    }

    fn scratch_bytes(&mut self, bytes: &[u8]) -> Result<Span, ScratchFull> {
        self.reserve(bytes.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::in_scratch(start, self.bytes.len())
    }

    /// Checks that so many bytes more stay within the bound, before they cost memory.
    fn reserve(&self, more: usize) -> Result<(), ScratchFull> {
        let used = self.text.len().saturating_add(self.bytes.len());
        if used.saturating_add(more) > self.scratch_bytes_max { Err(ScratchFull) } else { Ok(()) }
    }

    /// Views the cells as a row. `record` is the text that [`set_record_text`](Self::set_record_text)
    /// counted in; pass `""` when every cell was copied.
    pub fn row<'a>(&'a self, shape: &'a Arc<RowShape>, record: &'a str) -> Row<'a> {
        Row::new(shape, self, record)
    }

    pub(super) fn value<'a>(&'a self, index: usize, record: &'a str) -> Value<'a> {
        self.cells.get(index).map_or(Value::Null, |cell| self.value_of(*cell, record))
    }

    /// The element at this place among the items of all lists.
    pub(super) fn item(&self, place: usize) -> Option<Value<'_>> {
        self.items.get(place).map(|cell| self.value_of(*cell, ""))
    }

    fn value_of<'a>(&'a self, cell: Cell, record: &'a str) -> Value<'a> {
        let bytes = |span: Span| self.bytes.get(span.range()).unwrap_or_default();
        match cell {
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
            Cell::Bits { span, length } => {
                let bits = Bits::new(bytes(span), length);
                Value::Bits(bits.expect("the cell was made from a bit string of this length"))
            }
            Cell::Date(v) => Value::Date(v),
            Cell::Time(v) => Value::Time(v),
            Cell::ZonedTime(v) => Value::ZonedTime(v),
            Cell::Timestamp(v) => Value::Timestamp(v),
            Cell::Instant(v) => Value::Instant(v),
            Cell::Interval(v) => Value::Interval(v),
            Cell::Array(span) => Value::Array(Array::new(self, span)),
            Cell::Map(span) => Value::Map(Map::new(self, span)),
            Cell::SparseVector { span, dimensions } => {
                Value::SparseVector(SparseVector::new(self, span, dimensions))
            }
            Cell::Point { span, srid } => {
                let (x, y) = bytes(span).split_first_chunk().expect("a point spans two floats");
                let y = y.try_into().expect("a point spans two floats");
                Value::Point(Point { x: f64::from_be_bytes(*x), y: f64::from_be_bytes(y), srid })
            }
            Cell::Geometry { span, srid, native } => {
                Value::Geometry(Geometry::new(bytes(span), srid).with_native(native))
            }
            Cell::Uuid(span) => {
                Value::Uuid(bytes(span).try_into().expect("a uuid cell spans sixteen bytes"))
            }
        }
    }
}
