//! Which column type can hold which meaning exactly, and how.
//!
//! The encoder of a cell follows from the target's type alone; whether a source column may use it
//! is a row of the [table](rules). A pair that is not in the table is refused before anything is
//! written, with both types named. A pair that is in the table may still meet a value that does not
//! fit: the encoder refuses that one value and never rounds, cuts or shifts it.

mod encoder;
mod explain;
mod fitting;
mod hint;
mod rules;
mod target;

use std::fmt;

use cdc_core::SemanticType;

use crate::catalog::TargetColumn;
pub(crate) use encoder::{CellEncoder, ColumnEncoder, RangeBound};
pub use explain::{TypePair, type_pairs};
pub(crate) use fitting::fitting;
pub(crate) use hint::toml_key;
use rules::allows;
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
) -> Result<ColumnEncoder, PairRefusal> {
    if target.generated {
        return Err(hint::generated(target));
    }
    let kind = TargetType::of(target);
    let written = |source: &SemanticType| {
        kind.filter(|kind| allows(source, *kind)).map(|kind| kind.encoder_for(source))
    };
    let encoder = match (semantic, target.element) {
        (SemanticType::Array { element }, Some(of)) => {
            let element = written(element);
            element.map(|element| ColumnEncoder::Array { element, element_oid: of.oid })
        }
        (SemanticType::Vector | SemanticType::HalfVector, Some(of)) => {
            let reals = kind.and_then(TargetType::reals).filter(|reals| allows(semantic, *reals));
            reals.map(|reals| ColumnEncoder::Array { element: reals.encoder, element_oid: of.oid })
        }
        (SemanticType::Array { .. }, None) | (_, Some(_)) => None,
        (_, None) => written(semantic).map(ColumnEncoder::from),
    };
    encoder.ok_or_else(|| hint::refusal(semantic, target, kind))
}

/// The names of a pair in the table.
#[cfg(test)]
pub(crate) fn pair_names(
    semantic: &SemanticType,
    target: &TargetColumn,
) -> (&'static str, &'static str) {
    let kind = TargetType::of(target).expect("a type that is written").kind;
    (rules::Source::of(semantic).name(), kind.name())
}

#[cfg(test)]
mod tests;
