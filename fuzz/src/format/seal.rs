//! The checksums of segments and of `control`, made again after bytes were changed, so that
//! what stands behind them is reached: a valid CRC over absurd fields.
//!
//! [`record`] seals one record of a segment of which it is known where everything stood
//! before it was changed, as far out as is asked; [`segment`] seals all that can be found in
//! one of which anything may have been changed.

use super::{
    CONTROL_NUMBER, DATA, GROUP, GROUP_PREVIOUS_CRC, HEAD_LEN, HEADER_CRC, HEADER_PREVIOUS_CRC,
    HEADER_PREVIOUS_END, KIND, LOG, NUMBER, PAYLOAD_CRC, Record, SLOT_CRC, SLOT_LOG, SLOT_MAGIC,
    SLOTS, length, number, put,
};
use crate::numbers::wide;

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

pub(super) fn crc(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

/// What the checksums of a segment's heads and slots start from, before their place is mixed
/// in.
#[derive(Debug, Clone, Copy)]
pub struct Seed(u32);

impl Seed {
    /// That of the segment with this number of a log.
    fn new(log: &[u8], number: u64) -> Self {
        Self(crc(crc(0, log), &number.to_le_bytes()))
    }

    /// That of a segment, as its header says it.
    pub fn of_segment(segment: &[u8]) -> Self {
        let part = |range| segment.get(range).unwrap_or_default();
        Self(crc(crc(0, part(LOG)), part(NUMBER)))
    }

    /// That of the `control` of the log that this segment is of.
    pub fn of_control(segment: &[u8]) -> Self {
        Self::new(segment.get(LOG).unwrap_or_default(), CONTROL_NUMBER)
    }

    /// The checksum of what stands at this place.
    fn crc(self, at: usize, bytes: &[u8]) -> u32 {
        crc(self.0 ^ u32::try_from(at / 8).unwrap_or(0), bytes)
    }
}

/// Seals the header of a segment.
pub fn header(segment: &mut [u8]) {
    let sum = crc(0, segment.get(..HEADER_CRC).unwrap_or_default());
    put(segment, HEADER_CRC, 4, sum.into());
}

/// The checksum of a witness slot; `None` if the file ends before that.
fn slot_sum(file: &[u8], slot: usize, seed: Seed) -> Option<u32> {
    Some(seed.crc(slot, file.get(slot..slot + SLOT_CRC)?))
}

/// Seals a witness slot of a segment or of `control`.
pub fn slot(file: &mut [u8], slot: usize, seed: Seed) {
    if let Some(sum) = slot_sum(file, slot, seed) {
        put(file, slot + SLOT_CRC, 4, sum.into());
    }
}

/// The slots in which a witness stands, whole or not.
fn witnesses(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let said = |at| Some((at, file.get(at..at + SLOT_CRC)?));
    SLOTS.into_iter().filter_map(said).filter(|(_, said)| said.starts_with(SLOT_MAGIC))
}

/// The seed of a slot of `control`, for the log that it names.
fn seed_of_named(said: &[u8]) -> Seed {
    Seed::new(said.get(SLOT_LOG).unwrap_or_default(), CONTROL_NUMBER)
}

/// Seals the witness slots of `control`, each for the log that it names.
pub fn control(file: &mut [u8]) {
    let seeds: Vec<_> = witnesses(file).map(|(at, said)| (at, seed_of_named(said))).collect();
    seeds.into_iter().for_each(|(at, seed)| slot(file, at, seed));
}

/// What the witness slots of `control` say whose checksums hold.
pub fn control_slots(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let holds = |(at, said): &(usize, &[u8])| {
        let sum = slot_sum(file, *at, seed_of_named(said));
        sum.is_some_and(|sum| number(file, at + SLOT_CRC, 4) == sum.into())
    };
    witnesses(file).filter(holds).map(|(_, said)| said)
}

/// Seals a head of this length and gives the sum; `None` if the segment ends before it does.
fn head(segment: &mut [u8], at: usize, len: usize, seed: Seed) -> Option<u32> {
    let sum = seed.crc(at, segment.get(at + KIND..at + len)?);
    put(segment, at, 4, sum.into());
    Some(sum)
}

/// Seals a record of a segment, as it was found before it was changed.
pub fn record(segment: &mut [u8], all: &[Record], record: &Record, seal: Seal) {
    if seal == Seal::Nothing {
        return;
    }
    let seed = Seed::of_segment(segment);
    if seal != Seal::Head {
        payload(segment, all, record);
    }
    head(segment, record.at, record.head, seed);
    if seal == Seal::Chain {
        for outer in &record.within {
            if let Some(outer) = all.iter().find(|record| record.at == *outer) {
                payload(segment, all, outer);
                head(segment, outer.at, outer.head, seed);
            }
        }
    }
}

fn payload(segment: &mut [u8], all: &[Record], record: &Record) {
    let bytes = |range| segment.get(range).unwrap_or_default();
    let sum = if record.is_container() {
        let inner = all.iter().filter(|inner| inner.within.first() == Some(&record.at));
        inner.fold(0, |sum, inner| crc(sum, bytes(inner.at..inner.at + 4)))
    } else {
        crc(0, bytes(record.inside()))
    };
    put(segment, record.at + PAYLOAD_CRC, 4, sum.into());
}

/// What a segment leaves for the next one to carry on.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// Header CRC of its last group.
    pub crc: u32,
    /// Where that ends.
    pub end: usize,
}

/// Makes every CRC of the segment with this number fit its bytes. With `chain` the groups
/// are chained again as well, to each other and to the segment before. Returns what the next
/// one carries.
pub fn segment(bytes: &mut [u8], number: u64, chain: bool, before: Option<Before>) -> Before {
    if let (true, Some(before)) = (chain, before) {
        put(bytes, HEADER_PREVIOUS_END, 8, wide(before.end).into());
        put(bytes, HEADER_PREVIOUS_CRC, 4, before.crc.into());
    }
    header(bytes);
    let seed = Seed::new(bytes.get(LOG).unwrap_or_default(), number);
    let slots: Vec<_> = witnesses(bytes).map(|(at, _)| at).collect();
    slots.into_iter().for_each(|at| slot(bytes, at, seed));
    let mut at = DATA;
    let previous = bytes.get(HEADER_PREVIOUS_CRC..).and_then(|rest| rest.first_chunk());
    let mut last = previous.map_or(0, |four| u32::from_le_bytes(*four));
    loop {
        if chain && bytes.get(at + KIND) == Some(&GROUP) {
            put(bytes, at + GROUP_PREVIOUS_CRC, 4, last.into());
        }
        let Some((sum, end)) = found(bytes, at, bytes.len(), seed) else { break };
        (last, at) = (sum, end);
    }
    Before { crc: last, end: at }
}

/// Seals the record that is found here and all that it holds; gives the CRC of its head, and
/// where it ends. A record that cannot be as long as it says gets a head that holds all the
/// same, and ends the walk.
fn found(bytes: &mut [u8], at: usize, end: usize, seed: Seed) -> Option<(u32, usize)> {
    let Some(record) = Record::read(bytes, at, end, &[]) else {
        if bytes.get(at + KIND).is_some_and(|kind| *kind != 0) {
            head(bytes, at, length(bytes, at + HEAD_LEN, 2)?, seed);
        }
        return None;
    };
    let (range, mut inside) = (record.range(), record.inside());
    let mut sum = 0;
    if record.is_container() {
        while inside.start < range.end
            && let Some((head, next)) = found(bytes, inside.start, range.end, seed)
        {
            sum = crc(sum, &head.to_le_bytes());
            inside.start = next;
        }
    } else {
        sum = crc(0, bytes.get(inside)?);
    }
    put(bytes, at + PAYLOAD_CRC, 4, sum.into());
    Some((head(bytes, at, record.head, seed)?, range.end))
}
