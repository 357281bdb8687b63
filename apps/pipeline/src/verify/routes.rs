//! The configured tables as a comparison needs them: what the rules make of which column.

use cdc_config::closest;
use cdc_core::Halt;
use cdc_postgres::{
    ColumnFate, ColumnRoute, Passes, RowFilter, TableSettings, ValueTest, VerifyTable,
};
use cdc_rules::{Comparison, Filter, FilterEffect, Rule, RuleKind};

use super::ATTEMPT;
use crate::config::Table;
use crate::failure::Failure;

/// All tables, or those whose source was named.
pub(super) fn tables(tables: &[Table], named: &[String]) -> Result<Vec<VerifyTable>, Failure> {
    let sources: Vec<String> =
        tables.iter().map(|table| table.settings.source.to_string()).collect();
    for name in named {
        if !sources.contains(name) {
            let near = closest(name, sources.iter().map(String::as_str));
            return Err(Failure::End {
                attempt: ATTEMPT,
                halt: Halt::Configuration,
                hint: near.map(|near| format!("write --table {near}")),
                source: format!("no [[table]] has the source {name}").into(),
            });
        }
    }
    let wanted = tables.iter().zip(&sources);
    let wanted = wanted.filter(|(_, source)| named.is_empty() || named.contains(source));
    Ok(wanted.map(|(table, _)| compared(table)).collect())
}

fn compared(table: &Table) -> VerifyTable {
    let mut followed = Followed::default();
    for rule in table.rules.rules() {
        followed.rule(rule);
    }
    followed.into_table(table.settings.clone())
}

/// A column that a rule has touched, under its name at this point.
struct Touched {
    source: String,
    name: String,
    state: State,
}

/// What has become of a column's values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    Hashed,
    Dropped,
}

/// What the rules so far make of columns and rows.
#[derive(Default)]
struct Followed {
    touched: Vec<Touched>,
    filters: Vec<RowFilter>,
    partial_filters: Vec<String>,
}

impl Followed {
    fn rule(&mut self, rule: &Rule) {
        match rule.kind() {
            RuleKind::Rename { column, to } => self.touch(column).name.clone_from(to),
            RuleKind::Drop { columns } => {
                for column in columns {
                    self.touch(column).state = State::Dropped;
                }
            }
            RuleKind::Hash { column, .. } => self.touch(column).state = State::Hashed,
            RuleKind::Filter(filter) => self.filter(rule.name(), filter),
            RuleKind::Required { .. }
            | RuleKind::Range { .. }
            | RuleKind::Allowed { .. }
            | RuleKind::Pattern { .. } => {}
        }
    }

    /// The column that has this name now. One that no rule has touched has the source's own.
    fn touch(&mut self, name: &str) -> &mut Touched {
        let index = self.position(name).unwrap_or_else(|| {
            self.touched.push(Touched {
                source: name.to_owned(),
                name: name.to_owned(),
                state: State::Untouched,
            });
            self.touched.len().saturating_sub(1)
        });
        self.touched.get_mut(index).expect("the position of an element, or of the one just added")
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.touched.iter().position(|column| column.name == name && column.state != State::Dropped)
    }

    /// A filter that judges every change by its row decides on rows; any other one on changes.
    fn filter(&mut self, name: &str, filter: &Filter) {
        let Some(condition) = filter.condition.as_ref().filter(|_| filter.operations.is_empty())
        else {
            self.partial_filters.push(name.to_owned());
            return;
        };
        let touched = self.position(&condition.column).and_then(|index| self.touched.get(index));
        let column = touched.map_or(&condition.column, |touched| &touched.source);
        self.filters.push(RowFilter {
            name: name.to_owned(),
            passes: match filter.effect {
                FilterEffect::Keep => Passes::Matching,
                FilterEffect::Drop => Passes::Others,
            },
            column: column.clone(),
            tests: condition.comparisons.iter().map(test).collect(),
        });
    }

    fn into_table(self, settings: TableSettings) -> VerifyTable {
        let route = |column: Touched| {
            let fate = match column.state {
                State::Dropped => ColumnFate::Dropped,
                State::Hashed => ColumnFate::Hashed(column.name),
                State::Untouched => ColumnFate::Renamed(column.name),
            };
            ColumnRoute { column: column.source, fate }
        };
        VerifyTable {
            settings,
            routes: self.touched.into_iter().map(route).collect(),
            filters: self.filters,
            partial_filters: self.partial_filters,
        }
    }
}

fn test(comparison: &Comparison) -> ValueTest {
    match comparison {
        Comparison::Equals(value) => ValueTest::Equals(value.clone()),
        Comparison::NotEquals(value) => ValueTest::NotEquals(value.clone()),
        Comparison::In(values) => ValueTest::In(values.clone()),
        Comparison::IsNull => ValueTest::IsNull,
        Comparison::NotNull => ValueTest::NotNull,
        Comparison::Less(value) => ValueTest::Less(value.clone()),
        Comparison::Greater(value) => ValueTest::Greater(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Settings;

    /// A configuration with these rules, as it is compared.
    fn followed(rules: &str) -> VerifyTable {
        let text = format!(
            "[pipeline]\nname = \"orders\"\n[source.kafka]\nbrokers = \"localhost:9092\"\n\
             topics = [\"t\"]\ngroup = \"g\"\n[sink.postgres]\nurl = \"postgres://localhost/a\"\n\
             [[table]]\nsource = \"public.orders\"\ntarget = \"orders\"\nmode = \"mirror\"\n{rules}"
        );
        let settings = Settings::parse("test", &text, Path::new(".")).expect("a configuration");
        tables(&settings.tables, &[]).expect("a table").remove(0)
    }

    #[test]
    fn columns_are_followed_through_the_rules_in_their_order() {
        // `a` goes to `b` by way of `c`; the old `b` is dropped.
        let table = followed(RULES);
        let route = |column: &str, fate| ColumnRoute { column: column.to_owned(), fate };
        assert_eq!(
            table.routes,
            [
                route("a", ColumnFate::Renamed("b".to_owned())),
                route("b", ColumnFate::Dropped),
                route("status", ColumnFate::Renamed("state".to_owned())),
            ]
        );
        let keep = RowFilter {
            name: "keep(state)".to_owned(),
            passes: Passes::Matching,
            column: "status".to_owned(),
            tests: vec![ValueTest::In(vec!["x".to_owned(), "y".to_owned()])],
        };
        assert_eq!(table.filters, [keep]);
        assert_eq!(table.partial_filters, ["drop(delete)"]);
    }

    const RULES: &str = r#"
        [[table.rule]]
        kind = "rename"
        column = "a"
        to = "c"
        [[table.rule]]
        kind = "drop"
        columns = ["b"]
        [[table.rule]]
        kind = "rename"
        column = "c"
        to = "b"
        [[table.rule]]
        kind = "rename"
        column = "status"
        to = "state"
        [[table.rule]]
        kind = "filter"
        action = "keep"
        column = "state"
        in = ["x", "y"]
        [[table.rule]]
        kind = "filter"
        action = "drop"
        operations = ["delete"]
    "#;

    #[test]
    fn tables_are_chosen_by_their_source() {
        assert!(followed("").routes.is_empty());
        let text = followed("").settings.source.to_string();
        assert_eq!(text, "public.orders");
        let refused = tables(&[], &["public.order".to_owned()]).expect_err("no such table");
        assert!(refused.report(None).contains("public.order"), "{}", refused.report(None));
    }
}
