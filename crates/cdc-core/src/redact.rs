//! What may be kept of a record whose row holds values that must not be kept.

use std::fmt;

use debezium_envelope::{RedactError, Redactions};

/// Takes values of columns out of records as they stand in the log.
///
/// Only whoever knows what the bytes of a log mean can do so, and a sink does not. An implementation must
/// not guess: where it is not certain which bytes are values of these columns, it gives nothing.
pub trait Redact: fmt::Debug + Send + Sync {
    /// The value of a record without the values of these columns; the same bytes when it has none.
    ///
    /// # Errors
    ///
    /// When it is not certain where they stand.
    fn value(&self, value: &[u8], columns: &Redactions) -> Result<Vec<u8>, RedactError>;

    /// Whether it is certain that a record's key holds no value of these columns.
    fn is_free(&self, key: &[u8], columns: &Redactions) -> bool;
}
