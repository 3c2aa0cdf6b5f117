//! One stream, from any version, forward or backward.

use std::ops::RangeInclusive;
use std::sync::Arc;

use annals_index::Span;

use super::Shared;
use super::events::Events;
use crate::catalog::find::limit_of;
use crate::catalog::source::Source;
use crate::error::{Damage, Result};
use crate::event::{Event, OwnedEvent};
use crate::place::Place;
use crate::record::field::wide;

/// How many events are read at a time, at most.
const PIECE: u64 = 256;

/// A read of one stream, made by [`Log::read`](crate::Log::read). It sees what was
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
    from: u64,
    to: u64,
    backward: bool,
    left: u64,
    /// Parts that are still to be read, the next one last; `None` before the first
    /// call.
    parts: Option<Vec<(Arc<Source>, Span)>>,
    durable: Place,
    events: Events,
    next: usize,
}

impl StreamRead {
    pub(crate) fn new(shared: Shared, stream: &str) -> Self {
        Self {
            shared,
            stream: stream.to_owned(),
            from: 1,
            to: u64::MAX,
            backward: false,
            left: u64::MAX,
            parts: None,
            durable: Place::START,
            events: Events::default(),
            next: 0,
        }
    }

    /// The lowest version, included; 1 if not given. 0 is the same as 1.
    pub const fn from(mut self, version: u64) -> Self {
        self.from = if version == 0 { 1 } else { version };
        self
    }

    /// The highest version, included; the last one if not given or beyond it.
    pub const fn to(mut self, version: u64) -> Self {
        self.to = version;
        self
    }

    /// From the highest version down.
    pub const fn backward(mut self) -> Self {
        self.backward = true;
        self
    }

    /// At most so many events.
    pub const fn limit(mut self, events: u64) -> Self {
        self.left = events;
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
        while self.next >= self.events.len() {
            if !self.fetch()? {
                return Ok(None);
            }
        }
        self.next += 1;
        Ok(self.events.get(self.next - 1))
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
            self.shared.catalog.owner()?;
            // The place before the view: what is durable is in some index by then.
            self.durable = self.shared.watermark.place();
            let view = self.shared.catalog.view();
            let mut parts = self.shared.catalog.spans(&view, &self.stream, self.from)?;
            if self.backward {
                parts.reverse();
            }
            self.parts = Some(parts);
        }
        self.next = 0;
        self.events = Events::default();
        loop {
            let Some((source, span)) = self.parts.as_mut().and_then(Vec::pop) else {
                return Ok(false);
            };
            let low = self.from.max(span.first_version);
            let high = self.to.min(span.last_version());
            if low > high || self.left == 0 {
                continue;
            }
            let count = (high - low + 1).min(PIECE).min(self.left);
            let versions =
                if self.backward { high + 1 - count..=high } else { low..=low + count - 1 };
            self.read(&source, versions.clone())?;
            // What is left of the part comes next.
            if let Some(parts) = &mut self.parts {
                parts.push((source, span));
            }
            if self.backward {
                self.to = versions.start() - 1;
            } else {
                self.from = versions.end() + 1;
            }
            self.left -= wide(self.events.len());
            if !self.events.is_empty() {
                return Ok(true);
            }
        }
    }

    fn read(&mut self, source: &Source, versions: RangeInclusive<u64>) -> Result<()> {
        let stream = self.stream.as_str();
        let offsets = source.ask(&self.shared.catalog, |index| {
            let mut offsets = Vec::new();
            index.offsets(stream, versions.clone(), &mut offsets)?;
            Ok(offsets)
        })?;
        let segment = &source.entry.segment;
        let limit = limit_of(source, self.durable)?;
        let visible = offsets.iter().zip(versions).filter(|(offset, _)| **offset < limit);
        for (offset, version) in visible {
            let (chunk, span) = segment.event(*offset, limit)?;
            let payload = chunk.bytes_at(span.payload_at, span.payload_len);
            // If the record is not what the index said, nothing wrong is handed out.
            if span.head.version != version || span.fields.stream(payload) != self.stream {
                return Err(segment.corrupt(*offset, Damage::Index));
            }
            self.events.push_in_new_chunk(&span, chunk);
        }
        if self.backward {
            self.events.reverse();
        }
        Ok(())
    }
}
