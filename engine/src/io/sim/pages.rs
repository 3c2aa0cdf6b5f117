//! The bytes of one view of a file: sparse pages that copies share.
//!
//! A copy costs one reference count, and a write copies only the page that it
//! touches; this is what makes a fork of a disk cheap. What is durable, what is
//! pending and what a name is, is not known here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::numbers::{Digest, count, index};
use super::units::SECTOR_BYTES;

const PAGE_BYTES: usize = 4096;
const PAGE_LEN: u64 = 4096;
const SECTOR_LEN: u64 = 512;

/// The content of one sector.
pub(super) type Sector = [u8; SECTOR_BYTES];

#[derive(Debug, Clone)]
struct Page {
    bytes: [u8; PAGE_BYTES],
    /// One bit for each sector that was ever written; the others are holes and
    /// take no space on the disk.
    allocated: u8,
    /// Digest of `bytes`, 0 if all are zero; forgotten at each change.
    digest: OnceLock<u128>,
}

impl Page {
    fn empty() -> Self {
        Self { bytes: [0; PAGE_BYTES], allocated: 0, digest: OnceLock::new() }
    }

    fn digest(&self) -> u128 {
        *self.digest.get_or_init(|| {
            if self.bytes.iter().all(|byte| *byte == 0) {
                return 0;
            }
            let mut digest = Digest::new();
            digest.bytes(&self.bytes);
            digest.finish()
        })
    }
}

/// The bits of the sectors that `within` touches.
fn sector_bits(within: &Range<usize>) -> u8 {
    let last = within.end.div_ceil(SECTOR_BYTES);
    (within.start / SECTOR_BYTES..last).fold(0, |bits, sector| bits | (1 << sector))
}

/// One stretch of a range of the file that lies within one page.
struct Piece {
    page: u64,
    within: Range<usize>,
    of_data: Range<usize>,
}

/// Splits a range of the file at the page borders.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset.saturating_add(count(done));
        let start = index(at % PAGE_LEN);
        let take = (PAGE_BYTES - start).min(len - done);
        let piece =
            Piece { page: at / PAGE_LEN, within: start..start + take, of_data: done..done + take };
        done += take;
        (take > 0).then_some(piece)
    })
}

/// The numbers of the sectors that a range of the file touches.
pub(super) fn sectors(offset: u64, len: usize) -> Range<u64> {
    let end = offset.saturating_add(count(len));
    offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN)
}

/// Bytes and length of a file. Bytes may stand beyond the length: data that
/// reached the disk before the length that covers it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    len: u64,
    pages: Arc<BTreeMap<u64, Arc<Page>>>,
}

impl Pages {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut pages = Self { len: count(bytes.len()), ..Self::default() };
        pages.write(bytes, 0);
        pages
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.len = len;
    }

    /// Copies what lies below the length; returns how many bytes that was.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let len = buffer.len().min(index(self.len.saturating_sub(offset)));
        for piece in pieces(offset, len) {
            let Some(target) = buffer.get_mut(piece.of_data) else { continue };
            match self.pages.get(&piece.page).and_then(|page| page.bytes.get(piece.within)) {
                Some(source) => target.copy_from_slice(source),
                None => target.fill(0),
            }
        }
        len
    }

    pub(super) fn to_vec(&self, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; index(len.min(self.len))];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Puts bytes in place. The length stays what it is.
    pub(super) fn write(&mut self, data: &[u8], offset: u64) {
        if data.is_empty() {
            return;
        }
        let pages = Arc::make_mut(&mut self.pages);
        for piece in pieces(offset, data.len()) {
            let page = pages.entry(piece.page).or_insert_with(|| Arc::new(Page::empty()));
            let page = Arc::make_mut(page);
            page.digest = OnceLock::new();
            page.allocated |= sector_bits(&piece.within);
            let source = data.get(piece.of_data);
            let target = page.bytes.get_mut(piece.within);
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
    }

    /// The content of one sector, also beyond the length.
    pub(super) fn sector(&self, sector: u64) -> Sector {
        let mut bytes = [0; SECTOR_BYTES];
        for piece in pieces(sector.saturating_mul(SECTOR_LEN), SECTOR_BYTES) {
            let page = self.pages.get(&piece.page);
            if let Some(source) = page.and_then(|page| page.bytes.get(piece.within)) {
                bytes.copy_from_slice(source);
            }
        }
        bytes
    }

    pub(super) fn put_sector(&mut self, sector: u64, bytes: &Sector) {
        self.write(bytes, sector.saturating_mul(SECTOR_LEN));
    }

    /// Sets the length and zeroes what stands beyond it, so that a later extension
    /// shows zeros.
    pub(super) fn cut(&mut self, len: u64) {
        self.len = len;
        let first_gone = len.div_ceil(PAGE_LEN);
        let kept = index(len % PAGE_LEN);
        let last = self.pages.get(&(len / PAGE_LEN)).filter(|_| kept > 0);
        let dirty_tail = last
            .and_then(|page| page.bytes.get(kept..))
            .is_some_and(|tail| tail.iter().any(|byte| *byte != 0) || tail.len() >= SECTOR_BYTES);
        let beyond = self.pages.last_key_value().is_some_and(|(page, _)| *page >= first_gone);
        if !dirty_tail && !beyond {
            return;
        }
        let pages = Arc::make_mut(&mut self.pages);
        pages.split_off(&first_gone);
        if let Some(page) = pages.get_mut(&(len / PAGE_LEN)) {
            let page = Arc::make_mut(page);
            page.digest = OnceLock::new();
            page.allocated &= sector_bits(&(0..kept));
            if let Some(tail) = page.bytes.get_mut(kept..) {
                tail.fill(0);
            }
        }
    }

    /// How many bytes of disk the file takes: its sectors that are no holes.
    pub(super) fn allocated(&self) -> u64 {
        let sectors = self.pages.values().map(|page| u64::from(page.allocated.count_ones()));
        sectors.sum::<u64>().saturating_mul(SECTOR_LEN)
    }

    /// How many bytes of a write of `len` bytes at `offset` fit if at most `space`
    /// bytes of disk can be newly taken.
    pub(super) fn fitting(&self, offset: u64, len: usize, space: u64) -> usize {
        let mut left = space / SECTOR_LEN;
        for sector in sectors(offset, len) {
            let start = sector.saturating_mul(SECTOR_LEN);
            let page = self.pages.get(&(start / PAGE_LEN));
            let within = index(start % PAGE_LEN);
            let bit = sector_bits(&(within..within + SECTOR_BYTES));
            if page.is_some_and(|page| page.allocated & bit != 0) {
                continue;
            }
            if left == 0 {
                return index(start.saturating_sub(offset)).min(len);
            }
            left -= 1;
        }
        len
    }

    /// A digest of length and content; holes and zeros are the same.
    pub(super) fn digest(&self, into: &mut Digest) {
        into.word(self.len);
        for (number, page) in &*self.pages {
            let digest = page.digest();
            if digest != 0 {
                into.word(*number);
                into.digest(digest);
            }
        }
    }
}
