//! Validations bound to columns: which rows are rejected, and what a rejection says.

use cdc_core::{ChangeEvent, Rejection, Row, Stage, Value};

use crate::literal::Literal;
use crate::rule::Pattern;

/// A constraint on one column.
#[derive(Debug)]
pub(crate) struct BoundCheck {
    /// The column's place in the row.
    pub(crate) column: usize,
    /// Its name, for the rejection.
    pub(crate) name: String,
    pub(crate) test: Test,
}

#[derive(Debug)]
pub(crate) enum Test {
    Required,
    Range {
        min: Option<Literal>,
        max: Option<Literal>,
        /// The bounds as they were written.
        shown: String,
    },
    Allowed(Vec<Literal>),
    Pattern(Pattern),
}

impl BoundCheck {
    /// Whether the row passes. An unavailable value does: it was validated when it was written. A
    /// NULL passes everything but `required`.
    pub(crate) fn passes(&self, row: Row<'_>) -> bool {
        let value = row.get(self.column);
        match (&self.test, value) {
            (_, Value::Unavailable) => true,
            (Test::Required, value) => !value.is_null(),
            (_, Value::Null) => true,
            (Test::Range { min, max, .. }, value) => {
                let order = |bound: &Literal| bound.order(value);
                min.as_ref().is_none_or(|min| order(min).is_some_and(std::cmp::Ordering::is_ge))
                    && max
                        .as_ref()
                        .is_none_or(|max| order(max).is_some_and(std::cmp::Ordering::is_le))
            }
            (Test::Allowed(literals), value) => literals.iter().any(|literal| literal.is(value)),
            (Test::Pattern(pattern), Value::Text(text)) => pattern.matches(text),
            (Test::Pattern(_), _) => false,
        }
    }

    /// The rejection of a row that does not pass. It says what was asked, never what was found.
    pub(crate) fn rejection(&self, rule: &str, event: &ChangeEvent<'_>) -> Box<Rejection> {
        let (reason, constraint, hint) = match &self.test {
            Test::Required => (
                "required",
                "must not be null".to_owned(),
                "supply the value in the source, or remove the rule and retry",
            ),
            Test::Range { shown, .. } => (
                "range",
                format!("must be {shown}"),
                "correct the source row, or widen the range and retry",
            ),
            Test::Allowed(literals) => (
                "allowed",
                format!("must be one of the {} allowed values", literals.len()),
                "correct the source row, or allow the value and retry",
            ),
            Test::Pattern(pattern) => (
                "pattern",
                format!("must match the pattern {:?}", pattern.as_str()),
                "correct the source row, or widen the pattern and retry",
            ),
        };
        let message = format!("rule {rule:?}: column {:?} {constraint}", self.name);
        let rejection = Rejection::new(Stage::Rule, reason, message)
            .in_table(event.table)
            .at_column(self.name.as_str())
            .with_hint(hint);
        Box::new(rejection)
    }
}
