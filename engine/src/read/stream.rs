//! One stream, from any version, forward or backward.

use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_index::Span;

use super::Shared;
use super::events::Events;
use super::pieces::Pieces;
use crate::catalog::find::extent_of;
use crate::catalog::source::Source;
use crate::error::{Damage, Result};
use crate::event::{Event, OwnedEvent};
use crate::horizon::{Bound, Reach};
use crate::record::walk::EventSpan;
use crate::segment::{Chunk, Extent};

/// How many events are read at a time, at most.
const PIECE: u64 = 256;

/// A read of one stream, made by [`Log::read`](crate::Reader::read). It sees what was
/// acknowledged when it was first asked.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let steps = ["Opened", "Changed", "Closed"].map(NewEvent::new);
/// log.append(Batch::new().write("case-7", Expected::NoStream, steps))?;
///
/// let mut read = log.read("case-7").from(2);
/// while let Some(event) = read.next()? {
///     println!("{} {}", event.version(), event.event_type());
/// }
/// let last = log.read("case-7").backward().limit(1).collect()?;
/// assert_eq!(last[0].as_event().event_type(), "Closed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct StreamRead {
    shared: Shared,
    stream: String,
    pieces: Pieces,
    /// Parts that are still to be read, the next one last; `None` before the first
    /// call.
    parts: Option<Vec<(Arc<Source>, Span)>>,
    /// What was acknowledged at the first call.
    bound: Option<Bound>,
}

impl StreamRead {
    pub(crate) fn new(shared: Shared, stream: &str) -> Self {
        Self { shared, stream: stream.to_owned(), pieces: Pieces::new(), parts: None, bound: None }
    }

    /// The lowest version, included; 1 if not given. 0 is the same as 1.
    pub const fn from(mut self, version: u64) -> Self {
        self.pieces.from = if version == 0 { 1 } else { version };
        self
    }

    /// The highest version, included; the last one if not given or beyond it.
    pub const fn to(mut self, version: u64) -> Self {
        self.pieces.to = version;
        self
    }

    /// From the highest version down.
    pub const fn backward(mut self) -> Self {
        self.pieces.backward = true;
        self
    }

    /// At most so many events.
    pub const fn limit(mut self, events: u64) -> Self {
        self.pieces.left = events;
        self
    }

    /// The next event; `None` at the end, and at once for a stream that does not
    /// exist. Lent until the next call.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged.
    /// [`Error::Io`](crate::Error::Io) if reading fails.
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
        if self.parts.is_none() {
            // The bound before the view: what is before it is in some index by then.
            self.bound = Some(self.shared.horizon.indexed(Reach::Acknowledged)?);
            let view = self.shared.catalog.view();
            let mut parts = self.shared.catalog.spans(&view, &self.stream, self.pieces.from)?;
            if self.pieces.backward {
                parts.reverse();
            }
            self.parts = Some(parts);
        }
        loop {
            let Some((source, span)) = self.parts.as_mut().and_then(Vec::pop) else {
                return Ok(false);
            };
            let Pieces { from, to, backward, left, .. } = self.pieces;
            let low = from.max(span.first_version);
            let high = to.min(span.last_version());
            if low > high || left == 0 {
                continue;
            }
            let count = (high - low + 1).min(PIECE).min(left);
            let versions = if backward { high + 1 - count..=high } else { low..=low + count - 1 };
            let read = self.read(&source, versions.clone());
            // What is left of the part comes next, and all of it after an error: nobody gets
            // past damage by asking again.
            if let Some(parts) = &mut self.parts {
                parts.push((source, span));
            }
            let (events, stopped_at) = read?;
            if backward {
                self.pieces.to = stopped_at.unwrap_or_else(|| versions.start() - 1);
            } else {
                self.pieces.from = stopped_at.unwrap_or_else(|| versions.end() + 1);
            }
            if !events.is_empty() {
                self.pieces.put(events);
                return Ok(true);
            }
        }
    }

    /// Reads the events of these versions that may be seen, in the read's direction. Stops
    /// before one that cannot be read, and says which that is; an error if it is the
    /// first.
    fn read(
        &self,
        source: &Source,
        versions: RangeInclusive<u64>,
    ) -> Result<(Events, Option<u64>)> {
        let mut events = Events::default();
        let stream = self.stream.as_str();
        let offsets = source.ask(&self.shared.catalog, |index| {
            let mut offsets = Vec::new();
            index.offsets(stream, versions.clone(), &mut offsets)?;
            Ok(offsets)
        })?;
        let Some(bound) = self.bound else { return Ok((events, None)) };
        let extent = extent_of(&source.entry, bound)?;
        let visible = offsets.into_iter().zip(versions).filter(|(at, _)| *at < extent.limit);
        let mut visible: Vec<_> = visible.collect();
        if self.pieces.backward {
            visible.reverse();
        }
        for (offset, version) in visible {
            match self.event(source, extent, offset, version) {
                Ok((span, chunk)) => events.push_in_new_chunk(&span, chunk),
                Err(error) if events.is_empty() => return Err(error),
                Err(_) => return Ok((events, Some(version))),
            }
        }
        Ok((events, None))
    }

    fn event(
        &self,
        source: &Source,
        extent: Extent,
        offset: u64,
        version: u64,
    ) -> Result<(EventSpan, Chunk)> {
        let segment = &source.entry.segment;
        let (chunk, span) = segment.event(offset, extent)?;
        let payload = chunk.bytes_at(span.payload_at, span.payload_len);
        // If the record is not what the index said, nothing wrong is handed out.
        if span.head.version != version || span.fields.stream(payload) != self.stream {
            return Err(segment.corrupt(offset, Damage::Index));
        }
        Ok((span, chunk))
    }
}
