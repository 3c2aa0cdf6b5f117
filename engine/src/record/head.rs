//! The header that all records share, read with its length proven before use.

use super::checksum::{self, EventSums, Seed};
use super::field::{size, u16_at, u32_at};
use super::layout::{ALIGN, event, head, kind, padded};

/// What stands at an offset, if it is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotARecord {
    /// Nothing was written here, or it was zeroed: proves nothing about what was
    /// here before.
    Unwritten,
    /// Bytes that are no header of this place: torn, damaged, stale or foreign.
    Garbage,
}

/// A header whose CRC holds, so its lengths can be trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// All bytes of the header.
    pub(crate) bytes: &'a [u8],
    pub(crate) crc: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload_len: usize,
    pub(crate) payload_crc: u32,
}

impl<'a> Head<'a> {
    /// Reads the header at the start of `bytes`, which stands at `offset` of the
    /// segment with this seed.
    #[inline]
    pub(crate) fn read(bytes: &'a [u8], seed: Seed, offset: u64) -> Result<Self, NotARecord> {
        let holds = |header: &[u8]| checksum::header_holds(header, seed, offset);
        Self::read_checked(bytes, holds).ok_or_else(|| why_not(bytes))
    }

    /// The same of an event's head with the length that this version writes, where such
    /// heads follow each other.
    #[inline(always)]
    pub(crate) fn read_event(
        bytes: &'a [u8],
        sums: &mut EventSums,
        seed: Seed,
        offset: u64,
    ) -> Option<Self> {
        // Of a length known at compile time: reading its fields needs no checks.
        let header = bytes.first_chunk::<{ event::LEN }>()?;
        let written = *header.get(head::KIND)? == kind::EVENT
            && usize::from(u16_at(header, head::HEADER_LEN)?) == event::LEN;
        if written && sums.holds(header, seed, offset) { Self::fields(header) } else { None }
    }

    /// Reads a header whose CRC was found to hold before.
    #[inline]
    pub(crate) fn read_again(bytes: &'a [u8]) -> Option<Self> {
        Self::read_checked(bytes, |_| true)
    }

    #[inline(always)]
    fn read_checked(bytes: &'a [u8], holds: impl FnOnce(&[u8]) -> bool) -> Option<Self> {
        let kind = *bytes.get(head::KIND)?;
        let header_len = usize::from(u16_at(bytes, head::HEADER_LEN)?);
        let plausible = kind != 0
            && (head::END..=head::MAX).contains(&header_len)
            && header_len.is_multiple_of(ALIGN);
        if !plausible {
            return None;
        }
        let header = bytes.get(..header_len)?;
        if holds(header) { Self::fields(header) } else { None }
    }

    #[inline(always)]
    fn fields(header: &'a [u8]) -> Option<Self> {
        Some(Self {
            bytes: header,
            crc: u32_at(header, head::HEADER_CRC)?,
            kind: *header.get(head::KIND)?,
            flags: *header.get(head::FLAGS)?,
            payload_len: size(u32_at(header, head::PAYLOAD_LEN)?),
            payload_crc: u32_at(header, head::PAYLOAD_CRC)?,
        })
    }

    /// Header, payload and the zeros behind it; `None` if that is no length.
    #[inline]
    pub(crate) fn total_len(&self) -> Option<usize> {
        padded(self.payload_len)?.checked_add(self.bytes.len())
    }
}

#[cold]
fn why_not(bytes: &[u8]) -> NotARecord {
    let look = bytes.get(..bytes.len().min(head::END)).unwrap_or_default();
    if look.iter().all(|byte| *byte == 0) { NotARecord::Unwritten } else { NotARecord::Garbage }
}

/// A kind of record that is also read alone: what its head says, and what is found out
/// about its payload.
pub(crate) trait RecordHead: Copy {
    /// Where the fields of the payload stand. Borrows nothing.
    type Fields: Copy;

    /// Reads a head of this kind; `None` if it is of another or cannot be.
    fn decode(head: &Head<'_>) -> Option<Self>;

    /// Reads a payload, without the zeros that fill it up, and checks that it makes
    /// sense.
    fn fields(payload: &[u8]) -> Option<Self::Fields>;
}
