//! A piece of the log that was read and checked.

use std::fmt;

use crate::event::Event;
use crate::record::event::{EventHead, Fields};
use crate::record::field::wide;
use crate::record::head::{Head, RecordHead};
use crate::record::walk::{EventSpan, Window};
use crate::segment::Chunk;

/// Events that were read together. They lend from the log's bytes, which this keeps
/// alive, also when the log is closed; every checksum was checked.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
/// let events = log.cursor(Start::Beginning)?.poll(100)?;
/// for event in &events {
///     println!("{} {} {}", event.position(), event.stream(), event.event_type());
/// }
/// assert_eq!(events.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Events {
    chunks: Vec<Chunk>,
    items: Vec<Item>,
}

/// Where an event lies in its chunk. What its head says is read there again: a page of
/// these stays small.
#[derive(Debug, Clone, Copy)]
struct Item {
    offset: u64,
    chunk: usize,
    fields: Fields,
}

impl Item {
    /// The event, in the bytes from its offset on.
    #[inline]
    fn event<'a>(&self, bytes: &'a [u8]) -> Option<Event<'a>> {
        let head = Head::read_again(bytes)?;
        let payload = bytes.get(head.bytes.len()..)?.get(..head.payload_len)?;
        Some(Event { head: EventHead::decode(&head)?, fields: self.fields, payload })
    }
}

impl Events {
    /// Empty, with memory for this many events.
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self { chunks: Vec::with_capacity(1), items: Vec::with_capacity(events) }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The event at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        let item = self.items.get(index)?;
        item.event(self.chunks.get(item.chunk)?.window().from(item.offset)?)
    }

    /// The events in the order in which they were read.
    pub const fn iter(&self) -> EventsIter<'_> {
        EventsIter { events: self, next: 0, window: None }
    }

    /// The chunk of the events that were pushed since the last one.
    pub(crate) fn push_chunk(&mut self, chunk: Chunk) {
        self.chunks.push(chunk);
    }

    /// Keeps a chunk, and says how its events name it.
    pub(crate) fn lend(&mut self, chunk: Chunk) -> usize {
        self.chunks.push(chunk);
        self.chunks.len() - 1
    }

    /// An event of a chunk that was lent.
    #[inline]
    pub(crate) fn push_of(&mut self, span: &EventSpan, chunk: usize) {
        self.items.push(Item { offset: span.offset, chunk, fields: span.fields });
    }

    /// An event of a chunk that is pushed when all its events are.
    #[inline]
    pub(crate) fn push(&mut self, span: &EventSpan) {
        self.push_of(span, self.chunks.len());
    }

    /// An event in a chunk of its own.
    pub(crate) fn push_in_new_chunk(&mut self, span: &EventSpan, chunk: Chunk) {
        self.push(span);
        self.push_chunk(chunk);
    }

    /// Adds events that were read after these.
    pub(crate) fn append(&mut self, mut later: Self) {
        let before = self.chunks.len();
        self.chunks.append(&mut later.chunks);
        later.items.iter_mut().for_each(|item| item.chunk += before);
        self.items.append(&mut later.items);
    }

    pub(crate) fn reverse(&mut self) {
        self.items.reverse();
    }

    /// Leaves out all but the first `count`.
    pub(crate) fn truncate(&mut self, count: u64) {
        if wide(self.items.len()) > count {
            self.items.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = Event<'a>;
    type IntoIter = EventsIter<'a>;

    fn into_iter(self) -> EventsIter<'a> {
        self.iter()
    }
}

/// Goes through [`Events`].
#[derive(Clone)]
pub struct EventsIter<'a> {
    events: &'a Events,
    next: usize,
    /// Of the last event's chunk: those of a piece mostly share one.
    window: Option<(usize, Window<'a>)>,
}

impl EventsIter<'_> {
    const fn left(&self) -> usize {
        self.events.len().saturating_sub(self.next)
    }
}

impl fmt::Debug for EventsIter<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventsIter").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl<'a> Iterator for EventsIter<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        let item = self.events.items.get(self.next)?;
        let window = match self.window {
            Some((chunk, window)) if chunk == item.chunk => window,
            _ => self.events.chunks.get(item.chunk)?.window(),
        };
        self.window = Some((item.chunk, window));
        let event = item.event(window.from(item.offset)?)?;
        self.next += 1;
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left(), Some(self.left()))
    }
}

impl ExactSizeIterator for EventsIter<'_> {}
