//! What the targets do with their bytes is what the crate's own mutation tests do.

#[path = "../../tests/it/bodies.rs"]
mod bodies;
#[path = "../../tests/it/fixtures.rs"]
#[expect(dead_code, reason = "the tests have a use for the rest")]
mod fixtures;

/// Takes bytes for a value, and for a key.
pub fn message(bytes: &[u8]) {
    bodies::message(&mut fixtures::decoder(), bytes);
}

/// Takes bytes for the schema of a value.
pub fn schema_block(bytes: &[u8]) {
    bodies::schema_block(&mut fixtures::decoder(), bytes);
}

/// Takes bytes for a decimal.
pub fn decimal(bytes: &[u8]) {
    bodies::decimal(&mut bodies::decimal_decoder(), bytes);
}

/// Takes bytes for a declared type.
pub fn declaration(bytes: &[u8]) {
    bodies::declaration(bytes);
}

/// Takes bytes for an array.
pub fn array(bytes: &[u8]) {
    bodies::array(&mut bodies::array_decoder(), bytes);
}
