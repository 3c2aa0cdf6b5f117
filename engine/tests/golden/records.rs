//! The records of a segment by the words of DESIGN.md alone: where they stand, and their
//! CRCs made again after something was changed. Written apart from the engine, so that the
//! two have to agree.

use std::ops::Range;

use crc32fast::Hasher;

/// Where the first group stands.
const DATA: usize = 4096;

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) at: usize,
    pub(crate) batches: Vec<Batch>,
}

#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) at: usize,
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) at: usize,
    pub(crate) payload: usize,
}

fn number<const LEN: usize>(bytes: &[u8], at: usize) -> [u8; LEN] {
    bytes[at..at + LEN].try_into().unwrap()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number(bytes, at))
}

fn header_len(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(number(bytes, at + 6)).into()
}

/// The payload, with the zeros that fill it up.
fn payload(bytes: &[u8], at: usize) -> Range<usize> {
    let start = at + header_len(bytes, at);
    start..start + (u32_at(bytes, at + 8) as usize).next_multiple_of(8)
}

/// Where the records stand that lie one after the other in a range.
fn starts(bytes: &[u8], within: Range<usize>) -> Vec<usize> {
    let mut at = within.start;
    let mut found = Vec::new();
    while at + 16 <= within.end && bytes[at + 4] != 0 {
        found.push(at);
        at = payload(bytes, at).end;
    }
    found
}

pub(crate) fn groups(bytes: &[u8]) -> Vec<Group> {
    let groups = starts(bytes, DATA..bytes.len()).into_iter();
    let batch = |at| {
        let records = starts(bytes, payload(bytes, at)).into_iter();
        let record = |at| Record { at, payload: payload(bytes, at).start };
        Batch { at, records: records.map(record).collect() }
    };
    let group = |at| {
        let batches = starts(bytes, payload(bytes, at)).into_iter();
        Group { at, batches: batches.map(batch).collect() }
    };
    groups.map(group).collect()
}

/// Makes a segment's header hold again.
pub(crate) fn seal_segment_header(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&bytes[..132]);
    bytes[132..136].copy_from_slice(&crc.to_le_bytes());
}

/// Makes every record of a segment hold again, and the chain from group to group.
pub(crate) fn seal_records(bytes: &mut [u8]) {
    let mut seed = Hasher::new();
    seed.update(&bytes[40..64]);
    let seed = seed.finalize();
    let mut previous = u32_at(bytes, 128);
    for group in groups(bytes) {
        let mut batches = Hasher::new();
        for batch in &group.batches {
            let mut records = Hasher::new();
            for record in &batch.records {
                let crc = crc32fast::hash(&bytes[payload(bytes, record.at)]);
                put(bytes, record.at + 12, crc);
                records.update(&seal_header(bytes, seed, record.at).to_le_bytes());
            }
            put(bytes, batch.at + 12, records.finalize());
            batches.update(&seal_header(bytes, seed, batch.at).to_le_bytes());
        }
        put(bytes, group.at + 12, batches.finalize());
        put(bytes, group.at + 32, previous);
        previous = seal_header(bytes, seed, group.at);
    }
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn seal_header(bytes: &mut [u8], seed: u32, at: usize) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed ^ (at / 8) as u32);
    hasher.update(&bytes[at + 4..at + header_len(bytes, at)]);
    let crc = hasher.finalize();
    put(bytes, at, crc);
    crc
}
