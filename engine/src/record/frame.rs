//! Group frames, batch heads and marks: made and read.

use super::checksum::{BatchSums, Seed, seal_header};
use super::field::{i64_at, put_i64, put_u16, put_u32, put_u64, put_u128, u32_at, u64_at, u128_at};
use super::head::Head;
use super::layout::{batch, group, head, kind, mark};

/// Writes the fields that every header has. `header` is the whole header; its
/// length goes into the header itself.
pub(super) fn put_common(header: &mut [u8], kind: u8, flags: u8, payload_len: u32, crc: u32) {
    if let Some(byte) = header.get_mut(head::KIND) {
        *byte = kind;
    }
    if let Some(byte) = header.get_mut(head::FLAGS) {
        *byte = flags;
    }
    let len = u16::try_from(header.len()).unwrap_or_default();
    put_u16(header, head::HEADER_LEN, len);
    put_u32(header, head::PAYLOAD_LEN, payload_len);
    put_u32(header, head::PAYLOAD_CRC, crc);
}

/// What one write and one sync carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupFrame {
    /// Random id of the writer that made it.
    pub(crate) epoch: u128,
    /// Header CRC of the group before it.
    pub(crate) previous_crc: u32,
    /// What was known durable just before this group was written.
    pub(crate) durable_segment: u64,
    /// The offset that goes with it.
    pub(crate) durable_offset: u64,
    pub(crate) batches: u32,
}

impl GroupFrame {
    pub(crate) fn encode(
        &self,
        payload_len: u32,
        payload_crc: u32,
        seed: Seed,
        offset: u64,
    ) -> [u8; group::LEN] {
        let mut header = [0; group::LEN];
        put_common(&mut header, kind::GROUP, 0, payload_len, payload_crc);
        put_u128(&mut header, group::EPOCH, self.epoch);
        put_u32(&mut header, group::PREVIOUS_CRC, self.previous_crc);
        put_u64(&mut header, group::DURABLE_SEGMENT, self.durable_segment);
        put_u64(&mut header, group::DURABLE_OFFSET, self.durable_offset);
        put_u32(&mut header, group::BATCHES, self.batches);
        seal_header(&mut header, seed, offset);
        header
    }

    pub(crate) fn decode(head: &Head<'_>) -> Option<Self> {
        if head.kind != kind::GROUP {
            return None;
        }
        let zeros = (u32_at(head.bytes, group::ZERO_A)?, u32_at(head.bytes, group::ZERO_B)?);
        if zeros != (0, 0) {
            return None;
        }
        Some(Self {
            epoch: u128_at(head.bytes, group::EPOCH)?,
            previous_crc: u32_at(head.bytes, group::PREVIOUS_CRC)?,
            durable_segment: u64_at(head.bytes, group::DURABLE_SEGMENT)?,
            durable_offset: u64_at(head.bytes, group::DURABLE_OFFSET)?,
            batches: u32_at(head.bytes, group::BATCHES)?,
        })
    }
}

/// What one append commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHead {
    /// Position of its first event; the next position, if it has none.
    pub(crate) first_position: u64,
    pub(crate) events: u32,
    /// Events and control records together.
    pub(crate) records: u32,
    /// When it was committed; never before the batch before it.
    pub(crate) committed_at: i64,
    /// What the clock said.
    pub(crate) raw_clock: i64,
}

impl BatchHead {
    pub(crate) fn encode(
        &self,
        payload_len: u32,
        payload_crc: u32,
        sums: &mut BatchSums,
        (seed, offset): (Seed, u64),
    ) -> [u8; batch::LEN] {
        let mut header = [0; batch::LEN];
        put_common(&mut header, kind::BATCH, 0, payload_len, payload_crc);
        put_u64(&mut header, batch::FIRST_POSITION, self.first_position);
        put_u32(&mut header, batch::EVENTS, self.events);
        put_u32(&mut header, batch::RECORDS, self.records);
        put_i64(&mut header, batch::COMMITTED_AT, self.committed_at);
        put_i64(&mut header, batch::RAW_CLOCK, self.raw_clock);
        sums.seal(&mut header, seed, offset);
        header
    }

    pub(crate) fn decode(head: &Head<'_>) -> Option<Self> {
        if head.kind != kind::BATCH {
            return None;
        }
        let decoded = Self {
            first_position: u64_at(head.bytes, batch::FIRST_POSITION)?,
            events: u32_at(head.bytes, batch::EVENTS)?,
            records: u32_at(head.bytes, batch::RECORDS)?,
            committed_at: i64_at(head.bytes, batch::COMMITTED_AT)?,
            raw_clock: i64_at(head.bytes, batch::RAW_CLOCK)?,
        };
        // Positions end before u64 does, so that the next one is always a number.
        let end = decoded.first_position.checked_add(u64::from(decoded.events));
        (decoded.first_position > 0 && end.is_some() && decoded.events <= decoded.records)
            .then_some(decoded)
    }
}

/// A close mark: head and payload.
pub(crate) fn close_mark(seed: Seed, offset: u64) -> ([u8; mark::LEN + mark::PAYLOAD_LEN], u32) {
    let mut record = [0; mark::LEN + mark::PAYLOAD_LEN];
    let (header, payload) = record.split_at_mut(mark::LEN);
    put_u64(payload, mark::WHAT, mark::CLOSE);
    let payload_len = u32::try_from(payload.len()).unwrap_or_default();
    let payload_crc = super::checksum::of(payload);
    put_common(header, kind::MARK, 0, payload_len, payload_crc);
    let crc = seal_header(header, seed, offset);
    (record, crc)
}

/// Whether a payload is that of a close mark.
pub(crate) fn is_close_mark(head: &Head<'_>, payload: &[u8]) -> bool {
    head.kind == kind::MARK && u64_at(payload, mark::WHAT) == Some(mark::CLOSE)
}
