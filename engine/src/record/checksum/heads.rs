//! The CRCs of many heads of one kind, one after the other, by tables.
//!
//! A CRC is linear: it is the sum, by XOR, of what each word of the head and the start add
//! to it. From one head to the next most words stay as they were, or change in their
//! lowest byte, so most of the sum stays too. That takes fewer instructions than the
//! general way, whose set-up is most of its cost for 36 or 44 bytes.

use super::Seed;
use crate::record::field::{put_u32, size, u32_at};
use crate::record::layout::{batch, event, head};

/// Of heads of events.
pub(crate) type EventSums = HeadSums<{ event::COVERED_WORDS }>;

/// Of heads of batches.
pub(crate) type BatchSums = HeadSums<{ batch::COVERED_WORDS }>;

/// What a byte adds, by its value, and that for each byte of a word.
type Table = [[u32; 256]; size_of::<u32>()];

/// For each word of the longest head. The last one is for a word with nothing behind it.
static TABLES: [Table; batch::COVERED_WORDS] = tables();

const fn byte_through(crc: u32) -> u32 {
    let (mut crc, mut bits) = (crc, u8::BITS);
    while bits > 0 {
        // The polynomial of IEEE 802.3, the lowest bit first.
        crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        bits -= 1;
    }
    crc
}

#[allow(clippy::indexing_slicing)] // Wrong ones do not compile.
const fn tables() -> [Table; batch::COVERED_WORDS] {
    let mut tables = [[[0; 256]; size_of::<u32>()]; batch::COVERED_WORDS];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut added = byte;
        let mut behind = 0;
        while behind < batch::COVERED_WORDS * size_of::<u32>() {
            added = byte_through(added);
            let at = batch::COVERED_WORDS * size_of::<u32>() - 1 - behind;
            tables[at / size_of::<u32>()][at % size_of::<u32>()][size(byte)] = added;
            behind += 1;
        }
        byte += 1;
    }
    tables
}

#[inline(always)]
fn added_by(table: &Table, word: u32) -> u32 {
    let [t0, t1, t2, t3] = table;
    let [b0, b1, b2, b3] = word.to_le_bytes();
    // A byte is an index of its table: the default is never taken.
    let of = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied();
    of(t0, b0).unwrap_or(0)
        ^ of(t1, b1).unwrap_or(0)
        ^ of(t2, b2).unwrap_or(0)
        ^ of(t3, b3).unwrap_or(0)
}

/// Goes on with a CRC by one word.
#[inline]
pub(super) fn word_after(crc: u32, word: u32) -> u32 {
    let [.., last] = &TABLES;
    !added_by(last, !crc ^ word)
}

/// The head that was looked at last, as it was summed up.
#[derive(Debug, Clone)]
pub(crate) struct HeadSums<const COVERED: usize> {
    words: [u32; COVERED],
    sum: u32,
}

impl<const COVERED: usize> HeadSums<COVERED> {
    pub(crate) const fn new() -> Self {
        Self { words: [0; COVERED], sum: 0 }
    }

    /// Whether a whole head matches its first field.
    #[inline(always)]
    pub(crate) fn holds(&mut self, head: &[u8], seed: Seed, offset: u64) -> bool {
        u32_at(head, head::HEADER_CRC) == Some(self.crc(head, seed, offset))
    }

    /// Puts the CRC of a whole head into its first field.
    #[inline(always)]
    pub(crate) fn seal(&mut self, head: &mut [u8], seed: Seed, offset: u64) -> u32 {
        let crc = self.crc(head, seed, offset);
        put_u32(head, head::HEADER_CRC, crc);
        crc
    }

    #[inline(always)]
    fn crc(&mut self, head: &[u8], seed: Seed, offset: u64) -> u32 {
        let (words, _) = head.as_chunks();
        debug_assert_eq!(words.len() - head::KIND / size_of::<u32>(), COVERED, "another head");
        let Some(tables) = TABLES.last_chunk::<COVERED>() else { return 0 };
        // The start is added to the first word.
        let mut start = !seed.at(offset);
        let covered = words.iter().skip(head::KIND / size_of::<u32>());
        for ((bytes, before), table) in covered.zip(&mut self.words).zip(tables) {
            let word = u32::from_le_bytes(*bytes) ^ std::mem::take(&mut start);
            let changed = word ^ *before;
            if changed == 0 {
                continue;
            }
            *before = word;
            self.sum ^= match u8::try_from(changed) {
                Ok(low) => {
                    let [lowest, ..] = table;
                    lowest.get(usize::from(low)).copied().unwrap_or(0)
                }
                Err(_) => added_by(table, changed),
            };
        }
        !self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::checksum::{Chain, header_holds, seal_header, seeded};

    /// Some words, the same at each run.
    fn words() -> impl Iterator<Item = u64> {
        let mut state = 1_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    #[test]
    fn sums_are_the_same_crc_whatever_changes_between_two_heads() {
        let mut words = words();
        let mut sums = EventSums::new();
        let mut header = [0_u8; event::LEN];
        for round in 0..5000 {
            let (at, changed) = (words.next().unwrap(), words.next().unwrap());
            let at = usize::try_from(at).unwrap() % event::LEN;
            // One byte, or all of them.
            if round % 3 == 0 {
                header.fill_with(|| words.next().unwrap().to_le_bytes()[0]);
            } else {
                header[at] ^= changed.to_le_bytes()[0];
            }
            let seed = Seed::new(u128::from(changed), round / 100);
            let offset = (changed >> 20) & !7;
            seal_header(&mut header, seed, offset);
            assert!(sums.holds(&header, seed, offset));
            header[at] ^= 1 << (changed % 8);
            assert!(!sums.holds(&header, seed, offset), "byte {at}");
            assert!(!header_holds(&header, seed, offset));
            header[at] ^= 1 << (changed % 8);
            assert!(!sums.holds(&header, seed, offset ^ 8));
        }
    }

    #[test]
    fn a_chain_by_words_is_the_crc_of_all_of_them() {
        let seed = Seed::new(0, 0);
        let (mut chain, mut all) = (Chain::new(), Vec::new());
        for word in words().take(100) {
            let [a, b, c, d, ..] = word.to_le_bytes();
            chain.push(u32::from_le_bytes([a, b, c, d]));
            all.extend([a, b, c, d]);
            assert_eq!(chain.finish(), super::super::of(&all));
        }
        assert_ne!(seeded(seed, 8, &all), super::super::of(&all));
    }
}
