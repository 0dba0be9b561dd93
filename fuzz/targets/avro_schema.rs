#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samenloop_fuzz::run("avro_schema", bytes));
