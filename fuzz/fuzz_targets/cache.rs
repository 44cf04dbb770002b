//! The target `cache` of `attack`, by libFuzzer's bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sconce_fuzz::attack::once("cache", bytes));
