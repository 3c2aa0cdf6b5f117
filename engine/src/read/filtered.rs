//! Events that a filter wants, by the indexes, forward or backward: what cursors with a filter
//! and filtered reads of the whole log have in common.
//!
//! The place is a segment and an offset, never an index: a table gives way to a run while a
//! cursor lives.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::Shared;
use super::events::Events;
use super::locate;
use super::lookup::{self, Piece};
use crate::catalog::entry::Entry;
use crate::catalog::find::extent_of;
use crate::catalog::view::View;
use crate::error::{Damage, Error, Result};
use crate::event::Event;
use crate::filter::Filter;
use crate::horizon::Bound;
use crate::place::Place;
use crate::record::event::EventHead;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::record::walk::{EventSpan, Fault, WalkError, record_at};
use crate::segment::{Chunk, Extent, ReadMode};

/// Records that lie no further apart are copied out of the file with one call.
const GAP_BYTES: u64 = 4096;

/// Of at most so many bytes, unless one record has more.
const COPY_BYTES: u64 = 64 << 10;

/// No more records are read in one go when the events so far have so many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Events read in one go.
const PIECE_EVENTS: usize = 256;

/// A place in the log that moves from match to match.
#[derive(Debug)]
pub(crate) struct Filtered {
    shared: Shared,
    filter: Filter,
    backward: bool,
    /// Other events are passed over.
    positions: RangeInclusive<u64>,
    /// What is still to be looked up lies from `low` to before `high`.
    low: Place,
    high: Place,
    /// Offsets that were looked up and not read yet, in one segment, the next one first.
    found: VecDeque<u64>,
    segment: Option<Arc<Entry>>,
    /// Which conditions hold for these, by the index.
    vouched: Vec<usize>,
    /// Position of the last event that was read.
    read: Option<u64>,
    /// Everything up to this position was looked at, by a reader that goes forward.
    scanned: u64,
}

/// The events of one go, and how many bytes they have.
#[derive(Debug, Default)]
struct Taken {
    events: Events,
    bytes: usize,
}

impl Filtered {
    /// Goes on after a position, which must be at most that of the bound, without an end.
    pub(crate) fn after(shared: Shared, bound: Bound, filter: Filter, after: u64) -> Result<Self> {
        let low = if after == 0 {
            start_of(&shared)
        } else {
            let batch = locate::batch_at(&shared, bound, after)?;
            if batch.last_position() == after { batch.end } else { batch.start }
        };
        let positions = after.saturating_add(1)..=u64::MAX;
        Ok(Self::new(shared, filter, false, positions, low..low))
    }

    /// What lies from one position to another, both in the log.
    pub(crate) fn between(
        shared: Shared,
        bound: Bound,
        filter: Filter,
        positions: RangeInclusive<u64>,
        backward: bool,
    ) -> Result<Self> {
        let (from, to) = (*positions.start(), *positions.end());
        let low = if from <= 1 {
            start_of(&shared)
        } else {
            locate::batch_at(&shared, bound, from)?.start
        };
        let high = if to >= bound.position {
            bound.place
        } else {
            locate::batch_at(&shared, bound, to)?.end
        };
        Ok(Self::new(shared, filter, backward, positions, low..high))
    }

    fn new(
        shared: Shared,
        filter: Filter,
        backward: bool,
        positions: RangeInclusive<u64>,
        places: Range<Place>,
    ) -> Self {
        Self {
            shared,
            filter,
            backward,
            scanned: positions.start().saturating_sub(1),
            positions,
            low: places.start,
            high: places.end,
            found: VecDeque::new(),
            segment: None,
            vouched: Vec::new(),
            read: None,
        }
    }

    /// Up to where the indexes were asked, by a reader that goes forward.
    pub(crate) const fn place(&self) -> Place {
        self.low
    }

    /// Position up to which everything was looked at.
    pub(crate) const fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Up to `max` events before the bound; none if there are none yet. Only for a reader
    /// without an end.
    pub(crate) fn follow(&mut self, bound: Bound, max: usize) -> Result<Events> {
        if max == 0 {
            return Ok(Events::default());
        }
        self.high = self.high.max(bound.place);
        let events = if self.low < self.high || !self.found.is_empty() {
            let view = self.shared.catalog.view();
            self.next(&view, bound, max)?
        } else {
            Events::default()
        };
        if self.low >= self.high && self.found.is_empty() {
            self.scanned = self.scanned.max(bound.position);
        }
        Ok(events)
    }

    /// Up to `max` events; none at the end. Damage behind some events is told by the next call.
    pub(crate) fn next(&mut self, view: &View, bound: Bound, max: usize) -> Result<Events> {
        let mut taken = Taken::default();
        let max = max.min(PIECE_EVENTS);
        while taken.events.len() < max && taken.bytes < PIECE_BYTES {
            let more = if self.found.is_empty() {
                // What was found is handed out before more is looked for.
                if taken.events.is_empty() { self.look_up(view, bound) } else { Ok(false) }
            } else {
                self.read(bound, max, &mut taken).map(|()| true)
            };
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if taken.events.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(taken.events)
    }

    /// Asks the next index. Returns whether there is another one to ask, or something to
    /// read.
    fn look_up(&mut self, view: &View, bound: Bound) -> Result<bool> {
        if self.low >= self.high {
            return Ok(false);
        }
        let number = if self.backward { self.high.segment() } else { self.low.segment() };
        let Some(entry) = view.entry(number) else { return Err(Error::Closed) };
        let data = wide(layout::DATA);
        let low = if self.low.segment() == number { self.low.offset().max(data) } else { data };
        let high = if self.high.segment() == number {
            self.high.offset()
        } else {
            extent_of(entry, bound)?.limit
        };
        if low < high {
            self.ask(view, entry, low..high)?;
        } else if self.backward {
            let Some(before) = number.checked_sub(1).and_then(|before| view.entry(before)) else {
                return Ok(false);
            };
            self.high = Place::new(number - 1, extent_of(before, bound)?.limit);
        } else {
            // A segment with another one after it is sealed.
            self.scanned = self.scanned.max(entry.facts()?.next_position - 1);
            self.low = Place::new(number + 1, data);
        }
        Ok(true)
    }

    /// Looks for events in a part of a segment.
    fn ask(&mut self, view: &View, entry: &Arc<Entry>, within: Range<u64>) -> Result<()> {
        let number = entry.segment.number;
        let sources = view.sources_of(number);
        for nth in 0..sources.len() {
            let nth = if self.backward { sources.len() - 1 - nth } else { nth };
            let Some(source) = sources.get(nth) else { continue };
            let Range { mut start, mut end } = within.clone();
            while start < end {
                let piece = source.ask(&self.shared.catalog, |index| {
                    lookup::piece(index, self.filter.clauses(), start..end, self.backward)
                })?;
                if !piece.offsets.is_empty() {
                    self.take(entry, piece);
                    return Ok(());
                }
                if self.backward {
                    end = piece.within.start;
                } else {
                    start = piece.within.end;
                }
            }
        }
        if self.backward {
            self.high = Place::new(number, within.start);
        } else {
            self.low = Place::new(number, within.end);
        }
        Ok(())
    }

    /// Goes on with what an index found. Another index of the segment may know of more in the
    /// bytes that were asked for, but only behind these: so the place moves to the last of them.
    fn take(&mut self, entry: &Arc<Entry>, piece: Piece) {
        let number = entry.segment.number;
        self.segment = Some(Arc::clone(entry));
        self.vouched = piece.vouched;
        self.found = piece.offsets.into();
        if self.backward {
            self.found.make_contiguous().reverse();
        }
        let Some(last) = self.found.back() else { return };
        if self.backward {
            self.high = Place::new(number, *last);
        } else {
            self.low = Place::new(number, last + 1);
        }
    }

    /// Reads the next records that were found, those that lie together in one go.
    fn read(&mut self, bound: Bound, max: usize, taken: &mut Taken) -> Result<()> {
        let Some(entry) = self.segment.clone() else { return Ok(()) };
        let segment = &entry.segment;
        let extent = extent_of(&entry, bound)?;
        let group = self.group(extent, max - taken.events.len());
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let (low, high) = (*first.min(last), *first.max(last));
        // Records do not lie across the end of what lasts.
        let limit = if low < extent.lasting { extent.lasting } else { extent.limit };
        let end = high.saturating_add(GAP_BYTES).min(limit).max(low);
        let chunk = segment.part(low, end, Extent { limit, ..extent })?;
        let window = chunk.window();
        let mut any = false;
        let mut alone = None;
        for (nth, offset) in group.iter().copied().enumerate() {
            let span = match record_at::<EventHead>(&window, segment.seed, offset) {
                Ok(step) => step.span(),
                Err(Fault::Short { needed }) if needed > window.end() && needed <= limit => {
                    // Longer than most.
                    alone = (nth == 0).then_some(offset);
                    break;
                }
                // Those before it first; then this one is the first.
                Err(_) if nth > 0 => break,
                Err(fault) => return Err(segment.fault(WalkError { offset, fault }, None)),
            };
            match self.judge(&entry, &span, &chunk, offset) {
                Ok(true) => {
                    taken.bytes = taken.bytes.saturating_add(span.payload_len);
                    taken.events.push(&span);
                    any = true;
                }
                Ok(false) => {}
                Err(error) if nth == 0 => return Err(error),
                Err(_) => break,
            }
            self.found.pop_front();
        }
        if any {
            taken.events.push_chunk(chunk);
        }
        let Some(offset) = alone else { return Ok(()) };
        let (chunk, span) = segment.event(offset, extent)?;
        if self.judge(&entry, &span, &chunk, offset)? {
            taken.bytes = taken.bytes.saturating_add(span.payload_len);
            taken.events.push_in_new_chunk(&span, chunk);
        }
        self.found.pop_front();
        Ok(())
    }

    /// The next offsets that one chunk can hold.
    fn group(&self, extent: Extent, most: usize) -> Vec<u64> {
        let mut group: Vec<u64> = Vec::new();
        for offset in self.found.iter().copied().take(most) {
            if let (Some(first), Some(last)) = (group.first(), group.last()) {
                let lasting = |offset: u64| offset < extent.lasting;
                if lasting(offset) != lasting(*first) {
                    break;
                }
                let lent = self.shared.catalog.mode == ReadMode::Mapped && lasting(offset);
                let near =
                    offset.abs_diff(*last) <= GAP_BYTES && offset.abs_diff(*first) <= COPY_BYTES;
                if !lent && !near {
                    break;
                }
            }
            group.push(offset);
        }
        group
    }

    /// Whether an event that was read is wanted. An error if it is not what the index said.
    fn judge(
        &mut self,
        entry: &Entry,
        span: &EventSpan,
        chunk: &Chunk,
        offset: u64,
    ) -> Result<bool> {
        let payload = chunk.bytes_at(span.payload_at, span.payload_len);
        let event = Event { head: span.head, fields: span.fields, payload };
        let position = event.position();
        let clauses = self.filter.clauses();
        let mut vouched = self.vouched.iter().filter_map(|number| clauses.get(*number));
        let in_order = self
            .read
            .is_none_or(|last| if self.backward { position < last } else { position > last });
        if !in_order || !vouched.all(|clause| clause.holds(&event)) {
            return Err(entry.segment.corrupt(offset, Damage::Index));
        }
        self.read = Some(position);
        self.scanned = self.scanned.max(position);
        Ok(self.positions.contains(&position) && self.filter.matches(&event))
    }
}

/// The place of the first record that there can be.
fn start_of(shared: &Shared) -> Place {
    let view = shared.catalog.view();
    let first = view.entries.first().map_or(1, |entry| entry.segment.number);
    Place::new(first, wide(layout::DATA))
}
