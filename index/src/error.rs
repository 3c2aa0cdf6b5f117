//! What can be wrong with a run's bytes, and what a table refuses.

use thiserror::Error;

/// The part of a run that damage was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first 32 bytes.
    Header,
    /// The numbers at the end of the file.
    Footer,
    /// The CRCs of the blocks.
    CrcTable,
    /// A 4 KiB block whose CRC does not hold.
    Block,
    /// The entries of streams and other keys, or their stops, where the CRC holds but the content
    /// does not.
    Entries,
    /// The hash buckets of entries, likewise.
    EntryBuckets,
    /// The hash buckets of ids, likewise.
    IdBuckets,
    /// The position marks, likewise.
    Marks,
    /// Bytes between sections that must be zero.
    Padding,
}

/// Why the bytes of a run cannot be used. The run is derived: drop it and build it again.
///
/// ```
/// use annals_index::{Run, RunError};
///
/// assert_eq!(Run::open(vec![7u8; 100]).err(), Some(RunError::NotARun));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The first bytes are not those of a run.
    #[error("not an index run: the magic number is missing")]
    NotARun,
    /// Written by another version of this crate. Its header is intact.
    #[error("index run has format version {found}, this program reads version {known}")]
    Version {
        /// What stands in the header.
        found: u32,
        /// What this crate reads.
        known: u32,
    },
    /// Shorter than its header says, or than any run is; or a part of it could not be had.
    #[error("index run is truncated: {expected} bytes expected, {found} found")]
    Truncated {
        /// The length in bytes that it should have.
        expected: u64,
        /// The length in bytes that it has.
        found: u64,
    },
    /// A CRC does not hold, or the content contradicts itself.
    #[error("index run is damaged at byte {offset} ({what:?})")]
    Damaged {
        /// The part that is hurt.
        what: Part,
        /// Where, in bytes from the start of the run; the start of the block for
        /// [`Part::Block`].
        offset: u64,
    },
}

/// Why a table did not take what it was given. It is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The offset is no multiple of 8, or not below [`OFFSET_END`](crate::OFFSET_END).
    #[error("offset {offset} is not a multiple of 8 below 2^35")]
    Offset {
        /// What was given.
        offset: u64,
    },
    /// Position or offset do not lie after those of the call before. Of a record that is no
    /// event, the position is that of the next event.
    #[error("position {position} at offset {offset} is out of order")]
    Order {
        /// What was given.
        position: u64,
        /// What was given.
        offset: u64,
    },
    /// The version does not follow the one before it in its stream.
    #[error("version {found} where {expected} is next")]
    Version {
        /// The next version of the stream in this table; 1 if it has none here and what was given
        /// is no version (0 or the greatest number).
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// The run of this table would not fit a file of 4 GiB.
    #[error("the table is full")]
    Full,
}

/// A length or place for an error message.
pub(crate) fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// `Damaged`, from a place in memory units.
pub(crate) fn damaged(what: Part, offset: usize) -> RunError {
    RunError::Damaged { what, offset: wide(offset) }
}
