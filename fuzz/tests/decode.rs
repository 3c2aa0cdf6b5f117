//! The committed corpus, and mutations of it, through the record-decode target.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use annals_fuzz::decode::{decode_any, mutate, valid_segment};
use annals_fuzz::numbers::Numbers;

/// The committed inputs, in the order of their names.
fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/decode");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_input_of_the_corpus_is_taken_calmly() {
    let inputs = corpus();
    assert!(inputs.len() >= 8, "{}", inputs.len());
    inputs.iter().for_each(|input| decode_any(input));
}

#[test]
fn mutations_of_the_corpus_are_taken_calmly() {
    let mut inputs = corpus();
    inputs.push(valid_segment()[4096..].to_vec());
    inputs.push(valid_segment().to_vec());
    let mut numbers = Numbers::new(1);
    for round in 0..3_000 {
        let input = &inputs[round % inputs.len()];
        decode_any(&mutate(input, &mut numbers));
    }
}
