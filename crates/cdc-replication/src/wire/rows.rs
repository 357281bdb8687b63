//! Rows of the simple query protocol, as text.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::ReplicationError;

/// A row of an answer, in text form.
#[derive(Debug, Clone)]
pub(crate) struct TextRow {
    columns: Arc<[String]>,
    message: Bytes,
    /// Where each column stands in the message; none for NULL.
    cells: Vec<Option<Range<usize>>>,
}

impl TextRow {
    /// The column at a place; none for NULL and beyond the last column.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let range = self.cells.get(index)?.clone()?;
        // Every cell was checked when the row was read.
        std::str::from_utf8(self.message.get(range)?).ok()
    }

    /// The column of a name; none for NULL and for a name that the answer does not have.
    pub(crate) fn named(&self, name: &str) -> Option<&str> {
        self.get(self.columns.iter().position(|column| column == name)?)
    }

    /// Reads a `DataRow`.
    pub(super) fn parse(
        doing: &str,
        columns: &Arc<[String]>,
        message: Bytes,
    ) -> Result<Self, ReplicationError> {
        let cells =
            cells(&message).filter(|cells| cells.len() == columns.len()).ok_or_else(|| {
                let expected = format!("a row of {} columns of UTF-8", columns.len());
                ReplicationError::malformed(doing, &expected, "other bytes")
            })?;
        Ok(Self { columns: Arc::clone(columns), message, cells })
    }
}

fn cells(message: &[u8]) -> Option<Vec<Option<Range<usize>>>> {
    let (count, mut rest) = message.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        rest = after;
        if length == -1 {
            cells.push(None);
            continue;
        }
        let (cell, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        std::str::from_utf8(cell).ok()?;
        let begin = message.len() - rest.len();
        cells.push(Some(begin..begin + cell.len()));
        rest = after;
    }
    rest.is_empty().then_some(cells)
}

/// Reads the names of a `RowDescription`: behind each stand 18 bytes about its table and type.
pub(super) fn columns(doing: &str, body: &[u8]) -> Result<Arc<[String]>, ReplicationError> {
    let names = names(body).ok_or_else(|| {
        ReplicationError::malformed(doing, "the description of a row", "other bytes")
    })?;
    Ok(names.into())
}

fn names(body: &[u8]) -> Option<Vec<String>> {
    const ABOUT_BYTES: usize = 18;
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut names = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, after) = rest.split_at_checked(end)?;
        names.push(std::str::from_utf8(name).ok()?.to_owned());
        rest = after.get(1 + ABOUT_BYTES..)?;
    }
    rest.is_empty().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Vec<u8> {
        let mut body = vec![0, 2];
        for name in ["a", "b c"] {
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(&[7; 18]);
        }
        body
    }

    const ROW: &[u8] = b"\0\x02\0\0\0\x02\xc3\xa4\xff\xff\xff\xff";

    #[test]
    fn cells_are_found_by_place_and_name() {
        let columns = columns("asking", &described()).unwrap();
        let row = TextRow::parse("asking", &columns, Bytes::from_static(ROW)).unwrap();
        assert_eq!((row.get(0), row.named("a")), (Some("ä"), Some("ä")));
        assert_eq!((row.get(1), row.named("b c")), (None, None));
        assert_eq!((row.get(2), row.named("c")), (None, None));
    }

    #[test]
    fn shortened_messages_are_errors() {
        let body = described();
        for end in 0..body.len() {
            assert!(columns("asking", &body[..end]).is_err(), "{end}");
        }
        let columns = columns("asking", &body).unwrap();
        for end in 0..ROW.len() {
            let row = Bytes::from_static(&ROW[..end]);
            assert!(TextRow::parse("asking", &columns, row).is_err(), "{end}");
        }
        let latin = Bytes::from_static(b"\0\x02\0\0\0\x01\xe4\xff\xff\xff\xff");
        assert!(TextRow::parse("asking", &columns, latin).is_err());
    }
}
