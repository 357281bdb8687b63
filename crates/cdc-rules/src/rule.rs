//! One rule as it was written: names of columns and text of literals, not yet bound to a shape.

use std::fmt;
use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::Operation;
use regex::Regex;

/// A rule with its name. The name is what skipped changes are counted under and what rejections
/// say.
#[derive(Debug, Clone)]
pub struct Rule {
    name: Arc<str>,
    kind: RuleKind,
}

impl Rule {
    /// A rule named after what it does and to which columns, such as `required(amount)`.
    pub fn new(kind: RuleKind) -> Self {
        Self { name: kind.derived_name().into(), kind }
    }

    /// The same rule under a name of one's own.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn kind(&self) -> &RuleKind {
        &self.kind
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }
}

/// What a rule does.
///
/// Literals are text; they are parsed by the type of the column when the rule is bound.
#[derive(Debug, Clone)]
pub enum RuleKind {
    /// Skips changes.
    Filter(Filter),
    /// Rejects rows in which one of the columns is NULL.
    Required {
        /// The columns.
        columns: Vec<String>,
    },
    /// Rejects rows whose value is outside inclusive bounds. NULL passes.
    Range {
        /// The column: a number, date, time or timestamp.
        column: String,
        /// The least value that passes.
        min: Option<String>,
        /// The greatest value that passes.
        max: Option<String>,
    },
    /// Rejects rows whose value is not in a list. NULL passes.
    Allowed {
        /// The column.
        column: String,
        /// The list.
        values: Vec<String>,
    },
    /// Rejects rows whose text does not match. NULL passes.
    Pattern {
        /// The column: text, a label, a JSON document, or of no declared type.
        column: String,
        /// The regular expression.
        pattern: Pattern,
    },
    /// Gives a column another name.
    Rename {
        /// The column.
        column: String,
        /// Its new name.
        to: String,
    },
    /// Leaves columns out.
    Drop {
        /// The columns.
        columns: Vec<String>,
    },
    /// Replaces a value by its keyed hash, HMAC-SHA-256 of its text in hexadecimal. The column
    /// becomes text.
    Hash {
        /// The column.
        column: String,
        /// The key.
        key: Secret,
    },
}

impl RuleKind {
    fn derived_name(&self) -> String {
        match self {
            Self::Filter(filter) => filter.derived_name(),
            Self::Required { columns } => format!("required({})", columns.join(", ")),
            Self::Range { column, .. } => format!("range({column})"),
            Self::Allowed { column, .. } => format!("allowed({column})"),
            Self::Pattern { column, .. } => format!("pattern({column})"),
            Self::Rename { column, .. } => format!("rename({column})"),
            Self::Drop { columns } => format!("drop({})", columns.join(", ")),
            Self::Hash { column, .. } => format!("hash({column})"),
        }
    }
}

/// Which changes are skipped.
///
/// A change *matches* when its operation is listed and its row meets the condition. `Keep` skips
/// what does not match, `Drop` skips what does.
///
/// The condition looks at the row after the change. Where it cannot be decided, nothing is skipped:
/// a truncate has no row, an unavailable value may be anything, and the row before a delete holds
/// real values only in its key columns unless the source table has full replica identity.
#[derive(Debug, Clone)]
pub struct Filter {
    /// What happens to matching changes.
    pub effect: FilterEffect,
    /// Operations that match; an empty list stands for all of them.
    pub operations: Vec<Operation>,
    /// What the row must be to match.
    pub condition: Option<Condition>,
    /// Whether the condition also judges deletes, by the row before them.
    pub deletes: Deletes,
}

impl Filter {
    fn derived_name(&self) -> String {
        let effect = match self.effect {
            FilterEffect::Keep => "keep",
            FilterEffect::Drop => "drop",
        };
        let operations = self.operations.iter().map(|operation| operation_name(*operation));
        let condition = self.condition.iter().map(|condition| condition.column.as_str());
        let subject: Vec<&str> = operations.chain(condition).collect();
        format!("{effect}({})", subject.join(", "))
    }
}

/// What a filter does to the changes that match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterEffect {
    /// Keeps them and skips the others.
    Keep,
    /// Skips them and keeps the others.
    Drop,
}

/// What a filter's condition does about deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletes {
    /// It lets them pass, so that no row survives its deletion.
    #[default]
    Pass,
    /// It judges them by the row before. Only right for key columns, or when the source table has
    /// full replica identity: other columns of that row are NULL or zero.
    Judge,
}

/// A condition on one column. All comparisons must hold.
///
/// A NULL meets `IsNull` and nothing else, as in SQL.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What its value must be.
    pub comparisons: Vec<Comparison>,
}

/// One comparison of a column with literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is this value.
    Equals(String),
    /// It is a value, and another one than this.
    NotEquals(String),
    /// It is one of these values.
    In(Vec<String>),
    /// It is NULL.
    IsNull,
    /// It is not NULL.
    NotNull,
    /// It is less than this value.
    Less(String),
    /// It is greater than this value.
    Greater(String),
}

/// A regular expression, anchored only where it says so. Matching takes time linear in the text.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Compiles an expression in the syntax of the `regex` crate.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the message completes "expected".
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Regex::new(text).map(|regex| Self { regex }).map_err(|error| {
            // The last line says what is wrong; the lines above it draw the expression.
            let text = error.to_string();
            let problem = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            PatternError { problem: problem.to_owned() }
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

/// Why a text is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a regular expression ({problem})")]
pub struct PatternError {
    problem: String,
}

/// The name of an operation in configuration and in the names of rules.
pub(crate) fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Insert => "insert",
        Operation::Snapshot => "snapshot",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Truncate => "truncate",
    }
}
