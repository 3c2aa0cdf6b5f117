//! Where everything in a run lies: the picture, the constants and the arithmetic, nothing else.
//!
//! Who writes and reads the parts: `writer` and `run`. All integers are little-endian.
//!
//! ```text
//! offset 0       HEADER, 32 bytes
//!                +--------------------+-----------+-------------+----------+------------+------------+
//!                | magic "\x89ANNIDX" | version   | footer_len  | file_len | footer_crc | header_crc |
//!                |   and "\n"     [8] |       u32 |         u32 |      u64 |        u32 | of 0..28   |
//!                +--------------------+-----------+-------------+----------+------------+------------+
//! 32             BODY: seven sections, each from a multiple of 8 on; zeros in between
//!                | entries            | blob     sorted by kind, then name (bytes)
//!                | stops              | u32 each  offset in the blob of every 16th entry
//!                | entry bucket ends  | u32 each  slots up to the end of each bucket
//!                | entry slots        | 8 each    fingerprint u32, offset in the blob u32
//!                | id bucket ends     | u32 each
//!                | id slots           | 8 each    fingerprint u32, record offset / 8 u32
//!                | marks              | 12 each   position u64, offset / 8 u32; ascending
//! body_end       CRC TABLE: u32 each, the CRC-32 of every 4 KiB block of the file up to
//!                body_end. The first block starts behind the header, the last may be short
//! file_len -     FOOTER: bincode, fixed integers: the caller's `RunMeta`; blob length,
//!   footer_len   streams, keys (the other entries), ids, marks (from which all places above
//!                follow); CRC of the CRC table
//! file_len
//!
//! AN ENTRY (v = LEB128 varint): a stream or another key, and its postings, which are records
//! | kind u8 | name_len v | name | first_version v | count v | deltas_len v | skips | deltas |
//!     kind    0 stream, 1 category, 2 type, 3 tag, 4 correlation, 5 cause, 6 snapshot (by its
//!             stream), 7 state, 8 idempotency key
//!     first_version  of streams only, whose postings have consecutive versions
//!     deltas  one varint per posting: the difference of (offset / 8 + 1) to that of the posting
//!             before it, so never 0; the first one counts from 0
//!     skips   for the 129th, 257th, ... posting: offset / 8 of the one before it u32, and where
//!             its varint starts in deltas u32; so index -> offset and offset -> index decode at
//!             most 128 varints
//!
//! HASH BUCKETS, the same for entries (by kind and name) and ids: a 64-bit hash gives the bucket
//! by its high half (scaled to the number of buckets, one per 16 slots) and the fingerprint by
//! its low half. Slots are sorted by hash, then value.
//! ```
//!
//! The chain of checks: header_crc covers the header with footer_crc in it, that the footer with
//! the table's CRC, that the CRC table, and that the body. So every bit of the file is covered.

use std::ops::Range;

/// The first bytes of every run. Neither text nor zeros, and broken by newline conversion.
pub(crate) const MAGIC: [u8; 8] = *b"\x89ANNIDX\n";
/// The format that this crate writes, and the only one that it reads.
pub(crate) const VERSION: u32 = 1;

pub(crate) const VERSION_AT: usize = MAGIC.len();
pub(crate) const FOOTER_LEN_AT: usize = VERSION_AT + 4;
pub(crate) const FILE_LEN_AT: usize = FOOTER_LEN_AT + 4;
pub(crate) const FOOTER_CRC_AT: usize = FILE_LEN_AT + 8;
pub(crate) const HEADER_CRC_AT: usize = FOOTER_CRC_AT + 4;
pub(crate) const HEADER_LEN: usize = HEADER_CRC_AT + 4;

/// What one CRC covers and a look-up touches at least.
pub(crate) const BLOCK: usize = 4096;
/// Bytes of one CRC in the CRC table.
pub(crate) const CRC_LEN: usize = 4;
/// No footer is larger; what claims to be is refused before it is read.
pub(crate) const FOOTER_MAX: usize = 1024;

/// Every section starts at a multiple of this, and so does every record in a segment.
pub(crate) const ALIGN: usize = 8;
/// Offsets of records lie below this many bytes (32 GiB): offset / 8 fits 32 bits.
pub const OFFSET_END: u64 = 1 << 35;

/// Entries per stop.
pub(crate) const ENTRIES_PER_STOP: u32 = 16;
pub(crate) const STOP_LEN: usize = 4;
/// Postings of an entry per skip point.
pub(crate) const POSTINGS_PER_SKIP: usize = 128;
pub(crate) const SKIP_LEN: usize = 8;
/// Slots per bucket, on average: two cache lines.
pub(crate) const SLOTS_PER_BUCKET: u32 = 16;
pub(crate) const BUCKET_END_LEN: usize = 4;
pub(crate) const SLOT_LEN: usize = 8;
pub(crate) const MARK_LEN: usize = 12;

/// No varint is longer (64 bits, 7 per byte).
pub(crate) const VARINT_MAX: usize = 10;
/// No difference of two offsets / 8 is longer (33 bits, 7 per byte).
pub(crate) const DELTA_MAX: usize = 5;
/// No entry of a key takes more beside its name and its postings: the kind, and three numbers
/// that are below 2^32 like the blob.
pub(crate) const KEY_HEAD_MAX: u64 = 1 + 3 * 5;
/// Likewise of a stream, which has a version besides.
pub(crate) const STREAM_HEAD_MAX: u64 = KEY_HEAD_MAX + VARINT_MAX as u64;
/// No posting takes more: its delta, and its part of a skip point.
pub(crate) const POSTING_MAX: u64 = DELTA_MAX as u64 + 1;

const _: () = assert!(HEADER_LEN == 32 && HEADER_LEN.is_multiple_of(ALIGN));
const _: () = assert!(HEADER_LEN < BLOCK && BLOCK.is_multiple_of(ALIGN));
const _: () = assert!(OFFSET_END / 8 == 1 << 32);
const _: () = assert!(SKIP_LEN < POSTINGS_PER_SKIP);
const _: () = assert!(SLOT_LEN == 8 && MARK_LEN == 12 && SKIP_LEN == 8);
// A u32 is an index everywhere below; `as usize` on one loses nothing.
const _: () = assert!(usize::BITS >= 32);

/// The numbers in the footer from which all places in the body follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub(crate) struct Counts {
    pub(crate) blob_len: u32,
    pub(crate) streams: u32,
    /// The entries that are no streams.
    pub(crate) keys: u32,
    pub(crate) ids: u32,
    pub(crate) marks: u32,
}

/// The section of hash buckets for one kind of key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketPlaces {
    pub(crate) buckets: u32,
    pub(crate) slot_count: u32,
    pub(crate) ends: Range<usize>,
    pub(crate) slots: Range<usize>,
}

/// Where every section of a body lies, in bytes from the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) blob: Range<usize>,
    pub(crate) stops: Range<usize>,
    pub(crate) entries: BucketPlaces,
    pub(crate) ids: BucketPlaces,
    pub(crate) marks: Range<usize>,
    pub(crate) body_end: usize,
}

/// How many buckets `slots` slots are spread over.
pub(crate) const fn buckets_for(slots: u32) -> u32 {
    let buckets = slots.div_ceil(SLOTS_PER_BUCKET);
    if buckets == 0 { 1 } else { buckets }
}

impl Places {
    /// `None` if the numbers lead beyond what this machine can address.
    pub(crate) fn of(counts: Counts) -> Option<Places> {
        let mut end = HEADER_LEN;
        let mut next = |count: u32, each: usize| -> Option<Range<usize>> {
            let start = end;
            let section = start..start.checked_add((count as usize).checked_mul(each)?)?;
            end = section.end.checked_next_multiple_of(ALIGN)?;
            Some(section)
        };
        let blob = next(counts.blob_len, 1)?;
        let entries = counts.streams.checked_add(counts.keys)?;
        let stops = next(entries.div_ceil(ENTRIES_PER_STOP), STOP_LEN)?;
        let mut hashed = |slot_count: u32| -> Option<BucketPlaces> {
            let buckets = buckets_for(slot_count);
            let ends = next(buckets, BUCKET_END_LEN)?;
            Some(BucketPlaces { buckets, slot_count, ends, slots: next(slot_count, SLOT_LEN)? })
        };
        let entries = hashed(entries)?;
        let ids = hashed(counts.ids)?;
        let marks = next(counts.marks, MARK_LEN)?;
        Some(Places { blob, stops, entries, ids, marks, body_end: end })
    }

    /// The sections in order.
    pub(crate) fn sections(&self) -> [&Range<usize>; 7] {
        [
            &self.blob,
            &self.stops,
            &self.entries.ends,
            &self.entries.slots,
            &self.ids.ends,
            &self.ids.slots,
            &self.marks,
        ]
    }
}

/// How many blocks a body has that ends at `body_end`.
pub(crate) const fn block_count(body_end: usize) -> usize {
    body_end.div_ceil(BLOCK)
}

/// The bytes that the CRC of block `block` covers.
pub(crate) fn block_range(block: usize, body_end: usize) -> Range<usize> {
    let start = block.saturating_mul(BLOCK);
    start.max(HEADER_LEN)..start.saturating_add(BLOCK).min(body_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_follow_each_other_without_overlap() {
        let places = Places::of(Counts { blob_len: 13, streams: 9, keys: 8, ids: 33, marks: 3 })
            .expect("small");
        let mut end = HEADER_LEN;
        for section in places.sections() {
            assert!(section.start >= end && section.start < end + ALIGN);
            assert!(section.start.is_multiple_of(ALIGN));
            end = section.end;
        }
        assert_eq!(places.entries.buckets, 2);
        assert_eq!(places.ids.buckets, 3);
        assert_eq!(places.body_end, end.next_multiple_of(ALIGN));
    }

    #[test]
    fn blocks_cover_the_body_and_not_the_header() {
        assert_eq!(block_range(0, 100), 32..100);
        assert_eq!(block_range(0, 9000), 32..4096);
        assert_eq!(block_range(2, 9000), 8192..9000);
        assert_eq!(block_count(8192), 2);
        assert_eq!(block_count(8200), 3);
    }
}
