//! Mirrors that a truncate would make wrong, and tables that cannot follow snapshots.
//!
//! A truncate has no key, so it stands in any one partition of its topic. Nothing says which rows of
//! the other partitions were written before it: a mirror that follows it would lose rows, or keep
//! some, without a word. That is refused before a run, also while the topic is still empty.
//!
//! The end of a snapshot stands in one partition as well, while the others are still being read: a table
//! of several keeps what a second snapshot no longer shows until a change stands behind it in each, and a
//! mirror has to know the partition of each row. That is said, and no reason not to run.

use cdc_core::{Halt, TableId, TopicName};
use cdc_postgres::{Finding, Mode, Severity, SnapshotSweep, Truncates};

use crate::config::Table;

/// The tables that follow truncates or snapshots and whose changes come from several partitions. `topics` says
/// how many each topic has, `carried` which tables were seen in it.
pub(super) fn findings(
    tables: &[Table],
    topics: &[(&TopicName, usize)],
    carried: &[(TopicName, TableId)],
) -> Vec<Finding> {
    let follows_truncates = |table: &Table| {
        matches!(table.settings.mode, Mode::Mirror { truncates: Truncates::Apply, .. })
    };
    let follows_snapshots = |table: &Table| table.settings.snapshot_sweep == SnapshotSweep::Apply;
    let mut found = Vec::new();
    for table in tables {
        let wide = topics.iter().filter(|(_, partitions)| *partitions > 1);
        for (topic, partitions) in
            wide.filter(|(topic, _)| may_carry(topic, table, tables, carried))
        {
            if follows_truncates(table) {
                found.push(finding(table, topic, *partitions));
            }
            if follows_snapshots(table) {
                found.push(unswept(table, topic, *partitions));
            }
        }
    }
    found
}

/// Whether changes of a table may come from a topic: by the name that Debezium gives it, by what it
/// was seen to hold, or because nothing says whose it is.
fn may_carry(
    topic: &TopicName,
    table: &Table,
    tables: &[Table],
    carried: &[(TopicName, TableId)],
) -> bool {
    let named_for = |table: &Table| {
        let suffix = format!(".{}", table.settings.source);
        topic.as_str().ends_with(&suffix)
    };
    let mut seen = carried.iter().filter(|(place, _)| place == topic).map(|(_, table)| *table);
    named_for(table)
        || seen.clone().any(|seen| seen == table.settings.id)
        || (seen.next().is_none() && !tables.iter().any(named_for))
}

fn finding(table: &Table, topic: &TopicName, partitions: usize) -> Finding {
    let source = &table.settings.source;
    Finding {
        id: "truncates_across_partitions",
        severity: Severity::Error(Halt::Configuration),
        message: format!(
            "{source} is mirrored from {topic}, which has {partitions} partitions: a truncate \
             stands in one of them only, and rows of the others would be lost or kept wrongly"
        ),
        fix: format!(
            "write `truncates = \"ignore\"` into the [[table]] of {source}: nothing is lost by it \
             if the connector sends no truncates, and Debezium sends none unless \
             `skipped.operations` is set; otherwise give the topic one partition, or keep a history \
             (`mode = \"history\"`)"
        ),
    }
}

fn unswept(table: &Table, topic: &TopicName, partitions: usize) -> Finding {
    let source = &table.settings.source;
    let column = match table.settings.mode {
        Mode::History => String::new(),
        Mode::Mirror { .. } => format!(
            "add the column `cdc_partition integer` to {} before its rows are written; ",
            table.settings.target
        ),
    };
    Finding {
        id: "snapshots_across_partitions",
        severity: Severity::Warning,
        message: format!(
            "{source} comes from {topic}, which has {partitions} partitions: rows that were deleted \
             between two snapshots of the connector stay in a partition until a change comes into it \
             behind the second one, and in a mirror without the column cdc_partition for good"
        ),
        fix: format!(
            "{column}after a second snapshot compare with `cdc-pipeline verify`. \
             `snapshot_sweep = \"ignore\"` in the [[table]] of {source} says \
             that this is known"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Settings;

    const CONFIGURATION: &str = r#"
        [pipeline]
        name = "orders"
        [source.kafka]
        brokers = "localhost:9092"
        topics = ["s.public.orders", "s.public.returns", "routed"]
        group = "orders"
        [sink.postgres]
        url = "postgres://localhost/analytics"
        [[table]]
        source = "public.orders"
        target = "public.orders_current"
        mode = "mirror"
        [[table]]
        source = "public.returns"
        target = "public.returns_fact"
        mode = "history"
        "#;

    /// The topics that are refused, when each has so many partitions.
    fn refused(text: &str, partitions: [usize; 3], carried: &[(&str, u32)]) -> Vec<String> {
        let settings = Settings::parse("t", text, Path::new(".")).unwrap();
        let names = settings.kafka().unwrap().topics();
        let topics: Vec<_> = names.iter().zip(partitions).collect();
        let carried: Vec<_> = carried
            .iter()
            .map(|(topic, table)| (TopicName::parse(topic).unwrap(), TableId::new(*table)))
            .collect();
        let found = findings(&settings.tables, &topics, &carried);
        let (found, unswept): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|finding| finding.id != "snapshots_across_partitions");
        assert!(unswept.iter().all(|finding| finding.severity == Severity::Warning));
        for finding in &found {
            assert_eq!(finding.id, "truncates_across_partitions");
            assert_eq!(finding.severity, Severity::Error(Halt::Configuration));
            assert!(finding.fix.contains("truncates = \"ignore\""), "{}", finding.fix);
        }
        let topic_of = |finding: &Finding| {
            let of = names.iter().find(|name| {
                finding.message.contains(&format!("mirrored from {name}, which has 3 partitions"))
            });
            of.expect("the topic is named").to_string()
        };
        found.iter().map(topic_of).collect()
    }

    #[test]
    fn only_a_mirror_that_follows_truncates_needs_one_partition() {
        assert_eq!(refused(CONFIGURATION, [1, 3, 1], &[]), [""; 0]);
        assert_eq!(refused(CONFIGURATION, [3, 3, 1], &[]), ["s.public.orders"]);
        let ignoring = CONFIGURATION.replace("\"mirror\"", "\"mirror\"\ntruncates = \"ignore\"");
        assert_eq!(refused(&ignoring, [3, 3, 3], &[]), [""; 0]);
        let history = CONFIGURATION.replace("\"mirror\"", "\"history\"");
        assert_eq!(refused(&history, [3, 3, 3], &[]), [""; 0]);
    }

    #[test]
    fn tables_of_several_partitions_are_said_to_keep_what_a_snapshot_no_longer_shows() {
        let unswept = |text: &str, partitions: [usize; 3]| {
            let settings = Settings::parse("t", text, Path::new(".")).unwrap();
            let topics: Vec<_> =
                settings.kafka().unwrap().topics().iter().zip(partitions).collect();
            let found = findings(&settings.tables, &topics, &[]);
            let unswept = found.iter().filter(|finding| finding.severity == Severity::Warning);
            unswept.map(|finding| finding.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(unswept(CONFIGURATION, [1, 1, 1]), [""; 0]);
        let [orders, returns] = &unswept(CONFIGURATION, [2, 3, 1])[..] else {
            panic!("expected two warnings")
        };
        assert!(orders.contains("public.orders comes from s.public.orders, which has 2"));
        assert!(returns.contains("public.returns comes from s.public.returns, which has 3"));
        let ignoring = CONFIGURATION.replace("mode = ", "snapshot_sweep = \"ignore\"\nmode = ");
        assert_eq!(unswept(&ignoring, [2, 3, 1]), [""; 0]);
    }

    #[test]
    fn a_topic_of_another_name_counts_unless_it_is_known_to_hold_other_tables() {
        assert_eq!(refused(CONFIGURATION, [1, 1, 3], &[]), ["routed"]);
        assert_eq!(refused(CONFIGURATION, [1, 1, 3], &[("routed", 1)]), [""; 0]);
        assert_eq!(refused(CONFIGURATION, [1, 1, 3], &[("routed", 1), ("routed", 0)]), ["routed"]);
    }
}
