//! Values that hold values: arrays, maps and sparse vectors, as views over the cells of a row.

use std::fmt;

use super::buffer::RowBuffer;
use super::span::Span;
use super::value::Value;

/// Most dimensions of an array, PostgreSQL's own bound.
pub(crate) const DIMENSIONS_MAX: usize = 6;

/// An array: its elements in order, each a value of the array's element type, NULL, or for further
/// dimensions an [`Value::Array`].
///
/// Dimensions are regular: the arrays inside one array are equally long, and none stands beside a
/// value that is no array. Lower bounds do not travel, so the first index is always 1 to PostgreSQL.
/// Equality is that of the elements in order.
///
/// ```
/// use std::sync::Arc;
/// use debezium_envelope::{Column, RowBuffer, RowShape, SemanticType, Value};
///
/// let shape = Arc::new(RowShape::new(vec![Column::new("tags", SemanticType::parse("array(text)")?)]));
/// let mut buffer = RowBuffer::new();
/// let list = buffer.open_list();
/// buffer.push(Value::Text("new"));
/// buffer.push(Value::Null);
/// buffer.close_array(list);
/// let Value::Array(tags) = buffer.row(&shape, "").get(0) else { panic!("an array") };
/// assert_eq!(tags.iter().collect::<Vec<_>>(), [Value::Text("new"), Value::Null]);
/// # Ok::<(), debezium_envelope::ParseSemanticTypeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Array<'a> {
    buffer: &'a RowBuffer,
    items: Span,
}

impl<'a> Array<'a> {
    pub(super) fn new(buffer: &'a RowBuffer, items: Span) -> Self {
        Self { buffer, items }
    }

    /// How many elements the first dimension has.
    pub fn len(&self) -> usize {
        self.items.range().len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, counted from 0; `None` past the end.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        let place = self.items.range().nth(index)?;
        self.buffer.item(place)
    }

    /// The elements of the first dimension in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let buffer = self.buffer;
        self.items.range().filter_map(|place| buffer.item(place))
    }

    /// The length of each dimension from the outermost; no dimension at all for an array without
    /// elements.
    pub fn dimensions(&self) -> impl Iterator<Item = usize> + use<'a> {
        let mut next = (!self.is_empty()).then_some(*self);
        std::iter::from_fn(move || {
            let array = next?;
            next = match array.get(0) {
                Some(Value::Array(inner)) if !inner.is_empty() => Some(inner),
                _ => None,
            };
            Some(array.len())
        })
    }

    /// The elements that are no arrays, in storage order: the last dimension runs fastest.
    pub fn leaves(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let buffer = self.buffer;
        // An array deeper than this cannot be made by decoding; its inner parts would be left out.
        let mut open: [_; DIMENSIONS_MAX] = std::array::from_fn(|_| 0..0);
        if let Some(outermost) = open.first_mut() {
            *outermost = self.items.range();
        }
        let mut depth = 0_usize;
        std::iter::from_fn(move || {
            loop {
                let Some(place) = open.get_mut(depth)?.next() else {
                    depth = depth.checked_sub(1)?;
                    continue;
                };
                let leaf = buffer.item(place)?;
                let Value::Array(inner) = leaf else { return Some(leaf) };
                let deeper = depth.saturating_add(1);
                if let Some(range) = open.get_mut(deeper) {
                    *range = inner.items.range();
                    depth = deeper;
                }
            }
        })
    }
}

impl PartialEq for Array<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A map: pairs of a key and a value, in the order of the message.
///
/// PostgreSQL's `hstore` has no order of its own, and Debezium's is not stable, so two equal maps of
/// the source may differ here. Keys are never NULL.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    buffer: &'a RowBuffer,
    items: Span,
}

impl<'a> Map<'a> {
    pub(super) fn new(buffer: &'a RowBuffer, items: Span) -> Self {
        Self { buffer, items }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.items.range().len() / 2
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        pairs(self.buffer, self.items)
    }
}

fn pairs(buffer: &RowBuffer, items: Span) -> impl Iterator<Item = (Value<'_>, Value<'_>)> {
    let mut values = items.range().filter_map(|place| buffer.item(place));
    std::iter::from_fn(move || Some((values.next()?, values.next()?)))
}

impl PartialEq for Map<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A vector most of whose elements are zero: `sparsevec` of the extension `pgvector`.
#[derive(Clone, Copy)]
pub struct SparseVector<'a> {
    buffer: &'a RowBuffer,
    items: Span,
    dimensions: u32,
}

impl<'a> SparseVector<'a> {
    pub(super) fn new(buffer: &'a RowBuffer, items: Span, dimensions: u32) -> Self {
        Self { buffer, items, dimensions }
    }

    /// How many elements the vector has, zeros included.
    pub fn dimensions(&self) -> u32 {
        self.dimensions
    }

    /// The elements that the message names, by their index, which counts from 1. The source keeps
    /// 32-bit floats; they travel as 64-bit ones without loss.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> + use<'a> {
        pairs(self.buffer, self.items).filter_map(|pair| match pair {
            (Value::Int32(index), Value::Float64(element)) => {
                Some((u32::try_from(index).ok()?, element))
            }
            _ => None,
        })
    }
}

impl PartialEq for SparseVector<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.dimensions == other.dimensions && self.iter().eq(other.iter())
    }
}

/// The text form of `pgvector`, such as `{1:1.5,3:-2}/5`.
impl fmt::Debug for SparseVector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (index, element)) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { "," };
            write!(f, "{separator}{index}:{element}")?;
        }
        write!(f, "}}/{}", self.dimensions)
    }
}
