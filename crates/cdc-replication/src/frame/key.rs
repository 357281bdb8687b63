//! The key of a record: which row a change is of.

use std::io::Write as _;

use super::RelationDescription;
use crate::pgoutput::{Tuple, TupleColumn};

/// Appends the key of a row as a JSON object of the key columns' texts, such as `{"order_id":"17"}`;
/// nothing when the table has no key or the bytes are no row.
///
/// The names stand in it for whoever has to know whether a key holds the value of a certain column, and
/// for people who look at dead letters.
pub(crate) fn write_key(out: &mut Vec<u8>, relation: &RelationDescription, tuple: &[u8]) {
    write_key_as(out, relation, tuple, Names::With);
}

/// Appends the texts of the key alone, as a JSON array in the order of the columns, such as `["17"]`.
pub(crate) fn write_key_texts(out: &mut Vec<u8>, relation: &RelationDescription, tuple: &[u8]) {
    write_key_as(out, relation, tuple, Names::Without);
}

/// The texts of the key in the order of the columns; none without key.
pub(crate) fn key_texts(relation: &RelationDescription, tuple: &[u8]) -> Option<Vec<String>> {
    let mut array = Vec::new();
    write_key_texts(&mut array, relation, tuple);
    serde_json::from_slice(&array).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    With,
    Without,
}

fn write_key_as(out: &mut Vec<u8>, relation: &RelationDescription, tuple: &[u8], names: Names) {
    let Ok(tuple) = Tuple::parse(tuple) else { return };
    let (open, close) = if names == Names::With { (b'{', b'}') } else { (b'[', b']') };
    let columns = relation.columns.iter().zip(tuple.columns());
    let mut separator = open;
    for (column, value) in columns.filter(|(column, _)| column.is_key) {
        out.push(separator);
        separator = b',';
        if names == Names::With {
            write_text(out, &column.name);
            out.push(b':');
        }
        match value {
            TupleColumn::Null | TupleColumn::Unchanged => out.extend_from_slice(b"null"),
            TupleColumn::Text(text) => write_text(out, &String::from_utf8_lossy(text)),
            TupleColumn::Binary(bytes) => write_binary(out, bytes),
        }
    }
    if separator == b',' {
        out.push(close);
    }
}

const INTO_MEMORY: &str = "writing text to memory does not fail";

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect(INTO_MEMORY);
}

/// As PostgreSQL writes bytes.
fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"\\\\x");
    for byte in bytes {
        write!(out, "{byte:02x}").expect(INTO_MEMORY);
    }
    out.push(b'"');
}

/// Whether an update has changed the key, so that it is one row that went and another that came.
///
/// A column that one of the rows does not have has not changed: of the old row the server sends NULL for
/// what it did not log, and columns that identify a row are never NULL; of the new one it leaves out what
/// is stored out of line and was not changed.
pub(crate) fn changes_key(relation: &RelationDescription, old: &[u8], new: &[u8]) -> bool {
    let (Ok(old), Ok(new)) = (Tuple::parse(old), Tuple::parse(new)) else { return false };
    let values = old.columns().zip(new.columns());
    relation.columns.iter().zip(values).any(|(column, (old, new))| {
        let is_known = |value| !matches!(value, TupleColumn::Null | TupleColumn::Unchanged);
        column.is_key && is_known(old) && is_known(new) && old != new
    })
}
