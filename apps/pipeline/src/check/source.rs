//! The source's own catalog: what the configuration says of it and what the sampled rows show.
//!
//! A run does without the source's database, so only `check` looks, and only if the configuration
//! names it.

use cdc_debezium::BeforeImages;
use cdc_postgres::{Finding, FollowedTable, OldRows, check_source};
use cdc_rules::{RuleKind, RuleSet};

use super::samples::Seen;
use crate::config::{Settings, Table};

/// What the catalog says against the configuration; nothing when no source is named.
pub(super) async fn findings(settings: &Settings, seen: &Seen) -> Vec<Finding> {
    let Some(source) = &settings.source else { return Vec::new() };
    let tables = settings.tables.iter().map(|table| followed(table, seen));
    let tables: Vec<FollowedTable> = tables.collect();
    check_source(source, &tables).await
}

fn followed(table: &Table, seen: &Seen) -> FollowedTable {
    let declared = table.declarations.columns();
    FollowedTable {
        source: table.settings.source.clone(),
        mode: table.settings.mode,
        old_rows: match table.declarations.before() {
            BeforeImages::Auto => OldRows::Auto,
            BeforeImages::Full => OldRows::Full,
            BeforeImages::Key => OldRows::Key,
        },
        declared: declared.map(|(name, semantic)| (name.to_owned(), semantic.clone())).collect(),
        dropped: dropped(&table.rules),
        seen: seen.shapes_of(table.settings.id),
    }
}

/// The columns that rules leave out, under the names that they have in the source.
fn dropped(rules: &RuleSet) -> Vec<String> {
    let kinds: Vec<&RuleKind> = rules.rules().iter().map(cdc_rules::Rule::kind).collect();
    let mut dropped = Vec::new();
    for (place, kind) in kinds.iter().enumerate() {
        let RuleKind::Drop { columns } = kind else { continue };
        for column in columns {
            let earlier = kinds.iter().take(place).rev();
            let name = earlier.fold(column, |name, kind| match kind {
                RuleKind::Rename { column, to } if to == name => column,
                RuleKind::Rename { .. }
                | RuleKind::Drop { .. }
                | RuleKind::Filter(_)
                | RuleKind::Required { .. }
                | RuleKind::Range { .. }
                | RuleKind::Allowed { .. }
                | RuleKind::Pattern { .. }
                | RuleKind::Hash { .. } => name,
            });
            dropped.push(name.clone());
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use cdc_rules::Rule;

    use super::*;

    #[test]
    fn a_dropped_column_is_named_as_the_source_names_it() {
        let rename = |column: &str, to: &str| {
            Rule::new(RuleKind::Rename { column: column.to_owned(), to: to.to_owned() })
        };
        let drop = |column: &str| Rule::new(RuleKind::Drop { columns: vec![column.to_owned()] });
        let rules = [rename("a", "b"), rename("b", "c"), drop("c"), rename("d", "c"), drop("e")];
        assert_eq!(dropped(&RuleSet::new(rules.to_vec())), ["a", "e"]);
    }
}
