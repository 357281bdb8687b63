//! Which topics hold the changes of a table.
//!
//! Debezium names a topic after its table unless somebody routes records elsewhere. So names are believed
//! when they explain everything: each topic is named after a table of the file, and each table has one.
//! A single name that does not fit means that somebody routes, and then any topic may hold any change.

use cdc_core::{SourceTable, TopicName};

use crate::failure::Failure;

/// Whether a topic is called what Debezium calls that of a table.
pub(crate) fn is_named_after(topic: &TopicName, table: &str) -> bool {
    topic.as_str().strip_suffix(table).is_some_and(|prefix| prefix.ends_with('.'))
}

/// The topics of these names, which must be among those of the file.
pub(crate) fn named(topics: &[TopicName], wanted: &[String]) -> Result<Vec<TopicName>, Failure> {
    if let Some(unknown) = wanted.iter().find(|name| !topics.iter().any(|it| it.as_str() == **name))
    {
        return Err(Failure::Tables {
            message: format!("{unknown} is no topic of this pipeline"),
            hint: format!("name one of these with --topic: {}", list(topics)),
        });
    }
    let is_wanted = |topic: &&TopicName| wanted.iter().any(|name| name == topic.as_str());
    Ok(topics.iter().filter(is_wanted).cloned().collect())
}

/// The topics that can hold changes of this table, one of `tables`: by their names where names tell, and
/// otherwise all.
pub(crate) fn of_table(
    topics: &[TopicName],
    tables: &[SourceTable],
    table: &SourceTable,
) -> Vec<TopicName> {
    let is_of = |topic: &TopicName, table: &SourceTable| is_named_after(topic, &table.to_string());
    let all_fit = topics.iter().all(|topic| tables.iter().any(|table| is_of(topic, table)))
        && tables.iter().all(|table| topics.iter().any(|topic| is_of(topic, table)));
    let can_hold = |topic: &&TopicName| !all_fit || is_of(topic, table);
    topics.iter().filter(can_hold).cloned().collect()
}

/// Names for a sentence.
pub(crate) fn list(topics: &[TopicName]) -> String {
    topics.iter().map(TopicName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<TopicName> {
        names.iter().map(|name| TopicName::parse(name).unwrap()).collect()
    }

    fn chosen(names: &[&str], tables: &[&str]) -> Vec<String> {
        let tables: Vec<_> =
            tables.iter().map(|table| SourceTable::parse(table).unwrap()).collect();
        let chosen = of_table(&topics(names), &tables, tables.first().unwrap());
        chosen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_is_read_from_its_own_topics_where_all_names_fit() {
        let both = ["a.s.orders", "a.s.items", "b.s.orders"];
        assert_eq!(chosen(&both, &["s.orders", "s.items"]), ["a.s.orders", "b.s.orders"]);
        assert_eq!(chosen(&["a.s.orders"], &["s.orders"]), ["a.s.orders"]);
    }

    #[test]
    fn every_topic_is_read_where_a_name_does_not_fit() {
        let routed = ["a.s.orders", "a.everything"];
        assert_eq!(chosen(&routed, &["s.orders"]), routed);
        let shared = ["a.s.orders", "a.s.items"];
        assert_eq!(chosen(&shared, &["s.orders", "s.items", "s.orders_2025"]), shared);
        let glued = ["a.s.orders", "a.as.orders"];
        assert_eq!(chosen(&glued, &["s.orders"]), glued);
    }

    #[test]
    fn a_topic_that_is_named_must_be_one_of_the_pipeline() {
        let all = topics(&["a.s.orders", "a.s.items"]);
        assert_eq!(named(&all, &["a.s.items".to_owned()]).unwrap(), topics(&["a.s.items"]));
        let refused = named(&all, &["a.s.item".to_owned()]).unwrap_err().report();
        assert!(
            refused.contains("a.s.item is no topic") && refused.contains("a.s.orders, a.s.items")
        );
    }
}
