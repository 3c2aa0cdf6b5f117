//! An event as it is handed in.

use uuid::Uuid;

use super::check::{most, within};
use crate::error::{Error, Result};
use crate::limits;
use crate::time::Occurred;

/// An event to append. Borrows everything it is given; [`Batch::write`](crate::Batch::write) copies it
/// once, into the form that goes to the disk.
///
/// ```
/// use annals::NewEvent;
/// let event = NewEvent::new("OrderPlaced").json(r#"{"total":12}"#).tag("customer:9");
/// # let _ = event;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct NewEvent<'a> {
    pub(super) event_type: &'a str,
    pub(super) id: Option<Uuid>,
    pub(super) schema: u32,
    pub(super) data: &'a [u8],
    pub(super) metadata: &'a [u8],
    pub(super) tags: Vec<&'a str>,
    pub(super) json: bool,
    pub(super) content_type: Option<&'a str>,
    pub(super) occurred: Option<Occurred>,
    pub(super) caused_by: Option<&'a str>,
    pub(super) correlation: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// An event of this type (1 to 255 bytes) without data. The type is an explicit
    /// string, since it outlives the names of the code that wrote it.
    pub const fn new(event_type: &'a str) -> Self {
        Self {
            event_type,
            id: None,
            schema: 1,
            data: &[],
            metadata: &[],
            tags: Vec::new(),
            json: false,
            content_type: None,
            occurred: None,
            caused_by: None,
            correlation: None,
        }
    }

    /// Its id, unique in the log. Without one it gets a random UUID of version 7 when
    /// it is added to a batch, so that appending the same batch again is recognised
    /// in any case.
    pub const fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// The data, in whatever encoding.
    pub const fn data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The data as JSON text, with the content type that says so. The text is kept
    /// byte for byte and not looked at.
    pub const fn json(mut self, text: &'a str) -> Self {
        self.data = text.as_bytes();
        self.json = true;
        self.content_type = None;
        self
    }

    /// What to note beside the data.
    pub const fn metadata(mut self, metadata: &'a [u8]) -> Self {
        self.metadata = metadata;
        self
    }

    /// The number of the type's shape, where that has changed over time; 1 if not
    /// given.
    pub const fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Adds a tag (1 to 255 bytes; at most 64 tags).
    pub fn tag(mut self, tag: &'a str) -> Self {
        self.tags.push(tag);
        self
    }

    /// How the data is encoded (1 to 255 bytes).
    pub fn content_type(mut self, content_type: &'a str) -> Self {
        self.json = content_type == "application/json";
        self.content_type = (!self.json).then_some(content_type);
        self
    }

    /// When it occurred, where that is not when it is recorded.
    pub const fn occurred_at(mut self, occurred: Occurred) -> Self {
        self.occurred = Some(occurred);
        self
    }

    /// What caused it (1 to 255 bytes): recorded, not enforced.
    pub const fn caused_by(mut self, cause: &'a str) -> Self {
        self.caused_by = Some(cause);
        self
    }

    /// What it belongs to (1 to 255 bytes): recorded, not enforced.
    pub const fn correlation(mut self, correlation: &'a str) -> Self {
        self.correlation = Some(correlation);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        within("event type", self.event_type.len(), limits::EVENT_TYPE_BYTES)?;
        most("tags of an event", self.tags.len(), limits::TAGS)?;
        for tag in &self.tags {
            within("tag", tag.len(), limits::TAG_BYTES)?;
        }
        if let Some(text) = self.content_type {
            within("content type", text.len(), limits::CONTENT_TYPE_BYTES)?;
        }
        if let Some(text) = self.caused_by {
            within("cause", text.len(), limits::CAUSE_BYTES)?;
        }
        if let Some(text) = self.correlation {
            within("correlation", text.len(), limits::CORRELATION_BYTES)?;
        }
        // Before it is encoded: the parts are what can be huge.
        most("data (bytes)", self.data.len(), limits::EVENT_BYTES)?;
        most("metadata (bytes)", self.metadata.len(), limits::EVENT_BYTES)?;
        let Some(occurred) = self.occurred else { return Ok(()) };
        if occurred.fraction_digits > 9 {
            return Err(Error::Invalid { what: "occurred_at", why: "more than 9 fraction digits" });
        }
        if occurred.offset_minutes.is_some_and(|minutes| minutes.unsigned_abs() >= 24 * 60) {
            return Err(Error::Invalid { what: "occurred_at", why: "an offset of a day or more" });
        }
        Ok(())
    }
}
