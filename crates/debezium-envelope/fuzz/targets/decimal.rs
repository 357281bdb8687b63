//! Any bytes as a decimal.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| debezium_envelope_fuzz::decimal(bytes));
