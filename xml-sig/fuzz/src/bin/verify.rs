//! libFuzzer on `xml_sig_fuzz::verify`: a script of edits to a signed document.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xml_sig_fuzz::verify::check;

fuzz_target!(|script: &[u8]| {
    check(script);
});
