//! CRC-32 of heads: eight bytes at a time by tables.
//!
//! `crc32fast` takes what is shorter than 64 bytes one byte at a time, which costs a head more
//! than a payload. A floor does not.

/// The polynomial of IEEE 802.3, its bits the other way round.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What is summed at a time.
const STEP: usize = size_of::<u64>();

/// What a byte comes to with so many zero bytes behind it.
static TABLES: [[u32; 256]; STEP] = tables();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "when it is built")]
const fn tables() -> [[u32; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut table = 0;
        while table < STEP {
            let mut bit = 0;
            while bit < 8 {
                sum = (sum >> 1) ^ (POLYNOMIAL * (sum & 1));
                bit += 1;
            }
            tables[table][byte] = sum;
            table += 1;
        }
        byte += 1;
    }
    tables
}

/// The CRC-32 of these bytes, whole steps of them; what is behind the last step is left out.
#[inline]
pub(super) fn crc(bytes: &[u8]) -> u32 {
    let (steps, _) = bytes.as_chunks::<STEP>();
    !steps.iter().fold(u32::MAX, |sum, step| {
        let word = u64::from_le_bytes(*step) ^ u64::from(sum);
        let of = |(byte, table): (u8, &[u32; 256])| {
            table.get(usize::from(byte)).copied().unwrap_or_default()
        };
        word.to_le_bytes().into_iter().zip(TABLES.iter().rev()).map(of).fold(0, |a, b| a ^ b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn it_is_the_same_crc() {
        let workload = Workload::new();
        for len in (0..=80).step_by(STEP) {
            let bytes = workload.events(3).bytes(len);
            assert_eq!(crc(bytes), crc32fast::hash(bytes), "{len}");
        }
    }
}
