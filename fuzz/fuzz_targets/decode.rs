//! The record-decode target for libFuzzer. Everything it does is in
//! `annals_fuzz::decode`; run it with
//! `cargo +nightly fuzz run decode --fuzz-dir fuzz --features libfuzzer`.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| annals_fuzz::decode::decode_any(bytes));

#[cfg(not(feature = "libfuzzer"))]
fn main() {
    eprintln!("built without the feature libfuzzer");
}
