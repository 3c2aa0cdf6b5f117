//! One write, one sync, for all who joined; then the lead is handed on.

use std::sync::Arc;

use super::Committer;
use super::pending::Pending;
use super::plan::Job;
use super::queue::State;
use crate::catalog::entry::Facts;
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::segment::header::SegmentHeader;
use crate::tail::Tail;

/// How many buffers of written groups are kept: one fills while one is written.
const BUFFERS_KEPT: usize = 2;

/// Buffers that grew beyond this are not kept.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

impl Committer {
    /// Writes the first group of the queue. Called by whoever has the lead, which is
    /// handed on before this returns.
    pub(super) fn lead(&self) {
        let mut tail = self.tail.lock();
        let mut queue = self.queue.lock();
        let Some(mut pending) = queue.groups.pop_front() else {
            queue.leading = false;
            return;
        };
        let group = Arc::clone(&pending.group);
        queue.in_flight = Some(Arc::clone(&group));
        // A log that was poisoned meanwhile writes nothing more.
        let usable = queue.writable();
        drop(queue);
        let witnessed = tail.durable == tail.witnessed;
        let outcome = usable.and_then(|()| self.write(&mut pending, &mut tail));
        if let Err(error) = &outcome {
            self.poison(error);
        }
        let rolled = outcome.is_ok() && pending.opens.is_some();
        let unwitnessed = outcome.is_ok() && witnessed && !rolled;
        drop(tail);
        self.hand_over(pending);
        let told = if planted::active(Bug::LeadersErrorNotShared) { Ok(()) } else { outcome };
        group.settle(told.map_err(poisoned));
        if rolled {
            self.after_roll();
        }
        if unwitnessed || rolled {
            self.send(Job::Watch);
        }
    }

    /// The next group's first waiter leads from here on: first it is woken, then the
    /// followers of the group that is done.
    fn hand_over(&self, written: Pending) {
        let mut queue = self.queue.lock();
        queue.in_flight = None;
        let mut unwritten = Vec::new();
        if let State::Poisoned(error) = &queue.state {
            let error = error.clone();
            unwritten.extend(queue.groups.drain(..).map(|pending| (pending.group, error.clone())));
        }
        let next = queue.groups.front().map(|pending| Arc::clone(&pending.group));
        queue.leading = next.is_some();
        let buffer = written.into_buffer();
        if queue.buffers.len() < BUFFERS_KEPT && buffer.capacity() <= BUFFER_KEPT_BYTES {
            queue.buffers.push(buffer);
        }
        drop(queue);
        if let Some(next) = next {
            next.hand_lead();
        }
        for (group, error) in unwritten {
            group.settle(Err(error));
        }
    }

    fn write(&self, pending: &mut Pending, tail: &mut Tail) -> Result<()> {
        let rolled = pending.opens.map(|first| self.open_segment(pending, tail, first));
        let durable = if planted::active(Bug::DurableUptoNeverAdvanced) {
            crate::place::Place::new(1, wide(layout::DATA))
        } else {
            tail.durable
        };
        let crc = pending.stamp(self.settings.epoch, tail.last_crc, durable);
        let (bytes, at) = pending.write();
        let segment = &pending.segment;
        if planted::active(Bug::PublishBeforeDurable) {
            self.watermark.publish(pending.end_place(), pending.position);
        }
        segment
            .file()
            .write_all_at(bytes, at)
            .map_err(|error| Error::io("write", &segment.name, error))?;
        self.sync(pending)?;
        if let Some(facts) = rolled {
            self.catalog.seal(segment.number - 1, facts);
            tail.opened(Arc::clone(segment), facts.next_position, facts.end_crc);
        }
        tail.durable = pending.end_place();
        tail.position = pending.position;
        tail.last_group = pending.start();
        tail.last_crc = crc;
        tail.last_time = pending.time;
        tail.open_ended = true;
        self.watermark.publish(tail.durable, tail.position);
        Ok(())
    }

    fn sync(&self, pending: &Pending) -> Result<()> {
        if planted::active(Bug::AcknowledgeBeforeSync) {
            return Ok(());
        }
        let segment = &pending.segment;
        let mut synced = segment.file().sync_data();
        if synced.is_err() && planted::active(Bug::SyncRetried) {
            synced = segment.file().sync_data();
        }
        synced.map_err(|error| Error::io("sync", &segment.name, error))
    }

    /// Puts the header, and a witness of what is durable before it, in front of the
    /// first group of a segment. Returns what is now known of the segment before it.
    fn open_segment(&self, pending: &mut Pending, tail: &Tail, first_position: u64) -> Facts {
        let header = SegmentHeader {
            log: self.catalog.log,
            number: pending.segment.number,
            first_position,
            previous_end: tail.durable.offset(),
            previous_crc: tail.last_crc,
            durable: tail.durable,
            created_at: self.catalog.storage.now(),
            previous_time: tail.last_time,
            epoch: self.settings.epoch,
        };
        pending.put_in_first_block(0, &header.encode());
        let witness = tail.witness(self.catalog.log, self.settings.epoch, false);
        let slot = witness.encode(pending.segment.number, 0);
        pending.put_in_first_block(crate::segment::witness::offset_of(0), &slot);
        Facts {
            first_position: tail.first_position,
            next_position: first_position,
            end: tail.durable.offset(),
            end_crc: tail.last_crc,
            previous_crc: tail.previous_crc,
        }
    }

    fn after_roll(&self) {
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
