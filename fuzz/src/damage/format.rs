//! Where the fields of the format stand, as DESIGN.md says it ("Format"), and its
//! checksums, written down a second time: what is forged here is forged by the document
//! and not by the code that it is about.

use std::ops::Range;

/// A field: its name, where it begins, how many bytes it has.
pub type Field = (&'static str, usize, usize);

/// Header of a segment.
pub const HEADER: [Field; 17] = [
    ("magic", 0, 8),
    ("format", 8, 4),
    ("header length", 12, 4),
    ("features to read", 16, 8),
    ("features to write", 24, 8),
    ("features to ignore", 32, 8),
    ("log", 40, 16),
    ("number", 56, 8),
    ("first position", 64, 8),
    ("previous end", 72, 8),
    ("durable segment", 80, 8),
    ("durable offset", 88, 8),
    ("made at", 96, 8),
    ("previous time", 104, 8),
    ("epoch", 112, 16),
    ("previous CRC", 128, 4),
    ("CRC", HEADER_CRC, 4),
];
const HEADER_CRC: usize = 132;
const LOG: Range<usize> = 40..56;
const NUMBER: Range<usize> = 56..64;

/// Where witness slots stand, in segments and in `control`.
pub const SLOTS: [usize; 2] = [1024, 2048];

/// A witness slot.
pub const SLOT: [Field; 13] = [
    ("magic", 0, 8),
    ("log", 8, 16),
    ("epoch", 24, 16),
    ("sequence", 40, 8),
    ("segment", 48, 8),
    ("offset", 56, 8),
    ("position", 64, 8),
    ("last group", 72, 8),
    ("time", 80, 8),
    ("CRC of the group", 88, 4),
    ("closed", 92, 4),
    ("CRC", SLOT_CRC, 4),
    ("zero", 100, 4),
];
const SLOT_CRC: usize = 96;

/// Where the first group stands.
pub const DATA: usize = 4096;

/// What every record begins with.
pub const COMMON: [Field; 6] = [
    ("header CRC", 0, 4),
    ("kind", KIND, 1),
    ("flags", 5, 1),
    ("header length", HEADER_LEN, 2),
    ("payload length", PAYLOAD_LEN, 4),
    ("payload CRC", PAYLOAD_CRC, 4),
];
const KIND: usize = 4;
const HEADER_LEN: usize = 6;
const PAYLOAD_LEN: usize = 8;
const PAYLOAD_CRC: usize = 12;

/// Kinds of records.
pub const SNAPSHOT: u8 = 0x04;
/// A mark.
pub const MARK: u8 = 0x08;
/// A group frame.
pub const GROUP: u8 = 0x81;
/// A batch head.
pub const BATCH: u8 = 0x82;
/// An event.
pub const EVENT: u8 = 0x83;
/// An idempotency key.
pub const KEY: u8 = 0x85;

/// What follows the common fields in the head of a kind.
pub const fn head_of(kind: u8) -> &'static [Field] {
    match kind {
        GROUP => &[
            ("epoch", 16, 16),
            ("previous CRC", 32, 4),
            ("zero", 36, 4),
            ("durable segment", 40, 8),
            ("durable offset", 48, 8),
            ("batches", 56, 4),
            ("zero", 60, 4),
        ],
        BATCH => &[
            ("first position", 16, 8),
            ("events", 24, 4),
            ("records", 28, 4),
            ("commit time", 32, 8),
            ("clock", 40, 8),
        ],
        EVENT => &[("position", 16, 8), ("version", 24, 8), ("commit time", 32, 8)],
        SNAPSHOT => &[("version", 16, 8), ("commit time", 24, 8), ("position", 32, 8)],
        KEY => {
            &[("first position", 16, 8), ("events", 24, 4), ("zero", 28, 4), ("commit time", 32, 8)]
        }
        _ => &[],
    }
}

/// The fixed fields that the payload of a kind begins with.
pub const fn payload_of(kind: u8) -> &'static [Field] {
    match kind {
        EVENT => {
            &[("id", 0, 16), ("stream length", 16, 2), ("type length", 18, 1), ("flags", 19, 1)]
        }
        SNAPSHOT => &[
            ("schema", 0, 4),
            ("name length", 4, 2),
            ("content type length", 6, 1),
            ("flags", 7, 1),
        ],
        MARK => &[("what", 0, 8)],
        _ => &[],
    }
}

/// A record and what it stands in.
#[derive(Debug, Clone)]
pub struct Record {
    /// Offset of its head.
    pub at: usize,
    /// Its kind.
    pub kind: u8,
    /// Bytes of its head.
    pub head: usize,
    /// Bytes of its payload, without the zeros that fill it up.
    pub payload: usize,
    /// Offsets of the batch and the group that it stands in, the inner one first.
    pub within: Vec<usize>,
}

impl Record {
    /// Head, payload and the zeros behind it.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.head + self.payload.next_multiple_of(8)
    }
}

/// A number of up to 16 bytes.
pub fn number(bytes: &[u8], at: usize, len: usize) -> u128 {
    let bytes = bytes.get(at..at + len).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Writes a number of up to 16 bytes, cut to its length.
pub fn put(bytes: &mut [u8], at: usize, len: usize, number: u128) {
    let place = bytes.get_mut(at..at + len).unwrap_or_default();
    place.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
}

fn length(bytes: &[u8], at: usize, len: usize) -> usize {
    usize::try_from(number(bytes, at, len)).unwrap_or(usize::MAX)
}

/// All records of a whole segment, containers before what stands in them.
pub fn records(segment: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    walk(segment, DATA..segment.len(), &[], &mut found);
    found
}

fn walk(segment: &[u8], range: Range<usize>, within: &[usize], found: &mut Vec<Record>) {
    let mut at = range.start;
    while at < range.end {
        let (kind, head) = (segment.get(at + KIND), length(segment, at + HEADER_LEN, 2));
        let Some(kind) = kind.copied().filter(|kind| *kind != 0 && head > 0) else { return };
        let payload = length(segment, at + PAYLOAD_LEN, 4);
        let record = Record { at, kind, head, payload, within: within.to_vec() };
        let range = record.range();
        found.push(record);
        if kind == GROUP || kind == BATCH {
            let inner: Vec<_> = std::iter::once(at).chain(within.iter().copied()).collect();
            walk(segment, at + head..range.end, &inner, found);
        }
        at = range.end;
    }
}

/// How much of what was changed is sealed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Nothing: the checksum tells.
    Nothing,
    /// The checksum of the head.
    Head,
    /// Those of payload and head.
    Record,
    /// And those of everything that it stands in.
    Chain,
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

/// What the checksum of a head at this offset starts from.
fn seed(log: &[u8], segment: &[u8], at: usize) -> u32 {
    crc(crc(0, log), segment) ^ u32::try_from(at / 8).unwrap_or(0)
}

fn seed_of(segment: &[u8], at: usize) -> u32 {
    let part = |range| segment.get(range).unwrap_or_default();
    seed(part(LOG), part(NUMBER), at)
}

fn seal_head(segment: &mut [u8], at: usize, head: usize) {
    let start = seed_of(segment, at);
    let sealed = crc(start, segment.get(at + KIND..at + head).unwrap_or_default());
    put(segment, at, 4, sealed.into());
}

/// Seals a record of a segment again, as it was found before it was changed.
pub fn seal(segment: &mut [u8], all: &[Record], record: &Record, seal: Seal) {
    if seal == Seal::Nothing {
        return;
    }
    if seal != Seal::Head {
        seal_payload(segment, all, record);
    }
    seal_head(segment, record.at, record.head);
    if seal == Seal::Chain {
        for outer in &record.within {
            if let Some(outer) = all.iter().find(|record| record.at == *outer) {
                seal_payload(segment, all, outer);
                seal_head(segment, outer.at, outer.head);
            }
        }
    }
}

fn seal_payload(segment: &mut [u8], all: &[Record], record: &Record) {
    let sealed = if record.kind == GROUP || record.kind == BATCH {
        let inner = all.iter().filter(|inner| inner.within.first() == Some(&record.at));
        inner
            .fold(0, |sum, inner| crc(sum, segment.get(inner.at..inner.at + 4).unwrap_or_default()))
    } else {
        let range = record.range();
        crc(0, segment.get(range.start + record.head..range.end).unwrap_or_default())
    };
    put(segment, record.at + PAYLOAD_CRC, 4, sealed.into());
}

/// Seals the header of a segment again.
pub fn seal_header(segment: &mut [u8]) {
    let sealed = crc(0, segment.get(..HEADER_CRC).unwrap_or_default());
    put(segment, HEADER_CRC, 4, sealed.into());
}

/// Seals a witness slot again. `log` is any segment of the log; in `control` the seed has
/// segment 0.
pub fn seal_slot(file: &mut [u8], slot: usize, log: &[u8], control: bool) {
    let part = |range| log.get(range).unwrap_or_default();
    let number: &[u8] = if control { &[0; 8] } else { part(NUMBER) };
    let start = seed(part(LOG), number, slot);
    let sealed = crc(start, file.get(slot..slot + SLOT_CRC).unwrap_or_default());
    put(file, slot + SLOT_CRC, 4, sealed.into());
}
