//! Snapshots, of streams and of named states: heads and payloads, made and read.
//!
//! As with events, a payload knows nothing of its place and is made outside any lock.

use super::checksum::{Seed, seal_header};
use super::event::{short, text};
use super::field::{i64_at, put_i64, put_u64, u16_at, u32_at, u64_at};
use super::frame::put_common;
use super::head::{Head, RecordHead};
use super::layout::{kind, snapshot};

/// The head's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotHead {
    /// Whether the name is that of a named state, not of a stream.
    pub(crate) state: bool,
    /// The version that the stream had; of a named state, the number that its author
    /// gave.
    pub(crate) version: u64,
    pub(crate) recorded_at: i64,
    /// Position of the last event before it in commit order; 0 if there is none.
    pub(crate) position: u64,
}

impl SnapshotHead {
    /// The header bytes and their CRC.
    pub(crate) fn encode(
        &self,
        payload_len: u32,
        payload_crc: u32,
        seed: Seed,
        offset: u64,
    ) -> ([u8; snapshot::LEN], u32) {
        let mut header = [0; snapshot::LEN];
        let flags = if self.state { snapshot::STATE } else { 0 };
        put_common(&mut header, kind::SNAPSHOT, flags, payload_len, payload_crc);
        put_u64(&mut header, snapshot::VERSION, self.version);
        put_i64(&mut header, snapshot::RECORDED_AT, self.recorded_at);
        put_u64(&mut header, snapshot::POSITION, self.position);
        let crc = seal_header(&mut header, seed, offset);
        (header, crc)
    }
}

impl RecordHead for SnapshotHead {
    type Fields = SnapshotFields;

    fn decode(head: &Head<'_>) -> Option<Self> {
        if head.kind != kind::SNAPSHOT || head.flags & !snapshot::STATE != 0 {
            return None;
        }
        let decoded = Self {
            state: head.flags & snapshot::STATE != 0,
            version: u64_at(head.bytes, snapshot::VERSION)?,
            recorded_at: i64_at(head.bytes, snapshot::RECORDED_AT)?,
            position: u64_at(head.bytes, snapshot::POSITION)?,
        };
        (decoded.state || decoded.version > 0).then_some(decoded)
    }

    fn fields(payload: &[u8]) -> Option<SnapshotFields> {
        SnapshotFields::read(payload)
    }
}

/// What a payload is made of. Limits were checked by who fills it in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotParts<'a> {
    pub(crate) schema: u32,
    pub(crate) name: &'a str,
    /// The content type is `application/json`; none is given then.
    pub(crate) json: bool,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) data: &'a [u8],
}

impl SnapshotParts<'_> {
    /// Appends the payload to `out`, without the zeros that fill it up.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let name_len = u16::try_from(self.name.len()).unwrap_or(u16::MAX);
        let content_type = self.content_type.unwrap_or_default();
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.extend_from_slice(&name_len.to_le_bytes());
        out.push(short(content_type));
        out.push(if self.json { snapshot::JSON } else { 0 });
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(content_type.as_bytes());
        out.extend_from_slice(self.data);
    }
}

/// Where each field of a payload stands. Borrows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotFields {
    name_len: u16,
    type_len: u8,
    json: bool,
}

impl SnapshotFields {
    /// Reads where the fields of a payload stand, and checks that all of it makes
    /// sense: lengths within the payload, a name, texts in UTF-8.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let name_len = u16_at(payload, snapshot::NAME_LEN)?;
        let type_len = *payload.get(snapshot::TYPE_LEN)?;
        let flags = *payload.get(snapshot::FLAGS)?;
        let json = flags & snapshot::JSON != 0;
        let texts_len = usize::from(name_len) + usize::from(type_len);
        let texts = payload.get(snapshot::NAMES..)?.get(..texts_len)?;
        // Each is UTF-8 if both together are and neither cuts a character.
        let texts = std::str::from_utf8(texts).ok()?;
        let sound = name_len > 0
            && texts.is_char_boundary(usize::from(name_len))
            && flags & !snapshot::JSON == 0
            && !(json && type_len > 0);
        sound.then_some(Self { name_len, type_len, json })
    }

    pub(crate) fn schema(payload: &[u8]) -> u32 {
        u32_at(payload, snapshot::SCHEMA).unwrap_or_default()
    }

    fn type_at(self) -> usize {
        snapshot::NAMES + usize::from(self.name_len)
    }

    fn data_at(self) -> usize {
        self.type_at() + usize::from(self.type_len)
    }

    /// The name of the stream or of the state.
    pub(crate) fn name(self, payload: &[u8]) -> &str {
        text(payload.get(snapshot::NAMES..self.type_at()))
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// The content type, if one is written out.
    pub(crate) fn content_type(self, payload: &[u8]) -> Option<&str> {
        (self.type_len > 0).then(|| text(payload.get(self.type_at()..self.data_at())))
    }

    pub(crate) fn data(self, payload: &[u8]) -> &[u8] {
        payload.get(self.data_at()..).unwrap_or_default()
    }
}
