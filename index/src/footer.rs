//! The two ends of a run: the header, by hand, and the footer, by bincode. Reading them checks
//! everything that has to hold before memory is allocated or a place is trusted.

use bincode::{Decode, Encode};

use crate::body::slice;
use crate::bytes::{RunBytes, narrow, u32_at, u64_at};
use crate::error::{Part, RunError, damaged, wide};
use crate::layout::{
    BLOCK, CRC_LEN, Counts, FILE_LEN_AT, FOOTER_CRC_AT, FOOTER_LEN_AT, FOOTER_MAX, HEADER_CRC_AT,
    HEADER_LEN, MAGIC, Places, VERSION, VERSION_AT, block_count,
};

/// What a run says of the log that it was built from, so that one that does not belong, or is of
/// an earlier life of the same place, is told apart. This crate stores it and compares nothing.
///
/// ```
/// use annals_index::{Run, RunMeta, Table, build};
///
/// let meta = RunMeta { log: 7, segment: 3, start: 4096, end: 8192, ..RunMeta::default() };
/// let run = Run::open(build(&Table::new(1), &meta))?;
/// assert_eq!(run.meta(), &RunMeta { first_position: 1, ..meta });
/// # Ok::<(), annals_index::RunError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RunMeta {
    /// The log's UUID.
    pub log: u128,
    /// Number of the segment.
    pub segment: u64,
    /// Offset in bytes from which the run covers the segment.
    pub start: u64,
    /// Offset in bytes up to which it does.
    pub end: u64,
    /// Offset in bytes of the last group that it covers.
    pub last_group: u64,
    /// CRC of that group, the one that the next group carries.
    pub end_crc: u32,
    /// Position of the first event that the run may hold. [`build`](crate::build) takes it from
    /// the table.
    pub first_position: u64,
    /// How many events the run holds. [`build`](crate::build) takes it from the table.
    pub events: u64,
}

/// What stands at the end of the file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Footer {
    pub(crate) meta: RunMeta,
    pub(crate) counts: Counts,
    /// CRC of the CRC table.
    pub(crate) table_crc: u32,
}

/// Fixed integers: the length of a footer does not depend on what stands in it.
fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<FOOTER_MAX>()
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Writing fixed numbers to a vector cannot fail. If it did, the run would have an empty
        // footer, and opening it would say so.
        bincode::encode_to_vec(self, config()).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Footer> {
        let (footer, len) = bincode::decode_from_slice(bytes, config()).ok()?;
        (len == bytes.len()).then_some(footer)
    }
}

/// The header of a file of this length with this footer.
pub(crate) fn header(file_len: usize, footer: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_LEN);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&narrow(footer.len()).to_le_bytes());
    header.extend_from_slice(&wide(file_len).to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(footer).to_le_bytes());
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

/// Reads header, footer and CRC table, and nothing else.
pub(crate) fn read<B: RunBytes>(bytes: &B) -> Result<(Footer, Places), RunError> {
    let (file_len, footer_len, footer_crc) = read_header(bytes)?;
    let footer_at = file_len - footer_len;
    let hurt = || damaged(Part::Footer, footer_at);
    let encoded = slice(bytes, footer_at..file_len)?;
    if crc32fast::hash(encoded) != footer_crc {
        return Err(hurt());
    }
    let footer = Footer::decode(encoded).ok_or_else(hurt)?;
    let places = Places::of(footer.counts).ok_or_else(hurt)?;
    let table_len = block_count(places.body_end) * CRC_LEN;
    if places.body_end.checked_add(table_len) != Some(footer_at) {
        return Err(hurt());
    }
    if table_crc(bytes, places.body_end, footer_at)? != footer.table_crc {
        return Err(damaged(Part::CrcTable, places.body_end));
    }
    Ok((footer, places))
}

/// Length of the file, which it has, length of the footer, which it has room for, and CRC of
/// the footer.
fn read_header<B: RunBytes>(bytes: &B) -> Result<(usize, usize, u32), RunError> {
    let header = slice(bytes, 0..HEADER_LEN)?;
    if !header.starts_with(&MAGIC) {
        return Err(RunError::NotARun);
    }
    let hurt = || damaged(Part::Header, 0);
    let covered = header.get(..HEADER_CRC_AT).ok_or_else(hurt)?;
    if u32_at(header, HEADER_CRC_AT) != Some(crc32fast::hash(covered)) {
        return Err(hurt());
    }
    let version = u32_at(header, VERSION_AT).ok_or_else(hurt)?;
    if version != VERSION {
        return Err(RunError::Version { found: version, known: VERSION });
    }
    let expected = u64_at(header, FILE_LEN_AT).ok_or_else(hurt)?;
    let found = wide(bytes.len());
    if found < expected {
        return Err(RunError::Truncated { expected, found });
    }
    if found > expected {
        return Err(RunError::Damaged { what: Part::Footer, offset: expected });
    }
    let footer_len = u32_at(header, FOOTER_LEN_AT).ok_or_else(hurt)? as usize;
    let footer_crc = u32_at(header, FOOTER_CRC_AT).ok_or_else(hurt)?;
    if footer_len > FOOTER_MAX || footer_len > bytes.len() - HEADER_LEN {
        return Err(hurt());
    }
    Ok((bytes.len(), footer_len, footer_crc))
}

/// In pieces, as a mapping hands out parts.
fn table_crc<B: RunBytes>(bytes: &B, start: usize, end: usize) -> Result<u32, RunError> {
    let mut crc = crc32fast::Hasher::new();
    let mut at = start;
    while at < end {
        let next = end.min(at + BLOCK);
        crc.update(slice(bytes, at..next)?);
        at = next;
    }
    Ok(crc.finalize())
}
