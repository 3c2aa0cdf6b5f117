//! Where something stands in the log: segment and offset in one word.

use std::fmt;

/// A byte of the log: the offset in a segment.
///
/// Packed into 64 bits so that the watermark can be one atomic: 29 bits of segment
/// number above 35 bits of offset, so places compare in log order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u64);

const OFFSET_BITS: u32 = 35;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;

/// The last segment number that a place can name.
pub(crate) const SEGMENT_MAX: u64 = (1 << (64 - OFFSET_BITS)) - 1;

/// The end of the largest segment that a place can name.
pub(crate) const OFFSET_MAX: u64 = OFFSET_MASK;

impl Place {
    /// The place before everything.
    pub(crate) const START: Self = Self(0);

    /// The byte at `offset` of `segment`. Both are checked against their limits where
    /// they come in (segment names, group lengths), so nothing is cut off here.
    pub(crate) const fn new(segment: u64, offset: u64) -> Self {
        debug_assert!(segment <= SEGMENT_MAX && offset <= OFFSET_MAX);
        Self((segment << OFFSET_BITS) | (offset & OFFSET_MASK))
    }

    pub(crate) const fn segment(self) -> u64 {
        self.0 >> OFFSET_BITS
    }

    pub(crate) const fn offset(self) -> u64 {
        self.0 & OFFSET_MASK
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.segment(), self.offset())
    }
}
