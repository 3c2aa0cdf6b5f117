//! Damage to bytes, wherever they are: blocks that are zero, noise, somewhere else, or of
//! another log.

use super::Kind;
use super::base::Base;
use super::hurt::{Damage, Files, Hurt};
use crate::numbers::{Numbers, narrow, wide};

/// What a device writes at once, and what a file system does.
const SIZES: [usize; 2] = [512, 4096];

/// Every damage of this kind to every block of every file.
pub fn blocks(base: &Base, foreign: &Files, kind: Kind, seed: u64) -> Vec<Damage> {
    let mut all = Vec::new();
    let mut numbers = Numbers::new(seed);
    for name in base.names() {
        let Some(bytes) = base.files.get(name) else { continue };
        for size in SIZES {
            // The last one may be shorter.
            let count = bytes.len().div_ceil(size);
            for block in 0..count {
                let range = block * size..((block + 1) * size).min(bytes.len());
                let place = format!("block {block} of {size} in {name}");
                let mut add = |hurt, what| all.push(Damage::to(name, hurt, what));
                let other = narrow(numbers.below(wide(count)));
                match kind {
                    Kind::Zero => add(Hurt::Zero(range), format!("{place} zeroed")),
                    Kind::Garble => {
                        add(Hurt::Garble(range, numbers.next()), format!("{place} garbled"));
                    }
                    Kind::Copy => {
                        let bytes = bytes.get(range).unwrap_or_default().into();
                        add(Hurt::Put(other * size, bytes), format!("{place} also at {other}"));
                    }
                    Kind::Swap => {
                        let theirs = other * size..((other + 1) * size).min(bytes.len());
                        let ours = bytes.get(range.clone()).unwrap_or_default().into();
                        let theirs_bytes = bytes.get(theirs.clone()).unwrap_or_default().into();
                        let one = Hurt::Put(range.start, theirs_bytes);
                        let two = Hurt::Put(theirs.start, ours);
                        let mut both =
                            Damage::to(name, one, format!("{place} swapped with {other}"));
                        both.hurts.push((name.clone(), two));
                        all.push(both);
                    }
                    Kind::Foreign => {
                        let bytes = foreign.get(name).and_then(|bytes| bytes.get(range.clone()));
                        let bytes = bytes.unwrap_or_default().into();
                        add(Hurt::Put(range.start, bytes), format!("{place} of another log"));
                    }
                    _ => {}
                }
            }
        }
    }
    all
}
