//! What is done with arbitrary bytes: by the mutation tests beside this file for a bounded time, and by
//! the fuzz targets for as long as somebody likes.

use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, SemanticType};

use crate::fixtures::{declarations, value};

/// What stands before the schema of a value.
pub(crate) const BEFORE_SCHEMA: &str = "{\"schema\":";

/// Decodes, and reads what came out.
pub(crate) fn look(decoder: &mut MessageDecoder, key: Option<&[u8]>, value: Option<&[u8]>) {
    match decoder.decode(key, value) {
        Ok(Message::Change(change)) => {
            for row in [change.before, change.after, change.key].into_iter().flatten() {
                assert_eq!(row.values().count(), row.shape().len());
            }
        }
        Ok(Message::Flattened(row)) => {
            assert_eq!(row.row.values().count(), row.row.shape().len());
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The bytes are a value, and the key of a usual value.
pub(crate) fn message(decoder: &mut MessageDecoder, bytes: &[u8]) {
    look(decoder, None, Some(bytes));
    look(decoder, Some(bytes), Some(value("insert bare").as_bytes()));
}

/// The bytes are the schema of a usual value.
pub(crate) fn schema_block(decoder: &mut MessageDecoder, bytes: &[u8]) {
    let (_, payload) = value("insert schema").split_once(r#","payload":"#).unwrap();
    let parts = [BEFORE_SCHEMA.as_bytes(), bytes, br#","payload":"#, payload.as_bytes()];
    look(decoder, None, Some(&parts.concat()));
}

/// A decoder for [`decimal`].
pub(crate) fn decimal_decoder() -> MessageDecoder {
    declaring(SemanticType::VariableDecimal)
}

/// The bytes are a decimal, of a fixed scale and of its own.
pub(crate) fn decimal(decoder: &mut MessageDecoder, bytes: &[u8]) {
    for column in ["\"AeI6\"", "\"pending\""] {
        instead_of(column, decoder, bytes);
    }
}

/// A decoder for [`array`].
pub(crate) fn array_decoder() -> MessageDecoder {
    declaring(SemanticType::parse("array(text)").unwrap())
}

/// The bytes are an array.
pub(crate) fn array(decoder: &mut MessageDecoder, bytes: &[u8]) {
    instead_of("\"pending\"", decoder, bytes);
}

/// The bytes are a declared type.
pub(crate) fn declaration(bytes: &[u8]) {
    match SemanticType::parse(&String::from_utf8_lossy(bytes)) {
        Ok(semantic) => assert_eq!(SemanticType::parse(&semantic.to_string()), Ok(semantic)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A decoder to which the status of an order is something else.
fn declaring(semantic: SemanticType) -> MessageDecoder {
    let mut declared: Declarations = declarations();
    declared.declare("public.orders", "status", semantic);
    MessageDecoder::new(declared, Limits::default())
}

fn instead_of(column: &str, decoder: &mut MessageDecoder, bytes: &[u8]) {
    let (head, tail) = value("insert bare").split_once(column).unwrap();
    look(decoder, None, Some(&[head.as_bytes(), bytes, tail.as_bytes()].concat()));
}
