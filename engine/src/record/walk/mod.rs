//! From record to record through groups and batches, checking everything: header
//! and payload CRCs, lengths, counts, the chain between groups, positions.
//!
//! The state is apart from the bytes, so that a reader can stop anywhere and go on
//! with another window on the same segment.

//!
//! * [`step`]: what a walk sees and says
//! * [`container`]: a group or batch that it is inside of
//! * [`single`]: one record without what stands around it

mod container;
mod single;
mod step;

use self::container::{Container, Inside};
use self::single::payload;
pub(crate) use self::single::{frames_beyond, record_at};
pub(crate) use self::step::{
    EventSpan, EventStep, Fault, KeySpan, KeyStep, RecordSpan, SnapshotSpan, SnapshotStep, Step,
    WalkError, Window,
};
use super::checksum::{EventSums, Seed};
use super::field::wide;
use super::frame::{BatchHead, GroupFrame, is_close_mark};
use super::head::{Head, NotARecord};
use super::layout::{self, kind};

/// The state of a walk through one segment.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    seed: Seed,
    at: u64,
    next_position: u64,
    previous_crc: Option<u32>,
    group: Option<Container>,
    batch: Option<Inside>,
    recorded_at: i64,
    sums: EventSums,
    /// What is wrong where the walk stands.
    failed: Option<WalkError>,
}

impl Walk {
    /// Starts at a group's offset. `previous_crc` is the header CRC of the group
    /// before it, where the chain is to be checked from the first group on.
    pub(crate) const fn new(
        seed: Seed,
        at: u64,
        next_position: u64,
        previous_crc: Option<u32>,
    ) -> Self {
        Self {
            seed,
            at,
            next_position,
            previous_crc,
            group: None,
            batch: None,
            recorded_at: i64::MIN,
            sums: EventSums::new(),
            failed: None,
        }
    }

    /// The offset of the next step.
    pub(crate) const fn offset(&self) -> u64 {
        self.at
    }

    pub(crate) const fn next_position(&self) -> u64 {
        self.next_position
    }

    pub(crate) const fn previous_crc(&self) -> Option<u32> {
        self.previous_crc
    }

    /// Whether the next step starts a group.
    pub(crate) const fn between_groups(&self) -> bool {
        self.group.is_none()
    }

    /// Goes on by one step. On an error the walk stays where it is and tells it again,
    /// unless all that it wants is a larger window.
    pub(crate) fn step<'a>(&mut self, window: &Window<'a>) -> Result<Step<'a>, WalkError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let at = self.at;
        self.step_inner(window).map_err(|fault| self.fails(at, fault))
    }

    /// The next event, if the walk stands before one inside of a batch, with a head as this
    /// version writes it: the same as [`step`](Self::step), without the way through all that
    /// a step can be. An event with a longer head is left to that.
    #[inline(always)]
    pub(crate) fn event<'a>(
        &mut self,
        window: &Window<'a>,
    ) -> Result<Option<EventStep<'a>>, WalkError> {
        let inside = self.batch.as_ref().is_some_and(|inside| inside.container.left > 0);
        if !inside || self.failed.is_some() {
            return Ok(None);
        }
        let bytes = window.from(self.at).unwrap_or_default();
        let head = Head::read_event(bytes, &mut self.sums, self.seed, self.at);
        let Some(head) = head else { return Ok(None) };
        let at = self.at;
        match self.record(&head, bytes, window) {
            Ok(Step::Event(event)) => Ok(Some(event)),
            Ok(_) => Ok(None),
            Err(fault) => Err(self.fails(at, fault)),
        }
    }

    #[cold]
    fn fails(&mut self, offset: u64, fault: Fault) -> WalkError {
        let error = WalkError { offset, fault };
        if !matches!(fault, Fault::Short { .. }) {
            self.failed = Some(error);
        }
        error
    }

    fn step_inner<'a>(&mut self, window: &Window<'a>) -> Result<Step<'a>, Fault> {
        if self.batch.as_ref().is_some_and(|inside| inside.container.left == 0) {
            self.close_batch()?;
        }
        if self.group.as_ref().is_some_and(|group| group.left == 0 && self.batch.is_none()) {
            return self.close_group();
        }
        let bytes = window.from(self.at).unwrap_or_default();
        let head = Head::read(bytes, self.seed, self.at).map_err(|found| {
            // A header cut off by the window looks like garbage.
            let needed = self.at.saturating_add(wide(layout::head::MAX)).min(window.limit);
            match found {
                _ if needed > window.end() => Fault::Short { needed },
                NotARecord::Unwritten => Fault::Unwritten,
                NotARecord::Garbage => Fault::Garbage,
            }
        })?;
        match (&self.group, &self.batch) {
            (None, _) => self.enter_group(&head, window),
            (Some(_), None) => self.enter_batch(&head),
            (Some(_), Some(_)) => self.record(&head, bytes, window),
        }
    }

    fn close_batch(&mut self) -> Result<(), Fault> {
        let Some(inside) = self.batch.take() else { return Ok(()) };
        if inside.events_left != 0 {
            return Err(Fault::Malformed);
        }
        inside.container.close(self.at)
    }

    fn close_group<'a>(&mut self) -> Result<Step<'a>, Fault> {
        let Some(group) = self.group.take() else { return Err(Fault::Malformed) };
        group.close(self.at)?;
        Ok(Step::GroupEnd { end: self.at })
    }

    fn enter_group<'a>(&mut self, head: &Head<'_>, window: &Window<'a>) -> Result<Step<'a>, Fault> {
        let frame = GroupFrame::decode(head).ok_or(unexpected(head.kind))?;
        let end = self.end_of(head)?;
        if end > window.limit {
            return Err(Fault::Malformed);
        }
        if self.previous_crc.is_some_and(|previous| previous != frame.previous_crc) {
            return Err(Fault::Chain);
        }
        let offset = self.at;
        self.previous_crc = Some(head.crc);
        self.group = Some(Container::new(end, frame.batches, head.payload_crc));
        self.at += wide(head.bytes.len());
        Ok(Step::Group { crc: head.crc, offset, frame })
    }

    fn enter_batch<'a>(&mut self, head: &Head<'_>) -> Result<Step<'a>, Fault> {
        let decoded = BatchHead::decode(head).ok_or(unexpected(head.kind))?;
        let end = self.end_of(head)?;
        if decoded.first_position != self.next_position {
            return Err(Fault::Order);
        }
        if let Some(group) = &mut self.group {
            group.child(head.crc, end)?;
        }
        self.recorded_at = decoded.committed_at;
        self.batch = Some(Inside {
            container: Container::new(end, decoded.records, head.payload_crc),
            events_left: decoded.events,
            keyed: false,
        });
        self.at += wide(head.bytes.len());
        Ok(Step::Batch(decoded))
    }

    #[inline(always)]
    fn record<'a>(
        &mut self,
        head: &Head<'a>,
        bytes: &'a [u8],
        window: &Window<'a>,
    ) -> Result<Step<'a>, Fault> {
        let payload = payload(head, bytes, self.at, window)?;
        let end = self.end_of(head)?;
        let Some(inside) = &mut self.batch else { return Err(Fault::Malformed) };
        inside.container.child(head.crc, end)?;
        let step = if head.kind == kind::EVENT {
            let event = EventStep::read(head, self.at, payload).ok_or(Fault::Malformed)?;
            let left = inside.events_left.checked_sub(1).ok_or(Fault::Malformed)?;
            inside.events_left = left;
            let fits = event.head.last_of_batch == (left == 0)
                && event.head.recorded_at == self.recorded_at;
            if event.head.position != self.next_position || !fits {
                return Err(Fault::Order);
            }
            self.next_position += 1;
            Step::Event(event)
        } else {
            self.control(head, payload)?
        };
        self.at = end;
        Ok(step)
    }

    /// A record of a batch that is no event. Where it stands among the others is not
    /// looked at.
    #[inline(never)]
    fn control<'a>(&mut self, head: &Head<'_>, payload: &'a [u8]) -> Result<Step<'a>, Fault> {
        match head.kind {
            kind::SNAPSHOT => {
                let snapshot = SnapshotStep::read(head, self.at, payload);
                let snapshot = snapshot.ok_or(Fault::Malformed)?;
                let next = snapshot.head.position.checked_add(1);
                if next != Some(self.next_position) || snapshot.head.recorded_at != self.recorded_at
                {
                    return Err(Fault::Order);
                }
                Ok(Step::Snapshot(snapshot))
            }
            kind::KEY => {
                let key = KeyStep::read(head, self.at, payload).ok_or(Fault::Malformed)?;
                let Some(inside) = &mut self.batch else { return Err(Fault::Malformed) };
                if std::mem::replace(&mut inside.keyed, true) {
                    return Err(Fault::Malformed);
                }
                if key.head.recorded_at != self.recorded_at {
                    return Err(Fault::Order);
                }
                Ok(Step::Key(key))
            }
            _ if is_close_mark(head, payload) => Ok(Step::CloseMark),
            unknown if unknown & kind::CRITICAL != 0 => Err(Fault::UnknownKind(unknown)),
            _ => Ok(Step::Other),
        }
    }

    /// Passes over a batch without reading its records, when the walk stands before
    /// one of its records that it does not want.
    pub(crate) fn skip_batch(&mut self, batch: &BatchHead) {
        if let Some(Inside { container, events_left, .. }) = &mut self.batch {
            self.at = container.end;
            self.next_position = batch.first_position + u64::from(batch.events);
            container.left = 0;
            *events_left = 0;
            // Unread records cannot be held against the chain.
            container.crc = container.chain.finish();
        }
    }

    #[inline]
    fn end_of(&self, head: &Head<'_>) -> Result<u64, Fault> {
        let len = head.total_len().ok_or(Fault::Malformed)?;
        self.at.checked_add(wide(len)).ok_or(Fault::Malformed)
    }
}

/// A kind that does not belong where it stands: damage if it is a known one. Another
/// one is of a later version, and outside a batch nothing says how to pass over it.
const fn unexpected(found: u8) -> Fault {
    match found {
        kind::GROUP | kind::BATCH | kind::EVENT | kind::KEY | kind::SNAPSHOT | kind::MARK => {
            Fault::Malformed
        }
        unknown => Fault::UnknownKind(unknown),
    }
}
