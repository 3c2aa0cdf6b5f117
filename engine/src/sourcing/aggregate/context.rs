//! What commands are carried out on behalf of.

use crate::{Event, NewEvent};

/// What a command is carried out on behalf of: noted on each event that comes of it, without
/// `handle` knowing of it.
///
/// ```
/// use annals::sourcing::Context;
/// let context = Context::new()
///     .correlation("order-17")
///     .caused_by("message-77")
///     .once("billing/message-77")
///     .metadata(br#"{"user":"ann"}"#);
/// # let _ = context;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Context {
    correlation: Option<String>,
    cause: Option<String>,
    key: Option<String>,
    metadata: Vec<u8>,
}

impl Context {
    /// Nothing to note.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an event leads to: it is the cause, and what comes of it belongs to what the event
    /// belongs to, or to the event itself if it is the first.
    pub fn of(event: &Event<'_>) -> Self {
        let id = event.id().to_string();
        let correlation = event.correlation().map_or_else(|| id.clone(), str::to_owned);
        Self { correlation: Some(correlation), cause: Some(id), ..Self::default() }
    }

    /// What the events belong to: see [`NewEvent::correlation`].
    pub fn correlation(mut self, text: &str) -> Self {
        self.correlation = Some(text.to_owned());
        self
    }

    /// What caused the events: see [`NewEvent::caused_by`].
    pub fn caused_by(mut self, text: &str) -> Self {
        self.cause = Some(text.to_owned());
        self
    }

    /// Carries out one command with this key, for ever: see
    /// [`Batch::once`](crate::Batch::once). With a known key `handle` is not called, and the
    /// state comes back that the first command led to.
    ///
    /// Keys are known in the whole log. Where one message leads to commands of several
    /// aggregates, put the aggregate in the key; where it creates one, make the id of the
    /// message, so that it is the same again. A command that is refused does not use up its
    /// key.
    pub fn once(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// What to note beside the data: see [`NewEvent::metadata`].
    pub fn metadata(mut self, metadata: &[u8]) -> Self {
        self.metadata = metadata.to_owned();
        self
    }

    /// Who caused something: see [`NewEvent::caused_by`].
    pub(in crate::sourcing) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What it belongs to.
    pub(in crate::sourcing) fn belongs_to(&self) -> Option<&str> {
        self.correlation.as_deref()
    }

    /// With what the other one notes beside the data.
    pub(super) fn beside(self, other: &Self) -> Self {
        Self { metadata: other.metadata.clone(), ..self }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn note<'a>(&'a self, mut event: NewEvent<'a>) -> NewEvent<'a> {
        if let Some(text) = &self.correlation {
            event = event.correlation(text);
        }
        if let Some(text) = &self.cause {
            event = event.caused_by(text);
        }
        event.metadata(&self.metadata)
    }
}
