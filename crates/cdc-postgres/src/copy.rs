//! Rows as bytes for `COPY … FROM STDIN (FORMAT binary)`.
//!
//! One buffer grows from row to row and is reused from batch to batch; encoding a row allocates
//! nothing once the buffer is large enough. The format is a header, then for each row the number
//! of its fields and for each field its length and its bytes (length −1 is NULL), then a trailer.
//!
//! A value is written exactly or not at all: [`CopyBuffer::put`] refuses it, and the caller cuts
//! the row back with [`CopyBuffer::abort_row`]. Everything here is arithmetic on customers'
//! numbers, so conversions and overflow are spelled out; tests compute as they like.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::as_conversions))]

mod address;
mod array;
mod bits;
mod cell;
mod clock;
mod error;
mod geometric;
mod hstore;
mod numeric;
mod range;
mod span;
mod system;
mod temporal;
mod text;
mod tsvector;
mod vector;
mod wkb;

use cdc_core::{Timestamp, Value};

use crate::pair::ColumnEncoder;
pub(crate) use error::ValueError;
pub(crate) use text::TextRows;

/// What stands before the first row: the signature, no flags, no header extension.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands after the last row: a row of −1 fields.
pub(crate) const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// Rows in PostgreSQL's binary COPY format.
///
/// [`bytes`](Self::bytes) starts with the header at all times; whoever sends it sends [`TRAILER`]
/// behind it. Whoever sends only some of the rows sends [`HEADER`] before them, too.
#[derive(Debug)]
pub(crate) struct CopyBuffer {
    bytes: Vec<u8>,
    /// Where the row that was begun last starts.
    row_start: usize,
    /// Fields that this row announced and that have not been put.
    fields_missing: i16,
}

impl Default for CopyBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl CopyBuffer {
    /// A buffer without rows.
    pub(crate) fn new() -> Self {
        Self { bytes: HEADER.to_vec(), row_start: HEADER.len(), fields_missing: 0 }
    }

    /// Forgets the rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(HEADER.len());
        self.row_start = HEADER.len();
        self.fields_missing = 0;
    }

    /// Begins a row of this many fields, each of which is then put once, in column order.
    pub(crate) fn begin_row(&mut self, fields: i16) {
        debug_assert_eq!(self.fields_missing, 0, "the row before must be complete");
        self.row_start = self.bytes.len();
        self.fields_missing = fields;
        self.bytes.extend_from_slice(&fields.to_be_bytes());
    }

    /// Cuts the buffer back to where the last row began. Only the row begun last can be taken back,
    /// and only once.
    pub(crate) fn abort_row(&mut self) {
        debug_assert!(self.bytes.len() > self.row_start, "there must be a row to take back");
        self.bytes.truncate(self.row_start);
        self.fields_missing = 0;
    }

    /// The header and the rows.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The rows one by one, without the header.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.get(HEADER.len()..).unwrap_or_default();
        std::iter::from_fn(move || {
            let row = text::first_row(rest)?;
            rest = rest.get(row.len()..).unwrap_or_default();
            Some(row)
        })
    }

    /// How many bytes [`bytes`](Self::bytes) has. Between rows it is where the next one starts.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Puts the next field of the row.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when the column cannot hold the value exactly, and for an unavailable value,
    /// which only the caller can decide about. Nothing has been put then: the caller puts something
    /// else for the field or takes the row back.
    pub(crate) fn put(
        &mut self,
        encoder: impl Into<ColumnEncoder>,
        value: Value<'_>,
    ) -> Result<(), ValueError> {
        let start = self.bytes.len();
        let result = match encoder.into() {
            ColumnEncoder::One(encoder) => cell::put(&mut self.bytes, encoder, value),
            ColumnEncoder::Array { element, element_oid } => {
                array::put(&mut self.bytes, element_oid, value, |out, leaf| {
                    cell::put(out, element, leaf)
                })
            }
            ColumnEncoder::TextOne(encoder) => text::put(&mut self.bytes, encoder, value),
            ColumnEncoder::TextArray { element, .. } => {
                array::put(&mut self.bytes, 0, value, |out, leaf| text::put(out, element, leaf))
            }
        };
        if result.is_err() {
            self.bytes.truncate(start);
        } else {
            self.field_done();
        }
        result
    }

    /// Puts NULL.
    pub(crate) fn put_null(&mut self) {
        cell::put_null(&mut self.bytes);
        self.field_done();
    }

    /// Puts an `integer`.
    pub(crate) fn put_i32(&mut self, value: i32) {
        cell::put_fixed(&mut self.bytes, value.to_be_bytes());
        self.field_done();
    }

    /// Puts a `bigint`.
    pub(crate) fn put_i64(&mut self, value: i64) {
        cell::put_fixed(&mut self.bytes, value.to_be_bytes());
        self.field_done();
    }

    /// Puts a `text`.
    ///
    /// # Errors
    ///
    /// [`ValueError`] for U+0000 and for more text than a cell holds.
    pub(crate) fn put_text(&mut self, text: &str) -> Result<(), ValueError> {
        cell::put_text(&mut self.bytes, text)?;
        self.field_done();
        Ok(())
    }

    /// Puts a `timestamp` or `timestamptz` from microseconds since 1970-01-01.
    ///
    /// # Errors
    ///
    /// [`ValueError`] outside PostgreSQL's range.
    pub(crate) fn put_timestamp_micros(&mut self, micros: i64) -> Result<(), ValueError> {
        let micros = temporal::timestamp(Timestamp::Micros(micros), 1)?;
        cell::put_fixed(&mut self.bytes, micros.to_be_bytes());
        self.field_done();
        Ok(())
    }

    /// Puts a `text[]` of one dimension without NULLs.
    ///
    /// # Errors
    ///
    /// As [`put_text`](Self::put_text), for each element and for the whole.
    pub(crate) fn put_text_array<'t>(
        &mut self,
        items: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), ValueError> {
        let start = self.bytes.len();
        let result = cell::put_text_array(&mut self.bytes, items);
        if result.is_err() {
            self.bytes.truncate(start);
        } else {
            self.field_done();
        }
        result
    }

    fn field_done(&mut self) {
        debug_assert!(self.fields_missing > 0, "the row has fewer fields");
        self.fields_missing = self.fields_missing.saturating_sub(1);
    }
}

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
