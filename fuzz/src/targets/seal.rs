//! Making checksums fit again after bytes were changed, so that what stands behind them
//! is reached: a valid CRC over absurd fields.
//!
//! Written from DESIGN.md ("Format", "Index"), not from the engine: it shares no code with
//! what it tests.

use std::ops::Range;

use crc32fast::Hasher;

/// The places of a segment.
const SLOTS: [usize; 2] = [1024, 2048];
const SLOT_CRC: usize = 96;
const HEADER_CRC: usize = 132;
const HEADER_PREVIOUS_END: usize = 72;
const HEADER_PREVIOUS_CRC: usize = 128;
const LOG: Range<usize> = 40..56;
const DATA: usize = 4096;

/// The places of a record's head, and of a group frame.
const KIND: usize = 4;
const HEAD_LEN: usize = 6;
const PAYLOAD_LEN: usize = 8;
const PAYLOAD_CRC: usize = 12;
const FRAME_PREVIOUS: usize = 32;

const GROUP: u8 = 0x81;
const BATCH: u8 = 0x82;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = bytes.get_mut(at..).into_iter().flatten();
    place.zip(value).for_each(|(to, from)| *to = *from);
}

fn crc(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

/// The start of every CRC of a segment, before the offset is mixed in.
fn seed(log: &[u8], number: u64) -> u32 {
    crc(crc(0, log), &number.to_le_bytes())
}

fn seeded(seed: u32, at: usize, bytes: &[u8]) -> u32 {
    crc(seed ^ u32::try_from(at / 8).unwrap_or(0), bytes)
}

/// A record's places: the whole of it, and where its payload starts.
#[derive(Debug, Clone)]
pub struct Record {
    /// From its head to the zeros that fill it up.
    pub range: Range<usize>,
    payload: usize,
    kind: u8,
}

/// What stands at this place, as far as lengths say so; `None` if no record can stand
/// there within `end`.
fn record(bytes: &[u8], at: usize, end: usize) -> Option<Record> {
    let kind = *bytes.get(at + KIND)?;
    let low = *bytes.get(at + HEAD_LEN)?;
    let high = *bytes.get(at + HEAD_LEN + 1)?;
    let head = usize::from(u16::from_le_bytes([low, high]));
    let len = usize::try_from(u32_at(bytes, at + PAYLOAD_LEN)?).ok()?;
    let payload = at + head;
    let to = payload.checked_add(len.checked_next_multiple_of(8)?)?;
    let fits = kind != 0 && (16..=1024).contains(&head) && to <= end.min(bytes.len());
    fits.then_some(Record { range: at..to, payload, kind })
}

/// Every record of a segment, containers before what they hold.
pub fn records(bytes: &[u8]) -> Vec<Record> {
    let mut found = Vec::new();
    list(bytes, DATA..bytes.len(), &mut found);
    found
}

fn list(bytes: &[u8], within: Range<usize>, found: &mut Vec<Record>) {
    let mut at = within.start;
    while let Some(record) = record(bytes, at, within.end) {
        found.push(record.clone());
        if matches!(record.kind, GROUP | BATCH) {
            list(bytes, record.payload..record.range.end, found);
        }
        at = record.range.end;
    }
}

/// What the segment before leaves for the next one to carry on.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// Header CRC of its last group.
    pub crc: u32,
    /// Where that ends.
    pub end: usize,
}

/// Makes every CRC of a segment fit its bytes. With `chain` the groups are chained again
/// as well, to each other and to the segment before. Returns what the next one carries.
pub fn segment(bytes: &mut [u8], number: u64, chain: bool, before: Option<Before>) -> Before {
    if let (true, Some(before)) = (chain, before) {
        let end = u64::try_from(before.end).unwrap_or(0);
        put(bytes, HEADER_PREVIOUS_END, &end.to_le_bytes());
        put(bytes, HEADER_PREVIOUS_CRC, &before.crc.to_le_bytes());
    }
    let sum = crc(0, bytes.get(..HEADER_CRC).unwrap_or_default());
    put(bytes, HEADER_CRC, &sum.to_le_bytes());
    let seed = seed(bytes.get(LOG).unwrap_or_default(), number);
    witnesses(bytes, seed);
    let mut at = DATA;
    let mut last = u32_at(bytes, HEADER_PREVIOUS_CRC).unwrap_or(0);
    loop {
        if chain && bytes.get(at + KIND) == Some(&GROUP) {
            put(bytes, at + FRAME_PREVIOUS, &last.to_le_bytes());
        }
        let Some((sum, end)) = seal_record(bytes, at, bytes.len(), seed) else { break };
        (last, at) = (sum, end);
    }
    Before { crc: last, end: at }
}

/// Seals a record and all that it holds. A record that cannot be as long as it says gets a
/// head that holds all the same, and ends the walk.
fn seal_record(bytes: &mut [u8], at: usize, end: usize, seed: u32) -> Option<(u32, usize)> {
    let Some(record) = record(bytes, at, end) else {
        seal_head(bytes, at, seed);
        return None;
    };
    let Record { range, payload, kind } = record;
    let mut sum = 0;
    if matches!(kind, GROUP | BATCH) {
        let mut child = payload;
        while child < range.end
            && let Some((head, next)) = seal_record(bytes, child, range.end, seed)
        {
            sum = crc(sum, &head.to_le_bytes());
            child = next;
        }
    } else {
        sum = crc(0, bytes.get(payload..range.end)?);
    }
    put(bytes, at + PAYLOAD_CRC, &sum.to_le_bytes());
    Some((seal_head(bytes, at, seed)?, range.end))
}

fn seal_head(bytes: &mut [u8], at: usize, seed: u32) -> Option<u32> {
    let [low, high] = *bytes.get(at + HEAD_LEN..)?.first_chunk()?;
    let len = usize::from(u16::from_le_bytes([low, high]));
    if *bytes.get(at + KIND)? == 0 {
        return None;
    }
    let sum = seeded(seed, at, bytes.get(at + KIND..at + len)?);
    put(bytes, at, &sum.to_le_bytes());
    Some(sum)
}

fn witnesses(bytes: &mut [u8], seed: u32) {
    for slot in SLOTS {
        if let Some(sum) = witness_sum(bytes, slot, seed) {
            put(bytes, slot + SLOT_CRC, &sum.to_le_bytes());
        }
    }
}

fn witness_sum(bytes: &[u8], slot: usize, seed: u32) -> Option<u32> {
    let bytes = bytes.get(slot..slot + SLOT_CRC)?;
    bytes.starts_with(b"witness1").then(|| seeded(seed, slot, bytes))
}

/// Makes the witness slots of a control file fit, each for the log that it names.
pub fn control(bytes: &mut [u8]) {
    for slot in SLOTS {
        let log = bytes.get(slot + 8..slot + 24).unwrap_or_default().to_vec();
        if let Some(sum) = witness_sum(bytes, slot, seed(&log, 0)) {
            put(bytes, slot + SLOT_CRC, &sum.to_le_bytes());
        }
    }
}

/// Whether a slot of a control file holds, and what it says then.
pub fn control_slots(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    SLOTS.into_iter().filter_map(|slot| {
        let said = bytes.get(slot..slot + SLOT_CRC)?;
        let sum = witness_sum(bytes, slot, seed(said.get(8..24)?, 0))?;
        (u32_at(bytes, slot + SLOT_CRC) == Some(sum)).then_some(said)
    })
}

/// The places of a run's header, in bytes.
const RUN_FOOTER_LEN: usize = 12;
const RUN_FILE_LEN: usize = 16;
const RUN_FOOTER_CRC: usize = 24;
const RUN_HEADER_CRC: usize = 28;
const RUN_HEADER: usize = 32;
const BLOCK: usize = 4096;

/// Makes every CRC of a run fit its bytes, and the length that it says; a CRC table of the
/// size that this length asks for stands before the footer.
pub fn run(bytes: &mut [u8]) {
    let len = bytes.len();
    put(bytes, RUN_FILE_LEN, &u64::try_from(len).unwrap_or(0).to_le_bytes());
    let footer_len = u32_at(bytes, RUN_FOOTER_LEN).and_then(|len| usize::try_from(len).ok());
    let footer_at = footer_len.and_then(|footer| len.checked_sub(footer));
    if let Some(footer_at) = footer_at.filter(|at| *at >= RUN_HEADER && at + 4 <= len) {
        // One CRC for each block up to the table, which follows the body.
        let blocks = (0..=footer_at / 4).find(|blocks| {
            let body = footer_at.checked_sub(blocks * 4);
            body.is_none_or(|body| body.div_ceil(BLOCK) <= *blocks)
        });
        let table = footer_at.saturating_sub(blocks.unwrap_or(0) * 4).max(RUN_HEADER);
        for (number, at) in (table..footer_at).step_by(4).enumerate() {
            let start = (number * BLOCK).max(RUN_HEADER);
            let block = bytes.get(start..((number + 1) * BLOCK).min(table));
            let sum = crc(0, block.unwrap_or_default());
            put(bytes, at, &sum.to_le_bytes());
        }
        let sum = crc(0, bytes.get(table..footer_at).unwrap_or_default());
        put(bytes, len - 4, &sum.to_le_bytes());
        let sum = crc(0, bytes.get(footer_at..).unwrap_or_default());
        put(bytes, RUN_FOOTER_CRC, &sum.to_le_bytes());
    }
    let sum = crc(0, bytes.get(..RUN_HEADER_CRC).unwrap_or_default());
    put(bytes, RUN_HEADER_CRC, &sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
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
                    before = Some(segment(&mut sealed, number.parse().unwrap(), true, before));
                } else if name.ends_with(".idx") {
                    run(&mut sealed);
                } else if name == "control" {
                    control(&mut sealed);
                    slots += control_slots(bytes).count();
                }
                assert!(sealed == *bytes, "{name}");
            }
        }
        assert!(slots > 0, "a closed log has a witness in its control file");
    }
}
