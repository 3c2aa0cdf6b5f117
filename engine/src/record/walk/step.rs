//! What a walk sees and says: bytes, steps, records, faults.

use crate::record::event::EventHead;
use crate::record::field::wide;
use crate::record::frame::{BatchHead, GroupFrame};
use crate::record::head::{Head, RecordHead};
use crate::record::key::KeyHead;
use crate::record::snapshot::SnapshotHead;

/// Bytes of a segment: where they start, what they are, and where the segment's
/// bytes end, which may be further on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) base: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) limit: u64,
}

impl<'a> Window<'a> {
    /// The bytes from `offset` on.
    #[inline]
    pub(crate) fn from(&self, offset: u64) -> Option<&'a [u8]> {
        let skip = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        self.bytes.get(skip..)
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + wide(self.bytes.len())
    }
}

/// What is wrong at an offset. None of these proves by itself that something
/// durable was hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing stands here.
    Unwritten,
    /// No record of this place stands here.
    Garbage,
    /// What stands here reaches beyond the window, but not beyond the segment.
    Short {
        /// The offset that the window must reach.
        needed: u64,
    },
    /// A payload does not match its CRC.
    Payload,
    /// CRCs hold, and what they cover cannot be.
    Malformed,
    /// A group or batch does not hold the records that it was made with.
    Chain,
    /// A position is not the next one.
    Order,
    /// A record of a kind that this version does not know and must not pass over.
    UnknownKind(u8),
}

/// A fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalkError {
    pub(crate) offset: u64,
    pub(crate) fault: Fault,
}

/// One step of the walk.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Group {
        crc: u32,
        offset: u64,
        frame: GroupFrame,
    },
    Batch(BatchHead),
    Event(EventStep<'a>),
    Snapshot(SnapshotStep<'a>),
    Key(KeyStep<'a>),
    /// The log was closed here.
    CloseMark,
    /// A record that may be passed over.
    Other,
    /// All records of the group were walked, and everything in it holds.
    GroupEnd {
        end: u64,
    },
}

/// A record that was read, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordStep<'a, H: RecordHead> {
    pub(crate) offset: u64,
    pub(crate) head: H,
    /// Offset of the payload.
    pub(crate) payload_at: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) fields: H::Fields,
}

/// Where a record stands and what its head says, without its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordSpan<H: RecordHead> {
    pub(crate) offset: u64,
    pub(crate) head: H,
    pub(crate) fields: H::Fields,
    pub(crate) payload_at: u64,
    pub(crate) payload_len: usize,
}

pub(crate) type EventStep<'a> = RecordStep<'a, EventHead>;
pub(crate) type SnapshotStep<'a> = RecordStep<'a, SnapshotHead>;
pub(crate) type KeyStep<'a> = RecordStep<'a, KeyHead>;

pub(crate) type EventSpan = RecordSpan<EventHead>;
pub(crate) type SnapshotSpan = RecordSpan<SnapshotHead>;
pub(crate) type KeySpan = RecordSpan<KeyHead>;

impl<'a, H: RecordHead> RecordStep<'a, H> {
    /// Reads a record whose header and payload were checked.
    #[inline(always)]
    pub(super) fn read(head: &Head<'_>, offset: u64, payload: &'a [u8]) -> Option<Self> {
        Some(Self {
            offset,
            head: H::decode(head)?,
            payload_at: offset + wide(head.bytes.len()),
            payload,
            fields: H::fields(payload)?,
        })
    }

    #[inline]
    pub(crate) const fn span(&self) -> RecordSpan<H> {
        RecordSpan {
            offset: self.offset,
            head: self.head,
            fields: self.fields,
            payload_at: self.payload_at,
            payload_len: self.payload.len(),
        }
    }
}
