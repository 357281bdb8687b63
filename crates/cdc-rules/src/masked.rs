//! Which columns rules keep out of a target, by the names that they have in the source.

use std::collections::BTreeMap;

use cdc_config::Secret;
use cdc_core::{Redaction, Redactions};

use crate::{Rule, RuleKind, RuleSet};

/// What must be masked wherever a row of the table is kept as it came.
#[derive(Debug, Clone, Default)]
pub struct Masked {
    /// The columns. A hash leaves NULL as it is; of a dropped column nothing is left.
    pub columns: Redactions,
    /// The keys of the hashes, in the order of the rules.
    pub keys: Vec<Secret>,
}

impl RuleSet {
    /// The columns that rules hash or drop.
    ///
    /// ```
    /// use cdc_rules::{Rule, RuleKind, RuleSet};
    ///
    /// let rules = RuleSet::new(vec![
    ///     Rule::new(RuleKind::Rename { column: "email".into(), to: "contact".into() }),
    ///     Rule::new(RuleKind::Drop { columns: vec!["contact".into()] }),
    /// ]);
    /// let columns: Vec<_> = rules.masked().columns.into_keys().collect();
    /// assert_eq!(columns, ["email"]);
    /// ```
    pub fn masked(&self) -> Masked {
        let mut masked = Masked::default();
        // Names that columns have at this point, where they differ from those in the source.
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for rule in self.rules().iter().map(Rule::kind) {
            match rule {
                RuleKind::Rename { column, to } => {
                    let source = names.remove(&**column).unwrap_or(column);
                    names.insert(to, source);
                }
                RuleKind::Drop { columns } => {
                    for column in columns {
                        let source = names.get(&**column).copied().unwrap_or(column);
                        masked.columns.insert(source.to_owned(), Redaction::Always);
                    }
                }
                RuleKind::Hash { column, key } => {
                    let source = names.get(&**column).copied().unwrap_or(column);
                    let held = masked.columns.entry(source.to_owned());
                    held.or_insert(Redaction::UnlessNull);
                    masked.keys.push(key.clone());
                }
                RuleKind::Filter(_)
                | RuleKind::Required { .. }
                | RuleKind::Range { .. }
                | RuleKind::Allowed { .. }
                | RuleKind::Pattern { .. } => {}
            }
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(column: &str, to: &str) -> Rule {
        Rule::new(RuleKind::Rename { column: column.to_owned(), to: to.to_owned() })
    }

    fn hash(column: &str) -> Rule {
        Rule::new(RuleKind::Hash { column: column.to_owned(), key: Secret::new(column) })
    }

    fn drop(column: &str) -> Rule {
        Rule::new(RuleKind::Drop { columns: vec![column.to_owned()] })
    }

    #[test]
    fn columns_are_masked_under_the_names_that_they_have_in_the_source() {
        let rules = RuleSet::new(vec![
            rename("a", "b2"),
            rename("b", "a"),
            rename("b2", "b"),
            hash("b"),
            drop("a"),
            hash("c"),
            drop("c"),
            Rule::new(RuleKind::Required { columns: vec!["d".to_owned()] }),
        ]);
        let Masked { columns, keys } = rules.masked();
        let expected =
            [("a", Redaction::UnlessNull), ("b", Redaction::Always), ("c", Redaction::Always)];
        assert_eq!(columns, expected.map(|(name, how)| (name.to_owned(), how)).into());
        assert_eq!(keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["b", "c"]);
        assert!(RuleSet::empty().masked().columns.is_empty());
    }
}
