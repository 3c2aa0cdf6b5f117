//! A bug behind every checksum, that libFuzzer must find: `annals_fuzz::targets::canary::deep`.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::targets::must_hold("canary_deep", bytes);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() {
    eprintln!("built without the feature libfuzzer");
}
