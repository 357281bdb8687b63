//! Transforms, validates, masks and filters changes by rules that are bound once to a table's
//! columns.
//!
//! # What it guarantees
//!
//! - Rules run in the order written. The first filter or validation that decides ends it; a skipped
//!   change carries the name of the rule, a rejected one the rule, the column and the constraint,
//!   never the value.
//! - After binding there is no look-up by name, and after warm-up no allocation per row. Without
//!   rules that change columns the change passes untouched under the very same shape.
//! - Comparisons are exact: decimals as decimals at any scale, times in whole nanoseconds, whatever
//!   their wire unit.
//! - What cannot be decided is neither skipped nor rejected: an unavailable value passes, and so do
//!   the unreliable columns of a deleted row.
//! - Masking treats the rows before and after alike, so a delete still finds its masked key.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use cdc_core::{Column, RowShape, SemanticType};
//! use cdc_rules::{Rule, RuleKind, RuleSet};
//!
//! let rules = RuleSet::new(vec![
//!     Rule::new(RuleKind::Required { columns: vec!["amount".into()] }),
//!     Rule::new(RuleKind::Rename { column: "amount".into(), to: "price".into() }),
//! ]);
//! let shape = Arc::new(RowShape::new(vec![
//!     Column::new("order_id", SemanticType::Int32),
//!     Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
//! ]));
//! let bound = rules.bind(&shape)?;
//! assert_eq!(bound.output_shape().to_string(), "(order_id int32, price decimal(10,2))");
//! # Ok::<(), cdc_rules::RuleError>(())
//! ```
//!
//! # Vocabulary
//!
//! - **Filter**: skips changes by operation, by a condition on a column, or both.
//! - **Validation** (`required`, `range`, `allowed`, `pattern`): rejects the row after a change.
//!   Deletes are not validated; NULL passes all but `required`, as in a CHECK constraint.
//! - **Projection** (`rename`, `drop`, `hash`): changes the columns of what is kept. Later rules use
//!   the new names; validations and conditions see the source's own values even after a hash.
//! - **Hash**: HMAC-SHA-256 of PostgreSQL's text form of the value, in lower-case hexadecimal, so
//!   `encode(hmac(email::text, key, 'sha256'), 'hex')` gives the same. Equal values hash alike in
//!   every column with the same key, which keeps joins possible.
//!
//! # Limits
//!
//! - A condition on a column that changes leaves a mirror with the last row that matched: filter
//!   mirrors by columns that do not change.
//! - Bounds compare numbers, dates, times and timestamps; text has no order here, because it would
//!   depend on a collation. Decimal literals have at most 38 digits.
//! - A rule sees one row; there are no rules over several columns or rows.

mod bind;
mod bound;
mod calendar;
mod canonical;
mod config;
mod error;
mod filter;
mod hash;
mod literal;
mod masked;
mod rule;
mod set;
mod validate;

pub use bound::{BoundRules, Verdict};
pub use error::RuleError;
pub use masked::Masked;
pub use rule::{
    Comparison, Condition, Deletes, Filter, FilterEffect, Pattern, PatternError, Rule, RuleKind,
};
pub use set::RuleSet;
