//! SQL text from typed parts. Pure functions: what they write is in snapshots.
//!
//! Names arrive quoted, by [`ident`](crate::ident); literals are made here, by one function. Values
//! of rows never become SQL text.

mod mirror;

use std::sync::Arc;
use std::time::Duration;

use crate::pair::ColumnEncoder;
pub(crate) use mirror::{
    DELETED, GENERATION, MirrorNames, MirrorStatements, OFFSET, PARTITION, Staging, truncate,
};

/// A text literal. U+0000 cannot stand in SQL; it never reaches this point, because every name has
/// been bound to a parameter before.
pub(crate) fn literal(text: &str) -> String {
    let escaped: String = text.chars().filter(|c| *c != '\0').flat_map(doubled).collect();
    if text.contains('\\') { format!("E'{escaped}'") } else { format!("'{escaped}'") }
}

fn doubled(c: char) -> impl Iterator<Item = char> {
    let times = if c == '\'' || c == '\\' { 2 } else { 1 };
    std::iter::repeat_n(c, times)
}

/// Begins a transaction that waits this long for a lock; zero is without a limit.
pub(crate) fn begin(lock_wait: Duration) -> String {
    format!("BEGIN; SET LOCAL lock_timeout = {}", millis(lock_wait))
}

/// A position in the write-ahead log as the server reads and writes it.
pub(crate) fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

/// A time as settings of the server take it.
pub(crate) fn millis(duration: Duration) -> String {
    // The server counts in 32 bits; 24 days are as good as more.
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).to_string()
}

/// A COPY, and the form in which it takes rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The statement.
    pub(crate) sql: String,
    /// What the fields are when rows travel as text; `None` when they travel as they are.
    pub(crate) text: Option<Arc<[ColumnEncoder]>>,
}

/// Rows into some columns of a table: in binary form, or as text when the fields are given.
pub(crate) fn copy(target: &str, columns: &[String], text: Option<Vec<ColumnEncoder>>) -> Copy {
    let columns = columns.join(", ");
    let form = if text.is_some() { "text" } else { "binary" };
    Copy {
        sql: format!("COPY {target} ({columns}) FROM STDIN (FORMAT {form})"),
        text: text.map(Arc::from),
    }
}

/// Raises unless the columns of a target still have the types that a plan was made for.
pub(crate) fn require_types<'c>(
    target: &str,
    columns: impl Iterator<Item = (&'c str, &'c str)> + Clone,
) -> String {
    format!(
        "SELECT cdc.require_types({}::regclass, {}, {})",
        literal(target),
        texts(columns.clone().map(|(name, _)| name)),
        texts(columns.map(|(_, kind)| kind)),
    )
}

/// An array literal of numbers.
pub(crate) fn numbers<T: std::fmt::Display>(
    items: impl IntoIterator<Item = T>,
    element: &str,
) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("ARRAY[{}]::{element}[]", items.join(","))
}

/// An array literal of texts.
pub(crate) fn texts<'t>(items: impl IntoIterator<Item = &'t str>) -> String {
    let items: Vec<String> = items.into_iter().map(literal).collect();
    format!("ARRAY[{}]::text[]", items.join(","))
}

/// An array literal of texts, of which some are NULL.
pub(crate) fn optional_texts<'t>(items: impl IntoIterator<Item = Option<&'t str>>) -> String {
    let items = items.into_iter().map(|text| text.map_or_else(|| "NULL".to_owned(), literal));
    format!("ARRAY[{}]::text[]", items.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_holds_what_it_was_given() {
        let cases = [
            ("orders", "'orders'"),
            ("", "''"),
            ("o'brien", "'o''brien'"),
            ("back\\slash", "E'back\\\\slash'"),
            ("\\'; DROP TABLE t; --", "E'\\\\''; DROP TABLE t; --'"),
        ];
        for (text, sql) in cases {
            assert_eq!(literal(text), sql);
        }
    }

    #[test]
    fn arrays_name_their_type_so_that_they_may_be_empty() {
        assert_eq!(numbers([1, 2], "int8"), "ARRAY[1,2]::int8[]");
        assert_eq!(numbers(Vec::<i32>::new(), "int4"), "ARRAY[]::int4[]");
        assert_eq!(texts(["a", "b'c"]), "ARRAY['a','b''c']::text[]");
        assert_eq!(optional_texts([Some("NULL"), None]), "ARRAY['NULL',NULL]::text[]");
    }
}
