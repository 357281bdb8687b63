//! The order of keys, where it is the same here as in the source.
//!
//! A table is read in the order of its primary key, and after a crash it is read on behind the last key.
//! Changes of the stream are then asked which side of that key they are on. For numbers and UUIDs the answer
//! needs no server; texts are ordered by a language.

use std::cmp::Ordering;

use cdc_core::SemanticType;

use crate::catalog::{CatalogColumn, TableCatalog};

/// How the columns of a key are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyOrder(Vec<Kind>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    /// Lower-case digits in groups, which sort as the bytes do.
    Uuid,
}

impl KeyOrder {
    /// The order of a table's key, in the order of its columns; `None` without key, and where only
    /// the server knows it.
    pub(crate) fn of(table: &TableCatalog) -> Option<Self> {
        let key = table.columns.iter().filter(|column| table.key().contains(&column.name));
        let kind = |column: &CatalogColumn| {
            let semantic = column.semantic.as_ref()?;
            if matches!(semantic, SemanticType::Int16 | SemanticType::Int32 | SemanticType::Int64) {
                return Some(Kind::Number);
            }
            // Every other order is a language's, or rare in keys.
            matches!(semantic, SemanticType::Uuid).then_some(Kind::Uuid)
        };
        let kinds: Option<Vec<_>> = key.map(kind).collect();
        kinds.filter(|kinds| !kinds.is_empty()).map(Self)
    }
}

/// Whether a key stands behind another one.
pub(crate) fn is_behind(order: &KeyOrder, key: &[String], after: &[String]) -> bool {
    let pairs = order.0.iter().zip(key).zip(after);
    let first = pairs.map(|((kind, one), other)| compare(*kind, one, other));
    first.into_iter().find(|found| found.is_ne()).is_some_and(Ordering::is_gt)
}

fn compare(kind: Kind, one: &str, other: &str) -> Ordering {
    match kind {
        Kind::Number => one.parse::<i128>().ok().cmp(&other.parse::<i128>().ok()),
        Kind::Uuid => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_columns_are_ordered_by_the_first_that_differs() {
        let order = KeyOrder(vec![Kind::Number, Kind::Uuid]);
        let behind = |one: [&str; 2], other: [&str; 2]| {
            is_behind(&order, &one.map(str::to_owned), &other.map(str::to_owned))
        };
        assert!(behind(["10", "a"], ["9", "b"]), "as numbers, not as texts");
        assert!(!behind(["-1", "a"], ["0", "a"]));
        assert!(behind(["7", "b"], ["7", "a"]) && !behind(["7", "a"], ["7", "a"]));
    }
}
