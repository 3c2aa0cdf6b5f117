//! Under the lock: what a batch expects is checked, it gets its numbers and its
//! place. A refused batch uses no number.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Settings;
use super::answers::{
    StreamsFound, ahead_of_stream, committed, conflict, in_active, known, versions, versions_left,
};
use super::pending::{Numbers, Pending};
use super::plan::{Job, LOW_SPACE_BYTES, WAITING_MAX, segment_limit};
use super::prepare::Prepared;
use super::put::put;
use super::waiting::{InFlight, Role, Wait};
use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::catalog::find::Hit;
use crate::catalog::runs::MARK_EVERY_BYTES;
use crate::catalog::source::SharedTable;
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::{Damage, Error, Result};
use crate::names::NamedVersions;
use crate::observe::Activity;
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::event::LastType;
use crate::record::field::wide;
use crate::record::layout::{batch, group, mark, segment as layout};
use crate::segment::Segment;
use crate::sync::Instant;

/// Whether appends are taken.
#[derive(Debug)]
pub(super) enum State {
    Open,
    /// What every caller is told.
    Poisoned(Error),
    /// What was taken is still written.
    Closing,
    Closed,
}

/// How a batch is to be committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) durability: Durability,
    /// The caller waits, and so can lead.
    pub(super) waits: bool,
}

/// A batch that got its place.
#[derive(Debug)]
pub(super) struct Placed {
    /// `None` if it is as safe as was asked for, and the caller does not lead.
    pub(super) wait: Option<Wait>,
    pub(super) first_position: u64,
    /// Of each stream that the batch names, its version after it.
    pub(super) versions: NamedVersions,
    /// Where it ends.
    pub(super) end: Place,
    /// Space that will be needed soon.
    pub(super) ahead: Option<Job>,
    /// It is the first one that is not to be durable at once.
    pub(super) starts_clock: bool,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Placement {
    Placed(Placed),
    /// Refused; the answer may rest on what is in flight.
    Conflict(Error),
    /// There is nothing to write: the batch only states expectations, and they hold. The
    /// next position.
    Nothing(u64),
    /// The batch's key is in the log.
    KnownKey(Hit),
    /// All ids are in the log.
    Known(Vec<Hit>),
    /// This id is in the log, but not all of the batch's.
    Partly(Hit, u128),
    /// The segment needs space up to `end` first.
    NeedSpace {
        segment: Arc<Segment>,
        end: u64,
    },
    /// The next segment is needed, with space for a batch of `len` bytes.
    NeedRoll {
        len: u64,
    },
    /// Too much is in memory: some of it must be written first.
    Busy(Wait),
    /// What was prepared no longer holds, or is not enough.
    Stale,
}

impl Placed {
    /// What the append answers once it is as safe as asked.
    pub(super) fn committed(&mut self, batch: &Batch, durability: Durability) -> Committed {
        committed(batch, self.first_position, std::mem::take(&mut self.versions), durability)
    }
}

impl Placement {
    /// Whether it is an answer that rests on what was placed before.
    pub(super) const fn is_an_answer(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Nothing(_))
    }
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) state: State,
    /// Somebody writes, or was told to.
    pub(super) leading: bool,
    /// Groups that are not written yet; the last one may take more batches.
    pub(super) groups: VecDeque<Pending>,
    /// The group that is being written.
    pub(super) in_flight: Option<InFlight>,
    /// Bytes of all groups in memory, the one that is being written included.
    pub(super) held_bytes: usize,
    /// Something was placed since the last sync.
    pub(super) undurable: bool,
    /// When the oldest batch was placed that is not durable and was not to be at once.
    pub(super) not_durable_since: Option<Instant>,
    pub(super) segment: Arc<Segment>,
    pub(super) table: SharedTable,
    /// Where the next byte goes.
    pub(super) offset: u64,
    /// Where the last batch ends, which may be in the segment before.
    pub(super) end: Place,
    pub(super) next_position: u64,
    pub(super) last_time: i64,
    /// The next segment, if it is ready.
    pub(super) spare: Option<Arc<Segment>>,
    /// Memory of groups that were written.
    pub(super) buffers: Vec<Vec<u8>>,
    /// Offset of the last marked group; 0 if none is. Marks are a function of the log,
    /// so that an index can be compared with it.
    last_mark: u64,
    last_type: LastType,
    /// The segment has no group yet, but a header; or it is a spare that has neither.
    opens: Option<u64>,
    /// How much space there was when more was last asked for.
    asked: u64,
    spare_asked: bool,
    pub(super) activity: Activity,
}

impl Queue {
    pub(super) fn new(
        segment: Arc<Segment>,
        table: SharedTable,
        offset: u64,
        next_position: u64,
        last_time: i64,
        last_mark: u64,
    ) -> Self {
        Self {
            state: State::Open,
            leading: false,
            groups: VecDeque::new(),
            in_flight: None,
            held_bytes: 0,
            undurable: false,
            not_durable_since: None,
            end: Place::new(segment.number, offset),
            segment,
            table,
            offset,
            next_position,
            last_time,
            spare: None,
            buffers: Vec::new(),
            last_mark,
            last_type: LastType::default(),
            opens: None,
            asked: 0,
            spare_asked: false,
            activity: Activity::default(),
        }
    }

    pub(super) fn usable(&self) -> Result<()> {
        match &self.state {
            State::Open => Ok(()),
            State::Poisoned(error) => Err(error.clone()),
            State::Closing | State::Closed => Err(Error::Closed),
        }
    }

    /// Whether what was taken may be written.
    pub(super) fn writable(&self) -> Result<()> {
        match &self.state {
            State::Poisoned(error) => Err(error.clone()),
            State::Open | State::Closing | State::Closed => Ok(()),
        }
    }

    /// Gives a batch its numbers and its place, or says why not.
    pub(super) fn place(
        &mut self,
        batch: &Batch,
        prepared: &Prepared,
        catalog: &Catalog,
        settings: &Settings,
        (request, now): (Request, i64),
    ) -> Result<Placement> {
        if prepared.generation.is_some_and(|generation| generation != catalog.generation()) {
            return Ok(Placement::Stale);
        }
        if batch.key().is_some() && prepared.generation.is_none() {
            return Ok(Placement::Stale);
        }
        if let Some(answer) = known(batch, prepared, catalog) {
            return Ok(answer);
        }
        let (known, mut found) = in_active(batch, &self.table.read());
        let Some(versions) = versions(batch, prepared, catalog, known) else {
            return Ok(Placement::Stale);
        };
        if let Some(conflict) = conflict(batch.named(), &versions) {
            return Ok(Placement::Conflict(conflict));
        }
        versions_left(batch.named(), &versions)?;
        if let Some(error) = ahead_of_stream(batch, &versions) {
            return Ok(Placement::Conflict(error));
        }
        if !batch.has_records() {
            return Ok(Placement::Nothing(self.next_position));
        }
        self.positions_left(wide(batch.len()))?;
        let len = wide(batch::LEN) + batch.bytes();
        if let Some(busy) = self.busy(len, settings.in_flight_bytes) {
            return Ok(busy);
        }
        let segment = self.segment.number;
        if let Some(answer) = self.room(len, catalog, settings.segment_bytes) {
            return Ok(answer);
        }
        if self.segment.number != segment {
            let table = self.table.read();
            found = batch.named().iter().map(|named| table.find(&named.stream)).collect();
        }
        let again = batch.commits() && !batch.is_empty() && prepared.known.is_empty();
        if again && !planted::active(Bug::DedupeLostAtReopen) {
            // Another thread committed this very batch since its ids were looked at.
            return Ok(Placement::Stale);
        }
        let mut placed = self.commit(batch, (versions, found), request, now);
        placed.ahead = self.needed_soon(settings.segment_bytes);
        Ok(Placement::Placed(placed))
    }

    fn positions_left(&self, events: u64) -> Result<()> {
        // Positions end before u64 does, so that the next one is always a number.
        let limit = (u64::MAX - 1).saturating_sub(self.next_position);
        if limit < events {
            return Err(Error::TooLarge { what: "positions", size: events, limit });
        }
        Ok(())
    }

    /// Finds room for `len` bytes; rolls if the segment is full and the next is ready.
    fn room(&mut self, len: u64, catalog: &Catalog, segment_bytes: u64) -> Option<Placement> {
        let end = self.offset + self.frame_len() + len;
        let empty = self.offset == wide(layout::DATA);
        if end > segment_limit(self.segment.number, segment_bytes) && !empty {
            let needed = wide(layout::DATA) + wide(group::LEN) + len;
            let ready = self.spare.as_ref().is_some_and(|spare| spare.secured() >= needed);
            if !ready || catalog.waiting() >= WAITING_MAX {
                return Some(Placement::NeedRoll { len });
            }
            self.roll(catalog);
            return None;
        }
        if end > self.segment.secured() {
            return Some(Placement::NeedSpace { segment: Arc::clone(&self.segment), end });
        }
        None
    }

    /// What the background should prepare now, asked for once: a log that gets one event
    /// must not have a whole segment written for it.
    fn needed_soon(&mut self, segment_bytes: u64) -> Option<Job> {
        let limit = segment_limit(self.segment.number, segment_bytes);
        let secured = self.segment.secured();
        if secured < limit && self.offset + LOW_SPACE_BYTES > secured && self.asked != secured {
            self.asked = secured;
            return Some(Job::Extend);
        }
        if self.spare.is_none() && self.offset > limit / 2 && !self.spare_asked {
            self.spare_asked = true;
            return Some(Job::Spare);
        }
        None
    }

    fn frame_len(&self) -> u64 {
        let framed = |open: &Pending| open.takes_more() && !open.is_empty();
        if self.groups.back().is_some_and(framed) { 0 } else { wide(group::LEN) }
    }

    fn roll(&mut self, catalog: &Catalog) {
        let Some(next) = self.spare.take() else { return };
        if let Some(open) = self.groups.back_mut() {
            open.seal();
        }
        self.table = catalog.roll(self.next_position, Arc::clone(&next));
        self.segment = next;
        self.offset = wide(layout::DATA);
        self.opens = Some(self.next_position);
        self.last_mark = 0;
        self.asked = 0;
        self.spare_asked = false;
    }

    pub(super) fn open_group(&mut self) {
        if self.groups.back().is_some_and(Pending::takes_more) {
            return;
        }
        if let Some(full) = self.groups.back_mut() {
            full.seal();
        }
        let buffer = self.buffers.pop().unwrap_or_default();
        let opens = self.opens.take();
        let pending = Pending::new(Arc::clone(&self.segment), self.offset, opens, buffer);
        self.held_bytes += pending.len();
        self.groups.push_back(pending);
    }

    /// Marks the group that gets its first batch now, if the last mark is far enough.
    fn mark_group(&mut self) {
        if !self.groups.back().is_some_and(Pending::is_empty) {
            return;
        }
        if self.last_mark == 0 || self.offset - self.last_mark >= MARK_EVERY_BYTES {
            // A mark that is not taken makes a look-up walk further, nothing else.
            let _walks_further = self.table.write().mark(self.next_position, self.offset);
            self.last_mark = self.offset;
        }
    }

    fn commit(
        &mut self,
        batch: &Batch,
        (mut versions, mut found): (NamedVersions, StreamsFound),
        request: Request,
        now: i64,
    ) -> Placed {
        self.open_group();
        self.mark_group();
        let committed_at = now.max(self.last_time);
        let first_position = self.next_position;
        let numbers = Numbers { first_position, committed_at, raw_clock: now };
        let mut seat_taken = true;
        let mut taken = Ok(());
        if let Some(pending) = self.groups.back_mut() {
            let before = pending.len();
            let mut table = self.table.write();
            let places = (&mut *versions, &mut *found);
            taken = put(batch, numbers, places, &mut self.last_type, pending, &mut table);
            drop(table);
            self.offset = pending.end();
            self.held_bytes += pending.len() - before;
            pending.needs(request.durability);
            if pending.is_large() {
                pending.needs(Durability::Written);
            }
            seat_taken = pending.seat.is_some();
        }
        if taken.is_err() {
            // The index says other than what was checked a moment ago. Nothing of this is
            // written: the leader finds the log poisoned.
            self.state = State::Poisoned(self.segment.corrupt(self.offset, Damage::Index));
        }
        self.last_time = committed_at;
        self.next_position += wide(batch.len());
        if planted::active(Bug::SnapshotTakesPosition) {
            self.next_position += wide(batch.controls().len());
        }
        self.undurable = true;
        let starts_clock = self.clock(request.durability);
        let wait = self.wait_for_last(request, seat_taken);
        self.end = Place::new(self.segment.number, self.offset);
        Placed { wait, first_position, versions, end: self.end, ahead: None, starts_clock }
    }

    /// What the caller whose batch is the last one of the queue has to wait for.
    fn wait_for_last(&mut self, request: Request, seat_taken: bool) -> Option<Wait> {
        let level = request.durability;
        let waits = request.waits && level > Durability::Buffered;
        let role = self.role(waits, seat_taken);
        if level == Durability::Buffered && role == Role::Wait {
            return None;
        }
        let pending = self.groups.back_mut()?;
        if role == Role::Seat {
            pending.seat = Some(level);
        }
        Some(Wait { group: Arc::clone(&pending.group), level, role })
    }

    /// A group of its own with the close mark, and where it ends.
    pub(super) fn place_close_mark(&mut self, now: i64) {
        if let Some(open) = self.groups.back_mut() {
            open.seal();
        }
        self.open_group();
        self.mark_group();
        let committed_at = now.max(self.last_time);
        let first_position = self.next_position;
        if let Some(pending) = self.groups.back_mut() {
            pending.add_close_mark(Numbers { first_position, committed_at, raw_clock: now });
            pending.needs(Durability::Durable);
            self.offset = pending.end();
        }
        self.last_time = committed_at;
        self.undurable = true;
    }

    /// Bytes that a group with a close mark takes.
    pub(super) fn close_mark_bytes() -> u64 {
        wide(group::LEN + batch::LEN + mark::LEN + mark::PAYLOAD_LEN)
    }
}
