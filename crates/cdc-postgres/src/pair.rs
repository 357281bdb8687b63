//! Which column type can hold which meaning exactly, and how.
//!
//! The encoder of a cell follows from the target's type alone; whether a source column may use it
//! is a row of the [table](rules). A pair that is not in the table is refused before anything is
//! written, with both types named. A pair that is in the table may still meet a value that does not
//! fit: the encoder refuses that one value and never rounds, cuts or shifts it.

mod hint;
mod rules;
mod target;

use std::fmt;

use cdc_core::SemanticType;

use crate::catalog::TargetColumn;
use rules::{Source, allows};
use target::TargetType;

/// The limits of a `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumericBound {
    /// Most digits in total, 1 to 1000.
    pub(crate) precision: u16,
    /// Digits after the point, −1000 to 1000; negative for multiples of a power of ten.
    pub(crate) scale: i16,
}

impl NumericBound {
    /// Most digits before the point; negative when the first digits after it must be zero.
    pub(crate) fn integer_digits(self) -> i64 {
        i64::from(self.precision).saturating_sub(i64::from(self.scale))
    }
}

/// How the cells of one column become bytes. It follows from the target's type; the value's own
/// kind is checked cell by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellEncoder {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`, from decimals, integers and decimal text.
    Numeric(Option<NumericBound>),
    /// Every type whose binary form is its text: `text`, `varchar`, `char`, `json`, enum labels.
    Text {
        /// Most characters.
        chars_max: Option<u32>,
    },
    /// `jsonb`: text behind a version byte.
    Jsonb,
    /// `uuid`, from a UUID or its text form.
    Uuid,
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time`.
    Time {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `timestamp`.
    Timestamp {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
    /// `timestamptz`.
    Timestamptz {
        /// Values are whole multiples of this many microseconds.
        step: u32,
    },
}

/// A pair of types that cannot be exact. `Display` writes the message and the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairRefusal {
    /// Which column and which two types.
    pub(crate) message: String,
    /// What to do, starting with a verb.
    pub(crate) hint: String,
}

impl fmt::Display for PairRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.hint)
    }
}

impl std::error::Error for PairRefusal {}

/// The encoder for values of this meaning into this column.
///
/// # Errors
///
/// [`PairRefusal`] when some values of the meaning could not be held exactly, when the meaning is
/// not known well enough to tell, and when the server alone fills the column.
pub(crate) fn pair(
    semantic: &SemanticType,
    target: &TargetColumn,
) -> Result<CellEncoder, PairRefusal> {
    if target.generated {
        return Err(hint::generated(target));
    }
    let source = Source::of(semantic);
    match TargetType::of(target) {
        Some(kind) if allows(source, kind) => Ok(kind.encoder()),
        kind => Err(hint::refusal(semantic, source, target, kind)),
    }
}

#[cfg(test)]
mod tests;
