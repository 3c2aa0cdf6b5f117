//! The group that is being filled: the bytes that one write will carry.

use std::sync::Arc;

use super::group::Group;
use crate::batch::{Batch, Control, Encoded, Subject};
use crate::durability::Durability;
use crate::place::Place;
use crate::record::checksum::{BatchSums, Chain, EventSums};
use crate::record::event::EventHead;
use crate::record::field::{put_bytes, u32_at, wide};
use crate::record::frame::{self, BatchHead, GroupFrame};
use crate::record::key::{KeyHead, Outcome};
use crate::record::layout::{batch as batch_layout, group as layout, segment as segment_layout};
use crate::record::snapshot::SnapshotHead;
use crate::segment::Segment;
use crate::sync::Instant;

/// Groups that grow beyond this take no more batches: the next one fills meanwhile.
const FULL_BYTES: usize = 8 << 20;

/// Groups that nobody waits for are written when they have grown to this.
const LARGE_BYTES: usize = 1 << 20;

/// A group before it is written.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) group: Arc<Group>,
    pub(super) segment: Arc<Segment>,
    /// Offset of its frame.
    start: u64,
    /// Bytes in front of the frame: the first block, if the group opens its segment, so
    /// that header and group are one write.
    prefix: usize,
    buffer: Vec<u8>,
    batches: u32,
    chain: Chain,
    event_sums: EventSums,
    batch_sums: BatchSums,
    /// Position of the first event of the segment that it opens.
    pub(super) opens: Option<u64>,
    /// Position of the last event in or before it.
    pub(super) position: u64,
    pub(super) time: i64,
    /// Takes no more batches.
    pub(super) sealed: bool,
    /// It is written as soon as somebody leads; else it may fill, until its time comes.
    pub(super) wanted: bool,
    /// It is synced after its write.
    pub(super) sync: bool,
    /// What the waiter in its seat waits for: the one to whom the lead may be handed.
    pub(super) seat: Option<Durability>,
    /// When it got its first batch that is not to be durable at once.
    pub(super) since: Option<Instant>,
}

/// The numbers that a batch gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) first_position: u64,
    pub(super) committed_at: i64,
    pub(super) raw_clock: i64,
}

/// Where the records of a batch stand that are no events.
#[derive(Debug)]
pub(super) struct Offsets {
    /// Offset of its key, if it has one.
    pub(super) key: Option<u64>,
    /// Offsets of its snapshots and states, in the batch's order.
    pub(super) controls: Vec<u64>,
}

impl Pending {
    /// An empty group at `start`. `opens` is given if it is the first of its segment.
    pub(super) fn new(
        segment: Arc<Segment>,
        start: u64,
        opens: Option<u64>,
        mut buffer: Vec<u8>,
    ) -> Self {
        let prefix = if opens.is_some() { segment_layout::DATA } else { 0 };
        buffer.clear();
        buffer.resize(prefix + layout::LEN, 0);
        Self {
            group: Arc::new(Group::new()),
            segment,
            start,
            prefix,
            buffer,
            batches: 0,
            chain: Chain::new(),
            event_sums: EventSums::new(),
            batch_sums: BatchSums::new(),
            opens,
            position: 0,
            time: i64::MIN,
            sealed: false,
            wanted: false,
            sync: false,
            seat: None,
            since: None,
        }
    }

    /// Whether it has no batch: then there is nothing to write, at most to sync.
    pub(super) const fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// How many batches share its write.
    pub(super) const fn batches(&self) -> u32 {
        self.batches
    }

    /// How many bytes its write has by now.
    pub(super) const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// It gets as safe as this.
    pub(super) fn needs(&mut self, level: Durability) {
        self.wanted |= level >= Durability::Written;
        self.sync |= level == Durability::Durable;
    }

    /// How safe it gets without anybody asking again.
    pub(super) const fn level(&self) -> Durability {
        match (self.sync, self.wanted) {
            (true, _) => Durability::Durable,
            (false, true) => Durability::Written,
            (false, false) => Durability::Buffered,
        }
    }

    /// Takes no more batches, and so has nothing to wait for.
    pub(super) const fn seal(&mut self) {
        self.sealed = true;
        self.wanted = true;
    }

    /// Offset behind its last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset_of(self.buffer.len())
    }

    /// Where the key of the next batch will stand.
    pub(super) fn key_offset(&self) -> u64 {
        self.end() + wide(batch_layout::LEN)
    }

    pub(super) fn end_place(&self) -> Place {
        Place::new(self.segment.number, self.end())
    }

    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    pub(super) const fn takes_more(&self) -> bool {
        !self.sealed && self.buffer.len() < FULL_BYTES
    }

    /// Whether it has grown so much that waiting for more would gain nothing.
    pub(super) const fn is_large(&self) -> bool {
        self.buffer.len() >= LARGE_BYTES
    }

    fn offset_of(&self, at: usize) -> u64 {
        self.start + wide(at - self.prefix)
    }

    /// Adds a batch: its key, its events, its snapshots and states. `place` is called for
    /// each event with its offset and position and gives its version. Returns where
    /// the other records stand.
    pub(super) fn add(
        &mut self,
        batch: &Batch,
        numbers: Numbers,
        mut place: impl FnMut(&Encoded, u64, u64) -> u64,
    ) -> Offsets {
        let bytes = usize::try_from(batch.bytes()).unwrap_or_default();
        self.buffer.reserve(batch_layout::LEN + bytes);
        let head_at = self.open_batch();
        let seed = self.segment.seed;
        let recorded_at = numbers.committed_at;
        let mut chain = Chain::new();
        let events = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let key = self.add_key(batch, numbers, events, &mut chain);
        let mut position = numbers.first_position;
        let mut left = batch.len();
        for event in batch.events() {
            let offset = self.offset_of(self.buffer.len());
            left -= 1;
            let head = EventHead {
                position,
                version: place(event, offset, position),
                recorded_at,
                last_of_batch: left == 0,
            };
            let at = (seed, offset);
            let (header, crc) = head.encode(event.len, event.crc, &mut self.event_sums, at);
            chain.push(crc);
            self.buffer.extend_from_slice(&header);
            self.buffer.extend_from_slice(batch.filled_payload(event));
            position += 1;
        }
        self.position = position - 1;
        let controls = self.add_controls(batch, recorded_at, &mut chain);
        let others = controls.len() + usize::from(key.is_some());
        let records = events.saturating_add(u32::try_from(others).unwrap_or(u32::MAX));
        self.close_batch(head_at, numbers, events, records, chain);
        Offsets { key, controls }
    }

    fn add_key(
        &mut self,
        batch: &Batch,
        numbers: Numbers,
        events: u32,
        chain: &mut Chain,
    ) -> Option<u64> {
        let payload = batch.key_payload()?;
        let own = Outcome { first_position: numbers.first_position, events };
        let outcome = batch.outcome().unwrap_or(own);
        let head = KeyHead { outcome, recorded_at: numbers.committed_at };
        let offset = self.offset_of(self.buffer.len());
        let (header, crc) = head.encode(payload.len, payload.crc, self.segment.seed, offset);
        chain.push(crc);
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(batch.filled_control(payload));
        Some(offset)
    }

    /// Adds snapshots and states behind the events; gives their offsets.
    fn add_controls(&mut self, batch: &Batch, recorded_at: i64, chain: &mut Chain) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(batch.controls().len());
        for Control { subject, version, payload, .. } in batch.controls() {
            let head = SnapshotHead {
                state: *subject == Subject::State,
                version: *version,
                recorded_at,
                position: self.position,
            };
            let offset = self.offset_of(self.buffer.len());
            let (header, crc) = head.encode(payload.len, payload.crc, self.segment.seed, offset);
            chain.push(crc);
            self.buffer.extend_from_slice(&header);
            self.buffer.extend_from_slice(batch.filled_control(*payload));
            offsets.push(offset);
        }
        offsets
    }

    /// Adds a batch that is nothing but a close mark.
    pub(super) fn add_close_mark(&mut self, numbers: Numbers) {
        let head_at = self.open_batch();
        let (record, crc) = frame::close_mark(self.segment.seed, self.offset_of(self.buffer.len()));
        let mut chain = Chain::new();
        chain.push(crc);
        self.buffer.extend_from_slice(&record);
        self.position = numbers.first_position - 1;
        self.close_batch(head_at, numbers, 0, 1, chain);
    }

    fn open_batch(&mut self) -> usize {
        let head_at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; batch_layout::LEN]);
        head_at
    }

    fn close_batch(
        &mut self,
        head_at: usize,
        numbers: Numbers,
        events: u32,
        records: u32,
        chain: Chain,
    ) {
        let payload_len = self.buffer.len() - head_at - batch_layout::LEN;
        let head = BatchHead {
            first_position: numbers.first_position,
            events,
            records,
            committed_at: numbers.committed_at,
            raw_clock: numbers.raw_clock,
        };
        let at = (self.segment.seed, self.offset_of(head_at));
        let header = head.encode(
            u32::try_from(payload_len).unwrap_or(u32::MAX),
            chain.finish(),
            &mut self.batch_sums,
            at,
        );
        self.chain.push(u32_at(&header, 0).unwrap_or_default());
        put_bytes(&mut self.buffer, head_at, &header);
        self.batches += 1;
        self.time = numbers.committed_at;
    }

    /// Finishes the frame: nothing is added any more. Returns the frame's CRC, which the
    /// next group carries.
    pub(super) fn stamp(&mut self, epoch: u128, previous_crc: u32, durable: Place) -> u32 {
        let payload_len = self.buffer.len() - self.prefix - layout::LEN;
        let frame = GroupFrame {
            epoch,
            previous_crc,
            durable_segment: durable.segment(),
            durable_offset: durable.offset(),
            batches: self.batches,
        };
        let header = frame.encode(
            u32::try_from(payload_len).unwrap_or(u32::MAX),
            self.chain.finish(),
            self.segment.seed,
            self.start,
        );
        put_bytes(&mut self.buffer, self.prefix, &header);
        u32_at(&header, 0).unwrap_or_default()
    }

    /// Puts something into the first block, in front of the frame.
    pub(super) fn put_in_first_block(&mut self, at: u64, bytes: &[u8]) {
        if let Ok(at) = usize::try_from(at) {
            put_bytes(&mut self.buffer, at, bytes);
        }
    }

    /// What is written, and where.
    pub(super) fn write(&self) -> (&[u8], u64) {
        (&self.buffer, self.start - wide(self.prefix))
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

#[cfg(test)]
mod tests;
