//! Checked access to the body of a run: every block's CRC is compared at its first touch.
//! What the bytes mean is for the modules above.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::{self, RunBytes};
use crate::error::{Part, RunError, damaged, wide};
use crate::layout::{BLOCK, CRC_LEN, Places, VARINT_MAX, block_count, block_range};
use crate::varint;

pub(crate) struct Body<B> {
    bytes: B,
    pub(crate) places: Places,
    /// One bit per block whose CRC was found to hold. Only ever set; guards no other memory, so
    /// relaxed: the worst that a race costs is a second check.
    checked: Box<[AtomicU64]>,
}

const BITS: usize = 64;

impl<B: RunBytes> Body<B> {
    /// `places` must have been compared with the length of `bytes`: memory is allocated by it.
    pub(crate) fn new(bytes: B, places: Places) -> Body<B> {
        let words = block_count(places.body_end).div_ceil(BITS);
        Body { bytes, places, checked: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn bytes(&self) -> &B {
        &self.bytes
    }

    /// These bytes of the body, every block of them checked.
    pub(crate) fn read(&self, range: Range<usize>) -> Result<&[u8], RunError> {
        if range.start >= range.end {
            return Ok(&[]);
        }
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            self.touch(block)?;
        }
        slice(&self.bytes, range)
    }

    /// The varint at `at`, and the place after it, which is not after `end`.
    pub(crate) fn varint(&self, at: usize, end: usize) -> Result<(u64, usize), RunError> {
        let window = self.read(at..at.saturating_add(VARINT_MAX).min(end))?;
        match varint::get(window) {
            Some((value, len)) => Ok((value, at + len)),
            None => Err(damaged(Part::Entries, at)),
        }
    }

    /// Loads a byte, checked or not, and uses it for nothing.
    pub(crate) fn touch_byte(&self, at: usize) {
        if let Some(bytes) = self.bytes.slice(at..at.saturating_add(1)) {
            std::hint::black_box(bytes.first().copied());
        }
    }

    fn touch(&self, block: usize) -> Result<(), RunError> {
        let bit = 1u64 << (block % BITS);
        let Some(word) = self.checked.get(block / BITS) else {
            return Err(damaged(Part::Block, block.saturating_mul(BLOCK)));
        };
        if word.load(Ordering::Relaxed) & bit == 0 {
            self.check_block(block)?;
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Compares the CRC of a block, whether or not that was done before.
    pub(crate) fn check_block(&self, block: usize) -> Result<(), RunError> {
        let end = self.places.body_end;
        let covered = block_range(block, end);
        let offset = covered.start;
        if covered.is_empty() {
            return Err(damaged(Part::Block, offset));
        }
        let entry = end + block * CRC_LEN;
        let expected = bytes::u32_at(slice(&self.bytes, entry..entry + CRC_LEN)?, 0);
        if expected != Some(crc32fast::hash(slice(&self.bytes, covered)?)) {
            return Err(damaged(Part::Block, offset));
        }
        Ok(())
    }
}

/// Part of the file, unchecked.
pub(crate) fn slice<B: RunBytes>(bytes: &B, range: Range<usize>) -> Result<&[u8], RunError> {
    let expected = wide(range.end);
    bytes.slice(range).ok_or_else(|| RunError::Truncated { expected, found: wide(bytes.len()) })
}
