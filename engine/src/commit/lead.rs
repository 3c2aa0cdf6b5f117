//! One write, one sync, for all who joined; then the lead is handed on.

use std::sync::Arc;

use super::Committer;
use super::pending::Pending;
use super::plan::Job;
use super::queue::State;
use super::waiting::InFlight;
use crate::catalog::entry::Facts;
use crate::error::{Error, Result};
use crate::observe::{self, GroupFacts, Stopwatch, span};
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::segment::Segment;
use crate::segment::header::SegmentHeader;
use crate::tail::{End, Tail};

/// How many buffers of written groups are kept: one fills while one is written.
const BUFFERS_KEPT: usize = 2;

/// Buffers that grew beyond this are not kept.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// Who goes on when a group is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nobody needs to.
    Nobody,
    /// A waiter was told.
    Waiter,
    /// Nobody waits for the next group, and it must be written.
    Flusher,
}

impl Committer {
    /// Writes the first group of the queue. Called by whoever has the lead, which is
    /// handed on before this returns.
    pub(super) fn lead(&self) {
        loop {
            match self.lead_once() {
                Next::Nobody | Next::Waiter => return,
                Next::Flusher if self.flusher.lead() => return,
                // There is no flusher: whoever leads goes on.
                Next::Flusher => {}
            }
        }
    }

    /// As `lead`, by the flusher: goes on with what nobody waits for.
    pub(super) fn lead_on(&self) {
        while self.lead_once() == Next::Flusher {}
    }

    fn lead_once(&self) -> Next {
        let mut tail = self.tail.lock();
        let mut queue = self.queue.lock();
        let Some(mut pending) = queue.groups.pop_front() else {
            queue.leading = false;
            return Next::Nobody;
        };
        let group = Arc::clone(&pending.group);
        queue.in_flight = Some(InFlight { group: Arc::clone(&group), syncs: pending.sync });
        // A log that was poisoned meanwhile writes nothing more.
        let usable = queue.writable();
        drop(queue);
        let before = tail.durable.place;
        let position = tail.written.position;
        let witnessed = before == tail.witnessed;
        let outcome = usable.and_then(|()| self.write(&mut pending, &mut tail));
        if let Err(error) = &outcome
            && !(planted::active(Bug::HalfLeftByFull) && matches!(error, Error::Full { .. }))
        {
            self.poison(error);
        }
        let rolled = outcome.is_ok() && pending.opens.is_some();
        let moved = tail.durable.place > before;
        let facts = GroupFacts {
            events: tail.written.position.saturating_sub(position),
            batches: u64::from(pending.batches()),
            bytes: if pending.is_empty() { 0 } else { wide(pending.len()) },
            synced: pending.sync,
            rolled,
        };
        drop(tail);
        let done = outcome.is_ok().then_some(&facts);
        let next = self.hand_over(pending, done);
        let told = if planted::active(Bug::LeadersErrorNotShared) { Ok(()) } else { outcome };
        group.settle(told.map_err(poisoned));
        if let Some(facts) = done {
            observe::group(facts);
        }
        if rolled {
            self.after_roll();
        }
        if rolled || moved && witnessed {
            self.send(Job::Watch);
        }
        next
    }

    /// The next group's waiter leads from here on: first it is woken, then those who wait
    /// for the group that is done.
    fn hand_over(&self, written: Pending, done: Option<&GroupFacts>) -> Next {
        let mut queue = self.queue.lock();
        if let Some(facts) = done {
            queue.activity.add(facts);
        }
        queue.in_flight = None;
        let mut unwritten = Vec::new();
        if let State::Poisoned(error) = &queue.state {
            let error = error.clone();
            unwritten.extend(queue.groups.drain(..).map(|pending| (pending.group, error.clone())));
            queue.held_bytes = 0;
        }
        queue.is_done(&written);
        let wanted = queue.groups.front().filter(|pending| pending.wanted);
        let seat = wanted.filter(|pending| pending.seat.is_some());
        let waiter = seat.map(|pending| Arc::clone(&pending.group));
        let next = match (wanted, &waiter) {
            (None, _) => Next::Nobody,
            (Some(_), Some(_)) => Next::Waiter,
            (Some(_), None) => Next::Flusher,
        };
        if planted::active(Bug::LeadDropped) {
            drop(queue);
            queue = self.queue.lock();
        }
        queue.leading = next != Next::Nobody;
        let buffer = written.into_buffer();
        if queue.buffers.len() < BUFFERS_KEPT && buffer.capacity() <= BUFFER_KEPT_BYTES {
            queue.buffers.push(buffer);
        }
        drop(queue);
        if let Some(waiter) = waiter {
            waiter.hand_lead();
        }
        for (group, error) in unwritten {
            group.settle(Err(error));
        }
        next
    }

    fn write(&self, pending: &mut Pending, tail: &mut Tail) -> Result<()> {
        if !pending.is_empty() {
            self.write_group(pending, tail)?;
        }
        if !pending.sync {
            return Ok(());
        }
        // Those who need no more than the write do not wait for the sync.
        pending.group.wrote(pending.seat);
        self.sync_tail(tail)
    }

    fn write_group(&self, pending: &mut Pending, tail: &mut Tail) -> Result<()> {
        let rolled = match pending.opens {
            Some(first) => Some(self.open_segment(pending, tail, first)?),
            None => None,
        };
        let durable = if planted::active(Bug::DurableUptoNeverAdvanced) {
            crate::place::Place::new(1, wide(layout::DATA))
        } else {
            tail.durable.place
        };
        let last_crc = pending.stamp(self.settings.epoch, tail.written.last_crc, durable);
        let (bytes, at) = pending.write();
        let _span = span::write(u64::from(pending.batches()), bytes.len());
        let segment = &pending.segment;
        if planted::active(Bug::PublishBeforeDurable) {
            self.watermark.publish(pending.end_place(), pending.position);
        }
        segment.file().write_all_at(bytes, at).map_err(|error| failed_write(segment, error))?;
        if planted::active(Bug::PublishedBeforeSealed) {
            self.watermark.publish_written(pending.end_place(), pending.position);
        }
        if let Some(facts) = rolled {
            self.catalog.seal(segment.number - 1, facts);
            tail.opened(Arc::clone(segment), facts.next_position, facts.end_crc);
        }
        tail.written = End {
            place: pending.end_place(),
            position: pending.position,
            last_group: pending.start(),
            last_crc,
            last_time: pending.time,
        };
        tail.open_ended = true;
        if pending.since.is_some() {
            self.watermark.acknowledge(tail.written.place, tail.written.position);
        }
        self.watermark.publish_written(tail.written.place, tail.written.position);
        Ok(())
    }

    /// Makes durable what is written.
    fn sync_tail(&self, tail: &mut Tail) -> Result<()> {
        self.sync(&tail.segment)?;
        tail.durable = tail.written;
        self.watermark.publish(tail.durable.place, tail.durable.position);
        Ok(())
    }

    fn sync(&self, segment: &Segment) -> Result<()> {
        if planted::active(Bug::AcknowledgeBeforeSync)
            || planted::active(Bug::CloseMarkNotSynced)
                && matches!(self.queue.lock().state, State::Closing)
        {
            return Ok(());
        }
        let _span = span::sync(segment.number);
        let watch = Stopwatch::start();
        let mut synced = segment.file().sync_data();
        if synced.is_err() && planted::active(Bug::SyncRetried) {
            synced = segment.file().sync_data();
        }
        observe::synced(&watch);
        synced.map_err(|error| Error::io("sync", &segment.name, error))
    }

    /// Puts the header, and a witness of what is durable before it, in front of the
    /// first group of a segment. Returns what is now known of the segment before it,
    /// which is made durable first: a hole between two segments could not be told from
    /// one that was lost.
    fn open_segment(
        &self,
        pending: &mut Pending,
        tail: &mut Tail,
        first_position: u64,
    ) -> Result<Facts> {
        let _span = span::roll(pending.segment.number);
        if tail.durable.place < tail.written.place && !planted::active(Bug::NoSyncAtRoll) {
            self.sync_tail(tail)?;
        }
        let cut_off = if planted::active(Bug::OffsetCutOff) { (1 << 13) - 1 } else { u64::MAX };
        let header = SegmentHeader {
            log: self.catalog.log,
            number: pending.segment.number,
            first_position,
            previous_end: tail.written.place.offset() & cut_off,
            previous_crc: tail.written.last_crc,
            durable: tail.durable.place,
            created_at: self.catalog.storage.now(),
            previous_time: tail.written.last_time,
            epoch: self.settings.epoch,
            writers_features: 0,
        };
        pending.put_in_first_block(0, &header.encode());
        let witness = tail.witness(self.catalog.log, self.settings.epoch, false);
        let slot = witness.encode(pending.segment.number, 0);
        pending.put_in_first_block(crate::segment::witness::offset_of(0), &slot);
        Ok(Facts {
            first_position: tail.first_position,
            next_position: first_position,
            end: tail.written.place.offset(),
            end_crc: tail.written.last_crc,
            previous_crc: tail.previous_crc,
        })
    }

    fn after_roll(&self) {
        self.segments.rolled();
        if self.settings.threads {
            self.send(Job::Index);
            self.send(Job::Spare);
            self.send(Job::Witness);
        } else {
            self.index_waiting();
            self.mirror_witness();
        }
    }
}

/// A failed write or sync, as its waiters see it: the log takes no more appends.
fn poisoned(error: Error) -> Error {
    match error {
        Error::Io { operation, file, source } => Error::Poisoned { operation, file, source },
        other => other,
    }
}

/// Space was made before, so that a write that finds none is a failure like any other: part
/// of it may stand there.
fn failed_write(segment: &Segment, error: std::io::Error) -> Error {
    if planted::active(Bug::HalfLeftByFull) && error.kind() == std::io::ErrorKind::StorageFull {
        let file = segment.name.clone();
        return Error::Full { file, bytes: 0, source: Arc::new(error) };
    }
    Error::io("write", &segment.name, error)
}
