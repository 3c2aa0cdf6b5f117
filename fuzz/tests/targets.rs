//! The committed inputs of every fuzz target, and mutations of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use annals_fuzz::numbers::Numbers;
use annals_fuzz::targets::{Target, mutate::mutate, named};

/// The committed inputs of a target, in the order of their names.
fn corpus(target: Target) -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/corpus/{}", env!("CARGO_MANIFEST_DIR"), target.name);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// Replays the corpus of a target, then so many mutations of it; all of them must hold.
fn replay(name: &str, mutations: usize) {
    let target = named(name).unwrap();
    let inputs = corpus(target);
    assert!(inputs.len() >= 8 && inputs.len() < 100, "{} inputs", inputs.len());
    let bytes: usize = inputs.iter().map(|(_, input)| input.len()).sum();
    assert!(bytes < 300 << 10, "{bytes} bytes");
    for (file, input) in &inputs {
        (target.run)(input).unwrap_or_else(|broken| panic!("corpus/{name}/{file}: {broken}"));
    }
    let mut numbers = Numbers::new(1);
    for round in 0..mutations {
        let (_, input) = &inputs[round % inputs.len()];
        let (_, other) = &inputs[usize::try_from(numbers.below(64)).unwrap() % inputs.len()];
        let mutated = mutate(input, other, &mut numbers);
        let outcome = std::panic::catch_unwind(|| (target.run)(&mutated));
        if !matches!(outcome, Ok(Ok(()))) {
            let hex: String = mutated.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name}, mutation {round}: {outcome:?}; input in hex: {hex}");
        }
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
    replay("operations", 2_000);
}
