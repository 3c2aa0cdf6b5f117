//! The checksums of an index, made again.

use super::seal::crc;
use super::{length, put};
use crate::numbers::wide;

/// How many bytes the header has.
pub const HEADER: usize = 32;
const FOOTER_LEN: usize = 12;
const FILE_LEN: usize = 16;
const FOOTER_CRC: usize = 24;
const HEADER_CRC: usize = 28;
const BLOCK: usize = 4096;

/// Makes every CRC of a run fit its bytes, and the length that it says; a CRC table of the
/// size that this length asks for stands before the footer.
pub fn seal(bytes: &mut [u8]) {
    let len = bytes.len();
    put(bytes, FILE_LEN, 8, u128::from(wide(len)));
    let footer_at = length(bytes, FOOTER_LEN, 4).and_then(|footer| len.checked_sub(footer));
    if let Some(footer_at) = footer_at.filter(|at| *at >= HEADER && at + 4 <= len) {
        // One CRC for each block up to the table, which follows the body.
        let blocks = (0..=footer_at / 4).find(|blocks| {
            let body = footer_at.checked_sub(blocks * 4);
            body.is_none_or(|body| body.div_ceil(BLOCK) <= *blocks)
        });
        let table = footer_at.saturating_sub(blocks.unwrap_or(0) * 4).max(HEADER);
        for (number, at) in (table..footer_at).step_by(4).enumerate() {
            let start = (number * BLOCK).max(HEADER);
            let block = bytes.get(start..((number + 1) * BLOCK).min(table));
            let sum = crc(0, block.unwrap_or_default());
            put(bytes, at, 4, sum.into());
        }
        let sum = crc(0, bytes.get(table..footer_at).unwrap_or_default());
        put(bytes, len - 4, 4, sum.into());
        let sum = crc(0, bytes.get(footer_at..).unwrap_or_default());
        put(bytes, FOOTER_CRC, 4, sum.into());
    }
    let sum = crc(0, bytes.get(..HEADER_CRC).unwrap_or_default());
    put(bytes, HEADER_CRC, 4, sum.into());
}
