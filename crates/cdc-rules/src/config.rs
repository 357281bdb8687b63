//! Reading the rules of a table from its configuration.
//!
//! Literals are strings here even for numbers: `"0.10"` is a decimal, and TOML's own `0.10` would
//! be a binary float before anybody could ask for exactness. They are checked against the column's
//! type when the rules are bound, because only then is it known.

use std::collections::BTreeSet;

use cdc_config::Section;
use cdc_core::Operation;

use crate::rule::{Comparison, Condition, Deletes, Filter, FilterEffect, Pattern, operation_name};
use crate::{Rule, RuleKind, RuleSet};

const OPERATIONS: [Operation; 5] = [
    Operation::Insert,
    Operation::Snapshot,
    Operation::Update,
    Operation::Delete,
    Operation::Truncate,
];

/// The keys of every kind of rule. When the kind itself is wrong nothing can be said about the
/// others, so all of these count as known.
const KEYS: [&str; 20] = [
    "action",
    "operations",
    "deletes",
    "column",
    "columns",
    "equals",
    "not_equals",
    "in",
    "is_null",
    "not_null",
    "less",
    "greater",
    "min",
    "max",
    "values",
    "pattern",
    "to",
    "key",
    "name",
    "kind",
];

#[derive(Clone, Copy)]
enum Kind {
    Filter,
    Required,
    Range,
    Allowed,
    Pattern,
    Rename,
    Drop,
    Hash,
}

impl RuleSet {
    /// Reads the `[[…rule]]` tables of a table's section, in their order. `None` after a problem,
    /// which the section has then recorded.
    ///
    /// ```
    /// use cdc_config::{Document, FixedEnvironment};
    /// use cdc_rules::RuleSet;
    ///
    /// let text = r#"
    ///     [[table]]
    ///     [[table.rule]]
    ///     kind = "required"
    ///     columns = ["customer_id"]
    ///     [[table.rule]]
    ///     kind = "filter"
    ///     action = "drop"
    ///     column = "status"
    ///     equals = "test"
    ///     [[table.rule]]
    ///     kind = "hash"
    ///     column = "email"
    ///     key = { env = "HASH_KEY" }
    /// "#;
    /// let environment = FixedEnvironment::new().with_variable("HASH_KEY", "correct horse");
    /// let document = Document::parse("pipeline.toml", text).with_environment(environment);
    /// let rules = document.root().sections("table").first().and_then(RuleSet::read);
    /// let rules = document.into_result(rules).unwrap();
    /// let names: Vec<_> = rules.rules().iter().map(|rule| rule.name()).collect();
    /// assert_eq!(names, ["required(customer_id)", "drop(status)", "hash(email)"]);
    /// ```
    pub fn read(table: &Section<'_>) -> Option<Self> {
        let sections = table.sections("rule");
        let mut names = BTreeSet::new();
        let rules: Vec<Option<Rule>> = sections
            .iter()
            .map(|section| {
                let name = section.optional_string("name");
                if let Some(name) = &name
                    && !names.insert(name.clone())
                {
                    section.problem("name", "a name that no other rule of the table has", None);
                }
                let rule = Rule::new(read_kind(section)?);
                Some(match name {
                    Some(name) if !name.is_empty() => rule.named(name),
                    Some(_) | None => rule,
                })
            })
            .collect();
        rules.into_iter().collect::<Option<Vec<_>>>().map(Self::new)
    }
}

fn read_kind(section: &Section<'_>) -> Option<RuleKind> {
    let kinds = [
        ("filter", Kind::Filter),
        ("required", Kind::Required),
        ("range", Kind::Range),
        ("allowed", Kind::Allowed),
        ("pattern", Kind::Pattern),
        ("rename", Kind::Rename),
        ("drop", Kind::Drop),
        ("hash", Kind::Hash),
    ];
    let Some(kind) = section.required_one_of("kind", &kinds) else {
        for key in KEYS {
            section.contains(key);
        }
        return None;
    };
    match kind {
        Kind::Filter => read_filter(section).map(RuleKind::Filter),
        Kind::Required => columns(section).map(|columns| RuleKind::Required { columns }),
        Kind::Range => read_range(section),
        Kind::Allowed => {
            let column = section.required_string("column");
            let values = listed(section, "values");
            Some(RuleKind::Allowed { column: column?, values: values? })
        }
        Kind::Pattern => {
            let column = section.required_string("column");
            let pattern = section.required_parsed("pattern", Pattern::parse);
            Some(RuleKind::Pattern { column: column?, pattern: pattern? })
        }
        Kind::Rename => {
            let column = section.required_string("column");
            let to = section.required_string("to");
            Some(RuleKind::Rename { column: column?, to: to? })
        }
        Kind::Drop => columns(section).map(|columns| RuleKind::Drop { columns }),
        Kind::Hash => {
            let column = section.required_string("column");
            let key = section.required_secret("key");
            Some(RuleKind::Hash { column: column?, key: key? })
        }
    }
}

fn columns(section: &Section<'_>) -> Option<Vec<String>> {
    let columns = section.required_strings("columns");
    (!columns.is_empty()).then_some(columns)
}

/// A list of at least one string, which may be empty strings: they are values like others.
fn listed(section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let values = section.required_parsed_list(key, |text| Ok::<_, &str>(text.to_owned()));
    (!values.is_empty()).then_some(values)
}

fn read_range(section: &Section<'_>) -> Option<RuleKind> {
    let column = section.required_string("column");
    let min = section.optional_string("min");
    let max = section.optional_string("max");
    if !section.contains("min") && !section.contains("max") {
        section.section_problem("min, max or both", Some("add a bound"));
        return None;
    }
    Some(RuleKind::Range { column: column?, min, max })
}

fn read_filter(section: &Section<'_>) -> Option<Filter> {
    let effects = [("keep", FilterEffect::Keep), ("drop", FilterEffect::Drop)];
    let effect = section.required_one_of("action", &effects);
    let by_operation = section.contains("operations");
    let operations = if by_operation {
        section.required_parsed_list("operations", operation)
    } else {
        Vec::new()
    };
    let policies = [("pass", Deletes::Pass), ("judge", Deletes::Judge)];
    let deletes = section.one_of("deletes", &policies, Deletes::Pass);
    let column = section.optional_string("column");
    let comparisons = read_comparisons(section);
    let condition = match (column, comparisons.is_empty()) {
        (Some(column), false) => Some(Condition { column, comparisons }),
        (None, true) if !section.contains("column") => {
            if !by_operation {
                let expected = "operations, or a column with a comparison";
                section.section_problem(expected, Some("say which changes it is about"));
                return None;
            }
            None
        }
        (None, false) => {
            section.problem("column", "the column that is compared", None);
            return None;
        }
        (Some(_) | None, true) => {
            let expected = "a comparison beside it";
            section.problem(
                "column",
                expected,
                Some("add equals, in, is_null, less or another one"),
            );
            return None;
        }
    };
    // After a problem the list may have lost entries, and an empty one would stand for all of them.
    let complete = !by_operation || !operations.is_empty();
    complete.then_some(Filter { effect: effect?, operations, condition, deletes })
}

fn read_comparisons(section: &Section<'_>) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    comparisons.extend(section.optional_string("equals").map(Comparison::Equals));
    comparisons.extend(section.optional_string("not_equals").map(Comparison::NotEquals));
    if section.contains("in") {
        comparisons.extend(listed(section, "in").map(Comparison::In));
    }
    comparisons.extend(section.optional_boolean("is_null").map(null_test));
    comparisons.extend(section.optional_boolean("not_null").map(|wanted| null_test(!wanted)));
    comparisons.extend(section.optional_string("less").map(Comparison::Less));
    comparisons.extend(section.optional_string("greater").map(Comparison::Greater));
    comparisons
}

fn null_test(is_null: bool) -> Comparison {
    if is_null { Comparison::IsNull } else { Comparison::NotNull }
}

fn operation(text: &str) -> Result<Operation, &'static str> {
    OPERATIONS
        .into_iter()
        .find(|operation| operation_name(*operation) == text)
        .ok_or("one of \"insert\", \"snapshot\", \"update\", \"delete\", \"truncate\"")
}
