//! Names and texts as SQL.

use cdc_core::SourceTable;

/// A name: always quoted, so that reserved words, capitals and hostile names are just names.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name.
pub(crate) fn qualified(table: &SourceTable) -> String {
    format!("{}.{}", quoted(table.schema()), quoted(table.name()))
}

/// A text. Sessions are pinned to literals without escapes only by the server's default, so the form is used
/// in which a backslash means the same either way.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_what_they_are_whatever_they_hold() {
        assert_eq!(qualified(&SourceTable::new("a.b", "Order\"s")), "\"a.b\".\"Order\"\"s\"");
        assert_eq!(literal(r"it's \' x"), r"E'it''s \\'' x'");
    }
}
