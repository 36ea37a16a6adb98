#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kaiwa_fuzz::spoil(data));
