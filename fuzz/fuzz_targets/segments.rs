//! The segment-recovery target for libFuzzer. Everything it does is in `annals_fuzz::targets::segments`.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    annals_fuzz::targets::must_hold("segments", bytes);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() {
    eprintln!("built without the feature libfuzzer");
}
