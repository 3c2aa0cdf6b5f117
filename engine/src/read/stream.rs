//! One stream, from any version, forward or backward.

use std::hint::black_box;
use std::ops::RangeInclusive;

use super::Shared;
use super::events::Events;
use super::pieces::Pieces;
use crate::catalog::find::{Part, Parts, extent_of};
use crate::error::{Damage, Result};
use crate::event::{Event, OwnedEvent};
use crate::horizon::{Bound, Reach};
use crate::record::field::wide;
use crate::record::walk::EventSpan;
use crate::segment::{Chunk, Extent};

/// What a read is made of.
#[derive(Debug)]
struct Planned {
    /// What is still to be read, the next one last.
    parts: Vec<Stretch>,
    /// Of parts that are small.
    offsets: Vec<u64>,
}

/// A part of the stream, and where it is read.
#[derive(Debug)]
struct Stretch {
    part: Part,
    extent: Extent,
    /// All of the segment from the part's first event on that may be lent, if the offsets are
    /// known.
    lent: Option<Chunk>,
}

impl Planned {
    fn new(found: Parts, bound: Bound, backward: bool) -> Result<Self> {
        let Parts { parts, offsets } = found;
        let mut planned = Self { parts: Vec::with_capacity(parts.len()), offsets };
        for part in parts {
            let extent = extent_of(&part.source.entry, bound)?;
            let first = part.known.as_ref().and_then(|known| planned.offsets.get(known.start));
            let lent = match first {
                Some(first) => part.source.entry.segment.lent(*first, extent)?,
                None => None,
            };
            planned.parts.push(Stretch { part, extent, lent });
        }
        planned.touch();
        if backward {
            planned.parts.reverse();
        }
        Ok(planned)
    }

    /// Loads a few bytes of each event whose offset is known, so that their ways to memory
    /// overlap: one by one, each would be waited for. Nothing in between may lock: that would
    /// wait for them too.
    fn touch(&self) {
        let mut sum = 0;
        for line in 0..LINES {
            for Stretch { part, lent, .. } in &self.parts {
                let (Some(known), Some(lent)) = (&part.known, lent) else { continue };
                let window = lent.window();
                for offset in self.offsets.get(known.clone()).unwrap_or_default() {
                    let at = offset.saturating_add(line * LINE_BYTES);
                    sum ^= window.from(at).and_then(<[u8]>::first).copied().unwrap_or_default();
                }
            }
        }
        black_box(sum);
    }
}

/// How many events are read at a time, at most.
const PIECE: u64 = 256;

/// How much of an event is loaded ahead: what the processor fetches by itself once a record
/// is read in order lies behind that.
const LINES: u64 = 3;
const LINE_BYTES: u64 = 128;

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
    parts: Option<Planned>,
}

impl StreamRead {
    pub(crate) fn new(shared: Shared, stream: &str) -> Self {
        Self { shared, stream: stream.to_owned(), pieces: Pieces::new(), parts: None }
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
            let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
            let view = self.shared.catalog.view();
            let most = PIECE.min(self.pieces.left);
            let found = self.shared.catalog.parts(&view, &self.stream, self.pieces.from, most)?;
            self.parts = Some(Planned::new(found, bound, self.pieces.backward)?);
        }
        let mut events = Events::default();
        while let Some((versions, known)) = self.next_versions(wide(events.len())) {
            // Others are read together only where no index is asked in between.
            if !known && !events.is_empty() {
                break;
            }
            let stopped_at = self.read(versions.clone(), &mut events)?;
            // All of a part that was not read comes next, also after an error: nobody gets
            // past damage by asking again.
            if self.pieces.backward {
                self.pieces.to = stopped_at.unwrap_or_else(|| versions.start() - 1);
            } else {
                self.pieces.from = stopped_at.unwrap_or_else(|| versions.end() + 1);
            }
            if stopped_at.is_some() || (!known && !events.is_empty()) {
                break;
            }
        }
        let more = !events.is_empty();
        if more {
            self.pieces.put(events);
        }
        Ok(more)
    }

    /// Which versions of the next part are to be read, after so many events; and whether
    /// their offsets are known. Drops the parts that are done with.
    fn next_versions(&mut self, taken: u64) -> Option<(RangeInclusive<u64>, bool)> {
        let Pieces { from, to, backward, left, .. } = self.pieces;
        let most = PIECE.min(left).saturating_sub(taken);
        let parts = &mut self.parts.as_mut()?.parts;
        while let Some(Stretch { part, .. }) = parts.last() {
            let low = from.max(part.span.first_version);
            let high = to.min(part.span.last_version());
            if low > high {
                parts.pop();
            } else if most == 0 {
                return None;
            } else {
                let count = (high - low + 1).min(most);
                let versions =
                    if backward { high + 1 - count..=high } else { low..=low + count - 1 };
                return Some((versions, part.known.is_some()));
            }
        }
        None
    }

    /// Reads the events of these versions of the next part that may be seen, in the read's
    /// direction. Stops before one that cannot be read, and says which that is; an error if
    /// it is the first.
    fn read(&self, versions: RangeInclusive<u64>, events: &mut Events) -> Result<Option<u64>> {
        let Some(planned) = &self.parts else { return Ok(None) };
        let Some(stretch) = planned.parts.last() else { return Ok(None) };
        let (part, extent) = (&stretch.part, stretch.extent);
        let asked;
        let offsets = match &part.known {
            Some(known) => {
                let of_part = |version: u64| usize::try_from(version - part.span.first_version);
                let offsets = planned.offsets.get(known.clone()).unwrap_or_default();
                match (of_part(*versions.start()), of_part(*versions.end())) {
                    (Ok(first), Ok(last)) => offsets.get(first..=last).unwrap_or_default(),
                    _ => &[],
                }
            }
            None => {
                asked = part.source.ask(&self.shared.catalog, |index| {
                    let mut offsets = Vec::new();
                    index.offsets(&self.stream, versions.clone(), &mut offsets)?;
                    Ok(offsets)
                })?;
                &asked
            }
        };
        let visible = offsets.partition_point(|offset| *offset < extent.limit);
        let offsets = offsets.get(..visible).unwrap_or_default();
        // Events that may be lent share what the stretch has of the segment.
        let lent = stretch.lent.as_ref().filter(|_| !offsets.is_empty());
        let of_lent = lent.map(|chunk| events.lend(chunk.clone()));
        for index in 0..offsets.len() {
            let index = if self.pieces.backward { offsets.len() - 1 - index } else { index };
            let Some(offset) = offsets.get(index).copied() else { break };
            let version = versions.start() + wide(index);
            match (self.event(part, extent, lent, (offset, version)), of_lent) {
                (Ok((span, Some(chunk))), _) => events.push_in_new_chunk(&span, chunk),
                (Ok((span, None)), lent) => events.push_of(&span, lent.unwrap_or_default()),
                (Err(error), _) if events.is_empty() => return Err(error),
                (Err(_), _) => return Ok(Some(version)),
            }
        }
        Ok(None)
    }

    /// An event, and a chunk that holds it if what was lent does not.
    fn event(
        &self,
        part: &Part,
        extent: Extent,
        lent: Option<&Chunk>,
        (offset, version): (u64, u64),
    ) -> Result<(EventSpan, Option<Chunk>)> {
        let segment = &part.source.entry.segment;
        let lent = lent.filter(|_| offset < extent.lasting);
        let (span, chunk) = match lent {
            Some(lent) => (segment.event_in(lent, offset)?, None),
            None => {
                let (chunk, span) = segment.event(offset, extent)?;
                (span, Some(chunk))
            }
        };
        let payload = match (&chunk, lent) {
            (Some(chunk), _) | (None, Some(chunk)) => {
                chunk.bytes_at(span.payload_at, span.payload_len)
            }
            (None, None) => &[],
        };
        // If the record is not what the index said, nothing wrong is handed out.
        if span.head.version != version || span.fields.stream(payload) != self.stream {
            return Err(segment.corrupt(offset, Damage::Index));
        }
        Ok((span, chunk))
    }
}
