//! The encoded payloads of a batch, one behind the other, within the limits of their
//! sizes and of their number.

use super::check::most;
use crate::error::{Error, Result};
use crate::limits;
use crate::record::checksum;
use crate::record::field::{size, wide};
use crate::record::layout::padded;

/// An encoded payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload {
    /// Where it starts in the batch's buffer.
    pub(super) start: usize,
    /// Without the zeros that fill it up.
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    buffer: Vec<u8>,
    count: usize,
    record_bytes: u64,
}

impl Payloads {
    /// Encodes one more, which `what` names, of a record with a head of this length.
    pub(super) fn push(
        &mut self,
        what: &'static str,
        head_len: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Payload> {
        most("records of a batch", self.count + 1, limits::BATCH_RECORDS)?;
        let start = self.buffer.len();
        encode(&mut self.buffer);
        let len = self.buffer.len() - start;
        let padded = padded(len).unwrap_or(usize::MAX);
        match self.total_with(what, len, padded.saturating_add(head_len)) {
            Ok(total) => self.record_bytes = total,
            Err(error) => {
                self.buffer.truncate(start);
                return Err(error);
            }
        }
        self.count += 1;
        self.buffer.resize(start + padded, 0);
        let crc = checksum::of(self.buffer.get(start..).unwrap_or_default());
        Ok(Payload { start, len: u32::try_from(len).unwrap_or(u32::MAX), crc })
    }

    /// What all records come to with one more.
    fn total_with(&self, what: &'static str, len: usize, record: usize) -> Result<u64> {
        most(what, len, limits::EVENT_BYTES)?;
        let total = self.record_bytes.saturating_add(wide(record));
        let limit = wide(limits::BATCH_BYTES);
        if total > limit {
            return Err(Error::TooLarge { what: "batch (bytes)", size: total, limit });
        }
        Ok(total)
    }

    /// A payload without the zeros that fill it up.
    pub(super) fn get(&self, payload: Payload) -> &[u8] {
        self.slice(payload.start, size(payload.len))
    }

    /// A payload with the zeros that fill it up.
    pub(super) fn filled(&self, start: usize, len: u32) -> &[u8] {
        self.slice(start, padded(size(len)).unwrap_or_default())
    }

    fn slice(&self, start: usize, len: usize) -> &[u8] {
        self.buffer.get(start..start + len).unwrap_or_default()
    }

    /// How many bytes the records take on disk.
    pub(super) const fn record_bytes(&self) -> u64 {
        self.record_bytes
    }

    /// None any more, with their memory kept.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.count = 0;
        self.record_bytes = 0;
    }
}
