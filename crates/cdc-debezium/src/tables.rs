//! Which configured table a name in a message stands for.

use std::sync::Arc;

use cdc_core::{SourceTable, TableId};

use crate::AdapterError;

/// The configured tables by their names in the source. Clones share it.
#[derive(Debug, Clone)]
pub struct TableMap {
    /// In the order of schema and name.
    entries: Arc<[(SourceTable, TableId)]>,
}

impl TableMap {
    /// A map of these tables. For sources without schemas the database takes the schema's place.
    ///
    /// # Errors
    ///
    /// A source table that is mapped twice.
    pub fn new(
        tables: impl IntoIterator<Item = (SourceTable, TableId)>,
    ) -> Result<Self, AdapterError> {
        let mut entries: Vec<_> = tables.into_iter().collect();
        entries.sort_by(|one, two| one.0.cmp(&two.0));
        let twice = entries.windows(2).find_map(|pair| match pair {
            [(one, _), (two, _)] if one == two => Some(one.to_string()),
            _ => None,
        });
        match twice {
            Some(table) => Err(AdapterError::DuplicateTable { table }),
            None => Ok(Self { entries: entries.into() }),
        }
    }

    /// The configured table with this name in the source.
    pub fn get(&self, schema: &str, name: &str) -> Option<TableId> {
        self.entries.get(self.position(schema, name)?).map(|(_, table)| *table)
    }

    /// As [`get`](Self::get), trying the place where the last one was found first.
    pub(crate) fn get_near(
        &self,
        schema: &str,
        name: &str,
        last: &mut Option<usize>,
    ) -> Option<TableId> {
        let predicted = last.and_then(|last| self.entries.get(last));
        if let Some((table, id)) = predicted
            && table.name() == name
            && table.schema() == schema
        {
            return Some(*id);
        }
        let found = self.position(schema, name)?;
        *last = Some(found);
        self.entries.get(found).map(|(_, table)| *table)
    }

    /// The table that a topic is named after, as Debezium names topics: `prefix.schema.name`.
    pub(crate) fn of_topic(&self, topic: &str) -> Option<TableId> {
        let is_suffix = |table: &SourceTable| {
            let rest = topic.strip_suffix(table.name()).and_then(|rest| rest.strip_suffix('.'));
            rest.and_then(|rest| rest.strip_suffix(table.schema()))
                .is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        };
        self.entries.iter().find(|(table, _)| is_suffix(table)).map(|(_, id)| *id)
    }

    fn position(&self, schema: &str, name: &str) -> Option<usize> {
        let found = self
            .entries
            .binary_search_by(|(table, _)| (table.schema(), table.name()).cmp(&(schema, name)));
        found.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> Result<TableMap, AdapterError> {
        TableMap::new(
            names
                .iter()
                .zip(0..)
                .map(|(name, index)| (SourceTable::parse(name).unwrap(), TableId::new(index))),
        )
    }

    #[test]
    fn finds_every_table_and_no_other_whatever_came_last() {
        let names = ["public.orders", "audit.orders", "public.items", "public.orders.old"];
        let map = map(&names).unwrap();
        let mut last = None;
        for first in names {
            for (index, second) in names.iter().enumerate() {
                for name in [first, second] {
                    let (schema, table) = name.split_once('.').unwrap();
                    let near = map.get_near(schema, table, &mut last);
                    assert_eq!(near, map.get(schema, table));
                }
                let (schema, table) = second.split_once('.').unwrap();
                assert_eq!(map.get(schema, table).map(TableId::index), Some(index));
                assert_eq!(map.get_near("public", "Orders", &mut last), None);
                assert_eq!(map.get_near("", "", &mut last), None);
            }
        }
    }

    #[test]
    fn a_table_mapped_twice_is_refused() {
        let error = map(&["public.orders", "public.items", "public.orders"]).unwrap_err();
        assert_eq!(error, AdapterError::DuplicateTable { table: "public.orders".into() });
    }

    #[test]
    fn a_topic_is_named_after_its_table() {
        let map = map(&["public.orders", "audit.orders"]).unwrap();
        for (topic, expected) in [
            ("dbserver1.public.orders", Some(0)),
            ("a.b.audit.orders", Some(1)),
            ("public.orders", Some(0)),
            ("notpublic.orders", None),
            ("public.orders.x", None),
            ("orders", None),
        ] {
            let found = map.of_topic(topic).map(TableId::index);
            assert_eq!(found, expected, "{topic}");
        }
    }
}
