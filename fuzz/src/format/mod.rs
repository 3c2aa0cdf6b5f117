//! The format on disk as DESIGN.md says it ("Format", "Index"), written down a second time:
//! what is forged here is forged by the document and not by the code that it is about.
//! Nothing in here uses the log.
//!
//! * here: where the fields stand, and which records a segment has
//! * [`seal`]: checksums of segments and of `control`, made again
//! * [`run`]: those of an index

pub mod run;
pub mod seal;

use std::ops::{Range, RangeInclusive};

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
    ("log", LOG.start, 16),
    ("number", NUMBER.start, 8),
    ("first position", 64, 8),
    ("previous end", HEADER_PREVIOUS_END, 8),
    ("durable segment", 80, 8),
    ("durable offset", 88, 8),
    ("made at", 96, 8),
    ("previous time", 104, 8),
    ("epoch", 112, 16),
    ("previous CRC", HEADER_PREVIOUS_CRC, 4),
    ("CRC", HEADER_CRC, 4),
];
const LOG: Range<usize> = 40..56;
const NUMBER: Range<usize> = 56..64;
const HEADER_PREVIOUS_END: usize = 72;
const HEADER_PREVIOUS_CRC: usize = 128;
const HEADER_CRC: usize = 132;

/// Where witness slots stand, in segments and in `control`.
pub const SLOTS: [usize; 2] = [1024, 2048];

/// The bytes that belong to the slots.
pub const SLOTS_RANGE: Range<usize> = 1024..3072;

/// The number of a segment in the seeds of `control`.
const CONTROL_NUMBER: u64 = 0;

/// Where the header of `control` says whether the last writer's sync failed.
pub const CONTROL_FAILED: Range<usize> = 72..80;

/// A witness slot.
pub const SLOT: [Field; 13] = [
    ("magic", 0, 8),
    ("log", SLOT_LOG.start, 16),
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
const SLOT_MAGIC: &[u8] = b"witness1";
const SLOT_LOG: Range<usize> = 8..24;
const SLOT_CRC: usize = 96;

/// Where the first group stands.
pub const DATA: usize = 4096;

/// What every record begins with.
pub const COMMON: [Field; 6] = [
    ("header CRC", 0, 4),
    ("kind", KIND, 1),
    ("flags", 5, 1),
    ("header length", HEAD_LEN, 2),
    ("payload length", PAYLOAD_LEN, 4),
    ("payload CRC", PAYLOAD_CRC, 4),
];
const KIND: usize = 4;
const HEAD_LEN: usize = 6;
const PAYLOAD_LEN: usize = 8;
const PAYLOAD_CRC: usize = 12;
const GROUP_PREVIOUS_CRC: usize = 32;

/// How long a head may be.
const HEADS: RangeInclusive<usize> = 16..=1024;

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
            ("previous CRC", GROUP_PREVIOUS_CRC, 4),
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
    /// What stands at this place, as far as kind and lengths say so; `None` if no record can
    /// stand there that ends within `end`.
    fn read(segment: &[u8], at: usize, end: usize, within: &[usize]) -> Option<Self> {
        let kind = *segment.get(at + KIND)?;
        let head = length(segment, at + HEAD_LEN, 2)?;
        let payload = length(segment, at + PAYLOAD_LEN, 4)?;
        let to = (at + head).checked_add(payload.checked_next_multiple_of(8)?)?;
        let fits = kind != 0 && HEADS.contains(&head) && to <= end.min(segment.len());
        fits.then(|| Self { at, kind, head, payload, within: within.to_vec() })
    }

    /// Head, payload and the zeros behind it.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.head + self.payload.next_multiple_of(8)
    }

    /// The payload and the zeros behind it.
    fn inside(&self) -> Range<usize> {
        self.at + self.head..self.range().end
    }

    /// Whether its payload is records: a group or a batch.
    pub const fn is_container(&self) -> bool {
        matches!(self.kind, GROUP | BATCH)
    }
}

/// All records of a segment up to the first place where none can stand, containers before
/// what stands in them.
pub fn records(segment: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    walk(segment, DATA..segment.len(), &[], &mut found);
    found
}

fn walk(segment: &[u8], range: Range<usize>, within: &[usize], found: &mut Vec<Record>) {
    let mut at = range.start;
    while let Some(record) = Record::read(segment, at, range.end, within) {
        found.push(record.clone());
        if record.is_container() {
            let inner: Vec<_> = std::iter::once(at).chain(within.iter().copied()).collect();
            walk(segment, record.inside(), &inner, found);
        }
        at = record.range().end;
    }
}

/// A number of up to 16 bytes; what is behind the end counts as zero.
pub fn number(bytes: &[u8], at: usize, len: usize) -> u128 {
    let bytes = bytes.get(at..at + len).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Writes a number of up to 16 bytes, cut to its length.
pub fn put(bytes: &mut [u8], at: usize, len: usize, number: u128) {
    overwrite(bytes, at, number.to_le_bytes().get(..len).unwrap_or_default());
}

/// Writes bytes over those that stand here; what would be behind the end is left out.
pub fn overwrite(bytes: &mut [u8], at: usize, from: &[u8]) {
    let place = bytes.get_mut(at..).into_iter().flatten();
    place.zip(from).for_each(|(to, from)| *to = *from);
}

/// A length, if it stands within the bytes.
fn length(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    bytes.get(at..at + len)?;
    usize::try_from(number(bytes, at, len)).ok()
}

#[cfg(test)]
mod tests {
    use super::{run, seal};
    use crate::targets::bases::bases;

    #[test]
    fn sealing_what_is_whole_changes_nothing() {
        let mut slots = 0;
        for base in bases() {
            let mut before = None;
            for (name, bytes) in &base.files {
                let mut sealed = bytes.clone();
                if let Some(number) = name.strip_suffix(".seg") {
                    if bytes[0] == 0 {
                        continue;
                    }
                    before =
                        Some(seal::segment(&mut sealed, number.parse().unwrap(), true, before));
                } else if name.ends_with(".idx") {
                    run::seal(&mut sealed);
                } else if name == "control" {
                    seal::control(&mut sealed);
                    slots += seal::control_slots(bytes).count();
                }
                assert!(sealed == *bytes, "{name}");
            }
        }
        assert!(slots > 0, "a closed log has a witness in its control file");
    }
}
