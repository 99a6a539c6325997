//! libFuzzer on `xml_sig_fuzz::canonicaliser`: any bytes, changed as bytes and as markup.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use xml_sig_fuzz::{canonicaliser::check, edits::mutate};

fuzz_target!(|document: &[u8]| check(document));

fuzz_mutator!(|buffer: &mut [u8], size: usize, size_max: usize, seed: u32| {
    if seed.is_multiple_of(3) {
        fuzzer_mutate(buffer, size, size_max)
    } else {
        mutate(buffer, size, size_max, seed)
    }
});
