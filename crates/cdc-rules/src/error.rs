//! Why rules cannot be applied to a table's columns.

use std::sync::Arc;

use cdc_core::{Classify, ErrorClass, Halt};

/// Rules that do not fit the columns of a table. Always a matter of configuration: the table's name
/// is known to the caller, who adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// No column has this name.
    #[error(
        "bound rule {rule:?} to a column {column:?} that the table does not have; it has {known}"
    )]
    UnknownColumn {
        /// The rule.
        rule: Arc<str>,
        /// The name that the rule uses.
        column: String,
        /// The names of the columns at that point.
        known: String,
        /// The name that was probably meant.
        near_miss: Option<String>,
    },
    /// An earlier rule gave the column another name.
    #[error("bound rule {rule:?} to the column {column:?}, which rule {by:?} has renamed")]
    RenamedColumn {
        /// The rule.
        rule: Arc<str>,
        /// The name that the rule uses.
        column: String,
        /// The column's name at that point.
        now: String,
        /// The rule that renamed it.
        by: Arc<str>,
    },
    /// An earlier rule left the column out.
    #[error("bound rule {rule:?} to the column {column:?}, which rule {by:?} has dropped")]
    DroppedColumn {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The rule that dropped it.
        by: Arc<str>,
    },
    /// An earlier rule hashed the column.
    #[error("bound rule {rule:?} to the column {column:?}, which rule {by:?} has hashed")]
    HashedColumn {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The rule that hashed it.
        by: Arc<str>,
    },
    /// A column would get the name of another one.
    #[error("bound rule {rule:?}: the name {to:?} for the column {column:?} is taken")]
    NameTaken {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The name it would get.
        to: String,
    },
    /// A column would get an empty name.
    #[error("bound rule {rule:?}: the new name of the column {column:?} is empty")]
    EmptyName {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
    },
    /// The rules leave no column.
    #[error("bound rule {rule:?}, which leaves the table without columns")]
    NoColumnLeft {
        /// The rule that dropped the last one.
        rule: Arc<str>,
    },
    /// The column's type cannot be used in this way.
    #[error("bound rule {rule:?} to the column {column:?} of type {semantic}: it takes {needs}")]
    UnsuitableType {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The column's type.
        semantic: String,
        /// What the rule can be used with.
        needs: &'static str,
    },
    /// A literal does not have the form that the column's type asks for.
    #[error(
        "bound rule {rule:?} to the column {column:?} of type {semantic}: {literal:?} is not {expected}"
    )]
    InvalidLiteral {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The column's type.
        semantic: String,
        /// The literal as it was written.
        literal: String,
        /// The form.
        expected: &'static str,
    },
    /// A literal is none of an enum's labels.
    #[error("bound rule {rule:?} to the column {column:?}: its type has no label {literal:?}")]
    UnknownLabel {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
        /// The literal as it was written.
        literal: String,
        /// The label that was probably meant.
        near_miss: Option<String>,
    },
    /// No value can be in the range.
    #[error("bound rule {rule:?} to the column {column:?}: its least value is above its greatest")]
    EmptyRange {
        /// The rule.
        rule: Arc<str>,
        /// The column.
        column: String,
    },
    /// A rule that says nothing: no column, no value, no bound or no comparison.
    #[error("bound rule {rule:?}, which names no {lacks}")]
    Incomplete {
        /// The rule.
        rule: Arc<str>,
        /// What is missing.
        lacks: &'static str,
    },
}

impl RuleError {
    /// The name of the rule that does not fit.
    pub fn rule(&self) -> &str {
        match self {
            Self::UnknownColumn { rule, .. }
            | Self::RenamedColumn { rule, .. }
            | Self::DroppedColumn { rule, .. }
            | Self::HashedColumn { rule, .. }
            | Self::NameTaken { rule, .. }
            | Self::EmptyName { rule, .. }
            | Self::NoColumnLeft { rule }
            | Self::UnsuitableType { rule, .. }
            | Self::InvalidLiteral { rule, .. }
            | Self::UnknownLabel { rule, .. }
            | Self::EmptyRange { rule, .. }
            | Self::Incomplete { rule, .. } => rule,
        }
    }

    /// The column it names, when there is one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::UnknownColumn { column, .. }
            | Self::RenamedColumn { column, .. }
            | Self::DroppedColumn { column, .. }
            | Self::HashedColumn { column, .. }
            | Self::NameTaken { column, .. }
            | Self::EmptyName { column, .. }
            | Self::UnsuitableType { column, .. }
            | Self::InvalidLiteral { column, .. }
            | Self::UnknownLabel { column, .. }
            | Self::EmptyRange { column, .. } => Some(column),
            Self::NoColumnLeft { .. } | Self::Incomplete { .. } => None,
        }
    }
}

impl Classify for RuleError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Fatal(Halt::Configuration)
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownColumn { near_miss: Some(name), .. } => {
                format!("write {name:?}, which is close to it")
            }
            Self::UnknownColumn { near_miss: None, .. } => {
                "correct the column's name, or remove the rule".to_owned()
            }
            Self::RenamedColumn { now, .. } => {
                format!("write {now:?}, or move the rule before the renaming")
            }
            Self::DroppedColumn { .. } => "move the rule before the one that drops it".to_owned(),
            Self::HashedColumn { .. } => "remove one of the two rules".to_owned(),
            Self::NameTaken { .. } => {
                "choose another name, or rename or drop that column first".to_owned()
            }
            Self::EmptyName { .. } => "give the column a name".to_owned(),
            Self::NoColumnLeft { .. } => "keep a column, or leave the table out".to_owned(),
            Self::UnsuitableType { semantic, .. } if semantic == "undeclared" => {
                "declare the column's type in the table's columns".to_owned()
            }
            Self::UnsuitableType { .. } => "use another rule or another column".to_owned(),
            Self::InvalidLiteral { .. } => {
                "write the literal in the form of the column's type".to_owned()
            }
            Self::UnknownLabel { near_miss: Some(label), .. } => {
                format!("write {label:?}, which is close to it")
            }
            Self::UnknownLabel { near_miss: None, .. } => {
                "write one of the type's labels".to_owned()
            }
            Self::EmptyRange { .. } => "swap the two bounds".to_owned(),
            Self::Incomplete { lacks, .. } => format!("add a {lacks}, or remove the rule"),
        })
    }
}
