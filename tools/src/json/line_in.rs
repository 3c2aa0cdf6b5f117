//! A line of JSON to an event. Strict: a field that is not known is an error, since
//! passing over it would lose what it says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use annals::Uuid;

use crate::incoming::{Incoming, ItemError, Payload};
use crate::time;

/// The fields of a line, as they stand there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    stream: String,
    #[serde(rename = "type")]
    event_type: String,
    id: Option<String>,
    schema: Option<u32>,
    time: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    metadata: Option<&'a RawValue>,
    metadata_base64: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    caused_by: Option<String>,
    correlation: Option<String>,
    // The log gives these itself.
    #[serde(rename = "position")]
    _position: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(rename = "recorded_at")]
    _recorded_at: Option<IgnoredAny>,
}

/// `null` is a value here: `"data":null` has data, and it is kept.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The event on a line (without its line end).
pub(crate) fn parse(line: &[u8]) -> Result<Incoming, ItemError> {
    let text = std::str::from_utf8(line)
        .map_err(|error| ItemError::NotUtf8 { byte: error.valid_up_to() + 1 })?;
    // Serde would take an array for the fields in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(ItemError::NoObject);
    }
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| ItemError::Json {
        column: error.column(),
        message: super::message(&error),
    })?;
    let data = match both("data", line.data, line.data_base64)? {
        Some(Either::Raw(text)) => Payload::Json(text.to_owned()),
        Some(Either::Decoded(bytes)) => Payload::Bytes(bytes),
        None => return Err(ItemError::NoData { name: "data" }),
    };
    let metadata = match both("metadata", line.metadata, line.metadata_base64)? {
        Some(Either::Raw(text)) => text.as_bytes().to_vec(),
        Some(Either::Decoded(bytes)) => bytes,
        None => Vec::new(),
    };
    Ok(Incoming {
        stream: line.stream,
        event_type: line.event_type,
        id: line.id.map(parse_id).transpose()?,
        schema: line.schema,
        occurred: line.time.map(parse_time).transpose()?,
        data,
        content_type: line.content_type,
        metadata,
        tags: line.tags,
        caused_by: line.caused_by,
        correlation: line.correlation,
    })
}

enum Either<'a> {
    Raw(&'a str),
    Decoded(Vec<u8>),
}

/// A value that can be given as JSON or as base64, but not as both.
fn both<'a>(
    name: &'static str,
    raw: Option<&'a RawValue>,
    encoded: Option<String>,
) -> Result<Option<Either<'a>>, ItemError> {
    let field = if name == "data" { "data_base64" } else { "metadata_base64" };
    match (raw, encoded) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ItemError::BothData { name }),
        (Some(raw), None) => Ok(Some(Either::Raw(raw.get()))),
        (None, Some(encoded)) => STANDARD
            .decode(encoded)
            .map(|bytes| Some(Either::Decoded(bytes)))
            .map_err(|source| ItemError::Base64 { field, source }),
    }
}

fn parse_id(text: String) -> Result<Uuid, ItemError> {
    Uuid::parse_str(&text).map_err(|source| ItemError::Id { text, source })
}

fn parse_time(text: String) -> Result<annals::Occurred, ItemError> {
    time::parse(&text).map_err(|source| ItemError::Time { text, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn data_and_metadata_keep_their_text() {
        let line =
            r#"{"stream":"s","type":"T","data": {"b" : 1.0, "a":"\u00e9"} ,"metadata":null}"#;
        let event = parse(line.as_bytes()).unwrap();
        assert_eq!(event.data, Payload::Json(r#"{"b" : 1.0, "a":"\u00e9"}"#.into()));
        assert_eq!(event.metadata, b"null");
        let event = parse(br#"{"stream":"s","type":"T","data":null}"#).unwrap();
        assert_eq!(event.data, Payload::Json("null".into()));
    }

    #[test]
    fn the_logs_own_numbers_are_passed_over() {
        let line =
            r#"{"position":7,"stream":"s","version":"x","type":"T","recorded_at":[],"data":1}"#;
        assert_eq!(parse(line.as_bytes()).unwrap().stream, "s");
    }

    #[test]
    fn errors_name_the_field_and_the_column() {
        assert!(error(r#"{"type":"T","data":1}"#).contains("missing field `stream`"));
        assert!(error(r#"{"stream":"s","data":1}"#).contains("missing field `type`"));
        assert!(error(r#"{"stream":"s","type":"T"}"#).contains("neither `data`"));
        assert!(
            error(r#"{"stream":"s","type":"T","data":1,"colour":2}"#).contains("field `colour`")
        );
        assert!(error(r#"{"stream":"s","stream":"s"}"#).contains("duplicate field `stream`"));
        assert!(error(r#"{"stream":"s","#).starts_with("column 14: EOF"));
        assert!(error("[1]").contains("JSON object"));
        assert!(error(r#"{"stream":"s","type":"T","data":1} x"#).contains("trailing"));
        assert!(error(r#"{"stream":"s","type":"T","data_base64":"*"}"#).contains("data_base64"));
        assert!(
            error(r#"{"stream":"s","type":"T","data":1,"data_base64":""}"#).contains("both `data`")
        );
        assert!(error(r#"{"stream":"s","type":"T","data":1,"id":"x"}"#).contains("no UUID"));
        assert!(error(r#"{"stream":"s","type":"T","data":1,"time":"now"}"#).contains("\"now\""));
        assert_eq!(parse(b"{\"\xff").unwrap_err().to_string(), "byte 3 is not UTF-8");
    }
}
