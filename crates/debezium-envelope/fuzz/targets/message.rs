//! Any bytes as value and as key.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| debezium_envelope_fuzz::message(bytes));
