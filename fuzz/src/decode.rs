//! The record-decode target: arbitrary bytes as a segment, opened and read.
//!
//! What is asked: no panic, and memory bounded by the input. Whether what is read is
//! right is asked elsewhere; here a log may say anything but must say it calmly.

use std::sync::{Arc, OnceLock};

use annals::io::sim::SimStorage;
use annals::{Batch, Log, Reading, Start};

use crate::check::{STATES, open, options};
use crate::numbers::Numbers;
use crate::oracle::Oracle;
use crate::told::{Entry, Fold, SCHEMA, Told};

/// The segment that the bytes are put into.
const FIRST: &str = "00000000000000000001.seg";

/// Where the first group of a segment stands.
const DATA: usize = 4096;

/// Opens a log of arbitrary bytes and reads all of it: the bytes as the first
/// segment, and spliced over a valid one at its start, at its first group, and at a
/// place that the bytes choose; with both ways of reading, strictly and not.
pub fn decode_any(bytes: &[u8]) {
    try_segment(bytes);
    let valid = valid_segment();
    let choice = bytes.iter().take(2).fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    for at in [0, DATA, DATA + choice % 2048] {
        let mut spliced = valid.to_vec();
        if spliced.len() < at + bytes.len() {
            spliced.resize(at + bytes.len(), 0);
        }
        let place = spliced.get_mut(at..).into_iter().flatten();
        place.zip(bytes).for_each(|(to, from)| *to = *from);
        try_segment(&spliced);
    }
}

fn try_segment(bytes: &[u8]) {
    for reading in [Reading::Mapped, Reading::Pread] {
        let disk = SimStorage::new();
        disk.write_file(FIRST, bytes);
        let strict = options(reading).strict(true).open_on(Arc::new(disk.fork()));
        drop(strict.map(|log| read_everything(&log)));
        drop(open(&disk, reading).map(|log| read_everything(&log)));
    }
}

/// Errors are answers too: only how they come about matters.
fn read_everything(log: &Log) {
    let mut all = log.read_all();
    while let Ok(Some(event)) = all.next() {
        drop(std::hint::black_box(Told::read(&event)));
    }
    drop(log.read_all().backward().limit(3).collect());
    if let Ok(mut cursor) = log.cursor(Start::Beginning) {
        while cursor.poll(8).is_ok_and(|events| !events.is_empty()) {}
    }
    let Ok(mut streams) = log.streams("") else { return };
    while let Ok(Some(info)) = streams.next() {
        drop(log.read(info.name).collect());
        drop(log.read(info.name).backward().collect());
        let mut loaded = log.load(info.name, SCHEMA);
        while let Ok(of) = loaded
            && let Some(found) = of.snapshot()
        {
            std::hint::black_box(found.data().len() + found.content_type().map_or(0, str::len));
            loaded = of.earlier();
        }
        drop(log.snapshot(info.name));
    }
    for name in STATES {
        drop(log.state(name, SCHEMA));
    }
    // What it answers is of no matter; nothing of the log is needed after it.
    for key in ["decode", "other"] {
        drop(log.append(Batch::new().once(key)));
    }
}

/// A small valid segment of a log that was not closed, with records of every kind.
pub fn valid_segment() -> &'static [u8] {
    static SEGMENT: OnceLock<Vec<u8>> = OnceLock::new();
    SEGMENT.get_or_init(|| {
        let disk = SimStorage::new();
        let Ok(log) = open(&disk, Reading::Mapped) else { return Vec::new() };
        let mut oracle = Oracle::default();
        for (number, len) in (0..).zip([10, 300, 0, 700, 40]) {
            let mut entry = Entry::of(vec![Told::make("decode-1", 1 << 100 | number, len)]);
            if len == 300 {
                entry.key = Some("decode".into());
                entry.folds.push(Fold::make(false, "decode-1", oracle.version("decode-1"), 20));
                entry.folds.push(Fold::make(true, STATES[0], 7, 20));
            }
            if log.append(&oracle.batch(&entry)).is_ok() {
                oracle.place_durable(entry);
            }
        }
        disk.kill();
        drop(log);
        disk.read_file(FIRST).unwrap_or_default()
    })
}

/// Changes an input a little: bits, bytes, numbers at their extremes, pieces moved.
pub fn mutate(input: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 + numbers.below(4) {
        let at = crate::numbers::narrow(numbers.below(crate::numbers::wide(bytes.len()).max(1)));
        let word = match numbers.below(6) {
            0 => 0_u32.to_le_bytes(),
            1 => u32::MAX.to_le_bytes(),
            2 => 0x7FFF_FFF8_u32.to_le_bytes(),
            3 => 16_777_216_u32.to_le_bytes(),
            _ => [0, 1, 2, 3].map(|_| numbers.next().to_le_bytes().first().copied().unwrap_or(0)),
        };
        match numbers.below(5) {
            0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << numbers.below(8)),
            1 => bytes.truncate(at),
            2 => {
                let piece = bytes.get(at..).unwrap_or_default().to_vec();
                bytes.extend(piece.iter().take(600));
            }
            _ => {
                let place = bytes.get_mut(at & !3..).into_iter().flatten();
                place.zip(word).for_each(|(to, from)| *to = from);
            }
        }
    }
    bytes.truncate(256 << 10);
    bytes
}
