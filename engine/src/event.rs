//! Events as they are read: borrowed from the bytes of the log.

use std::fmt;

use uuid::Uuid;

use crate::record::event::{EventHead, Fields, TagTexts};
use crate::time::{Occurred, Timestamp};

/// An event of the log, lent by what was read: no copy was made of it, and its
/// checksum was checked.
///
/// [`to_owned`](Self::to_owned) makes a copy that lives by itself. There is an
/// [example of everything that it has](crate::guide::reading#what-an-event-has) in the guide.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub(crate) head: EventHead,
    pub(crate) fields: Fields,
    pub(crate) payload: &'a [u8],
}

impl<'a> Event<'a> {
    /// Its place in the whole log: dense from 1, in commit order.
    pub const fn position(&self) -> u64 {
        self.head.position
    }

    /// Its place in its stream: dense from 1.
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// Its id, unique in the log.
    pub fn id(&self) -> Uuid {
        Uuid::from_u128(Fields::id(self.payload))
    }

    /// The name of its stream.
    pub fn stream(&self) -> &'a str {
        self.fields.stream(self.payload)
    }

    /// Its type, as its author named it.
    pub fn event_type(&self) -> &'a str {
        self.fields.event_type(self.payload)
    }

    /// The number of its type's shape; 1 if none was given.
    pub fn schema(&self) -> u32 {
        self.fields.optional(self.payload).schema.unwrap_or(1)
    }

    /// What happened, in its author's encoding.
    pub fn data(&self) -> &'a [u8] {
        self.fields.data(self.payload)
    }

    /// What its author noted beside the data; empty if nothing.
    pub fn metadata(&self) -> &'a [u8] {
        self.fields.metadata(self.payload)
    }

    /// Its tags, in the order in which they were given.
    pub fn tags(&self) -> Tags<'a> {
        Tags { inner: TagTexts::new(self.fields.optional(self.payload).tags) }
    }

    /// How the data is encoded, if that was said.
    pub fn content_type(&self) -> Option<&'a str> {
        if self.fields.is_json() {
            Some("application/json")
        } else {
            self.fields.optional(self.payload).content_type
        }
    }

    /// What caused it: the id of an event or of a message from elsewhere.
    pub fn caused_by(&self) -> Option<&'a str> {
        self.fields.optional(self.payload).cause
    }

    /// What it belongs to: a conversation, a process, a request.
    pub fn correlation(&self) -> Option<&'a str> {
        self.fields.optional(self.payload).correlation
    }

    /// When it was committed. Never runs backwards along the log, whatever the clock
    /// did.
    pub const fn recorded_at(&self) -> Timestamp {
        Timestamp::from_nanos(self.head.recorded_at)
    }

    /// When it occurred, if its author said so.
    pub fn occurred_at(&self) -> Option<Occurred> {
        self.fields.optional(self.payload).occurred
    }

    /// Whether it is the last event of its batch. A reader that must act on whole
    /// batches waits for it.
    pub const fn is_last_of_batch(&self) -> bool {
        self.head.last_of_batch
    }

    /// A copy that lives by itself.
    #[allow(clippy::wrong_self_convention)]
    pub fn to_owned(&self) -> OwnedEvent {
        OwnedEvent { head: self.head, fields: self.fields, payload: self.payload.into() }
    }

    /// Whether it is what a batch would append: stream, type, schema, data and tags.
    pub(crate) fn same_content(&self, other: &Event<'_>) -> bool {
        self.stream() == other.stream()
            && self.event_type() == other.event_type()
            && self.schema() == other.schema()
            && self.data() == other.data()
            && self.tags().eq(other.tags())
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("position", &self.position())
            .field("stream", &self.stream())
            .field("version", &self.version())
            .field("id", &self.id())
            .field("event_type", &self.event_type())
            .field("data", &String::from_utf8_lossy(self.data()))
            .finish_non_exhaustive()
    }
}

/// The tags of an event, from [`Event::tags`].
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    inner: TagTexts<'a>,
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.inner.next()
    }
}

/// A copy of an event.
///
/// [`as_event`](Self::as_event) gives its fields.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent, OwnedEvent, Uuid};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let id = Uuid::from_u128(7);
/// let placed = NewEvent::new("OrderPlaced").id(id);
/// log.append(Batch::new().write("order-17", Expected::NoStream, [placed]))?;
/// let kept: Option<OwnedEvent> = log.event(id)?;
/// log.close()?;
/// assert_eq!(kept.map(|event| event.as_event().position()), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OwnedEvent {
    head: EventHead,
    fields: Fields,
    payload: Box<[u8]>,
}

impl OwnedEvent {
    /// The event, lent by this copy.
    pub const fn as_event(&self) -> Event<'_> {
        Event { head: self.head, fields: self.fields, payload: &self.payload }
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_event().fmt(formatter)
    }
}
