//! Groups of whatever records a test wants.

use super::seed;
use crate::record::checksum::{self, BatchSums, Chain, EventSums, seal_header};
use crate::record::event::EventHead;
use crate::record::field::{u32_at, wide};
use crate::record::frame::{BatchHead, GroupFrame, put_common};
use crate::record::key::KeyHead;
use crate::record::layout::{self, padded, segment};
use crate::record::snapshot::SnapshotHead;
use crate::record::walk::Window;

/// When all of it was committed.
pub(super) const TIME: i64 = 7;

/// A record before it has its place.
#[derive(Debug, Clone)]
pub(super) enum Made {
    Event(EventHead, Vec<u8>),
    Snapshot(SnapshotHead, Vec<u8>),
    Key(KeyHead, Vec<u8>),
    /// Kind, flags, the head behind the common fields, the payload.
    Raw(u8, u8, Vec<u8>, Vec<u8>),
}

impl Made {
    pub(super) fn encode(&self, offset: u64) -> (Vec<u8>, u32) {
        let (Self::Event(_, payload)
        | Self::Snapshot(_, payload)
        | Self::Key(_, payload)
        | Self::Raw(.., payload)) = self;
        let mut filled = payload.clone();
        filled.resize(padded(payload.len()).unwrap(), 0);
        let len = u32::try_from(payload.len()).unwrap();
        let payload_crc = checksum::of(&filled);
        let (mut bytes, crc) = match self {
            Self::Event(head, _) => {
                let mut sums = EventSums::new();
                let (header, crc) = head.encode(len, payload_crc, &mut sums, (seed(), offset));
                (header.to_vec(), crc)
            }
            Self::Snapshot(head, _) => {
                let (header, crc) = head.encode(len, payload_crc, seed(), offset);
                (header.to_vec(), crc)
            }
            Self::Key(head, _) => {
                let (header, crc) = head.encode(len, payload_crc, seed(), offset);
                (header.to_vec(), crc)
            }
            Self::Raw(kind, flags, rest, _) => {
                let mut header = vec![0; layout::head::END];
                header.extend_from_slice(rest);
                put_common(&mut header, *kind, *flags, len, payload_crc);
                let crc = seal_header(&mut header, seed(), offset);
                (header, crc)
            }
        };
        bytes.extend_from_slice(&filled);
        (bytes, crc)
    }
}

/// A group of one batch of these records, the first group of a segment.
pub(super) fn group(records: &[Made], events: u32, first_position: u64) -> Vec<u8> {
    let base = wide(segment::DATA);
    let batch_at = base + wide(layout::group::LEN);
    let mut body = Vec::new();
    let mut chain = Chain::new();
    for record in records {
        let at = batch_at + wide(layout::batch::LEN + body.len());
        let (bytes, crc) = record.encode(at);
        chain.push(crc);
        body.extend_from_slice(&bytes);
    }
    let count = u32::try_from(records.len()).unwrap();
    let head =
        BatchHead { first_position, events, records: count, committed_at: TIME, raw_clock: TIME };
    let len = u32::try_from(body.len()).unwrap();
    let batch = head.encode(len, chain.finish(), &mut BatchSums::new(), (seed(), batch_at));
    let mut outer = Chain::new();
    outer.push(u32_at(&batch, 0).unwrap());
    let frame =
        GroupFrame { epoch: 1, previous_crc: 0, durable_segment: 3, durable_offset: 0, batches: 1 };
    let len = u32::try_from(batch.len() + body.len()).unwrap();
    let mut bytes = frame.encode(len, outer.finish(), seed(), base).to_vec();
    bytes.extend_from_slice(&batch);
    bytes.extend_from_slice(&body);
    bytes
}

pub(super) fn window(bytes: &[u8]) -> Window<'_> {
    let base = wide(segment::DATA);
    Window { base, bytes, limit: base + wide(bytes.len()) }
}
