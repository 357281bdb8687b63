//! The columns of a row.

use std::fmt;

use super::{PgOutputError, Reader};

/// A column of a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum TupleColumn<'m> {
    /// NULL, or a column that a key does not have.
    Null,
    /// A value that is stored out of line and was not changed: the server does not send it.
    Unchanged,
    /// A value in its text form.
    Text(&'m [u8]),
    /// A value in its binary form.
    Binary(&'m [u8]),
}

impl fmt::Debug for TupleColumn<'_> {
    /// Says how long a value is: values do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Text(value) => write!(f, "Text({} bytes)", value.len()),
            Self::Binary(value) => write!(f, "Binary({} bytes)", value.len()),
        }
    }
}

/// The columns of a row, every byte of which is checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple<'m> {
    raw: &'m [u8],
    count: u16,
}

impl<'m> Tuple<'m> {
    /// A row from the bytes that [`raw`](Self::raw) gave.
    ///
    /// # Errors
    ///
    /// When the bytes are no row, or more than one.
    pub fn parse(raw: &'m [u8]) -> Result<Self, PgOutputError> {
        let mut reader = Reader::new(raw);
        let tuple = reader.tuple()?;
        reader.finish()?;
        Ok(tuple)
    }

    pub(super) fn of_checked(raw: &'m [u8], count: u16) -> Self {
        Self { raw, count }
    }

    /// Appends a row of these columns, of which there are at most 32,767, as the server writes it.
    ///
    /// # Panics
    ///
    /// When there are more columns, or a value has 2 GiB or more: PostgreSQL has neither.
    pub fn write<'c>(out: &mut Vec<u8>, columns: impl IntoIterator<Item = TupleColumn<'c>>) {
        let begin = out.len();
        out.extend_from_slice(&[0, 0]);
        let mut count: i16 = 0;
        for column in columns {
            count = count.checked_add(1).expect("a row has at most 1,600 columns");
            match column {
                TupleColumn::Null => out.push(b'n'),
                TupleColumn::Unchanged => out.push(b'u'),
                TupleColumn::Text(value) => write_value(out, b't', value),
                TupleColumn::Binary(value) => write_value(out, b'b', value),
            }
        }
        if let Some(place) = out.get_mut(begin..begin.saturating_add(2)) {
            place.copy_from_slice(&count.to_be_bytes());
        }
    }

    /// The columns in their order.
    pub fn columns(&self) -> TupleColumns<'m> {
        TupleColumns { reader: Reader::behind(self.raw, 2), left: self.count }
    }

    /// The bytes as the server wrote them, from the number of columns on.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn write_value(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = i32::try_from(value.len()).expect("a value has at most 1 GiB");
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

impl fmt::Debug for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns()).finish()
    }
}

/// Yields the columns of a [`Tuple`].
#[derive(Debug, Clone)]
pub struct TupleColumns<'m> {
    reader: Reader<'m>,
    left: u16,
}

impl<'m> Iterator for TupleColumns<'m> {
    type Item = TupleColumn<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.reader.column().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for TupleColumns<'_> {}
