//! What a segment says about itself, in its first sector.

use crate::error::{Damage, Error};
use crate::place::Place;
use crate::record::checksum;
use crate::record::field::{
    i64_at, put_bytes, put_i64, put_u32, put_u64, put_u128, size, u32_at, u64_at, u128_at,
};
use crate::record::layout::segment as layout;

/// The header of a segment that is in use. A spare has none: its header is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) log: u128,
    pub(crate) number: u64,
    /// Position of its first event; the next position while it has none.
    pub(crate) first_position: u64,
    /// Where the segment before it ends; 0 in the first one.
    pub(crate) previous_end: u64,
    /// Header CRC of the last group before it; 0 in the first one.
    pub(crate) previous_crc: u32,
    /// What was known durable when the header was made.
    pub(crate) durable: Place,
    pub(crate) created_at: i64,
    /// Commit time of the last batch before it: no event in it is older.
    pub(crate) previous_time: i64,
    pub(crate) epoch: u128,
    /// Features that whoever writes must know.
    pub(crate) writers_features: u64,
}

/// What stands where a header should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Header(SegmentHeader),
    /// Only zeros.
    Blank,
    /// Something else.
    Bad,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; layout::LEN] {
        let mut bytes = [0; layout::LEN];
        put_bytes(&mut bytes, layout::MAGIC, &layout::MAGIC_BYTES);
        put_u32(&mut bytes, layout::FORMAT_AT, layout::FORMAT);
        put_u32(&mut bytes, layout::HEADER_LEN, u32::try_from(layout::LEN).unwrap_or_default());
        put_u64(&mut bytes, layout::READ_ONLY_COMPATIBLE, self.writers_features);
        put_u128(&mut bytes, layout::LOG, self.log);
        put_u64(&mut bytes, layout::NUMBER, self.number);
        put_u64(&mut bytes, layout::FIRST_POSITION, self.first_position);
        put_u64(&mut bytes, layout::PREVIOUS_END, self.previous_end);
        put_u64(&mut bytes, layout::DURABLE_SEGMENT, self.durable.segment());
        put_u64(&mut bytes, layout::DURABLE_OFFSET, self.durable.offset());
        put_i64(&mut bytes, layout::CREATED_AT, self.created_at);
        put_i64(&mut bytes, layout::PREVIOUS_TIME, self.previous_time);
        put_u128(&mut bytes, layout::EPOCH, self.epoch);
        put_u32(&mut bytes, layout::PREVIOUS_CRC, self.previous_crc);
        let crc = checksum::of(bytes.get(..layout::CRC).unwrap_or_default());
        put_u32(&mut bytes, layout::CRC, crc);
        bytes
    }

    /// Reads a header. A whole one that this version must not go on with is an
    /// error; anything else is told apart in [`Found`].
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Found, Error> {
        match Self::decode(bytes) {
            Some(header) => {
                unknown_features(file, bytes)?;
                Ok(Found::Header(header))
            }
            None => {
                let first = bytes.get(..layout::LEN.min(bytes.len())).unwrap_or_default();
                let blank = first.iter().all(|byte| *byte == 0);
                Ok(if blank { Found::Blank } else { Found::Bad })
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let magic = bytes.get(layout::MAGIC..)?.starts_with(&layout::MAGIC_BYTES);
        let len = size(u32_at(bytes, layout::HEADER_LEN)?);
        if !magic || !(layout::LEN..=layout::SLOTS[0]).contains(&len) {
            return None;
        }
        // Of a longer header of a later version the known part is read; its CRC stands
        // in the same place and covers what comes before it.
        let covered = bytes.get(..layout::CRC)?;
        if checksum::of(covered) != u32_at(bytes, layout::CRC)? {
            return None;
        }
        let durable_segment = u64_at(bytes, layout::DURABLE_SEGMENT)?;
        let durable_offset = u64_at(bytes, layout::DURABLE_OFFSET)?;
        Some(Self {
            log: u128_at(bytes, layout::LOG)?,
            number: u64_at(bytes, layout::NUMBER)?,
            // Positions begin at 1: what comes before the first one is 0.
            first_position: u64_at(bytes, layout::FIRST_POSITION).filter(|first| *first > 0)?,
            // Sealed or not, a file may say anything: no segment is longer than that.
            previous_end: u64_at(bytes, layout::PREVIOUS_END)
                .filter(|end| *end <= crate::place::OFFSET_MAX)?,
            previous_crc: u32_at(bytes, layout::PREVIOUS_CRC)?,
            durable: checked_place(durable_segment, durable_offset)?,
            created_at: i64_at(bytes, layout::CREATED_AT)?,
            previous_time: i64_at(bytes, layout::PREVIOUS_TIME)?,
            epoch: u128_at(bytes, layout::EPOCH)?,
            writers_features: u64_at(bytes, layout::READ_ONLY_COMPATIBLE)?,
        })
    }

    /// Refuses to write a log that has features which this version does not know.
    pub(crate) fn writable(&self, file: &str) -> Result<(), Error> {
        match self.writers_features {
            0 => Ok(()),
            found => Err(unsupported(file, "read-only compatible features", found, 0)),
        }
    }

    /// Whether it is the header of segment `number` of this log.
    pub(crate) fn belongs(&self, log: u128, number: u64) -> Result<(), Damage> {
        if self.log != log {
            Err(Damage::Foreign)
        } else if self.number != number {
            Err(Damage::Misplaced { found: self.number })
        } else {
            Ok(())
        }
    }
}

/// A place from fields that a damaged or hostile file may hold.
pub(crate) fn checked_place(segment: u64, offset: u64) -> Option<Place> {
    let known = segment <= crate::place::SEGMENT_MAX && offset <= crate::place::OFFSET_MAX;
    known.then(|| Place::new(segment, offset))
}

/// This version knows no features: a log that cannot be read without one is refused.
fn unknown_features(file: &str, bytes: &[u8]) -> Result<(), Error> {
    let format = u32_at(bytes, layout::FORMAT_AT).unwrap_or_default();
    if format != layout::FORMAT {
        return Err(unsupported(file, "format version", format.into(), layout::FORMAT.into()));
    }
    match u64_at(bytes, layout::INCOMPATIBLE).unwrap_or_default() {
        0 => Ok(()),
        found => Err(unsupported(file, "incompatible features", found, 0)),
    }
}

fn unsupported(file: &str, what: &'static str, found: u64, known: u64) -> Error {
    Error::Unsupported { file: file.to_owned(), what, found, known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SegmentHeader {
        SegmentHeader {
            log: 77,
            number: 3,
            first_position: 12,
            previous_end: 4096,
            previous_crc: 9,
            durable: Place::new(2, 4096),
            created_at: -5,
            previous_time: -6,
            epoch: u128::MAX,
            writers_features: 0,
        }
    }

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_of_it_is_noticed() {
        let bytes = sample().encode();
        assert_eq!(SegmentHeader::read("f", &bytes).unwrap(), Found::Header(sample()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::read("f", &flipped).unwrap(), Found::Bad, "bit {bit}");
        }
    }

    #[test]
    fn a_header_that_says_an_end_where_no_segment_ends_is_bad() {
        // It holds, and what it says would run over into the number of a segment.
        let last = crate::place::OFFSET_MAX;
        let bytes = SegmentHeader { previous_end: last, ..sample() }.encode();
        assert!(matches!(SegmentHeader::read("f", &bytes).unwrap(), Found::Header(_)));
        let bytes = SegmentHeader { previous_end: last + 1, ..sample() }.encode();
        assert_eq!(SegmentHeader::read("f", &bytes).unwrap(), Found::Bad);
    }

    #[test]
    fn features_that_are_not_known_are_refused_by_name() {
        let mut bytes = sample().encode();
        bytes[layout::INCOMPATIBLE] = 4;
        let crc = checksum::of(&bytes[..layout::CRC]);
        put_u32(&mut bytes, layout::CRC, crc);
        let error = SegmentHeader::read("f", &bytes).unwrap_err();
        assert!(matches!(error, Error::Unsupported { found: 4, known: 0, .. }), "{error}");
    }

    #[test]
    fn a_feature_that_only_writers_must_know_lets_readers_read() {
        let bytes = SegmentHeader { writers_features: 2, ..sample() }.encode();
        let Ok(Found::Header(header)) = SegmentHeader::read("f", &bytes) else { panic!() };
        let error = header.writable("f").unwrap_err();
        assert!(matches!(error, Error::Unsupported { found: 2, known: 0, .. }), "{error}");
        assert!(sample().writable("f").is_ok());
    }
}
