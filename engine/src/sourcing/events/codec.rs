//! How events and snapshots become bytes.

use serde::Serialize;
use serde::de::DeserializeSeed;

/// What a codec says when it cannot encode or decode.
pub type CodecError = Box<dyn std::error::Error + Send + Sync>;

/// How the content of events is written and read: [`Json`], `Postcard` (feature `postcard`), or
/// one of your own.
///
/// An event tells its codec by its content type, so a program can change the codec of an
/// event type without touching what it appended before: JSON and Postcard are read
/// wherever they stand.
pub trait Codec: 'static {
    /// What events and snapshots are marked with.
    const CONTENT_TYPE: &'static str;

    /// The value as bytes.
    ///
    /// # Errors
    /// What the format cannot say, such as a map in JSON whose keys are no texts.
    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError>;

    /// What the seed makes of the bytes, all of them. A seed that decodes a `T` is
    /// `PhantomData::<T>`.
    ///
    /// # Errors
    /// The bytes are not what the seed wants, or more.
    fn decode<'a, S: DeserializeSeed<'a>>(seed: S, data: &'a [u8]) -> Result<S::Value, CodecError>;
}

/// JSON: readable by everything, and what the tools of the log show as it is.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Codec for Json {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
        Ok(serde_json::to_vec(value)?)
    }

    /// No data at all, as events have that were appended without any, is an empty object.
    fn decode<'a, S: DeserializeSeed<'a>>(seed: S, data: &'a [u8]) -> Result<S::Value, CodecError> {
        let data = if data.is_empty() { "{}".as_bytes() } else { data };
        let mut content = serde_json::Deserializer::from_slice(data);
        let value = seed.deserialize(&mut content)?;
        content.end()?;
        Ok(value)
    }
}

/// Postcard: small and fast, without names in it. A field that is added, removed or moved
/// makes another schema of it, since only the order of the fields tells them apart.
#[cfg(feature = "postcard")]
#[derive(Debug, Clone, Copy)]
pub struct Postcard;

#[cfg(feature = "postcard")]
impl Codec for Postcard {
    const CONTENT_TYPE: &'static str = "application/vnd.postcard";

    fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
        Ok(postcard::to_allocvec(value)?)
    }

    fn decode<'a, S: DeserializeSeed<'a>>(seed: S, data: &'a [u8]) -> Result<S::Value, CodecError> {
        let mut content = postcard::Deserializer::from_bytes(data);
        let value = seed.deserialize(&mut content)?;
        match content.finalize()? {
            [] => Ok(value),
            rest => Err(format!("{} bytes are left over", rest.len()).into()),
        }
    }
}

/// Decodes by the content type; what has none is of codec `C`.
pub(in crate::sourcing) fn decode_by<'a, C: Codec, S: DeserializeSeed<'a>>(
    content_type: Option<&str>,
    seed: S,
    data: &'a [u8],
) -> Result<S::Value, CodecError> {
    match content_type {
        None => C::decode(seed, data),
        Some(own) if own == C::CONTENT_TYPE => C::decode(seed, data),
        Some(Json::CONTENT_TYPE) => Json::decode(seed, data),
        #[cfg(feature = "postcard")]
        Some(Postcard::CONTENT_TYPE) => Postcard::decode(seed, data),
        Some(other) => Err(format!("no codec for content type {other:?}").into()),
    }
}
