//! Changing inputs a little, from a seed: for plain tests, without libFuzzer.

use crate::numbers::{Numbers, narrow, wide};

/// No input gets longer.
const LONGEST: usize = 64 << 10;

/// Changes an input: bits, bytes, numbers at their extremes, pieces moved, taken out or
/// put in from another one.
pub fn mutate(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + numbers.below(4) {
        let at = narrow(numbers.below(wide(bytes.len()) + 1));
        let len = narrow(1 + numbers.below(16));
        match numbers.below(8) {
            0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << numbers.below(8)),
            1 | 2 => {
                let random = numbers.next().to_le_bytes();
                let to = bytes.get_mut(at..).into_iter().flatten();
                to.zip(random).take(len % 5).for_each(|(to, from)| *to = from);
            }
            3 => {
                let word = numbers.next().to_le_bytes();
                let extreme = [0, u64::MAX, 1 << 24, 0x7FFF_FFF8, u64::from_le_bytes(word)];
                let value = extreme.get(len % extreme.len()).copied().unwrap_or(0);
                let to = bytes.get_mut(at & !3..).into_iter().flatten();
                to.zip(value.to_le_bytes()).take(4).for_each(|(to, from)| *to = from);
            }
            4 if bytes.len() > 8 => bytes.truncate(at),
            5 => {
                let end = (at + len).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            6 => {
                let from = narrow(numbers.below(wide(other.len()) + 1));
                let piece = other.get(from..).unwrap_or_default().iter().take(len * 4);
                drop(bytes.splice(at..at, piece.copied()));
            }
            _ => {
                let random = numbers.next().to_le_bytes();
                drop(bytes.splice(at..at, random.into_iter().take(len)));
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}
