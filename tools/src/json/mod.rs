//! The JSON of an event: one object a line, the same in import and export.
//!
//! `data` and `metadata` are never taken apart: their text goes in and out byte for
//! byte.

mod line_in;
mod line_out;

pub(crate) use line_in::parse;
pub(crate) use line_out::write_event;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

/// The text of `bytes`, if they are one JSON value that fits on a line, with nothing
/// around it: what can stand in a line as it is and be read back the same.
pub(crate) fn as_json_text(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let value: &RawValue = serde_json::from_str(text).ok()?;
    (value.get().len() == text.len()).then_some(text)
}

/// Whether `bytes` are one JSON value, on however many lines, as another program will read
/// them.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| trimmed(text).is_ok())
}

/// The JSON value in `text`, without white space around it, byte for byte.
pub(crate) fn trimmed(text: &str) -> serde_json::Result<&str> {
    serde_json::from_str::<&RawValue>(text).map(RawValue::get)
}

/// Bytes as base64, as they stand in a line.
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What is wrong with a text, without the place, which is told in other words.
pub(crate) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_back_the_same_is_json_text() {
        for text in ["{}", "null", "1e999", r#"{"a": [1, "\ud800"]}"#, "\"é\""] {
            assert_eq!(as_json_text(text.as_bytes()), Some(text));
        }
        for text in ["", " {}", "{} ", "{}{}", "{\"a\":\n1}", "{\"a\":\r1}", "{a:1}", "nul"] {
            assert_eq!(as_json_text(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(as_json_text(b"\"\xff\""), None);
    }
}
