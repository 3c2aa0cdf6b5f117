//! From record to record through groups and batches, checking everything: header
//! and payload CRCs, lengths, counts, the chain between groups, positions.
//!
//! The state is apart from the bytes, so that a reader can stop anywhere and go on
//! with another window on the same segment.

use super::checksum::{self, Chain, Seed};
use super::event::{EventHead, Fields};
use super::field::wide;
use super::frame::{BatchHead, GroupFrame, is_close_mark};
use super::head::{Head, NotARecord};
use super::layout::{self, group, kind, padded};
use crate::limits;
use crate::planted::{self, Bug};

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

/// A group or batch that the walk is inside of.
#[derive(Debug, Clone)]
struct Container {
    end: u64,
    left: u32,
    crc: u32,
    chain: Chain,
}

impl Container {
    #[inline]
    fn child(&mut self, crc: u32, end: u64) -> Result<(), Fault> {
        if end > self.end || self.left == 0 {
            return Err(Fault::Malformed);
        }
        self.left -= 1;
        self.chain.push(crc);
        Ok(())
    }

    /// Checked when its end is reached.
    fn close(self, at: u64) -> Result<(), Fault> {
        if self.left != 0 || at != self.end {
            Err(Fault::Malformed)
        } else if self.chain.finish() != self.crc {
            Err(Fault::Chain)
        } else {
            Ok(())
        }
    }
}

/// One step of the walk.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Group {
        crc: u32,
        offset: u64,
    },
    Batch(BatchHead),
    Event(EventStep<'a>),
    /// The log was closed here.
    CloseMark,
    /// A record that may be passed over.
    Other,
    /// All records of the group were walked, and everything in it holds.
    GroupEnd {
        end: u64,
    },
}

/// A record of a batch.
#[derive(Debug)]
enum Record<'a> {
    Event(EventStep<'a>),
    CloseMark,
    Other,
}

/// An event and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventStep<'a> {
    pub(crate) offset: u64,
    pub(crate) head: EventHead,
    /// Offset of the payload.
    pub(crate) payload_at: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) fields: Fields,
}

/// Where an event stands and what its head says, without its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventSpan {
    pub(crate) head: EventHead,
    pub(crate) fields: Fields,
    pub(crate) payload_at: u64,
    pub(crate) payload_len: usize,
}

impl EventStep<'_> {
    pub(crate) const fn span(&self) -> EventSpan {
        EventSpan {
            head: self.head,
            fields: self.fields,
            payload_at: self.payload_at,
            payload_len: self.payload.len(),
        }
    }
}

/// The state of a walk through one segment.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    seed: Seed,
    at: u64,
    next_position: u64,
    previous_crc: Option<u32>,
    group: Option<Container>,
    batch: Option<(Container, u32)>,
    recorded_at: i64,
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

    /// The next event, if the walk stands before one inside of a batch: the same as
    /// [`step`](Self::step), without the way through all that a step can be.
    #[inline(always)]
    pub(crate) fn event<'a>(
        &mut self,
        window: &Window<'a>,
    ) -> Result<Option<EventStep<'a>>, WalkError> {
        let inside = self.batch.as_ref().is_some_and(|(batch, _)| batch.left > 0);
        if !inside || self.failed.is_some() {
            return Ok(None);
        }
        let bytes = window.from(self.at).unwrap_or_default();
        let Ok(head) = Head::read(bytes, self.seed, self.at) else { return Ok(None) };
        if head.kind != kind::EVENT {
            return Ok(None);
        }
        let at = self.at;
        match self.record(&head, bytes, window) {
            Ok(Record::Event(event)) => Ok(Some(event)),
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
        if self.batch.as_ref().is_some_and(|(batch, _)| batch.left == 0) {
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
            (Some(_), Some(_)) => self.record(&head, bytes, window).map(|record| match record {
                Record::Event(event) => Step::Event(event),
                Record::CloseMark => Step::CloseMark,
                Record::Other => Step::Other,
            }),
        }
    }

    fn close_batch(&mut self) -> Result<(), Fault> {
        let Some((batch, events_left)) = self.batch.take() else { return Ok(()) };
        if events_left != 0 {
            return Err(Fault::Malformed);
        }
        batch.close(self.at)
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
        self.group = Some(container(end, frame.batches, head.payload_crc));
        self.at += wide(head.bytes.len());
        Ok(Step::Group { crc: head.crc, offset })
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
        self.batch = Some((container(end, decoded.records, head.payload_crc), decoded.events));
        self.at += wide(head.bytes.len());
        Ok(Step::Batch(decoded))
    }

    #[inline(always)]
    fn record<'a>(
        &mut self,
        head: &Head<'a>,
        bytes: &'a [u8],
        window: &Window<'a>,
    ) -> Result<Record<'a>, Fault> {
        let payload = payload(head, bytes, self.at, window)?;
        let end = self.end_of(head)?;
        let Some((batch, events_left)) = &mut self.batch else { return Err(Fault::Malformed) };
        batch.child(head.crc, end)?;
        let step = if head.kind == kind::EVENT {
            let event = EventHead::decode(head).ok_or(Fault::Malformed)?;
            let fields = Fields::read(payload).ok_or(Fault::Malformed)?;
            *events_left = events_left.checked_sub(1).ok_or(Fault::Malformed)?;
            let fits =
                event.last_of_batch == (*events_left == 0) && event.recorded_at == self.recorded_at;
            if event.position != self.next_position || !fits {
                return Err(Fault::Order);
            }
            self.next_position += 1;
            let payload_at = self.at + wide(head.bytes.len());
            Record::Event(EventStep { offset: self.at, head: event, payload_at, payload, fields })
        } else if is_close_mark(head, payload) {
            Record::CloseMark
        } else if head.kind & kind::CRITICAL != 0 {
            return Err(Fault::UnknownKind(head.kind));
        } else {
            Record::Other
        };
        self.at = end;
        Ok(step)
    }

    /// Passes over a batch without reading its records, when the walk stands before
    /// one of its records that it does not want.
    pub(crate) fn skip_batch(&mut self, batch: &BatchHead) {
        if let Some((inside, events_left)) = &mut self.batch {
            self.at = inside.end;
            self.next_position = batch.first_position + u64::from(batch.events);
            inside.left = 0;
            *events_left = 0;
            // Unread records cannot be held against the chain.
            inside.crc = inside.chain.finish();
        }
    }

    #[inline]
    fn end_of(&self, head: &Head<'_>) -> Result<u64, Fault> {
        let len = head.total_len().ok_or(Fault::Malformed)?;
        self.at.checked_add(wide(len)).ok_or(Fault::Malformed)
    }
}

const fn container(end: u64, left: u32, crc: u32) -> Container {
    Container { end, left, crc, chain: Chain::new() }
}

/// A kind that does not belong where it stands: damage if it is a known one. Another
/// one is of a later version, and outside a batch nothing says how to pass over it.
const fn unexpected(found: u8) -> Fault {
    match found {
        kind::GROUP | kind::BATCH | kind::EVENT | kind::MARK => Fault::Malformed,
        unknown => Fault::UnknownKind(unknown),
    }
}

/// Reads and checks the single event at `offset`, without what stands around it.
pub(crate) fn event_at<'a>(
    window: &Window<'a>,
    seed: Seed,
    offset: u64,
) -> Result<EventStep<'a>, Fault> {
    let bytes = window.from(offset).unwrap_or_default();
    let head = Head::read(bytes, seed, offset).map_err(|_| {
        let needed = offset.saturating_add(wide(layout::head::MAX)).min(window.limit);
        if needed > window.end() { Fault::Short { needed } } else { Fault::Garbage }
    })?;
    let payload = payload(&head, bytes, offset, window)?;
    let event = EventHead::decode(&head).ok_or(Fault::Malformed)?;
    let fields = Fields::read(payload).ok_or(Fault::Malformed)?;
    let payload_at = offset + wide(head.bytes.len());
    Ok(EventStep { offset, head: event, payload_at, payload, fields })
}

/// The payload of a record, checked; its end must be within the window.
#[inline]
fn payload<'a>(
    head: &Head<'a>,
    bytes: &'a [u8],
    offset: u64,
    window: &Window<'a>,
) -> Result<&'a [u8], Fault> {
    let end = head.total_len().and_then(|len| offset.checked_add(wide(len)));
    let end = end.filter(|end| *end <= window.limit).ok_or(Fault::Malformed)?;
    // No record is larger, so neither is what is read for one.
    if head.payload_len > limits::EVENT_BYTES {
        return Err(Fault::Malformed);
    }
    let header_len = head.bytes.len();
    let padded_len = padded(head.payload_len).ok_or(Fault::Malformed)?;
    let filled =
        bytes.get(header_len..header_len + padded_len).ok_or(Fault::Short { needed: end })?;
    if checksum::of(filled) != head.payload_crc && !planted::active(Bug::PayloadUnchecked) {
        return Err(Fault::Payload);
    }
    filled.get(..head.payload_len).ok_or(Fault::Malformed)
}

/// Looks for group frames of this log from `from` on, wherever one could start, and
/// gives each frame whose header holds, with its offset. Time is linear in the
/// bytes: a header is only checked where kind and length look like a frame.
pub(crate) fn frames_beyond(
    window: Window<'_>,
    seed: Seed,
    from: u64,
) -> impl Iterator<Item = (u64, GroupFrame)> {
    let bytes = window.from(from).unwrap_or_default();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(here) = bytes.get(at..).filter(|here| here.len() >= group::LEN) {
            let offset = from + wide(at);
            at += layout::ALIGN;
            let candidate = here.get(layout::head::KIND) == Some(&kind::GROUP);
            if !candidate {
                continue;
            }
            let Ok(head) = Head::read(here, seed, offset) else { continue };
            if let Some(frame) = GroupFrame::decode(&head) {
                return Some((offset, frame));
            }
        }
        None
    })
}
