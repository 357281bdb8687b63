//! A row as `COPY … TO STDOUT` writes it in its text format, as a tuple of the stream.
//!
//! Both carry the texts of the types' output functions, so that a value is read in one way whichever way it
//! came. The format: columns are separated by tabs, `\N` is NULL, and a backslash escapes what would
//! end a column or a row (<https://www.postgresql.org/docs/current/sql-copy.html>).

use crate::ReplicationError;

/// Writes the columns of a line as a tuple behind what the buffer holds.
///
/// # Errors
///
/// A line with another number of columns, which a table that was altered meanwhile would give.
pub(crate) fn put_tuple(
    out: &mut Vec<u8>,
    line: &[u8],
    columns: usize,
) -> Result<(), ReplicationError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let unexpected = |found: usize| {
        let (expected, found) = (format!("a row of {columns} columns"), format!("one of {found}"));
        ReplicationError::malformed("reading the snapshot of a table", &expected, found)
    };
    let count = i16::try_from(columns).map_err(|_| unexpected(columns))?;
    out.extend_from_slice(&count.to_be_bytes());
    // A table without columns has rows of nothing.
    let fields = (columns > 0 || !line.is_empty()).then(|| line.split(|byte| *byte == b'\t'));
    let mut found: usize = 0;
    for field in fields.into_iter().flatten() {
        found = found.saturating_add(1);
        put_field(out, field);
    }
    if found == columns { Ok(()) } else { Err(unexpected(found)) }
}

fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    if field == br"\N" {
        out.push(b'n');
        return;
    }
    out.push(b't');
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    unescape(out, field);
    let length = out.len().saturating_sub(at).saturating_sub(4);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn unescape(out: &mut Vec<u8>, field: &[u8]) {
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((letter, behind)) = escaped.get(1..).and_then(<[u8]>::split_first) else {
            out.push(b'\\');
            return;
        };
        out.push(match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => *other,
        });
        rest = behind;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(line: &[u8], columns: usize) -> Result<Vec<u8>, ReplicationError> {
        let mut out = Vec::new();
        put_tuple(&mut out, line, columns).map(|()| out)
    }

    #[test]
    fn null_empty_and_escaped_texts_stay_apart() {
        let found = tuple(b"1\t\\N\t\ta\\tb\\\\c\\nd\\r\\b\\f\\v\t\\\\N\n", 5).unwrap();
        let expected = [
            &[0, 5][..],
            &[b't', 0, 0, 0, 1, b'1'],
            b"n",
            &[b't', 0, 0, 0, 0],
            &[b't', 0, 0, 0, 11],
            b"a\tb\\c\nd\r\x08\x0c\x0b",
            &[b't', 0, 0, 0, 2],
            b"\\N",
        ];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn a_line_of_another_table_is_refused() {
        assert!(tuple(b"1\t2\n", 3).is_err());
        assert!(tuple(b"1\t2\n", 1).is_err());
        assert_eq!(tuple(b"\n", 0).unwrap(), [0, 0]);
        assert_eq!(tuple(b"\n", 1).unwrap(), [0, 1, b't', 0, 0, 0, 0]);
    }
}
