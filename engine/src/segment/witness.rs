//! The witness: what is known to be durable, written down apart from the tail.
//!
//! Two slots take turns, so that a torn one leaves the other. A witness can make
//! recovery refuse to cut; it never makes it accept anything, so an old or missing
//! one does no harm.

use crate::place::Place;
use crate::record::checksum::{self, Seed};
use crate::record::field::{
    i64_at, put_bytes, put_i64, put_u32, put_u64, put_u128, u32_at, u64_at, u128_at, wide,
};
use crate::record::layout::{segment, witness as layout};

/// What was durable at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) log: u128,
    /// Of the writer that wrote it.
    pub(crate) epoch: u128,
    /// Counts up; the higher one is the newer one.
    pub(crate) sequence: u64,
    /// Everything before this was durable.
    pub(crate) durable: Place,
    /// Position of the last event before it.
    pub(crate) position: u64,
    /// Offset and header CRC of the last group before it, and its commit time: where
    /// a scan can go on.
    pub(crate) last_group: u64,
    pub(crate) last_crc: u32,
    pub(crate) last_time: i64,
    /// Whether the log was closed there.
    pub(crate) closed: bool,
}

/// What stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Blank,
    Witness(Witness),
    /// Torn or damaged.
    Bad,
}

impl Witness {
    /// As it stands in slot `slot` of segment `number`, or of the control file with
    /// number 0.
    pub(crate) fn encode(&self, number: u64, slot: usize) -> [u8; layout::LEN] {
        let mut bytes = [0; layout::LEN];
        put_bytes(&mut bytes, layout::MAGIC, &layout::MAGIC_BYTES);
        put_u128(&mut bytes, layout::LOG, self.log);
        put_u128(&mut bytes, layout::EPOCH, self.epoch);
        put_u64(&mut bytes, layout::SEQUENCE, self.sequence);
        put_u64(&mut bytes, layout::SEGMENT, self.durable.segment());
        put_u64(&mut bytes, layout::OFFSET, self.durable.offset());
        put_u64(&mut bytes, layout::POSITION, self.position);
        put_u64(&mut bytes, layout::LAST_GROUP, self.last_group);
        put_i64(&mut bytes, layout::LAST_TIME, self.last_time);
        put_u32(&mut bytes, layout::LAST_CRC, self.last_crc);
        put_u32(&mut bytes, layout::CLOSED, u32::from(self.closed));
        let covered = bytes.get(..layout::CRC).unwrap_or_default();
        let crc = checksum::seeded(Seed::new(self.log, number), offset_of(slot), covered);
        put_u32(&mut bytes, layout::CRC, crc);
        bytes
    }

    fn decode(bytes: &[u8], number: u64, slot: usize) -> Option<Self> {
        let log = u128_at(bytes, layout::LOG)?;
        let covered = bytes.get(..layout::CRC)?;
        let crc = checksum::seeded(Seed::new(log, number), offset_of(slot), covered);
        let whole = bytes.starts_with(&layout::MAGIC_BYTES)
            && u32_at(bytes, layout::CRC)? == crc
            && u32_at(bytes, layout::ZERO)? == 0;
        if !whole {
            return None;
        }
        let closed = u32_at(bytes, layout::CLOSED)?;
        (closed <= 1).then_some(())?;
        Some(Self {
            log,
            epoch: u128_at(bytes, layout::EPOCH)?,
            sequence: u64_at(bytes, layout::SEQUENCE)?,
            durable: super::header::checked_place(
                u64_at(bytes, layout::SEGMENT)?,
                u64_at(bytes, layout::OFFSET)?,
            )?,
            // The next one has to be a number.
            position: u64_at(bytes, layout::POSITION).filter(|last| *last < u64::MAX)?,
            last_group: u64_at(bytes, layout::LAST_GROUP)?,
            last_crc: u32_at(bytes, layout::LAST_CRC)?,
            last_time: i64_at(bytes, layout::LAST_TIME)?,
            closed: closed == 1,
        })
    }
}

/// Where a slot starts in its file.
pub(crate) fn offset_of(slot: usize) -> u64 {
    wide(segment::SLOTS.get(slot % segment::SLOTS.len()).copied().unwrap_or_default())
}

/// Reads both slots from the first block of a file.
pub(crate) fn slots(block: &[u8], number: u64) -> [Slot; 2] {
    [0, 1].map(|slot| {
        let at = segment::SLOTS.get(slot).copied().unwrap_or_default();
        let bytes = block.get(at..).unwrap_or_default();
        let bytes = bytes.get(..layout::LEN.min(bytes.len())).unwrap_or_default();
        if bytes.iter().all(|byte| *byte == 0) {
            return Slot::Blank;
        }
        Witness::decode(bytes, number, slot).map_or(Slot::Bad, Slot::Witness)
    })
}

/// The slot to write next: a bad or blank one, else the older one.
pub(crate) fn next_slot(slots: &[Slot; 2]) -> usize {
    let age = |slot: &Slot| match slot {
        Slot::Bad => None,
        Slot::Blank => Some(0),
        Slot::Witness(witness) => Some(witness.sequence.saturating_add(1)),
    };
    usize::from(age(&slots[1]) < age(&slots[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: u64) -> Witness {
        Witness {
            log: 5,
            epoch: 6,
            sequence,
            durable: Place::new(2, 8192),
            position: 4,
            last_group: 4096,
            last_crc: 1,
            last_time: 9,
            closed: true,
        }
    }

    fn block(first: &[u8], second: &[u8]) -> Vec<u8> {
        let mut block = vec![0; segment::DATA];
        block[segment::SLOTS[0]..segment::SLOTS[0] + first.len()].copy_from_slice(first);
        block[segment::SLOTS[1]..segment::SLOTS[1] + second.len()].copy_from_slice(second);
        block
    }

    #[test]
    fn slots_take_turns_and_a_bad_one_is_written_first() {
        let (a, b) = (sample(3).encode(2, 0), sample(4).encode(2, 1));
        let both = slots(&block(&a, &b), 2);
        assert_eq!(both, [Slot::Witness(sample(3)), Slot::Witness(sample(4))]);
        assert_eq!(next_slot(&both), 0);
        assert_eq!(next_slot(&slots(&block(&a, &[]), 2)), 1);
        assert_eq!(next_slot(&slots(&block(&a, &[1]), 2)), 1);
        assert_eq!(next_slot(&slots(&block(&[1], &b), 2)), 0);
    }

    #[test]
    fn a_witness_of_a_position_that_has_no_next_one_is_bad() {
        let of = |position| Witness { position, ..sample(3) }.encode(2, 0);
        assert_eq!(slots(&block(&of(u64::MAX), &[]), 2)[0], Slot::Bad);
        assert!(matches!(slots(&block(&of(u64::MAX - 1), &[]), 2)[0], Slot::Witness(_)));
    }

    #[test]
    fn a_witness_of_another_place_or_with_a_flipped_bit_is_bad() {
        let bytes = sample(3).encode(2, 0);
        assert_eq!(slots(&block(&bytes, &[]), 3)[0], Slot::Bad);
        assert_eq!(slots(&block(&[], &bytes), 2)[1], Slot::Bad);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(slots(&block(&flipped, &[]), 2)[0], Slot::Bad, "bit {bit}");
        }
    }
}
