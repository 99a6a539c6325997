//! libFuzzer on `lienthong_schemas_fuzz::attachment`: texts, files, and recipes of archives.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lienthong_schemas_fuzz::attachment::check;

fuzz_target!(|input: &[u8]| {
    check(input);
});
