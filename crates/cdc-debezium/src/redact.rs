//! Records without the values of some columns, by what Debezium's messages look like.

use std::borrow::Cow;

use cdc_core::{Redact, RedactError, Redactions};
use debezium_envelope::{Limits, key_is_free_of, redact_value};

/// Takes values of columns out of Debezium's messages; see [`Redact`].
#[derive(Debug, Clone, Copy, Default)]
pub struct DebeziumRedactor {
    limits: Limits,
}

impl Redact for DebeziumRedactor {
    fn value(&self, value: &[u8], columns: &Redactions) -> Result<Vec<u8>, RedactError> {
        redact_value(value, columns, &self.limits).map(Cow::into_owned)
    }

    fn is_free(&self, key: &[u8], columns: &Redactions) -> bool {
        key_is_free_of(key, columns, &self.limits)
    }
}
