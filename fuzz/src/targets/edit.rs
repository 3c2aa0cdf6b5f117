//! What an input does to a base: which file, where, what; and checksums made to fit
//! again, if it says so.

use std::collections::BTreeMap;
use std::ops::Range;

use annals::io::sim::SimStorage;

use super::bases::Base;
use super::input::Input;
use crate::format::{overwrite, run, seal};
use crate::numbers::wide;

/// No input does more.
const EDITS: usize = 24;

/// No file gets larger by edits.
const FILE_BYTES: usize = 96 << 10;

/// Numbers that fields are set to: the smallest, lengths of heads, limits, and the ends of
/// what a field can hold.
const NUMBERS: [u64; 32] = [
    0,
    1,
    2,
    7,
    8,
    16,
    24,
    40,
    48,
    64,
    136,
    1024,
    1025,
    4096,
    16_384,
    65_535,
    1 << 24,
    (1 << 24) + 1,
    1 << 29,
    0x7FFF_FFF8,
    0x7FFF_FFFF,
    0xFFFF_FFF8,
    0xFFFF_FFFF,
    1 << 32,
    (1 << 35) - 8,
    1 << 35,
    i64::MAX.unsigned_abs(),
    1 << 63,
    u64::MAX - 8,
    u64::MAX - 2,
    u64::MAX - 1,
    u64::MAX,
];

/// How far checksums are made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seals {
    /// Not at all: what was hurt does not hold.
    None,
    /// In the files that were changed.
    Changed,
    /// In all segments, and each carries on from the one before.
    Chain,
}

/// A base with some of its files changed.
#[derive(Debug)]
pub struct Draft {
    base: &'static Base,
    changed: BTreeMap<String, Option<Vec<u8>>>,
}

impl Draft {
    /// Nothing is changed yet.
    pub const fn new(base: &'static Base) -> Self {
        Self { base, changed: BTreeMap::new() }
    }

    /// What it is made from.
    pub const fn base(&self) -> &'static Base {
        self.base
    }

    /// A file as it is now; empty if there is none.
    pub fn file(&self, name: &str) -> &[u8] {
        match self.changed.get(name) {
            Some(changed) => changed.as_deref(),
            None => self.base.files.get(name).map(Vec::as_slice),
        }
        .unwrap_or_default()
    }

    /// Puts a file in place.
    pub fn put(&mut self, name: &str, bytes: Vec<u8>) {
        self.changed.insert(name.to_owned(), Some(bytes));
    }

    /// Takes a file away.
    pub fn remove(&mut self, name: &str) {
        self.changed.insert(name.to_owned(), None);
    }

    /// A file, to be changed; made empty if there is none.
    pub fn edit(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.changed.get(name).is_some_and(Option::is_some) {
            let bytes = self.file(name).to_vec();
            self.put(name, bytes);
        }
        self.changed.entry(name.to_owned()).or_default().get_or_insert_default()
    }

    /// Whether a file is another one than it was.
    pub fn differs(&self, name: &str) -> bool {
        self.changed.get(name).is_some_and(|now| now.as_ref() != self.base.files.get(name))
    }

    /// Whether any segment is.
    pub fn segments_differ(&self) -> bool {
        self.changed.keys().any(|name| name.ends_with(".seg") && self.differs(name))
    }

    /// Does what the rest of an input says. Bytes of its own are put in place only if
    /// `literal` allows it: an input can be made to hold checksums that fit.
    pub fn apply(&mut self, input: &mut Input<'_>, literal: bool) {
        for _ in 0..EDITS {
            if input.is_empty() {
                return;
            }
            let names = &self.base.names;
            // Segments, unless the high bit is set: that means any file.
            let which = input.byte();
            let among = if which < 0x80 { self.base.segments } else { names.len() };
            let at = usize::from(which & 0x7F) % among.max(1);
            let Some(name) = names.get(at) else { return };
            if input.byte() < 0xD0 {
                self.within(name, at, input, literal);
            } else {
                self.whole(name, input);
            }
        }
    }

    /// As [`apply`](Self::apply), to one file alone.
    pub fn apply_to(&mut self, name: &str, input: &mut Input<'_>, literal: bool) {
        for _ in 0..EDITS {
            if input.is_empty() {
                return;
            }
            self.within(name, usize::MAX, input, literal);
        }
    }

    /// A place in a file: anywhere, or counted from a record's start.
    fn place(&self, at: usize, len: usize, input: &mut Input<'_>) -> usize {
        let records = self.base.records.get(at).map(Vec::as_slice).unwrap_or_default();
        let (which, within) = (input.byte(), usize::from(input.byte()));
        match records.get(usize::from(which & 0x7F) % records.len().max(1)) {
            Some(record) if which < 0x80 => (record.start + within).min(len),
            // The first block: header and slots.
            _ if which < 0xC0 => (within * 8 + usize::from(which & 7)).min(len),
            _ => input.place(len),
        }
    }

    fn within(&mut self, name: &str, at: usize, input: &mut Input<'_>, literal: bool) {
        let how = input.byte();
        let place = self.place(at, self.file(name).len(), input);
        let number = match input.choice(NUMBERS.len() * 2) {
            choice if literal && choice >= NUMBERS.len() => input.long(),
            choice => NUMBERS.get(choice % NUMBERS.len()).copied().unwrap_or(0),
        };
        let len = input.word();
        let from = (how % 12 == 8).then(|| self.place(at, self.file(name).len(), input));
        let bytes = self.edit(name);
        match how % 12 {
            0 | 1 => flip(bytes, place, number),
            2 => overwrite(bytes, place, &number.to_le_bytes()[..1]),
            3 => overwrite(bytes, place, &number.to_le_bytes()[..2]),
            4 => overwrite(bytes, place, &number.to_le_bytes()[..4]),
            5 => overwrite(bytes, place, &number.to_le_bytes()),
            6 => add(bytes, place, number),
            7 if literal => overwrite(bytes, place, input.bytes(len % 256)),
            8 => {
                let from = from.unwrap_or(0);
                let piece = bytes.get(from..(from + len).min(bytes.len())).map(<[u8]>::to_vec);
                overwrite(bytes, place, &piece.unwrap_or_default());
            }
            9 => bytes.get_mut(place..).into_iter().flatten().take(len).for_each(|to| *to = 0),
            10 => bytes.truncate(place),
            11 => splice(bytes, place, len),
            _ => flip(bytes, place, number),
        }
    }

    fn whole(&mut self, name: &str, input: &mut Input<'_>) {
        let names = &self.base.names;
        let other = names.get(input.choice(names.len())).cloned().unwrap_or_default();
        let (one, two) = (self.file(name).to_vec(), self.file(&other).to_vec());
        match input.choice(6) {
            0 => self.remove(name),
            1 => self.put(name, two),
            2 => {
                self.put(name, two);
                self.put(&other, one);
            }
            3 => self.put(name, Vec::new()),
            // One more segment, or one with a number that leaves a gap.
            4 => {
                let number = self.base.segments + 1 + input.choice(3);
                self.put(&format!("{number:020}.seg"), one);
            }
            _ => {
                let len = (one.len() + input.word()).min(FILE_BYTES);
                self.edit(name).resize(len, 0);
            }
        }
    }

    /// Makes checksums fit.
    pub fn seal(&mut self, seals: Seals) {
        if seals == Seals::None {
            return;
        }
        let mut names: Vec<_> = self.base.names.clone();
        names.extend(self.changed.keys().filter(|name| !self.base.names.contains(name)).cloned());
        names.sort();
        let mut before = None;
        for name in names {
            let chain = seals == Seals::Chain;
            let changed = self.changed.contains_key(&name);
            if let Some(number) = name.strip_suffix(".seg").and_then(|name| name.parse().ok()) {
                // A spare has nothing to seal.
                let blank = self.file(&name).iter().take(8).all(|byte| *byte == 0);
                if (chain || changed) && !blank {
                    before = Some(seal::segment(self.edit(&name), number, chain, before));
                }
            } else if changed && name.ends_with(".idx") {
                run::seal(self.edit(&name));
            } else if changed && name == "control" {
                seal::control(self.edit(&name));
            }
        }
    }

    /// The disk with these files.
    pub fn disk(&self) -> SimStorage {
        let disk = self.base.disk.fork();
        for (name, bytes) in &self.changed {
            match bytes {
                Some(bytes) => disk.write_file(name, bytes),
                None => drop(disk.remove_file(name)),
            }
        }
        let untouched =
            self.base.files.iter().filter(|(name, _)| !self.changed.contains_key(*name));
        let sizes = untouched.map(|(_, bytes)| bytes.len());
        let changed = self.changed.values().flatten().map(Vec::len);
        super::opens(wide(sizes.chain(changed).sum()));
        disk
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u64) {
    bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
}

/// Adds to eight bytes, lowest first.
fn add(bytes: &mut [u8], at: usize, number: u64) {
    if let Some(eight) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *eight = u64::from_le_bytes(*eight).wrapping_add(number).to_le_bytes();
    }
}

/// Takes bytes out, or puts zeros in between, in steps of 8 as records stand.
fn splice(bytes: &mut Vec<u8>, at: usize, len: usize) {
    let (at, count) = (at.min(bytes.len()), (len / 2) & !7);
    let range: Range<usize> = at..(at + count).min(bytes.len());
    if len.is_multiple_of(2) {
        drop(bytes.drain(range));
    } else if bytes.len() + count < FILE_BYTES {
        drop(bytes.splice(at..at, std::iter::repeat_n(0, count)));
    }
}
