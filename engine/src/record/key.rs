//! Idempotency keys: heads and payloads, made and read.
//!
//! A key says what came of the batch that was the first to carry it.

use super::checksum::{Seed, seal_header};
use super::event::text;
use super::field::{i64_at, put_i64, put_u32, put_u64, u32_at, u64_at};
use super::frame::put_common;
use super::head::{Head, RecordHead};
use super::layout::{key, kind};
use crate::limits;

/// What a batch came to: the events that it put into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Position of the first one; the next position, if there are none.
    pub(crate) first_position: u64,
    pub(crate) events: u32,
}

/// The head's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHead {
    /// Of the batch that it stands in, or of an earlier one that had put the same events
    /// into the log without a key.
    pub(crate) outcome: Outcome,
    pub(crate) recorded_at: i64,
}

impl KeyHead {
    /// The header bytes and their CRC.
    pub(crate) fn encode(
        &self,
        payload_len: u32,
        payload_crc: u32,
        seed: Seed,
        offset: u64,
    ) -> ([u8; key::LEN], u32) {
        let mut header = [0; key::LEN];
        put_common(&mut header, kind::KEY, 0, payload_len, payload_crc);
        put_u64(&mut header, key::FIRST_POSITION, self.outcome.first_position);
        put_u32(&mut header, key::EVENTS, self.outcome.events);
        put_i64(&mut header, key::RECORDED_AT, self.recorded_at);
        let crc = seal_header(&mut header, seed, offset);
        (header, crc)
    }
}

impl RecordHead for KeyHead {
    type Fields = KeyFields;

    fn decode(head: &Head<'_>) -> Option<Self> {
        if head.kind != kind::KEY || head.flags != 0 || u32_at(head.bytes, key::ZERO)? != 0 {
            return None;
        }
        let outcome = Outcome {
            first_position: u64_at(head.bytes, key::FIRST_POSITION)?,
            events: u32_at(head.bytes, key::EVENTS)?,
        };
        let recorded_at = i64_at(head.bytes, key::RECORDED_AT)?;
        // As in the head of a batch: the position after the last one is a number.
        let end = outcome.first_position.checked_add(u64::from(outcome.events));
        let sound = outcome.first_position > 0 && end.is_some();
        sound.then_some(Self { outcome, recorded_at })
    }

    fn fields(payload: &[u8]) -> Option<KeyFields> {
        KeyFields::read(payload)
    }
}

/// Says that a payload was found to be a key: the text is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyFields(());

impl KeyFields {
    fn read(payload: &[u8]) -> Option<Self> {
        let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&payload.len());
        (fits && std::str::from_utf8(payload).is_ok()).then_some(Self(()))
    }

    pub(crate) fn text(self, payload: &[u8]) -> &str {
        text(Some(payload))
    }
}
