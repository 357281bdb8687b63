//! Rows as text, for tables with a column whose type has no binary form that could be written.
//!
//! COPY takes a whole row in one form. Rows are kept in binary form everywhere, and those of such a
//! table are rewritten on their way to the server. Their fields hold text where the value came as
//! text, and binary forms of fixed layout elsewhere; both follow from the column's encoder.

mod cell;

use std::sync::Arc;

use cdc_core::Value;

use super::HEADER;
use super::cell as binary;
use super::error::{ValueError, invalid_form, unavailable, wrong_type};
use crate::pair::{CellEncoder, ColumnEncoder};
use cell::Words;

/// Puts a cell of a row that travels as text. What came as text is checked as strictly as in binary
/// form and then kept as it came, for the type's own input function.
pub(super) fn put(
    out: &mut Vec<u8>,
    encoder: CellEncoder,
    value: Value<'_>,
) -> Result<(), ValueError> {
    let start = out.len();
    match (encoder, value) {
        (_, Value::Null) => binary::put_null(out),
        (_, Value::Unavailable) => return Err(unavailable()),
        (CellEncoder::TextForm, Value::Bytes(bytes)) => {
            let text = str::from_utf8(bytes);
            let text = text.map_err(|_| invalid_form("the text form of a value, in UTF-8"))?;
            binary::put_text(out, text)?;
        }
        (CellEncoder::TextForm, _) => return Err(wrong_type("the bytes of a text form", value)),
        (_, Value::Text(text)) if is_kept(encoder) => {
            binary::put(out, encoder, value)?;
            out.truncate(start);
            binary::put_text(out, text)?;
        }
        (_, _) => binary::put(out, encoder, value)?,
    }
    Ok(())
}

/// Whether fields of this encoder hold the value's text.
fn is_kept(encoder: CellEncoder) -> bool {
    use CellEncoder as E;
    matches!(
        encoder,
        E::TextForm
            | E::Text { .. }
            | E::OneChar
            | E::Name
            | E::Jsonb
            | E::Xml
            | E::Ltree
            | E::Tsvector
            | E::Inet
            | E::Cidr
            | E::Macaddr
            | E::Macaddr8
            | E::Range(_)
            | E::Circle
            | E::Line
    )
}

/// Rewrites a stream of binary rows as lines of text.
#[derive(Debug)]
pub(crate) struct TextRows {
    columns: Arc<[ColumnEncoder]>,
    /// Bytes of a row that is not complete yet.
    pending: Vec<u8>,
    /// The text of one field.
    field: String,
}

/// Rows that are not what their plan says. It cannot come from data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rows do not have the form that their plan names")]
pub(crate) struct Malformed;

impl TextRows {
    /// For rows of these columns.
    pub(crate) fn new(columns: Arc<[ColumnEncoder]>) -> Self {
        Self { columns, pending: Vec::new(), field: String::new() }
    }

    /// Takes a piece of the stream, which begins with its header, and appends the lines of all rows that
    /// are complete.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.pending.extend_from_slice(piece);
        let mut rows = std::mem::take(&mut self.pending);
        let mut start = if rows.starts_with(HEADER) { HEADER.len() } else { 0 };
        while let Some(row) = rows.get(start..).and_then(first_row) {
            self.line(row, out)?;
            start = start.saturating_add(row.len());
        }
        rows.drain(..start);
        self.pending = rows;
        Ok(())
    }

    fn line(&mut self, row: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut words = Words::new(row);
        let fields = words.i16().and_then(|fields| usize::try_from(fields).ok());
        if fields != Some(self.columns.len()) {
            return Err(Malformed);
        }
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            let Some(field) = words.field().ok_or(Malformed)? else {
                out.extend_from_slice(b"\\N");
                continue;
            };
            self.field.clear();
            cell::write(*column, field, &mut self.field).ok_or(Malformed)?;
            escape(&self.field, out);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// The first row, if all of it is there.
pub(crate) fn first_row(bytes: &[u8]) -> Option<&[u8]> {
    let mut words = Words::new(bytes);
    let fields = words.i16().filter(|fields| *fields >= 0)?;
    for _ in 0..fields {
        words.field()?;
    }
    bytes.get(..bytes.len().checked_sub(words.left())?)
}

/// What would end a field or a line, or be taken for an escape.
fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests;
