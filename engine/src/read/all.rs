//! The whole log, from any position, forward or backward.

use std::sync::Arc;

use super::Shared;
use super::events::Events;
use super::filtered::Filtered;
use super::forward::Forward;
use super::locate;
use super::pieces::Pieces;
use crate::catalog::find::extent_of;
use crate::catalog::view::View;
use crate::error::Result;
use crate::event::{Event, OwnedEvent};
use crate::filter::Filter;
use crate::horizon::{Bound, Reach};
use crate::record::walk::{Step, Walk};
use crate::segment::{Extent, scan};
use crate::time::Timestamp;

/// How many events are read at a time.
const PIECE: usize = 1024;

/// A read of the whole log in commit order, made by
/// [`Log::read_all`](crate::Reader::read_all). It sees what was acknowledged when it was
/// first asked, and nothing that comes later: to follow the log, use a cursor.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// for stream in ["a", "b", "c"] {
///     log.append(Batch::new().write(stream, Expected::Any, [NewEvent::new("Happened")]))?;
/// }
/// let mut read = log.read_all().backward().limit(2);
/// let mut streams = String::new();
/// while let Some(event) = read.next()? {
///     streams.push_str(event.stream());
/// }
/// assert_eq!(streams, "cb");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct LogRead {
    shared: Shared,
    pieces: Pieces,
    filter: Filter,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Forward(Box<Forward>),
    /// The position that is read next.
    Backward(u64),
    /// By a filter, among what was there at the first call.
    Filtered(Box<(Filtered, Arc<View>, Bound)>),
    Done,
}

impl LogRead {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared,
            pieces: Pieces::new(),
            filter: Filter::new(),
            since: None,
            before: None,
            state: State::New,
        }
    }

    /// Only events that this filter takes, instead of all of them or those of an earlier one.
    ///
    /// They are found by the indexes: segments that have none are not read, and of the others
    /// little more than the records that match. [`from`](Self::from), [`to`](Self::to) and the
    /// times hold besides; [`limit`](Self::limit) counts what matches.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Only events that were [recorded](Event::recorded_at) at this time or later. Finding
    /// the place reads the heads of some batches, as many as halvings of the log.
    ///
    /// ```
    /// use annals::{Batch, Expected, Log, NewEvent};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// for stream in ["a", "b", "c"] {
    ///     log.append(Batch::new().write(stream, Expected::Any, [NewEvent::new("Happened")]))?;
    /// }
    /// let second = log.read_all().from(2).limit(1).collect()?[0].as_event().recorded_at();
    /// assert!(log.read_all().before(second).collect()?.len() <= 1);
    /// assert!(log.read_all().since(second).collect()?.len() >= 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only events that were recorded before this time. As [`since`](Self::since).
    pub const fn before(mut self, time: Timestamp) -> Self {
        self.before = Some(time);
        self
    }

    /// The lowest position, included; 1 if not given. 0 is the same as 1.
    pub const fn from(mut self, position: u64) -> Self {
        self.pieces.from = if position == 0 { 1 } else { position };
        self
    }

    /// The highest position, included; the head if not given or beyond it.
    pub const fn to(mut self, position: u64) -> Self {
        self.pieces.to = position;
        self
    }

    /// From the highest position down.
    pub const fn backward(mut self) -> Self {
        self.pieces.backward = true;
        self
    }

    /// At most so many events.
    pub const fn limit(mut self, events: u64) -> Self {
        self.pieces.left = events;
        self
    }

    /// The next event; `None` at the end. Lent until the next call.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged: the read
    /// does not pass over it. [`Error::Io`](crate::Error::Io) if reading fails.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        while self.pieces.is_spent() {
            if !self.fetch()? {
                return Ok(None);
            }
        }
        Ok(self.pieces.next())
    }

    /// All that is left, as copies.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn collect(mut self) -> Result<Vec<OwnedEvent>> {
        let mut all = Vec::new();
        while let Some(event) = self.next()? {
            all.push(event.to_owned());
        }
        Ok(all)
    }

    /// Reads the next piece. Returns whether there can be more.
    fn fetch(&mut self) -> Result<bool> {
        if matches!(self.state, State::New) {
            self.begin()?;
        }
        let Pieces { from, left, .. } = self.pieces;
        let events = match &mut self.state {
            State::Forward(forward) => {
                let to_come = self.pieces.to.saturating_sub(forward.position()).min(left);
                let max = usize::try_from(to_come).unwrap_or(PIECE).min(PIECE);
                if max == 0 { Events::default() } else { forward.next(max)? }
            }
            State::Backward(position) if left > 0 => {
                let position = *position;
                let (events, lowest) = self.piece_before(position)?;
                self.state = if lowest <= from { State::Done } else { State::Backward(lowest - 1) };
                events
            }
            State::Filtered(filtered) if left > 0 => {
                let (filtered, view, bound) = &mut **filtered;
                filtered.next(view, *bound, usize::try_from(left).unwrap_or(PIECE))?
            }
            State::New | State::Done | State::Backward(_) | State::Filtered(_) => Events::default(),
        };
        let more = !events.is_empty();
        if !more {
            self.state = State::Done;
        }
        self.pieces.put(events);
        Ok(more)
    }

    /// Finds out where to read.
    fn begin(&mut self) -> Result<()> {
        // The bound before the view: what is before it is in some index by then.
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        let shared = &self.shared;
        let first_at = |time: Timestamp| locate::first_recorded_at(shared, bound, time.as_nanos());
        let Pieces { mut from, to, backward, .. } = self.pieces;
        let mut to = to.min(bound.position);
        if let Some(time) = self.since {
            from = from.max(first_at(time)?);
        }
        if let Some(time) = self.before {
            to = to.min(first_at(time)? - 1);
        }
        self.state = if from > to {
            State::Done
        } else if !self.filter.is_empty() {
            let (shared, filter) = (self.shared.clone(), self.filter.clone());
            let filtered = Filtered::between(shared, bound, filter, from..=to, backward)?;
            State::Filtered(Box::new((filtered, self.shared.catalog.view(), bound)))
        } else if backward {
            State::Backward(to)
        } else {
            let forward = Forward::after(self.shared.clone(), Reach::Acknowledged, from - 1)?;
            State::Forward(Box::new(forward))
        };
        (self.pieces.from, self.pieces.to) = (from, to);
        Ok(())
    }

    /// Events up to `position`, highest first, down to the mark before it; and the lowest
    /// position that was looked at.
    fn piece_before(&self, position: u64) -> Result<(Events, u64)> {
        let catalog = &self.shared.catalog;
        let view = catalog.view();
        let (place, first) = catalog.place(&view, position)?;
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        let Some(entry) = view.entry(place.segment()) else {
            return Err(crate::Error::Closed);
        };
        let segment = &entry.segment;
        let extent = extent_of(entry, bound)?;
        let mut walk = Walk::new(segment.seed, place.offset(), first, None);
        let mut events = Events::default();
        let mut wanted = scan::FIRST_WINDOW_BYTES;
        while walk.next_position() <= position {
            let start = walk.offset();
            // Groups do not lie across the end of what lasts.
            let limit = if start < extent.lasting { extent.lasting } else { extent.limit };
            // An index may say that something stands behind the end: there is nothing.
            let limit = limit.max(start);
            let end = start.saturating_add(wanted).min(limit);
            let chunk = segment.part(start, end, Extent { limit, ..extent })?;
            let window = chunk.window();
            wanted = scan::FIRST_WINDOW_BYTES;
            let mut seen = Events::default();
            while walk.next_position() <= position {
                match walk.step(&window) {
                    Ok(Step::Event(event)) if event.head.position >= self.pieces.from => {
                        seen.push(&event.span());
                    }
                    Ok(Step::GroupEnd { end }) if end >= limit => break,
                    Ok(_) => {}
                    Err(error) => {
                        wanted = scan::more_needed(&error, &window, limit)
                            .ok_or_else(|| segment.fault(error, Some(walk.next_position())))?;
                        break;
                    }
                }
            }
            seen.push_chunk(chunk);
            events.append(seen);
        }
        events.reverse();
        Ok((events, first))
    }
}
