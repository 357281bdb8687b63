//! Any bytes as the schema of a value.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| debezium_envelope_fuzz::schema_block(bytes));
