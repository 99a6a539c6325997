//! libFuzzer on `lienthong_schemas_fuzz::packet`: any bytes, changed as bytes and as markup.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use lienthong_schemas_fuzz::packet::check;
use xml_sig_fuzz::edits::mutate;

fuzz_target!(|packet: &[u8]| {
    check(packet);
});

fuzz_mutator!(|buffer: &mut [u8], size: usize, size_max: usize, seed: u32| {
    if seed.is_multiple_of(3) {
        fuzzer_mutate(buffer, size, size_max)
    } else {
        mutate(buffer, size, size_max, seed)
    }
});
