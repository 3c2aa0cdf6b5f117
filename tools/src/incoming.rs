//! An event on its way into a log: what an import reads, before it is appended, where
//! it came from, and why it may be refused.

use std::fmt;
use std::io;

use annals::{Event, NewEvent, Occurred, Uuid};

use crate::time::TimeError;

/// An event that was read from somewhere and is not in a log yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming {
    pub(crate) stream: String,
    pub(crate) event_type: String,
    /// Without one the library makes one, and the event cannot be recognised later.
    pub(crate) id: Option<Uuid>,
    pub(crate) schema: Option<u32>,
    pub(crate) occurred: Option<Occurred>,
    pub(crate) data: Payload,
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) tags: Vec<String>,
    pub(crate) caused_by: Option<String>,
    pub(crate) correlation: Option<String>,
}

/// What happened: JSON text, or bytes that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Json(String),
    Bytes(Vec<u8>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Payload {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Incoming {
    /// As the library takes it.
    pub(crate) fn as_new_event(&self) -> NewEvent<'_> {
        let mut event = NewEvent::new(&self.event_type)
            .metadata(&self.metadata)
            .schema(self.schema.unwrap_or(1));
        event = match &self.data {
            Payload::Json(text) => event.json(text),
            Payload::Bytes(bytes) => event.data(bytes),
        };
        if let Some(content_type) = &self.content_type {
            event = event.content_type(content_type);
        }
        if let Some(id) = self.id {
            event = event.id(id);
        }
        if let Some(occurred) = self.occurred {
            event = event.occurred_at(occurred);
        }
        if let Some(cause) = &self.caused_by {
            event = event.caused_by(cause);
        }
        if let Some(correlation) = &self.correlation {
            event = event.correlation(correlation);
        }
        self.tags.iter().fold(event, |event, tag| event.tag(tag))
    }

    /// Whether the log's event has what this one would append: stream, type, schema,
    /// data and tags, as the library itself compares them.
    pub(crate) fn is_content_of(&self, event: &Event<'_>) -> bool {
        self.stream == event.stream()
            && self.event_type == event.event_type()
            && self.schema.unwrap_or(1) == event.schema()
            && self.data.as_bytes() == event.data()
            && self.tags.iter().map(String::as_str).eq(event.tags())
    }

    /// The same, of another event that was not appended yet.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        self.stream == other.stream
            && self.event_type == other.event_type
            && self.schema.unwrap_or(1) == other.schema.unwrap_or(1)
            && self.data.as_bytes() == other.data.as_bytes()
            && self.tags == other.tags
    }

    /// About how many bytes it will take: the parts that can be large.
    pub(crate) fn weight(&self) -> usize {
        self.data.as_bytes().len() + self.metadata.len() + self.stream.len()
    }
}

/// Where an event came from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file, counted from 1.
    Line(u64),
    /// A file in a commit.
    Commit { commit: String, path: String },
    /// The n-th event that was generated.
    Generated(u64),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::Commit { commit, path } => write!(formatter, "commit {commit}, file {path:?}"),
            Self::Generated(number) => write!(formatter, "generated event {number}"),
        }
    }
}

/// An event with the place that it came from.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) origin: Origin,
    pub(crate) event: Incoming,
}

/// An event of an import that was refused, with its place.
#[derive(Debug, thiserror::Error)]
#[error("{input}, {origin}: {source}")]
pub(crate) struct Refusal {
    /// The file, or whatever else was read.
    pub(crate) input: String,
    pub(crate) origin: Origin,
    pub(crate) source: ItemError,
}

impl Refusal {
    /// Whether it is the log, or the input itself, that says otherwise.
    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self.source, ItemError::Known { .. })
    }
}

/// Why one event of an import is refused. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ItemError {
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),

    #[error("the line is longer than the limit of {limit} bytes")]
    LineTooLong { limit: usize },

    #[error("byte {byte} is not UTF-8")]
    NotUtf8 { byte: usize },

    #[error("the line is no JSON object")]
    NoObject,

    #[error("column {column}: {message}")]
    Json { column: usize, message: String },

    #[error("there is neither `{name}` nor `{name}_base64`")]
    NoData { name: &'static str },

    #[error("there are both `{name}` and `{name}_base64`")]
    BothData { name: &'static str },

    #[error("`{field}` is not base64: {source}")]
    Base64 { field: &'static str, source: base64::DecodeError },

    #[error("`id` {text:?} is no UUID: {source}")]
    Id { text: String, source: uuid::Error },

    #[error("`time` {text:?}: {source}")]
    Time { text: String, source: TimeError },

    /// The library's limits: too long, too many, empty.
    #[error("{0}")]
    Refused(#[source] annals::Error),

    /// Other content under an id that is taken.
    #[error(
        "id {id} is taken by another event, {holder}: they differ in stream, type, schema, data or tags"
    )]
    Known { id: Uuid, holder: Holder },
}

/// Who has the id already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    Log { position: u64 },
    Input(Origin),
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { position } => write!(formatter, "at position {position} of the log"),
            Self::Input(origin) => write!(formatter, "on {origin} of the input"),
        }
    }
}
