//! The whole log, from any position, forward or backward.

use super::Shared;
use super::events::Events;
use super::forward::Forward;
use super::pieces::Pieces;
use crate::catalog::find::extent_of;
use crate::error::Result;
use crate::event::{Event, OwnedEvent};
use crate::horizon::Reach;
use crate::record::walk::{Step, Walk};
use crate::segment::{Extent, scan};

/// How many events are read at a time.
const PIECE: usize = 1024;

/// A read of the whole log in commit order, made by
/// [`Log::read_all`](crate::Log::read_all). It sees what was acknowledged when it was
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
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Forward(Forward),
    /// The position that is read next.
    Backward(u64),
    Done,
}

impl LogRead {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, pieces: Pieces::new(), state: State::New }
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
        let Pieces { from, to, backward, left, .. } = self.pieces;
        if matches!(self.state, State::New) {
            let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
            let to = to.min(bound.position);
            self.pieces.to = to;
            self.state = if from > to {
                State::Done
            } else if backward {
                State::Backward(to)
            } else {
                State::Forward(Forward::after(self.shared.clone(), Reach::Acknowledged, from - 1)?)
            };
        }
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
            State::New | State::Done | State::Backward(_) => Events::default(),
        };
        let more = !events.is_empty();
        if !more {
            self.state = State::Done;
        }
        self.pieces.put(events);
        Ok(more)
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
            let end = start.saturating_add(wanted).min(limit);
            let chunk = segment.part(start, end, Extent { limit, ..extent })?;
            let window = chunk.window();
            wanted = scan::FIRST_WINDOW_BYTES;
            let mut seen = Events::default();
            while walk.next_position() <= position {
                match walk.step(&window) {
                    Ok(Step::Event(event)) if event.head.position >= self.pieces.from => {
                        seen.push(event.span());
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
