//! The committed inputs of every fuzz target, and mutations of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Instant;

use annals_fuzz::numbers::{Numbers, narrow, wide};
use annals_fuzz::targets::{CANARIES, TARGETS, Target, mutate::mutate, named};

/// Inputs of a target, in the order of their names: the committed ones, or those in a
/// folder of `ANNALS_FUZZ_CORPUS`, which has one for each target.
fn corpus(target: Target) -> Vec<(String, Vec<u8>)> {
    let committed = format!("{}/corpus", env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var("ANNALS_FUZZ_CORPUS").unwrap_or(committed);
    let entries = std::fs::read_dir(format!("{folder}/{}", target.name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    paths.iter().map(read).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Replays the corpus of a target, then so many mutations of it, or as many as
/// `ANNALS_FUZZ_MUTATIONS` says, drawn from `ANNALS_FUZZ_SEED`; all of them must hold.
fn replay(name: &str, mutations: u64) {
    let target = named(name).unwrap();
    if let Ok(hex) = std::env::var("ANNALS_FUZZ_INPUT") {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        let input: Vec<_> = hex.as_bytes().chunks(2).map(|pair| byte(pair).unwrap()).collect();
        return (target.run)(&input).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    }
    let inputs = corpus(target);
    for (file, input) in &inputs {
        (target.run)(input).unwrap_or_else(|broken| panic!("{name}/{file}: {broken}"));
    }
    let seed = number("ANNALS_FUZZ_SEED").unwrap_or(1);
    let (mut numbers, began) = (Numbers::new(seed), Instant::now());
    let mutations = number("ANNALS_FUZZ_MUTATIONS").unwrap_or(mutations);
    let pick = |numbers: &mut Numbers| &inputs[narrow(numbers.below(wide(inputs.len())))].1;
    for round in 0..mutations {
        let (input, other) = (pick(&mut numbers), pick(&mut numbers));
        let mutated = mutate(input, other, &mut numbers);
        let outcome = std::panic::catch_unwind(|| (target.run)(&mutated));
        if !matches!(outcome, Ok(Ok(()))) {
            let hex: String = mutated.iter().map(|byte| format!("{byte:02x}")).collect();
            let this = std::thread::current().name().unwrap_or_default().to_owned();
            panic!(
                "{name}, mutation {round} of seed {seed}: {outcome:?}\n  \
                 again: ANNALS_FUZZ_INPUT={hex} cargo test -p annals-fuzz --test targets {this}"
            );
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}: {} inputs, {mutations} mutations, {seconds:.1} s", inputs.len());
}

#[test]
fn the_committed_inputs_are_few_and_small() {
    for target in TARGETS.into_iter().chain(CANARIES) {
        let inputs = corpus(target);
        let bytes: usize = inputs.iter().map(|(_, input)| input.len()).sum();
        println!("{}: {} inputs, {bytes} bytes", target.name, inputs.len());
        assert!(!inputs.is_empty() && inputs.len() < 100, "{}: {}", target.name, inputs.len());
        assert!(bytes < 300 << 10, "{}: {bytes} bytes", target.name);
    }
}

#[test]
fn segments_of_any_bytes_are_taken_calmly() {
    replay("decode", 6_000);
}

#[test]
fn changed_segments_show_nothing_that_was_not_appended() {
    replay("segments", 6_000);
}

#[test]
fn an_index_of_any_bytes_is_never_believed_over_the_log() {
    replay("run", 6_000);
}

#[test]
fn whatever_stands_beside_the_segments_everything_is_served() {
    replay("derived", 6_000);
}

#[test]
fn readers_verification_and_repair_take_any_bytes_calmly() {
    replay("reader", 4_000);
}

#[test]
fn any_program_with_crashes_and_failing_calls_keeps_every_promise() {
    replay("operations", 1_500);
}

/// Inputs that libFuzzer found for the planted bugs fail, so that what the other tests pass
/// is not that nothing is seen; without the bug they hold. Those that it starts from hold:
/// something is left to find.
#[test]
fn the_canaries_are_found() {
    for canary in CANARIES {
        let found = format!("{}/corpus/found/{}", env!("CARGO_MANIFEST_DIR"), canary.name);
        let found = std::fs::read(found).unwrap();
        // Release builds have no planted bugs.
        if cfg!(debug_assertions) || canary.name == "canary_deep" {
            assert!((canary.run)(&found).is_err(), "{}", canary.name);
        }
        (named("segments").unwrap().run)(&found).unwrap();
        for (file, input) in corpus(canary) {
            (canary.run)(&input)
                .unwrap_or_else(|broken| panic!("{}/{file}: {broken}", canary.name));
        }
    }
}
