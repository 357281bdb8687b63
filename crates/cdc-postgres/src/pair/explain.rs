//! The table of pairs for readers.

use super::rules::{is_text_form, rules};
use super::target::TargetKind;

/// A row of the table: a meaning of a source column and a type of a target column that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypePair {
    /// The meaning, in the language of declarations.
    pub source: &'static str,
    /// The target column's type in SQL. An array of the meaning goes into an array of the type.
    pub target: &'static str,
    /// What the binary form of the cells consists of.
    pub form: &'static str,
    /// What must hold beside; empty when nothing must.
    pub condition: &'static str,
    /// Why the pair is exact, or how far.
    pub why: &'static str,
}

/// All pairs of types that are written. Every other pair is refused before a run writes anything.
///
/// ```
/// let pair = cdc_postgres::type_pairs().find(|pair| pair.source == "interval");
/// assert_eq!(pair.map(|pair| pair.target), Some("interval"));
/// ```
pub fn type_pairs() -> impl Iterator<Item = TypePair> {
    rules().iter().map(|rule| TypePair {
        source: rule.source.name(),
        target: rule.target.name(),
        form: if is_text_form(rule.source, rule.target) {
            TargetKind::TextForm.form()
        } else {
            rule.target.form()
        },
        condition: rule.condition.text(),
        why: rule.why,
    })
}
