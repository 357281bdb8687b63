//! Records that a run would keep as dead letters, counted by what is wrong with them.
//!
//! One bad record stops nothing, so it is a warning. When every record looked at is refused for one
//! reason, that is no accident of the data: a declaration, a rule or a target column is wrong. Nor is
//! it one when a topic has changes of tables, and none of them is configured.

use cdc_core::{Halt, Record, Rejection, TopicName};
use cdc_postgres::{Finding, Severity};

use crate::config::Table;

/// Fewer records than this may all be bad by accident.
const SYSTEMATIC_MIN: usize = 10;

/// What was refused of one topic.
#[derive(Debug)]
pub(super) struct Refused<'s> {
    topic: &'s TopicName,
    tables: &'s [Table],
    groups: Vec<Group>,
    /// Changes that were looked at, those that were refused included.
    looked_at: usize,
    /// Those among them that would be written.
    passed: usize,
}

/// Records with the same fault; the first of them is the newest.
#[derive(Debug)]
struct Group {
    newest: Box<Rejection>,
    place: String,
    count: usize,
}

impl<'s> Refused<'s> {
    pub(super) fn new(topic: &'s TopicName, tables: &'s [Table]) -> Self {
        Self { topic, tables, groups: Vec::new(), looked_at: 0, passed: 0 }
    }

    /// A record that would be written.
    pub(super) fn passed(&mut self) {
        self.passed = self.passed.saturating_add(1);
        self.looked_at = self.looked_at.saturating_add(1);
    }

    /// A record that would not.
    pub(super) fn refused(&mut self, record: Record<'_>, rejection: Box<Rejection>) {
        self.looked_at = self.looked_at.saturating_add(1);
        let same = |group: &&mut Group| {
            let Rejection { reason, column, table, .. } = &*group.newest;
            (reason, column, table) == (&rejection.reason, &rejection.column, &rejection.table)
        };
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.count = group.count.saturating_add(1);
            return;
        }
        let place =
            format!("partition {}, offset {}", record.partition.number().get(), record.offset);
        self.groups.push(Group { newest: rejection, place, count: 1 });
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        let is_unwanted =
            self.passed == 0 && self.groups.iter().all(|group| group.newest.table.is_none());
        self.groups.iter().map(|group| self.finding(group, is_unwanted)).collect()
    }

    fn finding(&self, group: &Group, is_unwanted: bool) -> Finding {
        let Group { newest, place, count } = group;
        let all_foreign = is_unwanted && newest.reason == "unknown_table";
        let systematic = *count == self.looked_at && *count >= SYSTEMATIC_MIN;
        let (id, severity) = match (all_foreign, systematic) {
            // Nothing of what the topic holds is wanted: it was named by mistake.
            (true, _) => ("topic_of_another_table", Severity::Error(Halt::Configuration)),
            (false, true) => ("records_refused", Severity::Error(Halt::Data)),
            (false, false) => ("records_refused", Severity::Warning),
        };
        let table = newest.table.and_then(|table| self.tables.get(table.index()));
        let table = table.map_or_else(String::new, |table| {
            format!("{} into {}: ", table.settings.source, table.settings.target)
        });
        let column = match &newest.column {
            // Messages of the sink begin with the column.
            Some(column) if !newest.message.contains(column.as_str()) => format!("{column}: "),
            Some(_) | None => String::new(),
        };
        Finding {
            id,
            severity,
            message: format!(
                "{table}{count} of the {} newest changes in {} would become dead letters for {}: \
                 {column}{} (the newest is in {place})",
                self.looked_at, self.topic, newest.reason, newest.message
            ),
            fix: match &newest.hint {
                Some(hint) if all_foreign => {
                    format!("correct `source` of the [[table]] if it is misspelt; otherwise {hint}")
                }
                Some(hint) => hint.clone(),
                None => "look at these records in the topic".to_owned(),
            },
        }
    }
}
