//! One change of one file in one commit, as an event.
//!
//! Two things that git allows do not fit into a stream's name: paths that are no
//! UTF-8, and paths above the name's limit. Their stream is named by a UUID of the
//! path behind a slash, which no path in git starts with, so that it meets no other;
//! the path itself is in the data, as `path` or `path_base64`.

use std::borrow::Cow;

use annals::{Event, Occurred, Timestamp, Uuid, limits};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::incoming::{Incoming, Payload};

/// What a file's stream starts with: its category is `file`.
pub(crate) const STREAM_PREFIX: &str = "file-";

/// The type of the event that a file ends with.
pub(crate) const DELETED: &str = "FileDeleted";

/// The name space of the ids: an event's id is the UUID (version 5) in it of the
/// commit's hash in hexadecimal, a zero byte, and the path's bytes. Never to be
/// changed: ids are how a second import knows what the first one did. It is the UUID
/// (version 5) of `https://github.com/annals-log/annals/git-import` in the name space
/// of URLs.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x7f19e936_a3aa_5f20_a252_a7c68c665711);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What a commit's events share.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) hash: String,
    when: Option<Occurred>,
    author: String,
    subject: String,
}

impl Commit {
    /// From its head: hash, author date, author and subject, a line each. Text that is
    /// no UTF-8 has U+FFFD in its place, as git shows it.
    pub(super) fn from_head(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.splitn(4, '\n');
        let hash = lines.next()?;
        if hash.len() < 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let when = parse_date(lines.next()?);
        let author = lines.next()?.to_owned();
        let subject = lines.next()?.to_owned();
        Some(Self { hash: hash.to_owned(), when, author, subject })
    }
}

/// A date as git stores it: `1477042562 +0200`. Commits with a date that cannot be
/// exist, and have none here.
fn parse_date(text: &str) -> Option<Occurred> {
    let (seconds, offset) = text.split_once(' ')?;
    let nanos = seconds.parse::<i64>().ok()?.checked_mul(NANOS_PER_SECOND)?;
    let offset = offset.parse::<i16>().ok()?;
    let minutes = offset / 100 * 60 + offset % 100;
    Some(Occurred {
        at: Timestamp::from_nanos(nanos),
        // An offset of a day or more is a mistake; the instant is none.
        offset_minutes: (minutes.abs() < 24 * 60).then_some(minutes),
        fraction_digits: 0,
    })
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Changed,
    Deleted,
}

impl Change {
    /// From git's raw line, `100644 000000 <hash> <hash> D`. That a file became a link
    /// (`T`) is a change like any other.
    pub(super) fn from_raw(raw: &[u8]) -> Option<Self> {
        match raw.rsplit(|byte| *byte == b' ').next()? {
            b"A" => Some(Self::Added),
            b"M" | b"T" => Some(Self::Changed),
            b"D" => Some(Self::Deleted),
            _ => None,
        }
    }

    const fn event_type(self) -> &'static str {
        match self {
            Self::Added => "FileAdded",
            Self::Changed => "FileChanged",
            Self::Deleted => DELETED,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    commit: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    author: &'a str,
}

/// The event of a change.
pub(super) fn event_of(commit: &Commit, change: Change, path: &[u8]) -> Incoming {
    let mut data = Data {
        commit: Cow::Borrowed(&commit.hash),
        subject: Cow::Borrowed(&commit.subject),
        path: None,
        path_base64: None,
    };
    let stream = match std::str::from_utf8(path) {
        Ok(text) if STREAM_PREFIX.len() + text.len() <= limits::STREAM_NAME_BYTES => {
            format!("{STREAM_PREFIX}{text}")
        }
        unfit => {
            data.path = unfit.ok().map(Cow::Borrowed);
            data.path_base64 = unfit.is_err().then(|| STANDARD.encode(path));
            format!("{STREAM_PREFIX}/{}", Uuid::new_v5(&ID_NAMESPACE, path))
        }
    };
    let name = [commit.hash.as_bytes(), &[0], path].concat();
    Incoming {
        stream,
        event_type: change.event_type().to_owned(),
        id: Some(Uuid::new_v5(&ID_NAMESPACE, &name)),
        occurred: commit.when,
        data: Payload::Json(to_json(&data)),
        metadata: to_json(&Metadata { author: &commit.author }).into_bytes(),
        ..Incoming::default()
    }
}

/// The path of the file that an event is about; `None` if it is no such event.
pub(crate) fn path_of(event: &Event<'_>) -> Option<Vec<u8>> {
    let name = event.stream().strip_prefix(STREAM_PREFIX)?;
    if !name.starts_with('/') {
        return Some(name.as_bytes().to_vec());
    }
    let data: Data<'_> = serde_json::from_slice(event.data()).ok()?;
    match (data.path, data.path_base64) {
        (Some(path), _) => Some(path.into_owned().into_bytes()),
        (None, encoded) => STANDARD.decode(encoded?).ok(),
    }
}

/// Structs of texts have a JSON form in any case.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "36b9149a855a6ba54aea08030517ab3f363c3dc5";

    fn commit() -> Commit {
        let head = format!("{HASH}\n1477042562 +0200\nAda\n:tada: \"Initial\" commit");
        Commit::from_head(head.as_bytes()).unwrap()
    }

    #[test]
    fn the_name_space_is_the_documented_one() {
        let url = b"https://github.com/annals-log/annals/git-import";
        assert_eq!(ID_NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_URL, url));
    }

    #[test]
    fn a_change_is_an_event_of_its_file() {
        let event = event_of(&commit(), Change::Added, "src/é main.rs".as_bytes());
        assert_eq!(event.stream, "file-src/é main.rs");
        assert_eq!(event.event_type, "FileAdded");
        let data = format!(r#"{{"commit":"{HASH}","subject":":tada: \"Initial\" commit"}}"#);
        assert_eq!(event.data, Payload::Json(data));
        assert_eq!(event.metadata, br#"{"author":"Ada"}"#);
        let time = crate::time::text(event.occurred.unwrap());
        assert_eq!(time, "2016-10-21T11:36:02+02:00");
        let again = event_of(&commit(), Change::Added, "src/é main.rs".as_bytes());
        assert_eq!(event.id, again.id);
    }

    #[test]
    fn paths_that_fit_no_stream_name_lose_nothing() {
        let event = event_of(&commit(), Change::Changed, b"a\xffb");
        assert!(event.stream.starts_with("file-/"));
        assert!(
            matches!(&event.data, Payload::Json(text) if text.contains(r#""path_base64":"Yf9i""#))
        );
        let long = "d/".repeat(254);
        let event = event_of(&commit(), Change::Changed, long.as_bytes());
        assert!(event.stream.len() <= limits::STREAM_NAME_BYTES);
        assert!(matches!(&event.data, Payload::Json(text) if text.contains(&long)));
        let fits = "d".repeat(limits::STREAM_NAME_BYTES - STREAM_PREFIX.len());
        let event = event_of(&commit(), Change::Changed, fits.as_bytes());
        assert_eq!(event.stream.len(), limits::STREAM_NAME_BYTES);
    }

    #[test]
    fn odd_dates_are_none_or_in_utc() {
        assert_eq!(parse_date("99999999999999 +0000"), None);
        assert_eq!(parse_date(""), None);
        assert_eq!(parse_date("0 +9999").unwrap().offset_minutes, None);
        assert_eq!(parse_date("0 -0330").unwrap().offset_minutes, Some(-210));
    }

    #[test]
    fn raw_lines_tell_what_changed() {
        let line = |letter| format!("100644 100644 {HASH} {HASH} {letter}").into_bytes();
        assert_eq!(Change::from_raw(&line("M")), Some(Change::Changed));
        assert_eq!(Change::from_raw(&line("T")), Some(Change::Changed));
        assert_eq!(Change::from_raw(&line("U")), None);
    }
}
