//! What an append commits: events of one or several streams, all or nothing.
//!
//! A batch encodes its events and computes their checksums as they are added,
//! outside any lock; what is left for the commit is their place.

mod check;
mod event;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use self::check::{most, within};
pub use self::event::NewEvent;
use crate::error::{Error, Result};
use crate::expected::Expected;
use crate::limits;
use crate::record::checksum;
use crate::record::event::{PayloadParts, record_len};
use crate::record::layout::padded;

/// Up to so many streams a batch finds by looking at all of them.
const FEW_STREAMS: usize = 16;

/// A stream that a batch names, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) stream: String,
    pub(crate) expected: Vec<Expected>,
    /// How many of the batch's events are of this stream.
    pub(crate) writes: u64,
}

/// An encoded event of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoded {
    /// Index of its stream among the named ones.
    pub(crate) stream: usize,
    pub(crate) id: u128,
    /// Where its payload starts in the batch's buffer.
    pub(crate) start: usize,
    /// Without the zeros that fill it up.
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// A batch: what one append commits, all or nothing, in the order in which it was
/// written.
///
/// Something that cannot be appended (too large, an empty name) is noted when it is
/// added and reported by the append. A batch can be appended again, after an error
/// or to make sure: its ids are part of it, so it commits at most once.
///
/// ```
/// use annals::{Batch, Expected, NewEvent};
/// let mut batch = Batch::new();
/// batch
///     .write("order-17", Expected::NoStream, [NewEvent::new("OrderPlaced")])
///     .write("stock-4", Expected::Exact(8), [NewEvent::new("Reserved")])
///     .expect("customer-9", Expected::Exists);
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    named: Vec<Named>,
    /// Index of each named stream; empty while there are few.
    by_name: HashMap<String, usize, foldhash::fast::RandomState>,
    events: Vec<Encoded>,
    buffer: Vec<u8>,
    record_bytes: u64,
    given_ids: bool,
    last_made_id: Option<u128>,
    committed: AtomicBool,
    error: Option<Error>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds events of a stream, which must be as `expected` before the batch. A stream
    /// can be written in several places of a batch; everything that was expected
    /// of it must hold.
    pub fn write<'e>(
        &mut self,
        stream: &str,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> &mut Self {
        if let Some(index) = self.name(stream, expected) {
            for event in events {
                if let Err(error) = self.push(index, stream, &event) {
                    self.error.get_or_insert(error);
                }
            }
        }
        self
    }

    /// Expects something of a stream that the batch need not write.
    pub fn expect(&mut self, stream: &str, expected: Expected) -> &mut Self {
        self.name(stream, expected);
        self
    }

    /// How many events it has.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no events.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many bytes its events take on disk.
    pub const fn bytes(&self) -> u64 {
        self.record_bytes
    }

    /// Makes it an empty batch again that keeps its memory.
    pub fn clear(&mut self) {
        self.named.clear();
        self.by_name.clear();
        self.events.clear();
        self.buffer.clear();
        self.record_bytes = 0;
        self.given_ids = false;
        self.last_made_id = None;
        self.committed = AtomicBool::new(false);
        self.error = None;
    }

    fn name(&mut self, stream: &str, expected: Expected) -> Option<usize> {
        if let Err(error) = within("stream name", stream.len(), limits::STREAM_NAME_BYTES) {
            self.error.get_or_insert(error);
            return None;
        }
        if let Some(index) = self.find(stream)
            && let Some(named) = self.named.get_mut(index)
        {
            if expected != Expected::Any && !named.expected.contains(&expected) {
                named.expected.push(expected);
            }
            return Some(index);
        }
        let expected = if expected == Expected::Any { Vec::new() } else { vec![expected] };
        self.named.push(Named { stream: stream.to_owned(), expected, writes: 0 });
        let index = self.named.len() - 1;
        if index == FEW_STREAMS {
            let names = self.named.iter().map(|named| named.stream.clone());
            self.by_name = names.zip(0..).collect();
        } else if index > FEW_STREAMS {
            self.by_name.insert(stream.to_owned(), index);
        }
        Some(index)
    }

    /// Which of the named streams this is. Most batches name few, and the last one named
    /// is the likeliest; of many, a map knows.
    fn find(&self, stream: &str) -> Option<usize> {
        if self.named.len() > FEW_STREAMS {
            return self.by_name.get(stream).copied();
        }
        self.named.iter().rposition(|named| named.stream == stream)
    }

    fn push(&mut self, stream: usize, name: &str, event: &NewEvent<'_>) -> Result<()> {
        event.check()?;
        most("events of a batch", self.events.len() + 1, limits::BATCH_EVENTS)?;
        let id = event.id.map_or_else(|| self.next_id(), |id| id.as_u128());
        let parts = PayloadParts {
            id,
            stream: name,
            event_type: event.event_type,
            schema: event.schema,
            occurred: event.occurred,
            tags: &event.tags,
            json: event.json,
            content_type: event.content_type,
            correlation: event.correlation,
            cause: event.caused_by,
            metadata: event.metadata,
            data: event.data,
        };
        let start = self.buffer.len();
        parts.encode(&mut self.buffer);
        let len = self.buffer.len() - start;
        let checked = most("event (bytes)", len, limits::EVENT_BYTES).and_then(|()| {
            let record = record_len(len).unwrap_or(u64::MAX);
            let total = self.record_bytes.saturating_add(record);
            let limit = crate::record::field::wide(limits::BATCH_BYTES);
            if total > limit {
                return Err(Error::TooLarge { what: "batch (bytes)", size: total, limit });
            }
            Ok(total)
        });
        match checked {
            Ok(total) => self.record_bytes = total,
            Err(error) => {
                self.buffer.truncate(start);
                return Err(error);
            }
        }
        self.buffer.resize(start + padded(len).unwrap_or(len), 0);
        let crc = checksum::of(self.buffer.get(start..).unwrap_or_default());
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.events.push(Encoded { stream, id, start, len, crc });
        self.given_ids |= event.id.is_some();
        if let Some(named) = self.named.get_mut(stream) {
            named.writes += 1;
        }
        Ok(())
    }

    /// A UUID of version 7. The first one of a batch is random; those after it count up
    /// from it in their last 62 bits, as RFC 9562 (6.2, method 2) has it: in order, and
    /// no dearer than an addition.
    fn next_id(&mut self) -> u128 {
        const RANDOM: u128 = (1 << 62) - 1;
        let id = match self.last_made_id {
            Some(last) => (last & !RANDOM) | (last.wrapping_add(1) & RANDOM),
            None => Uuid::now_v7().as_u128(),
        };
        self.last_made_id = Some(id);
        id
    }

    /// What was wrong with what was added, if anything: what an append of it answers.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Invalid`], the first that was met. What was refused
    /// is not part of the batch; after [`clear`](Self::clear) all is well again.
    ///
    /// ```
    /// use annals::{Batch, Expected, NewEvent};
    /// let mut batch = Batch::new();
    /// batch.write("", Expected::Any, [NewEvent::new("Happened")]);
    /// assert!(batch.check().is_err() && batch.is_empty());
    /// ```
    pub fn check(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn named(&self) -> &[Named] {
        &self.named
    }

    pub(crate) fn events(&self) -> &[Encoded] {
        &self.events
    }

    /// An event's payload with the zeros that fill it up.
    pub(crate) fn filled_payload(&self, event: &Encoded) -> &[u8] {
        let len = padded(crate::record::field::size(event.len)).unwrap_or_default();
        self.buffer.get(event.start..event.start + len).unwrap_or_default()
    }

    /// Whether its ids may be in a log already: they were given, or it was committed
    /// before. Ids that were made here are new the first time.
    pub(crate) fn ids_may_exist(&self) -> bool {
        self.given_ids || self.committed.load(Ordering::Acquire)
    }

    /// Notes that it is being committed, under the commit's lock. Returns whether it was
    /// before: two threads may append the same batch at once.
    pub(crate) fn commits(&self) -> bool {
        self.committed.swap(true, Ordering::AcqRel)
    }
}
