//! An event's content before it is decoded: what upcasters work on.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{Codec, CodecError, Json, decode_by};
use crate::{Event, NewEvent};

/// The content of an event with its type, not decoded: as it is stored, or as an
/// [upcaster](super::Upcasters) made it.
///
/// ```
/// use annals::sourcing::{Json, RawEvent};
/// # fn main() -> Result<(), annals::sourcing::CodecError> {
/// let raw = RawEvent::new::<Json>("paid-in", 2, &serde_json::json!({ "cents": 500 }))?;
/// assert_eq!(raw.data(), br#"{"cents":500}"#);
/// let value: serde_json::Value = raw.decode()?;
/// assert_eq!(value["cents"], 500);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    event_type: Cow<'static, str>,
    schema: u32,
    data: Vec<u8>,
    content_type: Option<Cow<'static, str>>,
}

impl RawEvent {
    /// An event of this type and schema with this content.
    ///
    /// # Errors
    /// What the codec says.
    pub fn new<C: Codec>(
        event_type: impl Into<Cow<'static, str>>,
        schema: u32,
        content: &impl Serialize,
    ) -> Result<Self, CodecError> {
        let content_type = Some(Cow::Borrowed(C::CONTENT_TYPE));
        let data = C::encode(content)?;
        Ok(Self { event_type: event_type.into(), schema, data, content_type })
    }

    /// Its type.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The number of its type's shape.
    pub const fn schema(&self) -> u32 {
        self.schema
    }

    /// The content, encoded.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How the content is encoded, if that was said.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The content, decoded by its content type; by JSON if it has none.
    ///
    /// # Errors
    /// What the codec says, or that the content type is neither JSON nor Postcard.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, CodecError> {
        self.decode_with::<Json, _>(PhantomData::<T>)
    }

    /// The same content under another type or schema.
    #[must_use]
    pub fn renamed(self, event_type: impl Into<Cow<'static, str>>, schema: u32) -> Self {
        Self { event_type: event_type.into(), schema, ..self }
    }

    /// It as an event to append.
    pub fn as_new(&self) -> NewEvent<'_> {
        let new = NewEvent::new(&self.event_type).schema(self.schema).data(&self.data);
        match &self.content_type {
            Some(content_type) => new.content_type(content_type),
            None => new,
        }
    }

    pub(super) fn decode_with<'a, C: Codec, S: serde::de::DeserializeSeed<'a>>(
        &'a self,
        seed: S,
    ) -> Result<S::Value, CodecError> {
        decode_by::<C, S>(self.content_type(), seed, &self.data)
    }
}

/// The content of a stored event.
impl From<&Event<'_>> for RawEvent {
    fn from(event: &Event<'_>) -> Self {
        Self {
            event_type: event.event_type().to_owned().into(),
            schema: event.schema(),
            data: event.data().to_owned(),
            content_type: event.content_type().map(|text| text.to_owned().into()),
        }
    }
}
