//! Every CRC of the log. CRC-32 as in IEEE 802.3, computed by `crc32fast`; words by
//! tables.
//!
//! * [`heads`]: of heads of one kind that follow each other

mod heads;

use crc32fast::Hasher;

use super::field::{put_u32, u32_at};
use super::layout::head;
pub(crate) use heads::{BatchSums, EventSums};

/// The part of a header's seed that is the same for a whole segment.
///
/// A header's CRC starts from the log's identity, the segment's number and the
/// offset, so that a record which is whole but stands in the wrong place (moved, of
/// another segment or log) does not pass, to the strength of a CRC-32. One that is
/// stale in its own place is told by the chain of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(log: u128, segment: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&log.to_le_bytes());
        hasher.update(&segment.to_le_bytes());
        Self(hasher.finalize())
    }

    /// The start of the CRC at `offset`. Two different starts always give two
    /// different CRCs for the same bytes, as a CRC is a bijection of its start;
    /// offsets are multiples of 8 below 2^35, so no bit of them is lost.
    #[inline]
    fn at(self, offset: u64) -> u32 {
        if crate::planted::active(crate::planted::Bug::CrcNotSeeded) {
            return 0;
        }
        let words = (offset >> 3) & u64::from(u32::MAX);
        self.0 ^ u32::try_from(words).unwrap_or(0)
    }
}

/// CRC of plain bytes.
pub(crate) fn of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC of bytes that belong to one place of one log.
pub(crate) fn seeded(seed: Seed, offset: u64, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed.at(offset));
    hasher.update(bytes);
    hasher.finalize()
}

/// Puts the CRC of a whole record header into its first field.
pub(crate) fn seal_header(header: &mut [u8], seed: Seed, offset: u64) -> u32 {
    let crc = seeded(seed, offset, header.get(head::KIND..).unwrap_or_default());
    put_u32(header, head::HEADER_CRC, crc);
    crc
}

/// Whether a whole record header matches its first field.
pub(crate) fn header_holds(header: &[u8], seed: Seed, offset: u64) -> bool {
    let Some(covered) = header.get(head::KIND..) else { return false };
    u32_at(header, head::HEADER_CRC) == Some(seeded(seed, offset, covered))
}

/// The CRC of a chain of header CRCs: what the payload CRC of a batch or group
/// covers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chain(u32);

impl Chain {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    #[inline]
    pub(crate) fn push(&mut self, header_crc: u32) {
        self.0 = heads::word_after(self.0, header_crc);
    }

    pub(crate) const fn finish(self) -> u32 {
        self.0
    }
}
